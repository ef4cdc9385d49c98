//! Accounts, and what becomes of them. What an operator may do here takes something away or gives it back; nothing here
//! lets anybody in.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use sqlx::{Any, Executor};
use time::macros::format_description;
use time::{Date, Duration};

use super::audit::{self, Entry};
use super::http::{Code, Refusal};
use super::password::{self, Person};
use super::states::{AccountState, Event, States as _, transition_to};
use super::store::{Connection, Tx};
use super::{Service, device, letter, notice, session, strangers};
use crate::identity::kvnr::Kvnr;
use crate::pki::VerifiedCertificate;
use crate::protocol::NumericDate;

/// What holds for all accounts.
#[derive(Clone, Copy, Debug)]
pub struct AccountPolicy {
    /// Age in years from which on people have an account of their own.
    pub minimum_age: Option<u8>,
    /// How many days after the last day of membership an account stays open.
    pub days_after_membership: u16,
}

impl Default for AccountPolicy {
    fn default() -> Self {
        Self { minimum_age: None, days_after_membership: 31 }
    }
}

/// An account as far as requests need it.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) id: i64,
    pub(super) kvnr: Kvnr,
    pub(super) state: AccountState,
    /// What it was before it was suspended, as long as it is: also where it was closed meanwhile.
    pub(super) suspended_from: Option<AccountState>,
    /// No card is taken whose certificate begins before: it was reported lost then.
    pub(super) cards_from: Option<NumericDate>,
}

/// What the register says about the person of an account.
#[derive(sqlx::FromRow)]
pub(super) struct Register {
    given_name: String,
    family_name: String,
    pub(super) birth_date: String,
    membership_start: String,
}

impl Account {
    /// The account of this number.
    pub(super) async fn by_id(connection: &mut Connection, id: i64) -> Result<Self, Refusal> {
        let query = "SELECT kvnr, state, suspended_from, cards_from FROM account WHERE account_id = $1";
        let query = sqlx::query_as::<_, (String, String, Option<String>, Option<i64>)>(query);
        let (kvnr, state, suspended_from, cards_from) = query.bind(id).fetch_one(connection).await?;
        Self::of_row(id, &kvnr, &state, suspended_from.as_deref(), cards_from)
    }

    /// What its row says.
    pub(super) fn of_row(
        id: i64,
        kvnr: &str,
        state: &str,
        suspended_from: Option<&str>,
        cards_from: Option<NumericDate>,
    ) -> Result<Self, Refusal> {
        Self::of(id, kvnr.parse().map_err(|_| Refusal::internal())?, state, suspended_from, cards_from)
    }

    /// The account of an insurance number.
    pub(super) async fn by_kvnr(connection: &mut Connection, kvnr: &Kvnr) -> Result<Option<Self>, Refusal> {
        let query = "SELECT account_id, state, suspended_from, cards_from FROM account WHERE kvnr = $1";
        let query = sqlx::query_as::<_, (i64, String, Option<String>, Option<i64>)>(query);
        let row = query.bind(kvnr.as_str()).fetch_optional(connection).await?;
        row.map(|(id, state, from, cards_from)| Self::of(id, kvnr.clone(), &state, from.as_deref(), cards_from))
            .transpose()
    }

    fn of(
        id: i64,
        kvnr: Kvnr,
        state: &str,
        suspended_from: Option<&str>,
        cards_from: Option<NumericDate>,
    ) -> Result<Self, Refusal> {
        let suspended_from = suspended_from.map(AccountState::parse).transpose()?;
        Ok(Self { id, kvnr, state: AccountState::parse(state)?, suspended_from, cards_from })
    }

    /// The card was made after the last one was reported lost.
    pub(super) fn check_card(&self, certificate: &VerifiedCertificate) -> Result<(), Refusal> {
        let begins = certificate.certificate().not_before.unix_timestamp();
        if self.cards_from.is_some_and(|from| begins < from) { Err(Code::CardRevoked.into()) } else { Ok(()) }
    }

    /// What the register says about the person.
    pub(super) async fn register(&self, connection: &mut Connection) -> Result<Register, Refusal> {
        let query = sqlx::query_as::<_, Register>(
            "SELECT given_name, family_name, birth_date, membership_start FROM account WHERE account_id = $1",
        );
        Ok(query.bind(self.id).fetch_one(connection).await?)
    }

