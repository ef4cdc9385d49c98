//! Judging what [`crate::client::doctor`] found: a verdict for each step, and cause and remedy for each failure. All of it
//! is pure. Causes and remedies are those of every other command, so that a person hears the same from both.

mod report;

use std::path::Path;

use super::failure::{Failure, Kind, Value};
use super::text::Texts;
use crate::client::doctor::{Account, CardFacts, Facts, KeyStore, Network, SessionStore, Validity};
use crate::client::home::HomeError;
use crate::client::service::ServiceError;
use crate::egk::PinStatus;
use crate::protocol::{CLOCK_TOLERANCE, NumericDate};
use crate::reader::ChannelError;
use crate::reader::pcsc::{Reader, Refusal};

pub use report::{Report, short_name};

/// 1 January 2026: this program is younger, and so is every moment at which it runs.
const EARLIEST: NumericDate = 1_767_225_600;

/// The steps, in the order in which each rests on those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Does the PC/SC service run?
    Service,
    /// Does it let this program in?
    Rights,
    /// Has every reader that is plugged in a driver?
    Driver,
    /// Is there a reader?
    Reader,
    /// Is there a card that answers?
    Card,
    /// Is it a health card that can be used?
    CardType,
    /// How many tries has its PIN?
    Pin,
    /// Is the clock right?
    Clock,
    /// Does the network reach the account service?
    Network,
    /// Is the account service the one of the first login?
    Account,
    /// Is the key of this computer there?
    KeyStore,
    /// Where are the secrets of the session, and can they be read?
    SessionStore,
}

impl Step {
    /// All steps.
    pub const ALL: [Self; 12] = [
        Self::Service,
        Self::Rights,
        Self::Driver,
        Self::Reader,
        Self::Card,
        Self::CardType,
        Self::Pin,
        Self::Clock,
        Self::Network,
        Self::Account,
        Self::KeyStore,
        Self::SessionStore,
    ];

    /// Its stable name in JSON and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Rights => "rights",
            Self::Driver => "driver",
            Self::Reader => "reader",
            Self::Card => "card",
            Self::CardType => "card_type",
            Self::Pin => "pin",
            Self::Clock => "clock",
            Self::Network => "network",
            Self::Account => "account",
            Self::KeyStore => "key_store",
            Self::SessionStore => "session_store",
        }
    }
}

/// What became of a step.
#[derive(Debug)]
pub enum Finding {
    /// It is as it should be.
    Ok(Remark),
    /// Nothing is broken, and something should be done.
    Warning(Remark),
    /// It is broken.
    Failed(Failure),
    /// It was not looked at, and why.
    Skipped(Remark),
}

/// A sentence about a step: the name of its text and the values in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The name of the text, without `doctor-`.
    pub id: &'static str,
    /// Values in it.
    pub values: Vec<(&'static str, Value)>,
}

impl Finding {
    fn ok(id: &'static str) -> Self {
        Self::Ok(Remark { id, values: Vec::new() })
    }

    fn ok_with(id: &'static str, name: &'static str, value: impl Into<String>) -> Self {
        Self::Ok(Remark { id, values: vec![(name, Value::Text(value.into()))] })
    }

    fn warning(id: &'static str) -> Self {
        Self::Warning(Remark { id, values: Vec::new() })
    }

    fn skipped(why: &'static str) -> Self {
        Self::Skipped(Remark { id: "skipped", values: vec![("why", Value::Text(why.to_owned()))] })
    }

