//! A forgotten password (`docs/protocol.md`, forgotten password): by an approval on a registered device, or by a letter.
//!
//! Whoever asks is nobody yet, so a request does the same for everybody: one row is written. What becomes of it is done
//! afterwards, by the loop that executes applications and within no request; no answer and no time tells whether there is
//! such an account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::account::Account;
use super::application::{self, New};
use super::audit::{self, Entry, STRANGER};
use super::client::{Asked, ClientId};
use super::dpop::{self, Proof, Unremembered};
use super::http::{Code, Refusal};
use super::letter::{self, Ordered, Requester};
use super::session::{self, Holder};
use super::states::{AccountState, ApplicationState, Event, ResetState, States as _, transition};
use super::store::Tx;
use super::strangers::{self, Kind};
use super::{Service, limits, random};
use crate::identity::kvnr::Kvnr;
use crate::jose::Thumbprint;
use crate::protocol::api::{Problem, ResetAnswer, ResetConfirmation, ResetRequest, ResetWay, TokenAnswer};
use crate::protocol::application::{ApplicationType, Change, PasswordReset};
use crate::protocol::approval::MatchCode;
use crate::protocol::client_assertion::ByClient;
use crate::protocol::session::SessionMethod;
use crate::protocol::{NumericDate, ResetId};

const KIND: Kind = Kind {
    application: ApplicationType::PasswordReset,
    pending: "SELECT COUNT(*) FROM password_reset r JOIN application a ON a.application_id = r.application_id \
              WHERE r.account_id = $1 AND r.share = $2 AND a.state = $3 AND a.expires_at > $4",
    since: "SELECT COUNT(*) FROM password_reset WHERE account_id = $1 AND share = $2 AND created > $3",
    too_many: "too_many_resets",
};
const DAY: i64 = 24 * 60 * 60;
/// How many requests are looked at in one round.
const ROUND: i64 = 100;

/// Asks for a new password without the old one. Everybody gets this answer, after this work.
#[utoipa::path(post, path = "/v1/password/reset", request_body = ByClient<ResetRequest>, security(("dpop_proof" = [])), responses(
    (status = 202, body = ResetAnswer), (status = 401, body = Problem), (status = 422, body = Problem),
    (status = 429, body = Problem)))]
pub(super) async fn request(
    State(service): State<Arc<Service>>,
    Unremembered(proof): Unremembered,
    Asked { request, client, source }: Asked<ResetRequest>,
) -> Result<(StatusCode, Json<ResetAnswer>), Refusal> {
    let kvnr = Kvnr::typed(&request.kvnr).map_err(|error| Refusal::new(Code::KvnrInvalid).with_detail(error.code()))?;
    let now = service.now_unix();
    let mut tx = service.store.begin().await?;
    // Whose account it is plays no part in it.
    limits::count_source(&service, &mut tx, source, now).await?;
    let proof = dpop::take_in(&mut tx, proof).await?;
    let reset_id = ResetId::random(&mut random());
    let match_code = MatchCode::random(&mut random());
    let insert = "INSERT INTO password_reset (reset_id, kvnr, way, jkt, client_id, state, match_code, created) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let insert = sqlx::query(insert).bind(reset_id.to_string()).bind(kvnr.as_str()).bind(request.way.as_str());
    let insert = insert.bind(proof.jkt().to_string()).bind(client.as_ref().map(ClientId::as_str));
    let insert = insert.bind(ResetState::Requested.as_str());
    let insert = insert.bind(String::from(match_code.clone())).bind(now);
    insert.execute(&mut *tx).await?;
    tx.commit().await?;
    let answer = match request.way {
        ResetWay::Device => ResetAnswer {
            reset_id: Some(reset_id),
            match_code: Some(match_code),
            expires_at: Some(now + service.settings.approvals.life),
        },
        ResetWay::Letter => ResetAnswer { reset_id: None, match_code: None, expires_at: None },
    };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

#[derive(sqlx::FromRow)]
struct Row {
    kvnr: String,
    way: String,
    jkt: String,
    state: String,
    match_code: String,
    created: i64,
}

/// Does what was asked for. A request that fails is logged and tried again at the next round.
pub(super) async fn do_what_was_asked(service: &Service) {
    let asked = "SELECT reset_id FROM password_reset WHERE state = $1 ORDER BY created, reset_id LIMIT $2";
    let asked = sqlx::query_scalar::<_, String>(asked).bind(ResetState::Requested.as_str()).bind(ROUND);
    let asked = asked.fetch_all(service.store.pool()).await.unwrap_or_else(|error| {
        tracing::error!(%error, "requests for passwords cannot be looked for");
        Vec::new()
    });
    for id in asked {
        if let Err(refusal) = answer(service, &id).await {
            tracing::error!(code = refusal.code.as_str(), "a request for a password failed");
        }
    }
}

/// Answers one request: puts an approval to the owner's devices, orders a letter, or does nothing, which only the audit
/// learns.
async fn answer(service: &Service, id: &str) -> Result<(), Refusal> {
    let now = service.now_unix();
    let mut tx = service.store.begin().await?;
    let query = "SELECT kvnr, way, jkt, state, match_code, created FROM password_reset WHERE reset_id = $1";
    let row = sqlx::query_as::<_, Row>(query).bind(id).fetch_one(&mut *tx).await?;
    let state = ResetState::parse(&row.state)?;
    if transition(&mut tx, id, state, Event::PasswordResetAsked).await?.is_none() {
        return Ok(()); // somebody else was quicker
    }
    let kvnr: Kvnr = row.kvnr.parse().map_err(|_| Refusal::internal())?;
    let way = row.way.parse().map_err(|_| Refusal::internal())?;
    let done = match Account::by_kvnr(&mut tx, &kvnr).await? {
        None => Err("account_unknown"),
        Some(mut account) => match way {
            ResetWay::Device => put_to_devices(service, &mut tx, &account, id, row, now).await?,
            ResetWay::Letter => match letter::order(service, &mut tx, &mut account, Requester::Stranger, now).await? {
                Ordered::Yes => Ok(()),
                not => Err(not.as_str()),
            },
        },
    };
    let entry = Entry {
        actor: STRANGER,
        device: None,
        event: Event::PasswordResetAsked,
        object: id,
        result: done.err().unwrap_or("ok"),
        detail: Some(service.keys.pseudonym(&kvnr)),
    };
    audit::append(&mut tx, entry, now).await?;
    tx.commit().await?;
    service.watchers.nudge();
    Ok(())
}

/// Puts an approval to the devices of the account; or says why not.
async fn put_to_devices(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    id: &str,
    row: Row,
    now: NumericDate,
) -> Result<Result<(), &'static str>, Refusal> {
    let expires_at = row.created + service.settings.approvals.life;
    if !matches!(account.state, AccountState::Active | AccountState::ResetPending) {
        return Ok(Err(Code::AccountState.as_str()));
    }
    if now >= expires_at {
        return Ok(Err("too_late"));
    }
    let jkt = Thumbprint::parse(&row.jkt).ok_or_else(Refusal::internal)?;
    let share = match strangers::share(service, tx, account, &KIND, jkt, now).await? {
        Ok(share) => share,
        Err(why) => return Ok(Err(why)),
    };
    let match_code = MatchCode::try_from(row.match_code).map_err(|_| Refusal::internal())?;
    let change = Change::Password(PasswordReset { jkt });
    let new = New::by_stranger(account, change, &match_code, (row.created, expires_at));
    let (application_id, _) = application::put_up(service, tx, new, now).await?;
    let update = "UPDATE password_reset SET account_id = $2, share = $3, application_id = $4 WHERE reset_id = $1";
    let update = sqlx::query(update).bind(id).bind(account.id).bind(share).bind(application_id.to_string());
    update.execute(&mut **tx).await?;
    Ok(Ok(()))
}

