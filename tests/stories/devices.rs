//! The life of a device: its name, locked and unlocked, its end; and the code that locks everything.

use kartenbund::client::device_login::{DeviceLoginError, login_with_device};
use kartenbund::client::emergency::lock_everything;
use kartenbund::client::pin::{change, unlock};
use kartenbund::protocol::api::{DeviceAnswer, RevocationCodeAnswer};
use kartenbund::server::transitions;

use super::common::line::{Cut, Liar};
use super::common::mail::MailServer;
use super::common::thief::Thief;
use super::*;

const DAY: i64 = 24 * 60 * 60;
const NEW_PIN: &str = "141421";

fn path(device: &DeviceAnswer, what: &str) -> String {
    format!("/v1/devices/{}{what}", device.device_id)
}

/// Time passes, and she logs in again.
fn later(world: &World, computer: &Computer, seconds: i64) -> Computer {
    world.clock.advance(seconds);
    world.try_log_in(computer.here.home.folder(), ERIKA, PASSWORD).unwrap()
}

/// The same person, logged in with the device PIN of this computer.
fn by_device(world: &World, computer: &Computer) -> Result<Computer, DeviceLoginError> {
    computer.with(&mut Script::default(), |around| login_with_device(&computer.here.home, world.remote(), around))?;
    let here = login::resume(computer.here.home.clone(), world.clock.of_client()).unwrap();
    Ok(Computer { here, clock: world.clock.clone() })
}

fn only_device(computer: &Computer) -> DeviceAnswer {
    computer.devices().remove(0)
}

/// The same person, logged in with her card on another computer.
fn with_card(world: &World, folder: &str) -> Computer {
    card_login::log_in_as(world, folder, None, card(ERIKA), &mut Script::default()).unwrap()
}

fn refused_approval(computer: &Computer, accepted: &kartenbund::protocol::api::ApplicationAccepted) -> String {
    let mut script = Script::with_code(&accepted.match_code);
    let refused =
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
    match refused {
        Err(ApproveError::Pin(PinError::Service(ServiceError::Refused { code, .. })))
        | Err(ApproveError::Service(ServiceError::Refused { code, .. })) => code,
        other => panic!("the service must refuse, but: {:?}", other.map(drop)),
    }
}

#[test]
fn a_device_is_listed_with_all_that_its_owner_wants_to_know_and_gets_another_name() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let device = only_device(&computer);
    assert_eq!((device.state.as_str(), device.key_class.as_str()), ("active", "swk"));
    assert_eq!(device.expires_at, world.clock.now() + 183 * DAY);
    assert_eq!(device.last_used, None);
    approve(&computer, &computer.apply(&new_address()));
    assert_eq!(only_device(&computer).last_used, Some(world.clock.now()));

    let service = &computer.here.service;
    service.submit(Method::PATCH, &path(&device, ""), &json!({"name": "Der Rechner im Flur"})).unwrap();
    assert_eq!(only_device(&computer).name, "Der Rechner im Flur");
    for deceives in ["", "a\u{202e}b", "a\nb"] {
        let refused = service.submit(Method::PATCH, &path(&device, ""), &json!({ "name": deceives }));
        assert_eq!(refusal(refused), "device_name_invalid", "{deceives:?}");
    }
    assert_eq!(only_device(&computer).name, "Der Rechner im Flur");
}

#[test]
fn nobody_names_or_locks_the_device_of_somebody_else() {
    let world = World::new();
    let device = only_device(&world.registered(ERIKA));
    let max = world.log_in(MAX, &world.member(MAX));
    let service = &max.here.service;
    let renamed = service.submit(Method::PATCH, &path(&device, ""), &json!({"name": "x"}));
    assert_eq!(refusal(renamed), "not_found");
    for what in ["/lock", ""] {
        let method = if what.is_empty() { Method::DELETE } else { Method::POST };
        assert_eq!(refusal(service.command(method, &path(&device, what))), "not_found", "{what}");
    }
    service.command(Method::POST, "/v1/devices/lock-all").unwrap();
    assert_eq!(world.column("SELECT state FROM device"), ["active"]);
}

