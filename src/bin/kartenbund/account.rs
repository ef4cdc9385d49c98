//! `register`, `devices`, `apply`, `approvals`: what a person does with the account.

use std::path::Path;
use std::sync::Arc;

use kartenbund::client::Surroundings;
use kartenbund::client::approve::{self, decide};
use kartenbund::client::emergency;
use kartenbund::client::fingerprint::{self, MayShow};
use kartenbund::client::home::{Device, Home, HomeError, Profile};
use kartenbund::client::login::{self, LoggedIn};
use kartenbund::client::pin;
use kartenbund::client::qr;
use kartenbund::client::rebind;
use kartenbund::client::register::{self, RegisterError, Wish};
use kartenbund::client::removal::{Left, remove_or_lock};
use kartenbund::client::service::Service;
use kartenbund::client::session::Clock;
use kartenbund::disk;
use kartenbund::identity::vsd::Address;
use kartenbund::protocol::api::{
    ApplicationAccepted, ApplicationAnswer, ApprovalSummary, ApprovalsAnswer, DeviceAnswer, DeviceChange,
    DevicesAnswer, LetterOrdered, RevocationCodeAnswer,
};
use kartenbund::protocol::application::{
    Application, ApplicationType, BankAccount, CardOrder, CardReason, Contact, is_plain_text,
};
use kartenbund::protocol::approval::Verdict;
use kartenbund::protocol::service::AMR_HARDWARE_KEY;
use kartenbund::protocol::{ApplicationId, ApprovalId, DeviceId, NumericDate};
use kartenbund::reader::pcsc::Sharing;
use kartenbund::ui::document;
use kartenbund::ui::failure::{Failure, Kind, Value};
use kartenbund::ui::terminal::{Answers, Lines, Terminal};
use kartenbund::ui::text::shown;
use rand_core::UnwrapErr;
use reqwest::Method;
use serde_json::json;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::args::{
    ApplyCommand, ApprovalsCommand, BindingMethod, CodeArgs, DevicesCommand, FingerprintCommand, NewCardReason,
    PinArgs, RegisterArgs, SigningCardArgs,
};
use crate::cards::{can, length, with_card};
use crate::computer::Computer;
use crate::output::{Output, file_failure, tell};
use crate::screen_code;

pub(crate) fn now() -> NumericDate {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// The clock of this computer.
pub(crate) fn clock() -> Clock {
    Arc::new(now)
}

/// Does `work` with a terminal that takes `answers`.
pub(crate) fn with_person<T>(
    output: &Output,
    answers: Answers,
    work: impl FnOnce(&mut Surroundings<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut ui = Terminal::new(&output.texts, Answers { quiet: output.json, ..answers });
    let mut rng = UnwrapErr(getrandom::SysRng);
    work(&mut Surroundings { ui: &mut ui, rng: &mut rng, clock: &now })
}

pub(crate) fn lines(descriptor: Option<u32>) -> Result<Option<Lines>, Failure> {
    let unreadable = |error| Kind::InputInvalid.failure().text("input", "descriptor").because(&error);
    descriptor.map(Lines::of_descriptor).transpose().map_err(|error: std::io::Error| unreadable(error))
}

pub(crate) fn pins(args: &PinArgs) -> Result<Answers, Failure> {
    Ok(Answers { pins: lines(args.pin_fd)?, ..Answers::default() })
}

/// What is answered to a card that signs.
pub(crate) fn signing(args: &SigningCardArgs) -> Result<Answers, Failure> {
    let SigningCardArgs { card, pin, allow_last_try, no_keypad } = args;
    Ok(Answers { allow_last_try: *allow_last_try, no_keypad: *no_keypad, can: can(card), ..pins(pin)? })
}

pub(crate) fn id<T: std::str::FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Kind::InputInvalid.failure().text("input", "identifier"))
}

