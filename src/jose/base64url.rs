//! base64url without padding (RFC 7515, 2), strict: no padding, no blanks, no loose bits. For serde's `with`.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize as _, Deserializer, Serializer, de};

/// Encodes `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes `text`; `None` when it is not base64url without padding.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// Writes bytes as base64url.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(bytes))
}

/// Reads bytes from base64url; their number must be the one the type demands.
///
/// # Errors
/// Not base64url, or another number of bytes.
pub fn deserialize<'de, D: Deserializer<'de>, B: TryFrom<Vec<u8>>>(deserializer: D) -> Result<B, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = decode(&text).ok_or_else(|| de::Error::custom("not base64url without padding"))?;
    bytes.try_into().map_err(|_| de::Error::custom("wrong number of bytes"))
}
