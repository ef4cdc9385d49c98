//! The service's share in the device PIN (`docs/protocol.md`, the device PIN): what a device asks for and what it
//! confirms. Each message is taken once: the blinded element, or the attempt, is in it.

use serde::{Deserialize, Serialize};

use super::registration::{Part, first_wrong, is_fresh};
use super::{AttemptId, DeviceId, NumericDate, Sha256Hash, VERSION};
use crate::jose::{Es256, Message, P256Jwk, jws};
use crate::voprf::{Blinded, Element};

/// Evaluations without a confirmation in between, after which nothing more is evaluated.
pub const MAX_CONSECUTIVE: i64 = 5;
/// Evaluations that were never confirmed, after which nothing more is evaluated.
pub const MAX_UNCONFIRMED: i64 = 50;
/// From so many on the owner is warned that somebody else may have the file.
pub const MANY_UNCONFIRMED: i64 = 10;

macro_rules! messages {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// [`VERSION`].
            pub v: u32,
            /// The service.
            pub aud: String,
            /// The device.
            pub device_id: DeviceId,
            $($(#[$field_meta])* pub $field: $type,)*
            /// When it was made.
            pub iat: NumericDate,
        }

        impl Message for $name {
            const TYP: &'static str = "pin+jws";
            type Algorithm = Es256;
        }

        impl $name {
            fn check_head(&self, expected: &ExpectedPin<'_>, now: NumericDate) -> Result<(), Part> {
                first_wrong(&[
                    ("v", self.v == VERSION),
                    ("aud", self.aud == expected.aud),
                    ("device_id", self.device_id == expected.device_id),
                    ("iat", is_fresh(self.iat, now)),
                ])
            }
        }
    )*};
}

messages! {
    /// Asks for an evaluation, which costs a try until it is confirmed: `pin+jws` by the transport key.
    pub struct PinEvaluation {
        /// The share.
        voprf_pk: Element,
        /// What is to be evaluated.
        blinded: Element,
    }

    /// The PIN was right: `pin+jws` by the device key.
    pub struct PinConfirmation {
        /// The evaluation that opened the key, or that the file is locked with now.
        attempt_id: AttemptId,
    }

    /// Asks for another share and one evaluation with it: `pin+jws` by the device key. The shares before hold until the
    /// new one is confirmed.
    pub struct PinChange {
        /// The share the file is locked with; `null` where the PIN was checked on the device alone.
        voprf_pk: Option<Element>,
        /// What is to be evaluated.
        blinded: Element,
    }
}

/// What the service knows of a device, against which its messages are checked.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedPin<'a> {
    /// The service.
    pub aud: &'a str,
    /// The device.
    pub device_id: DeviceId,
}

/// An element that a device has asked to be evaluated, which is one. Nothing but the checks makes one.
#[derive(Debug)]
pub struct RequestedElement {
    share: Option<Element>,
    blinded: Blinded,
    sha256: Sha256Hash,
}

impl RequestedElement {
    /// Checks a [`PinEvaluation`]: signature of the transport key, claims, and the element, before anything is counted.
    ///
    /// # Errors
    /// The part that is wrong.
    pub fn of_evaluation(
        compact: &str,
        transport_key: &P256Jwk,
        expected: &ExpectedPin<'_>,
        now: NumericDate,
    ) -> Result<Self, Part> {
        let message: PinEvaluation = jws::verify(compact, transport_key.verifying_key())?;
        message.check_head(expected, now)?;
        Self::new(Some(message.voprf_pk), &message.blinded)
    }

    /// Checks a [`PinChange`]: signature of the device key, claims, and the element.
    ///
    /// # Errors
    /// The part that is wrong.
    pub fn of_change(
        compact: &str,
        device_key: &P256Jwk,
        expected: &ExpectedPin<'_>,
        now: NumericDate,
    ) -> Result<Self, Part> {
        let message: PinChange = jws::verify(compact, device_key.verifying_key())?;
        message.check_head(expected, now)?;
        Self::new(message.voprf_pk, &message.blinded)
    }

    /// Looks at the element of a registration, whose session vouches for the request.
    ///
    /// # Errors
    /// It is no element, or the identity.
    pub fn of_registration(blinded: &Element) -> Result<Self, Part> {
        Self::new(None, blinded)
    }

    fn new(share: Option<Element>, element: &Element) -> Result<Self, Part> {
        let blinded = Blinded::parse(element).ok_or(Part::Claim("blinded"))?;
        Ok(Self { share, blinded, sha256: Sha256Hash::of(element.as_bytes()) })
    }

    /// The share the file is locked with.
    pub fn share(&self) -> Option<Element> {
        self.share
    }

    /// The element.
    pub fn blinded(&self) -> &Blinded {
        &self.blinded
    }

    /// Names the element; nothing else of it is kept.
    pub fn sha256(&self) -> Sha256Hash {
        self.sha256
    }
}

/// The device key signed that an attempt was its owner's. Nothing but the check makes one.
#[derive(Debug)]
pub struct ConfirmedAttempt(AttemptId);

impl ConfirmedAttempt {
    /// Checks a [`PinConfirmation`].
    ///
    /// # Errors
    /// The part that is wrong.
    pub fn check(
        compact: &str,
        device_key: &P256Jwk,
        expected: &ExpectedPin<'_>,
        now: NumericDate,
    ) -> Result<Self, Part> {
        let message: PinConfirmation = jws::verify(compact, device_key.verifying_key())?;
        message.check_head(expected, now)?;
        Ok(Self(message.attempt_id))
    }

    /// The attempt.
    pub fn id(&self) -> AttemptId {
        self.0
    }
}
