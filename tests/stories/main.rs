//! What people do: register, approve, deny, get it wrong, lose the line; over HTTP with the real client.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod account;
mod account_states;
mod account_table;
mod approvals;
mod audit;
mod broken;
mod card_login;
mod card_pin;
mod chip;
mod contactless;
mod delivery;
mod device_additions;
mod device_codes;
mod device_login;
mod device_pin;
mod devices;
mod earlier_versions;
mod five_devices;
mod hostile_reader;
mod ident;
mod keypad;
mod kinds;
mod letters;
mod logins;
mod lost_card;
mod not_me;
mod notice_kinds;
mod notices;
mod old_cards;
mod old_device_files;
mod passwords;
mod pulled;
mod rebinding;
mod recovery;
mod register;
mod registering;
mod removals;
mod reset;
mod revocation;
mod scenario_files;
mod scenarios;
mod screen_codes;
mod service_keys;
mod sessions;
mod stolen_keys;
mod timing;
mod trust_lists;
mod watch;
mod watch_connections;
mod web_branch;
mod web_login;

pub(crate) use common::*;
use kartenbund::apdu::{CommandApdu, ResponseApdu, StatusWord};
use kartenbund::client::approve::{ApproveError, decide};
use kartenbund::client::card_pin::PinRefusal;
use kartenbund::client::home::{Binding, Device, Home, HomeError};
use kartenbund::client::login::{self, LoginError};
use kartenbund::client::pin::PinError;
use kartenbund::client::register::{CardRefusal, RegisterError, Wish};
use kartenbund::client::service::ServiceError;
use kartenbund::client::{Notice, Step};
use kartenbund::egk::{ApduLength, EgkError};
use kartenbund::protocol::BindingLevel;
use kartenbund::protocol::api::{
    ApplicationAnswer, ApprovalAnswer, ApprovalsAnswer, DecisionAnswer, LoginRequest, PasswordRequest,
};
use kartenbund::protocol::approval::Verdict;
use kartenbund::protocol::evidence::{Bundle, LinkName, LinkResult, RestsOn};
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::secret::Can;
use kartenbund::server::{ImportError, PasswordCost};
use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::personalise::Blueprint;
use reqwest::Method;
use serde_json::json;

/// Counts commands, and pulls the card at the one it is told to.
pub(crate) struct Watched<'a> {
    pub(crate) card: &'a mut VirtualCard,
    pub(crate) sent: Vec<[u8; 4]>,
    pub(crate) pull_at: Option<usize>,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(card: &'a mut VirtualCard) -> Self {
        Self { card, sent: Vec::new(), pull_at: None }
    }

    pub(crate) fn verifies(&self) -> usize {
        self.sent.iter().filter(|header| (header[0] & 0xF3, header[1]) == (0x00, 0x20)).count()
    }
}

impl CardChannel for Watched<'_> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        if self.pull_at == Some(self.sent.len()) {
            self.card.reset();
            return Err(ChannelError::Removed);
        }
        self.sent.push(command.header());
        self.card.transmit(command)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        CardChannel::reset(self.card)
    }
}

/// Nobody may ask the card anything.
pub(crate) struct NoCard;

impl CardChannel for NoCard {
    fn transmit(&mut self, _: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        panic!("the card is not needed");
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        Ok(())
    }
}

pub(crate) fn tries_left(card: &mut VirtualCard) -> String {
    CardChannel::reset(card).unwrap();
    hex::encode(card.execute(&[0x80, 0x20, 0x00, 0x02]))
}

pub(crate) fn approve(
    computer: &Computer,
    accepted: &kartenbund::protocol::api::ApplicationAccepted,
) -> DecisionAnswer {
    let mut script = Script::with_code(&accepted.match_code);
    computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around)).unwrap()
}

/// What the service says to a login that it refuses: the code and the detail.
pub(crate) fn refused_login(world: &World, person: &str, password: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    match world.try_log_in(folder.path(), person, password) {
        Err(LoginError::Service(ServiceError::Refused { code, detail, .. })) => (code, detail.unwrap_or_default()),
        other => panic!("the service must refuse, but: {:?}", other.map(drop)),
    }
}

pub(crate) fn code(code: &str) -> (String, String) {
    (code.to_owned(), String::new())
}

pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> String {
    match result {
        Err(ServiceError::Refused { code, .. }) => code,
        other => panic!("the service must refuse, but: {other:?}"),
    }
}

pub(crate) const CHOSEN: &str = "drei grüne Äpfel im Mai";

/// Sets the password, with the old one where that is needed; or the code of the refusal and its detail.
pub(crate) fn change_password(computer: &Computer, old: Option<&str>, new: &str) -> Result<(), (String, String)> {
    let request = PasswordRequest { old: old.map(typed), new: typed(new) };
    match computer.here.service.submit(Method::PUT, "/v1/password", &request) {
        Ok(()) => Ok(()),
        Err(ServiceError::Refused { code, detail, .. }) => Err((code, detail.unwrap_or_default())),
        Err(other) => panic!("{other}"),
    }
}

/// Chooses a password where the old one is not needed.
pub(crate) fn set_password(computer: &Computer, new: &str) -> Result<(), ServiceError> {
    computer.here.service.submit(Method::PUT, "/v1/password", &json!({"new": new}))
}
