//! A health card in software: it loads a card image of gematik and behaves as the chip does, with contacts or without
//! (gemSpec_COS V3.13.1).
//!
//! What it does: SELECT, READ BINARY, GET PIN STATUS, VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER, MANAGE SECURITY
//! ENVIRONMENT (SET for signatures and PACE), PSO COMPUTE DIGITAL SIGNATURE on brainpoolP256r1, GENERAL AUTHENTICATE for
//! PACE, and secure messaging. Every other command is refused. Access is decided by the rules of the image; what a rule
//! asks for and this card cannot show is refused.

mod access;
mod cos;
mod image;
pub mod personalise;
pub mod scenario;
pub mod vpcd;

use std::fmt;

use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};

use crate::apdu::{CommandApdu, ResponseApdu};
use crate::reader::{CardChannel, ChannelError};
use crate::secret::SecretBytes;
use access::Interface;
use cos::Session;
use image::Image;

pub use image::ImageError;

/// A card in software. Its retry counters last as long as the value; PINs shown to it and what is selected only until
/// [`reset`](Self::reset).
pub struct VirtualCard {
    image: Image,
    interface: Interface,
    session: Session,
    seed: SecretBytes<32>,
    draws: u64,
}

/// What a reader without contacts makes of a card's answer: nothing but its kind (PC/SC, part 3, 3.1.3.2.3.1).
const CONTACTLESS_ATR: [u8; 5] = [0x3B, 0x80, 0x80, 0x01, 0x01];

impl VirtualCard {
    /// Makes a card of the text of an image, to be used with contacts.
    ///
    /// # Errors
    /// [`ImageError`] says what is wrong, and with which object.
    pub fn load(xml: &str) -> Result<Self, ImageError> {
        // With contacts nothing is drawn that matters: PACE protects nothing there.
        Self::on(Interface::Contact, xml, SecretBytes::written(|_| {}))
    }

    /// The same card on a reader without contacts: it wants PACE first.
    ///
    /// # Errors
    /// [`ImageError`] says what is wrong, and with which object.
    pub fn load_contactless(xml: &str, rng: &mut dyn CryptoRng) -> Result<Self, ImageError> {
        Self::on(Interface::Contactless, xml, SecretBytes::random(rng))
    }

    fn on(interface: Interface, xml: &str, seed: SecretBytes<32>) -> Result<Self, ImageError> {
        Ok(Self { image: Image::parse(xml)?, interface, session: Session::new(interface), seed, draws: 0 })
    }

    /// What the card answers to a reset (ISO/IEC 7816-3, 8): the image's `coldAnswerToReset`.
    pub fn atr(&self) -> &[u8] {
        match self.interface {
            Interface::Contact => &self.image.atr,
            Interface::Contactless => &CONTACTLESS_ATR,
        }
    }

    /// Takes the power away and gives it back: the MF is selected and no PIN is verified any more.
    pub fn reset(&mut self) {
        self.session = Session::new(self.interface);
    }

    /// Carries out one command APDU, short or extended, and gives the response APDU: at most 65535 bytes, the last two
    /// of them the status word. Bytes that are no command are answered as the chip does.
    pub fn execute(&mut self, command: &[u8]) -> Vec<u8> {
        self.answer(command).to_bytes()
    }

    fn answer(&mut self, command: &[u8]) -> ResponseApdu {
        let (seed, draws) = (&self.seed, &mut self.draws);
        // Bytes nobody can foretell without the seed, and never the same again.
        let mut random = || {
            *draws = draws.wrapping_add(1);
            SecretBytes::written(|bytes| {
                let hash = Sha256::new().chain_update(seed.expose()).chain_update(draws.to_be_bytes());
                *bytes = hash.finalize().into();
            })
        };
        self.session.execute(&mut self.image, command, &mut random)
    }
}

impl CardChannel for VirtualCard {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        Ok(self.answer(&command.to_bytes()))
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        Self::reset(self);
        Ok(())
    }

    fn atr(&self) -> &[u8] {
        Self::atr(self)
    }
}

impl fmt::Debug for VirtualCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VirtualCard(***)")
    }
}
