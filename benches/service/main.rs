//! What the account service carries, each figure beside its limit measured alone in the same run: logins beside
//! Argon2id, renewals beside bare commits, reads beside bare reads. Markdown on standard output; `docs/performance.md`
//! holds a run.
//!
//! Register and letters are the library's, called from here; requests go to a process of `kartenbund-server`, over
//! connections that are kept. `SHORT=1` makes everything small, to see that it works. `TMPDIR` is a folder on the disk
//! that is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs, dead_code)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/operating/process.rs"]
mod process;

mod alone;
mod load;
mod requests;

use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::postgresql::durable_cluster;
use common::{HEADER, PASSWORD_HASH, TestDatabase, number, rng};
use kartenbund::client::session::SessionKey;
use kartenbund::protocol::dpop::{DpopProof, ProvenRequest};
use kartenbund::server::{LetterEvent, Service, Settings};
use time::OffsetDateTime;

use alone::Bare;
use load::{Measured, cpu_time, drive, memory, timed};
use requests::Requests;

/// Clients at once, where nothing else is said.
const CLIENTS: usize = 8;
/// Length of a row of the register, in bytes.
const ROW: usize = 90;

/// How much is done.
struct Size {
    /// Members without a password: they get letters, and each opens a session with the password in it.
    members: usize,
    /// Members with a password.
    accounts: usize,
    /// Sessions that each of them opens.
    logins: usize,
    /// How long what has no end is measured.
    time: Duration,
}

