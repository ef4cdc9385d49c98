//! A device that the card binds anew: it is the same device, with its key and its PIN.

use kartenbund::client::doctor::KeyStore;
use kartenbund::client::rebind::{keep_expiry, rebind, reminder};
use kartenbund::protocol::api::DeviceAnswer;

use super::common::line::{Cut, Liar};
use super::common::verifier::second_verifier;
use super::*;

const DAY: i64 = 24 * 60 * 60;

fn rebound(computer: &Computer, card: impl CardChannel) -> Result<DeviceAnswer, RegisterError> {
    rebound_as(computer, card, &mut Script::default())
}

fn rebound_as(computer: &Computer, card: impl CardChannel, script: &mut Script) -> Result<DeviceAnswer, RegisterError> {
    computer.with(script, |around| rebind(&computer.here, card, ApduLength::Extended, around))
}

/// Half a year later, when her device's time is over, she logs in again.
fn half_a_year_later(world: &World, computer: &Computer) -> Computer {
    world.clock.advance(183 * DAY);
    let computer = world.try_log_in(computer.here.home.folder(), ERIKA, PASSWORD).unwrap();
    world.wait_until("it has expired", || computer.devices()[0].state == "expired");
    computer
}

/// The bundle holds, as both verifiers say; gives it.
fn holds(computer: &Computer, id: Option<String>) -> Bundle {
    let path = id.map_or_else(|| "/v1/evidence".to_owned(), |id| format!("/v1/evidence/{id}"));
    let bundle: Bundle = computer.here.service.get(&path).unwrap();
    let key = &computer.here.profile.service_keys;
    let report = bundle.verify(&anchors_of(&[&ca()]), key);
    assert!(report.findings.is_some(), "{:?}", report.links);
    assert_eq!(second_verifier(&[serde_json::to_vec(&bundle).unwrap()], &[&ca()], key), [true]);
    bundle
}

#[test]
fn an_expired_device_is_bound_anew_and_approves_again() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let before = computer.devices().remove(0);
    let first = computer.apply(&new_address());
    approve(&computer, &first);
    let computer = half_a_year_later(&world, &computer);
    let device = rebound(&computer, &mut card(ERIKA)).unwrap();
    assert_eq!((device.device_id, device.jkt, &device.name), (before.device_id, before.jkt, &before.name));
    assert_eq!((device.state.as_str(), device.binding_level), ("active", BindingLevel::B3));
    assert_eq!((device.active_from, device.expires_at), (before.active_from, world.clock.now() + 183 * DAY));
    assert_eq!(computer.devices().len(), 1);
    assert_eq!((world.audited("device.bound"), world.audited("device.rebound")), (1, 1));
    let second = computer.apply(&new_contact());
    assert_eq!(approve(&computer, &second).application.state, "executed");

    // What was decided before rests on the card's first signature, and what was decided since on its second.
    let [old, new] = [&first, &second].map(|it| holds(&computer, Some(it.approval_id.to_string())).devices.remove(0));
    assert_ne!(old.binding.registration_id, new.binding.registration_id);
    assert_eq!(holds(&computer, Some(device.device_id.to_string())).devices[0].binding.pop, new.binding.pop);
    let devices = holds(&computer, None).devices;
    let decided = |n: usize| devices[n].approvals.iter().map(|it| it.approval_id).collect::<Vec<_>>();
    assert_eq!((devices.len(), decided(0), decided(1)), (2, vec![first.approval_id], vec![second.approval_id]));
    assert_eq!((&devices[0].binding.pop, &devices[1].binding.pop), (&old.binding.pop, &new.binding.pop));
    assert_eq!(world.verify_audit(&[]).unwrap().receipts, 4);
}

fn code_of(answer: Result<DeviceAnswer, RegisterError>) -> String {
    match answer {
        Err(RegisterError::Service(ServiceError::Refused { code, .. })) => code,
        other => panic!("the service must refuse, but: {other:?}"),
    }
}

