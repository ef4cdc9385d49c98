//! Registering this computer with the health card, or with the code of a letter (`docs/protocol.md`, registration).

use std::time::Duration;

use reqwest::Method;
use thiserror::Error;

use super::addition::{self, New};
use super::attestation::{self, Attestor};
use super::candidate::{Candidate, PRODUCT, fetch_challenge, prove_possession, sign_evidence};
use super::card_pin::{PinError, PinRefusal};
pub use super::card_signing::CardRefusal;
use super::card_signing::{CardFlow, Wanted, under_one_pin, with_chip};
use super::home::{Binding, Device, Home, HomeError, Profile};
use super::keyring::NewEntry;
use super::login::LoggedIn;
use super::pin::rules::{Known, WeakPin};
use super::pin::{self, PinError as DevicePinError};
use super::removal::{replaced, tell_what_is_left};
use super::service::{ExpectedReceipt, ServiceError, check_receipt};
use super::{AskError, FromCard, Notice, Step, Surroundings, qr, skew};
use crate::device_key::tpm::TpmError;
use crate::device_key::{DeviceKeyError, Lock, NewKey, NewLock};
use crate::egk::{ApduLength, Egk, EgkError, Iccsn};
use crate::identity::certificate::Certificate;
use crate::identity::vsd::PersonalData;
use crate::protocol::addition::AdditionEvidence;
use crate::protocol::api::{
    AdditionOffer, DeviceAnswer, DevicesAnswer, EvidenceRequest, RegistrationAnswer, RegistrationOffer,
    RegistrationRequest,
};
use crate::protocol::pairing::{DATA_VERSION, DeviceInformation, DeviceType};
use crate::protocol::presence::{ChipEvidence, Occasion};
use crate::protocol::qr::LetterCode;
use crate::protocol::registration::{CardEvidence, HandedIn, Method as BindingMethod};
use crate::protocol::service::ReceiptSubject;
use crate::protocol::{CLOCK_TOLERANCE, Challenge, DeviceId, DeviceNonce, NumericDate, RegistrationId};
use crate::reader::CardChannel;
use crate::reader::pinpad::NoEntry;
use crate::secret::Can;
use crate::voprf::Element;

/// States of a device that is there: it may approve, or it will when it has waited.
const THERE: [&str; 2] = ["active", "pending_wait"];

