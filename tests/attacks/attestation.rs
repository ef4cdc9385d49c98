//! Device keys that are said to be in a TPM, and are not; or in one of somebody else.

use kartenbund::pki::endorsement::TpmRoots;
use kartenbund::protocol::api::{AttestationAnswer, AttestationRequest};
use kartenbund::protocol::attestation::{ActivatedKey, Attestation, AttestedKey, offer, qualifying_data};
use kartenbund::protocol::registration::{DevicePossession, Expected, ExpectedShare};
use openssl::nid::Nid;
use openssl::x509::X509;
use openssl::x509::extension::KeyUsage;

use super::common::tpm::{
    ATTESTATION_KEY, DEVICE_KEY, EK_CERTIFICATE, Maker, SoftTpm, certify_info, name_of, public_area,
};
use super::common::verifier::second_verifier;
use super::*;

/// A registration of somebody who has a genuine TPM, or says so.
struct Attested {
    world: World,
    maker: Maker,
    attempt: Attempt,
}

impl Attested {
    fn begin() -> Self {
        Self::by(Maker::new())
    }

    fn by(maker: Maker) -> Self {
        let world = World::with_clients(&[], |settings| settings.tpm_roots = maker.roots());
        let attempt = Attempt::honest(&world);
        Self { world, maker, attempt }
    }

    fn tpm(&self) -> SoftTpm {
        SoftTpm::by(&self.maker)
    }

    /// The secret that a TPM with these keys opens the credential for.
    fn secret(&self, tpm: &SoftTpm) -> Vec<u8> {
        let credential = tpm.ask(&self.attempt.computer, &self.attempt.challenge).unwrap();
        tpm.activate(&credential, &name_of(&tpm.ak_public())).unwrap()
    }

    /// What an honest TPM says.
    fn honest(&self, tpm: &SoftTpm) -> Attestation {
        tpm.attest(self.secret(tpm), &self.attempt.challenge, &self.attempt.device_key)
    }

    fn hand_in(&mut self, attestation: Attestation) -> Result<RegistrationAnswer, ServiceError> {
        self.attempt.proof.attestation_sha256 = Some(attestation.sha256());
        let mut request = self.attempt.signed();
        request.attestation = Some(attestation);
        self.attempt.submit(&request)
    }

    /// What the service says to a forgery, of which nothing is bound. The next one needs another challenge.
    fn refused(&mut self, attestation: Attestation) -> String {
        let (code, detail) = refusal(self.hand_in(attestation));
        assert_eq!(code, "attestation_invalid");
        assert_eq!(self.world.count("SELECT COUNT(*) FROM device"), 0);
        let Attempt { computer, challenge: registration, statement, proof, .. } = &mut self.attempt;
        *registration = challenge(computer, &registration.registration_id.to_string());
        (statement.challenge, proof.challenge) = (registration.challenge, registration.challenge);
        detail
    }

    /// The honest evidence, with nothing about a TPM.
    fn without(mut self) -> String {
        let request = self.attempt.signed();
        self.attempt.submit(&request).unwrap().device.unwrap().key_class
    }
}

#[test]
fn a_key_that_a_tpm_has_shown_is_one_in_hardware_and_holds_as_long_as_the_card() {
    // Without this, every refusal below could be for another reason.
    for maker in [Maker::new(), Maker::on(Nid::SECP384R1, "Maker"), Maker::of_rsa()] {
        let mut attested = Attested::by(maker);
        let attestation = attested.honest(&attested.tpm());
        let answer = attested.hand_in(attestation).unwrap();
        let device = answer.device.unwrap();
        assert_eq!(device.key_class, "hwk");
        assert_eq!(device.expires_at, attested.attempt.certificate.not_after.unix_timestamp());
        assert!(device.expires_at - attested.world.clock.now() > 365 * 24 * 60 * 60);
        let service_key = &attested.attempt.computer.here.profile.service_keys;
        let receipt: Receipt = jws::verify(&answer.receipt.unwrap(), service_key[0].verifying_key()).unwrap();
        assert_eq!(receipt.amr, ["hwk"]);
        assert_eq!(attested.attempt.computer.devices()[0].key_class, "hwk");
        let bundle: Bundle = attested.attempt.computer.here.service.get("/v1/evidence").unwrap();
        assert!(bundle.verify(&anchors_of(&[&ca()]), service_key).findings.is_some());
        let file = serde_json::to_vec(&bundle).unwrap();
        assert_eq!(second_verifier(&[file], &[&ca()], service_key), [true]);
        let kept = attested.world.column("SELECT attestation FROM registration").remove(0);
        assert!(!kept.contains("certificate"), "what tells this computer from all others is not kept: {kept}");
    }
}

