//! A card that is pulled at any step, and one whose PIN cannot be used.

use kartenbund::client::card_pin::{self, PinError};
use kartenbund::egk::Egk;
use kartenbund::ui::failure::{Failure, Kind};
use kartenbund::virtual_card::scenario::{Scenario, Staged};

use super::scenarios::*;
use super::*;

/// Counts the times a PIN is sent.
struct Counting<'a>(&'a mut Staged, usize);

impl CardChannel for Counting<'_> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        let [cla, ins, ..] = command.header();
        // VERIFY and CHANGE REFERENCE DATA, plain or secured (gemSpec_COS, 14.6)
        self.1 += usize::from(cla & 0xF3 == 0 && matches!(ins, 0x20 | 0x24));
        self.0.transmit(command)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        self.0.reset()
    }

    fn atr(&self) -> &[u8] {
        self.0.atr()
    }
}

pub(crate) fn loaded(contactless: bool) -> VirtualCard {
    let image = image_by(&ca(), &blueprint(ERIKA));
    match contactless {
        true => VirtualCard::load_contactless(&image, &mut rng()).unwrap(),
        false => VirtualCard::load(&image).unwrap(),
    }
}

/// A person with the card's numbers; `pin` is the one that is in force.
fn person() -> Script {
    Script { cans: ["123123"].into(), card_numbers: ["135790"].into(), ..Script::default() }
}

/// Does `flow` with a card that is pulled after every number of commands (`pull_after`), or before the answer to every
/// command is out (`lose_answer`), until it comes to its end. `ended` sees each failure with the card that is left.
fn pulled_everywhere(
    mut flow: impl FnMut(&mut Counting<'_>) -> Result<(), Failure>,
    mut ended: impl FnMut(Option<Failure>, usize, VirtualCard, &str),
) {
    for (key, first) in [("pull_after", 0), ("lose_answer", 1)] {
        for contactless in [false, true] {
            let mut number = first;
            loop {
                let what = format!("{key} = {number}");
                let scenario = Scenario::parse(&format!("[reader]\n{what}\n")).unwrap();
                let mut staged = scenario.play(loaded(contactless), &mut rng()).unwrap();
                let mut counting = Counting(&mut staged, 0);
                let failure = flow(&mut counting).err();
                let pins = counting.1;
                let is_done = failure.is_none();
                ended(failure, pins, staged.into_parts().unwrap().0, &what);
                if is_done {
                    break;
                }
                number += 1;
                assert!(number < 40, "it never ends");
            }
            assert!(number >= 4, "{key}: it was pulled {number} times");
        }
    }
}

/// What the card says of its PIN, reached again.
fn pin_again(card: VirtualCard) -> (String, VirtualCard) {
    let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
    if egk.pin_status().is_err() {
        egk.open_contactless(&Can::parse(&typed("123123")).unwrap(), &mut rng()).unwrap();
    }
    let status = format!("{:?}", egk.pin_status().unwrap());
    (status, egk.into_channel())
}

fn is_told_as_removed(failure: &Failure, what: &str) {
    assert_eq!(failure.kind, Kind::CardRemoved, "{what}: {failure:?}");
}

#[test]
fn a_card_pulled_at_any_step_of_reading_is_told_as_such() {
    pulled_everywhere(
        |channel| {
            let mut egk = Egk::open(channel, ApduLength::Extended)?;
            match egk.read_files() {
                Err(EgkError::Contactless) => {
                    egk.open_contactless(&Can::parse(&typed("123123")).unwrap(), &mut rng())?;
                    egk.read_files().map(drop)?;
                }
                files => files.map(drop)?,
            }
            Ok(())
        },
        |failure, pins, card, what| {
            failure.iter().for_each(|failure| is_told_as_removed(failure, what));
            assert_eq!(pins, 0);
            assert_eq!(pin_again(card).0, "Usable(Tries(3))");
        },
    );
}

#[test]
fn a_card_pulled_at_any_step_of_registering_leaves_nothing_half_done() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let replace = Wish { replace: true, ..wish() };
    let before = std::cell::RefCell::new(Vec::new());
    pulled_everywhere(
        |channel| {
            world.sql("DELETE FROM registration WHERE state = 'open'").unwrap(); // ten a day are allowed
            *before.borrow_mut() = computer.devices().into_iter().map(|device| device.device_id).collect();
            Ok(computer.register_as(channel, &mut person(), &replace).map(drop)?)
        },
        |failure, pins, card, what| {
            assert!(pins <= 1, "{what}: one PIN was typed");
            assert_eq!(pin_again(card).0, "Usable(Tries(3))", "{what}: the PIN was right");
            let Some(failure) = failure else { return };
            is_told_as_removed(&failure, what);
            let after: Vec<_> = computer.devices().into_iter().map(|device| device.device_id).collect();
            assert_eq!(after, *before.borrow(), "{what}: half bound");
            assert!(computer.here.home.pending_device().unwrap().is_none(), "{what}");
        },
    );
}

