//! The PIN of the card: asked for, changed, unblocked; with contacts and without.

use kartenbund::client::card_pin::{self, PinError, UnblockError, Unblocked};
use kartenbund::client::{AskError, Surroundings};
use kartenbund::egk::{Egk, PinStatus};
use kartenbund::secret::DigitsError;

use super::*;

const PUK: &str = "12345678";
const NEW_PIN: &str = "24680246";

/// A person with a card, and no account.
fn with<T>(script: &mut Script, work: impl FnOnce(&mut Surroundings<'_>) -> T) -> T {
    work(&mut Surroundings { ui: script, rng: &mut rng(), clock: &|| 0 })
}

fn change(card: impl CardChannel, script: &mut Script) -> Result<(), PinError> {
    with(script, |around| card_pin::change(card, ApduLength::Extended, around))
}

fn unblock(card: impl CardChannel, keeps_pin: bool, script: &mut Script) -> Result<Unblocked, UnblockError> {
    with(script, |around| card_pin::unblock(card, ApduLength::Extended, keeps_pin, around))
}

fn numbers(numbers: &[&'static str]) -> Script {
    Script { card_numbers: numbers.iter().copied().collect(), ..Script::default() }
}

/// What the card says to a PIN that is shown to it.
fn verify(card: &mut VirtualCard, block: [u8; 8]) -> String {
    hex::encode(card.execute(&[&[0x00, 0x20, 0x00, 0x02, 8], &block[..]].concat()))
}

const OLD_BLOCK: [u8; 8] = [0x26, 0x12, 0x34, 0x56, 0xFF, 0xFF, 0xFF, 0xFF];
const NEW_BLOCK: [u8; 8] = [0x28, 0x24, 0x68, 0x02, 0x46, 0xFF, 0xFF, 0xFF];
const WRONG_BLOCK: [u8; 8] = [0x26, 0x65, 0x43, 0x21, 0xFF, 0xFF, 0xFF, 0xFF];

fn in_state(transport: &str, block: &str) -> VirtualCard {
    let image = image_by(&ca(), &blueprint(ERIKA));
    let image = image.replace("regularPassword", transport).replace("26123456FFFFFFFF", block);
    VirtualCard::load(&image).unwrap()
}

#[test]
fn the_state_of_the_pin_is_told_without_spending_a_try() {
    let status = |card: &mut VirtualCard| {
        let mut script = Script { cans: ["123123"].into(), ..Script::default() };
        let mut watched = Watched::new(card);
        let status = with(&mut script, |around| card_pin::status(&mut watched, ApduLength::Extended, around)).unwrap();
        assert_eq!(watched.verifies(), 0);
        status
    };
    assert!(matches!(status(&mut card(ERIKA)), PinStatus::Usable(tries) if tries.left() == 3));
    let mut lying = VirtualCard::load_contactless(&image_by(&ca(), &blueprint(ERIKA)), &mut rng()).unwrap();
    assert!(matches!(status(&mut lying), PinStatus::Usable(tries) if tries.left() == 3));
    let mut blocked = card(ERIKA);
    (0..3).for_each(|_| drop(verify(&mut blocked, WRONG_BLOCK)));
    assert_eq!(status(&mut blocked), PinStatus::Blocked);
    let mut verified = card(ERIKA);
    verify(&mut verified, OLD_BLOCK);
    assert_eq!(status(&mut verified), PinStatus::AlreadyVerified);
    assert_eq!(status(&mut in_state("transportPIN", "2554321FFFFFFFFF")), PinStatus::TransportPin);
    assert_eq!(status(&mut in_state("leerPIN", "20FFFFFFFFFFFFFF")), PinStatus::EmptyPin);
}

#[test]
fn a_person_changes_her_pin() {
    let image = image_by(&ca(), &blueprint(ERIKA));
    for contactless in [false, true] {
        let mut card = match contactless {
            true => VirtualCard::load_contactless(&image, &mut rng()).unwrap(),
            false => VirtualCard::load(&image).unwrap(),
        };
        let mut script = Script { cans: ["123123"].into(), ..numbers(&[NEW_PIN]) };
        change(&mut card, &mut script).unwrap();
        assert_eq!(script.tries_told, [3]);
        if !contactless {
            assert_eq!(tries_left(&mut card), "63c3", "no try is missing");
            assert_eq!(verify(&mut card, OLD_BLOCK), "63c2");
            assert_eq!(verify(&mut card, NEW_BLOCK), "9000");
        }
        let mut script = Script { cans: ["123123"].into(), ..Script::typing(&[NEW_PIN]) };
        script.card_numbers = [CARD_PIN].into();
        change(&mut card, &mut script).unwrap();
    }
}

#[test]
fn a_wrong_old_pin_costs_one_try_which_is_told() {
    let mut card = card(ERIKA);
    let mut script = Script { card_numbers: [NEW_PIN].into(), ..Script::typing(&[WRONG_PIN]) };
    let refused = change(&mut card, &mut script);
    assert!(matches!(refused, Err(PinError::Refused(PinRefusal::Wrong { tries_left: 2 }))), "{refused:?}");
    assert_eq!(tries_left(&mut card), "63c2");
    assert_eq!(verify(&mut card, OLD_BLOCK), "9000", "the old one is still the one");
}

#[test]
fn what_cannot_be_a_pin_is_never_sent() {
    for bad in ["12345", "123456789", "12345a"] {
        let mut card = card(ERIKA);
        let mut watched = Watched::new(&mut card);
        let refused = change(&mut watched, &mut numbers(&[bad]));
        assert!(matches!(refused, Err(PinError::Ask(AskError::Digits(_)))), "{bad}: {refused:?}");
        assert!(watched.sent.iter().all(|header| header[1] != 0x24), "{bad}");
        let refused = unblock(&mut watched, false, &mut numbers(&[PUK, bad]));
        assert!(matches!(refused, Err(UnblockError::Pin(PinError::Ask(AskError::Digits(_))))), "{bad}: {refused:?}");
        let refused = unblock(&mut watched, false, &mut numbers(&["1234567"]));
        let length = DigitsError::Length { min: 8, max: 8 };
        assert!(matches!(refused, Err(UnblockError::Pin(PinError::Ask(AskError::Digits(error)))) if error == length));
        assert!(watched.sent.iter().all(|header| header[1] != 0x2C), "{bad}");
    }
}

#[test]
fn the_last_try_of_the_old_pin_is_not_spent_without_consent() {
    let mut card = card(ERIKA);
    (0..2).for_each(|_| drop(verify(&mut card, WRONG_BLOCK)));
    let mut script = numbers(&[NEW_PIN]);
    let refused = change(&mut card, &mut script);
    assert!(matches!(refused, Err(PinError::Refused(PinRefusal::LastTry))), "{refused:?}");
    assert_eq!((script.asked_for_last_try, tries_left(&mut card).as_str()), (1, "63c1"));
    let mut script = Script { may_spend_last_try: true, ..numbers(&[NEW_PIN]) };
    change(&mut card, &mut script).unwrap();
    assert_eq!(tries_left(&mut card), "63c3");
}

#[test]
fn the_transport_pin_is_replaced_by_her_own() {
    let transport = || in_state("transportPIN", "2554321FFFFFFFFF");
    let refused = change(&mut transport(), &mut numbers(&["54321", NEW_PIN]));
    assert!(
        matches!(refused, Err(PinError::Refused(PinRefusal::MaybeLastTry))),
        "how many tries are left is unknown, so it may be the last: {refused:?}"
    );

    let mut card = transport();
    let mut script = Script { may_spend_last_try: true, ..numbers(&["54321", NEW_PIN]) };
    change(&mut card, &mut script).unwrap();
    assert_eq!(tries_left(&mut card), "63c3", "it is a PIN like any other now");
    assert_eq!(verify(&mut card, NEW_BLOCK), "9000");

    let mut card = transport();
    let mut script = Script { may_spend_last_try: true, ..numbers(&["12345", NEW_PIN]) };
    let refused = change(&mut card, &mut script);
    assert!(matches!(refused, Err(PinError::Refused(PinRefusal::Wrong { tries_left: 2 }))), "{refused:?}");

    // The eGK's rules allow no first PIN without an old one; a card that does would take it.
    let refused = change(in_state("leerPIN", "20FFFFFFFFFFFFFF"), &mut numbers(&[NEW_PIN]));
    assert!(matches!(refused, Err(PinError::Refused(PinRefusal::TakesNoPin))), "{refused:?}");
}

#[test]
fn a_blocked_pin_is_unblocked_with_the_puk_and_a_new_pin() {
    let mut card = card(ERIKA);
    (0..3).for_each(|_| drop(verify(&mut card, WRONG_BLOCK)));
    let refused = change(&mut card, &mut numbers(&[NEW_PIN]));
    assert!(matches!(refused, Err(PinError::Refused(PinRefusal::Blocked))), "{refused:?}");
    assert_eq!(unblock(&mut card, false, &mut numbers(&[PUK, NEW_PIN])).unwrap(), Unblocked::Done);
    assert_eq!(tries_left(&mut card), "63c3", "all its tries again");
    assert_eq!(verify(&mut card, NEW_BLOCK), "9000");

    (0..3).for_each(|_| drop(verify(&mut card, WRONG_BLOCK)));
    assert_eq!(unblock(&mut card, true, &mut numbers(&[PUK])).unwrap(), Unblocked::Done);
    assert_eq!(verify(&mut card, NEW_BLOCK), "9000", "the same PIN as before");
}

#[test]
fn a_puk_is_told_its_own_counter_until_it_is_used_up() {
    let mut card = card(ERIKA);
    (0..3).for_each(|_| drop(verify(&mut card, WRONG_BLOCK)));
    assert_eq!(unblock(&mut card, true, &mut numbers(&[PUK])).unwrap(), Unblocked::Done);
    verify(&mut card, WRONG_BLOCK);
    for left in (1..9).rev() {
        let refused = unblock(&mut card, true, &mut numbers(&["87654321"]));
        assert!(matches!(refused, Err(UnblockError::WrongPuk { uses_left }) if uses_left == left), "{refused:?}");
    }
    for puk in ["87654321", PUK] {
        let refused = unblock(&mut card, true, &mut numbers(&[puk]));
        assert!(matches!(refused, Err(UnblockError::PukUsedUp)), "{refused:?}");
    }
    let mut egk = Egk::open(&mut card, ApduLength::Extended).unwrap();
    assert!(matches!(egk.pin_status().unwrap(), PinStatus::Usable(_)), "the PIN itself is as it was");
}

/// Ten uses are all there are, so none is spent on a PIN that is to stay and has all its tries.
#[test]
fn a_puk_is_not_asked_for_where_there_is_nothing_to_unblock() {
    let mut card = card(ERIKA);
    let mut watched = Watched::new(&mut card);
    assert_eq!(unblock(&mut watched, true, &mut numbers(&[])).unwrap(), Unblocked::NotNeeded);
    assert!(watched.sent.iter().all(|header| header[1] != 0x2C));
    verify(&mut card, WRONG_BLOCK);
    assert_eq!(unblock(&mut card, true, &mut numbers(&[PUK])).unwrap(), Unblocked::Done, "one try was gone");
    assert_eq!(tries_left(&mut card), "63c3");
    let forgotten = unblock(&mut card, false, &mut numbers(&[PUK, NEW_PIN])).unwrap();
    assert_eq!(forgotten, Unblocked::Done, "who has forgotten the PIN need not spend its tries first");
    // A PIN somebody else has verified has all its tries as well.
    assert_eq!(verify(&mut card, NEW_BLOCK), "9000");
    assert_eq!(unblock(&mut card, true, &mut numbers(&[])).unwrap(), Unblocked::NotNeeded);
    assert_eq!(tries_left(&mut card), "63c3");
}

#[test]
fn only_the_pin_that_opens_the_signature_key_is_ever_meant() {
    let mut card = card(ERIKA);
    let mut watched = Watched::new(&mut card);
    change(&mut watched, &mut numbers(&[NEW_PIN])).unwrap();
    assert_eq!(unblock(&mut watched, false, &mut numbers(&[PUK, CARD_PIN])).unwrap(), Unblocked::Done);
    let references: Vec<_> = watched.sent.iter().filter(|header| matches!(header[1], 0x20 | 0x24 | 0x2C)).collect();
    assert_eq!(references.len(), 4);
    assert!(references.iter().all(|header| header[3] == 0x02), "{references:02x?}");
}

/// It has taken the new PIN, and without power it knows of no verified one.
#[test]
fn a_card_that_is_gone_once_its_pin_is_changed_has_done_its_part() {
    struct Gone<'a>(&'a mut VirtualCard);
    impl CardChannel for Gone<'_> {
        fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
            self.0.transmit(command)
        }
        fn reset(&mut self) -> Result<(), ChannelError> {
            CardChannel::reset(self.0)?;
            Err(ChannelError::Removed)
        }
    }
    let mut card = card(ERIKA);
    change(Gone(&mut card), &mut numbers(&[NEW_PIN])).unwrap();
    assert_eq!(verify(&mut card, NEW_BLOCK), "9000");
    card.reset();
    assert_eq!(unblock(Gone(&mut card), false, &mut numbers(&[PUK, CARD_PIN])).unwrap(), Unblocked::Done);
    assert_eq!(verify(&mut card, OLD_BLOCK), "9000");
    let refused =
        change(Gone(&mut card), &mut Script { card_numbers: [NEW_PIN].into(), ..Script::typing(&[WRONG_PIN]) });
    assert!(refused.is_err(), "{refused:?}");
}