#[test]
fn without_attestation_or_with_a_tpm_that_nobody_vouches_for_a_key_counts_as_one_in_software() {
    assert_eq!(Attested::begin().without(), "swk");

    // No operator has named a maker.
    let world = World::new();
    let attempt = Attempt::honest(&world);
    assert!(SoftTpm::by(&Maker::new()).ask(&attempt.computer, &attempt.challenge).is_none());
    assert_eq!(Attested { world, maker: Maker::new(), attempt }.without(), "swk");

    // Another maker, of another name, or of the same.
    let mut told = Vec::new();
    for other in [Maker::on(Nid::X9_62_PRIME256V1, "Other maker"), Maker::new()] {
        let attested = Attested::begin();
        let unknown = SoftTpm::by(&other);
        assert!(unknown.ask(&attested.attempt.computer, &attested.attempt.challenge).is_none());
        told.push(attested.world.audit_entries().pop().unwrap());
        assert_eq!(attested.without(), "swk");
    }
    for (told, why) in told.iter().zip(["certificate_untrusted", "certificate_signature"]) {
        assert!(told.contains("registration.attestation_asked") && told.contains(why), "operators learn why: {told}");
    }
}

#[test]
fn only_a_ca_is_a_maker() {
    let (maker, key) = (Maker::new(), p256::SecretKey::generate_from_rng(&mut rng()).public_key());
    let named = |is_ca, usage: &mut KeyUsage| {
        let der = maker.certify_ca(&key, is_ca, usage);
        TpmRoots::default().add_pem(&X509::from_der(&der).unwrap().to_pem().unwrap())
    };
    assert_eq!(named(true, KeyUsage::new().key_cert_sign()), Ok(()));
    assert_eq!(named(false, KeyUsage::new().key_cert_sign()), Err(AnchorError::NotACa));
    assert_eq!(named(true, KeyUsage::new().digital_signature()), Err(AnchorError::NotACa));
}

#[test]
fn a_registration_that_is_over_or_another_persons_gives_no_credential() {
    let mut attested = Attested::begin();
    let tpm = attested.tpm();
    let asked = |computer: &Computer, challenge: &RegistrationChallenge| {
        let ek_certificate = tpm.certificate.clone();
        let request = AttestationRequest { ek_certificate, ak_public: tpm.ak_public() };
        let path = format!("/v1/registrations/{}/attestation", challenge.registration_id);
        computer.here.service.call::<_, AttestationAnswer>(Method::POST, &path, &request)
    };
    let max = attested.world.log_in(MAX, &attested.world.member(MAX));
    assert_eq!(refusal(asked(&max, &attested.attempt.challenge)), code("not_found"));
    let request = attested.attempt.signed();
    attested.attempt.submit(&request).unwrap();
    assert_eq!(refusal(asked(&attested.attempt.computer, &attested.attempt.challenge)), code("registration_ended"));

    let attested = Attested::begin();
    attested.world.stretch_sessions();
    attested.world.clock.advance(30 * 60);
    assert_eq!(refusal(asked(&attested.attempt.computer, &attested.attempt.challenge)), code("registration_ended"));
}

