//! Registering a computer by another one (`docs/protocol.md`, registration by another device): both sides of the string
//! that the person reads here and types there.

use std::time::Duration;

use reqwest::Method;

use super::approve::ApproveError;
use super::login::LoggedIn;
use super::register::RegisterError;
use super::service::{Service, ServiceError};
use super::watch::passes;
use super::{Notice, Step, Surroundings};
use crate::jose::Thumbprint;
use crate::protocol::addition::ShortString;
use crate::protocol::api::{AdditionOffer, NonceAnswer, NonceGiven, NonceShown, RegistrationAnswer};
use crate::protocol::application::NewDevice;
use crate::protocol::{ApprovalId, DeviceNonce, NumericDate, RegistrationId};

/// How often the service is asked what the other computer has done.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Wrong strings that deny.
const MAX_WRONG: u32 = 3;

/// The new computer in a registration: what it has announced, and what the service has put up for it.
pub(super) struct New<'a> {
    pub(super) registration_id: RegistrationId,
    pub(super) jkt: Thumbprint,
    pub(super) nonce: &'a DeviceNonce,
    pub(super) offer: AdditionOffer,
    /// How far the service's clock is ahead of ours, in seconds.
    pub(super) skew: NumericDate,
}

/// Waits until the other computer has given its nonce, shows this one's then and not before, tells the person the string,
/// and waits until it was typed on the other one and approved. A line that is gone for a while is waited for as well.
pub(super) fn wait_for_approval(
    here: &LoggedIn,
    new: &New<'_>,
    sleep: &mut dyn FnMut(Duration),
    around: &mut Surroundings<'_>,
) -> Result<ApprovalId, RegisterError> {
    let AdditionOffer { approval_id, expires_at } = new.offer;
    around.ui.step(Step::WaitForApproval);
    around.ui.notice(Notice::ApproveElsewhere { approval_id, expires_at });
    let path = format!("/v1/registrations/{}", new.registration_id);
    let mut is_shown = false;
    loop {
        let answer = still_to_come(here.service.get::<RegistrationAnswer>(&path))?;
        let addition = match answer {
            Some(answer) => Some(answer.addition.ok_or(ServiceError::Contradiction("addition"))?),
            None => None,
        };
        match addition.as_ref().map(|addition| (addition.state.as_str(), addition.nonce_o)) {
            None => {}
            Some(("approved", _)) if is_shown => return Ok(approval_id),
            // Shown once more it is the same, so an answer that got lost costs nothing.
            Some(("pending", Some(nonce_o))) if !is_shown && is_told(&here.service, &path, new.nonce)? => {
                let string = ShortString::of(&here.profile.service, new.registration_id, new.jkt, new.nonce, &nonce_o);
                around.ui.notice(Notice::TypeElsewhere { string });
                is_shown = true;
            }
            Some(("pending", _)) => {}
            Some((state, _)) => return Err(RegisterError::NotApproved { expired: state == "expired" }),
        }
        // The service says when it is over; one that never does is not waited for.
        if (around.clock)().saturating_add(new.skew) > expires_at {
            return Err(RegisterError::NotApproved { expired: true });
        }
        sleep(ASK_EVERY);
    }
}

/// Shows the nonce of this computer to the service; whether the service has heard of it.
fn is_told(service: &Service, path: &str, nonce: &DeviceNonce) -> Result<bool, ServiceError> {
    let shown = NonceShown { nonce_d: *nonce };
    Ok(still_to_come(service.submit(Method::POST, &format!("{path}/nonce"), &shown))?.is_some())
}

/// An answer, or none yet where the line or the service is gone for a while.
fn still_to_come<T>(answer: Result<T, ServiceError>) -> Result<Option<T>, ServiceError> {
    match answer {
        Err(error) if passes(&error) => Ok(None),
        answer => answer.map(Some),
    }
}

/// The computer that is to approve: gives its nonce for the document it has, waits for that of the new one, which must be
/// the one the document has the hash of, and has the person type the string. `false` when it was wrong three times.
/// `ends_at` is when the approval ends, by the clock of this computer: a service that shows no nonce and does not say that
/// it is over is not waited for.
pub(super) fn compare(
    here: &LoggedIn,
    approval_id: ApprovalId,
    device: &NewDevice,
    ends_at: NumericDate,
    around: &mut Surroundings<'_>,
) -> Result<bool, ApproveError> {
    around.ui.step(Step::WaitForNewDevice);
    let given = NonceGiven { nonce_o: DeviceNonce::random(around.rng) };
    let path = format!("/v1/approvals/{approval_id}/nonce");
    let nonce_d = loop {
        if (around.clock)() > ends_at {
            return Err(ApproveError::NotPending);
        }
        let answer: NonceAnswer = here.service.call(Method::POST, &path, &given)?;
        match answer.nonce_d {
            Some(nonce_d) => break nonce_d,
            None => std::thread::sleep(ASK_EVERY),
        }
    };
    if nonce_d.commitment() != device.commit {
        return Err(ServiceError::Contradiction("nonce").into());
    }
    let right = ShortString::of(&here.profile.service, device.registration_id, device.jkt, &nonce_d, &given.nonce_o);
    for before in 0..MAX_WRONG {
        if around.ui.short_string(before > 0)? == right {
            return Ok(true);
        }
    }
    Ok(false)
}