/// Why this computer is not registered.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// The service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The files of this computer.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The card.
    #[error(transparent)]
    Card(#[from] EgkError),
    /// The person.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The device key.
    #[error(transparent)]
    DeviceKey(#[from] DeviceKeyError),
    /// The device key that is there stays locked.
    #[error(transparent)]
    Locked(DevicePinError),
    /// The device PIN that was chosen is easy to guess.
    #[error("the device PIN is easy to guess")]
    WeakPin(WeakPin),
    /// The card's certificate does not do, which the service would say too.
    #[error("the card's certificate does not do")]
    Certificate(#[from] CardRefusal),
    /// The card PIN cannot be used as it is.
    #[error("the card PIN cannot be used")]
    Pin(#[source] PinRefusal),
    /// The reader's keypad gave the card nothing.
    #[error("nothing was typed on the reader that the card saw: {0:?}")]
    Keypad(NoEntry),
    /// The device that was asked has not approved this computer.
    #[error("no device has approved this computer")]
    NotApproved {
        /// Nobody has decided in time.
        expired: bool,
    },
    /// This computer is registered already.
    #[error("this computer is registered already")]
    AlreadyRegistered,
    /// A message could not be put together: it never happens.
    #[error("a message could not be put together")]
    Message,
}

impl From<PinError> for RegisterError {
    fn from(error: PinError) -> Self {
        match error {
            PinError::Card(error) => error.into(),
            PinError::Ask(error) => error.into(),
            PinError::Refused(refusal) => Self::Pin(refusal),
            PinError::Keypad(why) => Self::Keypad(why),
            PinError::Unanswered(error) => EgkError::Channel(error).into(),
        }
    }
}

impl From<DevicePinError> for RegisterError {
    fn from(error: DevicePinError) -> Self {
        match error {
            DevicePinError::Service(error) => error.into(),
            DevicePinError::Home(error) => error.into(),
            DevicePinError::Ask(error) => error.into(),
            DevicePinError::DeviceKey(error) => error.into(),
            DevicePinError::Weak(weak) => Self::WeakPin(weak),
            DevicePinError::Message => Self::Message,
            locked @ (DevicePinError::Wrong { .. } | DevicePinError::Gone) => Self::Locked(locked),
        }
    }
}

impl FromCard for RegisterError {
    fn card(&self) -> Option<&EgkError> {
        match self {
            Self::Card(error) => Some(error),
            _ => None,
        }
    }
}

/// What the person wants.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What the device is to be called.
    pub name: String,
    /// Register anew although this computer is registered.
    pub replace: bool,
    /// Other devices whose place it takes: they leave in the moment it is bound.
    pub in_place_of: Vec<DeviceId>,
    /// Form of APDU to begin with.
    pub length: ApduLength,
}

/// A registration that was opened, the share it offers, how far the service's clock is ahead of ours, in seconds, and the
/// nonce that was committed to.
struct Offer {
    registration_id: RegistrationId,
    voprf_pk: Element,
    skew: NumericDate,
    nonce: DeviceNonce,
    /// What another device is asked, where one is.
    addition: Option<AdditionOffer>,
}

/// Registers this computer with the card on `channel`. The PIN is entered once, and the card signs twice under it.
///
/// Whatever breaks off, nothing is half done: before the evidence is sent nothing is bound, and the device key is on the
/// disk by then, so that a lost answer is fetched at the next call.
///
/// # Errors
/// [`RegisterError`].
pub fn register(
    here: &LoggedIn,
    channel: impl CardChannel,
    wish: &Wish,
    around: &mut Surroundings<'_>,
) -> Result<DeviceAnswer, RegisterError> {
    let profile = &here.profile;
    if let Some(device) = resume(here, wish, around)? {
        return Ok(device);
    }

    let wanted = Wanted { kvnr: Some(&profile.kvnr), payer_iks: &profile.payer_iks };
    let mut registration = Registration { here, wish, owner: None, made: None };
    let (evidence, challenge) = under_one_pin(&mut registration, channel, wish.length, wanted, around)?;
    // Nothing was signed without them.
    let made = registration.made.ok_or(RegisterError::Message)?;
    hand_in(here, wish, made, HandedIn::Card(evidence), challenge, around)
}

/// Registers this computer with the code of a letter. Whatever breaks off, nothing is half done, as with the card.
///
/// # Errors
/// [`RegisterError`].
pub fn register_with_code(
    here: &LoggedIn,
    code: &LetterCode,
    wish: &Wish,
    around: &mut Surroundings<'_>,
) -> Result<DeviceAnswer, RegisterError> {
    if let Some(device) = resume(here, wish, around)? {
        return Ok(device);
    }
    let made = open_registration(here, wish, BindingMethod::Qr, &Known::of(&here.profile), around)?;
    let (challenge, now) = fetch_challenge(here, &made.candidate(), around)?;
    around.ui.step(Step::CodeSigns);
    let jkt = made.device.key.public().thumbprint();
    let evidence = qr::sign(code, &here.profile, made.offer.registration_id, challenge, jkt, now);
    let evidence = HandedIn::Qr(evidence.ok_or(RegisterError::Message)?);
    hand_in(here, wish, made, evidence, challenge, around)
}

/// Registers this computer with the chip of the card on `channel`, without its PIN, where the insurer's register knows the
/// card. Whatever breaks off, nothing is half done, as with the PIN.
///
/// # Errors
/// [`RegisterError`].
pub fn register_with_chip(
    here: &LoggedIn,
    channel: impl CardChannel,
    wish: &Wish,
    around: &mut Surroundings<'_>,
) -> Result<DeviceAnswer, RegisterError> {
    let profile = &here.profile;
    if let Some(device) = resume(here, wish, around)? {
        return Ok(device);
    }
    let wanted = Wanted { kvnr: Some(&profile.kvnr), payer_iks: &profile.payer_iks };
    // Where everything begins again, what was made is kept.
    let mut made = None;
    let (evidence, challenge) = with_chip(channel, wish.length, wanted, around, |way, egk, around| {
        if made.is_none() {
            let owner = Owner::read(egk)?;
            let known = owner.known(way.can(), profile);
            made = Some(open_registration(here, wish, BindingMethod::Chip, &known, around)?);
        }
        let made = made.as_ref().ok_or(RegisterError::Message)?;
        let (challenge, _) = fetch_challenge(here, &made.candidate(), around)?;
        around.ui.step(Step::CardSigns);
        let (chip, authority) = (egk.read_chip_certificate()?, egk.read_chip_authority()?);
        // What the chip signs is made here, of what this computer knows itself.
        let jkt = made.device.key.public().thumbprint();
        let occasion = Occasion { aud: profile.service.clone(), challenge, jkt };
        let signature = egk.authenticate_chip(&occasion.nonce())?.to_vec();
        Ok::<_, RegisterError>((ChipEvidence { chip, authority, signature }, challenge))
    })?;
    let made = made.ok_or(RegisterError::Message)?;
    hand_in(here, wish, made, HandedIn::Chip(evidence), challenge, around)
}

/// Registers this computer by another one of the same person, which approves it once the person has typed there what is
/// shown here. `sleep` waits. Whatever breaks off, nothing is half done, as with the card.
///
/// # Errors
/// [`RegisterError`].
pub fn register_by_device(
    here: &LoggedIn,
    wish: &Wish,
    sleep: &mut dyn FnMut(Duration),
    around: &mut Surroundings<'_>,
) -> Result<DeviceAnswer, RegisterError> {
    if let Some(device) = resume(here, wish, around)? {
        return Ok(device);
    }
    let mut made = open_registration(here, wish, BindingMethod::Device, &Known::of(&here.profile), around)?;
    let Offer { registration_id, skew, ref nonce, ref mut addition, .. } = made.offer;
    let offer = addition.take().ok_or(ServiceError::Contradiction("addition"))?;
    let new = New { registration_id, jkt: made.device.key.public().thumbprint(), nonce, offer, skew };
    let approval_id = addition::wait_for_approval(here, &new, sleep, around)?;
    let (challenge, _) = fetch_challenge(here, &made.candidate(), around)?;
    hand_in(here, wish, made, HandedIn::Device(AdditionEvidence { approval_id }), challenge, around)
}

/// Hands in the evidence, and keeps what the service has bound. The device key is on the disk before.
fn hand_in(
    here: &LoggedIn,
    wish: &Wish,
    mut made: Made,
    evidence: HandedIn,
    challenge: Challenge,
    around: &mut Surroundings<'_>,
) -> Result<DeviceAnswer, RegisterError> {
    let LoggedIn { home, profile, service } = here;
    let attestor = made.attestor.take();
    let registration_id = made.offer.registration_id;
    let attest = |attestor: Attestor| attestor.attest(&made.device.key, profile, registration_id, challenge);
    let attestation = attestor.and_then(attest);
    let now = (around.clock)().saturating_add(made.offer.skew);
    let pop = prove_possession(&made.candidate(), &evidence, attestation.as_ref(), challenge, profile, now)?;
    let Made { device, lock, secret, offer, .. } = made;
    let pending = Binding::Pending { registration_id: offer.registration_id, pop: pop.clone(), sent_at: now };
    let key = device.to_file(&profile.service, &lock, around.rng)?;
    // What the person has wanted of the device before holds on.
    let fingerprint = home.device().is_ok_and(|before| before.fingerprint);
    let name = Some(wish.name.clone());
    let entry = secret.as_ref().and_then(NewEntry::entry);
    let mut file =
        Device { binding: pending, key, secret: entry, name, fingerprint, expires_at: None, remind_from: None };
    home.keep_pending_device(&file)?;
    secret.into_iter().for_each(NewEntry::keep);
    around.ui.step(Step::SendEvidence);
    let path = format!("/v1/registrations/{}/evidence", offer.registration_id);
    let request = EvidenceRequest { pop, nonce_d: offer.nonce, evidence, attestation };
    let answer: RegistrationAnswer = match service.call(Method::PUT, &path, &request) {
        Ok(answer) => answer,
        Err(error) => {
            // A refusal is final; of anything else nobody knows whether the service has taken the evidence.
            if error.is_final() {
                home.forget_pending_device()?;
            }
            return Err(error.into());
        }
    };
    let latest = (around.clock)().saturating_add(offer.skew).saturating_add(CLOCK_TOLERANCE);
    match activate(here, wish, &mut file, answer, latest, around)? {
        Some(device) => Ok(device),
        None => Err(ServiceError::Contradiction("device").into()),
    }
}

/// A registration on its way: the device key, its lock and what the service offered are made once.
struct Registration<'a> {
    here: &'a LoggedIn,
    wish: &'a Wish,
    /// What the card says of its owner: no device PIN is made of it.
    owner: Option<Owner>,
    made: Option<Made>,
}

/// What is read of a card so that no PIN is chosen that stands on it. A card that does not tell is used all the same.
struct Owner {
    iccsn: Option<Iccsn>,
    person: Option<PersonalData>,
}

impl Owner {
    fn read<C: CardChannel>(egk: &mut Egk<C>) -> Result<Self, EgkError> {
        let iccsn = told(egk.iccsn())?;
        let pd = told(egk.read_pd())?;
        Ok(Self { iccsn, person: pd.and_then(|pd| PersonalData::parse(&pd).ok()) })
    }

    /// What no device PIN is made of.
    fn known<'a>(&'a self, can: Option<&'a Can>, profile: &'a Profile) -> Known<'a> {
        let address = self.person.as_ref().and_then(|person| person.address.as_ref());
        Known {
            birth_date: self.person.as_ref().map(|person| person.date_of_birth.as_str()),
            postal_code: address.and_then(|address| address.postal_code.as_deref()),
            iccsn: self.iccsn.as_ref(),
            can,
            ..Known::of(profile)
        }
    }
}

