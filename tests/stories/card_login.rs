//! Logging in with card and card PIN: an account opens without a letter, and a forgotten password is no obstacle.

use kartenbund::client::Surroundings;
use kartenbund::client::card_login::{CardLoginError, login_with_card};
use kartenbund::identity::kvnr::Kvnr;
use kartenbund::protocol::session::SessionMethod;
use kartenbund::virtual_card::personalise::{Keys, MUSTERKASSE_IK, TestCa};

use super::*;

const CAN: &str = "123123";

/// Logs in with a card on a computer of its own; `expected` is the account it must be of.
pub(crate) fn log_in_as(
    world: &World,
    folder: &str,
    expected: Option<&Kvnr>,
    card: impl CardChannel,
    script: &mut Script,
) -> Result<Computer, CardLoginError> {
    let home = Home::at(world.folder.path().join(folder));
    let clock = world.clock.clone();
    let now = move || clock.now();
    let mut around = Surroundings { ui: script, rng: &mut rng(), clock: &now };
    let service = world.remote();
    login_with_card(&home, &service, expected, card, ApduLength::Extended, &mut around)?;
    Ok(Computer { here: login::resume(home, world.clock.of_client()).unwrap(), clock: world.clock.clone() })
}

pub(super) fn log_in(world: &World, card: impl CardChannel, script: &mut Script) -> Result<Computer, CardLoginError> {
    log_in_as(world, "with-card", None, card, script)
}

fn refused(answer: Result<Computer, CardLoginError>) -> (String, Option<String>) {
    match answer {
        Err(CardLoginError::Login(LoginError::Service(ServiceError::Refused { code, detail, .. }))) => (code, detail),
        other => panic!("the service must refuse, but: {:?}", other.err()),
    }
}

#[test]
fn the_card_opens_an_account_without_any_letter() {
    let world = World::new();
    world.import_report(&register_of(&[ERIKA]));
    let mut card = card(ERIKA);
    let mut script = Script::default();
    let mut watched = Watched::new(&mut card);
    let computer = log_in(&world, &mut watched, &mut script).unwrap();
    assert_eq!(watched.verifies(), 1, "the PIN is shown to the card once");
    let signatures = watched.sent.iter().filter(|header| header[..2] == [0x00, 0x2A]).count();
    assert_eq!((signatures, &script.tries_told), (1, &vec![3]));
    assert_eq!(tries_left(&mut card), "63c3", "the PIN does not stay verified");
    assert!(computer.here.profile.kvnr == kvnr(ERIKA), "the card says whose account it is");
    assert_eq!(world.column("SELECT method FROM session"), [SessionMethod::Card.as_str()]);

    set_password(&computer, CHOSEN).unwrap();
    assert_eq!(world.column("SELECT state FROM account"), ["active"]);
    world.try_log_in(&world.folder.path().join("web"), ERIKA, CHOSEN).unwrap();
}

#[test]
fn a_session_by_card_may_do_what_any_session_may() {
    let world = World::new();
    world.import_report(&register_of(&[ERIKA]));
    let computer = log_in(&world, &mut card(ERIKA), &mut Script::default()).unwrap();
    computer.register(&mut card(ERIKA)).unwrap();
    approve(&computer, &computer.apply(&new_address()));
}

#[test]
fn a_forgotten_password_is_replaced_with_the_card() {
    let world = World::new();
    let before = world.member(ERIKA);
    world.log_in(ERIKA, &before);
    let computer = log_in(&world, &mut card(ERIKA), &mut Script::default()).unwrap();
    set_password(&computer, CHOSEN).unwrap();
    assert!(world.try_log_in(&world.folder.path().join("a"), ERIKA, &before).is_err());
    world.try_log_in(&world.folder.path().join("b"), ERIKA, CHOSEN).unwrap();
}

#[test]
fn the_card_is_not_delayed_by_what_others_try_with_passwords() {
    let world = World::new();
    world.member(ERIKA);
    for _ in 0..12 {
        assert!(world.try_log_in(&world.folder.path().join("stranger"), ERIKA, "wrong password").is_err());
    }
    log_in(&world, &mut card(ERIKA), &mut Script::default()).unwrap();
}

#[test]
fn ten_logins_by_card_in_a_day_are_enough_for_one_and_not_counted_for_another() {
    let world = World::new();
    world.import_report(&register_of(&[ERIKA, MAX]));
    for _ in 0..10 {
        log_in(&world, &mut card(ERIKA), &mut Script::default()).unwrap();
    }
    let eleventh = log_in(&world, &mut card(ERIKA), &mut Script::default());
    assert_eq!(refused(eleventh), ("too_many_card_logins".to_owned(), None));
    log_in_as(&world, "max", None, &mut card(MAX), &mut Script::default()).unwrap();
    world.clock.advance(24 * 60 * 60);
    log_in(&world, &mut card(ERIKA), &mut Script::default()).unwrap();
}

#[test]
fn whoever_is_in_no_register_is_told_so() {
    let world = World::new();
    world.import_report(&register_of(&[ERIKA]));
    let answer = log_in(&world, &mut card(MAX), &mut Script::default());
    assert_eq!(refused(answer), ("account_unknown".to_owned(), None));
}

#[test]
fn a_wrong_pin_is_told_with_the_tries_left_and_never_sent_twice() {
    let world = World::new();
    world.import_report(&register_of(&[ERIKA]));
    let mut card = card(ERIKA);
    let mut script = Script::typing(&[WRONG_PIN, WRONG_PIN, CARD_PIN]);
    let mut watched = Watched::new(&mut card);
    log_in(&world, &mut watched, &mut script).unwrap();
    assert_eq!(watched.verifies(), 2, "the wrong one once, the right one once");
    assert_eq!(script.notices, [Notice::WrongCardPin { tries_left: 2 }, Notice::SameWrongPin]);
}

