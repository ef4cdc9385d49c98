//! What `replay --explain` prints: the stable JSON of `docs/json.md`, and the same for people.

use serde::Serialize;

use super::failure::Value;
use super::text::Texts;
use crate::apdu::{StatusWord, commands};
use crate::reader::explain::{Explained, Explanation, Protection};

/// A session, command by command.
#[derive(Debug, Serialize)]
pub struct SessionReport {
    commands: Vec<Command>,
}

#[derive(Debug, Serialize)]
struct Command {
    line: usize,
    header: String,
    command: Option<&'static str>,
    lc: usize,
    le: Option<u32>,
    protection: &'static str,
    answer_length: Option<usize>,
    status: Option<String>,
}

impl SessionReport {
    /// The report on `explanation`, up to its first fault.
    pub fn new(explanation: &Explanation) -> Self {
        Self { commands: explanation.commands.iter().map(Command::new).collect() }
    }

    /// The same for people, one line for each command.
    pub fn lines(explanation: &Explanation, texts: &Texts) -> Vec<String> {
        explanation.commands.iter().map(|command| line(command, texts)).collect()
    }
}

impl Command {
    fn new(of: &Explained) -> Self {
        Self {
            line: of.line,
            header: hex::encode_upper(of.header),
            command: name(of),
            lc: of.lc,
            le: of.ne,
            protection: match of.protection {
                Protection::Plain => "plain",
                Protection::Pace => "pace",
                Protection::Secured => "secured",
                Protection::Unreadable => "unreadable",
            },
            answer_length: of.answer.map(|(length, _)| length),
            status: of.answer.map(|(_, status)| status.to_string()),
        }
    }
}

fn name(of: &Explained) -> Option<&'static str> {
    match of.protection {
        // Its header is the one on the line, whose class says that it is secured.
        Protection::Unreadable => None,
        _ => commands::name(of.header),
    }
}

/// ` 12  secured        00B08400 Le=65536  READ BINARY → 878 bytes, 9000: done`
fn line(of: &Explained, texts: &Texts) -> String {
    let mark = texts.get(match of.protection {
        Protection::Plain => "explain-plain",
        Protection::Pace => "explain-pace",
        Protection::Secured => "explain-secured",
        Protection::Unreadable => "explain-unreadable",
    });
    let mut text = format!("{:>3}  {mark:<13}  {}", of.line, hex::encode_upper(of.header));
    if of.lc > 0 {
        text += &format!(" Lc={}", of.lc);
    }
    if let Some(ne) = of.ne {
        text += &format!(" Le={ne}");
    }
    text += &format!("  {}", name(of).map_or_else(|| texts.get("explain-unknown"), str::to_owned));
    let answer = match of.answer {
        None => texts.get("explain-no-answer"),
        Some((length, status)) => {
            let bytes =
                texts.with("explain-bytes", &[("count", Value::Number(i64::try_from(length).unwrap_or(i64::MAX)))]);
            format!("{bytes}, {status}: {}", meaning(status, texts))
        }
    };
    format!("{text} → {answer}")
}

/// What a status word means (ISO/IEC 7816-4, 5.6; gemSpec_COS, 16.2).
fn meaning(status: StatusWord, texts: &Texts) -> String {
    if let Some(tries) = status.tries_left() {
        return texts.with("status-tries", &[("tries", Value::Number(tries.into()))]);
    }
    texts.get(match status {
        StatusWord::OK => "status-ok",
        StatusWord::CORRUPT_DATA => "status-corrupt",
        StatusWord::END_OF_FILE => "status-end",
        StatusWord::FILE_DEACTIVATED => "status-deactivated",
        StatusWord::TRANSPORT_PIN => "status-transport-pin",
        StatusWord::EMPTY_PIN => "status-empty-pin",
        StatusWord::PIN_DISABLED => "status-pin-disabled",
        StatusWord::AUTHENTICATION_FAILED => "status-authentication",
        StatusWord::WRONG_LENGTH => "status-length",
        StatusWord::SECURITY_STATUS_NOT_SATISFIED => "status-not-allowed",
        StatusWord::BLOCKED => "status-blocked",
        StatusWord::CONDITIONS_NOT_SATISFIED => "status-conditions",
        StatusWord::FILE_NOT_FOUND => "status-no-file",
        StatusWord::REFERENCE_NOT_FOUND => "status-no-key",
        StatusWord::OFFSET_TOO_BIG => "status-offset",
        StatusWord::INS_NOT_SUPPORTED | StatusWord::CLA_NOT_SUPPORTED => "status-unsupported",
        _ => "status-other",
    })
}
