//! A card, and what its owner knows of it: the fixture `erika.xml`.

use std::convert::Infallible;

use kartenbund::apdu::{CommandApdu, ResponseApdu};
use kartenbund::reader::pace::{self, EphemeralKeys};
use kartenbund::reader::secure::SecureChannel;
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::secret::{Can, SecretText};
use kartenbund::virtual_card::VirtualCard;
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};

/// The card's image.
pub(crate) const IMAGE: &str = include_str!("../../fixtures/cards/erika.xml");
/// The ephemeral keys of every run of PACE here.
pub(crate) const KEYS: [[u8; 32]; 2] = [[0x11; 32], [0x22; 32]];

pub(crate) fn ephemeral_keys() -> EphemeralKeys {
    EphemeralKeys::from_bytes(&KEYS[0], &KEYS[1]).expect("scalars of the curve")
}

pub(crate) fn can(digits: &str) -> Can {
    Can::parse(&SecretText::new(digits.to_owned())).expect("six digits")
}

/// The card with contacts, or without.
pub(crate) fn card(is_contactless: bool) -> VirtualCard {
    match is_contactless {
        false => VirtualCard::load(IMAGE),
        true => VirtualCard::load_contactless(IMAGE, &mut Dice(0)),
    }
    .expect("the fixture is an image")
}

pub(crate) fn command(hex: &str) -> CommandApdu {
    CommandApdu::parse(&hex::decode(hex).expect("hexadecimal")).expect("a command")
}

/// Commands and answers as they went over the line.
pub(crate) struct Tape {
    card: VirtualCard,
    pub(crate) exchanges: Vec<(Vec<u8>, Vec<u8>)>,
}

impl CardChannel for Tape {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        let answer = self.card.transmit(command)?;
        self.exchanges.push((command.to_bytes().to_vec(), answer.to_bytes()));
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        CardChannel::reset(&mut self.card)
    }
}

/// A contactless session: PACE, then StatusVD, the person, and the state of the PIN.
pub(crate) fn contactless() -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut channel = SecureChannel::new(Tape { card: card(true), exchanges: Vec::new() });
    channel.transmit(&command("00A4040C07D2760001448000")).expect("a card");
    pace::establish(&mut channel, &can("123123"), &ephemeral_keys()).expect("the right number");
    for line in ["00A4040C06D27600000102", "00B08C0019", "00B08100000000", "80200002"] {
        channel.transmit(&command(line)).expect("a session");
    }
    channel.into_inner().exchanges
}

/// The session as a file that brings its keys.
pub(crate) fn file<'a>(exchanges: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let [mapping, agreement] = KEYS.map(hex::encode);
    let mut text = format!(
        "{{\"type\":\"header\",\"version\":1,\"supports_extended_length\":true,\
         \"keys\":[\"{mapping}\",\"{agreement}\"],\"can\":\"123123\"}}\n"
    );
    for (tx, rx) in exchanges {
        text += &format!("{{\"type\":\"exchange\",\"tx\":\"{}\",\"rx\":\"{}\"}}\n", hex::encode(tx), hex::encode(rx));
    }
    text
}

/// The same random numbers in every run.
pub(crate) struct Dice(pub(crate) u64);

impl TryRng for Dice {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(32) {
            self.0 += 1;
            chunk.copy_from_slice(&Sha256::digest(self.0.to_be_bytes())[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Dice {}
