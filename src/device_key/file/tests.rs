use super::*;
use crate::secret::SecretText;
use crate::voprf::{self, Share};

/// Nothing asks it.
const NO_TPM: &str = "device:/nowhere";
const SERVICE: &str = "https://kasse.example";

fn rng() -> rand_core::UnwrapErr<getrandom::SysRng> {
    rand_core::UnwrapErr(getrandom::SysRng)
}

fn pin(digits: &str) -> DevicePin {
    DevicePin::parse(&SecretText::new(digits.to_owned())).unwrap()
}

fn secret() -> DeviceSecret {
    SecretBytes::written(|out| out.fill(7))
}

fn copy(file: &KeyFile) -> KeyFile {
    serde_json::from_slice(&serde_json::to_vec(file).unwrap()).unwrap()
}

/// A device, its file, and the service's share.
struct Device {
    new: NewKey,
    file: KeyFile,
    share: Share,
    has_secret: bool,
}

impl Device {
    fn new(has_secret: bool) -> Self {
        let share = Share::of(&SecretBytes::random(&mut rng())).unwrap();
        let new = NewKey::make(&mut rng());
        let (lock, blinded) = NewLock::begin(&pin("271828"), &new.key_identifier, &mut rng()).unwrap();
        let secret = has_secret.then(secret);
        let lock = lock.finish(share.public_key(), &evaluate(&share, &blinded), secret.as_ref()).unwrap();
        let file = copy(&new.to_file(SERVICE, &lock, &mut rng()).unwrap());
        Self { new, file, share, has_secret }
    }

    fn open(&self, file: &KeyFile, digits: &str) -> Result<PinAnswer, DeviceKeyError> {
        let secret = self.has_secret.then(secret);
        let (pending, Blinded::Element { blinded, .. }) = file.lock(secret, NO_TPM).begin(&pin(digits), &mut rng())?
        else {
            panic!("the service has a share")
        };
        pending.finish(&Evaluated::Element(evaluate(&self.share, &blinded)))
    }
}

fn evaluate(share: &Share, blinded: &Element) -> Evaluation {
    share.evaluate(&voprf::Blinded::parse(blinded).unwrap(), &mut rng())
}

#[test]
fn the_right_pin_opens_the_key_and_a_wrong_one_does_not() {
    let device = Device::new(false);
    let Ok(PinAnswer::Open(key)) = device.open(&device.file, "271828") else {
        panic!("the right PIN must open the key")
    };
    assert_eq!(key.public(), device.new.key.public());
    assert!(matches!(device.open(&device.file, "271829"), Ok(PinAnswer::Wrong)));
}

#[test]
fn a_file_whose_public_parts_were_swapped_does_not_open() {
    let (device, other) = (Device::new(false), Device::new(false));
    for swap in [
        |file: &mut KeyFile, _: &NewKey| file.service = "https://stranger.example".to_owned(),
        |file: &mut KeyFile, other: &NewKey| file.public_key = other.key.public().clone(),
        |file: &mut KeyFile, other: &NewKey| file.key_identifier = other.key_identifier,
        |file: &mut KeyFile, _: &NewKey| file.encrypted_key[0] ^= 1,
        |file: &mut KeyFile, _: &NewKey| file.salt[0] ^= 1,
        |file: &mut KeyFile, _: &NewKey| file.nonce[0] ^= 1,
    ] {
        let mut swapped = copy(&device.file);
        swap(&mut swapped, &other.new);
        assert!(matches!(device.open(&swapped, "271828"), Ok(PinAnswer::Wrong)));
    }
}

#[test]
fn a_share_that_was_swapped_in_the_file_is_noticed_before_the_key_is_tried() {
    let (device, other) = (Device::new(false), Device::new(false));
    let mut swapped = copy(&device.file);
    swapped.voprf_pk = Some(other.share.public_key());
    assert!(matches!(device.open(&swapped, "271828"), Err(DeviceKeyError::Evaluation)));
    // With the share of somebody else behind it, too, the PIN is of no use.
    let thief = Device { share: other.share, ..device };
    assert!(matches!(thief.open(&swapped, "271828"), Ok(PinAnswer::Wrong)));
}

