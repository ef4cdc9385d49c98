//! Programs that wait for approvals (`docs/protocol.md`, watching). Each holds a connection open and is told of a new one
//! within a second, whichever process it was submitted to.
//!
//! What happens is read from the audit, which all processes write and which has one order: one query for everybody who
//! waits here, twice a second and right after a submission to this process. A connection that waits costs no query and
//! keeps nothing but its seat.

mod watcher;

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Version};
use axum::response::IntoResponse;
use tokio::sync::{Notify, OwnedRwLockReadGuard, RwLock, watch};
use tokio::time::Instant;

use super::application::{self, Row};
use super::approval::{newest_of, summary};
use super::audit;
use super::handover::{Chunks, Handover};
use super::http::{Code, Refusal};
use super::states::{ApplicationState, Event};
use super::{Service, store};
use crate::protocol::SessionId;
use crate::protocol::api::Problem;
pub(super) use watcher::Watcher;

/// How often the audit is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How many entries of it at a time.
const MAX_ENTRIES: i64 = 1000;
/// How often something is sent where nothing happens: both sides notice that the line is gone.
const BEAT: Duration = Duration::from_secs(15);
/// How many connections of one session or device wait; a further one takes the place of the oldest, which may be long gone.
const MAX_OF_ONE: usize = 3;
/// How many messages wait for a program that does not read them. It is hung up on then, and asks again.
const MAX_UNREAD: usize = 16;
/// What ends the right to see approvals, of the session or device it is about.
const ENDS: [Event; 7] = [
    Event::SessionClosed,
    Event::SessionEnded,
    Event::SessionReused,
    Event::DeviceLocked,
    Event::DeviceExpired,
    Event::DeviceRevoked,
    Event::PinUsedUp,
];
/// What is sent at the beginning and where nothing happens: a comment.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// Everybody who waits at this process.
#[derive(Default)]
pub(super) struct Watchers {
    /// The last entry of the audit that was looked at; `None` while nobody waits.
    seen: tokio::sync::Mutex<Option<i64>>,
    hall: Mutex<Hall>,
    nudge: Notify,
    /// Each ticket reads it: whoever may write knows that there is none.
    tickets: Arc<RwLock<()>>,
}

#[derive(Default)]
struct Hall {
    /// By account, oldest first, with the session or device that waits.
    seats: HashMap<i64, Vec<Seated>>,
    is_closed: bool,
}

/// A session or device, which are numbered alike, and its seat.
type Seated = ([u8; 16], Arc<Seat>);

/// What one connection is to be told next.
#[derive(Default)]
struct Seat(Mutex<Unread>);

#[derive(Default)]
struct Unread {
    messages: VecDeque<Bytes>,
    is_over: bool,
    waker: Option<Waker>,
}

/// A place among those who wait; whoever drops it gives it up.
pub(super) struct Ticket {
    service: Arc<Service>,
    account_id: i64,
    seat: Arc<Seat>,
    _held: OwnedRwLockReadGuard<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watchers {
    /// Something was submitted to this process: nobody has to wait for the next look.
    pub(super) fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Nobody waits here any more: the service stops.
    pub(super) fn close(&self) {
        let mut hall = lock(&self.hall);
        hall.is_closed = true;
        hall.seats.drain().flat_map(|(_, seats)| seats).for_each(|(_, seat)| seat.end());
    }

    /// Waits until whoever waited here was told so, and has gone.
    pub(super) async fn gone(&self) {
        drop(self.tickets.write().await);
    }

    fn count(&self) -> usize {
        lock(&self.hall).seats.values().map(Vec::len).sum()
    }

    /// Tells of new approvals, by account, and lets the connections go of sessions that have ended, of devices that
    /// are not active any more, and of accounts that are suspended.
    fn tell(&self, new: Vec<(i64, Bytes)>, ended: &HashSet<[u8; 16]>, suspended: &[i64]) {
        let mut hall = lock(&self.hall);
        for (account, message) in new {
            for (_, seat) in hall.seats.get(&account).into_iter().flatten() {
                seat.push(message.clone());
            }
        }
        for seats in suspended.iter().filter_map(|account| hall.seats.remove(account)) {
            seats.iter().for_each(|(_, seat)| seat.end());
        }
        if !ended.is_empty() {
            for seats in hall.seats.values_mut() {
                seats.extract_if(.., |(id, _)| ended.contains(id)).for_each(|(_, seat)| seat.end());
            }
        }
    }
}

impl Service {
    /// How many connections wait here for approvals.
    pub fn watching(&self) -> usize {
        self.watchers.count()
    }
}

impl Seat {
    fn push(&self, message: Bytes) {
        let mut unread = lock(&self.0);
        unread.is_over |= unread.messages.len() >= MAX_UNREAD;
        if !unread.is_over {
            unread.messages.push_back(message);
        }
        unread.waker.take().into_iter().for_each(Waker::wake);
    }

