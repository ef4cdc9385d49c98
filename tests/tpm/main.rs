//! The device key in a TPM: swtpm, a TPM 2.0 in software, in place of the chip.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod attestation;
mod chip;
#[path = "../common/mod.rs"]
mod common;
mod computer;
mod key;
mod program;
