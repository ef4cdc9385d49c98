//! The devices of an account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sqlx::AnyConnection;

use super::account::Account;
use super::audit::{self, Entry};
use super::http::{Code, Path, Refusal};
use super::letter;
use super::notice;
use super::session::Session;
use super::states::{DeviceState, Event, LetterState, States as _, transition};
use super::store::from_json;
use super::{Service, pin};
use crate::protocol::NumericDate;
use crate::protocol::api::{DeviceAnswer, DevicesAnswer, Problem};
use crate::protocol::evidence::BindingEvidence;

/// How long a device waits that was bound by weaker evidence than card and card PIN, in seconds.
pub(super) const WAIT: i64 = 24 * 60 * 60;

/// `SELECT` of whole rows.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT device_id, state, name, method, binding_level, jkt, active_from, evidence FROM device ", $rest)
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    device_id: String,
    state: String,
    name: String,
    method: String,
    binding_level: String,
    jkt: String,
    active_from: i64,
    evidence: String,
}

/// The devices of the account that are not revoked, among them those that wait.
#[utoipa::path(get, path = "/v1/devices", responses((status = 200, body = DevicesAnswer)))]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    session: Session,
) -> Result<Json<DevicesAnswer>, Refusal> {
    end_waits(&service).await;
    let query = select!("WHERE account_id = $1 AND state <> $2 ORDER BY active_from DESC, device_id");
    let query = sqlx::query_as::<_, Row>(query);
    let rows =
        query.bind(session.account.id).bind(DeviceState::Revoked.as_str()).fetch_all(service.store.pool()).await?;
    let devices = rows.into_iter().map(answer).collect::<Result<_, _>>()?;
    Ok(Json(DevicesAnswer { devices }))
}

/// Revokes a device for good. Its key is never taken again.
#[utoipa::path(delete, path = "/v1/devices/{id}", params(("id" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem)))]
pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let now = service.now_unix();
    let mut tx = service.store.begin().await?;
    let account = session.still_open(&service, &mut tx).await?;
    let query = sqlx::query_scalar::<_, String>("SELECT state FROM device WHERE device_id = $1 AND account_id = $2");
    let state = query.bind(&id).bind(account.id).fetch_optional(&mut *tx).await?.ok_or(Code::NotFound)?;
    let moved = transition(&mut tx, &id, DeviceState::parse(&state)?, Event::DeviceRevoked).await?;
    if moved.is_none() {
        return Err(Code::NotFound.into());
    }
    let actor = service.keys.pseudonym(&account.kvnr);
    let entry =
        Entry { actor: &actor, device: None, event: Event::DeviceRevoked, object: &id, result: "ok", detail: None };
    audit::append(&mut tx, entry, now).await?;
    pin::erase(&mut tx, &id).await?;
    notice::queue(&service, &mut tx, account.id, notice::Kind::DeviceRevoked, now).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revokes all devices of an account that has ended.
pub(super) async fn revoke_all(
    service: &Service,
    connection: &mut AnyConnection,
    account: &Account,
) -> Result<(), Refusal> {
    let query = sqlx::query_as::<_, (String, String)>("SELECT device_id, state FROM device WHERE account_id = $1");
    for (id, state) in query.bind(account.id).fetch_all(&mut *connection).await? {
        let event = Event::DeviceRevoked;
        if transition(connection, &id, DeviceState::parse(&state)?, event).await?.is_some() {
            let detail = Some(service.keys.pseudonym(&account.kvnr));
            let entry = Entry { actor: "service", device: None, event, object: &id, result: "ok", detail };
            audit::append(connection, entry, service.now_unix()).await?;
            pin::erase(connection, &id).await?;
        }
    }
    Ok(())
}

/// Makes active the devices that have waited long enough. Their owners were told by post: as long as a notice waits to
/// be printed that was ordered when the device was bound or before, the device waits as well. Each has a transaction of
/// its own: one that fails is logged, and tried again at the next round.
pub(super) async fn end_waits(service: &Service) {
    let now = service.now_unix();
    let due = sqlx::query_as::<_, (String, i64)>(
        "SELECT device_id, account_id FROM device d WHERE state = 'pending_wait' AND active_from <= $1 AND NOT EXISTS \
         (SELECT 1 FROM letter l WHERE l.account_id = d.account_id AND l.kind = $2 AND l.state = $3 \
         AND l.created <= d.active_from - $4)",
    );
    let due = due.bind(now).bind(letter::Kind::Notice.as_str()).bind(LetterState::Ordered.as_str()).bind(WAIT);
    let due = due.fetch_all(service.store.pool()).await.unwrap_or_else(|error| {
        tracing::error!(%error, "devices that have waited long enough cannot be looked for");
        Vec::new()
    });
    for (id, account_id) in due {
        if let Err(refusal) = end_wait(service, &id, account_id, now).await {
            tracing::error!(code = refusal.code.as_str(), device = id, "a device was not made active");
        }
    }
}

async fn end_wait(service: &Service, id: &str, account_id: i64, now: NumericDate) -> Result<(), Refusal> {
    let mut tx = service.store.begin().await?;
    let event = Event::DeviceActivated;
    if transition(&mut tx, id, DeviceState::PendingWait, event).await?.is_none() {
        return Ok(()); // somebody else was quicker
    }
    let detail = Some(service.keys.pseudonym(&Account::by_id(&mut tx, account_id).await?.kvnr));
    let entry = Entry { actor: "service", device: None, event, object: id, result: "ok", detail };
    audit::append(&mut tx, entry, now).await?;
    Ok(tx.commit().await?)
}

/// Why the account has no device that may approve: it has none at all, or one that waits.
pub(super) async fn none_active(connection: &mut AnyConnection, account: &Account) -> Result<Refusal, Refusal> {
    let waiting = sqlx::query_scalar::<_, Option<i64>>(
        "SELECT MIN(active_from) FROM device WHERE account_id = $1 AND state = $2",
    );
    let waiting = waiting.bind(account.id).bind(DeviceState::PendingWait.as_str()).fetch_one(connection).await?;
    Ok(waiting.map_or_else(|| Code::NoDevice.into(), is_waiting))
}

/// A device that may approve from then on at the earliest.
pub(super) fn is_waiting(active_from: NumericDate) -> Refusal {
    Refusal::new(Code::DeviceWaiting).with_detail(active_from.to_string())
}

/// A device of this account, and what its binding rests on.
pub(super) async fn find(
    connection: &mut AnyConnection,
    account: &Account,
    id: &str,
) -> Result<(DeviceAnswer, BindingEvidence), Refusal> {
    let query = select!("WHERE device_id = $1 AND account_id = $2");
    let query = sqlx::query_as::<_, Row>(query).bind(id).bind(account.id);
    let row = query.fetch_optional(connection).await?.ok_or(Code::NotFound)?;
    let evidence = from_json(&row.evidence)?;
    Ok((answer(row)?, evidence))
}

fn answer(row: Row) -> Result<DeviceAnswer, Refusal> {
    Ok(DeviceAnswer {
        device_id: row.device_id.parse().map_err(|_| Refusal::internal())?,
        name: row.name,
        state: row.state,
        method: row.method.parse().map_err(|_| Refusal::internal())?,
        binding_level: row.binding_level.parse().map_err(|_| Refusal::internal())?,
        jkt: crate::jose::Thumbprint::parse(&row.jkt).ok_or_else(Refusal::internal)?,
        active_from: row.active_from,
    })
}
