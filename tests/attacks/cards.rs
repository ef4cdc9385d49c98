//! A card that answers what no health card should. Each answer is taken for what it is, and reading comes to an end.

use std::collections::VecDeque;

use kartenbund::apdu::{CommandApdu, ResponseApdu, StatusWord};
use kartenbund::egk::{EfCChAut, ObjectSystem, OtherCard};
use kartenbund::reader::{CardChannel, ChannelError};

use super::*;

const SELECT_EGK: &str = "00A4040C07D2760001448000";
const SELECT_ESIGN: &str = "00A4040C0AA000000167455349474E";
const STATUS: &str = "80200002";
/// EF.Version2 of object system 4.5.2.
const VERSION_2: (&str, u16) = ("EF05C103040502", 0x9000);
const OK: (&str, u16) = ("", 0x9000);

/// Answers one after the other, whatever is sent; then the card is gone.
struct Scripted {
    answers: VecDeque<(Vec<u8>, u16)>,
    sent: Vec<String>,
}

impl CardChannel for &mut Scripted {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        self.sent.push(hex::encode_upper(&*command.to_bytes()));
        let (data, status) = self.answers.pop_front().ok_or(ChannelError::Removed)?;
        Ok(ResponseApdu::new(data, StatusWord(status)))
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        Ok(())
    }
}

fn scripted(answers: &[(&str, u16)]) -> Scripted {
    let answers = answers.iter().map(|(data, status)| (hex::decode(data).unwrap(), *status)).collect();
    Scripted { answers, sent: Vec::new() }
}

/// A card that is identified, and then answers this.
fn identified(answers: &[(&str, u16)]) -> Scripted {
    scripted(&[&[OK, VERSION_2], answers].concat())
}

fn open(card: &mut Scripted) -> Result<Egk<&mut Scripted>, EgkError> {
    Egk::open(card, ApduLength::Short)
}

#[test]
fn a_card_is_a_health_card_by_its_own_answers_only() {
    let refused = |answers: &[(&str, u16)]| open(&mut scripted(answers)).map(drop).unwrap_err();
    let (absent, nothing) = (("", 0x6A82), ("", 0x6281));
    assert!(matches!(refused(&[absent, absent, absent]), EgkError::NotAnEgk(OtherCard::Unknown)));
    assert!(matches!(refused(&[absent, OK]), EgkError::NotAnEgk(OtherCard::Hba)));
    assert!(matches!(refused(&[absent, absent, OK]), EgkError::NotAnEgk(OtherCard::SmcB)));
    assert!(matches!(refused(&[("", 0x6283)]), EgkError::Deactivated));
    assert!(matches!(refused(&[OK, absent]), EgkError::TooOld(ObjectSystem([0, 0, 0]))));
    assert!(matches!(refused(&[OK, ("EF05C10303FFFF", 0x9000)]), EgkError::TooOld(ObjectSystem([3, 0xFF, 0xFF]))));
    let unread = refused(&[OK, (VERSION_2.0, nothing.1)]);
    assert!(matches!(unread, EgkError::UnexpectedStatus { command: "READ BINARY", .. }), "data with a wrong checksum");
    assert!(matches!(refused(&[OK, ("EF03C10104", 0x9000)]), EgkError::Malformed { file: "EF.Version2" }));
}

#[test]
fn a_card_number_is_decimal_and_read_without_error() {
    let number = |answer| open(&mut identified(&[answer])).unwrap().iccsn().map(|number| number.to_string());
    assert_eq!(number(("5A0A80276001011234567890", 0x9000)).unwrap(), "80276001011234567890");
    for digits in ["5A0A8027600101123456789A", "5A0A802760010112345678A0"] {
        assert!(matches!(number((digits, 0x9000)), Err(EgkError::Malformed { file: "EF.GDO" })), "{digits}");
    }
    let corrupt = number(("5A0A80276001011234567890", 0x6281));
    assert!(matches!(corrupt, Err(EgkError::UnexpectedStatus { command: "READ BINARY", .. })));
}

