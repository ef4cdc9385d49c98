//! Logging in: who the service is comes first, the password second.

use reqwest::Method;
use serde::Serialize;
use thiserror::Error;

use super::home::{Home, HomeError, Placed, Profile};
use super::service::{Service, ServiceError};
use super::session::{Clock, OpenSession, Session, SessionKey, Tokens};
use super::watch::WatchingDevice;
use super::{AskError, Step, Surroundings, skew};
use crate::identity::kvnr::Kvnr;
use crate::jose::Thumbprint;
use crate::protocol::api::{LoginRequest, TokenAnswer};
use crate::protocol::login_challenge::{LiveChallenge, LoginStatement};
use crate::protocol::service::Configuration;
use crate::protocol::{Challenge, NumericDate};
use crate::secret::SecretText;

/// Why a login did not work.
#[derive(Debug, Error)]
pub enum LoginError {
    /// The service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The files of this computer.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The person.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// This computer is registered for another service or person.
    #[error("this computer is registered for another account")]
    OtherAccount,
}

/// A computer whose user has logged in.
#[allow(missing_debug_implementations, reason = "it holds a session")]
pub struct LoggedIn {
    /// The files of this computer.
    pub home: Home,
    /// Service and account.
    pub profile: Profile,
    /// The service, with the session.
    pub service: Service,
}

/// Opens a session and keeps it. At the first login the service's keys are pinned; from then on keys that none of them
/// vouches for are an error.
///
/// # Errors
/// [`LoginError`].
pub fn login(
    home: &Home,
    service: &Service,
    kvnr: Kvnr,
    around: &mut Surroundings<'_>,
) -> Result<(Profile, Opened), LoginError> {
    around.ui.step(Step::CheckService);
    let met = Met::ask(home, service)?;
    let skew = skew(met.configuration.iat, around);
    let profile = met.profile(home, service, kvnr)?;
    home.prepare_session(around.rng)?;
    let password = around.ui.password()?;
    around.ui.step(Step::LogIn);
    let client_name = Some(client_name());
    let request = LoginRequest { kvnr: profile.kvnr.as_str().to_owned(), password, client_name };
    let opened = open_session(home, service, &profile, "/v1/login", &request, skew, around)?;
    Ok((profile, opened))
}

/// A service that has said who it is, before anything else is said to it.
pub(super) struct Met {
    pub(super) configuration: Configuration,
    /// What this computer has of the login before, at this service or another.
    before: Option<Profile>,
}

impl Met {
    /// Asks the service who it is: by the keys that are pinned, where it is the one of the login before.
    ///
    /// # Errors
    /// [`ServiceError::KeyChanged`], or the files of this computer.
    pub(super) fn ask(home: &Home, service: &Service) -> Result<Self, LoginError> {
        let before = match home.profile() {
            Err(HomeError::NoProfile) => None,
            before => Some(before?),
        };
        if before.as_ref().is_some_and(|before| before.service == service.address()) {
            let (configuration, profile) = service.learn_keys(home)?;
            return Ok(Self { configuration: configuration.get().clone(), before: Some(profile) });
        }
        Ok(Self { configuration: service.configuration()?, before })
    }

    /// The profile of an account there, where this computer may log in to it.
    ///
    /// # Errors
    /// [`LoginError::OtherAccount`].
    pub(super) fn profile(&self, home: &Home, service: &Service, kvnr: Kvnr) -> Result<Profile, LoginError> {
        let said = self.configuration.clone();
        let mut profile = Profile {
            service: service.address().to_owned(),
            service_keys: said.service_keys,
            former_keys: said.former_keys,
            keys_from: said.iat,
            insurer: said.insurer,
            hotline: said.hotline,
            payer_iks: said.payer_iks,
            kvnr,
        };
        let Some(before) = &self.before else { return Ok(profile) };
        let is_same = before.service == profile.service && before.kvnr == profile.kvnr;
        // A damaged device file is one too.
        let has_device = !matches!((home.device(), home.pending_device()), (Err(HomeError::NoDevice), Ok(None)));
        if !is_same && has_device {
            return Err(LoginError::OtherAccount);
        }
        if before.service == profile.service {
            // What is pinned is what was learnt, which an old configuration does not change.
            profile.take_keys_of(before);
        }
        Ok(profile)
    }
}

/// Opens a session of the account of this computer with a password that was typed before.
///
/// # Errors
/// [`LoginError`].
pub(super) fn with_password(
    home: &Home,
    service: &Service,
    password: SecretText,
    around: &mut Surroundings<'_>,
) -> Result<Opened, LoginError> {
    let (configuration, profile) = service.learn_keys(home)?;
    let skew = skew(configuration.get().iat, around);
    around.ui.step(Step::LogIn);
    let request = LoginRequest { kvnr: profile.kvnr.as_str().to_owned(), password, client_name: Some(client_name()) };
    open_session(home, service, &profile, "/v1/login", &request, skew, around)
}

