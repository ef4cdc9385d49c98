//! Hostile bytes: no parser panics, spins, or takes more memory than its bound, whatever it is given. What is written is
//! read back as it was. Bytes for single parsers are those of the fuzz targets: `fuzz_bodies.rs`.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hostile.rs"]
mod hostile;
#[path = "common/tpm_bytes.rs"]
mod tpm_bytes;

use std::io::Write as _;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use hostile::{bytes, mutated};
use kartenbund::apdu::tlv::DataObject;
use kartenbund::apdu::{CommandApdu, ResponseApdu, StatusWord};
use kartenbund::egk::{ApduLength, Egk};
use kartenbund::identity::kvnr::{Ik, Kvnr, KvnrError};
use kartenbund::identity::vsd::{InsuranceData, PersonalData, StatusVd, VsdError};
use kartenbund::jose::{base64url, json, jws};
use kartenbund::pki::cvc::{Cvc, TestCvcRoots, verify};
use kartenbund::pki::{Anchors, ProductionAnchors, TestAnchors};
use kartenbund::protocol::approval::{Decision, FrozenDocument, MatchCode};
use kartenbund::protocol::attestation::{AttestationKey, Certified, PublicArea};
use kartenbund::protocol::evidence::Bundle;
use kartenbund::reader::pinpad::{Features, KeypadCommand, Question};
use kartenbund::reader::replay::Replay;
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::scenario::Scenario;
use proptest::collection::vec;
use proptest::prelude::*;
use rand_core::UnwrapErr;
use time::OffsetDateTime;
use tpm_bytes::{certify_info, public_area};

/// The files of the fixture card.
fn files() -> kartenbund::egk::CardFiles {
    let card = VirtualCard::load(&std::fs::read_to_string("fixtures/cards/erika.xml").unwrap()).unwrap();
    Egk::open(card, ApduLength::Extended).unwrap().read_files().unwrap()
}

static CHIP_CERTIFICATE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let card = VirtualCard::load(&std::fs::read_to_string("fixtures/cards/erika.xml").unwrap()).unwrap();
    Egk::open(card, ApduLength::Extended).unwrap().read_chip_certificate().unwrap()
});

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn pd(gzip: &[u8]) -> Vec<u8> {
    [&u16::try_from(gzip.len()).unwrap().to_be_bytes()[..], gzip].concat()
}

