//! Attacks with the codes of letters.

use kartenbund::client::qr;
use kartenbund::protocol::evidence::Grounds;
use kartenbund::protocol::qr::{CodeError, LetterCode, QrEvidence, QrProof, QrStatement};
use kartenbund::protocol::registration::{DevicePossession, Evidence, Expected, ExpectedShare};

use super::letter_code::{groups_in, picture_of, said_by};
use super::*;

/// A registration with a code, taken apart.
struct CodeAttempt {
    computer: Computer,
    code: LetterCode,
    device_key: SigningKey,
    nonce: DeviceNonce,
    registration_id: String,
    statement: QrStatement,
    proof: ProofOfPossession,
}

impl CodeAttempt {
    fn with(computer: Computer, code: LetterCode) -> Self {
        let device_key = new_key();
        let nonce = DeviceNonce::random(&mut rng());
        let request = RegistrationRequest {
            method: BindingMethod::Qr,
            jkt: jwk(&device_key).thumbprint(),
            commit: nonce.commitment(),
            device_information: information(),
            replaces: Vec::new(),
        };
        let offer: RegistrationOffer = computer.here.service.call(Method::POST, "/v1/registrations", &request).unwrap();
        let registration_id = offer.registration_id.to_string();
        let RegistrationChallenge { aud, challenge, jkt, kvnr, .. } = challenge(&computer, &registration_id);
        let (iat, registration_id_) = (computer.clock.now(), offer.registration_id);
        let statement = QrStatement {
            v: VERSION,
            aud: aud.clone(),
            registration_id: registration_id_,
            challenge,
            jkt,
            kvnr: kvnr.clone(),
            iat,
        };
        let proof = ProofOfPossession {
            v: VERSION,
            aud,
            registration_id: registration_id_,
            challenge,
            iat,
            method: BindingMethod::Qr,
            kvnr,
            jkt,
            evidence_sha256: Sha256Hash::of(b"filled in when the evidence is complete"),
            voprf_pk: Some(offer.voprf_pk),
            transport_jwk: jwk(&new_key()),
            attestation_sha256: None,
        };
        Self { computer, code, device_key, nonce, registration_id, statement, proof }
    }

    fn honest(world: &World) -> Self {
        let computer = world.log_in(ERIKA, &world.member(ERIKA));
        let code = computer.typed_code(&groups_in(&world.letter_with_code(ERIKA)).unwrap());
        Self::with(computer, code)
    }

    fn signed_by(&mut self, key: &SigningKey) -> EvidenceRequest {
        let evidence = QrEvidence { qr_id: self.code.id(), qr_jws: sign(&self.statement, key).unwrap() };
        self.proof.evidence_sha256 = evidence.sha256();
        let pop = sign_with_jwk(&self.proof, jwk(&self.device_key), &self.device_key).unwrap();
        EvidenceRequest { pop, nonce_d: self.nonce, evidence: HandedIn::Qr(evidence), attestation: None }
    }

    fn signed(&mut self) -> EvidenceRequest {
        let key = self.code.key().unwrap();
        self.signed_by(&key)
    }

    fn submit(&self, request: &EvidenceRequest) -> Result<RegistrationAnswer, ServiceError> {
        let path = format!("/v1/registrations/{}/evidence", self.registration_id);
        self.computer.here.service.call(Method::PUT, &path, request)
    }

    fn refused_with(&mut self, request: &EvidenceRequest) -> (String, String) {
        let answer = refusal(self.submit(request));
        assert!(self.computer.devices().is_empty(), "nothing is bound");
        // The challenge was used up.
        let fresh = challenge(&self.computer, &self.registration_id).challenge;
        (self.statement.challenge, self.proof.challenge) = (fresh, fresh);
        answer
    }
}

#[test]
fn the_honest_attempt_with_a_code_is_accepted_and_level_and_wait_follow_from_it() {
    let world = World::new();
    let mut attempt = CodeAttempt::honest(&world);
    let request = attempt.signed();
    let answer = attempt.submit(&request).unwrap();
    let day_later = world.clock.now() + 24 * 60 * 60;
    assert_eq!((answer.state.as_str(), answer.active_from), ("pending_wait", Some(day_later)));
    assert_eq!(answer.binding_level, Some(BindingLevel::B1));
}

