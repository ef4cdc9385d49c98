//! Binding a device anew with the card (`docs/protocol.md`, re-binding): the same device, key, share and PIN go on, on the
//! ground of a new signature of the card. Challenge and evidence are those of a registration ([`registration`]); what is
//! different is the beginning and the end, and both are here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::account::Account;
use super::device::Room;
use super::http::{Code, Path, Refusal, Unread};
use super::notice::Kind;
use super::registration::binding::{self, Sealed};
use super::registration::{self, Proofs, REGISTRATION_LIFE, Row};
use super::session::{Presented, Session};
use super::states::{DeviceState, Event, RegistrationState, States as _, transition_with};
use super::store::{Tx, from_json, to_json};
use super::{Service, device, random};
use crate::jose::{P256Jwk, Thumbprint};
use crate::protocol::api::{Problem, RebindingOffer, RebindingRequest, RegistrationAnswer};
use crate::protocol::attestation::AttestedKey;
use crate::protocol::evidence::BindingEvidence;
use crate::protocol::pairing::DeviceInformation;
use crate::protocol::registration::{DevicePossession, Evidence, Membership, Method, Part, RegistrationError};
use crate::protocol::{BindingLevel, DeviceId, KeyIdentifier, NumericDate, RegistrationId};

const DAY: i64 = 24 * 60 * 60;

#[derive(sqlx::FromRow)]
struct DeviceRow {
    state: String,
    method: String,
    binding_level: String,
    jkt: String,
    transport_jwk: String,
    key_identifier: String,
    active_from: i64,
    key_class: String,
    evidence: String,
}

/// A device of this account that the card may bind anew. Only [`Rebindable::check`] makes one.
struct Rebindable {
    device_id: DeviceId,
    state: DeviceState,
    method: Method,
    level: BindingLevel,
    key: Thumbprint,
    transport_key: P256Jwk,
    key_identifier: KeyIdentifier,
    active_from: NumericDate,
    key_class: String,
    /// What it rests on until now: JSON.
    evidence: String,
    /// To be active again, where it had expired.
    room: Room,
}

impl Rebindable {
    /// The device is this account's, and active or expired. One that was locked is unlocked first, one that waits waits,
    /// and one that was revoked never comes back. Where others have come in the place of an expired one, it stays so.
    async fn check(tx: &mut Tx, account: &Account, id: &str) -> Result<Self, Refusal> {
        let device_id: DeviceId = id.parse().map_err(|_| Code::NotFound)?;
        let query = sqlx::query_as::<_, DeviceRow>(
            "SELECT state, method, binding_level, jkt, transport_jwk, key_identifier, active_from, key_class, evidence \
             FROM device WHERE device_id = $1 AND account_id = $2",
        );
        let row = query.bind(id).bind(account.id).fetch_optional(&mut **tx).await?.ok_or(Code::NotFound)?;
        let state = DeviceState::parse(&row.state)?;
        match state {
            DeviceState::Active | DeviceState::Expired => {}
            DeviceState::PendingWait => return Err(device::is_waiting(row.active_from)),
            DeviceState::Locked => return Err(Code::DeviceLockedByOwner.into()),
            DeviceState::Revoked => return Err(Code::ShareErased.into()),
        }
        Ok(Self {
            device_id,
            state,
            method: row.method.parse().map_err(|_| Refusal::internal())?,
            level: row.binding_level.parse().map_err(|_| Refusal::internal())?,
            key: Thumbprint::parse(&row.jkt).ok_or_else(Refusal::internal)?,
            transport_key: from_json(&row.transport_jwk)?,
            key_identifier: row.key_identifier.parse().map_err(|_| Refusal::internal())?,
            active_from: row.active_from,
            key_class: row.key_class,
            evidence: row.evidence,
            room: Room::for_known(tx, account, device_id).await?,
        })
    }

    /// Where the key lies: as was shown now, or as was shown before, which no signature of a card takes back.
    fn key_class(&self, attested: Option<&AttestedKey>) -> String {
        attested.map_or_else(|| self.key_class.clone(), |key| key.amr().to_owned())
    }
}

/// Asks that the card binds a device anew, before its time is over or afterwards. What follows are challenge and evidence
/// of the registration that it names.
#[utoipa::path(post, path = "/v1/devices/{id}/rebind", params(("id" = String, Path)), request_body = RebindingRequest,
    responses((status = 201, body = RebindingOffer), (status = 403, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 410, body = Problem), (status = 423, body = Problem),
    (status = 429, body = Problem)))]
