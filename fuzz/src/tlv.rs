//! Data objects (ISO/IEC 7816-4, 5.2.2): what is read is what a second reader, the one below, finds in the same bytes.

use kartenbund::apdu::tlv::DataObject;

/// Longest object that is read.
const MAX: usize = 2048;

pub fn body(bytes: &[u8]) {
    let expected = tag(bytes).map_or(0x5A, |(tag, _)| tag);
    // Longer tags are none of those that are asked for.
    let Ok(expected) = u16::try_from(expected) else { return };
    let Ok(parsed) = DataObject::parse(bytes, expected) else { return };
    assert!(bytes.len() <= MAX, "bounded");
    let own = object(bytes).expect("an object, whole and with lengths that fit");
    assert!(own.rest.is_empty(), "nothing behind it");
    assert_eq!(own.tag, u32::from(expected));
    if !own.is_constructed {
        assert_eq!(parsed.value().expect("a primitive object has a value"), own.value);
        return;
    }
    assert!(parsed.value().is_err());
    let children = objects(own.value).expect("objects throughout");
    for child in &children {
        assert!(parsed.holds(child.whole));
        let Ok(tag) = u16::try_from(child.tag) else { continue };
        let first = children.iter().find(|other| other.tag == child.tag).expect("at least itself");
        assert_eq!(parsed.child(tag).ok(), (!first.is_constructed).then_some(first.value));
    }
    let absent = (0xC0..=0xDE).find(|tag| children.iter().all(|child| child.tag != u32::from(*tag)));
    assert!(absent.is_none_or(|tag| parsed.child(tag).is_err()));
}

/// An object as the specification writes it, with its length in the shortest form.
pub(crate) struct Object<'a> {
    pub(crate) tag: u32,
    pub(crate) is_constructed: bool,
    pub(crate) value: &'a [u8],
    /// Tag, length and value.
    pub(crate) whole: &'a [u8],
    /// What is behind it.
    pub(crate) rest: &'a [u8],
}

/// The object that `bytes` begin with; what is in a constructed one is not looked at.
pub(crate) fn object(bytes: &[u8]) -> Option<Object<'_>> {
    let (tag, is_constructed, behind) = {
        let (tag, behind) = tag(bytes)?;
        (tag, bytes[0] & 0x20 != 0, behind)
    };
    let (length, behind) = match behind {
        [length @ 0..=0x7F, rest @ ..] => (usize::from(*length), rest),
        [0x81, length @ 0x80..=0xFF, rest @ ..] => (usize::from(*length), rest),
        [0x82, hi @ 1..=0xFF, lo, rest @ ..] => (usize::from(u16::from_be_bytes([*hi, *lo])), rest),
        _ => return None,
    };
    let (value, rest) = behind.split_at_checked(length)?;
    Some(Object { tag, is_constructed, value, whole: &bytes[..bytes.len() - rest.len()], rest })
}

/// A tag of one, two or three bytes.
fn tag(bytes: &[u8]) -> Option<(u32, &[u8])> {
    match bytes {
        [first, rest @ ..] if first & 0x1F != 0x1F => Some((u32::from(*first), rest)),
        [first, second @ 0..=0x7F, rest @ ..] => Some((u32::from_be_bytes([0, 0, *first, *second]), rest)),
        [first, second, third @ 0..=0x7F, rest @ ..] => Some((u32::from_be_bytes([0, *first, *second, *third]), rest)),
        _ => None,
    }
}

/// All of the objects that `bytes` are; `None` where something is left, or a constructed one holds no objects.
fn objects(mut bytes: &[u8]) -> Option<Vec<Object<'_>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let next = object(bytes)?;
        if next.is_constructed {
            objects(next.value)?;
        }
        bytes = next.rest;
        found.push(next);
    }
    Some(found)
}
