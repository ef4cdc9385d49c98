//! The card PIN: a try is spent when a person asks for it, and never else.

use kartenbund::virtual_card::VirtualCard;
use rand_core::UnwrapErr;

use crate::card::{DEVICE_PIN, InReader, PIN, WRONG_PIN, card, erika, image};
use crate::computer::Computer;
use crate::insurer::{Insurer, devices};
use crate::pcscd::{Pcscd, Reader};
use crate::registering::{pin_status, register};
use crate::terminal::Terminal;

/// Erika's card, of whose PIN so many tries were used up before.
fn card_after_wrong_pins(number: usize) -> VirtualCard {
    let mut card = card(&erika());
    for _ in 0..number {
        let answer = card.execute(&[0x00, 0x20, 0x00, 0x02, 0x08, 0x26, 0x65, 0x43, 0x21, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(answer[0], 0x63);
    }
    card
}

/// Erika is logged in, and this card is in the reader.
fn erika_with(card: VirtualCard) -> (Insurer, Pcscd, Computer, InReader) {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let inserted = InReader::insert(&service, Reader::First, card);
    (insurer, service, computer, inserted)
}

#[test]
fn a_wrong_pin_once_then_the_right_one() {
    let (insurer, _service, computer, inserted) = erika_with(card(&erika()));
    // A script has one try, whatever else it hands in.
    let told = register(&computer, &[WRONG_PIN, DEVICE_PIN, PIN, PIN]).fails_with(30, "card_pin_wrong");
    assert_eq!(told.cause, "The card PIN is wrong; 2 tries are left.");
    assert_eq!(inserted.verifies(), 1);
    assert_eq!(devices(&computer), []);
    assert_eq!(computer.kept(), ["profile.json", "session.json"]);
    assert_eq!(pin_status(&computer), "63C2");

    register(&computer, &[PIN, DEVICE_PIN]).success();
    assert_eq!(inserted.verifies(), 2);
    assert_eq!(pin_status(&computer), "63C3");
    assert_eq!(devices(&computer).len(), 1);
    insurer.stop();
}

#[test]
fn a_wrong_pin_at_the_terminal_and_the_same_again() {
    let (_insurer, _service, computer, inserted) = erika_with(card(&erika()));
    let mut terminal = Terminal::start(&computer, "register --method card");
    let answers = [
        ("PIN of the health card (6 to 8 digits, 3 tries left):", 1, WRONG_PIN),
        ("New device PIN for this computer", 1, DEVICE_PIN),
        ("Device PIN once more", 1, DEVICE_PIN),
        ("PIN of the health card (6 to 8 digits, 2 tries left):", 1, WRONG_PIN),
        ("PIN of the health card (6 to 8 digits, 2 tries left):", 2, PIN),
    ];
    for (question, time, answer) in answers {
        terminal.wait_for_hidden(question, time);
        terminal.type_line(answer);
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("! The card PIN was wrong. 2 tries are left."));
    assert!(screen.contains("! That is the same wrong PIN as before; it was not sent again."));
    assert!([PIN, WRONG_PIN, DEVICE_PIN].iter().all(|pin| !screen.contains(pin)));
    assert_eq!(inserted.verifies(), 2);
}

#[test]
fn the_person_changes_her_mind_at_the_terminal() {
    let (_insurer, _service, computer, inserted) = erika_with(card(&erika()));
    const END_OF_INPUT: &str = "\u{4}";
    let mut terminal = Terminal::start(&computer, "register --method card");
    terminal.wait_for_hidden("PIN of the health card", 1);
    terminal.type_keys(END_OF_INPUT);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(3), "{screen}");
    assert!(screen.contains("Cancelled."));
    assert_eq!(inserted.verifies(), 0);
}

#[test]
fn a_slip_at_the_terminal_is_told_and_asked_for_again() {
    let (_insurer, _service, computer, inserted) = erika_with(card(&erika()));
    let mut terminal = Terminal::start(&computer, "register");
    let answers = [
        ("PIN of the health card (6 to 8 digits, 3 tries left):", 1, "12345"),
        ("PIN of the health card (6 to 8 digits, 3 tries left):", 2, "12345a"),
        ("PIN of the health card (6 to 8 digits, 3 tries left):", 3, PIN),
        ("New device PIN", 1, "314"),
        ("New device PIN", 2, DEVICE_PIN),
        ("Device PIN once more", 1, "270619"),
        ("New device PIN", 3, DEVICE_PIN),
        ("Device PIN once more", 2, DEVICE_PIN),
    ];
    for (question, time, answer) in answers {
        terminal.wait_for_hidden(question, time);
        terminal.type_line(answer);
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    for told in [
        "! The card PIN has",
        "! The card PIN has six to eight digits. Five digits: so has the transport PIN",
        "! Only digits can be typed here.",
        "! The device PIN has",
        "! The two entries of the new PIN differ.",
    ] {
        assert!(screen.contains(told), "{told}: {screen}");
    }
    for explained in ["This is the PIN of the PIN letter", "No PIN? Your insurer", "You make up the device PIN"] {
        assert_eq!(screen.matches(explained).count(), 1, "once, however often it is asked: {screen}");
    }
    assert_eq!(inserted.verifies(), 1);
}

#[test]
fn every_prompt_says_which_number_it_means_and_which_one_was_typed() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let contactless = VirtualCard::load_contactless(&image(&erika()), &mut UnwrapErr(getrandom::SysRng)).unwrap();
    let _inserted = InReader::insert(&service, Reader::First, contactless);
    for (words, question, answers, code, told) in [
        (
            "read",
            "Card access number (6 digits):",
            ["12345678", "12 123", "123123"],
            0,
            ["mostly top right; not the PIN.", "No CAN?", "! The card access number (CAN) has six digits. Eight"],
        ),
        (
            "login --service http://127.0.0.1:9",
            "Insurance number (one capital letter and nine digits):",
            ["123123", "80276999995070683853", "K220635158"],
            50,
            [
                "on the front of the card: a capital letter and nine",
                "Six digits: so has the access",
                "Twenty digits: that is",
            ],
        ),
    ] {
        let mut terminal = Terminal::start(&computer, words);
        for (time, answer) in answers.into_iter().enumerate() {
            terminal.wait_for(question, time + 1);
            terminal.type_line(answer);
        }
        let (ended, screen) = terminal.end();
        assert_eq!(ended, Some(code), "{screen}");
        for told in told {
            assert_eq!(screen.matches(told).count(), 1, "{told}: {screen}");
        }
    }
}

#[test]
fn a_person_who_blocked_her_pin_unblocks_it_at_the_terminal() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let _inserted = InReader::insert(&service, Reader::First, card_after_wrong_pins(3));
    assert!(computer.run(&["card", "pin", "status"]).success().contains("The PIN is blocked."));
    let told = computer.run_with(&["card", "pin", "change", "--pin-fd", "0"], &[PIN, "24680246"]);
    assert!(told.fails_with(31, "card_pin_blocked").remedy.contains("kartenbund card pin unblock"));
    let mut terminal = Terminal::start(&computer, "card pin unblock");
    for (question, time, answer) in [
        ("PUK (8 digits):", 1, "1234567"),
        ("PUK (8 digits):", 2, "12345678"),
        ("New PIN for the health card", 1, "24680246"),
        ("New PIN of the health card once more", 1, "24680247"),
        ("New PIN for the health card", 2, "24680246"),
        ("New PIN of the health card once more", 2, "24680246"),
    ] {
        terminal.wait_for_hidden(question, time);
        terminal.type_line(answer);
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.matches("It can be used ten times at most").count() == 1
            && screen.matches("No PUK? Ask your insurer").count() == 1
            && screen.contains("The PIN of the health card is unblocked.")
    );
    assert!(!screen.contains("24680246") && !screen.contains("12345678"));
    assert_eq!(pin_status(&computer), "63C3");
    computer.run_with(&["card", "pin", "change", "--pin-fd", "0"], &["24680246", PIN]).success();
    assert_eq!(pin_status(&computer), "63C3", "no verified PIN stays behind");
}

