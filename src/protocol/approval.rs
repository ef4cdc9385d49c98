//! Approvals: the service freezes a document as bytes, the device shows it and signs a decision over those bytes.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::application::{ApplicationError, ApplicationType, Change, is_plain_text};
use super::registration::{Part, first_wrong};
use super::{ApplicationId, ApprovalId, CLOCK_TOLERANCE, Challenge, MessageId, NumericDate, Sha256Hash, VERSION};
use crate::identity::kvnr::Kvnr;
use crate::jose::json::{self, JsonError};
use crate::jose::{Es256, Message, P256Jwk, base64url, jws};
use crate::secret::masked;

/// Longest document, in bytes.
const MAX_DOCUMENT: usize = 8 * 1024;
/// Longest life of a decision, in seconds: it is sent at once.
const MAX_DECISION_LIFE: i64 = 300;

/// What is approved, as a person reads it.
#[derive(Clone, Debug)]
pub struct Document {
    /// The approval.
    pub approval_id: ApprovalId,
    /// The application it decides.
    pub application_id: ApplicationId,
    /// Whose account.
    pub account: Kvnr,
    /// When the application was submitted.
    pub created: NumericDate,
    /// What changes.
    pub change: Change,
}

/// A document as bytes: what is hashed, signed and compared.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrozenDocument(#[serde(with = "base64url")] Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    v: u32,
    approval_id: ApprovalId,
    application_id: ApplicationId,
    #[serde(rename = "type")]
    kind: String,
    template: String,
    account: Kvnr,
    created: NumericDate,
    data: Value,
}

impl FrozenDocument {
    /// Takes over bytes that were frozen before, as the service stores them.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the bytes.
    pub fn sha256(&self) -> Sha256Hash {
        Sha256Hash::of(&self.0)
    }

    /// Reads the document. What cannot be shown as it is meant is refused: unknown types and templates, members too
    /// many, texts with invisible characters, wrong IBANs and postal codes.
    ///
    /// # Errors
    /// [`ApplicationError`].
    pub fn read(&self) -> Result<Document, ApplicationError> {
        if self.0.len() > MAX_DOCUMENT {
            return Err(ApplicationError::Data);
        }
        let members: Members = json::read(&self.0).map_err(|_| ApplicationError::Data)?;
        let kind: ApplicationType = members.kind.parse()?;
        if members.v != VERSION || members.template != kind.template() {
            return Err(ApplicationError::UnknownType);
        }
        let data = members.data;
        let change = match kind {
            ApplicationType::AddressChange => serde_json::from_value(data).map(Change::Address),
            ApplicationType::BankChange => serde_json::from_value(data).map(Change::Bank),
            ApplicationType::ContactChange => serde_json::from_value(data).map(Change::Contact),
            ApplicationType::PasswordReset => serde_json::from_value(data).map(Change::Password),
            ApplicationType::WebLogin => serde_json::from_value(data).map(Change::Login),
            ApplicationType::CardOrder => serde_json::from_value(data).map(Change::Card),
            ApplicationType::DeviceAdd => serde_json::from_value(data).map(Change::Device),
        };
        let change = change.map_err(|_| ApplicationError::Data)?;
        change.check()?;
        Ok(Document {
            approval_id: members.approval_id,
            application_id: members.application_id,
            account: members.account,
            created: members.created,
            change,
        })
    }
}

impl fmt::Debug for FrozenDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrozenDocument({} bytes)", self.0.len())
    }
}

impl Document {
    /// Makes the document canonical, once and for all.
    ///
    /// # Errors
    /// [`JsonError`] when it has no JSON form.
    pub fn freeze(&self) -> Result<FrozenDocument, JsonError> {
        let kind = self.change.kind();
        let data = match &self.change {
            Change::Address(change) => serde_json::to_value(change),
            Change::Bank(change) => serde_json::to_value(change),
            Change::Contact(change) => serde_json::to_value(change),
            Change::Password(reset) => serde_json::to_value(reset),
            Change::Login(login) => serde_json::to_value(login),
            Change::Card(card) => serde_json::to_value(card),
            Change::Device(device) => serde_json::to_value(device),
        };
        let members = Members {
            v: VERSION,
            approval_id: self.approval_id,
            application_id: self.application_id,
            kind: kind.as_str().to_owned(),
            template: kind.template().to_owned(),
            account: self.account.clone(),
            created: self.created,
            data: data.map_err(JsonError::from)?,
        };
        json::canonical(&members).map(FrozenDocument)
    }
}

/// Two digits that only whoever submitted the application was shown; the person types them where they decide.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MatchCode([u8; 2]);

