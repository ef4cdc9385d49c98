//! What the service signs about itself: its configuration, and the challenge before a card signs.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Challenge, NumericDate, RegistrationId, UnknownName};
use crate::identity::kvnr::Kvnr;
use crate::jose::{Es256, Message, P256Jwk, Thumbprint};

/// Who the service is: a JWS at `/.well-known/kartenbund-configuration`, signed by a key that it lists. The client pins
/// the keys at the first login; from then on a configuration by a pinned key says which keys are pinned.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// [`super::VERSION`].
    pub v: u32,
    /// The service's name in all signed messages: its URL.
    pub aud: String,
    /// The key that signs configuration, challenges, receipts and heads of the audit; and, while keys overlap, the one that
    /// will, or has until now.
    pub service_keys: ServiceKeySet,
    /// Keys that have signed receipts and heads of the audit and sign no more, oldest first: for evidence alone.
    pub former_keys: Vec<P256Jwk>,
    /// Insurers whose cards are accepted.
    pub payer_iks: Vec<crate::identity::kvnr::Ik>,
    /// The insurer's name, for people.
    pub insurer: String,
    /// Telephone number that people may call, as it is printed; empty where there is none.
    pub hotline: String,
    /// The oldest program that may log in. Older ones say so and go no further: nobody else could stop them.
    pub min_client: ClientVersion,
    /// The service's clock.
    pub iat: NumericDate,
}

impl Message for Configuration {
    const TYP: &'static str = "configuration+jws";
    type Algorithm = Es256;
}

/// Most keys that a service has at a time: two, while one takes the place of the other.
const MAX_KEYS: usize = 2;

/// The keys by which the words of a service are known: one, or two while they overlap. The first is the one that signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<P256Jwk>", into = "Vec<P256Jwk>")]
pub struct ServiceKeySet(Vec<P256Jwk>);

impl ServiceKeySet {
    /// `None` unless there are one or two, and two are different.
    pub fn new(keys: Vec<P256Jwk>) -> Option<Self> {
        let is_sound = match keys.as_slice() {
            [] => false,
            [first, others @ ..] => others.len() < MAX_KEYS && !others.contains(first),
        };
        is_sound.then_some(Self(keys))
    }
}

impl Deref for ServiceKeySet {
    type Target = [P256Jwk];

    fn deref(&self) -> &[P256Jwk] {
        &self.0
    }
}

impl From<P256Jwk> for ServiceKeySet {
    fn from(key: P256Jwk) -> Self {
        Self(vec![key])
    }
}

impl TryFrom<Vec<P256Jwk>> for ServiceKeySet {
    type Error = &'static str;

    fn try_from(keys: Vec<P256Jwk>) -> Result<Self, Self::Error> {
        Self::new(keys).ok_or("not one key, nor two different ones")
    }
}

impl From<ServiceKeySet> for Vec<P256Jwk> {
    fn from(keys: ServiceKeySet) -> Self {
        keys.0
    }
}

/// A version of the program on people's computers: `MAJOR.MINOR.PATCH` (Semantic Versioning 2.0.0, 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientVersion([u16; 3]);

impl ClientVersion {
    /// The version of this program, whether it is released or about to be.
    pub fn own() -> Option<Self> {
        env!("CARGO_PKG_VERSION").split(['-', '+']).next()?.parse().ok()
    }
}

impl FromStr for ClientVersion {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let number = |part: &str| {
            let is_canonical = part == "0" || part.starts_with(|first: char| ('1'..='9').contains(&first));
            part.parse().ok().filter(|_| is_canonical).ok_or(UnknownName)
        };
        let parts: Vec<u16> = text.split('.').map(number).collect::<Result<_, _>>()?;
        parts.try_into().map(Self).map_err(|_| UnknownName)
    }
}

impl TryFrom<String> for ClientVersion {
    type Error = UnknownName;

    fn try_from(text: String) -> Result<Self, UnknownName> {
        text.parse()
    }
}

impl From<ClientVersion> for String {
    fn from(version: ClientVersion) -> Self {
        version.to_string()
    }
}

