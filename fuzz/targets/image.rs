//! `cargo fuzz run image`: see `src/image.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kartenbund_fuzz::image::body(bytes));
