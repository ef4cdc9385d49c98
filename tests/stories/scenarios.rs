//! What a person is told of a card in each state that no image holds, and of a reader with its own ways. The very same by
//! hand: `kartenbund read --virtual-card fixtures/cards/erika.xml --scenario fixtures/scenarios/NAME.toml`.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::*;

pub(crate) const CARD: &str = "fixtures/cards/erika.xml";
pub(crate) const READ: &[&str] = &["read"];
pub(crate) const STATUS: &[&str] = &["card", "pin", "status"];
pub(crate) const CHANGE: &[&str] = &["card", "pin", "change"];
pub(crate) const UNBLOCK: &[&str] = &["card", "pin", "unblock"];
pub(crate) const AIR: &[&str] = &["read", "--contactless", "--can", "123123"];

/// Runs the program on the card in a state, with PINs from a file descriptor.
pub(crate) fn run(language: &str, scenario: &str, words: &[&str], pins: &str) -> Output {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pins.as_bytes()).unwrap();
    let pins = if words.contains(&"change") || words.contains(&"unblock") { "--pin-fd 3" } else { "" };
    let script = format!("exec \"$@\" {pins} 3<{}", file.path().display());
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_kartenbund"), "--lang", language]).args(words);
    shell.args(["--virtual-card", CARD, "--scenario", scenario]).env_remove("KARTENBUND_HOME").stdin(Stdio::null());
    shell.output().unwrap()
}

pub(crate) fn fixture(name: &str) -> String {
    format!("fixtures/scenarios/{name}.toml")
}

