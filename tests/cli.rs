//! The programs as people and scripts meet them: what they print, how they end, and what they never do.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

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
fn reading_a_card_prints_exactly_the_documented_json() {
    let output = run(&["read", "--json", "--virtual-card", ERIKA]);
    assert!(output.status.success());
    let mut value = json_of(&output);
    let certificate = value["certificate"].as_object_mut().unwrap();
    for member in ["serial", "sha256"] {
        let text = certificate.insert(member.to_owned(), json!("…")).unwrap();
        assert!(text.as_str().unwrap().len() > 8);
    }
    value["insurance"]["start"] = json!("…");
    assert_eq!(
        value,
        json!({
            "card": {
                "iccsn": "80276999990000000017", "generation": "G2.1", "object_system": "4.5.2",
                "interface": "contact",
            },
            "person": {
                "kvnr": "A123456780", "given_name": "Erika Johanna", "family_name": "Müstermann",
                "name_prefix": null, "name_suffix": null, "title": null, "date_of_birth": "1964-08-12", "sex": "W",
                "address": {
                    "street": "Musterstraße", "house_number": "12a", "postal_code": "12345", "city": "Musterstadt",
                    "country": "D", "supplement": null,
                },
            },
            "insurance": {
                "payer_ik": "999567890", "payer_name": "Musterkasse NOT-VALID", "start": "…", "end": null,
                "insured_type": "1",
            },
            "certificate": {
                "algorithm": "BP256R1", "kvnr": "A123456780", "payer_ik": "999567890",
                "subject": "C=DE, O=Musterkasse NOT-VALID, OU=999567890, OU=A123456780, surname=Müstermann, \
                            givenName=Erika Johanna, CN=Erika Johanna Müstermann TEST-ONLY",
                "issuer": "C=DE, O=Kartenbund NOT-VALID, \
                           OU=Elektronische Gesundheitskarte-CA der Telematikinfrastruktur, \
                           CN=KARTENBUND.EGK-CA1 TEST-ONLY",
                "serial": "…", "not_before": "2026-01-01T00:00:00Z", "not_after": "2055-12-31T23:59:59Z",
                "profession_oid": "1.2.276.0.76.4.49", "sha256": "…",
            },
            "warnings": [],
        })
    );
    let short = run(&["read", "--json", "--short-apdus", "--virtual-card", ERIKA]);
    assert_eq!(short.stdout, output.stdout);
    let session = "fixtures/sessions/read-erika.jsonl";
    let replayed = run(&["replay", "--json", session]);
    assert_eq!(replayed.stdout, output.stdout);
    assert_eq!(json_of(&run(&["replay", "--json", session, "--virtual-card", ERIKA])), json!({ "same": true }));
    let other = run(&["replay", "--json", session, "--virtual-card", "fixtures/cards/max.xml"]);
    assert_eq!(error_code(&other).0, "session_mismatch");
}

