//! Stopping: balancers are told first, what was begun comes to its end, and nothing that was answered is lost.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::TestDatabase;
use crate::common::postgresql::cluster;
use crate::process::{Process, TOKEN, Toggling, audit, import, is_chain, on};

#[test]
fn health_and_readiness() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), "stop_delay = 3");
    let get = |path: &str| reqwest::blocking::get(format!("{}{path}", process.url)).unwrap();
    assert_eq!(get("/healthz").text().unwrap(), "ok");
    assert_eq!(get("/readyz").text().unwrap(), "ready");
    process.signal("TERM");
    let mut left = 200;
    while get("/readyz").status() == 200 {
        left -= 1;
        assert!(left > 0, "it never says that it stops");
        thread::sleep(Duration::from_millis(10));
    }
    let stopping = get("/readyz");
    assert_eq!(stopping.status(), 503);
    assert_eq!(stopping.json::<serde_json::Value>().unwrap()["code"], "not_ready");
    assert_eq!(get("/healthz").text().unwrap(), "ok", "it stops and is alive");
    let (status, log) = process.ended();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn a_service_without_its_database_says_so_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let url = cluster().new_database();
    let name = url.expose().split(['/', '?']).find(|part| part.starts_with("world_")).unwrap().to_owned();
    let more = on(&TestDatabase::Postgresql(url), folder.path());
    let process = Process::start(folder.path(), &more);
    let status = |path: &str| reqwest::blocking::get(format!("{}{path}", process.url)).unwrap().status().as_u16();
    let ask = |statement: String| cluster().psql("postgres", &statement).unwrap();
    assert_eq!(status("/readyz"), 200);
    ask(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    ask(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"));
    assert_eq!((status("/readyz"), status("/healthz")), (503, 200), "it is alive, and no use");
    ask(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    let began = Instant::now();
    while status("/readyz") != 200 {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", process.log());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn under_load_nothing_that_was_answered_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let persons = ["A123456780", "M100200305", "K220635158", "M700800900"];
    import(folder.path(), "", &persons);
    let process = Process::start(folder.path(), "stop_delay = 2");
    let imported = audit(&process).lines().count();
    let (ready, begun) = (AtomicBool::new(true), AtomicU64::new(0));
    // Four clients behind a balancer that asks whether the service is ready.
    let done: u64 = thread::scope(|scope| {
        let clients: Vec<_> = persons
            .iter()
            .map(|kvnr| {
                scope.spawn(|| {
                    let mut client = Toggling::new(kvnr);
                    while ready.load(Ordering::SeqCst) {
                        client.once(&process.admin).unwrap();
                        begun.fetch_add(1, Ordering::SeqCst);
                    }
                    client.done
                })
            })
            .collect();
        while begun.load(Ordering::SeqCst) < 20 {
            thread::sleep(Duration::from_millis(10));
        }
        process.signal("TERM");
        while reqwest::blocking::get(format!("{}/readyz", process.url)).unwrap().status() == 200 {
            thread::sleep(Duration::from_millis(20));
        }
        ready.store(false, Ordering::SeqCst);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let (status, log) = process.ended();
    assert_eq!(status.code(), Some(0), "{log}");

    let audit = audit(&Process::start(folder.path(), ""));
    assert!(is_chain(&audit));
    assert_eq!((audit.lines().count() - imported) as u64, done, "as many as were answered");
}

#[test]
fn a_request_that_runs_when_the_service_stops_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    import(folder.path(), "", &["A123456780"]);
    let process = Process::start(folder.path(), "");
    // It is on its way when its head has been answered: the service waits for the body.
    let address = process.admin.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    let body = r#"{"kvnr":"A123456780"}"#;
    let head = format!(
        "POST /admin/v1/accounts/suspend HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 4096];
    let length = connection.read(&mut answer).unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 100"));
    process.signal("TERM");
    // No new connection is taken any more. Another program may get the port at once: nobody waits for it for ever.
    let began = Instant::now();
    while TcpStream::connect(address).is_ok() && began.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(50));
    }
    connection.write_all(body.as_bytes()).unwrap();
    // The connection ends behind the answer, in however many pieces it comes.
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 204"), "{}\n{}", String::from_utf8_lossy(&answer), process.log());
    let (status, log) = process.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    let audit = audit(&Process::start(folder.path(), ""));
    assert_eq!(audit.matches("account.suspended").count(), 1, "what was answered is done");
}
