//! Waiting for approvals: told within a second, whatever happens to the line, the service and the computer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kartenbund::client::watch::{Told, watch};
use kartenbund::protocol::ApprovalId;
use kartenbund::server::RollStep;

use super::common::line::Liar;
use super::common::thief::Thief;
use super::*;

/// What a program told that watches: the approval, or how it stands with the line.
#[derive(Debug, PartialEq)]
enum Heard {
    Approval(ApprovalId),
    Lost,
    Back,
}

/// Which knows no chunks: what ends the body there is the end of the connection. A proxy may speak it.
#[test]
fn a_proxy_that_speaks_http_1_0_is_sent_events_and_nothing_between_them() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let headers = computer.headers("GET", "/v1/approvals/events");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut line = TcpStream::connect(world.address.trim_start_matches("http://")).unwrap();
    write!(line, "GET /v1/approvals/events HTTP/1.0\r\nhost: konto\r\n{headers}\r\n").unwrap();
    line.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = String::new();
    let mut until = |what: &str| {
        let mut piece = [0; 1024];
        while !answer.contains(what) {
            let read = line.read(&mut piece).unwrap();
            assert!(read > 0, "{answer}");
            answer.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
    };
    until(":\n\n");
    computer.apply(&new_address());
    until("}\n\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 ") && !head.to_lowercase().contains("transfer-encoding"), "{head}");
    assert!(body.starts_with(":\n\nevent: approval\ndata: {") && body.ends_with("}\n\n"), "{body:?}");
}

/// A program that watches with the login of a computer.
struct Watching {
    heard: Receiver<Heard>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), ServiceError>>>,
}

impl Watching {
    fn at(world: &World, computer: &Computer) -> Self {
        Self::with(world, login::resume(computer.here.home.clone(), world.clock.of_client()).unwrap())
    }

    /// A program that watches with the device of a computer, whoever is logged in.
    fn by_device(world: &World, computer: &Computer) -> Self {
        Self::with(world, login::resume_watching(computer.here.home.clone(), world.clock.of_client()).unwrap())
    }

    fn with(world: &World, here: login::LoggedIn) -> Self {
        let (clock, (out, heard)) = (world.clock.of_client(), channel());
        let is_over = Arc::new(AtomicBool::new(false));
        let is_cancelled = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut tell = |told| {
                let _ = out.send(match told {
                    Told::Approval(approval) => Heard::Approval(approval.approval_id),
                    Told::Lost => Heard::Lost,
                    Told::Back => Heard::Back,
                });
            };
            watch(here, &clock, &|| is_cancelled.load(Ordering::SeqCst), &mut tell)
        });
        Self { heard, is_over, thread: Some(thread) }
    }

    /// The next thing that is told, and after how long.
    fn next(&self) -> (Heard, Duration) {
        let began = Instant::now();
        (self.heard.recv_timeout(Duration::from_secs(20)).unwrap(), began.elapsed())
    }

    fn tells_of(&self, approval: ApprovalId, within: Duration) {
        let (heard, after) = self.next();
        assert_eq!(heard, Heard::Approval(approval));
        assert!(after < within, "{after:?}");
    }

    fn is_quiet(&self) {
        assert_eq!(self.heard.recv_timeout(Duration::from_millis(700)), Err(RecvTimeoutError::Timeout));
    }

    fn end(mut self) -> Result<(), ServiceError> {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }

    /// Waits until it has ended by itself, but not for ever.
    fn ends(mut self) -> Result<(), ServiceError> {
        let thread = self.thread.take().unwrap();
        let began = Instant::now();
        while !thread.is_finished() {
            assert!(began.elapsed() < SECOND * 20, "it goes on");
            std::thread::sleep(Duration::from_millis(10));
        }
        thread.join().unwrap()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn who_watches_and_decides_notices_nothing_of_a_key_of_the_service_that_is_replaced() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let (by_device, by_session) = (Watching::by_device(&world, &computer), Watching::at(&world, &computer));
    for step in [RollStep::Announce, RollStep::Activate, RollStep::Retire] {
        world.roll(step).unwrap();
        let accepted = computer.apply(&new_address());
        by_device.tells_of(accepted.approval_id, SECOND * 2);
        by_session.tells_of(accepted.approval_id, SECOND * 2);
        approve(&computer, &accepted);
    }
    by_device.end().unwrap();
    by_session.end().unwrap();
}

