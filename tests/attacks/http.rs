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
            let is_open = ["/healthz", "/readyz", "/.well-known/kartenbund-configuration"].contains(&path.as_str());
            assert!(has("401") != is_open, "{what}");
            assert_eq!(has("400"), operation.get("requestBody").is_some() || path.contains('{'), "{what}");
            assert_eq!(has("413"), operation.get("requestBody").is_some(), "{what}");
            let limited = [
                "/v1/registrations",
                "/v1/applications",
                "/v1/token",
                "/v1/login",
                "/v1/login/card",
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
    assert_eq!(operations, 29);
}
