//! Devices that are to be used no more (`docs/protocol.md`, devices).

use reqwest::Method;
use serde::de::IgnoredAny;

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
    /// The session may not remove it: it is locked.
    Locked,
    /// The session may not remove it, and it is not in use: its time is over.
    NotInUse,
    /// It had been removed before.
    Gone,
}

/// Removes a device where the session may, and locks it otherwise, which any session may: whoever has found it or stolen it
/// uses it no more from this moment. It may be asked for again, whatever became of the answer.
///
/// # Errors
/// [`ServiceError`]; `not_found` where the account never had such a device.
pub fn remove_or_lock(service: &Service, id: DeviceId) -> Result<Left, ServiceError> {
    match service.command(Method::DELETE, &format!("/v1/devices/{id}")) {
        Ok(()) => Ok(Left::Removed),
        Err(error) if error.is_refused_with("stronger_login_needed") => {
            match service.command(Method::POST, &format!("/v1/devices/{id}/lock")) {
                Ok(()) => Ok(Left::Locked),
                // It is there, and neither active nor waiting nor locked.
                Err(error) if error.is_refused_with("not_found") => Ok(Left::NotInUse),
                Err(error) => Err(error),
            }
        }
        Err(error) if error.is_refused_with("not_found") => {
            // Evidence is kept of every device that the account ever had; a typing error has none.
            match service.get::<IgnoredAny>(&format!("/v1/evidence/{id}")) {
                Ok(IgnoredAny) => Ok(Left::Gone),
                Err(other) if !other.is_refused_with("not_found") => Err(other),
                Err(_) => Err(error),
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

/// Tells what is left of those whose place the new device took: card and card PIN have removed it, anything weaker has locked
/// it. One that an earlier registration has not named is dealt with now. Nobody is kept from a new device by a line that is
/// gone, and nobody told of a lock that the service has not confirmed.
pub(super) fn tell_what_is_left(here: &LoggedIn, left: &[DeviceId], around: &mut Surroundings<'_>) {
    if left.is_empty() {
        return;
    }
    let Ok(DevicesAnswer { devices }) = here.service.get("/v1/devices") else {
        return around.ui.notice(Notice::OldDeviceUncertain);
    };
    let mut notices = Vec::new();
    for id in devices.iter().map(|device| device.device_id).filter(|id| left.contains(id)) {
        let notice = match remove_or_lock(&here.service, id) {
            Ok(Left::Removed | Left::Gone) => continue,
            Ok(Left::Locked) => Notice::OldDeviceLocked,
            Ok(Left::NotInUse) => Notice::OldDeviceNotInUse,
            Err(_) => Notice::OldDeviceUncertain,
        };
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }
    notices.into_iter().for_each(|notice| around.ui.notice(notice));
}
