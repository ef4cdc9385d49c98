//! Failures of card and reader.

use super::{Failure, Kind, NONE};
use crate::client::ReachError;
use crate::client::card_pin::{PinError, PinRefusal, UnblockError};
use crate::egk::{EgkError, OtherCard};
use crate::identity::IdentityError;
use crate::identity::certificate::CertificateError;
use crate::pki::cvc::{ChainError, CvcError, Level};
use crate::protocol::presence::PresenceError;
use crate::reader::ChannelError;
use crate::reader::pace::PaceError;
use crate::reader::pcsc::{Refusal, Sandbox};
use crate::reader::pinpad::NoEntry;
use crate::reader::replay::ReplayMismatch;
use crate::virtual_card::ImageError;
use crate::virtual_card::scenario::ScenarioError;

impl From<ChannelError> for Failure {
    fn from(error: ChannelError) -> Self {
        Self::from(&error)
    }
}

impl From<&ChannelError> for Failure {
    fn from(error: &ChannelError) -> Self {
        let kind = match error {
            ChannelError::NoService => Kind::NoService,
            ChannelError::NotAllowed(refusal) => return not_allowed(refusal).because(error),
            ChannelError::NoReader { wanted } => {
                return Kind::NoReader.failure().text("reader", wanted.as_deref().unwrap_or(NONE));
            }
            ChannelError::NoCard => Kind::NoCard,
            ChannelError::MuteCard => Kind::MuteCard,
            ChannelError::SeveralCards => Kind::SeveralCards,
            ChannelError::InUse => Kind::CardInUse,
            ChannelError::Removed => Kind::CardRemoved,
            ChannelError::Reset => Kind::CardReset,
            ChannelError::Timeout => Kind::CardTimeout,
            ChannelError::Interrupted(_) | ChannelError::Malformed => Kind::Transmission,
            ChannelError::Unprotected(_) => Kind::SecureLine,
            ChannelError::Session(mismatch) => return session(mismatch),
        };
        kind.failure().because(error)
    }
}

fn not_allowed(refusal: &Refusal) -> Failure {
    let (why, sandbox) = match refusal {
        Refusal::Rights => ("rights", NONE),
        Refusal::Socket => ("socket", NONE),
        Refusal::Version => ("version", NONE),
        Refusal::Sandbox(Sandbox::Flatpak(application)) => ("flatpak", application.as_str()),
        Refusal::Sandbox(Sandbox::Snap(package)) => ("snap", package.as_str()),
    };
    Kind::NotAllowed.failure().text("why", why).text("sandbox", sandbox)
}

impl From<ReplayMismatch> for Failure {
    fn from(error: ReplayMismatch) -> Self {
        session(&error)
    }
}

fn session(error: &ReplayMismatch) -> Failure {
    let (line, expected, actual, what) = match error {
        ReplayMismatch::Command { line, expected, actual } => {
            (line, expected.to_string(), actual.to_string(), "command")
        }
        ReplayMismatch::Exhausted { line, actual } => (line, "-".to_owned(), actual.to_string(), "command"),
        ReplayMismatch::Unused { line, expected } => (line, expected.to_string(), "-".to_owned(), "command"),
        ReplayMismatch::Answer { line, expected, actual } => (line, expected.to_string(), actual.to_string(), "answer"),
        ReplayMismatch::Malformed { line } => {
            return Kind::SessionFile.failure().text("line", line.to_string()).because(error);
        }
        ReplayMismatch::NotForFiles | ReplayMismatch::File(_) => {
            return Kind::SessionFile.failure().text("line", "-").because(error);
        }
    };
    let failure = Kind::SessionMismatch.failure().text("line", line.to_string()).text("what", what);
    failure.text("expected", expected).text("actual", actual).because(error)
}

impl From<EgkError> for Failure {
    fn from(error: EgkError) -> Self {
        Self::from(&error)
    }
}

impl From<&EgkError> for Failure {
    fn from(error: &EgkError) -> Self {
        let kind = match error {
            EgkError::Channel(error) => return error.into(),
            EgkError::NotAnEgk(card) => {
                let card = match card {
                    OtherCard::Hba => "hba",
                    OtherCard::SmcB => "smc-b",
                    OtherCard::Unknown => "unknown",
                };
                return Kind::NotAnEgk.failure().text("card", card);
            }
            EgkError::UnexpectedStatus { command, status } => {
                let failure = Kind::CardAnswer.failure().text("status", status.to_string());
                return failure.text("command", *command).because(error);
            }
            EgkError::NoCertificate => {
                return Kind::CardData.failure().text("what", "no_certificate").because(&error);
            }
            EgkError::Malformed { .. } => Kind::CardData,
            EgkError::TooOld(_) => Kind::CardTooOld,
            EgkError::TooLong { .. } => Kind::Transmission,
            EgkError::Contactless => Kind::CardContactless,
            EgkError::Pace(PaceError::WrongCan) => Kind::CanWrong,
            EgkError::Pace(_) => Kind::SecureLine,
            EgkError::Deactivated => Kind::CardDeactivated,
        };
        kind.failure().because(error)
    }
}

