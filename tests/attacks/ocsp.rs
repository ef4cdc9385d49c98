//! Revoked cards, and answers about them that are forged, old, or about something else.

use std::process::Command;

use kartenbund::client::card_login::{CardLoginError, login_with_card};
use kartenbund::client::login::LoginError;
use kartenbund::client::{Surroundings, home::Home};
use kartenbund::pki::VerifiedCertificate;
use kartenbund::pki::ocsp::{self, OcspError, Responder, Status};
use kartenbund::protocol::evidence::{Grounds, OcspEvidence};

use super::common::ocsp::{Answer, Mood, ResponderKey, TestResponder, UNKNOWN, cert_id_of, content, revoked, tlv};
use super::*;

const AT: i64 = NOW.unix_timestamp();

fn verified(card: &mut VirtualCard) -> VerifiedCertificate {
    pki::verify(&certificate_of(card).der, &anchors_of(&[&ca()]), NOW).unwrap()
}

fn honest(certificate: &VerifiedCertificate) -> Answer {
    let request = ocsp::request(certificate).unwrap();
    ResponderKey::answer(cert_id_of(&request), &certificate.certificate().der, AT)
}

/// What becomes of the answer; `None` when it says that the card was not revoked.
fn outcome(bytes: &[u8], certificate: &VerifiedCertificate, responders: &[Responder]) -> Option<OcspError> {
    match ocsp::check(bytes, certificate, responders, true, NOW) {
        Ok(Status::Good(proof)) => {
            assert!(proof.is_about(certificate));
            None
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => Some(error),
    }
}

#[test]
fn each_thing_that_is_wrong_with_an_answer_makes_it_worthless() {
    type Forge = fn(&mut Answer);
    let certificate = verified(&mut card(ERIKA));
    let key = ResponderKey::new();
    let responders = [ResponderKey::new().pinned(), key.pinned()];
    let forgeries: [(&str, Forge, Option<OcspError>); 24] = [
        ("nothing", |_| (), None),
        ("fresh for a week", |a| a.next_update = Some(AT + 7 * 86_400), None),
        ("clocks differ by 37 s", |a| (a.produced_at, a.this_update) = (AT + 37, AT + 37), None),
        ("it took 37 s", |a| (a.produced_at, a.this_update) = (AT - 37, AT - 86_400), None),
        ("tryLater", |a| a.status = 3, Some(OcspError::Refused)),
        ("unauthorized", |a| a.status = 6, Some(OcspError::Refused)),
        ("another kind", |a| a.kind[8] = 2, Some(OcspError::Malformed)),
        ("another issuer's name", |a| a.cert_id[20] ^= 1, Some(OcspError::OtherCertificate)),
        ("another issuer's key", |a| a.cert_id[40] ^= 1, Some(OcspError::OtherCertificate)),
        ("another number", |a| *a.cert_id.last_mut().unwrap() ^= 1, Some(OcspError::OtherCertificate)),
        ("another hash algorithm", |a| a.cert_id[10] ^= 1, Some(OcspError::OtherCertificate)),
        ("old", |a| a.produced_at = AT - 38, Some(OcspError::OtherTime)),
        ("made later", |a| a.produced_at = AT + 38, Some(OcspError::OtherTime)),
        ("so from later on", |a| a.this_update = AT + 38, Some(OcspError::OtherTime)),
        ("stale", |a| a.next_update = Some(AT - 38), Some(OcspError::OtherTime)),
        ("no hash", |a| a.cert_hash = None, Some(OcspError::HashMissing)),
        ("hash of another", |a| a.cert_hash = Some([7; 32]), Some(OcspError::OtherHash)),
        ("two answers", |a| a.more = tlv(0x30, &[]), Some(OcspError::Malformed)),
        ("a status nobody knows", |a| a.cert_status = vec![0x83, 0], Some(OcspError::Malformed)),
        (
            "something critical",
            |a| a.single_extension = tlv(0x30, &[&[0x06, 1, 0x2A], &[1, 1, 0xFF], &[0x04, 0]]),
            Some(OcspError::Malformed),
        ),
        (
            "something critical about all",
            |a| a.extensions = tlv(0xA1, &[&tlv(0x30, &[&tlv(0x30, &[&[0x06, 1, 0x2A], &[1, 1, 0xFF], &[0x04, 0]])])]),
            Some(OcspError::Malformed),
        ),
        (
            "something else about all",
            |a| a.extensions = tlv(0xA1, &[&tlv(0x30, &[&tlv(0x30, &[&[0x06, 1, 0x2A], &[0x04, 0]])])]),
            None,
        ),
        ("something behind", |a| a.extensions = vec![0x05, 0], Some(OcspError::Malformed)),
        ("a time that is none", |a| a.cert_status = [&[0x80, 0][..], &[0x05, 0]].concat(), Some(OcspError::Malformed)),
    ];
    for (what, forge, expected) in forgeries {
        let mut answer = honest(&certificate);
        forge(&mut answer);
        assert_eq!(outcome(&key.sign(&answer), &certificate, &responders), expected, "{what}");
    }
    // By whom it is.
    let answer = key.sign(&honest(&certificate));
    let stranger = ResponderKey::new();
    assert_eq!(outcome(&stranger.sign(&honest(&certificate)), &certificate, &responders), Some(OcspError::Untrusted));
    let mut changed = answer.clone();
    let at = changed.windows(10).position(|it| it == b"2026112315").unwrap();
    changed[at + 9] = b'6';
    assert_eq!(outcome(&changed, &certificate, &responders), Some(OcspError::Untrusted));
    for (from, until) in [(AT + 1, AT + 86_400), (AT - 86_400, AT - 1)] {
        let key = ResponderKey::valid(from, until);
        let said = outcome(&key.sign(&honest(&certificate)), &certificate, &[key.pinned()]);
        assert_eq!(said, Some(OcspError::ResponderNotValid));
    }
    // Cut off, with something behind, too long, or anything at all.
    for length in 0..answer.len() {
        assert!(outcome(&answer[..length], &certificate, &responders).is_some(), "{length}");
    }
    assert_eq!(outcome(&[&answer[..], &[0]].concat(), &certificate, &responders), Some(OcspError::Malformed));
    let mut long = honest(&certificate);
    long.single_extension = tlv(0x30, &[&[0x06, 1, 0x2A], &tlv(0x04, &[&[0; 20_000]])]);
    assert_eq!(outcome(&key.sign(&long), &certificate, &responders), Some(OcspError::Malformed));
    // The card of another person has another answer.
    let other = verified(&mut card(MAX));
    assert_eq!(outcome(&answer, &other, &responders), Some(OcspError::OtherCertificate));
    // What is not so is an answer, not an error.
    let mut answer = honest(&certificate);
    answer.cert_status = revoked(AT - 60);
    let said = ocsp::check(&key.sign(&answer), &certificate, &responders, true, NOW);
    assert!(matches!(said, Ok(Status::Revoked)), "{said:?}");
    (answer.cert_status, answer.cert_hash) = (UNKNOWN.to_vec(), None);
    let said = ocsp::check(&key.sign(&answer), &certificate, &responders, true, NOW);
    assert!(matches!(said, Ok(Status::Unknown)), "{said:?}");
    assert_eq!(content(&[0x30, 2, 5, 0]), [5, 0]);
}

#[test]
fn openssl_understands_what_is_asked_and_answered() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split(' ')).current_dir(folder.path()).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let certificate = verified(&mut card(ERIKA));
    let key = ResponderKey::new();
    write("ca.pem", ca().certificate_pem().unwrap().as_bytes());
    write("responder.pem", &key.pem());
    write("card.der", &certificate.certificate().der);
    openssl("x509 -inform der -in card.der -out card.pem");
    // The request is byte for byte what openssl makes of the same certificates.
    openssl("ocsp -issuer ca.pem -cert card.pem -no_nonce -reqout request.der");
    assert_eq!(ocsp::request(&certificate).unwrap(), std::fs::read(folder.path().join("request.der")).unwrap());
    write("answer.der", &key.sign(&honest(&certificate)));
    let told =
        openssl("ocsp -respin answer.der -issuer ca.pem -cert card.pem -no_nonce -VAfile responder.pem -CAfile ca.pem");
    assert!(told.contains("Response verify OK") && told.contains("card.pem: good"), "{told}");
}

