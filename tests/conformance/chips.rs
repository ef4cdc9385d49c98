//! gematik's card-verifiable certificates up to its trust anchors, and the chips of its card images.

use std::collections::BTreeMap;

use kartenbund::egk::{ApduLength, Egk, EgkError};
use kartenbund::pki::cvc::{
    AuthorityName, ChainError, Cvc, CvcError, CvcRootError, CvcRoots as _, Holder, Level, TestCvcRoots, verify,
};
use kartenbund::protocol::presence::{ChipEvidence, ChipPresence, Occasion};
use kartenbund::secret::{Can, SecretText};
use kartenbund::virtual_card::VirtualCard;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use serde_json::Value;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::cards::{health_cards, images};
use super::common::rng;
use super::shared;

/// The files of the folder with this extension, by name.
fn files(extension: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(shared("data/cvc")).unwrap().map(|entry| entry.unwrap().path());
    let wanted = entries.filter(|path| path.extension().is_some_and(|found| found == extension));
    wanted.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap())).collect()
}

fn name(hexadecimal: &str) -> AuthorityName {
    AuthorityName::parse(&hex::decode(hexadecimal).unwrap()).unwrap()
}

/// The two trust anchors; the name of each is the beginning of its file name.
fn anchors() -> TestCvcRoots {
    let mut roots = TestCvcRoots::default();
    let files = files("der");
    assert_eq!(files.len(), 2);
    for (file, key) in files {
        roots.add_key(name(file.split('_').next().unwrap()), &key).unwrap();
    }
    roots
}

/// Adds every cross certificate that leads to a root which is there, until no more does.
fn add_cross_certificates(roots: &mut TestCvcRoots) {
    let mut left = files("cvc");
    left.retain(|file, _| file.contains("cross"));
    loop {
        let before = left.len();
        left.retain(|_, cvc| roots.add_certificate(cvc).is_err());
        if left.len() == before {
            return;
        }
    }
}

/// Trust anchors, roots that sign themselves, and whom these vouch for.
fn roots() -> TestCvcRoots {
    let mut roots = anchors();
    for (file, cvc) in files("cvc").into_iter().filter(|(file, _)| !file.contains("cross")) {
        roots.add_certificate(&cvc).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    add_cross_certificates(&mut roots);
    roots
}

#[test]
fn every_certificate_says_what_an_independent_reading_says_and_gets_its_verdict() {
    let cases: Value = serde_json::from_slice(&std::fs::read(shared("data/cvc/cases.json")).unwrap()).unwrap();
    let files = files("cvc");
    let known: Vec<_> = roots().roots().iter().map(|root| root.name()).collect();
    let (mut verified, mut without_issuer) = (0, 0);
    for case in cases["cvc"].as_array().unwrap() {
        let text = |member: &str| case[member].as_str().unwrap();
        let file = text("file");
        let cvc = Cvc::parse(&files[file]).unwrap();
        let date = |date: Date| date.format(format_description!("[year][month][day]")).unwrap();
        assert_eq!((cvc.issuer, &cvc.holder), (name(text("car")), &Holder::Authority(name(text("chr")))), "{file}");
        assert_eq!(
            (hex::encode(&cvc.key_oid), hex::encode(cvc.flags)),
            (text("key_oid_hex").into(), text("flags").into())
        );
        assert_eq!(
            (date(cvc.effective), date(cvc.expires)),
            (text("effective").into(), text("expires").into()),
            "{file}"
        );

        assert!(text("expected").starts_with("VALID signature"), "{file}");
        let is_own = text("car") == text("chr");
        let mut roots = if is_own { TestCvcRoots::default() } else { roots() };
        let verdict = roots.add_certificate(&files[file]);
        if is_own || known.contains(&cvc.issuer) {
            assert_eq!(verdict, Ok(()), "{file}");
            verified += 1;
        } else {
            // Its issuer has neither a certificate nor a trust anchor in the folder.
            assert_eq!(verdict, Err(CvcRootError::Certificate(CvcError::UnknownIssuer)), "{file}");
            without_issuer += 1;
        }
        // The last bit of it, and it is none any more.
        let mut changed = files[file].clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(roots.add_certificate(&changed).is_err(), "{file}");
    }
    assert!(
        verified > 10 * without_issuer.min(1) && without_issuer <= 2,
        "{verified}, {without_issuer} without issuer"
    );
}

/// From the anchors alone: roots they reach by cross certificates have the keys with which they sign themselves.
#[test]
fn a_root_that_signs_itself_is_the_one_that_the_trust_anchors_vouch_for() {
    let mut reached = anchors();
    add_cross_certificates(&mut reached);
    let names: Vec<_> = reached.roots().iter().map(|root| root.name()).collect();
    let own: Vec<_> = files("cvc").into_values().map(|bytes| Cvc::parse(&bytes).unwrap()).collect();
    let own = own.iter().filter(|cvc| cvc.holder == Holder::Authority(cvc.issuer) && names.contains(&cvc.issuer));
    let mut compared = 0;
    for cvc in own {
        let crossed: Vec<_> = files("cvc").into_values().map(|bytes| Cvc::parse(&bytes).unwrap()).collect();
        let mut crossed = crossed.iter().filter(|other| other.holder == cvc.holder && other.issuer != cvc.issuer);
        assert!(crossed.all(|other| other.point == cvc.point), "{}", cvc.issuer);
        compared += 1;
    }
    assert!(names.len() > 2 && compared > 0);
}

/// The number after an attribute of an object, in the text of an image.
fn attribute<'a>(xml: &'a str, object: &str, attribute: &str) -> Option<&'a str> {
    let part = xml.split(&format!("<child id=\"{object}\"")).nth(1)?.split("</child>").next()?;
    let value = part.split(&format!("<attribute id=\"{attribute}\">")).nth(1)?.split('<').next()?.trim();
    (value != "AttributeNotSet").then_some(value)
}

