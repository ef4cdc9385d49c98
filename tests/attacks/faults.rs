//! Faults of the service's own database: what was taken is never answered with an error, and an error changed nothing.

use super::*;

#[test]
fn a_binding_that_cannot_be_answered_is_not_made() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let request = attempt.signed();
    world
        .sql(
            "CREATE TRIGGER fault AFTER INSERT ON device BEGIN \
             UPDATE device SET method = 'fault' WHERE device_id = NEW.device_id; END",
        )
        .unwrap();
    assert_eq!(refusal(attempt.submit(&request)), code("internal"));
    assert_eq!(world.count("SELECT COUNT(*) FROM device"), 0, "an error means that nothing was changed");
    world.sql("DROP TRIGGER fault").unwrap();
    assert!(attempt.submit(&request).unwrap().device.is_some(), "not even the challenge is used up");
}

#[test]
fn a_decision_is_answered_though_its_execution_fails() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    world
        .sql("CREATE TRIGGER fault BEFORE UPDATE OF address ON account BEGIN SELECT RAISE(ABORT, 'fault'); END")
        .unwrap();
    let mut script = Script::with_code(&accepted.match_code);
    let taken = computer
        .with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
        .unwrap();
    assert_eq!(taken.application.state, "queued");
    world.sql("DROP TRIGGER fault").unwrap();
    let path = format!("/v1/applications/{}", accepted.application_id);
    let application: ApplicationAnswer = computer.here.service.get(&path).unwrap();
    assert_eq!(application.state, "executed", "what failed is done later");
}
