//! gematik's test certificates, against the eGK CAs of its test trust list: each must get the verdict that an
//! independent implementation gave.

use std::collections::BTreeMap;

use base64::Engine as _;
use kartenbund::identity::certificate::Certificate;
use kartenbund::pki::trust_list::{TrustList, TrustListError};
use kartenbund::pki::{self, Anchors as _, Issuer, PkiError, TestAnchors};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::common::NOW;
use super::common::trust_list::{ListSigner, tsl_ca};
use super::shared;

/// The certificates of the trust list whose common name is one of `names`, cut out of the XML.
pub(crate) fn cas_of_trust_list(names: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let lists = ["TSL_default.xml", "rsa-TSL_default.xml"];
    let xml = lists.map(|list| std::fs::read_to_string(shared("data/pki/tsl").join(list)).unwrap());
    let documents = xml.each_ref().map(|xml| roxmltree::Document::parse(xml).unwrap());
    let nodes = documents.iter().flat_map(|document| document.descendants());
    let certificates = nodes.filter(|node| node.tag_name().name() == "X509Certificate");
    let mut found = BTreeMap::new();
    for node in certificates {
        let text: String = node.text().unwrap_or_default().split_whitespace().collect();
        let der = base64::prelude::BASE64_STANDARD.decode(text).unwrap();
        let Ok(certificate) = Certificate::parse(&der) else { continue };
        for name in names {
            if certificate.subject.text.ends_with(&format!("CN={name} TEST-ONLY")) {
                found.insert((*name).to_owned(), der.clone());
            }
        }
    }
    found
}

pub(crate) fn anchors(names: &[&str]) -> TestAnchors {
    let found = cas_of_trust_list(names);
    assert_eq!(found.len(), names.len(), "{:?}", found.keys());
    let mut anchors = TestAnchors::default();
    found.values().for_each(|der| anchors.add(Issuer::from_der(der).unwrap()));
    anchors
}

#[test]
fn every_certificate_of_a_health_card_gets_its_verdict() {
    let cases: Value = serde_json::from_slice(&std::fs::read(shared("data/pki/cases.json")).unwrap()).unwrap();
    // Two that sign with RSA, three on the curve. What another CA issued is unknown to us.
    const PINNED: [&str; 5] = ["GEM.EGK-CA10", "GEM.EGK-CA24", "GEM.EGK-CA41", "GEM.EGK-CA51", "GEM.EGK-CA57"];
    let anchors = anchors(&PINNED);
    let (mut good, mut bad, mut rsa) = (0, 0, 0);
    for case in cases["cases"].as_array().unwrap() {
        // Of RSA certificates the profile says what they are for: digitalSignature alone, as on all cards that were seen.
        let is_ours = case["about_egk"] == true && case["profile"] == "CH_AUT_ECC";
        if !is_ours {
            continue;
        }
        rsa += usize::from(case["key"] == "RSAPublicKey");
        let der = std::fs::read(shared("data/pki").join(case["file"].as_str().unwrap())).unwrap();
        let at = OffsetDateTime::parse(case["reference_time"].as_str().unwrap(), &Rfc3339).unwrap();
        let chain = case["expected_chain"]["tsl/TSL_default.xml"].as_str().unwrap();
        let claims = &case["egk_claims"];
        let tolerated = |error: &Value| error.as_str().is_some_and(|error| error.contains("tolerated"));
        let no_errors = claims["errors"].as_array().is_none_or(|errors| errors.iter().all(tolerated));
        let pinned = PINNED.iter().any(|ca| case["issuer"].as_str().unwrap().contains(ca));
        let expected = chain == "VALID" && no_errors && pinned;
        let verdict = pki::verify(&der, &anchors, at);
        assert_eq!(verdict.is_ok(), expected, "{}: {chain}, {claims}: {:?}", case["id"], verdict.err());
        if let Ok(verified) = verdict {
            good += 1;
            if claims.is_null() {
                continue;
            }
            let holder = verified.holder();
            assert_eq!(holder.kvnr.as_str(), claims["kvnr"], "{}", case["id"]);
            assert_eq!(holder.payer_ik.as_str(), claims["ik"], "{}", case["id"]);
            assert_eq!(holder.surname, claims["family_name"].as_str().unwrap(), "{}", case["id"]);
            assert_eq!(holder.given_name, claims["given_name"].as_str().unwrap(), "{}", case["id"]);
            let checked = holder.kvnr.has_valid_check_digit();
            assert_eq!(checked, claims["kvnr_checksum_ok"] == true, "{}", case["id"]);
        } else {
            bad += 1;
        }
    }
    assert!(good >= 8 && bad >= 7, "{good} good, {bad} bad");
    assert_eq!(rsa, 7);
}

