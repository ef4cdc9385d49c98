//! The end of a registration: the program says when it comes and what helps, and the card renews it.

use super::card_and_reset::{card, run};
use super::common::{CARD_PIN, DEVICE_PIN, ERIKA, PASSWORD};
use super::*;

const DAY: i64 = 24 * 60 * 60;
const COMMAND: &str = "kartenbund devices rebind";

/// A clock that goes wrong makes no registration end, and keeps none alive: the service's clock counts.
#[test]
fn the_doctor_looks_at_the_clock_of_the_service_to_say_whether_a_registration_has_ended() {
    let world = world();
    world.member(ERIKA);
    let here = Computer::new();
    here.json(&["login", "--service", &world.address, "--kvnr", ERIKA], &[PASSWORD]);
    let image = card(&here, ERIKA);
    let with_card = ["register", "--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    run(&here, &with_card, &[CARD_PIN, DEVICE_PIN], &[]);
    let found = || {
        let told = here.json(&["doctor", "--virtual-card", image.to_str().unwrap()], &[]);
        let steps = told["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["step"] == "key_store").unwrap();
        (step["verdict"].clone(), step["code"].clone())
    };
    assert_eq!(found(), (Value::from("ok"), Value::Null));
    world.clock.advance(200 * DAY);
    assert_eq!(found(), (Value::from("failed"), Value::from("device_expired")));
}

#[test]
fn the_program_says_when_a_registration_ends_and_renews_it_with_the_card() {
    let world = world().restarted(|settings| {
        settings.payer_iks = vec![MUSTERKASSE_IK.parse().unwrap()];
        settings.anchors = Box::new(anchors_of(&[&ca()]));
        settings.devices.days = 13;
    });
    world.member(ERIKA);
    let here = Computer::new();
    let login = ["login", "--service", &world.address, "--kvnr", ERIKA];
    assert_eq!(here.json(&login, &[PASSWORD])["device_renewal"], Value::Null, "there is no device");
    let image = card(&here, ERIKA);
    let with_card = ["--virtual-card", image.to_str().unwrap(), "--pin-fd", "3"];
    let registered = run(&here, &[&["register"], &with_card[..]].concat(), &[CARD_PIN, DEVICE_PIN], &[]);
    let renewal = |ends_at: &Value| serde_json::json!({"expires_at": ends_at, "command": COMMAND});
    for words in [&login[..1], &["devices"], &["approvals"]] {
        let passwords: &[&str] = if words == ["login"] { &[PASSWORD] } else { &[] };
        assert_eq!(here.json(words, passwords)["device_renewal"], renewal(&registered["expires_at"]), "{words:?}");
        let told = text(&here.run(words, passwords).stderr);
        assert!(told.contains("ends on") && told.contains(COMMAND), "{words:?}: {told}");
    }
    // A computer that was registered by a program that did not keep it learns it at its next login.
    let file = here.home().join("device.json");
    let mut device: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    device.as_object_mut().unwrap().remove("expires_at").unwrap();
    std::fs::write(&file, device.to_string()).unwrap();
    assert_eq!(here.json(&["approvals"], &[])["device_renewal"], Value::Null);
    assert_eq!(here.json(&["login"], &[PASSWORD])["device_renewal"], renewal(&registered["expires_at"]));

    let over = world.clock.now() - DAY;
    world.sql(format!("UPDATE device SET expires_at = {over}")).unwrap();
    world.wait_until("it has expired", || world.column("SELECT state FROM device") == ["expired"]);
    assert_eq!(here.json(&["devices"], &[])["device_renewal"], renewal(&Value::from(over)));
    let told = text(&here.run(&["devices"], &[]).stderr);
    assert!(told.contains("has expired on") && told.contains(COMMAND), "{told}");
    let refused = run(&here, &["login", "--device", "--pin-fd", "3"], &[DEVICE_PIN], &[]);
    assert_eq!(refused["error"]["code"], "device_expired");
    assert!(refused["error"]["remedy"].as_str().unwrap().contains(COMMAND), "{refused}");

    let world = world.restarted_in_place_with(|settings| {
        settings.payer_iks = vec![MUSTERKASSE_IK.parse().unwrap()];
        settings.anchors = Box::new(anchors_of(&[&ca()]));
    });
    let rebind = [&["devices", "rebind"], &with_card[..]].concat();
    let renewed = run(&here, &rebind, &[CARD_PIN, DEVICE_PIN], &[]);
    assert_eq!((&renewed["device_id"], &renewed["state"]), (&registered["device_id"], &Value::from("active")));
    assert_eq!(renewed["device_renewal"], Value::Null);
    assert_eq!(here.json(&["devices"], &[])["device_renewal"], Value::Null);
    assert_eq!(run(&here, &["login", "--device", "--pin-fd", "3"], &[DEVICE_PIN], &[])["insurer"], "Musterkasse");
    assert_eq!(world.audited("device.rebound"), 1);
    let help = text(&here.run(&["devices", "rebind", "--help"], &[]).stdout);
    assert!(help.contains("Renew the registration of this computer"), "{help}");
}
