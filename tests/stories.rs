//! What people do: register, approve, deny, get it wrong, lose the line; over HTTP with the real client.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use common::*;
use kartenbund::apdu::{CommandApdu, ResponseApdu};
use kartenbund::client::approve::{ApproveError, decide};
use kartenbund::client::home::{Binding, Home, HomeError};
use kartenbund::client::login::{self, LoginError};
use kartenbund::client::register::{CardRefusal, PinRefusal, RegisterError};
use kartenbund::client::service::{Service as Remote, ServiceError};
use kartenbund::client::{Notice, Step};
use kartenbund::egk::EgkError;
use kartenbund::protocol::BindingLevel;
use kartenbund::protocol::api::{
    ApplicationAnswer, ApprovalAnswer, ApprovalsAnswer, DecisionAnswer, LoginAnswer, LoginRequest,
};
use kartenbund::protocol::approval::Verdict;
use kartenbund::protocol::evidence::{Bundle, LinkResult, RestsOn};
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::virtual_card::VirtualCard;
use reqwest::Method;
use serde_json::json;

/// Counts commands, and pulls the card at the one it is told to.
struct Watched<'a> {
    card: &'a mut VirtualCard,
    sent: Vec<[u8; 4]>,
    pull_at: Option<usize>,
}

impl<'a> Watched<'a> {
    fn new(card: &'a mut VirtualCard) -> Self {
        Self { card, sent: Vec::new(), pull_at: None }
    }

    fn verifies(&self) -> usize {
        self.sent.iter().filter(|header| header[..2] == [0x00, 0x20]).count()
    }
}

impl CardChannel for Watched<'_> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        if self.pull_at == Some(self.sent.len()) {
            self.card.reset();
            return Err(ChannelError::Removed);
        }
        self.sent.push(command.header());
        self.card.transmit(command)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        CardChannel::reset(self.card)
    }
}

fn tries_left(card: &mut VirtualCard) -> String {
    CardChannel::reset(card).unwrap();
    hex::encode(card.execute(&[0x80, 0x20, 0x00, 0x02]))
}

fn approve(computer: &Computer, accepted: &kartenbund::protocol::api::ApplicationAccepted) -> DecisionAnswer {
    let mut script = Script::with_code(&accepted.match_code);
    computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around)).unwrap()
}

fn refusal<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> String {
    match result {
        Err(ServiceError::Refused { code, .. }) => code,
        other => panic!("the service must refuse, but: {other:?}"),
    }
}

#[test]
fn a_person_registers_with_the_card_and_approves_a_new_address() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let mut script = Script::default();
    let mut watched = Watched::new(&mut card);
    let device = computer.register_as(&mut watched, &mut script, &wish()).unwrap();
    assert_eq!(device.binding_level, BindingLevel::B3);
    assert_eq!(device.state, "active");
    assert_eq!(watched.verifies(), 1, "the PIN is shown to the card once");
    let signatures = watched.sent.iter().filter(|header| header[..2] == [0x00, 0x2A]).count();
    assert_eq!(signatures, 2, "pairing data and statement, under one entry of the PIN");
    assert_eq!(script.tries_told, [3]);
    assert_eq!(tries_left(&mut card), "63c3", "the PIN does not stay verified");

    let accepted = computer.apply(&new_address());
    let mut script = Script::with_code(&accepted.match_code);
    let decided = computer
        .with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
        .unwrap();
    assert_eq!(decided.application.state, "executed");
    let shown = script.shown.unwrap();
    let street = shown.change.rows()[0];
    assert_eq!((street.name, street.old, street.new), ("street", Some("Musterstraße"), Some("Lindenallee")));
    assert!(world.column("SELECT address FROM account")[0].contains("Lindenallee"));
}

