//! A computer that is gone, and the one that is registered in its place: whatever breaks off, the same command goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::card_and_reset::{card, run};
use super::common::line::Liar;
use super::common::{CARD_PIN, DEVICE_PIN, ERIKA, PASSWORD};
use super::*;

/// Logs in with the password.
fn logged_in(address: &str) -> Computer {
    let computer = Computer::new();
    computer.json(&["login", "--service", address, "--kvnr", ERIKA], &[PASSWORD]);
    computer
}

fn log_in_with_card(computer: &Computer) {
    let image = card(computer, ERIKA);
    let login = ["login", "--card", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    assert_eq!(run(computer, &login, &[CARD_PIN], &[])["insurer"], "Musterkasse");
}

fn register(computer: &Computer, words: &[&str]) -> Value {
    let image = card(computer, ERIKA);
    let register = ["register", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    run(computer, &[&register[..], words].concat(), &[CARD_PIN, DEVICE_PIN], &[])
}

fn id(device: &Value) -> String {
    device["device_id"].as_str().unwrap_or_else(|| panic!("{device}")).to_owned()
}

/// What the program says before it does not find this card.
fn said_without_card(computer: &Computer, words: &[&str]) -> String {
    let output = computer.run(&[&["register", "--virtual-card", "nowhere"], words].concat(), &[]);
    assert!(!output.status.success());
    text(&output.stderr)
}

fn states(world: &World) -> Vec<String> {
    world.column("SELECT state FROM device ORDER BY state")
}

#[test]
fn who_has_lost_a_computer_and_then_the_answer_repeats_what_she_did() {
    let is_cut = Arc::new(AtomicBool::new(false));
    let cut = Arc::clone(&is_cut);
    let (line, world) = Liar::in_front_of(
        |address| {
            let clock = ManualClock::at(OffsetDateTime::now_utc());
            World::configured(tempfile::tempdir().unwrap(), TestDatabase::new(), clock, |settings| {
                settings.payer_iks = vec![MUSTERKASSE_IK.parse().unwrap()];
                settings.anchors = Box::new(anchors_of(&[&ca()]));
                settings.issuer = address.to_owned();
            })
        },
        |_| true,
        move |path| !(path.ends_with("/evidence") && cut.load(Ordering::SeqCst)),
    );
    world.member(ERIKA);
    let (laptop, desktop) = (logged_in(&line.address), logged_in(&line.address));
    let lost = id(&register(&laptop, &[]));
    is_cut.store(true, Ordering::SeqCst);
    let unanswered = register(&desktop, &["--lost", &lost]);
    assert_eq!(unanswered["error"]["code"], "service_unreachable", "{unanswered}");
    assert_eq!(states(&world), ["active", "revoked"], "the service has done all of it");
    is_cut.store(false, Ordering::SeqCst);
    let image = card(&desktop, ERIKA);
    let again = desktop.json(&["register", "--virtual-card", image.to_str().unwrap(), "--lost", &lost], &[]);
    assert_eq!(again["state"], "active", "neither card PIN nor device PIN: {again}");
    assert_eq!(states(&world), ["active", "revoked"]);
    assert_eq!(desktop.json(&["devices"], &[])["devices"][0]["device_id"], again["device_id"]);
}

#[test]
fn who_has_removed_the_lost_one_before_the_card_was_there_goes_on() {
    let world = world();
    world.member(ERIKA);
    let lost = id(&register(&logged_in(&world.address), &[]));
    let desktop = logged_in(&world.address);
    log_in_with_card(&desktop);
    assert!(said_without_card(&desktop, &["--lost", &lost]).contains("The device is removed."));
    assert_eq!(states(&world), ["revoked"]);
    assert!(said_without_card(&desktop, &["--lost", &lost]).contains("The device had been removed before."));
    let own = id(&register(&desktop, &["--lost", &lost]));
    desktop.json(&["devices", "remove", &own], &[]);
    // Named twice: gone before, and still there.
    let own = id(&register(&desktop, &["--lost", &lost, &format!("--replace={lost}")]));
    desktop.json(&["devices", "remove", &own], &[]);
    let lost = id(&register(&logged_in(&world.address), &[]));
    id(&register(&desktop, &["--lost", &lost, &format!("--replace={lost}")]));
    assert_eq!(world.count("SELECT COUNT(*) FROM device WHERE state <> 'revoked'"), 1);
}

#[test]
fn a_lost_one_whose_time_is_over_is_not_told_as_locked() {
    let world = world();
    world.member(ERIKA);
    let lost = id(&register(&logged_in(&world.address), &[]));
    let desktop = logged_in(&world.address);
    world.sql("UPDATE device SET state = 'expired'").unwrap();
    let said = said_without_card(&desktop, &["--lost", &lost]);
    assert!(said.contains("its registration has expired") && !said.contains("locked"), "{said}");
    assert_eq!(register(&desktop, &["--lost", &lost])["state"], "active");
    assert_eq!(states(&world), ["active", "revoked"]);
}

#[test]
fn a_computer_that_is_registered_already_takes_nobodys_place_and_locks_nobody() {
    let world = world();
    world.member(ERIKA);
    let (laptop, desktop) = (logged_in(&world.address), logged_in(&world.address));
    let (lost, _) = (id(&register(&laptop, &[])), register(&desktop, &[]));
    for words in [&["--lost", &lost][..], &[&format!("--replace={lost}")]] {
        assert_eq!(register(&desktop, words)["error"]["code"], "already_registered");
        let said = said_without_card(&desktop, words);
        let ways = ["kartenbund devices lock", "kartenbund login --card", "kartenbund devices remove"];
        assert!(ways.iter().all(|way| said.contains(way)) && !said.contains("--replace"), "{said}");
    }
    assert!(said_without_card(&desktop, &[]).contains("--replace"), "registered anew, if that was meant");
    assert_eq!(states(&world), ["active", "active"]);
    // Its own, which somebody has found again at last.
    let own = id(&desktop.json(&["devices"], &[])["devices"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["device_id"] != *lost)
        .unwrap()
        .clone());
    assert_eq!(register(&desktop, &["--lost", &lost, &format!("--replace={own}")])["state"], "active");
    assert_eq!(states(&world), ["active", "revoked", "revoked"]);
}

#[test]
fn a_login_of_a_while_ago_unlocks_and_removes_no_other_device_and_the_program_says_how() {
    let world = world();
    world.member(ERIKA);
    let (laptop, desktop) = (logged_in(&world.address), logged_in(&world.address));
    let (lost, _) = (id(&register(&laptop, &[])), register(&desktop, &[]));
    let log_in = || run(&desktop, &["login", "--device", "--pin-fd", "3"], &[DEVICE_PIN], &[]);
    log_in();
    desktop.json(&["devices", "lock", &lost], &[]);
    world.sql("UPDATE session SET created = created - 300").unwrap();
    for deed in ["unlock", "remove"] {
        let words = ["devices", deed, &lost];
        assert_eq!(desktop.refused(&words, &[]), ("stronger_login_needed".to_owned(), 99), "{deed}");
        let said = text(&desktop.run(&words, &[]).stderr);
        for part in ["older than five minutes", "kartenbund login --device", "kartenbund login --card", "devices lock"]
        {
            assert!(said.contains(part), "{deed} {part}: {said}");
        }
    }
    log_in();
    for deed in ["unlock", "remove"] {
        assert_eq!(desktop.json(&["devices", deed, &lost], &[])["device_id"], lost.as_str());
    }
    assert_eq!(states(&world), ["active", "revoked"]);
}
