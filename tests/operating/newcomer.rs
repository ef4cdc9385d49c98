//! People who register a computer with their card, mistype and change its PIN, and decide what they have applied for; one
//! after the other, at a service that is killed again and again.

use kartenbund::client::approve::{ApproveError, decide};
use kartenbund::client::home::Home;
use kartenbund::client::login::{self, LoggedIn, LoginError};
use kartenbund::client::pin::{PinError, change, unlock};
use kartenbund::client::register::{RegisterError, register};
use kartenbund::client::service::{Service, ServiceError};
use kartenbund::client::{Notice, Surroundings};
use kartenbund::protocol::ApprovalId;
use kartenbund::protocol::api::{ApplicationAccepted, ApprovalAnswer, DevicesAnswer};
use kartenbund::protocol::approval::Verdict;
use kartenbund::ui::failure::{Failure, Kind};
use reqwest::Method;

use crate::common::{DEVICE_PIN, PASSWORD, Script, card, kvnr, new_address, number, rng, wish};
use crate::decisions::Taken;
use crate::people::{Client, Line, Told, now};

const WRONG_PIN: &str = "384710";
const OTHER_PIN: &str = "141421";

/// What comes next for this person.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    LogIn,
    Register,
    Apply,
    Decide,
    Mistype,
    ChangePin,
}

/// In this order; then it is the next person's turn.
const PLAN: [Next; 11] = [
    Next::LogIn,
    Next::Register,
    Next::Mistype,
    Next::Mistype,
    Next::Apply,
    Next::Decide,
    Next::ChangePin,
    Next::Mistype,
    Next::Mistype,
    Next::Apply,
    Next::Decide,
];

pub(crate) struct Newcomer {
    url: String,
    /// Number of the person.
    person: usize,
    place: usize,
    folder: tempfile::TempDir,
    here: Option<LoggedIn>,
    pin: &'static str,
    /// Wrong PINs since the right one.
    wrong: Told,
    waiting: Option<ApplicationAccepted>,
    /// What was decided, with the state of its approval.
    decided: Vec<(ApprovalId, &'static str)>,
    /// The step whose answer got lost.
    open: Option<Next>,
    pub(crate) registered: usize,
    /// Of all persons.
    pub(crate) taken: Vec<Taken>,
}

impl Newcomer {
    /// From person number `first` on, each of whom has a password.
    pub(crate) fn new(url: &str, first: usize) -> Self {
        Self {
            url: url.to_owned(),
            person: first,
            place: 0,
            folder: tempfile::tempdir().unwrap(),
            here: None,
            pin: DEVICE_PIN,
            wrong: Told::default(),
            waiting: None,
            decided: Vec::new(),
            open: None,
            registered: 0,
            taken: Vec::new(),
        }
    }

