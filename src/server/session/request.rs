//! Whose request it is: the token in the head, the proof that came with it, and the session they belong to.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::{Session, WithAccount};
use crate::protocol::dpop::{DpopProof, SCHEME};
use crate::secret::SecretText;
use crate::server::http::{Code, Refusal};
use crate::server::store::Tx;
use crate::server::token::AccessToken;
use crate::server::{Service, client, dpop};

/// Who sends the request: the holder of the key of any open session. An endpoint that takes this is one that is open to
/// setup sessions.
pub(in crate::server) struct SetupSession(pub(in crate::server) Session);

impl FromRequestParts<Arc<Service>> for Session {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Refusal> {
        let SetupSession(session) = SetupSession::from_request_parts(parts, service).await?;
        session.is_ordinary(parts.method.is_safe())?;
        Ok(session)
    }
}

impl FromRequestParts<Arc<Service>> for SetupSession {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Refusal> {
        let (session, proof) = session_of(parts, service).await?;
        dpop::take(service, proof, &parts.method).await?;
        Ok(Self(session))
    }
}

/// As [`Session`], for an endpoint that changes something: the proof, which was not compared with those that came before,
/// is remembered in the transaction of the change, so that there is one commit and not two.
pub(in crate::server) struct Presented {
    session: Session,
    proof: DpopProof,
}

impl FromRequestParts<Arc<Service>> for Presented {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Refusal> {
        let (session, proof) = session_of(parts, service).await?;
        session.is_ordinary(parts.method.is_safe())?;
        Ok(Self { session, proof })
    }
}

impl Presented {
    /// Begins the transaction, in which the session is still open, and remembers the proof in it. A request that is refused
    /// without a change is refused again when it comes again.
    ///
    /// # Errors
    /// As for a request whose session has ended, or whose proof was sent before.
    pub(in crate::server) async fn enter(self, service: &Service) -> Result<(Session, Tx), Refusal> {
        let Self { session, proof } = self;
        let mut tx = service.store.begin().await?;
        let account = session.still_open(service, &mut tx).await?;
        dpop::take_in(&mut tx, proof).await?;
        Ok((Session { account, ..session }, tx))
    }
}

/// Whose request this is, and the proof that came with it. Whether that is a new one is for the caller.
async fn session_of(parts: &Parts, service: &Service) -> Result<(Session, DpopProof), Refusal> {
    let now = service.now_unix();
    let token = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(access_token);
    let token = token.ok_or(Code::TokenInvalid)?;
    let AccessToken { session: id, expires_at: token_ends_at } =
        service.keys.tokens().open_access(&token, now).ok_or(Code::TokenInvalid)?;
    let proof = dpop::check(service, parts, Some(&token))?;
    let found = WithAccount::find(&mut service.store.pool().acquire().await?, id).await?.ok_or(Code::TokenInvalid)?;
    let row = &found.row;
    // The key is the one the session is bound to: whoever has the token alone has nothing.
    if row.jkt != proof.jkt().to_string() {
        return Err(Code::TokenInvalid.into());
    }
    found.check_open()?;
    if now >= row.ends_at(&service.settings.sessions) {
        return Err(Code::TokenInvalid.into());
    }
    if !client::may_hold_sessions(service, row.client_id.as_deref()) {
        return Err(Code::ClientMismatch.into());
    }
    let account = found.account()?;
    Ok((Session { account, id, method: row.method()?, client: proof.jkt(), token_ends_at }, proof))
}

/// The token after `DPoP`; the name of a scheme is written in large or small letters (RFC 9110, 11.1).
fn access_token(header: &str) -> Option<SecretText> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| SecretText::new(token.to_owned()))
}
