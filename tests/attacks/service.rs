//! Strangers at the service, and strangers in its place.

use super::*;

#[test]
fn a_strangers_registration_device_approval_and_evidence_are_not_found() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let accepted = erika.apply(&new_address());
    let device = erika.devices().remove(0).device_id;
    let registration = world.column("SELECT registration_id FROM registration").remove(0);
    let max = world.log_in(MAX, &world.member(MAX));
    let service = &max.here.service;
    for path in [
        format!("/v1/registrations/{registration}"),
        format!("/v1/approvals/{}", accepted.approval_id),
        format!("/v1/applications/{}", accepted.application_id),
        format!("/v1/evidence/{}", accepted.approval_id),
        format!("/v1/evidence/{device}"),
    ] {
        assert_eq!(refusal(service.get::<serde_json::Value>(&path)), code("not_found"), "{path}");
    }
    assert_eq!(service.get::<serde_json::Value>("/v1/approvals").unwrap(), json!({"approvals": [], "count": 0}));
    assert_eq!(service.get::<serde_json::Value>("/v1/devices").unwrap(), json!({"devices": []}));
    let apply = service.call::<_, serde_json::Value>(Method::POST, "/v1/applications", &new_address());
    assert_eq!(refusal(apply), code("no_device"), "her device is not his");
    assert_eq!(refusal(service.command(Method::DELETE, &format!("/v1/devices/{device}"))), code("not_found"));
    let cancel = format!("/v1/applications/{}", accepted.application_id);
    assert_eq!(refusal(service.call::<_, serde_json::Value>(Method::DELETE, &cancel, &json!({}))), code("not_found"));
    let path = format!("/v1/registrations/{registration}/challenge");
    assert_eq!(refusal(service.call::<_, serde_json::Value>(Method::POST, &path, &json!({}))), code("not_found"));
}

#[test]
fn without_a_token_nothing_is_answered() {
    let world = World::new();
    let stranger = world.remote();
    for path in ["/v1/devices", "/v1/approvals", "/v1/evidence/AAAAAAAAAAAAAAAAAAAAAA", "/v1/registrations/x"] {
        assert_eq!(refusal(stranger.get::<serde_json::Value>(path)), code("token_invalid"), "{path}");
    }
}

#[test]
fn a_service_with_another_key_gets_neither_password_nor_signature() {
    let mut world = World::new();
    let password = world.member(ERIKA);
    let computer = world.log_in(ERIKA, &password);
    world.stop();
    // The same address, another key: in the profile stands what was pinned at the first login.
    let mut profile = computer.here.home.profile().unwrap();
    let second = World::new();
    let second_password = second.member(ERIKA);
    profile.service.clone_from(&second.address);
    computer.here.home.keep_profile(&profile).unwrap();
    let refused = second.try_log_in(computer.here.home.folder(), ERIKA, &second_password).err();
    assert!(matches!(refused, Some(kartenbund::client::login::LoginError::Service(ServiceError::KeyChanged))));
    assert_eq!(second.count("SELECT COUNT(*) FROM session"), 0, "the password was not sent");

    // Even with a session, the card does not sign a challenge of that service.
    let fresh = second.try_log_in(&second.folder.path().join("fresh"), ERIKA, &second_password).unwrap();
    let mut forged = fresh.here.home.profile().unwrap();
    forged.service_keys = profile.service_keys;
    fresh.here.home.keep_profile(&forged).unwrap();
    let here = kartenbund::client::login::resume(fresh.here.home.clone(), second.clock.of_client()).unwrap();
    let fresh = Computer { here, clock: second.clock.clone() };
    let mut card = card(ERIKA);
    let refused = fresh.register(&mut card);
    assert!(matches!(refused, Err(RegisterError::Service(ServiceError::KeyChanged))));
    assert!(fresh.here.home.pending_device().unwrap().is_none());
}

#[test]
fn an_unprotected_address_is_refused() {
    use kartenbund::client::service::Service;
    for bad in [
        "http://kasse.example",
        "ftp://kasse.example",
        "kasse.example",
        "https://kasse.example/path",
        "https://k.example/?q",
        "https://k.example/#f",
    ] {
        assert!(matches!(Service::at(bad), Err(ServiceError::Address)), "{bad}");
    }
    for good in ["https://kasse.example", "http://127.0.0.1:8470", "http://localhost:1", "http://[::1]:1/"] {
        assert!(Service::at(good).is_ok(), "{good}");
    }
}
