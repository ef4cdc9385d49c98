//! Who pretends to be the insurer's web branch, and a web branch that asks for more than it may. Assertions are made with
//! OpenSSL, as foreign software would.

use kartenbund::protocol::api::{LoginRequest, ResetAnswer, SessionsAnswer, TokenAnswer};
use kartenbund::protocol::client_assertion::ASSERTION_TYPE;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::sign::Signer as OpensslSigner;
use serde_json::Value;

use super::*;
use crate::common::provider::signing_input;
use crate::common::web_branch::{WEBSITE, WebBranch, header, login_request, renewal, with_assertion};

const HOME: &str = "198.51.100.7";
const LOGIN: &str = "/v1/login";

/// A service with two clients, and a member with the right password: what is refused is refused for the assertion.
struct Branches {
    website: WebBranch,
    kiosk: WebBranch,
    world: World,
}

impl Branches {
    fn new() -> Self {
        let (website, kiosk) = (WebBranch::new(WEBSITE), WebBranch::new("kiosk"));
        let world = World::with_clients(&[&website, &kiosk], |_| {});
        world.member(ERIKA);
        Self { website, kiosk, world }
    }

    fn claims(&self) -> Value {
        self.website.claims(&self.world, HOME)
    }

    fn log_in_with(&self, assertion: &str) -> Result<TokenAnswer, ServiceError> {
        self.world.stranger().ask(LOGIN, &with_assertion(&login_request(ERIKA, PASSWORD), assertion))
    }

    /// What the service says to a login with this assertion: nothing was opened, and no password was looked at.
    fn refused(&self, assertion: &str) -> (String, String) {
        let rows = || {
            let touched = ["session", "login_bucket", "login_try", "known_client"];
            touched.map(|table| self.world.count(format!("SELECT COUNT(*) FROM {table}")))
        };
        let before = rows();
        let refused = refusal(self.log_in_with(assertion));
        assert_eq!(rows(), before);
        refused
    }
}

fn invalid(what: &str) -> (String, String) {
    part("client_invalid", what)
}

#[test]
fn every_claim_of_an_assertion_is_checked() {
    let it = Branches::new();
    let now = it.world.clock.now();
    for (claim, value) in [
        ("iss", json!("kiosk")),
        ("iss", json!("nobody")),
        ("sub", json!("kiosk")),
        ("sub", json!(ERIKA)),
        ("aud", json!("https://other.example")),
        ("aud", json!(format!("{}/", it.world.address))),
        ("aud", json!(format!("{}/v1/login", it.world.address))),
        ("iat", json!(now + 121)),
        ("exp", json!(now + 301)),
        ("exp", json!(now)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(i64::MIN)),
        ("nbf", json!(now + 121)),
        ("jti", json!("")),
        ("jti", json!("x".repeat(129))),
        ("jti", json!("a b")),
        ("user_agent_address", json!("")),
        ("user_agent_address", json!("198.51.100.0/24")),
        ("user_agent_address", json!("198.51.100.7:443")),
        ("user_agent_address", json!("browser.example")),
    ] {
        let mut forged = it.claims();
        forged[claim] = value.clone();
        assert_eq!(it.refused(&it.website.assert(&forged)), invalid(claim), "{claim}: {value}");
    }
    for (claim, value) in [("aud", json!([it.world.address])), ("exp", json!("soon")), ("user_agent_address", json!(7))]
    {
        let mut forged = it.claims();
        forged[claim] = value.clone();
        assert_eq!(it.refused(&it.website.assert(&forged)), invalid("message"), "{claim}: {value}");
    }
    for claim in ["iss", "sub", "aud", "iat", "exp", "jti"] {
        let mut forged = it.claims();
        forged.as_object_mut().unwrap().remove(claim);
        assert_eq!(it.refused(&it.website.assert(&forged)), invalid("message"), "{claim} is missing");
    }
    let aged = |age: i64| {
        let mut claims = it.claims();
        (claims["iat"], claims["exp"]) = (json!(now - age), json!(now - age + 60));
        it.website.assert(&claims)
    };
    assert_eq!(it.refused(&aged(181)), invalid("exp"));
    it.log_in_with(&aged(180)).unwrap();
    // What libraries add is ignored.
    let mut honest = it.claims();
    (honest["nbf"], honest["scope"]) = (json!(now), json!("openid"));
    it.log_in_with(&it.website.assert(&honest)).unwrap();
}