    fn with<T>(&self, script: &mut Script, work: impl FnOnce(&mut Surroundings<'_>) -> T) -> T {
        work(&mut Surroundings { ui: script, rng: &mut rng(), clock: &now })
    }

    fn here(&self) -> &LoggedIn {
        self.here.as_ref().unwrap()
    }

    /// `true` when it was done, `false` when the line broke.
    fn try_to(&mut self, what: Next) -> bool {
        let done: Result<(), Failure> = match what {
            Next::LogIn => self.log_in().map_err(Into::into),
            Next::Register => self.register().map_err(Into::into),
            Next::Apply => self.apply().map_err(Into::into),
            Next::Decide => self.decide().map_err(Into::into),
            Next::Mistype => self.mistype().map_err(Into::into),
            Next::ChangePin => self.change_pin().map_err(Into::into),
        };
        match done {
            Ok(()) => true,
            // The line broke, before the answer or within it.
            Err(failure) if matches!(failure.kind, Kind::ServiceUnreachable | Kind::ServiceAnswer) => {
                match what {
                    Next::Mistype => self.wrong.lost += 1, // it may have been counted
                    // The right PIN, which counts until it is confirmed: then nothing does.
                    Next::Decide | Next::ChangePin => {
                        let Told { answered, lost } = self.wrong;
                        self.wrong = Told { answered: 0, lost: answered + lost + 1 };
                    }
                    Next::LogIn | Next::Register | Next::Apply => {}
                }
                false
            }
            Err(failure) => panic!("{} at {}: {what:?}: {failure:?}", number(self.person), self.place),
        }
    }

    fn log_in(&mut self) -> Result<(), LoginError> {
        let home = Home::at(self.folder.path().join(number(self.person)));
        let mut script = Script { password: Some(PASSWORD.to_owned()), ..Script::default() };
        let service = Service::at(&self.url)?;
        self.with(&mut script, |around| login::login(&home, &service, kvnr(&number(self.person)), around))?;
        self.here = Some(login::resume(home, std::sync::Arc::new(now))?);
        Ok(())
    }

    fn register(&mut self) -> Result<(), RegisterError> {
        let bound = self
            .with(&mut Script::default(), |around| register(self.here(), card(&number(self.person)), &wish(), around));
        match bound {
            Ok(_) | Err(RegisterError::AlreadyRegistered) => self.registered += 1,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn apply(&mut self) -> Result<(), ServiceError> {
        self.waiting = Some(self.here().service.call(Method::POST, "/v1/applications", &new_address())?);
        Ok(())
    }

    fn decide(&mut self) -> Result<(), ApproveError> {
        let waiting = self.waiting.as_ref().unwrap();
        let (verdict, state) =
            if self.decided.is_empty() { (Verdict::Approve, "approved") } else { (Verdict::Deny, "denied") };
        let mut script = Script { device_pin: self.pin, ..Script::with_code(&waiting.match_code) };
        let taken = self.with(&mut script, |around| decide(self.here(), waiting.approval_id, verdict, around))?;
        assert_eq!(taken.verdict, verdict);
        let ApplicationAccepted { approval_id, application_id, .. } = *waiting;
        let event = if verdict == Verdict::Approve { "application.approved" } else { "application.denied" };
        self.decided.push((approval_id, state));
        self.taken.push(Taken { approval_id, application_id, event, receipt: taken.receipt, decision: None });
        self.note_right_pin(&script);
        Ok(())
    }

    fn mistype(&mut self) -> Result<(), PinError> {
        let mut script = Script { device_pin: WRONG_PIN, ..Script::default() };
        match self.with(&mut script, |around| unlock(self.here(), 0, around)) {
            Err(PinError::Wrong { tries_left: Some(left) }) => {
                self.wrong.answered += 1;
                let counted = 5 - left;
                assert!(
                    (self.wrong.answered..=self.wrong.answered + self.wrong.lost).contains(&counted),
                    "a counter went back: {:?}, and {left} are left",
                    self.wrong
                );
                Ok(())
            }
            Err(error) => Err(error),
            Ok(_) => panic!("a wrong PIN opens the key"),
        }
    }

    fn change_pin(&mut self) -> Result<(), PinError> {
        let new = if self.pin == DEVICE_PIN { OTHER_PIN } else { DEVICE_PIN };
        let mut script = Script { device_pin: self.pin, new_device_pins: [new].into(), ..Script::default() };
        self.with(&mut script, |around| change(self.here(), around))?;
        self.pin = new;
        self.note_right_pin(&script);
        Ok(())
    }

    /// The right PIN is told how many wrong ones there were before it: those that were answered, and no more than those that
    /// may have been counted.
    fn note_right_pin(&mut self, script: &Script) {
        let told = script.notices.iter().find_map(|notice| match notice {
            Notice::WrongDevicePins { tries } => Some(*tries),
            _ => None,
        });
        let told = told.unwrap_or_default();
        let Told { answered, lost } = std::mem::take(&mut self.wrong);
        assert!((answered..=answered + lost).contains(&told), "{told} of {answered} and {lost}");
    }

    fn right_pin(&mut self) -> bool {
        let mut script = Script { device_pin: self.pin, ..Script::default() };
        match self.with(&mut script, |around| unlock(self.here(), 0, around)) {
            Ok(_) => {
                self.note_right_pin(&script);
                true
            }
            Err(PinError::Wrong { .. }) => {
                self.wrong.answered += 1;
                false
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    fn next_person(&mut self) {
        let next = Self::new(&self.url, self.person + 1);
        let before = std::mem::replace(self, next);
        (self.registered, self.taken) = (before.registered, before.taken);
    }

    /// Everything that was told of this person still holds.
    fn check(&self) {
        for (id, state) in &self.decided {
            let answer: ApprovalAnswer = self.here().service.get(&format!("/v1/approvals/{id}")).unwrap();
            assert_eq!(answer.approval.state, *state, "what was decided is decided");
        }
        if self.place > 1 {
            let devices = self.here().service.get::<DevicesAnswer>("/v1/devices").unwrap().devices;
            assert_eq!(devices.iter().map(|device| device.state.as_str()).collect::<Vec<_>>(), ["active"]);
        }
    }
}

impl Client for Newcomer {
    fn step(&mut self, _: &Line) -> bool {
        let Some(next) = PLAN.get(self.place).copied() else {
            // What is told of this person is looked at when the service is up for sure.
            self.next_person();
            return true;
        };
        if self.try_to(next) {
            self.place += 1;
            true
        } else {
            self.open = Some(next);
            false
        }
    }

    fn look_back(&mut self, _: &Line) {
        // What was counted before the kill is counted after it; two tries are left for a right PIN whose answer gets lost.
        let Told { answered, lost } = self.wrong;
        if answered > 0 && answered + lost < 3 {
            self.mistype().unwrap();
        }
        match self.open.take() {
            None => {}
            Some(Next::ChangePin) => {
                // The old one, or the new one: whichever file is there, the service has its share.
                if !self.right_pin() {
                    self.pin = if self.pin == DEVICE_PIN { OTHER_PIN } else { DEVICE_PIN };
                    assert!(self.right_pin(), "neither the old PIN nor the new one opens the key");
                }
                self.place += 1;
            }
            Some(Next::Mistype) => assert!(self.right_pin()),
            // Whatever became of it, asked for again it is done, and once.
            Some(step) => {
                assert!(self.try_to(step), "the service is up");
                self.place += 1;
            }
        }
        if self.here.is_some() {
            self.check();
        }
    }
}
