//! Requests of clients. Where many come in a short time, their proofs are signed before.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::Path;
use std::thread;
use std::time::Duration;

use kartenbund::client::session::SessionKey;
use kartenbund::protocol::api::TokenAnswer;
use kartenbund::protocol::dpop::ProvenRequest;
use kartenbund::secret::SecretText;
use kartenbund::virtual_card::personalise::MUSTERKASSE_IK;
use time::OffsetDateTime;

use crate::common::{HEADER, PASSWORD, TestDatabase, ca, rng};
use crate::load::{Connection, Measured, drive, memory, timed};
use crate::process;

/// How often a session may renew its tokens in a minute, with some to spare.
const RENEWALS: usize = 55;
/// What is read.
const READ: &str = "/v1/devices";
/// Where approvals are waited for.
const WATCHED: &str = "/v1/approvals/events";

/// Clients of one service, and the sessions they have opened.
pub(crate) struct Requests {
    address: SocketAddr,
    url: String,
    sessions: Vec<Session>,
}

pub(crate) struct Session {
    pub(crate) kvnr: String,
    pub(crate) key: SessionKey,
    pub(crate) tokens: TokenAnswer,
    /// Header lines for the next requests.
    signed: Vec<String>,
}

/// A header line with a proof, by a key, for a request at this moment.
pub(crate) fn proof(key: &SessionKey, method: &str, address: &str, access_token: Option<&SecretText>) -> String {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let proof = key.prove(ProvenRequest { method, address, access_token }, now).unwrap();
    format!("dpop: {}\r\n", proof.to_str().unwrap())
}

pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// First line of a register whose members may have a password.
pub(crate) fn register_header() -> String {
    HEADER.trim_end().to_owned() + ",password_hash\n"
}

pub(crate) fn register_row(kvnr: &str, hash: &str) -> String {
    format!("{kvnr},Erika,Müstermann,1964-08-12,Musterstraße,12a,12345,Musterstadt,D,2020-01-01,\"{hash}\"\n")
}

/// A service with this database that takes cards of the test CA and refuses no login for coming often.
pub(crate) fn configuration(database: &TestDatabase, folder: &Path) -> String {
    std::fs::write(folder.join("ca.pem"), ca().certificate_pem().unwrap()).unwrap();
    format!(
        "{}[cards]\npayer_iks = [\"{MUSTERKASSE_IK}\"]\ntest_anchors = [\"ca.pem\"]\n\
         [logins]\ntries_in_an_hour = 1000000\ntries_in_a_day = 1000000\n[passwords]\nparallel_hashes = {}\n\
         [sessions]\naccess_token = 3600\nidle = 7200\n",
        process::on(database, folder),
        cores()
    )
}

/// Requests that do nothing.
pub(crate) fn of_nothing(address: SocketAddr, clients: usize, limit: Duration) -> Measured {
    let client = |_| {
        let mut connection = Connection::to(address);
        move || Some(timed(|| connection.ask("GET /healthz", "", "")).1)
    };
    drive((0..clients).map(client).collect(), limit)
}

impl Requests {
    pub(crate) fn to(address: SocketAddr, url: &str) -> Self {
        Self { address, url: url.to_owned(), sessions: Vec::new() }
    }

    /// So many connections with one request each.
    pub(crate) fn knock(&self, clients: usize) {
        let mut connections: Vec<_> = (0..clients).map(|_| Connection::to(self.address)).collect();
        connections.iter_mut().for_each(|connection| drop(connection.ask("GET /readyz", "", "")));
    }

    /// Everybody logs in with the password of a letter, once.
    pub(crate) fn first_logins(&mut self, clients: usize, passwords: &[(String, String)]) -> Measured {
        let here = &*self;
        let shares = passwords.chunks(passwords.len().div_ceil(clients));
        let mut opened: Vec<_> = shares.clone().map(|_| Vec::new()).collect();
        let workers = shares.zip(&mut opened).map(|(share, opened)| {
            let (mut share, mut connection) = (share.iter(), Connection::to(here.address));
            move || {
                let (kvnr, password) = share.next()?;
                let (session, latency) = here.login(&mut connection, kvnr, password);
                opened.push(session);
                Some(latency)
            }
        });
        let measured = drive(workers.collect(), Duration::MAX);
        self.sessions = opened.into_iter().flatten().collect();
        measured
    }

    /// The same sessions at another process.
    pub(crate) fn go_to(&mut self, address: SocketAddr, url: &str) {
        (self.address, self.url) = (address, url.to_owned());
    }

    /// How much more memory the process takes while each session waits for approvals on so many connections, in MiB.
    pub(crate) fn watched(&self, pid: u32, each: usize) -> f64 {
        let before = memory(pid);
        let watching = self.watch(each);
        let more = memory(pid) - before;
        drop(watching);
        more
    }

