//! `cargo fuzz run ocsp`: see `src/ocsp.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kartenbund_fuzz::ocsp::body(bytes));