#[test]
fn evidence_of_an_approval_is_verified_without_the_service() {
    let mut world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_bank_account());
    approve(&computer, &accepted);
    let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", accepted.approval_id)).unwrap();
    world.stop();
    let bytes = serde_json::to_vec(&bundle).unwrap();
    let report = Bundle::parse(&bytes).unwrap().verify(&anchors_of(&[&ca()]), Some(&computer.here.profile.service_key));
    assert!(report.links.iter().all(|link| link.result == LinkResult::Holds), "{:#?}", report.links);
    let rests_on: Vec<_> = report.links.iter().map(|link| link.rests_on).collect();
    use RestsOn::{Card, CardIssuer, Device, Service};
    assert_eq!(rests_on, [CardIssuer, Card, Device, Service, Device, Device, Service]);
    let findings = report.findings.unwrap();
    assert_eq!(findings.kvnr, kvnr(ERIKA));
    assert_eq!(findings.binding_level, BindingLevel::B3);
    assert_eq!(findings.bound_at, NOW);
    let decision = findings.decision.unwrap();
    assert_eq!(decision.verdict, Verdict::Approve);
    assert_eq!(decision.document.change.rows()[0].new, Some("DE89370400440532013000"));

    let report = bundle.verify(&anchors_of(&[&ca()]), None);
    assert!(report.links.iter().any(|link| link.rests_on == RestsOn::ServiceUnpinned), "and it says so");
}

#[test]
fn the_binding_of_a_device_has_evidence_of_its_own() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let device = computer.devices().remove(0);
    let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    let report = bundle.verify(&anchors_of(&[&ca()]), Some(&computer.here.profile.service_key));
    assert_eq!(report.links.len(), 4);
    assert!(report.findings.unwrap().decision.is_none());
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

/// Time passes and the session ends; the person logs in again. The clock of her computer goes with the service's.
fn relog(world: &World, computer: &Computer, seconds: i64) -> Computer {
    world.clock.advance(seconds);
    world.sql("UPDATE session SET expires_at = expires_at + 1000000").unwrap();
    let session = computer.here.home.folder().join("session.json");
    let text = std::fs::read_to_string(&session).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["expires_at"] = json!(world.clock.now() + 900);
    std::fs::write(&session, value.to_string()).unwrap();
    let here = login::resume(computer.here.home.clone(), world.clock.now()).unwrap();
    Computer { here, clock: world.clock.clone() }
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
fn a_wrong_card_pin_is_told_with_the_tries_left_and_the_right_one_registers() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let mut script = Script::typing(&[WRONG_PIN, CARD_PIN]);
    let mut watched = Watched::new(&mut card);
    computer.register_as(&mut watched, &mut script, &wish()).unwrap();
    assert_eq!(watched.verifies(), 2);
    assert_eq!(script.tries_told, [3, 2]);
    assert_eq!(script.notices, [Notice::WrongCardPin { tries_left: 2 }]);
}

#[test]
fn the_same_wrong_pin_is_never_sent_twice() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let mut script = Script::typing(&[WRONG_PIN, WRONG_PIN, WRONG_PIN, CARD_PIN]);
    let mut watched = Watched::new(&mut card);
    computer.register_as(&mut watched, &mut script, &wish()).unwrap();
    assert_eq!(watched.verifies(), 2, "the wrong one once, the right one once");
    assert_eq!(script.notices.iter().filter(|notice| **notice == Notice::SameWrongPin).count(), 2);
}

#[test]
fn the_last_try_is_not_spent_without_consent() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let wrong = [0x00, 0x20, 0x00, 0x02, 0x08, 0x26, 0x65, 0x43, 0x21, 0xFF, 0xFF, 0xFF, 0xFF];
    card.execute(&wrong);
    card.execute(&wrong);
    assert_eq!(tries_left(&mut card), "63c1");

    let mut script = Script::default();
    let mut watched = Watched::new(&mut card);
    let refused = computer.register_as(&mut watched, &mut script, &wish());
    assert!(matches!(refused, Err(RegisterError::Pin(PinRefusal::LastTry))));
    assert_eq!(watched.verifies(), 0);
    assert_eq!((script.asked_for_last_try, script.tries_told.len()), (1, 0), "asked, and then not for the PIN");

    let mut script = Script { may_spend_last_try: true, ..Script::default() };
    computer.register_as(&mut card, &mut script, &wish()).unwrap();
    assert_eq!(tries_left(&mut card), "63c3");
}

#[test]
fn two_wrong_pins_then_the_last_try_needs_its_own_consent() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let mut script = Script::typing(&[WRONG_PIN, "111111", CARD_PIN]);
    let mut watched = Watched::new(&mut card);
    let refused = computer.register_as(&mut watched, &mut script, &wish());
    assert!(matches!(refused, Err(RegisterError::Pin(PinRefusal::Wrong { tries_left: 1 }))));
    assert_eq!((watched.verifies(), script.asked_for_last_try), (2, 1));
    assert_eq!(tries_left(&mut card), "63c1", "one try is left to the person");
}

