//! The PIN of the card: its state, changing it, unblocking it. Every try is spent with the person's knowledge, and after
//! a change the card is reset, so that no verified PIN stays behind.

use thiserror::Error;

use super::keypad::{self, can_use_keypad};
use super::{AskError, FromCard, Notice, ReachError, Step, Surroundings, Way, restarting};
use crate::apdu::StatusWord;
use crate::egk::{ApduLength, Attempt, Egk, EgkError, LastTry, OldPin, PinAnswer, PinStatus, PukAnswer, Tries};
use crate::reader::pinpad::{KeypadCommand, NoEntry};
use crate::reader::{CardChannel, ChannelError};
use crate::secret::Pin;

/// Why no PIN was sent, or the PIN did not open the card.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PinRefusal {
    /// The PIN is wrong; what is left.
    #[error("the PIN is wrong, {tries_left} tries left")]
    Wrong {
        /// Tries left, at least one.
        tries_left: u8,
    },
    /// The PIN is blocked.
    #[error("the PIN is blocked")]
    Blocked,
    /// One try is left and the person did not agree to spend it.
    #[error("the last try was not spent")]
    LastTry,
    /// The card does not tell how many tries are left, and the person did not agree to spend what may be the last.
    #[error("a try that may be the last was not spent")]
    MaybeLastTry,
    /// The card still has its transport PIN.
    #[error("the card has its transport PIN")]
    TransportPin,
    /// The card has no PIN.
    #[error("the card has no PIN")]
    NoPin,
    /// The card has no PIN and does not let its holder choose one.
    #[error("the card has no PIN and takes none")]
    TakesNoPin,
    /// The PIN of the card is switched off, which a health card does not know for this PIN.
    #[error("the PIN is switched off")]
    Disabled,
    /// The card says that the PIN is verified although it was reset: it is none to trust.
    #[error("the card does not forget its PIN")]
    StillVerified,
}

