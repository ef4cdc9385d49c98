//! Several devices, several shares, and what is left when one of them is gone: nothing that is counted or evaluated for
//! one holds for another.

use kartenbund::device_key::OpenKey;
use kartenbund::protocol::api::{PinConfirmed, PinEvaluated};
use kartenbund::protocol::pin::PinChange;

use super::approvals::open_key;
use super::common::thief::{Thief, any_element};
use super::*;

/// Seconds in which the last try may be confirmed.
const WINDOW: i64 = 120;
const DAY: i64 = 24 * 60 * 60;

/// Another person with a device of her own.
fn another_device(world: &World) -> Computer {
    let other = world.log_in(MAX, &world.member(MAX));
    other.register(&mut card(MAX)).unwrap();
    other
}

fn confirm(thief: &Thief, attempt: &PinEvaluated, key: &OpenKey) -> Result<PinConfirmed, ServiceError> {
    thief.send("confirm", sign(&thief.confirmation(attempt), key).unwrap())
}

fn change(thief: &Thief, blinded: kartenbund::voprf::Element, key: &OpenKey) -> Result<PinEvaluated, ServiceError> {
    thief.send("change", sign(&thief.change(blinded), key).unwrap())
}

fn shares(world: &World) -> i64 {
    world.count("SELECT COUNT(*) FROM pin_share WHERE device_id IS NOT NULL")
}

#[test]
fn guesses_at_one_device_are_no_guesses_at_another() {
    let world = World::new();
    let (computer, other) = (world.registered(ERIKA), another_device(&world));
    let (thief, others) = (Thief::of(&computer), Thief::of(&other));
    let (key, others_key) = (open_key(&computer), open_key(&other));
    // What is guessed at the one costs the other nothing, and is not told to its owner.
    for _ in 0..3 {
        others.spend().unwrap();
    }
    thief.spend().unwrap();
    let element = any_element();
    let attempt = thief.evaluate(element).unwrap();
    assert_eq!(attempt.tries_left, 3);
    let confirmed = confirm(&thief, &attempt, &key).unwrap();
    assert_eq!((confirmed.wrong_tries, confirmed.unconfirmed), (1, 1));
    // Nobody's element is taken from somebody else, and nobody confirms for another.
    let same = others.evaluate(element).unwrap();
    assert_eq!(same.tries_left, 1);
    assert_ne!(same.evaluated, attempt.evaluated);
    assert_eq!(refusal(confirm(&thief, &same, &key)), code("not_found"));
    // The share of another device is none of this one.
    let mut message = thief.evaluation(any_element());
    message.voprf_pk = others.device.key.voprf_pk().unwrap();
    assert_eq!(refusal(thief.send::<PinEvaluated>("evaluate", thief.signed(&message))), code("share_erased"));
    // A change of the one PIN leaves the share of the other: the one that is given up, and the one that is used.
    for _ in 0..2 {
        change(&others, any_element(), &others_key).unwrap();
    }
    assert_eq!(shares(&world), 3);
    let made = change(&others, any_element(), &others_key).unwrap();
    confirm(&others, &made, &others_key).unwrap();
    assert_eq!(shares(&world), 2);
    open_key(&computer);
}

#[test]
fn an_element_is_evaluated_with_one_share() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (thief, key) = (Thief::of(&computer), open_key(&computer));
    let (guessed, wished) = (any_element(), any_element());
    let before = thief.evaluate(guessed).unwrap();
    // What was guessed with is no wish for a share.
    assert_eq!(refusal(change(&thief, guessed, &key)), code("pin_element_used"));
    let made = change(&thief, wished, &key).unwrap();
    assert_eq!(made.tries_left, 4, "a wish for a share is no guess");
    // What was evaluated with the one share is not evaluated with the other, within two minutes either.
    let mut message = thief.evaluation(guessed);
    message.voprf_pk = made.voprf_pk;
    assert_eq!(refusal(thief.send::<PinEvaluated>("evaluate", thief.signed(&message))), code("pin_element_used"));
    assert_eq!(refusal(thief.evaluate(wished)), code("pin_element_used"));
    assert_eq!(confirm(&thief, &made, &key).unwrap().unconfirmed, 1, "nor does a change count when it was confirmed");
    // An attempt whose share is gone is nobody's any more.
    assert_eq!(refusal(confirm(&thief, &before, &key)), code("share_erased"));
    assert_eq!(shares(&world), 1);
}