#[test]
fn a_blocked_pin_is_told_and_nothing_is_sent() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    for _ in 0..3 {
        card.execute(&[0x00, 0x20, 0x00, 0x02, 0x08, 0x26, 0x65, 0x43, 0x21, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    let mut watched = Watched::new(&mut card);
    let refused = computer.register(&mut watched);
    assert!(matches!(refused, Err(RegisterError::Pin(PinRefusal::Blocked))));
    assert_eq!(watched.verifies(), 0);
}

#[test]
fn a_pin_verified_by_another_program_is_not_taken_for_this_persons() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let right = [0x00, 0x20, 0x00, 0x02, 0x08, 0x26, 0x12, 0x34, 0x56, 0xFF, 0xFF, 0xFF, 0xFF];
    assert_eq!(card.execute(&right), [0x90, 0x00]);
    let mut script = Script::typing(&[WRONG_PIN]);
    let refused = computer.register_as(&mut card, &mut script, &wish());
    assert!(refused.is_err(), "a wrong PIN does not register, whoever typed the right one before");
    assert!(computer.devices().is_empty());
}

#[test]
fn a_card_pulled_at_any_step_leaves_nothing_half_done_and_the_next_try_works() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let mut pull_at = 0;
    loop {
        world.sql("DELETE FROM registration WHERE state = 'open'").unwrap(); // ten a day are allowed
        let mut watched = Watched { card: &mut card, sent: Vec::new(), pull_at: Some(pull_at) };
        match computer.register(&mut watched) {
            Ok(_) => break,
            Err(RegisterError::Card(EgkError::Channel(ChannelError::Removed))) => {}
            Err(other) => panic!("command {pull_at}: {other:?}"),
        }
        assert!(watched.verifies() <= 1, "command {pull_at}");
        assert!(computer.devices().is_empty(), "command {pull_at}: half bound");
        assert!(matches!(computer.here.home.device(), Err(HomeError::NoDevice)));
        assert!(computer.here.home.pending_device().unwrap().is_none(), "command {pull_at}: half written");
        assert_eq!(tries_left(&mut card), "63c3", "command {pull_at}: a try was spent");
        pull_at += 1;
    }
    assert!(pull_at >= 9, "SELECT, version, SELECT, certificate, status, VERIFY, MSE, two signatures: {pull_at}");
    assert_eq!(computer.devices().len(), 1);
}

#[test]
fn a_lost_answer_is_fetched_at_the_next_call_without_the_card() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    computer.register(&mut card(ERIKA)).unwrap();
    // The service has bound the device, but its answer never came: only the pending file is there.
    let home = &computer.here.home;
    let registration_id = world.column("SELECT registration_id FROM registration")[0].parse().unwrap();
    let mut file = home.device().unwrap();
    file.binding = Binding::Pending { registration_id };
    home.forget_device().unwrap();
    home.keep_pending_device(&file).unwrap();

    struct NoCard;
    impl CardChannel for NoCard {
        fn transmit(&mut self, _: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
            panic!("the card is not needed");
        }
        fn reset(&mut self) -> Result<(), ChannelError> {
            Ok(())
        }
    }
    let mut script = Script::default();
    computer.register_as(NoCard, &mut script, &wish()).unwrap();
    assert_eq!(script.notices, [Notice::Resumed]);
    assert!(home.pending_device().unwrap().is_none());
    assert_eq!(computer.devices().len(), 1);
    let accepted = computer.apply(&new_address());
    approve(&computer, &accepted);
}

#[test]
fn a_registration_that_never_arrived_is_begun_anew() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let home = &computer.here.home;
    let mut file = home.device().unwrap();
    file.binding = Binding::Pending { registration_id: [7; 16].into() };
    home.forget_device().unwrap();
    home.keep_pending_device(&file).unwrap();
    let device = computer.register(&mut card(ERIKA)).unwrap();
    assert_ne!(device.jkt, file.key.public_key.thumbprint());
    assert!(home.pending_device().unwrap().is_none());
}

