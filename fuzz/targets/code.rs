//! `cargo fuzz run code`: see `src/code.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kartenbund_fuzz::code::body(bytes));
