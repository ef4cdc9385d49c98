//! Where the secrets of a session are kept, with a real key ring (gnome-keyring-daemon) in a private session of a desktop.
#![cfg(all(target_os = "linux", feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod desktop;
mod fingerprint;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use common::{CARD_PIN, DEVICE_PIN, ERIKA, ManualClock, World, anchors_of, blueprint, ca, image_by, rng};
use desktop::Desktop;
use kartenbund::virtual_card::personalise::{MUSTERKASSE_IK, TestCa};
use serde_json::Value;
use time::OffsetDateTime;

/// A service whose clock is right when the test begins: programs have clocks of their own.
fn world() -> World {
    let clock = ManualClock::at(OffsetDateTime::now_utc());
    World::open(tempfile::tempdir().unwrap(), clock, Box::new(anchors_of(&[&ca()])), &[MUSTERKASSE_IK])
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("not JSON: {output:?}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn login(desktop: &Desktop, world: &World, password: &str, options: &[&str]) -> Output {
    let words = ["login", "--json", "--service", &world.address, "--kvnr", ERIKA];
    desktop.run(&[&words[..], options].concat(), &[password])
}

fn place(output: &Output) -> String {
    json_of(output)["session_place"].as_str().unwrap_or_else(|| panic!("{output:?}")).to_owned()
}

fn fails_for(output: &Output, words: &str) {
    let error = &json_of(output)["error"];
    assert_eq!((error["code"].as_str(), output.status.code()), (Some("key_ring"), Some(49)), "{output:?}");
    assert!(error["message"].as_str().unwrap().contains(words), "{words}: {error}");
    assert!(!error["remedy"].as_str().unwrap().is_empty());
}

fn works(desktop: &Desktop, options: &[&str]) {
    let output = desktop.run(&[&["devices", "--json"], options].concat(), &[]);
    assert!(output.status.success(), "{output:?}");
}

fn in_file(desktop: &Desktop) -> String {
    let path = desktop.home().join("session.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn where_there_is_a_key_ring_the_secrets_are_in_it_and_in_no_file() {
    let (world, desktop) = (world(), Desktop::new());
    let password = world.member(ERIKA);
    assert_eq!(place(&login(&desktop, &world, &password, &[])), "key_ring");
    works(&desktop, &[]);
    assert_eq!(desktop.entries().len(), 1);
    assert!(!in_file(&desktop).contains("token"), "{}", in_file(&desktop));
    let accounts = json_of(&desktop.run(&["accounts", "--json"], &[]));
    assert_eq!(accounts["accounts"][0]["session_place"], "key_ring");
    let doctor = json_of(&desktop.run(&["doctor", "--json", "--virtual-card", "fixtures/cards/erika.xml"], &[]));
    let step = doctor["steps"].as_array().unwrap().iter().find(|step| step["step"] == "session_store").unwrap();
    assert_eq!(step["verdict"], "ok");
    assert!(step["message"].as_str().unwrap().contains("key ring"), "{step}");
}

#[test]
fn where_there_is_no_key_ring_they_are_in_a_file_and_the_program_says_so() {
    let (world, desktop) = (world(), Desktop::without_key_ring());
    let password = world.member(ERIKA);
    let words = ["login", "--service", &world.address, "--kvnr", ERIKA];
    let told = text(&desktop.run(&words, &[&password]).stdout);
    assert_eq!(told.matches("in a file that only your user can read").count(), 1, "{told}");
    assert!(in_file(&desktop).contains("token"));
    works(&desktop, &[]);
    let doctor = text(&desktop.run(&["doctor", "--virtual-card", "fixtures/cards/erika.xml"], &[]).stdout);
    assert!(doctor.contains("Login: ok. Its keys are in a file"), "{doctor}");
}

#[test]
fn a_locked_key_ring_is_told_and_nobody_is_taken_for_logged_out() {
    let (world, mut desktop) = (world(), Desktop::new());
    let password = world.member(ERIKA);
    assert_eq!(place(&login(&desktop, &world, &password, &[])), "key_ring");
    desktop.lock_key_ring();
    fails_for(&desktop.run(&["devices", "--json"], &[]), "locked");
    fails_for(&desktop.run(&["logout", "--json"], &[]), "locked");
    let doctor = json_of(&desktop.run(&["doctor", "--json", "--virtual-card", "fixtures/cards/erika.xml"], &[]));
    let step = doctor["steps"].as_array().unwrap().iter().find(|step| step["step"] == "session_store").unwrap();
    assert_eq!((step["verdict"].as_str(), step["code"].as_str()), (Some("failed"), Some("key_ring")));
    desktop.open_key_ring();
    works(&desktop, &[]);
}

#[test]
fn a_login_into_a_locked_key_ring_ends_before_the_password_is_used() {
    let (world, mut desktop) = (world(), Desktop::new());
    let password = world.member(ERIKA);
    desktop.lock_key_ring();
    fails_for(&login(&desktop, &world, &password, &[]), "locked");
    assert_eq!(world.count("SELECT COUNT(*) FROM session"), 0);
    desktop.open_key_ring();
    assert_eq!(place(&login(&desktop, &world, &password, &[])), "key_ring");
}

#[test]
fn only_a_login_moves_the_secrets_and_none_is_left_in_the_other_place() {
    let (world, desktop) = (world(), Desktop::new());
    let password = world.member(ERIKA);
    assert_eq!(place(&login(&desktop, &world, &password, &["--no-key-ring"])), "file");
    works(&desktop, &[]);
    assert_eq!(desktop.entries().len(), 0, "using it does not move it");
    assert_eq!(place(&login(&desktop, &world, &password, &[])), "key_ring");
    assert_eq!(desktop.entries().len(), 1);
    assert!(!in_file(&desktop).contains("token"), "{}", in_file(&desktop));
    fails_for(&desktop.run(&["devices", "--json", "--no-key-ring"], &[]), "not to be used");
    assert_eq!(place(&login(&desktop, &world, &password, &["--no-key-ring"])), "file");
    assert_eq!(desktop.entries().len(), 0);
    works(&desktop, &["--no-key-ring"]);
}

#[test]
fn a_key_ring_that_is_gone_or_was_tidied_up_is_told_and_a_login_heals_it() {
    let (world, mut desktop) = (world(), Desktop::new());
    let password = world.member(ERIKA);
    assert_eq!(place(&login(&desktop, &world, &password, &[])), "key_ring");
    desktop.delete_entries();
    fails_for(&desktop.run(&["devices", "--json"], &[]), "not there any more");
    assert_eq!(place(&login(&desktop, &world, &password, &[])), "key_ring");
    works(&desktop, &[]);
    assert_eq!(desktop.entries().len(), 1, "nothing of the search is left");

    // As over SSH, where no key ring is started.
    desktop.end_key_ring();
    fails_for(&desktop.run(&["devices", "--json"], &[]), "none here");
    let words = ["login", "--service", &world.address, "--kvnr", ERIKA];
    let told = text(&desktop.run(&words, &[&password]).stdout);
    assert!(told.contains("in a file that only your user can read"), "{told}");
    assert!(told.contains("may still be in the key ring"), "{told}");
    works(&desktop, &[]);
    desktop.open_key_ring();
    assert_eq!(desktop.entries().len(), 1);
    assert_eq!(place(&login(&desktop, &world, &password, &["--no-key-ring"])), "file");
    assert_eq!(desktop.entries().len(), 0, "the next login has tidied up");
}

/// Logs in with the session in a file, so that nothing but the device key needs the key ring; then registers.
fn registered(desktop: &Desktop, world: &World) -> String {
    let password = world.member(ERIKA);
    assert_eq!(place(&login(desktop, world, &password, &["--no-key-ring"])), "file");
    let image = desktop.home().parent().unwrap().join("erika.xml");
    std::fs::write(&image, image_by(&ca(), &blueprint(ERIKA))).unwrap();
    let words = ["register", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    let registered = desktop.run_with(&words, &[CARD_PIN, DEVICE_PIN]);
    assert!(registered.status.success(), "{registered:?}");
    text(&registered.stderr)
}

/// Changes the device PIN from one to another; why it fails.
fn change_pin(desktop: &Desktop, options: &[&str], [old, new]: [&str; 2]) -> Option<String> {
    let words = ["devices", "change-pin", "--json", "--pin-fd", "3"];
    let output = desktop.run_with(&[&words[..], options].concat(), &[old, new]);
    let answer = json_of(&output);
    if answer["changed"] == true {
        return None;
    }
    let error = &answer["error"];
    assert_eq!((error["code"].as_str(), output.status.code()), (Some("device_secret"), Some(95)), "{output:?}");
    Some(error["message"].as_str().unwrap().to_owned())
}

#[test]
fn a_part_of_the_device_key_is_in_the_key_ring_and_no_pin_is_tried_without_it() {
    let (world, mut desktop) = (world(), Desktop::new());
    let told = registered(&desktop, &world);
    assert!(!told.contains("no key ring"), "{told}");
    assert_eq!(desktop.entries().len(), 1);
    assert!(std::fs::read_to_string(desktop.home().join("device.json")).unwrap().contains("\"has_secret\": true"));
    assert_eq!(change_pin(&desktop, &[], [DEVICE_PIN, "141421"]), None);
    assert_eq!(desktop.entries().len(), 1, "the secret is the same");
    let tries = || world.count("SELECT COUNT(*) FROM pin_attempt WHERE number > 0");
    let before = tries();
    desktop.lock_key_ring();
    let locked = change_pin(&desktop, &[], ["141421", "173205"]).unwrap();
    assert!(locked.contains("locked"), "{locked}");
    let unwanted = change_pin(&desktop, &["--no-key-ring"], ["141421", "173205"]).unwrap();
    assert!(unwanted.contains("not to be used"), "{unwanted}");
    desktop.open_key_ring();
    assert_eq!(tries(), before, "a key ring that is locked costs no try");
    assert_eq!(change_pin(&desktop, &[], ["141421", "173205"]), None);
    desktop.delete_entries();
    let lost = change_pin(&desktop, &[], ["173205", "141421"]).unwrap();
    assert!(lost.contains("not there any more"), "{lost}");
    desktop.end_key_ring();
    let absent = change_pin(&desktop, &[], ["173205", "141421"]).unwrap();
    assert!(absent.contains("none here"), "{absent}");
}

#[test]
fn nothing_stays_in_the_key_ring_that_no_device_needs_any_more() {
    let (world, desktop) = (world(), Desktop::new());
    registered(&desktop, &world);
    let first = desktop.entries();
    assert_eq!(first.len(), 1);
    let image = desktop.home().parent().unwrap().join("erika.xml");
    let words = ["register", "--replace", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    // A wrong card PIN ends the registration when the secret has been made, and a service that does not take the card
    // ends it when a file names the secret already.
    assert!(!desktop.run_with(&words, &["999999", DEVICE_PIN]).status.success());
    assert_eq!(desktop.entries(), first, "what was made for it is gone");
    let nobodys = TestCa::generate(&mut rng(), "nobody's", OffsetDateTime::now_utc()).unwrap();
    let untrusted = desktop.home().parent().unwrap().join("untrusted.xml");
    std::fs::write(&untrusted, image_by(&nobodys, &blueprint(ERIKA))).unwrap();
    let with_it = ["register", "--replace", "--json", "--virtual-card", untrusted.to_str().unwrap(), "--pin-fd", "3"];
    let refused = json_of(&desktop.run_with(&with_it, &[CARD_PIN, DEVICE_PIN]));
    assert_eq!(refused["error"]["code"], "certificate_refused", "{refused}");
    assert_eq!(desktop.entries(), first, "nor is what was made for that one there");
    let replaced = desktop.run_with(&words, &[CARD_PIN, DEVICE_PIN]);
    assert!(replaced.status.success(), "{replaced:?}");
    let second = desktop.entries();
    assert_eq!(second.len(), 1, "the one before has gone");
    assert_ne!(second, first);
}

#[test]
fn where_there_is_no_key_ring_the_device_key_does_without_and_the_program_says_so() {
    let (world, desktop) = (world(), Desktop::without_key_ring());
    let told = registered(&desktop, &world);
    assert!(told.contains("There is no key ring here"), "{told}");
    assert!(std::fs::read_to_string(desktop.home().join("device.json")).unwrap().contains("\"has_secret\": false"));
    assert_eq!(change_pin(&desktop, &[], [DEVICE_PIN, "141421"]), None);
}
