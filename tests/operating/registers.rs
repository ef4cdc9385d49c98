//! A large register: the import is killed and goes on, whatever it had done is not done twice, and the length of the
//! file is no matter of memory.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::common::postgresql::cluster;
use crate::common::{HEADER, TestDatabase, number};
use crate::process::{on, program};

/// Most that the import of a million people may take, in MiB: kept in memory, they would be several hundred.
const MEMORY: u64 = 200;
/// How much more of it 24,000 people may take than 4,000, in MiB: their rows alone, kept in memory, would be five.
const GROWTH: u64 = 3;

/// A register of so many people, and a row behind half of them that is nobody's.
fn write_register(folder: &Path, people: usize) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(folder.join("register.csv")).unwrap());
    file.write_all(HEADER.as_bytes()).unwrap();
    for person in 0..people {
        if person == people / 2 {
            writeln!(file, "A123456781,Erika,M,1964-08-12,Weg,1,12345,Ort,D,2020-01-01").unwrap();
        }
        writeln!(file, "{},Erika,M,1964-08-12,Weg,1,12345,Ort,D,2020-01-01", number(person)).unwrap();
    }
}

fn import(folder: &Path, more: &str) -> Child {
    let mut command = program(folder, more);
    let command = command.args(["register", "import"]).arg(folder.join("register.csv"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The most memory that a process has had until now, in MiB.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib / 1024)
}

/// Waits for the end of an import: what it told, and the most memory it has had.
fn ended(mut import: Child) -> (String, u64) {
    let mut most = 0;
    while import.try_wait().unwrap().is_none() {
        most = most.max(peak(import.id()).unwrap_or_default());
        thread::sleep(Duration::from_millis(5));
    }
    let output = import.wait_with_output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr), most)
}

/// The most memory that the last import has had, in MiB.
#[expect(clippy::print_stdout, reason = "how much it took is worth knowing")]
fn an_import_that_is_killed_goes_on(database: &TestDatabase, people: usize) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let more = on(database, folder);
    write_register(folder, people);
    assert!(program(folder, &more).args(["database", "migrate"]).output().unwrap().status.success());
    let accounts = || usize::try_from(database.count(folder, "SELECT COUNT(*) FROM account")).unwrap();
    for part in 1..=3 {
        let mut killed = import(folder, &more);
        while accounts() < people * part / 4 {
            assert_eq!(killed.try_wait().unwrap(), None, "it is to be killed before it ends");
            thread::sleep(Duration::from_millis(5));
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    let before = accounts();
    assert!(before < people, "something is left to do");
    let (told, most) = ended(import(folder, &more));
    assert!(told.contains(&format!("line {}", people / 2 + 2)), "the bad row is named: {told}");
    assert_eq!(accounts(), people);
    // Once more: nothing is left to do, and nothing is done.
    let again = import(folder, &more).wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(told.contains(&people.to_string()), "all are as they were: {told}");
    let entries = database.count(folder, "SELECT COUNT(*) FROM audit WHERE person IS NOT NULL");
    assert_eq!(usize::try_from(entries).unwrap(), people, "each person once");
    let verified = program(folder, &more).args(["audit", "verify"]).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    println!("{people} people, {before} of them before the last kill: at most {most} MiB");
    most
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was_on_sqlite() {
    an_import_that_is_killed_goes_on(&TestDatabase::Sqlite, 8_000);
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was_on_postgresql() {
    an_import_that_is_killed_goes_on(&TestDatabase::Postgresql(cluster().new_database()), 8_000);
}

#[test]
fn a_longer_register_takes_no_more_memory() {
    let [short, long] = [4_000, 24_000].map(|people| {
        let folder = tempfile::tempdir().unwrap();
        write_register(folder.path(), people);
        let (told, most) = ended(import(folder.path(), &on(&TestDatabase::Sqlite, folder.path())));
        assert!(told.contains(&format!("imported: {people}\n")), "{told}");
        most
    });
    assert!((1..=short + GROWTH).contains(&long), "{short} MiB, and {long} MiB");
}

/// `make endurance`
#[test]
#[ignore = "takes minutes"]
fn a_million_people_are_imported_through_three_kills() {
    let most = an_import_that_is_killed_goes_on(&TestDatabase::new(), 1_000_000);
    assert!((1..MEMORY).contains(&most), "{most} MiB");
}
