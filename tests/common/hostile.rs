//! Bytes nobody should have to read.
#![allow(clippy::indexing_slicing, missing_docs, dead_code, unreachable_pub)]

use proptest::collection::vec;
use proptest::prelude::*;

/// Any bytes.
pub fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..max)
}

/// Valid bytes with some of them changed, cut or added: deeper than chance alone would get.
pub fn mutated(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (changes, any::<prop::sample::Index>(), bytes(8)).prop_map(move |(changes, cut, tail)| {
        let mut bytes = valid.clone();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if tail.len() < 4 {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes.extend(tail);
        bytes
    })
}
