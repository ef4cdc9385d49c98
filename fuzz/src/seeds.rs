//! What every target begins with: made of the fixtures, which are fictional.

use base64::Engine as _;
use kartenbund::egk::{ApduLength, CardFiles, Egk};
use kartenbund::virtual_card::VirtualCard;

use super::{apdus, code, cvc, ocsp, picture, session, trust_list, vsd};

/// The CA of the fixture cards.
pub(crate) const CA_PEM: &[u8] = include_bytes!("../../fixtures/pki/test-egk-ca.pem");
const CARDS: [&str; 2] = [session::IMAGE, include_str!("../../fixtures/cards/max.xml")];
/// Sessions with contacts.
const SESSIONS: [&str; 2] = [
    include_str!("../../fixtures/sessions/read-erika.jsonl"),
    include_str!("../../fixtures/sessions/read-erika-short.jsonl"),
];

/// All targets.
pub const TARGETS: [&str; 12] = [
    "tlv",
    "vsd",
    "certificate",
    "cvc",
    "ocsp",
    "trust_list",
    "image",
    "secure_messaging",
    "replay",
    "apdus",
    "code",
    "picture",
];

/// What `target` begins with.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "tlv" => tlv(),
        "vsd" => vsd_files(),
        "certificate" => certificates(),
        "cvc" => cvc::seeds(),
        "ocsp" => ocsp::seeds(),
        "trust_list" => trust_list::seeds(),
        "image" => CARDS.map(|image| image.as_bytes().to_vec()).to_vec(),
        "secure_messaging" => secure_messaging(),
        "replay" => sessions(),
        "apdus" => apdus::seeds(),
        "code" => code::seeds(),
        "picture" => picture::seeds(),
        _ => Vec::new(),
    }
}

/// The files of both cards.
pub(crate) fn card_files() -> Vec<CardFiles> {
    let read = |image: &&str| {
        let card = VirtualCard::load(image).expect("the fixture is an image");
        Egk::open(card, ApduLength::Extended).expect("a health card").read_files().expect("it can be read")
    };
    CARDS.iter().map(read).collect()
}

fn tlv() -> Vec<Vec<u8>> {
    let commands = ["00A4040C07D2760001448000", "00B09C0000", "00B0910000", "00B0820000", "00A4020402011C00"];
    let mut card = session::card(false);
    let answers = commands.iter().map(|command| {
        let mut answer = card.execute(&session::command(command).to_bytes());
        answer.truncate(answer.len() - 2);
        answer
    });
    let pace = session::contactless().into_iter().filter(|(tx, _)| tx[1] == 0x86);
    let pace = pace.flat_map(|(tx, rx)| [tx[5..tx.len() - 1].to_vec(), rx[..rx.len() - 2].to_vec()]);
    // An object whose inner one reaches beyond it.
    let beyond = vec![0xE1, 3, 0xC1, 0x81, 1, 0xAA];
    answers.chain(pace).chain([beyond]).filter(|object| !object.is_empty()).collect()
}

fn vsd_files() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for files in card_files() {
        for raw in [&files.status_vd, &files.pd, &files.vd] {
            seeds.push([&[vsd::RAW], raw.as_slice()].concat());
        }
        let vd = &files.vd[8..=usize::from(u16::from_be_bytes([files.vd[2], files.vd[3]]))];
        for (mode, gzip) in [(vsd::PD_DOCUMENT, &files.pd[2..]), (vsd::VD_DOCUMENT, vd)] {
            seeds.push([&[mode, 0], vsd::unpacked(gzip).as_slice()].concat());
        }
    }
    seeds
}

fn certificates() -> Vec<Vec<u8>> {
    let pem: String = std::str::from_utf8(CA_PEM).expect("PEM").lines().filter(|line| !line.contains('-')).collect();
    let ca = base64::engine::general_purpose::STANDARD.decode(pem).expect("PEM");
    card_files().iter().map(|files| files.certificate.der().to_vec()).chain([ca]).collect()
}

fn secure_messaging() -> Vec<Vec<u8>> {
    let mut seeds = vec![vec![1, 0x00, 0xB0, 0x81, 0x00, 0, 0, 0, 0xDF, 0, 4, 1, 2, 3, 4, 0x90, 0x00, 0]];
    seeds.push(seeds[0].repeat(3)[..40].to_vec());
    for objects in ["99029000", "810362010799029000", "8711017AB1C4D6E0F21304162738495A6B7C8D99029000", "99026282"] {
        seeds.push([&[2, 0x90, 0x00], hex::decode(objects).expect("hexadecimal").as_slice()].concat());
    }
    for objects in ["", "9701DF", "8103620107970100", "8711017AB1C4D6E0F21304162738495A6B7C8D97020000"] {
        seeds.push([&[3, 0x0C, 0xB0, 0x81, 0x00], hex::decode(objects).expect("hexadecimal").as_slice()].concat());
    }
    for (_, answer) in session::contactless() {
        seeds.push([&[0, 0x90, 0x00, answer.len() as u8], answer.as_slice()].concat());
    }
    seeds
}

fn sessions() -> Vec<Vec<u8>> {
    let session = session::contactless();
    let contactless = session::file(session.iter().map(|(tx, rx)| (tx.as_slice(), rx.as_slice())));
    let changes = (0..8).map(|number| vec![0xFF, 0, number, number % 2, 0, 9 * number, 1]);
    let files = SESSIONS.map(str::to_owned).into_iter().chain([contactless]);
    files.map(String::into_bytes).chain(changes).collect()
}
