//! Protected applications: submitting, cancelling, executing (`docs/protocol.md`, approvals).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::account::Account;
use super::audit::{self, Entry, STRANGER};
use super::http::{Code, Path, Refusal, Unread};
use super::notice::{self, Kind};
use super::session::{Presented, Session};
use super::states::{ApplicationState, DeviceState, Event, States as _, transition};
use super::store::{Connection, Tx, from_json, to_json};
use super::{Service, device, letter, random};
use crate::identity::kvnr::Kvnr;
use crate::protocol::api::{ApplicationAccepted, ApplicationAnswer, Origin, Problem};
use crate::protocol::application::{Application, ApplicationError, ApplicationType, Change, Contact, NewCard, OldNew};
use crate::protocol::approval::{Document, FrozenDocument, MatchCode};
use crate::protocol::{ApplicationId, ApprovalId, BindingLevel, Challenge, NumericDate};

/// Pending at the same time, and submitted in a day, for each account.
const MAX_PENDING: i64 = 3;
const MAX_A_DAY: i64 = 10;
const DAY: i64 = 24 * 60 * 60;
/// `SELECT` of whole rows.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT application_id, approval_id, account_id, kind, state, document, challenge, match_code, \
             wrong_codes, created, expires_at, execute_at, device_id, origin, \
             (SELECT binding_level FROM device d WHERE d.device_id = application.device_id) AS device_level \
             FROM application ",
            $rest
        )
    };
}
pub(super) use select;

/// The same with a condition that is put together.
pub(super) fn select_where(condition: &str) -> String {
    format!(select!("WHERE {}"), condition)
}

pub(super) const BY_APPLICATION: &str = select!("WHERE application_id = $1");
pub(super) const BY_APPROVAL: &str = select!("WHERE approval_id = $1");

/// An application with its approval.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) application_id: String,
    pub(super) approval_id: String,
    pub(super) account_id: i64,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) document: Vec<u8>,
    pub(super) challenge: String,
    pub(super) match_code: String,
    pub(super) wrong_codes: i64,
    pub(super) created: i64,
    pub(super) expires_at: i64,
    pub(super) execute_at: Option<i64>,
    /// The device that has decided, and its binding level.
    pub(super) device_id: Option<String>,
    pub(super) device_level: Option<String>,
    /// Who has submitted it: JSON.
    pub(super) origin: Option<String>,
}

/// Whether it was decided by a device that card and card PIN have bound.
fn is_decided_with_card(row: &Row) -> bool {
    row.device_level.as_deref().is_some_and(|level| level.parse() == Ok(BindingLevel::B3))
}

impl Row {
    pub(super) fn state(&self) -> Result<ApplicationState, Refusal> {
        ApplicationState::parse(&self.state)
    }

    pub(super) fn kind(&self) -> Result<ApplicationType, Refusal> {
        self.kind.parse().map_err(|_| Refusal::internal())
    }

    pub(super) fn application(&self) -> Result<ApplicationAnswer, Refusal> {
        Ok(ApplicationAnswer {
            application_id: self.application_id.parse().map_err(|_| Refusal::internal())?,
            kind: self.kind()?,
            state: self.state.clone(),
            execute_at: self.execute_at,
        })
    }
}

