//! What attackers do, one test each, and what stops them. Where a message has many claims, each is forged by itself, so
//! that no check can be taken away without a test going red.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use common::*;
use kartenbund::client::approve::{ApproveError, decide, fetch};
use kartenbund::client::register::RegisterError;
use kartenbund::client::service::ServiceError;
use kartenbund::egk::{ApduLength, Egk, EgkError, LastTry, PinAnswer, PinStatus};
use kartenbund::identity::certificate::Certificate;
use kartenbund::identity::{Identity, IdentityError};
use kartenbund::jose::jws::{self, sign, sign_with_jwk, sign_with_x5c};
use kartenbund::jose::{P256Jwk, base64url};
use kartenbund::pki::{self, AnchorError, PkiError, ProductionAnchors};
use kartenbund::protocol::api::{
    ApplicationAccepted, ApprovalAnswer, ChallengeAnswer, DecisionRequest, EvidenceRequest, RegistrationAnswer,
    RegistrationOffer, RegistrationRequest,
};
use kartenbund::protocol::application::{ApplicationError, Change};
use kartenbund::protocol::approval::{Decision, FrozenDocument, MatchCode, Verdict};
use kartenbund::protocol::evidence::{Bundle, LinkName, LinkResult};
use kartenbund::protocol::pairing::{DeviceInformation, DeviceType, PairingData};
use kartenbund::protocol::registration::{CardEvidence, CardStatement, Method as BindingMethod, ProofOfPossession};
use kartenbund::protocol::service::RegistrationChallenge;
use kartenbund::protocol::{DeviceNonce, KeyIdentifier, MessageId, Sha256Hash, VERSION};
use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::personalise::{Blueprint, CertificateType, TestCa};
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate as _;
use reqwest::Method;
use serde_json::json;

/// A registration taken apart: every message can be changed before it is signed, and every part after.
struct Attempt {
    computer: Computer,
    card: VirtualCard,
    certificate: Certificate,
    device_key: SigningKey,
    nonce: DeviceNonce,
    challenge: RegistrationChallenge,
    pairing: PairingData,
    statement: CardStatement,
    proof: ProofOfPossession,
}

fn new_key() -> SigningKey {
    SigningKey::generate_from_rng(&mut rng())
}

fn jwk(key: &SigningKey) -> P256Jwk {
    P256Jwk::from(*key.verifying_key())
}

fn information() -> DeviceInformation {
    let text = |text: &str| text.to_owned();
    DeviceInformation {
        device_information_data_version: text("1.0"),
        name: text("Attacker"),
        device_type: DeviceType {
            device_type_data_version: text("1.0"),
            manufacturer: text("m"),
            product: text("p"),
            model: text("m"),
            os: text("o"),
            os_version: text("v"),
        },
    }
}

fn certificate_of(card: &mut VirtualCard) -> Certificate {
    let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
    Certificate::parse(egk.read_certificate().unwrap().der()).unwrap()
}

impl Attempt {
    /// An honest attempt with an honest person's session and this card.
    fn with(computer: Computer, mut card: VirtualCard) -> Self {
        let certificate = certificate_of(&mut card);
        let device_key = new_key();
        let nonce = DeviceNonce::random(&mut rng());
        let request = RegistrationRequest {
            method: BindingMethod::Card,
            jkt: jwk(&device_key).thumbprint(),
            commit: nonce.commitment(),
            device_information: information(),
        };
        let service = &computer.here.service;
        let offer: RegistrationOffer = service.call(Method::POST, "/v1/registrations", &request).unwrap();
        let challenge = challenge(&computer, &offer.registration_id.to_string());
        let key_identifier = KeyIdentifier::random(&mut rng());
        let pairing = PairingData::new(&certificate, &jwk(&device_key), key_identifier, "Kartenbund").unwrap();
        let kvnr = certificate.holder().unwrap().kvnr;
        let (aud, jkt) = (challenge.aud.clone(), challenge.jkt);
        let (registration_id, iat) = (offer.registration_id, computer.clock.now());
        Self {
            statement: CardStatement {
                v: VERSION,
                aud: aud.clone(),
                registration_id,
                challenge: challenge.challenge,
                jkt,
                kvnr: kvnr.clone(),
                pairing_sha256: Sha256Hash::of(b"filled in when the pairing data are signed"),
                iat,
            },
            proof: ProofOfPossession {
                v: VERSION,
                aud,
                registration_id,
                challenge: challenge.challenge,
                iat,
                method: BindingMethod::Card,
                kvnr,
                jkt,
                evidence_sha256: Sha256Hash::of(b"filled in when the evidence is complete"),
                voprf_pk: None,
                transport_jwk: jwk(&new_key()),
            },
            computer,
            card,
            certificate,
            device_key,
            nonce,
            challenge,
            pairing,
        }
    }

    fn honest(world: &World) -> Self {
        Self::with(world.log_in(ERIKA, &world.member(ERIKA)), card(ERIKA))
    }

    /// Signs everything as it is now, filling in the hashes.
    fn signed(&mut self) -> EvidenceRequest {
        let signed_pairing_data = self.sign_pairing();
        self.statement.pairing_sha256 = Sha256Hash::of(signed_pairing_data.as_bytes());
        self.signed_over(signed_pairing_data)
    }

