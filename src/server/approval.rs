//! Approvals: what a device is shown, and the decision it signs (`docs/protocol.md`, approvals).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::account::Account;
use super::application::{BY_APPROVAL, Row, do_what_is_due, end_waiting, execute, find, select};
use super::audit::{self, Entry};
use super::http::{Code, Path, Query, Refusal, Unread};
use super::notice::{self, Kind};
use super::session::{self, Presented, Session};
use super::states::{ApplicationState, DeviceState, Event, States as _, transition, transition_with};
use super::store::{Tx, from_json, to_json};
use super::watch::{Ticket, Watcher};
use super::{Service, addition, device, password, pin, random, strangers};
use crate::protocol::api::{
    ApprovalAnswer, ApprovalSummary, ApprovalsAnswer, DecisionAnswer, DecisionRequest, Problem,
};
use crate::protocol::application::ApplicationType;
use crate::protocol::approval::{
    DecisionError, ExpectedDecision, FrozenDocument, MatchCode, Verdict, VerifiedDecision,
};
use crate::protocol::evidence::ApprovalEvidence;
use crate::protocol::service::{AMR_PIN, Receipt, ReceiptSubject};
use crate::protocol::{BindingLevel, Challenge, DeviceId, NumericDate, VERSION};

/// How long a request waits for another approval: shorter than programs and proxies wait for an answer.
const MAX_WAIT: Duration = Duration::from_secs(25);
/// Wrong match codes that deny an approval.
const MAX_WRONG_CODES: i64 = 3;

/// Whether to wait for another one.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    /// For how many seconds at most, 25 at most: until the account has had another number of approvals than `after`.
    #[serde(default)]
    wait: u64,
    /// `count` of the answer before. Without it the answer comes at once.
    after: Option<i64>,
}

/// The approvals of the account, newest first; at once, or when there is another one.
#[utoipa::path(get, path = "/v1/approvals", params(Wait), security(
    ("access_token" = [], "dpop_proof" = []), ("device" = [])), responses(
    (status = 200, body = ApprovalsAnswer), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 423, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    watcher: Watcher,
    Query(wait): Query<Wait>,
) -> Result<Json<ApprovalsAnswer>, Refusal> {
    if wait.wait == 0 {
        return Ok(Json(list_of(&service, &watcher.account).await?));
    }
    let ticket = Ticket::take(&service, &watcher).await?;
    let answer = list_of(&service, &watcher.account).await?;
    if wait.after != Some(answer.count) {
        return Ok(Json(answer));
    }
    let patience = Duration::from_secs(wait.wait).min(MAX_WAIT);
    if let Ok(None) = tokio::time::timeout(patience, ticket.next()).await {
        // The session or device may see nothing any more, which it is told; or the service stops.
        let mut connection = service.store.pool().acquire().await?;
        watcher.still_may(&service, &mut connection).await?;
        return Err(Code::NotReady.into());
    }
    Ok(Json(list_of(&service, &watcher.account).await?))
}

async fn list_of(service: &Service, account: &Account) -> Result<ApprovalsAnswer, Refusal> {
    let rows = newest_of(service, account).await?;
    let approvals = rows.iter().map(summary).collect::<Result<_, _>>()?;
    let count = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM application WHERE account_id = $1");
    let count = count.bind(account.id).fetch_one(service.store.pool()).await?;
    Ok(ApprovalsAnswer { approvals, count })
}

/// The newest approvals of an account, as they are now.
pub(super) async fn newest_of(service: &Service, account: &Account) -> Result<Vec<Row>, Refusal> {
    do_what_is_due(service).await;
    let query = select!("WHERE account_id = $1 ORDER BY created DESC, application_id LIMIT 100");
    let query = sqlx::query_as::<_, Row>(query).bind(account.id);
    Ok(query.fetch_all(service.store.pool()).await?)
}

