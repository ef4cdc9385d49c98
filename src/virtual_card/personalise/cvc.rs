//! The test CA for chips, and the card-verifiable certificates it makes (gemSpec_PKI, 6.7; the number is quoted from
//! memory).

use bp256::BrainpoolP256r1;
use bp256::pkcs8::DecodePrivateKey as _;
use der::pem;
use ecdsa::signature::Signer as _;
use ecdsa::{Signature, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use time::{Date, Duration, OffsetDateTime};

use super::PersonaliseError;
use super::ca::new_key;

/// The root and the CA of the project's own cards, made by `fixtures/make-test-ca.sh`. The CA's key is published.
const ROOT: &[u8] = include_bytes!("../../../fixtures/pki/test-cvc-root.cvc");
const AUTHORITY: &[u8] = include_bytes!("../../../fixtures/pki/test-cvc-ca.cvc");
const PRIVATE_KEY: &str = include_str!("../../../fixtures/pki/test-cvc-ca.key.pem");
const NAME: [u8; 8] = *b"DEKXX\x11\x02\x26";
/// Names of a root and a CA that are made for a test.
const OTHER_ROOT: [u8; 8] = *b"DEKXX\x82\x02\x26";
const OTHER_NAME: [u8; 8] = *b"DEKXX\x12\x02\x26";

/// `ecdsa-with-SHA256` and `authS_gemSpec-COS-G2_ecc-with-sha256`: what the keys of CAs and of cards are for.
const ECDSA_WITH_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
const AUTH_S: &[u8] = &[0x2B, 0x24, 0x03, 0x05, 0x03, 0x01];
/// `cvc_fl_ti`.
const FLAGS_TI: &[u8] = &[0x2A, 0x82, 0x14, 0x00, 0x4C, 0x04, 0x81, 0x18];
/// PrK.eGK.AUT_CVC.E256 in the holder reference.
const KEY_ID: [u8; 2] = [0x00, 0x09];

/// A CA for the chips of fictional cards, under a root of its own.
pub(super) struct ChipCa {
    name: [u8; 8],
    key: SigningKey<BrainpoolP256r1>,
    /// Certificate of the root, by itself.
    pub(super) root: Vec<u8>,
    /// Certificate of the CA, by the root: EF.C.CA_eGK.CS.E256.
    pub(super) certificate: Vec<u8>,
}

impl ChipCa {
    pub(super) fn built_in() -> Result<Self, PersonaliseError> {
        let (_, key) = pem::decode_vec(PRIVATE_KEY.as_bytes()).map_err(|_| PersonaliseError::Ca)?;
        let key = bp256::r1::SecretKey::from_pkcs8_der(&key).map_err(|_| PersonaliseError::Ca)?;
        Ok(Self { name: NAME, key: key.into(), root: ROOT.to_vec(), certificate: AUTHORITY.to_vec() })
    }

    /// A new one that nobody knows, valid from `now` for ten years.
    pub(super) fn generate(rng: &mut dyn CryptoRng, now: OffsetDateTime) -> Result<Self, PersonaliseError> {
        let (root, key) = (new_key(rng), new_key(rng));
        let validity = (now.date(), now.date() + Duration::days(3652));
        let certify = |holder: &[u8], key: &VerifyingKey<_>, flags| {
            Body { issuer: OTHER_ROOT, key_oid: ECDSA_WITH_SHA256, key, holder, flags, validity }.sign(&root)
        };
        let certificate = certify(&OTHER_NAME, key.verifying_key(), [0x80, 0, 0, 0, 0, 0, 0])?;
        let root = certify(&OTHER_ROOT, root.verifying_key(), [0xFF; 7])?;
        Ok(Self { name: OTHER_NAME, key, root, certificate })
    }

    /// Makes C.eGK.AUT_CVC.E256 for the chip with this key, in the card with this number.
    pub(super) fn certify(
        &self,
        iccsn: &[u8],
        key: &VerifyingKey<BrainpoolP256r1>,
        (from, until): (OffsetDateTime, OffsetDateTime),
    ) -> Result<Vec<u8>, PersonaliseError> {
        let (issuer, validity) = (self.name, (from.date(), until.date()));
        let holder = &[KEY_ID.as_slice(), iccsn].concat();
        Body { issuer, key_oid: AUTH_S, key, holder, flags: [0; 7], validity }.sign(&self.key)
    }
}

/// What a certificate says.
struct Body<'a> {
    issuer: [u8; 8],
    key_oid: &'a [u8],
    key: &'a VerifyingKey<BrainpoolP256r1>,
    holder: &'a [u8],
    flags: [u8; 7],
    validity: (Date, Date),
}

impl Body<'_> {
    fn sign(&self, key: &SigningKey<BrainpoolP256r1>) -> Result<Vec<u8>, PersonaliseError> {
        let (effective, expires) = self.validity;
        let point = self.key.to_sec1_point(false);
        let public_key = [object(&[0x06], self.key_oid)?, object(&[0x86], point.as_bytes())?].concat();
        let authorisation = [object(&[0x06], FLAGS_TI)?, object(&[0x53], &self.flags)?].concat();
        let content = [
            object(&[0x5F, 0x29], &[0x70])?,
            object(&[0x42], &self.issuer)?,
            object(&[0x7F, 0x49], &public_key)?,
            object(&[0x5F, 0x20], self.holder)?,
            object(&[0x7F, 0x4C], &authorisation)?,
            object(&[0x5F, 0x25], &digits(effective)?)?,
            object(&[0x5F, 0x24], &digits(expires)?)?,
        ];
        let body = object(&[0x7F, 0x4E], &content.concat())?;
        let signature: Signature<BrainpoolP256r1> = key.sign(&body);
        object(&[0x7F, 0x21], &[body, object(&[0x5F, 0x37], &signature.to_bytes())?].concat())
    }
}

/// An object whose length takes one byte, or two from 128 on.
fn object(tag: &[u8], value: &[u8]) -> Result<Vec<u8>, PersonaliseError> {
    let length = u8::try_from(value.len()).map_err(|_| PersonaliseError::TooSmall("the chip's certificate"))?;
    let long: &[u8] = if length < 0x80 { &[] } else { &[0x81] };
    Ok([tag, long, &[length], value].concat())
}

/// `YYMMDD`, each digit a byte.
fn digits(date: Date) -> Result<[u8; 6], PersonaliseError> {
    let year = u8::try_from(date.year() - 2000).ok().filter(|year| *year < 100);
    let year = year.ok_or(PersonaliseError::Text("the validity of the chip's certificate"))?;
    let (month, day) = (u8::from(date.month()), date.day());
    Ok([year / 10, year % 10, month / 10, month % 10, day / 10, day % 10])
}
