//! The program is killed while it changes the device PIN: at every request, while it writes the file and right after that,
//! and at any time. The old PIN or the new one opens the device then, and nothing is lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::card_and_reset::{card, command, run};
use super::common::line::{Cut, Liar};
use super::common::{CARD_PIN, DEVICE_PIN, ERIKA, PASSWORD};
use super::*;

/// They are changed back and forth.
const PINS: [&str; 2] = [DEVICE_PIN, "141421"];
/// How many times it is killed at any time, from the beginning of a run to its end.
const ANY_TIME: u32 = 12;

/// Where the program is killed that runs now, by the requests that the line has seen of it.
#[derive(Default)]
struct Aim {
    at: Option<(usize, Cut)>,
    seen: usize,
    /// Whom it is aimed at, once that is known.
    running: Option<Arc<Mutex<Child>>>,
    /// The path of the request at which it was killed.
    hit: Option<String>,
}

/// Looks whether it is time, and kills. Whether the line goes on.
fn goes_on(aim: &Mutex<Aim>, cut: Cut, path: &str) -> bool {
    let mut aim = aim.lock().unwrap();
    aim.seen += usize::from(cut == Cut::Request);
    if aim.at != Some((aim.seen, cut)) {
        return true;
    }
    if let Some(running) = &aim.running {
        kill(running);
    }
    aim.hit = Some(path.to_owned());
    false
}

fn kill(running: &Mutex<Child>) {
    let mut running = running.lock().unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
}

struct Owner {
    world: World,
    here: Computer,
    aim: Arc<Mutex<Aim>>,
    _line: Liar,
    /// Which of the PINs it is.
    pin: usize,
}

impl Owner {
    fn new() -> Self {
        let aim = Arc::<Mutex<Aim>>::default();
        let (before, behind) = (Arc::clone(&aim), Arc::clone(&aim));
        let (line, world) = Liar::in_front_of(
            |address| {
                let clock = ManualClock::at(OffsetDateTime::now_utc());
                World::configured(tempfile::tempdir().unwrap(), TestDatabase::new(), clock, |settings| {
                    settings.payer_iks = vec![MUSTERKASSE_IK.parse().unwrap()];
                    settings.anchors = Box::new(anchors_of(&[&ca()]));
                    settings.issuer = address.to_owned();
                })
            },
            move |path| goes_on(&before, Cut::Request, path),
            move |path| goes_on(&behind, Cut::Answer, path),
        );
        world.member(ERIKA);
        let here = Computer::new();
        here.json(&["login", "--service", &line.address, "--kvnr", ERIKA], &[PASSWORD]);
        let image = card(&here, ERIKA);
        let register = ["register", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
        assert_eq!(run(&here, &register, &[CARD_PIN, DEVICE_PIN], &[])["state"], "active");
        Self { world, here, aim, _line: line, pin: 0 }
    }

    /// Begins to change the PIN; the line aims at the program.
    fn begin(&self, at: Option<(usize, Cut)>) -> Arc<Mutex<Child>> {
        let pins = [PINS[self.pin], PINS[1 - self.pin]];
        // Until it is known who runs, the line holds the first request.
        let mut aim = self.aim.lock().unwrap();
        let running = command(&self.here, &["devices", "change-pin", "--pin-fd", "3"], &pins, &[]).spawn().unwrap();
        let running = Arc::new(Mutex::new(running));
        *aim = Aim { at, seen: 0, running: Some(Arc::clone(&running)), hit: None };
        running
    }

    /// The PIN opens the device, which signs that it is there; or it does not.
    fn opens(&self, pin: usize) -> bool {
        *self.aim.lock().unwrap() = Aim::default();
        let answer = run(&self.here, &["login", "--device", "--pin-fd", "3"], &[PINS[pin]], &[]);
        match answer["error"]["code"].as_str() {
            None => true,
            Some("device_pin_wrong") => false,
            Some(code) => panic!("the device is lost: {code}"),
        }
    }

    /// After it was killed: the old PIN opens the device, or the new one. Whether it is the new one.
    fn look(&mut self) -> bool {
        let is_new = !self.opens(self.pin);
        if is_new {
            self.pin = 1 - self.pin;
            assert!(self.opens(self.pin), "neither the old PIN nor the new one opens the device");
        }
        is_new
    }
}

/// Waits until the program has ended, by itself or at the line.
fn wait_for(running: &Mutex<Child>) {
    while running.lock().unwrap().try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(2));
    }
}