#[test]
fn the_last_try_is_spent_only_by_who_says_so() {
    let (_insurer, _service, computer, inserted) = erika_with(card_after_wrong_pins(2));
    let told = register(&computer, &[PIN, DEVICE_PIN]).fails_with(32, "card_last_try");
    assert_eq!(told.cause, "Only one try is left for the card PIN; it was not used.");
    assert!(told.remedy.contains("--allow-last-try"));
    for answer in ["", "n"] {
        let mut terminal = Terminal::start(&computer, "register --method card");
        terminal.wait_for("Enter it all the same? [y/N]", 1);
        terminal.type_line(answer);
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(32), "{screen}");
    }
    assert_eq!(inserted.verifies(), 0);

    let allowed = ["register", "--method", "card", "--pin-fd", "0", "--allow-last-try"];
    computer.run_with(&allowed, &[PIN, DEVICE_PIN]).success();
    assert_eq!(inserted.verifies(), 1);
    assert_eq!(pin_status(&computer), "63C3");
}

#[test]
fn the_last_try_is_wrong_and_the_pin_is_blocked() {
    let (_insurer, _service, computer, inserted) = erika_with(card_after_wrong_pins(2));
    let allowed = ["register", "--method", "card", "--pin-fd", "0", "--allow-last-try"];
    let told = computer.run_with(&allowed, &[WRONG_PIN, DEVICE_PIN]).fails_with(31, "card_pin_blocked");
    assert!(told.remedy.contains("PUK"));
    assert_eq!(inserted.verifies(), 1);
    // From here on nothing is sent, not even by those who say so.
    computer.run_with(&allowed, &[PIN, DEVICE_PIN]).fails_with(31, "card_pin_blocked");
    register(&computer, &[PIN, DEVICE_PIN]).fails_with(31, "card_pin_blocked");
    assert_eq!(inserted.verifies(), 1);
    assert_eq!(devices(&computer), []);
}

