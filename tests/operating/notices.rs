//! The service is killed while it sends notices: none is lost, and what comes twice says so.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::mail::MailServer;
use crate::common::{HEADER, TestDatabase, rng};
use crate::process::{Process, TOKEN, Toggling, on, program};

const KVNR: &str = "A123456780";

#[test]
fn no_notice_is_lost_when_the_service_is_killed() {
    kill_and_start_again(5);
}

/// `make endurance`
#[test]
#[ignore = "takes minutes"]
fn no_notice_is_lost_when_the_service_is_killed_a_hundred_times() {
    kill_and_start_again(100);
}

#[expect(clippy::print_stdout, reason = "how many came twice is worth knowing")]
fn kill_and_start_again(times: u32) {
    let mail = MailServer::new();
    let database = TestDatabase::new();
    let folder = tempfile::tempdir().unwrap();
    let more = format!(
        "[mail]\nhost = \"localhost\"\nport = {}\nencryption = \"none\"\nfrom = \"post@musterkasse.example\"\n",
        mail.port()
    ) + &on(&database, folder.path());
    let register = folder.path().join("register.csv");
    let hash = "$2y$05$abcdefghijklmnopqrstuuM6pOrzWcSdoZtZMhMo6qhJvu0mA5cLe";
    let row = format!("{KVNR},Erika,M,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,\"{hash}\",erika@person.example\n");
    std::fs::write(&register, HEADER.trim_end().to_owned() + ",password_hash,email\n" + &row).unwrap();
    let imported = program(folder.path(), &more).args(["register", "import"]).arg(register).output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));

    for _ in 0..times {
        let process = Process::start(folder.path(), &more);
        let admin = process.admin.clone();
        // Each time it is suspended and resumed there is a notice; the line breaks when the service is killed.
        let owner = thread::spawn(move || {
            while Toggling::new(KVNR).once(&admin).is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        });
        let mut byte = [0];
        rand_core::Rng::fill_bytes(&mut rng(), &mut byte);
        thread::sleep(Duration::from_millis(900 + 2 * u64::from(byte[0])));
        process.signal("KILL");
        process.ended();
        owner.join().unwrap();
        // Five minutes later, what was on its way is nobody's any more.
        database.sql(folder.path(), "UPDATE notice SET claimed_until = 0 WHERE state = 'sending'");
    }
    let process = Process::start(folder.path(), &more);
    let began = Instant::now();
    let waiting = "SELECT COUNT(*) FROM notice WHERE state <> 'sent'";
    while database.count(folder.path(), waiting) > 0 {
        assert!(began.elapsed() < Duration::from_secs(120), "{}", process.log());
        thread::sleep(Duration::from_millis(200));
    }
    let notices = database.count(folder.path(), "SELECT COUNT(*) FROM notice");
    let changes = crate::process::audit(&process);
    let changes = changes.lines().filter(|line| {
        line.contains("\"event\":\"account.suspended\"") || line.contains("\"event\":\"account.resumed\"")
    });
    assert_eq!(usize::try_from(notices).unwrap(), changes.count(), "what happened was told, and nothing else");
    let (mut told, mut mails) = (BTreeMap::<String, String>::new(), 0);
    // What the mail server has taken it puts into the mailbox a moment later.
    mail.wait_for_calm();
    for mail in mail.mails() {
        mails += 1;
        let (id, text) = (mail.header("Message-ID").to_owned(), mail.subject() + mail.header("Date") + &mail.body);
        assert_eq!(*told.entry(id).or_insert_with(|| text.clone()), text, "what comes twice is the same");
    }
    assert_eq!(told.len(), usize::try_from(notices).unwrap(), "each has arrived");
    println!("killed {times} times: {notices} notices, {} came twice", mails - told.len());
    assert!(!process.log().contains(TOKEN) && !process.log().contains("person.example"));
}
