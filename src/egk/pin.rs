//! The PIN of the card. A try is spent only with an [`Attempt`], and an [`Attempt`] comes only from the card's own
//! answer that tries are left, and from the person's consent where it would be the last one.

use super::{AID_EGK, Egk, EgkError};
use crate::apdu::commands::{self, PasswordRef};
use crate::apdu::{CommandApdu, StatusWord};
use crate::reader::CardChannel;
use crate::secret::{Pin, Puk, TransportPin};

/// MRPIN.home: the PIN the signature key asks for. It shares digits and counter with PIN.CH (reference 01), but only
/// this reference opens the key (gemSpec_eGK_ObjSys_G2_1, MRPIN.home).
pub(super) const MRPIN_HOME: PasswordRef = PasswordRef(0x02);

/// The card's answer to GET PIN STATUS (gemSpec_COS, 14.6.4).
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum PinStatus {
    /// The PIN can be entered.
    Usable(Tries),
    /// No try is left; only the PUK helps.
    Blocked,
    /// The PIN was verified before, by whomever. It says nothing about the PIN of this person.
    AlreadyVerified,
    /// The card still has the transport PIN of its letter.
    TransportPin,
    /// The card has no PIN yet.
    EmptyPin,
    /// The PIN is switched off.
    Disabled,
}

/// How many tries are left: at least one.
#[derive(Debug, PartialEq, Eq)]
pub struct Tries(u8);

/// How many tries PIN.CH has when none was wrong (gemSpec_eGK_ObjSys_G2_1, PIN.CH).
const ALL_TRIES: u8 = 3;

/// Whether the person agreed to spend the last try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastTry {
    /// Nobody asked, or the answer was no.
    Refused,
    /// The person was told and said yes.
    Allowed,
}

/// Leave to spend one try. It knows the counter it was given for, where the card tells one.
#[derive(Debug)]
pub struct Attempt {
    pub(super) left: Option<u8>,
}

impl PinStatus {
    /// As the card says it with so many tries left.
    pub(super) fn usable(left: u8) -> Self {
        Self::Usable(Tries(left))
    }
}

impl Tries {
    /// How many are left.
    pub fn left(&self) -> u8 {
        self.0
    }

    /// Whether none was wrong since the last right one.
    pub fn are_all(&self) -> bool {
        self.0 >= ALL_TRIES
    }

    /// Leave to spend one try; the last one only where the person agreed to it. `None` is no leave.
    pub fn attempt(self, last: LastTry) -> Option<Attempt> {
        (self.0 > 1 || last == LastTry::Allowed).then_some(Attempt { left: Some(self.0) })
    }
}

impl Attempt {
    /// Leave to spend a try of a PIN whose tries the card does not tell: only where the person agreed, for it may be the
    /// last.
    pub fn of_unknown(last: LastTry) -> Option<Self> {
        (last == LastTry::Allowed).then_some(Self { left: None })
    }
}

/// The PIN that is replaced.
#[derive(Debug)]
pub enum OldPin {
    /// The holder's own.
    Own(Pin),
    /// That of the letter.
    Transport(TransportPin),
}

/// What the card said to a PUK.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PukAnswer {
    /// The PIN has all its tries again.
    Accepted,
    /// Wrong; how often it can still be used (1 to 15).
    Wrong {
        /// Uses left.
        uses_left: u8,
    },
    /// It was used as often as it can be, this time perhaps included.
    UsedUp,
}

/// What the card said to a PIN. A wrong PIN is an answer, not an error.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum PinAnswer {
    /// The card accepts the PIN.
    Accepted,
    /// Wrong; what is left.
    Wrong(Tries),
    /// Wrong or not even compared: no try is left, only the PUK helps.
    Blocked,
}

