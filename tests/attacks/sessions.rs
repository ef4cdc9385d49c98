//! Thieves of tokens, of proofs and of keys, and who plays them again.

use kartenbund::client::session::{Session, SessionKey, Tokens};
use kartenbund::protocol::api::{LoginRequest, TokenAnswer, TokenRequest};
use kartenbund::protocol::dpop::ProvenRequest;
use kartenbund::secret::SecretText;
use reqwest::blocking::{Client, Response};

use super::*;

const DEVICES: &str = "/v1/devices";

/// What is on the disk of a computer.
pub(crate) fn stolen(computer: &Computer) -> (SessionKey, Tokens) {
    let Session { key, tokens } = computer.here.home.session().unwrap().unwrap();
    (key, tokens.unwrap())
}

fn stranger() -> SessionKey {
    SessionKey::new(&mut rng())
}

pub(crate) fn own_request(token: &SecretText) -> ProvenRequest<'_> {
    ProvenRequest { method: "GET", address: "", access_token: Some(token) }
}

/// The proof of a key for one request to this world at this time.
pub(crate) fn proof(world: &World, key: &SessionKey, request: ProvenRequest<'_>, path: &str, skew: i64) -> String {
    let address = format!("{}{path}", world.address);
    let request = ProvenRequest { address: &address, ..request };
    key.prove(request, world.clock.now() + skew).unwrap().to_str().unwrap().to_owned()
}

pub(crate) fn send(world: &World, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Client::new().request(method.parse().unwrap(), format!("{}{path}", world.address));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().unwrap()
}

/// What the service says: the status, the code and what is wrong; an answer without body has neither.
pub(crate) fn said(answer: Response) -> (u16, String, String) {
    let status = answer.status().as_u16();
    let body: serde_json::Value = serde_json::from_slice(&answer.bytes().unwrap()).unwrap_or_default();
    let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
    (status, text("code"), text("detail"))
}

pub(crate) fn says(status: u16, code: &str, detail: &str) -> (u16, String, String) {
    (status, code.to_owned(), detail.to_owned())
}

