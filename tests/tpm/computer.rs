//! A computer whose device key is in its TPM: the real client, over HTTP.

use std::sync::{Arc, Mutex};

use kartenbund::client::Notice;
use kartenbund::client::approve::decide;
use kartenbund::client::device_login::login_with_device;
use kartenbund::client::pin::{PinError, change, unlock};
use kartenbund::device_key::DeviceKeyError;
use kartenbund::device_key::tpm::TpmError;
use kartenbund::protocol::approval::Verdict;
use kartenbund::protocol::evidence::Bundle;

use crate::chip::Chip;
use crate::common::line::{Cut, Liar};
use crate::common::*;

const NEW_PIN: &str = "141421";

/// A computer with this TPM, whose user has logged in.
fn logged_in(world: &World, tcti: &str) -> Computer {
    let password = world.member(ERIKA);
    with_tpm(world.log_in(ERIKA, &password), tcti)
}

pub(crate) fn with_tpm(mut computer: Computer, tcti: &str) -> Computer {
    computer.here.home = computer.here.home.using_tpm(true, Some(tcti.to_owned()));
    computer
}

fn registered(world: &World, chip: &Chip) -> Computer {
    let computer = logged_in(world, &chip.tcti());
    let mut script = Script::default();
    computer.register_as(&mut card(ERIKA), &mut script, &wish()).unwrap();
    assert!(script.notices.contains(&Notice::KeyInTpm));
    assert!(computer.here.home.device().unwrap().key.is_in_tpm());
    computer
}

fn open_with(computer: &Computer, pin: &'static str) -> Result<(), PinError> {
    let mut script = Script { device_pin: pin, ..Script::default() };
    computer.with(&mut script, |around| unlock(&computer.here, 0, around)).map(drop)
}

fn change_to(computer: &Computer, old: &'static str, new: &'static str) -> Result<(), PinError> {
    let mut script = Script { device_pin: old, new_device_pins: [new].into(), ..Script::default() };
    computer.with(&mut script, |around| change(&computer.here, around))
}

fn evaluations(world: &World) -> i64 {
    world.count("SELECT COUNT(*) FROM pin_attempt")
}

#[test]
fn a_key_in_the_tpm_registers_decides_and_logs_in_and_its_evidence_holds() {
    let (world, chip) = (World::new(), Chip::start());
    let computer = registered(&world, &chip);
    let accepted = computer.apply(&new_bank_account());
    let mut script = Script::with_code(&accepted.match_code);
    computer
        .with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
        .unwrap();
    let bundle: Bundle = computer.here.service.get("/v1/evidence").unwrap();
    let report = bundle.verify(&anchors_of(&[&ca()]), &computer.here.profile.service_keys);
    assert!(report.findings.is_some(), "{:?}", report.links);
    let home = computer.here.home.clone();
    computer.with(&mut Script::default(), |around| login_with_device(&home, world.remote(), around)).unwrap();
}

#[test]
fn the_service_counts_wrong_pins_and_the_tpm_does_not() {
    let (world, chip) = (World::new(), Chip::start());
    let computer = registered(&world, &chip);
    let before = chip.lockout_counter();
    for (pin, left) in [("384710", 4), ("384711", 3), ("384712", 2), ("384713", 1)] {
        let said = open_with(&computer, pin);
        assert!(matches!(said, Err(PinError::Wrong { tries_left: Some(tries) }) if tries == left), "{said:?}");
    }
    assert!(matches!(open_with(&computer, "384714"), Err(PinError::Gone)));
    assert_eq!(chip.lockout_counter(), before, "other keys of this computer open as before");
}

