//! Signatures of RSA cards: the algorithm follows from the key of the certificate, and only RSASSA-PSS with SHA-256 and
//! 32 bytes of salt is one. OpenSSL signs.
#![allow(clippy::cast_possible_truncation)]

use kartenbund::identity::certificate::PublicKey;
use kartenbund::jose::jws::{ByCard, Signer};
use kartenbund::pki::CardKey;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer as OpensslSigner};

use super::*;

fn key_of(rsa: &Rsa<Private>) -> Option<CardKey> {
    CardKey::of(&PublicKey::Rsa(rsa.public_key_to_der_pkcs1().unwrap()))
}

fn sign_as(rsa: &Rsa<Private>, padding: Padding, salt: i32, digest: MessageDigest, message: &[u8]) -> Vec<u8> {
    let key = PKey::from_rsa(rsa.clone()).unwrap();
    let mut signer = OpensslSigner::new(digest, &key).unwrap();
    signer.set_rsa_padding(padding).unwrap();
    if padding == Padding::PKCS1_PSS {
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt)).unwrap();
    }
    signer.sign_oneshot_to_vec(message).unwrap()
}

fn pss(rsa: &Rsa<Private>, message: &[u8]) -> Vec<u8> {
    sign_as(rsa, Padding::PKCS1_PSS, 32, MessageDigest::sha256(), message)
}

#[test]
fn only_a_pss_signature_with_the_right_salt_and_hash_is_one() {
    let rsa = Rsa::generate(2048).unwrap();
    let key = key_of(&rsa).unwrap();
    let (message, sha256) = (b"message", MessageDigest::sha256());
    let good = pss(&rsa, message);
    assert!(key.verify(message, &good));
    assert!(!key.verify(b"another", &good));
    for at in [0, 100, 255] {
        let mut altered = good.clone();
        altered[at] ^= 1;
        assert!(!key.verify(message, &altered), "{at}");
    }
    assert!(!key.verify(message, &[&good[..], &[0]].concat()) && !key.verify(message, &good[1..]));
    assert!(!key.verify(message, &[]));
    for salt in [0, 20, 31, 33, 64] {
        assert!(!key.verify(message, &sign_as(&rsa, Padding::PKCS1_PSS, salt, sha256, message)), "{salt}");
    }
    assert!(!key.verify(message, &sign_as(&rsa, Padding::PKCS1, 0, sha256, message)), "PKCS#1 v1.5");
    assert!(!key.verify(message, &sign_as(&rsa, Padding::PKCS1_PSS, 32, MessageDigest::sha512(), message)));
}

#[test]
fn keys_that_are_short_long_or_of_a_small_exponent_are_none() {
    for (bits, fits) in [(1024, false), (2047, false), (2048, true), (4096, true), (4104, false)] {
        assert_eq!(key_of(&Rsa::generate(bits).unwrap()).is_some(), fits, "{bits}");
    }
    let honest = Rsa::generate(2048).unwrap();
    let with_exponent = |e: u32| {
        let n = honest.n().to_owned().unwrap();
        let public = Rsa::from_public_components(n, BigNum::from_u32(e).unwrap()).unwrap();
        CardKey::of(&PublicKey::Rsa(public.public_key_to_der_pkcs1().unwrap()))
    };
    assert!(with_exponent(65_537).is_some());
    for e in [1, 2, 3, 17, 65_535, 65_538] {
        assert!(with_exponent(e).is_none(), "{e}");
    }
}

/// Signs with an RSA key and calls it what the attacker likes.
struct Liar<'a>(&'a Rsa<Private>, &'static str);

impl Signer<ByCard> for Liar<'_> {
    type Error = std::convert::Infallible;

    fn name(&self) -> &'static str {
        self.1
    }

    fn sign(&mut self, signing_input: &[u8]) -> Result<Vec<u8>, Self::Error> {
        Ok(pss(self.0, signing_input))
    }
}

#[test]
fn a_message_does_not_say_how_it_is_verified() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let rsa = Rsa::generate(2048).unwrap();
    let rsa_key = key_of(&rsa).unwrap();
    let verify = |jws: &str, key: &CardKey| jws::verify::<PairingData>(jws, key).map(drop);
    assert_eq!(verify(&sign(&attempt.pairing, Liar(&rsa, "PS256")).unwrap(), &rsa_key), Ok(()));
    for lie in ["BP256R1", "RS256", "none", "ES256"] {
        let jws = sign(&attempt.pairing, Liar(&rsa, lie)).unwrap();
        assert_eq!(verify(&jws, &rsa_key), Err(JwsError::Header), "{lie}");
    }
    // The certificate is Erika's, on brainpoolP256r1.
    let ecdsa_key = CardKey::of(&attempt.certificate.public_key).unwrap();
    let of_card = attempt.sign_pairing();
    assert_eq!(verify(&of_card, &ecdsa_key), Ok(()));
    assert_eq!(verify(&of_card, &rsa_key), Err(JwsError::Header));
    for name in ["PS256", "BP256R1"] {
        let jws = sign(&attempt.pairing, Liar(&rsa, name)).unwrap();
        let error = if name == "PS256" { JwsError::Header } else { JwsError::Signature };
        assert_eq!(verify(&jws, &ecdsa_key), Err(error), "{name}");
    }
}

/// One object of DER (ITU-T X.690, 8.1).
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match content.len() {
        short @ 0..=127 => vec![short as u8],
        long => vec![0x82, (long >> 8) as u8, long as u8],
    };
    [&[tag], &length[..], content].concat()
}

