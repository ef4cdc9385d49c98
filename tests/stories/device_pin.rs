//! The device PIN as its owner meets it: typed wrongly, forgotten, changed, in a file of an earlier version.

use std::sync::{Arc, Mutex};

use kartenbund::client::pin::rules::WeakPin;
use kartenbund::client::pin::{change, unlock};
use kartenbund::client::session::OpenSession;
use kartenbund::protocol::service::Receipt;
use kartenbund::secret::SecretBytes;
use kartenbund::voprf::Share;

use super::common::line::{Cut, Liar};
use super::common::mail::MailServer;
use super::common::thief::Thief;
use super::*;

const NEW_PIN: &str = "141421";
const THIRD_PIN: &str = "173205";

/// Opens the device key with a PIN; what the person was told.
pub(crate) fn open_with(computer: &Computer, pin: &'static str) -> Result<Vec<Notice>, PinError> {
    let mut script = Script { device_pin: pin, ..Script::default() };
    computer.with(&mut script, |around| unlock(&computer.here, 0, around))?;
    Ok(script.notices)
}

fn change_to(computer: &Computer, old: &'static str, new: &'static str) -> Result<Vec<Notice>, PinError> {
    let mut script = Script { device_pin: old, new_device_pins: [new].into(), ..Script::default() };
    computer.with(&mut script, |around| change(&computer.here, around))?;
    Ok(script.notices)
}

fn shares(world: &World) -> i64 {
    world.count("SELECT COUNT(*) FROM pin_share WHERE device_id IS NOT NULL")
}

fn tries_left<T>(result: Result<T, PinError>) -> i64 {
    match result {
        Err(PinError::Wrong { tries_left: Some(left) }) => left,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("the PIN is wrong"),
    }
}

#[test]
fn wrong_pins_are_told_with_the_tries_left_and_again_when_the_right_one_comes() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    for (pin, left) in [("384710", 4), ("384711", 3), ("384712", 2), ("384713", 1)] {
        assert_eq!(tries_left(open_with(&computer, pin)), left);
    }
    // The fifth is the right one, and all is well.
    assert_eq!(open_with(&computer, DEVICE_PIN).unwrap(), [Notice::WrongDevicePins { tries: 4 }]);
    assert_eq!(open_with(&computer, DEVICE_PIN).unwrap(), [], "it is told once");
    assert_eq!(tries_left(open_with(&computer, "384714")), 4);
}

#[test]
fn a_forgotten_pin_ends_in_a_new_registration_that_keeps_the_name() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    for pin in ["384710", "384711", "384712", "384713"] {
        tries_left(open_with(&computer, pin));
    }
    let gone = open_with(&computer, "384714").map(drop);
    assert!(matches!(gone, Err(PinError::Gone)), "{gone:?}");
    // With the password alone nobody removes a device: it is locked, until the service has counted to the end.
    assert_eq!(computer.devices().remove(0).state, "locked", "and this at once");
    assert_eq!(computer.here.home.device().unwrap().name.as_deref(), Some(wish().name.as_str()));
    let device = computer.register(&mut card(ERIKA)).unwrap();
    assert_eq!(device.binding_level, BindingLevel::B3);
    assert_eq!(computer.devices().len(), 1, "the new one has taken its place");
    assert_eq!(shares(&world), 1);
    open_with(&computer, DEVICE_PIN).unwrap();
}

#[test]
fn the_last_wrong_pin_removes_a_device_at_once_where_its_own_session_sees_it() {
    let world = World::new();
    let computer = world.registered(ERIKA).by_device().unwrap();
    for pin in ["384710", "384711", "384712", "384713"] {
        tries_left(open_with(&computer, pin));
    }
    assert!(matches!(open_with(&computer, "384714"), Err(PinError::Gone)));
    assert_eq!(world.column("SELECT state FROM device"), ["revoked"]);
    assert_eq!(shares(&world), 0);
}

