//! The programs as people and scripts meet them: what they print, how they end, and what they never do.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod cards;
mod doctor;
mod service;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use kartenbund::ui::failure::Kind;
use kartenbund::virtual_card::personalise::{Blueprint, Schema, TestCa, personalise};
use rand_core::UnwrapErr;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

const ERIKA: &str = "fixtures/cards/erika.xml";
/// A proxy that nobody is at: what stays on this computer goes through none.
const PROXIES: [(&str, &str); 3] =
    [("http_proxy", "http://127.0.0.1:9"), ("HTTP_PROXY", "http://127.0.0.1:9"), ("ALL_PROXY", "http://127.0.0.1:9")];

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kartenbund"));
    command
        .args(["--lang", "en"])
        .args(arguments)
        .env_remove("KARTENBUND_HOME")
        .env("KARTENBUND_NO_KEY_RING", "1")
        .envs(PROXIES);
    command.env("PCSCLITE_CSOCK_NAME", "/nonexistent/pcscd.comm").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

/// Runs with lines on a file descriptor of their own; the file is gone when this returns.
fn run_with(folder: &Path, arguments: &[&str], descriptor: &str, lines: &str) -> Output {
    let mut file = tempfile::NamedTempFile::new_in(folder).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
    let script = format!("exec \"$@\" {descriptor} 3 3<{}", file.path().display());
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_kartenbund"), "--lang", "en", "--json"]);
    shell
        .args(arguments)
        .env_remove("KARTENBUND_HOME")
        .env("KARTENBUND_NO_KEY_RING", "1")
        .envs(PROXIES)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs where there is no network, not even the one of this computer to itself.
fn without_network(arguments: &[&str]) -> Output {
    let allows =
        |option: &&str| Command::new("unshare").args([option, "true"]).status().is_ok_and(|status| status.success());
    let option = ["-n", "-rn"].iter().find(|option| allows(option)).expect("root or user namespaces");
    let mut unshared = Command::new("unshare");
    unshared
        .args([option, env!("CARGO_BIN_EXE_kartenbund"), "--lang", "en"])
        .args(arguments)
        .env("KARTENBUND_NO_KEY_RING", "1")
        .output()
        .unwrap()
}

fn json_of(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("not one JSON text: {text}\n{output:?}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn error_code(output: &Output) -> (String, i32) {
    let value = json_of(output);
    let error = &value["error"];
    assert_eq!(error["exit_code"], output.status.code().unwrap());
    for member in ["message", "remedy"] {
        assert!(!error[member].as_str().unwrap().is_empty());
    }
    (error["code"].as_str().unwrap().to_owned(), output.status.code().unwrap())
}

#[test]
fn the_exit_codes_are_those_of_the_documented_table() {
    let document = std::fs::read_to_string("docs/exit-codes.md").unwrap();
    let client = document.split("## `kartenbund-server`").next().unwrap();
    let rows: BTreeMap<String, u8> = client
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            Some((cells.get(2)?.trim_matches('`').to_owned(), cells.get(1)?.parse().ok()?))
        })
        .filter(|(code, _)| !code.is_empty())
        .collect();
    let kinds: BTreeMap<_, _> = Kind::ALL.iter().map(|kind| (kind.code().to_owned(), kind.exit_code())).collect();
    assert_eq!(rows, kinds);
    let mut codes: Vec<_> = kinds.values().collect();
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), kinds.len(), "one exit code for each cause");
}

#[test]
fn the_language_is_the_desktops() {
    for (locale, expected) in [("de_DE.UTF-8", "Kartenleser"), ("en_GB.UTF-8", "card readers"), ("C", "Kartenleser")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kartenbund"));
        command.arg("readers").env_clear().env("LANG", locale).env("PCSCLITE_CSOCK_NAME", "/nonexistent");
        let output = command.output().unwrap();
        assert!(text(&output.stderr).contains(expected), "{locale}: {}", text(&output.stderr));
    }
}

#[test]
fn a_failure_says_what_happened_and_what_to_do_with_a_stable_code() {
    let output = run(&["readers"]);
    assert_eq!(output.status.code(), Some(10));
    assert!(output.stdout.is_empty());
    let said = text(&output.stderr);
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].ends_with('.') && lines[1].starts_with("Next: "), "{said}");
    assert_eq!(lines[2], "Code: no_pcsc_service (10)");
}

