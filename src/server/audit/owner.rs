//! What happened to an account, for its owner: the audit's entries that name her, without what is about others.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::STRANGER;
use crate::protocol::audit::{AuditActor, AuditAnswer, AuditEvent, Entry};
use crate::server::Service;
use crate::server::http::{self, Refusal};
use crate::server::session::Session;
use crate::server::store::from_json;

/// Entries in one answer.
const MAX_EVENTS: i64 = 100;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct Before {
    /// Number of the entry before which to begin; the newest ones without it.
    #[serde(default)]
    before: Option<i64>,
}

/// What happened to the account, newest first, at most 100 at a time.
#[utoipa::path(get, path = "/v1/audit", params(Before), responses((status = 200, body = AuditAnswer)))]
pub(in crate::server) async fn list(
    State(service): State<Arc<Service>>,
    session: Session,
    http::Query(range): http::Query<Before>,
) -> Result<Json<AuditAnswer>, Refusal> {
    let person = service.keys.pseudonym(&session.account.kvnr);
    let entries = "SELECT entry FROM audit WHERE person = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";
    let entries = sqlx::query_scalar::<_, Vec<u8>>(entries).bind(&person).bind(range.before.unwrap_or(i64::MAX));
    let entries = entries.bind(MAX_EVENTS).fetch_all(service.store.pool()).await?;
    let events = entries.iter().map(|bytes| {
        let entry: Entry = from_json(std::str::from_utf8(bytes).map_err(|_| Refusal::internal())?)?;
        Ok(event(entry, &person))
    });
    Ok(Json(AuditAnswer { events: events.collect::<Result<_, Refusal>>()? }))
}

/// Operators have names, and the owner a pseudonym, that are nobody's business.
fn event(entry: Entry, person: &str) -> AuditEvent {
    let by = match entry.actor.as_str() {
        actor if actor == person => AuditActor::Owner,
        STRANGER => AuditActor::Stranger,
        "service" => AuditActor::Service,
        _ => AuditActor::Operator,
    };
    let told = |text: &str| {
        let words: Vec<_> = text.split(' ').filter(|word| *word != person).collect();
        Some(words.join(" ")).filter(|text| !text.is_empty())
    };
    AuditEvent {
        seq: entry.seq,
        at: entry.ts,
        by,
        event: entry.event,
        device_id: entry.device_id,
        object: told(&entry.object),
        result: entry.result,
        detail: entry.detail.as_deref().and_then(told),
    }
}