/// One approval with its document and challenge.
#[utoipa::path(get, path = "/v1/approvals/{id}", params(("id" = String, Path)), responses(
    (status = 200, body = ApprovalAnswer), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Json<ApprovalAnswer>, Refusal> {
    do_what_is_due(&service).await;
    let mut connection = service.store.pool().acquire().await?;
    let row = find(&mut connection, &session.account, BY_APPROVAL, &id).await?;
    let challenge = match row.state()? {
        ApplicationState::Pending => Some(row.challenge.parse().map_err(|_| Refusal::internal())?),
        _ => None,
    };
    Ok(Json(ApprovalAnswer {
        approval: summary(&row)?,
        document: FrozenDocument::from_bytes(row.document),
        challenge,
        server_time: service.now_unix(),
    }))
}

/// Takes a decision signed by a device.
#[utoipa::path(post, path = "/v1/approvals/{id}/decision", params(("id" = String, Path)),
    request_body = DecisionRequest, responses(
    (status = 200, body = DecisionAnswer), (status = 403, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 410, body = Problem), (status = 422, body = Problem),
    (status = 423, body = Problem)))]
pub(super) async fn decide(
    State(service): State<Arc<Service>>,
    presented: Presented,
    Path(id): Path<String>,
    body: Unread<DecisionRequest>,
) -> Result<Json<DecisionAnswer>, Refusal> {
    let now = service.now_unix();
    let (session, mut tx) = presented.enter(&service).await?;
    let request = body.read()?;
    let account = &session.account;
    let mut row = find(&mut tx, account, BY_APPROVAL, &id).await?;
    match row.state()? {
        ApplicationState::Pending if now < row.expires_at => {}
        ApplicationState::Pending | ApplicationState::Expired => return Err(Code::ApprovalExpired.into()),
        _ => return Err(Code::AlreadyDecided.into()),
    }
    let checked = check_decision(&service, &mut tx, account, &row, &request, now).await?;
    let verdict = checked.decision.verdict();
    if verdict == Verdict::Approve && row.kind()? == ApplicationType::DeviceAdd {
        // In the place of a match code the device has compared the string, before it signed.
        addition::check_decision(&mut tx, &row.approval_id, &request.device_id.to_string(), now).await?;
    } else if verdict == Verdict::Approve && !is_match(&row, &checked.decision)? {
        let refusal = count_wrong_code(&service, &mut tx, account, &row, request.device_id, now).await?;
        tx.commit().await?;
        return Err(refusal);
    }
    let receipt = take_decision(&service, &mut tx, account, &mut row, &request, checked, now).await?;
    if verdict == Verdict::NotMe {
        lock_out(&service, &mut tx, account.clone(), (&session, request.device_id), &row, now).await?;
    } else if row.execute_at.is_some_and(|at| at <= now) {
        follow_up(&service, &mut tx, account, &mut row, now).await?;
    }
    let application = row.application()?;
    tx.commit().await?;
    Ok(Json(DecisionAnswer { verdict, receipt, application }))
}

/// Executes what was approved where it does not have to wait. The decision holds whether this can be done or not: what
/// fails is undone alone, logged, and done later.
async fn follow_up(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    row: &mut Row,
    now: NumericDate,
) -> Result<(), Refusal> {
    tx.attempt().await?;
    match execute(service, tx, row, service.keys.pseudonym(&account.kvnr), now).await {
        Ok(state) => {
            tx.keep().await?;
            row.state = state.as_str().to_owned();
        }
        Err(refusal) => {
            tx.undo().await?;
            tracing::error!(code = refusal.code.as_str(), "a decision's follow-up work failed");
        }
    }
    Ok(())
}

/// A decision that may be taken.
struct Checked {
    decision: VerifiedDecision,
    /// How it was made, as the service saw it and never as the client says.
    amr: Vec<String>,
    /// How the device was bound.
    level: BindingLevel,
}

