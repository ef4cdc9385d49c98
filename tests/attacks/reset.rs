//! Whoever asks for another person's new password.

use std::sync::atomic::Ordering;

use kartenbund::client::{Surroundings, reset};
use kartenbund::protocol::api::{ResetAnswer, TokenAnswer};
use serde_json::Value;

use super::*;

fn ask(stranger: &Stranger, person: &str, way: &str) -> Result<ResetAnswer, ServiceError> {
    stranger.ask("/v1/password/reset", &json!({"kvnr": person, "way": way}))
}

/// The same, until it was put up for approval, which happens within no request.
fn ask_device(world: &World, stranger: &Stranger) -> ResetAnswer {
    let asked = ask(stranger, ERIKA, "device").unwrap();
    let requested = "SELECT COUNT(*) FROM password_reset WHERE state = 'requested'";
    world.wait_until("the request is answered", || world.count(requested) == 0);
    asked
}

fn confirm(stranger: &Stranger, asked: &ResetAnswer) -> Result<TokenAnswer, ServiceError> {
    stranger.ask("/v1/password/reset/confirm", &json!({"reset_id": asked.reset_id}))
}

/// The owner approves what waits, with this code.
fn approve(device: &Computer, code: &MatchCode) -> Result<(), ApproveError> {
    let approvals: ApprovalsAnswer = device.here.service.get("/v1/approvals").unwrap();
    let waiting = approvals.approvals.iter().find(|approval| approval.state == "pending").unwrap();
    let mut script = Script::with_code(code);
    device.with(&mut script, |around| decide(&device.here, waiting.approval_id, Verdict::Approve, around)).map(drop)
}

#[test]
fn nobody_learns_whether_there_is_an_account_or_a_device() {
    let world = World::new();
    world.registered(ERIKA); // with a device
    world.member("T022791232"); // without
    let strangers: Vec<_> = [ERIKA, "T022791232", MAX].iter().map(|person| (world.stranger(), *person)).collect();
    for way in ["device", "letter"] {
        let answers: Vec<Value> = strangers
            .iter()
            .map(|(stranger, person)| stranger.ask("/v1/password/reset", &json!({"kvnr": person, "way": way})).unwrap())
            .collect();
        let shape = |answer: &Value| {
            let lengths = answer.as_object().unwrap().iter();
            lengths.map(|(name, value)| (name.clone(), value.to_string().len())).collect::<Vec<_>>()
        };
        assert!(answers.iter().all(|answer| shape(answer) == shape(&answers[0])), "{answers:?}");
        if way == "device" {
            for (answer, (stranger, person)) in answers.iter().zip(&strangers) {
                let asked: ResetAnswer = serde_json::from_value(answer.clone()).unwrap();
                assert_eq!(refusal(confirm(stranger, &asked)), code("reset_not_approved"), "{person}");
            }
        }
    }
    world.clock.advance(30 * 60);
    for (stranger, person) in &strangers {
        let asked = ask(stranger, person, "device").unwrap();
        world.clock.advance(30 * 60);
        assert_eq!(refusal(confirm(stranger, &asked)), code("reset_ended"), "{person}");
    }
}

#[test]
fn what_was_approved_is_for_the_session_key_that_asked_once_and_for_a_while() {
    let world = World::new();
    let device = world.registered(ERIKA);
    let (owner, thief) = (world.stranger(), world.stranger());
    let asked = ask_device(&world, &owner);
    assert_eq!(refusal(confirm(&owner, &asked)), code("reset_not_approved"), "nobody has approved it");
    approve(&device, asked.match_code.as_ref().unwrap()).unwrap();
    assert_eq!(refusal(confirm(&thief, &asked)), code("reset_ended"), "with another key");
    let opened = confirm(&owner, &asked).unwrap();
    assert_eq!(refusal(confirm(&thief, &asked)), code("reset_ended"), "with another key, once it was taken");
    assert_eq!(confirm(&owner, &asked).unwrap().access_token.expose(), opened.access_token.expose(), "no second one");
    assert_eq!(world.count("SELECT COUNT(*) FROM session WHERE method = 'reset'"), 1);

    let late = ask_device(&world, &owner);
    approve(&device, late.match_code.as_ref().unwrap()).unwrap();
    world.clock.advance(15 * 60);
    assert_eq!(refusal(confirm(&owner, &asked)), code("reset_ended"), "the session it has opened is over");
    world.clock.advance(15 * 60);
    assert_eq!(refusal(confirm(&owner, &late)), code("reset_ended"), "too late");
}

