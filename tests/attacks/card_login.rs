//! Logins with the card, taken apart: the card that must sign, for whom, over what, and when.

use kartenbund::protocol::api::{CardLoginRequest, TokenAnswer};
use kartenbund::protocol::card_login::CardLoginStatement;
use kartenbund::protocol::login_challenge::LoginChallenge;
use kartenbund::server::RollStep;

use super::service_keys::previous_key_of;
use super::*;

/// A login on its way: the statement can be changed before the card signs it, and every part after.
struct Login {
    stranger: Stranger,
    card: VirtualCard,
    certificate: Certificate,
    offer: ChallengeAnswer,
    statement: CardLoginStatement,
}

fn offer(stranger: &Stranger) -> ChallengeAnswer {
    stranger.ask("/v1/login/card/challenge", &json!({})).unwrap()
}

fn challenge_of(world: &World, offer: &ChallengeAnswer) -> LoginChallenge<CardLoginStatement> {
    let key = world.remote().configuration().unwrap().service_keys;
    jws::verify(&offer.challenge, key[0].verifying_key()).unwrap()
}

impl Login {
    fn with(world: &World, mut card: VirtualCard) -> Self {
        let stranger = world.stranger();
        let certificate = certificate_of(&mut card);
        let offer = offer(&stranger);
        let challenge = challenge_of(world, &offer);
        let statement = CardLoginStatement {
            v: VERSION,
            aud: challenge.aud,
            challenge: challenge.challenge,
            jkt: challenge.jkt,
            kvnr: certificate.holder().unwrap().kvnr,
            iat: world.clock.now(),
        };
        Self { stranger, card, certificate, offer, statement }
    }

    fn honest(world: &World) -> Self {
        world.member(ERIKA);
        Self::with(world, card(ERIKA))
    }

    fn signed(&mut self) -> CardLoginRequest {
        let mut egk = unlocked(&mut self.card);
        let card_jws = sign_with_x5c(&self.statement, &self.certificate.der, egk.auth_key()).unwrap();
        let challenge = self.offer.challenge.clone();
        CardLoginRequest { challenge, auth_cert: self.certificate.der.clone(), card_jws, client_name: None }
    }

    fn submit(&self, request: &CardLoginRequest) -> Result<TokenAnswer, ServiceError> {
        self.stranger.ask("/v1/login/card", request)
    }

    fn refused(mut self, world: &World) -> (String, String) {
        let request = self.signed();
        self.refused_with(world, &request)
    }

    fn refused_with(&self, world: &World, request: &CardLoginRequest) -> (String, String) {
        let answer = refusal(self.submit(request));
        assert_eq!(world.count("SELECT COUNT(*) FROM session"), 0, "nobody is let in");
        answer
    }
}

fn invalid(what: &str) -> (String, String) {
    part("card_statement_invalid", what)
}

#[test]
fn every_claim_of_what_the_card_signs_is_checked() {
    let world = World::new();
    world.member(ERIKA);
    world.member(MAX);
    let other = challenge_of(&world, &offer(&world.stranger()));
    let forge = |change: &dyn Fn(&mut CardLoginStatement)| {
        let mut login = Login::with(&world, card(ERIKA));
        change(&mut login.statement);
        login.refused(&world)
    };
    assert_eq!(forge(&|it| it.v = 2), invalid("v"));
    assert_eq!(forge(&|it| it.aud = "https://other.example".to_owned()), invalid("aud"));
    assert_eq!(forge(&|it| it.challenge = other.challenge), invalid("challenge"));
    assert_eq!(forge(&|it| it.jkt = other.jkt), invalid("jkt"));
    assert_eq!(forge(&|it| it.kvnr = kvnr(MAX)), invalid("kvnr"), "the victim's number under another's card");
    assert_eq!(forge(&|it| it.iat -= 121), invalid("iat"));
    assert_eq!(forge(&|it| it.iat += 121), invalid("iat"));
    let mut login = Login::with(&world, card(ERIKA));
    let request = login.signed();
    login.submit(&request).unwrap();
}

