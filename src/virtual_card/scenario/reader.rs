//! The reader of a scenario: a line that has a length limit, loses the card, or is slow.

use std::thread;
use std::time::Duration;

use super::{BareStatus, ExtendedLength, ReaderState, Staged};
use crate::apdu::{CommandApdu, NE_SHORT, ResponseApdu, StatusWord};
use crate::reader::{CardChannel, ChannelError};

/// What becomes of one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It reaches the card, and the answer comes back.
    Pass,
    /// The card does not get it, and this comes back.
    Refuse(StatusWord),
    /// The transmission breaks; card and reader are still there.
    Break,
    /// Another program has reset the card: it does not reach it.
    Reset,
    /// It reaches the card, and the reader does not wait for the answer any longer.
    TimeOut,
    /// The card is out.
    Pull,
    /// The card carries it out, and is out before its answer comes.
    LoseAnswer,
}

/// What a reader does with the commands, one after the other.
#[derive(Debug, Default)]
pub struct Behaviour {
    extended_length: Option<ExtendedLength>,
    refuse_le_00: bool,
    /// From which secured command on, and what stands in place of an answer.
    bare: Option<(u8, StatusWord)>,
    pull_after: Option<u32>,
    lose_answer: Option<u8>,
    /// After how many commands, and whether again and again.
    reset: Option<(u32, bool)>,
    time_out_at: Option<u8>,
    delay: Duration,
    commands: u32,
    since_reset: u32,
    secured: u32,
}

impl Behaviour {
    pub(super) fn new(state: &ReaderState) -> Self {
        let status = StatusWord(match state.bare_status {
            Some(BareStatus::Done) => 0x9000,
            None | Some(BareStatus::NotAllowed) => 0x6982,
            Some(BareStatus::ObjectMissing) => 0x6987,
            Some(BareStatus::ObjectWrong) => 0x6988,
        });
        Self {
            extended_length: state.extended_length,
            refuse_le_00: state.refuse_le_00,
            bare: state.bare_status_from.map(|from| (from.get(), status)),
            pull_after: state.pull_after,
            lose_answer: state.lose_answer.map(std::num::NonZero::get),
            reset: match (state.reset_after, state.reset_every) {
                (Some(after), _) => Some((after, false)),
                (None, every) => every.map(|every| (every.get().into(), true)),
            },
            time_out_at: state.time_out_at.map(std::num::NonZero::get),
            delay: Duration::from_millis(state.delay_ms.unwrap_or_default().into()),
            ..Self::default()
        }
    }

    /// What becomes of the next command. A slow reader takes its time in here.
    pub fn turn(&mut self, command: &CommandApdu) -> Turn {
        if self.pull_after.is_some_and(|after| self.commands >= after) {
            return Turn::Pull;
        }
        if let Some((after, is_repeated)) = self.reset.filter(|(after, _)| self.since_reset >= *after) {
            self.reset = is_repeated.then_some((after, true));
            self.since_reset = 0;
            return Turn::Reset;
        }
        self.commands = self.commands.saturating_add(1);
        self.since_reset = self.since_reset.saturating_add(1);
        thread::sleep(self.delay);
        if self.lose_answer.is_some_and(|number| self.commands >= number.into()) {
            return Turn::LoseAnswer;
        }
        if self.time_out_at.is_some_and(|number| self.commands == u32::from(number)) {
            return Turn::TimeOut;
        }
        match self.extended_length {
            Some(ExtendedLength::Refused) if command.is_extended() => return Turn::Refuse(StatusWord::WRONG_LENGTH),
            Some(ExtendedLength::Broken) if command.is_extended() => return Turn::Break,
            _ => {}
        }
        if self.refuse_le_00 && command.ne() == Some(NE_SHORT) && !command.is_extended() {
            return Turn::Refuse(StatusWord::WRONG_LENGTH);
        }
        let [cla, ..] = command.header();
        if cla & 0x0C == 0x0C {
            self.secured = self.secured.saturating_add(1);
            if let Some((_, status)) = self.bare.filter(|(from, _)| self.secured >= (*from).into()) {
                return Turn::Refuse(status);
            }
        }
        Turn::Pass
    }

    /// What the virtual reader of the PC/SC service has no way to do: it knows of no disturbed line, only of a card that
    /// is out, and who resets the card is another program itself.
    pub(super) fn is_beyond_vpcd(&self) -> Option<&'static str> {
        [
            (self.extended_length == Some(ExtendedLength::Broken), "extended_length = \"broken\""),
            (matches!(self.reset, Some((_, false))), "reset_after"),
            (matches!(self.reset, Some((_, true))), "reset_every"),
            (self.time_out_at.is_some(), "time_out_at"),
        ]
        .into_iter()
        .find_map(|(is_set, key)| is_set.then_some(key))
    }
}

/// The line through such a reader.
#[derive(Debug)]
pub(super) struct Line {
    behaviour: Behaviour,
    is_out: bool,
}

impl Line {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        Self { behaviour, is_out: false }
    }

    pub(super) fn into_behaviour(self) -> Behaviour {
        self.behaviour
    }
}

impl Staged {
    /// The card is out and without power.
    fn pull(&mut self) -> ChannelError {
        self.line.is_out = true;
        self.card.reset();
        ChannelError::Removed
    }
}

impl CardChannel for Staged {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        if self.line.is_out {
            return Err(ChannelError::Removed);
        }
        match self.line.behaviour.turn(command) {
            Turn::Pass => self.card.transmit(command),
            Turn::Refuse(status) => Ok(ResponseApdu::new([], status)),
            Turn::Break => Err(ChannelError::Interrupted(None)),
            Turn::Reset => {
                self.card.reset();
                Err(ChannelError::Reset)
            }
            Turn::TimeOut => {
                self.card.transmit(command)?;
                Err(ChannelError::Timeout)
            }
            Turn::Pull => Err(self.pull()),
            Turn::LoseAnswer => {
                self.card.transmit(command)?;
                Err(self.pull())
            }
        }
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        if self.line.is_out { Err(ChannelError::Removed) } else { CardChannel::reset(&mut self.card) }
    }

    fn atr(&self) -> &[u8] {
        self.card.atr()
    }
}
