//! Approvals that are shown after a fingerprint: the real fprintd with a reader in software. Who may use it is said by
//! polkit, which python-dbusmock plays.

use super::*;

const HERS: &str = "SCAN erika";
const ANOTHER: &str = "SCAN somebody else";
const UNREADABLE: &str = "RETRY 1";
const ON: [&str; 3] = ["devices", "fingerprint", "on"];
const LIST: [&str; 1] = ["approvals"];

/// Erika's computer, registered, with a reader.
fn computer() -> (World, Desktop) {
    let (world, mut desktop) = (world(), Desktop::without_key_ring());
    registered(&desktop, &world);
    desktop.start_reader();
    (world, desktop)
}

/// The same where approvals are shown after a fingerprint.
fn guarded() -> (World, Desktop) {
    let (world, desktop) = computer();
    desktop.enrol("erika");
    let (status, told) = desktop.run_touching(&ON, &[HERS]);
    assert_eq!(status, Some(0), "{told}");
    (world, desktop)
}

/// Registers the computer once more, in the place of itself.
fn again(desktop: &Desktop) {
    let image = desktop.home().parent().unwrap().join("erika.xml");
    let words = ["register", "--replace", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    let registered = desktop.run_with(&words, &[CARD_PIN, DEVICE_PIN]);
    assert!(registered.status.success(), "{registered:?}");
}

/// Nothing is shown, for this reason.
fn refuses(desktop: &Desktop, words: &[&str], touches: &[&str], why: &str) {
    let (status, told) = desktop.run_touching(words, touches);
    assert_eq!(status, Some(121), "{told}");
    assert!(
        told.contains(why) && told.contains("Code: fingerprint (121)") && !told.contains("no applications"),
        "{told}"
    );
}

/// There is none: the list says so.
fn shows(desktop: &Desktop, touches: &[&str]) -> String {
    let (status, told) = desktop.run_touching(&LIST, touches);
    assert!(status == Some(0) && told.contains("There are no applications."), "{told}");
    told
}

#[test]
fn approvals_are_shown_to_a_finger_that_the_computer_knows_and_to_no_other() {
    let (_world, mut desktop) = guarded();
    shows(&desktop, &[HERS]);
    let told = shows(&desktop, &[UNREADABLE, ANOTHER, HERS]);
    assert!(told.contains("could not be read") && told.contains("does not know this"), "{told}");
    refuses(&desktop, &LIST, &[ANOTHER, ANOTHER, ANOTHER], "knew none of the three fingers");
    // Nothing else that shows them goes around it, and without a reader nothing is shown.
    desktop.end_reader();
    let id = "AAAAAAAAAAAAAAAAAAAAAA";
    let page = desktop.home().join("evidence.json");
    let export = ["evidence", "export", "--whole-account", "--out", page.to_str().unwrap()];
    let device =
        json_of(&desktop.run(&["devices", "--json"], &[]))["devices"][0]["device_id"].as_str().unwrap().to_owned();
    for words in [
        &LIST[..],
        &["approvals", "show", id],
        &["approvals", "watch"],
        &["approvals", "--watch"],
        &["approvals", "approve", id],
        &["approvals", "deny", id],
        &["approvals", "not-me", id],
        &export,
        &["devices", "remove", &device],
    ] {
        refuses(&desktop, words, &[], "no fingerprint reader");
    }
    assert!(!page.exists());
}

#[test]
fn whoever_turns_it_off_knows_the_device_pin_and_a_device_that_is_registered_anew_wants_it_still() {
    let (_world, mut desktop) = guarded();
    desktop.end_reader();
    let off = ["devices", "fingerprint", "off", "--json", "--pin-fd", "3"];
    let wrong = desktop.run_with(&off, &["111222"]);
    assert_eq!(json_of(&wrong)["error"]["code"], "device_pin_wrong");
    refuses(&desktop, &LIST, &[], "no fingerprint reader");
    again(&desktop);
    refuses(&desktop, &LIST, &[], "no fingerprint reader");
    let right = desktop.run_with(&off, &[DEVICE_PIN]);
    assert_eq!(json_of(&right)["fingerprint"], false);
    shows(&desktop, &[]);
}

#[test]
fn a_reader_that_recognises_nobody_turns_nothing_on() {
    let (_world, mut desktop) = computer();
    refuses(&desktop, &ON, &[], "knows none of your fingers");
    desktop.enrol("erika");
    refuses(&desktop, &ON, &[ANOTHER, ANOTHER, ANOTHER], "knew none of the three fingers");
    let mut other = desktop.occupy_reader();
    refuses(&desktop, &ON, &[], "Another program is using");
    other.kill().unwrap();
    other.wait().unwrap();
    desktop.let_use_reader(false);
    refuses(&desktop, &ON, &[], "may not be used from here");
    desktop.end_reader();
    refuses(&desktop, &ON, &[], "no fingerprint reader");
    shows(&desktop, &[]);
}

#[test]
fn where_nobody_puts_a_finger_on_it_the_program_does_not_wait_for_ever() {
    let (_world, desktop) = guarded();
    refuses(&desktop, &LIST, &[], "Nothing happened");
    shows(&desktop, &[HERS]); // the reader is free again
}
