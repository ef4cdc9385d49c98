//! The key of this computer: it signs proofs of possession and decisions, and the device PIN opens it for one command.
//!
//! Opening is two steps with something to send between them: the service has a share in the PIN (`docs/protocol.md`, the
//! device PIN), and counts. Whoever has the file alone cannot try a single PIN without it. Nothing is sent from here: the
//! client carries the bytes.

mod file;
mod stretch;
pub mod tpm;

use thiserror::Error;

use self::tpm::{AttestationKey, AuthValue, Certified, Endorsement, Tpm, TpmError, WrappedKey};
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
    /// The key lies in a TPM, which does not do what it is asked for.
    #[error(transparent)]
    Tpm(#[from] TpmError),
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
    place: Place,
    public: P256Jwk,
}

/// Where an open key is.
#[derive(Debug)]
enum Place {
    /// In the memory of this program.
    Memory(p256::ecdsa::SigningKey),
    /// In the TPM that this names; what is here is of use there alone.
    Tpm { tcti: String, wrapped: WrappedKey, auth: AuthValue },
}

impl OpenKey {
    fn in_memory(key: p256::SecretKey) -> Self {
        let key = p256::ecdsa::SigningKey::from(key);
        let public = P256Jwk::from(*key.verifying_key());
        Self { place: Place::Memory(key), public }
    }

    /// Makes a key in a TPM.
    fn made_in(tcti: &str, rng: &mut dyn rand_core::CryptoRng) -> Result<Self, TpmError> {
        let auth = AuthValue::random(rng);
        let wrapped = Tpm::open(tcti)?.make(&auth)?;
        let public = wrapped.public_key()?;
        Ok(Self { place: Place::Tpm { tcti: tcti.to_owned(), wrapped, auth }, public })
    }

    /// Its public key.
    pub fn public(&self) -> &P256Jwk {
        &self.public
    }

    /// Whether it lies in a TPM.
    pub fn is_in_tpm(&self) -> bool {
        matches!(self.place, Place::Tpm { .. })
    }

    /// What its TPM shows of itself; `None` where there is none, or its maker gave it no certificate.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn endorsement(&self) -> Result<Option<Endorsement>, TpmError> {
        match &self.place {
            Place::Memory(_) => Ok(None),
            Place::Tpm { tcti, .. } => Tpm::open(tcti)?.endorsement(),
        }
    }

    /// What its TPM says of it, with `qualifying_data` signed along; `activation` is what shows that the attestation key
    /// is there: the credential and its seed. Gives the secret in it, too. `None` where there is no TPM.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn attest(
        &self,
        key: &AttestationKey,
        (blob, encrypted_secret): (&[u8], &[u8]),
        qualifying_data: &[u8; 32],
    ) -> Result<Option<(Vec<u8>, Certified)>, TpmError> {
        let Place::Tpm { tcti, wrapped, auth } = &self.place else { return Ok(None) };
        let mut tpm = Tpm::open(tcti)?;
        let secret = tpm.activate(key, blob, encrypted_secret)?;
        Ok(Some((secret, tpm.certify(wrapped, auth, key, qualifying_data)?)))
    }
}

impl Signer<Es256> for &OpenKey {
    type Error = DeviceKeyError;

    fn name(&self) -> &'static str {
        "ES256"
    }

    fn sign(&mut self, signing_input: &[u8]) -> Result<Vec<u8>, Self::Error> {
        match &self.place {
            Place::Memory(key) => match Signer::<Es256>::sign(&mut &*key, signing_input) {
                Ok(signature) => Ok(signature),
                Err(never) => match never {},
            },
            Place::Tpm { tcti, wrapped, auth } => Ok(Tpm::open(tcti)?.sign(wrapped, auth, signing_input)?.to_vec()),
        }
    }
}
