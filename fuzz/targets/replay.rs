//! `cargo fuzz run replay`: see `src/replay.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kartenbund_fuzz::replay::body(bytes));