/// The certificate of `card` with some bytes of what is signed exchanged, signed anew with the published key of its CA by
/// SHA-256, and `algorithm` beside the signature.
fn signed_anew(card: &Certificate, change: (&[u8], &[u8]), algorithm: &[u8], ca_key: &str) -> Vec<u8> {
    let at = card.tbs.windows(change.0.len()).position(|part| part == change.0).unwrap();
    let tbs = [&card.tbs[..at], change.1, &card.tbs[at + change.0.len()..]].concat();
    let key = PKey::private_key_from_pem(&std::fs::read(ca_key).unwrap()).unwrap();
    let signature = OpensslSigner::new(MessageDigest::sha256(), &key).unwrap().sign_oneshot_to_vec(&tbs).unwrap();
    der(0x30, &[&tbs, algorithm, &der(0x03, &[&[0], &signature[..]].concat())].concat())
}

const EC_CA: &str = "fixtures/pki/test-egk-ca.key.pem";
const RSA_CA: &str = "fixtures/pki/test-egk-rsa-ca.key.pem";
/// AlgorithmIdentifiers (RFC 5758, 3.2; RFC 4055, 5): with SHA-256, and with SHA-384 of which each is a lie.
const ECDSA_SHA256: &[u8] = b"\x30\x0A\x06\x08\x2A\x86\x48\xCE\x3D\x04\x03\x02";
const ECDSA_SHA384: &[u8] = b"\x30\x0A\x06\x08\x2A\x86\x48\xCE\x3D\x04\x03\x03";
const RSA_SHA256: &[u8] = b"\x30\x0D\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0B\x05\x00";
const RSA_SHA384: &[u8] = b"\x30\x0D\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0C\x05\x00";

fn old_card() -> Certificate {
    let image = std::fs::read_to_string("fixtures/cards/otto-rsa.xml").unwrap();
    certificate_of(&mut VirtualCard::load(&image).unwrap())
}

#[test]
fn a_certificate_is_signed_with_the_algorithm_it_names_and_with_no_other() {
    let anchors = anchors_of(&[&ca(), &TestCa::built_in_rsa().unwrap()]);
    let (new, old) = (certificate_of(&mut card(ERIKA)), old_card());
    let verdict = |der: &[u8]| pki::verify(der, &anchors, NOW).map(drop);
    assert_eq!(verdict(&signed_anew(&new, (ECDSA_SHA256, ECDSA_SHA256), ECDSA_SHA256, EC_CA)), Ok(()));
    assert_eq!(verdict(&signed_anew(&old, (RSA_SHA256, RSA_SHA256), RSA_SHA256, RSA_CA)), Ok(()));
    let lie = signed_anew(&new, (ECDSA_SHA256, ECDSA_SHA384), ECDSA_SHA384, EC_CA);
    assert_eq!(verdict(&lie), Err(PkiError::Signature));
    let lie = signed_anew(&old, (RSA_SHA256, RSA_SHA384), RSA_SHA384, RSA_CA);
    assert_eq!(verdict(&lie), Err(PkiError::Signature));
    // One CA's name, the other one's key.
    let stranger = signed_anew(&old, (RSA_SHA256, RSA_SHA256), RSA_SHA256, EC_CA);
    assert_eq!(verdict(&stranger), Err(PkiError::Signature));
}

/// gemSpec_PKI, 5.1: with RSA, keyEncipherment may stand beside digitalSignature; on the curve it may not.
#[test]
fn what_else_a_key_may_be_for_depends_on_its_kind() {
    let anchors = anchors_of(&[&ca(), &TestCa::built_in_rsa().unwrap()]);
    let (new, old) = (certificate_of(&mut card(ERIKA)), old_card());
    let verdict = |der: &[u8]| pki::verify(der, &anchors, NOW).map(drop);
    // KeyUsage as a BIT STRING: digitalSignature is bit 0, keyEncipherment bit 2, dataEncipherment bit 3.
    let (only, enciphers, more) = (b"\x03\x02\x07\x80", b"\x03\x02\x05\xA0", b"\x03\x02\x04\xB0");
    assert_eq!(verdict(&signed_anew(&old, (only, enciphers), RSA_SHA256, RSA_CA)), Ok(()));
    assert_eq!(verdict(&signed_anew(&old, (only, more), RSA_SHA256, RSA_CA)), Err(PkiError::Usage));
    assert_eq!(verdict(&signed_anew(&new, (only, enciphers), ECDSA_SHA256, EC_CA)), Err(PkiError::Usage));
}

/// A key that nobody can reckon with safely is no key, whoever signed the certificate.
#[test]
fn a_certificate_with_a_key_out_of_bounds_is_refused() {
    let anchors = anchors_of(&[&TestCa::built_in_rsa().unwrap()]);
    let old = old_card();
    // RSAPublicKey: the exponent is its last number.
    let (honest, three) = (b"\x02\x03\x01\x00\x01", b"\x02\x03\x00\x00\x03");
    let refused = pki::verify(&signed_anew(&old, (honest, three), RSA_SHA256, RSA_CA), &anchors, NOW).unwrap_err();
    assert_eq!(refused, PkiError::UnsupportedKey);
    let even = b"\x02\x03\x01\x00\x02";
    let refused = pki::verify(&signed_anew(&old, (honest, even), RSA_SHA256, RSA_CA), &anchors, NOW).unwrap_err();
    assert_eq!(refused, PkiError::UnsupportedKey);
}
