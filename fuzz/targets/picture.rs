//! `cargo fuzz run picture`: see `src/picture.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kartenbund_fuzz::picture::body(bytes));