#[test]
fn what_the_card_says_of_its_pin_is_understood() {
    let status = |status| open(&mut identified(&[("", status)])).unwrap().pin_status();
    for (word, tries) in [(0x63C3, 3), (0x63C1, 1)] {
        let Ok(PinStatus::Usable(left)) = status(word) else { panic!("{word:x}") };
        assert_eq!(left.left(), tries);
    }
    assert_eq!(status(0x63C0).unwrap(), PinStatus::Blocked);
    assert_eq!(status(0x6983).unwrap(), PinStatus::Blocked);
    assert_eq!(status(0x9000).unwrap(), PinStatus::AlreadyVerified);
    assert_eq!(status(0x62C1).unwrap(), PinStatus::TransportPin);
    assert_eq!(status(0x62C7).unwrap(), PinStatus::EmptyPin);
    assert_eq!(status(0x62D0).unwrap(), PinStatus::Disabled);
    assert!(matches!(status(0x6982), Err(EgkError::Contactless)));
    assert!(matches!(status(0x6A88), Err(EgkError::UnexpectedStatus { command: "GET PIN STATUS", .. })));
}

#[test]
fn a_pin_is_accepted_by_one_word_only() {
    let verified = |word| {
        let mut card = identified(&[("", 0x63C3), ("", word)]);
        let mut egk = open(&mut card).unwrap();
        let Ok(PinStatus::Usable(tries)) = egk.pin_status() else { panic!("three tries") };
        let pin = kartenbund::secret::Pin::parse(&typed(CARD_PIN)).unwrap();
        egk.verify_pin(tries.attempt(LastTry::Refused).unwrap(), &pin)
    };
    assert_eq!(verified(0x9000).unwrap(), PinAnswer::Accepted);
    let Ok(PinAnswer::Wrong(left)) = verified(0x63C2) else { panic!("two are left") };
    assert_eq!(left.left(), 2);
    assert_eq!(verified(0x63C0).unwrap(), PinAnswer::Blocked);
    assert_eq!(verified(0x6983).unwrap(), PinAnswer::Blocked);
    for word in [0x6982, 0x6A88, 0x6281, 0x9001] {
        assert!(matches!(verified(word), Err(EgkError::UnexpectedStatus { command: "VERIFY", .. })), "{word:x}");
    }
}

#[test]
fn the_last_try_needs_leave_of_its_own() {
    let tries = |word| match open(&mut identified(&[("", word)])).unwrap().pin_status() {
        Ok(PinStatus::Usable(tries)) => tries,
        other => panic!("{other:?}"),
    };
    assert!(tries(0x63C1).attempt(LastTry::Refused).is_none());
    assert!(tries(0x63C1).attempt(LastTry::Allowed).is_some());
    assert!(tries(0x63C2).attempt(LastTry::Refused).is_some());
}

#[test]
fn after_a_reset_nothing_is_taken_for_selected() {
    let signature = "11".repeat(64);
    let answers = [OK, OK, (signature.as_str(), 0x9000)];
    let mut card = identified(&[&answers[..], &answers[..], &[OK, ("", 0x63C3)]].concat());
    let mut egk = open(&mut card).unwrap();
    for _ in 0..2 {
        egk.auth_key().sign(b"message").unwrap();
        egk.reset().unwrap();
    }
    let _ = egk.pin_status().unwrap();
    let headers: Vec<_> = card.sent.iter().map(|command| &command[..8]).collect();
    let signs = ["00A4040C", "002241B6", "002A9E9A"];
    assert_eq!(headers[2..], [&signs[..], &signs[..], &["00A4040C", STATUS]].concat());
    assert!(card.sent[0].starts_with(SELECT_EGK) && card.sent[8].starts_with(SELECT_EGK));
    assert!(card.sent[2].starts_with(SELECT_ESIGN) && card.sent[5].starts_with(SELECT_ESIGN));
}

#[test]
fn what_the_card_refuses_is_neither_selected_nor_signed() {
    let signature = "11".repeat(64);
    let refused =
        |answers: &[(&str, u16)]| open(&mut identified(answers)).unwrap().auth_key().sign(b"message").unwrap_err();
    assert!(matches!(refused(&[("", 0x6A82)]), EgkError::UnexpectedStatus { command: "SELECT", .. }));
    assert!(matches!(refused(&[("", 0x6283)]), EgkError::Deactivated));
    let environment = refused(&[OK, ("", 0x6A88), (&signature, 0x9000)]);
    assert!(matches!(environment, EgkError::UnexpectedStatus { command: "MANAGE SECURITY ENVIRONMENT", .. }));
    for (data, status) in [(signature.as_str(), 0x6982), ("11", 0x9000), ("", 0x9000)] {
        let refused = refused(&[OK, OK, (data, status)]);
        assert!(matches!(refused, EgkError::UnexpectedStatus { command: "PSO COMPUTE DIGITAL SIGNATURE", .. }));
    }
}