#[test]
fn every_claim_that_the_key_of_a_code_signs_is_checked() {
    let world = World::new();
    let mut attempt = CodeAttempt::honest(&world);
    type Forge = fn(&mut QrStatement);
    let forgeries: [(&str, Forge); 8] = [
        ("v", |s| s.v = 2),
        ("aud", |s| s.aud = "https://stranger.example".to_owned()),
        ("registration_id", |s| s.registration_id = [7; 16].into()),
        ("challenge", |s| s.challenge = [7; 32].into()),
        ("jkt", |s| s.jkt = jwk(&new_key()).thumbprint()),
        ("kvnr", |s| s.kvnr = kvnr(MAX)),
        ("iat", |s| s.iat -= 121),
        ("iat", |s| s.iat += 121),
    ];
    for (claim, forge) in forgeries {
        let honest = attempt.statement.clone();
        forge(&mut attempt.statement);
        let request = attempt.signed();
        assert_eq!(attempt.refused_with(&request), part("qr_statement_invalid", claim));
        let fresh = attempt.proof.challenge;
        attempt.statement = QrStatement { challenge: fresh, ..honest };
        // Each was a failure; here it is about the claims.
        world.sql("UPDATE device_code SET failures = 0").unwrap();
    }
    let request = attempt.signed();
    attempt.submit(&request).unwrap();
}

#[test]
fn another_persons_code_binds_nothing_and_is_not_told_from_none() {
    let world = World::new();
    let erika = world.log_in(ERIKA, &world.member(ERIKA));
    let max = world.log_in(MAX, &world.member(MAX));
    let code = max.typed_code(&groups_in(&world.letter_with_code(MAX)).unwrap());
    let mut attempt = CodeAttempt::with(erika, code);
    let request = attempt.signed();
    assert_eq!(attempt.refused_with(&request), part("qr_code_ended", "unknown"));
    attempt.code = LetterCode::random(&world.address, &mut rng()).unwrap();
    let request = attempt.signed();
    assert_eq!(attempt.refused_with(&request), part("qr_code_ended", "unknown"));
    assert_eq!(world.count("SELECT MAX(failures) FROM device_code"), 0, "strangers void nothing of his");
}

#[test]
fn the_fifth_wrong_secret_voids_a_code_and_its_owner_is_told() {
    let world = World::new();
    let mut attempt = CodeAttempt::honest(&world);
    for failures in 1..=5 {
        let guessed = new_key();
        let request = attempt.signed_by(&guessed);
        assert_eq!(attempt.refused_with(&request), part("qr_statement_invalid", "signature"));
        assert_eq!(world.count("SELECT failures FROM device_code"), failures);
    }
    let request = attempt.signed();
    assert_eq!(attempt.refused_with(&request), part("qr_code_ended", "void"), "the right one does not help any more");
    let told = world.new_letters();
    assert!(
        told.iter().any(|letter| said_by("pdftotext", &[letter.to_str().unwrap(), "-"]).contains("gilt nicht mehr"))
    );
    let audit = world.audit_entries().join("\n");
    assert_eq!((audit.matches("device_code.failed").count(), audit.matches("device_code.voided").count()), (4, 1));
}

#[test]
fn a_code_binds_one_device_however_many_try_at_once() {
    let world = World::new();
    let mut attempt = CodeAttempt::honest(&world);
    let request = attempt.signed();
    attempt.submit(&request).unwrap();
    let CodeAttempt { computer, code, .. } = attempt;
    let mut second = CodeAttempt::with(computer, code);
    let request = second.signed();
    assert_eq!(refusal(second.submit(&request)), part("qr_code_ended", "used"));

    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let groups = groups_in(&world.letter_with_code(ERIKA)).unwrap();
    let attempts: Vec<_> = (0..4)
        .map(|_| {
            let computer = world.log_in(ERIKA, PASSWORD);
            let code = computer.typed_code(&groups);
            let mut attempt = CodeAttempt::with(computer, code);
            let request = attempt.signed();
            (attempt, request)
        })
        .collect();
    let bound = std::thread::scope(|scope| {
        let threads: Vec<_> =
            attempts.iter().map(|(attempt, request)| scope.spawn(|| attempt.submit(request).is_ok())).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|is_ok| *is_ok).count()
    });
    assert_eq!((bound, computer.devices().len()), (1, 1));
}