impl fmt::Display for ClientVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// The challenge of one registration, signed by the service. The client checks it against the key it pinned before the
/// card signs anything: a stranger in the service's place gets no signature to pass on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationChallenge {
    /// [`super::VERSION`].
    pub v: u32,
    /// The service.
    pub aud: String,
    /// The registration.
    pub registration_id: RegistrationId,
    /// What card and device must sign.
    pub challenge: Challenge,
    /// The device key that was announced.
    pub jkt: Thumbprint,
    /// The account.
    pub kvnr: Kvnr,
    /// When it was made.
    pub iat: NumericDate,
    /// When it ends.
    pub exp: NumericDate,
}

impl Message for RegistrationChallenge {
    const TYP: &'static str = "challenge+jws";
    type Algorithm = Es256;
}

/// A key in software (RFC 8176): nothing has shown the service that it lies elsewhere.
pub const AMR_SOFTWARE_KEY: &str = "swk";
/// A key in hardware (RFC 8176): a TPM has said so to the service when the device was bound.
pub const AMR_HARDWARE_KEY: &str = "hwk";
/// A PIN (RFC 8176): the service's share in the device PIN was used and confirmed just before.
pub const AMR_PIN: &str = "pin";

/// The service's word that it took something at a time. It covers the audit entry before it, so that a later
/// back-dating contradicts receipts already handed out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// [`super::VERSION`].
    pub v: u32,
    /// The service.
    pub aud: String,
    /// What was taken.
    pub subject: ReceiptSubject,
    /// The device, or the approval.
    pub id: String,
    /// SHA-256 of the proof of possession, or of the decision, as the compact JWS in ASCII.
    pub sha256: super::Sha256Hash,
    /// When, by the service's clock.
    pub at: NumericDate,
    /// How the person proved to be there, as far as the service saw it (RFC 8176): [`AMR_SOFTWARE_KEY`] or
    /// [`AMR_HARDWARE_KEY`], [`AMR_PIN`].
    pub amr: Vec<String>,
    /// SHA-256 of what an OCSP responder answered about the card; none where the service did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocsp_sha256: Option<super::Sha256Hash>,
    /// SHA-256 of the trust list that named the card's issuer; none where the issuer was pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_list_sha256: Option<super::Sha256Hash>,
    /// How the session was opened in which the code was shown that has bound the device; none of the code of a letter, and
    /// where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_shown_by: Option<super::qr::ShownBy>,
    /// Number of the audit entry before; none in receipts of before they had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_seq: Option<i64>,
    /// The audit's chain behind that entry. The next entry is the one about this.
    pub audit_head: super::Sha256Hash,
}

impl Message for Receipt {
    const TYP: &'static str = "receipt+jws";
    type Algorithm = Es256;
}

/// What a receipt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptSubject {
    /// The binding of a device.
    Binding,
    /// The decision on an approval.
    Decision,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_one_key_or_two_different_ones() {
        let [a, b, c] = [1, 2, 3].map(|byte| {
            let key = p256::ecdsa::SigningKey::from_slice(&[byte; 32]).unwrap();
            P256Jwk::from(*key.verifying_key())
        });
        for (keys, is_sound) in [
            (vec![], false),
            (vec![a.clone()], true),
            (vec![a.clone(), b.clone()], true),
            (vec![a.clone(), a.clone()], false),
            (vec![a.clone(), b.clone(), c.clone()], false),
            (vec![a.clone(), b.clone(), a.clone()], false),
        ] {
            let json = serde_json::to_string(&keys).unwrap();
            let read = serde_json::from_str::<ServiceKeySet>(&json);
            assert_eq!(read.is_ok(), is_sound, "{json}");
            assert!(read.is_err() || *read.unwrap() == keys[..]);
        }
    }

    #[test]
    fn versions_are_compared_by_number() {
        let version = |text: &str| text.parse::<ClientVersion>();
        let [old, newer, newest] = ["0.9.10", "0.10.9", "1.0.0"].map(|text| version(text).unwrap());
        assert!(old < newer && newer < newest);
        assert_eq!(version("1.2.3").map(|version| version.to_string()).as_deref(), Ok("1.2.3"));
        assert!(ClientVersion::own() >= Some(ClientVersion::default()));
        for wrong in ["", "1", "1.2", "1.2.3.4", "1.2.x", "1.02.3", "+1.2.3", "1.2.3-beta", "1.2.70000", " 1.2.3"] {
            assert_eq!(version(wrong), Err(UnknownName), "{wrong}");
        }
    }
}
