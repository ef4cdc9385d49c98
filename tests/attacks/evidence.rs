//! Tampering with evidence.

use super::*;

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
        ("level", |b| b.binding.binding_level = BindingLevel::B1, LinkName::BindingReceipt),
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
