//! People at a service that is killed again and again: what each of them was told, and what therefore has to hold when
//! it is up again.

use std::thread;
use std::time::Duration;

use kartenbund::client::service::{Service, ServiceError};
use kartenbund::client::session::SessionKey;
use kartenbund::protocol::api::{LoginRequest, ResetAnswer, ResetRequest, ResetWay, TokenAnswer, TokenRequest};
use kartenbund::protocol::dpop::ProvenRequest;
use kartenbund::secret::SecretText;
use time::OffsetDateTime;

use crate::common::leaks::{OTHER_PASSWORD, WRONG_PASSWORD};
use crate::common::{PASSWORD, number, rng, typed};
use crate::process::Toggling;

/// Renewals of a session in a minute; the service takes ten more.
const IN_A_MINUTE: u32 = 50;

pub(crate) fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// How often something was done since the last look: as often as it was answered, and perhaps once more.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) answered: i64,
    pub(crate) lost: i64,
}

impl std::ops::Add for Told {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { answered: self.answered + other.answered, lost: self.lost + other.lost }
    }
}

impl Told {
    fn answered(&mut self) -> bool {
        self.answered += 1;
        true
    }

    fn lost(&mut self) -> bool {
        self.lost += 1;
        false
    }
}

/// The service at the other end of a line that may break.
pub(crate) struct Line {
    service: Service,
    http: reqwest::blocking::Client,
    admin: String,
}

impl Line {
    pub(crate) fn to(url: &str, admin: &str) -> Self {
        let http = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
        Self { service: Service::at(url).unwrap(), http, admin: admin.to_owned() }
    }

    fn log_in(&self, kvnr: &str, password: &str, key: &SessionKey) -> Result<TokenAnswer, ServiceError> {
        let request = LoginRequest { kvnr: kvnr.to_owned(), password: typed(password), client_name: None };
        self.service.ask_for_tokens("/v1/login", self.service.address(), &request, key, now())
    }

    /// A request with a session; its status.
    fn ask(
        &self,
        method: &str,
        path: &str,
        session: (&SessionKey, &SecretText),
        body: &str,
    ) -> Result<u16, reqwest::Error> {
        let address = format!("{}{path}", self.service.address());
        let (key, token) = session;
        let proof = key.prove(ProvenRequest { method, address: &address, access_token: Some(token) }, now()).unwrap();
        let request = self.http.request(method.parse().unwrap(), &address).header("DPoP", proof);
        let request = request.header("Authorization", format!("DPoP {}", token.expose()));
        let answer = request.header("Content-Type", "application/json").body(body.to_owned()).send()?;
        let status = answer.status().as_u16();
        answer.bytes().map(|_| status)
    }
}

/// Whether the line broke before the answer was there.
pub(crate) fn is_lost(error: &ServiceError) -> bool {
    matches!(error, ServiceError::Unreachable(_) | ServiceError::Malformed)
}

/// Somebody at the service.
pub(crate) trait Client: Send {
    /// One request; `false` when the line broke.
    fn step(&mut self, line: &Line) -> bool;

    /// The service is up again and nobody else asks: what was told holds.
    fn look_back(&mut self, line: &Line);
}

/// Guesses passwords of many accounts, those that are there and those that are not.
pub(crate) struct Guesser {
    key: SessionKey,
    /// Insurance numbers, and until when each of them is closed to strangers.
    numbers: Vec<(String, i64)>,
    pub(crate) tries: Told,
}

impl Guesser {
    pub(crate) fn new(first: &str) -> Self {
        Self { key: SessionKey::new(&mut rng()), numbers: vec![(first.to_owned(), 0)], tries: Told::default() }
    }

    fn guess(&mut self, line: &Line, place: usize) -> bool {
        let (kvnr, closed_until) = &mut self.numbers[place];
        let asked = now();
        match line.log_in(kvnr, WRONG_PASSWORD, &self.key) {
            Err(ServiceError::Refused { code, .. }) if code == "login_failed" => {
                assert!(now() >= *closed_until, "{kvnr}: a delay was forgotten");
                self.tries.answered()
            }
            Err(ServiceError::Refused { code, retry_after: Some(seconds), .. }) if code == "login_delayed" => {
                let until = asked + i64::try_from(seconds).unwrap();
                assert!(until + 2 >= *closed_until, "{kvnr}: a delay has become shorter");
                *closed_until = until;
                true
            }
            Err(error) if is_lost(&error) => self.tries.lost(),
            other => panic!("{:?}", other.map(drop)),
        }
    }
}

