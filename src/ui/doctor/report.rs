//! The result of `doctor`: as JSON for scripts, and as a text to send to somebody who helps. Neither holds anything about
//! a person: no number, name, certificate or command data, no folder, no name of a computer.

use serde::Serialize;

use super::{Finding, Step};
use crate::client::doctor::{CardFacts, Facts};
use crate::egk::{EgkError, OtherCard, PinStatus};
use crate::reader::pcsc::Slot;
use crate::ui::text::{Texts, shown};

/// Longest name of a reader that is kept, in characters.
const MAX_NAME: usize = 100;
/// Longest answer to reset (ISO/IEC 7816-3, 8.2.1), in bytes.
const MAX_ATR: usize = 33;

/// What was found, step by step.
#[derive(Debug, Serialize)]
pub struct Report {
    program: &'static str,
    system: &'static str,
    system_version: Option<String>,
    kernel: Option<String>,
    pcsc_lite: Option<String>,
    steps: Vec<StepReport>,
    readers: Vec<ReaderReport>,
    card: Option<CardReport>,
}

#[derive(Debug, Serialize)]
struct StepReport {
    step: &'static str,
    verdict: &'static str,
    code: Option<&'static str>,
    exit_code: Option<u8>,
    message: String,
    remedy: Option<String>,
}

#[derive(Debug, Serialize)]
struct ReaderReport {
    name: String,
    state: &'static str,
    atr: String,
}

#[derive(Debug, Serialize)]
struct CardReport {
    kind: &'static str,
    generation: Option<String>,
    object_system: Option<String>,
    atr: String,
    pin: Option<&'static str>,
    tries_left: Option<u8>,
    commands: Vec<String>,
}

impl Report {
    /// The report on `facts` and what was made of them.
    pub fn new(facts: &Facts, findings: &[(Step, Finding)], texts: &Texts) -> Self {
        let readers = facts.readers.iter().flatten().flatten().map(|reader| ReaderReport {
            name: short_name(&reader.name),
            state: match reader.slot {
                Slot::Empty => "empty",
                Slot::Mute => "mute",
                Slot::Card => "card",
                Slot::InUse => "in_use",
            },
            atr: atr(&reader.atr),
        });
        let card = facts.card.as_ref().and_then(|card| card.as_ref().ok());
        Self {
            program: concat!("kartenbund ", env!("CARGO_PKG_VERSION")),
            system: texts.system().name(),
            system_version: version_id(&facts.computer.os_release),
            kernel: facts.computer.kernel.as_deref().and_then(numbers),
            pcsc_lite: facts.computer.pcsc_lite.as_deref().and_then(plain),
            steps: findings.iter().map(|(step, finding)| StepReport::new(*step, finding, texts)).collect(),
            readers: readers.collect(),
            card: card.map(CardReport::new),
        }
    }

    /// The same as a text to send.
    pub fn text(&self, texts: &Texts) -> String {
        let none = "-";
        let mut lines = vec![
            texts.get("doctor-report-title"),
            texts.get("doctor-report-private"),
            String::new(),
            self.program.to_owned(),
            format!("system: {} {}", self.system, self.system_version.as_deref().unwrap_or(none)),
            format!("kernel: {}", self.kernel.as_deref().unwrap_or(none)),
            format!("pcsc-lite: {}", self.pcsc_lite.as_deref().unwrap_or(none)),
            String::new(),
        ];
        for step in &self.steps {
            let code = step.code.map(|code| format!(" {code}")).unwrap_or_default();
            lines.push(format!("{}: {}{code}. {}", step.step, step.verdict, step.message));
        }
        for reader in &self.readers {
            lines.push(String::new());
            lines.push(format!("reader: {}", reader.name));
            lines.push(format!("state: {}", reader.state));
            lines.push(format!("atr: {}", or_none(&reader.atr)));
        }
        if let Some(card) = &self.card {
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| none.to_owned());
            lines.push(String::new());
            lines.push(format!("card: {}", card.kind));
            lines.push(format!("generation: {}", text(&card.generation)));
            lines.push(format!("object system: {}", text(&card.object_system)));
            lines.push(format!("atr: {}", or_none(&card.atr)));
            let tries = card.tries_left.map(|tries| format!(", tries left {tries}")).unwrap_or_default();
            lines.push(format!("pin: {}{tries}", card.pin.unwrap_or(none)));
            lines.push("commands (CLA INS P1 P2, status word):".to_owned());
            lines.extend(card.commands.iter().map(|command| format!("  {command}")));
        }
        // What came from outside is in there, too.
        lines.iter().map(|line| shown(line) + "\n").collect()
    }
}

impl StepReport {
    fn new(step: Step, finding: &Finding, texts: &Texts) -> Self {
        let kind = match finding {
            Finding::Failed(failure) => Some(failure.kind),
            _ => None,
        };
        Self {
            step: step.name(),
            verdict: finding.verdict(),
            code: kind.map(super::Kind::code),
            exit_code: kind.map(super::Kind::exit_code),
            message: finding.cause(texts),
            remedy: finding.remedy(texts),
        }
    }
}

