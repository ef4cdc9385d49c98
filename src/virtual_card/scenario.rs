//! A card in a state that no image holds, in a reader with its own ways: what `--scenario FILE` says.
//!
//! The file is TOML with two tables. `[card]` changes the image that was loaded, so that its access rules hold as ever;
//! `[reader]` is about the line to it. What cannot be done to a card, or contradicts itself, is refused, never ignored.
//! `docs/card.md` lists every key.

mod card;
mod content;
mod reader;

use rand_core::CryptoRng;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use super::VirtualCard;
use crate::secret::SecretText;
use reader::Line;

pub use reader::{Behaviour, Turn};

/// A scenario as its file says it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    card: CardState,
    reader: ReaderState,
}

/// `[card]`: what is changed in the image.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CardState {
    pin: Option<PinState>,
    tries_left: Option<Tries>,
    transport_pin: Option<Digits<5>>,
    blocked_status: Option<BlockedStatus>,
    puk_uses_left: Option<u8>,
    can: Option<Digits<6>>,
    pd: Option<Pd>,
    schema: Option<Schema>,
    prefixed: bool,
    gvd: Option<Gvd>,
    update_in_progress: bool,
    hca: Option<Hca>,
    certificate: Option<Certificate>,
    e256: Option<E256>,
    cvc: Option<Cvc>,
    end_of_file: Option<EndOfFile>,
}

/// `[reader]`: what becomes of commands and answers on the way.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ReaderState {
    extended_length: Option<ExtendedLength>,
    refuse_le_00: bool,
    bare_status_from: Option<Count>,
    bare_status: Option<BareStatus>,
    pull_after: Option<u32>,
    lose_answer: Option<Count>,
    reset_after: Option<u32>,
    reset_every: Option<Count>,
    time_out_at: Option<Count>,
    delay_ms: Option<u16>,
}

/// A number that is not 0.
type Count = std::num::NonZeroU8;

/// Tries left: what the `x` of `63Cx` can say, and not none.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u8")]
struct Tries(u8);

impl TryFrom<u8> for Tries {
    type Error = &'static str;

    fn try_from(tries: u8) -> Result<Self, Self::Error> {
        if (1..=15).contains(&tries) { Ok(Self(tries)) } else { Err("1 to 15 tries can be left") }
    }
}

/// Exactly so many digits.
#[derive(Debug)]
struct Digits<const N: usize>(SecretText);

