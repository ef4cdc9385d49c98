//! Attacks with codes on a screen.

use kartenbund::jose::{Es256, Message};
use kartenbund::protocol::api::{ScreenCodeAnswer, WebLoginAnswer};
use kartenbund::protocol::qr::LetterCode;

use super::additions::FORTNIGHT;
use super::common::web_branch::{WEBSITE, WebBranch};
use super::common::web_login;
use super::letter_code::groups_in;
use super::screen_code::CODE_LIFE;
use super::*;

const LETTERS: &str = "SELECT COUNT(*) FROM letter WHERE kind = 'notice'";

/// What the service says to a code that is shown.
fn shown(answer: Result<LetterCode, ServiceError>) -> (String, String) {
    match answer {
        Err(error) => refusal::<()>(Err(error)),
        Ok(_) => panic!("the service must refuse"),
    }
}

/// What the service says to a new computer that has come by a code.
fn refused(world: &World, code: &LetterCode) -> (String, String) {
    let folder = world.folder.path().join(format!("new-{}", world.count("SELECT COUNT(*) FROM session")));
    refused_at(&world.try_log_in(&folder, ERIKA, PASSWORD).unwrap(), code)
}

fn refused_at(computer: &Computer, code: &LetterCode) -> (String, String) {
    match computer.register_from_screen(code) {
        Err(RegisterError::Service(error)) => refusal::<()>(Err(error)),
        other => panic!("the service must refuse, but: {other:?}"),
    }
}

fn ended(why: &str) -> (String, String) {
    part("qr_code_ended", why)
}

#[test]
fn a_session_of_the_password_shows_no_code_whatever_the_computer_is() {
    let world = World::new();
    let computer = world.a_fortnight_later(&world.registered(ERIKA));
    assert_eq!(shown(computer.show_code()), code("stronger_login_needed"), "the registered computer, by password");
    assert_eq!(shown(world.second_computer("thief").show_code()), code("stronger_login_needed"));
    assert_eq!(world.count("SELECT COUNT(*) FROM device_code"), 0);
    assert!(world.log_in_with_device(&computer).show_code().is_ok());
}

#[test]
fn a_website_shows_no_code_whether_a_device_or_the_card_has_let_it_in() {
    let website = WebBranch::new(WEBSITE);
    let (world, device) = web_login::world(&website);
    let browser = website.browser(&world, "203.0.113.7");
    let asked: WebLoginAnswer = web_login::ask(&browser, ERIKA);
    let mut script = Script::with_code(&asked.match_code);
    web_login::decide_with(&device, &mut script, Verdict::Approve).unwrap();
    let tokens = web_login::take(&browser, &asked).unwrap();
    assert_eq!(shown(browser.holding(tokens).show_code()), code("stronger_login_needed"));
    // A session of the card that belongs to the website.
    let with_card = world.log_in_with_card("with-card");
    world.sql(format!("UPDATE session SET client_id = '{WEBSITE}' WHERE method = 'card'")).unwrap();
    assert_eq!(shown(with_card.show_code()), code("stronger_login_needed"));
    world.sql("UPDATE session SET client_id = NULL WHERE method = 'card'").unwrap();
    assert!(with_card.show_code().is_ok());
}

#[test]
fn a_session_that_was_opened_a_while_ago_shows_no_code() {
    let world = World::new();
    let old = world.logged_in_with_device();
    world.clock.advance(299);
    old.show_code().unwrap();
    world.clock.advance(1);
    assert_eq!(shown(old.show_code()), part("stronger_login_needed", "not_lately"), "somebody has taken it over");
    assert!(world.log_in_with_device(&old).show_code().is_ok());
}

#[test]
fn one_session_does_not_both_show_a_code_and_use_it() {
    let world = World::new();
    let old = world.logged_in_with_device();
    let code = old.show_code().unwrap();
    old.here.home.forget_device().unwrap();
    assert_eq!(refused_at(&old, &code), ended("no_password"), "whoever has come by it has no password");
    world.second_computer("laptop").register_from_screen(&code).unwrap();
}