pub(crate) fn register(home: Home, args: &RegisterArgs, output: &Output) -> Result<(), Failure> {
    let CodeArgs { image, clipboard, code_fd, order_letter } = &args.code;
    if *order_letter {
        return order_code(home, output);
    }
    // Where the code comes from says how, too.
    let with_code = args.method == BindingMethod::Qr || image.is_some() || *clipboard || code_fd.is_some();
    // A computer that is registered anew keeps its name.
    let before = home.device().ok().and_then(|device| device.name);
    let name = args.device_name.clone().or(before);
    let name = name.unwrap_or_else(|| format!("Kartenbund ({})", std::env::consts::OS));
    if !is_plain_text(&name) {
        return Err(Kind::InputInvalid.failure().text("input", "device_name"));
    }
    let lost: Option<DeviceId> = args.lost.as_deref().map(id).transpose()?;
    let named = args.replace.iter().filter(|text| !text.is_empty());
    let mut in_place_of = named.map(|text| id(text)).collect::<Result<Vec<DeviceId>, _>>()?;
    in_place_of.extend(lost);
    let here = login::resume(home, clock())?;
    let own = here.home.device().ok().and_then(|device| device.device_id());
    let replace = args.replace.iter().any(String::is_empty) || own.is_some_and(|own| in_place_of.contains(&own));
    let mut wish = Wish { name, replace, in_place_of, length: length(&args.signing.card) };
    let answers = Answers { letter_code: lines(*code_fd)?, ..signing(&args.signing)? };
    let device = with_person(output, answers, |around| match resume(&here, &mut wish, lost, around, output)? {
        Some(device) => Ok(device),
        None if with_code => {
            let service = &here.profile.service;
            let code = match image {
                Some(path) => qr::from_picture(path, service)?,
                None if *clipboard => qr::from_clipboard(service)?,
                None => qr::typed(service, around)?,
            };
            Ok(register::register_with_code(&here, &code, &wish, around)?)
        }
        None if args.method == BindingMethod::Device => {
            Ok(register::register_by_device(&here, &wish, &mut std::thread::sleep, around)?)
        }
        None if args.method == BindingMethod::Chip => {
            with_card(&args.signing.card, output, Sharing::Exclusive, |channel| {
                Ok(register::register_with_chip(&here, channel, &wish, around)?)
            })
        }
        None => with_card(&args.signing.card, output, Sharing::Exclusive, |channel| {
            Ok(register::register(&here, channel, &wish, around)?)
        }),
    })?;
    let values = [("name", Value::Text(device.name.clone())), ("level", Value::Text(device.binding_level.to_string()))];
    let mut lines = vec![output.texts.with("done-register", &values)];
    if device.state == WAITING {
        lines.push(output.say("done-register-waits", "at", output.texts.moment(device.active_from)));
    }
    output.result(&device, lines)
}

/// What needs neither card nor code: completes what was begun before, and removes or locks the device that was lost, before
/// anybody looks for the card. It may be asked for again after whatever has broken off.
fn resume(
    here: &LoggedIn,
    wish: &mut Wish,
    lost: Option<DeviceId>,
    around: &mut Surroundings<'_>,
    output: &Output,
) -> Result<Option<DeviceAnswer>, Failure> {
    let resumed = match register::resume(here, wish, around) {
        // What is bound now has dealt with the lost one as well.
        Ok(Some(device)) => return Ok(Some(device)),
        // Nothing takes its place, and it would be left locked for good.
        Err(error @ RegisterError::AlreadyRegistered) if !wish.in_place_of.is_empty() => {
            return Err(Failure::from(error).text("why", "another"));
        }
        resumed => resumed,
    };
    // Also for a person who is kept from registering.
    if let Some(lost) = lost {
        let left = remove_or_lock(&here.service, lost)?;
        let said = match left {
            Left::Removed => "done-device-removed",
            Left::Gone => "done-device-gone",
            Left::Locked => "done-device-locked-first",
            Left::NotInUse => "done-device-not-in-use",
        };
        if matches!(left, Left::Removed | Left::Gone) {
            wish.in_place_of.retain(|id| *id != lost);
        }
        if !output.json {
            tell(&output.texts.get(said));
        }
    }
    Ok(resumed?)
}

/// State of a device that may approve later.
const WAITING: &str = "pending_wait";

/// Orders a letter with a code.
fn order_code(home: Home, output: &Output) -> Result<(), Failure> {
    let here = login::resume(home, clock())?;
    let ordered: LetterOrdered = here.service.call(Method::POST, "/v1/letters/device-code", &json!({}))?;
    let said = if ordered.already { "done-letter-ordered-before" } else { "done-letter-ordered" };
    output.result(&ordered, [output.texts.get(said)])
}

/// Locks everything by the printed code, also where nobody is logged in and nothing was ever registered.
pub(crate) fn emergency(
    computer: &Computer,
    at: Option<String>,
    code_fd: Option<u32>,
    output: &Output,
) -> Result<(), Failure> {
    let known = || Ok::<_, Failure>(computer.home_for_login()?.profile()?.service);
    let service = Service::at(&at.map_or_else(known, Ok)?)?;
    let answers = Answers { letter_code: lines(code_fd)?, ..Answers::default() };
    with_person(output, answers, |around| Ok(emergency::lock_everything(&service, around)?))?;
    output.result(&json!({ "sent": true }), [output.texts.get("done-emergency")])
}