/// What the card tells; only the line has to be there.
fn told<T>(read: Result<T, EgkError>) -> Result<Option<T>, EgkError> {
    match read {
        Err(error @ (EgkError::Channel(_) | EgkError::TooLong { .. })) => Err(error),
        read => Ok(read.ok()),
    }
}

/// What is made before the card is shown its PIN.
struct Made {
    device: NewKey,
    lock: Lock,
    /// Where in the key ring a part of the lock is.
    secret: Option<NewEntry>,
    offer: Offer,
    /// What shows where the key lies, where the service can be shown it.
    attestor: Option<Attestor>,
}

impl Made {
    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            key: &self.device.key,
            key_identifier: self.device.key_identifier,
            transport_key: self.device.transport_key.clone(),
            voprf_pk: self.offer.voprf_pk,
            registration_id: self.offer.registration_id,
            skew: self.offer.skew,
        }
    }
}

impl CardFlow for Registration<'_> {
    type Signed = (CardEvidence, Challenge);
    type Error = RegisterError;

    fn meet<C: CardChannel>(&mut self, egk: &mut Egk<C>, _: &Certificate) -> Result<(), RegisterError> {
        if self.owner.is_none() {
            self.owner = Some(Owner::read(egk)?);
        }
        Ok(())
    }

    fn prepare(&mut self, can: Option<&Can>, around: &mut Surroundings<'_>) -> Result<(), RegisterError> {
        if self.made.is_none() {
            let known = self.owner.as_ref().ok_or(RegisterError::Message)?.known(can, &self.here.profile);
            self.made = Some(open_registration(self.here, self.wish, BindingMethod::Card, &known, around)?);
        }
        Ok(())
    }

    fn sign<C: CardChannel>(
        &mut self,
        egk: &mut Egk<C>,
        certificate: &Certificate,
        around: &mut Surroundings<'_>,
    ) -> Result<Self::Signed, RegisterError> {
        let made = self.made.as_ref().ok_or(RegisterError::Message)?;
        sign_evidence(self.here, egk, certificate, &made.candidate(), around)
    }
}