    fn sign_pairing(&mut self) -> String {
        let mut egk = unlocked(&mut self.card);
        sign(&self.pairing, egk.auth_key()).unwrap()
    }

    fn signed_over(&mut self, signed_pairing_data: String) -> EvidenceRequest {
        let mut egk = unlocked(&mut self.card);
        let card_jws = sign_with_x5c(&self.statement, &self.certificate.der, egk.auth_key()).unwrap();
        let evidence = CardEvidence { signed_pairing_data, auth_cert: self.certificate.der.clone(), card_jws };
        self.proof.evidence_sha256 = evidence.sha256();
        EvidenceRequest { pop: self.prove(), nonce_d: self.nonce, evidence }
    }

    fn prove(&self) -> String {
        sign_with_jwk(&self.proof, jwk(&self.device_key), &self.device_key).unwrap()
    }

    fn submit(&self, request: &EvidenceRequest) -> Result<RegistrationAnswer, ServiceError> {
        let path = format!("/v1/registrations/{}/evidence", self.challenge.registration_id);
        self.computer.here.service.call(Method::PUT, &path, request)
    }

    /// What the service says to this attempt: the code, and the part it names.
    fn refused(mut self) -> (String, String) {
        let request = self.signed();
        self.refused_with(&request)
    }

    fn refused_with(&self, request: &EvidenceRequest) -> (String, String) {
        let answer = refusal(self.submit(request));
        assert!(self.computer.devices().is_empty(), "nothing is bound");
        answer
    }
}

fn challenge(computer: &Computer, registration_id: &str) -> RegistrationChallenge {
    let path = format!("/v1/registrations/{registration_id}/challenge");
    let answer: ChallengeAnswer = computer.here.service.call(Method::POST, &path, &json!({})).unwrap();
    jws::verify(&answer.challenge, computer.here.profile.service_key.verifying_key()).unwrap()
}

fn unlocked(card: &mut VirtualCard) -> Egk<&mut VirtualCard> {
    let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
    let pin = kartenbund::secret::Pin::parse(&typed(CARD_PIN)).unwrap();
    match egk.pin_status().unwrap() {
        PinStatus::Usable(tries) => {
            let attempt = tries.attempt(LastTry::Refused).unwrap();
            assert_eq!(egk.verify_pin(attempt, &pin).unwrap(), PinAnswer::Accepted);
        }
        PinStatus::AlreadyVerified => {}
        other => panic!("{other:?}"),
    }
    egk
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, ServiceError>) -> (String, String) {
    match answer {
        Err(ServiceError::Refused { code, detail, .. }) => (code, detail.unwrap_or_default()),
        other => panic!("the service must refuse, but: {other:?}"),
    }
}

fn code(text: &str) -> (String, String) {
    (text.to_owned(), String::new())
}

fn part(text: &str, part: &str) -> (String, String) {
    (text.to_owned(), part.to_owned())
}

/// The text with one character of its `n`th part (between dots) changed.
fn flipped(jws: &str, n: usize) -> String {
    let mut parts: Vec<_> = jws.split('.').map(str::to_owned).collect();
    // In the middle, so that no loose bits at the end are hit.
    let at = parts[n].len() / 2;
    let old = parts[n].as_bytes()[at];
    parts[n].replace_range(at..=at, if old == b'A' { "B" } else { "A" });
    parts.join(".")
}

#[test]
fn the_honest_attempt_is_accepted() {
    // Without this, every refusal below could be for another reason.
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let request = attempt.signed();
    assert_eq!(attempt.submit(&request).unwrap().state, "bound");
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
    world.sql("UPDATE session SET expires_at = expires_at + 100000").unwrap();
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
fn the_statement_must_be_over_these_pairing_data() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let signed_pairing_data = attempt.sign_pairing();
    attempt.statement.pairing_sha256 = Sha256Hash::of(b"other pairing data");
    let request = attempt.signed_over(signed_pairing_data);
    assert_eq!(attempt.refused_with(&request), part("card_statement_invalid", "pairing_sha256"));
}

#[test]
fn another_insurers_card_is_refused_with_its_name() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let other = Blueprint {
        payer_ik: Some("101010101".parse().unwrap()),
        payer_name: "Andere Kasse NOT-VALID".to_owned(),
        ..blueprint(ERIKA)
    };
    let attempt = Attempt::with(computer, card_by(&ca(), &other));
    assert_eq!(attempt.refused(), part("other_insurer", "Andere Kasse NOT-VALID"));
    let audit = world.column("SELECT CAST(entry AS TEXT) FROM audit").join("\n");
    assert!(audit.contains("other_insurer") && !audit.contains("Andere Kasse"), "an insurer tells about a person");
}

#[test]
fn an_expired_certificate_and_one_not_yet_valid_are_refused() {
    for (from, to, expected) in [(-9, -1, "certificate_expired"), (1, 9, "certificate_not_yet_valid")] {
        let world = World::new();
        let computer = world.log_in(ERIKA, &world.member(ERIKA));
        let validity = Some((NOW + time::Duration::days(from), NOW + time::Duration::days(to)));
        let card = card_by(&ca(), &Blueprint { validity, ..blueprint(ERIKA) });
        assert_eq!(Attempt::with(computer, card).refused(), code(expected));
    }
}