/// How many connections wait at the service.
fn waiting(world: &World) -> usize {
    world.watching()
}

fn wait_for(world: &World, number: usize) {
    world.wait_until("so many wait", || waiting(world) == number);
}

#[test]
fn a_new_approval_is_told_within_a_second_and_each_is_told_once() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let old = computer.apply(&new_address());
    let watching = Watching::at(&world, &computer);
    watching.tells_of(old.approval_id, SECOND * 5);
    wait_for(&world, 1);
    let bank = computer.apply(&new_bank_account());
    watching.tells_of(bank.approval_id, SECOND);
    approve(&computer, &old);
    let other = world.registered(MAX);
    other.apply(&new_address());
    watching.is_quiet();
    watching.end().unwrap();
}

/// What some proxies in offices make of a stream that does not end: an answer of their own. The approvals are asked for
/// then, again and again, and each answer waits at the service.
#[test]
fn where_events_do_not_come_through_each_is_told_within_a_second_all_the_same() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let old = computer.apply(&new_address());
    let proxy = Liar::answering(&world, |path| path.contains("/events"), (200, b"{}".to_vec()));
    let watching = Watching::with(&world, proxy.deceives(&computer).here);
    watching.tells_of(old.approval_id, SECOND * 5);
    for application in [new_bank_account(), new_contact(), new_address(), new_bank_account(), new_contact()] {
        std::thread::sleep(SECOND); // it waits
        let next = computer.apply(&application);
        watching.tells_of(next.approval_id, SECOND);
    }
    watching.is_quiet();
    watching.end().unwrap();
}

#[test]
fn what_another_process_was_told_is_told_here_within_a_second() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let second = world.second_process();
    let watching = Watching::at(&world, &computer);
    wait_for(&world, 1);
    let elsewhere = kartenbund::client::service::Service::at(&second.address).unwrap();
    let path = "/v1/applications";
    let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let request = computer
        .headers("POST", path)
        .into_iter()
        .fold(client.post(format!("{}{path}", elsewhere.address())), |request, (name, value)| {
            request.header(name, value)
        });
    let began = Instant::now();
    let accepted: serde_json::Value = request.json(&new_address()).send().unwrap().json().unwrap();
    let approval = accepted["approval_id"].as_str().unwrap().parse().unwrap();
    watching.tells_of(approval, SECOND);
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    watching.end().unwrap();
}

#[test]
fn it_goes_on_after_the_service_was_restarted() {
    let mut world = World::new();
    let computer = world.registered(ERIKA);
    let watching = Watching::at(&world, &computer);
    wait_for(&world, 1);
    let began = Instant::now();
    world.stop();
    assert!(began.elapsed() < SECOND * 5, "nobody who waits holds the service up: {:?}", began.elapsed());
    assert_eq!(watching.next().0, Heard::Lost);
    let world = world.restarted_in_place();
    assert_eq!(watching.next().0, Heard::Back);
    let accepted = computer.apply(&new_address());
    watching.tells_of(accepted.approval_id, SECOND);
    wait_for(&world, 1);
    watching.end().unwrap();
}

#[test]
fn it_goes_on_after_the_computer_has_slept() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let before = computer.apply(&new_address());
    let watching = Watching::at(&world, &computer);
    watching.tells_of(before.approval_id, SECOND * 5);
    wait_for(&world, 1);
    world.clock.advance(600); // the access token has ended meanwhile
    wait_for(&world, 2); // the line of before is not waited for
    let accepted = computer.apply(&new_bank_account());
    watching.tells_of(accepted.approval_id, SECOND); // and what was told is not told again
    watching.end().unwrap();
}

#[test]
fn it_ends_with_the_session_at_once() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let elsewhere = world.try_log_in(&world.folder.path().join("elsewhere"), ERIKA, PASSWORD).unwrap();
    let (ended, goes_on) = (Watching::at(&world, &computer), Watching::at(&world, &elsewhere));
    wait_for(&world, 2);
    let began = Instant::now();
    let path = "/v1/sessions";
    let sessions: kartenbund::protocol::api::SessionsAnswer = elsewhere.here.service.get(path).unwrap();
    let other = sessions.sessions.iter().find(|session| !session.is_current).unwrap().session_id;
    elsewhere.here.service.command(Method::DELETE, &format!("{path}/{other}")).unwrap();
    wait_for(&world, 1);
    assert!(began.elapsed() < SECOND * 2, "{:?}", began.elapsed());
    assert!(matches!(ended.ends(), Err(error) if error.is_refused_with("session_ended")));
    let accepted = elsewhere.apply(&new_address());
    goes_on.tells_of(accepted.approval_id, SECOND);
    goes_on.end().unwrap();
}