#[test]
fn a_challenge_is_for_one_session_key_once_and_for_three_minutes() {
    let world = World::new();
    let mut login = Login::honest(&world);
    let request = login.signed();

    let thief = world.stranger();
    let stolen = thief.ask::<_, TokenAnswer>("/v1/login/card", &request);
    assert_eq!(refusal(stolen), code("challenge_ended"), "with another session key");

    login.submit(&request).unwrap();
    assert_eq!(refusal(login.submit(&request)), code("challenge_ended"), "a second time");

    let mut late = Login::with(&world, card(ERIKA));
    let request = late.signed();
    world.clock.advance(180);
    assert_eq!(refusal(late.submit(&request)), code("challenge_ended"), "too late");
}

#[test]
fn a_challenge_by_a_key_that_was_retired_since_is_none() {
    let world = World::new();
    let mut login = Login::honest(&world);
    let request = login.signed();
    world.roll(RollStep::Announce).unwrap();
    world.roll(RollStep::Activate).unwrap();
    let mut other = Login::with(&world, card(ERIKA));
    let by_previous = {
        let challenge = challenge_of(&world, &other.offer);
        CardLoginRequest { challenge: sign(&challenge, &previous_key_of(&world)).unwrap(), ..other.signed() }
    };
    other.submit(&by_previous).unwrap();
    world.roll(RollStep::Retire).unwrap();
    assert_eq!(refusal(login.submit(&request)), code("challenge_ended"));
}

#[test]
fn a_challenge_that_failed_is_used_up() {
    let world = World::new();
    let mut login = Login::honest(&world);
    login.statement.v = 2;
    let wrong = login.signed();
    assert_eq!(login.refused_with(&world, &wrong), invalid("v"));
    login.statement.v = VERSION;
    let right = login.signed();
    assert_eq!(login.refused_with(&world, &right), code("challenge_ended"));
}

#[test]
fn only_a_challenge_of_this_service_for_a_login_is_one() {
    let world = World::new();
    let mut login = Login::honest(&world);
    let honest = challenge_of(&world, &login.offer);

    let mut forged = honest.clone();
    forged.challenge = kartenbund::protocol::Challenge::random(&mut rng());
    login.offer.challenge = sign(&forged, &new_key()).unwrap();
    login.statement.challenge = forged.challenge;
    let request = login.signed();
    assert_eq!(login.refused_with(&world, &request), code("challenge_ended"), "made by the attacker");

    let configuration = world.remote().get::<serde_json::Value>(kartenbund::protocol::api::CONFIGURATION).unwrap();
    login.offer.challenge = configuration["configuration"].as_str().unwrap().to_owned();
    let request = login.signed();
    assert_eq!(login.refused_with(&world, &request), code("challenge_ended"), "another message of the service");
}

#[test]
fn what_is_signed_for_a_login_registers_nothing_and_the_other_way_round() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);

    // A registration's challenge in the place of a login's.
    let path = format!("/v1/registrations/{}/challenge", attempt.challenge.registration_id);
    let answer: ChallengeAnswer = attempt.computer.here.service.call(Method::POST, &path, &json!({})).unwrap();
    let mut login = Login::with(&world, card(ERIKA));
    login.offer.challenge = answer.challenge;
    let request = login.signed();
    assert_eq!(refusal(login.submit(&request)), code("challenge_ended"));

    // A registration's statement in the place of a login's.
    let mut login = Login::with(&world, card(ERIKA));
    let mut request = login.signed();
    let mut evidence = attempt.signed();
    request.card_jws = by_card(&mut evidence).card_jws.clone();
    assert_eq!(refusal(login.submit(&request)), invalid("message"));

    // And a login's in the place of a registration's.
    attempt.challenge = challenge(&attempt.computer, &attempt.challenge.registration_id.to_string());
    by_card(&mut evidence).card_jws = Login::with(&world, card(ERIKA)).signed().card_jws;
    assert_eq!(attempt.refused_with(&evidence), invalid("message"));
}