#[test]
fn a_token_without_the_key_it_is_bound_to_opens_nothing() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let (key, tokens) = stolen(&computer);
    let token = tokens.access_token();
    let authorization = format!("DPoP {}", token.expose());
    let asks = |headers: &[(&str, &str)]| said(send(&world, "GET", DEVICES, headers));
    let own = |key: &SessionKey| proof(&world, key, own_request(token), DEVICES, 0);

    let missing = asks(&[("Authorization", &authorization)]);
    assert_eq!(missing, says(401, "proof_invalid", "header"));
    let two = [("Authorization", authorization.as_str()), ("DPoP", &own(&key)), ("DPoP", &own(&key))];
    assert_eq!(asks(&two), says(401, "proof_invalid", "header"));
    let by_thief = asks(&[("Authorization", &authorization), ("DPoP", &own(&stranger()))]);
    assert_eq!(by_thief, says(401, "token_invalid", ""));
    let bearer = format!("Bearer {}", token.expose());
    assert_eq!(asks(&[("Authorization", &bearer), ("DPoP", &own(&key))]), says(401, "token_invalid", ""));
    assert_eq!(asks(&[("DPoP", &own(&key))]), says(401, "token_invalid", ""));
    assert_eq!(asks(&[("Authorization", &authorization), ("DPoP", &own(&key))]).0, 200);
    let small = authorization.replace("DPoP", "dpop");
    assert_eq!(asks(&[("Authorization", &small), ("DPoP", &own(&key))]).0, 200, "schemes have no case");

    let refused = send(&world, "GET", DEVICES, &[("Authorization", &authorization)]);
    assert_eq!(refused.headers()["www-authenticate"], r#"DPoP error="invalid_dpop_proof", algs="ES256""#);
    let refused = send(&world, "GET", DEVICES, &[]);
    assert_eq!(refused.headers()["www-authenticate"], r#"DPoP error="invalid_token", algs="ES256""#);
}

#[test]
fn a_proof_is_taken_once_and_for_its_own_request_alone() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let max = world.log_in(MAX, &world.member(MAX));
    let (key, tokens) = stolen(&computer);
    let (his_key, his_tokens) = stolen(&max);
    let token = tokens.access_token();
    let authorization = format!("DPoP {}", token.expose());
    let sends = |method: &str, path: &str, proof: &str| {
        said(send(&world, method, path, &[("Authorization", &authorization), ("DPoP", proof)]))
    };
    let wrong = |part: &str| says(401, "proof_invalid", part);

    let reading = proof(&world, &key, own_request(token), DEVICES, 0);
    assert_eq!(sends("GET", "/v1/approvals", &reading), wrong("htu"));
    assert_eq!(sends("HEAD", DEVICES, &reading).0, 401);
    assert_eq!(sends("GET", DEVICES, &reading).0, 200);
    assert_eq!(sends("GET", DEVICES, &reading), wrong("replayed"));
    assert_eq!(sends("GET", &format!("{DEVICES}?again"), &reading), wrong("replayed"), "whatever the query is");

    let other_token = proof(&world, &key, own_request(his_tokens.access_token()), DEVICES, 0);
    assert_eq!(sends("GET", DEVICES, &other_token), wrong("ath"));
    let no_token = ProvenRequest { access_token: None, ..own_request(token) };
    assert_eq!(sends("GET", DEVICES, &proof(&world, &key, no_token, DEVICES, 0)), wrong("ath"));
    let other_service = key.prove(
        ProvenRequest { address: "https://stranger.example/v1/devices", ..own_request(token) },
        world.clock.now(),
    );
    assert_eq!(sends("GET", DEVICES, other_service.unwrap().to_str().unwrap()), wrong("htu"));
    assert_eq!(sends("GET", DEVICES, &proof(&world, &his_key, own_request(token), DEVICES, 0)).1, "token_invalid");
    for (skew, status) in [(-121, 401), (-120, 200), (120, 200), (121, 401)] {
        let aged = proof(&world, &key, own_request(token), DEVICES, skew);
        let said = sends("GET", DEVICES, &aged);
        assert_eq!(said.0, status, "{skew} {said:?}");
        assert!(status == 200 || said == wrong("iat"), "{said:?}");
    }
}

#[test]
fn a_proof_of_something_that_changes_is_remembered_by_all_processes() {
    let world = World::new();
    let second = world.second_process();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let (key, tokens) = stolen(&computer);
    let token = tokens.access_token();
    let authorization = format!("DPoP {}", token.expose());
    let path = "/v1/devices/AAAAAAAAAAAAAAAAAAAAAA";
    let request = ProvenRequest { method: "DELETE", ..own_request(token) };
    let proofs = [(); 2].map(|()| proof(&world, &key, request, path, 0));
    let sends =
        |to: &World, proof: &str| said(send(to, "DELETE", path, &[("Authorization", &authorization), ("DPoP", proof)]));
    let replayed = says(401, "proof_invalid", "replayed");
    assert_eq!(sends(&world, &proofs[0]), says(404, "not_found", ""));
    assert_eq!(sends(&world, &proofs[0]), replayed);
    assert_eq!(sends(&second, &proofs[0]), replayed);
    assert_eq!(sends(&second, &proofs[1]), says(404, "not_found", ""), "the session is one for both");
    assert_eq!(sends(&world, &proofs[1]), replayed);
}

