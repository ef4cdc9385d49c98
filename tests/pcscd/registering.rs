//! Registering a computer with the card.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::personalise::Blueprint;
use rand_core::UnwrapErr;

use crate::card::{
    DEVICE_PIN, INTERNAL_AUTHENTICATE, InReader, MAX, MSE_SET, PIN, SIGN, VERIFY, WRONG_PIN, card, erika, image,
};
use crate::computer::{Computer, Ended, Running};
use crate::foreign::opensc;
use crate::insurer::{Insurer, devices};
use crate::pcscd::{Pcscd, Reader};
use crate::terminal::Terminal;

/// Registers with the card in a reader. The lines are the card PIN and the new device PIN.
pub(crate) fn register_in(computer: &Computer, reader: &str, pins: &[&str]) -> Ended {
    computer.run_with(&["register", "--method", "card", "--pin-fd", "0", "--reader", reader], pins)
}

/// Registers with the only card there is.
pub(crate) fn register(computer: &Computer, pins: &[&str]) -> Ended {
    computer.run_with(&["register", "--method", "card", "--pin-fd", "0"], pins)
}

/// What GET PIN STATUS says to another program. Asked at once: the service takes the power from a card that nobody uses
/// for five seconds, and a card without power has forgotten its PIN anyway.
pub(crate) fn pin_status(computer: &Computer) -> String {
    opensc(computer, &["80200002"]).remove(0)
}

#[test]
fn erika_registers_her_computer_once() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let inserted = InReader::insert(&service, Reader::First, card(&erika()));

    let ended = register(&computer, &[PIN, DEVICE_PIN]);
    assert_eq!(pin_status(&computer), "63C3");
    assert!(ended.success().contains("level B3"));
    let expected = [
        [0x00, 0xA4, 0x04, 0x0C],
        [0x00, 0xB0, 0x91, 0x00],
        [0x00, 0xA4, 0x04, 0x0C],
        [0x00, 0xB0, 0x84, 0x00],
        // Card number and person, so that no device PIN is made of them.
        [0x00, 0xA4, 0x04, 0x0C],
        [0x00, 0xB0, 0x82, 0x00],
        [0x00, 0xA4, 0x04, 0x0C],
        [0x00, 0xB0, 0x81, 0x00],
        [0x80, 0x20, 0x00, 0x02],
        VERIFY,
        [0x00, 0xA4, 0x04, 0x0C],
        MSE_SET,
        SIGN,
        SIGN,
    ];
    assert_eq!(inserted.commands()[..14], expected);
    let bound = devices(&computer);
    assert!(matches!(&bound[..], [(_, state, level)] if state == "active" && level == "B3"), "{bound:?}");

    // Again: the card is left alone.
    inserted.watch(|_, _| panic!("nothing is asked of the card"));
    register(&computer, &[PIN, DEVICE_PIN]).fails_with(61, "already_registered");
    assert_eq!(devices(&computer), bound);
    insurer.stop();
}

#[test]
fn a_computer_is_registered_anew() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let _inserted = InReader::insert(&service, Reader::First, card(&erika()));
    register(&computer, &[PIN, DEVICE_PIN]).success();
    let before = devices(&computer).remove(0).0;
    let again = ["register", "--method", "card", "--pin-fd", "0", "--replace", "--short-apdus", "--json"];
    let device = computer.run_with(&again, &[PIN, "141421"]).json();
    let after = devices(&computer);
    assert_ne!(before, after[0].0);
    assert!(matches!(&after[..], [(id, state, _)] if *id == device["device_id"] && state == "active"), "{after:?}");
}

