//! Registering a computer by another one of the same person.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::additions::{Added, FORTNIGHT};
use super::common::line::{Cut, Liar};
use super::*;

const DAY: i64 = 24 * 60 * 60;

/// A person whose computer is registered with the card for long enough, and another one where she has logged in.
fn two_computers(world: &World) -> (Computer, Computer) {
    let old = world.a_fortnight_later(&world.registered(ERIKA));
    (old, world.second_computer("laptop"))
}

#[test]
fn a_person_types_on_her_device_what_the_new_computer_shows_and_may_approve_there_a_day_later() {
    let world = World::new();
    let (old, new) = two_computers(&world);
    world.create_letters();
    let before = world.new_letters().len();
    let strings = Strings::default();
    let Added { new: device, old: decision } =
        world.add_meanwhile((&old, &new), Verdict::Approve, &strings, || {}, || {});
    assert_eq!(decision.unwrap().application.state, "executed");
    let device = device.unwrap();
    assert_eq!((device.binding_level, device.state.as_str()), (BindingLevel::B1, "pending_wait"));
    assert_eq!(device.active_from, world.clock.now() + DAY);
    assert_eq!(strings.shown().to_string().len(), 9, "eight digits in two groups");
    assert_eq!(world.new_letters().len(), before + 1, "the owner is told by letter");

    let new = relog(&world, &new, DAY);
    assert_eq!(approve(&new, &new.apply(&new_address())).application.state, "executed");
    let accepted = new.apply(&new_bank_account());
    let mut script = Script::with_code(&accepted.match_code);
    let refused = new.with(&mut script, |around| decide(&new.here, accepted.approval_id, Verdict::Approve, around));
    assert!(
        matches!(&refused, Err(ApproveError::Service(ServiceError::Refused { code, .. })) if code == "level_too_low"),
        "{refused:?}"
    );
    let audit = world.audit_entries().join("\n");
    for event in ["registration.nonce_given", "registration.nonce_shown", "application.approved", "device.bound"] {
        assert!(audit.contains(event), "{event}");
    }
}

