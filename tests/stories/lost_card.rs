//! A health card that was lost, and the next one.

use super::common::chip::number_of;
use super::*;

const DAY: i64 = 24 * 60 * 60;

/// A card that was made at this moment.
fn made_at(now: i64) -> VirtualCard {
    let day = |days: i64| time::OffsetDateTime::from_unix_timestamp(now + days * DAY).unwrap();
    card_by(&ca(), &Blueprint { validity: Some((day(0), day(5 * 365))), ..blueprint(ERIKA) })
}

fn log_in_with(world: &World, folder: &str, card: VirtualCard) -> Result<Computer, String> {
    card_login::log_in_as(world, folder, None, card, &mut Script::default()).map_err(|error| {
        let kartenbund::client::card_login::CardLoginError::Login(LoginError::Service(ServiceError::Refused {
            code,
            ..
        })) = error
        else {
            panic!("{error:?}")
        };
        code
    })
}

fn refusal_of<T: std::fmt::Debug>(answer: Result<T, RegisterError>) -> String {
    match answer {
        Err(RegisterError::Service(ServiceError::Refused { code, .. })) => code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_card_that_was_lost_logs_nobody_in_and_what_it_has_bound_has_expired() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let by_letter = world.second_computer("letter");
    by_letter.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    let max = world.registered(MAX);
    world.clock.advance(60);
    world.revoke_cards(ERIKA).unwrap();
    assert_eq!(world.audited("account.cards_revoked"), 1);
    assert!(computer.here.service.get::<serde_json::Value>("/v1/devices").is_err(), "her sessions have ended");
    assert_eq!(max.devices()[0].state, "active", "his card is as it was");

    assert_eq!(log_in_with(&world, "finder", card(ERIKA)).err().as_deref(), Some("card_revoked"));
    let computer = world.log_in(ERIKA, PASSWORD);
    let states: Vec<_> = computer.devices().into_iter().map(|device| (device.binding_level, device.state)).collect();
    assert_eq!(states.len(), 2);
    assert!(states.contains(&(BindingLevel::B3, "expired".to_owned())), "{states:?}");
    assert!(states.contains(&(BindingLevel::B1, "pending_wait".to_owned())), "a letter's is not bound by a card");
    let mut again = Wish { replace: true, ..wish() };
    let refused = computer.register_as(&mut card(ERIKA), &mut Script::default(), &again);
    assert_eq!(refusal_of(refused), "card_revoked");

    let next = world.clock.now() + DAY;
    world.clock.advance(2 * DAY);
    let computer = log_in_with(&world, "again", made_at(next)).unwrap();
    again.name = "PC".to_owned();
    let device = computer.register_as(made_at(next), &mut Script::default(), &again).unwrap();
    assert_eq!((device.binding_level, device.state.as_str()), (BindingLevel::B3, "active"));
}

/// He logs in with card and PIN, and lets his own computer in with a code.
#[test]
fn what_a_code_of_the_lost_card_has_bound_expires_with_it() {
    let world = World::new();
    let old = world.logged_in_with_device();
    let [by_device, by_card] = ["by-device", "by-card"].map(|folder| {
        let shows = if folder == "by-card" { world.log_in_with_card("finder") } else { world.log_in_with_device(&old) };
        world.second_computer(folder).register_from_screen(&shows.show_code().unwrap()).unwrap()
    });
    assert_eq!((by_device.state.as_str(), by_card.state.as_str()), ("active", "active"));
    world.revoke_cards(ERIKA).unwrap();
    let computer = world.log_in(ERIKA, PASSWORD);
    let devices = computer.devices();
    let state = |id| devices.iter().find(|device| device.device_id == id).unwrap().state.as_str();
    assert_eq!(state(by_card.device_id), "expired", "it rests on the card");
    assert_eq!(state(by_device.device_id), "active", "as one that another device has added");
    assert_eq!(world.audited("device.expired"), 2, "with the one that the card has bound");
}

#[test]
fn the_chip_of_a_lost_card_registers_nothing_and_no_device_that_waits_comes_to_it() {
    let world = World::with_chips();
    let mut lost = card(ERIKA);
    world.give_card(ERIKA, &number_of(&mut lost));
    let computer = world.log_in(ERIKA, PASSWORD);
    let with_chip = |computer: &Computer, card: &mut VirtualCard| {
        let again = Wish { replace: true, ..wish() };
        computer.with(&mut Script::default(), |around| {
            kartenbund::client::register::register_with_chip(&computer.here, card, &again, around)
        })
    };
    assert_eq!(with_chip(&computer, &mut lost).unwrap().state, "pending_wait");
    world.revoke_cards(ERIKA).unwrap();
    let computer = world.log_in(ERIKA, PASSWORD);
    assert!(computer.devices().is_empty(), "it is revoked");
    assert_eq!(refusal_of(with_chip(&computer, &mut lost)), "card_revoked");
    world.give_card(ERIKA, &number_of(&mut lost)); // the register has not learnt of it yet
    assert_eq!(refusal_of(with_chip(&computer, &mut lost)), "card_revoked");
    let mut next = card(ERIKA);
    world.give_card(ERIKA, &number_of(&mut next));
    with_chip(&computer, &mut next).unwrap();
}

#[test]
fn the_cards_of_somebody_who_is_no_member_are_not_revoked() {
    let world = World::new();
    assert_eq!(world.revoke_cards(ERIKA), Err(kartenbund::server::Code::AccountUnknown));
}