impl Client for Guesser {
    fn step(&mut self, line: &Line) -> bool {
        let place = self.numbers.iter().position(|(_, closed_until)| *closed_until <= now()).unwrap_or_else(|| {
            self.numbers.push((number(500_000 + self.numbers.len()), 0));
            self.numbers.len() - 1
        });
        self.guess(line, place)
    }

    fn look_back(&mut self, line: &Line) {
        for place in 0..self.numbers.len() {
            if self.numbers[place].1 > now() + 1 {
                assert!(self.guess(line, place));
            }
        }
    }
}

/// Logs in, and changes her password back and forth.
pub(crate) struct Owner {
    kvnr: String,
    key: SessionKey,
    password: &'static str,
    other: &'static str,
    /// The answer to the last change got lost.
    is_open: bool,
    /// Access tokens since the last change; the last change was made with the first of them.
    sessions: Vec<SecretText>,
    pub(crate) logins: Told,
    pub(crate) refused: Told,
    pub(crate) changes: Told,
}

impl Owner {
    pub(crate) fn new(kvnr: String, line: &Line) -> Self {
        let mut owner = Self {
            kvnr,
            key: SessionKey::new(&mut rng()),
            password: PASSWORD,
            other: OTHER_PASSWORD,
            is_open: false,
            sessions: Vec::new(),
            logins: Told::default(),
            refused: Told::default(),
            changes: Told::default(),
        };
        assert!(owner.log_in(line));
        owner
    }

