//! The program on the command line.

use std::path::Path;
use std::process::{Command, Output};

use crate::common::TestDatabase;
use crate::process::{database_of, with_database};

const HEADER: &str =
    "kvnr,given_name,family_name,birth_date,street,house_number,postal_code,city,country,membership_start\n";

/// Runs the program with a configuration in `folder`; the data are in `folder/data`.
pub(crate) fn server(arguments: &[&str], folder: &Path, configuration: &str) -> Output {
    let file = folder.join("kartenbund.toml");
    std::fs::write(&file, with_database(folder, configuration)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kartenbund-server"));
    command.env_remove("KARTENBUND_CONFIG").arg("--config").arg(file).args(arguments).output().unwrap()
}

pub(crate) const INSURER: &str = "[insurer]\nname = \"Musterkasse\"\n";

pub(crate) fn import(rows: &[u8], folder: &Path) -> Output {
    let file = folder.join("members.csv");
    std::fs::write(&file, [HEADER.as_bytes(), rows].concat()).unwrap();
    server(&["register", "import", file.to_str().unwrap()], folder, INSURER)
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn an_address_of_the_network_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8470"] {
        let configuration = format!("issuer = \"https://konto.example\"\nlisten = \"{address}\"\n{INSURER}");
        let output = server(&["run"], folder.path(), &configuration);
        assert_eq!(output.status.code(), Some(10), "{address}");
        assert!(stderr(&output).contains("code: not_loopback (10)"));
        assert!(output.stdout.is_empty(), "nobody was told that it listens");
        assert!(!data.exists(), "neither keys nor database were made");
    }
}

#[test]
fn a_configuration_is_checked_without_making_anything() {
    let folder = tempfile::tempdir().unwrap();
    let good = server(&["config", "check"], folder.path(), INSURER);
    assert_eq!(String::from_utf8(good.stdout.clone()).unwrap(), "the configuration is good\n", "{}", stderr(&good));
    let bad = server(&["config", "check"], folder.path(), "[insurer]\nnam = \"Musterkasse\"\n");
    assert_eq!(bad.status.code(), Some(20));
    let told = stderr(&bad);
    assert!(told.contains("kartenbund.toml: 2 settings are wrong\n"), "{told}");
    assert!(told.contains("line 2: insurer.nam: there is no such setting; did you mean insurer.name?"), "{told}");
    assert!(told.ends_with("code: config (20)\n"), "{told}");
    assert!(!folder.path().join("data").exists());
}

#[test]
fn without_a_configuration_nothing_runs() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kartenbund-server"));
    let output = command.env_remove("KARTENBUND_CONFIG").arg("run").output().unwrap();
    assert_eq!(output.status.code(), Some(20));
    assert!(stderr(&output).contains("next: name it with --config FILE or KARTENBUND_CONFIG"), "{}", stderr(&output));
    let example = command_output(&["config", "example"]);
    assert!(example.contains("\n[insurer]\n") && example.contains("\n#listen = \"127.0.0.1:8470\"\n"), "{example}");
}

fn command_output(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_kartenbund-server")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn lost_keys_are_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    assert!(import(b"", folder.path()).status.success());
    std::fs::remove_file(folder.path().join("data/service-keys.json")).unwrap();
    let output = import(b"", folder.path());
    assert_eq!(output.status.code(), Some(12));
    let told = stderr(&output);
    assert!(told.contains("service-keys.json is missing beside the database"), "{told}");
    assert!(told.contains("next: restore service-keys.json from the backup"), "{told}");
    assert!(!folder.path().join("data/service-keys.json").exists());
}

const GOOD: &str = "A123456780,Erika,Mustermann,1964-08-12,Weg,1,12345,Ort,D,2020-01-01\n";

#[test]
fn a_bad_first_row_is_named_and_the_others_are_imported() {
    let bad: [&[u8]; 3] =
        [b"too,few\n", b"M100200305,\xFF,M,1964-08-12,W,1,12345,O,D,2020-01-01\n", b"a,b,c,d,e,f,g,h,i,j,k\n"];
    for row in bad {
        let folder = tempfile::tempdir().unwrap();
        let output = import(&[row, GOOD.as_bytes()].concat(), folder.path());
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(18), "{told}");
        assert!(told.contains("line 2: the row does not fit the header, or is not UTF-8"), "{told}");
        assert_eq!(stdout(&output), "imported: 1\nchanged: 0\nunchanged: 0\n");
    }
}