/// Whoever has a registered computer and its PIN, or card and card PIN, opens as many sessions as he likes.
#[test]
fn device_and_card_log_in_twice_and_register_no_computer_without_the_password() {
    let world = World::new();
    let laptop = world.logged_in_with_device();
    let by_device = laptop.show_code().unwrap();
    let again = world.log_in_with_device(&laptop);
    let sessions = "SELECT COUNT(*) FROM session WHERE state = 'open' AND method = 'device'";
    assert_eq!(world.count(sessions), 2);
    again.here.home.forget_device().unwrap();
    assert_eq!(refused_at(&again, &by_device), ended("no_password"));
    let with_card = world.log_in_with_card("with-card");
    assert_eq!(refused_at(&with_card, &by_device), ended("no_password"), "nor is one of the other in its place");

    let by_card = with_card.show_code().unwrap();
    assert_eq!(refused_at(&world.log_in_with_card("with-card-again"), &by_card), ended("no_password"));
    assert_eq!(
        world.column("SELECT state FROM device_code WHERE failures = 0 ORDER BY state"),
        ["superseded", "valid"]
    );
    assert_eq!(world.count("SELECT COUNT(*) FROM device"), 1);
    world.second_computer("new").register_from_screen(&by_card).unwrap();
}

#[test]
fn a_website_uses_no_code_of_a_screen_though_it_has_the_password() {
    let website = WebBranch::new(WEBSITE);
    let (world, _) = web_login::world(&website);
    let code = world.log_in_with_card("with-card").show_code().unwrap();
    let new = world.second_computer("new");
    world.sql(format!("UPDATE session SET client_id = '{WEBSITE}' WHERE method = 'password'")).unwrap();
    assert_eq!(refused_at(&new, &code), ended("no_password"));
    world.sql("UPDATE session SET client_id = NULL WHERE method = 'password'").unwrap();
    new.register_from_screen(&code).unwrap();
}

#[test]
fn a_device_in_its_first_fortnight_shows_no_code() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let may_from = (world.clock.now() + FORTNIGHT).to_string();
    let young = || shown(world.log_in_with_device(&computer).show_code());
    assert_eq!(young(), part("device_too_young", &may_from));
    world.clock.advance(FORTNIGHT - 1);
    assert_eq!(young(), part("device_too_young", &may_from));
    world.clock.advance(1);
    assert!(world.log_in_with_device(&computer).show_code().is_ok());
}

#[test]
fn a_device_whose_time_is_over_shows_no_code_though_nobody_has_noted_it_yet() {
    let world = World::new();
    let old = world.logged_in_with_device();
    let mut told = Vec::new();
    // What the service does by itself may come first, and ends the session.
    for _ in 0..20 {
        world.sql(format!("UPDATE device SET state = 'active', expires_at = {}", world.clock.now())).unwrap();
        told.push(shown(old.show_code()).0);
    }
    assert!(told.iter().all(|code| ["device_expired", "session_ended"].contains(&code.as_str())), "{told:?}");
    assert!(told.contains(&"device_expired".to_owned()), "{told:?}");
}

#[test]
fn a_code_on_a_screen_binds_one_device() {
    let world = World::new();
    let code = world.logged_in_with_device().show_code().unwrap();
    world.second_computer("laptop").register_from_screen(&code).unwrap();
    assert_eq!(refused(&world, &code), ended("used"));
}

#[test]
fn a_code_on_a_screen_is_over_ten_minutes_later() {
    let world = World::new();
    let old = world.logged_in_with_device();
    let code = old.show_code().unwrap();
    world.clock.advance(CODE_LIFE - 1);
    world.second_computer("laptop").register_from_screen(&code).unwrap();
    let code = world.log_in_with_device(&old).show_code().unwrap();
    world.clock.advance(CODE_LIFE);
    assert_eq!(refused(&world, &code), ended("expired"));
    // What is over has no end a second time.
    world.log_in_with_device(&old).show_code().unwrap();
    assert_eq!(refused(&world, &code), ended("expired"));
    assert_eq!(world.audited("device_code.superseded"), 0);
}

