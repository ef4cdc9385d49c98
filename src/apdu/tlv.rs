//! BER-TLV objects as cards send them (ISO/IEC 7816-4, 5.2.2), on `iso7816-tlv`.

use iso7816_tlv::ber::{Tag, Tlv, Value};
use thiserror::Error;

/// Longest object read. Cards send far less, and the bound keeps the parser's nesting shallow.
const MAX_LENGTH: usize = 2048;

/// Why bytes are not the object that was expected.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TlvError {
    /// Not one well-formed object, or bytes are left behind it.
    #[error("not exactly one BER-TLV object")]
    Malformed,
    /// Well formed, but the expected tag is not there.
    #[error("data object {0:X} is missing")]
    Missing(u16),
}

/// One data object with everything in it.
#[derive(Debug)]
pub struct DataObject(Tlv);

impl DataObject {
    /// Reads exactly one object with tag `tag`; trailing bytes are an error, and so is a length that is not written in
    /// the shortest way.
    ///
    /// # Errors
    /// [`TlvError`] when the bytes are not that object.
    pub fn parse(bytes: &[u8], tag: u16) -> Result<Self, TlvError> {
        if bytes.len() > MAX_LENGTH {
            return Err(TlvError::Malformed);
        }
        let object = Tlv::from_bytes(bytes).map_err(|_| TlvError::Malformed)?;
        // `iso7816-tlv` reckons the length of what is inside from its shortest form, and takes `80` for no length at all.
        // Where something else was read, the last object inside can reach beyond the one around it.
        if encoded(&object) != bytes {
            return Err(TlvError::Malformed);
        }
        if object.tag() == &to_tag(tag)? { Ok(Self(object)) } else { Err(TlvError::Missing(tag)) }
    }

    /// The value of the primitive object `tag` directly inside this one; the first where there are several.
    ///
    /// # Errors
    /// [`TlvError::Missing`] when there is none.
    pub fn child(&self, tag: u16) -> Result<&[u8], TlvError> {
        let wanted = to_tag(tag)?;
        let Value::Constructed(children) = self.0.value() else { return Err(TlvError::Missing(tag)) };
        let child = children.iter().find(|child| child.tag() == &wanted).ok_or(TlvError::Missing(tag))?;
        primitive(child).ok_or(TlvError::Missing(tag))
    }

    /// Whether an object encoded as `object` is directly inside this one.
    pub fn holds(&self, object: &[u8]) -> bool {
        let Value::Constructed(children) = self.0.value() else { return false };
        children.iter().any(|child| encoded(child) == object)
    }

    /// The value of this object, when it is primitive.
    ///
    /// # Errors
    /// [`TlvError::Malformed`] when it holds other objects instead.
    pub fn value(&self) -> Result<&[u8], TlvError> {
        primitive(&self.0).ok_or(TlvError::Malformed)
    }
}

fn to_tag(tag: u16) -> Result<Tag, TlvError> {
    Tag::try_from(tag).map_err(|_| TlvError::Malformed)
}

/// The object with its length, and those inside, in the shortest form (ISO/IEC 8825-1, 10.1); the library writes 127 in two
/// bytes. Objects here are shorter than 65536 bytes.
fn encoded(object: &Tlv) -> Vec<u8> {
    let value = match object.value() {
        Value::Primitive(value) => value.clone(),
        Value::Constructed(children) => children.iter().flat_map(encoded).collect(),
    };
    let mut out = object.tag().to_bytes().to_vec();
    match value.len().to_be_bytes() {
        [.., 0, length @ 0..=0x7F] => out.push(length),
        [.., 0, length] => out.extend([0x81, length]),
        [.., hi, lo] => out.extend([0x82, hi, lo]),
    }
    out.extend(value);
    out
}

fn primitive(object: &Tlv) -> Option<&[u8]> {
    match object.value() {
        Value::Primitive(value) => Some(value),
        Value::Constructed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_objects_are_found() {
        let ef_version2 = hex::decode(concat!(
            "EF2BC003020000C103040502C21045474B5F47322E312020202020040502",
            "C403010000C503020000C703010000"
        ));
        let object = DataObject::parse(&ef_version2.unwrap(), 0xEF).unwrap();
        assert_eq!(object.child(0xC1).unwrap(), [4, 5, 2]);
        assert_eq!(object.child(0xC9), Err(TlvError::Missing(0xC9)));
    }

    #[test]
    fn trailing_bytes_and_wrong_tags_are_refused() {
        let gdo = hex::decode("5A0A80276883110000152715").unwrap();
        assert_eq!(DataObject::parse(&gdo, 0x5A).unwrap().value().unwrap().len(), 10);
        assert_eq!(DataObject::parse(&[gdo.as_slice(), &[0]].concat(), 0x5A).unwrap_err(), TlvError::Malformed);
        assert_eq!(DataObject::parse(&gdo, 0x5C).unwrap_err(), TlvError::Missing(0x5C));
        assert_eq!(DataObject::parse(&[], 0x5A).unwrap_err(), TlvError::Malformed);
        assert_eq!(DataObject::parse(&[0x5A; 5000], 0x5A).unwrap_err(), TlvError::Malformed);
    }

    #[test]
    fn an_object_does_not_reach_beyond_the_one_around_it() {
        assert_eq!(DataObject::parse(&[0xE1, 3, 0xC1, 1, 0xAA], 0xE1).unwrap().child(0xC1).unwrap(), [0xAA]);
        // E1 holds three bytes; C1 with its length in two bytes has four.
        assert_eq!(DataObject::parse(&[0xE1, 3, 0xC1, 0x81, 1, 0xAA], 0xE1).unwrap_err(), TlvError::Malformed);
        assert_eq!(DataObject::parse(&[0x5A, 0x81, 1, 0xAA], 0x5A).unwrap_err(), TlvError::Malformed);
        // The indefinite form (ISO/IEC 8825-1, 8.1.3.6) is none of a card's.
        assert_eq!(DataObject::parse(&[0x7C, 0x80], 0x7C).unwrap_err(), TlvError::Malformed);
        assert_eq!(DataObject::parse(&[0x7C, 2, 0x80, 0x80], 0x7C).unwrap_err(), TlvError::Malformed);
    }

    #[test]
    fn every_length_is_read_and_found_again() {
        for (length, head) in [(126, vec![0x7E]), (127, vec![0x7F]), (128, vec![0x81, 0x80]), (256, vec![0x82, 1, 0])] {
            let inner = [&[0x80], head.as_slice(), &vec![7; length]].concat();
            let [.., hi, lo] = inner.len().to_be_bytes();
            let head = if hi > 0 {
                vec![0x82, hi, lo]
            } else if lo > 127 {
                vec![0x81, lo]
            } else {
                vec![lo]
            };
            let object = DataObject::parse(&[&[0x7C], head.as_slice(), &inner].concat(), 0x7C).unwrap();
            assert_eq!(object.child(0x80).unwrap().len(), length);
            assert!(object.holds(&inner), "{length}");
        }
    }
}
