//! Whether the audit is whole (`audit verify`): every entry follows the one before, and nothing that was signed and kept,
//! or signed and handed out, contradicts it.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, Read as _};

use thiserror::Error;

use crate::jose::{Es256, JwsError, Message, P256Jwk, json, jws};
use crate::protocol::audit::{AuditHead, Entry, EntryError, Position};
use crate::protocol::service::{Receipt, ServiceKeySet};
use crate::server::keys::{ServiceKeys, Signing};
use crate::server::states::Event;
use crate::server::store::{Connection, Store, places};
use crate::server::{ServerError, Service, Settings, random};

/// Entries read at a time.
const BATCH: i64 = 1000;
/// Longest line of a file: entries are far shorter.
const MAX_LINE: u64 = 64 * 1024;

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Number of the first entry.
    pub first: i64,
    /// Number of the last one.
    pub last: i64,
    /// Heads that the chain contains.
    pub heads: u64,
    /// Receipts whose entry stands where they say.
    pub receipts: u64,
}

/// What is wrong with an audit.
#[derive(Debug, Error)]
pub enum AuditFault {
    /// An entry does not follow the one before; it is the first.
    #[error("entry {0}: {1}")]
    Entry(i64, EntryError),
    /// The database keeps another value of the chain beside the entry.
    #[error("entry {0}: the hash beside it is not its own")]
    Hash(i64),
    /// Something the service signed is by none of its keys, or no word of this service.
    #[error("{0} is not signed by a key of the service")]
    Unsigned(String),
    /// A head was signed over another chain.
    #[error("the head of {at} was signed over other entries than 1 to {seq}")]
    Head {
        /// Number of the last entry it was signed over.
        seq: i64,
        /// When, in seconds since 1970.
        at: i64,
    },
    /// Entries are missing at the end.
    #[error("the head of {at} was signed over {seq} entries, and there are {last}")]
    Cut {
        /// Number of the last entry it was signed over.
        seq: i64,
        /// When, in seconds since 1970.
        at: i64,
        /// Number of the last entry.
        last: i64,
    },
    /// A receipt was given for something else, at another time or at another place of the chain.
    #[error("entry {0}: the receipt for it says something else")]
    Receipt(i64),
    /// A receipt was given and the audit knows nothing of it.
    #[error("the entry about {0} is missing")]
    NoEntry(String),
}

impl AuditFault {
    /// Whether the chain breaks by itself, without anything that was signed.
    pub fn is_broken_chain(&self) -> bool {
        matches!(self, Self::Entry(..) | Self::Hash(_))
    }
}

/// Why an audit does not verify.
#[derive(Debug, Error)]
pub enum AuditVerifyError {
    /// It is not whole.
    #[error("the audit is not whole")]
    Fault(#[from] AuditFault),
    /// It cannot be read.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A file cannot be read as what it should be.
    #[error("the file cannot be read")]
    File(#[from] std::io::Error),
    /// A file with neither heads nor receipts in it.
    #[error("the file holds neither head nor receipt of a service")]
    NoStatements,
}

impl From<sqlx::Error> for AuditVerifyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Server(error.into())
    }
}

/// Heads and receipts that were handed out: what the audit must not contradict, whatever became of the database.
#[derive(Debug, Default)]
pub struct Statements {
    heads: Vec<AuditHead>,
    receipts: Vec<Receipt>,
}

impl Statements {
    /// Adds every head and every receipt that stands in `text`: evidence, the published list, or one word a line.
    ///
    /// # Errors
    /// [`AuditVerifyError::NoStatements`], and [`AuditFault::Unsigned`] for one that none of `keys` has signed.
    pub fn add(&mut self, text: &str, keys: &[P256Jwk]) -> Result<(), AuditVerifyError> {
        let before = self.heads.len() + self.receipts.len();
        let is_of_jws = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
        for word in text.split(|c| !is_of_jws(c)) {
            if let Some(head) = word_of(word, keys, "a head")? {
                self.heads.push(head);
            } else if let Some(receipt) = word_of(word, keys, "a receipt")? {
                self.receipts.push(receipt);
            }
        }
        if self.heads.len() + self.receipts.len() == before { Err(AuditVerifyError::NoStatements) } else { Ok(()) }
    }
}

