//! What breaks between this computer and the service: lost answers, crashes, damaged files.

use rand_core::Rng as _;

use super::*;

/// The bound device of this computer again as it was before the service's answer came.
fn pending(world: &World, computer: &Computer) -> Device {
    let registration_id = world.column("SELECT registration_id FROM registration")[0].parse().unwrap();
    let mut file = computer.here.home.device().unwrap();
    let device_id = file.device_id().unwrap();
    let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{device_id}")).unwrap();
    file.binding =
        Binding::Pending { registration_id, pop: bundle.devices[0].binding.pop.clone(), sent_at: world.clock.now() };
    file
}

#[test]
fn who_gets_no_turn_at_the_database_is_told_to_come_again_and_may() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let change = new_address();
    let refused = world.meanwhile_for(std::time::Duration::from_secs(12), "SELECT 1", || {
        computer.here.service.call::<_, kartenbund::protocol::api::ApplicationAccepted>(
            Method::POST,
            "/v1/applications",
            &change,
        )
    });
    let refused = refused.unwrap_err();
    assert!(!refused.is_final());
    let ServiceError::Refused { code, retry_after, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!((code.as_str(), retry_after), ("not_ready", &Some(5)));
    assert_eq!(world.count("SELECT COUNT(*) FROM application"), 0);
    computer.apply(&change);
}

#[test]
fn a_crash_between_the_two_files_of_a_registration_revokes_nothing() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let home = &computer.here.home;
    // The new file is there, and the pending one not yet gone.
    home.keep_pending_device(&pending(&world, &computer)).unwrap();
    let mut script = Script::default();
    computer.register_as(NoCard, &mut script, &wish()).unwrap();
    assert_eq!(script.notices, [Notice::Resumed]);
    assert_eq!(computer.devices().into_iter().map(|device| device.state).collect::<Vec<_>>(), ["active"]);
    let accepted = computer.apply(&new_address());
    approve(&computer, &accepted);
}

#[test]
fn a_device_that_was_removed_before_its_answer_came_is_not_taken_for_registered() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let home = &computer.here.home;
    let file = pending(&world, &computer);
    let removed = home.device().unwrap().device_id().unwrap();
    home.forget_device().unwrap();
    home.keep_pending_device(&file).unwrap();
    computer.by_card().remove(removed).unwrap();
    let device = computer.register(&mut card(ERIKA)).unwrap();
    assert_ne!(device.device_id, removed, "the card was needed");
    assert!(home.pending_device().unwrap().is_none());
}

#[test]
fn a_computer_whose_device_was_removed_elsewhere_registers_without_further_ado() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let removed = computer.here.home.device().unwrap().device_id().unwrap();
    computer.by_card().remove(removed).unwrap();
    let device = computer.register(&mut card(ERIKA)).unwrap();
    assert_ne!(device.device_id, removed);
}

#[test]
fn a_damaged_device_file_is_told_and_a_new_registration_replaces_it() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let home = &computer.here.home;
    let file = home.folder().join("device.json");
    std::fs::write(&file, "{").unwrap();
    let mut card = card(ERIKA);
    let mut watched = Watched::new(&mut card);
    let told = computer.register(&mut watched);
    assert!(matches!(told, Err(RegisterError::Home(HomeError::DeviceDamaged))));
    assert!(watched.sent.is_empty(), "before anything is asked of the card");

    let replace = Wish { replace: true, ..wish() };
    let device = computer.register_as(&mut card, &mut Script::default(), &replace).unwrap();
    assert_eq!(home.device().unwrap().device_id(), Some(device.device_id));
    assert_eq!(std::fs::read_to_string(home.folder().join("device.json.damaged")).unwrap(), "{");
    let accepted = computer.apply(&new_address());
    approve(&computer, &accepted);
}

