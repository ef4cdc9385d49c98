//! Logins of browsers that a registered device approves (`docs/protocol.md`, login on the website by the device): the
//! person types her insurance number in the browser, and the match code of the browser on the device.
//!
//! Whoever asks is nobody yet, so a request does the same for everybody, as with a forgotten password (`reset`): one row is
//! written, and what becomes of it is done afterwards, within no request.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::account::Account;
use super::application::{self, New};
use super::audit::{self, Entry, STRANGER};
use super::client::{self, Asked, ClientId};
use super::dpop::{self, Proof, Unremembered};
use super::http::{Code, Refusal};
use super::session::{self, Holder};
use super::states::{AccountState, ApplicationState, Event, States as _, WebLoginState, transition};
use super::store::Tx;
use super::strangers::{self, Kind};
use super::{Service, limits, random};
use crate::identity::kvnr::Kvnr;
use crate::jose::Thumbprint;
use crate::protocol::api::{Problem, TokenAnswer, WebLoginAnswer, WebLoginConfirmation, WebLoginRequest};
use crate::protocol::application::{ApplicationType, Change, WebLogin};
use crate::protocol::approval::MatchCode;
use crate::protocol::client_assertion::ByClient;
use crate::protocol::session::SessionMethod;
use crate::protocol::{LoginId, NumericDate};

/// How long a device may approve one, in seconds: somebody sits before the browser and waits.
const LIFE: i64 = 5 * 60;
/// How long after it was asked for a session may be taken, in seconds.
const TAKEN_WITHIN: i64 = 2 * LIFE;
const KIND: Kind = Kind {
    application: ApplicationType::WebLogin,
    pending: "SELECT COUNT(*) FROM web_login w JOIN application a ON a.application_id = w.application_id \
              WHERE w.account_id = $1 AND w.share = $2 AND a.state = $3 AND a.expires_at > $4",
    since: "SELECT COUNT(*) FROM web_login WHERE account_id = $1 AND share = $2 AND created > $3",
    too_many: "too_many_logins",
};
const DAY: i64 = 24 * 60 * 60;
/// How many requests are looked at in one round.
const ROUND: i64 = 100;

/// Asks the devices of an account to let a browser in. Everybody gets this answer, after this work.
#[utoipa::path(post, path = "/v1/login/web", request_body = ByClient<WebLoginRequest>, security(("dpop_proof" = [])), responses(
    (status = 202, body = WebLoginAnswer), (status = 401, body = Problem), (status = 422, body = Problem),
    (status = 429, body = Problem)))]
pub(super) async fn request(
    State(service): State<Arc<Service>>,
    Unremembered(proof): Unremembered,
    Asked { request, client, source }: Asked<WebLoginRequest>,
) -> Result<(StatusCode, Json<WebLoginAnswer>), Refusal> {
    // The website says where the person is; a program of the person logs in by itself (`device_login`).
    let client = client.ok_or_else(|| Refusal::new(Code::ClientInvalid).with_detail("client_assertion"))?;
    let kvnr = Kvnr::typed(&request.kvnr).map_err(|error| Refusal::new(Code::KvnrInvalid).with_detail(error.code()))?;
    let browser = session::client_name(request.client_name)?;
    let now = service.now_unix();
    let mut tx = service.store.begin().await?;
    // Whose account it is plays no part in it.
    limits::count_source(&service, &mut tx, source, now).await?;
    let proof = dpop::take_in(&mut tx, proof).await?;
    let (login_id, match_code) = (LoginId::random(&mut random()), MatchCode::random(&mut random()));
    let insert = "INSERT INTO web_login (login_id, kvnr, jkt, client_id, website, browser, network, state, match_code, \
                  created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let insert = sqlx::query(insert).bind(login_id.to_string()).bind(kvnr.as_str()).bind(proof.jkt().to_string());
    let website = client::display_name(&service, client.as_str().to_owned());
    let insert = insert.bind(client.as_str()).bind(website).bind(browser).bind(limits::network_name(source));
    let insert = insert.bind(WebLoginState::Requested.as_str()).bind(String::from(match_code.clone())).bind(now);
    insert.execute(&mut *tx).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(WebLoginAnswer { login_id, match_code, expires_at: now + LIFE })))
}

#[derive(sqlx::FromRow)]
struct Row {
    kvnr: String,
    jkt: String,
    website: String,
    browser: Option<String>,
    network: String,
    state: String,
    match_code: String,
    created: i64,
}

/// Puts to the devices what was asked for. A request that fails is logged and tried again at the next round.
pub(super) async fn do_what_was_asked(service: &Service) {
    let asked = "SELECT login_id FROM web_login WHERE state = $1 ORDER BY created, login_id LIMIT $2";
    let asked = sqlx::query_scalar::<_, String>(asked).bind(WebLoginState::Requested.as_str()).bind(ROUND);
    let asked = asked.fetch_all(service.store.pool()).await.unwrap_or_else(|error| {
        tracing::error!(%error, "logins that are to be approved cannot be looked for");
        Vec::new()
    });
    for id in asked {
        if let Err(refusal) = answer(service, &id).await {
            tracing::error!(code = refusal.code.as_str(), "a login that is to be approved failed");
        }
    }
}