/// Public keys of a service.
#[derive(Clone, Debug)]
pub struct PublicKeys {
    /// Those in use; the first one signs.
    pub listed: ServiceKeySet,
    /// Those that were retired, oldest first.
    pub former: Vec<P256Jwk>,
    /// Those that were revoked, oldest first.
    pub revoked: Vec<P256Jwk>,
}

impl PublicKeys {
    pub(in crate::server) fn of(signing: &Signing) -> Self {
        let (former, revoked) = (signing.former().to_vec(), signing.revoked().to_vec());
        Self { listed: signing.listed().clone(), former, revoked }
    }

    /// Those whose word counts, whoever shows it.
    pub fn believed(&self) -> Vec<P256Jwk> {
        [&self.listed, self.former.as_slice()].concat()
    }

    /// All that ever signed what the service has kept.
    pub fn all(&self) -> Vec<P256Jwk> {
        [self.believed(), self.revoked.clone()].concat()
    }
}

/// A word of the service; `None` where it is something else.
fn word_of<M: Message<Algorithm = Es256>>(word: &str, keys: &[P256Jwk], what: &str) -> Result<Option<M>, AuditFault> {
    match jws::verify_by_any(word, keys) {
        Ok((_, message)) => Ok(Some(message)),
        Err(JwsError::Signature) => Err(AuditFault::Unsigned(what.to_owned())),
        Err(JwsError::Header | JwsError::Malformed) => Ok(None),
    }
}

/// A word of the service that is kept.
fn kept<M: Message<Algorithm = Es256>>(compact: &str, keys: &[P256Jwk], what: &str) -> Result<M, AuditFault> {
    let read = jws::verify_by_any(compact, keys).map(|(_, message)| message);
    read.map_err(|_| AuditFault::Unsigned(what.to_owned()))
}

/// Walks along the chain, and meets what was signed about it.
struct Walk {
    place: Position,
    report: AuditReport,
    heads: HashMap<i64, Vec<AuditHead>>,
    /// By the chain's value before their entries.
    receipts: HashMap<[u8; 32], Vec<Receipt>>,
}

impl Walk {
    fn from(place: Position, statements: Statements) -> Result<Self, AuditFault> {
        let report = AuditReport { first: place.seq.saturating_add(1), last: place.seq, ..AuditReport::default() };
        let mut walk = Self { place, report, heads: HashMap::new(), receipts: HashMap::new() };
        for receipt in statements.receipts {
            walk.receipts.entry(*receipt.audit_head.as_bytes()).or_default().push(receipt);
        }
        for head in statements.heads {
            walk.heads.entry(head.seq).or_default().push(head);
        }
        walk.meet_heads()?;
        Ok(walk)
    }

    /// The next entry, and what is kept beside it as the chain's value.
    fn step(&mut self, bytes: &[u8], beside: Option<&str>) -> Result<Entry, AuditFault> {
        let number = self.place.seq.saturating_add(1);
        let (place, entry) = self.place.next(bytes).map_err(|error| AuditFault::Entry(number, error))?;
        if beside.is_some_and(|beside| *beside != place.sha256.to_string()) {
            return Err(AuditFault::Hash(number));
        }
        for receipt in self.receipts.remove(self.place.sha256.as_bytes()).unwrap_or_default() {
            self.meet(&receipt, &entry)?;
        }
        self.place = place;
        self.report.last = place.seq;
        self.meet_heads()?;
        Ok(entry)
    }

    fn meet_heads(&mut self) -> Result<(), AuditFault> {
        for head in self.heads.remove(&self.place.seq).unwrap_or_default() {
            if head.sha256 != self.place.sha256 {
                return Err(AuditFault::Head { seq: head.seq, at: head.at });
            }
            self.report.heads += 1;
        }
        Ok(())
    }

    /// The receipt was given for what this entry tells, right here.
    fn meet(&mut self, receipt: &Receipt, entry: &Entry) -> Result<(), AuditFault> {
        let is_here = receipt.audit_head == entry.prev_sha256
            && receipt.audit_seq.is_none_or(|before| before.checked_add(1) == Some(entry.seq));
        let is_of_this = entry.detail == Some(receipt.sha256.to_string()) && entry.ts == receipt.at;
        if !is_here || !is_of_this {
            return Err(AuditFault::Receipt(entry.seq));
        }
        self.report.receipts += 1;
        Ok(())
    }

