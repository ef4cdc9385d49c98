//! Attacks on the device PIN: with the file, the database, both, a copy, and as the service itself.

use std::time::{Duration, Instant};

use kartenbund::client::Notice;
use kartenbund::client::pin::PinError;
use kartenbund::device_key::{Blinded, DeviceKeyError, Evaluated, PinAnswer};
use kartenbund::protocol::api::{
    PinConfirmed, PinEvaluated, PinRequest, RegistrationPinAnswer, RegistrationPinRequest,
};
use kartenbund::protocol::pin::{PinChange, PinConfirmation, PinEvaluation};
use kartenbund::secret::SecretBytes;
use kartenbund::voprf::{self, Evaluation, Share};

use super::answers::{altered, another_share};
use super::approvals::open_key;
use super::common::thief::{Thief, any_element, device_pin, stolen_share};
use super::*;

/// Seconds in which the last try may be confirmed.
const WINDOW: i64 = 120;

fn states(world: &World) -> Vec<String> {
    world.column("SELECT state FROM device ORDER BY active_from")
}

fn shares(world: &World) -> i64 {
    world.count("SELECT COUNT(*) FROM pin_share WHERE device_id IS NOT NULL")
}

#[test]
fn whoever_steals_the_device_file_has_five_guesses_and_then_nothing() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let thief = Thief::of(&computer);
    for tries_left in (0..5).rev() {
        let (answer, left) = thief.guess(&format!("38471{tries_left}")).unwrap();
        assert!(matches!(answer, Ok(PinAnswer::Wrong)));
        assert_eq!(left, tries_left);
    }
    // The sixth is evaluated for nobody, were it the right one.
    let refused = thief.guess(DEVICE_PIN).map(drop);
    assert!(
        matches!(&refused, Err(ServiceError::Refused { code, retry_after: Some(120), .. }) if code == "device_locked")
    );
    assert_eq!(states(&world), ["active"], "the fifth may still be confirmed");
    world.clock.advance(WINDOW);
    assert_eq!(refusal(thief.guess(DEVICE_PIN)), code("share_erased"));
    assert_eq!((states(&world), shares(&world)), (vec!["revoked".to_owned()], 0));
    assert_eq!(world.count("SELECT COUNT(*) FROM pin_attempt"), 0);
    assert_eq!(world.audited("device.pin_evaluated"), 5);
    assert_eq!(world.audited("device.pin_used_up"), 1);
    // The account is not lost: the owner registers anew with her card.
    let said = computer.with(&mut Script::default(), |around| unlock(&computer.here, 0, around));
    assert!(matches!(said, Err(PinError::Gone)), "{said:?}");
    computer.register(&mut card(ERIKA)).unwrap();
    open_key(&computer);
}

#[test]
fn without_a_sixth_guess_the_share_is_erased_all_the_same() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let thief = Thief::of(&computer);
    for _ in 0..5 {
        thief.spend().unwrap();
    }
    world.clock.advance(WINDOW - 1);
    std::thread::sleep(Duration::from_millis(2500)); // the service looks every second
    assert_eq!(shares(&world), 1);
    world.clock.advance(1);
    world.wait_until("the share is erased", || shares(&world) == 0);
    assert_eq!(states(&world), ["revoked"]);
}

