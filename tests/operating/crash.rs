//! The service is killed under load, at any moment and at the very moment of an answer: what anybody was told holds
//! afterwards, nothing is half done, and no counter has gone back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::leaks::leak;
use crate::common::{HEADER, PASSWORD_HASH, TestDatabase, number, rng};
use crate::people::{Client, Forgetful, Guesser, Line, Operator, Owner, Renewer, Told};
use crate::process::{Process, is_chain, on, program, read_on};

/// Two accounts that are suspended and resumed.
pub(crate) const MOVED: [&str; 2] = ["A123456780", "M100200305"];
/// Number of the first person who has no password yet.
pub(crate) const WITHOUT_PASSWORD: usize = 1000;
/// Nobody listens there: notices wait.
pub(crate) const NO_MAIL: &str =
    "[mail]\nhost = \"localhost\"\nport = 9\nencryption = \"none\"\nfrom = \"post@musterkasse.example\"\n";
pub(crate) const LIMITS: &str = "[logins]\ntries_in_an_hour = 1000000\ntries_in_a_day = 1000000\n\
                      [sessions]\naccess_token = 3600\nidle = 7200\n[letters]\ninvite = false\nbatch = 5\n";

#[test]
fn what_was_answered_holds_when_the_service_is_killed() {
    kill_and_start_again(4, 4);
}

/// `make endurance`
#[test]
#[ignore = "takes minutes"]
fn what_was_answered_holds_when_the_service_is_killed_a_hundred_times() {
    kill_and_start_again(100, 12);
}

/// Everybody at the service.
pub(crate) struct Clients {
    guesser: Guesser,
    owners: [Owner; 2],
    renewer: Renewer,
    forgetful: Forgetful,
    pub(crate) operators: [Operator; 2],
}

impl Clients {
    pub(crate) fn new(sessions: usize, line: &Line) -> Self {
        thread::scope(|scope| {
            let owners = [1, 2].map(|person| scope.spawn(move || Owner::new(number(person), line)));
            Self {
                renewer: Renewer::new(&number(3), sessions, line),
                owners: owners.map(|owner| owner.join().unwrap()),
                guesser: Guesser::new(&number(3)),
                forgetful: Forgetful::new(WITHOUT_PASSWORD),
                operators: MOVED.map(Operator::new),
            }
        })
    }

    pub(crate) fn each(&mut self) -> Vec<&mut dyn Client> {
        let [first, second] = &mut self.owners;
        let [suspends, resumes] = &mut self.operators;
        vec![&mut self.guesser, first, second, &mut self.renewer, &mut self.forgetful, suspends, resumes]
    }
}

#[expect(clippy::print_stdout, reason = "how much was done is worth knowing")]
fn kill_and_start_again(times: u32, sessions: usize) {
    let database = TestDatabase::new();
    let folder = tempfile::tempdir().unwrap();
    let (folder, count) = (folder.path(), |query| database.count(folder.path(), query));
    let more = NO_MAIL.to_owned() + &on(&database, folder) + LIMITS;
    import(folder, &more, 30 * times as usize);
    let mut process = Process::start_at("trace", folder, &more);
    let mut clients = Clients::new(sessions, &Line::to(&process.url, &process.admin));
    let mut books = Books::default();
    books.balance(&mut clients, &process, count);
    for _ in 0..times {
        load(clients.each(), process, (folder, &more), || true);
        if below(3) == 0 {
            kill_while_it_starts(folder, &more);
        }
        process = Process::start_at("trace", folder, &more);
        let line = Line::to(&process.url, &process.admin);
        thread::scope(|scope| {
            for client in clients.each() {
                scope.spawn(|| client.look_back(&line));
            }
        });
        books.balance(&mut clients, &process, count);
    }
    let began = Instant::now();
    while count("SELECT COUNT(*) FROM password_reset WHERE state = 'requested'") > 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "requests are not answered: {}", process.log());
        thread::sleep(Duration::from_millis(100));
    }
    let last = program(folder, &more).args(["letters", "create"]).output().unwrap();
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
    read_on(&process, &mut books.audit);
    assert!(is_chain(&books.audit));
    no_letter_and_no_notice_is_lost_or_doubled(&clients, &books.audit, count);
    assert_eq!(handed_over(folder).len(), usize::try_from(entries(&books.audit, "letter.created")).unwrap());
    assert_eq!(leak(&std::fs::read_to_string(folder.join("letters.log")).unwrap()), None);
    println!("killed {times} times: {:?}", books.found);
}