#[test]
fn an_answer_that_gets_lost_costs_no_try() {
    for (what, cut) in [("evaluate", Cut::Answer), ("evaluate", Cut::Request), ("confirm", Cut::Answer)] {
        let world = World::new();
        let computer = world.registered(ERIKA);
        let left = Arc::new(Mutex::new(2_u32)); // the third sending gets through
        let lost = move |path: &str| {
            let mut left = left.lock().unwrap();
            let is_cut = path.ends_with(what) && *left > 0;
            *left -= u32::from(is_cut);
            is_cut
        };
        let line = Liar::cutting(&world, cut, lost);
        assert_eq!(open_with(&line.deceives(&computer), DEVICE_PIN).unwrap(), [], "{what} {cut:?}");
        assert_eq!(world.count("SELECT COUNT(*) FROM pin_attempt"), 1, "{what} {cut:?}");
        assert_eq!(world.audited("device.pin_confirmed"), 1, "{what} {cut:?}");
    }
}

#[test]
fn a_confirmation_that_never_arrives_opens_nothing_and_counts() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let line = Liar::cutting(&world, Cut::Request, |path| path.ends_with("confirm"));
    let said = open_with(&line.deceives(&computer), DEVICE_PIN).map(drop);
    assert!(matches!(said, Err(PinError::Service(ServiceError::Unreachable(_)))), "{said:?}");
    assert_eq!(open_with(&computer, DEVICE_PIN).unwrap(), [Notice::WrongDevicePins { tries: 1 }]);
}

#[test]
fn what_was_counted_outlives_the_process() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    assert_eq!(tries_left(open_with(&computer, "384710")), 4);
    assert_eq!(tries_left(open_with(&computer, "384711")), 3);
    let (world, computer) = restarted(world, computer);
    assert_eq!(tries_left(open_with(&computer, "384712")), 2);
    assert_eq!(open_with(&computer, DEVICE_PIN).unwrap(), [Notice::WrongDevicePins { tries: 3 }]);
    assert_eq!(shares(&world), 1);
}

/// The service under its old name at another address, and the computer that finds it there.
fn restarted(world: World, computer: Computer) -> (World, Computer) {
    let issuer = world.address.clone();
    let world = world.restarted(|settings| {
        settings.issuer = issuer;
        settings.anchors = Box::new(anchors_of(&[&ca()]));
    });
    let (home, profile) = (computer.here.home, computer.here.profile);
    let session = OpenSession::resume(home.clone(), profile.clone(), world.clock.of_client()).unwrap();
    let service = world.remote().with_session(session);
    let computer = Computer { here: login::LoggedIn { home, profile, service }, clock: world.clock.clone() };
    (world, computer)
}

#[test]
fn a_pin_is_changed_and_the_old_one_opens_nothing_any_more() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let mut script = Script { new_device_pins: [NEW_PIN].into(), ..Script::default() };
    computer.with(&mut script, |around| change(&computer.here, around)).unwrap();
    assert_eq!(script.steps, [Step::OpenDeviceKey, Step::ChangeDevicePin]);
    assert_eq!(shares(&world), 1, "the share before is erased");
    assert_eq!(tries_left(open_with(&computer, DEVICE_PIN)), 4);
    open_with(&computer, NEW_PIN).unwrap();
    assert_eq!((world.audited("device.pin_share_made"), world.audited("device.pin_changed")), (1, 1));
    let accepted = computer.apply(&new_address());
    let mut script = Script { device_pin: NEW_PIN, ..Script::with_code(&accepted.match_code) };
    computer
        .with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
        .unwrap();
}

