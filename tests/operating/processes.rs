//! Several processes on one PostgreSQL: none of them knows anything that the others do not.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::TestDatabase;
use crate::common::postgresql::cluster;
use crate::process::{Process, TOKEN, Toggling, audit, import, is_chain};

#[test]
fn one_of_two_is_killed_and_started_again_under_load() {
    let shared = tempfile::tempdir().unwrap();
    std::fs::write(shared.path().join("url"), cluster().new_database().expose()).unwrap();
    let more = format!("data = \"{0}/data\"\n[database]\nurl_file = \"{0}/url\"\n", shared.path().display());
    let persons = ["A123456780", "M100200305", "K220635158", "M700800900"];
    import(shared.path(), &more, &persons);
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let stays = Process::start(folders[0].path(), &more);
    let killed = Mutex::new(Some(Process::start(folders[1].path(), &more)));
    let imported = audit(&stays).lines().count();

    let (goes_on, begun, failed) = (AtomicBool::new(true), AtomicU64::new(0), AtomicU64::new(0));
    let up = |process: &Option<Process>| process.as_ref().map(|process| process.admin.clone());
    let begin = |least: u64| {
        let goal = begun.load(Ordering::SeqCst) + least;
        while begun.load(Ordering::SeqCst) < goal {
            thread::sleep(Duration::from_millis(5));
        }
    };
    let done: u64 = thread::scope(|scope| {
        let clients: Vec<_> = persons
            .iter()
            .enumerate()
            .map(|(n, kvnr)| {
                let (goes_on, begun, failed, killed, stays) = (&goes_on, &begun, &failed, &killed, &stays);
                scope.spawn(move || {
                    let mut client = Toggling::new(kvnr);
                    // In turn; to the one that stays where the other is known to be down.
                    for round in n.. {
                        let other = if round % 2 == 0 { up(&killed.lock().unwrap()) } else { None };
                        if client.once(other.as_ref().unwrap_or(&stays.admin)).is_err() {
                            failed.fetch_add(1, Ordering::SeqCst);
                        }
                        begun.fetch_add(1, Ordering::SeqCst);
                        if !goes_on.load(Ordering::SeqCst) {
                            break;
                        }
                    }
                    client.done
                })
            })
            .collect();
        for _ in 0..3 {
            begin(40);
            let process = killed.lock().unwrap().take().unwrap();
            process.signal("KILL");
            process.ended();
            begin(20);
            let again = Process::start(folders[1].path(), &more);
            *killed.lock().unwrap() = Some(again);
        }
        begin(40);
        goes_on.store(false, Ordering::SeqCst);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let failed = failed.load(Ordering::SeqCst);
    assert!(failed <= 3 * persons.len() as u64, "{failed} failed: no more than were on their way");
    let audit = audit(&stays);
    assert!(is_chain(&audit), "two processes wrote one chain");
    let entries = (audit.lines().count() - imported) as u64;
    assert!((done..=done + failed).contains(&entries), "{done} were answered, {failed} cut off, {entries} are there");
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
