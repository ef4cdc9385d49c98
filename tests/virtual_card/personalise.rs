//! Fictional cards: this project and OpenSSL take them for what they are.

use kartenbund::egk::{ApduLength, Egk, LastTry, PinAnswer, PinStatus};
use kartenbund::identity::Identity;
use kartenbund::identity::certificate::oid;
use kartenbund::secret::{Pin, SecretText};
use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::personalise::{
    Blueprint, CertificateType, InsuredType, PersonaliseError, Schema, Sex, TestCa, personalise,
};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509StoreContext};
use sha2::{Digest as _, Sha256};
use time::macros::datetime;

use super::{Dice, NOW, SELECT_ESIGN, erika, file, image, openssl_verifies};

#[test]
fn this_project_reads_and_signs_with_a_personalised_card() {
    let blueprint = Blueprint {
        title: Some("Dr.".to_owned()),
        name_prefix: Some("von".to_owned()),
        name_suffix: Some("Gräfin".to_owned()),
        sex: Sex::Diverse,
        insured_type: InsuredType::Pensioner,
        iccsn: Some("80276999990000000017".to_owned()),
        ..erika()
    };
    let mut egk = Egk::open(VirtualCard::load(&image(&blueprint)).unwrap(), ApduLength::Extended).unwrap();
    let files = egk.read_files().unwrap();
    assert_eq!(files.iccsn.to_string(), "80276999990000000017");
    let identity = Identity::read(&files.status_vd, &files.pd, &files.vd, files.certificate.der()).unwrap();
    assert_eq!(identity.warnings(NOW), []);
    assert_eq!(identity.person.kvnr.as_str(), "A123456780");
    assert_eq!(identity.person.family_name, "Müstermann");
    assert_eq!(identity.person.name_prefix.as_deref(), Some("von"));
    assert_eq!(identity.person.name_suffix.as_deref(), Some("Gräfin"));
    assert_eq!(identity.person.title.as_deref(), Some("Dr."));
    assert_eq!(identity.person.sex, "D");
    assert_eq!(identity.person.address.unwrap().street.as_deref(), Some("Musterstraße"));
    assert_eq!(identity.insurance.payer_ik.as_str(), "999567890");
    assert_eq!(identity.insurance.payer_name, "Musterkasse NOT-VALID");
    assert_eq!(identity.insurance.insured_type.as_deref(), Some("5"));
    assert_eq!(identity.holder.kvnr.as_str(), "A123456780");
    assert_eq!(identity.holder.given_name, "Erika Gräfin von");
    assert_eq!(identity.certificate.extensions.professions, [oid::VERSICHERTER]);
    assert_eq!(identity.certificate.extensions.policies, ["1.2.276.0.76.4.163", oid::EGK_AUT]);
    assert_eq!(identity.certificate.extensions.critical, ["2.5.29.15", "2.5.29.19"]);
    assert_eq!(identity.certificate.extensions.key_usage, Some(1));
    assert_eq!(identity.certificate.extensions.is_ca, Some(false));
    assert_eq!(identity.certificate.not_before, datetime!(2026-11-23 00:00 UTC));
    assert_eq!(identity.certificate.not_after, datetime!(2031-11-22 23:59:59 UTC));

    assert!(egk.auth_key().sign(b"too early").is_err());
    let PinStatus::Usable(tries) = egk.pin_status().unwrap() else { panic!("no tries") };
    let pin = Pin::parse(&SecretText::new("123456".to_owned())).unwrap();
    assert_eq!(egk.verify_pin(tries.attempt(LastTry::Refused).unwrap(), &pin).unwrap(), PinAnswer::Accepted);
    let signature = egk.auth_key().sign(b"now").unwrap();
    assert!(openssl_verifies(&identity.certificate.der, &Sha256::digest(b"now"), &signature));
}

#[test]
fn a_personalised_card_can_be_told_to_be_odd() {
    let read = |blueprint: &Blueprint| {
        let mut egk = Egk::open(VirtualCard::load(&image(blueprint)).unwrap(), ApduLength::Short).unwrap();
        let files = egk.read_files().unwrap();
        Identity::read(&files.status_vd, &files.pd, &files.vd, files.certificate.der())
    };
    for (schema, prefixed, gvd) in [
        (Schema::V5_1, false, true),
        (Schema::V5_1, true, false),
        (Schema::V5_2, true, true),
        (Schema::V5_2, false, false),
    ] {
        let blueprint = Blueprint { schema, prefixed, gvd, address: None, ..erika() };
        let identity = read(&blueprint).unwrap();
        assert_eq!(identity.person.given_name, "Erika");
        assert!(identity.person.address.is_none());
    }
    let autn = read(&Blueprint { certificate_type: CertificateType::Autn, ..erika() }).unwrap();
    assert_eq!(autn.certificate.extensions.policies, ["1.2.276.0.76.4.163", "1.2.276.0.76.4.71"]);
    let swapped = Blueprint { kvnr_in_pd: Some("M700800900".parse().unwrap()), ..erika() };
    assert_eq!(read(&swapped).unwrap_err().to_string(), "EF.PD and C.CH.AUT name different insurance numbers");
    let updating = Blueprint { update_in_progress: true, ..erika() };
    assert_eq!(read(&updating).unwrap_err().to_string(), "the insurance data are being updated");
    let old =
        Blueprint { validity: Some((datetime!(2019-01-01 00:00 UTC), datetime!(2020-01-01 00:00 UTC))), ..erika() };
    assert_eq!(read(&old).unwrap().certificate.not_after, datetime!(2020-01-01 00:00 UTC));
}

