//! Attacks with devices that another one adds.

use kartenbund::protocol::addition::AdditionEvidence;
use kartenbund::protocol::api::{NonceAnswer, NonceGiven, NonceShown};
use kartenbund::protocol::approval::Document;
use kartenbund::protocol::evidence::Grounds;
use kartenbund::protocol::qr::ShownBy;

use super::additions::Added;
use super::*;

fn two_computers(world: &World) -> (Computer, Computer) {
    let old = world.a_fortnight_later(&world.registered(ERIKA));
    (old, world.second_computer("laptop"))
}

/// Somebody with the service in hands writes another document for the only application that waits.
fn write_document(world: &World, change: impl FnOnce(&mut NewDevice)) {
    let bytes = world.documents().remove(0).into_bytes();
    let Document { approval_id, application_id, account, created, change: before } =
        FrozenDocument::from_bytes(bytes).read().unwrap();
    let Change::Device(mut device) = before else { panic!() };
    change(&mut device);
    let document = Document { approval_id, application_id, account, created, change: Change::Device(device) };
    let hex = hex::encode(document.freeze().unwrap().as_bytes());
    let set = |value: String| format!("UPDATE application SET document = {value}");
    world.sql_each([set(format!("x'{hex}'")), set(format!("'\\x{hex}'::bytea"))]).unwrap();
}

#[test]
fn a_service_that_puts_another_key_before_the_old_device_cannot_make_the_digits_fit() {
    let world = World::new();
    let (old, new) = two_computers(&world);
    // It has fixed its own nonce before it learns that of the old device, and shows it at once.
    let own = DeviceNonce::random(&mut rng());
    let swap = || {
        write_document(&world, |device| {
            device.jkt = jwk(&new_key()).thumbprint();
            device.commit = own.commitment();
        });
        world.sql(format!("UPDATE device_addition SET nonce_d = '{own}'")).unwrap();
    };
    let Added { old: decision, .. } =
        world.add_meanwhile((&old, &new), Verdict::Approve, &Strings::default(), swap, || {});
    assert!(matches!(decision, Err(ApproveError::StringsDiffer)), "{decision:?}");
    assert_eq!(world.column("SELECT verdict FROM application"), ["deny"], "nothing was signed for the other key");
    assert_eq!(world.count("SELECT COUNT(*) FROM device"), 1);
}

#[test]
fn a_nonce_that_was_not_announced_is_found_before_anything_is_typed() {
    let world = World::new();
    let (old, new) = two_computers(&world);
    // Whoever chose his nonce when he has that of the old device could try until the digits fit.
    let chosen = DeviceNonce::random(&mut rng());
    let choose = || {
        world.sql(format!("UPDATE device_addition SET nonce_d = '{chosen}'")).unwrap();
    };
    let strings = Strings::default();
    let Added { old: decision, .. } = world.add_meanwhile((&old, &new), Verdict::Approve, &strings, choose, || {});
    assert!(matches!(&decision, Err(ApproveError::Service(ServiceError::Contradiction("nonce")))), "{decision:?}");
    assert_eq!(world.count("SELECT COUNT(*) FROM application WHERE verdict IS NOT NULL"), 0);
}

#[test]
fn the_new_device_shows_its_nonce_to_nobody_before_the_old_one_has_given_its_own() {
    let world = World::new();
    let (old, new) = two_computers(&world);
    let look = || {
        std::thread::sleep(std::time::Duration::from_millis(200)); // it has asked several times
        assert_eq!(world.count("SELECT COUNT(*) FROM device_addition WHERE nonce_d IS NULL"), 1);
        assert_eq!(world.count("SELECT COUNT(*) FROM audit WHERE seq > 0"), world.audit_entries().len() as i64);
        assert!(!world.audit_entries().join("\n").contains("nonce_shown"));
    };
    world.add_meanwhile((&old, &new), Verdict::Approve, &Strings::default(), look, || {}).new.unwrap();

    let attempt = Attempted::begin(world.second_computer("third"));
    let path = format!("/v1/registrations/{}/nonce", attempt.registration_id);
    let shown = NonceShown { nonce_d: attempt.nonce };
    assert_eq!(refusal_of(attempt.computer.here.service.submit(Method::POST, &path, &shown)), "strings_not_compared");
}

