//! The service's signing key is replaced by another one, and nobody notices but who was away the whole time.

use std::collections::BTreeSet;
use std::path::PathBuf;

use kartenbund::client::device_login::login_with_device;
use kartenbund::jose::{P256Jwk, Thumbprint, base64url};
use kartenbund::protocol::audit::Entry;
use kartenbund::server::{RollStep, ServerError};

use super::common::verifier::second_verifier;
use super::*;

use RollStep::{Activate, Announce, Retire};

const STEPS: [RollStep; 3] = [Announce, Activate, Retire];

/// The keys that a computer has pinned.
pub(super) fn pinned(computer: &Computer) -> Vec<P256Jwk> {
    computer.here.home.profile().unwrap().service_keys.to_vec()
}

/// All keys that it knows of.
pub(super) fn known(computer: &Computer) -> Vec<P256Jwk> {
    [pinned(computer), computer.here.home.profile().unwrap().former_keys].concat()
}

pub(super) fn device_login(world: &World, computer: &Computer) -> Computer {
    let home = computer.here.home.clone();
    computer.with(&mut Script::default(), |around| login_with_device(&home, world.remote(), around)).unwrap();
    Computer { here: login::resume(home, world.clock.of_client()).unwrap(), clock: world.clock.clone() }
}

pub(super) fn evidence(computer: &Computer) -> Bundle {
    let bundle: Bundle = computer.here.service.get("/v1/evidence").unwrap();
    Bundle::parse(&serde_json::to_vec(&bundle).unwrap()).unwrap()
}

/// Whether it holds with these keys, which both verifiers say alike.
pub(super) fn holds(bundle: &Bundle, keys: &[P256Jwk]) -> bool {
    let holds = bundle.verify(&anchors_of(&[&ca()]), keys).findings.is_some();
    assert_eq!(second_verifier(&[serde_json::to_vec(bundle).unwrap()], &[&ca()], keys), [holds]);
    holds
}

/// What the audit tells about signing keys.
pub(super) fn told(world: &World) -> Vec<(String, String)> {
    let entries = world.audit_entries().into_iter().map(|entry| serde_json::from_str::<Entry>(&entry).unwrap());
    entries.filter(|entry| entry.event.starts_with("service_key.")).map(|it| (it.event, it.object)).collect()
}

pub(super) fn key_file(world: &World) -> PathBuf {
    world.folder.path().join("service/service-keys.json")
}

#[test]
fn who_logged_in_before_goes_on_through_all_steps_without_noticing() {
    let world = World::new();
    let password = world.member(ERIKA);
    let mut computer = world.log_in(ERIKA, &password);
    computer.register(&mut card(ERIKA)).unwrap();
    let old = pinned(&computer);
    let mut new = Vec::new();
    for (number, step) in STEPS.into_iter().enumerate() {
        let key = world.roll(step).unwrap();
        // Each way to log in, each message of the service that is checked: challenges of logins and registrations, receipts.
        computer = device_login(&world, &computer);
        approve(&computer, &computer.apply(&new_address()));
        computer = world.log_in(ERIKA, &password);
        let new_one =
            world.try_log_in(&world.folder.path().join(format!("laptop-{number}")), ERIKA, &password).unwrap();
        new_one.register(&mut card(ERIKA)).unwrap();
        new_one.by_card().remove(new_one.own()).unwrap();
        match step {
            Announce => {
                assert_eq!(pinned(&computer)[..1], old);
                new = pinned(&computer)[1..].to_vec();
                assert_eq!((new.len(), new[0].thumbprint()), (1, key));
            }
            Activate => {
                assert_eq!(pinned(&computer), [new.clone(), old.clone()].concat());
                assert_eq!(key, new[0].thumbprint());
            }
            Retire => {
                assert_eq!((pinned(&computer), key), (new.clone(), old[0].thumbprint()));
                assert_eq!(known(&computer), [new.clone(), old.clone()].concat());
            }
        }
        assert_eq!(pinned(&new_one), pinned(&computer), "whoever comes new pins the same");
        assert!(holds(&evidence(&computer), &known(&computer)), "{step}");
    }
    assert_eq!(computer.devices().iter().filter(|device| device.state == "active").count(), 1);
    world.verify_audit(&[]).unwrap();
}