    /// Nothing that was signed is left over. Statements about what came before the first entry say nothing here.
    fn end(self) -> Result<AuditReport, AuditFault> {
        let last = self.report.last;
        let mut left: Vec<_> = self.heads.into_values().flatten().filter(|head| head.seq > last).collect();
        left.sort_by_key(|head| head.seq);
        if let Some(head) = left.first() {
            return Err(AuditFault::Cut { seq: head.seq, at: head.at, last });
        }
        let is_of_here = |receipt: &&Receipt| {
            self.report.first <= 1 || receipt.audit_seq.is_some_and(|before| before >= self.report.first - 1)
        };
        match self.receipts.values().flatten().find(is_of_here) {
            Some(receipt) => Err(AuditFault::NoEntry(receipt.id.clone())),
            None => Ok(self.report),
        }
    }
}

/// Verifies lines of the operators' `audit`, from whatever entry on they begin.
///
/// # Errors
/// [`AuditVerifyError`].
pub fn verify_audit_lines(mut file: impl BufRead, statements: Statements) -> Result<AuditReport, AuditVerifyError> {
    let mut statements = Some(statements);
    let mut walk: Option<Walk> = None;
    loop {
        let mut line = Vec::new();
        (&mut file).take(MAX_LINE).read_until(b'\n', &mut line)?;
        let entry = line.strip_suffix(b"\n").unwrap_or(&line);
        if entry.is_empty() {
            break;
        }
        let mut here = match walk.take() {
            Some(walk) => walk,
            None => {
                let first: Entry = json::read(entry).map_err(|_| AuditFault::Entry(1, EntryError::Malformed))?;
                // What comes before a part of the audit is not known; the first entry of all comes after nothing.
                let before = Position { seq: first.seq.saturating_sub(1), sha256: first.prev_sha256 };
                let before = if before.seq == 0 { Position::start() } else { before };
                Walk::from(before, statements.take().unwrap_or_default())?
            }
        };
        here.step(entry, None)?;
        walk = Some(here);
    }
    match walk {
        Some(walk) => Ok(walk.end()?),
        None => Ok(Walk::from(Position::start(), statements.take().unwrap_or_default())?.end()?),
    }
}

impl Service {
    /// The keys that heads and receipts of a service are verified with.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn public_keys(settings: &Settings) -> Result<PublicKeys, ServerError> {
        if !settings.data.exists() {
            return Err(ServerError::Unused);
        }
        Ok(PublicKeys::of(&ServiceKeys::open(&settings.data, true, &mut random())?.signing()))
    }

    /// Verifies the audit in the database of a service, which may run meanwhile, with the heads and receipts that are
    /// kept there and `statements` that were handed out.
    ///
    /// # Errors
    /// [`AuditVerifyError`].
    pub async fn verify_audit(settings: &Settings, statements: Statements) -> Result<AuditReport, AuditVerifyError> {
        let keys = Self::public_keys(settings)?.all();
        let store = Store::connect(&settings.database, &settings.data).await?;
        let done = verify(&store, &keys, statements).await;
        store.close().await;
        done
    }
}

