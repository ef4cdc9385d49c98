//! Who removes a device for good, and what the others can do: lock it.

use kartenbund::client::removal::{Left, remove_or_lock};

use super::common::web_branch::{WEBSITE, WebBranch};
use super::common::web_login;
use super::*;

const LEVELS: [BindingLevel; 3] = [BindingLevel::B1, BindingLevel::B2, BindingLevel::B3];

fn refused(answer: Result<(), ServiceError>) -> (String, Option<String>) {
    match answer {
        Err(ServiceError::Refused { code, detail, .. }) => (code, detail),
        other => panic!("the service must refuse, but: {other:?}"),
    }
}

fn may_not() -> (String, Option<String>) {
    ("stronger_login_needed".to_owned(), Some("remove".to_owned()))
}

fn another(world: &World, name: &str) -> Computer {
    world.try_log_in(&world.folder.path().join(name), ERIKA, PASSWORD).unwrap()
}

fn state_of(world: &World, id: kartenbund::protocol::DeviceId) -> String {
    world.column(format!("SELECT state FROM device WHERE device_id = '{id}'")).remove(0)
}

#[test]
fn with_the_password_alone_a_device_is_locked_and_not_removed() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (id, elsewhere) = (computer.own(), another(&world, "elsewhere"));
    for session in [&computer, &elsewhere] {
        assert_eq!(refused(session.remove(id)), may_not(), "also at the computer itself");
    }
    assert_eq!(world.column("SELECT state FROM device"), ["active"]);
    assert_eq!(remove_or_lock(&elsewhere.here.service, id).unwrap(), Left::Locked);
    assert_eq!(remove_or_lock(&elsewhere.here.service, id).unwrap(), Left::Locked, "it is locked already");
    assert_eq!(world.column("SELECT state FROM device"), ["locked"]);
    assert_eq!(refused(elsewhere.remove(id)), may_not());
    let applied = elsewhere.here.service.call::<_, ApplicationAnswer>(Method::POST, "/v1/applications", &new_contact());
    assert_eq!(refusal(applied), "device_locked_by_owner");
    assert_eq!((world.audited("device.revoked"), world.audited("device.locked")), (0, 1));
    // It is undone with the card, and only then is it gone for good.
    let owner = computer.by_card();
    owner.here.service.command(Method::POST, &format!("/v1/devices/{id}/unlock")).unwrap();
    assert_eq!(world.column("SELECT state FROM device"), ["active"]);
    assert_eq!(remove_or_lock(&owner.here.service, id).unwrap(), Left::Removed);
    assert_eq!(refused(owner.remove(id)).0, "not_found");
    assert_eq!(refused(elsewhere.remove(id)).0, "not_found", "what is gone is gone for everybody");
    assert_eq!(remove_or_lock(&elsewhere.here.service, id).unwrap(), Left::Gone);
    // A typing error is none that is gone, nor is a device of somebody else.
    for id in [[7; 16].into(), world.registered(MAX).own()] {
        assert!(remove_or_lock(&elsewhere.here.service, id).is_err_and(|error| error.is_refused_with("not_found")));
    }
}

#[test]
fn whoever_is_in_a_hurry_locks_twice() {
    let world = World::new();
    let (computer, elsewhere) = (world.registered(ERIKA), another(&world, "elsewhere"));
    let lock = || elsewhere.here.service.command(Method::POST, &format!("/v1/devices/{}/lock", computer.own()));
    lock().unwrap();
    let told = world.count("SELECT COUNT(*) FROM notice");
    lock().unwrap();
    assert_eq!(state_of(&world, computer.own()), "locked");
    assert_eq!((world.audited("device.locked"), world.count("SELECT COUNT(*) FROM notice")), (1, told), "told once");
    for state in ["expired", "revoked"] {
        world.sql(format!("UPDATE device SET state = '{state}'")).unwrap();
        assert_eq!(refusal(lock()), "not_found", "{state}");
        assert_eq!(state_of(&world, computer.own()), state);
    }
}

#[test]
fn an_expired_device_is_not_told_as_locked() {
    let world = World::new();
    let (computer, elsewhere) = (world.registered(ERIKA), another(&world, "elsewhere"));
    world.sql("UPDATE device SET state = 'expired'").unwrap();
    assert_eq!(remove_or_lock(&elsewhere.here.service, computer.own()).unwrap(), Left::NotInUse);
    assert_eq!(state_of(&world, computer.own()), "expired");
}

