//! Devices that are added by another one (`docs/protocol.md`, registration by another device): what is put up for
//! approval, and the nonces by which both computers know that they speak of the same key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::account::Account;
use super::application::{self, BY_APPROVAL, New, find};
use super::approval::summary;
use super::audit::{self, Entry};
use super::http::{Code, Path, Refusal, Unread};
use super::registration;
use super::session::{Presented, Session};
use super::states::{ApplicationState, DeviceState, Event, RegistrationState, States as _, transition};
use super::store::{Connection, Tx, from_json};
use super::{Service, device, random};
use crate::protocol::addition::{ApprovalProof, Approver};
use crate::protocol::api::{AdditionAnswer, AdditionOffer, NonceAnswer, NonceGiven, NonceShown, Origin, Problem};
use crate::protocol::application::{ApplicationType, Change, NewDevice};
use crate::protocol::approval::{ExpectedDecision, MatchCode, VerifiedDecision};
use crate::protocol::evidence::{AdditionGrounds, ApprovalEvidence};
use crate::protocol::registration::{AnnouncedNonce, Expected};
use crate::protocol::service::Receipt;
use crate::protocol::{ApprovalId, BindingLevel, DeviceNonce, NumericDate};

/// Puts a new device up for approval by another one.
pub(super) async fn put_up(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    (device, origin): (NewDevice, &Origin),
    now: NumericDate,
) -> Result<AdditionOffer, Refusal> {
    let registration_id = device.registration_id;
    check_somebody_may(tx, account, now).await?;
    let change = Change::Device(device);
    change.check()?;
    let actor = service.keys.pseudonym(&account.kvnr);
    let is_same = |kind: &str| kind == ApplicationType::DeviceAdd.as_str();
    application::end_waiting(tx, account, is_same, Event::ApplicationSuperseded, &actor, now).await?;
    application::check_room(tx, account, now).await?;
    let expires_at = now.saturating_add(service.settings.approvals.life);
    // The string is what is compared here: nobody is shown this code.
    let match_code = MatchCode::random(&mut random());
    let new =
        New { account, change, match_code: &match_code, created: now, expires_at, actor: &actor, origin: Some(origin) };
    let (_, approval_id) = application::put_up(service, tx, new, now).await?;
    let insert = sqlx::query("INSERT INTO device_addition (registration_id, approval_id) VALUES ($1, $2)");
    insert.bind(registration_id.to_string()).bind(approval_id.to_string()).execute(&mut **tx).await?;
    Ok(AdditionOffer { approval_id, expires_at })
}

/// Some device of the account may add another one now: who has none is told at once, and not after he has waited.
async fn check_somebody_may(tx: &mut Tx, account: &Account, now: NumericDate) -> Result<(), Refusal> {
    let active = "SELECT binding_level, active_from FROM device WHERE account_id = $1 AND state = $2";
    let active = sqlx::query_as::<_, (String, i64)>(active).bind(account.id).bind(DeviceState::Active.as_str());
    let active = active.fetch_all(&mut **tx).await?;
    if active.is_empty() {
        return Err(device::none_active(tx, account).await?);
    }
    let mut earliest = None;
    for (level, bound_at) in active {
        let from = approver(&level, bound_at)?.may_add_from();
        earliest = earliest.into_iter().chain(from).min();
    }
    check_age(earliest.ok_or(Code::LevelTooLow)?, now)
}

/// The device may add others from then on.
pub(super) fn check_age(from: NumericDate, now: NumericDate) -> Result<(), Refusal> {
    if from <= now { Ok(()) } else { Err(Refusal::new(Code::DeviceTooYoung).with_detail(from.to_string())) }
}

fn approver(level: &str, bound_at: NumericDate) -> Result<Approver, Refusal> {
    let level: BindingLevel = level.parse().map_err(|_| Refusal::internal())?;
    Ok(Approver { level, bound_at })
}

/// What is known of an addition.
#[derive(sqlx::FromRow)]
struct Row {
    registration_id: String,
    approval_id: String,
    nonce_d: Option<String>,
    nonce_o: Option<String>,
}

