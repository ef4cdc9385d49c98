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
    let mut recorder = Recorder::start(&mut card, Vec::new(), true).unwrap();
    read(&mut recorder, ApduLength::Extended).unwrap();
    let text = String::from_utf8(recorder.finish().unwrap()).unwrap();
    assert_eq!(text, fixture("sessions/read-erika.jsonl"), "the fixture is what `record` writes today");

    let mut recorder = Recorder::start(&mut card, Vec::new(), true).unwrap();
    let verify = kartenbund::apdu::CommandApdu::parse(&hex::decode("002000020826123456FFFFFFFF").unwrap()).unwrap();
    assert!(matches!(recorder.transmit(&verify), Err(ChannelError::Session(ReplayMismatch::NotForFiles))));
    let text = String::from_utf8(recorder.finish().unwrap()).unwrap();
    assert_eq!(text.lines().count(), 1);
    card.reset();
    assert_eq!(hex::encode(card.execute(&[0x80, 0x20, 0x00, 0x02])), "63c3", "nor did the card see it");
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
    for (refuse_with, refuse_le_00, refused) in [(Some(0x6700), false, 1), (None, false, 1), (Some(0x6700), true, 2)] {
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
