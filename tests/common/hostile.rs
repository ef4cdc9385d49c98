//! Bytes nobody should have to read.
#![allow(clippy::indexing_slicing, missing_docs, dead_code, unreachable_pub)]

use proptest::collection::vec;
use proptest::prelude::*;

/// Any bytes.
pub fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..max)
}

/// Valid bytes with some of them changed, and often cut or added to: deeper than chance alone would get.
pub fn mutated(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let end = prop_oneof![
        2 => Just((None, Vec::new())),
        1 => any::<prop::sample::Index>().prop_map(|cut| (Some(cut), Vec::new())),
        1 => (prop::option::of(any::<prop::sample::Index>()), bytes(8)),
    ];
    (changes, end).prop_map(move |(changes, (cut, tail))| {
        let mut bytes = valid.clone();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes.extend(tail);
        bytes
    })
}