    /// The stable word for the verdict.
    pub fn verdict(&self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::Warning(_) => "warning",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    /// What was found, in a sentence.
    pub fn cause(&self, texts: &Texts) -> String {
        match self {
            Self::Failed(failure) => texts.cause(failure),
            Self::Ok(remark) | Self::Warning(remark) | Self::Skipped(remark) => {
                texts.with(&format!("doctor-{}", remark.id), &remark.values)
            }
        }
    }

    /// What to do next, where something should be done.
    pub fn remedy(&self, texts: &Texts) -> Option<String> {
        match self {
            Self::Failed(failure) => Some(texts.remedy(failure)),
            Self::Warning(remark) => Some(texts.with(&format!("doctor-{}.remedy", remark.id), &remark.values)),
            Self::Ok(_) | Self::Skipped(_) => None,
        }
    }

    /// The lines about `step` for people: what was looked at, the verdict, what was found; below what to do.
    pub fn lines(&self, step: Step, texts: &Texts) -> Vec<String> {
        let name = texts.get(&format!("doctor-step-{}", step.name().replace('_', "-")));
        let verdict = texts.get(&format!("doctor-verdict-{}", self.verdict()));
        let first = format!("{name}: {verdict}. {}", self.cause(texts));
        let remedy = self.remedy(texts).map(|remedy| format!("  {}: {remedy}", texts.get("label-next")));
        [first].into_iter().chain(remedy).collect()
    }
}

/// The last sentence, where no step failed: it says no more than was seen.
pub fn ending(findings: &[(Step, Finding)], texts: &Texts) -> String {
    let any = |is: fn(&Finding) -> bool| findings.iter().any(|(_, finding)| is(finding));
    let seen = match () {
        () if any(|finding| matches!(finding, Finding::Warning(_))) => "warnings",
        () if any(|finding| matches!(finding, Finding::Skipped(_))) => "part",
        () => "all",
    };
    texts.with("done-doctor", &[("seen", Value::Text(seen.to_owned()))])
}

/// What `facts` say about `step`.
pub fn judge(step: Step, facts: &Facts) -> Finding {
    match step {
        Step::Service => service(facts),
        Step::Rights => rights(facts),
        Step::Driver => driver(facts),
        Step::Reader => reader(facts),
        Step::Card => card(facts),
        Step::CardType => card_type(facts),
        Step::Pin => pin(facts),
        Step::Clock => clock(facts),
        Step::Network => network(facts),
        Step::Account => account(facts),
        Step::KeyStore => key_store(facts),
        Step::SessionStore => session_store(facts),
    }
}

fn service(facts: &Facts) -> Finding {
    match &facts.service {
        None => Finding::skipped("image"),
        Some(Err(error @ ChannelError::NotAllowed(Refusal::Version))) => Finding::Failed(error.into()),
        Some(Err(ChannelError::NotAllowed(Refusal::Sandbox(_) | Refusal::Socket))) => Finding::skipped("unseen"),
        Some(Ok(()) | Err(ChannelError::NotAllowed(Refusal::Rights))) => Finding::ok("service"),
        Some(Err(error)) => Finding::Failed(error.into()),
    }
}

fn rights(facts: &Facts) -> Finding {
    match &facts.service {
        None => Finding::skipped("image"),
        Some(Err(error @ ChannelError::NotAllowed(Refusal::Rights | Refusal::Socket | Refusal::Sandbox(_)))) => {
            Finding::Failed(error.into())
        }
        Some(Err(_)) => Finding::skipped("service"),
        Some(Ok(())) => Finding::ok("rights"),
    }
}

/// The readers, or why nothing can be said of them.
fn readers(facts: &Facts) -> Result<&[Reader], Finding> {
    match &facts.readers {
        None if facts.is_image => Err(Finding::skipped("image")),
        None => Err(Finding::skipped("service")),
        Some(Err(error)) => Err(Finding::Failed(error.into())),
        Some(Ok(readers)) => Ok(readers),
    }
}

fn driver(facts: &Facts) -> Finding {
    let missing = |why| Finding::Failed(Kind::NoReader.failure().text("reader", "none").text("why", why));
    match readers(facts) {
        Err(Finding::Failed(_)) => Finding::skipped("service"),
        Err(finding) => finding,
        Ok(readers @ [_, ..]) => {
            let has_reiner_sct = facts.computer.usb.is_some_and(|usb| usb.has_reiner_sct);
            let is_missing = has_reiner_sct && !readers.iter().any(is_reiner_sct);
            if is_missing { missing("reiner-sct") } else { Finding::ok("driver") }
        }
        Ok([]) => match facts.computer.usb {
            None => Finding::skipped("usb"),
            // GnuPG's own driver takes any reader of that class.
            Some(usb) if usb.has_reader && facts.computer.scdaemon => missing("scdaemon"),
            Some(usb) if usb.has_reiner_sct => missing("reiner-sct"),
            Some(usb) if usb.has_reader => missing("driver"),
            Some(_) => Finding::skipped("no-usb-reader"),
        },
    }
}

/// Whether the name, as the maker's drivers give it, is of a reader by REINER SCT.
fn is_reiner_sct(reader: &Reader) -> bool {
    let name = reader.name.to_lowercase();
    name.contains("reiner") || name.contains("cyberjack")
}

fn reader(facts: &Facts) -> Finding {
    match (readers(facts), &facts.chosen) {
        (Err(finding), _) => finding,
        (Ok([]), _) if matches!(driver(facts), Finding::Failed(_)) => Finding::skipped("driver"),
        (Ok(_), Some(Err(ChannelError::NoReader { wanted }))) => {
            let wanted = wanted.as_deref().map_or_else(|| "none".to_owned(), short_name);
            Finding::Failed(Kind::NoReader.failure().text("reader", wanted))
        }
        (Ok(readers), _) => {
            let names: Vec<_> = readers.iter().map(|reader| short_name(&reader.name)).collect();
            Finding::ok_with("reader", "readers", names.join(", "))
        }
    }
}

fn card(facts: &Facts) -> Finding {
    let in_use = |error: &ChannelError| {
        let holder = if facts.computer.scdaemon { "scdaemon" } else { "none" };
        Finding::Failed(Failure::from(error).text("holder", holder))
    };
    match (&facts.chosen, &facts.card) {
        (_, Some(Ok(card))) => match &card.kind {
            Err(error) if !card.has_answered() => Finding::Failed(error.into()),
            _ => Finding::ok("card"),
        },
        (Some(Err(ChannelError::NoReader { .. })), _) => Finding::skipped("reader"),
        (Some(Err(error @ ChannelError::InUse)), _) | (_, Some(Err(error @ ChannelError::InUse))) => in_use(error),
        (Some(Err(error)), _) | (_, Some(Err(error))) => Finding::Failed(error.into()),
        (Some(Ok(())), None) => Finding::skipped("card"),
        (None, None) => Finding::skipped("service"),
    }
}

fn card_type(facts: &Facts) -> Finding {
    let Some(Ok(card)) = &facts.card else { return Finding::skipped("card") };
    if !card.has_answered() {
        return Finding::skipped("card");
    }
    let with_generation = |id: &'static str| {
        let generation = card.version.map(|(generation, _)| generation.to_string()).unwrap_or_default();
        Remark { id, values: vec![("generation", Value::Text(generation))] }
    };
    match (&card.kind, card.validity) {
        (Err(_), _) if card.needs_can() => Finding::Warning(with_generation("contactless")),
        (Err(error), _) => Finding::Failed(error.into()),
        (Ok(()), Some(Validity::Expired)) => Finding::Failed(Kind::CertificateExpired.failure()),
        (Ok(()), Some(Validity::NotYet)) => Finding::warning("not-yet-valid"),
        (Ok(()), Some(Validity::Valid)) => Finding::Ok(with_generation("egk")),
        (Ok(()), None) => Finding::Failed(Kind::CardData.failure()),
    }
}

