//! `cargo fuzz run certificate`: see `src/certificate.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kartenbund_fuzz::certificate::body(bytes));