/// A failure as it is told: first sentence, what to do next, code and number.
pub(crate) struct Told(pub(crate) &'static str, pub(crate) &'static str, pub(crate) &'static str, pub(crate) i32);

pub(crate) fn assert_told(language: &str, scenario: &str, words: &[&str], pins: &str, told: &Told) {
    let output = run(language, &fixture(scenario), words, pins);
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = said.lines().filter(|line| !line.starts_with(['·', '!'])).collect();
    let Told(cause, remedy, code, exit) = *told;
    assert_eq!(output.status.code(), Some(exit), "{scenario} {words:?}: {said}");
    assert_eq!(lines[0], cause, "{scenario} {words:?}");
    assert!(lines[1].contains(remedy), "{scenario} {words:?}: {said}");
    assert!(lines[2].ends_with(&format!(": {code} ({exit})")), "{scenario} {words:?}: {said}");
    assert!(output.stdout.is_empty(), "{scenario}: nothing is a result");
}

#[test]
fn a_card_that_cannot_be_read_or_whose_pin_cannot_be_used_says_why_and_what_to_do() {
    let damaged = || {
        [
            Told("Die Daten auf der Karte sind beschädigt oder unvollständig.", "Krankenkasse", "card_data", 25),
            Told("The data on the card are damaged or incomplete.", "ask your insurer to check", "card_data", 25),
        ]
    };
    let cases: &[(&str, &[&str], &str, [Told; 2])] = &[
        ("gzip-corrupt", READ, "", damaged()),
        ("gzip-truncated", READ, "", damaged()),
        ("gzip-truncated-6282", READ, "", damaged()),
        ("gzip-exploding", READ, "", damaged()),
        (
            "e256-absent",
            READ,
            "",
            [
                Told(
                    "Auf der Karte fehlt das Zertifikat, das sagt, wem sie gehört.",
                    "Bitten Sie Ihre Krankenkasse um eine neue Karte.",
                    "card_data",
                    25,
                ),
                Told(
                    "The card lacks the certificate that says whom it belongs to.",
                    "Ask your insurer for a new card.",
                    "card_data",
                    25,
                ),
            ],
        ),
        (
            "e256-empty",
            READ,
            "",
            [
                Told(
                    "Auf der Karte fehlt das Zertifikat, das sagt, wem sie gehört.",
                    "um eine neue Karte",
                    "card_data",
                    25,
                ),
                Told("The card lacks the certificate that says whom it belongs to.", "new card", "card_data", 25),
            ],
        ),
        (
            "update-in-progress",
            READ,
            "",
            [
                Told(
                    "Die Versichertendaten auf der Karte wurden nicht fertig aktualisiert.",
                    "in einer Arztpraxis noch einmal einlesen",
                    "card_updating",
                    26,
                ),
                Told(
                    "The insurance data on the card were not updated to the end.",
                    "read once more in a doctor's practice",
                    "card_updating",
                    26,
                ),
            ],
        ),
        (
            "pd-another-person",
            READ,
            "",
            [
                Told(
                    "Die Daten auf der Karte nennen eine andere Person als ihr Zertifikat.",
                    "Benutzen Sie diese Karte nicht",
                    "card_mismatch",
                    27,
                ),
                Told(
                    "The data on the card name another person than its certificate.",
                    "Do not use this card",
                    "card_mismatch",
                    27,
                ),
            ],
        ),
        (
            "hca-deactivated",
            READ,
            "",
            [
                Told(
                    "Die Krankenkasse hat die Anwendung auf dieser Karte abgeschaltet.",
                    "vielleicht haben Sie schon eine neuere Karte",
                    "card_deactivated",
                    23,
                ),
                Told(
                    "The insurer has switched off the application on this card.",
                    "you may have a newer card already",
                    "card_deactivated",
                    23,
                ),
            ],
        ),
        (
            "can-other",
            AIR,
            "",
            [
                Told(
                    "Das ist nicht die Zugangsnummer (CAN) dieser Karte.",
                    "Es ist weder die PIN noch die Versichertennummer.",
                    "can_wrong",
                    35,
                ),
                Told(
                    "That is not the card access number (CAN) of this card.",
                    "neither the PIN nor the insurance number",
                    "can_wrong",
                    35,
                ),
            ],
        ),
        ("cvc-x509", &["card", "genuine", "--cvc-root", "fixtures/pki/test-cvc-root.cvc"], "", damaged()),
        ("reader-bare-status", AIR, "", secure_line()),
        ("reader-bare-done", AIR, "", secure_line()),
        ("reader-pulled", READ, "", removed()),
        ("reader-lost-answer", READ, "", removed()),
        (
            "reader-reset-again",
            READ,
            "",
            [
                Told(
                    "Ein anderes Programm setzt die Karte immer wieder zurück.",
                    "Beenden Sie andere Programme",
                    "card_reset",
                    9,
                ),
                Told(
                    "Another program resets the card again and again.",
                    "Close other programs that use cards",
                    "card_reset",
                    9,
                ),
            ],
        ),
        (
            "reader-time-out",
            READ,
            "",
            [
                Told("Die Karte hat nicht rechtzeitig geantwortet.", "Auf einem Leser", "card_timeout", 8),
                Told("The card did not answer in time.", "On a reader", "card_timeout", 8),
            ],
        ),
        ("pin-blocked", CHANGE, "123456\n135790\n", blocked()),
        ("pin-blocked-6983", CHANGE, "123456\n135790\n", blocked()),
        (
            "pin-last-try",
            CHANGE,
            "123456\n135790\n",
            [
                Told(
                    "Es ist nur noch ein Versuch für die Karten-PIN übrig; er wurde nicht benutzt.",
                    "--allow-last-try",
                    "card_last_try",
                    32,
                ),
                Told(
                    "Only one try is left for the card PIN; it was not used.",
                    "--allow-last-try",
                    "card_last_try",
                    32,
                ),
            ],
        ),
        (
            "pin-transport",
            CHANGE,
            "54321\n135790\n",
            [
                Told(
                    "Die Karte sagt nicht, wie viele Versuche die Transport-PIN noch hat; es wurde keiner benutzt.",
                    "--allow-last-try",
                    "card_last_try",
                    32,
                ),
                Told(
                    "The card does not tell how many tries the transport PIN has left; none was used.",
                    "--allow-last-try",
                    "card_last_try",
                    32,
                ),
            ],
        ),
        ("pin-transport-last-try", &["card", "pin", "change", "--allow-last-try"], "12345\n135790\n", blocked()),
        (
            "pin-transport",
            UNBLOCK,
            "12345678\n135790\n",
            [
                Told(
                    "Die Karte hat noch die Transport-PIN aus dem PIN-Brief.",
                    "kartenbund card pin change",
                    "card_transport_pin",
                    33,
                ),
                Told(
                    "The card still has the transport PIN of the PIN letter.",
                    "kartenbund card pin change",
                    "card_transport_pin",
                    33,
                ),
            ],
        ),
        (
            "pin-empty",
            CHANGE,
            "135790\n",
            [
                Told(
                    "Die Karte hat noch keine PIN und nimmt auch keine an.",
                    "Bitten Sie Ihre Krankenkasse um eine PIN.",
                    "card_no_pin",
                    34,
                ),
                Told(
                    "The card has no PIN yet, and takes none either.",
                    "Ask your insurer for a PIN.",
                    "card_no_pin",
                    34,
                ),
            ],
        ),
        (
            "pin-disabled",
            CHANGE,
            "123456\n135790\n",
            [
                Told(
                    "Die PIN dieser Karte lässt sich nicht benutzen.",
                    "Stecken Sie die Karte neu ein",
                    "card_no_pin",
                    34,
                ),
                Told("The PIN of this card cannot be used.", "Put the card in once more", "card_no_pin", 34),
            ],
        ),
        (
            "puk-two-uses",
            UNBLOCK,
            "87654321\n135790\n",
            [
                Told("Die PUK ist falsch; sie lässt sich noch einmal benutzen.", "acht Ziffern", "puk_wrong", 36),
                Told("The PUK is wrong; it can be used once more.", "eight digits", "puk_wrong", 36),
            ],
        ),
        ("puk-last-use", UNBLOCK, "87654321\n135790\n", used_up()),
        ("puk-used-up", UNBLOCK, "12345678\n135790\n", used_up()),
    ];
    for (scenario, words, pins, told) in cases {
        for (language, told) in ["de", "en"].into_iter().zip(told) {
            assert_told(language, scenario, words, pins, told);
        }
    }
}

pub(crate) fn secure_line() -> [Told; 2] {
    [
        Told(
            "Die geschützte Verbindung zur Karte kam nicht zustande oder brach ab.",
            "einen Leser, in den man die Karte steckt",
            "secure_line",
            18,
        ),
        Told(
            "The protected line to the card did not come about, or broke off.",
            "a reader into which the card is put",
            "secure_line",
            18,
        ),
    ]
}

pub(crate) fn removed() -> [Told; 2] {
    [
        Told(
            "Die Karte oder der Leser wurde während der Arbeit entfernt.",
            "es ist nichts halb Fertiges zurückgeblieben",
            "card_removed",
            16,
        ),
        Told("The card or the reader was removed while it was used.", "nothing was left half done", "card_removed", 16),
    ]
}

pub(crate) fn blocked() -> [Told; 2] {
    [
        Told("Die Karten-PIN ist gesperrt.", "kartenbund card pin unblock", "card_pin_blocked", 31),
        Told("The card PIN is blocked.", "kartenbund card pin unblock", "card_pin_blocked", 31),
    ]
}

pub(crate) fn used_up() -> [Told; 2] {
    [
        Told("Die PUK dieser Karte ist aufgebraucht.", "um eine neue Karte", "puk_used_up", 37),
        Told("The PUK of this card is used up.", "Ask your insurer for a new card", "puk_used_up", 37),
    ]
}

#[test]
fn a_state_that_is_no_fault_is_read_or_said_without_ado() {
    let cases: &[(&str, &[&str], &str, [&str; 2])] = &[
        ("gvd-absent", READ, "", ["Müstermann", "Müstermann"]),
        ("xml-prefixed", READ, "", ["Müstermann", "Müstermann"]),
        ("schema-5-1", READ, "", ["Musterkasse", "Musterkasse"]),
        ("schema-pkv", READ, "", ["Musterkasse", "Musterkasse"]),
        ("end-of-file-6282", READ, "", ["Müstermann", "Müstermann"]),
        ("end-of-file-6b00", READ, "", ["Müstermann", "Müstermann"]),
        ("end-of-file-6282", &["read", "--short-apdus"], "", ["Müstermann", "Müstermann"]),
        ("end-of-file-6b00", &["read", "--short-apdus"], "", ["Müstermann", "Müstermann"]),
        ("certificate-swapped-units", READ, "", ["A123456780", "A123456780"]),
        (
            "certificate-check-digit",
            READ,
            "",
            [
                "Die Prüfziffer der Versichertennummer im Zertifikat stimmt nicht.",
                "The check digit of the insurance number in the certificate is wrong.",
            ],
        ),
        ("reader-le-00", READ, "", ["Müstermann", "Müstermann"]),
        ("reader-short-6700", READ, "", ["Müstermann", "Müstermann"]),
        ("reader-short-broken", READ, "", ["Müstermann", "Müstermann"]),
        ("reader-short-6700", AIR, "", ["Müstermann", "Müstermann"]),
        ("reader-short-broken", AIR, "", ["Müstermann", "Müstermann"]),
        ("gvd-absent", AIR, "", ["Müstermann", "Müstermann"]),
        ("pin-transport", STATUS, "", ["Transport-PIN aus dem PIN-Brief", "transport PIN of the PIN letter"]),
        ("pin-empty", STATUS, "", ["Die Karte hat noch keine PIN.", "The card has no PIN yet."]),
        (
            "pin-disabled",
            STATUS,
            "",
            ["Die PIN dieser Karte ist abgeschaltet.", "The PIN of this card is switched off."],
        ),
        ("pin-blocked", STATUS, "", ["kartenbund card pin unblock", "The PIN is blocked."]),
        ("pin-blocked-6983", STATUS, "", ["kartenbund card pin unblock", "The PIN is blocked."]),
        ("pin-last-try", STATUS, "", ["ein Versuch", "one try is left"]),
        (
            "pin-transport",
            &["card", "pin", "change", "--allow-last-try"],
            "54321\n135790\n",
            ["Die PIN der Gesundheitskarte ist geändert.", "The PIN of the health card is changed."],
        ),
        (
            "pin-last-try",
            &["card", "pin", "change", "--allow-last-try"],
            "123456\n135790\n",
            ["ist geändert", "is changed"],
        ),
        ("puk-last-use", UNBLOCK, "12345678\n135790\n", ["ist entsperrt", "is unblocked"]),
        ("reader-le-00", AIR, "", ["Müstermann", "Müstermann"]),
        ("reader-reset", READ, "", ["Müstermann", "Müstermann"]),
        ("reader-reset", AIR, "", ["Müstermann", "Müstermann"]),
    ];
    for (scenario, words, pins, needles) in cases {
        for (language, needle) in ["de", "en"].into_iter().zip(needles) {
            let output = run(language, &fixture(scenario), words, pins);
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{scenario}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(said.contains(needle), "{scenario} {words:?}: {said}");
        }
    }
}

#[test]
fn the_contents_are_those_the_scenario_says() {
    let read = |scenario: &str| -> Value {
        let output = run("en", &fixture(scenario), &["--json", "read"], "");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(read("schema-pkv")["insurance"]["insured_type"], Value::Null, "private insurers have none");
    assert_eq!(read("schema-5-1")["insurance"]["insured_type"], "1");
    let swapped = read("certificate-swapped-units");
    let subject = swapped["certificate"]["subject"].as_str().unwrap();
    assert!(subject.contains("OU=A123456780, OU=999567890"), "{subject}");
    let wrong = read("certificate-check-digit");
    assert_eq!(wrong["certificate"]["kvnr"], "A123456781");
    assert_eq!(wrong["person"]["kvnr"], "A123456781");
    assert_eq!(wrong["warnings"], json!(["kvnr_check_digit"]));
}

#[test]
fn a_card_that_another_program_resets_is_told_of_and_read_from_the_start() {
    for (language, notice) in
        [("de", "Ein anderes Programm hat die Karte zurückgesetzt"), ("en", "Another program has reset the card")]
    {
        let output = run(language, &fixture("reader-reset"), READ, "");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains(notice), "{said}");
    }
}

#[test]
fn a_slow_card_is_waited_for() {
    let began = std::time::Instant::now();
    let output = run("en", &fixture("reader-slow"), READ, "");
    assert!(output.status.success());
    assert!(began.elapsed() >= std::time::Duration::from_millis(900), "nine commands of 100 ms");
}
