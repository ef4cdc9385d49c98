//! PINs from the keypad, into the command the computer handed in (PC/SC part 10, 2.5.2 and 2.5.3). Written from the
//! specification, and from nothing of the program it tests.

use std::time::Duration;

use crate::card::Card;
use crate::desk::{Desk, Keys, Takes};

/// The reader's own answers.
const TIMED_OUT: [u8; 2] = [0x64, 0x00];
const CANCELLED: [u8; 2] = [0x64, 0x01];
const ENTRIES_DIFFER: [u8; 2] = [0x64, 0x02];
const LENGTH: [u8; 2] = [0x64, 0x03];
const REFUSED: [u8; 2] = [0x6B, 0x80];

/// What is entered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// One number: PIN_VERIFY_STRUCTURE.
    Verify,
    /// The old one, the new one, the new one again: PIN_MODIFY_STRUCTURE.
    Modify,
}

/// A structure that was understood.
struct Structure {
    timeout: Duration,
    description: Description,
    /// Where in the data the old (or only) and the new block begin, in bytes.
    offsets: [usize; 2],
    min: usize,
    max: usize,
    command: Vec<u8>,
}

/// Where in a block a PIN goes, in bits, and how many it and its length have room for.
struct Description {
    bytes: [u8; 3],
    digits_at: usize,
    digits_end: usize,
    length_at: usize,
    length_bits: usize,
}

/// Asks for what `structure` says, and gives the answer of the card, or of the reader.
pub(crate) fn enter(entry: Entry, structure: &[u8], card: &mut Card, desk: &Desk) -> Vec<u8> {
    desk.handed_in(structure);
    let Some(structure) = Structure::parse(entry, structure).filter(|s| s.description.is_taken(desk.kind().takes))
    else {
        return REFUSED.to_vec();
    };
    let numbers = match desk.keys(structure.timeout) {
        Keys::Nothing => return TIMED_OUT.to_vec(),
        Keys::Cancel => return CANCELLED.to_vec(),
        Keys::Answer(bytes) => return bytes,
        Keys::Numbers(numbers) => numbers,
    };
    let has_length = |number: &String| (structure.min..=structure.max).contains(&number.len());
    let typed = match (entry, numbers.as_slice()) {
        (_, numbers) if !numbers.iter().all(has_length) => return LENGTH.to_vec(),
        (Entry::Modify, [_, new, again]) if new != again => return ENTRIES_DIFFER.to_vec(),
        (Entry::Modify, [old, new, _]) => vec![old, new],
        (Entry::Verify, [pin]) => vec![pin],
        _ => return CANCELLED.to_vec(),
    };
    let mut command = structure.command;
    for (number, offset) in typed.into_iter().zip(structure.offsets) {
        let block = command.get_mut(5 + offset..);
        if block.and_then(|block| structure.description.fill(block, number)).is_none() {
            return REFUSED.to_vec();
        }
    }
    card.transmit(&command).unwrap_or_default()
}

impl Structure {
    fn parse(entry: Entry, structure: &[u8]) -> Option<Self> {
        let (&[timeout, timeout_2, format, block, length], rest) = structure.split_first_chunk()?;
        let description = Description::parse(format, block, length)?;
        let (offsets, rest) = match entry {
            Entry::Verify => ([0, 0], rest),
            Entry::Modify => {
                let (&[old, new], rest) = rest.split_first_chunk()?;
                ([usize::from(old), usize::from(new)], rest)
            }
        };
        let (&[max, min], rest) = rest.split_first_chunk()?;
        let rest = match entry {
            Entry::Verify => rest,
            // The old PIN is asked for, and the new one twice.
            Entry::Modify => rest.strip_prefix(&[0x03])?,
        };
        // The confirmation key ends an entry; as many messages as entries; language; their indices; prologue.
        let rest = rest.strip_prefix(&[0x02])?;
        let (messages, indices): (u8, &[u8]) = match entry {
            Entry::Verify => (1, &[0]),
            Entry::Modify => (3, &[0, 1, 2]),
        };
        let (_, rest) = rest.strip_prefix(&[messages])?.split_first_chunk::<2>()?;
        let (length, command) = rest.strip_prefix(indices)?.strip_prefix(&[0; 3])?.split_first_chunk()?;
        let is_whole = usize::try_from(u32::from_le_bytes(*length)) == Ok(command.len());
        let is_command = matches!(command, [_, _, _, _, lc, data @ ..] if usize::from(*lc) == data.len());
        (is_whole && is_command && timeout_2 > 0 && min <= max).then(|| Self {
            timeout: Duration::from_secs(timeout.into()),
            description,
            offsets,
            min: min.into(),
            max: max.into(),
            command: command.to_vec(),
        })
    }
}

