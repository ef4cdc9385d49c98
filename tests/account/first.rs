//! The first login: with the password of a letter, and on to one of one's own.

use super::common::{ERIKA, register_of};
use super::*;

const OWN: &str = "Regenschirm im Juni 1998";

/// A person who has nothing but a letter, and the password in it.
fn letter(world: &World) -> String {
    assert_eq!(world.import_report(&register_of(&[ERIKA])).imported, 1);
    let (_, passwords) = world.create_letters();
    passwords.into_iter().next().unwrap().1
}

fn words(world: &World) -> [&str; 5] {
    ["login", "--service", &world.address, "--kvnr", ERIKA]
}

#[test]
fn a_script_logs_in_with_the_letter_chooses_a_password_and_goes_on() {
    let (world, here) = (world(), Computer::new());
    let initial = letter(&world);
    let login = here.json(&words(&world), &[&initial, OWN]);
    assert_eq!((&login["password_chosen"], &login["session_place"]), (&Value::Bool(true), &Value::from("file")));
    assert!(here.run(&["devices"], &[]).status.success());
    let sessions = here.json(&["sessions"], &[])["sessions"].as_array().unwrap().clone();
    let methods: Vec<_> = sessions.iter().map(|session| session["method"].clone()).collect();
    assert_eq!(methods, ["password"], "the one with the letter has ended");
    assert_eq!(world.state_of(ERIKA), "active");
    let again = here.json(&words(&world), &[OWN]);
    assert_eq!(again["password_chosen"], false);
    let elsewhere = Computer::new().refused(&words(&world), &[&initial, OWN]).0;
    assert!(["login_failed", "initial_password_ended"].contains(&elsewhere.as_str()), "{elsewhere}");
}

#[test]
fn whoever_breaks_off_can_go_on_with_the_same_letter_on_this_computer_and_nowhere_else() {
    let (world, here) = (world(), Computer::new());
    let initial = letter(&world);
    assert_eq!(here.refused(&words(&world), &[&initial]), ("nobody_there".to_owned(), 4));
    assert_eq!(here.refused(&["devices"], &[]), ("password_first".to_owned(), 48), "nothing else is possible");
    assert_eq!(Computer::new().refused(&words(&world), &[&initial, OWN]).0, "initial_password_ended");
    assert_eq!(here.refused(&words(&world), &[&initial, "short"]), ("password_refused".to_owned(), 78));
    assert_eq!(here.refused(&words(&world), &[&initial, &initial]), ("password_refused".to_owned(), 78));
    // The login is open still: `password change` goes on as well, and asks for no old one.
    assert_eq!(here.json(&["password", "change"], &[OWN])["changed"], true);
    assert!(here.run(&["devices"], &[]).status.success());
}

#[test]
fn at_a_terminal_the_program_says_what_happens_in_both_languages() {
    for (language, password, new, again, said) in [
        (
            "de",
            "Passwort:",
            "Neues Passwort:",
            "Neues Passwort noch einmal:",
            [
                "Das Passwort aus dem Brief ist damit benutzt",
                "Das neue Passwort ist zu kurz",
                "Angemeldet bei Musterkasse.",
            ],
        ),
        (
            "en",
            "Password:",
            "New password:",
            "New password once more:",
            ["the password of the letter is used", "The new password is too short", "Logged in at Musterkasse."],
        ),
    ] {
        let (world, here) = (world(), Computer::new());
        let initial = letter(&world);
        let mut terminal = terminal::Terminal::start(&here, language, &words(&world).join(" "));
        terminal.answer(password, 1, &initial);
        for (n, typed) in [(1, "abc"), (2, OWN)] {
            terminal.answer(new, n, typed);
            terminal.answer(again, n, typed);
        }
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(0), "{screen}");
        assert!(said.iter().all(|said| screen.contains(said)), "{screen}");
        assert!(![initial.as_str(), OWN, "abc"].iter().any(|secret| screen.contains(secret)), "{screen}");
        assert!(here.run(&["devices"], &[]).status.success());
    }
}

#[test]
fn a_program_that_is_too_old_for_the_service_says_so_before_anything_is_typed() {
    let old = world().restarted(|settings| settings.min_client = "99.0.0".parse().unwrap());
    let initial = letter(&old);
    let here = Computer::new();
    assert_eq!(here.refused(&words(&old), &[&initial, OWN]), ("program_too_old".to_owned(), 120));
    let told = text(&here.run(&words(&old), &[]).stderr);
    assert!(told.contains("at least version 99.0.0") && told.contains("Next: Install"), "{told}");
    let mended = old.restarted(|settings| settings.min_client = env!("CARGO_PKG_VERSION").parse().unwrap());
    assert_eq!(here.json(&words(&mended), &[&initial, OWN])["password_chosen"], true, "no password was used up");
}

#[test]
fn the_number_to_call_is_at_hand_whenever_it_is_needed() {
    let (world, here) =
        (world().restarted(|settings| settings.insurer.hotline = "0800 123 456".to_owned()), Computer::new());
    let initial = letter(&world);
    assert_eq!(here.json(&words(&world), &[&initial, OWN])["hotline"], "0800 123 456");
    let told = text(&here.run(&["accounts"], &[]).stdout);
    assert!(told.contains("The insurer's telephone number: 0800 123 456"), "{told}");
    assert_eq!(here.json(&["accounts"], &[])["accounts"][0]["hotline"], "0800 123 456");
}
