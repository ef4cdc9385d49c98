//! The chip shows that it is genuine, without any PIN. Not confirmed on a real card yet.

use super::{Egk, EgkError, files};
use crate::apdu::StatusWord;
use crate::apdu::commands::{self, AlgorithmId, KeyRef};
use crate::chip::PresenceNonce;
use crate::reader::CardChannel;

/// PrK.eGK.AUT_CVC.E256, a key of the MF: it can be chosen from every application.
const PRK_EGK_AUT_CVC_E256: KeyRef = KeyRef(0x09);

impl<C: CardChannel> Egk<C> {
    /// Reads the card-verifiable certificate of the chip (EF.C.eGK.AUT_CVC.E256). One command when the MF is selected.
    ///
    /// # Errors
    /// The line is gone, or the file holds no such certificate.
    pub fn read_chip_certificate(&mut self) -> Result<Vec<u8>, EgkError> {
        self.read(&files::EF_C_EGK_AUT_CVC_E256)
    }

    /// Reads the certificate of the CA above it (EF.C.CA_eGK.CS.E256). One command when the MF is selected.
    ///
    /// # Errors
    /// The line is gone, or the file holds no such certificate.
    pub fn read_chip_authority(&mut self) -> Result<Vec<u8>, EgkError> {
        self.read(&files::EF_C_CA_EGK_CS_E256)
    }

    /// Has the chip sign `nonce` with PrK.eGK.AUT_CVC.E256 (INTERNAL AUTHENTICATE): R‖S, 64 bytes, big endian. Two
    /// commands.
    ///
    /// # Errors
    /// The line is gone, or the card does not sign.
    pub fn authenticate_chip(&mut self, nonce: &PresenceNonce) -> Result<[u8; 64], EgkError> {
        self.reachable()?;
        let refused = |command, status| match status {
            // With contacts, everybody may ask for this.
            StatusWord::SECURITY_STATUS_NOT_SATISFIED => EgkError::Contactless,
            status => EgkError::UnexpectedStatus { command, status },
        };
        let algorithm = AlgorithmId::ELC_ROLE_AUTHENTICATION;
        let mse_set = commands::mse_set_authentication_key(PRK_EGK_AUT_CVC_E256, algorithm);
        let status = self.transmit(&mse_set)?.status();
        if !status.is_ok() {
            return Err(refused("MANAGE SECURITY ENVIRONMENT", status));
        }
        let answer = self.transmit(&commands::internal_authenticate(nonce))?;
        let signature = answer.data().try_into().ok().filter(|_| answer.status().is_ok());
        signature.ok_or_else(|| refused("INTERNAL AUTHENTICATE", answer.status()))
    }
}