#[test]
fn a_locked_device_decides_nothing_until_card_and_pin_have_unlocked_it() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let device = only_device(&computer);
    let waiting = computer.apply(&new_address());
    computer.here.service.command(Method::POST, &path(&device, "/lock")).unwrap();
    assert_eq!(only_device(&computer).state, "locked");
    assert_eq!(refused_approval(&computer, &waiting), "device_locked_by_owner");
    let refused = computer.here.service.call::<_, ApplicationAnswer>(Method::POST, "/v1/applications", &new_address());
    assert_eq!(refusal(refused), "device_locked_by_owner", "and who submits learns why");
    assert!(Thief::of(&computer).spend().is_err(), "nor does a thief guess");
    // A password is not enough: whoever stole it would undo what the owner did.
    let unlock = path(&device, "/unlock");
    assert_eq!(refusal(computer.here.service.command(Method::POST, &unlock)), "stronger_login_needed");
    let with_card = with_card(&world, "elsewhere");
    with_card.here.service.command(Method::POST, &unlock).unwrap();
    assert_eq!(refusal(with_card.here.service.command(Method::POST, &unlock)), "not_found", "it is not locked");
    assert_eq!(approve(&computer, &waiting).application.state, "executed");
    assert_eq!((world.audited("device.locked"), world.audited("device.unlocked")), (1, 1));
}

#[test]
fn another_device_unlocks_a_lost_one_and_none_unlocks_itself() {
    let world = World::new();
    let laptop = world.registered(ERIKA);
    let desktop = world.try_log_in(&world.folder.path().join("desktop"), ERIKA, PASSWORD).unwrap();
    desktop.register(&mut card(ERIKA)).unwrap();
    let laptop = by_device(&world, &laptop).unwrap();
    let desktop = by_device(&world, &desktop).unwrap();
    let of = |computer: &Computer| computer.here.home.device().unwrap().device_id().unwrap();
    let path = |computer: &Computer, what: &str| format!("/v1/devices/{}/{what}", of(computer));
    desktop.here.service.command(Method::POST, &path(&laptop, "lock")).unwrap();
    assert!(laptop.here.service.get::<serde_json::Value>("/v1/devices").is_err(), "its session has ended");
    assert_eq!(desktop.devices().len(), 2, "the other's has not");
    desktop.here.service.command(Method::POST, &path(&laptop, "unlock")).unwrap();
    let laptop = by_device(&world, &laptop).unwrap();
    // Somebody has the sessions of both devices' programs; locked is locked.
    laptop.here.service.command(Method::POST, "/v1/devices/lock-all").unwrap();
    for computer in [&laptop, &desktop] {
        let unlocked = computer.here.service.command(Method::POST, &path(&laptop, "unlock"));
        assert!(unlocked.is_err(), "no device unlocks itself");
    }
    assert_eq!(world.column("SELECT DISTINCT state FROM device"), ["locked"]);
}

/// A thief has registered with her letter. She locks everything, and unlocks one device too many.
#[test]
fn a_device_that_was_locked_while_it_waited_goes_on_waiting() {
    let world = World::new();
    let thief = world.log_in(ERIKA, &world.member(ERIKA));
    let device = thief.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    let lock_and_unlock = |computer: &Computer| {
        computer.here.service.command(Method::POST, "/v1/devices/lock-all").unwrap();
        assert_eq!(only_device(computer).state, "locked");
        computer.here.service.command(Method::POST, &path(&device, "/unlock")).unwrap();
    };
    let owner = with_card(&world, "elsewhere");
    lock_and_unlock(&owner);
    assert_eq!(only_device(&owner).state, "pending_wait");
    let refused = owner.here.service.call::<_, ApplicationAnswer>(Method::POST, "/v1/applications", &new_address());
    assert_eq!(refusal(refused), "device_waiting");

    // Nor does it help him that the day passes while it is locked: the letter that tells her is not made yet.
    world.clock.advance(DAY);
    let owner = with_card(&world, "elsewhere");
    lock_and_unlock(&owner);
    assert_eq!(only_device(&owner).state, "pending_wait");
    world.create_letters();
    lock_and_unlock(&owner);
    assert_eq!(only_device(&owner).state, "active", "it has waited long enough");
    lock_and_unlock(&owner);
    assert_eq!(only_device(&owner).state, "active");
    assert_eq!((world.audited("device.waits_again"), world.audited("device.unlocked")), (2, 2));
}