    fn watch(&self, each: usize) -> Vec<Connection> {
        let address = format!("{}{WATCHED}", self.url);
        let sessions = self.sessions.iter().flat_map(|session| std::iter::repeat_n(session, each));
        let connect = |session: &Session| {
            let token = &session.tokens.access_token;
            let proof = proof(&session.key, "GET", &address, Some(token));
            let headers = format!("authorization: DPoP {}\r\n{proof}", token.expose());
            let connection = match self.url.starts_with("https:") {
                true => Connection::with_tls(self.address),
                false => Connection::to(self.address),
            };
            connection.wait_at(&format!("GET {WATCHED}"), &headers)
        };
        sessions.map(connect).collect()
    }

    /// Each of these accounts logs in so often, never twice at once: strangers wait for each other.
    pub(crate) fn log_in(&mut self, clients: usize, kvnrs: &[String], times: usize) -> Measured {
        let here = &*self;
        let mut opened: Vec<_> = (0..clients).map(|_| Vec::new()).collect();
        let workers = opened.iter_mut().enumerate().map(|(client, opened)| {
            let own: Vec<_> = kvnrs.iter().skip(client).step_by(clients).collect();
            let mut logins = vec![own; times].concat();
            let mut connection = Connection::to(here.address);
            move || {
                let kvnr = logins.pop()?;
                let (session, latency) = here.login(&mut connection, kvnr, PASSWORD);
                opened.push(session);
                Some(latency)
            }
        });
        let measured = drive(workers.collect(), Duration::MAX);
        self.sessions = opened.into_iter().flatten().collect();
        measured
    }

    fn login(&self, connection: &mut Connection, kvnr: &str, password: &str) -> (Session, Duration) {
        let key = SessionKey::new(&mut rng());
        let proof = proof(&key, "POST", &format!("{}/v1/login", self.url), None);
        let body = serde_json::json!({ "kvnr": kvnr, "password": password }).to_string();
        let (answer, latency) = timed(|| connection.ask("POST /v1/login", &proof, &body));
        (
            Session {
                kvnr: kvnr.to_owned(),
                key,
                tokens: serde_json::from_slice(&answer).unwrap(),
                signed: Vec::new(),
            },
            latency,
        )
    }

    /// The sessions that were opened last.
    pub(crate) fn into_sessions(self) -> Vec<Session> {
        self.sessions
    }

    pub(crate) fn sign_for_renewals(&mut self) {
        let address = format!("{}/v1/token", self.url);
        self.sign(RENEWALS, |session| proof(&session.key, "POST", &address, None));
    }

    /// So many proofs, for all sessions together.
    pub(crate) fn sign_for_reads(&mut self, count: usize) {
        let (address, each) = (format!("{}{READ}", self.url), count.div_ceil(self.sessions.len()));
        self.sign(each, |session| {
            let token = &session.tokens.access_token;
            let proof = proof(&session.key, "GET", &address, Some(token));
            format!("authorization: DPoP {}\r\n{proof}", token.expose())
        });
    }

    fn sign(&mut self, count: usize, sign: impl Fn(&Session) -> String + Sync) {
        let (half, sign) = (self.sessions.len().div_ceil(2), &sign);
        thread::scope(|scope| {
            for share in self.sessions.chunks_mut(half) {
                scope.spawn(move || {
                    for session in share {
                        session.signed = (0..count).map(|_| sign(session)).collect();
                    }
                });
            }
        });
    }

    /// Renews the tokens of all sessions, one after the other, again and again.
    pub(crate) fn renew(&mut self, clients: usize, limit: Duration) -> Measured {
        self.each_session(clients, limit, |connection, session| {
            let proof = session.signed.pop()?;
            let refresh_token = session.tokens.refresh_token.as_ref()?.expose();
            let body = serde_json::json!({ "refresh_token": refresh_token }).to_string();
            let (answer, latency) = timed(|| connection.ask("POST /v1/token", &proof, &body));
            session.tokens = serde_json::from_slice(&answer).unwrap();
            Some(latency)
        })
    }

    /// Reads something with all sessions, one after the other, again and again.
    pub(crate) fn read(&mut self, clients: usize, limit: Duration) -> Measured {
        let line = format!("GET {READ}");
        self.each_session(clients, limit, |connection, session| {
            let headers = session.signed.pop()?;
            Some(timed(|| connection.ask(&line, &headers, "")).1)
        })
    }

    /// Clients with a share of the sessions each.
    fn each_session(
        &mut self,
        clients: usize,
        limit: Duration,
        work: impl Fn(&mut Connection, &mut Session) -> Option<Duration> + Sync,
    ) -> Measured {
        let (address, work, share) = (self.address, &work, self.sessions.len().div_ceil(clients));
        let workers = self.sessions.chunks_mut(share).map(|share| {
            let (mut connection, mut next) = (Connection::to(address), 0);
            move || {
                next = (next + 1) % share.len();
                work(&mut connection, &mut share[next])
            }
        });
        drive(workers.collect(), limit)
    }
}
