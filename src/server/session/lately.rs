//! How long ago a session was opened.

use crate::protocol::NumericDate;
use crate::server::http::{Code, Refusal};

/// How long ago, in seconds, a session was opened at most in which it is changed which devices may approve: whoever has come
/// by an open session has neither card nor PIN.
const LOGGED_IN_LATELY: i64 = 5 * 60;

/// A session was opened so lately that the person is still there. Only [`OpenedLately::check`] makes one.
pub(in crate::server) struct OpenedLately(());

impl OpenedLately {
    /// Of a session that was opened at `created`.
    ///
    /// # Errors
    /// [`not_lately`].
    pub(in crate::server) fn check(created: NumericDate, now: NumericDate) -> Result<Self, Refusal> {
        if now < created.saturating_add(LOGGED_IN_LATELY) { Ok(Self(())) } else { Err(not_lately()) }
    }
}

/// The way on is to log in again.
pub(in crate::server) fn not_lately() -> Refusal {
    Refusal::new(Code::StrongerLoginNeeded).with_detail("not_lately")
}
