//! A health card in software: it loads a card image of gematik and behaves as the chip does with contacts
//! (gemSpec_COS V3.13.1).
//!
//! What it does: SELECT, READ BINARY, GET PIN STATUS, VERIFY, MANAGE SECURITY ENVIRONMENT (SET for signatures) and PSO
//! COMPUTE DIGITAL SIGNATURE on brainpoolP256r1. Every other command is refused. Access is decided by the rules of the
//! image; what a rule asks for and this card cannot show is refused.

mod access;
mod cos;
mod image;
pub mod personalise;
pub mod vpcd;

use std::fmt;

use crate::apdu::{CommandApdu, ResponseApdu};
use crate::reader::{CardChannel, ChannelError};
use cos::Session;
use image::Image;

pub use image::ImageError;

/// A card in software. Its retry counters last as long as the value; PINs shown to it and what is selected only until
/// [`reset`](Self::reset).
pub struct VirtualCard {
    image: Image,
    session: Session,
}

impl VirtualCard {
    /// Makes a card of the text of an image.
    ///
    /// # Errors
    /// [`ImageError`] says what is wrong, and with which object.
    pub fn load(xml: &str) -> Result<Self, ImageError> {
        Ok(Self { image: Image::parse(xml)?, session: Session::default() })
    }

    /// What the card answers to a reset (ISO/IEC 7816-3, 8): the image's `coldAnswerToReset`.
    pub fn atr(&self) -> &[u8] {
        &self.image.atr
    }

    /// Takes the power away and gives it back: the MF is selected and no PIN is verified any more.
    pub fn reset(&mut self) {
        self.session = Session::default();
    }

    /// Carries out one command APDU, short or extended, and gives the response APDU: at most 65535 bytes, the last two
    /// of them the status word. Bytes that are no command are answered as the chip does.
    pub fn execute(&mut self, command: &[u8]) -> Vec<u8> {
        self.session.execute(&mut self.image, command).to_bytes()
    }
}

impl CardChannel for VirtualCard {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        Ok(self.session.execute(&mut self.image, &command.to_bytes()))
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        Self::reset(self);
        Ok(())
    }
}

impl fmt::Debug for VirtualCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VirtualCard(***)")
    }
}
