//! Binding this computer's device anew with the card (`docs/protocol.md`, re-binding): device, key and PIN stay.

use reqwest::Method;

use super::attestation::{self, Attestor};
use super::candidate::{Candidate, prove_possession, sign_evidence};
use super::card_signing::{CardFlow, Wanted, under_one_pin};
use super::home::{Binding, Device, Home, HomeError};
use super::login::LoggedIn;
use super::pin::{self, PinError, Unlocked};
use super::register::{RegisterError, answer_for};
use super::service::{ExpectedReceipt, ServiceError, check_receipt};
use super::{Notice, Step, Surroundings, skew};
use crate::device_key::OpenKey;
use crate::egk::{ApduLength, Egk};
use crate::identity::certificate::Certificate;
use crate::jose::P256Jwk;
use crate::protocol::api::{
    DeviceAnswer, DevicesAnswer, EvidenceRequest, RebindingOffer, RebindingRequest, RegistrationAnswer,
};
use crate::protocol::registration::{CardEvidence, HandedIn};
use crate::protocol::service::ReceiptSubject;
use crate::protocol::{CLOCK_TOLERANCE, Challenge, DeviceId, DeviceNonce, NumericDate, RegistrationId};
use crate::reader::CardChannel;
use crate::secret::Can;

/// When the time of this computer's device ends, where that is soon, as the service calls it, or was: the person is told
/// how it goes on.
pub fn reminder(home: &Home, now: NumericDate) -> Option<NumericDate> {
    let device = home.device().ok().filter(|device| device.device_id().is_some())?;
    device.expires_at.filter(|ends_at| now >= device.remind_from.unwrap_or(*ends_at))
}

/// Keeps when the time of this computer's device ends, as the service says.
///
/// # Errors
/// The file system.
pub fn keep_expiry(home: &Home, devices: &[DeviceAnswer]) -> Result<(), HomeError> {
    let Ok(Device { binding: Binding::Active { device_id, .. }, expires_at, remind_from, .. }) = home.device() else {
        return Ok(());
    };
    match devices.iter().find(|device| device.device_id == device_id) {
        Some(said) if (Some(said.expires_at), Some(said.remind_from)) != (expires_at, remind_from) => {
            home.change_device(device_id, |device| device.set_time(said))
        }
        _ => Ok(()),
    }
}

/// Asks the service when the time of this computer's device ends, and from when on to say so, where one of them is not
/// kept: programs before did not keep them.
///
/// # Errors
/// The service, the file system.
pub fn learn_expiry(here: &LoggedIn) -> Result<(), RegisterError> {
    match here.home.device() {
        Ok(Device { binding: Binding::Active { .. }, expires_at, remind_from, .. })
            if expires_at.is_none() || remind_from.is_none() => {}
        _ => return Ok(()),
    }
    let answer: DevicesAnswer = here.service.get("/v1/devices")?;
    Ok(keep_expiry(&here.home, &answer.devices)?)
}

/// Binds the device of this computer anew with the card on `channel`. The device PIN opens the device key, the card PIN is
/// entered once, and the card signs twice under it.
///
/// Whatever breaks off, the device is as it was or bound anew, and its file opens as before. A lost answer is fetched at
/// the next call.
///
/// # Errors
/// [`RegisterError`].
pub fn rebind(
    here: &LoggedIn,
    channel: impl CardChannel,
    length: ApduLength,
    around: &mut Surroundings<'_>,
) -> Result<DeviceAnswer, RegisterError> {
    if let Some(device) = resume(here, around)? {
        return Ok(device);
    }
    let profile = &here.profile;
    let wanted = Wanted { kvnr: Some(&profile.kvnr), payer_iks: &profile.payer_iks };
    let mut rebinding = Rebinding { here, opened: None };
    let (evidence, challenge) = under_one_pin(&mut rebinding, channel, length, wanted, around)?;
    // Nothing was signed without it.
    let opened = rebinding.opened.ok_or(RegisterError::Message)?;
    hand_in(here, opened, HandedIn::Card(evidence), challenge, around)
}

/// Everything that needs no card: completes a re-binding whose answer was lost, and refuses where there is no device that
/// could be bound anew. `None` when the card is needed now; [`rebind`] begins with the same.
///
/// # Errors
/// [`RegisterError`].
pub fn resume(here: &LoggedIn, around: &mut Surroundings<'_>) -> Result<Option<DeviceAnswer>, RegisterError> {
    let device_id = here.home.device()?.device_id().ok_or(HomeError::NoDevice)?;
    if let Some(device) = complete_pending(here, device_id)? {
        around.ui.notice(Notice::Resumed);
        return Ok(Some(device));
    }
    // A device that was removed elsewhere is told before any PIN is asked for.
    answer_for(here, device_id)?.ok_or(PinError::Gone)?;
    Ok(None)
}

/// Completes a re-binding whose answer was lost; `None` when there is none, or nothing came of it.
fn complete_pending(here: &LoggedIn, device_id: DeviceId) -> Result<Option<DeviceAnswer>, RegisterError> {
    let LoggedIn { home, service, .. } = here;
    let Some(pending) = home.pending_rebinding()? else { return Ok(None) };
    if let Binding::Pending { registration_id, .. } = pending {
        match service.get::<RegistrationAnswer>(&format!("/v1/registrations/{registration_id}")) {
            Ok(answer) if answer.device.as_ref().is_some_and(|device| device.device_id == device_id) => {
                // How far the clocks differ is not known here, so the receipt may be as new as it likes.
                return Ok(Some(keep(here, &pending, answer, NumericDate::MAX)?));
            }
            Ok(_) => {}
            Err(error) if error.is_refused_with("not_found") => {}
            Err(error) => return Err(error.into()),
        }
    }
    home.forget_pending_rebinding()?;
    Ok(None)
}

