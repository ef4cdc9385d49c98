//! The audit: append-only, each entry holds the hash of the one before (`docs/protocol.md`, audit). An entry is written
//! in the transaction of what it tells about.

use serde::Serialize;
use sqlx::{AnyConnection, AssertSqlSafe};
use thiserror::Error;

use super::http::Refusal;
use super::states::Event;
use super::store;
use crate::jose::json;
use crate::protocol::{DeviceId, NumericDate, Sha256Hash};

/// Whoever has not shown who he is.
pub(super) const STRANGER: &str = "stranger";

/// What an entry tells. Names of persons are pseudonyms, and no secret ever gets here.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// Pseudonym of the person, or `operator`, `service`, or [`STRANGER`].
    pub(super) actor: &'a str,
    pub(super) device: Option<DeviceId>,
    pub(super) event: Event,
    /// Identifier of what it happened to.
    pub(super) object: &'a str,
    /// `ok`, or the code of the refusal.
    pub(super) result: &'a str,
    /// More, such as the hash of a decision.
    pub(super) detail: Option<String>,
}

#[derive(Serialize)]
struct Bytes<'a> {
    seq: i64,
    prev_sha256: Sha256Hash,
    ts: NumericDate,
    actor: &'a str,
    device_id: Option<DeviceId>,
    event: &'a str,
    object: &'a str,
    result: &'a str,
    detail: Option<String>,
}

/// The audit cannot be read or written.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The database refused.
    #[error("the database refuses")]
    Database(#[from] sqlx::Error),
    /// The last entry's hash is none, or an entry has no JSON form.
    #[error("the audit is damaged")]
    Damaged,
}

impl From<AuditError> for Refusal {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Database(error) => error.into(),
            AuditError::Damaged => {
                tracing::error!("the audit is damaged");
                Self::internal()
            }
        }
    }
}

/// The hash of the last entry; of nothing before the first.
pub(super) async fn head(connection: &mut AnyConnection) -> Result<(i64, Sha256Hash), AuditError> {
    let last = sqlx::query_as::<_, (i64, String)>("SELECT seq, sha256 FROM audit ORDER BY seq DESC LIMIT 1");
    match last.fetch_optional(connection).await? {
        Some((seq, sha256)) => Ok((seq, sha256.parse().map_err(|_| AuditError::Damaged)?)),
        None => Ok((0, Sha256Hash::of(&[]))),
    }
}

/// Writes one entry.
pub(super) async fn append(
    connection: &mut AnyConnection,
    entry: Entry<'_>,
    now: NumericDate,
) -> Result<(), AuditError> {
    append_all(connection, [entry], now).await
}

/// Writes entries, one after the other: many at once take little longer than one.
pub(super) async fn append_all<'a>(
    connection: &mut AnyConnection,
    entries: impl IntoIterator<Item = Entry<'a>>,
    now: NumericDate,
) -> Result<(), AuditError> {
    let (mut seq, mut prev_sha256) = head(&mut *connection).await?;
    let mut rows = Vec::new();
    for entry in entries {
        seq += 1;
        let bytes = json::canonical(&Bytes {
            seq,
            prev_sha256,
            ts: now,
            actor: entry.actor,
            device_id: entry.device,
            event: entry.event.as_str(),
            object: entry.object,
            result: entry.result,
            detail: entry.detail,
        })
        .map_err(|_| AuditError::Damaged)?;
        prev_sha256 = Sha256Hash::of(&bytes);
        rows.push((seq, bytes, prev_sha256.to_string()));
    }
    if rows.is_empty() {
        return Ok(());
    }
    let insert = format!("INSERT INTO audit (seq, entry, sha256) VALUES {}", store::rows(rows.len(), 3));
    let mut insert = sqlx::query(AssertSqlSafe(insert));
    for (seq, bytes, sha256) in rows {
        insert = insert.bind(seq).bind(bytes).bind(sha256);
    }
    insert.execute(connection).await?;
    Ok(())
}
