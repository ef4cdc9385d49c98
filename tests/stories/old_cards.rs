//! Cards of generation 2, whose keys are RSA: Otto's is `fixtures/cards/otto-rsa.xml`. OpenSSL judges what they sign.

use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use kartenbund::egk::{EfCChAut, Egk};
use kartenbund::identity::certificate::Certificate;
use kartenbund::jose::jws::{ByCard, Signer};
use kartenbund::virtual_card::personalise::{Keys, TestCa};
use kartenbund::virtual_card::scenario::{Scenario, Staged};
use openssl::hash::MessageDigest;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};
use openssl::x509::X509;

use super::*;

const OTTO: &str = "T022791232";
const CARD: &str = "fixtures/cards/otto-rsa.xml";

fn otto() -> VirtualCard {
    VirtualCard::load(&std::fs::read_to_string(CARD).unwrap()).unwrap()
}

fn rsa_ca() -> TestCa {
    TestCa::built_in_rsa().unwrap()
}

/// RFC 7518, 3.5: RSASSA-PSS with SHA-256, MGF1 with SHA-256, and a salt as long as the hash.
fn openssl_takes(certificate: &[u8], jws: &str) -> bool {
    let (input, signature) = jws.rsplit_once('.').unwrap();
    let key = X509::from_der(certificate).unwrap().public_key().unwrap();
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
    verifier.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
    verifier.set_rsa_mgf1_md(MessageDigest::sha256()).unwrap();
    verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(32)).unwrap();
    verifier.verify_oneshot(&BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap(), input.as_bytes()).unwrap_or(false)
}

fn header_of(jws: &str) -> serde_json::Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(jws.split('.').next().unwrap()).unwrap()).unwrap()
}

#[test]
fn an_old_card_is_read() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_kartenbund"));
    let output = program.args(["--json", "read", "--virtual-card", CARD]).output().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["card"]["generation"], "G2");
    assert_eq!(value["card"]["object_system"], "4.3.2");
    assert_eq!(value["certificate"]["algorithm"], "PS256");
    assert_eq!(value["certificate"]["kvnr"], OTTO);
    assert_eq!(value["warnings"], json!([]));
    let short = Command::new(env!("CARGO_BIN_EXE_kartenbund"))
        .args(["--json", "read", "--short-apdus", "--virtual-card", CARD])
        .output()
        .unwrap();
    assert_eq!(short.stdout, output.stdout);
}

#[test]
fn a_person_with_an_old_card_registers_approves_and_the_evidence_verifies() {
    for length in [ApduLength::Extended, ApduLength::Short] {
        let world = World::with(Box::new(anchors_of(&[&rsa_ca()])), &["999567890"]);
        let computer = world.log_in(OTTO, &world.member(OTTO));
        let mut card = otto();
        let mut watched = Watched::new(&mut card);
        let device = computer.register_as(&mut watched, &mut Script::default(), &Wish { length, ..wish() }).unwrap();
        assert_eq!(device.binding_level, BindingLevel::B3);
        // MANAGE SECURITY ENVIRONMENT once, PSO COMPUTE DIGITAL SIGNATURE twice (gemSpec_COS, 14.9.9.9 and 14.8.2).
        let signs: Vec<_> = watched.sent.iter().filter(|header| matches!(header[1], 0x22 | 0x2A)).collect();
        assert_eq!(signs, [&[0x00, 0x22, 0x41, 0xB6], &[0x00, 0x2A, 0x9E, 0x9A], &[0x00, 0x2A, 0x9E, 0x9A]]);
        assert_eq!(tries_left(&mut card), "63c3");

        let accepted = computer.apply(&new_address());
        approve(&computer, &accepted);
        let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", accepted.approval_id)).unwrap();
        let evidence = serde_json::to_value(&bundle).unwrap()["devices"][0]["binding"]["card"].clone();
        let certificate = Egk::open(&mut card, ApduLength::Extended).unwrap().read_certificate().unwrap();
        for member in ["signed_pairing_data", "card_jws"] {
            let jws = evidence[member].as_str().unwrap();
            assert_eq!(header_of(jws)["alg"], "PS256", "{member}");
            assert!(openssl_takes(certificate.der(), jws), "{member}");
        }
        let report = bundle.verify(&anchors_of(&[&rsa_ca()]), &computer.here.profile.service_keys);
        assert_eq!(report.findings.unwrap().devices[0].kvnr.as_str(), OTTO);
        let report = bundle.verify(&anchors_of(&[&ca()]), &computer.here.profile.service_keys);
        assert!(report.findings.is_none(), "the other CA vouches for no old card");
        let (bytes, key) = ([serde_json::to_vec(&bundle).unwrap()], &computer.here.profile.service_keys);
        assert_eq!(verifier::second_verifier(&bytes, &[&rsa_ca()], key), [true]);
        assert_eq!(verifier::second_verifier(&bytes, &[&ca()], key), [false]);
        assert_eq!(verifier::second_verifier(&bytes, &[&ca(), &rsa_ca()], key), [true]);
    }
}

