//! The card's end of vpcd: a reader of the PC/SC service that waits for its card on a TCP port.
//!
//! Every message is two bytes of length, big endian, and that many bytes. One byte is a word from the reader: power off,
//! power on, reset, or the question for the answer to reset; more is a command. Only the last two are answered.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use super::VirtualCard;
use crate::apdu::StatusWord;

const POWER_OFF: u8 = 0;
const POWER_ON: u8 = 1;
const RESET: u8 = 2;
const GET_ATR: u8 = 4;

/// How long anything waits before it looks whether it should stop.
const TICK: Duration = Duration::from_millis(50);
/// How long a connection may take, and a message may stay unread by the reader.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Waiting time before the next attempt: doubled from the first to the last.
const BACKOFF: (Duration, Duration) = (TICK, Duration::from_secs(1));

/// What to do with a command that has come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Carry it out and answer.
    Answer,
    /// Answer this without it.
    Refuse(StatusWord),
    /// Pull the card: the command is not carried out, and nothing answers any more.
    Pull,
    /// Carry it out, and pull the card before its answer is out: what was asked for has happened, and nobody is told.
    PullBeforeAnswer,
}

/// Why a card is out of the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unplugged {
    /// `step` said so.
    Pulled,
    /// `stop` was set.
    Stopped,
}

/// Puts `card` into the reader that listens on `address`, and keeps it there: where the line breaks or nobody listens
/// yet, it is tried again until `stop` is set.
///
/// `step` is asked for every command and shown its header and lengths; its data are zeros there, for a PIN may be among
/// them. The card is reset when it leaves the reader; what it stores stays in `card`.
///
/// # Errors
/// `address` cannot be resolved.
pub fn plug(
    card: &mut VirtualCard,
    address: impl ToSocketAddrs,
    stop: &AtomicBool,
    mut step: impl FnMut(&[u8]) -> Step,
) -> io::Result<Unplugged> {
    let addresses: Vec<_> = address.to_socket_addrs()?.collect();
    let mut wait = BACKOFF.0;
    while !stop.load(Ordering::Relaxed) {
        if let Some(stream) = connect(&addresses) {
            wait = BACKOFF.0;
            let end = serve(card, stream, stop, &mut step);
            card.reset();
            // An error of the line means that the reader went away: it may come back.
            if let Ok(end) = end {
                return Ok(end);
            }
        }
        pause(wait, stop);
        wait = (wait * 2).min(BACKOFF.1);
    }
    Ok(Unplugged::Stopped)
}

fn connect(addresses: &[SocketAddr]) -> Option<TcpStream> {
    let stream = addresses.iter().find_map(|address| TcpStream::connect_timeout(address, TIMEOUT).ok())?;
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(TICK)).ok()?;
    stream.set_write_timeout(Some(TIMEOUT)).ok()?;
    Some(stream)
}

fn pause(length: Duration, stop: &AtomicBool) {
    let mut left = length;
    while !left.is_zero() && !stop.load(Ordering::Relaxed) {
        let slice = left.min(TICK);
        thread::sleep(slice);
        left -= slice;
    }
}

/// Answers the reader until the card is taken out. An error means the line broke.
fn serve(
    card: &mut VirtualCard,
    mut stream: TcpStream,
    stop: &AtomicBool,
    step: &mut impl FnMut(&[u8]) -> Step,
) -> io::Result<Unplugged> {
    loop {
        let ControlFlow::Continue(message) = receive(&mut stream, stop)? else { return Ok(Unplugged::Stopped) };
        match message.as_slice() {
            [POWER_OFF | POWER_ON | RESET] => card.reset(),
            [GET_ATR] => send(&mut stream, card.atr())?,
            [] | [_] => {}
            command => match step(&without_data(command)) {
                Step::Answer => send(&mut stream, &card.execute(command))?,
                Step::Refuse(status) => send(&mut stream, &status.0.to_be_bytes())?,
                Step::Pull => return Ok(Unplugged::Pulled),
                Step::PullBeforeAnswer => {
                    card.execute(command);
                    return Ok(Unplugged::Pulled);
                }
            },
        }
    }
}

/// The command with zeros in the place of its data (ISO/IEC 7816-3, 12.1.3): they follow one byte of length, or a zero and
/// two.
fn without_data(command: &[u8]) -> Vec<u8> {
    let mut shown = command.to_vec();
    let (start, length) = match command.get(4..) {
        Some([0, hi, lo, _, ..]) => (7, usize::from(u16::from_be_bytes([*hi, *lo]))),
        Some([length, _, ..]) => (5, usize::from(*length)),
        _ => (4, 0),
    };
    // What is too long for its length is shown no more of.
    let data = shown.get_mut(start..).unwrap_or_default();
    let end = if data.len() <= length + 2 { length.min(data.len()) } else { data.len() };
    data.iter_mut().take(end).for_each(|byte| *byte = 0);
    shown
}

/// Reads one message, or breaks off because of `stop`. Commands may hold a PIN, so they are wiped.
fn receive(stream: &mut TcpStream, stop: &AtomicBool) -> io::Result<ControlFlow<(), Zeroizing<Vec<u8>>>> {
    let mut length = [0; 2];
    if read_all(stream, &mut length, stop)?.is_break() {
        return Ok(ControlFlow::Break(()));
    }
    let mut message = Zeroizing::new(vec![0; usize::from(u16::from_be_bytes(length))]);
    let end = read_all(stream, &mut message, stop)?;
    Ok(end.map_continue(|()| message))
}

fn read_all(stream: &mut TcpStream, mut room: &mut [u8], stop: &AtomicBool) -> io::Result<ControlFlow<()>> {
    while !room.is_empty() {
        if stop.load(Ordering::Relaxed) {
            return Ok(ControlFlow::Break(()));
        }
        acknowledge_at_once(stream)?;
        match stream.read(room) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => room = room.get_mut(count..).unwrap_or_default(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// The reader writes length and content separately, and its system holds back the second part until the first one is
/// acknowledged. Without this, every command takes 40 ms. The kernel forgets the setting, so it is made for every read.
#[cfg(target_os = "linux")]
fn acknowledge_at_once(stream: &TcpStream) -> io::Result<()> {
    std::os::linux::net::TcpStreamExt::set_quickack(stream, true)
}

#[cfg(not(target_os = "linux"))]
fn acknowledge_at_once(_stream: &TcpStream) -> io::Result<()> {
    Ok(())
}

/// Writes one message in one piece.
fn send(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
    stream.write_all(&[&length.to_be_bytes(), message].concat())
}
