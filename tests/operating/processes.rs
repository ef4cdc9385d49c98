//! Several processes on one PostgreSQL: none of them knows anything that the others do not.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::postgresql::cluster;
use crate::common::{TestDatabase, number};
use crate::crash::{self, Clients, LIMITS};
use crate::people::Line;
use crate::process::{Process, TOKEN, Toggling, audit, import, is_chain, proof_of_login};

/// People log in, guess, renew tokens, change and forget passwords at both, an operator suspends and resumes; what each
/// of them was told by one process holds at the other.
#[test]
fn one_of_two_is_killed_and_started_again_under_load() {
    let shared = tempfile::tempdir().unwrap();
    std::fs::write(shared.path().join("url"), cluster().new_database().expose()).unwrap();
    let data = format!("data = \"{}/data\"\n", shared.path().display());
    let more = format!("{data}[database]\nurl_file = \"{}/url\"\n{LIMITS}", shared.path().display());
    crash::import(shared.path(), &more, 200);
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let stays = Process::start(folders[0].path(), &more);
    let killed = Mutex::new(Some(Process::start(folders[1].path(), &more)));
    let mut clients = Clients::new(8, &Line::to(&stays.url, &stays.admin));

    let (goes_on, begun, failed) = (AtomicBool::new(true), AtomicU64::new(0), AtomicU64::new(0));
    let begin = |least: u64| {
        let goal = begun.load(Ordering::SeqCst) + least;
        while begun.load(Ordering::SeqCst) < goal {
            thread::sleep(Duration::from_millis(5));
        }
    };
    let people = clients.each().len() as u64;
    thread::scope(|scope| {
        let everybody: Vec<_> = clients
            .each()
            .into_iter()
            .enumerate()
            .map(|(n, client)| {
                let (goes_on, begun, failed, killed, stays) = (&goes_on, &begun, &failed, &killed, &stays);
                scope.spawn(move || {
                    let up = || killed.lock().unwrap().as_ref().map(|up| Line::to(&up.url, &up.admin));
                    let here = Line::to(&stays.url, &stays.admin);
                    // In turn; to the one that stays where the other is known to be down.
                    for round in n.. {
                        let other = if round % 2 == 0 { up() } else { None };
                        if !client.step(other.as_ref().unwrap_or(&here)) {
                            assert!(other.is_some(), "the one that stays answers everybody");
                            failed.fetch_add(1, Ordering::SeqCst);
                            thread::sleep(Duration::from_millis(200)); // the database may be at it still
                            client.look_back(&here);
                        }
                        begun.fetch_add(1, Ordering::SeqCst);
                        if !goes_on.load(Ordering::SeqCst) {
                            break;
                        }
                    }
                    client.look_back(&here);
                })
            })
            .collect();
        for _ in 0..3 {
            begin(60);
            let process = killed.lock().unwrap().take().unwrap();
            process.signal("KILL");
            process.ended();
            begin(40);
            let again = Process::start(folders[1].path(), &more);
            *killed.lock().unwrap() = Some(again);
        }
        begin(60);
        goes_on.store(false, Ordering::SeqCst);
        everybody.into_iter().for_each(|client| client.join().unwrap());
    });
    let failed = failed.load(Ordering::SeqCst);
    assert!(failed <= 3 * people, "{failed} failed: no more than were on their way");
    let audit = audit(&stays);
    assert!(is_chain(&audit), "two processes wrote one chain");
    let moved = |line: &&str| line.contains("account.suspended") || line.contains("account.resumed");
    let entries = i64::try_from(audit.lines().filter(moved).count()).unwrap();
    let [suspends, resumes] = &clients.operators;
    let told = suspends.moves + resumes.moves;
    assert!((told.answered..=told.answered + told.lost).contains(&entries), "{told:?}, {entries} are there");
}

/// A stranger who spreads his guesses over all processes, and waits for one to be started anew, has no more of them.
#[test]
fn a_guesser_gains_nothing_by_asking_the_other_process() {
    let (_, more, _shared) = shared_database();
    let more = more + "[logins]\ntries_in_an_hour = 5\n";
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut processes = [0, 1].map(|n| Process::start(folders[n].path(), &more));
    let guess = |processes: &[Process; 2], n: usize| {
        let url = &processes[n % 2].url;
        let login = reqwest::blocking::Client::new().post(format!("{url}/v1/login"));
        let body = format!(r#"{{"kvnr":"{}","password":"wrong"}}"#, number(n));
        login.header("DPoP", proof_of_login(url)).body(body).send().unwrap().status().as_u16()
    };
    assert_eq!([1, 2, 3, 4, 5].map(|n| guess(&processes, n)), [401; 5], "a number each, so that none has to wait");
    assert_eq!([6, 7].map(|n| guess(&processes, n)), [429; 2], "whichever is asked");
    processes[1].signal("KILL");
    processes[1] = Process::start(folders[1].path(), &more);
    assert_eq!([8, 9].map(|n| guess(&processes, n)), [429; 2], "whatever is started anew");
}

/// A database, what is said of it in a configuration, and a folder for what the processes share.
fn shared_database() -> (TestDatabase, String, tempfile::TempDir) {
    let (shared, url) = (tempfile::tempdir().unwrap(), cluster().new_database());
    std::fs::write(shared.path().join("url"), url.expose()).unwrap();
    let more = format!("data = \"{0}/data\"\n[database]\nurl_file = \"{0}/url\"\n", shared.path().display());
    import(shared.path(), &more, &["A123456780"]);
    (TestDatabase::Postgresql(url), more, shared)
}

#[test]
fn a_process_that_stands_still_does_not_hold_up_the_others() {
    let (database, more, shared) = shared_database();
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [still, other] = [0, 1].map(|n| Process::start(folders[n].path(), &more));
    let suspend = |process: &Process| {
        let request = reqwest::blocking::Client::new().post(format!("{}/admin/v1/accounts/suspend", process.admin));
        request.bearer_auth(TOKEN).body(r#"{"kvnr":"A123456780"}"#).send().unwrap().status().as_u16()
    };
    // The database takes two seconds for an entry of the audit: within them the process, which has the place of the
    // writer, is stopped.
    database.sql(
        shared.path(),
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2); RETURN NEW; END $$",
    );
    database.sql(shared.path(), "CREATE TRIGGER wait BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION wait()");
    thread::scope(|scope| {
        let cut_off = scope.spawn(|| suspend(&still));
        thread::sleep(Duration::from_secs(1));
        still.signal("STOP");
        thread::sleep(Duration::from_secs(2));
        let (told, tells) = std::sync::mpsc::channel();
        scope.spawn(move || told.send(suspend(&other)));
        let answer = tells.recv_timeout(Duration::from_secs(25));
        still.signal("CONT");
        assert_eq!(answer, Ok(204), "what the other one has begun is not done");
        assert_ne!(cut_off.join().unwrap(), 204);
    });
}

#[test]
fn another_isolation_by_default_makes_no_request_fail() {
    let (database, more, shared) = shared_database();
    database.sql(
        shared.path(),
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = %L', current_database(), \
         'serializable'); END $$",
    );
    let process = Process::start(shared.path(), &more);
    let failed = thread::scope(|scope| {
        let work = || {
            let mut client = Toggling::new("A123456780");
            (0..20).for_each(|_| client.once(&process.admin).unwrap());
        };
        let working: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        working.into_iter().filter_map(|thread| thread.join().err()).count()
    });
    assert_eq!(failed, 0, "{}", process.log());
}
