//! A card that its issuer revokes after it has bound a computer, and what evidence says of it.

use super::common::ocsp::Mood;
use super::notices::letters;
use super::*;
use kartenbund::client::doctor::KeyStore;
use kartenbund::client::rebind::keep_expiry;

const DAY: i64 = 24 * 60 * 60;

fn der_of(card: &mut VirtualCard) -> Vec<u8> {
    kartenbund::egk::Egk::open(card, ApduLength::Extended).unwrap().read_certificate().unwrap().der().to_vec()
}

#[test]
fn a_computer_whose_card_is_revoked_expires_within_a_day_and_the_next_card_binds_it_again() {
    let (world, responder) = World::with_ocsp();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut lost = card(ERIKA);
    let lost_der = der_of(&mut lost);
    responder.issued(&lost_der);
    computer.register(&mut lost).unwrap();
    let mut of_max = card(MAX);
    responder.issued(&der_of(&mut of_max));
    let max = world.log_in(MAX, &world.member(MAX));
    max.register(&mut of_max).unwrap();
    assert_eq!(responder.asked(), 2);

    responder.revoke(&lost_der);
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    assert_eq!(responder.asked(), 2, "it is asked once a day");
    world.stretch_sessions();
    world.clock.advance(DAY);
    world.wait_until("the device expires", || world.audited("device.expired") == 1);
    world.wait_until("both were asked about", || responder.asked() == 4);
    assert_eq!(world.audited("session.ended"), 1);
    assert!(letters(&world).iter().any(|it| it.starts_with("Gesundheitskarte gesperrt ")), "{:?}", letters(&world));
    let states = "SELECT kvnr || ' ' || device.state FROM device JOIN account ON account.account_id = device.account_id ORDER BY kvnr";
    assert_eq!(world.column(states), [format!("{ERIKA} expired"), format!("{MAX} active")]);

    let computer = world.log_in(ERIKA, PASSWORD);
    keep_expiry(&computer.here.home, &computer.devices()).unwrap();
    assert!(matches!(KeyStore::of(&computer.here.home, world.clock.now()), KeyStore::Ended), "doctor says so");
    let again = Wish { replace: true, ..wish() };
    let refused = computer.register_as(&mut lost, &mut Script::default(), &again);
    assert!(format!("{:?}", refused.unwrap_err()).contains("card_revoked"));
    let mut next = card(ERIKA);
    responder.issued(&der_of(&mut next));
    assert_eq!(computer.register_as(&mut next, &mut Script::default(), &again).unwrap().state, "active");
}

#[test]
fn what_a_code_of_a_card_has_bound_expires_when_a_card_is_found_revoked() {
    let (world, responder) = World::with_ocsp();
    let mut cards = [ERIKA, MAX].map(|person| (person, card(person)));
    let ders = cards.each_mut().map(|(_, card)| der_of(card));
    for ((person, card), der) in cards.iter_mut().zip(&ders) {
        responder.issued(der);
        world.log_in(person, &world.member(person)).register(&mut *card).unwrap();
        let shows = card_login::log_in_as(&world, &format!("shows-{person}"), None, &mut *card, &mut Script::default());
        let new = world.try_log_in(&world.folder.path().join(format!("new-{person}")), person, PASSWORD).unwrap();
        let device = new.register_from_screen(&shows.unwrap().show_code().unwrap()).unwrap();
        assert_eq!((device.binding_level, device.state.as_str()), (BindingLevel::B1, "active"));
    }
    responder.revoke(&ders[0]);
    world.stretch_sessions();
    world.clock.advance(DAY);
    world.wait_until("hers expire", || world.audited("device.expired") == 2);
    world.wait_until("both were asked about", || responder.asked() == 6);
    let states = "SELECT DISTINCT kvnr || ' ' || device.state FROM device \
        JOIN account ON account.account_id = device.account_id ORDER BY 1";
    assert_eq!(world.column(states), [format!("{ERIKA} expired"), format!("{MAX} active")]);
}

