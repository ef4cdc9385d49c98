//! Binding a device (`docs/protocol.md`, registration). By the card: under one entry of the card PIN it signs gematik's
//! pairing data and a fresh statement for this service. By the code of a letter ([`super::qr`]). In any case the device
//! key proves that it is there.
//!
//! Each check makes a proof value that nothing else can make; the store binds a device only for those values.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::addition::{AdditionEvidence, ApprovalProof};
use super::pairing::PairingData;
use super::presence::{ChipEvidence, ChipPresence, RegisteredCard};
use super::qr::{QrEvidence, QrProof};
use super::{
    BindingLevel, CLOCK_TOLERANCE, Challenge, DeviceNonce, KeyIdentifier, NumericDate, RegistrationId, Sha256Hash,
    UnknownName, VERSION,
};
use crate::identity::kvnr::{Ik, Kvnr};
use crate::jose::jws::{self, KeyHint};
use crate::jose::{ByCard, Es256, Message, P256Jwk, Thumbprint, base64url};
use crate::pki::VerifiedCertificate;
use crate::secret::masked;
use crate::voprf::Element;

/// Longest `jti` of a message that others make, in characters.
const MAX_JTI: usize = 128;

/// How a device is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Card and card PIN.
    Card,
    /// The code of a letter.
    Qr,
    /// Another device that the card has bound.
    Device,
    /// The chip of the card, without its PIN.
    Chip,
}

impl Method {
    const ALL: [Self; 4] = [Self::Card, Self::Qr, Self::Device, Self::Chip];

    /// The name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Qr => "qr",
            Self::Device => "device",
            Self::Chip => "chip",
        }
    }
}

impl FromStr for Method {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or(UnknownName)
    }
}

/// The card's fresh statement, `kartenbund-card+jws`: the pairing data alone has no audience, time or nonce.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardStatement {
    /// [`VERSION`].
    pub v: u32,
    /// The service.
    pub aud: String,
    /// The registration.
    pub registration_id: RegistrationId,
    /// The service's challenge.
    pub challenge: Challenge,
    /// The device key.
    pub jkt: Thumbprint,
    /// The account.
    pub kvnr: Kvnr,
    /// SHA-256 of the signed pairing data, the compact JWS in ASCII.
    pub pairing_sha256: Sha256Hash,
    /// When it was made.
    pub iat: NumericDate,
}

impl Message for CardStatement {
    const TYP: &'static str = "kartenbund-card+jws";
    const KEY_HINT: KeyHint = KeyHint::X5c;
    type Algorithm = ByCard;
}

/// What the card gives.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CardEvidence {
    /// gematik's pairing data, signed by the card: a compact JWS.
    pub signed_pairing_data: String,
    /// C.CH.AUT (DER).
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub auth_cert: Vec<u8>,
    /// [`CardStatement`]: a compact JWS.
    pub card_jws: String,
}

masked!(CardEvidence);

impl CardEvidence {
    /// SHA-256 over the three parts as they travel, with a line feed between them.
    pub fn sha256(&self) -> Sha256Hash {
        let parts = [&self.signed_pairing_data, &base64url::encode(&self.auth_cert), &self.card_jws];
        Sha256Hash::of(parts.map(String::as_str).join("\n").as_bytes())
    }
}

/// What is handed in to bind a device; which of them it is follows from the members.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum HandedIn {
    /// Of the card.
    Card(CardEvidence),
    /// Of the code of a letter.
    Qr(QrEvidence),
    /// Of another device.
    Device(AdditionEvidence),
    /// Of the chip.
    Chip(ChipEvidence),
}

masked!(HandedIn);

impl HandedIn {
    /// How a device is bound with it.
    pub fn method(&self) -> Method {
        match self {
            Self::Card(_) => Method::Card,
            Self::Qr(_) => Method::Qr,
            Self::Device(_) => Method::Device,
            Self::Chip(_) => Method::Chip,
        }
    }

    /// The hash that the proof of possession carries.
    pub fn sha256(&self) -> Sha256Hash {
        match self {
            Self::Card(evidence) => evidence.sha256(),
            Self::Qr(evidence) => evidence.sha256(),
            Self::Device(evidence) => evidence.sha256(),
            Self::Chip(evidence) => evidence.sha256(),
        }
    }
}