/// OpenSSL's public key for the scalar `d`: the image's own `P` is another key's on some.
fn key_of(xml: &str) -> EcKey<openssl::pkey::Private> {
    let d = BigNum::from_hex_str(attribute(xml, "PrK.eGK.AUT_CVC.E256", "privateKey").unwrap()).unwrap();
    let group = EcGroup::from_curve_name(Nid::BRAINPOOL_P256R1).unwrap();
    let mut point = EcPoint::new(&group).unwrap();
    point.mul_generator2(&group, &d, &mut openssl::bn::BigNumContext::new().unwrap()).unwrap();
    EcKey::from_private_components(&group, &d, &point).unwrap()
}

#[test]
fn the_chip_of_every_health_card_shows_that_it_is_genuine_with_contacts_and_without() {
    let roots = roots();
    let (mut chains, mut contactless) = (0, 0);
    for image in health_cards() {
        let mut ways = vec![VirtualCard::load(&image.xml).unwrap()];
        if image.files.contains_key("EF.CardAccess") {
            ways.push(VirtualCard::load_contactless(&image.xml, &mut rng()).unwrap());
        }
        for (way, card) in ways.into_iter().enumerate() {
            let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
            if way == 1 {
                let can = Can::parse(&SecretText::new("123123".to_owned())).unwrap();
                egk.open_contactless(&can, &mut rng()).unwrap();
                contactless += 1;
            }
            let occasion = Occasion::of_nobody(&mut rng());
            let signature = egk.authenticate_chip(&occasion.nonce()).unwrap();
            let (r, s) = signature.split_at(32);
            let part = |bytes| BigNum::from_slice(bytes).unwrap();
            let foreign = EcdsaSig::from_private_components(part(r), part(s)).unwrap();
            let token = [occasion.nonce().as_bytes().as_slice(), &[0]].concat();
            assert!(foreign.verify(&token, &key_of(&image.xml)).unwrap(), "{}", image.name);

            if image.files["EF.C.eGK.AUT_CVC.E256"].is_empty() {
                // An image without its certificates: that is told, and nothing is made of it.
                let told = egk.read_chip_certificate();
                assert!(matches!(told, Err(EgkError::UnexpectedStatus { command: "READ BINARY", .. })), "{told:?}");
                continue;
            }
            let (chip, authority) = (egk.read_chip_certificate().unwrap(), egk.read_chip_authority().unwrap());
            assert_eq!(
                (&chip, &authority),
                (&image.files["EF.C.eGK.AUT_CVC.E256"], &image.files["EF.C.CA_eGK.CS.E256"])
            );
            let cvc = Cvc::parse(&chip).unwrap();
            let evidence = ChipEvidence { chip, authority, signature: signature.to_vec() };
            let at = cvc.expires.midnight().assume_utc();
            let presence = ChipPresence::check(&evidence, occasion.clone(), &roots, at).unwrap();
            assert!(image.name.ends_with(&presence.iccsn().to_string()), "{}", image.name);
            assert_eq!(presence.iccsn(), &egk.iccsn().unwrap(), "{}", image.name);
            let late = ChipPresence::check(&evidence, occasion, &roots, at + time::Duration::DAY).unwrap_err();
            let expired = ChainError { level: Level::Chip, error: CvcError::Expired };
            assert_eq!(late, expired.into(), "{}", image.name);
            chains += 1;
        }
    }
    assert!(chains >= 7 && contactless >= 3, "{chains} chains, {contactless} without contacts");
}

#[test]
fn a_professionals_card_is_no_health_card() {
    let image = images().into_iter().find(|image| image.name.starts_with("hba")).unwrap();
    let mut roots = TestCvcRoots::default();
    let root = Cvc::parse(&image.files["EF.C.CA_HPC.CS.E256"]).unwrap().issuer;
    let point = hex::decode(attribute(&image.xml, "PuK.RCA.CS.E256", "P").unwrap()).unwrap();
    let anchor = [hex::decode("7F494E06092B24030302080101078641").unwrap(), point].concat();
    roots.add_key(root, &anchor).unwrap();
    for file in ["EF.C.HPC.AUTR_CVC.E256", "EF.C.HPC.AUTD_SUK_CVC.E256"] {
        let cvc = Cvc::parse(&image.files[file]).unwrap();
        let at: OffsetDateTime = cvc.effective.midnight().assume_utc();
        let verdict = verify(&image.files[file], &image.files["EF.C.CA_HPC.CS.E256"], &roots, at);
        // The CA is trusted; what it certified is another kind of card.
        assert_eq!(verdict.err(), Some(ChainError { level: Level::Chip, error: CvcError::Role }), "{file}");
    }
}

/// The one known answer: made by gematik's code with its key, nonce 00 to 17 and k = 0x1234567890abcdef thrice.
#[test]
fn the_known_answer_fits() {
    let image = images().into_iter().find(|image| image.name.ends_with("152715")).unwrap();
    let chip = &image.files["EF.C.eGK.AUT_CVC.E256"];
    let at = Cvc::parse(chip).unwrap().effective.midnight().assume_utc();
    let chip = verify(chip, &image.files["EF.C.CA_eGK.CS.E256"], &roots(), at).unwrap();
    let nonce = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let signature = hex::decode(concat!(
        "623213418dedc32e744c164a3cca3f3302fc2e597d24d64d571d96e48af9e7a6",
        "3f59b569e283cc9d7504784f5e38053f89e89176ab17bfca17d7e3167f73446e",
    ));
    let signature = signature.unwrap();
    assert!(chip.signed(&nonce, &signature));
    assert!(!chip.signed(&[0; 24], &signature));
}
