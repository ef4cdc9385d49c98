//! `devices code`: a code on the screen with which another computer is registered.

use std::io::{self, IsTerminal as _};

use kartenbund::client::card_login::login_with_card;
use kartenbund::client::device_login::login_with_device;
use kartenbund::client::home::Home;
use kartenbund::client::service::Service;
use kartenbund::client::{login, qr};
use kartenbund::protocol::NumericDate;
use kartenbund::reader::pcsc::Sharing;
use kartenbund::secret::SecretText;
use kartenbund::ui::document;
use kartenbund::ui::failure::{Failure, Value};
use kartenbund::ui::symbol::TerminalSymbol;
use serde::Serialize;

use crate::account::{clock, pins, signing, with_person};
use crate::args::ScreenCodeArgs;
use crate::cards::{length, with_card};
use crate::output::Output;

/// What is shown, for scripts.
#[derive(Serialize)]
struct ScreenCode<'a> {
    code: &'a SecretText,
    groups: &'a SecretText,
    expires_at: NumericDate,
}

/// Logs in with this computer's device and its PIN, or with card and card PIN, and shows a code. Who is logged in with the
/// password logs in anew: the password is what the other computer shows.
pub(crate) fn show(home: Home, args: &ScreenCodeArgs, output: &Output) -> Result<(), Failure> {
    let profile = home.profile()?;
    let service = Service::at(&profile.service)?;
    let card = &args.signing.card;
    let by_card = args.card || card.reader.is_some() || card.virtual_card.is_some();
    let answers = if by_card { signing(&args.signing)? } else { pins(&args.signing.pin)? };
    let (code, expires_at) = with_person(output, answers, |around| {
        if by_card {
            with_card(card, output, Sharing::Exclusive, |channel| {
                Ok(login_with_card(&home, &service, Some(&profile.kvnr), channel, length(card), around)?)
            })?;
        } else {
            login_with_device(&home, service, around)?;
        }
        let here = login::resume(home.clone(), clock())?;
        Ok(qr::draw(&here, around)?)
    })?;

    let (symbol, groups) = (code.text(), code.groups());
    let stdout = io::stdout();
    // Without a terminal nobody sees it, and a screen reader reads the groups.
    let is_wanted = !output.json && !args.no_picture && stdout.is_terminal();
    let picture = is_wanted.then(|| TerminalSymbol::of(&symbol, document::width(&stdout))).flatten();
    if let Some(picture) = &picture {
        output.picture(picture)?;
    }
    output.secret("screen-code-groups", &groups)?;
    let values = [("until", Value::Text(output.texts.moment(expires_at))), ("service", Value::Text(profile.service))];
    let of_picture = match (picture, is_wanted) {
        (Some(_), _) => Some("screen-code-photo"),
        (None, true) => Some("screen-code-narrow"),
        (None, false) => None,
    };
    let lines = ["screen-code-how"].into_iter().chain(of_picture).chain(["screen-code-warning"]);
    let value = ScreenCode { code: &symbol, groups: &groups, expires_at };
    output.result(&value, lines.map(|id| output.texts.with(id, &values)))
}
