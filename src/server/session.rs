//! Sessions (`docs/protocol.md`, sessions): bound to the client's session key, short-lived, listed, and ended at once.
//!
//! An access token opens nothing by itself: with it come a proof by the session key (`dpop`) and a row of this table that
//! is open. [`Session`] demands an ordinary session; what a setup session may do, too, takes [`SetupSession`].

mod known;
mod lately;
mod refresh;
mod request;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use known::is_news;
pub(super) use known::{forget_clients, is_known_client, know_client};
pub(super) use lately::{OpenedLately, not_lately};
pub(super) use refresh::{__path_refresh, refresh};
pub(super) use request::{Presented, SetupSession};

use super::account::Account;
use super::audit::{self, Entry};
use super::client::{self, ClientId};
use super::dpop::{Proof, Unremembered};
use super::http::{Code, Path, Refusal};
use super::notice::{self, Kind};
use super::settings::SessionPolicy;
use super::states::{AccountState, DeviceState, Event, SessionState, States as _, transition};
use super::store::{Connection, Tx};
use super::token::{AccessToken, RefreshToken};
use super::{Service, random};
use crate::jose::Thumbprint;
use crate::protocol::api::{ChallengeAnswer, Origin, Problem, SessionAnswer, SessionsAnswer, TokenAnswer};
use crate::protocol::application::is_plain_text;
use crate::protocol::dpop::SCHEME;
use crate::protocol::login_challenge::{LoginChallenge, LoginStatement};
use crate::protocol::session::SessionMethod;
use crate::protocol::{Challenge, DeviceId, NumericDate, SessionId};

/// `SELECT` or `UPDATE` that gives whole rows.
macro_rules! columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " session_id, account_id, state, method, jkt, client_name, client_id, generation, created, refreshed, \
             expires_at, refreshes, device_id ",
            $after
        )
    };
}
use columns;

/// Life of the challenge of a login, in seconds.
const CHALLENGE_LIFE: i64 = 180;

#[derive(sqlx::FromRow)]
struct Row {
    session_id: String,
    account_id: i64,
    state: String,
    method: String,
    jkt: String,
    client_name: Option<String>,
    /// The confidential client it belongs to; none for programs.
    client_id: Option<String>,
    /// How often its tokens were renewed.
    generation: i64,
    created: i64,
    /// When they were renewed last.
    refreshed: i64,
    /// When it ends whatever is done.
    expires_at: i64,
    /// Requests for new tokens in this minute.
    refreshes: i64,
    /// The device that has opened it for its own program.
    device_id: Option<String>,
}

impl Row {
    fn id(&self) -> Result<SessionId, Refusal> {
        self.session_id.parse().map_err(|_| Refusal::internal())
    }

    fn method(&self) -> Result<SessionMethod, Refusal> {
        self.method.parse().map_err(|_| Refusal::internal())
    }

    /// The session was not ended, and the device that has opened it, which is in this state, may still open one. Whoever
    /// holds its key learns why not.
    fn check_open(&self, device: Option<&str>) -> Result<(), Refusal> {
        match SessionState::parse(&self.state)? {
            SessionState::Open => {}
            state => return Err(ended(state)),
        }
        // Locked, expired or removed, it is thrown out wherever it is logged in.
        let is_active = device == Some(DeviceState::Active.as_str());
        if self.device_id.is_none() || is_active { Ok(()) } else { Err(ended(SessionState::Ended)) }
    }

    /// When it ends unless its tokens are renewed.
    fn ends_at(&self, policy: &SessionPolicy) -> NumericDate {
        // What no method can be read of is idle at once, and opens nothing.
        let idle = self.method().map_or(0, |method| policy.idle(method));
        self.expires_at.min(self.refreshed.saturating_add(idle))
    }
}

/// Who sends the request: the holder of the key of an open session that is no setup session.
pub(super) struct Session {
    pub(super) account: Account,
    pub(super) id: SessionId,
    /// How it was opened.
    pub(super) method: SessionMethod,
    /// Thumbprint of its key.
    pub(super) client: Thumbprint,
    /// Whose client that is, as its owner is told.
    pub(super) origin: Origin,
    /// Whether it is a person's own program that holds it, and no confidential client.
    pub(super) is_own_program: bool,
    /// When it was opened.
    pub(super) created: NumericDate,
    /// When the access token of this request ends.
    pub(super) token_ends_at: NumericDate,
}

