//! Logging in with the password of a letter, and what becomes of whoever tries many.

use hmac::{Hmac, KeyInit as _, Mac as _};
use kartenbund::client::Surroundings;
use kartenbund::client::home::Profile;
use kartenbund::client::session::SessionKey;
use kartenbund::jose::base64url;
use kartenbund::protocol::dpop::ProvenRequest;

use super::*;

const DAY: i64 = 24 * 60 * 60;
const NEW: &str = "regen bogen und drei Äpfel";
const WRONG: &str = "tulpe-karton-88";

/// The initial password of a letter as `docs/protocol.md` says that it is kept, written down by whoever has the
/// database and the key file.
fn letter(world: &World, person: &str, password: &str) {
    let keys = std::fs::read(world.folder.path().join("service/service-keys.json")).unwrap();
    let keys: serde_json::Value = serde_json::from_slice(&keys).unwrap();
    let pepper = keys["peppers"].as_array().unwrap().last().unwrap();
    let key = base64url::decode(pepper["key"].as_str().unwrap()).unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("kartenbund/initial-password/v1\0{person}\0{password}").as_bytes());
    let mac = base64url::encode(&mac.finalize().into_bytes());
    let (id, now) = (pepper["id"].as_str().unwrap(), world.clock.now());
    let insert = format!(
        "INSERT INTO initial_password (mac, account_id, pepper, created, expires_at) \
         SELECT '{mac}', account_id, '{id}', {now}, {now} + 5184000 FROM account WHERE kvnr = '{person}'"
    );
    assert_eq!(world.sql(insert).unwrap(), 1);
}

/// A member who has nothing but a letter.
fn member_with_letter(world: &World, person: &str, password: &str) {
    world.member(person);
    let of = format!("WHERE account_id = (SELECT account_id FROM account WHERE kvnr = '{person}')");
    world.sql(format!("DELETE FROM password {of}")).unwrap();
    world.sql(format!("UPDATE account SET state = 'letter_ordered' {of}")).unwrap();
    letter(world, person, password);
}

fn at<'a>(
    world: &'a World,
    computer: &'a str,
) -> impl Fn(&str) -> Result<Computer, (String, String, Option<u64>)> + 'a {
    move |password| {
        let folder = world.folder.path().join(computer);
        match world.try_log_in(&folder, ERIKA, password) {
            Ok(computer) => Ok(computer),
            Err(LoginError::Service(ServiceError::Refused { code, detail, retry_after, .. })) => {
                Err((code, detail.unwrap_or_default(), retry_after))
            }
            Err(other) => panic!("{other}"),
        }
    }
}

fn said(answer: Result<Computer, (String, String, Option<u64>)>) -> String {
    answer.map_or_else(|(code, detail, _)| format!("{code} {detail}").trim().to_owned(), |_| "in".to_owned())
}

#[test]
fn the_password_of_a_letter_opens_the_choice_of_the_own_one_and_nothing_else() {
    let world = World::new();
    member_with_letter(&world, ERIKA, "Vkq2,.:=)+-T");
    let computer = at(&world, "computer")("Vkq2 ,.:= )+-T").unwrap();
    assert_eq!(world.state_of(ERIKA), "initial_login");
    assert_eq!(refusal(computer.here.service.get::<serde_json::Value>("/v1/devices")), "password_first");
    let weak = ("password_refused".to_owned(), "too_short 8".to_owned());
    assert_eq!(change_password(&computer, None, "kurz"), Err(weak));
    let initial = ("password_refused".to_owned(), "initial".to_owned());
    assert_eq!(change_password(&computer, None, "Vkq2,.:=)+-T"), Err(initial));
    change_password(&computer, None, NEW).unwrap();
    assert_eq!(world.state_of(ERIKA), "active");
    assert_eq!(said(at(&world, "computer")("Vkq2,.:=)+-T")), "login_failed", "it is void");
    at(&world, "computer")(NEW).unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM initial_password"), 0);
    assert_eq!(world.audited("account.initial_password_used"), 1);
}