/// The new PIN is in force, whatever becomes of the reset: a person who heard otherwise would spend tries on the old one.
#[test]
fn a_card_that_cannot_be_reset_once_its_pin_is_changed_has_done_its_part() {
    struct Stuck<'a>(&'a mut VirtualCard, Option<ChannelError>);
    impl CardChannel for Stuck<'_> {
        fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
            self.0.transmit(command)
        }
        fn reset(&mut self) -> Result<(), ChannelError> {
            CardChannel::reset(self.0)?;
            self.1.take().map_or(Ok(()), Err)
        }
    }
    for error in [
        || ChannelError::NoService,
        || ChannelError::NoReader { wanted: None },
        || ChannelError::InUse,
        || ChannelError::Timeout,
        || ChannelError::Interrupted(None),
    ] {
        let mut card = card(ERIKA);
        let mut script = numbers(&[NEW_PIN]);
        change(Stuck(&mut card, Some(error())), &mut script).unwrap();
        assert_eq!(script.notices, [Notice::CardNotReset]);
        let mut script = numbers(&[PUK, CARD_PIN]);
        assert_eq!(unblock(Stuck(&mut card, Some(error())), false, &mut script).unwrap(), Unblocked::Done);
        assert_eq!(script.notices, [Notice::CardNotReset]);
    }
}