/// gemSpec_COS, 14.8.2.3: as many bytes as the modulus has. DF.ESIGN is selected when C.CH.AUT.R2048 was found.
#[test]
fn a_signature_of_an_rsa_card_has_256_bytes() {
    let sign = |length| {
        let signature = "11".repeat(length);
        let rsa = [OK, ("", 0x6A82), ("3003020101", 0x9000), OK, (&*signature, 0x9000)];
        let mut card = identified(&rsa);
        let mut egk = open(&mut card).unwrap();
        assert_eq!(egk.read_certificate().unwrap(), EfCChAut::R2048(vec![0x30, 0x03, 0x02, 0x01, 0x01]));
        let signed = egk.auth_key().sign(b"message");
        drop(egk);
        assert_eq!(card.sent[5], "002241B606840182800105");
        signed
    };
    assert_eq!(sign(256).unwrap(), [0x11; 256]);
    for length in [0, 64, 255, 257] {
        assert!(sign(length).is_err(), "{length}");
    }
}

#[test]
fn a_certificate_file_that_makes_no_sense_is_not_read_on_and_on() {
    let read = |answers: &[(&str, u16)]| {
        let mut card = identified(&[&[OK], answers].concat());
        let certificate = open(&mut card).unwrap().read_certificate();
        (certificate, card.sent.len() - 3)
    };
    let file = "EF.C.CH.AUT.E256";
    let malformed = |answers: &[(&str, u16)]| {
        let (certificate, reads) = read(answers);
        assert!(matches!(certificate, Err(EgkError::Malformed { file: name }) if name == file), "{answers:?}");
        reads
    };
    assert_eq!(malformed(&[("3082FFFF00", 0x9000), OK, OK]), 1, "longer than any certificate");
    assert_eq!(malformed(&[("3082010000", 0x9000), OK, OK]), 2, "shorter than it says");
    assert_eq!(malformed(&[("3182000100", 0x9000)]), 1, "something else than a certificate");

    let (absent, corrupt) = (("", 0x6A82), ("3003020101", 0x6281));
    let unexpected = |answers: &[(&str, u16)]| {
        let (certificate, reads) = read(answers);
        assert!(matches!(certificate, Err(EgkError::UnexpectedStatus { command: "READ BINARY", .. })), "{answers:?}");
        reads
    };
    assert_eq!(
        unexpected(&[corrupt, ("3003020101", 0x9000)]),
        1,
        "the other certificate is for cards without this one"
    );
    assert_eq!(unexpected(&[absent, corrupt]), 2);
    assert_eq!(unexpected(&[("300302", 0x9000), ("0101", 0x6281)]), 2);
    assert!(matches!(read(&[absent, absent]).0, Err(EgkError::NoCertificate)));
    assert!(matches!(read(&[("", 0x6982)]).0, Err(EgkError::Contactless)));
    let (certificate, _) = read(&[("3003020101FFFF", 0x6282)]);
    assert_eq!(certificate.unwrap(), EfCChAut::E256(vec![0x30, 3, 2, 1, 1]), "what is left of the file is not in it");
}

#[test]
fn a_line_that_breaks_again_and_again_is_given_up() {
    struct Broken(u32);
    impl CardChannel for &mut Broken {
        fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
            match command.header() {
                // EF.Version2 comes in a short APDU, which nothing is shorter than.
                [_, 0xB0, 0x91, 0x00] => Ok(ResponseApdu::new(hex::decode("EF05C103040502").unwrap(), StatusWord::OK)),
                [_, 0xB0, ..] => {
                    self.0 += 1;
                    assert!(self.0 < 100, "it must come to an end");
                    Err(ChannelError::Interrupted(None))
                }
                _ => Ok(ResponseApdu::new(Vec::new(), StatusWord::OK)),
            }
        }
        fn reset(&mut self) -> Result<(), ChannelError> {
            Ok(())
        }
    }
    let mut card = Broken(0);
    let refused = Egk::open(&mut card, ApduLength::Extended).unwrap().read_certificate().map(drop);
    assert!(matches!(refused, Err(EgkError::Channel(ChannelError::Interrupted(_)))));
    assert_eq!(card.0, 2, "once in each form");
}

#[test]
fn an_answer_that_was_cut_is_read_on_in_short_commands() {
    let mut card = identified(&[OK, ("3082040011111111", 0x9000)]);
    let mut egk = Egk::open(&mut card, ApduLength::Extended).unwrap();
    assert!(matches!(egk.read_certificate(), Err(EgkError::Channel(ChannelError::Removed))));
    assert_eq!(card.sent.last().unwrap(), "00B0000800", "whoever cuts a long answer would cut the next as well");
}
