//! Letters: ordered in the transaction of what they tell about, created as PDF by a job of their own (`create`), and put
//! into an outbox for the print service (`outbox`; `docs/operating.md`, letters).

mod create;
mod layout;
mod outbox;
mod pdf;
mod settings;
mod sheet;
mod typeset;

use super::account::Account;
use super::audit::{self, Entry};
use super::http::{Code, Refusal};
use super::states::{AccountState, Event, LetterState, States as _, transition};
use super::store::{Connection, Tx};
use super::{Service, notice, random};
use crate::identity::kvnr::Kvnr;
use crate::protocol::NumericDate;
use crate::protocol::api::NoticeLanguage;
use crate::protocol::session::SessionMethod;

pub use create::{LetterEvent, LetterReport, LettersError};
pub use settings::LetterSettings;

const DAY: i64 = 24 * 60 * 60;
/// How many letters of a kind may be ordered for one account in how many seconds: by whoever knows the password, and with
/// card or device. They are no settings: no member needs more, and how many strangers may order is one.
const MAX_WITH_PASSWORD: i64 = 2;
const MAX_WITH_CARD: i64 = 5;
const WINDOW: i64 = 30 * DAY;
/// How long letters go to the former address after a change, in seconds: whoever has changed it does not get what is
/// sent next.
pub(super) const FORMER_ADDRESS: i64 = 14 * DAY;
/// How long it is known, in seconds, that a letter went out: long enough to look into a complaint.
const KEPT: i64 = 90 * DAY;
/// Accounts that are invited in one transaction.
const INVITED_AT_ONCE: i64 = 500;

/// What a letter brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    InitialPassword,
    DeviceCode,
    Notice,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::InitialPassword => "initial_password",
            Self::DeviceCode => "device_code",
            Self::Notice => "notice",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::InitialPassword, Self::DeviceCode, Self::Notice].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Who asks for a letter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Requester<'a> {
    /// Anybody who knows an insurance number.
    Stranger,
    /// The person, with a session.
    Owner {
        /// Whom the audit names.
        actor: &'a str,
        /// How the session was opened: with card or device, each with its PIN, or otherwise.
        method: SessionMethod,
    },
    /// The operator; whom the audit names.
    Operator(&'a str),
}

impl Requester<'_> {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Owner { method: SessionMethod::Card, .. } => "owner_with_card",
            Self::Owner { method: SessionMethod::Device, .. } => "owner_with_device",
            Self::Owner { .. } => "owner",
            Self::Operator(_) => "operator",
        }
    }

    /// Those whose letters are counted together: card and device have one limit.
    fn counted_with(self) -> [&'static str; 2] {
        match self {
            Self::Owner { method: SessionMethod::Card | SessionMethod::Device, .. } => {
                ["owner_with_card", "owner_with_device"]
            }
            by => [by.as_str(); 2],
        }
    }

    /// How many letters of a kind in the window.
    fn limit(self, service: &Service) -> Option<i64> {
        match self {
            Self::Stranger => Some(service.settings.letters.of_strangers.into()),
            Self::Owner { method: SessionMethod::Card | SessionMethod::Device, .. } => Some(MAX_WITH_CARD),
            Self::Owner { .. } => Some(MAX_WITH_PASSWORD),
            Self::Operator(_) => None,
        }
    }

    fn actor(self) -> String {
        match self {
            Self::Stranger => "stranger".to_owned(),
            Self::Owner { actor, .. } => actor.to_owned(),
            Self::Operator(name) => name.to_owned(),
        }
    }
}

/// What became of an order. A stranger never learns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ordered {
    /// The next `letters create` makes the letter.
    Yes,
    /// It was ordered before and is not made yet.
    Already,
    /// As many were ordered as may be.
    TooMany,
    /// The account's state allows none: it is suspended or closed, or for a code not open yet.
    NotNow,
}

impl Ordered {
    /// The audit's result.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "ok",
            Self::Already => "letter_ordered",
            Self::TooMany => "too_many_letters",
            Self::NotNow => "account_state",
        }
    }
}

impl Service {
    /// Orders a letter with an initial password for a person who has called; `operator` is whom the audit names.
    ///
    /// # Errors
    /// [`Code::AccountUnknown`].
    pub async fn order_letter(&self, kvnr: &Kvnr, operator: &str) -> Result<Ordered, Code> {
        self.order_by_operator(kvnr, Kind::InitialPassword, operator).await.map_err(|refusal| refusal.code)
    }

