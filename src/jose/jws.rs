//! Compact JWS (RFC 7515, 7.1): three parts, one algorithm and one `typ` for each kind of message.

use ecdsa::signature::Signer as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::jwk::P256Jwk;
use super::{base64url, es256, json};
use crate::pki::CardKey;

/// Longest JWS read.
const MAX_LENGTH: usize = 64 * 1024;
pub(super) const ES256: &str = "ES256";

/// How a kind of message is signed. The name in `alg` follows from the verifier's key, never from the message.
pub trait Algorithm {
    /// The key that verifies.
    type VerifyingKey;
    /// The name in `alg` of what is signed with this key.
    fn name(key: &Self::VerifyingKey) -> &'static str;
    /// Whether `signature` over `signing_input` is by `key`.
    fn verify(key: &Self::VerifyingKey, signing_input: &[u8], signature: &[u8]) -> bool;
}

/// ECDSA with SHA-256 on P-256 (RFC 7518, 3.4): R‖S, 64 bytes, big endian.
#[derive(Debug)]
pub enum Es256 {}

/// As the card's key is: `BP256R1`, ECDSA with SHA-256 on brainpoolP256r1 (gemSpec_IDP_Dienst), R‖S of 64 bytes; or
/// `PS256`, RSASSA-PSS with SHA-256 (RFC 7518, 3.5), on cards with RSA keys only.
#[derive(Debug)]
pub enum ByCard {}

impl Algorithm for Es256 {
    type VerifyingKey = p256::ecdsa::VerifyingKey;

    fn name(_: &Self::VerifyingKey) -> &'static str {
        ES256
    }

    fn verify(key: &Self::VerifyingKey, signing_input: &[u8], signature: &[u8]) -> bool {
        es256::verify(key, signing_input, signature)
    }
}

impl Algorithm for ByCard {
    type VerifyingKey = CardKey;

    fn name(key: &Self::VerifyingKey) -> &'static str {
        key.jws_algorithm()
    }

    fn verify(key: &Self::VerifyingKey, signing_input: &[u8], signature: &[u8]) -> bool {
        key.verify(signing_input, signature)
    }
}

/// Signs for one algorithm: a key in memory, or a card.
pub trait Signer<A: Algorithm> {
    /// Why it could not sign.
    type Error;

    /// The name in `alg` of what it signs.
    fn name(&self) -> &'static str;

    /// Signature over `signing_input`, as the algorithm has it. The signer makes the hash.
    ///
    /// # Errors
    /// The signer's own.
    fn sign(&mut self, signing_input: &[u8]) -> Result<Vec<u8>, Self::Error>;
}

impl Signer<Es256> for &p256::ecdsa::SigningKey {
    type Error = std::convert::Infallible;

    fn name(&self) -> &'static str {
        ES256
    }

    fn sign(&mut self, signing_input: &[u8]) -> Result<Vec<u8>, Self::Error> {
        let signature: p256::ecdsa::Signature = p256::ecdsa::SigningKey::sign(self, signing_input);
        Ok(signature.to_bytes().to_vec())
    }
}

/// Which key hint a message carries in its header. The hint is compared, never followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHint {
    /// None.
    None,
    /// `x5c` with exactly one certificate.
    X5c,
    /// `jwk`.
    Jwk,
}

/// A kind of signed message: one `typ`, one algorithm, one kind of key hint.
pub trait Message: Serialize + DeserializeOwned {
    /// The header's `typ`.
    const TYP: &'static str;
    /// The key hint it carries.
    const KEY_HINT: KeyHint = KeyHint::None;
    /// The algorithm it is signed with.
    type Algorithm: Algorithm;
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x5c: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwk: Option<P256Jwk>,
}

/// Why a JWS is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum JwsError {
    /// Not three parts of base64url, or a part is not the JSON it should be.
    #[error("not a JWS of this kind")]
    Malformed,
    /// `alg` or `typ` is another, or the header holds more than it may.
    #[error("the header is that of another message")]
    Header,
    /// The signature is not by the key that must have signed.
    #[error("the signature is wrong")]
    Signature,
}

