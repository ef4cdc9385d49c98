//! Programs that bring a card along.

use std::fs;

use crate::card::{erika, image};
use crate::computer::{Computer, Running};
use crate::pcscd::{Pcscd, Reader};

#[test]
fn the_whole_story_through_the_service() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let port = service.address(Reader::Second).to_string();
    let story = computer.run(&["demo", "--pcsc", "--vpcd", &port, "--dir", "demo"]).success();
    let begin = "Kartenbund: from the health card to the approved application\n";
    assert!(story.starts_with(begin), "{story}");
    assert!(story.contains("virtual reader of the PC/SC service: Virtual 00 01"), "{story}");
    assert!(story.contains("Registered: level B3"), "{story}");
    assert!(story.contains("Everything worked"), "{story}");
    let verify = "evidence verify demo/evidence.json --anchor demo/test-egk-ca.pem --service-key demo/service-key.json";
    computer.run(&verify.split(' ').collect::<Vec<_>>()).success();
    let forged = verify.replace("evidence.json", "forged.json");
    assert_eq!(computer.run(&forged.split(' ').collect::<Vec<_>>()).code, Some(70));
    // Once more in the same folder: what is there is left alone.
    computer.run(&["demo", "--dir", "demo"]).fails_with(5, "input_invalid");
    computer.wait_until(Reader::Second.name(), "empty");
}

#[test]
fn a_card_that_is_a_program() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let path = computer.path("card.xml");
    fs::write(&path, image(&erika())).unwrap();
    let mut command = computer.command(crate::computer::KARTENBUND);
    let address = service.address(Reader::First).to_string();
    command.args(["--lang", "en", "virtual-card", "run", "card.xml", "--vpcd", &address]);
    let card = Running::start(command);
    computer.wait_until(Reader::First.name(), "egk");
    assert!(card.output().contains("The card is in the virtual reader"));
    assert!(computer.run(&["read"]).success().contains("Erika Müstermann"));
    drop(card);
    computer.wait_until(Reader::First.name(), "empty");
}
