//! Five devices may be active or wait; who has as many makes room, or registers one in the place of another.

use std::sync::Arc;

use kartenbund::client::rebind::rebind;
use kartenbund::client::register::register_with_code;
use kartenbund::protocol::DeviceId;
use kartenbund::protocol::api::DeviceAnswer;

use super::common::letter_code::groups_in;
use super::common::line::{Cut, Liar};
use super::*;

const DAY: i64 = 24 * 60 * 60;

/// Somebody with as many devices that the card has bound, each on a computer of its own.
fn with_devices(number: usize) -> (World, Vec<Computer>) {
    let world = World::new();
    world.member(ERIKA);
    let computers = (0..number).map(|number| {
        let computer = another(&world, &format!("computer {number}"));
        computer.register(&mut card(ERIKA)).unwrap();
        computer
    });
    let computers = computers.collect();
    (world, computers)
}

fn another(world: &World, name: &str) -> Computer {
    world.try_log_in(&world.folder.path().join(name), ERIKA, PASSWORD).unwrap()
}

fn code_of(answer: Result<DeviceAnswer, RegisterError>) -> String {
    match answer {
        Err(RegisterError::Service(ServiceError::Refused { code, .. })) => code,
        other => panic!("the service must refuse, but: {other:?}"),
    }
}

/// What a registration with the card is refused with, before the card sees its PIN.
fn refused(computer: &Computer, wish: &Wish) -> String {
    let mut card = card(ERIKA);
    let mut watched = Watched::new(&mut card);
    let code = code_of(computer.register_as(&mut watched, &mut Script::default(), wish));
    assert_eq!(watched.verifies(), 0);
    code
}

fn command(computer: &Computer, id: DeviceId, what: &str) -> Result<(), ServiceError> {
    computer.here.service.command(Method::POST, &format!("/v1/devices/{id}/{what}"))
}

fn counted(world: &World) -> i64 {
    world.count("SELECT COUNT(*) FROM device WHERE state IN ('active', 'pending_wait')")
}

fn in_place_of(id: DeviceId) -> Wish {
    Wish { in_place_of: vec![id], ..wish() }
}

#[test]
fn who_has_five_devices_locks_one_and_registers_another() {
    let (world, computers) = with_devices(5);
    let sixth = another(&world, "sixth");
    assert_eq!(refused(&sixth, &wish()), "too_many_devices");
    command(&sixth, computers[0].own(), "lock").unwrap();
    sixth.register(&mut card(ERIKA)).unwrap();
    assert_eq!(counted(&world), 5);
    // The locked one comes back when there is room again.
    let owner = sixth.by_card();
    assert_eq!(refusal(command(&owner, computers[0].own(), "unlock")), "too_many_devices");
    assert_eq!(counted(&world), 5);
    assert_eq!(refusal(command(&owner, computers[1].own(), "unlock")), "not_found", "it is not locked");
    owner.remove(computers[1].own()).unwrap();
    command(&owner, computers[0].own(), "unlock").unwrap();
    assert_eq!((counted(&world), world.audited("device.unlocked")), (5, 1));
}

#[test]
fn a_device_that_waits_counts_and_one_that_was_locked_while_it_waited_comes_back_when_there_is_room() {
    let (world, computers) = with_devices(4);
    let waiting = another(&world, "waiting");
    waiting.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    let sixth = another(&world, "sixth");
    assert_eq!(refused(&sixth, &wish()), "too_many_devices");
    command(&sixth, waiting.own(), "lock").unwrap();
    sixth.register(&mut card(ERIKA)).unwrap();
    let owner = sixth.by_card();
    assert_eq!(refusal(command(&owner, waiting.own(), "unlock")), "too_many_devices");
    command(&owner, computers[0].own(), "lock").unwrap();
    command(&owner, waiting.own(), "unlock").unwrap();
    assert_eq!(world.audited("device.waits_again"), 1);
    assert_eq!(counted(&world), 5);
}

