//! What the doctor finds out about cards.

use super::*;

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
    let (_, code) = examined(include_str!("../../fixtures/scenarios/reader-reset.toml"));
    assert_eq!(code, None);
    let (_, code) = examined(include_str!("../../fixtures/scenarios/reader-reset-again.toml"));
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
