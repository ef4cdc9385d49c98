//! Notices: what a person is told when something happens to her account (`docs/protocol.md`, notices).
//!
//! A notice is queued in the transaction of what it tells about, and sent afterwards until it has arrived
//! ([`sender`]): none is lost, and one that is sent twice carries the same `Message-ID`.

mod message;
pub(super) mod preferences;
pub(super) mod sender;
mod smtp;
mod text;

use std::str::FromStr;

use super::letter::Told;
use super::states::Event;
use super::store::Connection;
use super::{Service, letter, random};
use crate::protocol::api::NoticeLanguage;
use crate::protocol::{NoticeId, NumericDate, UnknownName};

pub(super) use smtp::Mailer;
pub use smtp::SmtpError;

/// When a notice goes by letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Post {
    /// E-mail only.
    Never,
    /// Where no e-mail reaches the person.
    Instead,
    /// Beside the e-mail.
    Always,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $post:ident;)*) => {
        /// What a notice tells.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Kind {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the database and in requests.
            pub(super) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            fn post(self) -> Post {
                match self { $(Self::$variant => Post::$post,)* }
            }
        }
    };
}

kinds! {
    /// A device was bound with card and card PIN.
    DeviceAdded = "device_added", Instead;
    /// A device was bound by weaker evidence (B1, B2).
    DeviceAddedWithoutPin = "device_added_without_pin", Always;
    /// A device was bound by a code on the screen of whoever had logged in with card and card PIN, or with a device that they
    /// have bound (B1); it does not wait.
    DeviceAddedByScreen = "device_added_by_screen", Always;
    /// A device was locked.
    DeviceLocked = "device_locked", Never;
    /// A locked device was unlocked.
    DeviceUnlocked = "device_unlocked", Instead;
    /// The time of a device ends soon.
    DeviceExpires = "device_expires", Never;
    /// The card has bound a device anew.
    DeviceRebound = "device_rebound", Instead;
    /// The time of a device is over.
    DeviceExpired = "device_expired", Never;
    /// A code was made with which everything can be locked; the one before does not hold any more.
    RevocationCodeMade = "revocation_code_made", Instead;
    /// Such a code was used: all devices are locked, and all sessions have ended.
    RevocationCodeUsed = "revocation_code_used", Always;
    /// A device was removed for good.
    DeviceRevoked = "device_revoked", Instead;
    /// Three wrong device PINs in a row.
    PinWrong = "pin_wrong", Never;
    /// Many PINs of a device that nobody has confirmed: somebody else may have its file.
    PinUnconfirmed = "pin_unconfirmed", Instead;
    /// A device was removed for good: no try was left for its PIN.
    PinUsedUp = "pin_used_up", Instead;
    /// An application waits for its approval.
    ApprovalWaiting = "approval_waiting", Never;
    /// Somebody has forgotten the password, and asks the devices of the account for a new one.
    PasswordResetWaiting = "password_reset_waiting", Never;
    /// Card and PIN have opened the account.
    AccountOpenedByCard = "account_opened_by_card", Instead;
    /// An application was denied because the match code was wrong too often.
    MatchCodeDenied = "match_code_denied", Never;
    /// The owner has said that an application was not hers.
    NotMe = "not_me", Instead;
    /// A new address is in force. The letter goes to the old one.
    AddressChanged = "address_changed", Always;
    /// A new bank account was approved and waits for its time.
    BankChangeQueued = "bank_change_queued", Always;
    /// A new bank account was approved and is not to come into force after all.
    BankChangeCancelled = "bank_change_cancelled", Always;
    /// A new bank account is in force.
    BankChanged = "bank_changed", Always;
    /// A new health card was ordered.
    CardOrdered = "card_ordered", Instead;
    /// Notices go to another e-mail address from now on; told to both.
    ContactChanged = "contact_changed", Instead;
    /// Somebody has logged in with a program that never did before. A letter for each would be read by nobody.
    LoginFromNewClient = "login_from_new_client", Never;
    /// Two had the tokens of a session: it was ended.
    SessionReused = "session_reused", Instead;
    /// The health card was reported lost: no card that was made before is taken.
    CardsRevoked = "cards_revoked", Instead;
    /// There is a password where there was none. The letter, the card or the identity provider that it took was noticed.
    PasswordSet = "password_set", Never;
    /// There is another password.
    PasswordChanged = "password_changed", Instead;
    /// The password was reported stolen: it does not hold any more.
    PasswordVoided = "password_voided", Instead;
    /// A letter with an initial password was ordered.
    LetterOrdered = "letter_ordered", Never;
    /// A letter with a code for a device was ordered.
    DeviceCodeOrdered = "device_code_ordered", Never;
    /// A code for a device was tried with a wrong secret too often, and is void.
    DeviceCodeVoided = "device_code_voided", Instead;
    /// Nobody can log in any more, until it is opened again.
    AccountSuspended = "account_suspended", Instead;
    /// A suspended account is open again.
    AccountResumed = "account_resumed", Never;
    /// Membership has ended.
    AccountClosed = "account_closed", Never;
    /// Membership goes on after the account was closed.
    AccountReopened = "account_reopened", Never;
}