/// A computer that a letter has bound, active since today.
fn bound_by_letter(world: &World) -> Computer {
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    computer.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    world.create_letters();
    let computer = relog(world, &computer, DAY);
    world.wait_until("it is active", || computer.devices()[0].state == "active");
    computer
}

#[test]
fn a_device_is_bound_anew_before_its_time_is_over_and_its_owner_is_reminded_in_time() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let home = &computer.here.home;
    let ends_at = world.clock.now() + 183 * DAY;
    assert_eq!(reminder(home, ends_at - 14 * DAY - 1), None);
    for now in [ends_at - 14 * DAY, ends_at - 1, ends_at + DAY] {
        assert_eq!(reminder(home, now), Some(ends_at));
    }
    assert!(matches!(KeyStore::of(home, ends_at - 14 * DAY - 1), KeyStore::Usable));
    assert!(matches!(KeyStore::of(home, ends_at - 1), KeyStore::EndsSoon));
    assert!(matches!(KeyStore::of(home, ends_at), KeyStore::Ended));
    world.clock.advance((183 - 14) * DAY);
    let computer = world.try_log_in(home.folder(), ERIKA, PASSWORD).unwrap();
    let told = || world.count("SELECT COUNT(*) FROM device WHERE expiry_told = 1");
    world.wait_until("the service reminds her", || told() == 1);
    let device = rebound(&computer, &mut card(ERIKA)).unwrap();
    assert_eq!((device.state.as_str(), device.expires_at), ("active", world.clock.now() + 183 * DAY));
    assert_eq!(reminder(home, world.clock.now()), None, "it is not the end any more");
    assert_eq!(reminder(home, device.expires_at), Some(device.expires_at));
    assert_eq!(told(), 0);

    // An insurer that reminds earlier does so in the program as well, from when the program has heard of it.
    let world = world.restarted_in_place_with(|settings| settings.devices.reminder_days = 30);
    let told = || world.count("SELECT COUNT(*) FROM device WHERE expiry_told = 1");
    let from = device.expires_at - 30 * DAY;
    assert_eq!(reminder(home, from), None);
    keep_expiry(home, &computer.devices()).unwrap();
    assert_eq!((reminder(home, from - 1), reminder(home, from)), (None, Some(device.expires_at)));

    world.clock.advance(14 * DAY);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let computer = world.try_log_in(home.folder(), ERIKA, PASSWORD).unwrap();
    approve(&computer, &computer.apply(&new_address()));
    world.clock.advance((183 - 28) * DAY);
    world.wait_until("the service reminds her again", || told() == 1);
}

#[test]
fn the_card_ends_what_it_binds_anew_and_a_key_that_a_tpm_has_shown_lasts_as_long_as_the_card() {
    for (class, lasts_as_the_card) in [("swk", false), ("hwk", true)] {
        let world = World::new();
        let computer = world.registered(ERIKA);
        world.sql(format!("UPDATE device SET key_class = '{class}'")).unwrap();
        let device = rebound(&computer, &mut card(ERIKA)).unwrap();
        assert_eq!(device.key_class, class);
        let days = (device.expires_at - world.clock.now()) / DAY;
        assert_eq!(days > 183, lasts_as_the_card, "{class}: {days}");
    }
    let world = World::new().restarted(|settings| {
        settings.payer_iks = vec!["999567890".parse().unwrap()];
        settings.anchors = Box::new(anchors_of(&[&ca()]));
        settings.devices.days = 3650;
    });
    let computer = world.registered(ERIKA);
    let device = rebound(&computer, &mut card(ERIKA)).unwrap();
    assert!((device.expires_at - world.clock.now()) / DAY < 3650, "the card ends before");
}