/// Submits an application. The document is frozen here; old values come from the register.
#[utoipa::path(post, path = "/v1/applications", request_body = Application, responses(
    (status = 202, body = ApplicationAccepted), (status = 403, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem), (status = 423, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn submit(
    State(service): State<Arc<Service>>,
    presented: Presented,
    body: Unread<Application>,
) -> Result<(StatusCode, Json<ApplicationAccepted>), Refusal> {
    let now = service.now_unix();
    do_what_is_due(&service).await;
    let (Session { account, origin, .. }, mut tx) = presented.enter(&service).await?;
    let application = body.read()?;

    let device = sqlx::query("SELECT 1 FROM device WHERE account_id = $1 AND state = $2");
    let device = device.bind(account.id).bind(DeviceState::Active.as_str()).fetch_optional(&mut *tx).await?;
    if device.is_none() {
        return Err(device::none_active(&mut tx, &account).await?);
    }
    let change = complete(&mut tx, &account, application).await?;
    change.check()?;
    let actor = service.keys.pseudonym(&account.kvnr);
    // Two of a kind would be mistaken for one another: what was meant is what was submitted last.
    let is_same = |kind: &str| kind == change.kind().as_str();
    end_waiting(&mut tx, &account, is_same, Event::ApplicationSuperseded, &actor, now).await?;
    check_room(&mut tx, &account, now).await?;

    let match_code = MatchCode::random(&mut random());
    let expires_at = now + service.settings.approvals.life;
    let origin = Some(&origin);
    let new =
        New { account: &account, change, match_code: &match_code, created: now, expires_at, actor: &actor, origin };
    let (application_id, approval_id) = put_up(&service, &mut tx, new, now).await?;
    tx.commit().await?;
    service.watchers.nudge();
    Ok((StatusCode::ACCEPTED, Json(ApplicationAccepted { application_id, approval_id, match_code, expires_at })))
}

/// The account has room for one more that its owner submits.
pub(super) async fn check_room(tx: &mut Tx, account: &Account, now: NumericDate) -> Result<(), Refusal> {
    // What strangers can ask for is counted apart (`strangers`): none uses up what the owner may submit.
    let pending = "SELECT COUNT(*) FROM application WHERE account_id = $1 AND kind NOT IN ($2, $3) AND state = $4 \
         AND expires_at > $5";
    let pending = sqlx::query_scalar::<_, i64>(pending)
        .bind(account.id)
        .bind(ApplicationType::PasswordReset.as_str())
        .bind(ApplicationType::WebLogin.as_str());
    let pending = pending.bind(ApplicationState::Pending.as_str());
    if pending.bind(now).fetch_one(&mut **tx).await? >= MAX_PENDING {
        return Err(Code::TooManyPending.into());
    }
    let today = "SELECT COUNT(*) FROM application WHERE account_id = $1 AND kind NOT IN ($2, $3) AND created > $4";
    let today = sqlx::query_scalar::<_, i64>(today)
        .bind(account.id)
        .bind(ApplicationType::PasswordReset.as_str())
        .bind(ApplicationType::WebLogin.as_str());
    if today.bind(now - DAY).fetch_one(&mut **tx).await? >= MAX_A_DAY {
        return Err(Code::TooManyApplications.into());
    }
    Ok(())
}

/// What is put up for approval.
pub(super) struct New<'a> {
    pub(super) account: &'a Account,
    pub(super) change: Change,
    pub(super) match_code: &'a MatchCode,
    /// When it was submitted.
    pub(super) created: NumericDate,
    pub(super) expires_at: NumericDate,
    /// Who submitted it, as the audit names him.
    pub(super) actor: &'a str,
    /// The client of the session in which that was; `None` for a stranger, who has none.
    pub(super) origin: Option<&'a Origin>,
}

impl<'a> New<'a> {
    /// What a stranger has asked for, who is logged in nowhere.
    pub(super) fn by_stranger(
        account: &'a Account,
        change: Change,
        match_code: &'a MatchCode,
        (created, expires_at): (NumericDate, NumericDate),
    ) -> Self {
        Self { account, change, match_code, created, expires_at, actor: STRANGER, origin: None }
    }
}

/// Ends, by `event`, the applications of an account that wait for their approval, of the kinds that are meant.
pub(super) async fn end_waiting(
    tx: &mut Tx,
    account: &Account,
    is_meant: impl Fn(&str) -> bool,
    event: Event,
    actor: &str,
    now: NumericDate,
) -> Result<(), Refusal> {
    let waiting = "SELECT application_id, kind FROM application WHERE account_id = $1 AND state = $2 ORDER BY created";
    let waiting = sqlx::query_as::<_, (String, String)>(waiting).bind(account.id);
    for (id, kind) in waiting.bind(ApplicationState::Pending.as_str()).fetch_all(&mut **tx).await? {
        if is_meant(&kind) && transition(tx, &id, ApplicationState::Pending, event).await?.is_some() {
            let entry = Entry { actor, device: None, event, object: &id, result: "ok", detail: None };
            audit::append(tx, entry, now).await?;
        }
    }
    Ok(())
}