#[test]
fn reading_a_card_speaks_german_and_english() {
    for (language, name, sex) in
        [("de", "  Versichertennummer: A123456780", "weiblich"), ("en", "  Insurance number: A123456780", "female")]
    {
        let output = run(&["read", "--lang", language, "--virtual-card", ERIKA]);
        let text = text(&output.stdout);
        assert!(text.contains(name) && text.contains(sex), "{text}");
    }
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

/// The text of a card that is odd in one way.
fn odd_card(change: impl FnOnce(&mut Blueprint), edit: impl FnOnce(String) -> String) -> String {
    let mut blueprint = Blueprint::new("A123456780".parse().unwrap(), "Erika", "Müstermann");
    change(&mut blueprint);
    let mut rng = UnwrapErr(getrandom::SysRng);
    let now = OffsetDateTime::now_utc();
    edit(personalise(&blueprint, &TestCa::built_in().unwrap(), &mut rng, now).unwrap())
}

#[test]
fn what_a_person_is_told_of_an_odd_card() {
    let folder = tempfile::tempdir().unwrap();
    let long_ago = datetime!(2020-01-01 0:00 UTC);
    let same = |image: String| image;
    // DF.HCA is the application with this identifier; its state stands behind it.
    let deactivated = |image: String| {
        let at = image.find("{D27600000102}").or_else(|| image.find("{d27600000102}")).unwrap();
        let (before, after) = image.split_at(at);
        let start = before.rfind("<child ").unwrap();
        let state = before[start..].find("ACTIVATED</attribute>").map(|found| start + found);
        match state {
            Some(state) => format!("{}DE{}{after}", &before[..state], &before[state..]),
            None => format!("{before}{}", after.replacen(">ACTIVATED<", ">DEACTIVATED<", 1)),
        }
    };
    let version =
        |number: &'static str| move |image: String| image.replace("C103040502", number).replace("c103040502", number);
    let cards = [
        (odd_card(|card| card.update_in_progress = true, same), "card_updating", 26),
        (odd_card(|card| card.kvnr_in_pd = Some("M100200305".parse().unwrap()), same), "card_mismatch", 27),
        (odd_card(|_| {}, deactivated), "card_deactivated", 23),
        (odd_card(|_| {}, version("C103030000")), "card_too_old", 21),
        (
            odd_card(
                |_| {},
                |image| image.replace("d2760001448000", "d2760001448099").replace("D2760001448000", "D2760001448099"),
            ),
            "not_an_egk",
            20,
        ),
        // Without rules nothing is free to read: that is how a card answers on a contactless reader.
        (
            odd_card(
                |_| {},
                |image| image.replace("00||b0||??||??", "00||b1||??||??").replace("00||B0||??||??", "00||B1||??||??"),
            ),
            "card_contactless",
            22,
        ),
        (odd_card(|_| {}, |image| image.replace("1F8B08", "1F8B09").replace("1f8b08", "1f8b09")), "card_data", 25),
    ];
    for (number, (image, code, exit_code)) in cards.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.xml"));
        std::fs::write(&path, image).unwrap();
        let output = run(&["--json", "read", "--virtual-card", path.to_str().unwrap()]);
        assert_eq!(error_code(&output), (code.to_owned(), exit_code));
        // The doctor says so too, where it is the card's and not its data's.
        let output = run(&["--json", "doctor", "--virtual-card", path.to_str().unwrap()]);
        match code {
            "card_deactivated" | "card_too_old" | "not_an_egk" => {
                assert_eq!(error_code(&output), (code.to_owned(), exit_code));
            }
            "card_contactless" => assert_eq!(json_of(&output)["card"]["kind"], "egk_contactless", "{output:?}"),
            _ => assert!(output.status.success(), "{output:?}"),
        }
    }
    let path = folder.path().join("expired.xml");
    let validity = Some((long_ago, long_ago + time::Duration::days(365)));
    std::fs::write(&path, odd_card(|card| card.validity = validity, same)).unwrap();
    let output = run(&["--json", "read", "--virtual-card", path.to_str().unwrap()]);
    assert_eq!(json_of(&output)["warnings"], json!(["certificate_expired"]));
    let output = run(&["--json", "doctor", "--virtual-card", path.to_str().unwrap()]);
    assert_eq!(error_code(&output), ("certificate_expired".to_owned(), 41));
    let output = run(&["read", "--virtual-card", path.to_str().unwrap()]);
    assert!(text(&output.stdout).contains("Warning: The certificate of the card has expired."));

    // Oddities that are none: old schema, prefixes, no protected data.
    let path = folder.path().join("schema.xml");
    let old = |card: &mut Blueprint| (card.schema, card.prefixed, card.gvd) = (Schema::V5_1, true, false);
    std::fs::write(&path, odd_card(old, same)).unwrap();
    let output = run(&["--json", "read", "--virtual-card", path.to_str().unwrap()]);
    assert_eq!(json_of(&output)["person"]["family_name"], "Müstermann");
}

#[test]
fn a_session_without_contacts_is_recorded_played_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.jsonl");
    let file = file.to_str().unwrap();
    let record = ["--json", "record", "--virtual-card", ERIKA, "--contactless", "--out", file];
    assert_eq!(error_code(&run(&record)), ("card_contactless".to_owned(), 22), "there is nobody to ask for the number");
    let wrong = run(&[&record[..], &["--can", "123124"]].concat());
    assert_eq!(error_code(&wrong), ("can_wrong".to_owned(), 35));
    let recorded = json_of(&run(&[&record[..], &["--can", "123123"]].concat()));
    assert_eq!(recorded["card"]["interface"], "contactless");
    let played = json_of(&run(&["--json", "replay", file]));
    assert_eq!(played, recorded);
    let explained = text(&run(&["replay", "--explain", file]).stdout);
    assert!(explained.contains("00B08400") && !explained.contains("0CB08400"), "{explained}");
    let sent = run(&["--json", "replay", file, "--virtual-card", ERIKA, "--contactless"]);
    assert_eq!(error_code(&sent), ("session_file".to_owned(), 81), "it is sent to no card again");
    for refused in ["record", "read"] {
        let without = if refused == "read" { vec!["read"] } else { vec!["record", "--out", file] };
        let told = run(&[&without[..], &["--virtual-card", ERIKA, "--contactless"]].concat());
        assert!(text(&told.stderr).contains("--can"), "{refused}: {}", text(&told.stderr));
    }
}

