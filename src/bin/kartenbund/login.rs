//! `login`, `logout`, `password`, `sessions`: how a person comes in and goes, here and elsewhere.

use kartenbund::client::Surroundings;
use kartenbund::client::card_login::login_with_card;
use kartenbund::client::device_login::login_with_device;
use kartenbund::client::home::{Home, HomeError, Place, Placed, Profile};
use kartenbund::client::login::{self, Opened};
use kartenbund::client::password;
use kartenbund::client::rebind;
use kartenbund::client::reset;
use kartenbund::client::service::Service;
use kartenbund::identity::kvnr::Kvnr;
use kartenbund::jose::{JwkSet, Thumbprint};
use kartenbund::protocol::SessionId;
use kartenbund::protocol::api::{SessionAnswer, SessionsAnswer};
use kartenbund::reader::pcsc::Sharing;
use kartenbund::secret::SecretText;
use kartenbund::ui::failure::{Failure, Value};
use kartenbund::ui::numbers::insurance_number;
use kartenbund::ui::terminal::{Answers, Terminal};
use kartenbund::ui::text::shown;
use reqwest::Method;
use serde_json::json;

use crate::account::{clock, id, lines, pins, signing, with_person};
use crate::args::{LoginArgs, PasswordArgs, PasswordCommand, ResetArgs, SessionsCommand, SigningCardArgs};
use crate::cards::{length, with_card};
use crate::computer::Computer;
use crate::output::Output;

/// Where a person logs in, and as whom.
struct Whose {
    home: Home,
    service: Service,
    /// As typed, else as at the login before.
    kvnr: Option<Kvnr>,
}

impl Whose {
    fn of(
        computer: &Computer,
        service: Option<String>,
        kvnr: Option<String>,
        expected_key: Option<Thumbprint>,
    ) -> Result<Self, Failure> {
        let home = computer.home_for_login()?;
        let before = match home.profile() {
            Ok(profile) => Some(profile),
            Err(HomeError::NoProfile) => None,
            Err(error) => return Err(error.into()),
        };
        let address = service.or_else(|| before.as_ref().map(|profile| profile.service.clone()));
        let service = Service::at(&address.ok_or(HomeError::NoProfile)?)?.expecting(expected_key, &clock());
        let typed = kvnr.map(|typed| insurance_number(&SecretText::new(typed))).transpose()?;
        Ok(Self { home, service, kvnr: typed.or(before.map(|profile| profile.kvnr)) })
    }

    /// The number, asked for where it is not known.
    fn kvnr(&self, output: &Output) -> Result<Kvnr, Failure> {
        match &self.kvnr {
            Some(kvnr) => Ok(kvnr.clone()),
            None => Ok(Terminal::new(&output.texts, Answers::default()).kvnr()?),
        }
    }

    /// Logs in with card and card PIN. Without a number, the card says whose account it is.
    fn with_card(
        &self,
        args: &SigningCardArgs,
        output: &Output,
        around: &mut Surroundings<'_>,
    ) -> Result<(Profile, Opened), Failure> {
        with_card(&args.card, output, Sharing::Exclusive, |channel| {
            let Self { home, service, kvnr } = self;
            Ok(login_with_card(home, service, kvnr.as_ref(), channel, length(&args.card), around)?)
        })
    }
}