/// A program that runs on while the keys roll, and asks nobody who the service is.
#[test]
fn a_program_that_knows_the_old_key_alone_reads_the_first_word_by_the_new_one() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let old = pinned(&computer);
    world.roll(Announce).unwrap();
    world.roll(Activate).unwrap();
    assert_eq!(pinned(&computer), old, "nobody has asked yet");
    let decision = approve(&computer, &computer.apply(&new_address()));
    assert_eq!(pinned(&computer).len(), 2);
    let new = pinned(&computer)[0].clone();
    assert!(
        kartenbund::jose::jws::verify::<kartenbund::protocol::service::Receipt>(&decision.receipt, new.verifying_key())
            .is_ok()
    );
    // With the same session, the challenge of a registration.
    let wish = Wish { replace: true, ..wish() };
    computer.register_as(&mut card(ERIKA), &mut Script::default(), &wish).unwrap();
    world.roll(Retire).unwrap();
    approve(&computer, &computer.apply(&new_address()));
}

/// As long as the old key is listed, nobody needs to have seen the new one before it was in use.
#[test]
fn who_comes_back_before_the_old_key_is_retired_logs_in_as_always() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let old = pinned(&computer);
    world.roll(Announce).unwrap();
    world.roll(Activate).unwrap();
    device_login(&world, &computer);
    assert_eq!(pinned(&computer).last(), old.last());
    world.roll(Retire).unwrap();
    device_login(&world, &computer);
    assert!(!pinned(&computer).contains(&old[0]));
}

#[test]
fn evidence_from_before_and_after_holds_by_the_keys_of_both_times() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let old = pinned(&computer);
    approve(&computer, &computer.apply(&new_address()));
    let before = evidence(&computer);
    assert!(holds(&before, &old) && before.service.other_jwks.is_empty());
    for step in STEPS {
        world.roll(step).unwrap();
    }
    // A head by the new key stands behind the newest entry.
    let computer = {
        let service = world.remote().expecting(
            Some(world.remote().configuration().unwrap().service_keys[0].thumbprint()),
            &world.clock.of_client(),
        );
        let home = computer.here.home.clone();
        computer.with(&mut Script::default(), |around| login_with_device(&home, service, around)).unwrap();
        Computer { here: login::resume(home, world.clock.of_client()).unwrap(), clock: world.clock.clone() }
    };
    let new = pinned(&computer);
    approve(&computer, &computer.apply(&new_address()));
    let after = evidence(&computer);
    let both = [new.clone(), old.clone()].concat();
    assert_eq!(after.devices[0].approvals.len(), 2);
    assert!(holds(&after, &both));
    assert!(!holds(&after, &old) && !holds(&after, &new), "each has signed a part of it");
    assert!(holds(&before, &old) && holds(&before, &both), "what was kept is worth the same");
    assert!(!holds(&before, &new));
    let unpinned = after.verify(&anchors_of(&[&ca()]), &[]);
    assert!(unpinned.findings.is_some());
    assert!(unpinned.links.iter().any(|link| link.rests_on == RestsOn::ServiceUnpinned));
    assert!(holds(&after, &[]));
    // Evidence of now that needs the former key alone.
    let path = format!("/v1/evidence/{}", after.devices[0].approvals[0].approval_id);
    let of_before: Bundle = computer.here.service.get(&path).unwrap();
    assert!(holds(&of_before, &both));
}

#[test]
fn who_slept_through_it_is_told_and_goes_on_with_the_fingerprint_that_the_insurer_tells() {
    let world = World::new();
    let password = world.member(ERIKA);
    let computer = world.log_in(ERIKA, &password);
    computer.register(&mut card(ERIKA)).unwrap();
    for step in STEPS {
        world.roll(step).unwrap();
    }
    let before = pinned(&computer);
    let log_in = |fingerprint: Option<Thumbprint>| {
        let home = computer.here.home.clone();
        let mut script = Script { password: Some(password.clone()), ..Script::default() };
        let remote = world.remote().expecting(fingerprint, &world.clock.of_client());
        let logged_in = computer.with(&mut script, |around| login::login(&home, &remote, kvnr(ERIKA), around));
        (logged_in.map(drop), script.password.is_some())
    };
    let changed = |(refused, unasked): (Result<(), LoginError>, bool)| {
        matches!(refused, Err(LoginError::Service(ServiceError::KeyChanged))) && unasked
    };
    let other = |(refused, unasked): (Result<(), LoginError>, bool)| {
        matches!(refused, Err(LoginError::Service(ServiceError::NotTheNamedKey))) && unasked
    };
    assert!(changed(log_in(None)), "she is told before she types anything");
    assert!(other(log_in(Some(before[0].thumbprint()))), "the old fingerprint");
    assert!(other(log_in(Some(Thumbprint::from([7; 32])))), "a mistyped one");
    assert_eq!(pinned(&computer), before);

    let new = kartenbund::server::Service::public_keys(&world.own_settings()).unwrap().listed[0].thumbprint();
    assert!(log_in(Some(new)).0.is_ok());
    assert_eq!(pinned(&computer)[0].thumbprint(), new);
    let here = login::resume(computer.here.home.clone(), world.clock.of_client()).unwrap();
    let computer = Computer { here, clock: world.clock.clone() };
    approve(&computer, &computer.apply(&new_address()));
    device_login(&world, &computer);
}

