//! The health card (gemSpec_eGK_ObjSys_G2_1): what it is, its files, its PIN and its key.

mod files;
mod key;
mod keypad;
mod pin;

use std::fmt;

use rand_core::CryptoRng;
use thiserror::Error;

use crate::apdu::commands::{self, Aid, Sfi};
use crate::apdu::tlv::DataObject;
use crate::apdu::{CommandApdu, NE_EXTENDED, NE_SHORT, ResponseApdu, StatusWord};
use crate::reader::pace::{self, EphemeralKeys, PaceError};
use crate::reader::pinpad::Layout;
use crate::reader::secure::{NE_SHORT_SECURE, SecureChannel, most_secured};
use crate::reader::{CardChannel, ChannelError};
use crate::secret::Can;

pub use files::{CardFiles, EfCChAut};
pub use key::AuthKey;
pub use keypad::{KeypadAnswer, KeypadUse};
pub use pin::{Attempt, LastTry, OldPin, PinAnswer, PinStatus, PukAnswer, Tries};

/// MF of the eGK.
const AID_EGK: Aid = Aid(&[0xD2, 0x76, 0x00, 0x01, 0x44, 0x80, 0x00]);
/// MF of other cards of the telematics infrastructure, and what they are.
const OTHER_CARDS: [(Aid, OtherCard); 2] = [
    (Aid(&[0xD2, 0x76, 0x00, 0x01, 0x46, 0x01]), OtherCard::Hba),
    (Aid(&[0xD2, 0x76, 0x00, 0x01, 0x46, 0x06]), OtherCard::SmcB),
];
/// Applications with the files that are read.
const DF_HCA: Aid = Aid(&[0xD2, 0x76, 0x00, 0x00, 0x01, 0x02]);
const DF_ESIGN: Aid = Aid(&[0xA0, 0x00, 0x00, 0x01, 0x67, 0x45, 0x53, 0x49, 0x47, 0x4E]);

/// A card that answers and is no health card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherCard {
    /// Health professional card (Heilberufsausweis).
    Hba,
    /// Card of a practice or institution.
    SmcB,
    /// Any other smart card.
    Unknown,
}

/// What went wrong with the card, told by the card.
#[derive(Debug, Error)]
pub enum EgkError {
    /// The line to the card.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The card is no health card.
    #[error("not a health card: {0:?}")]
    NotAnEgk(OtherCard),
    /// A health card older than generation 2; it holds no key for this.
    #[error("health card of object system {0} is too old")]
    TooOld(ObjectSystem),
    /// The card lies on a contactless reader and wants PACE first.
    #[error("the card is used without contacts")]
    Contactless,
    /// The card and this program have not agreed on a secured line.
    #[error(transparent)]
    Pace(PaceError),
    /// The insurer has switched off the application with the insurance data.
    #[error("DF.HCA is deactivated")]
    Deactivated,
    /// The card answered with a status word that the command does not expect.
    #[error("{command} was answered with {status}")]
    UnexpectedStatus {
        /// The command's name in the specification.
        command: &'static str,
        /// The card's answer.
        status: StatusWord,
    },
    /// A file does not hold what the specification says.
    #[error("{file} is malformed")]
    Malformed {
        /// The file's name in the specification.
        file: &'static str,
    },
    /// The reader does not carry answers of the length that was asked for, and noticing it has ended a secured line: what
    /// was begun has to begin again, in the shorter form.
    #[error("the reader carries no answers of that length")]
    TooLong {
        /// The form to begin again with.
        shorter: ApduLength,
    },
    /// The card has no certificate to identify its holder with.
    #[error("the card holds no C.CH.AUT")]
    NoCertificate,
}

impl From<PaceError> for EgkError {
    fn from(error: PaceError) -> Self {
        match error {
            PaceError::Channel(error) => Self::Channel(error),
            error => Self::Pace(error),
        }
    }
}

/// How the card is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// With contacts.
    Contact,
    /// Without, inside the secured line that the card access number opens.
    Contactless,
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contact => "contact",
            Self::Contactless => "contactless",
        })
    }
}

/// Version of the object system, from EF.Version2 (gemSpec_Karten_Fach_TIP, 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectSystem(pub [u8; 3]);

impl fmt::Display for ObjectSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// Generation of a health card, derived from its object system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// 4.0 to 4.3: RSA keys only.
    G2,
    /// 4.4 to 4.x: elliptic curves.
    G21,
    /// 5 and later.
    G3,
}

