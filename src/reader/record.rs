//! A line to a card that writes down what passes, so that it can be played again (`docs/card.md`).

use std::io::Write;

use serde_json::json;

use super::replay::{FORMAT_VERSION, ReplayMismatch, is_for_files};
use super::{CardChannel, ChannelError};
use crate::apdu::{CommandApdu, ResponseApdu};

/// Passes everything on and writes one JSON line for each exchange.
#[derive(Debug)]
pub struct Recorder<C, W> {
    channel: C,
    out: W,
}

impl<C: CardChannel, W: Write> Recorder<C, W> {
    /// Starts a recording with its header line.
    ///
    /// # Errors
    /// The line could not be written.
    pub fn start(channel: C, mut out: W, extended_length: bool) -> Result<Self, ChannelError> {
        let header = json!({
            "type": "header", "version": FORMAT_VERSION, "supports_extended_length": extended_length,
            "keys": null, "can": null,
        });
        writeln!(out, "{header}").map_err(ReplayMismatch::File)?;
        Ok(Self { channel, out })
    }

    /// Ends the recording: everything is with the file when this returns.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn finish(mut self) -> Result<W, ChannelError> {
        self.out.flush().map_err(ReplayMismatch::File)?;
        Ok(self.out)
    }
}

impl<C: CardChannel, W: Write> CardChannel for Recorder<C, W> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        if !is_for_files(command) {
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
}
