//! The devices of an account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sqlx::AnyConnection;

use super::Service;
use super::account::Account;
use super::audit::{self, Entry};
use super::http::{Code, Path, Refusal};
use super::notice;
use super::session::Session;
use super::states::{DeviceState, Event, States as _, transition};
use super::store::from_json;
use crate::protocol::api::{DeviceAnswer, DevicesAnswer, Problem};
use crate::protocol::evidence::BindingEvidence;

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

/// The devices of the account that are not revoked.
#[utoipa::path(get, path = "/v1/devices", responses((status = 200, body = DevicesAnswer)))]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    session: Session,
) -> Result<Json<DevicesAnswer>, Refusal> {
    let query = select!("WHERE account_id = $1 AND state = $2 ORDER BY active_from DESC, device_id");
    let query = sqlx::query_as::<_, Row>(query);
    let rows =
        query.bind(session.account.id).bind(DeviceState::Active.as_str()).fetch_all(service.store.pool()).await?;
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
        }
    }
    Ok(())
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