/// Freezes the document and puts it up for approval.
pub(super) async fn put_up(
    service: &Service,
    tx: &mut Tx,
    new: New<'_>,
    now: NumericDate,
) -> Result<(ApplicationId, ApprovalId), Refusal> {
    let kind = new.change.kind();
    let (application_id, approval_id) = (ApplicationId::random(&mut random()), ApprovalId::random(&mut random()));
    let account = new.account.kvnr.clone();
    let document = Document { approval_id, application_id, account, created: new.created, change: new.change };
    let document = document.freeze()?;
    let insert = sqlx::query(
        "INSERT INTO application (application_id, approval_id, account_id, kind, state, document, challenge, \
         match_code, wrong_codes, created, expires_at, origin) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11)",
    );
    let insert = insert.bind(application_id.to_string()).bind(approval_id.to_string()).bind(new.account.id);
    let insert = insert.bind(kind.as_str()).bind(ApplicationState::Pending.as_str()).bind(document.as_bytes());
    let insert = insert.bind(Challenge::random(&mut random()).to_string()).bind(String::from(new.match_code.clone()));
    let insert = insert.bind(new.created).bind(new.expires_at).bind(new.origin.map(to_json).transpose()?);
    insert.execute(&mut **tx).await?;
    let entry = Entry {
        actor: new.actor,
        device: None,
        event: Event::ApplicationSubmitted,
        object: &application_id.to_string(),
        result: "ok",
        detail: Some(document.sha256().to_string()),
    };
    audit::append(tx, entry, now).await?;
    // Whoever asks for a new password may have the old one: this notice is none that can be switched off.
    let told = match kind {
        ApplicationType::PasswordReset => Kind::PasswordResetWaiting,
        _ => Kind::ApprovalWaiting,
    };
    notice::queue(service, tx, new.account.id, told, now).await?;
    Ok((application_id, approval_id))
}

/// Adds the value the insurer has now.
async fn complete(tx: &mut Tx, account: &Account, application: Application) -> Result<Change, Refusal> {
    let query = "SELECT address, bank_account, email FROM account WHERE account_id = $1";
    let query = sqlx::query_as::<_, (String, Option<String>, Option<String>)>(query).bind(account.id);
    let (address, bank_account, email) = query.fetch_one(&mut **tx).await?;
    Ok(match application {
        Application::Address(new) => Change::Address(OldNew { old: Some(from_json(&address)?), new }),
        Application::Bank(new) => {
            Change::Bank(OldNew { old: bank_account.as_deref().map(from_json).transpose()?, new })
        }
        Application::Contact(new) => Change::Contact(OldNew { old: email.map(|email| Contact { email }), new }),
        // The approval, which takes card and card PIN, is what lets it go to an address that is new.
        Application::Card(order) => Change::Card(NewCard { reason: order.reason, address: from_json(&address)? }),
    })
}

/// How far an application is.
#[utoipa::path(get, path = "/v1/applications/{id}", params(("id" = String, Path)), responses(
    (status = 200, body = ApplicationAnswer), (status = 404, body = Problem)))]
