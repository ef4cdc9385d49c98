//! Signed JSON as gematik and we use it (RFC 7515, 7517, 7518, 7638; `BP256R1` as in gemSpec_IDP_Dienst).
//!
//! Each message type has one `typ`. A verifier demands it and brings the key along, whose kind is the algorithm: `ES256`
//! for devices and the service, `BP256R1` or `PS256` for cards. Nothing is taken from the message that decides how it is
//! verified.

pub mod base64url;
#[cfg(feature = "client")]
mod card;
mod es256;
pub mod json;
pub mod jwk;
pub mod jws;

#[cfg(feature = "server")]
pub use es256::SigningKey;
pub use jwk::{JwkSet, P256Jwk, Thumbprint};
pub use jws::{ByCard, Es256, JwsError, Message, Signer};
