//! Trust lists of others, changed ones, old ones, and evidence with them.

use flate2::Compression;
use flate2::write::GzEncoder;
use kartenbund::pki::trust_list::{MAX_LIST, TrustList, TrustListError};
use kartenbund::pki::{Anchors as _, Issuer, TestAnchors};
use kartenbund::protocol::evidence::{Pinned, RestsOn, TrustListEvidence};
use kartenbund::server::{ServerError, TrustListFault};
use openssl::nid::Nid;
use time::OffsetDateTime;

use super::common::trust_list::{ECDSA_WITH_SHA256, Entry, List, ListFolder, ListSigner, Profile, tsl_ca, tsl_ca_pem};
use super::common::verifier::second_verifier_with;
use super::*;

const DAY: i64 = 24 * 60 * 60;
const AT: i64 = NOW.unix_timestamp();

fn verified(list: &[u8], signature: &[u8]) -> Result<TrustList, TrustListError> {
    TrustList::verify(list, signature, &tsl_ca(), NOW)
}

fn signed(list: &List) -> TrustList {
    let xml = list.xml().into_bytes();
    verified(&xml, &ListSigner::ours().sign(&xml)).unwrap()
}

#[test]
fn a_list_is_believed_only_as_its_signer_signed_it() {
    let list = List::ours().xml().into_bytes();
    let signature = ListSigner::ours().sign(&list);
    assert!(verified(&list, &signature).is_ok());
    // Another signature, for the same list.
    assert!(verified(&list, &ListSigner::other(|_| ()).sign(&list)).is_ok());

    let mut changed = list.clone();
    let at = changed.windows(8).position(|it| it == b"inaccord").unwrap();
    changed[at] ^= 1;
    assert_eq!(verified(&changed, &signature).err(), Some(TrustListError::Signature));
    assert_eq!(verified(&[&list[..], b" "].concat(), &signature).err(), Some(TrustListError::Signature));
    assert_eq!(verified(&list[1..], &signature).err(), Some(TrustListError::Signature));
    for length in 0..signature.len() {
        let error = verified(&list, &signature[..length]).err();
        assert_eq!(error, Some(TrustListError::SignatureMalformed), "{length}");
    }
    let behind = [&signature[..], &[0]].concat();
    assert_eq!(verified(&list, &behind).err(), Some(TrustListError::SignatureMalformed));
    // Another algorithm is named: SHA-384, and none.
    for (algorithm, error) in [(11, TrustListError::Signature), (5, TrustListError::Signature)] {
        let mut other = signature.clone();
        let at = other.windows(12).position(|it| it == ECDSA_WITH_SHA256).unwrap();
        other[at + algorithm] ^= 1;
        assert_eq!(verified(&list, &other).err(), Some(error));
    }
}

#[test]
fn a_signer_who_is_none_signs_no_list() {
    type Change = fn(&mut Profile);
    let list = List::ours().xml().into_bytes();
    let signers: [(&str, Change, TrustListError); 9] = [
        ("by another CA of this name", |it| it.by_stranger = true, TrustListError::UnknownSigner),
        ("not yet", |it| it.from = AT + 1, TrustListError::SignerNotValid),
        ("not any more", |it| it.until = AT - 1, TrustListError::SignerNotValid),
        ("to authenticate with", |it| it.usage = vec![3, 2, 7, 0x80], TrustListError::SignerUsage),
        ("to sign everything with", |it| it.usage = vec![3, 2, 6, 0xC0], TrustListError::SignerUsage),
        ("for OCSP", |it| it.purpose = vec![0x2B, 6, 1, 5, 5, 7, 3, 9], TrustListError::SignerUsage),
        ("of another type", |it| it.policy[7] ^= 1, TrustListError::SignerUsage),
        ("a CA", |it| it.constraints = vec![0x30, 3, 1, 1, 0xFF], TrustListError::SignerUsage),
        ("on another curve", |it| it.curve = Nid::X9_62_PRIME256V1, TrustListError::SignerUsage),
    ];
    for (what, change, error) in signers {
        assert_eq!(verified(&list, &ListSigner::other(change).sign(&list)).err(), Some(error), "{what}");
    }
    // A CA of cards is none of lists.
    let cards = [Issuer::from_der(ca().certificate_der()).unwrap()];
    let signature = ListSigner::ours().sign(&list);
    assert_eq!(TrustList::verify(&list, &signature, &cards, NOW).err(), Some(TrustListError::UnknownSigner));
    assert_eq!(TrustList::verify(&list, &signature, &[], NOW).err(), Some(TrustListError::UnknownSigner));
}

