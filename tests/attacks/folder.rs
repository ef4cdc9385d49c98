//! The service's data folder: who else may read it, and what happens when a part of it is lost.

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
    let expected = ["kartenbund.sqlite", "kartenbund.sqlite-shm", "kartenbund.sqlite-wal", "service-keys.json"];
    assert_eq!(names, expected, "while it runs");
}
