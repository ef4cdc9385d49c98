//! The insurer's web branch: people log in on the insurer's website, which is a confidential client.

use kartenbund::protocol::api::{
    ApplicationAccepted, CardLoginRequest, ChallengeAnswer, DevicesAnswer, Origin, ResetAnswer, SessionsAnswer,
    TokenAnswer,
};
use kartenbund::protocol::card_login::CardLoginStatement;
use kartenbund::protocol::login_challenge::LoginChallenge;

use super::*;
use crate::common::provider::{self, ISSUER, Provider};
use crate::common::web_branch::{Browser, WEBSITE, WEBSITE_NAME, WebBranch, login_request, renewal, with_assertion};

const HOME: &str = "198.51.100.7";
const CAFE: &str = "203.0.113.9";
const WRONG: &str = "falsch-und-lang";
/// Numbers with the right check digit, of nobody here.
const STRANGERS: [&str; 8] =
    ["K220635158", "M100200305", "X110540756", "X110639491", "X110630769", "X110408667", "X110359890", "X110485315"];

#[test]
fn a_person_logs_in_on_the_website_submits_an_application_and_approves_it_on_her_computer() {
    let website = WebBranch::new(WEBSITE);
    let world = World::with_clients(&[&website], |_| {});
    let computer = world.registered(ERIKA);
    world.clock.advance(1);
    let browser = website.browser(&world, HOME);
    let tokens = browser.log_in(ERIKA, PASSWORD).unwrap();
    assert!(!tokens.must_change_password);

    world.clock.advance(240);
    let tokens = browser.renew(&tokens).unwrap();
    let session = browser.holding(tokens);
    let accepted = session.apply(&new_address());
    // Before she decides she is told through whom it came.
    let decided = |accepted: &ApplicationAccepted| {
        let mut script = Script::with_code(&accepted.match_code);
        let id = accepted.approval_id;
        let decided = computer.with(&mut script, |around| decide(&computer.here, id, Verdict::Approve, around));
        assert_eq!(decided.unwrap().application.state, "executed");
        script.origin.unwrap()
    };
    let origin = |client: Option<&str>, name: Option<&str>| Origin {
        client: client.map(str::to_owned),
        client_name: name.map(str::to_owned),
    };
    assert_eq!(decided(&accepted), origin(Some(WEBSITE_NAME), Some("Firefox")));
    assert_eq!(decided(&computer.apply(&new_contact())).client, None, "her own program is none of the insurer's");

    let seen: SessionsAnswer = computer.here.service.get("/v1/sessions").unwrap();
    let clients: Vec<_> = seen.sessions.iter().map(|session| session.client.as_deref()).collect();
    assert_eq!(clients, [Some(WEBSITE_NAME), None], "she finds the website, and her own program is none");
    assert_eq!(seen.sessions[0].client_name.as_deref(), Some("Firefox"));
    assert_eq!(world.column("SELECT COALESCE(client_id, '') FROM session ORDER BY created, client_id"), ["", WEBSITE]);
    assert!(world.audit_entries().iter().any(|entry| entry.contains("password new_client through website")));

    session.here.service.command(Method::POST, "/v1/logout").unwrap();
    assert_eq!(refusal(session.here.service.get::<DevicesAnswer>("/v1/devices")), "session_ended");
}

#[test]
fn a_browser_is_known_again_by_its_own_session_key() {
    let website = WebBranch::new(WEBSITE);
    let world = World::with_clients(&[&website], |_| {});
    world.member(ERIKA);
    let (hers, other) = (website.browser(&world, HOME), website.browser(&world, HOME));
    hers.log_in(ERIKA, PASSWORD).unwrap();
    hers.log_in(ERIKA, PASSWORD).unwrap();
    other.log_in(ERIKA, PASSWORD).unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM known_client"), 2);
    // Whoever hammers in another browser of the same website does not make her wait.
    let stranger = website.browser(&world, CAFE);
    for _ in 0..3 {
        assert_eq!(refusal(stranger.log_in(ERIKA, WRONG)), "login_failed");
    }
    assert_eq!(refusal(stranger.log_in(ERIKA, PASSWORD)), "login_delayed");
    hers.log_in(ERIKA, PASSWORD).unwrap();
}

