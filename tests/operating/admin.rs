//! The operators' listener: who gets in, what is there, and what is not.

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::blocking::{Client, Response};
use serde_json::Value;

use crate::common::{ERIKA, MAX};
use crate::process::{Process, TOKEN, audit, database_of, import, is_chain, log_in_in_vain};

/// Everything that the operators' listener offers. What is added here is added knowingly: nothing that registers a device
/// or approves may ever be.
const ROUTES: [(&str, &str); 10] = [
    ("post", "/admin/v1/accounts/suspend"),
    ("post", "/admin/v1/accounts/resume"),
    ("post", "/admin/v1/accounts/report-stolen"),
    ("post", "/admin/v1/accounts/end-sessions"),
    ("post", "/admin/v1/accounts/lock-devices"),
    ("post", "/admin/v1/accounts/revoke-cards"),
    ("post", "/admin/v1/accounts/order-letter"),
    ("post", "/admin/v1/accounts/cancel-approved"),
    ("get", "/admin/v1/audit"),
    ("get", "/metrics"),
];

fn call(method: &str, url: &str, token: Option<&str>) -> Response {
    let request = Client::new().request(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), url);
    let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
    request.body("{}").send().unwrap()
}

/// The routes of an OpenAPI document.
fn routes(url: &str) -> BTreeSet<(String, String)> {
    let document: Value = call("get", &format!("{url}/openapi.json"), None).json().unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())))
        .collect()
}

#[test]
fn the_two_listeners_share_no_route_and_operators_have_exactly_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), "");
    let (public, admin) = (routes(&process.url), routes(&process.admin));
    let expected: BTreeSet<_> =
        ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(admin, expected);
    assert!(public.contains(&("post".to_owned(), "/v1/registrations".to_owned())));
    assert!(public.contains(&("post".to_owned(), "/v1/approvals/{id}/decision".to_owned())));
    for (method, path) in &public {
        let path = path.replace(['{', '}'], "");
        assert_eq!(call(method, &format!("{}{path}", process.admin), Some(TOKEN)).status(), 404, "{method} {path}");
    }
    for (method, path) in &admin {
        assert_eq!(call(method, &format!("{}{path}", process.url), Some(TOKEN)).status(), 404, "{method} {path}");
    }
}

#[test]
fn only_an_operator_gets_in_and_every_route_asks() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), "");
    for (method, path) in ROUTES {
        let url = format!("{}{path}", process.admin);
        let almost = &TOKEN[..TOKEN.len() - 1];
        for token in [None, Some(""), Some(almost), Some("f2b3")] {
            let refused = call(method, &url, token);
            assert_eq!(refused.status(), 401, "{path} {token:?}");
            assert_eq!(refused.json::<Value>().unwrap()["code"], "token_invalid");
        }
        assert_ne!(call(method, &url, Some(TOKEN)).status(), 401, "{path}");
    }
    assert!(!process.log().contains(TOKEN), "no token in the log");
}

#[test]
fn whoever_reads_what_is_counted_can_do_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let token = "0123456789abcdef0123456789abcdef";
    std::fs::write(folder.path().join("prometheus"), hex::encode(openssl::sha::sha256(token.as_bytes()))).unwrap();
    let more = "[[admin.operator]]\nname = \"prometheus\"\ntoken_sha256_file = \"prometheus\"\nonly_metrics = true\n";
    let process = Process::start(folder.path(), more);
    for (method, path) in ROUTES {
        let status = call(method, &format!("{}{path}", process.admin), Some(token)).status();
        assert_eq!(status == 200, path == "/metrics", "{path}: {status}");
        assert!(path == "/metrics" || status == 401, "{path}: {status}");
    }
    assert_eq!(call("get", &format!("{}/metrics", process.admin), Some(TOKEN)).status(), 200, "anna may, too");
}