impl ObjectSystem {
    /// The generation, or `None` for cards older than generation 2.
    pub fn generation(self) -> Option<Generation> {
        match self.0 {
            [0..=3, ..] => None,
            [4, 0..=3, _] => Some(Generation::G2),
            [4, ..] => Some(Generation::G21),
            _ => Some(Generation::G3),
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::G2 => "G2",
            Self::G21 => "G2.1",
            Self::G3 => "G3",
        })
    }
}

/// Card number: 20 digits, beginning with 80276 (EF.GDO; DIN EN 1867).
#[derive(Clone, PartialEq, Eq)]
pub struct Iccsn([u8; 10]);

impl fmt::Display for Iccsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Iccsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Iccsn(***)")
    }
}

/// Which form of APDU the way to the card carries. It only ever shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApduLength {
    /// Responses of up to 65536 bytes.
    Extended,
    /// Responses of up to 256 bytes.
    Short,
    /// Responses of up to 255 bytes: some terminals refuse Le = `00`.
    Short255,
}

impl ApduLength {
    fn ne(self) -> u32 {
        match self {
            Self::Extended => NE_EXTENDED,
            Self::Short => NE_SHORT,
            Self::Short255 => NE_SHORT - 1,
        }
    }

    /// The next form that asks for less than `ne` bytes, which were refused.
    fn shorter_than(self, ne: u32) -> Option<Self> {
        [Self::Short, Self::Short255].into_iter().find(|&length| length.ne() < self.ne().min(ne))
    }
}

/// A health card at the end of a line, identified by its application and EF.Version2.
#[allow(missing_debug_implementations, reason = "the channel decides, and most have nothing to show")]
pub struct Egk<C> {
    channel: SecureChannel<C>,
    length: ApduLength,
    selected: Option<Aid>,
    key_selected: bool,
    /// The key of the certificate that was read: RSA only where the card has nothing better.
    key: key::Kind,
    object_system: ObjectSystem,
    generation: Generation,
    /// The description of a PIN that the reader's keypad is handed.
    layout: Layout,
}

impl<C: CardChannel> Egk<C> {
    /// Identifies the card: SELECT by the eGK's AID, then EF.Version2. Two commands for a health card.
    ///
    /// # Errors
    /// Another card, a health card that is too old, or one that must be reached with PACE.
    pub fn open(channel: C, length: ApduLength) -> Result<Self, EgkError> {
        let mut egk = Self {
            channel: SecureChannel::new(channel),
            length: ApduLength::Extended,
            selected: None,
            key_selected: false,
            key: key::Kind::E256,
            object_system: ObjectSystem([0; 3]),
            generation: Generation::G2,
            layout: Layout::FIRST,
        };
        egk.set_length(length);
        let answer = egk.transmit(&commands::select_application(AID_EGK))?;
        match answer.status() {
            StatusWord::OK => egk.selected = Some(AID_EGK),
            StatusWord::FILE_DEACTIVATED => return Err(EgkError::Deactivated),
            _ => return Err(EgkError::NotAnEgk(egk.name_other_card()?)),
        }
        egk.object_system = egk.read_version()?;
        egk.generation = egk.object_system.generation().ok_or(EgkError::TooOld(egk.object_system))?;
        Ok(egk)
    }

    /// Version of the object system.
    pub fn object_system(&self) -> ObjectSystem {
        self.object_system
    }

    /// Generation of the card.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Gives the line back, for what comes after the card.
    pub fn into_channel(self) -> C {
        self.channel.into_inner()
    }

    /// How the card is reached: contactless once [`open_contactless`](Self::open_contactless) has secured the line.
    pub fn interface(&self) -> Interface {
        if self.channel.is_secured() { Interface::Contactless } else { Interface::Contact }
    }

    /// Whether the reader says that the card has no contact with it: it makes up an answer to reset that begins with `3B`,
    /// `8n`, `80`, `01` (PC/SC, part 3, 3.1.3.2.3). Such a card is not asked what it would refuse.
    fn is_contactless(&self) -> bool {
        matches!(self.channel.atr(), [0x3B, 0x80..=0x8F, 0x80, 0x01, ..])
    }

    /// Whether files and PIN can be asked for.
    fn reachable(&self) -> Result<(), EgkError> {
        if self.is_contactless() && !self.channel.is_secured() { Err(EgkError::Contactless) } else { Ok(()) }
    }

    /// Secures the line to a card on a reader without contacts, until the card is reset. A refusal is tried once more
    /// with fresh keys before it counts, for it may come from a card or reader that drops leading zeros.
    ///
    /// # Errors
    /// [`PaceError::WrongCan`] when the card does not accept the number; the next one may be tried at once.
    pub fn open_contactless(&mut self, can: &Can, rng: &mut dyn CryptoRng) -> Result<(), EgkError> {
        match self.open_contactless_with(can, &EphemeralKeys::random(rng)) {
            Err(EgkError::Pace(PaceError::WrongCan)) => self.open_contactless_with(can, &EphemeralKeys::random(rng)),
            other => other,
        }
    }

