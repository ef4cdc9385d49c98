//! `readers`, `read`, `record`, `replay`: cards without PIN.

use std::path::Path;

use kartenbund::apdu::NE_EXTENDED;
use kartenbund::client::{AskError, ReachError, Step, restarting};
use kartenbund::disk;
use kartenbund::egk::{ApduLength, CardFiles, Egk, EgkError, Generation, Iccsn, Interface, ObjectSystem, OtherCard};
use kartenbund::identity::Identity;
use kartenbund::reader::explain::{Fault, Protection};
use kartenbund::reader::pace::EphemeralKeys;
use kartenbund::reader::pcsc::{Service, Sharing, Slot};
use kartenbund::reader::record::Recorder;
use kartenbund::reader::replay::{Replay, SessionSecrets};
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::secret::SecretText;
use kartenbund::ui::failure::{Failure, Kind, Value};
use kartenbund::ui::report::CardReport;
use kartenbund::ui::session::SessionReport;
use kartenbund::ui::terminal::Answers;
use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::scenario::{Scenario, Staged};
use rand_core::UnwrapErr;
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;

use crate::account::with_person;
use crate::args::CardArgs;
use crate::output::{Output, file_failure, print_line, read_file};
use crate::waiting;

/// Longest card image and longest session that are read, in bytes.
const MAX_IMAGE: usize = 4 * 1024 * 1024;
const MAX_SESSION: usize = 16 * 1024 * 1024;
/// Longest scenario that is read, in bytes.
const MAX_SCENARIO: usize = 64 * 1024;

/// Opens the line to the card that was asked for and uses it.
pub(crate) fn with_card<T>(
    args: &CardArgs,
    output: &Output,
    sharing: Sharing,
    work: impl FnOnce(&mut dyn CardChannel) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if let Some(image) = &args.virtual_card {
        return work(&mut load(image, args.contactless, args.scenario.as_deref())?);
    }
    let (service, reader) = waiting::for_card(args, output)?;
    let mut card = service.connect_card(&reader, sharing)?;
    match work(&mut card.begin()?) {
        Err(failure) if looks_pulled(failure.kind) && service.has_lost_card(&reader) => {
            Err(Failure { kind: Kind::CardRemoved, ..failure })
        }
        result => result,
    }
}

/// What a card that was there a moment ago may look like when it is pulled.
fn looks_pulled(kind: Kind) -> bool {
    matches!(kind, Kind::Transmission | Kind::CardTimeout | Kind::NoCard | Kind::MuteCard)
}

/// Loads a card image, to be used with contacts or without, in the state and in the reader that a scenario says.
pub(crate) fn load(image: &Path, contactless: bool, scenario: Option<&Path>) -> Result<Staged, Failure> {
    let mut rng = UnwrapErr(getrandom::SysRng);
    let xml = read_file(image, MAX_IMAGE)?;
    let xml = String::from_utf8(xml).map_err(|error| Kind::CardImage.failure().because(&error))?;
    let card = match contactless {
        true => VirtualCard::load_contactless(&xml, &mut rng)?,
        false => VirtualCard::load(&xml)?,
    };
    let Some(scenario) = scenario else { return Ok(Staged::plain(card)) };
    let text = String::from_utf8(read_file(scenario, MAX_SCENARIO)?);
    let text = text.map_err(|error| Kind::Scenario.failure().text("why", "text").because(&error))?;
    Ok(Scenario::parse(&text)?.play(card, &mut rng)?)
}

/// The card access number that was given on the command line.
pub(crate) fn can(args: &CardArgs) -> Option<SecretText> {
    args.can.clone().map(SecretText::new)
}

pub(crate) fn length(args: &CardArgs) -> ApduLength {
    if args.short_apdus { ApduLength::Short } else { ApduLength::Extended }
}

/// One reader of `readers --json`.
#[derive(Serialize)]
struct ReaderReport {
    name: String,
    state: &'static str,
    generation: Option<String>,
    object_system: Option<String>,
}

