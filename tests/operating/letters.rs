//! The jobs of the register and of letters, as a program that is killed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kartenbund::client::service::Service;
use kartenbund::client::session::SessionKey;
use kartenbund::protocol::api::LoginRequest;
use time::OffsetDateTime;

use crate::command_line::{import, server, stderr};
use crate::common::letter_code::{picture_of, said_by};
use crate::common::{ERIKA, PASSWORD_HASH, number, rng, typed};
use crate::process::{Process, with_database};

/// Letters in twenty batches.
const LETTERS: usize = 300;
const CONFIGURATION: &str = "[insurer]\nname = \"Musterkasse\"\n[letters]\nbatch = 15\n";

/// Rows of persons, told apart by their house number.
fn rows(count: usize) -> Vec<u8> {
    let row =
        |house: usize| format!("{},Erika,Müstermann,1964-08-12,Weg,{house},12345,Ort,D,2020-01-01\n", number(house));
    (0..count).map(row).collect::<String>().into_bytes()
}

fn create(folder: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kartenbund-server"));
    command.env_remove("KARTENBUND_CONFIG").arg("--config").arg(folder.join("kartenbund.toml"));
    command.args(["letters", "create"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The batches that are handed over, and how many are not.
fn outbox(folder: &Path) -> (Vec<PathBuf>, usize) {
    let Ok(entries) = std::fs::read_dir(folder.join("data/outbox")) else { return (Vec::new(), 0) };
    let folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    let (parts, whole): (Vec<_>, Vec<_>) =
        folders.into_iter().partition(|path| path.extension().is_some_and(|extension| extension == "part"));
    (whole, parts.len())
}

/// Whose letter this is, and the password in it: the only line of twelve characters without a blank.
fn read(letter: &Path) -> (String, String) {
    let output =
        Command::new("pdftotext").arg(letter).arg("-").output().expect("tools/setup.sh installs poppler-utils");
    let text = String::from_utf8(output.stdout).unwrap();
    let house = text.lines().find_map(|line| line.strip_prefix("Weg ")).unwrap().parse().unwrap();
    let mut passwords = text.lines().filter(|line| line.chars().count() == 12 && !line.contains(' '));
    let password = passwords.next().unwrap().to_owned();
    assert_eq!(passwords.next(), None, "{text}");
    (number(house), password)
}

#[test]
fn a_job_that_is_killed_anywhere_makes_every_letter_once() {
    let folder = tempfile::tempdir().unwrap();
    let imported = import(&rows(LETTERS), folder.path());
    assert!(imported.status.success(), "{}", stderr(&imported));
    let configuration = with_database(folder.path(), CONFIGURATION);
    std::fs::write(folder.path().join("kartenbund.toml"), configuration).unwrap();
    let mut killed_at_work = 0;
    let (mut printed, mut read_out) = (BTreeSet::new(), Vec::new());
    // The print service takes what is whole as soon as it sees it, and finds no letter a second time.
    let mut take = |batches: Vec<PathBuf>| {
        for batch in batches {
            let mut paper = None;
            let manifest = std::fs::read_to_string(batch.join("manifest.csv")).unwrap();
            for line in manifest.lines().skip(1) {
                let [file, _, _, sha256] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
                let letter = std::fs::read(batch.join(file)).unwrap();
                let hash = kartenbund::protocol::Sha256Hash::of(&letter);
                assert_eq!(hex::encode(hash.as_bytes()), sha256, "a letter that is handed over is whole");
                assert!(printed.insert(file.to_owned()), "{file} twice");
                paper = Some(batch.join(file));
            }
            read_out.extend(paper.as_deref().map(read));
            std::fs::remove_dir_all(batch).unwrap();
        }
    };
    for round in 0..100 {
        let mut job = create(folder.path());
        // Longer and longer: where the computer is slow, too, jobs are killed while they write, and get on.
        std::thread::sleep(Duration::from_millis(50 + rand_core::Rng::next_u64(&mut rng()) % (200 + 10 * round)));
        if job.try_wait().unwrap().is_some() {
            break;
        }
        job.kill().unwrap();
        job.wait().unwrap();
        let (whole, parts) = outbox(folder.path());
        killed_at_work += parts;
        take(whole);
    }
    let last = server(&["letters", "create"], folder.path(), CONFIGURATION);
    assert!(last.status.success(), "{}", stderr(&last));
    let (whole, parts) = outbox(folder.path());
    assert_eq!(parts, 0);
    take(whole);
    assert_eq!(printed.len(), LETTERS);
    assert!(killed_at_work > 0, "no job was killed while it wrote");

    // One letter of each batch logs in: what was printed is what was kept.
    let process = Process::start(folder.path(), "");
    for (kvnr, password) in read_out {
        let request = LoginRequest { kvnr, password: typed(&password), client_name: None };
        let (key, now) = (SessionKey::new(&mut rng()), OffsetDateTime::now_utc().unix_timestamp());
        let remote = Service::at(&process.url).unwrap();
        remote.ask_for_tokens("/v1/login", &process.url, &request, &key, now).unwrap();
    }
}

#[test]
fn a_code_names_the_service_by_its_address_where_it_has_no_other_name() {
    let folder = tempfile::tempdir().unwrap();
    let header = "kvnr,given_name,family_name,birth_date,street,house_number,postal_code,city,country,membership_start";
    let row = format!("{ERIKA},Erika,Müstermann,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,\"{PASSWORD_HASH}\"\n");
    std::fs::write(folder.path().join("register.csv"), format!("{header},password_hash\n{row}")).unwrap();
    let configuration = format!("listen = \"127.0.0.1:8470\"\n{CONFIGURATION}");
    let run = |words: &[&str]| {
        let output = server(words, folder.path(), &configuration);
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
    };
    run(&["register", "import", folder.path().join("register.csv").to_str().unwrap()]);
    run(&["letters", "order", "--device-code", ERIKA]);
    run(&["letters", "create"]);
    let (batches, _) = outbox(folder.path());
    let mut letters = std::fs::read_dir(&batches[0]).unwrap().map(|entry| entry.unwrap().path());
    let letter = letters.find(|path| path.extension().is_some_and(|extension| extension == "pdf")).unwrap();
    let symbol = said_by("zbarimg", &["--raw", "--quiet", picture_of(&letter, "150", "-png").to_str().unwrap()]);
    assert!(symbol.starts_with("KB1:127.0.0.1:8470:"), "the host of the name");
}