#[test]
fn what_was_taken_is_not_given_again_once_it_has_done_its_work_or_the_owner_has_called() {
    let world = World::new();
    let device = world.registered(ERIKA);
    let owner = world.stranger();
    let log_out = || {
        world.sql("UPDATE session SET state = 'closed' WHERE method = 'reset'").unwrap();
    };
    let choose = || {
        let own = json!({"old": PASSWORD, "new": "regen bogen und drei Äpfel"});
        device.here.service.submit(Method::PUT, "/v1/password", &own).unwrap();
        // Were its session still open, it would open nothing all the same.
        world.sql("UPDATE session SET state = 'open'").unwrap();
    };
    let report = || {
        world.report_stolen(ERIKA).unwrap();
        world.sql("UPDATE session SET state = 'open'").unwrap();
    };
    let ends: [(&str, &dyn Fn()); 3] =
        [("reset_ended", &log_out), ("reset_not_approved", &choose), ("reset_not_approved", &report)];
    for (refused, ends) in ends {
        let asked = ask_device(&world, &owner);
        approve(&device, asked.match_code.as_ref().unwrap()).unwrap();
        confirm(&owner, &asked).unwrap();
        ends();
        assert_eq!(refusal(confirm(&owner, &asked)), code(refused));
        world.sql("DELETE FROM session WHERE method = 'reset'").unwrap();
    }
}

#[test]
fn an_answer_that_gets_lost_costs_nobody_the_approval() {
    let world = World::new();
    let device = world.registered(ERIKA);
    let home = kartenbund::client::home::Home::at(world.folder.path().join("elsewhere"));
    let lost = std::sync::atomic::AtomicU32::new(0);
    let liar = Liar::before(&world, move |path, (status, body)| {
        let is_lost = path.ends_with("/confirm") && status == 200 && lost.fetch_add(1, Ordering::SeqCst) == 0;
        (status, if is_lost { Vec::new() } else { body })
    });
    let clock = world.clock.clone();
    let now = move || clock.now();
    let mut around = Surroundings { ui: &mut Script::default(), rng: &mut rng(), clock: &now };
    let asked = reset::ask_device(&home, &world.remote(), kvnr(ERIKA), &mut around).unwrap();
    let requested = "SELECT COUNT(*) FROM password_reset WHERE state = 'requested'";
    world.wait_until("the request is answered", || world.count(requested) == 0);
    approve(&device, &asked.match_code).unwrap();
    reset::wait_for_approval(&home, &liar.service(), asked, &mut |_| (), &mut around).unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM session WHERE method = 'reset'"), 1);
}