#[test]
fn an_expired_device_makes_room_and_is_bound_anew_when_there_is_some() {
    let (world, computers) = with_devices(5);
    world.clock.advance(183 * DAY);
    let first = world.try_log_in(computers[0].here.home.folder(), ERIKA, PASSWORD).unwrap();
    world.wait_until("they have expired", || counted(&world) == 0);
    for number in 0..5 {
        another(&world, &format!("next {number}")).register(&mut card(ERIKA)).unwrap();
    }
    let again = |card: &mut dyn CardChannel, computer: &Computer| {
        computer.with(&mut Script::default(), |around| rebind(&computer.here, card, ApduLength::Extended, around))
    };
    let mut card = card(ERIKA);
    assert_eq!(code_of(again(&mut Watched::new(&mut card), &first)), "too_many_devices");
    assert_eq!(world.count("SELECT COUNT(*) FROM pin_attempt"), 0, "no PIN was asked for");
    let next = first.devices().into_iter().find(|device| device.state == "active").unwrap().device_id;
    command(&first, next, "lock").unwrap();
    // While the card signs, somebody takes the room.
    let other = Arc::new(another(&world, "other"));
    let line = Liar::cutting(&world, Cut::Request, move |path| {
        if path.ends_with("/evidence") && other.here.home.device().is_err() {
            other.register(&mut crate::card(ERIKA)).unwrap();
        }
        false
    });
    assert_eq!(code_of(again(&mut card, &line.deceives(&first))), "too_many_devices");
    assert_eq!(counted(&world), 5);
    let next = first.devices().into_iter().find(|device| device.state == "active").unwrap().device_id;
    command(&first, next, "lock").unwrap();
    assert_eq!(again(&mut card, &first).unwrap().state, "active");
    assert_eq!(counted(&world), 5);
    // One that is active is bound anew whatever there is.
    assert_eq!(again(&mut card, &first).unwrap().state, "active");
}

#[test]
fn the_card_registers_a_computer_in_the_place_of_one_of_five() {
    let (world, computers) = with_devices(5);
    let (sixth, evicted) = (another(&world, "sixth"), computers[2].own());
    let mut script = Script::default();
    // The card is there now, however long ago she has logged in.
    world.clock.advance(300);
    let device = sixth.register_as(&mut card(ERIKA), &mut script, &in_place_of(evicted)).unwrap();
    assert_eq!((device.state.as_str(), device.binding_level), ("active", BindingLevel::B3));
    assert_eq!(script.notices, [], "it is gone, and there is nothing to be told");
    assert_eq!(counted(&world), 5);
    assert_eq!(world.column(format!("SELECT state FROM device WHERE device_id = '{evicted}'")), ["revoked"]);
    assert_eq!(world.count("SELECT COUNT(*) FROM pin_share"), 5, "its share is erased");
    let audit = world.audit_entries();
    let [.., bound, revoked] = audit.as_slice() else { panic!("{audit:?}") };
    assert!(revoked.contains("device.revoked") && bound.contains("device.bound"), "{revoked} {bound}");
    approve(&sixth, &sixth.apply(&new_address()));
    let bundle: Bundle = sixth.here.service.get(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    let report = bundle.verify(&anchors_of(&[&ca()]), &sixth.here.profile.service_keys);
    assert!(report.findings.is_some(), "the entry after the receipt is that of the binding: {report:?}");
}

#[test]
fn the_place_of_a_device_is_taken_in_one_piece_or_not_at_all() {
    let (world, computers) = with_devices(5);
    let (sixth, evicted) = (another(&world, "sixth"), computers[2].own());
    let state = || world.column(format!("SELECT state FROM device WHERE device_id = '{evicted}'")).remove(0);
    // Another person's card is refused, and what was to leave stays.
    let max = sixth.register_as(&mut card(MAX), &mut Script::default(), &in_place_of(evicted));
    assert!(max.is_err());
    assert_eq!(state(), "active");
    world.fault("device", "UPDATE");
    sixth.register_as(&mut card(ERIKA), &mut Script::default(), &in_place_of(evicted)).unwrap_err();
    assert_eq!((state().as_str(), counted(&world)), ("active", 5));
    world.mend("device");
    // Whoever removed it meanwhile is not in the way.
    let owner = Arc::new(computers[0].by_card());
    let line = Liar::cutting(&world, Cut::Request, move |path| {
        if path.ends_with("/evidence") {
            let _ = owner.remove(evicted);
        }
        false
    });
    line.deceives(&sixth).register_as(&mut card(ERIKA), &mut Script::default(), &in_place_of(evicted)).unwrap();
    assert_eq!((state().as_str(), counted(&world)), ("revoked", 5));
    assert_eq!(world.audited("device.revoked"), 1);
}

#[test]
fn with_a_letter_the_one_whose_place_is_taken_is_locked_and_the_person_told() {
    let (world, computers) = with_devices(5);
    let (sixth, left) = (another(&world, "sixth"), computers[2].own());
    let code = sixth.typed_code(&groups_in(&world.letter_with_code(ERIKA)).unwrap());
    let register = |computer: &Computer, wish: &Wish, script: &mut Script| {
        computer.with(script, |around| register_with_code(&computer.here, &code, wish, around))
    };
    assert_eq!(code_of(register(&sixth, &wish(), &mut Script::default())), "too_many_devices");
    let mut script = Script::default();
    assert_eq!(register(&sixth, &in_place_of(left), &mut script).unwrap().state, "pending_wait");
    assert_eq!(script.notices, [Notice::OldDeviceLocked]);
    assert_eq!(world.column(format!("SELECT state FROM device WHERE device_id = '{left}'")), ["locked"]);
    assert_eq!((counted(&world), world.audited("device.revoked")), (5, 0));
    let audit = world.audit_entries();
    let [.., bound, locked] = audit.as_slice() else { panic!("{audit:?}") };
    assert!(locked.contains("device.locked") && bound.contains("device.bound"), "{locked} {bound}");
}

/// The program was ended between the answer and its files; the one that asks again wants more of it.
#[test]
fn one_that_was_not_named_before_leaves_when_the_registration_is_completed() {
    let (world, computers) = with_devices(1);
    let (sixth, left) = (another(&world, "sixth"), computers[0].own());
    let line = Liar::cutting(&world, Cut::Answer, |path| path.ends_with("/evidence"));
    line.deceives(&sixth).register(&mut card(ERIKA)).unwrap_err();
    let mut script = Script::default();
    let device = sixth.register_as(NoCard, &mut script, &in_place_of(left)).unwrap();
    assert_eq!(script.notices, [Notice::OldDeviceLocked, Notice::Resumed]);
    assert_eq!(world.column("SELECT state FROM device ORDER BY state"), ["active", "locked"]);
    assert_eq!(sixth.own(), device.device_id);
}

#[test]
fn a_computer_that_is_registered_anew_with_a_letter_locks_what_it_was_before() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let before = computer.own();
    let code = computer.typed_code(&groups_in(&world.letter_with_code(ERIKA)).unwrap());
    let (mut script, wish) = (Script::default(), Wish { replace: true, ..wish() });
    computer.with(&mut script, |around| register_with_code(&computer.here, &code, &wish, around)).unwrap();
    assert_eq!(script.notices, [Notice::OldDeviceLocked]);
    assert_eq!(world.column(format!("SELECT state FROM device WHERE device_id = '{before}'")), ["locked"]);
    computer.by_card().remove(before).unwrap();
}

