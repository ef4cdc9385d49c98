//! A device key on its way into a binding, new or anew: what card and key sign for it, and nothing before it was checked
//! (`docs/protocol.md`, registration).

use reqwest::Method;

use super::home::Profile;
use super::login::LoggedIn;
use super::register::RegisterError;
use super::service::ServiceError;
use super::{Step, Surroundings};
use crate::device_key::OpenKey;
use crate::egk::Egk;
use crate::identity::certificate::Certificate;
use crate::jose::P256Jwk;
use crate::jose::jws::{self, SignError};
use crate::protocol::api::ChallengeAnswer;
use crate::protocol::attestation::Attestation;
use crate::protocol::pairing::PairingData;
use crate::protocol::registration::{CardEvidence, CardStatement, HandedIn, ProofOfPossession};
use crate::protocol::service::RegistrationChallenge;
use crate::protocol::{Challenge, NumericDate, RegistrationId, Sha256Hash, VERSION};
use crate::reader::CardChannel;
use crate::voprf::Element;

/// Product name in gematik's pairing data.
pub(super) const PRODUCT: &str = "Kartenbund";

/// A device key, as far as card and service are told of it, and the registration in which it is bound.
pub(super) struct Candidate<'a> {
    pub(super) key: &'a OpenKey,
    /// Names it in gematik's pairing data.
    pub(super) key_identifier: [u8; 32],
    pub(super) transport_key: P256Jwk,
    /// The share that the device has pinned.
    pub(super) voprf_pk: Element,
    pub(super) registration_id: RegistrationId,
    /// How far the service's clock is ahead of ours, in seconds.
    pub(super) skew: NumericDate,
}

/// Fetches the challenge, and checks it before anything signs it. Gives the time that what signs it may carry, too.
pub(super) fn fetch_challenge(
    here: &LoggedIn,
    candidate: &Candidate<'_>,
    around: &mut Surroundings<'_>,
) -> Result<(Challenge, NumericDate), RegisterError> {
    let service = &here.service;
    around.ui.step(Step::FetchChallenge);
    let path = format!("/v1/registrations/{}/challenge", candidate.registration_id);
    let answer: ChallengeAnswer = service.call(Method::POST, &path, &serde_json::json!({}))?;
    let now = (around.clock)().saturating_add(candidate.skew);
    Ok((checked_challenge(&answer.challenge, candidate, here, now)?, now))
}

/// Lets the card sign, once everything that is signed was checked.
pub(super) fn sign_evidence<C: CardChannel>(
    here: &LoggedIn,
    egk: &mut Egk<C>,
    certificate: &Certificate,
    candidate: &Candidate<'_>,
    around: &mut Surroundings<'_>,
) -> Result<(CardEvidence, Challenge), RegisterError> {
    let profile = &here.profile;
    let (challenge, now) = fetch_challenge(here, candidate, around)?;

    around.ui.step(Step::CardSigns);
    let jkt = candidate.key.public().thumbprint();
    let pairing = PairingData::new(certificate, candidate.key.public(), candidate.key_identifier.into(), PRODUCT)
        .map_err(|_| RegisterError::Message)?;
    let signed_pairing_data = jws::sign(&pairing, egk.auth_key()).map_err(not_signed)?;
    let statement = CardStatement {
        v: VERSION,
        aud: profile.service.clone(),
        registration_id: candidate.registration_id,
        challenge,
        jkt,
        kvnr: profile.kvnr.clone(),
        pairing_sha256: Sha256Hash::of(signed_pairing_data.as_bytes()),
        iat: now,
    };
    let card_jws = jws::sign_with_x5c(&statement, &certificate.der, egk.auth_key()).map_err(not_signed)?;
    Ok((CardEvidence { signed_pairing_data, auth_cert: certificate.der.clone(), card_jws }, challenge))
}

/// Before the card or the code signs: the challenge is by the pinned service, for this registration, this key and this account, and
/// alive. A stranger's challenge is never signed.
fn checked_challenge(
    compact: &str,
    candidate: &Candidate<'_>,
    here: &LoggedIn,
    now: NumericDate,
) -> Result<Challenge, ServiceError> {
    let LoggedIn { home, profile, service } = here;
    let message: RegistrationChallenge = service.signed(compact, home, "challenge")?;
    let is_ours = message.v == VERSION
        && message.aud == profile.service
        && message.registration_id == candidate.registration_id
        && message.jkt == candidate.key.public().thumbprint()
        && message.kvnr == profile.kvnr
        && now < message.exp;
    if is_ours { Ok(message.challenge) } else { Err(ServiceError::Contradiction("challenge")) }
}

/// The device key signs that it is there, for this evidence and challenge.
pub(super) fn prove_possession(
    candidate: &Candidate<'_>,
    evidence: &HandedIn,
    attestation: Option<&Attestation>,
    challenge: Challenge,
    profile: &Profile,
    iat: NumericDate,
) -> Result<String, RegisterError> {
    let jwk = candidate.key.public().clone();
    let proof = ProofOfPossession {
        v: VERSION,
        aud: profile.service.clone(),
        registration_id: candidate.registration_id,
        challenge,
        iat,
        method: evidence.method(),
        kvnr: profile.kvnr.clone(),
        jkt: jwk.thumbprint(),
        evidence_sha256: evidence.sha256(),
        voprf_pk: Some(candidate.voprf_pk),
        transport_jwk: candidate.transport_key.clone(),
        attestation_sha256: attestation.map(Attestation::sha256),
    };
    jws::sign_with_jwk(&proof, jwk, candidate.key).map_err(not_signed)
}

fn not_signed<E: Into<RegisterError>>(error: SignError<E>) -> RegisterError {
    match error {
        SignError::Key(error) => error.into(),
        SignError::Json(_) => RegisterError::Message,
    }
}
