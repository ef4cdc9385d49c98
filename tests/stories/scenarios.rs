//! What a person is told of a card in each state that no image holds, and of a reader with its own ways. The very same by
//! hand: `kartenbund read --virtual-card fixtures/cards/erika.xml --scenario fixtures/scenarios/NAME.toml`.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use kartenbund::client::card_pin::{self, PinError};
use kartenbund::egk::Egk;
use kartenbund::ui::failure::{Failure, Kind};
use kartenbund::virtual_card::scenario::{Scenario, Staged};
use serde_json::Value;

use super::*;

const CARD: &str = "fixtures/cards/erika.xml";
const READ: &[&str] = &["read"];
const STATUS: &[&str] = &["card", "pin", "status"];
const CHANGE: &[&str] = &["card", "pin", "change"];
const UNBLOCK: &[&str] = &["card", "pin", "unblock"];
const AIR: &[&str] = &["read", "--contactless", "--can", "123123"];

/// Runs the program on the card in a state, with PINs from a file descriptor.
fn run(language: &str, scenario: &str, words: &[&str], pins: &str) -> Output {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pins.as_bytes()).unwrap();
    let pins = if words.contains(&"change") || words.contains(&"unblock") { "--pin-fd 3" } else { "" };
    let script = format!("exec \"$@\" {pins} 3<{}", file.path().display());
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_kartenbund"), "--lang", language]).args(words);
    shell.args(["--virtual-card", CARD, "--scenario", scenario]).env_remove("KARTENBUND_HOME").stdin(Stdio::null());
    shell.output().unwrap()
}

fn fixture(name: &str) -> String {
    format!("fixtures/scenarios/{name}.toml")
}