/// The line is cut at each request of a change, before and behind the service, as if either side were killed there; then
/// the service is started anew. Exactly one of the two PINs opens the key, and the PIN can be changed again.
#[test]
fn a_change_that_breaks_off_anywhere_loses_no_device() {
    for what in ["evaluate", "change", "confirm"] {
        for cut in [Cut::Request, Cut::Answer] {
            // Both confirmations are one: that of the old PIN, and that of the new file.
            for passes in 0..if what == "confirm" { 2 } else { 1 } {
                let place = format!("{what} {passes} {cut:?}");
                let world = World::new();
                let computer = world.registered(ERIKA);
                let seen = Arc::new(Mutex::new(0));
                let is_cut = move |path: &str| {
                    let mut seen = seen.lock().unwrap();
                    *seen += i32::from(path.ends_with(what));
                    path.ends_with(what) && *seen > passes
                };
                let line = Liar::cutting(&world, cut, is_cut);
                let broken = change_to(&line.deceives(&computer), DEVICE_PIN, NEW_PIN);
                assert!(matches!(broken, Err(PinError::Service(ServiceError::Unreachable(_)))), "{place}: {broken:?}");
                let (world, computer) = restarted(world, computer);
                let is_new = what == "confirm" && passes == 1;
                let (right, wrong) = if is_new { (NEW_PIN, DEVICE_PIN) } else { (DEVICE_PIN, NEW_PIN) };
                tries_left(open_with(&computer, wrong));
                open_with(&computer, right).unwrap_or_else(|error| panic!("{place}: {error}"));
                assert!(!is_new || shares(&world) == 1, "{place}: the unlocking has confirmed the new file");
                assert_eq!(world.audited("device.pin_changed"), i64::from(is_new), "{place}");
                change_to(&computer, right, THIRD_PIN).unwrap_or_else(|error| panic!("{place}: {error}"));
                assert_eq!(shares(&world), 1, "{place}");
                open_with(&computer, THIRD_PIN).unwrap();
            }
        }
    }
}

#[test]
fn two_commands_that_change_the_pin_at_once_leave_one_that_opens() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let changed = std::thread::scope(|scope| {
        [NEW_PIN, THIRD_PIN]
            .map(|pin| {
                let computer = &computer;
                scope.spawn(move || change_to(computer, DEVICE_PIN, pin).is_ok())
            })
            .map(|thread| thread.join().unwrap())
    });
    assert!(changed.contains(&true));
    let opens = [NEW_PIN, THIRD_PIN].iter().filter(|pin| open_with(&computer, pin).is_ok()).count();
    assert_eq!(opens, 1);
    assert_eq!(shares(&world), 1);
}

/// Two at once would each give up the share that the other one's file is locked with.
#[test]
fn a_change_waits_for_the_one_before() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    std::thread::scope(|scope| {
        let before = computer.here.home.lock().unwrap();
        let changing = scope.spawn(|| change_to(&computer, DEVICE_PIN, NEW_PIN).map(drop));
        world.wait_until("the old PIN is confirmed", || world.audited("device.pin_confirmed") == 1);
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert_eq!(world.audited("device.pin_share_made"), 0, "no share is made meanwhile");
        drop(before);
        changing.join().unwrap().unwrap();
    });
    open_with(&computer, NEW_PIN).unwrap();
}

/// The line on which another command's file takes the place of this one's, as soon as `what` was answered.
fn replaced_after(world: &World, computer: &Computer, what: &'static str, file: Vec<u8>) -> Liar {
    let path = computer.here.home.folder().join("device.json");
    Liar::before(world, move |asked, answer| {
        if asked.ends_with(what) {
            std::fs::write(&path, &file).unwrap();
        }
        answer
    })
}

#[test]
fn a_pin_that_another_command_has_just_changed_opens_the_file_it_has_written() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let path = computer.here.home.folder().join("device.json");
    let old = std::fs::read(&path).unwrap();
    change_to(&computer, DEVICE_PIN, NEW_PIN).unwrap();
    let new = std::fs::read(&path).unwrap();
    std::fs::write(&path, old).unwrap();
    let line = replaced_after(&world, &computer, "evaluate", new);
    open_with(&line.deceives(&computer), NEW_PIN).unwrap();
}