async fn verify(store: &Store, keys: &[P256Jwk], statements: Statements) -> Result<AuditReport, AuditVerifyError> {
    if !store.is_used().await? {
        return Err(ServerError::Unused.into());
    }
    // All of it is read as it is at one moment: the service may go on writing.
    let mut tx = store.begin_read().await?;
    let mut walk = Walk::from(Position::start(), statements)?;
    let mut kept_receipts = 0;
    loop {
        let from = walk.place.seq;
        let batch = "SELECT seq, entry, sha256 FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
        let batch = sqlx::query_as::<_, (i64, Vec<u8>, String)>(batch).bind(from).bind(BATCH);
        let batch = batch.fetch_all(&mut *tx).await?;
        let to = batch.last().map_or(i64::MAX, |(seq, ..)| *seq);
        let heads = "SELECT head FROM audit_head WHERE seq BETWEEN $1 AND $2";
        let from_first = if from == 0 { 0 } else { from.saturating_add(1) };
        let heads = sqlx::query_scalar::<_, String>(heads).bind(from_first).bind(to).fetch_all(&mut *tx).await?;
        for head in heads {
            let head: AuditHead = kept(&head, keys, "a kept head")?;
            walk.heads.entry(head.seq).or_default().push(head);
        }
        walk.meet_heads()?;
        if batch.is_empty() {
            break;
        }
        let mut entries = Vec::new();
        for (_, bytes, sha256) in &batch {
            entries.push(walk.step(bytes, Some(sha256))?);
        }
        kept_receipts += meet_kept(&mut tx, &mut walk, &entries, keys).await?;
    }
    let receipts = "SELECT (SELECT COUNT(*) FROM device) + (SELECT COUNT(*) FROM device_binding) \
         + (SELECT COUNT(*) FROM application WHERE evidence IS NOT NULL)";
    let missing = sqlx::query_scalar::<_, i64>(receipts).fetch_one(&mut *tx).await? - kept_receipts;
    if missing != 0 {
        return Err(AuditFault::NoEntry(format!("{missing} receipts in the database")).into());
    }
    Ok(walk.end()?)
}

/// Meets the receipts that are kept with devices and applications. Each is found by the entry it was given for; gives how
/// many there were.
async fn meet_kept(
    connection: &mut Connection,
    walk: &mut Walk,
    entries: &[Entry],
    keys: &[P256Jwk],
) -> Result<i64, AuditVerifyError> {
    let about = |events: &[Event]| {
        let is_one = |entry: &&Entry| entry.detail.is_some() && events.iter().any(|it| it.as_str() == entry.event);
        entries.iter().filter(is_one).collect::<Vec<_>>()
    };
    let bound = about(&[Event::DeviceBound, Event::DeviceRebound]);
    // A device keeps the receipt of its newest binding; those before are kept where they were replaced.
    let replaced = meet(connection, walk, ("device_binding", "registration_id"), by_object(&bound), keys).await?;
    let newest = bound.into_iter().filter(|entry| !replaced.contains(&entry.object));
    let newest = newest.filter_map(|entry| Some((entry.device_id?.to_string(), entry))).collect();
    let devices = meet(connection, walk, ("device", "device_id"), newest, keys).await?;
    let decided = about(&[Event::ApplicationApproved, Event::ApplicationDenied, Event::ApplicationNotMe]);
    let decided = meet(connection, walk, ("application", "application_id"), by_object(&decided), keys).await?;
    let met = replaced.len() + devices.len() + decided.len();
    Ok(i64::try_from(met).unwrap_or(i64::MAX))
}

fn by_object<'a>(entries: &[&'a Entry]) -> HashMap<String, &'a Entry> {
    entries.iter().map(|entry| (entry.object.clone(), *entry)).collect()
}

/// Meets the receipts that a table keeps, with the entries by what its column names; gives those names.
async fn meet(
    connection: &mut Connection,
    walk: &mut Walk,
    (table, column): (&str, &str),
    wanted: HashMap<String, &Entry>,
    keys: &[P256Jwk],
) -> Result<HashSet<String>, AuditVerifyError> {
    let mut met = HashSet::new();
    if wanted.is_empty() {
        return Ok(met);
    }
    let query = format!(
        "SELECT {column}, evidence FROM {table} WHERE evidence IS NOT NULL AND {column} IN ({})",
        places(1, wanted.len())
    );
    let mut query = sqlx::query_as::<_, (String, String)>(sqlx::AssertSqlSafe(query));
    for id in wanted.keys() {
        query = query.bind(id.clone());
    }
    for (id, evidence) in query.fetch_all(connection).await? {
        let Some(entry) = wanted.get(&id) else { continue };
        let receipt = receipt_of(&evidence).ok_or(AuditFault::Receipt(entry.seq))?;
        let receipt = kept(&receipt, keys, "a kept receipt")?;
        walk.meet(&receipt, entry)?;
        met.insert(id);
    }
    Ok(met)
}

fn receipt_of(evidence: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct WithReceipt {
        receipt: String,
    }
    serde_json::from_str::<WithReceipt>(evidence).ok().map(|evidence| evidence.receipt)
}
