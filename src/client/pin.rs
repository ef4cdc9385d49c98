//! The device PIN (`docs/protocol.md`, the device PIN): opening the device key with the service's share, and changing the
//! PIN so that no crash on either side loses the device.

pub mod rules;

use std::mem::take;

use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use self::rules::{Known, WeakPin, weakness};
use super::home::{Device, HomeError};
use super::keyring::NewEntry;
use super::login::LoggedIn;
use super::register::answer_for;
use super::removal::remove_or_lock;
use super::service::{Service, ServiceError};
use super::{AskError, Notice, Step, Surroundings};
use crate::device_key::{Blinded, DeviceKeyError, DeviceSecret, Evaluated, Lock, NewLock, OpenKey, PinAnswer};
use crate::jose::jws::{self, SignError};
use crate::protocol::api::{PinConfirmed, PinEvaluated, PinRequest, RegistrationPinAnswer, RegistrationPinRequest};
use crate::protocol::pin::{MANY_UNCONFIRMED, PinChange, PinConfirmation, PinEvaluation};
use crate::protocol::{AttemptId, DeviceId, NumericDate, RegistrationId, VERSION};
use crate::secret::DevicePin;
use crate::voprf::{Element, Evaluation};

/// How often a request is sent whose answer gets lost: the service gives the same one again, and counts it once.
const SENDINGS: usize = 3;

