//! Evidence that anyone can verify offline (`docs/evidence.md`): from the card's certificate to the decision, each link
//! with what it rests on.

mod card;
mod grounds;
mod lists;
mod report;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

use super::addition::{ApprovalProof, Approver};
use super::approval::{ExpectedDecision, FrozenDocument, Verdict, VerifiedDecision};
use super::audit::{Entry, Inclusion};
use super::presence::{ChipPresence, Occasion};
use super::qr::QrProof;
use super::registration::{DevicePossession, Expected, ExpectedShare, ProofOfPossession};
use super::service::{Receipt, ReceiptSubject};
use super::{ApprovalId, BindingLevel, Challenge, DeviceId, RegistrationId, Sha256Hash, VERSION};
use crate::identity::kvnr::Kvnr;
use crate::jose::{P256Jwk, json, jws};
use crate::pki::cvc::CvcRoots;
use crate::pki::{Anchors, Issuer};
use crate::secret::masked;

pub use grounds::{AdditionGrounds, CardGrounds, ChipGrounds, Grounds, OcspEvidence, QrGrounds};
use lists::Lists;
pub use lists::TrustListEvidence;
pub use report::{DecisionFindings, DeviceFindings, Findings, Link, LinkName, LinkResult, Report, RestsOn};

/// Version of the format.
pub const FORMAT: u32 = 5;
/// The versions before, which are verified as well: version 4 had one key of the service, the others no trust lists, and
/// version 2 no answers of OCSP.
const FORMATS_BEFORE: [u32; 3] = [2, 3, 4];
/// Longest bundle read: that of a whole account.
pub const MAX_BUNDLE: usize = 16 * 1024 * 1024;

/// Most keys of the service that a bundle names: with each of them, each receipt and head may have to be tried.
const MAX_KEYS: usize = 64;

/// An evidence bundle: one JSON file, for a binding, for a decision, or for a whole account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// [`FORMAT`].
    pub v: u32,
    /// Who took the evidence.
    pub service: ServiceIdentity,
    /// The trust lists that receipts name, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_lists: Vec<TrustListEvidence>,
    /// The devices, oldest first; one that the card has bound anew stands there once for each of its bindings.
    pub devices: Vec<DeviceEvidence>,
    /// How many decisions of the account are left out, since there are too many for one file.
    pub omitted: u32,
}

/// A binding of a device, and what was decided while it held.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceEvidence {
    /// How the device was bound.
    pub binding: BindingEvidence,
    /// What was decided on it, oldest first.
    pub approvals: Vec<ApprovalEvidence>,
}

/// The service's name and keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceIdentity {
    /// Its name in all signed messages.
    pub aud: String,
    /// The key that signs receipts.
    #[cfg_attr(feature = "server", schema(value_type = Object))]
    pub jwk: P256Jwk,
    /// Other keys that may have signed receipts and heads in here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "server", schema(value_type = Vec<Object>))]
    pub other_jwks: Vec<P256Jwk>,
}

impl ServiceIdentity {
    /// No more keys than a service ever has, and none twice.
    fn has_sound_keys(&self) -> bool {
        let others = self.other_jwks.as_slice();
        let is_new =
            |(at, key): (usize, &P256Jwk)| *key != self.jwk && !others.iter().take(at).any(|before| before == key);
        others.len() < MAX_KEYS && others.iter().enumerate().all(is_new)
    }
}

/// Everything a binding rests on.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
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
    /// What the level follows from.
    #[serde(flatten)]
    pub grounds: Grounds,
    /// The device key's proof of possession: a compact JWS.
    pub pop: String,
    /// The service's receipt: a compact JWS.
    pub receipt: String,
    /// Where the audit tells of it; none of bindings from before that could be shown.
    #[serde(default)]
    pub audit: Option<Inclusion>,
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
    /// Where the audit tells of it; none of decisions from before that could be shown.
    #[serde(default)]
    pub audit: Option<Inclusion>,
}