#[test]
fn what_a_tpm_has_shown_is_about_one_registration_and_one_device() {
    let (maker, key) = (Maker::new(), new_key());
    let tpm = SoftTpm::by(&maker);
    let verified = pki::endorsement::verify(&tpm.certificate, &maker.roots(), NOW).unwrap();
    let (credential, made) = offer(&verified, &tpm.ak_public(), &mut rng()).unwrap();
    let now = NOW.unix_timestamp();
    let registration = RegistrationChallenge {
        v: VERSION,
        aud: "https://kasse.example".to_owned(),
        registration_id: [1; 16].into(),
        challenge: [2; 32].into(),
        jkt: jwk(&key).thumbprint(),
        kvnr: kvnr(ERIKA),
        iat: now,
        exp: now,
    };
    let secret = tpm.activate(&credential, &name_of(&tpm.ak_public())).unwrap();
    let attestation = tpm.attest(secret, &registration, &key);
    let evidence_sha256 = Sha256Hash::of(b"what a card gave");
    let possession = |key: &SigningKey, registration_id: [u8; 16]| {
        let RegistrationChallenge { aud, challenge, kvnr, .. } = registration.clone();
        let (jkt, registration_id) = (jwk(key).thumbprint(), registration_id.into());
        let expected = Expected { aud, registration_id, challenge, jkt, kvnr, share: ExpectedShare::Unknown };
        let proof = ProofOfPossession {
            v: VERSION,
            aud: expected.aud.clone(),
            registration_id,
            challenge,
            iat: now,
            method: BindingMethod::Card,
            kvnr: expected.kvnr.clone(),
            jkt,
            evidence_sha256,
            voprf_pk: None,
            transport_jwk: jwk(&new_key()),
            attestation_sha256: Some(attestation.sha256()),
        };
        let pop = sign_with_jwk(&proof, jwk(key), key).unwrap();
        let device = DevicePossession::check(&pop, (BindingMethod::Card, evidence_sha256), &expected, now).unwrap();
        (expected, device)
    };
    let (expected, device) = possession(&key, [1; 16]);
    let activated = ActivatedKey::check(&made, &attestation.secret).unwrap();
    let attested = AttestedKey::check(activated, &attestation, &expected, &device).unwrap();
    assert!(attested.is_about(&expected, &device));
    let (other_registration, device_there) = possession(&key, [9; 16]);
    assert!(!attested.is_about(&other_registration, &device_there));
    let (_, other_device) = possession(&new_key(), [1; 16]);
    assert!(!attested.is_about(&expected, &other_device));
}

#[test]
fn a_certificate_that_is_not_one_of_an_endorsement_key_gives_no_credential() {
    let attested = Attested::begin();
    let mut tpm = attested.tpm();
    let key = tpm.endorsement_key.public_key();
    let asked = |tpm: &SoftTpm| tpm.ask(&attested.attempt.computer, &attested.attempt.challenge).is_some();
    assert!(asked(&tpm));
    type Usage = fn(&mut KeyUsage) -> &mut KeyUsage;
    let forgeries: [(Usage, &str); 3] = [
        (|usage| usage.digital_signature(), EK_CERTIFICATE),
        (|usage| usage.key_agreement().key_cert_sign(), EK_CERTIFICATE),
        (|usage| usage.key_agreement(), "2.23.133.8.3"),
    ];
    for (n, (usage, extended)) in forgeries.into_iter().enumerate() {
        tpm.certificate = attested.maker.certify_for(&key, usage(KeyUsage::new().critical()), extended);
        assert!(!asked(&tpm), "{n}");
    }
    tpm.certificate = attested.maker.certify_ca(&key, true, KeyUsage::new().key_agreement());
    assert!(!asked(&tpm), "a CA decrypts nothing");
    tpm.certificate = attested.maker.certify(&key);
    assert!(asked(&tpm));
    // Changed after it was signed; and with something behind.
    let mut changed = tpm.certificate.clone();
    let at = changed.windows(8).position(|part| part == b"4B415254").unwrap();
    changed[at] ^= 1;
    let longer = [tpm.certificate.as_slice(), &[0]].concat();
    for certificate in [changed, longer] {
        tpm.certificate = certificate;
        assert!(!asked(&tpm));
    }
    // For a key that is not on P-256 no credential can be made.
    tpm.certificate = attested.maker.certify_spki(&Maker::of_rsa().spki());
    assert!(!asked(&tpm));
    tpm.certificate = attested.maker.certify_with(&key, "1.2.3.4");
    assert!(!asked(&tpm), "with a critical extension that nobody knows");
}

