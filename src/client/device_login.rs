//! Logging in with the registered device and its PIN (`docs/protocol.md`, login with the device), without password.

use thiserror::Error;

use super::home::{Home, HomeError, Profile};
use super::login::{self, LoggedIn, LoginError, Opened};
use super::pin::{self, PinError};
use super::service::{Service, ServiceError, signed};
use super::{Step, Surroundings, skew};
use crate::jose::{Thumbprint, jws};
use crate::protocol::api::{ChallengeAnswer, DeviceLoginRequest};
use crate::protocol::device_login::{DeviceLoginChallenge, DeviceLoginStatement};
use crate::protocol::{Challenge, NumericDate, VERSION};

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
    let configuration = service.configuration()?;
    if configuration.jwk != profile.service_key {
        return Err(ServiceError::KeyChanged.into());
    }
    let skew = skew(configuration.iat, around);
    let (key, placed) = login::session_key(home, around)?;
    let here = LoggedIn { home: home.clone(), profile, service: service.without_session() };
    let device_key = pin::unlock(&here, skew, around)?;

    around.ui.step(Step::FetchChallenge);
    let LoggedIn { profile, service, .. } = here;
    let now = (around.clock)().saturating_add(skew);
    let path = "/v1/login/device/challenge";
    let answer: ChallengeAnswer = service.ask_with_proof(path, &profile.service, &serde_json::json!({}), &key, now)?;
    let jkt = key.thumbprint();
    let challenge = checked_challenge(&answer.challenge, &profile, jkt, now)?;
    let statement =
        DeviceLoginStatement { v: VERSION, aud: profile.service.clone(), device_id, challenge, jkt, iat: now };
    let statement = jws::sign(&statement, &device_key).map_err(|_| DeviceLoginError::Message)?;
    drop(device_key);

    around.ui.step(Step::LogIn);
    let (challenge, client_name) = (answer.challenge, Some(login::client_name()));
    let request = DeviceLoginRequest { challenge, device_id, statement, client_name };
    let iat = (around.clock)().saturating_add(skew);
    let answer = service.ask_for_tokens("/v1/login/device", &profile.service, &request, &key, iat)?;
    let opened = login::keep(home, &profile, key, answer, skew, placed, around)?;
    Ok((profile, opened))
}

/// Before the device key signs: the challenge is by the pinned service, for this session key, and alive.
fn checked_challenge(
    compact: &str,
    profile: &Profile,
    jkt: Thumbprint,
    now: NumericDate,
) -> Result<Challenge, ServiceError> {
    let message: DeviceLoginChallenge = signed(compact, &profile.service_key, "challenge")?;
    let is_ours = message.is_for(&profile.service, jkt, now);
    if is_ours { Ok(message.challenge) } else { Err(ServiceError::Contradiction("challenge")) }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::SigningKey;
    use p256::elliptic_curve::Generate as _;
    use rand_core::UnwrapErr;

    use super::*;
    use crate::jose::P256Jwk;

    const NOW: NumericDate = 1_800_000_000;

    fn key() -> SigningKey {
        SigningKey::generate_from_rng(&mut UnwrapErr(getrandom::SysRng))
    }

    #[test]
    fn the_device_signs_no_challenge_for_something_else() {
        let (service, jkt) = (key(), P256Jwk::from(*key().verifying_key()).thumbprint());
        let profile = Profile {
            service: "https://service.example".to_owned(),
            service_key: P256Jwk::from(*service.verifying_key()),
            insurer: "Musterkasse".to_owned(),
            payer_iks: Vec::new(),
            kvnr: "A123456780".parse().unwrap(),
        };
        let honest = DeviceLoginChallenge {
            v: VERSION,
            aud: profile.service.clone(),
            challenge: [7; 32].into(),
            jkt,
            iat: NOW,
            exp: NOW + 180,
        };
        let takes = |by: &SigningKey, change: &dyn Fn(&mut DeviceLoginChallenge)| {
            let mut message = honest.clone();
            change(&mut message);
            checked_challenge(&jws::sign(&message, by).unwrap(), &profile, jkt, NOW).is_ok()
        };
        assert!(takes(&service, &|_| {}));
        assert!(!takes(&key(), &|_| {}), "by another key");
        assert!(!takes(&service, &|it| it.v = 2));
        assert!(!takes(&service, &|it| it.aud = "https://other.example".to_owned()));
        assert!(!takes(&service, &|it| it.jkt = [8; 32].into()), "for another session key");
        assert!(!takes(&service, &|it| it.exp = NOW));
    }
}
