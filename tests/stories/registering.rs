//! Registering a computer with the card.

use super::*;

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
    let status = hex::encode(card.execute(&[0x80, 0x20, 0x00, 0x02]));
    assert_eq!(status, "63c3", "the PIN does not stay verified: 9000 would say so");

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
fn a_pin_that_was_wrong_before_the_last_one_is_not_sent_again_either() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let typed = [WRONG_PIN, "222222", WRONG_PIN, "222222", CARD_PIN];
    let mut script = Script { may_spend_last_try: true, ..Script::typing(&typed) };
    let mut watched = Watched::new(&mut card);
    computer.register_as(&mut watched, &mut script, &wish()).unwrap();
    assert_eq!(watched.verifies(), 3, "each wrong one once, the right one once");
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
    assert_eq!(card.execute(&right), [0x90, 0x00]);
    let mut script = Script::default();
    computer.register_as(&mut card, &mut script, &wish()).unwrap();
    assert_eq!(script.tries_told, [3], "she is asked for it all the same");
}

/// A card, or a reader, whose reset does something else.
struct Stubborn<'a> {
    card: &'a mut VirtualCard,
    reset: fn() -> Result<(), ChannelError>,
    verifies: usize,
}

impl CardChannel for &mut Stubborn<'_> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        self.verifies += usize::from(command.header()[..2] == [0x00, 0x20]);
        self.card.transmit(command)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        (self.reset)()
    }
}

#[test]
fn a_card_that_does_not_forget_its_pin_is_not_used() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    card.execute(&[0x00, 0x20, 0x00, 0x02, 0x08, 0x26, 0x12, 0x34, 0x56, 0xFF, 0xFF, 0xFF, 0xFF]);
    let mut stubborn = Stubborn { card: &mut card, reset: || Ok(()), verifies: 0 };
    let refused = computer.register(&mut stubborn);
    assert!(matches!(refused, Err(RegisterError::Pin(PinRefusal::StillVerified))));
    assert_eq!(stubborn.verifies, 0);
}

#[test]
fn a_reader_that_cannot_reset_the_card_registers_nothing() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let mut stubborn = Stubborn { card: &mut card, reset: || Err(ChannelError::Interrupted(None)), verifies: 0 };
    let refused = computer.register(&mut stubborn);
    assert!(matches!(refused, Err(RegisterError::Card(EgkError::Channel(ChannelError::Interrupted(_))))));
    assert!(computer.devices().is_empty());
    assert!(computer.here.home.pending_device().unwrap().is_none());
}

#[test]
fn a_registration_that_was_only_opened_is_begun_anew() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    world.sql("UPDATE registration SET state = 'open', device_id = NULL").unwrap();
    let home = &computer.here.home;
    let registration_id = world.column("SELECT registration_id FROM registration")[0].parse().unwrap();
    let mut file = home.device().unwrap();
    file.binding = Binding::Pending { registration_id, pop: String::new(), sent_at: world.clock.now() };
    home.forget_device().unwrap();
    home.keep_pending_device(&file).unwrap();
    let mut script = Script::default();
    computer.register_as(&mut card(ERIKA), &mut script, &wish()).unwrap();
    assert_eq!(script.notices, []);
}

#[test]
fn a_computer_whose_device_was_removed_elsewhere_is_registered_anew_without_a_warning() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let device = computer.devices().remove(0);
    computer.by_card().remove(device.device_id).unwrap();
    let mut script = Script::default();
    let replace = Wish { replace: true, ..wish() };
    computer.register_as(&mut card(ERIKA), &mut script, &replace).unwrap();
    assert_eq!(script.notices, [], "there is nothing left to remove");
}

