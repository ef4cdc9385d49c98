//! Protected applications: what a person asks the insurer to change, and the rules every such text follows.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::BindingLevel;
use crate::identity::vsd::Address;
use crate::jose::Thumbprint;
use crate::secret::masked;

/// Longest text in an application, in characters.
const MAX_TEXT: usize = 100;
/// Longest e-mail address, in characters (RFC 5321, 4.5.3.1.3: a path of 256 with its brackets).
const MAX_EMAIL: usize = 254;

/// The kinds of protected applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum ApplicationType {
    /// New address.
    #[serde(rename = "address.change")]
    AddressChange,
    /// New bank account.
    #[serde(rename = "bank.change")]
    BankChange,
    /// New e-mail address for notices.
    #[serde(rename = "contact.change")]
    ContactChange,
    /// New password without the old one. Nobody submits it: it comes from a forgotten password.
    #[serde(rename = "password.reset")]
    PasswordReset,
}

impl ApplicationType {
    const ALL: [Self; 4] = [Self::AddressChange, Self::BankChange, Self::ContactChange, Self::PasswordReset];

    /// The name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AddressChange => "address.change",
            Self::BankChange => "bank.change",
            Self::ContactChange => "contact.change",
            Self::PasswordReset => "password.reset",
        }
    }

    /// The template a program renders the document with; it changes when the members of the data do.
    pub fn template(self) -> &'static str {
        match self {
            Self::AddressChange => "address.change/1",
            Self::BankChange => "bank.change/1",
            Self::ContactChange => "contact.change/1",
            Self::PasswordReset => "password.reset/1",
        }
    }

    /// The least binding level that may approve it.
    pub fn least_level(self) -> BindingLevel {
        match self {
            Self::AddressChange | Self::ContactChange => BindingLevel::B1,
            Self::BankChange | Self::PasswordReset => BindingLevel::B3,
        }
    }

    /// How long it waits between approval and execution, in seconds.
    pub fn cool_down(self) -> i64 {
        match self {
            Self::AddressChange | Self::ContactChange | Self::PasswordReset => 0,
            Self::BankChange => 24 * 60 * 60,
        }
    }
}

impl FromStr for ApplicationType {
    type Err = ApplicationError;

    fn from_str(text: &str) -> Result<Self, ApplicationError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(ApplicationError::UnknownType)
    }
}

/// A bank account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BankAccount {
    /// IBAN without blanks, capital letters (ISO 13616).
    pub iban: String,
    /// Whose account it is.
    pub account_holder: String,
}

/// Where notices go.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// E-mail address, as [`is_email`] takes it.
    pub email: String,
}

masked!(BankAccount, Contact);

/// Who is to choose a new password: whoever holds this session key, and nobody else. It is what the device signs for, and
/// no person can compare it; she compares the match code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    /// Thumbprint of the session key that asked.
    pub jkt: Thumbprint,
}

/// What is to change, old beside new. `old` is `None` where the insurer knows nothing yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// New address.
    Address(OldNew<Address>),
    /// New bank account.
    Bank(OldNew<BankAccount>),
    /// New e-mail address for notices.
    Contact(OldNew<Contact>),
    /// New password.
    Password(PasswordReset),
}

/// A value and the one it replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OldNew<T> {
    /// What the insurer has now.
    pub old: Option<T>,
    /// What it shall be.
    pub new: T,
}

/// What a person submits: the new value. The service adds the old one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(tag = "type", content = "data", deny_unknown_fields)]
pub enum Application {
    /// New address.
    #[serde(rename = "address.change")]
    Address(Address),
    /// New bank account.
    #[serde(rename = "bank.change")]
    Bank(BankAccount),
    /// New e-mail address for notices.
    #[serde(rename = "contact.change")]
    Contact(Contact),
}

/// Why an application or a document is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ApplicationError {
    /// No program of this version knows this kind.
    #[error("unknown type or template")]
    UnknownType,
    /// The members are not those of the type.
    #[error("the data do not fit the type")]
    Data,
    /// A text is empty, too long, or holds control or bidirectional characters.
    #[error("{0} is not plain text")]
    Text(&'static str),
    /// The postal code does not fit the country.
    #[error("the postal code is wrong")]
    PostalCode,
    /// The IBAN's length or check digits are wrong.
    #[error("the IBAN is wrong")]
    Iban,
    /// No e-mail address that is written in ASCII.
    #[error("the e-mail address is wrong")]
    Email,
}

