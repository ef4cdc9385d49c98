//! What persons and scripts do with accounts on one computer: the real program against a real service.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod additions;
mod card_and_reset;
#[path = "../common/mod.rs"]
mod common;
mod device_codes;
mod first;
mod killed;
mod lost;
mod password;
mod rebinding;
mod screen_codes;
mod sessions;
mod several;
mod terminal;

use std::process::{Command, Output, Stdio};

use common::{ManualClock, TestDatabase, World, anchors_of, ca};
use kartenbund::virtual_card::personalise::MUSTERKASSE_IK;
use serde_json::Value;
use time::OffsetDateTime;

/// A service whose clock is right when the test begins: programs have clocks of their own.
fn world() -> World {
    let clock = ManualClock::at(OffsetDateTime::now_utc());
    World::open(tempfile::tempdir().unwrap(), clock, Box::new(anchors_of(&[&ca()])), &[MUSTERKASSE_IK])
}

/// A computer without key ring.
struct Computer(tempfile::TempDir);

impl Computer {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn home(&self) -> std::path::PathBuf {
        self.0.path().join("home")
    }

    /// Runs the program, with lines for its passwords.
    fn run(&self, words: &[&str], passwords: &[&str]) -> Output {
        let lines = self.0.path().join("lines");
        std::fs::write(&lines, passwords.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$@\" 3<\"$0\""]).arg(&lines).arg(env!("CARGO_BIN_EXE_kartenbund"));
        shell.args(["--lang", "en"]).args(words).env("KARTENBUND_HOME", self.home()).env("KARTENBUND_NO_KEY_RING", "1");
        if !passwords.is_empty() {
            shell.args(["--password-fd", "3"]);
        }
        shell.env_remove("KARTENBUND_ACCOUNT").stdin(Stdio::null()).output().unwrap()
    }

    fn json(&self, words: &[&str], passwords: &[&str]) -> Value {
        json_of(&self.run(&[&["--json"], words].concat(), passwords))
    }

    /// The code of the failure and the exit code.
    fn refused(&self, words: &[&str], passwords: &[&str]) -> (String, i32) {
        let output = self.run(&[&["--json"], words].concat(), passwords);
        let code = json_of(&output)["error"]["code"].as_str().unwrap_or_else(|| panic!("{output:?}")).to_owned();
        (code, output.status.code().unwrap())
    }
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("not JSON: {output:?}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
