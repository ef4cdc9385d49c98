//! Logging in with a registered device (`docs/protocol.md`, login with the device): its key, which the device PIN has
//! opened, signs a statement of a `typ` of its own for this service and this session key, over a fresh challenge.

use serde::{Deserialize, Serialize};

use super::login_challenge::{LiveChallenge, LoginStatement};
use super::registration::{Part, first_wrong, is_fresh};
use super::{Challenge, DeviceId, NumericDate, VERSION};
use crate::jose::{Es256, Message, P256Jwk, Thumbprint, jws};

/// What the device key signs, `device-login+jws`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceLoginStatement {
    /// [`VERSION`].
    pub v: u32,
    /// The service.
    pub aud: String,
    /// The device.
    pub device_id: DeviceId,
    /// The service's challenge.
    pub challenge: Challenge,
    /// The session key that logs in.
    pub jkt: Thumbprint,
    /// When it was made.
    pub iat: NumericDate,
}

impl Message for DeviceLoginStatement {
    const TYP: &'static str = "device-login+jws";
    type Algorithm = Es256;
}

impl LoginStatement for DeviceLoginStatement {
    const CHALLENGE_TYP: &'static str = "device-login-challenge+jws";
}

/// The key of this device has signed for this session key, over this challenge. Nothing but the check makes one.
#[derive(Debug)]
pub struct DeviceAuthentication {
    device_id: DeviceId,
    jkt: Thumbprint,
}

impl DeviceAuthentication {
    /// Checks the signature of the device's key and every claim; uses the challenge up.
    ///
    /// # Errors
    /// The part that is wrong.
    pub fn check(
        compact: &str,
        device_key: &P256Jwk,
        device_id: DeviceId,
        challenge: LiveChallenge<DeviceLoginStatement>,
        aud: &str,
        now: NumericDate,
    ) -> Result<Self, Part> {
        let statement: DeviceLoginStatement = jws::verify(compact, device_key.verifying_key())?;
        first_wrong(&[
            ("v", statement.v == VERSION),
            ("aud", statement.aud == aud),
            ("device_id", statement.device_id == device_id),
            ("challenge", statement.challenge == challenge.challenge()),
            ("jkt", statement.jkt == challenge.jkt()),
            ("iat", is_fresh(statement.iat, now)),
        ])?;
        Ok(Self { device_id, jkt: challenge.jkt() })
    }

    /// The device, where it has signed for this session key.
    pub fn device_for(&self, jkt: Thumbprint) -> Option<DeviceId> {
        (self.jkt == jkt).then_some(self.device_id)
    }
}
