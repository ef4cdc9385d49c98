//! The service's share in the PINs of devices (`docs/protocol.md`, the device PIN). Every evaluation is counted, and the
//! count is on the disk, before it is made; it costs a try until the device key confirms that the PIN was right.
//!
//! No session is asked for: the transport key of the device signs what is evaluated, and the device key what is confirmed.

mod attempts;
pub(super) mod share;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use self::attempts::{Attempt, Counters};
use self::share::Owner;
use super::account::Account;
use super::audit::{self, Entry};
use super::http::{Body, Code, Path, Refusal};
use super::states::{AccountState, DeviceState, Event, RegistrationState, States as _, transition, transition_with};
use super::store::{Connection, Tx, from_json};
use super::{Service, device, random};
use crate::jose::P256Jwk;
use crate::protocol::api::{PinConfirmed, PinEvaluated, PinRequest, Problem, RegistrationPinAnswer};
use crate::protocol::pin::{ConfirmedAttempt, ExpectedPin, RequestedElement};
use crate::protocol::registration::Part;
use crate::protocol::{AttemptId, DeviceId, NumericDate};
use crate::voprf::{Element, Evaluation, Share};

/// How long after its confirmation a device PIN stands for its owner, in seconds.
const FRESH: i64 = 60;
/// How long a confirmation is remembered, in seconds: longer than its message can be taken.
const REMEMBERED: i64 = 24 * 60 * 60;

#[derive(sqlx::FromRow)]
struct Row {
    account_id: i64,
    state: String,
    jwk: String,
    transport_jwk: String,
    pin_attempts: i64,
    pin_confirmed: i64,
    pin_settle_at: Option<i64>,
    pin_told_since: i64,
    pin_told_tens: i64,
    kvnr: String,
    account_state: String,
    suspended_from: Option<String>,
    cards_from: Option<i64>,
}

/// A device, as far as its PIN is concerned.
struct Device {
    id: DeviceId,
    account: Account,
    state: DeviceState,
    key: P256Jwk,
    transport_key: P256Jwk,
    /// Number of its last attempt.
    attempts: i64,
    /// Number of the last attempt that was confirmed.
    confirmed: i64,
    settle_at: Option<NumericDate>,
    /// What [`Self::confirmed`] was when the owner was told of wrong PINs.
    told_since: i64,
    told_tens: i64,
}

impl Device {
    async fn find(connection: &mut Connection, id: &str) -> Result<Self, Refusal> {
        let device_id = id.parse().map_err(|_| Code::NotFound)?;
        let query = sqlx::query_as::<_, Row>(
            "SELECT d.account_id, d.state, jwk, transport_jwk, pin_attempts, pin_confirmed, pin_settle_at, pin_told_since, \
             pin_told_tens, kvnr, a.state AS account_state, suspended_from, cards_from \
             FROM device d JOIN account a ON a.account_id = d.account_id WHERE device_id = $1",
        );
        let row = query.bind(id).fetch_optional(connection).await?.ok_or(Code::NotFound)?;
        let (suspended_from, cards_from) = (row.suspended_from.as_deref(), row.cards_from);
        Ok(Self {
            id: device_id,
            account: Account::of_row(row.account_id, &row.kvnr, &row.account_state, suspended_from, cards_from)?,
            state: DeviceState::parse(&row.state)?,
            key: from_json(&row.jwk)?,
            transport_key: from_json(&row.transport_jwk)?,
            attempts: row.pin_attempts,
            confirmed: row.pin_confirmed,
            settle_at: row.pin_settle_at,
            told_since: row.pin_told_since,
            told_tens: row.pin_told_tens,
        })
    }

