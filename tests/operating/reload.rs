//! Operators and limits change while the service runs.

use std::time::{Duration, Instant};

use crate::process::{Process, TOKEN, proof_of_login};

const NEXT_TOKEN: &str = "0d1f5f3c2b7a4e6990817263544536271";

/// What the operators' listener says to this token.
fn asks(process: &Process, token: &str) -> u16 {
    let metrics = reqwest::blocking::Client::new().get(format!("{}/metrics", process.admin));
    metrics.bearer_auth(token).send().unwrap().status().as_u16()
}

/// Waits for what the log says.
pub(crate) fn told(process: &Process, words: &str) {
    let began = Instant::now();
    while !process.log().contains(words) {
        assert!(began.elapsed() < Duration::from_secs(30), "{words}: {}", process.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn log_in(process: &Process) -> u16 {
    let login = reqwest::blocking::Client::new().post(format!("{}/v1/login", process.url));
    let login = login.header("DPoP", proof_of_login(&process.url));
    login.body(r#"{"kvnr":"M100200305","password":"wrong"}"#).send().unwrap().status().as_u16()
}

#[test]
fn what_an_operator_changes_is_taken_up_and_what_is_wrong_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), "");
    assert_eq!((asks(&process, TOKEN), asks(&process, NEXT_TOKEN), log_in(&process)), (200, 401, 401));
    let hash = hex::encode(openssl::sha::sha256(NEXT_TOKEN.as_bytes()));
    std::fs::write(folder.path().join("operator"), hash).unwrap();
    let file = folder.path().join("kartenbund.toml");
    let text = std::fs::read_to_string(&file).unwrap() + "[logins]\ntries_in_an_hour = 1\n";
    std::fs::write(&file, &text).unwrap();
    assert_eq!((asks(&process, TOKEN), log_in(&process)), (200, 401), "not by itself");
    process.signal("HUP");
    told(&process, "the configuration was read anew");
    assert_eq!((asks(&process, TOKEN), asks(&process, NEXT_TOKEN), log_in(&process)), (401, 200, 429));

    std::fs::write(&file, text.replace("anna", "nobody") + "[letter]\n").unwrap();
    process.signal("HUP");
    told(&process, "the one before stays in use");
    assert!(process.log().contains("there is no such setting; did you mean letters?"), "{}", process.log());
    assert_eq!((asks(&process, NEXT_TOKEN), log_in(&process)), (200, 429), "it goes on");
    process.signal("TERM");
    let (status, log) = process.ended();
    assert_eq!(status.code(), Some(0), "{log}");
}