    /// Orders a letter with a code for a device, likewise.
    ///
    /// # Errors
    /// As for [`Self::order_letter`].
    pub async fn order_device_code(&self, kvnr: &Kvnr, operator: &str) -> Result<Ordered, Code> {
        self.order_by_operator(kvnr, Kind::DeviceCode, operator).await.map_err(|refusal| refusal.code)
    }

    async fn order_by_operator(&self, kvnr: &Kvnr, kind: Kind, operator: &str) -> Result<Ordered, Refusal> {
        let now = self.now_unix();
        let mut tx = self.store.begin().await?;
        let mut account = Account::by_kvnr(&mut tx, kvnr).await?.ok_or(Code::AccountUnknown)?;
        let by = Requester::Operator(operator);
        let ordered = match kind {
            Kind::DeviceCode => order_device_code(self, &mut tx, &account, by, now).await?,
            _ => order(self, &mut tx, &mut account, by, now).await?,
        };
        tx.commit().await?;
        Ok(ordered)
    }
}

/// Orders a letter with an initial password. It voids nothing: the passwords there are hold on.
pub(super) async fn order(
    service: &Service,
    tx: &mut Tx,
    account: &mut Account,
    by: Requester<'_>,
    now: NumericDate,
) -> Result<Ordered, Refusal> {
    let event = match account.state {
        AccountState::Active | AccountState::ResetPending => Event::ResetOrdered,
        _ => Event::LetterOrdered,
    };
    if account.state.after(event).is_none() {
        return Ok(Ordered::NotNow);
    }
    let is_waiting = is_waiting(tx, account, Kind::InitialPassword).await?;
    // Where a password was reported stolen in between, the letter that waits is wanted again.
    if is_waiting && account.state.after(Event::InitialPasswordUsed).is_some() {
        return Ok(Ordered::Already);
    }
    if were_enough(service, tx, account, Kind::InitialPassword, by, now).await? {
        return Ok(Ordered::TooMany);
    }
    if !account.move_by(service, tx, event, &by.actor()).await? {
        return Ok(Ordered::NotNow);
    }
    if !is_waiting {
        insert(tx, account.id, Kind::InitialPassword, by.as_str(), None, now).await?;
        notice::queue(service, tx, account.id, notice::Kind::LetterOrdered, now).await?;
    }
    Ok(Ordered::Yes)
}

/// Orders a letter with a code for a device. It needs an account that is open: whoever has no password yet gets no second
/// letter beside the one with the first.
pub(super) async fn order_device_code(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    by: Requester<'_>,
    now: NumericDate,
) -> Result<Ordered, Refusal> {
    if !may_have_device_code(account.state) {
        return Ok(Ordered::NotNow);
    }
    if is_waiting(tx, account, Kind::DeviceCode).await? {
        return Ok(Ordered::Already);
    }
    if were_enough(service, tx, account, Kind::DeviceCode, by, now).await? {
        return Ok(Ordered::TooMany);
    }
    insert(tx, account.id, Kind::DeviceCode, by.as_str(), None, now).await?;
    let person = service.keys.pseudonym(&account.kvnr);
    let (actor, event) = (by.actor(), Event::DeviceCodeOrdered);
    let entry = Entry { actor: &actor, device: None, event, object: &person, result: "ok", detail: None };
    audit::append(tx, entry, now).await?;
    notice::queue(service, tx, account.id, notice::Kind::DeviceCodeOrdered, now).await?;
    Ok(Ordered::Yes)
}

/// Whether somebody can log in to an account with a password of her own.
fn may_have_device_code(state: AccountState) -> bool {
    matches!(state, AccountState::Active | AccountState::ResetPending)
}

/// Whether a letter of this kind is ordered and not made yet.
async fn is_waiting(connection: &mut Connection, account: &Account, kind: Kind) -> Result<bool, sqlx::Error> {
    let waiting = "SELECT COUNT(*) FROM letter WHERE account_id = $1 AND kind = $2 AND state = $3";
    let waiting = sqlx::query_scalar::<_, i64>(waiting).bind(account.id).bind(kind.as_str());
    Ok(waiting.bind(LetterState::Ordered.as_str()).fetch_one(connection).await? > 0)
}

