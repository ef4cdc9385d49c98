//! Somebody has stolen the key file, or one of a backup: what the operator does then.

use kartenbund::client::device_login::login_with_device;
use kartenbund::jose::{P256Jwk, Thumbprint};
use kartenbund::protocol::api::ConfigurationAnswer;
use kartenbund::protocol::service::{Configuration, Receipt};
use kartenbund::server::RollStep::{Activate, Announce, Retire};
use kartenbund::server::{PublicKeys, RollStep, ServerError, Service};

use super::service_keys::{device_login, evidence, holds, key_file, known, pinned, told};
use super::*;

/// The private keys in the file, as they stand there, and the public ones that belong to them.
fn stolen(world: &World) -> (Vec<String>, Vec<P256Jwk>) {
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(key_file(world)).unwrap()).unwrap();
    let scalars = ["previous", "signing", "next"].into_iter().filter_map(|name| file.get(name));
    let scalars: Vec<_> = scalars.map(|it| it.as_str().unwrap().to_owned()).collect();
    let keys = scalars.iter().map(|scalar| {
        let key = p256::ecdsa::SigningKey::from_slice(&kartenbund::jose::base64url::decode(scalar).unwrap()).unwrap();
        P256Jwk::from(*key.verifying_key())
    });
    (scalars.clone(), keys.collect())
}

fn keys(world: &World) -> PublicKeys {
    Service::public_keys(&world.own_settings()).unwrap()
}

/// Who the service says it is.
fn answer(world: &World) -> ConfigurationAnswer {
    reqwest::blocking::get(format!("{}/.well-known/kartenbund-configuration", world.address)).unwrap().json().unwrap()
}

fn go_on(world: &World, computer: &Computer, fingerprint: Thumbprint) -> Computer {
    let (home, remote) =
        (computer.here.home.clone(), world.remote().expecting(Some(fingerprint), &world.clock.of_client()));
    computer.with(&mut Script::default(), |around| login_with_device(&home, remote, around)).unwrap();
    Computer { here: login::resume(home, world.clock.of_client()).unwrap(), clock: world.clock.clone() }
}

fn is_rid_of_what_was_stolen_after(steps: &[RollStep]) {
    let world = World::new();
    let mut computer = world.registered(ERIKA);
    for step in steps {
        world.roll(*step).unwrap();
        computer = device_login(&world, &computer);
    }
    approve(&computer, &computer.apply(&new_address()));
    let (before, sets) = (evidence(&computer), keys(&world).believed());
    let head = world.audit_head(&computer);
    let (scalars, thiefs) = stolen(&world);
    let mut expected = told(&world);

    let shown = world.revoke_keys(None).unwrap();

    // One new key signs, and none that was in the file is listed, handed out, or there.
    let [new] = shown.listed.to_vec().try_into().unwrap();
    assert!(!thiefs.contains(&new));
    assert_eq!(keys(&world).all(), shown.all());
    assert!(thiefs.iter().all(|key| !shown.former.contains(key)));
    assert_eq!(shown.revoked, thiefs);
    let answer = answer(&world);
    assert_eq!(answer.by_previous_key, None, "no key of before vouches for it");
    let said: Configuration = kartenbund::jose::jws::verify(&answer.configuration, new.verifying_key()).unwrap();
    assert_eq!((said.service_keys.to_vec(), &said.former_keys), (vec![new.clone()], &shown.former));
    let file = std::fs::read_to_string(key_file(&world)).unwrap();
    assert!(scalars.iter().all(|scalar| !file.contains(scalar)), "no private key is left over");
    expected.extend(thiefs.iter().map(|key| ("service_key.revoked".to_owned(), key.thumbprint().to_string())));
    expected.push(("service_key.activated".to_owned(), new.thumbprint().to_string()));
    assert_eq!(told(&world), expected);

    // Nobody goes over by herself: her computer believes neither the new key nor, from now on, the old one.
    let refused = world.try_log_in(computer.here.home.folder(), ERIKA, "x").map(drop);
    assert!(matches!(refused, Err(LoginError::Service(ServiceError::KeyChanged))), "{refused:?}");
    // Tokens of before are nobody's, either.
    world.remote().expecting(Some(new.thumbprint()), &world.clock.of_client()).learn_keys(&computer.here.home).unwrap();
    let ended = computer.here.service.get::<serde_json::Value>("/v1/devices");
    assert!(ended.as_ref().is_err_and(|error| error.is_refused_with("token_invalid")), "{:?}", ended.err());
    let computer = go_on(&world, &computer, new.thumbprint());
    assert_eq!(known(&computer), shown.believed());
    let decided = approve(&computer, &computer.apply(&new_address()));
    kartenbund::jose::jws::verify::<Receipt>(&decided.receipt, new.verifying_key()).unwrap();

    // What the thief signs does not hold by the set that is handed out; nor does what the service has signed with that key,
    // but for who has a set of before.
    let after = evidence(&computer);
    assert!(holds(&before, &sets) && !holds(&before, &shown.believed()));
    assert!(!holds(&after, &shown.believed()) && holds(&after, &shown.all()));
    world.verify_audit(&[&head, &world.audit_head(&computer)]).unwrap();
    world.roll(Announce).unwrap();
    world.roll(Activate).unwrap();
    world.roll(Retire).unwrap();
    assert_eq!(keys(&world).former.last(), Some(&new), "and from there it goes on as always");
}

