//! Something breaks down that is not the card.

use std::fs::{self, File};

use kartenbund::virtual_card::vpcd::Step;

use crate::card::{DEVICE_PIN, InReader, MSE_SET, PIN, SIGN, VERIFY, card, erika};
use crate::computer::{Computer, KARTENBUND, end};
use crate::insurer::{Insurer, devices};
use crate::line::Line;
use crate::pcscd::{Pcscd, Reader};
use crate::registering::{pin_status, register};
use crate::terminal::Terminal;

/// Does something when a command comes for the `n`th time, and lets the card answer.
fn at(n: usize, command: [u8; 4], act: impl Fn() + Send) -> impl FnMut(usize, [u8; 4]) -> Step + Send {
    let mut seen = 0;
    move |_, header| {
        if header == command {
            seen += 1;
            if seen == n {
                act();
            }
        }
        Step::Answer
    }
}

#[test]
fn the_service_for_readers_goes_away_while_a_card_is_read() {
    for (name, last) in [("KILL", 1), ("TERM", 2), ("KILL", 5), ("TERM", 9)] {
        let service = Pcscd::start();
        let computer = Computer::at(&service);
        let inserted = InReader::insert(&service, Reader::First, card(&erika()));
        let id = service.id();
        inserted.watch(move |number, _| {
            if number == last {
                end(id, name);
            }
            Step::Answer
        });
        computer.run(&["read"]).fails_with(10, "no_pcsc_service");
        computer.run(&["read"]).fails_with(10, "no_pcsc_service");
    }
}

#[test]
fn the_service_for_readers_goes_away_while_a_computer_registers() {
    let insurer = Insurer::start();
    let mut service = Pcscd::start();
    let mut computer = insurer.computer_of_erika(&service);
    let mut card = card(&erika());
    for (n, command) in [(1, VERIFY), (1, MSE_SET), (1, SIGN), (2, SIGN)] {
        let inserted = InReader::insert(&service, Reader::First, card);
        let id = service.id();
        inserted.watch(at(n, command, move || end(id, "KILL")));
        register(&computer, &[PIN, DEVICE_PIN]).fails_with(10, "no_pcsc_service");
        register(&computer, &[PIN, DEVICE_PIN]).fails_with(10, "no_pcsc_service");
        assert_eq!(inserted.verifies(), 1);
        assert_eq!(devices(&computer), []);
        assert_eq!(computer.kept(), ["profile.json", "session.json"]);
        card = inserted.take_out();
        service = Pcscd::start();
        computer.move_to(&service);
    }
    let _inserted = InReader::insert(&service, Reader::First, card);
    register(&computer, &[PIN, DEVICE_PIN]).success();
    assert_eq!(devices(&computer).len(), 1);
}

#[test]
fn the_service_for_readers_goes_away_while_the_pin_is_typed() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let inserted = InReader::insert(&service, Reader::First, card(&erika()));
    let mut terminal = Terminal::start(&computer, "register --method card");
    terminal.wait_for_hidden("PIN of the health card", 1);
    drop(service);
    for (question, answer) in [("", PIN), ("New device PIN", DEVICE_PIN), ("Device PIN once more", DEVICE_PIN)] {
        terminal.wait_for_hidden(question, 1);
        terminal.type_line(answer);
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(10), "{screen}");
    assert!(screen.contains("Code: no_pcsc_service (10)"));
    assert_eq!(inserted.verifies(), 0);
    assert_eq!(devices(&computer), []);
}