    /// The same with keys that are known, once: for a session that is recorded or played.
    ///
    /// # Errors
    /// As there.
    pub fn open_contactless_with(&mut self, can: &Can, keys: &EphemeralKeys) -> Result<(), EgkError> {
        self.select(AID_EGK)?;
        Ok(pace::establish(&mut self.channel, can, keys)?)
    }

    fn set_length(&mut self, length: ApduLength) {
        self.length = length;
        if length == ApduLength::Short255 {
            self.channel.avoid_le_00();
        }
    }

    /// Selects the application with the insurance data, whose insurer may have switched it off.
    ///
    /// # Errors
    /// [`EgkError::Deactivated`] where that is so.
    pub fn select_insurance_data(&mut self) -> Result<(), EgkError> {
        self.select(DF_HCA)
    }

    /// Most bytes to ask for in one command.
    fn ne(&self) -> u32 {
        let carried = self.channel.max_data().unwrap_or(NE_EXTENDED);
        match self.length {
            ApduLength::Short | ApduLength::Short255 if self.channel.is_secured() => NE_SHORT_SECURE,
            ApduLength::Extended if self.channel.is_secured() && carried < NE_EXTENDED => most_secured(carried),
            length => length.ne().min(carried),
        }
    }

    /// Reads the card number (EF.GDO).
    ///
    /// # Errors
    /// [`EgkError::Contactless`] where the file is guarded by PACE, which no contact interface does.
    pub fn iccsn(&mut self) -> Result<Iccsn, EgkError> {
        const GDO: &str = "EF.GDO";
        let malformed = EgkError::Malformed { file: GDO };
        self.reachable()?;
        self.select(AID_EGK)?;
        let answer = self.read_first(Sfi(0x02), 12)?;
        files::check_read(&answer)?;
        let gdo = DataObject::parse(answer.data(), 0x5A).map_err(|_| EgkError::Malformed { file: GDO })?;
        let number: [u8; 10] = gdo.value().ok().and_then(|v| v.try_into().ok()).ok_or(malformed)?;
        let is_bcd = number.iter().all(|byte| byte >> 4 < 10 && byte & 0x0F < 10);
        if is_bcd { Ok(Iccsn(number)) } else { Err(EgkError::Malformed { file: GDO }) }
    }

    fn read_version(&mut self) -> Result<ObjectSystem, EgkError> {
        let file = "EF.Version2";
        // A few dozen bytes on every card: what a short APDU carries, whatever the reader does.
        let answer = self.read_first(Sfi(0x11), NE_SHORT)?;
        if answer.status() == StatusWord::FILE_NOT_FOUND {
            return Err(EgkError::TooOld(ObjectSystem([0; 3]))); // cards before generation 2 have no EF.Version2
        }
        files::check_read(&answer)?;
        let version = DataObject::parse(answer.data(), 0xEF).map_err(|_| EgkError::Malformed { file })?;
        let number = version.child(0xC1).ok().and_then(|v| v.try_into().ok());
        number.map(ObjectSystem).ok_or(EgkError::Malformed { file })
    }

    fn name_other_card(&mut self) -> Result<OtherCard, EgkError> {
        for (aid, card) in OTHER_CARDS {
            if self.transmit(&commands::select_application(aid))?.status().is_ok() {
                return Ok(card);
            }
        }
        Ok(OtherCard::Unknown)
    }

    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, EgkError> {
        Ok(self.channel.transmit(command)?)
    }

    /// Makes `application` the selected one; sends nothing where it is already.
    fn select(&mut self, application: Aid) -> Result<(), EgkError> {
        if self.selected == Some(application) {
            return Ok(());
        }
        self.selected = None;
        self.key_selected = false;
        match self.transmit(&commands::select_application(application))?.status() {
            StatusWord::OK => {
                self.selected = Some(application);
                Ok(())
            }
            StatusWord::FILE_DEACTIVATED => Err(EgkError::Deactivated),
            status => Err(EgkError::UnexpectedStatus { command: "SELECT", status }),
        }
    }

    /// Resets the card, so that no PIN stays verified. Only the application has to be selected anew.
    ///
    /// # Errors
    /// The line is gone.
    pub fn reset(&mut self) -> Result<(), EgkError> {
        self.selected = None;
        self.key_selected = false;
        Ok(self.channel.reset()?)
    }
}