#[test]
fn a_hundred_guesses_at_the_same_moment_are_five() {
    let world = World::new();
    let other = world.second_process();
    let computer = world.registered(ERIKA);
    let answered = std::thread::scope(|scope| {
        let threads: Vec<_> = [&world, &other]
            .into_iter()
            .flat_map(|process| [process; 5])
            .map(|process| {
                let thief = Thief { remote: process.remote(), ..Thief::of(&computer) };
                scope.spawn(move || (0..10).filter(|_| thief.spend().is_ok()).count())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(answered, 5);
    assert_eq!(world.count("SELECT COUNT(*) FROM pin_attempt"), 5);
}

#[test]
fn whoever_has_the_database_has_nothing_to_test_a_pin_against() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    open_key(&computer);
    let device = serde_json::to_value(computer.here.home.device().unwrap()).unwrap();
    let mut database = std::fs::read(world.folder.path().join("service").join("kartenbund.sqlite")).unwrap_or_default();
    database.extend(std::fs::read(world.folder.path().join("service/kartenbund.sqlite-wal")).unwrap_or_default());
    let database = String::from_utf8_lossy(&database).into_owned()
        + &world.column("SELECT wrapped FROM pin_share").concat()
        + &world.column("SELECT blinded_sha256 FROM pin_attempt").concat()
        + &world.column("SELECT evidence FROM device").concat();
    for member in ["salt", "encrypted_key", "transport_key"] {
        let value = device["key"][member].as_str().unwrap();
        assert!(!database.contains(value), "{member} of the file stands in the database");
    }
    // Nothing that follows from a PIN is in it either: what is kept of the same PIN is another thing each time.
    open_key(&computer);
    let elements = world.column("SELECT blinded_sha256 FROM pin_attempt ORDER BY number");
    assert_ne!(elements[0], elements[1]);
    // And the share is wrapped under a key that is not there.
    let wrapped = base64url::decode(&world.column("SELECT wrapped FROM pin_share")[0]).unwrap();
    let voprf_pk = base64url::decode(&world.column("SELECT voprf_pk FROM pin_share")[0]).unwrap();
    for start in 0..=wrapped.len() - 32 {
        let seed = SecretBytes::written(|out| out.copy_from_slice(&wrapped[start..start + 32]));
        assert_ne!(Share::of(&seed).unwrap().public_key().as_bytes()[..], voprf_pk);
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "what a guess costs is worth knowing")]
fn whoever_has_file_and_database_and_keys_pays_argon2id_for_each_of_a_million_guesses() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (thief, share) = (Thief::of(&computer), stolen_share(&world));
    let guess = |digits: &str| {
        let began = Instant::now();
        let (pending, Blinded::Element { blinded, .. }) =
            thief.device.key.lock(None, "device:/nowhere").begin(&device_pin(digits), &mut rng()).unwrap()
        else {
            panic!("the service has a share")
        };
        let evaluation = share.evaluate(&voprf::Blinded::parse(&blinded).unwrap(), &mut rng());
        (pending.finish(&Evaluated::Element(evaluation)).unwrap(), began.elapsed())
    };
    let (wrong, took) = guess("384710");
    assert!(matches!(wrong, PinAnswer::Wrong));
    // Nobody counts any more, and the only price is Argon2id over 64 MiB: a day of a core for a device, and nothing of
    // it is of use for another one.
    println!("one guess: {took:?}; a million: {:.0} hours", took.as_secs_f64() * 1e6 / 3600.0);
    assert!(took > Duration::from_millis(20), "{took:?}");
    assert!(matches!(guess(DEVICE_PIN).0, PinAnswer::Open(_)), "that is all there is against it");
}

#[test]
fn a_copied_file_is_noticed_although_its_owner_keeps_confirming() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let thief = Thief::of(&computer);
    let mut unconfirmed = 0;
    while unconfirmed + 4 < 50 {
        for _ in 0..4 {
            thief.spend().unwrap();
        }
        unconfirmed += 4;
        let mut script = Script::default();
        computer.with(&mut script, |around| unlock(&computer.here, 0, around)).unwrap();
        let wrong = Notice::WrongDevicePins { tries: 4 };
        let many = Notice::ManyWrongDevicePins { tries: unconfirmed };
        let told = if unconfirmed < 10 { vec![wrong] } else { vec![wrong, many] };
        assert_eq!(script.notices, told, "after {unconfirmed}");
    }
    // 48 were never confirmed; two more, and the device must be registered anew.
    assert_eq!(thief.spend().unwrap().tries_left, 1);
    assert_eq!(thief.spend().unwrap().tries_left, 0);
    assert_eq!(refusal(thief.spend()), code("device_locked"));
    world.clock.advance(WINDOW);
    assert_eq!(refusal(thief.spend()), code("share_erased"));
    assert_eq!(states(&world), ["revoked"]);
}

#[test]
fn a_change_of_pin_takes_back_no_count_and_makes_copies_worthless() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let thief = Thief::of(&computer);
    for _ in 0..4 {
        thief.spend().unwrap();
    }
    let mut script = Script { new_device_pins: ["141421"].into(), ..Script::default() };
    computer.with(&mut script, |around| kartenbund::client::pin::change(&computer.here, around)).unwrap();
    assert_eq!(refusal(thief.guess(DEVICE_PIN)), code("share_erased"), "the copy has no share any more");
    let mut script = Script { device_pin: "141421", ..Script::default() };
    computer.with(&mut script, |around| unlock(&computer.here, 0, around)).unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM pin_attempt WHERE confirmed_at IS NULL"), 4);
}

