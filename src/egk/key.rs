//! PrK.CH.AUT: the key that signs for the holder, once the PIN is verified.

use super::{DF_ESIGN, Egk, EgkError};
use crate::apdu::commands::{self, AlgorithmId, KeyRef};
use crate::reader::CardChannel;

/// Which of the card's keys signs (gemSpec_eGK_ObjSys and _G2_1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// PrK.CH.AUT.E256, on brainpoolP256r1.
    E256,
    /// PrK.CH.AUT.R2048, RSA, on cards of generation 2.
    R2048,
}

impl Kind {
    /// Reference while DF.ESIGN is selected, algorithm, and bytes of a signature.
    fn parameters(self) -> (KeyRef, AlgorithmId, usize) {
        match self {
            Self::E256 => (KeyRef(0x84), AlgorithmId::SIGN_ECDSA, 64),
            Self::R2048 => (KeyRef(0x82), AlgorithmId::SIGN_PSS, 256),
        }
    }
}

/// The card's signature key. Only `jose` signs with it: what is signed is then always a JWS of a known type.
#[allow(missing_debug_implementations, reason = "a borrowed card has nothing to show")]
pub struct AuthKey<'card, C>(&'card mut Egk<C>);

impl<C: CardChannel> Egk<C> {
    /// The signature key of this card: the one of the certificate that [`read_certificate`](Self::read_certificate)
    /// found, before that the one on brainpoolP256r1. The card refuses to sign until its PIN is verified.
    pub fn auth_key(&mut self) -> AuthKey<'_, C> {
        AuthKey(self)
    }
}

impl<C: CardChannel> AuthKey<'_, C> {
    /// Whether the key is RSA.
    pub fn is_rsa(&self) -> bool {
        self.0.key == Kind::R2048
    }

    /// Signs SHA-256 of `message`: ECDSA on brainpoolP256r1 gives R‖S, 64 bytes, big endian; RSA gives RSASSA-PSS with
    /// MGF1-SHA-256 and 32 bytes of salt, 256 bytes (salt length from memory of the specification).
    ///
    /// # Errors
    /// The line is gone, the PIN is not verified, or the answer is no signature.
    pub fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, EgkError> {
        let Self(egk) = self;
        egk.select(DF_ESIGN)?;
        let (reference, algorithm, length) = egk.key.parameters();
        if !egk.key_selected {
            let mse_set = commands::mse_set_signature_key(reference, algorithm);
            let status = egk.transmit(&mse_set)?.status();
            if !status.is_ok() {
                return Err(EgkError::UnexpectedStatus { command: "MANAGE SECURITY ENVIRONMENT", status });
            }
            egk.key_selected = true;
        }
        let answer = egk.transmit(&commands::pso_compute_digital_signature(message))?;
        if !answer.status().is_ok() || answer.data().len() != length {
            let status = answer.status();
            return Err(EgkError::UnexpectedStatus { command: "PSO COMPUTE DIGITAL SIGNATURE", status });
        }
        Ok(answer.into_data())
    }
}