#[test]
fn a_change_that_nobody_confirms_is_no_guess() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (thief, key) = (Thief::of(&computer), open_key(&computer));
    for _ in 0..6 {
        assert_eq!(change(&thief, any_element(), &key).unwrap().tries_left, 5);
    }
    // The share that the file names is kept, were it that of a change which nobody has confirmed yet.
    let made = change(&thief, any_element(), &key).unwrap();
    let named = PinChange { voprf_pk: Some(made.voprf_pk), ..thief.change(any_element()) };
    thief.send::<PinEvaluated>("change", sign(&named, &key).unwrap()).unwrap();
    let mut message = thief.evaluation(any_element());
    message.voprf_pk = made.voprf_pk;
    let attempt: PinEvaluated = thief.send("evaluate", thief.signed(&message)).unwrap();
    assert_eq!(confirm(&thief, &attempt, &key).unwrap().unconfirmed, 0);
    assert_eq!(shares(&world), 2, "what is older than the share of the attempt is erased, and nothing else");
}

#[test]
fn a_change_that_names_no_share_leaves_the_oldest() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (thief, key) = (Thief::of(&computer), open_key(&computer));
    let unnamed = PinChange { voprf_pk: None, ..thief.change(any_element()) };
    thief.send::<PinEvaluated>("change", sign(&unnamed, &key).unwrap()).unwrap();
    let attempt = thief.spend().unwrap();
    assert_eq!(confirm(&thief, &attempt, &key).unwrap().unconfirmed, 0);
    assert_eq!(shares(&world), 2, "of changes that came to nothing only the last one's share is left");
}

#[test]
fn a_late_confirmation_of_an_early_attempt_takes_back_nothing() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (thief, key) = (Thief::of(&computer), open_key(&computer));
    let (early, _, owners) = (thief.spend().unwrap(), thief.spend().unwrap(), thief.spend().unwrap());
    assert_eq!(confirm(&thief, &owners, &key).unwrap().wrong_tries, 2);
    for _ in 0..3 {
        thief.spend().unwrap();
    }
    world.clock.advance(WINDOW);
    world.wait_until("three wrong ones are settled", || {
        world.count("SELECT COUNT(*) FROM device WHERE pin_settle_at IS NULL") == 1
    });
    for _ in 0..2 {
        thief.spend().unwrap();
    }
    // Five after the last one that was confirmed: that one before it was right helps no more, and the end comes.
    assert_eq!(confirm(&thief, &early, &key).unwrap().unconfirmed, 6);
    assert_eq!(refusal(thief.spend()).0, "device_locked");
    world.clock.advance(WINDOW);
    world.wait_until("the share is erased", || shares(&world) == 0);
}

#[test]
fn an_early_attempt_confirmed_late_makes_no_older_one_count_again() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (thief, key) = (Thief::of(&computer), open_key(&computer));
    let (early, _, owners) = (thief.spend().unwrap(), thief.spend().unwrap(), thief.spend().unwrap());
    confirm(&thief, &owners, &key).unwrap();
    confirm(&thief, &early, &key).unwrap();
    assert_eq!(thief.spend().unwrap().tries_left, 4);
}

#[test]
fn what_was_never_confirmed_is_counted_for_good_and_everything_else_forgotten() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (thief, key) = (Thief::of(&computer), open_key(&computer));
    thief.spend().unwrap();
    let owners = thief.spend().unwrap();
    confirm(&thief, &owners, &key).unwrap();
    change(&thief, any_element(), &key).unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM pin_attempt"), 4, "two of them are confirmed, and one is a change");
    world.clock.advance(DAY - 1);
    std::thread::sleep(std::time::Duration::from_millis(2500)); // the service looks every second
    assert_eq!(world.count("SELECT COUNT(*) FROM pin_attempt"), 4);
    world.clock.advance(1);
    world.wait_until("what is of no use is forgotten", || world.count("SELECT COUNT(*) FROM pin_attempt") == 1);
    let owners = thief.spend().unwrap();
    assert_eq!(confirm(&thief, &owners, &key).unwrap().unconfirmed, 1);
}

#[test]
fn a_device_that_was_removed_confirms_nothing_and_is_not_looked_at_again() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (thief, key) = (Thief::of(&computer), open_key(&computer));
    let attempt = thief.spend().unwrap();
    computer.by_card().remove(thief.id()).unwrap();
    assert_eq!(refusal(confirm(&thief, &attempt, &key)), code("share_erased"));
    assert_eq!(refusal(change(&thief, any_element(), &key)), code("share_erased"));
    assert_eq!(shares(&world), 0, "no share is made for it");
    assert_eq!(world.count("SELECT COUNT(*) FROM device WHERE pin_settle_at IS NOT NULL"), 0);
}

#[test]
fn what_a_registration_has_evaluated_stands_in_the_audit() {
    let world = World::new();
    world.registered(ERIKA);
    assert_eq!(world.audited("registration.pin_evaluated"), 1);
}
