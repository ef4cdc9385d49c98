//! What the account service carries, each figure beside its limit measured alone in the same run: logins beside
//! Argon2id, renewals beside bare commits, reads beside bare reads; registrations, evaluations of PINs and decisions
//! beside the cryptography they need and bare commits. Markdown on standard output; `docs/performance.md`
//! holds a run.
//!
//! Register and letters are the library's, called from here; requests go to a process of `kartenbund-server`, over
//! connections that are kept. `SHORT=1` makes everything small, to see that it works. `TMPDIR` is a folder on the disk
//! that is measured. Words after `--` choose lines of the second factor: `cargo bench --bench service -- 'by card'
//! 'approvals, SQLite'` measures those in whose name one of them stands, and does the rest only as far as they need it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs, dead_code)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/operating/process.rs"]
mod process;

mod alone;
mod factor;
mod load;
mod requests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::postgresql::durable_cluster;
use common::{PASSWORD_HASH, TestDatabase, number, rng};
use kartenbund::client::session::SessionKey;
use kartenbund::jose::P256Jwk;
use kartenbund::protocol::dpop::{DpopProof, ProvenRequest};
use kartenbund::server::{LetterEvent, Service, Settings};
use time::OffsetDateTime;

use alone::Bare;
use factor::{Members, With};
use load::{Measured, cpu_time, drive, memory, timed};
use requests::{Requests, cores, register_header, register_row};

/// Clients at once, where nothing else is said.
const CLIENTS: usize = 8;
/// How many clients ask at once where there is always more to do.
const MANY: usize = 64;
/// Reads that are signed beforehand: far more than the service answers, and few enough that the first is not too old when the
/// last is signed.
const MOST_READS: usize = 200_000;
/// Length of a row of the register, in bytes.
const ROW: usize = 90;

/// How much is done.
struct Size {
    /// Members without a password: they get letters, and each opens a session with the password in it.
    members: usize,
    /// Connections on which each of their sessions waits for approvals.
    watchers: usize,
    /// Members with a password.
    accounts: usize,
    /// Sessions that each of them opens.
    logins: usize,
    /// Members who register devices and decide.
    deciding: usize,
    /// How long what has no end is measured.
    time: Duration,
}

/// Lines of the second factor, in their order.
const BY_CARD: &str = "registrations by card";
const BY_CODE: &str = "registrations by QR code";
const EVALUATIONS: &str = "evaluations of PINs";
const APPROVALS: &str = "approvals";
/// The memory of those who wait for approvals.
const WATCHING: &str = "watching";

/// A registration is four requests that change something, each of which is answered when it is durable.
const REQUESTS_OF_A_REGISTRATION: usize = 4;

/// The lines of the second factor that are asked for, and [`WATCHING`]; without any, everything is.
struct Asked(Vec<String>);

impl Asked {
    fn of_arguments() -> Self {
        Self(std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect())
    }

    fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    fn is_for(&self, what: &str, database: &str) -> bool {
        let name = format!("{what}, {database}");
        self.is_everything() || self.0.iter().any(|word| name.contains(word.as_str()))
    }

    fn is_for_any(&self, database: &str) -> bool {
        [BY_CARD, BY_CODE, EVALUATIONS, APPROVALS, WATCHING].iter().any(|what| self.is_for(what, database))
    }
}

fn main() {
    let asked = Asked::of_arguments();
    let is_short = std::env::var_os("SHORT").is_some();
    let time = if is_short { Duration::from_millis(200) } else { Duration::from_secs(4) };
    let sizes = match is_short {
        true => [(60, 1), (40, 3)].map(|(members, watchers)| Size {
            members,
            watchers,
            accounts: 4,
            logins: 2,
            deciding: 8,
            time,
        }),
        false => [(10_000, 1), (2_000, 3)].map(|(members, watchers)| Size {
            members,
            watchers,
            accounts: 32,
            logins: 10,
            deciding: 240,
            time,
        }),
    };
    let [sqlite, postgresql] = sizes;
    let is_watching = asked.is_for(WATCHING, "SQLite") || asked.is_for(WATCHING, "PostgreSQL");
    if asked.is_everything() {
        dpop(time);
    }
    if is_watching {
        println!("| what | at once | a second | p50, ms | p99, ms | CPU, ms each | alone | a second | ratio |");
        println!("|---|---|---|---|---|---|---|---|---|");
    }
    let databases = [("SQLite", false, sqlite), ("PostgreSQL", true, postgresql)];
    let found = databases.into_iter().filter(|(name, ..)| asked.is_for_any(name)).map(|(name, is_postgresql, size)| {
        let database = match is_postgresql {
            true => TestDatabase::Postgresql(durable_cluster().new_database()),
            false => TestDatabase::Sqlite,
        };
        (name, on(name, database, &size, &asked))
    });
    let found: Vec<_> = found.collect();
    if is_watching {
        of_sessions(&found);
    }
    println!(
        "\n| what | at once | a second | p50, ms | p99, ms | commits alone | ratio | a second and core | cryptography alone | \
         ratio | with bare requests | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (_, Found { factor, .. }) in &found {
        factor.iter().for_each(|line| println!("{line}"));
    }
}

