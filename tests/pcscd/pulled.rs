//! The card is pulled in the middle of everything.

use std::fs;

use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::vpcd::Step;

use crate::card::{DEVICE_PIN, InReader, PIN, SIGN, VERIFY, WRONG_PIN, card, erika};
use crate::computer::{Computer, Ended};
use crate::insurer::{Insurer, devices};
use crate::pcscd::{Pcscd, Reader};
use crate::registering::register_in;
use crate::terminal::Terminal;

/// Does something with the card again and again. The card is pulled at its first command, then at its second, until it
/// is not pulled any more because there are no more commands.
fn pull_at_every_command(
    service: &Pcscd,
    mut card: VirtualCard,
    mut attempt: impl FnMut(&InReader) -> Ended,
    mut check: impl FnMut(&InReader, Ended),
) -> (usize, Ended) {
    let mut reader = Reader::First;
    for last in 1..50 {
        let inserted = InReader::insert(service, reader, card);
        inserted.watch(move |number, _| if number == last { Step::Pull } else { Step::Answer });
        let ended = attempt(&inserted);
        if !inserted.is_pulled() {
            assert_eq!(inserted.commands().len(), last - 1);
            return (last - 1, ended);
        }
        check(&inserted, ended);
        card = inserted.take_out();
        reader = reader.other();
    }
    panic!("it never ends");
}

#[test]
fn while_it_is_read() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let read = |inserted: &InReader| computer.run(&["read", "--reader", inserted.reader()]);
    let (commands, ended) = pull_at_every_command(&service, card(&erika()), read, |_, ended| {
        let told = ended.fails_with(16, "card_removed");
        assert!(told.remedy.starts_with("Put the card in again"));
    });
    assert_eq!(commands, 9);
    assert!(ended.success().contains("Erika Müstermann"));
}

/// What was recorded until then is whole, and plays to the same end.
#[test]
fn while_it_is_recorded() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let out = computer.path("session.jsonl");
    let record =
        |inserted: &InReader| computer.run(&["record", "--out", "session.jsonl", "--reader", inserted.reader()]);
    let (commands, ended) = pull_at_every_command(&service, card(&erika()), record, |inserted, ended| {
        ended.fails_with(16, "card_removed");
        assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 1 + inserted.commands().len());
        computer.run(&["replay", "session.jsonl"]).fails_with(17, "transmission");
        fs::remove_file(&out).unwrap();
        assert_eq!(fs::read_dir(out.parent().unwrap()).unwrap().count(), 0);
    });
    assert_eq!(commands, 9);
    assert_eq!(ended.success(), computer.run(&["replay", "session.jsonl"]).success());
}

#[test]
fn while_it_registers_a_computer() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let register = |inserted: &InReader| register_in(&computer, inserted.reader(), &[PIN, DEVICE_PIN]);
    let (commands, ended) = pull_at_every_command(&service, card(&erika()), register, |inserted, ended| {
        ended.fails_with(16, "card_removed");
        assert!(inserted.verifies() <= 1);
        assert_eq!(devices(&computer), []);
        assert_eq!(computer.kept(), ["profile.json", "session.json"]);
    });
    assert_eq!(commands, 14);
    ended.success();
    assert_eq!(devices(&computer).len(), 1);
    insurer.stop();
}

/// Nobody knows whether the try was counted. It is not tried again, and the next time the card says what is left.
#[test]
fn while_it_checks_a_wrong_pin() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let inserted = InReader::insert(&service, Reader::First, card(&erika()));
    inserted.watch(|_, header| if header == VERIFY { Step::PullBeforeAnswer } else { Step::Answer });
    register_in(&computer, inserted.reader(), &[WRONG_PIN, DEVICE_PIN]).fails_with(16, "card_removed");
    assert_eq!(inserted.verifies(), 1);

    let inserted = InReader::insert(&service, Reader::Second, inserted.take_out());
    let told = register_in(&computer, inserted.reader(), &[WRONG_PIN, DEVICE_PIN]).fails_with(30, "card_pin_wrong");
    assert_eq!(told.cause, "The card PIN is wrong; one try is left.");
    assert_eq!(inserted.verifies(), 1);
    assert_eq!(devices(&computer), []);
}

#[test]
fn between_its_signature_and_the_answer() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let inserted = InReader::insert(&service, Reader::First, card(&erika()));
    let mut signatures = 0;
    inserted.watch(move |_, header| {
        signatures += usize::from(header == SIGN);
        if signatures == 2 { Step::PullBeforeAnswer } else { Step::Answer }
    });
    register_in(&computer, inserted.reader(), &[PIN, DEVICE_PIN]).fails_with(16, "card_removed");
    assert_eq!(devices(&computer), []);

    let inserted = InReader::insert(&service, Reader::Second, inserted.take_out());
    register_in(&computer, inserted.reader(), &[PIN, DEVICE_PIN]).success();
    assert_eq!(devices(&computer).len(), 1);
}

/// The tries that were told are those of another card.
#[test]
fn and_another_one_put_in_while_the_pin_is_typed() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let first = InReader::insert(&service, Reader::First, card(&erika()));
    let mut terminal = Terminal::start(&computer, "register --method card");
    terminal.wait_for_hidden("PIN of the health card (6 to 8 digits, 3 tries left):", 1);
    first.take_out();
    computer.wait_until(Reader::First.name(), "empty");
    let second = InReader::insert(&service, Reader::First, card(&erika()));
    terminal.type_line(PIN);
    terminal.wait_for_hidden("New device PIN", 1);
    terminal.type_line(DEVICE_PIN);
    terminal.wait_for_hidden("Device PIN once more", 1);
    terminal.type_line(DEVICE_PIN);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(16), "{screen}");
    assert_eq!(second.verifies(), 0);
    assert_eq!(devices(&computer), []);
}

/// It has done its part, and without power it knows of no PIN.
#[test]
fn once_it_has_signed() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let inserted = InReader::insert(&service, Reader::First, card(&erika()));
    let pull = inserted.pull_after_answer();
    let mut signatures = 0;
    inserted.watch(move |_, header| {
        signatures += usize::from(header == SIGN);
        if signatures == 2 {
            pull();
        }
        Step::Answer
    });
    register_in(&computer, inserted.reader(), &[PIN, DEVICE_PIN]).success();
    assert_eq!(devices(&computer).len(), 1);
}
