//! Applications, approvals, evidence.

use super::*;

#[test]
fn evidence_of_an_approval_is_verified_without_the_service() {
    let mut world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_bank_account());
    approve(&computer, &accepted);
    let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", accepted.approval_id)).unwrap();
    world.stop();
    let bytes = serde_json::to_vec(&bundle).unwrap();
    let report = Bundle::parse(&bytes).unwrap().verify(&anchors_of(&[&ca()]), &computer.here.profile.service_keys);
    assert!(
        report.links.iter().all(|it| {
            it.result == LinkResult::Holds || [LinkName::TrustList, LinkName::Revocation].contains(&it.name)
        }),
        "{:#?}",
        report.links
    );
    let rests_on: Vec<_> = report.links.iter().map(|link| link.rests_on).collect();
    use RestsOn::{Card, CardIssuer, Device, Service};
    assert_eq!(rests_on[..7], [Service, CardIssuer, Service, Card, Device, Service, Service]);
    assert_eq!(rests_on[7..], [Device, Device, Service, Service]);
    let findings = report.findings.unwrap().devices.remove(0);
    assert_eq!(findings.kvnr, kvnr(ERIKA));
    assert_eq!(findings.binding_level, BindingLevel::B3);
    assert_eq!(findings.bound_at, NOW);
    let decision = &findings.decisions[0];
    assert_eq!(decision.verdict, Verdict::Approve);
    assert_eq!(decision.document.change.rows()[0].new, Some("DE89370400440532013000"));

    let report = bundle.verify(&anchors_of(&[&ca()]), &[]);
    assert!(report.links.iter().any(|link| link.rests_on == RestsOn::ServiceUnpinned), "and it says so");
}

#[test]
fn the_binding_of_a_device_has_evidence_of_its_own() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let device = computer.devices().remove(0);
    let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    let report = bundle.verify(&anchors_of(&[&ca()]), &computer.here.profile.service_keys);
    assert_eq!(report.links.len(), 7);
    assert!(report.findings.unwrap().devices[0].decisions.is_empty());
}

#[test]
fn each_device_and_each_decision_has_evidence_of_its_own() {
    let world = World::new();
    let password = world.member(ERIKA);
    let mut decided = Vec::new();
    for folder in ["desktop", "laptop"] {
        let computer = world.try_log_in(&world.folder.path().join(folder), ERIKA, &password).unwrap();
        let device = computer.register(&mut card(ERIKA)).unwrap().device_id;
        let accepted = computer.apply(&new_address());
        let path = format!("/v1/evidence/{}", accepted.approval_id);
        assert_eq!(refusal(computer.here.service.get::<Bundle>(&path)), "not_found", "nothing is decided yet");
        approve(&computer, &accepted);
        decided.push((computer, device, accepted.approval_id));
    }
    for (computer, device, approval) in decided {
        let binding: Bundle = computer.here.service.get(&format!("/v1/evidence/{device}")).unwrap();
        assert_eq!(binding.devices[0].binding.device_id, device);
        let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{approval}")).unwrap();
        let [of] = &bundle.devices[..] else { panic!("one device") };
        assert_eq!((of.binding.device_id, of.approvals[0].approval_id), (device, approval));
    }
}

#[test]
fn a_bank_account_changes_a_day_after_its_approval_and_can_be_cancelled_until_then() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_bank_account());
    let decided = approve(&computer, &accepted);
    assert_eq!(decided.application.state, "queued");
    assert_eq!(decided.application.execute_at, Some(world.clock.now() + 24 * 60 * 60));
    let path = format!("/v1/applications/{}", accepted.application_id);
    let computer = relog(&world, &computer, 24 * 60 * 60 - 1);
    assert_eq!(computer.here.service.get::<ApplicationAnswer>(&path).unwrap().state, "queued");
    assert_eq!(world.count("SELECT COUNT(*) FROM account WHERE bank_account IS NULL"), 1);
    world.clock.advance(1);
    assert_eq!(computer.here.service.get::<ApplicationAnswer>(&path).unwrap().state, "executed");
    assert!(world.column("SELECT bank_account FROM account")[0].contains("DE89370400440532013000"));
    let late = computer.here.service.call::<_, ApplicationAnswer>(Method::DELETE, &path, &json!({}));
    assert_eq!(refusal(late), "not_cancellable");

    let second = computer.apply(&new_bank_account());
    approve(&computer, &second);
    let path = format!("/v1/applications/{}", second.application_id);
    let cancelled: ApplicationAnswer = computer.here.service.call(Method::DELETE, &path, &json!({})).unwrap();
    assert_eq!(cancelled.state, "cancelled");
    let computer = relog(&world, &computer, 48 * 60 * 60);
    assert_eq!(computer.here.service.get::<ApplicationAnswer>(&path).unwrap().state, "cancelled");
}

#[test]
fn a_day_to_think_is_not_cut_short_by_what_is_due_today() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let bank = computer.apply(&new_bank_account());
    approve(&computer, &bank);
    let address = computer.apply(&new_address());
    assert_eq!(approve(&computer, &address).application.state, "executed");
    let path = format!("/v1/applications/{}", bank.application_id);
    assert_eq!(computer.here.service.get::<ApplicationAnswer>(&path).unwrap().state, "queued");
}

