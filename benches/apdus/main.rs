//! What passes between reader and card, counted: APDUs, bytes, and the time the line needs for them, beside the least
//! that can be. Markdown on standard output; `docs/performance.md` holds a run.
//!
//! Time is that of a model of the line (see [`Line`]), without what the card computes. `LATENCY_MS` is how long each
//! APDU takes beside its bytes: reader, USB and the card's own start (4 unless it is set).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, missing_docs, dead_code)]

#[path = "../../tests/pcscd/card.rs"]
mod card;
#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/pcscd/computer.rs"]
mod computer;
#[path = "../../tests/pcscd/pcscd.rs"]
mod pcscd;

mod flows;
mod ideal;

use std::env;
use std::thread;
use std::time::{Duration, Instant};

use flows::{Flow, Way};
use ideal::Content;
use kartenbund::egk::ApduLength;

/// One command and its answer, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// The command.
    pub(crate) up: usize,
    /// The answer with its status word.
    pub(crate) down: usize,
}

/// A line between reader and card.
struct Line {
    name: &'static str,
    /// How long one byte takes, in microseconds.
    byte: f64,
    /// Most bytes of a block without its frame, and the bytes of the frame.
    block: usize,
    frame: usize,
}

/// T=1 (ISO/IEC 7816-3, 11) at 4 MHz with the fastest rate health cards offer (TA1 = 97: 8 clocks a bit), 11 bits a byte
/// (11.3.2), blocks of 254 bytes with prologue and epilogue. ISO/IEC 14443-4 type A: 9 bits a byte, frames of 256 bytes of
/// which 3 are PCB and CRC.
const LINES: [Line; 3] = [
    Line { name: "T=1", byte: 22.0, block: 254, frame: 4 },
    Line { name: "106 kbit/s", byte: 9.0 * 1000.0 / 105.94, block: 253, frame: 3 },
    Line { name: "424 kbit/s", byte: 9.0 * 1000.0 / 423.75, block: 253, frame: 3 },
];

impl Line {
    /// How long the exchanges take, in milliseconds.
    fn time(&self, exchanges: &[Exchange], latency: f64) -> f64 {
        // Every block but the last of a chain is answered with a frame that holds nothing.
        let framed = |bytes: usize| {
            let blocks = bytes.div_ceil(self.block);
            (bytes + blocks * self.frame + (blocks - 1) * self.frame) as f64
        };
        let bytes: f64 = exchanges.iter().map(|exchange| framed(exchange.up) + framed(exchange.down)).sum();
        exchanges.len() as f64 * latency + bytes * self.byte / 1000.0
    }
}

fn bytes(exchanges: &[Exchange]) -> (usize, usize) {
    exchanges.iter().fold((0, 0), |(up, down), exchange| (up + exchange.up, down + exchange.down))
}

fn main() {
    let latency = env::var("LATENCY_MS").map_or(4.0, |latency| latency.parse().expect("LATENCY_MS: a number"));
    let content = Content::of_card();
    println!("APDUs, bytes and time on the line; {latency} ms for each APDU. In brackets: the least that can be.\n");
    println!("| flow | line | APDUs | bytes to the card | bytes from it | bytes above the least | ms |");
    println!("|---|---|---|---|---|---|---|");
    for way in Way::ALL {
        for flow in Flow::ALL.into_iter().filter(|flow| way.is_contactless() || *flow != Flow::Pace) {
            row(flow, way, &content, latency);
        }
    }
    println!();
    egk_tool(&content);
}

fn row(flow: Flow, way: Way, content: &Content, latency: f64) {
    let (real, least) = (flow.count(way), flow.ideal(way, content));
    let ((up, down), (least_up, least_down)) = (bytes(&real), bytes(&least));
    let above = 100.0 * ((up + down) as f64 / (least_up + least_down) as f64 - 1.0);
    let lines = LINES.iter().filter(|line| (line.name != "T=1") == way.is_contactless());
    let times: Vec<_> = lines
        .map(|line| format!("{}: {:.0} ({:.0})", line.name, line.time(&real, latency), line.time(&least, latency)))
        .collect();
    println!(
        "| {flow} | {way} | {} ({}) | {up} ({least_up}) | {down} ({least_down}) | {above:.1} % | {} |",
        real.len(),
        least.len(),
        times.join(", ")
    );
}

/// OpenSC's program with such a card: EF.PD, EF.VD and EF.StatusVD through the real PC/SC service. `EGK_TOOL` names
/// another one than that of this computer.
fn egk_tool(content: &Content) {
    let program = env::var("EGK_TOOL").unwrap_or_else(|_| "egk-tool".to_owned());
    let service = pcscd::Pcscd::start();
    let computer = computer::Computer::at(&service);
    let _erika = card::InReader::insert(&service, pcscd::Reader::First, card::card(&card::erika()));
    let mut command = computer.command(&program);
    command.args(["--pd", "--vd", "--vsd-status"]).env("OPENSC_DEBUG", "9");
    let ended = computer::Running::start(command).wait();
    let log = ended.stderr + &ended.stdout;
    let passed = |what: &str| -> Vec<usize> {
        let lines = log.lines().filter_map(|line| line.split_once(what)?.1.split_once(" byte"));
        lines.map(|(length, _)| length.trim_start_matches(" (").parse().unwrap()).collect()
    };
    let (up, down) = (passed("Outgoing APDU"), passed("Incoming APDU"));
    let has_read = log.contains("UC_PersoenlicheVersichertendatenXML");
    println!("One card with contacts, from its reset on. kartenbund reads card number and certificate too.\n");
    println!("| program | APDUs | bytes to the card | bytes from it | has read it |");
    println!("|---|---|---|---|---|");
    let all = |of: &dyn Fn(Flow) -> Vec<Exchange>| [of(Flow::Identify), of(Flow::Files)].concat();
    for (name, exchanges) in [
        ("kartenbund read", all(&|flow| flow.count(Way::Contact(ApduLength::Extended)))),
        ("the least for that", all(&|flow| flow.ideal(Way::Contact(ApduLength::Extended), content))),
        ("kartenbund read --short-apdus", all(&|flow| flow.count(Way::Contact(ApduLength::Short)))),
    ] {
        let (up, down) = bytes(&exchanges);
        println!("| {name} | {} | {up} | {down} | yes |", exchanges.len());
    }
    let answer = if has_read { "yes" } else { "no" };
    println!(
        "| egk-tool --pd --vd --vsd-status, {} | {} | {} | {} | {answer} |",
        version(&log),
        up.len(),
        up.iter().sum::<usize>(),
        down.iter().sum::<usize>()
    );
}

/// `opensc version: 0.26.1`, in the first lines of its log.
fn version(log: &str) -> String {
    let version = log.lines().find_map(|line| line.split_once("opensc version: ")).map(|(_, version)| version);
    version.map_or_else(|| "of unknown version".to_owned(), |version| format!("OpenSC {}", version.trim()))
}

/// Asks until there is an answer.
fn eventually<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        thread::sleep(Duration::from_millis(10));
    }
}
