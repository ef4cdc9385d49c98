//! The card's key as a signer. Its `sign` is called from here only, so the card never signs anything but a JWS.

use super::jws::{Bp256r1, Signer};
use crate::egk::{AuthKey, EgkError};
use crate::reader::CardChannel;

impl<C: CardChannel> Signer<Bp256r1> for AuthKey<'_, C> {
    type Error = EgkError;

    fn sign(&mut self, signing_input: &[u8]) -> Result<[u8; 64], EgkError> {
        AuthKey::sign(self, signing_input)
    }
}