#[test]
fn what_is_due_is_done_though_nobody_asks() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    approve(&computer, &computer.apply(&new_bank_account()));
    world.clock.advance(24 * 60 * 60);
    let done = || world.count("SELECT COUNT(*) FROM application WHERE state = 'executed'") == 1;
    let waited = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        done()
    });
    assert!(waited, "the service looks every second");
}

#[test]
fn what_is_over_cannot_be_cancelled() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    world.stretch_sessions();
    world.clock.advance(900);
    let path = format!("/v1/applications/{}", accepted.application_id);
    let late = computer.here.service.call::<_, ApplicationAnswer>(Method::DELETE, &path, &json!({}));
    assert_eq!(refusal(late), "not_cancellable");
}

#[test]
fn denying_needs_no_match_code_and_changes_nothing() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let mut script = Script::default();
    let decided = computer
        .with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Deny, around))
        .unwrap();
    assert_eq!(decided.verdict, Verdict::Deny);
    assert_eq!(decided.application.state, "denied");
    assert!(world.column("SELECT address FROM account")[0].contains("Musterstraße"));
}

#[test]
fn a_wrong_device_pin_decides_nothing() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let mut script = Script { device_pin: "000001", ..Script::with_code(&accepted.match_code) };
    let refused =
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
    assert!(matches!(refused, Err(ApproveError::Pin(PinError::Wrong { tries_left: Some(4) }))));
    let path = format!("/v1/approvals/{}", accepted.approval_id);
    assert_eq!(computer.here.service.get::<ApprovalAnswer>(&path).unwrap().approval.state, "pending");
}

#[test]
fn three_wrong_match_codes_deny_the_application() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let right = String::from(accepted.match_code.clone());
    let wrong = if right == "00" { "01" } else { "00" };
    let mut said = Vec::new();
    for _ in 0..3 {
        let code = kartenbund::protocol::approval::MatchCode::try_from(wrong.to_owned()).unwrap();
        let mut script = Script::with_code(&code);
        let refused =
            computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
        let Err(ApproveError::Service(error)) = refused else { panic!("{refused:?}") };
        said.push(match error {
            ServiceError::Refused { code, detail, .. } => (code, detail),
            other => panic!("the service must refuse, but: {other:?}"),
        });
    }
    let wrong = |tries_left: &str| ("match_code_wrong".to_owned(), Some(tries_left.to_owned()));
    assert_eq!(said, [wrong("2"), wrong("1"), ("match_code_denied".to_owned(), None)]);
    let path = format!("/v1/approvals/{}", accepted.approval_id);
    assert_eq!(computer.here.service.get::<ApprovalAnswer>(&path).unwrap().approval.state, "denied");
    let mut script = Script::with_code(&accepted.match_code);
    let late =
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
    assert!(matches!(late, Err(ApproveError::NotPending)));
}

#[test]
fn an_approval_ends_after_a_quarter_of_an_hour() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    assert_eq!(accepted.expires_at, world.clock.now() + 900);
    let computer = relog(&world, &computer, 900);
    let mut script = Script::with_code(&accepted.match_code);
    let late =
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
    assert!(matches!(late, Err(ApproveError::NotPending)));
    let approvals: ApprovalsAnswer = computer.here.service.get("/v1/approvals").unwrap();
    assert_eq!(approvals.approvals[0].state, "expired");
    assert!(world.column("SELECT address FROM account")[0].contains("Musterstraße"));
}

#[test]
fn without_a_device_nothing_protected_can_be_applied_for() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let answer = computer.here.service.call::<_, kartenbund::protocol::api::ApplicationAccepted>(
        Method::POST,
        "/v1/applications",
        &new_address(),
    );
    assert_eq!(refusal(answer), "no_device");
}

#[test]
fn only_three_applications_wait_and_ten_come_in_a_day() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let submit = |application| {
        computer.here.service.call::<_, kartenbund::protocol::api::ApplicationAccepted>(
            Method::POST,
            "/v1/applications",
            &application,
        )
    };
    let apply = || submit(new_address());
    let first = [new_address(), new_bank_account(), new_contact()].map(|application| submit(application).unwrap());
    assert_eq!(refusal(submit(new_card())), "too_many_pending");
    let max = world.registered(MAX);
    let his = max.apply(&new_address());
    for accepted in first {
        approve(&computer, &accepted);
    }
    for _ in 3..10 {
        approve(&computer, &apply().unwrap());
    }
    assert_eq!(refusal(apply()), "too_many_applications");
    approve(&max, &his);
    max.apply(&new_address());
    world.stretch_sessions();
    world.clock.advance(24 * 60 * 60);
    apply().unwrap();
}

