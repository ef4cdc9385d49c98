//! The little of DER (ITU-T X.690) that answers of OCSP and signatures of trust lists need: elements one behind the other, with their bytes as they stand.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BITS: u8 = 0x03;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0A;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
/// `[0]` around another element; the next numbers follow.
const EXPLICIT: u8 = 0xA0;

/// One element.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    /// Its first byte.
    pub(super) tag: u8,
    /// The element as it stands.
    pub(super) raw: &'a [u8],
    /// What it holds.
    pub(super) content: &'a [u8],
}

impl<'a> Element<'a> {
    /// What is in it where it is tagged with this number.
    pub(super) fn explicit(&self, number: u8) -> Option<&'a [u8]> {
        (self.tag == EXPLICIT | number).then_some(self.content)
    }
}

/// The elements that fill these bytes; `None` where something else is there.
pub(super) fn elements(mut bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let element = first(bytes)?;
        bytes = bytes.get(element.raw.len()..)?;
        found.push(element);
    }
    Some(found)
}

/// The one element that fills these bytes.
pub(super) fn only(bytes: &[u8]) -> Option<Element<'_>> {
    first(bytes).filter(|element| element.raw.len() == bytes.len())
}

/// Lengths are written as short as can be, and in at most two bytes; tags have one.
fn first(bytes: &[u8]) -> Option<Element<'_>> {
    let (tag, rest) = bytes.split_first().filter(|(tag, _)| **tag & 0x1F != 0x1F)?;
    let (length, header) = match *rest {
        [length @ 0..=0x7F, ..] => (usize::from(length), 2_usize),
        [0x81, length @ 0x80..=0xFF, ..] => (usize::from(length), 3),
        [0x82, high @ 1..=0xFF, low, ..] => (usize::from(u16::from_be_bytes([high, low])), 4),
        _ => return None,
    };
    let raw = bytes.get(..header.checked_add(length)?)?;
    Some(Element { tag: *tag, raw, content: raw.get(header..)? })
}

/// A SEQUENCE of these elements.
pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, parts)
}

/// An element that holds these bytes, which are few.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    let header = match length {
        [0, low @ 0..=0x7F] => vec![tag, low],
        [0, low] => vec![tag, 0x81, low],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [header, content].concat()
}
