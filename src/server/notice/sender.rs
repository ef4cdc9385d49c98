//! Sends what is queued, at least once. Several processes may do so on one database: whoever sends a notice has claimed
//! it, and a claim outlives every attempt. Where a process ends between the server's answer and its own note of it, the
//! notice is sent again when the claim has ended, with the same `Message-ID`.

use std::sync::Arc;
use std::time::Duration;

use lettre::Message;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::message::{Content, compose};
use super::smtp::{Line, Mailer, PATIENCE, SendError};
use super::{Kind, Post, order_letter};
use crate::protocol::NumericDate;
use crate::protocol::api::NoticeLanguage;
use crate::server::Service;
use crate::server::account::Account;
use crate::server::audit::{self, Entry};
use crate::server::http::Refusal;
use crate::server::states::Event;

/// How often what is due is looked for.
const TICK: Duration = Duration::from_secs(1);
/// How long a notice belongs to whoever sends it, in seconds: longer than [`PATIENCE`].
const CLAIM: i64 = 5 * 60;
/// Wait after the first failure, in seconds; it doubles with each further one.
const FIRST_WAIT: i64 = 15;
const LONGEST_WAIT: i64 = 15 * 60;
/// How long after its first "not now" about one recipient a server is taken to mean "never", in seconds: as long as mail
/// servers try.
const GIVE_UP: i64 = 5 * 24 * 60 * 60;

/// How long it is known, in seconds, that a notice was sent or has failed: long enough to look into a complaint.
const KEPT: i64 = 90 * 24 * 60 * 60;

/// A notice that is being sent by this process and no other.
#[derive(sqlx::FromRow)]
struct Claimed {
    notice_id: String,
    account_id: i64,
    kind: String,
    recipient: String,
    language: String,
    created: i64,
    attempts: i64,
    /// When it was to be sent, this time.
    due: i64,
    /// Since when the server says no to it, without the time in which it was out of reach.
    refused_since: Option<i64>,
}

/// Sends until `stopped` says so; the notice that is on its way then comes to its end.
pub(in crate::server) async fn run(service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    let Some(mailer) = &service.mailer else { return };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        if let Err(refusal) = send_what_is_due(&service, mailer, &stopped).await {
            tracing::error!(code = refusal.code.as_str(), "notices cannot be sent");
        }
    }
}

/// Sends all that is due, over one line as long as it holds. Ends early when the server cannot be reached.
async fn send_what_is_due(service: &Service, mailer: &Mailer, stopped: &watch::Receiver<bool>) -> Result<(), Refusal> {
    let mut open: Option<Line> = None;
    while !*stopped.borrow()
        && let Some(notice) = claim(service).await?
    {
        let attempt = timeout(PATIENCE, send(service, mailer, &notice, open.take())).await;
        match attempt.unwrap_or_else(|_| Err(SendError::Line("timeout".to_owned()))) {
            Ok(line) => {
                open = Some(line);
                note_sent(service, &notice).await?;
            }
            Err(error) => {
                let is_line = matches!(error, SendError::Line(_));
                note_failure(service, &notice, error).await?;
                if is_line {
                    break;
                }
            }
        }
    }
    if let Some(line) = open {
        line.quit().await;
    }
    Ok(())
}

/// Takes one notice that is due, so that nobody else does.
async fn claim(service: &Service) -> Result<Option<Claimed>, Refusal> {
    const DUE: &str = "SELECT notice_id FROM notice WHERE \
        ((state = 'queued' AND due <= $1) OR (state = 'sending' AND claimed_until <= $1)) ORDER BY due, notice_id LIMIT 1";
    // The condition stands here once more: of two processes that chose the same one, the second finds it claimed.
    const CLAIM_IT: &str = "UPDATE notice SET state = 'sending', claimed_until = $3, attempts = attempts + 1 \
        WHERE notice_id = $2 AND ((state = 'queued' AND due <= $1) OR (state = 'sending' AND claimed_until <= $1)) \
        RETURNING notice_id, account_id, kind, recipient, language, created, attempts, due, refused_since";
    loop {
        let now = service.now_unix();
        let due = sqlx::query_scalar::<_, String>(DUE).bind(now).fetch_optional(service.store.pool()).await?;
        let Some(id) = due else { return Ok(None) };
        let mut tx = service.store.begin_row().await?;
        let claim = sqlx::query_as::<_, Claimed>(CLAIM_IT).bind(now).bind(id).bind(now + CLAIM);
        let claimed = claim.fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        if claimed.is_some() {
            return Ok(claimed);
        }
    }
}

/// Sends one notice, over `line` or a new one, and gives the line back.
async fn send(service: &Service, mailer: &Mailer, notice: &Claimed, line: Option<Line>) -> Result<Line, SendError> {
    let message = message(service, mailer, notice).ok_or_else(|| SendError::Refused("malformed".to_owned()))?;
    let mut line = match line {
        Some(line) => line,
        None => mailer.connect().await?,
    };
    line.send(&message).await?;
    Ok(line)
}

