//! Logging in on the insurer's website with the registered device: the number in the browser, the code on the device.

use kartenbund::client::approve::ApproveError;
use kartenbund::protocol::api::{SessionsAnswer, WebLoginAnswer};
use kartenbund::protocol::application::{Change, WebLogin};
use kartenbund::protocol::session::SessionMethod;
use kartenbund::ui::document;
use kartenbund::ui::text::{Language, Texts};

use super::common::web_branch::{WEBSITE, WEBSITE_NAME, WebBranch};
use super::common::web_login::*;
use super::*;

const HOME: &str = "192.0.2.7";

#[test]
fn a_browser_is_let_in_by_the_device_without_any_password() {
    let website = WebBranch::new(WEBSITE);
    let (world, device) = world(&website);
    let browser = website.browser(&world, HOME);
    let asked = ask(&browser, ERIKA);
    assert_eq!(asked.expires_at, world.clock.now() + 300);
    assert_eq!(refusal(take(&browser, &asked)), "login_not_approved");
    let mut script = Script::with_code(&asked.match_code);
    assert_eq!(decide_with(&device, &mut script, Verdict::Approve).unwrap().application.state, "executed");

    let shown = script.shown.unwrap();
    let Change::Login(login) = &shown.change else { panic!("{:?}", shown.change) };
    assert_eq!((login.website.as_str(), login.browser.as_deref()), (WEBSITE_NAME, Some("Firefox")));
    assert_eq!(login.network, "192.0.2.0/24", "where it comes from, and no address");
    let texts = Texts::new(Language::De);
    let lines = document::lines(&texts, &shown, 200).join("\n");
    for text in [WEBSITE_NAME, "Firefox", "192.0.2.0/24", &login.insurer, "Vergleichscode"] {
        assert!(lines.contains(text), "{text} in {lines}");
    }

    let tokens = take(&browser, &asked).unwrap();
    assert!(!tokens.must_change_password);
    assert_eq!(tokens.session_expires_in, 15 * 60, "as long as any session of a browser");
    assert_eq!(take(&browser, &asked).unwrap().access_token.expose(), tokens.access_token.expose(), "a lost answer");
    let session = browser.holding(tokens);
    let answer: SessionsAnswer = session.here.service.get("/v1/sessions").unwrap();
    let own = answer.sessions.iter().find(|session| session.is_current).unwrap();
    assert_eq!((own.method, own.client.as_deref()), (SessionMethod::DeviceApproval, Some(WEBSITE_NAME)));
    assert_eq!((world.audited("web_login.asked"), world.audited("web_login.taken")), (1, 1));
}

#[test]
fn what_was_denied_or_came_too_late_lets_nobody_in() {
    let website = WebBranch::new(WEBSITE);
    let (world, device) = world(&website);
    let browser = website.browser(&world, HOME);
    let asked = ask(&browser, ERIKA);
    decide_with(&device, &mut Script::default(), Verdict::Deny).unwrap();
    assert_eq!(refusal(take(&browser, &asked)), "login_not_approved", "whoever asked is not told that it was denied");

    let asked = ask(&browser, ERIKA);
    world.clock.advance(300);
    assert!(waiting(&device).is_empty(), "its time is over");
    assert_eq!(refusal(take(&browser, &asked)), "login_not_approved");
    world.clock.advance(300);
    assert_eq!(refusal(take(&browser, &asked)), "login_ended");
    let approved_and_left = {
        let device = relog(&world, &device, 0);
        let asked = ask(&browser, ERIKA);
        decide_with(&device, &mut Script::with_code(&asked.match_code), Verdict::Approve).unwrap();
        world.clock.advance(600);
        asked
    };
    assert_eq!(refusal(take(&browser, &approved_and_left)), "login_ended");
    assert_eq!(world.count("SELECT COUNT(*) FROM session WHERE method = 'device_approval'"), 0);
}

#[test]
fn that_was_not_me_ends_what_was_let_in_and_keeps_strangers_away_for_a_day() {
    let website = WebBranch::new(WEBSITE);
    let (world, device) = world(&website);
    let browser = website.browser(&world, HOME);
    let first = ask(&browser, ERIKA);
    decide_with(&device, &mut Script::with_code(&first.match_code), Verdict::Approve).unwrap();
    let stranger = website.browser(&world, "198.51.100.1");
    ask(&stranger, ERIKA);
    decide_with(&device, &mut Script::default(), Verdict::NotMe).unwrap();
    assert_eq!(refusal(take(&browser, &first)), "login_not_approved", "approved and not taken: void");
    ask(&stranger, ERIKA);
    assert!(waiting(&device).is_empty());
    assert_eq!(world.audited("web_login.voided"), 2);
    let password = "SELECT COUNT(*) FROM account WHERE state = 'active'";
    assert_eq!(world.count(password), 1, "the password stays");
}

#[test]
fn a_browser_that_the_device_let_in_is_thrown_out_when_the_device_is_locked() {
    let website = WebBranch::new(WEBSITE);
    let (world, device) = world(&website);
    let browser = website.browser(&world, HOME);
    let asked = ask(&browser, ERIKA);
    decide_with(&device, &mut Script::with_code(&asked.match_code), Verdict::Approve).unwrap();
    let session = browser.holding(take(&browser, &asked).unwrap());
    let id = device.devices()[0].device_id;
    device.here.service.command(Method::POST, &format!("/v1/devices/{id}/lock")).unwrap();
    assert_eq!(refusal(session.here.service.get::<SessionsAnswer>("/v1/sessions")), "session_ended");
}

#[test]
fn three_wrong_codes_deny_a_login() {
    let website = WebBranch::new(WEBSITE);
    let (world, device) = world(&website);
    let browser = website.browser(&world, HOME);
    let asked = ask(&browser, ERIKA);
    let right: u8 = String::from(asked.match_code.clone()).parse().unwrap();
    for wrong in 1..=3 {
        let code = format!("{:02}", (right + wrong) % 100).try_into().unwrap();
        let said = decide_with(&device, &mut Script::with_code(&code), Verdict::Approve);
        let expected = if wrong == 3 { "match_code_denied" } else { "match_code_wrong" };
        let Err(ApproveError::Service(error)) = said else { panic!("a wrong code") };
        assert!(error.is_refused_with(expected), "{error:?}");
    }
    assert_eq!(refusal(take(&browser, &asked)), "login_not_approved");
}

#[test]
fn a_login_that_deceives_is_never_shown() {
    let login = |website: &str, browser: &str| {
        let login = WebLogin {
            jkt: [7; 32].into(),
            insurer: "Musterkasse".to_owned(),
            website: website.to_owned(),
            browser: Some(browser.to_owned()),
            network: "192.0.2.0/24".to_owned(),
        };
        Change::Login(login).check().map_err(|error| error.code())
    };
    assert_eq!(login("Website", "Firefox"), Ok(()));
    assert_eq!(login("Web\u{202E}site", "Firefox"), Err("website"));
    assert_eq!(login("Website", "Fire\nfox"), Err("browser"));
}

#[test]
fn a_website_cannot_name_a_browser_so_that_it_deceives() {
    let website = WebBranch::new(WEBSITE);
    let (world, device) = world(&website);
    let request = json!({"kvnr": ERIKA, "client_name": "Fire\u{202E}fox"});
    let answer = website.browser(&world, HOME).ask::<WebLoginAnswer>("/v1/login/web", &request);
    assert_eq!(refusal(answer), "client_name_invalid");
    assert!(waiting(&device).is_empty());
}
