//! Logins on the website that are asked for by strangers, stolen on the way, or played again.

use kartenbund::protocol::api::{TokenAnswer, WebLoginAnswer};

use super::common::web_branch::{Browser, WEBSITE, WebBranch, with_assertion};
use super::common::web_login::*;
use super::*;

const HOME: &str = "192.0.2.7";
const TAKE: &str = "/v1/login/web/session";

fn approved<'a>(website: &'a WebBranch, world: &'a World, device: &Computer) -> (Browser<'a>, WebLoginAnswer) {
    let browser = website.browser(world, HOME);
    let asked = ask(&browser, ERIKA);
    decide_with(device, &mut Script::with_code(&asked.match_code), Verdict::Approve).unwrap();
    (browser, asked)
}

fn let_in(world: &World) -> i64 {
    world.count("SELECT COUNT(*) FROM session WHERE method = 'device_approval'")
}

#[test]
fn what_a_device_let_in_is_for_the_browser_that_asked_at_the_website_that_asked() {
    let (website, kiosk) = (WebBranch::new(WEBSITE), WebBranch::new("kiosk"));
    let world = World::with_clients(&[&website, &kiosk], |_| {});
    let device = world.registered(ERIKA);
    let (browser, asked) = approved(&website, &world, &device);
    let confirmation = json!({"login_id": asked.login_id});

    let other = website.browser(&world, HOME);
    assert_eq!(refusal(take(&other, &asked)), code("login_ended"), "whoever has the name of the login alone");
    let key = &browser.person;
    assert_eq!(refusal(key.ask::<_, TokenAnswer>(TAKE, &confirmation)), code("login_ended"), "with the key alone");
    let by_kiosk = with_assertion(&confirmation, &kiosk.assert(&kiosk.claims(&world, HOME)));
    assert_eq!(refusal(key.ask::<_, TokenAnswer>(TAKE, &by_kiosk)), code("login_ended"), "another client");
    assert_eq!(let_in(&world), 0);
    take(&browser, &asked).unwrap();
}

#[test]
fn a_login_that_was_approved_opens_one_session_however_many_ask_at_once() {
    let website = WebBranch::new(WEBSITE);
    let (world, device) = world(&website);
    let (browser, asked) = approved(&website, &world, &device);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| drop(take(&browser, &asked)));
        }
    });
    assert_eq!(let_in(&world), 1);
    let tokens = take(&browser, &asked).unwrap();
    browser.holding(tokens).here.service.command(Method::POST, "/v1/logout").unwrap();
    assert_eq!(refusal(take(&browser, &asked)), code("login_ended"), "nor a second one after it");
    assert_eq!(let_in(&world), 1);
}