#[test]
fn a_change_writes_over_no_file_that_another_command_has_changed() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let path = computer.here.home.folder().join("device.json");
    let mut other: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let share = Share::of(&SecretBytes::random(&mut rng())).unwrap();
    other["key"]["voprf_pk"] = json!(share.public_key());
    let other = other.to_string().into_bytes();
    let line = replaced_after(&world, &computer, "confirm", other.clone());
    let refused = change_to(&line.deceives(&computer), DEVICE_PIN, NEW_PIN).map(drop);
    assert!(matches!(refused, Err(PinError::Gone)), "{refused:?}");
    assert_eq!(std::fs::read(&path).unwrap(), other);
    assert_eq!(shares(&world), 1, "and no share is made for it");
}

#[test]
fn pins_that_are_guessed_first_are_refused_with_the_reason_and_asked_for_again() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let weak = [
        ("777777", WeakPin::OneDigit),
        ("345678", WeakPin::Run),
        ("121212", WeakPin::Blocks),
        ("123123", WeakPin::Blocks),
        ("234567", WeakPin::Run),
        ("159753", WeakPin::Common),
        // What stands on the card, and in it.
        ("120864", WeakPin::BirthDate),
        ("123459", WeakPin::PostalCode),
        ("456780", WeakPin::InsuranceNumber),
    ];
    let new_device_pins = weak.iter().map(|(pin, _)| *pin).chain([DEVICE_PIN]).collect();
    let mut script = Script { new_device_pins, ..Script::default() };
    computer.register_as(&mut card(ERIKA), &mut script, &wish()).unwrap();
    assert_eq!(script.weak_pins, weak.map(|(_, why)| why));
    // The PIN of before is no new one.
    let mut script = Script { new_device_pins: [DEVICE_PIN, NEW_PIN].into(), ..Script::default() };
    computer.with(&mut script, |around| change(&computer.here, around)).unwrap();
    assert_eq!(script.weak_pins, [WeakPin::Old]);
    // Where nobody can be asked again, it is an error, and nothing was changed.
    let mut script = Script { device_pin: NEW_PIN, new_device_pins: ["999999"].into(), ..Script::default() };
    let refused = computer.with(&mut script, |around| change(&computer.here, around));
    assert!(matches!(refused, Err(PinError::Weak(WeakPin::OneDigit))), "{refused:?}");
    open_with(&computer, NEW_PIN).unwrap();
}

#[test]
fn on_a_device_that_was_removed_elsewhere_no_pin_is_asked_for_to_change_it() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let id = computer.devices().remove(0).device_id;
    computer.by_card().remove(id).unwrap();
    let mut script = Script::default();
    let refused = computer.with(&mut script, |around| change(&computer.here, around));
    assert!(matches!(refused, Err(PinError::Gone)), "{refused:?}");
    assert_eq!(script.steps, []);
}

#[test]
fn a_receipt_says_that_the_pin_was_confirmed_just_before() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let receipt = approve(&computer, &accepted).receipt;
    let key = computer.here.profile.service_keys[0].verifying_key();
    let receipt: Receipt = kartenbund::jose::jws::verify(&receipt, key).unwrap();
    assert_eq!(receipt.amr, ["swk", "pin"]);

    // Where the key lies is what was shown when the device was bound, never what a client says.
    world.sql("UPDATE device SET key_class = 'hwk'").unwrap();
    let receipt = approve(&computer, &computer.apply(&new_contact())).receipt;
    let receipt: Receipt = kartenbund::jose::jws::verify(&receipt, key).unwrap();
    assert_eq!(receipt.amr, ["hwk", "pin"]);
    assert_eq!(computer.devices()[0].key_class, "hwk");
}

