//! What is asked for by somebody who is nobody yet, and put to the owner's devices: a new password (`reset`), a login
//! that a device approves (`web_login`). Here is what both have in common: how much of it an account puts up with, and
//! that none of it holds any more.

use super::Service;
use super::account::Account;
use super::audit::{self, Entry, STRANGER};
use super::http::{Code, Refusal};
use super::session::is_known_client;
use super::states::{ApplicationState, DeviceState, Event, ResetState, States, WebLoginState, transition};
use super::store::Tx;
use crate::jose::Thumbprint;
use crate::protocol::application::ApplicationType;
use crate::protocol::approval::Verdict;
use crate::protocol::{BindingLevel, NumericDate};

/// Pending at the same time, and asked for in a day, for each account: by all strangers together, and by each client
/// that was logged in before. What the owner submits has its own count (`application`).
const MAX_PENDING: i64 = 3;
const MAX_A_DAY: i64 = 10;
const DAY: i64 = 24 * 60 * 60;

/// One of the two, as an account counts it.
pub(super) struct Kind {
    /// What the devices are asked.
    pub(super) application: ApplicationType,
    /// How many of account `$1` and share `$2` wait in state `$3` beyond `$4`.
    pub(super) pending: &'static str,
    /// How many of account `$1` and share `$2` were asked for after `$3`.
    pub(super) since: &'static str,
    /// What the audit says where there are too many.
    pub(super) too_many: &'static str,
}

/// The share of the account that a request counts for: a client that was logged in before has one of its own, which
/// strangers cannot use up. `Err` with the reason where nothing is put to the devices.
pub(super) async fn share(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    kind: &Kind,
    client: Thumbprint,
    now: NumericDate,
) -> Result<Result<String, &'static str>, Refusal> {
    if !has_device(service, tx, account, kind.application).await? {
        return Ok(Err(Code::NoDevice.as_str()));
    }
    let is_known = is_known_client(tx, account.id, client).await?;
    if !is_known && are_locked_out(tx, account, now).await? {
        return Ok(Err(Verdict::NotMe.as_str()));
    }
    let share = if is_known { client.to_string() } else { STRANGER.to_owned() };
    let pending = sqlx::query_scalar::<_, i64>(kind.pending).bind(account.id).bind(&share);
    let pending = pending.bind(ApplicationState::Pending.as_str()).bind(now).fetch_one(&mut **tx).await?;
    let today = sqlx::query_scalar::<_, i64>(kind.since).bind(account.id).bind(&share).bind(now - DAY);
    let has_room = pending < MAX_PENDING && today.fetch_one(&mut **tx).await? < MAX_A_DAY;
    Ok(if has_room { Ok(share) } else { Err(kind.too_many) })
}

/// Whether the account has a device that may approve it.
async fn has_device(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    application: ApplicationType,
) -> Result<bool, Refusal> {
    let levels = "SELECT binding_level FROM device WHERE account_id = $1 AND state = $2";
    let levels = sqlx::query_scalar::<_, String>(levels).bind(account.id).bind(DeviceState::Active.as_str());
    let least = service.settings.approvals.least_level(application);
    let mut levels = levels.fetch_all(&mut **tx).await?.into_iter();
    Ok(levels.any(|level| level.parse::<BindingLevel>().is_ok_and(|level| level >= least)))
}

/// Whether the owner has said in the last day that it was not her who had asked: then strangers ask her devices nothing.
async fn are_locked_out(tx: &mut Tx, account: &Account, now: NumericDate) -> Result<bool, Refusal> {
    let query =
        "SELECT COUNT(*) FROM application WHERE account_id = $1 AND kind IN ($2, $3) AND verdict = $4 AND created > $5";
    let query = sqlx::query_scalar::<_, i64>(query).bind(account.id);
    let query = query.bind(ApplicationType::PasswordReset.as_str()).bind(ApplicationType::WebLogin.as_str());
    let query = query.bind(Verdict::NotMe.as_str()).bind(now - DAY);
    Ok(query.fetch_one(&mut **tx).await? > 0)
}

/// What was asked for this account before, and whatever was approved or taken of it, opens nothing any more: there is
/// another password, the owner has called, or she has said that it was not she.
pub(super) async fn void(service: &Service, tx: &mut Tx, account: &Account) -> Result<(), Refusal> {
    let asked = "SELECT reset_id, state FROM password_reset WHERE kvnr = $1";
    void_each::<ResetState>(service, tx, account, asked, Event::PasswordResetVoided).await?;
    let asked = "SELECT login_id, state FROM web_login WHERE kvnr = $1";
    void_each::<WebLoginState>(service, tx, account, asked, Event::WebLoginVoided).await
}

async fn void_each<S: States>(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    asked: &'static str,
    event: Event,
) -> Result<(), Refusal> {
    let asked = sqlx::query_as::<_, (String, String)>(asked).bind(account.kvnr.as_str());
    let mut voided = Vec::new();
    for (id, state) in asked.fetch_all(&mut **tx).await? {
        if transition(tx, &id, S::parse(&state)?, event).await?.is_some() {
            voided.push(id);
        }
    }
    if voided.is_empty() {
        return Ok(());
    }
    let person = service.keys.pseudonym(&account.kvnr);
    let entries = voided.iter().map(|id| {
        let detail = Some(person.clone());
        Entry { actor: "service", device: None, event, object: id, result: "ok", detail }
    });
    Ok(audit::append_all(tx, entries, service.now_unix()).await?)
}