#[test]
fn a_certificate_without_its_card_is_told_nothing() {
    let world = World::new();
    // Max is no member; his certificate is in somebody's hands, and the card that signs is Erika's.
    let mut login = Login::honest(&world);
    let stolen = certificate_of(&mut card(MAX));
    login.statement.kvnr = kvnr(MAX);
    login.certificate = stolen;
    assert_eq!(login.refused(&world), invalid("signature"), "and not whether there is such an account");
    assert_eq!(Login::with(&world, card(MAX)).refused(&world), code("account_unknown"), "with the card, he learns it");
}

#[test]
fn cards_that_register_nothing_log_nobody_in() {
    let world = World::new();
    world.member(ERIKA);
    let of = |ca: &TestCa, blueprint: &Blueprint| Login::with(&world, card_by(ca, blueprint)).refused(&world);
    let days = time::Duration::days;
    let insurer = Blueprint {
        payer_ik: Some("101010101".parse().unwrap()),
        payer_name: "Andere Kasse NOT-VALID".to_owned(),
        ..blueprint(ERIKA)
    };
    let expired = Blueprint { validity: Some((NOW - days(9), NOW - days(1))), ..blueprint(ERIKA) };
    let early = Blueprint { validity: Some((NOW + days(1), NOW + days(9))), ..blueprint(ERIKA) };
    let autn = Blueprint { certificate_type: CertificateType::Autn, ..blueprint(ERIKA) };
    let stranger = TestCa::generate(&mut rng(), "KARTENBUND.EGK-CA1 TEST-ONLY", NOW).unwrap();
    assert_eq!(of(&ca(), &insurer), part("other_insurer", "Andere Kasse NOT-VALID"));
    assert_eq!(of(&ca(), &expired), code("certificate_expired"));
    assert_eq!(of(&ca(), &early), code("certificate_not_yet_valid"));
    assert_eq!(of(&ca(), &autn), code("certificate_type"));
    assert_eq!(of(&stranger, &blueprint(ERIKA)), code("certificate_untrusted"));
    let audit = world.audit_entries().join("\n");
    assert!(audit.contains("other_insurer") && !audit.contains("Andere Kasse"), "an insurer tells about a person");
}

#[test]
fn a_byte_changed_anywhere_in_what_the_card_signed_is_refused() {
    let world = World::new();
    world.member(ERIKA);
    for (n, expected) in [(0, "message"), (1, "signature"), (2, "signature")] {
        let mut login = Login::with(&world, card(ERIKA));
        let mut request = login.signed();
        request.card_jws = flipped(&request.card_jws, n);
        assert_eq!(login.refused_with(&world, &request), invalid(expected), "{n}");
    }
}

#[test]
fn whoever_has_no_card_does_not_use_up_the_owners_day() {
    let world = World::new();
    world.member(ERIKA);
    for _ in 0..30 {
        let mut login = Login::with(&world, card(ERIKA));
        let mut request = login.signed();
        request.card_jws = flipped(&request.card_jws, 2);
        assert_eq!(login.refused_with(&world, &request), invalid("signature"));
    }
    // What is kept of it in the audit has an end, too.
    let kept = world.audited("session.refused");
    let mut login = Login::with(&world, card(ERIKA));
    let mut request = login.signed();
    request.card_jws = flipped(&request.card_jws, 2);
    assert_eq!(login.refused_with(&world, &request), code("too_many_logins"));
    assert_eq!(world.audited("session.refused"), kept);
    let log_in = || {
        let mut login = Login::with(&world, card(ERIKA));
        let request = login.signed();
        login.submit(&request)
    };
    for _ in 0..10 {
        log_in().unwrap();
    }
    assert_eq!(refusal(log_in()), code("too_many_card_logins"));
    world.clock.advance(24 * 60 * 60);
    log_in().unwrap();
}
