//! The audit: signed heads, what its owner sees of it, evidence for a whole account.

use std::collections::BTreeSet;

use kartenbund::jose::jws;
use kartenbund::protocol::Sha256Hash;
use kartenbund::protocol::audit::{AuditActor, AuditAnswer, AuditEvent, AuditHead, AuditHeadsAnswer};
use kartenbund::ui::text::{Language, Texts};
use sqlx::Connection as _;

use super::*;

fn heads(world: &World) -> Vec<AuditHead> {
    let answer: AuditHeadsAnswer = world.remote().get("/.well-known/kartenbund-audit").unwrap();
    let key = world.remote().configuration().unwrap().service_keys;
    answer.heads.iter().map(|head| jws::verify(head, key[0].verifying_key()).unwrap()).collect()
}

fn events(computer: &Computer) -> Vec<AuditEvent> {
    computer.here.service.get::<AuditAnswer>("/v1/audit").unwrap().events
}

#[test]
fn a_head_is_signed_each_hour_by_one_of_several_processes() {
    let world = World::new();
    let _second = world.beside(|_| ());
    world.wait_until("the first head is signed", || !heads(&world).is_empty());
    for hour in 2..=3 {
        world.clock.advance(60 * 60 - 1);
        std::thread::sleep(std::time::Duration::from_millis(2500));
        assert_eq!(heads(&world).len(), hour - 1, "not before the hour is over");
        world.clock.advance(1);
        world.wait_until("the hour is over", || heads(&world).len() == hour);
        std::thread::sleep(std::time::Duration::from_millis(2500));
        assert_eq!(heads(&world).len(), hour, "one of the two has done it");
    }
    let all = heads(&world);
    assert_eq!(all[2].at - all[1].at, 60 * 60);
    let since: AuditHeadsAnswer =
        world.remote().get(&format!("/.well-known/kartenbund-audit?since={}", all[2].at)).unwrap();
    assert_eq!(since.heads.len(), 1);
    assert_eq!(world.verify_audit(&[]).unwrap().heads, 3);
}

#[test]
fn a_head_is_signed_when_much_has_happened() {
    let world = World::new();
    world.wait_until("the first head is signed", || !heads(&world).is_empty());
    let rows = |numbers: std::ops::Range<usize>| {
        register_of(&numbers.map(number).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>())
    };
    world.import_report(&rows(0..255));
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(heads(&world).len(), 1);
    world.import_report(&rows(255..256));
    world.wait_until("256 entries are behind the head", || heads(&world).len() == 2);
    assert_eq!(heads(&world)[1].seq, 256);
}

#[test]
fn a_head_on_demand_covers_everything_there_is() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let key = &computer.here.profile.service_keys;
    let read = |head: &str| jws::verify::<AuditHead>(head, key[0].verifying_key()).unwrap();
    let first = world.audit_head(&computer);
    assert_eq!(usize::try_from(read(&first).seq).unwrap(), world.audit_entries().len());
    assert_eq!((read(&first).aud, read(&first).at), (world.address.clone(), world.clock.now()));
    assert_eq!(world.audit_head(&computer), first, "nothing came behind it");
    computer.apply(&new_address());
    assert_eq!(read(&world.audit_head(&computer)).seq, read(&first).seq + 1);
    assert!(world.verify_audit(&[&first]).is_ok());
}

#[test]
fn the_owner_sees_what_happened_in_plain_words_and_by_whom() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let mut script = Script::with_code(&accepted.match_code);
    computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Deny, around)).unwrap();
    world.suspend(ERIKA).unwrap();
    world.resume(ERIKA).unwrap();
    let computer = world.log_in(ERIKA, PASSWORD);
    let seen = events(&computer);
    use AuditActor::{Operator, Owner};
    let expected = [
        ("session.opened", Owner),
        ("account.resumed", Operator),
        ("session.ended", Operator),
        ("account.suspended", Operator),
        ("application.denied", Owner),
        ("device.pin_confirmed", Owner),
        ("device.pin_evaluated", Owner),
        ("application.submitted", Owner),
        ("device.bound", Owner),
        ("registration.challenged", Owner),
        ("registration.pin_evaluated", Owner),
        ("registration.opened", Owner),
        ("session.opened", Owner),
        ("account.password_rehashed", Owner),
        ("account.imported", Operator),
    ];
    let told: Vec<_> = seen.iter().map(|event| (event.event.as_str(), event.by)).collect();
    let told: BTreeSet<_> = told.iter().map(|(event, by)| (*event, format!("{by:?}"))).collect();
    assert_eq!(told, expected.iter().map(|(event, by)| (*event, format!("{by:?}"))).collect());
    assert!(seen.windows(2).all(|pair| pair[0].seq > pair[1].seq), "newest first");
    let oldest: AuditAnswer = computer.here.service.get("/v1/audit?before=2").unwrap();
    assert_eq!(oldest.events.len(), 1);
    assert_eq!(oldest.events[0].object, None, "the pseudonym is nobody's business");
}