/// Makes the device key, announces it to the service, and locks it with a PIN the person chooses and the share that the
/// service offers. Nothing is bound by that, and the file can be whole on the disk before the evidence is sent.
fn open_registration(
    here: &LoggedIn,
    wish: &Wish,
    method: BindingMethod,
    known: &Known<'_>,
    around: &mut Surroundings<'_>,
) -> Result<Made, RegisterError> {
    let LoggedIn { home, profile, service } = here;
    let device_pin = pin::choose(known, around)?;
    around.ui.step(Step::MakeDeviceKey);
    let (entry, secret) = home.new_device_secret(around.rng)?.unzip();
    if secret.is_none() && home.uses_key_ring() {
        around.ui.notice(Notice::NoDeviceSecret);
    }
    let device = new_key(home, around)?;
    let new_lock = NewLock::begin(&device_pin, &device.key_identifier, around.rng)?;
    drop(device_pin);
    around.ui.step(Step::OpenRegistration);
    let nonce = DeviceNonce::random(around.rng);
    let request = RegistrationRequest {
        method,
        jkt: device.key.public().thumbprint(),
        commit: nonce.commitment(),
        device_information: device_information(&wish.name),
        replaces: replaced(here, wish)?,
    };
    let offer: RegistrationOffer = service.call(Method::POST, "/v1/registrations", &request)?;
    let is_ours = offer.aud == profile.service;
    is_ours.then_some(()).ok_or(ServiceError::Contradiction("registration"))?;
    let RegistrationOffer { registration_id, voprf_pk, server_time, addition, .. } = offer;
    let lock = pin::lock_new(service, registration_id, voprf_pk, new_lock, secret.as_ref())?;
    let skew = skew(server_time, around);
    let offer = Offer { registration_id, voprf_pk, skew, nonce, addition };
    let attestor = attestation::begin(service, registration_id, &device.key)?;
    Ok(Made { device, lock, secret: entry, offer, attestor })
}

