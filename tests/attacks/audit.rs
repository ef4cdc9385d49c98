//! Tampering with the audit, by somebody who has the database in hands.

use super::*;
use kartenbund::protocol::audit::AuditHeadsAnswer;
use kartenbund::server::AuditVerifyError;

/// Erika has registered a computer, changed her address and logged in again; the audit is open to be changed.
fn lived(world: &World) -> Computer {
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let mut script = Script::with_code(&accepted.match_code);
    computer
        .with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
        .unwrap();
    let report = world.verify_audit(&[]).unwrap();
    assert_eq!((report.first, report.receipts), (1, 2), "{report:?}");
    world.drop_audit_triggers();
    computer
}

/// Number of the first entry about this event.
fn number_of(world: &World, event: &str) -> i64 {
    let name = format!("\"{event}\"");
    let entries = world.audit_entries();
    i64::try_from(entries.iter().position(|entry| entry.contains(&name)).unwrap() + 1).unwrap()
}

#[test]
fn an_entry_that_was_changed_is_named() {
    let world = World::new();
    let computer = lived(&world);
    // The one head that is left is over everything.
    world.sql("DELETE FROM audit_head").unwrap();
    world.audit_head(&computer);
    let seq = number_of(&world, "device.bound");
    let entries = world.audit_entries();
    let honest = &entries[usize::try_from(seq - 1).unwrap()];
    let sha256 = world.column(format!("SELECT sha256 FROM audit WHERE seq = {seq}")).remove(0);
    let changed = honest.replace("\"ok\"", "\"no\"");
    world.write_entry(seq, &changed, &sha256);
    assert_eq!(world.audit_fault(&[]), format!("entry {seq}: the hash beside it is not its own"));
    // With its own hash beside it, the next entry does not follow.
    let before = world.column(format!("SELECT sha256 FROM audit WHERE seq = {}", seq - 1)).remove(0).parse().unwrap();
    let own = Position { seq: seq - 1, sha256: before }.next(changed.as_bytes()).unwrap().0.sha256.to_string();
    world.write_entry(seq, &changed, &own);
    let fault = format!("entry {}: it does not name the chain's value before it", seq + 1);
    assert_eq!(world.audit_fault(&[]), fault);
    // Without salt, it would be chained as entries were before.
    let unsalted = serde_json::from_str::<serde_json::Value>(honest).unwrap();
    let mut unsalted = unsalted.as_object().unwrap().clone();
    unsalted.remove("salt");
    world.write_entry(seq, &serde_json::to_string(&unsalted).unwrap(), &sha256);
    assert_eq!(world.audit_fault(&[]), format!("entry {seq}: it is no entry of the audit"));
    world.write_entry(seq, honest, &sha256);
    assert!(world.verify_audit(&[]).is_ok());
}

#[test]
fn an_entry_that_is_missing_leaves_a_gap() {
    let world = World::new();
    lived(&world);
    let seq = number_of(&world, "application.approved");
    world.sql(format!("DELETE FROM audit WHERE seq = {seq}")).unwrap();
    let fault = format!("entry {seq}: its number does not follow the one before");
    assert_eq!(world.audit_fault(&[]), fault);
}

#[test]
fn entries_cut_off_at_the_end_are_missed_by_heads_and_receipts() {
    let world = World::new();
    lived(&world);
    let seq = number_of(&world, "application.approved");
    world.sql(format!("DELETE FROM audit WHERE seq >= {seq}")).unwrap();
    world.sql("DELETE FROM audit_head").unwrap();
    assert_eq!(world.audit_fault(&[]), "the entry about 1 receipts in the database is missing");
    // Where nothing else was signed about them, a head does it.
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    world.audit_head(&computer);
    world.drop_audit_triggers();
    let last = world.audit_entries().len();
    world.sql(format!("DELETE FROM audit WHERE seq = {last}")).unwrap();
    let at = world.clock.now();
    let fault = format!("the head of {at} was signed over {last} entries, and there are {}", last - 1);
    assert_eq!(world.audit_fault(&[]), fault);
}

#[test]
fn a_chain_written_anew_contradicts_the_receipts_that_are_kept() {
    let world = World::new();
    lived(&world);
    world.rewrite_audit(|entry| Some(entry).filter(|entry| entry["event"] != "session.opened"));
    let seq = number_of(&world, "device.bound");
    assert_eq!(world.audit_fault(&[]), format!("entry {seq}: the receipt for it says something else"));
}

/// Every claim of a receipt is compared with its entry.
#[test]
fn an_entry_that_says_something_else_than_its_receipt_is_named() {
    type Lie = fn(&mut serde_json::Value);
    let lies: [Lie; 2] = [
        |entry| entry["ts"] = (entry["ts"].as_i64().unwrap() - 1).into(),
        |entry| entry["detail"] = "A".repeat(43).into(),
    ];
    for lie in lies {
        let world = World::new();
        lived(&world);
        world.rewrite_audit(|mut entry| {
            if entry["event"] == "application.approved" {
                lie(&mut entry);
            }
            Some(entry)
        });
        let seq = number_of(&world, "application.approved");
        assert_eq!(world.audit_fault(&[]), format!("entry {seq}: the receipt for it says something else"));
    }
}

