//! What comes of verifying evidence: its links, and what it says when all of them hold.

use serde::Serialize;
use time::OffsetDateTime;

use crate::identity::kvnr::Kvnr;
use crate::jose::P256Jwk;
use crate::protocol::approval::{Document, Verdict};
use crate::protocol::qr::ShownBy;
use crate::protocol::{ApprovalId, BindingLevel, DeviceId};

/// What a link of the chain rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RestsOn {
    /// The signature of the CA that issued the card, pinned by whoever verifies.
    CardIssuer,
    /// The signature of the trust list, by a signer whose CA was pinned by whoever verifies.
    TrustListSigner,
    /// The signature of an OCSP responder, pinned by whoever verifies.
    OcspResponder,
    /// The chain of the chip's certificates up to a root that was pinned by whoever verifies, and the signature of the chip.
    ChipRoot,
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
    /// The trust list that named the card's issuer is signed.
    TrustList,
    /// The card's certificate is by a trusted CA and valid when the device was bound.
    Certificate,
    /// The card was not revoked then.
    Revocation,
    /// The card signed the device key.
    CardSignature,
    /// The key of a code, of a letter or on a screen, signed the device key.
    CodeSignature,
    /// Another device, which the card has bound, approved the device key.
    DeviceAddition,
    /// The chip of a card signed for the device key.
    ChipSignature,
    /// The device key signed that.
    DevicePossession,
    /// The service took the binding at its time.
    BindingReceipt,
    /// The service's audit tells of it at that place.
    BindingAudit,
    /// The document is whole and of the person of the binding.
    Document,
    /// The device key signed the decision over the document.
    Decision,
    /// The service took the decision at its time.
    DecisionReceipt,
    /// The service's audit tells of it at that place.
    DecisionAudit,
}

/// One link, checked or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Which one.
    pub name: LinkName,
    /// The device or the approval it is about.
    pub of: String,
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
    /// What it hangs on fails.
    NotChecked,
    /// The bundle does not have it, and stands without it.
    Absent,
}

/// What a verified bundle says.
#[derive(Debug)]
pub struct Findings {
    /// The devices of one person.
    pub devices: Vec<DeviceFindings>,
}

/// What it says about a device.
#[derive(Debug)]
pub struct DeviceFindings {
    /// The device.
    pub device_id: DeviceId,
    /// Whose card it was; at B1 whose account, by the service's word.
    pub kvnr: Kvnr,
    /// Level of the binding, derived from the evidence.
    pub binding_level: BindingLevel,
    /// Where the code was shown that bound it, by the service's word; none of a letter's, and where there was none.
    pub code_shown_by: Option<ShownBy>,
    /// When the device was bound, by the service's word.
    pub bound_at: OffsetDateTime,
    /// Its key.
    pub device_key: P256Jwk,
    /// What was decided on it.
    pub decisions: Vec<DecisionFindings>,
}

/// The decision of a verified bundle.
#[derive(Debug)]
pub struct DecisionFindings {
    /// The approval.
    pub approval_id: ApprovalId,
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
