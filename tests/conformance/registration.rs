//! A health card of gematik, unchanged, registers a computer at a service that trusts gematik's test CAs.

use kartenbund::egk::{ApduLength, Egk};
use kartenbund::identity::certificate::Certificate;
use kartenbund::protocol::BindingLevel;
use kartenbund::protocol::approval::Verdict;
use kartenbund::protocol::evidence::Bundle;
use kartenbund::virtual_card::VirtualCard;
use time::Duration;

use super::certificates::anchors;
use super::common::*;
use super::shared;

const CAS: [&str; 4] = ["GEM.EGK-CA10", "GEM.EGK-CA51", "GEM.EGK-CA57", "GEM.KOMP-CA8"];

#[test]
fn every_card_also_one_with_rsa_keys_only_registers_and_its_evidence_verifies() {
    let mut registered = 0;
    for entry in std::fs::read_dir(shared("data/cards")).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).filter(|name| name.starts_with("egk")) else {
            continue;
        };
        let mut card = VirtualCard::load(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let mut egk = Egk::open(&mut card, ApduLength::Extended).unwrap();
        let certificate = Certificate::parse(egk.read_certificate().unwrap().der()).unwrap();
        let holder = certificate.holder().unwrap();

        // Some of the cards have expired: the story plays while they were valid.
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(certificate.not_after - Duration::days(30));
        let world = World::open(folder, clock, Box::new(anchors(&CAS)), &[holder.payer_ik.as_str()]);
        let person = holder.kvnr.as_str();
        // The oldest card expired before most persons of these tests were members.
        let register = register_of(&[person]).replace("2020-01-01", "2010-01-01");
        let (_, password) = world.import(&register).swap_remove(0);
        let computer = world.log_in(person, &password);
        let device = computer.register(&mut card).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(device.binding_level, BindingLevel::B3, "{name}");

        let accepted = computer.apply(&new_address());
        let mut script = Script::with_code(&accepted.match_code);
        let decide = kartenbund::client::approve::decide;
        computer
            .with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
            .unwrap();
        let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", accepted.approval_id)).unwrap();
        let report = bundle.verify(&anchors(&CAS), &computer.here.profile.service_keys);
        assert_eq!(report.findings.unwrap().devices[0].kvnr.as_str(), person, "{name}");
        registered += 1;
    }
    assert!(registered >= 5);
}
