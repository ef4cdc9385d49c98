//! Card-verifiable certificates of generation 2 (gemSpec_PKI, 6.7; gemSpec_COS, 7.1; the numbers are quoted from
//! memory): which chip is genuine, and which number it has.
//!
//! `7F21 { 7F4E { 5F29 42 7F49 { 06 86 } 5F20 7F4C { 06 53 } 5F25 5F24 } 5F37 }`, in this order and nothing else.
//! Signed is the whole object `7F4E`, with ECDSA and SHA-256 on brainpoolP256r1.
//!
//! [`verify`] is the only maker of [`VerifiedChip`]. Whether a chip was withdrawn is not known: there is no list of
//! revoked card-verifiable certificates.

mod chain;
mod roots;

use std::fmt;

use thiserror::Error;
use time::{Date, Month};

use crate::chip::Iccsn;
use crate::secret::masked;
pub use chain::{ChainError, CvcError, Level, VerifiedChip, signed, verify};
pub use roots::{CvcRoot, CvcRootError, CvcRoots, ProductionCvcRoots, TestCvcRoots};

/// `5F29`, certificate profile identifier of generation 2.
const PROFILE: u8 = 0x70;

/// The bytes are no card-verifiable certificate of generation 2.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a card-verifiable certificate of generation 2")]
pub struct NotACvc;

/// A certificate as it is written. Nothing in it was checked but its form.
#[derive(Clone, PartialEq, Eq)]
pub struct Cvc {
    /// Who signed it (`42`, Certification Authority Reference).
    pub issuer: AuthorityName,
    /// Whose it is (`5F20`, Certificate Holder Reference).
    pub holder: Holder,
    /// What the key is for (OID within `7F49`, content only).
    pub key_oid: Vec<u8>,
    /// The public key: `04` ‖ X ‖ Y. Not checked to lie on the curve.
    pub point: [u8; 65],
    /// Which list the flags are of (OID within `7F4C`, content only).
    pub flag_list: Vec<u8>,
    /// What the holder may do: 56 flags, the first is the highest bit.
    pub flags: [u8; 7],
    /// First day of its validity (`5F25`).
    pub effective: Date,
    /// Last day of its validity (`5F24`).
    pub expires: Date,
    /// The signed bytes: the object `7F4E`.
    pub(super) body: Vec<u8>,
    /// R‖S, big endian (`5F37`).
    pub(super) signature: [u8; 64],
}

masked!(Cvc);

/// Name of a CA: five characters, then three bytes which tell its keys apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuthorityName([u8; 8]);

/// Whose a certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A root or the CA of a kind of card.
    Authority(AuthorityName),
    /// A chip.
    Chip {
        /// Which key of the chip.
        key_id: [u8; 2],
        /// The card's number.
        iccsn: Iccsn,
    },
}

impl Cvc {
    /// Reads exactly one certificate. Order, tags and lengths are fixed; bytes behind any object are an error.
    ///
    /// # Errors
    /// [`NotACvc`] when the bytes are anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotACvc> {
        let mut file = Objects(bytes);
        let mut certificate = Objects(file.value(&[0x7F, 0x21])?);
        file.end()?;

        let (body, content) = certificate.object(&[0x7F, 0x4E])?;
        let signature = certificate.array(&[0x5F, 0x37])?;
        certificate.end()?;

        let mut content = Objects(content);
        if content.array(&[0x5F, 0x29])? != [PROFILE] {
            return Err(NotACvc);
        }
        let issuer = AuthorityName::parse(content.value(&[0x42])?)?;
        let mut key = Objects(content.value(&[0x7F, 0x49])?);
        let (key_oid, point) = (key.value(&[0x06])?.to_vec(), key.array(&[0x86])?);
        key.end()?;
        let holder = Holder::parse(content.value(&[0x5F, 0x20])?)?;
        let mut authorisation = Objects(content.value(&[0x7F, 0x4C])?);
        let (flag_list, flags) = (authorisation.value(&[0x06])?.to_vec(), authorisation.array(&[0x53])?);
        authorisation.end()?;
        let effective = date(content.array(&[0x5F, 0x25])?)?;
        let expires = date(content.array(&[0x5F, 0x24])?)?;
        content.end()?;

        let body = body.to_vec();
        Ok(Self { issuer, holder, key_oid, point, flag_list, flags, effective, expires, body, signature })
    }
}

impl AuthorityName {
    /// Reads its eight bytes.
    ///
    /// # Errors
    /// [`NotACvc`] when it is longer or shorter, or the first five are no letters and digits.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotACvc> {
        let name: [u8; 8] = bytes.try_into().map_err(|_| NotACvc)?;
        name.iter().take(5).all(u8::is_ascii_alphanumeric).then_some(Self(name)).ok_or(NotACvc)
    }

    /// The five characters.
    fn text(&self) -> String {
        self.0.iter().take(5).copied().map(char::from).collect()
    }
}

impl fmt::Display for AuthorityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [.., key, algorithm, year] = self.0;
        write!(f, "{}{key:02X}{algorithm:02X}{year:02X}", self.text())
    }
}

impl fmt::Debug for AuthorityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Holder {
    fn parse(bytes: &[u8]) -> Result<Self, NotACvc> {
        match bytes {
            [hi, lo, iccsn @ ..] if bytes.len() == 12 => {
                Ok(Self::Chip { key_id: [*hi, *lo], iccsn: Iccsn::from_bcd(iccsn).ok_or(NotACvc)? })
            }
            name => AuthorityName::parse(name).map(Self::Authority),
        }
    }
}

/// `YYMMDD`, each digit a byte.
fn date(digits: [u8; 6]) -> Result<Date, NotACvc> {
    if digits.iter().any(|digit| *digit > 9) {
        return Err(NotACvc);
    }
    let [y1, y2, m1, m2, d1, d2] = digits;
    let month = Month::try_from(10 * m1 + m2).map_err(|_| NotACvc)?;
    Date::from_calendar_date(2000 + i32::from(10 * y1 + y2), month, 10 * d1 + d2).map_err(|_| NotACvc)
}

/// Objects that follow one another. BER would allow others between them and lengths written in several ways; here each
/// tag is expected and each length has one form, as in DER. No object is longer than 255 bytes: that bounds what is looked
/// through.
struct Objects<'a>(&'a [u8]);

impl<'a> Objects<'a> {
    /// Takes the next object, which must have `tag`: all of it, and its value.
    fn object(&mut self, tag: &[u8]) -> Result<(&'a [u8], &'a [u8]), NotACvc> {
        let rest = self.0.strip_prefix(tag).ok_or(NotACvc)?;
        let (length, rest) = match rest {
            [length @ 0..=0x7F, rest @ ..] | [0x81, length @ 0x80..=0xFF, rest @ ..] => (usize::from(*length), rest),
            _ => return Err(NotACvc),
        };
        let (value, rest) = rest.split_at_checked(length).ok_or(NotACvc)?;
        let whole = self.0.get(..self.0.len() - rest.len()).ok_or(NotACvc)?;
        self.0 = rest;
        Ok((whole, value))
    }

    fn value(&mut self, tag: &[u8]) -> Result<&'a [u8], NotACvc> {
        self.object(tag).map(|(_, value)| value)
    }

    fn array<const N: usize>(&mut self, tag: &[u8]) -> Result<[u8; N], NotACvc> {
        self.value(tag)?.try_into().map_err(|_| NotACvc)
    }

    fn end(self) -> Result<(), NotACvc> {
        if self.0.is_empty() { Ok(()) } else { Err(NotACvc) }
    }
}