#[test]
fn capital_and_small_letters_are_different_ones() {
    let world = World::new();
    member_with_letter(&world, ERIKA, "Vkq2,.:=)+-T");
    assert_eq!(said(at(&world, "computer")("vkq2,.:=)+-t")), "login_failed");
}

#[test]
fn the_password_of_a_letter_holds_once_but_for_who_lost_the_answer() {
    let world = World::new();
    member_with_letter(&world, ERIKA, "Vkq2,.:=)+-T");
    at(&world, "computer")("Vkq2,.:=)+-T").unwrap();
    assert_eq!(said(at(&world, "another")("Vkq2,.:=)+-T")), "initial_password_ended used");
    world.clock.advance(899);
    let again = at(&world, "computer")("Vkq2,.:=)+-T").unwrap();
    world.clock.advance(1);
    assert_eq!(said(at(&world, "computer")("Vkq2,.:=)+-T")), "initial_password_ended used");
    assert_eq!(world.state_of(ERIKA), "initial_login");
    change_password(&again, None, NEW).unwrap();
    assert_eq!(said(at(&world, "another")(NEW)), "in");
}

#[test]
fn the_password_of_a_letter_is_good_for_sixty_days_and_a_second_letter_does_not_shorten_them() {
    let world = World::new();
    member_with_letter(&world, ERIKA, "Vkq2,.:=)+-T");
    world.clock.advance(10 * DAY);
    letter(&world, ERIKA, "Hwp3,.:=)+-T");
    world.clock.advance(50 * DAY);
    assert_eq!(said(at(&world, "computer")("Vkq2,.:=)+-T")), "initial_password_ended expired");
    world.clock.advance(10 * DAY - 1);
    assert_eq!(said(at(&world, "computer")("Hwp3,.:=)+-T")), "in");
}

#[test]
fn a_letter_tells_its_owner_why_there_is_no_way_in_and_is_not_used_up_by_it() {
    let world = World::new();
    member_with_letter(&world, ERIKA, "Vkq2,.:=)+-T");
    world.sql("UPDATE account SET membership_start = '2026-11-25'").unwrap();
    assert_eq!(said(at(&world, "computer")("Vkq2,.:=)+-T")), "not_yet 2026-11-25");
    assert_eq!(said(at(&world, "computer")("Xkq2,.:=)+-T")), "login_failed");
    world.clock.advance(2 * DAY);
    assert_eq!(said(at(&world, "another")("Vkq2,.:=)+-T")), "in");
}

#[test]
fn a_stolen_letter_is_void() {
    let world = World::new();
    member_with_letter(&world, ERIKA, "Vkq2,.:=)+-T");
    let thief = at(&world, "thief")("Vkq2,.:=)+-T").unwrap();
    world.report_stolen(ERIKA).unwrap();
    assert_eq!(world.state_of(ERIKA), "registered");
    assert!(change_password(&thief, None, NEW).is_err(), "the setup session has ended");
    assert_eq!(said(at(&world, "thief")("Vkq2,.:=)+-T")), "login_failed");
}

#[test]
fn the_third_failure_and_every_one_after_it_makes_wait_twice_as_long() {
    let world = World::new();
    let right = world.member(ERIKA);
    let stranger = at(&world, "stranger");
    for _ in 0..3 {
        assert_eq!(said(stranger(WRONG)), "login_failed");
    }
    let mut waits = Vec::new();
    for _ in 0..11 {
        let Err((code, _, Some(wait))) = stranger(&right) else { panic!("even the right one has to wait") };
        assert_eq!(code, "login_delayed");
        waits.push(wait);
        world.clock.advance(i64::try_from(wait).unwrap() - 1);
        assert!(matches!(stranger(&right), Err((_, _, Some(1)))), "a second too early, and it was not counted");
        world.clock.advance(1);
        assert_eq!(said(stranger(WRONG)), "login_failed");
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]);
    world.clock.advance(900);
    assert_eq!(said(stranger(&right)), "in");
}

