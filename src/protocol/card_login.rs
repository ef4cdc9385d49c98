//! Logging in with the card (`docs/protocol.md`, login with the card): under the card PIN the card signs a statement of
//! a `typ` of its own for this service and this session key, over a fresh challenge of the service.

use serde::{Deserialize, Serialize};

use super::login_challenge::{LiveChallenge, LoginStatement};
use super::registration::{CardOfAccount, Membership, Part, first_wrong, is_fresh};
use super::{Challenge, NumericDate, VERSION};
use crate::identity::kvnr::Kvnr;
use crate::jose::jws::{self, KeyHint};
use crate::jose::{ByCard, Message, Thumbprint};
use crate::pki::VerifiedCertificate;

/// The card's statement, `card-login+jws`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardLoginStatement {
    /// [`VERSION`].
    pub v: u32,
    /// The service.
    pub aud: String,
    /// The service's challenge.
    pub challenge: Challenge,
    /// The session key that logs in.
    pub jkt: Thumbprint,
    /// The account.
    pub kvnr: Kvnr,
    /// When it was made.
    pub iat: NumericDate,
}

impl Message for CardLoginStatement {
    const TYP: &'static str = "card-login+jws";
    const KEY_HINT: KeyHint = KeyHint::X5c;
    type Algorithm = ByCard;
}

impl LoginStatement for CardLoginStatement {
    const CHALLENGE_TYP: &'static str = "card-login-challenge+jws";
}

/// The card was there, its PIN was entered, and it signed for this session key, over this challenge.
#[derive(Debug)]
pub struct CardAuthentication {
    card: CardOfAccount,
    jkt: Thumbprint,
}

impl CardAuthentication {
    /// Checks the card's signature and every claim; uses the challenge up.
    ///
    /// # Errors
    /// The part that is wrong.
    pub fn check(
        certificate: &VerifiedCertificate,
        card_jws: &str,
        challenge: LiveChallenge<CardLoginStatement>,
        aud: &str,
        now: NumericDate,
    ) -> Result<Self, Part> {
        let der = &certificate.certificate().der;
        let statement: CardLoginStatement = jws::verify_with_x5c(card_jws, der, certificate.key())?;
        let claims = [
            ("v", statement.v == VERSION),
            ("aud", statement.aud == aud),
            ("challenge", statement.challenge == challenge.challenge()),
            ("jkt", statement.jkt == challenge.jkt()),
            ("kvnr", statement.kvnr == certificate.holder().kvnr),
            ("iat", is_fresh(statement.iat, now)),
        ];
        first_wrong(&claims)?;
        Ok(Self { card: CardOfAccount::new(certificate, &statement.kvnr), jkt: challenge.jkt() })
    }

    /// Whether this and the membership are about one card, of this account, for this session key: each is right by
    /// itself, and a login needs them to be right together.
    pub fn belongs_together(&self, membership: &Membership, account: &Kvnr, jkt: Thumbprint) -> bool {
        self.card.is_of(account) && membership.is_about(&self.card) && self.jkt == jkt
    }
}