/// The names of everything a person is told of.
pub fn notice_kinds() -> Vec<&'static str> {
    Kind::ALL.iter().map(|kind| kind.as_str()).collect()
}

impl Kind {
    /// What is told of an event that moves an account or a device.
    pub(super) fn of(event: Event) -> Option<Self> {
        Some(match event {
            Event::PasswordSet => Self::PasswordChanged,
            Event::PasswordStolen => Self::PasswordVoided,
            Event::AccountOpenedByCard => Self::AccountOpenedByCard,
            Event::AccountSuspended => Self::AccountSuspended,
            Event::AccountResumed => Self::AccountResumed,
            Event::AccountClosed => Self::AccountClosed,
            Event::AccountReopened => Self::AccountReopened,
            Event::DeviceLocked => Self::DeviceLocked,
            Event::DeviceUnlocked | Event::DeviceWaitsAgain => Self::DeviceUnlocked,
            Event::DeviceExpired => Self::DeviceExpired,
            Event::DeviceRevoked => Self::DeviceRevoked,
            _ => return None,
        })
    }

    /// Whether the person may do without: what tells of an attack she may not, for whoever attacks would switch it off.
    fn is_optional(self) -> bool {
        self == Self::ApprovalWaiting
    }
}

impl FromStr for Kind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or(UnknownName)
    }
}

#[derive(sqlx::FromRow)]
struct Person {
    email: Option<String>,
    language: String,
    notices_off: String,
}

/// Queues a notice to the channels the person has now: before a channel changes, to the old one; afterwards, to the
/// new one. Letters are ordered with the others ([`letter`]).
pub(super) async fn queue(
    service: &Service,
    connection: &mut Connection,
    account_id: i64,
    kind: Kind,
    now: NumericDate,
) -> Result<(), sqlx::Error> {
    let query = "SELECT email, language, notices_off FROM account WHERE account_id = $1";
    let mut person = sqlx::query_as::<_, Person>(query).bind(account_id).fetch_one(&mut *connection).await?;
    // Without a mail server no e-mail reaches anybody, and none is to come months later when there is one.
    person.email = person.email.filter(|_| service.mailer.is_some());
    if kind.is_optional() && preferences::is_off(&person.notices_off, kind) {
        return Ok(());
    }
    let by_letter = match kind.post() {
        Post::Never => false,
        Post::Instead => person.email.is_none(),
        Post::Always => true,
    };
    if by_letter {
        let language = person.language.parse().unwrap_or(NoticeLanguage::De);
        order_letter(service, connection, account_id, kind, language, now).await?;
    }
    let Some(email) = person.email else { return Ok(()) };
    let insert = sqlx::query(
        "INSERT INTO notice (notice_id, account_id, kind, recipient, language, created, state, attempts, due) \
         VALUES ($1, $2, $3, $4, $5, $6, 'queued', 0, $6)",
    );
    let insert = insert.bind(NoticeId::random(&mut random()).to_string()).bind(account_id).bind(kind.as_str());
    insert.bind(email).bind(person.language).bind(now).execute(connection).await?;
    Ok(())
}

/// Tells it by letter, to the address that letters go to now.
async fn order_letter(
    service: &Service,
    connection: &mut Connection,
    account_id: i64,
    kind: Kind,
    language: NoticeLanguage,
    happened: NumericDate,
) -> Result<(), sqlx::Error> {
    let words = text::words(kind, language, happened, &service.current().texts, &service.settings.insurer);
    let told = Told { title: words.title, text: words.text, language };
    letter::order_notice(connection, account_id, told, service.now_unix()).await
}