/// Whatever a program leaves behind that has no time to tidy up: not a verified PIN, and nothing half done.
#[test]
fn the_program_is_killed_in_the_middle() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let inserted = InReader::insert(&service, Reader::First, card(&erika()));
    for (n, command) in [(1, MSE_SET), (1, SIGN), (2, SIGN)] {
        let (tell, told) = std::sync::mpsc::channel();
        inserted.watch(at(n, command, move || {
            let id = told.recv().unwrap();
            end(id, "KILL");
        }));
        let words = ["register", "--method", "card", "--pin-fd", "0"];
        let running = computer.start_with(&words, &[PIN, DEVICE_PIN]);
        tell.send(running.id()).unwrap();
        assert_eq!(running.wait().code, None);
        crate::eventually("another program may use the card", || {
            computer.readers().into_iter().find(|(_, state)| state == "egk")
        });
        assert_eq!(pin_status(&computer), "63C3");
        assert_eq!(inserted.verifies(), 1);
        assert_eq!(devices(&computer), []);
    }
    inserted.start_counting();
    register(&computer, &[PIN, DEVICE_PIN]).success();
    assert_eq!(devices(&computer).len(), 1);
}

/// The insurer has bound the computer, and the computer does not know.
#[test]
fn the_answer_of_the_insurer_is_lost() {
    let line = Line::new();
    let insurer = Insurer::start_behind(&line);
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let inserted = InReader::insert(&service, Reader::First, card(&erika()));
    line.lose_the_next_answer();
    register(&computer, &[PIN, DEVICE_PIN]).fails_with(50, "service_unreachable");
    assert!(line.has_lost_it());
    assert_eq!(computer.kept(), ["device.pending.json", "profile.json", "session.json"]);
    let bound = devices(&computer);
    assert_eq!(bound.len(), 1);

    // The card is in the drawer again, and nobody is asked for a PIN.
    inserted.take_out();
    computer.wait_until(Reader::First.name(), "empty");
    let ended = computer.run(&["register", "--method", "card"]);
    assert!(ended.stderr.contains("! The last registration had arrived and was completed"), "{ended:?}");
    ended.success();
    assert_eq!(devices(&computer), bound);
    assert_eq!(computer.kept(), ["device.json", "profile.json", "session.json"]);
    computer.run(&["register", "--method", "card"]).fails_with(61, "already_registered");
    insurer.stop();
}

/// `kartenbund … 2>&1 | head -1`: whoever reads has seen enough and gone away, and the program does its work.
#[test]
fn nobody_reads_what_the_program_tells() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let _inserted = InReader::insert(&service, Reader::First, card(&erika()));
    fs::write(computer.path("pins"), format!("{PIN}\n{DEVICE_PIN}\n")).unwrap();
    for words in ["readers", "read", "read --json", "register --method card --pin-fd 0", "--help"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = computer.command(KARTENBUND);
        command.args(words.split(' ')).stdin(File::open(computer.path("pins")).unwrap());
        let mut process = command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
        let status = crate::eventually("the program ends", || process.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{words}");
    }
    assert_eq!(devices(&computer).len(), 1);
}

#[test]
fn the_insurer_cannot_be_reached_any_more() {
    let mut insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let inserted = InReader::insert(&service, Reader::First, card(&erika()));
    // Before the challenge is fetched, and before the evidence is sent.
    for (n, command, kept) in [
        (1, VERIFY, &["profile.json", "session.json"][..]),
        (2, SIGN, &["device.pending.json", "profile.json", "session.json"]),
    ] {
        inserted.watch(at(n, command, insurer.cut()));
        register(&computer, &[PIN, DEVICE_PIN]).fails_with(50, "service_unreachable");
        assert_eq!(pin_status(&computer), "63C3");
        assert_eq!(inserted.verifies(), 1);
        assert_eq!(computer.kept(), kept);
        // The card is not bothered as long as nobody is there to register with.
        inserted.start_counting();
        register(&computer, &[PIN, DEVICE_PIN]).fails_with(50, "service_unreachable");
        assert_eq!(inserted.verifies(), 0);
        insurer.start_again();
        assert_eq!(devices(&computer), []);
    }
    register(&computer, &[PIN, DEVICE_PIN]).success();
    assert_eq!(inserted.verifies(), 1);
    assert_eq!(devices(&computer).len(), 1);
    assert_eq!(computer.kept(), ["device.json", "profile.json", "session.json"]);
    insurer.stop();
}
