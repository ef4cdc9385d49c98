//! Session files: what is read is played as it stands there, and no change under a seal goes unnoticed.

use std::sync::LazyLock;

use kartenbund::apdu::{CommandApdu, ResponseApdu};
use kartenbund::reader::explain::{Explanation, Protection};
use kartenbund::reader::replay::{Replay, ReplayMismatch};
use kartenbund::reader::{CardChannel as _, ChannelError};
use serde_json::Value;

use super::input::Input;
use super::session;

/// A session without contacts, which has no fault.
static SESSION: LazyLock<Vec<(Vec<u8>, Vec<u8>)>> = LazyLock::new(|| {
    let session = session::contactless();
    let explanation = explained(&session, session.len());
    assert_eq!((explanation.fault, explanation.commands.len()), (None, session.len()));
    session
});

fn explained(session: &[(Vec<u8>, Vec<u8>)], length: usize) -> Explanation {
    let exchanges = session.iter().take(length).map(|(tx, rx)| (tx.as_slice(), rx.as_slice()));
    Replay::parse(&session::file(exchanges)).expect("commands and answers").explain()
}

pub fn body(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0xFF, rest)) => changed_session(&mut Input(rest)),
        _ => std::str::from_utf8(bytes).into_iter().for_each(any_text),
    }
}

fn any_text(text: &str) {
    let mut replay = match Replay::parse(text) {
        Ok(replay) => replay,
        Err(ReplayMismatch::Malformed { line }) => {
            assert!((1..=text.lines().count().max(1)).contains(&line), "a line of the file");
            return;
        }
        Err(other) => panic!("{other}"),
    };
    let lines: Vec<(usize, Value)> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| (index + 1, serde_json::from_str(line).expect("JSON")))
        .collect();
    let (_, header) = lines.first().expect("a header");

    let explanation = Replay::parse(text).expect("as before").explain();
    let told: Vec<_> = explanation.commands.iter().map(|command| command.line).collect();
    let there: Vec<_> = lines.iter().skip(1).map(|(number, _)| *number).collect();
    assert!(there.starts_with(&told), "line by line");
    if let Some((line, _)) = explanation.fault {
        assert!(lines.iter().any(|(number, _)| *number == line));
        assert!(told.last().is_none_or(|last| *last <= line), "nothing behind a fault is told");
    } else {
        assert_eq!(told.len(), there.len());
    }
    let has_keys = !header["keys"].is_null() && !header["can"].is_null();
    let is_read = |command: &&_| matches!(command, Protection::Pace | Protection::Secured);
    assert!(has_keys || explanation.commands.iter().map(|command| &command.protection).find(is_read).is_none());

    for (_, line) in lines.iter().skip(1) {
        let bytes = |name: &str| hex::decode(line[name].as_str().expect("a string")).expect("hexadecimal");
        let answer = replay.transmit(&CommandApdu::parse(&bytes("tx")).expect("a command"));
        match line.get("rx") {
            Some(_) => assert_eq!(answer.ok(), ResponseApdu::parse(&bytes("rx"))),
            None => assert!(matches!(answer, Err(ChannelError::Interrupted(_)))),
        }
    }
    assert!(replay.finish().is_ok(), "nothing else is in it");
}

/// One byte of a session is changed: of an answer of PACE, or of a secured command or answer. Lengths around the objects
/// of a command are the line's, and not sealed.
fn changed_session(input: &mut Input<'_>) {
    let mut session = SESSION.clone();
    let first = session.iter().position(|(tx, _)| tx[1] == 0x86).expect("PACE");
    let at = first + input.below(session.len() - first);
    let (tx, rx) = &mut session[at];
    let is_secured = tx[0] & 0x0C == 0x0C;
    let (line, outside) = if is_secured && input.byte().is_multiple_of(2) { (tx, 2) } else { (rx, 0) };
    let place = input.below(line.len() - outside);
    line[place] ^= input.byte().max(1);
    let exchanges = session.iter().map(|(tx, rx)| (tx.as_slice(), rx.as_slice()));
    let Ok(replay) = Replay::parse(&session::file(exchanges)) else { return };
    let (line, _) = replay.explain().fault.expect("a changed byte is noticed");
    assert!(line >= at + 2, "not before it");
}
