//! Computers that are to be registered with chips: other cards, other roots, and signatures for something else.

use kartenbund::chip::Iccsn;
use kartenbund::pki::cvc::TestCvcRoots;
use kartenbund::protocol::presence::{ChipEvidence, ChipPresence, Occasion, RegisteredCard};
use kartenbund::protocol::registration::{DevicePossession, Evidence, Expected, ExpectedShare};

use super::common::chip::{chip_roots, number_of};
use super::*;

/// A registration by chip, taken apart.
struct Attempted {
    computer: Computer,
    key: SigningKey,
    nonce: DeviceNonce,
    offer: RegistrationOffer,
    challenge: RegistrationChallenge,
}

impl Attempted {
    fn begin(computer: Computer) -> Self {
        let (key, nonce) = (new_key(), DeviceNonce::random(&mut rng()));
        let request = RegistrationRequest {
            method: BindingMethod::Chip,
            jkt: jwk(&key).thumbprint(),
            commit: nonce.commitment(),
            device_information: information(),
            replaces: Vec::new(),
        };
        let offer: RegistrationOffer = computer.here.service.call(Method::POST, "/v1/registrations", &request).unwrap();
        let challenge = challenge(&computer, &offer.registration_id.to_string());
        Self { computer, key, nonce, offer, challenge }
    }

    fn occasion(&self) -> Occasion {
        let RegistrationChallenge { aud, challenge, jkt, .. } = &self.challenge;
        Occasion { aud: aud.clone(), challenge: *challenge, jkt: *jkt }
    }

    fn prove(&self, evidence: &ChipEvidence) -> String {
        let RegistrationChallenge { aud, challenge, jkt, kvnr, registration_id, .. } = self.challenge.clone();
        let proof = ProofOfPossession {
            v: VERSION,
            aud,
            registration_id,
            challenge,
            iat: self.computer.clock.now(),
            method: BindingMethod::Chip,
            kvnr,
            jkt,
            evidence_sha256: evidence.sha256(),
            voprf_pk: Some(self.offer.voprf_pk),
            transport_jwk: jwk(&new_key()),
            attestation_sha256: None,
        };
        sign_with_jwk(&proof, jwk(&self.key), &self.key).unwrap()
    }

    fn hand_in(&self, evidence: ChipEvidence) -> Result<RegistrationAnswer, ServiceError> {
        let request = EvidenceRequest {
            pop: self.prove(&evidence),
            nonce_d: self.nonce,
            evidence: HandedIn::Chip(evidence),
            attestation: None,
        };
        let path = format!("/v1/registrations/{}/evidence", self.offer.registration_id);
        self.computer.here.service.call(Method::PUT, &path, &request)
    }
}

/// What the chip of this card gives for an occasion.
fn shown(card: &mut VirtualCard, occasion: &Occasion) -> ChipEvidence {
    let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
    let (chip, authority) = (egk.read_chip_certificate().unwrap(), egk.read_chip_authority().unwrap());
    ChipEvidence { chip, authority, signature: egk.authenticate_chip(&occasion.nonce()).unwrap().to_vec() }
}

fn in_session(world: &World, card: &mut VirtualCard) -> Computer {
    world.give_card(ERIKA, &number_of(card));
    world.log_in(ERIKA, PASSWORD)
}

#[test]
fn what_the_chip_signed_for_another_service_challenge_or_device_binds_nothing() {
    let world = World::with_chips();
    let mut card = card(ERIKA);
    let mut computer = in_session(&world, &mut card);
    type Forge = fn(&mut Occasion);
    let forgeries: [Forge; 3] = [
        |it| it.aud = "https://stranger.example".to_owned(),
        |it| it.challenge = [7; 32].into(),
        |it| it.jkt = [7; 32].into(),
    ];
    for (n, forge) in forgeries.into_iter().enumerate() {
        let attempt = Attempted::begin(computer);
        let mut occasion = attempt.occasion();
        forge(&mut occasion);
        let refused = refusal(attempt.hand_in(shown(&mut card, &occasion)));
        assert_eq!(refused, part("chip_invalid", "the chip's signature is wrong"), "{n}");
        computer = attempt.computer;
    }
    let attempt = Attempted::begin(computer);
    let evidence = shown(&mut card, &attempt.occasion());
    attempt.hand_in(evidence.clone()).unwrap();
    let again = Attempted::begin(attempt.computer);
    assert_eq!(refusal(again.hand_in(evidence)).0, "chip_invalid", "nor once more");
}

/// Whoever has the password, and a card: his own, or one that he has found.
#[test]
fn the_chip_of_another_card_registers_no_computer_for_this_account() {
    let world = World::with_chips();
    let mut own = card(ERIKA);
    let computer = in_session(&world, &mut own);
    let attempt = Attempted::begin(computer);
    // With the certificate of the owner beside it, that everybody may read, a computer does not find it out.
    let evidence = shown(&mut card(MAX), &attempt.occasion());
    assert_eq!(refusal(attempt.hand_in(evidence)), code("other_card"));
    assert_eq!(world.count("SELECT COUNT(*) FROM device"), 0);
}

#[test]
fn a_chip_that_no_trusted_root_vouches_for_registers_nothing() {
    let world = World::with_clients(&[], |settings| settings.cvc_roots = Box::new(TestCvcRoots::default()));
    let mut card = card(ERIKA);
    let attempt = Attempted::begin(in_session(&world, &mut card));
    let evidence = shown(&mut card, &attempt.occasion());
    assert_eq!(refusal(attempt.hand_in(evidence)), part("chip_invalid", "the chip's certificates are not accepted"));
}

