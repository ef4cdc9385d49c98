//! Adding a device by one that the card has bound (`docs/protocol.md`, registration by another device): what the old one
//! approves, and the string that shows both computers speak of the same key.
//!
//! Each computer has a nonce of its own in the string. The new one announces the hash of its nonce, and shows the nonce
//! only when it has that of the old one; the old one gives its nonce only when it has the hash. So whoever stands between
//! them, the service too, has fixed what he says to either before he knows what string comes of it: one try in 10^8 for
//! each registration that a person begins.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::application::{Change, NewDevice};
use super::approval::{Verdict, VerifiedDecision};
use super::registration::{Expected, Part, RegistrationError, first_wrong};
use super::{ApprovalId, BindingLevel, DeviceNonce, NumericDate, RegistrationId, Sha256Hash};
use crate::identity::kvnr::Kvnr;
use crate::jose::Thumbprint;
use crate::secret::masked;

/// How long a device has been bound that may add another, in seconds: 14 days.
pub const MIN_AGE: i64 = 14 * 24 * 60 * 60;
/// Digits of the string.
const DIGITS: usize = 8;

/// The short authentication string: eight digits that the new computer shows and the person types on the old one.
#[derive(Clone, Copy)]
pub struct ShortString([u8; DIGITS]);

impl ShortString {
    /// What both computers compute for themselves: SHA-256(`kartenbund/sas/v1` ‖ `00` ‖ aud ‖ `00` ‖ registration ‖ jkt ‖
    /// nonce of the new one ‖ nonce of the old one), the first eight bytes as a number, its last eight decimal digits.
    /// What follows the second zero has fixed lengths.
    pub fn of(
        aud: &str,
        registration_id: RegistrationId,
        jkt: Thumbprint,
        nonce_d: &DeviceNonce,
        nonce_o: &DeviceNonce,
    ) -> Self {
        let hash = Sha256::new()
            .chain_update(b"kartenbund/sas/v1\0")
            .chain_update(aud)
            .chain_update([0])
            .chain_update(registration_id.as_bytes())
            .chain_update(jkt.as_bytes())
            .chain_update(nonce_d.as_bytes())
            .chain_update(nonce_o.as_bytes())
            .finalize();
        let mut left = hash.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let mut digits = [b'0'; DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789".get(usize::try_from(left % 10).unwrap_or_default()).copied().unwrap_or(b'0');
            left /= 10;
        }
        Self(digits)
    }

    /// Reads what was typed; blanks and hyphens do not count.
    pub fn typed(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b' ' | b'-')).collect();
        let digits: [u8; DIGITS] = digits.try_into().ok()?;
        digits.iter().all(u8::is_ascii_digit).then_some(Self(digits))
    }
}

impl PartialEq for ShortString {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for ShortString {}

/// In two groups, as it is shown.
impl fmt::Display for ShortString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(place, digit)| {
            let gap = if place == DIGITS / 2 { " " } else { "" };
            write!(f, "{gap}{}", char::from(*digit))
        })
    }
}

/// What a device hands in that another one adds: the approval is all there is to name.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AdditionEvidence {
    /// The approval of type `device.add`.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub approval_id: ApprovalId,
}

masked!(ShortString, AdditionEvidence);

impl AdditionEvidence {
    /// SHA-256 of the approval's name as it travels.
    pub fn sha256(&self) -> Sha256Hash {
        Sha256Hash::of(self.approval_id.to_string().as_bytes())
    }
}

/// The device that has approved, as it was bound.
#[derive(Clone, Copy, Debug)]
pub struct Approver {
    /// What its own binding rests on.
    pub level: BindingLevel,
    /// Since when.
    pub bound_at: NumericDate,
}

impl Approver {
    /// From when on it may add a device: never, unless card and card PIN have bound it.
    pub fn may_add_from(self) -> Option<NumericDate> {
        (self.level == BindingLevel::B3).then(|| self.bound_at.saturating_add(MIN_AGE))
    }
}

/// A device that the card has bound has approved this very device key for this registration.
#[derive(Debug)]
pub struct ApprovalProof {
    kvnr: Kvnr,
    registration_id: RegistrationId,
    device_key: Thumbprint,
}

