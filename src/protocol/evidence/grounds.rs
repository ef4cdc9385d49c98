//! What the level of a binding follows from.

use serde::{Deserialize, Serialize};

use super::ApprovalEvidence;
use crate::jose::{P256Jwk, base64url};
use crate::protocol::addition::AdditionEvidence;
use crate::protocol::presence::ChipEvidence;
use crate::protocol::qr::QrEvidence;
use crate::protocol::registration::{CardEvidence, Method};
use crate::protocol::{BindingLevel, DeviceId, Sha256Hash};
use crate::secret::masked;

/// What the level of a binding follows from; which of them it is follows from the members. They refuse members that
/// neither they nor [`super::BindingEvidence`] knows.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Grounds {
    /// Card and card PIN.
    Card(CardGrounds),
    /// A code, of a letter or on a screen.
    Qr(QrGrounds),
    /// The approval of another device.
    Device(AdditionGrounds),
    /// The chip of the card.
    Chip(ChipGrounds),
}

/// What stands behind a card.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CardGrounds {
    /// The certificate of the card's issuer (DER).
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub issuer_cert: Vec<u8>,
    /// What the card signed.
    pub card: CardEvidence,
    /// That the card was not revoked; none where the service did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocsp: Option<OcspEvidence>,
}

/// What a responder said about the card's certificate when the device was bound.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OcspEvidence {
    /// Its certificate (DER).
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub responder: Vec<u8>,
    /// Its answer, as it was received (DER).
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub answer: Vec<u8>,
}

/// What stands behind a code, of a letter or on a screen: which of them the receipt says.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct QrGrounds {
    /// The public key of the code. That it is this person's code is the word of the service.
    #[cfg_attr(feature = "server", schema(value_type = Object))]
    pub qr_jwk: P256Jwk,
    /// What its key signed.
    pub qr: QrEvidence,
}

/// What stands behind a device that another one has added.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AdditionGrounds {
    /// The device that has approved; it stands before this one in the bundle.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub added_by: DeviceId,
    /// What it has decided. Where the audit tells of it stands among the decisions of that device.
    pub approval: ApprovalEvidence,
}

/// What stands behind a chip.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChipGrounds {
    /// What the chip gave. That it was genuine, and of this person, is the word of the service.
    pub chip: ChipEvidence,
}

masked!(Grounds, CardGrounds, OcspEvidence, QrGrounds, AdditionGrounds, ChipGrounds);

impl Grounds {
    /// The level that a binding has which rests on these.
    pub(super) fn level(&self) -> BindingLevel {
        match self {
            Self::Card(_) => BindingLevel::B3,
            Self::Chip(_) => BindingLevel::B2,
            Self::Qr(_) | Self::Device(_) => BindingLevel::B1,
        }
    }

    pub(super) fn method(&self) -> Method {
        match self {
            Self::Card(_) => Method::Card,
            Self::Qr(_) => Method::Qr,
            Self::Device(_) => Method::Device,
            Self::Chip(_) => Method::Chip,
        }
    }

    /// The hash of what was handed in.
    pub(super) fn sha256(&self) -> Sha256Hash {
        match self {
            Self::Card(grounds) => grounds.card.sha256(),
            Self::Qr(grounds) => grounds.qr.sha256(),
            Self::Device(grounds) => AdditionEvidence { approval_id: grounds.approval.approval_id }.sha256(),
            Self::Chip(grounds) => grounds.chip.sha256(),
        }
    }
}
