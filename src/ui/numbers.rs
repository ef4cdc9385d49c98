//! The numbers around a health card that people take for one another, told apart by their length.

use crate::secret::SecretText;

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

#[cfg(test)]
mod tests {
    use super::*;

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