    /// Whether the person may log in today. Only who has shown to be the person may get this answer.
    pub(super) async fn may_enter(&self, service: &Service, connection: &mut Connection) -> Result<(), Refusal> {
        let register = self.register(connection).await?;
        let today = service.today();
        if parse_date(&register.membership_start).is_none_or(|start| today < start) {
            return Err(Refusal::new(Code::NotYet).with_detail(register.membership_start));
        }
        let minimum = service.settings.accounts.minimum_age.map(i32::from);
        if minimum.is_some_and(|minimum| parse_date(&register.birth_date).is_none_or(|born| age(born, today) < minimum))
        {
            return Err(Refusal::new(Code::TooYoung).with_detail(&service.settings.insurer.hotline));
        }
        if self.suspended_from.is_some() {
            return Err(Refusal::new(Code::AccountSuspended).with_detail(&service.settings.insurer.hotline));
        }
        Ok(())
    }

    /// Where `event` leads, and what the account was before it was suspended if it is so then.
    fn after(&self, event: Event) -> Option<(AccountState, Option<AccountState>)> {
        let Self { state, suspended_from, .. } = *self;
        Some(match (state, event, suspended_from) {
            (AccountState::Suspended, Event::AccountResumed, from) => (from?, None),
            (AccountState::Closed, Event::AccountResumed, from) => from.map(|_| (AccountState::Closed, None))?,
            (AccountState::Closed, Event::AccountReopened | Event::AccountReadmitted, Some(_)) => {
                (AccountState::Suspended, state.after(event))
            }
            (AccountState::Suspended, Event::PasswordStolen, Some(from)) => (state, from.after(event)),
            (_, Event::AccountSuspended, _) => (state.after(event)?, Some(state)),
            _ => (state.after(event)?, suspended_from),
        })
    }

    /// Moves the account by `event`, with its audit entry and the notice to its owner. `false` when the table does not
    /// know the transition.
    pub(super) async fn move_by(
        &mut self,
        service: &Service,
        tx: &mut Tx,
        event: Event,
        actor: &str,
    ) -> Result<bool, Refusal> {
        let Some((to, suspended_from)) = self.after(event) else { return Ok(false) };
        let id = self.id.to_string();
        let is_first_password = event == Event::PasswordSet && password::Kept::of(tx, self.id).await?.is_none();
        let Some(state) = transition_to(tx, &id, self.state, event, to).await? else { return Ok(false) };
        if suspended_from != self.suspended_from {
            let update = sqlx::query("UPDATE account SET suspended_from = $2 WHERE account_id = $1");
            let update = update.bind(self.id).bind(suspended_from.map(AccountState::as_str));
            update.execute(&mut **tx).await?;
        }
        (self.state, self.suspended_from) = (state, suspended_from);
        let person = service.keys.pseudonym(&self.kvnr);
        let entry = Entry { actor, device: None, event, object: &person, result: "ok", detail: None };
        let now = service.now_unix();
        audit::append(tx, entry, now).await?;
        let kind = notice::Kind::of(event);
        if let Some(kind) = if is_first_password { Some(notice::Kind::PasswordSet) } else { kind } {
            notice::queue(service, tx, self.id, kind, now).await?;
        }
        Ok(true)
    }
}

impl Register {
    /// The person who chooses a password.
    pub(super) fn person<'a>(&'a self, account: &'a Account, insurer: &'a str) -> Person<'a> {
        Person {
            kvnr: account.kvnr.as_str(),
            names: [&self.given_name, &self.family_name],
            birth_date: &self.birth_date,
            insurer,
        }
    }
}

/// What operators, and people who call them, may do to an account. `operator` is whom the audit names.
impl Service {
    /// Suspends an account: all sessions end, and nobody logs in until it is resumed.
    ///
    /// # Errors
    /// [`Code::AccountUnknown`], or [`Code::AccountState`] where its state does not allow it.
    pub async fn suspend(&self, kvnr: &Kvnr, operator: &str) -> Result<(), Code> {
        self.by_operator(kvnr, Event::AccountSuspended, operator).await.map_err(|refusal| refusal.code)
    }

    /// Opens a suspended account again.
    ///
    /// # Errors
    /// As for [`Self::suspend`].
    pub async fn resume(&self, kvnr: &Kvnr, operator: &str) -> Result<(), Code> {
        self.by_operator(kvnr, Event::AccountResumed, operator).await.map_err(|refusal| refusal.code)
    }

    /// The password, or the letter with the initial one, was stolen: neither holds any more, and all sessions end. The
    /// way back is a new letter, the card, or an identity provider.
    ///
    /// # Errors
    /// As for [`Self::suspend`].
    pub async fn report_stolen(&self, kvnr: &Kvnr, operator: &str) -> Result<(), Code> {
        self.by_operator(kvnr, Event::PasswordStolen, operator).await.map_err(|refusal| refusal.code)
    }

