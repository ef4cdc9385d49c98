//! What may become of a registration, a device and an application. A transition that is not in its table is refused,
//! and the event of the table is what the audit says.

use std::fmt::Debug;

use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use super::http::Refusal;
use super::store::Connection;

/// A statement that takes values.
type Statement<'q> = Query<'q, Any, AnyArguments>;

/// One row of a table: in state `from`, `event` leads to state `to`.
pub(super) struct Transition<S: 'static> {
    from: S,
    event: Event,
    to: S,
}

/// A kind of object with states.
pub(super) trait States: Copy + Eq + Debug + 'static {
    const TABLE: &'static [Transition<Self>];
    /// `UPDATE` of the state of object `$1` from `$2` to `$3`.
    const UPDATE: &'static str;
    fn as_str(self) -> &'static str;

    /// The state of this name; every state stands in the table.
    fn parse(text: &str) -> Result<Self, Refusal> {
        let mut states = Self::TABLE.iter().flat_map(|row| [row.from, row.to]);
        states.find(|state| state.as_str() == text).ok_or_else(Refusal::internal)
    }

    /// Where `event` leads from here; the first row, where what was before decides.
    fn after(self, event: Event) -> Option<Self> {
        Self::TABLE.iter().find(|row| row.from == self && row.event == event).map(|row| row.to)
    }
}

/// Moves object `id`, which must be in state `from`, by `event`. `None` when the table does not know the transition or
/// the object is not in that state any more.
pub(super) async fn transition<S: States>(
    connection: &mut Connection,
    id: &str,
    from: S,
    event: Event,
) -> Result<Option<S>, sqlx::Error> {
    let Some(to) = from.after(event) else { return Ok(None) };
    transition_to(connection, id, from, event, to).await
}

/// The same where the table has more than one row for this event, as what was before decides.
pub(super) async fn transition_to<S: States>(
    connection: &mut Connection,
    id: &str,
    from: S,
    event: Event,
    to: S,
) -> Result<Option<S>, sqlx::Error> {
    if !S::TABLE.iter().any(|row| row.from == from && row.event == event && row.to == to) {
        return Ok(None);
    }
    run(connection, S::UPDATE, id, from, to, |update| update).await
}

/// As [`transition`] where more of the object changes with its state: `update` is [`States::UPDATE`] with more columns,
/// and `values` gives it what they get, from `$4` on.
pub(super) async fn transition_with<'q, S: States>(
    connection: &mut Connection,
    id: &'q str,
    from: S,
    event: Event,
    update: &'static str,
    values: impl FnOnce(Statement<'q>) -> Statement<'q>,
) -> Result<Option<S>, sqlx::Error> {
    let Some(to) = from.after(event) else { return Ok(None) };
    run(connection, update, id, from, to, values).await
}

async fn run<'q, S: States>(
    connection: &mut Connection,
    update: &'static str,
    id: &'q str,
    from: S,
    to: S,
    values: impl FnOnce(Statement<'q>) -> Statement<'q>,
) -> Result<Option<S>, sqlx::Error> {
    let update = values(sqlx::query(update).bind(id).bind(from.as_str()).bind(to.as_str()));
    let moved = update.execute(connection).await?.rows_affected() == 1;
    Ok(moved.then_some(to))
}

/// The rows of the tables of accounts, sessions, devices and applications: kind of object, state, event, next state, by
/// the names that database and audit use. What stands in none of them does not happen.
pub fn transitions() -> Vec<[&'static str; 4]> {
    macro_rules! rows {
        ($($kind:literal: $states:ty),*) => {
            [$(<$states>::TABLE.iter().map(|row| [$kind, row.from.name(), row.event.name(), row.to.name()]).collect::<Vec<_>>()),*]
        };
    }
    let tables =
        rows!("account": AccountState, "session": SessionState, "device": DeviceState, "application": ApplicationState);
    tables.concat()
}

macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $name { $($(#[$variant_meta])* $variant,)* }

        impl $name {
            const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

names! {
    /// What happens; the audit's `event`.
    Event {
        AccountImported = "account.imported",
        AccountUpdated = "account.updated",
        LetterOrdered = "account.letter_ordered",
        InitialPasswordUsed = "account.initial_password_used",
        AccountIdentified = "account.identified",
        AccountOpenedByCard = "account.opened_by_card",
        PasswordSet = "account.password_set",
        PasswordNotSet = "account.password_not_set",
        PasswordRehashed = "account.password_rehashed",
        ResetOrdered = "account.reset_ordered",
        PasswordStolen = "account.password_stolen",
        AccountSuspended = "account.suspended",
        AccountResumed = "account.resumed",
        AccountClosed = "account.closed",
        AccountReopened = "account.reopened",
        AccountReadmitted = "account.readmitted",
        SessionsEnded = "account.sessions_ended",
        CardsRevoked = "account.cards_revoked",
        RevocationCodeMade = "account.revocation_code_made",
        RevocationCodeUsed = "account.revocation_code_used",
        SessionOpened = "session.opened",
        SessionRefused = "session.refused",
        SessionClosed = "session.closed",
        SessionEnded = "session.ended",
        SessionReused = "session.reused",
        RegistrationOpened = "registration.opened",
        RegistrationChallenged = "registration.challenged",
        RegistrationRefused = "registration.refused",
        RegistrationPinEvaluated = "registration.pin_evaluated",
        RegistrationAttestationAsked = "registration.attestation_asked",
        RegistrationNonceGiven = "registration.nonce_given",
        RegistrationNonceShown = "registration.nonce_shown",
        DeviceBound = "device.bound",
        DeviceRebound = "device.rebound",
        DeviceActivated = "device.activated",
        DeviceRenamed = "device.renamed",
        DeviceLocked = "device.locked",
        DeviceUnlocked = "device.unlocked",
        DeviceWaitsAgain = "device.waits_again",
        DeviceExpired = "device.expired",
        DeviceRevoked = "device.revoked",
        PinEvaluated = "device.pin_evaluated",
        PinConfirmed = "device.pin_confirmed",
        PinShareMade = "device.pin_share_made",
        PinChanged = "device.pin_changed",
        PinUsedUp = "device.pin_used_up",
        ApplicationSubmitted = "application.submitted",
        ApplicationApproved = "application.approved",
        ApplicationDenied = "application.denied",
        ApplicationNotMe = "application.not_me",
        ApplicationSuperseded = "application.superseded",
        MatchCodeWrong = "application.match_code_wrong",
        ApplicationExpired = "application.expired",
        ApplicationCancelled = "application.cancelled",
        ApplicationExecuted = "application.executed",
        ApplicationFailed = "application.failed",
        DeviceCodeOrdered = "device_code.ordered",
        DeviceCodeShown = "device_code.shown",
        DeviceCodeSuperseded = "device_code.superseded",
        DeviceCodeFailed = "device_code.failed",
        DeviceCodeVoided = "device_code.voided",
        LetterCreated = "letter.created",
        LetterCancelled = "letter.cancelled",
        LetterFailed = "letter.failed",
        NotificationsSet = "notifications.set",
        NoticeFailed = "notice.failed",
        TrustListTaken = "trust_list.taken",
        ServiceKeyAnnounced = "service_key.announced",
        ServiceKeyActivated = "service_key.activated",
        ServiceKeyRetired = "service_key.retired",
        ServiceKeyRevoked = "service_key.revoked",
        WebLoginAsked = "web_login.asked",
        WebLoginTaken = "web_login.taken",
        WebLoginVoided = "web_login.voided",
        PasswordResetAsked = "password.reset_asked",
        PasswordResetVoided = "password.reset_voided",
        PasswordResetTaken = "password.reset_taken",
    }
}

impl Event {
    pub(super) fn as_str(self) -> &'static str {
        self.name()
    }
}

names! {
    /// An account.
    AccountState {
        /// In the register; there is no way in yet.
        Registered = "registered",
        /// An initial password is on its way.
        LetterOrdered = "letter_ordered",
        /// It was used, and no own password was set yet.
        InitialLogin = "initial_login",
        /// An identity provider has named the person, and no own password was set yet.
        IdentPending = "ident_pending",
        Active = "active",
        /// Nobody logs in.
        Suspended = "suspended",
        /// A way to a new password was opened. The old one holds until then, unless it was reported stolen.
        ResetPending = "reset_pending",
        /// Membership has ended: what is there can be read.
        Closed = "closed",
    }
}

names! {
    /// A session. Each of the others is the end of one: by the client itself, by the person from elsewhere or a new
    /// password, or because two have its tokens.
    SessionState {
        Open = "open",
        Closed = "closed",
        Ended = "ended",
        Reused = "reused",
    }
}

names! {
    /// A registration.
    RegistrationState {
        Open = "open",
        Bound = "bound",
    }
}

names! {
    /// A device.
    DeviceState {
        /// Bound by weaker evidence than card and card PIN: it may approve nothing until its owner had time to notice.
        PendingWait = "pending_wait",
        Active = "active",
        /// Its owner, or somebody with her revocation code, has locked it: it can be unlocked and used for nothing else.
        Locked = "locked",
        /// Its time is over: the card binds it anew.
        Expired = "expired",
        Revoked = "revoked",
    }
}

names! {
    /// A code of a letter or on a screen.
    DeviceCodeState {
        Valid = "valid",
        /// It has bound a device.
        Used = "used",
        /// It was tried with a wrong secret too often.
        Void = "void",
        /// Another one was shown on a screen after it.
        Superseded = "superseded",
    }
}

names! {
    /// An application with its approval: approved ones are queued first, then executed; or they failed,
    /// when what was approved cannot be read any more.
    ApplicationState {
        Pending = "pending",
        Denied = "denied",
        Expired = "expired",
        Cancelled = "cancelled",
        /// A newer one of the same kind took its place.
        Superseded = "superseded",
        Queued = "queued",
        Executed = "executed",
        Failed = "failed",
    }
}

names! {
    /// A letter.
    LetterState {
        Ordered = "ordered",
        /// It lies in the outbox, or the print service has taken it.
        Created = "created",
        /// What it was to say does not hold any more.
        Cancelled = "cancelled",
        /// It cannot be printed as it is: a character or the address.
        Failed = "failed",
    }
}

names! {
    /// A browser that asks a device to be let in: it was written down, then put to the devices or not, then its session
    /// was taken.
    WebLoginState {
        Requested = "requested",
        Answered = "answered",
        Taken = "taken",
        /// The owner has said meanwhile that it was not she who asks.
        Void = "void",
    }
}

names! {
    /// A request for a new password: it was written down, then answered, then its setup session was taken.
    ResetState {
        Requested = "requested",
        Answered = "answered",
        Taken = "taken",
        /// The password was set or reported stolen meanwhile, or an operator has stepped in.
        Void = "void",
    }
}

const fn row<S>(from: S, event: Event, to: S) -> Transition<S> {
    Transition { from, event, to }
}

impl States for AccountState {
    const TABLE: &'static [Transition<Self>] = &[
        // The way in: by letter, by an identity provider, by card.
        row(Self::Registered, Event::LetterOrdered, Self::LetterOrdered),
        row(Self::LetterOrdered, Event::LetterOrdered, Self::LetterOrdered),
        row(Self::InitialLogin, Event::LetterOrdered, Self::InitialLogin),
        row(Self::IdentPending, Event::LetterOrdered, Self::IdentPending),
        row(Self::LetterOrdered, Event::InitialPasswordUsed, Self::InitialLogin),
        row(Self::InitialLogin, Event::InitialPasswordUsed, Self::InitialLogin),
        row(Self::IdentPending, Event::InitialPasswordUsed, Self::InitialLogin),
        row(Self::Registered, Event::AccountIdentified, Self::IdentPending),
        row(Self::LetterOrdered, Event::AccountIdentified, Self::IdentPending),
        row(Self::InitialLogin, Event::AccountIdentified, Self::IdentPending),
        row(Self::IdentPending, Event::AccountIdentified, Self::IdentPending),
        row(Self::InitialLogin, Event::PasswordSet, Self::Active),
        row(Self::IdentPending, Event::PasswordSet, Self::Active),
        row(Self::Registered, Event::AccountOpenedByCard, Self::Active),
        row(Self::LetterOrdered, Event::AccountOpenedByCard, Self::Active),
        row(Self::InitialLogin, Event::AccountOpenedByCard, Self::Active),
        row(Self::IdentPending, Event::AccountOpenedByCard, Self::Active),
        // A new password.
        row(Self::Active, Event::PasswordSet, Self::Active),
        row(Self::Active, Event::ResetOrdered, Self::ResetPending),
        row(Self::ResetPending, Event::ResetOrdered, Self::ResetPending),
        row(Self::Active, Event::InitialPasswordUsed, Self::ResetPending),
        row(Self::ResetPending, Event::InitialPasswordUsed, Self::ResetPending),
        row(Self::Active, Event::AccountIdentified, Self::ResetPending),
        row(Self::ResetPending, Event::AccountIdentified, Self::ResetPending),
        row(Self::ResetPending, Event::PasswordSet, Self::Active),
        // Stolen: a letter that nobody used yet, or the password.
        row(Self::Registered, Event::PasswordStolen, Self::Registered),
        row(Self::LetterOrdered, Event::PasswordStolen, Self::Registered),
        row(Self::InitialLogin, Event::PasswordStolen, Self::Registered),
        row(Self::IdentPending, Event::PasswordStolen, Self::Registered),
        row(Self::Active, Event::PasswordStolen, Self::ResetPending),
        row(Self::ResetPending, Event::PasswordStolen, Self::ResetPending),
        row(Self::Suspended, Event::PasswordStolen, Self::Suspended),
        row(Self::Closed, Event::PasswordStolen, Self::Closed),
        // The operator, or the person by telephone.
        row(Self::Active, Event::AccountSuspended, Self::Suspended),
        row(Self::ResetPending, Event::AccountSuspended, Self::Suspended),
        row(Self::Registered, Event::AccountSuspended, Self::Suspended),
        row(Self::LetterOrdered, Event::AccountSuspended, Self::Suspended),
        row(Self::InitialLogin, Event::AccountSuspended, Self::Suspended),
        row(Self::IdentPending, Event::AccountSuspended, Self::Suspended),
        // Back to what it was. It stays suspended whatever becomes of membership: a closed one may not be read, and one
        // that opens again is suspended.
        row(Self::Suspended, Event::AccountResumed, Self::Registered),
        row(Self::Suspended, Event::AccountResumed, Self::LetterOrdered),
        row(Self::Suspended, Event::AccountResumed, Self::InitialLogin),
        row(Self::Suspended, Event::AccountResumed, Self::IdentPending),
        row(Self::Suspended, Event::AccountResumed, Self::Active),
        row(Self::Suspended, Event::AccountResumed, Self::ResetPending),
        row(Self::Closed, Event::AccountResumed, Self::Closed),
        // The end of membership.
        row(Self::Registered, Event::AccountClosed, Self::Closed),
        row(Self::LetterOrdered, Event::AccountClosed, Self::Closed),
        row(Self::InitialLogin, Event::AccountClosed, Self::Closed),
        row(Self::IdentPending, Event::AccountClosed, Self::Closed),
        row(Self::Active, Event::AccountClosed, Self::Closed),
        row(Self::Suspended, Event::AccountClosed, Self::Closed),
        row(Self::ResetPending, Event::AccountClosed, Self::Closed),
        // Membership goes on, or begins again: with the password that let her read meanwhile, or without one.
        row(Self::Closed, Event::AccountReopened, Self::Active),
        row(Self::Closed, Event::AccountReopened, Self::Suspended),
        row(Self::Closed, Event::AccountReadmitted, Self::Registered),
        row(Self::Closed, Event::AccountReadmitted, Self::Suspended),
    ];
    const UPDATE: &'static str = "UPDATE account SET state = $3 WHERE account_id = CAST($1 AS BIGINT) AND state = $2";

    fn as_str(self) -> &'static str {
        self.name()
    }
}

impl States for SessionState {
    const TABLE: &'static [Transition<Self>] = &[
        row(Self::Open, Event::SessionClosed, Self::Closed),
        row(Self::Open, Event::SessionEnded, Self::Ended),
        row(Self::Open, Event::SessionReused, Self::Reused),
    ];
    const UPDATE: &'static str = "UPDATE session SET state = $3 WHERE session_id = $1 AND state = $2";

    fn as_str(self) -> &'static str {
        self.name()
    }
}