#[test]
fn broken_input_gets_its_code_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let session = std::fs::read_to_string("fixtures/sessions/read-erika.jsonl").unwrap();
    let nonsense = file("nonsense", b"\xFF\xFEnonsense");
    let empty = file("empty", b"");
    let changed = file("changed.jsonl", session.replacen("00B08C0019", "00B08D0019", 1).as_bytes());
    let card = std::fs::read_to_string(ERIKA).unwrap();
    let truncated = file("truncated.xml", &card.as_bytes()[..card.len() / 2]);
    let anchor = "fixtures/pki/test-egk-ca.pem";
    for (arguments, code, exit_code) in [
        (vec!["read"], "no_pcsc_service", 10),
        (vec!["read", "--virtual-card", "missing.xml"], "file", 6),
        (vec!["read", "--virtual-card", &nonsense], "card_image", 82),
        (vec!["read", "--virtual-card", &truncated], "card_image", 82),
        (vec!["replay", &changed], "session_mismatch", 80),
        (vec!["replay", &nonsense], "session_file", 81),
        (vec!["replay", &empty], "session_file", 81),
        (vec!["record", "--virtual-card", ERIKA, "--out", "/dev/null/x"], "file", 6),
        (vec!["evidence", "verify", &nonsense, "--anchor", anchor], "not_evidence", 71),
        (vec!["evidence", "verify", "missing", "--anchor", anchor], "file", 6),
        (vec!["evidence", "verify", &nonsense, "--tsl-anchor", "fixtures/pki/test-tsl-ca.pem"], "not_evidence", 71),
        (vec!["virtual-card", "new", "--kvnr", "A123456781", "--name", "E M", "--out", &empty], "input_invalid", 5),
        (vec!["virtual-card", "new", "--kvnr", "A123456780", "--name", "Erika", "--out", &empty], "input_invalid", 5),
        (vec!["virtual-card", "run", ERIKA, "--vpcd", "nowhere"], "reader_port", 83),
        (vec!["nonsense"], "usage", 2),
        (vec![], "usage", 2),
        (vec!["read", "--reader"], "usage", 2),
    ] {
        let mut with_json = vec!["--json"];
        with_json.extend(arguments.iter().copied());
        let output = run(&with_json);
        assert_eq!(error_code(&output), (code.to_owned(), exit_code), "{arguments:?}");
        assert!(!text(&output.stderr).contains("panicked"), "{arguments:?}");
    }
    assert_eq!(std::fs::read(&empty).unwrap(), b"", "nothing was half written");
    let shown = text(&run(&["replay", &changed]).stderr);
    assert!(shown.contains("line 6: expected 00B08D00 Le=25, sent 00B08C00 Le=25"), "{shown}");
}

#[test]
fn the_numbers_of_a_card_are_told_apart_on_a_narrow_screen() {
    for (language, lengths) in [
        ("de", ["6 Ziffern", "5 Ziffern", "8 Ziffern", "20 Ziffern", "9 Ziffern"]),
        ("en", ["6 digits", "5 digits", "8 digits", "20 digits", "9 digits"]),
    ] {
        let said = text(&run(&["help", "numbers", "--lang", language]).stdout);
        for told in lengths.into_iter().chain(["CAN", "PUK", "KVNR", "ICCSN", "IK", "PostIdent"]) {
            assert!(said.contains(told), "{language}: {told}: {said}");
        }
        assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    }
    let value = json_of(&run(&["help", "numbers", "--json"]));
    let names: Vec<_> = value["numbers"].as_array().unwrap().iter().map(|number| number["name"].clone()).collect();
    let expected =
        ["can", "card_pin", "transport_pin", "puk", "device_pin", "insurance_number", "card_number", "payer_number"];
    assert_eq!(names, expected);
}

#[test]
fn help_is_there_for_every_command() {
    for arguments in
        [vec!["--help"], vec!["register", "--help"], vec!["evidence", "verify", "--help"], vec!["--version"]]
    {
        let output = run(&arguments);
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}");
    }
}

/// On the command line and from a file descriptor as at a prompt.
#[test]
fn a_number_of_another_kind_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let said = |output: &Output| {
        assert_eq!(error_code(output), ("input_invalid".to_owned(), 5));
        json_of(output)["error"]["message"].as_str().unwrap().to_owned()
    };
    let card = ["--virtual-card", ERIKA];
    for (can, expected) in [
        ("12345678", "The card access number (CAN) has six digits. Eight digits: so has the PUK"),
        ("A123456780", "Only digits can be typed here. A letter and nine digits: that is the insurance number"),
        // It is the number that is asked for.
        ("123 123", "Only digits can be typed here."),
    ] {
        let words = [&["card", "pin", "status", "--json", "--contactless", "--can", can], &card[..]].concat();
        let message = said(&run(&words));
        assert!(message.starts_with(expected), "{message}");
        assert_eq!(message.contains("More:"), expected.len() > 40, "{message}");
        let words = [&["doctor", "--json", "--contactless", "--can", can], &card[..]].concat();
        assert_eq!(said(&run(&words)), message);
    }
    let pin = run_with(folder.path(), &[&["card", "pin", "change"], &card[..]].concat(), "--pin-fd", "12345\n");
    assert!(said(&pin).contains("six to eight digits. Five digits: so has the transport PIN"), "{pin:?}");
    let login = ["login", "--json", "--service", "http://127.0.0.1:9", "--kvnr", "999567890"];
    assert!(said(&run(&login)).contains("not an insurance number. Nine digits: that is the number of the insurer"));
    let wrong_digit = ["login", "--json", "--service", "http://127.0.0.1:9", "--kvnr", "A123456781"];
    assert_eq!(said(&run(&wrong_digit)), "A digit of the insurance number is wrong.");
}
