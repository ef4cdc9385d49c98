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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretText;

    fn pin(digits: &str) -> DevicePin {
        DevicePin::parse(&SecretText::new(digits.to_owned())).unwrap()
    }

    #[test]
    fn what_is_guessed_first_is_refused_with_the_reason() {
        let kvnr = "A123456780".parse().unwrap();
        let iccsn = Iccsn::from_bcd(&[0x80, 0x27, 0x69, 0x99, 0x99, 0x00, 0x00, 0x52, 0x74, 0x19]).unwrap();
        let can = Can::parse(&SecretText::new("493817".to_owned())).unwrap();
        let old = pin("270618");
        let known = Known {
            kvnr: Some(&kvnr),
            birth_date: Some("1964-08-12"),
            postal_code: Some("38104"),
            iccsn: Some(&iccsn),
            can: Some(&can),
            old: Some(&old),
        };
        for (digits, weak) in [
            ("000000", WeakPin::OneDigit),
            ("123456", WeakPin::Run),
            ("654321", WeakPin::Run),
            ("890123", WeakPin::Run),
            ("135791", WeakPin::Run),
            ("121212", WeakPin::Blocks),
            ("739739", WeakPin::Blocks),
            ("120864", WeakPin::BirthDate),
            ("640812", WeakPin::BirthDate),
            ("081264", WeakPin::BirthDate),
            ("126408", WeakPin::BirthDate),
            ("086412", WeakPin::BirthDate),
            ("641208", WeakPin::BirthDate),
            ("196408", WeakPin::BirthDate),
            ("081964", WeakPin::BirthDate),
            ("121964", WeakPin::BirthDate),
            ("196412", WeakPin::BirthDate),
            ("345678", WeakPin::Run),
            ("456780", WeakPin::InsuranceNumber),
            ("381042", WeakPin::PostalCode),
            ("238104", WeakPin::PostalCode),
            ("527419", WeakPin::CardNumber),
            ("493817", WeakPin::Can),
            ("270618", WeakPin::Old),
            ("159753", WeakPin::Common),
            ("271828", WeakPin::Common),
        ] {
            assert_eq!(weakness(&pin(digits), &known), Some(weak), "{digits}");
        }
        for digits in ["384719", "052741", "964081", "493818", "810438", "141421"] {
            assert_eq!(weakness(&pin(digits), &known), None, "{digits}");
        }
        // Nothing is known, and nothing of it is refused.
        for digits in ["120864", "456780", "381042", "527419", "493817", "270618"] {
            assert_eq!(weakness(&pin(digits), &Known::default()), None, "{digits}");
        }
        let unknown_day = Known { birth_date: Some("1964-00-00"), ..Known::default() };
        assert_eq!(weakness(&pin("384719"), &unknown_day), None);
    }

    #[test]
    fn the_list_holds_a_thousand_numbers_of_six_digits_that_no_other_rule_refuses() {
        let list: Vec<_> = COMMON.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(list.len(), 1000);
        assert_eq!(list.iter().collect::<HashSet<_>>().len(), 1000);
        assert!(list.iter().all(|digits| weakness(&pin(digits), &Known::default()) == Some(WeakPin::Common)));
    }
}