/// The device key's proof of possession, `pop+jws`, over everything the device and the card or the code say.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofOfPossession {
    /// [`VERSION`].
    pub v: u32,
    /// The service.
    pub aud: String,
    /// The registration.
    pub registration_id: RegistrationId,
    /// The service's challenge.
    pub challenge: Challenge,
    /// When it was made.
    pub iat: NumericDate,
    /// How the device is bound.
    pub method: Method,
    /// The account.
    pub kvnr: Kvnr,
    /// This key.
    pub jkt: Thumbprint,
    /// [`HandedIn::sha256`].
    pub evidence_sha256: Sha256Hash,
    /// Public key of the service's share in the device PIN, which the device has pinned; `null` of devices that were
    /// bound when the PIN was checked on the device alone.
    pub voprf_pk: Option<Element>,
    /// The key that lists and watches approvals.
    pub transport_jwk: P256Jwk,
    /// [`super::attestation::Attestation::sha256`], where one is handed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation_sha256: Option<Sha256Hash>,
}

impl Message for ProofOfPossession {
    const TYP: &'static str = "pop+jws";
    const KEY_HINT: KeyHint = KeyHint::Jwk;
    type Algorithm = Es256;
}

/// What the service knows of a registration, against which evidence is checked.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The service.
    pub aud: String,
    /// The registration.
    pub registration_id: RegistrationId,
    /// The challenge that was handed out for it.
    pub challenge: Challenge,
    /// The device key that was announced.
    pub jkt: Thumbprint,
    /// The account.
    pub kvnr: Kvnr,
    /// The share in the device PIN.
    pub share: ExpectedShare,
}

/// Which share a device must have pinned.
#[derive(Clone, Debug)]
pub enum ExpectedShare {
    /// The one that was offered to it.
    Offered(Element),
    /// One of those that it has: it is bound anew, and its PIN stays.
    OfDevice(Vec<Element>),
    /// Whoever verifies later knows of none: what the device pinned stands in its proof.
    Unknown,
}

/// Why evidence is refused. Each check has its own.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RegistrationError {
    /// The card is another person's.
    #[error("the card belongs to another person than the account")]
    OtherPerson,
    /// The card is of an insurer that is not this service's.
    #[error("the card is of another insurer")]
    OtherInsurer,
    /// The pairing data are not signed by this card, or a claim in them is wrong.
    #[error("the pairing data are wrong: {0}")]
    Pairing(Part),
    /// The card's fresh statement is not signed by this card, or a claim in it is wrong.
    #[error("the card's statement is wrong: {0}")]
    Statement(Part),
    /// The statement is not signed by the key of this code, or a claim in it is wrong.
    #[error("the statement of the code is wrong: {0}")]
    Code(Part),
    /// No device that may do so has approved this key for this registration.
    #[error("the approval of another device is wrong: {0}")]
    Addition(Part),
    /// The proof of possession is not signed by the device key, or a claim in it is wrong.
    #[error("the proof of possession is wrong: {0}")]
    Possession(Part),
    /// The device's nonce is not the one that was announced.
    #[error("the nonce is not the one announced")]
    Nonce,
}

/// What is wrong with a signed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is no message of this kind.
    Message,
    /// Its signature.
    Signature,
    /// A claim of this name.
    Claim(&'static str),
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message => f.write_str("message"),
            Self::Signature => f.write_str("signature"),
            Self::Claim(name) => f.write_str(name),
        }
    }
}

impl From<jws::JwsError> for Part {
    fn from(error: jws::JwsError) -> Self {
        match error {
            jws::JwsError::Signature => Self::Signature,
            jws::JwsError::Malformed | jws::JwsError::Header => Self::Message,
        }
    }
}

/// Which card was checked for which account. A proof about one card says nothing about another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CardOfAccount {
    kvnr: Kvnr,
    certificate_sha256: Sha256Hash,
}

impl CardOfAccount {
    pub(super) fn new(certificate: &VerifiedCertificate, account: &Kvnr) -> Self {
        Self { kvnr: account.clone(), certificate_sha256: Sha256Hash::of(&certificate.certificate().der) }
    }

    pub(super) fn is_of(&self, account: &Kvnr) -> bool {
        &self.kvnr == account
    }
}

/// The card belongs to the account and to an insurer of this service.
#[derive(Debug)]
pub struct Membership(CardOfAccount);

impl Membership {
    /// The KVNR comes from the verified certificate only; it must be the account's, and the insurer one of `payer_iks`.
    ///
    /// # Errors
    /// [`RegistrationError::OtherPerson`] or [`RegistrationError::OtherInsurer`].
    pub fn check(
        certificate: &VerifiedCertificate,
        account: &Kvnr,
        payer_iks: &[Ik],
    ) -> Result<Self, RegistrationError> {
        if &certificate.holder().kvnr != account {
            return Err(RegistrationError::OtherPerson);
        }
        if !payer_iks.contains(&certificate.holder().payer_ik) {
            return Err(RegistrationError::OtherInsurer);
        }
        Ok(Self(CardOfAccount::new(certificate, account)))
    }

