//! Whose cards are accepted: CAs that the operator has pinned, and those of the trust list, which is read anew when its files
//! change (`docs/operating.md`). A list that is not good, or older than the one before, is not taken.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::watch::Receiver;

use super::audit;
use super::http::Refusal;
use super::states::Event;
use super::store::{Store, Tx};
use super::{ServerError, Service, Settings};
use crate::disk;
use crate::pki::trust_list::{MAX_LIST, MAX_SIGNATURE, Received, TrustList, TrustListError};
use crate::pki::{AnchorError, Anchors, Issuer, ProductionAnchors};
use crate::protocol::evidence::TrustListEvidence;
use crate::protocol::{NumericDate, Sha256Hash};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// From when on the log tells every day that a list's time ends, in seconds.
const WARN_BEFORE: i64 = 7 * DAY;
const DAY: i64 = 24 * 60 * 60;

/// Where the trust list comes from.
#[derive(Debug, Default)]
pub struct TrustListSettings {
    /// The list (XML) as it was received.
    pub list: PathBuf,
    /// Its detached signature (DER).
    pub signature: PathBuf,
    /// The CAs whose signers' lists are taken.
    pub signers: Vec<Issuer>,
    /// Whether the responders that the list names for a CA (ServiceSupplyPoint) are asked about its cards.
    pub ask_responders: bool,
}

