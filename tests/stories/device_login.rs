//! Logging in with the registered device and its PIN: no password is asked for.

use kartenbund::client::device_login::{DeviceLoginError, login_with_device};
use kartenbund::protocol::api::DevicesAnswer;
use kartenbund::protocol::session::SessionMethod;

use super::*;

const HOUR: i64 = 60 * 60;

/// Logs in on this computer with its device and what is typed.
pub(crate) fn log_in_with(
    world: &World,
    computer: &Computer,
    script: &mut Script,
) -> Result<Computer, DeviceLoginError> {
    let home = computer.here.home.clone();
    computer.with(script, |around| login_with_device(&home, world.remote(), around))?;
    Ok(Computer { here: login::resume(home, world.clock.of_client()).unwrap(), clock: world.clock.clone() })
}

fn log_in(world: &World, computer: &Computer) -> Result<Computer, DeviceLoginError> {
    log_in_with(world, computer, &mut Script::default())
}

fn typing(pin: &'static str) -> Script {
    Script { device_pin: pin, ..Script::default() }
}

fn refused(answer: Result<Computer, DeviceLoginError>) -> String {
    match answer {
        Err(DeviceLoginError::Login(LoginError::Service(ServiceError::Refused { code, .. }))) => code,
        Err(DeviceLoginError::Pin(PinError::Service(ServiceError::Refused { code, .. }))) => code,
        other => panic!("the service must refuse, but: {:?}", other.err()),
    }
}

#[test]
fn a_registered_computer_logs_in_with_its_pin_alone() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    login::logout(computer.here.home.clone(), world.clock.of_client()).unwrap();
    let mut script = Script::default();
    let computer = log_in_with(&world, &computer, &mut script).unwrap();
    assert!(script.notices.is_empty());
    assert_eq!(
        script.steps,
        [Step::CheckService, Step::OpenDeviceKey, Step::FetchChallenge, Step::LogIn],
        "no password, no card"
    );
    let methods = world.column("SELECT method FROM session WHERE state = 'open'");
    assert_eq!(methods, [SessionMethod::Device.as_str()]);
    assert_eq!(computer.devices().len(), 1);
    approve(&computer, &computer.apply(&new_address()));
}

#[test]
fn a_wrong_pin_is_told_with_the_tries_left_and_counts_once() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    for left in [4, 3] {
        let answer = log_in_with(&world, &computer, &mut typing("384710"));
        let told = matches!(answer, Err(DeviceLoginError::Pin(PinError::Wrong { tries_left: Some(it) })) if it == left);
        assert!(told, "{:?}", answer.err());
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM session WHERE method = 'device'"), 0);
    let mut script = Script::default();
    log_in_with(&world, &computer, &mut script).unwrap();
    assert_eq!(script.notices, [Notice::WrongDevicePins { tries: 2 }]);
}

#[test]
fn the_fifth_wrong_pin_locks_the_device_and_the_password_still_opens_the_account() {
    let world = World::new();
    let password = world.member(ERIKA);
    let computer = world.log_in(ERIKA, &password);
    computer.register(&mut card(ERIKA)).unwrap();
    for pin in ["384710", "384711", "384712", "384713"] {
        assert!(log_in_with(&world, &computer, &mut typing(pin)).is_err());
    }
    let gone = log_in_with(&world, &computer, &mut typing("384714"));
    assert!(matches!(gone, Err(DeviceLoginError::Pin(PinError::Gone))), "{:?}", gone.err());
    assert_eq!(refused(log_in(&world, &computer)), "device_locked", "as long as the last one may be confirmed");
    world.try_log_in(&world.folder.path().join("web"), ERIKA, &password).unwrap();
}

#[test]
fn a_removed_device_opens_nothing() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let id = computer.devices()[0].device_id;
    computer.by_card().remove(id).unwrap();
    let gone = log_in(&world, &computer);
    assert!(matches!(gone, Err(DeviceLoginError::Pin(PinError::Gone))), "{:?}", gone.err());
}

