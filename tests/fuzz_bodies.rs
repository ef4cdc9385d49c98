//! The bodies of the fuzz targets (`fuzz/`), driven with any bytes and with changed seeds: what they check holds in every
//! run of the tests, and a deeper search is `make fuzz`.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;
#[path = "common/hostile.rs"]
mod hostile;

use hostile::{bytes, mutated};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Drives one body: first with its seeds as they are, then with any bytes and with changed seeds.
fn drive(target: &str, cases: u32, body: fn(&[u8])) {
    let seeds = fuzz::seeds::of(target);
    assert!(fuzz::seeds::TARGETS.contains(&target) && !seeds.is_empty());
    seeds.iter().for_each(|seed| body(seed));
    let changed = prop::sample::select(seeds).prop_flat_map(mutated);
    let inputs = prop_oneof![1 => bytes(300), 3 => changed];
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let run = |input: Vec<u8>| -> Result<(), TestCaseError> {
        body(&input);
        Ok(())
    };
    TestRunner::new(config).run(&inputs, run).unwrap();
}

#[test]
fn data_objects_are_what_a_second_reader_finds() {
    drive("tlv", 5_000, fuzz::tlv::body);
}

#[test]
fn insurance_data_can_be_written_again_and_are_bounded() {
    drive("vsd", 1_000, fuzz::vsd::body);
}

#[test]
fn certificates_are_their_bytes_and_only_issued_ones_are_believed() {
    drive("certificate", 2_000, fuzz::certificate::body);
}

#[test]
fn a_chip_has_one_certificate_and_nobody_else_one() {
    drive("cvc", 2_000, fuzz::cvc::body);
}

#[test]
fn nothing_is_believed_of_a_card_that_its_responder_has_not_said() {
    drive("ocsp", 2_000, fuzz::ocsp::body);
}

#[test]
fn no_trust_list_is_believed_that_nobody_signed() {
    drive("trust_list", 1_000, fuzz::trust_list::body);
}

#[test]
fn an_image_of_any_text_makes_a_card_or_none() {
    drive("image", 200, fuzz::image::body);
}

#[test]
fn nothing_is_believed_without_its_seal() {
    drive("secure_messaging", 5_000, fuzz::secure_messaging::body);
}

#[test]
fn a_session_is_played_as_it_stands_and_a_changed_byte_is_noticed() {
    drive("replay", 150, fuzz::replay::body);
}

#[test]
fn the_card_says_what_its_owner_knows() {
    drive("apdus", 60, fuzz::apdus::body);
}

#[test]
fn a_code_that_is_read_is_written_again_and_is_for_one_service() {
    drive("code", 5_000, fuzz::code::body);
}

#[test]
fn any_picture_is_a_code_a_refusal_or_none() {
    drive("picture", 100, fuzz::picture::body);
}