#[test]
fn a_letter_that_could_not_be_made_tells_nobody_and_the_device_waits_on() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    computer.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    for table in ["account", "letter"] {
        let unprintable = format!(r#"UPDATE {table} SET address = REPLACE(address, '"city":"', '"city":"Αθήνα ')"#);
        world.sql(unprintable).unwrap();
    }
    assert_eq!(world.create_letters().0.failed, 1);
    let computer = later(&world, &computer, DAY + 60);
    assert_eq!(only_device(&computer).state, "pending_wait");
    let computer = later(&world, &computer, 30 * DAY);
    assert_eq!(only_device(&computer).state, "pending_wait");
}

#[test]
fn a_device_of_a_letter_unlocks_no_other() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let by_letter = computer.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    let other = world.try_log_in(&world.folder.path().join("other"), ERIKA, PASSWORD).unwrap();
    let by_card = other.register(&mut card(ERIKA)).unwrap();
    world.create_letters();
    let computer = relog(&world, &computer, DAY);
    world.wait_until("it is active", || computer.devices().iter().all(|device| device.state == "active"));
    let computer = by_device(&world, &computer).unwrap();
    assert_eq!(computer.here.home.device().unwrap().device_id(), Some(by_letter.device_id));
    let path = |what: &str| format!("/v1/devices/{}/{what}", by_card.device_id);
    computer.here.service.command(Method::POST, &path("lock")).unwrap();
    assert_eq!(refusal(computer.here.service.command(Method::POST, &path("unlock"))), "stronger_login_needed");
}

#[test]
fn a_signature_that_was_made_before_counts_no_more_when_the_device_was_locked() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    // Everything is signed; the device is locked before the decision arrives.
    let lock = path(&only_device(&computer), "/lock");
    let (headers, address) = (computer.headers("POST", &lock), format!("{}{lock}", world.address));
    let line = Liar::cutting(&world, Cut::Request, move |path| {
        if path.ends_with("/decision") {
            let request = reqwest::blocking::Client::new().post(&address);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
            assert_eq!(request.send().unwrap().status(), 204);
        }
        false
    });
    let deceived = line.deceives(&computer);
    assert_eq!(refused_approval(&deceived, &accepted), "device_locked_by_owner");
    assert_eq!(world.column("SELECT state FROM application"), ["pending"]);
}

#[test]
fn everything_is_locked_with_the_printed_code_and_without_any_login() {
    let mail = MailServer::new();
    let world = notices::world(&mail);
    let computer = notices::reachable(&world, notices::EMAIL);
    computer.register(&mut card(ERIKA)).unwrap();
    let max = world.registered(MAX);
    let answer: RevocationCodeAnswer =
        computer.here.service.call(Method::POST, "/v1/revocation-code", &json!({})).unwrap();
    let printed = answer.code.expose().to_owned();
    assert_eq!(world.count("SELECT COUNT(*) FROM revocation_code"), 1);
    let kept = world.column("SELECT sha256 FROM revocation_code").remove(0);
    assert!(!printed.contains(&kept) && !kept.contains(&printed[..4]), "a hash alone is kept");

    let emergency = |typed: &[&str]| {
        let mut script =
            Script { letter_code: typed.iter().map(|code| (*code).to_owned()).collect(), ..Script::default() };
        computer.with(&mut script, |around| lock_everything(&world.remote(), around))
    };
    // A slip of the pen is found here; a code that is nobody's gets the same answer as one that is.
    let slip = printed.replacen(&printed[..1], if printed.starts_with('7') { "8" } else { "7" }, 1);
    let nobodys = kartenbund::protocol::revocation::RevocationCode::random(&mut rng()).groups();
    emergency(&[&slip, nobodys.expose()]).unwrap();
    assert_eq!(only_device(&computer).state, "active");
    assert!(emergency(&[&slip]).is_err());
    emergency(&[&printed.to_lowercase().replace(' ', "-")]).unwrap();
    assert!(computer.here.service.get::<serde_json::Value>("/v1/devices").is_err(), "her sessions have ended");
    assert_eq!(only_device(&max).state, "active", "his is as it was");
    let with_card = with_card(&world, "elsewhere");
    assert_eq!(only_device(&with_card).state, "locked");
    assert_eq!(world.count("SELECT COUNT(*) FROM revocation_code"), 0, "it is used up");
    let subjects = || notices::subjects(&mail.mails());
    world.wait_until("she is told", || subjects().contains(&"Alles gesperrt".to_owned()));
    world.wait_until("and was before", || subjects().contains(&"Neuer Sperrcode".to_owned()));
    let letters = notices::letters(&world);
    assert!(letters.iter().any(|letter| letter.starts_with("Alles gesperrt")), "also by letter: {letters:?}");
}

