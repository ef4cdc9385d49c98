//! Whoever asks for another person's new password.

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
    confirm(&owner, &asked).unwrap();
    assert_eq!(refusal(confirm(&owner, &asked)), code("reset_ended"), "a second time");

    let late = ask_device(&world, &owner);
    approve(&device, late.match_code.as_ref().unwrap()).unwrap();
    world.clock.advance(30 * 60);
    assert_eq!(refusal(confirm(&owner, &late)), code("reset_ended"), "too late");
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
