//! The PIN is typed on the reader: what is told before, what becomes of slips, and when it is typed on the computer
//! after all.

use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::vpcd::Step;
use rand_core::UnwrapErr;
use serde_json::Value;

use crate::card::{DEVICE_PIN, InReader, PIN, VERIFY, WRONG_PIN, card, erika, image};
use crate::computer::Computer;
use crate::foreign::opensc;
use crate::insurer::{Insurer, devices};
use crate::keypad::{Keypad, driver};
use crate::pcscd::{Pcscd, Reader};
use crate::registering::pin_status;
use crate::terminal::Terminal;

const GET_PIN_STATUS: [u8; 4] = [0x80, 0x20, 0x00, 0x02];
const CHANGE: [u8; 4] = [0x00, 0x24, 0x00, 0x02];
/// REINER's example, and the same as OpenSC writes it (PC/SC part 10, 2.5.2 and 2.5.3).
const VERIFY_FIRST: &str = "1E1E894704080602010704000000000D000000002000020820FFFFFFFFFFFFFF";
const VERIFY_SECOND: &str = "1E1E414804080602010704000000000D000000002000020820FFFFFFFFFFFFFF";
const MODIFY_FIRST: &str = "1E1E89470400080806030203070400010200000015000000002400021020FFFFFFFFFFFFFF20FFFFFFFFFFFFFF";
const MODIFY_SECOND: &str =
    "1E1E41480400080806030203070400010200000015000000002400021020FFFFFFFFFFFFFF20FFFFFFFFFFFFFF";

const NEW_PIN: &str = "24680246";
const VERIFY_OLD: &str = "002000020826123456FFFFFFFF";
const VERIFY_NEW: &str = "00200002082824680246FFFFFF";

const ON_THE_READER: &str = "! Please type the PIN of the health card on the card reader now, not on this keyboard";

/// A computer with this reader, and a card in it.
fn with(card: VirtualCard) -> (Pcscd, Computer, Keypad, InReader) {
    let service = Pcscd::with_keypad(driver());
    let computer = Computer::at(&service);
    let inserted = InReader::insert(&service, Reader::Keypad, card);
    let mut keypad = Keypad::of(&service);
    keypad.tell("commands");
    (service, computer, keypad, inserted)
}

/// The same where Erika has an account.
fn erika_with(card: VirtualCard) -> (Insurer, Pcscd, Computer, Keypad, InReader) {
    let insurer = Insurer::start();
    let (service, computer, keypad, inserted) = with(card);
    insurer.log_in(&computer, crate::card::ERIKA);
    inserted.start_counting();
    (insurer, service, computer, keypad, inserted)
}