/// Why the device key stays locked.
#[derive(Debug, Error)]
pub enum PinError {
    /// The service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The files of this computer.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The person.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The device key.
    #[error(transparent)]
    DeviceKey(#[from] DeviceKeyError),
    /// The PIN is wrong; so many tries are left, at least one. `None` where nobody counts.
    #[error("the device PIN is wrong")]
    Wrong {
        /// Tries left.
        tries_left: Option<i64>,
    },
    /// The PIN was wrong too often, or the device was removed: its share is erased, and it must be registered anew.
    #[error("the device has to be registered anew")]
    Gone,
    /// The PIN that was chosen is one of those that are guessed first.
    #[error("the PIN is easy to guess")]
    Weak(WeakPin),
    /// A message could not be put together: it never happens.
    #[error("a message could not be put together")]
    Message,
}

impl From<SignError<DeviceKeyError>> for PinError {
    fn from(error: SignError<DeviceKeyError>) -> Self {
        match error {
            SignError::Key(error) => error.into(),
            SignError::Json(_) => Self::Message,
        }
    }
}

/// A device key that is open, and the device as it is on the disk.
pub(super) struct Unlocked {
    pub(super) key: OpenKey,
    pub(super) device: Device,
}

/// Opens the device key with the PIN, for one command. `skew` is how far the service's clock is ahead.
///
/// # Errors
/// [`PinError`].
pub fn unlock(here: &LoggedIn, skew: NumericDate, around: &mut Surroundings<'_>) -> Result<OpenKey, PinError> {
    unlock_with_pin(here, skew, around).map(|(_, unlocked)| unlocked.key)
}

/// Changes the PIN, crash-safe on both sides: whichever file is on the disk, the service has its share.
///
/// # Errors
/// [`PinError`]; the PIN is the old one or the new one then, and opens the key.
pub fn change(here: &LoggedIn, around: &mut Surroundings<'_>) -> Result<(), PinError> {
    // A device that was removed elsewhere is told before any PIN is asked for; and the clocks are compared on the way.
    let own = here.home.device()?.device_id().ok_or(HomeError::NoDevice)?;
    answer_for(here, own)?.ok_or(PinError::Gone)?;
    let skew = here.service.skew();
    let (old, Unlocked { key, device }) = unlock_with_pin(here, skew, around)?;
    let new = choose(&Known { old: Some(&old), ..Known::of(&here.profile) }, around)?;
    around.ui.step(Step::ChangeDevicePin);
    relock(here, device, key, &new, skew, around).map(drop)
}

/// Asks for a new PIN until it is none of those that are guessed first.
///
/// # Errors
/// The person; where nobody can be asked again, [`PinError::Weak`].
pub(super) fn choose(known: &Known<'_>, around: &mut Surroundings<'_>) -> Result<DevicePin, PinError> {
    let mut refused = None;
    loop {
        let pin = match (around.ui.new_device_pin(refused), refused) {
            (Err(AskError::NobodyThere), Some(weak)) => return Err(PinError::Weak(weak)),
            (pin, _) => pin?,
        };
        match weakness(&pin, known) {
            None => return Ok(pin),
            weak => refused = weak,
        }
    }
}

/// The lock of a new device, with the share that its registration offers.
///
/// # Errors
/// [`PinError`].
pub(super) fn lock_new(
    service: &Service,
    registration_id: RegistrationId,
    voprf_pk: Element,
    (new, blinded): (NewLock, Element),
    secret: Option<&DeviceSecret>,
) -> Result<Lock, PinError> {
    let path = format!("/v1/registrations/{registration_id}/pin");
    let answer: RegistrationPinAnswer = persistently(service, &path, &RegistrationPinRequest { blinded })?;
    let evaluation = Evaluation { evaluated: answer.evaluated, proof: answer.proof };
    Ok(new.finish(voprf_pk, &evaluation, secret)?)
}

pub(super) fn unlock_with_pin(
    here: &LoggedIn,
    skew: NumericDate,
    around: &mut Surroundings<'_>,
) -> Result<(DevicePin, Unlocked), PinError> {
    let mut device = here.home.device()?;
    // A key ring that stays locked costs no try.
    let mut secret = here.home.device_secret(&device)?;
    let pin = around.ui.device_pin()?;
    around.ui.step(Step::OpenDeviceKey);
    let mut may_have_changed = true;
    loop {
        match open(here, &device, secret, &pin, skew, around) {
            // Another command of this computer has changed the PIN meanwhile: the file is another one now.
            Err(PinError::Gone) if take(&mut may_have_changed) => {
                let now = here.home.device()?;
                if now.key.voprf_pk() == device.key.voprf_pk() {
                    return Err(PinError::Gone);
                }
                secret = here.home.device_secret(&now)?;
                device = now;
            }
            Err(error) => return Err(error),
            Ok(key) if device.key.voprf_pk().is_none() => {
                // A file of version 1: from now on the service has a share.
                let unlocked = relock(here, device, key, &pin, skew, around)?;
                around.ui.notice(Notice::PinShared);
                return Ok((pin, unlocked));
            }
            Ok(key) => return Ok((pin, Unlocked { key, device })),
        }
    }
}

/// Opens the key in the two steps, and confirms that the PIN was right.
fn open(
    here: &LoggedIn,
    device: &Device,
    secret: Option<DeviceSecret>,
    pin: &DevicePin,
    skew: NumericDate,
    around: &mut Surroundings<'_>,
) -> Result<OpenKey, PinError> {
    let device_id = device.device_id().ok_or(HomeError::NoDevice)?;
    let (pending, blinded) = device.key.lock(secret, here.home.tcti()).begin(pin, around.rng)?;
    let Blinded::Element { voprf_pk, blinded } = blinded else {
        return match pending.finish(&Evaluated::Nothing)? {
            PinAnswer::Open(key) => Ok(key),
            PinAnswer::Wrong => Err(PinError::Wrong { tries_left: None }),
        };
    };
    let iat = (around.clock)().saturating_add(skew);
    let aud = here.profile.service.clone();
    let message = PinEvaluation { v: VERSION, aud, device_id, voprf_pk, blinded, iat };
    let message = jws::sign(&message, &device.key.transport_key()?).map_err(|_| PinError::Message)?;
    let answer: PinEvaluated = pin_request(here, device_id, "evaluate", message)?;
    let evaluation = Evaluation { evaluated: answer.evaluated, proof: answer.proof };
    match pending.finish(&Evaluated::Element(evaluation))? {
        PinAnswer::Open(key) => {
            let confirmed = confirm(here, device_id, &key, answer.attempt_id, skew, around)?;
            if confirmed.wrong_tries > 0 {
                around.ui.notice(Notice::WrongDevicePins { tries: confirmed.wrong_tries });
            }
            if confirmed.unconfirmed >= MANY_UNCONFIRMED {
                around.ui.notice(Notice::ManyWrongDevicePins { tries: confirmed.unconfirmed });
            }
            Ok(key)
        }
        PinAnswer::Wrong if answer.tries_left > 0 => Err(PinError::Wrong { tries_left: Some(answer.tries_left) }),
        PinAnswer::Wrong => {
            // The service removes it by itself a little later; where it is told now, or has locked it, a new registration
            // follows at once.
            let _ = remove_or_lock(&here.service, device_id);
            Err(PinError::Gone)
        }
    }
}

/// Locks the device key anew: the service makes a second share, the file is written beside the old one and put in its
/// place, and only then the confirmation, which the device key signs, erases the share before.
fn relock(
    here: &LoggedIn,
    device: Device,
    key: OpenKey,
    pin: &DevicePin,
    skew: NumericDate,
    around: &mut Surroundings<'_>,
) -> Result<Unlocked, PinError> {
    let _lock = here.home.lock()?;
    // Another command may have been quicker: its file is not written over with one that has no share any more.
    if here.home.device()?.key.voprf_pk() != device.key.voprf_pk() {
        return Err(PinError::Gone);
    }
    let device_id = device.device_id().ok_or(HomeError::NoDevice)?;
    let (new_entry, secret) = match here.home.device_secret(&device)? {
        Some(secret) => (None, Some(secret)),
        None => here.home.new_device_secret(around.rng)?.unzip(),
    };
    let secret_entry = new_entry.as_ref().map_or_else(|| device.secret.clone(), NewEntry::entry);
    let (new, blinded) = NewLock::begin(pin, &device.key.key_identifier, around.rng)?;
    let iat = (around.clock)().saturating_add(skew);
    let (aud, voprf_pk) = (here.profile.service.clone(), device.key.voprf_pk());
    let message = PinChange { v: VERSION, aud, device_id, voprf_pk, blinded, iat };
    let message = jws::sign(&message, &key)?;
    let answer: PinEvaluated = pin_request(here, device_id, "change", message)?;
    let evaluation = Evaluation { evaluated: answer.evaluated, proof: answer.proof };
    let lock = new.finish(answer.voprf_pk, &evaluation, secret.as_ref())?;
    let (file, key) = device.key.relocked(key, &lock, around.rng)?;
    let device = Device { key: file, secret: secret_entry, ..device };
    here.home.replace_device(&device)?;
    new_entry.into_iter().for_each(NewEntry::keep);
    confirm(here, device_id, &key, answer.attempt_id, skew, around)?;
    Ok(Unlocked { key, device })
}

fn confirm(
    here: &LoggedIn,
    device_id: DeviceId,
    key: &OpenKey,
    attempt_id: AttemptId,
    skew: NumericDate,
    around: &mut Surroundings<'_>,
) -> Result<PinConfirmed, PinError> {
    let iat = (around.clock)().saturating_add(skew);
    let message = PinConfirmation { v: VERSION, aud: here.profile.service.clone(), device_id, attempt_id, iat };
    let message = jws::sign(&message, key)?;
    pin_request(here, device_id, "confirm", message)
}

fn pin_request<T: DeserializeOwned>(
    here: &LoggedIn,
    device_id: DeviceId,
    what: &str,
    message: String,
) -> Result<T, PinError> {
    let path = format!("/v1/devices/{device_id}/pin/{what}");
    match persistently(&here.service, &path, &PinRequest { message }) {
        Err(error) if error.is_refused_with("share_erased") => Err(PinError::Gone),
        answer => Ok(answer?),
    }
}

/// Sends the same request again where its answer gets lost.
fn persistently<B: Serialize, T: DeserializeOwned>(service: &Service, path: &str, body: &B) -> Result<T, ServiceError> {
    let mut answer = service.call(Method::POST, path, body);
    for _ in 1..SENDINGS {
        match answer {
            Err(ServiceError::Unreachable(_) | ServiceError::Malformed) => {
                answer = service.call(Method::POST, path, body);
            }
            answer => return answer,
        }
    }
    answer
}
