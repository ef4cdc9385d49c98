//! The key of this computer: it signs proofs of possession and decisions, and the device PIN opens it for one command.
//!
//! Opening is two steps with something to send between them: the service has a share in the PIN (`docs/protocol.md`, the
//! device PIN), and counts. Whoever has the file alone cannot try a single PIN without it. Nothing is sent from here: the
//! client carries the bytes.

mod file;
mod stretch;
#[cfg(feature = "tpm")]
pub mod tpm;

use thiserror::Error;

use crate::jose::{Es256, P256Jwk, Signer};
use crate::secret::SecretBytes;
use crate::voprf::{Element, Evaluation, VoprfError};

pub use file::{KeyFile, Lock, LockedKey, NewKey, NewLock, Pending};

/// What the key ring of the desktop keeps for a key file: without it the file is of no use to anybody.
pub type DeviceSecret = SecretBytes<32>;

/// Why a key file cannot be used. A wrong PIN is an answer: see [`PinAnswer`].
#[derive(Debug, Error)]
pub enum DeviceKeyError {
    /// The file is damaged, or of a version this program does not know.
    #[error("the key file is damaged or of another version")]
    Malformed,
    /// The key in the file is not the one the file names.
    #[error("the device key is not the one the file names")]
    OtherKey,
    /// The PIN could not be stretched (Argon2id needs 64 MiB).
    #[error("not enough memory to check the device PIN")]
    Memory,
    /// The service's answer was not made with the share whose public key the file names.
    #[error("the service's answer is not by the share that was pinned")]
    Evaluation,
    /// The file needs a secret of the key ring, which is not there.
    #[error("the key file needs a secret of the key ring")]
    NoSecret,
}

impl From<VoprfError> for DeviceKeyError {
    fn from(_: VoprfError) -> Self {
        Self::Evaluation
    }
}

/// What the key file says to a PIN.
#[must_use]
#[derive(Debug)]
pub enum PinAnswer {
    /// It is the one.
    Open(OpenKey),
    /// It is not.
    Wrong,
}

/// What is sent to the service between the two steps of opening.
#[derive(Debug)]
pub enum Blinded {
    /// Nothing: the file is of version 1, whose PIN was checked here alone.
    Nothing,
    /// An element to evaluate with the share of this public key.
    Element {
        /// The share.
        voprf_pk: Element,
        /// The blinded element.
        blinded: Element,
    },
}

/// What the service answers.
#[derive(Debug)]
pub enum Evaluated {
    /// Nothing was asked.
    Nothing,
    /// The element, evaluated.
    Element(Evaluation),
}

/// The device key, open for one command.
#[derive(Debug)]
pub struct OpenKey {
    key: p256::ecdsa::SigningKey,
    public: P256Jwk,
}

impl OpenKey {
    fn new(key: p256::SecretKey) -> Self {
        let key = p256::ecdsa::SigningKey::from(key);
        let public = P256Jwk::from(*key.verifying_key());
        Self { key, public }
    }

    /// Its public key.
    pub fn public(&self) -> &P256Jwk {
        &self.public
    }
}

impl Signer<Es256> for &OpenKey {
    type Error = std::convert::Infallible;

    fn name(&self) -> &'static str {
        Signer::<Es256>::name(&&self.key)
    }

    fn sign(&mut self, signing_input: &[u8]) -> Result<Vec<u8>, Self::Error> {
        Signer::<Es256>::sign(&mut &self.key, signing_input)
    }
}
