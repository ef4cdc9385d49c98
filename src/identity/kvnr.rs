//! The insurance number (Versichertennummer, KVNR) and the number of an insurer (Institutionskennzeichen, IK).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The unchangeable part of the insurance number: one capital letter and nine digits, the last of which is a check
/// digit (SGB V, 290). Personal: `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kvnr([u8; 10]);

/// Why a text is no insurance number, so that a person can be told what to change.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KvnrError {
    /// The first character is a small letter.
    #[error("the letter is written small")]
    SmallLetter,
    /// Behind the ten characters stands a hyphen, a blank or a further part: the number of the family member or insurer.
    #[error("something follows the ten characters")]
    TrailingPart,
    /// Anything else than a letter and nine digits.
    #[error("not one letter and nine digits")]
    Shape,
    /// The check digit does not fit the other digits: one of them is mistyped.
    #[error("the check digit is wrong")]
    CheckDigit,
}

impl KvnrError {
    /// Stable name of the mistake, for messages between programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::SmallLetter => "small_letter",
            Self::TrailingPart => "trailing_part",
            Self::Shape => "shape",
            Self::CheckDigit => "check_digit",
        }
    }
}

impl Kvnr {
    /// Parses what a person typed or a register holds: shape and check digit.
    ///
    /// # Errors
    /// [`KvnrError`] with the hint that belongs to the mistake.
    pub fn typed(text: &str) -> Result<Self, KvnrError> {
        let text = text.trim();
        let is_tail = |tail: &str| tail.starts_with(|c: char| !c.is_ascii_alphanumeric()) || tail.len() > 1;
        if let Some((head, tail)) = text.split_at_checked(10)
            && is_tail(tail)
            && head.to_ascii_uppercase().parse::<Self>().is_ok()
        {
            return Err(KvnrError::TrailingPart);
        }
        if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.to_ascii_uppercase().parse::<Self>().is_ok() {
            return Err(KvnrError::SmallLetter);
        }
        let kvnr: Self = text.parse()?;
        if kvnr.has_valid_check_digit() { Ok(kvnr) } else { Err(KvnrError::CheckDigit) }
    }

    /// Whether the tenth character is the check digit of the others: the letter as two digits (A is 01), the ten
    /// digits weighted 1, 2, 1, 2 …, the digits of the products summed, modulo 10.
    pub fn has_valid_check_digit(&self) -> bool {
        let [letter, digits @ .., check] = self.0;
        let number = letter - b'A' + 1;
        let sum: u8 = [number / 10, number % 10]
            .into_iter()
            .chain(digits.map(|d| d - b'0'))
            .zip([1, 2].into_iter().cycle())
            .map(|(digit, weight)| digit * weight)
            .map(|product| product / 10 + product % 10)
            .sum();
        sum % 10 == check - b'0'
    }

    /// The ten characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Parses by shape alone, as on a certificate: some test cards have a wrong check digit.
impl FromStr for Kvnr {
    type Err = KvnrError;

    fn from_str(text: &str) -> Result<Self, KvnrError> {
        let bytes: [u8; 10] = text.as_bytes().try_into().map_err(|_| KvnrError::Shape)?;
        let [letter, digits @ ..] = bytes;
        if letter.is_ascii_uppercase() && digits.iter().all(u8::is_ascii_digit) {
            Ok(Self(bytes))
        } else {
            Err(KvnrError::Shape)
        }
    }
}

impl TryFrom<String> for Kvnr {
    type Error = KvnrError;

    fn try_from(text: String) -> Result<Self, KvnrError> {
        text.parse()
    }
}

impl From<Kvnr> for String {
    fn from(kvnr: Kvnr) -> Self {
        kvnr.as_str().to_owned()
    }
}

impl fmt::Debug for Kvnr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kvnr(***)")
    }
}

/// Number of an insurer: nine digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ik(String);

/// The text is not nine digits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not nine digits")]
pub struct NotAnIk;

impl Ik {
    /// The nine digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Ik {
    type Err = NotAnIk;

    fn from_str(text: &str) -> Result<Self, NotAnIk> {
        let is_ik = text.len() == 9 && text.bytes().all(|b| b.is_ascii_digit());
        is_ik.then(|| Self(text.to_owned())).ok_or(NotAnIk)
    }
}

impl TryFrom<String> for Ik {
    type Error = NotAnIk;

    fn try_from(text: String) -> Result<Self, NotAnIk> {
        text.parse()
    }
}

impl From<Ik> for String {
    fn from(ik: Ik) -> Self {
        ik.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_of_gematik_test_persons() {
        for good in ["X110540756", "X110639491", "X110630769", "X110408667", "X110359890", "X110485315"] {
            assert_eq!(Kvnr::typed(good).unwrap().as_str(), good);
        }
        for wrong in ["X114428530", "X510554251", "X621443142"] {
            assert!(wrong.parse::<Kvnr>().is_ok(), "a certificate may hold it");
            assert_eq!(Kvnr::typed(wrong), Err(KvnrError::CheckDigit));
        }
    }

    #[test]
    fn a_typed_number_gets_the_hint_that_belongs_to_the_mistake() {
        for (text, error) in [
            ("x110540756", KvnrError::SmallLetter),
            ("X110540756-1", KvnrError::TrailingPart),
            ("X110540756 109500969", KvnrError::TrailingPart),
            ("X110540756109500969", KvnrError::TrailingPart),
            ("X110540757", KvnrError::CheckDigit),
            ("X11054075", KvnrError::Shape),
            ("X1105407560", KvnrError::Shape),
            ("1110540756", KvnrError::Shape),
            ("Ä10540756", KvnrError::Shape),
            ("", KvnrError::Shape),
        ] {
            assert_eq!(Kvnr::typed(text), Err(error), "{text}");
        }
        assert!(Kvnr::typed(" X110540756\n").is_ok());
    }

    #[test]
    fn the_number_is_not_printed() {
        assert_eq!(format!("{:?}", Kvnr::typed("X110540756").unwrap()), "Kvnr(***)");
    }
}