#[test]
fn whether_a_card_is_genuine_is_told_with_what_that_does_not_show() {
    const ROOT: [&str; 2] = ["--cvc-root", "fixtures/pki/test-cvc-root.cvc"];
    let genuine = |card: &[&str], roots: &[&str], words: &[&str]| {
        run(&[&["card", "genuine", "--virtual-card"], card, roots, words].concat())
    };
    let told = genuine(&[ERIKA], &ROOT, &[]);
    assert_eq!(
        text(&told.stdout),
        "The chip is the one of its certificate, under the test root DEKXX810226. Test cards are no genuine health cards.\n\
         Card number 80276999990000000017, CA DEKXX110226.\n\
         That does not show whose card it is, nor who holds it, nor that it was not blocked. Not yet confirmed with a \
         real card.\n"
    );
    for (card, interface) in [(&[ERIKA][..], "contact"), (&[ERIKA, "--contactless", "--can", "123123"], "contactless")]
    {
        let expected = json!({
            "iccsn": "80276999990000000017", "authority": "DEKXX110226", "root": "DEKXX810226", "test_root": true,
            "interface": interface, "proves": "chip",
        });
        assert_eq!(json_of(&genuine(card, &ROOT, &["--json"])), expected);
    }

    let folder = tempfile::tempdir().unwrap();
    let card_with = |change: &dyn Fn(String) -> String| {
        let path = folder.path().join("card.xml");
        std::fs::write(&path, change(std::fs::read_to_string(ERIKA).unwrap())).unwrap();
        error_code(&genuine(&[path.to_str().unwrap()], &ROOT, &["--json"]))
    };
    let refused = ("chip_refused".to_owned(), 45);
    let xml = std::fs::read_to_string(ERIKA).unwrap();
    let max = std::fs::read_to_string("fixtures/cards/max.xml").unwrap();
    let key_of = |xml: &str| {
        let key = xml.split("id=\"PrK.eGK.AUT_CVC.E256\"").nth(1).unwrap();
        key.split("id=\"privateKey\">").nth(1).unwrap()[..64].to_owned()
    };
    assert_eq!(card_with(&|xml| xml.replace(&key_of(&xml), &key_of(&max))), refused, "a copied certificate");
    assert_eq!(card_with(&|xml| xml.replace("5F200C0009", "5F200C0006")), refused, "another key's certificate");
    assert_eq!(
        card_with(&|xml| xml.replace("7F2181DA", "3082014A")),
        ("card_data".to_owned(), 25),
        "X.509 in its place"
    );
    let expired = |card: &mut Blueprint| {
        card.validity = Some((datetime!(2026-01-01 00:00 UTC), datetime!(2026-01-02 00:00 UTC)));
    };
    assert_eq!(card_with(&|_| odd_card(expired, |xml| xml)), refused);
    let path = folder.path().join("card.xml");
    let told = genuine(&[path.to_str().unwrap()], &ROOT, &[]);
    assert!(text(&told.stderr).starts_with("The certificate of the chip has expired.\n"));
    std::fs::write(&path, xml.replace(&key_of(&xml), &key_of(&max))).unwrap();
    let told = genuine(&[path.to_str().unwrap()], &ROOT, &[]);
    assert!(text(&told.stderr).starts_with("The chip did not show that it is the one of its certificate."));
    let not_yet = |card: &mut Blueprint| {
        card.validity = Some((datetime!(2054-01-01 00:00 UTC), datetime!(2055-01-01 00:00 UTC)));
    };
    assert_eq!(card_with(&|_| odd_card(not_yet, |xml| xml)), refused);
    let told = text(&genuine(&[path.to_str().unwrap()], &ROOT, &[]).stderr);
    assert!(told.starts_with("The certificate of the chip is not valid yet.\n") && told.contains("clock"), "{told}");

    let chip = folder.path().join("other.cvc");
    let own = TestCa::generate(&mut UnwrapErr(getrandom::SysRng), "Other", OffsetDateTime::now_utc()).unwrap();
    std::fs::write(&chip, own.cvc_root()).unwrap();
    let other = ["--cvc-root", chip.to_str().unwrap()];
    assert_eq!(error_code(&genuine(&[ERIKA], &other, &["--json"])), refused, "a root that is not this card's");
    let told = genuine(&[ERIKA], &other, &[]);
    assert!(text(&told.stderr).starts_with("The certificate of the chip is by a root that was not named.\n"));
    assert!(text(&told.stderr).contains("--cvc-root"), "naming another root helps here, and nowhere else");
    let other_ca = card_with(&|xml| xml.replacen("0844454B5858110226", "0844454B5858110227", 2));
    assert_eq!(other_ca, refused, "the chip's issuer is not the CA on its card");
    let told = text(&genuine(&[path.to_str().unwrap()], &ROOT, &[]).stderr);
    assert!(!told.contains("--cvc-root"), "{told}");
    assert!(genuine(&[ERIKA], &[other, ROOT].concat(), &[]).status.success(), "one of several roots");
    let ca = ["--cvc-root", "fixtures/pki/test-cvc-ca.cvc"];
    assert_eq!(error_code(&genuine(&[ERIKA], &ca, &["--json"])), ("cvc_root".to_owned(), 46), "a CA is no root");
    let absent = ["--cvc-root", "fixtures/pki/absent.cvc"];
    assert_eq!(error_code(&genuine(&[ERIKA], &absent, &["--json"])), ("file".to_owned(), 6));
    assert_eq!(error_code(&genuine(&[ERIKA], &[], &["--json"])), ("usage".to_owned(), 2), "nobody vouches by default");
    assert_eq!(
        error_code(&genuine(&[ERIKA, "--contactless"], &ROOT, &["--json"])),
        ("card_contactless".to_owned(), 22),
        "the CAN is missing"
    );
}