#[test]
fn a_certificate_of_the_wrong_type_is_refused() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let autn = Blueprint { certificate_type: CertificateType::Autn, ..blueprint(ERIKA) };
    assert_eq!(Attempt::with(computer, card_by(&ca(), &autn)).refused(), code("certificate_type"));
}

#[test]
fn a_card_of_an_unknown_ca_is_refused_also_when_the_ca_has_the_right_name() {
    let name = "KARTENBUND.EGK-CA1 TEST-ONLY";
    let other = TestCa::generate(&mut rng(), name, NOW).unwrap();
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let attempt = Attempt::with(computer, card_by(&other, &blueprint(ERIKA)));
    assert_eq!(attempt.refused(), code("certificate_untrusted"));
}

#[test]
fn a_certificate_with_a_flipped_byte_anywhere_is_refused() {
    let anchors = anchors_of(&[&ca()]);
    let certificate = certificate_of(&mut card(ERIKA));
    assert!(pki::verify(&certificate.der, &anchors, NOW).is_ok());
    for at in 0..certificate.der.len() {
        let mut forged = certificate.der.clone();
        forged[at] ^= 0x01;
        assert!(pki::verify(&forged, &anchors, NOW).is_err(), "byte {at}");
    }
    assert!(pki::verify(&[certificate.der.as_slice(), &[0]].concat(), &anchors, NOW).is_err());
}

#[test]
fn a_flipped_byte_in_each_signed_part_is_refused() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let id = attempt.challenge.registration_id.to_string();
    for n in 0..3 {
        for which in ["pairing", "statement", "pop"] {
            attempt.challenge = challenge(&attempt.computer, &id);
            attempt.statement.challenge = attempt.challenge.challenge;
            attempt.proof.challenge = attempt.challenge.challenge;
            let mut request = attempt.signed();
            let (target, expected) = match which {
                "pairing" => (&mut request.evidence.signed_pairing_data, "pairing_invalid"),
                "statement" => (&mut request.evidence.card_jws, "card_statement_invalid"),
                _ => (&mut request.pop, "possession_invalid"),
            };
            *target = flipped(target, n);
            let (refused, what) = attempt.refused_with(&request);
            assert_eq!(refused, expected, "{which}, part {n}: {what}");
        }
    }
}

/// Forges one claim after the other in a message; each must be refused by its name.
fn each_claim(message: &str, forgeries: Vec<(&'static str, Box<dyn Fn(&mut Attempt)>)>) {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let id = attempt.challenge.registration_id.to_string();
    for (claim, forge) in forgeries {
        attempt.challenge = challenge(&attempt.computer, &id);
        attempt.statement.challenge = attempt.challenge.challenge;
        attempt.proof.challenge = attempt.challenge.challenge;
        let before = (attempt.pairing.clone(), attempt.statement.clone(), attempt.proof.clone());
        forge(&mut attempt);
        let request = attempt.signed();
        assert_eq!(attempt.refused_with(&request), part(message, claim));
        (attempt.pairing, attempt.statement, attempt.proof) = before;
    }
}

#[test]
fn every_claim_of_the_pairing_data_must_be_the_certificates() {
    each_claim(
        "pairing_invalid",
        vec![
            ("pairing_data_version", Box::new(|a| a.pairing.pairing_data_version = "0.9".to_owned())),
            ("product", Box::new(|a| a.pairing.product = " ".to_owned())),
            ("serialnumber", Box::new(|a| a.pairing.serialnumber.push('0'))),
            ("issuer", Box::new(|a| a.pairing.issuer[10] ^= 1)),
            ("not_after", Box::new(|a| a.pairing.not_after += 1)),
            ("auth_cert_subject_public_key_info", Box::new(|a| a.pairing.auth_cert_subject_public_key_info[40] ^= 1)),
            ("se_subject_public_key_info", Box::new(|a| a.pairing.se_subject_public_key_info[40] ^= 1)),
        ],
    );
}

#[test]
fn every_claim_of_the_cards_statement_is_checked() {
    each_claim(
        "card_statement_invalid",
        vec![
            ("v", Box::new(|a| a.statement.v = 2)),
            ("aud", Box::new(|a| a.statement.aud = "https://stranger.example".to_owned())),
            ("registration_id", Box::new(|a| a.statement.registration_id = [7; 16].into())),
            ("challenge", Box::new(|a| a.statement.challenge = [7; 32].into())),
            ("jkt", Box::new(|a| a.statement.jkt = jwk(&new_key()).thumbprint())),
            ("kvnr", Box::new(|a| a.statement.kvnr = kvnr(MAX))),
            ("iat", Box::new(|a| a.statement.iat -= 121)),
            ("iat", Box::new(|a| a.statement.iat += 121)),
            ("iat", Box::new(|a| a.statement.iat = -9_007_199_254_740_991)),
        ],
    );
}

#[test]
fn every_claim_of_the_proof_of_possession_is_checked() {
    each_claim(
        "possession_invalid",
        vec![
            ("v", Box::new(|a| a.proof.v = 2)),
            ("aud", Box::new(|a| a.proof.aud = "https://stranger.example".to_owned())),
            ("registration_id", Box::new(|a| a.proof.registration_id = [7; 16].into())),
            ("challenge", Box::new(|a| a.proof.challenge = [7; 32].into())),
            ("iat", Box::new(|a| a.proof.iat -= 121)),
            ("iat", Box::new(|a| a.proof.iat += 121)),
            ("kvnr", Box::new(|a| a.proof.kvnr = kvnr(MAX))),
            ("jkt", Box::new(|a| a.proof.jkt = jwk(&new_key()).thumbprint())),
            ("voprf_pk", Box::new(|a| a.proof.voprf_pk = Some("AA".to_owned()))),
            ("transport_jwk", Box::new(|a| a.proof.transport_jwk = jwk(&a.device_key))),
        ],
    );
}

#[test]
fn the_proof_of_possession_covers_the_evidence() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let mut request = attempt.signed();
    attempt.proof.evidence_sha256 = Sha256Hash::of(b"other evidence");
    request.pop = attempt.prove();
    assert_eq!(attempt.refused_with(&request), part("possession_invalid", "evidence_sha256"));
}

