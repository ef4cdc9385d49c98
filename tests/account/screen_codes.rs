//! A code on the screen of one computer, with which another one is registered.

use image::{GrayImage, Luma};

use super::card_and_reset::{card, run};
use super::common::{CARD_PIN, DEVICE_PIN, ERIKA, PASSWORD};
use super::terminal::Terminal;
use super::*;

const OTHER_PIN: &str = "141421";
/// What the program sets before each line of a picture, and after it.
const DARK_ON_LIGHT: &str = "\u{1b}[38;5;16;48;5;231m";
const AS_BEFORE: &str = "\u{1b}[0m";

fn logged_in(world: &World) -> Computer {
    let computer = Computer::new();
    let login = computer.run(&["login", "--service", &world.address, "--kvnr", ERIKA], &[PASSWORD]);
    assert!(login.status.success(), "{}", text(&login.stderr));
    computer
}

/// A computer that the card has registered long enough ago.
fn registered(world: &World) -> Computer {
    let computer = logged_in(world);
    let image = card(&computer, ERIKA);
    let register = ["register", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    assert_eq!(run(&computer, &register, &[CARD_PIN, DEVICE_PIN], &[])["binding_level"], "B3");
    world.sql("UPDATE device SET active_from = active_from - 1209600").unwrap();
    computer
}

/// What somebody sees who photographs this screen: each character as wide as half of it is high, and dark around it.
fn photographed(screen: &str, path: &std::path::Path) -> (usize, usize) {
    let lines = screen.split(DARK_ON_LIGHT).skip(1).map(|line| line.split(AS_BEFORE).next().unwrap());
    let lines: Vec<Vec<char>> = lines.map(|line| line.chars().collect()).collect();
    let (columns, rows) = (lines[0].len(), lines.len());
    assert!(lines.iter().all(|line| line.len() == columns), "{screen}");
    let (module, edge) = (6, 40);
    let side = |modules: usize| u32::try_from(modules).unwrap() * module + 2 * edge;
    let photo = GrayImage::from_fn(side(columns), side(2 * rows), |x, y| {
        let at = |pixel: u32| usize::try_from(pixel.checked_sub(edge)? / module).ok();
        let (Some(x), Some(y)) = (at(x), at(y)) else { return Luma([20]) };
        let Some(character) = lines.get(y / 2).and_then(|line| line.get(x)) else { return Luma([20]) };
        let is_dark = match character {
            '█' => true,
            '▀' => y % 2 == 0,
            '▄' => y % 2 == 1,
            ' ' => false,
            other => panic!("{other}: {screen}"),
        };
        Luma([if is_dark { 0 } else { 255 }])
    });
    photo.save(path).unwrap();
    (columns, rows)
}

#[test]
fn what_a_terminal_shows_is_photographed_and_registers_another_computer_at_once() {
    let world = world();
    world.member(ERIKA);
    let (desktop, laptop) = (registered(&world), logged_in(&world));
    let mut shows = Terminal::start(&desktop, "en", "devices code");
    shows.answer("Device PIN (6 digits)", 1, DEVICE_PIN);
    let (status, screen) = shows.end();
    assert_eq!(status, Some(0), "{screen}");
    let said = screen.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("Show and tell the code to nobody") && said.contains("register --method qr"), "{said}");
    assert!(said.contains(&format!("login --service {}", world.address)), "{said}");
    assert!(said.contains("with a photo of the picture") && !said.contains("too narrow"), "{said}");
    let photo = laptop.0.path().join("photo.png");
    let (columns, rows) = photographed(&screen, &photo);
    assert!(columns <= 80 && rows <= 24, "{columns} by {rows} characters: it fits on any terminal");

    let register = ["register", "--image", photo.to_str().unwrap(), "--name", "Laptop", "--pin-fd", "3"];
    let device = run(&laptop, &register, &[OTHER_PIN], &[]);
    assert_eq!((&device["binding_level"], &device["state"]), (&"B1".into(), &"active".into()), "{device}");
    let again = run(&laptop, &[&register[..], &["--replace"]].concat(), &[OTHER_PIN], &[]);
    assert_eq!(again["error"]["code"], "letter_code_ended");

    let evidence = laptop.0.path().join("evidence.json");
    laptop.json(&["evidence", "export", "--out", evidence.to_str().unwrap()], &[]);
    let anchor = laptop.0.path().join("ca.pem");
    std::fs::write(&anchor, ca().certificate_pem().unwrap()).unwrap();
    let anchor = anchor.to_str().unwrap();
    let verified = laptop.run(&["evidence", "verify", evidence.to_str().unwrap(), "--anchor", anchor], &[]);
    let told = text(&verified.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("on a screen, where somebody had logged in with a registered device"), "{verified:?}");
}