/// Once the new PIN was sent, nobody but the card knows whether it has taken it; and it is sent once.
#[test]
fn a_card_pulled_at_any_step_of_changing_its_pin_has_the_old_one_or_the_new_one() {
    let change = |channel: &mut Counting<'_>| -> Result<(), PinError> {
        let mut person = person();
        card_pin::change(
            channel,
            ApduLength::Extended,
            &mut kartenbund::client::Surroundings { ui: &mut person, rng: &mut rng(), clock: &|| 0 },
        )
    };
    let mut unanswered = Vec::new();
    pulled_everywhere(
        |channel| Ok(change(channel)?),
        |failure, pins, card, what| {
            let (status, card) = pin_again(card);
            assert_eq!(status, "Usable(Tries(3))", "{what}");
            assert!(pins <= 1, "{what}");
            let is_taken = match failure {
                Some(failure) if pins == 0 => {
                    is_told_as_removed(&failure, what);
                    false
                }
                Some(failure) => {
                    assert_eq!(failure.kind, Kind::PinUnanswered, "{what}");
                    unanswered.push(what.to_owned());
                    what.starts_with("lose_answer")
                }
                None => true,
            };
            let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
            if egk.pin_status().is_err() {
                egk.open_contactless(&Can::parse(&typed("123123")).unwrap(), &mut rng()).unwrap();
            }
            let kartenbund::egk::PinStatus::Usable(tries) = egk.pin_status().unwrap() else { panic!("{what}") };
            let attempt = tries.attempt(kartenbund::egk::LastTry::Refused).unwrap();
            let pin = if is_taken { "135790" } else { CARD_PIN };
            let answer = egk.verify_pin(attempt, &kartenbund::secret::Pin::parse(&typed(pin)).unwrap()).unwrap();
            assert_eq!(answer, kartenbund::egk::PinAnswer::Accepted, "{what}");
        },
    );
    assert_eq!(unanswered.len(), 4, "once each way: {unanswered:?}");
}

/// A PIN that cannot be used stops a registration before it is asked for, whatever state it is in.
#[test]
fn a_pin_that_cannot_be_used_stops_a_registration_before_it_is_asked_for() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    for (name, kind) in [
        ("pin-transport", Kind::CardTransportPin),
        ("pin-empty", Kind::CardNoPin),
        ("pin-disabled", Kind::CardNoPin),
        ("pin-blocked", Kind::CardPinBlocked),
        ("pin-blocked-6983", Kind::CardPinBlocked),
        ("pin-last-try", Kind::CardLastTry),
        ("hca-deactivated", Kind::Internal),
    ] {
        let scenario = Scenario::parse(&std::fs::read_to_string(fixture(name)).unwrap()).unwrap();
        let mut staged = scenario.play(loaded(false), &mut rng()).unwrap();
        let mut script = Script::default();
        let registered = computer.register_as(&mut staged, &mut script, &wish());
        if name == "hca-deactivated" {
            registered.unwrap_or_else(|error| panic!("the insurance data are not needed: {error:?}"));
            continue;
        }
        let failure = Failure::from(registered.unwrap_err());
        assert_eq!(failure.kind, kind, "{name}");
        assert!(script.tries_told.is_empty(), "{name}: the PIN was asked for");
    }
}
