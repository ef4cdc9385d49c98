//! Who has got into an account, or has a weak device there, wants to be rid of the owner's devices, or to have six.

use std::sync::Barrier;

use kartenbund::client::register::{Wish, register_with_chip, register_with_code};

use super::additions::Added;
use super::common::chip::number_of;
use super::common::letter_code::groups_in;
use super::common::web_branch::{WEBSITE, WebBranch};
use super::common::web_login;
use super::*;

/// Another computer of hers.
fn another(world: &World, name: &str) -> Computer {
    world.try_log_in(&world.folder.path().join(name), ERIKA, PASSWORD).unwrap()
}

fn state_of(world: &World, id: DeviceId) -> String {
    world.column(format!("SELECT state FROM device WHERE device_id = '{id}'")).remove(0)
}

fn may_not() -> (String, String) {
    part("stronger_login_needed", "remove")
}

fn counted(world: &World) -> i64 {
    world.count("SELECT COUNT(*) FROM device WHERE state IN ('active', 'pending_wait')")
}

/// Her computer, and those of four others.
fn with_five(world: &World) -> (Computer, Vec<Computer>) {
    let computer = world.registered(ERIKA);
    let others = (1..5).map(|number| {
        let other = another(world, &format!("computer {number}"));
        other.register(&mut card(ERIKA)).unwrap();
        other
    });
    let others = others.collect();
    (computer, others)
}

#[test]
fn a_device_that_the_card_binds_meanwhile_is_not_removed_by_one_of_a_letter() {
    let world = World::new();
    let (computer, other) = (world.registered(ERIKA), another(&world, "other"));
    other.register(&mut card(ERIKA)).unwrap();
    let (thief, hers) = (computer.by_device().unwrap(), other.own());
    world.sql("UPDATE device SET binding_level = 'B1'").unwrap();
    let bound = format!("UPDATE device SET binding_level = 'B3' WHERE device_id = '{hers}'");
    assert_eq!(refusal(world.meanwhile(&bound, || thief.remove(hers))), may_not());
    // Nor by one that was locked meanwhile, whatever its level.
    world.sql("UPDATE device SET binding_level = 'B3'").unwrap();
    let locked = format!("UPDATE device SET state = 'locked' WHERE device_id = '{}'", computer.own());
    assert_eq!(refusal(world.meanwhile(&locked, || thief.remove(hers))), part("session_ended", "ended"));
    assert_eq!(state_of(&world, hers), "active");
    assert_eq!(world.audited("device.revoked"), 0);
}

#[test]
fn what_a_session_may_is_what_has_opened_it_and_not_what_there_is_beside_it() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    // A device of the card and one session of each kind, at the same computer.
    let (by_password, id) = (another(&world, "thief"), computer.own());
    computer.by_device().unwrap();
    computer.by_card();
    assert_eq!(refusal(by_password.remove(id)), may_not());
    assert_eq!(refusal(computer.remove(id)), may_not());
    // Another person's card is one for her own devices.
    let max = world.registered(MAX).by_card();
    assert_eq!(refusal(max.remove(id)), code("not_found"));
    assert_eq!(state_of(&world, id), "active");
}

#[test]
fn evidence_that_is_refused_moves_no_device_from_its_place() {
    let world = World::new();
    let owner = world.registered(ERIKA);
    let hers = owner.own();
    let forged = |change: fn(&mut Attempt)| {
        let mut attempt = Attempt::in_place_of(&[hers], another(&world, "thief"), card(ERIKA));
        change(&mut attempt);
        let request = attempt.signed();
        let refused = refusal(attempt.submit(&request));
        assert_eq!(state_of(&world, hers), "active", "{refused:?}");
        refused.0
    };
    assert_eq!(forged(|attempt| attempt.statement.iat += 1000), "card_statement_invalid");
    assert_eq!(forged(|attempt| attempt.proof.iat += 1000), "possession_invalid");
    assert_eq!(forged(|attempt| attempt.nonce = DeviceNonce::random(&mut rng())), "nonce_mismatch");
    assert_eq!((world.audited("device.revoked"), world.audited("device.locked")), (0, 0));
    // What no thief can sign removes it.
    let mut attempt = Attempt::in_place_of(&[hers, hers], another(&world, "owner"), card(ERIKA));
    let request = attempt.signed();
    attempt.submit(&request).unwrap();
    assert_eq!(state_of(&world, hers), "revoked");
    assert_eq!(world.audited("device.revoked"), 1, "once");
}