#[test]
fn a_device_of_a_letter_approves_everything_once_the_card_has_bound_it_and_adds_others_a_fortnight_later() {
    let world = World::new();
    let computer = bound_by_letter(&world);
    let contact = computer.apply(&new_contact());
    approve(&computer, &contact);
    let computer = world.a_fortnight_later(&computer);
    let device = rebound(&computer, &mut card(ERIKA)).unwrap();
    assert_eq!((device.binding_level, device.state.as_str()), (BindingLevel::B3, "active"));
    assert_eq!(device.active_from, world.clock.now(), "as a device of the card it is new");
    let bank = computer.apply(&new_bank_account());
    assert_eq!(approve(&computer, &bank).application.state, "queued");
    let laptop = world.second_computer("laptop");
    let refused = computer.with(&mut Script::default(), |around| {
        kartenbund::client::register::register_by_device(&laptop.here, &wish(), &mut |_| panic!(), around)
    });
    let Err(RegisterError::Service(ServiceError::Refused { code, .. })) = refused else { panic!("{refused:?}") };
    assert_eq!(code, "device_too_young");
    let levels = |bundle: &Bundle| bundle.devices.iter().map(|it| it.binding.binding_level).collect::<Vec<_>>();
    assert_eq!(levels(&holds(&computer, Some(contact.approval_id.to_string()))), [BindingLevel::B1]);
    assert_eq!(levels(&holds(&computer, Some(bank.approval_id.to_string()))), [BindingLevel::B3]);

    let computer = world.a_fortnight_later(&computer);
    let laptop = world.second_computer("another-laptop");
    let added = world.add(&computer, &laptop).new.unwrap();
    let of_added = holds(&laptop, Some(added.device_id.to_string()));
    assert_eq!(levels(&of_added), [BindingLevel::B3, BindingLevel::B1], "the letter stands for nothing here");
    assert_eq!(levels(&holds(&laptop, None)), [BindingLevel::B1, BindingLevel::B3, BindingLevel::B1]);
}

#[test]
fn a_device_that_was_bound_anew_is_as_old_as_it_is_and_adds_another_at_once() {
    let world = World::new();
    let computer = world.a_fortnight_later(&world.registered(ERIKA));
    rebound(&computer, &mut card(ERIKA)).unwrap();
    world.clock.advance(60);
    let laptop = world.second_computer("laptop");
    let added = world.add(&computer, &laptop).new.unwrap();
    assert_eq!(holds(&laptop, Some(added.device_id.to_string())).devices.len(), 2);
    assert_eq!(holds(&laptop, None).devices.len(), 3);
    // Bound anew once more, what it has added still rests on it.
    rebound(&computer, &mut card(ERIKA)).unwrap();
    assert_eq!(holds(&laptop, Some(added.device_id.to_string())).devices.len(), 2);
    assert_eq!(holds(&laptop, None).devices.len(), 4);
    assert_eq!(world.verify_audit(&[]).unwrap().receipts, 5);
}

#[test]
fn a_lost_answer_is_fetched_without_the_card_and_brings_no_old_device_pin_back() {
    for cut in [Cut::Request, Cut::Answer] {
        let world = World::new();
        let computer = world.registered(ERIKA);
        let first = approve_receipt(&computer);
        let line = Liar::cutting(&world, cut, |path| path.ends_with("/evidence"));
        let lost = rebound(&line.deceives(&computer), &mut card(ERIKA));
        let is_lost = |error: &RegisterError| matches!(error, RegisterError::Service(ServiceError::Unreachable(_)));
        assert!(lost.as_ref().is_err_and(is_lost), "{lost:?}");
        let is_bound = world.audited("device.rebound") == 1;
        assert_eq!(is_bound, cut == Cut::Answer);
        // Meanwhile the device goes on as it was, and its PIN is changed.
        let mut script = Script { new_device_pins: ["141421"].into(), ..Script::default() };
        computer.with(&mut script, |around| kartenbund::client::pin::change(&computer.here, around)).unwrap();
        let mut script = Script { device_pin: "141421", ..Script::default() };
        match cut {
            Cut::Answer => {
                let device = rebound_as(&computer, NoCard, &mut script).unwrap();
                assert_eq!(device.state, "active");
                assert_eq!(script.notices, [Notice::Resumed]);
            }
            Cut::Request => drop(rebound_as(&computer, &mut card(ERIKA), &mut script).unwrap()),
        }
        assert_eq!(world.audited("device.rebound"), 1);
        assert_ne!(approve_receipt(&computer), first, "the receipt of the new binding is kept");
        assert!(computer.here.home.pending_rebinding().unwrap().is_none());
        let accepted = computer.apply(&new_address());
        let mut script = Script { device_pin: "141421", ..Script::with_code(&accepted.match_code) };
        computer
            .with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
            .unwrap();
        holds(&computer, None);
    }
}

