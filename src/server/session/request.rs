//! Whose request it is: the token in the head, the proof that came with it, and the session they belong to.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::{Session, WithAccount};
use crate::protocol::dpop::{DpopProof, SCHEME};
use crate::secret::SecretText;
use crate::server::http::{Code, Refusal};
use crate::server::store::{Connection, Tx};
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
        let Presented { token, proof } = presented(parts, service)?;
        let session = session_of(service, &mut service.store.pool().acquire().await?, &token, &proof).await?;
        dpop::take(service, proof, &parts.method).await?;
        Ok(Self(session))
    }
}

/// What a request says of its session: the token, and the proof by the key that sends it. As [`Session`] for an endpoint
/// that changes something: the session is looked for, and the proof remembered, in the transaction of the change.
pub(in crate::server) struct Presented {
    token: AccessToken,
    proof: DpopProof,
}

impl FromRequestParts<Arc<Service>> for Presented {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Refusal> {
        presented(parts, service)
    }
}

impl Presented {
    /// Whether the session is open by now, for what is asked of others before the transaction begins.
    ///
    /// # Errors
    /// As for a request whose session has ended.
    pub(in crate::server) async fn may_ask(&self, service: &Service) -> Result<Session, Refusal> {
        let mut connection = service.store.pool().acquire().await?;
        let session = session_of(service, &mut connection, &self.token, &self.proof).await?;
        session.is_ordinary(false)?;
        Ok(session)
    }

    /// Begins the transaction, in which the session is open, and remembers the proof in it. A request that is refused
    /// without a change is refused again when it comes again.
    ///
    /// # Errors
    /// As for a request whose session has ended, or whose proof was sent before.
    pub(in crate::server) async fn enter(self, service: &Service) -> Result<(Session, Tx), Refusal> {
        let Self { token, proof } = self;
        let mut tx = service.store.begin().await?;
        let session = session_of(service, &mut tx, &token, &proof).await?;
        session.is_ordinary(false)?;
        dpop::take_in(&mut tx, proof).await?;
        Ok((session, tx))
    }
}

/// A token of this service, and a proof for this very request and this token. Whether its session is open, and the proof is
/// by its key and a new one, is for the caller.
fn presented(parts: &Parts, service: &Service) -> Result<Presented, Refusal> {
    let token = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(access_token);
    let token = token.ok_or(Code::TokenInvalid)?;
    let opened = service.keys.tokens().open_access(&token, service.now_unix()).ok_or(Code::TokenInvalid)?;
    Ok(Presented { token: opened, proof: dpop::check(service, parts, Some(&token))? })
}

/// The session of a token, which is open and bound to the key of the proof.
async fn session_of(
    service: &Service,
    connection: &mut Connection,
    token: &AccessToken,
    proof: &DpopProof,
) -> Result<Session, Refusal> {
    let AccessToken { session: id, expires_at: token_ends_at } = *token;
    let found = WithAccount::find(connection, id).await?.ok_or(Code::TokenInvalid)?;
    let row = &found.row;
    // The key is the one the session is bound to: whoever has the token alone has nothing.
    if row.jkt != proof.jkt().to_string() {
        return Err(Code::TokenInvalid.into());
    }
    found.check_open()?;
    if service.now_unix() >= row.ends_at(&service.settings.sessions) {
        return Err(Code::TokenInvalid.into());
    }
    if !client::may_hold_sessions(service, row.client_id.as_deref()) {
        return Err(Code::ClientMismatch.into());
    }
    let account = found.account()?;
    let (origin, is_own_program, created) = (row.origin(service), row.client_id.is_none(), row.created);
    let (method, client) = (row.method()?, proof.jkt());
    Ok(Session { account, id, method, client, origin, is_own_program, created, token_ends_at })
}

/// The token after `DPoP`; the name of a scheme is written in large or small letters (RFC 9110, 11.1).
fn access_token(header: &str) -> Option<SecretText> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| SecretText::new(token.to_owned()))
}
