//! `cargo fuzz run cvc`: see `src/cvc.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kartenbund_fuzz::cvc::body(bytes));
