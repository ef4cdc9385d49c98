//! A recorded session in place of a card: JSON lines, a header first, then one exchange each (`docs/card.md`).

use std::collections::VecDeque;
use std::fmt;
use std::io;

use serde::Deserialize;
use thiserror::Error;

use super::explain::{Explanation, Follower};
use super::pace::EphemeralKeys;
use super::{CardChannel, ChannelError};
use crate::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::secret::{Can, SecretText};

/// Version of the file format that is read and written.
pub const FORMAT_VERSION: u32 = 1;
/// Most lines of a session, and most bytes of one: far above what any use of a card needs.
const MAX_LINES: usize = 10_000;
const MAX_LINE: usize = 300_000;

/// Why a session cannot be played, or does not fit what the program sends.
#[derive(Debug, Error)]
pub enum ReplayMismatch {
    /// A line of the file is not what the format says.
    #[error("line {line} of the session is not valid")]
    Malformed {
        /// Counted from 1, the header.
        line: usize,
    },
    /// The program sent something else than the session holds.
    #[error("line {line} of the session: expected {expected}, sent {actual}")]
    Command {
        /// Counted from 1, the header.
        line: usize,
        /// The command of the session.
        expected: Header,
        /// The command that was sent.
        actual: Header,
    },
    /// The program sent more than the session holds.
    #[error("the session ends at line {line}, but {actual} was sent")]
    Exhausted {
        /// The last line.
        line: usize,
        /// The command that was sent.
        actual: Header,
    },
    /// The program sent less than the session holds.
    #[error("the session goes on at line {line} with {expected}, but nothing was sent")]
    Unused {
        /// The first line not played.
        line: usize,
        /// Its command.
        expected: Header,
    },
    /// The card answers otherwise than the session holds.
    #[error("line {line} of the session: expected {expected}, answered {actual}")]
    Answer {
        /// Counted from 1, the header.
        line: usize,
        /// The answer of the session.
        expected: AnswerSummary,
        /// The answer of the card.
        actual: AnswerSummary,
    },
    /// Only commands that read are recorded, and only those are sent from a file: none with a PIN in it, and none that
    /// signs.
    #[error("only commands that read are recorded or sent from a file")]
    NotForFiles,
    /// The file could not be read or written.
    #[error("the session file")]
    File(#[source] io::Error),
}

/// What may be shown of a command: its header and lengths, never its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    bytes: [u8; 4],
    lc: usize,
    ne: Option<u32>,
}

impl Header {
    fn of(command: &CommandApdu) -> Self {
        Self { bytes: command.header(), lc: command.data().len(), ne: command.ne() }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", hex::encode_upper(self.bytes))?;
        if self.lc > 0 {
            write!(f, " Lc={}", self.lc)?;
        }
        self.ne.map_or(Ok(()), |ne| write!(f, " Le={ne}"))
    }
}

/// What may be shown of an answer: its status word and length, never its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerSummary {
    status: StatusWord,
    length: usize,
}

impl AnswerSummary {
    fn of(answer: &ResponseApdu) -> Self {
        Self { status: answer.status(), length: answer.data().len() }
    }
}

impl fmt::Display for AnswerSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bytes", self.status, self.length)
    }
}

/// What a session without contacts is secured with.
#[derive(Debug)]
pub struct SessionSecrets {
    /// The ephemeral keys of PACE.
    pub keys: EphemeralKeys,
    /// The card access number.
    pub can: Can,
}