/// A failure as it is told: first sentence, what to do next, code and number.
struct Told(&'static str, &'static str, &'static str, i32);

fn assert_told(language: &str, scenario: &str, words: &[&str], pins: &str, told: &Told) {
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

fn secure_line() -> [Told; 2] {
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

fn removed() -> [Told; 2] {
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

fn blocked() -> [Told; 2] {
    [
        Told("Die Karten-PIN ist gesperrt.", "kartenbund card pin unblock", "card_pin_blocked", 31),
        Told("The card PIN is blocked.", "kartenbund card pin unblock", "card_pin_blocked", 31),
    ]
}

fn used_up() -> [Told; 2] {
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

#[test]
fn every_fixture_is_a_scenario_and_told_of_above() {
    let source = include_str!("scenarios.rs");
    for entry in std::fs::read_dir("fixtures/scenarios").unwrap() {
        let path = entry.unwrap().path();
        Scenario::parse(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(source.contains(&format!("\"{name}\"")), "{name}");
    }
}

/// The two tables, in text as a person may have typed them.
#[test]
fn a_scenario_that_cannot_be_used_says_where_and_what_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    for (text, cause, remedy) in [
        (
            "# a\n[card]\npim = \"empty\"\n",
            "Line 3 of the scenario: there is no key \"pim\".",
            "Perhaps \"pin\" is meant",
        ),
        (
            "[card]\ntries = 1\n",
            "Line 2 of the scenario: there is no key \"tries\".",
            "Perhaps \"tries_left\" is meant",
        ),
        ("[reeder]\n", "Line 1 of the scenario: there is no key \"reeder\".", "Perhaps \"reader\" is meant"),
        ("[card]\npin = \"lost\"\n", "Line 2 of the scenario: \"pin\" cannot be like that.", "docs/card.md"),
        ("[card]\n\ntries_left = 0\n", "Line 3 of the scenario: \"tries_left\" cannot be like that.", "docs/card.md"),
        ("[card]\ntries_left = -1\n", "Line 2 of the scenario: \"tries_left\" cannot be like that.", "docs/card.md"),
        (
            "[reader]\nrefuse_le_00 = 1\n",
            "Line 2 of the scenario: \"refuse_le_00\" cannot be like that.",
            "docs/card.md",
        ),
        ("[reader]\nrefuse_le_00\n", "Line 2 of the scenario: \"refuse_le_00\" cannot be like that.", "docs/card.md"),
        (
            "[card]\npin = \"empty\"\npin = \"empty\"\n",
            "Line 3 of the scenario: \"pin\" cannot be like that.",
            "docs/card.md",
        ),
        (
            "[card]\npin = \"blocked\"\ntries_left = 2\n",
            "In the scenario, \"tries_left\" does not go with \"pin\".",
            "Correct the file",
        ),
        ("[card]\ntries_left = 16\n", "Line 2 of the scenario: \"tries_left\" cannot be like that.", "docs/card.md"),
        (
            "[card]\ntransport_pin = \"54321\"\n",
            "In the scenario, \"transport_pin\" does not go with \"pin\".",
            "Correct",
        ),
        (
            "[card]\npin = \"transport\"\ntransport_pin = \"5432\"\n",
            "Line 3 of the scenario: \"transport_pin\" cannot be like that.",
            "docs/card.md",
        ),
        ("[card]\ncan = \"12345x\"\n", "Line 2 of the scenario: \"can\" cannot be like that.", "docs/card.md"),
        (
            "[card]\nblocked_status = \"6983\"\n",
            "In the scenario, \"blocked_status\" does not go with \"pin\".",
            "Correct",
        ),
        (
            "[card]\ne256 = \"absent\"\ncertificate = \"swapped_units\"\n",
            "In the scenario, \"e256\" does not go with \"certificate\".",
            "Correct",
        ),
        (
            "[card]\ne256 = \"absent\"\ncvc = \"x509\"\n",
            "In the scenario, \"e256\" does not go with \"cvc\".",
            "Correct",
        ),
        (
            "[card]\ncertificate = \"wrong_check_digit\"\npd = \"another_person\"\n",
            "In the scenario, \"certificate\" does not go with \"pd\".",
            "Correct",
        ),
        (
            "[card]\nhca = \"deactivated\"\ngvd = \"absent\"\n",
            "In the scenario, \"hca\" does not go with \"gvd\".",
            "Correct",
        ),
        (
            "[card]\nhca = \"deactivated\"\nschema = \"pkv\"\n",
            "In the scenario, \"hca\" does not go with \"schema\".",
            "Correct",
        ),
        (
            "[card]\nhca = \"deactivated\"\nprefixed = true\n",
            "In the scenario, \"hca\" does not go with \"prefixed\".",
            "Correct",
        ),
        (
            "[card]\nhca = \"deactivated\"\nupdate_in_progress = true\n",
            "In the scenario, \"hca\" does not go with \"update_in_progress\".",
            "Correct",
        ),
        (
            "[card]\nhca = \"deactivated\"\npd = \"corrupt\"\n",
            "In the scenario, \"hca\" does not go with \"pd\".",
            "Correct",
        ),
        (
            "[reader]\nbare_status = \"9000\"\n",
            "In the scenario, \"bare_status\" does not go with \"bare_status_from\".",
            "Correct",
        ),
        (
            "[reader]\npull_after = 1\nlose_answer = 1\n",
            "In the scenario, \"pull_after\" does not go with \"lose_answer\".",
            "Correct",
        ),
        (
            "[reader]\nreset_after = 1\nreset_every = 1\n",
            "In the scenario, \"reset_after\" does not go with \"reset_every\".",
            "Correct",
        ),
        (
            "[reader]\npull_after = 3\nreset_after = 9\n",
            "In the scenario, \"pull_after\" does not go with \"reset_after\".",
            "Correct",
        ),
        ("[card]\ncan = \"123456\"\n", "\"can\" in the scenario is for cards without contacts.", "Add --contactless"),
        (
            "[reader]\nbare_status_from = 1\n",
            "\"bare_status_from\" in the scenario is for cards without contacts.",
            "Add --contactless",
        ),
        ("[card]\nschema = \"5.1\"\n#", "", ""),
    ] {
        std::fs::write(&file, text).unwrap();
        for language in ["de", "en"] {
            let output = run(language, file.to_str().unwrap(), READ, "");
            let said = String::from_utf8(output.stderr).unwrap();
            if cause.is_empty() {
                assert!(output.status.success(), "{text}: {said}");
                continue;
            }
            assert_eq!(output.status.code(), Some(85), "{text}: {said}");
            assert!(said.contains(": scenario (85)"), "{said}");
            if language == "en" {
                assert!(said.starts_with(cause) && said.contains(remedy), "{text}: {said}");
            } else {
                assert!(said.contains("zenario"), "{said}");
            }
        }
    }
}

/// Counts the times a PIN is sent.
struct Counting<'a>(&'a mut Staged, usize);

impl CardChannel for Counting<'_> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        let [cla, ins, ..] = command.header();
        // VERIFY and CHANGE REFERENCE DATA, plain or secured (gemSpec_COS, 14.6)
        self.1 += usize::from(cla & 0xF3 == 0 && matches!(ins, 0x20 | 0x24));
        self.0.transmit(command)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        self.0.reset()
    }

    fn atr(&self) -> &[u8] {
        self.0.atr()
    }
}

fn loaded(contactless: bool) -> VirtualCard {
    let image = image_by(&ca(), &blueprint(ERIKA));
    match contactless {
        true => VirtualCard::load_contactless(&image, &mut rng()).unwrap(),
        false => VirtualCard::load(&image).unwrap(),
    }
}

/// A person with the card's numbers; `pin` is the one that is in force.
fn person() -> Script {
    Script { cans: ["123123"].into(), card_numbers: ["135790"].into(), ..Script::default() }
}

/// Does `flow` with a card that is pulled after every number of commands (`pull_after`), or before the answer to every
/// command is out (`lose_answer`), until it comes to its end. `ended` sees each failure with the card that is left.
fn pulled_everywhere(
    mut flow: impl FnMut(&mut Counting<'_>) -> Result<(), Failure>,
    mut ended: impl FnMut(Option<Failure>, usize, VirtualCard, &str),
) {
    for (key, first) in [("pull_after", 0), ("lose_answer", 1)] {
        for contactless in [false, true] {
            let mut number = first;
            loop {
                let what = format!("{key} = {number}");
                let scenario = Scenario::parse(&format!("[reader]\n{what}\n")).unwrap();
                let mut staged = scenario.play(loaded(contactless), &mut rng()).unwrap();
                let mut counting = Counting(&mut staged, 0);
                let failure = flow(&mut counting).err();
                let pins = counting.1;
                let is_done = failure.is_none();
                ended(failure, pins, staged.into_parts().unwrap().0, &what);
                if is_done {
                    break;
                }
                number += 1;
                assert!(number < 40, "it never ends");
            }
            assert!(number >= 4, "{key}: it was pulled {number} times");
        }
    }
}

/// What the card says of its PIN, reached again.
fn pin_again(card: VirtualCard) -> (String, VirtualCard) {
    let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
    if egk.pin_status().is_err() {
        egk.open_contactless(&Can::parse(&typed("123123")).unwrap(), &mut rng()).unwrap();
    }
    let status = format!("{:?}", egk.pin_status().unwrap());
    (status, egk.into_channel())
}

fn is_told_as_removed(failure: &Failure, what: &str) {
    assert_eq!(failure.kind, Kind::CardRemoved, "{what}: {failure:?}");
}

#[test]
fn a_card_pulled_at_any_step_of_reading_is_told_as_such() {
    pulled_everywhere(
        |channel| {
            let mut egk = Egk::open(channel, ApduLength::Extended)?;
            match egk.read_files() {
                Err(EgkError::Contactless) => {
                    egk.open_contactless(&Can::parse(&typed("123123")).unwrap(), &mut rng())?;
                    egk.read_files().map(drop)?;
                }
                files => files.map(drop)?,
            }
            Ok(())
        },
        |failure, pins, card, what| {
            failure.iter().for_each(|failure| is_told_as_removed(failure, what));
            assert_eq!(pins, 0);
            assert_eq!(pin_again(card).0, "Usable(Tries(3))");
        },
    );
}

#[test]
fn a_card_pulled_at_any_step_of_registering_leaves_nothing_half_done() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let replace = Wish { replace: true, ..wish() };
    let before = std::cell::RefCell::new(Vec::new());
    pulled_everywhere(
        |channel| {
            world.sql("DELETE FROM registration WHERE state = 'open'").unwrap(); // ten a day are allowed
            *before.borrow_mut() = computer.devices().into_iter().map(|device| device.device_id).collect();
            Ok(computer.register_as(channel, &mut person(), &replace).map(drop)?)
        },
        |failure, pins, card, what| {
            assert!(pins <= 1, "{what}: one PIN was typed");
            assert_eq!(pin_again(card).0, "Usable(Tries(3))", "{what}: the PIN was right");
            let Some(failure) = failure else { return };
            is_told_as_removed(&failure, what);
            let after: Vec<_> = computer.devices().into_iter().map(|device| device.device_id).collect();
            assert_eq!(after, *before.borrow(), "{what}: half bound");
            assert!(computer.here.home.pending_device().unwrap().is_none(), "{what}");
        },
    );
}

/// Once the new PIN was sent, nobody but the card knows whether it has taken it; and it is sent once.
#[test]
fn a_card_pulled_at_any_step_of_changing_its_pin_has_the_old_one_or_the_new_one() {
    let change = |channel: &mut Counting<'_>| -> Result<(), PinError> {
        let mut person = person();
        card_pin::change(
            channel,
            ApduLength::Extended,
            &mut kartenbund::client::Surroundings { ui: &mut person, rng: &mut rng(), clock: &|| 0 },
        )
    };
    let mut unanswered = Vec::new();
    pulled_everywhere(
        |channel| Ok(change(channel)?),
        |failure, pins, card, what| {
            let (status, card) = pin_again(card);
            assert_eq!(status, "Usable(Tries(3))", "{what}");
            assert!(pins <= 1, "{what}");
            let is_taken = match failure {
                Some(failure) if pins == 0 => {
                    is_told_as_removed(&failure, what);
                    false
                }
                Some(failure) => {
                    assert_eq!(failure.kind, Kind::PinUnanswered, "{what}");
                    unanswered.push(what.to_owned());
                    what.starts_with("lose_answer")
                }
                None => true,
            };
            let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
            if egk.pin_status().is_err() {
                egk.open_contactless(&Can::parse(&typed("123123")).unwrap(), &mut rng()).unwrap();
            }
            let kartenbund::egk::PinStatus::Usable(tries) = egk.pin_status().unwrap() else { panic!("{what}") };
            let attempt = tries.attempt(kartenbund::egk::LastTry::Refused).unwrap();
            let pin = if is_taken { "135790" } else { CARD_PIN };
            let answer = egk.verify_pin(attempt, &kartenbund::secret::Pin::parse(&typed(pin)).unwrap()).unwrap();
            assert_eq!(answer, kartenbund::egk::PinAnswer::Accepted, "{what}");
        },
    );
    assert_eq!(unanswered.len(), 4, "once each way: {unanswered:?}");
}

/// A PIN that cannot be used stops a registration before it is asked for, whatever state it is in.
#[test]
fn a_pin_that_cannot_be_used_stops_a_registration_before_it_is_asked_for() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    for (name, kind) in [
        ("pin-transport", Kind::CardTransportPin),
        ("pin-empty", Kind::CardNoPin),
        ("pin-disabled", Kind::CardNoPin),
        ("pin-blocked", Kind::CardPinBlocked),
        ("pin-blocked-6983", Kind::CardPinBlocked),
        ("pin-last-try", Kind::CardLastTry),
        ("hca-deactivated", Kind::Internal),
    ] {
        let scenario = Scenario::parse(&std::fs::read_to_string(fixture(name)).unwrap()).unwrap();
        let mut staged = scenario.play(loaded(false), &mut rng()).unwrap();
        let mut script = Script::default();
        let registered = computer.register_as(&mut staged, &mut script, &wish());
        if name == "hca-deactivated" {
            registered.unwrap_or_else(|error| panic!("the insurance data are not needed: {error:?}"));
            continue;
        }
        let failure = Failure::from(registered.unwrap_err());
        assert_eq!(failure.kind, kind, "{name}");
        assert!(script.tries_told.is_empty(), "{name}: the PIN was asked for");
    }
}