#[test]
fn applications_that_nobody_decided_make_room_when_their_time_is_over() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    for application in [new_address(), new_bank_account(), new_contact()] {
        computer.apply(&application);
    }
    world.stretch_sessions();
    world.clock.advance(900);
    computer.apply(&new_address());
    let approvals: ApprovalsAnswer = computer.here.service.get("/v1/approvals").unwrap();
    let states: Vec<_> = approvals.approvals.iter().map(|approval| approval.state.as_str()).collect();
    assert_eq!(states, ["pending", "expired", "expired", "expired"], "newest first");
    world.stretch_sessions();
    world.clock.advance(900);
    let approvals: ApprovalsAnswer = computer.here.service.get("/v1/approvals").unwrap();
    assert_eq!(approvals.approvals[0].state, "expired", "a list does not tell of yesterday");
}

#[test]
fn what_one_person_changes_is_hers_alone() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let max = HEADER.to_owned() + &format!("{MAX},Max,Mustermann,1990-01-01,Weg,1,12345,Ort,D,2020-01-01\n");
    let password = world.import(&max).remove(0).1;
    let max = world.log_in(MAX, &password);
    max.register(&mut card(MAX)).unwrap();
    let his = max.apply(&new_address());

    approve(&erika, &erika.apply(&new_address()));
    let bank = erika.apply(&new_bank_account());
    approve(&erika, &bank);
    assert_eq!(world.count("SELECT COUNT(*) FROM application WHERE evidence IS NULL"), 1, "his is not decided");
    world.stretch_sessions();
    let (_, document) = kartenbund::client::approve::fetch(&max.here, his.approval_id).unwrap();
    assert_eq!(document.change.rows()[0].old, Some("Weg"), "what is old is his");
    world.clock.advance(24 * 60 * 60);
    let path = format!("/v1/applications/{}", bank.application_id);
    assert_eq!(erika.here.service.get::<ApplicationAnswer>(&path).unwrap().state, "executed");
    let untouched =
        "SELECT COUNT(*) FROM account WHERE kvnr = 'M100200305' AND address LIKE '%Weg%' AND bank_account IS NULL";
    assert_eq!(world.count(untouched), 1);
}

#[test]
fn a_list_of_approvals_has_an_end() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    computer.apply(&new_address());
    let copies = ["printf('%021dA', i)", "lpad(i::text, 21, '0') || 'A'"].map(|id| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) \
             INSERT INTO application SELECT {id}, {id}, account_id, kind, 'denied', document, challenge, match_code, 0, \
             created - i, expires_at, NULL, NULL, NULL, NULL, origin FROM n, application"
        )
    });
    assert_eq!(world.sql_each(copies).unwrap(), 100);
    let approvals: ApprovalsAnswer = computer.here.service.get("/v1/approvals").unwrap();
    assert_eq!(approvals.approvals.len(), 100);
    assert_eq!(approvals.approvals[0].state, "pending", "the newest are in it");
}

#[test]
fn applications_that_break_a_rule_are_refused() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let address = |change: fn(&mut serde_json::Value)| {
        let mut application = serde_json::to_value(new_address()).unwrap();
        change(&mut application["data"]);
        computer.here.service.call::<_, serde_json::Value>(Method::POST, "/v1/applications", &application)
    };
    let invalid = |answer: Result<serde_json::Value, ServiceError>| match answer {
        Err(ServiceError::Refused { code, detail, .. }) if code == "application_invalid" => detail.unwrap(),
        other => panic!("the service must refuse, but: {other:?}"),
    };
    assert_eq!(invalid(address(|data| data["postal_code"] = json!("0410"))), "postal_code");
    assert_eq!(invalid(address(|data| data["city"] = json!("Leip\u{202E}zig"))), "city");
    assert_eq!(invalid(address(|data| data["city"] = json!(""))), "city");
    assert_eq!(invalid(address(|data| data["house_number"] = json!("7 "))), "house_number");
    assert_eq!(invalid(address(|data| data["country"] = json!("Germany"))), "country");
    assert_eq!(refusal(address(|data| data["planet"] = json!("Mars"))), "malformed_request");
    let bank = json!({"type": "bank.change", "data": {"iban": "DE89370400440532013001", "account_holder": "E M"}});
    let bank = computer.here.service.call::<_, serde_json::Value>(Method::POST, "/v1/applications", &bank);
    assert_eq!(invalid(bank), "iban");
    let unknown = json!({"type": "name.change", "data": {}});
    let unknown = computer.here.service.call::<_, serde_json::Value>(Method::POST, "/v1/applications", &unknown);
    assert_eq!(refusal(unknown), "malformed_request");
    assert_eq!(world.count("SELECT COUNT(*) FROM application"), 0);
}

#[test]
fn a_removed_device_approves_nothing_any_more() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let device = computer.devices().remove(0);
    computer.by_card().remove(device.device_id).unwrap();
    let mut script = Script::with_code(&accepted.match_code);
    let refused =
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
    assert!(matches!(refused, Err(ApproveError::Pin(PinError::Gone))), "{refused:?}");
    let apply = computer.here.service.call::<_, serde_json::Value>(Method::POST, "/v1/applications", &new_address());
    assert_eq!(refusal(apply), "no_device");
}