#[test]
fn a_new_code_takes_the_place_of_the_one_before() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let make = || -> RevocationCodeAnswer {
        computer.here.service.call(Method::POST, "/v1/revocation-code", &json!({})).unwrap()
    };
    let (before, _now) = (make(), make());
    world.remote().submit(Method::POST, "/v1/emergency/revoke", &json!({"code": before.code.expose()})).unwrap();
    assert_eq!(only_device(&computer).state, "active");
}

#[test]
fn codes_are_guessed_as_seldom_as_passwords() {
    let world = World::new().restarted(|settings| settings.login_limits.tries_in_an_hour = 3);
    let guess = || world.remote().submit(Method::POST, "/v1/emergency/revoke", &json!({"code": "0000"}));
    (0..3).for_each(|_| guess().unwrap());
    assert_eq!(refusal(guess()), "too_many_logins");
}

#[test]
fn a_device_whose_time_is_over_is_told_before_and_registered_anew() {
    let mail = MailServer::new();
    let world = notices::world(&mail);
    let computer = notices::reachable(&world, notices::EMAIL);
    computer.register(&mut card(ERIKA)).unwrap();
    let subjects = || notices::subjects(&mail.mails());
    let reminded = || subjects().iter().filter(|subject| *subject == "Registrierung eines Geräts läuft ab").count();
    let computer = later(&world, &computer, (183 - 14) * DAY - 1);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(reminded(), 0);
    let computer = later(&world, &computer, 1);
    world.wait_until("she is told that it ends soon", || reminded() == 1);
    let computer = later(&world, &computer, 14 * DAY - 1);
    let waiting = computer.apply(&new_address());
    world.sql("UPDATE application SET expires_at = expires_at + 1000").unwrap();
    world.clock.advance(1);
    // At the very second, whether the service has looked already or not.
    let refused = refused_approval(&computer, &waiting);
    assert_eq!(refused, "device_expired");
    world.wait_until("it has expired", || only_device(&computer).state == "expired");
    assert_eq!(reminded(), 1, "once");
    world.wait_until("she is told", || subjects().contains(&"Registrierung eines Geräts abgelaufen".to_owned()));
    let refused = computer.here.service.call::<_, ApplicationAnswer>(Method::POST, "/v1/applications", &new_address());
    assert_eq!(refusal(refused), "device_expired");
    let again = computer.register(&mut card(ERIKA)).unwrap();
    assert_eq!((again.state.as_str(), again.binding_level), ("active", BindingLevel::B3));
    assert_eq!(computer.devices().len(), 1, "it has taken the place of the one before");
    assert_eq!(approve(&computer, &computer.apply(&new_contact())).application.state, "executed");
}