#[test]
fn a_device_that_waits_approves_nothing_beside_one_that_may() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let folder = world.folder.path().join("thief");
    let thief = world.try_log_in(&folder, ERIKA, PASSWORD).unwrap();
    thief.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    let accepted = thief.apply(&new_address());
    let mut script = Script::with_code(&accepted.match_code);
    let decided = thief.with(&mut script, |around| decide(&thief.here, accepted.approval_id, Verdict::Approve, around));
    assert!(
        matches!(&decided, Err(ApproveError::Service(ServiceError::Refused { code, .. })) if code == "device_waiting"),
        "{decided:?}"
    );
    let levels: Vec<_> = erika.devices().iter().map(|device| (device.binding_level, device.state.clone())).collect();
    let expected = [(BindingLevel::B1, "pending_wait".to_owned()), (BindingLevel::B3, "active".to_owned())];
    assert_eq!(levels, expected, "she sees it");
}

#[test]
fn evidence_of_another_kind_than_announced_is_refused() {
    let world = World::new();
    let mut with_card = Attempt::honest(&world);
    let code = with_card.computer.typed_code(&groups_in(&world.letter_with_code(ERIKA)).unwrap());
    let card_evidence = with_card.signed();
    let mut with_code = CodeAttempt::with(with_card.computer, code);
    let swapped = EvidenceRequest { evidence: card_evidence.evidence, ..with_code.signed() };
    assert_eq!(with_code.refused_with(&swapped), part("possession_invalid", "method"));
    with_code.proof.method = BindingMethod::Card;
    let request = with_code.signed();
    assert_eq!(with_code.refused_with(&request), part("possession_invalid", "method"), "the device says so, too");
    with_code.proof.method = BindingMethod::Qr;
    with_code.proof.evidence_sha256 = Sha256Hash::of(b"other");
    let mut request = with_code.signed();
    with_code.proof.evidence_sha256 = Sha256Hash::of(b"other");
    request.pop = sign_with_jwk(&with_code.proof, jwk(&with_code.device_key), &with_code.device_key).unwrap();
    assert_eq!(with_code.refused_with(&request), part("possession_invalid", "evidence_sha256"));
    assert_eq!(world.count("SELECT MAX(failures) FROM device_code"), 0, "the code itself was right each time");
}

#[test]
fn a_code_does_not_sign_for_a_service_with_another_key() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let code = computer.typed_code(&groups_in(&world.letter_with_code(ERIKA)).unwrap());
    let mut profile = computer.here.home.profile().unwrap();
    profile.service_keys = jwk(&new_key()).into();
    computer.here.home.keep_profile(&profile).unwrap();
    let here = kartenbund::client::login::resume(computer.here.home.clone(), world.clock.of_client()).unwrap();
    let deceived = Computer { here, clock: world.clock.clone() };
    let refused = deceived.register_with(&code);
    assert!(matches!(refused, Err(RegisterError::Service(ServiceError::KeyChanged))), "{refused:?}");
    assert_eq!(world.column("SELECT state FROM device_code"), ["valid"]);
}

#[test]
fn a_code_of_another_insurer_is_told_before_anything_is_sent() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let service = &computer.here.profile.service;
    let theirs = LetterCode::random("https://Konto.Andere.example", &mut rng()).unwrap();
    let read = LetterCode::read(&theirs.text(), service).err();
    assert_eq!(read, Some(CodeError::OtherService(Some("konto.andere.example".to_owned()))));
    let lines = [theirs.groups().expose().to_owned()];
    let mut script = Script { letter_code: lines.into(), ..Script::default() };
    let typed = computer.with(&mut script, |around| qr::typed(service, around)).err().unwrap();
    assert!(matches!(typed, qr::ReadError::Code(CodeError::OtherService(None))), "groups name no host: {typed:?}");
    assert_eq!(world.count("SELECT COUNT(*) FROM registration"), 0);
}