#[test]
fn a_message_of_one_kind_is_not_taken_for_another() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let id = attempt.challenge.registration_id.to_string();
    let honest = attempt.signed();
    type Swap = fn(&mut EvidenceRequest);
    let swaps: [(Swap, &str); 3] = [
        (|r| r.evidence.signed_pairing_data = r.evidence.card_jws.clone(), "pairing_invalid"),
        (|r| r.evidence.card_jws = r.evidence.signed_pairing_data.clone(), "card_statement_invalid"),
        (|r| r.pop = r.evidence.card_jws.clone(), "possession_invalid"),
    ];
    for (swap, expected) in swaps {
        attempt.challenge = challenge(&attempt.computer, &id);
        attempt.statement.challenge = attempt.challenge.challenge;
        attempt.proof.challenge = attempt.challenge.challenge;
        let mut request = attempt.signed();
        swap(&mut request);
        assert_eq!(attempt.refused_with(&request), part(expected, "message"));
    }
    let _ = honest;
}

#[test]
fn an_algorithm_named_by_the_message_is_not_followed() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let id = attempt.challenge.registration_id.to_string();
    for header in [
        json!({"alg": "none", "typ": "pop+jws", "jwk": jwk(&attempt.device_key)}),
        json!({"alg": "HS256", "typ": "pop+jws", "jwk": jwk(&attempt.device_key)}),
        json!({"alg": "BP256R1", "typ": "pop+jws", "jwk": jwk(&attempt.device_key)}),
        json!({"alg": "ES256", "typ": "JWT", "jwk": jwk(&attempt.device_key)}),
        json!({"alg": "ES256", "typ": "pop+jws"}),
        json!({"alg": "ES256", "typ": "pop+jws", "jwk": jwk(&attempt.device_key), "crit": ["x"], "x": 1}),
        json!({"alg": "ES256", "typ": "pop+jws", "jwk": jwk(&attempt.device_key), "kid": "other"}),
    ] {
        attempt.challenge = challenge(&attempt.computer, &id);
        attempt.statement.challenge = attempt.challenge.challenge;
        attempt.proof.challenge = attempt.challenge.challenge;
        let mut request = attempt.signed();
        let parts: Vec<_> = request.pop.split('.').collect();
        let input = format!("{}.{}", base64url::encode(header.to_string().as_bytes()), parts[1]);
        let mut key = &attempt.device_key;
        let Ok(signature) = jws::Signer::<jws::Es256>::sign(&mut key, input.as_bytes());
        request.pop = format!("{input}.{}", base64url::encode(&signature));
        assert_eq!(attempt.refused_with(&request), part("possession_invalid", "message"), "{header}");
        request.pop = format!("{input}.");
        let _ = challenge(&attempt.computer, &id);
        assert_ne!(attempt.refused_with(&request).0, "", "{header} without signature");
    }
}

#[test]
fn the_certificate_in_the_statement_must_be_the_one_handed_in() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let other = certificate_of(&mut card(ERIKA));
    let honest = attempt.certificate.clone();
    let signed_pairing_data = attempt.sign_pairing();
    attempt.statement.pairing_sha256 = Sha256Hash::of(signed_pairing_data.as_bytes());
    attempt.certificate = other;
    let mut request = attempt.signed_over(signed_pairing_data);
    request.evidence.auth_cert = honest.der;
    assert_eq!(attempt.refused_with(&request), part("card_statement_invalid", "message"));
}