/// The certificate is by the RSA CA as OpenSSL sees it, too.
#[test]
fn the_certificate_of_an_old_card_is_by_the_ca_of_old_cards() {
    let der = Egk::open(otto(), ApduLength::Extended).unwrap().read_certificate().unwrap();
    assert!(matches!(der, EfCChAut::R2048(_)));
    let certificate = X509::from_der(der.der()).unwrap();
    let issuer = X509::from_der(rsa_ca().certificate_der()).unwrap();
    assert!(certificate.verify(&issuer.public_key().unwrap()).unwrap());
    assert_eq!(certificate.public_key().unwrap().rsa().unwrap().size(), 256);
    let algorithm = certificate.signature_algorithm().object().to_string();
    assert_eq!(algorithm, "sha256WithRSAEncryption");
    let committed = include_str!("../../fixtures/pki/test-egk-rsa-ca.pem");
    assert_eq!(rsa_ca().certificate_pem().unwrap(), committed);
}

fn card_with_both() -> VirtualCard {
    card_by(&ca(), &Blueprint { keys: Keys::Both, ..blueprint(ERIKA) })
}

#[test]
fn a_card_with_both_keys_signs_on_the_curve() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card_with_both();
    computer.register(&mut card).unwrap();
    let device_id = computer.here.home.device().unwrap().device_id().unwrap();
    let bundle: serde_json::Value = computer.here.service.get(&format!("/v1/evidence/{device_id}")).unwrap();
    assert_eq!(header_of(bundle["devices"][0]["binding"]["card"]["card_jws"].as_str().unwrap())["alg"], "BP256R1");
    let mut egk = Egk::open(&mut card, ApduLength::Extended).unwrap();
    assert!(matches!(egk.read_certificate().unwrap(), EfCChAut::E256(_)));
}

/// The file may be missing or empty: then the other one serves.
#[test]
fn a_card_whose_better_certificate_is_missing_registers_with_the_other() {
    for scenario in ["e256-absent", "e256-empty"] {
        let text = std::fs::read_to_string(format!("fixtures/scenarios/{scenario}.toml")).unwrap();
        let mut card: Staged = Scenario::parse(&text).unwrap().play(card_with_both(), &mut rng()).unwrap();
        let world = World::new();
        let computer = world.log_in(ERIKA, &world.member(ERIKA));
        computer.register(&mut card).unwrap_or_else(|error| panic!("{scenario}: {error:?}"));
        let device_id = computer.here.home.device().unwrap().device_id().unwrap();
        let bundle: serde_json::Value = computer.here.service.get(&format!("/v1/evidence/{device_id}")).unwrap();
        assert_eq!(header_of(bundle["devices"][0]["binding"]["card"]["card_jws"].as_str().unwrap())["alg"], "PS256");
    }
}

/// With contacts and an RSA key, everything else is as ever: no try is lost, nothing is signed without the PIN.
#[test]
fn an_old_card_signs_nothing_without_its_pin() {
    let mut egk = Egk::open(otto(), ApduLength::Extended).unwrap();
    let certificate = Certificate::parse(egk.read_certificate().unwrap().der()).unwrap();
    assert_eq!(certificate.jws_algorithm(), Some("PS256"));
    assert_eq!(Signer::<ByCard>::name(&egk.auth_key()), "PS256");
    let refused = egk.auth_key().sign(b"anything");
    assert!(matches!(
        refused,
        Err(EgkError::UnexpectedStatus { command: "PSO COMPUTE DIGITAL SIGNATURE", status: StatusWord(0x6982) })
    ));
}