#[test]
fn a_confirmation_clears_its_own_attempt_only() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (thief, key) = (Thief::of(&computer), open_key(&computer));
    let (first, owners) = (thief.spend().unwrap(), thief.spend().unwrap());
    assert_eq!((first.tries_left, owners.tries_left), (4, 3));
    // One that comes before the owner's confirmation, and after her attempt, stays counted.
    assert_eq!(thief.spend().unwrap().tries_left, 2);
    let confirmed: PinConfirmed = thief.send("confirm", sign(&thief.confirmation(&owners), &key).unwrap()).unwrap();
    assert_eq!((confirmed.wrong_tries, confirmed.unconfirmed), (1, 2));
    assert_eq!(thief.spend().unwrap().tries_left, 3, "one of the four before, and this one");
    // The same confirmation again, and one of the attempt before: no counter goes back.
    let again: PinConfirmed = thief.send("confirm", sign(&thief.confirmation(&owners), &key).unwrap()).unwrap();
    assert_eq!((again.wrong_tries, again.unconfirmed), (1, 3));
    let late: PinConfirmed = thief.send("confirm", sign(&thief.confirmation(&first), &key).unwrap()).unwrap();
    assert_eq!((late.wrong_tries, late.unconfirmed), (0, 2));
    assert_eq!(thief.spend().unwrap().tries_left, 2);
}

#[test]
fn what_a_device_says_about_its_pin_is_taken_once() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (thief, key) = (Thief::of(&computer), open_key(&computer));
    let message = thief.signed(&thief.evaluation(any_element()));
    let first: PinEvaluated = thief.send("evaluate", message.clone()).unwrap();
    let again: PinEvaluated = thief.send("evaluate", message.clone()).unwrap();
    assert_eq!(
        (first.evaluated, first.attempt_id, first.tries_left),
        (again.evaluated, again.attempt_id, again.tries_left)
    );
    assert_eq!(world.count("SELECT COUNT(*) FROM pin_attempt WHERE confirmed_at IS NULL"), 1, "it was counted once");
    // Later it is refused, and costs nothing, as long as its time would still do.
    let mut early = thief.evaluation(any_element());
    early.iat += 120;
    let (early, element) = (thief.signed(&early), early.blinded);
    thief.send::<PinEvaluated>("evaluate", early.clone()).unwrap();
    let confirm = sign(&thief.confirmation(&first), &key).unwrap();
    let mut change = thief.change(any_element());
    change.iat += 120;
    let change = sign(&change, &key).unwrap();
    let made: PinEvaluated = thief.send("change", change.clone()).unwrap();
    assert_eq!(thief.send::<PinEvaluated>("change", change.clone()).unwrap().voprf_pk, made.voprf_pk, "one share");
    assert_eq!(shares(&world), 2);
    world.clock.advance(WINDOW);
    assert_eq!(refusal(thief.send::<PinEvaluated>("evaluate", early)), code("pin_element_used"));
    world.clock.advance(1);
    assert_eq!(refusal(thief.evaluate(element)), code("pin_element_used"));
    assert_eq!(refusal(thief.send::<PinEvaluated>("change", change)), code("pin_element_used"));
    assert_eq!(refusal(thief.send::<PinEvaluated>("evaluate", message)), part("pin_message_invalid", "iat"));
    assert_eq!(refusal(thief.send::<PinConfirmed>("confirm", confirm)), part("pin_message_invalid", "iat"));
    assert_eq!((world.count("SELECT COUNT(*) FROM pin_attempt WHERE number > 0"), shares(&world)), (3, 2));
}