#[test]
fn a_header_without_a_column_or_with_one_twice_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("members.csv");
    for (header, column) in [
        (HEADER.replace("postal_code", "plz"), "postal_code"),
        (HEADER.replace("postal_code", "city"), "postal_code"),
        (HEADER.replace("kvnr", "kvnr,city"), "city"),
        (String::new(), "kvnr"),
    ] {
        std::fs::write(&file, header.clone() + GOOD).unwrap();
        let output = server(&["register", "import", file.to_str().unwrap()], folder.path(), INSURER);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(17), "{told}");
        assert!(told.contains(&format!("the header does not name {column} once")), "{told}");
        assert!(!told.contains("line "), "{told}");
    }
}

#[test]
fn an_import_that_the_database_refuses_says_why() {
    let folder = tempfile::tempdir().unwrap();
    assert!(import(b"", folder.path()).status.success());
    let database = database_of(folder.path());
    let fault: &[&str] = match database {
        TestDatabase::Sqlite => {
            &["CREATE TRIGGER fault BEFORE INSERT ON account BEGIN SELECT RAISE(ABORT, 'the disk is on fire'); END"]
        }
        TestDatabase::Postgresql(_) => &[
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ \
             BEGIN RAISE EXCEPTION 'the disk is on fire'; END $$",
            "CREATE TRIGGER fault BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION fault()",
        ],
    };
    fault.iter().for_each(|statement| database.sql(folder.path(), statement));
    let output = import(GOOD.as_bytes(), folder.path());
    assert_eq!(output.status.code(), Some(17));
    assert!(stderr(&output).contains("the disk is on fire"), "{}", stderr(&output));
}

#[test]
fn the_register_and_letters_from_the_first_row_to_the_outbox() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| server(arguments, folder.path(), INSURER);
    let file = folder.path().join("members.csv");
    let row = GOOD.trim_end();
    std::fs::write(&file, format!("{},remark\n{row},x\n", HEADER.trim_end())).unwrap();
    let import = run(&["register", "import", file.to_str().unwrap()]);
    assert_eq!(stdout(&import), "imported: 1\nchanged: 0\nunchanged: 0\n");
    let told = stderr(&import);
    assert!(told.contains("100 %, ") && told.contains("column \"remark\" means nothing here"), "{told}");
    let again = run(&["register", "import", file.to_str().unwrap()]);
    assert_eq!(stdout(&again), "imported: 0\nchanged: 0\nunchanged: 1\n");

    let create = run(&["letters", "create"]);
    assert_eq!(stdout(&create), "invited: 1\ncreated: 1\ncancelled: 0\n", "{}", stderr(&create));
    assert!(stderr(&create).starts_with("100 %, 1 of 1 letters"), "{}", stderr(&create));
    assert!(!stderr(&create).contains('\r'), "a bar is for terminals");
    let order = run(&["letters", "order", "A123456780"]);
    assert_eq!(stdout(&order), "ordered\n", "{}", stderr(&order));
    let order = run(&["letters", "order", "M100200305"]);
    assert_eq!((order.status.code(), stdout(&order)), (Some(27), String::new()));

    // Somebody else is at it: in the same outbox there is one job at a time.
    let lock = std::fs::File::options().write(true).open(folder.path().join("data/outbox/.lock")).unwrap();
    lock.lock().unwrap();
    let busy = run(&["letters", "create"]);
    assert_eq!(busy.status.code(), Some(23), "{}", stderr(&busy));
    drop(lock);
    let unprintable = "[insurer]\nname = \"Κάσα\"\n";
    let output = server(&["letters", "create"], folder.path(), unprintable);
    assert_eq!(output.status.code(), Some(24), "{}", stderr(&output));
    assert_eq!(stdout(&run(&["letters", "create"])), "invited: 0\ncreated: 1\ncancelled: 0\n");
}

#[test]
fn a_letter_that_cannot_be_printed_is_told_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    assert!(import(GOOD.replace("Erika", "Ελένη").as_bytes(), folder.path()).status.success());
    let output = server(&["letters", "create"], folder.path(), INSURER);
    assert_eq!(output.status.code(), Some(26));
    let told = stderr(&output);
    assert!(told.contains(": a character cannot be printed\n") && !told.contains("Mustermann"), "{told}");
}
