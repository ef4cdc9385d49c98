//! The desk the reader stands on: whoever connects here presses its keys, and says what kind of reader it is. One order
//! in a line, one line as the answer (`README.md`).

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// INS of READ BINARY: the only command that is told as a whole, for it never holds a secret.
const READ_BINARY: u8 = 0xB0;

/// What somebody does when the reader asks.
#[derive(Clone)]
pub(crate) enum Keys {
    /// Types these numbers, each with the confirmation key.
    Numbers(Vec<String>),
    /// Presses the cancel key.
    Cancel,
    /// Waits too long.
    Nothing,
    /// Has made a reader that answers this, whatever is typed.
    Answer(Vec<u8>),
}

/// Which descriptions of a PIN the reader takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Both,
    Reiner,
    OpenSc,
    Neither,
}

/// What the reader says of itself.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) verifies: bool,
    pub(crate) modifies: bool,
    pub(crate) takes: Takes,
    pub(crate) min_pin: Option<u8>,
    pub(crate) max_pin: Option<u8>,
    pub(crate) max_data: Option<u32>,
}

/// Whether a command goes to the card.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// It is held up, and then the card has not answered in time.
    Now,
    Not,
}

struct State {
    keys: VecDeque<Keys>,
    kind: Kind,
    /// How many commands pass before one fails, and how long that takes.
    failing: Option<(u32, Duration)>,
    /// The structures that were handed in, and the commands that passed, both in hexadecimal.
    structures: Vec<String>,
    commands: Vec<String>,
}

/// The desk.
pub(crate) struct Desk {
    state: Mutex<State>,
    pressed: Condvar,
    is_closed: AtomicBool,
    port: u16,
}

impl Desk {
    /// Listens on a port of this computer.
    pub(crate) fn open(port: u16) -> io::Result<Arc<Self>> {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let kind = Kind {
            verifies: true,
            modifies: true,
            takes: Takes::Both,
            min_pin: None,
            max_pin: None,
            max_data: Some(65_536),
        };
        let state = State { keys: VecDeque::new(), kind, failing: None, structures: Vec::new(), commands: Vec::new() };
        let (pressed, is_closed) = (Condvar::new(), AtomicBool::new(false));
        let desk = Arc::new(Self { state: Mutex::new(state), pressed, is_closed, port });
        let served = Arc::clone(&desk);
        thread::spawn(move || {
            for line in door.incoming().map_while(Result::ok) {
                if served.is_closed.load(Ordering::SeqCst) {
                    break;
                }
                let _ = served.serve(&line); // one after the other
            }
        });
        Ok(desk)
    }

    /// Lets the port go.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }

    pub(crate) fn kind(&self) -> Kind {
        self.state().kind
    }

    /// Remembers a structure that was handed in.
    pub(crate) fn handed_in(&self, structure: &[u8]) {
        self.state().structures.push(hex(structure));
    }

    /// Waits for somebody at the keypad.
    pub(crate) fn keys(&self, patience: Duration) -> Keys {
        let wait = self.pressed.wait_timeout_while(self.state(), patience, |state| state.keys.is_empty());
        let (mut state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        state.keys.pop_front().unwrap_or(Keys::Nothing)
    }

    /// Remembers a command, and holds it up where it is to fail.
    pub(crate) fn passes(&self, command: &[u8]) -> Failing {
        let mut state = self.state();
        let (header, told) = (command.get(..4).unwrap_or(command), command.get(1) == Some(&READ_BINARY));
        state.commands.push(hex(if told { command } else { header }));
        let Some((before, time)) = state.failing else { return Failing::Not };
        if let Some(before) = before.checked_sub(1) {
            state.failing = Some((before, time));
            return Failing::Not;
        }
        state.failing = None;
        drop(state);
        thread::sleep(time);
        Failing::Now
    }

    fn serve(&self, line: &TcpStream) -> io::Result<()> {
        line.set_nodelay(true)?;
        for order in BufReader::new(line).lines() {
            let answer = self.obey(&order?).map_or_else(|| "error\n".to_owned(), |told| format!("ok{told}\n"));
            let mut line = line;
            line.write_all(answer.as_bytes())?;
        }
        Ok(())
    }

    /// Does what a line says; what is told in return begins with a blank.
    fn obey(&self, order: &str) -> Option<String> {
        let mut words = order.split_whitespace();
        let mut state = self.state();
        match (words.next()?, words.collect::<Vec<_>>().as_slice()) {
            ("type", numbers @ [_, ..]) => {
                state.keys.push_back(Keys::Numbers(numbers.iter().map(|&number| number.to_owned()).collect()));
            }
            ("cancel", []) => state.keys.push_back(Keys::Cancel),
            ("answer", [bytes]) => state.keys.push_back(Keys::Answer(unhex(bytes)?)),
            ("wait", []) => state.keys.push_back(Keys::Nothing),
            ("keypad", [which]) => {
                (state.kind.verifies, state.kind.modifies) = match *which {
                    "none" => (false, false),
                    "verify" => (true, false),
                    "all" => (true, true),
                    _ => return None,
                };
            }
            ("takes", [which]) => {
                state.kind.takes = match *which {
                    "both" => Takes::Both,
                    "reiner" => Takes::Reiner,
                    "opensc" => Takes::OpenSc,
                    "neither" => Takes::Neither,
                    _ => return None,
                };
            }
            ("min-pin", [number]) => state.kind.min_pin = optional(number)?,
            ("max-pin", [number]) => state.kind.max_pin = optional(number)?,
            ("max-data", [number]) => state.kind.max_data = optional(number)?,
            ("fail", [before, time]) => {
                state.failing = Some((before.parse().ok()?, Duration::from_millis(time.parse().ok()?)));
            }
            ("structures", []) => return Some(told(&mut state.structures)),
            ("commands", []) => return Some(told(&mut state.commands)),
            _ => return None,
        }
        self.pressed.notify_all();
        Some(String::new())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was remembered, which is forgotten then.
fn told(remembered: &mut Vec<String>) -> String {
    remembered.drain(..).map(|line| format!(" {line}")).collect()
}

/// A number, or `none`.
fn optional<T: std::str::FromStr>(word: &str) -> Option<Option<T>> {
    if word == "none" { Some(None) } else { word.parse().ok().map(Some) }
}

fn unhex(word: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = word.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect::<Option<_>>()?;
    digits.chunks(2).map(|pair| if let [high, low] = pair { Some(high << 4 | low) } else { None }).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
