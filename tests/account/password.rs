//! Passwords, as the person and a script choose them.

use super::common::ERIKA;
use super::*;

const FIRST: &str = "Regenschirm im Juni 1998";
/// As long as a password manager makes them, with what a keyboard does not have.
const LONG: &str =
    "äöü ẞ 中文 €uro 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789!";

fn login(computer: &Computer, world: &World, password: &str) -> Output {
    computer.run(&["login", "--json", "--service", &world.address, "--kvnr", ERIKA], &[password])
}

#[test]
fn a_password_is_changed_with_the_old_one_and_ends_all_other_logins() {
    let world = world();
    let password = world.member(ERIKA);
    let (here, office) = (Computer::new(), Computer::new());
    for computer in [&here, &office] {
        assert!(login(computer, &world, &password).status.success());
    }
    let change = ["password", "change"];
    assert_eq!(here.refused(&change, &["wrong", FIRST]), ("old_password_wrong".to_owned(), 79));
    assert_eq!(here.refused(&change, &[&password, "short"]), ("password_refused".to_owned(), 78));
    assert_eq!(here.refused(&change, &[&password]), ("nobody_there".to_owned(), 4));
    assert_eq!(here.refused(&change, &[]), ("nobody_there".to_owned(), 4));
    assert_eq!(here.json(&change, &[&password, LONG])["changed"], true);
    assert!(here.run(&["devices"], &[]).status.success(), "this login goes on");
    assert_eq!(office.refused(&["devices"], &[]).0, "session_ended");
    assert_eq!(json_of(&login(&office, &world, &password))["error"]["code"], "login_failed");
    assert!(login(&office, &world, LONG).status.success(), "no character of it was cut off");
    let cut = &LONG[..LONG.len() - 1];
    assert_eq!(json_of(&login(&office, &world, cut))["error"]["code"], "login_failed");
}

#[test]
fn a_line_that_is_too_long_is_no_shorter_password() {
    let world = world();
    let password = world.member(ERIKA);
    let here = Computer::new();
    assert!(login(&here, &world, &password).status.success());
    for (length, code) in [(300, "password_refused"), (3000, "input_invalid")] {
        let endless = "x1Äb".repeat(length);
        assert_eq!(here.refused(&["password", "change"], &[&password, &endless]).0, code);
    }
    assert!(login(&here, &world, &password).status.success(), "it still holds");
}

#[test]
fn a_refused_password_is_told_with_its_rule_and_asked_for_again_at_a_terminal() {
    let world = world();
    let password = world.member(ERIKA);
    let here = Computer::new();
    assert!(login(&here, &world, &password).status.success());
    let mut terminal = terminal::Terminal::start(&here, "en", "password change");
    terminal.answer("Present password:", 1, &password);
    terminal.answer("New password:", 1, "abc");
    terminal.answer("New password once more:", 1, "abc");
    terminal.answer("New password:", 2, FIRST);
    terminal.answer("New password once more:", 2, "something else");
    // Pasted: all of it at once.
    terminal.answer("New password:", 3, LONG);
    terminal.answer("New password once more:", 3, LONG);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("! The new password is too short"), "{screen}");
    assert!(screen.contains("! The two entries differ"), "{screen}");
    for secret in [&password, FIRST, LONG, "abc", "something else"] {
        assert!(!screen.contains(secret), "{secret} is on the screen: {screen}");
    }
    assert!(login(&here, &world, LONG).status.success());
}
