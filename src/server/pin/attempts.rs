//! What counts: an evaluation that nobody has confirmed was a wrong PIN, or somebody else's.

use super::Device;
use crate::protocol::pin::{MANY_UNCONFIRMED, MAX_CONSECUTIVE, MAX_UNCONFIRMED, RequestedElement};
use crate::protocol::{AttemptId, NumericDate, Sha256Hash};
use crate::server::audit::{self, Entry};
use crate::server::http::Refusal;
use crate::server::notice::{self, Kind};
use crate::server::states::{Event, transition};
use crate::server::store::{Connection, Tx};
use crate::server::{Service, random};

/// Seconds in which the same element gets the same answer, and the last try may be confirmed.
pub(super) const WINDOW: i64 = 120;
/// Wrong PINs in a row that the owner is told of.
const TOLD_CONSECUTIVE: i64 = 3;

/// The two counters of a device.
#[derive(Clone, Copy)]
pub(super) struct Counters {
    /// Since the last confirmation.
    pub(super) consecutive: i64,
    /// Since the device is there.
    pub(super) unconfirmed: i64,
}

impl Counters {
    pub(super) async fn of(connection: &mut Connection, device: &Device) -> Result<Self, Refusal> {
        let query = "SELECT COUNT(*), COALESCE(SUM(CASE WHEN number > $2 THEN 1 ELSE 0 END), 0) FROM pin_attempt \
                     WHERE device_id = $1 AND number > 0 AND confirmed_at IS NULL";
        let query = sqlx::query_as::<_, (i64, i64)>(query).bind(device.id.to_string()).bind(device.confirmed);
        let (unconfirmed, consecutive) = query.fetch_one(connection).await?;
        Ok(Self { consecutive, unconfirmed })
    }

    pub(super) fn tries_left(self) -> i64 {
        (MAX_CONSECUTIVE - self.consecutive).min(MAX_UNCONFIRMED - self.unconfirmed).max(0)
    }
}

/// An evaluation that was made, or is about to be.
#[derive(sqlx::FromRow)]
pub(super) struct Attempt {
    attempt_id: String,
    pub(super) number: i64,
    pub(super) voprf_pk: String,
    at: i64,
    pub(super) confirmed_at: Option<i64>,
    pub(super) wrong_before: Option<i64>,
}

const COLUMNS: [&str; 2] = [
    "SELECT attempt_id, number, voprf_pk, at, confirmed_at, wrong_before FROM pin_attempt \
     WHERE device_id = $1 AND attempt_id = $2",
    "SELECT attempt_id, number, voprf_pk, at, confirmed_at, wrong_before FROM pin_attempt \
     WHERE device_id = $1 AND blinded_sha256 = $2",
];

impl Attempt {
    pub(super) async fn by_id(tx: &mut Tx, device: &Device, id: AttemptId) -> Result<Option<Self>, Refusal> {
        let [by_id, _] = COLUMNS;
        let query = sqlx::query_as(by_id).bind(device.id.to_string()).bind(id.to_string());
        Ok(query.fetch_optional(&mut **tx).await?)
    }

    /// The one of this element: it is never evaluated for another.
    pub(super) async fn by_element(tx: &mut Tx, device: &Device, sha256: Sha256Hash) -> Result<Option<Self>, Refusal> {
        let [_, by_element] = COLUMNS;
        let query = sqlx::query_as(by_element).bind(device.id.to_string()).bind(sha256.to_string());
        Ok(query.fetch_optional(&mut **tx).await?)
    }

    pub(super) fn id(&self) -> Result<AttemptId, Refusal> {
        self.attempt_id.parse().map_err(|_| Refusal::internal())
    }

    /// Whether whoever asks again lost the answer.
    pub(super) fn is_fresh(&self, now: NumericDate) -> bool {
        now < self.at.saturating_add(WINDOW)
    }
}