#[test]
fn the_evidence_leads_from_the_new_device_to_the_card_that_has_bound_the_old_one() {
    let world = World::new();
    let (old, new) = two_computers(&world);
    let device = world.add(&old, &new).new.unwrap();
    world.create_letters();
    let new = relog(&world, &new, DAY);
    approve(&new, &new.apply(&new_address()));
    let key = &new.here.profile.service_keys;
    let of_device: Bundle = new.here.service.get(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    let report = of_device.verify(&anchors_of(&[&ca()]), key);
    let links: Vec<_> = report.links.iter().map(|link| (link.name, link.rests_on)).collect();
    assert_eq!(
        links[7..],
        [
            (LinkName::DeviceAddition, RestsOn::Device),
            (LinkName::DevicePossession, RestsOn::Device),
            (LinkName::BindingReceipt, RestsOn::Service),
            (LinkName::BindingAudit, RestsOn::Service),
        ]
    );
    let levels: Vec<_> = report.findings.unwrap().devices.iter().map(|device| device.binding_level).collect();
    assert_eq!(levels, [BindingLevel::B3, BindingLevel::B1]);

    let of_account: Bundle = new.here.service.get("/v1/evidence").unwrap();
    let report = of_account.verify(&anchors_of(&[&ca()]), key);
    let decisions: Vec<_> = report.findings.unwrap().devices.iter().map(|device| device.decisions.len()).collect();
    assert_eq!(decisions, [1, 1]);
    let bytes = [of_device, of_account].map(|bundle| serde_json::to_vec(&bundle).unwrap());
    assert_eq!(verifier::second_verifier(&bytes, &[&ca()], key), [true, true]);
    assert_eq!(verifier::second_verifier(&bytes, &[], key), [false, false], "it rests on the card");
}

#[test]
fn only_a_device_that_the_card_has_bound_two_weeks_ago_adds_another() {
    let world = World::new();
    let password = world.member(ERIKA);
    let new = world.try_log_in(&world.folder.path().join("laptop"), ERIKA, &password).unwrap();
    let begin = |new: &Computer| {
        let mut script = Script::default();
        let refused = new.with(&mut script, |around| {
            kartenbund::client::register::register_by_device(&new.here, &wish(), &mut |_| panic!("it waits"), around)
        });
        match refused {
            Err(RegisterError::Service(ServiceError::Refused { code, detail, .. })) => {
                (code, detail.unwrap_or_default())
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(begin(&new), code("no_device"));
    let old = world.log_in(ERIKA, &password);
    old.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    world.create_letters();
    assert_eq!(begin(&new).0, "device_waiting");
    let new = relog(&world, &world.a_fortnight_later(&new), DAY);
    assert_eq!(old.devices().remove(0).state, "active");
    assert_eq!(begin(&new), code("level_too_low"));

    let old = world.second_computer("desktop");
    old.register(&mut card(ERIKA)).unwrap();
    let from = world.clock.now() + FORTNIGHT;
    assert_eq!(begin(&new), ("device_too_young".to_owned(), from.to_string()));
    let new = world.a_fortnight_later(&relog(&world, &new, -1));
    assert_eq!(begin(&new), ("device_too_young".to_owned(), from.to_string()));
    let (old, new) = (relog(&world, &old, 1), relog(&world, &new, 0));
    world.add(&old, &new).new.unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM application WHERE kind = 'device.add'"), 1, "nobody was asked before");
}

#[test]
fn a_line_that_fails_now_and_then_does_not_end_the_wait_of_the_new_computer() {
    for at in [Cut::Request, Cut::Answer] {
        let world = World::new();
        let (old, new) = two_computers(&world);
        let asked = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let cut = Arc::clone(&asked);
        let line = Liar::cutting(&world, at, move |path| {
            let is_of_new = path.starts_with("/v1/registrations/");
            match (is_of_new && path.split('/').count() == 4, is_of_new && path.ends_with("/nonce")) {
                (true, _) => cut[0].fetch_add(1, Ordering::SeqCst).is_multiple_of(2),
                (_, true) => cut[1].fetch_add(1, Ordering::SeqCst) == 0,
                _ => false,
            }
        });
        let added = world.add(&old, &line.deceives(&new));
        assert_eq!(added.new.unwrap().state, "pending_wait", "{at:?}");
        assert!(asked[0].load(Ordering::SeqCst) > 2 && asked[1].load(Ordering::SeqCst) == 2, "{asked:?}");
    }
}

#[test]
fn digits_that_were_typed_wrongly_twice_are_typed_again_and_the_third_time_denies() {
    let world = World::new();
    let (old, new) = two_computers(&world);
    let with = |wrong: &[&'static str]| {
        let strings = Strings::default();
        strings.instead.lock().unwrap().extend(wrong);
        world.add_meanwhile((&old, &new), Verdict::Approve, &strings, || {}, || {})
    };
    let denied = with(&["00000000", "00000001", "00000002"]);
    assert!(matches!(denied.old, Err(ApproveError::StringsDiffer)), "{:?}", denied.old);
    assert_eq!(denied.refused(), "not approved, expired: false");
    assert_eq!(world.column("SELECT verdict FROM application"), ["deny"], "what was signed is the denial");
    with(&["00000000", "00000001"]).new.unwrap();
}

#[test]
fn who_did_not_ask_denies_and_the_stranger_learns_that_it_was_not_approved() {
    let world = World::new();
    let (old, new) = two_computers(&world);
    for verdict in [Verdict::Deny, Verdict::NotMe] {
        let strings = Strings::default();
        let answer = world.add_meanwhile((&old, &new), verdict, &strings, || {}, || {});
        assert_eq!(answer.old.as_ref().unwrap().verdict, verdict);
        assert!(!strings.is_shown(), "no string is shown where nobody begins to compare");
        let told = answer.refused();
        // "That was not me" ends the session of whoever asked, who is told the one or the other by it.
        let is_thrown_out = verdict == Verdict::NotMe && told == "session_ended";
        assert!(is_thrown_out || told == "not approved, expired: false", "{told}");
    }
    assert_eq!(old.devices().len(), 1);
}

#[test]
fn what_nobody_decides_expires_and_what_is_begun_again_takes_its_place() {
    let world = World::new();
    let (_, new) = two_computers(&world);
    let clock = world.clock.clone();
    let begin = |sleep: &mut dyn FnMut(std::time::Duration)| {
        let mut script = Script::default();
        let refused = new.with(&mut script, |around| {
            kartenbund::client::register::register_by_device(&new.here, &wish(), sleep, around)
        });
        matches!(refused, Err(RegisterError::NotApproved { expired: true }))
    };
    assert!(begin(&mut |_| clock.advance(600)));
    let states = || world.column("SELECT state FROM application ORDER BY created");
    world.wait_until("the approval expires", || states() == ["expired"]);
    let mut first = true;
    let again = begin(&mut |_| {
        if std::mem::take(&mut first) {
            assert!(begin_again(&new));
        }
        clock.advance(600);
    });
    assert!(!again, "it was superseded, which is no expiry");
    assert_eq!(states()[1], "superseded");
    assert_eq!(world.count("SELECT COUNT(*) FROM device"), 1);
}

/// Begins once more, and waits no longer than that.
fn begin_again(new: &Computer) -> bool {
    let request = kartenbund::protocol::api::RegistrationRequest {
        method: kartenbund::protocol::registration::Method::Device,
        jkt: [7; 32].into(),
        commit: [8; 32].into(),
        device_information: serde_json::from_value(json!({
            "device_information_data_version": "1.0",
            "name": "Tablet",
            "device_type": {
                "device_type_data_version": "1.0", "manufacturer": "Kartenbund", "product": "Kartenbund",
                "model": "1", "os": "linux", "os_version": "1"
            }
        }))
        .unwrap(),
        replaces: Vec::new(),
    };
    new.here.service.call::<_, serde_json::Value>(Method::POST, "/v1/registrations", &request).is_ok()
}
