//! Wrong cards and wrong certificates.

use super::*;

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
    let audit = world.audit_entries().join("\n");
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
fn a_certificate_with_something_behind_its_signature_is_refused() {
    let der = certificate_of(&mut card(ERIKA)).der;
    // SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue, NULL }: what is signed is as it was.
    let length = u16::from_be_bytes([der[2], der[3]]) + 2;
    let longer = [&[0x30, 0x82], &length.to_be_bytes()[..], &der[4..], &[0x05, 0x00]].concat();
    let refused = pki::verify(&longer, &anchors_of(&[&ca()]), NOW);
    assert!(matches!(refused, Err(PkiError::Malformed(CertificateError::Malformed))), "{refused:?}");
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
    assert!(matches!(pki::Issuer::from_der(&leaf), Err(AnchorError::NotACa)));
}

#[test]
fn what_is_odd_about_a_card_is_told_to_its_reader() {
    let mut card = card(ERIKA);
    let files = Egk::open(&mut card, ApduLength::Extended).unwrap().read_files().unwrap();
    let identity = Identity::read(&files.status_vd, &files.pd, &files.vd, files.certificate.der()).unwrap();
    let years = time::Duration::days(366) * 10;
    assert_eq!(identity.warnings(NOW), []);
    assert_eq!(identity.warnings(NOW + years), [Warning::CertificateExpired]);
    assert_eq!(identity.warnings(NOW - years), [Warning::CertificateNotYetValid]);
}
