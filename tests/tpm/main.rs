//! The device key in a TPM: swtpm, a TPM 2.0 in software, in place of the chip.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod chip;

use chip::Chip;
use kartenbund::device_key::tpm::{AuthValue, Tpm, TpmError};
use p256::ecdsa::Signature;
use p256::ecdsa::signature::Verifier as _;

fn value(byte: u8) -> AuthValue {
    AuthValue::written(|bytes| *bytes = [byte; 32])
}

/// Whether `part` is somewhere in `bytes`.
fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn the_tpm_signs_with_the_right_value() {
    let chip = Chip::start();
    let key = Tpm::open(&chip.tcti()).unwrap().make(&value(7)).unwrap();
    // Another process, another day.
    let signature = Tpm::open(&chip.tcti()).unwrap().sign(&key, &value(7), b"a decision").unwrap();
    let signature = Signature::from_slice(&signature).unwrap();
    key.public_key().unwrap().verifying_key().verify(b"a decision", &signature).unwrap();
}

#[test]
fn wrong_values_never_touch_the_lockout_of_the_machine() {
    let chip = Chip::start();
    let mut tpm = Tpm::open(&chip.tcti()).unwrap();
    let key = tpm.make(&value(7)).unwrap();
    let before = chip.lockout_counter();
    for _ in 0..40 {
        assert!(matches!(tpm.sign(&key, &value(8), b"a decision"), Err(TpmError::WrongAuth)));
    }
    assert_eq!(chip.lockout_counter(), before);
    tpm.sign(&key, &value(7), b"a decision").unwrap();
}

#[test]
fn a_value_that_ends_in_zeros_opens_its_key() {
    let chip = Chip::start();
    let mut tpm = Tpm::open(&chip.tcti()).unwrap();
    let ends_in_zeros = || AuthValue::written(|bytes| bytes[..30].fill(7));
    let key = tpm.make(&ends_in_zeros()).unwrap();
    tpm.sign(&key, &ends_in_zeros(), b"a decision").unwrap();
}

#[test]
fn after_a_change_of_the_pin_the_new_file_opens_with_the_new_value_alone() {
    let chip = Chip::start();
    let mut tpm = Tpm::open(&chip.tcti()).unwrap();
    let key = tpm.make(&value(7)).unwrap();
    assert!(matches!(tpm.change_auth(&key, &value(8), &value(9)), Err(TpmError::WrongAuth)));
    let changed = tpm.change_auth(&key, &value(7), &value(9)).unwrap();
    assert_eq!(changed.public_key().unwrap(), key.public_key().unwrap());
    assert!(matches!(tpm.sign(&changed, &value(7), b"a decision"), Err(TpmError::WrongAuth)));
    tpm.sign(&changed, &value(9), b"a decision").unwrap();
    // Broken off before the new file was in its place: the old one is still whole.
    tpm.sign(&key, &value(7), b"a decision").unwrap();
}

#[test]
fn a_thief_takes_the_file_to_another_tpm() {
    let (chip, of_the_thief) = (Chip::start(), Chip::start());
    let key = Tpm::open(&chip.tcti()).unwrap().make(&value(7)).unwrap();
    let mut tpm = Tpm::open(&of_the_thief.tcti()).unwrap();
    assert!(matches!(tpm.sign(&key, &value(7), b"a decision"), Err(TpmError::OtherTpm)));
}

#[test]
fn a_file_whose_key_counts_for_the_lockout_is_not_used() {
    let chip = Chip::start();
    let mut tpm = Tpm::open(&chip.tcti()).unwrap();
    let key = serde_json::to_value(tpm.make(&value(7)).unwrap()).unwrap();
    // The attributes are the four bytes behind type and name algorithm; noDA is bit 10.
    let mut public = kartenbund::jose::base64url::decode(key["public"].as_str().unwrap()).unwrap();
    assert_eq!(public[6] & 4, 4);
    public[6] &= !4;
    let public = kartenbund::jose::base64url::encode(&public);
    let forged = serde_json::from_value(serde_json::json!({"public": public, "private": key["private"]})).unwrap();
    assert!(matches!(tpm.sign(&forged, &value(7), b"a decision"), Err(TpmError::OtherKind)));
}

#[test]
fn whoever_listens_on_the_bus_reads_no_value() {
    let chip = Chip::start();
    let bus = chip.tapped();
    let mut tpm = Tpm::open(&bus.tcti()).unwrap();
    let key = tpm.make(&value(0xA7)).unwrap();
    let changed = tpm.change_auth(&key, &value(0xA7), &value(0xB9)).unwrap();
    tpm.sign(&changed, &value(0xB9), b"a decision").unwrap();
    drop(tpm);
    let heard = bus.heard();
    // He hears what is said: the private part as it lies on the disk, loaded behind its public part.
    assert!(heard.len() > 1000);
    assert!(!holds(&heard, &[0xA7; 8]) && !holds(&heard, &[0xB9; 8]));
}

#[test]
fn a_tpm_that_breaks_off_is_an_error() {
    let chip = Chip::start();
    let mut tpm = Tpm::open(&chip.tcti()).unwrap();
    let key = tpm.make(&value(7)).unwrap();
    drop(chip);
    assert!(matches!(tpm.sign(&key, &value(7), b"a decision"), Err(TpmError::Unavailable)));
}

#[test]
fn there_is_no_tpm() {
    assert!(matches!(Tpm::open("swtpm:host=127.0.0.1,port=9"), Err(TpmError::Unavailable)));
    assert!(matches!(Tpm::open("device:/dev/tpm-of-nobody"), Err(TpmError::Unavailable)));
}