#[test]
fn two_browsers_behind_one_website_are_two_networks() {
    let website = WebBranch::new(WEBSITE);
    let world = World::with_clients(&[&website], |settings| settings.login_limits.tries_in_an_hour = 2);
    world.member(ERIKA);
    // Another key and another person each time: nothing but the network counts.
    let tries = |address: &'static str, person: &str| refusal(website.browser(&world, address).log_in(person, WRONG));
    let in_the_cafe = [STRANGERS[0], STRANGERS[1], STRANGERS[2]].map(|person| tries(CAFE, person));
    assert_eq!(in_the_cafe, ["login_failed", "login_failed", "too_many_logins"]);
    assert_eq!(tries("203.0.113.200", STRANGERS[3]), "too_many_logins", "a neighbour in the same network");
    assert_eq!(tries("::ffff:203.0.113.9", STRANGERS[3]), "too_many_logins", "the same address in another form");
    assert_eq!(tries(HOME, STRANGERS[3]), "login_failed");
    website.browser(&world, HOME).log_in(ERIKA, PASSWORD).unwrap();
    let six = ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff::"];
    assert_eq!(six.map(|address| tries(address, STRANGERS[4])), ["login_failed", "login_failed", "too_many_logins"]);

    // The website's own address is one of them, too: whoever forgets the claim is counted by it.
    let without_address = |person: &str| {
        let mut claims = website.claims(&world, HOME);
        claims.as_object_mut().unwrap().remove("user_agent_address");
        let body = with_assertion(&login_request(person, WRONG), &website.assert(&claims));
        refusal(world.stranger().ask::<_, TokenAnswer>("/v1/login", &body))
    };
    let own = [STRANGERS[5], STRANGERS[6], STRANGERS[7]].map(without_address);
    assert_eq!(own, ["login_failed", "login_failed", "too_many_logins"]);
}

#[test]
fn a_forgotten_password_is_counted_where_the_browser_is() {
    let website = WebBranch::new(WEBSITE);
    let world = World::with_clients(&[&website], |settings| settings.login_limits.tries_in_an_hour = 1);
    let ask = |address: &'static str| {
        let request = json!({"kvnr": MAX, "way": "letter"});
        website.browser(&world, address).ask::<ResetAnswer>("/v1/password/reset", &request).map(drop)
    };
    ask(CAFE).unwrap();
    assert_eq!(refusal(ask(CAFE)), "too_many_logins");
    ask(HOME).unwrap();
}

/// A login with the card, as a browser with a reader could do it.
fn log_in_with_card(browser: &Browser<'_>) -> TokenAnswer {
    use kartenbund::jose::jws;
    let offer: ChallengeAnswer = browser.person.ask("/v1/login/card/challenge", &json!({})).unwrap();
    let key = browser.person.remote.configuration().unwrap().service_keys;
    let challenge: LoginChallenge<CardLoginStatement> = jws::verify(&offer.challenge, key[0].verifying_key()).unwrap();
    let statement = CardLoginStatement {
        v: challenge.v,
        aud: challenge.aud,
        challenge: challenge.challenge,
        jkt: challenge.jkt,
        kvnr: kvnr(ERIKA),
        iat: browser.world.clock.now(),
    };
    let mut card = card(ERIKA);
    let mut egk = kartenbund::egk::Egk::open(&mut card, ApduLength::Extended).unwrap();
    let auth_cert = egk.read_certificate().unwrap().der().to_vec();
    let kartenbund::egk::PinStatus::Usable(tries) = egk.pin_status().unwrap() else { panic!("a new card") };
    let attempt = tries.attempt(kartenbund::egk::LastTry::Refused).unwrap();
    let pin = kartenbund::secret::Pin::parse(&typed(CARD_PIN)).unwrap();
    assert_eq!(egk.verify_pin(attempt, &pin).unwrap(), kartenbund::egk::PinAnswer::Accepted);
    let card_jws = jws::sign_with_x5c(&statement, &auth_cert, egk.auth_key()).unwrap();
    let request = CardLoginRequest { challenge: offer.challenge, auth_cert, card_jws, client_name: None };
    browser.ask("/v1/login/card", &request).unwrap()
}