/// A signing error of the key, or a message without JSON form.
#[derive(Debug, Error)]
pub enum SignError<E> {
    /// The message has no JSON form.
    #[error("the message has no JSON form")]
    Json(#[from] json::JsonError),
    /// The key did not sign.
    #[error("the key did not sign")]
    Key(E),
}

/// Signs `message`; `x5c` or `jwk` is put into the header of the kinds that carry one.
fn sign_with<M: Message, S: Signer<M::Algorithm>>(
    message: &M,
    x5c: Option<Vec<String>>,
    jwk: Option<P256Jwk>,
    mut signer: S,
) -> Result<String, SignError<S::Error>> {
    let header = Header { alg: signer.name().to_owned(), typ: M::TYP.to_owned(), x5c, jwk };
    let part = |bytes: Vec<u8>| base64url::encode(&bytes);
    let signing_input = format!("{}.{}", part(json::canonical(&header)?), part(json::canonical(message)?));
    let signature = signer.sign(signing_input.as_bytes()).map_err(SignError::Key)?;
    Ok(format!("{signing_input}.{}", base64url::encode(&signature)))
}

/// Signs a message that carries no key hint.
///
/// # Errors
/// The key did not sign.
pub fn sign<M: Message, S: Signer<M::Algorithm>>(message: &M, signer: S) -> Result<String, SignError<S::Error>> {
    sign_with(message, None, None, signer)
}

/// Signs a message that carries the signer's certificate (DER) in `x5c`.
///
/// # Errors
/// The key did not sign.
pub fn sign_with_x5c<M: Message, S: Signer<M::Algorithm>>(
    message: &M,
    certificate: &[u8],
    signer: S,
) -> Result<String, SignError<S::Error>> {
    use base64::Engine as _;
    let x5c = base64::prelude::BASE64_STANDARD.encode(certificate); // RFC 7515, 4.1.6: not base64url
    sign_with(message, Some(vec![x5c]), None, signer)
}

/// Signs a message that carries the signer's public key in `jwk`.
///
/// # Errors
/// The key did not sign.
pub fn sign_with_jwk<M: Message, S: Signer<M::Algorithm>>(
    message: &M,
    jwk: P256Jwk,
    signer: S,
) -> Result<String, SignError<S::Error>> {
    sign_with(message, None, Some(jwk), signer)
}

/// Reads a JWS whose header carries no key hint, signed by `key`.
///
/// # Errors
/// [`JwsError`].
pub fn verify<M: Message>(jws: &str, key: &<M::Algorithm as Algorithm>::VerifyingKey) -> Result<M, JwsError> {
    let parts = Parts::read::<M>(jws, KeyHint::None)?;
    parts.verify::<M>(key)
}

/// Reads a JWS whose header carries no key hint, signed by one of `signers`, each of which has `keys`. The key says who has
/// signed, and nothing in the message does.
///
/// # Errors
/// [`JwsError`].
pub fn verify_by_one_of<'a, M: Message<Algorithm = Es256>, S>(
    jws: &str,
    signers: &'a [S],
    keys: impl Fn(&'a S) -> &'a [P256Jwk],
) -> Result<(&'a S, M), JwsError> {
    let mut refusal = JwsError::Signature;
    let candidates = signers.iter().flat_map(|signer| keys(signer).iter().map(move |key| (signer, key)));
    for (signer, key) in candidates {
        match verify::<M>(jws, key.verifying_key()) {
            Ok(message) => return Ok((signer, message)),
            Err(JwsError::Signature) => {}
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// Reads a JWS whose header carries no key hint, signed by one of `keys`, and says by which. They are tried one after the
/// other: nothing in the message chooses among them.
///
/// # Errors
/// [`JwsError`].
pub fn verify_by_any<'a, M: Message<Algorithm = Es256>>(
    jws: &str,
    keys: &'a [P256Jwk],
) -> Result<(&'a P256Jwk, M), JwsError> {
    verify_by_one_of(jws, keys, std::slice::from_ref)
}

/// Reads a JWS signed by `key`, whose `x5c` must be exactly `certificate` (DER).
///
/// # Errors
/// [`JwsError`].
pub fn verify_with_x5c<M: Message>(
    jws: &str,
    certificate: &[u8],
    key: &<M::Algorithm as Algorithm>::VerifyingKey,
) -> Result<M, JwsError> {
    use base64::Engine as _;
    let parts = Parts::read::<M>(jws, KeyHint::X5c)?;
    let expected = base64::prelude::BASE64_STANDARD.encode(certificate);
    if parts.header.x5c.as_deref() != Some([expected].as_slice()) {
        return Err(JwsError::Header);
    }
    parts.verify::<M>(key)
}

/// Reads a proof of possession: the header carries the key itself, and `is_expected` says whether it is the one whose
/// possession is to be proven.
///
/// # Errors
/// [`JwsError`].
pub fn verify_with_jwk<M: Message<Algorithm = Es256>>(
    jws: &str,
    is_expected: impl FnOnce(&P256Jwk) -> bool,
) -> Result<(M, P256Jwk), JwsError> {
    let mut parts = Parts::read::<M>(jws, KeyHint::Jwk)?;
    let jwk = parts.header.jwk.take().filter(is_expected).ok_or(JwsError::Header)?;
    let message = parts.verify::<M>(jwk.verifying_key())?;
    Ok((message, jwk))
}

/// A JWS taken apart, its header checked, its signature not.
struct Parts<'a> {
    header: Header,
    signing_input: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn read<M: Message>(jws: &'a str, hint: KeyHint) -> Result<Self, JwsError> {
        if jws.len() > MAX_LENGTH {
            return Err(JwsError::Malformed);
        }
        let (signing_input, signature) = jws.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JwsError::Malformed)?;
        let bytes = |part: &str| base64url::decode(part).ok_or(JwsError::Malformed);
        let signature = bytes(signature)?;
        let header: Header = json::read(&bytes(header)?).map_err(|_| JwsError::Header)?;
        let carries = match (&header.x5c, &header.jwk) {
            (None, None) => KeyHint::None,
            (Some(_), None) => KeyHint::X5c,
            (None, Some(_)) => KeyHint::Jwk,
            (Some(_), Some(_)) => return Err(JwsError::Header),
        };
        if header.typ != M::TYP || carries != hint || M::KEY_HINT != hint {
            return Err(JwsError::Header);
        }
        Ok(Self { header, signing_input, payload, signature })
    }

    /// The payload is looked into only after the signature was right, and by the algorithm of the key.
    fn verify<M: Message>(self, key: &<M::Algorithm as Algorithm>::VerifyingKey) -> Result<M, JwsError> {
        if self.header.alg != M::Algorithm::name(key) {
            return Err(JwsError::Header);
        }
        if !M::Algorithm::verify(key, self.signing_input.as_bytes(), &self.signature) {
            return Err(JwsError::Signature);
        }
        let payload = base64url::decode(self.payload).ok_or(JwsError::Malformed)?;
        json::read(&payload).map_err(|_| JwsError::Malformed)
    }
}