proptest! {
    #[test]
    fn commands_are_read_back_as_they_were(header: [u8; 4], data in bytes(600), ne in proptest::option::of(1_u32..=65_536)) {
        let mut command = CommandApdu::new(header[0], header[1], header[2], header[3]).with_data(data);
        if let Some(ne) = ne {
            command = command.with_ne(ne);
        }
        prop_assert_eq!(CommandApdu::parse(&command.to_bytes()).unwrap(), command);
    }

    #[test]
    fn any_text_is_a_scenario_or_says_where_it_is_not(text in "(\\[(card|reader)\\]\n)?([a-z_0-9]{1,12} ?= ?[\"a-z0-9.]{0,8}\n){0,4}|\\PC{0,200}") {
        if let Err(error) = Scenario::parse(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    /// Whatever an image holds, a scenario finds what it changes or says so.
    #[test]
    fn any_card_is_put_into_a_state_or_not(sizes in vec(0_usize..900, 4), fill: u8, pick: prop::sample::Index) {
        let mut image = std::fs::read_to_string("fixtures/cards/erika.xml").unwrap();
        for (fid, size) in ["d001", "d002", "d00c", "c504"].into_iter().zip(sizes) {
            let at = image.find(&format!("<attribute id=\"fileIdentifier\">{fid}<")).unwrap();
            let from = image[..at].rfind("<attribute id=\"body\">").unwrap() + "<attribute id=\"body\">".len();
            let to = from + image[from..].find('<').unwrap();
            let length = image[at..].find("positionLogicalEndOfFile\">").unwrap() + at + "positionLogicalEndOfFile\">".len();
            let end = length + image[length..].find('<').unwrap();
            image.replace_range(length..end, &format!("{size:04X}"));
            image.replace_range(from..to, &format!("{fill:02x}").repeat(size));
        }
        let mut files: Vec<_> =
            std::fs::read_dir("fixtures/scenarios").unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let scenario = Scenario::parse(&std::fs::read_to_string(pick.get(&files)).unwrap()).unwrap();
        let _ = scenario.play(VirtualCard::load(&image).unwrap(), &mut UnwrapErr(getrandom::SysRng));
    }

    #[test]
    fn any_bytes_are_a_command_or_not(bytes in bytes(400)) {
        if let Ok(command) = CommandApdu::parse(&bytes) {
            // Lengths that fit the short form can come in the extended one.
            prop_assert_eq!(CommandApdu::parse(&command.to_bytes()), Ok(command));
        }
        let _ = ResponseApdu::parse(&bytes);
        let _ = DataObject::parse(&bytes, 0xEF).map(|object| object.child(0xC1).is_ok());
    }

    #[test]
    fn a_certificate_of_a_chip_is_taken_apart_whole_or_not_at_all(any in bytes(300), position in 0_usize..222, byte: u8) {
        let _ = (Cvc::parse(&any), verify(&any, &any, &TestCvcRoots::default(), OffsetDateTime::UNIX_EPOCH).is_err());
        // What is in the fields is all there is: no other bytes are read as the same certificate.
        let chip = &*CHIP_CERTIFICATE;
        let mut changed = chip.clone();
        changed[position] = byte;
        let same = Cvc::parse(&changed).is_ok_and(|cvc| cvc == Cvc::parse(chip).unwrap());
        prop_assert_eq!(same, changed == *chip);
        let _ = TestCvcRoots::default().add_certificate(&changed);
    }

    #[test]
    fn what_a_tpm_says_is_taken_apart_whole_or_not_at_all(any in bytes(200), position in 0_usize..88, byte: u8) {
        let _ = (PublicArea::parse(&any), Certified::parse(&any).is_ok(), AttestationKey::parse(&any).is_ok());
        let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let (public, mut said) = (public_area(key.verifying_key(), 0x0004_0472), certify_info(&[1; 32], &[2; 34]));
        let (mut changed, mut cut) = (public.clone(), public.clone());
        changed[position] = byte;
        cut.truncate(position);
        // There is one form, but for attributes and point.
        let is_free = (4..8).contains(&position) || (22..54).contains(&position) || position >= 56;
        prop_assert!(changed == public || is_free || PublicArea::parse(&changed).is_err());
        prop_assert!(PublicArea::parse(&cut).is_err());
        let mut other = said.clone();
        other[position] = byte;
        prop_assert!(other == said || position >= 6 || Certified::parse(&other).is_err());
        said.truncate(position);
        prop_assert!(Certified::parse(&said).is_err());
        said.extend(any);
        if let Ok(certified) = Certified::parse(&said) {
            prop_assert!(certified.extra_data().len() <= 66 && certified.name().len() <= 66);
        }
    }

    #[test]
    fn nested_objects_do_not_exhaust_the_stack(depth in 0_usize..1100) {
        let _ = DataObject::parse(&[0xE1, 0x80].repeat(depth), 0xE1);
        let _ = DataObject::parse(&[vec![0xEF, 0x82, 0x03, 0xE8], [0xEF, 0x7F].repeat(depth)].concat(), 0xEF);
    }

    #[test]
    fn readers_that_say_anything(features in bytes(60), properties in bytes(60), is_known in any::<bool>()) {
        // So that the properties are asked for, too.
        let features = if is_known { vec![0x06, 4, 0, 0, 0, 6, 0x12, 4, 0, 0, 0, 0x12] } else { features };
        let reader = Features::read(|question| match question {
            Question::Features => Some(features.clone()),
            Question::Properties(_) => Some(properties.clone()),
        });
        prop_assert!(reader.max_data().is_none_or(|max| (256..=65_536).contains(&max)));
        let codes = [KeypadCommand::Verify, KeypadCommand::Unblock].map(|command| reader.code_for(command));
        prop_assert!(reader.has_keypad() || codes == [None, None]);
    }

    #[test]
    fn personal_data_of_any_text(text in "(<[a-zA-Z:]{0,12}( [a-z]{1,5}=\"[^\"]{0,10}\")?/?>|[^<]{0,10}|</[a-zA-Z:]{0,12}>){0,30}") {
        let _ = PersonalData::parse(&pd(&gzip(text.as_bytes())));
    }

    #[test]
    fn anchors_of_changed_pem(pem in mutated(std::fs::read("fixtures/pki/test-egk-ca.pem").unwrap()), any in bytes(200)) {
        for content in [&pem, &any] {
            let (mut test, mut production) = (TestAnchors::default(), ProductionAnchors::default());
            prop_assert_eq!(test.add_pem(content).is_ok(), !test.issuers().is_empty(), "all of a file or nothing of it");
            // What is left of a test CA never gets among production ones; with its mark lost it may.
            let taken = production.add_pem(content).is_ok();
            prop_assert_eq!(taken, !production.issuers().is_empty());
        }
    }

    #[test]
    fn signed_messages_of_any_text(text in "[A-Za-z0-9_.-]{0,200}") {
        let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        prop_assert!(jws::verify::<Decision>(&text, key.verifying_key()).is_err());
        let _ = base64url::decode(&text);
    }

    #[test]
    fn json_of_any_bytes(content in bytes(300)) {
        let _ = json::read::<serde_json::Value>(&content);
        let _ = FrozenDocument::from_bytes(content.clone()).read();
        let _ = Bundle::parse(&content);
    }

    #[test]
    fn sessions_of_any_text(text in "(\\{\"type\":\"(header|exchange|error)\"[^\n]{0,60}\n|[^\n]{0,40}\n){0,12}") {
        let _ = Replay::parse(&text);
    }

    #[test]
    fn insurance_numbers_of_any_text(text in "\\PC{0,14}|[A-Za-z]?[0-9]{8,10}[-0-9 ]{0,6}") {
        if let Ok(kvnr) = Kvnr::typed(&text) {
            prop_assert!(kvnr.has_valid_check_digit());
            prop_assert_eq!(kvnr.as_str(), text.trim());
        }
        let _ = MatchCode::try_from(text);
    }

    #[test]
    fn one_wrong_digit_of_an_insurance_number_is_always_noticed(letter in b'A'..=b'Z', digits in vec(0_u8..10, 8), at in 0_usize..8, other in 1_u8..10) {
        let number = |digits: &[u8]| {
            let body: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
            (0..10).map(|check| format!("{}{body}{check}", char::from(letter))).find(|text| Kvnr::typed(text).is_ok()).unwrap()
        };
        let right = number(&digits);
        let mut changed = digits;
        changed[at] = (changed[at] + other) % 10;
        let wrong: String = format!("{}{}", &number(&changed)[..9], &right[9..]);
        prop_assert!(Kvnr::typed(&wrong).is_err());
    }

    #[test]
    fn a_hostile_card_cannot_make_the_reading_panic_or_spin(answers in vec((bytes(300), prop_oneof![Just(0x9000_u16), Just(0x6282), Just(0x6700), Just(0x6A82), any::<u16>()]), 1..40)) {
        struct Hostile(Vec<(Vec<u8>, u16)>, usize);
        impl CardChannel for Hostile {
            fn transmit(&mut self, _: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
                self.1 += 1;
                let (data, status) = &self.0[self.1 % self.0.len()];
                Ok(ResponseApdu::new(data.clone(), StatusWord(*status)))
            }
            fn reset(&mut self) -> Result<(), ChannelError> {
                Ok(())
            }
        }
        let mut card = Hostile(answers, 0);
        if let Ok(mut egk) = Egk::open(&mut card, ApduLength::Extended) {
            let _ = egk.read_files();
            let _ = egk.pin_status();
            let _ = egk.auth_key().sign(b"x");
        }
        // 4096 bytes of certificate, one at a time, are the worst a card can do for each of five files.
        prop_assert!(card.1 < 30_000);
    }
}

#[test]
fn a_gzip_bomb_stops_at_64_kib() {
    let bomb = gzip(&vec![b' '; 50_000_000]);
    assert!(bomb.len() < 60_000);
    assert_eq!(PersonalData::parse(&pd(&bomb)), Err(VsdError::Gzip("EF.PD")));
}

#[test]
fn dtds_entities_and_foreign_schemas_are_refused() {
    const SCHEMA: &str = "http://ws.gematik.de/fa/vsdm/vsd/v5.2";
    let person = |head: &str, root: &str, namespace: &str, family_name: &str| {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>{head}<{root} xmlns=\"{namespace}\"><Versicherter>\
             <Versicherten_ID>A123456780</Versicherten_ID><Person><Geburtsdatum>19640812</Geburtsdatum>\
             <Vorname>E</Vorname><Nachname>{family_name}</Nachname><Geschlecht>W</Geschlecht></Person>\
             </Versicherter></{root}>"
        );
        PersonalData::parse(&pd(&gzip(text.as_bytes())))
    };
    let root = "UC_PersoenlicheVersichertendatenXML";
    assert!(person("", root, SCHEMA, "M").is_ok());
    assert_eq!(person("", root, SCHEMA, "M&amp;M").unwrap().family_name, "M&M");
    let xml = Err(VsdError::Xml("EF.PD"));
    assert_eq!(person("<!DOCTYPE x>", root, SCHEMA, "M"), xml);
    assert_eq!(person("<!DOCTYPE x [<!ENTITY e \"boom\">]>", root, SCHEMA, "&e;"), xml);
    assert_eq!(person("<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>", root, SCHEMA, "&e;"), xml);
    assert_eq!(person("", root, SCHEMA, "&e;"), xml);
    assert_eq!(person("", root, "http://ws.gematik.de/fa/vsdm/vsd/v9.9", "M"), Err(VsdError::Schema("EF.PD")));
    assert_eq!(person("", "UC_AllgemeineVersicherungsdatenXML", SCHEMA, "M"), Err(VsdError::Schema("EF.PD")));
    assert!(person("", root, SCHEMA, &"M".repeat(101)).is_err());
    assert!(person("", root, SCHEMA, "M</Nachname><Nachname>N").is_err(), "twice");
    assert!(person("", root, SCHEMA, "<b>M</b>").is_err(), "not text");
}

#[test]
fn encodings_are_those_the_schemas_know() {
    let person = |encoding: &str, name: &[u8]| {
        let head = format!(
            "<?xml version=\"1.0\" encoding=\"{encoding}\"?><UC_PersoenlicheVersichertendatenXML \
             xmlns=\"http://ws.gematik.de/fa/vsdm/vsd/v5.2\"><Versicherter><Versicherten_ID>A123456780\
             </Versicherten_ID><Person><Geburtsdatum>19640000</Geburtsdatum><Vorname>E</Vorname><Nachname>"
        );
        let tail =
            b"</Nachname><Geschlecht>X</Geschlecht></Person></Versicherter></UC_PersoenlicheVersichertendatenXML>";
        PersonalData::parse(&pd(&gzip(&[head.as_bytes(), name, tail].concat())))
    };
    // ISO-8859-15 differs from ISO-8859-1 in eight places; the euro sign is the one people know.
    assert_eq!(person("ISO-8859-15", b"M\xFCller \xA4").unwrap().family_name, "Müller €");
    assert_eq!(person("UTF-8", "Müller".as_bytes()).unwrap().date_of_birth, "1964-00-00");
    assert!(person("UTF-8", b"M\xFCller").is_err());
    assert!(person("UTF-16", b"M").is_err());
    assert!(person("ISO-8859-1", b"M").is_err());
}

#[test]
fn trailing_bytes_and_wrong_lengths_are_refused() {
    let good = files().pd;
    assert!(PersonalData::parse(&good).is_ok());
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(PersonalData::parse(&longer), Err(VsdError::Layout("EF.PD")));
    assert_eq!(PersonalData::parse(&good[..good.len() - 1]), Err(VsdError::Layout("EF.PD")));
    assert_eq!(PersonalData::parse(&[]), Err(VsdError::Layout("EF.PD")));
    // Something behind the gzip member, but inside the length.
    let inside = pd(&[&good[2..], &[0]].concat());
    assert_eq!(PersonalData::parse(&inside), Err(VsdError::Layout("EF.PD")));
    let vd = files().vd;
    // Byte 5 is where the copy of GVD begins, which nobody looks into.
    for at in [0, 1, 2, 3, 4, 6, 7] {
        let mut wrong = vd.clone();
        wrong[at] = 0xFE;
        assert!(InsuranceData::parse(&wrong).is_err(), "offset byte {at}");
    }
    let mut status = files().status_vd;
    assert_eq!(StatusVd::parse(&status), Ok(StatusVd { update_in_progress: false }));
    status[0] = b'1';
    assert_eq!(StatusVd::parse(&status), Ok(StatusVd { update_in_progress: true }));
    status[0] = b'2';
    assert_eq!(StatusVd::parse(&status), Err(VsdError::Layout("EF.StatusVD")));
}

#[test]
fn a_bundle_of_another_version_or_with_more_in_it_is_refused() {
    assert!(Bundle::parse(b"{}").is_err());
    assert!(Bundle::parse(&vec![b' '; 300_000]).is_err());
    assert!(TestAnchors::default().add_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
    assert!(TestAnchors::default().add_pem(b"nothing").is_err());
}

#[test]
fn numbers_have_one_shape_wherever_they_stand() {
    for text in ["A12345678", "A1234567800", "A12345678x", "a123456780", "1123456780", "A1234567\u{663}"] {
        assert_eq!(text.parse::<Kvnr>(), Err(KvnrError::Shape), "{text}");
    }
    for text in ["99956789", "9995678900", "99956789x", "99956789\u{663}"] {
        assert!(text.parse::<Ik>().is_err(), "{text}");
    }
    for text in ["ABCDEFGHIJ-1", "xABC", "x"] {
        assert_eq!(Kvnr::typed(text), Err(KvnrError::Shape), "{text} is no number with a slip in it");
    }
}

#[test]
fn a_status_of_another_structure_or_without_a_time_is_refused() {
    let good = files().status_vd;
    let layout = Err(VsdError::Layout("EF.StatusVD"));
    for (what, at, byte) in [("time", 5, b'x'), ("structure", 20, 1), ("structure", 21, 0x40), ("structure", 22, 1)] {
        let mut wrong = good.clone();
        wrong[at] = byte;
        assert_eq!(StatusVd::parse(&wrong), layout, "{what}");
    }
    let mut unset = good;
    unset[23..].fill(0);
    assert_eq!(StatusVd::parse(&unset), layout, "no version at all");
}

#[test]
fn offsets_that_point_elsewhere_are_refused_before_anything_is_inflated() {
    let good = files().vd;
    let layout = Err(VsdError::Layout("EF.VD"));
    let (start, end) = ([good[0], good[1]], [good[2], good[3]]);
    let absent = [[0xFF; 2]; 2];
    let with = |offsets: [[u8; 2]; 4]| {
        let last = if offsets[2..] == absent { usize::from(u16::from_be_bytes(end)) } else { good.len() - 1 };
        InsuranceData::parse(&[offsets.as_flattened(), &good[8..=last]].concat())
    };
    assert!(with([start, end, absent[0], absent[1]]).is_ok(), "there need not be a copy of GVD");
    assert_eq!(with([[0, 0], end, absent[0], absent[1]]), layout, "into the offsets themselves");
    assert_eq!(with([end, start, absent[0], absent[1]]), layout, "backwards");
    assert_eq!(with([start, [0xFF, 0xFE], absent[0], absent[1]]), layout, "behind the end");
    assert_eq!(with([start, end, start, end]), layout, "one lies in the other");
    assert_eq!(with([start, end, end, [0xFF, 0xFE]]), layout, "the copy behind the end");
}

#[test]
fn a_person_with_a_date_or_a_sex_that_is_none_is_refused() {
    let person = |birth: &str, sex: &str, name: &str| {
        let text = format!(
            "<UC_PersoenlicheVersichertendatenXML xmlns=\"http://ws.gematik.de/fa/vsdm/vsd/v5.2\"><Versicherter>\
             <Versicherten_ID>A123456780</Versicherten_ID><Person><Geburtsdatum>{birth}</Geburtsdatum>\
             <Vorname>E</Vorname><Nachname>{name}</Nachname><Geschlecht>{sex}</Geschlecht></Person>\
             </Versicherter></UC_PersoenlicheVersichertendatenXML>"
        );
        PersonalData::parse(&pd(&gzip(text.as_bytes())))
    };
    for sex in ["M", "W", "X", "D"] {
        assert!(person("19640812", sex, "M").is_ok());
    }
    let wrong = |element| Err(VsdError::Element { file: "EF.PD", element });
    assert_eq!(person("19640812", "Z", "M"), wrong("Geschlecht"));
    for birth in ["1964081", "196408123", "1964+8+1", "abcd0000", "19641312", "19640231", "19640012"] {
        assert_eq!(person(birth, "X", "M"), wrong("Geburtsdatum"), "{birth}");
    }
    for birth in ["19640800", "19640000"] {
        assert!(person(birth, "X", "M").is_ok(), "{birth}: not all of it is known");
    }
    assert_eq!(person("19640812", "X", "M\u{85}M"), wrong("Nachname"), "a control character");
    assert_eq!(person("19640812", "X", " "), wrong("Nachname"), "blanks are no name");
}

#[test]
fn an_insurance_begins_on_a_day_that_is_known() {
    let insurance = |begins: &str| {
        let text = format!(
            "<UC_AllgemeineVersicherungsdatenXML xmlns=\"http://ws.gematik.de/fa/vsdm/vsd/v5.2\"><Versicherter>\
             <Versicherungsschutz><Beginn>{begins}</Beginn><Kostentraeger><Kostentraegerkennung>999567890\
             </Kostentraegerkennung><Name>Musterkasse</Name></Kostentraeger></Versicherungsschutz></Versicherter>\
             </UC_AllgemeineVersicherungsdatenXML>"
        );
        let gzip = gzip(text.as_bytes());
        let end = u16::try_from(8 + gzip.len() - 1).unwrap().to_be_bytes();
        InsuranceData::parse(&[&[0, 8, end[0], end[1], 0xFF, 0xFF, 0xFF, 0xFF], gzip.as_slice()].concat())
    };
    assert_eq!(insurance("20200101").unwrap().start, "2020-01-01");
    for unknown in ["20200100", "20200000"] {
        assert_eq!(insurance(unknown), Err(VsdError::Element { file: "EF.VD", element: "Beginn" }), "{unknown}");
    }
}

#[test]
fn an_element_is_what_its_schema_says_and_not_what_it_is_called() {
    const ROOT: &str = "UC_PersoenlicheVersichertendatenXML";
    let person = |namespace: &str, more: &str| {
        let text = format!(
            "<{ROOT} xmlns=\"{namespace}\"><Versicherter><Versicherten_ID>A123456780</Versicherten_ID><Person>\
             <Geburtsdatum>19640812</Geburtsdatum><Vorname>E</Vorname><Nachname>M</Nachname><Geschlecht>W</Geschlecht>\
             {more}</Person></Versicherter></{ROOT}>"
        );
        PersonalData::parse(&pd(&gzip(text.as_bytes())))
    };
    let schema = Err(VsdError::Schema("EF.PD"));
    let own = format!("http://ws.gematik.de/fa/vsds/{ROOT}/v5.1");
    assert!(person(&own, "").is_ok());
    assert_eq!(person(&own.replace("v5.1", "v5.0"), ""), schema);
    assert_eq!(person("http://ws.gematik.de/fa/vsds/UC_AllgemeineVersicherungsdatenXML/v5.1", ""), schema);
    let strangers = person(&own, "<Vorname xmlns=\"http://stranger.example\">X</Vorname>").unwrap();
    assert_eq!(strangers.given_name, "E", "somebody else's element");
    assert_eq!(person(&own, &"<x/>".repeat(2_000)), Err(VsdError::Xml("EF.PD")), "more of them than any card holds");
}