#[test]
fn a_device_key_is_bound_once_and_never_again() {
    let world = World::new();
    let mut first = Attempt::honest(&world);
    let request = first.signed();
    let device = first.submit(&request).unwrap().device.unwrap();
    let Attempt { computer, card, device_key, pairing, .. } = first;
    computer.here.service.command(Method::DELETE, &format!("/v1/devices/{}", device.device_id)).unwrap();

    // The same key, after it was revoked.
    let mut attempt = Attempt::with(computer, card);
    let path = format!("/v1/registrations/{}", attempt.challenge.registration_id);
    assert_eq!(attempt.computer.here.service.get::<RegistrationAnswer>(&path).unwrap().state, "open");
    let request = RegistrationRequest {
        method: BindingMethod::Card,
        jkt: jwk(&device_key).thumbprint(),
        commit: attempt.nonce.commitment(),
        device_information: information(),
    };
    let service = &attempt.computer.here.service;
    let offer: RegistrationOffer = service.call(Method::POST, "/v1/registrations", &request).unwrap();
    attempt.challenge = challenge(&attempt.computer, &offer.registration_id.to_string());
    attempt.device_key = device_key;
    let jkt = jwk(&attempt.device_key).thumbprint();
    for (registration_id, challenge_of, key) in
        [(&mut attempt.statement.registration_id, &mut attempt.statement.challenge, &mut attempt.statement.jkt)]
    {
        (*registration_id, *challenge_of, *key) = (offer.registration_id, attempt.challenge.challenge, jkt);
    }
    attempt.proof.registration_id = offer.registration_id;
    attempt.proof.challenge = attempt.challenge.challenge;
    attempt.proof.jkt = jkt;
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
fn a_strangers_registration_device_approval_and_evidence_are_not_found() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let accepted = erika.apply(&new_address());
    let device = erika.devices().remove(0).device_id;
    let registration = world.column("SELECT registration_id FROM registration").remove(0);
    let max = world.log_in(MAX, &world.member(MAX));
    let service = &max.here.service;
    for path in [
        format!("/v1/registrations/{registration}"),
        format!("/v1/approvals/{}", accepted.approval_id),
        format!("/v1/applications/{}", accepted.application_id),
        format!("/v1/evidence/{}", accepted.approval_id),
        format!("/v1/evidence/{device}"),
    ] {
        assert_eq!(refusal(service.get::<serde_json::Value>(&path)), code("not_found"), "{path}");
    }
    assert_eq!(refusal(service.command(Method::DELETE, &format!("/v1/devices/{device}"))), code("not_found"));
    let cancel = format!("/v1/applications/{}", accepted.application_id);
    assert_eq!(refusal(service.call::<_, serde_json::Value>(Method::DELETE, &cancel, &json!({}))), code("not_found"));
    let path = format!("/v1/registrations/{registration}/challenge");
    assert_eq!(refusal(service.call::<_, serde_json::Value>(Method::POST, &path, &json!({}))), code("not_found"));
}

#[test]
fn without_a_token_nothing_is_answered() {
    let world = World::new();
    let stranger = world.remote();
    for path in ["/v1/devices", "/v1/approvals", "/v1/evidence/AAAAAAAAAAAAAAAAAAAAAA", "/v1/registrations/x"] {
        assert_eq!(refusal(stranger.get::<serde_json::Value>(path)), code("token_invalid"), "{path}");
    }
    let guessing = world.remote().with_token(typed(&base64url::encode(&[7; 32])));
    assert_eq!(refusal(guessing.get::<serde_json::Value>("/v1/devices")), code("token_invalid"));
}

/// A decision taken apart.
struct Forgery {
    computer: Computer,
    accepted: ApplicationAccepted,
    decision: Decision,
    key: kartenbund::device_key::OpenKey,
}

impl Forgery {
    fn new(world: &World) -> Self {
        Self::on(world.registered(ERIKA))
    }

    fn on(computer: Computer) -> Self {
        let accepted = computer.apply(&new_address());
        let path = format!("/v1/approvals/{}", accepted.approval_id);
        let answer: ApprovalAnswer = computer.here.service.get(&path).unwrap();
        let file = computer.here.home.device().unwrap();
        let pin = kartenbund::secret::DevicePin::parse(&typed(DEVICE_PIN)).unwrap();
        let (pending, _) = file.key.lock().begin(&pin).unwrap();
        let opened = pending.finish(kartenbund::device_key::Evaluated::Nothing).unwrap();
        let kartenbund::device_key::PinAnswer::Open(key) = opened else { panic!("the PIN is right") };
        let iat = computer.clock.now();
        let decision = Decision {
            v: VERSION,
            aud: computer.here.profile.service.clone(),
            approval_id: accepted.approval_id,
            document: answer.document,
            challenge: answer.challenge.unwrap(),
            decision: Verdict::Approve,
            match_code: Some(accepted.match_code.clone()),
            iat,
            exp: iat + 60,
            jti: MessageId::random(&mut rng()),
        };
        Self { computer, accepted, decision, key }
    }

    fn send(&self, decision: String) -> Result<serde_json::Value, ServiceError> {
        let device_id = self.computer.here.home.device().unwrap().device_id().unwrap();
        let path = format!("/v1/approvals/{}/decision", self.accepted.approval_id);
        self.computer.here.service.call(Method::POST, &path, &DecisionRequest { device_id, decision })
    }

    fn signed(&self) -> String {
        sign(&self.decision, &self.key).unwrap()
    }

    fn is_pending(&self) -> bool {
        let path = format!("/v1/approvals/{}", self.accepted.approval_id);
        self.computer.here.service.get::<ApprovalAnswer>(&path).unwrap().approval.state == "pending"
    }
}

#[test]
fn a_changed_approval_document_is_refused() {
    let world = World::new();
    let mut forgery = Forgery::new(&world);
    let mut document = forgery.decision.document.read().unwrap();
    if let Change::Address(change) = &mut document.change {
        change.new.house_number = Some("77".to_owned());
    }
    forgery.decision.document = document.freeze().unwrap();
    assert_eq!(refusal(forgery.send(forgery.signed())), code("document_mismatch"));
    // The same content in other bytes is another document, too.
    let pretty: serde_json::Value = serde_json::from_slice(&document_bytes(&world)).unwrap();
    let pretty = serde_json::to_vec_pretty(&pretty).unwrap();
    forgery.decision.document = FrozenDocument::from_bytes(pretty);
    assert_eq!(refusal(forgery.send(forgery.signed())), code("document_mismatch"));
    assert!(forgery.is_pending());
}