/// Who asks for a session, and will hold it.
pub(super) struct Holder {
    /// Of the key that the session is bound to.
    pub(super) proof: Proof,
    /// The confidential client that it belongs to; `None` for a person's own program.
    pub(super) client: Option<ClientId>,
    /// What the client calls itself.
    pub(super) client_name: Option<String>,
    /// The device whose program it is, where the device opens it: it ends with what the device may do.
    pub(super) device: Option<DeviceId>,
}

impl Session {
    /// It is no setup session. What is left of a closed account can be read, and nothing else.
    fn is_ordinary(&self, reads: bool) -> Result<(), Refusal> {
        if self.method.is_setup() {
            return Err(Code::PasswordFirst.into());
        }
        if self.account.state == AccountState::Closed && !reads {
            return Err(Code::AccountClosed.into());
        }
        Ok(())
    }

    /// The account as it is now, within the transaction that changes something. A body comes later than the head with the
    /// token, and hashing takes its time: what was ended or closed meanwhile changes nothing any more.
    ///
    /// # Errors
    /// As for a request whose session has ended.
    pub(super) async fn still_open(&self, service: &Service, connection: &mut Connection) -> Result<Account, Refusal> {
        Ok(find_open(service, connection, self.id).await?.account)
    }
}

/// A session that is open, and may change something, as it is now.
pub(super) struct StillOpen {
    pub(super) account: Account,
    /// How it was opened.
    pub(super) method: SessionMethod,
    /// The device that has opened it, which is active.
    pub(super) device: Option<String>,
    /// Whether it is a person's own program that holds it, and no confidential client.
    pub(super) is_own_program: bool,
    /// When it was opened.
    pub(super) created: NumericDate,
}

/// The session of this name, which may belong to somebody else than who sends the request.
///
/// # Errors
/// As for a request whose session has ended.
pub(super) async fn find_open(
    service: &Service,
    connection: &mut Connection,
    id: SessionId,
) -> Result<StillOpen, Refusal> {
    let found = WithAccount::find(connection, id).await?.ok_or(Code::TokenInvalid)?;
    found.check_open()?;
    if service.now_unix() >= found.row.ends_at(&service.settings.sessions) {
        return Err(Code::TokenInvalid.into());
    }
    let (account, method) = (found.account()?, found.row.method()?);
    if account.state == AccountState::Closed {
        return Err(Code::AccountClosed.into());
    }
    let Row { device_id, client_id, created, .. } = found.row;
    Ok(StillOpen { account, method, device: device_id, is_own_program: client_id.is_none(), created })
}

/// A session with its account, and the device that has opened it.
#[derive(sqlx::FromRow)]
struct WithAccount {
    #[sqlx(flatten)]
    row: Row,
    kvnr: String,
    account_state: String,
    suspended_from: Option<String>,
    cards_from: Option<i64>,
    device_state: Option<String>,
}

impl WithAccount {
    async fn find(connection: &mut Connection, id: SessionId) -> Result<Option<Self>, Refusal> {
        let query = sqlx::query_as::<_, Self>(columns!(
            "SELECT",
            ", kvnr, account_state, suspended_from, cards_from, \
             (SELECT d.state FROM device d WHERE d.device_id = session.device_id) AS device_state \
             FROM session JOIN (SELECT account_id AS id, kvnr, state AS account_state, suspended_from, cards_from \
             FROM account) AS account ON account.id = session.account_id WHERE session_id = $1"
        ));
        Ok(query.bind(id.to_string()).fetch_optional(connection).await?)
    }

    fn account(&self) -> Result<Account, Refusal> {
        let (suspended_from, cards_from) = (self.suspended_from.as_deref(), self.cards_from);
        Account::of_row(self.row.account_id, &self.kvnr, &self.account_state, suspended_from, cards_from)
    }