/// Everybody asks until the service is killed: at any time once there is enough to lose, or at the moment somebody gets an
/// answer.
pub(crate) fn load(
    clients: Vec<&mut dyn Client>,
    process: Process,
    (folder, more): (&Path, &str),
    is_enough: impl Fn() -> bool,
) {
    const NOBODY: usize = usize::MAX;
    let (aim, stop) = (AtomicUsize::new(NOBODY), AtomicBool::new(false));
    let (hit, hits) = mpsc::sync_channel(1);
    let (url, admin) = (process.url.clone(), process.admin.clone());
    let people = clients.len() as u64;
    thread::scope(|scope| {
        for (number, client) in clients.into_iter().enumerate() {
            let (aim, hit, url, admin) = (&aim, hit.clone(), &url, &admin);
            scope.spawn(move || {
                let line = Line::to(url, admin);
                while client.step(&line) {
                    if aim.load(Ordering::Relaxed) == number {
                        let _ = hit.try_send(());
                    }
                }
            });
        }
        scope.spawn(|| create_letters_until(&stop, folder, more));
        let began = Instant::now();
        while !is_enough() && began.elapsed() < Duration::from_secs(60) {
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(100 + below(1200)));
        if below(2) == 0 {
            aim.store(usize::try_from(below(people)).unwrap(), Ordering::Relaxed);
            let _ = hits.recv_timeout(Duration::from_secs(2));
        }
        process.signal("KILL");
        stop.store(true, Ordering::Relaxed);
    });
}