#[test]
fn the_answer_and_its_header_say_how_long_to_wait() {
    let world = World::new();
    world.member(ERIKA);
    let http = reqwest::blocking::Client::new();
    let key = SessionKey::new(&mut rng());
    let address = format!("{}/v1/login", world.address);
    let mut answers = (0..4).map(|_| {
        let proven = ProvenRequest { method: "POST", address: &address, access_token: None };
        let request = http.post(&address).header("DPoP", key.prove(proven, world.clock.now()).unwrap());
        request.json(&json!({"kvnr": ERIKA, "password": WRONG})).send().unwrap()
    });
    let last = answers.nth(3).unwrap();
    assert_eq!((last.status().as_u16(), last.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    let problem: serde_json::Value = last.json().unwrap();
    assert_eq!((&problem["code"], &problem["retry_after"]), (&json!("login_delayed"), &json!(1)));
}

#[test]
fn a_stranger_who_hammers_for_a_day_shuts_the_owner_out_of_nothing() {
    let world = World::new();
    let right = world.member(ERIKA);
    let owner = at(&world, "owner");
    owner(&right).unwrap();
    let stranger = at(&world, "stranger");
    let (began, mut tries) = (world.clock.now(), 0);
    while world.clock.now() < began + DAY {
        let wait = match stranger(WRONG) {
            Err((code, ..)) if code == "login_failed" => {
                tries += 1;
                0
            }
            Err((code, _, Some(wait))) if code == "login_delayed" || code == "too_many_logins" => wait,
            other => panic!("{}", said(other)),
        };
        world.clock.advance(i64::try_from(wait).unwrap());
        if tries % 20 == 3 {
            assert_eq!(said(owner(&right)), "in", "her computer is known and waits for nobody, after {tries}");
        }
    }
    assert!((90..=110).contains(&tries), "a try in a quarter of an hour: {tries}");
    assert_eq!(said(owner(&right)), "in");
    assert_eq!(world.state_of(ERIKA), "active");
    assert_eq!(said(stranger(WRONG)), "login_failed");
    assert!(said(at(&world, "new computer")(&right)).starts_with("login_delayed"), "an unknown one waits with him");
    world.clock.advance(900);
    assert_eq!(said(at(&world, "new computer")(&right)), "in", "and no longer than a quarter of an hour");
}

#[test]
fn who_logged_in_before_waits_for_the_own_failures_alone_and_success_forgets_them() {
    let world = World::new();
    let right = world.member(ERIKA);
    let (one, other) = (at(&world, "one"), at(&world, "other"));
    one(&right).unwrap();
    other(&right).unwrap();
    for _ in 0..4 {
        said(one(WRONG));
        world.clock.advance(1);
    }
    assert!(said(one(&right)).starts_with("login_delayed"));
    assert_eq!(said(other(&right)), "in");
    world.clock.advance(2);
    assert_eq!(said(one(&right)), "in");
    for _ in 0..2 {
        assert_eq!(said(one(WRONG)), "login_failed");
    }
    assert_eq!(said(one(&right)), "in", "the failures of before are forgotten");
    for _ in 0..3 {
        said(at(&world, "stranger")(WRONG));
    }
    one(&right).unwrap();
    assert!(said(at(&world, "stranger")(WRONG)).starts_with("login_delayed"), "but not those of others");
}

#[test]
fn an_account_that_is_none_makes_wait_like_every_other() {
    let world = World::new();
    world.member(ERIKA);
    let heard = |person: &str| {
        let folder = world.folder.path().join(format!("stranger-{person}"));
        let tries = (0..6).map(|_| match world.try_log_in(&folder, person, WRONG) {
            Err(LoginError::Service(ServiceError::Refused { code, retry_after, .. })) => (code, retry_after),
            _ => panic!("nobody gets in"),
        });
        tries.collect::<Vec<_>>()
    };
    assert_eq!(heard(ERIKA), heard("K220635158"));
}

#[test]
fn a_network_may_try_so_often_in_an_hour_and_in_a_day_and_who_is_known_is_not_counted() {
    let world = World::new().restarted(|settings| {
        settings.login_limits.tries_in_an_hour = 5;
        settings.login_limits.tries_in_a_day = 8;
    });
    let right = world.member(ERIKA);
    let owner = at(&world, "owner");
    owner(&right).unwrap();
    let stranger = |n: usize| {
        // A new person each time: no account makes wait.
        let person = PERSONS[n];
        match world.try_log_in(&world.folder.path().join("stranger"), person, WRONG) {
            Err(LoginError::Service(ServiceError::Refused { code, retry_after, .. })) => (code, retry_after),
            _ => panic!("nobody gets in"),
        }
    };
    for n in 0..5 {
        assert_eq!(stranger(n).0, "login_failed");
        world.clock.advance(60);
    }
    assert_eq!(stranger(5), ("too_many_logins".to_owned(), Some(3600 - 300)));
    assert_eq!(said(owner(&right)), "in", "her computer is known");
    world.clock.advance(3300);
    for n in 5..8 {
        assert_eq!(stranger(n).0, "login_failed");
        world.clock.advance(3600);
    }
    let (code, wait) = stranger(8);
    assert_eq!(code, "too_many_logins");
    assert_eq!(wait, Some(u64::try_from(DAY).unwrap() - 300 - 3300 - 3 * 3600), "the first of eight leaves the day");
    assert_eq!(said(owner(&right)), "in");
}

/// Numbers with the right check digit.
const PERSONS: [&str; 9] = [
    "A123456780",
    "K220635158",
    "M100200305",
    "X110540756",
    "X110639491",
    "X110630769",
    "X110408667",
    "X110359890",
    "X110485315",
];

#[test]
fn what_was_counted_outlives_the_process() {
    let world = World::new();
    let right = world.member(ERIKA);
    for _ in 0..3 {
        said(at(&world, "stranger")(WRONG));
    }
    let world = world.restarted(|_| ());
    assert!(said(at(&world, "another stranger")(&right)).starts_with("login_delayed"));
    world.clock.advance(DAY);
    world.wait_until("a day of quiet is forgotten", || world.count("SELECT COUNT(*) FROM login_bucket") == 0);
    assert_eq!(world.count("SELECT COUNT(*) FROM login_try"), 0);
}

#[test]
fn a_try_is_counted_before_the_password_is_looked_at() {
    let world = World::new();
    let right = world.member(ERIKA);
    world.fault("login_bucket", "INSERT");
    assert_eq!(said(at(&world, "owner")(&right)), "internal", "no count, no look");
    world.mend("login_bucket");
    assert_eq!(said(at(&world, "owner")(&right)), "in");
    // The process dies while it hashes: what was counted is on the disk. Here the session cannot be written.
    world.fault("audit", "INSERT");
    assert_eq!(said(at(&world, "stranger")(WRONG)), "internal");
    assert_eq!(world.count("SELECT CAST(SUM(failures) AS BIGINT) FROM login_bucket WHERE client = ''"), 1);
}

#[test]
fn many_tries_at_the_same_moment_are_counted_one_by_one() {
    let world = World::new();
    world.member(ERIKA);
    let answers: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let world = &world;
                scope.spawn(move || said(at(world, &format!("stranger-{n}"))(WRONG)))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let looked_at = answers.iter().filter(|answer| *answer == "login_failed").count();
    assert_eq!(looked_at, 3, "{answers:?}");
}

#[test]
fn the_present_password_cannot_be_guessed_in_a_session_that_somebody_left_open() {
    let world = World::new();
    let right = world.member(ERIKA);
    let computer = at(&world, "owner")(&right).unwrap();
    for _ in 0..3 {
        assert_eq!(change_password(&computer, Some(WRONG), NEW), Err(code("old_password_wrong")));
    }
    assert_eq!(change_password(&computer, Some(&right), NEW), Err(code("login_delayed")));
    world.clock.advance(1);
    change_password(&computer, Some(&right), NEW).unwrap();
}

#[test]
fn whoever_has_only_a_letter_waits_for_no_stranger() {
    let world = World::new();
    member_with_letter(&world, ERIKA, "Vkq2,.:=)+-T");
    let stranger = at(&world, "stranger");
    while !said(stranger(WRONG)).starts_with("login_delayed") {
        world.clock.advance(1);
    }
    assert_eq!(said(at(&world, "another")(WRONG)), "login_delayed");
    at(&world, "computer")("Vkq2,.:=)+-T").unwrap();
}

#[test]
fn a_right_password_makes_nobody_wait_longer() {
    let world = World::new();
    let password = world.member(ERIKA);
    let stranger = at(&world, "stranger");
    for _ in 0..8 {
        world.clock.advance(900);
        assert_eq!(said(stranger(WRONG)), "login_failed");
    }
    world.clock.advance(900);
    at(&world, "new computer")(&password).unwrap();
    at(&world, "another new computer")(&password).unwrap();
}

#[test]
fn a_first_login_whose_answer_is_lost_uses_no_letter_up() {
    let world = World::new();
    member_with_letter(&world, ERIKA, "Vkq2,.:=)+-T");
    let folder = world.folder.path().join("computer");
    // The answer of the login is too short to be read.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let service = world.address.clone();
    std::thread::spawn(move || {
        for line in listener.incoming() {
            lose_login(line.unwrap(), service.trim_start_matches("http://"));
        }
    });
    let profile = Profile {
        service: world.address.clone(),
        former_keys: Vec::new(),
        keys_from: 0,
        service_keys: world.remote().configuration().unwrap().service_keys,
        insurer: "Musterkasse".to_owned(),
        hotline: String::new(),
        payer_iks: Vec::new(),
        kvnr: kvnr(ERIKA),
    };
    let request = LoginRequest { kvnr: ERIKA.to_owned(), password: typed("Vkq2,.:=)+-T"), client_name: None };
    let clock = world.clock.clone();
    let now = move || clock.now();
    let (mut script, mut rng) = (Script::default(), rng());
    let mut around = Surroundings { ui: &mut script, rng: &mut rng, clock: &now };
    let (home, remote) = (Home::at(folder), kartenbund::client::service::Service::at(&address).unwrap());
    let lost = login::open_session(&home, &remote, &profile, "/v1/login", &request, 0, &mut around);
    assert!(lost.is_err());
    assert_eq!(world.state_of(ERIKA), "initial_login", "the service has answered");
    at(&world, "computer")("Vkq2,.:=)+-T").unwrap();
}

/// Hands a request on, and of the answer nothing back.
fn lose_login(mut client: std::net::TcpStream, service: &str) {
    use std::io::{Read as _, Write as _};
    let mut service = std::net::TcpStream::connect(service).unwrap();
    let (mut request, mut bytes) = (Vec::new(), [0; 16 * 1024]);
    while !String::from_utf8_lossy(&request).contains("\"password\"") {
        let length = client.read(&mut bytes).unwrap();
        request.extend_from_slice(&bytes[..length]);
    }
    service.write_all(&request).unwrap();
    let _ = service.read(&mut bytes);
}

#[test]
fn a_password_that_arrives_after_its_session_was_ended_is_not_set() {
    use std::io::{Read as _, Write as _};
    let world = World::new();
    member_with_letter(&world, ERIKA, "Vkq2,.:=)+-T");
    let thief = at(&world, "thief")("Vkq2,.:=)+-T").unwrap();
    let session = thief.here.home.session().unwrap().unwrap();
    let token = session.tokens.as_ref().unwrap().access_token();
    let address = format!("{}/v1/password", world.address);
    let request = ProvenRequest { method: "PUT", address: &address, access_token: Some(token) };
    let proof = session.key.prove(request, world.clock.now()).unwrap();
    let body = serde_json::json!({"new": "die des Diebes, ganz lang"}).to_string();
    let head = format!(
        "PUT /v1/password HTTP/1.1\r\nhost: x\r\nauthorization: DPoP {}\r\ndpop: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        token.expose(),
        proof.to_str().unwrap(),
        body.len()
    );
    let mut line = std::net::TcpStream::connect(world.address.trim_start_matches("http://")).unwrap();
    line.write_all(head.as_bytes()).unwrap();
    // The proof is remembered: the head was read and found right.
    world.wait_until("the head is read", || world.count("SELECT COUNT(*) FROM used_jti") >= 2);
    world.report_stolen(ERIKA).unwrap();
    line.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"session_ended\""), "{answer}");
    assert_eq!(world.count("SELECT COUNT(*) FROM password"), 0);
    assert_eq!(world.state_of(ERIKA), "registered");
}

