//! The person's side: talks to a service, to the card and to the device key, and asks the person through [`Ui`].

pub mod accounts;
mod addition;
pub mod approve;
mod attestation;
mod candidate;
pub mod card_login;
pub mod card_pin;
mod card_signing;
pub mod configuration;
pub mod device_login;
pub mod doctor;
pub mod emergency;
pub mod fingerprint;
pub mod home;
mod keypad;
pub mod keyring;
pub mod login;
pub mod password;
pub mod pin;
pub mod qr;
pub mod rebind;
pub mod register;
pub mod removal;
pub mod reset;
pub mod service;
pub mod session;
pub mod watch;

use rand_core::CryptoRng;
use thiserror::Error;

use self::pin::rules::WeakPin;
use self::service::ServiceError;
use crate::egk::{ApduLength, Egk, EgkError};
use crate::protocol::addition::ShortString;
use crate::protocol::api::ApprovalSummary;
use crate::protocol::approval::{Document, MatchCode, Verdict};
use crate::protocol::qr::CodeError;
use crate::protocol::{ApprovalId, CLOCK_TOLERANCE, NumericDate};
use crate::reader::pace::PaceError;
use crate::reader::{CardChannel, ChannelError};
use crate::secret::{Can, DevicePin, DigitsError, Pin, Puk, SecretText, TransportPin};

/// A named step of progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The service is asked who it is, and its key is compared with the pinned one.
    CheckService,
    /// Insurance number and password are sent.
    LogIn,
    /// The service takes a new password.
    SetPassword,
    /// A new password is asked for without the old one.
    AskForReset,
    /// A registered device is to approve the new password, or this computer.
    WaitForApproval,
    /// The computer that is to be added has to show its nonce.
    WaitForNewDevice,
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
    /// The key of a letter's code signs.
    CodeSigns,
    /// The evidence is sent.
    SendEvidence,
    /// An approval is fetched and its document checked.
    FetchApproval,
    /// The device key is opened by the device PIN.
    OpenDeviceKey,
    /// The device key is locked by another device PIN.
    ChangeDevicePin,
    /// The decision is sent, and the receipt checked.
    SendDecision,
    /// The person puts a finger on the fingerprint reader.
    WaitForFinger,
}

/// Something the person is told on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A password of one's own has to be chosen now.
    PasswordFirst {
        /// Whether the one of the letter was used up for that.
        of_letter: bool,
    },
    /// The card PIN was wrong; what is left.
    WrongCardPin {
        /// Tries left, at least one.
        tries_left: u8,
    },
    /// The PIN is the wrong one of before; it was not sent again.
    SameWrongPin,
    /// Another program reset the card; what was begun with it begins again.
    CardWasReset,
    /// The reader has a keypad, and the PIN has to be typed on this computer all the same.
    KeypadUnused(KeypadObstacle),
    /// Too few or too many digits were typed on the reader; it sent nothing, and asks again.
    KeypadLength,
    /// The two entries of the new PIN on the reader differ; it sent nothing, and asks again.
    KeypadEntriesDiffer,
    /// The card has done what it was told and could not be reset: its PIN may still be verified.
    CardNotReset,
    /// Another device is to approve this computer.
    ApproveElsewhere {
        /// The approval.
        approval_id: ApprovalId,
        /// When it ends.
        expires_at: NumericDate,
    },
    /// What is to be typed on the device that approves this computer.
    TypeElsewhere {
        /// The string.
        string: ShortString,
    },
    /// A registration that had broken off was completed without the card.
    Resumed,
    /// The decision had been taken before, and only the answer was lost.
    DecisionHadArrived,
    /// A device this one takes the place of is locked, and could not be removed: it takes card and card PIN, or a device.
    OldDeviceLocked,
    /// A device this one takes the place of could not be removed, and its time is over.
    OldDeviceNotInUse,
    /// A device this one takes the place of may still be in use: the service did not say that it is locked.
    OldDeviceUncertain,
    /// A key ring is wanted and there is none: the device file is protected by PIN and service alone.
    NoDeviceSecret,
    /// The device key was made in the TPM of this computer.
    KeyInTpm,
    /// There is a TPM, and the device key lies in a file all the same.
    TpmUnused {
        /// The user may use it, and it does not answer as it should.
        is_allowed: bool,
    },
    /// A finger could not be read.
    FingerNotRead,
    /// A finger is none that the computer knows as this user's.
    FingerUnknown,
    /// The device file was one whose PIN was checked on this computer alone; from now on the service has a share.
    PinShared,
    /// Wrong device PINs since the key was opened last.
    WrongDevicePins {
        /// How many.
        tries: i64,
    },
    /// So many wrong device PINs since the device is there that somebody else may have its file.
    ManyWrongDevicePins {
        /// How many.
        tries: i64,
    },
    /// The clocks of this computer and the service differ by more than signatures tolerate; it is allowed for.
    ClockSkew {
        /// How far the service's clock is ahead, in seconds.
        seconds: i64,
    },
}

