//! The PIN of the card. A try is spent only with an [`Attempt`], and an [`Attempt`] comes only from the card's own
//! answer that tries are left, and from the person's consent where it would be the last one.

use super::{AID_EGK, Egk, EgkError};
use crate::apdu::StatusWord;
use crate::apdu::commands::{self, PasswordRef};
use crate::reader::CardChannel;
use crate::secret::Pin;

/// MRPIN.home: the PIN the signature key asks for. It shares digits and counter with PIN.CH (reference 01), but only
/// this reference opens the key (gemSpec_eGK_ObjSys_G2_1, MRPIN.home).
const MRPIN_HOME: PasswordRef = PasswordRef(0x02);

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

/// Whether the person agreed to spend the last try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastTry {
    /// Nobody asked, or the answer was no.
    Refused,
    /// The person was told and said yes.
    Allowed,
}

/// Leave to spend one try.
#[derive(Debug)]
pub struct Attempt(());

impl Tries {
    /// How many are left.
    pub fn left(&self) -> u8 {
        self.0
    }

    /// Leave to spend one try; the last one only where the person agreed to it. `None` is no leave.
    pub fn attempt(self, last: LastTry) -> Option<Attempt> {
        (self.0 > 1 || last == LastTry::Allowed).then_some(Attempt(()))
    }
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
        let Attempt(()) = attempt;
        let status = self.transmit(&commands::verify(MRPIN_HOME, pin))?.status();
        match (status, status.tries_left()) {
            (StatusWord::OK, _) => Ok(PinAnswer::Accepted),
            (_, Some(0)) | (StatusWord::BLOCKED, _) => Ok(PinAnswer::Blocked),
            (_, Some(left)) => Ok(PinAnswer::Wrong(Tries(left))),
            _ => Err(EgkError::UnexpectedStatus { command: "VERIFY", status }),
        }
    }
}