#[test]
fn a_registered_computer_stays_with_its_person_and_service() {
    let (world, other) = (World::new(), World::new());
    let (erika, max) = (world.member(ERIKA), world.member(MAX));
    let elsewhere = other.member(ERIKA);
    let folder = world.folder.path().join("computer");
    assert!(world.try_log_in(&folder, MAX, &max).is_ok());
    assert!(other.try_log_in(&folder, ERIKA, &elsewhere).is_ok(), "as long as it is not registered it is anyone's");
    let computer = world.try_log_in(&folder, ERIKA, &erika).unwrap();
    computer.register(&mut card(ERIKA)).unwrap();

    let home = &computer.here.home;
    let stays = || {
        assert!(matches!(world.try_log_in(&folder, MAX, &max), Err(LoginError::OtherAccount)));
        assert!(matches!(other.try_log_in(&folder, ERIKA, &elsewhere), Err(LoginError::OtherAccount)));
        assert!(world.try_log_in(&folder, ERIKA, &erika).is_ok());
    };
    stays();
    let file = home.device().unwrap();
    home.forget_device().unwrap();
    home.keep_pending_device(&file).unwrap();
    stays();
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
    let Binding::Active { device_id, .. } = file.binding else { panic!("it is bound") };
    let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{device_id}")).unwrap();
    file.binding =
        Binding::Pending { registration_id, pop: bundle.devices[0].binding.pop.clone(), sent_at: world.clock.now() };
    home.forget_device().unwrap();
    home.keep_pending_device(&file).unwrap();

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
    file.binding = Binding::Pending { registration_id: [7; 16].into(), pop: String::new(), sent_at: world.clock.now() };
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
    let replace = Wish { replace: true, ..wish() };
    let mut script = Script { device_pin: "141421", ..Script::default() };
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
    let expired = Blueprint { validity, ..blueprint(ERIKA) };
    let mut expired = card_by(&ca(), &expired);
    let refused = computer.register(&mut expired);
    assert!(matches!(refused, Err(RegisterError::Certificate(CardRefusal::Expired))));
    assert_eq!(tries_left(&mut expired), "63c3");
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
    let mut watched = Watched::new(&mut card);
    let Err(RegisterError::Service(error)) = sixth.register(&mut watched) else { panic!("five are the limit") };
    assert!(error.is_refused_with("too_many_devices"));
    assert_eq!(watched.verifies(), 0, "it is said before the card sees its PIN");
    assert!(sixth.here.home.pending_device().unwrap().is_none());
    let max = world.log_in(MAX, &world.member(MAX));
    max.register(&mut crate::card(MAX)).unwrap();
    let sixth = sixth.by_card();
    sixth.remove(sixth.devices().remove(0).device_id).unwrap();
    sixth.register(&mut card).unwrap();
    for device in sixth.devices() {
        sixth.remove(device.device_id).unwrap();
        assert_eq!(refusal(sixth.remove(device.device_id)), "not_found", "it is gone for good");
    }
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
    let here = login::resume(Home::at(computer.here.home.folder().to_owned()), slow.of_client()).unwrap();
    let computer = Computer { here, clock: slow };
    let mut script = Script::default();
    computer.register_as(&mut card(ERIKA), &mut script, &wish()).unwrap();
    assert_eq!(script.notices, [Notice::ClockSkew { seconds: 3 * 60 * 60 }]);
    let accepted = computer.apply(&new_address());
    approve(&computer, &accepted);
}

#[test]
fn a_lost_answer_with_a_receipt_for_something_else_is_not_believed() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let home = &computer.here.home;
    let registration_id = world.column("SELECT registration_id FROM registration")[0].parse().unwrap();
    let mut file = home.device().unwrap();
    file.binding = Binding::Pending { registration_id, pop: "another proof".to_owned(), sent_at: world.clock.now() };
    home.forget_device().unwrap();
    home.keep_pending_device(&file).unwrap();
    let refused = computer.register(&mut card(ERIKA));
    assert!(matches!(refused, Err(RegisterError::Service(ServiceError::Contradiction("receipt")))));
    assert!(matches!(home.device(), Err(HomeError::NoDevice)));
}

/// The card has taken the PIN, but that was lost on the line: the card is reset all the same.
#[test]
fn a_pin_whose_answer_was_lost_does_not_stay_verified() {
    struct Deaf<'a>(&'a mut VirtualCard, bool);
    impl CardChannel for Deaf<'_> {
        fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
            let answer = self.0.transmit(command)?;
            match command.header() {
                [0x00, 0x20, ..] => Err(ChannelError::Interrupted(None)),
                _ => Ok(answer),
            }
        }
        fn reset(&mut self) -> Result<(), ChannelError> {
            self.1 = true;
            CardChannel::reset(self.0)
        }
    }
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let mut deaf = Deaf(&mut card, false);
    assert!(computer.register(&mut deaf).is_err());
    assert!(deaf.1, "the card was reset");
    assert_eq!(hex::encode(card.execute(&[0x80, 0x20, 0x00, 0x02])), "63c3");
}
