//! The database as an operator sees it: backup, restore, upgrade.

use std::path::Path;
use std::process::Output;

use crate::common::TestDatabase;
use crate::common::postgresql::cluster;
use crate::process::{Process, audit, log_in_in_vain, on, program};

fn run(folder: &Path, more: &str, arguments: &[&str]) -> Output {
    program(folder, more).args(arguments).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Settings that put the database on the cluster of the tests.
fn on_postgresql(folder: &Path) -> String {
    on(&TestDatabase::Postgresql(cluster().new_database()), folder)
}

#[test]
fn a_service_that_is_told_of_no_database_runs_on_the_one_the_tests_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    log_in_in_vain(&Process::start(folder.path(), "").url);
    let again = Process::start(folder.path(), "");
    assert_eq!(audit(&again).lines().count(), 1, "at the next start it is the same");
    let asked = std::env::var("KARTENBUND_TEST_DATABASE").unwrap_or_default();
    assert_eq!(folder.path().join("data/kartenbund.sqlite").exists(), asked != "postgresql");
}

#[test]
fn a_backup_of_the_running_service_is_what_it_was() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let more = on(&TestDatabase::Sqlite, folder.path());
    let backup = folder.path().join("backup.sqlite");
    let none = run(folder.path(), &more, &["database", "backup", backup.to_str().unwrap()]);
    assert_eq!(none.status.code(), Some(11), "{}", told(&none));
    assert!(!backup.exists());

    let process = Process::start(folder.path(), &more);
    log_in_in_vain(&process.url);
    let done = run(folder.path(), &more, &["database", "backup", backup.to_str().unwrap()]);
    assert!(done.status.success(), "{}", told(&done));
    assert_eq!(std::fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&backup).unwrap();
    let again = run(folder.path(), &more, &["database", "backup", backup.to_str().unwrap()]);
    assert!(!again.status.success() && std::fs::read(&backup).unwrap() == before, "nothing is written over");
    log_in_in_vain(&process.url);
    assert_eq!(audit(&process).lines().count(), 2);
    drop(process);

    // Restored: the file in the place of the database, without the journal of the one that is gone.
    let data = folder.path().join("data");
    for name in ["kartenbund.sqlite-wal", "kartenbund.sqlite-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }
    std::fs::copy(&backup, data.join("kartenbund.sqlite")).unwrap();
    let restored = Process::start(folder.path(), &more);
    assert_eq!(audit(&restored).lines().count(), 1);
}

#[test]
fn a_postgresql_database_is_left_to_pg_dump() {
    let folder = tempfile::tempdir().unwrap();
    let more = on_postgresql(folder.path());
    let migrated = run(folder.path(), &more, &["database", "migrate"]);
    assert_eq!(String::from_utf8_lossy(&migrated.stdout), "the database is up to date\n", "{}", told(&migrated));
    let backup = folder.path().join("backup");
    let refused = run(folder.path(), &more, &["database", "backup", backup.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(11));
    assert!(told(&refused).contains("pg_dump") && !backup.exists(), "{}", told(&refused));
}

/// What a later version of the program leaves behind.
const LATER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     VALUES (9000, 'later', TRUE, 'x', 0)";

#[test]
fn the_database_of_a_later_version_is_refused_and_left_alone() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgresql(cluster().new_database())] {
        let folder = tempfile::tempdir().unwrap();
        let more = on(&database, folder.path());
        assert!(run(folder.path(), &more, &["database", "migrate"]).status.success());
        database.sql(folder.path(), LATER);
        for command in [&["database", "migrate"][..], &["run"]] {
            let refused = run(folder.path(), &more, command);
            assert_eq!(refused.status.code(), Some(22), "{}", told(&refused));
            assert!(told(&refused).contains("it knows migration 9000"), "{}", told(&refused));
        }
    }
}

/// The key file, as JSON.
fn keys(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("data/service-keys.json")).unwrap()).unwrap()
}

#[test]
fn keys_rotate_and_the_ones_before_stay() {
    let folder = tempfile::tempdir().unwrap();
    let missing = run(folder.path(), "", &["keys", "rotate", "token"]);
    assert_eq!(missing.status.code(), Some(12), "{}", told(&missing));
    assert!(run(folder.path(), "", &["database", "migrate"]).status.success());
    let before = keys(folder.path());
    for (kind, member) in [("token", "token_keys"), ("pepper", "peppers")] {
        let done = run(folder.path(), "", &["keys", "rotate", kind]);
        assert!(done.status.success(), "{}", told(&done));
        let (before, after) = (before[member].as_array().unwrap(), keys(folder.path())[member].clone());
        assert_eq!((before.len(), after.as_array().unwrap().len()), (1, 2), "{member}");
        assert_eq!(before[0], after[0], "{member}: the one before is still there");
    }
    assert_eq!(before["signing"], keys(folder.path())["signing"], "clients have pinned this one");
    let process = Process::start(folder.path(), "");
    assert_eq!(reqwest::blocking::get(format!("{}/readyz", process.url)).unwrap().status(), 200);
}