#[test]
fn a_lost_computer_that_is_locked_from_elsewhere_is_thrown_out_at_once() {
    let world = World::new();
    let password = world.member(ERIKA);
    let lost = world.log_in(ERIKA, &password);
    lost.register(&mut card(ERIKA)).unwrap();
    let lost = log_in(&world, &lost).unwrap();
    let elsewhere = world.try_log_in(&world.folder.path().join("elsewhere"), ERIKA, &password).unwrap();
    let id = lost.devices()[0].device_id;
    elsewhere.here.service.command(Method::POST, &format!("/v1/devices/{id}/lock")).unwrap();
    assert_eq!(refusal(lost.here.service.get::<DevicesAnswer>("/v1/devices")), "session_ended");
    assert_eq!(refused(log_in(&world, &lost)), "device_locked_by_owner");
    assert_eq!(elsewhere.devices().len(), 1, "who locked it stays");
}

#[test]
fn a_session_by_device_lasts_longer_and_not_for_ever() {
    let world = World::new();
    let computer = log_in(&world, &world.registered(ERIKA)).unwrap();
    for _ in 0..14 {
        world.clock.advance(11 * HOUR);
        assert_eq!(computer.devices().len(), 1, "renewed after eleven hours");
    }
    world.clock.advance(12 * HOUR);
    assert!(computer.here.service.get::<DevicesAnswer>("/v1/devices").is_err(), "idle for twelve");
    let computer = log_in(&world, &computer).unwrap();
    for _ in 0..15 {
        world.clock.advance(11 * HOUR);
        assert_eq!(computer.devices().len(), 1);
    }
    world.clock.advance(3 * HOUR);
    assert!(computer.here.service.get::<DevicesAnswer>("/v1/devices").is_err(), "a week has passed");
}

#[test]
fn the_device_is_not_delayed_by_what_others_try_with_passwords() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    for _ in 0..12 {
        assert!(world.try_log_in(&world.folder.path().join("stranger"), ERIKA, "wrong password").is_err());
    }
    log_in(&world, &computer).unwrap();
}

#[test]
fn a_suspended_account_is_opened_by_no_device() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    world.suspend(ERIKA).unwrap();
    assert_eq!(refused(log_in(&world, &computer)), "account_suspended");
    world.resume(ERIKA).unwrap();
    log_in(&world, &computer).unwrap();
}

#[test]
fn a_new_password_is_chosen_with_the_old_one_in_a_session_by_device() {
    let world = World::new();
    let computer = log_in(&world, &world.registered(ERIKA)).unwrap();
    let without = json!({"new": CHOSEN});
    let answer = computer.here.service.call::<_, serde_json::Value>(Method::PUT, "/v1/password", &without);
    assert!(matches!(answer, Err(ServiceError::Refused { code, .. }) if code == "old_password_wrong"));
}

#[test]
fn a_service_with_another_key_gets_neither_pin_nor_signature() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let mut profile = computer.here.home.profile().unwrap();
    profile.service_keys = World::new().remote().configuration().unwrap().service_keys;
    computer.here.home.keep_profile(&profile).unwrap();
    let mut script = Script::default();
    let answer = log_in_with(&world, &computer, &mut script);
    let changed = matches!(answer, Err(DeviceLoginError::Login(LoginError::Service(ServiceError::KeyChanged))));
    assert!(changed, "{:?}", answer.err());
    assert_eq!(script.steps, [Step::CheckService]);
    assert_eq!(world.count("SELECT COUNT(*) FROM pin_attempt WHERE number > 0"), 0);
}

#[test]
fn a_computer_that_is_registered_elsewhere_says_so() {
    let (world, other) = (World::new(), World::new());
    let computer = world.registered(ERIKA);
    let answer = log_in(&other, &computer);
    assert!(matches!(answer, Err(DeviceLoginError::OtherService)), "{:?}", answer.err());
}
