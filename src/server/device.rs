//! The devices of an account.

mod authority;
mod room;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

pub(super) use authority::Authority;
use authority::{Removal, Unlocking};
pub(super) use room::Room;

use super::account::Account;
use super::audit::{self, Entry};
use super::http::{Body, Code, Path, Refusal};
use super::letter;
use super::notice::{self, Kind};
use super::session::Session;
use super::states::{DeviceState, Event, LetterState, States as _, transition};
use super::store::{Connection, Tx, from_json};
use super::{Service, pin};
use crate::protocol::api::{DeviceAnswer, DeviceChange, DevicesAnswer, Problem};
use crate::protocol::application::is_plain_text;
use crate::protocol::evidence::BindingEvidence;
use crate::protocol::qr::ShownBy;
use crate::protocol::registration::Method;
use crate::protocol::{BindingLevel, DeviceId, NumericDate};

const DAY: i64 = 24 * 60 * 60;
/// How long a device waits that was bound by weaker evidence than card and card PIN, in seconds.
pub(super) const WAIT: i64 = DAY;

/// `SELECT` of whole rows.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT device_id, state, name, method, binding_level, jkt, active_from, expires_at, pin_confirmed_at, evidence, \
             key_class \
             FROM device ",
            $rest
        )
    };
}

/// Whether a device `d` had not to wait, or has waited long enough: its day is over, and the notice by post was made that was
/// ordered when the device was bound or before. One that could not be made tells nobody anything. The values are those of [`waited`].
macro_rules! has_waited {
    () => {
        "(d.waits = 0 OR (d.active_from <= $1 AND NOT EXISTS (SELECT 1 FROM letter l WHERE l.account_id = d.account_id AND \
         l.kind = $2 AND ((l.state = $3 AND l.created <= d.active_from - $4) OR \
         (l.state = $5 AND l.created = d.active_from - $4)))))"
    };
}

macro_rules! waited {
    ($query:expr, $now:expr) => {{
        let query = $query.bind($now).bind(letter::Kind::Notice.as_str()).bind(LetterState::Ordered.as_str());
        query.bind(WAIT).bind(LetterState::Failed.as_str())
    }};
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
    expires_at: i64,
    pin_confirmed_at: Option<i64>,
    evidence: String,
    key_class: String,
}

/// How long devices are bound.
#[derive(Clone, Copy, Debug)]
pub struct DevicePolicy {
    /// How many days, and no longer than the certificate of the card that has bound it.
    pub days: u16,
    /// How many days before the end its owner is told.
    pub reminder_days: u16,
}

impl DevicePolicy {
    fn reminder(&self) -> NumericDate {
        i64::from(self.reminder_days).saturating_mul(DAY)
    }

    /// From when on the owner of a device is reminded whose time ends then.
    pub(super) fn remind_from(&self, expires_at: NumericDate) -> NumericDate {
        expires_at.saturating_sub(self.reminder())
    }
}

impl Default for DevicePolicy {
    fn default() -> Self {
        Self { days: 183, reminder_days: 14 }
    }
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
    let devices = rows.into_iter().map(|row| answer(&service, row)).collect::<Result<_, _>>()?;
    Ok(Json(DevicesAnswer { devices }))
}

