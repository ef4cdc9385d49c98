//! `cargo fuzz run vsd`: see `src/vsd.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kartenbund_fuzz::vsd::body(bytes));
