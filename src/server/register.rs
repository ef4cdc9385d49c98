//! The insurer's register of members, imported from CSV: streamed, in batches of one transaction each, as often as one
//! likes. What the register has not changed since the last import is left alone, whatever the person has changed here.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use csv::StringRecord;
use sqlx::AssertSqlSafe;
use thiserror::Error;

use super::account::parse_date;
use super::audit::{self, AuditError, Entry};
use super::notice::{self, Kind};
use super::password::Nobodys;
use super::states::{AccountState, Event, States as _};
use super::store::{self, Tx};
use super::{Service, letter, password};
use crate::chip::Iccsn;
use crate::identity::kvnr::{Kvnr, KvnrError};
use crate::identity::vsd::Address;
use crate::jose::base64url;
use crate::protocol::application::{Change, OldNew, is_email, is_plain_text};
use crate::protocol::{NumericDate, Sha256Hash};

/// What the header line names, in any order.
const COLUMNS: [&str; 10] = [
    "kvnr",
    "given_name",
    "family_name",
    "birth_date",
    "street",
    "house_number",
    "postal_code",
    "city",
    "country",
    "membership_start",
];
/// What it may name beside them.
const OPTIONAL: [&str; 4] = ["membership_end", "password_hash", "email", "iccsn"];

/// Rows in a transaction.
const BATCH: usize = 500;
/// Bytes of a hash that are kept: two values of a person differ in it.
const KEPT: usize = 12;

/// Why a row is not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Rejected {
    /// The row does not have the columns of the header, or is no text.
    #[error("the row does not fit the header, or is not UTF-8")]
    Columns,
    /// The insurance number.
    #[error("kvnr: {0}")]
    Kvnr(#[from] KvnrError),
    /// A date is not `YYYY-MM-DD`.
    #[error("{0}: not a date YYYY-MM-DD")]
    Date(&'static str),
    /// Membership ends before it begins.
    #[error("membership_end: before membership_start")]
    End,
    /// A name or a part of the address is not plain text, or the postal code is wrong.
    #[error("name or address: not plain text, or a wrong postal code")]
    Text,
    /// The hash is none that a login can be compared with.
    #[error("password_hash: neither a PHC string of Argon2id nor bcrypt, or one that is too costly")]
    PasswordHash,
    /// The e-mail address is none that notices go to.
    #[error("email: not an address in ASCII")]
    Email,
    /// The number of the card.
    #[error("iccsn: not 20 digits")]
    Iccsn,
    /// The number stood in a row before.
    #[error("kvnr: it stands in a row before")]
    Twice,
}

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Accounts that were made.
    pub imported: u64,
    /// Accounts that were there, and that the register has changed.
    pub changed: u64,
    /// Accounts that the register has not changed.
    pub unchanged: u64,
    /// Rows that were not taken.
    pub rejected: u64,
    /// Columns that mean nothing here.
    pub ignored_columns: Vec<String>,
}

/// What an import tells while it runs.
#[derive(Clone, Copy, Debug)]
pub enum ImportEvent {
    /// So many bytes of the file are imported.
    Progress(u64),
    /// A row is not taken.
    Rejected {
        /// Its line in the file.
        line: u64,
        /// What is wrong.
        reason: Rejected,
    },
}