/// However the session ends in which the code is shown, the code ends with it.
#[test]
fn a_code_on_a_screen_ends_with_the_session_and_the_device_that_show_it() {
    type Deed = fn(&World, &Computer);
    let deeds: [(&str, Deed); 7] = [
        ("logged out", |_, old| old.here.service.command(Method::POST, "/v1/logout").unwrap()),
        ("ended from elsewhere", |world, _| {
            let other = world.second_computer("other");
            let sessions: kartenbund::protocol::api::SessionsAnswer = other.here.service.get("/v1/sessions").unwrap();
            for session in sessions.sessions.iter().filter(|session| !session.is_current) {
                other.here.service.command(Method::DELETE, &format!("/v1/sessions/{}", session.session_id)).unwrap();
            }
        }),
        ("its device locked", |world, old| {
            let path = format!("/v1/devices/{}/lock", old.devices()[0].device_id);
            world.second_computer("other").here.service.command(Method::POST, &path).unwrap();
        }),
        ("all devices locked", |world, _| {
            world.second_computer("other").here.service.command(Method::POST, "/v1/devices/lock-all").unwrap();
        }),
        ("its device removed", |world, old| {
            let path = format!("/v1/devices/{}", old.devices()[0].device_id);
            world.log_in_with_card("with-card").here.service.command(Method::DELETE, &path).unwrap();
        }),
        ("the hotline ended all sessions", |world, _| world.end_sessions(ERIKA).map(drop).unwrap()),
        ("idle for too long", |world, _| {
            world.sql("UPDATE session SET refreshed = 0 WHERE method = 'device'").map(drop).unwrap();
        }),
    ];
    for (deed, act) in deeds {
        let world = World::new();
        let old = world.logged_in_with_device();
        let code = old.show_code().unwrap();
        act(&world, &old);
        assert_eq!(refused(&world, &code), ended("session_ended"), "{deed}");
        assert_eq!(world.column("SELECT state FROM device_code"), ["valid"], "{deed}: it was not used");
    }
}

#[test]
fn a_code_of_the_card_ends_when_the_card_is_reported_lost() {
    let world = World::new();
    world.member(ERIKA);
    let code = world.log_in_with_card("finder").show_code().unwrap();
    world.revoke_cards(ERIKA).unwrap();
    assert_eq!(refused(&world, &code), ended("session_ended"));
}

#[test]
fn a_second_code_on_a_screen_makes_the_first_void_on_whichever_computer() {
    let world = World::new();
    let old = world.logged_in_with_device();
    let first = old.show_code().unwrap();
    let letter = world.letter_with_code(ERIKA);
    let second = world.log_in_with_card("with-card").show_code().unwrap();
    assert_eq!(refused(&world, &first), ended("superseded"));
    let third = old.show_code().unwrap();
    assert_eq!(refused(&world, &second), ended("superseded"));
    world.second_computer("laptop").register_from_screen(&third).unwrap();
    let other = world.second_computer("other");
    other.register_with(&other.typed_code(&groups_in(&letter).unwrap())).unwrap();
    assert_eq!(world.audited("device_code.superseded"), 2);
}

#[test]
fn a_code_on_a_screen_leaves_the_code_of_another_person_as_it_is() {
    let world = World::new();
    let (erika, max) = (world.registered(ERIKA), world.registered(MAX));
    let erika = world.a_fortnight_later(&erika);
    let hers = world.log_in_with_device(&erika).show_code().unwrap();
    world.log_in_with_device(&max).show_code().unwrap();
    assert_eq!(world.column("SELECT state FROM device_code"), ["valid", "valid"]);
    world.second_computer("laptop").register_from_screen(&hers).unwrap();
}

#[test]
fn the_audit_says_of_a_code_on_a_screen_what_has_shown_it() {
    let world = World::new();
    let old = world.logged_in_with_device();
    let own = old.here.home.device().unwrap().device_id().unwrap().to_string();
    old.show_code().unwrap();
    world.log_in_with_card("with-card").show_code().unwrap();
    old.show_code().unwrap();
    let entries: Vec<serde_json::Value> =
        world.audit_entries().iter().map(|entry| serde_json::from_str(entry).unwrap()).collect();
    let told: Vec<_> = entries
        .iter()
        .filter(|entry| entry["event"].as_str().unwrap().starts_with("device_code."))
        .map(|entry| (entry["event"].as_str().unwrap(), entry["detail"].as_str(), entry["device_id"].as_str()))
        .collect();
    let own = Some(own.as_str());
    let expected = [
        ("device_code.shown", Some("device"), own),
        ("device_code.superseded", None, None),
        ("device_code.shown", Some("card"), None),
        ("device_code.superseded", None, own),
        ("device_code.shown", Some("device"), own),
    ];
    assert_eq!(told, expected);
}