/// What this program calls itself in the list of sessions.
pub fn client_name() -> String {
    format!("Kartenbund ({})", std::env::consts::OS)
}

/// A session that was opened.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// Where its secrets are.
    pub placed: Placed,
    /// Whether a password has to be chosen before anything else.
    pub must_change_password: bool,
}

/// Asks for a session of the account of `profile` and keeps both. `skew` is how far the service's clock is ahead.
///
/// # Errors
/// [`LoginError`].
pub fn open_session<B: Serialize>(
    home: &Home,
    service: &Service,
    profile: &Profile,
    path: &str,
    request: &B,
    skew: i64,
    around: &mut Surroundings<'_>,
) -> Result<Opened, LoginError> {
    let (key, placed) = session_key(home, around)?;
    let iat = (around.clock)().saturating_add(skew);
    let answer = service.ask_for_tokens(path, &profile.service, request, &key, iat)?;
    keep(home, profile, key, answer, skew, placed, around)
}

/// The session key of this computer, and where it is kept: by it the service knows it from the login before.
pub(super) fn session_key(home: &Home, around: &mut Surroundings<'_>) -> Result<(SessionKey, Placed), HomeError> {
    let placed = home.prepare_session(around.rng)?;
    Ok((home.session()?.ok_or(HomeError::NoSession)?.key, placed))
}

/// Before anything is signed: the challenge is by the pinned service, for such a statement and this session key, and
/// alive.
pub(super) fn checked_challenge<S: LoginStatement>(
    compact: &str,
    profile: &Profile,
    jkt: Thumbprint,
    now: NumericDate,
) -> Result<Challenge, ServiceError> {
    LiveChallenge::<S>::check(compact, &profile.service_keys, &profile.service, jkt, now)
        .map(|live| live.challenge())
        .ok_or(ServiceError::Contradiction("challenge"))
}

/// Keeps a session that was opened, and whose it is.
pub(super) fn keep(
    home: &Home,
    profile: &Profile,
    key: SessionKey,
    answer: TokenAnswer,
    skew: i64,
    placed: Placed,
    around: &mut Surroundings<'_>,
) -> Result<Opened, LoginError> {
    let must_change_password = answer.must_change_password;
    let mut profile = profile.clone();
    let lock = home.lock_profile()?;
    if let Ok(kept) = home.profile()
        && kept.service == profile.service
        && kept.keys_from > profile.keys_from
    {
        // Another command has learnt keys meanwhile.
        profile.take_keys_of(&kept);
    }
    home.keep_profile(&profile)?;
    drop(lock);
    let tokens = Some(Tokens::new(answer, (around.clock)(), skew));
    home.keep_session(&Session { key, tokens })?;
    Ok(Opened { placed, must_change_password })
}

/// Goes on with the session that was kept.
///
/// # Errors
/// [`LoginError::Home`] when nobody is logged in.
pub fn resume(home: Home, clock: Clock) -> Result<LoggedIn, LoginError> {
    let profile = home.profile()?;
    let session = OpenSession::resume(home.clone(), profile.clone(), clock)?;
    let service = Service::at(&profile.service)?.with_session(session);
    Ok(LoggedIn { home, profile, service })
}

/// Goes on with the device of this computer, where approvals are listed and watched, and with the session that was kept,
/// where there is one. Neither asks for anything else: a device that is removed or locked is followed by the session.
///
/// # Errors
/// [`LoginError::Home`] when this computer has no device and nobody is logged in.
pub fn resume_watching(home: Home, clock: Clock) -> Result<LoggedIn, LoginError> {
    let profile = home.profile()?;
    let device = match WatchingDevice::of(&home, profile.clone(), clock.clone()) {
        Ok(device) => device,
        Err(HomeError::NoDevice) => return resume(home, clock),
        Err(error) => return Err(error.into()),
    };
    let mut service = Service::at(&profile.service)?.with_device(device);
    match OpenSession::resume(home.clone(), profile.clone(), clock) {
        Ok(session) => service = service.with_session(session),
        // A key ring that is locked holds back the session and not the device.
        Err(HomeError::NoSession | HomeError::KeyRing(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(LoggedIn { home, profile, service })
}

/// Ends the session, here and at the service.
///
/// # Errors
/// [`LoginError`]; the session is forgotten here in any case.
pub fn logout(home: Home, clock: Clock) -> Result<(), LoginError> {
    let resumed = resume(home.clone(), clock);
    let ended = resumed.and_then(|here| Ok(here.service.command(Method::POST, "/v1/logout")?));
    home.forget_tokens()?;
    match ended {
        Err(LoginError::Service(error))
            if ["token_invalid", "session_ended"].iter().any(|code| error.is_refused_with(code)) =>
        {
            Ok(())
        }
        ended => ended,
    }
}
