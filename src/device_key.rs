//! The key of this computer: it signs proofs of possession and decisions, and the device PIN opens it for one command.
//!
//! Opening is two steps with something to send between them, so that a service can later share in the PIN check
//! (`docs/protocol.md`, the device PIN). Today nothing is sent: whoever has the file can try PINs on it, one in a tenth
//! of a second. The program says so, and the file is readable for its owner only.

mod file;

use thiserror::Error;

use crate::jose::{Es256, P256Jwk, Signer};

pub use file::{KeyFile, LockedKey, NewKey, Pending};

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

/// What is sent to the service between the two steps of opening: nothing, as long as the PIN is checked here alone.
#[derive(Debug)]
#[non_exhaustive]
pub enum Blinded {
    /// Nothing is sent.
    Nothing,
}

/// What the service answers.
#[derive(Debug)]
#[non_exhaustive]
pub enum Evaluated {
    /// Nothing was asked.
    Nothing,
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