/// Whether as many letters of this kind were ordered by such requesters as may be. What never went out does not count.
async fn were_enough(
    service: &Service,
    connection: &mut Connection,
    account: &Account,
    kind: Kind,
    by: Requester<'_>,
    now: NumericDate,
) -> Result<bool, sqlx::Error> {
    let Some(limit) = by.limit(service) else { return Ok(false) };
    let recent = "SELECT COUNT(*) FROM letter WHERE account_id = $1 AND kind = $2 AND requested_by IN ($3, $4) \
                  AND created > $5 AND state IN ($6, $7)";
    let recent = sqlx::query_scalar::<_, i64>(recent).bind(account.id).bind(kind.as_str());
    let [one, other] = by.counted_with();
    let recent = recent.bind(one).bind(other).bind(now - WINDOW);
    let recent = recent.bind(LetterState::Ordered.as_str()).bind(LetterState::Created.as_str());
    Ok(recent.fetch_one(connection).await? >= limit)
}

/// What a letter tells that is neither password nor code.
pub(super) struct Told {
    /// The subject, without personal data.
    pub(super) title: String,
    /// Paragraphs with blank lines between them.
    pub(super) text: String,
    /// The language of both, and so of all that stands around them.
    pub(super) language: NoticeLanguage,
}

/// Orders a letter that tells something.
pub(super) async fn order_notice(
    connection: &mut Connection,
    account_id: i64,
    told: Told,
    now: NumericDate,
) -> Result<(), sqlx::Error> {
    insert(connection, account_id, Kind::Notice, "service", Some(told), now).await
}

/// The address is the one letters go to at this moment, and the language the person's, where nothing is written yet.
async fn insert(
    connection: &mut Connection,
    account_id: i64,
    kind: Kind,
    requested_by: &'static str,
    told: Option<Told>,
    now: NumericDate,
) -> Result<(), sqlx::Error> {
    let mut id = [0; 16];
    rand_core::Rng::fill_bytes(&mut random(), &mut id);
    let insert = sqlx::query(
        "INSERT INTO letter (letter_id, account_id, kind, requested_by, state, title, text, created, address, language) \
         SELECT $1, account_id, $3, $4, $5, $6, $7, $8, \
         CASE WHEN address_changed > $9 THEN former_address ELSE address END, COALESCE($10, language) \
         FROM account WHERE account_id = $2",
    );
    let insert = insert.bind(hex::encode(id)).bind(account_id).bind(kind.as_str()).bind(requested_by);
    let insert = insert.bind(LetterState::Ordered.as_str());
    let language = told.as_ref().map(|told| told.language.as_str());
    let (title, text) = told.map(|told| (told.title, told.text)).unzip();
    let insert = insert.bind(title).bind(text).bind(now).bind(now - FORMER_ADDRESS).bind(language);
    insert.execute(connection).await.map(drop)
}

/// Forgets letters that told something or brought a code and went out long ago, and codes that ended long ago. Letters
/// with an initial password stay known: nobody is invited twice.
pub(super) async fn forget(service: &Service) -> Result<(), Refusal> {
    let long_ago = service.now_unix().saturating_sub(KEPT);
    let delete = sqlx::query("DELETE FROM device_code WHERE expires_at <= $1");
    service.store.forget(delete.bind(long_ago)).await?;
    let delete = sqlx::query(
        "DELETE FROM letter WHERE kind IN ($1, $2) AND state <> $3 AND created <= $4 AND done <= $4 \
         AND NOT EXISTS (SELECT 1 FROM device_code c WHERE c.letter_id = letter.letter_id)",
    );
    let delete = delete.bind(Kind::Notice.as_str()).bind(Kind::DeviceCode.as_str());
    service.store.forget(delete.bind(LetterState::Ordered.as_str()).bind(long_ago)).await
}