#[test]
fn a_device_that_was_locked_or_removed_in_the_meantime_adds_none() {
    for (what, expected) in [("locked", "device_locked_by_owner"), ("revoked", "no_device")] {
        let world = World::new();
        let (old, new) = two_computers(&world);
        let lose = || {
            world.sql(format!("UPDATE device SET state = '{what}'")).unwrap();
        };
        let added = world.add_meanwhile((&old, &new), Verdict::Approve, &Strings::default(), || {}, lose);
        assert_eq!(added.old.as_ref().unwrap().application.state, "executed");
        assert_eq!(added.refused(), expected);
        assert_eq!(world.count("SELECT COUNT(*) FROM device"), 1);
    }
}

/// A registration by another device, taken apart.
struct Attempted {
    computer: Computer,
    key: SigningKey,
    nonce: DeviceNonce,
    registration_id: String,
    approval_id: kartenbund::protocol::ApprovalId,
    voprf_pk: kartenbund::voprf::Element,
}

impl Attempted {
    fn begin(computer: Computer) -> Self {
        let (key, nonce) = (new_key(), DeviceNonce::random(&mut rng()));
        let request = RegistrationRequest {
            method: BindingMethod::Device,
            jkt: jwk(&key).thumbprint(),
            commit: nonce.commitment(),
            device_information: information(),
            replaces: Vec::new(),
        };
        let offer: RegistrationOffer = computer.here.service.call(Method::POST, "/v1/registrations", &request).unwrap();
        let approval_id = offer.addition.unwrap().approval_id;
        let registration_id = offer.registration_id.to_string();
        Self { computer, key, nonce, registration_id, approval_id, voprf_pk: offer.voprf_pk }
    }

    fn hand_in(&self, approval_id: kartenbund::protocol::ApprovalId) -> Result<RegistrationAnswer, ServiceError> {
        let RegistrationChallenge { aud, challenge, jkt, kvnr, registration_id, .. } =
            challenge(&self.computer, &self.registration_id);
        let evidence = AdditionEvidence { approval_id };
        let proof = ProofOfPossession {
            v: VERSION,
            aud,
            registration_id,
            challenge,
            iat: self.computer.clock.now(),
            method: BindingMethod::Device,
            kvnr,
            jkt,
            evidence_sha256: evidence.sha256(),
            voprf_pk: Some(self.voprf_pk),
            transport_jwk: jwk(&new_key()),
            attestation_sha256: None,
        };
        let pop = sign_with_jwk(&proof, jwk(&self.key), &self.key).unwrap();
        let request =
            EvidenceRequest { pop, nonce_d: self.nonce, evidence: HandedIn::Device(evidence), attestation: None };
        let path = format!("/v1/registrations/{}/evidence", self.registration_id);
        self.computer.here.service.call(Method::PUT, &path, &request)
    }
}

fn refusal_of<T: std::fmt::Debug>(answer: Result<T, ServiceError>) -> String {
    refusal(answer).0
}

#[test]
fn whoever_has_the_password_alone_is_not_added_and_an_approval_adds_what_it_names_and_nothing_else() {
    let world = World::new();
    let (old, new) = two_computers(&world);
    let strings = Strings::default();
    world.add_meanwhile((&old, &new), Verdict::Approve, &strings, || {}, || {}).new.unwrap();
    let used = strings.approval();

    let thief = Attempted::begin(world.second_computer("thief"));
    assert_eq!(refusal_of(thief.hand_in(thief.approval_id)), "addition_not_approved", "nobody has decided");
    assert_eq!(refusal_of(thief.hand_in(used)), "addition_not_approved", "it was for another registration");
    // The insider helps: he says that it was for this one.
    world.sql("DELETE FROM device_addition WHERE nonce_d IS NOT NULL").unwrap();
    world.sql(format!("UPDATE device_addition SET approval_id = '{used}'")).unwrap();
    assert_eq!(refusal(thief.hand_in(used)), ("addition_invalid".to_owned(), "registration_id".to_owned()));
    assert_eq!(world.count("SELECT COUNT(*) FROM device"), 2);
}