#[test]
fn a_code_of_a_letter_does_not_remove_a_device_of_the_card_whose_place_it_is_to_take() {
    let world = World::new();
    let owner = world.registered(ERIKA);
    let thief = another(&world, "thief");
    let letter = world.letter_with_code(ERIKA);
    let code = thief.typed_code(&groups_in(&letter).unwrap());
    let wish = Wish { in_place_of: vec![owner.own()], ..wish() };
    thief.with(&mut Script::default(), |around| register_with_code(&thief.here, &code, &wish, around)).unwrap();
    assert_eq!(state_of(&world, owner.own()), "locked", "as any session may");
    let unlock = format!("/v1/devices/{}/unlock", owner.own());
    owner.by_card().here.service.command(Method::POST, &unlock).unwrap();
    assert_eq!(state_of(&world, owner.own()), "active");
}

#[test]
fn neither_the_chip_nor_another_device_removes_one_of_the_card_whose_place_is_taken() {
    let world = World::with_chips();
    let mut card = card(ERIKA);
    world.give_card(ERIKA, &number_of(&mut card));
    let old = world.log_in(ERIKA, PASSWORD);
    old.register(&mut card).unwrap();
    let hers = another(&world, "hers");
    hers.register(&mut card).unwrap();
    let (thief, wish) = (another(&world, "with chip"), Wish { in_place_of: vec![hers.own()], ..wish() });
    let mut script = Script::typing(&[]);
    thief.with(&mut script, |around| register_with_chip(&thief.here, &mut card, &wish, around)).unwrap();
    assert_eq!(state_of(&world, hers.own()), "locked", "the chip alone");
    hers.by_card().remove(hers.own()).unwrap();

    let hers = another(&world, "hers again");
    hers.register(&mut card).unwrap();
    let old = world.a_fortnight_later(&old);
    let (new, strings) = (another(&world, "added"), Strings::default());
    let names = format!(r#"UPDATE registration SET replaces = '["{}"]' WHERE method = 'device'"#, hers.own());
    let named = || assert_eq!(world.sql(&names).unwrap(), 1);
    let Added { new, .. } = world.add_meanwhile((&old, &new), Verdict::Approve, &strings, named, || {});
    new.unwrap();
    assert_eq!(state_of(&world, hers.own()), "locked", "a device that another one has added");
}

/// Somebody takes a laptop away on which its owner has logged in, and knows neither PIN nor password.
#[test]
fn a_stolen_computer_that_is_logged_in_removes_and_unlocks_no_other_device() {
    let world = World::new();
    let (laptop, desktop) = (world.registered(ERIKA), another(&world, "desktop"));
    desktop.register(&mut card(ERIKA)).unwrap();
    let unlock = |computer: &Computer| {
        let path = format!("/v1/devices/{}/unlock", desktop.own());
        computer.here.service.command(Method::POST, &path)
    };
    let lock = format!("/v1/devices/{}/lock", desktop.own());
    let not_lately = || part("stronger_login_needed", "not_lately");
    for by_card in [false, true] {
        let stolen = if by_card { another(&world, "with card").by_card() } else { laptop.by_device().unwrap() };
        stolen.here.service.command(Method::POST, &lock).unwrap();
        world.clock.advance(299);
        unlock(&stolen).unwrap();
        stolen.here.service.command(Method::POST, &lock).unwrap();
        world.clock.advance(1);
        assert_eq!(refusal(unlock(&stolen)), not_lately());
        assert_eq!(refusal(stolen.remove(desktop.own())), not_lately());
        assert_eq!(state_of(&world, desktop.own()), "locked", "that is what any session may do");
        unlock(&laptop.by_device().unwrap()).unwrap();
    }
    // Its own device goes, which helps whoever has lost it.
    let stolen = laptop.by_device().unwrap();
    world.clock.advance(300);
    assert_eq!(refusal(stolen.remove(desktop.own())), not_lately());
    stolen.remove(laptop.own()).unwrap();
    assert_eq!(state_of(&world, laptop.own()), "revoked");
    assert_eq!((world.audited("device.revoked"), world.audited("device.unlocked")), (1, 4));
}

#[test]
fn a_letter_used_on_a_stolen_computer_removes_no_device_whose_place_it_takes() {
    for (seconds, expected) in [(0, "revoked"), (300, "locked")] {
        for by_card in [true, false] {
            let world = World::new();
            let (laptop, desktop) = (world.registered(ERIKA), another(&world, "desktop"));
            desktop.register(&mut card(ERIKA)).unwrap();
            let code = laptop.typed_code(&groups_in(&world.letter_with_code(ERIKA)).unwrap());
            let session = if by_card { another(&world, "with card").by_card() } else { laptop.by_device().unwrap() };
            world.clock.advance(seconds);
            let wish = Wish { replace: true, in_place_of: vec![desktop.own()], ..wish() };
            let register =
                session.with(&mut Script::default(), |around| register_with_code(&session.here, &code, &wish, around));
            assert_eq!(register.unwrap().binding_level, BindingLevel::B1);
            assert_eq!(state_of(&world, desktop.own()), expected, "{seconds} s after the login, by card: {by_card}");
        }
    }
}

#[test]
fn a_website_that_was_broken_into_removes_and_unlocks_no_device_whatever_has_let_somebody_in() {
    let website = WebBranch::new(WEBSITE);
    let (world, laptop) = web_login::world(&website);
    let desktop = another(&world, "desktop");
    desktop.register(&mut card(ERIKA)).unwrap();
    let path = |what: &str| format!("/v1/devices/{}/{what}", desktop.own());
    for session in [laptop.by_device().unwrap(), another(&world, "with card").by_card()] {
        session.here.service.command(Method::POST, &path("lock")).unwrap();
        world.sql(format!("UPDATE session SET client_id = '{WEBSITE}'")).unwrap();
        assert_eq!(refusal(session.remove(desktop.own())), may_not());
        assert_eq!(refusal(session.here.service.command(Method::POST, &path("unlock"))), code("stronger_login_needed"));
        assert_eq!(refusal(session.remove(laptop.own())), may_not(), "nor the one that has let her in");
        // The same in her own program.
        world.sql("UPDATE session SET client_id = NULL").unwrap();
        session.here.service.command(Method::POST, &path("unlock")).unwrap();
    }
    assert_eq!(world.audited("device.revoked"), 0);
}

#[test]
fn two_registrations_at_once_never_make_six_devices() {
    let world = World::new();
    let (_, mut others) = with_five(&world);
    for round in 0..2 {
        // Two are begun while there is room for one.
        let left = others.remove(0);
        left.by_card().remove(left.own()).unwrap();
        let mut attempts = [0, 1]
            .map(|number| Attempt::with(another(&world, &format!("round {round} computer {number}")), card(ERIKA)));
        let requests = attempts.each_mut().map(Attempt::signed);
        let start = Barrier::new(2);
        let answers = std::thread::scope(|scope| {
            let start = &start;
            let sent = [0, 1].map(|number| {
                let (attempt, request) = (&attempts[number], &requests[number]);
                scope.spawn(move || {
                    start.wait();
                    let path = format!("/v1/registrations/{}/evidence", attempt.challenge.registration_id);
                    attempt.computer.here.service.call::<_, RegistrationAnswer>(Method::PUT, &path, request)
                })
            });
            sent.map(|thread| thread.join().unwrap())
        });
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        let refused = answers.into_iter().find(Result::is_err).unwrap();
        assert_eq!(refusal(refused), code("too_many_devices"));
        assert_eq!(counted(&world), 5);
    }
}

#[test]
fn a_device_unlocked_while_another_is_bound_never_makes_six() {
    let world = World::new();
    let (owner, others) = with_five(&world);
    let owner = owner.by_card();
    for other in &others[..3] {
        let path = |what: &str| format!("/v1/devices/{}/{what}", other.own());
        owner.here.service.command(Method::POST, &path("lock")).unwrap();
        let mut attempt = Attempt::with(another(&world, "next"), card(ERIKA));
        let request = attempt.signed();
        let start = Barrier::new(2);
        let (bound, unlocked) = std::thread::scope(|scope| {
            let bound = scope.spawn(|| {
                start.wait();
                attempt.submit(&request).map(drop)
            });
            let unlocked = scope.spawn(|| {
                start.wait();
                owner.here.service.command(Method::POST, &path("unlock"))
            });
            (bound.join().unwrap(), unlocked.join().unwrap())
        });
        assert_ne!(bound.is_ok(), unlocked.is_ok(), "one of them");
        let refused = [bound, unlocked].into_iter().find(Result::is_err).unwrap();
        assert_eq!(refusal(refused), code("too_many_devices"));
        assert_eq!(counted(&world), 5);
    }
}

#[test]
fn room_that_is_taken_while_a_request_waits_is_none() {
    let world = World::new();
    let (owner, others) = with_five(&world);
    let owner = owner.by_card();
    let (locked, other) = (others[0].own(), others[1].own());
    for id in [locked, other] {
        owner.here.service.command(Method::POST, &format!("/v1/devices/{id}/lock")).unwrap();
    }
    another(&world, "fourth").register(&mut card(ERIKA)).unwrap();
    let back = format!("UPDATE device SET state = 'active' WHERE device_id = '{other}'");
    let unlock = || owner.here.service.command(Method::POST, &format!("/v1/devices/{locked}/unlock"));
    assert_eq!(refusal(world.meanwhile(&back, unlock)), code("too_many_devices"));
    assert_eq!((counted(&world), state_of(&world, locked).as_str()), (5, "locked"));
}
