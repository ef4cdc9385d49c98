//! `kartenbund-server` as an operator meets it.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::path::Path;
use std::process::{Command, Output};

const HEADER: &str =
    "kvnr,given_name,family_name,birth_date,street,house_number,postal_code,city,country,membership_start\n";

fn server(arguments: &[&str], data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kartenbund-server"));
    for name in ["KARTENBUND_LISTEN", "KARTENBUND_ISSUER", "KARTENBUND_DATA"] {
        command.env_remove(name);
    }
    command.args(arguments).arg("--data").arg(data).output().unwrap()
}

fn import(rows: &[u8], folder: &Path) -> Output {
    let file = folder.join("members.csv");
    std::fs::write(&file, [HEADER.as_bytes(), rows].concat()).unwrap();
    server(&["account", "import", file.to_str().unwrap()], &folder.join("data"))
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn an_address_of_the_network_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8470"] {
        let output = server(&["run", "--listen", address], &data);
        assert_eq!(output.status.code(), Some(10), "{address}");
        assert!(stderr(&output).contains("code: not_loopback (10)"));
        assert!(output.stdout.is_empty(), "nobody was told that it listens");
        assert!(!data.exists(), "neither keys nor database were made");
    }
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