impl Description {
    /// `bmFormatString`: bit 7 units of bytes, bits 6 to 3 where the PIN begins, bit 2 right, bits 1 and 0 the coding.
    /// `bmPINBlockString`: bits 7 to 4 size of the length in bits, bits 3 to 0 bytes of the block. `bmPINLengthFormat`:
    /// bit 4 units of bytes, bits 3 to 0 where the length begins.
    fn parse(format: u8, block: u8, length: u8) -> Option<Self> {
        const LEFT_BCD: u8 = 0b001;
        let in_units = |position: u8, bytes: bool| usize::from(position) * if bytes { 8 } else { 1 };
        let digits_at = in_units(format >> 3 & 0x0F, format & 0x80 != 0);
        let size = usize::from(block & 0x0F) * 8;
        // Readers differ in whether the block begins with the PIN, or is all of it.
        let digits_end = if format & 0x80 != 0 { digits_at + size } else { size };
        let length_at = in_units(length & 0x0F, length & 0x10 != 0);
        (format & 0b111 == LEFT_BCD).then_some(Self {
            bytes: [format, block, length],
            digits_at,
            digits_end,
            length_at,
            length_bits: usize::from(block >> 4),
        })
    }

    fn is_taken(&self, takes: Takes) -> bool {
        match takes {
            Takes::Both => true,
            Takes::Reiner => self.bytes == [0x89, 0x47, 0x04],
            Takes::OpenSc => self.bytes == [0x41, 0x48, 0x04],
            Takes::Neither => false,
        }
    }

    /// Writes a PIN and its length into a block; `None` where there is no room for it.
    fn fill(&self, block: &mut [u8], number: &str) -> Option<()> {
        if self.digits_at + 4 * number.len() > self.digits_end {
            return None;
        }
        for (i, digit) in number.chars().enumerate() {
            put(block, self.digits_at + 4 * i, 4, digit.to_digit(10)?)?;
        }
        put(block, self.length_at, self.length_bits, u32::try_from(number.len()).ok()?)
    }
}

/// Writes the low `bits` bits of `value` at a bit of `block`, the highest first.
fn put(block: &mut [u8], at: usize, bits: usize, value: u32) -> Option<()> {
    for i in 0..bits {
        let byte = block.get_mut((at + i) / 8)?;
        let mask = 0x80 >> ((at + i) % 8);
        let is_set = value >> (bits - 1 - i) & 1 == 1;
        *byte = if is_set { *byte | mask } else { *byte & !mask };
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(structure: &[u8], numbers: &[&str]) -> String {
        let entry = if numbers.len() == 1 { Entry::Verify } else { Entry::Modify };
        let mut structure = Structure::parse(entry, structure).unwrap();
        for (number, offset) in numbers.iter().zip(structure.offsets) {
            structure.description.fill(&mut structure.command[5 + offset..], number).unwrap();
        }
        structure.command.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    const EMPTY: [u8; 8] = [0x20, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

    #[test]
    fn both_descriptions_lead_to_the_same_block() {
        for [format, block, length] in [[0x89, 0x47, 0x04], [0x41, 0x48, 0x04]] {
            let head = [0x1E, 0x1E, format, block, length, 8, 6, 2, 1, 7, 4, 0, 0, 0, 0, 13, 0, 0, 0];
            let structure = [&head, &[0x00, 0x20, 0x00, 0x02, 8][..], &EMPTY].concat();
            assert_eq!(filled(&structure, &["123456"]), "002000020826123456FFFFFFFF");
            assert_eq!(filled(&structure, &["1234567"]), "0020000208271234567FFFFFFF");
            assert_eq!(filled(&structure, &["12345678"]), "00200002082812345678FFFFFF");

            let head = [0x1E, 0x1E, format, block, length, 0, 8, 8, 6, 3, 2, 3, 7, 4, 0, 1, 2, 0, 0, 0, 21, 0, 0, 0];
            let structure = [&head, &[0x00, 0x24, 0x00, 0x02, 16][..], &EMPTY, &EMPTY].concat();
            assert_eq!(filled(&structure, &["123456", "24680246"]), "002400021026123456FFFFFFFF2824680246FFFFFF");
        }
    }

    #[test]
    fn a_structure_that_does_not_add_up_is_refused() {
        let head = [0x1E, 0x1E, 0x89, 0x47, 0x04, 8, 6, 2, 1, 7, 4, 0, 0, 0, 0, 13, 0, 0, 0];
        let whole = [&head, &[0x00, 0x20, 0x00, 0x02, 8][..], &EMPTY].concat();
        assert!(Structure::parse(Entry::Verify, &whole).is_some());
        assert!(Structure::parse(Entry::Modify, &whole).is_none());
        for length in 0..whole.len() {
            assert!(Structure::parse(Entry::Verify, &whole[..length]).is_none(), "{length}");
        }
    }
}
