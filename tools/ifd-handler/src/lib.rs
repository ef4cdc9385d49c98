//! A card reader with keypad in software: an IFD handler for pcscd (interface 3.0, `ifdhandler.h` of pcsc-lite). Its
//! card comes over TCP in the protocol of vpcd, its keys are pressed over a second connection (`README.md`).
//!
//! `unsafe` is here and nowhere else: pcscd calls these functions with raw pointers, and what they point to is read and
//! written in [`read`] and [`write`] alone.

mod card;
mod desk;
mod keypad;
mod part10;

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_long, c_uchar, c_ulong};
use std::sync::{Arc, Mutex, PoisonError};

use card::{Card, Power};
use desk::{Desk, Failing};

/// Response codes of an IFD handler.
const SUCCESS: c_long = 0;
const ERROR_TAG: c_long = 600;
const ERROR_POWER_ACTION: c_long = 608;
const COMMUNICATION_ERROR: c_long = 612;
const RESPONSE_TIMEOUT: c_long = 613;
const NOT_SUPPORTED: c_long = 614;
const ICC_PRESENT: c_long = 615;
const ICC_NOT_PRESENT: c_long = 616;
const NO_SUCH_DEVICE: c_long = 617;
const INSUFFICIENT_BUFFER: c_long = 618;

const TAG_ATR: c_ulong = 0x0303;
const ATTRIBUTE_ATR: c_ulong = 0x0009_0303;
const TAG_SLOT_THREAD_SAFE: c_ulong = 0x0FAC;
const TAG_THREAD_SAFE: c_ulong = 0x0FAD;
const TAG_SLOTS_NUMBER: c_ulong = 0x0FAE;
const TAG_SIMULTANEOUS_ACCESS: c_ulong = 0x0FAF;

const POWER_UP: c_ulong = 500;
const POWER_DOWN: c_ulong = 501;
const RESET: c_ulong = 502;

/// Longest answer to reset, for which pcscd always has room.
const MAX_ATR: c_ulong = 33;

/// Readers by the number pcscd gives them.
static READERS: Mutex<BTreeMap<c_ulong, Arc<Reader>>> = Mutex::new(BTreeMap::new());

struct Reader {
    card: Mutex<Card>,
    desk: Arc<Desk>,
}

/// What travels with a command and its answer: the protocol, and the size of this.
#[derive(Debug)]
#[repr(C)]
pub struct IoHeader {
    protocol: c_ulong,
    length: c_ulong,
}

/// Opens the reader whose card comes to `port`, and whose keys to the next one.
fn open(lun: c_ulong, port: u16) -> c_long {
    let Some(desk) = port.checked_add(1) else { return NO_SUCH_DEVICE };
    let reader = Card::listen(port).and_then(|card| Ok(Reader { card: Mutex::new(card), desk: Desk::open(desk)? }));
    match reader {
        Ok(reader) => {
            READERS.lock().unwrap_or_else(PoisonError::into_inner).insert(lun, Arc::new(reader));
            SUCCESS
        }
        Err(_) => NO_SUCH_DEVICE,
    }
}

/// Does `work` with a reader, whose card nobody else uses meanwhile.
fn with(lun: c_ulong, work: impl FnOnce(&mut Card, &Desk) -> c_long) -> c_long {
    let reader = READERS.lock().unwrap_or_else(PoisonError::into_inner).get(&lun).cloned();
    reader.map_or(NO_SUCH_DEVICE, |reader| {
        work(&mut reader.card.lock().unwrap_or_else(PoisonError::into_inner), &reader.desk)
    })
}

/// Opens the reader of a `DEVICENAME` in pcscd's configuration: `/dev/null:` and the port, in decimal or behind `0x`.
///
/// # Safety
/// `name` is null or a string that ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHCreateChannelByName(lun: c_ulong, name: *const c_char) -> c_long {
    if name.is_null() {
        return NO_SUCH_DEVICE;
    }
    // SAFETY: it is not null, so pcscd hands in a string.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    let port = name.rsplit(':').next().and_then(|port| match port.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => port.parse().ok(),
    });
    match port {
        Some(port) => open(lun, port),
        None => NO_SUCH_DEVICE,
    }
}

/// The same without a name: `CHANNELID` is the port.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHCreateChannel(lun: c_ulong, channel: c_ulong) -> c_long {
    match u16::try_from(channel) {
        Ok(port) => open(lun, port),
        Err(_) => NO_SUCH_DEVICE,
    }
}

/// Closes a reader.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHCloseChannel(lun: c_ulong) -> c_long {
    match READERS.lock().unwrap_or_else(PoisonError::into_inner).remove(&lun) {
        Some(reader) => {
            reader.desk.close();
            SUCCESS
        }
        None => NO_SUCH_DEVICE,
    }
}

