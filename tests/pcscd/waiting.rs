//! A person starts first and looks for reader and card then: the program waits, and says what for.

use crate::card::{InReader, WrongWayRound, card, erika};
use crate::computer::{Computer, end};
use crate::pcscd::{Pcscd, Reader};
use crate::terminal::Terminal;

const CARD: &str = "Please put the health card into the card reader";

#[test]
fn the_card_is_put_in_the_wrong_way_round_first() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let terminal = Terminal::start(&computer, "read");
    terminal.wait_for(CARD, 1);
    terminal.wait_for("Ctrl+C cancels.", 1);
    let wrong = WrongWayRound::insert(&service, Reader::First);
    terminal.wait_for("turn it over", 1);
    drop(wrong);
    terminal.wait_for(CARD, 2);
    let _inserted = InReader::insert(&service, Reader::First, card(&erika()));
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("Erika Müstermann"), "{screen}");
    assert_eq!(screen.matches(CARD).count(), 2, "each change is one line: {screen}");
}

#[test]
fn who_waits_for_a_card_may_give_up() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    for (words, line) in [
        ("read", CARD),
        ("card pin status --reader 'Virtual 00 01'", "the reader \"Virtual 00 01\", golden chip first"),
        ("read --reader Nobody", "Please connect the card reader \"Nobody\"."),
    ] {
        let mut terminal = Terminal::start(&computer, words);
        terminal.wait_for(line, 1);
        terminal.type_keys("\u{3}");
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(3), "{screen}");
        assert!(screen.contains("Cancelled."), "{screen}");
    }
}

#[test]
fn the_service_for_readers_goes_away_while_a_card_is_waited_for() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let mut terminal = Terminal::start(&computer, "read");
    terminal.wait_for(CARD, 1);
    end(service.id(), "TERM");
    terminal.wait_for("Waiting until it runs again", 1);
    terminal.type_keys("\u{3}");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(3), "{screen}");
}

#[test]
fn the_service_for_readers_comes_back_while_a_card_is_waited_for() {
    let mut service = Pcscd::start();
    let computer = Computer::at(&service);
    let terminal = Terminal::start(&computer, "read");
    terminal.wait_for(CARD, 1);
    service.end();
    terminal.wait_for("Waiting until it runs again", 1);
    service.start_again();
    terminal.wait_for(CARD, 2);
    let _inserted = InReader::insert(&service, Reader::First, card(&erika()));
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("Erika Müstermann"), "{screen}");
}

#[test]
fn the_reader_is_connected_later() {
    let mut service = Pcscd::without_readers();
    let computer = Computer::at(&service);
    let terminal = Terminal::start(&computer, "read");
    terminal.wait_for("Please connect a card reader.", 1);
    service.connect_readers();
    terminal.wait_for(CARD, 1);
    let _inserted = InReader::insert(&service, Reader::Second, card(&erika()));
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("Erika Müstermann"), "{screen}");
}

#[test]
fn a_script_waits_only_as_long_as_it_says() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    computer.run(&["read"]).fails_with(12, "no_card");
    let told = computer.run(&["read", "--wait", "1"]);
    assert!(told.stderr.starts_with("· Please put the health card"), "{told:?}");
    told.fails_with(12, "no_card");
    let quiet = computer.run(&["read", "--json", "--wait", "1", "--reader", "Nobody"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(11), ""));
    // In a terminal the waiting can be switched off.
    let (code, screen) = Terminal::start(&computer, "read --wait 0").end();
    assert_eq!(code, Some(12), "{screen}");

    let waiting = computer.start(&["read", "--json", "--wait", "60"]);
    let _inserted = InReader::insert(&service, Reader::Second, card(&erika()));
    assert_eq!(waiting.wait().json()["person"]["given_name"], "Erika");
}