#[test]
fn a_certificate_of_an_endorsement_key_is_valid_for_its_time() {
    let attested = Attested::begin();
    let tpm = attested.tpm();
    let year = time::Duration::days(365);
    let verified = |at| pki::endorsement::verify(&tpm.certificate, &attested.maker.roots(), at).map(drop);
    assert_eq!(verified(NOW - year), Ok(()));
    assert_eq!(verified(NOW - year - time::Duration::SECOND), Err(PkiError::NotYetValid));
    assert_eq!(verified(NOW + year * 9), Ok(()));
    assert_eq!(verified(NOW + year * 9 + time::Duration::SECOND), Err(PkiError::Expired));
}

/// He has listened to an honest registration, or makes his own TPM speak of another one.
#[test]
fn what_a_tpm_said_for_another_service_registration_or_challenge_is_refused() {
    type Forge = fn(&mut RegistrationChallenge);
    let forgeries: [Forge; 3] = [
        |it| it.aud = "https://stranger.example".to_owned(),
        |it| it.registration_id = [7; 16].into(),
        |it| it.challenge = [7; 32].into(),
    ];
    let mut attested = Attested::begin();
    let tpm = attested.tpm();
    for (n, forge) in forgeries.into_iter().enumerate() {
        let mut other = attested.attempt.challenge.clone();
        forge(&mut other);
        let attestation = tpm.attest(attested.secret(&tpm), &other, &attested.attempt.device_key);
        assert_eq!(attested.refused(attestation), "qualifying_data", "{n}");
    }
}

#[test]
fn what_a_tpm_says_of_another_key_is_refused() {
    let mut attested = Attested::begin();
    let tpm = attested.tpm();
    let attestation = tpm.attest(attested.secret(&tpm), &attested.attempt.challenge, &new_key());
    assert_eq!(attested.refused(attestation), "jkt");

    // It is about a key of the TPM, and the device key's public area is handed in beside it.
    let mut attestation = tpm.attest(attested.secret(&tpm), &attested.attempt.challenge, &new_key());
    attestation.public = public_area(attested.attempt.device_key.verifying_key(), DEVICE_KEY);
    assert_eq!(attested.refused(attestation), "name");
}

/// Two computers: the attestation key of one does not open what was made for the endorsement key of the other.
#[test]
fn an_attestation_key_of_another_tpm_opens_no_credential() {
    let mut attested = Attested::begin();
    let (genuine, other) = (attested.tpm(), attested.tpm());
    let (computer, challenge) = (&attested.attempt.computer, &attested.attempt.challenge);
    let credential = genuine.ask_with(computer, challenge, other.ak_public()).unwrap();
    assert_eq!(other.activate(&credential, &name_of(&other.ak_public())), None, "not its endorsement key");
    assert_eq!(genuine.activate(&credential, &name_of(&genuine.ak_public())), None, "it has no such key");
    // What is left is to guess the secret.
    let attestation = other.attest(vec![0; 32], challenge, &attested.attempt.device_key);
    assert_eq!(attested.refused(attestation), "secret");
}

/// He has a genuine TPM, and an attestation key in software that says what he likes.
#[test]
fn an_attestation_key_in_software_beside_a_genuine_certificate_is_refused() {
    let mut attested = Attested::begin();
    let genuine = attested.tpm();
    let secret = attested.secret(&genuine);
    // His TPM has opened the credential for its own attestation key; what he hands in is signed by his.
    let own = SoftTpm { attestation_key: new_key(), ..attested.tpm() };
    let attestation = own.attest(secret, &attested.attempt.challenge, &attested.attempt.device_key);
    assert_eq!(attested.refused(attestation), "signature");
}