#[test]
fn an_approval_opens_the_request_it_was_made_for_and_no_other() {
    let world = World::new();
    let device = world.registered(ERIKA);
    let (thief, owner) = (world.stranger(), world.stranger());
    let thiefs = ask_device(&world, &thief);
    let thiefs_code = thiefs.match_code.clone().unwrap();
    // She sees one approval and types the code of hers: it is not the one of this approval.
    let mut owners = ask_device(&world, &owner);
    while owners.match_code.as_ref() == Some(&thiefs_code) {
        owners = ask_device(&world, &owner);
    }
    let approvals: ApprovalsAnswer = device.here.service.get("/v1/approvals").unwrap();
    let of_thief = world.column(format!(
        "SELECT a.approval_id FROM application a JOIN password_reset r ON r.application_id = a.application_id \
         WHERE r.reset_id = '{}'",
        thiefs.reset_id.unwrap()
    ));
    assert_eq!(approvals.approvals.iter().filter(|a| a.approval_id.to_string() == of_thief[0]).count(), 1);
    let mut script = Script::with_code(owners.match_code.as_ref().unwrap());
    let id = of_thief[0].parse().unwrap();
    let wrong = device.with(&mut script, |around| decide(&device.here, id, Verdict::Approve, around));
    let Err(ApproveError::Service(error)) = wrong else { panic!("the code is another's") };
    assert!(error.is_refused_with("match_code_wrong"));
    assert_eq!(refusal(confirm(&thief, &thiefs)), code("reset_not_approved"));

    // The document names the key that asked.
    let documents = world.documents().join("\n");
    assert!(documents.contains(&thief.key.thumbprint().to_string()));
    assert!(documents.contains(&owner.key.thumbprint().to_string()));
}

#[test]
fn a_setup_session_does_nothing_but_choose_a_password() {
    let world = World::new();
    let device = world.registered(ERIKA);
    let owner = world.stranger();
    let asked = ask_device(&world, &owner);
    approve(&device, asked.match_code.as_ref().unwrap()).unwrap();
    let tokens = confirm(&owner, &asked).unwrap();
    assert!(tokens.must_change_password && tokens.refresh_token.is_none());
}

#[test]
fn nobody_submits_a_reset_as_an_application() {
    let world = World::new();
    let device = world.registered(ERIKA);
    let application = json!({"type": "password.reset", "data": {"jkt": world.stranger().key.thumbprint()}});
    let answer = device.here.service.call::<_, Value>(Method::POST, "/v1/applications", &application);
    assert_eq!(refusal(answer), code("malformed_request"));
}

#[test]
fn a_device_of_too_low_a_level_cannot_approve_a_new_password() {
    let world = World::new();
    let device = world.registered(ERIKA);
    let owner = world.stranger();
    let asked = ask_device(&world, &owner);
    let _: ApprovalsAnswer = device.here.service.get("/v1/approvals").unwrap();
    world.sql("UPDATE device SET binding_level = 'B2'").unwrap();
    let refused = approve(&device, asked.match_code.as_ref().unwrap());
    let Err(ApproveError::Service(error)) = refused else { panic!("{refused:?}") };
    assert!(error.is_refused_with("level_too_low"));
    assert_eq!(refusal(confirm(&owner, &asked)), code("reset_not_approved"));
}

#[test]
fn what_was_approved_opens_nothing_once_the_owner_has_called_or_chosen_a_password_herself() {
    let world = World::new();
    let device = world.registered(ERIKA);
    let phisher = world.stranger();
    let own = json!({"old": PASSWORD, "new": "regen bogen und drei Äpfel"});
    let choose = || device.here.service.submit(Method::PUT, "/v1/password", &own).unwrap();
    let suspend = || {
        world.suspend(ERIKA).unwrap();
        world.resume(ERIKA).unwrap();
    };
    let report = || world.report_stolen(ERIKA).unwrap();
    let owner_acts: [(&str, &dyn Fn()); 3] = [("choose", &choose), ("suspend", &suspend), ("report", &report)];
    for (what, acts) in owner_acts {
        let asked = ask_device(&world, &phisher);
        approve(&device, asked.match_code.as_ref().unwrap()).unwrap();
        acts();
        assert_eq!(refusal(confirm(&phisher, &asked)), code("reset_not_approved"), "{what}");
        world.sql("UPDATE session SET state = 'open'").unwrap(); // the device of the story goes on
    }
}

#[test]
fn who_asks_for_many_people_waits() {
    let world = World::new();
    let stranger = world.stranger();
    for _ in 0..30 {
        ask(&stranger, MAX, "letter").unwrap();
    }
    assert_eq!(refusal(ask(&stranger, ERIKA, "device")), code("too_many_logins"));
}
