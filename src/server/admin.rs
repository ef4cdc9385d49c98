//! The operators' endpoints, on a listener of their own. None of them adds a device or approves anything; each change is
//! written into the audit with the operator's name.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::account::Account;
use super::http::{self, Body, Code, Refusal};
use super::letter::Ordered;
use super::{Service, device, openapi};
use crate::identity::kvnr::Kvnr;
use crate::protocol::api::Problem;

/// Longest answer of the audit, in entries.
const MAX_ENTRIES: i64 = 1000;

/// Somebody who may use these endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operator {
    /// How the audit calls them: `operator:NAME`.
    pub name: String,
    /// SHA-256 of their token.
    pub token_sha256: [u8; 32],
    /// Whether they read what is counted, and do nothing else: a program that observes.
    pub only_metrics: bool,
}

/// The operator who sends the request.
pub(super) struct Caller {
    /// What the audit names as actor.
    pub(super) actor: String,
}

impl FromRequestParts<Arc<Service>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Refusal> {
        let Observer(operator) = Observer::from_request_parts(parts, service).await?;
        if operator.only_metrics {
            tracing::warn!(name = operator.name, "an operator for metrics alone asked for more");
            return Err(Code::TokenInvalid.into());
        }
        Ok(Self { actor: format!("operator:{}", operator.name) })
    }
}

/// Any operator, also one who may only observe.
struct Observer(Operator);

impl FromRequestParts<Arc<Service>> for Observer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Refusal> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(Code::TokenInvalid)?;
        let token_sha256 = Sha256::digest(token.as_bytes());
        // All are compared, each in constant time: the time says nothing about whose token was close.
        let mut found = None;
        let current = service.current();
        for operator in &current.operators {
            if bool::from(operator.token_sha256.ct_eq(&token_sha256)) {
                found = Some(operator);
            }
        }
        let operator = found.ok_or_else(|| {
            tracing::warn!("somebody without an operator's token asked the admin listener");
            Code::TokenInvalid
        })?;
        Ok(Self(operator.clone()))
    }
}

/// All endpoints of the admin listener.
pub(super) fn app(service: Arc<Service>) -> Router {
    let (router, paths) = OpenApiRouter::new()
        .routes(routes!(suspend))
        .routes(routes!(resume))
        .routes(routes!(report_stolen))
        .routes(routes!(end_sessions))
        .routes(routes!(lock_devices))
        .routes(routes!(revoke_cards))
        .routes(routes!(order_letter))
        .routes(routes!(cancel_approved))
        .routes(routes!(audit))
        .routes(routes!(metrics))
        .split_for_parts();
    http::finish(router, openapi::describe_admin(paths), &service).with_state(service)
}

/// Whose account it is. The number stands in the body, since addresses get into the logs of others.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct AccountRequest {
    /// Insurance number.
    kvnr: String,
}

impl AccountRequest {
    fn kvnr(&self) -> Result<Kvnr, Refusal> {
        kvnr(&self.kvnr)
    }
}

fn kvnr(text: &str) -> Result<Kvnr, Refusal> {
    Kvnr::typed(text).map_err(|error| Refusal::new(Code::KvnrInvalid).with_detail(error.code()))
}

/// Which letter, and to whom.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct LetterRequest {
    /// Insurance number.
    kvnr: String,
    /// What the letter brings; an initial password without it.
    #[serde(default)]
    kind: OrderedKind,
}

/// What can be ordered.
#[derive(Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum OrderedKind {
    /// An initial password.
    #[default]
    InitialPassword,
    /// A code for a device.
    DeviceCode,
}