#[test]
fn proofs_of_another_card_person_registration_or_device_bind_nothing_together() {
    let (mut other_card, mut card) = (card(ERIKA), card(ERIKA));
    let number = Iccsn::from_digits(&number_of(&mut card)).unwrap();
    let (key, other_key) = (new_key(), new_key());
    let (now, person) = (NOW.unix_timestamp(), kvnr(ERIKA));
    let expected = |aud: &str, challenge: u8, jkt, person: &kartenbund::identity::kvnr::Kvnr| Expected {
        aud: aud.to_owned(),
        registration_id: [1; 16].into(),
        challenge: [challenge; 32].into(),
        jkt,
        kvnr: person.clone(),
        share: ExpectedShare::Unknown,
    };
    let own = expected("https://a", 5, jwk(&key).thumbprint(), &person);
    let proof = ProofOfPossession {
        v: VERSION,
        aud: own.aud.clone(),
        registration_id: own.registration_id,
        challenge: own.challenge,
        iat: now,
        method: BindingMethod::Chip,
        kvnr: person.clone(),
        jkt: own.jkt,
        evidence_sha256: [2; 32].into(),
        voprf_pk: None,
        transport_jwk: jwk(&other_key),
        attestation_sha256: None,
    };
    let pop = sign_with_jwk(&proof, jwk(&key), &key).unwrap();
    let device = DevicePossession::check(&pop, (BindingMethod::Chip, [2; 32].into()), &own, now).unwrap();
    let mut binds = |of: &Expected| {
        let occasion = Occasion { aud: of.aud.clone(), challenge: of.challenge, jkt: of.jkt };
        let presence = ChipPresence::check(&shown(&mut card, &occasion), occasion, &chip_roots(), NOW).unwrap();
        let registered = RegisteredCard::check(&presence, &number, &of.kvnr).unwrap();
        let evidence = Evidence::Chip(presence, registered);
        assert_eq!(evidence.level(), BindingLevel::B2);
        evidence.belongs_together(&device, &own)
    };
    assert!(binds(&own));
    assert!(!binds(&expected("https://b", 5, own.jkt, &person)), "another service");
    assert!(!binds(&expected("https://a", 6, own.jkt, &person)), "another challenge");
    assert!(!binds(&expected("https://a", 5, jwk(&other_key).thumbprint(), &person)), "another device");
    assert!(!binds(&expected("https://a", 5, own.jkt, &kvnr(MAX))), "another person");
    // The register vouches for one card, and the chip of another one was there.
    let occasion = Occasion { aud: own.aud.clone(), challenge: own.challenge, jkt: own.jkt };
    let present = |card: &mut VirtualCard| {
        ChipPresence::check(&shown(card, &occasion), occasion.clone(), &chip_roots(), NOW).unwrap()
    };
    let registered = RegisteredCard::check(&present(&mut card), &number, &person).unwrap();
    let other = Evidence::Chip(present(&mut other_card), registered);
    assert!(!other.belongs_together(&device, &own), "another card");
}

#[test]
fn the_register_vouches_for_the_card_that_was_there_and_for_no_other() {
    let (mut one, mut other) = (card(ERIKA), card(ERIKA));
    let present = |card: &mut VirtualCard| {
        let occasion = Occasion { aud: "https://a".to_owned(), challenge: [5; 32].into(), jkt: [6; 32].into() };
        ChipPresence::check(&shown(card, &occasion), occasion, &chip_roots(), NOW).unwrap()
    };
    let number = Iccsn::from_digits(&number_of(&mut one)).unwrap();
    assert!(RegisteredCard::check(&present(&mut one), &number, &kvnr(ERIKA)).is_some());
    assert!(RegisteredCard::check(&present(&mut other), &number, &kvnr(ERIKA)).is_none());
}

#[test]
fn a_bundle_of_a_chip_that_was_tampered_with_fails_and_never_says_more_than_b2() {
    let world = World::with_chips();
    let mut card = card(ERIKA);
    let attempt = Attempted::begin(in_session(&world, &mut card));
    attempt.hand_in(shown(&mut card, &attempt.occasion())).unwrap();
    let key = attempt.computer.here.profile.service_keys.clone();
    let honest: Bundle = attempt.computer.here.service.get("/v1/evidence").unwrap();
    assert!(honest.verify(&anchors_of(&[]), &key).findings.is_some());
    fn chip(bundle: &mut Bundle) -> &mut ChipEvidence {
        match &mut bundle.devices[0].binding.grounds {
            kartenbund::protocol::evidence::Grounds::Chip(grounds) => &mut grounds.chip,
            _ => panic!(),
        }
    }
    type Forge = fn(&mut Bundle);
    let forgeries: [(&str, Forge, LinkName); 6] = [
        ("signature", |b| chip(b).signature[40] ^= 1, LinkName::ChipSignature),
        ("short signature", |b| chip(b).signature.truncate(63), LinkName::ChipSignature),
        ("challenge", |b| b.devices[0].binding.challenge = [9; 32].into(), LinkName::ChipSignature),
        ("certificate of nobody", |b| chip(b).chip.clear(), LinkName::ChipSignature),
        ("another CA", |b| chip(b).authority.push(0), LinkName::DevicePossession),
        ("level", |b| b.devices[0].binding.binding_level = BindingLevel::B3, LinkName::BindingReceipt),
    ];
    let mut all = Vec::new();
    for (what, forge, link) in forgeries {
        let mut forged = honest.clone();
        forge(&mut forged);
        let report = forged.verify(&anchors_of(&[]), &key);
        assert!(report.findings.is_none(), "{what}");
        let at = report.links.iter().find(|link| link.result == LinkResult::Fails).unwrap();
        assert_eq!(at.name, link, "{what}");
        all.push(serde_json::to_vec(&forged).unwrap());
    }
    assert_eq!(verifier::second_verifier(&all, &[&ca()], &key), vec![false; all.len()]);
}
