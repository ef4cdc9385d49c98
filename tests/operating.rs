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
        assert!(told.contains("imported: 1"), "{told}");
        assert!(told.contains("line 2: the row does not fit the header, or is not UTF-8"), "{told}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("A123456780,"));
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
        let output = server(&["account", "import", file.to_str().unwrap()], &folder.path().join("data"));
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
    let url = format!("sqlite://{}", folder.path().join("data/kartenbund.sqlite").display());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let fault =
            "CREATE TRIGGER fault BEFORE INSERT ON account BEGIN SELECT RAISE(ABORT, 'the disk is on fire'); END";
        sqlx::query(fault).execute(&pool).await.unwrap();
        pool.close().await;
    });
    let output = import(GOOD.as_bytes(), folder.path());
    assert_eq!(output.status.code(), Some(17));
    assert!(stderr(&output).contains("the disk is on fire"), "{}", stderr(&output));
}