#[test]
fn a_card_that_still_has_its_transport_pin() {
    let image = image(&erika()).replace("regularPassword", "transportPIN");
    let (_insurer, _service, computer, inserted) = erika_with(VirtualCard::load(&image).unwrap());
    register(&computer, &[PIN, DEVICE_PIN]).fails_with(33, "card_transport_pin");
    assert_eq!(inserted.verifies(), 0);
}

#[test]
fn what_is_typed_cannot_be_a_pin() {
    let (_insurer, _service, computer, inserted) = erika_with(card(&erika()));
    for (pins, exit_code, code) in [
        (&["12345", DEVICE_PIN][..], 5, "input_invalid"),
        (&["123456789", DEVICE_PIN], 5, "input_invalid"),
        (&["12345a", DEVICE_PIN], 5, "input_invalid"),
        (&["", DEVICE_PIN], 5, "input_invalid"),
        (&[PIN, "12345"], 5, "input_invalid"),
        (&[PIN, ""], 5, "input_invalid"),
    ] {
        register(&computer, pins).fails_with(exit_code, code);
    }
    // Nobody there: neither lines nor a terminal.
    computer.run(&["register", "--method", "card", "--pin-fd", "0"]).fails_with(4, "nobody_there");
    computer.run(&["register", "--method", "card"]).fails_with(4, "nobody_there");
    computer.run(&["register", "--method", "card", "--pin-fd", "99"]).fails_with(5, "input_invalid");
    assert_eq!(inserted.verifies(), 0);
    assert_eq!(devices(&computer), []);
}
