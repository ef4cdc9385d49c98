//! Tampering with evidence.

use kartenbund::protocol::evidence::{CardGrounds, Grounds};
use kartenbund::protocol::qr::ShownBy;
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

fn approval(bundle: &mut Bundle) -> &mut ApprovalEvidence {
    &mut bundle.devices[0].approvals[0]
}

/// What stands behind the card of a bundle.
fn grounds(bundle: &mut Bundle) -> &mut CardGrounds {
    match &mut bundle.devices[0].binding.grounds {
        Grounds::Card(grounds) => grounds,
        Grounds::Qr(_) | Grounds::Device(_) | Grounds::Chip(_) => panic!("a bundle without a card"),
    }
}

fn audit(bundle: &mut Bundle) -> &mut Inclusion {
    approval(bundle).audit.as_mut().unwrap()
}

#[test]
fn evidence_that_was_tampered_with_fails_at_the_link_that_was_touched() {
    let world = World::new();
    let (computer, honest) = bundle(&world);
    let key = &computer.here.profile.service_keys;
    let anchors = anchors_of(&[&ca()]);
    type Forge = fn(&mut Bundle);
    let forgeries: [(&str, Forge, LinkName); 24] = [
        ("certificate", |b| grounds(b).card.auth_cert[100] ^= 1, LinkName::Certificate),
        ("issuer", |b| grounds(b).issuer_cert[100] ^= 1, LinkName::Certificate),
        (
            "pairing",
            |b| grounds(b).card.signed_pairing_data = flipped(&grounds(b).card.signed_pairing_data.clone(), 1),
            LinkName::CardSignature,
        ),
        ("statement", |b| grounds(b).card.card_jws = flipped(&grounds(b).card.card_jws, 2), LinkName::CardSignature),
        ("registration", |b| b.devices[0].binding.registration_id = [7; 16].into(), LinkName::CardSignature),
        ("challenge", |b| b.devices[0].binding.challenge = [7; 32].into(), LinkName::CardSignature),
        ("proof", |b| b.devices[0].binding.pop = flipped(&b.devices[0].binding.pop, 2), LinkName::CardSignature),
        ("device", |b| b.devices[0].binding.device_id = [7; 16].into(), LinkName::BindingReceipt),
        ("level", |b| b.devices[0].binding.binding_level = BindingLevel::B1, LinkName::BindingReceipt),
        (
            "receipt",
            |b| b.devices[0].binding.receipt = flipped(&b.devices[0].binding.receipt, 2),
            LinkName::Certificate,
        ),
        ("approval", |b| approval(b).approval_id = [7; 16].into(), LinkName::Document),
        (
            "account",
            |b| {
                let approval = approval(b);
                let mut document = approval.document.read().unwrap();
                document.account = kvnr(MAX);
                approval.document = document.freeze().unwrap();
            },
            LinkName::Document,
        ),
        ("challenge of the approval", |b| approval(b).challenge = [7; 32].into(), LinkName::Decision),
        (
            "decision",
            |b| {
                let approval = approval(b);
                approval.decision = flipped(&approval.decision, 2);
            },
            LinkName::Decision,
        ),
        (
            "receipt of the decision",
            |b| {
                let other = b.devices[0].binding.receipt.clone();
                approval(b).receipt = other;
            },
            LinkName::DecisionReceipt,
        ),
        (
            "audit of the binding",
            |b| b.devices[0].binding.audit.as_mut().unwrap().entry[30] ^= 1,
            LinkName::BindingAudit,
        ),
        ("entry", |b| audit(b).entry[30] ^= 1, LinkName::DecisionAudit),
        ("an entry more", |b| audit(b).path.extend([7; 32]), LinkName::DecisionAudit),
        ("half an entry more", |b| audit(b).path.extend([7; 16]), LinkName::DecisionAudit),
        ("an entry before", |b| audit(b).path[0] ^= 1, LinkName::DecisionAudit),
        ("head", |b| audit(b).head = flipped(&audit(b).head, 1), LinkName::DecisionAudit),
        ("entry of the binding", |b| *audit(b) = b.devices[0].binding.audit.clone().unwrap(), LinkName::DecisionAudit),
        ("key of the service", |b| b.service.jwk = jwk(&new_key()), LinkName::Certificate),
        ("service", |b| b.service.aud = "https://stranger.example".to_owned(), LinkName::Certificate),
    ];
    assert!(honest.verify(&anchors, key).findings.is_some());
    let mut all = vec![serde_json::to_vec(&honest).unwrap()];
    for (what, forge, link) in forgeries {
        let mut forged = honest.clone();
        forge(&mut forged);
        all.push(serde_json::to_vec(&forged).unwrap());
        let report = forged.verify(&anchors, key);
        assert!(report.findings.is_none(), "{what}");
        assert_eq!(report.links.len(), 11, "{what}: every link is named");
        let at = report.links.iter().position(|link| link.result == LinkResult::Fails).unwrap();
        assert_eq!(report.links[at].name, link, "{what}: {:?}", report.links[at].detail);
        let after = report.links[at + 1..].iter().all(|link| link.result == LinkResult::NotChecked);
        assert!(after, "{what}: what hangs on a broken link is not looked at");
    }
    let holds = verifier::second_verifier(&all, &[&ca()], key);
    let wrong: Vec<_> = holds[1..].iter().zip(forgeries).filter(|(holds, _)| **holds).map(|(_, it)| it.0).collect();
    assert!(holds[0] && wrong.is_empty(), "the second verifier takes {wrong:?}");
}