#[test]
fn a_key_file_that_was_stolen_signs_nothing_more() {
    is_rid_of_what_was_stolen_after(&[]);
}

#[test]
fn a_key_file_that_was_stolen_with_the_next_key_in_it_signs_nothing_more() {
    is_rid_of_what_was_stolen_after(&[Announce]);
}

#[test]
fn a_key_file_that_was_stolen_with_the_previous_key_in_it_signs_nothing_more() {
    is_rid_of_what_was_stolen_after(&[Announce, Activate]);
}

#[test]
fn a_key_file_that_was_stolen_after_all_steps_signs_nothing_more() {
    is_rid_of_what_was_stolen_after(&[Announce, Activate, Retire]);
}

#[test]
fn a_retired_key_that_was_stolen_from_a_backup_is_believed_no_more_and_nobody_has_to_pin_anew() {
    let world = World::new();
    let password = world.member(ERIKA);
    let computer = world.log_in(ERIKA, &password);
    computer.register(&mut card(ERIKA)).unwrap();
    approve(&computer, &computer.apply(&new_address()));
    let (before, old) = (evidence(&computer), pinned(&computer));
    for step in [Announce, Activate, Retire] {
        world.roll(step).unwrap();
        world.log_in(ERIKA, &password);
    }
    assert!(known(&computer).contains(&old[0]) && holds(&before, &known(&computer)));
    let file = std::fs::read(key_file(&world)).unwrap();
    for stranger in [pinned(&computer)[0].thumbprint(), [7; 32].into()] {
        assert!(matches!(world.revoke_keys(Some(stranger)), Err(ServerError::NoFormerKey(key)) if key == stranger));
    }
    assert_eq!(std::fs::read(key_file(&world)).unwrap(), file);

    let expected = [told(&world), vec![("service_key.revoked".to_owned(), old[0].thumbprint().to_string())]].concat();
    for _ in 0..2 {
        let shown = world.revoke_keys(Some(old[0].thumbprint())).unwrap();
        assert_eq!((shown.former.as_slice(), &shown.revoked), ([].as_slice(), &old));
        assert_eq!(told(&world), expected, "once");
    }
    let computer = world.log_in(ERIKA, &password);
    assert_eq!(known(&computer), keys(&world).believed());
    assert!(!holds(&before, &known(&computer)));
    approve(&computer, &computer.apply(&new_address()));
    world.verify_audit(&[&world.audit_head(&computer)]).unwrap();
}

/// As with a step: the file is written first, and the entries follow where a kill has kept them back.
#[test]
fn keys_whose_entries_a_kill_has_kept_back_when_they_were_revoked_get_them_once() {
    let mut world = World::new();
    world.roll(Announce).unwrap();
    let before = told(&world);
    let (_, thiefs) = stolen(&world);
    world.stop();
    let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(key_file(&world)).unwrap()).unwrap();
    file.as_object_mut().unwrap().remove("next");
    file["signing"] = kartenbund::jose::base64url::encode(&[3; 32]).into();
    file["revoked"] = serde_json::to_value(&thiefs).unwrap();
    std::fs::write(key_file(&world), file.to_string()).unwrap();
    let world = world.restarted_in_place();
    let mut expected = thiefs.iter().map(|key| ("service_key.revoked".to_owned(), key.thumbprint().to_string()));
    let mut expected = [before, expected.by_ref().collect()].concat();
    let new = keys(&world).listed[0].thumbprint().to_string();
    expected.push(("service_key.activated".to_owned(), new));
    assert_eq!(told(&world), expected);
    let world = world.restarted_in_place();
    assert_eq!(told(&world), expected, "once");
    world.verify_audit(&[]).unwrap();
}

/// All processes look at the key file when they start, and once a second.
#[test]
fn processes_that_start_at_once_tell_of_each_key_once() {
    let mut world = World::new();
    world.stop();
    let revoked: Vec<_> = (1..=20)
        .map(|byte| P256Jwk::from(*p256::ecdsa::SigningKey::from_slice(&[byte; 32]).unwrap().verifying_key()))
        .collect();
    let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(key_file(&world)).unwrap()).unwrap();
    file["revoked"] = serde_json::to_value(&revoked).unwrap();
    std::fs::write(key_file(&world), file.to_string()).unwrap();
    let start = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for settings in (0..4).map(|_| world.own_settings()) {
            let (clock, start) = (world.clock.clone(), &start);
            let now = move || time::OffsetDateTime::from_unix_timestamp(clock.now()).unwrap();
            scope.spawn(move || {
                start.wait();
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime
                    .block_on(async { Service::open(settings, std::sync::Arc::new(now)).await.unwrap().close().await });
            });
        }
    });
    let told = told(&world);
    let keys: std::collections::BTreeSet<_> = told.iter().map(|(_, key)| key.clone()).collect();
    assert_eq!((told.len(), keys.len()), (21, 21), "twenty that were revoked, and the one that signs");
    world.verify_audit(&[]).unwrap();
}