#[test]
fn the_pin_of_a_card_is_asked_for_and_changed_without_an_account() {
    let folder = tempfile::tempdir().unwrap();
    let status = run(&["--json", "card", "pin", "status", "--virtual-card", ERIKA]);
    assert_eq!(json_of(&status), json!({ "state": "usable", "tries_left": 3 }));
    let told = run(&["card", "pin", "status", "--virtual-card", ERIKA, "--contactless", "--can", "123123"]);
    assert_eq!(text(&told.stdout), "The PIN can be entered; 3 tries are left.\n");
    let scenario = folder.path().join("reset.toml");
    for (reset, answer) in [("reset_after = 2", None), ("reset_every = 2", Some(("card_reset".to_owned(), 9)))] {
        std::fs::write(&scenario, format!("[reader]\n{reset}\n")).unwrap();
        let words = ["card", "pin", "status", "--virtual-card", ERIKA, "--scenario", scenario.to_str().unwrap()];
        let told = run(&[&["--json"], &words[..]].concat());
        match answer {
            None => assert_eq!(json_of(&told)["tries_left"], 3, "another program reset the card once"),
            Some(refused) => assert_eq!(error_code(&told), refused),
        }
    }
    let with = |words: &[&str], lines| {
        let mut all = vec!["card", "pin"];
        all.extend(words);
        all.extend(["--virtual-card", ERIKA]);
        run_with(folder.path(), &all, "--pin-fd", lines)
    };
    assert_eq!(json_of(&with(&["change"], "123456\n24680246\n")), json!({ "changed": true }));
    assert_eq!(error_code(&with(&["change"], "654321\n24680246\n")), ("card_pin_wrong".to_owned(), 30));
    assert_eq!(error_code(&with(&["change"], "123456\n12345\n")), ("input_invalid".to_owned(), 5));
    assert_eq!(error_code(&with(&["change"], "123456\n")), ("nobody_there".to_owned(), 4));
    assert_eq!(json_of(&with(&["unblock"], "12345678\n24680246\n")), json!({ "unblocked": true }));
    assert_eq!(json_of(&with(&["unblock", "--keep-pin"], "")), json!({ "unblocked": false }));
    let wrong = with(&["unblock"], "87654321\n24680246\n");
    assert_eq!(error_code(&wrong), ("puk_wrong".to_owned(), 36));
    assert!(json_of(&wrong)["error"]["message"].as_str().unwrap().contains("it can be used 9 more times"));
}

#[test]
fn without_login_every_account_command_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    for arguments in [
        vec!["devices"],
        vec!["approvals"],
        vec!["notices"],
        vec!["register", "--method", "card", "--virtual-card", ERIKA],
        vec!["apply", "bank", "--iban", "DE89370400440532013000", "--account-holder", "E"],
        vec!["evidence", "export", "--out", "x"],
        vec!["logout"],
    ] {
        let mut all = vec!["--json", "--home", home];
        all.extend(&arguments);
        assert_eq!(error_code(&run(&all)).0, "no_profile", "{arguments:?}");
    }
    let login = ["--json", "--home", home, "login", "--service", "http://kasse.example", "--kvnr", "A123456780"];
    assert_eq!(error_code(&run(&login)).0, "service_address");
    let login = ["--json", "--home", home, "login", "--service", "http://127.0.0.1:1", "--kvnr", "A123456780"];
    assert_eq!(error_code(&run(&login)).0, "service_unreachable");
    let login = ["--json", "--home", home, "login", "--service", "http://127.0.0.1:1", "--kvnr", "A123456780-1"];
    let output = run(&login);
    assert_eq!(error_code(&output), ("input_invalid".to_owned(), 5));
    assert!(json_of(&output)["error"]["remedy"].as_str().unwrap().contains("without hyphen"));
}

