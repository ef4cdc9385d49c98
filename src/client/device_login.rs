//! Logging in with the registered device and its PIN (`docs/protocol.md`, login with the device), without password.

use thiserror::Error;

use super::home::{Home, HomeError, Profile};
use super::login::{self, LoggedIn, LoginError, Opened};
use super::pin::{self, PinError};
use super::service::{Service, ServiceError};
use super::{Step, Surroundings, skew};
use crate::jose::jws;
use crate::protocol::VERSION;
use crate::protocol::api::{ChallengeAnswer, DeviceLoginRequest};
use crate::protocol::device_login::DeviceLoginStatement;

/// Why the device opened no session.
#[derive(Debug, Error)]
pub enum DeviceLoginError {
    /// As for any login.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The device key stays locked.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// This computer is registered at another service than the one that was named.
    #[error("this computer is registered at another service")]
    OtherService,
    /// A message could not be put together: it never happens.
    #[error("a message could not be put together")]
    Message,
}

impl From<ServiceError> for DeviceLoginError {
    fn from(error: ServiceError) -> Self {
        LoginError::from(error).into()
    }
}

impl From<HomeError> for DeviceLoginError {
    fn from(error: HomeError) -> Self {
        LoginError::from(error).into()
    }
}

/// Opens a session with the device key of this computer and keeps it. The PIN is asked for once; the service is asked who
/// it is before.
///
/// # Errors
/// [`DeviceLoginError`].
pub fn login_with_device(
    home: &Home,
    service: Service,
    around: &mut Surroundings<'_>,
) -> Result<(Profile, Opened), DeviceLoginError> {
    let device_id = home.device()?.device_id().ok_or(HomeError::NoDevice)?;
    let profile = home.profile()?;
    if service.address() != profile.service {
        return Err(DeviceLoginError::OtherService);
    }
    around.ui.step(Step::CheckService);
    let (configuration, profile) = service.learn_keys(home)?;
    let skew = skew(configuration.get().iat, around);
    let (key, placed) = login::session_key(home, around)?;
    let here = LoggedIn { home: home.clone(), profile, service: service.without_session() };
    let device_key = pin::unlock(&here, skew, around)?;

    around.ui.step(Step::FetchChallenge);
    let LoggedIn { profile, service, .. } = here;
    let now = (around.clock)().saturating_add(skew);
    let path = "/v1/login/device/challenge";
    let answer: ChallengeAnswer = service.ask_with_proof(path, &profile.service, &serde_json::json!({}), &key, now)?;
    let jkt = key.thumbprint();
    let challenge = login::checked_challenge::<DeviceLoginStatement>(&answer.challenge, &profile, jkt, now)?;
    let statement =
        DeviceLoginStatement { v: VERSION, aud: profile.service.clone(), device_id, challenge, jkt, iat: now };
    let statement = jws::sign(&statement, &device_key).map_err(PinError::from)?;
    drop(device_key);

    around.ui.step(Step::LogIn);
    let (challenge, client_name) = (answer.challenge, Some(login::client_name()));
    let request = DeviceLoginRequest { challenge, device_id, statement, client_name };
    let iat = (around.clock)().saturating_add(skew);
    let answer = service.ask_for_tokens("/v1/login/device", &profile.service, &request, &key, iat)?;
    let opened = login::keep(home, &profile, key, answer, skew, placed, around)?;
    Ok((profile, opened))
}