/// Memory, and logins for each core.
fn of_sessions(found: &[(&str, Found)]) {
    println!(
        "\n| memory of the service, MiB | idle | sessions opened | with them | 10,000 sessions | watching | more for them | \
         10,000 watching | 10,000 with TLS | after logins |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (database, found) in found {
        let Found { idle, sessions, with_them, watchers, watched, watched_tls, after_logins, .. } = found;
        let [session, watcher, with_tls] =
            [(with_them - idle, sessions), (*watched, watchers), (*watched_tls, watchers)]
                .map(|(all, count)| all * 10_000.0 / *count as f64);
        println!(
            "| {database} | {idle:.1} | {sessions} | {with_them:.1} | {session:.1} | {watchers} | {watched:.1} | \
             {watcher:.1} | {with_tls:.1} | {after_logins:.1} |"
        );
    }
    println!("\n| logins with a password | a second and core | Argon2id alone |\n|---|---|---|");
    for (database, Found { logins, argon2id, .. }) in found {
        println!("| {database} | {logins:.2} | {argon2id:.2} |");
    }
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
#[derive(Default)]
struct Found {
    /// Memory of the service in MiB, before, with so many sessions, and at the end.
    idle: f64,
    sessions: usize,
    with_them: f64,
    /// Connections that waited for approvals, and what was needed for them.
    watchers: usize,
    watched: f64,
    /// The same with TLS.
    watched_tls: f64,
    after_logins: f64,
    /// Logins a second and core, and hashes.
    logins: f64,
    argon2id: f64,
    /// Lines of the second factor.
    factor: Vec<String>,
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

/// What stands beside a line of the second factor, each alone.
struct Alone {
    /// CPU time of the cryptography, in seconds for each.
    cryptography: f64,
    /// The same, and that of the service for requests that do nothing, as many as one has.
    with_requests: f64,
    /// Commits that wait for the disk; as many for one as it has requests.
    commits: Measured,
}

/// The same beside the limits of the second factor: commits, which wait for the disk, and what takes CPU time of the service
/// as the rest does.
fn row_of_factor(what: &str, at_once: usize, measured: &Measured, cpu: f64, alone: &Alone) -> String {
    let percentile = |share| measured.percentile(share).map_or("–".to_owned(), |latency| format!("{latency:.1}"));
    let (rate, each_core) = (measured.rate(), measured.count as f64 / cpu);
    let Alone { cryptography, with_requests, commits } = alone;
    format!(
        "| {what} | {at_once} | {rate:.0} | {} | {} | {:.0} | {:.3} | {each_core:.0} | {:.0} | {:.3} | {:.0} | {:.3} |",
        percentile(0.5),
        percentile(0.99),
        commits.rate(),
        rate / commits.rate(),
        1.0 / cryptography,
        each_core * cryptography,
        1.0 / with_requests,
        each_core * with_requests,
    )
}

/// What was measured, and the CPU time of the service meanwhile.
fn meanwhile(pid: u32, work: &mut dyn FnMut() -> Measured) -> (Measured, f64) {
    let before = cpu_time(pid);
    let measured = work();
    (measured, cpu_time(pid) - before)
}

fn end(process: process::Process) {
    process.signal("TERM");
    process.ended();
}

fn on(name: &str, database: TestDatabase, size: &Size, asked: &Asked) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let bare = match &database {
        TestDatabase::Sqlite => Bare::open(&database.setting(), folder.path()),
        TestDatabase::Postgresql(_) => {
            let other = TestDatabase::Postgresql(durable_cluster().new_database());
            Bare::open(&other.setting(), folder.path())
        }
    };
    if !asked.is_for(WATCHING, name) {
        open(folder.path(), &database, |runtime, service| {
            let deciding = deciding(size).into_iter().map(|kvnr| register_row(&kvnr, PASSWORD_HASH));
            let register = register_header() + &deciding.collect::<String>();
            runtime.block_on(service.import(register.as_bytes(), drop)).unwrap();
        });
        let factor = factor(name, folder.path(), &database, &bare, size, asked);
        return Found { factor, ..Found::default() };
    }
    let initial_passwords = prepare(name, folder.path(), &database, &bare, size);

    let cores = cores();
    let process = process::Process::start(folder.path(), &requests::configuration(&database, folder.path()));
    let pid = process.id();
    let counted = |work: &mut dyn FnMut() -> Measured| meanwhile(pid, work);
    let mut requests = Requests::to(process.address(), &process.url);
    requests.knock(CLIENTS);
    let idle = memory(pid);

    let alone = bare.commits(CLIENTS, size.time);
    let (measured, cpu) = counted(&mut || requests.first_logins(CLIENTS, &initial_passwords));
    row(name, "first logins", CLIENTS, &measured, cpu, ("commits", &alone));
    let with_them = memory(pid);

    // So many passwords would take Argon2id half an hour: the sessions are made ordinary ones in the database.
    database.sql(folder.path(), "UPDATE account SET state = 'active' WHERE state = 'initial_login'");
    database.sql(folder.path(), "UPDATE session SET method = 'password' WHERE method = 'initial_password'");
    let watched = requests.watched(pid, size.watchers);
    let watchers = size.members * size.watchers;

    // Each by a process of its own: what was kept for the ones before is not in what follows.
    end(process);
    process::make_certificate(folder.path(), "tls", 1);
    let with_tls = requests::configuration(&database, folder.path()) + process::TLS;
    let process = process::Process::start(folder.path(), &with_tls);
    requests.go_to(process.address(), &process.url);
    let watched_tls = requests.watched(process.id(), size.watchers);
    end(process);
    let found = Found { idle, sessions: size.members, with_them, watchers, watched, watched_tls, ..Found::default() };
    if !asked.is_everything() {
        return found;
    }
    let process = process::Process::start(folder.path(), &requests::configuration(&database, folder.path()));
    let pid = process.id();
    let counted = |work: &mut dyn FnMut() -> Measured| meanwhile(pid, work);
    let mut requests = Requests::to(process.address(), &process.url);
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
    requests.sign_for_reads(alone.count.min(MOST_READS));
    let (measured, cpu) = counted(&mut || requests.read(CLIENTS, size.time));
    row(name, "reads with a session", CLIENTS, &measured, cpu, ("reads", &alone));
    let after_logins = memory(pid);
    end(process);

    let factor = factor(name, folder.path(), &database, &bare, size, asked);
    Found { after_logins, logins, argon2id, factor, ..found }
}

/// Lines of the second factor that are asked for.
fn factor(name: &str, folder: &Path, database: &TestDatabase, bare: &Bare, size: &Size, asked: &Asked) -> Vec<String> {
    let process = process::Process::start(folder, &requests::configuration(database, folder));
    let mut requests = Requests::to(process.address(), &process.url);
    requests.log_in(cores(), &deciding(size), 1);
    let mut sessions = requests.into_sessions();
    let others = sessions.split_off(size.deciding);
    let each = [(CLIENTS, sessions), (MANY, others)].map(|(clients, sessions)| {
        let members = Members::with(process.address(), &process.url, sessions);
        keep_codes(database, folder, &members);
        factor_at_once(clients, members, &process, name, bare, size, asked)
    });
    each.concat()
}

/// The same with so many clients.
fn factor_at_once(
    clients: usize,
    mut members: Members,
    process: &process::Process,
    name: &str,
    bare: &Bare,
    size: &Size,
    asked: &Asked,
) -> Vec<String> {
    let (here, pid) = (std::process::id(), process.id());
    // What a request takes that does nothing.
    let (requested, cpu) = meanwhile(pid, &mut || requests::of_nothing(process.address(), clients, size.time));
    let request = cpu / requested.count as f64;
    let mut lines = Vec::new();
    let mut beside = |what: &str, cryptography: fn(Duration) -> Measured, work: &mut dyn FnMut() -> Measured| {
        let (done, cpu) = meanwhile(here, &mut || cryptography(size.time));
        let cryptography = cpu / done.count as f64;
        let commits = bare.commits(clients, size.time);
        let requests = if [BY_CARD, BY_CODE].contains(&what) { REQUESTS_OF_A_REGISTRATION } else { 1 };
        let with_requests = cryptography + requests as f64 * request;
        let commits = Measured::whole(commits.count / requests, Duration::from_secs_f64(commits.seconds));
        let (measured, cpu) = meanwhile(pid, work);
        let alone = Alone { cryptography, with_requests, commits };
        lines.push(row_of_factor(&format!("{what}, {name}"), clients, &measured, cpu, &alone));
    };
    let is_for = |what| asked.is_for(what, name);
    if is_for(BY_CARD) {
        beside(BY_CARD, alone::registration_by_card, &mut || members.register(clients, With::Card));
    } else if is_for(EVALUATIONS) || is_for(APPROVALS) {
        members.register(clients, With::Card);
    }
    if is_for(BY_CODE) {
        beside(BY_CODE, alone::registration_by_code, &mut || members.register(clients, With::Code));
    }
    if is_for(EVALUATIONS) {
        beside(EVALUATIONS, alone::evaluation, &mut || members.evaluate(clients));
    }
    if is_for(APPROVALS) {
        let rounds = members.prepare_decisions();
        beside(APPROVALS, alone::decision, &mut || members.decide(clients, &rounds));
    }
    lines
}

/// Insurance numbers of those who register devices, for each number of clients.
fn deciding(size: &Size) -> Vec<String> {
    (500_000..500_000 + 2 * size.deciding).map(number).collect()
}

/// Keeps the public halves of codes, as the service does when it has written their letters.
fn keep_codes(database: &TestDatabase, folder: &Path, members: &Members) {
    let numbers = members.codes().map(|(kvnr, ..)| format!("'{kvnr}'")).collect::<Vec<_>>().join(", ");
    let letters = format!(
        "INSERT INTO letter (letter_id, account_id, kind, requested_by, state, created) \
         SELECT kvnr, account_id, 'device_code', 'anna', 'created', 0 FROM account WHERE kvnr IN ({numbers})"
    );
    database.sql(folder, String::leak(letters));
    let row = |(kvnr, qr_id, jwk): (&str, String, P256Jwk)| {
        let (jwk, account) = (serde_json::to_string(&jwk).unwrap(), "(SELECT account_id FROM account WHERE kvnr =");
        format!("('{kvnr}', '{kvnr}', {account} '{kvnr}'), '{qr_id}', '{jwk}', 'valid', 0, 0, 10000000000)")
    };
    let rows = members.codes().map(row).collect::<Vec<_>>().join(", ");
    let columns = "code_id, letter_id, account_id, qr_id, jwk, state, failures, created, expires_at";
    database.sql(folder, String::leak(format!("INSERT INTO device_code ({columns}) VALUES {rows}")));
}

/// Insurance numbers of those who have a password.
fn accounts(size: &Size) -> Vec<String> {
    (0..size.accounts).map(number).collect()
}

/// Imports the register and makes the letters; gives the passwords in them.
fn prepare(name: &str, folder: &Path, database: &TestDatabase, bare: &Bare, size: &Size) -> Vec<(String, String)> {
    let with = accounts(size).into_iter().chain(deciding(size)).map(|kvnr| register_row(&kvnr, PASSWORD_HASH));
    let without = (0..size.members).map(|member| register_row(&number(1_000_000 + member), ""));
    let register = register_header() + &with.chain(without).collect::<String>();

    let mut passwords = Vec::new();
    open(folder, database, |runtime, service| {
        passwords = measure_insurer(name, folder, bare, size, &register, runtime, service);
    });
    passwords
}

/// What the insurer does with the library alone.
fn open(folder: &Path, database: &TestDatabase, work: impl FnOnce(&tokio::runtime::Runtime, &Service)) {
    let mut settings = Settings::new(folder.join("data"), "https://konto.kasse.example");
    settings.database = database.setting();
    settings.insurer.name = "Musterkasse".to_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(Service::open(settings, Arc::new(OffsetDateTime::now_utc))).unwrap();
    work(&runtime, &service);
    runtime.block_on(service.close());
}

/// Imports a register and makes the letters.
fn measure_insurer(
    name: &str,
    folder: &Path,
    bare: &Bare,
    size: &Size,
    register: &str,
    runtime: &tokio::runtime::Runtime,
    service: &Service,
) -> Vec<(String, String)> {
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
    passwords
}

fn length_of_a_letter(outbox: &Path) -> usize {
    let files = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let batch = files(outbox).find(|path| path.is_dir()).unwrap();
    let letter = files(&batch).find(|path| path.extension().is_some_and(|extension| extension == "pdf")).unwrap();
    letter.metadata().unwrap().len() as usize
}
