//! Devices that are to be used no more (`docs/protocol.md`, devices).

use reqwest::Method;

use super::home::HomeError;
use super::login::LoggedIn;
use super::register::{RegisterError, Wish, answer_for, device_before};
use super::service::{Service, ServiceError};
use super::{Notice, Surroundings};
use crate::protocol::DeviceId;
use crate::protocol::api::DevicesAnswer;

/// What became of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It is removed for good.
    Removed,
    /// The session may not remove it: it is locked, or was not in use.
    Locked,
}

/// Removes a device where the session may, and locks it otherwise, which any session may: whoever has found it or stolen it
/// uses it no more from this moment.
///
/// # Errors
/// [`ServiceError`]; `not_found` where the account has no such device.
pub fn remove_or_lock(service: &Service, id: DeviceId) -> Result<Left, ServiceError> {
    match service.command(Method::DELETE, &format!("/v1/devices/{id}")) {
        Ok(()) => Ok(Left::Removed),
        Err(error) if error.is_refused_with("stronger_login_needed") => {
            match service.command(Method::POST, &format!("/v1/devices/{id}/lock")) {
                // It is there, and neither active nor waiting.
                Err(error) if !error.is_refused_with("not_found") => Err(error),
                _ => Ok(Left::Locked),
            }
        }
        Err(error) => Err(error),
    }
}

/// The devices whose place this one takes: those the person names, and the one this computer was before, as far as the
/// service knows it.
pub(super) fn replaced(here: &LoggedIn, wish: &Wish) -> Result<Vec<DeviceId>, RegisterError> {
    let mut replaced = wish.in_place_of.clone();
    let before = match device_before(&here.home) {
        Err(HomeError::DeviceDamaged) => None,
        before => before?,
    };
    if let Some(before) = before.filter(|before| !wish.in_place_of.contains(before))
        && answer_for(here, before)?.is_some()
    {
        replaced.push(before);
    }
    Ok(replaced)
}

/// Tells whether one of those is left whose place the new device took: card and card PIN have removed it, anything weaker
/// has locked it. One that an earlier registration has not named is dealt with now. Nobody is kept from a new device by a
/// line that is gone.
pub(super) fn tell_what_is_left(here: &LoggedIn, left: &[DeviceId], around: &mut Surroundings<'_>) {
    if left.is_empty() {
        return;
    }
    let Ok(DevicesAnswer { devices }) = here.service.get("/v1/devices") else { return };
    let mut is_there = false;
    for id in devices.iter().map(|device| device.device_id).filter(|id| left.contains(id)) {
        is_there |= !matches!(remove_or_lock(&here.service, id), Ok(Left::Removed));
    }
    if is_there {
        around.ui.notice(Notice::OldDeviceLocked);
    }
}
