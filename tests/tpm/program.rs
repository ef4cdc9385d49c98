//! The program on a computer with a TPM.

use std::process::{Command, Output, Stdio};

use kartenbund::virtual_card::personalise::MUSTERKASSE_IK;
use time::OffsetDateTime;

use crate::chip::Chip;
use crate::common::tpm::Maker;
use crate::common::*;

/// Runs the program in this folder, with what is typed on descriptor 3.
fn run(folder: &std::path::Path, tcti: &str, words: &[&str], typed: &[&str]) -> Output {
    let lines = folder.join("lines");
    std::fs::write(&lines, typed.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" 3<\"$0\""]).arg(&lines).arg(env!("CARGO_BIN_EXE_kartenbund"));
    shell.args(["--lang", "de"]).args(words).env("KARTENBUND_HOME", folder.join("home")).env("KARTENBUND_TCTI", tcti);
    shell.env("KARTENBUND_NO_KEY_RING", "1").env_remove("TSS2_LOG").stdin(Stdio::null()).output().unwrap()
}

#[test]
fn the_program_says_where_the_key_is_and_what_to_do_when_it_cannot_be_used() {
    let clock = ManualClock::at(OffsetDateTime::now_utc());
    let world = World::open(tempfile::tempdir().unwrap(), clock, Box::new(anchors_of(&[&ca()])), &[MUSTERKASSE_IK]);
    world.member(ERIKA);
    let (chip, folder) = (Chip::start(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let image = folder.join("card.xml");
    std::fs::write(&image, image_by(&ca(), &blueprint(ERIKA))).unwrap();
    let said = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();

    let login = ["login", "--service", &world.address, "--kvnr", ERIKA, "--password-fd", "3"];
    assert!(run(folder, &chip.tcti(), &login, &[PASSWORD]).status.success());
    let register = ["register", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    let output = run(folder, &chip.tcti(), &register, &[CARD_PIN, DEVICE_PIN]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("Der Geräteschlüssel liegt im TPM dieses Computers"), "{}", said(&output));

    let output = run(folder, &chip.tcti(), &["devices"], &[]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("Schlüssel im TPM"), "{output:?}");

    let by_device = ["login", "--device", "--pin-fd", "3"];
    let output = run(folder, &chip.tcti(), &by_device, &["384710"]);
    assert_eq!(output.status.code(), Some(62), "{}", said(&output));
    assert!(!said(&output).contains("esys"), "what the software stack writes is for nobody: {}", said(&output));
    assert!(run(folder, &chip.tcti(), &by_device, &[DEVICE_PIN]).status.success());

    let other = Chip::start();
    for (tcti, code, what) in [
        ("device:/dev/tpm-of-nobody", 114, "auf diesem Computer ist keines zu sehen"),
        ("swtpm:host=127.0.0.1,port=9", 116, "antwortet nicht, wie es soll"),
        (&other.tcti(), 117, "gehört zu einem anderen TPM"),
    ] {
        let output = run(folder, tcti, &by_device, &[DEVICE_PIN]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(what), "{}", said(&output));
        assert!(!said(&output).contains("tcti"), "{}", said(&output));
    }
    assert!(run(folder, &chip.tcti(), &by_device, &[DEVICE_PIN]).status.success(), "no try was spent on it");
}

/// A service of today that knows this maker.
fn knowing(maker: &Maker) -> World {
    let clock = ManualClock::at(OffsetDateTime::now_utc());
    World::configured(tempfile::tempdir().unwrap(), TestDatabase::new(), clock, |settings| {
        settings.payer_iks = vec![MUSTERKASSE_IK.parse().unwrap()];
        settings.anchors = Box::new(anchors_of(&[&ca()]));
        settings.tpm_roots = maker.roots();
    })
}

/// Logs in and registers with the card of this person.
fn register(world: &World, folder: &std::path::Path, chip: &Chip, person: &str) -> Output {
    world.member(person);
    let image = folder.join("card.xml");
    std::fs::write(&image, image_by(&ca(), &blueprint(person))).unwrap();
    let login = ["login", "--service", &world.address, "--kvnr", person, "--password-fd", "3"];
    assert!(run(folder, &chip.tcti(), &login, &[PASSWORD]).status.success());
    let register = ["register", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    run(folder, &chip.tcti(), &register, &[CARD_PIN, DEVICE_PIN])
}

#[test]
fn whoever_is_asked_for_another_credential_than_was_made_is_told_that_the_tpm_was_not_believed() {
    let maker = Maker::new();
    let (world, chip, folder) = (knowing(&maker), Chip::certified_by(&maker), tempfile::tempdir().unwrap());
    assert!(register(&world, tempfile::tempdir().unwrap().path(), &chip, ERIKA).status.success());
    // Somebody with the database in hands puts the credential of that registration in the place of every later one.
    world.sql("CREATE TABLE kept AS SELECT attestation FROM registration").unwrap();
    let swap = "CREATE TRIGGER swap AFTER UPDATE OF attestation ON registration BEGIN UPDATE registration \
                SET attestation = (SELECT attestation FROM kept) WHERE registration_id = NEW.registration_id; END";
    world.sql(swap).unwrap();
    let output = register(&world, folder.path(), &chip, MAX);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(122), "{said}");
    assert!(said.contains("TPM"), "{said}");
    assert_eq!(world.count("SELECT COUNT(*) FROM device"), 1);
}

#[test]
fn the_list_says_that_a_tpm_has_shown_where_the_key_lies() {
    let maker = Maker::new();
    let (world, chip, folder) = (knowing(&maker), Chip::certified_by(&maker), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let output = register(&world, folder, &chip, ERIKA);
    assert!(output.status.success(), "{output:?}");
    let output = run(folder, &chip.tcti(), &["devices"], &[]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("Schlüssel in Hardware, von einem TPM bestätigt"), "{said}");
    let output = run(folder, &chip.tcti(), &["--json", "devices"], &[]);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said.to_string().contains("\"key_class\":\"hwk\""), "{said}");
    let output = run(folder, &chip.tcti(), &["events"], &[]);
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("TPM eines neuen Geräts soll sich ausweisen"),
        "{output:?}"
    );
}
