//! The service's data folder: who else may read it, and what happens when a part of it is lost.

use kartenbund::server::{KeysError, ServerError, Service, Settings};
use kartenbund::virtual_card::personalise::MUSTERKASSE_IK;

use super::*;

#[cfg(unix)]
#[test]
fn nobody_else_reads_the_database_even_in_a_folder_open_to_all() {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("service");
    std::fs::DirBuilder::new().mode(0o755).create(&data).unwrap();
    let world = World::open(folder, ManualClock::at(NOW), Box::new(anchors_of(&[&ca()])), &[MUSTERKASSE_IK]);
    world.member(ERIKA);
    let mut names = Vec::new();
    for file in std::fs::read_dir(&data).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    let expected: &[&str] = match world.database {
        TestDatabase::Sqlite => {
            &["kartenbund.sqlite", "kartenbund.sqlite-shm", "kartenbund.sqlite-wal", "service-keys.json"]
        }
        TestDatabase::Postgresql(_) => &["service-keys.json"],
    };
    assert_eq!(names, expected, "while it runs");
}

fn open(folder: &std::path::Path) -> Result<std::sync::Arc<Service>, ServerError> {
    let settings = Settings::new(folder.to_owned(), "https://konto.kasse.example");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(Service::open(settings, std::sync::Arc::new(|| NOW)))
}

#[test]
fn keys_are_made_at_the_first_start_only() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, database) = (folder.path().join("service-keys.json"), folder.path().join("kartenbund.sqlite"));
    open(folder.path()).ok().unwrap();
    let made = std::fs::read(&keys).unwrap();
    open(folder.path()).ok().unwrap();
    assert_eq!(std::fs::read(&keys).unwrap(), made, "the second start keeps them");

    std::fs::remove_file(&keys).unwrap();
    assert!(matches!(open(folder.path()).err(), Some(ServerError::Keys(KeysError::Missing))));
    assert!(!keys.exists(), "no others are made in their place");
    std::fs::write(&keys, &made[1..]).unwrap();
    assert!(matches!(open(folder.path()).err(), Some(ServerError::Keys(KeysError::Damaged))));
    std::fs::write(&keys, &made).unwrap();
    open(folder.path()).ok().unwrap();

    // A first start that broke off after the keys: they are taken.
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path != keys {
            let _ = std::fs::remove_file(path); // a journal may be gone by now
        }
    }
    assert!(!database.exists());
    open(folder.path()).ok().unwrap();
    assert_eq!(std::fs::read(&keys).unwrap(), made);
}