#[test]
fn the_owner_unlocks_with_another_device_what_a_thief_of_the_password_has_locked() {
    let world = World::new();
    let laptop = world.registered(ERIKA);
    let desktop = another(&world, "desktop");
    desktop.register(&mut card(ERIKA)).unwrap();
    let thief = another(&world, "thief");
    assert_eq!(refused(thief.remove(laptop.own())), may_not());
    thief.here.service.command(Method::POST, &format!("/v1/devices/{}/lock", laptop.own())).unwrap();
    let desktop = desktop.by_device().unwrap();
    desktop.here.service.command(Method::POST, &format!("/v1/devices/{}/unlock", laptop.own())).unwrap();
    assert_eq!(world.column("SELECT state FROM device"), ["active", "active"]);
    approve(&laptop, &laptop.apply(&new_address()));
}

#[test]
fn a_device_removes_those_that_were_bound_by_as_little_as_itself() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let other = another(&world, "other");
    other.register(&mut card(ERIKA)).unwrap();
    let session = computer.by_device().unwrap();
    for own in LEVELS {
        for level in LEVELS {
            for state in ["active", "pending_wait", "locked", "expired"] {
                let set = |id, level: BindingLevel, state: &str| {
                    let set = format!("binding_level = '{level}', state = '{state}', active_from = 2000000000");
                    world.sql(format!("UPDATE device SET {set} WHERE device_id = '{id}'")).unwrap();
                };
                set(computer.own(), own, "active");
                set(other.own(), level, state);
                let removed = session.remove(other.own());
                if own >= level {
                    removed.unwrap();
                    assert_eq!(state_of(&world, other.own()), "revoked", "{own} removes {level}, which is {state}");
                } else {
                    assert_eq!(refused(removed), may_not(), "{own} removes {level}, which is {state}");
                    assert_eq!(state_of(&world, other.own()), state);
                }
            }
        }
    }
    assert_eq!(world.audited("device.revoked"), 4 * 6);
}

#[test]
fn a_device_of_a_letter_removes_another_one_and_none_of_the_card() {
    let world = World::new();
    let by_card = world.registered(ERIKA);
    let by_letter = ["first", "second"].map(|name| {
        let computer = another(&world, name);
        computer.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
        computer
    });
    world.a_day_later();
    world.wait_until("they have waited", || world.column("SELECT DISTINCT state FROM device") == ["active"]);
    let first = by_letter[0].by_device().unwrap();
    assert_eq!(refused(first.remove(by_card.own())), may_not());
    first.remove(by_letter[1].own()).unwrap();
    assert_eq!(state_of(&world, by_letter[1].own()), "revoked");
    // And itself, with which it is logged out.
    first.remove(first.own()).unwrap();
    assert!(first.here.service.get::<serde_json::Value>("/v1/devices").is_err());
    assert_eq!(state_of(&world, by_card.own()), "active");
}

#[test]
fn a_device_removes_itself_and_card_and_pin_remove_any() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    computer.by_device().unwrap().remove(computer.own()).unwrap();
    assert_eq!(world.column("SELECT state FROM device"), ["revoked"]);
    let computer = world.log_in(ERIKA, PASSWORD);
    computer.register(&mut card(ERIKA)).unwrap();
    let owner = another(&world, "owner").by_card();
    for (level, state) in [("B3", "active"), ("B2", "locked"), ("B1", "pending_wait"), ("B3", "expired")] {
        let set = format!("binding_level = '{level}', state = '{state}'");
        world.sql(format!("UPDATE device SET {set} WHERE device_id = '{}'", computer.own())).unwrap();
        owner.remove(computer.own()).unwrap();
        assert_eq!(state_of(&world, computer.own()), "revoked", "{level} {state}");
    }
}

#[test]
fn a_browser_that_a_device_let_in_removes_no_device() {
    let website = WebBranch::new(WEBSITE);
    let (world, device) = web_login::world(&website);
    let browser = website.browser(&world, "192.0.2.7");
    let asked = web_login::ask(&browser, ERIKA);
    web_login::decide_with(&device, &mut Script::with_code(&asked.match_code), Verdict::Approve).unwrap();
    let session = browser.holding(web_login::take(&browser, &asked).unwrap());
    assert_eq!(refused(session.remove(device.own())), may_not(), "also not the one that let it in");
    assert_eq!(remove_or_lock(&session.here.service, device.own()).unwrap(), Left::Locked);
    assert!(session.here.service.get::<serde_json::Value>("/v1/devices").is_err(), "which ends it");
    assert_eq!(world.column("SELECT state FROM device"), ["locked"]);
}