#[test]
fn the_last_try_is_not_spent_without_consent() {
    let world = World::new();
    world.import_report(&register_of(&[ERIKA]));
    let mut card = card(ERIKA);
    let wrong = [0x00, 0x20, 0x00, 0x02, 0x08, 0x26, 0x65, 0x43, 0x21, 0xFF, 0xFF, 0xFF, 0xFF];
    card.execute(&wrong);
    card.execute(&wrong);
    let mut script = Script::default();
    let mut watched = Watched::new(&mut card);
    let refused = log_in(&world, &mut watched, &mut script);
    assert!(matches!(refused, Err(CardLoginError::Pin(PinRefusal::LastTry))));
    assert_eq!((watched.verifies(), script.asked_for_last_try), (0, 1));
    let mut script = Script { may_spend_last_try: true, ..Script::default() };
    log_in(&world, &mut card, &mut script).unwrap();
    assert_eq!(tries_left(&mut card), "63c3");
}

#[test]
fn a_card_on_a_reader_without_contacts_logs_in() {
    let world = World::new();
    world.import_report(&register_of(&[ERIKA]));
    let mut card = VirtualCard::load_contactless(&image_by(&ca(), &blueprint(ERIKA)), &mut rng()).unwrap();
    let mut script = Script { cans: [CAN].into(), ..Script::default() };
    log_in(&world, &mut card, &mut script).unwrap();
    assert!(script.steps.contains(&Step::OpenContactless));
}

#[test]
fn an_old_card_with_rsa_keys_logs_in() {
    let (ca, rsa_ca) = (ca(), TestCa::built_in_rsa().unwrap());
    let world = World::with(Box::new(anchors_of(&[&ca, &rsa_ca])), &[MUSTERKASSE_IK]);
    world.import_report(&register_of(&[ERIKA]));
    let old = Blueprint { keys: Keys::R2048, ..blueprint(ERIKA) };
    log_in(&world, &mut card_by(&rsa_ca, &old), &mut Script::default()).unwrap();
}

#[test]
fn a_card_that_is_reset_by_another_program_begins_again_with_the_same_account() {
    let world = World::new();
    world.import_report(&register_of(&[ERIKA]));
    let mut card = card(ERIKA);
    let mut script = Script::typing(&[CARD_PIN, CARD_PIN]);
    let mut disturbed = Disturbed { card: &mut card, commands: 0, resets_at: 5 };
    log_in(&world, &mut disturbed, &mut script).unwrap();
    assert_eq!(script.notices, [Notice::CardWasReset]);
}

/// A card that another program resets once.
struct Disturbed<'a> {
    card: &'a mut VirtualCard,
    commands: usize,
    resets_at: usize,
}

impl CardChannel for Disturbed<'_> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        self.commands += 1;
        if self.commands == self.resets_at {
            self.card.reset();
            return Err(ChannelError::Reset);
        }
        self.card.transmit(command)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        CardChannel::reset(self.card)
    }
}

#[test]
fn another_persons_card_is_refused_before_any_pin() {
    let world = World::new();
    world.import_report(&register_of(&[ERIKA, MAX]));
    let mut script = Script::default();
    let answer = log_in_as(&world, "max", Some(&kvnr(MAX)), &mut card(ERIKA), &mut script);
    assert!(matches!(answer, Err(CardLoginError::Certificate(CardRefusal::OtherPerson))));
    assert!(script.tries_told.is_empty());
}

#[test]
fn a_computer_registered_for_another_person_is_not_logged_in_with_this_card() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    world.import_report(&register_of(&[MAX]));
    let mut script = Script::default();
    let folder = format!("computer-{ERIKA}");
    let answer = log_in_as(&world, &folder, None, &mut card(MAX), &mut script);
    assert!(matches!(answer, Err(CardLoginError::Login(LoginError::OtherAccount))));
    assert!(script.tries_told.is_empty(), "she was not asked for a PIN");
    assert!(computer.here.home.profile().unwrap().kvnr == kvnr(ERIKA));
}

#[test]
fn a_service_with_another_key_gets_no_signature() {
    let world = World::new();
    world.import_report(&register_of(&[ERIKA]));
    let computer = log_in(&world, &mut card(ERIKA), &mut Script::default()).unwrap();
    let mut profile = computer.here.home.profile().unwrap();
    profile.service_keys = World::new().remote().configuration().unwrap().service_keys;
    computer.here.home.keep_profile(&profile).unwrap();
    let mut card = card(ERIKA);
    let mut watched = Watched::new(&mut card);
    let answer = log_in(&world, &mut watched, &mut Script::default());
    assert!(matches!(answer, Err(CardLoginError::Login(LoginError::Service(ServiceError::KeyChanged)))));
    assert_eq!(watched.verifies(), 0);
}

#[test]
fn an_account_that_the_card_has_opened_can_be_suspended() {
    let world = World::new();
    world.import_report(&register_of(&[ERIKA]));
    log_in(&world, &mut card(ERIKA), &mut Script::default()).unwrap();
    assert_eq!(world.state_of(ERIKA), "active");
    world.suspend(ERIKA).unwrap();
    let answer = log_in(&world, &mut card(ERIKA), &mut Script::default());
    assert_eq!(refused(answer).0, "account_suspended");
}