fn document_bytes(world: &World) -> Vec<u8> {
    world.column("SELECT CAST(document AS TEXT) FROM application").remove(0).into_bytes()
}

#[test]
fn every_claim_of_a_decision_is_checked() {
    let world = World::new();
    let mut forgery = Forgery::new(&world);
    type Forge = fn(&mut Decision);
    let forgeries: [(&str, Forge); 9] = [
        ("v", |d| d.v = 2),
        ("aud", |d| d.aud = "https://stranger.example".to_owned()),
        ("approval_id", |d| d.approval_id = [7; 16].into()),
        ("challenge", |d| d.challenge = [7; 32].into()),
        ("iat", |d| (d.iat, d.exp) = (d.iat + 121, d.exp + 121)),
        ("exp", |d| (d.iat, d.exp) = (d.iat - 300, d.iat - 121)),
        ("exp", |d| d.exp = d.iat + 301),
        ("exp", |d| d.exp = d.iat),
        ("exp", |d| (d.iat, d.exp) = (-9_007_199_254_740_991, 9_007_199_254_740_991)),
    ];
    for (claim, forge) in forgeries {
        let before = forgery.decision.clone();
        forge(&mut forgery.decision);
        assert_eq!(refusal(forgery.send(forgery.signed())), part("decision_invalid", claim));
        forgery.decision = before;
    }
    assert!(forgery.is_pending());
    assert!(forgery.send(forgery.signed()).is_ok(), "the honest one is taken");
}

#[test]
fn a_decision_by_another_key_or_with_a_flipped_byte_is_refused() {
    let world = World::new();
    let forgery = Forgery::new(&world);
    let stranger = new_key();
    let by_stranger = sign(&forgery.decision, &stranger).unwrap();
    assert_eq!(refusal(forgery.send(by_stranger)), part("decision_invalid", "signature"));
    for n in 0..3 {
        assert_eq!(refusal(forgery.send(flipped(&forgery.signed(), n))).0, "decision_invalid", "part {n}");
    }
    let file = forgery.computer.here.home.device().unwrap();
    assert_ne!(&jwk(&stranger), &file.key.public_key);
    assert!(forgery.is_pending());
}

#[test]
fn a_decision_is_taken_once() {
    let world = World::new();
    let forgery = Forgery::new(&world);
    let decision = forgery.signed();
    forgery.send(decision.clone()).unwrap();
    assert_eq!(refusal(forgery.send(decision)), code("already_decided"));
    assert_eq!(world.count("SELECT COUNT(*) FROM audit WHERE entry LIKE '%application.approved%'"), 1);
}

#[test]
fn a_guessed_match_code_does_not_approve_and_uses_up_the_challenge() {
    let world = World::new();
    let mut forgery = Forgery::new(&world);
    let right = String::from(forgery.accepted.match_code.clone());
    let wrong = MatchCode::try_from(if right == "00" { "01" } else { "00" }.to_owned()).unwrap();
    forgery.decision.match_code = None;
    assert_eq!(refusal(forgery.send(forgery.signed())), code("match_code_wrong"), "none is wrong");
    assert_eq!(refusal(forgery.send(forgery.signed())), part("decision_invalid", "challenge"));
    forgery.decision.match_code = Some(wrong);
    let path = format!("/v1/approvals/{}", forgery.accepted.approval_id);
    let answer: ApprovalAnswer = forgery.computer.here.service.get(&path).unwrap();
    forgery.decision.challenge = answer.challenge.unwrap();
    assert_eq!(refusal(forgery.send(forgery.signed())), code("match_code_wrong"));
    assert!(forgery.is_pending());
}

#[test]
fn a_device_of_too_low_a_level_cannot_approve_a_bank_account() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    world.sql("UPDATE device SET binding_level = 'B1'").unwrap();
    let bank = computer.apply(&new_bank_account());
    let address = computer.apply(&new_address());
    let try_with = |accepted: &ApplicationAccepted| {
        let mut script = Script::with_code(&accepted.match_code);
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
    };
    let Err(ApproveError::Service(error)) = try_with(&bank) else { panic!("B1 must not approve a bank account") };
    assert!(error.is_refused_with("level_too_low"));
    assert!(try_with(&address).is_ok(), "an address is what B1 may approve");
}

#[test]
fn another_persons_device_cannot_decide() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let max = world.registered(MAX);
    let accepted = erika.apply(&new_address());
    let mut forgery = Forgery::on(max);
    let path = format!("/v1/approvals/{}", accepted.approval_id);
    let answer: ApprovalAnswer = erika.here.service.get(&path).unwrap();
    forgery.decision.approval_id = accepted.approval_id;
    forgery.decision.document = answer.document;
    forgery.decision.challenge = answer.challenge.unwrap();
    forgery.decision.match_code = Some(accepted.match_code.clone());
    let device_id = forgery.computer.here.home.device().unwrap().device_id().unwrap();
    let request = DecisionRequest { device_id, decision: forgery.signed() };
    let path = format!("/v1/approvals/{}/decision", accepted.approval_id);
    let sent = erika.here.service.call::<_, serde_json::Value>(Method::POST, &path, &request);
    assert_eq!(refusal(sent), code("no_device"));
}

