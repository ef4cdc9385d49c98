//! The key alone: what opens it, who else has it, and what the TPM counts.

use kartenbund::device_key::tpm::{AuthValue, Tpm, TpmError};
use kartenbund::device_key::{Blinded, DeviceKeyError, Evaluated, KeyFile, NewKey, NewLock, PinAnswer};
use kartenbund::jose::P256Jwk;
use kartenbund::secret::{DevicePin, SecretBytes};
use kartenbund::voprf::{self, Element, Share};
use p256::ecdsa::Signature;
use p256::ecdsa::signature::Verifier as _;

use crate::chip::Chip;
use crate::common::{rng, typed};

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
    drop(tpm);
    // One wrong value for a key without noDA is counted, and would be here.
    chip.miss_a_key_that_counts();
    assert_eq!(chip.lockout_counter().unwrap(), before.unwrap() + 1);
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

/// `TPM2_StartAuthSession` (TPM 2.0, part 3, 11.1): no sessions, length, code.
fn is_start_of_session(head: &[u8]) -> bool {
    head[..2] == [0x80, 1] && head[6..] == [0, 0, 1, 0x76]
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
    // Nor could he compute them: the session's key comes from a secret for the storage key, which he does not hear.
    let starts: Vec<_> = heard.windows(10).enumerate().filter(|(_, head)| is_start_of_session(head)).collect();
    assert!(!starts.is_empty());
    for (at, _) in starts {
        let command = &heard[at..];
        assert_ne!(command[10..14], [0x40, 0, 0, 7], "TPM_RH_NULL: no key, no secret");
        let nonce = usize::from(u16::from_be_bytes([command[18], command[19]]));
        let salt = u16::from_be_bytes([command[20 + nonce], command[21 + nonce]]);
        assert!(salt >= 64, "a point, from which the TPM alone computes the secret: {salt} bytes");
    }
}

#[test]
fn a_tpm_that_breaks_off_is_an_error() {
    let chip = Chip::start();
    let mut tpm = Tpm::open(&chip.tcti()).unwrap();
    let key = tpm.make(&value(7)).unwrap();
    drop(chip);
    assert!(matches!(tpm.sign(&key, &value(7), b"a decision"), Err(TpmError::Broken)));
}

/// Whoever writes the file can name another service or another key in it: the TPM opens it for the right PIN alone, and
/// for what stood there.
#[test]
fn what_stands_beside_the_key_in_the_file_is_what_the_tpm_was_told() {
    let chip = Chip::start();
    let pin = DevicePin::parse(&typed("271828")).unwrap();
    let share = Share::of(&SecretBytes::random(&mut rng())).unwrap();
    let evaluate = |blinded: &Element| share.evaluate(&voprf::Blinded::parse(blinded).unwrap(), &mut rng());
    let new = NewKey::make_in_tpm(&chip.tcti(), &mut rng()).unwrap();
    let (lock, blinded) = NewLock::begin(&pin, &new.key_identifier, &mut rng()).unwrap();
    let lock = lock.finish(share.public_key(), &evaluate(&blinded), None).unwrap();
    let file = serde_json::to_value(new.to_file("https://kasse.example", &lock, &mut rng()).unwrap()).unwrap();
    let open = |file: &serde_json::Value| {
        let file: KeyFile = serde_json::from_value(file.clone()).unwrap();
        let tcti = chip.tcti();
        let (pending, Blinded::Element { blinded, .. }) = file.lock(None, &tcti).begin(&pin, &mut rng())? else {
            panic!("the service has a share")
        };
        pending.finish(&Evaluated::Element(evaluate(&blinded)))
    };
    assert!(matches!(open(&file), Ok(PinAnswer::Open(key)) if key.is_in_tpm() && key.public() == new.key.public()));
    let mut other = file.clone();
    other["service"] = "https://stranger.example".into();
    assert!(matches!(open(&other), Ok(PinAnswer::Wrong)));
    let mut other = file.clone();
    other["public_key"] = serde_json::to_value(P256Jwk::from(*file_key().verifying_key())).unwrap();
    assert!(matches!(open(&other), Ok(PinAnswer::Wrong)));
    for (version, is_wrapped) in [(2, true), (3, false)] {
        let mut other = file.clone();
        other["v"] = version.into();
        if !is_wrapped {
            other.as_object_mut().unwrap().remove("wrapped_key");
        }
        assert!(matches!(open(&other), Err(DeviceKeyError::Malformed)), "{version}");
    }
}

fn file_key() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
}

#[test]
fn there_is_no_tpm() {
    assert!(matches!(Tpm::open("swtpm:host=127.0.0.1,port=9"), Err(TpmError::Broken)));
    assert!(matches!(Tpm::open("device:/dev/tpm-of-nobody"), Err(TpmError::Absent)));
}
