//! `audit verify`, as an operator or an auditor runs it.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::process::{Process, audit, import, log_in_in_vain, program};

fn verify(folder: &Path, arguments: &[&str]) -> Output {
    program(folder, "").args(["audit", "verify"]).args(arguments).output().unwrap()
}

fn ended(output: &Output) -> (Option<i32>, String) {
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

#[test]
fn an_audit_is_verified_in_the_database_and_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (code, told) = ended(&verify(folder.path(), &[]));
    assert_eq!(code, Some(11), "there is none yet: {told}");
    import(folder.path(), "", &["A123456780", "M100200305"]);
    let process = Process::start(folder.path(), "");
    for _ in 0..3 {
        log_in_in_vain(&process.url);
    }
    let (code, told) = ended(&verify(folder.path(), &[]));
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("the audit is whole\nentries: 1 to 5\n"), "{told}");

    // The heads that everybody sees, as they come, and the lines that operators are given.
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
    let heads =
        || reqwest::blocking::get(format!("{}/.well-known/kartenbund-audit", process.url)).unwrap().text().unwrap();
    let began = std::time::Instant::now();
    while !heads().contains("eyJ") {
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "no head is signed");
    }
    write("heads.json", &heads());
    let lines = audit(&process);
    write("audit.ndjson", &lines);
    let configuration =
        reqwest::blocking::get(format!("{}/.well-known/kartenbund-configuration", process.url)).unwrap();
    let configuration: Value = configuration.json().unwrap();
    let payload = configuration["configuration"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    let payload: Value = serde_json::from_slice(&kartenbund::jose::base64url::decode(&payload).unwrap()).unwrap();
    write("key.json", &payload["service_keys"][0].to_string());

    assert_eq!(ended(&verify(folder.path(), &["--against", &at("heads.json")])).0, Some(0));
    let from_file = ["--file", &at("audit.ndjson"), "--service-key", &at("key.json"), "--against", &at("heads.json")];
    let (code, told) = ended(&verify(folder.path(), &from_file));
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("entries: 1 to 5\nheads: 1\n"), "{told}");

    // A part of it, from some entry on.
    write("part.ndjson", lines.split_once('\n').unwrap().1);
    let (code, told) = ended(&verify(folder.path(), &["--file", &at("part.ndjson")]));
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("entries: 2 to 5\nheads: 0\n"), "{told}");

    // Changed, and cut off after a head was signed.
    write("changed.ndjson", &lines.replacen("login_failed", "login_faked_", 1));
    let (code, told) = ended(&verify(folder.path(), &["--file", &at("changed.ndjson")]));
    assert_eq!(code, Some(29), "{told}");
    assert!(told.contains("entry 4: it does not name the chain's value before it"), "{told}");
    // Two entries were there before the first head.
    write("cut.ndjson", lines.split_inclusive('\n').next().unwrap());
    let cut = ["--file", &at("cut.ndjson"), "--service-key", &at("key.json"), "--against", &at("heads.json")];
    let (code, told) = ended(&verify(folder.path(), &cut));
    assert_eq!(code, Some(30), "{told}");

    // Files that are none.
    for arguments in [
        vec!["--against", &at("key.json")],
        vec!["--file", &at("audit.ndjson"), "--against", &at("heads.json")],
        vec!["--file", &at("audit.ndjson"), "--service-key", &at("heads.json")],
    ] {
        let (code, told) = ended(&verify(folder.path(), &arguments));
        assert_eq!(code, Some(31), "{arguments:?}: {told}");
    }
    let (_, told) = ended(&verify(folder.path(), &["--file", &at("audit.ndjson"), "--against", &at("heads.json")]));
    assert!(told.contains("--against needs --service-key"), "{told}");
    assert_eq!(ended(&verify(folder.path(), &["--file", &at("missing")])).0, Some(14));
}
