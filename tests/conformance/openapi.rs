//! The OpenAPI documents, against the service that wrote them: schemathesis sends what they describe and what they do
//! not, and finds neither a failure nor an answer that is not described.

use std::path::Path;
use std::process::Command;

use super::common::*;
use super::process::{Process, TOKEN};
use serde_json::Value;
use time::OffsetDateTime;

/// What is looked at in each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
/// These end the session that all requests are made in, or lock the device that applications need.
const ENDS_THE_SESSION: &str = "^/v1/logout$|^/v1/sessions|^/v1/devices/lock-all$";

/// schemathesis in the folder of tools, made ready by `make openapi`.
fn schemathesis() -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("target/tools/schemathesis/bin/st");
    assert!(program.exists(), "`make openapi` installs schemathesis");
    let mut command = Command::new(program);
    command.env("PYTHONPATH", root.join("tools/schemathesis")).current_dir(tempfile::tempdir().unwrap().keep());
    command.args([
        "run",
        "--checks",
        CHECKS,
        "--seed",
        "1",
        "--max-time",
        "60",
        "--phases",
        "examples,coverage,fuzzing",
    ]);
    command
}

#[expect(clippy::print_stdout, reason = "what it sent is worth knowing")]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    println!("{told}");
    told.into_owned()
}

#[test]
fn a_member_who_is_logged_in_meets_nothing_that_is_not_described() {
    // schemathesis knows no other time than that of this computer.
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(OffsetDateTime::now_utc());
    let world = World::configured(folder, TestDatabase::new(), clock, |settings| {
        settings.sessions.access_token = 600;
        settings.payer_iks = vec![kartenbund::virtual_card::personalise::MUSTERKASSE_IK.parse().unwrap()];
        settings.anchors = Box::new(anchors_of(&[&ca()]));
    });
    let computer = world.registered(ERIKA);
    let session = serde_json::to_value(computer.here.home.session().unwrap().unwrap()).unwrap();
    let mut command = schemathesis();
    command.env("SCHEMATHESIS_HOOKS", "dpop").env("KARTENBUND_URL", &world.address);
    command.env("KARTENBUND_ACCESS_TOKEN", session["tokens"]["access_token"].as_str().unwrap());
    command.env("KARTENBUND_SESSION_KEY", session["key"].as_str().unwrap());
    command.args(["--exclude-path-regex", ENDS_THE_SESSION]).arg(format!("{}/openapi.json", world.address));
    let told = run(&mut command);
    // What it never got into: no signature by card or device can be guessed.
    let refused =
        told.split("Authentication failed").nth(1).and_then(|rest| rest.split('💡').next()).unwrap_or_default();
    let refused: Vec<_> = refused.lines().filter_map(|line| line.strip_prefix("  - ")).collect();
    // … no website's assertion either, and removing, unlocking and showing a code take a session by card or device.
    let is_known = |operation: &&str| {
        operation.starts_with("POST /v1/login/")
            || operation.starts_with("DELETE /v1/devices/")
            || ["/unlock", "/device-codes"].iter().any(|end| operation.ends_with(end))
    };
    assert!(refused.iter().all(is_known), "{told}");
    assert!(told.contains("50 selected"), "each operation but those: {told}");
    assert!(computer.here.service.get::<Value>("/v1/devices").is_ok(), "she is still logged in");
}

#[test]
fn an_operator_meets_nothing_that_is_not_described() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), "");
    run(schemathesis()
        .args(["-H", &format!("Authorization: Bearer {TOKEN}")])
        .arg(format!("{}/openapi.json", process.admin)));
}