#[test]
fn every_way_in_is_open_on_the_website() {
    let (website, ident) = (WebBranch::new(WEBSITE), Provider::new());
    let trusted = vec![ident.trusted_as(ISSUER)];
    let world = World::with_clients(&[&website], |settings| settings.identity_providers = trusted);
    world.import_report(&register_of(&[ERIKA]));
    let browser = website.browser(&world, HOME);
    let statement = ident.state(&provider::claims(&world));
    let tokens: TokenAnswer = browser.ask("/v1/ident", &json!({"statement": statement})).unwrap();
    assert!(tokens.must_change_password);
    set_password(&browser.holding(tokens), CHOSEN).unwrap();

    let by_card = browser.holding(log_in_with_card(&browser));
    by_card.register(&mut card(ERIKA)).unwrap();

    let asked: ResetAnswer = browser.ask("/v1/password/reset", &json!({"kvnr": ERIKA, "way": "device"})).unwrap();
    let requested = "SELECT COUNT(*) FROM password_reset WHERE state = 'requested'";
    world.wait_until("the request is answered", || world.count(requested) == 0);
    let approvals: ApprovalsAnswer = by_card.here.service.get("/v1/approvals").unwrap();
    let mut script = Script::with_code(asked.match_code.as_ref().unwrap());
    let waiting = approvals.approvals[0].approval_id;
    by_card.with(&mut script, |around| decide(&by_card.here, waiting, Verdict::Approve, around)).unwrap();
    let reset_id = json!({"reset_id": asked.reset_id});
    let tokens: TokenAnswer = browser.ask("/v1/password/reset/confirm", &reset_id).unwrap();
    assert!(tokens.must_change_password);
    let methods = "SELECT method || ' ' || client_id FROM session ORDER BY method";
    assert_eq!(world.column(methods), ["card website", "identity_provider website", "reset website"]);
}

#[test]
fn a_website_that_changes_its_key_is_understood_with_both() {
    let (before, after) = (WebBranch::new(WEBSITE), WebBranch::new(WEBSITE));
    let world = World::with_clients(&[&before], |settings| settings.clients[0].keys.push(after.jwk()));
    world.member(ERIKA);
    let browser = before.browser(&world, HOME);
    let tokens = browser.log_in(ERIKA, PASSWORD).unwrap();
    let browser = Browser { branch: &after, ..browser };
    browser.renew(&tokens).unwrap();
}

#[test]
fn a_website_that_was_taken_out_of_the_configuration_can_do_nothing_any_more() {
    let website = WebBranch::new(WEBSITE);
    let world = World::with_clients(&[&website], |_| {});
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let browser = website.browser(&world, HOME);
    let tokens = browser.log_in(ERIKA, PASSWORD).unwrap();
    let renewal = renewal(&tokens);
    let session = browser.holding(tokens);
    session.here.service.get::<DevicesAnswer>("/v1/devices").unwrap();

    // The same service, by a process with another configuration.
    let without = world.second_process();
    let asks = |path: &str, method: &str| {
        let http =
            reqwest::blocking::Client::new().request(method.parse().unwrap(), format!("{}{path}", without.address));
        let headers = session.headers(method, path);
        let answer = headers.into_iter().fold(http, |http, (name, value)| http.header(name, value)).send().unwrap();
        assert_eq!(answer.headers()["www-authenticate"], r#"DPoP error="invalid_token", algs="ES256""#);
        (answer.status().as_u16(), answer.json::<serde_json::Value>().unwrap_or_default()["code"].clone())
    };
    for (path, method) in [("/v1/devices", "GET"), ("/v1/logout", "POST")] {
        assert_eq!(asks(path, method), (401, json!("client_mismatch")), "its tokens open nothing: {path}");
    }
    let at_other = |request: &serde_json::Value| {
        let remote = without.remote();
        let answer = remote.ask_with_proof::<_, TokenAnswer>(
            "/v1/token",
            &world.address,
            request,
            &browser.person.key,
            world.clock.now(),
        );
        refusal(answer)
    };
    let assertion = website.assert(&website.claims(&world, HOME));
    assert_eq!(at_other(&with_assertion(&renewal, &assertion)), "client_invalid");
    assert_eq!(at_other(&serde_json::to_value(&renewal).unwrap()), "client_mismatch");
    // She still finds it among her sessions, and can end it.
    let seen: SessionsAnswer = computer.here.service.get("/v1/sessions").unwrap();
    assert_eq!(seen.sessions.len(), 2);
    let headers = computer.headers("GET", "/v1/sessions");
    let http = reqwest::blocking::Client::new().get(format!("{}/v1/sessions", without.address));
    let answer = headers.into_iter().fold(http, |http, (name, value)| http.header(name, value)).send().unwrap();
    let seen: SessionsAnswer = answer.json().unwrap();
    assert!(seen.sessions.iter().any(|session| session.client.as_deref() == Some(WEBSITE)), "by its identifier");
}
