//! The kinds of applications: what is ordered, replaced and cancelled, and who may approve it.

use super::common::web_branch::{WEBSITE, WebBranch};
use super::*;

fn refused(computer: &Computer, application: &serde_json::Value) -> String {
    refusal(computer.here.service.call::<_, serde_json::Value>(Method::POST, "/v1/applications", application))
}

fn state(computer: &Computer, accepted: &kartenbund::protocol::api::ApplicationAccepted) -> String {
    let path = format!("/v1/applications/{}", accepted.application_id);
    computer.here.service.get::<ApplicationAnswer>(&path).unwrap().state
}

fn try_to_approve(
    computer: &Computer,
    accepted: &kartenbund::protocol::api::ApplicationAccepted,
) -> Result<DecisionAnswer, ApproveError> {
    let mut script = Script::with_code(&accepted.match_code);
    computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
}

/// Title and address of the letters that tell something.
fn letters(world: &World) -> Vec<String> {
    world.column("SELECT title || ' ' || address FROM letter WHERE kind = 'notice' ORDER BY created, title")
}

#[test]
fn a_new_card_is_ordered_to_the_address_that_was_shown() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_card());
    let mut script = Script::with_code(&accepted.match_code);
    let decided = computer
        .with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
        .unwrap();
    assert_eq!(decided.application.state, "executed");
    let shown = script.shown.unwrap();
    let rows: Vec<_> = shown.change.rows().iter().map(|row| (row.name, row.old, row.new.unwrap().to_owned())).collect();
    assert_eq!(rows[..2], [("reason", None, "lost".to_owned()), ("street", None, "Musterstraße".to_owned())]);
    assert!(world.documents()[0].contains("Musterstraße"), "which is what the insurer executes");
    assert!(letters(&world)[0].starts_with("Neue Gesundheitskarte bestellt"));
}

#[test]
fn a_new_card_takes_card_and_pin_to_order() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    world.sql("UPDATE device SET binding_level = 'B2'").unwrap();
    let refused = try_to_approve(&computer, &computer.apply(&new_card()));
    assert!(matches!(refused, Err(ApproveError::Service(error)) if error.is_refused_with("level_too_low")));
}

#[test]
fn nobody_submits_what_comes_from_a_registration_or_a_forgotten_password() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let jkt = computer.devices()[0].jkt;
    let device = json!({"registration_id": "AAAAAAAAAAAAAAAAAAAAAA", "name": "PC", "jkt": jkt});
    assert_eq!(refused(&computer, &json!({"type": "device.add", "data": device})), "malformed_request");
    assert_eq!(refused(&computer, &json!({"type": "password.reset", "data": {"jkt": jkt}})), "malformed_request");
    let card = json!({"type": "card.order", "data": {"reason": "curiosity"}});
    assert_eq!(refused(&computer, &card), "malformed_request");
    let elsewhere =
        json!({"type": "card.order", "data": {"reason": "lost", "address": {"city": "Ort", "country": "D"}}});
    assert_eq!(refused(&computer, &elsewhere), "malformed_request", "where it goes is not said here");
    assert_eq!(world.count("SELECT COUNT(*) FROM application"), 0);
}

#[test]
fn a_newer_application_takes_the_place_of_one_of_its_kind() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (bank, first) = (computer.apply(&new_bank_account()), computer.apply(&new_address()));
    let second = computer.apply(&new_address());
    assert_eq!([&bank, &first, &second].map(|it| state(&computer, it)), ["pending", "superseded", "pending"]);
    assert!(matches!(try_to_approve(&computer, &first), Err(ApproveError::NotPending)));
    assert_eq!(world.audited("application.superseded"), 1);
    let list: ApprovalsAnswer = computer.here.service.get("/v1/approvals").unwrap();
    assert_eq!(list.count, 3);
    assert!(list.approvals.iter().any(|approval| approval.state == "superseded"));
    try_to_approve(&computer, &second).unwrap();
}

#[test]
fn one_that_is_refused_takes_the_place_of_none() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let address = computer.apply(&new_address());
    let wrong = json!({"type": "address.change", "data": {"city": "Leip\u{202E}zig", "country": "D"}});
    assert_eq!(refused(&computer, &wrong), "application_invalid");
    assert_eq!(state(&computer, &address), "pending");
}

