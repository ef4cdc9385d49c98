//! Binding anew what is not one's own, or with what is not its own.

use kartenbund::client::Step;
use kartenbund::client::rebind::rebind;
use kartenbund::protocol::DeviceId;
use kartenbund::protocol::api::{RebindingOffer, RebindingRequest, RegistrationPinRequest};
use kartenbund::protocol::evidence::LinkName as Name;

use super::answers::{altered, key_of, resigned};
use super::common::thief::any_element;
use super::common::verifier::second_verifier;
use super::*;

/// An honest re-binding of an honest person's device, taken apart.
struct Rebinding {
    attempt: Attempt,
    device_id: DeviceId,
}

fn open(computer: &Computer, device_id: DeviceId, nonce: &DeviceNonce) -> Result<RebindingOffer, ServiceError> {
    let request = RebindingRequest { commit: nonce.commitment() };
    computer.here.service.call(Method::POST, &format!("/v1/devices/{device_id}/rebind"), &request)
}

impl Rebinding {
    fn honest(world: &World) -> Self {
        let mut attempt = Attempt::honest(world);
        let request = attempt.signed();
        let device_id = attempt.submit(&request).unwrap().device_id.unwrap();
        let mut rebinding = Self { attempt, device_id };
        rebinding.begin();
        rebinding
    }

    /// Everything is as in the registration, for another registration and challenge.
    fn begin(&mut self) {
        let Attempt { computer, nonce, challenge, statement, proof, .. } = &mut self.attempt;
        *nonce = DeviceNonce::random(&mut rng());
        let offer = open(computer, self.device_id, nonce).unwrap();
        *challenge = super::challenge(computer, &offer.registration_id.to_string());
        assert_eq!(challenge.jkt, proof.jkt, "the service names the key of the device");
        (statement.registration_id, proof.registration_id) = (offer.registration_id, offer.registration_id);
        (statement.challenge, proof.challenge) = (challenge.challenge, challenge.challenge);
        (statement.iat, proof.iat) = (computer.clock.now(), computer.clock.now());
    }

    /// What the service says to it: the code, and the part it names. Nothing has changed.
    fn refused(mut self, world: &World) -> (String, String) {
        let request = self.attempt.signed();
        self.refused_with(world, &request)
    }

    fn refused_with(&self, world: &World, request: &EvidenceRequest) -> (String, String) {
        let refused = refusal(self.attempt.submit(request));
        assert_eq!(world.audited("device.rebound"), 0);
        assert_eq!(world.count("SELECT COUNT(*) FROM device_binding"), 0);
        refused
    }
}

#[test]
fn honest_people_bind_anew() {
    let world = World::new();
    let mut rebinding = Rebinding::honest(&world);
    let request = rebinding.attempt.signed();
    assert_eq!(rebinding.attempt.submit(&request).unwrap().device_id, Some(rebinding.device_id));
    assert_eq!(refusal(rebinding.attempt.submit(&request)), code("registration_ended"), "and once");
    assert_eq!(world.audited("device.rebound"), 1);
}

#[test]
fn nobody_binds_the_device_of_another_account_anew() {
    let world = World::new();
    let rebinding = Rebinding::honest(&world);
    let max = world.log_in(MAX, &world.member(MAX));
    let nonce = DeviceNonce::random(&mut rng());
    assert_eq!(refusal(open(&max, rebinding.device_id, &nonce)), code("not_found"));
    assert_eq!(refusal(open(&max, DeviceId::random(&mut rng()), &nonce)), code("not_found"));
}

#[test]
fn a_device_that_was_locked_or_revoked_or_waits_is_not_bound_anew_whenever_that_happens() {
    for (state, refused) in [
        ("locked", code("device_locked_by_owner")),
        ("revoked", code("share_erased")),
        ("pending_wait", part("device_waiting", &NOW.unix_timestamp().to_string())),
    ] {
        let world = World::new();
        let mut rebinding = Rebinding::honest(&world);
        let request = rebinding.attempt.signed();
        world.sql(format!("UPDATE device SET state = '{state}'")).unwrap();
        let again = open(&rebinding.attempt.computer, rebinding.device_id, &DeviceNonce::random(&mut rng()));
        assert_eq!(refusal(again), refused);
        assert_eq!(rebinding.refused_with(&world, &request), refused, "also between the two");
        assert_eq!(world.column("SELECT state FROM device"), [state]);
    }
}

#[test]
fn another_persons_card_binds_nothing_anew() {
    let world = World::new();
    let mut rebinding = Rebinding::honest(&world);
    rebinding.attempt.card = card(MAX);
    rebinding.attempt.certificate = certificate_of(&mut rebinding.attempt.card);
    assert_eq!(rebinding.refused(&world), code("other_person"));
}

