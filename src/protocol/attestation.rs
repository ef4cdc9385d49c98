//! Where a device key lies (`docs/protocol.md`, attestation): a TPM says so of it, and the service knows the maker of the
//! TPM.
//!
//! Three things together show it: the maker's certificate of an endorsement key, which only decrypts; a credential that
//! none but the TPM with that key and a certain attestation key can open; and what this attestation key, which signs
//! nothing but what its TPM knows, says of the device key. [`AttestedKey::check`] is the only maker of [`AttestedKey`], and
//! a key is kept as one in hardware for that value alone.

#[cfg(feature = "server")]
mod credential;
mod structures;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::registration::{DevicePossession, Expected};
use super::service::AMR_HARDWARE_KEY;
use super::{Challenge, RegistrationId, Sha256Hash};
use crate::jose::{P256Jwk, base64url};
use crate::secret::masked;

#[cfg(feature = "server")]
pub use credential::offer;
pub use structures::{Certified, Malformed, PublicArea};

/// Attributes of a device key (TPM 2.0, part 2, 8.3): `fixedTPM`, `fixedParent`, `sensitiveDataOrigin`, `userWithAuth`,
/// `noDA`, `sign`, and no other.
const DEVICE_KEY: u32 = 0x0004_0472;
/// Those of an attestation key: the same and `restricted`, so that it signs nothing that only looks like a TPM's word.
const ATTESTATION_KEY: u32 = DEVICE_KEY | 1 << 16;

/// Why an attestation is not one. Each check has its own.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AttestationError {
    /// No credential was made for this registration.
    #[error("credential")]
    NoCredential,
    /// What the credential held is something else: the attestation key is not in the TPM of the endorsement key.
    #[error("secret")]
    Secret,
    /// The attestation key is none: it could be elsewhere, or sign anything.
    #[error("attestation_key")]
    AttestationKey,
    /// The attestation key did not sign this.
    #[error("signature")]
    Signature,
    /// What it signed is not TPM2_Certify's.
    #[error("certify_info")]
    CertifyInfo,
    /// It was signed for another service, registration or challenge.
    #[error("qualifying_data")]
    QualifyingData,
    /// The public area is not that of the key it was signed for.
    #[error("name")]
    Name,
    /// The public area is not one of the keys that are made here: the key could be elsewhere, too.
    #[error("public")]
    Public,
    /// The key is not the device key of the registration.
    #[error("jkt")]
    OtherKey,
    /// The device key has signed that something else is handed in.
    #[error("attestation_sha256")]
    NotHandedIn,
}

/// What shows that a device key is in a TPM: what the client hands in with the evidence. The secret is used up by that.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// What the credential held.
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub secret: Vec<u8>,
    /// Public area of the device key: `TPMT_PUBLIC`.
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub public: Vec<u8>,
    /// What the attestation key says of it: the `TPMS_ATTEST` of TPM2_Certify.
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub certify_info: Vec<u8>,
    /// Its signature over that: R‖S, 64 bytes, big endian.
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub signature: Vec<u8>,
}

masked!(Attestation);

impl Attestation {
    /// SHA-256 over the four parts as they travel, with a line feed between them.
    pub fn sha256(&self) -> Sha256Hash {
        let parts = [&self.secret, &self.public, &self.certify_info, &self.signature];
        Sha256Hash::of(parts.map(|part| base64url::encode(part)).join("\n").as_bytes())
    }
}

/// What TPM2_Certify is given to sign along: SHA-256(`kartenbund/attestation/v1` ‖ `00` ‖ aud ‖ `00` ‖ registration ‖
/// challenge). Registration (16 bytes) and challenge (32) have one length each: nothing in front can be read as a part of
/// them.
pub fn qualifying_data(aud: &str, registration_id: RegistrationId, challenge: Challenge) -> [u8; 32] {
    let hash = Sha256::new()
        .chain_update(b"kartenbund/attestation/v1\0")
        .chain_update(aud)
        .chain_update([0])
        .chain_update(registration_id.as_bytes())
        .chain_update(challenge.as_bytes());
    hash.finalize().into()
}