#[test]
fn a_letter_that_somebody_orders_disturbs_nobody_who_chooses_a_password() {
    let world = World::new();
    member_with_letter(&world, ERIKA, "Vkq2,.:=)+-T");
    let computer = at(&world, "computer")("Vkq2,.:=)+-T").unwrap();
    assert!(matches!(world.order_letter(ERIKA), Ok(kartenbund::server::Ordered::Yes)));
    change_password(&computer, None, NEW).unwrap();
    assert_eq!(world.state_of(ERIKA), "active");
}

#[test]
fn after_a_theft_was_reported_the_letter_that_waits_is_wanted_again() {
    let world = World::new();
    member_with_letter(&world, ERIKA, "Vkq2,.:=)+-T");
    assert!(matches!(world.order_letter(ERIKA), Ok(kartenbund::server::Ordered::Yes)));
    world.report_stolen(ERIKA).unwrap();
    assert!(matches!(world.order_letter(ERIKA), Ok(kartenbund::server::Ordered::Yes)));
    assert!(matches!(world.order_letter(ERIKA), Ok(kartenbund::server::Ordered::Already)));
    let (report, passwords) = world.create_letters();
    // The other letter tells that the password does not hold any more.
    assert_eq!((report.created, passwords.len()), (2, 1));
    at(&world, "computer")(&passwords[0].1).unwrap();
}

