//! Messages and checks of both sides of the account service, without input or output (`docs/protocol.md`).
//!
//! Bytes that are signed are kept as bytes: whoever makes a document makes it canonical once, and from then on it is
//! hashed, signed and compared as it is.

pub mod addition;
pub mod api;
pub mod application;
pub mod approval;
pub mod attestation;
pub mod audit;
pub mod card_login;
pub mod client_assertion;
pub mod device_login;
pub mod dpop;
pub mod evidence;
pub mod ident;
pub mod login_challenge;
pub mod pairing;
pub mod pin;
pub mod presence;
pub mod qr;
pub mod registration;
pub mod revocation;
pub mod service;
pub mod session;
pub mod watch;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::jose::base64url;

/// How far the clocks of client and service may differ, in seconds.
pub const CLOCK_TOLERANCE: i64 = 120;

/// Version of the messages, the `v` of each payload.
pub const VERSION: u32 = 1;

/// A moment, in seconds since 1970-01-01T00:00:00Z (RFC 7519, NumericDate).
pub type NumericDate = i64;

macro_rules! bytes_type {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "base64url")] [u8; $length]);

        impl $name {
            /// A new one, from `rng`.
            pub fn random(rng: &mut dyn rand_core::CryptoRng) -> Self {
                let mut bytes = [0; $length];
                rng.fill_bytes(&mut bytes);
                Self(bytes)
            }

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl From<[u8; $length]> for $name {
            fn from(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                base64url::decode(text).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(NotAnId)
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.ct_eq(&other.0).into()
            }
        }

        impl Eq for $name {}

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base64url::encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

/// The text is not base64url of the right number of bytes.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an identifier")]
pub struct NotAnId;

/// The text names nothing of this kind.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown name")]
pub struct UnknownName;

bytes_type! {
    /// Names a registration.
    RegistrationId, 16
}
bytes_type! {
    /// Names a device.
    DeviceId, 16
}
bytes_type! {
    /// Names an application.
    ApplicationId, 16
}
bytes_type! {
    /// Names an approval.
    ApprovalId, 16
}
bytes_type! {
    /// Names a session.
    SessionId, 16
}
bytes_type! {
    /// Names a code that is shown on a screen, in the audit.
    CodeId, 16
}
bytes_type! {
    /// Names a notice.
    NoticeId, 16
}
bytes_type! {
    /// Names a login that a device is to approve.
    LoginId, 16
}
bytes_type! {
    /// Names a request for a new password.
    ResetId, 16
}
bytes_type! {
    /// Names an evaluation for a device PIN.
    AttemptId, 16
}
bytes_type! {
    /// Names a signed message, so that it is taken once (`jti`).
    MessageId, 16
}
bytes_type! {
    /// Names the key of a device within gematik's pairing data.
    KeyIdentifier, 32
}
bytes_type! {
    /// A fresh number that one message must carry.
    Challenge, 32
}
bytes_type! {
    /// The device's part of a short authentication string; only its hash is known before the challenge is.
    DeviceNonce, 16
}
bytes_type! {
    /// Keeps whoever has the hash of something short from trying out what it says.
    Salt, 16
}
bytes_type! {
    /// SHA-256 of something that was signed.
    Sha256Hash, 32
}

impl Sha256Hash {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl DeviceNonce {
    /// What is announced before the nonce itself.
    pub fn commitment(&self) -> Sha256Hash {
        Sha256Hash::of(&self.0)
    }
}

/// How sure it is that a device belongs to the person. Derived from evidence, never from an argument or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum BindingLevel {
    /// Password session and a QR code from a letter.
    B1,
    /// Password session and the card's chip, without PIN.
    B2,
    /// Card and card PIN.
    B3,
}

impl FromStr for BindingLevel {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::B1, Self::B2, Self::B3].into_iter().find(|level| level.to_string() == text).ok_or(UnknownName)
    }
}

impl fmt::Display for BindingLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::registration::Method;
    use super::*;

    #[test]
    fn names_are_the_same_in_the_database_and_in_json() {
        for level in [BindingLevel::B1, BindingLevel::B2, BindingLevel::B3] {
            assert_eq!(level.to_string().parse(), Ok(level));
            assert_eq!(serde_json::to_value(level).unwrap(), level.to_string());
        }
        for method in [Method::Card, Method::Qr, Method::Device] {
            assert_eq!(method.as_str().parse(), Ok(method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
        }
        assert_eq!(("b3".parse::<BindingLevel>(), "QR".parse::<Method>()), (Err(UnknownName), Err(UnknownName)));
    }
}