/// What the reader can do: one slot, one call at a time.
///
/// # Safety
/// `length` points to the room behind `value`, and is written; both are pcscd's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHGetCapabilities(
    lun: c_ulong,
    tag: c_ulong,
    length: *mut c_ulong,
    value: *mut c_uchar,
) -> c_long {
    let tell = |bytes: &[u8]| {
        // SAFETY: as this function demands.
        unsafe { write(value, length.as_ref().copied().unwrap_or(0), length, bytes) }
    };
    match tag {
        TAG_ATR | ATTRIBUTE_ATR => with(lun, |card, _| card.atr().map_or(COMMUNICATION_ERROR, tell)),
        TAG_SLOTS_NUMBER => tell(&[1]),
        TAG_THREAD_SAFE | TAG_SLOT_THREAD_SAFE => tell(&[0]),
        TAG_SIMULTANEOUS_ACCESS => tell(&[16]),
        _ => ERROR_TAG,
    }
}

/// Nothing can be set.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHSetCapabilities(_: c_ulong, _: c_ulong, _: c_ulong, _: *mut c_uchar) -> c_long {
    NOT_SUPPORTED
}

/// Any protocol will do.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHSetProtocolParameters(
    _: c_ulong,
    _: c_ulong,
    _: c_uchar,
    _: c_uchar,
    _: c_uchar,
    _: c_uchar,
) -> c_long {
    SUCCESS
}

/// Power for the card, which then tells its answer to reset.
///
/// # Safety
/// `atr` has room for the longest answer to reset, and `length` is written; both are pcscd's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHPowerICC(
    lun: c_ulong,
    action: c_ulong,
    atr: *mut c_uchar,
    length: *mut c_ulong,
) -> c_long {
    let power = match action {
        POWER_UP => Power::Up,
        POWER_DOWN => Power::Down,
        RESET => Power::Reset,
        _ => return NOT_SUPPORTED,
    };
    with(lun, |card, _| match card.power(power) {
        // SAFETY: as this function demands.
        Some(bytes) => unsafe { write(atr, MAX_ATR, length, bytes) },
        None => ERROR_POWER_ACTION,
    })
}

/// Whether a card is in the slot.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHICCPresence(lun: c_ulong) -> c_long {
    with(lun, |card, _| if card.is_present() { ICC_PRESENT } else { ICC_NOT_PRESENT })
}

/// A command to the card, and its answer.
///
/// # Safety
/// `command` points to `command_length` bytes, `answer` to as much room as `answer_length` says, which is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHTransmitToICC(
    lun: c_ulong,
    _: IoHeader,
    command: *const c_uchar,
    command_length: c_ulong,
    answer: *mut c_uchar,
    answer_length: *mut c_ulong,
    _: *mut IoHeader,
) -> c_long {
    // SAFETY: as this function demands.
    let (command, room) = unsafe { (read(command, command_length), answer_length.as_ref().copied().unwrap_or(0)) };
    with(lun, |card, desk| {
        if desk.passes(command) == Failing::Now {
            return RESPONSE_TIMEOUT;
        }
        match card.transmit(command) {
            // SAFETY: as this function demands.
            Some(bytes) => unsafe { write(answer, room, answer_length, &bytes) },
            None => COMMUNICATION_ERROR,
        }
    })
}

/// What readers know beside cards: here, PC/SC part 10.
///
/// # Safety
/// `sent` points to `sent_length` bytes, `answer` to `room`, and `answer_length` is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHControl(
    lun: c_ulong,
    code: c_ulong,
    sent: *const c_uchar,
    sent_length: c_ulong,
    answer: *mut c_uchar,
    room: c_ulong,
    answer_length: *mut c_ulong,
) -> c_long {
    // SAFETY: as this function demands.
    let sent = unsafe { read(sent, sent_length) };
    with(lun, |card, desk| match part10::control(code, sent, card, desk) {
        // SAFETY: as this function demands.
        Some(bytes) => unsafe { write(answer, room, answer_length, &bytes) },
        None => NOT_SUPPORTED,
    })
}

/// The bytes pcscd hands in; none where the pointer is null.
///
/// # Safety
/// `bytes` is null or points to `length` bytes that nobody changes while they are used.
unsafe fn read<'a>(bytes: *const c_uchar, length: c_ulong) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: not null, and as long as the caller says.
        Ok(length @ 1..) if !bytes.is_null() => unsafe { std::slice::from_raw_parts(bytes, length) },
        _ => &[],
    }
}

/// Hands `bytes` out, where there is room for them.
///
/// # Safety
/// `out` is null or has `room` bytes; `length` is null or may be written.
unsafe fn write(out: *mut c_uchar, room: c_ulong, length: *mut c_ulong, bytes: &[u8]) -> c_long {
    let Ok(count) = c_ulong::try_from(bytes.len()) else { return INSUFFICIENT_BUFFER };
    if out.is_null() || length.is_null() || count > room {
        return INSUFFICIENT_BUFFER;
    }
    // SAFETY: neither is null, there is room, and what is written comes from memory of our own.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), out, bytes.len());
        *length = count;
    }
    SUCCESS
}