#[test]
fn an_insurer_decides_how_long_devices_are_bound_and_a_card_no_longer_than_itself() {
    for (days, expected) in [(30, 30), (3650, 0)] {
        let world = World::new().restarted(|settings| {
            settings.payer_iks = vec!["999567890".parse().unwrap()];
            settings.anchors = Box::new(anchors_of(&[&ca()]));
            settings.devices.days = days;
        });
        let computer = world.registered(ERIKA);
        let left = (only_device(&computer).expires_at - world.clock.now()) / DAY;
        match expected {
            0 => assert!((365..3650).contains(&left), "the card's certificate ends before: {left}"),
            days => assert_eq!(left, days),
        }
    }
}

/// A device in some state, and its owner.
struct Owned {
    world: World,
    computer: Computer,
    device: DeviceAnswer,
}

impl Owned {
    fn in_state(state: &str) -> Self {
        let world = World::new();
        let computer = world.log_in(ERIKA, &world.member(ERIKA));
        let device = match state {
            "pending_wait" => computer.register_by_letter(&world.letter_with_code(ERIKA)).unwrap(),
            _ => computer.register(&mut card(ERIKA)).unwrap(),
        };
        let mut owned = Self { world, computer, device };
        match state {
            "locked" => assert!(owned.cause("device.locked", "")),
            "expired" => assert!(owned.cause("device.expired", "")),
            _ => {}
        }
        assert_eq!(owned.state(), state);
        owned
    }

    fn state(&self) -> String {
        self.world.column(format!("SELECT state FROM device WHERE device_id = '{}'", self.device.device_id)).remove(0)
    }

    fn later(&mut self, seconds: i64) {
        self.computer = later(&self.world, &self.computer, seconds);
    }

    /// Does what causes `event`; `false` where there is nothing to try. `from` is the state that a row begins in.
    fn cause(&mut self, event: &str, from: &str) -> bool {
        match event {
            "device.activated" => {
                self.world.create_letters();
                self.later(DAY);
                self.world.wait_until("the service has looked", || {
                    let _ = self.computer.devices();
                    self.state() != "pending_wait"
                });
            }
            "device.revoked" => drop(self.computer.by_card().remove(self.device.device_id)),
            "device.renamed" => {
                let service = &self.computer.here.service;
                drop(service.submit(Method::PATCH, &path(&self.device, ""), &json!({"name": "n"})));
            }
            "device.locked" => drop(self.computer.here.service.command(Method::POST, &path(&self.device, "/lock"))),
            "device.unlocked" => {
                let service = with_card(&self.world, "elsewhere").here.service;
                drop(service.command(Method::POST, &path(&self.device, "/unlock")));
            }
            "device.waits_again" => {
                if from == "locked" {
                    *self = Self::in_state("pending_wait"); // one that was locked meanwhile
                    self.cause("device.locked", "pending_wait");
                }
                self.cause("device.unlocked", from);
            }
            "device.expired" => {
                self.later(183 * DAY);
                self.world.wait_until("it has expired", || self.state() == "expired");
            }
            "device.pin_evaluated" | "device.pin_confirmed" => {
                let mut script = Script::default();
                drop(self.computer.with(&mut script, |around| unlock(&self.computer.here, 0, around)));
            }
            "device.rebound" => {
                let (card, here) = (&mut card(ERIKA), &self.computer.here);
                drop(self.computer.with(&mut Script::default(), |around| {
                    kartenbund::client::rebind::rebind(here, card, ApduLength::Extended, around)
                }));
            }
            "device.pin_share_made" | "device.pin_changed" => {
                let mut script = Script { new_device_pins: [NEW_PIN].into(), ..Script::default() };
                drop(self.computer.with(&mut script, |around| change(&self.computer.here, around)));
            }
            "device.pin_used_up" if matches!(from, "locked" | "expired") => return false,
            "device.pin_used_up" => {
                let thief = Thief::of(&self.computer);
                (0..5).for_each(|_| drop(thief.spend()));
                self.later(121); // the last one may still be confirmed until then
                self.world.wait_until("it is over", || self.state() == "revoked");
            }
            other => panic!("nobody knows how to cause {other}"),
        }
        true
    }
}

