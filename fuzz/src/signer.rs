//! The signer of the fixtures, whose key is published: in the place of whoever signs what is read, so that hostile bytes come
//! behind the check of their signature.

use std::sync::LazyLock;

use base64::Engine as _;
use bp256::BrainpoolP256r1;
use bp256::pkcs8::DecodePrivateKey as _;
use ecdsa::signature::Signer as _;
use ecdsa::{Signature, SigningKey};

const CERTIFICATE: &str = include_str!("../../fixtures/pki/test-tsl-signer.pem");
const KEY: &str = include_str!("../../fixtures/pki/test-tsl-signer.key.pem");
/// `ecdsa-with-SHA256`.
pub(crate) const ALGORITHM: [u8; 12] = [0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];

static SIGNER: LazyLock<SigningKey<BrainpoolP256r1>> =
    LazyLock::new(|| SigningKey::from_pkcs8_der(&der(KEY)).expect("the fixture is a key"));

/// Its certificate (DER).
pub(crate) fn certificate() -> Vec<u8> {
    der(CERTIFICATE)
}

/// Its signature (DER).
pub(crate) fn sign(message: &[u8]) -> Vec<u8> {
    let signature: Signature<BrainpoolP256r1> = SIGNER.sign(message);
    signature.to_der().as_bytes().to_vec()
}

fn der(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD.decode(base64).expect("PEM")
}

/// One DER element.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [.., third, high, low] = content.len().to_be_bytes();
    let header = match (third, high, low) {
        (0, 0, 0..=0x7F) => vec![tag, low],
        (0, 0, _) => vec![tag, 0x81, low],
        (0, ..) => vec![tag, 0x82, high, low],
        _ => vec![tag, 0x83, third, high, low],
    };
    [header, content].concat()
}

pub(crate) fn contains(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|bytes| bytes == part)
}
