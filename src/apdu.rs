//! Command and response APDUs (ISO/IEC 7816-3, 12.1; ISO/IEC 7816-4, 5).

pub mod commands;
mod status;
pub mod tlv;

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

pub use status::StatusWord;

/// Most response bytes a short APDU can ask for (Le = `00`).
pub const NE_SHORT: u32 = 256;
/// Most response bytes an extended APDU can ask for (Le = `0000`).
pub const NE_EXTENDED: u32 = 65_536;

/// A command to the card. Its body may hold a PIN, so it is wiped on drop, and `Debug` shows header and lengths only.
#[derive(PartialEq, Eq)]
pub struct CommandApdu {
    header: [u8; 4],
    data: Zeroizing<Vec<u8>>,
    ne: Option<u32>,
}

/// Bytes that are no command APDU.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a command APDU (ISO/IEC 7816-3, 12.1.3)")]
pub struct NotACommand;

impl CommandApdu {
    /// A command with neither data nor expected response (case 1).
    pub fn new(cla: u8, ins: u8, p1: u8, p2: u8) -> Self {
        Self { header: [cla, ins, p1, p2], data: Zeroizing::default(), ne: None }
    }

    /// Adds a command data field; more than 255 bytes make the command an extended one.
    pub fn with_data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = Zeroizing::new(data.into());
        self
    }

    /// Asks for up to `ne` response bytes (1 to 65536); more than 256 make the command an extended one.
    pub fn with_ne(mut self, ne: u32) -> Self {
        self.ne = Some(ne.clamp(1, NE_EXTENDED));
        self
    }

    /// The same command asking for at most `ne` bytes; `None` where it asks for no more anyway.
    pub fn capped(&self, ne: u32) -> Option<Self> {
        self.ne.filter(|asked| *asked > ne).map(|_| Self { header: self.header, data: self.data.clone(), ne: Some(ne) })
    }

    /// CLA, INS, P1, P2.
    pub fn header(&self) -> [u8; 4] {
        self.header
    }

    /// The command data field.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// How many response bytes are asked for, if any.
    pub fn ne(&self) -> Option<u32> {
        self.ne
    }

    /// Whether the lengths need the extended form.
    pub fn is_extended(&self) -> bool {
        self.data.len() > 255 || self.ne.is_some_and(|ne| ne > NE_SHORT)
    }

    /// The bytes for the line: the short form where the lengths allow it, else the extended one.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(4 + 3 + self.data.len() + 3));
        out.extend_from_slice(&self.header);
        // Both casts keep the low bytes on purpose: 256 and 65536 are written as zeros.
        #[expect(clippy::cast_possible_truncation, reason = "the wildcard lengths 256 and 65536 are encoded as zeros")]
        let (short, long) = (|n: usize| n as u8, |n: usize| (n as u16).to_be_bytes());
        let ne = self.ne.map(|ne| ne as usize);
        if self.is_extended() {
            out.push(0);
            if !self.data.is_empty() {
                out.extend_from_slice(&long(self.data.len()));
                out.extend_from_slice(&self.data);
            }
            if let Some(ne) = ne {
                out.extend_from_slice(&long(ne));
            }
        } else {
            if !self.data.is_empty() {
                out.push(short(self.data.len()));
                out.extend_from_slice(&self.data);
            }
            if let Some(ne) = ne {
                out.push(short(ne));
            }
        }
        out
    }

    /// Reads a command from the line, short or extended (ISO/IEC 7816-3, 12.1.3, table 13).
    ///
    /// # Errors
    /// [`NotACommand`] when the lengths do not add up.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotACommand> {
        let (header, body) = bytes.split_first_chunk::<4>().ok_or(NotACommand)?;
        let (data, ne): (&[u8], Option<u32>) = match body {
            [] => (&[], None),
            [le] => (&[], Some(ne_short(*le))),
            [0, hi, lo] => (&[], Some(ne_extended(*hi, *lo))),
            [0, hi, lo, rest @ ..] => {
                let lc = usize::from(u16::from_be_bytes([*hi, *lo]));
                match rest.split_at_checked(lc).ok_or(NotACommand)? {
                    (data, []) if lc > 0 => (data, None),
                    (data, [hi, lo]) if lc > 0 => (data, Some(ne_extended(*hi, *lo))),
                    _ => return Err(NotACommand),
                }
            }
            [lc, rest @ ..] => match rest.split_at_checked(usize::from(*lc)).ok_or(NotACommand)? {
                (data, []) if *lc > 0 => (data, None),
                (data, [le]) if *lc > 0 => (data, Some(ne_short(*le))),
                _ => return Err(NotACommand),
            },
        };
        Ok(Self { header: *header, data: Zeroizing::new(data.to_vec()), ne })
    }
}

