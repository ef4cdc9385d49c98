//! Signatures of RSA cards: the algorithm follows from the key of the certificate, and only RSASSA-PSS with SHA-256 and
//! 32 bytes of salt is one. OpenSSL signs.

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