masked!(BindingEvidence, ApprovalEvidence);

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
        let is_known = |it: &Self| it.v == FORMAT || FORMATS_BEFORE.contains(&it.v);
        json::read::<Self>(bytes).ok().filter(|it| is_known(it) && it.service.has_sound_keys()).ok_or(NotABundle)
    }

    /// As [`Bundle::verify_with`], with nothing pinned but CAs of cards, OCSP responders, and keys of the service.
    pub fn verify(&self, anchors: &dyn Anchors, service_keys: &[P256Jwk]) -> Report {
        self.verify_with(&Pinned { anchors, list_signers: &[], chip_roots: None, service_keys })
    }

    /// Walks the chain with what the verifier has pinned. Needs neither network nor clock: each signature is judged at the time
    /// of its receipt.
    pub fn verify_with(&self, pinned: &Pinned<'_>) -> Report {
        let is_unpinned = pinned.service_keys.is_empty();
        let rests_on = if is_unpinned { RestsOn::ServiceUnpinned } else { RestsOn::Service };
        // The bundle says whose word it holds, and the verifier which of those keys are believed.
        let named = [&self.service.jwk].into_iter().chain(&self.service.other_jwks);
        let keys = named.filter(|key| is_unpinned || pinned.service_keys.contains(key)).cloned().collect();
        let walk = Walk { service: &self.service, keys, rests_on, pinned, lists: Lists::of(&self.trust_lists) };
        let mut report = Report { links: Vec::new(), findings: None };
        let mut devices: Vec<DeviceFindings> = Vec::new();
        for device in &self.devices {
            let found = walk.device(device, &devices, &mut report.links);
            devices.extend(found);
        }
        let holds = |link: &Link| matches!(link.result, LinkResult::Holds | LinkResult::Absent);
        if !devices.is_empty() && report.links.iter().all(holds) {
            report.findings = Some(Findings { devices });
        }
        report
    }
}

/// What whoever verifies a bundle brings along, and trusts.
#[derive(Debug)]
pub struct Pinned<'a> {
    /// CAs of cards and OCSP responders.
    pub anchors: &'a dyn Anchors,
    /// CAs of signers of trust lists; without any, that a list is the right one is the service's word.
    pub list_signers: &'a [Issuer],
    /// Roots of chips; without any, that a chip is genuine is the service's word.
    pub chip_roots: Option<&'a dyn CvcRoots>,
    /// Keys of the service; without any those in the bundle are taken, and it says who it is itself.
    pub service_keys: &'a [P256Jwk],
}

/// What everything in a bundle is verified with.
struct Walk<'a> {
    service: &'a ServiceIdentity,
    /// By one of these each word of the service is.
    keys: Vec<P256Jwk>,
    rests_on: RestsOn,
    pinned: &'a Pinned<'a>,
    lists: Lists,
}

/// What a device's own links have shown, for the decisions on it.
struct Bound {
    kvnr: Kvnr,
    device_id: DeviceId,
    device_key: P256Jwk,
    at: OffsetDateTime,
}