/// A list of gematik's, with a signature of ours in the place of its own: the detached one is not at hand.
fn signed(list: &str) -> Result<TrustList, TrustListError> {
    let list = std::fs::read(shared("data/pki").join(list)).unwrap();
    TrustList::verify(&list, &ListSigner::ours().sign(&list), &tsl_ca(), NOW)
}

#[test]
fn every_certificate_of_a_health_card_gets_its_verdict_under_the_whole_trust_list() {
    let cases: Value = serde_json::from_slice(&std::fs::read(shared("data/pki/cases.json")).unwrap()).unwrap();
    for (name, sequence, valid, revoked) in
        [("tsl/TSL_default.xml", 420_007, 21, 0), ("tsl/TSL_altCA_revoked.xml", 420_005, 19, 2)]
    {
        let list = signed(name).unwrap();
        assert_eq!(list.sequence(), sequence);
        let anchors = TestAnchors::default().with_list(&list).unwrap();
        let (mut good, mut of_revoked) = (0, 0);
        for case in cases["cases"].as_array().unwrap() {
            if case["about_egk"] != true || case["profile"] != "CH_AUT_ECC" {
                continue;
            }
            let Some(chain) = case["expected_chain"][name].as_str() else { continue };
            let der = std::fs::read(shared("data/pki").join(case["file"].as_str().unwrap())).unwrap();
            let at = OffsetDateTime::parse(case["reference_time"].as_str().unwrap(), &Rfc3339).unwrap();
            let verdict = pki::verify(&der, &*anchors, at).map(drop);
            let fits = match chain.get(..7).unwrap_or(chain) {
                "VALID" => !matches!(verdict, Err(error) if is_of_the_chain(error)),
                "SE_1016" => verdict == Err(PkiError::Usage),
                "SE_1021" => matches!(verdict, Err(PkiError::Expired | PkiError::NotYetValid)),
                "SE_1024" => verdict == Err(PkiError::Signature),
                "SE_1036" => verdict == Err(PkiError::IssuerRevoked),
                "TE_1027" => verdict == Err(PkiError::UnknownIssuer),
                other => panic!("{other}"),
            };
            assert!(fits, "{}: {chain}, {verdict:?}", case["id"]);
            good += usize::from(chain == "VALID");
            of_revoked += usize::from(verdict == Err(PkiError::IssuerRevoked));
        }
        assert_eq!((good, of_revoked), (valid, revoked));
        // Once the list's time is over nothing of it holds.
        let later = list.next_update() + time::Duration::SECOND;
        let case =
            cases["cases"].as_array().unwrap().iter().find(|case| case["expected_chain"][name] == "VALID").unwrap();
        let der = std::fs::read(shared("data/pki").join(case["file"].as_str().unwrap())).unwrap();
        assert_eq!(pki::verify(&der, &*anchors, later).err(), Some(PkiError::TrustListExpired));
    }
}

fn is_of_the_chain(error: PkiError) -> bool {
    use PkiError::{Expired, IssuerRevoked, NotYetValid, Signature, TrustListExpired, UnknownIssuer};
    [Expired, IssuerRevoked, NotYetValid, Signature, TrustListExpired, UnknownIssuer].contains(&error)
}

#[test]
fn gematiks_trust_lists_are_read_and_what_has_another_form_is_not() {
    let list = signed("tsl/TSL_default.xml").unwrap();
    // 62 services issue C.CH.AUT. 117 answer about revocation: 63 with keys on brainpoolP256r1, 51 with RSA, and three with
    // P-256, which signs nothing about health cards and is not taken.
    assert_eq!((list.issuers().len(), list.responders().len()), (62, 63 + 51));
    assert!(list.issuers().iter().all(Issuer::is_test));
    let refused = signed("tsl/TSL_invalid_xmlNamespace_altCA.xml").err();
    assert_eq!(refused, Some(TrustListError::Malformed));
    for readable in ["tsl/TSL_TAchange.xml", "tsl/TSL_defect_altCA_broken.xml", "tsl/rsa-TSL_default.xml"] {
        assert!(signed(readable).is_ok(), "{readable}");
    }
}