    fn check_open(&self) -> Result<(), Refusal> {
        self.row.check_open(self.device_state.as_deref())
    }
}

impl Row {
    fn origin(&self, service: &Service) -> Origin {
        let client = self.client_id.clone().map(|id| client::display_name(service, id));
        Origin { client, client_name: self.client_name.clone() }
    }
}

fn ended(state: SessionState) -> Refusal {
    Refusal::new(Code::SessionEnded).with_detail(state.as_str())
}

async fn find(connection: &mut Connection, id: SessionId) -> Result<Option<Row>, Refusal> {
    let query = sqlx::query_as::<_, Row>(columns!("SELECT", "FROM session WHERE session_id = $1"));
    Ok(query.bind(id.to_string()).fetch_optional(connection).await?)
}

/// A challenge for what a login signs, for the session key of the proof. It is signed and nothing is kept, not even the
/// proof, which gives nobody anything a second time: whoever asks for many of them fills nothing.
pub(super) fn offer_challenge<S: LoginStatement>(
    service: &Service,
    Unremembered(proof): &Unremembered,
) -> Result<Json<ChallengeAnswer>, Refusal> {
    let (aud, challenge) = (&service.settings.issuer, Challenge::random(&mut random()));
    let offer = LoginChallenge::<S>::new(aud, challenge, proof.jkt(), service.now_unix(), CHALLENGE_LIFE);
    Ok(Json(ChallengeAnswer { challenge: service.keys.sign(&offer)? }))
}

/// What a client calls itself.
pub(super) fn client_name(name: Option<String>) -> Result<Option<String>, Refusal> {
    let is_valid = name.as_deref().is_none_or(is_plain_text);
    if is_valid { Ok(name) } else { Err(Code::ClientNameInvalid.into()) }
}

/// Opens a session for whoever was found to be the account's person by `method`, bound to the holder's key.
pub(super) async fn open(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    method: SessionMethod,
    holder: Holder,
    now: NumericDate,
) -> Result<TokenAnswer, Refusal> {
    let Holder { proof, client: opened_by, client_name, device } = holder;
    let client_id = opened_by.as_ref().map(ClientId::as_str);
    let policy = &service.settings.sessions;
    let id = SessionId::random(&mut random());
    let jkt = proof.jkt().to_string();
    let life = policy.life(method);
    let insert = columns!(
        "INSERT INTO session (minute,",
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
    );
    let insert = sqlx::query(insert).bind(0_i64);
    let insert = insert.bind(id.to_string()).bind(account.id).bind(SessionState::Open.as_str()).bind(method.as_str());
    let insert = insert.bind(&jkt).bind(client_name).bind(client_id).bind(0_i64).bind(now).bind(now);
    insert
        .bind(now.saturating_add(life))
        .bind(0_i64)
        .bind(device.map(|device| device.to_string()))
        .execute(&mut **tx)
        .await?;

    let is_news = is_news(tx, account.id, id, proof.jkt(), now).await?;
    let is_known = is_known_client(tx, account.id, proof.jkt()).await?;
    if !method.is_setup() {
        know_client(tx, account.id, proof.jkt(), now).await?; // others become known with the password they set
    }
    let client = if is_known { "known_client" } else { "new_client" };
    let actor = service.keys.pseudonym(&account.kvnr);
    let object = id.to_string();
    let through = client_id.map_or(String::new(), |id| format!(" through {id}"));
    let detail = Some(format!("{} {client}{through}", method.as_str()));
    let entry = Entry { actor: &actor, device, event: Event::SessionOpened, object: &object, result: "ok", detail };
    audit::append(tx, entry, now).await?;
    if is_news {
        notice::queue(service, tx, account.id, Kind::LoginFromNewClient, now).await?;
    }
    let row = find(tx, id).await?.ok_or_else(Refusal::internal)?;
    tokens(service, &row, now)
}