impl ApplicationError {
    /// Stable code of what is wrong, mostly the name of the member: `postal_code`, `iban`, … (`docs/protocol.md`).
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownType => "type",
            Self::Data => "data",
            Self::Text(member) => member,
            Self::PostalCode => "postal_code",
            Self::Iban => "iban",
            Self::Email => "email",
        }
    }
}

impl Change {
    /// Its kind.
    pub fn kind(&self) -> ApplicationType {
        match self {
            Self::Address(_) => ApplicationType::AddressChange,
            Self::Bank(_) => ApplicationType::BankChange,
            Self::Contact(_) => ApplicationType::ContactChange,
            Self::Password(_) => ApplicationType::PasswordReset,
        }
    }

    /// Checks every text in it, old and new, and the rules of the new value.
    ///
    /// # Errors
    /// [`ApplicationError`].
    pub fn check(&self) -> Result<(), ApplicationError> {
        match self {
            Self::Address(change) => {
                change.old.as_ref().map_or(Ok(()), check_address_text)?;
                check_address(&change.new)
            }
            Self::Bank(change) => {
                change.old.as_ref().map_or(Ok(()), check_bank_text)?;
                check_bank_text(&change.new)?;
                if is_iban(&change.new.iban) { Ok(()) } else { Err(ApplicationError::Iban) }
            }
            Self::Contact(change) => {
                let is_right = change.old.iter().chain([&change.new]).all(|contact| is_email(&contact.email));
                if is_right { Ok(()) } else { Err(ApplicationError::Email) }
            }
            Self::Password(_) => Ok(()),
        }
    }

    /// The members with their names, old and new, for a template. Members absent on both sides are left out.
    pub fn rows(&self) -> Vec<Row<'_>> {
        fn row<'a, T>(name: &'static str, change: &'a OldNew<T>, get: fn(&'a T) -> Option<&'a str>) -> Row<'a> {
            Row { name, old: change.old.as_ref().and_then(get), new: get(&change.new) }
        }
        let rows = match self {
            Self::Address(change) => vec![
                row("street", change, |a: &Address| a.street.as_deref()),
                row("house-number", change, |a| a.house_number.as_deref()),
                row("supplement", change, |a| a.supplement.as_deref()),
                row("postal-code", change, |a| a.postal_code.as_deref()),
                row("city", change, |a| Some(&a.city)),
                row("country", change, |a| Some(&a.country)),
            ],
            Self::Bank(change) => vec![
                row("iban", change, |b: &BankAccount| Some(&b.iban)),
                row("account-holder", change, |b| Some(&b.account_holder)),
            ],
            Self::Contact(change) => vec![row("email", change, |contact: &Contact| Some(&contact.email))],
            Self::Password(_) => Vec::new(),
        };
        rows.into_iter().filter(|row| row.old.is_some() || row.new.is_some()).collect()
    }
}

/// One line of a document: what it is, and its old and new value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// Name of the member, as in the texts.
    pub name: &'static str,
    /// Before.
    pub old: Option<&'a str>,
    /// After.
    pub new: Option<&'a str>,
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({}, ***)", self.name)
    }
}

fn check_address_text(address: &Address) -> Result<(), ApplicationError> {
    let optional = [
        ("street", &address.street),
        ("house_number", &address.house_number),
        ("postal_code", &address.postal_code),
        ("supplement", &address.supplement),
    ];
    for (name, text) in optional {
        if text.as_deref().is_some_and(|text| !is_plain_text(text)) {
            return Err(ApplicationError::Text(name));
        }
    }
    for (name, text) in [("city", &address.city), ("country", &address.country)] {
        if !is_plain_text(text) {
            return Err(ApplicationError::Text(name));
        }
    }
    Ok(())
}

fn check_address(address: &Address) -> Result<(), ApplicationError> {
    check_address_text(address)?;
    let is_country =
        (1..=3).contains(&address.country.len()) && address.country.bytes().all(|b| b.is_ascii_uppercase());
    if !is_country {
        return Err(ApplicationError::Text("country"));
    }
    let digits = |code: &str| code.len() == 5 && code.bytes().all(|b| b.is_ascii_digit());
    match &address.postal_code {
        code if address.country == "D" && !code.as_deref().is_some_and(digits) => Err(ApplicationError::PostalCode),
        _ => Ok(()),
    }
}