/// Locked by herself, or because its PIN was wrong too often; or its time is over.
#[test]
fn a_letter_takes_the_place_of_a_device_that_is_not_in_use() {
    let not_in_use = [("locked", Notice::OldDeviceLocked), ("expired", Notice::OldDeviceNotInUse)];
    for (state, notice) in not_in_use {
        for own in [true, false] {
            let world = World::new();
            let before = world.registered(ERIKA);
            let left = before.own();
            let computer = if own { before } else { another(&world, "another") };
            let code = computer.typed_code(&groups_in(&world.letter_with_code(ERIKA)).unwrap());
            world.sql(format!("UPDATE device SET state = '{state}'")).unwrap();
            let wish = if own { Wish { replace: true, ..wish() } } else { in_place_of(left) };
            let mut script = Script::default();
            let device = computer.with(&mut script, |around| register_with_code(&computer.here, &code, &wish, around));
            assert_eq!(device.unwrap().state, "pending_wait");
            assert_eq!(script.notices, [notice]);
            assert_eq!(world.column(format!("SELECT state FROM device WHERE device_id = '{left}'")), [state]);
        }
    }
}

/// The service goes away when the new device is bound, or refuses.
#[test]
fn a_lock_that_nobody_has_confirmed_is_not_told_as_one() {
    for answer in [Cut::Request, Cut::Answer] {
        for path in ["/v1/devices", "/lock"] {
            let (world, computers) = with_devices(1);
            let (sixth, left) = (another(&world, "sixth"), computers[0].own());
            // The place is asked for when the registration is completed, and not before.
            let line = Liar::cutting(&world, Cut::Answer, |path| path.ends_with("/evidence"));
            line.deceives(&sixth).register(&mut card(ERIKA)).unwrap_err();
            let line = Liar::cutting(&world, answer, move |asked| asked.ends_with(path));
            let mut script = Script::default();
            let device = line.deceives(&sixth).register_as(NoCard, &mut script, &in_place_of(left)).unwrap();
            assert_eq!(script.notices, [Notice::OldDeviceUncertain, Notice::Resumed], "{answer:?} {path}");
            assert_eq!(sixth.own(), device.device_id, "nobody is kept from a new device");
        }
    }
}

#[test]
fn nobody_takes_the_place_of_a_device_that_is_not_there() {
    let (world, computers) = with_devices(1);
    let max = world.registered(MAX);
    let (gone, sixth) = (computers[0].own(), another(&world, "sixth"));
    sixth.by_card().remove(gone).unwrap();
    for id in [gone, max.own(), [7; 16].into()] {
        assert_eq!(refused(&sixth, &in_place_of(id)), "not_found");
    }
    assert_eq!(max.devices()[0].state, "active");
    assert_eq!(world.count("SELECT COUNT(*) FROM registration WHERE state = 'open'"), 0, "nothing was begun");
}