pub(crate) fn login(computer: &Computer, args: LoginArgs, output: &Output) -> Result<(), Failure> {
    let whose = Whose::of(computer, args.service, args.kvnr, args.service_fingerprint)?;
    // Whoever names a card or its reader means to log in with it.
    let by_card = args.card || args.signing.card.reader.is_some() || args.signing.card.virtual_card.is_some();
    let (profile, placed, said) = if args.device {
        let answers = pins(&args.signing.pin)?;
        let (profile, opened) =
            with_person(output, answers, |around| Ok(login_with_device(&whose.home, whose.service, around)?))?;
        (profile, opened.placed, Some("login-by-device"))
    } else if by_card {
        let logged_in = |around: &mut Surroundings<'_>| whose.with_card(&args.signing, output, around);
        let (profile, opened) = with_person(output, signing(&args.signing)?, logged_in)?;
        (profile, opened.placed, Some("login-by-card"))
    } else {
        let kvnr = whose.kvnr(output)?;
        let answers = Answers { password: lines(args.password_fd)?, ..Answers::default() };
        with_person(output, answers, |around| {
            let (profile, opened) = login::login(&whose.home, &whose.service, kvnr, around)?;
            match opened.must_change_password {
                true => {
                    let chosen = password::choose_first(&whose.home, true, clock(), around)?;
                    Ok((profile, chosen.placed, Some("done-password-first")))
                }
                false => Ok((profile, opened.placed, None)),
            }
        })?
    };
    // Without the answer there is no reminder, and the login holds.
    let _ = login::resume(whose.home.clone(), clock()).map(|here| rebind::learn_expiry(&here));
    output.remind_of(&whose.home);
    let is_chosen = said == Some("done-password-first");
    let done = output.say("done-login", "insurer", profile.insurer.clone());
    let hotline = hotline_line(&profile, output);
    let value = json!({
        "service": profile.service, "insurer": profile.insurer, "hotline": profile.hotline,
        "service_key": profile.service_keys.first(),
        "service_key_thumbprint": profile.service_keys.first().map(|key| key.thumbprint().to_string()),
        "service_keys": service_keys(&profile),
        "session_place": placed.place.name(), "password_chosen": is_chosen,
    });
    let said = said.map(|id| output.texts.get(id));
    let (before, after) = if is_chosen { (said, None) } else { (None, said) };
    output
        .result(&value, before.into_iter().chain([done]).chain(hotline).chain(place_lines(placed, output)).chain(after))
}

/// All keys that evidence of this service can be verified with.
pub(crate) fn service_keys(profile: &Profile) -> JwkSet {
    JwkSet { keys: [&profile.service_keys, profile.former_keys.as_slice()].concat() }
}

/// Whom to call; `None` where the insurer names no number.
pub(crate) fn hotline_line(profile: &Profile, output: &Output) -> Option<String> {
    let hotline = Some(profile.hotline.clone()).filter(|hotline| !hotline.is_empty());
    hotline.map(|hotline| output.say("insurer-hotline", "hotline", hotline))
}

/// Where a login has put the secrets of the session.
fn place_lines(placed: Placed, output: &Output) -> impl Iterator<Item = String> {
    let left_behind = placed.is_left_behind.then(|| output.texts.get("session-left-behind"));
    [place_line(placed.place, output)].into_iter().chain(left_behind)
}

/// Where the secrets of the session are.
fn place_line(place: Place, output: &Output) -> String {
    output.say("session-place", "place", place.name())
}

/// Ends the session; with `everywhere` all others of the account before.
pub(crate) fn logout(computer: &Computer, everywhere: bool, output: &Output) -> Result<(), Failure> {
    let home = computer.home()?;
    let ended = match everywhere {
        true => end_others(&login::resume(home.clone(), clock())?.service)?,
        false => 0,
    };
    login::logout(home, clock())?;
    let line = match everywhere {
        true => output.texts.with("done-logout-everywhere", &[("count", Value::Number(ended))]),
        false => output.texts.get("done-logout"),
    };
    let value = if everywhere { json!({ "ended": ended }) } else { json!({}) };
    output.result(&value, [line])
}

pub(crate) fn password(computer: &Computer, command: PasswordCommand, output: &Output) -> Result<(), Failure> {
    match command {
        PasswordCommand::Change(args) => change(computer, &args, output),
        PasswordCommand::Reset(args) => reset(computer, args, output),
    }
}

fn change(computer: &Computer, args: &PasswordArgs, output: &Output) -> Result<(), Failure> {
    let home = computer.home()?;
    let answers = Answers { password: lines(args.password_fd)?, ..Answers::default() };
    let opened = with_person(output, answers, |around| Ok(password::change(&home, clock(), around)?))?;
    changed(opened, output)
}

fn changed(opened: Option<Opened>, output: &Output) -> Result<(), Failure> {
    let place = opened.into_iter().flat_map(|opened| place_lines(opened.placed, output));
    output.result(&json!({ "changed": true }), [output.texts.get("done-password")].into_iter().chain(place))
}

