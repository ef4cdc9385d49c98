//! Stopping: balancers are told first, what was begun comes to its end, and nothing that was answered is lost.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use reqwest::blocking::Client;

use crate::process::{Process, TOKEN};

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
fn under_load_nothing_that_was_answered_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), "stop_delay = 2");
    let (ready, answered) = (AtomicBool::new(true), AtomicU64::new(0));
    // Four clients behind a balancer that asks whether it is ready. Each failed login leaves an entry in the audit.
    let failed: Vec<String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let http = Client::new();
                    let mut failed = Vec::new();
                    while ready.load(Ordering::SeqCst) {
                        let request = http.post(format!("{}/v1/login", process.url));
                        let request = request.body(r#"{"kvnr":"A123456780","password":"wrong"}"#);
                        match request.send().and_then(reqwest::blocking::Response::text) {
                            Ok(_) => drop(answered.fetch_add(1, Ordering::SeqCst)),
                            Err(error) => failed.push(format!("{error:?}")),
                        }
                    }
                    failed
                })
            })
            .collect();
        while answered.load(Ordering::SeqCst) < 5 {
            thread::sleep(Duration::from_millis(10));
        }
        process.signal("TERM");
        let http = Client::new();
        while http.get(format!("{}/readyz", process.url)).send().unwrap().status() == 200 {
            thread::sleep(Duration::from_millis(20));
        }
        ready.store(false, Ordering::SeqCst);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{failed:?}");
    let (status, log) = process.ended();
    assert_eq!(status.code(), Some(0), "{log}");

    let again = Process::start(folder.path(), "");
    let audit = Client::new().get(format!("{}/admin/v1/audit", again.admin)).bearer_auth(TOKEN).send().unwrap();
    let entries = u64::try_from(audit.text().unwrap().lines().count()).unwrap();
    assert_eq!(entries, answered.load(Ordering::SeqCst), "as many as were answered");
}