impl<'de, const N: usize> Deserialize<'de> for Digits<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = SecretText::deserialize(deserializer)?;
        let bytes = text.expose().as_bytes();
        let fits = bytes.len() == N && bytes.iter().all(u8::is_ascii_digit);
        if fits { Ok(Self(text)) } else { Err(D::Error::custom(format!("{N} digits are needed"))) }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum PinState {
    Transport,
    Empty,
    Disabled,
    Blocked,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum BlockedStatus {
    #[serde(rename = "63C0")]
    NoTries,
    #[serde(rename = "6983")]
    Blocked,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Pd {
    Corrupt,
    Truncated,
    Exploding,
    AnotherPerson,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum Schema {
    #[serde(rename = "5.1")]
    V5_1,
    #[serde(rename = "pkv")]
    Pkv,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Gvd {
    Absent,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Hca {
    Deactivated,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Certificate {
    WrongCheckDigit,
    SwappedUnits,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum E256 {
    Absent,
    Empty,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Cvc {
    X509,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum EndOfFile {
    #[serde(rename = "6B00")]
    Refused,
    #[serde(rename = "6282")]
    Warned,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum ExtendedLength {
    #[serde(rename = "6700")]
    Refused,
    #[serde(rename = "broken")]
    Broken,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum BareStatus {
    #[serde(rename = "9000")]
    Done,
    #[serde(rename = "6982")]
    NotAllowed,
    #[serde(rename = "6987")]
    ObjectMissing,
    #[serde(rename = "6988")]
    ObjectWrong,
}

/// Why a scenario cannot be played.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ScenarioError {
    /// There is no such key.
    #[error("line {line}: no key {key}, perhaps {nearest}")]
    UnknownKey {
        /// Line in the file, from 1.
        line: usize,
        /// What stands there.
        key: String,
        /// The key that is meant most likely.
        nearest: String,
    },
    /// The value of a key is none of those it may have, or the line is no TOML.
    #[error("line {line}, {key}: {reason}")]
    Value {
        /// Line in the file, from 1.
        line: usize,
        /// The key, or what stands in its place.
        key: String,
        /// What the parser says.
        reason: String,
    },
    /// Two keys contradict each other, or one stands without the one it belongs to.
    #[error("{0} does not go with {1}")]
    Combination(&'static str, &'static str),
    /// The card has nothing that could be put into this state.
    #[error("the card has nothing for {0}")]
    NotOnCard(&'static str),
    /// What is meant happens only without contacts.
    #[error("{0} is for cards without contacts")]
    ContactlessOnly(&'static str),
    /// The virtual reader of the PC/SC service cannot carry it.
    #[error("the virtual reader cannot carry {0}")]
    NotInReader(&'static str),
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// [`ScenarioError`] names line and key, or the keys that do not go together.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| explained(text, &error))?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), ScenarioError> {
        let Self { card, reader } = self;
        let has_tries = !matches!(card.pin, Some(PinState::Blocked | PinState::Disabled | PinState::Empty));
        let needs_key = card.certificate.is_some() || card.cvc.is_some();
        for (is_wrong, one, other) in [
            (card.tries_left.is_some() && !has_tries, "tries_left", "pin"),
            (card.transport_pin.is_some() && card.pin != Some(PinState::Transport), "transport_pin", "pin"),
            (card.blocked_status.is_some() && card.pin != Some(PinState::Blocked), "blocked_status", "pin"),
            (card.e256.is_some() && needs_key, "e256", if card.cvc.is_some() { "cvc" } else { "certificate" }),
            (
                card.certificate == Some(Certificate::WrongCheckDigit) && card.pd == Some(Pd::AnotherPerson),
                "certificate",
                "pd",
            ),
            (card.hca.is_some() && card.pd.is_some(), "hca", "pd"),
            (card.hca.is_some() && card.schema.is_some(), "hca", "schema"),
            (card.hca.is_some() && card.gvd.is_some(), "hca", "gvd"),
            (card.hca.is_some() && card.prefixed, "hca", "prefixed"),
            (card.hca.is_some() && card.update_in_progress, "hca", "update_in_progress"),
            (reader.bare_status.is_some() && reader.bare_status_from.is_none(), "bare_status", "bare_status_from"),
            (reader.pull_after.is_some() && reader.lose_answer.is_some(), "pull_after", "lose_answer"),
            (reader.reset_after.is_some() && reader.reset_every.is_some(), "reset_after", "reset_every"),
            // A card that is out is not reset any more.
            (reader.pull_after.is_some_and(|pull| reader.reset_after > Some(pull)), "pull_after", "reset_after"),
        ] {
            if is_wrong {
                return Err(ScenarioError::Combination(one, other));
            }
        }
        Ok(())
    }

    /// Puts a card into the state, and into its reader. What has to be signed is signed anew by the project's test CA.
    ///
    /// # Errors
    /// [`ScenarioError`] where this card cannot be put into it.
    pub fn play(self, mut card: VirtualCard, rng: &mut dyn CryptoRng) -> Result<Staged, ScenarioError> {
        let Self { card: state, reader } = self;
        let is_contact = card.interface == super::Interface::Contact;
        let contactless_only = [(state.can.is_some(), "can"), (reader.bare_status_from.is_some(), "bare_status_from")];
        if let Some((_, key)) = contactless_only.into_iter().find(|(is_set, _)| *is_set && is_contact) {
            return Err(ScenarioError::ContactlessOnly(key));
        }
        state.apply(&mut card.image, rng)?;
        Ok(Staged { card, line: Line::new(Behaviour::new(&reader)) })
    }
}

/// A card in its state, in its reader.
#[derive(Debug)]
pub struct Staged {
    card: VirtualCard,
    line: Line,
}

impl Staged {
    /// A card as it is, in a reader that does what readers should.
    pub fn plain(card: VirtualCard) -> Self {
        Self { card, line: Line::new(Behaviour::default()) }
    }

    /// Card and reader apart, for a reader that another program drives ([`super::vpcd`]).
    ///
    /// # Errors
    /// [`ScenarioError::NotInReader`] where that reader cannot do it.
    pub fn into_parts(self) -> Result<(VirtualCard, Behaviour), ScenarioError> {
        let behaviour = self.line.into_behaviour();
        match behaviour.is_beyond_vpcd() {
            Some(key) => Err(ScenarioError::NotInReader(key)),
            None => Ok((self.card, behaviour)),
        }
    }
}

/// Line and key of what the parser did not like. Its message names the words that may stand there in backquotes.
fn explained(text: &str, error: &toml::de::Error) -> ScenarioError {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let content = text.lines().nth(line - 1).unwrap_or_default();
    let key: String = content.split('=').next().unwrap_or_default().trim().chars().take(64).collect();
    let message = error.message();
    let mut names = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let key: String = names.next().unwrap_or_default().chars().take(64).collect();
        let nearest = names.min_by_key(|name| (!name.starts_with(&key), distance(name, &key)));
        let nearest = nearest.unwrap_or_default().to_owned();
        return ScenarioError::UnknownKey { line, key, nearest };
    }
    ScenarioError::Value { line, key, reason: message.to_owned() }
}

/// How many letters have to be changed, added or taken away to make `b` of `a` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (y, pair) in b.iter().zip(row.windows(2)) {
            let (Some(left), [diagonal, above]) = (next.last(), pair) else { continue };
            next.push((diagonal + usize::from(x != *y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parser itself tells which keys there are.
    #[test]
    fn every_key_is_documented() {
        let document = std::fs::read_to_string("docs/card.md").unwrap();
        for (table, least) in [("card", 16), ("reader", 10)] {
            let error = toml::from_str::<Scenario>(&format!("[{table}]\nnonsense = 1\n")).unwrap_err();
            let keys: Vec<_> = error.message().split('`').skip(1).step_by(2).skip(1).collect();
            assert!(keys.len() >= least, "{keys:?}");
            for key in keys {
                assert!(document.contains(&format!("| `{key}` |")), "{table}: {key}");
            }
        }
    }

    #[test]
    fn the_nearest_word_is_the_one_with_the_fewest_changes() {
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("pin", "pin"), 0);
        assert_eq!(distance("pim", "pin"), 1);
        assert_eq!(distance("tries", "tries_left"), 5);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
