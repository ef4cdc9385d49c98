//! Evidence that anyone can verify offline (`docs/evidence.md`): from the card's certificate to the decision, each link
//! with what it rests on.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

use super::approval::{Document, ExpectedDecision, FrozenDocument, Verdict, VerifiedDecision};
use super::registration::{CardEvidence, CardPossession, DevicePossession, Expected};
use super::service::{Receipt, ReceiptSubject};
use super::{ApprovalId, BindingLevel, Challenge, DeviceId, RegistrationId, Sha256Hash, VERSION};
use crate::identity::kvnr::Kvnr;
use crate::jose::{P256Jwk, base64url, json, jws};
use crate::pki::{self, Anchors, VerifiedCertificate};
use crate::secret::masked;

/// Longest bundle read.
pub const MAX_BUNDLE: usize = 256 * 1024;

/// An evidence bundle: one JSON file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// [`VERSION`] of the format.
    pub v: u32,
    /// Who took the evidence.
    pub service: ServiceIdentity,
    /// How the device was bound.
    pub binding: BindingEvidence,
    /// What was decided on it, where the bundle is for an approval.
    pub approval: Option<ApprovalEvidence>,
}

/// The service's name and key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceIdentity {
    /// Its name in all signed messages.
    pub aud: String,
    /// The key that signs receipts.
    #[cfg_attr(feature = "server", schema(value_type = Object))]
    pub jwk: P256Jwk,
}

/// Everything a binding rests on.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BindingEvidence {
    /// The device.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub device_id: DeviceId,
    /// The level the service derived; the verifier derives it anew.
    pub binding_level: BindingLevel,
    /// The registration.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub registration_id: RegistrationId,
    /// Its challenge.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub challenge: Challenge,
    /// The certificate of the card's issuer (DER).
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub issuer_cert: Vec<u8>,
    /// What the card signed.
    pub card: CardEvidence,
    /// The device key's proof of possession: a compact JWS.
    pub pop: String,
    /// The service's receipt: a compact JWS.
    pub receipt: String,
}

/// Everything a decision rests on, beside the binding.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ApprovalEvidence {
    /// The approval.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub approval_id: ApprovalId,
    /// Its challenge.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub challenge: Challenge,
    /// The document, byte for byte.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub document: FrozenDocument,
    /// The decision: a compact JWS by the device key.
    pub decision: String,
    /// The service's receipt: a compact JWS.
    pub receipt: String,
}

masked!(BindingEvidence, ApprovalEvidence);

/// What a link of the chain rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RestsOn {
    /// The signature of the CA that issued the card, pinned by whoever verifies.
    CardIssuer,
    /// The signature of the health card, after its PIN was entered.
    Card,
    /// The signature of the device key.
    Device,
    /// The word of the service: its signature, with a key the verifier brought along.
    Service,
    /// The word of the service, with the key it names itself in the bundle.
    ServiceUnpinned,
}

/// A link of the chain, in the order they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkName {
    /// The card's certificate is by a trusted CA and valid when the device was bound.
    Certificate,
    /// The card signed the device key.
    CardSignature,
    /// The device key signed that.
    DevicePossession,
    /// The service took the binding at its time.
    BindingReceipt,
    /// The document is whole and of the person of the certificate.
    Document,
    /// The device key signed the decision over the document.
    Decision,
    /// The service took the decision at its time.
    DecisionReceipt,
}

/// One link, checked or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Which one.
    pub name: LinkName,
    /// What it rests on.
    pub rests_on: RestsOn,
    /// How it was found.
    pub result: LinkResult,
    /// What is wrong, for people who look into it.
    pub detail: Option<String>,
}

/// How a link was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkResult {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// A link before it fails.
    NotChecked,
}

