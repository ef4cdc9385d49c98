//! Values that must not be printed, copied or left behind in memory.
//!
//! Every type here is wiped when dropped, is not `Clone`, and its `Debug` shows `***` in place of its value.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

/// A secret text as it was typed: a password, or digits before they are known to be a PIN.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes over `text`; the caller keeps no copy.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one place that hashes or sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Written only where it is meant to go out: the body of a login.
impl Serialize for SecretText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Key material or another secret of `N` bytes.
pub struct SecretBytes<const N: usize>(Zeroizing<[u8; N]>);

impl<const N: usize> SecretBytes<N> {
    /// Fills new secret bytes from `rng`.
    pub fn random(rng: &mut dyn rand_core::CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; N]);
        rng.fill_bytes(&mut *bytes);
        Self(bytes)
    }

    /// Secret bytes that `fill` writes in place, so that no copy is left on the way.
    pub fn written(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut bytes = Zeroizing::new([0; N]);
        fill(&mut bytes);
        Self(bytes)
    }

    /// The same for what may fail.
    ///
    /// # Errors
    /// Whatever `fill` returns.
    pub fn filled<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut bytes = Zeroizing::new([0; N]);
        fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes themselves, for the one place that uses them.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

/// Why typed digits are no PIN.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DigitsError {
    /// Something other than the digits 0 to 9 was typed.
    #[error("not only digits")]
    NotDigits,
    /// Too few or too many digits.
    #[error("{min} to {max} digits are needed")]
    Length {
        /// The least number of digits.
        min: usize,
        /// The greatest number of digits.
        max: usize,
    },
}

fn digits(text: &SecretText, min: usize, max: usize) -> Result<Zeroizing<Box<[u8]>>, DigitsError> {
    let bytes = text.expose().as_bytes();
    if !bytes.iter().all(u8::is_ascii_digit) {
        return Err(DigitsError::NotDigits);
    }
    if !(min..=max).contains(&bytes.len()) {
        return Err(DigitsError::Length { min, max });
    }
    Ok(Zeroizing::new(bytes.into()))
}

/// The PIN of the health card: 6 to 8 digits (gemSpec_eGK_ObjSys_G2_1, PIN.CH).
pub struct Pin(Zeroizing<Box<[u8]>>);

impl Pin {
    /// Checks that `text` is 6 to 8 digits, before a card sees any of it.
    ///
    /// # Errors
    /// [`DigitsError`] says which rule is broken.
    pub fn parse(text: &SecretText) -> Result<Self, DigitsError> {
        digits(text, 6, 8).map(Self)
    }

    /// The digits as ASCII.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether both are the same PIN, in constant time for PINs of one length.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// The PIN of the letter, five digits: it opens nothing but its own replacement (gemSpec_COS, transport status).
pub struct TransportPin(Zeroizing<Box<[u8]>>);

impl TransportPin {
    /// Checks that `text` is exactly five digits.
    ///
    /// # Errors
    /// [`DigitsError`] says which rule is broken.
    pub fn parse(text: &SecretText) -> Result<Self, DigitsError> {
        digits(text, 5, 5).map(Self)
    }

    /// The digits as ASCII.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// The PUK of the letter, eight digits: it unblocks the PIN (gemSpec_eGK_ObjSys_G2_1, PIN.CH).
pub struct Puk(Zeroizing<Box<[u8]>>);

impl Puk {
    /// Checks that `text` is exactly eight digits.
    ///
    /// # Errors
    /// [`DigitsError`] says which rule is broken.
    pub fn parse(text: &SecretText) -> Result<Self, DigitsError> {
        digits(text, 8, 8).map(Self)
    }

    /// The digits as ASCII.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// The six-digit PIN of this computer, chosen by the person; it opens the device key.
pub struct DevicePin(Zeroizing<Box<[u8]>>);

impl DevicePin {
    /// Checks that `text` is exactly six digits.
    ///
    /// # Errors
    /// [`DigitsError`] says which rule is broken.
    pub fn parse(text: &SecretText) -> Result<Self, DigitsError> {
        digits(text, 6, 6).map(Self)
    }

    /// The digits as ASCII.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether both are the same PIN, in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// The card access number, six digits printed on the front of the card. It opens the contactless interface and nothing
/// else (gemSpec_COS, PACE).
pub struct Can(Zeroizing<Box<[u8]>>);

impl Can {
    /// Checks that `text` is exactly six digits.
    ///
    /// # Errors
    /// [`DigitsError`] says which rule is broken.
    pub fn parse(text: &SecretText) -> Result<Self, DigitsError> {
        digits(text, 6, 6).map(Self)
    }

    /// The digits as ASCII.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// `Debug` that shows the name of a type and nothing of what is in it: for secrets, and for what tells about a person.
macro_rules! masked {
    ($($type:ident),*) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($type), "(***)"))
            }
        }
    )*};
}
pub(crate) use masked;
masked!(SecretText, Pin, TransportPin, Puk, DevicePin, Can);

impl<const N: usize> fmt::Debug for SecretBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &str) -> SecretText {
        SecretText::new(s.to_owned())
    }

    #[test]
    fn a_card_pin_has_six_to_eight_digits() {
        for good in ["123456", "1234567", "12345678"] {
            assert!(Pin::parse(&text(good)).is_ok());
        }
        for bad in ["", "12345", "123456789"] {
            assert_eq!(Pin::parse(&text(bad)).unwrap_err(), DigitsError::Length { min: 6, max: 8 });
        }
        for bad in ["12345a", "١٢٣٤٥٦", "123 456", "-12345"] {
            assert_eq!(Pin::parse(&text(bad)).unwrap_err(), DigitsError::NotDigits);
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let pin = Pin::parse(&text("271828")).unwrap();
        let device_pin = DevicePin::parse(&text("314159")).unwrap();
        let can = Can::parse(&text("123123")).unwrap();
        let bytes = SecretBytes::<4>::filled(|b| {
            *b = [0x42; 4];
            Ok::<_, ()>(())
        })
        .unwrap();
        let shown = format!("{pin:?} {device_pin:?} {can:?} {:?} {bytes:?}", text("geheim"));
        assert_eq!(shown, "Pin(***) DevicePin(***) Can(***) SecretText(***) SecretBytes(***)");
    }
}
