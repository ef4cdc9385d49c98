//! Requests no client of ours sends: every answer is problem+json with a stable code.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::*;

/// Sends bytes as they are; the status, the head in small letters, and the body as JSON where it is some.
fn send(world: &World, request: &[u8]) -> (u16, String, serde_json::Value) {
    let mut line = TcpStream::connect(world.address.strip_prefix("http://").unwrap()).unwrap();
    line.write_all(request).unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or_default())
}

fn request(method: &str, path: &str, computer: &Computer, body: &str) -> Vec<u8> {
    let length = body.len();
    let headers: String =
        computer.headers(method, path).iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[test]
fn every_error_is_a_problem_with_a_code() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let long = "x".repeat(128 * 1024 + 1);
    let cases = [
        ("GET", "/v1/approvals/%ff", "", 400, "malformed_request"),
        ("GET", "/v1/applications/%00", "", 400, "malformed_request"),
        ("GET", "/v1/applications/%ff", "", 400, "malformed_request"),
        ("DELETE", "/v1/applications/%ff", "", 400, "malformed_request"),
        ("DELETE", "/v1/devices/%ff", "", 400, "malformed_request"),
        ("GET", "/v1/evidence/%ff", "", 400, "malformed_request"),
        ("GET", "/v1/registrations/%ff", "", 400, "malformed_request"),
        ("POST", "/v1/registrations/%ff/challenge", "", 400, "malformed_request"),
        ("PUT", "/v1/registrations/%ff/evidence", "{}", 400, "malformed_request"),
        ("POST", "/v1/applications", "not JSON", 400, "malformed_request"),
        ("POST", "/v1/applications", long.as_str(), 413, "body_too_large"),
        ("POST", "/v1/login", long.as_str(), 413, "body_too_large"),
        ("GET", "/v1/nothing", "", 404, "not_found"),
        ("GET", "/", "", 404, "not_found"),
        ("GET", "/v1/approvals/x", "", 404, "not_found"),
        ("PATCH", "/v1/approvals", "", 405, "method_not_allowed"),
        ("DELETE", "/openapi.json", "", 405, "method_not_allowed"),
    ];
    for (method, path, body, status, code) in cases {
        let (answered, head, problem) = send(&world, &request(method, path, &computer, body));
        let what = format!("{method} {path}: {head}");
        assert_eq!(answered, status, "{what}");
        assert!(head.contains("content-type: application/problem+json"), "{what}");
        assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(status)), "{what}");
        assert!(problem["trace_id"].is_string(), "{what}");
        assert_eq!(head.contains("\r\nallow: "), status == 405, "{what}");
    }
    let without = b"GET /v1/approvals/%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let (answered, head, problem) = send(&world, without);
    assert_eq!((answered, &problem["code"]), (401, &json!("token_invalid")), "{head}");
}

#[test]
fn the_openapi_document_names_the_errors_of_each_operation() {
    let world = World::new();
    let openapi: serde_json::Value = world.remote().get("/openapi.json").unwrap();
    let mut operations = 0;
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let responses = operation["responses"].as_object().unwrap();
            let has = |status: &str| responses.contains_key(status);
            let what = format!("{method} {path}");
            let open = [
                "/healthz",
                "/readyz",
                "/.well-known/kartenbund-configuration",
                "/.well-known/kartenbund-audit",
                "/v1/emergency/revoke",
            ];
            // What a device signs about its PIN needs nobody to be logged in.
            let is_open = open.contains(&path.as_str()) || path.starts_with("/v1/devices/{id}/pin/");
            assert!(has("401") != is_open, "{what}");
            let is_read = ["requestBody", "parameters"].iter().any(|part| operation.get(part).is_some());
            assert_eq!(has("400"), is_read, "{what}");
            assert_eq!(has("413"), operation.get("requestBody").is_some(), "{what}");
            let limited = [
                "/v1/registrations",
                "/v1/devices/{id}/rebind",
                "/v1/emergency/revoke",
                "/v1/letters/device-code",
                "/v1/applications",
                "/v1/token",
                "/v1/login",
                "/v1/login/card",
                "/v1/login/device",
                "/v1/login/web",
                "/v1/password",
                "/v1/password/reset",
            ];
            let is_limited = ["post", "put"].contains(&method.as_str()) && limited.contains(&path.as_str());
            assert_eq!(has("429"), is_limited, "{what}");
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{what} {status}");
            }
        }
    }
    assert_eq!(operations, 54);
}