#[test]
fn at_the_first_login_the_fingerprint_of_a_letter_must_fit() {
    let world = World::new();
    let password = world.member(ERIKA);
    let log_in = |fingerprint: Thumbprint| {
        let home = Home::at(world.folder.path().join("new"));
        let mut script = Script { password: Some(password.clone()), ..Script::default() };
        let clock = || world.clock.now();
        let mut around = kartenbund::client::Surroundings { ui: &mut script, rng: &mut rng(), clock: &clock };
        login::login(
            &home,
            &world.remote().expecting(Some(fingerprint), &world.clock.of_client()),
            kvnr(ERIKA),
            &mut around,
        )
        .map(drop)
    };
    let refused = log_in(Thumbprint::from([7; 32]));
    assert!(matches!(refused, Err(LoginError::Service(ServiceError::NotTheNamedKey))));
    log_in(world.remote().configuration().unwrap().service_keys[0].thumbprint()).unwrap();
}

#[test]
fn a_profile_of_an_earlier_version_with_its_one_key_goes_on() {
    let world = World::new();
    let password = world.member(ERIKA);
    let computer = world.log_in(ERIKA, &password);
    let file = computer.here.home.folder().join("profile.json");
    let mut profile: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let members = profile.as_object_mut().unwrap();
    let keys = members.remove("service_keys").unwrap();
    members.retain(|name, _| !["former_keys", "keys_from"].contains(&name.as_str()));
    profile["service_key"] = keys[0].clone();
    std::fs::write(&file, profile.to_string()).unwrap();

    let old = pinned(&computer);
    assert_eq!(old.len(), 1);
    for step in STEPS {
        world.roll(step).unwrap();
        world.log_in(ERIKA, &password);
    }
    assert_eq!(known(&computer)[1..], old);
    // And it is no way past the pin.
    let mut profile: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    profile.as_object_mut().unwrap().retain(|name, _| name != "service_keys");
    profile["service_key"] = keys[0].clone();
    std::fs::write(&file, profile.to_string()).unwrap();
    let refused = world.try_log_in(computer.here.home.folder(), ERIKA, &password).map(drop);
    assert!(matches!(refused, Err(LoginError::Service(ServiceError::KeyChanged))));
}

#[test]
fn a_step_out_of_order_is_refused_and_each_one_taken_stands_in_the_audit() {
    let world = World::new();
    let mut expected = Vec::new();
    let mut keys = BTreeSet::new();
    for _ in 0..2 {
        for (step, event) in STEPS.into_iter().zip(["announced", "activated", "retired"]) {
            for other in STEPS.into_iter().filter(|other| *other != step) {
                let before = std::fs::read(key_file(&world)).unwrap();
                let refused = world.roll(other).unwrap_err();
                let is_told =
                    matches!(refused, ServerError::KeyStep { asked, expected } if (asked, expected) == (other, step));
                assert!(is_told, "{other} before {step}: {refused}");
                assert_eq!(std::fs::read(key_file(&world)).unwrap(), before);
            }
            let key = world.roll(step).unwrap();
            keys.insert(key.to_string());
            expected.push((format!("service_key.{event}"), key.to_string()));
        }
    }
    assert_eq!(told(&world), expected);
    assert_eq!(keys.len(), 3, "two were announced, and the first of them retired as well");
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(key_file(&world)).unwrap()).unwrap();
    assert_eq!(file["former"].as_array().unwrap().len(), 2);
    assert!(file.get("next").is_none() && file.get("previous").is_none(), "no private key is left over");
    let all = kartenbund::server::Service::public_keys(&world.own_settings()).unwrap().all();
    assert_eq!(all.len(), 3);
    world.verify_audit(&[]).unwrap();
}

#[test]
fn a_service_that_is_started_anew_between_the_steps_is_where_it_was() {
    let mut world = World::new();
    let mut computer = world.registered(ERIKA);
    let head = world.audit_head(&computer);
    // What a program that was killed while it wrote has left behind.
    let left = key_file(&world).with_file_name(".new-Xy12Zz");
    std::fs::write(&left, "keys of before").unwrap();
    for step in STEPS {
        world.roll(step).unwrap();
        assert!(!left.exists(), "no private key is left over");
        let before = (world.remote().configuration().unwrap().service_keys, told(&world));
        world = world.restarted_in_place_with(|settings| {
            settings.payer_iks = vec!["999567890".parse().unwrap()];
            settings.anchors = Box::new(anchors_of(&[&ca()]));
        });
        assert_eq!((world.remote().configuration().unwrap().service_keys, told(&world)), before, "{step}");
        computer = device_login(&world, &computer);
        approve(&computer, &computer.apply(&new_address()));
    }
    // What was signed by the former key, in the database and handed out, is still the service's word.
    world.verify_audit(&[&head, &world.audit_head(&computer)]).unwrap();
}

