//! What a card is, found out without spending a try of its PIN and without keeping anything about its holder.

use std::fmt;

use rand_core::CryptoRng;

use crate::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::egk::{ApduLength, Egk, EgkError, Generation, ObjectSystem, PinStatus};
use crate::identity::certificate::Certificate;
use crate::protocol::NumericDate;
use crate::reader::{CardChannel, ChannelError};
use crate::secret::Can;

/// How often a card is examined again that was interrupted, as everywhere ([`crate::client::restarting`]).
const RESTARTS: u8 = 2;
/// Most commands whose status word is kept.
const MAX_EXCHANGES: usize = 500;

/// What a card is.
#[derive(Debug)]
pub struct CardFacts {
    /// Its answer to reset, or what the reader made up.
    pub atr: Vec<u8>,
    /// Generation and object system, of a health card.
    pub version: Option<(Generation, ObjectSystem)>,
    /// Whether it is a health card that can be used.
    pub kind: Result<(), EgkError>,
    /// Whether its certificate has begun and not ended.
    pub validity: Option<Validity>,
    /// What GET PIN STATUS says.
    pub pin: Option<Result<PinStatus, EgkError>>,
    /// Header and status word of every command, in order; no status word where no answer came.
    pub exchanges: Vec<Exchange>,
}

/// A command without its data, and the status word of the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// CLA, INS, P1, P2.
    pub header: [u8; 4],
    /// `None` where no answer came.
    pub status: Option<StatusWord>,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(self.header))?;
        match self.status {
            Some(status) => write!(f, " {status}"),
            None => f.write_str(" -"),
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a certificate is within its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is.
    Valid,
    /// It has ended.
    Expired,
    /// It has not begun.
    NotYet,
}

impl CardFacts {
    /// Asks the card at the end of `channel`. A card on a reader without contacts tells less where no `can` is given.
    pub fn of(
        channel: &mut dyn CardChannel,
        length: ApduLength,
        can: Option<&Can>,
        rng: &mut dyn CryptoRng,
        now: NumericDate,
    ) -> Self {
        let mut listener = Listener { channel, exchanges: Vec::new() };
        let atr = listener.atr().to_vec();
        let mut facts = Self { atr, version: None, kind: Ok(()), validity: None, pin: None, exchanges: Vec::new() };
        facts.kind = facts.examine(&mut listener, length, can, rng, now);
        let mut length = length;
        for _ in 0..RESTARTS {
            let Some(again) = facts.begins_again(length) else { break };
            length = again;
            (facts.version, facts.validity, facts.pin) = (None, None, None);
            facts.kind = match listener.reset() {
                Ok(()) => facts.examine(&mut listener, length, can, rng, now),
                Err(error) => Err(error.into()),
            };
        }
        facts.exchanges = listener.exchanges;
        facts
    }

    /// With which length to examine the card once more: another program reset it in the middle, or the reader turned out
    /// to carry short APDUs alone while the line was secured. What was selected and agreed on is gone.
    fn begins_again(&self, length: ApduLength) -> Option<ApduLength> {
        let pin = self.pin.as_ref().and_then(|pin| pin.as_ref().err());
        self.kind.as_ref().err().into_iter().chain(pin).find_map(|error| match error {
            EgkError::Channel(ChannelError::Reset) => Some(length),
            EgkError::TooLong { shorter } => Some(*shorter),
            _ => None,
        })
    }

    fn examine(
        &mut self,
        listener: &mut Listener<'_>,
        length: ApduLength,
        can: Option<&Can>,
        rng: &mut dyn CryptoRng,
        now: NumericDate,
    ) -> Result<(), EgkError> {
        let mut egk = Egk::open(listener, length)?;
        self.version = Some((egk.generation(), egk.object_system()));
        egk.select_insurance_data()?;
        match (self.examine_open(&mut egk, now), can) {
            (Err(EgkError::Contactless), Some(can)) => {
                egk.open_contactless(can, rng)?;
                self.examine_open(&mut egk, now)
            }
            (outcome, _) => outcome,
        }
    }

    /// What only a card tells that has contacts or was opened.
    fn examine_open(&mut self, egk: &mut Egk<&mut Listener<'_>>, now: NumericDate) -> Result<(), EgkError> {
        self.pin = None;
        match egk.pin_status() {
            Err(EgkError::Contactless) => return Err(EgkError::Contactless),
            pin => self.pin = Some(pin),
        }
        let certificate = Certificate::parse(egk.read_certificate()?.der());
        self.validity = certificate.ok().map(|certificate| {
            match (certificate.not_before.unix_timestamp(), certificate.not_after.unix_timestamp()) {
                (begin, _) if now < begin => Validity::NotYet,
                (_, end) if now > end => Validity::Expired,
                _ => Validity::Valid,
            }
        });
        Ok(())
    }

    /// Whether the card has answered anything at all.
    pub fn has_answered(&self) -> bool {
        self.exchanges.iter().any(|exchange| exchange.status.is_some())
    }

    /// Whether the card lies on a reader without contacts and no access number was given.
    pub fn needs_can(&self) -> bool {
        matches!(self.kind, Err(EgkError::Contactless))
    }
}

/// Passes everything on, and keeps header and status word of it.
struct Listener<'a> {
    channel: &'a mut dyn CardChannel,
    exchanges: Vec<Exchange>,
}

impl CardChannel for Listener<'_> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        let answer = self.channel.transmit(command);
        if self.exchanges.len() < MAX_EXCHANGES {
            let status = answer.as_ref().ok().map(ResponseApdu::status);
            self.exchanges.push(Exchange { header: command.header(), status });
        }
        answer
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        self.channel.reset()
    }

    fn atr(&self) -> &[u8] {
        self.channel.atr()
    }

    fn max_data(&self) -> Option<u32> {
        self.channel.max_data()
    }
}
