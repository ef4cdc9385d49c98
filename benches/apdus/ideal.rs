//! The least that must pass, computed from the specification and from how long the files are, and not with the product's
//! code: one command for each file and as few as the length allows, no byte asked for twice, nothing selected that is
//! selected.

use kartenbund::egk::{ApduLength, Egk};
use kartenbund::virtual_card::VirtualCard;

use crate::Exchange;
use crate::common::{blueprint, ca, image_by};
use crate::flows::{PERSON, Way};

/// How long the files' content is, in bytes.
pub(crate) struct Content {
    version: usize,
    gdo: usize,
    status: usize,
    pd: usize,
    vd: usize,
    certificate: usize,
}

impl Content {
    /// Of the card that is counted.
    pub(crate) fn of_card() -> Self {
        let card = VirtualCard::load(&image_by(&ca(), &blueprint(PERSON))).unwrap();
        let files = Egk::open(card, ApduLength::Extended).unwrap().read_files().unwrap();
        Self {
            version: 45, // facts of every card seen: EF.Version2 ends there
            gdo: 12,
            status: 25,
            pd: files.pd.len(),
            vd: files.vd.len(),
            certificate: files.certificate.der().len(),
        }
    }
}

/// A command before it is protected: data, what is asked for, what is answered.
#[derive(Clone, Copy)]
struct Plain {
    data: usize,
    asks: bool,
    answer: usize,
}

/// SELECT by an application identifier of so many bytes, without FCP.
fn select(aid: usize) -> Plain {
    Plain { data: aid, asks: false, answer: 0 }
}

/// READ BINARY; one or more, as the way allows.
fn read(length: usize, way: Way) -> Vec<Plain> {
    let most = match way {
        Way::Contact(ApduLength::Extended) | Way::Contactless(ApduLength::Extended) => 65_536,
        Way::Contact(_) => 256,
        // 223 bytes become 224 with their padding: 87 81 E1 01, 99 02 SW, 8E 08 MAC are 242; 16 more do not fit.
        Way::Contactless(_) => 223,
    };
    let parts = (0..length.div_ceil(most)).map(|part| (length - part * most).min(most));
    parts.map(|answer| Plain { data: 0, asks: true, answer }).collect()
}

/// With the lengths as ISO/IEC 7816-3, 12.1.3 writes them: short where it fits.
fn on_line(data: usize, asks: bool, answer: usize) -> Exchange {
    let is_extended = data > 255 || answer > 256;
    let lengths = match (data, asks, is_extended) {
        (0, false, _) => 0,
        (0, true, false) => 1,
        (0, true, true) => 3,
        (data, false, _) => 1 + data,
        (data, true, false) => 1 + data + 1,
        (data, true, true) => 3 + data + 2,
    };
    Exchange { up: 4 + lengths, down: answer + 2 }
}

/// ISO/IEC 7816-4, 10: cryptogram, expected length, seal; the answer's cryptogram, status, seal.
fn protected(plain: Plain) -> Exchange {
    let cryptogram = |length: usize| match length {
        0 => 0,
        length => {
            let value = 1 + (length + 1).next_multiple_of(16);
            let header = 1 + match value {
                0..=0x7F => 1,
                0x80..=0xFF => 2,
                _ => 3,
            };
            header + value
        }
    };
    let is_extended = plain.answer > 223;
    let expected = match (plain.asks, is_extended) {
        (false, _) => 0,
        (true, false) => 3,
        (true, true) => 4,
    };
    let data = cryptogram(plain.data) + expected + 10;
    let lengths = if is_extended { 3 + data + 2 } else { 1 + data + 1 };
    Exchange { up: 4 + lengths, down: cryptogram(plain.answer) + 4 + 10 + 2 }
}

fn way_of(way: Way, plain: &[Plain]) -> Vec<Exchange> {
    let pass = |plain: &Plain| match way {
        Way::Contact(_) => on_line(plain.data, plain.asks, plain.answer),
        Way::Contactless(_) => protected(*plain),
    };
    plain.iter().map(pass).collect()
}

/// SELECT by the health card's application identifier, READ BINARY of EF.Version2.
pub(crate) fn identify(content: &Content) -> Vec<Exchange> {
    vec![on_line(7, false, 0), on_line(0, true, content.version)]
}

/// READ BINARY of EF.CardAccess (22 bytes), MSE SET AT (15), and four times GENERAL AUTHENTICATE: nonce (16), points (65),
/// tokens (8), each in two data objects.
pub(crate) fn pace() -> Vec<Exchange> {
    vec![
        on_line(0, true, 22),
        on_line(15, false, 0),
        on_line(2, true, 20),
        on_line(69, true, 69),
        on_line(69, true, 69),
        on_line(12, true, 12),
    ]
}

/// EF.GDO in the MF, which is selected; DF.HCA with three files; DF.ESIGN with one.
pub(crate) fn files(way: Way, content: &Content) -> Vec<Exchange> {
    let plain = [
        read(content.gdo, way),
        vec![select(6)],
        read(content.status, way),
        read(content.pd, way),
        read(content.vd, way),
        vec![select(10)],
        read(content.certificate, way),
    ];
    way_of(way, &plain.concat())
}

/// GET PIN STATUS, VERIFY, DF.ESIGN, MSE SET, PSO COMPUTE DIGITAL SIGNATURE.
pub(crate) fn sign(way: Way) -> Vec<Exchange> {
    way_of(way, &[pin_status(), verify(), select(10), mse_set(), signature()])
}

/// EF.GDO in the MF, which is selected, and EF.PD in DF.HCA, so that no device PIN is made of what stands on the card; then
/// certificate, PIN and two signatures, all in DF.ESIGN. The product looks at the certificate first, so that the wrong card
/// is found at once, and has two more SELECT to send for it.
pub(crate) fn register(way: Way, content: &Content) -> Vec<Exchange> {
    let plain = [
        read(content.gdo, way),
        vec![select(6)],
        read(content.pd, way),
        vec![select(10)],
        read(content.certificate, way),
        vec![pin_status(), verify(), mse_set(), signature(), signature()],
    ];
    let secured = if way.is_contactless() { pace() } else { Vec::new() };
    [identify(content), secured, way_of(way, &plain.concat())].concat()
}

fn pin_status() -> Plain {
    Plain { data: 0, asks: false, answer: 0 }
}

fn verify() -> Plain {
    Plain { data: 8, asks: false, answer: 0 }
}

fn mse_set() -> Plain {
    Plain { data: 6, asks: false, answer: 0 }
}

fn signature() -> Plain {
    Plain { data: 32, asks: true, answer: 64 }
}