#[test]
fn an_assertion_is_taken_once_by_whichever_process_and_for_whatever() {
    let it = Branches::new();
    let claims = it.claims();
    let assertion = it.website.assert(&claims);
    let clients = vec![it.website.configured()];
    let second = it.world.second_process_with(|settings| settings.clients = clients);
    it.log_in_with(&assertion).unwrap();
    assert_eq!(refusal(it.log_in_with(&assertion)), invalid("replayed"));
    // Signed anew it is another message with the same name.
    assert_eq!(refusal(it.log_in_with(&it.website.assert(&claims))), invalid("replayed"));
    let stranger = it.world.stranger();
    let (key, now) = (&stranger.key, || it.world.clock.now());
    for path in [LOGIN, "/v1/login/card", "/v1/ident", "/v1/password/reset", "/v1/password/reset/confirm", "/v1/token"]
    {
        let request = json!({
            "kvnr": ERIKA, "password": PASSWORD, "challenge": "a.b.c", "auth_cert": "AAAA", "card_jws": "a.b.c",
            "statement": "a.b.c", "way": "letter", "reset_id": "A".repeat(22), "refresh_token": "A".repeat(82),
        });
        let body = with_assertion(&request, &assertion);
        let here = stranger.ask::<_, Value>(path, &body);
        assert_eq!(refusal(here), invalid("replayed"), "{path}");
        let there = second.remote().ask_with_proof::<_, Value>(path, &it.world.address, &body, key, now());
        assert_eq!(refusal(there), invalid("replayed"), "{path} elsewhere");
    }
    // The other client may use the same name.
    let mut others = it.kiosk.claims(&it.world, HOME);
    others["jti"] = claims["jti"].clone();
    it.log_in_with(&it.kiosk.assert(&others)).unwrap();

    it.world.clock.advance(60 + 120);
    assert_eq!(refusal(it.log_in_with(&assertion)), invalid("replayed"), "as long as it could be taken");
    it.world.clock.advance(1);
    assert_eq!(refusal(it.log_in_with(&assertion)), invalid("exp"));
}

#[test]
fn an_assertion_is_used_up_by_a_login_that_fails() {
    let it = Branches::new();
    let assertion = it.website.assert(&it.claims());
    let stranger = it.world.stranger();
    let wrong = stranger.ask::<_, TokenAnswer>(LOGIN, &with_assertion(&login_request(ERIKA, "falsch"), &assertion));
    assert_eq!(refusal(wrong), code("login_failed"));
    assert_eq!(refusal(it.log_in_with(&assertion)), invalid("replayed"));
}

#[test]
fn a_client_that_is_not_known_looks_like_one_whose_signature_is_wrong() {
    let it = Branches::new();
    let stranger = WebBranch::new("stranger");
    assert_eq!(it.refused(&stranger.assert(&stranger.claims(&it.world, HOME))), invalid("signature"));
    assert_eq!(it.refused(&stranger.assert(&it.claims())), invalid("signature"), "in the website's name");
    assert_eq!(it.refused(&it.kiosk.assert(&it.claims())), invalid("iss"), "by the other client's key");
    let assertion = it.website.assert(&it.claims());
    for part in [1, 2] {
        assert_eq!(it.refused(&flipped(&assertion, part)), invalid("signature"), "part {part}");
    }
    it.log_in_with(&assertion).unwrap();

    // Where there is no client, all look like that.
    let world = World::new();
    let body = with_assertion(&login_request(ERIKA, PASSWORD), &it.website.assert(&it.website.claims(&world, HOME)));
    assert_eq!(refusal(world.stranger().ask::<_, Value>(LOGIN, &body)), invalid("signature"));
}