/// Revokes a device for good. Its key is never taken again. Card and card PIN remove any device, and a device itself and
/// those that no better evidence has bound; another one than itself as long as the login is a few minutes old. Whoever has
/// the password alone can lock, which is undone.
#[utoipa::path(delete, path = "/v1/devices/{id}", params(("id" = String, Path)), responses(
    (status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let mut tx = service.store.begin().await?;
    let account = session.still_open(&service, &mut tx).await?;
    let device = OwnDevice::find(&mut tx, &account, &id).await?;
    let authority = Authority::of(&mut tx, &session, service.now_unix()).await?;
    let removal = authority.may_remove(device).map_err(|(_, refusal)| refusal)?;
    acts(&service, &mut tx, &account, Act::Remove(removal)).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a device another name.
#[utoipa::path(patch, path = "/v1/devices/{id}", params(("id" = String, Path)), request_body = DeviceChange, responses(
    (status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn rename(
    State(service): State<Arc<Service>>,
    session: Session,
    Path(id): Path<String>,
    Body(request): Body<DeviceChange>,
) -> Result<StatusCode, Refusal> {
    if !is_plain_text(&request.name) {
        return Err(Code::DeviceNameInvalid.into());
    }
    let mut tx = service.store.begin().await?;
    let account = session.still_open(&service, &mut tx).await?;
    let device = OwnDevice::find(&mut tx, &account, &id).await?;
    acts(&service, &mut tx, &account, Act::Rename(device)).await?;
    let update = sqlx::query("UPDATE device SET name = $2 WHERE device_id = $1");
    update.bind(&id).bind(request.name).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Locks a device: it decides nothing and its PIN is not evaluated, until it is unlocked. Any session may do that. One that
/// is locked already stays so, and nobody is told again.
#[utoipa::path(post, path = "/v1/devices/{id}/lock", params(("id" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem)))]
pub(super) async fn lock(
    State(service): State<Arc<Service>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let mut tx = service.store.begin().await?;
    let account = session.still_open(&service, &mut tx).await?;
    let device = OwnDevice::find(&mut tx, &account, &id).await?;
    if device.state != DeviceState::Locked {
        acts(&service, &mut tx, &account, Act::Lock(device)).await?;
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Locks all devices of the account.
#[utoipa::path(post, path = "/v1/devices/lock-all", responses((status = 204)))]
pub(super) async fn lock_all(State(service): State<Arc<Service>>, session: Session) -> Result<StatusCode, Refusal> {
    let mut tx = service.store.begin().await?;
    let account = session.still_open(&service, &mut tx).await?;
    let actor = service.keys.pseudonym(&account.kvnr);
    lock_each(&service, &mut tx, &account, &actor, None).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Unlocks a device. That takes card and card PIN, or another device that they have bound, and a login a few minutes old at
/// most: whoever has the password alone, or a computer that was left logged in, must not undo what its owner did. One that
/// has not waited long enough goes on waiting.
#[utoipa::path(post, path = "/v1/devices/{id}/unlock", params(("id" = String, Path)), responses(
    (status = 204), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn unlock(
    State(service): State<Arc<Service>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let mut tx = service.store.begin().await?;
    let account = session.still_open(&service, &mut tx).await?;
    let unlocking = Authority::of(&mut tx, &session, service.now_unix()).await?.may_unlock()?;
    let device = OwnDevice::find(&mut tx, &account, &id).await?;
    let ready = concat!("SELECT COUNT(*) FROM device d WHERE d.device_id = $6 AND ", has_waited!());
    let ready = waited!(sqlx::query_scalar::<_, i64>(ready), service.now_unix()).bind(&id);
    let has_waited = ready.fetch_one(&mut *tx).await? > 0;
    // While it was locked, another one may have come in its place.
    let room = Room::for_known(&mut tx, &account, device.id).await?;
    let act = match has_waited {
        true => Act::Unlock(device, unlocking, room),
        false => Act::WaitAgain(device, unlocking, room),
    };
    acts(&service, &mut tx, &account, act).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A device of the account that was not revoked. Only [`OwnDevice::all`] makes any.
pub(super) struct OwnDevice {
    id: DeviceId,
    state: DeviceState,
    level: BindingLevel,
}

impl OwnDevice {
    async fn all(connection: &mut Connection, account: &Account) -> Result<Vec<Self>, Refusal> {
        let query = "SELECT device_id, state, binding_level FROM device WHERE account_id = $1 AND state <> $2 \
                     ORDER BY device_id";
        let query = sqlx::query_as::<_, (String, String, String)>(query).bind(account.id);
        let rows = query.bind(DeviceState::Revoked.as_str()).fetch_all(connection).await?;
        let devices = rows.into_iter().map(|(id, state, level)| {
            let (id, level) = (id.parse().ok(), level.parse().ok());
            let (id, level) = id.zip(level).ok_or_else(Refusal::internal)?;
            Ok(Self { id, state: DeviceState::parse(&state)?, level })
        });
        devices.collect()
    }

    /// Those of these names, each once.
    pub(super) async fn named(
        connection: &mut Connection,
        account: &Account,
        ids: &[DeviceId],
    ) -> Result<Vec<Self>, Refusal> {
        let devices = if ids.is_empty() { Vec::new() } else { Self::all(connection, account).await? };
        Ok(devices.into_iter().filter(|device| ids.contains(&device.id)).collect())
    }

    pub(super) fn id(&self) -> DeviceId {
        self.id
    }

    async fn find(connection: &mut Connection, account: &Account, id: &str) -> Result<Self, Refusal> {
        let devices = Self::all(connection, account).await?;
        Ok(devices.into_iter().find(|device| device.id.to_string() == id).ok_or(Code::NotFound)?)
    }
}

/// What an owner does with a device, with the proofs that it takes.
enum Act {
    Rename(OwnDevice),
    Lock(OwnDevice),
    Unlock(OwnDevice, Unlocking, Room),
    WaitAgain(OwnDevice, Unlocking, Room),
    Remove(Removal),
}

/// Does it, with audit entry and notice.
async fn acts(service: &Service, tx: &mut Tx, account: &Account, act: Act) -> Result<(), Refusal> {
    let (OwnDevice { id, state, .. }, event) = match act {
        Act::Rename(device) => (device, Event::DeviceRenamed),
        Act::Lock(device) => (device, Event::DeviceLocked),
        Act::Unlock(device, Unlocking { .. }, Room { .. }) => (device, Event::DeviceUnlocked),
        Act::WaitAgain(device, Unlocking { .. }, Room { .. }) => (device, Event::DeviceWaitsAgain),
        Act::Remove(Removal(device)) => (device, Event::DeviceRevoked),
    };
    let actor = service.keys.pseudonym(&account.kvnr);
    let is_moved = moves(service, tx, account, &id.to_string(), state, event, &actor).await?;
    if is_moved { Ok(()) } else { Err(Code::NotFound.into()) }
}

/// Moves a device by `event`, with audit entry and notice; `false` where the table does not know that.
pub(super) async fn moves(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    id: &str,
    state: DeviceState,
    event: Event,
    actor: &str,
) -> Result<bool, Refusal> {
    if transition(tx, id, state, event).await?.is_none() {
        return Ok(false);
    }
    let now = service.now_unix();
    if event == Event::DeviceRevoked {
        pin::erase(tx, id).await?;
    }
    if event == Event::DeviceExpired {
        // Where a card was revoked, its time ends now.
        let ends = sqlx::query("UPDATE device SET expires_at = $2 WHERE device_id = $1 AND expires_at > $2");
        ends.bind(id).bind(now).execute(&mut **tx).await?;
    }
    let person = service.keys.pseudonym(&account.kvnr);
    let detail = (actor != person).then_some(person);
    audit::append(tx, Entry { actor, device: None, event, object: id, result: "ok", detail }, now).await?;
    if let Some(kind) = Kind::of(event) {
        notice::queue(service, tx, account.id, kind, now).await?;
    }
    Ok(true)
}

/// Locks every device of an account that can be locked, but for the one that wants it so.
pub(super) async fn lock_each(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    actor: &str,
    but: Option<DeviceId>,
) -> Result<(), Refusal> {
    let but = but.map(|id| id.to_string());
    let query = sqlx::query_as::<_, (String, String)>("SELECT device_id, state FROM device WHERE account_id = $1");
    for (id, state) in query.bind(account.id).fetch_all(&mut **tx).await? {
        if but.as_ref() != Some(&id) {
            moves(service, tx, account, &id, DeviceState::parse(&state)?, Event::DeviceLocked, actor).await?;
        }
    }
    Ok(())
}

/// Ends the time of the devices that rest on a card, which was reported lost: it or its chip has bound them, or has shown the
/// code that did.
pub(super) async fn expire_bound_by_card(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    actor: &str,
) -> Result<(), Refusal> {
    let query = "SELECT device_id, state FROM device WHERE account_id = $1 AND method IN ($2, $3)";
    let query = sqlx::query_as::<_, (String, String)>(query).bind(account.id);
    let query = query.bind(Method::Card.as_str()).bind(Method::Chip.as_str());
    let bound = query.fetch_all(&mut **tx).await?;
    expire_each(service, tx, account, bound, actor).await?;
    expire_bound_by_codes_of_card(service, tx, account, actor).await
}

/// Ends the time of the devices with whose codes somebody had logged in with a card, which was lost or revoked.
pub(super) async fn expire_bound_by_codes_of_card(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    actor: &str,
) -> Result<(), Refusal> {
    let query = "SELECT device_id, state FROM device WHERE account_id = $1 AND code_shown_by = $2";
    let query = sqlx::query_as::<_, (String, String)>(query).bind(account.id).bind(ShownBy::Card.as_str());
    let bound = query.fetch_all(&mut **tx).await?;
    expire_each(service, tx, account, bound, actor).await
}

/// Ends their time; one that waits does not come to it.
async fn expire_each(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    devices: Vec<(String, String)>,
    actor: &str,
) -> Result<(), Refusal> {
    for (id, state) in devices {
        let state = DeviceState::parse(&state)?;
        let event = if state == DeviceState::PendingWait { Event::DeviceRevoked } else { Event::DeviceExpired };
        moves(service, tx, account, &id, state, event, actor).await?;
    }
    Ok(())
}

/// Ends the time of devices whose time is over, and tells the owners of those that have some days left, once. Each has a
/// transaction of its own: one that fails is logged, and tried again at the next round.
pub(super) async fn end_bindings(service: &Service) {
    let now = service.now_unix();
    let due = sqlx::query_as::<_, (String, i64)>(
        "SELECT device_id, account_id FROM device WHERE state IN ('active', 'locked') \
         AND (expires_at <= $1 OR (expires_at <= $2 AND expiry_told = 0)) LIMIT 100",
    );
    let due = due
        .bind(now)
        .bind(now.saturating_add(service.settings.devices.reminder()))
        .fetch_all(service.store.pool())
        .await;
    let due = due.unwrap_or_else(|error| {
        tracing::error!(%error, "devices whose time is over cannot be looked for");
        Vec::new()
    });
    for (id, account_id) in due {
        if let Err(refusal) = end_binding(service, &id, account_id, now).await {
            tracing::error!(code = refusal.code.as_str(), device = id, "the time of a device was not ended");
        }
    }
}

async fn end_binding(service: &Service, id: &str, account_id: i64, now: NumericDate) -> Result<(), Refusal> {
    let mut tx = service.store.begin().await?;
    let account = Account::by_id(&mut tx, account_id).await?;
    let query = "SELECT state, expires_at, expiry_told FROM device WHERE device_id = $1";
    let query = sqlx::query_as::<_, (String, i64, i64)>(query).bind(id);
    let (state, expires_at, told) = query.fetch_one(&mut *tx).await?;
    if expires_at <= now {
        moves(service, &mut tx, &account, id, DeviceState::parse(&state)?, Event::DeviceExpired, "service").await?;
    } else if told == 0 {
        notice::queue(service, &mut tx, account.id, Kind::DeviceExpires, now).await?;
        sqlx::query("UPDATE device SET expiry_told = 1 WHERE device_id = $1").bind(id).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

/// Revokes all devices of an account that has ended.
pub(super) async fn revoke_all(service: &Service, tx: &mut Tx, account: &Account) -> Result<(), Refusal> {
    let query = sqlx::query_as::<_, (String, String)>("SELECT device_id, state FROM device WHERE account_id = $1");
    for (id, state) in query.bind(account.id).fetch_all(&mut **tx).await? {
        let event = Event::DeviceRevoked;
        if transition(tx, &id, DeviceState::parse(&state)?, event).await?.is_some() {
            let detail = Some(service.keys.pseudonym(&account.kvnr));
            let entry = Entry { actor: "service", device: None, event, object: &id, result: "ok", detail };
            audit::append(tx, entry, service.now_unix()).await?;
            pin::erase(tx, &id).await?;
        }
    }
    Ok(())
}

/// Makes active the devices that have waited long enough. Each has a transaction of its own: one that fails is logged, and
/// tried again at the next round.
pub(super) async fn end_waits(service: &Service) {
    let now = service.now_unix();
    let due = concat!("SELECT device_id, account_id FROM device d WHERE state = 'pending_wait' AND ", has_waited!());
    let due = waited!(sqlx::query_as::<_, (String, i64)>(due), now);
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

/// Why the account has no device that may approve: it has one that waits, is locked or has expired, or none at all.
pub(super) async fn none_active(connection: &mut Connection, account: &Account) -> Result<Refusal, Refusal> {
    let there = "SELECT state, active_from FROM device WHERE account_id = $1 ORDER BY active_from";
    let there = sqlx::query_as::<_, (String, i64)>(there).bind(account.id).fetch_all(connection).await?;
    for (name, refusal) in [
        (DeviceState::PendingWait, None),
        (DeviceState::Locked, Some(Code::DeviceLockedByOwner)),
        (DeviceState::Expired, Some(Code::DeviceExpired)),
    ] {
        if let Some((_, active_from)) = there.iter().find(|(state, _)| state == name.as_str()) {
            return Ok(refusal.map_or_else(|| is_waiting(*active_from), Refusal::from));
        }
    }
    Ok(Code::NoDevice.into())
}

/// A device that was locked or has expired is used for nothing.
pub(super) fn check_usable(state: DeviceState) -> Result<(), Refusal> {
    match state {
        DeviceState::Locked => Err(Code::DeviceLockedByOwner.into()),
        DeviceState::Expired => Err(Code::DeviceExpired.into()),
        DeviceState::PendingWait | DeviceState::Active | DeviceState::Revoked => Ok(()),
    }
}

/// A device is used while it is active and its time is not over, also before the service has looked again.
pub(super) fn check_active(
    state: DeviceState,
    active_from: NumericDate,
    expires_at: NumericDate,
    now: NumericDate,
) -> Result<(), Refusal> {
    match state {
        DeviceState::Active if now >= expires_at => Err(Code::DeviceExpired.into()),
        DeviceState::Active => Ok(()),
        DeviceState::PendingWait => Err(is_waiting(active_from)),
        DeviceState::Revoked => Err(Code::NoDevice.into()),
        DeviceState::Locked | DeviceState::Expired => check_usable(state),
    }
}

/// A device that may approve from then on at the earliest.
pub(super) fn is_waiting(active_from: NumericDate) -> Refusal {
    Refusal::new(Code::DeviceWaiting).with_detail(active_from.to_string())
}

/// A device of this account, and what its binding rests on.
pub(super) async fn find(
    service: &Service,
    connection: &mut Connection,
    account: &Account,
    id: &str,
) -> Result<(DeviceAnswer, BindingEvidence), Refusal> {
    let query = select!("WHERE device_id = $1 AND account_id = $2");
    let query = sqlx::query_as::<_, Row>(query).bind(id).bind(account.id);
    let row = query.fetch_optional(connection).await?.ok_or(Code::NotFound)?;
    let evidence = from_json(&row.evidence)?;
    Ok((answer(service, row)?, evidence))
}

fn answer(service: &Service, row: Row) -> Result<DeviceAnswer, Refusal> {
    Ok(DeviceAnswer {
        device_id: row.device_id.parse().map_err(|_| Refusal::internal())?,
        name: row.name,
        state: row.state,
        method: row.method.parse().map_err(|_| Refusal::internal())?,
        binding_level: row.binding_level.parse().map_err(|_| Refusal::internal())?,
        jkt: crate::jose::Thumbprint::parse(&row.jkt).ok_or_else(Refusal::internal)?,
        active_from: row.active_from,
        expires_at: row.expires_at,
        remind_from: service.settings.devices.remind_from(row.expires_at),
        last_used: row.pin_confirmed_at,
        key_class: row.key_class,
    })
}
