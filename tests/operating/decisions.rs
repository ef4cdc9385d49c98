//! The second factor at a service that is killed: nothing decided is lost or decided twice, no counter of a PIN goes back,
//! no device is half bound, and the audit is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use kartenbund::protocol::{ApplicationId, ApprovalId, AttemptId, DeviceId, Sha256Hash};
use serde_json::Value;

use crate::common::{HEADER, PASSWORD_HASH, TestDatabase, free_port, number};
use crate::crash::{LIMITS, load};
use crate::decider::Decider;
use crate::newcomer::Newcomer;
use crate::people::{Client, Line};
use crate::process::{Process, is_chain, on, program, read_on};

/// People at the same time: those who use the program, and those with their key in memory, who are quicker.
const NEWCOMERS: usize = 2;
const DECIDERS: usize = 4;
/// How far apart their numbers are.
const APART: usize = 2000;
/// How many decisions of the latter there are before each kill, at least.
const BETWEEN_KILLS: usize = 6;
pub(crate) const CARDS: &str = concat!(
    "[cards]\npayer_iks = [\"999567890\"]\ntest_anchors = [\"",
    env!("CARGO_MANIFEST_DIR"),
    "/fixtures/pki/test-egk-ca.pem\"]\n"
);
/// What becomes of an application.
const DECIDED: [&str; 3] = ["application.approved", "application.denied", "application.not_me"];

/// A decision that was taken: what its author was told, or found when the answer had got lost.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) approval_id: ApprovalId,
    pub(crate) application_id: ApplicationId,
    /// How the audit calls it.
    pub(crate) event: &'static str,
    pub(crate) receipt: String,
    /// What the device has signed, where the test knows.
    pub(crate) decision: Option<String>,
}

/// What some people did together, as they were told.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) taken: Vec<Taken>,
    /// Devices, and the receipts of all their bindings.
    pub(crate) devices: Vec<DeviceId>,
    pub(crate) bindings: Vec<String>,
    pub(crate) rebound: usize,
    /// Applications that were approved, and cancelled afterwards.
    pub(crate) cancelled: Vec<ApplicationId>,
    /// Evaluations that nobody has confirmed.
    pub(crate) unconfirmed: Vec<AttemptId>,
    /// What was done although its answer got lost.
    pub(crate) found: usize,
}

impl std::ops::Add for Done {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            taken: [self.taken, other.taken].concat(),
            devices: [self.devices, other.devices].concat(),
            bindings: [self.bindings, other.bindings].concat(),
            rebound: self.rebound + other.rebound,
            cancelled: [self.cancelled, other.cancelled].concat(),
            unconfirmed: [self.unconfirmed, other.unconfirmed].concat(),
            found: self.found + other.found,
        }
    }
}

#[test]
fn what_was_decided_holds_when_the_service_is_killed() {
    kill_and_start_again(5);
}

/// `make endurance`
#[test]
#[ignore = "takes minutes"]
fn what_was_decided_holds_when_the_service_is_killed_a_hundred_times() {
    kill_and_start_again(100);
}

