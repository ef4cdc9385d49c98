//! Strict reading and canonical writing of JSON.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The text is not JSON, names a member twice, or is not what was expected.
#[derive(Debug, Error)]
#[error("not the JSON that was expected")]
pub struct JsonError(#[from] serde_json::Error);

/// Reads one JSON text. A member name that stands twice in one object is refused wherever it stands, since two readers
/// could take different ones (RFC 8259, 4).
///
/// # Errors
/// [`JsonError`].
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    serde_json::from_slice::<NoDuplicates>(bytes).map_err(JsonError)?;
    serde_json::from_slice(bytes).map_err(JsonError)
}

/// The canonical bytes of a document (RFC 8785). Made once, by whoever makes the document.
///
/// # Errors
/// [`JsonError`] when the value has no JSON form.
pub fn canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, JsonError> {
    serde_json_canonicalizer::to_vec(value).map_err(JsonError)
}

/// Reads any JSON and keeps nothing; fails where a name stands twice. The depth is bounded by `serde_json` (128).
struct NoDuplicates;

impl<'de> Deserialize<'de> for NoDuplicates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for NoDuplicates {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value::<Self>()?;
            if !names.insert(name) {
                return Err(de::Error::custom("a member name stands twice"));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_is_refused_at_any_depth() {
        for bad in [r#"{"a":1,"a":2}"#, r#"{"a":{"b":[{"c":1,"c":1}]}}"#, r#"{"a":1,"\u0061":2}"#, "{} {}", "", "{"] {
            assert!(read::<serde_json::Value>(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read::<serde_json::Value>(br#"{"a":{"b":1},"b":[1,-1,1.5,null,true,"x"]}"#).is_ok());
    }

    #[test]
    fn canonical_bytes_are_those_of_rfc_8785() {
        // RFC 8785, 3.2.3 and 3.2.2: members sorted, numbers and strings in their one form.
        let value: serde_json::Value =
            serde_json::from_str(r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3],"literals":[null,true,false]}"#)
                .unwrap();
        let canonical = canonical(&value).unwrap();
        assert_eq!(canonical, br#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002]}"#);
    }
}