impl Row {
    async fn by(connection: &mut Connection, condition: &'static str, id: &str) -> Result<Option<Self>, Refusal> {
        let query = sqlx::query_as::<_, Self>(condition).bind(id.to_owned());
        Ok(query.fetch_optional(connection).await?)
    }
}

const OF_APPROVAL: &str =
    "SELECT registration_id, approval_id, nonce_d, nonce_o FROM device_addition WHERE approval_id = $1";
const OF_REGISTRATION: &str =
    "SELECT registration_id, approval_id, nonce_d, nonce_o FROM device_addition WHERE registration_id = $1";

fn nonce(text: Option<&String>) -> Result<Option<DeviceNonce>, Refusal> {
    text.map(|text| text.parse()).transpose().map_err(|_| Refusal::internal())
}

/// Takes the nonce of the device that is to decide, the first that is given, and answers with that of the new device once
/// it was shown.
#[utoipa::path(post, path = "/v1/approvals/{id}/nonce", params(("id" = String, Path)), request_body = NonceGiven,
    responses((status = 200, body = NonceAnswer), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 410, body = Problem)))]
pub(super) async fn give(
    State(service): State<Arc<Service>>,
    presented: Presented,
    Path(id): Path<String>,
    body: Unread<NonceGiven>,
) -> Result<Json<NonceAnswer>, Refusal> {
    let now = service.now_unix();
    let (Session { account, .. }, mut tx) = presented.enter(&service).await?;
    let request = body.read()?;
    let approval = find(&mut tx, &account, BY_APPROVAL, &id).await?;
    let addition = Row::by(&mut tx, OF_APPROVAL, &id).await?.ok_or(Code::NotFound)?;
    match approval.state()? {
        ApplicationState::Pending if now < approval.expires_at => {}
        ApplicationState::Pending | ApplicationState::Expired => return Err(Code::ApprovalExpired.into()),
        _ => return Err(Code::AlreadyDecided.into()),
    }
    match nonce(addition.nonce_o.as_ref())? {
        Some(before) if before == request.nonce_o => {}
        Some(_) => return Err(Code::NonceGiven.into()),
        None => {
            let update = "UPDATE device_addition SET nonce_o = $2 WHERE approval_id = $1";
            sqlx::query(update).bind(&id).bind(request.nonce_o.to_string()).execute(&mut *tx).await?;
            moves(&service, &mut tx, &account, &addition.registration_id, Event::RegistrationNonceGiven, now).await?;
        }
    }
    tx.commit().await?;
    Ok(Json(NonceAnswer { nonce_d: nonce(addition.nonce_d.as_ref())? }))
}

