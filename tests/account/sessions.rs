//! Logins here and elsewhere, as the person sees and ends them.

use super::common::web_branch::{WEBSITE, WEBSITE_NAME, WebBranch};
use super::common::{ERIKA, TestDatabase, typed};
use super::*;
use kartenbund::protocol::api::LoginRequest;

fn login(computer: &Computer, world: &World, password: &str) {
    let output = computer.run(&["login", "--service", &world.address, "--kvnr", ERIKA], &[password]);
    assert!(output.status.success(), "{output:?}");
}

fn list(computer: &Computer) -> Vec<Value> {
    let answer = computer.json(&["sessions"], &[]);
    assert_eq!(answer["session_place"], "file");
    answer["sessions"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

#[test]
fn logins_are_listed_and_ended_one_by_one_or_all_at_once() {
    let world = world();
    let password = world.member(ERIKA);
    let (here, office, library) = (Computer::new(), Computer::new(), Computer::new());
    [&here, &office, &library].into_iter().for_each(|computer| login(computer, &world, &password));
    let sessions = list(&here);
    assert_eq!(sessions.len(), 3);
    assert_eq!(sessions.iter().filter(|session| session["is_current"] == true).count(), 1);
    let told = text(&here.run(&["sessions", "list"], &[]).stdout);
    assert_eq!(told.matches("(this login)").count(), 1, "{told}");
    assert_eq!(told.matches("with password").count(), 3, "{told}");
    assert_eq!(told.matches("in a file that only your user can read").count(), 1, "{told}");

    let other = list(&office).into_iter().find(|session| session["is_current"] == true).unwrap();
    let id = other["session_id"].as_str().unwrap();
    assert_eq!(here.json(&["sessions", "end", id], &[])["ended"], 1);
    assert_eq!(office.refused(&["devices"], &[]), ("session_ended".to_owned(), 47));
    assert_eq!(here.refused(&["sessions", "end", id], &[]).0, "not_found");
    assert_eq!(here.refused(&["sessions", "end", "nonsense"], &[]), ("input_invalid".to_owned(), 5));
    assert_eq!(here.refused(&["sessions", "end"], &[]), ("usage".to_owned(), 2));

    assert_eq!(here.json(&["sessions", "end", "--others"], &[])["ended"], 1);
    assert_eq!(library.refused(&["devices"], &[]).0, "session_ended");
    assert_eq!(list(&here).len(), 1);
    let told = text(&here.run(&["sessions", "end", "--others"], &[]).stdout);
    assert_eq!(told, "There were no other logins.\n");
}

#[test]
fn logging_out_everywhere_ends_the_other_logins_too() {
    let world = world();
    let password = world.member(ERIKA);
    let (here, office) = (Computer::new(), Computer::new());
    [&here, &office].into_iter().for_each(|computer| login(computer, &world, &password));
    let told = text(&here.run(&["logout", "--everywhere"], &[]).stdout);
    assert_eq!(told, "Logged out, here and from one other login.\n");
    assert_eq!(office.refused(&["devices"], &[]).0, "session_ended");
    assert_eq!(here.refused(&["devices"], &[]), ("no_session".to_owned(), 56));
    login(&here, &world, &password);
    assert_eq!(list(&here).len(), 1);
}

#[test]
fn the_insurers_website_is_told_from_a_program_that_takes_its_name() {
    let website = WebBranch::new(WEBSITE);
    let clock = ManualClock::at(OffsetDateTime::now_utc());
    let world = World::configured(tempfile::tempdir().unwrap(), TestDatabase::new(), clock, |settings| {
        settings.clients = vec![website.configured()];
    });
    let password = world.member(ERIKA);
    let here = Computer::new();
    login(&here, &world, &password);
    website.browser(&world, "198.51.100.7").log_in(ERIKA, &password).unwrap();
    let client_name = Some(WEBSITE_NAME.to_owned());
    let request = LoginRequest { kvnr: ERIKA.to_owned(), password: typed(&password), client_name };
    world.ask_to_log_in(&request).unwrap();

    let sessions = list(&here);
    assert_eq!(sessions.iter().filter(|session| session["client"] == WEBSITE_NAME).count(), 1, "{sessions:?}");
    let told = text(&here.run(&["sessions"], &[]).stdout);
    let through: Vec<_> = told.lines().filter(|line| line.starts_with("  through: ")).collect();
    assert_eq!(through, [format!("  through: {WEBSITE_NAME}")], "{told}");
    assert!(told.contains("Firefox: with password"), "{told}");
}