#[test]
fn evidence_is_not_believed_with_other_anchors_or_another_service_key() {
    let world = World::new();
    let (_, honest) = bundle(&world);
    let other_ca = TestCa::generate(&mut rng(), "OTHER", NOW).unwrap();
    let report = honest.verify(&anchors_of(&[&other_ca]), &[]);
    assert_eq!(report.links[1].name, LinkName::Certificate);
    assert_eq!(report.links[1].result, LinkResult::Fails);
    let other_key = jwk(&new_key());
    assert!(honest.verify(&anchors_of(&[&ca()]), std::slice::from_ref(&other_key)).findings.is_none());
    let bytes = [serde_json::to_vec(&honest).unwrap()];
    assert_eq!(verifier::second_verifier(&bytes, &[&ca()], &[]), [true]);
    assert_eq!(verifier::second_verifier(&bytes, &[&other_ca], &[]), [false]);
    assert_eq!(verifier::second_verifier(&bytes, &[&ca()], std::slice::from_ref(&other_key)), [false]);
}

#[test]
fn evidence_of_one_device_does_not_carry_the_decision_of_another() {
    let world = World::new();
    let (computer, first) = bundle(&world);
    let replace = kartenbund::client::register::Wish { replace: true, ..wish() };
    computer.register_as(&mut card(ERIKA), &mut Script::default(), &replace).unwrap();
    let device = computer.devices().remove(0);
    let second: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    let mut mixed = first;
    mixed.devices[0].binding = second.devices[0].binding.clone();
    let report = mixed.verify(&anchors_of(&[&ca()]), &computer.here.profile.service_keys);
    let broken = report.links.iter().find(|link| link.result == LinkResult::Fails).unwrap();
    assert_eq!(broken.name, LinkName::Decision);
    let bytes = [serde_json::to_vec(&mixed).unwrap()];
    assert_eq!(verifier::second_verifier(&bytes, &[&ca()], &[]), [false]);
}

/// Whatever is done to the text of a bundle, it is refused, fails, or says what it said.
#[test]
fn a_bundle_with_changed_bytes_never_says_something_else() {
    let world = World::new();
    let (computer, honest) = bundle(&world);
    let key = &computer.here.profile.service_keys;
    let anchors = anchors_of(&[&ca()]);
    let text = serde_json::to_vec(&honest).unwrap();
    let says = |bundle: &Bundle| {
        let findings = bundle.verify(&anchors, key).findings?;
        let it = findings.devices.into_iter().next().unwrap();
        let decisions = it.decisions.iter();
        let decisions = decisions.map(|it| (it.verdict, it.document.freeze().unwrap().sha256(), it.decided_at));
        Some((it.kvnr.clone(), it.binding_level, it.bound_at, decisions.collect::<Vec<_>>()))
    };
    let said = says(&honest);
    assert!(said.is_some());
    let mut rng = rng();
    let (mut all, mut holds) = (Vec::new(), Vec::new());
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
        let says = Bundle::parse(&changed).ok().and_then(|bundle| says(&bundle));
        assert!(says.is_none() || says == said);
        holds.push(says.is_some());
        all.push(changed);
    }
    let second = verifier::second_verifier(&all, &[&ca()], key);
    let differs: Vec<_> =
        (0..all.len()).filter(|n| second[*n] != holds[*n]).map(|n| String::from_utf8_lossy(&all[n])).collect();
    assert!(differs.is_empty(), "the two verifiers do not agree: {differs:?}");
}

