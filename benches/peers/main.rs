//! Approvals a second beside what a developer would pick instead (`server.js`): the same decisions a person makes, over as
//! many connections, on the same disk, in turns. Markdown on standard output; `docs/performance.md` holds a run.
//!
//! `make bench-peers` installs the peer into the folder of its only argument. `SHORT=1` makes everything small. `TMPDIR`
//! is a folder on the disk that is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs, dead_code)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../service/factor.rs"]
mod factor;
#[path = "../service/load.rs"]
mod load;
#[path = "../../tests/operating/process.rs"]
mod process;
#[path = "../service/requests.rs"]
mod requests;

mod peer;

use common::{PASSWORD_HASH, TestDatabase, number};
use factor::{Members, With};
use load::Measured;
use peer::Peer;
use requests::{Requests, register_row};

/// Connections at once.
const CLIENTS: usize = 8;

fn main() {
    let (members, rounds) = if std::env::var_os("SHORT").is_some() { (8, 1) } else { (240, 3) };
    let folder = tempfile::tempdir().unwrap();
    let ours = Ours::start(folder.path(), members);
    let peers = [1, 2].map(|processes| Peer::start(folder.path(), processes, members));
    let (mut of_ours, mut of_peers) = (Vec::new(), [Vec::new(), Vec::new()]);
    for _ in 0..rounds {
        let prepared = ours.members.prepare_decisions();
        of_ours.push(ours.members.decide(CLIENTS, &prepared));
        for (peer, measured) in peers.iter().zip(&mut of_peers) {
            let prepared = peer.prepare(3 * members);
            measured.push(peer.decide(CLIENTS, &prepared));
        }
    }
    println!("| approvals | at once | decided | a second | p50, ms | p99, ms |\n|---|---|---|---|---|---|");
    let [one, two] = of_peers.map(Measured::joined);
    let of_ours = Measured::joined(of_ours);
    for (what, measured) in
        [("kartenbund-server, SQLite", &of_ours), ("the peer, one process", &one), ("the peer, two processes", &two)]
    {
        let [half, most] = [0.5, 0.99].map(|share| measured.percentile(share).unwrap());
        let rate = measured.rate();
        println!("| {what} | {CLIENTS} | {} | {rate:.0} | {half:.1} | {most:.1} |", measured.count);
    }
    for (what, peer) in [("one process", &one), ("two processes", &two)] {
        let [rate, p99] =
            [of_ours.rate() / peer.rate(), of_ours.percentile(0.99).unwrap() / peer.percentile(0.99).unwrap()];
        println!("\nBeside {what}: {rate:.2} times the approvals a second, {p99:.2} of the p99.");
    }
}

/// The service with members who have a device each.
struct Ours {
    members: Members,
    _process: process::Process,
}

impl Ours {
    fn start(folder: &std::path::Path, members: usize) -> Self {
        let numbers: Vec<_> = (0..members).map(number).collect();
        let register = folder.join("register.csv");
        let rows = numbers.iter().map(|kvnr| register_row(kvnr, PASSWORD_HASH)).collect::<String>();
        std::fs::write(&register, requests::register_header() + &rows).unwrap();
        let more = requests::configuration(&TestDatabase::Sqlite, folder);
        let import = process::program(folder, &more).args(["register", "import"]).arg(register).output().unwrap();
        assert!(import.status.success());
        let process = process::Process::start(folder, &more);
        let mut requests = Requests::to(process.address(), &process.url);
        requests.log_in(requests::cores(), &numbers, 1);
        let mut members = Members::with(process.address(), &process.url, requests.into_sessions());
        members.register(CLIENTS, With::Card);
        Self { members, _process: process }
    }
}