/// Erika's card, of whose PIN so many tries were used up before.
fn card_after_wrong_pins(number: usize) -> VirtualCard {
    let mut card = card(&erika());
    for _ in 0..number {
        card.execute(&[0x00, 0x20, 0x00, 0x02, 0x08, 0x26, 0x65, 0x43, 0x21, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    card
}

/// Begins to register, and chooses the device PIN, which is typed on the computer.
fn begin_to_register(computer: &Computer, words: &str) -> Terminal {
    let mut terminal = Terminal::start(computer, &format!("register {words}"));
    for question in ["New device PIN for this computer", "Device PIN once more"] {
        terminal.wait_for_hidden(question, 1);
        terminal.type_line(DEVICE_PIN);
    }
    terminal
}

#[test]
fn another_program_sees_the_keypad() {
    let (_service, computer, mut keypad, _inserted) = with(card(&erika()));
    let row = |computer: &Computer| computer.run_foreign("opensc-tool", &["-l"]).success();
    assert!(row(&computer).lines().any(|row| row.contains("PIN pad") && row.contains("Keypad 00 00")));
    keypad.tell("keypad none");
    assert!(!row(&computer).contains("PIN pad"));
}

#[test]
fn erika_registers_with_her_pin_typed_on_the_reader() {
    let (_insurer, _service, computer, mut keypad, inserted) = erika_with(card(&erika()));
    let terminal = begin_to_register(&computer, "");
    terminal.wait_for(&format!("{ON_THE_READER} (3 tries left)"), 1);
    assert_eq!(inserted.verifies(), 0, "nothing is typed yet");
    keypad.tell(&format!("type {PIN}"));
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert_eq!(pin_status(&computer), "63C3");
    assert!(!screen.contains(PIN) && !screen.contains("PIN of the health card (6 to 8 digits"));
    assert_eq!((keypad.structures(), inserted.verifies()), (vec![VERIFY_FIRST.to_owned()], 1));
    assert_eq!(devices(&computer).len(), 1);
}

#[test]
fn a_wrong_pin_on_the_reader_and_the_last_try() {
    let (_insurer, _service, computer, mut keypad, inserted) = erika_with(card(&erika()));
    let mut terminal = begin_to_register(&computer, "");
    for (left, n) in [("3 tries left", 1), ("2 tries left", 1)] {
        terminal.wait_for(&format!("{ON_THE_READER} ({left})"), n);
        keypad.tell(&format!("type {WRONG_PIN}"));
    }
    terminal.wait_for("! The card PIN was wrong. One try is left.", 1);
    terminal.wait_for("Enter it all the same? [y/N]", 1);
    assert_eq!(keypad.structures().len(), 2, "the reader does not ask before she says yes");
    terminal.type_line("n");
    let (code, screen) = terminal.end();
    assert_eq!((code, inserted.verifies()), (Some(30), 2), "{screen}");
    assert_eq!(pin_status(&computer), "63C1");

    let mut terminal = Terminal::start(&computer, "register");
    terminal.wait_for("Enter it all the same? [y/N]", 1);
    terminal.type_line("y");
    for question in ["New device PIN for this computer", "Device PIN once more"] {
        terminal.wait_for_hidden(question, 1);
        terminal.type_line(DEVICE_PIN);
    }
    terminal.wait_for(&format!("{ON_THE_READER} (last try)"), 1);
    keypad.tell(&format!("type {PIN}"));
    let (code, screen) = terminal.end();
    assert_eq!((code, inserted.verifies()), (Some(0), 3), "{screen}");
}

#[test]
fn the_last_try_is_not_asked_for_on_the_reader_without_consent() {
    let (_service, computer, mut keypad, inserted) = with(card_after_wrong_pins(2));
    keypad.tell(&format!("type {PIN} {NEW_PIN} {NEW_PIN}"));
    computer.run(&["card", "pin", "change"]).fails_with(32, "card_last_try");
    assert!(keypad.structures().is_empty());
    assert!(!inserted.commands().contains(&CHANGE));
    keypad.tell(&format!("type {WRONG_PIN} {NEW_PIN} {NEW_PIN}"));
    // What was pressed too early is still there: right.
    computer.run(&["card", "pin", "change", "--allow-last-try"]).success();
    computer.run(&["card", "pin", "change"]).fails_with(30, "card_pin_wrong");
}

#[test]
fn she_changes_her_pin_on_the_reader() {
    let (_service, computer, mut keypad, inserted) = with(card(&erika()));
    keypad.tell(&format!("type {PIN} {NEW_PIN} {NEW_PIN}"));
    // No terminal is needed: what is typed is typed on the reader.
    let ended = computer.run(&["card", "pin", "change"]);
    let told = "! Please type on the card reader, not on this keyboard, the present PIN of the health card (3 tries \
                left), then twice a new one of 6 to 8 digits.";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    ended.success();
    assert_eq!(keypad.structures(), [MODIFY_FIRST]);
    assert_eq!(inserted.commands().iter().filter(|header| **header == CHANGE).count(), 1);
    assert_eq!(opensc(&computer, &["80200002", VERIFY_OLD, VERIFY_NEW]), ["63C3", "63C2", "9000"]);

    keypad.tell(&format!("type {WRONG_PIN} {PIN} {PIN}"));
    let told = computer.run(&["card", "pin", "change", "--json"]);
    assert!(told.stderr.contains("not on this keyboard"), "it is told where to type, to scripts, too");
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&told["error"]["code"], &told["error"]["exit_code"]), (&"card_pin_wrong".into(), &30.into()));
    assert_eq!(pin_status(&computer), "63C2");
}

/// None of them is a wrong PIN, and none costs a try.
#[test]
fn she_cancels_waits_too_long_or_slips() {
    let (_service, computer, mut keypad, inserted) = with(card(&erika()));
    let change = ["card", "pin", "change"];
    keypad.tell("cancel");
    computer.run(&change).fails_with(3, "cancelled");
    keypad.tell("wait");
    let told = computer.run(&change).fails_with(28, "keypad_timeout");
    assert_eq!(told.cause, "Nothing was typed on the card reader in time; no try was used.");
    // Three slips are enough.
    for (slip, cause) in [
        (format!("type 12345 {NEW_PIN} {NEW_PIN}"), "Too few or too many digits were typed on the card reader"),
        (format!("type {PIN} 123456789 123456789"), "Too few or too many digits were typed on the card reader"),
        (format!("type {PIN} {NEW_PIN} 24680247"), "The two entries of the new PIN differ."),
    ] {
        (0..3).for_each(|_| drop(keypad.tell(&slip)));
        let told = computer.run(&change).fails_with(5, "input_invalid");
        assert!(told.cause.starts_with(cause), "{told:?}");
    }
    assert_eq!(keypad.structures().len(), 1 + 1 + 3 * 3);
    assert!(!inserted.commands().contains(&CHANGE), "the card has seen nothing");
    assert_eq!(pin_status(&computer), "63C3");

    // One or two are told, and she types again.
    keypad.tell(&format!("type 12345 {NEW_PIN} {NEW_PIN}"));
    keypad.tell(&format!("type {PIN} {NEW_PIN} 24680247"));
    keypad.tell(&format!("type {PIN} {NEW_PIN} {NEW_PIN}"));
    let ended = computer.run(&change);
    let told = ["! Those were too few or too many digits.", "! The two entries of the new PIN differed."];
    assert!(told.iter().all(|told| ended.stderr.contains(told)), "{}", ended.stderr);
    ended.success();
    assert_eq!(opensc(&computer, &["80200002", VERIFY_NEW]), ["63C3", "9000"]);
}

#[test]
fn she_cancels_a_registration_on_the_reader() {
    for (order, code) in [("cancel", 3), ("wait", 28), ("type 12345", 5)] {
        let (_insurer, _service, computer, mut keypad, inserted) = erika_with(card(&erika()));
        (0..3).for_each(|_| drop(keypad.tell(order)));
        let (ended, screen) = begin_to_register(&computer, "").end();
        assert_eq!(ended, Some(code), "{screen}");
        assert!(screen.contains(ON_THE_READER));
        assert_eq!((inserted.verifies(), pin_status(&computer).as_str()), (0, "63C3"));
        assert_eq!(devices(&computer), []);
    }
}

/// Otherwise the reader would go on asking, and the card would keep the PIN verified.
#[test]
fn what_is_typed_at_the_computer_while_the_reader_asks_does_nothing_and_is_not_shown() {
    const CTRL_C: &str = "\u{3}";
    let (_insurer, _service, computer, mut keypad, inserted) = erika_with(card(&erika()));
    let mut terminal = begin_to_register(&computer, "");
    terminal.wait_for(ON_THE_READER, 1);
    crate::eventually("the reader asks", || (!keypad.structures().is_empty()).then_some(()));
    terminal.type_keys(CTRL_C);
    // She types it here after all: nobody shows it, and nobody takes it for an answer.
    terminal.type_line(PIN);
    std::thread::sleep(std::time::Duration::from_millis(100));
    keypad.tell(&format!("type {PIN}"));
    let (code, screen) = terminal.end();
    assert_eq!((code, inserted.verifies()), (Some(0), 1), "{screen}");
    assert!(!screen.contains(PIN), "{screen}");
    assert_eq!(pin_status(&computer), "63C3");
}

/// Neither VERIFY nor CHANGE REFERENCE DATA has an answer but its status word.
#[test]
fn a_reader_that_answers_more_or_less_than_a_status_word_is_not_believed() {
    let (_service, computer, mut keypad, inserted) = with(card(&erika()));
    for answer in ["90", "009000", "63C29000"] {
        keypad.tell(&format!("answer {answer}"));
        let told = computer.run(&["card", "pin", "change"]).fails_with(38, "pin_unanswered");
        assert!(told.remedy.contains("card pin status"), "{answer}");
    }
    // One that claims what no card does.
    keypad.tell("answer 6F00");
    computer.run(&["card", "pin", "change"]).fails_with(24, "card_answer");
    assert!(!inserted.commands().contains(&CHANGE));
    assert_eq!(pin_status(&computer), "63C3");
}

#[test]
fn a_reader_that_takes_the_second_description_only() {
    let (_service, computer, mut keypad, inserted) = with(card(&erika()));
    keypad.tell("takes opensc");
    keypad.tell(&format!("type {PIN} {NEW_PIN} {NEW_PIN}"));
    computer.run(&["card", "pin", "change"]).success();
    assert_eq!(keypad.structures(), [MODIFY_FIRST, MODIFY_SECOND]);
    // Asked before, and in between: whether the first one has cost a try.
    let commands = inserted.commands();
    let change = commands.iter().position(|header| *header == CHANGE).unwrap();
    assert_eq!(commands[change - 2..change], [GET_PIN_STATUS; 2]);
    assert_eq!(opensc(&computer, &["80200002", VERIFY_NEW]), ["63C3", "9000"]);
}

#[test]
fn a_reader_that_takes_neither_description() {
    let (_insurer, _service, computer, mut keypad, inserted) = erika_with(card(&erika()));
    keypad.tell("takes neither");
    let (code, screen) = begin_to_register(&computer, "").end();
    assert_eq!(code, Some(29), "{screen}");
    assert!(screen.contains("The card reader does not take the PIN on its keypad; no try was used."), "{screen}");
    assert!(screen.contains("start the command with --no-keypad"), "{screen}");
    assert_eq!(keypad.structures(), [VERIFY_FIRST, VERIFY_SECOND]);
    let told = computer.run(&["card", "pin", "change"]).fails_with(29, "keypad_refused");
    assert!(told.remedy.contains("--no-keypad"));
    assert_eq!((inserted.verifies(), pin_status(&computer).as_str()), (0, "63C3"));
}

#[test]
fn the_keypad_is_switched_off() {
    let (_insurer, _service, computer, mut keypad, inserted) = erika_with(card(&erika()));
    let mut terminal = Terminal::start(&computer, "register --no-keypad");
    for (question, answer) in [
        ("PIN of the health card (6 to 8 digits, 3 tries left):", PIN),
        ("New device PIN for this computer", DEVICE_PIN),
        ("Device PIN once more", DEVICE_PIN),
    ] {
        terminal.wait_for_hidden(question, 1);
        terminal.type_line(answer);
    }
    let (code, screen) = terminal.end();
    assert_eq!((code, inserted.verifies()), (Some(0), 1), "{screen}");
    let mut terminal = Terminal::start(&computer, "card pin change --no-keypad");
    for (question, answer) in [
        ("PIN of the health card (6 to 8 digits, 3 tries left):", PIN),
        ("New PIN for the health card", NEW_PIN),
        ("New PIN of the health card once more", NEW_PIN),
    ] {
        terminal.wait_for_hidden(question, 1);
        terminal.type_line(answer);
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    opensc(&computer, &["002000020826654321FFFFFFFF"]); // or there would be nothing to unblock
    let mut terminal = Terminal::start(&computer, "card pin unblock --keep-pin --no-keypad");
    terminal.wait_for_hidden("PUK (8 digits):", 1);
    terminal.type_line("12345678");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(keypad.structures().is_empty() && !screen.contains("reader"), "{screen}");
}

#[test]
fn pins_that_are_handed_in_win_over_the_keypad() {
    let (_insurer, _service, computer, mut keypad, inserted) = erika_with(card(&erika()));
    computer.run_with(&["register", "--pin-fd", "0"], &[PIN, DEVICE_PIN]).success();
    computer.run_with(&["card", "pin", "change", "--pin-fd", "0"], &[PIN, NEW_PIN]).success();
    assert_eq!(inserted.verifies(), 1);
    opensc(&computer, &["002000020826654321FFFFFFFF"]); // or there would be nothing to unblock
    computer.run_with(&["card", "pin", "unblock", "--keep-pin", "--pin-fd", "0"], &["12345678"]).success();
    assert_eq!(pin_status(&computer), "63C3");
    assert!(keypad.structures().is_empty());
}

#[test]
fn the_puk_alone_is_typed_on_the_reader_and_with_a_new_pin_on_the_computer() {
    let (_service, computer, mut keypad, _inserted) = with(card_after_wrong_pins(3));
    keypad.tell("type 87654321");
    let told = computer.run(&["card", "pin", "unblock", "--keep-pin"]).fails_with(36, "puk_wrong");
    assert!(told.cause.contains("9"), "{told:?}");
    // Six digits are a PIN, and never a PUK: the card hears nothing of them.
    (0..3).for_each(|_| drop(keypad.tell("type 123456")));
    let told = computer.run(&["card", "pin", "unblock", "--keep-pin"]).fails_with(5, "input_invalid");
    assert!(told.cause.contains("too many digits were typed on the card reader"));
    assert_eq!(pin_status(&computer), "63C0");
    keypad.tell("type 12345678");
    computer.run(&["card", "pin", "unblock", "--keep-pin"]).success();
    assert_eq!(opensc(&computer, &["80200002", VERIFY_OLD]), ["63C3", "9000"]);
    let unblock = "1E1E894704080802010704000000000D000000002C01020820FFFFFFFFFFFFFF";
    assert_eq!(keypad.structures(), [unblock; 5]);

    computer.run_with(&["card", "pin", "unblock", "--pin-fd", "0"], &["12345678", NEW_PIN]).success();
    let mut terminal = Terminal::start(&computer, "card pin unblock");
    terminal.wait_for_hidden("PUK (8 digits):", 1);
    terminal.type_keys("\u{4}");
    assert_eq!(terminal.end().0, Some(3));
    assert!(keypad.structures().is_empty());
}

#[test]
fn a_keypad_that_is_not_made_for_it() {
    let (_service, computer, mut keypad, inserted) = with(card(&erika()));
    const TOLD: &str = "! The reader has a keypad, but it is not made for this.";
    for (unfit, fit) in [("keypad verify", "keypad all"), ("max-pin 6", "max-pin none"), ("min-pin 7", "min-pin 4")] {
        keypad.tell(unfit);
        let mut terminal = Terminal::start(&computer, "card pin change");
        terminal.wait_for_hidden("PIN of the health card (6 to 8 digits, 3 tries left):", 1);
        assert!(terminal.screen().contains(TOLD), "{unfit}");
        terminal.type_keys("\u{4}");
        assert_eq!(terminal.end().0, Some(3));
        keypad.tell(fit);
    }
    assert!(keypad.structures().is_empty());
    assert!(!inserted.commands().contains(&CHANGE) && !inserted.commands().contains(&VERIFY));
}

#[test]
fn a_card_without_contacts_cannot_be_reached_from_the_keypad() {
    let lying = VirtualCard::load_contactless(&image(&erika()), &mut UnwrapErr(getrandom::SysRng)).unwrap();
    let (_insurer, _service, computer, mut keypad, _inserted) = erika_with(lying);
    let mut terminal = Terminal::start(&computer, "register --can 123123");
    for (question, answer) in [
        ("PIN of the health card (6 to 8 digits, 3 tries left):", PIN),
        ("New device PIN for this computer", DEVICE_PIN),
        ("Device PIN once more", DEVICE_PIN),
    ] {
        terminal.wait_for_hidden(question, 1);
        terminal.type_line(answer);
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    let told = "! The reader has a keypad, but a card without contacts cannot be reached through it. Type the PIN on \
                this computer.";
    assert!(screen.contains(told), "{screen}");
    assert!(keypad.structures().is_empty());
}

/// The reader is asked, and not tried out: no command is longer than it says, and none is refused.
#[test]
fn no_apdu_is_longer_than_the_reader_says() {
    let (_service, computer, mut keypad, _inserted) = with(card(&erika()));
    /// How many bytes a READ BINARY asks for, and whether it is extended (ISO/IEC 7816-3, 12.1).
    fn asked(command: &str) -> (usize, bool) {
        match hex::decode(command).unwrap()[4..] {
            [0] => (256, false),
            [le] => (le.into(), false),
            [0, 0, 0] => (65_536, true),
            [0, hi, lo] => (u16::from_be_bytes([hi, lo]).into(), true),
            _ => panic!("{command}"),
        }
    }
    let expected = computer.run(&["read", "--json"]).json();
    let mut reads = |max: &str| {
        keypad.tell(&format!("max-data {max}"));
        keypad.tell("commands");
        assert_eq!(computer.run(&["read", "--json"]).json(), expected);
        let commands = keypad.tell("commands");
        commands.iter().filter(|command| command.starts_with("00B0")).map(|command| asked(command)).collect::<Vec<_>>()
    };
    for short in ["0", "255", "256"] {
        let reads = reads(short);
        assert!(reads.len() > 9 && reads.iter().all(|read| !read.1), "{short}: {reads:?}");
    }
    let limited = reads("500");
    assert!(limited.iter().any(|read| read.1) && limited.iter().all(|read| read.0 <= 500), "{limited:?}");
    // EF.VD and the certificate are longer than 500 bytes, and no longer than 1000.
    assert_eq!(limited.len(), 6 + 2, "{limited:?}");
    for whole in ["65536", "none", "65537"] {
        let reads = reads(whole);
        assert!(reads.len() == 6 && reads.contains(&(65_536, true)), "{whole}: {reads:?}");
    }

    // A session that was recorded with a short reader is played again with the same commands.
    for max in ["0", "500"] {
        keypad.tell(&format!("max-data {max}"));
        computer.run(&["record", "--out", "session.jsonl"]).success();
        assert_eq!(computer.run(&["replay", "--json", "session.jsonl"]).json(), expected);
    }
}

#[test]
fn no_apdu_is_longer_without_contacts_either() {
    let lying = VirtualCard::load_contactless(&image(&erika()), &mut UnwrapErr(getrandom::SysRng)).unwrap();
    let (_service, computer, mut keypad, _inserted) = with(lying);
    /// How many bytes a secured READ BINARY asks for outside, and whether it is extended.
    fn asked(command: &str) -> (usize, bool) {
        let bytes = hex::decode(command).unwrap();
        match (bytes[4], &bytes[bytes.len() - 2..]) {
            (0, [0, 0]) => (65_536, true),
            (0, le) => (u16::from_be_bytes([le[0], le[1]]).into(), true),
            (_, [_, 0]) => (256, false),
            (_, le) => (le[1].into(), false),
        }
    }
    let mut counts = Vec::new();
    for (max, is_extended) in [(65_536, true), (500, true), (0, false)] {
        keypad.tell(&format!("max-data {max}"));
        keypad.tell("commands");
        computer.run(&["read", "--can", "123123"]).success();
        let commands = keypad.tell("commands");
        let reads: Vec<_> =
            commands.iter().filter(|command| command.starts_with("0CB0")).map(|command| asked(command)).collect();
        let most = reads.iter().map(|read| read.0).max().unwrap();
        assert_eq!((most, reads.iter().any(|read| read.1)), (max.max(256), is_extended), "{reads:?}");
        counts.push(reads.len());
    }
    assert!(counts[0] < counts[1] && counts[1] < counts[2], "{counts:?}");
}

#[test]
fn a_command_that_the_reader_does_not_bring_back_is_a_disturbed_line() {
    let (_service, computer, mut keypad, _inserted) = with(card(&erika()));
    keypad.tell("fail 0 50");
    computer.run(&["read"]).fails_with(17, "transmission");
    computer.run(&["read"]).success();
    // A long answer may have been too much for the reader, and a short one is tried; but not where none was asked for.
    const EF_PD: &str = "fail 5 50"; // the sixth command: SELECT, EF.Version2, EF.GDO, SELECT, EF.StatusVD
    keypad.tell(EF_PD);
    computer.run(&["read"]).success();
    keypad.tell("max-data 0");
    keypad.tell(EF_PD);
    computer.run(&["read"]).fails_with(17, "transmission");
}

/// The three ways in which a card that lies on the reader is lost, each told in words of its own.
#[test]
fn a_wrong_access_number_a_card_taken_off_and_one_that_does_not_answer_are_three_things() {
    let lying = VirtualCard::load_contactless(&image(&erika()), &mut UnwrapErr(getrandom::SysRng)).unwrap();
    let (_service, computer, mut keypad, inserted) = with(lying);
    let read = ["read", "--can", "123123"];
    let wrong = computer.run(&["read", "--can", "123124"]).fails_with(35, "can_wrong");
    // The reader waits for its answer for a while. SELECT and EF.Version2 come twice, before and after it is known how the
    // card is reached; then PACE.
    keypad.tell("fail 6 1300");
    let late = computer.run(&read).fails_with(8, "card_timeout");
    assert!(late.remedy.contains("leave the card there"), "{}", late.remedy);
    computer.run(&read).success();
    keypad.tell("fail 13 1300"); // EF.PD, the first long answer in the secured line: in short APDUs it comes
    computer.run(&read).success();
    let pull = inserted.pull_after_answer();
    inserted.watch(move |number, _| {
        if number == 4 {
            pull();
        }
        Step::Answer
    });
    let gone = computer.run(&read).fails_with(16, "card_removed");
    let causes = [wrong.cause, late.cause, gone.cause];
    assert!(causes[0] != causes[1] && causes[1] != causes[2] && causes[2] != causes[0], "{causes:?}");
}