#[test]
fn a_card_that_was_reported_lost_or_that_its_issuer_has_revoked_binds_nothing_anew() {
    let world = World::new();
    let rebinding = Rebinding::honest(&world);
    world.sql(format!("UPDATE account SET cards_from = {}", NOW.unix_timestamp() + 60)).unwrap();
    assert_eq!(rebinding.refused(&world), code("card_revoked"));

    let (world, responder) = World::with_ocsp();
    let mut card = card(ERIKA);
    let der = certificate_of(&mut card).der;
    responder.issued(&der);
    let mut attempt = Attempt::with(world.log_in(ERIKA, &world.member(ERIKA)), card);
    let request = attempt.signed();
    let device_id = attempt.submit(&request).unwrap().device_id.unwrap();
    let mut rebinding = Rebinding { attempt, device_id };
    rebinding.begin();
    responder.revoke(&der);
    assert_eq!(rebinding.refused(&world), code("card_revoked"));
}

/// A key that the thief has; it is not the one of the device.
#[test]
fn another_key_does_not_take_the_place_of_the_devices() {
    let world = World::new();
    let mut rebinding = Rebinding::honest(&world);
    let Attempt { device_key, pairing, certificate, statement, proof, .. } = &mut rebinding.attempt;
    *device_key = new_key();
    let key_identifier = pairing.key_identifier;
    *pairing = PairingData::new(certificate, &jwk(device_key), key_identifier, "Kartenbund").unwrap();
    (statement.jkt, proof.jkt) = (jwk(device_key).thumbprint(), jwk(device_key).thumbprint());
    assert_eq!(rebinding.refused(&world), part("pairing_invalid", "se_subject_public_key_info"));

    // The card has signed the right key, and the wrong one is there.
    let world = World::new();
    let mut rebinding = Rebinding::honest(&world);
    rebinding.attempt.device_key = new_key();
    assert_eq!(rebinding.refused(&world).0, "possession_invalid");
}

#[test]
fn what_belongs_to_the_device_stays_its_own() {
    type Forge = fn(&mut Attempt);
    let forgeries: [(Forge, (String, String)); 5] = [
        (|it| it.proof.transport_jwk = jwk(&new_key()), part("possession_invalid", "transport_jwk")),
        (|it| it.proof.voprf_pk = Some(any_element()), part("possession_invalid", "voprf_pk")),
        (|it| it.proof.voprf_pk = None, part("possession_invalid", "voprf_pk")),
        (|it| it.pairing.key_identifier = KeyIdentifier::random(&mut rng()), part("pairing_invalid", "key_identifier")),
        (|it| it.nonce = DeviceNonce::random(&mut rng()), code("nonce_mismatch")),
    ];
    let refusals = forgeries.map(|(forge, expected)| {
        let world = World::new();
        let mut rebinding = Rebinding::honest(&world);
        forge(&mut rebinding.attempt);
        let request = rebinding.attempt.signed();
        (rebinding.attempt.submit(&request).map(drop), expected, world.audited("device.rebound"))
    });
    for (refused, expected, _) in &refusals {
        assert!(
            matches!(refused, Err(ServiceError::Refused { code, detail, .. })
                if *code == expected.0 && detail.clone().unwrap_or_default() == expected.1),
            "{refusals:?}"
        );
    }
    assert!(refusals.iter().all(|(.., rebound)| *rebound == 0));
}

#[test]
fn the_share_of_another_device_is_not_taken_for_this_ones() {
    let world = World::new();
    let mut rebinding = Rebinding::honest(&world);
    let other = world.try_log_in(&world.folder.path().join("other"), ERIKA, PASSWORD).unwrap();
    other.register(&mut card(ERIKA)).unwrap();
    rebinding.attempt.proof.voprf_pk = other.here.home.device().unwrap().key.voprf_pk();
    assert_eq!(rebinding.refused(&world), part("possession_invalid", "voprf_pk"));
}

#[test]
fn what_the_card_has_signed_for_the_first_binding_makes_no_second() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let first = attempt.signed();
    let device_id = attempt.submit(&first).unwrap().device_id.unwrap();
    let mut rebinding = Rebinding { attempt, device_id };
    rebinding.begin();
    // All that is fresh is by the device key, which the thief of the open computer has.
    let HandedIn::Card(evidence) = first.evidence else { panic!() };
    rebinding.attempt.proof.evidence_sha256 = evidence.sha256();
    let (pop, nonce_d) = (rebinding.attempt.prove(), rebinding.attempt.nonce);
    let replayed = EvidenceRequest { pop, nonce_d, evidence: HandedIn::Card(evidence), attestation: None };
    assert_eq!(rebinding.refused_with(&world, &replayed), part("card_statement_invalid", "registration_id"));
}

#[test]
fn a_rebinding_offers_no_share_to_guess_with_and_counts_among_the_registrations_of_a_day() {
    let world = World::new();
    let rebinding = Rebinding::honest(&world);
    let Rebinding { attempt: Attempt { computer, challenge, .. }, device_id } = &rebinding;
    let path = format!("/v1/registrations/{}/pin", challenge.registration_id);
    let asked: Result<serde_json::Value, _> =
        computer.here.service.call(Method::POST, &path, &RegistrationPinRequest { blinded: any_element() });
    assert_eq!(refusal(asked), code("registration_ended"));
    let begin = || open(computer, *device_id, &DeviceNonce::random(&mut rng()));
    (0..8).for_each(|_| drop(begin().unwrap()));
    assert_eq!(refusal(begin()), code("too_many_registrations"));
}

