//! Logging in with a registered device and its PIN (`docs/protocol.md`, login with the device): no password is asked for,
//! and no failure of a password delays it.
//!
//! Wrong PINs are counted where the service's share is asked for (`pin`); what is counted here are logins whose device has
//! signed, so that nobody without its key uses up what the owner may do in a minute.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::account::Account;
use super::audit::STRANGER;
use super::client::Asked;
use super::dpop::{Proof, Unremembered};
use super::http::{Code, Refusal};
use super::session::{self, Holder};
use super::states::{DeviceState, States as _};
use super::store::{Tx, from_json};
use super::{Service, device, limits, pin};
use crate::protocol::api::{ChallengeAnswer, DeviceLoginRequest, Problem, TokenAnswer};
use crate::protocol::client_assertion::ByClient;
use crate::protocol::device_login::{DeviceAuthentication, DeviceLoginStatement};
use crate::protocol::login_challenge::LiveChallenge;
use crate::protocol::session::SessionMethod;
use crate::protocol::{Challenge, NumericDate};

/// Logins in a minute and device.
const MAX_A_MINUTE: i64 = 60;
const MINUTE: i64 = 60;
/// How long a used challenge is remembered, in seconds: longer than any process could take it.
const REMEMBERED: i64 = 60 * 60;

/// Hands out a challenge for the session key of the proof.
#[utoipa::path(post, path = "/v1/login/device/challenge", security(("dpop_proof" = [])), responses(
    (status = 200, body = ChallengeAnswer), (status = 401, body = Problem)))]
pub(super) async fn challenge(
    State(service): State<Arc<Service>>,
    proof: Unremembered,
) -> Result<Json<ChallengeAnswer>, Refusal> {
    session::offer_challenge::<DeviceLoginStatement>(&service, &proof)
}

/// Opens a session for what a device signed. The challenge is used up in any case.
#[utoipa::path(post, path = "/v1/login/device", request_body = ByClient<DeviceLoginRequest>, security(("dpop_proof" = [])), responses(
    (status = 200, body = TokenAnswer), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 410, body = Problem), (status = 422, body = Problem), (status = 423, body = Problem),
    (status = 429, body = Problem)))]
pub(super) async fn login(
    State(service): State<Arc<Service>>,
    proof: Proof,
    Asked { request, client, source }: Asked<DeviceLoginRequest>,
) -> Result<Json<TokenAnswer>, Refusal> {
    let now = service.now_unix();
    // The device program of the person logs in with her device; a website puts it to the device instead.
    if client.is_some() {
        return Err(Code::ClientMismatch.into());
    }
    let (aud, signing) = (&service.settings.issuer, service.keys.signing());
    let challenge = LiveChallenge::check(&request.challenge, signing.listed(), aud, proof.jkt(), now)
        .ok_or(Code::ChallengeEnded)?;
    let device_id = request.device_id;
    let client_name = session::client_name(request.client_name.clone())?;

    let mut tx = service.store.begin().await?;
    let used = challenge.challenge();
    let insert = "INSERT INTO device_login (challenge, used) VALUES ($1, $2) ON CONFLICT (challenge) DO NOTHING";
    let taken = sqlx::query(insert).bind(used.to_string()).bind(now).execute(&mut *tx).await?;
    if taken.rows_affected() != 1 {
        return Err(Code::ChallengeEnded.into());
    }
    let mut actor = STRANGER.to_owned();
    let opened = match signed(&service, &mut tx, &request, challenge, now).await? {
        Ok(device) => {
            actor = service.keys.pseudonym(&device.account.kvnr);
            open(&service, &mut tx, device, used, Holder { proof, client, client_name, device: Some(device_id) }, now)
                .await
        }
        Err(refusal) => {
            // No device has signed: whoever sends this could go on for ever, and each time is kept in the audit.
            limits::count_source(&service, &mut tx, source, now).await?;
            Err(refusal)
        }
    };
    session::conclude(&service, tx, SessionMethod::Device, opened, &actor, now).await
}

/// A device whose key has signed.
struct Device {
    authentication: DeviceAuthentication,
    account: Account,
    state: DeviceState,
    active_from: NumericDate,
    expires_at: NumericDate,
}

/// Finds the device and checks what it has signed. Whoever has no key of it is told the same of one that is there and of
/// one that never was.
async fn signed(
    service: &Service,
    tx: &mut Tx,
    request: &DeviceLoginRequest,
    challenge: LiveChallenge<DeviceLoginStatement>,
    now: NumericDate,
) -> Result<Result<Device, Refusal>, Refusal> {
    let query = "SELECT account_id, state, jwk, active_from, expires_at FROM device WHERE device_id = $1";
    let query = sqlx::query_as::<_, (i64, String, String, i64, i64)>(query).bind(request.device_id.to_string());
    let invalid = |what: String| Ok(Err(Refusal::new(Code::DeviceStatementInvalid).with_detail(what)));
    let Some((account_id, state, jwk, active_from, expires_at)) = query.fetch_optional(&mut **tx).await? else {
        return invalid("signature".to_owned());
    };
    let aud = &service.settings.issuer;
    let key = from_json(&jwk)?;
    match DeviceAuthentication::check(&request.statement, &key, request.device_id, challenge, aud, now) {
        Err(part) => invalid(part.to_string()),
        Ok(authentication) => {
            let account = Account::by_id(tx, account_id).await?;
            Ok(Ok(Device { authentication, account, state: DeviceState::parse(&state)?, active_from, expires_at }))
        }
    }
}

/// Opens the session; uses the proofs up.
async fn open(
    service: &Service,
    tx: &mut Tx,
    device: Device,
    challenge: Challenge,
    holder: Holder,
    now: NumericDate,
) -> Result<TokenAnswer, Refusal> {
    let Device { authentication, account, state, active_from, expires_at } = device;
    let device_id = authentication.device_for(holder.proof.jkt()).ok_or_else(Refusal::internal)?;
    let id = device_id.to_string();
    let lately = "SELECT COUNT(*) FROM device_login WHERE device_id = $1 AND used > $2";
    let lately = sqlx::query_scalar::<_, i64>(lately).bind(&id).bind(now - MINUTE).fetch_one(&mut **tx).await?;
    if lately >= MAX_A_MINUTE {
        return Err(Refusal::new(Code::TooManyDeviceLogins).with_retry_after(MINUTE));
    }
    let count = sqlx::query("UPDATE device_login SET device_id = $2 WHERE challenge = $1");
    count.bind(challenge.to_string()).bind(&id).execute(&mut **tx).await?;
    device::check_active(state, active_from, expires_at, now)?;
    // What the service saw, never what the client says: the PIN was typed just now.
    if !pin::is_fresh(pin::confirmed_at(tx, device_id).await?, now) {
        return Err(Code::DevicePinNotConfirmed.into());
    }
    account.may_enter(service, tx).await?;
    session::open(service, tx, &account, SessionMethod::Device, holder, now).await
}

/// Forgets challenges that cannot be used any more, and logins that are not counted any more.
pub(super) async fn forget(service: &Service) -> Result<(), Refusal> {
    let delete = sqlx::query("DELETE FROM device_login WHERE used <= $1").bind(service.now_unix() - REMEMBERED);
    service.store.forget(delete).await
}
