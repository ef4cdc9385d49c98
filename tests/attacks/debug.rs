//! What is printed while somebody looks for an error: no secret, and nothing about a person.

use std::fmt::Debug;

use kartenbund::client::session::{Session, SessionKey, Tokens};
use kartenbund::protocol::api::{LoginRequest, NoticeLanguage, NotificationSettings, TokenAnswer, TokenRequest};
use kartenbund::protocol::application::{Application, Contact, OldNew};
use kartenbund::protocol::client_assertion::{AuthenticatedClient, ClientAuthentication};
use kartenbund::protocol::registration::{Expected, ExpectedShare};

use super::common::leaks::{OTHER_PASSWORD, WRONG_PASSWORD, leak};
use super::*;
use crate::common::web_branch::{WEBSITE, WebBranch};

#[test]
fn no_message_prints_what_is_in_it() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let request = attempt.signed();
    let answer = attempt.submit(&request).unwrap();
    let accepted = attempt.computer.apply(&new_bank_account());
    let path = format!("/v1/approvals/{}", accepted.approval_id);
    let approval: ApprovalAnswer = attempt.computer.here.service.get(&path).unwrap();
    let path = format!("/v1/evidence/{}", answer.device.as_ref().unwrap().device_id);
    let bundle: Bundle = attempt.computer.here.service.get(&path).unwrap();
    let document = approval.document.read().unwrap();
    let decision = Decision {
        v: VERSION,
        aud: "https://konto.kasse.example".to_owned(),
        approval_id: accepted.approval_id,
        document: approval.document.clone(),
        challenge: approval.challenge.unwrap(),
        decision: Verdict::Approve,
        reason: Some("Das war ich nicht".to_owned()),
        match_code: Some(accepted.match_code.clone()),
        iat: 1,
        exp: 2,
        jti: MessageId::random(&mut rng()),
    };
    let expected = Expected {
        aud: attempt.challenge.aud.clone(),
        registration_id: attempt.challenge.registration_id,
        challenge: attempt.challenge.challenge,
        jkt: attempt.challenge.jkt,
        kvnr: kvnr(ERIKA),
        share: ExpectedShare::Offered(attempt.proof.voprf_pk.unwrap()),
    };
    let token = base64url::encode(&[7; 32]);
    let client_name = Some("Computer der Erika".to_owned());
    let login = LoginRequest { kvnr: ERIKA.to_owned(), password: typed("geheim-und-lang"), client_name };
    let logged_in = || TokenAnswer {
        access_token: typed(&token),
        token_type: "DPoP".to_owned(),
        expires_in: 300,
        refresh_token: Some(typed(&token)),
        session_expires_in: 900,
        must_change_password: false,
    };
    let renewal = TokenRequest { refresh_token: typed(&token) };
    let session = Session { key: SessionKey::new(&mut rng()), tokens: Some(Tokens::new(logged_in(), 1, 0)) };
    let secret = serde_json::to_value(&session).unwrap()["key"].as_str().unwrap().to_owned();
    let announced = RegistrationRequest {
        method: BindingMethod::Card,
        jkt: attempt.challenge.jkt,
        commit: attempt.nonce.commitment(),
        device_information: DeviceInformation { name: "Computer der Erika".to_owned(), ..information() },
        replaces: Vec::new(),
    };
    let decided = DecisionRequest { device_id: [1; 16].into(), decision: request.pop.clone() };
    let signed = ChallengeAnswer { challenge: request.pop.clone() };
    let contact = || Contact { email: "raub@person.example".to_owned() };
    let told = NotificationSettings { email: Some(contact().email), language: NoticeLanguage::De, kinds: Vec::new() };
    let website = WebBranch::new(WEBSITE);
    let assertion = website.assert(&website.claims(&world, "198.51.100.7"));
    let clients = [website.configured()];
    let client = AuthenticatedClient::check(&assertion, &clients, &world.address, world.clock.now()).unwrap();
    let asks = ClientAuthentication { client_assertion_type: None, client_assertion: Some(assertion.clone()) };
    let all: [&dyn Debug; 31] = [
        &client,
        &asks,
        &told,
        &Application::Contact(contact()),
        &Change::Contact(OldNew { old: Some(contact()), new: contact() }),
        &login,
        &logged_in(),
        &renewal,
        &session,
        &announced,
        &answer,
        &answer.device,
        &request,
        &request.evidence,
        &signed,
        &attempt.pairing,
        &attempt.statement,
        &attempt.proof,
        &attempt.challenge,
        &expected,
        &attempt.certificate,
        &new_address(),
        &new_bank_account(),
        &accepted,
        &approval,
        &document,
        &document.change.rows(),
        &decision,
        &decided,
        &bundle,
        &bundle.devices[0].binding,
    ];
    let shown = all.map(|value| format!("{value:?}\n{value:#?}")).join("\n");

    let (Application::Bank(bank), Application::Address(address)) = (new_bank_account(), new_address()) else {
        panic!("the fixtures")
    };
    let serial = attempt.certificate.serial.clone();
    let texts = [
        ERIKA,
        "Das war",
        "geheim",
        &token,
        &secret,
        "Erika",
        "stermann",
        "Attacker",
        "Mustermann",
        "Musterkasse",
        "raub",
        "198.51",
        &serial,
    ];
    let applied = [&bank.iban, &bank.account_holder, &address.city, address.street.as_ref().unwrap()];
    for text in texts.into_iter().chain(applied.map(String::as_str)) {
        assert!(!shown.contains(text), "{text}");
    }
    let HandedIn::Card(by_card) = &request.evidence else { panic!() };
    for jws in [&assertion, &request.pop, &by_card.card_jws, &by_card.signed_pairing_data] {
        for part in jws.split('.').skip(1) {
            assert!(!shown.contains(part), "a part of a signed message");
        }
    }
    let code = String::from(accepted.match_code.clone());
    assert!(!shown.contains(&format!("\"{code}\"")) && !shown.contains(&format!("MatchCode({code}")));
    // The certificate as numbers: its first three bytes.
    let der: Vec<_> = by_card.auth_cert.iter().take(3).map(u8::to_string).collect();
    assert!(!shown.contains(&der.join(", ")), "bytes of a certificate");
    assert!(!shown.contains(&der.join(",\n")), "bytes of a certificate");
}

