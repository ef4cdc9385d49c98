//! Public keys on P-256 as JSON (RFC 7517, 7518) and their thumbprints (RFC 7638).

use std::fmt;

use p256::ecdsa::VerifyingKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::base64url;
use super::json::{self, JsonError};

/// A public key on P-256 that is known to be a point on the curve.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Members", into = "Members")]
pub struct P256Jwk(VerifyingKey);

/// The members in the lexical order RFC 7638 asks for.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    crv: String,
    kty: String,
    #[serde(with = "base64url")]
    x: [u8; 32],
    #[serde(with = "base64url")]
    y: [u8; 32],
}

impl P256Jwk {
    /// The key that verifies.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.0
    }

    /// Whether this key signed `message`: ECDSA with SHA-256, R‖S of 64 bytes.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        super::es256::verify(&self.0, message, signature)
    }

    /// SHA-256 of the canonical members (RFC 7638, 3).
    pub fn thumbprint(&self) -> Thumbprint {
        let members: Members = self.clone().into();
        let json = format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
            base64url::encode(&members.x),
            base64url::encode(&members.y)
        );
        Thumbprint(Sha256::digest(json).into())
    }
}

impl From<VerifyingKey> for P256Jwk {
    fn from(key: VerifyingKey) -> Self {
        Self(key)
    }
}

impl TryFrom<Members> for P256Jwk {
    type Error = &'static str;

    fn try_from(members: Members) -> Result<Self, Self::Error> {
        if members.kty != "EC" || members.crv != "P-256" {
            return Err("not a key on P-256");
        }
        let point = [[0x04].as_slice(), &members.x, &members.y].concat();
        VerifyingKey::from_sec1_bytes(&point).map(Self).map_err(|_| "not a point on P-256")
    }
}

impl From<P256Jwk> for Members {
    fn from(key: P256Jwk) -> Self {
        let point = key.0.to_sec1_bytes();
        let coordinate = |from: usize| {
            let mut bytes = [0; 32];
            bytes.iter_mut().zip(point.iter().skip(from)).for_each(|(to, byte)| *to = *byte);
            bytes
        };
        Self { crv: "P-256".to_owned(), kty: "EC".to_owned(), x: coordinate(1), y: coordinate(33) }
    }
}

/// Public keys as a JWK Set (RFC 7517, 5), at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwkSet {
    /// The keys.
    #[serde(deserialize_with = "at_least_one")]
    pub keys: Vec<P256Jwk>,
}

/// A set of none could be taken for no set.
fn at_least_one<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<P256Jwk>, D::Error> {
    let keys = Vec::deserialize(deserializer)?;
    if keys.is_empty() { Err(serde::de::Error::invalid_length(0, &"a key")) } else { Ok(keys) }
}

impl JwkSet {
    /// Reads a JWK Set, or one JWK as a set of its own.
    ///
    /// # Errors
    /// [`JsonError`]: it is neither.
    pub fn read(bytes: &[u8]) -> Result<Self, JsonError> {
        match json::read(bytes) {
            Ok(key) => Ok(Self { keys: vec![key] }),
            Err(_) => json::read(bytes),
        }
    }
}

impl fmt::Debug for P256Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P256Jwk({})", self.thumbprint())
    }
}

/// Thumbprint of a key (RFC 7638): SHA-256, written as base64url.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Thumbprint(#[serde(with = "base64url")] [u8; 32]);

impl Thumbprint {
    /// Reads it from base64url.
    pub fn parse(text: &str) -> Option<Self> {
        base64url::decode(text)?.try_into().ok().map(Self)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Thumbprint {
    fn from(hash: [u8; 32]) -> Self {
        Self(hash)
    }
}

impl PartialEq for Thumbprint {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Thumbprint {}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, A.3.1; the thumbprint was made with `openssl dgst -sha256` over the members in lexical order.
    const KEY: &str = r#"{"kty":"EC","crv":"P-256",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

    #[test]
    fn the_key_of_rfc_7515_is_read_and_has_its_thumbprint() {
        let key: P256Jwk = serde_json::from_str(KEY).unwrap();
        assert_eq!(key.thumbprint().to_string(), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
        let again: P256Jwk = serde_json::from_str(&serde_json::to_string(&key).unwrap()).unwrap();
        assert_eq!(again, key);
    }

    #[test]
    fn a_set_of_keys_is_read_and_a_key_alone_as_one() {
        let key: P256Jwk = serde_json::from_str(KEY).unwrap();
        let set = |text: &str| JwkSet::read(text.as_bytes()).map(|set| set.keys);
        assert_eq!(set(KEY).unwrap(), std::slice::from_ref(&key));
        assert_eq!(set(&format!(r#"{{"keys":[{KEY},{KEY}]}}"#)).unwrap(), [key.clone(), key]);
        let private = KEY.replace("5a0\"", "5a0\",\"d\":\"AA\"");
        for wrong in
            [r#"{"keys":[]}"#, "[]", "{}", "", r#"{"keys":{}}"#, &format!(r#"{{"keys":[{private}]}}"#), &private]
        {
            assert!(set(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn points_off_the_curve_and_other_keys_are_refused() {
        for (from, to) in
            [("f83OJ", "f83OK"), ("P-256\"", "P-384\""), ("\"EC\"", "\"OKP\""), ("5a0\"", "5a0\",\"d\":\"AA\"")]
        {
            let changed = KEY.replace(from, to);
            assert_ne!(changed, KEY);
            assert!(serde_json::from_str::<P256Jwk>(&changed).is_err(), "{to}");
        }
    }
}