/// Makes the device key, in the TPM of this computer where there is one that this user may use. Where there is none, none
/// is missing; the person learns why one is there and not used.
fn new_key(home: &Home, around: &mut Surroundings<'_>) -> Result<NewKey, RegisterError> {
    if !home.uses_tpm() {
        return Ok(NewKey::make(around.rng));
    }
    match NewKey::make_in_tpm(home.tcti(), around.rng) {
        Ok(key) => {
            around.ui.notice(Notice::KeyInTpm);
            Ok(key)
        }
        Err(TpmError::Absent | TpmError::NotBuiltIn) => Ok(NewKey::make(around.rng)),
        Err(why) => {
            around.ui.notice(Notice::TpmUnused { is_allowed: !matches!(why, TpmError::NotAllowed) });
            Ok(NewKey::make(around.rng))
        }
    }
}

/// Everything that needs neither card nor code: completes a registration whose answer was lost, and refuses where this computer is
/// registered. `None` when they are needed now; [`register`] and [`register_with_code`] begin with the same.
///
/// # Errors
/// [`RegisterError`].
pub fn resume(
    here: &LoggedIn,
    wish: &Wish,
    around: &mut Surroundings<'_>,
) -> Result<Option<DeviceAnswer>, RegisterError> {
    if let Some(device) = complete_pending(here, wish, around)? {
        around.ui.notice(Notice::Resumed);
        return Ok(Some(device));
    }
    if wish.replace {
        return Ok(None);
    }
    match device_before(&here.home)? {
        // One that was removed elsewhere is none any more.
        Some(device_id) if is_there(here, device_id)? => Err(RegisterError::AlreadyRegistered),
        _ => Ok(None),
    }
}

