//! Hostile bytes for every parser: each module has one `body`, which takes any bytes and panics where what must hold
//! does not. libFuzzer drives them (`targets/`), and so does `tests/fuzz_bodies.rs` with every `make test`.
//!
//! `seeds` makes what both begin with.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub
)]

pub mod apdus;
pub mod certificate;
pub mod code;
pub mod cvc;
pub mod image;
mod input;
pub mod ocsp;
pub mod picture;
pub mod replay;
pub mod secure_messaging;
pub mod seeds;
mod session;
mod signer;
pub mod tlv;
pub mod trust_list;
pub mod vsd;
