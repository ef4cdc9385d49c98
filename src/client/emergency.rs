//! Locking everything with the printed revocation code, without any login.

use reqwest::Method;
use thiserror::Error;

use super::service::{Service, ServiceError};
use super::{AskError, Surroundings};
use crate::protocol::api::RevocationRequest;
use crate::protocol::qr::CodeError;
use crate::protocol::revocation::RevocationCode;

/// Why nothing was sent.
#[derive(Debug, Error)]
pub enum EmergencyError {
    /// The service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The person.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// What was typed is no code.
    #[error(transparent)]
    Code(#[from] CodeError),
}

/// Asks for the code until it is one, and sends it. The service answers everybody alike: whether the code is of an account,
/// this program does not learn.
///
/// # Errors
/// [`EmergencyError`].
pub fn lock_everything(service: &Service, around: &mut Surroundings<'_>) -> Result<(), EmergencyError> {
    let mut wrong = None;
    let code = loop {
        let typed = match (around.ui.revocation_code(wrong.as_ref()), wrong.take()) {
            // A script has one line; what is wrong in it is why nobody can be asked again.
            (Err(AskError::NobodyThere), Some(wrong)) => return Err(wrong.into()),
            (typed, _) => typed?,
        };
        match RevocationCode::read(&typed) {
            Ok(code) => break code,
            Err(error) => wrong = Some(error),
        }
    };
    Ok(service.submit(Method::POST, "/v1/emergency/revoke", &RevocationRequest { code: code.groups() })?)
}
