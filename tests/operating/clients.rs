//! A website in the configuration of the real program.

use std::path::Path;

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::common::web_branch::{WEBSITE, WebBranch, with_assertion};
use crate::process::{Process, proof_of_login};

const NUMBER: &str = "A123456781";

/// What the process says to a login by the website with a number that has a wrong check digit.
fn log_in(website: &WebBranch, process: &Process) -> Value {
    let claims = website.claims_at(&process.url, OffsetDateTime::now_utc().unix_timestamp(), "198.51.100.7");
    let body = with_assertion(&json!({"kvnr": NUMBER, "password": "wrong"}), &website.assert(&claims));
    let login = reqwest::blocking::Client::new().post(format!("{}/v1/login", process.url));
    login.header("DPoP", proof_of_login(&process.url)).json(&body).send().unwrap().json().unwrap()
}

fn keep(folder: &Path, name: &str, website: &WebBranch) {
    std::fs::write(folder.join(name), serde_json::to_vec(&website.jwk()).unwrap()).unwrap();
}

#[test]
fn a_website_is_known_by_the_keys_in_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (WebBranch::new(WEBSITE), WebBranch::new(WEBSITE));
    keep(folder.path(), "before.json", &before);
    keep(folder.path(), "after.json", &after);
    for (keys, known) in [
        ("[\"before.json\"]", [true, false]),
        ("[\"before.json\", \"after.json\"]", [true, true]),
        ("[\"after.json\"]", [false, true]),
    ] {
        let process = Process::start(folder.path(), &format!("[[client]]\nid = \"website\"\nkeys = {keys}\n"));
        for (website, is_known) in [&before, &after].into_iter().zip(known) {
            let said = log_in(website, &process);
            let expected =
                if is_known { ("kvnr_invalid", Some("check_digit")) } else { ("client_invalid", Some("signature")) };
            assert_eq!((said["code"].as_str().unwrap(), said["detail"].as_str()), expected, "{keys}");
        }
        let log = process.log();
        assert!(!log.contains("198.51.100.7") && !log.contains(NUMBER), "{log}");
    }
}

/// Where somebody comes from is what the proxy says, which is the last that stands there; a stranger says what he likes.
#[test]
fn a_stranger_does_not_choose_where_he_comes_from() {
    let limits = "[logins]\ntries_in_an_hour = 2\n";
    let try_from = |process: &Process, forwarded: &str| {
        let url = &process.url;
        let login =
            reqwest::blocking::Client::new().post(format!("{url}/v1/login")).header("DPoP", proof_of_login(url));
        let login = login.header("X-Forwarded-For", forwarded);
        login.body(r#"{"kvnr":"A123456780","password":"wrong"}"#).send().unwrap().status().as_u16()
    };
    let folder = tempfile::tempdir().unwrap();
    let behind = Process::start(folder.path(), &format!("[proxy]\naddresses = [\"127.0.0.1\"]\n{limits}"));
    let told = ["198.51.100.7", "198.51.100.200", "198.51.100.7", "192.0.2.1, 198.51.100.8", "203.0.113.9"];
    assert_eq!(told.map(|said| try_from(&behind, said)), [401, 401, 429, 429, 401], "a network is a /24");

    let folder = tempfile::tempdir().unwrap();
    let open = Process::start(folder.path(), limits);
    let said = ["198.51.100.7", "192.0.2.1", "203.0.113.9"];
    assert_eq!(said.map(|said| try_from(&open, said)), [401, 401, 429], "nobody is a proxy by saying so");
}