pub(crate) fn readers(args: &CardArgs, output: &Output) -> Result<(), Failure> {
    let mut reports = Vec::new();
    if let Some(image) = &args.virtual_card {
        let mut staged = load(image, args.contactless, args.scenario.as_deref())?;
        reports.push(identify(image.display().to_string(), args, &mut staged));
    } else {
        if args.wait.is_some() {
            // The list says itself what is still missing.
            match waiting::for_card(args, output) {
                Err(failure) if failure.kind == Kind::Cancelled => return Err(failure),
                _ => {}
            }
        }
        let service = Service::connect()?;
        let wanted = |name: &str| args.reader.as_deref().is_none_or(|wanted| wanted == name);
        for reader in service.readers()?.into_iter().filter(|reader| wanted(&reader.name)) {
            let state = match reader.slot {
                Slot::Empty => "empty",
                Slot::Mute => "mute",
                Slot::InUse => "in_use",
                Slot::Card => {
                    let name = reader.name.clone();
                    reports.push(match service.connect_card(&reader, Sharing::Shared) {
                        Ok(mut card) => match card.begin() {
                            Ok(mut channel) => identify(name, args, &mut channel),
                            Err(_) => report(name, "error", None),
                        },
                        Err(ChannelError::InUse) => report(name, "in_use", None),
                        Err(ChannelError::MuteCard) => report(name, "mute", None),
                        Err(ChannelError::NoCard | ChannelError::Removed) => report(name, "empty", None),
                        Err(_) => report(name, "error", None),
                    });
                    continue;
                }
            };
            reports.push(report(reader.name, state, None));
        }
        if let Some(name) = args.reader.as_ref().filter(|_| reports.is_empty()) {
            return Err(ChannelError::NoReader { wanted: Some(name.clone()) }.into());
        }
    }
    let lines: Vec<_> = reports.iter().map(|report| reader_line(report, output)).collect();
    let lines = if lines.is_empty() { vec![output.texts.get("readers-none")] } else { lines };
    output.result(&json!({ "readers": reports }), lines)
}

fn report(name: String, state: &'static str, card: Option<(String, String)>) -> ReaderReport {
    let (generation, object_system) = card.unzip();
    ReaderReport { name, state, generation, object_system }
}

/// Which card it is, by its application and EF.Version2.
fn identify(name: String, args: &CardArgs, channel: &mut dyn CardChannel) -> ReaderReport {
    let mut egk = match Egk::open(channel, length(args)) {
        Ok(egk) => egk,
        Err(EgkError::NotAnEgk(OtherCard::Hba)) => return report(name, "hba", None),
        Err(EgkError::NotAnEgk(OtherCard::SmcB)) => return report(name, "smc_b", None),
        Err(EgkError::NotAnEgk(OtherCard::Unknown)) => return report(name, "other_card", None),
        Err(EgkError::TooOld(_)) => return report(name, "too_old", None),
        Err(_) => return report(name, "error", None),
    };
    let card = (egk.generation().to_string(), egk.object_system().to_string());
    match egk.iccsn() {
        Ok(_) => report(name, "egk", Some(card)),
        Err(EgkError::Contactless) => report(name, "egk_contactless", Some(card)),
        Err(_) => report(name, "error", Some(card)),
    }
}

fn reader_line(report: &ReaderReport, output: &Output) -> String {
    let id = match report.state {
        "egk_contactless" => "slot-contactless".to_owned(),
        "too_old" => "slot-old".to_owned(),
        state => format!("slot-{}", state.replace('_', "-")),
    };
    let generation = report.generation.clone().unwrap_or_default();
    let text = output.texts.with(&id, &[("generation", Value::Text(generation))]);
    format!("{}: {text}", report.name)
}