/// `letters create` again and again beside the service; the last one is killed with it.
fn create_letters_until(stop: &AtomicBool, folder: &Path, more: &str) {
    while !stop.load(Ordering::Relaxed) {
        let log = File::options().append(true).create(true).open(folder.join("letters.log")).unwrap();
        let mut job = program(folder, more);
        let mut job = job.args(["letters", "create"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let status = loop {
            if stop.load(Ordering::Relaxed) {
                job.kill().unwrap();
                job.wait().unwrap();
                return;
            }
            match job.try_wait().unwrap() {
                Some(status) => break status,
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        assert!(status.success(), "{}", std::fs::read_to_string(folder.join("letters.log")).unwrap());
    }
}

fn kill_while_it_starts(folder: &Path, more: &str) {
    let mut starting = program(folder, more);
    let mut starting = starting.arg("run").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    thread::sleep(Duration::from_millis(below(300)));
    starting.kill().unwrap();
    starting.wait().unwrap();
}

fn below(bound: u64) -> u64 {
    rand_core::Rng::next_u64(&mut rng()) % bound
}

/// Five people with passwords, and `others` without; all have an e-mail address.
pub(crate) fn import(folder: &Path, more: &str, others: usize) {
    let row = |kvnr: &str, hash: &str| {
        format!("{kvnr},Erika,M,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,\"{hash}\",erika@person.example\n")
    };
    let with = (1..=3).map(number).chain(MOVED.map(str::to_owned)).map(|kvnr| row(&kvnr, PASSWORD_HASH));
    let without = (0..others).map(|person| row(&number(WITHOUT_PASSWORD + person), ""));
    let file = folder.join("register.csv");
    let header = HEADER.trim_end().to_owned() + ",password_hash,email\n";
    std::fs::write(&file, header + &with.chain(without).collect::<String>()).unwrap();
    let imported = program(folder, more).args(["register", "import"]).arg(file).output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
}

/// What was in the database and in the audit at the last look.
#[derive(Default)]
struct Books {
    audit: String,
    found: BTreeMap<&'static str, i64>,
}

impl Books {
    /// Since the last look everything has grown by what was answered, and at most by what was lost beside it.
    fn balance(&mut self, clients: &mut Clients, process: &Process, count: impl Fn(&'static str) -> i64) {
        read_on(process, &mut self.audit);
        assert!(is_chain(&self.audit), "the audit is one chain");
        let audited = |events: &[&str]| events.iter().map(|event| entries(&self.audit, event)).sum::<i64>();
        let Clients { guesser, owners, renewer, forgetful, operators } = clients;
        let tries = std::mem::take(&mut guesser.tries);
        let asked = std::mem::take(&mut forgetful.asked);
        let [logins, refused, changes] =
            owners.iter_mut().fold([Told::default(); 3], |[logins, refused, changes], owner| {
                let [more_logins, more_refused, more_changes] =
                    [&mut owner.logins, &mut owner.refused, &mut owner.changes].map(std::mem::take);
                [logins + more_logins, refused + more_refused, changes + more_changes]
            });
        let moves = operators.iter_mut().map(|operator| std::mem::take(&mut operator.moves));
        let moves = moves.fold(Told::default(), |all, one| all + one);
        let counted = [
            (
                "failures that strangers share",
                tries,
                count("SELECT CAST(COALESCE(SUM(failures), 0) AS BIGINT) FROM login_bucket WHERE client = ''"),
            ),
            ("tries from the network", tries + asked, count("SELECT COUNT(*) FROM login_try")),
            (
                "generations of tokens",
                std::mem::take(&mut renewer.renewals),
                count("SELECT CAST(COALESCE(SUM(generation), 0) AS BIGINT) FROM session"),
            ),
            ("requests for passwords", asked, count("SELECT COUNT(*) FROM password_reset")),
            ("sessions opened", logins + std::mem::take(&mut renewer.logins), audited(&["session.opened"])),
            ("sessions refused", tries + refused, audited(&["session.refused"])),
            ("passwords changed", changes, audited(&["account.password_set"])),
            ("suspended and resumed", moves, audited(&["account.suspended", "account.resumed"])),
        ];
        for (what, told, found) in counted {
            let before = self.found.entry(what).or_default();
            let least = *before + told.answered;
            assert!((least..=least + told.lost).contains(&found), "{what}: {before}, then {told:?}, and now {found}");
            *before = found;
        }
        assert_eq!(count("SELECT COUNT(*) FROM session WHERE state = 'reused'"), 0);
    }
}

/// How many entries of the audit tell of this event.
fn entries(audit: &str, event: &str) -> i64 {
    let name = format!("\"event\":\"{event}\"");
    i64::try_from(audit.lines().filter(|line| line.contains(&name)).count()).unwrap()
}

/// Every request for a password became a letter, which lies in the outbox once; every change was told, once.
fn no_letter_and_no_notice_is_lost_or_doubled(clients: &Clients, audit: &str, count: impl Fn(&'static str) -> i64) {
    assert_eq!(entries(audit, "password.reset_asked"), count("SELECT COUNT(*) FROM password_reset"));
    let people = count("SELECT COUNT(DISTINCT account_id) FROM letter WHERE kind = 'initial_password'");
    assert_eq!(usize::try_from(people).unwrap(), clients.forgetful.persons, "whoever has asked gets a letter");
    let letters = count("SELECT COUNT(*) FROM letter");
    assert_eq!(letters, count("SELECT COUNT(*) FROM letter WHERE kind = 'initial_password' AND state = 'created'"));
    assert_eq!(letters, entries(audit, "account.letter_ordered"));
    assert_eq!(letters, entries(audit, "letter.created"));
    for (event, notices) in [
        ("account.password_set", "SELECT COUNT(*) FROM notice WHERE kind IN ('password_set', 'password_changed')"),
        ("account.suspended", "SELECT COUNT(*) FROM notice WHERE kind = 'account_suspended'"),
        ("account.resumed", "SELECT COUNT(*) FROM notice WHERE kind = 'account_resumed'"),
        ("account.letter_ordered", "SELECT COUNT(*) FROM notice WHERE kind = 'letter_ordered'"),
    ] {
        assert_eq!(entries(audit, event), count(notices), "{event}");
    }
}

/// Names of the letters in the outbox: each is there once, and no batch is unfinished.
fn handed_over(folder: &Path) -> BTreeSet<PathBuf> {
    let mut letters = BTreeSet::new();
    for batch in std::fs::read_dir(folder.join("data/outbox")).unwrap().map(|entry| entry.unwrap().path()) {
        if batch.is_dir() {
            assert_eq!(batch.extension(), None, "a batch is unfinished");
            for letter in std::fs::read_dir(batch).unwrap().map(|entry| entry.unwrap().path()) {
                if letter.extension().is_some_and(|extension| extension == "pdf") {
                    let name = PathBuf::from(letter.file_name().unwrap());
                    assert!(letters.insert(name), "{} is there twice", letter.display());
                }
            }
        }
    }
    letters
}
