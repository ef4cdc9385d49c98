//! The card was there, without its PIN (`docs/protocol.md`, presence of the chip): the chip has signed a nonce that
//! client and service each derive for themselves.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

use super::registration::Expected;
use super::{Challenge, Sha256Hash};
use crate::chip::{Iccsn, PresenceNonce};
use crate::identity::kvnr::Kvnr;
use crate::jose::{Thumbprint, base64url};
use crate::pki::cvc::{self, ChainError, Cvc, CvcRoots, VerifiedChip};
use crate::secret::masked;

/// What a chip shows itself for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// The service.
    pub aud: String,
    /// The service's challenge.
    pub challenge: Challenge,
    /// The device key.
    pub jkt: Thumbprint,
}

impl Occasion {
    /// A question of one's own. No service has this address, so that the answer is of no use elsewhere.
    pub fn of_nobody(rng: &mut dyn CryptoRng) -> Self {
        let jkt = Thumbprint::from([0; 32]);
        Self { aud: "kartenbund:nobody".to_owned(), challenge: Challenge::random(rng), jkt }
    }

    /// What the chip signs.
    pub fn nonce(&self) -> PresenceNonce {
        PresenceNonce::derive(&self.aud, self.challenge.as_bytes(), self.jkt.as_bytes())
    }
}

/// What a chip gives. All of it is public, and none of it personal but the card's number.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChipEvidence {
    /// C.eGK.AUT_CVC.E256.
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub chip: Vec<u8>,
    /// C.CA_eGK.CS.E256.
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub authority: Vec<u8>,
    /// R‖S, 64 bytes, big endian.
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub signature: Vec<u8>,
}

impl ChipEvidence {
    /// Whether the key of the certificate in it has signed for this occasion, whoever vouches for it.
    pub(super) fn is_signed_for(&self, occasion: &Occasion) -> bool {
        Cvc::parse(&self.chip).is_ok_and(|cvc| cvc::signed(&cvc, occasion.nonce().as_bytes(), &self.signature))
    }

    /// SHA-256 over the three parts as they travel, with a line feed between them.
    pub fn sha256(&self) -> Sha256Hash {
        let parts = [&self.chip, &self.authority, &self.signature];
        Sha256Hash::of(parts.map(|part| base64url::encode(part)).join("\n").as_bytes())
    }
}

masked!(ChipEvidence);

/// Why it does not show that a genuine chip was there.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PresenceError {
    /// Nobody vouches for the chip.
    #[error("the chip's certificates are not accepted")]
    Chain(#[from] ChainError),
    /// The chip of the certificate did not sign this.
    #[error("the chip's signature is wrong")]
    Signature,
}

/// A genuine chip was there for one occasion. It proves the chip and its card number (ICCSN), **not** the insurance
/// number: the certificate with the KVNR lies on the card readable for everybody and names no card, so that anyone can
/// put another person's beside it. Nor does it prove who holds the card, or that it was not relayed.
///
/// That a real card signs in this way was not confirmed yet.
#[derive(Debug)]
pub struct ChipPresence {
    chip: VerifiedChip,
    occasion: Occasion,
}

impl ChipPresence {
    /// Checks the chain up to a root, and the signature for this occasion.
    ///
    /// # Errors
    /// [`PresenceError`] names the first check that fails.
    pub fn check(
        evidence: &ChipEvidence,
        occasion: Occasion,
        roots: &dyn CvcRoots,
        at: OffsetDateTime,
    ) -> Result<Self, PresenceError> {
        let chip = cvc::verify(&evidence.chip, &evidence.authority, roots, at)?;
        if !chip.signed(occasion.nonce().as_bytes(), &evidence.signature) {
            return Err(PresenceError::Signature);
        }
        Ok(Self { chip, occasion })
    }

    /// The chip.
    pub fn chip(&self) -> &VerifiedChip {
        &self.chip
    }

    /// The number of its card.
    pub fn iccsn(&self) -> &Iccsn {
        self.chip.iccsn()
    }

    /// What it was there for. It says nothing about another service, challenge or device.
    pub fn occasion(&self) -> &Occasion {
        &self.occasion
    }
}

/// The insurer's register says that the card whose chip was there is this person's. That is its word: the chip does not
/// know whose it is.
#[derive(Debug)]
pub struct RegisteredCard {
    iccsn: Iccsn,
    kvnr: Kvnr,
}

impl RegisteredCard {
    /// Compares the chip's card number with the one the register has for this person.
    pub fn check(presence: &ChipPresence, registered: &Iccsn, kvnr: &Kvnr) -> Option<Self> {
        (presence.iccsn() == registered).then(|| Self { iccsn: registered.clone(), kvnr: kvnr.clone() })
    }

    /// Whether it is about this account, and the chip was there for its registration and device key.
    pub(super) fn is_about(&self, presence: &ChipPresence, expected: &Expected, device_key: Thumbprint) -> bool {
        let Occasion { aud, challenge, jkt } = &presence.occasion;
        self.iccsn == *presence.iccsn()
            && self.kvnr == expected.kvnr
            && (aud, challenge, jkt) == (&expected.aud, &expected.challenge, &expected.jkt)
            && *jkt == device_key
    }
}
