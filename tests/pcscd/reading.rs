//! Reading a card through the service, and playing again what passed.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use kartenbund::virtual_card::VirtualCard;
use rand_core::UnwrapErr;
use serde_json::Value;

use crate::card::{ERIKA, InReader, card, erika, image};
use crate::computer::Computer;
use crate::pcscd::{Pcscd, Reader};
use crate::terminal::Terminal;

#[test]
fn a_card_is_the_same_in_a_reader_and_as_an_image() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let image = image(&erika());
    fs::write(computer.path("erika.xml"), &image).unwrap();
    let card = InReader::insert(&service, Reader::First, VirtualCard::load(&image).unwrap());
    let expected = computer.run(&["read", "--json", "--virtual-card", "erika.xml"]).json();
    assert_eq!(expected["person"]["family_name"], "Müstermann");
    assert_eq!(expected["certificate"]["kvnr"], "K220635158");
    assert_eq!(expected["warnings"].as_array().unwrap().len(), 0);
    for words in [
        &["read", "--json"][..],
        &["read", "--json", "--reader", "Virtual 00 00"],
        &["read", "--json", "--short-apdus"],
        &["record", "--json", "--out", "session.jsonl"],
        &["replay", "--json", "session.jsonl"],
        &["record", "--json", "--out", "session.jsonl", "--reader", "Virtual 00 00", "--short-apdus"],
        &["replay", "--json", "session.jsonl"],
        &["record", "--json", "--out", "session.jsonl", "--virtual-card", "erika.xml"],
        &["replay", "--json", "session.jsonl"],
    ] {
        assert_eq!(computer.run(words).json(), expected, "{words:?}");
    }
    assert!(computer.run(&["read"]).success().contains("Erika Müstermann"));
    assert_eq!(card.verifies(), 0);
}

#[test]
fn the_chip_of_a_card_in_a_reader_shows_that_it_is_genuine() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let image = image(&erika());
    fs::write(computer.path("erika.xml"), &image).unwrap();
    fs::copy("fixtures/pki/test-cvc-root.cvc", computer.path("root.cvc")).unwrap();
    let card = InReader::insert(&service, Reader::First, VirtualCard::load(&image).unwrap());
    let genuine = ["card", "genuine", "--json", "--cvc-root", "root.cvc"];
    let expected = computer.run(&[&genuine[..], &["--virtual-card", "erika.xml"]].concat()).json();
    assert_eq!((&expected["root"], &expected["proves"]), (&Value::from("DEKXX810226"), &Value::from("chip")));
    assert_eq!(computer.run(&genuine).json(), expected);
    assert_eq!(computer.run(&[&genuine[..], &["--short-apdus"]].concat()).json(), expected);
    assert_eq!(card.verifies(), 0);
    drop(card);

    let card = VirtualCard::load_contactless(&image, &mut UnwrapErr(getrandom::SysRng)).unwrap();
    let _card = InReader::insert(&service, Reader::First, card);
    let without_contacts = computer.run(&[&genuine[..], &["--can", "123123"]].concat()).json();
    assert_eq!(
        (&without_contacts["root"], &without_contacts["interface"]),
        (&expected["root"], &Value::from("contactless"))
    );
}

/// A session is a header and one line for each command. In a short command nothing follows the header but one byte.
#[test]
fn commands_are_as_long_as_the_reader_can_bear() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let _card = InReader::insert(&service, Reader::First, card(&erika()));
    let record = |words: &[&str]| {
        computer.run(&[&["record", "--out", "session.jsonl"], words].concat()).success();
        let text = fs::read_to_string(computer.path("session.jsonl")).unwrap();
        let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (lines.remove(0), lines)
    };
    let length = |line: &Value, member: &str| line[member].as_str().unwrap().len() / 2;

    let (header, lines) = record(&[]);
    assert_eq!(header["supports_extended_length"], true);
    assert_eq!(lines.len(), 9);
    assert!(lines.iter().any(|line| length(line, "tx") == 7 && length(line, "rx") > 258));

    let (header, lines) = record(&["--short-apdus"]);
    assert_eq!(header["supports_extended_length"], false);
    let reads: Vec<_> = lines.iter().filter(|line| line["tx"].as_str().unwrap().starts_with("00B0")).collect();
    assert!(reads.len() > 9);
    assert!(reads.iter().all(|line| length(line, "tx") == 5 && length(line, "rx") <= 258));
}