/// Why nothing was done with the PIN.
#[derive(Debug, Error)]
pub enum PinError {
    /// The card.
    #[error(transparent)]
    Card(#[from] EgkError),
    /// The person.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The PIN cannot be used as it is.
    #[error("the card PIN cannot be used")]
    Refused(#[from] PinRefusal),
    /// The reader's keypad gave the card nothing, which its counter confirms: no try was spent.
    #[error("nothing was typed on the reader that the card saw: {0:?}")]
    Keypad(NoEntry),
    /// The card was told, and its answer was lost: nobody knows whether it has taken the new PIN or counted the PUK.
    #[error("the card did not answer any more")]
    Unanswered(#[source] ChannelError),
}

/// An answer that never came leaves open what the card has done.
fn unanswered(error: PinError) -> PinError {
    match error {
        PinError::Card(EgkError::Channel(error)) => PinError::Unanswered(error),
        error => error,
    }
}

impl From<ReachError> for PinError {
    fn from(error: ReachError) -> Self {
        match error {
            ReachError::Card(error) => error.into(),
            ReachError::Ask(error) => error.into(),
        }
    }
}

impl FromCard for PinError {
    fn card(&self) -> Option<&EgkError> {
        match self {
            Self::Card(error) => Some(error),
            _ => None,
        }
    }
}

/// Why the PIN was not unblocked.
#[derive(Debug, Error)]
pub enum UnblockError {
    /// As for any use of the PIN.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The PUK is wrong; how often it can still be used.
    #[error("the PUK is wrong, {uses_left} uses left")]
    WrongPuk {
        /// Uses left (1 to 15).
        uses_left: u8,
    },
    /// The PUK was used as often as it can be.
    #[error("the PUK is used up")]
    PukUsedUp,
}

impl From<EgkError> for UnblockError {
    fn from(error: EgkError) -> Self {
        PinError::from(error).into()
    }
}

impl FromCard for UnblockError {
    fn card(&self) -> Option<&EgkError> {
        match self {
            Self::Pin(error) => error.card(),
            _ => None,
        }
    }
}

/// A card whose PIN is asked for, identified and reached, and what it says of the PIN.
fn reach<C: CardChannel>(
    channel: C,
    way: &mut Way,
    around: &mut Surroundings<'_>,
) -> Result<(Egk<C>, PinStatus), PinError> {
    around.ui.step(Step::IdentifyCard);
    let mut egk = way.open(channel, around)?;
    around.ui.step(Step::ReadPinStatus);
    let status = match egk.pin_status() {
        Err(EgkError::Contactless) => {
            way.secure(&mut egk, around)?;
            egk.pin_status()?
        }
        status => status?,
    };
    Ok((egk, status))
}

/// What the card says of its PIN. Spends no try.
///
/// # Errors
/// [`PinError`].
pub fn status<C: CardChannel>(
    channel: C,
    length: ApduLength,
    around: &mut Surroundings<'_>,
) -> Result<PinStatus, PinError> {
    restarting(channel, length, around, |channel, way, around| Ok(reach(channel, way, around)?.1))
}

/// Puts a new PIN in the place of the old one, of the transport PIN, or of none. One try is spent at most; a wrong old
/// PIN is told with what is left.
///
/// # Errors
/// [`PinError`].
pub fn change<C: CardChannel>(channel: C, length: ApduLength, around: &mut Surroundings<'_>) -> Result<(), PinError> {
    restarting(channel, length, around, change_once)
}

fn change_once<C: CardChannel>(channel: &mut C, way: &mut Way, around: &mut Surroundings<'_>) -> Result<(), PinError> {
    let (mut egk, status) = reach(channel, way, around)?;
    let answer = match status {
        PinStatus::EmptyPin => {
            let new = around.ui.new_card_pin()?;
            around.ui.step(Step::ChangePin);
            match egk.set_first_pin(&new) {
                // The rules of health cards do not let everybody choose the first PIN.
                Err(EgkError::UnexpectedStatus { status: StatusWord::SECURITY_STATUS_NOT_SATISFIED, .. }) => {
                    return Err(PinRefusal::TakesNoPin.into());
                }
                set => set.map(|()| PinAnswer::Accepted).map_err(PinError::Card),
            }
        }
        PinStatus::TransportPin => {
            // How many tries are left, this card does not say.
            let last = if around.ui.may_spend_last_try(false)? { LastTry::Allowed } else { LastTry::Refused };
            let attempt = Attempt::of_unknown(last).ok_or(PinRefusal::MaybeLastTry)?;
            let old = OldPin::Transport(around.ui.transport_pin()?);
            let new = around.ui.new_card_pin()?;
            around.ui.step(Step::ChangePin);
            egk.change_pin(attempt, &old, &new).map_err(PinError::Card)
        }
        status => {
            let (attempt, tries_left) = leave(&mut egk, status, way, around)?;
            if can_use_keypad(&mut egk, KeypadCommand::Change, around) {
                around.ui.step(Step::ChangePin);
                keypad::change_pin(&mut egk, attempt, tries_left, around)
            } else {
                let old = OldPin::Own(around.ui.card_pin(tries_left, false)?);
                let new = around.ui.new_card_pin()?;
                around.ui.step(Step::ChangePin);
                egk.change_pin(attempt, &old, &new).map_err(PinError::Card)
            }
        }
    };
    let forgotten = forget_pin(&mut egk);
    match answer.map_err(unanswered)? {
        PinAnswer::Accepted => {
            tell_if_verified(forgotten, around);
            Ok(())
        }
        PinAnswer::Wrong(tries) => Err(PinRefusal::Wrong { tries_left: tries.left() }.into()),
        PinAnswer::Blocked => Err(PinRefusal::Blocked.into()),
    }
}

/// What became of unblocking a PIN.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unblocked {
    /// The PIN has all its tries again.
    Done,
    /// It had them all, and was to stay as it is: the PUK was not asked for.
    NotNeeded,
}

/// Gives the PIN all its tries again with the PUK; with a new PIN unless `keeps_pin`. One use of the PUK is spent, and
/// none where there is nothing to do.
///
/// # Errors
/// [`UnblockError`].
pub fn unblock<C: CardChannel>(
    channel: C,
    length: ApduLength,
    keeps_pin: bool,
    around: &mut Surroundings<'_>,
) -> Result<Unblocked, UnblockError> {
    restarting(channel, length, around, |channel, way, around| unblock_once(channel, way, keeps_pin, around))
}

fn unblock_once<C: CardChannel>(
    channel: &mut C,
    way: &mut Way,
    keeps_pin: bool,
    around: &mut Surroundings<'_>,
) -> Result<Unblocked, UnblockError> {
    let (mut egk, status) = reach(channel, way, around)?;
    let status = reset_if_verified(&mut egk, status, way, around)?;
    match &status {
        // There is nothing to unblock yet.
        PinStatus::TransportPin => return Err(PinError::Refused(PinRefusal::TransportPin).into()),
        PinStatus::EmptyPin => return Err(PinError::Refused(PinRefusal::NoPin).into()),
        PinStatus::Usable(tries) if keeps_pin && tries.are_all() => return Ok(Unblocked::NotNeeded),
        _ => {}
    }
    // A new PIN beside the PUK has another length, which no keypad can be told.
    let answer = if keeps_pin && can_use_keypad(&mut egk, KeypadCommand::Unblock, around) {
        around.ui.step(Step::UnblockPin);
        keypad::unblock_pin(&mut egk, &status, around)
    } else {
        let puk = around.ui.puk().map_err(PinError::Ask)?;
        let new = if keeps_pin { None } else { Some(around.ui.new_card_pin().map_err(PinError::Ask)?) };
        around.ui.step(Step::UnblockPin);
        egk.unblock_pin(&puk, new.as_ref()).map_err(PinError::Card)
    };
    let forgotten = forget_pin(&mut egk);
    match answer.map_err(unanswered)? {
        PukAnswer::Accepted => {
            tell_if_verified(forgotten, around);
            Ok(Unblocked::Done)
        }
        PukAnswer::Wrong { uses_left } => Err(UnblockError::WrongPuk { uses_left }),
        PukAnswer::UsedUp => Err(UnblockError::PukUsedUp),
    }
}

/// The card has done what it was told, whatever became of its reset: that is said beside it, and in no other's place.
fn tell_if_verified(forgotten: Result<(), EgkError>, around: &mut Surroundings<'_>) {
    if forgotten.is_err() {
        around.ui.notice(Notice::CardNotReset);
    }
}

/// Resets the card, so that no verified PIN stays behind, whatever came of what was done. A card that is gone has
/// forgotten it, and so has one that somebody else reset, or that does not come back from its reset.
///
/// # Errors
/// The line to a card that is still there.
pub(super) fn forget_pin<C: CardChannel>(egk: &mut Egk<C>) -> Result<(), EgkError> {
    match egk.reset() {
        Err(EgkError::Channel(
            ChannelError::NoCard | ChannelError::Removed | ChannelError::MuteCard | ChannelError::Reset,
        )) => Ok(()),
        reset => reset,
    }
}

/// Asks the card how many tries are left, and the person where it is the last one.
pub(super) fn leave_to_verify<C: CardChannel>(
    egk: &mut Egk<C>,
    way: &Way,
    around: &mut Surroundings<'_>,
) -> Result<(Attempt, u8), PinError> {
    let status = egk.pin_status()?;
    leave(egk, status, way, around)
}

/// The same where the card was asked before.
fn leave<C: CardChannel>(
    egk: &mut Egk<C>,
    status: PinStatus,
    way: &Way,
    around: &mut Surroundings<'_>,
) -> Result<(Attempt, u8), PinError> {
    let tries = match reset_if_verified(egk, status, way, around)? {
        PinStatus::Usable(tries) => tries,
        PinStatus::Blocked => return Err(PinRefusal::Blocked.into()),
        PinStatus::TransportPin => return Err(PinRefusal::TransportPin.into()),
        PinStatus::EmptyPin => return Err(PinRefusal::NoPin.into()),
        PinStatus::Disabled => return Err(PinRefusal::Disabled.into()),
        PinStatus::AlreadyVerified => return Err(PinRefusal::StillVerified.into()),
    };
    let left = tries.left();
    let last = if left == 1 && around.ui.may_spend_last_try(true)? { LastTry::Allowed } else { LastTry::Refused };
    Ok((tries.attempt(last).ok_or(PinRefusal::LastTry)?, left))
}

/// Somebody's PIN was verified before; only this person's counts, and only a card that has forgotten it tells its tries.
fn reset_if_verified<C: CardChannel>(
    egk: &mut Egk<C>,
    status: PinStatus,
    way: &Way,
    around: &mut Surroundings<'_>,
) -> Result<PinStatus, EgkError> {
    if status != PinStatus::AlreadyVerified {
        return Ok(status);
    }
    egk.reset()?;
    way.secure_again(egk, around)?;
    egk.pin_status()
}

/// What the person types the card PIN on.
pub(super) enum PinEntry {
    /// This computer; here it is.
    Typed(Pin),
    /// The reader, later, with so many tries left.
    OnReader {
        /// As the card said.
        tries_left: u8,
    },
}

/// Asks for the card PIN, where it is not typed on the reader. None of the `wrong` ones of before is taken.
pub(super) fn ask_for_pin<C: CardChannel>(
    egk: &mut Egk<C>,
    tries_left: u8,
    wrong: &[Pin],
    around: &mut Surroundings<'_>,
) -> Result<PinEntry, AskError> {
    if can_use_keypad(egk, KeypadCommand::Verify, around) {
        return Ok(PinEntry::OnReader { tries_left });
    }
    ask_for_another_pin(tries_left, wrong, around).map(PinEntry::Typed)
}

fn ask_for_another_pin(tries_left: u8, wrong: &[Pin], around: &mut Surroundings<'_>) -> Result<Pin, AskError> {
    loop {
        let pin = around.ui.card_pin(tries_left, !wrong.is_empty())?;
        if !wrong.iter().any(|wrong| pin.matches(wrong)) {
            return Ok(pin);
        }
        around.ui.notice(Notice::SameWrongPin);
    }
}

/// Shows the card the PIN. A wrong one is asked for again, as long as tries are left and the person goes on; none that
/// was wrong is ever sent twice, as far as this computer knows it: `wrong` are those of before, and are kept.
pub(super) fn verify_pin<C: CardChannel>(
    egk: &mut Egk<C>,
    attempt: Attempt,
    entry: PinEntry,
    wrong: &mut Vec<Pin>,
    around: &mut Surroundings<'_>,
) -> Result<(), PinError> {
    match entry {
        PinEntry::Typed(pin) => verify_typed_pin(egk, attempt, pin, wrong, around),
        PinEntry::OnReader { tries_left } => verify_pin_on_reader(egk, attempt, tries_left, around),
    }
}

fn verify_pin_on_reader<C: CardChannel>(
    egk: &mut Egk<C>,
    mut attempt: Attempt,
    mut tries_left: u8,
    around: &mut Surroundings<'_>,
) -> Result<(), PinError> {
    loop {
        let Some(tries) = wrong_with(keypad::verify_pin(egk, attempt, tries_left, around)?)? else { return Ok(()) };
        // Nobody has to answer here: a counter that does not fall would keep the reader asking for ever.
        if tries.left() >= tries_left {
            return Err(EgkError::Channel(ChannelError::Malformed).into());
        }
        tries_left = tries.left();
        attempt = leave_for_next(tries, around)?;
    }
}

/// The tries that are left after a wrong PIN; `None` for the right one.
fn wrong_with(answer: PinAnswer) -> Result<Option<Tries>, PinRefusal> {
    match answer {
        PinAnswer::Accepted => Ok(None),
        PinAnswer::Blocked => Err(PinRefusal::Blocked),
        PinAnswer::Wrong(tries) => Ok(Some(tries)),
    }
}

/// Tells that the PIN was wrong, and asks whether the last try may be spent where it is the next one.
fn leave_for_next(tries: Tries, around: &mut Surroundings<'_>) -> Result<Attempt, PinError> {
    let tries_left = tries.left();
    around.ui.notice(Notice::WrongCardPin { tries_left });
    let last = if tries_left == 1 && around.ui.may_spend_last_try(true)? { LastTry::Allowed } else { LastTry::Refused };
    Ok(tries.attempt(last).ok_or(PinRefusal::Wrong { tries_left })?)
}

fn verify_typed_pin<C: CardChannel>(
    egk: &mut Egk<C>,
    mut attempt: Attempt,
    mut pin: Pin,
    wrong: &mut Vec<Pin>,
    around: &mut Surroundings<'_>,
) -> Result<(), PinError> {
    loop {
        let Some(tries) = wrong_with(egk.verify_pin(attempt, &pin)?)? else { return Ok(()) };
        let tries_left = tries.left();
        wrong.push(pin);
        attempt = leave_for_next(tries, around)?;
        pin = match ask_for_another_pin(tries_left, wrong, around) {
            Err(AskError::NobodyThere) => return Err(PinRefusal::Wrong { tries_left }.into()),
            pin => pin?,
        };
    }
}
