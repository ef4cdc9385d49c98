//! Device files of version 1, whose PIN was checked on the computer alone.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use kartenbund::client::pin::{change, unlock};
use kartenbund::jose::{base64url, json};
use kartenbund::voprf::{Blinded, Blinding};
use sha2::Sha512;

use super::common::line::{Cut, Liar};
use super::common::thief::stolen_share;
use super::*;

/// Argon2id(PIN) ‖ 00 ‖ key identifier, as `docs/protocol.md` has it.
fn stretched(pin: &str, salt: &[u8], key_identifier: &[u8]) -> Vec<u8> {
    let params = Params::new(65536, 3, 1, Some(32)).unwrap();
    let mut out = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(pin.as_bytes(), salt, &mut out)
        .unwrap();
    [&out[..], &[0], key_identifier].concat()
}

fn expanded(input: &[u8], salt: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    Hkdf::<Sha512>::new(Some(salt), input).expand(b"kartenbund/file/v1\0", &mut key).unwrap();
    key
}

/// Makes the computer's file one of version 1, as the program wrote it then, and the service one that knows of no share.
/// The file of version 2 is opened by what the documentation says of it, with nothing of the program.
fn as_it_was(world: &World, computer: &Computer) {
    let path = computer.here.home.folder().join("device.json");
    let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let key = file["key"].as_object_mut().unwrap();
    let bytes = |name: &str| base64url::decode(key[name].as_str().unwrap()).unwrap();
    let (salt, identifier) = (bytes("salt"), bytes("key_identifier"));
    let nonce: [u8; 12] = bytes("nonce").try_into().unwrap();
    let thumbprint = computer.here.home.device().unwrap().key.public_key.thumbprint();
    let input = stretched(DEVICE_PIN, &salt, &identifier);

    let (blinding, element) = Blinding::new(input.clone().into(), &mut rng()).unwrap();
    let share = stolen_share(world);
    let evaluation = share.evaluate(&Blinded::parse(&element).unwrap(), &mut rng());
    let output = blinding.finish(&share.public_key(), &evaluation).unwrap();
    let aad = json!([2, key["service"], thumbprint, key["key_identifier"], key["voprf_pk"], false]);
    let sealed = Payload { msg: &bytes("encrypted_key"), aad: &json::canonical(&aad).unwrap() };
    let cipher = Aes256Gcm::new(&expanded(output.expose(), &salt).into());
    let secret = cipher.decrypt(&Nonce::from(nonce), sealed).unwrap();

    let aad = json::canonical(&json!([1, key["service"], thumbprint, key["key_identifier"]])).unwrap();
    let cipher = Aes256Gcm::new(&expanded(&input, &salt).into());
    let sealed = cipher.encrypt(&Nonce::from(nonce), Payload { msg: &secret, aad: &aad }).unwrap();
    key.insert("v".to_owned(), json!(1));
    key.insert("encrypted_key".to_owned(), json!(base64url::encode(&sealed)));
    key.remove("voprf_pk");
    key.remove("has_secret");
    file.as_object_mut().unwrap().remove("secret");
    file.as_object_mut().unwrap().remove("name");
    std::fs::write(&path, file.to_string()).unwrap();
    world.sql("DELETE FROM pin_share").unwrap();
}

fn open_with(computer: &Computer, pin: &'static str) -> Result<Vec<Notice>, PinError> {
    let mut script = Script { device_pin: pin, ..Script::default() };
    computer.with(&mut script, |around| unlock(&computer.here, 0, around))?;
    Ok(script.notices)
}

fn version(computer: &Computer) -> i64 {
    let file = std::fs::read(computer.here.home.folder().join("device.json")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&file).unwrap()["key"]["v"].as_i64().unwrap()
}

#[test]
fn an_old_file_gets_a_share_at_the_next_unlocking() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    as_it_was(&world, &computer);
    let wrong = open_with(&computer, "384710").map(drop);
    assert!(matches!(wrong, Err(PinError::Wrong { tries_left: None })), "nobody counts yet: {wrong:?}");
    assert_eq!(version(&computer), 1);
    assert_eq!(open_with(&computer, DEVICE_PIN).unwrap(), [Notice::PinShared]);
    assert_eq!(version(&computer), 2);
    assert_eq!(world.audited("device.pin_changed"), 1);
    let wrong = open_with(&computer, "384710").map(drop);
    assert!(matches!(wrong, Err(PinError::Wrong { tries_left: Some(4) })), "now the service counts: {wrong:?}");
    let accepted = computer.apply(&new_address());
    approve(&computer, &accepted);
}

#[test]
fn an_old_file_can_be_given_a_new_pin() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    as_it_was(&world, &computer);
    let mut script = Script { new_device_pins: ["141421"].into(), ..Script::default() };
    computer.with(&mut script, |around| change(&computer.here, around)).unwrap();
    assert!(open_with(&computer, DEVICE_PIN).is_err());
    open_with(&computer, "141421").unwrap();
}

#[test]
fn an_old_file_is_not_lost_wherever_the_line_breaks() {
    for what in ["change", "confirm"] {
        for cut in [Cut::Request, Cut::Answer] {
            let world = World::new();
            let computer = world.registered(ERIKA);
            as_it_was(&world, &computer);
            let line = Liar::cutting(&world, cut, move |path| path.ends_with(what));
            let broken = open_with(&line.deceives(&computer), DEVICE_PIN);
            assert!(
                matches!(broken, Err(PinError::Service(ServiceError::Unreachable(_)))),
                "{what} {cut:?}: {broken:?}"
            );
            assert_eq!(version(&computer), if what == "confirm" { 2 } else { 1 }, "{what} {cut:?}");
            open_with(&computer, DEVICE_PIN).unwrap_or_else(|error| panic!("{what} {cut:?}: {error}"));
            open_with(&computer, DEVICE_PIN).unwrap();
            assert_eq!(world.count("SELECT COUNT(*) FROM pin_share WHERE device_id IS NOT NULL"), 1, "{what} {cut:?}");
        }
    }
}