    /// Ends all sessions of an account.
    ///
    /// # Errors
    /// [`Code::AccountUnknown`].
    pub async fn end_sessions(&self, kvnr: &Kvnr, operator: &str) -> Result<(), Code> {
        self.sessions_ended_by(kvnr, operator).await.map_err(|refusal| refusal.code)
    }

    async fn sessions_ended_by(&self, kvnr: &Kvnr, operator: &str) -> Result<(), Refusal> {
        let mut tx = self.store.begin().await?;
        let account = Account::by_kvnr(&mut tx, kvnr).await?.ok_or(Code::AccountUnknown)?;
        session::end_all(self, &mut tx, &account, operator, self.now_unix()).await?;
        strangers::void(self, &mut tx, &account).await?;
        let person = self.keys.pseudonym(&account.kvnr);
        let event = Event::SessionsEnded;
        let entry = Entry { actor: operator, device: None, event, object: &person, result: "ok", detail: None };
        audit::append(&mut tx, entry, self.now_unix()).await?;
        Ok(tx.commit().await?)
    }

    /// The person's health card was lost, or its insurer has revoked it: no card that was made before is taken any more,
    /// devices that cards have bound expire, and all sessions end. The way back is the next card.
    ///
    /// # Errors
    /// [`Code::AccountUnknown`].
    pub async fn revoke_cards(&self, kvnr: &Kvnr, operator: &str) -> Result<(), Code> {
        self.cards_revoked_by(kvnr, operator).await.map_err(|refusal| refusal.code)
    }

    async fn cards_revoked_by(&self, kvnr: &Kvnr, operator: &str) -> Result<(), Refusal> {
        let now = self.now_unix();
        let mut tx = self.store.begin().await?;
        let account = Account::by_kvnr(&mut tx, kvnr).await?.ok_or(Code::AccountUnknown)?;
        let update = "UPDATE account SET cards_from = $2, revoked_iccsn = iccsn WHERE account_id = $1";
        sqlx::query(update).bind(account.id).bind(now).execute(&mut *tx).await?;
        device::expire_bound_by_card(self, &mut tx, &account, operator).await?;
        session::end_all(self, &mut tx, &account, operator, now).await?;
        strangers::void(self, &mut tx, &account).await?;
        let (person, event) = (self.keys.pseudonym(&account.kvnr), Event::CardsRevoked);
        let entry = Entry { actor: operator, device: None, event, object: &person, result: "ok", detail: None };
        audit::append(&mut tx, entry, now).await?;
        notice::queue(self, &mut tx, account.id, notice::Kind::CardsRevoked, now).await?;
        Ok(tx.commit().await?)
    }

