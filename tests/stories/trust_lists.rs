//! An operator who takes the CAs of cards from the trust list, and what evidence says of it.

use kartenbund::client::rebind::rebind;
use kartenbund::pki::TestAnchors;
use kartenbund::protocol::evidence::Pinned;
use kartenbund::server::{ServerError, Service, Settings, TrustListFault};
use kartenbund::virtual_card::personalise::TestCa;

use super::common::ocsp::TestResponder;
use super::common::trust_list::{Entry, List, ListFolder, tsl_ca, tsl_ca_pem};
use super::common::verifier::second_verifier_with;
use super::*;

#[test]
fn a_card_whose_issuer_stands_in_the_list_binds_and_evidence_stands_on_the_list() {
    let world = World::with_list(&ListFolder::with(&List::ours()));
    let computer = world.registered(ERIKA);
    card_login::log_in(&world, card(ERIKA), &mut Script::default()).unwrap();
    let device = computer.devices().remove(0).device_id;
    let bytes = computer.here.service.get::<serde_json::Value>(&format!("/v1/evidence/{device}")).unwrap();
    let bytes = serde_json::to_vec(&bytes).unwrap();
    let bundle = Bundle::parse(&bytes).unwrap();
    assert_eq!((bundle.v, bundle.trust_lists.len()), (5, 1));
    assert_eq!(bundle.trust_lists[0].unpack().unwrap(), List::ours().xml().as_bytes(), "byte for byte");
    let key = &computer.here.profile.service_keys;
    let (none, ours, signers) = (TestAnchors::default(), anchors_of(&[&ca()]), tsl_ca());
    let links = |anchors, list_signers| {
        let report = bundle.verify_with(&Pinned { anchors, list_signers, chip_roots: None, service_keys: key });
        let links: Vec<_> = report.links.iter().take(2).map(|it| (it.name, it.result, it.rests_on)).collect();
        (links, report.findings.is_some())
    };
    let (list, certificate, holds) = (LinkName::TrustList, LinkName::Certificate, LinkResult::Holds);
    let by_list = [(list, holds, RestsOn::TrustListSigner), (certificate, holds, RestsOn::TrustListSigner)];
    assert_eq!(links(&none, &signers), (by_list.to_vec(), true));
    let by_pin = [(list, holds, RestsOn::Service), (certificate, holds, RestsOn::CardIssuer)];
    assert_eq!(links(&ours, &[]), (by_pin.to_vec(), true));
    let by = |cas: &[&TestCa], pems: &[Vec<u8>]| second_verifier_with(std::slice::from_ref(&bytes), cas, pems, key);
    assert_eq!(by(&[], &[tsl_ca_pem()]), [true]);
    assert_eq!(by(&[&ca()], &[]), [true]);
    assert_eq!(by(&[], &[]), [false]);
}

#[test]
fn a_responder_of_the_list_is_asked_where_the_list_says_and_is_believed() {
    let clock = ManualClock::at(NOW);
    let responder = TestResponder::start(clock.clone());
    let mut list = List::ours();
    list.entries[0].supply_point = responder.url.clone();
    list.entries.push(Entry::responder(&responder.key.der));
    let folder = ListFolder::with(&list);
    let world = World::with_list_and(&folder, |settings| {
        settings.trust_list.as_mut().unwrap().ask_responders = true;
    });
    let mut card = card(ERIKA);
    let der = kartenbund::egk::Egk::open(&mut card, ApduLength::Extended).unwrap().read_certificate().unwrap();
    responder.issued(der.der());
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let device = computer.register(&mut card).unwrap();
    assert_eq!(responder.asked(), 1);
    let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    let key = &computer.here.profile.service_keys;
    let none = TestAnchors::default();
    let signers = tsl_ca();
    let pinned = Pinned { anchors: &none, list_signers: &signers, chip_roots: None, service_keys: key };
    let report = bundle.verify_with(&pinned);
    let link = report.links.iter().find(|link| link.name == LinkName::Revocation).unwrap();
    assert_eq!((link.result, link.rests_on), (LinkResult::Holds, RestsOn::TrustListSigner));
    assert!(report.findings.is_some());
    let bytes = serde_json::to_vec(&bundle).unwrap();
    assert_eq!(second_verifier_with(&[bytes], &[], &[tsl_ca_pem()], key), [true]);
}

