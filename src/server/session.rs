//! Sessions: an opaque token of 256 bits that lives for 15 minutes; the database holds its hash only.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::account::Account;
use super::audit::{self, Entry};
use super::http::{Code, Refusal};
use super::states::{AccountState, Event};
use super::store::Tx;
use super::{Service, random};
use crate::jose::base64url;
use crate::protocol::api::{LoginAnswer, Problem};
use crate::protocol::{NumericDate, Sha256Hash};
use crate::secret::SecretText;

/// Life of a token, in seconds.
const LIFE: i64 = 15 * 60;
const LOGOUT: &str = "/v1/logout";

/// Who sends the request: the bearer of a valid token.
pub(super) struct Session {
    pub(super) account: Account,
    token_sha256: String,
}

impl FromRequestParts<Arc<Service>> for Session {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Refusal> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(Code::TokenInvalid)?;
        let token_sha256 = Sha256Hash::of(token.as_bytes()).to_string();
        let query = "SELECT account_id FROM session WHERE token_sha256 = $1 AND expires_at > $2";
        let query = sqlx::query_scalar::<_, i64>(query).bind(&token_sha256).bind(service.now_unix());
        let mut connection = service.store.pool().acquire().await?;
        let id = query.fetch_optional(&mut *connection).await?.ok_or(Code::TokenInvalid)?;
        let account = Account::by_id(&mut connection, id).await?;
        // What is left of a closed account can be read.
        if account.state == AccountState::Closed && !parts.method.is_safe() && parts.uri.path() != LOGOUT {
            return Err(Code::AccountClosed.into());
        }
        Ok(Self { account, token_sha256 })
    }
}

/// Opens a session for whoever was found to be the account's person.
pub(super) async fn open(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    now: NumericDate,
) -> Result<LoginAnswer, Refusal> {
    let mut token = [0; 32];
    rand_core::Rng::fill_bytes(&mut random(), &mut token);
    let access_token = SecretText::new(base64url::encode(&token));
    let token_sha256 = Sha256Hash::of(access_token.expose().as_bytes()).to_string();
    let insert = "INSERT INTO session (token_sha256, account_id, created, expires_at) VALUES ($1, $2, $3, $4)";
    let insert = sqlx::query(insert).bind(token_sha256).bind(account.id).bind(now).bind(now + LIFE);
    insert.execute(&mut **tx).await?;
    let actor = service.keys.pseudonym(&account.kvnr);
    let entry =
        Entry { actor: &actor, device: None, event: Event::SessionOpened, object: "", result: "ok", detail: None };
    audit::append(tx, entry, now).await?;
    Ok(LoginAnswer { access_token, token_type: "Bearer".to_owned(), expires_in: LIFE })
}

/// Ends all sessions of an account but one, as a change of the password does.
pub(super) async fn end_all_but(tx: &mut Tx, account: &Account, session: Option<&Session>) -> Result<(), Refusal> {
    let delete = sqlx::query("DELETE FROM session WHERE account_id = $1 AND token_sha256 <> $2").bind(account.id);
    delete.bind(session.map_or("", |session| &session.token_sha256)).execute(&mut **tx).await?;
    Ok(())
}

/// Ends the session.
#[utoipa::path(post, path = "/v1/logout", responses((status = 204), (status = 401, body = Problem)))]
pub(super) async fn logout(State(service): State<Arc<Service>>, session: Session) -> Result<StatusCode, Refusal> {
    let mut tx = service.store.begin().await?;
    sqlx::query("DELETE FROM session WHERE token_sha256 = $1").bind(&session.token_sha256).execute(&mut *tx).await?;
    let actor = service.keys.pseudonym(&session.account.kvnr);
    let entry =
        Entry { actor: &actor, device: None, event: Event::SessionClosed, object: "", result: "ok", detail: None };
    audit::append(&mut tx, entry, service.now_unix()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes tokens that nobody can use any more.
pub(super) async fn forget_expired(service: &Service) -> Result<(), Refusal> {
    let delete = sqlx::query("DELETE FROM session WHERE expires_at <= $1").bind(service.now_unix());
    delete.execute(service.store.pool()).await?;
    Ok(())
}