/// The tokens of the newest session that `method` has opened for this key, once more, for whoever lost the answer; `None`
/// where it has ended.
pub(super) async fn again(
    service: &Service,
    tx: &mut Tx,
    account_id: i64,
    method: SessionMethod,
    jkt: Thumbprint,
    now: NumericDate,
) -> Result<Option<TokenAnswer>, Refusal> {
    let query = columns!(
        "SELECT",
        "FROM session WHERE account_id = $1 AND state = $2 AND method = $3 AND jkt = $4 ORDER BY created DESC, \
         session_id LIMIT 1"
    );
    let query = sqlx::query_as::<_, Row>(query).bind(account_id).bind(SessionState::Open.as_str());
    let row = query.bind(method.as_str()).bind(jkt.to_string()).fetch_optional(&mut **tx).await?;
    let row = row.filter(|row| now < row.ends_at(&service.settings.sessions));
    row.map(|row| tokens(service, &row, now)).transpose()
}

/// Ends the transaction of a login. What is granted is committed; so is a refusal, with its audit entry. A failure of the
/// service changes nothing.
pub(super) async fn conclude(
    service: &Service,
    mut tx: Tx,
    method: SessionMethod,
    granted: Result<TokenAnswer, Refusal>,
    actor: &str,
    now: NumericDate,
) -> Result<Json<TokenAnswer>, Refusal> {
    match granted {
        Ok(answer) => {
            tx.commit().await?;
            service.metrics.login(method.as_str(), "ok");
            Ok(Json(answer))
        }
        Err(refusal) if refusal.code == Code::Internal => Err(refusal),
        Err(refusal) => {
            let (event, result) = (Event::SessionRefused, refusal.code.as_str());
            audit::append(&mut tx, Entry { actor, device: None, event, object: "", result, detail: None }, now).await?;
            tx.commit().await?;
            service.metrics.login(method.as_str(), result);
            Err(refusal)
        }
    }
}

/// The tokens of a session, as they were made when it was renewed last: asked for again, they are the same.
fn tokens(service: &Service, row: &Row, now: NumericDate) -> Result<TokenAnswer, Refusal> {
    let policy = &service.settings.sessions;
    let keys = service.keys.tokens();
    let session = row.id()?;
    let is_setup = row.method()?.is_setup();
    // A setup session is over before a second token would be needed.
    let life = if is_setup { policy.setup } else { policy.access_token };
    let expires_at = row.ends_at(policy).min(row.refreshed.saturating_add(life));
    let access_token = keys.seal_access(&AccessToken { session, expires_at }, row.refreshed);
    let refresh_token = RefreshToken { session, generation: row.generation };
    let refresh_token = if is_setup { None } else { keys.seal_refresh(&refresh_token, row.refreshed) };
    Ok(TokenAnswer {
        access_token: access_token.ok_or_else(Refusal::internal)?,
        token_type: SCHEME.to_owned(),
        expires_in: expires_at.saturating_sub(now),
        refresh_token,
        session_expires_in: row.ends_at(policy).saturating_sub(now),
        must_change_password: is_setup,
    })
}

/// Ends a session that is open, by what `event` says; whether it was open. `actor` is whom the audit names.
async fn end(
    tx: &mut Tx,
    id: SessionId,
    actor: &str,
    event: Event,
    detail: Option<String>,
    now: NumericDate,
) -> Result<bool, Refusal> {
    let object = id.to_string();
    if transition(tx, &object, SessionState::Open, event).await?.is_none() {
        return Ok(false);
    }
    audit::append(tx, Entry { actor, device: None, event, object: &object, result: "ok", detail }, now).await?;
    Ok(true)
}

/// Ends all sessions of an account but one, as a change of the password does.
pub(super) async fn end_all_but(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    session: Option<SessionId>,
    now: NumericDate,
) -> Result<(), Refusal> {
    end_others(service, tx, account, session, None, now).await
}

/// Ends all sessions of an account, as an operator does.
pub(super) async fn end_all(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    operator: &str,
    now: NumericDate,
) -> Result<(), Refusal> {
    end_others(service, tx, account, None, Some(operator), now).await
}