pub(crate) fn devices(home: Home, command: Option<DevicesCommand>, output: &Output) -> Result<(), Failure> {
    // It needs no session that is there, and no such session is enough.
    if let Some(DevicesCommand::Code(args)) = &command {
        return screen_code::show(home, args, output);
    }
    let here = login::resume(home, clock())?;
    let device = match here.home.device() {
        Ok(device) => Some(device),
        Err(HomeError::NoDevice) => None,
        Err(error) => return Err(error.into()),
    };
    let own = device.as_ref().and_then(Device::device_id);
    output.remind_of(&here.home);
    match command.unwrap_or(DevicesCommand::List) {
        DevicesCommand::List => {
            let answer: DevicesAnswer = here.service.get("/v1/devices")?;
            rebind::keep_expiry(&here.home, &answer.devices)?;
            let lines: Vec<_> = answer.devices.iter().map(|it| device_line(it, device.as_ref(), output)).collect();
            let lines = if lines.is_empty() { vec![output.texts.get("devices-none")] } else { lines };
            output.result(&answer, lines)
        }
        DevicesCommand::Rename { id: text, name } => {
            let id: DeviceId = id(&text)?;
            here.service.submit(Method::PATCH, &format!("/v1/devices/{id}"), &DeviceChange { name })?;
            output.result(&json!({ "device_id": id }), [output.texts.get("done-device-renamed")])
        }
        DevicesCommand::Lock { id: text } => {
            let id: DeviceId = id(&text)?;
            here.service.command(Method::POST, &format!("/v1/devices/{id}/lock"))?;
            output.result(&json!({ "device_id": id }), [output.texts.get("done-device-locked")])
        }
        DevicesCommand::LockAll => {
            here.service.command(Method::POST, "/v1/devices/lock-all")?;
            output.result(&json!({ "locked": true }), [output.texts.get("done-devices-locked")])
        }
        DevicesCommand::Unlock { id: text } => {
            let id: DeviceId = id(&text)?;
            here.service.command(Method::POST, &format!("/v1/devices/{id}/unlock"))?;
            let DevicesAnswer { devices } = here.service.get("/v1/devices")?;
            let waits = devices.iter().any(|device| device.device_id == id && device.state == WAITING);
            let done = if waits { "done-device-unlocked-waits" } else { "done-device-unlocked" };
            output.result(&json!({ "device_id": id, "waits": waits }), [output.texts.get(done)])
        }
        DevicesCommand::Code(args) => screen_code::show(here.home, &args, output),
        DevicesCommand::RevocationCode { out } => revocation_code(&here, out.as_deref(), output),
        DevicesCommand::Rebind(args) => {
            let device = with_person(output, signing(&args)?, |around| match rebind::resume(&here, around)? {
                Some(device) => Ok(device),
                None => with_card(&args.card, output, Sharing::Exclusive, |channel| {
                    Ok(rebind::rebind(&here, channel, length(&args.card), around)?)
                }),
            })?;
            let values = [
                ("name", device.name.clone()),
                ("level", device.binding_level.to_string()),
                ("until", output.texts.moment(device.expires_at)),
            ];
            let values = values.map(|(name, text)| (name, Value::Text(text)));
            output.result(&device, [output.texts.with("done-rebind", &values)])
        }
        DevicesCommand::ChangePin(args) => {
            with_person(output, pins(&args)?, |around| Ok(pin::change(&here, around)?))?;
            output.result(&json!({ "changed": true }), [output.texts.get("done-device-pin-changed")])
        }
        DevicesCommand::Fingerprint(FingerprintCommand::On) => {
            with_person(output, Answers::default(), |around| {
                Ok(fingerprint::require(&here, fingerprint::reader, around.ui)?)
            })?;
            output.result(&json!({ "fingerprint": true }), [output.texts.get("done-fingerprint-on")])
        }
        DevicesCommand::Fingerprint(FingerprintCommand::Off(args)) => {
            with_person(output, pins(&args)?, |around| Ok(fingerprint::require_no_more(&here, around)?))?;
            output.result(&json!({ "fingerprint": false }), [output.texts.get("done-fingerprint-off")])
        }
        DevicesCommand::Remove { id: text } => {
            let id: DeviceId = id(&text)?;
            // What is wanted before approvals are shown goes with the device.
            let _may = (own == Some(id)).then(|| may_show(&here, output)).transpose()?;
            here.service.command(Method::DELETE, &format!("/v1/devices/{id}"))?;
            if own == Some(id) {
                here.home.forget_device()?;
            }
            output.result(&json!({ "device_id": id }), [output.texts.get("done-device-removed")])
        }
    }
}

