//! The insurer's register of members, imported from CSV. Initial passwords are handed out once.

use std::io::Read;

use serde::Deserialize;
use thiserror::Error;

use super::account::parse_date;
use super::audit::{self, AuditError, Entry};
use super::password::{self, Kept};
use super::states::{AccountState, Event, States as _};
use super::{Service, random};
use crate::identity::kvnr::{Kvnr, KvnrError};
use crate::identity::vsd::Address;
use crate::protocol::application::{Change, OldNew};
use crate::secret::SecretText;

/// What the header line names, in any order and beside others: the members of [`Row`]. `membership_end` (the last day)
/// and `password_hash` (of who has a password already) may be there as well.
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

/// One row.
#[derive(Deserialize)]
struct Row {
    kvnr: String,
    given_name: String,
    family_name: String,
    birth_date: String,
    street: String,
    house_number: String,
    postal_code: String,
    city: String,
    country: String,
    membership_start: String,
    #[serde(default)]
    membership_end: Option<String>,
    #[serde(default)]
    password_hash: Option<String>,
}

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
    /// A name or a part of the address is not plain text, or the postal code is wrong.
    #[error("name or address: not plain text, or a wrong postal code")]
    Text,
    /// The password hash.
    #[error("password_hash: neither Argon2id as a PHC string nor bcrypt, or costlier than this service bears")]
    PasswordHash,
    /// The account exists; it is left as it is.
    #[error("the account exists already")]
    Exists,
}

/// What became of a file.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// Rows that were not taken, with their line.
    pub rejected: Vec<(u64, Rejected)>,
    /// How many accounts were made.
    pub imported: u64,
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
    /// The database refused; rows before this one are imported.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
    /// The audit entry could not be written; rows before this one are imported.
    #[error("the audit entry could not be written")]
    Audit(#[from] AuditError),
    /// The hash of the password needs 64 MiB of memory.
    #[error("the initial password could not be hashed: memory is short")]
    Hash,
    /// The initial password could not be handed out; its account was not made.
    #[error("the initial password could not be written")]
    Output(#[source] std::io::Error),
}

impl Service {
    /// Imports members, one transaction for each. `hand_out` gets each initial password once, before its account is
    /// made: nobody is left with an account whose password is lost.
    ///
    /// # Errors
    /// [`ImportError`]; rows before are imported, and importing the file again goes on where it stopped.
    pub async fn import(
        &self,
        file: impl Read,
        mut hand_out: impl FnMut(&Kvnr, &SecretText) -> std::io::Result<()>,
    ) -> Result<ImportReport, ImportError> {
        let mut report = ImportReport::default();
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let headers = reader.headers().map_err(ImportError::File)?.clone();
        for column in COLUMNS {
            if headers.iter().filter(|name| *name == column).count() != 1 {
                return Err(ImportError::Header(column));
            }
        }
        for record in reader.records() {
            let (line, row) = match record {
                Ok(record) => {
                    (record.position().map_or(0, csv::Position::line), record.deserialize::<Row>(Some(&headers)))
                }
                Err(error) if error.is_io_error() => return Err(ImportError::File(error)),
                Err(error) => (error.position().map_or(0, csv::Position::line), Err(error)),
            };
            match row {
                Err(_) => report.rejected.push((line, Rejected::Columns)),
                Ok(row) => match self.import_row(row, &mut hand_out).await? {
                    Ok(()) => report.imported += 1,
                    Err(rejected) => report.rejected.push((line, rejected)),
                },
            }
        }
        Ok(report)
    }

    async fn import_row(
        &self,
        row: Row,
        hand_out: &mut impl FnMut(&Kvnr, &SecretText) -> std::io::Result<()>,
    ) -> Result<Result<(), Rejected>, ImportError> {
        let (kvnr, address) = match check(&row) {
            Ok(checked) => checked,
            Err(rejected) => return Ok(Err(rejected)),
        };
        let mut tx = self.store.begin().await?;
        let exists = sqlx::query("SELECT 1 FROM account WHERE kvnr = $1").bind(kvnr.as_str());
        if exists.fetch_optional(&mut *tx).await?.is_some() {
            return Ok(Err(Rejected::Exists));
        }
        let now = self.now_unix();
        let insert = sqlx::query_scalar::<_, i64>(
            "INSERT INTO account (kvnr, given_name, family_name, birth_date, address, membership_start, created, state, \
             membership_end) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING account_id",
        );
        let insert = insert.bind(kvnr.as_str()).bind(row.given_name).bind(row.family_name).bind(row.birth_date);
        let insert = insert.bind(address).bind(row.membership_start).bind(now).bind(AccountState::Active.as_str());
        let account_id = insert.bind(row.membership_end).fetch_one(&mut *tx).await?;
        let initial = match &row.password_hash {
            Some(phc) => {
                if password::bring(&mut tx, account_id, phc, now).await?.is_none() {
                    return Ok(Err(Rejected::PasswordHash));
                }
                None
            }
            None => {
                let password = password::initial::random(&mut random());
                let kept = Kept::hashed(self, &password).await.map_err(|_| ImportError::Hash)?;
                kept.keep(&mut tx, account_id, now).await?;
                Some(password)
            }
        };
        let object = self.keys.pseudonym(&kvnr);
        let event = Event::AccountImported;
        let entry = Entry { actor: "operator", device: None, event, object: &object, result: "ok", detail: None };
        audit::append(&mut tx, entry, now).await?;
        if let Some(password) = initial {
            hand_out(&kvnr, &password).map_err(ImportError::Output)?;
        }
        tx.commit().await?;
        Ok(Ok(()))
    }
}

/// Checks a row; the address as JSON.
fn check(row: &Row) -> Result<(Kvnr, String), Rejected> {
    let kvnr = Kvnr::typed(&row.kvnr)?;
    let dates = [("birth_date", &row.birth_date), ("membership_start", &row.membership_start)].into_iter();
    for (name, date) in dates.chain(row.membership_end.iter().map(|end| ("membership_end", end))) {
        parse_date(date).ok_or(Rejected::Date(name))?;
    }
    let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let address = Address {
        street: optional(&row.street),
        house_number: optional(&row.house_number),
        postal_code: optional(&row.postal_code),
        city: row.city.clone(),
        country: row.country.clone(),
        supplement: None,
    };
    let json = serde_json::to_string(&address).map_err(|_| Rejected::Text)?;
    let names = [&row.given_name, &row.family_name];
    let plain = names.into_iter().all(|name| crate::protocol::application::is_plain_text(name));
    let rules = Change::Address(OldNew { old: None, new: address }).check();
    if plain && rules.is_ok() { Ok((kvnr, json)) } else { Err(Rejected::Text) }
}