#[test]
fn what_is_no_picture_or_too_large_a_one_is_refused_before_it_is_unpacked() {
    let world = World::new();
    world.member(ERIKA);
    let picture = std::fs::read(picture_of(&world.letter_with_code(ERIKA), "100", "-png")).unwrap();
    let picture = picture.as_slice();
    let read = |bytes: &[u8]| qr::from_bytes(bytes, &world.address);
    read(picture).unwrap();
    for end in (0..picture.len()).step_by(picture.len() / 40 + 1) {
        assert!(read(&picture[..end]).is_err(), "the first {end} bytes");
    }
    // The header says what a small file unpacks to: four gigabytes of pixels, a side too long, too many pixels.
    let sized = |width: u32, height: u32| {
        let mut forged = picture.to_vec();
        forged[16..20].copy_from_slice(&width.to_be_bytes());
        forged[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = crc_32(&forged[12..29]);
        forged[29..33].copy_from_slice(&crc.to_be_bytes());
        read(&forged)
    };
    let began = std::time::Instant::now();
    let is_limit = |error: &image::ImageError| matches!(error, image::ImageError::Limits(_));
    for (width, height) in [(65_535, 65_535), (16_385, 10), (10, 16_385)] {
        let refused = sized(width, height);
        assert!(matches!(&refused, Err(qr::ReadError::Picture(Some(e))) if is_limit(e)), "{width}: {refused:?}");
    }
    assert!(matches!(sized(16_000, 16_000), Err(qr::ReadError::Picture(None))));
    assert!(began.elapsed() < std::time::Duration::from_secs(1));
    assert!(matches!(read(&vec![0; 33 * 1024 * 1024]), Err(qr::ReadError::Picture(None))), "a file too long");
    for bytes in [&b""[..], b"GIF89a", b"\x89PNG\r\n\x1a\n", b"BM", b"%PDF-1.7", &[0xFF, 0xD8, 0xFF]] {
        assert!(read(bytes).is_err(), "{bytes:?}");
    }
}

/// CRC-32 as PNG has it, so that what is forged is not refused for its sum.
fn crc_32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

#[test]
fn proofs_of_a_code_and_of_another_registration_bind_nothing() {
    let world = World::new();
    let mut first = CodeAttempt::honest(&world);
    let request = first.signed();
    let key = jwk(&first.code.key().unwrap());
    let expected = |attempt: &CodeAttempt| Expected {
        aud: attempt.statement.aud.clone(),
        registration_id: attempt.statement.registration_id,
        challenge: attempt.statement.challenge,
        jkt: attempt.statement.jkt,
        kvnr: attempt.statement.kvnr.clone(),
        share: ExpectedShare::Offered(attempt.proof.voprf_pk.unwrap()),
    };
    let now = world.clock.now();
    let proof = |attempt: &CodeAttempt, request: &EvidenceRequest| {
        let HandedIn::Qr(evidence) = &request.evidence else { panic!() };
        Evidence::Qr(QrProof::check(evidence, &key, &expected(attempt), now).unwrap())
    };
    let device = |attempt: &CodeAttempt, request: &EvidenceRequest, method| {
        let handed_in = (method, request.evidence.sha256());
        DevicePossession::check(&request.pop, handed_in, &expected(attempt), now)
    };
    let own = device(&first, &request, BindingMethod::Qr).unwrap();
    assert!(device(&first, &request, BindingMethod::Card).is_err());
    let evidence = proof(&first, &request);
    assert_eq!(evidence.level(), BindingLevel::B1);
    assert!(evidence.belongs_together(&own, &expected(&first)));

    // The code's key has signed for another registration, device or person: right by itself, and of no use here.
    type Forge = fn(&mut QrStatement);
    let forgeries: [Forge; 3] =
        [|s| s.registration_id = [7; 16].into(), |s| s.jkt = jwk(&new_key()).thumbprint(), |s| s.kvnr = kvnr(MAX)];
    for (at, forge) in forgeries.into_iter().enumerate() {
        let honest = first.statement.clone();
        forge(&mut first.statement);
        let other = first.signed();
        let other = proof(&first, &other);
        first.statement = honest;
        assert!(!other.belongs_together(&own, &expected(&first)), "forgery {at}");
    }

    // The device says that it was bound with a card.
    first.proof.method = BindingMethod::Card;
    let request = first.signed();
    let says_card = device(&first, &request, BindingMethod::Card).unwrap();
    assert!(!evidence.belongs_together(&says_card, &expected(&first)));

    let CodeAttempt { computer, code, .. } = first;
    let mut second = CodeAttempt::with(computer, code);
    let other_request = second.signed();
    let other = device(&second, &other_request, BindingMethod::Qr).unwrap();
    let of_second = expected(&second);
    assert!(!evidence.belongs_together(&other, &of_second), "another registration's code");
    assert!(!proof(&second, &other_request).belongs_together(&own, &of_second), "another registration's device");
}

#[test]
fn a_bundle_of_a_code_that_was_tampered_with_fails_and_never_says_more_than_b1() {
    let world = World::new();
    let mut attempt = CodeAttempt::honest(&world);
    let request = attempt.signed();
    let device = attempt.submit(&request).unwrap().device.unwrap();
    let honest: Bundle = attempt.computer.here.service.get(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    let key = &attempt.computer.here.profile.service_keys;
    let verify = |bundle: &Bundle| bundle.verify(&anchors_of(&[&ca()]), key);
    assert_eq!(verify(&honest).findings.unwrap().devices[0].binding_level, BindingLevel::B1);
    type Forge = fn(&mut Bundle);
    let forgeries: [(&str, Forge, LinkName); 4] = [
        (
            "key",
            |b| {
                let Grounds::Qr(grounds) = &mut b.devices[0].binding.grounds else { panic!() };
                grounds.qr_jwk = jwk(&new_key());
            },
            LinkName::CodeSignature,
        ),
        (
            "statement",
            |b| {
                let Grounds::Qr(grounds) = &mut b.devices[0].binding.grounds else { panic!() };
                grounds.qr.qr_jws = flipped(&grounds.qr.qr_jws, 2);
            },
            LinkName::CodeSignature,
        ),
        ("level", |b| b.devices[0].binding.binding_level = BindingLevel::B3, LinkName::BindingReceipt),
        (
            "receipt",
            |b| b.devices[0].binding.receipt = flipped(&b.devices[0].binding.receipt, 2),
            LinkName::CodeSignature,
        ),
    ];
    let mut all = Vec::new();
    for (what, forge, link) in forgeries {
        let mut forged = honest.clone();
        forge(&mut forged);
        all.push(serde_json::to_vec(&forged).unwrap());
        let report = verify(&forged);
        assert!(report.findings.is_none(), "{what}");
        let at = report.links.iter().find(|link| link.result == LinkResult::Fails).unwrap();
        assert_eq!(at.name, link, "{what}");
    }
    let max = world.log_in(MAX, &world.member(MAX));
    let of_max = max.register_by_letter(&world.letter_with_code(MAX)).unwrap();
    let of_max: Bundle = max.here.service.get(&format!("/v1/evidence/{}", of_max.device_id)).unwrap();
    assert!(verify(&of_max).findings.is_some());
    let mut mixed = honest.clone();
    mixed.devices.extend(of_max.devices);
    assert!(verify(&mixed).findings.is_none(), "devices of two persons are no account");

    let mut text = serde_json::to_value(&honest).unwrap();
    text["devices"][0]["binding"]["more"] = json!(1);
    assert!(Bundle::parse(text.to_string().as_bytes()).is_err(), "members that nobody knows are refused");
    all.extend([serde_json::to_vec(&mixed).unwrap(), text.to_string().into_bytes()]);
    assert_eq!(verifier::second_verifier(&all, &[&ca()], key), vec![false; all.len()]);
}