#[test]
fn two_hundred_events_are_read_in_pages() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    for _ in 0..60 {
        world.suspend(ERIKA).unwrap();
        world.resume(ERIKA).unwrap();
    }
    let computer = {
        let _ = computer;
        world.log_in(ERIKA, PASSWORD)
    };
    let first = events(&computer);
    assert_eq!(first.len(), 100);
    let before = first.last().unwrap().seq;
    let rest: AuditAnswer = computer.here.service.get(&format!("/v1/audit?before={before}")).unwrap();
    assert_eq!(rest.events.len(), world.audit_entries().len() - 100);
}

/// The names are those of the service's table, which no client knows.
#[test]
fn every_event_has_a_sentence_in_both_languages() {
    let source = std::fs::read_to_string("src/server/states.rs").unwrap();
    let table = source.split("    Event {").nth(1).unwrap().split('}').next().unwrap();
    let names: Vec<_> = table.lines().filter_map(|line| line.split('"').nth(1)).collect();
    assert!(names.len() > 40);
    for name in names {
        for language in [Language::De, Language::En] {
            let id = format!("event-{}", name.replace(['.', '_'], "-"));
            assert_ne!(Texts::new(language).get(&id), id, "{language:?}");
        }
    }
}

#[test]
fn the_evidence_of_a_whole_account_has_every_device_and_every_decision() {
    let world = World::new();
    let password = world.member(ERIKA);
    let mut ids = Vec::new();
    let mut last = None;
    for folder in ["old", "new"] {
        let computer = world.try_log_in(&world.folder.path().join(folder), ERIKA, &password).unwrap();
        let device = computer.register(&mut card(ERIKA)).unwrap().device_id;
        for verdict in [Verdict::Approve, Verdict::Deny] {
            let accepted = computer.apply(&new_bank_account());
            let mut script = Script::with_code(&accepted.match_code);
            computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, verdict, around)).unwrap();
            ids.push((device, accepted.approval_id, accepted.application_id, verdict));
            world.clock.advance(1);
        }
        last = Some(computer);
    }
    let computer = last.unwrap();
    computer.by_card().remove(ids[0].0).unwrap();
    computer.apply(&new_address()); // nobody has decided it
    let key = &computer.here.profile.service_keys;

    let bundle: Bundle = computer.here.service.get("/v1/evidence").unwrap();
    let report = bundle.verify(&anchors_of(&[&ca()]), key);
    assert!(
        report.links.iter().all(|it| {
            it.result == LinkResult::Holds || [LinkName::TrustList, LinkName::Revocation].contains(&it.name)
        }),
        "{:#?}",
        report.links
    );
    assert_eq!(report.links.len(), 2 * (7 + 2 * 4));
    let found: Vec<_> = report.findings.unwrap().devices.into_iter().collect();
    let told: Vec<_> = found
        .iter()
        .flat_map(|device| device.decisions.iter().map(|it| (device.device_id, it.approval_id, it.verdict)))
        .collect();
    assert_eq!(told, ids.iter().map(|it| (it.0, it.1, it.3)).collect::<Vec<_>>(), "the removed device, too");
    assert_eq!(bundle.omitted, 0);

    let mut all = vec![serde_json::to_vec(&bundle).unwrap()];
    for (device, approval, application, _) in &ids {
        for id in [device.to_string(), approval.to_string(), application.to_string()] {
            let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{id}")).unwrap();
            assert_eq!(bundle.devices.len(), 1);
            assert_eq!(bundle.devices[0].approvals.len(), usize::from(id != device.to_string()));
            all.push(serde_json::to_vec(&bundle).unwrap());
        }
    }
    assert_eq!(verifier::second_verifier(&all, &[&ca()], key), vec![true; all.len()]);
    let handed_out: Vec<_> = all.iter().map(|bytes| std::str::from_utf8(bytes).unwrap()).collect();
    assert!(world.verify_audit(&handed_out).is_ok());
}

#[test]
fn whoever_says_that_it_was_not_she_has_evidence_of_it() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_bank_account());
    let mut script = Script::with_code(&accepted.match_code);
    computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::NotMe, around)).unwrap();
    let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", accepted.approval_id)).unwrap();
    let key = &computer.here.profile.service_keys;
    let findings = bundle.verify(&anchors_of(&[&ca()]), key).findings.unwrap();
    assert_eq!(findings.devices[0].decisions[0].verdict, Verdict::NotMe);
    let bytes = serde_json::to_vec(&bundle).unwrap();
    assert_eq!(verifier::second_verifier(&[bytes], &[&ca()], key), [true]);
    assert_eq!(world.verify_audit(&[]).unwrap().receipts, 2);
}

#[test]
fn an_account_without_a_device_has_no_evidence() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    assert_eq!(refusal(computer.here.service.get::<Bundle>("/v1/evidence")), "not_found");
}