/// Why a keypad is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeypadObstacle {
    /// The card is used without contacts: the reader cannot protect what is typed on it.
    Contactless,
    /// The keypad cannot take this number.
    DoesNotFit,
}

/// What is typed on the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeypadEntry {
    /// The card PIN.
    Pin {
        /// Tries left, as the card said just before.
        tries_left: u8,
    },
    /// The card PIN, and a new one twice.
    NewPin {
        /// Tries left, as the card said just before.
        tries_left: u8,
    },
    /// The PUK.
    Puk,
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
    /// What was typed is another number than the one asked for.
    #[error("another number was typed: {looks_like}")]
    OtherNumber {
        /// Why it is not that one.
        #[source]
        error: Box<AskError>,
        /// The text that says which one it looks like.
        looks_like: &'static str,
    },
    /// The two entries of a new PIN differ.
    #[error("the two entries differ")]
    EntriesDiffer,
    /// What was typed are not eight digits.
    #[error("the string has eight digits")]
    ShortString,
    /// What was typed are not two digits.
    #[error("the match code has two digits")]
    MatchCode,
    /// A line of a file descriptor is longer than anything that is asked for.
    #[error("the line is too long")]
    TooLong,
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

    /// Whether PINs of the card may be typed on the reader, where it has a keypad.
    fn wants_keypad(&self) -> bool;

    /// Tells that `entry` is to be typed on the reader, and not on this keyboard; then calls `reader`, in which the
    /// reader asks and the card answers. It comes back when both are through.
    ///
    /// # Errors
    /// [`AskError`].
    fn type_on_reader(&mut self, entry: KeypadEntry, reader: &mut dyn FnMut()) -> Result<(), AskError>;

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

    /// Asks for groups of a letter's code, from the group `next` on: one or several. `wrong` is what was wrong with those
    /// before.
    ///
    /// # Errors
    /// [`AskError`].
    fn letter_code(&mut self, next: usize, wrong: Option<&CodeError>) -> Result<SecretText, AskError>;

    /// Asks for a revocation code. `wrong` is what was wrong with the one before.
    ///
    /// # Errors
    /// [`AskError`].
    fn revocation_code(&mut self, wrong: Option<&CodeError>) -> Result<SecretText, AskError>;

    /// Asks for a new device PIN, twice. `refused` is why the one before was not taken.
    ///
    /// # Errors
    /// [`AskError`].
    fn new_device_pin(&mut self, refused: Option<WeakPin>) -> Result<DevicePin, AskError>;

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

    /// Asks for the password that holds, before another one is chosen.
    ///
    /// # Errors
    /// [`AskError`].
    fn old_password(&mut self) -> Result<SecretText, AskError>;

    /// Asks for a new password, twice. `refused` is why the service did not take the one before.
    ///
    /// # Errors
    /// [`AskError`].
    fn new_password(&mut self, refused: Option<&ServiceError>) -> Result<SecretText, AskError>;

    /// Shows what is to be decided, before anything is asked. Who submitted it and when it ends, the service says in
    /// `approval`; the rest is in the document.
    ///
    /// # Errors
    /// [`AskError`].
    fn show(&mut self, document: &Document, verdict: Verdict, approval: &ApprovalSummary) -> Result<(), AskError>;

    /// Asks for the match code of what was shown.
    ///
    /// # Errors
    /// [`AskError`].
    fn match_code(&mut self) -> Result<MatchCode, AskError>;

    /// Asks for the string that the computer shows which is to be added; `again` that the one before was wrong.
    ///
    /// # Errors
    /// [`AskError`].
    fn short_string(&mut self, again: bool) -> Result<ShortString, AskError>;
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

