//! Seeing somebody's approvals without being logged in: what the transport key signs for, and for how long.

use kartenbund::protocol::DeviceId;
use kartenbund::protocol::watch::WatchStatement;

use super::common::thief::Thief;
use super::*;

const LIST: &str = "/v1/approvals";

fn statement(world: &World, thief: &Thief) -> WatchStatement {
    let (aud, device_id, jti) = (thief.aud.clone(), thief.id(), MessageId::random(&mut rng()));
    WatchStatement { v: VERSION, aud, device_id, jti, iat: world.clock.now() }
}

/// What the service answers to a request with these credentials: the status, the code and the detail.
fn ask(world: &World, method: Method, path: &str, device_id: DeviceId, message: &str) -> (u16, String, String) {
    let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let request = client.request(method, format!("{}{path}", world.address));
    let answer = request.header("authorization", format!("Device {device_id}.{message}")).send().unwrap();
    let status = answer.status().as_u16();
    let body: serde_json::Value = answer.json().unwrap();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (status, text("code"), text("detail"))
}

fn invalid(what: &str) -> (u16, String, String) {
    (401, "proof_invalid".to_owned(), what.to_owned())
}

fn shown() -> (u16, String, String) {
    (200, String::new(), String::new())
}

#[test]
fn every_claim_of_what_a_device_signs_to_watch_is_checked() {
    let world = World::new();
    let (erika, max) = (world.registered(ERIKA), world.registered(MAX));
    let (thief, of_max) = (Thief::of(&erika), Thief::of(&max));
    let forge = |change: &dyn Fn(&mut WatchStatement)| {
        let mut statement = statement(&world, &thief);
        change(&mut statement);
        ask(&world, Method::GET, LIST, thief.id(), &thief.signed(&statement))
    };
    let told = [
        forge(&|it| it.v = 2),
        forge(&|it| it.aud = "https://other.example".to_owned()),
        forge(&|it| it.device_id = of_max.id()),
        forge(&|it| it.iat -= 121),
        forge(&|it| it.iat += 121),
    ];
    assert_eq!(told, ["v", "aud", "device_id", "iat", "iat"].map(invalid));
    assert_eq!(forge(&|_| ()), shown());
}

#[test]
fn nobody_but_the_transport_key_of_the_device_is_shown_its_approvals() {
    let world = World::new();
    let (erika, max) = (world.registered(ERIKA), world.registered(MAX));
    let (thief, of_max) = (Thief::of(&erika), Thief::of(&max));
    let honest = statement(&world, &thief);
    let by = |message: &str| ask(&world, Method::GET, LIST, thief.id(), message);
    assert_eq!(by(&of_max.signed(&honest)), invalid("signature"));
    let device_key = erika.with(&mut Script::default(), |around| unlock(&erika.here, 0, around)).unwrap();
    assert_eq!(by(&sign(&honest, &device_key).unwrap()), invalid("signature"), "each key has its own job");
    let unknown = DeviceId::random(&mut rng());
    let of_unknown = WatchStatement { device_id: unknown, ..honest.clone() };
    let told = ask(&world, Method::GET, LIST, unknown, &thief.signed(&of_unknown));
    assert_eq!(told, invalid("signature"), "the same as of one that is there");
    assert_eq!(by("a.b.c"), invalid("message"));
    assert_eq!(by(&thief.signed(&honest)), shown());
}

#[test]
fn what_was_signed_to_watch_is_taken_once() {
    let world = World::new();
    let thief = Thief::of(&world.registered(ERIKA));
    let message = thief.signed(&statement(&world, &thief));
    let by = || ask(&world, Method::GET, LIST, thief.id(), &message);
    assert_eq!(by(), shown());
    assert_eq!(by(), invalid("replayed"));
    let path = "/v1/approvals/events";
    assert_eq!(ask(&world, Method::GET, path, thief.id(), &message), invalid("replayed"));
}

/// A thief of the file sees what waits, and that is all: no document, no list of anything else, and nothing is changed.
#[test]
fn whoever_has_the_device_file_sees_what_waits_and_nothing_else() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let approval = erika.apply(&new_address()).approval_id;
    let thief = Thief::of(&erika);
    let by =
        |method: Method, path: &str| ask(&world, method, path, thief.id(), &thief.signed(&statement(&world, &thief)));
    assert_eq!(by(Method::GET, LIST), shown());
    let refused = (401, "token_invalid".to_owned(), String::new());
    for path in ["/v1/devices", "/v1/audit", "/v1/evidence", "/v1/sessions", &format!("{LIST}/{approval}")] {
        assert_eq!(by(Method::GET, path), refused, "{path}");
    }
    for path in ["/v1/logout", "/v1/devices/lock-all", &format!("{LIST}/{approval}/decision")] {
        assert_eq!(by(Method::POST, path), refused, "{path}");
    }
}

#[test]
fn a_device_that_waits_is_shown_nothing() {
    let world = World::new();
    let thief = Thief::of(&world.registered(ERIKA));
    world.sql("UPDATE device SET state = 'pending_wait'").unwrap();
    let told = ask(&world, Method::GET, LIST, thief.id(), &thief.signed(&statement(&world, &thief)));
    assert_eq!((told.0, told.1.as_str()), (403, "device_waiting"));
}
