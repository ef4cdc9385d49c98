//! Attacks on registering a device.

use std::sync::{Arc, Mutex};

use super::common::line::{Cut, Liar};
use super::*;

#[test]
fn the_honest_attempt_is_accepted() {
    // Without this, every refusal below could be for another reason.
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let request = attempt.signed();
    let answer = attempt.submit(&request).unwrap();
    let now = world.clock.now();
    assert_eq!((answer.state.as_str(), answer.active_from), ("active", Some(now)));
    let device = answer.device.unwrap();
    assert_eq!((answer.device_id, answer.binding_level), (Some(device.device_id), Some(BindingLevel::B3)));
    let path = format!("/v1/registrations/{}", attempt.challenge.registration_id);
    let again: serde_json::Value = attempt.computer.here.service.get(&path).unwrap();
    assert_eq!(again["state"], "active");
    assert_eq!(again["device_id"], device.device_id.to_string());
    assert_eq!(again["receipt"], answer.receipt.unwrap());
}

#[test]
fn another_persons_card_is_refused() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    assert_eq!(Attempt::with(computer, card(MAX)).refused(), code("other_person"));
}

#[test]
fn another_persons_card_with_the_victims_number_in_every_message_is_refused() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut attempt = Attempt::with(computer, card(MAX));
    attempt.statement.kvnr = kvnr(ERIKA);
    attempt.proof.kvnr = kvnr(ERIKA);
    assert_eq!(attempt.refused(), code("other_person"), "the number comes from the certificate alone");
}

#[test]
fn a_swapped_device_key_is_refused() {
    let world = World::new();
    // The key the card signed is the attacker's; announced and proven is the person's.
    let mut attempt = Attempt::honest(&world);
    let own = &attempt.pairing;
    attempt.pairing =
        PairingData::new(&attempt.certificate, &jwk(&new_key()), own.key_identifier, "Kartenbund").unwrap();
    assert_eq!(attempt.refused(), part("pairing_invalid", "se_subject_public_key_info"));

    // The card signed the person's key; the attacker proves possession of his own.
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let mut request = attempt.signed();
    let attacker = new_key();
    request.pop = sign_with_jwk(&attempt.proof, jwk(&attacker), &attacker).unwrap();
    assert_eq!(attempt.refused_with(&request), part("possession_invalid", "message"));

    // He names the person's key and signs with his own.
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let mut request = attempt.signed();
    request.pop = sign_with_jwk(&attempt.proof, jwk(&attempt.device_key), &attacker).unwrap();
    assert_eq!(attempt.refused_with(&request), part("possession_invalid", "signature"));
}

#[test]
fn a_replayed_challenge_is_refused() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let honest = attempt.signed();
    let mut wrong = honest.clone();
    wrong.nonce_d = DeviceNonce::random(&mut rng());
    assert_eq!(attempt.refused_with(&wrong), code("nonce_mismatch"));
    assert_eq!(attempt.refused_with(&honest), code("challenge_ended"), "it was used up by the failure");

    let again = challenge(&attempt.computer, &attempt.challenge.registration_id.to_string());
    assert_eq!(
        attempt.refused_with(&honest),
        part("card_statement_invalid", "challenge"),
        "a new challenge does not take the old evidence"
    );
    let _ = again;
}

#[test]
fn a_challenge_lives_three_minutes() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let request = attempt.signed();
    world.clock.advance(180);
    assert_eq!(attempt.refused_with(&request), code("challenge_ended"));
}

#[test]
fn a_registration_lives_half_an_hour() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let request = attempt.signed();
    world.stretch_sessions();
    world.clock.advance(30 * 60);
    assert_eq!(attempt.refused_with(&request), code("registration_ended"));
    let path = format!("/v1/registrations/{}/challenge", attempt.challenge.registration_id);
    let late = attempt.computer.here.service.call::<_, ChallengeAnswer>(Method::POST, &path, &json!({}));
    assert_eq!(refusal(late), code("registration_ended"));
}

#[test]
fn pairing_data_signed_earlier_for_another_registration_are_refused() {
    let world = World::new();
    let mut earlier = Attempt::honest(&world);
    let earlier_pairing = earlier.sign_pairing();

    // The attacker has the pairing data the card signed once, and announces the same device key again.
    let Attempt { computer, card, device_key, pairing, .. } = earlier;
    let mut attempt = Attempt::with(computer, card);
    attempt.pairing = pairing;
    let old = sign_with_jwk(&attempt.proof, jwk(&device_key), &device_key).unwrap();
    attempt.statement.pairing_sha256 = Sha256Hash::of(earlier_pairing.as_bytes());
    let mut request = attempt.signed_over(earlier_pairing);
    assert_eq!(
        attempt.refused_with(&request),
        part("pairing_invalid", "se_subject_public_key_info"),
        "they name the earlier key"
    );
    request.pop = old;
    let _ = challenge(&attempt.computer, &attempt.challenge.registration_id.to_string());
    assert_eq!(attempt.refused_with(&request).0, "pairing_invalid");
}