#[test]
fn a_document_that_deceives_is_never_shown() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let honest: serde_json::Value = serde_json::from_slice(&document_bytes(&world)).unwrap();
    type Forge = fn(&mut serde_json::Value);
    let forgeries: [(&str, Forge, ApplicationError); 6] = [
        ("bidi", |d| d["data"]["new"]["city"] = json!("Leip\u{202E}zig"), ApplicationError::Text("city")),
        ("invisible", |d| d["data"]["old"]["street"] = json!("Weg\u{200B}"), ApplicationError::Text("street")),
        ("type", |d| d["type"] = json!("address.delete"), ApplicationError::UnknownType),
        ("template", |d| d["template"] = json!("address.change/2"), ApplicationError::UnknownType),
        ("extra", |d| d["data"]["new"]["note"] = json!("and my house"), ApplicationError::Data),
        ("postcode", |d| d["data"]["new"]["postal_code"] = json!("123"), ApplicationError::PostalCode),
    ];
    for (what, forge, expected) in forgeries {
        let mut forged = honest.clone();
        forge(&mut forged);
        let document = FrozenDocument::from_bytes(forged.to_string().into_bytes());
        assert_eq!(document.read().unwrap_err(), expected, "{what}");
    }
    let twice = honest.to_string().replacen('{', r#"{"v":1,"#, 1);
    assert!(FrozenDocument::from_bytes(twice.into_bytes()).read().is_err(), "a member that stands twice");

    // A service that hands the document of another approval, or of another person, is not believed.
    world.sql("UPDATE application SET document = CAST(replace(CAST(document AS TEXT), 'A123456780', 'M100200305') AS BLOB)")
        .unwrap();
    assert!(matches!(
        fetch(&computer.here, accepted.approval_id),
        Err(ApproveError::Service(ServiceError::Contradiction("document")))
    ));
}

#[test]
fn a_service_with_another_key_gets_neither_password_nor_signature() {
    let mut world = World::new();
    let password = world.member(ERIKA);
    let computer = world.log_in(ERIKA, &password);
    world.stop();
    // The same address, another key: in the profile stands what was pinned at the first login.
    let mut profile = computer.here.home.profile().unwrap();
    let second = World::new();
    let second_password = second.member(ERIKA);
    profile.service.clone_from(&second.address);
    computer.here.home.keep_profile(&profile).unwrap();
    let refused = second.try_log_in(computer.here.home.folder(), ERIKA, &second_password).err();
    assert!(matches!(refused, Some(kartenbund::client::login::LoginError::Service(ServiceError::KeyChanged))));
    assert_eq!(second.count("SELECT COUNT(*) FROM session"), 0, "the password was not sent");

    // Even with a session, the card does not sign a challenge of that service.
    let fresh = second.try_log_in(&second.folder.path().join("fresh"), ERIKA, &second_password).unwrap();
    let mut forged = fresh.here.home.profile().unwrap();
    forged.service_key = profile.service_key;
    fresh.here.home.keep_profile(&forged).unwrap();
    let here = kartenbund::client::login::resume(fresh.here.home.clone(), second.clock.now()).unwrap();
    let fresh = Computer { here, clock: second.clock.clone() };
    let mut card = card(ERIKA);
    let refused = fresh.register(&mut card);
    assert!(matches!(refused, Err(RegisterError::Service(ServiceError::Contradiction("challenge")))));
    assert!(fresh.here.home.pending_device().unwrap().is_none());
}

#[test]
fn an_unprotected_address_is_refused() {
    use kartenbund::client::service::Service;
    for bad in [
        "http://kasse.example",
        "ftp://kasse.example",
        "kasse.example",
        "https://kasse.example/path",
        "https://k.example/?q",
    ] {
        assert!(matches!(Service::at(bad), Err(ServiceError::Address)), "{bad}");
    }
    for good in ["https://kasse.example", "http://127.0.0.1:8470", "http://localhost:1", "http://[::1]:1/"] {
        assert!(Service::at(good).is_ok(), "{good}");
    }
}

#[test]
fn a_card_whose_data_name_another_person_than_its_certificate_is_an_error_of_its_own() {
    let swapped = Blueprint { kvnr_in_pd: Some(kvnr(MAX)), ..blueprint(ERIKA) };
    let mut card = card_by(&ca(), &swapped);
    let mut egk = Egk::open(&mut card, ApduLength::Extended).unwrap();
    let files = egk.read_files().unwrap();
    let identity = Identity::read(&files.status_vd, &files.pd, &files.vd, files.certificate.der());
    assert!(matches!(identity, Err(IdentityError::OtherPerson)));
}

#[test]
fn the_card_signs_nothing_without_its_pin() {
    let mut card = card(ERIKA);
    let mut egk = Egk::open(&mut card, ApduLength::Extended).unwrap();
    let refused = egk.auth_key().sign(b"anything");
    assert!(matches!(refused, Err(EgkError::UnexpectedStatus { command: "PSO COMPUTE DIGITAL SIGNATURE", .. })));
}

