//! Waiting for approvals (`docs/protocol.md`, watching): each is told as it comes, whatever happens to the line. It is made
//! anew by itself, with a new message of the device or new tokens, after the service was restarted and after this computer
//! has slept.

mod device;

use std::io::{BufRead as _, BufReader, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

pub use device::WatchingDevice;
use rand_core::{Rng as _, UnwrapErr};

use super::login::LoggedIn;
use super::service::ServiceError;
use super::session::Clock;
use crate::jose::json;
use crate::protocol::ApprovalId;
use crate::protocol::api::{ApprovalSummary, ApprovalsAnswer};

/// How long nothing is heard of Ctrl+C and of a computer that has slept.
const TICK: Duration = Duration::from_millis(200);
/// A clock on the wall that is this much ahead of one that stands while the computer sleeps: it has slept.
const SLEPT: i64 = 5;
/// The pauses between tries double from the first to the longest, and each is between half and one and a half as long:
/// programs that lost the service at the same moment do not come back at the same moment.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A connection that has held for so long begins with the first pause again.
const STEADY: Duration = Duration::from_secs(10);
/// Longest line of an event, in bytes.
const MAX_LINE: u64 = 64 * 1024;
/// How long one request waits where events do not come through: shorter than an answer is waited for.
const LONG_POLL: u64 = 25;

/// What whoever watches is told.
#[derive(Debug)]
pub enum Told {
    /// An approval waits. Each is told once.
    Approval(ApprovalSummary),
    /// The line is gone; it is tried again and again.
    Lost,
    /// The line is there again.
    Back,
}

/// Watches until `is_over` says so, and tells `tell` what comes.
///
/// # Errors
/// What does not pass by itself: the device or the session may see nothing any more, or the service cannot be believed.
pub fn watch(
    here: LoggedIn,
    clock: &Clock,
    is_over: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(Told),
) -> Result<(), ServiceError> {
    let here = Arc::new(here);
    let mut line = Line::open(&here);
    let mut known: Vec<ApprovalId> = Vec::new();
    let mut is_lost = false;
    let mut before = (clock(), Instant::now());
    while !is_over() {
        let heard = line.heard.recv_timeout(TICK);
        let now = (clock(), Instant::now());
        let awake = i64::try_from(now.1.duration_since(before.1).as_secs()).unwrap_or(i64::MAX);
        if now.0.saturating_sub(before.0).saturating_sub(awake) > SLEPT {
            // What was open then is open no more, and would not be missed for a while.
            line = Line::open(&here);
        }
        before = now;
        match heard {
            Ok(Heard::Approval(approval)) => {
                if approval.state == "pending" && !known.contains(&approval.approval_id) {
                    known.push(approval.approval_id);
                    tell(Told::Approval(approval));
                }
            }
            Ok(Heard::Alive) if is_lost => {
                is_lost = false;
                tell(Told::Back);
            }
            Ok(Heard::Lost) if !is_lost => {
                is_lost = true;
                tell(Told::Lost);
            }
            Ok(Heard::Failed(error)) => return Err(error),
            Ok(Heard::Alive | Heard::Lost) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(ServiceError::Malformed), // it never happens
        }
    }
    Ok(())
}

/// What is heard on the line.
enum Heard {
    Approval(ApprovalSummary),
    Alive,
    Lost,
    Failed(ServiceError),
}

/// The line to the service, on a thread of its own: whoever reads from it cannot do anything else. Dropped, it is left to
/// itself and ends as soon as it notices.
struct Line {
    heard: Receiver<Heard>,
    is_left: Arc<AtomicBool>,
}

impl Line {
    fn open(here: &Arc<LoggedIn>) -> Self {
        let (out, heard) = channel();
        let is_left = Arc::new(AtomicBool::new(false));
        let caller = Caller { here: Arc::clone(here), out, is_left: Arc::clone(&is_left) };
        thread::spawn(move || caller.run());
        Self { heard, is_left }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.is_left.store(true, Ordering::Relaxed);
    }
}

struct Caller {
    here: Arc<LoggedIn>,
    out: Sender<Heard>,
    is_left: Arc<AtomicBool>,
}

/// How a connection came to its end.
enum Ended {
    /// As it should: the access token has ended, or the service stops.
    Well,
    /// The line is gone. Whether anything had come on it.
    Lost { after_something: bool },
    /// What answers does not send events: a proxy holds them back, or it is another service.
    NoEvents,
}

impl Caller {
    fn run(self) {
        let mut pause = FIRST_PAUSE;
        let (mut takes_events, mut after) = (true, None);
        while !self.is_left() {
            let began = Instant::now();
            let ended = if takes_events { self.follow() } else { self.ask(&mut after) };
            if began.elapsed() >= STEADY {
                pause = FIRST_PAUSE;
            }
            match ended {
                Ok(Ended::NoEvents | Ended::Lost { after_something: false }) if takes_events => {
                    takes_events = false; // and the other way is tried at once
                    continue;
                }
                // An answer that came is no failure, however soon: the next one is as near.
                Ok(Ended::Well) if !takes_events => pause = FIRST_PAUSE,
                Ok(Ended::Well) => {}
                Ok(_) => self.say(Heard::Lost),
                Err(error) if passes(&error) => {
                    self.say(Heard::Lost);
                    takes_events = true;
                }
                Err(error) => return self.say(Heard::Failed(error)),
            }
            self.sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Reads events until the connection ends.
    fn follow(&self) -> Result<Ended, ServiceError> {
        let Some(stream) = self.here.service.events("/v1/approvals/events")? else { return Ok(Ended::NoEvents) };
        let mut stream = BufReader::new(stream);
        let (mut name, mut data) = (String::new(), String::new());
        let mut after_something = false;
        loop {
            let mut line = Vec::new();
            match stream.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) => return Ok(Ended::Well),
                Ok(_) if line.ends_with(b"\n") => {}
                Ok(_) | Err(_) => return Ok(Ended::Lost { after_something }),
            }
            if self.is_left() {
                return Ok(Ended::Well);
            }
            after_something = true;
            self.say(Heard::Alive);
            let line = std::str::from_utf8(&line).map_err(|_| ServiceError::Malformed)?.trim_end();
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut name),
                "data" => data.push_str(value),
                "" if line.is_empty() => {
                    if name == "approval" {
                        let approval = json::read(data.as_bytes()).map_err(|_| ServiceError::Malformed)?;
                        self.say(Heard::Approval(approval));
                    }
                    name.clear();
                    data.clear();
                }
                _ => {} // a comment, or what a later version adds
            }
            if data.len() as u64 > MAX_LINE {
                return Err(ServiceError::Malformed);
            }
        }
    }

    /// Asks with a request that waits for its answer.
    fn ask(&self, after: &mut Option<i64>) -> Result<Ended, ServiceError> {
        let known = after.map(|after| format!("&after={after}")).unwrap_or_default();
        let answer: ApprovalsAnswer = self.here.service.get(&format!("/v1/approvals?wait={LONG_POLL}{known}"))?;
        self.say(Heard::Alive);
        *after = Some(answer.count);
        answer.approvals.into_iter().for_each(|approval| self.say(Heard::Approval(approval)));
        Ok(Ended::Well)
    }

    fn say(&self, heard: Heard) {
        // Nobody may listen any more; that is noticed elsewhere.
        let _ = self.out.send(heard);
    }

    fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Relaxed)
    }

    fn sleep(&self, pause: Duration) {
        let share = 512 + UnwrapErr(getrandom::SysRng).next_u32() % 1024;
        let until = Instant::now() + pause * share / 1024;
        while Instant::now() < until && !self.is_left() {
            thread::sleep(TICK);
        }
    }
}

/// Whether it may go by itself: the service is gone, stops, has failed, or wants to be asked later; or something else
/// answers in its place for a while, as proxies do.
pub(super) fn passes(error: &ServiceError) -> bool {
    const FOR_NOW: [&str; 4] = ["internal", "not_ready", "request_timeout", "too_many_refreshes"];
    match error {
        ServiceError::Unreachable(_) | ServiceError::Malformed => true,
        error => FOR_NOW.iter().any(|code| error.is_refused_with(code)),
    }
}