/// Why a card was not reached.
#[derive(Debug, Error)]
pub enum ReachError {
    /// The card.
    #[error(transparent)]
    Card(#[from] EgkError),
    /// The person.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// How the card is reached: kept when what was begun with it begins again.
#[derive(Debug)]
pub struct Way {
    length: ApduLength,
    /// The number the card has accepted.
    can: Option<Can>,
    /// One it could not answer to any more.
    untried: Option<Can>,
    restarts_left: u8,
}

/// How often something begins again before it is given up: another program that resets the card all the time is told.
const RESTARTS: u8 = 2;

impl Way {
    /// Nothing is known but the form of APDU to begin with.
    pub fn new(length: ApduLength) -> Self {
        Self { length, can: None, untried: None, restarts_left: RESTARTS }
    }

    /// The number the card has accepted, where it was needed.
    fn can(&self) -> Option<&Can> {
        self.can.as_ref()
    }

    /// Identifies the card, and secures the line to it where its access number is known.
    ///
    /// # Errors
    /// The card.
    pub fn open<C: CardChannel>(&self, channel: C, around: &mut Surroundings<'_>) -> Result<Egk<C>, EgkError> {
        let mut egk = Egk::open(channel, self.length)?;
        self.secure_again(&mut egk, around)?;
        Ok(egk)
    }

    /// Asks for the card access number until the card accepts it, and secures the line. No try is limited.
    ///
    /// # Errors
    /// [`ReachError`]; where there is nobody to ask, [`EgkError::Contactless`], and where there is nobody to ask again the
    /// card's own [`PaceError::WrongCan`].
    pub fn secure<C: CardChannel>(
        &mut self,
        egk: &mut Egk<C>,
        around: &mut Surroundings<'_>,
    ) -> Result<(), ReachError> {
        let mut again = None;
        loop {
            let can = match self.untried.take() {
                Some(can) => can,
                None => match (around.ui.can(again.is_some()), again.take()) {
                    (Err(AskError::NobodyThere), Some(wrong)) => return Err(EgkError::Pace(wrong).into()),
                    (Err(AskError::NobodyThere), None) => return Err(EgkError::Contactless.into()),
                    (can, _) => can?,
                },
            };
            around.ui.step(Step::OpenContactless);
            match egk.open_contactless(&can, around.rng) {
                Ok(()) => {
                    self.can = Some(can);
                    return Ok(());
                }
                Err(EgkError::Pace(wrong @ PaceError::WrongCan)) => again = Some(wrong),
                Err(error) => {
                    self.untried = Some(can);
                    return Err(error.into());
                }
            }
        }
    }

    /// Secures the line again after a reset, where it was secured before.
    ///
    /// # Errors
    /// The card.
    pub fn secure_again<C: CardChannel>(
        &self,
        egk: &mut Egk<C>,
        around: &mut Surroundings<'_>,
    ) -> Result<(), EgkError> {
        let Some(can) = &self.can else { return Ok(()) };
        around.ui.step(Step::OpenContactless);
        egk.open_contactless(can, around.rng)
    }

    /// Takes up what an error says of the way, and says whether to begin again.
    fn begins_again(&mut self, error: &EgkError, around: &mut Surroundings<'_>) -> bool {
        match error {
            _ if self.restarts_left == 0 => return false,
            EgkError::Channel(ChannelError::Reset) => around.ui.notice(Notice::CardWasReset),
            EgkError::TooLong { shorter } => self.length = *shorter,
            _ => return false,
        }
        self.restarts_left -= 1;
        true
    }
}

/// An error that may come from the card.
pub trait FromCard: From<EgkError> {
    /// What the card or the line to it said, where that is the cause and nothing is left open by it.
    fn card(&self) -> Option<&EgkError>;
}

impl FromCard for ReachError {
    fn card(&self) -> Option<&EgkError> {
        match self {
            Self::Card(error) => Some(error),
            Self::Ask(_) => None,
        }
    }
}

/// Carries `flow` out from the card's reset on, and again from there where the card is still there and only what was
/// selected, verified and agreed on is gone: another program reset it, or the reader turned out to carry short APDUs
/// alone while the line was secured. The access number is kept; a PIN is not, so `flow` asks for it anew.
///
/// # Errors
/// Those of `flow`.
pub fn restarting<C: CardChannel, T, E: FromCard>(
    mut channel: C,
    length: ApduLength,
    around: &mut Surroundings<'_>,
    mut flow: impl FnMut(&mut C, &mut Way, &mut Surroundings<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let mut way = Way::new(length);
    loop {
        match flow(&mut channel, &mut way, around) {
            Err(error) if error.card().is_some_and(|error| way.begins_again(error, around)) => {
                channel.reset().map_err(EgkError::Channel)?;
            }
            result => return result,
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