    pub(super) fn is_about(&self, card: &CardOfAccount) -> bool {
        &self.0 == card
    }
}

/// The device's nonce is the one whose hash was announced before the challenge was known.
#[derive(Debug)]
pub struct AnnouncedNonce(());

impl AnnouncedNonce {
    /// Opens the commitment.
    ///
    /// # Errors
    /// [`RegistrationError::Nonce`].
    pub fn check(nonce: &DeviceNonce, commit: Sha256Hash) -> Result<Self, RegistrationError> {
        if nonce.commitment() == commit { Ok(Self(())) } else { Err(RegistrationError::Nonce) }
    }
}

/// The card was there, its PIN was entered, and it signed this device key for this registration.
#[derive(Debug)]
pub struct CardPossession {
    card: CardOfAccount,
    registration_id: RegistrationId,
    device_key: P256Jwk,
    key_identifier: KeyIdentifier,
}

impl CardPossession {
    /// Checks both signatures of the card and every claim in them.
    ///
    /// # Errors
    /// [`RegistrationError::Pairing`] or [`RegistrationError::Statement`] with the part that is wrong.
    pub fn check(
        certificate: &VerifiedCertificate,
        evidence: &CardEvidence,
        expected: &Expected,
        now: NumericDate,
    ) -> Result<Self, RegistrationError> {
        // The pairing data are signed by the key of the certificate that came with them, and say the same as it.
        let pairing = |part| RegistrationError::Pairing(part);
        let data: PairingData =
            jws::verify(&evidence.signed_pairing_data, certificate.key()).map_err(|e| pairing(e.into()))?;
        let device_key = data.check(certificate.certificate()).map_err(|mismatch| pairing(Part::Claim(mismatch.0)))?;
        if device_key.thumbprint() != expected.jkt {
            return Err(pairing(Part::Claim("se_subject_public_key_info")));
        }

        // The statement is signed by the same card, now, for this service and this registration.
        let der = &certificate.certificate().der;
        let statement: CardStatement = jws::verify_with_x5c(&evidence.card_jws, der, certificate.key())
            .map_err(|e| RegistrationError::Statement(e.into()))?;
        let claims = [
            ("v", statement.v == VERSION),
            ("aud", statement.aud == expected.aud),
            ("registration_id", statement.registration_id == expected.registration_id),
            ("challenge", statement.challenge == expected.challenge),
            ("jkt", statement.jkt == expected.jkt),
            ("kvnr", statement.kvnr == certificate.holder().kvnr && statement.kvnr == expected.kvnr),
            ("pairing_sha256", statement.pairing_sha256 == Sha256Hash::of(evidence.signed_pairing_data.as_bytes())),
            ("iat", is_fresh(statement.iat, now)),
        ];
        first_wrong(&claims).map_err(RegistrationError::Statement)?;
        Ok(Self {
            card: CardOfAccount::new(certificate, &expected.kvnr),
            registration_id: expected.registration_id,
            device_key,
            key_identifier: data.key_identifier,
        })
    }

    /// The device key the card signed.
    pub fn device_key(&self) -> &P256Jwk {
        &self.device_key
    }

    /// How the pairing data name that key.
    pub fn key_identifier(&self) -> KeyIdentifier {
        self.key_identifier
    }
}

/// The device key was there, and it signed the evidence for this registration.
#[derive(Debug)]
pub struct DevicePossession {
    kvnr: Kvnr,
    method: Method,
    registration_id: RegistrationId,
    device_key: P256Jwk,
    transport_key: P256Jwk,
    attestation_sha256: Option<Sha256Hash>,
}