/// Makes a revocation code, and shows it, or writes a page to be printed.
fn revocation_code(here: &LoggedIn, out: Option<&Path>, output: &Output) -> Result<(), Failure> {
    // Before there is a code that nobody sees: the one before is void with it.
    if let Some(path) = out.filter(|path| path.exists()) {
        return Err(file_failure(path)(std::io::ErrorKind::AlreadyExists.into()));
    }
    let answer: RevocationCodeAnswer = here.service.call(Method::POST, "/v1/revocation-code", &json!({}))?;
    let Profile { service, insurer, hotline, .. } = &here.profile;
    let values = [
        ("service", service.as_str()),
        ("insurer", insurer),
        ("hotline", if hotline.is_empty() { "none" } else { hotline }),
        ("day", &output.texts.moment(now())),
    ];
    let values = values.map(|(name, text)| (name, Value::Text(text.to_owned())));
    let written = out.map(|path| {
        let [above, below] = ["revocation-page", "revocation-page-below"].map(|id| output.texts.with(id, &values));
        let code = Zeroizing::new(shown(answer.code.expose()));
        // Room from the beginning: no half of it is left where it grew out of.
        let mut page = Zeroizing::new(String::with_capacity(above.len() + code.len() + below.len() + 16));
        for part in [&above, "\n\n    ", &code, "\n\n", &below, "\n"] {
            page.push_str(part);
        }
        disk::write_new(path, page.as_bytes()).map_err(file_failure(path))
    });
    let line = match (&written, out) {
        (Some(Ok(())), Some(path)) => output.say("done-revocation-page", "path", path.display().to_string()),
        _ => {
            output.secret("done-revocation-code", &answer.code)?;
            output.texts.with("done-revocation-code-how", &values)
        }
    };
    output.result(&answer, [line])?;
    written.unwrap_or(Ok(()))
}

fn device_line(device: &DeviceAnswer, own: Option<&Device>, output: &Output) -> String {
    let texts = &output.texts;
    let own = own.filter(|own| own.device_id() == Some(device.device_id));
    // Where its key lies this computer knows of its own, whether a TPM has shown it to the service or not.
    let place = match own {
        _ if device.key_class == AMR_HARDWARE_KEY => texts.get("key-class-hwk"),
        Some(own) if own.key.is_in_tpm() => texts.get("key-in-tpm"),
        Some(_) => texts.get("key-in-file"),
        None => texts.get(&format!("key-class-{}", device.key_class)),
    };
    let own = if own.is_some() { format!(" ({})", texts.get("this-computer")) } else { String::new() };
    let since = texts.moment(device.active_from);
    let word = if device.state == WAITING { "word-from" } else { "word-since" };
    let until = texts.with("device-until", &[("until", Value::Text(texts.moment(device.expires_at)))]);
    let used = match device.last_used {
        Some(at) => texts.with("device-used", &[("at", Value::Text(texts.moment(at)))]),
        None => texts.get("device-never-used"),
    };
    format!(
        "{}{own}: {}, {} {}, {} {since}, {until}\n  {}; {used}\n  {}",
        shown(&device.name),
        texts.get(&format!("state-{}", device.state)),
        texts.get("label-level"),
        device.binding_level,
        texts.get(word),
        place,
        device.device_id,
    )
}

pub(crate) fn apply(home: Home, command: ApplyCommand, output: &Output) -> Result<(), Failure> {
    let here = login::resume(home, clock())?;
    let application = match command {
        ApplyCommand::Address { street, house_number, postal_code, city, country, supplement } => {
            Application::Address(Address { street, house_number, postal_code, city, country, supplement })
        }
        ApplyCommand::Bank { iban, account_holder } => {
            let iban = iban.replace(' ', "").to_ascii_uppercase();
            Application::Bank(BankAccount { iban, account_holder })
        }
        ApplyCommand::Contact { email } => Application::Contact(Contact { email }),
        ApplyCommand::Card { reason } => Application::Card(CardOrder { reason: reason.into() }),
        ApplyCommand::Cancel { id: text } => {
            let id: ApplicationId = id(&text)?;
            let path = format!("/v1/applications/{id}");
            let answer: ApplicationAnswer = here.service.call(Method::DELETE, &path, &json!({}))?;
            return output.result(&answer, [output.texts.get("done-cancel")]);
        }
    };
    let accepted: ApplicationAccepted = here.service.call(Method::POST, "/v1/applications", &application)?;
    let lines = [
        output.texts.get("done-apply"),
        output.say("done-apply-match-code", "code", String::from(accepted.match_code.clone())),
        output.say("done-apply-next", "id", accepted.approval_id.to_string()),
    ];
    output.result(&accepted, lines)
}