impl ApprovalProof {
    /// Checks what was approved, and by which device. `decided_at` is when the service took the decision.
    ///
    /// # Errors
    /// [`RegistrationError::Addition`] with the part that is wrong.
    pub fn check(
        decision: &VerifiedDecision,
        approver: Approver,
        decided_at: NumericDate,
        expected: &Expected,
    ) -> Result<Self, RegistrationError> {
        let document = decision.document().read().map_err(|_| RegistrationError::Addition(Part::Message))?;
        let Change::Device(NewDevice { registration_id, jkt, .. }) = document.change else {
            return Err(RegistrationError::Addition(Part::Claim("type")));
        };
        let claims = [
            ("decision", decision.verdict() == Verdict::Approve),
            ("account", document.account == expected.kvnr),
            ("registration_id", registration_id == expected.registration_id),
            ("jkt", jkt == expected.jkt),
            ("level", approver.may_add_from().is_some()),
            ("age", approver.may_add_from().is_none_or(|from| from <= decided_at)),
        ];
        first_wrong(&claims).map_err(RegistrationError::Addition)?;
        Ok(Self { kvnr: document.account, registration_id, device_key: jkt })
    }

    /// Whether it is about this account, registration and device key.
    pub(super) fn is_about(&self, expected: &Expected, device_key: Thumbprint) -> bool {
        self.kvnr == expected.kvnr && self.registration_id == expected.registration_id && self.device_key == device_key
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::SigningKey;

    use super::*;
    use crate::jose::{P256Jwk, jws};
    use crate::protocol::VERSION;
    use crate::protocol::application::PasswordReset;
    use crate::protocol::approval::{Decision, Document, ExpectedDecision};
    use crate::protocol::registration::{DevicePossession, Evidence, ExpectedShare, Method, ProofOfPossession};

    fn string(aud: &str, registration: u8, jkt: u8, new: u8, old: u8) -> String {
        let (new, old) = (DeviceNonce::from([new; 16]), DeviceNonce::from([old; 16]));
        ShortString::of(aud, [registration; 16].into(), [jkt; 32].into(), &new, &old).to_string()
    }

    /// `printf 'kartenbund/sas/v1\0https://a\0' …` with 16 × 01, 32 × 02, 16 × 03, 16 × 04, through `sha256sum`; the first
    /// 16 hexadecimal digits through `bc`.
    #[test]
    fn the_string_is_what_other_programs_compute() {
        assert_eq!(string("https://a", 1, 2, 3, 4), "5215 4441");
    }

    #[test]
    fn everything_that_is_said_is_in_the_string() {
        let own = string("https://a", 1, 2, 3, 4);
        for other in [
            string("https://b", 1, 2, 3, 4),
            string("https://a", 9, 2, 3, 4),
            string("https://a", 1, 9, 3, 4),
            string("https://a", 1, 2, 9, 4),
            string("https://a", 1, 2, 3, 9),
        ] {
            assert_ne!(own, other);
        }
    }

    #[test]
    fn what_is_typed_is_eight_digits_with_or_without_blanks() {
        let own = ShortString::typed("1234 5678").unwrap();
        assert_eq!(own.to_string(), "1234 5678");
        assert_eq!(ShortString::typed(" 1234-5678"), Some(own));
        for wrong in ["", "1234567", "123456789", "1234567a", "१२३४५६७८"] {
            assert_eq!(ShortString::typed(wrong), None, "{wrong}");
        }
        assert_ne!(ShortString::typed("12345679"), Some(own));
        assert!(!format!("{own:?}").contains("1234"));
    }

    /// A decision that a device has signed.
    fn decided(aud: &str, verdict: Verdict, account: &Kvnr, change: Change, at: NumericDate) -> VerifiedDecision {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let (approval_id, challenge) = ([3; 16].into(), [4; 32].into());
        let document =
            Document { approval_id, application_id: [6; 16].into(), account: account.clone(), created: 0, change };
        let document = document.freeze().unwrap();
        let decision = Decision {
            v: VERSION,
            aud: aud.to_owned(),
            approval_id,
            document: document.clone(),
            challenge,
            decision: verdict,
            reason: None,
            match_code: None,
            iat: at,
            exp: at + 60,
            jti: [8; 16].into(),
        };
        let compact = jws::sign(&decision, &key).unwrap();
        let wanted = ExpectedDecision { aud, approval_id, document: &document, challenge };
        VerifiedDecision::check(&compact, &P256Jwk::from(*key.verifying_key()), &wanted, at).unwrap()
    }

    #[test]
    fn an_approval_of_another_registration_key_or_person_binds_nothing() {
        let key = SigningKey::from_slice(&[9; 32]).unwrap();
        let jwk = P256Jwk::from(*key.verifying_key());
        let [erika, max] = ["A123456780", "M100200305"].map(|kvnr| Kvnr::typed(kvnr).unwrap());
        let at = 1000 + MIN_AGE;
        let expected = |registration: u8, jkt, kvnr: &Kvnr| Expected {
            aud: "https://a".to_owned(),
            registration_id: [registration; 16].into(),
            challenge: [5; 32].into(),
            jkt,
            kvnr: kvnr.clone(),
            share: ExpectedShare::Unknown,
        };
        let own = expected(1, jwk.thumbprint(), &erika);
        let pop = ProofOfPossession {
            v: VERSION,
            aud: own.aud.clone(),
            registration_id: own.registration_id,
            challenge: own.challenge,
            iat: at,
            method: Method::Device,
            kvnr: erika.clone(),
            jkt: own.jkt,
            evidence_sha256: [2; 32].into(),
            voprf_pk: None,
            transport_jwk: P256Jwk::from(*SigningKey::from_slice(&[8; 32]).unwrap().verifying_key()),
            attestation_sha256: None,
        };
        let pop = jws::sign_with_jwk(&pop, jwk, &key).unwrap();
        let device = DevicePossession::check(&pop, (Method::Device, [2; 32].into()), &own, at).unwrap();
        let binds = |of: &Expected| {
            let Expected { registration_id, jkt, .. } = *of;
            let new = NewDevice { registration_id, name: "PC".to_owned(), jkt, commit: [9; 32].into() };
            let decision = decided(&of.aud, Verdict::Approve, &of.kvnr, Change::Device(new), at);
            let approver = Approver { level: BindingLevel::B3, bound_at: 1000 };
            let proof = ApprovalProof::check(&decision, approver, at, of).unwrap();
            Evidence::Device(proof).belongs_together(&device, &own)
        };
        assert!(binds(&own));
        assert!(!binds(&expected(2, own.jkt, &erika)), "another registration");
        assert!(!binds(&expected(1, [2; 32].into(), &erika)), "another key");
        assert!(!binds(&expected(1, own.jkt, &max)), "another person");
    }

    #[test]
    fn every_claim_of_an_approval_is_checked() {
        let kvnr = Kvnr::typed("A123456780").unwrap();
        let expected = Expected {
            aud: "https://a".to_owned(),
            registration_id: [1; 16].into(),
            challenge: [5; 32].into(),
            jkt: [2; 32].into(),
            kvnr: kvnr.clone(),
            share: ExpectedShare::Unknown,
        };
        let check = |verdict, account: &Kvnr, change: Change, level, decided_at| {
            let decision = decided(&expected.aud, verdict, account, change, decided_at);
            let approver = Approver { level, bound_at: 1000 };
            match ApprovalProof::check(&decision, approver, decided_at, &expected) {
                Ok(_) => "holds",
                Err(RegistrationError::Addition(Part::Claim(claim))) => claim,
                Err(other) => panic!("{other}"),
            }
        };
        let device = |registration: u8, jkt: u8| {
            let (registration_id, jkt) = ([registration; 16].into(), [jkt; 32].into());
            Change::Device(NewDevice { registration_id, name: "PC".to_owned(), jkt, commit: [9; 32].into() })
        };
        let (b3, b1, at) = (BindingLevel::B3, BindingLevel::B1, 1000 + MIN_AGE);
        let max = Kvnr::typed("M100200305").unwrap();
        let reset = Change::Password(PasswordReset { jkt: [2; 32].into() });
        assert_eq!(check(Verdict::Approve, &kvnr, device(1, 2), b3, at), "holds");
        assert_eq!(check(Verdict::Deny, &kvnr, device(1, 2), b3, at), "decision");
        assert_eq!(check(Verdict::NotMe, &kvnr, device(1, 2), b3, at), "decision");
        assert_eq!(check(Verdict::Approve, &max, device(1, 2), b3, at), "account");
        assert_eq!(check(Verdict::Approve, &kvnr, reset, b3, at), "type");
        assert_eq!(check(Verdict::Approve, &kvnr, device(9, 2), b3, at), "registration_id");
        assert_eq!(check(Verdict::Approve, &kvnr, device(1, 9), b3, at), "jkt");
        assert_eq!(check(Verdict::Approve, &kvnr, device(1, 2), b1, at), "level");
        assert_eq!(check(Verdict::Approve, &kvnr, device(1, 2), BindingLevel::B2, at), "level");
        assert_eq!(check(Verdict::Approve, &kvnr, device(1, 2), b3, at - 1), "age");
    }

    #[test]
    fn only_a_device_that_the_card_has_bound_adds_others_and_after_fourteen_days() {
        let from = |level| Approver { level, bound_at: 1000 }.may_add_from();
        assert_eq!(from(BindingLevel::B3), Some(1000 + 14 * 86_400));
        assert_eq!((from(BindingLevel::B2), from(BindingLevel::B1)), (None, None));
    }
}