pub(crate) fn read(args: &CardArgs, output: &Output) -> Result<(), Failure> {
    let length = length(args);
    let answers = Answers { can: can(args), ..Answers::default() };
    let raw = with_person(output, answers, |around| {
        let contact = with_card(args, output, Sharing::Shared, |channel| {
            Ok(restarting(channel, length, around, |channel, way, around| {
                Ok::<_, ReachError>(RawContent::read(&mut way.open(channel, around)?)?)
            })?)
        });
        or_contactless(contact, || {
            with_card(args, output, Sharing::Exclusive, |channel| {
                Ok(restarting(channel, length, around, |channel, way, around| {
                    let mut egk = way.open(channel, around)?;
                    if egk.interface() == Interface::Contact {
                        way.secure(&mut egk, around)?;
                    }
                    Ok::<_, ReachError>(RawContent::read(&mut egk)?)
                })?)
            })
        })
    })?;
    raw.understood()?.print(output)
}

/// Goes over to the way without contacts where the card wants it. It opens the card anew, for nobody else: a person types
/// the access number meanwhile, and a transaction held as long would be broken or in others' way.
pub(crate) fn or_contactless<T>(
    contact: Result<T, Failure>,
    contactless: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    match contact {
        Err(failure) if failure.kind == Kind::CardContactless => contactless(),
        other => other,
    }
}

/// Everything a card tells without PIN, as it told it.
struct RawContent {
    files: CardFiles,
    generation: Generation,
    object_system: ObjectSystem,
    interface: Interface,
}

impl RawContent {
    fn read<C: CardChannel>(egk: &mut Egk<C>) -> Result<Self, EgkError> {
        let files = egk.read_files()?;
        let (generation, object_system, interface) = (egk.generation(), egk.object_system(), egk.interface());
        Ok(Self { files, generation, object_system, interface })
    }

    /// Reads the card of a session that is recorded or played, with the keys that secure it.
    fn of_session(
        channel: impl CardChannel,
        length: ApduLength,
        secrets: Option<&SessionSecrets>,
    ) -> Result<Self, EgkError> {
        let mut egk = Egk::open(channel, length)?;
        if let Some(SessionSecrets { keys, can }) = secrets {
            egk.open_contactless_with(can, keys)?;
        }
        Self::read(&mut egk)
    }

    fn understood(self) -> Result<CardContent, Failure> {
        let Self { files, generation, object_system, interface } = self;
        let identity = Identity::read(&files.status_vd, &files.pd, &files.vd, files.certificate.der())?;
        Ok(CardContent { iccsn: files.iccsn, generation, object_system, interface, identity })
    }
}

/// The same, understood.
struct CardContent {
    iccsn: Iccsn,
    generation: Generation,
    object_system: ObjectSystem,
    interface: Interface,
    identity: Identity,
}

impl CardContent {
    fn print(&self, output: &Output) -> Result<(), Failure> {
        let now = OffsetDateTime::now_utc();
        let Self { iccsn, generation, object_system, interface, identity } = self;
        let report = CardReport::new(iccsn, *generation, *object_system, *interface, identity, now);
        output.result(&report, report.lines(&output.texts))
    }
}

pub(crate) fn record(args: &CardArgs, out: &Path, output: &Output) -> Result<(), Failure> {
    let length = length(args);
    let answers = Answers { can: can(args), ..Answers::default() };
    let raw = with_person(output, answers, |around| {
        let session = |sharing, secrets: Option<&SessionSecrets>| {
            with_card(args, output, sharing, |channel| record_session(channel, length, secrets, out))
        };
        or_contactless(session(Sharing::Shared, None), || {
            let mut wrong = None;
            loop {
                let can = match (around.ui.can(wrong.is_some()), wrong.take()) {
                    (Err(AskError::NobodyThere), Some(wrong)) => return Err(wrong),
                    (Err(AskError::NobodyThere), None) => return Err(EgkError::Contactless.into()),
                    (can, _) => can?,
                };
                around.ui.step(Step::OpenContactless);
                // A refusal is tried once more with fresh keys, as it is without a recorder; a file holds one run of PACE.
                let mut secrets = SessionSecrets { keys: EphemeralKeys::random(around.rng), can };
                let is_wrong = |failure: &Failure| failure.kind == Kind::CanWrong;
                let first = session(Sharing::Exclusive, Some(&secrets));
                let recorded = if first.as_ref().is_err_and(is_wrong) {
                    secrets.keys = EphemeralKeys::random(around.rng);
                    session(Sharing::Exclusive, Some(&secrets))
                } else {
                    first
                };
                match recorded {
                    Err(failure) if is_wrong(&failure) => wrong = Some(failure),
                    recorded => return recorded,
                }
            }
        })
    })?;
    raw.understood()?.print(output)?;
    output.remark("done-record", &[("path", Value::Text(out.display().to_string()))]);
    Ok(())
}