/// A service that signs receipts and heads for something else: it has the key, and the verifier knows it.
struct LyingService {
    bundle: Bundle,
    key: SigningKey,
    binding: Receipt,
    decision: Receipt,
    /// The audit's entries about the two.
    binding_entry: Entry,
    entry: Entry,
    /// What becomes of the head over it.
    head: fn(&mut AuditHead),
}

impl LyingService {
    fn with(honest: &Bundle, own: &SigningKey) -> Self {
        let key = honest.service.jwk.verifying_key();
        let read = |receipt| jws::verify::<Receipt>(receipt, key).unwrap();
        let entry = |audit: &Option<Inclusion>| serde_json::from_slice(&audit.as_ref().unwrap().entry).unwrap();
        let approval = &honest.devices[0].approvals[0];
        Self {
            bundle: honest.clone(),
            key: own.clone(),
            binding: read(&honest.devices[0].binding.receipt),
            decision: read(&approval.receipt),
            binding_entry: entry(&honest.devices[0].binding.audit),
            entry: entry(&approval.audit),
            head: |_| (),
        }
    }

    fn sign_head(&self, inclusion: &mut Inclusion, before: Sha256Hash, lie: fn(&mut AuditHead)) {
        let mut head: AuditHead =
            serde_json::from_slice(&base64url::decode(inclusion.head.split('.').nth(1).unwrap()).unwrap()).unwrap();
        let entry: Entry = serde_json::from_slice(&inclusion.entry).unwrap();
        let mut place = Position { seq: entry.seq - 1, sha256: before }.after(Sha256Hash::of(&inclusion.entry));
        for hash in inclusion.path.chunks_exact(32) {
            place = place.after(<[u8; 32]>::try_from(hash).unwrap().into());
        }
        (head.seq, head.sha256) = (place.seq, place.sha256);
        lie(&mut head);
        inclusion.head = sign(&head, &self.key).unwrap();
    }

    fn bundle(&self) -> Bundle {
        let mut bundle = self.bundle.clone();
        bundle.service.jwk = jwk(&self.key);
        let binding = &mut bundle.devices[0].binding;
        binding.receipt = sign(&self.binding, &self.key).unwrap();
        let inclusion = binding.audit.as_mut().unwrap();
        inclusion.entry = kartenbund::jose::json::canonical(&self.binding_entry).unwrap();
        self.sign_head(inclusion, self.binding.audit_head, |_| ());
        approval(&mut bundle).receipt = sign(&self.decision, &self.key).unwrap();
        audit(&mut bundle).entry = kartenbund::jose::json::canonical(&self.entry).unwrap();
        self.sign_head(audit(&mut bundle), self.decision.audit_head, self.head);
        bundle
    }
}