/// Whether a command may be in a file: SELECT, READ BINARY, and GET PIN STATUS, which carries nothing.
pub(super) fn is_for_files(command: &CommandApdu) -> bool {
    match command.header() {
        [0x00, 0xA4 | 0xB0, ..] => true,
        [0x80, 0x20, ..] => command.data().is_empty() && command.ne().is_none(),
        _ => false,
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Header {
        version: u32,
        supports_extended_length: bool,
        /// The ephemeral keys of PACE: for the mapping, and for the agreement.
        #[serde(default)]
        keys: Option<[String; 2]>,
        #[serde(default)]
        can: Option<String>,
    },
    Exchange {
        tx: String,
        rx: String,
    },
    /// No answer came. Why is told for people; what is played is a line that was interrupted.
    Error {
        tx: String,
        #[serde(rename = "error")]
        _error: String,
    },
}

struct Exchange {
    line: usize,
    command: CommandApdu,
    answer: Option<ResponseApdu>,
}

/// A session that is played: each command must be the recorded one, byte for byte and in order.
#[allow(missing_debug_implementations, reason = "the answers hold personal data")]
pub struct Replay {
    exchanges: VecDeque<Exchange>,
    last_line: usize,
    extended_length: bool,
    secrets: Option<SessionSecrets>,
}

impl Replay {
    /// Reads a session from the text of its file.
    ///
    /// # Errors
    /// [`ReplayMismatch::Malformed`] names the first line that is not valid.
    pub fn parse(text: &str) -> Result<Self, ReplayMismatch> {
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let malformed = |line| ReplayMismatch::Malformed { line };
        let (_, first) = lines.next().ok_or(malformed(1))?;
        let Some(Line::Header { version: FORMAT_VERSION, supports_extended_length, keys, can }) = read_line(first)
        else {
            return Err(malformed(1));
        };
        let secrets = match (keys, can) {
            (Some(keys), Some(can)) => Some(session_secrets(&keys, can).ok_or(malformed(1))?),
            _ => None,
        };
        let mut exchanges = VecDeque::new();
        for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
            if line > MAX_LINES {
                return Err(malformed(line));
            }
            let (tx, rx) = match read_line(text) {
                Some(Line::Exchange { tx, rx }) => (tx, Some(rx)),
                Some(Line::Error { tx, .. }) => (tx, None),
                Some(Line::Header { .. }) | None => return Err(malformed(line)),
            };
            let bytes = |text: String| hex::decode(text).map_err(|_| malformed(line));
            let command = CommandApdu::parse(&bytes(tx)?).map_err(|_| malformed(line))?;
            let answer = match rx {
                Some(rx) => Some(ResponseApdu::parse(&bytes(rx)?).ok_or(malformed(line))?),
                None => None,
            };
            exchanges.push_back(Exchange { line, command, answer });
        }
        let last_line = exchanges.back().map_or(1, |last| last.line);
        Ok(Self { exchanges, last_line, extended_length: supports_extended_length, secrets })
    }

    /// Whether the session was recorded with extended-length APDUs.
    pub fn extended_length(&self) -> bool {
        self.extended_length
    }

    /// What the session is secured with, where its file says so: to play it with the same keys.
    pub fn take_secrets(&mut self) -> Option<SessionSecrets> {
        self.secrets.take()
    }

    /// Sends the commands of the session to a card, and compares its answers byte for byte. Commands that were recorded
    /// with an error of the line are left out.
    ///
    /// # Errors
    /// [`ReplayMismatch::Answer`] names the first answer that differs, [`ReplayMismatch::NotForFiles`] a command that must
    /// not be sent from a file; or the line is gone.
    pub fn against(self, channel: &mut dyn CardChannel) -> Result<(), ChannelError> {
        for Exchange { line, command, answer } in self.exchanges {
            let Some(expected) = answer else { continue };
            if !is_for_files(&command) {
                return Err(ReplayMismatch::NotForFiles.into());
            }
            let actual = channel.transmit(&command)?;
            if actual != expected {
                let (expected, actual) = (AnswerSummary::of(&expected), AnswerSummary::of(&actual));
                return Err(ReplayMismatch::Answer { line, expected, actual }.into());
            }
        }
        Ok(())
    }

    /// Takes the protection off, as far as the file brings keys, and checks every step of PACE and every seal.
    pub fn explain(self) -> Explanation {
        let mut follower = Follower::new(self.secrets);
        let mut explanation = Explanation::default();
        for Exchange { line, command, answer } in self.exchanges {
            match follower.follow(line, &command, answer.as_ref()) {
                Ok(explained) => explanation.commands.push(explained),
                Err(fault) => {
                    explanation.fault = Some((line, fault));
                    return explanation;
                }
            }
        }
        explanation.fault = follower.end().err().map(|fault| (self.last_line, fault));
        explanation
    }

    /// Ends the session: it must have been played to its last line.
    ///
    /// # Errors
    /// [`ReplayMismatch::Unused`] names the first line that was not.
    pub fn finish(mut self) -> Result<(), ReplayMismatch> {
        match self.exchanges.pop_front() {
            Some(next) => Err(ReplayMismatch::Unused { line: next.line, expected: Header::of(&next.command) }),
            None => Ok(()),
        }
    }
}

fn session_secrets(keys: &[String; 2], can: String) -> Option<SessionSecrets> {
    let [mapping, agreement] = keys.each_ref().map(|key| hex::decode(key).ok()?.try_into().ok());
    let keys = EphemeralKeys::from_bytes(&mapping?, &agreement?)?;
    Some(SessionSecrets { keys, can: Can::parse(&SecretText::new(can)).ok()? })
}

fn read_line(text: &str) -> Option<Line> {
    (text.len() <= MAX_LINE).then(|| serde_json::from_str(text).ok()).flatten()
}

impl CardChannel for Replay {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        let actual = Header::of(command);
        let next = self.exchanges.pop_front().ok_or(ReplayMismatch::Exhausted { line: self.last_line, actual })?;
        if next.command.to_bytes() != command.to_bytes() {
            let expected = Header::of(&next.command);
            return Err(ReplayMismatch::Command { line: next.line, expected, actual }.into());
        }
        next.answer.ok_or(ChannelError::Interrupted(None))
    }

    /// Resets are not recorded. What shows is that the session went on behind one; where it did not, the card was gone.
    fn reset(&mut self) -> Result<(), ChannelError> {
        if self.exchanges.is_empty() { Err(ChannelError::Interrupted(None)) } else { Ok(()) }
    }
}
