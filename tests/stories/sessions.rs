//! Sessions: renewed unnoticed, known again, listed, ended.

use kartenbund::client::home::Home;
use kartenbund::protocol::api::SessionsAnswer;

use super::*;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

fn asks(computer: &Computer) -> Result<serde_json::Value, ServiceError> {
    computer.here.service.get("/v1/devices")
}

fn sessions(computer: &Computer) -> SessionsAnswer {
    computer.here.service.get("/v1/sessions").unwrap()
}

/// The same computer in the next command: all it knows is in its files.
fn next_command(computer: &Computer) -> Result<Computer, LoginError> {
    let home = Home::at(computer.here.home.folder().to_owned());
    let here = login::resume(home, computer.clock.of_client())?;
    Ok(Computer { here, clock: computer.clock.clone() })
}

#[test]
fn tokens_that_get_old_are_renewed_without_anybody_noticing() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let generation = || world.count("SELECT generation FROM session");
    for (seconds, renewed) in [(0, 0), (289, 0), (1, 1), (289, 1), (610, 2), (1, 2)] {
        world.clock.advance(seconds);
        asks(&computer).unwrap();
        assert_eq!(generation(), renewed, "after {seconds} seconds more");
    }
    let later = next_command(&computer).unwrap();
    asks(&later).unwrap();
    assert_eq!(generation(), 2, "the next command goes on with the tokens that were kept");
}

#[test]
fn a_program_that_has_become_too_old_is_told_so_when_its_tokens_get_old() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let world = world.restarted_in_place_with(|settings| settings.min_client = "99.0.0".parse().unwrap());
    asks(&computer).unwrap();
    world.clock.advance(290);
    assert!(matches!(asks(&computer), Err(ServiceError::TooOld(_))));
    let _world = world.restarted_in_place();
    asks(&computer).unwrap(); // after the new version was installed, she is still logged in
}

#[test]
fn a_session_ends_after_a_quarter_of_an_hour_without_use_and_after_twelve_hours_of_use() {
    let world = World::new();
    let password = world.member(ERIKA);
    let computer = world.log_in(ERIKA, &password);
    world.clock.advance(899);
    asks(&computer).unwrap();
    world.clock.advance(900);
    assert_eq!(refusal(asks(&computer)), "token_invalid");
    assert!(matches!(next_command(&computer), Err(LoginError::Home(HomeError::NoSession))));

    let computer = world.log_in(ERIKA, &password);
    let opened = world.clock.now();
    while world.clock.now() < opened + 12 * HOUR - 10 * MINUTE {
        world.clock.advance(10 * MINUTE);
        asks(&computer).unwrap();
    }
    world.clock.advance(10 * MINUTE - 1);
    asks(&computer).unwrap();
    world.clock.advance(1);
    assert_eq!(refusal(asks(&computer)), "token_invalid");
    assert!(matches!(next_command(&computer), Err(LoginError::Home(HomeError::NoSession))));
}

#[test]
fn two_commands_at_once_share_the_tokens() {
    let world = World::new();
    let first = world.log_in(ERIKA, &world.member(ERIKA));
    let second = next_command(&first).unwrap();
    world.clock.advance(6 * MINUTE);
    asks(&first).unwrap();
    world.clock.advance(2 * MINUTE);
    asks(&second).unwrap();
    assert_eq!(world.count("SELECT generation FROM session"), 1, "the second takes what the first was given");

    world.clock.advance(6 * MINUTE);
    let start = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for computer in [&first, &second, &first, &second, &first, &second, &first, &second] {
            scope.spawn(|| {
                start.wait();
                asks(computer).unwrap();
            });
        }
    });
    world.clock.advance(4 * MINUTE);
    asks(&first).unwrap();
    asks(&second).unwrap();
    assert_eq!(world.audited("session.reused"), 0);
}