#[test]
fn what_is_signed_and_no_list_is_none() {
    let ours = List::ours().xml();
    let changes = [
        ("another namespace", ours.replace("02231/v2#\" Id", "02231/v3#\" Id")),
        ("another root", ours.replace("TrustServiceStatusList", "TrustServiceList")),
        ("two numbers", ours.replace("<SchemeName>", "<TSLSequenceNumber>43</TSLSequenceNumber><SchemeName>")),
        ("a number that is none", ours.replace(">42<", ">-42<")),
        ("no end", ours.replace("NextUpdate", "LastUpdate")),
        ("an end that is none", ours.replace("<dateTime>2", "<dateTime>")),
        ("an entity", ours.replace("?><", "?><!DOCTYPE a [<!ENTITY b \"c\">]><")),
        ("cut off", ours[..ours.len() - 1].to_owned()),
        ("namespaces without end", ours.replace("<SchemeName>", &"<a xmlns:b='c'/>".repeat(5_000))),
        ("nothing", String::new()),
    ];
    for (what, list) in changes {
        assert_ne!(list, ours, "{what}");
        let signature = ListSigner::ours().sign(list.as_bytes());
        assert_eq!(verified(list.as_bytes(), &signature).err(), Some(TrustListError::Malformed), "{what}");
    }
    let long = ours.replace("<SchemeName>", &format!("<a>{}</a><SchemeName>", " ".repeat(MAX_LIST)));
    let signature = ListSigner::ours().sign(long.as_bytes());
    assert_eq!(verified(long.as_bytes(), &signature).err(), Some(TrustListError::Signature));
}

/// What becomes of Erika's certificate with this list, and nothing pinned.
fn outcome(list: &List, at: OffsetDateTime) -> Result<(), PkiError> {
    let anchors = TestAnchors::default().with_list(&signed(list)).unwrap();
    pki::verify(&certificate_of(&mut card(ERIKA)).der, &*anchors, at).map(drop)
}

#[test]
fn only_what_a_list_says_of_an_issuer_makes_it_one() {
    type Change = fn(&mut List);
    let issued = certificate_of(&mut card(ERIKA)).not_before.unix_timestamp();
    let changes: [(&str, Change, Option<PkiError>); 9] = [
        ("ours", |_| (), None),
        ("nobody", |it| it.entries.clear(), Some(PkiError::UnknownIssuer)),
        ("another CA", |it| it.entries = vec![Entry::ca(&other_ca())], Some(PkiError::UnknownIssuer)),
        ("of other certificates", |it| it.entries[0].extension = "1.2.276.0.76.4.71", Some(PkiError::UnknownIssuer)),
        ("a responder", |it| it.entries[0].kind = "Certstatus/OCSP", Some(PkiError::UnknownIssuer)),
        ("for something else", |it| it.entries[0].kind = "CA/CVC", Some(PkiError::UnknownIssuer)),
        ("a status nobody knows", |it| it.entries[0].status = "granted", Some(PkiError::UnknownIssuer)),
        ("a certificate that is none", |it| it.entries[0].der.truncate(100), Some(PkiError::UnknownIssuer)),
        ("its time is over", |it| it.next_update = AT - 1, Some(PkiError::TrustListExpired)),
    ];
    for (what, change, error) in changes {
        let mut list = List::ours();
        change(&mut list);
        assert_eq!(outcome(&list, NOW).err(), error, "{what}");
    }
    // What it issued before it was revoked stays valid; of two words about one CA the worse one holds.
    for (since, error) in [(issued - 1, Some(PkiError::IssuerRevoked)), (issued, None), (issued + DAY, None)] {
        let mut list = List::ours();
        (list.entries[0].status, list.entries[0].since) = ("revoked", since);
        assert_eq!(outcome(&list, NOW).err(), error);
        list.entries.insert(0, Entry::ca(ca().certificate_der()));
        assert_eq!(outcome(&list, NOW).err(), error);
    }
    // Nor is a test CA one of a service for real cards.
    let refused = ProductionAnchors::default().with_list(&signed(&List::ours()));
    assert_eq!(refused.err(), Some(AnchorError::TestCa));
}