/// Whoever has the database can make it fit in itself. What was handed out stays.
#[test]
fn a_chain_written_anew_contradicts_a_head_that_was_handed_out() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let head = world.audit_head(&computer);
    let published: AuditHeadsAnswer = world.remote().get("/.well-known/kartenbund-audit").unwrap();
    assert!(published.heads.contains(&head), "everybody sees it");
    let published = serde_json::to_string(&published).unwrap();
    world.drop_audit_triggers();
    assert!(world.verify_audit(&[&head, &published]).is_ok());
    world.rewrite_audit(|mut entry| {
        entry["ts"] = (entry["ts"].as_i64().unwrap() - 1).into();
        Some(entry)
    });
    assert!(world.verify_audit(&[]).is_ok(), "in itself it is whole");
    let at = world.clock.now();
    let seq = world.audit_entries().len();
    let fault = format!("the head of {at} was signed over other entries than 1 to {seq}");
    assert_eq!(world.audit_fault(&[&head]), fault);
    assert!(world.audit_fault(&[&published]).contains("was signed over other entries than 1 to"));
}

#[test]
fn a_chain_written_anew_contradicts_evidence_that_was_handed_out() {
    let world = World::new();
    let computer = lived(&world);
    let bundle: serde_json::Value = computer.here.service.get("/v1/evidence").unwrap();
    let bundle = serde_json::to_string_pretty(&bundle).unwrap();
    assert_eq!(world.verify_audit(&[&bundle]).unwrap().receipts, 4, "each of both, kept and handed out");
    // The device never was, and nothing was decided on it.
    let device = bundle_ids(&bundle);
    for statement in [
        "UPDATE registration SET device_id = NULL",
        "DELETE FROM application",
        "DELETE FROM pin_attempt",
        "DELETE FROM pin_share",
        "DELETE FROM device",
    ] {
        world.sql(statement).unwrap();
    }
    world.rewrite_audit(|entry| {
        let event = entry["event"].as_str().unwrap();
        Some(entry.clone()).filter(|_| !event.starts_with("device.") && !event.starts_with("application."))
    });
    assert!(world.verify_audit(&[]).is_ok(), "in itself it is whole");
    let receipts: Vec<_> = device.iter().map(|id| format!("the entry about {id} is missing")).collect();
    // Its heads would tell, too: the receipts do it alone.
    let receipts_only: String = receipts_in(&bundle).join("\n");
    let fault = world.audit_fault(&[&receipts_only]);
    assert!(receipts.contains(&fault) || fault.ends_with("the receipt for it says something else"), "{fault}");
}

fn bundle_ids(bundle: &str) -> Vec<String> {
    let bundle: serde_json::Value = serde_json::from_str(bundle).unwrap();
    let device = &bundle["devices"][0];
    let ids = [&device["binding"]["device_id"], &device["approvals"][0]["approval_id"]];
    ids.map(|id| id.as_str().unwrap().to_owned()).to_vec()
}

fn receipts_in(bundle: &str) -> Vec<String> {
    let bundle: serde_json::Value = serde_json::from_str(bundle).unwrap();
    let device = &bundle["devices"][0];
    let receipts = [&device["binding"]["receipt"], &device["approvals"][0]["receipt"]];
    receipts.map(|receipt| receipt.as_str().unwrap().to_owned()).to_vec()
}

#[test]
fn words_that_the_service_has_not_signed_say_nothing_about_its_audit() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let head = world.audit_head(&computer);
    let mut forged: AuditHead = jws::verify(&head, computer.here.profile.service_keys[0].verifying_key()).unwrap();
    forged.seq = 1;
    let forged = sign(&forged, &new_key()).unwrap();
    assert_eq!(world.audit_fault(&[&forged]), "a head is not signed by a key of the service");
    for nothing in ["", "{}", "a.b.c", &head[1..]] {
        assert!(matches!(world.verify_audit(&[nothing]), Err(AuditVerifyError::NoStatements)), "{nothing}");
    }
    world.drop_audit_triggers();
    world.sql(format!("UPDATE audit_head SET head = '{forged}'")).unwrap();
    assert_eq!(world.audit_fault(&[]), "a kept head is not signed by a key of the service");
}

/// The owner's events are hers alone, whoever else there is.
#[test]
fn nobody_sees_the_events_of_another() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let max = world.log_in(MAX, &world.member(MAX));
    world.suspend(ERIKA).unwrap();
    world.resume(ERIKA).unwrap();
    let events = |computer: &Computer| {
        let answer: kartenbund::protocol::audit::AuditAnswer = computer.here.service.get("/v1/audit").unwrap();
        answer.events.into_iter().map(|event| event.event).collect::<Vec<_>>()
    };
    assert_eq!(events(&max), ["session.opened", "account.password_rehashed", "account.imported"]);
    drop(erika);
    let erika = world.log_in(ERIKA, PASSWORD);
    let own = events(&erika);
    assert!(own.contains(&"account.suspended".to_owned()) && own.contains(&"device.bound".to_owned()), "{own:?}");
    let text = serde_json::to_string(&erika.here.service.get::<serde_json::Value>("/v1/audit").unwrap()).unwrap();
    let entries = world.audit_entries();
    let actors: std::collections::BTreeSet<_> = entries
        .iter()
        .map(|entry| serde_json::from_str::<serde_json::Value>(entry).unwrap()["actor"].as_str().unwrap().to_owned())
        .filter(|actor| actor.len() == 43)
        .collect();
    assert_eq!(actors.len(), 2);
    assert!(actors.iter().all(|pseudonym| !text.contains(pseudonym)), "no pseudonym is told, not even her own");
}