    /// The same within the transaction that changes something, where the device may be unlocked at all.
    async fn usable(service: &Service, tx: &mut Tx, id: &str) -> Result<Self, Refusal> {
        let device = Self::find(tx, id).await?;
        if device.state == DeviceState::Revoked {
            return Err(Code::ShareErased.into());
        }
        // One whose time is over is opened to be bound anew; what it signs else is taken nowhere.
        if device.state != DeviceState::Expired {
            device::check_usable(device.state)?;
        }
        if device.account.state == AccountState::Suspended {
            return Err(Refusal::new(Code::AccountSuspended).with_detail(&service.settings.insurer.hotline));
        }
        Ok(device)
    }

    fn expected<'a>(&self, service: &'a Service) -> ExpectedPin<'a> {
        ExpectedPin { aud: &service.settings.issuer, device_id: self.id }
    }

    /// Moves the device by `event`, with its audit entry.
    async fn record(
        &self,
        service: &Service,
        tx: &mut Tx,
        event: Event,
        attempt: AttemptId,
        now: NumericDate,
    ) -> Result<(), Refusal> {
        let id = self.id.to_string();
        transition(tx, &id, self.state, event).await?.ok_or(Code::ShareErased)?;
        let actor = service.keys.pseudonym(&self.account.kvnr);
        let detail = Some(attempt.to_string());
        let entry = Entry { actor: &actor, device: Some(self.id), event, object: &id, result: "ok", detail };
        Ok(audit::append(tx, entry, now).await?)
    }
}

/// Evaluates an element with the share of a device. It costs a try until it is confirmed; the same element within two
/// minutes gets the same answer and costs nothing.
#[utoipa::path(post, path = "/v1/devices/{id}/pin/evaluate", params(("id" = String, Path)), request_body = PinRequest,
    security(()), responses(
    (status = 200, body = PinEvaluated), (status = 403, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 410, body = Problem), (status = 422, body = Problem),
    (status = 423, body = Problem)))]
pub(super) async fn evaluate(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Body(request): Body<PinRequest>,
) -> Result<Json<PinEvaluated>, Refusal> {
    let now = service.now_unix();
    let (requested, mut tx, device) = signed(&service, &id, |device, expected| {
        RequestedElement::of_evaluation(&request.message, &device.transport_key, expected, now)
    })
    .await?;
    let voprf_pk = requested.share().ok_or_else(Refusal::internal)?;
    let share = share::open(&service, &mut tx, &id, &voprf_pk.to_string()).await?;
    let share = share.ok_or(Code::ShareErased)?;
    let attempt_id = match Attempt::by_element(&mut tx, &device, requested.sha256()).await? {
        Some(before) if before.voprf_pk == voprf_pk.to_string() && before.is_fresh(now) => before.id()?,
        Some(_) => return Err(Code::PinElementUsed.into()),
        None => {
            if device.settle_at.is_some_and(|at| at <= now) && attempts::settle(&service, &mut tx, &device, now).await?
            {
                tx.commit().await?;
                return Err(Code::ShareErased.into());
            }
            if Counters::of(&mut tx, &device).await?.tries_left() == 0 {
                let wait = device.settle_at.map_or(0, |at| at.saturating_sub(now));
                return Err(Refusal::new(Code::DeviceLocked).with_retry_after(wait));
            }
            let number = device.attempts + 1;
            let id = attempts::begin(&mut tx, &device, number, &voprf_pk.to_string(), &requested, now).await?;
            device.record(&service, &mut tx, Event::PinEvaluated, id, now).await?;
            id
        }
    };
    let tries_left = Counters::of(&mut tx, &device).await?.tries_left();
    tx.commit().await?;
    Ok(Json(evaluated(voprf_pk, &share, &requested, attempt_id, tries_left)))
}