/// Sends the head of a request, lets something happen once the service has read it, and then sends the body.
fn send_late(
    world: &World,
    computer: &Computer,
    (method, path, body): (&str, &str, &str),
    meanwhile: impl FnOnce(),
) -> String {
    // The service asks for the body (RFC 9110, 10.1.1) when it has looked at the head.
    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let request = String::from_utf8(request(method, path, computer, body)).unwrap();
    let request = request.replacen("\r\n", "\r\nexpect: 100-continue\r\n", 1).into_bytes();
    let (head, body) = request.split_at(request.len() - body.len());
    let mut line = TcpStream::connect(world.address.strip_prefix("http://").unwrap()).unwrap();
    line.write_all(head).unwrap();
    let mut asked = [0; CONTINUE.len()];
    line.read_exact(&mut asked).unwrap();
    assert_eq!(asked, CONTINUE);
    meanwhile();
    line.write_all(body).unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn what_arrives_after_its_session_was_ended_changes_nothing() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let registration = world.column("SELECT registration_id FROM registration")[0].clone();
    let device = computer.devices()[0].device_id.to_string();
    let application = serde_json::to_string(&new_bank_account()).unwrap();
    let announced = RegistrationRequest {
        method: BindingMethod::Card,
        jkt: jwk(&new_key()).thumbprint(),
        commit: DeviceNonce::random(&mut rng()).commitment(),
        device_information: information(),
        replaces: Vec::new(),
    };
    let announced = serde_json::to_string(&announced).unwrap();
    let nonce = serde_json::to_value(DeviceNonce::random(&mut rng())).unwrap();
    let card = json!({"signed_pairing_data": "x", "auth_cert": "AAAA", "card_jws": "x"});
    let evidence = json!({"pop": "x", "nonce_d": nonce, "evidence": card}).to_string();
    let decision = json!({"device_id": device, "decision": "x"}).to_string();
    let audited = world.audit_entries().len();
    for (method, path, body) in [
        ("POST", "/v1/applications", application.as_str()),
        ("POST", "/v1/registrations", &announced),
        ("PUT", &format!("/v1/registrations/{registration}/evidence"), &evidence),
        ("POST", &format!("/v1/approvals/{}/decision", accepted.approval_id), &decision),
        ("PUT", "/v1/notification-settings", r#"{"language": "en", "off": []}"#),
    ] {
        let end = || assert_eq!(world.sql("UPDATE session SET state = 'ended'").unwrap(), 1);
        let answer = send_late(&world, &computer, (method, path, body), end);
        assert!(answer.contains("\"session_ended\""), "{method} {path}: {answer}");
        assert_eq!(world.audit_entries().len(), audited, "{method} {path}");
        world.sql("UPDATE session SET state = 'open'").unwrap();
    }
}

#[test]
fn what_was_sent_once_changes_nothing_when_it_is_sent_again() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let announced = RegistrationRequest {
        method: BindingMethod::Card,
        jkt: jwk(&new_key()).thumbprint(),
        commit: DeviceNonce::random(&mut rng()).commitment(),
        device_information: information(),
        replaces: Vec::new(),
    };
    let bodies = [
        ("/v1/applications", serde_json::to_string(&new_contact()).unwrap()),
        ("/v1/registrations", serde_json::to_string(&announced).unwrap()),
    ];
    for (path, body) in bodies {
        let request = request("POST", path, &computer, &body);
        assert!((201..=202).contains(&send(&world, &request).0), "{path}");
        let audited = world.audit_entries().len();
        let (status, _, problem) = send(&world, &request);
        assert_eq!((status, &problem["code"], &problem["detail"]), (401, &json!("proof_invalid"), &json!("replayed")));
        assert_eq!(world.audit_entries().len(), audited, "{path}");
    }
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let world = World::new();
    let mut line = TcpStream::connect(world.address.strip_prefix("http://").unwrap()).unwrap();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut head = request("POST", "/v1/applications", &computer, "{}");
    head.truncate(head.len() - 1);
    line.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    line.write_all(&head).unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"request_timeout\""), "{answer}");
}
