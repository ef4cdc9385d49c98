//! The audit: append-only and chained (`docs/protocol.md`, audit). An entry is written in the transaction of what it
//! tells about.

pub(super) mod heads;
pub(super) mod owner;
pub(super) mod verify;

use sqlx::AssertSqlSafe;
use thiserror::Error;

use super::http::Refusal;
use super::random;
use super::states::Event;
use super::store::{self, Connection, Tx};
use crate::jose::json;
pub(super) use crate::protocol::audit::Position;
use crate::protocol::audit::{ENTRY_VERSION, Entry as Written};
use crate::protocol::{DeviceId, NumericDate, Salt, Sha256Hash};

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

impl From<AuditError> for sqlx::Error {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Database(error) => error,
            error @ AuditError::Damaged => Self::Decode(Box::new(error)),
        }
    }
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

/// Where the chain ends in a transaction that may write. It is read once for those that are committed together.
pub(super) async fn end(tx: &mut Tx) -> Result<Position, AuditError> {
    if let Some(end) = tx.audit_end() {
        return Ok(end);
    }
    let end = head(tx).await?;
    tx.set_audit_end(Some(end));
    Ok(end)
}

/// Where the chain ends now, for whoever writes nothing.
pub(super) async fn head(connection: &mut Connection) -> Result<Position, AuditError> {
    let last = sqlx::query_as::<_, (i64, String)>("SELECT seq, sha256 FROM audit ORDER BY seq DESC LIMIT 1");
    match last.fetch_optional(connection).await? {
        Some((seq, sha256)) => Ok(Position { seq, sha256: sha256.parse().map_err(|_| AuditError::Damaged)? }),
        None => Ok(Position::start()),
    }
}

/// The entries after number `after`, oldest first. They are committed in their order, by all processes: none turns up
/// later before one that was seen.
pub(super) async fn since(connection: &mut Connection, after: i64, limit: i64) -> Result<Vec<Written>, AuditError> {
    let query = "SELECT entry FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
    let query = sqlx::query_scalar::<_, Vec<u8>>(query).bind(after).bind(limit);
    let entries = query.fetch_all(connection).await?;
    entries.iter().map(|entry| serde_json::from_slice(entry).map_err(|_| AuditError::Damaged)).collect()
}

/// Writes one entry.
pub(super) async fn append(tx: &mut Tx, entry: Entry<'_>, now: NumericDate) -> Result<(), AuditError> {
    append_all(tx, [entry], now).await
}

/// Writes entries, one after the other: many at once take little longer than one.
pub(super) async fn append_all<'a>(
    tx: &mut Tx,
    entries: impl IntoIterator<Item = Entry<'a>>,
    now: NumericDate,
) -> Result<(), AuditError> {
    let mut place = end(tx).await?;
    let mut rows = Vec::new();
    for entry in entries {
        let person = entry.person().map(str::to_owned);
        let bytes = json::canonical(&Written {
            v: Some(ENTRY_VERSION),
            salt: Some(Salt::random(&mut random())),
            seq: place.seq.saturating_add(1),
            prev_sha256: place.sha256,
            ts: now,
            actor: entry.actor.to_owned(),
            device_id: entry.device,
            event: entry.event.as_str().to_owned(),
            object: entry.object.to_owned(),
            result: entry.result.to_owned(),
            detail: entry.detail,
        })
        .map_err(|_| AuditError::Damaged)?;
        place = place.after(Sha256Hash::of(&bytes));
        rows.push((place.seq, bytes, place.sha256.to_string(), person));
    }
    if rows.is_empty() {
        return Ok(());
    }
    let insert = format!("INSERT INTO audit (seq, entry, sha256, person) VALUES {}", store::rows(rows.len(), 4));
    let mut insert = sqlx::query(AssertSqlSafe(insert));
    for (seq, bytes, sha256, person) in rows {
        insert = insert.bind(seq).bind(bytes).bind(sha256).bind(person);
    }
    insert.execute(&mut **tx).await?;
    tx.set_audit_end(Some(place));
    Ok(())
}

impl Entry<'_> {
    /// The pseudonym it names, by which its owner finds it: who acts, else what it is about. Other hashes are as long as
    /// a pseudonym, and nobody looks for them.
    fn person(&self) -> Option<&str> {
        let detail = self.detail.iter().flat_map(|detail| detail.split(' '));
        [self.actor, self.object].into_iter().chain(detail).find(|text| text.parse::<Sha256Hash>().is_ok())
    }
}