/// The receipt that is kept with the device.
fn approve_receipt(computer: &Computer) -> String {
    match computer.here.home.device().unwrap().binding {
        Binding::Active { receipt, .. } => receipt,
        Binding::Pending { .. } => panic!("it is bound"),
    }
}

#[test]
fn a_wrong_device_pin_costs_a_try_of_the_device_and_none_of_the_card() {
    let world = World::new();
    let computer = half_a_year_later(&world, &world.registered(ERIKA));
    let mut card = card(ERIKA);
    let before = tries_left(&mut card);
    for left in (1..5).rev() {
        let mut script = Script { device_pin: "999998", ..Script::default() };
        let wrong = rebound_as(&computer, Watched::new(&mut card), &mut script);
        let Err(RegisterError::Locked(PinError::Wrong { tries_left: Some(told) })) = wrong else { panic!("{wrong:?}") };
        assert_eq!(told, left);
    }
    assert_eq!(tries_left(&mut card), before);
    assert_eq!(computer.devices()[0].state, "expired");
    let mut script = Script { device_pin: "999998", ..Script::default() };
    let wrong = rebound_as(&computer, &mut card, &mut script);
    assert!(matches!(wrong, Err(RegisterError::Locked(PinError::Gone))), "{wrong:?}");
    // The last one may still be confirmed for two minutes.
    let computer = relog(&world, &computer, 121);
    world.wait_until("no try is left, and the device is gone", || computer.devices().is_empty());
    let gone = rebound(&computer, NoCard);
    assert!(matches!(gone, Err(RegisterError::Locked(PinError::Gone))), "{gone:?}");
}

#[test]
fn a_right_device_pin_after_wrong_ones_is_told_and_clears_them() {
    let world = World::new();
    let computer = half_a_year_later(&world, &world.registered(ERIKA));
    let mut script = Script { device_pin: "999998", ..Script::default() };
    rebound_as(&computer, &mut card(ERIKA), &mut script).unwrap_err();
    let mut script = Script::default();
    rebound_as(&computer, &mut card(ERIKA), &mut script).unwrap();
    assert_eq!(script.notices, [Notice::WrongDevicePins { tries: 1 }]);
}

#[test]
fn whose_card_was_lost_binds_the_device_anew_with_the_next_one() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    world.clock.advance(60);
    world.revoke_cards(ERIKA).unwrap();
    let computer = world.try_log_in(computer.here.home.folder(), ERIKA, PASSWORD).unwrap();
    assert_eq!(computer.devices()[0].state, "expired");
    assert_eq!(code_of(rebound(&computer, &mut card(ERIKA))), "card_revoked");
    assert_eq!(computer.devices()[0].state, "expired");
    let day = |days: i64| time::OffsetDateTime::from_unix_timestamp(world.clock.now() + days * DAY).unwrap();
    let next = Blueprint { validity: Some((day(1), day(5 * 365))), ..blueprint(ERIKA) };
    world.clock.advance(2 * DAY);
    let computer = world.try_log_in(computer.here.home.folder(), ERIKA, PASSWORD).unwrap();
    assert_eq!(rebound(&computer, card_by(&ca(), &next)).unwrap().state, "active");
}

#[test]
fn a_computer_that_is_not_registered_or_was_removed_asks_for_no_card() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let none = rebound(&computer, NoCard);
    assert!(matches!(none, Err(RegisterError::Home(HomeError::NoDevice))), "{none:?}");
    let device = computer.register(&mut card(ERIKA)).unwrap();
    computer.by_card().remove(device.device_id).unwrap();
    let gone = rebound(&computer, NoCard);
    assert!(matches!(gone, Err(RegisterError::Locked(PinError::Gone))), "{gone:?}");
}