#[test]
fn a_client_that_knew_a_stolen_password_is_a_stranger_again() {
    let world = World::new();
    let password = world.member(ERIKA);
    let computer = at(&world, "computer")(&password).unwrap();
    at(&world, "thief")(&password).unwrap();
    change_password(&computer, Some(&password), NEW).unwrap();
    let known = world.column("SELECT jkt FROM known_client");
    let session = computer.here.home.session().unwrap().unwrap();
    let key = serde_json::to_value(&session.key).unwrap();
    let scalar = base64url::decode(key.as_str().unwrap()).unwrap();
    let key = p256::ecdsa::SigningKey::from_slice(&scalar).unwrap();
    assert_eq!(known, [kartenbund::jose::P256Jwk::from(*key.verifying_key()).thumbprint().to_string()]);
    for number in 0..30 {
        let insert = format!("INSERT INTO known_client SELECT account_id, '{number}', {number} FROM account");
        world.sql(insert).unwrap();
    }
    at(&world, "new computer")(NEW).unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM known_client"), 20, "the newest");
}

#[test]
fn a_computer_that_is_used_again_and_again_stays_known_however_many_others_log_in() {
    let world = World::new();
    let password = world.member(ERIKA);
    let jkt = |world: &World| world.column("SELECT jkt FROM known_client ORDER BY last_login DESC, jkt LIMIT 1");
    at(&world, "her computer")(&password).unwrap();
    let hers = jkt(&world);
    for number in 0..25 {
        world.clock.advance(60);
        let insert = "INSERT INTO known_client SELECT account_id, 'browser";
        world.sql(format!("{insert} {number}', {} FROM account", world.clock.now())).unwrap();
        world.clock.advance(60);
        at(&world, "her computer")(&password).unwrap();
        assert_eq!(jkt(&world), hers, "she was here last");
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM known_client"), 20);
}
