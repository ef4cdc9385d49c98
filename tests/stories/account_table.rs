//! Every row of the table of accounts, caused from outside; and what stands in none changes nothing.

use std::cell::Cell;

use kartenbund::client::card_login::CardLoginError;
use kartenbund::protocol::api::TokenAnswer;
use kartenbund::server::{Code, Ordered, transitions};

use super::*;
use crate::common::provider::{self, ISSUER, Provider};

const DAY: i64 = 24 * 60 * 60;

/// Erika, her account in some state, and what somebody has who can move it.
struct Erika {
    world: World,
    provider: Provider,
    /// A session, where there can be one.
    computer: Option<Computer>,
    /// An initial password that was not used yet, where there can be one.
    letter: Option<String>,
    folders: Cell<u32>,
}

impl Erika {
    fn registered() -> Self {
        let provider = Provider::new();
        let world = World::trusting(vec![provider.trusted_as(ISSUER)]);
        assert_eq!(world.import_report(&register_of(&[ERIKA])).imported, 1);
        Self { world, provider, computer: None, letter: None, folders: Cell::new(0) }
    }

    fn with_password() -> Self {
        let provider = Provider::new();
        let world = World::trusting(vec![provider.trusted_as(ISSUER)]);
        world.member(ERIKA);
        Self { world, provider, computer: None, letter: None, folders: Cell::new(0) }
    }

    /// Her account in this state.
    fn in_state(state: &str) -> Self {
        let mut erika = Self::registered();
        match state {
            "registered" => {}
            "letter_ordered" => erika.get_letter(),
            "initial_login" => {
                erika.get_letter();
                erika.computer = Some(erika.log_in(erika.letter.as_ref().unwrap()).unwrap());
                erika.get_letter();
            }
            "ident_pending" => {
                erika.computer = Some(erika.identify().unwrap());
                erika.get_letter();
            }
            "active" | "reset_pending" => {
                assert_eq!(erika.world.order_letter(ERIKA), Ok(Ordered::Yes));
                erika.computer = Some(erika.show_card().unwrap());
                erika.letter = erika.world.create_letters().1.pop().map(|(_, password)| password);
                if state == "reset_pending" {
                    erika.get_letter();
                }
            }
            "suspended" => {
                erika = Self::in_state("active");
                erika.world.suspend(ERIKA).unwrap();
            }
            "closed" => {
                erika = Self::with_password();
                erika.end_membership();
                erika.computer = Some(erika.log_in(PASSWORD).unwrap());
            }
            other => panic!("no way into {other}"),
        }
        assert_eq!(erika.world.state_of(ERIKA), state);
        erika
    }

    fn get_letter(&mut self) {
        self.world.order_letter(ERIKA).map(drop).unwrap();
        self.letter = self.world.create_letters().1.pop().map(|(_, password)| password);
        assert!(self.letter.is_some());
    }

    fn folder(&self) -> String {
        self.folders.set(self.folders.get() + 1);
        format!("computer-{}", self.folders.get())
    }

    fn log_in(&self, password: &str) -> Result<Computer, LoginError> {
        self.world.try_log_in(&self.world.folder.path().join(self.folder()), ERIKA, password)
    }

    fn show_card(&self) -> Result<Computer, CardLoginError> {
        card_login::log_in_as(&self.world, &self.folder(), None, card(ERIKA), &mut Script::default())
    }

    fn identify(&self) -> Result<Computer, ServiceError> {
        let mut claims = provider::claims(&self.world);
        claims["jti"] = json!(self.folder());
        let person = self.world.stranger();
        let statement = json!({"statement": self.provider.state(&claims)});
        let tokens: TokenAnswer = person.ask("/v1/ident", &statement)?;
        Ok(person.holding(&self.world, tokens))
    }

    /// The register says that it is over, and time passes.
    fn end_membership(&self) {
        let today = time::OffsetDateTime::from_unix_timestamp(self.world.clock.now()).unwrap().date();
        self.set_membership_end(&today.to_string());
        self.world.clock.advance(33 * DAY);
        self.world.wait_until("the account is closed", || self.world.state_of(ERIKA) == "closed");
    }

    fn set_membership_end(&self, last: &str) {
        let header = HEADER.trim_end().to_owned() + ",membership_end\n";
        let row = format!("{ERIKA},Erika,Mustermann,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,{last}\n");
        assert_eq!(self.world.import_report(&(header + &row)).changed, 1);
    }