#[test]
fn what_was_approved_is_cancelled_on_each_channel_and_told() {
    let website = WebBranch::new(WEBSITE);
    let world = World::with_clients(&[&website], |_| {});
    let computer = world.registered(ERIKA);
    world.clock.advance(1);
    let browser = website.browser(&world, "198.51.100.7");
    let on_the_website = browser.holding(browser.log_in(ERIKA, PASSWORD).unwrap());
    let elsewhere = world.try_log_in(&world.folder.path().join("elsewhere"), ERIKA, PASSWORD).unwrap();
    for by in ["program", "program elsewhere", "website", "hotline"] {
        let bank = computer.apply(&new_bank_account());
        approve(&computer, &bank);
        let path = format!("/v1/applications/{}", bank.application_id);
        let cancel = |at: &Computer| at.here.service.call::<_, ApplicationAnswer>(Method::DELETE, &path, &json!({}));
        match by {
            "program" => assert_eq!(cancel(&computer).unwrap().state, "cancelled"),
            "program elsewhere" => assert_eq!(cancel(&elsewhere).unwrap().state, "cancelled"),
            "website" => assert_eq!(cancel(&on_the_website).unwrap().state, "cancelled"),
            _ => world.cancel_approved(ERIKA).unwrap(),
        }
        for at in [&computer, &elsewhere, &on_the_website] {
            assert_eq!(state(at, &bank), "cancelled", "{by}");
            assert_eq!(refusal(cancel(at)), "not_cancellable");
        }
    }
    let sessions = "SELECT COUNT(*) FROM session WHERE client_id = 'website' AND state = 'open'";
    assert_eq!(world.count(sessions), 1, "the website has a session of its own");
    assert_eq!(world.cancel_approved(ERIKA), Err(kartenbund::server::Code::NotCancellable));
    assert_eq!(world.cancel_approved(MAX), Err(kartenbund::server::Code::AccountUnknown));
    let cancelled = letters(&world).iter().filter(|letter| letter.starts_with("Neue Bankverbindung zurück")).count();
    assert_eq!(cancelled, 4);
    let pending = computer.apply(&new_bank_account());
    let path = format!("/v1/applications/{}", pending.application_id);
    computer.here.service.call::<_, ApplicationAnswer>(Method::DELETE, &path, &json!({})).unwrap();
    let told = letters(&world).iter().filter(|letter| letter.starts_with("Neue Bankverbindung zurück")).count();
    assert_eq!(told, 4, "what was never approved was never told of");
    assert_eq!(
        world.cancel_approved(ERIKA),
        Err(kartenbund::server::Code::NotCancellable),
        "the hotline decides nothing"
    );
}

#[test]
fn an_operator_raises_what_approves_an_address_and_sets_how_long_it_can_be_decided() {
    let world =
        World::configured(tempfile::tempdir().unwrap(), TestDatabase::new(), ManualClock::at(NOW), |settings| {
            settings.payer_iks = vec![kartenbund::virtual_card::personalise::MUSTERKASSE_IK.parse().unwrap()];
            settings.anchors = Box::new(anchors_of(&[&ca()]));
            settings.approvals.address_change = BindingLevel::B3;
            settings.approvals.contact_change = BindingLevel::B2;
            settings.approvals.life = 5 * 60;
        });
    let computer = world.registered(ERIKA);
    for (level, address, contact) in [("B1", false, false), ("B2", false, true), ("B3", true, true)] {
        world.sql(format!("UPDATE device SET binding_level = '{level}'")).unwrap();
        assert_eq!(try_to_approve(&computer, &computer.apply(&new_address())).is_ok(), address, "{level}");
        assert_eq!(try_to_approve(&computer, &computer.apply(&new_contact())).is_ok(), contact, "{level}");
    }
    let accepted = computer.apply(&new_address());
    assert_eq!(accepted.expires_at, world.clock.now() + 300);
    world.clock.advance(300);
    assert!(matches!(try_to_approve(&computer, &accepted), Err(ApproveError::NotPending)));
}

#[test]
fn letters_follow_an_address_at_once_where_card_and_pin_stand_behind_it() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let move_to = |street: &str, level: &str| {
        world.sql(format!("UPDATE device SET binding_level = '{level}'")).unwrap();
        let mut address = serde_json::to_value(new_address()).unwrap();
        address["data"]["street"] = json!(street);
        let accepted = computer.here.service.call(Method::POST, "/v1/applications", &address).unwrap();
        approve(&computer, &accepted);
    };
    let next_letter_goes_to = |street: &str| {
        world.sql("DELETE FROM letter").unwrap();
        let _ = world.order_letter(ERIKA).unwrap();
        let address = world.column("SELECT address FROM letter WHERE kind = 'initial_password'");
        assert!(address[0].contains(street), "{address:?}");
    };
    move_to("Dieb", "B1");
    next_letter_goes_to("Musterstraße");
    move_to("Lindenallee", "B3");
    next_letter_goes_to("Lindenallee");
    move_to("Dieb", "B2");
    next_letter_goes_to("Lindenallee");
    // What was changed on the way of less is confirmed on the way of more.
    move_to("Dieb", "B3");
    next_letter_goes_to("Dieb");
    // The notice of the change itself goes to where she lived before, all the same.
    world.sql("DELETE FROM letter").unwrap();
    move_to("Waldweg", "B3");
    assert!(letters(&world)[0].contains("Dieb"), "{:?}", letters(&world));
}
