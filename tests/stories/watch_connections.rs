//! What goes over the line to a program that waits for approvals, byte by byte.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::*;

const EVENTS: &str = "/v1/approvals/events";

/// A connection that asks for the events of a computer; `behind` is sent with the request.
fn ask(world: &World, computer: &Computer, behind: &str) -> TcpStream {
    let host = world.address.strip_prefix("http://").unwrap();
    let mut line = TcpStream::connect(host).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let headers = computer.headers("GET", EVENTS).into_iter();
    let headers: String = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("GET {EVENTS} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n{behind}");
    line.write_all(request.as_bytes()).unwrap();
    line
}

/// Reads until it has this many bytes that end so.
fn until(line: &mut TcpStream, end: &str) -> String {
    let (mut received, mut byte) = (Vec::new(), [0]);
    while !received.ends_with(end.as_bytes()) {
        line.read_exact(&mut byte).unwrap();
        received.push(byte[0]);
    }
    String::from_utf8(received).unwrap()
}

/// The content of the next chunk (RFC 9112, 7.1); the last one is empty.
fn chunk(line: &mut TcpStream) -> String {
    let size = until(line, "\r\n");
    let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
    let mut content = vec![0; size];
    line.read_exact(&mut content).unwrap();
    assert_eq!(until(line, "\r\n"), "\r\n");
    String::from_utf8(content).unwrap()
}

fn is_over(mut line: TcpStream) -> bool {
    let mut rest = Vec::new();
    line.read_to_end(&mut rest).unwrap();
    rest.is_empty()
}

#[test]
fn the_events_are_one_answer_in_chunks_from_its_head_to_its_last_chunk() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let old = computer.apply(&new_address()).approval_id.to_string();
    let mut line = ask(&world, &computer, "");
    let head = until(&mut line, "\r\n\r\n").to_lowercase();
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    for header in [
        "content-type: text/event-stream",
        "transfer-encoding: chunked",
        "cache-control: no-store",
        "x-accel-buffering: no",
        "connection: close",
    ] {
        assert!(head.contains(&format!("\r\n{header}\r\n")), "{header}: {head}");
    }
    assert!(!head.contains("content-length"), "{head}");
    assert_eq!(chunk(&mut line), ":\n\n");
    let event = chunk(&mut line);
    assert!(event.starts_with("event: approval\ndata: {") && event.ends_with("}\n\n"), "{event}");
    assert!(event.contains(&old), "{event}");
    let new = computer.apply(&new_bank_account()).approval_id.to_string();
    assert!(chunk(&mut line).contains(&new));
    login::logout(computer.here.home.clone(), world.clock.of_client()).unwrap();
    assert_eq!(chunk(&mut line), "", "the session has ended, and so does the answer");
    assert!(is_over(line));
    world.wait_until("the seat is free", || world.watching() == 0);
}

#[test]
fn whoever_goes_away_gives_up_the_seat_at_once() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let mut lines = [(); 3].map(|()| ask(&world, &computer, ""));
    for line in &mut lines {
        until(line, "\r\n\r\n");
        assert_eq!(chunk(line), ":\n\n");
    }
    world.wait_until("all wait", || world.watching() == 3);
    let [first, second, third] = lines;
    let began = Instant::now();
    drop(first);
    world.wait_until("one has gone", || world.watching() == 2);
    second.shutdown(std::net::Shutdown::Write).unwrap();
    world.wait_until("another one has gone", || world.watching() == 1);
    assert!(began.elapsed() < Duration::from_secs(10), "sooner than anything is sent");
    third.shutdown(std::net::Shutdown::Both).unwrap();
    world.wait_until("all have gone", || world.watching() == 0);
}

/// The head has said that nothing more is answered on this connection (RFC 9112, 9.6).
#[test]
fn a_further_request_on_the_same_connection_is_not_answered() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let health = "GET /healthz HTTP/1.1\r\nhost: it\r\n\r\n";
    // With the request, and later.
    let mut line = ask(&world, &computer, health);
    until(&mut line, "\r\n\r\n");
    assert_eq!(chunk(&mut line), ":\n\n");
    let new = computer.apply(&new_address()).approval_id.to_string();
    assert!(chunk(&mut line).contains(&new));
    line.write_all(health.as_bytes()).unwrap();
    let mut rest = Vec::new();
    match line.read_to_end(&mut rest) {
        Ok(_) => assert_eq!(rest, b"0\r\n\r\n"),
        // What was sent was not read: the last chunk may not have come through.
        Err(error) => assert_eq!((error.kind(), b"0\r\n\r\n".starts_with(&rest)), (ErrorKind::ConnectionReset, true)),
    }
    world.wait_until("the seat is free", || world.watching() == 0);
}