#[test]
fn the_demonstration_runs_in_every_language_and_as_json() {
    for language in ["de", "en"] {
        let folder = tempfile::tempdir().unwrap();
        let output = run(&["demo", "--lang", language, "--dir", folder.path().to_str().unwrap()]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(said.contains("B3") && said.contains(folder.path().to_str().unwrap()), "{said}");
        assert!(folder.path().join("evidence.json").exists());
    }
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["demo", "--json", "--dir", folder.path().to_str().unwrap()]);
    let value = json_of(&output);
    assert_eq!(value["ok"], true);

    // What it left behind is verified by a call of its own; the forged copy beside it is refused.
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (anchor, key) = (path("test-egk-ca.pem"), path("service-key.json"));
    let verify = |file: &str| run(&["--json", "evidence", "verify", file, "--anchor", &anchor, "--service-key", &key]);
    let good = verify(&path("evidence.json"));
    assert!(good.status.success());
    assert_eq!(json_of(&good)["valid"], true);
    let forged = verify(&path("forged.json"));
    assert_eq!(error_code(&forged), ("evidence_invalid".to_owned(), 70));
    let report = json_of(&forged);
    assert_eq!(report["valid"], false);
    let failing: Vec<_> = report["links"].as_array().unwrap().iter().filter(|link| link["result"] == "fails").collect();
    assert_eq!(failing.len(), 1);
    assert_eq!(failing[0]["name"], "decision");
}

const TEST_CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pki/test-egk-ca.pem");