async fn end_others(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    but: Option<SessionId>,
    operator: Option<&str>,
    now: NumericDate,
) -> Result<(), Refusal> {
    let person = service.keys.pseudonym(&account.kvnr);
    let (actor, detail) = match operator {
        Some(operator) => (operator, Some(person.clone())),
        None => (person.as_str(), None),
    };
    let query = sqlx::query_scalar::<_, String>("SELECT session_id FROM session WHERE account_id = $1 AND state = $2");
    let query = query.bind(account.id).bind(SessionState::Open.as_str());
    for id in query.fetch_all(&mut **tx).await? {
        let id: SessionId = id.parse().map_err(|_| Refusal::internal())?;
        if but != Some(id) {
            end(tx, id, actor, Event::SessionEnded, detail.clone(), now).await?;
        }
    }
    Ok(())
}

/// Ends this session.
#[utoipa::path(post, path = "/v1/logout", responses((status = 204)))]
pub(super) async fn logout(
    State(service): State<Arc<Service>>,
    SetupSession(session): SetupSession,
) -> Result<StatusCode, Refusal> {
    let mut tx = service.store.begin().await?;
    let now = service.now_unix();
    let actor = service.keys.pseudonym(&session.account.kvnr);
    end(&mut tx, session.id, &actor, Event::SessionClosed, None, now).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The open sessions of the account.
#[utoipa::path(get, path = "/v1/sessions", responses((status = 200, body = SessionsAnswer)))]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    session: Session,
) -> Result<Json<SessionsAnswer>, Refusal> {
    let query =
        columns!("SELECT", "FROM session WHERE account_id = $1 AND state = $2 ORDER BY created DESC, session_id");
    let query = sqlx::query_as::<_, Row>(query).bind(session.account.id).bind(SessionState::Open.as_str());
    let rows = query.fetch_all(service.store.pool()).await?;
    let (policy, now) = (&service.settings.sessions, service.now_unix());
    let alive = rows.into_iter().filter(|row| now < row.ends_at(policy));
    let sessions = alive.map(|row| {
        let session_id = row.id()?;
        Ok(SessionAnswer {
            session_id,
            method: row.method()?,
            created: row.created,
            last_used: row.refreshed,
            ends_at: row.ends_at(policy),
            is_current: session_id == session.id,
            client_name: row.client_name,
            client: row.client_id.map(|id| client::display_name(&service, id)),
        })
    });
    Ok(Json(SessionsAnswer { sessions: sessions.collect::<Result<_, Refusal>>()? }))
}

/// Ends a session of the account.
#[utoipa::path(delete, path = "/v1/sessions/{id}", params(("id" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem)))]
pub(super) async fn end_one(
    State(service): State<Arc<Service>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let id: SessionId = id.parse().map_err(|_| Code::NotFound)?;
    let mut tx = service.store.begin().await?;
    session.still_open(&service, &mut tx).await?;
    let row = find(&mut tx, id).await?.filter(|row| row.account_id == session.account.id);
    row.ok_or(Code::NotFound)?;
    let now = service.now_unix();
    let actor = service.keys.pseudonym(&session.account.kvnr);
    if !end(&mut tx, id, &actor, Event::SessionEnded, None, now).await? {
        return Err(Code::NotFound.into());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How many sessions are open.
pub(super) async fn count_open(service: &Service, now: NumericDate) -> Result<i64, Refusal> {
    let query = "SELECT COUNT(*) FROM session WHERE state = $1 AND expires_at > $2 \
                 AND refreshed > CASE WHEN method = $4 THEN $5 ELSE $3 END";
    let query = sqlx::query_scalar::<_, i64>(query).bind(SessionState::Open.as_str()).bind(now);
    let query = query.bind(now.saturating_sub(service.settings.sessions.idle));
    let query = query.bind(SessionMethod::Device.as_str());
    let query = query.bind(now.saturating_sub(service.settings.sessions.idle_with_device));
    Ok(query.fetch_one(service.store.pool()).await?)
}

/// Removes sessions that nobody can use or ask about any more.
pub(super) async fn forget_expired(service: &Service) -> Result<(), Refusal> {
    let delete = sqlx::query("DELETE FROM session WHERE expires_at <= $1").bind(service.now_unix());
    service.store.forget(delete).await
}