    /// Does what causes `event`, and hears what is said to it: `ok`, or the code of the refusal. `None` when there is
    /// nothing to try.
    fn cause(&self, event: &str) -> Option<String> {
        let operator =
            |answer: Result<(), Code>| answer.map_or_else(|code| code.as_str().to_owned(), |()| "ok".to_owned());
        Some(match event {
            "account.letter_ordered" | "account.reset_ordered" => match self.world.order_letter(ERIKA) {
                Ok(Ordered::Yes | Ordered::Already) => "ok".to_owned(),
                Ok(Ordered::NotNow) => Code::AccountState.as_str().to_owned(),
                other => format!("{other:?}"),
            },
            "account.initial_password_used" => said(self.log_in(self.letter.as_ref()?)),
            "account.identified" => said(self.identify().map_err(LoginError::Service)),
            "account.password_set" => {
                let mut request = json!({"new": CHOSEN});
                if self.world.state_of(ERIKA) == "closed" {
                    request["old"] = json!(PASSWORD);
                }
                let service = &self.computer.as_ref()?.here.service;
                said(service.submit(Method::PUT, "/v1/password", &request).map_err(LoginError::Service))
            }
            "account.opened_by_card" => match self.show_card() {
                Err(CardLoginError::Login(error)) => said::<()>(Err(error)),
                other => other.map(|_| "ok".to_owned()).unwrap(),
            },
            "account.password_stolen" => operator(self.world.report_stolen(ERIKA)),
            "account.suspended" => operator(self.world.suspend(ERIKA)),
            "account.resumed" => operator(self.world.resume(ERIKA)),
            "account.closed" => {
                self.end_membership();
                "ok".to_owned()
            }
            "account.reopened" | "account.readmitted" => {
                let is_closed = || self.world.state_of(ERIKA) == "closed";
                if !is_closed() {
                    return None;
                }
                self.set_membership_end("");
                self.world.wait_until("the account is open again", || !is_closed());
                "ok".to_owned()
            }
            other => panic!("nobody knows how to cause {other}"),
        })
    }
}

fn said<T>(answer: Result<T, LoginError>) -> String {
    match answer {
        Ok(_) => "ok".to_owned(),
        Err(LoginError::Service(ServiceError::Refused { code, .. })) => code,
        Err(other) => panic!("{other}"),
    }
}

/// Where a row begins: in its state, with what decides between two rows of one event.
fn begin(from: &str, event: &str, to: &str) -> Erika {
    match (from, event, to) {
        ("suspended", "account.resumed", before) => {
            let erika = Erika::in_state(before);
            erika.world.suspend(ERIKA).unwrap();
            erika
        }
        ("closed", "account.reopened", "suspended") | ("closed", "account.resumed", "closed") => {
            let erika = Erika::with_password();
            erika.world.suspend(ERIKA).unwrap();
            erika.end_membership();
            erika
        }
        ("closed", "account.readmitted", _) => {
            let erika = Erika::registered();
            if to == "suspended" {
                erika.world.suspend(ERIKA).unwrap();
            }
            erika.end_membership();
            erika
        }
        _ => Erika::in_state(from),
    }
}

/// All rows that begin in a state, and everything else that could be tried there.
fn every_row_from(from: &str) {
    let rows: Vec<_> = transitions().into_iter().filter(|[kind, ..]| *kind == "account").collect();
    for [_, _, event, to] in rows.iter().filter(|row| row[1] == from) {
        let erika = begin(from, event, to);
        let before = erika.world.audited(event);
        assert_eq!(erika.cause(event).as_deref(), Some("ok"), "{from}: {event}");
        assert_eq!(erika.world.state_of(ERIKA), *to, "{from}: {event}");
        assert_eq!(erika.world.audited(event), before + 1, "{from}: {event} is in the audit");
    }
    let events: std::collections::BTreeSet<_> = rows.iter().map(|row| row[2]).collect();
    let erika = Erika::in_state(from);
    for event in events.iter().filter(|event| !rows.iter().any(|row| row[1] == from && row[2] == **event)) {
        // Ordering a letter is one deed with two events.
        let twin = if *event == "account.reset_ordered" { "account.letter_ordered" } else { "account.reset_ordered" };
        if event.ends_with("_ordered") && rows.iter().any(|row| row[1] == from && row[2] == twin) {
            continue;
        }
        if *event == "account.closed" {
            continue; // it is closed already
        }
        let before = erika.world.audited(event);
        let short = event.trim_start_matches("account.");
        let refused = REFUSED.lines().find_map(|row| row.strip_prefix(&format!("{from} {short} ")));
        assert_eq!(erika.cause(event).as_deref(), refused, "{from} {short}");
        assert_eq!(erika.world.state_of(ERIKA), from, "{event} changes nothing");
        assert_eq!(erika.world.audited(event), before, "{event} did not happen");
    }
}

