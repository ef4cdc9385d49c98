//! The card's key as a signer. Its `sign` is called from here only, so the card never signs anything but a JWS.

use super::jws::{ByCard, Signer};
use crate::egk::{AuthKey, EgkError};
use crate::reader::CardChannel;

impl<C: CardChannel> Signer<ByCard> for AuthKey<'_, C> {
    type Error = EgkError;

    fn name(&self) -> &'static str {
        if self.is_rsa() { "PS256" } else { "BP256R1" }
    }

    fn sign(&mut self, signing_input: &[u8]) -> Result<Vec<u8>, EgkError> {
        AuthKey::sign(self, signing_input)
    }
}