fn main() {
    let is_short = std::env::var_os("SHORT").is_some();
    let time = if is_short { Duration::from_millis(200) } else { Duration::from_secs(4) };
    let sizes = match is_short {
        true => [60, 40].map(|members| Size { members, accounts: 4, logins: 2, time }),
        false => [10_000, 2_000].map(|members| Size { members, accounts: 32, logins: 10, time }),
    };
    dpop(time);
    println!("| what | at once | a second | p50, ms | p99, ms | CPU, ms each | alone | a second | ratio |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let [sqlite, postgresql] = sizes;
    let found = [
        ("SQLite", on("SQLite", TestDatabase::Sqlite, &sqlite)),
        ("PostgreSQL", on("PostgreSQL", TestDatabase::Postgresql(durable_cluster().new_database()), &postgresql)),
    ];
    println!("\n| memory of the service, MiB | idle | sessions opened | with them | 10,000 sessions | after logins |");
    println!("|---|---|---|---|---|---|");
    for (database, Found { idle, sessions, with_them, after_logins, .. }) in &found {
        let each = (with_them - idle) * 10_000.0 / *sessions as f64;
        println!("| {database} | {idle:.1} | {sessions} | {with_them:.1} | {each:.1} | {after_logins:.1} |");
    }
    println!("\n| logins with a password | a second and core | Argon2id alone |\n|---|---|---|");
    for (database, Found { logins, argon2id, .. }) in found {
        println!("| {database} | {logins:.2} | {argon2id:.2} |");
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Checking a proof beside verifying its signature.
fn dpop(time: Duration) {
    let (key, address, now) = (SessionKey::new(&mut rng()), "https://konto.kasse.example/v1/devices", 1_790_000_000);
    let token = common::typed(&"t".repeat(82));
    let request = ProvenRequest { method: "GET", address, access_token: Some(&token) };
    let proof = key.prove(request, now).unwrap().to_str().unwrap().to_owned();
    let signed = proof.rfind('.').unwrap();
    let check = || Some(timed(|| DpopProof::check(&proof, request, now).unwrap()).1);
    let (checks, verifications) = (drive(vec![check], time), alone::p256(signed, time));
    let (each, alone) = (1e6 / checks.rate(), 1e6 / verifications.rate());
    println!("One core checks a DPoP proof in {each:.0} µs; verifying its signature alone takes {alone:.0} µs.\n");
}

/// What is said beside the table.
struct Found {
    /// Memory of the service in MiB, before, with so many sessions, and at the end.
    idle: f64,
    sessions: usize,
    with_them: f64,
    after_logins: f64,
    /// Logins a second and core, and hashes.
    logins: f64,
    argon2id: f64,
}

/// A line of the table. `cpu` is what all took, in seconds.
fn row(database: &str, what: &str, at_once: usize, measured: &Measured, cpu: f64, alone: (&str, &Measured)) {
    let percentile = |share| measured.percentile(share).map_or("–".to_owned(), |latency| format!("{latency:.1}"));
    let (rate, each, (limit, of_limit)) =
        (measured.rate(), 1000.0 * cpu / measured.count as f64, (alone.0, alone.1.rate()));
    println!(
        "| {what}, {database} | {at_once} | {rate:.0} | {} | {} | {each:.2} | {limit} | {of_limit:.0} | {:.3} |",
        percentile(0.5),
        percentile(0.99),
        rate / of_limit
    );
}

fn on(name: &str, database: TestDatabase, size: &Size) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let bare = match &database {
        TestDatabase::Sqlite => Bare::open(&database.setting(), folder.path()),
        TestDatabase::Postgresql(_) => {
            let other = TestDatabase::Postgresql(durable_cluster().new_database());
            Bare::open(&other.setting(), folder.path())
        }
    };
    let initial_passwords = prepare(name, folder.path(), &database, &bare, size);

    let cores = cores();
    let more = format!(
        "{}[logins]\ntries_in_an_hour = 1000000\ntries_in_a_day = 1000000\n[passwords]\nparallel_hashes = {cores}\n\
         [sessions]\naccess_token = 3600\nidle = 7200\n",
        process::on(&database, folder.path())
    );
    let process = process::Process::start(folder.path(), &more);
    let pid = process.id();
    let counted = |work: &mut dyn FnMut() -> Measured| {
        let before = cpu_time(pid);
        let measured = work();
        (measured, cpu_time(pid) - before)
    };
    let mut requests = Requests::to(process.address(), &process.url);
    requests.knock(CLIENTS);
    let idle = memory(pid);

    let alone = bare.commits(CLIENTS, size.time);
    let (measured, cpu) = counted(&mut || requests.first_logins(CLIENTS, &initial_passwords));
    row(name, "first logins", CLIENTS, &measured, cpu, ("commits", &alone));
    let with_them = memory(pid);

    requests.log_in(cores, &accounts(size), 1); // what the register brought is hashed anew
    let alone = alone::argon2id(cores, size.time);
    let at_once = 2 * cores;
    let (measured, cpu) = counted(&mut || requests.log_in(at_once, &accounts(size), size.logins));
    row(name, "logins with a password", at_once, &measured, cpu, ("Argon2id", &alone));
    let [logins, argon2id] = [measured, alone].map(|measured| measured.rate() / cores as f64);

    requests.sign_for_renewals();
    let alone = bare.commits(CLIENTS, size.time);
    let (measured, cpu) = counted(&mut || requests.renew(CLIENTS, size.time));
    row(name, "renewals of tokens", CLIENTS, &measured, cpu, ("commits", &alone));

    let alone = bare.reads(CLIENTS, size.time);
    requests.sign_for_reads(alone.count);
    let (measured, cpu) = counted(&mut || requests.read(CLIENTS, size.time));
    row(name, "reads with a session", CLIENTS, &measured, cpu, ("reads", &alone));
    Found { idle, sessions: size.members, with_them, after_logins: memory(pid), logins, argon2id }
}

/// Insurance numbers of those who have a password.
fn accounts(size: &Size) -> Vec<String> {
    (0..size.accounts).map(number).collect()
}

/// Imports the register and makes the letters; gives the passwords in them.
fn prepare(name: &str, folder: &Path, database: &TestDatabase, bare: &Bare, size: &Size) -> Vec<(String, String)> {
    let row_of = |kvnr: String, hash: &str| {
        format!("{kvnr},Erika,Müstermann,1964-08-12,Musterstraße,12a,12345,Musterstadt,D,2020-01-01,\"{hash}\"\n")
    };
    let with = accounts(size).into_iter().map(|kvnr| row_of(kvnr, PASSWORD_HASH));
    let without = (0..size.members).map(|member| row_of(number(1_000_000 + member), ""));
    let register = HEADER.trim_end().to_owned() + ",password_hash\n" + &with.chain(without).collect::<String>();

    let mut settings = Settings::new(folder.join("data"), "https://konto.kasse.example");
    settings.database = database.setting();
    settings.insurer.name = "Musterkasse".to_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(Service::open(settings, Arc::new(OffsetDateTime::now_utc))).unwrap();
    let here = std::process::id();

    let alone = bare.rows(ROW, size.time);
    let before = cpu_time(here);
    let (imported, took) = timed(|| runtime.block_on(service.import(register.as_bytes(), drop)).unwrap());
    let cpu = cpu_time(here) - before;
    let measured = Measured::whole(imported.imported as usize, took);
    row(name, "rows of a register", 1, &measured, cpu, ("inserts", &alone));

    let mut passwords = Vec::new();
    let create = service.create_letters(|event| {
        if let LetterEvent::InitialPassword { kvnr, password } = event {
            passwords.push((kvnr.as_str().to_owned(), password.expose().to_owned()));
        }
    });
    let before = cpu_time(here);
    let (report, took) = timed(|| runtime.block_on(create).unwrap());
    let cpu = cpu_time(here) - before;
    let alone = alone::files(folder, length_of_a_letter(&folder.join("data/outbox")), cores(), size.time);
    let measured = Measured::whole(report.created as usize, took);
    row(name, "letters", cores(), &measured, cpu, ("files", &alone));
    runtime.block_on(service.close());
    passwords
}

fn length_of_a_letter(outbox: &Path) -> usize {
    let files = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let batch = files(outbox).find(|path| path.is_dir()).unwrap();
    let letter = files(&batch).find(|path| path.extension().is_some_and(|extension| extension == "pdf")).unwrap();
    letter.metadata().unwrap().len() as usize
}