#[test]
fn a_changed_pin_opens_and_the_one_before_does_not_wherever_it_breaks_off() {
    for what in ["nothing", "evaluate", "change", "confirm"] {
        for cut in [Cut::Request, Cut::Answer] {
            // Both confirmations are one: that of the old PIN, and that of the new file.
            for passes in 0..if what == "confirm" { 2 } else { 1 } {
                let place = format!("{what} {passes} {cut:?}");
                let (world, chip) = (World::new(), Chip::start());
                let computer = registered(&world, &chip);
                let seen = Arc::new(Mutex::new(0));
                let is_cut = move |path: &str| {
                    let mut seen = seen.lock().unwrap();
                    *seen += i32::from(path.ends_with(what));
                    path.ends_with(what) && *seen > passes
                };
                let line = Liar::cutting(&world, cut, is_cut);
                let changed = change_to(&with_tpm(line.deceives(&computer), &chip.tcti()), DEVICE_PIN, NEW_PIN);
                assert_eq!(changed.is_ok(), what == "nothing", "{place}: {changed:?}");
                let is_new = what == "nothing" || what == "confirm" && passes == 1;
                let (right, wrong) = if is_new { (NEW_PIN, DEVICE_PIN) } else { (DEVICE_PIN, NEW_PIN) };
                assert!(matches!(open_with(&computer, wrong), Err(PinError::Wrong { .. })), "{place}");
                open_with(&computer, right).unwrap_or_else(|error| panic!("{place}: {error}"));
                change_to(&computer, right, "173205").unwrap_or_else(|error| panic!("{place}: {error}"));
            }
        }
    }
}

/// The thief of the file has a TPM of his own; and so has the owner whose TPM was cleared.
#[test]
fn in_another_tpm_the_file_opens_nothing_and_costs_no_try() {
    let (world, chip, other) = (World::new(), Chip::start(), Chip::start());
    let computer = registered(&world, &chip);
    let file = std::fs::read_to_string(computer.here.home.folder().join("device.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&file).unwrap();
    assert_eq!(file["key"]["encrypted_key"], "", "nothing is in it that a PIN could be tried on");
    let elsewhere = with_tpm(computer, &other.tcti());
    let said = open_with(&elsewhere, DEVICE_PIN);
    assert!(matches!(said, Err(PinError::DeviceKey(DeviceKeyError::Tpm(TpmError::OtherTpm)))), "{said:?}");
    assert_eq!(evaluations(&world), 0, "no try was spent");
    open_with(&with_tpm(elsewhere, &chip.tcti()), DEVICE_PIN).unwrap();
}

#[test]
fn a_tpm_that_is_gone_is_told_before_a_try_is_spent() {
    let (world, chip) = (World::new(), Chip::start());
    let computer = registered(&world, &chip);
    drop(chip);
    let said = open_with(&computer, DEVICE_PIN);
    assert!(matches!(said, Err(PinError::DeviceKey(DeviceKeyError::Tpm(TpmError::Broken)))), "{said:?}");
    let none = with_tpm(computer, "device:/dev/tpm-of-nobody");
    let said = open_with(&none, DEVICE_PIN);
    assert!(matches!(said, Err(PinError::DeviceKey(DeviceKeyError::Tpm(TpmError::Absent)))), "{said:?}");
    assert_eq!(evaluations(&world), 0);
}

#[test]
fn a_public_part_that_was_swapped_in_the_file_makes_every_pin_wrong() {
    let (world, chip) = (World::new(), Chip::start());
    let computer = registered(&world, &chip);
    let path = computer.here.home.folder().join("device.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let identifier = file["key"]["key_identifier"].as_str().unwrap();
    let other = if identifier.starts_with('A') { "B" } else { "A" }.to_owned() + &identifier[1..];
    file["key"]["service"] = "https://stranger.example".into();
    std::fs::write(&path, file.to_string()).unwrap();
    assert!(open_with(&computer, DEVICE_PIN).is_err());
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    file["key"]["key_identifier"] = other.into();
    std::fs::write(&path, file.to_string()).unwrap();
    assert!(matches!(open_with(&computer, DEVICE_PIN), Err(PinError::Wrong { .. })));
    std::fs::write(&path, text).unwrap();
    open_with(&computer, DEVICE_PIN).unwrap();
}

#[test]
fn without_a_tpm_the_key_is_in_the_file_and_the_person_learns_why() {
    for (tcti, told) in [
        ("device:/dev/tpm-of-nobody", None),
        ("swtpm:host=127.0.0.1,port=9", Some(Notice::TpmUnused { is_allowed: true })),
    ] {
        let world = World::new();
        let computer = logged_in(&world, tcti);
        let mut script = Script::default();
        computer.register_as(&mut card(ERIKA), &mut script, &wish()).unwrap();
        let of_tpm = |notice: &&Notice| matches!(notice, Notice::KeyInTpm | Notice::TpmUnused { .. });
        assert_eq!(script.notices.iter().find(of_tpm), told.as_ref(), "{tcti}");
        assert!(!computer.here.home.device().unwrap().key.is_in_tpm());
        open_with(&computer, DEVICE_PIN).unwrap();
    }
}