#[test]
fn a_computer_is_bound_anew_with_its_card_and_its_pin() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let inserted = InReader::insert(&service, Reader::First, card(&erika()));
    register(&computer, &[PIN, DEVICE_PIN]).success();
    let (before, verified) = (devices(&computer), inserted.verifies());
    let rebind = ["devices", "rebind", "--pin-fd", "0"];

    // The wrong device PIN takes no try from the card, and the wrong card PIN takes one and no more.
    computer.run_with(&rebind, &[PIN, "141421"]).fails_with(62, "device_pin_wrong");
    assert_eq!(inserted.verifies(), verified);
    computer.run_with(&rebind, &[WRONG_PIN, DEVICE_PIN]).fails_with(30, "card_pin_wrong");
    assert_eq!(inserted.verifies(), verified + 1);
    assert_eq!(devices(&computer), before);

    let device = computer.run_with(&[&rebind[..], &["--json"]].concat(), &[PIN, DEVICE_PIN]).json();
    assert_eq!(inserted.verifies(), verified + 2);
    assert_eq!(pin_status(&computer), "63C3");
    assert_eq!((&device["device_id"], devices(&computer)), (&before[0].0.as_str().into(), before.clone()));
    let audited = computer.run(&["events", "--json"]).success();
    assert!(audited.contains("device.rebound"), "{audited}");
    insurer.stop();
}

/// What the card is asked for where nobody types its PIN: the chip alone shows that it is there, and the key behind the PIN
/// signs nothing.
fn only_the_chip_has_signed(inserted: &InReader) {
    let commands = inserted.commands();
    assert_eq!(commands.iter().filter(|header| **header == INTERNAL_AUTHENTICATE).count(), 1, "{commands:02x?}");
    assert!(commands.iter().all(|header| ![VERIFY, MSE_SET, SIGN].contains(header)), "{commands:02x?}");
}

#[test]
fn the_chip_registers_a_computer_without_the_pin_of_the_card() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let image = image(&erika());
    let with_chip = ["register", "--method", "chip", "--pin-fd", "0"];
    let chip_of = |card: VirtualCard, more: &[&str]| {
        let computer = insurer.computer_of_erika(&service);
        let inserted = InReader::insert(&service, Reader::First, card);
        let told = computer.run_with(&[&with_chip[..], more].concat(), &[DEVICE_PIN]).success();
        (computer, inserted, told)
    };
    let (first, inserted, told) = chip_of(VirtualCard::load(&image).unwrap(), &[]);
    only_the_chip_has_signed(&inserted);
    assert_eq!(pin_status(&first), "63C3", "no try is spent, and no PIN is verified");
    assert!(told.contains("level B2"), "{told}");
    let bound = devices(&first);
    assert!(matches!(&bound[..], [(_, state, level)] if state == "pending_wait" && level == "B2"), "{bound:?}");
    // Again: the card is left alone.
    inserted.watch(|_, _| panic!("nothing is asked of the card"));
    first.run_with(&with_chip, &[DEVICE_PIN]).fails_with(61, "already_registered");
    drop(inserted);

    // Through a reader of short commands, and without contacts.
    let (_, inserted, _) = chip_of(VirtualCard::load(&image).unwrap(), &["--short-apdus"]);
    only_the_chip_has_signed(&inserted);
    drop(inserted);
    let card = VirtualCard::load_contactless(&image, &mut UnwrapErr(getrandom::SysRng)).unwrap();
    let (computer, inserted, _) = chip_of(card, &["--can", "123123"]);
    drop(inserted);
    let mut levels: Vec<_> = devices(&computer).into_iter().map(|(_, _, level)| level).collect();
    levels.dedup();
    assert_eq!(levels, ["B2"]);
    assert_eq!(devices(&computer).len(), 3);
    insurer.stop();
}

#[test]
fn a_chip_that_the_insurer_does_not_know_registers_nothing() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    // Her own card, of which the register has another number: the one before, or the next one.
    let other = Blueprint { iccsn: Some("80276999995070683846".to_owned()), ..erika() };
    let inserted = InReader::insert(&service, Reader::First, card(&other));
    let with_chip = ["register", "--method", "chip", "--pin-fd", "0"];
    computer.run_with(&with_chip, &[DEVICE_PIN]).fails_with(113, "chip_not_accepted");
    only_the_chip_has_signed(&inserted);
    assert_eq!(devices(&computer), []);
}