#[test]
fn every_claim_of_what_a_device_says_about_its_pin_is_checked() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (thief, key) = (Thief::of(&computer), open_key(&computer));
    let attempt = thief.spend().unwrap();
    let evaluate = |message: &PinEvaluation| refusal(thief.send::<PinEvaluated>("evaluate", thief.signed(message)));
    let wrong = |claim| part("pin_message_invalid", claim);
    type Forge = fn(&mut PinEvaluation);
    let forgeries: [(&str, Forge); 7] = [
        ("v", |m| m.v = 2),
        ("aud", |m| m.aud = "https://stranger.example".to_owned()),
        ("device_id", |m| m.device_id = [7; 16].into()),
        ("iat", |m| m.iat -= 121),
        ("iat", |m| m.iat += 121),
        ("blinded", |m| m.blinded = [0; 32].into()),
        ("blinded", |m| m.blinded = [0xFF; 32].into()),
    ];
    for (claim, forge) in forgeries {
        let mut message = thief.evaluation(any_element());
        forge(&mut message);
        assert_eq!(evaluate(&message), wrong(claim));
    }
    let mut stranger = thief.evaluation(any_element());
    stranger.voprf_pk = another_share().public_key();
    assert_eq!(evaluate(&stranger), code("share_erased"));
    let confirm =
        |message: &PinConfirmation| refusal(thief.send::<PinConfirmed>("confirm", sign(message, &key).unwrap()));
    type ForgeConfirmation = fn(&mut PinConfirmation);
    let forgeries: [(&str, ForgeConfirmation); 5] = [
        ("v", |m| m.v = 2),
        ("aud", |m| m.aud = "https://stranger.example".to_owned()),
        ("device_id", |m| m.device_id = [7; 16].into()),
        ("iat", |m| m.iat -= 121),
        ("iat", |m| m.iat += 121),
    ];
    for (claim, forge) in forgeries {
        let mut message = thief.confirmation(&attempt);
        forge(&mut message);
        assert_eq!(confirm(&message), wrong(claim));
    }
    let mut nobodys = thief.confirmation(&attempt);
    nobodys.attempt_id = [7; 16].into();
    assert_eq!(confirm(&nobodys), code("not_found"));
    let change = thief.change(any_element());
    type ForgeChange = fn(&mut PinChange);
    let forgeries: [(&str, ForgeChange); 6] = [
        ("v", |m| m.v = 2),
        ("aud", |m| m.aud = "https://stranger.example".to_owned()),
        ("device_id", |m| m.device_id = [7; 16].into()),
        ("iat", |m| m.iat -= 121),
        ("iat", |m| m.iat += 121),
        ("blinded", |m| m.blinded = [0; 32].into()),
    ];
    for (claim, forge) in forgeries {
        let mut message = change.clone();
        forge(&mut message);
        assert_eq!(refusal(thief.send::<PinEvaluated>("change", sign(&message, &key).unwrap())), wrong(claim));
    }
    // Nothing of it was counted, made or erased.
    assert_eq!((world.count("SELECT COUNT(*) FROM pin_attempt WHERE number > 1"), shares(&world)), (1, 1));
}

#[test]
fn the_open_key_of_the_file_confirms_nothing_and_asks_for_no_share() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (thief, key) = (Thief::of(&computer), open_key(&computer));
    let attempt = thief.spend().unwrap();
    let signature = part("pin_message_invalid", "signature");
    let confirm = thief.signed(&thief.confirmation(&attempt));
    assert_eq!(refusal(thief.send::<PinConfirmed>("confirm", confirm)), signature);
    let change = thief.change(any_element());
    assert_eq!(refusal(thief.send::<PinEvaluated>("change", thief.signed(&change))), signature);
    // Nor does one message stand for another, or a strange key for either.
    let message = part("pin_message_invalid", "message");
    assert_eq!(refusal(thief.send::<PinConfirmed>("confirm", sign(&change, &key).unwrap())), message);
    let confirm = sign(&thief.confirmation(&attempt), &key).unwrap();
    assert_eq!(refusal(thief.send::<PinEvaluated>("change", confirm)), message);
    let stranger = sign(&thief.evaluation(any_element()), &new_key()).unwrap();
    assert_eq!(refusal(thief.send::<PinEvaluated>("evaluate", stranger)), signature);
    let other = world.log_in(MAX, &world.member(MAX));
    other.register(&mut card(MAX)).unwrap();
    let others = Thief::of(&other).signed(&thief.evaluation(any_element()));
    assert_eq!(refusal(thief.send::<PinEvaluated>("evaluate", others)), signature);
    let path = "/v1/devices/AAAAAAAAAAAAAAAAAAAAAA/pin/evaluate";
    let nobodys = PinRequest { message: thief.signed(&thief.evaluation(any_element())) };
    assert_eq!(refusal(thief.remote.call::<_, PinEvaluated>(Method::POST, path, &nobodys)), code("not_found"));
    assert_eq!(world.count("SELECT COUNT(*) FROM pin_attempt WHERE confirmed_at IS NULL"), 1);
}