/// The device this computer is registered as.
pub(super) fn device_before(home: &Home) -> Result<Option<DeviceId>, HomeError> {
    match home.device() {
        Ok(device) => Ok(device.device_id()),
        Err(HomeError::NoDevice) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the service counts on this device.
pub(super) fn is_there(here: &LoggedIn, device_id: DeviceId) -> Result<bool, ServiceError> {
    Ok(answer_for(here, device_id)?.is_some_and(|device| THERE.contains(&device.state.as_str())))
}

/// What the service says of a device; `None` where it was removed.
pub(super) fn answer_for(here: &LoggedIn, device_id: DeviceId) -> Result<Option<DeviceAnswer>, ServiceError> {
    let answer: DevicesAnswer = here.service.get("/v1/devices")?;
    Ok(answer.devices.into_iter().find(|device| device.device_id == device_id))
}

/// Completes a registration whose answer was lost; `None` when there is none, or nothing came of it.
fn complete_pending(
    here: &LoggedIn,
    wish: &Wish,
    around: &mut Surroundings<'_>,
) -> Result<Option<DeviceAnswer>, RegisterError> {
    let LoggedIn { home, service, .. } = here;
    let mut file = match home.pending_device() {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(None),
        // Nobody can read its key any more.
        Err(HomeError::DeviceDamaged) => return Ok(home.set_pending_device_aside().map(|()| None)?),
        Err(error) => return Err(error.into()),
    };
    if let Binding::Pending { registration_id, .. } = file.binding {
        match service.get::<RegistrationAnswer>(&format!("/v1/registrations/{registration_id}")) {
            Ok(answer) if answer.device.is_some() => {
                // How far the clocks differ is not known here, so the receipt may be as new as it likes.
                if let Some(device) = activate(here, wish, &mut file, answer, NumericDate::MAX, around)? {
                    return Ok(Some(device));
                }
            }
            Ok(_) => {}
            Err(error) if error.is_refused_with("not_found") => {}
            Err(error) => return Err(error.into()),
        }
    }
    home.forget_pending_device()?;
    Ok(None)
}

/// Checks what the service says it bound, keeps the device, and tells what remains of those whose place it took. `None` when
/// the device was revoked already. `latest` is the latest time the receipt may name.
fn activate(
    here: &LoggedIn,
    wish: &Wish,
    file: &mut Device,
    answer: RegistrationAnswer,
    latest: NumericDate,
    around: &mut Surroundings<'_>,
) -> Result<Option<DeviceAnswer>, RegisterError> {
    let LoggedIn { home, .. } = here;
    let contradiction = ServiceError::Contradiction("device");
    let (Some(device), Some(receipt)) = (answer.device, answer.receipt) else { return Err(contradiction.into()) };
    let Binding::Pending { pop, sent_at, .. } = &file.binding else { return Err(contradiction.into()) };
    if device.jkt != file.key.public_key.thumbprint() {
        return Err(contradiction.into());
    }
    let expected = ExpectedReceipt {
        subject: ReceiptSubject::Binding,
        id: &device.device_id.to_string(),
        signed: pop,
        time: sent_at.saturating_sub(CLOCK_TOLERANCE)..=latest,
    };
    check_receipt(&receipt, here, &expected)?;
    if !THERE.contains(&device.state.as_str()) {
        return Ok(None);
    }
    let before = match device_before(home) {
        Err(HomeError::DeviceDamaged) => home.set_device_aside().map(|()| None)?,
        before => before?,
    };
    file.binding = Binding::Active { device_id: device.device_id, receipt };
    file.set_time(&device);
    home.keep_device(file)?;
    // After a crash between its two files, the one before is this one.
    let left = before.into_iter().filter(|before| *before != device.device_id).chain(wish.in_place_of.iter().copied());
    tell_what_is_left(here, &left.collect::<Vec<_>>(), around);
    Ok(Some(device))
}

/// What the service and the person see of this device. Nothing of the computer's own name or serial numbers.
fn device_information(name: &str) -> DeviceInformation {
    DeviceInformation {
        device_information_data_version: DATA_VERSION.to_owned(),
        name: name.to_owned(),
        device_type: DeviceType {
            device_type_data_version: DATA_VERSION.to_owned(),
            manufacturer: PRODUCT.to_owned(),
            product: PRODUCT.to_owned(),
            model: env!("CARGO_PKG_VERSION").to_owned(),
            os: std::env::consts::OS.to_owned(),
            os_version: std::env::consts::ARCH.to_owned(),
        },
    }
}