/// She binds her device anew with her next card while the service is asking about the one before.
#[test]
fn a_card_that_is_found_revoked_expires_no_device_that_the_next_one_has_bound_meanwhile() {
    let (world, responder) = World::with_ocsp();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let (mut lost, mut next) = (card(ERIKA), card(ERIKA));
    let lost_der = der_of(&mut lost);
    responder.issued(&lost_der);
    responder.issued(&der_of(&mut next));
    computer.register(&mut lost).unwrap();
    responder.revoke(&lost_der);
    responder.be(Mood::HoldsBack);
    world.stretch_sessions();
    world.clock.advance(DAY);
    world.wait_until("it is asked about the card before", || responder.asked() == 2);
    responder.be(Mood::Well);
    let rebound = |around: &mut kartenbund::client::Surroundings<'_>| {
        kartenbund::client::rebind::rebind(&computer.here, &mut next, ApduLength::Extended, around)
    };
    assert_eq!(computer.with(&mut Script::default(), rebound).unwrap().state, "active");
    responder.let_go();
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert_eq!(computer.devices()[0].state, "active");
    assert_eq!((world.audited("device.expired"), world.audited("session.ended")), (0, 0));

    // Its own card is looked after as ever.
    responder.revoke(&der_of(&mut next));
    world.stretch_sessions();
    world.clock.advance(DAY);
    world.wait_until("the device expires", || world.audited("device.expired") == 1);
    let ended = world.column("SELECT CAST(expires_at AS TEXT) FROM device");
    assert_eq!(ended, [world.clock.now().to_string()], "its time has ended, and the list says when");
}

#[test]
fn a_responder_that_is_away_expires_nothing_and_is_asked_again_in_an_hour() {
    let (world, responder) = World::with_ocsp();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let der = der_of(&mut card);
    responder.issued(&der);
    computer.register(&mut card).unwrap();
    responder.be(Mood::Down);
    world.clock.advance(DAY);
    world.wait_until("it is asked", || responder.asked() == 2);
    responder.revoke(&der);
    responder.be(Mood::Well);
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    assert_eq!((responder.asked(), world.column("SELECT state FROM device")), (2, vec!["active".to_owned()]));
    world.clock.advance(3600);
    world.wait_until("the device expires", || world.column("SELECT state FROM device") == ["expired"]);
}

#[test]
fn two_processes_ask_about_each_computer_once_between_them() {
    let (world, responder) = World::with_ocsp();
    for person in [ERIKA, MAX] {
        let mut card = card(person);
        responder.issued(&der_of(&mut card));
        world.log_in(person, &world.member(person)).register(&mut card).unwrap();
    }
    let _other = world.beside(|settings| {
        settings.anchors = Box::new(anchors_of(&[&ca()]));
        settings.ocsp = vec![responder.set_for(&ca())];
    });
    responder.be(Mood::Slow);
    world.clock.advance(DAY);
    // Both look for devices every second, and an answer takes two: one finds both due, and while it asks about the first,
    // the other one takes the second.
    let done = format!("SELECT COUNT(*) FROM device WHERE revocation_due = {}", world.clock.now() + DAY);
    world.wait_until("both answers are there", || world.count(&done) == 2);
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert_eq!(responder.asked(), 4, "when they were bound, and now");
}

#[test]
fn evidence_shows_what_the_responder_said_and_on_whom_that_rests() {
    let (world, responder) = World::with_ocsp();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    responder.issued(&der_of(&mut card));
    let device = computer.register(&mut card).unwrap();
    let bytes = computer.here.service.get::<serde_json::Value>(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    let bytes = serde_json::to_vec(&bytes).unwrap();
    let bundle = Bundle::parse(&bytes).unwrap();
    let key = &computer.here.profile.service_keys;
    let link = |anchors| {
        let report = bundle.verify(&anchors, key);
        assert!(report.findings.is_some());
        let link = report.links.into_iter().find(|link| link.name == LinkName::Revocation).unwrap();
        (link.result, link.rests_on)
    };
    let mut anchors = anchors_of(&[&ca()]);
    assert_eq!(link(anchors_of(&[&ca()])), (LinkResult::Holds, RestsOn::Service));
    anchors.add_responders(vec![responder.key.pinned()]);
    assert_eq!(link(anchors), (LinkResult::Holds, RestsOn::OcspResponder));
    let pem = [responder.key.pem()];
    assert_eq!(verifier::second_verifier_with(&[bytes], &[&ca()], &pem, key), [true]);
}

#[test]
fn evidence_of_a_service_that_asks_nobody_says_so() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let device = computer.devices().remove(0).device_id;
    let mut bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{device}")).unwrap();
    let key = &computer.here.profile.service_keys;
    let report = bundle.verify(&anchors_of(&[&ca()]), key);
    let link = report.links.iter().find(|link| link.name == LinkName::Revocation).unwrap();
    assert_eq!(link.result, LinkResult::Absent);
    // The version before this one had no such answers, and is verified as it was.
    bundle.v = 2;
    let bytes = serde_json::to_vec(&bundle).unwrap();
    let before = Bundle::parse(&bytes).unwrap();
    assert!(before.verify(&anchors_of(&[&ca()]), key).findings.is_some());
    bundle.v = 6;
    let later = serde_json::to_vec(&bundle).unwrap();
    assert!(Bundle::parse(&later).is_err());
    assert_eq!(verifier::second_verifier(&[bytes, later], &[&ca()], key), [true, false]);
}
