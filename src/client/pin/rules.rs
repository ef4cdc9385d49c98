//! Which device PINs are not taken: those that are guessed first. Five guesses are had by whoever steals the file.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::chip::Iccsn;
use crate::client::home::Profile;
use crate::identity::kvnr::Kvnr;
use crate::secret::{Can, DevicePin};

/// The most common numbers of six digits, one on a line.
const COMMON: &str = include_str!("common.txt");

/// Why a PIN is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeakPin {
    /// One digit, again and again.
    OneDigit,
    /// Digits that follow one another in equal steps.
    Run,
    /// Two or three digits, repeated.
    Blocks,
    /// The birth date, in any order.
    BirthDate,
    /// Digits of the insurance number.
    InsuranceNumber,
    /// The postal code.
    PostalCode,
    /// The last digits of the card number.
    CardNumber,
    /// The card access number.
    Can,
    /// The PIN before.
    Old,
    /// One of the thousand that people choose most often.
    Common,
}

impl WeakPin {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneDigit => "one_digit",
            Self::Run => "run",
            Self::Blocks => "blocks",
            Self::BirthDate => "birth_date",
            Self::InsuranceNumber => "insurance_number",
            Self::PostalCode => "postal_code",
            Self::CardNumber => "card_number",
            Self::Can => "can",
            Self::Old => "old",
            Self::Common => "common",
        }
    }
}

/// What is known here of the person who chooses. None of it leaves this computer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// Versichertennummer.
    pub kvnr: Option<&'a Kvnr>,
    /// Date of birth, `YYYY-MM-DD`; month and day may be `00`.
    pub birth_date: Option<&'a str>,
    /// Postal code of the address.
    pub postal_code: Option<&'a str>,
    /// The card.
    pub iccsn: Option<&'a Iccsn>,
    /// Its access number.
    pub can: Option<&'a Can>,
    /// The PIN that holds now.
    pub old: Option<&'a DevicePin>,
}

impl<'a> Known<'a> {
    /// What the profile knows.
    pub(in crate::client) fn of(profile: &'a Profile) -> Self {
        Self { kvnr: Some(&profile.kvnr), ..Self::default() }
    }
}

/// Why `pin` is not taken; `None` when it is.
pub fn weakness(pin: &DevicePin, known: &Known<'_>) -> Option<WeakPin> {
    static COMMON_PINS: LazyLock<HashSet<&[u8]>> =
        LazyLock::new(|| COMMON.lines().filter(|line| !line.starts_with('#')).map(str::as_bytes).collect());
    let digits = pin.expose();
    let is_in = |text: &str| {
        let number: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
        number.windows(digits.len()).any(|part| part == digits)
    };
    let mut steps = digits.iter().zip(digits.iter().skip(1)).map(|(a, b)| (10 + b - a) % 10);
    let first = steps.next();
    let is_run = steps.all(|step| Some(step) == first);
    let repeats = |length: usize| digits.iter().zip(digits.iter().skip(length)).all(|(a, b)| a == b);

    let is_of_card = known.iccsn.is_some_and(|iccsn| iccsn.to_string().as_bytes().ends_with(digits));
    let rules = [
        (repeats(1), WeakPin::OneDigit),
        (is_run, WeakPin::Run),
        (repeats(2) || repeats(3), WeakPin::Blocks),
        (known.birth_date.is_some_and(|date| is_date(digits, date)), WeakPin::BirthDate),
        (known.kvnr.is_some_and(|kvnr| is_in(kvnr.as_str())), WeakPin::InsuranceNumber),
        (known.postal_code.is_some_and(|code| has(digits, code.as_bytes())), WeakPin::PostalCode),
        (is_of_card, WeakPin::CardNumber),
        (known.can.is_some_and(|can| can.expose() == digits), WeakPin::Can),
        (known.old.is_some_and(|old| old.matches(pin)), WeakPin::Old),
        (COMMON_PINS.contains(digits), WeakPin::Common),
    ];
    rules.into_iter().find(|(holds, _)| *holds).map(|(_, weak)| weak)
}

/// Whether the digits of a postal code stand in the PIN.
fn has(digits: &[u8], code: &[u8]) -> bool {
    !code.is_empty() && digits.windows(code.len()).any(|part| part == code)
}

/// Day, month and year of two digits in any order, or the year of four with one of the others.
fn is_date(digits: &[u8], date: &str) -> bool {
    let Some((year, rest)) = date.split_once('-') else { return false };
    let (Some((month, day)), Some(short)) = (rest.split_once('-'), year.get(2..)) else { return false };
    let orders = [
        [day, month, short],
        [day, short, month],
        [month, day, short],
        [month, short, day],
        [short, day, month],
        [short, month, day],
        [year, month, ""],
        [month, year, ""],
        [year, day, ""],
        [day, year, ""],
    ];
    orders.iter().any(|order| order.concat().as_bytes() == digits)
}