#[test]
fn an_assertion_decides_nothing_about_how_it_is_verified() {
    let it = Branches::new();
    let with = |member: &str, value: Value| {
        let mut header = header();
        header[member] = value;
        header
    };
    let jwk = serde_json::to_value(it.website.jwk()).unwrap();
    for header in [
        with("alg", json!("none")),
        with("alg", json!("HS256")),
        with("alg", json!("RS256")),
        with("alg", json!("ES384")),
        with("typ", json!("JWT")),
        with("typ", json!("dpop+jwt")),
        with("typ", json!("ident+jws")),
        with("kid", json!("1")),
        with("jwk", jwk.clone()),
        with("jku", json!("https://stranger.example/keys")),
        with("crit", json!(["exp"])),
        json!({"alg": "ES256"}),
    ] {
        assert_eq!(it.refused(&it.website.sign(&header, &it.claims())), invalid("message"), "{header}");
    }
    // The client's public key, which everybody may have, as the secret of an HMAC; and a key that comes along.
    let hmac = PKey::hmac(&serde_json::to_vec(&jwk).unwrap()).unwrap();
    let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    for (alg, key) in [("HS256", hmac), ("RS256", rsa)] {
        let input = signing_input(&with("alg", json!(alg)), &it.claims());
        let mut signer = OpensslSigner::new(MessageDigest::sha256(), &key).unwrap();
        let signature = signer.sign_oneshot_to_vec(input.as_bytes()).unwrap();
        assert_eq!(it.refused(&format!("{input}.{}", base64url::encode(&signature))), invalid("message"), "{alg}");
    }
    let unsigned = format!("{}.", signing_input(&with("alg", json!("none")), &it.claims()));
    assert_eq!(it.refused(&unsigned), invalid("message"));
    assert_eq!(it.refused(&format!("{}.", signing_input(&header(), &it.claims()))), invalid("signature"));
    assert_eq!(it.refused(""), invalid("message"));
}

#[test]
fn assertion_and_type_come_together_and_the_type_is_the_one_of_jwts() {
    let it = Branches::new();
    let assertion = it.website.assert(&it.claims());
    let sends = |members: Value| {
        let mut body = serde_json::to_value(login_request(ERIKA, PASSWORD)).unwrap();
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        refusal(it.world.stranger().ask::<_, Value>(LOGIN, &body))
    };
    assert_eq!(sends(json!({"client_assertion_type": ASSERTION_TYPE})), invalid("client_assertion"));
    let kind = invalid("client_assertion_type");
    assert_eq!(sends(json!({"client_assertion": assertion})), kind);
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    assert_eq!(sends(json!({"client_assertion": assertion, "client_assertion_type": saml})), kind);
    assert_eq!(sends(json!({"client_assertion_type": saml})), kind);
    let number = json!({"client_assertion": 7, "client_assertion_type": ASSERTION_TYPE});
    assert_eq!(sends(number), code("malformed_request"));
    it.log_in_with(&assertion).unwrap();
}

#[test]
fn nobody_but_a_client_says_where_a_person_is() {
    let website = WebBranch::new(WEBSITE);
    let world = World::with_clients(&[&website], |settings| settings.login_limits.tries_in_an_hour = 2);
    let stranger = world.stranger();
    let tries = |n: u8| {
        // An address of his own choice each time.
        let mut body = serde_json::to_value(login_request("T022791232", "falsch")).unwrap();
        body["user_agent_address"] = json!(format!("198.51.{n}.7"));
        refusal(stranger.ask::<_, Value>(LOGIN, &body)).0
    };
    assert_eq!([1, 2, 3].map(tries), ["login_failed", "login_failed", "too_many_logins"]);
    let unsigned = signing_input(&header(), &website.claims(&world, HOME));
    let body = with_assertion(&login_request("T022791232", "falsch"), &format!("{unsigned}.AAAA"));
    assert_eq!(refusal(stranger.ask::<_, Value>(LOGIN, &body)), invalid("signature"));
    let browser = website.browser(&world, HOME);
    assert_eq!(refusal(browser.log_in("T022791232", "falsch")), code("login_failed"), "elsewhere people can try");
}