#[expect(clippy::print_stdout, reason = "how much was done is worth knowing")]
fn kill_and_start_again(times: usize) {
    let began = Instant::now();
    let database = TestDatabase::new();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Devices know the service by its name: it comes back under the same.
    let port = free_port();
    let more = format!("listen = \"127.0.0.1:{port}\"\n{CARDS}{}{LIMITS}", on(&database, folder));
    import(folder, &more, times);
    let mut process = Process::start_at("trace", folder, &more);
    let mut newcomers: Vec<_> = (0..NEWCOMERS).map(|n| Newcomer::new(&process.url, n * APART)).collect();
    let count = Arc::new(AtomicUsize::new(0));
    let decider = |n| Decider::new(&process.url, n * APART, &count);
    let mut deciders: Vec<_> = (NEWCOMERS..NEWCOMERS + DECIDERS).map(decider).collect();
    let mut audit = String::new();
    for _ in 0..times {
        let everybody = newcomers.iter_mut().map(|newcomer| newcomer as &mut dyn Client);
        let everybody = everybody.chain(deciders.iter_mut().map(|decider| decider as &mut dyn Client));
        let enough = count.load(Ordering::Relaxed) + BETWEEN_KILLS;
        load(everybody.collect(), process, (folder, &more), || count.load(Ordering::Relaxed) >= enough);
        process = Process::start_at("trace", folder, &more);
        let line = &Line::to(&process.url, &process.admin);
        thread::scope(|scope| {
            for newcomer in &mut newcomers {
                scope.spawn(|| newcomer.look_back(line));
            }
            for decider in &mut deciders {
                scope.spawn(|| decider.look_back(line));
            }
        });
        read_on(&process, &mut audit);
        assert!(is_chain(&audit), "the audit is one chain");
    }
    assert!(process.log().contains("SELECT"), "the log tells all that it can");
    let registered = newcomers.iter().map(|newcomer| newcomer.registered).sum();
    let with_program: Vec<_> = newcomers.into_iter().flat_map(|newcomer| newcomer.taken).collect();
    let done = deciders.into_iter().map(|decider| decider.done).fold(Done::default(), |all, one| all + one);
    assert!(done.taken.len() >= times * BETWEEN_KILLS, "there was something to lose");
    let taken = [with_program, done.taken.clone()].concat();

    let books = Books::new(&database, folder, &audit);
    books.decisions_are_those_that_were_told(&taken, &done);
    books.devices_are_those_that_were_told(registered, &done);
    books.no_pin_counter_went_back(&done);
    let receipts = taken.iter().map(|taken| taken.receipt.as_str()).chain(done.bindings.iter().map(String::as_str));
    let handed_out = folder.join("handed-out");
    std::fs::write(&handed_out, receipts.collect::<Vec<_>>().join("\n")).unwrap();
    let verified = program(folder, &more).args(["audit", "verify", "--against"]).arg(handed_out).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));

    let of_each = DECIDED.map(|event| taken.iter().filter(|taken| taken.event == event).count());
    println!(
        "killed {times} times in {} s: {} devices, {} bound anew, decisions {of_each:?}, {} cancelled, {} PINs \
         unconfirmed, {} done whose answer got lost",
        began.elapsed().as_secs(),
        registered + done.devices.len(),
        done.rebound,
        done.cancelled.len(),
        done.unconfirmed.len(),
        done.found,
    );
    let [approved, denied, not_me] = of_each;
    assert!(registered > 0 && approved > 0 && denied > 0 && !done.unconfirmed.is_empty());
    if times >= 20 {
        assert!(not_me > 0 && done.rebound > 0 && !done.cancelled.is_empty(), "everything happened");
    }
}

/// What is in the database and in the audit in the end.
struct Books<'a> {
    database: &'a TestDatabase,
    folder: &'a Path,
    entries: Vec<Value>,
}

/// A text of an entry.
fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().unwrap()
}

impl<'a> Books<'a> {
    fn new(database: &'a TestDatabase, folder: &'a Path, audit: &str) -> Self {
        let entries = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { database, folder, entries }
    }

    fn events(&self, events: &[&str]) -> Vec<&Value> {
        self.entries.iter().filter(|entry| events.contains(&text(entry, "event"))).collect()
    }

    /// The first column of all rows, each of which is there once.
    fn rows(&self, query: &'static str) -> BTreeSet<String> {
        let rows = self.database.column(self.folder, query);
        let number = rows.len();
        let rows = BTreeSet::from_iter(rows);
        assert_eq!(rows.len(), number, "twice: {query}");
        rows
    }

    fn count(&self, query: &'static str) -> usize {
        usize::try_from(self.database.count(self.folder, query)).unwrap()
    }

    /// Each answer that somebody got is kept as it was given, once; and nobody decided anything else.
    fn decisions_are_those_that_were_told(&self, taken: &[Taken], done: &Done) {
        let rows = self.rows(
            "SELECT approval_id || ' ' || application_id || ' ' || state || ' ' || evidence FROM application \
             WHERE evidence IS NOT NULL",
        );
        let by_approval = rows.iter().map(|row| row.split_once(' ').unwrap()).collect::<BTreeMap<_, _>>();
        let mut audited = BTreeMap::<_, Vec<_>>::new();
        for entry in self.events(&DECIDED) {
            audited.entry(text(entry, "object")).or_default().push(entry);
        }
        assert_eq!((rows.len(), audited.len()), (taken.len(), taken.len()), "as many as were told");
        for Taken { approval_id, application_id, event, receipt, decision } in taken {
            let (id, rest) = by_approval[approval_id.to_string().as_str()].split_once(' ').unwrap();
            let (state, evidence) = rest.split_once(' ').unwrap();
            let evidence: Value = serde_json::from_str(evidence).unwrap();
            assert_eq!((id, text(&evidence, "receipt")), (application_id.to_string().as_str(), receipt.as_str()));
            let [entry] = audited[id][..] else { panic!("{id} was decided twice") };
            assert_eq!(text(entry, "event"), *event);
            let signed = text(&evidence, "decision");
            assert_eq!(text(entry, "detail"), Sha256Hash::of(signed.as_bytes()).to_string());
            assert!(decision.as_ref().is_none_or(|decision| decision == signed), "what was signed is kept");
            let states: &[&str] = match *event {
                "application.approved" if done.cancelled.contains(application_id) => &["cancelled"],
                "application.approved" => &["executed", "queued"],
                _ => &["denied"],
            };
            assert!(states.contains(&state), "{event}: {state}");
        }
        // A new bank account waits for its day, and for nothing else.
        let kept = self.count("SELECT COUNT(*) FROM application WHERE state = 'queued' AND execute_at IS NOT NULL");
        assert_eq!(
            kept,
            self.count("SELECT COUNT(*) FROM application WHERE state = 'queued' AND kind = 'bank.change'")
        );
        let executed = self.count("SELECT COUNT(*) FROM application WHERE state = 'executed'");
        assert_eq!(self.events(&["application.executed"]).len(), executed, "what was executed is told, once");
        let approved = taken.iter().filter(|taken| taken.event == "application.approved").count();
        assert_eq!(approved, executed + kept + done.cancelled.len());
        let submitted = self.events(&["application.submitted"]).len();
        assert_eq!(submitted, self.count("SELECT COUNT(*) FROM application"));
    }