/// A re-binding on its way: it is opened once, and the device key with it.
struct Rebinding<'a> {
    here: &'a LoggedIn,
    opened: Option<Opened>,
}

struct Opened {
    key: OpenKey,
    device: Device,
    transport_key: P256Jwk,
    registration_id: RegistrationId,
    nonce: DeviceNonce,
    /// The TPM of the key, where one shows itself.
    attestor: Option<Attestor>,
    skew: NumericDate,
}

impl Opened {
    /// Asks the service first, which may refuse, and opens the device key then.
    fn open(here: &LoggedIn, around: &mut Surroundings<'_>) -> Result<Self, RegisterError> {
        let LoggedIn { home, profile, service } = here;
        let device_id = home.device()?.device_id().ok_or(HomeError::NoDevice)?;
        around.ui.step(Step::OpenRegistration);
        let nonce = DeviceNonce::random(around.rng);
        let path = format!("/v1/devices/{device_id}/rebind");
        let request = RebindingRequest { commit: nonce.commitment() };
        let RebindingOffer { registration_id, server_time, aud, .. } = service.call(Method::POST, &path, &request)?;
        (aud == profile.service).then_some(()).ok_or(ServiceError::Contradiction("registration"))?;
        let skew = skew(server_time, around);
        let (_, Unlocked { key, device }) = pin::unlock_with_pin(here, skew, around)?;
        let transport_key = device.key.transport_key()?;
        let transport_key = P256Jwk::from(*transport_key.verifying_key());
        let attestor = attestation::begin(service, registration_id, &key)?;
        Ok(Self { key, device, transport_key, registration_id, nonce, attestor, skew })
    }

    fn candidate(&self) -> Result<Candidate<'_>, RegisterError> {
        Ok(Candidate {
            key: &self.key,
            key_identifier: self.device.key.key_identifier,
            transport_key: self.transport_key.clone(),
            voprf_pk: self.device.key.voprf_pk().ok_or(RegisterError::Message)?,
            registration_id: self.registration_id,
            skew: self.skew,
        })
    }
}

impl CardFlow for Rebinding<'_> {
    type Signed = (CardEvidence, Challenge);
    type Error = RegisterError;

    fn prepare(&mut self, _: Option<&Can>, around: &mut Surroundings<'_>) -> Result<(), RegisterError> {
        if self.opened.is_none() {
            self.opened = Some(Opened::open(self.here, around)?);
        }
        Ok(())
    }

    fn sign<C: CardChannel>(
        &mut self,
        egk: &mut Egk<C>,
        certificate: &Certificate,
        around: &mut Surroundings<'_>,
    ) -> Result<Self::Signed, RegisterError> {
        let candidate = self.opened.as_ref().ok_or(RegisterError::Message)?.candidate()?;
        sign_evidence(self.here, egk, certificate, &candidate, around)
    }
}

/// Hands in the evidence, and keeps what the service has bound.
fn hand_in(
    here: &LoggedIn,
    opened: Opened,
    evidence: HandedIn,
    challenge: Challenge,
    around: &mut Surroundings<'_>,
) -> Result<DeviceAnswer, RegisterError> {
    let LoggedIn { home, profile, service } = here;
    let now = (around.clock)().saturating_add(opened.skew);
    let attest = |attestor: &Attestor| attestor.attest(&opened.key, profile, opened.registration_id, challenge);
    let attestation = opened.attestor.as_ref().and_then(attest);
    let pop = prove_possession(&opened.candidate()?, &evidence, attestation.as_ref(), challenge, profile, now)?;
    let Opened { registration_id, nonce, skew, .. } = opened;
    let pending = Binding::Pending { registration_id, pop: pop.clone(), sent_at: now };
    home.keep_pending_rebinding(&pending)?;
    around.ui.step(Step::SendEvidence);
    let path = format!("/v1/registrations/{registration_id}/evidence");
    let request = EvidenceRequest { pop, nonce_d: nonce, evidence, attestation };
    let answer: RegistrationAnswer = match service.call(Method::PUT, &path, &request) {
        Ok(answer) => answer,
        Err(error) => {
            // A refusal is final; of anything else nobody knows whether the service has taken the evidence.
            if error.is_final() {
                home.forget_pending_rebinding()?;
            }
            return Err(error.into());
        }
    };
    let latest = (around.clock)().saturating_add(skew).saturating_add(CLOCK_TOLERANCE);
    keep(here, &pending, answer, latest)
}

/// Checks what the service says it bound, and keeps it beside the key. `latest` is the latest time the receipt may name.
fn keep(
    here: &LoggedIn,
    pending: &Binding,
    answer: RegistrationAnswer,
    latest: NumericDate,
) -> Result<DeviceAnswer, RegisterError> {
    let home = &here.home;
    let contradiction = || ServiceError::Contradiction("device");
    let (Some(device), Some(receipt)) = (answer.device, answer.receipt) else { return Err(contradiction().into()) };
    let Binding::Pending { pop, sent_at, .. } = pending else { return Err(contradiction().into()) };
    let own = home.device()?;
    if own.device_id() != Some(device.device_id) || own.key.public_key.thumbprint() != device.jkt {
        return Err(contradiction().into());
    }
    let expected = ExpectedReceipt {
        subject: ReceiptSubject::Binding,
        id: &device.device_id.to_string(),
        signed: pop,
        time: sent_at.saturating_sub(CLOCK_TOLERANCE)..=latest,
    };
    check_receipt(&receipt, here, &expected)?;
    home.change_device(device.device_id, |own| {
        own.binding = Binding::Active { device_id: device.device_id, receipt };
        own.set_time(&device);
    })?;
    home.forget_pending_rebinding()?;
    Ok(device)
}