#[test]
fn a_session_of_the_website_is_renewed_by_the_website_alone() {
    let it = Branches::new();
    let browser = it.website.browser(&it.world, HOME);
    let tokens = browser.log_in(ERIKA, PASSWORD).unwrap();
    // Everything the web branch keeps for a browser is in a thief's hands: refresh token and session key.
    let thief = &browser.person;
    assert_eq!(refusal(thief.ask::<_, TokenAnswer>("/v1/token", &renewal(&tokens))), code("client_mismatch"));
    let others = it.kiosk.assert(&it.kiosk.claims(&it.world, HOME));
    let by_kiosk = thief.ask::<_, TokenAnswer>("/v1/token", &with_assertion(&renewal(&tokens), &others));
    assert_eq!(refusal(by_kiosk), code("client_mismatch"), "another client");
    let again = thief.ask::<_, TokenAnswer>("/v1/token", &with_assertion(&renewal(&tokens), &others));
    assert_eq!(refusal(again), invalid("replayed"), "the assertion is used up by that");
    let mut claims = it.claims();
    claims["iss"] = json!("kiosk");
    let forged = with_assertion(&renewal(&tokens), &it.website.assert(&claims));
    assert_eq!(refusal(thief.ask::<_, TokenAnswer>("/v1/token", &forged)), invalid("iss"));

    // The owner noticed nothing: the session goes on where it was.
    assert_eq!(it.world.count("SELECT generation FROM session"), 0);
    let tokens = browser.renew(&tokens).unwrap();
    it.world.clock.advance(240);
    let session = browser.holding(browser.renew(&tokens).unwrap());
    session.here.service.get::<SessionsAnswer>("/v1/sessions").unwrap();
    it.world.clock.advance(300);
    let renewed_by_itself = session.here.service.get::<SessionsAnswer>("/v1/sessions");
    assert_eq!(refusal(renewed_by_itself), code("client_mismatch"), "a program with these files gets no further");
}

#[test]
fn a_session_of_a_program_is_not_renewed_by_a_client() {
    let it = Branches::new();
    let program = it.world.stranger();
    let tokens: TokenAnswer = program.ask(LOGIN, &login_request(ERIKA, PASSWORD)).unwrap();
    let assertion = it.website.assert(&it.claims());
    let by_website = program.ask::<_, TokenAnswer>("/v1/token", &with_assertion(&renewal(&tokens), &assertion));
    assert_eq!(refusal(by_website), code("client_mismatch"));
    program.ask::<_, TokenAnswer>("/v1/token", &renewal(&tokens)).unwrap();
}

#[test]
fn a_wrong_assertion_uses_no_letter_up() {
    let it = Branches::new();
    it.world.import_report(&register_of(&[MAX]));
    let (_, letters) = it.world.create_letters();
    let (person, password) = letters.into_iter().find(|(person, _)| person == MAX).unwrap();
    let assertion = flipped(&it.website.assert(&it.claims()), 2);
    let request = || LoginRequest { kvnr: person.clone(), password: typed(&password), client_name: None };
    let refused = it.world.stranger().ask::<_, TokenAnswer>(LOGIN, &with_assertion(&request(), &assertion));
    assert_eq!(refusal(refused), invalid("signature"));
    let tokens: TokenAnswer = it.world.stranger().ask(LOGIN, &request()).unwrap();
    assert!(tokens.must_change_password);
}

#[test]
fn a_new_password_that_the_website_asked_for_is_chosen_there_and_nowhere_else() {
    let it = Branches::new();
    let device = it.world.log_in(ERIKA, PASSWORD);
    device.register(&mut card(ERIKA)).unwrap();
    let browser = it.website.browser(&it.world, HOME);
    let asked: ResetAnswer = browser.ask("/v1/password/reset", &json!({"kvnr": ERIKA, "way": "device"})).unwrap();
    let requested = "SELECT COUNT(*) FROM password_reset WHERE state = 'requested'";
    it.world.wait_until("the request is answered", || it.world.count(requested) == 0);
    let approvals: ApprovalsAnswer = device.here.service.get("/v1/approvals").unwrap();
    let waiting = approvals.approvals[0].approval_id;
    let mut script = Script::with_code(asked.match_code.as_ref().unwrap());
    device.with(&mut script, |around| decide(&device.here, waiting, Verdict::Approve, around)).unwrap();

    let (path, confirmation) = ("/v1/password/reset/confirm", json!({"reset_id": asked.reset_id}));
    let thief = &browser.person;
    assert_eq!(refusal(thief.ask::<_, TokenAnswer>(path, &confirmation)), code("reset_ended"), "with the key alone");
    let others = it.kiosk.assert(&it.kiosk.claims(&it.world, HOME));
    let by_kiosk = thief.ask::<_, TokenAnswer>(path, &with_assertion(&confirmation, &others));
    assert_eq!(refusal(by_kiosk), code("reset_ended"), "another client");
    browser.ask::<TokenAnswer>(path, &confirmation).unwrap();
}
