//! The second factor at a service that is killed: nothing decided is lost or decided twice, no counter of a PIN goes back,
//! no device is half bound, and the audit is whole.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::thread;

use crate::common::{HEADER, PASSWORD_HASH, TestDatabase, number};
use crate::crash::{LIMITS, load};
use crate::newcomer::Newcomer;
use crate::people::{Client, Line};
use crate::process::{Process, is_chain, on, program, read_on};

/// Newcomers at the same time, and how far apart their numbers are.
const AT_ONCE: usize = 2;
const APART: usize = 1000;
pub(crate) const CARDS: &str = concat!(
    "[cards]\npayer_iks = [\"999567890\"]\ntest_anchors = [\"",
    env!("CARGO_MANIFEST_DIR"),
    "/fixtures/pki/test-egk-ca.pem\"]\n"
);

#[test]
fn what_was_decided_holds_when_the_service_is_killed() {
    kill_and_start_again(5);
}

/// `make endurance`
#[test]
#[ignore = "takes minutes"]
fn what_was_decided_holds_when_the_service_is_killed_a_hundred_times() {
    kill_and_start_again(100);
}

#[expect(clippy::print_stdout, reason = "how much was done is worth knowing")]
fn kill_and_start_again(times: usize) {
    let database = TestDatabase::new();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Devices know the service by its name: it comes back under the same.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let more = format!("listen = \"127.0.0.1:{port}\"\n{CARDS}{}{LIMITS}", on(&database, folder));
    import(folder, &more, times);
    let mut process = Process::start_at("trace", folder, &more);
    let mut newcomers: Vec<_> = (0..AT_ONCE).map(|n| Newcomer::new(&process.url, n * APART)).collect();
    let mut audit = String::new();
    for _ in 0..times {
        let everybody = newcomers.iter_mut().map(|newcomer| newcomer as &mut dyn Client).collect();
        load(everybody, process, folder, &more);
        process = Process::start_at("trace", folder, &more);
        let line = Line::to(&process.url, &process.admin);
        thread::scope(|scope| {
            for newcomer in &mut newcomers {
                scope.spawn(|| newcomer.look_back(&line));
            }
        });
        read_on(&process, &mut audit);
        assert!(is_chain(&audit), "the audit is one chain");
    }
    let events = |event: &str| -> Vec<String> {
        let entries = audit.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        entries
            .filter(|entry| entry["event"] == event)
            .map(|entry| entry["object"].as_str().unwrap().to_owned())
            .collect()
    };
    let decided = [events("application.approved"), events("application.denied")].concat();
    assert_eq!(decided.iter().collect::<BTreeSet<_>>().len(), decided.len(), "nothing was decided twice");
    let told: usize = newcomers.iter().map(|newcomer| newcomer.decisions).sum();
    assert_eq!(decided.len(), told, "nothing that was decided is lost, and nobody decided anything else");
    let bound = events("device.bound");
    let registered: usize = newcomers.iter().map(|newcomer| newcomer.registered).sum();
    assert!((registered..=registered + AT_ONCE).contains(&bound.len()), "{registered} {}", bound.len());
    let half = "SELECT COUNT(*) FROM device d WHERE state <> 'revoked' AND NOT EXISTS \
                (SELECT 1 FROM pin_share s WHERE s.device_id = d.device_id)";
    assert_eq!(database.count(folder, half), 0, "no device is half bound");
    let verified = program(folder, &more).args(["audit", "verify"]).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    assert!(process.log().contains("SELECT"), "the log tells all that it can");
    println!("killed {times} times: {registered} devices, {told} decisions");
    assert!(registered > 0 && (times < 20 || told > 0), "there was something to lose");
}

/// Enough people, who have a password.
fn import(folder: &std::path::Path, more: &str, times: usize) {
    let row = |person: usize| {
        format!("{},Erika,Müstermann,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,\"{PASSWORD_HASH}\"\n", number(person))
    };
    let people = (0..AT_ONCE).flat_map(|n| (0..times * 4 + 10).map(move |person| n * APART + person));
    let file = folder.join("register.csv");
    let header = HEADER.trim_end().to_owned() + ",password_hash\n";
    std::fs::write(&file, header + &people.map(row).collect::<String>()).unwrap();
    let imported = program(folder, more).args(["register", "import"]).arg(file).output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
}
