//! Faults of the service's own database: what was taken is never answered with an error, and an error changed nothing.

use super::*;

#[test]
fn a_binding_that_cannot_be_kept_whole_is_not_made() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let request = attempt.signed();
    for (table, event) in [("device", "INSERT"), ("registration", "UPDATE OF device_id"), ("audit", "INSERT")] {
        world.fault(table, event);
        assert_eq!(refusal(attempt.submit(&request)), code("internal"), "{table}");
        assert_eq!(world.count("SELECT COUNT(*) FROM device"), 0, "an error means that nothing was changed: {table}");
        world.mend(table);
    }
    assert!(attempt.submit(&request).unwrap().device.is_some(), "not even the challenge is used up");
}

#[test]
fn a_decision_is_answered_though_its_execution_fails() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    world.fault("account", "UPDATE OF address");
    let mut script = Script::with_code(&accepted.match_code);
    let taken = computer
        .with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
        .unwrap();
    assert_eq!(taken.application.state, "queued");
    world.mend("account");
    let path = format!("/v1/applications/{}", accepted.application_id);
    let application: ApplicationAnswer = computer.here.service.get(&path).unwrap();
    assert_eq!(application.state, "executed", "what failed is done later");
}

#[test]
fn a_broken_row_of_one_account_stops_no_other() {
    let world = World::new();
    let (erika, max) = (world.registered(ERIKA), world.registered(MAX));
    let approve = |computer: &Computer| {
        let accepted = computer.apply(&new_bank_account());
        let mut script = Script::with_code(&accepted.match_code);
        computer
            .with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
            .unwrap();
        accepted
    };
    let state = |computer: &Computer, accepted: &ApplicationAccepted| {
        let path = format!("/v1/applications/{}", accepted.application_id);
        computer.here.service.get::<ApplicationAnswer>(&path).map(|application| application.state)
    };
    // What Erika approved cannot be read any more, and of what she has pending not even the row can.
    let unreadable = approve(&erika);
    let update =
        ["UPDATE application SET document = CAST('{}' AS BLOB)", "UPDATE application SET document = '{}'::bytea"];
    world.sql_each(update).unwrap();
    erika.apply(&new_address());
    // PostgreSQL holds what a column is; a name that is no number stands for it there.
    let update = ["UPDATE application SET wrong_codes = 'many'", "UPDATE application SET kind = 'many'"];
    world.sql_each(update.map(|update| update.to_owned() + " WHERE state = 'pending'")).unwrap();
    let whole = approve(&max);
    let pending = max.apply(&new_address());

    world.stretch_sessions();
    world.clock.advance(24 * 60 * 60);
    assert_eq!(state(&max, &whole).unwrap(), "executed");
    assert_eq!(state(&max, &pending).unwrap(), "expired");
    assert_eq!(state(&erika, &unreadable).unwrap(), "failed");
    assert_eq!(world.audited("application.failed"), 1);
    let list: ApprovalsAnswer = max.here.service.get("/v1/approvals").unwrap();
    assert_eq!(list.approvals.len(), 2);
    max.apply(&new_address());
    let path = format!("/v1/applications/{}", unreadable.application_id);
    let late = erika.here.service.call::<_, serde_json::Value>(Method::DELETE, &path, &json!({}));
    assert_eq!(refusal(late), code("not_cancellable"), "failed is failed");
}