    fn log_in(&mut self, line: &Line) -> bool {
        match line.log_in(&self.kvnr, self.password, &self.key) {
            Ok(answer) => {
                self.sessions.push(answer.access_token);
                self.logins.answered()
            }
            Err(error) if is_lost(&error) => self.logins.lost(),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// The other password is hers now: only the session that has set it goes on.
    fn has_changed(&mut self) {
        std::mem::swap(&mut self.password, &mut self.other);
        let last = self.sessions.pop().unwrap();
        self.sessions = vec![last];
        self.changes.answered();
    }

    /// Whether this is her password.
    fn holds(&mut self, line: &Line, password: &str) -> Option<SecretText> {
        match line.log_in(&self.kvnr, password, &self.key) {
            Ok(answer) => {
                self.logins.answered();
                Some(answer.access_token)
            }
            Err(error) => {
                assert!(error.is_refused_with("login_failed"), "{error:?}");
                self.refused.answered();
                None
            }
        }
    }
}

impl Client for Owner {
    fn step(&mut self, line: &Line) -> bool {
        if self.sessions.len() < 2 {
            return self.log_in(line);
        }
        let body = format!(r#"{{"old":"{}","new":"{}"}}"#, self.password, self.other);
        match line.ask("PUT", "/v1/password", (&self.key, self.sessions.last().unwrap()), &body) {
            Ok(204) => {
                self.has_changed();
                true
            }
            Ok(status) => panic!("{status}"),
            Err(_) => {
                self.is_open = true;
                false
            }
        }
    }

    /// Exactly one of the passwords holds, and all that belongs to it: the new one where its change was answered.
    fn look_back(&mut self, line: &Line) {
        let [mut opened, other] = [self.password, self.other].map(|password| self.holds(line, password));
        if std::mem::take(&mut self.is_open) && opened.is_none() {
            let before = self.sessions.len() - 1;
            for ended in &self.sessions[..before] {
                assert_eq!(line.ask("GET", "/v1/sessions", (&self.key, ended), "").unwrap(), 401, "half changed");
            }
            self.has_changed();
            opened = other;
        } else {
            assert!(other.is_none(), "two passwords hold");
        }
        for open in &self.sessions {
            let status = line.ask("GET", "/v1/sessions", (&self.key, open), "").unwrap();
            assert_eq!(status, 200, "a session has ended with a password that holds");
        }
        self.sessions.push(opened.expect("one of the passwords holds"));
    }
}

/// Renews the tokens of some sessions, as often as may be.
pub(crate) struct Renewer {
    key: SessionKey,
    tokens: Vec<SecretText>,
    /// For each session, how often it was renewed in which minute.
    used: Vec<(i64, u32)>,
    next: usize,
    /// The answer to the last request for this session got lost.
    open: Option<usize>,
    pub(crate) logins: Told,
    pub(crate) renewals: Told,
}

impl Renewer {
    pub(crate) fn new(kvnr: &str, sessions: usize, line: &Line) -> Self {
        let key = SessionKey::new(&mut rng());
        let open = |_| line.log_in(kvnr, PASSWORD, &key).unwrap().refresh_token.unwrap();
        let tokens: Vec<_> = (0..sessions).map(open).collect();
        let logins = Told { answered: i64::try_from(sessions).unwrap(), lost: 0 };
        let used = vec![(0, 0); sessions];
        Self { key, tokens, used, next: 0, open: None, logins, renewals: Told::default() }
    }

    fn renew(&mut self, line: &Line, place: usize) -> bool {
        let request = TokenRequest { refresh_token: typed(self.tokens[place].expose()) };
        match line.service.ask_for_tokens("/v1/token", line.service.address(), &request, &self.key, now()) {
            Ok(answer) => {
                self.tokens[place] = answer.refresh_token.unwrap();
                self.renewals.answered()
            }
            Err(error) if is_lost(&error) => {
                self.open = Some(place);
                false
            }
            Err(error) => panic!("a session of an honest client ends: {error:?}"),
        }
    }
}

impl Client for Renewer {
    fn step(&mut self, line: &Line) -> bool {
        thread::sleep(Duration::from_millis(30));
        self.next += 1;
        let (place, minute) = (self.next % self.tokens.len(), now() / 60);
        let (in_minute, times) = self.used[place];
        let times = if in_minute == minute { times } else { 0 };
        self.used[place] = (minute, times + 1);
        times >= IN_A_MINUTE || self.renew(line, place)
    }

    fn look_back(&mut self, line: &Line) {
        if let Some(place) = self.open.take() {
            assert!(self.renew(line, place), "whoever lost the answer gets it again");
        }
    }
}

/// Asks for a new password by letter, for one person after the other.
pub(crate) struct Forgetful {
    key: SessionKey,
    /// Who is asked for next.
    next: usize,
    /// The answer of the last request got lost, so that it is sent again.
    is_open: bool,
    /// How many persons there are.
    pub(crate) persons: usize,
    pub(crate) asked: Told,
}

impl Forgetful {
    /// From person number `first` on.
    pub(crate) fn new(first: usize) -> Self {
        Self { key: SessionKey::new(&mut rng()), next: first, is_open: false, persons: 0, asked: Told::default() }
    }

    fn ask(&mut self, line: &Line) -> bool {
        let request = ResetRequest { kvnr: number(self.next), way: ResetWay::Letter };
        let name = line.service.address();
        let answer =
            line.service.ask_with_proof::<_, ResetAnswer>("/v1/password/reset", name, &request, &self.key, now());
        match answer {
            Ok(_) => {
                self.next += 1;
                self.persons += 1;
                self.asked.answered()
            }
            Err(error) if is_lost(&error) => {
                self.is_open = true;
                self.asked.lost()
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

impl Client for Forgetful {
    fn step(&mut self, line: &Line) -> bool {
        thread::sleep(Duration::from_millis(100)); // each is a letter
        self.ask(line)
    }

    fn look_back(&mut self, line: &Line) {
        if std::mem::take(&mut self.is_open) {
            assert!(self.ask(line));
        }
    }
}

/// Suspends an account and resumes it.
pub(crate) struct Operator {
    toggling: Toggling,
    seen: u64,
    pub(crate) moves: Told,
}

impl Operator {
    pub(crate) fn new(kvnr: &'static str) -> Self {
        Self { toggling: Toggling::new(kvnr), seen: 0, moves: Told::default() }
    }
}

impl Client for Operator {
    fn step(&mut self, line: &Line) -> bool {
        let goes_on = self.toggling.once(&line.admin).is_ok();
        self.moves.answered += i64::try_from(self.toggling.done - self.seen).unwrap();
        self.moves.lost += i64::from(!goes_on);
        self.seen = self.toggling.done;
        goes_on
    }

    fn look_back(&mut self, _: &Line) {}
}
