//! `card pin`: the PIN of the health card, without any account.

use kartenbund::client::card_pin::{self, Unblocked};
use kartenbund::egk::PinStatus;
use kartenbund::reader::pcsc::Sharing;
use kartenbund::ui::failure::{Failure, Value};
use kartenbund::ui::terminal::Answers;
use serde_json::json;

use crate::account::{pins, with_person};
use crate::args::PinCommand;
use crate::cards::{can, length, with_card, without_pin};
use crate::output::Output;

pub(crate) fn run(command: PinCommand, output: &Output) -> Result<(), Failure> {
    match command {
        PinCommand::Status(card) => {
            let status = without_pin(&card, output, |egk| egk.pin_status())?;
            let (state, tries) = match status {
                PinStatus::Usable(tries) => ("usable", Some(tries.left())),
                PinStatus::Blocked => ("blocked", Some(0)),
                PinStatus::AlreadyVerified => ("verified", None),
                PinStatus::TransportPin => ("transport_pin", None),
                PinStatus::EmptyPin => ("empty_pin", None),
                PinStatus::Disabled => ("disabled", None),
            };
            let id = format!("pin-status-{}", state.replace('_', "-"));
            let line = output.texts.with(&id, &[("tries", Value::Number(i64::from(tries.unwrap_or_default())))]);
            output.result(&json!({ "state": state, "tries_left": tries }), [line])
        }
        PinCommand::Change { card, pin, allow_last_try, no_keypad } => {
            let answers = Answers { can: can(&card), allow_last_try, no_keypad, ..pins(&pin)? };
            with_person(output, answers, |around| {
                with_card(&card, output, Sharing::Exclusive, |channel| {
                    Ok(card_pin::change(channel, length(&card), around)?)
                })
            })?;
            output.result(&json!({ "changed": true }), [output.texts.get("done-pin-changed")])
        }
        PinCommand::Unblock { card, pin, keep_pin, no_keypad } => {
            let answers = Answers { can: can(&card), no_keypad, ..pins(&pin)? };
            let outcome = with_person(output, answers, |around| {
                with_card(&card, output, Sharing::Exclusive, |channel| {
                    Ok(card_pin::unblock(channel, length(&card), keep_pin, around)?)
                })
            })?;
            let (unblocked, text) = match outcome {
                Unblocked::Done => (true, "done-pin-unblocked"),
                Unblocked::NotNeeded => (false, "done-pin-not-blocked"),
            };
            output.result(&json!({ "unblocked": unblocked }), [output.texts.get(text)])
        }
    }
}
