//! The service at the far end of HTTP. What it signs is checked against its pinned keys before anyone relies on it.

use std::io::Read as _;
use std::mem::take;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

use super::home::{Home, HomeError};
use super::login::LoggedIn;
use super::session::{Clock, DPOP, OpenSession, SessionKey};
use super::watch::WatchingDevice;
use crate::jose::{Thumbprint, json};
use crate::protocol::api::{CONFIGURATION, ConfigurationAnswer, Problem, TokenAnswer};
use crate::protocol::dpop::{ProvenRequest, SCHEME};
use crate::protocol::service::{ClientVersion, Receipt, ReceiptSubject};
use crate::protocol::{NumericDate, Sha256Hash, VERSION};

/// Longest answer read: the evidence of a whole account.
const MAX_ANSWER: u64 = crate::protocol::evidence::MAX_BUNDLE as u64;
/// Media type of events.
const EVENTS: &str = "text/event-stream";
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why the service could not be used.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The address is not `https://`, nor `http://` on this computer.
    #[error("the address of the service is not https")]
    Address,
    /// No answer came.
    #[error("the service cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The service said no.
    #[error("the service refused: {code}")]
    Refused {
        /// Stable code.
        code: String,
        /// More, where the service tells.
        detail: Option<String>,
        /// Seconds to wait, where that helps.
        retry_after: Option<u64>,
        /// Finds the request in the service's logs.
        trace_id: String,
    },
    /// The answer is not what the protocol says.
    #[error("the service's answer is not understood")]
    Malformed,
    /// The service has other keys than those that were pinned.
    #[error("the service's key has changed")]
    KeyChanged,
    /// The service has another key than the one that the person has named.
    #[error("the service's key is not the one that was named")]
    NotTheNamedKey,
    /// What the service says of itself, by the key that the person has named, is not of now by the clock of this computer.
    #[error("the service's configuration is not of now: it is {0} seconds ahead of this computer's clock")]
    NotOfNow(i64),
    /// The service wants at least this version of the program.
    #[error("the service wants version {0} of this program")]
    TooOld(ClientVersion),
    /// Something the service signed does not say what it must.
    #[error("the service signed something else: {0}")]
    Contradiction(&'static str),
    /// What is kept of the session cannot be read or written.
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl ServiceError {
    /// Whether the service has looked at the request and will not do what it asks. Anything else, its own failures
    /// included, leaves open whether it was done.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code != "internal" && code != "not_ready")
    }

    /// Whether the service refused with this code.
    pub fn is_refused_with(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// Whether the service takes a proof for too old, or not made yet: the clocks differ by more than was known.
    pub(super) fn is_clock(&self) -> bool {
        matches!(self, Self::Refused { code, detail, .. } if code == "proof_invalid" && detail.as_deref() == Some("iat"))
    }
}

/// The key that the person has been told of.
pub(super) struct ExpectedKey {
    pub(super) thumbprint: Thumbprint,
    /// Shows what was signed long ago: nothing else tells, where no key is pinned.
    pub(super) clock: Clock,
}

/// Somebody who answers at an address and may be the service.
#[allow(missing_debug_implementations, reason = "it may hold a session")]
pub struct Service {
    http: Client,
    base: String,
    expected_key: Option<ExpectedKey>,
    session: Option<OpenSession>,
    /// Comes before the session, where approvals are listed and watched.
    device: Option<WatchingDevice>,
}

impl Service {
    /// A service at `address`, without session.
    ///
    /// # Errors
    /// [`ServiceError::Address`] when the line would not be protected.
    pub fn at(address: &str) -> Result<Self, ServiceError> {
        let url = Url::parse(address).map_err(|_| ServiceError::Address)?;
        let is_plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !(is_plain && (url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url))) {
            return Err(ServiceError::Address);
        }
        let mut http = Client::builder();
        if url.scheme() == "http" {
            http = http.no_proxy(); // plain requests to this computer are for nobody else
        }
        let http = http
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none()) // a token never follows a redirect
            .user_agent(concat!("kartenbund/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ServiceError::Unreachable)?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http, base, expected_key: None, session: None, device: None })
    }

    /// The same, where the person has been told the thumbprint of the key that the service signs with: that one it must be,
    /// whichever was pinned before, and its word of now by `clock`, the one of this computer.
    #[must_use]
    pub fn expecting(self, key: Option<Thumbprint>, clock: &Clock) -> Self {
        let expected_key = key.map(|thumbprint| ExpectedKey { thumbprint, clock: Clock::clone(clock) });
        Self { expected_key, ..self }
    }

    /// Sends the session along from now on.
    pub fn with_session(mut self, session: OpenSession) -> Self {
        self.session = Some(session);
        self
    }

    /// Shows the device of this computer from now on, where approvals are listed and watched; whatever the session is
    /// for goes with the session.
    pub fn with_device(mut self, device: WatchingDevice) -> Self {
        self.device = Some(device);
        self
    }

    /// The service, without the session.
    pub fn without_session(self) -> Self {
        Self { session: None, device: None, ..self }
    }

    /// The address without a trailing slash: the service's name in signed messages.
    pub fn address(&self) -> &str {
        &self.base
    }

    /// How far the service's clock is ahead, in seconds, as the session has found out.
    pub fn skew(&self) -> i64 {
        self.session.as_ref().map_or(0, OpenSession::skew)
    }

    pub(super) fn ask_configuration(&self) -> Result<ConfigurationAnswer, ServiceError> {
        read(answer(self.request(&Method::GET, CONFIGURATION))?)
    }

    /// The key that the person has named.
    pub(super) fn expected_key(&self) -> Option<&ExpectedKey> {
        self.expected_key.as_ref()
    }

    /// How far the clock of the service of `home` is ahead of `clock`, in seconds.
    pub(super) fn skew_of(&self, home: &Home, clock: &Clock) -> Result<i64, ServiceError> {
        let (configuration, _) = self.learn_keys(home)?;
        Ok(configuration.get().iat.saturating_sub(clock()))
    }

    /// GET.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ServiceError> {
        read(self.send(&Method::GET, path, |request| request)?)
    }

    /// GET of events (HTML, 9.2), to be read as they come; `None` where something else is sent. A read that brings nothing
    /// for as long as an answer is waited for fails.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(super) fn events(&self, path: &str) -> Result<Option<impl std::io::Read + use<>>, ServiceError> {
        let response = self.send(&Method::GET, path, |request| request.header(ACCEPT, EVENTS))?;
        let is_it =
            response.headers().get(CONTENT_TYPE).is_some_and(|sent| sent.as_bytes().starts_with(EVENTS.as_bytes()));
        Ok(is_it.then_some(response))
    }

    /// A request with a JSON body.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T, ServiceError> {
        read(self.send(&method, path, |request| request.json(body))?)
    }

    /// A request with a JSON body whose answer has none.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn submit<B: Serialize>(&self, method: Method, path: &str, body: &B) -> Result<(), ServiceError> {
        self.send(&method, path, |request| request.json(body)).map(drop)
    }

    /// A request without body whose answer has none either.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn command(&self, method: Method, path: &str) -> Result<(), ServiceError> {
        self.send(&method, path, |request| request).map(drop)
    }

    /// Asks the service of this name for tokens, with a proof by `key` at the time `iat` of its clock.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn ask_for_tokens<B: Serialize>(
        &self,
        path: &str,
        name: &str,
        body: &B,
        key: &SessionKey,
        iat: NumericDate,
    ) -> Result<TokenAnswer, ServiceError> {
        let answer: TokenAnswer = self.ask_with_proof(path, name, body, key, iat)?;
        if answer.token_type == SCHEME { Ok(answer) } else { Err(ServiceError::Malformed) }
    }

    /// Sends a request without a session to the service of this name, with a proof by `key` at the time `iat` of its
    /// clock.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn ask_with_proof<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        name: &str,
        body: &B,
        key: &SessionKey,
        iat: NumericDate,
    ) -> Result<T, ServiceError> {
        let address = format!("{name}{path}");
        let proven = ProvenRequest { method: Method::POST.as_str(), address: &address, access_token: None };
        let request = self.request(&Method::POST, path).header(DPOP, key.prove(proven, iat)?);
        read(answer(request.json(body))?)
    }

    fn request(&self, method: &Method, path: &str) -> RequestBuilder {
        self.http.request(method.clone(), format!("{}{path}", self.base))
    }

    /// Sends a request, with the session where there is one. What the service refuses because of the clock or of old
    /// tokens alone is sent once more: it did nothing then.
    fn send(
        &self,
        method: &Method,
        path: &str,
        complete: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, ServiceError> {
        if let Some(device) = &self.device {
            match self.send_by_device(device, || complete(self.request(method, path))) {
                // What the device may not, such as one that is locked, the session may.
                Err(error) if error.is_final() && self.session.is_some() => {}
                answer => return answer,
            }
        }
        let Some(session) = &self.session else { return answer(complete(self.request(method, path))) };
        let (mut may_be_skewed, mut may_be_old) = (true, true);
        loop {
            let headers = session.headers(self, method.as_str(), path)?;
            match answer(complete(self.request(method, path)).headers(headers.clone())) {
                Err(error) if error.is_clock() && take(&mut may_be_skewed) => session.set_clock(self)?,
                Err(error) if error.is_refused_with("token_invalid") && take(&mut may_be_old) => {
                    if !session.renew_refused(self, &headers)? {
                        return Err(error);
                    }
                }
                answer => return answer,
            }
        }
    }

    fn send_by_device(
        &self,
        device: &WatchingDevice,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, ServiceError> {
        match answer(request().header(AUTHORIZATION, device.credentials()?)) {
            Err(error) if error.is_clock() => {
                device.set_clock(self)?;
                answer(request().header(AUTHORIZATION, device.credentials()?))
            }
            answer => answer,
        }
    }
}

fn answer(request: RequestBuilder) -> Result<Response, ServiceError> {
    let response = request.send().map_err(|error| ServiceError::Unreachable(error.without_url()))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let problem: Problem = read(response)?;
    if problem.status != status.as_u16() {
        return Err(ServiceError::Malformed);
    }
    let Problem { code, detail, retry_after, trace_id, .. } = problem;
    Err(ServiceError::Refused { code, detail, retry_after, trace_id })
}

/// What a receipt must be for.
#[derive(Debug)]
pub struct ExpectedReceipt<'a> {
    /// Kind of thing that was taken.
    pub subject: ReceiptSubject,
    /// Its identifier.
    pub id: &'a str,
    /// The compact JWS that was handed in.
    pub signed: &'a str,
    /// When it can have been taken, by the service's clock: a receipt with another time would be one for another day.
    pub time: RangeInclusive<NumericDate>,
}

/// Checks that a receipt is by the service of this computer and for just this.
///
/// # Errors
/// [`ServiceError::Contradiction`], [`ServiceError::KeyChanged`].
pub fn check_receipt(compact: &str, here: &LoggedIn, expected: &ExpectedReceipt<'_>) -> Result<(), ServiceError> {
    let receipt: Receipt = here.service.signed(compact, &here.home, "receipt")?;
    let is_for_this = receipt.v == VERSION
        && receipt.aud == here.profile.service
        && receipt.subject == expected.subject
        && receipt.id == expected.id
        && receipt.sha256 == Sha256Hash::of(expected.signed.as_bytes())
        && expected.time.contains(&receipt.at);
    if is_for_this { Ok(()) } else { Err(ServiceError::Contradiction("receipt")) }
}

fn read<T: DeserializeOwned>(response: Response) -> Result<T, ServiceError> {
    let mut bytes = Zeroizing::new(Vec::new());
    response.take(MAX_ANSWER + 1).read_to_end(&mut bytes).map_err(|_| ServiceError::Malformed)?;
    if bytes.len() as u64 > MAX_ANSWER {
        return Err(ServiceError::Malformed);
    }
    json::read(&bytes).map_err(|_| ServiceError::Malformed)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