/// The import stopped.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file cannot be read, or its header is no CSV.
    #[error("the file cannot be read as CSV")]
    File(#[source] csv::Error),
    /// The header does not name this column, or names it twice.
    #[error("the header does not name {0} once; the columns are {columns}", columns = COLUMNS.join(", "))]
    Header(&'static str),
    /// The database refused; rows before this batch are imported.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
    /// Every login would have to compare with so many; rows before this batch are imported.
    #[error("the register brings password hashes of more than four kinds")]
    PasswordHashes,
    /// The audit entry could not be written; rows before this batch are imported.
    #[error("the audit entry could not be written")]
    Audit(#[from] AuditError),
}

/// A row that was checked.
struct Member {
    line: u64,
    kvnr: Kvnr,
    given_name: String,
    family_name: String,
    birth_date: String,
    /// JSON
    address: String,
    membership_start: String,
    /// `None` where the file has no such column.
    membership_end: Option<Option<String>>,
    password_hash: Option<String>,
    email: Option<String>,
    /// Number of the card; `None` where the file has no such column.
    iccsn: Option<Option<String>>,
}

/// An account that a row is about.
#[derive(sqlx::FromRow)]
struct Existing {
    account_id: i64,
    kvnr: String,
    register_hashes: Option<String>,
}

impl Service {
    /// Imports members, a batch in each transaction. It makes neither passwords nor letters.
    ///
    /// # Errors
    /// [`ImportError`]; batches before are imported, and importing the file again goes on where it stopped.
    pub async fn import(
        &self,
        file: impl Read,
        mut tell: impl FnMut(ImportEvent),
    ) -> Result<ImportReport, ImportError> {
        let mut report = ImportReport::default();
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let columns = Columns::of(reader.headers().map_err(ImportError::File)?, &mut report.ignored_columns)?;
        let mut nobodys = Nobodys::new();
        let (mut record, mut seen, mut batch) = (StringRecord::new(), HashSet::new(), Vec::with_capacity(BATCH));
        loop {
            let line = reader.position().line();
            let row = match reader.read_record(&mut record) {
                Ok(false) => break,
                Ok(true) => columns.member(&record, record.position().map_or(line, csv::Position::line)),
                Err(error) if error.is_io_error() => return Err(ImportError::File(error)),
                Err(error) => Err((error.position().map_or(line, csv::Position::line), Rejected::Columns)),
            };
            let row = row.and_then(|member| match seen.insert(member.kvnr.clone()) {
                true => Ok(member),
                false => Err((member.line, Rejected::Twice)),
            });
            match row {
                Ok(member) => batch.push(member),
                Err((line, reason)) => {
                    report.rejected += 1;
                    tell(ImportEvent::Rejected { line, reason });
                }
            }
            if batch.len() == BATCH {
                self.import_batch(std::mem::take(&mut batch), &mut nobodys, &mut report).await?;
                tell(ImportEvent::Progress(reader.position().byte()));
            }
        }
        self.import_batch(batch, &mut nobodys, &mut report).await?;
        tell(ImportEvent::Progress(reader.position().byte()));
        Ok(report)
    }

    async fn import_batch(
        &self,
        batch: Vec<Member>,
        nobodys: &mut Nobodys,
        report: &mut ImportReport,
    ) -> Result<(), ImportError> {
        if batch.is_empty() {
            return Ok(());
        }
        let now = self.now_unix();
        let hashes = batch.iter().filter_map(|member| member.password_hash.as_deref());
        password::nobodys(self, hashes, nobodys).await?;
        let mut tx = self.store.begin().await?;
        let existing = existing(&mut tx, &batch).await?;
        let (mut new, mut events) = (Vec::new(), Vec::new());
        let mut unchanged = 0;
        for member in batch {
            match existing.get(member.kvnr.as_str()) {
                None => new.push(member),
                Some(account) if account.register_hashes.as_deref() == Some(&member.hashes().joined()) => {
                    unchanged += 1;
                }
                Some(account) => {
                    update(self, &mut tx, account, &member, now).await?;
                    events.push((Event::AccountUpdated, self.keys.pseudonym(&member.kvnr)));
                }
            }
        }
        let changed = events.len() as u64;
        insert(&mut tx, &new, nobodys, now).await?;
        events.extend(new.iter().map(|member| (Event::AccountImported, self.keys.pseudonym(&member.kvnr))));
        let entries = events.iter().map(|(event, person)| Entry {
            actor: "operator",
            device: None,
            event: *event,
            object: person,
            result: "ok",
            detail: None,
        });
        audit::append_all(&mut tx, entries, now).await?;
        tx.commit().await?;
        report.imported += new.len() as u64;
        report.changed += changed;
        report.unchanged += unchanged;
        Ok(())
    }
}

/// The accounts there are of these people, by insurance number.
async fn existing(tx: &mut Tx, batch: &[Member]) -> Result<HashMap<String, Existing>, sqlx::Error> {
    let places = store::places(1, batch.len());
    let query = format!("SELECT account_id, kvnr, register_hashes FROM account WHERE kvnr IN ({places})");
    let mut query = sqlx::query_as::<_, Existing>(AssertSqlSafe(query));
    for member in batch {
        query = query.bind(member.kvnr.as_str().to_owned());
    }
    let rows = query.fetch_all(&mut **tx).await?;
    Ok(rows.into_iter().map(|row| (row.kvnr.clone(), row)).collect())
}

/// Makes accounts.
async fn insert(tx: &mut Tx, members: &[Member], nobodys: &Nobodys, now: NumericDate) -> Result<(), ImportError> {
    if members.is_empty() {
        return Ok(());
    }
    let insert = format!(
        "INSERT INTO account (kvnr, given_name, family_name, birth_date, address, membership_start, membership_end, \
         register_hashes, email, iccsn, state, created) VALUES {} RETURNING account_id, kvnr",
        store::rows(members.len(), 12)
    );
    let mut insert = sqlx::query_as::<_, (i64, String)>(AssertSqlSafe(insert));
    for member in members {
        let state = match member.password_hash {
            Some(_) => AccountState::Active,
            None => AccountState::Registered,
        };
        insert = insert.bind(member.kvnr.as_str().to_owned()).bind(member.given_name.clone());
        insert = insert.bind(member.family_name.clone()).bind(member.birth_date.clone());
        insert = insert.bind(member.address.clone()).bind(member.membership_start.clone());
        insert = insert.bind(member.membership_end.clone().flatten()).bind(member.hashes().joined());
        insert = insert.bind(member.email.clone()).bind(member.iccsn.clone().flatten());
        insert = insert.bind(state.as_str()).bind(now);
    }
    let made = insert.fetch_all(&mut **tx).await?;
    if members.iter().all(|member| member.password_hash.is_none()) {
        return Ok(());
    }
    let made: HashMap<String, i64> = made.into_iter().map(|(id, kvnr)| (kvnr, id)).collect();
    for member in members {
        if let (Some(phc), Some(id)) = (&member.password_hash, made.get(member.kvnr.as_str())) {
            password::bring(tx, *id, phc, nobodys, now).await?.ok_or(ImportError::PasswordHashes)?;
        }
    }
    Ok(())
}

/// Changes what the register has changed, and nothing else. A password hash counts only for a new account: who has one
/// has a password of her own.
async fn update(
    service: &Service,
    tx: &mut Tx,
    account: &Existing,
    member: &Member,
    now: NumericDate,
) -> Result<(), sqlx::Error> {
    let hashes = member.hashes();
    let mut before = account.register_hashes.as_deref().unwrap_or_default().split('.');
    let mut is_new = |now: &str| before.next() != Some(now);
    if is_new(&hashes.person) {
        let update = sqlx::query(
            "UPDATE account SET given_name = $2, family_name = $3, birth_date = $4, membership_start = $5 \
             WHERE account_id = $1",
        );
        let update = update.bind(account.account_id).bind(member.given_name.clone()).bind(member.family_name.clone());
        let update = update.bind(member.birth_date.clone()).bind(member.membership_start.clone());
        update.execute(&mut **tx).await?;
        if let Some(end) = &member.membership_end {
            let update = sqlx::query("UPDATE account SET membership_end = $2 WHERE account_id = $1");
            update.bind(account.account_id).bind(end.clone()).execute(&mut **tx).await?;
        }
        if let Some(iccsn) = &member.iccsn {
            let update = sqlx::query("UPDATE account SET iccsn = $2 WHERE account_id = $1");
            update.bind(account.account_id).bind(iccsn.clone()).execute(&mut **tx).await?;
        }
    }
    if is_new(&hashes.address) {
        let query = "SELECT COUNT(*) FROM account WHERE account_id = $1 AND address <> $2 AND first_login IS NOT NULL";
        let query = sqlx::query_scalar::<_, i64>(query).bind(account.account_id).bind(member.address.clone());
        // Whoever talked somebody at the insurer into it must not go unnoticed. The letter goes where they went before.
        if query.fetch_one(&mut **tx).await? > 0 {
            notice::queue(service, tx, account.account_id, Kind::AddressChanged, now).await?;
        }
        letter::change_address(tx, account.account_id, &member.address, now).await?;
    }
    if let (true, Some(email)) = (is_new(&hashes.email), &member.email) {
        change_email(service, tx, account.account_id, email, now).await?;
    }
    let update = sqlx::query("UPDATE account SET register_hashes = $2 WHERE account_id = $1");
    update.bind(account.account_id).bind(hashes.joined()).execute(&mut **tx).await.map(drop)
}

/// Notices go to another address; where they went before that is told, too, by letter where that was none. Who never
/// logged in has nothing to be told of.
async fn change_email(
    service: &Service,
    tx: &mut Tx,
    account_id: i64,
    email: &str,
    now: NumericDate,
) -> Result<(), sqlx::Error> {
    let query = "SELECT COUNT(*) FROM account \
                 WHERE account_id = $1 AND (email IS NULL OR email <> $2) AND (first_login IS NOT NULL OR email IS NOT NULL)";
    let query = sqlx::query_scalar::<_, i64>(query).bind(account_id).bind(email.to_owned());
    let is_told = query.fetch_one(&mut **tx).await? > 0;
    if is_told {
        notice::queue(service, tx, account_id, Kind::ContactChanged, now).await?;
    }
    let update = sqlx::query("UPDATE account SET email = $2 WHERE account_id = $1");
    update.bind(account_id).bind(email.to_owned()).execute(&mut **tx).await?;
    if is_told {
        notice::queue(service, tx, account_id, Kind::ContactChanged, now).await?;
    }
    Ok(())
}

/// What a row says, as the database remembers it.
struct Hashes {
    person: String,
    address: String,
    email: String,
}

impl Hashes {
    fn joined(&self) -> String {
        format!("{}.{}.{}", self.person, self.address, self.email)
    }
}

/// A short hash.
fn hashed(bytes: &[u8]) -> String {
    base64url::encode(Sha256Hash::of(bytes).as_bytes().get(..KEPT).unwrap_or_default())
}

impl Member {
    fn hashes(&self) -> Hashes {
        let mut person = String::new();
        let end = match &self.membership_end {
            None => "absent",
            Some(end) => end.as_deref().unwrap_or(""),
        };
        for value in [&self.given_name, &self.family_name, &self.birth_date, &self.membership_start, end] {
            person.push_str(value);
            person.push('\n'); // stands in none of them
        }
        if let Some(iccsn) = &self.iccsn {
            person.push_str(iccsn.as_deref().unwrap_or("none"));
        }
        let email = self.email.as_deref().unwrap_or_default();
        Hashes {
            person: hashed(person.as_bytes()),
            address: hashed(self.address.as_bytes()),
            email: hashed(email.as_bytes()),
        }
    }
}

/// Where in a row the columns stand.
struct Columns {
    required: [usize; COLUMNS.len()],
    optional: [Option<usize>; OPTIONAL.len()],
}

impl Columns {
    fn of(headers: &StringRecord, ignored: &mut Vec<String>) -> Result<Self, ImportError> {
        let find = |column: &'static str| {
            let mut places = headers.iter().enumerate().filter(|(_, name)| *name == column).map(|(place, _)| place);
            match (places.next(), places.next()) {
                (place, None) => Ok(place),
                _ => Err(ImportError::Header(column)),
            }
        };
        let mut columns = Self { required: [0; COLUMNS.len()], optional: [None; OPTIONAL.len()] };
        for (place, column) in columns.required.iter_mut().zip(COLUMNS) {
            *place = find(column)?.ok_or(ImportError::Header(column))?;
        }
        for (place, column) in columns.optional.iter_mut().zip(OPTIONAL) {
            *place = find(column)?;
        }
        let known = |name: &&str| COLUMNS.contains(name) || OPTIONAL.contains(name);
        ignored.extend(headers.iter().filter(|name| !known(name)).map(str::to_owned));
        Ok(columns)
    }

    /// Checks a row.
    fn member(&self, record: &StringRecord, line: u64) -> Result<Member, (u64, Rejected)> {
        let required = self.required.map(|place| record.get(place).unwrap_or_default());
        let optional = self.optional.map(|place| place.map(|place| record.get(place).unwrap_or_default()));
        member(line, required, optional).map_err(|reason| (line, reason))
    }
}

fn member(
    line: u64,
    [kvnr, given_name, family_name, birth_date, street, house_number, postal_code, city, country, membership_start]: [&str; 10],
    [membership_end, password_hash, email, iccsn]: [Option<&str>; 4],
) -> Result<Member, Rejected> {
    let kvnr = Kvnr::typed(kvnr)?;
    parse_date(birth_date).ok_or(Rejected::Date("birth_date"))?;
    let start = parse_date(membership_start).ok_or(Rejected::Date("membership_start"))?;
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    if let Some(end) = membership_end.filter(|end| !end.is_empty())
        && parse_date(end).ok_or(Rejected::Date("membership_end"))? < start
    {
        return Err(Rejected::End);
    }
    let address = Address {
        street: given(street),
        house_number: given(house_number),
        postal_code: given(postal_code),
        city: city.to_owned(),
        country: country.to_owned(),
        supplement: None,
    };
    let json = serde_json::to_string(&address).map_err(|_| Rejected::Text)?;
    let is_plain = [given_name, family_name].into_iter().all(is_plain_text);
    let rules = Change::Address(OldNew { old: None, new: address }).check();
    if !is_plain || rules.is_err() {
        return Err(Rejected::Text);
    }
    let password_hash = password_hash.and_then(given);
    if password_hash.as_deref().is_some_and(|phc| !password::is_hash(phc)) {
        return Err(Rejected::PasswordHash);
    }
    let email = email.and_then(given);
    if email.as_deref().is_some_and(|email| !is_email(email)) {
        return Err(Rejected::Email);
    }
    let iccsn = iccsn.map(given);
    if iccsn.as_ref().and_then(Option::as_deref).is_some_and(|iccsn| Iccsn::from_digits(iccsn).is_none()) {
        return Err(Rejected::Iccsn);
    }
    Ok(Member {
        line,
        kvnr,
        given_name: given_name.to_owned(),
        family_name: family_name.to_owned(),
        birth_date: birth_date.to_owned(),
        address: json,
        membership_start: membership_start.to_owned(),
        membership_end: membership_end.map(given),
        password_hash,
        email,
        iccsn,
    })
}
