//! A finger on the fingerprint reader of the computer, before the list of approvals is shown. That is all it opens: what a
//! reader says is a yes or a no of the computer, and gives no key. Whoever has this user's files in hands does without; it
//! stops who sits down at a desktop that was left open. A decision takes the device PIN, which the service counts.

#[cfg(target_os = "linux")]
mod fprintd;

use thiserror::Error;

use super::home::{Device, HomeError};
use super::login::LoggedIn;
use super::pin::{self, PinError};
use super::{Notice, Step, Surroundings, Ui};

/// A fingerprint reader of this computer.
pub trait FingerprintReader {
    /// Waits for a finger that the computer knows as this user's. `tell` hears what to do meanwhile.
    ///
    /// # Errors
    /// [`FingerprintError`].
    fn wait_for_finger(&mut self, tell: &mut dyn FnMut(FingerprintHint)) -> Result<KnownFinger, FingerprintError>;
}

/// Proof that the reader has seen a finger of the user.
#[derive(Debug)]
pub struct KnownFinger(());

/// What the person at the reader is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FingerprintHint {
    /// Put a finger on it.
    Touch,
    /// Once more: it could not be read.
    Again,
    /// Once more: it is none that the computer knows.
    Unknown,
}

/// Why nobody was recognised.
#[derive(Debug, Error)]
pub enum FingerprintError {
    /// The computer has no reader, or no service for one.
    #[error("there is no fingerprint reader")]
    NoReader,
    /// The computer knows no finger of this user.
    #[error("no finger is enrolled")]
    NoFinger,
    /// The user may not use the reader here, such as over a line from afar.
    #[error("the fingerprint reader may not be used")]
    NotAllowed,
    /// Another program uses it.
    #[error("the fingerprint reader is in use")]
    InUse,
    /// Three fingers were none of this user's.
    #[error("the finger is not known")]
    Unknown,
    /// Nobody put a finger on it.
    #[error("no finger came")]
    Nobody,
    /// It fails.
    #[error("the fingerprint reader fails: {0}")]
    Broken(String),
}

/// Why the list stays hidden, or its lock as it is.
#[derive(Debug, Error)]
pub enum GuardError {
    /// The reader.
    #[error(transparent)]
    Fingerprint(#[from] FingerprintError),
    /// The device PIN.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The files of this computer.
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// That the list of approvals may be shown.
#[derive(Debug)]
pub struct MayShow(());

/// The reader of this computer.
///
/// # Errors
/// [`FingerprintError::NoReader`].
pub fn reader() -> Result<impl FingerprintReader, FingerprintError> {
    #[cfg(target_os = "linux")]
    return fprintd::Fprintd::connect();
    #[cfg(not(target_os = "linux"))]
    return Err::<Nowhere, _>(FingerprintError::NoReader);
}

#[cfg(not(target_os = "linux"))]
struct Nowhere;

#[cfg(not(target_os = "linux"))]
impl FingerprintReader for Nowhere {
    fn wait_for_finger(&mut self, _: &mut dyn FnMut(FingerprintHint)) -> Result<KnownFinger, FingerprintError> {
        Err(FingerprintError::NoReader)
    }
}

/// Asks for a finger where the person wants that.
///
/// # Errors
/// [`GuardError`].
pub fn guard<R: FingerprintReader>(
    here: &LoggedIn,
    reader: impl FnOnce() -> Result<R, FingerprintError>,
    ui: &mut dyn Ui,
) -> Result<MayShow, GuardError> {
    match here.home.device() {
        Ok(Device { fingerprint: true, .. }) => {
            let _: KnownFinger = reader()?.wait_for_finger(&mut |hint| tell(ui, hint))?;
            Ok(MayShow(()))
        }
        Ok(_) | Err(HomeError::NoDevice) => Ok(MayShow(())),
        Err(error) => Err(error.into()),
    }
}

/// From now on a finger is asked for: one that is recognised now.
///
/// # Errors
/// [`GuardError`].
pub fn require<R: FingerprintReader>(
    here: &LoggedIn,
    reader: impl FnOnce() -> Result<R, FingerprintError>,
    ui: &mut dyn Ui,
) -> Result<(), GuardError> {
    let device = here.home.device()?;
    let _: KnownFinger = reader()?.wait_for_finger(&mut |hint| tell(ui, hint))?;
    Ok(here.home.replace_device(&Device { fingerprint: true, ..device })?)
}

/// No finger is asked for any more. That takes the device PIN: it is the owner who wants it, also where the reader is
/// broken.
///
/// # Errors
/// [`GuardError`].
pub fn require_no_more(here: &LoggedIn, around: &mut Surroundings<'_>) -> Result<(), GuardError> {
    pin::unlock(here, here.service.skew(), around)?;
    let device = here.home.device()?;
    Ok(here.home.replace_device(&Device { fingerprint: false, ..device })?)
}

fn tell(ui: &mut dyn Ui, hint: FingerprintHint) {
    match hint {
        FingerprintHint::Touch => ui.step(Step::WaitForFinger),
        FingerprintHint::Again => ui.notice(Notice::FingerNotRead),
        FingerprintHint::Unknown => ui.notice(Notice::FingerUnknown),
    }
}