#[test]
fn a_service_that_evaluates_with_another_share_is_not_believed() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    type Lie = fn(&mut PinEvaluated);
    let lies: [(&str, Lie); 4] = [
        ("another element", |a| a.evaluated = another_share().public_key()),
        ("no element", |a| a.evaluated = [0; 32].into()),
        ("another share, with its proof", |a| {
            let blinded = voprf::Blinded::parse(&a.evaluated).unwrap();
            let Evaluation { evaluated, proof } = another_share().evaluate(&blinded, &mut rng());
            (a.evaluated, a.proof) = (evaluated, proof);
        }),
        ("another proof", |a| {
            let blinded = voprf::Blinded::parse(&a.evaluated).unwrap();
            a.proof = another_share().evaluate(&blinded, &mut rng()).proof;
        }),
    ];
    for (what, lie) in lies {
        let liar = Liar::before(&world, move |path, (status, body)| {
            (status, if path.ends_with("/evaluate") { altered(&body, lie) } else { body })
        });
        let deceived = liar.deceives(&computer);
        let said = deceived.with(&mut Script::default(), |around| unlock(&deceived.here, 0, around));
        assert!(matches!(said, Err(PinError::DeviceKey(DeviceKeyError::Evaluation))), "{what}: {said:?}");
        open_key(&computer); // nothing was confirmed that was not right
    }
    // In a change, too: the file stays what it is.
    let liar = Liar::before(&world, |path, (status, body)| {
        let lie = |answer: &mut PinEvaluated| answer.voprf_pk = another_share().public_key();
        (status, if path.ends_with("/change") { altered(&body, lie) } else { body })
    });
    let deceived = liar.deceives(&computer);
    let mut script = Script { new_device_pins: ["141421"].into(), ..Script::default() };
    let said = deceived.with(&mut script, |around| kartenbund::client::pin::change(&deceived.here, around));
    assert!(matches!(said, Err(PinError::DeviceKey(DeviceKeyError::Evaluation))), "{said:?}");
    open_key(&computer);
}

#[test]
fn a_file_with_another_share_in_it_is_of_no_use() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let path = computer.here.home.folder().join("device.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    file["key"]["voprf_pk"] = json!(another_share().public_key());
    std::fs::write(&path, file.to_string()).unwrap();
    let said = computer.with(&mut Script::default(), |around| unlock(&computer.here, 0, around));
    assert!(matches!(said, Err(PinError::Gone)), "{said:?}");
    std::fs::write(&path, text).unwrap();
    open_key(&computer);
}

#[test]
fn a_registration_has_one_element_evaluated_with_its_own_share() {
    let world = World::new();
    let attempt = Attempt::honest(&world);
    let path = format!("/v1/registrations/{}/pin", attempt.challenge.registration_id);
    let service = &attempt.computer.here.service;
    let ask =
        |blinded| service.call::<_, RegistrationPinAnswer>(Method::POST, &path, &RegistrationPinRequest { blinded });
    assert_eq!(refusal(ask([0; 32].into())), part("pin_message_invalid", "blinded"));
    let element = any_element();
    let first = ask(element).unwrap();
    assert_eq!(ask(element).unwrap().evaluated, first.evaluated, "the same again");
    assert_eq!(refusal(ask(any_element())), code("pin_element_used"));
    let other = world.log_in(MAX, &world.member(MAX));
    let request = RegistrationPinRequest { blinded: element };
    let strangers = other.here.service.call::<_, RegistrationPinAnswer>(Method::POST, &path, &request);
    assert_eq!(refusal(strangers), code("not_found"));
    world.clock.advance(30 * 60);
    let computer = world.try_log_in(&world.folder.path().join("later"), ERIKA, PASSWORD).unwrap();
    let late = computer.here.service.call::<_, RegistrationPinAnswer>(Method::POST, &path, &request);
    assert_eq!(refusal(late), code("registration_ended"));
    world.wait_until("the share is erased", || world.count("SELECT COUNT(*) FROM pin_share") == 0);
}

#[test]
fn a_registration_that_has_bound_a_device_evaluates_nothing_any_more() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let request = attempt.signed();
    attempt.submit(&request).unwrap();
    let path = format!("/v1/registrations/{}/pin", attempt.challenge.registration_id);
    let request = RegistrationPinRequest { blinded: any_element() };
    let late = attempt.computer.here.service.call::<_, RegistrationPinAnswer>(Method::POST, &path, &request);
    assert_eq!(refusal(late), code("registration_ended"));
}

#[test]
fn a_device_that_was_removed_and_a_suspended_account_evaluate_nothing() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let thief = Thief::of(&computer);
    world.suspend(ERIKA).unwrap();
    assert_eq!(refusal(thief.spend()).0, "account_suspended");
    world.resume(ERIKA).unwrap();
    thief.spend().unwrap();
    computer.by_card().remove(thief.id()).unwrap();
    assert_eq!(refusal(thief.spend()), code("share_erased"));
    assert_eq!(shares(&world), 0, "a share is erased with its device");
}
