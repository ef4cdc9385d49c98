//! Choosing a password: the first of one's own, or another one. The service has the rules, and says which one is broken.

use reqwest::Method;
use thiserror::Error;

use super::home::Home;
use super::login::{self, LoggedIn, LoginError, Opened};
use super::service::ServiceError;
use super::session::Clock;
use super::{AskError, Notice, Step, Surroundings};
use crate::protocol::api::{PasswordRequest, SessionsAnswer};
use crate::secret::SecretText;

/// Why the password was not chosen.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// The session, the service, the files of this computer.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The password is chosen and holds, but the login with it did not work.
    #[error("the password is chosen, and the login with it did not work")]
    NotLoggedIn(#[source] LoginError),
}

impl From<ServiceError> for PasswordError {
    fn from(error: ServiceError) -> Self {
        LoginError::from(error).into()
    }
}

impl From<AskError> for PasswordError {
    fn from(error: AskError) -> Self {
        LoginError::from(error).into()
    }
}

/// Chooses the password without which nothing else is possible, in the session that a login has just opened, and goes on
/// logged in with it. `of_letter`: that login has used up the initial password of a letter.
///
/// # Errors
/// [`PasswordError`].
pub fn choose_first(
    home: &Home,
    of_letter: bool,
    clock: Clock,
    around: &mut Surroundings<'_>,
) -> Result<Opened, PasswordError> {
    let here = login::resume(home.clone(), clock)?;
    around.ui.notice(Notice::PasswordFirst { of_letter });
    let password = set(&here, None, around)?;
    let service = here.service;
    // It has done what it was for. Where this gets lost, it ends by itself.
    let _ = service.command(Method::POST, "/v1/logout");
    login::with_password(home, &service.without_session(), password, around).map_err(PasswordError::NotLoggedIn)
}

/// Changes the password. Whoever logged in with it is asked for it first. All other sessions end.
///
/// # Errors
/// [`PasswordError`].
pub fn change(home: &Home, clock: Clock, around: &mut Surroundings<'_>) -> Result<Option<Opened>, PasswordError> {
    let here = login::resume(home.clone(), clock.clone())?;
    let method = match here.service.get::<SessionsAnswer>("/v1/sessions") {
        Ok(answer) => answer.sessions.into_iter().find(|session| session.is_current).map(|session| session.method),
        Err(error) if error.is_refused_with("password_first") => {
            return choose_first(home, false, clock, around).map(Some);
        }
        Err(error) => return Err(error.into()),
    };
    let old = match method {
        Some(method) if !method.needs_old_password() => None,
        _ => Some(around.ui.old_password()?),
    };
    set(&here, old, around).map(|_| None)
}

/// Asks for a new password until the service takes it; gives the one it took.
fn set(here: &LoggedIn, old: Option<SecretText>, around: &mut Surroundings<'_>) -> Result<SecretText, PasswordError> {
    let mut request = PasswordRequest { old, new: SecretText::new(String::new()) };
    let mut refusal = None;
    loop {
        request.new = match (around.ui.new_password(refusal.as_ref()), refusal.take()) {
            // A script has one password only.
            (Err(AskError::NobodyThere), Some(refusal)) => return Err(refusal.into()),
            (typed, _) => typed?,
        };
        around.ui.step(Step::SetPassword);
        let answer = match here.service.submit(Method::PUT, "/v1/password", &request) {
            // Whether it was set is not known: the same request asks once more.
            Err(ServiceError::Unreachable(_) | ServiceError::Malformed) => {
                here.service.submit(Method::PUT, "/v1/password", &request)
            }
            answer => answer,
        };
        match answer {
            Ok(()) => return Ok(request.new),
            Err(error) if error.is_refused_with("password_refused") => refusal = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
}