/// Why a list is not taken.
#[derive(Debug, Error)]
pub enum TrustListFault {
    /// A file cannot be read.
    #[error("{0} cannot be read")]
    File(PathBuf, #[source] std::io::Error),
    /// It is not believed.
    #[error("{0} is not believed")]
    List(PathBuf, #[source] TrustListError),
    /// It is one of test cards, and the service is for real ones.
    #[error("{0} cannot be used for real cards")]
    Anchor(PathBuf, #[source] AnchorError),
    /// A newer one, or another one of the same number, was taken before.
    #[error("{0} has number {1}, and a list with number {2} was taken before")]
    Older(PathBuf, u64, u64),
}

/// Whose cards are accepted.
pub(super) struct Accepted {
    pinned: Arc<dyn Anchors>,
    set: Option<TrustListSettings>,
    now: RwLock<InUse>,
}

#[derive(Clone)]
struct InUse {
    anchors: Arc<dyn Anchors>,
    list: Option<Arc<TrustList>>,
}

impl Accepted {
    /// Takes what is set out of the settings, and the list from its files; where these are not good, the newest one that was
    /// taken before.
    pub(super) async fn open(settings: &mut Settings, store: &Store, at: OffsetDateTime) -> Result<Self, ServerError> {
        let none = Box::<ProductionAnchors>::default();
        let pinned: Arc<dyn Anchors> = Arc::from(std::mem::replace(&mut settings.anchors, none));
        let now = RwLock::new(InUse { anchors: Arc::clone(&pinned), list: None });
        let accepted = Self { pinned, set: settings.trust_list.take(), now };
        let Some(set) = &accepted.set else { return Ok(accepted) };
        if let Some(kept) = newest(store, set, at).await?
            && let Ok(anchors) = accepted.pinned.with_list(&kept)
        {
            accepted.put(InUse { anchors, list: Some(Arc::new(kept)) });
        }
        match (accepted.take_up(store, at).await, accepted.list()) {
            (Ok(()), _) => {}
            (Err(ServerError::TrustList(fault)), Some(_)) => tell(&fault),
            (Err(error), _) => return Err(error),
        }
        Ok(accepted)
    }

    /// The CAs and responders that are trusted now.
    pub(super) fn anchors(&self) -> Arc<dyn Anchors> {
        self.in_use().anchors
    }

    /// The list in use.
    pub(super) fn list(&self) -> Option<Arc<TrustList>> {
        self.in_use().list
    }

    /// Whether the responders that the list names are asked.
    pub(super) fn asks_responders(&self) -> bool {
        self.set.as_ref().is_some_and(|set| set.ask_responders)
    }

    fn in_use(&self) -> InUse {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, in_use: InUse) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = in_use;
    }

    /// Takes the list of the files where it is another one than the one in use.
    async fn take_up(&self, store: &Store, at: OffsetDateTime) -> Result<(), ServerError> {
        let Some(set) = &self.set else { return Ok(()) };
        let (list, signature) = (bytes(&set.list, MAX_LIST)?, bytes(&set.signature, MAX_SIGNATURE)?);
        let before = self.list();
        if before.as_ref().is_some_and(|it| it.received().list() == list && it.received().signature() == signature) {
            return Ok(());
        }
        let not_believed = |error| TrustListFault::List(set.list.clone(), error);
        let list = TrustList::verify(&list, &signature, &set.signers, at).map_err(not_believed)?;
        // SE_1007: it is newer than the one before, whether that one still verifies or not; the same list with a new
        // signature is the same.
        let newest = "SELECT sequence, sha256 FROM trust_list ORDER BY sequence DESC LIMIT 1";
        let newest = sqlx::query_as::<_, (i64, String)>(newest).fetch_optional(store.pool()).await?;
        if let Some((before, sha256)) = newest
            && sequence(list.received()) <= before
            && Sha256Hash::from(list.received().sha256()).to_string() != sha256
        {
            return Err(TrustListFault::Older(set.list.clone(), list.sequence(), before.unsigned_abs()).into());
        }
        let refused = |error| TrustListFault::Anchor(set.list.clone(), error);
        let anchors = self.pinned.with_list(&list).map_err(refused)?;
        keep(store, &list, at.unix_timestamp()).await?;
        tracing::info!(sequence = list.sequence(), next_update = %list.next_update(), "the trust list is in use");
        self.put(InUse { anchors, list: Some(Arc::new(list)) });
        Ok(())
    }
}

fn bytes(path: &Path, max: usize) -> Result<Vec<u8>, TrustListFault> {
    let content = disk::read(path, max).and_then(|found| found.ok_or(std::io::ErrorKind::NotFound.into()));
    content.map_err(|error| TrustListFault::File(path.to_owned(), error))
}

fn tell(fault: &TrustListFault) {
    let cause = std::error::Error::source(fault).map(ToString::to_string);
    tracing::warn!(error = %fault, cause, "the trust list was not taken; the one before stays in use");
}

/// The newest list that was taken and that one of these signers' CAs stands for.
async fn newest(store: &Store, set: &TrustListSettings, at: OffsetDateTime) -> Result<Option<TrustList>, ServerError> {
    let query = "SELECT list, signature FROM trust_list ORDER BY sequence DESC LIMIT 1";
    let row = sqlx::query_as::<_, (Vec<u8>, Vec<u8>)>(query).fetch_optional(store.pool()).await?;
    let list = row.and_then(|(list, signature)| {
        let list = TrustListEvidence { list, signature: Vec::new() }.unpack()?;
        TrustList::verify(&list, &signature, &set.signers, at).ok()
    });
    Ok(list)
}

/// Keeps a list that is taken, once, and forgets older ones with which nothing was bound.
async fn keep(store: &Store, list: &TrustList, now: NumericDate) -> Result<(), ServerError> {
    let mut tx = store.begin().await?;
    if insert(&mut tx, list.received(), false, now).await? {
        let forget = sqlx::query("DELETE FROM trust_list WHERE used = 0 AND sequence < $1");
        forget.bind(sequence(list.received())).execute(&mut *tx).await?;
        let entry = audit::Entry {
            actor: "service",
            device: None,
            event: Event::TrustListTaken,
            object: &list.sequence().to_string(),
            result: "ok",
            detail: Some(Sha256Hash::from(list.received().sha256()).to_string()),
        };
        audit::append(&mut tx, entry, now).await.map_err(sqlx::Error::from)?;
    }
    Ok(tx.commit().await?)
}

/// Keeps the list that a binding rests on for as long as there is evidence of it.
pub(super) async fn freeze(tx: &mut Tx, received: &Received, now: NumericDate) -> Result<(), Refusal> {
    let used = sqlx::query("UPDATE trust_list SET used = 1 WHERE sha256 = $1");
    let used = used.bind(Sha256Hash::from(received.sha256()).to_string()).execute(&mut **tx).await?;
    // Another process may have taken a newer one, and forgotten this one.
    if used.rows_affected() == 0 && !insert(tx, received, true, now).await? {
        return Err(Refusal::internal());
    }
    Ok(())
}

async fn insert(tx: &mut Tx, received: &Received, used: bool, now: NumericDate) -> Result<bool, sqlx::Error> {
    let packed = TrustListEvidence::pack(received)?;
    let insert = "INSERT INTO trust_list (sha256, sequence, list, signature, taken, used) VALUES ($1, $2, $3, $4, $5, $6) \
                  ON CONFLICT (sha256) DO NOTHING";
    let insert = sqlx::query(insert).bind(Sha256Hash::from(received.sha256()).to_string()).bind(sequence(received));
    let insert = insert.bind(packed.list).bind(packed.signature).bind(now).bind(i64::from(used));
    Ok(insert.execute(&mut **tx).await?.rows_affected() == 1)
}

fn sequence(received: &Received) -> i64 {
    i64::try_from(received.sequence()).unwrap_or(i64::MAX)
}

/// The list with this hash, which a binding rests on.
pub(super) async fn evidence(service: &Service, sha256: &str) -> Result<TrustListEvidence, Refusal> {
    let query = "SELECT list, signature FROM trust_list WHERE sha256 = $1";
    let query = sqlx::query_as::<_, (Vec<u8>, Vec<u8>)>(query).bind(sha256.to_owned());
    let (list, signature) = query.fetch_one(service.store.pool()).await?;
    Ok(TrustListEvidence { list, signature })
}

/// Looks for a new list, and tells when the time of the one in use ends, until `stops`.
pub(super) async fn look_after(service: Arc<Service>, mut stops: Receiver<bool>) {
    let Some(set) = &service.accepted.set else { return };
    let (mut seen, mut told, mut unreadable) = (None, None, false);
    while tokio::time::timeout(LOOK, stops.changed()).await.is_err() {
        let stamps = [&set.list, &set.signature].map(|path| stamp(path));
        // Of a pair of which only one file was replaced yet the other one follows: the next look decides.
        if seen != Some(stamps) {
            seen = Some(stamps);
            match service.accepted.take_up(&service.store, service.now()).await {
                Ok(()) => unreadable = false,
                Err(ServerError::TrustList(fault @ TrustListFault::File(..))) => {
                    // What may be read does not show in the stamp: it is tried again, and told once.
                    if !std::mem::replace(&mut unreadable, true) {
                        tell(&fault);
                    }
                    seen = None;
                }
                Err(ServerError::TrustList(fault)) => tell(&fault),
                Err(error) => {
                    tracing::error!(%error, "the trust list cannot be kept; it is tried again");
                    seen = None;
                }
            }
        }
        let now = service.now_unix();
        let left = service.accepted.list().map(|list| list.next_update().unix_timestamp().saturating_sub(now));
        if let Some(left) = left.filter(|left| *left < WARN_BEFORE)
            && told.is_none_or(|(at, before): (i64, i64)| now.saturating_sub(at) >= DAY || (before >= 0 && left < 0))
        {
            told = Some((now, left));
            match left {
                ..0 => tracing::error!(
                    "the trust list has expired: no card of its CAs is accepted until there is a new one"
                ),
                left => tracing::warn!(hours = left / 3600, "the time of the trust list ends soon"),
            }
        }
    }
}

/// By what a changed file is known without reading it.
fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.len(), about.modified().ok()?))
}