#[test]
fn a_damaged_pending_file_is_in_nobodys_way() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let folder = computer.here.home.folder();
    std::fs::write(folder.join("device.pending.json"), "{").unwrap();
    computer.register(&mut card(ERIKA)).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("device.pending.json.damaged")).unwrap(), "{");
}

#[test]
fn a_damaged_session_is_none() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let home = &computer.here.home;
    std::fs::write(home.folder().join("session.json"), "{").unwrap();
    assert!(home.session().unwrap().is_none());
    assert!(matches!(
        login::resume(home.clone(), world.clock.of_client()),
        Err(LoginError::Home(HomeError::NoSession))
    ));
    std::fs::write(home.folder().join("profile.json"), "{").unwrap();
    assert!(matches!(home.profile(), Err(HomeError::Damaged { .. })), "but nobody forgets whose key was pinned");
}

#[test]
fn a_receipt_with_another_days_time_is_not_believed() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let home = &computer.here.home;
    let mut file = pending(&world, &computer);
    let Binding::Pending { sent_at, .. } = &mut file.binding else { panic!("it is pending") };
    *sent_at += 24 * 60 * 60;
    home.forget_device().unwrap();
    home.keep_pending_device(&file).unwrap();
    let refused = computer.register(NoCard);
    assert!(matches!(refused, Err(RegisterError::Service(ServiceError::Contradiction("receipt")))));
}

#[test]
fn a_decision_whose_answer_was_lost_is_completed_with_its_receipt() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    approve(&computer, &accepted);
    let receipt = computer.here.home.folder().join("receipts").join(format!("{}.jws", accepted.approval_id));
    let kept = std::fs::read(&receipt).unwrap();
    let again = |verdict| {
        let mut script = Script::default();
        let decided =
            computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, verdict, around));
        (decided, script.notices)
    };
    assert!(matches!(again(Verdict::Approve).0, Err(ApproveError::NotPending)), "its answer had come");

    std::fs::remove_file(&receipt).unwrap();
    assert!(matches!(again(Verdict::Deny).0, Err(ApproveError::NotPending)), "that was not the decision");
    let (decided, notices) = again(Verdict::Approve);
    assert_eq!(decided.unwrap().application.state, "executed");
    assert_eq!(notices, [Notice::DecisionHadArrived]);
    assert_eq!(std::fs::read(&receipt).unwrap(), kept);
}

#[test]
fn the_card_of_another_insurer_is_told_before_its_pin_is_asked_for() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let other = Blueprint {
        payer_ik: Some("104940005".parse().unwrap()),
        payer_name: "Andere Kasse".to_owned(),
        ..blueprint(ERIKA)
    };
    let mut card = card_by(&ca(), &other);
    let mut script = Script::default();
    let mut watched = Watched::new(&mut card);
    let refused = computer.register_as(&mut watched, &mut script, &wish());
    let Err(RegisterError::Certificate(CardRefusal::OtherInsurer { insurer })) = refused else { panic!("{refused:?}") };
    assert_eq!(insurer.as_deref(), Some("Andere Kasse"));
    assert_eq!((watched.verifies(), script.tries_told.len()), (0, 0));
}

/// Whatever is in its files, the program says so or reads them, and does nothing else.
#[test]
fn files_of_this_computer_with_any_content_are_read_or_refused() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let home = &computer.here.home;
    let mut rng = rng();
    for name in ["device.json", "profile.json", "session.json"] {
        let file = home.folder().join(name);
        let honest = std::fs::read(&file).unwrap();
        for round in 0..100 {
            let mut changed = honest.clone();
            let at = rng.next_u32() as usize % changed.len();
            match round % 3 {
                0 => changed.truncate(at),
                1 => changed[at] = rng.next_u32().to_be_bytes()[0],
                _ => changed = changed.iter().map(|_| rng.next_u32().to_be_bytes()[0]).collect(),
            }
            std::fs::write(&file, changed).unwrap();
            let _ = (home.profile(), home.session(), home.device());
        }
        std::fs::write(&file, honest).unwrap();
    }
}
