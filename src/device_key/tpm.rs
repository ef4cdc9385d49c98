//! A device key in a TPM 2.0: made there, and never outside it. What is kept on the disk is wrapped by this TPM.
//!
//! Its authorisation value is what device PIN and the service's share give (`docs/protocol.md`, the device PIN), 32 bytes that nobody
//! guesses. So the key is made with `noDA`: a wrong value is answered at once and never counted by the TPM, whose lockout
//! the disk encryption of the computer depends on. The service counts.
//!
//! Values travel in a session that is salted for the TPM's own storage key: whoever only listens on the bus reads neither
//! them nor what he could find them by.
//!
//! Programs are built with the feature `tpm`, or without: then there is no TPM, and a key that lies in one is told as that.

#[cfg(not(feature = "tpm"))]
mod absent;
#[cfg(feature = "tpm")]
mod attestation;
#[cfg(feature = "tpm")]
mod chip;

use serde::{Deserialize, Serialize};
use thiserror::Error;

#[cfg(not(feature = "tpm"))]
pub use absent::Tpm;
#[cfg(feature = "tpm")]
pub use chip::Tpm;

use crate::jose::base64url;
use crate::secret::SecretBytes;

/// The TPM of this computer, through the kernel's resource manager.
pub const DEFAULT_TCTI: &str = "device:/dev/tpmrm0";

/// What a key in the TPM is opened with.
pub type AuthValue = SecretBytes<32>;

/// Why the TPM does not do what it is asked for.
#[derive(Debug, Error)]
pub enum TpmError {
    /// The program was built without the feature `tpm`.
    #[error("this program was built without support for a TPM")]
    NotBuiltIn,
    /// The computer has none, or shows none to programs.
    #[error("there is no TPM")]
    Absent,
    /// There is one, and the user may not use it.
    #[error("the user may not use the TPM")]
    NotAllowed,
    /// It does not answer, or answers something else.
    #[error("the TPM does not answer as it should")]
    Broken,
    /// The value does not open the key. No counter of the TPM was raised.
    #[error("the TPM refuses the authorisation value")]
    WrongAuth,
    /// The wrapped key is of another TPM, of this one before it was cleared, or damaged.
    #[error("the wrapped key is of another TPM, or damaged")]
    OtherTpm,
    /// The key is none of the kind that is made here: it could leave the TPM, or raise its lockout.
    #[error("the wrapped key is not of the kind that is made here")]
    OtherKind,
    /// The signature is not by the key: the TPM, or what answers in its place, is not to be trusted.
    #[error("what the TPM answered is not a signature by the key")]
    NotItsSignature,
}

/// What a TPM shows of itself: the maker's certificate of its endorsement key, and an attestation key that was made for
/// one registration. Nothing of it is kept.
#[derive(Clone, Debug)]
pub struct Endorsement {
    /// The certificate (DER).
    pub certificate: Vec<u8>,
    /// The attestation key.
    pub key: AttestationKey,
}

/// A key that signs nothing but what its TPM knows.
#[derive(Clone, Debug)]
pub struct AttestationKey(WrappedKey);

impl AttestationKey {
    /// Its public area: `TPMT_PUBLIC`.
    pub fn public(&self) -> &[u8] {
        &self.0.public
    }
}

/// What an attestation key says of a device key.
#[derive(Clone, Debug)]
pub struct Certified {
    /// Public area of the device key: `TPMT_PUBLIC`.
    pub public: Vec<u8>,
    /// `TPMS_ATTEST`.
    pub certify_info: Vec<u8>,
    /// R‖S, 64 bytes.
    pub signature: Vec<u8>,
}

/// A key as it lies on the disk: public part, and private part wrapped by the TPM that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrappedKey {
    /// `TPM2B_PUBLIC` without its length.
    #[serde(with = "base64url")]
    public: Vec<u8>,
    /// `TPM2B_PRIVATE` without its length.
    #[serde(with = "base64url")]
    private: Vec<u8>,
}