#[test]
fn what_does_not_fit_on_a_card_is_said() {
    let refuse =
        |blueprint: Blueprint| personalise(&blueprint, &TestCa::built_in().unwrap(), &mut Dice(0), NOW).unwrap_err();
    let digits = |text: &str| SecretText::new(text.to_owned());
    assert!(matches!(
        refuse(Blueprint { pin: digits("12345"), ..erika() }),
        PersonaliseError::Digits { what: "PIN", .. }
    ));
    assert!(matches!(
        refuse(Blueprint { puk: digits("123456"), ..erika() }),
        PersonaliseError::Digits { what: "PUK", .. }
    ));
    assert!(matches!(
        refuse(Blueprint { can: digits("12345a"), ..erika() }),
        PersonaliseError::Digits { what: "CAN", .. }
    ));
    for name in ["", " ", "Władysława", "Erika\n", &"x".repeat(46)] {
        let blueprint = Blueprint { given_name: name.to_owned(), ..erika() };
        assert!(matches!(refuse(blueprint), PersonaliseError::Text("Vorname")), "{name}");
    }
    let blueprint = Blueprint { iccsn: Some("8027699999000000001".to_owned()), ..erika() };
    assert!(matches!(refuse(blueprint), PersonaliseError::Text("ICCSN")));
    let markup = image(&Blueprint { family_name: "<O'Neill> & \"Co\"".to_owned(), ..erika() });
    let mut egk = Egk::open(VirtualCard::load(&markup).unwrap(), ApduLength::Extended).unwrap();
    let files = egk.read_files().unwrap();
    let identity = Identity::read(&files.status_vd, &files.pd, &files.vd, files.certificate.der()).unwrap();
    assert_eq!(identity.person.family_name, "<O'Neill> & \"Co\"");
}

/// The extensions as they are encoded on a real card (gemSpec_PKI, 5.1).
#[test]
fn the_certificate_is_encoded_as_on_a_real_card() {
    let mut card = VirtualCard::load(&image(&erika())).unwrap();
    let certificate = hex::encode_upper(file(&mut card, SELECT_ESIGN, 0x04));
    for part in [
        "300E0603551D0F0101FF040403020780",
        "30200603551D2004193017300A06082A8214004C048123300906072A8214004C0446",
        "303006052B240803030427302530233021301F301D30100C0E56657273696368657274652F2D72300906072A8214004C0431",
        "300C0603551D130101FF04023000",
        "305A301406072A8648CE3D020106092B240303020801010703420004",
    ] {
        assert!(certificate.contains(part), "{part}");
    }
    let subject = X509::from_der(&hex::decode(certificate).unwrap()).unwrap();
    let names: Vec<_> = subject
        .subject_name()
        .entries()
        .map(|entry| format!("{}={}", entry.object().nid().short_name().unwrap(), entry.data().to_string().unwrap()))
        .collect();
    let person = ["SN=Müstermann", "GN=Erika", "CN=Erika Müstermann TEST-ONLY"];
    assert_eq!(names[..4], ["C=DE", "O=Musterkasse NOT-VALID", "OU=999567890", "OU=A123456780"]);
    assert_eq!(names[4..], person);
}

#[test]
fn the_certificate_chains_to_the_ca_that_made_it_and_to_no_other() {
    let certificate_by = |ca: &TestCa| {
        let image = personalise(&erika(), ca, &mut Dice(7), NOW).unwrap();
        X509::from_der(&file(&mut VirtualCard::load(&image).unwrap(), SELECT_ESIGN, 0x04)).unwrap()
    };
    let own = TestCa::built_in().unwrap();
    let stranger = TestCa::generate(&mut Dice(9), "KARTENBUND.EGK-CA1 TEST-ONLY", NOW).unwrap();
    let fake = certificate_by(&stranger);
    let real = certificate_by(&own);
    assert!(chains(&real, &own));
    assert!(!chains(&real, &stranger));
    assert!(chains(&fake, &stranger));
    assert!(!chains(&fake, &own));
    assert_eq!(
        X509::from_pem(own.certificate_pem().unwrap().as_bytes()).unwrap().to_der().unwrap(),
        own.certificate_der()
    );
    let committed = include_str!("../../fixtures/pki/test-egk-ca.pem");
    assert_eq!(own.certificate_pem().unwrap(), committed);
}

fn chains(certificate: &X509, ca: &TestCa) -> bool {
    let mut store = X509StoreBuilder::new().unwrap();
    store.add_cert(X509::from_der(ca.certificate_der()).unwrap()).unwrap();
    store.set_flags(X509VerifyFlags::X509_STRICT).unwrap();
    let mut parameters = X509VerifyParam::new().unwrap();
    parameters.set_time(NOW.unix_timestamp());
    store.set_param(&parameters).unwrap();
    let mut context = X509StoreContext::new().unwrap();
    context.init(&store.build(), certificate, &Stack::new().unwrap(), |context| context.verify_cert()).unwrap()
}