#[test]
fn a_second_device_cannot_take_part_and_no_decision_is_taken_without_the_digits() {
    let world = World::new();
    let (old, _) = two_computers(&world);
    let attempt = Attempted::begin(world.second_computer("thief"));
    let nonce_path = format!("/v1/approvals/{}/nonce", attempt.approval_id);
    let give = |nonce_o| old.here.service.call::<_, NonceAnswer>(Method::POST, &nonce_path, &NonceGiven { nonce_o });
    let own = DeviceNonce::random(&mut rng());
    assert_eq!(give(own).unwrap().nonce_d, None);
    assert_eq!(give(own).unwrap().nonce_d, None, "the same is asked for again and again");
    assert_eq!(refusal_of(give(DeviceNonce::random(&mut rng()))), "nonce_given");
    let show = |nonce_d| {
        let path = format!("/v1/registrations/{}/nonce", attempt.registration_id);
        attempt.computer.here.service.submit(Method::POST, &path, &NonceShown { nonce_d })
    };
    assert_eq!(refusal_of(show(DeviceNonce::random(&mut rng()))), "nonce_mismatch", "another than was announced");

    let (answer, _) = fetch(&old.here, attempt.approval_id).unwrap();
    let iat = world.clock.now();
    let decision = Decision {
        v: VERSION,
        aud: old.here.profile.service.clone(),
        approval_id: attempt.approval_id,
        document: answer.document,
        challenge: answer.challenge.unwrap(),
        decision: Verdict::Approve,
        reason: None,
        match_code: None,
        iat,
        exp: iat + 60,
        jti: MessageId::random(&mut rng()),
    };
    let key = old.with(&mut Script::default(), |around| unlock(&old.here, 0, around)).unwrap();
    let request =
        DecisionRequest { device_id: old.devices().remove(0).device_id, decision: sign(&decision, &key).unwrap() };
    let path = format!("/v1/approvals/{}/decision", attempt.approval_id);
    let refused = old.here.service.call::<_, kartenbund::protocol::api::DecisionAnswer>(Method::POST, &path, &request);
    assert_eq!(refusal_of(refused), "strings_not_compared");

    // With the digits compared it is taken of the old device, and not of one that is there since today.
    show(attempt.nonce).unwrap();
    assert_eq!(give(own).unwrap().nonce_d, Some(attempt.nonce));
    let young = world.second_computer("desktop");
    let young_id = young.register(&mut card(ERIKA)).unwrap().device_id;
    let young_key = young.with(&mut Script::default(), |around| unlock(&young.here, 0, around)).unwrap();
    let of_young = DecisionRequest { device_id: young_id, decision: sign(&decision, &young_key).unwrap() };
    let refused =
        young.here.service.call::<_, kartenbund::protocol::api::DecisionAnswer>(Method::POST, &path, &of_young);
    assert_eq!(refusal_of(refused), "device_too_young");
    old.here.service.call::<_, kartenbund::protocol::api::DecisionAnswer>(Method::POST, &path, &request).unwrap();
    assert_eq!(refusal_of(give(own)), "already_decided", "what is decided is decided");
}

#[test]
fn a_service_that_shows_no_nonce_keeps_nobody_waiting_longer_than_the_approval_lives() {
    let world = World::new();
    let (old, _) = two_computers(&world);
    let attempt = Attempted::begin(world.second_computer("laptop"));
    let mut script = Script::default();
    let decision = std::thread::scope(|scope| {
        let deciding = scope
            .spawn(|| old.with(&mut script, |around| decide(&old.here, attempt.approval_id, Verdict::Approve, around)));
        let is_waiting = || world.count("SELECT COUNT(*) FROM device_addition WHERE nonce_o IS NOT NULL") == 1;
        world.wait_until("the old device waits", is_waiting);
        world.clock.advance(15 * 60 + 1);
        deciding.join().unwrap()
    });
    assert!(matches!(decision, Err(ApproveError::NotPending)), "{decision:?}");
    assert!(script.steps.contains(&kartenbund::client::Step::WaitForNewDevice), "she is told for whom it waits");
}