#[test]
fn a_computer_is_known_again_by_its_session_key() {
    let world = World::new();
    let password = world.member(ERIKA);
    let details = || {
        let entries = world.audit_entries();
        let opened = entries.iter().filter(|entry| entry.contains("session.opened"));
        let entries = opened.map(|entry| serde_json::from_str::<serde_json::Value>(entry).unwrap());
        entries.map(|entry| entry["detail"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let computer = world.log_in(ERIKA, &password);
    login::logout(computer.here.home.clone(), world.clock.of_client()).unwrap();
    world.log_in(ERIKA, &password);
    assert_eq!(details(), ["password new_client", "password known_client"]);
    world.try_log_in(&world.folder.path().join("other"), ERIKA, &password).unwrap();
    assert_eq!(details()[2], "password new_client", "another computer is another client");
    assert_eq!(world.count("SELECT COUNT(*) FROM known_client"), 2);
}

#[test]
fn the_person_sees_her_sessions_and_ends_the_one_that_is_not_hers() {
    let world = World::new();
    let password = world.member(ERIKA);
    let home = world.log_in(ERIKA, &password);
    world.clock.advance(MINUTE);
    let cafe = world.try_log_in(&world.folder.path().join("cafe"), ERIKA, &password).unwrap();
    let max = world.log_in(MAX, &world.member(MAX));

    let seen = sessions(&home).sessions;
    assert_eq!(seen.len(), 2, "his is not hers");
    assert_eq!((seen[0].is_current, seen[1].is_current), (false, true), "newest first");
    assert_eq!((seen[0].created, seen[0].last_used), (world.clock.now(), world.clock.now()));
    assert_eq!(seen[0].ends_at, world.clock.now() + 15 * MINUTE);
    let name = format!("Kartenbund ({})", std::env::consts::OS);
    assert_eq!(seen[0].client_name.as_deref(), Some(name.as_str()));

    let path = format!("/v1/sessions/{}", seen[0].session_id);
    assert_eq!(refusal(max.here.service.command(Method::DELETE, &path)), "not_found");
    home.here.service.command(Method::DELETE, &path).unwrap();
    let Err(ServiceError::Refused { code, detail, .. }) = asks(&cafe) else { panic!("it is over at once") };
    assert_eq!((code.as_str(), detail.as_deref()), ("session_ended", Some("ended")));
    asks(&home).unwrap();
    assert_eq!(sessions(&home).sessions.len(), 1);
    assert_eq!(refusal(home.here.service.command(Method::DELETE, &path)), "not_found", "what has ended has ended");
    assert_eq!(refusal(home.here.service.command(Method::DELETE, "/v1/sessions/x")), "not_found");
    assert_eq!((world.audited("session.ended"), world.audited("session.closed")), (1, 0));

    // Old tokens give no new ones either.
    world.clock.advance(6 * MINUTE);
    assert_eq!(refusal(asks(&cafe)), "session_ended");
    assert!(matches!(next_command(&cafe), Err(LoginError::Home(HomeError::NoSession))), "told once, then forgotten");
}

#[test]
fn sessions_that_nobody_can_use_any_more_are_not_listed_and_at_last_forgotten() {
    let world = World::new();
    let password = world.member(ERIKA);
    world.try_log_in(&world.folder.path().join("other"), ERIKA, &password).unwrap();
    world.clock.advance(15 * MINUTE);
    let computer = world.log_in(ERIKA, &password);
    assert_eq!(sessions(&computer).sessions.len(), 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM session"), 2);
    assert!(world.count("SELECT COUNT(*) FROM used_jti") > 0);
    world.clock.advance(12 * HOUR);
    let forgotten = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        world.count("SELECT COUNT(*) FROM session") + world.count("SELECT COUNT(*) FROM used_jti") == 0
    });
    assert!(forgotten, "the service looks every second");
}

#[test]
fn a_computer_whose_clock_is_wrong_signs_with_the_services_time() {
    let world = World::new();
    let password = world.member(ERIKA);
    let slow = ManualClock::at(NOW - time::Duration::hours(3));
    let folder = world.folder.path().join("slow");
    let mut script = Script { password: Some(password), ..Script::default() };
    let home = Home::at(folder);
    let now = || slow.now();
    let mut around = kartenbund::client::Surroundings { ui: &mut script, rng: &mut rng(), clock: &now };
    login::login(&home, &world.remote(), kvnr(ERIKA), &mut around).unwrap();
    assert_eq!(script.notices, [Notice::ClockSkew { seconds: 3 * HOUR }]);
    let computer = Computer { here: login::resume(home, slow.of_client()).unwrap(), clock: slow.clone() };
    asks(&computer).unwrap();

    // Somebody sets it right, or wrong in another way, while the session is open.
    for seconds in [3 * HOUR, -HOUR, 5 * MINUTE, -121] {
        if let Ok(computer) = next_command(&computer) {
            asks(&computer).unwrap();
            slow.advance(seconds);
            asks(&computer).unwrap();
            slow.advance(-seconds);
            asks(&computer).unwrap();
        }
    }
    asks(&next_command(&computer).unwrap()).unwrap();
}

#[test]
fn a_client_names_itself_in_plain_text_or_not_at_all() {
    let world = World::new();
    let password = world.member(ERIKA);
    let log_in = |client_name: Option<&str>| {
        let client_name = client_name.map(str::to_owned);
        let request = LoginRequest { kvnr: ERIKA.to_owned(), password: typed(&password), client_name };
        world.ask_to_log_in(&request).map(drop)
    };
    for name in ["", "\u{202E}", "a\nb", &"x".repeat(101)] {
        assert_eq!(refusal(log_in(Some(name))), "client_name_invalid", "{name:?}");
    }
    log_in(None).unwrap();
    log_in(Some("Küche")).unwrap();
}

#[test]
fn the_audit_says_who_ended_a_session() {
    let world = World::new();
    let password = world.member(ERIKA);
    let computer = world.log_in(ERIKA, &password);
    world.try_log_in(&world.folder.path().join("other"), ERIKA, &password).unwrap();
    let other = sessions(&computer).sessions.into_iter().find(|session| !session.is_current).unwrap();
    computer.here.service.command(Method::DELETE, &format!("/v1/sessions/{}", other.session_id)).unwrap();
    world.suspend(ERIKA).unwrap();
    assert_eq!(refusal(asks(&computer)), "session_ended");
    let entries = world.audit_entries();
    let actors: Vec<_> = entries
        .iter()
        .map(|entry| serde_json::from_str::<serde_json::Value>(entry).unwrap())
        .filter(|entry| entry["event"] == "session.ended")
        .map(|entry| entry["actor"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actors.len(), 2);
    assert!(actors[0] != "operator" && actors[1] == "operator", "{actors:?}");
}

#[test]
fn a_new_key_for_tokens_logs_nobody_out() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let keys = world.folder.path().join("service");
    let reads = |computer: &Computer| computer.here.service.get::<serde_json::Value>("/v1/sessions").is_ok();
    for rotation in 1..=2 {
        kartenbund::server::rotate_token_key(&keys, 12 * 60 * 60, world.clock.now()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1500)); // the service looks once a second
        assert!(reads(&computer), "{rotation}: with the token she has");
        // The new key signs after a minute; the token of before ends, and another one is asked for.
        for _ in 0..3 {
            world.clock.advance(400);
            assert!(reads(&computer), "{rotation}");
        }
    }
    assert_eq!(world.column("SELECT state FROM session"), ["open"]);
    assert!(world.count("SELECT generation FROM session") >= 4, "her tokens were renewed");
}
