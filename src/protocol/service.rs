//! What the service signs about itself: its configuration, and the challenge before a card signs.

use serde::{Deserialize, Serialize};

use super::{Challenge, NumericDate, RegistrationId};
use crate::identity::kvnr::Kvnr;
use crate::jose::{Es256, Message, P256Jwk, Thumbprint};

/// Who the service is: a JWS at `/.well-known/kartenbund-configuration`, signed by the key in it. The client pins the
/// key's thumbprint at the first login.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// [`super::VERSION`].
    pub v: u32,
    /// The service's name in all signed messages: its URL.
    pub aud: String,
    /// The key that signs configuration, challenges and receipts.
    pub jwk: P256Jwk,
    /// Insurers whose cards are accepted.
    pub payer_iks: Vec<crate::identity::kvnr::Ik>,
    /// The insurer's name, for people.
    pub insurer: String,
    /// The service's clock.
    pub iat: NumericDate,
}

impl Message for Configuration {
    const TYP: &'static str = "configuration+jws";
    type Algorithm = Es256;
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

/// A key in software (RFC 8176): all that the service saw of a person who used the device key.
pub const AMR_SOFTWARE_KEY: &str = "swk";
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
    /// How the person proved to be there, as far as the service saw it (RFC 8176): [`AMR_SOFTWARE_KEY`],
    /// [`AMR_PIN`].
    pub amr: Vec<String>,
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