#[test]
fn a_backup_of_the_keys_from_before_the_last_step_goes_on_from_there() {
    let mut world = World::new();
    let mut computer = world.registered(ERIKA);
    world.roll(Announce).unwrap();
    world.roll(Activate).unwrap();
    let backup = std::fs::read(key_file(&world)).unwrap();
    world.roll(Retire).unwrap();
    computer = {
        let service = world.remote().configuration().unwrap().service_keys[0].thumbprint();
        let home = computer.here.home.clone();
        let remote = world.remote().expecting(Some(service), &world.clock.of_client());
        computer.with(&mut Script::default(), |around| login_with_device(&home, remote, around)).unwrap();
        Computer { here: login::resume(home, world.clock.of_client()).unwrap(), clock: world.clock.clone() }
    };
    world.stop();
    std::fs::write(key_file(&world), backup).unwrap();
    let world = world.restarted_in_place();
    let computer = device_login(&world, &computer);
    approve(&computer, &computer.apply(&new_address()));
    world.roll(Retire).unwrap();
    device_login(&world, &computer);
    world.verify_audit(&[]).unwrap();
}

/// The file is written first: who is killed then leaves a step that the audit knows nothing of, and the service tells of it
/// as soon as it sees it.
#[test]
fn a_step_whose_entry_a_kill_has_kept_back_gets_it_once() {
    let mut world = World::new();
    let next = |world: &World, take: &dyn Fn(&mut serde_json::Value)| {
        let mut file = serde_json::from_slice(&std::fs::read(key_file(world)).unwrap()).unwrap();
        take(&mut file);
        // Whole or not there, as the service writes it.
        std::fs::write(key_file(world).with_extension("new"), file.to_string()).unwrap();
        std::fs::rename(key_file(world).with_extension("new"), key_file(world)).unwrap();
    };
    let scalar = |byte| serde_json::Value::from(base64url::encode(&[byte; 32]));
    // While the service stands still.
    world.stop();
    next(&world, &|file| file["next"] = scalar(3));
    let world = world.restarted_in_place();
    let announced = world.remote().configuration().unwrap().service_keys[1].thumbprint().to_string();
    let mut expected = vec![("service_key.announced".to_owned(), announced.clone())];
    assert_eq!(told(&world), expected);
    // While it runs; a second process sees it as well.
    let beside = world.beside(|_| {});
    next(&world, &|file| {
        file["previous"] = file["signing"].take();
        file["signing"] = file.as_object_mut().unwrap().remove("next").unwrap();
    });
    expected.push(("service_key.activated".to_owned(), announced));
    world.wait_until("the entry about the key in use", || told(&world).len() == 2);
    std::thread::sleep(std::time::Duration::from_millis(2500)); // both processes look once a second
    assert_eq!(told(&world), expected, "once");
    drop(beside);
    // And before the next step is taken, whoever looks first.
    world.roll(Retire).unwrap();
    next(&world, &|file| file["next"] = scalar(5));
    world.roll(Activate).unwrap();
    let told: Vec<_> = told(&world).into_iter().map(|(event, _)| event).collect();
    let events = ["announced", "activated", "retired", "announced", "activated"];
    assert_eq!(told, events.map(|event| format!("service_key.{event}")));
    world.verify_audit(&[]).unwrap();
}

#[test]
fn another_process_takes_the_step_up_and_believes_what_the_first_signs() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let other = world.beside(|_| {});
    for (step, keys) in STEPS.into_iter().zip([2, 2, 1]) {
        let key = world.roll(step).unwrap();
        let listed = || {
            let configuration: serde_json::Value =
                reqwest::blocking::get(format!("{}/.well-known/kartenbund-configuration", other.address()))
                    .unwrap()
                    .json()
                    .unwrap();
            let payload = configuration["configuration"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
            let said: serde_json::Value = serde_json::from_slice(&base64url::decode(&payload).unwrap()).unwrap();
            let listed: Vec<P256Jwk> = serde_json::from_value(said["service_keys"].clone()).unwrap();
            listed
        };
        world.wait_until("the other process lists the keys", || {
            let listed = listed();
            listed.len() == keys && (step != Activate || listed[0].thumbprint() == key)
        });
        device_login(&world, &computer);
    }
}