#[test]
fn a_proof_decides_nothing_about_how_it_is_verified() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let (key, tokens) = stolen(&computer);
    let token = tokens.access_token();
    let authorization = format!("DPoP {}", token.expose());
    let honest = proof(&world, &key, own_request(token), DEVICES, 0);
    let header: serde_json::Value =
        serde_json::from_slice(&base64url::decode(honest.split('.').next().unwrap()).unwrap()).unwrap();
    let sends = |proof: &str| said(send(&world, "GET", DEVICES, &[("Authorization", &authorization), ("DPoP", proof)]));
    for (member, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("BP256R1")),
        ("typ", json!("pop+jws")),
        ("typ", json!("JWT")),
        ("jwk", serde_json::Value::Null),
        ("jwk", json!({"kty": "EC", "crv": "P-256", "x": header["jwk"]["x"], "y": header["jwk"]["y"], "d": "AAAA"})),
        ("x5c", json!(["AAAA"])),
    ] {
        let mut forged = header.clone();
        forged[member] = value.clone();
        let (_, rest) = honest.split_once('.').unwrap();
        let forged = format!("{}.{rest}", base64url::encode(forged.to_string().as_bytes()));
        assert_eq!(sends(&forged), says(401, "proof_invalid", "message"), "{member}: {value}");
        let (unsigned, _) = forged.rsplit_once('.').unwrap();
        assert_eq!(sends(&format!("{unsigned}.")), says(401, "proof_invalid", "message"), "{member}: {value}");
    }
    assert_eq!(sends(&flipped(&honest, 2)), says(401, "proof_invalid", "signature"));
    assert_eq!(sends(""), says(401, "proof_invalid", "message"));
    assert_eq!(sends(&honest).0, 200, "the honest one was not used up by all that");
}

#[test]
fn no_token_can_be_made_or_changed_or_used_for_the_other() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let (key, tokens) = stolen(&computer);
    let (access, refresh) = (tokens.access_token(), tokens.refresh_token().unwrap());
    let asks = |token: &str| {
        let token = typed(token);
        let proof = proof(&world, &key, own_request(&token), DEVICES, 0);
        let authorization = format!("DPoP {}", token.expose());
        said(send(&world, "GET", DEVICES, &[("Authorization", &authorization), ("DPoP", &proof)])).1
    };
    assert_eq!(asks(access.expose()), "");
    assert_eq!(asks(refresh.expose()), "token_invalid");
    let mut bytes = base64url::decode(access.expose()).unwrap();
    for at in [0, 1, 5, 21, 28, 29, 60] {
        bytes[at] ^= 1;
        assert_eq!(asks(&base64url::encode(&bytes)), "token_invalid", "byte {at}");
        bytes[at] ^= 1;
    }
    assert_eq!(asks(&base64url::encode(&[7; 61])), "token_invalid");
    assert_eq!(refusal(renew(&world, &key, access)), code("token_invalid"), "an access token renews nothing");
    assert_eq!(asks(access.expose()), "", "and costs nobody the session");
}

/// Asks for the next tokens with this key.
fn renew(world: &World, key: &SessionKey, refresh_token: &SecretText) -> Result<TokenAnswer, ServiceError> {
    let request = TokenRequest { refresh_token: typed(refresh_token.expose()) };
    world.remote().ask_for_tokens("/v1/token", &world.address, &request, key, world.clock.now())
}

#[test]
fn an_old_refresh_token_in_a_thiefs_hands_ends_the_session_and_the_owner_is_told() {
    let world = World::new();
    let password = world.member(ERIKA);
    let computer = world.log_in(ERIKA, &password);
    let (key, tokens) = stolen(&computer);
    world.clock.advance(300);
    computer.devices();
    world.clock.advance(60);
    computer.devices();
    // The thief has everything of this computer as it was six minutes ago.
    let refused = renew(&world, &key, tokens.refresh_token().unwrap());
    assert_eq!(refusal(refused), part("session_ended", "reused"));
    let owner = computer.here.service.get::<serde_json::Value>(DEVICES);
    assert_eq!(refusal(owner), part("session_ended", "reused"));
    assert_eq!((world.audited("session.reused"), world.audited("used_before")), (1, 1));
    let (_, newest) = stolen(&computer);
    assert_eq!(refusal(renew(&world, &key, newest.refresh_token().unwrap())), part("session_ended", "reused"));
    assert!(world.log_in(ERIKA, &password).devices().is_empty(), "she logs in anew");
}

