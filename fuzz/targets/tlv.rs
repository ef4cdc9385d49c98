//! `cargo fuzz run tlv`: see `src/tlv.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kartenbund_fuzz::tlv::body(bytes));