/// A verified bundle, and what becomes of it when one thing is changed.
fn bundle(world: &World) -> (Computer, Bundle) {
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let mut script = Script::with_code(&accepted.match_code);
    computer
        .with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
        .unwrap();
    let bundle = computer.here.service.get(&format!("/v1/evidence/{}", accepted.approval_id)).unwrap();
    (computer, bundle)
}

#[test]
fn evidence_that_was_tampered_with_fails_at_the_link_that_was_touched() {
    let world = World::new();
    let (computer, honest) = bundle(&world);
    let key = &computer.here.profile.service_key;
    let anchors = anchors_of(&[&ca()]);
    type Forge = fn(&mut Bundle);
    let forgeries: [(&str, Forge, LinkName); 15] = [
        ("certificate", |b| b.binding.card.auth_cert[100] ^= 1, LinkName::Certificate),
        ("issuer", |b| b.binding.issuer_cert[100] ^= 1, LinkName::Certificate),
        (
            "pairing",
            |b| b.binding.card.signed_pairing_data = flipped(&b.binding.card.signed_pairing_data, 1),
            LinkName::CardSignature,
        ),
        ("statement", |b| b.binding.card.card_jws = flipped(&b.binding.card.card_jws, 2), LinkName::CardSignature),
        ("registration", |b| b.binding.registration_id = [7; 16].into(), LinkName::CardSignature),
        ("challenge", |b| b.binding.challenge = [7; 32].into(), LinkName::CardSignature),
        ("proof", |b| b.binding.pop = flipped(&b.binding.pop, 2), LinkName::CardSignature),
        ("device", |b| b.binding.device_id = [7; 16].into(), LinkName::BindingReceipt),
        ("level", |b| b.binding.binding_level = kartenbund::protocol::BindingLevel::B1, LinkName::BindingReceipt),
        ("receipt", |b| b.binding.receipt = flipped(&b.binding.receipt, 2), LinkName::Certificate),
        ("approval", |b| b.approval.as_mut().unwrap().approval_id = [7; 16].into(), LinkName::Document),
        ("challenge of the approval", |b| b.approval.as_mut().unwrap().challenge = [7; 32].into(), LinkName::Decision),
        (
            "decision",
            |b| {
                let approval = b.approval.as_mut().unwrap();
                approval.decision = flipped(&approval.decision, 2);
            },
            LinkName::Decision,
        ),
        (
            "receipt of the decision",
            |b| {
                let approval = b.approval.as_mut().unwrap();
                approval.receipt = b.binding.receipt.clone();
            },
            LinkName::DecisionReceipt,
        ),
        ("service", |b| b.service.aud = "https://stranger.example".to_owned(), LinkName::Certificate),
    ];
    assert!(honest.verify(&anchors, Some(key)).findings.is_some());
    for (what, forge, link) in forgeries {
        let mut forged = honest.clone();
        forge(&mut forged);
        let report = forged.verify(&anchors, Some(key));
        assert!(report.findings.is_none(), "{what}");
        assert_eq!(report.links.len(), 7, "{what}: every link is named");
        let broken = report.links.iter().find(|link| link.result == LinkResult::Fails).unwrap();
        assert_eq!(broken.name, link, "{what}: {:?}", broken.detail);
    }
}

#[test]
fn evidence_is_not_believed_with_other_anchors_or_another_service_key() {
    let world = World::new();
    let (_, honest) = bundle(&world);
    let other_ca = TestCa::generate(&mut rng(), "OTHER", NOW).unwrap();
    let report = honest.verify(&anchors_of(&[&other_ca]), None);
    assert_eq!(report.links[0].name, LinkName::Certificate);
    assert_eq!(report.links[0].result, LinkResult::Fails);
    let other_key = jwk(&new_key());
    assert!(honest.verify(&anchors_of(&[&ca()]), Some(&other_key)).findings.is_none());
}

#[test]
fn evidence_of_one_device_does_not_carry_the_decision_of_another() {
    let world = World::new();
    let (computer, first) = bundle(&world);
    let replace = kartenbund::client::register::Wish { replace: true, ..wish() };
    computer.register_as(&mut card(ERIKA), &mut Script::default(), &replace).unwrap();
    let device = computer.devices().remove(0);
    let second: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    let mixed = Bundle { binding: second.binding, ..first };
    let report = mixed.verify(&anchors_of(&[&ca()]), Some(&computer.here.profile.service_key));
    let broken = report.links.iter().find(|link| link.result == LinkResult::Fails).unwrap();
    assert_eq!(broken.name, LinkName::Decision);
}

#[test]
fn production_anchors_take_no_test_ca() {
    let mut anchors = ProductionAnchors::default();
    let pem = ca().certificate_pem().unwrap();
    assert_eq!(anchors.add_pem(pem.as_bytes()), Err(AnchorError::TestCa));
    assert_eq!(pki::verify(&certificate_of(&mut card(ERIKA)).der, &anchors, NOW).unwrap_err(), PkiError::UnknownIssuer);
}

#[test]
fn a_leaf_certificate_is_no_anchor() {
    let leaf = certificate_of(&mut card(ERIKA)).der;
    assert!(matches!(kartenbund::pki::Issuer::from_der(&leaf), Err(AnchorError::NotACa)));
}