fn pin(facts: &Facts) -> Finding {
    let status = match &facts.card {
        Some(Ok(card)) if card.needs_can() => return Finding::skipped("can"),
        Some(Ok(CardFacts { pin: Some(status), .. })) => status,
        Some(Ok(card)) if card.has_answered() => return Finding::skipped("card-type"),
        _ => return Finding::skipped("card"),
    };
    let tries = |left: u8| vec![("tries", Value::Number(i64::from(left)))];
    match status {
        Ok(PinStatus::Usable(left)) if left.left() > 2 => Finding::Ok(Remark { id: "pin", values: tries(left.left()) }),
        Ok(PinStatus::Usable(left)) => Finding::Warning(Remark { id: "pin-few", values: tries(left.left()) }),
        Ok(PinStatus::AlreadyVerified) => Finding::warning("pin-verified"),
        Ok(PinStatus::TransportPin) => Finding::warning("pin-transport"),
        Ok(PinStatus::EmptyPin) => Finding::warning("pin-empty"),
        Ok(PinStatus::Blocked) => Finding::Failed(Kind::CardPinBlocked.failure()),
        Ok(PinStatus::Disabled) => Finding::Failed(Kind::CardNoPin.failure().text("why", "other")),
        Err(error) => Finding::Failed(error.into()),
    }
}