/// `virtual-card run` in the reader that listens on a port, in this test.
struct Plugged(std::process::Child, std::net::TcpStream);

impl Plugged {
    fn run(scenario: &str, contactless: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut program = Command::new(env!("CARGO_BIN_EXE_kartenbund"));
        program.args(["virtual-card", "run", CARD, "--vpcd", &address, "--scenario", &fixture(scenario)]);
        if contactless {
            program.arg("--contactless");
        }
        let child = program.stdout(Stdio::null()).spawn().unwrap();
        Self(child, listener.accept().unwrap().0)
    }

    /// The answer in hexadecimal; nothing when the card is out.
    fn send(&mut self, command: &str) -> String {
        let command = hex::decode(command).unwrap();
        let length = u16::try_from(command.len()).unwrap().to_be_bytes();
        self.1.write_all(&[&length[..], &command].concat()).unwrap();
        let mut length = [0; 2];
        if self.1.read_exact(&mut length).is_err() {
            return String::new();
        }
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        self.1.read_exact(&mut answer).unwrap();
        hex::encode_upper(answer)
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_scenario_holds_in_the_virtual_reader_too() {
    const MF: &str = "00A4040C07D2760001448000";
    let mut plugged = Plugged::run("reader-le-00", false);
    assert_eq!(plugged.send(MF), "9000");
    assert_eq!(plugged.send("00B0910000"), "6700");
    assert!(plugged.send("00B09100FF").starts_with("EF2B"));
    let mut plugged = Plugged::run("reader-short-6700", false);
    assert_eq!(plugged.send("00B09100000000"), "6700");
    let mut plugged = Plugged::run("reader-lost-answer", false);
    assert_eq!([MF, MF, MF, MF].map(|command| plugged.send(command)), ["9000", "9000", "9000", ""]);
    assert!(plugged.0.wait().unwrap().success(), "the card is out, and the program ends");
    let mut plugged = Plugged::run("pin-transport", false);
    assert_eq!(plugged.send("80200002"), "62C1");
    let mut plugged = Plugged::run("hca-deactivated", false);
    assert_eq!(plugged.send("00A4040C06D27600000102"), "6283");
    assert_eq!(plugged.send("00B0810000"), "6982");
    // Secured or not: from the first command on that claims to be, answers come bare.
    let mut plugged = Plugged::run("reader-bare-done", true);
    assert_eq!(plugged.send("0CB09100"), "9000");

    // The reader knows of no broken transmission but of cards that are out, and others reset the card in it themselves.
    for (scenario, key) in [
        ("reader-short-broken", "extended_length = "),
        ("reader-reset", "reset_after"),
        ("reader-reset-again", "reset_every"),
        ("reader-time-out", "time_out_at"),
    ] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_kartenbund"));
        program.args(["--lang", "en", "virtual-card", "run", CARD, "--scenario", &fixture(scenario)]);
        // Where it is not refused, the card waits for its reader for ever.
        let mut child = program.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let ended = (0..1000).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            child.try_wait().unwrap()
        });
        child.kill().unwrap();
        assert_eq!(ended.and_then(|status| status.code()), Some(85), "{scenario}");
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.starts_with(&format!("The virtual reader of PC/SC cannot do \"{key}")), "{said}");
    }
}

