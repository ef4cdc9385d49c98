//! C.CH.AUT: its parts are those of the bytes, and no certificate is believed but the one that was issued.

use std::sync::LazyLock;

use kartenbund::identity::certificate::Certificate;
use kartenbund::pki::{self, Issuer, TestAnchors};
use time::OffsetDateTime;

use super::{seeds, tlv};

/// Longest certificate that is read.
const MAX: usize = 8 * 1024;
/// Longest name part.
const MAX_NAME: usize = 64;

/// The CA of the fixtures, what is signed in the certificates it issued, and a time at which they are valid.
static ISSUED: LazyLock<(TestAnchors, Vec<Vec<u8>>, OffsetDateTime)> = LazyLock::new(|| {
    let mut anchors = TestAnchors::default();
    anchors.add_pem(seeds::CA_PEM).expect("the fixture is a CA");
    let cards: Vec<_> = seeds::card_files()
        .iter()
        .map(|files| Certificate::parse(files.certificate.der()).expect("a certificate"))
        .collect();
    let at = cards.iter().map(|card| card.not_before).max().expect("there are cards");
    (anchors, cards.into_iter().map(|card| card.tbs).collect(), at)
});

pub fn body(bytes: &[u8]) {
    let Ok(certificate) = Certificate::parse(bytes) else {
        assert!(Issuer::from_der(bytes).is_err());
        return;
    };
    assert!(bytes.len() <= MAX, "bounded");
    assert_eq!(certificate.der, bytes);

    // RFC 5280, 4.1: SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }, and nothing behind it.
    let whole = tlv::object(bytes).expect("DER has one way to write a length");
    let [tbs, algorithm, signature] = [0, 1, 2].map({
        let mut rest = whole.value;
        move |_| {
            let next = tlv::object(rest).expect("three parts");
            rest = next.rest;
            next
        }
    });
    assert!(whole.rest.is_empty() && signature.rest.is_empty(), "nothing behind it");
    assert_eq!(certificate.tbs, tbs.whole);
    assert_eq!(certificate.signature_algorithm, algorithm.whole);
    assert_eq!(Some((&0, certificate.signature.as_slice())), signature.value.split_first(), "whole bytes");

    if let Ok(holder) = certificate.holder() {
        let text = holder.kvnr.as_str().to_owned() + holder.payer_ik.as_str();
        assert_eq!(text.len(), 19, "a letter and nine digits, nine digits");
        for name in [&holder.given_name, &holder.surname] {
            assert!((1..=MAX_NAME).contains(&name.chars().count()));
        }
    }
    let (anchors, issued, at) = &*ISSUED;
    if pki::verify(bytes, anchors, *at).is_ok() {
        assert!(issued.contains(&certificate.tbs), "nobody signed this");
    }
}