/// Suspends an account: all sessions end, and nobody logs in until it is resumed.
#[utoipa::path(post, path = "/admin/v1/accounts/suspend", request_body = AccountRequest, responses((status = 204),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn suspend(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<AccountRequest>,
) -> Result<StatusCode, Refusal> {
    service.suspend(&request.kvnr()?, &caller.actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Opens a suspended account again.
#[utoipa::path(post, path = "/admin/v1/accounts/resume", request_body = AccountRequest, responses((status = 204),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn resume(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<AccountRequest>,
) -> Result<StatusCode, Refusal> {
    service.resume(&request.kvnr()?, &caller.actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The password, or the letter with the initial one, was stolen: neither holds any more, and all sessions end.
#[utoipa::path(post, path = "/admin/v1/accounts/report-stolen", request_body = AccountRequest,
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
async fn report_stolen(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<AccountRequest>,
) -> Result<StatusCode, Refusal> {
    service.report_stolen(&request.kvnr()?, &caller.actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all sessions of an account.
#[utoipa::path(post, path = "/admin/v1/accounts/end-sessions", request_body = AccountRequest, responses((status = 204),
    (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn end_sessions(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<AccountRequest>,
) -> Result<StatusCode, Refusal> {
    service.end_sessions(&request.kvnr()?, &caller.actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Locks all devices of an account, for somebody who has lost one and calls.
#[utoipa::path(post, path = "/admin/v1/accounts/lock-devices", request_body = AccountRequest, responses((status = 204),
    (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn lock_devices(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<AccountRequest>,
) -> Result<StatusCode, Refusal> {
    let mut tx = service.store.begin().await?;
    let account = Account::by_kvnr(&mut tx, &request.kvnr()?).await?.ok_or(Code::AccountUnknown)?;
    device::lock_each(&service, &mut tx, &account, &caller.actor, None).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The person's health card was lost, or its insurer has revoked it: no card that was made before is taken any more, and
/// devices that cards have bound expire.
#[utoipa::path(post, path = "/admin/v1/accounts/revoke-cards", request_body = AccountRequest, responses((status = 204),
    (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn revoke_cards(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<AccountRequest>,
) -> Result<StatusCode, Refusal> {
    service.revoke_cards(&request.kvnr()?, &caller.actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Orders a letter with an initial password, or with a code for a device. One that waits to be made already is enough.
#[utoipa::path(post, path = "/admin/v1/accounts/order-letter", request_body = LetterRequest, responses((status = 204),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn order_letter(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<LetterRequest>,
) -> Result<StatusCode, Refusal> {
    let (kvnr, actor) = (kvnr(&request.kvnr)?, &caller.actor);
    let ordered = match request.kind {
        OrderedKind::InitialPassword => service.order_letter(&kvnr, actor).await?,
        OrderedKind::DeviceCode => service.order_device_code(&kvnr, actor).await?,
    };
    match ordered {
        Ordered::Yes | Ordered::Already => Ok(StatusCode::NO_CONTENT),
        // Operators are not counted; what is left is the state of the account.
        Ordered::TooMany | Ordered::NotNow => Err(Code::AccountState.into()),
    }
}

/// Cancels what was approved and is not executed yet, such as a new bank account.
#[utoipa::path(post, path = "/admin/v1/accounts/cancel-approved", request_body = AccountRequest,
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
async fn cancel_approved(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<AccountRequest>,
) -> Result<StatusCode, Refusal> {
    service.cancel_approved(&request.kvnr()?, &caller.actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct Range {
    /// Number of the entry after which to begin; 0 without it.
    #[serde(default)]
    after: i64,
    /// How many entries at most; 1000 without it, and never more.
    #[serde(default)]
    limit: Option<i64>,
}

/// The audit, entry by entry: each line is the canonical JSON of one, and its SHA-256 is the `prev_sha256` of the next.
#[utoipa::path(get, path = "/admin/v1/audit", params(Range), responses(
    (status = 200, body = String, content_type = "application/x-ndjson"), (status = 401, body = Problem)))]
async fn audit(
    State(service): State<Arc<Service>>,
    caller: Caller,
    http::Query(range): http::Query<Range>,
) -> Result<impl IntoResponse, Refusal> {
    tracing::info!(actor = caller.actor, after = range.after, "the audit is read");
    let query = "SELECT entry FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
    let limit = range.limit.unwrap_or(MAX_ENTRIES).clamp(0, MAX_ENTRIES);
    let query = sqlx::query_scalar::<_, Vec<u8>>(query).bind(range.after).bind(limit);
    let mut lines = Vec::new();
    for entry in query.fetch_all(service.store.pool()).await? {
        lines.extend(entry);
        lines.push(b'\n');
    }
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], lines))
}

/// What is counted, for Prometheus.
#[utoipa::path(get, path = "/metrics", responses(
    (status = 200, body = String, content_type = "application/openmetrics-text"), (status = 401, body = Problem)))]
async fn metrics(State(service): State<Arc<Service>>, _: Observer) -> Result<impl IntoResponse, Refusal> {
    let text = service.metrics.text(&service).await?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}
