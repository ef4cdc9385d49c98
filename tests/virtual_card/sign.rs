//! Signing with the card's key (gemSpec_COS, 14.8.2 and 14.9.9).

use kartenbund::virtual_card::VirtualCard;
use openssl::hash::MessageDigest;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};
use openssl::x509::X509;
use sha2::{Digest as _, Sha256};

use super::{
    CHOOSE_KEY, RIGHT_PIN, SELECT_ESIGN, SELECT_HCA, SIGN, card, erika, file, image, openssl_verifies, play, send,
};

#[test]
fn the_signature_is_one_of_the_certificate() {
    let mut card = card();
    let certificate = file(&mut card, SELECT_ESIGN, 0x04);
    play(&mut card, &[(RIGHT_PIN, "9000"), (CHOOSE_KEY, "9000")]);
    let answer = hex::decode(send(&mut card, SIGN)).unwrap();
    let (signature, status) = answer.split_at(64);
    assert_eq!(status, [0x90, 0x00]);
    // SHA-256("abc"), FIPS 180-2, B.1.
    let hash = hex::decode("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD").unwrap();
    assert!(openssl_verifies(&certificate, &hash, signature));
    assert!(!openssl_verifies(&certificate, &Sha256::digest(b"abd"), signature));
    // No random numbers are involved: the same again.
    assert_eq!(send(&mut card, SIGN), hex::encode_upper(&answer));
}

#[test]
fn the_key_signs_nothing_but_32_bytes_for_who_asks_rightly() {
    let hash = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
    let sign = |command: &str| command.replace("HASH", hash);
    let mut card = card();
    play(
        &mut card,
        &[
            (SELECT_ESIGN, "9000"),
            (SIGN, "6985"),
            ("002241B606840183800100", "6A88"),
            ("002241B606840104800100", "6A88"),
            ("002241B606840184800105", "6A81"),
            ("002241B606840184800154", "6A81"),
            ("002241B603840184", "6A80"),
            ("002241B606840184810100", "6A80"),
            ("002241B607840184800100 00", "6A80"),
            ("002241B60684018480010000", "6700"),
            ("002241B6", "6700"),
            ("002241A406840184800100", "6A86"),
            ("0022C1A40F800A04007F00070202040202830102", "9000"),
            ("0022C1A40F800A04007F00070202040202830103", "6A88"),
            ("0022C1A40F800A04007F00070202040201830102", "6A81"),
            ("0022C1A403830102", "6A80"),
            (SIGN, "6985"),
            ("002241B606800100840184", "9000"),
            (SIGN, "6982"),
            (RIGHT_PIN, "9000"),
            (&sign("002A9E9A20HASH"), "6700"),
            (&sign("002A9E9A20HASH3F"), "6700"),
            (&sign("002A9E9A21HASH0000"), "6700"),
            ("002A9E9A03ABCDEF00", "6700"),
            ("002A9E9A00", "6700"),
            (&sign("002A8086 20 HASH 00"), "6A86"),
            (&sign("002A9EAC20HASH00"), "6A86"),
        ],
    );
    let signature = send(&mut card, SIGN);
    assert_eq!(signature.len(), 2 * 66);
    assert_eq!(send(&mut card, &sign("002A9E9A20HASH40")), signature);
    assert_eq!(send(&mut card, &sign("002A9E9A000020HASH0000")), signature);
}

#[test]
fn the_key_of_an_application_is_not_there_outside_of_it() {
    play(&mut card(), &[(CHOOSE_KEY, "6A88"), (SELECT_HCA, "9000"), (CHOOSE_KEY, "6A88")]);
}

#[test]
fn a_key_in_name_only_does_not_sign() {
    for change in ["AttributeNotSet", &"0".repeat(64), &"F".repeat(64)] {
        let image = image(&erika());
        let at = image.find("<attribute id=\"privateKey\">").unwrap() + "<attribute id=\"privateKey\">".len();
        let without = format!("{}{change}{}", &image[..at], &image[at + 64..]);
        play(
            &mut VirtualCard::load(&without).unwrap(),
            &[(SELECT_ESIGN, "9000"), (CHOOSE_KEY, "9000"), (SIGN, "6982"), (RIGHT_PIN, "9000"), (SIGN, "6400")],
        );
    }
}

/// The signature of an old card fills a short answer to its last byte: 256 are asked for as `00`, and less is too little.
#[test]
fn an_old_card_signs_with_pss_and_gives_all_of_it_or_nothing() {
    let image = std::fs::read_to_string("fixtures/cards/otto-rsa.xml").unwrap();
    let mut card = VirtualCard::load(&image).unwrap();
    let certificate = X509::from_der(&file(&mut card, SELECT_ESIGN, 0x01)).unwrap();
    let hash = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
    play(
        &mut card,
        &[
            ("002241B606840184800100", "6A88"), // no key on the curve
            ("002241B606840182800100", "6A81"), // which does not serve ECDSA
            ("002241B606840182800105", "9000"),
            (&format!("002A9E9A20{hash}00"), "6982"),
            (RIGHT_PIN, "9000"),
            (&format!("002A9E9A20{hash}FF"), "6700"),
            (&format!("002A9E9A000020{hash}00FF"), "6700"),
        ],
    );
    for le in ["00", "0100", "0000"] {
        let extended = if le == "00" { "" } else { "0000" };
        let answer = hex::decode(send(&mut card, &format!("002A9E9A{extended}20{hash}{le}"))).unwrap();
        let (signature, status) = answer.split_at(256);
        assert_eq!(status, [0x90, 0x00], "{le}");
        // SHA-256 of "abc"; salt of 32 bytes and nothing else.
        let key = certificate.public_key().unwrap();
        for (salt, is_one) in [(32, true), (20, false), (0, false)] {
            let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
            verifier.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt)).unwrap();
            assert_eq!(verifier.verify_oneshot(signature, b"abc").unwrap_or(false), is_one, "{le} {salt}");
        }
    }
}

/// An image may say of a key what it cannot do.
#[test]
fn an_rsa_key_signs_with_no_algorithm_of_another_kind() {
    let image = std::fs::read_to_string("fixtures/cards/otto-rsa.xml").unwrap();
    let mut card = VirtualCard::load(&image.replace("(signPSS)", "(signECDSA,signPSS)")).unwrap();
    play(&mut card, &[(SELECT_ESIGN, "9000"), ("002241B606840182800100", "9000"), (RIGHT_PIN, "9000"), (SIGN, "6400")]);
}