/// Takes the nonce of the new device, which is the one it has announced. It is taken when the other device has given its
/// own, and not before.
#[utoipa::path(post, path = "/v1/registrations/{id}/nonce", params(("id" = String, Path)), request_body = NonceShown,
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 410, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    presented: Presented,
    Path(id): Path<String>,
    body: Unread<NonceShown>,
) -> Result<axum::http::StatusCode, Refusal> {
    let now = service.now_unix();
    let (Session { account, .. }, mut tx) = presented.enter(&service).await?;
    let request = body.read()?;
    let commit = registration::commitment_of_open(&mut tx, &account, &id, now).await?;
    let addition = Row::by(&mut tx, OF_REGISTRATION, &id).await?.ok_or(Code::NotFound)?;
    if addition.nonce_o.is_none() {
        return Err(Code::StringsNotCompared.into());
    }
    let AnnouncedNonce { .. } = AnnouncedNonce::check(&request.nonce_d, commit)?;
    if addition.nonce_d.is_none() {
        let update = "UPDATE device_addition SET nonce_d = $2 WHERE registration_id = $1";
        sqlx::query(update).bind(&id).bind(request.nonce_d.to_string()).execute(&mut *tx).await?;
        moves(&service, &mut tx, &account, &id, Event::RegistrationNonceShown, now).await?;
    }
    tx.commit().await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

/// Moves a registration that is open, with its audit entry.
async fn moves(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    id: &str,
    event: Event,
    now: NumericDate,
) -> Result<(), Refusal> {
    transition(tx, id, RegistrationState::Open, event).await?.ok_or(Code::RegistrationEnded)?;
    let actor = service.keys.pseudonym(&account.kvnr);
    let entry = Entry { actor: &actor, device: None, event, object: id, result: "ok", detail: None };
    Ok(audit::append(tx, entry, now).await?)
}

/// What another device has done so far for a registration.
pub(super) async fn state_of(
    connection: &mut Connection,
    account: &Account,
    registration_id: &str,
    now: NumericDate,
) -> Result<Option<AdditionAnswer>, Refusal> {
    let Some(addition) = Row::by(connection, OF_REGISTRATION, registration_id).await? else { return Ok(None) };
    let approval = find(connection, account, BY_APPROVAL, &addition.approval_id).await?;
    let is_over = approval.state()? == ApplicationState::Pending && approval.expires_at <= now;
    let state = if is_over { ApplicationState::Expired.as_str().to_owned() } else { summary(&approval)?.state };
    Ok(Some(AdditionAnswer { state, nonce_o: nonce(addition.nonce_o.as_ref())? }))
}

/// Before an approval to add a device is taken: both computers could show the string, and the device that approves is old
/// enough.
pub(super) async fn check_decision(
    tx: &mut Tx,
    approval_id: &str,
    device_id: &str,
    now: NumericDate,
) -> Result<(), Refusal> {
    let addition = Row::by(tx, OF_APPROVAL, approval_id).await?.ok_or_else(Refusal::internal)?;
    if addition.nonce_d.is_none() {
        return Err(Code::StringsNotCompared.into());
    }
    let query = "SELECT binding_level, active_from FROM device WHERE device_id = $1";
    let query = sqlx::query_as::<_, (String, i64)>(query).bind(device_id.to_owned());
    let (level, bound_at) = query.fetch_one(&mut **tx).await?;
    check_age(approver(&level, bound_at)?.may_add_from().ok_or(Code::LevelTooLow)?, now)
}

/// A device has approved this registration and no other, and it may still do so: one that was locked or revoked meanwhile
/// adds none.
pub(super) async fn proof(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    approval_id: ApprovalId,
    expected: &Expected,
) -> Result<(ApprovalProof, AdditionGrounds), Refusal> {
    let query = sqlx::query_as::<_, (String, String, String, String, i64, String)>(
        "SELECT a.evidence, d.device_id, d.jwk, d.binding_level, d.active_from, d.state FROM device_addition x \
         JOIN application a ON a.approval_id = x.approval_id JOIN device d ON d.device_id = a.device_id \
         WHERE x.registration_id = $1 AND x.approval_id = $2 AND a.account_id = $3 AND a.evidence IS NOT NULL",
    );
    let query = query.bind(expected.registration_id.to_string()).bind(approval_id.to_string()).bind(account.id);
    let found = query.fetch_optional(&mut **tx).await?;
    let (evidence, device_id, jwk, level, bound_at, state) = found.ok_or(Code::AdditionNotApproved)?;
    match DeviceState::parse(&state)? {
        DeviceState::Active => {}
        DeviceState::PendingWait | DeviceState::Revoked => return Err(Code::NoDevice.into()),
        state => device::check_usable(state)?,
    }
    let approval: ApprovalEvidence = from_json(&evidence)?;
    let receipt: Receipt = service.keys.read_signed(&approval.receipt)?;
    let decided = ExpectedDecision {
        aud: &service.settings.issuer,
        approval_id,
        document: &approval.document,
        challenge: approval.challenge,
    };
    let decision = VerifiedDecision::check(&approval.decision, &from_json(&jwk)?, &decided, receipt.at)?;
    let proof = ApprovalProof::check(&decision, approver(&level, bound_at)?, receipt.at, expected)?;
    let added_by = device_id.parse().map_err(|_| Refusal::internal())?;
    Ok((proof, AdditionGrounds { added_by, approval }))
}
