//! Readers with a keypad: the PIN goes from the person to the card, past this computer (PC/SC part 10, revision
//! 2.02.09; the numbers are those of pcsc-lite's `reader.h`). Whatever a reader says of itself is checked; one that
//! says nonsense has no keypad.

use super::ChannelError;
use crate::apdu::commands::PasswordRef;
use crate::apdu::{NE_EXTENDED, NE_SHORT, StatusWord};

/// Number of the control code that asks for the features (CM_IOCTL_GET_FEATURE_REQUEST).
pub const GET_FEATURE_REQUEST: u32 = 3400;
/// Most bytes of an answer about features or properties: each has at most 257, and there are a few dozen of them at
/// most.
pub const MAX_ANSWER: usize = 4096;

const FEATURE_VERIFY_PIN_DIRECT: u8 = 0x06;
const FEATURE_MODIFY_PIN_DIRECT: u8 = 0x07;
const FEATURE_GET_TLV_PROPERTIES: u8 = 0x12;

const PROPERTY_MIN_PIN_SIZE: u8 = 6;
const PROPERTY_MAX_PIN_SIZE: u8 = 7;
const PROPERTY_MAX_APDU_DATA_SIZE: u8 = 10;

/// Digits of the PIN of a health card: the least and the most (gemSpec_eGK_ObjSys_G2_1, PIN.CH).
const PIN_DIGITS: (u8, u8) = (6, 8);
/// Digits of its PUK.
const PUK_DIGITS: (u8, u8) = (8, 8);

/// What is typed on the keypad, and which command it goes to the card in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeypadCommand {
    /// The PIN; VERIFY.
    Verify,
    /// The old PIN, the new one, the new one again; CHANGE REFERENCE DATA.
    Change,
    /// The PUK; RESET RETRY COUNTER without a new PIN.
    Unblock,
}

/// How the reader is told where in the command the PIN goes. It is the same place, and readers differ in which
/// description they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The digits begin behind the first byte of the block, and have its other seven: REINER's own example.
    Digits,
    /// The digits begin eight bits into a block of eight bytes: as OpenSC has it (from memory of its source).
    Block,
}

impl Layout {
    /// What is tried first.
    pub const FIRST: Self = Self::Digits;

    /// What is tried where the reader refuses this one.
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Digits => Some(Self::Block),
            Self::Block => None,
        }
    }

    /// `bmFormatString`, `bmPINBlockString`, `bmPINLengthFormat`: BCD, left; four bits of length, four bits into the
    /// block.
    fn bytes(self) -> [u8; 3] {
        match self {
            Self::Digits => [0x89, 0x47, 0x04],
            Self::Block => [0x41, 0x48, 0x04],
        }
    }
}

/// A keypad at the end of a line.
pub trait Keypad {
    /// Whether what `command` needs can be typed on it.
    fn takes(&self, command: KeypadCommand) -> bool;

    /// Has the reader ask for what `command` needs, for the password `password`, and send it to the card. It takes as
    /// long as the person, at most half a minute for each entry. The answer is the card's, or the reader's own
    /// ([`NoEntry`]).
    ///
    /// # Errors
    /// The line is gone, or the answer is no status word.
    fn enter(
        &mut self,
        command: KeypadCommand,
        password: PasswordRef,
        layout: Layout,
    ) -> Result<StatusWord, ChannelError>;
}

/// Why the reader sent nothing to the card (PC/SC part 10, 2.5.2 and 2.5.3). It is what the reader says: only the card
/// knows whether it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEntry {
    /// `6400`: nothing was typed in time.
    TimedOut,
    /// `6401`: the person pressed the cancel key.
    Cancelled,
    /// `6402`: the two entries of a new PIN differ.
    EntriesDiffer,
    /// `6403`: too few or too many digits.
    Length,
    /// `6B80` or `6D00`: the reader does not take what it was handed.
    Refused,
}