/// The device is active, its key signed this very document with this challenge, now, and it is strong enough to approve
/// it. To deny, every device is.
async fn check_decision(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    row: &Row,
    request: &DecisionRequest,
    now: NumericDate,
) -> Result<Checked, Refusal> {
    let query = sqlx::query_as::<_, (String, String, String, i64, i64, Option<i64>, String)>(
        "SELECT jwk, binding_level, state, active_from, expires_at, pin_confirmed_at, key_class FROM device \
         WHERE device_id = $1 AND account_id = $2",
    );
    let query = query.bind(request.device_id.to_string()).bind(account.id);
    let device = query.fetch_optional(&mut **tx).await?.ok_or(Code::NoDevice)?;
    let (jwk, level, state, active_from, expires_at, pin_confirmed_at, key_class) = device;
    device::check_active(DeviceState::parse(&state)?, active_from, expires_at, now)?;
    let expected = ExpectedDecision {
        aud: &service.settings.issuer,
        approval_id: row.approval_id.parse().map_err(|_| Refusal::internal())?,
        document: &FrozenDocument::from_bytes(row.document.clone()),
        challenge: row.challenge.parse().map_err(|_| Refusal::internal())?,
    };
    let decision = VerifiedDecision::check(&request.decision, &from_json(&jwk)?, &expected, now)?;
    let level: BindingLevel = level.parse().map_err(|_| Refusal::internal())?;
    if decision.verdict() == Verdict::Approve && level < service.settings.approvals.least_level(row.kind()?) {
        return Err(Code::LevelTooLow.into());
    }
    let mut amr = vec![key_class];
    if pin::is_fresh(pin_confirmed_at, now) {
        amr.push(AMR_PIN.to_owned());
    }
    Ok(Checked { decision, amr, level })
}

fn is_match(row: &Row, decision: &VerifiedDecision) -> Result<bool, Refusal> {
    let code = MatchCode::try_from(row.match_code.clone()).map_err(|_| Refusal::internal())?;
    Ok(decision.match_code() == Some(&code))
}

/// Counts a wrong code; the third denies. The challenge changes, so that the same decision is never taken again. Gives
/// what the person is to learn.
async fn count_wrong_code(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    row: &Row,
    device: DeviceId,
    now: NumericDate,
) -> Result<Refusal, Refusal> {
    let wrong_codes = row.wrong_codes + 1;
    let (event, refusal) = match MAX_WRONG_CODES - wrong_codes {
        tries_left @ 1.. => {
            (Event::MatchCodeWrong, Refusal::new(Code::MatchCodeWrong).with_detail(tries_left.to_string()))
        }
        _ => (Event::ApplicationDenied, Code::MatchCodeDenied.into()),
    };
    let moved = transition(tx, &row.application_id, ApplicationState::Pending, event).await?;
    moved.ok_or(Code::AlreadyDecided)?;
    let update = "UPDATE application SET wrong_codes = $2, challenge = $3 WHERE application_id = $1";
    let update = sqlx::query(update).bind(&row.application_id).bind(wrong_codes);
    update.bind(Challenge::random(&mut random()).to_string()).execute(&mut **tx).await?;
    let actor = service.keys.pseudonym(&account.kvnr);
    let result = refusal.code.as_str();
    let entry = Entry { actor: &actor, device: Some(device), event, object: &row.application_id, result, detail: None };
    audit::append(tx, entry, now).await?;
    if event == Event::ApplicationDenied {
        notice::queue(service, tx, account.id, Kind::MatchCodeDenied, now).await?;
    }
    Ok(refusal)
}

