//! `cargo fuzz run apdus`: see `src/apdus.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kartenbund_fuzz::apdus::body(bytes));
