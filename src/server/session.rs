//! Sessions: an opaque token of 256 bits that lives for 15 minutes; the database holds its hash only.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::account::Account;
use super::audit::{self, Entry};
use super::http::{Body, Code, Refusal};
use super::states::Event;
use super::{Service, random};
use crate::identity::kvnr::Kvnr;
use crate::jose::base64url;
use crate::protocol::Sha256Hash;
use crate::protocol::api::{LoginAnswer, LoginRequest, Problem};
use crate::secret::SecretText;

/// Life of a token, in seconds.
const LIFE: i64 = 15 * 60;
/// Longest password that is looked at, in bytes.
const MAX_PASSWORD: usize = 1024;

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
        Ok(Self { account: Account::by_id(&mut connection, id).await?, token_sha256 })
    }
}

/// Opens a session with insurance number and password.
#[utoipa::path(post, path = "/v1/login", request_body = LoginRequest, security(()), responses(
    (status = 200, body = LoginAnswer), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn login(
    State(service): State<Arc<Service>>,
    Body(request): Body<LoginRequest>,
) -> Result<Json<LoginAnswer>, Refusal> {
    let kvnr = Kvnr::typed(&request.kvnr).map_err(|error| Refusal::new(Code::KvnrInvalid).with_detail(error.code()))?;
    if request.password.expose().len() > MAX_PASSWORD {
        return Err(Code::LoginFailed.into());
    }
    let pseudonym = service.keys.pseudonym(&kvnr);
    let account = Account::by_password(&service, kvnr, request.password).await?;

    let now = service.now_unix();
    let mut tx = service.store.begin().await?;
    let mut entry =
        Entry { actor: &pseudonym, device: None, event: Event::SessionRefused, object: "", result: "", detail: None };
    let Some(account) = account else {
        entry.result = Code::LoginFailed.as_str();
        service.metrics.login("password", Code::LoginFailed.as_str());
        audit::append(&mut tx, entry, now).await?;
        tx.commit().await?;
        return Err(Code::LoginFailed.into());
    };
    let mut token = [0; 32];
    rand_core::Rng::fill_bytes(&mut random(), &mut token);
    let access_token = SecretText::new(base64url::encode(&token));
    let token_sha256 = Sha256Hash::of(access_token.expose().as_bytes()).to_string();
    let insert = "INSERT INTO session (token_sha256, account_id, created, expires_at) VALUES ($1, $2, $3, $4)";
    let insert = sqlx::query(insert).bind(token_sha256).bind(account.id).bind(now).bind(now + LIFE);
    insert.execute(&mut *tx).await?;
    (entry.event, entry.result) = (Event::SessionOpened, "ok");
    service.metrics.login("password", "ok");
    audit::append(&mut tx, entry, now).await?;
    tx.commit().await?;
    Ok(Json(LoginAnswer { access_token, token_type: "Bearer".to_owned(), expires_in: LIFE }))
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