/// A card that has no card-verifiable certificate cannot have another in its place.
#[test]
fn what_is_not_on_a_card_is_not_changed_on_it() {
    let image = image_by(&ca(), &blueprint(ERIKA));
    let play = |text: &str, image: &str| {
        let card = VirtualCard::load(image).unwrap();
        Scenario::parse(text).unwrap().play(card, &mut rng()).err().map(|error| error.to_string())
    };
    let bare = image.replace("C.CH.AUT.E256", "X").replace("d27600000102", "d27600000199");
    let bare = bare.replace("<attribute id=\"shortFileIdentifier\">04<", "<attribute id=\"shortFileIdentifier\">1a<");
    for key in ["pd = \"corrupt\"", "gvd = \"absent\"", "schema = \"pkv\"", "prefixed = true", "hca = \"deactivated\""]
    {
        let name = key.split(' ').next().unwrap();
        let told = play(&format!("[card]\n{key}\n"), &bare);
        assert_eq!(told, Some(format!("the card has nothing for {name}")));
    }
    for key in ["e256 = \"absent\"", "e256 = \"empty\"", "certificate = \"swapped_units\"", "cvc = \"x509\""] {
        assert!(play(&format!("[card]\n{key}\n"), &bare).is_some(), "{key}");
    }
    let without_home = image.replace("<attribute id=\"pwdIdentifier\">02<", "<attribute id=\"pwdIdentifier\">0f<");
    for key in ["pin = \"empty\"", "pin = \"disabled\"", "tries_left = 1", "puk_uses_left = 1"] {
        assert!(play(&format!("[card]\n{key}\n"), &without_home).is_some(), "{key}");
    }
    let without_cvc =
        image.replace("<attribute id=\"shortFileIdentifier\">06<", "<attribute id=\"shortFileIdentifier\">1b<");
    let text = std::fs::read_to_string(fixture("cvc-x509")).unwrap();
    assert_eq!(play(&text, &without_cvc), Some("the card has nothing for cvc".to_owned()));
    let twice = play("[card]\nprefixed = true\n", &image_by(&ca(), &Blueprint { prefixed: true, ..blueprint(ERIKA) }));
    assert!(twice.is_some(), "prefixes are there already");
}