#[test]
fn a_registered_computer_is_registered_anew_only_on_purpose_and_the_old_device_is_revoked() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let before = computer.devices().remove(0);
    assert!(matches!(computer.register(&mut card(ERIKA)), Err(RegisterError::AlreadyRegistered)));
    let replace = kartenbund::client::register::Wish { replace: true, ..wish() };
    let mut script = Script { device_pin: "314159", ..Script::default() };
    let after = computer.register_as(&mut card(ERIKA), &mut script, &replace).unwrap();
    let devices = computer.devices();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].device_id, after.device_id);
    assert_ne!(after.device_id, before.device_id);
}

#[test]
fn another_persons_card_and_an_expired_one_are_refused_before_any_pin() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut max = card(MAX);
    let mut watched = Watched::new(&mut max);
    let refused = computer.register(&mut watched);
    assert!(matches!(refused, Err(RegisterError::Certificate(CardRefusal::OtherPerson))));
    assert_eq!(watched.verifies(), 0);

    let validity = Some((NOW - time::Duration::days(9), NOW - time::Duration::days(1)));
    let expired = kartenbund::virtual_card::personalise::Blueprint { validity, ..blueprint(ERIKA) };
    let mut expired = card_by(&ca(), &expired);
    let refused = computer.register(&mut expired);
    assert!(matches!(refused, Err(RegisterError::Certificate(CardRefusal::Expired))));
    assert_eq!(tries_left(&mut expired), "63c3");
}

#[test]
fn a_wrong_device_pin_decides_nothing() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let mut script = Script { device_pin: "000001", ..Script::with_code(&accepted.match_code) };
    let refused =
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
    assert!(matches!(refused, Err(ApproveError::WrongDevicePin)));
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
    for _ in 0..3 {
        let code = kartenbund::protocol::approval::MatchCode::try_from(wrong.to_owned()).unwrap();
        let mut script = Script::with_code(&code);
        let refused =
            computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
        let Err(ApproveError::Service(error)) = refused else { panic!("{refused:?}") };
        assert!(error.is_refused_with("match_code_wrong"));
    }
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
    let apply = || {
        computer.here.service.call::<_, kartenbund::protocol::api::ApplicationAccepted>(
            Method::POST,
            "/v1/applications",
            &new_address(),
        )
    };
    let first: Vec<_> = (0..3).map(|_| apply().unwrap()).collect();
    assert_eq!(refusal(apply()), "too_many_pending");
    for accepted in first {
        approve(&computer, &accepted);
    }
    for _ in 3..10 {
        approve(&computer, &apply().unwrap());
    }
    assert_eq!(refusal(apply()), "too_many_applications");
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
    assert_eq!(refusal(address(|data| data["postal_code"] = json!("0410"))), "application_invalid");
    assert_eq!(refusal(address(|data| data["city"] = json!("Leip\u{202E}zig"))), "application_invalid");
    assert_eq!(refusal(address(|data| data["city"] = json!(""))), "application_invalid");
    assert_eq!(refusal(address(|data| data["planet"] = json!("Mars"))), "malformed_request");
    let bank = json!({"type": "bank.change", "data": {"iban": "DE89370400440532013001", "account_holder": "E M"}});
    let bank = computer.here.service.call::<_, serde_json::Value>(Method::POST, "/v1/applications", &bank);
    assert_eq!(refusal(bank), "application_invalid");
    let unknown = json!({"type": "name.change", "data": {}});
    let unknown = computer.here.service.call::<_, serde_json::Value>(Method::POST, "/v1/applications", &unknown);
    assert_eq!(refusal(unknown), "malformed_request");
    assert_eq!(world.count("SELECT COUNT(*) FROM application"), 0);
}

#[test]
fn unknown_account_wrong_password_and_too_early_get_the_same_answer() {
    let world = World::new();
    let password = world.member(ERIKA);
    let early = HEADER.to_owned() + &format!("{MAX},Max,Mustermann,1990-01-01,Weg,1,12345,Ort,D,2026-11-24\n");
    let early = world.import(&early)[0].1.clone();
    let login = |person: &str, password: &str| {
        let request = LoginRequest { kvnr: person.to_owned(), password: typed(password) };
        world.remote().call::<_, LoginAnswer>(Method::POST, "/v1/login", &request)
    };
    assert_eq!(refusal(login("K220635158", &password)), "login_failed");
    assert_eq!(refusal(login(ERIKA, "wrong")), "login_failed");
    assert_eq!(refusal(login(MAX, &early)), "login_failed");
    assert!(login(ERIKA, &password).is_ok());
    world.clock.advance(24 * 60 * 60);
    assert!(login(MAX, &early).is_ok(), "on the first day it works");
}

