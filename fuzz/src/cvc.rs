//! Card-verifiable certificates: each has one form, and no chip is believed but one that was vouched for.

use std::sync::LazyLock;

use kartenbund::egk::{ApduLength, Egk};
use kartenbund::pki::cvc::{AuthorityName, Cvc, Holder, TestCvcRoots, verify};
use time::{Date, OffsetDateTime};

use super::session;

/// Longest certificate that is read.
const MAX: usize = 512;
const ROOT: &[u8] = include_bytes!("../../fixtures/pki/test-cvc-root.cvc");

/// What is known of the fixture card's chip.
struct Chip {
    chip: Vec<u8>,
    authority: Vec<u8>,
    roots: TestCvcRoots,
    at: OffsetDateTime,
}

static CHIP: LazyLock<Chip> = LazyLock::new(|| {
    let mut egk = Egk::open(session::card(false), ApduLength::Extended).expect("a health card");
    let chip = egk.read_chip_certificate().expect("it has one");
    let authority = egk.read_chip_authority().expect("and one above it");
    let mut roots = TestCvcRoots::default();
    roots.add_certificate(ROOT).expect("the fixture is a root");
    let at = Cvc::parse(&chip).expect("a certificate").effective.midnight().assume_utc();
    assert!(verify(&chip, &authority, &roots, at).is_ok());
    Chip { chip, authority, roots, at }
});

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    vec![CHIP.chip.clone(), CHIP.authority.clone(), ROOT.to_vec()]
}

pub fn body(bytes: &[u8]) {
    let Chip { chip, authority, roots, at } = &*CHIP;
    // As a chip's, and as that of a CA.
    assert!(verify(bytes, authority, roots, *at).is_err() || bytes == chip, "nobody vouches for this chip");
    assert!(verify(chip, bytes, roots, *at).is_err() || bytes == authority, "nor for this CA");

    let Ok(cvc) = Cvc::parse(bytes) else {
        assert!(TestCvcRoots::default().add_certificate(bytes).is_err());
        return;
    };
    assert!(bytes.len() <= MAX, "bounded");
    // Only its owner can have signed a root by itself.
    if TestCvcRoots::default().add_certificate(bytes).is_ok() {
        assert!(bytes == ROOT, "nobody signed this");
    }
    let (_, signature) = bytes.split_last_chunk::<64>().expect("a signature stands at the end");
    assert_eq!(written(&cvc, signature), bytes, "what was read is all there is");
}

/// The certificate as the specification writes it (gemSpec_PKI, 6.7).
fn written(cvc: &Cvc, signature: &[u8; 64]) -> Vec<u8> {
    let holder = match &cvc.holder {
        Holder::Authority(name) => name_bytes(name),
        Holder::Chip { key_id, iccsn } => [&key_id[..], &hex::decode(iccsn.to_string()).expect("digits")].concat(),
    };
    let key = [object(&[0x06], &cvc.key_oid), object(&[0x86], &cvc.point)].concat();
    let rights = [object(&[0x06], &cvc.flag_list), object(&[0x53], &cvc.flags)].concat();
    let content = [
        object(&[0x5F, 0x29], &[0x70]),
        object(&[0x42], &name_bytes(&cvc.issuer)),
        object(&[0x7F, 0x49], &key),
        object(&[0x5F, 0x20], &holder),
        object(&[0x7F, 0x4C], &rights),
        object(&[0x5F, 0x25], &date(cvc.effective)),
        object(&[0x5F, 0x24], &date(cvc.expires)),
    ];
    object(&[0x7F, 0x21], &[object(&[0x7F, 0x4E], &content.concat()), object(&[0x5F, 0x37], signature)].concat())
}

/// Five characters, then three bytes in hexadecimal.
fn name_bytes(name: &AuthorityName) -> Vec<u8> {
    let text = name.to_string();
    let (characters, number) = text.split_at(5);
    [characters.as_bytes(), &hex::decode(number).expect("hexadecimal")].concat()
}

fn date(date: Date) -> [u8; 6] {
    let year = (date.year() - 2000) as u8;
    [year, u8::from(date.month()), date.day()]
        .map(|number| [number / 10, number % 10])
        .as_flattened()
        .try_into()
        .expect("six")
}

fn object(tag: &[u8], value: &[u8]) -> Vec<u8> {
    let length = match value.len() {
        length @ 0..=0x7F => vec![length as u8],
        length => vec![0x81, length as u8],
    };
    [tag, &length, value].concat()
}