impl DevicePossession {
    /// Checks the proof of possession and every claim in it.
    ///
    /// # Errors
    /// [`RegistrationError::Possession`] with the part that is wrong.
    pub fn check(
        pop: &str,
        (method, evidence_sha256): (Method, Sha256Hash),
        expected: &Expected,
        now: NumericDate,
    ) -> Result<Self, RegistrationError> {
        // The header's key is the one that was announced: compared, not followed.
        let (proof, device_key) =
            jws::verify_with_jwk::<ProofOfPossession>(pop, |jwk| jwk.thumbprint() == expected.jkt)
                .map_err(|e| RegistrationError::Possession(e.into()))?;
        let claims = [
            ("v", proof.v == VERSION),
            ("aud", proof.aud == expected.aud),
            ("registration_id", proof.registration_id == expected.registration_id),
            ("challenge", proof.challenge == expected.challenge),
            ("iat", is_fresh(proof.iat, now)),
            ("method", proof.method == method),
            ("kvnr", proof.kvnr == expected.kvnr),
            ("jkt", proof.jkt == expected.jkt),
            ("evidence_sha256", proof.evidence_sha256 == evidence_sha256),
            ("voprf_pk", expected.share.is_pinned(proof.voprf_pk)),
            ("transport_jwk", proof.transport_jwk != device_key),
        ];
        first_wrong(&claims).map_err(RegistrationError::Possession)?;
        Ok(Self {
            kvnr: expected.kvnr.clone(),
            method,
            registration_id: expected.registration_id,
            device_key,
            transport_key: proof.transport_jwk,
            attestation_sha256: proof.attestation_sha256,
        })
    }

    /// The device key.
    pub fn device_key(&self) -> &P256Jwk {
        &self.device_key
    }

    /// The key that lists and watches approvals.
    pub fn transport_key(&self) -> &P256Jwk {
        &self.transport_key
    }

    /// The hash of what is to show where the key lies, where the device has signed that something is.
    pub fn attestation_sha256(&self) -> Option<Sha256Hash> {
        self.attestation_sha256
    }
}

/// What a binding rests on. The level follows from it and from nothing else.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one in a request, and it is used up where it was made")]
pub enum Evidence {
    /// Card and card PIN.
    Card(VerifiedCertificate, Membership, CardPossession),
    /// The code of a letter, beside a session of the account.
    Qr(QrProof),
    /// The approval of another device, beside a session of the account.
    Device(ApprovalProof),
    /// The chip of the card that the register has for the account, beside a session of it.
    Chip(ChipPresence, RegisteredCard),
}

impl Evidence {
    /// The binding level this evidence gives.
    pub fn level(&self) -> BindingLevel {
        match self {
            Self::Card(..) => BindingLevel::B3,
            Self::Chip(..) => BindingLevel::B2,
            Self::Qr(_) | Self::Device(_) => BindingLevel::B1,
        }
    }

    /// How a device is bound with it.
    pub fn method(&self) -> Method {
        match self {
            Self::Card(..) => Method::Card,
            Self::Qr(_) => Method::Qr,
            Self::Device(_) => Method::Device,
            Self::Chip(..) => Method::Chip,
        }
    }

    /// Whether all proofs are about one card or code, one account, one registration and one device key: each is right by
    /// itself, and a binding needs them to be right together.
    pub fn belongs_together(&self, device: &DevicePossession, expected: &Expected) -> bool {
        let about_one_key = match self {
            Self::Card(certificate, membership, card) => {
                let one_card = CardOfAccount::new(certificate, &expected.kvnr);
                membership.0 == one_card
                    && card.card == one_card
                    && card.registration_id == expected.registration_id
                    && card.device_key == device.device_key
            }
            Self::Qr(proof) => proof.is_about(expected, device.device_key.thumbprint()),
            Self::Device(proof) => proof.is_about(expected, device.device_key.thumbprint()),
            Self::Chip(presence, card) => card.is_about(presence, expected, device.device_key.thumbprint()),
        };
        about_one_key
            && device.method == self.method()
            && device.kvnr == expected.kvnr
            && device.registration_id == expected.registration_id
    }
}

impl ExpectedShare {
    fn is_pinned(&self, voprf_pk: Option<Element>) -> bool {
        match self {
            Self::Offered(offered) => voprf_pk == Some(*offered),
            Self::OfDevice(shares) => voprf_pk.is_some_and(|pinned| shares.contains(&pinned)),
            Self::Unknown => true,
        }
    }
}

/// Whether a message that was made at `iat` may be taken at `now`.
pub(super) fn is_fresh(iat: NumericDate, now: NumericDate) -> bool {
    iat.abs_diff(now) <= CLOCK_TOLERANCE.unsigned_abs()
}

/// Whether this names a message: visible characters that can be kept.
pub(super) fn is_jti(jti: &str) -> bool {
    (1..=MAX_JTI).contains(&jti.len()) && jti.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The first claim that is wrong.
pub(super) fn first_wrong(claims: &[(&'static str, bool)]) -> Result<(), Part> {
    claims.iter().find(|(_, is_right)| !is_right).map_or(Ok(()), |(claim, _)| Err(Part::Claim(claim)))
}
