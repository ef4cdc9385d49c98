//! Stories on the virtual card through the real PC/SC service, told with the programs as people start them.
//!
//! Every test has a PC/SC service of its own ([`pcscd`]), so that they run side by side and never reach a card that is
//! plugged into this computer. Where none can be had the tests fail and say why. Debian packages: pcscd,
//! vsmartcard-vpcd, opensc, pcsc-tools.
#![cfg(target_os = "linux")]
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

// Who takes part.
mod card;
mod computer;
mod insurer;
mod keypad;
mod line;
mod pcscd;
mod terminal;

// What happens.
mod breakdown;
mod demo;
mod doctor;
mod foreign;
mod on_the_reader;
mod pin;
mod pulled;
mod readers;
mod reading;
mod registering;
mod scenario;
mod waiting;

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take on a busy computer before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer.
#[track_caller]
fn eventually<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not within {} seconds", PATIENCE.as_secs());
        thread::sleep(Duration::from_millis(10));
    }
}