fn message(service: &Service, mailer: &Mailer, notice: &Claimed) -> Option<Message> {
    let content = Content {
        notice_id: &notice.notice_id,
        kind: notice.kind.parse().ok()?,
        language: notice.language.parse().ok()?,
        created: notice.created,
        recipient: &notice.recipient,
    };
    compose(&content, &mailer.from, &service.current().texts, &service.settings.insurer)
}

async fn note_sent(service: &Service, notice: &Claimed) -> Result<(), Refusal> {
    let update = "UPDATE notice SET state = 'sent', sent = $2, claimed_until = NULL, last_error = NULL, recipient = '' \
                  WHERE notice_id = $1 AND state = 'sending'";
    let update = sqlx::query(update).bind(&notice.notice_id).bind(service.now_unix());
    update.execute(service.store.writers()).await?;
    Ok(())
}

/// Notes when it is tried again; or, where the recipient is refused for good, that it has failed, and queues a letter
/// in its place where that matters.
async fn note_failure(service: &Service, notice: &Claimed, error: SendError) -> Result<(), Refusal> {
    let now = service.now_unix();
    let since = notice.refused_since.unwrap_or(now);
    let is_old = now - since > GIVE_UP;
    let (code, is_over, refused_since) = match error {
        SendError::Line(code) => {
            // When it was tried last: from then on the server may have been out of reach.
            let tried = notice.due - wait_after(notice.attempts - 1);
            (code, false, notice.refused_since.map(|since| since + (now - tried).max(0)))
        }
        // What it refuses everybody is mended some day; what it refuses this one alone is about this one.
        SendError::Sender(code) => (code, is_old && has_sent_since(service, since).await?, Some(since)),
        SendError::Later(code) => (code, is_old, Some(since)),
        SendError::Refused(code) => (code, true, Some(since)),
    };
    tracing::warn!(notice = notice.notice_id, code, attempts = notice.attempts, is_over, "a notice was not taken");
    if is_over {
        return fail(service, notice, code, now).await;
    }
    let update = "UPDATE notice SET state = 'queued', due = $2, claimed_until = NULL, last_error = $3, \
                  refused_since = $4 WHERE notice_id = $1 AND state = 'sending'";
    let update = sqlx::query(update).bind(&notice.notice_id).bind(now + wait_after(notice.attempts)).bind(code);
    update.bind(refused_since).execute(service.store.writers()).await?;
    Ok(())
}

async fn has_sent_since(service: &Service, since: NumericDate) -> Result<bool, Refusal> {
    let sent = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM notice WHERE state = 'sent' AND sent > $1");
    Ok(sent.bind(since).fetch_one(service.store.pool()).await? > 0)
}

/// How long to wait after so many attempts, in seconds.
fn wait_after(attempts: i64) -> i64 {
    (FIRST_WAIT << (attempts - 1).clamp(0, 10)).min(LONGEST_WAIT)
}

/// Forgets notices that arrived or failed long ago.
pub(in crate::server) async fn forget(service: &Service) -> Result<(), Refusal> {
    let long_ago = service.now_unix().saturating_sub(KEPT);
    // What is sent is not due any more: `due` says when it was last.
    let delete = sqlx::query("DELETE FROM notice WHERE state IN ('sent', 'failed') AND due <= $1").bind(long_ago);
    service.store.forget(delete).await
}

async fn fail(service: &Service, notice: &Claimed, code: String, now: NumericDate) -> Result<(), Refusal> {
    let mut tx = service.store.begin().await?;
    let update = "UPDATE notice SET state = 'failed', claimed_until = NULL, last_error = $2, recipient = '' \
                  WHERE notice_id = $1 AND state = 'sending'";
    let update = sqlx::query(update).bind(&notice.notice_id).bind(&code).execute(&mut *tx).await?;
    if update.rows_affected() == 0 {
        return Ok(()); // somebody else has claimed it since
    }
    if let Ok(kind) = notice.kind.parse::<Kind>()
        && kind.post() == Post::Instead
    {
        let language = notice.language.parse().unwrap_or(NoticeLanguage::De);
        order_letter(service, &mut tx, notice.account_id, kind, language, notice.created).await?;
    }
    let object = &notice.notice_id;
    let event = Event::NoticeFailed;
    let detail = Some(service.keys.pseudonym(&Account::by_id(&mut tx, notice.account_id).await?.kvnr));
    let entry = Entry { actor: "service", device: None, event, object, result: &code, detail };
    audit::append(&mut tx, entry, now).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        let waits: Vec<_> = (1..=8).map(wait_after).collect();
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 900, 900]);
        assert_eq!(wait_after(i64::MAX), LONGEST_WAIT);
    }

    #[test]
    fn a_claim_outlives_an_attempt() {
        assert!(Duration::from_secs(CLAIM.unsigned_abs()) > PATIENCE * 2);
    }
}