#[test]
fn nobody_learns_by_a_login_whether_there_is_an_account_or_a_device() {
    let website = WebBranch::new(WEBSITE);
    let (world, _device) = world(&website);
    world.member(MAX); // without device
    for person in [ERIKA, MAX, "T022791232"] {
        let browser = website.browser(&world, HOME);
        let asked = ask(&browser, person);
        assert_eq!(asked.expires_at, world.clock.now() + 300, "{person}");
        assert_eq!(refusal(take(&browser, &asked)), code("login_not_approved"), "{person}");
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM web_login"), 3, "one row for each");
    assert_eq!(world.count("SELECT COUNT(*) FROM application"), 1);
}

#[test]
fn strangers_who_ask_again_and_again_neither_flood_the_owner_nor_shut_her_out() {
    let website = WebBranch::new(WEBSITE);
    let (world, device) = world(&website);
    let (own, asked) = approved(&website, &world, &device);
    take(&own, &asked).unwrap();
    world.clock.advance(24 * 60 * 60);
    let device = by_device(&world, &device);
    for _ in 0..5 {
        ask(&website.browser(&world, "198.51.100.1"), ERIKA);
    }
    assert_eq!(waiting(&device).len(), 3, "three at a time, by all strangers together");
    world.clock.advance(1); // the newest one stands first
    let again = ask(&own, ERIKA);
    assert_eq!(waiting(&device).len(), 4, "her own browser has a share of its own");
    decide_with(&device, &mut Script::with_code(&again.match_code), Verdict::Approve).unwrap();
    take(&own, &again).unwrap();
    device.apply(&new_address());
}

/// The owner comes in with the device, whatever strangers do.
fn by_device(world: &World, device: &Computer) -> Computer {
    let home = device.here.home.clone();
    device
        .with(&mut Script::default(), |around| {
            kartenbund::client::device_login::login_with_device(&home, world.remote(), around)
        })
        .unwrap();
    let here = kartenbund::client::login::resume(home, world.clock.of_client()).unwrap();
    Computer { here, clock: world.clock.clone() }
}

#[test]
fn strangers_ask_ten_times_a_day_and_thirty_times_an_hour_from_one_network() {
    let website = WebBranch::new(WEBSITE);
    let (world, device) = world(&website);
    for _ in 0..12 {
        ask(&website.browser(&world, "198.51.100.1"), ERIKA);
        if let Some(id) = waiting(&device).first() {
            device.with(&mut Script::default(), |around| decide(&device.here, *id, Verdict::Deny, around)).unwrap();
        }
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM application"), 10);
    let browser = website.browser(&world, "198.51.100.1");
    for _ in 12..30 {
        browser.ask::<WebLoginAnswer>("/v1/login/web", &json!({"kvnr": "T022791232"})).unwrap();
    }
    let answer = browser.ask::<WebLoginAnswer>("/v1/login/web", &json!({"kvnr": "T022791232"}));
    assert_eq!(refusal(answer).0, "too_many_logins");
}

#[test]
fn nobody_but_a_website_asks_a_device_to_let_a_browser_in() {
    let website = WebBranch::new(WEBSITE);
    let (world, _device) = world(&website);
    let answer = world.stranger().ask::<_, WebLoginAnswer>("/v1/login/web", &json!({"kvnr": ERIKA}));
    assert_eq!(refusal(answer), part("client_invalid", "client_assertion"));
    assert_eq!(world.count("SELECT COUNT(*) FROM web_login"), 0);
}

/// However it comes about that the sessions of an account end: what was approved and not taken ends with them.
#[test]
fn what_was_approved_lets_nobody_in_after_the_owner_has_called() {
    let website = WebBranch::new(WEBSITE);
    type Deed = fn(&World, &Computer);
    let deeds: [(&str, Deed); 4] = [
        ("suspended for a moment", |world, _| {
            world.suspend(ERIKA).unwrap();
            world.resume(ERIKA).unwrap();
        }),
        ("sessions ended", |world, _| {
            world.end_sessions(ERIKA).unwrap();
        }),
        ("the password was stolen", |world, _| world.report_stolen(ERIKA).unwrap()),
        ("the code for emergencies", |world, device| {
            let code = device.here.service.call(Method::POST, "/v1/revocation-code", &json!({}));
            let code: kartenbund::protocol::api::RevocationCodeAnswer = code.unwrap();
            let code = json!({"code": code.code.expose()});
            world.remote().submit(Method::POST, "/v1/emergency/revoke", &code).unwrap();
        }),
    ];
    for (deed, act) in deeds {
        let (world, device) = world(&website);
        let (browser, asked) = approved(&website, &world, &device);
        act(&world, &device);
        assert_eq!(refusal(take(&browser, &asked)), code("login_not_approved"), "{deed}");
        assert_eq!((let_in(&world), world.audited("web_login.voided")), (0, 1), "{deed}");
    }
}

#[test]
fn what_was_approved_lets_nobody_in_whose_membership_begins_later() {
    let website = WebBranch::new(WEBSITE);
    let (world, device) = world(&website);
    let (browser, asked) = approved(&website, &world, &device);
    world.import(&register_of(&[ERIKA]).replace("2020-01-01", "2999-01-01"));
    assert_eq!(refusal(take(&browser, &asked)), part("not_yet", "2999-01-01"));
    assert_eq!(let_in(&world), 0);
}

#[test]
fn a_device_is_not_asked_to_let_anybody_in_to_an_account_that_is_suspended() {
    let website = WebBranch::new(WEBSITE);
    let (world, _device) = world(&website);
    world.suspend(ERIKA).unwrap();
    ask(&website.browser(&world, HOME), ERIKA);
    assert_eq!(world.count("SELECT COUNT(*) FROM application"), 0);
}
