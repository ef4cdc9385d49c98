//! Where a device key lies (`docs/protocol.md`, attestation). The maker's certificate of the TPM, which would tell one
//! computer from all others, is looked at and not kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::http::{Code, Path, Refusal, Unread};
use super::registration::{audit_event, find};
use super::session::{Presented, Session};
use super::states::{Event, transition};
use super::store::{from_json, to_json};
use super::{Service, random};
use crate::pki::endorsement::{self, VerifiedTpm};
use crate::protocol::api::{AttestationAnswer, AttestationRequest, Credential, Problem};
use crate::protocol::attestation::{self, ActivatedKey, Attestation, AttestationError, AttestedKey, CredentialMade};
use crate::protocol::registration::{DevicePossession, Expected};

/// Makes a credential that the TPM opens if it has the attestation key. A TPM that nobody vouches for gets none, and the
/// registration goes on without.
#[utoipa::path(post, path = "/v1/registrations/{id}/attestation", params(("id" = String, Path)),
    request_body = AttestationRequest, responses(
    (status = 200, body = AttestationAnswer), (status = 404, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn offer(
    State(service): State<Arc<Service>>,
    presented: Presented,
    Path(id): Path<String>,
    body: Unread<AttestationRequest>,
) -> Result<Json<AttestationAnswer>, Refusal> {
    let (Session { account, .. }, mut tx) = presented.enter(&service).await?;
    let request = body.read()?;
    let (registration_id, row, state) = find(&mut tx, &account, &id).await?;
    let event = Event::RegistrationAttestationAsked;
    if transition(&mut tx, &id, state, event).await?.is_none() || service.now_unix() >= row.expires_at {
        return Err(Code::RegistrationEnded.into());
    }
    let (credential, made, why_not) = match credential_for(&service, &request) {
        Ok((credential, made)) => (Some(credential), Some(to_json(&made)?), None),
        Err(why_not) => (None, None, Some(why_not)),
    };
    let update = sqlx::query("UPDATE registration SET attestation = $2 WHERE registration_id = $1");
    update.bind(&id).bind(made).execute(&mut *tx).await?;
    audit_event(&service, &mut tx, &account, registration_id, event, Ok(why_not)).await?;
    tx.commit().await?;
    Ok(Json(AttestationAnswer { credential }))
}

/// The credential; otherwise why there is none, for operators.
fn credential_for(service: &Service, request: &AttestationRequest) -> Result<(Credential, CredentialMade), String> {
    let code = |error| Refusal::from(error).code.as_str().to_owned();
    let tpm: VerifiedTpm =
        endorsement::verify(&request.ek_certificate, &service.settings.tpm_roots, service.now()).map_err(code)?;
    attestation::offer(&tpm, &request.ak_public, &mut random()).map_err(|error| error.to_string())
}

/// Checks what was handed in to show that the device key is in a TPM; `None` where nothing was. `made` is what was kept of
/// the credential.
pub(super) fn check(
    made: Option<&str>,
    handed_in: Option<Attestation>,
    expected: &Expected,
    device: &DevicePossession,
) -> Result<Option<AttestedKey>, Refusal> {
    let Some(attestation) = handed_in else {
        // What the device has signed to be there was not lost on the way.
        return match device.attestation_sha256() {
            None => Ok(None),
            Some(_) => Err(AttestationError::NotHandedIn.into()),
        };
    };
    let made: CredentialMade = from_json(made.ok_or(AttestationError::NoCredential)?)?;
    let key = ActivatedKey::check(&made, &attestation.secret)?;
    Ok(Some(AttestedKey::check(key, &attestation, expected, device)?))
}

impl From<AttestationError> for Refusal {
    fn from(error: AttestationError) -> Self {
        Self::new(Code::AttestationInvalid).with_detail(error.to_string())
    }
}