fn ne_short(le: u8) -> u32 {
    if le == 0 { NE_SHORT } else { u32::from(le) }
}

fn ne_extended(hi: u8, lo: u8) -> u32 {
    match u16::from_be_bytes([hi, lo]) {
        0 => NE_EXTENDED,
        le => u32::from(le),
    }
}

impl fmt::Debug for CommandApdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [cla, ins, p1, p2] = self.header;
        write!(f, "{cla:02X}{ins:02X}{p1:02X}{p2:02X} Lc={} Le={:?}", self.data.len(), self.ne)
    }
}

/// The card's answer. The data may be personal, so `Debug` shows length and status word only.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseApdu {
    data: Vec<u8>,
    status: StatusWord,
}

impl ResponseApdu {
    /// An answer of `data` and `status`.
    pub fn new(data: impl Into<Vec<u8>>, status: StatusWord) -> Self {
        Self { data: data.into(), status }
    }

    /// Reads an answer from the line: data, then SW1 and SW2. `None` when it is shorter than a status word.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (data, sw) = bytes.split_last_chunk::<2>()?;
        Some(Self::new(data, StatusWord(u16::from_be_bytes(*sw))))
    }

    /// The response data field.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The response data field, without copying.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// SW1 and SW2.
    pub fn status(&self) -> StatusWord {
        self.status
    }

    /// The bytes for the line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.data.clone();
        out.extend_from_slice(&self.status.0.to_be_bytes());
        out
    }
}

impl fmt::Debug for ResponseApdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes {:?}", self.data.len(), self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_of_iso_7816_3_is_written_and_read_back() {
        let long = vec![0xAB; 256];
        let long_hex = "ab".repeat(256);
        let cases = [
            (CommandApdu::new(0, 0xA4, 4, 0x0C), "00a4040c".to_owned()),
            (CommandApdu::new(0, 0xB0, 0x81, 0).with_ne(256), "00b0810000".to_owned()),
            (CommandApdu::new(0, 0xB0, 0x8C, 0).with_ne(0x19), "00b08c0019".to_owned()),
            (CommandApdu::new(0, 0xB0, 0x81, 0).with_ne(65_536), "00b08100000000".to_owned()),
            (CommandApdu::new(0, 0xB0, 0x81, 0).with_ne(257), "00b08100000101".to_owned()),
            (CommandApdu::new(0, 0xA4, 2, 0x0C).with_data([0xD0, 0x01]), "00a4020c02d001".to_owned()),
            (CommandApdu::new(0, 0xA4, 2, 4).with_data([0xC5, 4]).with_ne(256), "00a4020402c50400".to_owned()),
            (CommandApdu::new(0, 0xD6, 0, 0).with_data(long.clone()), format!("00d60000000100{long_hex}")),
            (CommandApdu::new(0, 0x2A, 0, 0).with_data(long).with_ne(65_536), format!("002a0000000100{long_hex}0000")),
        ];
        for (command, hex) in cases {
            assert_eq!(hex::encode(&*command.to_bytes()), hex);
            assert_eq!(CommandApdu::parse(&hex::decode(&hex).unwrap()).unwrap(), command);
        }
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        for bad in ["", "00a404", "00a4040c02d0", "00a4040c02d0010000", "00a4040c0000000000", "00b0000000000201"] {
            assert_eq!(CommandApdu::parse(&hex::decode(bad).unwrap()), Err(NotACommand), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_body() {
        let verify = CommandApdu::new(0, 0x20, 0, 2).with_data([0x26, 0x12, 0x34, 0x56]);
        assert_eq!(format!("{verify:?}"), "00200002 Lc=4 Le=None");
        let answer = ResponseApdu::new([0x5A, 0x0A], StatusWord(0x9000));
        assert_eq!(format!("{answer:?}"), "2 bytes 9000");
    }
}