/// Writes the configuration of a service whose data are in `folder`, and gives its path.
fn service_config(folder: &Path, listen: &str, anchors: &str, file: &str) -> String {
    let path = folder.with_extension("toml");
    let data = folder.display();
    let text = format!(
        "data = \"{data}\"\nlisten = \"{listen}\"\n\
         [insurer]\nname = \"Musterkasse\"\n[cards]\npayer_iks = [\"999567890\"]\n{anchors} = [\"{file}\"]\n"
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// `kartenbund-server run`, stopped when it goes out of scope.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kartenbund-server"))
            .args(["--config", &service_config(folder, "127.0.0.1:0", "test_anchors", TEST_CA), "run"])
            .stdout(Stdio::piped())
            .stderr(Stdio::from(std::fs::File::create(folder.with_extension("log")).unwrap()))
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, url }
    }

    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -s TERM $0", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_whole_story_with_both_programs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let register = folder.path().join("register.csv");
    let password = "tulpe-karton-87".to_owned();
    let rows = "kvnr,given_name,family_name,birth_date,street,house_number,postal_code,city,country,membership_start,\
                password_hash\n\
                A123456780,Erika Johanna,Müstermann,1964-08-12,Musterstraße,12a,12345,Musterstadt,D,2020-01-01,\
                \"$argon2id$v=19$m=8192,t=2,p=1$c29tZXNhbHQxMjM0$855rEs6WtRq8CS9n/WrVmDyOJCefAZVS7NB51sZrZ/g\"\n";
    std::fs::write(&register, rows).unwrap();
    let import = |file: &PathBuf| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kartenbund-server"));
        let config = service_config(&data, "127.0.0.1:0", "test_anchors", TEST_CA);
        command.args(["--config", &config, "register", "import"]).arg(file).output().unwrap()
    };
    let imported = import(&register);
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    assert!(text(&imported.stdout).starts_with("imported: 1\n"), "{}", text(&imported.stdout));
    let again = import(&register);
    assert!(again.status.success() && text(&again.stdout).ends_with("unchanged: 1\n"), "{}", text(&again.stdout));

    let server = Server::start(&data);
    let home = folder.path().join("home");
    let home = home.to_str().unwrap();
    let with = |arguments: &[&str], descriptor: &str, lines: &str| {
        let mut all = vec!["--home", home];
        all.extend(arguments);
        run_with(folder.path(), &all, descriptor, lines)
    };
    let plain = |arguments: &[&str]| {
        let mut all = vec!["--json", "--home", home];
        all.extend(arguments);
        run(&all)
    };
    let wrong = with(&["login", "--service", &server.url, "--kvnr", "A123456780"], "--password-fd", "wrong\n");
    assert_eq!(error_code(&wrong).0, "login_failed");
    let login =
        with(&["login", "--service", &server.url, "--kvnr", "A123456780"], "--password-fd", &format!("{password}\n"));
    assert!(login.status.success(), "{login:?}");
    let key = folder.path().join("key.json");
    std::fs::write(&key, json_of(&login)["service_key"].to_string()).unwrap();

    // At the password prompt, Ctrl+C: nothing is done, and the terminal shows again what is typed.
    let login = format!(
        "{} --lang en --home {home} --no-key-ring login; echo code=$?; stty -a",
        env!("CARGO_BIN_EXE_kartenbund")
    );
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &login, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = terminal.spawn().unwrap();
    let mut screen = BufReader::new(terminal.stdout.take().unwrap());
    let mut seen = Vec::new();
    while !text(&seen).contains("Password:") {
        assert!(screen.read_until(b':', &mut seen).unwrap() > 0, "{}", text(&seen));
    }
    let mut keys = terminal.stdin.take().unwrap();
    keys.write_all(b"\x03").unwrap();
    loop {
        let shown = screen.fill_buf().unwrap().to_vec();
        if shown.is_empty() {
            break;
        }
        screen.consume(shown.len());
        seen.extend(shown);
        // The terminal shows a key that comes before the echo is off; nobody has read that one.
        if seen.ends_with(b"^C") {
            keys.write_all(b"\x03").unwrap();
        }
    }
    terminal.wait().unwrap();
    let seen = text(&seen);
    assert!(seen.contains("Cancelled") && seen.contains("code=3") && seen.contains(" echo "), "{seen}");

    let nobody = plain(&["register", "--method", "card", "--virtual-card", ERIKA]);
    assert_eq!(error_code(&nobody).0, "nobody_there");
    let wrong = with(&["register", "--method", "card", "--virtual-card", ERIKA], "--pin-fd", "654321\n271828\n");
    assert_eq!(error_code(&wrong).0, "card_pin_wrong");
    assert!(json_of(&wrong)["error"]["message"].as_str().unwrap().contains("2 tries are left"));
    let short = with(&["register", "--method", "card", "--virtual-card", ERIKA], "--pin-fd", "12345\n271828\n");
    assert_eq!(error_code(&short).0, "input_invalid");
    let max =
        with(&["register", "--method", "card", "--virtual-card", "fixtures/cards/max.xml"], "--pin-fd", "123456\n");
    assert_eq!(error_code(&max).0, "other_person");
    let closed = plain(&["register", "--virtual-card", ERIKA, "--pin-fd", "99"]);
    assert_eq!(error_code(&closed).0, "input_invalid");
    let register = with(&["register", "--virtual-card", ERIKA], "--pin-fd", "123456\n271828\n");
    assert_eq!(json_of(&register)["binding_level"], "B3");
    let again = with(&["register", "--method", "card", "--virtual-card", ERIKA], "--pin-fd", "123456\n271828\n");
    assert_eq!(error_code(&again).0, "already_registered");
    assert_eq!(json_of(&plain(&["devices"]))["devices"].as_array().unwrap().len(), 1);

    let apply = [
        "apply",
        "address",
        "--street",
        "Lindenallee",
        "--house-number",
        "7",
        "--postal-code",
        "04109",
        "--city",
        "Leipzig",
    ];
    let accepted = json_of(&plain(&apply));
    let (id, code) = (accepted["approval_id"].as_str().unwrap(), accepted["match_code"].as_str().unwrap());
    let shown = run(&["--home", home, "approvals", "show", id]);
    assert!(text(&shown.stdout).contains("Street: before Musterstraße; new Lindenallee"), "{}", text(&shown.stdout));
    let wrong_pin = with(&["approvals", "approve", id, "--match-code", code], "--pin-fd", "000001\n");
    assert_eq!(error_code(&wrong_pin).0, "device_pin_wrong");
    let wrong_code = if code == "00" { "01" } else { "00" };
    let wrong_code = with(&["approvals", "approve", id, "--match-code", wrong_code], "--pin-fd", "271828\n");
    assert_eq!(error_code(&wrong_code).0, "match_code_wrong");
    let approved = with(&["approvals", "approve", id, "--match-code", code], "--pin-fd", "271828\n");
    assert_eq!(json_of(&approved)["application"]["state"], "executed");
    let again = with(&["approvals", "approve", id, "--match-code", code], "--pin-fd", "271828\n");
    assert_eq!(error_code(&again).0, "not_pending");

    let denied =
        json_of(&plain(&["apply", "bank", "--iban", "DE89 3704 0044 0532 0130 00", "--account-holder", "E M"]));
    let deny = with(&["approvals", "deny", denied["approval_id"].as_str().unwrap()], "--pin-fd", "271828\n");
    assert_eq!(json_of(&deny)["verdict"], "deny");
    let bad = plain(&["apply", "bank", "--iban", "DE89370400440532013001", "--account-holder", "E M"]);
    assert_eq!(error_code(&bad).0, "application_invalid");

    assert_eq!(json_of(&plain(&["notices"]))["email"], Value::Null);
    let accepted = json_of(&plain(&["apply", "contact", "--email", "erika@person.example"]));
    let (contact, code) = (accepted["approval_id"].as_str().unwrap(), accepted["match_code"].as_str().unwrap());
    let shown = text(&run(&["--home", home, "approvals", "show", contact]).stdout);
    assert!(shown.contains("New e-mail address") && shown.contains("new erika@person.example"), "{shown}");
    assert!(with(&["approvals", "approve", contact, "--match-code", code], "--pin-fd", "271828\n").status.success());
    let wrong = plain(&["apply", "contact", "--email", "erika@müller.example"]);
    assert_eq!(error_code(&wrong), ("application_invalid".to_owned(), 68));
    let set = json_of(&plain(&["notices", "settings", "--language", "en", "--off", "approval_waiting"]));
    assert_eq!((&set["email"], &set["language"]), (&json!("erika@person.example"), &json!("en")));
    assert!(set["kinds"].as_array().unwrap().contains(&json!({
        "kind": "approval_waiting", "optional": true, "on": false,
    })));
    for kind in ["device_added", "weather"] {
        let needed = plain(&["notices", "settings", "--off", kind]);
        assert_eq!(error_code(&needed), ("notice_not_optional".to_owned(), 90), "{kind}");
    }
    assert_eq!(error_code(&plain(&["notices", "settings"])).0, "usage");
    assert!(plain(&["notices", "settings", "--on", "approval_waiting"]).status.success());
    let shown = text(&run(&["--home", home, "notices", "show"]).stdout);
    for line in [
        "Notices go to erika@person.example.",
        "Language: English",
        "New device, with card PIN: always",
        "An application waits for approval (approval_waiting): on",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }

    let bundle = folder.path().join("bundle.json");
    let bundle = bundle.to_str().unwrap();
    assert!(plain(&["evidence", "export", id, "--out", bundle]).status.success());
    assert_eq!(server.terminate(), Some(0), "SIGTERM is a graceful stop");
    let anchor = "fixtures/pki/test-egk-ca.pem";
    let verify = ["--json", "evidence", "verify", bundle, "--anchor", anchor, "--service-key", key.to_str().unwrap()];
    let verified = json_of(&without_network(&verify));
    assert_eq!(verified["valid"], true);
    assert_eq!(verified["binding"]["level"], "B3");
    let gone = plain(&["approvals"]);
    assert_eq!(error_code(&gone).0, "service_unreachable");

    let log = std::fs::read_to_string(data.with_extension("log")).unwrap();
    assert!(log.contains("\"route\":\"/v1/approvals/{id}/decision\""), "{log}");
    for secret in ["A123456780", "Erika", "Müstermann", &password, id, "271828", "Lindenallee", "person.example"] {
        assert!(!log.contains(secret), "the log names {secret}");
    }
}