/// The state itself, in the bytes of the specification: what a person is told could have another cause.
#[test]
fn the_cards_are_in_the_states_that_are_told_of() {
    const HCA: &str = "00A4040C06D27600000102";
    let play = |name: &str, lines: &[(&str, &str)]| {
        let scenario = Scenario::parse(&std::fs::read_to_string(fixture(name)).unwrap()).unwrap();
        let mut card = scenario.play(loaded(false), &mut rng()).unwrap().into_parts().unwrap().0;
        for (command, answer) in lines {
            let given = hex::encode_upper(card.execute(&hex::decode(command).unwrap()));
            let fits = match answer.split_once('*') {
                Some((start, end)) => given.starts_with(start) && given.ends_with(end),
                None => given == *answer,
            };
            assert!(fits, "{name} {command}: {given}");
        }
        card
    };
    let read = |card: &mut VirtualCard, sfi: u8| {
        let mut answer = card.execute(&[0x00, 0xB0, 0x80 | sfi, 0x00, 0x00, 0x00, 0x00]);
        answer.truncate(answer.len() - 2);
        answer
    };
    let inflated = |gzip: &[u8]| {
        let mut xml = Vec::new();
        flate2::read::GzDecoder::new(gzip).read_to_end(&mut xml).unwrap();
        xml
    };
    let text = |gzip: &[u8]| String::from_utf8_lossy(&inflated(gzip)).into_owned();
    for (name, status) in [
        ("pin-transport", "62C1"),
        ("pin-transport-last-try", "62C1"),
        ("pin-empty", "62C7"),
        ("pin-disabled", "62D0"),
        ("pin-blocked", "63C0"),
        ("pin-blocked-6983", "6983"),
        ("pin-last-try", "63C1"),
    ] {
        play(name, &[("80200002", status)]);
    }
    // VERIFY of a blocked PIN, RESET RETRY COUNTER with a PUK that is used up (gemSpec_COS, 14.6).
    play("pin-blocked", &[("002000020826123456FFFFFFFF", "6983")]);
    play("puk-used-up", &[("002C0102082812345678FFFFFF", "6983")]);
    play("puk-two-uses", &[("002C0102082887654321FFFFFF", "63C1"), ("002C0102082887654321FFFFFF", "63C0")]);
    play("e256-absent", &[("00A4040C0AA000000167455349474E", "9000"), ("00B0840000", "6A82")]);
    play("e256-empty", &[("00A4040C0AA000000167455349474E", "9000"), ("00B0840000", "6B00")]);
    play("update-in-progress", &[(HCA, "9000"), ("00B08C0001", "319000")]);
    // EF.GDO has 12 bytes: with a number of bytes, with Le = 00, and behind the end.
    play("end-of-file-6282", &[("00B0820020", "5A0A*6282"), ("00B0820000", "5A0A*6282"), ("00B0000C01", "6282")]);
    play("end-of-file-6b00", &[("00B0820020", "5A0A*9000"), ("00B0820000", "5A0A*9000"), ("00B0000C01", "6B00")]);

    let mut card = play("gvd-absent", &[(HCA, "9000")]);
    assert_eq!(read(&mut card, 0x02)[4..8], [0xFF; 4]);
    play("gvd-absent", &[(HCA, "9000"), ("002000020826123456FFFFFFFF", "9000"), ("00B0830000", "6B00")]);
    let mut card = play("xml-prefixed", &[(HCA, "9000")]);
    assert!(text(&read(&mut card, 0x01)[2..]).contains("<vsd:Vorname>Erika</vsd:Vorname>"));
    assert!(text(&read(&mut card, 0x02)[8..]).contains("<vsd:Beginn>"));
    let mut card = play("schema-5-1", &[(HCA, "9000"), ("00B08C0F05", "00500100009000")]);
    let old = "xmlns=\"http://ws.gematik.de/fa/vsds/UC_PersoenlicheVersichertendatenXML/v5.1\"";
    assert!(text(&read(&mut card, 0x01)[2..]).contains(old));
    let mut card = play("schema-pkv", &[(HCA, "9000")]);
    let vd = text(&read(&mut card, 0x02)[8..]);
    assert!(vd.contains("http://ws.gematik.de/fa/vsdm/vsd_pkv/v1.0") && vd.contains("<ZusatzinfosPKV>"), "{vd}");
    assert!(vd.contains("KTR_TYP=\"1\"") && !vd.contains("GKV"), "{vd}");
    let mut card = play("gzip-exploding", &[(HCA, "9000")]);
    let pd = read(&mut card, 0x01);
    assert!(pd.len() < 850, "it fits on a card: {}", pd.len());
    assert_eq!(inflated(&pd[2..]).len(), 512 * 1024);
    let mut card = play("gzip-truncated", &[(HCA, "9000")]);
    let pd = read(&mut card, 0x01);
    assert!(usize::from(u16::from_be_bytes([pd[0], pd[1]])) > pd.len());
}

