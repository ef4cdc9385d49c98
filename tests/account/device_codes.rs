//! A code of a letter, given to the program in each of the ways there are.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use super::common::letter_code::{groups_in, picture_of};
use super::common::{DEVICE_PIN, ERIKA, PASSWORD};
use super::*;

/// A desktop without screen; it ends with this value.
struct Desktop {
    server: Child,
    display: String,
}

impl Desktop {
    fn start() -> Self {
        let mut server = Command::new("Xvfb");
        let mut server = server.args(["-displayfd", "1"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        Self { server, display: format!(":{}", number.trim()) }
    }

    /// Somebody copies a file as what it is.
    fn copy(&self, kind: &str, file: &std::path::Path) {
        let mut xclip = Command::new("xclip");
        xclip.args(["-selection", "clipboard", "-t", kind, "-i"]).arg(file).env("DISPLAY", &self.display);
        assert!(xclip.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Runs `register` with the device PIN on descriptor 3 and `code` on descriptor 4.
fn register(computer: &Computer, desktop: Option<&Desktop>, code: &str, words: &[&str]) -> Value {
    let (pins, codes) = (computer.0.path().join("pins"), computer.0.path().join("codes"));
    std::fs::write(&pins, format!("{DEVICE_PIN}\n")).unwrap();
    std::fs::write(&codes, format!("{code}\n")).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "pins=$1; shift; exec \"$@\" 3<\"$pins\" 4<\"$0\""]).arg(codes).arg(pins);
    shell.args([env!("CARGO_BIN_EXE_kartenbund"), "--json", "register", "--pin-fd", "3"]).args(words);
    shell.env("KARTENBUND_HOME", computer.home()).env("KARTENBUND_NO_KEY_RING", "1").env_remove("DISPLAY");
    if let Some(desktop) = desktop {
        shell.env("DISPLAY", &desktop.display);
    }
    json_of(&shell.stdin(Stdio::null()).output().unwrap())
}

#[test]
fn a_code_comes_from_a_file_from_the_clipboard_or_from_a_script() {
    let world = world();
    world.member(ERIKA);
    let computer = Computer::new();
    let login = computer.run(&["login", "--service", &world.address, "--kvnr", ERIKA], &[PASSWORD]);
    assert!(login.status.success(), "{}", text(&login.stderr));
    let ordered = computer.json(&["register", "--order-letter"], &[]);
    assert_eq!(ordered["already"], false);
    world.create_letters();
    let letter = world.letters().remove(0);
    let (groups, picture) = (groups_in(&letter).unwrap(), picture_of(&letter, "150", "-png"));
    let code = |answer: &Value| answer["error"]["code"].as_str().unwrap_or_default().to_owned();

    // What is no code is told, and nothing is begun.
    let desktop = Desktop::start();
    let refused = |answer: Value, expected: &str| assert_eq!(code(&answer), expected, "{answer}");
    refused(register(&computer, None, "", &["--clipboard"]), "letter_code_picture");
    refused(register(&computer, Some(&desktop), "", &["--clipboard"]), "letter_code_picture");
    refused(register(&computer, None, "", &["--image", "/nonexistent"]), "letter_code_picture");
    refused(register(&computer, None, "", &["--image", env!("CARGO_BIN_EXE_kartenbund")]), "letter_code_picture");
    refused(register(&computer, None, &groups[..40], &["--code-fd", "4"]), "letter_code_wrong");
    refused(register(&computer, None, "KB1:X", &["--code-fd", "4"]), "letter_code_wrong");
    assert_eq!(world.count("SELECT COUNT(*) FROM registration"), 0);

    desktop.copy("image/png", &picture);
    let device = register(&computer, Some(&desktop), "", &["--clipboard"]);
    assert_eq!((&device["state"], &device["binding_level"]), (&"pending_wait".into(), &"B1".into()), "{device}");
    let listed = text(&computer.run(&["devices"], &[]).stdout);
    assert!(listed.contains("waiting") && listed.contains("not before"), "{listed}");
    let applied = computer.refused(&["apply", "contact", "--email", "erika@person.example"], &[]);
    assert_eq!(applied, ("device_waiting".to_owned(), 109));

    // The same code once more, from the other places.
    refused(register(&computer, None, "", &["--image", picture.to_str().unwrap(), "--replace"]), "letter_code_ended");
    refused(register(&computer, None, &groups, &["--code-fd", "4", "--replace"]), "letter_code_ended");
    let copied = computer.0.path().join("copied");
    std::fs::write(&copied, &groups).unwrap();
    desktop.copy("UTF8_STRING", &copied);
    refused(register(&computer, Some(&desktop), "", &["--clipboard", "--replace"]), "letter_code_ended");
}