#[test]
fn every_decision_opens_the_key_with_the_pin_anew() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (first, second) = (computer.apply(&new_address()), computer.apply(&new_contact()));
    approve(&computer, &first);
    // At once, and as the same program: what was opened for one decision is gone with it.
    let mut script = Script { device_pin: "384710", ..Script::with_code(&second.match_code) };
    let decided =
        computer.with(&mut script, |around| decide(&computer.here, second.approval_id, Verdict::Approve, around));
    assert!(matches!(decided, Err(ApproveError::Pin(PinError::Wrong { tries_left: Some(4) }))), "{decided:?}");
    assert_eq!(world.count("SELECT COUNT(*) FROM application WHERE state = 'pending'"), 1);
    approve(&computer, &second);
    assert_eq!(world.audited("device.pin_confirmed"), 2);
}

/// A person with a registered computer and an e-mail address.
fn owner_with_email() -> (World, Computer, MailServer) {
    let mail = MailServer::new();
    let folder = tempfile::tempdir().unwrap();
    let world = World::configured(folder, TestDatabase::new(), ManualClock::at(NOW), |settings| {
        settings.payer_iks = vec![kartenbund::virtual_card::personalise::MUSTERKASSE_IK.parse().unwrap()];
        settings.anchors = Box::new(anchors_of(&[&ca()]));
        settings.smtp = Some(mail.setting());
    });
    let computer = world.registered(ERIKA);
    world.sql("UPDATE account SET email = 'erika@person.example'").unwrap();
    (world, computer, mail)
}

#[test]
fn the_owner_is_told_of_three_wrong_pins_and_of_the_end() {
    let (world, computer, _mail) = owner_with_email();
    let told = |kind: &str| world.count(format!("SELECT COUNT(*) FROM notice WHERE kind = '{kind}'"));
    let thief = Thief::of(&computer);
    for _ in 0..2 {
        thief.spend().unwrap();
    }
    world.clock.advance(120);
    let is_settled = || world.count("SELECT COUNT(*) FROM device WHERE pin_settle_at IS NOT NULL") == 0;
    world.wait_until("two wrong ones are no news", is_settled);
    thief.spend().unwrap();
    assert_eq!(told("pin_wrong"), 0, "the third may still be the right one");
    world.clock.advance(120);
    world.wait_until("three wrong ones are told", || told("pin_wrong") == 1);
    thief.spend().unwrap();
    world.clock.advance(120);
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(told("pin_wrong"), 1, "and told once");
    thief.spend().unwrap();
    world.clock.advance(120);
    world.wait_until("the end is told", || told("pin_used_up") == 1);
    assert_eq!(told("pin_unconfirmed"), 0);
}

#[test]
fn an_owner_who_keeps_confirming_is_told_of_every_ten_guesses_that_are_not_hers() {
    let (world, computer, _mail) = owner_with_email();
    let told = |kind: &str| world.count(format!("SELECT COUNT(*) FROM notice WHERE kind = '{kind}'"));
    let thief = Thief::of(&computer);
    for (unconfirmed, notices) in [(8, 0), (16, 1), (18, 1), (26, 2)] {
        while world.count("SELECT COUNT(*) FROM pin_attempt WHERE confirmed_at IS NULL") < unconfirmed {
            thief.spend().unwrap();
            thief.spend().unwrap();
            open_with(&computer, DEVICE_PIN).unwrap();
        }
        world.clock.advance(120);
        let is_settled = || world.count("SELECT COUNT(*) FROM device WHERE pin_settle_at IS NOT NULL") == 0;
        world.wait_until("what is unconfirmed is settled", is_settled);
        assert_eq!(told("pin_unconfirmed"), notices, "after {unconfirmed}");
    }
    assert_eq!(told("pin_wrong"), 0, "there were never three in a row");
}

#[test]
fn two_typing_errors_and_the_right_pin_are_no_news() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    tries_left(open_with(&computer, "384710"));
    tries_left(open_with(&computer, "384711"));
    open_with(&computer, DEVICE_PIN).unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM device WHERE pin_settle_at IS NOT NULL"), 0);
}
