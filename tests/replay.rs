//! Recorded sessions are played to their last line, and what does not fit is named.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use kartenbund::egk::{ApduLength, Egk, EgkError};
use kartenbund::identity::Identity;
use kartenbund::reader::record::Recorder;
use kartenbund::reader::replay::{Replay, ReplayMismatch};
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::virtual_card::VirtualCard;

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("fixtures/{name}")).unwrap()
}

fn read(channel: impl CardChannel, length: ApduLength) -> Result<String, EgkError> {
    let mut egk = Egk::open(channel, length)?;
    let files = egk.read_files()?;
    let identity = Identity::read(&files.status_vd, &files.pd, &files.vd, files.certificate.der()).unwrap();
    Ok(identity.person.family_name)
}

fn length(replay: &Replay) -> ApduLength {
    if replay.extended_length() { ApduLength::Extended } else { ApduLength::Short }
}

fn mismatch(text: &str) -> ReplayMismatch {
    let mut replay = match Replay::parse(text) {
        Ok(replay) => replay,
        Err(mismatch) => return mismatch,
    };
    let length = length(&replay);
    match read(&mut replay, length) {
        Err(EgkError::Channel(ChannelError::Session(mismatch))) => mismatch,
        Ok(_) => replay.finish().unwrap_err(),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn recorded_sessions_are_played_to_the_last_line() {
    for session in ["sessions/read-erika.jsonl", "sessions/read-erika-short.jsonl"] {
        let mut replay = Replay::parse(&fixture(session)).unwrap();
        let length = length(&replay);
        assert_eq!(read(&mut replay, length).unwrap(), "Müstermann");
        replay.finish().unwrap();
    }
}

#[test]
fn the_sessions_are_as_short_as_they_can_be() {
    // Header; SELECT MF, EF.Version2, EF.GDO; SELECT DF.HCA, EF.StatusVD, EF.PD, EF.VD; SELECT DF.ESIGN, C.CH.AUT.
    assert_eq!(fixture("sessions/read-erika.jsonl").lines().count(), 1 + 9);
    assert_eq!(fixture("sessions/read-erika-short.jsonl").lines().count(), 1 + 15);
}

#[test]
fn a_changed_byte_names_line_expected_and_actual_header() {
    // Line 6 asks for EF.StatusVD (SFI 0C); the session is changed to ask for another file.
    let text = fixture("sessions/read-erika.jsonl").replacen("00B08C0019", "00B08D0019", 1);
    let shown = mismatch(&text).to_string();
    assert_eq!(shown, "line 6 of the session: expected 00B08D00 Le=25, sent 00B08C00 Le=25");

    // A changed body is a mismatch as well, and bodies are never shown.
    let text = fixture("sessions/read-erika.jsonl").replacen("D2760001448000", "D2760001448001", 1);
    let shown = mismatch(&text).to_string();
    assert_eq!(shown, "line 2 of the session: expected 00A4040C Lc=7, sent 00A4040C Lc=7");
}

#[test]
fn a_session_that_ends_too_early_or_too_late_is_named() {
    let text = fixture("sessions/read-erika.jsonl");
    let lines: Vec<_> = text.lines().collect();
    let early = mismatch(&lines[..lines.len() - 1].join("\n"));
    assert_eq!(early.to_string(), "the session ends at line 9, but 00B08400 Le=65536 was sent");
    let late = mismatch(&format!("{text}{}\n", lines[1]));
    assert_eq!(late.to_string(), "the session goes on at line 11 with 00A4040C Lc=7, but nothing was sent");
}

#[test]
fn lines_that_are_no_session_are_named() {
    let text = fixture("sessions/read-erika.jsonl");
    for (line, bad) in [
        (1, text.replacen("\"version\":1", "\"version\":2", 1)),
        (1, text.replacen("\"type\":\"header\"", "\"type\":\"exchange\"", 1)),
        (1, String::new()),
        (3, text.replacen("\"tx\":\"00B0910000", "\"tx\":\"00B09100zz", 1)),
        (4, text.replacen("{\"rx\":\"5A0A", "{\"rz\":\"5A0A", 1)),
        (5, text.replacen("\"9000\"", "\"90\"", 2).replacen("\"90\"", "\"9000\"", 1)),
    ] {
        match Replay::parse(&bad) {
            Err(ReplayMismatch::Malformed { line: named }) => {
                assert_eq!(named, line, "{}", bad.lines().nth(line - 1).unwrap_or(""))
            }
            other => panic!("line {line}: {:?}", other.err()),
        }
    }
}

#[test]
fn a_recording_is_played_again_and_holds_no_pin() {
    let mut card = VirtualCard::load(&fixture("cards/erika.xml")).unwrap();
    let mut recorder = Recorder::start(&mut card, Vec::new(), true, None).unwrap();
    read(&mut recorder, ApduLength::Extended).unwrap();
    let text = String::from_utf8(recorder.finish().unwrap()).unwrap();
    assert_eq!(text, fixture("sessions/read-erika.jsonl"), "the fixture is what `record` writes today");

    let mut recorder = Recorder::start(&mut card, Vec::new(), true, None).unwrap();
    let verify = kartenbund::apdu::CommandApdu::parse(&hex::decode("002000020826123456FFFFFFFF").unwrap()).unwrap();
    assert!(matches!(recorder.transmit(&verify), Err(ChannelError::Session(ReplayMismatch::NotForFiles))));
    let text = String::from_utf8(recorder.finish().unwrap()).unwrap();
    assert_eq!(text.lines().count(), 1);
    card.reset();
    assert_eq!(hex::encode(card.execute(&[0x80, 0x20, 0x00, 0x02])), "63c3", "nor did the card see it");
}

/// A session without contacts holds what secures it, so it is played with the same keys, explained, and never sent to a
/// card again.
#[test]
fn a_contactless_recording_is_played_again_explained_and_sent_to_no_card() {
    use kartenbund::reader::explain::Protection;
    use kartenbund::reader::pace::EphemeralKeys;
    use kartenbund::reader::replay::SessionSecrets;

    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let mut card = VirtualCard::load_contactless(&fixture("cards/erika.xml"), &mut rng).unwrap();
    let can = kartenbund::secret::Can::parse(&kartenbund::secret::SecretText::new("123123".to_owned())).unwrap();
    let secrets = SessionSecrets { keys: EphemeralKeys::from_bytes(&KEYS[0], &KEYS[1]).unwrap(), can };
    let read = |channel: &mut dyn CardChannel, SessionSecrets { keys, can }: &SessionSecrets| {
        let mut egk = Egk::open(channel, ApduLength::Extended)?;
        egk.open_contactless_with(can, keys)?;
        egk.read_files().map(|files| files.pd)
    };
    let mut recorder = Recorder::start(&mut card, Vec::new(), true, Some(&secrets)).unwrap();
    let pd = read(&mut recorder, &secrets).unwrap();
    let text = String::from_utf8(recorder.finish().unwrap()).unwrap();
    assert_eq!(text.lines().count(), 1 + 2 + 6 + 7);

    let mut replay = Replay::parse(&text).unwrap();
    let secrets = replay.take_secrets().unwrap();
    assert_eq!(read(&mut replay, &secrets).unwrap(), pd);
    replay.finish().unwrap();
    let explanation = Replay::parse(&text).unwrap().explain();
    assert_eq!(explanation.fault, None);
    let secured = explanation.commands.iter().filter(|command| command.protection == Protection::Secured).count();
    assert_eq!(secured, 7);

    card.reset();
    let refused = Replay::parse(&text).unwrap().against(&mut card);
    assert!(matches!(refused, Err(ChannelError::Session(ReplayMismatch::NotForFiles))), "{refused:?}");

    // A PIN gets into no recording, plain or secured, nor to the card; without secrets neither does PACE.
    card.reset();
    let send = |secrets: Option<&SessionSecrets>, card: &mut VirtualCard, tx: &str| {
        let mut recorder = Recorder::start(card, Vec::new(), true, secrets).unwrap();
        let command = kartenbund::apdu::CommandApdu::parse(&hex::decode(tx).unwrap()).unwrap();
        let is_refused = matches!(recorder.transmit(&command), Err(ChannelError::Session(ReplayMismatch::NotForFiles)));
        assert_eq!(is_refused, recorder.finish().unwrap().iter().filter(|byte| **byte == b'\n').count() == 1);
        is_refused
    };
    let verify = "0C20000215870901AABBCCDDEEFF00118E080011223344556677";
    let sign = "0C2A9E9A0A8E08001122334455667700";
    for refused in ["002000020826123456FFFFFFFF", verify, sign, "0022C1A40100", "00860000027C0000", "0CB08400"] {
        assert!(send(None, &mut card, refused), "{refused}");
    }
    for refused in ["002000020826123456FFFFFFFF", verify, sign, "0022C1B60100", "0C860000027C0000", "00880000010000"] {
        assert!(send(Some(&secrets), &mut card, refused), "{refused}");
    }
    for passed in ["0022C1A40100", "10860000027C0000", "00860000027C0000", "0CB08400", "8C2000020A8E080011223344556677"]
    {
        assert!(!send(Some(&secrets), &mut card, passed), "{passed}");
    }
}

/// Refuses extended length the way some readers do, and counts.
struct ShortReader<C> {
    card: C,
    refuse_with: Option<u16>,
    refuse_le_00: bool,
    refused: usize,
    sent: usize,
}

impl<C: CardChannel> CardChannel for ShortReader<C> {
    fn transmit(
        &mut self,
        command: &kartenbund::apdu::CommandApdu,
    ) -> Result<kartenbund::apdu::ResponseApdu, ChannelError> {
        self.sent += 1;
        if command.is_extended() || self.refuse_le_00 && command.ne() == Some(256) {
            self.refused += 1;
            return match self.refuse_with {
                Some(status) => Ok(kartenbund::apdu::ResponseApdu::new([], kartenbund::apdu::StatusWord(status))),
                None => Err(ChannelError::Interrupted(None)),
            };
        }
        self.card.transmit(command)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        self.card.reset()
    }
}

#[test]
fn a_reader_that_refuses_extended_length_is_noticed_once_and_reading_goes_on() {
    for (refuse_with, refuse_le_00, refused) in [(Some(0x6700), false, 1), (None, false, 1), (Some(0x6700), true, 1)] {
        let card = VirtualCard::load(&fixture("cards/erika.xml")).unwrap();
        let mut reader = ShortReader { card, refuse_with, refuse_le_00, refused: 0, sent: 0 };
        assert_eq!(read(&mut reader, ApduLength::Extended).unwrap(), "Müstermann");
        assert_eq!(reader.refused, refused, "{refuse_with:?} {refuse_le_00}");
    }
}

/// Cuts every answer to the length of a short one, without a word.
struct CuttingReader<C>(C);

impl<C: CardChannel> CardChannel for CuttingReader<C> {
    fn transmit(
        &mut self,
        command: &kartenbund::apdu::CommandApdu,
    ) -> Result<kartenbund::apdu::ResponseApdu, ChannelError> {
        let answer = self.0.transmit(command)?;
        let status = answer.status();
        let mut data = answer.into_data();
        data.truncate(256);
        Ok(kartenbund::apdu::ResponseApdu::new(data, status))
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        self.0.reset()
    }
}

#[test]
fn a_reader_that_cuts_long_answers_is_read_to_the_end() {
    let card = VirtualCard::load(&fixture("cards/erika.xml")).unwrap();
    assert_eq!(read(CuttingReader(card), ApduLength::Extended).unwrap(), "Müstermann");
}

/// Answers everything with `9000` and nothing.
struct EmptyCard(usize);

impl CardChannel for EmptyCard {
    fn transmit(&mut self, _: &kartenbund::apdu::CommandApdu) -> Result<kartenbund::apdu::ResponseApdu, ChannelError> {
        self.0 += 1;
        assert!(self.0 < 100, "the loop must end");
        Ok(kartenbund::apdu::ResponseApdu::new([], kartenbund::apdu::StatusWord::OK))
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        Ok(())
    }
}

#[test]
fn a_card_that_answers_with_nothing_ends_the_reading() {
    assert!(matches!(read(EmptyCard(0), ApduLength::Extended), Err(EgkError::Malformed { file: "EF.Version2" })));
}

#[test]
fn a_session_is_compared_with_a_card() {
    let erika = || VirtualCard::load(&fixture("cards/erika.xml")).unwrap();
    let session = || Replay::parse(&fixture("sessions/read-erika.jsonl")).unwrap();
    session().against(&mut erika()).unwrap();
    let mut max = VirtualCard::load(&fixture("cards/max.xml")).unwrap();
    let Err(ChannelError::Session(mismatch)) = session().against(&mut max) else { panic!("another card") };
    assert_eq!(mismatch.to_string(), "line 4 of the session: expected 9000 with 12 bytes, answered 9000 with 12 bytes");
}

#[test]
fn a_session_file_sends_nothing_but_what_reads() {
    let header = fixture("sessions/read-erika.jsonl").lines().next().unwrap().to_owned();
    for command in [
        "002000020826654321FFFFFFFF",                                                   // VERIFY
        "00200002",                                                                     // VERIFY without data
        "002100020826654321FFFFFFFF",                                                   // VERIFY, odd instruction
        "8020000208",                                                                   // GET PIN STATUS with Le
        "0024000210265432FFFFFFFFFF26654321FFFFFFFF",                                   // CHANGE REFERENCE DATA
        "002241B606840184800100",                                                       // MANAGE SECURITY ENVIRONMENT
        "002A9E9A20BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD00", // signs a ready hash
        "00E600",
    ] {
        let text = format!("{header}\n{{\"type\":\"exchange\",\"tx\":\"{command}\",\"rx\":\"9000\"}}\n");
        let mut card = VirtualCard::load(&fixture("cards/erika.xml")).unwrap();
        let refused = Replay::parse(&text).map(|replay| replay.against(&mut card));
        assert!(
            matches!(refused, Err(_) | Ok(Err(ChannelError::Session(ReplayMismatch::NotForFiles)))),
            "{command}: {refused:?}"
        );
        assert_eq!(hex::encode(card.execute(&[0x80, 0x20, 0x00, 0x02])), "63c3", "{command}");
    }
}

/// The ephemeral keys of every session without contacts that these tests make.
const KEYS: [[u8; 32]; 2] = [[0x33; 32], [0x44; 32]];

/// Writes down what is said.
struct Writer {
    card: VirtualCard,
    lines: Vec<(String, String)>,
}

impl CardChannel for Writer {
    fn transmit(
        &mut self,
        command: &kartenbund::apdu::CommandApdu,
    ) -> Result<kartenbund::apdu::ResponseApdu, ChannelError> {
        let answer = self.card.transmit(command)?;
        self.lines.push((hex::encode(&*command.to_bytes()), hex::encode(answer.to_bytes())));
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        unreachable!("nothing resets the card")
    }
}

/// PACE, then GET PIN STATUS, VERIFY with a wrong PIN, and two files, as JSON lines without their header.
fn contactless_session() -> Vec<String> {
    use kartenbund::egk::{LastTry, PinStatus};
    use kartenbund::reader::pace::{self, EphemeralKeys};
    use kartenbund::reader::secure::SecureChannel;

    let image = fixture("cards/erika.xml");
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let card = VirtualCard::load_contactless(&image, &mut rng).unwrap();
    let mut channel = SecureChannel::new(Writer { card, lines: Vec::new() });
    let keys = EphemeralKeys::from_bytes(&KEYS[0], &KEYS[1]).unwrap();
    let text = |text: &str| kartenbund::secret::SecretText::new(text.to_owned());
    pace::establish(&mut channel, &kartenbund::secret::Can::parse(&text("123123")).unwrap(), &keys).unwrap();
    let mut egk = Egk::open(&mut channel, ApduLength::Extended).unwrap();
    let Ok(PinStatus::Usable(tries)) = egk.pin_status() else { panic!("three tries") };
    let pin = kartenbund::secret::Pin::parse(&text("654321")).unwrap();
    let _ = egk.verify_pin(tries.attempt(LastTry::Refused).unwrap(), &pin).unwrap();
    egk.iccsn().unwrap();
    drop(egk);
    let line = |(tx, rx)| format!(r#"{{"type":"exchange","tx":"{tx}","rx":"{rx}"}}"#);
    channel.into_inner().lines.into_iter().map(line).collect()
}

fn header(keys: Option<[&str; 2]>, can: Option<&str>) -> String {
    serde_json::json!({
        "type": "header", "version": 1, "supports_extended_length": true, "keys": keys, "can": can,
    })
    .to_string()
}

/// The lines with one of them changed.
fn change(lines: &[String], number: usize, member: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<String> {
    let mut lines = lines.to_vec();
    let mut line: serde_json::Value = serde_json::from_str(&lines[number]).unwrap();
    let mut bytes = hex::decode(line[member].as_str().unwrap()).unwrap();
    change(&mut bytes);
    line[member] = hex::encode(bytes).into();
    lines[number] = line.to_string();
    lines
}

fn explained(header: &str, lines: &[String]) -> kartenbund::reader::explain::Explanation {
    Replay::parse(&(header.to_owned() + "\n" + &lines.join("\n"))).unwrap().explain()
}

/// Headers and status words as ISO/IEC 7816-4 and gemSpec_COS have them.
#[test]
fn a_session_without_contacts_is_explained_to_the_last_line() {
    use kartenbund::reader::explain::Protection::{Pace, Plain, Secured, Unreadable};
    let keys = KEYS.map(hex::encode);
    let header = |can| header(Some([&keys[0], &keys[1]]), Some(can));
    let lines = contactless_session();
    let shown = |header: &str| {
        let explanation = explained(header, &lines);
        assert_eq!(explanation.fault, None);
        let each = explanation.commands.into_iter();
        each.map(|it| (hex::encode_upper(it.header), it.lc, it.answer.unwrap(), it.protection)).collect::<Vec<_>>()
    };
    let word = kartenbund::apdu::StatusWord;
    let line =
        |header: &str, lc, length, status, protection| (header.to_owned(), lc, (length, word(status)), protection);
    let pace = [
        line("00B09C00", 0, 22, 0x9000, Plain),
        line("0022C1A4", 15, 0, 0x9000, Pace),
        line("10860000", 2, 20, 0x9000, Pace),
        line("10860000", 69, 69, 0x9000, Pace),
        line("10860000", 69, 69, 0x9000, Pace),
        line("00860000", 12, 12, 0x9000, Pace),
    ];
    let secured = [
        line("00A4040C", 7, 0, 0x9000, Secured),
        line("00B09100", 0, 45, 0x9000, Secured),
        line("80200002", 0, 0, 0x63C3, Secured),
        line("00200002", 8, 0, 0x63C2, Secured),
        line("00B08200", 0, 12, 0x9000, Secured),
    ];
    assert_eq!(shown(&header("123123")), [&pace[..], &secured[..]].concat());

    // Without keys nothing is decrypted, and nothing is said to have been checked.
    let closed = shown(&self::header(None, None));
    assert!(closed[..6].iter().all(|line| line.3 == Plain));
    assert!(
        closed[6..].iter().all(|line| line.3 == Unreadable && line.0.starts_with(['0', '8']) && &line.0[1..2] == "C")
    );
}

#[test]
fn whatever_is_changed_in_a_session_without_contacts_is_named_with_its_line() {
    use kartenbund::reader::explain::Fault;
    let keys = KEYS.map(hex::encode);
    let header = header(Some([&keys[0], &keys[1]]), Some("123123"));
    let lines = contactless_session();
    let flip = |number: usize, is_answer: bool, at: usize| {
        let mut lines = lines.clone();
        let mut line: serde_json::Value = serde_json::from_str(&lines[number]).unwrap();
        let member = if is_answer { "rx" } else { "tx" };
        let mut bytes = hex::decode(line[member].as_str().unwrap()).unwrap();
        let at = if at == 0 { bytes.len() - if is_answer { 3 } else { 2 } } else { at };
        bytes[at] ^= 1;
        line[member] = hex::encode(bytes).into();
        lines[number] = line.to_string();
        let explanation = explained(&header, &lines);
        let (line, fault) = explanation.fault.expect("a fault");
        assert_eq!(explanation.commands.len(), line - 2, "everything before it, and nothing after");
        (line - 2, fault)
    };
    // The last byte of what is sealed or proven: of the answer's seal, and of the command's before its Le.
    assert_eq!(flip(3, false, 0), (3, Fault::Step { step: 2 }), "the reader's point for the mapping");
    assert_eq!(flip(4, false, 0), (4, Fault::Step { step: 3 }), "the reader's point for the agreement");
    assert_eq!(flip(3, true, 0), (3, Fault::Step { step: 2 }), "the card's point, which is none");
    assert_eq!(flip(4, true, 0), (4, Fault::Step { step: 3 }));
    assert_eq!(flip(2, true, 0), (4, Fault::Step { step: 3 }), "another nonce makes another generator");
    assert_eq!(flip(5, false, 0), (5, Fault::ReaderToken));
    assert_eq!(flip(5, true, 0), (5, Fault::CardToken));
    for number in 6..lines.len() {
        assert!(matches!(flip(number, true, 0), (line, Fault::Answer(_)) if line == number), "{number}");
        // The first byte behind CLA that counts is INS: the header is sealed as well.
        assert!(matches!(flip(number, false, 1), (line, Fault::Command(_)) if line == number), "{number}");
        assert!(matches!(flip(number, false, 3), (line, Fault::Command(_)) if line == number), "{number}");
    }

    // The class: a command that is secured goes out open, or the other way round; and what is not PACE as it was chosen.
    for number in 6..lines.len() {
        for bit in [0x04, 0x08] {
            let open = change(&lines, number, "tx", |bytes| bytes[0] ^= bit);
            assert_eq!(explained(&header, &open).fault, Some((number + 2, Fault::NoSession)));
        }
    }
    for at in 1..4 {
        let other = change(&lines, 1, "tx", |bytes| bytes[at] ^= 1);
        assert!(explained(&header, &other).fault.is_some(), "SET AT, byte {at}");
    }
    let other = change(&lines, 1, "tx", |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert_eq!(explained(&header, &other).fault, Some((3, Fault::Step { step: 0 })));
    let refused = change(&lines, 1, "rx", |bytes| *bytes = vec![0x6A, 0x88]);
    assert_eq!(explained(&header, &refused).fault, Some((3, Fault::Step { step: 0 })));
    for (number, step) in [(2, 1), (3, 2), (4, 3), (5, 4)] {
        let other = change(&lines, number, "tx", |bytes| bytes[3] ^= 1);
        assert_eq!(explained(&header, &other).fault, Some((number + 2, Fault::Step { step })), "P2");
    }
    // A refusal that nobody sealed: PACE is over, and what is secured behind it belongs to nothing.
    let refused = change(&lines, 5, "rx", |bytes| *bytes = vec![0x63, 0x00]);
    assert_eq!(explained(&header, &refused).fault, Some((8, Fault::NoSession)));
    assert_eq!(explained(&header, &refused[..6]).fault, None, "a wrong card access number is a session, too");
    let refused = change(&lines, 3, "rx", |bytes| *bytes = vec![0x63, 0x00]);
    assert_eq!(explained(&header, &refused).fault, Some((6, Fault::Step { step: 0 })));
    // Nothing of PACE, and half of it.
    assert_eq!(explained(&header, &[&lines[..1], &lines[6..]].concat()).fault, Some((3, Fault::NoSession)));
    assert_eq!(explained(&header, &lines[..4]).fault, Some((5, Fault::Ends)));
    // The card sends the reader's own key back.
    for (number, step) in [(3, 2), (4, 3)] {
        let sent: serde_json::Value = serde_json::from_str(&lines[number]).unwrap();
        let point = &hex::decode(sent["tx"].as_str().unwrap()).unwrap()[9..9 + 65];
        let reflected = change(&lines, number, "rx", |bytes| bytes[4..4 + 65].copy_from_slice(point));
        assert_eq!(explained(&header, &reflected).fault, Some((number + 2, Fault::Step { step })));
    }

    // An answer that comes again, and one that is a bare status word.
    for (number, rx) in [(8, None), (9, Some("9000")), (10, Some("6982"))] {
        let mut changed = lines.clone();
        let mut line: serde_json::Value = serde_json::from_str(&changed[number]).unwrap();
        let before: serde_json::Value = serde_json::from_str(&changed[number - 1]).unwrap();
        line["rx"] = rx.map_or_else(|| before["rx"].clone(), Into::into);
        changed[number] = line.to_string();
        assert!(matches!(explained(&header, &changed).fault, Some((at, Fault::Answer(_))) if at == number + 2));
    }

    // Another card access number than was used; other keys; keys that are none.
    let with = |keys: [&str; 2], can| self::header(Some(keys), Some(can));
    let (mapping, agreement) = (keys[0].as_str(), keys[1].as_str());
    assert_eq!(explained(&with([mapping, agreement], "123124"), &lines).fault, Some((6, Fault::Step { step: 3 })));
    assert_eq!(explained(&with([agreement, agreement], "123123"), &lines).fault, Some((5, Fault::Step { step: 2 })));
    assert_eq!(explained(&with([mapping, mapping], "123123"), &lines).fault, Some((6, Fault::Step { step: 3 })));
    for (keys, can) in [(["00", agreement], "123123"), ([mapping, "zz"], "123123"), ([mapping, agreement], "12312")] {
        assert!(matches!(Replay::parse(&with(keys, can)), Err(ReplayMismatch::Malformed { line: 1 })));
    }
}