    async fn by_operator(&self, kvnr: &Kvnr, event: Event, operator: &str) -> Result<(), Refusal> {
        let mut tx = self.store.begin().await?;
        let mut account = Account::by_kvnr(&mut tx, kvnr).await?.ok_or(Code::AccountUnknown)?;
        if !account.move_by(self, &mut tx, event, operator).await? {
            return Err(Code::AccountState.into());
        }
        if event == Event::PasswordStolen {
            password::void(self, &mut tx, &account).await?;
            session::forget_clients(&mut tx, account.id).await?;
        }
        if event != Event::AccountResumed {
            strangers::void(self, &mut tx, &account).await?;
            session::end_all(self, &mut tx, &account, operator, self.now_unix()).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Accounts that are closed or opened in one round: at the end of a year they are many, and other work waits behind them.
const ROUND: i64 = 100;

/// Moves accounts as the register says, a round at a time.
#[derive(Default)]
pub(super) struct Memberships {
    ending: Moves,
    renewed: Moves,
}

impl Memberships {
    pub(super) async fn do_what_is_due(&mut self, service: &Service) {
        self.close_ended(service).await;
        self.reopen_renewed(service).await;
    }

    /// Closes the accounts whose membership ended long enough ago. Their devices are revoked; what they hold can be read.
    async fn close_ended(&mut self, service: &Service) {
        let days = Duration::days(service.settings.accounts.days_after_membership.into());
        let Some(last_day) = service.today().checked_sub(days) else { return };
        let ended = "SELECT account_id FROM account WHERE membership_end < $1 AND state <> 'closed' AND account_id > $2 \
                     ORDER BY account_id LIMIT $3";
        self.ending.go_on(service, ended, &last_day.to_string(), Event::AccountClosed).await;
    }

    /// Opens closed accounts again whose membership goes on or has begun anew. The password with which the person could
    /// read meanwhile holds on; without one she is in the register as at the beginning, and is invited again. Her devices
    /// stay revoked.
    async fn reopen_renewed(&mut self, service: &Service) {
        let renewed = "SELECT account_id FROM account WHERE state = 'closed' AND (membership_end IS NULL \
                       OR membership_end >= $1) AND account_id > $2 ORDER BY account_id LIMIT $3";
        self.renewed.go_on(service, renewed, &service.today().to_string(), Event::AccountReopened).await;
    }
}

/// How far one kind of move has come.
#[derive(Default)]
struct Moves {
    /// The last account that was looked at.
    after: i64,
    /// Those that could not be moved since it began with the first, and in the whole turn before.
    failing: BTreeSet<i64>,
    failing_before: BTreeSet<i64>,
}

impl Moves {
    /// Moves the next accounts that `query` finds for a day, each in a transaction of its own: one that fails is logged
    /// once and counted, holds up none after it, and is tried again when all others have had their turn.
    async fn go_on(&mut self, service: &Service, query: &'static str, day: &str, event: Event) {
        let found = match due(service.store.pool(), query, day, self.after, ROUND).await {
            Ok(found) => found,
            Err(error) => return tracing::error!(%error, event = event.as_str(), "accounts cannot be looked for"),
        };
        let is_last_round = found.len() < usize::try_from(ROUND).unwrap_or(usize::MAX);
        for id in found {
            if service.stopping.load(Ordering::Relaxed) {
                return;
            }
            match move_one(service, query, day, id, event).await {
                Ok(()) => {}
                // The others would wait as long, and everything else behind them.
                Err(refusal) if refusal.code == Code::NotReady => return,
                Err(refusal) if self.failing.insert(id) && !self.failing_before.contains(&id) => {
                    let code = refusal.code.as_str();
                    tracing::error!(code, account = id, event = event.as_str(), "an account could not be moved");
                }
                Err(_) => {}
            }
            self.after = id;
        }
        if is_last_round {
            self.after = 0;
            self.failing_before = std::mem::take(&mut self.failing);
            service.metrics.not_moved(event, self.failing_before.len());
        }
    }
}

/// The first accounts behind `after` that `query` finds for a day.
async fn due(
    database: impl Executor<'_, Database = Any>,
    query: &'static str,
    day: &str,
    after: i64,
    at_most: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar(query).bind(day.to_owned()).bind(after).bind(at_most).fetch_all(database).await
}

async fn move_one(service: &Service, query: &'static str, day: &str, id: i64, event: Event) -> Result<(), Refusal> {
    let mut tx = service.store.begin().await?;
    // Asked once more: a register that came meanwhile may say otherwise, and what is revoked does not come back.
    if due(&mut *tx, query, day, id - 1, 1).await? != [id] {
        return Ok(());
    }
    let mut account = Account::by_id(&mut tx, id).await?;
    let is_readmitted = event == Event::AccountReopened && password::Kept::of(&mut tx, id).await?.is_none();
    let event = if is_readmitted { Event::AccountReadmitted } else { event };
    if account.move_by(service, &mut tx, event, "service").await? {
        match event {
            Event::AccountClosed => {
                device::revoke_all(service, &mut tx, &account).await?;
                password::initial::void(service, &mut tx, &account).await?;
            }
            Event::AccountReadmitted => letter::forget_invitations(service, &mut tx, &account).await?,
            _ => {}
        }
    }
    Ok(tx.commit().await?)
}

/// `YYYY-MM-DD`.
pub(super) fn parse_date(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

/// Whole years. Who was born on 29 February is a year older on 1 March.
fn age(born: Date, today: Date) -> i32 {
    let before_birthday = (today.month() as u8, today.day()) < (born.month() as u8, born.day());
    today.year() - born.year() - i32::from(before_birthday)
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn a_year_is_over_on_the_birthday() {
        for (today, years) in [
            (date!(2026 - 08 - 11), 14),
            (date!(2026 - 08 - 12), 15),
            (date!(2026 - 12 - 31), 15),
            (date!(2027 - 01 - 01), 15),
        ] {
            assert_eq!(age(date!(2011 - 08 - 12), today), years, "{today}");
        }
        assert_eq!(age(date!(2012 - 02 - 29), date!(2027 - 02 - 28)), 14);
        assert_eq!(age(date!(2012 - 02 - 29), date!(2027 - 03 - 01)), 15);
    }
}