impl Walk<'_> {
    /// Every link is named even when one before it fails, so that the report always has the same shape. All devices are of
    /// one person.
    fn device(
        &self,
        device: &DeviceEvidence,
        before: &[DeviceFindings],
        links: &mut Vec<Link>,
    ) -> Option<DeviceFindings> {
        let binding = &device.binding;
        let holder = before.first().map(|first| &first.kvnr);
        let mut chain = Chain { of: binding.device_id.to_string(), links, failed: false };
        // The receipt is read first, since it says when; it is judged as a link of its own below.
        let receipt = self.receipt(&binding.receipt);
        let bound_at = receipt.as_ref().map(|receipt| receipt.at).map_err(Clone::clone);

        let expected = match &binding.grounds {
            Grounds::Card(grounds) => self.card(binding, grounds, receipt.as_ref().ok(), &bound_at, holder, &mut chain),
            // Whose the code was only the service knows; what is left is that the right key was shown to it.
            Grounds::Qr(grounds) => chain.link(LinkName::CodeSignature, self.rests_on, || {
                let expected = self.expected(binding, None)?;
                is(holder.is_none_or(|holder| *holder == expected.kvnr), "kvnr")?;
                QrProof::check(&grounds.qr, &grounds.qr_jwk, &expected, bound_at.clone()?).map_err(text)?;
                Ok(expected)
            }),
            // Whose card the chip is in only the service knows; whether it is genuine, roots of chips show.
            Grounds::Chip(grounds) => {
                let rests_on = self.pinned.chip_roots.map_or(self.rests_on, |_| RestsOn::ChipRoot);
                chain.link(LinkName::ChipSignature, rests_on, || {
                    let expected = self.expected(binding, None)?;
                    is(holder.is_none_or(|holder| *holder == expected.kvnr), "kvnr")?;
                    let Expected { aud, challenge, jkt, .. } = expected.clone();
                    let occasion = Occasion { aud, challenge, jkt };
                    match self.pinned.chip_roots {
                        Some(roots) => {
                            let at = date(bound_at.clone()?)?;
                            ChipPresence::check(&grounds.chip, occasion, roots, at).map(drop).map_err(causes)?;
                        }
                        None => is(grounds.chip.is_signed_for(&occasion), "signature")?,
                    }
                    Ok(expected)
                })
            }
            Grounds::Device(grounds) => chain
                .link(LinkName::DeviceAddition, RestsOn::Device, || self.addition(binding, grounds, before, &bound_at)),
        };
        let possession = chain.link(LinkName::DevicePossession, RestsOn::Device, || {
            let handed_in = (binding.grounds.method(), binding.grounds.sha256());
            let expected = expected.as_ref().ok_or("grounds")?;
            let possession =
                DevicePossession::check(&binding.pop, handed_in, expected, bound_at.clone()?).map_err(text)?;
            // A device that was bound anew has the key it had.
            let mut earlier = before.iter().filter(|earlier| earlier.device_id == binding.device_id);
            is(earlier.all(|earlier| earlier.device_key == *possession.device_key()), "jwk")?;
            Ok(possession)
        });
        let bound_at = chain.link(LinkName::BindingReceipt, self.rests_on, || {
            let receipt = receipt.as_ref().map_err(Clone::clone)?;
            is(receipt.subject == ReceiptSubject::Binding && receipt.id == binding.device_id.to_string(), "id")?;
            is(receipt.sha256 == Sha256Hash::of(binding.pop.as_bytes()), "sha256")?;
            is(binding.binding_level == binding.grounds.level(), "binding_level")?;
            let is_of_code = matches!(binding.grounds, Grounds::Qr(_));
            is(is_of_code || receipt.code_shown_by.is_none(), "code_shown_by")?;
            date(receipt.at)
        });
        chain.audit(LinkName::BindingAudit, self, binding.audit.as_ref(), receipt.as_ref().ok(), |entry| {
            is(["device.bound", "device.rebound"].contains(&entry.event.as_str()), "event")?;
            is(entry.device_id == Some(binding.device_id), "device_id")?;
            is(entry.object == binding.registration_id.to_string(), "object")
        });

        // Card or code and the device have named the same key: the thumbprint in `expected` is of one.
        let bound = match (expected, possession, bound_at, chain.failed) {
            (Some(expected), Some(possession), Some(at), false) => Some(Bound {
                kvnr: expected.kvnr,
                device_id: binding.device_id,
                device_key: possession.device_key().clone(),
                at,
            }),
            _ => None,
        };
        let decisions: Vec<_> =
            device.approvals.iter().map(|approval| self.decision(approval, bound.as_ref(), chain.links)).collect();
        let Bound { kvnr, device_id, device_key, at } = bound?;
        let decisions = decisions.into_iter().collect::<Option<_>>()?;
        let binding_level = binding.binding_level;
        let code_shown_by = receipt.ok().and_then(|receipt| receipt.code_shown_by);
        Some(DeviceFindings { device_id, kvnr, binding_level, code_shown_by, bound_at: at, device_key, decisions })
    }

    fn decision(
        &self,
        approval: &ApprovalEvidence,
        bound: Option<&Bound>,
        links: &mut Vec<Link>,
    ) -> Option<DecisionFindings> {
        let mut chain = Chain { of: approval.approval_id.to_string(), links, failed: bound.is_none() };
        let bound = || bound.ok_or_else(|| "binding".to_owned());
        let document = chain.link(LinkName::Document, RestsOn::Device, || {
            let document = approval.document.read().map_err(text)?;
            is(document.account == bound()?.kvnr, "account")?;
            is(document.approval_id == approval.approval_id, "approval_id")?;
            Ok(document)
        });
        let receipt = self.receipt(&approval.receipt);
        let decision = chain.link(LinkName::Decision, RestsOn::Device, || {
            let expected = ExpectedDecision {
                aud: &self.service.aud,
                approval_id: approval.approval_id,
                document: &approval.document,
                challenge: approval.challenge,
            };
            let at = receipt.as_ref().map_err(Clone::clone)?.at;
            VerifiedDecision::check(&approval.decision, &bound()?.device_key, &expected, at).map_err(text)
        });
        let decided_at = chain.link(LinkName::DecisionReceipt, self.rests_on, || {
            let receipt = receipt.as_ref().map_err(Clone::clone)?;
            let decision = decision.as_ref().ok_or("decision")?;
            let is_for = receipt.subject == ReceiptSubject::Decision;
            is(is_for && receipt.id == approval.approval_id.to_string(), "id")?;
            is(receipt.sha256 == decision.sha256(), "sha256")?;
            is(receipt.code_shown_by.is_none(), "code_shown_by")?;
            let decided_at = date(receipt.at)?;
            is(decided_at >= bound()?.at, "at")?;
            Ok(decided_at)
        });
        chain.audit(LinkName::DecisionAudit, self, approval.audit.as_ref(), receipt.as_ref().ok(), |entry| {
            let verdict = decision.as_ref().ok_or("decision")?.verdict();
            let event = match verdict {
                Verdict::Approve => "application.approved",
                Verdict::Deny => "application.denied",
                Verdict::NotMe => "application.not_me",
            };
            is(entry.event == event, "event")?;
            is(entry.device_id == Some(bound()?.device_id), "device_id")?;
            let application_id = document.as_ref().ok_or("document")?.application_id;
            is(entry.object == application_id.to_string(), "object")
        });
        if chain.failed {
            return None;
        }
        let (verdict, document, decided_at) = (decision?.verdict(), document?, decided_at?);
        Some(DecisionFindings { approval_id: approval.approval_id, verdict, document, decided_at })
    }

    /// The approval by a device that stands before in the bundle and holds; what is expected of the new one then.
    fn addition(
        &self,
        binding: &BindingEvidence,
        grounds: &AdditionGrounds,
        before: &[DeviceFindings],
        bound_at: &Result<i64, String>,
    ) -> Result<Expected, String> {
        let approval = &grounds.approval;
        // By the card's first binding, where there are several: a device that was bound anew is as old as it is.
        let mut bindings = before.iter().filter(|device| device.device_id == grounds.added_by);
        let by = bindings.clone().find(|device| device.binding_level == BindingLevel::B3).or(bindings.next());
        let by = by.ok_or("added_by")?;
        is(approval.audit.is_none(), "audit")?;
        let receipt = self.receipt(&approval.receipt)?;
        let expected = ExpectedDecision {
            aud: &self.service.aud,
            approval_id: approval.approval_id,
            document: &approval.document,
            challenge: approval.challenge,
        };
        let decision =
            VerifiedDecision::check(&approval.decision, &by.device_key, &expected, receipt.at).map_err(text)?;
        let is_for = receipt.subject == ReceiptSubject::Decision && receipt.id == approval.approval_id.to_string();
        is(is_for, "id")?;
        is(receipt.sha256 == decision.sha256(), "sha256")?;
        is(receipt.code_shown_by.is_none(), "code_shown_by")?;
        is(receipt.at <= bound_at.clone()?, "at")?;
        let expected = self.expected(binding, Some(&by.kvnr))?;
        let approver = Approver { level: by.binding_level, bound_at: by.bound_at.unix_timestamp() };
        ApprovalProof::check(&decision, approver, receipt.at, &expected).map_err(text)?;
        Ok(expected)
    }

    /// What the links of a binding must be about; of the person of the card, or whom the device names.
    fn expected(&self, binding: &BindingEvidence, kvnr: Option<&Kvnr>) -> Result<Expected, String> {
        // The proof of possession carries its key; the signature of card or code says whether it is the right one.
        let (proof, key) = jws::verify_with_jwk::<ProofOfPossession>(&binding.pop, |_| true).map_err(text)?;
        Ok(Expected {
            aud: self.service.aud.clone(),
            registration_id: binding.registration_id,
            challenge: binding.challenge,
            jkt: key.thumbprint(),
            kvnr: kvnr.cloned().unwrap_or(proof.kvnr),
            share: ExpectedShare::Unknown,
        })
    }

    /// Reads a receipt signed by the service: by a key of the verifier's where there is one, else of the bundle's.
    fn receipt(&self, compact: &str) -> Result<Receipt, String> {
        is(!self.keys.is_empty(), "jwk")?;
        let (_, receipt) = jws::verify_by_any::<Receipt>(compact, &self.keys).map_err(text)?;
        is(receipt.v == VERSION, "v")?;
        is(receipt.aud == self.service.aud, "aud")?;
        Ok(receipt)
    }
}

