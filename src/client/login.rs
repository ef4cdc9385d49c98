//! Logging in: who the service is comes first, the password second.

use reqwest::Method;
use thiserror::Error;

use super::home::{Home, HomeError, Profile, Session};
use super::service::{Service, ServiceError};
use super::{AskError, Step, Surroundings};
use crate::identity::kvnr::Kvnr;
use crate::protocol::NumericDate;
use crate::protocol::api::{LoginAnswer, LoginRequest};

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
#[allow(missing_debug_implementations, reason = "it holds an access token")]
pub struct LoggedIn {
    /// The files of this computer.
    pub home: Home,
    /// Service and account.
    pub profile: Profile,
    /// The service, with the session.
    pub service: Service,
}

/// Opens a session and keeps it. At the first login the service's key is pinned; a changed key is an error from then
/// on.
///
/// # Errors
/// [`LoginError`].
pub fn login(home: &Home, service: &Service, kvnr: Kvnr, around: &mut Surroundings<'_>) -> Result<Profile, LoginError> {
    around.ui.step(Step::CheckService);
    let configuration = service.configuration()?;
    let profile = Profile {
        service: service.address().to_owned(),
        service_key: configuration.jwk,
        insurer: configuration.insurer,
        payer_iks: configuration.payer_iks,
        kvnr,
    };
    match home.profile() {
        Err(HomeError::NoProfile) => {}
        Err(error) => return Err(error.into()),
        Ok(before) => {
            if before.service == profile.service && before.service_key != profile.service_key {
                return Err(ServiceError::KeyChanged.into());
            }
            let is_same = before.service == profile.service && before.kvnr == profile.kvnr;
            // A damaged device file is one too.
            let has_device = !matches!((home.device(), home.pending_device()), (Err(HomeError::NoDevice), Ok(None)));
            if !is_same && has_device {
                return Err(LoginError::OtherAccount);
            }
        }
    }
    let password = around.ui.password()?;
    around.ui.step(Step::LogIn);
    let request = LoginRequest { kvnr: profile.kvnr.as_str().to_owned(), password };
    let answer: LoginAnswer = service.call(Method::POST, "/v1/login", &request)?;
    home.keep_profile(&profile)?;
    let expires_at = (around.clock)().saturating_add(answer.expires_in);
    home.keep_session(&Session { access_token: answer.access_token, expires_at })?;
    Ok(profile)
}

/// Goes on with the session that was kept.
///
/// # Errors
/// [`LoginError::Home`] when nobody is logged in.
pub fn resume(home: Home, now: NumericDate) -> Result<LoggedIn, LoginError> {
    let profile = home.profile()?;
    let session = home.session(now)?;
    let service = Service::at(&profile.service)?.with_token(session.access_token);
    Ok(LoggedIn { home, profile, service })
}

/// Ends the session, here and at the service.
///
/// # Errors
/// [`LoginError`]; the session is forgotten here in any case.
pub fn logout(home: Home, now: NumericDate) -> Result<(), LoginError> {
    let resumed = resume(home.clone(), now);
    home.forget_session()?;
    match resumed?.service.command(Method::POST, "/v1/logout") {
        Err(error) if !error.is_refused_with("token_invalid") => Err(error.into()),
        _ => Ok(()),
    }
}
