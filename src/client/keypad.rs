//! PINs typed on the reader: the person is told before the reader asks, and a slip that no card has seen is asked for
//! again.

use super::card_pin::{PinError, PinRefusal};
use super::{AskError, KeypadEntry, KeypadObstacle, Notice, Surroundings};
use crate::egk::{Attempt, Egk, EgkError, KeypadAnswer, KeypadUse, PinAnswer, PinStatus, PukAnswer};
use crate::reader::CardChannel;
use crate::reader::pinpad::{KeypadCommand, NoEntry};

/// How often the reader asks where only slips come of it.
const ENTRIES: u32 = 3;

/// Whether what `command` needs is typed on the reader. Where it has a keypad that cannot be used, the person is told.
pub(super) fn can_use_keypad<C: CardChannel>(
    egk: &mut Egk<C>,
    command: KeypadCommand,
    around: &mut Surroundings<'_>,
) -> bool {
    if !around.ui.wants_keypad() {
        return false;
    }
    let obstacle = match egk.keypad_use(command) {
        KeypadUse::Possible => return true,
        KeypadUse::None => return false,
        KeypadUse::Secured => KeypadObstacle::Contactless,
        KeypadUse::DoesNotFit => KeypadObstacle::DoesNotFit,
    };
    around.ui.notice(Notice::KeypadUnused(obstacle));
    false
}

/// Has the PIN typed on the reader and shown to the card.
pub(super) fn verify_pin<C: CardChannel>(
    egk: &mut Egk<C>,
    attempt: Attempt,
    tries_left: u8,
    around: &mut Surroundings<'_>,
) -> Result<PinAnswer, PinError> {
    enter(KeypadEntry::Pin { tries_left }, attempt, around, |attempt| egk.verify_pin_on_keypad(attempt))
}

/// Has the old PIN and the new one typed on the reader.
pub(super) fn change_pin<C: CardChannel>(
    egk: &mut Egk<C>,
    attempt: Attempt,
    tries_left: u8,
    around: &mut Surroundings<'_>,
) -> Result<PinAnswer, PinError> {
    enter(KeypadEntry::NewPin { tries_left }, attempt, around, |attempt| egk.change_pin_on_keypad(attempt))
}

/// Has the PUK typed on the reader; `before` is what the card says of its PIN.
pub(super) fn unblock_pin<C: CardChannel>(
    egk: &mut Egk<C>,
    before: &PinStatus,
    around: &mut Surroundings<'_>,
) -> Result<PukAnswer, PinError> {
    enter(KeypadEntry::Puk, (), around, |()| egk.unblock_pin_on_keypad(before))
}

fn enter<Answer, Leave>(
    entry: KeypadEntry,
    leave: Leave,
    around: &mut Surroundings<'_>,
    mut reader: impl FnMut(Leave) -> Result<KeypadAnswer<Answer, Leave>, EgkError>,
) -> Result<Answer, PinError> {
    let mut leave = Some(leave);
    let mut slip = NoEntry::Cancelled;
    for asks_again in (0..ENTRIES).rev().map(|left| left > 0) {
        let mut answer = None;
        around.ui.type_on_reader(entry, &mut || {
            if let Some(leave) = leave.take() {
                answer = Some(reader(leave));
            }
        })?;
        slip = match answer.ok_or(AskError::Cancelled)?? {
            KeypadAnswer::Card(answer) => return Ok(answer),
            KeypadAnswer::Denied(tries) => return Err(PinRefusal::Wrong { tries_left: tries.left() }.into()),
            KeypadAnswer::Nothing(why, same) => {
                leave = Some(same);
                why
            }
        };
        match slip {
            NoEntry::Length if asks_again => around.ui.notice(Notice::KeypadLength),
            NoEntry::EntriesDiffer if asks_again => around.ui.notice(Notice::KeypadEntriesDiffer),
            _ => break,
        }
    }
    Err(PinError::Keypad(slip))
}