#[test]
fn what_openssl_answers_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let now = time::OffsetDateTime::now_utc();
    let (from, until) = (now - time::Duration::days(1), now + time::Duration::days(365));
    let of_now = Blueprint { validity: Some((from, until)), ..blueprint(ERIKA) };
    let certificate =
        pki::verify(&certificate_of(&mut card_by(&ca(), &of_now)).der, &anchors_of(&[&ca()]), now).unwrap();
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split(' ')).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(at("ca.pem"), ca().certificate_pem().unwrap()).unwrap();
    std::fs::write(at("request.der"), ocsp::request(&certificate).unwrap()).unwrap();
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:brainpoolP256r1 -nodes -keyout key.pem -out ocsp.pem -subj /CN=OCSP -days 30",
    );
    let responders = Responder::read_pem(&std::fs::read(at("ocsp.pem")).unwrap()).unwrap();
    let serial = u64::to_be_bytes(certificate.certificate().serial.parse().unwrap());
    let serial = hex::encode_upper(serial);
    let end = "270101000000Z";
    let said = |index: String, hash_needed: bool| {
        std::fs::write(at("index.txt"), index).unwrap();
        openssl(
            "ocsp -index index.txt -CA ca.pem -rsigner ocsp.pem -rkey key.pem -reqin request.der -respout answer.der",
        );
        let answer = std::fs::read(at("answer.der")).unwrap();
        ocsp::check(&answer, &certificate, &responders, hash_needed, time::OffsetDateTime::now_utc())
    };
    let valid = format!("V\t{end}\t\t{serial}\tunknown\t/CN=card\n");
    assert!(matches!(said(valid.clone(), false), Ok(Status::Good(_))));
    assert_eq!(said(valid, true).unwrap_err(), OcspError::HashMissing, "it does not make what gematik has added");
    let revoked = format!("R\t{end}\t261101000000Z,keyCompromise\t{serial}\tunknown\t/CN=card\n");
    assert!(matches!(said(revoked, true), Ok(Status::Revoked)));
    assert!(matches!(said(format!("V\t{end}\t\t77\tunknown\t/CN=other\n"), true), Ok(Status::Unknown)));
}