/// And so is the reader.
#[test]
fn the_readers_have_the_ways_that_are_told_of() {
    let staged = |name: &str| {
        let scenario = Scenario::parse(&std::fs::read_to_string(fixture(name)).unwrap()).unwrap();
        scenario.play(loaded(false), &mut rng()).unwrap()
    };
    let command = |ne| CommandApdu::new(0x00, 0xB0, 0x91, 0x00).with_ne(ne);
    let status = |staged: &mut Staged, ne| staged.transmit(&command(ne)).map(|answer| answer.status());
    let mut reader = staged("reader-le-00");
    assert_eq!(status(&mut reader, 256).unwrap(), StatusWord(0x6700));
    assert_eq!(status(&mut reader, 65_536).unwrap(), StatusWord(0x9000), "which is written as 0000");
    assert_eq!(status(&mut reader, 45).unwrap(), StatusWord(0x9000));
    let mut reader = staged("reader-short-6700");
    assert_eq!(status(&mut reader, 65_536).unwrap(), StatusWord(0x6700));
    assert_eq!(status(&mut reader, 256).unwrap(), StatusWord(0x9000));
    let mut reader = staged("reader-short-broken");
    assert!(matches!(status(&mut reader, 257), Err(ChannelError::Interrupted(None))));
    assert_eq!(status(&mut reader, 256).unwrap(), StatusWord(0x9000), "card and reader are still there");
    let mut reader = staged("reader-reset");
    (0..5).for_each(|_| assert_eq!(status(&mut reader, 45).unwrap(), StatusWord(0x9000)));
    assert!(matches!(status(&mut reader, 45), Err(ChannelError::Reset)));
    (0..9).for_each(|_| assert_eq!(status(&mut reader, 45).unwrap(), StatusWord(0x9000)));
    let mut reader = staged("reader-reset-again");
    for _ in 0..3 {
        (0..3).for_each(|_| assert_eq!(status(&mut reader, 45).unwrap(), StatusWord(0x9000)));
        assert!(matches!(status(&mut reader, 45), Err(ChannelError::Reset)));
    }
    let mut reader = staged("reader-time-out");
    (0..2).for_each(|_| assert_eq!(status(&mut reader, 45).unwrap(), StatusWord(0x9000)));
    assert!(matches!(status(&mut reader, 45), Err(ChannelError::Timeout)));
    assert_eq!(status(&mut reader, 45).unwrap(), StatusWord(0x9000));
    let mut reader = staged("reader-pulled");
    (0..5).for_each(|_| assert_eq!(status(&mut reader, 45).unwrap(), StatusWord(0x9000)));
    assert!(matches!(status(&mut reader, 45), Err(ChannelError::Removed)));
    assert!(matches!(reader.reset(), Err(ChannelError::Removed)), "it does not come back");
    assert!(matches!(status(&mut reader, 45), Err(ChannelError::Removed)));
}

/// The interface is another one, and the state is the same.
#[test]
fn a_state_is_told_without_contacts_as_with_them() {
    let outcome = |name: &str, words: &[&str], air: bool| {
        let words = [words, if air { &["--contactless", "--can", "123123"][..] } else { &[] }].concat();
        let output = run("en", &fixture(name), &words, "123456\n135790\n");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), said["error"]["message"].clone(), said["person"].clone(), said["state"].clone())
    };
    for entry in std::fs::read_dir("fixtures/scenarios").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        // These are of one interface, or of a line that breaks at a command of its own.
        if name.starts_with("reader-") || name == "can-other" || name == "cvc-x509" {
            continue;
        }
        for words in [&["--json", "read"][..], &["--json", "card", "pin", "status"]] {
            assert_eq!(outcome(name, words, true), outcome(name, words, false), "{name} {words:?}");
        }
    }
}
