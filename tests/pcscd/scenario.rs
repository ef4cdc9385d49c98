//! A card in a state, and a reader with its own ways, through the service: what every program meets that uses them.

use std::fs;

use crate::card::{erika, image};
use crate::computer::Computer;
use crate::foreign::opensc;
use crate::pcscd::{Pcscd, Reader};

#[test]
fn a_scenario_holds_for_every_program_that_uses_the_reader() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    fs::write(computer.path("erika.xml"), image(&erika())).unwrap();
    let mut reader = Reader::First;
    let mut with = |scenario: &str, more: &[&str], state: &str, work: &dyn Fn(&str)| {
        fs::write(computer.path("scenario.toml"), scenario).unwrap();
        let address = service.address(reader).to_string();
        let words = ["virtual-card", "run", "erika.xml", "--vpcd", &address, "--scenario", "scenario.toml"];
        let running = computer.start(&[&words, more].concat());
        computer.wait_until(reader.name(), state);
        work(reader.name());
        drop(running);
        computer.wait_until(reader.name(), "empty");
        reader = reader.other();
    };
    with("[reader]\nrefuse_le_00 = true\nextended_length = \"6700\"\n", &[], "egk", &|reader| {
        assert!(computer.run(&["read", "--reader", reader]).success().contains("Erika Müstermann"));
        if reader == Reader::First.name() {
            let answers = opensc(&computer, &["00A4040C07D2760001448000", "00B0910000", "00B091002D"]);
            assert_eq!(answers[..2], ["9000", "6700"]);
            assert!(answers[2].ends_with("9000"));
        }
    });
    with("[card]\npin = \"transport\"\n", &[], "egk", &|reader| {
        let told = computer.run(&["card", "pin", "status", "--reader", reader]).success();
        assert!(told.contains("transport PIN"), "{told}");
    });
    with("[card]\npd = \"exploding\"\n", &[], "egk", &|reader| {
        computer.run(&["read", "--reader", reader]).fails_with(25, "card_data");
    });
    with("[reader]\nbare_status_from = 2\n", &["--contactless"], "egk_contactless", &|reader| {
        computer.run(&["read", "--reader", reader, "--can", "123123"]).fails_with(18, "secure_line");
    });
    with("[card]\ncan = \"987654\"\n", &["--contactless"], "egk_contactless", &|reader| {
        computer.run(&["read", "--reader", reader, "--can", "123123"]).fails_with(35, "can_wrong");
    });
}
