//! What happens while a request waits, and between two processes whose clocks differ.

use kartenbund::client::session::SessionKey;
use kartenbund::protocol::api::LoginRequest;
use kartenbund::protocol::dpop::ProvenRequest;

use super::sessions::{own_request, proof, said, says, send, stolen};
use super::*;

#[test]
fn what_ends_while_a_request_waits_is_not_done() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let registration = Attempt::with(world.log_in(ERIKA, PASSWORD), card(ERIKA)).challenge.registration_id;
    let computer = Computer { here: world.log_in(ERIKA, PASSWORD).here, ..computer };
    let application = computer.apply(&new_address()).application_id;
    let session = world.column("SELECT session_id FROM session WHERE state = 'open' ORDER BY session_id").remove(0);
    let device = computer.devices()[0].device_id;
    let kept = "SELECT (SELECT state FROM device) || (SELECT state FROM application) || (SELECT challenge FROM \
                registration WHERE challenge IS NOT NULL AND state = 'open')";
    let before = world.column(kept);
    // None of them has a body that could come late.
    for (method, path) in [
        (Method::DELETE, format!("/v1/sessions/{session}")),
        (Method::DELETE, format!("/v1/devices/{device}")),
        (Method::DELETE, format!("/v1/applications/{application}")),
        (Method::POST, format!("/v1/registrations/{registration}/challenge")),
    ] {
        let request = || refusal(computer.here.service.command(method.clone(), &path));
        let ended = world.meanwhile("UPDATE session SET state = 'ended'", request);
        assert_eq!(ended, part("session_ended", "ended"), "{method} {path}");
        world.sql("UPDATE session SET state = 'open'").unwrap();
        let idle = "UPDATE session SET refreshed = refreshed - 1000000";
        assert_eq!(world.meanwhile(idle, request), code("token_invalid"), "{method} {path}");
        world.sql("UPDATE session SET refreshed = refreshed + 1000000").unwrap();
        let closed = world.meanwhile("UPDATE account SET state = 'closed', membership_end = '2020-01-01'", request);
        assert_eq!(closed, code("account_closed"), "{method} {path}");
        world.sql("UPDATE account SET state = 'active', membership_end = NULL").unwrap();
        assert_eq!(world.column(kept), before, "{method} {path}");
    }
}

#[test]
fn a_proof_is_not_forgotten_by_a_process_whose_clock_runs_ahead() {
    let world = World::new();
    let ahead = ManualClock::at(NOW);
    ahead.advance(110);
    let _ahead = world.process_beside(ahead.clone(), |_| {});
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let (key, tokens) = stolen(&computer);
    let token = tokens.access_token();
    let authorization = format!("DPoP {}", token.expose());
    let path = "/v1/devices/AAAAAAAAAAAAAAAAAAAAAA";
    let once = proof(&world, &key, ProvenRequest { method: "DELETE", ..own_request(token) }, path, 0);
    let sends = || said(send(&world, "DELETE", path, &[("Authorization", &authorization), ("DPoP", &once)]));
    assert_eq!(sends(), says(404, "not_found", ""));
    // It is over for the one that is ahead, and for the other one not yet.
    for clock in [&world.clock, &ahead] {
        clock.advance(119);
    }
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(sends(), says(401, "proof_invalid", "replayed"));
}

#[test]
fn whoever_has_to_wait_makes_the_service_write_nothing() {
    let world = World::new();
    world.member(ERIKA);
    let (key, post) = (SessionKey::new(&mut rng()), ProvenRequest { method: "POST", address: "", access_token: None });
    let login = |proof: &str| {
        let request = LoginRequest { kvnr: ERIKA.to_owned(), password: typed("wrong"), client_name: None };
        let body = serde_json::to_string(&request).unwrap();
        let request = reqwest::blocking::Client::new().post(format!("{}/v1/login", world.address));
        said(request.header("DPoP", proof).body(body).send().unwrap())
    };
    let new = || proof(&world, &key, post, "/v1/login", 0);
    let kept = || {
        let count = |table: &str| world.count(format!("SELECT COUNT(*) FROM {table}"));
        (count("used_jti"), count("login_try"), count("password_reset"))
    };
    let failures = || world.column("SELECT client || failures FROM login_bucket").concat();
    let first = new();
    assert_eq!(login(&first), says(401, "login_failed", ""));
    let counted = (kept(), failures());
    assert_eq!(login(&first), says(401, "proof_invalid", "replayed"));
    assert_eq!((kept(), failures()), counted, "what was sent before is no try");
    assert_eq!(login(&new()).1, "login_failed");
    assert_eq!(login(&new()).1, "login_failed");
    let counted = (kept(), failures());
    for _ in 0..3 {
        assert_eq!(login(&new()).1, "login_delayed");
    }
    assert_eq!((kept(), failures()), counted);

    // The same of forgotten passwords, and of challenges for cards, of which nothing is kept at all.
    let stranger = world.stranger();
    let ask = || stranger.ask::<_, serde_json::Value>("/v1/password/reset", &json!({"kvnr": MAX, "way": "letter"}));
    while ask().is_ok() {}
    let counted = kept();
    assert_eq!(refusal(ask()), code("too_many_logins"));
    let nothing = &json!({});
    let challenge = || stranger.ask::<_, serde_json::Value>("/v1/login/card/challenge", nothing).unwrap();
    assert_ne!(challenge(), challenge());
    assert_eq!(kept(), counted);
}
