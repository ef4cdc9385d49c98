//! The slot: the reader's end of vpcd. A card connects over TCP; every message is two bytes of length, big endian, and
//! that many bytes. One byte is a word to the card (power off, power on, reset, the question for its answer to reset),
//! more is a command. Only the last two are answered.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

const POWER_OFF: u8 = 0;
const POWER_ON: u8 = 1;
const RESET: u8 = 2;
const GET_ATR: u8 = 4;

/// How long a card may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer to reset (ISO/IEC 7816-3, 8.2.1).
const MAX_ATR: usize = 33;

/// What is done with the power of the card.
#[derive(Clone, Copy)]
pub(crate) enum Power {
    Up,
    Down,
    Reset,
}

/// The slot, with a card or without.
pub(crate) struct Card {
    door: TcpListener,
    line: Option<TcpStream>,
    atr: Vec<u8>,
}

impl Card {
    /// Waits for a card on a port of this computer.
    pub(crate) fn listen(port: u16) -> io::Result<Self> {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        door.set_nonblocking(true)?;
        Ok(Self { door, line: None, atr: Vec::new() })
    }

    /// Whether a card is in: the one that answers, or one that waits at the door. pcscd asks several times a second.
    pub(crate) fn is_present(&mut self) -> bool {
        if self.line.is_none() {
            self.line = self.door.accept().ok().and_then(|(line, _)| prepared(line).ok());
        }
        self.ask_for_atr().is_some()
    }

    /// The answer to reset as the card gave it last.
    pub(crate) fn atr(&self) -> Option<&[u8]> {
        (self.line.is_some() && !self.atr.is_empty()).then_some(&self.atr)
    }

    /// Switches the power, and asks for the answer to reset.
    pub(crate) fn power(&mut self, power: Power) -> Option<&[u8]> {
        let word = match power {
            Power::Up => POWER_ON,
            Power::Down => POWER_OFF,
            Power::Reset => RESET,
        };
        self.send(&[word])?;
        match power {
            Power::Down => Some(&[]),
            Power::Up | Power::Reset => self.ask_for_atr(),
        }
    }

    /// Sends a command; `None` when the card is gone.
    pub(crate) fn transmit(&mut self, command: &[u8]) -> Option<Vec<u8>> {
        self.send(command)?;
        self.receive()
    }

    fn ask_for_atr(&mut self) -> Option<&[u8]> {
        self.send(&[GET_ATR])?;
        self.atr = self.receive().filter(|atr| atr.len() <= MAX_ATR)?;
        Some(&self.atr)
    }

    fn send(&mut self, message: &[u8]) -> Option<()> {
        let length = u16::try_from(message.len()).ok()?;
        self.on_line(|line| line.write_all(&[&length.to_be_bytes(), message].concat()))
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        self.on_line(|line| {
            let mut length = [0; 2];
            line.read_exact(&mut length)?;
            let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
            line.read_exact(&mut message)?;
            Ok(message)
        })
    }

    /// A line that fails is a card that was pulled.
    fn on_line<T>(&mut self, work: impl FnOnce(&mut TcpStream) -> io::Result<T>) -> Option<T> {
        let done = work(self.line.as_mut()?);
        if done.is_err() {
            self.line = None;
        }
        done.ok()
    }
}

fn prepared(line: TcpStream) -> io::Result<TcpStream> {
    line.set_nonblocking(false)?;
    line.set_nodelay(true)?;
    line.set_read_timeout(Some(PATIENCE))?;
    line.set_write_timeout(Some(PATIENCE))?;
    Ok(line)
}