/// Reads the card and writes down what passes.
fn record_session(
    channel: &mut dyn CardChannel,
    length: ApduLength,
    secrets: Option<&SessionSecrets>,
    out: &Path,
) -> Result<RawContent, Failure> {
    // All of it or short: a session is played again without the reader that set a limit between the two.
    let length = match channel.max_data() {
        None | Some(NE_EXTENDED) => length,
        Some(_) => ApduLength::Short,
    };
    let mut recorder = Recorder::start(channel, Vec::new(), length == ApduLength::Extended, secrets)?;
    let raw = RawContent::of_session(&mut recorder, length, secrets);
    // What passed is kept in any case: a session that failed is the one that is looked into.
    disk::write(out, &recorder.finish()?).map_err(file_failure(out))?;
    Ok(raw?)
}

/// Plays a session in place of a card; where a card is named, sends it the session's commands and compares.
pub(crate) fn replay(file: &Path, args: &CardArgs, output: &Output) -> Result<(), Failure> {
    let mut replay = read_session(file)?;
    if args.reader.is_some() || args.virtual_card.is_some() {
        with_card(args, output, Sharing::Shared, |channel| Ok(replay.against(channel)?))?;
        return output.result(&json!({ "same": true }), [output.texts.get("done-compared")]);
    }
    let length = if replay.extended_length() { ApduLength::Extended } else { ApduLength::Short };
    let secrets = replay.take_secrets();
    let raw = RawContent::of_session(&mut replay, length, secrets.as_ref())?;
    replay.finish()?;
    raw.understood()?.print(output)?;
    output.remark("done-replay", &[]);
    Ok(())
}

fn read_session(file: &Path) -> Result<Replay, Failure> {
    let text = String::from_utf8(read_file(file, MAX_SESSION)?)
        .map_err(|error| Kind::SessionFile.failure().text("line", "-").because(&error))?;
    Ok(Replay::parse(&text)?)
}

/// Shows what was said in a session, with the protection taken off.
pub(crate) fn explain(file: &Path, output: &Output) -> Result<(), Failure> {
    let explanation = read_session(file)?.explain();
    let (report, lines) = (SessionReport::new(&explanation), SessionReport::lines(&explanation, &output.texts));
    let Some((line, fault)) = explanation.fault else {
        output.result(&report, lines)?;
        if explanation.commands.iter().any(|command| command.protection == Protection::Unreadable) {
            output.remark("explain-no-keys", &[]);
        }
        return Ok(());
    };
    if !output.json {
        lines.iter().try_for_each(|line| print_line(line))?;
    }
    let what = match fault {
        Fault::Step { .. } => "step",
        Fault::ReaderToken => "reader-token",
        Fault::CardToken => "card-token",
        Fault::NoSession | Fault::Command(_) => "command",
        Fault::Ends => "end",
        Fault::Answer(_) => "answer",
    };
    let mut failure = Kind::SessionForged.failure().text("line", line.to_string()).text("what", what).because(&fault);
    failure.report = serde_json::to_value(&report).ok();
    Err(failure)
}
