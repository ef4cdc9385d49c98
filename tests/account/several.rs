//! Several persons on one computer.

use super::common::{ERIKA, MAX};
use super::*;

fn login(computer: &Computer, world: &World, account: &[&str], person: &str, password: &str) -> Value {
    let words = ["login", "--service", &world.address, "--kvnr", person];
    computer.json(&[&words[..], account].concat(), &[password])
}

#[test]
fn one_person_needs_no_name_and_several_are_told_apart() {
    let (world, computer) = (world(), Computer::new());
    assert_eq!(computer.json(&["accounts"], &[])["accounts"], serde_json::json!([]));
    let (erika, max) = (world.member(ERIKA), world.member(MAX));
    assert_eq!(login(&computer, &world, &[], ERIKA, &erika)["insurer"], "Musterkasse");
    assert!(computer.home().join("profile.json").exists(), "the first one lies where it always did");
    assert!(computer.run(&["devices"], &[]).status.success());

    assert_eq!(login(&computer, &world, &["--account", "Max"], MAX, &max)["insurer"], "Musterkasse");
    for file in ["profile.json", "session.json"] {
        assert!(computer.home().join("accounts/max").join(file).exists(), "{file}");
    }
    assert_eq!(computer.refused(&["devices"], &[]), ("several_accounts".to_owned(), 87));
    let told = text(&computer.run(&["devices"], &[]).stderr);
    assert!(told.contains("default, max") && told.contains("--account"), "{told}");
    for account in ["default", "max", "MAX"] {
        assert!(computer.run(&["--account", account, "devices"], &[]).status.success(), "{account}");
    }
    let unknown = ["devices", "--account", "erika"];
    assert_eq!(computer.refused(&unknown, &[]), ("no_account".to_owned(), 88));
    assert!(text(&computer.run(&unknown, &[]).stderr).contains("default, max"));

    let card = ["register", "--account", "max", "--virtual-card", "fixtures/cards/max.xml"];
    assert_eq!(computer.refused(&card, &[]).0, "nobody_there", "the card of the right person is asked for its PIN");
    let accounts = computer.json(&["accounts"], &[]);
    let names: Vec<_> = accounts["accounts"].as_array().unwrap().iter().map(|one| one["account"].clone()).collect();
    assert_eq!(names, ["default", "max"]);
    assert_eq!(accounts["accounts"][1]["session_place"], "file");

    assert!(computer.run(&["logout", "--account", "max"], &[]).status.success());
    assert_eq!(computer.refused(&["devices", "--account", "max"], &[]).0, "no_session");
    assert!(computer.run(&["devices", "--account", "default"], &[]).status.success(), "she has not logged out");
}

#[test]
fn a_name_is_no_way_out_of_the_folder() {
    let computer = Computer::new();
    for name in ["..", "../..", "a/b", "/tmp", ".hidden", "", "ö", "x y"] {
        assert_eq!(computer.refused(&["--account", name, "devices"], &[]), ("input_invalid".to_owned(), 5), "{name:?}");
        let login = ["--account", name, "login", "--service", "http://127.0.0.1:9"];
        assert_eq!(computer.refused(&login, &[]), ("input_invalid".to_owned(), 5), "{name:?}");
    }
    assert!(!computer.home().exists(), "nothing was written");
}
