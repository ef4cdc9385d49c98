//! `login`, `logout`, `password`, `sessions`: how a person comes in and goes, here and elsewhere.

use kartenbund::client::home::{HomeError, Place, Placed};
use kartenbund::client::login;
use kartenbund::client::password;
use kartenbund::client::service::Service;
use kartenbund::protocol::SessionId;
use kartenbund::protocol::api::{SessionAnswer, SessionsAnswer};
use kartenbund::secret::SecretText;
use kartenbund::ui::failure::{Failure, Value};
use kartenbund::ui::numbers::insurance_number;
use kartenbund::ui::terminal::{Answers, Terminal};
use kartenbund::ui::text::shown;
use reqwest::Method;
use serde_json::json;

use crate::account::{clock, id, lines, with_person};
use crate::args::{LoginArgs, PasswordArgs, PasswordCommand, SessionsCommand};
use crate::computer::Computer;
use crate::output::Output;

pub(crate) fn login(computer: &Computer, args: LoginArgs, output: &Output) -> Result<(), Failure> {
    let home = computer.home_for_login()?;
    let before = match home.profile() {
        Ok(profile) => Some(profile),
        Err(HomeError::NoProfile) => None,
        Err(error) => return Err(error.into()),
    };
    let address = args.service.or_else(|| before.as_ref().map(|profile| profile.service.clone()));
    let service = Service::at(&address.ok_or(HomeError::NoProfile)?)?;
    let kvnr = match (&args.kvnr, before) {
        (Some(typed), _) => insurance_number(&SecretText::new(typed.clone()))?,
        (None, Some(profile)) => profile.kvnr,
        (None, None) => Terminal::new(&output.texts, Answers::default()).kvnr()?,
    };
    let answers = Answers { password: lines(args.password_fd)?, ..Answers::default() };
    let (profile, placed, is_new) = with_person(output, answers, |around| {
        let (profile, opened) = login::login(&home, &service, kvnr, around)?;
        match opened.must_change_password {
            true => Ok((profile, password::choose_first(&home, true, clock(), around)?.placed, true)),
            false => Ok((profile, opened.placed, false)),
        }
    })?;
    let thumbprint = profile.service_key.thumbprint().to_string();
    let chosen = is_new.then(|| output.texts.get("done-password-first"));
    let lines = [output.say("done-login", "insurer", profile.insurer.clone())];
    output.result(
        &json!({
            "service": profile.service, "insurer": profile.insurer, "service_key": profile.service_key,
            "service_key_thumbprint": thumbprint, "session_place": placed.place.name(),
            "password_chosen": is_new,
        }),
        chosen.into_iter().chain(lines).chain(place_lines(placed, output)),
    )
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
    }
}

fn change(computer: &Computer, args: &PasswordArgs, output: &Output) -> Result<(), Failure> {
    let home = computer.home()?;
    let answers = Answers { password: lines(args.password_fd)?, ..Answers::default() };
    let opened = with_person(output, answers, |around| Ok(password::change(&home, clock(), around)?))?;
    let place = opened.into_iter().flat_map(|opened| place_lines(opened.placed, output));
    output.result(&json!({ "changed": true }), [output.texts.get("done-password")].into_iter().chain(place))
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