#[test]
fn a_device_key_is_bound_once_and_never_again() {
    let world = World::new();
    let mut first = Attempt::honest(&world);
    let request = first.signed();
    let device = first.submit(&request).unwrap().device.unwrap();
    let Attempt { computer, card, device_key, pairing, .. } = first;
    computer.by_card().remove(device.device_id).unwrap();

    // The same key, after it was revoked.
    let mut attempt = Attempt::with(computer, card);
    let path = format!("/v1/registrations/{}", attempt.challenge.registration_id);
    let open: RegistrationAnswer = attempt.computer.here.service.get(&path).unwrap();
    assert_eq!((open.state.as_str(), open.device_id, open.binding_level), ("open", None, None));
    let request = RegistrationRequest {
        method: BindingMethod::Card,
        jkt: jwk(&device_key).thumbprint(),
        commit: attempt.nonce.commitment(),
        device_information: information(),
        replaces: Vec::new(),
    };
    let service = &attempt.computer.here.service;
    let offer: RegistrationOffer = service.call(Method::POST, "/v1/registrations", &request).unwrap();
    attempt.challenge = challenge(&attempt.computer, &offer.registration_id.to_string());
    attempt.device_key = device_key;
    let jkt = jwk(&attempt.device_key).thumbprint();
    attempt.statement.registration_id = offer.registration_id;
    attempt.statement.challenge = attempt.challenge.challenge;
    attempt.statement.jkt = jkt;
    attempt.proof.registration_id = offer.registration_id;
    attempt.proof.challenge = attempt.challenge.challenge;
    attempt.proof.jkt = jkt;
    attempt.proof.voprf_pk = Some(offer.voprf_pk);
    let fresh = KeyIdentifier::random(&mut rng());
    let own = jwk(&attempt.device_key);
    attempt.pairing = PairingData::new(&attempt.certificate, &own, fresh, "Kartenbund").unwrap();
    let request = attempt.signed();
    assert_eq!(attempt.refused_with(&request), code("key_in_use"));

    // Another key under the same identifier.
    let Attempt { computer, card, .. } = attempt;
    let mut attempt = Attempt::with(computer, card);
    attempt.pairing.key_identifier = pairing.key_identifier;
    assert_eq!(attempt.refused(), code("key_in_use"));
}

#[test]
fn device_information_that_deceives_or_is_of_another_version_is_refused() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    type Forge = fn(&mut DeviceInformation);
    let forgeries: [(&str, Forge); 8] = [
        ("version", |i| i.device_information_data_version = "1.1".to_owned()),
        ("version of the type", |i| i.device_type.device_type_data_version = "1.1".to_owned()),
        ("name", |i| i.name = "PC\u{202E}".to_owned()),
        ("manufacturer", |i| i.device_type.manufacturer = String::new()),
        ("product", |i| i.device_type.product = " p".to_owned()),
        ("model", |i| i.device_type.model = "m\n".to_owned()),
        ("os", |i| i.device_type.os = "o\u{200B}".to_owned()),
        ("os_version", |i| i.device_type.os_version = "v".repeat(101)),
    ];
    for (what, forge) in forgeries {
        let mut device_information = information();
        forge(&mut device_information);
        let commit = DeviceNonce::random(&mut rng()).commitment();
        let jkt = jwk(&new_key()).thumbprint();
        let request =
            RegistrationRequest { method: BindingMethod::Card, jkt, commit, device_information, replaces: Vec::new() };
        let offer = computer.here.service.call::<_, RegistrationOffer>(Method::POST, "/v1/registrations", &request);
        assert_eq!(refusal(offer), code("device_information_invalid"), "{what}");
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM registration"), 0);
}

fn announce(computer: &Computer) -> Result<RegistrationOffer, ServiceError> {
    let request = RegistrationRequest {
        method: BindingMethod::Card,
        jkt: jwk(&new_key()).thumbprint(),
        commit: DeviceNonce::random(&mut rng()).commitment(),
        device_information: information(),
        replaces: Vec::new(),
    };
    computer.here.service.call(Method::POST, "/v1/registrations", &request)
}

#[test]
fn ten_registrations_a_day_are_enough_for_one_person() {
    let world = World::new();
    let erika = world.log_in(ERIKA, &world.member(ERIKA));
    let max = world.log_in(MAX, &world.member(MAX));
    for _ in 0..10 {
        announce(&erika).unwrap();
    }
    assert_eq!(refusal(announce(&erika)), code("too_many_registrations"));
    assert!(announce(&max).is_ok(), "they are hers, not his");
    world.stretch_sessions();
    world.clock.advance(24 * 60 * 60);
    assert!(announce(&erika).is_ok(), "the next day");
}

