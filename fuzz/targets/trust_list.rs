//! `cargo fuzz run trust_list`: see `src/trust_list.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kartenbund_fuzz::trust_list::body(bytes));
