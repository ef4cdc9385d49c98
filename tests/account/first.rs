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