/// An attestation key by its public area alone. Whether a TPM has it is another question: see [`ActivatedKey`].
#[derive(Clone, Debug)]
pub struct AttestationKey {
    public: PublicArea,
}

impl AttestationKey {
    /// Reads the public area (`TPMT_PUBLIC`) of a restricted signing key that never leaves its TPM.
    ///
    /// # Errors
    /// [`AttestationError::AttestationKey`].
    pub fn parse(public: &[u8]) -> Result<Self, AttestationError> {
        let public = PublicArea::parse(public).map_err(|_| AttestationError::AttestationKey)?;
        if public.attributes() != ATTESTATION_KEY {
            return Err(AttestationError::AttestationKey);
        }
        Ok(Self { public })
    }
}

/// What the service keeps of a credential until the evidence is handed in: not the secret itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CredentialMade {
    #[serde(with = "base64url")]
    ak_public: Vec<u8>,
    secret_sha256: Sha256Hash,
}

/// An attestation key that is in the TPM for whose endorsement key the credential was made.
#[derive(Debug)]
pub struct ActivatedKey(AttestationKey);

impl ActivatedKey {
    /// Whoever has the secret has asked that TPM, and it opens a credential only where it has the key that is named in it.
    ///
    /// # Errors
    /// [`AttestationError::Secret`].
    pub fn check(made: &CredentialMade, secret: &[u8]) -> Result<Self, AttestationError> {
        // Compared in constant time, as all hashes are.
        if Sha256Hash::of(secret) != made.secret_sha256 {
            return Err(AttestationError::Secret);
        }
        AttestationKey::parse(&made.ak_public).map(Self)
    }
}

/// A device key that never leaves the TPM it was made in, whose maker the service knows.
#[derive(Debug)]
pub struct AttestedKey {
    registration_id: RegistrationId,
    device_key: P256Jwk,
}

impl AttestedKey {
    /// Checks what the attestation key says of the device key, for this registration.
    ///
    /// # Errors
    /// [`AttestationError`] names the first check that fails.
    pub fn check(
        ActivatedKey(key): ActivatedKey,
        attestation: &Attestation,
        expected: &Expected,
        device: &DevicePossession,
    ) -> Result<Self, AttestationError> {
        // The device key has signed that this is handed in.
        if device.attestation_sha256() != Some(attestation.sha256()) {
            return Err(AttestationError::NotHandedIn);
        }
        let Expected { aud, registration_id, challenge, .. } = expected;
        let Attestation { public, certify_info, signature, .. } = attestation;
        // TPM 2.0, part 3, 18.2 (TPM2_Certify): the attestation key signed a TPMS_ATTEST; a restricted key signs no other
        // bytes that begin like one.
        if !key.public.key().verifies(certify_info, signature) {
            return Err(AttestationError::Signature);
        }
        // Its magic is TPM_GENERATED_VALUE and its type TPM_ST_ATTEST_CERTIFY: the TPM made it, about an object it has loaded.
        let certified = Certified::parse(certify_info).map_err(|_| AttestationError::CertifyInfo)?;
        // It was made for this service, registration and challenge.
        if certified.extra_data() != qualifying_data(aud, *registration_id, *challenge) {
            return Err(AttestationError::QualifyingData);
        }
        // The name of the object is the hash of its public area (part 1, 16).
        let public = PublicArea::parse(public).map_err(|_| AttestationError::Public)?;
        if certified.name() != public.name() {
            return Err(AttestationError::Name);
        }
        // The key was made in the TPM, cannot be taken out of it, and is opened by its value alone.
        if public.attributes() != DEVICE_KEY {
            return Err(AttestationError::Public);
        }
        // … and that key is the device key.
        if public.key() != device.device_key() {
            return Err(AttestationError::OtherKey);
        }
        Ok(Self { registration_id: expected.registration_id, device_key: device.device_key().clone() })
    }

    /// What receipts and lists say of it (RFC 8176).
    pub fn amr(&self) -> &'static str {
        AMR_HARDWARE_KEY
    }

    /// Whether it is about this device key, in this registration.
    pub fn is_about(&self, expected: &Expected, device: &DevicePossession) -> bool {
        self.registration_id == expected.registration_id && self.device_key == *device.device_key()
    }
}