fn other_ca() -> Vec<u8> {
    TestCa::generate(&mut rng(), "OTHER", NOW).unwrap().certificate_der().to_vec()
}

#[test]
fn no_computer_is_bound_with_a_list_whose_time_is_over_or_without_the_cards_issuer() {
    let (old, stranger) = (List { next_update: AT - 1, ..List::ours() }, Entry::ca(&other_ca()));
    for (list, code) in
        [(old, "card_status_unavailable"), (List { entries: vec![stranger], ..List::ours() }, "certificate_untrusted")]
    {
        let world = World::with_list(&ListFolder::with(&list));
        let computer = world.log_in(ERIKA, &world.member(ERIKA));
        let refused = format!("{:?}", computer.register(&mut card(ERIKA)).unwrap_err());
        assert!(refused.contains(code), "{refused}");
        assert_eq!(world.count("SELECT COUNT(*) FROM device"), 0);
    }
}

#[test]
fn a_list_that_is_forged_or_older_is_not_taken_and_the_one_before_stays() {
    let folder = ListFolder::with(&List::ours());
    let world = World::with_list(&folder);
    let nobody = List { entries: Vec::new(), ..List::ours() };
    let newer = List { sequence: 43, ..nobody.clone() };
    let forged = newer.xml().into_bytes();
    let attempts = [
        ("older", List { sequence: 41, ..nobody.clone() }.xml().into_bytes(), None),
        ("of the same number", nobody.xml().into_bytes(), None),
        ("of a stranger", forged.clone(), Some(ListSigner::other(|it| it.by_stranger = true).sign(&forged))),
        ("with the signature of another", forged.clone(), Some(ListSigner::ours().sign(b"another"))),
    ];
    for (what, list, signature) in attempts {
        let signature = signature.unwrap_or_else(|| ListSigner::ours().sign(&list));
        folder.write(&list, &signature);
        std::thread::sleep(std::time::Duration::from_millis(2_500));
        assert_eq!(world.count("SELECT COUNT(*) FROM trust_list"), 1, "{what}");
    }
    world.registered(ERIKA);
    // Nor after a new start, which has the one before from the database.
    let _beside = world.beside(|settings| folder.set(settings));
    assert_eq!(world.count("SELECT COUNT(*) FROM trust_list WHERE sequence = 42 AND used = 1"), 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM trust_list"), 1);
    // The newer one, signed as it should be, is taken.
    folder.put(&newer);
    world.wait_until("the new list is taken", || world.count("SELECT COUNT(*) FROM trust_list") == 2);
    let computer = world.log_in(MAX, &world.member(MAX));
    let refused = format!("{:?}", computer.register(&mut card(MAX)).unwrap_err());
    assert!(refused.contains("certificate_untrusted"), "{refused}");
}

/// The newest list that was taken does not verify any more: its signer's time is over, say. That brings none back before it.
#[test]
fn an_older_list_is_not_taken_where_the_newest_one_holds_no_longer() {
    let folder = ListFolder::with(&List::ours());
    let world = World::with_list(&folder);
    world.sql("UPDATE trust_list SET signature = list").unwrap();
    folder.put(&List { sequence: 41, ..List::ours() });
    let refused = world.try_beside(|settings| folder.set(settings)).map(drop);
    assert!(matches!(refused, Err(ServerError::TrustList(TrustListFault::Older(_, 41, 42)))), "{refused:?}");
    folder.put(&List { sequence: 43, ..List::ours() });
    drop(world.beside(|settings| folder.set(settings)));
    assert_eq!(world.column("SELECT CAST(sequence AS TEXT) FROM trust_list"), ["43"]);
}

#[test]
fn evidence_with_another_list_or_a_forged_one_fails_at_the_list() {
    let world = World::with_list(&ListFolder::with(&List::ours()));
    let computer = world.registered(ERIKA);
    let device = computer.devices().remove(0).device_id;
    let honest: Bundle = computer.here.service.get(&format!("/v1/evidence/{device}")).unwrap();
    let key = &computer.here.profile.service_keys;
    let (none, signers) = (TestAnchors::default(), tsl_ca());
    let pinned = |list_signers| Pinned { anchors: &none, list_signers, chip_roots: None, service_keys: key };
    let report = honest.verify_with(&pinned(&signers));
    assert!(report.findings.is_some(), "{:?}", report.links);
    assert_eq!(report.links[0].rests_on, RestsOn::TrustListSigner);

    type Forge = fn(&mut Bundle);
    let forgeries: [(&str, Forge); 7] = [
        ("no list", |b| b.trust_lists.clear()),
        ("another list", |b| b.trust_lists = vec![packed(List { sequence: 43, ..List::ours() }.xml().as_bytes())]),
        ("another signature", |b| *b.trust_lists[0].signature.last_mut().unwrap() ^= 1),
        ("another signer", |b| {
            let list = List::ours().xml().into_bytes();
            b.trust_lists[0].signature = ListSigner::other(|it| it.by_stranger = true).sign(&list);
        }),
        ("something behind", |b| b.trust_lists[0].list.push(0)),
        ("cut off", |b| {
            b.trust_lists[0].list.pop();
        }),
        ("a bomb", |b| b.trust_lists[0].list = bomb()),
    ];
    let mut all = vec![serde_json::to_vec(&honest).unwrap()];
    for (what, forge) in forgeries {
        let mut forged = honest.clone();
        forge(&mut forged);
        all.push(serde_json::to_vec(&forged).unwrap());
        let report = forged.verify_with(&pinned(&signers));
        let failed = report.links.iter().find(|link| link.result == LinkResult::Fails).unwrap();
        assert_eq!(failed.name, LinkName::TrustList, "{what}: {:?}", failed.detail);
        assert!(report.findings.is_none());
    }
    let holds = second_verifier_with(&all, &[], &[tsl_ca_pem()], key);
    assert_eq!(holds, [true, false, false, false, false, false, false, false]);
    // Whoever trusts no signer of lists trusts nobody in them.
    let report = honest.verify_with(&pinned(&[]));
    let link = |name: LinkName| report.links.iter().find(|link| link.name == name).unwrap();
    assert_eq!(
        (link(LinkName::TrustList).result, link(LinkName::TrustList).rests_on),
        (LinkResult::Holds, RestsOn::Service)
    );
    assert_eq!(link(LinkName::Certificate).result, LinkResult::Fails);
    // Nor does a list stand for what came after its time.
    let own = new_key();
    let mut late = honest.clone();
    let receipt: Receipt = jws::verify(&late.devices[0].binding.receipt, key[0].verifying_key()).unwrap();
    late.service.jwk = jwk(&own);
    late.devices[0].binding.receipt = sign(&Receipt { at: List::ours().next_update + 1, ..receipt }, &own).unwrap();
    let report = late.verify_with(&Pinned { service_keys: &[], ..pinned(&signers) });
    let failed = report.links.iter().find(|link| link.result == LinkResult::Fails).unwrap();
    assert_eq!((failed.name, failed.detail.as_deref()), (LinkName::TrustList, Some("next_update")));
    // A list without a receipt that names it says nothing.
    let pinned_world = World::new();
    let other = pinned_world.registered(ERIKA);
    let device = other.devices().remove(0).device_id;
    let mut bundle: Bundle = other.here.service.get(&format!("/v1/evidence/{device}")).unwrap();
    bundle.trust_lists = honest.trust_lists.clone();
    let report = bundle.verify_with(&Pinned { service_keys: &[], ..pinned(&signers) });
    assert_eq!(report.links[0].result, LinkResult::Absent);
    assert_eq!(
        report.links[1].result,
        LinkResult::Fails,
        "its issuer was pinned by the service, and nobody knows it here"
    );
}

fn packed(list: &[u8]) -> TrustListEvidence {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut packed, list).unwrap();
    TrustListEvidence { list: packed.finish().unwrap(), signature: ListSigner::ours().sign(list) }
}

/// A gigabyte in a megabyte.
fn bomb() -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![b' '; 1024 * 1024];
    (0..1024).for_each(|_| std::io::Write::write_all(&mut packed, &zeros).unwrap());
    packed.finish().unwrap()
}