macro_rules! states {
    ($($test:ident: $state:literal,)*) => {
        const STATES: &[&str] = &[$($state),*];
        $(#[test] fn $test() { every_row_from($state); })*
    };
}

states! {
    what_becomes_of_an_account_in_the_register: "registered",
    what_becomes_of_an_account_whose_letter_is_on_its_way: "letter_ordered",
    what_becomes_of_an_account_after_the_first_login: "initial_login",
    what_becomes_of_an_account_of_somebody_identified_elsewhere: "ident_pending",
    what_becomes_of_an_open_account: "active",
    what_becomes_of_an_account_whose_password_is_replaced: "reset_pending",
    what_becomes_of_a_suspended_account: "suspended",
    what_becomes_of_a_closed_account: "closed",
}

/// In each state: what may happen, and where it leads.
const TABLE: &str = "
registered     closed                 closed
registered     identified             ident_pending
registered     letter_ordered         letter_ordered
registered     opened_by_card         active
registered     password_stolen        registered
registered     suspended              suspended
letter_ordered closed                 closed
letter_ordered identified             ident_pending
letter_ordered initial_password_used  initial_login
letter_ordered letter_ordered         letter_ordered
letter_ordered opened_by_card         active
letter_ordered password_stolen        registered
letter_ordered suspended              suspended
initial_login  closed                 closed
initial_login  identified             ident_pending
initial_login  initial_password_used  initial_login
initial_login  letter_ordered         initial_login
initial_login  opened_by_card         active
initial_login  password_set           active
initial_login  password_stolen        registered
initial_login  suspended              suspended
ident_pending  closed                 closed
ident_pending  identified             ident_pending
ident_pending  initial_password_used  initial_login
ident_pending  letter_ordered         ident_pending
ident_pending  opened_by_card         active
ident_pending  password_set           active
ident_pending  password_stolen        registered
ident_pending  suspended              suspended
active         closed                 closed
active         identified             reset_pending
active         initial_password_used  reset_pending
active         password_set           active
active         password_stolen        reset_pending
active         reset_ordered          reset_pending
active         suspended              suspended
reset_pending  closed                 closed
reset_pending  identified             reset_pending
reset_pending  initial_password_used  reset_pending
reset_pending  password_set           active
reset_pending  password_stolen        reset_pending
reset_pending  reset_ordered          reset_pending
reset_pending  suspended              suspended
suspended      closed                 closed
suspended      password_stolen        suspended
suspended      resumed                active
suspended      resumed                ident_pending
suspended      resumed                initial_login
suspended      resumed                letter_ordered
suspended      resumed                registered
suspended      resumed                reset_pending
closed         password_stolen        closed
closed         readmitted             registered
closed         readmitted             suspended
closed         reopened               active
closed         reopened               suspended
closed         resumed                closed
";

/// In each state: what is tried and does not happen, and what is said to it. A card (`ok`) logs in to an account that is
/// open already. What stands neither here nor above has nobody who could try it.
const REFUSED: &str = "
active opened_by_card ok
active resumed account_state
closed identified account_state
closed letter_ordered account_state
closed opened_by_card ok
closed password_set account_closed
closed reset_ordered account_state
closed suspended account_state
ident_pending resumed account_state
initial_login resumed account_state
letter_ordered resumed account_state
registered resumed account_state
reset_pending opened_by_card ok
reset_pending resumed account_state
suspended identified account_suspended
suspended initial_password_used account_suspended
suspended letter_ordered account_state
suspended opened_by_card account_suspended
suspended password_set session_ended
suspended reset_ordered account_state
suspended suspended account_state
";

#[test]
fn no_row_comes_and_none_goes_unseen() {
    let rows = transitions().into_iter().filter(|[kind, ..]| *kind == "account");
    let mut found: Vec<_> = rows.map(|[_, from, event, to]| [from, event.trim_start_matches("account."), to]).collect();
    let row = |line: &'static str| line.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
    let mut expected: Vec<[&str; 3]> = TABLE.lines().filter(|line| !line.is_empty()).map(row).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(expected.iter().all(|[from, ..]| STATES.contains(from)), "each has a story above");
}

#[test]
fn what_was_stolen_meanwhile_is_not_back_when_the_account_is_resumed() {
    for (before, after) in [("letter_ordered", "registered"), ("active", "reset_pending")] {
        let erika = Erika::in_state(before);
        erika.world.suspend(ERIKA).unwrap();
        erika.world.report_stolen(ERIKA).unwrap();
        erika.world.resume(ERIKA).unwrap();
        assert_eq!(erika.world.state_of(ERIKA), after, "{before}");
    }
}

#[test]
fn a_suspended_account_is_not_read_when_it_closes_and_is_suspended_when_it_opens_again() {
    let erika = Erika::with_password();
    erika.world.suspend(ERIKA).unwrap();
    erika.end_membership();
    assert_eq!(refused_login(&erika.world, ERIKA, PASSWORD).0, "account_suspended");
    erika.set_membership_end("");
    erika.world.wait_until("it is suspended", || erika.world.state_of(ERIKA) == "suspended");
    assert_eq!(refused_login(&erika.world, ERIKA, PASSWORD).0, "account_suspended");
    erika.world.resume(ERIKA).unwrap();
    assert_eq!(erika.world.state_of(ERIKA), "active");
    erika.log_in(PASSWORD).unwrap();
}

#[test]
fn a_closed_account_that_was_suspended_can_be_read_when_that_is_over() {
    let erika = Erika::with_password();
    erika.world.suspend(ERIKA).unwrap();
    erika.end_membership();
    erika.world.resume(ERIKA).unwrap();
    assert_eq!(erika.world.resume(ERIKA), Err(Code::AccountState), "once");
    erika.log_in(PASSWORD).unwrap();
}
