//! The person's side: talks to a service, to the card and to the device key, and asks the person through [`Ui`].

pub mod approve;
pub mod card_pin;
pub mod home;
pub mod login;
pub mod register;
pub mod service;

use rand_core::CryptoRng;
use thiserror::Error;

use crate::egk::{Egk, EgkError};
use crate::protocol::approval::{Document, MatchCode, Verdict};
use crate::protocol::{CLOCK_TOLERANCE, NumericDate};
use crate::reader::CardChannel;
use crate::reader::pace::PaceError;
use crate::secret::{Can, DevicePin, DigitsError, Pin, Puk, SecretText, TransportPin};

/// A named step of progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The service is asked who it is, and its key is compared with the pinned one.
    CheckService,
    /// Insurance number and password are sent.
    LogIn,
    /// The card is identified.
    IdentifyCard,
    /// The card is identified and its certificate read.
    ReadCard,
    /// The line to a card on a reader without contacts is secured with the card access number.
    OpenContactless,
    /// The card is asked how many PIN tries are left.
    ReadPinStatus,
    /// The device key is made and locked by the device PIN.
    MakeDeviceKey,
    /// The registration is opened at the service.
    OpenRegistration,
    /// The card takes a new PIN for the old one.
    ChangePin,
    /// The card takes the PUK.
    UnblockPin,
    /// The card checks its PIN.
    VerifyPin,
    /// The service's challenge is fetched and its signature checked.
    FetchChallenge,
    /// The card signs.
    CardSigns,
    /// The evidence is sent.
    SendEvidence,
    /// An approval is fetched and its document checked.
    FetchApproval,
    /// The device key is opened by the device PIN.
    OpenDeviceKey,
    /// The decision is sent, and the receipt checked.
    SendDecision,
}

/// Something the person is told on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The card PIN was wrong; what is left.
    WrongCardPin {
        /// Tries left, at least one.
        tries_left: u8,
    },
    /// The PIN is the wrong one of before; it was not sent again.
    SameWrongPin,
    /// A registration that had broken off was completed without the card.
    Resumed,
    /// The decision had been taken before, and only the answer was lost.
    DecisionHadArrived,
    /// The device this one replaces could not be revoked.
    OldDeviceRemains,
    /// The clocks of this computer and the service differ by more than signatures tolerate; it is allowed for.
    ClockSkew {
        /// How far the service's clock is ahead, in seconds.
        seconds: i64,
    },
}

/// Why a question was not answered.
#[derive(Debug, Error)]
pub enum AskError {
    /// The person said no, or ended the input.
    #[error("cancelled")]
    Cancelled,
    /// There is no terminal to ask at, and no file descriptor was given.
    #[error("there is nobody to ask")]
    NobodyThere,
    /// What was typed is no PIN.
    #[error(transparent)]
    Digits(#[from] DigitsError),
    /// What was typed is no card access number.
    #[error("a card access number has six digits")]
    Can(#[source] DigitsError),
    /// The two entries of a new PIN differ.
    #[error("the two entries differ")]
    EntriesDiffer,
    /// What was typed are not two digits.
    #[error("the match code has two digits")]
    MatchCode,
    /// The terminal failed.
    #[error("the terminal failed")]
    Terminal(#[from] std::io::Error),
}

/// How the person is told and asked.
pub trait Ui {
    /// Tells which step begins.
    fn step(&mut self, step: Step);

    /// Tells something that happened.
    fn notice(&mut self, notice: Notice);

    /// Asks for the card access number; `again` that the one before was another card's.
    ///
    /// # Errors
    /// [`AskError`].
    fn can(&mut self, again: bool) -> Result<Can, AskError>;

    /// Asks for the card PIN. `tries_left` is what the card said just before; `again` that a PIN was wrong before.
    ///
    /// # Errors
    /// [`AskError`].
    fn card_pin(&mut self, tries_left: u8, again: bool) -> Result<Pin, AskError>;

    /// Asks for the transport PIN of the letter.
    ///
    /// # Errors
    /// [`AskError`].
    fn transport_pin(&mut self) -> Result<TransportPin, AskError>;

    /// Asks for a new PIN for the card, twice.
    ///
    /// # Errors
    /// [`AskError`].
    fn new_card_pin(&mut self) -> Result<Pin, AskError>;

    /// Asks for the PUK.
    ///
    /// # Errors
    /// [`AskError`].
    fn puk(&mut self) -> Result<Puk, AskError>;

    /// Asks whether the last try may be spent; where it is not `certain`, one that may be the last. The default is no.
    ///
    /// # Errors
    /// [`AskError`].
    fn may_spend_last_try(&mut self, certain: bool) -> Result<bool, AskError>;

    /// Asks for a new device PIN, twice.
    ///
    /// # Errors
    /// [`AskError`].
    fn new_device_pin(&mut self) -> Result<DevicePin, AskError>;

    /// Asks for the device PIN.
    ///
    /// # Errors
    /// [`AskError`].
    fn device_pin(&mut self) -> Result<DevicePin, AskError>;

    /// Asks for the password.
    ///
    /// # Errors
    /// [`AskError`].
    fn password(&mut self) -> Result<SecretText, AskError>;

    /// Shows what is to be decided, before anything is asked.
    ///
    /// # Errors
    /// [`AskError`].
    fn show(&mut self, document: &Document, verdict: Verdict, expires_at: NumericDate) -> Result<(), AskError>;

    /// Asks for the match code of what was shown.
    ///
    /// # Errors
    /// [`AskError`].
    fn match_code(&mut self) -> Result<MatchCode, AskError>;
}

/// What the flows take from outside: the person, randomness, the clock of this computer.
#[allow(missing_debug_implementations, reason = "trait objects have nothing to show")]
pub struct Surroundings<'a> {
    /// The person.
    pub ui: &'a mut dyn Ui,
    /// Randomness.
    pub rng: &'a mut dyn CryptoRng,
    /// Seconds since 1970, as this computer has it.
    pub clock: &'a dyn Fn() -> NumericDate,
}

/// Why the line to a card on a reader without contacts was not secured.
#[derive(Debug, Error)]
pub enum ContactlessError {
    /// The card.
    #[error(transparent)]
    Card(#[from] EgkError),
    /// The person.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// Asks for the card access number until the card accepts it, and gives it back for the next reset. No try is limited.
///
/// # Errors
/// [`ContactlessError`]; the card's own [`PaceError::WrongCan`] where there is nobody to ask again.
pub fn open_contactless<C: CardChannel>(
    egk: &mut Egk<C>,
    around: &mut Surroundings<'_>,
) -> Result<Can, ContactlessError> {
    let mut again = None;
    loop {
        let can = match (around.ui.can(again.is_some()), again.take()) {
            (Err(AskError::NobodyThere), Some(wrong)) => return Err(EgkError::Pace(wrong).into()),
            (can, _) => can?,
        };
        around.ui.step(Step::OpenContactless);
        match egk.open_contactless(&can, around.rng) {
            Ok(()) => return Ok(can),
            Err(EgkError::Pace(wrong @ PaceError::WrongCan)) => again = Some(wrong),
            Err(error) => return Err(error.into()),
        }
    }
}

/// How far the service's clock is ahead of ours, in seconds. The service's clock decides: what is signed carries its time.
fn skew(server_time: NumericDate, around: &mut Surroundings<'_>) -> NumericDate {
    let seconds = server_time.saturating_sub((around.clock)());
    if seconds.unsigned_abs() > CLOCK_TOLERANCE.unsigned_abs() {
        around.ui.notice(Notice::ClockSkew { seconds });
    }
    seconds
}
