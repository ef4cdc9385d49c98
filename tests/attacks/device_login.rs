//! Logins with a device, taken apart: which key must sign, for whom, over what, and when.

use kartenbund::device_key::OpenKey;
use kartenbund::protocol::DeviceId;
use kartenbund::protocol::api::{DeviceLoginRequest, TokenAnswer};
use kartenbund::protocol::device_login::DeviceLoginStatement;
use kartenbund::protocol::login_challenge::LoginChallenge;

use super::common::thief::Thief;
use super::common::web_branch::{WEBSITE, WebBranch, with_assertion};
use super::*;

const LOGIN: &str = "/v1/login/device";

/// A login on its way, with the owner's device key open: the statement can be changed before it is signed.
struct Login {
    stranger: Stranger,
    key: OpenKey,
    offer: ChallengeAnswer,
    statement: DeviceLoginStatement,
}

fn offer(stranger: &Stranger) -> ChallengeAnswer {
    stranger.ask("/v1/login/device/challenge", &json!({})).unwrap()
}

fn challenge_of(world: &World, offer: &ChallengeAnswer) -> LoginChallenge<DeviceLoginStatement> {
    jws::verify(&offer.challenge, world.remote().configuration().unwrap().service_keys[0].verifying_key()).unwrap()
}

fn open_key(computer: &Computer) -> OpenKey {
    computer.with(&mut Script::default(), |around| unlock(&computer.here, 0, around)).unwrap()
}

impl Login {
    fn of(world: &World, computer: &Computer) -> Self {
        let (stranger, key) = (world.stranger(), open_key(computer));
        let offer = offer(&stranger);
        let challenge = challenge_of(world, &offer);
        let statement = DeviceLoginStatement {
            v: VERSION,
            aud: challenge.aud,
            device_id: device_of(computer),
            challenge: challenge.challenge,
            jkt: challenge.jkt,
            iat: world.clock.now(),
        };
        Self { stranger, key, offer, statement }
    }

    fn signed(&self) -> DeviceLoginRequest {
        self.with(sign(&self.statement, &self.key).unwrap())
    }

    fn with(&self, statement: String) -> DeviceLoginRequest {
        let (challenge, device_id) = (self.offer.challenge.clone(), self.statement.device_id);
        DeviceLoginRequest { challenge, device_id, statement, client_name: None }
    }

    fn submit(&self, request: &DeviceLoginRequest) -> Result<TokenAnswer, ServiceError> {
        self.stranger.ask(LOGIN, request)
    }
}

fn device_of(computer: &Computer) -> DeviceId {
    computer.here.home.device().unwrap().device_id().unwrap()
}

fn by_device(world: &World) -> i64 {
    world.count("SELECT COUNT(*) FROM session WHERE method = 'device'")
}

/// As [`refusal`], also where the service takes what it should refuse: all of a list are told at once.
fn answer_to(answer: Result<TokenAnswer, ServiceError>) -> (String, String) {
    if answer.is_ok() { code("taken") } else { refusal(answer) }
}

fn invalid(what: &str) -> (String, String) {
    part("device_statement_invalid", what)
}

#[test]
fn every_claim_of_what_a_device_signs_to_log_in_is_checked() {
    let world = World::new();
    let (erika, max) = (world.registered(ERIKA), world.registered(MAX));
    let other = challenge_of(&world, &offer(&world.stranger()));
    let forge = |change: &dyn Fn(&mut DeviceLoginStatement)| {
        let mut login = Login::of(&world, &erika);
        let device_id = login.statement.device_id;
        change(&mut login.statement);
        let request = DeviceLoginRequest { device_id, ..login.signed() };
        answer_to(login.submit(&request))
    };
    let told = [
        forge(&|it| it.v = 2),
        forge(&|it| it.aud = "https://other.example".to_owned()),
        forge(&|it| it.device_id = device_of(&max)),
        forge(&|it| it.challenge = other.challenge),
        forge(&|it| it.jkt = other.jkt),
        forge(&|it| it.iat -= 121),
        forge(&|it| it.iat += 121),
    ];
    assert_eq!(told, ["v", "aud", "device_id", "challenge", "jkt", "iat", "iat"].map(invalid));
    assert_eq!(by_device(&world), 0);
    let login = Login::of(&world, &erika);
    login.submit(&login.signed()).unwrap();
}