#[cfg(unix)]
#[test]
fn the_files_of_this_computer_are_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["demo", "--json", "--dir", folder.path().to_str().unwrap()]);
    assert!(output.status.success());
    for file in ["computer/device.json", "computer/session.json", "computer/profile.json", "service/service-keys.json"]
    {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(std::fs::metadata(folder.path().join("computer")).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!folder.path().join("computer/device.pending.json").exists());
}

#[test]
fn a_service_without_tls_listens_on_this_computer_only() {
    let folder = tempfile::tempdir().unwrap();
    let run = |listen: &str, anchors: &str, file: &str| {
        let config = service_config(&folder.path().join("data"), listen, anchors, file);
        Command::new(env!("CARGO_BIN_EXE_kartenbund-server")).args(["--config", &config, "run"]).output().unwrap()
    };
    let refused = run("0.0.0.0:0", "test_anchors", TEST_CA);
    assert_eq!(refused.status.code(), Some(10));
    assert!(text(&refused.stderr).contains("code: not_loopback (10)"));
    let test_ca = run("127.0.0.1:0", "anchors", TEST_CA);
    assert_eq!(test_ca.status.code(), Some(15), "a test CA among production ones");
    let not_a_ca = run("127.0.0.1:0", "test_anchors", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    assert_eq!(not_a_ca.status.code(), Some(16));
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

/// Verdicts on card, its type and PIN, and the code of the first failure.
fn examined(scenario: &str) -> ([String; 3], Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenario.toml");
    std::fs::write(&path, scenario).unwrap();
    let value = json_of(&run(&["doctor", "--json", "--virtual-card", ERIKA, "--scenario", path.to_str().unwrap()]));
    let verdict = |name: &str| {
        let steps = value["steps"].as_array().unwrap();
        steps.iter().find(|step| step["step"] == name).unwrap()["verdict"].as_str().unwrap().to_owned()
    };
    (["card", "card_type", "pin"].map(verdict), value["error"]["code"].as_str().map(str::to_owned))
}

#[test]
fn the_doctor_calls_no_card_answering_that_never_did() {
    let verdicts = |verdicts: [&str; 3], code: &str| (verdicts.map(str::to_owned), Some(code.to_owned()));
    for (scenario, expected) in [
        ("[reader]\npull_after = 0\n", verdicts(["failed", "skipped", "skipped"], "card_removed")),
        ("[reader]\npull_after = 2\n", verdicts(["ok", "failed", "skipped"], "card_removed")),
        ("[reader]\ntime_out_at = 1\n", verdicts(["failed", "skipped", "skipped"], "card_timeout")),
    ] {
        assert_eq!(examined(scenario), expected, "{scenario}");
    }
}

#[test]
fn the_doctor_finds_out_what_a_reader_without_contacts_carries() {
    for scenario in ["reader-short-6700", "reader-short-broken", "reader-le-00"] {
        let path = format!("fixtures/scenarios/{scenario}.toml");
        let card = ["--contactless", "--can", "123123", "--virtual-card", ERIKA, "--scenario", &path];
        let value = json_of(&run(&[&["doctor", "--json"], &card[..]].concat()));
        assert_eq!(value.get("error"), None, "{scenario}");
    }
}

/// Once is an accident, wherever it happens; again and again is told.
#[test]
fn the_doctor_begins_again_after_another_program_reset_the_card() {
    let ok = ["ok", "ok", "ok"].map(str::to_owned);
    for after in 0..6 {
        assert_eq!(examined(&format!("[reader]\nreset_after = {after}\n")), (ok.clone(), None), "{after}");
    }
    let (_, code) = examined(include_str!("../fixtures/scenarios/reader-reset.toml"));
    assert_eq!(code, None);
    let (_, code) = examined(include_str!("../fixtures/scenarios/reader-reset-again.toml"));
    assert_eq!(code.as_deref(), Some("card_reset"));
}

/// Who has yet to choose a PIN is hindered, and of an image nobody learns whether the reader works.
#[test]
fn the_doctor_promises_no_more_than_it_has_seen() {
    for (scenario, language, expected) in [
        ("schema-5-1", "de", "Soweit geprüft, hindert Sie nichts."),
        ("schema-5-1", "en", "As far as was checked, nothing hinders you."),
        ("pin-transport", "de", "Nichts Kaputtes gefunden; beachten Sie die Hinweise."),
        ("pin-transport", "en", "Nothing broken was found; heed the notes."),
        ("pin-empty", "en", "Nothing broken was found; heed the notes."),
        ("pin-last-try", "en", "Nothing broken was found; heed the notes."),
    ] {
        let path = format!("fixtures/scenarios/{scenario}.toml");
        let output = run(&["doctor", "--lang", language, "--virtual-card", ERIKA, "--scenario", &path]);
        assert_eq!(text(&output.stdout).lines().last(), Some(expected), "{scenario}");
    }
    // A failure is the last word itself.
    let blocked = ["--virtual-card", ERIKA, "--scenario", "fixtures/scenarios/pin-blocked.toml"];
    let output = run(&[&["doctor", "--lang", "en"], &blocked[..]].concat());
    assert!(!text(&output.stdout).contains("hinder") && !text(&output.stdout).contains("heed"), "{output:?}");
}

#[test]
fn the_doctor_speaks_german_and_english() {
    for (language, words) in [
        ("de", ["Art der Karte: in Ordnung. Gesundheitskarte der Generation G2.1, gültig.", "Soweit geprüft"]),
        ("en", ["Type of card: ok. Health card of generation G2.1, valid.", "As far as"]),
    ] {
        let output = run(&["doctor", "--lang", language, "--virtual-card", ERIKA]);
        assert!(output.status.success(), "{output:?}");
        let said = text(&output.stdout);
        assert!(words.iter().all(|words| said.contains(words)), "{said}");
        assert_eq!(said.lines().count(), 13, "one line for each step: {said}");
    }
}
