//! Without a password: the card opens the account, and a forgotten password is replaced in three ways.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Child;

use super::common::{CARD_PIN, DEVICE_PIN, ERIKA, MAX, PASSWORD, blueprint, image_by, register_of};
use super::*;

const OWN: &str = "Regenschirm im Juni 1998";

/// The program with PINs on descriptor 3 and passwords on descriptor 4.
pub(crate) fn command(computer: &Computer, words: &[&str], pins: &[&str], passwords: &[&str]) -> Command {
    let file = |name: &str, lines: &[&str]| {
        let path = computer.0.path().join(name);
        std::fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        path
    };
    let (pins, passwords) = (file("pins", pins), file("passwords", passwords));
    let mut shell = Command::new("sh");
    shell.args(["-c", "pins=$1; shift; exec \"$@\" 3<\"$pins\" 4<\"$0\""]).arg(passwords).arg(pins);
    shell.args([env!("CARGO_BIN_EXE_kartenbund"), "--json"]).args(words);
    shell.env("KARTENBUND_HOME", computer.home()).env("KARTENBUND_NO_KEY_RING", "1").env_remove("KARTENBUND_ACCOUNT");
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

pub(crate) fn run(computer: &Computer, words: &[&str], pins: &[&str], passwords: &[&str]) -> Value {
    json_of(&command(computer, words, pins, passwords).output().unwrap())
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

/// A card as a file.
pub(crate) fn card(computer: &Computer, person: &str) -> PathBuf {
    let path = computer.0.path().join(format!("{person}.xml"));
    std::fs::write(&path, image_by(&ca(), &blueprint(person))).unwrap();
    path
}

fn holds(world: &World, password: &str) -> bool {
    let login = ["login", "--service", &world.address, "--kvnr", ERIKA];
    Computer::new().run(&login, &[password]).status.success()
}

#[test]
fn card_and_card_pin_open_an_account_that_never_got_a_letter() {
    let (world, here) = (world(), Computer::new());
    assert_eq!(world.import_report(&register_of(&[ERIKA])).imported, 1);
    let image = card(&here, ERIKA);
    let image = image.to_str().unwrap();
    let login = ["login", "--card", "--virtual-card", image, "--pin-fd", "3", "--service", &world.address];
    assert_eq!(code(&run(&here, &login, &[], &[])), "nobody_there");
    let wrong = command(&here, &login, &["111111", "222222"], &[]).output().unwrap();
    assert_eq!(code(&json_of(&wrong)), "card_pin_wrong", "one try for one run");
    assert_eq!(world.count("SELECT COUNT(*) FROM session"), 0);

    let opened = run(&here, &login, &[CARD_PIN], &[]);
    assert_eq!((&opened["insurer"], &opened["password_chosen"]), (&Value::from("Musterkasse"), &Value::Bool(false)));
    assert_eq!(here.json(&["sessions"], &[])["sessions"][0]["method"], "card");
    assert_eq!(world.state_of(ERIKA), "active");
    // It needs no old password to choose the first one.
    assert_eq!(here.json(&["password", "change"], &[OWN])["changed"], true);
    assert!(holds(&world, OWN));

    // Whoever names a card means it, and this computer knows the service by now.
    let again = run(&here, &["login", "--virtual-card", image, "--pin-fd", "3"], &[CARD_PIN], &[]);
    assert_eq!(again["insurer"], "Musterkasse");
    let told = text(&here.run(&["login", "--help"], &[]).stdout);
    assert!(told.contains("With the health card and its PIN"), "{told}");
}

#[test]
fn another_persons_card_opens_nothing_and_its_pin_is_not_asked_for() {
    let (world, here) = (world(), Computer::new());
    world.member(ERIKA);
    world.member(MAX);
    let max = card(&here, MAX);
    let words = ["--service", &world.address, "--kvnr", ERIKA, "--virtual-card", max.to_str().unwrap()];
    for way in [&["login", "--card"][..], &["password", "reset", "--card"]] {
        let refused = command(&here, &[way, &words].concat(), &[], &[]).output().unwrap();
        assert_eq!((code(&json_of(&refused)), refused.status.code()), ("other_person", Some(43)), "{way:?}");
    }
    // Where no service answers, no card is shown a PIN either.
    let nowhere = ["login", "--card", "--virtual-card", max.to_str().unwrap(), "--service", "http://127.0.0.1:1"];
    assert_eq!(code(&run(&Computer::new(), &nowhere, &[], &[])), "service_unreachable");
}

#[test]
fn the_card_replaces_a_forgotten_password() {
    let (world, here) = (world(), Computer::new());
    let forgotten = world.member(ERIKA);
    let image = card(&here, ERIKA);
    let reset = ["password", "reset", "--card", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    let reset = [&reset[..], &["--password-fd", "4", "--service", &world.address]].concat();
    assert_eq!(code(&run(&here, &reset, &[CARD_PIN], &["short"])), "password_refused");
    assert!(holds(&world, &forgotten), "nothing was chosen");
    assert_eq!(run(&here, &reset, &[CARD_PIN], &[OWN])["changed"], true);
    assert!(holds(&world, OWN) && !holds(&world, &forgotten));
    assert!(here.run(&["devices"], &[]).status.success(), "and the person is logged in");
}

/// Somebody waits at another computer; what it has said is read line by line.
fn waits_for_a_device(elsewhere: &Computer, world: &World) -> (Child, Value, impl FnOnce() -> Value) {
    let words = ["password", "reset", "--device", "--service", &world.address, "--kvnr", ERIKA, "--password-fd", "4"];
    let mut child = command(elsewhere, &words, &[], &[OWN]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = move || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let asked = line();
    (child, asked, line)
}

#[test]
fn a_registered_device_replaces_a_forgotten_password_elsewhere() {
    let (world, here, elsewhere) = (world(), Computer::new(), Computer::new());
    let forgotten = world.member(ERIKA);
    let image = card(&here, ERIKA);
    let login = ["login", "--service", &world.address, "--kvnr", ERIKA, "--password-fd", "4"];
    run(&here, &login, &[], &[&forgotten]);
    let register = ["register", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    assert_eq!(run(&here, &register, &[CARD_PIN, DEVICE_PIN], &[])["binding_level"], "B3");

    let (mut child, asked, last) = waits_for_a_device(&elsewhere, &world);
    world.wait_until("the device is asked", || world.count("SELECT COUNT(*) FROM application") == 1);
    let approvals = run(&here, &["approvals"], &[], &[]);
    let (id, match_code) = (&approvals["approvals"][0]["approval_id"], asked["match_code"].as_str().unwrap());
    let approve = ["approvals", "approve", id.as_str().unwrap(), "--match-code", match_code, "--pin-fd", "3"];
    assert_eq!(run(&here, &approve, &[DEVICE_PIN], &[])["verdict"], "approve");
    assert_eq!(last()["changed"], true);
    assert!(child.wait().unwrap().success());
    assert!(holds(&world, OWN) && !holds(&world, &forgotten));
    assert!(elsewhere.run(&["devices"], &[]).status.success(), "and the person is logged in");
}

#[test]
fn a_letter_is_ordered_and_nobody_learns_whether_there_is_such_an_account() {
    let (world, here) = (world(), Computer::new());
    let known = world.member(ERIKA);
    let said = [ERIKA, MAX].map(|person| {
        let words = ["password", "reset", "--letter", "--service", &world.address, "--kvnr", person];
        let output = Computer::new().run(&words, &[]);
        (output.status.code(), output.stdout, output.stderr)
    });
    assert_eq!(said[0], said[1]);
    assert!(text(&said[0].1).starts_with("If there is an account"), "{said:?}");
    world.wait_until("it is ordered", || world.count("SELECT COUNT(*) FROM letter WHERE state = 'ordered'") == 1);
    assert!(holds(&world, &known), "the present one holds on");
    // Nobody chooses a way for the person.
    for ways in [&[][..], &["--card", "--letter"]] {
        let words = [&["password", "reset"][..], ways].concat();
        assert_eq!(here.refused(&words, &[]), ("usage".to_owned(), 2), "{ways:?}");
    }
}

#[test]
fn a_lost_computer_is_locked_from_another_and_unlocked_with_the_card() {
    let (world, here, elsewhere) = (world(), Computer::new(), Computer::new());
    world.member(ERIKA);
    let image = card(&here, ERIKA);
    let image = image.to_str().unwrap();
    let with_card = ["--virtual-card", image, "--pin-fd", "3"];
    let login = [&["login", "--service", &world.address, "--card"][..], &with_card].concat();
    assert_eq!(run(&here, &login, &[CARD_PIN], &[])["insurer"], "Musterkasse");
    let bound = run(&here, &[&["register"][..], &with_card].concat(), &[CARD_PIN, DEVICE_PIN], &[]);
    let id = bound["device_id"].as_str().unwrap_or_else(|| panic!("{bound}")).to_owned();
    let of_device = |computer: &Computer, member: &str| computer.json(&["devices"], &[])["devices"][0][member].clone();
    assert_eq!(here.json(&["devices", "rename", &id, "Laptop"], &[])["device_id"], id.as_str());
    assert_eq!(of_device(&here, "name"), "Laptop");
    let shown = text(&here.run(&["devices"], &[]).stdout);
    for part in ["Laptop (this computer): active, Level B3", "valid until", "key in a file", "never used yet"] {
        assert!(shown.contains(part), "{shown}");
    }
    let code = here.json(&["devices", "revocation-code"], &[])["code"].as_str().unwrap().to_owned();

    elsewhere.run(&["login", "--service", &world.address, "--kvnr", ERIKA], &[PASSWORD]);
    assert_eq!(elsewhere.json(&["devices", "lock", &id], &[])["device_id"], id.as_str());
    assert_eq!(of_device(&elsewhere, "state"), "locked");
    assert_eq!(elsewhere.refused(&["devices", "unlock", &id], &[]), ("stronger_login_needed".to_owned(), 99));
    assert_eq!(elsewhere.refused(&["apply", "contact", "--email", "e@person.example"], &[]).1, 97);
    assert_eq!(
        here.json(&["devices", "unlock", &id], &[])["device_id"],
        id.as_str(),
        "she has logged in with the card"
    );
    assert_eq!(here.json(&["devices", "lock-all"], &[])["locked"], true);
    assert_eq!(here.json(&["devices", "unlock", &id], &[])["device_id"], id.as_str());

    // No password and no card: the device PIN.
    here.run(&["logout"], &[]);
    let by_device = ["login", "--device", "--pin-fd", "3"];
    assert_eq!(self::code(&run(&here, &by_device, &["111222"], &[])), "device_pin_wrong");
    assert_eq!(run(&here, &by_device, &[DEVICE_PIN], &[])["insurer"], "Musterkasse");
    let sessions = here.json(&["sessions"], &[]);
    let here_now = sessions["sessions"].as_array().unwrap().iter().find(|session| session["is_current"] == true);
    assert_eq!(here_now.unwrap()["method"], "device");
    assert!(text(&here.run(&["sessions"], &[]).stdout).contains("with a registered device"));

    // On a computer that knows nothing, with the printed code.
    let stranger = Computer::new();
    let emergency = ["emergency", "--service", &world.address, "--code-fd", "3"];
    let wrong = run(&stranger, &emergency, &["00000 00000"], &[]);
    assert_eq!(wrong["error"]["code"], "letter_code_wrong");
    assert_eq!(run(&stranger, &emergency, &[&code], &[])["sent"], true);
    assert_eq!(world.column("SELECT state FROM device"), ["locked"]);
    assert_eq!(here.refused(&["devices"], &[]).0, "session_ended");
}

#[test]
fn a_revocation_code_is_written_on_a_page_to_print_which_says_how_to_use_it() {
    let (world, here) =
        (world().restarted(|settings| settings.insurer.hotline = "0800 123 456".to_owned()), Computer::new());
    let password = world.member(ERIKA);
    here.json(&["login", "--service", &world.address, "--kvnr", ERIKA], &[&password]);
    let page = here.home().join("page.txt");
    let words = ["devices", "revocation-code", "--out", page.to_str().unwrap()];
    let code = here.json(&words, &[])["code"].as_str().unwrap().to_owned();
    let printed = std::fs::read_to_string(&page).unwrap();
    for said in [&code, "kartenbund emergency --service", &world.address, "0800 123 456", "Musterkasse"] {
        assert!(printed.contains(said), "{said}: {printed}");
    }
    assert!(printed.lines().all(|line| line.chars().count() <= 80), "{printed}");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(page.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // A file that is there is not replaced, and no code is made that nobody sees.
    assert_eq!(here.refused(&words, &[]).0, "file");
    assert!(text(&here.run(&words, &[]).stderr).contains("is there already; it is not written over"));
    assert_eq!(std::fs::read_to_string(&page).unwrap(), printed);
    std::fs::remove_file(&page).unwrap();
    let shown = text(&here.run(&words, &[]).stdout);
    let newer = std::fs::read_to_string(&page).unwrap();
    assert!(shown.contains("Print it, and delete the file") && !newer.contains(&code), "{shown}");
    let newer =
        newer.lines().map(str::trim).find(|line| line.len() == code.len() && line.split(' ').count() == 4).unwrap();
    assert!(!shown.contains(newer), "it is not on the screen as well");
}

#[test]
fn whoever_has_lost_a_computer_registers_another_one_with_the_card_and_the_lost_one_is_locked_at_once() {
    let world = world();
    world.member(ERIKA);
    let (laptop, desktop) = (Computer::new(), Computer::new());
    let login = ["login", "--service", &world.address, "--kvnr", ERIKA];
    [&laptop, &desktop].iter().for_each(|computer| drop(computer.json(&login, &[PASSWORD])));
    let register = |computer: &Computer, lost: &[&str]| {
        let image = card(computer, ERIKA);
        let words = ["register", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
        run(computer, &[&words[..], lost].concat(), &[CARD_PIN, DEVICE_PIN], &[])
    };
    let lost = register(&laptop, &[])["device_id"].as_str().unwrap().to_owned();
    let of_nobody = register(&desktop, &["--lost", "AAAAAAAAAAAAAAAAAAAAAA"]);
    assert_eq!(of_nobody["error"]["code"], "not_found", "{of_nobody}");
    assert_eq!(world.count("SELECT COUNT(*) FROM registration"), 1, "nothing was begun");
    // With the password alone it is locked, while she still looks for her card.
    let said = desktop.run(&["register", "--virtual-card", "nowhere", "--lost", &lost], &[]);
    assert!(!said.status.success());
    assert!(text(&said.stderr).contains("The device is locked from now on."), "{}", text(&said.stderr));
    let found = run(&laptop, &["login", "--device", "--pin-fd", "3"], &[DEVICE_PIN], &[]);
    assert_eq!(found["error"]["code"], "device_locked_by_owner", "{found}");
    let registered = register(&desktop, &["--lost", &lost]);
    assert_eq!(registered["state"], "active", "{registered}");
    let states = world.column("SELECT state FROM device ORDER BY state");
    assert_eq!(states, ["active", "revoked"], "the card has removed it");
    let found = run(&laptop, &["login", "--device", "--pin-fd", "3"], &[DEVICE_PIN], &[]);
    assert_eq!(found["error"]["code"], "device_gone", "{found}");
}

#[test]
fn a_computer_is_registered_in_the_place_of_another_that_is_named() {
    let world = world();
    world.member(ERIKA);
    let (laptop, desktop) = (Computer::new(), Computer::new());
    let login = ["login", "--service", &world.address, "--kvnr", ERIKA];
    [&laptop, &desktop].iter().for_each(|computer| drop(computer.json(&login, &[PASSWORD])));
    let register = |computer: &Computer, place: &[&str]| {
        let image = card(computer, ERIKA);
        let words = ["register", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
        run(computer, &[&words[..], place].concat(), &[CARD_PIN, DEVICE_PIN], &[])
    };
    let first = register(&laptop, &[])["device_id"].as_str().unwrap().to_owned();
    // With the password alone she may not: the program says what she can do.
    assert_eq!(desktop.refused(&["devices", "remove", &first], &[]), ("stronger_login_needed".to_owned(), 99));
    let said = text(&desktop.run(&["devices", "remove", &first], &[]).stderr);
    for way in ["kartenbund devices lock", "kartenbund login --card", "kartenbund login --device"] {
        assert!(said.contains(way), "{said}");
    }
    let second = register(&desktop, &[&format!("--replace={first}")]);
    assert_eq!(second["state"], "active", "{second}");
    let states = world.column("SELECT state FROM device ORDER BY state");
    assert_eq!(states, ["active", "revoked"]);
    // Her own by its name is the same as without one.
    let again = register(&desktop, &[&format!("--replace={}", second["device_id"].as_str().unwrap())]);
    assert_eq!(again["state"], "active", "{again}");
    let again = register(&desktop, &["--replace"]);
    assert_eq!(again["state"], "active", "{again}");
    assert_eq!(world.column("SELECT state FROM device ORDER BY state"), ["active", "revoked", "revoked", "revoked"]);
    // At the device itself she may.
    let own = again["device_id"].as_str().unwrap();
    run(&desktop, &["login", "--device", "--pin-fd", "3"], &[DEVICE_PIN], &[]);
    assert_eq!(desktop.json(&["devices", "remove", own], &[])["device_id"], own);
    assert_eq!(world.count("SELECT COUNT(*) FROM device WHERE state <> 'revoked'"), 0);
}