#[derive(sqlx::FromRow)]
struct Waiting {
    jkt: String,
    client_id: Option<String>,
    state: String,
    created: i64,
    account_id: Option<i64>,
    application_state: Option<String>,
}

/// Opens the setup session of a request that was approved, for the session key that asked, once. Whoever lost the answer
/// gets the same again as long as that session is open and no password was set.
#[utoipa::path(post, path = "/v1/password/reset/confirm", request_body = ByClient<ResetConfirmation>, security(("dpop_proof" = [])), responses(
    (status = 200, body = TokenAnswer), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 409, body = Problem), (status = 410, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn confirm(
    State(service): State<Arc<Service>>,
    proof: Proof,
    Asked { request, client, .. }: Asked<ResetConfirmation>,
) -> Result<Json<TokenAnswer>, Refusal> {
    let client_name = session::client_name(request.client_name)?;
    let now = service.now_unix();
    let id = request.reset_id.to_string();
    let mut tx = service.store.begin().await?;
    let query = "SELECT r.jkt, r.client_id, r.state, r.created, r.account_id, a.state AS application_state FROM password_reset r \
                 LEFT JOIN application a ON a.application_id = r.application_id WHERE r.reset_id = $1";
    let row = sqlx::query_as::<_, Waiting>(query).bind(&id).fetch_optional(&mut *tx).await?;
    // Whoever asked, and nobody else: the key, and the confidential client where it was one.
    let is_own = |row: &Waiting| {
        row.jkt == proof.jkt().to_string() && row.client_id.as_deref() == client.as_ref().map(ClientId::as_str)
    };
    // As long to take what was approved as to approve it.
    let life = 2 * service.settings.approvals.life;
    let row = row.filter(|row| is_own(row) && now < row.created + life).ok_or(Code::ResetEnded)?;
    let state = ResetState::parse(&row.state)?;
    if state == ResetState::Void {
        return Err(Code::ResetNotApproved.into()); // as for an account that is none
    }
    let account_id = row.account_id.ok_or(Code::ResetNotApproved)?;
    if state == ResetState::Taken {
        let answer = session::again(&service, &mut tx, account_id, SessionMethod::Reset, proof.jkt(), now).await?;
        return Ok(Json(answer.ok_or(Code::ResetEnded)?));
    }
    if row.application_state.as_deref() != Some(ApplicationState::Executed.as_str()) {
        return Err(Code::ResetNotApproved.into());
    }
    transition(&mut tx, &id, state, Event::PasswordResetTaken).await?.ok_or(Code::ResetEnded)?;
    let mut account = Account::by_id(&mut tx, account_id).await?;
    account.may_enter(&service, &mut tx).await?;
    let actor = service.keys.pseudonym(&account.kvnr);
    account.move_by(&service, &mut tx, Event::ResetOrdered, &actor).await?;
    let event = Event::PasswordResetTaken;
    audit::append(&mut tx, Entry { actor: &actor, device: None, event, object: &id, result: "ok", detail: None }, now)
        .await?;
    let holder = Holder { proof, client, client_name, device: None };
    let answer = session::open(&service, &mut tx, &account, SessionMethod::Reset, holder, now).await?;
    tx.commit().await?;
    Ok(Json(answer))
}

/// Forgets requests that are over and not counted any more.
pub(super) async fn forget(service: &Service) -> Result<(), Refusal> {
    let delete = sqlx::query("DELETE FROM password_reset WHERE created <= $1").bind(service.now_unix() - DAY);
    service.store.forget(delete).await
}