/// Writes an attempt down. `number` is 0 where nothing is guessed.
pub(super) async fn begin(
    tx: &mut Tx,
    device: &Device,
    number: i64,
    voprf_pk: &str,
    requested: &RequestedElement,
    now: NumericDate,
) -> Result<AttemptId, Refusal> {
    let id = AttemptId::random(&mut random());
    let insert = sqlx::query(
        "INSERT INTO pin_attempt (attempt_id, device_id, number, voprf_pk, blinded_sha256, at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    );
    let insert = insert.bind(id.to_string()).bind(device.id.to_string()).bind(number).bind(voprf_pk);
    insert.bind(requested.sha256().to_string()).bind(now).execute(&mut **tx).await?;
    if number > 0 {
        let update = "UPDATE device SET pin_attempts = $2, pin_settle_at = $3 WHERE device_id = $1";
        let update = sqlx::query(update).bind(device.id.to_string()).bind(number);
        update.bind(now.saturating_add(WINDOW)).execute(&mut **tx).await?;
    }
    Ok(id)
}

/// Takes a confirmation; gives the wrong tries before it. One that is taken already changes nothing.
pub(super) async fn confirm(
    tx: &mut Tx,
    device: &mut Device,
    attempt: &Attempt,
    now: NumericDate,
) -> Result<i64, Refusal> {
    if attempt.confirmed_at.is_some() {
        return Ok(attempt.wrong_before.unwrap_or_default());
    }
    let query = "SELECT COUNT(*) FROM pin_attempt WHERE device_id = $1 AND confirmed_at IS NULL AND number > $2 \
                 AND number < $3";
    let query = sqlx::query_scalar::<_, i64>(query).bind(device.id.to_string()).bind(device.confirmed);
    let wrong_before = query.bind(attempt.number).fetch_one(&mut **tx).await?;
    let update = "UPDATE pin_attempt SET confirmed_at = $2, wrong_before = $3 WHERE attempt_id = $1";
    sqlx::query(update).bind(&attempt.attempt_id).bind(now).bind(wrong_before).execute(&mut **tx).await?;
    device.confirmed = device.confirmed.max(attempt.number);
    let update = "UPDATE device SET pin_confirmed = $2, pin_confirmed_at = $3 WHERE device_id = $1";
    let update = sqlx::query(update).bind(device.id.to_string()).bind(device.confirmed);
    update.bind(now).execute(&mut **tx).await?;
    // What nobody has to be told of need not be looked at again.
    let counters = Counters::of(tx, device).await?;
    if !is_news(device, counters) && counters.tries_left() > 0 {
        let update = sqlx::query("UPDATE device SET pin_settle_at = NULL WHERE device_id = $1");
        update.bind(device.id.to_string()).execute(&mut **tx).await?;
    }
    Ok(wrong_before)
}

fn is_news(device: &Device, counters: Counters) -> bool {
    tells_consecutive(device, counters) || tells_unconfirmed(device, counters)
}

fn tells_consecutive(device: &Device, counters: Counters) -> bool {
    counters.consecutive >= TOLD_CONSECUTIVE && device.told_since != device.confirmed
}

fn tells_unconfirmed(device: &Device, counters: Counters) -> bool {
    counters.unconfirmed / MANY_UNCONFIRMED > device.told_tens
}

/// What is unconfirmed now is wrong: the owner is told, and where no try is left the share is erased and the device
/// revoked. Whether it was.
pub(super) async fn settle(service: &Service, tx: &mut Tx, device: &Device, now: NumericDate) -> Result<bool, Refusal> {
    let id = device.id.to_string();
    let counters = Counters::of(tx, device).await?;
    let account = device.account.id;
    let kind = if counters.tries_left() == 0 {
        let moved = transition(tx, &id, device.state, Event::PinUsedUp).await?;
        moved.ok_or_else(Refusal::internal)?;
        let event = Event::PinUsedUp;
        // Whose device it was, and both counters.
        let person = service.keys.pseudonym(&device.account.kvnr);
        let detail = Some(format!("{person} {} {}", counters.consecutive, counters.unconfirmed));
        let entry = Entry { actor: "service", device: Some(device.id), event, object: &id, result: "ok", detail };
        audit::append(tx, entry, now).await?;
        super::erase(tx, &id).await?;
        notice::queue(service, tx, account, Kind::PinUsedUp, now).await?;
        return Ok(true);
    } else {
        let update =
            "UPDATE device SET pin_settle_at = NULL, pin_told_since = $2, pin_told_tens = $3 WHERE device_id = $1";
        let consecutive = tells_consecutive(device, counters);
        let told_since = if consecutive { device.confirmed } else { device.told_since };
        let tens = (counters.unconfirmed / MANY_UNCONFIRMED).max(device.told_tens);
        sqlx::query(update).bind(&id).bind(told_since).bind(tens).execute(&mut **tx).await?;
        [consecutive.then_some(Kind::PinWrong), tells_unconfirmed(device, counters).then_some(Kind::PinUnconfirmed)]
    };
    for kind in kind.into_iter().flatten() {
        notice::queue(service, tx, account, kind, now).await?;
    }
    Ok(false)
}
