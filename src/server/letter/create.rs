//! The job that makes ordered letters: exactly once, wherever it is broken off.
//!
//! A batch is written to the disk first, under a name that the print service does not touch. Then one transaction keeps
//! the MACs of its passwords and calls its letters created, and only then the batch gets its name. A job that finds what
//! another one has left behind asks the database: a batch whose letters are created is handed over, any other removed;
//! the passwords in it were never valid.

use std::num::NonZero;
use std::path::PathBuf;
use std::{io, thread};

use sqlx::AssertSqlSafe;
use thiserror::Error;
use time::{Date, Duration};

use super::layout::{LayoutError, Printed, Printer};
use super::outbox::{self, Batch, Outbox};
use super::sheet::{Contents, Recipient};
use super::{Kind, invite, may_have_device_code};
use crate::identity::kvnr::Kvnr;
use crate::identity::vsd::Address;
use crate::protocol::Sha256Hash;
use crate::protocol::api::NoticeLanguage;
use crate::protocol::qr::LetterCode;
use crate::secret::SecretText;
use crate::server::account::Account;
use crate::server::audit::{self, AuditError, Entry};
use crate::server::device_code;
use crate::server::password::initial;
use crate::server::settings::Settings;
use crate::server::states::{AccountState, Event, LetterState, States as _, transition};
use crate::server::store::Tx;
use crate::server::{Service, random, store};

/// The job stopped. Batches before are finished; the same command goes on.
#[derive(Debug, Error)]
pub enum LettersError {
    /// Another job writes into the same outbox.
    #[error("another `letters create` writes into this outbox")]
    Busy,
    /// The outbox cannot be written.
    #[error("the outbox cannot be written")]
    Outbox(#[from] io::Error),
    /// The database refused.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
    /// The audit entry could not be written.
    #[error("the audit entry could not be written")]
    Audit(#[from] AuditError),
    /// What the database holds cannot be read.
    #[error("the database is damaged")]
    Damaged,
    /// The service's name in the settings is no address, so no code can name it.
    #[error("the issuer in the settings is no address")]
    Issuer,
    /// No letter can be made at all: a text of the settings has a character that cannot be printed.
    #[error("the texts of letters in the settings cannot be printed")]
    Texts,
}

/// What the job tells while it runs.
#[derive(Debug)]
pub enum LetterEvent<'a> {
    /// How many letters are done, of how many that were ordered when the job began.
    Progress {
        /// Done.
        done: u64,
        /// Ordered.
        total: u64,
    },
    /// This letter is not printed: name or address have to be mended in the register first.
    Failed {
        /// Its number.
        letter_id: &'a str,
        /// What is wrong.
        reason: &'a str,
    },
    /// An initial password lies in the outbox. It stands in the letter and nowhere else: only a demonstration that has
    /// no printer may look at it here.
    InitialPassword {
        /// Whose.
        kvnr: &'a Kvnr,
        /// The password.
        password: &'a SecretText,
    },
}

/// What the job did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LetterReport {
    /// People who got an initial password ordered without asking.
    pub invited: u64,
    /// Letters in the outbox.
    pub created: u64,
    /// Letters that are not needed any more.
    pub cancelled: u64,
    /// Letters that cannot be printed.
    pub failed: u64,
}

/// A letter that is to be made.
#[derive(sqlx::FromRow)]
struct Row {
    letter_id: String,
    account_id: i64,
    kind: String,
    address: Option<String>,
    title: Option<String>,
    text: Option<String>,
    language: String,
    created: i64,
    kvnr: String,
    given_name: String,
    family_name: String,
    account_state: String,
    password_changed: Option<i64>,
}

/// A letter that was made, and is not called so yet.
struct Made {
    letter_id: String,
    kind: Kind,
    account: Account,
    brought: Brought,
    pages: usize,
    sha256: Sha256Hash,
}

/// What is left of what a letter brings, once it is written.
enum Brought {
    Password(SecretText),
    /// The secret is in the letter alone.
    Code(device_code::Public),
    Nothing,
}

/// What one letter is made of.
struct Work {
    letter_id: String,
    path: PathBuf,
    kind: Kind,
    account: Account,
    to: Recipient,
    contents: Contents,
    language: NoticeLanguage,
}

/// A letter that cannot be printed.
struct Failure {
    letter_id: String,
    kvnr: Kvnr,
    error: LayoutError,
}

