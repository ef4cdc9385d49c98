//! Two computers of one person: the registered one adds the other, with the digits that she reads there.

use super::card_and_reset::{card, run};
use super::common::{CARD_PIN, DEVICE_PIN, ERIKA, PASSWORD, TestDatabase, chip};
use super::terminal::Terminal;
use super::*;

const OTHER_PIN: &str = "141421";

fn logged_in(world: &World) -> Computer {
    let computer = Computer::new();
    let login = computer.run(&["login", "--service", &world.address, "--kvnr", ERIKA], &[PASSWORD]);
    assert!(login.status.success(), "{}", text(&login.stderr));
    computer
}

/// What stands on a screen between these words and the next blank or quotation mark.
fn after(screen: &str, words: &str) -> String {
    let rest = screen.split(words).nth(1).unwrap();
    rest.chars().take_while(|letter| !letter.is_whitespace() && *letter != '"' && *letter != '“').collect()
}

#[test]
fn the_chip_of_a_card_registers_a_computer_and_nobody_asks_for_the_card_pin() {
    let world = World::configured(
        tempfile::tempdir().unwrap(),
        TestDatabase::new(),
        ManualClock::at(OffsetDateTime::now_utc()),
        |settings| {
            settings.payer_iks = vec![MUSTERKASSE_IK.parse().unwrap()];
            settings.anchors = Box::new(anchors_of(&[&ca()]));
            settings.cvc_roots = Box::new(chip::chip_roots());
        },
    );
    world.member(ERIKA);
    let computer = logged_in(&world);
    let image = card(&computer, ERIKA);
    let register = ["register", "--method", "chip", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    let unknown = run(&computer, &register, &[DEVICE_PIN], &[]);
    assert_eq!(unknown["error"]["code"], "card_number_unknown");
    world.give_card(ERIKA, "80276001010000000001");
    assert_eq!(run(&computer, &register, &[DEVICE_PIN], &[])["error"]["code"], "chip_not_accepted");
    let read = run(&computer, &["read", "--virtual-card", image.to_str().unwrap()], &[], &[]);
    world.give_card(ERIKA, read["card"]["iccsn"].as_str().unwrap());
    let device = run(&computer, &register, &[DEVICE_PIN], &[]);
    assert_eq!((&device["binding_level"], &device["state"]), (&"B2".into(), &"pending_wait".into()), "{device}");
}

#[test]
fn the_registered_computer_adds_another_one_when_its_digits_are_typed() {
    let world = world();
    world.member(ERIKA);
    let (desktop, laptop) = (logged_in(&world), logged_in(&world));
    let image = card(&desktop, ERIKA);
    let register = ["register", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    assert_eq!(run(&desktop, &register, &[CARD_PIN, DEVICE_PIN], &[])["binding_level"], "B3");
    let too_young = run(&laptop, &["register", "--method", "device", "--pin-fd", "3"], &[OTHER_PIN], &[]);
    assert_eq!(too_young["error"]["code"], "device_too_young");
    world.sql("UPDATE device SET active_from = active_from - 1209600").unwrap();

    let mut new = Terminal::start(&laptop, "en", "register --method device --name Laptop");
    new.answer("New device PIN for this computer", 1, OTHER_PIN);
    new.answer("Device PIN once more", 1, OTHER_PIN);
    let told = new.wait_for("Do not break off here");
    let approval = after(&told, "approvals approve ");
    let mut old = Terminal::start(&desktop, "en", &format!("approvals approve {approval}"));
    let digits = new.wait_for("Tell them to nobody");
    let digits = digits.split("Type these digits on the registered device: ").nth(1).unwrap()[..9].to_owned();
    let asked = old.wait_for("Digits that the new computer shows");
    let asked = asked.split_whitespace().collect::<Vec<_>>().join(" "); // lines are broken where the screen ends
    assert!(asked.contains("Laptop"), "it says which one");
    assert!(asked.contains("If somebody tells them to you"), "nobody is to type what a stranger reads out");
    assert!(asked.contains("the program must still run there"), "it says for whom it waits");
    old.type_in("Digits that the new computer shows", 1, "0000 0000");
    old.type_in("These are other digits", 1, &digits);
    old.answer("Device PIN (6 digits)", 1, DEVICE_PIN);
    let (status, screen) = old.end();
    assert_eq!(status, Some(0), "{screen}");
    let (status, screen) = new.end();
    assert_eq!(status, Some(0), "{screen}");
    assert!(screen.contains("B1"), "{screen}");
    let devices = laptop.json(&["devices"], &[]);
    let devices = devices["devices"].as_array().unwrap();
    let [added, by] = devices.as_slice() else { panic!("{devices:?}") };
    assert_eq!(
        (&added["name"], &added["state"], &added["method"]),
        (&"Laptop".into(), &"pending_wait".into(), &"device".into())
    );
    assert_eq!((&by["state"], &by["method"]), (&"active".into(), &"card".into()));
}