#[test]
fn a_name_that_another_key_has_is_not_given_to_a_device_of_a_letter() {
    let world = World::new();
    let mut rebinding = Rebinding::honest(&world);
    let other = world.try_log_in(&world.folder.path().join("other"), ERIKA, PASSWORD).unwrap();
    other.register(&mut card(ERIKA)).unwrap();
    world.sql(format!("UPDATE device SET method = 'qr' WHERE device_id = '{}'", rebinding.device_id)).unwrap();
    rebinding.attempt.pairing.key_identifier = other.here.home.device().unwrap().key.key_identifier.into();
    assert_eq!(rebinding.refused(&world), code("key_in_use"));
}

#[test]
fn evidence_does_not_give_a_device_another_key() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let other = world.try_log_in(&world.folder.path().join("other"), ERIKA, PASSWORD).unwrap();
    other.register(&mut card(ERIKA)).unwrap();
    let mut bundle: Bundle = computer.here.service.get("/v1/evidence").unwrap();
    // The service itself lies, and signs that the second key is one of the first device.
    let device_id = bundle.devices[0].binding.device_id;
    let binding = &mut bundle.devices[1].binding;
    (binding.device_id, binding.audit) = (device_id, None);
    resigned(&key_of(&world), &mut binding.receipt, |receipt: &mut Receipt| receipt.id = device_id.to_string());
    let key = &computer.here.profile.service_keys;
    let report = bundle.verify(&anchors_of(&[&ca()]), key);
    let failed: Vec<_> = report.links.iter().filter(|link| link.result == LinkResult::Fails).collect();
    assert_eq!((failed.len(), failed[0].name, failed[0].detail.as_deref()), (1, Name::DevicePossession, Some("jwk")));
    assert_eq!(second_verifier(&[serde_json::to_vec(&bundle).unwrap()], &[&ca()], key), [false]);
}

#[test]
fn lies_about_a_device_that_is_bound_anew_are_not_believed_and_its_file_stays() {
    type Forge = fn(&SigningKey, &mut RegistrationAnswer);
    let lies: [(&str, Forge); 5] = [
        ("another device", |_, answer| answer.device.as_mut().unwrap().device_id = [7; 16].into()),
        ("another key", |_, answer| answer.device.as_mut().unwrap().jkt = jwk(&new_key()).thumbprint()),
        ("a receipt for something else", |key, answer| {
            let forge = |receipt: &mut Receipt| receipt.sha256 = Sha256Hash::of(b"something else");
            resigned(key, answer.receipt.as_mut().unwrap(), forge);
        }),
        ("a receipt of the day before", |key, answer| {
            resigned(key, answer.receipt.as_mut().unwrap(), |receipt: &mut Receipt| receipt.at -= 24 * 60 * 60);
        }),
        ("no receipt", |_, answer| answer.receipt = None),
    ];
    let mut believed = Vec::new();
    for (what, forge) in lies {
        let world = World::new();
        let computer = world.registered(ERIKA);
        let file = || std::fs::read(computer.here.home.folder().join("device.json")).unwrap();
        let (before, key) = (file(), key_of(&world));
        let liar = Liar::before(&world, move |path, (status, body)| {
            let lie = |answer: &mut RegistrationAnswer| forge(&key, answer);
            (status, if path.ends_with("/evidence") { altered(&body, lie) } else { body })
        });
        let deceived = liar.deceives(&computer);
        let refused = computer.with(&mut Script::default(), |around| {
            rebind(&deceived.here, &mut card(ERIKA), ApduLength::Extended, around)
        });
        let is_noticed =
            matches!(refused, Err(RegisterError::Service(ServiceError::Contradiction("device" | "receipt"))));
        if !is_noticed || file() != before {
            believed.push((what, refused.map(drop)));
        }
    }
    assert!(believed.is_empty(), "{believed:?}");
}

#[test]
fn an_offer_to_bind_anew_in_another_services_name_spends_no_pin() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let liar = Liar::before(&world, |path, (status, body)| {
        let lie = |offer: &mut RebindingOffer| offer.aud = "https://stranger.example".to_owned();
        (status, if path.ends_with("/rebind") { altered(&body, lie) } else { body })
    });
    let (deceived, mut script) = (liar.deceives(&computer), Script::default());
    let refused =
        computer.with(&mut script, |around| rebind(&deceived.here, &mut card(ERIKA), ApduLength::Extended, around));
    let is_noticed = matches!(refused, Err(RegisterError::Service(ServiceError::Contradiction("registration"))));
    assert!(is_noticed, "{refused:?}");
    assert!(!script.steps.contains(&Step::VerifyPin) && !script.steps.contains(&Step::OpenDeviceKey));
}