#[test]
fn a_bundle_of_an_added_device_that_was_tampered_with_fails() {
    let world = World::new();
    let (old, new) = two_computers(&world);
    let accepted = old.apply(&new_address());
    let mut script = Script::with_code(&accepted.match_code);
    old.with(&mut script, |around| decide(&old.here, accepted.approval_id, Verdict::Approve, around)).unwrap();
    let device = world.add(&old, &new).new.unwrap();
    let other: Bundle = old.here.service.get(&format!("/v1/evidence/{}", accepted.approval_id)).unwrap();
    let other = &other.devices[0].approvals[0];
    let honest: Bundle = new.here.service.get(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    let key = &new.here.profile.service_keys;
    assert!(honest.verify(&anchors_of(&[&ca()]), key).findings.is_some());
    fn grounds(bundle: &mut Bundle) -> &mut kartenbund::protocol::evidence::AdditionGrounds {
        match &mut bundle.devices[1].binding.grounds {
            Grounds::Device(grounds) => grounds,
            _ => panic!(),
        }
    }
    type Forge = fn(&mut Bundle, &ApprovalEvidence);
    let forgeries: [(&str, Forge, LinkName); 10] = [
        (
            "receipt of another decision",
            |b, other| grounds(b).approval.receipt = other.receipt.clone(),
            LinkName::DeviceAddition,
        ),
        (
            "another decision",
            |b, other| grounds(b).approval = ApprovalEvidence { audit: None, ..other.clone() },
            LinkName::DeviceAddition,
        ),
        ("a place in the audit", |b, other| grounds(b).approval.audit = other.audit.clone(), LinkName::DeviceAddition),
        ("added by nobody", |b, _| grounds(b).added_by = [9; 16].into(), LinkName::DeviceAddition),
        ("added by itself", |b, _| grounds(b).added_by = b.devices[1].binding.device_id, LinkName::DeviceAddition),
        (
            "decision",
            |b, _| grounds(b).approval.decision = flipped(&grounds(b).approval.decision, 2),
            LinkName::DeviceAddition,
        ),
        (
            "receipt",
            |b, _| grounds(b).approval.receipt = b.devices[0].binding.receipt.clone(),
            LinkName::DeviceAddition,
        ),
        ("challenge", |b, _| grounds(b).approval.challenge = [9; 32].into(), LinkName::DeviceAddition),
        ("without the old one", |b, _| drop(b.devices.remove(0)), LinkName::DeviceAddition),
        ("level", |b, _| b.devices[1].binding.binding_level = BindingLevel::B3, LinkName::BindingReceipt),
    ];
    let mut all = Vec::new();
    for (what, forge, link) in forgeries {
        let mut forged = honest.clone();
        forge(&mut forged, other);
        let report = forged.verify(&anchors_of(&[&ca()]), key);
        assert!(report.findings.is_none(), "{what}");
        let at = report.links.iter().find(|link| link.result == LinkResult::Fails).unwrap();
        assert_eq!(at.name, link, "{what}");
        all.push(serde_json::to_vec(&forged).unwrap());
    }
    // The service itself says something else of the decision: also that it came after the binding.
    type Says = fn(&mut Receipt);
    let of_service: [(&str, Says); 5] = [
        ("at", |receipt| receipt.at += 1),
        ("id", |receipt| receipt.id = "AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
        ("id", |receipt| receipt.subject = ReceiptSubject::Binding),
        ("sha256", |receipt| receipt.sha256 = Sha256Hash::of(b"another decision")),
        ("code_shown_by", |receipt| receipt.code_shown_by = Some(ShownBy::Device)),
    ];
    for (detail, forge) in of_service {
        let mut forged = honest.clone();
        answers::resigned(&answers::key_of(&world), &mut grounds(&mut forged).approval.receipt, forge);
        let report = forged.verify(&anchors_of(&[&ca()]), key);
        let broken = report.links.iter().find(|link| link.result == LinkResult::Fails).unwrap();
        assert_eq!((broken.name, broken.detail.as_deref()), (LinkName::DeviceAddition, Some(detail)));
        all.push(serde_json::to_vec(&forged).unwrap());
    }
    assert_eq!(verifier::second_verifier(&all, &[&ca()], key), vec![false; all.len()]);
}
