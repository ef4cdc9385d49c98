//! PrK.CH.AUT.E256: the key that signs for the holder, once the PIN is verified.

use super::{DF_ESIGN, Egk, EgkError};
use crate::apdu::commands::{self, AlgorithmId, KeyRef};
use crate::reader::CardChannel;

/// PrK.CH.AUT.E256 while DF.ESIGN is selected (gemSpec_eGK_ObjSys_G2_1).
const PRK_CH_AUT_E256: KeyRef = KeyRef(0x84);

/// The card's signature key. Only `jose` signs with it: what is signed is then always a JWS of a known type.
#[allow(missing_debug_implementations, reason = "a borrowed card has nothing to show")]
pub struct AuthKey<'card, C>(&'card mut Egk<C>);

impl<C: CardChannel> Egk<C> {
    /// The signature key of this card. The card refuses to sign until its PIN is verified.
    pub fn auth_key(&mut self) -> AuthKey<'_, C> {
        AuthKey(self)
    }
}

impl<C: CardChannel> AuthKey<'_, C> {
    /// ECDSA on brainpoolP256r1 over SHA-256 of `message`: R‖S, 64 bytes, big endian.
    ///
    /// # Errors
    /// The line is gone, the PIN is not verified, or the answer is no signature.
    pub fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], EgkError> {
        let Self(egk) = self;
        egk.select(DF_ESIGN)?;
        if !egk.key_selected {
            let mse_set = commands::mse_set_signature_key(PRK_CH_AUT_E256, AlgorithmId::SIGN_ECDSA);
            let status = egk.transmit(&mse_set)?.status();
            if !status.is_ok() {
                return Err(EgkError::UnexpectedStatus { command: "MANAGE SECURITY ENVIRONMENT", status });
            }
            egk.key_selected = true;
        }
        let answer = egk.transmit(&commands::pso_compute_digital_signature(message))?;
        let unexpected =
            EgkError::UnexpectedStatus { command: "PSO COMPUTE DIGITAL SIGNATURE", status: answer.status() };
        if !answer.status().is_ok() {
            return Err(unexpected);
        }
        answer.data().try_into().map_err(|_| unexpected)
    }
}