#[test]
fn a_receipt_for_something_else_proves_nothing_here() {
    let world = World::new();
    let (_, honest) = bundle(&world);
    let own = new_key();
    let verify = |bundle: &Bundle| bundle.verify(&anchors_of(&[&ca()]), &[jwk(&own)]);
    let bundle = LyingService::with(&honest, &own).bundle();
    assert!(verify(&bundle).findings.is_some(), "as long as it does not lie");
    let mut all = vec![serde_json::to_vec(&bundle).unwrap()];
    type Lie = fn(&mut LyingService);
    let lies: [(&str, Lie, LinkName); 30] = [
        // Nothing can be judged without the time of the binding.
        ("another version", |s| s.binding.v = 2, LinkName::Certificate),
        ("another service", |s| s.binding.aud = "https://stranger.example".to_owned(), LinkName::Certificate),
        ("a decision", |s| s.binding.subject = ReceiptSubject::Decision, LinkName::BindingReceipt),
        ("another device", |s| s.binding.id = s.decision.id.clone(), LinkName::BindingReceipt),
        ("another proof", |s| s.binding.sha256 = s.decision.sha256, LinkName::BindingReceipt),
        ("a code, where a card was", |s| s.binding.code_shown_by = Some(ShownBy::Card), LinkName::BindingReceipt),
        ("an end", |s| s.binding_entry.event = "device.revoked".to_owned(), LinkName::BindingAudit),
        ("a binding of another device", |s| s.binding_entry.device_id = Some([7; 16].into()), LinkName::BindingAudit),
        ("a binding elsewhere", |s| s.binding_entry.object = s.binding.id.clone(), LinkName::BindingAudit),
        ("another version of the decision", |s| s.decision.v = 2, LinkName::Decision),
        ("another service's decision", |s| s.decision.aud = "https://stranger.example".to_owned(), LinkName::Decision),
        ("a binding", |s| s.decision.subject = ReceiptSubject::Binding, LinkName::DecisionReceipt),
        ("another approval", |s| s.decision.id = s.binding.id.clone(), LinkName::DecisionReceipt),
        ("another decision", |s| s.decision.sha256 = s.binding.sha256, LinkName::DecisionReceipt),
        ("a code for a decision", |s| s.decision.code_shown_by = Some(ShownBy::Device), LinkName::DecisionReceipt),
        ("a decision before the device was bound", |s| s.decision.at = s.binding.at - 1, LinkName::DecisionReceipt),
        ("another place", |s| s.decision.audit_head = s.binding.audit_head, LinkName::DecisionAudit),
        ("another number", |s| s.decision.audit_seq = Some(1), LinkName::DecisionAudit),
        ("another number of the entry", |s| s.entry.seq += 1, LinkName::DecisionAudit),
        ("an entry of before", |s| (s.entry.v, s.entry.salt) = (None, None), LinkName::DecisionAudit),
        ("an entry about a denial", |s| s.entry.event = "application.denied".to_owned(), LinkName::DecisionAudit),
        ("an entry about another device", |s| s.entry.device_id = Some([7; 16].into()), LinkName::DecisionAudit),
        ("an entry about another application", |s| s.entry.object = s.decision.id.clone(), LinkName::DecisionAudit),
        ("an entry about another decision", |s| s.entry.detail = None, LinkName::DecisionAudit),
        ("an entry about a refusal", |s| s.entry.result = "internal".to_owned(), LinkName::DecisionAudit),
        ("an entry of another time", |s| s.entry.ts -= 1, LinkName::DecisionAudit),
        ("a head of another version", |s| s.head = |head| head.v = 2, LinkName::DecisionAudit),
        (
            "a head of another service",
            |s| s.head = |head| head.aud = "https://stranger.example".to_owned(),
            LinkName::DecisionAudit,
        ),
        ("a head over fewer entries", |s| s.head = |head| head.seq -= 1, LinkName::DecisionAudit),
        ("a head of before", |s| s.head = |head| head.at -= 1, LinkName::DecisionAudit),
    ];
    for (what, lie, link) in lies {
        let mut service = LyingService::with(&honest, &own);
        lie(&mut service);
        let bundle = service.bundle();
        all.push(serde_json::to_vec(&bundle).unwrap());
        let report = verify(&bundle);
        assert!(report.findings.is_none(), "{what}");
        let broken = report.links.iter().find(|link| link.result == LinkResult::Fails).unwrap();
        assert_eq!(broken.name, link, "{what}: {:?}", broken.detail);
    }
    let holds = verifier::second_verifier(&all, &[&ca()], &[jwk(&own)]);
    let wrong: Vec<_> = holds[1..].iter().zip(lies).filter(|(holds, _)| **holds).map(|(_, it)| it.0).collect();
    assert!(holds[0] && wrong.is_empty(), "the second verifier takes {wrong:?}");
}