fn clock(facts: &Facts) -> Finding {
    match &facts.account {
        _ if facts.now < EARLIEST => Finding::warning("clock-past"),
        Some(Account::Asked { answer: Ok(answer), .. })
            if answer.skew.unsigned_abs() > CLOCK_TOLERANCE.unsigned_abs() =>
        {
            let seconds = i64::try_from(answer.skew.unsigned_abs()).unwrap_or(i64::MAX);
            Finding::Warning(Remark { id: "clock-skew", values: vec![("seconds", Value::Number(seconds))] })
        }
        Some(Account::Asked { answer: Ok(_), .. }) => Finding::ok("clock"),
        _ => Finding::skipped("clock"),
    }
}

fn network(facts: &Facts) -> Finding {
    match &facts.account {
        None | Some(Account::None) => Finding::skipped("no-account"),
        Some(Account::Unusable(_) | Account::Asked { network: Network::NotTried, .. }) => Finding::skipped("address"),
        Some(Account::Asked { network: Network::Connected, .. }) => Finding::ok("network"),
        Some(Account::Asked { network: Network::Answers, .. }) => Finding::skipped("stranger"),
        Some(Account::Asked { network: Network::Proxy, .. }) => Finding::skipped("proxy"),
        Some(Account::Asked { network: Network::NoName, .. }) => unreachable("name"),
        Some(Account::Asked { network: Network::NoLine, .. }) => unreachable("line"),
    }
}

fn unreachable(why: &'static str) -> Finding {
    Finding::Failed(Kind::ServiceUnreachable.failure().text("why", why))
}

fn account(facts: &Facts) -> Finding {
    match &facts.account {
        None | Some(Account::None) => Finding::skipped("no-account"),
        Some(Account::Unusable(error)) => Finding::Failed(without_folder(error)),
        Some(Account::Asked { network: Network::NoName | Network::NoLine, .. }) => Finding::skipped("network"),
        Some(Account::Asked { answer: Ok(answer), .. }) if answer.has_session => Finding::ok("account"),
        Some(Account::Asked { answer: Ok(_), .. }) => Finding::ok("account-no-session"),
        // A captive portal, or a clock so wrong that no certificate is valid.
        Some(Account::Asked { network: Network::Answers, .. }) => unreachable("stranger"),
        Some(Account::Asked { answer: Err(error), .. }) => Finding::Failed(service_failure(error)),
    }
}

/// What the service says in words of its own is left out: it may be about somebody. So is why it cannot be reached: that
/// names the insurer's address, and whatever is in the certificate of who answers there.
fn service_failure(error: &ServiceError) -> Failure {
    match error {
        ServiceError::Unreachable(_) => Kind::ServiceUnreachable.failure(),
        ServiceError::Refused { code, .. } => {
            let is_code = code.len() <= 40 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let code = if is_code { code.as_str() } else { "-" };
            Kind::ServiceRefused.failure().text("code", code)
        }
        error => error.into(),
    }
}

fn key_store(facts: &Facts) -> Finding {
    match &facts.key_store {
        None => Finding::skipped("no-account"),
        Some(KeyStore::Empty) => Finding::skipped("no-device"),
        Some(KeyStore::Usable) => Finding::ok("key-store"),
        Some(KeyStore::Pending) => Finding::warning("key-store-pending"),
        Some(KeyStore::EndsSoon) => Finding::warning("key-store-ends"),
        Some(KeyStore::Ended) => Finding::Failed(Kind::DeviceExpired.failure()),
        Some(KeyStore::Unusable(error)) => Finding::Failed(without_folder(error)),
    }
}

fn session_store(facts: &Facts) -> Finding {
    match &facts.session_store {
        None | Some(SessionStore::Empty) => Finding::skipped("no-session"),
        Some(SessionStore::Usable(place)) => Finding::ok_with("session-store", "place", place.name()),
        Some(SessionStore::Unusable(error)) => Finding::Failed(without_folder(error)),
    }
}

/// The file by its name alone: the folder may tell whose computer this is.
fn without_folder(error: &HomeError) -> Failure {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match error {
        HomeError::File { path, .. } => Kind::File.failure().text("path", name(path)),
        HomeError::Damaged { path } => Kind::FileDamaged.failure().text("path", name(path)),
        HomeError::DeviceDamaged => Kind::DeviceFile.failure(),
        HomeError::NoProfile => Kind::NoProfile.failure(),
        HomeError::NoSession => Kind::NoSession.failure(),
        HomeError::NoDevice => Kind::NoDevice.failure(),
        HomeError::KeyRing(_) | HomeError::DeviceSecret(_) => error.into(),
    }
}

#[cfg(test)]
mod tests;
