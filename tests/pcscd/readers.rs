//! What is in the readers, and what is in the way.

use kartenbund::virtual_card::VirtualCard;

use crate::card::{InReader, WrongWayRound, card, card_with_application, erika, image};
use crate::computer::Computer;
use crate::pcscd::{Pcscd, Reader};

#[test]
fn a_card_is_put_in_and_taken_out_again() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let states = || computer.readers().into_iter().map(|(_, state)| state).collect::<Vec<_>>();
    assert_eq!(states(), ["empty", "empty"]);
    let erika = InReader::insert(&service, Reader::Second, card(&erika()));
    assert_eq!(states(), ["empty", "egk"]);
    let answer = computer.run(&["readers", "--json", "--reader", "Virtual 00 01"]).json();
    let expected =
        r#"{"readers":[{"generation":"G2.1","name":"Virtual 00 01","object_system":"4.5.2","state":"egk"}]}"#;
    assert_eq!(answer.to_string(), expected);
    assert_eq!(computer.run(&["readers"]).success(), "Virtual 00 00: no card\nVirtual 00 01: health card G2.1\n");
    erika.take_out();
    computer.wait_until("Virtual 00 01", "empty");
}

#[test]
fn cards_that_are_no_health_cards_are_named() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    for (first, second) in [
        (
            ("D27600014601", "hba", "This is a health professional's card, not a health card."),
            ("D27600014606", "smc_b", "This is the card of a practice or institution, not a health card."),
        ),
        (
            ("A000000025010402", "other_card", "This is not an electronic health card."),
            ("D27600000102", "other_card", "This is not an electronic health card."),
        ),
    ] {
        let cards = [(Reader::First, first), (Reader::Second, second)].map(|(reader, (aid, state, told))| {
            (InReader::insert(&service, reader, card_with_application(aid)), state, told)
        });
        for (card, state, told) in &cards {
            computer.wait_until(card.reader(), state);
            let failure = computer.run(&["read", "--reader", card.reader()]).fails_with(20, "not_an_egk");
            assert_eq!(failure.cause, *told);
        }
        for (card, ..) in cards {
            let reader = card.reader();
            card.take_out();
            computer.wait_until(reader, "empty");
        }
    }
}

#[test]
fn a_card_the_wrong_way_round_is_to_be_turned_over() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let card = WrongWayRound::insert(&service, Reader::First);
    computer.wait_until("Virtual 00 00", "mute");
    let told = computer.run(&["read"]).fails_with(13, "mute_card");
    assert!(told.remedy.starts_with("Turn the card over"));
    computer.run(&["read", "--reader", "Virtual 00 00"]).fails_with(13, "mute_card");
    computer.run(&["read", "--reader", "Virtual 00 01"]).fails_with(12, "no_card");
    drop(card);
    computer.wait_until("Virtual 00 00", "empty");
}

#[test]
fn a_card_with_dirty_contacts_is_not_understood() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let dirty = image(&erika()).replace("3BD097FF81B1FE451F072B", "FFFFFF");
    let _card = InReader::insert(&service, Reader::First, VirtualCard::load(&dirty).unwrap());
    computer.wait_until("Virtual 00 00", "mute");
    let told = computer.run(&["read"]).fails_with(13, "mute_card");
    assert!(told.remedy.contains("clean the chip"));
}

#[test]
fn of_two_cards_one_has_to_be_named() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let _erika = InReader::insert(&service, Reader::First, card(&erika()));
    computer.run(&["read"]).success();
    let _other = InReader::insert(&service, Reader::Second, card_with_application("D27600014601"));
    let told = computer.run(&["read"]).fails_with(14, "several_cards");
    assert!(told.remedy.contains("--reader NAME"));
    computer.run(&["read", "--reader", "Virtual 00 00"]).success();
    computer.run(&["read", "--reader", "Virtual 00 01"]).fails_with(20, "not_an_egk");
}

#[test]
fn a_reader_that_is_not_there() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let _erika = InReader::insert(&service, Reader::First, card(&erika()));
    for words in [&["read"][..], &["readers"], &["record", "--out", "session.jsonl"]] {
        let words = [words, &["--reader", "REINER SCT"]].concat();
        let told = computer.run(&words).fails_with(11, "no_reader");
        assert_eq!(told.cause, "The card reader \"REINER SCT\" is not connected.");
    }
    let answer = computer.run(&["read", "--json", "--reader", "REINER SCT"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(11), ""));
    let answer: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((&answer["error"]["code"], &answer["error"]["exit_code"]), (&"no_reader".into(), &11.into()));
    assert!(!computer.path("session.jsonl").exists());
}

#[test]
fn a_computer_without_readers() {
    let service = Pcscd::without_readers();
    let computer = Computer::at(&service);
    assert_eq!(computer.run(&["readers"]).success(), "No card reader is connected.\n");
    let told = computer.run(&["read"]).fails_with(11, "no_reader");
    assert_eq!(told.cause, "No card reader is connected.");
    computer.run(&["read", "--reader", "Virtual 00 00"]).fails_with(11, "no_reader");
}

#[test]
fn readers_without_a_card() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    for words in [&["read"][..], &["read", "--reader", "Virtual 00 00"], &["record", "--out", "session.jsonl"]] {
        computer.run(words).fails_with(12, "no_card");
    }
    assert!(!computer.path("session.jsonl").exists());
}

#[test]
fn a_computer_without_the_service_for_readers() {
    let computer = Computer::without_service();
    for words in [&["readers"][..], &["read"], &["record", "--out", "session.jsonl"]] {
        let told = computer.run(words).fails_with(10, "no_pcsc_service");
        assert!(told.remedy.contains("pcscd"));
    }
    assert!(!computer.path("session.jsonl").exists());
    // It tells its story up to there.
    let mut demo = computer.run(&["demo", "--pcsc", "--dir", "demo"]);
    demo.stdout.clear();
    demo.fails_with(10, "no_pcsc_service");
}