/// Kills the program as soon as something in its folder is as `is_it` says; `false` when it has ended before.
fn kill_when(running: &Mutex<Child>, is_it: impl Fn() -> bool) -> bool {
    loop {
        if is_it() {
            kill(running);
            return true;
        }
        if running.lock().unwrap().try_wait().unwrap().is_some() {
            return false;
        }
    }
}

/// Files that are being written, and not yet in their place.
fn unfinished(home: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(".new-")).collect()
}

/// Half a file, with a key under a PIN of before, is no more than that.
#[test]
fn what_a_program_has_left_that_was_killed_long_ago_is_gone_after_the_next_change() {
    let world = world();
    world.member(ERIKA);
    let computer = Computer::new();
    computer.json(&["login", "--service", &world.address, "--kvnr", ERIKA], &[PASSWORD]);
    let image = card(&computer, ERIKA);
    let register = ["register", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    run(&computer, &register, &[CARD_PIN, DEVICE_PIN], &[]);
    let left = computer.home().join(".new-AbCdEf");
    let file = fs::File::create(&left).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(2 * 3600)).unwrap();
    let changed = run(&computer, &["devices", "change-pin", "--pin-fd", "3"], &[DEVICE_PIN, "141421"], &[]);
    assert_eq!(changed["changed"], true, "{changed}");
    assert!(!left.exists());
}

#[test]
fn whenever_the_program_is_killed_that_changes_the_pin_the_old_one_or_the_new_one_opens() {
    let mut owner = Owner::new();
    let home = owner.here.home();
    let device = home.join("device.json");
    let began = Instant::now();
    let running = owner.begin(None);
    wait_for(&running);
    let whole = began.elapsed();
    assert!(owner.look(), "nobody has killed it");

    let mut killed_at = Vec::new();
    for cut in [Cut::Request, Cut::Answer] {
        for n in 1.. {
            let running = owner.begin(Some((n, cut)));
            wait_for(&running);
            let hit = owner.aim.lock().unwrap().hit.take();
            let is_new = owner.look();
            let Some(path) = hit else {
                assert!(is_new, "nobody has killed it");
                break;
            };
            let last = path.rsplit('/').next().unwrap().to_owned();
            // Until the second share is there nothing has changed, and from then on the file says which PIN it is.
            let confirmed = killed_at.iter().filter(|(before, of, _)| before == "confirm" && *of == cut).count();
            assert_eq!(is_new, last == "confirm" && confirmed == 1, "{cut:?} of {path}");
            killed_at.push((last, cut, is_new));
        }
    }
    let of =
        |cut| killed_at.iter().filter(|killed| killed.1 == cut).map(|killed| killed.0.as_str()).collect::<Vec<_>>();
    assert!(of(Cut::Request).ends_with(&["evaluate", "confirm", "change", "confirm"]), "{killed_at:?}");
    assert_eq!(of(Cut::Request), of(Cut::Answer));

    // While the new file is written, and as soon as it is in the place of the old one.
    let was_seen = (0..10).any(|_| {
        let before = unfinished(&home).len();
        let running = owner.begin(None);
        let was_seen = kill_when(&running, || unfinished(&home).len() > before);
        owner.look();
        was_seen
    });
    assert!(was_seen, "it writes too fast to be seen");
    let before = fs::read(&device).unwrap();
    let running = owner.begin(None);
    assert!(kill_when(&running, || fs::read(&device).unwrap() != before), "it writes too fast to be seen");
    assert!(owner.look(), "the file is the new one");

    for part in 0..ANY_TIME {
        let running = owner.begin(None);
        thread::sleep(whole * part / ANY_TIME);
        kill(&running);
        owner.look();
    }
    // It goes on as ever, and has the share of its file alone.
    let running = owner.begin(None);
    wait_for(&running);
    assert!(owner.look(), "nobody has killed it");
    assert_eq!(owner.world.count("SELECT COUNT(*) FROM pin_share WHERE device_id IS NOT NULL"), 1);
    assert!(!owner.opens(1 - owner.pin), "the PIN before opens nothing");
}
