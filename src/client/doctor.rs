//! Looking at everything a person needs from this computer up to the account service, and changing nothing. What was
//! found are facts; [`crate::ui::doctor`] judges them.

pub mod account;
pub mod card;
pub mod computer;

use crate::protocol::NumericDate;
use crate::reader::ChannelError;
use crate::reader::pcsc::Reader;

pub use account::{Account, Answer, KeyStore, Network, SessionStore};
pub use card::{CardFacts, Validity};
pub use computer::{Computer, Usb};

/// What was found. `None` is what was not looked at (yet).
#[derive(Debug, Default)]
pub struct Facts {
    /// This computer.
    pub computer: Computer,
    /// Whether a card image stands for reader and card.
    pub is_image: bool,
    /// Whether the PC/SC service is to be had.
    pub service: Option<Result<(), ChannelError>>,
    /// The readers it shows.
    pub readers: Option<Result<Vec<Reader>, ChannelError>>,
    /// Which of them holds the card that is meant.
    pub chosen: Option<Result<(), ChannelError>>,
    /// The card, or why nobody could talk to it.
    pub card: Option<Result<CardFacts, ChannelError>>,
    /// The clock of this computer, in seconds since 1970.
    pub now: NumericDate,
    /// The account service this computer belongs to.
    pub account: Option<Account>,
    /// The device key of this computer.
    pub key_store: Option<KeyStore>,
    /// Where the secrets of the session are.
    pub session_store: Option<SessionStore>,
}

impl Facts {
    /// The time as the service's clock has it, where the service has said it; else as this computer's has it.
    pub fn now_of_service(&self) -> NumericDate {
        match &self.account {
            Some(Account::Asked { answer: Ok(answer), .. }) => self.now.saturating_add(answer.skew),
            _ => self.now,
        }
    }
}