#[test]
fn the_owner_who_comes_after_the_thief_ends_the_thiefs_session_too() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let (key, tokens) = stolen(&computer);
    let thief = renew(&world, &key, tokens.refresh_token().unwrap()).unwrap();
    world.clock.advance(300);
    let owner = computer.here.service.get::<serde_json::Value>(DEVICES);
    assert_eq!(refusal(owner), part("session_ended", "reused"));
    assert_eq!(refusal(renew(&world, &key, thief.refresh_token.as_ref().unwrap())), part("session_ended", "reused"));
}

#[test]
fn a_refresh_token_that_comes_with_another_key_was_stolen() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let (_, tokens) = stolen(&computer);
    let thief = stranger();
    assert_eq!(refusal(renew(&world, &thief, tokens.refresh_token().unwrap())), code("token_invalid"));
    assert_eq!(world.audited("other_key"), 1);
    let owner = computer.here.service.get::<serde_json::Value>(DEVICES);
    assert_eq!(refusal(owner), part("session_ended", "reused"));
    assert_eq!(refusal(renew(&world, &thief, tokens.refresh_token().unwrap())), code("token_invalid"));
    assert_eq!(world.audited("session.reused"), 1, "it ends once");
}

#[test]
fn a_theft_is_noticed_and_ended_as_a_whole_or_not_at_all() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let (key, tokens) = stolen(&computer);
    world.clock.advance(300);
    computer.devices();
    world.clock.advance(60);
    let proofs = || world.column("SELECT proof FROM used_jti");
    let (before, entries) = (proofs(), world.audit_entries().len());
    for table in ["audit", "letter"] {
        world.fault(table, "INSERT");
        assert_eq!(refusal(renew(&world, &key, tokens.refresh_token().unwrap())), code("internal"));
        world.mend(table);
        assert_eq!(world.column("SELECT state FROM session"), ["open"], "{table}");
        // Old proofs are forgotten meanwhile.
        assert!(proofs().iter().all(|proof| before.contains(proof)), "nothing of it has happened: {table}");
        assert_eq!(world.audit_entries().len(), entries, "nothing of it has happened: {table}");
    }
    assert_eq!(refusal(renew(&world, &key, tokens.refresh_token().unwrap())), part("session_ended", "reused"));
    assert_eq!(world.column("SELECT state FROM session"), ["reused"]);
    assert_eq!(world.audited("session.reused"), 1);
    // She has no e-mail address: what matters comes by post.
    assert_eq!(world.column("SELECT title FROM letter"), ["Anmeldung beendet"]);
    assert_eq!(refusal(renew(&world, &key, tokens.refresh_token().unwrap())), part("session_ended", "reused"));
    assert_eq!(world.count("SELECT COUNT(*) FROM letter"), 1, "she is told once");
}

#[test]
fn an_answer_with_tokens_that_got_lost_is_given_again() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let lost = std::sync::atomic::AtomicU32::new(0);
    let liar = Liar::before(&world, move |path, (status, body)| {
        let is_lost = path == "/v1/token" && lost.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        (status, if is_lost { Vec::new() } else { body })
    });
    world.clock.advance(300);
    assert!(liar.deceives(&computer).devices().is_empty());
    assert_eq!(world.count("SELECT generation FROM session"), 1);
    assert!(computer.devices().is_empty(), "what was kept is the newest");
    assert_eq!(world.count("SELECT generation FROM session"), 1);
}