#[test]
fn a_bundle_of_another_version_or_blown_up_is_not_read() {
    let world = World::new();
    let (_, honest) = bundle(&world);
    let bytes = serde_json::to_vec(&honest).unwrap();
    assert!(Bundle::parse(&bytes).is_ok());
    let others = [1, 6].map(|v| serde_json::to_vec(&Bundle { v, ..honest.clone() }).unwrap());
    let blown_up = [bytes, vec![b' '; 16 * 1024 * 1024]].concat(); // blanks behind it are JSON, and too many
    let all: Vec<_> = others.into_iter().chain([blown_up]).collect();
    assert!(all.iter().all(|bytes| Bundle::parse(bytes).is_err()));
    assert_eq!(verifier::second_verifier(&all, &[&ca()], &[]), [false; 3]);
}

#[test]
fn evidence_of_two_persons_is_not_one_account() {
    let world = World::new();
    let (computer, mut first) = bundle(&world);
    let other = world.registered(MAX);
    let second: Bundle = other.here.service.get("/v1/evidence").unwrap();
    let key = &computer.here.profile.service_keys;
    assert!(second.verify(&anchors_of(&[&ca()]), key).findings.is_some(), "alone it stands");
    first.devices.extend(second.devices);
    let report = first.verify(&anchors_of(&[&ca()]), key);
    let broken = report.links.iter().find(|link| link.result == LinkResult::Fails).unwrap();
    assert_eq!((broken.name, broken.detail.as_deref()), (LinkName::Certificate, Some("kvnr")));
    assert!(report.findings.is_none(), "a device that holds says nothing beside one that does not");
    let of_two = serde_json::to_vec(&first).unwrap();
    first.devices.clear();
    assert!(first.verify(&anchors_of(&[&ca()]), key).findings.is_none(), "nothing proves nothing");
    let all = [of_two, serde_json::to_vec(&first).unwrap()];
    assert_eq!(verifier::second_verifier(&all, &[&ca()], key), [false, false]);
}

/// What is shown of other people's entries are hashes, which nobody can try out.
#[test]
fn evidence_tells_nothing_about_others() {
    let world = World::new();
    let (computer, _) = bundle(&world);
    let max = world.registered(MAX);
    let accepted = max.apply(&new_address());
    let bundle: serde_json::Value = computer.here.service.get("/v1/evidence").unwrap();
    let audit = &bundle["devices"][0]["approvals"][0]["audit"];
    let others: Vec<_> = world.audit_entries().into_iter().filter(|entry| entry.contains("application.")).collect();
    let entry = String::from_utf8(base64url::decode(audit["entry"].as_str().unwrap()).unwrap()).unwrap();
    assert!(entry.contains("application.approved"));
    let text = bundle.to_string();
    assert!(!text.contains(MAX) && !text.contains(&accepted.application_id.to_string()));
    let salts: std::collections::BTreeSet<_> = world
        .audit_entries()
        .iter()
        .map(|entry| serde_json::from_str::<serde_json::Value>(entry).unwrap()["salt"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(salts.len(), world.audit_entries().len(), "each has its own salt");
    assert!(others.len() > 3);
}

/// Each receipt and head may have to be tried with each of them.
#[test]
fn a_bundle_that_names_more_than_64_keys_or_one_of_them_twice_is_none() {
    let world = World::new();
    let (_, honest) = bundle(&world);
    let own = honest.service.jwk.clone();
    let more: Vec<_> = (0..64).map(|_| jwk(&new_key())).collect();
    let twice = vec![more[0].clone(), more[1].clone(), more[0].clone()];
    let mut bundles = Vec::new();
    for (others, holds) in [(more[..63].to_vec(), true), (more, false), (twice, false), (vec![own.clone()], false)] {
        let mut bundle = honest.clone();
        bundle.service.other_jwks = others;
        let bytes = serde_json::to_vec(&bundle).unwrap();
        let read = Bundle::parse(&bytes);
        assert_eq!(read.is_ok_and(|it| it.verify(&anchors_of(&[&ca()]), &[]).findings.is_some()), holds);
        bundles.push((bytes, holds));
    }
    let (bundles, expected): (Vec<_>, Vec<_>) = bundles.into_iter().unzip();
    for keys in [[].as_slice(), &[own]] {
        assert_eq!(verifier::second_verifier(&bundles, &[&ca()], keys), expected);
    }
}
