//! Scenario files: that each is told of, what makes one no scenario, and that a card is in the state it says.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use kartenbund::virtual_card::scenario::{Scenario, Staged};

use serde_json::Value;

use super::pulled::loaded;
use super::scenarios::*;
use super::*;

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