/// Nobody knows then whether the card has changed its PIN, and nobody says that nothing has happened.
#[test]
fn an_answer_that_is_lost_leaves_open_what_the_card_has_done() {
    struct Deaf<'a>(&'a mut VirtualCard);
    impl CardChannel for Deaf<'_> {
        fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
            let answer = self.0.transmit(command)?;
            if matches!(command.header()[1], 0x24 | 0x2C) { Err(ChannelError::Removed) } else { Ok(answer) }
        }
        fn reset(&mut self) -> Result<(), ChannelError> {
            CardChannel::reset(self.0)
        }
    }
    let mut card = card(ERIKA);
    let refused = change(Deaf(&mut card), &mut numbers(&[NEW_PIN]));
    assert!(matches!(refused, Err(PinError::Unanswered(ChannelError::Removed))), "{refused:?}");
    assert_eq!(verify(&mut card, NEW_BLOCK), "9000");
    let refused = unblock(Deaf(&mut card), false, &mut numbers(&[PUK, CARD_PIN]));
    assert!(matches!(refused, Err(UnblockError::Pin(PinError::Unanswered(ChannelError::Removed)))), "{refused:?}");
    assert_eq!(verify(&mut card, OLD_BLOCK), "9000");
    let empty = unblock(in_state("leerPIN", "20FFFFFFFFFFFFFF"), true, &mut numbers(&[PUK]));
    assert!(matches!(empty, Err(UnblockError::Pin(PinError::Refused(PinRefusal::NoPin)))), "{empty:?}");
}

/// What a card keeps verified after these commands, no card has told: it is reset, whatever came of them.
#[test]
fn the_card_is_reset_whatever_came_of_it() {
    struct Counted<'a>(&'a mut VirtualCard, usize);
    impl CardChannel for Counted<'_> {
        fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
            self.0.transmit(command)
        }
        fn reset(&mut self) -> Result<(), ChannelError> {
            self.1 += 1;
            CardChannel::reset(self.0)
        }
    }
    let mut card = card(ERIKA);
    for (old, succeeds) in [(WRONG_PIN, false), (CARD_PIN, true)] {
        let mut counted = Counted(&mut card, 0);
        let mut script = Script { card_numbers: [NEW_PIN].into(), ..Script::typing(&[old]) };
        assert_eq!((change(&mut counted, &mut script).is_ok(), counted.1), (succeeds, 1), "{old}");
    }
    verify(&mut card, WRONG_BLOCK);
    for (puk, succeeds) in [("87654321", false), (PUK, true)] {
        let mut counted = Counted(&mut card, 0);
        let unblocked = unblock(&mut counted, true, &mut numbers(&[puk]));
        assert_eq!((unblocked.is_ok(), counted.1), (succeeds, 1), "{puk}");
    }
}