struct Chain<'a> {
    of: String,
    links: &'a mut Vec<Link>,
    failed: bool,
}

impl Chain<'_> {
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
        self.links.push(Link { name, of: self.of.clone(), rests_on, result, detail });
        value
    }

    /// What it hangs on cannot be read.
    fn unread(&mut self, name: LinkName, rests_on: RestsOn) {
        self.links.push(Link { name, of: self.of.clone(), rests_on, result: LinkResult::NotChecked, detail: None });
    }

    /// The bundle has no such link.
    fn absent(&mut self, name: LinkName, rests_on: RestsOn) {
        let result = if self.failed { LinkResult::NotChecked } else { LinkResult::Absent };
        self.links.push(Link { name, of: self.of.clone(), rests_on, result, detail: None });
    }

    /// The entry right behind the place that the receipt names is about what the receipt was given for, and the path leads
    /// to a signed head.
    fn audit(
        &mut self,
        name: LinkName,
        walk: &Walk<'_>,
        inclusion: Option<&Inclusion>,
        receipt: Option<&Receipt>,
        is_about: impl FnOnce(&Entry) -> Result<(), String>,
    ) {
        let Some(inclusion) = inclusion else { return self.absent(name, walk.rests_on) };
        self.link(name, walk.rests_on, || {
            let receipt = receipt.ok_or("receipt")?;
            let (entry, _) = inclusion.check(receipt.audit_head, &walk.service.aud, &walk.keys).map_err(text)?;
            is(receipt.audit_seq.and_then(|before| before.checked_add(1)) == Some(entry.seq), "seq")?;
            is(entry.detail == Some(receipt.sha256.to_string()), "detail")?;
            is(entry.ts == receipt.at, "ts")?;
            is(entry.result == "ok", "result")?;
            is_about(&entry)
        });
    }
}

fn is(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn text(error: impl std::error::Error) -> String {
    error.to_string()
}

/// An error and what is behind it.
fn causes(error: impl std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    told
}

fn date(at: i64) -> Result<OffsetDateTime, String> {
    OffsetDateTime::from_unix_timestamp(at).map_err(text)
}