impl States for RegistrationState {
    const TABLE: &'static [Transition<Self>] = &[
        row(Self::Open, Event::RegistrationChallenged, Self::Open),
        row(Self::Open, Event::RegistrationPinEvaluated, Self::Open),
        row(Self::Open, Event::RegistrationAttestationAsked, Self::Open),
        row(Self::Open, Event::RegistrationNonceGiven, Self::Open),
        row(Self::Open, Event::RegistrationNonceShown, Self::Open),
        row(Self::Open, Event::RegistrationRefused, Self::Open),
        row(Self::Open, Event::DeviceBound, Self::Bound),
        row(Self::Open, Event::DeviceRebound, Self::Bound),
    ];
    const UPDATE: &'static str = "UPDATE registration SET state = $3 WHERE registration_id = $1 AND state = $2";

    fn as_str(self) -> &'static str {
        self.name()
    }
}

impl States for DeviceState {
    const TABLE: &'static [Transition<Self>] = &[
        row(Self::PendingWait, Event::DeviceActivated, Self::Active),
        row(Self::PendingWait, Event::DeviceRevoked, Self::Revoked),
        row(Self::Active, Event::DeviceRevoked, Self::Revoked),
        row(Self::Locked, Event::DeviceRevoked, Self::Revoked),
        row(Self::Expired, Event::DeviceRevoked, Self::Revoked),
        row(Self::PendingWait, Event::DeviceRenamed, Self::PendingWait),
        row(Self::Active, Event::DeviceRenamed, Self::Active),
        row(Self::Locked, Event::DeviceRenamed, Self::Locked),
        row(Self::Expired, Event::DeviceRenamed, Self::Expired),
        row(Self::PendingWait, Event::DeviceLocked, Self::Locked),
        row(Self::Active, Event::DeviceLocked, Self::Locked),
        row(Self::Locked, Event::DeviceUnlocked, Self::Active),
        // One that was locked while it waited goes on waiting.
        row(Self::Locked, Event::DeviceWaitsAgain, Self::PendingWait),
        row(Self::Active, Event::DeviceExpired, Self::Expired),
        row(Self::Locked, Event::DeviceExpired, Self::Expired),
        // The card binds it anew, before its time is over or afterwards.
        row(Self::Active, Event::DeviceRebound, Self::Active),
        row(Self::Expired, Event::DeviceRebound, Self::Active),
        // One that waits can be unlocked: its PIN is counted from the first day on.
        row(Self::PendingWait, Event::PinEvaluated, Self::PendingWait),
        row(Self::PendingWait, Event::PinConfirmed, Self::PendingWait),
        row(Self::PendingWait, Event::PinShareMade, Self::PendingWait),
        row(Self::PendingWait, Event::PinChanged, Self::PendingWait),
        row(Self::PendingWait, Event::PinUsedUp, Self::Revoked),
        row(Self::Active, Event::PinEvaluated, Self::Active),
        row(Self::Active, Event::PinConfirmed, Self::Active),
        row(Self::Active, Event::PinShareMade, Self::Active),
        row(Self::Active, Event::PinChanged, Self::Active),
        // One whose time is over is opened to be bound anew, and its PIN is counted as ever.
        row(Self::Expired, Event::PinEvaluated, Self::Expired),
        row(Self::Expired, Event::PinConfirmed, Self::Expired),
        row(Self::Expired, Event::PinShareMade, Self::Expired),
        row(Self::Expired, Event::PinChanged, Self::Expired),
        // Five wrong PINs, or fifty that were never confirmed.
        row(Self::Active, Event::PinUsedUp, Self::Revoked),
        row(Self::Locked, Event::PinUsedUp, Self::Revoked),
        row(Self::Expired, Event::PinUsedUp, Self::Revoked),
    ];
    const UPDATE: &'static str = "UPDATE device SET state = $3 WHERE device_id = $1 AND state = $2";

    fn as_str(self) -> &'static str {
        self.name()
    }
}

