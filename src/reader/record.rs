//! A line to a card that writes down what passes, so that it can be played again (`docs/card.md`).

use std::io::Write;

use serde_json::json;

use super::replay::{FORMAT_VERSION, ReplayMismatch, SessionSecrets, is_for_files};
use super::{CardChannel, ChannelError};
use crate::apdu::{CommandApdu, ResponseApdu};

/// Passes everything on and writes one JSON line for each exchange.
#[allow(missing_debug_implementations, reason = "what is written down holds keys and personal data")]
pub struct Recorder<C, W> {
    channel: C,
    out: W,
    is_contactless: bool,
}

impl<C: CardChannel, W: Write> Recorder<C, W> {
    /// Starts a recording with its header line. A session without contacts is written down with the `secrets` that secure
    /// it: whoever has the file can read everything in it.
    ///
    /// # Errors
    /// The line could not be written.
    pub fn start(
        channel: C,
        mut out: W,
        extended_length: bool,
        secrets: Option<&SessionSecrets>,
    ) -> Result<Self, ChannelError> {
        let can = secrets.map(|secrets| String::from_utf8_lossy(secrets.can.expose()).into_owned());
        let header = json!({
            "type": "header", "version": FORMAT_VERSION, "supports_extended_length": extended_length,
            "keys": secrets.map(|secrets| secrets.keys.to_hex()), "can": can,
        });
        writeln!(out, "{header}").map_err(ReplayMismatch::File)?;
        Ok(Self { channel, out, is_contactless: secrets.is_some() })
    }

    /// Ends the recording: everything is with the file when this returns.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn finish(mut self) -> Result<W, ChannelError> {
        self.out.flush().map_err(ReplayMismatch::File)?;
        Ok(self.out)
    }

    /// Whether a command may go into the recording: one for files, one of PACE, or a secured one for files, whose header
    /// can be read.
    fn may_pass(&self, command: &CommandApdu) -> bool {
        let is_secured_reading = matches!(command.header(), [0x0C, 0xA4 | 0xB0, ..] | [0x8C, 0x20, ..]);
        let is_pace = matches!(command.header(), [0x00, 0x22, 0xC1, 0xA4] | [0x00 | 0x10, 0x86, 0x00, 0x00]);
        is_for_files(command) || self.is_contactless && (is_pace || is_secured_reading)
    }
}

impl<C: CardChannel, W: Write> CardChannel for Recorder<C, W> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        if !self.may_pass(command) {
            return Err(ReplayMismatch::NotForFiles.into());
        }
        let answer = self.channel.transmit(command);
        let tx = hex::encode_upper(&*command.to_bytes());
        let line = match &answer {
            Ok(response) => json!({"type": "exchange", "tx": tx, "rx": hex::encode_upper(response.to_bytes())}),
            Err(error) => json!({"type": "error", "tx": tx, "error": error.to_string()}),
        };
        writeln!(self.out, "{line}").map_err(ReplayMismatch::File)?;
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