#[test]
fn an_answer_that_stays_lost_is_given_again_for_a_minute_and_to_nobody_else() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let (key, tokens) = stolen(&computer);
    let first = tokens.refresh_token().unwrap();
    let second = renew(&world, &key, first).unwrap();
    world.clock.advance(59);
    let again = renew(&world, &key, first).unwrap();
    assert_eq!(again.access_token.expose(), second.access_token.expose(), "the same answer");
    let (again, second) = (again.refresh_token.unwrap(), second.refresh_token.unwrap());
    assert_eq!(again.expose(), second.expose());
    assert_eq!(world.count("SELECT generation FROM session"), 1);
    // The new one is used: from now on the old one is nobody's lost answer.
    let third = renew(&world, &key, &second).unwrap();
    assert_eq!(refusal(renew(&world, &key, first)), part("session_ended", "reused"));
    assert_eq!(refusal(renew(&world, &key, third.refresh_token.as_ref().unwrap())), part("session_ended", "reused"));

    let computer = world.log_in(MAX, &world.member(MAX));
    let (key, tokens) = stolen(&computer);
    let first = tokens.refresh_token().unwrap();
    renew(&world, &key, first).unwrap();
    world.clock.advance(60);
    assert_eq!(refusal(renew(&world, &key, first)), part("session_ended", "reused"), "a minute is over");
}

#[test]
fn tokens_that_were_asked_for_twice_at_once_are_the_same() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let (key, tokens) = stolen(&computer);
    let first = tokens.refresh_token().unwrap();
    let start = std::sync::Barrier::new(4);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let ask = || {
            start.wait();
            renew(&world, &key, first).unwrap().refresh_token.unwrap().expose().to_owned()
        };
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|token| token == &answers[0]));
    assert_eq!(world.count("SELECT generation FROM session"), 1);
}

#[test]
fn tokens_are_renewed_sixty_times_a_minute_and_no_more() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let (key, tokens) = stolen(&computer);
    let mut refresh = typed(tokens.refresh_token().unwrap().expose());
    for _ in 0..60 {
        refresh = renew(&world, &key, &refresh).unwrap().refresh_token.unwrap();
    }
    assert_eq!(refusal(renew(&world, &key, &refresh)), code("too_many_refreshes"));
    world.clock.advance(60);
    refresh = renew(&world, &key, &refresh).unwrap().refresh_token.unwrap();
    let max = world.log_in(MAX, &world.member(MAX));
    let (his_key, his) = stolen(&max);
    assert!(renew(&world, &his_key, his.refresh_token().unwrap()).is_ok());
    assert!(renew(&world, &key, &refresh).is_ok());
}

#[test]
fn tokens_that_are_newer_than_the_database_are_no_theft() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let (key, tokens) = stolen(&computer);
    let newer = renew(&world, &key, tokens.refresh_token().unwrap()).unwrap();
    world.sql("UPDATE session SET generation = 0").unwrap(); // as a backup brings it back
    assert_eq!(refusal(renew(&world, &key, newer.refresh_token.as_ref().unwrap())), code("token_invalid"));
    assert_eq!(world.audited("session.reused"), 0);
}

/// Every endpoint that takes a session, as the OpenAPI document has it.
/// Whether an operation is for sessions, of whom some are for devices as well.
fn takes_session(operation: &serde_json::Value) -> bool {
    operation.get("security").is_none_or(|security| security.as_array().unwrap().len() > 1)
}

fn endpoints(world: &World) -> Vec<(String, String)> {
    let openapi: serde_json::Value = world.remote().get("/openapi.json").unwrap();
    let mut found = Vec::new();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if takes_session(operation) {
                found.push((method.to_uppercase(), path.replace("{id}", "AAAAAAAAAAAAAAAAAAAAAA")));
            }
        }
    }
    assert!(found.len() >= 15);
    found
}

fn call(world: &World, computer: &Computer, method: &str, path: &str) -> (u16, String, String) {
    let (key, tokens) = stolen(computer);
    let token = tokens.access_token();
    let proof = proof(world, &key, ProvenRequest { method, ..own_request(token) }, path, 0);
    let authorization = format!("DPoP {}", token.expose());
    said(send(world, method, path, &[("Authorization", &authorization), ("DPoP", &proof)]))
}