#[test]
fn a_new_list_is_taken_while_the_service_runs_and_evidence_keeps_the_one_that_was_used() {
    let folder = ListFolder::with(&List { entries: Vec::new(), ..List::ours() });
    let world = World::with_list(&folder);
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    assert!(computer.register(&mut card(ERIKA)).is_err(), "its issuer is not in the list");
    folder.put(&List { sequence: 43, ..List::ours() });
    // With which nothing was bound is forgotten.
    let kept = "SELECT CAST(sequence AS TEXT) || ' ' || CAST(used AS TEXT) FROM trust_list ORDER BY sequence";
    world.wait_until("the new list is taken", || world.column(kept) == ["43 0"]);
    assert_eq!(world.audited("trust_list.taken"), 2);
    let device = computer.register(&mut card(ERIKA)).unwrap();
    folder.put(&List { sequence: 44, entries: Vec::new(), ..List::ours() });
    world.wait_until("the newest list is taken", || world.column(kept) == ["43 1", "44 0"]);
    let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    let (none, signers) = (TestAnchors::default(), tsl_ca());
    let pinned = Pinned { anchors: &none, list_signers: &signers, chip_roots: None, service_keys: &[] };
    assert!(bundle.verify_with(&pinned).findings.is_some());
}

#[test]
fn a_service_does_not_start_without_a_list_it_believes_and_starts_with_the_one_before() {
    let folder = ListFolder::with(&List::ours());
    let world = World::with_list(&folder);
    let honest = (std::fs::read(folder.list()).unwrap(), std::fs::read(folder.signature()).unwrap());
    folder.write(b"<nothing/>", &honest.1);
    // The second process shares the database, and finds the list there.
    let beside = world.beside(|settings| folder.set(settings));
    drop(beside);
    let start = |folder: &ListFolder| {
        let data = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(data.path().to_owned(), "https://konto.example");
        folder.set(&mut settings);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(Service::open(settings, std::sync::Arc::new(|| NOW))).err()
    };
    assert!(matches!(start(&folder), Some(ServerError::TrustList(TrustListFault::List(..)))));
    std::fs::remove_file(folder.list()).unwrap();
    assert!(matches!(start(&folder), Some(ServerError::TrustList(TrustListFault::File(..)))));
    folder.write(&honest.0, &honest.1);
    assert!(start(&folder).is_none());
}

#[test]
fn a_device_that_is_bound_anew_rests_on_the_list_of_that_time() {
    let folder = ListFolder::with(&List::ours());
    let world = World::with_list(&folder);
    let computer = world.registered(ERIKA);
    folder.put(&List { sequence: 43, ..List::ours() });
    world.wait_until("the new list is taken", || world.audited("trust_list.taken") == 2);
    world.clock.advance(60);
    let mut script = Script::default();
    computer.with(&mut script, |around| rebind(&computer.here, card(ERIKA), ApduLength::Extended, around)).unwrap();
    let bundle: Bundle = computer.here.service.get("/v1/evidence").unwrap();
    assert_eq!((bundle.devices.len(), bundle.trust_lists.len()), (2, 2), "each binding has its own");
    let key = &computer.here.profile.service_keys;
    let (none, signers) = (TestAnchors::default(), tsl_ca());
    let pinned = Pinned { anchors: &none, list_signers: &signers, chip_roots: None, service_keys: key };
    assert!(bundle.verify_with(&pinned).findings.is_some());
    let bytes = serde_json::to_vec(&bundle).unwrap();
    assert_eq!(second_verifier_with(&[bytes], &[], &[tsl_ca_pem()], key), [true]);
}