impl MatchCode {
    /// A new one, from `rng`.
    pub fn random(rng: &mut dyn rand_core::CryptoRng) -> Self {
        // 250 is the greatest multiple of 10 a byte reaches: every digit is equally likely.
        let mut digit = || loop {
            let mut byte = 0;
            rng.fill_bytes(std::slice::from_mut(&mut byte));
            if byte < 250 {
                break b'0' + byte % 10;
            }
        };
        Self([digit(), digit()])
    }
}

impl PartialEq for MatchCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for MatchCode {}

impl TryFrom<String> for MatchCode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits: [u8; 2] = text.as_bytes().try_into().map_err(|_| "not two digits")?;
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err("not two digits") }
    }
}

impl From<MatchCode> for String {
    fn from(code: MatchCode) -> Self {
        code.0.map(char::from).iter().collect()
    }
}

/// What a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Do it.
    Approve,
    /// Do not.
    Deny,
    /// Do not, and it was somebody else who asked: what he came in with is taken from him.
    NotMe,
}

impl Verdict {
    /// The name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
            Self::NotMe => "not_me",
        }
    }
}

/// The decision, `approval+jws`, signed by the device key over the whole document.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// [`VERSION`].
    pub v: u32,
    /// The service.
    pub aud: String,
    /// The approval.
    pub approval_id: ApprovalId,
    /// The document, byte for byte as it was shown.
    pub document: FrozenDocument,
    /// The approval's challenge.
    pub challenge: Challenge,
    /// What was decided.
    pub decision: Verdict,
    /// Why, in the person's own words: plain text of at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The digits the person typed; not needed to deny.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_code: Option<MatchCode>,
    /// When it was made.
    pub iat: NumericDate,
    /// When it ends.
    pub exp: NumericDate,
    /// Names this message.
    pub jti: MessageId,
}

masked!(MatchCode, Decision);

impl Message for Decision {
    const TYP: &'static str = "approval+jws";
    type Algorithm = Es256;
}

/// What the service knows of an approval, against which a decision is checked.
#[derive(Clone, Debug)]
pub struct ExpectedDecision<'a> {
    /// The service.
    pub aud: &'a str,
    /// The approval.
    pub approval_id: ApprovalId,
    /// The document that was frozen.
    pub document: &'a FrozenDocument,
    /// The challenge that was handed out.
    pub challenge: Challenge,
}

/// Why a decision is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecisionError {
    /// The signature or a claim is wrong.
    #[error("the decision is wrong: {0}")]
    Decision(Part),
    /// The document is not the one that was frozen.
    #[error("the document is another one")]
    DocumentMismatch,
}

/// A decision that the device key signed over this document, now. Nothing but [`VerifiedDecision::check`] makes one.
#[derive(Debug)]
pub struct VerifiedDecision {
    decision: Decision,
    sha256: Sha256Hash,
}

impl VerifiedDecision {
    /// Checks signature, document and every claim.
    ///
    /// # Errors
    /// [`DecisionError`].
    pub fn check(
        compact: &str,
        device_key: &P256Jwk,
        expected: &ExpectedDecision<'_>,
        now: NumericDate,
    ) -> Result<Self, DecisionError> {
        let decision: Decision =
            jws::verify(compact, device_key.verifying_key()).map_err(|e| DecisionError::Decision(e.into()))?;
        if &decision.document != expected.document {
            return Err(DecisionError::DocumentMismatch);
        }
        let life = decision.exp.checked_sub(decision.iat);
        let claims = [
            ("v", decision.v == VERSION),
            ("aud", decision.aud == expected.aud),
            ("approval_id", decision.approval_id == expected.approval_id),
            ("challenge", decision.challenge == expected.challenge),
            ("reason", decision.reason.as_deref().is_none_or(is_plain_text)),
            ("iat", decision.iat <= now.saturating_add(CLOCK_TOLERANCE)),
            ("exp", life.is_some_and(|life| (1..=MAX_DECISION_LIFE).contains(&life))),
            ("exp", now <= decision.exp.saturating_add(CLOCK_TOLERANCE)),
        ];
        first_wrong(&claims).map_err(DecisionError::Decision)?;
        Ok(Self { decision, sha256: Sha256Hash::of(compact.as_bytes()) })
    }

    /// What was decided.
    pub fn verdict(&self) -> Verdict {
        self.decision.decision
    }

    /// The document it is about.
    pub fn document(&self) -> &FrozenDocument {
        &self.decision.document
    }

    /// The digits that were typed.
    pub fn match_code(&self) -> Option<&MatchCode> {
        self.decision.match_code.as_ref()
    }

    /// SHA-256 of the compact JWS.
    pub fn sha256(&self) -> Sha256Hash {
        self.sha256
    }
}
