//! A chip shows that it is genuine: what counts, and what does not. Certificates are put together here byte by byte and
//! signed by OpenSSL, under the published keys of the project's own root and CA.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod card;
mod chain;
mod presence;
mod roots;

use kartenbund::pki::cvc::{ChainError, CvcError, Level, TestCvcRoots, VerifiedChip, verify};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-23 15:00 UTC);
/// Names of the root and the CA under `fixtures/pki`.
const ROOT: [u8; 8] = *b"DEKXX\x81\x02\x26";
const CA: [u8; 8] = *b"DEKXX\x11\x02\x26";
/// DER contents of 1.2.840.10045.4.3.2, 1.3.36.3.5.3.1 and 1.2.276.0.76.4.152.
const ECDSA_WITH_SHA256: &str = "2A8648CE3D040302";
const AUTH_S: &str = "2B2403050301";
const FLAGS_TI: &str = "2A8214004C048118";
const ICCSN: &str = "80276999990000000017";

/// A key on brainpoolP256r1, in OpenSSL's hands.
struct Key(EcKey<Private>);

impl Key {
    fn new() -> Self {
        Self(EcKey::generate(&EcGroup::from_curve_name(Nid::BRAINPOOL_P256R1).unwrap()).unwrap())
    }

    fn of_fixture(name: &str) -> Self {
        let pem = std::fs::read(format!("fixtures/pki/{name}.key.pem")).unwrap();
        Self(PKey::private_key_from_pem(&pem).unwrap().ec_key().unwrap())
    }

    fn root() -> Self {
        Self::of_fixture("test-cvc-root")
    }

    fn ca() -> Self {
        Self::of_fixture("test-cvc-ca")
    }

    fn point(&self) -> Vec<u8> {
        let mut context = BigNumContext::new().unwrap();
        self.0.public_key().to_bytes(self.0.group(), PointConversionForm::UNCOMPRESSED, &mut context).unwrap()
    }

    /// Signs a number of at most 32 bytes: R‖S.
    fn sign_number(&self, number: &[u8]) -> Vec<u8> {
        let signature = EcdsaSig::sign(number, &self.0).unwrap();
        [signature.r().to_vec_padded(32).unwrap(), signature.s().to_vec_padded(32).unwrap()].concat()
    }

    fn signed_number(&self, number: &[u8], signature: &[u8]) -> bool {
        let part = |bytes| BigNum::from_slice(bytes).unwrap();
        let (r, s) = signature.split_at(32);
        EcdsaSig::from_private_components(part(r), part(s)).unwrap().verify(number, &self.0).unwrap()
    }
}

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn object(tag: &str, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap();
    let length = if length < 0x80 { vec![length] } else { vec![0x81, length] };
    [hex(tag), length, value.to_vec()].concat()
}

/// A certificate taken apart.
#[derive(Clone)]
struct Forged {
    profile: Vec<u8>,
    issuer: Vec<u8>,
    key_oid: Vec<u8>,
    point: Vec<u8>,
    holder: Vec<u8>,
    flag_list: Vec<u8>,
    flags: Vec<u8>,
    effective: Vec<u8>,
    expires: Vec<u8>,
}

impl Forged {
    /// An honest certificate of a chip by the CA.
    fn chip(key: &Key) -> Self {
        Self {
            profile: vec![0x70],
            issuer: CA.to_vec(),
            key_oid: hex(AUTH_S),
            point: key.point(),
            holder: hex(&format!("0009{ICCSN}")),
            flag_list: hex(FLAGS_TI),
            flags: vec![0; 7],
            effective: hex("020600010001"),
            expires: hex("030101020301"),
        }
    }

    /// An honest certificate of the CA by the root.
    fn authority(key: &Key) -> Self {
        Self {
            issuer: ROOT.to_vec(),
            key_oid: hex(ECDSA_WITH_SHA256),
            holder: CA.to_vec(),
            flags: hex("80000000000000"),
            ..Self::chip(key)
        }
    }

    /// An honest certificate of a root by itself.
    fn root(name: [u8; 8], key: &Key) -> Self {
        Self { issuer: name.to_vec(), holder: name.to_vec(), flags: vec![0xFF; 7], ..Self::authority(key) }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    fn body(&self) -> Vec<u8> {
        let key = [object("06", &self.key_oid), object("86", &self.point)].concat();
        let authorisation = [object("06", &self.flag_list), object("53", &self.flags)].concat();
        let content = [
            object("5F29", &self.profile),
            object("42", &self.issuer),
            object("7F49", &key),
            object("5F20", &self.holder),
            object("7F4C", &authorisation),
            object("5F25", &self.effective),
            object("5F24", &self.expires),
        ];
        object("7F4E", &content.concat())
    }

    fn sign(&self, key: &Key) -> Vec<u8> {
        let body = self.body();
        let signature = key.sign_number(&Sha256::digest(&body));
        object("7F21", &[body, object("5F37", &signature)].concat())
    }
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("fixtures/pki/{name}.cvc")).unwrap()
}

fn roots_of(certificates: &[&[u8]]) -> TestCvcRoots {
    let mut roots = TestCvcRoots::default();
    certificates.iter().for_each(|certificate| roots.add_certificate(certificate).unwrap());
    roots
}

fn roots() -> TestCvcRoots {
    roots_of(&[&fixture("test-cvc-root")])
}

/// The verdict on a chip under the CA of the fixtures.
fn verdict(chip: &[u8]) -> Result<VerifiedChip, ChainError> {
    verify(chip, &fixture("test-cvc-ca"), &roots(), NOW)
}

fn refused<T>(verdict: Result<T, ChainError>) -> Option<(Level, CvcError)> {
    verdict.err().map(|error| (error.level, error.error))
}
