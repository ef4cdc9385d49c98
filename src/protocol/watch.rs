//! Listing and watching approvals with a device (`docs/protocol.md`, watching): its transport key, which no PIN opens, signs
//! a message for each request. It shows what a session is shown of approvals, and opens nothing else.

use std::convert::Infallible;

use p256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};

use super::registration::{Part, first_wrong, is_fresh};
use super::{CLOCK_TOLERANCE, DeviceId, MessageId, NumericDate, Sha256Hash, VERSION};
use crate::jose::jws::{self, SignError};
use crate::jose::{Es256, Message, P256Jwk};

/// Name of the scheme in `Authorization`.
pub const SCHEME: &str = "Device";

/// What the transport key signs for one request, `watch+jws`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchStatement {
    /// [`VERSION`].
    pub v: u32,
    /// The service.
    pub aud: String,
    /// The device.
    pub device_id: DeviceId,
    /// Tells this message from every other one.
    pub jti: MessageId,
    /// When it was made.
    pub iat: NumericDate,
}

impl Message for WatchStatement {
    const TYP: &'static str = "watch+jws";
    type Algorithm = Es256;
}

impl WatchStatement {
    /// The statement for one request to the service `aud` at the time `iat` by its clock, and what stands behind
    /// [`SCHEME`]: the device, a dot and the message.
    ///
    /// # Errors
    /// A claim has no JSON form: it never happens.
    pub fn credentials(
        aud: &str,
        device_id: DeviceId,
        transport_key: &SigningKey,
        iat: NumericDate,
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<String, SignError<Infallible>> {
        let statement = Self { v: VERSION, aud: aud.to_owned(), device_id, jti: MessageId::random(rng), iat };
        Ok(format!("{device_id}.{}", jws::sign(&statement, transport_key)?))
    }
}

/// The device that credentials name, whose key is to be looked up, and their message. Nothing is verified yet.
pub fn named_device(credentials: &str) -> Option<(DeviceId, &str)> {
    let (device_id, compact) = credentials.split_once('.')?;
    Some((device_id.parse().ok()?, compact))
}

/// Whoever sent this request holds the transport key of the device. Whether the message was sent before is for the service
/// to know. Nothing but the check makes one.
#[derive(Debug)]
pub struct WatchProof {
    fingerprint: Sha256Hash,
    expires_at: NumericDate,
}

impl WatchProof {
    /// Checks signature and claims.
    ///
    /// # Errors
    /// The part that is wrong.
    pub fn check(
        compact: &str,
        transport_key: &P256Jwk,
        aud: &str,
        device_id: DeviceId,
        now: NumericDate,
    ) -> Result<Self, Part> {
        let statement: WatchStatement = jws::verify(compact, transport_key.verifying_key())?;
        first_wrong(&[
            ("v", statement.v == VERSION),
            ("aud", statement.aud == aud),
            ("device_id", statement.device_id == device_id),
            ("iat", is_fresh(statement.iat, now)),
        ])?;
        // Of the device and the number: nobody makes the number of another's message look used.
        let numbered = [device_id.as_bytes().as_slice(), statement.jti.as_bytes()].concat();
        let expires_at = statement.iat.saturating_add(CLOCK_TOLERANCE);
        Ok(Self { fingerprint: Sha256Hash::of(&numbered), expires_at })
    }

    /// Tells this message from every other one.
    pub fn fingerprint(&self) -> Sha256Hash {
        self.fingerprint
    }

    /// The last moment at which it could be taken.
    pub fn expires_at(&self) -> NumericDate {
        self.expires_at
    }
}