/// What was taken before entries had a salt: the evidence stands, and says that the audit does not tell of it.
#[test]
fn evidence_from_before_stands_without_the_audit() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let key = &computer.here.profile.service_keys;
    world.drop_audit_triggers();
    world.rewrite_audit(|mut entry| {
        let members = entry.as_object_mut().unwrap();
        members.retain(|name, _| name != "v" && name != "salt");
        Some(entry)
    });
    let accepted = computer.apply(&new_address());
    approve(&computer, &accepted);
    let bundle: Bundle = computer.here.service.get("/v1/evidence").unwrap();
    let report = bundle.verify(&anchors_of(&[&ca()]), key);
    let results: Vec<_> = report.links.iter().map(|link| link.result).collect();
    assert_eq!((results[6], results[10]), (LinkResult::Absent, LinkResult::Holds), "the decision came after");
    assert!(report.findings.is_some());
    assert_eq!(verifier::second_verifier(&[serde_json::to_vec(&bundle).unwrap()], &[&ca()], key), [true]);
}

/// A chain that begins as it was made before, and goes on as it is made now.
#[test]
fn an_audit_that_was_begun_before_verifies_to_its_end() {
    let world = World::new();
    world.member(ERIKA);
    world.drop_audit_triggers();
    world.rewrite_audit(|mut entry| {
        let members = entry.as_object_mut().unwrap();
        members.retain(|name, _| name != "v" && name != "salt");
        Some(entry)
    });
    let computer = world.log_in(ERIKA, PASSWORD);
    world.audit_head(&computer);
    let report = world.verify_audit(&[]).unwrap();
    assert_eq!((report.first, report.last), (1, i64::try_from(world.audit_entries().len()).unwrap()));
    assert!(report.heads > 0);
}

/// The migration finds whom the entries of before are about.
#[test]
fn entries_from_before_find_their_owner() {
    let person = Sha256Hash::of(b"somebody").to_string();
    let entry = |actor: &str, object: &str, detail: &str| json!({"actor": actor, "object": object, "detail": detail});
    let entries = [
        (entry(&person, "x", "y"), true),
        (entry("service", "x", &person), true),
        (entry("operator:anna", &person, "y"), true),
        (entry("stranger", "", "y"), false),
    ];
    let (url, first, this) = match &TestDatabase::new() {
        TestDatabase::Sqlite => (
            "sqlite::memory:".to_owned(),
            include_str!("../../src/server/migrations/sqlite/0001_first_light.sql"),
            include_str!("../../src/server/migrations/sqlite/0010_audit.sql"),
        ),
        TestDatabase::Postgresql(url) => (
            url.expose().to_owned(),
            include_str!("../../src/server/migrations/postgresql/0001_first_light.sql"),
            include_str!("../../src/server/migrations/postgresql/0010_audit.sql"),
        ),
    };
    sqlx::any::install_default_drivers();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(first).execute(&mut connection).await.unwrap();
        for (seq, (entry, _)) in (1_i64..).zip(&entries) {
            let insert = sqlx::query("INSERT INTO audit (seq, entry, sha256) VALUES ($1, $2, 'x')");
            insert.bind(seq).bind(entry.to_string().into_bytes()).execute(&mut connection).await.unwrap();
        }
        sqlx::raw_sql(this).execute(&mut connection).await.unwrap();
        let found = sqlx::query_as::<_, (i64,)>("SELECT seq FROM audit WHERE person = $1 ORDER BY seq").bind(&person);
        let found: Vec<_> = found.fetch_all(&mut connection).await.unwrap().into_iter().map(|(seq,)| seq).collect();
        assert_eq!(found, [1, 2, 3]);
        assert!(
            sqlx::query("UPDATE audit SET person = NULL").execute(&mut connection).await.is_err(),
            "append-only again"
        );
    });
}

/// Another verifier can be written from the documentation alone; how much that takes is part of the promise. Whether a CA
/// stands in the trust list is asked of a program of its own, and only where somebody trusts its signer.
#[test]
fn the_second_verifier_is_no_longer_than_two_hundred_lines() {
    for (path, most, standard) in [
        ("tests/verify_evidence.py", 200, &["import base64, contextlib, datetime, hashlib, json, re, sys, zlib"][..]),
        (
            "tests/verify_trust_list.py",
            70,
            &["import base64", "from datetime import datetime, timezone", "from xml.etree import ElementTree"],
        ),
    ] {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.lines().count() <= most && text.lines().all(|line| line.len() <= 125), "{path}");
        let mut imports = text.lines().filter(|line| line.starts_with("import") || line.starts_with("from"));
        assert!(standard.iter().eq(imports.by_ref().take(standard.len()).collect::<Vec<_>>().iter()), "{path}");
        assert!(imports.all(|line| line.starts_with("from cryptography")), "{path}: nothing but cryptography");
    }
}