impl States for DeviceCodeState {
    const TABLE: &'static [Transition<Self>] = &[
        row(Self::Valid, Event::DeviceBound, Self::Used),
        row(Self::Valid, Event::DeviceCodeFailed, Self::Valid),
        row(Self::Valid, Event::DeviceCodeVoided, Self::Void),
        row(Self::Valid, Event::DeviceCodeSuperseded, Self::Superseded),
    ];
    const UPDATE: &'static str = "UPDATE device_code SET state = $3 WHERE code_id = $1 AND state = $2";

    fn as_str(self) -> &'static str {
        self.name()
    }
}

impl States for ApplicationState {
    const TABLE: &'static [Transition<Self>] = &[
        row(Self::Pending, Event::ApplicationApproved, Self::Queued),
        row(Self::Pending, Event::ApplicationDenied, Self::Denied),
        row(Self::Pending, Event::ApplicationNotMe, Self::Denied),
        row(Self::Pending, Event::ApplicationSuperseded, Self::Superseded),
        row(Self::Pending, Event::MatchCodeWrong, Self::Pending),
        row(Self::Pending, Event::ApplicationExpired, Self::Expired),
        row(Self::Pending, Event::ApplicationCancelled, Self::Cancelled),
        row(Self::Queued, Event::ApplicationExecuted, Self::Executed),
        row(Self::Queued, Event::ApplicationFailed, Self::Failed),
        row(Self::Queued, Event::ApplicationCancelled, Self::Cancelled),
    ];
    const UPDATE: &'static str = "UPDATE application SET state = $3 WHERE application_id = $1 AND state = $2";

    fn as_str(self) -> &'static str {
        self.name()
    }
}

