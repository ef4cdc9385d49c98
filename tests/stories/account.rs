//! Accounts, sessions, and what the service keeps and shows.

use kartenbund::client::home::Profile;
use kartenbund::client::session::OpenSession;

use super::*;

#[test]
fn unknown_account_wrong_password_and_a_wrong_one_too_early_get_the_same_answer() {
    let world = World::new();
    let password = world.member(ERIKA);
    let early = HEADER.to_owned() + &format!("{MAX},Max,Mustermann,1990-01-01,Weg,1,12345,Ort,D,2026-11-24\n");
    let early = world.import(&early)[0].1.clone();
    let login = |person: &str, password: &str| {
        let request = LoginRequest { kvnr: person.to_owned(), password: typed(password), client_name: None };
        world.ask_to_log_in(&request)
    };
    assert_eq!(refusal(login("K220635158", &password)), "login_failed");
    assert_eq!(refusal(login(ERIKA, "wrong")), "login_failed");
    assert_eq!(refusal(login(MAX, "wrong")), "login_failed");
    assert!(login(ERIKA, &password).is_ok());
    world.clock.advance(24 * 60 * 60);
    assert!(login(MAX, &early).is_ok(), "on the first day it works");
}

#[test]
fn an_insurance_number_with_a_tail_is_refused_with_a_hint() {
    let world = World::new();
    for (typed_number, hint) in [
        ("A123456780-1", "trailing_part"),
        ("a123456780", "small_letter"),
        ("A123456781", "check_digit"),
        ("12", "shape"),
    ] {
        let request = LoginRequest { kvnr: typed_number.to_owned(), password: typed("x"), client_name: None };
        match world.ask_to_log_in(&request) {
            Err(ServiceError::Refused { code, detail, .. }) => {
                assert_eq!((code.as_str(), detail.as_deref()), ("kvnr_invalid", Some(hint)));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn whoever_logs_out_is_out_and_nobody_else() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let max = world.log_in(MAX, &world.member(MAX));
    login::logout(computer.here.home.clone(), world.clock.of_client()).unwrap();
    assert_eq!(refusal(computer.here.service.get::<serde_json::Value>("/v1/devices")), "session_ended");
    assert!(matches!(
        login::resume(computer.here.home.clone(), world.clock.of_client()),
        Err(LoginError::Home(HomeError::NoSession))
    ));
    assert!(max.here.service.get::<serde_json::Value>("/v1/devices").is_ok(), "he has not logged out");
    let again = login::logout(computer.here.home.clone(), world.clock.of_client());
    assert!(matches!(again, Err(LoginError::Home(HomeError::NoSession))));
}

#[test]
fn logging_out_where_the_service_does_not_answer_is_told_and_forgets_here() {
    let mut world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    world.stop();
    let told = login::logout(computer.here.home.clone(), world.clock.of_client());
    assert!(matches!(told, Err(LoginError::Service(ServiceError::Unreachable(_)))));
    assert!(!computer.here.home.has_session(world.clock.now()));
}

#[test]
fn an_endless_password_is_not_even_looked_at() {
    let world = World::new();
    let login = |length: usize| {
        let password = typed(&"x".repeat(length));
        let request = LoginRequest { kvnr: ERIKA.to_owned(), password, client_name: None };
        assert_eq!(refusal(world.ask_to_log_in(&request)), "login_failed");
        world.audited("session.refused")
    };
    assert_eq!(login(1024), 1);
    assert_eq!(login(1025), 1, "no hash was made of it");
}

#[test]
fn a_restart_forgets_nothing() {
    let mut world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    world.stop();
    let folder = std::mem::replace(&mut world.folder, tempfile::tempdir().unwrap());
    let database = std::mem::replace(&mut world.database, TestDatabase::Sqlite);
    let again = World::configured(folder, database, world.clock.clone(), |_| ());
    // The port is another one, and so is the service's name: what the first life signed stays as it was.
    let profile = Profile { service: again.address.clone(), ..computer.here.profile.clone() };
    let session = OpenSession::resume(computer.here.home.clone(), profile, world.clock.of_client()).unwrap();
    let remote = again.remote().with_session(session);
    assert_eq!(remote.configuration().unwrap().service_keys, computer.here.profile.service_keys, "the key stays");
    let path = format!("/v1/approvals/{}", accepted.approval_id);
    assert_eq!(remote.get::<ApprovalAnswer>(&path).unwrap().approval.state, "pending");
}

#[test]
fn every_change_of_state_has_its_audit_entry_and_the_chain_holds() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    approve(&computer, &accepted);
    let entries = world.audit_entries();
    let mut events = Vec::new();
    let mut place = kartenbund::protocol::audit::Position::start();
    for entry in &entries {
        assert!(!entry.contains(ERIKA) && !entry.contains("Müstermann"), "persons are pseudonyms");
        let value: serde_json::Value = serde_json::from_str(entry).unwrap();
        place = place.next(entry.as_bytes()).unwrap().0;
        events.push(value["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        events,
        [
            "account.imported",
            "account.password_rehashed",
            "session.opened",
            "registration.opened",
            "registration.pin_evaluated",
            "registration.challenged",
            "device.bound",
            "application.submitted",
            "device.pin_evaluated",
            "device.pin_confirmed",
            "application.approved",
            "application.executed",
        ]
    );
    assert!(world.sql("UPDATE audit SET sha256 = 'x'").is_err(), "append-only");
    assert!(world.sql("DELETE FROM audit").is_err(), "append-only");
    world.wait_until("a head is signed", || world.count("SELECT COUNT(*) FROM audit_head") > 0);
    assert!(world.sql("UPDATE audit_head SET at = 1").is_err(), "append-only");
    assert!(world.sql("DELETE FROM audit_head").is_err(), "append-only");
}

#[test]
fn a_register_with_bad_rows_names_line_and_reason() {
    let world = World::new();
    let csv = HEADER.to_owned()
        + &register_of(&[ERIKA])[HEADER.len()..]
        + "A123456781,E,M,1964-08-12,W,1,12345,O,D,2020-01-01\n"
        + "K220635158,E,M,12.08.1964,W,1,12345,O,D,2020-01-01\n"
        + "K220635158,E,M,1964-08-12,W,1,1234,O,D,2020-01-01\n"
        + "K220635158,E,M\n"
        + &register_of(&[ERIKA])[HEADER.len()..];
    let report = world.import_report(&csv);
    assert_eq!(report.imported, 1);
    let lines: Vec<_> = report.rejected.iter().map(|(line, reason)| (*line, reason.to_string())).collect();
    assert_eq!(lines.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
    assert_eq!(lines[4].1, "kvnr: it stands in a row before");
}

#[test]
fn a_register_that_is_none_or_breaks_off_is_not_taken_for_one() {
    use std::io::Read as _;
    let world = World::new();
    let lacks_a_column = "kvnr,given_name\nA123456780,Erika\n";
    assert!(
        matches!(world.try_import(lacks_a_column.as_bytes()), Err(ImportError::Header("family_name"))),
        "said once, not for each row"
    );

    struct Unplugged;
    impl std::io::Read for Unplugged {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::NotConnected.into())
        }
    }
    let begun = register_of(&[ERIKA]);
    let broken_off = world.try_import(begun.as_bytes().chain(Unplugged));
    assert!(matches!(broken_off, Err(ImportError::File(_))), "what is missing was not imported");

    let cut_later = register_of(&[MAX]) + "K220635158,E,M\n";
    assert_eq!(world.import_report(&cut_later).rejected.len(), 1, "one row is cut, not the header");
    let wrong_number_first = HEADER.to_owned() + "A123456781,E,M,1964-08-12,W,1,12345,O,D,2020-01-01\nK220635158,E,M\n";
    let report = world.import_report(&wrong_number_first);
    assert_eq!(report.rejected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3], "the header is right");
}

#[test]
fn a_member_with_a_name_address_or_date_that_is_none_is_not_imported() {
    let world = World::new();
    for row in [
        "K220635158,E\u{202E},M,1964-08-12,W,1,12345,O,D,2020-01-01",
        "K220635158,E,M\u{200B},1964-08-12,W,1,12345,O,D,2020-01-01",
        "K220635158,E,M,1964-08-12,W\u{AD},1,12345,O,D,2020-01-01",
        "K220635158,E,M,1964-08-12,W,1,1234,O,D,2020-01-01",
        "K220635158,E,M,1964-13-12,W,1,12345,O,D,2020-01-01",
        "K220635158,E,M,1964-08-12,W,1,12345,O,D,soon",
        "K220635159,E,M,1964-08-12,W,1,12345,O,D,2020-01-01",
    ] {
        let report = world.import_report(&format!("{HEADER}{row}\n"));
        assert_eq!((report.imported, report.rejected.len()), (0, 1), "{row:?}");
    }
}

#[test]
fn the_openapi_document_names_every_endpoint() {
    let world = World::new();
    let openapi: serde_json::Value = world.remote().get("/openapi.json").unwrap();
    let mut paths: Vec<_> = openapi["paths"].as_object().unwrap().keys().cloned().collect();
    paths.sort();
    assert_eq!(
        paths,
        [
            "/.well-known/kartenbund-audit",
            "/.well-known/kartenbund-configuration",
            "/healthz",
            "/readyz",
            "/v1/applications",
            "/v1/applications/{id}",
            "/v1/approvals",
            "/v1/approvals/events",
            "/v1/approvals/{id}",
            "/v1/approvals/{id}/decision",
            "/v1/approvals/{id}/nonce",
            "/v1/audit",
            "/v1/audit/head",
            "/v1/device-codes",
            "/v1/devices",
            "/v1/devices/lock-all",
            "/v1/devices/{id}",
            "/v1/devices/{id}/lock",
            "/v1/devices/{id}/pin/change",
            "/v1/devices/{id}/pin/confirm",
            "/v1/devices/{id}/pin/evaluate",
            "/v1/devices/{id}/rebind",
            "/v1/devices/{id}/unlock",
            "/v1/emergency/revoke",
            "/v1/evidence",
            "/v1/evidence/{id}",
            "/v1/ident",
            "/v1/letters/device-code",
            "/v1/login",
            "/v1/login/card",
            "/v1/login/card/challenge",
            "/v1/login/device",
            "/v1/login/device/challenge",
            "/v1/login/web",
            "/v1/login/web/session",
            "/v1/logout",
            "/v1/notification-settings",
            "/v1/password",
            "/v1/password/reset",
            "/v1/password/reset/confirm",
            "/v1/registrations",
            "/v1/registrations/{id}",
            "/v1/registrations/{id}/attestation",
            "/v1/registrations/{id}/challenge",
            "/v1/registrations/{id}/evidence",
            "/v1/registrations/{id}/nonce",
            "/v1/registrations/{id}/pin",
            "/v1/revocation-code",
            "/v1/sessions",
            "/v1/sessions/{id}",
            "/v1/token",
        ]
    );
    assert_eq!(refusal(world.remote().get::<serde_json::Value>("/v1/nothing")), "not_found");
    assert_eq!(refusal(world.remote().get::<serde_json::Value>("/v1/login")), "method_not_allowed");
}

#[test]
fn every_error_is_problem_json_with_a_stable_code_and_a_trace_id() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let http = reqwest::blocking::Client::new();
    let send = |request: reqwest::blocking::RequestBuilder, headers: Vec<(&str, String)>| {
        headers.into_iter().fold(request, |request, (name, value)| request.header(name, value)).send().unwrap()
    };
    let post = |path: &str, body: String| {
        let headers = if path == "/v1/login" { computer.headers("POST", path) } else { Vec::new() };
        send(http.post(format!("{}{path}", world.address)).body(body), headers)
    };
    let post = |path: &str, body: &str| post(path, body.to_owned());
    for (answer, status, code) in [
        (post("/v1/login", "{"), 400, "malformed_request"),
        (post("/v1/login", r#"{"kvnr":"A123456780","kvnr":"A123456780","password":"x"}"#), 400, "malformed_request"),
        (post("/v1/login", r#"{"kvnr":"A123456780","password":"x","a":1,"a":2}"#), 400, "malformed_request"),
        (post("/v1/login", r#"{"kvnr":"A123456780","password":"x"}"#), 401, "login_failed"),
        (post("/v1/applications", "{}"), 401, "token_invalid"),
        (post("/nothing", "{}"), 404, "not_found"),
        (post("/v1/devices", "{}"), 405, "method_not_allowed"),
    ] {
        assert_eq!(answer.status().as_u16(), status, "{code}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let problem: serde_json::Value = serde_json::from_slice(&answer.bytes().unwrap()).unwrap();
        assert_eq!(problem["code"], code);
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("urn:kartenbund:{code}"));
        assert_eq!(problem["trace_id"].as_str().unwrap().len(), 16);
        assert!(!problem["title"].as_str().unwrap().is_empty());
    }
    // One byte too many, and JSON but for that. With more, the service hangs up on what it does not read, and the answer
    // can be lost on the way.
    let long = |length: usize| {
        let body = format!(r#"{{"kvnr":"A123456780","password":"x"{}}}"#, " ".repeat(length - 36));
        assert_eq!(body.len(), length);
        post("/v1/login", &body).status().as_u16()
    };
    assert_eq!((long(128 * 1024), long(128 * 1024 + 1)), (401, 413));
    let health = http.get(format!("{}/healthz", world.address)).send().unwrap();
    assert_eq!((health.status().as_u16(), health.text().unwrap().as_str()), (200, "ok"));
}

#[test]
fn tokens_are_kept_nowhere_and_passwords_as_their_hash() {
    let world = World::new().restarted(|settings| settings.password_cost = PasswordCost::default());
    let password = world.member(ERIKA);
    let request = LoginRequest { kvnr: ERIKA.to_owned(), password: typed(&password), client_name: None };
    let answer = world.ask_to_log_in(&request).unwrap();
    assert_eq!((answer.token_type.as_str(), answer.expires_in, answer.session_expires_in), ("DPoP", 300, 900));
    assert!(!answer.must_change_password);
    let row = "session_id || state || method || jkt || COALESCE(client_name, '')";
    let kept = world.column(format!("SELECT {row} FROM session")).remove(0);
    assert!(!kept.contains(answer.access_token.expose()) && !kept.contains(answer.refresh_token.unwrap().expose()));
    let hashes = world.column("SELECT phc FROM password");
    assert!(hashes[0].starts_with("$argon2id$v=19$m=65536,t=3,p=1$"));
}