/// A forgotten password: the person shows with card and card PIN, or on a registered device, who she is, and chooses another
/// one; or a letter comes.
fn reset(computer: &Computer, args: ResetArgs, output: &Output) -> Result<(), Failure> {
    let whose = Whose::of(computer, args.service, args.kvnr, None)?;
    let answers = Answers { password: lines(args.password.password_fd)?, ..signing(&args.signing)? };
    if args.way.letter {
        let kvnr = whose.kvnr(output)?;
        with_person(output, answers, |around| Ok(reset::order_letter(&whose.home, &whose.service, kvnr, around)?))?;
        return output.result(&json!({ "asked": true }), [output.texts.get("done-reset-letter")]);
    }
    if args.way.card {
        let opened = with_person(output, answers, |around| {
            whose.with_card(&args.signing, output, around)?;
            Ok(password::change(&whose.home, clock(), around)?)
        })?;
        return changed(opened, output);
    }
    let kvnr = whose.kvnr(output)?;
    let opened = with_person(output, answers, |around| {
        let asked = reset::ask_device(&whose.home, &whose.service, kvnr, around)?;
        let values = [
            ("code", Value::Text(String::from(asked.match_code.clone()))),
            ("until", Value::Text(output.texts.moment(asked.expires_at))),
        ];
        let value = json!({ "match_code": asked.match_code, "expires_at": asked.expires_at });
        output.result(&value, [output.texts.with("reset-asked", &values)])?;
        reset::wait_for_approval(&whose.home, &whose.service, asked, &mut std::thread::sleep, around)?;
        Ok(password::choose_first(&whose.home, false, clock(), around)?)
    })?;
    changed(Some(opened), output)
}

pub(crate) fn sessions(computer: &Computer, command: Option<SessionsCommand>, output: &Output) -> Result<(), Failure> {
    let here = login::resume(computer.home()?, clock())?;
    match command.unwrap_or(SessionsCommand::List) {
        SessionsCommand::List => {
            let answer: SessionsAnswer = here.service.get("/v1/sessions")?;
            let place = here.home.place()?;
            let lines = answer.sessions.iter().map(|session| session_line(session, output));
            let lines: Vec<_> = lines.chain(place.map(|place| place_line(place, output))).collect();
            let mut value = serde_json::to_value(&answer).unwrap_or_default();
            if let Some(members) = value.as_object_mut() {
                members.insert("session_place".to_owned(), json!(place.map(Place::name)));
            }
            output.result(&value, lines)
        }
        SessionsCommand::End { id: Some(text), .. } => {
            let id: SessionId = id(&text)?;
            here.service.command(Method::DELETE, &format!("/v1/sessions/{id}"))?;
            ended(1, output)
        }
        SessionsCommand::End { id: None, .. } => ended(end_others(&here.service)?, output),
    }
}

fn ended(count: i64, output: &Output) -> Result<(), Failure> {
    let line = output.texts.with("done-sessions-ended", &[("count", Value::Number(count))]);
    output.result(&json!({ "ended": count }), [line])
}

/// Ends all sessions of the account but this one; how many there were. One that has ended meanwhile is no failure.
fn end_others(service: &Service) -> Result<i64, Failure> {
    let answer: SessionsAnswer = service.get("/v1/sessions")?;
    let mut count = 0;
    for session in answer.sessions.iter().filter(|session| !session.is_current) {
        match service.command(Method::DELETE, &format!("/v1/sessions/{}", session.session_id)) {
            Ok(()) => count += 1,
            Err(error) if error.is_refused_with("not_found") => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(count)
}

fn session_line(session: &SessionAnswer, output: &Output) -> String {
    let texts = &output.texts;
    let name = session.client_name.as_deref().or(session.client.as_deref());
    let name = name.map_or_else(|| texts.get("session-unnamed"), shown);
    // A program calls itself what it likes, in one line: this line is by the insurer alone.
    let client =
        session.client.as_deref().map(|client| format!("\n  {} {}", texts.get("session-through"), shown(client)));
    let own = if session.is_current { format!(" ({})", texts.get("this-session")) } else { String::new() };
    let method = texts.get(&format!("session-method-{}", session.method.as_str().replace('_', "-")));
    format!(
        "{name}{own}: {method}, {} {}, {} {}{}\n  {}",
        texts.get("word-since"),
        texts.moment(session.created),
        texts.get("label-last-used"),
        texts.moment(session.last_used),
        client.unwrap_or_default(),
        session.session_id,
    )
}