/// The decision, its receipt, the order to execute it and the audit entry: all in one transaction. Gives the receipt.
async fn take_decision(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    row: &mut Row,
    request: &DecisionRequest,
    Checked { decision, amr, level }: Checked,
    now: NumericDate,
) -> Result<String, Refusal> {
    let (event, execute_at) = match decision.verdict() {
        Verdict::Approve => (Event::ApplicationApproved, Some(now + row.kind()?.cool_down())),
        Verdict::Deny => (Event::ApplicationDenied, None),
        Verdict::NotMe => (Event::ApplicationNotMe, None),
    };
    let before = audit::end(tx).await?;
    let receipt = service.keys.sign(&Receipt {
        v: VERSION,
        aud: service.settings.issuer.clone(),
        subject: ReceiptSubject::Decision,
        id: row.approval_id.clone(),
        sha256: decision.sha256(),
        at: now,
        amr,
        ocsp_sha256: None,
        trust_list_sha256: None,
        code_shown_by: None,
        audit_seq: Some(before.seq),
        audit_head: before.sha256,
    })?;
    let evidence = ApprovalEvidence {
        approval_id: row.approval_id.parse().map_err(|_| Refusal::internal())?,
        challenge: row.challenge.parse().map_err(|_| Refusal::internal())?,
        document: FrozenDocument::from_bytes(row.document.clone()),
        decision: request.decision.clone(),
        receipt: receipt.clone(),
        audit: None,
    };
    let update = "UPDATE application SET state = $3, device_id = $4, evidence = $5, execute_at = $6, verdict = $7 \
                  WHERE application_id = $1 AND state = $2";
    let (pending, evidence, device_id) =
        (ApplicationState::Pending, to_json(&evidence)?, request.device_id.to_string());
    let moved = transition_with(tx, &row.application_id, pending, event, update, |update| {
        update.bind(device_id).bind(evidence).bind(execute_at).bind(decision.verdict().as_str())
    });
    let state = moved.await?.ok_or(Code::AlreadyDecided)?;
    let entry = Entry {
        actor: &service.keys.pseudonym(&account.kvnr),
        device: Some(request.device_id),
        event,
        object: &row.application_id,
        result: "ok",
        detail: Some(decision.sha256().to_string()),
    };
    audit::append(tx, entry, now).await?;
    (row.state, row.execute_at) = (state.as_str().to_owned(), execute_at);
    (row.device_id, row.device_level) = (Some(request.device_id.to_string()), Some(level.to_string()));
    if event == Event::ApplicationApproved && row.kind()? == ApplicationType::BankChange {
        notice::queue(service, tx, account.id, Kind::BankChangeQueued, now).await?;
    }
    Ok(receipt)
}

/// It was somebody else who asked: all sessions end but the one of the program that says so, what else waits is cancelled,
/// and who has logged in before is a stranger again. Whoever submits an application was logged in, so the password does
/// not hold any more, and devices are locked but the one that says so: one of them may be his. Whoever asked for a forgotten one, or to be let in, knew the insurance number alone: the password stays, and what is
/// locked for a day is the way by which strangers ask the devices (`strangers`).
async fn lock_out(
    service: &Service,
    tx: &mut Tx,
    mut account: Account,
    (session, device_id): (&Session, DeviceId),
    row: &Row,
    now: NumericDate,
) -> Result<(), Refusal> {
    let actor = service.keys.pseudonym(&account.kvnr);
    session::end_all_but(service, tx, &account, Some(session.id), now).await?;
    end_waiting(tx, &account, |_| true, Event::ApplicationCancelled, &actor, now).await?;
    session::forget_clients(tx, account.id).await?;
    session::know_client(tx, account.id, session.client, now).await?;
    if matches!(row.kind()?, ApplicationType::PasswordReset | ApplicationType::WebLogin) {
        strangers::void(service, tx, &account).await?; // as no password holds any more below
    } else {
        device::lock_each(service, tx, &account, &actor, Some(device_id)).await?;
        password::void(service, tx, &account).await?;
        account.move_by(service, tx, Event::PasswordStolen, &actor).await?;
    }
    Ok(notice::queue(service, tx, account.id, Kind::NotMe, now).await?)
}

pub(super) fn summary(row: &Row) -> Result<ApprovalSummary, Refusal> {
    let state = match row.state()? {
        ApplicationState::Queued | ApplicationState::Executed | ApplicationState::Failed => "approved",
        other => other.as_str(),
    };
    Ok(ApprovalSummary {
        approval_id: row.approval_id.parse().map_err(|_| Refusal::internal())?,
        application_id: row.application_id.parse().map_err(|_| Refusal::internal())?,
        kind: row.kind()?,
        state: state.to_owned(),
        origin: row.origin.as_deref().map(from_json).transpose()?,
        created: row.created,
        expires_at: row.expires_at,
    })
}

impl From<DecisionError> for Refusal {
    fn from(error: DecisionError) -> Self {
        match error {
            DecisionError::DocumentMismatch => Code::DocumentMismatch.into(),
            DecisionError::Decision(part) => Self::new(Code::DecisionInvalid).with_detail(part.to_string()),
        }
    }
}