#[test]
fn whoever_waits_without_events_is_answered_when_there_is_another_one() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let ask = |query: &str| computer.here.service.get::<ApprovalsAnswer>(&format!("/v1/approvals{query}"));
    assert_eq!(ask("?wait=20").unwrap().count, 0, "who knows nothing is answered at once");
    let began = Instant::now();
    assert_eq!(ask("?wait=1&after=0").unwrap().count, 0);
    assert!(began.elapsed() >= SECOND);
    let (answer, took) = std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let began = Instant::now();
            (ask("?wait=20&after=0").unwrap(), began.elapsed())
        });
        wait_for(&world, 1);
        computer.apply(&new_address());
        asked.join().unwrap()
    });
    assert_eq!((answer.count, answer.approvals.len()), (1, 1));
    assert!(took < SECOND * 5, "{took:?}");
    assert!(ask("?wait=20&after=0").unwrap().count == 1, "what was missed meanwhile is told at once");
    assert_eq!(refusal(ask("?wait=20&planet=mars")), "malformed_request");
}

#[test]
fn a_session_holds_three_connections_and_a_fourth_takes_the_place_of_the_oldest() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let path = "/v1/approvals/events";
    let open = || {
        let request = client.get(format!("{}{path}", world.address));
        let headers = computer.headers("GET", path);
        let response = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value)).send();
        let response = response.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        response
    };
    let mut oldest = open();
    let others = [open(), open(), open()];
    wait_for(&world, 3);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut oldest, &mut rest).unwrap();
    assert_eq!(rest, ":\n\n", "it ended, and well");
    drop(others);
    world.wait_until("who goes is forgotten", || {
        waiting(&world) == 0 || {
            // A line that is gone is noticed at the next beat at the latest.
            computer.apply(&new_address());
            std::thread::sleep(SECOND);
            false
        }
    });
}

/// Ends every session of the computer, here and there.
fn log_out(world: &World, computer: &Computer) {
    login::logout(computer.here.home.clone(), world.clock.of_client()).unwrap();
    assert!(matches!(
        login::resume(computer.here.home.clone(), world.clock.of_client()),
        Err(LoginError::Home(HomeError::NoSession))
    ));
}

/// The same person at another computer, which is not registered.
fn elsewhere(world: &World) -> Computer {
    let folder = tempfile::tempdir().unwrap().keep();
    world.try_log_in(&folder, ERIKA, PASSWORD).unwrap()
}

#[test]
fn a_registered_computer_watches_on_when_nobody_is_logged_in_any_more() {
    let mut world = World::new();
    let computer = world.registered(ERIKA);
    let watching = Watching::by_device(&world, &computer);
    wait_for(&world, 1);
    log_out(&world, &computer);
    watching.is_quiet();
    assert_eq!(waiting(&world), 1, "the line holds");
    let first = elsewhere(&world).apply(&new_address());
    watching.tells_of(first.approval_id, SECOND);

    world.stop();
    assert_eq!(watching.next().0, Heard::Lost);
    let world = world.restarted_in_place();
    assert_eq!(watching.next().0, Heard::Back);
    wait_for(&world, 1);
    let second = elsewhere(&world).apply(&new_bank_account());
    watching.tells_of(second.approval_id, SECOND);

    for hours in [9, 30, 24 * 7] {
        world.clock.advance(hours * 60 * 60); // it has slept
        std::thread::sleep(SECOND); // the lines of before are not waited for
        let next = elsewhere(&world).apply(&new_address());
        watching.tells_of(next.approval_id, SECOND);
    }
    watching.is_quiet();
    watching.end().unwrap();
}