impl Service {
    /// Orders initial passwords for those who are to be invited, and makes all letters that are ordered.
    ///
    /// # Errors
    /// [`LettersError`]; what was made is made, and calling this again goes on.
    pub async fn create_letters(&self, mut tell: impl FnMut(LetterEvent<'_>)) -> Result<LetterReport, LettersError> {
        let settings = &self.settings.letters;
        let current = self.current();
        let printer = Printer::new(&self.settings.insurer, settings, &current.texts);
        printer.and_then(|printer| printer.try_out()).map_err(|_| LettersError::Texts)?;
        let folder = settings.outbox.clone().unwrap_or_else(|| self.settings.data.join("outbox"));
        let outbox = Outbox::open(&folder)?;
        self.finish_what_was_left(&outbox).await?;
        let mut report = LetterReport::default();
        let mut after = i64::MIN;
        while settings.invite
            && let Some((last, invited)) = invite(self, after).await?
        {
            (after, report.invited) = (last, report.invited + invited);
        }
        let total = "SELECT COUNT(*) FROM letter WHERE state = $1";
        let total = sqlx::query_scalar::<_, i64>(total).bind(LetterState::Ordered.as_str());
        let total = u64::try_from(total.fetch_one(self.store.pool()).await?).unwrap_or(0);
        while self.create_batch(&outbox, &mut report, &mut tell).await? {
            let done = report.created + report.cancelled + report.failed;
            tell(LetterEvent::Progress { done, total: total.max(done) });
        }
        Ok(report)
    }

    async fn finish_what_was_left(&self, outbox: &Outbox) -> Result<(), LettersError> {
        for name in outbox.unfinished()? {
            let created = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM letter WHERE batch = $1").bind(&name);
            match created.fetch_one(self.store.pool()).await? {
                0 => outbox.discard(&name)?,
                _ => outbox.finish(&name)?,
            }
        }
        Ok(())
    }

    /// Makes the next letters. `false` when there are none.
    async fn create_batch(
        &self,
        outbox: &Outbox,
        report: &mut LetterReport,
        tell: &mut impl FnMut(LetterEvent<'_>),
    ) -> Result<bool, LettersError> {
        let ordered = select("WHERE l.state = $1 ORDER BY l.created, l.letter_id LIMIT $2");
        let ordered = sqlx::query_as::<_, Row>(AssertSqlSafe(ordered)).bind(LetterState::Ordered.as_str());
        let ordered = ordered.bind(i64::from(self.settings.letters.batch.max(1)));
        let ordered = ordered.fetch_all(self.store.pool()).await?;
        if ordered.is_empty() {
            return Ok(false);
        }
        let (wanted, unwanted): (Vec<_>, Vec<_>) = ordered.into_iter().partition(Row::is_wanted);
        for row in &unwanted {
            report.cancelled += u64::from(self.end(&row.letter_id, &row.kvnr()?, Event::LetterCancelled, None).await?);
        }
        let today = self.today();
        let name = batch_name(today);
        let mut batch = outbox.begin(&name)?;
        let (made, failed) = self.make(&batch, wanted, today).await?;
        for Failure { letter_id, kvnr, error } in &failed {
            let is_ended = self.end(letter_id, kvnr, Event::LetterFailed, Some(error.code())).await?;
            report.failed += u64::from(is_ended);
            tell(LetterEvent::Failed { letter_id, reason: &error.to_string() });
        }
        if made.is_empty() {
            outbox.discard(&name)?;
            return Ok(true);
        }
        for letter in &made {
            batch.list(&letter.letter_id, letter.kind.as_str(), letter.pages, &letter.sha256);
        }
        outbox.seal(&batch)?;
        if !self.commit(&name, &made).await? {
            outbox.discard(&name)?; // something has changed meanwhile: what is ordered now is looked at anew
            return Ok(true);
        }
        outbox.finish(&name)?;
        report.created += made.len() as u64;
        for letter in &made {
            if let Brought::Password(password) = &letter.brought {
                tell(LetterEvent::InitialPassword { kvnr: &letter.account.kvnr, password });
            }
        }
        Ok(true)
    }

    /// Lays out and writes letters, on all cores; beside them those that cannot be printed, and why.
    async fn make(
        &self,
        batch: &Batch,
        rows: Vec<Row>,
        today: Date,
    ) -> Result<(Vec<Made>, Vec<Failure>), LettersError> {
        let of = |row| Work::of(row, batch, today, &self.settings);
        let works = rows.into_iter().map(of).collect::<Result<Vec<_>, _>>()?;
        let (insurer, settings) = (self.settings.insurer.clone(), self.settings.letters.clone());
        let current = self.current();
        let written = tokio::task::spawn_blocking(move || {
            let mut works = works.into_iter();
            let share = works.len().div_ceil(thread::available_parallelism().map_or(1, NonZero::get));
            let mut results = Vec::new();
            thread::scope(|scope| {
                let mut threads = Vec::new();
                while works.len() > 0 {
                    let share: Vec<Work> = works.by_ref().take(share).collect();
                    let (insurer, settings, texts) = (&insurer, &settings, &current.texts);
                    let printer = move || Printer::new(insurer, settings, texts).map_err(io::Error::other);
                    threads.push(scope.spawn(move || write_all(&printer()?, share, today)));
                }
                for thread in threads {
                    let written = thread.join().map_err(|_| io::Error::other("a thread has failed"))?;
                    results.extend(written?);
                }
                Ok::<_, io::Error>(results)
            })
        });
        let written = written.await.map_err(io::Error::other)??;
        let (mut made, mut failed) = (Vec::new(), Vec::new());
        for result in written {
            match result {
                Ok(letter) => made.push(letter),
                Err(failure) => failed.push(failure),
            }
        }
        Ok((made, failed))
    }

    /// Calls letters created, all or none: none where one of them is not wanted any more.
    async fn commit(&self, batch: &str, made: &[Made]) -> Result<bool, LettersError> {
        let now = self.now_unix();
        let mut tx = self.store.begin().await?;
        let query = select(&format!("WHERE l.state = $1 AND l.letter_id IN ({})", store::places(2, made.len())));
        let mut query = sqlx::query_as::<_, Row>(AssertSqlSafe(query)).bind(LetterState::Ordered.as_str());
        for letter in made {
            query = query.bind(letter.letter_id.clone());
        }
        let rows = query.fetch_all(&mut *tx).await?;
        if rows.len() != made.len() || !rows.iter().all(Row::is_wanted) {
            return Ok(false);
        }
        for letter in made {
            match &letter.brought {
                Brought::Password(password) => initial::keep(self, &mut tx, &letter.account, password, now).await?,
                Brought::Code(code) => code.keep(self, &mut tx, &letter.account, &letter.letter_id, now).await?,
                Brought::Nothing => {}
            }
        }
        let ids = made.iter().map(|letter| (letter.letter_id.as_str(), &letter.account.kvnr));
        if !self.end_all(&mut tx, ids.collect(), Event::LetterCreated, Some(batch), None).await? {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a letter that is not created. `false` where somebody else was quicker.
    async fn end(
        &self,
        letter_id: &str,
        kvnr: &Kvnr,
        event: Event,
        failure: Option<&str>,
    ) -> Result<bool, LettersError> {
        let mut tx = self.store.begin().await?;
        let is_ended = self.end_all(&mut tx, vec![(letter_id, kvnr)], event, None, failure).await?;
        tx.commit().await?;
        Ok(is_ended)
    }

    /// Moves ordered letters by `event`, forgets what they said and to whom, and writes the audit. `false` where one of
    /// them is not ordered any more.
    async fn end_all(
        &self,
        tx: &mut Tx,
        letters: Vec<(&str, &Kvnr)>,
        event: Event,
        batch: Option<&str>,
        failure: Option<&str>,
    ) -> Result<bool, LettersError> {
        for (id, _) in &letters {
            if transition(tx, id, LetterState::Ordered, event).await?.is_none() {
                return Ok(false);
            }
        }
        let now = self.now_unix();
        let update = format!(
            "UPDATE letter SET done = $1, batch = $2, failure = $3, address = NULL, title = NULL, text = NULL \
             WHERE letter_id IN ({})",
            store::places(4, letters.len())
        );
        let mut update = sqlx::query(AssertSqlSafe(update)).bind(now);
        update = update.bind(batch.map(str::to_owned)).bind(failure.map(str::to_owned));
        for (id, _) in &letters {
            update = update.bind((*id).to_owned());
        }
        update.execute(&mut **tx).await?;
        let result = failure.unwrap_or("ok");
        let entries = letters.iter().map(|(id, kvnr)| {
            let detail = Some(self.keys.pseudonym(kvnr));
            Entry { actor: "service", device: None, event, object: id, result, detail }
        });
        audit::append_all(tx, entries, now).await?;
        Ok(true)
    }
}

impl Row {
    /// Whether what it brings still opens anything: an initial password does not once the person has set one of her own,
    /// and a code not where nobody can log in.
    fn is_wanted(&self) -> bool {
        let Ok(state) = AccountState::parse(&self.account_state) else { return false };
        match Kind::parse(&self.kind) {
            Some(Kind::InitialPassword) => {
                let is_replaced = self.password_changed.is_some_and(|changed| changed > self.created);
                state.after(Event::InitialPasswordUsed).is_some() && !is_replaced
            }
            Some(Kind::DeviceCode) => may_have_device_code(state),
            Some(Kind::Notice) | None => true,
        }
    }

    fn kvnr(&self) -> Result<Kvnr, LettersError> {
        self.kvnr.parse().map_err(|_| LettersError::Damaged)
    }
}

impl Work {
    fn of(row: Row, batch: &Batch, today: Date, settings: &Settings) -> Result<Self, LettersError> {
        let kind = Kind::parse(&row.kind).ok_or(LettersError::Damaged)?;
        let state = AccountState::parse(&row.account_state).map_err(|_| LettersError::Damaged)?;
        let account = Account { id: row.account_id, kvnr: row.kvnr()?, state, suspended_from: None, cards_from: None };
        let address = row.address.as_deref().and_then(|address| serde_json::from_str::<Address>(address).ok());
        let contents = match kind {
            Kind::InitialPassword => Contents::InitialPassword {
                password: initial::random(&mut random()),
                valid_until: today.saturating_add(Duration::days(settings.letters.password_days.into())),
            },
            Kind::DeviceCode => Contents::DeviceCode {
                code: LetterCode::random(&settings.issuer, &mut random()).ok_or(LettersError::Issuer)?,
                valid_until: today.saturating_add(Duration::days(settings.letters.code_days.into())),
            },
            Kind::Notice => Contents::Notice {
                title: row.title.ok_or(LettersError::Damaged)?,
                text: row.text.ok_or(LettersError::Damaged)?,
            },
        };
        let to = Recipient {
            given_name: row.given_name,
            family_name: row.family_name,
            address: address.ok_or(LettersError::Damaged)?,
        };
        let language = row.language.parse().map_err(|_| LettersError::Damaged)?;
        Ok(Self { path: batch.path(&row.letter_id), letter_id: row.letter_id, kind, account, to, contents, language })
    }
}

/// What one thread does.
fn write_all(printer: &Printer<'_>, works: Vec<Work>, today: Date) -> io::Result<Vec<Result<Made, Failure>>> {
    let mut results = Vec::new();
    for Work { letter_id, path, kind, account, to, contents, language } in works {
        results.push(match printer.print(&to, today, &contents, language) {
            Ok(Printed { pdf, pages }) => {
                outbox::write(&path, &pdf)?;
                let brought = match contents {
                    Contents::InitialPassword { password, .. } => Brought::Password(password),
                    Contents::DeviceCode { code, .. } => {
                        let public = device_code::Public::of(&code);
                        Brought::Code(public.ok_or_else(|| io::Error::other("the code has no key"))?)
                    }
                    Contents::Notice { .. } => Brought::Nothing,
                };
                Ok(Made { letter_id, kind, account, brought, pages, sha256: Sha256Hash::of(&pdf) })
            }
            Err(error) => Err(Failure { letter_id, kvnr: account.kvnr, error }),
        });
    }
    Ok(results)
}

/// Letters with their accounts.
fn select(rest: &str) -> String {
    format!(
        "SELECT l.letter_id, l.account_id, l.kind, l.address, l.title, l.text, l.language, l.created, a.kvnr, a.given_name, \
         a.family_name, a.state AS account_state, p.changed AS password_changed FROM letter l \
         JOIN account a ON a.account_id = l.account_id LEFT JOIN password p ON p.account_id = l.account_id {rest}"
    )
}

/// A name that no other batch has; by day, so that a folder of many shows its order.
fn batch_name(today: Date) -> String {
    let mut id = [0; 8];
    rand_core::Rng::fill_bytes(&mut random(), &mut id);
    format!("{today}-{}", hex::encode(id))
}