pub(crate) fn approvals(home: Home, command: Option<ApprovalsCommand>, output: &Output) -> Result<(), Failure> {
    let command = command.unwrap_or(ApprovalsCommand::List);
    let here = match command {
        ApprovalsCommand::List | ApprovalsCommand::Watch => login::resume_watching(home, clock())?,
        _ => login::resume(home, clock())?,
    };
    output.remind_of(&here.home);
    match command {
        ApprovalsCommand::List | ApprovalsCommand::Watch => {
            let _may = may_show(&here, output)?;
            let answer: ApprovalsAnswer = here.service.get("/v1/approvals")?;
            let lines: Vec<_> = answer.approvals.iter().map(|approval| approval_line(approval, output)).collect();
            let lines = if lines.is_empty() { vec![output.texts.get("approvals-none")] } else { lines };
            output.result(&answer, lines)
        }
        ApprovalsCommand::Show { id: text } => show(&here, id(&text)?, &may_show(&here, output)?, output),
        ApprovalsCommand::Approve { id: text, match_code, pin } => {
            let answers = Answers { match_code, ..pins(&pin)? };
            decide_on(&here, id(&text)?, Verdict::Approve, answers, output)
        }
        ApprovalsCommand::Deny { id: text, pin } => decide_on(&here, id(&text)?, Verdict::Deny, pins(&pin)?, output),
        ApprovalsCommand::NotMe { id: text, pin } => decide_on(&here, id(&text)?, Verdict::NotMe, pins(&pin)?, output),
    }
}

/// Asks for a finger before approvals are shown, where the person wants that.
pub(crate) fn may_show(here: &LoggedIn, output: &Output) -> Result<MayShow, Failure> {
    with_person(output, Answers::default(), |around| Ok(fingerprint::guard(here, fingerprint::reader, around.ui)?))
}

impl From<NewCardReason> for CardReason {
    fn from(reason: NewCardReason) -> Self {
        match reason {
            NewCardReason::Lost => Self::Lost,
            NewCardReason::Stolen => Self::Stolen,
            NewCardReason::Broken => Self::Broken,
            NewCardReason::NameChanged => Self::NameChanged,
        }
    }
}

pub(crate) fn approval_line(approval: &ApprovalSummary, output: &Output) -> String {
    let kind = output.texts.get(&format!("kind-{}", approval.kind.as_str().replace('.', "-")));
    let state = output.texts.get(&format!("state-{}", approval.state));
    let until = match approval.state.as_str() {
        "pending" => {
            format!(", {} {}", output.texts.get("label-expires"), output.texts.moment(approval.expires_at))
        }
        _ => String::new(),
    };
    format!("{kind}: {state}{until}\n  {}", approval.approval_id)
}

fn show(here: &LoggedIn, id: ApprovalId, _: &MayShow, output: &Output) -> Result<(), Failure> {
    let (answer, document) = approve::fetch(here, id)?;
    let width = document::width(&std::io::stdout());
    let mut lines = document::lines(&output.texts, &document, width);
    lines.extend(document::origin(&output.texts, answer.approval.origin.as_ref(), width));
    lines.push(approval_line(&answer.approval, output));
    if answer.challenge.is_some() {
        lines.extend(choices(id, output));
    }
    output.result(&answer, lines)
}

/// The three ways to decide, none before another.
pub(crate) fn choices(id: ApprovalId, output: &Output) -> [String; 3] {
    ["approve", "deny", "not-me"].map(|choice| output.say(&format!("choice-{choice}"), "id", id.to_string()))
}

fn decide_on(
    here: &LoggedIn,
    id: ApprovalId,
    verdict: Verdict,
    answers: Answers,
    output: &Output,
) -> Result<(), Failure> {
    // It shows the document before it asks for the PIN.
    let _may = may_show(here, output)?;
    let answer = with_person(output, answers, |around| Ok(decide(here, id, verdict, around)?))?;
    let line = match verdict {
        Verdict::Approve => {
            let at = answer.application.execute_at.map(|at| output.texts.moment(at)).unwrap_or_default();
            let state = output.say(&format!("state-{}", answer.application.state), "at", at);
            output.say("done-approve", "state", state)
        }
        Verdict::Deny => output.texts.get("done-deny"),
        Verdict::NotMe => match answer.application.kind {
            ApplicationType::PasswordReset | ApplicationType::WebLogin => output.texts.get("done-not-me-reset"),
            _ => output.texts.get("done-not-me"),
        },
    };
    output.result(&answer, [line])
}