    fn end(&self) {
        let mut unread = lock(&self.0);
        unread.is_over = true;
        unread.waker.take().into_iter().for_each(Waker::wake);
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut unread = lock(&self.0);
        // Who has lost the right to read reads nothing that was left.
        if unread.is_over {
            return Poll::Ready(None);
        }
        match unread.messages.pop_front() {
            Some(message) => Poll::Ready(Some(message)),
            None => {
                unread.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Ticket {
    /// Takes a place. Whatever is committed from now on is told.
    ///
    /// # Errors
    /// [`Code::NotReady`] while the service stops, and those of a session or device that may not any more.
    pub(super) async fn take(service: &Arc<Service>, watcher: &Watcher) -> Result<Self, Refusal> {
        let (watchers, account_id, seat) = (&service.watchers, watcher.account.id, Arc::new(Seat::default()));
        let held = Arc::clone(&watchers.tickets).read_owned().await;
        {
            // As long as this is held, nobody finds the hall empty and stops looking.
            let mut seen = watchers.seen.lock().await;
            let mut connection = service.store.pool().acquire().await?;
            if seen.is_none() {
                *seen = Some(audit::head(&mut connection).await?.seq);
            }
            let mut hall = lock(&watchers.hall);
            if hall.is_closed {
                return Err(Code::NotReady.into());
            }
            let seats = hall.seats.entry(account_id).or_default();
            let own: Vec<_> =
                (0..seats.len()).filter(|at| seats.get(*at).is_some_and(|(id, _)| *id == watcher.id())).collect();
            if let (true, Some(oldest)) = (own.len() >= MAX_OF_ONE, own.first()) {
                seats.remove(*oldest).1.end();
            }
            seats.push((watcher.id(), Arc::clone(&seat)));
        }
        let ticket = Self { service: Arc::clone(service), account_id, seat, _held: held };
        // An end before the first look is in no entry that is looked at.
        let mut connection = service.store.pool().acquire().await?;
        watcher.still_may(service, &mut connection).await?;
        Ok(ticket)
    }

    /// The next message; `None` when there is nothing more to wait for.
    pub(super) async fn next(&self) -> Option<Bytes> {
        poll_fn(|cx| self.seat.poll(cx)).await
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut hall = lock(&self.service.watchers.hall);
        if let Some(seats) = hall.seats.get_mut(&self.account_id) {
            seats.retain(|(_, seat)| !Arc::ptr_eq(seat, &self.seat));
            if seats.is_empty() {
                hall.seats.remove(&self.account_id);
            }
        }
    }
}

/// Looks at the audit, again and again, until `stops`. A failure is logged, and what was not seen is seen later.
pub(super) async fn run(service: Arc<Service>, mut stops: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stops.changed() => return,
            () = service.watchers.nudge.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        loop {
            match look(&service).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(refusal) => {
                    tracing::error!(code = refusal.code.as_str(), "programs that wait were not told what is new");
                    break;
                }
            }
        }
    }
}

/// Tells what has happened since the last look; whether there may be more.
async fn look(service: &Service) -> Result<bool, Refusal> {
    let watchers = &service.watchers;
    let mut seen = watchers.seen.lock().await;
    let Some(after) = *seen else { return Ok(false) };
    if lock(&watchers.hall).seats.is_empty() {
        *seen = None;
        return Ok(false);
    }
    let mut connection = service.store.pool().acquire().await?;
    let happened = audit::since(&mut connection, after, MAX_ENTRIES).await?;
    let Some(last) = happened.last() else { return Ok(false) };
    let (last, is_all) = (last.seq, i64::try_from(happened.len()) != Ok(MAX_ENTRIES));
    let (mut submitted, mut ended, mut is_suspended) = (Vec::new(), HashSet::new(), false);
    for entry in happened {
        if entry.event == Event::ApplicationSubmitted.as_str() {
            submitted.push(entry.object);
        } else if entry.event == Event::AccountSuspended.as_str() {
            is_suspended = true;
        } else if ENDS.iter().any(|end| end.as_str() == entry.event) {
            // Sessions and devices are numbered alike.
            ended.extend(entry.object.parse::<SessionId>().map(|id| *id.as_bytes()));
        }
    }
    let mut new = Vec::new();
    if !submitted.is_empty() {
        let places = store::places(1, submitted.len());
        let query = application::select_where(&format!("application_id IN ({places}) ORDER BY created"));
        let mut query = sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(query));
        for id in submitted {
            query = query.bind(id);
        }
        for row in query.fetch_all(&mut connection).await? {
            new.push((row.account_id, message(&row)?));
        }
    }
    // Sessions end with their own entries; a device stays what it was, and its account may see nothing.
    let suspended = match is_suspended {
        true => {
            let query = "SELECT account_id FROM account WHERE suspended_from IS NOT NULL";
            sqlx::query_scalar::<_, i64>(query).fetch_all(&mut connection).await?
        }
        false => Vec::new(),
    };
    watchers.tell(new, &ended, &suspended);
    *seen = Some(last);
    Ok(!is_all)
}

/// An approval as an event (HTML, 9.2).
fn message(row: &Row) -> Result<Bytes, Refusal> {
    let data = store::to_json(&summary(row)?)?;
    Ok(format!("event: approval\ndata: {data}\n\n").into())
}

/// Sends what is new until the access token ends or as much time has passed for a device, it may see nothing any more, or
/// the service stops. Then the program asks again, with a new token or message.
async fn tell(mut line: Chunks, first: Vec<Bytes>, ticket: Ticket, ends_at: Instant) -> io::Result<()> {
    // Sending and ending are in boxes: what waits has room for waiting alone.
    for message in first {
        Box::pin(line.send(&message)).await?;
    }
    loop {
        let beat = ends_at.min(Instant::now() + BEAT);
        let next = tokio::select! {
            next = ticket.next() => next,
            () = tokio::time::sleep_until(beat) => (beat < ends_at).then_some(COMMENT),
            () = line.is_left() => None,
        };
        match next {
            Some(message) => Box::pin(line.send(&message)).await?,
            None => return Box::pin(line.end()).await,
        }
    }
}

/// A server-sent event.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "the description alone names it")]
pub(super) struct ApprovalEvent {
    /// `approval`.
    event: String,
    /// An `ApprovalSummary` as JSON.
    data: String,
}

/// The approvals that wait, and every new one as it comes: server-sent events named `approval`, each with an
/// `ApprovalSummary`.
#[utoipa::path(get, path = "/v1/approvals/events", security(
    ("access_token" = [], "dpop_proof" = []), ("device" = [])), responses(
    (status = 200, body = ApprovalEvent, content_type = "text/event-stream"), (status = 401, body = Problem),
    (status = 403, body = Problem), (status = 423, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn events(
    State(service): State<Arc<Service>>,
    watcher: Watcher,
    Extension(line): Extension<Handover>,
    version: Version,
) -> Result<impl IntoResponse, Refusal> {
    let ticket = Ticket::take(&service, &watcher).await?;
    let mut first = Vec::new();
    for row in newest_of(&service, &watcher.account).await? {
        if row.state()? == ApplicationState::Pending {
            first.push(message(&row)?);
        }
    }
    let life = watcher.ends_at.saturating_sub(service.now_unix());
    let ends_at = Instant::now() + Duration::from_secs(u64::try_from(life).unwrap_or_default());
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CONNECTION, HeaderValue::from_static("close")),
        // Proxies that would hold the events back until there are many.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, line.body(version, COMMENT, move |line| tell(line, first, ticket, ends_at))))
}