#[test]
fn a_registered_computer_lists_approvals_and_nothing_else_when_nobody_is_logged_in() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let accepted = computer.apply(&new_address());
    log_out(&world, &computer);
    let here = login::resume_watching(computer.here.home.clone(), world.clock.of_client()).unwrap();
    let answer: ApprovalsAnswer = here.service.get("/v1/approvals").unwrap();
    assert_eq!(answer.approvals[0].approval_id, accepted.approval_id);
    for path in ["/v1/devices", "/v1/audit", "/v1/sessions", &format!("/v1/approvals/{}", accepted.approval_id)] {
        assert_eq!(refusal(here.service.get::<serde_json::Value>(path)), "token_invalid", "{path}");
    }
}

#[test]
fn by_its_device_it_is_told_within_a_second_where_events_do_not_come_through() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    log_out(&world, &computer);
    let proxy = Liar::answering(&world, |path| path.contains("/events"), (200, b"{}".to_vec()));
    let watching = Watching::with(&world, proxy.deceives_device(&computer));
    wait_for(&world, 1);
    for application in [new_bank_account(), new_contact()] {
        let next = elsewhere(&world).apply(&application);
        watching.tells_of(next.approval_id, SECOND);
        std::thread::sleep(SECOND);
    }
    watching.end().unwrap();
}

#[test]
fn a_computer_whose_clock_is_wrong_watches_all_the_same() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    log_out(&world, &computer);
    let wrong = ManualClock::at(time::OffsetDateTime::from_unix_timestamp(world.clock.now() - 3600).unwrap());
    let here = login::resume_watching(computer.here.home.clone(), wrong.of_client()).unwrap();
    assert_eq!(here.service.get::<ApprovalsAnswer>("/v1/approvals").unwrap().count, 0);
}

/// What ends the watch of a computer on which nobody is logged in, and what it is told then.
#[test]
fn a_device_that_is_not_active_any_more_sees_nothing_from_that_moment() {
    type End = fn(&World, &Computer, &Thief);
    let ends: [(&str, End); 5] = [
        ("device_locked_by_owner", |_, other, device| {
            other.here.service.command(Method::POST, &format!("/v1/devices/{}/lock", device.id())).unwrap();
        }),
        ("no_device", |_, other, device| {
            other.by_card().remove(device.id()).unwrap();
        }),
        // Somebody has guessed its PIN too often.
        ("no_device", |world, _, device| {
            while device.spend().is_ok() {}
            world.clock.advance(121); // until then a confirmation may be on its way
        }),
        ("device_expired", |world, _, _| world.revoke_cards(ERIKA).unwrap()),
        ("account_suspended", |world, _, _| world.suspend(ERIKA).unwrap()),
    ];
    for (code, end) in ends {
        let world = World::new();
        let computer = world.registered(ERIKA);
        let device = Thief::of(&computer);
        log_out(&world, &computer);
        let other = elsewhere(&world);
        let watching = Watching::by_device(&world, &computer);
        wait_for(&world, 1);
        let began = Instant::now();
        end(&world, &other, &device);
        assert!(matches!(watching.ends(), Err(error) if error.is_refused_with(code)), "{code}");
        assert!(began.elapsed() < SECOND * 4, "{code}: {:?}", began.elapsed());
        let here = login::resume_watching(computer.here.home.clone(), world.clock.of_client()).unwrap();
        assert_eq!(refusal(here.service.get::<ApprovalsAnswer>("/v1/approvals")), code);
    }
}

#[test]
fn a_device_whose_time_is_over_sees_nothing_before_the_service_has_looked_again() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    log_out(&world, &computer);
    world.clock.advance(184 * 24 * 60 * 60);
    let here = login::resume_watching(computer.here.home.clone(), world.clock.of_client()).unwrap();
    assert_eq!(refusal(here.service.get::<ApprovalsAnswer>("/v1/approvals")), "device_expired");
}

#[test]
fn a_computer_whose_device_is_locked_watches_with_its_session() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let id = computer.here.home.device().unwrap().device_id().unwrap();
    computer.here.service.command(Method::POST, &format!("/v1/devices/{id}/lock")).unwrap();
    let watching = Watching::by_device(&world, &computer);
    wait_for(&world, 1);
    let accepted = elsewhere(&world).here.service.get::<ApprovalsAnswer>("/v1/approvals").unwrap();
    assert_eq!(accepted.count, 0);
    watching.is_quiet();
    watching.end().unwrap();
}