#[test]
fn the_card_of_another_person_is_refused_before_its_pin_is_asked_for() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let max = Blueprint::new(MAX.parse().unwrap(), "Max", "Müstermann");
    let inserted = InReader::insert(&service, Reader::First, card(&max));
    register(&computer, &[PIN, DEVICE_PIN]).fails_with(43, "other_person");
    assert_eq!(inserted.verifies(), 0);
    assert_eq!(devices(&computer), []);
}

#[test]
fn nobody_else_uses_the_card_while_the_pin_is_typed() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let inserted = InReader::insert(&service, Reader::First, card(&erika()));
    let mut terminal = Terminal::start(&computer, "register --method card");
    terminal.wait_for_hidden("PIN of the health card (6 to 8 digits, 3 tries left):", 1);

    assert_eq!(computer.readers()[0], ("Virtual 00 00".to_owned(), "in_use".to_owned()));
    for words in [&["read"][..], &["read", "--reader", "Virtual 00 00"]] {
        let told = computer.run(words).fails_with(15, "card_in_use");
        assert_eq!(told.cause, "Another program uses the card.");
    }
    register(&computer, &[WRONG_PIN, DEVICE_PIN]).fails_with(15, "card_in_use");
    assert_ne!(computer.run_foreign("opensc-tool", &["-s", "80200002"]).code, Some(0));
    assert_eq!(inserted.verifies(), 0);

    terminal.type_line(PIN);
    terminal.wait_for_hidden("New device PIN for this computer (exactly 6 digits):", 1);
    terminal.type_line(DEVICE_PIN);
    terminal.wait_for_hidden("Device PIN once more:", 1);
    terminal.type_line(DEVICE_PIN);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains(PIN) && !screen.contains(DEVICE_PIN));
    assert_eq!(inserted.verifies(), 1);
    assert_eq!(devices(&computer).len(), 1);
}

#[test]
fn another_program_is_connected_to_the_card() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let inserted = InReader::insert(&service, Reader::First, card(&erika()));
    let mut command = computer.command("scriptor");
    command.args(["-r", Reader::First.name()]).stdin(Stdio::piped());
    let mut other = Running::start(command);
    let mut keyboard = other.keyboard();
    keyboard.write_all(b"80 20 00 02\n").unwrap();
    crate::eventually("the other program is connected", || inserted.commands().pop());

    computer.run(&["read"]).success();
    register(&computer, &[PIN, DEVICE_PIN]).fails_with(15, "card_in_use");
    assert_eq!(inserted.verifies(), 0);

    drop(keyboard);
    other.wait().success();
    register(&computer, &[PIN, DEVICE_PIN]).success();
}

/// Otherwise whoever finds a computer with a card in it would register without knowing the PIN.
#[test]
fn a_pin_that_another_program_left_verified_opens_nothing() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let inserted = InReader::insert(&service, Reader::First, card(&erika()));
    fs::write(computer.path("verify"), "00 20 00 02 08 26 12 34 56 FF FF FF FF\n80 20 00 02\n").unwrap();
    let mut command = computer.command("scriptor");
    command.args(["-r", Reader::First.name(), "verify"]);
    let answers = Running::start(command).wait().success();
    assert_eq!(answers.matches("< 90 00").count(), 2, "{answers}");

    inserted.start_counting();
    let told = register(&computer, &[WRONG_PIN, DEVICE_PIN]).fails_with(30, "card_pin_wrong");
    assert_eq!(told.cause, "The card PIN is wrong; 2 tries are left.");
    assert_eq!(inserted.commands().iter().filter(|header| **header == [0x80, 0x20, 0x00, 0x02]).count(), 2);
    assert_eq!(inserted.verifies(), 1);
    assert_eq!(devices(&computer), []);
}