#[test]
fn a_registration_that_is_done_takes_no_challenge_and_no_evidence() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let request = attempt.signed();
    attempt.submit(&request).unwrap();
    let path = format!("/v1/registrations/{}/challenge", attempt.challenge.registration_id);
    let again = attempt.computer.here.service.call::<_, ChallengeAnswer>(Method::POST, &path, &json!({}));
    assert_eq!(refusal(again), code("registration_ended"));
    assert_eq!(refusal(attempt.submit(&request)), code("registration_ended"));
}

#[test]
fn what_happens_to_one_registration_leaves_another_alone() {
    let world = World::new();
    let mut erika = Attempt::honest(&world);
    let max = world.log_in(MAX, &world.member(MAX));
    let mut max = Attempt::with(max, card(MAX));
    let honest = max.signed();
    let mut wrong = honest.clone();
    wrong.nonce_d = DeviceNonce::random(&mut rng());
    assert_eq!(max.refused_with(&wrong), code("nonce_mismatch"));
    let request = erika.signed();
    assert_eq!(erika.submit(&request).unwrap().state, "active", "her challenge is neither his nor used up with his");
    let path = format!("/v1/registrations/{}", max.challenge.registration_id);
    let his = max.computer.here.service.get::<RegistrationAnswer>(&path).unwrap();
    assert!(his.state == "open" && his.device.is_none(), "nothing of his is bound");

    // A key is named within an account: what hers is called is nobody else's business.
    max.pairing.key_identifier = erika.pairing.key_identifier;
    max.challenge = challenge(&max.computer, &max.challenge.registration_id.to_string());
    (max.statement.challenge, max.proof.challenge) = (max.challenge.challenge, max.challenge.challenge);
    let request = max.signed();
    assert_eq!(max.submit(&request).unwrap().state, "active");
}

#[test]
fn a_service_that_fails_half_way_leaves_the_registration_as_it_was() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let request = attempt.signed();
    world.fault("device", "INSERT");
    assert_eq!(attempt.refused_with(&request), code("internal"));
    world.mend("device");
    assert_eq!(attempt.submit(&request).unwrap().state, "active", "nothing was used up");
}

/// Her letter is not to blame: once she has removed a device, its code binds this one.
#[test]
fn a_code_whose_device_is_one_too_many_is_not_used_up() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let letter = world.letter_with_code(ERIKA);
    let folder = |n| world.folder.path().join(format!("computer {n}"));
    let others: Vec<_> = (0..5).map(|n| world.try_log_in(&folder(n), ERIKA, PASSWORD).unwrap()).collect();
    others[..4].iter().for_each(|it| drop(it.register(&mut card(ERIKA)).unwrap()));
    // The fifth is bound while the letter's registration is on its way.
    let fifth = Arc::new(Mutex::new(others.into_iter().nth(4)));
    let line = Liar::cutting(&world, Cut::Request, move |path| {
        if path.ends_with("/evidence")
            && let Some(fifth) = fifth.lock().unwrap().take()
        {
            fifth.register(&mut card(ERIKA)).unwrap();
        }
        false
    });
    let deceived = line.deceives(&computer);
    let refused = deceived.register_by_letter(&letter);
    assert!(matches!(&refused, Err(RegisterError::Service(error)) if error.is_refused_with("too_many_devices")));
    let first = computer.devices().pop().unwrap();
    computer.by_card().remove(first.device_id).unwrap();
    assert_eq!(computer.register_by_letter(&letter).unwrap().state, "pending_wait");
}

#[test]
fn the_limit_of_devices_holds_for_registrations_begun_before_it_was_reached() {
    let world = World::new();
    let mut first = Attempt::honest(&world);
    let request = first.signed();
    first.submit(&request).unwrap();
    let mut second = Attempt::with(first.computer, first.card);
    world
        .sql(
            "INSERT INTO device (device_id, account_id, state, name, method, binding_level, jkt, jwk, transport_jwk, \
             key_identifier, active_from, expires_at, evidence) SELECT SUBSTR(device_id, 1, 20) || n || 'A', account_id, \
             state, name, method, binding_level, jkt || n, jwk, transport_jwk, key_identifier || n, active_from, \
             expires_at, evidence FROM device, \
             (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) AS numbers",
        )
        .unwrap();
    let request = second.signed();
    assert_eq!(refusal(second.submit(&request)), code("too_many_devices"));
    assert_eq!(world.count("SELECT COUNT(*) FROM device"), 5);
    let announced = RegistrationRequest {
        method: BindingMethod::Card,
        jkt: jwk(&new_key()).thumbprint(),
        commit: second.nonce.commitment(),
        device_information: information(),
        replaces: Vec::new(),
    };
    let service = &second.computer.here.service;
    let third = service.call::<_, RegistrationOffer>(Method::POST, "/v1/registrations", &announced);
    assert_eq!(refusal(third), code("too_many_devices"));
    assert_eq!(world.count("SELECT COUNT(*) FROM registration"), 2);
}
