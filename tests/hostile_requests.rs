//! Hostile bytes at the service: whatever comes, it goes on, and answers with a success or a problem it knows.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/mod.rs"]
mod common;
#[path = "common/hostile.rs"]
mod hostile;

use common::*;
use hostile::{bytes, mutated};
use kartenbund::server::{Code, ImportError};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// Runs a property over one service, which is what people do to it, too.
fn run<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() }).run(strategy, test).unwrap();
}

#[test]
fn a_register_of_any_bytes_is_imported_row_by_row_or_refused() {
    let world = World::new();
    let rows =
        vec("[A-Z]?[0-9]{0,10},[^\n]{0,40}", 0..6).prop_map(|rows| (HEADER.to_owned() + &rows.join("\n")).into_bytes());
    let registers = prop_oneof![bytes(300), mutated(register_of(&[ERIKA, MAX]).into_bytes()), rows];
    run(200, &registers, |csv| {
        let before = world.count("SELECT COUNT(*) FROM account");
        let lines = csv.split(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
        match world.try_import(csv.as_slice()) {
            Ok(report) => {
                prop_assert!(report.imported + report.rejected.len() as u64 <= lines);
                prop_assert!(
                    report.rejected.iter().all(|(line, _)| (1..=lines).contains(line)),
                    "{:?}",
                    report.rejected
                );
                let made = world.count("SELECT COUNT(*) FROM account") - before;
                prop_assert_eq!(u64::try_from(made).unwrap(), report.imported);
            }
            Err(ImportError::Header(_) | ImportError::File(_)) => {
                prop_assert_eq!(world.count("SELECT COUNT(*) FROM account"), before);
            }
            Err(error) => prop_assert!(false, "{error:?}"),
        }
        Ok(())
    });
}

/// Any JSON.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec(("[a-z_]{0,12}", inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The body with one member, at any depth, replaced by something else.
fn replaced(body: Value) -> impl Strategy<Value = Value> {
    fn members(value: &Value, path: &str, found: &mut Vec<String>) {
        for (name, member) in value.as_object().into_iter().flatten() {
            let path = format!("{path}/{name}");
            members(member, &path, found);
            found.push(path);
        }
    }
    let mut paths = Vec::new();
    members(&body, "", &mut paths);
    (prop::sample::select(paths), any_json()).prop_map(move |(path, value)| {
        let mut body = body.clone();
        *body.pointer_mut(&path).unwrap() = value;
        body
    })
}

#[test]
fn a_body_of_anything_is_taken_or_refused_with_a_problem() {
    let website = web_branch::WebBranch::new("website");
    let world = World::with_clients(&[&website], |_| {});
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let hash = "A".repeat(43);
    let kind = json!({"device_type_data_version": "1.0", "manufacturer": "m", "product": "p", "model": "m", "os": "o",
        "os_version": "v"});
    let information = json!({"device_information_data_version": "1.0", "name": "PC", "device_type": kind});
    let registration = json!({"method": "card", "jkt": hash, "commit": hash, "device_information": information});
    let offer: Value = computer.here.service.call(reqwest::Method::POST, "/v1/registrations", &registration).unwrap();
    let evidence = json!({"signed_pairing_data": "a.b.c", "auth_cert": "AAAA", "card_jws": "a.b.c"});
    let signed = website.assert(&website.claims(&world, "198.51.100.7"));
    let requests = [
        // The check digit is wrong: no password is hashed.
        ("POST", "/v1/login".to_owned(), json!({"kvnr": "A123456789", "password": "x"})),
        (
            "POST",
            "/v1/login".to_owned(),
            web_branch::with_assertion(&json!({"kvnr": "A123456789", "password": "x"}), &signed),
        ),
        ("POST", "/v1/token".to_owned(), json!({"refresh_token": "A".repeat(82)})),
        ("POST", "/v1/registrations".to_owned(), registration),
        (
            "PUT",
            format!("/v1/registrations/{}/evidence", offer["registration_id"].as_str().unwrap()),
            json!({"pop": "a.b.c", "nonce_d": "A".repeat(22), "evidence": evidence}),
        ),
        ("POST", "/v1/applications".to_owned(), serde_json::to_value(new_address()).unwrap()),
        ("POST", "/v1/applications".to_owned(), serde_json::to_value(new_bank_account()).unwrap()),
        (
            "POST",
            format!("/v1/approvals/{}/decision", accepted.approval_id),
            json!({"device_id": "A".repeat(22), "decision": "a.b.c"}),
        ),
    ];
    let http = reqwest::blocking::Client::new();
    for (method, path, valid) in requests {
        let bodies = prop_oneof![
            bytes(200),
            any_json().prop_map(|value| value.to_string().into_bytes()),
            replaced(valid.clone()).prop_map(|value| value.to_string().into_bytes()),
            mutated(valid.to_string().into_bytes()),
        ];
        run(100, &bodies, |body| {
            let request = http.request(method.parse().unwrap(), format!("{}{path}", world.address));
            let headers = computer.headers(method, &path);
            let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
            let response = request.body(body).send().unwrap();
            let status = response.status().as_u16();
            if response.status().is_success() {
                return Ok(());
            }
            prop_assert_eq!(&response.headers()["content-type"], "application/problem+json");
            let problem: Value = response.json().unwrap();
            let known = Code::ALL.iter().find(|code| problem["code"] == code.as_str());
            prop_assert_eq!(known.map(|code| code.status()), Some(status), "{}", problem);
            prop_assert_ne!(status, 500, "{}", problem);
            Ok(())
        });
    }
    assert!(computer.here.service.get::<Value>("/v1/devices").is_ok(), "it goes on");
}
