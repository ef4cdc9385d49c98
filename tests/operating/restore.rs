//! What a backup brings back, on both databases: people with their passwords and sessions, and an audit that is whole.

use std::path::Path;
use std::process::Command;

use crate::common::postgresql::cluster;
use crate::common::{TestDatabase, number};
use crate::crash;
use crate::people::{Client as _, Line, Owner, Renewer};
use crate::process::{Process, audit, on, program};

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Backs up the database as the manual has it.
fn back_up(database: &TestDatabase, folder: &Path, more: &str) {
    let file = folder.join("backup");
    match database {
        TestDatabase::Sqlite => succeeds(program(folder, more).args(["database", "backup"]).arg(file)),
        TestDatabase::Postgresql(url) => {
            let mut dump = Command::new("pg_dump");
            succeeds(dump.args(["--format=custom", "--dbname", url.expose()]).arg("--file").arg(file));
        }
    }
}

fn restore(database: &TestDatabase, folder: &Path) {
    let file = folder.join("backup");
    match database {
        TestDatabase::Sqlite => {
            for journal in ["kartenbund.sqlite-wal", "kartenbund.sqlite-shm"] {
                let _ = std::fs::remove_file(folder.join("data").join(journal));
            }
            std::fs::copy(file, folder.join("data/kartenbund.sqlite")).unwrap();
        }
        TestDatabase::Postgresql(url) => {
            let mut restore = Command::new("pg_restore");
            restore.args([
                "--clean",
                "--if-exists",
                "--single-transaction",
                "--exit-on-error",
                "--dbname",
                url.expose(),
            ]);
            succeeds(restore.arg(file));
        }
    }
}

fn who_was_backed_up_is_there_again(database: &TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let more = on(database, folder) + crash::LIMITS;
    crash::import(folder, &more, 3);
    let process = Process::start(folder, &more);
    let line = Line::to(&process.url, &process.admin);
    let mut owner = Owner::new(number(1), &line);
    let mut renewer = Renewer::new(&number(3), 2, &line);
    // A second session, and another password.
    assert!(owner.step(&line) && owner.step(&line) && renewer.step(&line));
    assert_eq!(owner.changes.answered, 1);
    let told = audit(&process);
    drop(process);
    back_up(database, folder, &more);

    // What comes after that is lost; what was before is as it was.
    let process = Process::start(folder, &more);
    let line = Line::to(&process.url, &process.admin);
    let mut late = Owner::new(number(2), &line);
    assert!(late.step(&line) && late.step(&line));
    drop(process);
    restore(database, folder);
    let process = Process::start(folder, &more);
    assert_eq!(audit(&process), told, "to the last byte");
    let line = Line::to(&process.url, &process.admin);
    owner.look_back(&line);
    assert!(renewer.step(&line), "her session goes on");
    let before = Owner::new(number(2), &line);
    assert_eq!(before.logins.answered, 1, "his password is the one before");
    succeeds(program(folder, &more).args(["audit", "verify"]));
}

#[test]
fn who_was_backed_up_on_sqlite_is_there_again() {
    who_was_backed_up_is_there_again(&TestDatabase::Sqlite);
}

#[test]
fn who_was_backed_up_on_postgresql_is_there_again() {
    who_was_backed_up_is_there_again(&TestDatabase::Postgresql(cluster().new_database()));
}