/// What a verified bundle says.
#[derive(Debug)]
pub struct Findings {
    /// Whose card it was.
    pub kvnr: Kvnr,
    /// Level of the binding, derived from the evidence.
    pub binding_level: BindingLevel,
    /// When the device was bound, by the service's word.
    pub bound_at: OffsetDateTime,
    /// What was decided, where the bundle is for an approval.
    pub decision: Option<DecisionFindings>,
}

/// The decision of a verified bundle.
#[derive(Debug)]
pub struct DecisionFindings {
    /// Approved or denied.
    pub verdict: Verdict,
    /// What was shown.
    pub document: Document,
    /// When, by the service's word.
    pub decided_at: OffsetDateTime,
}

/// The outcome: every link, and what the bundle says when all of them hold.
#[derive(Debug)]
pub struct Report {
    /// All links of this kind of bundle, in order.
    pub links: Vec<Link>,
    /// `None` when a link fails.
    pub findings: Option<Findings>,
}

/// The file is no bundle of this version.
#[derive(Debug, Error)]
#[error("not an evidence bundle of this version")]
pub struct NotABundle;

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// [`NotABundle`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NotABundle> {
        if bytes.len() > MAX_BUNDLE {
            return Err(NotABundle);
        }
        json::read::<Self>(bytes).ok().filter(|bundle| bundle.v == VERSION).ok_or(NotABundle)
    }

    /// Walks the chain with trusted CAs, and with the service's key where the verifier has it. Needs neither network nor
    /// clock: each signature is judged at the time of its receipt.
    pub fn verify(&self, anchors: &dyn Anchors, service_key: Option<&P256Jwk>) -> Report {
        let mut chain = Chain { links: Vec::new(), failed: false };
        let service = if service_key.is_some() { RestsOn::Service } else { RestsOn::ServiceUnpinned };
        let findings = self.walk(&mut chain, anchors, service_key, service);
        Report { findings: if chain.failed { None } else { findings }, links: chain.links }
    }

    /// Every link is named even when one before it fails, so that the report always has the same shape.
    fn walk(
        &self,
        chain: &mut Chain,
        anchors: &dyn Anchors,
        service_key: Option<&P256Jwk>,
        service: RestsOn,
    ) -> Option<Findings> {
        let binding = &self.binding;
        // The receipt is read first, since it says when; it is judged as a link of its own below.
        let receipt = self.receipt(service_key, &binding.receipt);
        let bound_at = receipt.as_ref().map(|receipt| receipt.at).map_err(Clone::clone);

        let certificate = chain.link(LinkName::Certificate, RestsOn::CardIssuer, || {
            let at = date(bound_at.clone()?)?;
            let certificate = pki::verify(&binding.card.auth_cert, anchors, at).map_err(text)?;
            is(certificate.issuer_der() == binding.issuer_cert, "issuer_cert")?;
            Ok(certificate)
        });
        let card = chain.link(LinkName::CardSignature, RestsOn::Card, || {
            let certificate = certificate.as_ref().ok_or("certificate")?;
            let expected = self.expected(certificate)?;
            CardPossession::check(certificate, &binding.card, &expected, bound_at.clone()?).map_err(text)
        });
        let device = chain.link(LinkName::DevicePossession, RestsOn::Device, || {
            let expected = self.expected(certificate.as_ref().ok_or("certificate")?)?;
            let evidence_sha256 = binding.card.sha256();
            let at = bound_at.clone()?;
            DevicePossession::check(&binding.pop, evidence_sha256, &expected, at).map_err(text)
        });
        let bound_at = chain.link(LinkName::BindingReceipt, service, || {
            let receipt = receipt?;
            is(receipt.subject == ReceiptSubject::Binding && receipt.id == binding.device_id.to_string(), "id")?;
            is(receipt.sha256 == Sha256Hash::of(binding.pop.as_bytes()), "sha256")?;
            is(binding.binding_level == BindingLevel::B3, "binding_level")?;
            date(receipt.at)
        });

        let decision = match &self.approval {
            None => None,
            Some(approval) => {
                let document = chain.link(LinkName::Document, RestsOn::Device, || {
                    let document = approval.document.read().map_err(text)?;
                    let holder = certificate.as_ref().ok_or("certificate")?.holder();
                    is(document.account == holder.kvnr, "account")?;
                    is(document.approval_id == approval.approval_id, "approval_id")?;
                    Ok(document)
                });
                let receipt = self.receipt(service_key, &approval.receipt);
                let decided_at = receipt.as_ref().map(|receipt| receipt.at).map_err(Clone::clone);
                let decision = chain.link(LinkName::Decision, RestsOn::Device, || {
                    let key = card.as_ref().ok_or("card")?.device_key();
                    is(device.as_ref().is_some_and(|device| device.device_key() == key), "device_key")?;
                    let expected = ExpectedDecision {
                        aud: &self.service.aud,
                        approval_id: approval.approval_id,
                        document: &approval.document,
                        challenge: approval.challenge,
                    };
                    VerifiedDecision::check(&approval.decision, key, &expected, decided_at?).map_err(text)
                });
                let decided_at = chain.link(LinkName::DecisionReceipt, service, || {
                    let receipt = receipt?;
                    let decision = decision.as_ref().ok_or("decision")?;
                    let is_for = receipt.subject == ReceiptSubject::Decision;
                    is(is_for && receipt.id == approval.approval_id.to_string(), "id")?;
                    is(receipt.sha256 == decision.sha256(), "sha256")?;
                    let decided_at = date(receipt.at)?;
                    is(bound_at.is_some_and(|bound| decided_at >= bound), "at")?;
                    Ok(decided_at)
                });
                Some(DecisionFindings { verdict: decision?.verdict(), document: document?, decided_at: decided_at? })
            }
        };
        let kvnr = certificate?.holder().kvnr.clone();
        Some(Findings { kvnr, binding_level: binding.binding_level, bound_at: bound_at?, decision })
    }

    fn expected(&self, certificate: &VerifiedCertificate) -> Result<Expected, String> {
        let binding = &self.binding;
        // The proof of possession carries its key; the card's signature says whether it is the right one.
        let (_, key) =
            jws::verify_with_jwk::<super::registration::ProofOfPossession>(&binding.pop, |_| true).map_err(text)?;
        Ok(Expected {
            aud: self.service.aud.clone(),
            registration_id: binding.registration_id,
            challenge: binding.challenge,
            jkt: key.thumbprint(),
            kvnr: certificate.holder().kvnr.clone(),
        })
    }

    /// Reads a receipt signed by the service: by the verifier's key where there is one, else by the bundle's.
    fn receipt(&self, service_key: Option<&P256Jwk>, compact: &str) -> Result<Receipt, String> {
        let key = service_key.unwrap_or(&self.service.jwk);
        is(key == &self.service.jwk, "jwk")?;
        let receipt: Receipt = jws::verify(compact, key.verifying_key()).map_err(text)?;
        is(receipt.v == VERSION, "v")?;
        is(receipt.aud == self.service.aud, "aud")?;
        Ok(receipt)
    }
}

struct Chain {
    links: Vec<Link>,
    failed: bool,
}

impl Chain {
    fn link<T>(&mut self, name: LinkName, rests_on: RestsOn, check: impl FnOnce() -> Result<T, String>) -> Option<T> {
        let (result, detail, value) = if self.failed {
            (LinkResult::NotChecked, None, None)
        } else {
            match check() {
                Ok(value) => (LinkResult::Holds, None, Some(value)),
                Err(detail) => (LinkResult::Fails, Some(detail), None),
            }
        };
        self.failed |= result == LinkResult::Fails;
        self.links.push(Link { name, rests_on, result, detail });
        value
    }
}

fn is(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn text(error: impl std::error::Error) -> String {
    error.to_string()
}

fn date(at: i64) -> Result<OffsetDateTime, String> {
    OffsetDateTime::from_unix_timestamp(at).map_err(text)
}