/// Takes the device key's word that the PIN of an attempt was right. It clears that attempt alone; shares older than the
/// one it was made with are erased.
#[utoipa::path(post, path = "/v1/devices/{id}/pin/confirm", params(("id" = String, Path)), request_body = PinRequest,
    security(()), responses(
    (status = 200, body = PinConfirmed), (status = 403, body = Problem), (status = 404, body = Problem),
    (status = 410, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn confirm(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Body(request): Body<PinRequest>,
) -> Result<Json<PinConfirmed>, Refusal> {
    let now = service.now_unix();
    let (confirmed, mut tx, mut device) =
        signed(&service, &id, |device, expected| ConfirmedAttempt::check(&request.message, &device.key, expected, now))
            .await?;
    let attempt = Attempt::by_id(&mut tx, &device, confirmed.id()).await?.ok_or(Code::NotFound)?;
    let share = share::open(&service, &mut tx, &id, &attempt.voprf_pk).await?;
    share.ok_or(Code::ShareErased)?;
    let wrong_tries = attempts::confirm(&mut tx, &mut device, &attempt, now).await?;
    let erased = share::erase_before(&mut tx, &id, &attempt.voprf_pk).await?;
    if attempt.confirmed_at.is_none() {
        let is_change = attempt.number == 0 || erased > 0;
        let event = if is_change { Event::PinChanged } else { Event::PinConfirmed };
        device.record(&service, &mut tx, event, confirmed.id(), now).await?;
    }
    let Counters { unconfirmed, .. } = Counters::of(&mut tx, &device).await?;
    tx.commit().await?;
    Ok(Json(PinConfirmed { wrong_tries, unconfirmed }))
}

/// Makes another share for a device and evaluates one element with it. The device key has asked, so nothing is counted.
/// Both shares hold until the new one is confirmed: whichever file is on the disk then has its share.
#[utoipa::path(post, path = "/v1/devices/{id}/pin/change", params(("id" = String, Path)), request_body = PinRequest,
    security(()), responses(
    (status = 200, body = PinEvaluated), (status = 403, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 410, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn change(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Body(request): Body<PinRequest>,
) -> Result<Json<PinEvaluated>, Refusal> {
    let now = service.now_unix();
    let (requested, mut tx, device) = signed(&service, &id, |device, expected| {
        RequestedElement::of_change(&request.message, &device.key, expected, now)
    })
    .await?;
    let (voprf_pk, share, attempt_id) = match Attempt::by_element(&mut tx, &device, requested.sha256()).await? {
        Some(before) if before.number == 0 && before.is_fresh(now) => {
            let share = share::open(&service, &mut tx, &id, &before.voprf_pk).await?;
            let share = share.ok_or(Code::PinElementUsed)?;
            (share.public_key(), share, before.id()?)
        }
        Some(_) => return Err(Code::PinElementUsed.into()),
        None => {
            share::erase_unused(&mut tx, &id, requested.share()).await?;
            let (voprf_pk, share) = share::make(&service, &mut tx, Owner::Device(&id)).await?;
            let attempt_id = attempts::begin(&mut tx, &device, 0, &voprf_pk.to_string(), &requested, now).await?;
            device.record(&service, &mut tx, Event::PinShareMade, attempt_id, now).await?;
            (voprf_pk, share, attempt_id)
        }
    };
    let tries_left = Counters::of(&mut tx, &device).await?.tries_left();
    tx.commit().await?;
    Ok(Json(evaluated(voprf_pk, &share, &requested, attempt_id, tries_left)))
}

/// Makes the share that a registration offers.
pub(super) async fn offer(service: &Service, tx: &mut Tx, registration: &str) -> Result<Element, Refusal> {
    Ok(share::make(service, tx, Owner::Registration(registration)).await?.0)
}

/// Evaluates the one element of a registration, which is in this state and had this one evaluated before, by its hash:
/// nothing is bound yet, so nothing is guessed.
pub(super) async fn evaluate_for_registration(
    service: &Service,
    tx: &mut Tx,
    (registration, state, evaluated_before): (&str, RegistrationState, Option<&str>),
    blinded: &Element,
) -> Result<RegistrationPinAnswer, Refusal> {
    let requested = RequestedElement::of_registration(blinded).map_err(invalid)?;
    let sha256 = requested.sha256().to_string();
    if evaluated_before.is_some_and(|before| before != sha256) {
        return Err(Code::PinElementUsed.into());
    }
    let update =
        "UPDATE registration SET state = $3, pin_blinded_sha256 = $4 WHERE registration_id = $1 AND state = $2";
    let event = Event::RegistrationPinEvaluated;
    let moved = transition_with(tx, registration, state, event, update, |update| update.bind(sha256)).await?;
    moved.ok_or(Code::RegistrationEnded)?;
    let share = share::open_offered(service, tx, registration).await?.ok_or(Code::RegistrationEnded)?;
    let Evaluation { evaluated, proof } = share.evaluate(requested.blinded(), &mut random());
    Ok(RegistrationPinAnswer { evaluated, proof })
}

/// Erases all shares of a device, and what was counted: it is revoked.
pub(super) async fn erase(connection: &mut Connection, device: &str) -> Result<(), Refusal> {
    for statement in [
        "DELETE FROM pin_share WHERE device_id = $1",
        "DELETE FROM pin_attempt WHERE device_id = $1",
        "UPDATE device SET pin_settle_at = NULL WHERE device_id = $1",
    ] {
        sqlx::query(statement).bind(device).execute(&mut *connection).await?;
    }
    Ok(())
}

/// When the PIN of a device was confirmed last.
pub(super) async fn confirmed_at(
    connection: &mut Connection,
    device: DeviceId,
) -> Result<Option<NumericDate>, Refusal> {
    let query = sqlx::query_scalar::<_, Option<i64>>("SELECT pin_confirmed_at FROM device WHERE device_id = $1");
    Ok(query.bind(device.to_string()).fetch_optional(connection).await?.flatten())
}

/// Whether the service saw the PIN of a device confirmed just now, which was confirmed then.
pub(super) fn is_fresh(confirmed_at: Option<NumericDate>, now: NumericDate) -> bool {
    confirmed_at.is_some_and(|at| now.saturating_sub(at) <= FRESH)
}

/// Settles what nobody has confirmed in its time, and forgets what is not needed any more.
pub(super) async fn settle_due(service: &Service) -> Result<(), Refusal> {
    let now = service.now_unix();
    let due = sqlx::query_scalar::<_, String>("SELECT device_id FROM device WHERE pin_settle_at <= $1");
    for id in due.bind(now).fetch_all(service.store.pool()).await? {
        let mut tx = service.store.begin().await?;
        let device = Device::find(&mut tx, &id).await?;
        // Another process may have been quicker.
        if device.settle_at.is_some_and(|at| at <= now) {
            attempts::settle(service, &mut tx, &device, now).await?;
            tx.commit().await?;
        }
    }
    share::erase_expired(service).await?;
    let delete = sqlx::query("DELETE FROM pin_attempt WHERE confirmed_at <= $1 OR (number = 0 AND at <= $1)");
    service.store.forget(delete.bind(now - REMEMBERED)).await
}

/// What a device has signed, the transaction that it changes something in, and the device as it is there. Whatever is not
/// signed as it should be makes nobody wait for a transaction.
async fn signed<T>(
    service: &Service,
    id: &str,
    check: impl FnOnce(&Device, &ExpectedPin<'_>) -> Result<T, Part>,
) -> Result<(T, Tx, Device), Refusal> {
    let device = Device::find(&mut service.store.pool().acquire().await?, id).await?;
    let checked = check(&device, &device.expected(service)).map_err(invalid)?;
    let mut tx = service.store.begin().await?;
    let device = Device::usable(service, &mut tx, id).await?;
    Ok((checked, tx, device))
}

fn evaluated(
    voprf_pk: Element,
    share: &Share,
    requested: &RequestedElement,
    attempt_id: AttemptId,
    tries_left: i64,
) -> PinEvaluated {
    let Evaluation { evaluated, proof } = share.evaluate(requested.blinded(), &mut random());
    PinEvaluated { voprf_pk, evaluated, proof, attempt_id, tries_left }
}

fn invalid(part: Part) -> Refusal {
    Refusal::new(Code::PinMessageInvalid).with_detail(part.to_string())
}
