//! Protected applications: what a person asks the insurer to change, and the rules every such text follows.

mod rules;

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{BindingLevel, RegistrationId, Sha256Hash};
use crate::identity::vsd::Address;
use crate::jose::Thumbprint;
use crate::secret::masked;

use rules::is_iban;
pub use rules::{is_deceptive, is_email, is_plain_text};

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
    /// A login elsewhere, such as on the insurer's website. Nobody submits it: it comes from whoever asks to be let in.
    #[serde(rename = "web.login")]
    WebLogin,
    /// New health card.
    #[serde(rename = "card.order")]
    CardOrder,
    /// Another device. Nobody submits it: it comes from a registration.
    #[serde(rename = "device.add")]
    DeviceAdd,
}

impl ApplicationType {
    const ALL: [Self; 7] = [
        Self::AddressChange,
        Self::BankChange,
        Self::ContactChange,
        Self::PasswordReset,
        Self::WebLogin,
        Self::CardOrder,
        Self::DeviceAdd,
    ];

    /// The name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AddressChange => "address.change",
            Self::BankChange => "bank.change",
            Self::ContactChange => "contact.change",
            Self::PasswordReset => "password.reset",
            Self::WebLogin => "web.login",
            Self::CardOrder => "card.order",
            Self::DeviceAdd => "device.add",
        }
    }

    /// The template a program renders the document with; it changes when the members of the data do.
    pub fn template(self) -> &'static str {
        match self {
            Self::AddressChange => "address.change/1",
            Self::BankChange => "bank.change/1",
            Self::ContactChange => "contact.change/1",
            Self::PasswordReset => "password.reset/1",
            Self::WebLogin => "web.login/1",
            Self::CardOrder => "card.order/1",
            Self::DeviceAdd => "device.add/1",
        }
    }

    /// The least binding level that may approve it, unless the operator wants a higher one.
    pub fn least_level(self) -> BindingLevel {
        match self {
            Self::AddressChange | Self::ContactChange | Self::WebLogin => BindingLevel::B1,
            Self::BankChange | Self::PasswordReset | Self::CardOrder | Self::DeviceAdd => BindingLevel::B3,
        }
    }

    /// How long it waits between approval and execution, in seconds.
    pub fn cool_down(self) -> i64 {
        match self {
            Self::BankChange => 24 * 60 * 60,
            _ => 0,
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

/// Who asks to be let in. What is told of it is what the service saw or was told by the confidential client: the device
/// shows it and cannot check it. The session opens for this session key alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebLogin {
    /// Thumbprint of the session key that asked.
    pub jkt: Thumbprint,
    /// The insurer, whose account it is.
    pub insurer: String,
    /// The website, as the insurer calls it.
    pub website: String,
    /// What the browser calls itself.
    pub browser: Option<String>,
    /// The network it comes from, not the address: `192.0.2.0/24`, `2001:db8::/64`.
    pub network: String,
}

/// Why somebody needs another health card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CardReason {
    /// It is gone.
    Lost,
    /// Somebody else has it.
    Stolen,
    /// It cannot be read any more.
    Broken,
    /// The person has another name.
    NameChanged,
}

impl CardReason {
    /// The name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Stolen => "stolen",
            Self::Broken => "broken",
            Self::NameChanged => "name_changed",
        }
    }
}

/// Asks for a new health card. Where it goes is not the person's to say: it is the address the insurer has.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CardOrder {
    /// Why.
    pub reason: CardReason,
}

/// A new health card, and where it is sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCard {
    /// Why.
    pub reason: CardReason,
    /// Where it goes: whoever approves sees it.
    pub address: Address,
}

/// A device that is to be added, as its registration announced it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    /// The registration.
    pub registration_id: RegistrationId,
    /// What the person calls it.
    pub name: String,
    /// Thumbprint of its key: what is approved is this device and no other.
    pub jkt: Thumbprint,
    /// Hash of its nonce in the short authentication string.
    pub commit: Sha256Hash,
}

masked!(NewCard, NewDevice, WebLogin);

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
    /// A login elsewhere.
    Login(WebLogin),
    /// New health card.
    Card(NewCard),
    /// Another device.
    Device(NewDevice),
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
    /// New health card.
    #[serde(rename = "card.order")]
    Card(CardOrder),
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
            Self::Login(_) => ApplicationType::WebLogin,
            Self::Card(_) => ApplicationType::CardOrder,
            Self::Device(_) => ApplicationType::DeviceAdd,
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
            Self::Login(login) => {
                let texts = [("insurer", Some(&login.insurer)), ("website", Some(&login.website))];
                let more = [("browser", login.browser.as_ref()), ("network", Some(&login.network))];
                let mut texts = texts.into_iter().chain(more);
                let wrong = texts.find(|(_, text)| text.is_some_and(|text| !is_plain_text(text)));
                wrong.map_or(Ok(()), |(name, _)| Err(ApplicationError::Text(name)))
            }
            Self::Card(card) => check_address_text(&card.address),
            Self::Device(device) if is_plain_text(&device.name) => Ok(()),
            Self::Device(_) => Err(ApplicationError::Text("name")),
        }
    }

    /// The members with their names, old and new, for a template. Members absent on both sides are left out. What
    /// replaces nothing has no `old` anywhere.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let rows = match self {
            Self::Address(change) => address_rows(change.old.as_ref(), &change.new),
            Self::Bank(change) => {
                let (old, new) = (change.old.as_ref(), &change.new);
                let holder = old.map(|old| &*old.account_holder);
                vec![
                    Row { name: "iban", old: old.map(|old| &*old.iban), new: Some(&new.iban) },
                    Row { name: "account-holder", old: holder, new: Some(&new.account_holder) },
                ]
            }
            Self::Contact(change) => {
                let old = change.old.as_ref().map(|old| &*old.email);
                vec![Row { name: "email", old, new: Some(&change.new.email) }]
            }
            Self::Password(_) => Vec::new(),
            Self::Login(login) => vec![
                Row { name: "insurer", old: None, new: Some(&login.insurer) },
                Row { name: "website", old: None, new: Some(&login.website) },
                Row { name: "browser", old: None, new: login.browser.as_deref() },
                Row { name: "network", old: None, new: Some(&login.network) },
            ],
            Self::Card(card) => {
                let reason = Row { name: "reason", old: None, new: Some(card.reason.as_str()) };
                std::iter::once(reason).chain(address_rows(None, &card.address)).collect()
            }
            Self::Device(device) => vec![Row { name: "device-name", old: None, new: Some(&device.name) }],
        };
        rows.into_iter().filter(|row| row.old.is_some() || row.new.is_some()).collect()
    }

    /// Whether it puts a value in the place of another; what does not has nothing to compare.
    pub fn replaces(&self) -> bool {
        matches!(self, Self::Address(_) | Self::Bank(_) | Self::Contact(_))
    }
}

fn address_rows<'a>(old: Option<&'a Address>, new: &'a Address) -> Vec<Row<'a>> {
    let row = |name, get: fn(&'a Address) -> Option<&'a str>| Row { name, old: old.and_then(get), new: get(new) };
    vec![
        row("street", |address| address.street.as_deref()),
        row("house-number", |address| address.house_number.as_deref()),
        row("supplement", |address| address.supplement.as_deref()),
        row("postal-code", |address| address.postal_code.as_deref()),
        row("city", |address| Some(&address.city)),
        row("country", |address| Some(&address.country)),
    ]
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
