//! The same request twice at the same moment: one is taken, the other is refused.

use std::sync::Barrier;

use super::approvals::decision_on;
use super::*;

/// How often each race is run: the order of the two is chance.
const ROUNDS: i32 = 4;

/// Does the same work twice, beginning at the same moment.
fn at_once<T: Send>(work: impl Fn() -> T + Sync) -> [T; 2] {
    let start = Barrier::new(2);
    let run = || {
        start.wait();
        work()
    };
    std::thread::scope(|scope| [scope.spawn(run), scope.spawn(run)].map(|thread| thread.join().unwrap()))
}

/// The code the loser got; exactly one must have won.
fn loser<T: std::fmt::Debug>(answers: [Result<T, ServiceError>; 2]) -> String {
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 1), "{won:?} {lost:?}");
    refusal(lost.into_iter().next().unwrap()).0
}

#[test]
fn evidence_that_comes_twice_at_once_binds_one_device() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    for round in 1..=i64::from(ROUNDS - 1) {
        let request = attempt.signed();
        let path = format!("/v1/registrations/{}/evidence", attempt.challenge.registration_id);
        let service = &attempt.computer.here.service;
        let answers = at_once(|| service.call::<_, RegistrationAnswer>(Method::PUT, &path, &request));
        assert_eq!(loser(answers), "registration_ended");
        assert_eq!(world.count("SELECT COUNT(*) FROM device"), round);
        assert_eq!(world.audited("device.bound"), round);
        attempt = Attempt::with(attempt.computer, attempt.card);
    }
}

#[test]
fn a_challenge_renewed_while_its_evidence_comes_is_taken_or_void() {
    let world = World::new();
    let mut first = Attempt::honest(&world);
    let request = first.signed();
    let path = format!("/v1/registrations/{}/evidence", first.challenge.registration_id);
    let service = &first.computer.here.service;
    let renew = format!("/v1/registrations/{}/challenge", first.challenge.registration_id);
    let (bound, renewed) = std::thread::scope(|scope| {
        let bound = scope.spawn(|| service.call::<_, RegistrationAnswer>(Method::PUT, &path, &request));
        let renewed = scope.spawn(|| service.call::<_, ChallengeAnswer>(Method::POST, &renew, &json!({})));
        (bound.join().unwrap(), renewed.join().unwrap())
    });
    match (bound, renewed) {
        (Ok(_), Err(error)) => assert!(error.is_refused_with("registration_ended")),
        (Err(error), Ok(_)) => assert!(matches!(error, ServiceError::Refused { .. })),
        both => panic!("{both:?}"),
    }
}

#[test]
fn a_decision_that_comes_twice_at_once_is_taken_once() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    for round in 1..=i64::from(ROUNDS) {
        let accepted = computer.apply(&new_address());
        let request = decision_on(&computer, &accepted, Verdict::Approve);
        let path = format!("/v1/approvals/{}/decision", accepted.approval_id);
        let service = &computer.here.service;
        let answers = at_once(|| service.call::<_, serde_json::Value>(Method::POST, &path, &request));
        assert_eq!(loser(answers), "already_decided");
        for event in ["application.approved", "application.executed"] {
            assert_eq!(world.audited(event), round, "{event}");
        }
    }
}

#[test]
fn yes_and_no_at_once_are_one_of_them() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_bank_account());
    let requests = [Verdict::Approve, Verdict::Deny].map(|verdict| decision_on(&computer, &accepted, verdict));
    let path = format!("/v1/approvals/{}/decision", accepted.approval_id);
    let service = &computer.here.service;
    let [yes, no] = std::thread::scope(|scope| {
        let path = &path;
        let [yes, no] = requests
            .each_ref()
            .map(|request| scope.spawn(move || service.call::<_, serde_json::Value>(Method::POST, path, request)));
        [yes.join().unwrap(), no.join().unwrap()]
    });
    let state = if yes.is_ok() { "queued" } else { "denied" };
    assert_eq!(loser([yes, no]), "already_decided");
    assert_eq!(world.column("SELECT state FROM application"), [state]);
}

/// A thousand decisions on one approval, of all three kinds, sent to these processes in turn: one of them counts.
fn one_of_a_thousand_counts(world: &World, addresses: &[&str]) {
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let path = format!("/v1/approvals/{}/decision", accepted.approval_id);
    let verdicts = [Verdict::Approve, Verdict::Deny, Verdict::NotMe];
    let decisions = verdicts.map(|verdict| serde_json::to_string(&decision_on(&computer, &accepted, verdict)).unwrap());
    let client = reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_secs(120)).build().unwrap();
    // Each has a proof of its own; only the decision is the same, or another one on the same approval.
    let requests: Vec<_> = (0..1000)
        .map(|number| {
            let address = addresses[number % addresses.len()];
            let request = client.post(format!("{address}{path}")).body(decisions[number % 3].clone());
            let headers = computer.headers("POST", &path).into_iter();
            headers.fold(request, |request, (name, value)| request.header(name, value))
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let answers = runtime.block_on(async {
        let mut sent = tokio::task::JoinSet::new();
        for request in requests {
            sent.spawn(async move { request.send().await.unwrap().json::<serde_json::Value>().await.unwrap() });
        }
        sent.join_all().await
    });
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer["receipt"].is_string());
    assert_eq!((taken.len(), refused.len()), (1, 999));
    assert!(refused.iter().all(|answer| answer["code"] == "already_decided"), "{:?}", refused[0]);
    let decided = ["approved", "denied", "not_me"].map(|event| world.audited(&format!("\"application.{event}\"")));
    assert_eq!(decided.iter().sum::<i64>(), 1, "{decided:?}");
    let state = if taken[0]["verdict"] == "approve" { "executed" } else { "denied" };
    assert_eq!(world.column("SELECT state FROM application"), [state]);
}

#[test]
fn a_thousand_decisions_at_once_are_one() {
    let world = World::new();
    one_of_a_thousand_counts(&world, &[&world.address]);
}

#[test]
fn a_thousand_decisions_at_once_at_two_processes_are_one() {
    let world = World::new();
    let second = world.second_process();
    one_of_a_thousand_counts(&world, &[&world.address, &second.address]);
    world.verify_audit(&[]).unwrap(); // two processes wrote one chain
}