impl From<ReachError> for Failure {
    fn from(error: ReachError) -> Self {
        match error {
            ReachError::Card(error) => error.into(),
            ReachError::Ask(error) => error.into(),
        }
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        let kind = match error {
            IdentityError::UpdateInProgress => Kind::CardUpdating,
            IdentityError::OtherPerson => Kind::CardMismatch,
            IdentityError::Vsd(_) | IdentityError::Certificate(_) => Kind::CardData,
        };
        kind.failure().because(&error)
    }
}

impl From<CertificateError> for Failure {
    fn from(error: CertificateError) -> Self {
        Kind::CardData.failure().because(&error)
    }
}

impl From<PresenceError> for Failure {
    fn from(error: PresenceError) -> Self {
        let why = match error {
            PresenceError::Signature => "signature",
            // Only the CA's issuer is a root; a chip whose issuer is another CA than the one on its card is no real one.
            PresenceError::Chain(ChainError { level: Level::Authority, error: CvcError::UnknownIssuer }) => "unknown",
            PresenceError::Chain(ChainError { error: CvcError::Expired, .. }) => "expired",
            PresenceError::Chain(ChainError { error: CvcError::NotYetValid, .. }) => "not-yet",
            PresenceError::Chain(_) => "certificate",
        };
        Kind::ChipRefused.failure().text("why", why).because(&error)
    }
}

impl From<PinRefusal> for Failure {
    fn from(refusal: PinRefusal) -> Self {
        let kind = match refusal {
            PinRefusal::Wrong { tries_left } => {
                return Kind::CardPinWrong.failure().number("tries", i64::from(tries_left));
            }
            PinRefusal::Blocked => Kind::CardPinBlocked,
            PinRefusal::LastTry => return Kind::CardLastTry.failure().text("tries", "one"),
            PinRefusal::MaybeLastTry => return Kind::CardLastTry.failure().text("tries", "unknown"),
            PinRefusal::TransportPin => Kind::CardTransportPin,
            PinRefusal::TakesNoPin => return Kind::CardNoPin.failure().text("why", "none_taken").because(&refusal),
            PinRefusal::NoPin => return Kind::CardNoPin.failure().text("why", "empty"),
            PinRefusal::Disabled | PinRefusal::StillVerified => {
                return Kind::CardNoPin.failure().text("why", "other").because(&refusal);
            }
        };
        kind.failure().because(&refusal)
    }
}

impl From<NoEntry> for Failure {
    fn from(why: NoEntry) -> Self {
        match why {
            NoEntry::TimedOut => Kind::KeypadTimeout.failure(),
            NoEntry::Cancelled => Kind::Cancelled.failure(),
            NoEntry::EntriesDiffer => Kind::InputInvalid.failure().text("input", "entries_differ"),
            NoEntry::Length => Kind::InputInvalid.failure().text("input", "keypad_length"),
            NoEntry::Refused => Kind::KeypadRefused.failure(),
        }
    }
}

impl From<PinError> for Failure {
    fn from(error: PinError) -> Self {
        match error {
            PinError::Card(error) => error.into(),
            PinError::Ask(error) => error.into(),
            PinError::Refused(refusal) => refusal.into(),
            PinError::Keypad(why) => why.into(),
            PinError::Unanswered(_) => Kind::PinUnanswered.failure().because(&error),
        }
    }
}

impl From<UnblockError> for Failure {
    fn from(error: UnblockError) -> Self {
        match error {
            UnblockError::Pin(error) => error.into(),
            UnblockError::WrongPuk { uses_left } => Kind::PukWrong.failure().number("uses", i64::from(uses_left)),
            UnblockError::PukUsedUp => Kind::PukUsedUp.failure(),
        }
    }
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        let failure = Kind::Scenario.failure();
        match &error {
            ScenarioError::UnknownKey { line, key, nearest } => {
                let failure = failure.text("why", "unknown").text("line", line.to_string());
                failure.text("key", key).text("nearest", nearest)
            }
            ScenarioError::Value { line, key, .. } => {
                failure.text("why", "value").text("line", line.to_string()).text("key", key).because(&error)
            }
            ScenarioError::Combination(key, other) => {
                failure.text("why", "combination").text("key", *key).text("other", *other)
            }
            ScenarioError::NotOnCard(key) => failure.text("why", "card").text("key", *key),
            ScenarioError::ContactlessOnly(key) => failure.text("why", "contactless").text("key", *key),
            ScenarioError::NotInReader(key) => failure.text("why", "reader").text("key", *key),
        }
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        Kind::CardImage.failure().because(&error)
    }
}