/// What an operator asks for an account; the status of the answer.
pub(crate) fn ask(process: &Process, what: &str, kvnr: &str) -> u16 {
    let request = Client::new().post(format!("{}/admin/v1/accounts/{what}", process.admin)).bearer_auth(TOKEN);
    request.body(format!(r#"{{"kvnr":"{kvnr}"}}"#)).send().unwrap().status().as_u16()
}

#[test]
fn what_operators_do_is_in_the_audit_with_their_name() {
    let folder = tempfile::tempdir().unwrap();
    import(folder.path(), "", &[ERIKA]);
    let process = Process::start(folder.path(), "");
    assert_eq!(ask(&process, "resume", ERIKA), 409, "it is not suspended");
    assert_eq!(ask(&process, "cancel-approved", ERIKA), 409, "nothing was approved");
    let all = [
        "suspend",
        "resume",
        "end-sessions",
        "lock-devices",
        "revoke-cards",
        "report-stolen",
        "order-letter",
        "order-letter",
    ];
    for what in all {
        assert_eq!(ask(&process, what, ERIKA), 204, "{what}");
    }
    for what in all.into_iter().chain(["cancel-approved"]) {
        assert_eq!(ask(&process, what, MAX), 404, "{what}");
        assert_eq!(ask(&process, what, "a123456780"), 422, "{what}");
    }
    let entries: Vec<Value> = audit(&process).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let by_anna = entries.iter().filter(|entry| entry["actor"] == "operator:anna");
    let events: Vec<_> = by_anna.map(|entry| entry["event"].as_str().unwrap()).collect();
    let expected = ["suspended", "resumed", "sessions_ended", "cards_revoked", "password_stolen", "reset_ordered"]
        .map(|event| format!("account.{event}"));
    assert_eq!(events, expected);
    assert!(!audit(&process).contains(ERIKA));
    let metrics = call("get", &format!("{}/metrics", process.admin), Some(TOKEN)).text().unwrap();
    let waiting = metrics.lines().find_map(|line| line.strip_prefix(r#"kartenbund_waiting{what="letters"} "#));
    assert!(waiting.is_some_and(|waiting| waiting != "0"), "{metrics}");
}

#[test]
fn accounts_that_cannot_be_closed_are_counted_and_named_by_number_alone() {
    let folder = tempfile::tempdir().unwrap();
    import(folder.path(), "", &[ERIKA]);
    let process = Process::start(folder.path(), "");
    let failing = || -> Option<String> {
        let metrics = call("get", &format!("{}/metrics", process.admin), Some(TOKEN)).text().unwrap();
        let before = r#"kartenbund_accounts_not_moved{event="account.closed"} "#;
        metrics.lines().find_map(|line| line.strip_prefix(before)).map(str::to_owned)
    };
    let wait_for = |number: &str| {
        let began = std::time::Instant::now();
        while failing().as_deref() != Some(number) {
            assert!(began.elapsed().as_secs() < 30, "{:?}", failing());
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    };
    wait_for("0");
    let change = |sql: &'static str| database_of(folder.path()).sql(folder.path(), sql);
    // Nobody has such a number: whatever is to be done with this account fails.
    change("UPDATE account SET kvnr = 'damaged', membership_end = '2020-01-01'");
    wait_for("1");
    let log = std::fs::read_to_string(&process.log).unwrap();
    let line = log.lines().find(|line| line.contains("an account could not be moved")).unwrap();
    assert!(!line.contains("damaged"), "{line}");
    change("UPDATE account SET membership_end = NULL");
    wait_for("0");
}

#[test]
fn the_audit_is_read_line_by_line_and_is_a_chain() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), "");
    for _ in 0..3 {
        log_in_in_vain(&process.url);
    }
    let read =
        |query: &str| call("get", &format!("{}/admin/v1/audit{query}", process.admin), Some(TOKEN)).text().unwrap();
    let all = read("");
    let entries: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.len(), 3, "{all}");
    assert!(is_chain(&all), "{all}");
    assert_eq!(read("?after=1&limit=1"), all.lines().nth(1).unwrap().to_owned() + "\n");
    assert_eq!(read("?after=3"), "");
    assert_eq!(call("get", &format!("{}/admin/v1/audit?aftr=1", process.admin), Some(TOKEN)).status(), 400);
}

#[test]
fn prometheus_reads_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), "");
    log_in_in_vain(&process.url);
    call("BREW", &format!("{}/v1/devices/A123456780", process.url), None);
    let answer = call("get", &format!("{}/metrics", process.admin), Some(TOKEN));
    assert_eq!(answer.headers()["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text().unwrap();
    for expected in [
        r#"kartenbund_requests_total{method="POST",route="/v1/login",status="401"} 1"#,
        r#"kartenbund_request_duration_seconds_count{method="POST",route="/v1/login"} 1"#,
        r#"kartenbund_requests_total{method="other",route="/v1/devices/{id}",status="405"} 1"#,
        r#"kartenbund_logins_total{method="password",result="login_failed"} 1"#,
        "kartenbund_hashing_queue 0",
        "kartenbund_sessions_open 0",
        r#"kartenbund_database_connections{state="used"}"#,
        concat!(r#"kartenbund_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("A123456780"), "no person in a label: {text}");
}