impl CardReport {
    fn new(card: &CardFacts) -> Self {
        let (pin, tries_left) = match &card.pin {
            None => (None, None),
            Some(Ok(PinStatus::Usable(tries))) => (Some("usable"), Some(tries.left())),
            Some(Ok(PinStatus::Blocked)) => (Some("blocked"), Some(0)),
            Some(Ok(PinStatus::AlreadyVerified)) => (Some("verified"), None),
            Some(Ok(PinStatus::TransportPin)) => (Some("transport_pin"), None),
            Some(Ok(PinStatus::EmptyPin)) => (Some("empty_pin"), None),
            Some(Ok(PinStatus::Disabled)) => (Some("disabled"), None),
            Some(Err(_)) => (Some("error"), None),
        };
        Self {
            kind: match &card.kind {
                Ok(()) => "egk",
                Err(EgkError::Contactless) => "egk_contactless",
                Err(EgkError::NotAnEgk(OtherCard::Hba)) => "hba",
                Err(EgkError::NotAnEgk(OtherCard::SmcB)) => "smc_b",
                Err(EgkError::NotAnEgk(OtherCard::Unknown)) => "other_card",
                Err(EgkError::TooOld(_)) => "too_old",
                Err(EgkError::Deactivated) => "egk_deactivated",
                Err(_) => "error",
            },
            generation: card.version.map(|(generation, _)| generation.to_string()),
            object_system: card.version.map(|(_, object_system)| object_system.to_string()),
            atr: atr(&card.atr),
            pin,
            tries_left,
            commands: card.exchanges.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The name of a reader without what identifies one among many: what stands in parentheses (libccid puts the serial
/// number there), and words that look like serial numbers.
pub fn short_name(name: &str) -> String {
    let mut depth = 0_usize;
    let outside: String = name
        .chars()
        .filter(|c| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .take(MAX_NAME)
        .collect();
    let words = outside.split_whitespace().filter(|word| !is_serial_number(word));
    shown(&words.collect::<Vec<_>>().join(" "))
}

/// Names of models have up to five digits (`ACR1281U-C1`, `5422`); serial numbers have more, or are long and hexadecimal.
fn is_serial_number(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits >= 6 || is_hex && digits > 0 && word.len() >= 8
}

fn atr(atr: &[u8]) -> String {
    hex::encode_upper(atr.get(..MAX_ATR).unwrap_or(atr))
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// `VERSION_ID` of os-release(5).
fn version_id(os_release: &str) -> Option<String> {
    let line = os_release.lines().find_map(|line| line.strip_prefix("VERSION_ID="))?;
    plain(line.trim().trim_matches(['"', '\'']))
}

/// The numbers a version begins with: whoever builds a kernel may have put a name behind them.
fn numbers(version: &str) -> Option<String> {
    version.split(|c: char| !c.is_ascii_digit() && c != '.').next().and_then(plain)
}

/// A version, where it looks like one.
fn plain(version: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_+".contains(c);
    (!version.is_empty() && version.len() <= 64 && version.chars().all(is_plain)).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_keeps_its_model_and_loses_its_serial_number() {
        for (name, expected) in [
            ("Gemalto PC Twin Reader (A1B2C3D4) 00 00", "Gemalto PC Twin Reader 00 00"),
            ("REINER SCT cyberJack RFID standard (1234567890) 01 00", "REINER SCT cyberJack RFID standard 01 00"),
            ("ACS ACR1281U-C1 PICC Reader 0", "ACS ACR1281U-C1 PICC Reader 0"),
            ("HID OMNIKEY 5422 [OMNIKEY 5422 Contactless] 00 00", "HID OMNIKEY 5422 [OMNIKEY 5422 Contactless] 00 00"),
            ("Cherry Terminal 55041234567 00 00", "Cherry Terminal 00 00"),
            ("Reader 00a1b2c3d4", "Reader"),
            ("Identiv uTrust 3700 F (half open", "Identiv uTrust 3700 F"),
            ("Reader (a (b) c) 00", "Reader 00"),
            ("Evil\u{1B}[2J Reader", "Evil\u{FFFD}[2J Reader"),
        ] {
            assert_eq!(short_name(name), expected);
        }
        assert!(short_name(&"x ".repeat(5000)).len() <= MAX_NAME);
    }

    #[test]
    fn a_version_that_is_none_is_not_told() {
        assert_eq!(version_id("ID=debian\nVERSION_ID=\"12\"\n").as_deref(), Some("12"));
        assert_eq!(version_id("VERSION_ID=Erika Mustermann's computer"), None);
        assert_eq!(numbers("6.1.0-erikas-computer").as_deref(), Some("6.1.0"));
        assert_eq!(numbers("erika"), None);
        assert_eq!(plain("/home/erika"), None);
    }
}