    /// A device, its registration, its share and its entry in the audit are there together or not at all.
    fn devices_are_those_that_were_told(&self, registered: usize, done: &Done) {
        let bound = self.events(&["device.bound"]);
        let ids: BTreeSet<_> = bound.iter().map(|entry| text(entry, "device_id").to_owned()).collect();
        assert_eq!((ids.len(), bound.len()), (registered + done.devices.len(), registered + done.devices.len()));
        assert!(done.devices.iter().all(|id| ids.contains(&id.to_string())), "what was told is bound");
        assert_eq!(self.rows("SELECT device_id FROM device WHERE state = 'active'"), ids);
        assert_eq!(self.count("SELECT COUNT(*) FROM device"), ids.len());
        // The share of a registration that came to nothing has no device.
        assert_eq!(
            BTreeSet::from_iter(self.database.column(
                self.folder,
                "SELECT device_id FROM pin_share \
             WHERE device_id IS NOT NULL"
            )),
            ids
        );
        let of = |events: &[&str]| -> BTreeSet<_> {
            let of = |entry| format!("{} {}", text(entry, "object"), text(entry, "device_id"));
            self.events(events).into_iter().map(of).collect()
        };
        let registrations = self.rows(
            "SELECT registration_id || ' ' || device_id FROM registration WHERE state = 'bound' AND rebinds IS NULL",
        );
        assert_eq!(registrations, of(&["device.bound"]));
        let half = "SELECT COUNT(*) FROM registration WHERE state <> 'bound' AND device_id IS NOT NULL";
        assert_eq!(self.count(half), 0, "half bound");
        let anew = self.rows("SELECT registration_id || ' ' || device_id FROM registration WHERE rebinds = device_id");
        assert_eq!(anew, of(&["device.rebound"]));
        assert_eq!(anew.len(), done.rebound);
        assert_eq!(self.count("SELECT COUNT(*) FROM device_binding"), done.rebound, "what it rested on before is kept");
    }

    /// Each evaluation counts until it is confirmed, and nothing else takes it back.
    fn no_pin_counter_went_back(&self, done: &Done) {
        let attempts = |events: &[&str]| -> BTreeSet<_> {
            self.events(events).into_iter().map(|entry| text(entry, "detail").to_owned()).collect()
        };
        let confirmed = attempts(&["device.pin_confirmed", "device.pin_changed"]);
        let unconfirmed = &attempts(&["device.pin_evaluated"]) - &confirmed;
        let counted = "SELECT attempt_id FROM pin_attempt WHERE number > 0 AND confirmed_at IS NULL";
        assert_eq!(self.rows(counted), unconfirmed);
        assert!(done.unconfirmed.iter().all(|id| unconfirmed.contains(&id.to_string())), "what was told counts");
        let mut evaluated = BTreeMap::new();
        for entry in self.events(&["device.pin_evaluated"]) {
            *evaluated.entry(text(entry, "device_id")).or_insert(0) += 1;
        }
        let evaluated = evaluated.into_iter().map(|(device, number)| format!("{device} {number}")).collect();
        let counted = "SELECT device_id || ' ' || CAST(pin_attempts AS TEXT) FROM device WHERE pin_attempts > 0";
        assert_eq!(self.rows(counted), evaluated);
    }
}

/// Enough people, who have a password.
fn import(folder: &Path, more: &str, times: usize) {
    let row = |person: usize| {
        format!("{},Erika,Müstermann,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,\"{PASSWORD_HASH}\"\n", number(person))
    };
    let people = |n| (0..times * 12 + 20).map(move |person| n * APART + person);
    let file = folder.join("register.csv");
    let header = HEADER.trim_end().to_owned() + ",password_hash\n";
    let rows = (0..NEWCOMERS + DECIDERS).flat_map(people).map(row).collect::<String>();
    std::fs::write(&file, header + &rows).unwrap();
    let imported = program(folder, more).args(["register", "import"]).arg(file).output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
}
