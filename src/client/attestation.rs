//! Showing the service that the device key is in a TPM (`docs/protocol.md`, attestation). Whatever of it does not work, the
//! registration goes on: the key counts as one in software then.

use reqwest::Method;

use super::home::Profile;
use super::service::{Service, ServiceError};
use crate::device_key::OpenKey;
use crate::device_key::tpm::{AttestationKey, Certified};
use crate::protocol::api::{AttestationAnswer, AttestationRequest, Credential};
use crate::protocol::attestation::{Attestation, qualifying_data};
use crate::protocol::{Challenge, RegistrationId};

/// The TPM of a device key, whose maker the service knows.
pub(super) struct Attestor {
    key: AttestationKey,
    credential: Credential,
}

/// Shows the service the TPM of `key`. `None` where there is none, or the service does not know its maker.
///
/// # Errors
/// [`ServiceError`].
pub(super) fn begin(
    service: &Service,
    registration_id: RegistrationId,
    key: &OpenKey,
) -> Result<Option<Attestor>, ServiceError> {
    let Ok(Some(endorsement)) = key.endorsement() else { return Ok(None) };
    let request =
        AttestationRequest { ek_certificate: endorsement.certificate, ak_public: endorsement.key.public().to_vec() };
    let path = format!("/v1/registrations/{registration_id}/attestation");
    match service.call::<_, AttestationAnswer>(Method::POST, &path, &request) {
        Ok(answer) => Ok(answer.credential.map(|credential| Attestor { key: endorsement.key, credential })),
        // A service of before that could be shown it.
        Err(error) if error.is_refused_with("not_found") => Ok(None),
        Err(error) => Err(error),
    }
}

impl Attestor {
    /// What the TPM says of the device key, for this registration and challenge.
    pub(super) fn attest(
        &self,
        key: &OpenKey,
        profile: &Profile,
        registration_id: RegistrationId,
        challenge: Challenge,
    ) -> Option<Attestation> {
        let qualifying_data = qualifying_data(&profile.service, registration_id, challenge);
        let Credential { blob, encrypted_secret } = &self.credential;
        let (secret, certified) = key.attest(&self.key, (blob, encrypted_secret), &qualifying_data).ok()??;
        let Certified { public, certify_info, signature } = certified;
        Some(Attestation { secret, public, certify_info, signature })
    }
}