impl NoEntry {
    /// What a status word of the reader's own means; `None` for those of cards.
    pub fn of(status: StatusWord) -> Option<Self> {
        match status.0 {
            0x6400 => Some(Self::TimedOut),
            0x6401 => Some(Self::Cancelled),
            0x6402 => Some(Self::EntriesDiffer),
            0x6403 => Some(Self::Length),
            0x6B80 | 0x6D00 => Some(Self::Refused),
            _ => None,
        }
    }
}

/// What a reader is asked about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Its features, by the system's control code for [`GET_FEATURE_REQUEST`].
    Features,
    /// Its properties, by the control code that it gave itself.
    Properties(u32),
}

/// What a reader says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    verify: Option<u32>,
    modify: Option<u32>,
    properties: Properties,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Properties {
    min_pin: Option<u8>,
    max_pin: Option<u8>,
    max_data: Option<u32>,
}

impl Features {
    /// Asks the reader through `ask`, which gives its answer; `None` for a refusal.
    pub fn read(mut ask: impl FnMut(Question) -> Option<Vec<u8>>) -> Self {
        let features = ask(Question::Features).and_then(|answer| parse_features(&answer));
        let Some(features) = features else { return Self::default() };
        let code = |tag| features.iter().find(|(known, _)| *known == tag).map(|(_, code)| *code);
        let properties = code(FEATURE_GET_TLV_PROPERTIES).and_then(|code| ask(Question::Properties(code)));
        Self {
            verify: code(FEATURE_VERIFY_PIN_DIRECT),
            modify: code(FEATURE_MODIFY_PIN_DIRECT),
            properties: properties.and_then(|answer| parse_properties(&answer)).unwrap_or_default(),
        }
    }

    /// Whether there is a keypad at all.
    pub fn has_keypad(&self) -> bool {
        self.verify.is_some()
    }

    /// The control code for `command`, where the keypad can take what it needs.
    pub fn code_for(&self, command: KeypadCommand) -> Option<u32> {
        let (min, max) = command.digits();
        let Properties { min_pin, max_pin, .. } = self.properties;
        if min_pin.is_some_and(|least| least > min) || max_pin.is_some_and(|most| most < max) {
            return None;
        }
        match command {
            KeypadCommand::Verify | KeypadCommand::Unblock => self.verify,
            KeypadCommand::Change => self.modify,
        }
    }

    /// Most bytes of data in a command or an answer; 256 is a reader for short APDUs only. `None` where the reader says
    /// nothing of use.
    pub fn max_data(&self) -> Option<u32> {
        self.properties.max_data
    }
}

/// One entry for each feature: tag, length, and a control code of four bytes, big endian (PC/SC part 10, 2.2).
fn parse_features(answer: &[u8]) -> Option<Vec<(u8, u32)>> {
    let entries = tlv(answer)?.into_iter().map(|(tag, value)| Some((tag, u32::from_be_bytes(value.try_into().ok()?))));
    entries.collect()
}

/// The values are little endian (PC/SC part 10, 2.6.14).
fn parse_properties(answer: &[u8]) -> Option<Properties> {
    let mut properties = Properties::default();
    for (tag, value) in tlv(answer)? {
        match tag {
            PROPERTY_MIN_PIN_SIZE | PROPERTY_MAX_PIN_SIZE => {
                let [digits] = *value else { return None };
                let property =
                    if tag == PROPERTY_MIN_PIN_SIZE { &mut properties.min_pin } else { &mut properties.max_pin };
                *property = Some(digits);
            }
            PROPERTY_MAX_APDU_DATA_SIZE => {
                // Zero: short APDUs only. 1 to 255 and more than 65536 are reserved (from memory of part 10): the first
                // are taken for short, the last tell nothing.
                properties.max_data = match u32::from_le_bytes(value.try_into().ok()?) {
                    size @ 0..=NE_EXTENDED => Some(size.max(NE_SHORT)),
                    _ => None,
                };
            }
            _ => {}
        }
    }
    Some(properties)
}

