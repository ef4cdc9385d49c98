//! The PIN typed on the reader. The rules are those of `pin`: a try is spent only with an [`Attempt`]. What a reader
//! says of an entry that came to nothing is believed only once the card was asked for its counter (GET PIN STATUS).

use super::pin::MRPIN_HOME;
use super::{Attempt, Egk, EgkError, PinAnswer, PinStatus, PukAnswer, Tries};
use crate::apdu::StatusWord;
use crate::reader::pinpad::{KeypadCommand, NoEntry};
use crate::reader::{CardChannel, ChannelError};

/// Whether a PIN or PUK can be typed on the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeypadUse {
    /// The reader has no keypad.
    None,
    /// It can.
    Possible,
    /// The line is secured for a card without contacts, and the reader has none of its keys.
    Secured,
    /// The keypad is not made for this: not for new PINs, or for fewer digits.
    DoesNotFit,
}

/// What came of an entry on the reader.
#[must_use]
#[derive(Debug)]
pub enum KeypadAnswer<Answer, Leave> {
    /// The card saw what was typed, and said this.
    Card(Answer),
    /// The card saw nothing, which its counter confirms: the leave to spend a try is given back.
    Nothing(NoEntry, Leave),
    /// The reader says that the card saw nothing, and its counter has fallen: a try is gone, by whatever hand. Such a
    /// reader is not to ask again.
    Denied(Tries),
}

/// The same before it is known what the card's word means.
enum Entered {
    Card(StatusWord),
    Nothing(NoEntry),
    /// The reader says that the card saw nothing, and the card's counter says otherwise.
    Seen(PinStatus),
}

impl<C: CardChannel> Egk<C> {
    /// Whether what `command` needs can be typed on the reader now.
    pub fn keypad_use(&mut self, command: KeypadCommand) -> KeypadUse {
        if let Some(keypad) = self.channel.keypad() {
            return if keypad.takes(command) { KeypadUse::Possible } else { KeypadUse::DoesNotFit };
        }
        if self.channel.reader_has_keypad() { KeypadUse::Secured } else { KeypadUse::None }
    }

    /// Has the PIN typed on the reader and shown to the card. Uses up the leave to do so, unless the card saw none.
    ///
    /// # Errors
    /// As for [`verify_pin`](Self::verify_pin).
    pub fn verify_pin_on_keypad(&mut self, attempt: Attempt) -> Result<KeypadAnswer<PinAnswer, Attempt>, EgkError> {
        self.enter_pin(KeypadCommand::Verify, "VERIFY", attempt)
    }

    /// Has the old PIN typed on the reader, and the new one twice. Uses up the leave to do so, unless the card saw
    /// none.
    ///
    /// # Errors
    /// As for [`verify_pin`](Self::verify_pin).
    pub fn change_pin_on_keypad(&mut self, attempt: Attempt) -> Result<KeypadAnswer<PinAnswer, Attempt>, EgkError> {
        self.enter_pin(KeypadCommand::Change, "CHANGE REFERENCE DATA", attempt)
    }

    /// Has the PUK typed on the reader, and keeps the PIN. A use of the PUK, unless the card saw none; its counter
    /// cannot be asked for, so it is the reader's word, and that the PIN is as it was `before`.
    ///
    /// # Errors
    /// As for [`unblock_pin`](Self::unblock_pin).
    pub fn unblock_pin_on_keypad(&mut self, before: &PinStatus) -> Result<KeypadAnswer<PukAnswer, ()>, EgkError> {
        match self.enter(KeypadCommand::Unblock, before)? {
            Entered::Card(status) => PukAnswer::of(status).map(KeypadAnswer::Card),
            Entered::Nothing(why) => Ok(KeypadAnswer::Nothing(why, ())),
            Entered::Seen(_) => Err(ChannelError::Malformed.into()),
        }
    }

    fn enter_pin(
        &mut self,
        command: KeypadCommand,
        name: &'static str,
        attempt: Attempt,
    ) -> Result<KeypadAnswer<PinAnswer, Attempt>, EgkError> {
        let before = match attempt.left.map(PinStatus::usable) {
            Some(status) => status,
            None => self.pin_status()?,
        };
        match self.enter(command, &before)? {
            Entered::Card(status) => PinAnswer::of(name, status).map(KeypadAnswer::Card),
            Entered::Nothing(why) => Ok(KeypadAnswer::Nothing(why, attempt)),
            Entered::Seen(PinStatus::Usable(tries)) if attempt.left.is_some_and(|left| tries.left() < left) => {
                Ok(KeypadAnswer::Denied(tries))
            }
            Entered::Seen(PinStatus::Blocked) => Ok(KeypadAnswer::Card(PinAnswer::Blocked)),
            // Accepted, perhaps: a reader that hides it is not to be believed in anything.
            Entered::Seen(_) => Err(ChannelError::Malformed.into()),
        }
    }

    /// Has the reader ask, with the next description of the PIN where it refuses the first. In between the card is
    /// asked: a second entry must not spend a second try.
    fn enter(&mut self, command: KeypadCommand, before: &PinStatus) -> Result<Entered, EgkError> {
        loop {
            let Some(keypad) = self.channel.keypad() else { return Ok(Entered::Nothing(NoEntry::Refused)) };
            let status = keypad.enter(command, MRPIN_HOME, self.layout)?;
            let Some(why) = NoEntry::of(status) else { return Ok(Entered::Card(status)) };
            let now = self.pin_status()?;
            if now != *before {
                return Ok(Entered::Seen(now));
            }
            match self.layout.next() {
                Some(next) if why == NoEntry::Refused => self.layout = next,
                _ => return Ok(Entered::Nothing(why)),
            }
        }
    }
}
