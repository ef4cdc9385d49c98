//! Makes the image of a fictional card, signed by a test CA whose key is published: a card to play with, never one to
//! trust.

mod ca;
mod data;
mod layout;

use std::ops::RangeInclusive;

use bp256::BrainpoolP256r1;
use ecdsa::VerifyingKey;
use rand_core::CryptoRng;
use thiserror::Error;
use time::{Duration, OffsetDateTime, Time, UtcOffset};
use zeroize::Zeroizing;

use crate::identity::kvnr::{Ik, Kvnr};
use crate::secret::{DigitsError, Pin, SecretText};

pub use ca::TestCa;
pub use data::MUSTERKASSE_IK;

/// What stands on a fictional card. [`Blueprint::new`] fills in everything but the person.
#[derive(Debug)]
pub struct Blueprint {
    /// Insurance number, in the certificate and in EF.PD.
    pub kvnr: Kvnr,
    /// Another insurance number for EF.PD: then the card names two persons.
    pub kvnr_in_pd: Option<Kvnr>,
    /// Given names.
    pub given_name: String,
    /// Family name without prefixes.
    pub family_name: String,
    /// Titel: `Dr.`
    pub title: Option<String>,
    /// Vorsatzwort: `von`.
    pub name_prefix: Option<String>,
    /// Namenszusatz: `Gräfin`.
    pub name_suffix: Option<String>,
    /// `YYYYMMDD`; month and day may be `00`.
    pub date_of_birth: String,
    /// Geschlecht.
    pub sex: Sex,
    /// Where the person lives; cards without an address exist.
    pub address: Option<StreetAddress>,
    /// Insurer's number; [`MUSTERKASSE_IK`] where it is not set.
    pub payer_ik: Option<Ik>,
    /// Insurer's name.
    pub payer_name: String,
    /// Versichertenart.
    pub insured_type: InsuredType,
    /// Card number, 20 digits. Where it is not set, a random one of an issuer that does not exist.
    pub iccsn: Option<String>,
    /// 6 to 8 digits.
    pub pin: SecretText,
    /// 8 digits.
    pub puk: SecretText,
    /// 6 digits.
    pub can: SecretText,
    /// First and last second of the certificate. Where it is not set, five years from today.
    pub validity: Option<(OffsetDateTime, OffsetDateTime)>,
    /// Whether the certificate names insurance number and insurer the other way round, as some cards do.
    pub units_swapped: bool,
    /// Which keys the card signs with.
    pub keys: Keys,
    /// What the certificate says it is for.
    pub certificate_type: CertificateType,
    /// Whether there are protected insurance data: EF.GVD, and their copy in EF.VD.
    pub gvd: bool,
    /// Schema of the insurance data.
    pub schema: Schema,
    /// Whether the elements of the insurance data carry namespace prefixes.
    pub prefixed: bool,
    /// Whether EF.StatusVD says that an update was begun and not ended.
    pub update_in_progress: bool,
}

/// Geschlecht, as EF.PD writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sex {
    /// `W`
    Female,
    /// `M`
    Male,
    /// `D`
    Diverse,
    /// `X`
    Undetermined,
}

/// A street address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreetAddress {
    /// Street.
    pub street: String,
    /// House number.
    pub house_number: String,
    /// Postal code.
    pub postal_code: String,
    /// Town.
    pub city: String,
    /// Country, as on number plates: `D`.
    pub country: String,
}

/// Versichertenart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsuredType {
    /// `1`: Mitglied.
    Member,
    /// `3`: Familienversicherter.
    Family,
    /// `5`: Rentner.
    Pensioner,
}

/// The certificate's type, told by a policy (gemSpec_OID).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateType {
    /// `oid_egk_aut`: the right one.
    Aut,
    /// `oid_egk_autn`: right in everything but the type. A verifier has to refuse it.
    Autn,
}

/// Which PrK.CH.AUT, each with its certificate, a card has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// On brainpoolP256r1: generation 2.1.
    E256,
    /// RSA with 2048 bits: generation 2, whose cards have contacts only.
    R2048,
    /// Both: generation 2.1 as it was issued for years.
    Both,
}

/// Schema version of the insurance data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// 5.1.0, one namespace for each file.
    V5_1,
    /// 5.2.0, one namespace for all.
    V5_2,
}

