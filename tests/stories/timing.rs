//! How long a refusal takes says nothing about whose password it was.

use std::time::{Duration, Instant};

use kartenbund::client::session::SessionKey;
use kartenbund::protocol::dpop::ProvenRequest;

use super::*;

/// `echo -n tulpe-karton-87 | argon2 somesalt1234 -id -t 2 -k 8192 -p 1 -e`, as a register brings it.
const BROUGHT: &str = "$argon2id$v=19$m=8192,t=2,p=1$c29tZXNhbHQxMjM0$855rEs6WtRq8CS9n/WrVmDyOJCefAZVS7NB51sZrZ/g";
/// Who is refused: nobody's account, one with a password, one before its first day, one whose hash the register brought.
const KINDS: [(&str, &str); 4] =
    [("unknown", "K220635158"), ("wrong", ERIKA), ("too early", MAX), ("brought", "X110540756")];

/// Times of refused logins, for each kind; they take turns, so that what else the computer does meets all of them.
fn refusals(tries: usize) -> [Vec<Duration>; 4] {
    let world = World::new().restarted(|settings| {
        settings.password_cost = PasswordCost::default();
        settings.login_limits.tries_in_an_hour = 1_000_000;
        settings.login_limits.tries_in_a_day = 1_000_000;
    });
    world.log_in(ERIKA, &world.member(ERIKA));
    let header = HEADER.trim_end().to_owned() + ",password_hash\n";
    let row = |person: &str, first: &str| format!("{person},Max,Mustermann,1990-01-01,Weg,1,12345,Ort,D,{first},");
    let early = row(MAX, "2099-01-01") + &format!("\"{BROUGHT}\"\n");
    let brought = row("X110540756", "2020-01-01") + &format!("\"{BROUGHT}\"\n");
    assert_eq!(world.import_report(&(header + &early + &brought)).imported, 2);
    let http = reqwest::blocking::Client::new();
    let key = SessionKey::new(&mut rng());
    let address = format!("{}/v1/login", world.address);
    let mut times = [const { Vec::new() }; 4];
    for n in 0..tries * KINDS.len() {
        let kind = n % KINDS.len();
        let proven = ProvenRequest { method: "POST", address: &address, access_token: None };
        let request = http.post(&address).header("DPoP", key.prove(proven, world.clock.now()).unwrap());
        let request = request.json(&json!({"kvnr": KINDS[kind].1, "password": "tulpe-karton-88"}));
        let began = Instant::now();
        let answer = request.send().unwrap();
        times[kind].push(began.elapsed());
        assert_eq!(answer.status(), 401);
        world.clock.advance(901); // nobody waits
    }
    times
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

/// Mann and Whitney's U of two samples as a standard normal variable: how likely it is that both are of one kind.
fn mann_whitney(one: &[Duration], other: &[Duration]) -> f64 {
    let mut all: Vec<_> = one.iter().map(|time| (time, true)).chain(other.iter().map(|time| (time, false))).collect();
    all.sort();
    let ranks = all.iter().enumerate().filter(|(_, (_, is_one))| *is_one).map(|(at, _)| at as f64 + 1.0).sum::<f64>();
    let (n, m) = (one.len() as f64, other.len() as f64);
    let u = ranks - n * (n + 1.0) / 2.0;
    (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

#[test]
fn no_refusal_is_quick() {
    let times = refusals(5);
    let medians = times.each_ref().map(|times| median(times));
    let (shortest, longest) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    // Without the work for nobody the first would be thirty times quicker. What else the computer does may double a time.
    assert!(*longest < *shortest * 4, "{medians:?}");
}

/// `make timing`: a thousand of each, and whether they can be told apart.
#[test]
#[ignore = "takes minutes: make timing"]
#[expect(clippy::print_stdout, reason = "the numbers are what it is for")]
fn timing_of_a_thousand_refusals_each() {
    let times = refusals(1000);
    for ((name, _), times) in KINDS.iter().zip(&times) {
        println!("{name:10} median {:?}", median(times));
    }
    for (one, other) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        let z = mann_whitney(&times[one], &times[other]);
        println!("{} / {}: z = {z:.2}", KINDS[one].0, KINDS[other].0);
        // One in 16,000 by chance alone.
        assert!(z.abs() < 4.0, "they can be told apart");
    }
}
