//! `cargo fuzz run secure_messaging`: see `src/secure_messaging.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kartenbund_fuzz::secure_messaging::body(bytes));