/// Entries of one byte tag, one byte length and a value; `None` where they do not add up or a tag comes twice.
fn tlv(answer: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut entries: Vec<(u8, &[u8])> = Vec::new();
    let mut rest = answer;
    while let [tag, length, behind @ ..] = rest {
        let (value, next) = behind.split_at_checked(usize::from(*length))?;
        if entries.iter().any(|(known, _)| known == tag) {
            return None;
        }
        entries.push((*tag, value));
        rest = next;
    }
    rest.is_empty().then_some(entries)
}

impl KeypadCommand {
    fn digits(self) -> (u8, u8) {
        match self {
            Self::Verify | Self::Change => PIN_DIGITS,
            Self::Unblock => PUK_DIGITS,
        }
    }

    /// PIN_VERIFY_STRUCTURE (PC/SC part 10, 2.5.2) or PIN_MODIFY_STRUCTURE (2.5.3), packed, numbers little endian. The
    /// command in it has empty blocks, which the reader fills: it goes nowhere else, for a card would count it.
    pub fn structure(self, password: PasswordRef, layout: Layout) -> Vec<u8> {
        /// Seconds to the first key, and between keys: as in REINER's example.
        const TIMEOUT: u8 = 0x1E;
        /// An entry ends with the confirmation key.
        const VALIDATION_KEY: u8 = 0x02;
        /// German.
        const LANGUAGE: [u8; 2] = 0x0407_u16.to_le_bytes();
        /// `bTeoPrologue`: the reader makes its own.
        const PROLOGUE: [u8; 3] = [0; 3];
        /// A block of format 2 without digits (ISO 9564-1).
        const EMPTY: [u8; 8] = [0x20, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

        let (min, max) = self.digits();
        let mut out = vec![TIMEOUT, TIMEOUT];
        out.extend(layout.bytes());
        let command = match self {
            Self::Verify | Self::Unblock => {
                out.extend([max, min, VALIDATION_KEY]);
                out.push(1); // one message
                out.extend(LANGUAGE);
                out.push(0); // its index
                let (ins, p1) = if self == Self::Verify { (0x20, 0x00) } else { (0x2C, 0x01) };
                [&[0x00, ins, p1, password.0, 8], &EMPTY[..]].concat()
            }
            Self::Change => {
                out.extend([0, 8]); // where the blocks of the old and the new PIN begin
                out.extend([max, min]);
                out.push(0x03); // the old PIN is asked for, and the new one twice
                out.push(VALIDATION_KEY);
                out.push(3); // messages
                out.extend(LANGUAGE);
                out.extend([0, 1, 2]); // their indices
                [&[0x00, 0x24, 0x00, password.0, 16], &EMPTY[..], &EMPTY[..]].concat()
            }
        };
        out.extend(PROLOGUE);
        out.extend(u32::try_from(command.len()).unwrap_or_default().to_le_bytes());
        out.extend(command);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(command: KeypadCommand, layout: Layout) -> String {
        hex::encode_upper(command.structure(PasswordRef(0x02), layout))
    }

    #[test]
    fn the_structure_for_a_pin_is_reiners_and_then_openscs() {
        assert_eq!(
            structure(KeypadCommand::Verify, Layout::FIRST),
            "1E1E894704080602010704000000000D000000002000020820FFFFFFFFFFFFFF"
        );
        let next = Layout::FIRST.next().unwrap();
        assert_eq!(
            structure(KeypadCommand::Verify, next),
            "1E1E414804080602010704000000000D000000002000020820FFFFFFFFFFFFFF"
        );
        assert_eq!(next.next(), None);
    }

    #[test]
    fn the_structure_for_a_new_pin_asks_for_the_old_one_and_twice_for_the_new_one() {
        assert_eq!(
            structure(KeypadCommand::Change, Layout::Digits),
            "1E1E894704000808060302030704000102000000\
             15000000002400021020FFFFFFFFFFFFFF20FFFFFFFFFFFFFF"
        );
        assert_eq!(
            structure(KeypadCommand::Change, Layout::Block),
            "1E1E414804000808060302030704000102000000\
             15000000002400021020FFFFFFFFFFFFFF20FFFFFFFFFFFFFF"
        );
    }

    #[test]
    fn a_puk_has_eight_digits_and_goes_without_a_new_pin() {
        assert_eq!(
            structure(KeypadCommand::Unblock, Layout::Digits),
            "1E1E894704080802010704000000000D000000002C01020820FFFFFFFFFFFFFF"
        );
    }

    /// A reader that answers these two questions so.
    fn features(features: &str, properties: &str) -> Features {
        Features::read(|question| match question {
            Question::Features => hex::decode(features).ok(),
            Question::Properties(0x4233_0012) => hex::decode(properties).ok(),
            Question::Properties(_) => None,
        })
    }

    const ALL: &str = "060442330006070442330007120442330012";

    #[test]
    fn a_reader_says_what_it_has() {
        let reader = features(ALL, "0A0400000100060106070108");
        assert_eq!(reader.code_for(KeypadCommand::Verify), Some(0x4233_0006));
        assert_eq!(reader.code_for(KeypadCommand::Change), Some(0x4233_0007));
        assert_eq!(reader.code_for(KeypadCommand::Unblock), Some(0x4233_0006));
        assert_eq!(reader.max_data(), Some(65_536));
        let verify_only = features("060442330006", "");
        assert_eq!(verify_only.code_for(KeypadCommand::Change), None);
        assert_eq!((verify_only.has_keypad(), verify_only.max_data()), (true, None));
        assert_eq!(Features::read(|_| None), Features::default());
        assert!(!Features::default().has_keypad());
    }

    #[test]
    fn a_keypad_for_other_lengths_does_not_fit() {
        for (properties, pin, puk) in [
            ("060104070110", true, true),
            ("060107070110", false, true), // seven digits at least
            ("060104070107", false, false),
            ("060109070110", false, false),
        ] {
            let reader = features(ALL, properties);
            assert_eq!(reader.code_for(KeypadCommand::Verify).is_some(), pin, "{properties}");
            assert_eq!(reader.code_for(KeypadCommand::Change).is_some(), pin, "{properties}");
            assert_eq!(reader.code_for(KeypadCommand::Unblock).is_some(), puk, "{properties}");
        }
    }

    #[test]
    fn the_longest_apdu_is_what_the_reader_says() {
        for (size, expected) in [
            ("00000000", Some(256)), // short only
            ("80000000", Some(256)), // reserved
            ("00010000", Some(256)),
            ("F6030000", Some(1014)),
            ("00000100", Some(65_536)),
            ("01000100", None), // reserved
            ("FFFFFFFF", None),
        ] {
            assert_eq!(features(ALL, &format!("0A04{size}")).max_data(), expected, "{size}");
        }
    }

    #[test]
    fn nonsense_is_no_keypad() {
        for nonsense in [
            "06",
            "0604423300",               // cut
            "06044233000607",           // half an entry behind it
            "0603423300",               // three bytes are no code
            "060542330006FF",           // nor are five
            "060442330006060442330007", // twice
        ] {
            assert_eq!(features(nonsense, ""), Features::default(), "{nonsense}");
        }
        for nonsense in [
            "0A02FFFF",
            "0A04000000",
            "0A0400000100060200FF", // a size has one byte
            "0A04000001000600",
            "0A04000100000A0400010000",
        ] {
            let reader = features(ALL, nonsense);
            assert_eq!((reader.max_data(), reader.has_keypad()), (None, true), "{nonsense}");
        }
    }

    #[test]
    fn the_words_of_the_reader_are_no_words_of_the_card() {
        let of = |word| NoEntry::of(StatusWord(word));
        assert_eq!(of(0x6400), Some(NoEntry::TimedOut));
        assert_eq!(of(0x6401), Some(NoEntry::Cancelled));
        assert_eq!(of(0x6402), Some(NoEntry::EntriesDiffer));
        assert_eq!(of(0x6403), Some(NoEntry::Length));
        assert_eq!((of(0x6B80), of(0x6D00)), (Some(NoEntry::Refused), Some(NoEntry::Refused)));
        for word in [0x9000, 0x63C2, 0x63C0, 0x6983, 0x6985, 0x6B00] {
            assert_eq!(of(word), None, "{word:04X}");
        }
    }
}