#[test]
fn a_file_that_names_another_key_is_noticed_even_when_it_was_made_with_the_right_pin() {
    let (mut device, other) = (Device::new(false), Device::new(false));
    let (lock, blinded) = NewLock::begin(&pin("271828"), &device.new.key_identifier, &mut rng()).unwrap();
    let lock = lock.finish(device.share.public_key(), &evaluate(&device.share, &blinded), None).unwrap();
    device.new.key.public = other.new.key.public.clone();
    let file = device.new.to_file(SERVICE, &lock, &mut rng()).unwrap();
    assert!(matches!(device.open(&file, "271828"), Err(DeviceKeyError::OtherKey)));
}

#[test]
fn a_file_of_another_version_does_not_open() {
    let device = Device::new(false);
    for (v, voprf_pk) in [(3, device.file.voprf_pk), (2, None), (1, device.file.voprf_pk), (0, None)] {
        let mut file = copy(&device.file);
        (file.v, file.voprf_pk) = (v, voprf_pk);
        let refused = file.lock(None, NO_TPM).begin(&pin("271828"), &mut rng()).map(drop);
        assert!(matches!(refused, Err(DeviceKeyError::Malformed)), "version {v}");
    }
}

#[test]
fn the_secret_of_the_key_ring_is_needed_where_the_file_says_so() {
    let device = Device::new(true);
    assert!(matches!(device.open(&device.file, "271828"), Ok(PinAnswer::Open(_))));
    let without = Device { has_secret: false, ..device };
    assert!(matches!(without.open(&without.file, "271828"), Err(DeviceKeyError::NoSecret)));
    // A file that was made to say that none is needed.
    let mut forged = copy(&without.file);
    forged.has_secret = false;
    assert!(matches!(without.open(&forged, "271828"), Ok(PinAnswer::Wrong)));
    // Another secret.
    let other = SecretBytes::written(|out| out.fill(8));
    let (pending, Blinded::Element { blinded, .. }) =
        without.file.lock(Some(other), NO_TPM).begin(&pin("271828"), &mut rng()).unwrap()
    else {
        panic!("the service has a share")
    };
    let opened = pending.finish(&Evaluated::Element(evaluate(&without.share, &blinded)));
    assert!(matches!(opened, Ok(PinAnswer::Wrong)));
}

#[test]
fn another_lock_takes_another_pin_and_keeps_the_key() {
    let device = Device::new(false);
    let Ok(PinAnswer::Open(key)) = device.open(&device.file, "271828") else {
        panic!("the right PIN must open the key")
    };
    let share = Share::of(&SecretBytes::random(&mut rng())).unwrap();
    let (lock, blinded) = NewLock::begin(&pin("141421"), &device.file.key_identifier, &mut rng()).unwrap();
    let lock = lock.finish(share.public_key(), &evaluate(&share, &blinded), None).unwrap();
    let (file, key) = device.file.relocked(key, &lock, &mut rng()).unwrap();
    let changed = Device { share, ..device };
    assert!(matches!(changed.open(&file, "271828"), Ok(PinAnswer::Wrong)));
    let Ok(PinAnswer::Open(again)) = changed.open(&file, "141421") else { panic!("the new PIN must open the key") };
    assert_eq!(again.public(), key.public());
    let other = Device::new(false);
    let refused = other.file.relocked(again, &lock, &mut rng()).map(drop);
    assert!(matches!(refused, Err(DeviceKeyError::OtherKey)));
}

#[test]
fn an_answer_for_a_file_that_needs_none_and_none_for_one_that_does_open_nothing() {
    let device = Device::new(false);
    let (pending, _) = device.file.lock(None, NO_TPM).begin(&pin("271828"), &mut rng()).unwrap();
    assert!(matches!(pending.finish(&Evaluated::Nothing), Err(DeviceKeyError::Evaluation)));
}

#[test]
fn the_device_key_is_not_in_the_file_in_clear() {
    let device = Device::new(true);
    let Place::Memory(key) = &device.new.key.place else { panic!() };
    let secret = base64url::encode(&key.to_bytes());
    let text = serde_json::to_string(&device.file).unwrap();
    assert!(!text.contains(&secret));
    assert!(!format!("{:?} {:?}", device.new, device.file).contains(&secret));
}
