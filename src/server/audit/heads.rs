//! What the service signs of the whole audit, hourly and on demand, and what it publishes of that; and how one entry is
//! shown to stand in it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::protocol::api::Problem;
use crate::protocol::audit::{AuditHead, AuditHeadAnswer, AuditHeadsAnswer, ENTRY_VERSION, Entry, Inclusion};
use crate::protocol::service::Receipt;
use crate::protocol::{NumericDate, Sha256Hash, VERSION};
use crate::server::Service;
use crate::server::http::{self, Refusal};
use crate::server::session::Session;
use crate::server::store::{Connection, Tx, from_json};

/// A head is made when the newest is so many seconds old, or so many entries are behind it: nobody's path to a head is
/// much longer than that.
const EVERY_SECONDS: i64 = 60 * 60;
const EVERY_ENTRIES: i64 = 256;
/// Heads in one answer.
const MAX_HEADS: i64 = 1000;
/// Longest path to a head, in entries: longer ones come about only where no process of the service runs.
const MAX_PATH: i64 = 16 * 1024;

/// Number and time of the newest head.
async fn newest(connection: &mut Connection) -> Result<Option<(i64, NumericDate)>, sqlx::Error> {
    let newest = "SELECT seq, at FROM audit_head ORDER BY seq DESC, at DESC LIMIT 1";
    sqlx::query_as::<_, (i64, NumericDate)>(newest).fetch_optional(connection).await
}

async fn is_due(connection: &mut Connection, now: NumericDate) -> Result<bool, Refusal> {
    let end = super::head(&mut *connection).await?;
    let newest = newest(connection).await?;
    Ok(newest.is_none_or(|(seq, at)| {
        now.saturating_sub(at) >= EVERY_SECONDS || end.seq.saturating_sub(seq) >= EVERY_ENTRIES
    }))
}

/// Makes the head that is due. Of several processes that find it due, one makes it.
pub(in crate::server) async fn make_due(service: &Service) -> Result<(), Refusal> {
    let now = service.now_unix();
    let is_due_now = is_due(&mut service.store.pool().acquire().await?, now).await?;
    if is_due_now {
        let mut tx = service.store.begin().await?;
        if is_due(&mut tx, now).await? {
            make(service, &mut tx, now).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

/// Signs the chain as it is now, and keeps the head.
async fn make(service: &Service, tx: &mut Tx, now: NumericDate) -> Result<String, Refusal> {
    let end = super::end(tx).await?;
    let aud = service.settings.issuer.clone();
    let head = service.keys.sign(&AuditHead { v: VERSION, aud, seq: end.seq, sha256: end.sha256, at: now })?;
    let insert = sqlx::query("INSERT INTO audit_head (seq, at, head) VALUES ($1, $2, $3)");
    insert.bind(end.seq).bind(now).bind(&head).execute(&mut **tx).await?;
    Ok(head)
}

/// A head over everything there is: the newest one, or a new one where something came behind it.
async fn current(service: &Service) -> Result<String, Refusal> {
    let mut tx = service.store.begin().await?;
    let end = super::end(&mut tx).await?;
    let newest = "SELECT head FROM audit_head WHERE seq = $1 ORDER BY at DESC LIMIT 1";
    let newest = sqlx::query_scalar::<_, String>(newest).bind(end.seq).fetch_optional(&mut *tx).await?;
    let head = match newest {
        Some(head) => head,
        None => make(service, &mut tx, service.now_unix()).await?,
    };
    tx.commit().await?;
    Ok(head)
}

/// Shows that the entry about what `receipt` was given for stands in the chain. `None` for what was taken before entries
/// could be shown.
pub(in crate::server) async fn inclusion(service: &Service, receipt: &str) -> Result<Option<Inclusion>, Refusal> {
    let receipt: Receipt = service.keys.read_signed(receipt)?;
    let Some(seq) = receipt.audit_seq.and_then(|before| before.checked_add(1)) else { return Ok(None) };
    let head = "SELECT seq, head FROM audit_head WHERE seq >= $1 ORDER BY seq, at LIMIT 1";
    let head = sqlx::query_as::<_, (i64, String)>(head).bind(seq).fetch_optional(service.store.pool()).await?;
    let (end, head) = match head {
        Some(head) => head,
        None => {
            let head = current(service).await?;
            (service.keys.read_signed::<AuditHead>(&head)?.seq, head)
        }
    };
    if end.saturating_sub(seq) > MAX_PATH {
        return Ok(None);
    }
    let entries = "SELECT entry FROM audit WHERE seq BETWEEN $1 AND $2 ORDER BY seq";
    let entries = sqlx::query_scalar::<_, Vec<u8>>(entries).bind(seq).bind(end);
    let entries = entries.fetch_all(service.store.pool()).await?;
    let (entry, behind) = entries.split_first().ok_or_else(Refusal::internal)?;
    let text = std::str::from_utf8(entry).map_err(|_| Refusal::internal())?;
    if from_json::<Entry>(text)?.v != Some(ENTRY_VERSION) {
        return Ok(None);
    }
    let path = behind.iter().flat_map(|entry| *Sha256Hash::of(entry).as_bytes()).collect();
    Ok(Some(Inclusion { entry: entry.clone(), path, head }))
}

/// A head over the whole audit as it is now.
#[utoipa::path(get, path = "/v1/audit/head", responses((status = 200, body = AuditHeadAnswer)))]
pub(in crate::server) async fn show(
    State(service): State<Arc<Service>>,
    _: Session,
) -> Result<Json<AuditHeadAnswer>, Refusal> {
    Ok(Json(AuditHeadAnswer { head: current(&service).await? }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct Since {
    /// Heads of this time and later, in seconds since 1970 (UTC); all without it.
    #[serde(default)]
    since: NumericDate,
}

/// The heads that were signed, oldest first, for everybody: whoever keeps them notices when the audit is rewritten.
#[utoipa::path(get, path = "/.well-known/kartenbund-audit", params(Since), security(()),
    responses((status = 200, body = AuditHeadsAnswer), (status = 400, body = Problem)))]
pub(in crate::server) async fn list(
    State(service): State<Arc<Service>>,
    http::Query(from): http::Query<Since>,
) -> Result<Json<AuditHeadsAnswer>, Refusal> {
    let heads = "SELECT head FROM audit_head WHERE at >= $1 ORDER BY at, seq LIMIT $2";
    let heads = sqlx::query_scalar::<_, String>(heads).bind(from.since).bind(MAX_HEADS);
    Ok(Json(AuditHeadsAnswer { heads: heads.fetch_all(service.store.pool()).await? }))
}