pub(super) async fn open(
    State(service): State<Arc<Service>>,
    presented: Presented,
    Path(id): Path<String>,
    body: Unread<RebindingRequest>,
) -> Result<(StatusCode, Json<RebindingOffer>), Refusal> {
    let now = service.now_unix();
    let (Session { account, .. }, mut tx) = presented.enter(&service).await?;
    let request = body.read()?;
    registration::check_begun(&mut tx, &account, now).await?;
    // It is checked again when the device is bound; here it spares the person two PINs.
    let device = Rebindable::check(&mut tx, &account, &id).await?;
    let registration_id = RegistrationId::random(&mut random());
    let expires_at = now.saturating_add(REGISTRATION_LIFE);
    let insert = sqlx::query(
        "INSERT INTO registration (registration_id, account_id, state, method, jkt, commitment, device_information, \
         created, expires_at, rebinds) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    );
    let insert = insert.bind(registration_id.to_string()).bind(account.id).bind(RegistrationState::Open.as_str());
    let insert = insert.bind(Method::Card.as_str()).bind(device.key.to_string()).bind(request.commit.to_string());
    // The device keeps what it said of itself.
    let insert = insert.bind(to_json(&None::<DeviceInformation>)?).bind(now).bind(expires_at);
    insert.bind(&id).execute(&mut *tx).await?;
    let opened = Event::RegistrationOpened;
    registration::audit_event(&service, &mut tx, &account, registration_id, opened, Ok(None)).await?;
    tx.commit().await?;
    let aud = service.settings.issuer.clone();
    Ok((StatusCode::CREATED, Json(RebindingOffer { registration_id, expires_at, server_time: now, aud })))
}

/// Binds a device anew for what was proven, and uses the proofs up. Every check of a new binding was made; instead of
/// being new, key, transport key, share and identifier are the device's own. What was decided until now still rests on
/// the binding before, which is kept.
pub(super) async fn rebind(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    row: &Row,
    proofs: Proofs,
    now: NumericDate,
) -> Result<RegistrationAnswer, Refusal> {
    let device = Rebindable::check(tx, account, row.rebinds.as_deref().ok_or_else(Refusal::internal)?).await?;
    if !proofs.belong_together(account) {
        return Err(Refusal::internal());
    }
    let Proofs { evidence, device: possession, attested, expected, grounds, ocsp_sha256, pop, .. } = proofs;
    let level = evidence.level();
    // Nothing but the card binds anew.
    let Evidence::Card(certificate, Membership { .. }, card) = evidence else { return Err(Refusal::internal()) };
    check_keys(tx, account, &device, &possession, card.key_identifier()).await?;
    let id = device.device_id.to_string();
    let key_class = device.key_class(attested.as_ref());
    let expires_at = binding::end(service, Some(&certificate), &key_class, now);
    // A device that the card had bound is as old as it is; for another, its time as a device of the card begins now.
    let active_from = if device.level == level { device.active_from } else { now };
    let (device_id, certificate) = (device.device_id, Some(&certificate));
    let sealed = Sealed { device_id, level, key_class: &key_class, certificate, ocsp_sha256, code_shown_by: None };
    let Room { .. } = device.room; // nothing leaves for a device that was there before
    let evidence = sealed.seal(service, tx, (expected, grounds, pop), now).await?;
    keep_before(tx, &device, now).await?;
    let update = "UPDATE device SET state = $3, method = $4, binding_level = $5, key_identifier = $6, active_from = $7, \
                  expires_at = $8, expiry_told = 0, key_class = $9, revocation_due = $10, evidence = $11, \
                  code_shown_by = NULL, waits = 0 \
                  WHERE device_id = $1 AND state = $2";
    let kept = to_json(&evidence)?;
    let moved = transition_with(tx, &id, device.state, Event::DeviceRebound, update, |update| {
        let update = update.bind(Method::Card.as_str()).bind(level.to_string()).bind(card.key_identifier().to_string());
        let update = update.bind(active_from).bind(expires_at).bind(key_class);
        update.bind(ocsp_sha256.map(|_| now.saturating_add(DAY))).bind(kept)
    });
    moved.await?.ok_or_else(Refusal::internal)?;
    let told = (Event::DeviceRebound, Kind::DeviceRebound);
    binding::conclude(service, tx, account, &evidence, told, now).await?;
    let (device, _) = device::find(service, tx, account, &id).await?;
    Ok(registration::bound(device, evidence.receipt))
}

/// The transport key is the device's own, and so is the name that the card has given its key. A key that no card has named
/// yet gets a name that no other key of the account ever had. The key itself was announced by the service alone.
async fn check_keys(
    tx: &mut Tx,
    account: &Account,
    device: &Rebindable,
    possession: &DevicePossession,
    key_identifier: KeyIdentifier,
) -> Result<(), Refusal> {
    let other = |claim| Refusal::from(RegistrationError::Possession(Part::Claim(claim)));
    if possession.transport_key() != &device.transport_key {
        return Err(other("transport_jwk"));
    }
    if device.method == Method::Card {
        let is_own = key_identifier == device.key_identifier;
        return is_own.then_some(()).ok_or(RegistrationError::Pairing(Part::Claim("key_identifier")).into());
    }
    let used = "SELECT 1 FROM device WHERE account_id = $1 AND key_identifier = $2 AND device_id <> $3";
    let used = sqlx::query(used).bind(account.id).bind(key_identifier.to_string()).bind(device.device_id.to_string());
    match used.fetch_optional(&mut **tx).await? {
        Some(_) => Err(Code::KeyInUse.into()),
        None => Ok(()),
    }
}

/// Keeps what the device has rested on until now.
async fn keep_before(tx: &mut Tx, device: &Rebindable, now: NumericDate) -> Result<(), Refusal> {
    let before: BindingEvidence = from_json(&device.evidence)?;
    let insert = sqlx::query(
        "INSERT INTO device_binding (registration_id, device_id, method, replaced_at, evidence) \
         VALUES ($1, $2, $3, $4, $5)",
    );
    let insert = insert.bind(before.registration_id.to_string()).bind(device.device_id.to_string());
    let insert = insert.bind(device.method.as_str()).bind(now).bind(&device.evidence);
    insert.execute(&mut **tx).await?;
    Ok(())
}