#[test]
fn an_insurance_number_with_a_tail_is_refused_with_a_hint() {
    let world = World::new();
    for (typed_number, hint) in [
        ("A123456780-1", "trailing_part"),
        ("a123456780", "small_letter"),
        ("A123456781", "check_digit"),
        ("12", "shape"),
    ] {
        let request = LoginRequest { kvnr: typed_number.to_owned(), password: typed("x") };
        match world.remote().call::<_, LoginAnswer>(Method::POST, "/v1/login", &request) {
            Err(ServiceError::Refused { code, detail, .. }) => {
                assert_eq!((code.as_str(), detail.as_deref()), ("kvnr_invalid", Some(hint)));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_session_ends_after_a_quarter_of_an_hour_and_by_logging_out() {
    let world = World::new();
    let password = world.member(ERIKA);
    let computer = world.log_in(ERIKA, &password);
    world.clock.advance(899);
    assert!(computer.here.service.get::<serde_json::Value>("/v1/devices").is_ok());
    world.clock.advance(1);
    assert_eq!(refusal(computer.here.service.get::<serde_json::Value>("/v1/devices")), "token_invalid");
    assert!(matches!(
        login::resume(computer.here.home.clone(), world.clock.now()),
        Err(LoginError::Home(HomeError::NoSession))
    ));

    let computer = world.log_in(ERIKA, &password);
    login::logout(computer.here.home.clone(), world.clock.now()).unwrap();
    assert_eq!(refusal(computer.here.service.get::<serde_json::Value>("/v1/devices")), "token_invalid");
}

#[test]
fn a_removed_device_approves_nothing_any_more() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    let device = computer.devices().remove(0);
    computer.here.service.command(Method::DELETE, &format!("/v1/devices/{}", device.device_id)).unwrap();
    let mut script = Script::with_code(&accepted.match_code);
    let refused =
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
    let Err(ApproveError::Service(error)) = refused else { panic!("{refused:?}") };
    assert!(error.is_refused_with("no_device"));
}

#[test]
fn five_devices_are_enough() {
    let world = World::new();
    let password = world.member(ERIKA);
    let mut card = card(ERIKA);
    for number in 0..5 {
        let folder = world.folder.path().join(format!("computer {number}"));
        world.try_log_in(&folder, ERIKA, &password).unwrap().register(&mut card).unwrap();
    }
    let sixth = world.try_log_in(&world.folder.path().join("sixth"), ERIKA, &password).unwrap();
    let Err(RegisterError::Service(error)) = sixth.register(&mut card) else { panic!("five are the limit") };
    assert!(error.is_refused_with("too_many_devices"));
    assert!(sixth.here.home.pending_device().unwrap().is_none());
    let first = sixth.devices().remove(0);
    sixth.here.service.command(Method::DELETE, &format!("/v1/devices/{}", first.device_id)).unwrap();
    sixth.register(&mut card).unwrap();
}

#[test]
fn a_restart_forgets_nothing() {
    let mut world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    world.stop();
    let folder = std::mem::replace(&mut world.folder, tempfile::tempdir().unwrap());
    let again = World::open(folder, world.clock.clone(), Box::new(anchors_of(&[&ca()])), &["999567890"]);
    // The port is another one, and so is the service's name: what the first life signed stays as it was.
    let token = std::fs::read_to_string(computer.here.home.folder().join("session.json"));
    let token = token.or_else(|_| {
        std::fs::read_to_string(again.folder.path().join(format!("computer-{ERIKA}")).join("session.json"))
    });
    let token: serde_json::Value = serde_json::from_str(&token.unwrap()).unwrap();
    let remote = Remote::at(&again.address).unwrap().with_token(typed(token["access_token"].as_str().unwrap()));
    assert_eq!(remote.configuration().unwrap().jwk, computer.here.profile.service_key, "the key stays");
    let path = format!("/v1/approvals/{}", accepted.approval_id);
    assert_eq!(remote.get::<ApprovalAnswer>(&path).unwrap().approval.state, "pending");
}

#[test]
fn every_change_of_state_has_its_audit_entry_and_the_chain_holds() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    approve(&computer, &accepted);
    let entries = world.column("SELECT CAST(entry AS TEXT) FROM audit ORDER BY seq");
    let mut events = Vec::new();
    let mut head = kartenbund::protocol::Sha256Hash::of(&[]).to_string();
    for entry in &entries {
        assert!(!entry.contains(ERIKA) && !entry.contains("Müstermann"), "persons are pseudonyms");
        let value: serde_json::Value = serde_json::from_str(entry).unwrap();
        assert_eq!(value["prev_sha256"], head.as_str());
        head = kartenbund::protocol::Sha256Hash::of(entry.as_bytes()).to_string();
        events.push(value["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        events,
        [
            "account.imported",
            "session.opened",
            "registration.opened",
            "registration.challenged",
            "device.bound",
            "application.submitted",
            "application.approved",
            "application.executed",
        ]
    );
    assert!(world.sql("UPDATE audit SET sha256 = 'x'").is_err(), "append-only");
    assert!(world.sql("DELETE FROM audit").is_err(), "append-only");
}

#[test]
fn a_register_with_bad_rows_names_line_and_reason() {
    let world = World::new();
    let csv = HEADER.to_owned()
        + &register_of(&[ERIKA])[HEADER.len()..]
        + "A123456781,E,M,1964-08-12,W,1,12345,O,D,2020-01-01\n"
        + "K220635158,E,M,12.08.1964,W,1,12345,O,D,2020-01-01\n"
        + "K220635158,E,M,1964-08-12,W,1,1234,O,D,2020-01-01\n"
        + "K220635158,E,M\n"
        + &register_of(&[ERIKA])[HEADER.len()..];
    let report = world.import_report(&csv);
    assert_eq!(report.imported, 1);
    let lines: Vec<_> = report.rejected.iter().map(|(line, reason)| (*line, reason.to_string())).collect();
    assert_eq!(lines.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
    assert!(lines[4].1.contains("exists"));
}

#[test]
fn progress_is_told_in_named_steps() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut script = Script::default();
    computer.register_as(&mut card(ERIKA), &mut script, &wish()).unwrap();
    use Step::*;
    assert_eq!(
        script.steps,
        [ReadCard, ReadPinStatus, MakeDeviceKey, OpenRegistration, VerifyPin, FetchChallenge, CardSigns, SendEvidence]
    );
}

#[test]
fn a_clock_that_is_wrong_is_told_and_allowed_for() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let slow = ManualClock::at(NOW - time::Duration::hours(3));
    let here = login::resume(Home::at(computer.here.home.folder().to_owned()), slow.now()).unwrap();
    let computer = Computer { here, clock: slow };
    let mut script = Script::default();
    computer.register_as(&mut card(ERIKA), &mut script, &wish()).unwrap();
    assert_eq!(script.notices, [Notice::ClockSkew { seconds: 3 * 60 * 60 }]);
    let accepted = computer.apply(&new_address());
    approve(&computer, &accepted);
}

#[test]
fn the_openapi_document_names_every_endpoint() {
    let world = World::new();
    let openapi: serde_json::Value = world.remote().get("/openapi.json").unwrap();
    let mut paths: Vec<_> = openapi["paths"].as_object().unwrap().keys().cloned().collect();
    paths.sort();
    assert_eq!(
        paths,
        [
            "/.well-known/kartenbund-configuration",
            "/healthz",
            "/v1/applications",
            "/v1/applications/{id}",
            "/v1/approvals",
            "/v1/approvals/{id}",
            "/v1/approvals/{id}/decision",
            "/v1/devices",
            "/v1/devices/{id}",
            "/v1/evidence/{id}",
            "/v1/login",
            "/v1/logout",
            "/v1/registrations",
            "/v1/registrations/{id}",
            "/v1/registrations/{id}/challenge",
            "/v1/registrations/{id}/evidence",
        ]
    );
    assert_eq!(refusal(world.remote().get::<serde_json::Value>("/v1/nothing")), "not_found");
    assert_eq!(refusal(world.remote().get::<serde_json::Value>("/v1/login")), "method_not_allowed");
}