#[test]
fn a_setup_session_may_do_nothing_but_choose_a_password_and_log_out() {
    const MAY: [(&str, &str); 2] = [("POST", "/v1/logout"), ("PUT", "/v1/password")];
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    for method in ["initial_password", "identity_provider", "reset"] {
        world.sql(format!("UPDATE session SET method = '{method}'")).unwrap();
        for (method, path) in endpoints(&world) {
            if !MAY.contains(&(method.as_str(), path.as_str())) {
                assert_eq!(call(&world, &computer, &method, &path), says(403, "password_first", ""), "{method} {path}");
            }
        }
    }
    assert_eq!(call(&world, &computer, "POST", "/v1/logout").0, 204);
}

#[test]
fn an_endpoint_without_session_is_one_that_is_named_here() {
    const OPEN: [&str; 19] = [
        "/.well-known/kartenbund-audit",
        "/.well-known/kartenbund-configuration",
        "/healthz",
        "/readyz",
        "/v1/devices/{id}/pin/change",
        "/v1/devices/{id}/pin/confirm",
        "/v1/devices/{id}/pin/evaluate",
        "/v1/emergency/revoke",
        "/v1/ident",
        "/v1/login",
        "/v1/login/card",
        "/v1/login/card/challenge",
        "/v1/login/device",
        "/v1/login/device/challenge",
        "/v1/login/web",
        "/v1/login/web/session",
        "/v1/password/reset",
        "/v1/password/reset/confirm",
        "/v1/token",
    ];
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    computer.here.service.command(Method::POST, "/v1/logout").unwrap();
    let openapi: serde_json::Value = world.remote().get("/openapi.json").unwrap();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let is_open = OPEN.contains(&path.as_str());
            assert_eq!(takes_session(operation), !is_open, "{method} {path}");
            // What a setup session and a closed account are told is described.
            assert!(is_open || operation["responses"]["403"].is_object(), "{method} {path}");
        }
    }
    assert_eq!(openapi["paths"]["/v1/login"]["post"]["security"], json!([{"dpop_proof": []}]));
    assert_eq!(openapi["security"], json!([{"access_token": [], "dpop_proof": []}]));
    // What a device may see without a session, and nothing else.
    let paths = openapi["paths"].as_object().unwrap().iter();
    let by_device = paths.filter(|(_, item)| item.to_string().contains(r#""device":[]"#)).map(|(path, _)| path);
    assert_eq!(by_device.collect::<Vec<_>>(), ["/v1/approvals", "/v1/approvals/events"]);
    for (method, path) in endpoints(&world) {
        assert_eq!(said(send(&world, &method, &path, &[])), says(401, "token_invalid", ""), "{method} {path}");
        let ended = call(&world, &computer, &method, &path);
        assert_eq!(ended, says(401, "session_ended", "closed"), "{method} {path}: a session that was ended");
    }
}

#[test]
fn a_login_is_bound_to_the_key_that_asked_for_it() {
    let world = World::new();
    let password = world.member(ERIKA);
    let request = LoginRequest { kvnr: ERIKA.to_owned(), password: typed(&password), client_name: None };
    let body = serde_json::to_string(&request).unwrap();
    let login = |proof: Option<&str>| {
        let mut request = Client::new().post(format!("{}/v1/login", world.address)).body(body.clone());
        request = proof.into_iter().fold(request, |request, proof| request.header("DPoP", proof));
        said(request.send().unwrap())
    };
    let own = ProvenRequest { method: "POST", address: "", access_token: None };
    let key = stranger();
    assert_eq!(login(None), says(401, "proof_invalid", "header"));
    assert_eq!(login(Some(&proof(&world, &key, own, "/v1/token", 0))), says(401, "proof_invalid", "htu"));
    let honest = proof(&world, &key, own, "/v1/login", 0);
    assert_eq!(login(Some(&honest)).0, 200);
    assert_eq!(login(Some(&honest)), says(401, "proof_invalid", "replayed"));
    assert_eq!(world.audited("session.opened"), 1, "without proof no password is looked at");
}