#[test]
fn another_device_or_any_other_key_logs_nobody_in() {
    let world = World::new();
    let (erika, max) = (world.registered(ERIKA), world.registered(MAX));
    let login = Login::of(&world, &erika);
    let by_max = login.with(sign(&login.statement, &open_key(&max)).unwrap());
    assert_eq!(refusal(login.submit(&by_max)), invalid("signature"));
    let login = Login::of(&world, &erika);
    let by_transport_key = login.with(Thief::of(&erika).signed(&login.statement));
    assert_eq!(refusal(login.submit(&by_transport_key)), invalid("signature"), "what lies open in the file");
    let login = Login::of(&world, &erika);
    let unknown = DeviceLoginRequest { device_id: DeviceId::random(&mut rng()), ..login.signed() };
    assert_eq!(refusal(login.submit(&unknown)), invalid("signature"), "a device that never was is told the same");
    assert_eq!(by_device(&world), 0);
}

#[test]
fn a_challenge_for_a_device_is_for_one_session_key_once_and_for_three_minutes() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let login = Login::of(&world, &erika);
    let request = login.signed();
    let stolen = world.stranger().ask::<_, TokenAnswer>(LOGIN, &request);
    assert_eq!(refusal(stolen), code("challenge_ended"), "with another session key");
    login.submit(&request).unwrap();
    assert_eq!(refusal(login.submit(&request)), code("challenge_ended"), "a second time");

    let login = Login::of(&world, &erika);
    let forged = DeviceLoginRequest { statement: flipped(&login.signed().statement, 2), ..login.signed() };
    assert_eq!(refusal(login.submit(&forged)), invalid("signature"));
    assert_eq!(refusal(login.submit(&login.signed())), code("challenge_ended"), "used up by the one that failed");

    let mut login = Login::of(&world, &erika);
    world.clock.advance(180);
    login.statement.iat = world.clock.now();
    drop(open_key(&erika));
    assert_eq!(refusal(login.submit(&login.signed())), code("challenge_ended"), "too late");
    let login = Login::of(&world, &erika);
    let own = DeviceLoginRequest { challenge: forged_by(&login, &world), ..login.signed() };
    assert_eq!(refusal(login.submit(&own)), code("challenge_ended"), "one that the service has not signed");
    assert_eq!(by_device(&world), 1);
}

fn forged_by(login: &Login, world: &World) -> String {
    sign(&challenge_of(world, &login.offer), &new_key()).unwrap()
}

#[test]
fn a_challenge_of_another_service_logs_nobody_in_here() {
    let (world, other) = (World::new(), World::new());
    let erika = world.registered(ERIKA);
    let login = Login::of(&world, &erika);
    let foreign = offer(&other.stranger());
    let request = DeviceLoginRequest { challenge: foreign.challenge, ..login.signed() };
    assert_eq!(refusal(login.submit(&request)), code("challenge_ended"));
}