pub(super) async fn state(
    State(service): State<Arc<Service>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Json<ApplicationAnswer>, Refusal> {
    do_what_is_due(&service).await;
    let mut connection = service.store.pool().acquire().await?;
    let row = find(&mut connection, &session.account, BY_APPLICATION, &id).await?;
    Ok(Json(row.application()?))
}

/// Cancels an application that is pending, or approved and not executed yet.
#[utoipa::path(delete, path = "/v1/applications/{id}", params(("id" = String, Path)), responses(
    (status = 200, body = ApplicationAnswer), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn cancel(
    State(service): State<Arc<Service>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Json<ApplicationAnswer>, Refusal> {
    let now = service.now_unix();
    do_what_is_due(&service).await;
    let mut tx = service.store.begin().await?;
    session.still_open(&service, &mut tx).await?;
    let row = find(&mut tx, &session.account, BY_APPLICATION, &id).await?;
    cancel_one(&service, &mut tx, &row, &service.keys.pseudonym(&session.account.kvnr), now).await?;
    let answer = find(&mut tx, &session.account, BY_APPLICATION, &id).await?.application()?;
    tx.commit().await?;
    Ok(Json(answer))
}

/// Cancels one, and tells of it where its approval was told of.
async fn cancel_one(service: &Service, tx: &mut Tx, row: &Row, actor: &str, now: NumericDate) -> Result<(), Refusal> {
    let (event, before) = (Event::ApplicationCancelled, row.state()?);
    transition(tx, &row.application_id, before, event).await?.ok_or(Code::NotCancellable)?;
    let entry = Entry { actor, device: None, event, object: &row.application_id, result: "ok", detail: None };
    audit::append(tx, entry, now).await?;
    if before == ApplicationState::Queued && row.kind()? == ApplicationType::BankChange {
        notice::queue(service, tx, row.account_id, Kind::BankChangeCancelled, now).await?;
    }
    Ok(())
}

impl Service {
    /// Cancels what the person of an account has approved and what is not executed yet, for somebody who has called;
    /// `operator` is whom the audit names.
    ///
    /// # Errors
    /// [`Code::NotFound`] where there is no such account, [`Code::NotCancellable`] where nothing waits for its execution.
    pub async fn cancel_approved(&self, kvnr: &Kvnr, operator: &str) -> Result<(), Code> {
        self.cancelled_by(kvnr, operator).await.map_err(|refusal| refusal.code)
    }

    async fn cancelled_by(&self, kvnr: &Kvnr, operator: &str) -> Result<(), Refusal> {
        let now = self.now_unix();
        let mut tx = self.store.begin().await?;
        let account = Account::by_kvnr(&mut tx, kvnr).await?.ok_or(Code::AccountUnknown)?;
        let queued = select!("WHERE account_id = $1 AND state = $2 ORDER BY execute_at");
        let queued = sqlx::query_as::<_, Row>(queued).bind(account.id).bind(ApplicationState::Queued.as_str());
        let queued = queued.fetch_all(&mut *tx).await?;
        if queued.is_empty() {
            return Err(Code::NotCancellable.into());
        }
        for row in queued {
            cancel_one(self, &mut tx, &row, operator, now).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// The row of this account that `query` finds for `id`.
pub(super) async fn find(
    connection: &mut Connection,
    account: &Account,
    query: &'static str,
    id: &str,
) -> Result<Row, Refusal> {
    let row = sqlx::query_as::<_, Row>(query).bind(id).fetch_optional(connection).await?;
    Ok(row.filter(|row| row.account_id == account.id).ok_or(Code::NotFound)?)
}

/// Ends what has ended and executes what is due. Requests call it too, so that nobody is shown yesterday's state. Each
/// row has a transaction of its own: one that fails is logged, tried again at the next round, and stands in nobody's way.
pub(super) async fn do_what_is_due(service: &Service) {
    device::end_waits(service).await;
    let now = service.now_unix();
    let due = "SELECT application_id FROM application WHERE (state = $1 AND expires_at <= $3) \
               OR (state = $2 AND execute_at <= $3) ORDER BY execute_at, application_id";
    let due = sqlx::query_scalar::<_, String>(due).bind(ApplicationState::Pending.as_str());
    let due = due.bind(ApplicationState::Queued.as_str()).bind(now).fetch_all(service.store.pool()).await;
    let due = due.unwrap_or_else(|error| {
        tracing::error!(%error, "due work cannot be looked for");
        Vec::new()
    });
    for application in due {
        if let Err(refusal) = do_one(service, &application, now).await {
            tracing::error!(code = refusal.code.as_str(), application, "due work failed");
        }
    }
}

/// Ends or executes one application.
async fn do_one(service: &Service, id: &str, now: NumericDate) -> Result<(), Refusal> {
    let mut tx = service.store.begin().await?;
    let row = sqlx::query_as::<_, Row>(BY_APPLICATION).bind(id).fetch_one(&mut *tx).await?;
    let person = service.keys.pseudonym(&Account::by_id(&mut tx, row.account_id).await?.kvnr);
    match row.state()? {
        ApplicationState::Pending if row.expires_at <= now => {
            conclude(&mut tx, &row, Event::ApplicationExpired, ("ok", person), now).await?;
        }
        ApplicationState::Queued if row.execute_at.is_some_and(|at| at <= now) => {
            execute(service, &mut tx, &row, person, now).await?;
        }
        _ => return Ok(()), // somebody else was quicker
    }
    Ok(tx.commit().await?)
}

/// Executes an application that is queued. One that was approved and cannot be read any
/// more has failed, for good.
pub(super) async fn execute(
    service: &Service,
    tx: &mut Tx,
    row: &Row,
    person: String,
    now: NumericDate,
) -> Result<ApplicationState, Refusal> {
    let (event, result) = match FrozenDocument::from_bytes(row.document.clone()).read() {
        Ok(document) => {
            change_account(service, tx, row, &document.change, now).await?;
            (Event::ApplicationExecuted, "ok")
        }
        Err(_) => {
            tracing::error!(application = row.application_id, "a document that was approved cannot be read any more");
            (Event::ApplicationFailed, Code::ApplicationInvalid.as_str())
        }
    };
    conclude(tx, row, event, (result, person), now).await
}

/// Moves an application by what the service does itself.
async fn conclude(
    tx: &mut Tx,
    row: &Row,
    event: Event,
    (result, person): (&str, String),
    now: NumericDate,
) -> Result<ApplicationState, Refusal> {
    let object = &row.application_id;
    let moved = transition(tx, object, row.state()?, event).await?.ok_or_else(Refusal::internal)?;
    let entry = Entry { actor: "service", device: None, event, object, result, detail: Some(person) };
    audit::append(tx, entry, now).await?;
    Ok(moved)
}

/// Carries out a change: the account gets the new value. The notice goes where notices went before, and of a new e-mail
/// address also there.
async fn change_account(
    service: &Service,
    connection: &mut Connection,
    row: &Row,
    change: &Change,
    now: NumericDate,
) -> Result<(), Refusal> {
    let account_id = row.account_id;
    match change {
        Change::Address(change) => {
            notice::queue(service, connection, account_id, Kind::AddressChanged, now).await?;
            let address = to_json(&change.new)?;
            match is_decided_with_card(row) {
                true => letter::change_address_at_once(connection, account_id, &address).await?,
                false => letter::change_address(connection, account_id, &address, now).await?,
            }
        }
        Change::Bank(change) => {
            notice::queue(service, connection, account_id, Kind::BankChanged, now).await?;
            let update = sqlx::query("UPDATE account SET bank_account = $2 WHERE account_id = $1");
            update.bind(account_id).bind(to_json(&change.new)?).execute(&mut *connection).await?;
        }
        Change::Contact(change) => {
            notice::queue(service, connection, account_id, Kind::ContactChanged, now).await?;
            let update = sqlx::query("UPDATE account SET email = $2 WHERE account_id = $1");
            update.bind(account_id).bind(change.new.email.clone()).execute(&mut *connection).await?;
            notice::queue(service, connection, account_id, Kind::ContactChanged, now).await?;
        }
        // The order is the application itself: its document says what is to be sent, and where.
        Change::Card(_) => notice::queue(service, connection, account_id, Kind::CardOrdered, now).await?,
        // Whoever asked takes it from here: `reset`, `web_login`, a registration.
        Change::Password(_) | Change::Login(_) | Change::Device(_) => {}
    }
    Ok(())
}

impl From<ApplicationError> for Refusal {
    fn from(error: ApplicationError) -> Self {
        Self::new(Code::ApplicationInvalid).with_detail(error.code())
    }
}