#[test]
fn the_last_try_ends_a_device_also_when_it_was_locked_or_has_expired_meanwhile() {
    let mut owned = Owned::in_state("active");
    let thief = Thief::of(&owned.computer);
    (0..5).for_each(|_| drop(thief.spend()));
    owned.cause("device.locked", "active");
    assert_eq!(owned.state(), "locked");
    owned.later(121);
    owned.world.wait_until("it is over", || owned.state() == "revoked");

    let mut owned = Owned::in_state("active");
    owned.later(183 * DAY - 60);
    let thief = Thief::of(&owned.computer);
    (0..5).for_each(|_| drop(thief.spend()));
    owned.later(60);
    owned.world.wait_until("it has expired", || owned.state() == "expired");
    owned.later(61);
    owned.world.wait_until("it is over", || owned.state() == "revoked");
}

/// All rows that begin in a state, and everything else that could be tried there.
fn every_row_from(from: &str) {
    let rows: Vec<_> = transitions().into_iter().filter(|[kind, ..]| *kind == "device").collect();
    for [_, _, event, to] in rows.iter().filter(|row| row[1] == from) {
        let mut owned = Owned::in_state(from);
        let before = owned.world.audited(event);
        if owned.cause(event, from) {
            assert_eq!(owned.state(), *to, "{from}: {event}");
            assert!(owned.world.audited(event) > before, "{from}: {event} is in the audit");
        }
    }
    let events: std::collections::BTreeSet<_> = rows.iter().map(|row| row[2]).collect();
    for event in events.iter().filter(|event| !rows.iter().any(|row| row[1] == from && row[2] == **event)) {
        if matches!(*event, "device.activated" | "device.expired") {
            continue; // what time does, and it is not its time
        }
        let mut owned = Owned::in_state(from);
        let before = owned.world.audited(event);
        owned.cause(event, from);
        assert_eq!(owned.state(), from, "{event} changes nothing");
        assert_eq!(owned.world.audited(event), before, "{event} did not happen");
    }
}

#[test]
fn what_becomes_of_a_device_that_waits() {
    every_row_from("pending_wait");
}

#[test]
fn what_becomes_of_an_active_device() {
    every_row_from("active");
}

#[test]
fn what_becomes_of_a_locked_device() {
    every_row_from("locked");
}

#[test]
fn what_becomes_of_an_expired_device() {
    every_row_from("expired");
}

/// In each state: what may happen, and where it leads.
const TABLE: &str = "
active       expired         expired
active       locked          locked
active       pin_changed     active
active       pin_confirmed   active
active       pin_evaluated   active
active       pin_share_made  active
active       pin_used_up     revoked
active       rebound         active
active       renamed         active
active       revoked         revoked
expired      pin_changed     expired
expired      pin_confirmed   expired
expired      pin_evaluated   expired
expired      pin_share_made  expired
expired      pin_used_up     revoked
expired      rebound         active
expired      renamed         expired
expired      revoked         revoked
locked       expired         expired
locked       pin_used_up     revoked
locked       renamed         locked
locked       revoked         revoked
locked       unlocked        active
locked       waits_again     pending_wait
pending_wait activated       active
pending_wait locked          locked
pending_wait pin_changed     pending_wait
pending_wait pin_confirmed   pending_wait
pending_wait pin_evaluated   pending_wait
pending_wait pin_share_made  pending_wait
pending_wait pin_used_up     revoked
pending_wait renamed         pending_wait
pending_wait revoked         revoked
";

#[test]
fn no_row_of_a_device_comes_and_none_goes_unseen() {
    let rows = transitions().into_iter().filter(|[kind, ..]| *kind == "device");
    let mut found: Vec<_> = rows.map(|[_, from, event, to]| [from, event.trim_start_matches("device."), to]).collect();
    found.sort_unstable();
    let row = |line: &'static str| line.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
    let expected: Vec<[&str; 3]> = TABLE.lines().filter(|line| !line.is_empty()).map(row).collect();
    assert_eq!(found, expected);
}