#[test]
fn another_person_registers_nothing_with_a_code_that_she_has_seen() {
    let world = World::new();
    let code = world.logged_in_with_device().show_code().unwrap();
    let max = world.log_in(MAX, &world.member(MAX));
    assert_eq!(refused_at(&max, &code), ended("unknown"));
    assert_eq!(world.column("SELECT failures FROM device_code WHERE failures > 0"), [""; 0], "and nothing is counted");
}

#[test]
fn a_code_that_was_guessed_at_five_times_is_void_and_its_owner_is_told() {
    let world = World::new();
    let old = world.logged_in_with_device();
    let code = old.show_code().unwrap();
    // He knows which code it is, and not its secret.
    let guessed = LetterCode::random(&world.address, &mut rng()).unwrap();
    world.sql(format!("UPDATE device_code SET qr_id = '{}'", guessed.id())).unwrap();
    let (thief, told) = (world.second_computer("thief"), world.count(LETTERS));
    for _ in 0..5 {
        assert_eq!(refused_at(&thief, &guessed), part("qr_statement_invalid", "signature"));
    }
    assert_eq!(refused_at(&thief, &guessed), ended("void"));
    assert_eq!(world.column("SELECT state FROM device_code"), ["void"]);
    world.sql(format!("UPDATE device_code SET qr_id = '{}'", code.id())).unwrap();
    assert_eq!(refused(&world, &code), ended("void"), "the right one, too");
    assert_eq!(world.audited("device_code.voided"), 1);
    assert_eq!(world.count(LETTERS), told + 1, "without e-mail by post");
}

#[test]
fn a_name_that_a_code_of_the_account_has_is_given_to_no_other() {
    let world = World::new();
    let old = world.logged_in_with_device();
    let letter = old.typed_code(&groups_in(&world.letter_with_code(ERIKA)).unwrap());
    let own = json!({"qr_id": letter.id().to_string(), "jwk": jwk(&new_key())});
    let put = old.here.service.call::<_, ScreenCodeAnswer>(Method::POST, "/v1/device-codes", &own);
    assert_eq!(refusal(put.map(|_| ())), part("key_in_use", "qr_id"), "the letter's code stays what it is");
    world.second_computer("laptop").register_with(&letter).unwrap();
}

#[test]
fn of_many_computers_with_one_code_from_a_screen_one_is_bound() {
    let world = World::new();
    let code = world.logged_in_with_device().show_code().unwrap();
    let computers: Vec<_> = (0..4).map(|number| world.second_computer(&format!("laptop-{number}"))).collect();
    let bound = std::thread::scope(|scope| {
        let threads: Vec<_> =
            computers.iter().map(|computer| scope.spawn(|| computer.register_from_screen(&code).is_ok())).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|is_ok| *is_ok).count()
    });
    assert_eq!((bound, world.count("SELECT COUNT(*) FROM device")), (1, 2));
}

/// A receipt as somebody with the service's key writes it.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
struct Written(serde_json::Value);

impl Message for Written {
    const TYP: &'static str = "receipt+jws";
    type Algorithm = Es256;
}

#[test]
fn evidence_says_of_a_code_that_card_or_device_have_shown_it_and_nothing_else() {
    let world = World::new();
    let code = world.logged_in_with_device().show_code().unwrap();
    let new = world.second_computer("laptop");
    let device = new.register_from_screen(&code).unwrap();
    let honest: Bundle = new.here.service.get(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    let own = new_key();
    let mut all = Vec::new();
    for (said, holds) in [("card", true), ("device", true), ("letter", false), ("", false)] {
        let mut bundle = honest.clone();
        let binding = &mut bundle.devices[0].binding;
        let Written(mut receipt) =
            jws::verify(&binding.receipt, new.here.profile.service_keys[0].verifying_key()).unwrap();
        assert_eq!(receipt["code_shown_by"], "device");
        receipt["code_shown_by"] = json!(said);
        // Its audit is another one's, and may be missing.
        (binding.receipt, binding.audit) = (sign(&Written(receipt), &own).unwrap(), None);
        bundle.service.jwk = jwk(&own);
        let found = bundle.verify(&anchors_of(&[]), &[jwk(&own)]).findings;
        assert_eq!(found.is_some(), holds, "{said}");
        all.push((serde_json::to_vec(&bundle).unwrap(), holds));
    }
    let (bundles, expected): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    assert_eq!(verifier::second_verifier(&bundles, &[], &[jwk(&own)]), expected);
}