#[test]
fn an_attestation_key_that_could_be_elsewhere_or_sign_anything_gets_no_credential() {
    let attested = Attested::begin();
    let (tpm, computer, challenge) = (attested.tpm(), &attested.attempt.computer, &attested.attempt.challenge);
    let key = tpm.attestation_key.verifying_key();
    for bit in 0..32 {
        let public = public_area(key, ATTESTATION_KEY ^ 1 << bit);
        assert!(tpm.ask_with(computer, challenge, public).is_none(), "{bit}");
    }
    assert!(tpm.ask(computer, challenge).is_some());
}

/// Without fixedTPM, the key could be copied; with any other attribute, nobody knows what it is.
#[test]
fn a_device_key_that_could_be_elsewhere_is_refused() {
    let mut attested = Attested::begin();
    let tpm = attested.tpm();
    for bit in 0..32 {
        let public = public_area(attested.attempt.device_key.verifying_key(), DEVICE_KEY ^ 1 << bit);
        let said = certify_info(&for_this(&attested), &name_of(&public));
        let attestation = tpm.sign(attested.secret(&tpm), public, said);
        assert_eq!(attested.refused(attestation), "public", "{bit}");
    }
}

fn for_this(attested: &Attested) -> [u8; 32] {
    let RegistrationChallenge { aud, registration_id, challenge, .. } = &attested.attempt.challenge;
    qualifying_data(aud, *registration_id, *challenge)
}

#[test]
fn what_is_signed_is_what_tpm2_certify_makes() {
    // Magic, type; and something behind.
    type Forge = fn(&mut Vec<u8>);
    let forgeries: [Forge; 3] = [|it| it[0] = 0, |it| it[5] = 0x18, |it| it.push(0)];
    let mut attested = Attested::begin();
    let tpm = attested.tpm();
    for (n, forge) in forgeries.into_iter().enumerate() {
        let public = public_area(attested.attempt.device_key.verifying_key(), DEVICE_KEY);
        let mut said = certify_info(&for_this(&attested), &name_of(&public));
        forge(&mut said);
        let attestation = tpm.sign(attested.secret(&tpm), public, said);
        assert_eq!(attested.refused(attestation), "certify_info", "{n}");
    }
}

#[test]
fn a_wrong_secret_or_none_that_was_asked_for_is_refused() {
    let mut attested = Attested::begin();
    let mut attestation = attested.honest(&attested.tpm());
    attestation.secret[0] ^= 1;
    assert_eq!(attested.refused(attestation), "secret");

    // The secret of another registration.
    let before = Attested::begin();
    let secret = before.secret(&before.tpm());
    let tpm = attested.tpm();
    let _ = attested.secret(&tpm);
    let attestation = tpm.attest(secret, &attested.attempt.challenge, &attested.attempt.device_key);
    assert_eq!(attested.refused(attestation), "secret");

    let mut attested = Attested::begin();
    let attestation = attested.tpm().attest(vec![0; 32], &attested.attempt.challenge, &attested.attempt.device_key);
    assert_eq!(attested.refused(attestation), "credential");
}

/// Whoever stands between takes it out, so that the key counts for less, or puts in another one.
#[test]
fn what_the_device_has_signed_to_hand_in_is_handed_in() {
    let mut attested = Attested::begin();
    let attestation = attested.honest(&attested.tpm());
    attested.attempt.proof.attestation_sha256 = Some(attestation.sha256());
    let request = attested.attempt.signed();
    assert_eq!(attested.attempt.refused_with(&request), part("attestation_invalid", "attestation_sha256"));

    let mut attested = Attested::begin();
    let attestation = attested.honest(&attested.tpm());
    let mut request = attested.attempt.signed();
    request.attestation = Some(attestation);
    assert_eq!(attested.attempt.refused_with(&request), part("attestation_invalid", "attestation_sha256"));
}