/// Whoever reads the output gets one answer: what the card told, or what went wrong.
#[test]
fn a_session_that_cannot_be_written_or_does_not_fit() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let _card = InReader::insert(&service, Reader::First, card(&erika()));
    let only_the_failure = |words: &[&str], exit_code: i32| {
        let ended = computer.run(words);
        let told: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((ended.code, &told["error"]["exit_code"]), (Some(exit_code), &exit_code.into()), "{told}");
        assert_eq!(told.as_object().unwrap().len(), 1);
    };
    only_the_failure(&["record", "--json", "--out", "/proc/session.jsonl"], 6);

    computer.run(&["record", "--out", "session.jsonl"]).success();
    let text = fs::read_to_string(computer.path("session.jsonl")).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let [all_but_one @ .., last] = &lines[..] else { panic!("{text}") };
    for (session, exit_code) in [
        ([&lines[..], &[last]].concat(), 80),
        (all_but_one.to_vec(), 80),
        ([all_but_one, &["{}"]].concat(), 81),
        (Vec::new(), 81),
    ] {
        fs::write(computer.path("other.jsonl"), session.join("\n")).unwrap();
        only_the_failure(&["replay", "--json", "other.jsonl"], exit_code);
    }
}

/// Each keeps the others out only while it reads.
#[test]
fn several_programs_read_at_the_same_time() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let _card = InReader::insert(&service, Reader::First, card(&erika()));
    let expected = computer.run(&["read"]).success();
    let ours: Vec<_> = (0..4).map(|_| computer.start(&["read"])).collect();
    let others: Vec<_> = (0..4).map(|_| computer.start_foreign("opensc-tool", &["-s", "80200002"])).collect();
    for program in ours {
        assert_eq!(program.wait().success(), expected);
    }
    for program in others {
        assert!(program.wait().success().contains("SW1=0x63, SW2=0xC3"));
    }
}

#[test]
fn a_card_that_lies_on_a_reader_without_contacts() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let card = VirtualCard::load_contactless(&image(&erika()), &mut UnwrapErr(getrandom::SysRng)).unwrap();
    let _inserted = InReader::insert(&service, Reader::First, card);
    assert_eq!(computer.readers()[0].1, "egk_contactless");
    for words in [&["read", "--json", "--can", "123123"][..], &["read", "--json", "--can", "123123", "--short-apdus"]] {
        let report = computer.run(words).json();
        assert_eq!(report["card"]["interface"], "contactless");
        assert_eq!(report["person"]["family_name"], "Müstermann");
    }
    computer.run(&["read", "--can", "123124"]).fails_with(35, "can_wrong");
    computer.run(&["read", "--can", "12312"]).fails_with(5, "input_invalid");
    computer.run(&["read"]).fails_with(22, "card_contactless");
    let mut terminal = Terminal::start(&computer, "read");
    for (time, number) in [(1, "1231"), (2, "654321"), (3, "123123")] {
        terminal.wait_for("Card access number (6 digits):", time);
        terminal.type_line(number);
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    for told in [
        "six digits on the front of the card",
        "! The card access number (CAN) has six digits.",
        "nothing gets blocked",
    ] {
        assert!(screen.contains(told), "{told}: {screen}");
    }
    assert!(screen.contains("Müstermann"));
}

/// It takes away what was selected whenever it gets between two of our uses of the card.
#[test]
fn a_program_that_resets_the_card_all_the_time_disturbs_no_reading() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let erika = InReader::insert(&service, Reader::First, card(&erika()));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let resetting = scope.spawn(|| {
            let mut resets = 0;
            while !done.load(Ordering::SeqCst) {
                computer.run_foreign("opensc-tool", &["--reset"]).success();
                resets += 1;
            }
            resets
        });
        for _ in 0..6 {
            let told = computer.run(&["--json", "read"]).json();
            assert_eq!(told["person"]["kvnr"], ERIKA);
        }
        done.store(true, Ordering::SeqCst);
        assert!(resetting.join().unwrap() > 0);
    });
    assert_eq!(erika.verifies(), 0);
}