impl States for LetterState {
    const TABLE: &'static [Transition<Self>] = &[
        row(Self::Ordered, Event::LetterCreated, Self::Created),
        row(Self::Ordered, Event::LetterCancelled, Self::Cancelled),
        row(Self::Ordered, Event::LetterFailed, Self::Failed),
    ];
    const UPDATE: &'static str = "UPDATE letter SET state = $3 WHERE letter_id = $1 AND state = $2";

    fn as_str(self) -> &'static str {
        self.name()
    }
}

impl States for WebLoginState {
    const TABLE: &'static [Transition<Self>] = &[
        row(Self::Requested, Event::WebLoginAsked, Self::Answered),
        row(Self::Answered, Event::WebLoginTaken, Self::Taken),
        row(Self::Requested, Event::WebLoginVoided, Self::Void),
        row(Self::Answered, Event::WebLoginVoided, Self::Void),
    ];
    const UPDATE: &'static str = "UPDATE web_login SET state = $3 WHERE login_id = $1 AND state = $2";

    fn as_str(self) -> &'static str {
        self.name()
    }
}

impl States for ResetState {
    const TABLE: &'static [Transition<Self>] = &[
        row(Self::Requested, Event::PasswordResetAsked, Self::Answered),
        row(Self::Answered, Event::PasswordResetTaken, Self::Taken),
        row(Self::Requested, Event::PasswordResetVoided, Self::Void),
        row(Self::Answered, Event::PasswordResetVoided, Self::Void),
        row(Self::Taken, Event::PasswordResetVoided, Self::Void),
    ];
    const UPDATE: &'static str = "UPDATE password_reset SET state = $3 WHERE reset_id = $1 AND state = $2";

    fn as_str(self) -> &'static str {
        self.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_moved_meanwhile_is_not_moved_again() {
        let mut connection = Connection::in_memory().await;
        for statement in [
            "CREATE TABLE application (application_id TEXT, state TEXT)",
            "INSERT INTO application VALUES ('a', 'denied')",
        ] {
            sqlx::query(statement).execute(&mut connection).await.unwrap();
        }
        let late = transition(&mut connection, "a", ApplicationState::Pending, Event::ApplicationApproved).await;
        assert_eq!(late.unwrap(), None);
        let nobody = transition(&mut connection, "b", ApplicationState::Pending, Event::ApplicationApproved).await;
        assert_eq!(nobody.unwrap(), None);
        let from = ApplicationState::Denied;
        let other =
            transition_to(&mut connection, "a", from, Event::ApplicationApproved, ApplicationState::Queued).await;
        assert_eq!(other.unwrap(), None, "no such row");
        let state = sqlx::query_scalar::<_, String>("SELECT state FROM application");
        assert_eq!(state.fetch_one(&mut connection).await.unwrap(), "denied");
    }

    #[test]
    fn what_is_decided_is_decided() {
        use ApplicationState::*;
        assert!(SessionState::TABLE.iter().all(|row| row.from == SessionState::Open), "what has ended has ended");
        for done in [Denied, Expired, Cancelled, Superseded, Executed, Failed] {
            assert!(ApplicationState::TABLE.iter().all(|row| row.from != done), "{done:?}");
        }
        assert_eq!(Queued.after(Event::ApplicationApproved), None);
        assert_eq!(Queued.after(Event::ApplicationDenied), None);
        assert!(DeviceState::TABLE.iter().all(|row| row.from != DeviceState::Revoked));
        assert!(RegistrationState::TABLE.iter().all(|row| row.from != RegistrationState::Bound));
        assert!(DeviceCodeState::TABLE.iter().all(|row| row.from == DeviceCodeState::Valid));
        let leads_on =
            |row: &&Transition<AccountState>| row.from == AccountState::Closed && row.to != AccountState::Closed;
        let events: Vec<_> = AccountState::TABLE.iter().filter(leads_on).map(|row| row.event).collect();
        let membership = [Event::AccountReopened, Event::AccountReadmitted];
        assert_eq!(events, membership.map(|event| [event; 2]).concat(), "membership alone opens it again");
        assert!(LetterState::TABLE.iter().all(|row| row.from == LetterState::Ordered));
    }
}