#[test]
fn what_a_device_signed_once_opens_one_session_however_many_send_it_at_once() {
    let world = World::new();
    let login = Login::of(&world, &world.registered(ERIKA));
    let request = login.signed();
    let opened: usize = std::thread::scope(|scope| {
        let sending: Vec<_> = (0..16).map(|_| scope.spawn(|| usize::from(login.submit(&request).is_ok()))).collect();
        sending.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!((opened, by_device(&world)), (1, 1));
}

#[test]
fn a_key_that_was_kept_open_logs_in_only_as_long_as_its_pin_is_fresh() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let mut login = Login::of(&world, &erika);
    world.clock.advance(61);
    login.statement.iat = world.clock.now();
    assert_eq!(refusal(login.submit(&login.signed())), code("device_pin_not_confirmed"));
    let mut login = Login::of(&world, &erika);
    world.clock.advance(60);
    login.statement.iat = world.clock.now();
    login.submit(&login.signed()).unwrap();
}

#[test]
fn a_device_that_waits_or_was_removed_logs_nobody_in() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let login = Login::of(&world, &erika);
    world.sql("UPDATE device SET state = 'pending_wait', active_from = 2000000000").unwrap();
    assert_eq!(refusal(login.submit(&login.signed())).0, "device_waiting");
    world.sql("UPDATE device SET state = 'active'").unwrap();
    let login = Login::of(&world, &erika);
    let id = device_of(&erika);
    erika.by_card().remove(id).unwrap();
    assert_eq!(refusal(login.submit(&login.signed())), code("no_device"));
    assert_eq!(by_device(&world), 0);
}

#[test]
fn a_device_that_was_locked_or_has_expired_logs_nobody_in() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let refused = |change: &'static str| {
        let login = Login::of(&world, &erika);
        world.sql(change).unwrap();
        let refused = refusal(login.submit(&login.signed())).0;
        world.sql("UPDATE device SET state = 'active', expires_at = 2000000000").unwrap();
        refused
    };
    assert_eq!(refused("UPDATE device SET state = 'locked'"), "device_locked_by_owner");
    assert_eq!(refused("UPDATE device SET state = 'expired'"), "device_expired");
    assert_eq!(refused("UPDATE device SET expires_at = 1"), "device_expired", "before the service has looked again");
    assert_eq!(by_device(&world), 0);
}

#[test]
fn a_device_logs_in_sixty_times_a_minute_and_no_stranger_uses_that_up() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let key = open_key(&erika);
    let log_in = |forge: bool| {
        let stranger = world.stranger();
        let offer = offer(&stranger);
        let LoginChallenge { aud, challenge, jkt, .. } = challenge_of(&world, &offer);
        let (device_id, iat) = (device_of(&erika), world.clock.now());
        let statement = DeviceLoginStatement { v: VERSION, aud, device_id, challenge, jkt, iat };
        let statement = if forge { sign(&statement, &new_key()).unwrap() } else { sign(&statement, &key).unwrap() };
        let challenge = offer.challenge;
        let request = DeviceLoginRequest { challenge, device_id, statement, client_name: None };
        stranger.ask::<_, TokenAnswer>(LOGIN, &request)
    };
    for _ in 0..10 {
        assert_eq!(refusal(log_in(true)), invalid("signature"));
    }
    for _ in 0..60 {
        log_in(false).unwrap();
    }
    assert_eq!(refusal(log_in(false)), code("too_many_device_logins"));
    world.clock.advance(60);
    log_in(false).unwrap();
}

#[test]
fn a_website_does_not_log_in_as_a_device() {
    let website = WebBranch::new(WEBSITE);
    let world = World::with_clients(&[&website], |_| {});
    let login = Login::of(&world, &world.registered(ERIKA));
    let assertion = website.assert(&website.claims(&world, "192.0.2.7"));
    let answer = login.stranger.ask::<_, TokenAnswer>(LOGIN, &with_assertion(&login.signed(), &assertion));
    assert_eq!(refusal(answer), code("client_mismatch"));
    assert_eq!(by_device(&world), 0);
}

#[test]
fn what_was_signed_for_a_login_is_no_other_message() {
    let world = World::new();
    let erika = world.registered(ERIKA);
    let login = Login::of(&world, &erika);
    let thief = Thief::of(&erika);
    let attempt = thief.spend().unwrap();
    let confirmation = thief.confirmation(&attempt);
    let as_login = login.with(sign(&confirmation, &login.key).unwrap());
    assert_eq!(refusal(login.submit(&as_login)), invalid("message"));
    let statement = login.signed().statement;
    assert_eq!(refusal(thief.send::<serde_json::Value>("confirm", statement)).0, "pin_message_invalid");
}