fn check_bank_text(account: &BankAccount) -> Result<(), ApplicationError> {
    for (name, text) in [("iban", &account.iban), ("account_holder", &account.account_holder)] {
        if !is_plain_text(text) {
            return Err(ApplicationError::Text(name));
        }
    }
    Ok(())
}

/// IBAN without blanks: country, check digits, account (ISO 13616); modulo 97 is 1 (ISO 7064). A German one has 22
/// characters.
fn is_iban(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = (15..=34).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        && bytes.iter().take(2).all(u8::is_ascii_uppercase)
        && bytes.iter().skip(2).take(2).all(u8::is_ascii_digit)
        && (!text.starts_with("DE") || bytes.len() == 22);
    // The four leading characters go to the end; letters count as 10 to 35.
    let moved = bytes.iter().cycle().skip(4).take(bytes.len());
    let remainder = moved.fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.wrapping_sub(b'A')) + 10) % 97,
    });
    shape && remainder == 1
}

/// Whether this is an e-mail address a person can compare letter by letter: a dot-atom at a domain (RFC 5321, 4.1.2;
/// RFC 1035, 2.3.4). Quoted names, addresses of hosts and international domains, also in their ASCII form, are refused:
/// what is shown must be what is meant.
pub fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let is_atom = |atom: &str| {
        !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
            && !label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"))
    };
    text.len() <= MAX_EMAIL
        && name.len() <= 64
        && name.split('.').all(is_atom)
        && domain.split('.').all(is_label)
        && domain.rsplit_once('.').is_some_and(|(_, top)| top.bytes().any(|b| b.is_ascii_alphabetic()))
}

/// Whether a text shows what it is: something, not too long, without blanks around it, and without characters that
/// are not seen or that turn the direction of writing.
pub fn is_plain_text(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && text.chars().count() <= MAX_TEXT && !text.chars().any(is_deceptive)
}

/// Control characters and all characters of Unicode's category Cf that a person may meet: zero-width, bidirectional
/// (Unicode Standard Annex 9), soft hyphen, tags; and line and paragraph separators.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ibans_are_checked() {
        for good in ["DE89370400440532013000", "GB82WEST12345698765432", "NO9386011117947"] {
            assert!(is_iban(good), "{good}");
        }
        for bad in
            ["DE89370400440532013001", "DE8937040044053201300", "de89370400440532013000", "DE89 3704", "", "ÄÖ12"]
        {
            assert!(!is_iban(bad), "{bad}");
        }
    }

    #[test]
    fn email_addresses_are_checked() {
        for good in ["erika@person.example", "e.m+kasse@mail.person.example", "o'neil_{x}@a-b.example", "1@2.de"] {
            assert!(is_email(good), "{good}");
        }
        let (long_name, long_label) = (format!("{}@a.de", "x".repeat(65)), format!("a@{}.de", "x".repeat(64)));
        let long = format!("{}@{}.de", "x".repeat(64), [&*"y".repeat(63); 3].join("."));
        assert!(is_email(long_name.get(1..).unwrap()) && is_email(&long_label.replacen("xx", "x", 1)));
        for bad in [
            "",
            "erika",
            "@person.example",
            "erika@",
            "erika@localhost",
            "erika@@person.example",
            "erika@person.example@other.example",
            "erika@.example",
            "erika@person..example",
            "erika@person.example.",
            "erika@-person.example",
            "erika@person-.example",
            "erika@127.0.0.1",
            "erika@[127.0.0.1]",
            ".erika@person.example",
            "e..rika@person.example",
            "erika.@person.example",
            "\"erika\"@person.example",
            "erika m@person.example",
            " erika@person.example",
            "erika@person.example\r\nBcc: max@person.example",
            "erika@person.example\0",
            "erika@m\u{fc}ller.example",
            "m\u{fc}ller@person.example",
            "erika@xn--mller-kva.example",
            "erika@XN--mller-kva.example",
            "eri\u{202E}ka@person.example",
            "erika@per\u{200B}son.example",
            &long_name,
            &long_label,
            &long,
        ] {
            assert!(!is_email(bad), "{bad:?}");
        }
    }

    #[test]
    fn texts_that_deceive_are_refused() {
        for good in ["Rosenau", "Straße des 17. Juni", "Đoria", "12 b"] {
            assert!(is_plain_text(good), "{good}");
        }
        for bad in ["", " x", "x ", "a\nb", "a\u{202E}b", "a\u{200B}b", "a\u{7}", "a\u{2066}b", &"x".repeat(101)] {
            assert!(!is_plain_text(bad), "{bad:?}");
        }
    }
}