#[test]
fn who_sees_no_picture_gets_the_groups_and_a_script_both() {
    let world = world();
    world.member(ERIKA);
    let desktop = registered(&world);
    let mut shows = Terminal::start(&desktop, "de", "devices code --no-picture");
    shows.answer("Geräte-PIN (6 Ziffern)", 1, DEVICE_PIN);
    let (status, screen) = shows.end();
    assert_eq!(status, Some(0), "{screen}");
    assert!(screen.contains("Code: ") && screen.contains("niemandem"), "{screen}");
    assert!(!screen.contains('█') && !screen.contains(DARK_ON_LIGHT), "a screen reader reads no blocks: {screen}");
    assert!(!screen.contains("Bild") && !screen.contains("--image"), "there is none: {screen}");

    let shown = run(&desktop, &["devices", "code", "--pin-fd", "3"], &[DEVICE_PIN], &[]);
    let groups = shown["groups"].as_str().unwrap();
    assert_eq!(groups.split(' ').count(), 9);
    assert!(shown["code"].as_str().unwrap().starts_with("KB1:127.0.0.1:"), "{shown}");
    assert!((shown["expires_at"].as_i64().unwrap() - world.clock.now() - 600).abs() < 60);
    let laptop = logged_in(&world);
    let typed = ["register", "--method", "qr", "--code-fd", "4", "--pin-fd", "3"];
    let device = run(&laptop, &typed, &[OTHER_PIN], &[groups]);
    assert_eq!((&device["binding_level"], &device["state"]), (&"B1".into(), &"active".into()), "{device}");
}

#[test]
fn a_terminal_that_is_too_narrow_for_the_picture_says_so_and_shows_the_groups() {
    let world = world();
    world.member(ERIKA);
    let desktop = registered(&world);
    let on = |columns: u16, words: &str| {
        let mut shows = Terminal::of_width(columns, &desktop, "en", words);
        shows.answer("Device PIN (6 digits)", 1, DEVICE_PIN);
        let (status, screen) = shows.end();
        assert_eq!(status, Some(0), "{screen}");
        let said = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        (screen.contains(DARK_ON_LIGHT), said)
    };
    let (is_there, said) = on(30, "devices code");
    assert!(!is_there && said.contains("Code: ") && said.contains("too narrow"), "{said}");
    assert!(said.contains("Make it wider") && !said.contains("--image"), "{said}");
    let (is_there, said) = on(60, "devices code");
    assert!(is_there && said.contains("--image") && !said.contains("too narrow"), "{said}");
    let (is_there, said) = on(30, "devices code --no-picture");
    assert!(!is_there && !said.contains("too narrow"), "nobody wants one: {said}");
}

#[test]
fn neither_json_nor_what_is_no_terminal_has_a_picture() {
    let world = world();
    world.member(ERIKA);
    let desktop = registered(&world);
    let mut shows = Terminal::start(&desktop, "en", "--json devices code");
    shows.answer("Device PIN (6 digits)", 1, DEVICE_PIN);
    let (status, screen) = shows.end();
    assert!(status == Some(0) && screen.contains("\"groups\":"), "{screen}");
    assert!(!screen.contains(DARK_ON_LIGHT) && !screen.contains("Code: "), "JSON and nothing else: {screen}");

    let lines = desktop.0.path().join("pin");
    std::fs::write(&lines, format!("{DEVICE_PIN}\n")).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$1\" --lang en devices code --pin-fd 3 3<\"$0\""]).arg(&lines);
    shell.arg(env!("CARGO_BIN_EXE_kartenbund")).stdin(Stdio::null());
    let shown = shell.env("KARTENBUND_HOME", desktop.home()).env("KARTENBUND_NO_KEY_RING", "1").output().unwrap();
    let said = text(&shown.stdout);
    assert!(shown.status.success() && said.starts_with("Code: "), "{shown:?}");
    assert!(!said.contains(DARK_ON_LIGHT) && !said.contains("too narrow") && !said.contains("--image"), "{said}");
}

#[test]
fn the_card_shows_a_code_on_a_computer_that_is_not_registered_and_nothing_else_does() {
    let world = world();
    world.member(ERIKA);
    let (kiosk, laptop) = (logged_in(&world), logged_in(&world));
    assert_eq!(kiosk.refused(&["devices", "code"], &[]).0, "no_device");
    let image = card(&kiosk, ERIKA);
    let code = ["devices", "code", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    let shown = run(&kiosk, &code, &[CARD_PIN], &[]);
    let typed = ["register", "--method", "qr", "--code-fd", "4", "--pin-fd", "3"];
    // It is logged out before the code was used.
    kiosk.run(&["logout"], &[]);
    let late = run(&laptop, &typed, &[OTHER_PIN], &[shown["groups"].as_str().unwrap()]);
    assert_eq!(late["error"]["code"], "letter_code_ended");
    let message = late["error"]["message"].as_str().unwrap();
    assert!(message.contains("nicht mehr angemeldet"), "{message}");
    let shown = run(&kiosk, &code, &[CARD_PIN], &[]);
    // Nor does the card stand in for the password where the code is used; nothing is lost by that.
    let other = Computer::new();
    let login = ["login", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3", "--service", &world.address];
    assert_eq!(run(&other, &login, &[CARD_PIN], &[])["insurer"], "Musterkasse");
    let refused = run(&other, &typed, &[OTHER_PIN], &[shown["groups"].as_str().unwrap()]);
    assert_eq!(refused["error"]["code"], "letter_code_ended");
    let remedy = refused["error"]["remedy"].as_str().unwrap();
    assert!(remedy.contains("mit dem Passwort") && remedy.contains("Er gilt noch"), "{remedy}");
    let device = run(&laptop, &typed, &[OTHER_PIN], &[shown["groups"].as_str().unwrap()]);
    assert_eq!((&device["binding_level"], &device["state"]), (&"B1".into(), &"active".into()), "{device}");
}