/// Whoever looks for what is not there must find it where it is: of each kind one as it really is, in a line of a log.
#[test]
fn what_no_log_may_hold_is_found_in_one() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let request = attempt.signed();
    let computer = &attempt.computer;
    let session = serde_json::to_value(computer.here.home.session().unwrap().unwrap()).unwrap();
    let token = |name: &str| session["tokens"][name].as_str().unwrap().to_owned();
    let proof = computer.headers("GET", "/v1/devices").pop().unwrap().1;
    let address = serde_json::to_string(&new_address()).unwrap();
    for secret in [
        ERIKA,
        PASSWORD,
        OTHER_PASSWORD,
        WRONG_PASSWORD,
        PASSWORD_HASH,
        &token("access_token"),
        &token("refresh_token"),
        &proof,
        &request.pop,
        "erika@person.example",
        "Erika",
        "Müstermann",
        &wish().name,
        &address,
    ] {
        for line in [secret.to_owned(), format!("failed: \"{secret}\""), format!("path=/v1/{secret}/x status=500")] {
            let log = format!("request method=GET status=204\n{line}\nrequest method=GET status=200");
            assert_eq!(leak(&log), Some(line.as_str()), "{line}");
        }
    }
    // What a log does hold.
    let device = DeviceId::random(&mut rng());
    for line in [
        "request method=GET route=/v1/devices/{id} status=200 milliseconds=3".to_owned(),
        format!("a device was not made active code=internal device={device}"),
        "a notice went out to post@musterkasse.example".to_owned(),
    ] {
        assert_eq!(leak(&line), None);
    }
}
