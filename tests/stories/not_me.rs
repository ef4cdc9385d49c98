//! "That was not me": an application that somebody else submitted.

use kartenbund::client::device_login::login_with_device;
use kartenbund::client::reset;

use super::*;

/// Titles of the letters that tell something but of the device: without an e-mail address, that is where it is told.
fn told(world: &World) -> Vec<String> {
    world.column("SELECT title FROM letter WHERE kind = 'notice' AND title NOT LIKE '%Gerät%' ORDER BY title")
}

fn decide_as(computer: &Computer, approval: kartenbund::protocol::ApprovalId, verdict: Verdict) -> DecisionAnswer {
    let mut script = Script::default();
    computer.with(&mut script, |around| decide(&computer.here, approval, verdict, around)).unwrap()
}

/// The state of an application.
fn state(computer: &Computer, id: kartenbund::protocol::ApplicationId) -> String {
    computer.here.service.get::<ApplicationAnswer>(&format!("/v1/applications/{id}")).unwrap().state
}

#[test]
fn that_was_not_me_throws_out_whoever_asked_and_keeps_the_device() {
    let world = World::new();
    let owner = world.registered(ERIKA);
    let thief = world.try_log_in(&world.folder.path().join("thief"), ERIKA, PASSWORD).unwrap();
    let asked = thief.apply(&new_bank_account());
    let also_asked = thief.apply(&new_address());
    let decided = decide_as(&owner, asked.approval_id, Verdict::NotMe);
    assert_eq!((decided.verdict, &*decided.application.state), (Verdict::NotMe, "denied"));
    assert_eq!(state(&owner, also_asked.application_id), "cancelled", "what else he has asked for");
    assert_eq!(refusal(thief.here.service.get::<ApprovalsAnswer>("/v1/approvals")), "session_ended");
    assert_eq!(refused_login(&world, ERIKA, PASSWORD).0, "login_failed");
    assert_eq!(world.state_of(ERIKA), "reset_pending");
    assert_eq!(owner.devices().len(), 1, "the device stays, and so does the session of the program that said it");
    assert_eq!(told(&world), ["Antrag als fremd gemeldet", "Passwort gilt nicht mehr"]);
    assert_eq!(world.audited("application.not_me"), 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM known_client"), 1, "the thief's program is a stranger again");

    // It is as well signed as any other decision.
    let bundle: Bundle = owner.here.service.get(&format!("/v1/evidence/{}", asked.approval_id)).unwrap();
    let findings = bundle.verify(&anchors_of(&[&ca()]), &owner.here.profile.service_keys).findings.unwrap();
    assert_eq!(findings.devices[0].decisions[0].verdict, Verdict::NotMe);
    // The way back is open: card, letter, or the device.
    let card = card_login::log_in_as(&world, "card", None, &mut card(ERIKA), &mut Script::default()).unwrap();
    set_password(&card, CHOSEN).unwrap();
    assert_eq!(world.state_of(ERIKA), "active");
}

/// Somebody with her password has a device of his own by now, from a letter that never reached her.
#[test]
fn that_was_not_me_locks_every_device_but_the_one_that_says_so() {
    let world = World::new();
    let owner = world.registered(ERIKA);
    let folder = |name: &str| world.folder.path().join(name);
    let thief = world.try_log_in(&folder("thief"), ERIKA, PASSWORD).unwrap();
    let his = thief.register_by_letter(&world.letter_with_code(ERIKA)).unwrap().device_id;
    let desktop = world.try_log_in(&folder("desktop"), ERIKA, PASSWORD).unwrap();
    let hers = desktop.register(&mut card(ERIKA)).unwrap().device_id;
    let own = owner.here.home.device().unwrap().device_id().unwrap();
    let asked = thief.apply(&new_address());
    decide_as(&owner, asked.approval_id, Verdict::NotMe);
    let found = owner.devices();
    let state_of = |id| found.iter().find(|device| device.device_id == id).unwrap().state.as_str();
    assert_eq!([own, his, hers].map(state_of), ["active", "locked", "locked"]);
    assert_eq!(world.audited("device.locked"), 2);

    // With her device she unlocks the other one; his goes on waiting until she removes it.
    let (home, mut script) = (&owner.here.home, Script::default());
    owner.with(&mut script, |around| login_with_device(home, world.remote(), around)).unwrap();
    let here = login::resume(home.clone(), world.clock.of_client()).unwrap();
    here.service.command(Method::POST, &format!("/v1/devices/{hers}/unlock")).unwrap();
    here.service.command(Method::DELETE, &format!("/v1/devices/{his}")).unwrap();
    assert_eq!(world.column("SELECT state FROM device ORDER BY state"), ["active", "active", "revoked"]);
}

#[test]
fn what_was_approved_before_is_not_taken_back_by_itself() {
    let world = World::new();
    let owner = world.registered(ERIKA);
    let bank = owner.apply(&new_bank_account());
    approve(&owner, &bank);
    let asked = owner.apply(&new_address());
    decide_as(&owner, asked.approval_id, Verdict::NotMe);
    assert_eq!(state(&owner, bank.application_id), "queued", "a signature stands until it is cancelled");
}

#[test]
fn who_asks_for_a_forgotten_password_knows_none_and_asks_no_more_that_day() {
    let world = World::new();
    let owner = world.registered(ERIKA);
    let ask = |folder: &str| {
        let (home, clock) = (Home::at(world.folder.path().join(folder)), world.clock.clone());
        let now = move || clock.now();
        let mut around = kartenbund::client::Surroundings { ui: &mut Script::default(), rng: &mut rng(), clock: &now };
        reset::ask_device(&home, &world.remote(), kvnr(ERIKA), &mut around).unwrap();
        let requested = "SELECT COUNT(*) FROM password_reset WHERE state = 'requested'";
        world.wait_until("the request is answered", || world.count(requested) == 0);
        let list: ApprovalsAnswer = owner.here.service.get("/v1/approvals").unwrap();
        list.approvals.into_iter().find(|approval| approval.state == "pending").map(|approval| approval.approval_id)
    };
    decide_as(&owner, ask("stranger").unwrap(), Verdict::NotMe);
    assert_eq!(world.state_of(ERIKA), "active");
    assert!(world.try_log_in(&world.folder.path().join("b"), ERIKA, PASSWORD).is_ok(), "the password holds");
    assert_eq!(told(&world), ["Antrag als fremd gemeldet"]);
    assert_eq!(ask("another"), None, "strangers are locked out for a day");
    world.stretch_sessions();
    world.clock.advance(24 * 60 * 60 + 1);
    let owner = relog(&world, &owner, 0);
    assert!(ask("late").is_some());
    drop(owner);
}

#[test]
fn a_forgotten_password_that_was_approved_before_opens_nothing_any_more() {
    let world = World::new();
    let owner = world.registered(ERIKA);
    let clock = world.clock.clone();
    let now = move || clock.now();
    let mut script = Script::default();
    let mut around = kartenbund::client::Surroundings { ui: &mut script, rng: &mut rng(), clock: &now };
    let waiting = || {
        let requested = "SELECT COUNT(*) FROM password_reset WHERE state = 'requested'";
        world.wait_until("the request is answered", || world.count(requested) == 0);
        let list: ApprovalsAnswer = owner.here.service.get("/v1/approvals").unwrap();
        list.approvals.into_iter().find(|approval| approval.state == "pending").unwrap().approval_id
    };
    for reported in ["reset", "address"] {
        let home = Home::at(world.folder.path().join(format!("stranger-{reported}")));
        let asked = reset::ask_device(&home, &world.remote(), kvnr(ERIKA), &mut around).unwrap();
        let mut code = Script::with_code(&asked.match_code);
        owner.with(&mut code, |around| decide(&owner.here, waiting(), Verdict::Approve, around)).unwrap();
        let second = Home::at(world.folder.path().join(format!("second-{reported}")));
        let other = match reported {
            "reset" => {
                reset::ask_device(&second, &world.remote(), kvnr(ERIKA), &mut around).unwrap();
                waiting()
            }
            _ => owner.apply(&new_address()).approval_id,
        };
        decide_as(&owner, other, Verdict::NotMe);
        let mut never = |_| world.clock.advance(60);
        let taken = reset::wait_for_approval(&home, &world.remote(), asked, &mut never, &mut around);
        let Err(LoginError::Service(error)) = taken else { panic!("{reported}: it must open nothing") };
        assert!(error.is_refused_with("reset_not_approved") || error.is_refused_with("reset_ended"), "{error}");
        world.clock.advance(24 * 60 * 60); // strangers may ask again
        world.stretch_sessions();
        relog(&world, &owner, 0);
    }
}

#[test]
fn every_device_may_deny_what_it_could_not_approve() {
    let world = World::new();
    let owner = world.registered(ERIKA);
    world.sql("UPDATE device SET binding_level = 'B1'").unwrap();
    let bank = owner.apply(&new_bank_account());
    assert_eq!(decide_as(&owner, bank.approval_id, Verdict::Deny).application.state, "denied");
    let bank = owner.apply(&new_bank_account());
    assert_eq!(decide_as(&owner, bank.approval_id, Verdict::NotMe).application.state, "denied");
}

#[test]
fn that_was_not_me_is_done_as_a_whole_or_not_at_all() {
    let world = World::new();
    let owner = world.registered(ERIKA);
    let thief = world.try_log_in(&world.folder.path().join("thief"), ERIKA, PASSWORD).unwrap();
    let asked = thief.apply(&new_bank_account());
    world.fault("letter", "INSERT");
    let mut script = Script::default();
    let failed = owner.with(&mut script, |around| decide(&owner.here, asked.approval_id, Verdict::NotMe, around));
    assert!(matches!(failed, Err(ApproveError::Service(error)) if error.is_refused_with("internal")));
    assert_eq!(state(&thief, asked.application_id), "pending");
    world.mend("letter");
    decide_as(&owner, asked.approval_id, Verdict::NotMe);
    assert_eq!(refusal(thief.here.service.get::<ApprovalsAnswer>("/v1/approvals")), "session_ended");
}