fn log_in_by_card(world: &World, folder: &str, card: &mut VirtualCard) -> Result<(), String> {
    let home = Home::at(world.folder.path().join(folder));
    let clock = world.clock.clone();
    let now = move || clock.now();
    let mut script = Script::default();
    let mut around = Surroundings { ui: &mut script, rng: &mut rng(), clock: &now };
    match login_with_card(&home, &world.remote(), None, card, ApduLength::Extended, &mut around) {
        Ok(_) => Ok(()),
        Err(CardLoginError::Login(LoginError::Service(ServiceError::Refused { code, .. }))) => Err(code),
        Err(other) => panic!("{other:?}"),
    }
}

fn registering(computer: &Computer, card: &mut VirtualCard) -> Result<(), String> {
    match computer.register(card) {
        Ok(_) => Ok(()),
        Err(RegisterError::Service(ServiceError::Refused { code, .. })) => Err(code),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_card_that_was_revoked_or_is_unknown_binds_nothing_and_logs_nobody_in() {
    let (world, responder) = World::with_ocsp();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let der = certificate_of(&mut card).der;
    assert_eq!(registering(&computer, &mut card).unwrap_err(), "card_unknown");
    assert_eq!(log_in_by_card(&world, "a", &mut card).unwrap_err(), "card_unknown");
    responder.revoke(&der);
    assert_eq!(registering(&computer, &mut card).unwrap_err(), "card_revoked");
    assert_eq!(log_in_by_card(&world, "b", &mut card).unwrap_err(), "card_revoked");
    assert_eq!(world.audited("registration.refused"), 2);
    responder.issued(&der);
    registering(&computer, &mut card).unwrap();
    log_in_by_card(&world, "c", &mut card).unwrap();
}

#[test]
fn whose_session_has_ended_makes_the_service_ask_nobody() {
    let (world, responder) = World::with_ocsp();
    let mut attempt = Attempt::with(world.log_in(ERIKA, &world.member(ERIKA)), card(ERIKA));
    let request = attempt.signed();
    world.sql("UPDATE session SET state = 'closed'").unwrap();
    responder.be(Mood::Down);
    assert_eq!(refusal(attempt.submit(&request)).0, "session_ended");
    assert_eq!(responder.asked(), 0);
}

#[test]
fn nobody_makes_the_service_ask_a_responder_again_and_again() {
    let (world, responder) = World::with_ocsp();
    let mut attempt = Attempt::with(world.log_in(ERIKA, &world.member(ERIKA)), card(ERIKA));
    let request = attempt.signed();
    responder.be(Mood::Down);
    for _ in 0..10 {
        assert_eq!(refusal(attempt.submit(&request)).0, "card_status_unavailable");
    }
    for _ in 0..3 {
        assert_eq!(refusal(attempt.submit(&request)).0, "registration_ended");
    }
    assert_eq!(responder.asked(), 10);
    for over in ["state = 'bound'", "state = 'open', expires_at = 0"] {
        world.sql(format!("UPDATE registration SET asked = 0, {over}")).unwrap();
        assert_eq!(refusal(attempt.submit(&request)).0, "registration_ended");
        assert_eq!(responder.asked(), 10, "one that is over asks nobody");
    }
    responder.be(Mood::Well);
    let mut card = card(ERIKA);
    responder.issued(&certificate_of(&mut card).der);
    registering(&attempt.computer, &mut card).unwrap();
}

#[test]
fn without_an_answer_that_holds_no_card_is_taken_and_nothing_is_used_up() {
    let (world, responder) = World::with_ocsp();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let der = certificate_of(&mut card).der;
    responder.issued(&der);
    let stranger = ResponderKey::new();
    let request = ocsp::request(&verified(&mut card)).unwrap();
    let forged = stranger.sign(&ResponderKey::answer(cert_id_of(&request), &der, world.clock.now()));
    for mood in [Mood::Down, Mood::Sends(b"nonsense".to_vec()), Mood::Sends(forged), Mood::Sends(vec![0x30; 100_000])] {
        responder.be(mood);
        assert_eq!(registering(&computer, &mut card).unwrap_err(), "card_status_unavailable");
        assert_eq!(log_in_by_card(&world, "nowhere", &mut card).unwrap_err(), "card_status_unavailable");
    }
    assert_eq!(world.audited("registration.refused"), 0);
    assert_eq!(world.count("SELECT COUNT(*) FROM card_login"), 0, "no challenge was taken");
    assert_eq!(world.count("SELECT COUNT(*) FROM registration WHERE state = 'open' AND challenge IS NOT NULL"), 4);
    responder.be(Mood::Well);
    registering(&computer, &mut card).unwrap();
}

#[test]
fn evidence_about_revocation_that_was_tampered_with_is_not_believed() {
    let (world, responder) = World::with_ocsp();
    let (_, other) = World::with_ocsp();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    responder.issued(&certificate_of(&mut card).der);
    registering(&computer, &mut card).unwrap();
    let device = computer.devices().remove(0).device_id;
    let honest: Bundle = computer.here.service.get(&format!("/v1/evidence/{device}")).unwrap();
    let own = computer.here.profile.service_keys[0].clone();
    let verify = |bundle: &Bundle, key: &P256Jwk, pinned: Option<&TestResponder>| {
        let mut anchors = anchors_of(&[&ca()]);
        anchors.add_responders(pinned.map(|it| it.key.pinned()).into_iter().collect());
        let report = bundle.verify(&anchors, std::slice::from_ref(key));
        let ours = report.findings.is_some();
        let bytes = [serde_json::to_vec(bundle).unwrap()];
        let responders: Vec<_> = pinned.iter().map(|it| it.key.pem()).collect();
        assert_eq!(verifier::second_verifier_with(&bytes, &[&ca()], &responders, std::slice::from_ref(key)), [ours]);
        let failed = report.links.into_iter().find(|link| link.result == LinkResult::Fails);
        failed.map(|link| (link.name, link.detail.unwrap_or_default()))
    };
    assert_eq!(verify(&honest, &own, Some(&responder)), None);
    assert_eq!(verify(&honest, &own, None), None);
    let fails = |detail: &str| Some((LinkName::Revocation, detail.to_owned()));
    assert_eq!(verify(&honest, &own, Some(&other)), fails("responder"));

    let ocsp = |bundle: &mut Bundle, change: &dyn Fn(&mut Option<OcspEvidence>)| {
        let Grounds::Card(grounds) = &mut bundle.devices[0].binding.grounds else { panic!() };
        change(&mut grounds.ocsp);
    };
    // Without the service's key nothing can be put in the place of what its receipt names.
    let mut taken_out = honest.clone();
    ocsp(&mut taken_out, &|it| *it = None);
    assert_eq!(verify(&taken_out, &own, None), fails("ocsp"));
    let mut changed = honest.clone();
    ocsp(&mut changed, &|it| it.as_mut().unwrap().answer[60] ^= 1);
    assert_eq!(verify(&changed, &own, None), fails("ocsp_sha256"));
    let mut by_another = honest.clone();
    ocsp(&mut by_another, &|it| it.as_mut().unwrap().responder = other.key.der.clone());
    assert_eq!(verify(&by_another, &own, None), fails("no trusted OCSP responder signed the answer"));

    // A service that lies signs a receipt for another answer: the pinned responder stands.
    let key = new_key();
    let lie = |said: Option<Vec<u8>>, by: &ResponderKey| {
        let mut bundle = honest.clone();
        let binding = &mut bundle.devices[0].binding;
        let mut receipt: Receipt = jws::verify(&binding.receipt, own.verifying_key()).unwrap();
        receipt.ocsp_sha256 = said.as_ref().map(|said| Sha256Hash::of(said));
        (binding.receipt, binding.audit) = (sign(&receipt, &key).unwrap(), None);
        bundle.service.jwk = jwk(&key);
        let said = said.map(|answer| OcspEvidence { responder: by.der.clone(), answer });
        ocsp(&mut bundle, &|it| *it = said.clone());
        bundle
    };
    let certificate = verified(&mut card);
    let request = ocsp::request(&certificate).unwrap();
    let answer = ResponderKey::answer(cert_id_of(&request), &certificate.certificate().der, AT);
    let good = responder.key.sign(&answer);
    assert_eq!(verify(&lie(Some(good), &responder.key), &jwk(&key), Some(&responder)), None);
    assert_eq!(verify(&lie(None, &responder.key), &jwk(&key), Some(&responder)), None, "it says that it did not ask");
    let forged = other.key.sign(&answer);
    assert_eq!(verify(&lie(Some(forged.clone()), &other.key), &jwk(&key), Some(&responder)), fails("responder"));
    let untrusted = fails("no trusted OCSP responder signed the answer");
    assert_eq!(verify(&lie(Some(forged), &responder.key), &jwk(&key), Some(&responder)), untrusted);
    type Forge = fn(&mut Answer);
    let lies: [(Forge, &str); 9] = [
        (|a| a.status = 1, "the OCSP responder refuses to answer"),
        (|a| a.cert_status = revoked(AT), "revoked"),
        (|a| a.cert_status = UNKNOWN.to_vec(), "unknown"),
        (|a| *a.cert_id.last_mut().unwrap() ^= 1, "the OCSP answer is about another certificate"),
        (|a| a.cert_id[40] ^= 1, "the OCSP answer is about another certificate"),
        (|a| a.produced_at = AT - 3600, "the OCSP answer is not of this time"),
        (|a| a.this_update = AT + 3600, "the OCSP answer is not of this time"),
        (|a| a.next_update = Some(AT - 3600), "the OCSP answer is not of this time"),
        (|a| a.cert_hash = Some([7; 32]), "the OCSP answer has the hash of another certificate"),
    ];
    for (forge, detail) in lies {
        let mut answer = answer.clone();
        forge(&mut answer);
        let bundle = lie(Some(responder.key.sign(&answer)), &responder.key);
        assert_eq!(verify(&bundle, &jwk(&key), Some(&responder)), fails(detail));
    }
    for (from, until) in [(AT + 1, AT + 86_400), (AT - 86_400, AT - 1)] {
        let ended = ResponderKey::valid(from, until);
        let bundle = lie(Some(ended.sign(&answer)), &ended);
        assert_eq!(verify(&bundle, &jwk(&key), None), fails("the OCSP responder's certificate is not valid"));
    }
}
