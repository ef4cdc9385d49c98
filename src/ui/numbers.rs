//! The numbers around a health card that people take for one another, told apart by their length.

use super::failure::Failure;
use crate::client::AskError;
use crate::identity::kvnr::{Kvnr, KvnrError};
use crate::secret::{DigitsError, SecretText};

/// The numbers `help numbers` explains: their names in the texts, under `number-`.
pub const NUMBERS: [&str; 8] =
    ["can", "card-pin", "transport-pin", "puk", "device-pin", "insurance-number", "card-number", "payer-number"];

/// Which text says what `typed` looks like, where its length tells that it is another number than the one asked for.
/// `None` where it tells nothing.
pub fn looks_like(typed: &SecretText) -> Option<&'static str> {
    let text: Vec<u8> = typed.expose().bytes().filter(|byte| *byte != b' ').collect();
    let (digits, letter) = match text.split_first() {
        Some((first, rest)) if first.is_ascii_alphabetic() => (rest, true),
        _ => (text.as_slice(), false),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    match (letter, digits.len()) {
        (true, 9) => Some("looks-like-insurance-number"),
        (false, 5) => Some("looks-like-transport-pin"),
        (false, 6) => Some("looks-like-can"),
        (false, 8) => Some("looks-like-puk"),
        (false, 9) => Some("looks-like-payer-number"),
        (false, 20) => Some("looks-like-card-number"),
        _ => None,
    }
}

/// Adds to `error` which other number was typed. Only a wrong length tells: six digits with a space in them are still the
/// access number that was asked for.
pub fn told_apart(error: AskError, typed: &SecretText) -> AskError {
    let looks_like = match &error {
        AskError::Can(DigitsError::Length { .. }) | AskError::Digits(DigitsError::Length { .. }) => looks_like(typed),
        // Numbers that are never asked for with digits alone, or never at all.
        AskError::Can(DigitsError::NotDigits) | AskError::Digits(DigitsError::NotDigits) => {
            looks_like(typed).filter(|id| ["looks-like-insurance-number", "looks-like-card-number"].contains(id))
        }
        _ => None,
    };
    match looks_like {
        Some(looks_like) => AskError::OtherNumber { error: Box::new(error), looks_like },
        None => error,
    }
}

/// Reads an insurance number that was typed.
///
/// # Errors
/// What is wrong with it, and which other number it looks like.
pub fn insurance_number(typed: &SecretText) -> Result<Kvnr, Failure> {
    Kvnr::typed(typed.expose()).map_err(|error| {
        let hint = if error == KvnrError::Shape { looks_like(typed) } else { None };
        Failure { hint: hint.filter(|id| *id != "looks-like-insurance-number"), ..error.into() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Can, DevicePin, Pin, Puk, TransportPin};
    use crate::ui::text::{Language, Texts};

    fn hint(typed: &str, parse: impl Fn(&SecretText) -> Result<(), AskError>) -> Option<&'static str> {
        let typed = SecretText::new(typed.to_owned());
        let failure: Failure = told_apart(parse(&typed).unwrap_err(), &typed).into();
        assert_eq!(failure.kind.code(), "input_invalid");
        failure.hint
    }

    #[test]
    fn another_number_is_named_where_the_length_tells() {
        let can = |typed: &SecretText| Can::parse(typed).map(drop).map_err(AskError::Can);
        let pin = |typed: &SecretText| Ok(Pin::parse(typed).map(drop)?);
        let puk = |typed: &SecretText| Ok(Puk::parse(typed).map(drop)?);
        let device_pin = |typed: &SecretText| Ok(DevicePin::parse(typed).map(drop)?);
        let transport_pin = |typed: &SecretText| Ok(TransportPin::parse(typed).map(drop)?);
        for (typed, can_hint, pin_hint) in [
            ("12345", Some("looks-like-transport-pin"), Some("looks-like-transport-pin")),
            ("999567890", Some("looks-like-payer-number"), Some("looks-like-payer-number")),
            ("A123456780", Some("looks-like-insurance-number"), Some("looks-like-insurance-number")),
            ("80276 99999 00000 00017", Some("looks-like-card-number"), Some("looks-like-card-number")),
            // What was asked for, and only written in another way.
            ("123 123", None, None),
            ("123-123", None, None),
        ] {
            assert_eq!((hint(typed, can), hint(typed, pin)), (can_hint, pin_hint), "{typed}");
        }
        assert_eq!(hint("12345678", can), Some("looks-like-puk"));
        assert_eq!(hint("12345678", device_pin), Some("looks-like-puk"));
        assert_eq!(hint("123456", puk), Some("looks-like-can"));
        assert_eq!(hint("1234 5678", puk), None);
        assert_eq!(hint("123456", transport_pin), Some("looks-like-can"));
    }

    #[test]
    fn an_insurance_number_is_told_from_the_other_numbers_of_the_card() {
        let hint = |typed: &str| insurance_number(&SecretText::new(typed.to_owned())).unwrap_err().hint;
        assert_eq!(hint("123123"), Some("looks-like-can"));
        assert_eq!(hint("999567890"), Some("looks-like-payer-number"));
        assert_eq!(hint("80276999990000000017"), Some("looks-like-card-number"));
        assert_eq!(hint("A123456781"), None, "it is one, with a wrong digit");
        assert_eq!(hint("a123456780"), None);
        assert_eq!(hint("Erika"), None);
    }

    #[test]
    fn what_is_said_before_a_field_is_short_and_tells_what_is_not_meant() {
        let prompts = ["can-where", "card-pin-what", "transport-pin-what", "puk-what", "device-pin-what", "kvnr-what"];
        for (language, not) in [(Language::De, "nicht die "), (Language::En, "not the ")] {
            for prompt in prompts {
                let text = Texts::new(language).get(&format!("ask-{prompt}"));
                assert!(text.to_lowercase().contains(not), "{text}");
                assert!(text.lines().count() <= 3 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
            }
        }
    }

    #[test]
    fn every_number_that_is_recognised_has_its_sentence() {
        for language in [Language::De, Language::En] {
            let texts = Texts::new(language);
            for typed in ["12345", "123456", "12345678", "999567890", "80276999990000000017", "A123456780"] {
                let id = looks_like(&SecretText::new(typed.to_owned())).unwrap();
                assert!(!texts.get(id).starts_with("looks-like"), "{id}");
            }
        }
    }

    #[test]
    fn a_number_is_told_by_its_length() {
        for (typed, expected) in [
            ("12345", Some("looks-like-transport-pin")),
            ("123 123", Some("looks-like-can")),
            ("12345678", Some("looks-like-puk")),
            ("999567890", Some("looks-like-payer-number")),
            ("80276 99999 00000 00017", Some("looks-like-card-number")),
            ("a123456780", Some("looks-like-insurance-number")),
            ("", None),
            ("1234567", None),
            ("A12345678", None),
            ("12345x", None),
        ] {
            assert_eq!(looks_like(&SecretText::new(typed.to_owned())), expected, "{typed}");
        }
    }
}
