//! The code of a letter or on a screen, with which a device is registered (`docs/protocol.md`, registration with a code),
//! and what its key signs for that.

mod code;
/// What other codes in groups with check characters are made of.
pub(in crate::protocol) mod groups {
    pub(in crate::protocol) use super::code::{IN_GROUP, character, check_of_group, pack, unpack, value};
}

use serde::{Deserialize, Serialize};

use super::registration::{Expected, Part, RegistrationError, first_wrong, is_fresh};
use super::{Challenge, NumericDate, RegistrationId, Sha256Hash, VERSION};
use crate::identity::kvnr::Kvnr;
use crate::jose::{Es256, Message, P256Jwk, Thumbprint, jws};
use crate::secret::masked;

pub use code::{CodeError, GROUPS, LetterCode, QrId, TypedGroups};

/// What the key of a code signs, `qr+jws`: this device key for this registration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QrStatement {
    /// [`VERSION`].
    pub v: u32,
    /// The service.
    pub aud: String,
    /// The registration.
    pub registration_id: RegistrationId,
    /// The service's challenge.
    pub challenge: Challenge,
    /// The device key.
    pub jkt: Thumbprint,
    /// The account.
    pub kvnr: Kvnr,
    /// When it was made.
    pub iat: NumericDate,
}

impl Message for QrStatement {
    const TYP: &'static str = "qr+jws";
    type Algorithm = Es256;
}

/// What a code gives.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct QrEvidence {
    /// Which code.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub qr_id: QrId,
    /// [`QrStatement`]: a compact JWS.
    pub qr_jws: String,
}

masked!(QrEvidence);

/// How the session was opened in which a code was shown on a screen. Nobody else shows one: to whoever knows the password
/// it would prove the password twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownBy {
    /// With card and card PIN.
    Card,
    /// With a registered device and its PIN.
    Device,
}

impl ShownBy {
    /// The name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Device => "device",
        }
    }
}

impl QrEvidence {
    /// SHA-256 over the two parts as they travel, with a line feed between them.
    pub fn sha256(&self) -> Sha256Hash {
        Sha256Hash::of(format!("{}\n{}", self.qr_id, self.qr_jws).as_bytes())
    }
}

/// A code of this account was there, and its key signed this device key for this registration.
#[derive(Debug)]
pub struct QrProof {
    kvnr: Kvnr,
    registration_id: RegistrationId,
    device_key: Thumbprint,
}

impl QrProof {
    /// Checks what the code's key signed, and every claim in it. `key` is what the service kept of the code.
    ///
    /// # Errors
    /// [`RegistrationError::Code`] with the part that is wrong.
    pub fn check(
        evidence: &QrEvidence,
        key: &P256Jwk,
        expected: &Expected,
        now: NumericDate,
    ) -> Result<Self, RegistrationError> {
        let statement: QrStatement = jws::verify(&evidence.qr_jws, key.verifying_key())
            .map_err(|error| RegistrationError::Code(Part::from(error)))?;
        let claims = [
            ("v", statement.v == VERSION),
            ("aud", statement.aud == expected.aud),
            ("registration_id", statement.registration_id == expected.registration_id),
            ("challenge", statement.challenge == expected.challenge),
            ("jkt", statement.jkt == expected.jkt),
            ("kvnr", statement.kvnr == expected.kvnr),
            ("iat", is_fresh(statement.iat, now)),
        ];
        first_wrong(&claims).map_err(RegistrationError::Code)?;
        let Expected { kvnr, registration_id, .. } = expected;
        Ok(Self { kvnr: kvnr.clone(), registration_id: *registration_id, device_key: statement.jkt })
    }

    /// Whether it is about this account, registration and device key.
    pub(super) fn is_about(&self, expected: &Expected, device_key: Thumbprint) -> bool {
        self.kvnr == expected.kvnr && self.registration_id == expected.registration_id && self.device_key == device_key
    }
}