/// Answers one request: puts it to the owner's devices, or does nothing, which only the audit learns.
async fn answer(service: &Service, id: &str) -> Result<(), Refusal> {
    let now = service.now_unix();
    let mut tx = service.store.begin().await?;
    let query = "SELECT kvnr, jkt, website, browser, network, state, match_code, created FROM web_login \
                 WHERE login_id = $1";
    let row = sqlx::query_as::<_, Row>(query).bind(id).fetch_one(&mut *tx).await?;
    if transition(&mut tx, id, WebLoginState::parse(&row.state)?, Event::WebLoginAsked).await?.is_none() {
        return Ok(()); // somebody else was quicker
    }
    let kvnr: Kvnr = row.kvnr.parse().map_err(|_| Refusal::internal())?;
    let done = match Account::by_kvnr(&mut tx, &kvnr).await? {
        None => Err("account_unknown"),
        Some(account) => put_to_devices(service, &mut tx, &account, id, row, now).await?,
    };
    let (result, detail) = (done.err().unwrap_or("ok"), Some(service.keys.pseudonym(&kvnr)));
    let event = Event::WebLoginAsked;
    audit::append(&mut tx, Entry { actor: STRANGER, device: None, event, object: id, result, detail }, now).await?;
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
    let expires_at = row.created + LIFE;
    if account.state != AccountState::Active {
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
    let insurer = service.settings.insurer.name.clone();
    let change =
        Change::Login(WebLogin { jkt, insurer, website: row.website, browser: row.browser, network: row.network });
    let new = New::by_stranger(account, change, &match_code, (row.created, expires_at));
    let (application_id, _) = application::put_up(service, tx, new, now).await?;
    let update = "UPDATE web_login SET account_id = $2, share = $3, application_id = $4 WHERE login_id = $1";
    let update = sqlx::query(update).bind(id).bind(account.id).bind(share).bind(application_id.to_string());
    update.execute(&mut **tx).await?;
    Ok(Ok(()))
}

#[derive(sqlx::FromRow)]
struct Waiting {
    jkt: String,
    client_id: String,
    browser: Option<String>,
    state: String,
    created: i64,
    account_id: Option<i64>,
    application_state: Option<String>,
    device_id: Option<String>,
}

/// Opens the session that was approved, for the session key that asked, once. Whoever lost the answer gets the same again
/// as long as that session is open. As long as nobody has approved it, and also when it was denied, everybody is told the
/// same.
#[utoipa::path(post, path = "/v1/login/web/session", request_body = ByClient<WebLoginConfirmation>, security(("dpop_proof" = [])), responses(
    (status = 200, body = TokenAnswer), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 409, body = Problem), (status = 410, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn confirm(
    State(service): State<Arc<Service>>,
    proof: Proof,
    Asked { request, client, .. }: Asked<WebLoginConfirmation>,
) -> Result<Json<TokenAnswer>, Refusal> {
    let now = service.now_unix();
    let id = request.login_id.to_string();
    let mut tx = service.store.begin().await?;
    let query = "SELECT w.jkt, w.client_id, w.browser, w.state, w.created, w.account_id, a.state AS application_state, \
                 a.device_id FROM web_login w LEFT JOIN application a ON a.application_id = w.application_id \
                 WHERE w.login_id = $1";
    let row = sqlx::query_as::<_, Waiting>(query).bind(&id).fetch_optional(&mut *tx).await?;
    // Whoever asked, and nobody else: the key, and the confidential client.
    let is_own = |row: &Waiting| {
        row.jkt == proof.jkt().to_string() && Some(row.client_id.as_str()) == client.as_ref().map(ClientId::as_str)
    };
    let row = row.filter(|row| is_own(row) && now < row.created + TAKEN_WITHIN).ok_or(Code::WebLoginEnded)?;
    let state = WebLoginState::parse(&row.state)?;
    let account_id = row.account_id.ok_or(Code::WebLoginNotApproved)?;
    if state == WebLoginState::Taken {
        let method = SessionMethod::DeviceApproval;
        let answer = session::again(&service, &mut tx, account_id, method, proof.jkt(), now).await?;
        return Ok(Json(answer.ok_or(Code::WebLoginEnded)?));
    }
    let is_approved = row.application_state.as_deref() == Some(ApplicationState::Executed.as_str());
    if state == WebLoginState::Void || !is_approved {
        return Err(Code::WebLoginNotApproved.into());
    }
    transition(&mut tx, &id, state, Event::WebLoginTaken).await?.ok_or(Code::WebLoginEnded)?;
    let account = Account::by_id(&mut tx, account_id).await?;
    account.may_enter(&service, &mut tx).await?;
    let device = row.device_id.map(|id| id.parse()).transpose().map_err(|_| Refusal::internal())?;
    let actor = service.keys.pseudonym(&account.kvnr);
    let event = Event::WebLoginTaken;
    audit::append(&mut tx, Entry { actor: &actor, device, event, object: &id, result: "ok", detail: None }, now)
        .await?;
    // It ends with what the device that let it in may do.
    let holder = Holder { proof, client, client_name: row.browser, device };
    let answer = session::open(&service, &mut tx, &account, SessionMethod::DeviceApproval, holder, now).await?;
    tx.commit().await?;
    Ok(Json(answer))
}

/// Forgets requests that are over and not counted any more.
pub(super) async fn forget(service: &Service) -> Result<(), Refusal> {
    let delete = sqlx::query("DELETE FROM web_login WHERE created <= $1").bind(service.now_unix() - DAY);
    service.store.forget(delete).await
}
