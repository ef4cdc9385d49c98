//! Tampering with evidence.

use rand_core::Rng as _;

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
    let forgeries: [(&str, Forge, LinkName); 17] = [
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
        (
            "account",
            |b| {
                let approval = b.approval.as_mut().unwrap();
                let mut document = approval.document.read().unwrap();
                document.account = kvnr(MAX);
                approval.document = document.freeze().unwrap();
            },
            LinkName::Document,
        ),
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
        ("key of the service", |b| b.service.jwk = jwk(&new_key()), LinkName::Certificate),
        ("service", |b| b.service.aud = "https://stranger.example".to_owned(), LinkName::Certificate),
    ];
    assert!(honest.verify(&anchors, Some(key)).findings.is_some());
    for (what, forge, link) in forgeries {
        let mut forged = honest.clone();
        forge(&mut forged);
        let report = forged.verify(&anchors, Some(key));
        assert!(report.findings.is_none(), "{what}");
        assert_eq!(report.links.len(), 7, "{what}: every link is named");
        let at = report.links.iter().position(|link| link.result == LinkResult::Fails).unwrap();
        assert_eq!(report.links[at].name, link, "{what}: {:?}", report.links[at].detail);
        let after = report.links[at + 1..].iter().all(|link| link.result == LinkResult::NotChecked);
        assert!(after, "{what}: what hangs on a broken link is not looked at");
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

/// Whatever is done to the text of a bundle, it is refused, fails, or says what it said.
#[test]
fn a_bundle_with_changed_bytes_never_says_something_else() {
    let world = World::new();
    let (computer, honest) = bundle(&world);
    let key = &computer.here.profile.service_key;
    let anchors = anchors_of(&[&ca()]);
    let text = serde_json::to_vec(&honest).unwrap();
    let says = |bundle: &Bundle| {
        let findings = bundle.verify(&anchors, Some(key)).findings?;
        let decision = findings.decision.map(|it| (it.verdict, it.document.freeze().unwrap().sha256(), it.decided_at));
        Some((findings.kvnr, findings.binding_level, findings.bound_at, decision))
    };
    let said = says(&honest);
    assert!(said.is_some());
    let mut rng = rng();
    for _ in 0..200 {
        let mut changed = text.clone();
        for _ in 0..=rng.next_u32() % 3 {
            let at = rng.next_u32() as usize % changed.len();
            changed[at] = match rng.next_u32() % 3 {
                0 => changed[at] ^ 1,
                1 => b'A',
                _ => rng.next_u32().to_be_bytes()[0],
            };
        }
        if let Some(says) = Bundle::parse(&changed).ok().and_then(|bundle| says(&bundle)) {
            assert_eq!(Some(says), said);
        }
    }
}

/// A service that signs receipts for something else: it has the key, and the verifier knows it.
struct LyingService {
    bundle: Bundle,
    key: SigningKey,
    binding: Receipt,
    decision: Receipt,
}

impl LyingService {
    fn with(honest: &Bundle) -> Self {
        let read = |receipt| jws::verify::<Receipt>(receipt, honest.service.jwk.verifying_key()).unwrap();
        Self {
            bundle: honest.clone(),
            key: new_key(),
            binding: read(&honest.binding.receipt),
            decision: read(&honest.approval.as_ref().unwrap().receipt),
        }
    }

    fn report(mut self) -> Report {
        self.bundle.service.jwk = jwk(&self.key);
        self.bundle.binding.receipt = sign(&self.binding, &self.key).unwrap();
        self.bundle.approval.as_mut().unwrap().receipt = sign(&self.decision, &self.key).unwrap();
        self.bundle.verify(&anchors_of(&[&ca()]), Some(&jwk(&self.key)))
    }
}

#[test]
fn a_receipt_for_something_else_proves_nothing_here() {
    let world = World::new();
    let (_, honest) = bundle(&world);
    assert!(LyingService::with(&honest).report().findings.is_some(), "as long as it does not lie");
    type Lie = fn(&mut LyingService);
    let lies: [(&str, Lie, LinkName); 11] = [
        // Nothing can be judged without the time of the binding.
        ("another version", |s| s.binding.v = 2, LinkName::Certificate),
        ("another service", |s| s.binding.aud = "https://stranger.example".to_owned(), LinkName::Certificate),
        ("a decision", |s| s.binding.subject = ReceiptSubject::Decision, LinkName::BindingReceipt),
        ("another device", |s| s.binding.id = s.decision.id.clone(), LinkName::BindingReceipt),
        ("another proof", |s| s.binding.sha256 = s.decision.sha256, LinkName::BindingReceipt),
        ("another version of the decision", |s| s.decision.v = 2, LinkName::Decision),
        ("another service's decision", |s| s.decision.aud = "https://stranger.example".to_owned(), LinkName::Decision),
        ("a binding", |s| s.decision.subject = ReceiptSubject::Binding, LinkName::DecisionReceipt),
        ("another approval", |s| s.decision.id = s.binding.id.clone(), LinkName::DecisionReceipt),
        ("another decision", |s| s.decision.sha256 = s.binding.sha256, LinkName::DecisionReceipt),
        ("a decision before the device was bound", |s| s.decision.at = s.binding.at - 1, LinkName::DecisionReceipt),
    ];
    for (what, lie, link) in lies {
        let mut service = LyingService::with(&honest);
        lie(&mut service);
        let report = service.report();
        assert!(report.findings.is_none(), "{what}");
        let broken = report.links.iter().find(|link| link.result == LinkResult::Fails).unwrap();
        assert_eq!(broken.name, link, "{what}: {:?}", broken.detail);
    }
}

#[test]
fn a_bundle_of_another_version_or_blown_up_is_not_read() {
    let world = World::new();
    let (_, honest) = bundle(&world);
    let bytes = serde_json::to_vec(&honest).unwrap();
    assert!(Bundle::parse(&bytes).is_ok());
    assert!(Bundle::parse(&serde_json::to_vec(&Bundle { v: 2, ..honest }).unwrap()).is_err());
    assert!(
        Bundle::parse(&[bytes, vec![b' '; 256 * 1024]].concat()).is_err(),
        "blanks behind it are JSON, and too many"
    );
}