/// Whoever becomes a member again is invited again: the letters of the membership before play no part any more, and one that
/// was not made yet never is.
pub(super) async fn forget_invitations(service: &Service, tx: &mut Tx, account: &Account) -> Result<(), Refusal> {
    let delete = "DELETE FROM letter WHERE account_id = $1 AND kind = $2 RETURNING letter_id, state";
    let delete = sqlx::query_as::<_, (String, String)>(delete).bind(account.id).bind(Kind::InitialPassword.as_str());
    let letters = delete.fetch_all(&mut **tx).await?;
    let person = service.keys.pseudonym(&account.kvnr);
    let ordered = letters.iter().filter(|(_, state)| state == LetterState::Ordered.as_str());
    let entries = ordered.map(|(id, _)| {
        let event = Event::LetterCancelled;
        Entry { actor: "service", device: None, event, object: id, result: "ok", detail: Some(person.clone()) }
    });
    Ok(audit::append_all(tx, entries, service.now_unix()).await?)
}

/// Gives an account another address. What is sent in the next two weeks goes to the one before, and a second change in
/// this time does not alter that.
pub(super) async fn change_address(
    connection: &mut Connection,
    account_id: i64,
    address: &str,
    now: NumericDate,
) -> Result<(), sqlx::Error> {
    let update = sqlx::query(
        "UPDATE account SET address = $2, address_changed = $3, \
         former_address = CASE WHEN address_changed > $4 THEN former_address ELSE address END \
         WHERE account_id = $1 AND address <> $2",
    );
    let update = update.bind(account_id).bind(address.to_owned()).bind(now).bind(now - FORMER_ADDRESS);
    update.execute(connection).await.map(drop)
}

/// The same where card and card PIN stand behind the change (B3): what is sent from now on goes to the new address, and a
/// change in the weeks before that rested on less plays no part any more.
pub(super) async fn change_address_at_once(
    connection: &mut Connection,
    account_id: i64,
    address: &str,
) -> Result<(), sqlx::Error> {
    let update = "UPDATE account SET address = $2, address_changed = NULL, former_address = NULL WHERE account_id = $1";
    sqlx::query(update).bind(account_id).bind(address.to_owned()).execute(connection).await.map(drop)
}

/// Orders an initial password for the next members who are in the register, have no access, never got a letter, and can
/// use one: their insurance begins soon, and they are old enough. From account `after` on. Gives the last account it
/// looked at, and how many it has invited.
async fn invite(service: &Service, after: i64) -> Result<Option<(i64, u64)>, LettersError> {
    let now = service.now_unix();
    let members = sqlx::query_as::<_, (i64, String)>(
        "SELECT account_id, kvnr FROM account a WHERE account_id > $1 AND state = $2 \
         AND (membership_end IS NULL OR membership_end >= $3) AND membership_start <= $6 AND birth_date <= $7 \
         AND NOT EXISTS (SELECT 1 FROM letter l WHERE l.account_id = a.account_id AND l.kind = $5) \
         ORDER BY account_id LIMIT $4",
    );
    let today = service.today();
    let members = members.bind(after).bind(AccountState::Registered.as_str()).bind(today.to_string());
    let members = members.bind(INVITED_AT_ONCE).bind(Kind::InitialPassword.as_str());
    // Days of the form YYYY-MM-DD are compared as texts; the one of a birth need not be one of this calendar year.
    let first_day = today.saturating_add(time::Duration::days(service.settings.letters.invite_days.into()));
    let age = service.settings.accounts.minimum_age.map_or(0, i32::from);
    let (year, rest) = (today.year() - age, today.to_string().split_off("YYYY".len()));
    let members = members.bind(first_day.to_string()).bind(format!("{year:04}{rest}"));
    let members = members.fetch_all(service.store.pool()).await?;
    let Some((last, _)) = members.last() else { return Ok(None) };
    let last = *last;
    let mut tx = service.store.begin().await?;
    let mut invited = Vec::new();
    for (id, kvnr) in members {
        let event = Event::LetterOrdered;
        // None: the person was quicker, by card or with the help of an identity provider.
        if transition(&mut tx, &id.to_string(), AccountState::Registered, event).await?.is_some() {
            insert(&mut tx, id, Kind::InitialPassword, Requester::Operator("").as_str(), None, now).await?;
            invited.push(service.keys.pseudonym(&kvnr.parse().map_err(|_| LettersError::Damaged)?));
        }
    }
    let entries = invited.iter().map(|person| {
        let event = Event::LetterOrdered;
        Entry { actor: "operator", device: None, event, object: person, result: "ok", detail: None }
    });
    audit::append_all(&mut tx, entries, now).await?;
    tx.commit().await?;
    Ok(Some((last, invited.len() as u64)))
}