/// Why a blueprint makes no card.
#[derive(Debug, Error)]
pub enum PersonaliseError {
    /// PIN, PUK or CAN.
    #[error("{what}")]
    Digits {
        /// Which of the three.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: DigitsError,
    },
    /// A text is empty, too long, or has characters that the card's data cannot hold.
    #[error("{0} cannot be written on a card")]
    Text(&'static str),
    /// The content of a file is longer than the file.
    #[error("{0} is too small for its content")]
    TooSmall(&'static str),
    /// The certificate could not be made.
    #[error("the certificate")]
    Certificate(#[source] x509_cert::builder::Error),
    /// No RSA key could be made.
    #[error("the RSA key")]
    RsaKey,
    /// The CA's certificate or key cannot be read.
    #[error("the test CA")]
    Ca,
}

impl From<x509_cert::builder::Error> for PersonaliseError {
    fn from(error: x509_cert::builder::Error) -> Self {
        Self::Certificate(error)
    }
}

impl From<der::Error> for PersonaliseError {
    fn from(error: der::Error) -> Self {
        Self::Certificate(error.into())
    }
}

impl Blueprint {
    /// A card of `Musterkasse NOT-VALID` with PIN 123456, PUK 12345678 and CAN 123123.
    pub fn new(kvnr: Kvnr, given_name: &str, family_name: &str) -> Self {
        let secret = |digits: &str| SecretText::new(digits.to_owned());
        Self {
            kvnr,
            kvnr_in_pd: None,
            given_name: given_name.to_owned(),
            family_name: family_name.to_owned(),
            title: None,
            name_prefix: None,
            name_suffix: None,
            date_of_birth: "19640812".to_owned(),
            sex: Sex::Female,
            address: Some(StreetAddress {
                street: "Musterstraße".to_owned(),
                house_number: "12a".to_owned(),
                postal_code: "12345".to_owned(),
                city: "Musterstadt".to_owned(),
                country: "D".to_owned(),
            }),
            payer_ik: None,
            payer_name: "Musterkasse NOT-VALID".to_owned(),
            insured_type: InsuredType::Member,
            iccsn: None,
            pin: secret("123456"),
            puk: secret("12345678"),
            can: secret("123123"),
            validity: None,
            units_swapped: false,
            keys: Keys::E256,
            certificate_type: CertificateType::Aut,
            gvd: true,
            schema: Schema::V5_2,
            prefixed: false,
            update_in_progress: false,
        }
    }
}

/// Makes a card: a key, its certificate by `ca`, the insurance data, and the image that holds them.
///
/// # Errors
/// [`PersonaliseError`] says what in `blueprint` does not fit on a card.
pub fn personalise(
    blueprint: &Blueprint,
    ca: &TestCa,
    rng: &mut dyn CryptoRng,
    now: OffsetDateTime,
) -> Result<String, PersonaliseError> {
    let key = (blueprint.keys != Keys::R2048).then(|| ca::new_key(rng));
    let rsa_key = match blueprint.keys {
        Keys::E256 => None,
        Keys::R2048 | Keys::Both => Some(ca::new_rsa_key(rng)?),
    };
    let period = validity(blueprint, now);
    let content = layout::Content {
        iccsn: iccsn(blueprint, rng)?,
        status_vd: data::status_vd(blueprint, now)?,
        pd: data::pd(blueprint)?,
        vd: data::vd(blueprint, now)?,
        gvd: data::gvd(blueprint)?,
        e256: match &key {
            Some(key) => Some((ca.certify(blueprint, key.verifying_key(), period, rng)?, key)),
            None => None,
        },
        r2048: match &rsa_key {
            Some(key) => Some((ca.certify(blueprint, key.as_public_key(), period, rng)?, key)),
            None => None,
        },
        pin: format2_block("PIN", &blueprint.pin, 6..=8)?,
        puk: format2_block("PUK", &blueprint.puk, 8..=8)?,
        can: format2_block("CAN", &blueprint.can, 6..=6)?,
    };
    layout::image(&content)
}

/// Makes another C.CH.AUT (DER) for a key that is on a card already, by the built-in CA. It needs the blueprint's validity.
pub(super) fn certify_anew(
    blueprint: &Blueprint,
    key: &VerifyingKey<BrainpoolP256r1>,
    rng: &mut dyn CryptoRng,
) -> Result<Vec<u8>, PersonaliseError> {
    let validity = blueprint.validity.ok_or(PersonaliseError::Text("validity"))?;
    TestCa::built_in()?.certify(blueprint, key, validity, rng)
}

/// First and last second of the certificate.
fn validity(blueprint: &Blueprint, now: OffsetDateTime) -> (OffsetDateTime, OffsetDateTime) {
    const FIVE_YEARS: Duration = Duration::days(5 * 365 + 1);
    let today = now.to_offset(UtcOffset::UTC).replace_time(Time::MIDNIGHT);
    blueprint.validity.unwrap_or((today, today + FIVE_YEARS - Duration::SECOND))
}

/// Card number (DIN EN 1867): `80` health, `276` Germany, five digits of the issuer, ten of the card.
fn iccsn(blueprint: &Blueprint, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, PersonaliseError> {
    const NO_ISSUER: &str = "99999";
    let random = || format!("80276{NO_ISSUER}{:010}", rng.next_u64() % 10_000_000_000);
    let number = blueprint.iccsn.clone().unwrap_or_else(random);
    let is_number = number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit());
    hex::decode(number).ok().filter(|_| is_number).ok_or(PersonaliseError::Text("ICCSN"))
}

/// A PIN block (ISO 9564-1, format 2) in hexadecimal: `2`, number of digits, digits, then `F`.
fn format2_block(
    what: &'static str,
    digits: &SecretText,
    lengths: RangeInclusive<usize>,
) -> Result<Zeroizing<String>, PersonaliseError> {
    let wrong = |source| PersonaliseError::Digits { what, source };
    Pin::parse(digits).map_err(wrong)?;
    let digits = digits.expose();
    if !lengths.contains(&digits.len()) {
        return Err(wrong(DigitsError::Length { min: *lengths.start(), max: *lengths.end() }));
    }
    Ok(Zeroizing::new(format!("2{:X}{digits:F<14}", digits.len())))
}