impl<C: CardChannel> Egk<C> {
    /// Asks how many tries are left. Spends none.
    ///
    /// # Errors
    /// The line is gone, or the card has no such PIN.
    pub fn pin_status(&mut self) -> Result<PinStatus, EgkError> {
        self.reachable()?;
        if self.selected.is_none() {
            self.select(AID_EGK)?;
        }
        let status = self.transmit(&commands::get_pin_status(MRPIN_HOME))?.status();
        match (status, status.tries_left()) {
            (_, Some(0)) | (StatusWord::BLOCKED, _) => Ok(PinStatus::Blocked),
            (_, Some(left)) => Ok(PinStatus::Usable(Tries(left))),
            (StatusWord::OK, _) => Ok(PinStatus::AlreadyVerified),
            (StatusWord::TRANSPORT_PIN, _) => Ok(PinStatus::TransportPin),
            (StatusWord::EMPTY_PIN, _) => Ok(PinStatus::EmptyPin),
            (StatusWord::PIN_DISABLED, _) => Ok(PinStatus::Disabled),
            (StatusWord::SECURITY_STATUS_NOT_SATISFIED, _) => Err(EgkError::Contactless),
            _ => Err(EgkError::UnexpectedStatus { command: "GET PIN STATUS", status }),
        }
    }

    /// Shows the card the PIN. Uses up the leave to do so.
    ///
    /// # Errors
    /// The line is gone (then the card may or may not have counted the try), or the answer is none for a PIN.
    pub fn verify_pin(&mut self, attempt: Attempt, pin: &Pin) -> Result<PinAnswer, EgkError> {
        let Attempt { .. } = attempt;
        self.show_pin("VERIFY", &commands::verify(MRPIN_HOME, pin))
    }

    /// Puts a new PIN in the place of the old one. Uses up the leave to do so.
    ///
    /// # Errors
    /// As for [`verify_pin`](Self::verify_pin).
    pub fn change_pin(&mut self, attempt: Attempt, old: &OldPin, new: &Pin) -> Result<PinAnswer, EgkError> {
        let Attempt { .. } = attempt;
        let old = match old {
            OldPin::Own(pin) => pin.expose(),
            OldPin::Transport(pin) => pin.expose(),
        };
        self.show_pin("CHANGE REFERENCE DATA", &commands::change_reference_data(MRPIN_HOME, old, new))
    }

    /// Sets the PIN of a card that has none yet. Costs no try.
    ///
    /// # Errors
    /// The line is gone, or the card does not allow it.
    pub fn set_first_pin(&mut self, new: &Pin) -> Result<(), EgkError> {
        match self.transmit(&commands::set_reference_data(MRPIN_HOME, new))?.status() {
            StatusWord::OK => Ok(()),
            status => Err(EgkError::UnexpectedStatus { command: "CHANGE REFERENCE DATA", status }),
        }
    }

    /// Gives the PIN all its tries again, and its holder a new PIN where one is given. Each call is a use of the PUK, of
    /// which a card allows ten (from memory of the specification, also for right ones).
    ///
    /// # Errors
    /// The line is gone, or the answer is none for a PUK.
    pub fn unblock_pin(&mut self, puk: &Puk, new: Option<&Pin>) -> Result<PukAnswer, EgkError> {
        PukAnswer::of(self.transmit(&commands::reset_retry_counter(MRPIN_HOME, puk, new))?.status())
    }

    fn show_pin(&mut self, name: &'static str, command: &CommandApdu) -> Result<PinAnswer, EgkError> {
        PinAnswer::of(name, self.transmit(command)?.status())
    }
}

impl PinAnswer {
    pub(super) fn of(command: &'static str, status: StatusWord) -> Result<Self, EgkError> {
        match (status, status.tries_left()) {
            (StatusWord::OK, _) => Ok(Self::Accepted),
            (_, Some(0)) | (StatusWord::BLOCKED, _) => Ok(Self::Blocked),
            (_, Some(left)) => Ok(Self::Wrong(Tries(left))),
            _ => Err(EgkError::UnexpectedStatus { command, status }),
        }
    }
}

impl PukAnswer {
    pub(super) fn of(status: StatusWord) -> Result<Self, EgkError> {
        match (status, status.tries_left()) {
            (StatusWord::OK, _) => Ok(Self::Accepted),
            (StatusWord::BLOCKED, _) | (_, Some(0)) => Ok(Self::UsedUp),
            (_, Some(uses_left)) => Ok(Self::Wrong { uses_left }),
            _ => Err(EgkError::UnexpectedStatus { command: "RESET RETRY COUNTER", status }),
        }
    }
}
