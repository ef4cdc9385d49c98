//! The session of this computer: its key, which stays, and its tokens, which are renewed when they get old
//! (`docs/protocol.md`, sessions).

use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};

use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate as _;
use rand_core::UnwrapErr;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use super::home::{Home, HomeError, Profile};
use super::service::{Service, ServiceError};
use crate::jose::{P256Jwk, Thumbprint, base64url};
use crate::protocol::NumericDate;
use crate::protocol::api::{TokenAnswer, TokenRequest};
use crate::protocol::dpop::{ProvenRequest, SCHEME, prove};
use crate::secret::{SecretText, masked};

/// What time it is on this computer. A test can hand in its own.
pub type Clock = Arc<dyn Fn() -> NumericDate + Send + Sync>;

/// The header of proofs, in small letters as the HTTP library has names.
pub(super) const DPOP: HeaderName = HeaderName::from_static("dpop");

/// A token is renewed this many seconds before its end, so that it does not end on the way.
const MARGIN: i64 = 10;

/// What is kept of a session. The key outlives the tokens: by it the service knows this computer again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The session key.
    pub key: SessionKey,
    /// The tokens, while somebody is logged in.
    pub tokens: Option<Tokens>,
}

/// The session key: it signs DPoP proofs and nothing else.
#[derive(Deserialize)]
#[serde(try_from = "Scalar")]
pub struct SessionKey(SigningKey);

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Scalar(#[serde(with = "base64url")] Zeroizing<Vec<u8>>);

/// The tokens of an open session. Times are by the clock of this computer.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    access_token: SecretText,
    access_ends_at: NumericDate,
    refresh_token: Option<SecretText>,
    ends_at: NumericDate,
    /// How far the service's clock is ahead, in seconds: proofs carry its time.
    skew: i64,
}

masked!(SessionKey, Tokens);

impl SessionKey {
    /// A new one.
    pub fn new(rng: &mut dyn rand_core::CryptoRng) -> Self {
        Self(SigningKey::generate_from_rng(rng))
    }

    /// Thumbprint of its public part.
    pub fn thumbprint(&self) -> Thumbprint {
        P256Jwk::from(*self.0.verifying_key()).thumbprint()
    }

    /// A proof for one request, at the time `iat` by the service's clock.
    ///
    /// # Errors
    /// [`ServiceError::Malformed`]: it never happens.
    pub fn prove(&self, request: ProvenRequest<'_>, iat: NumericDate) -> Result<HeaderValue, ServiceError> {
        // The number tells proofs apart and keeps no secret.
        let proof = prove(request, &self.0, iat, &mut UnwrapErr(getrandom::SysRng));
        proof.ok().and_then(|proof| HeaderValue::try_from(proof).ok()).ok_or(ServiceError::Malformed)
    }
}

impl TryFrom<Scalar> for SessionKey {
    type Error = p256::ecdsa::Error;

    fn try_from(Scalar(bytes): Scalar) -> Result<Self, Self::Error> {
        SigningKey::from_slice(&bytes).map(Self)
    }
}

impl Serialize for SessionKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Scalar(Zeroizing::new(self.0.to_bytes().to_vec())).serialize(serializer)
    }
}

impl Tokens {
    /// The tokens of an answer that came at `now`.
    pub fn new(answer: TokenAnswer, now: NumericDate, skew: i64) -> Self {
        Self {
            access_token: answer.access_token,
            access_ends_at: now.saturating_add(answer.expires_in),
            refresh_token: answer.refresh_token,
            ends_at: now.saturating_add(answer.session_expires_in),
            skew,
        }
    }

    /// The access token.
    pub fn access_token(&self) -> &SecretText {
        &self.access_token
    }

    /// The refresh token; a setup session has none.
    pub fn refresh_token(&self) -> Option<&SecretText> {
        self.refresh_token.as_ref()
    }

    /// Whether the session can still be open.
    pub fn are_alive(&self, now: NumericDate) -> bool {
        now < self.ends_at
    }
}

#[allow(missing_debug_implementations, reason = "it holds keys and tokens")]
/// A session that is sent along with requests to the service of a profile.
pub struct OpenSession {
    home: Home,
    profile: Profile,
    clock: Clock,
    session: Mutex<Session>,
}

impl OpenSession {
    /// The session that was kept.
    ///
    /// # Errors
    /// [`HomeError::NoSession`] when nobody is logged in.
    pub fn resume(home: Home, profile: Profile, clock: Clock) -> Result<Self, HomeError> {
        let session = home.session()?.filter(|session| is_alive(session, clock())).ok_or(HomeError::NoSession)?;
        Ok(Self { home, profile, clock, session: Mutex::new(session) })
    }

    /// What the session adds to a request. `address` is its path. Tokens that are old are renewed before.
    pub(super) fn headers(&self, service: &Service, method: &str, path: &str) -> Result<HeaderMap, ServiceError> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = session.tokens.as_ref().is_some_and(|tokens| tokens.access_ends_at <= self.soon());
        if is_old {
            self.renew(service, &mut session)?;
        }
        let tokens = session.tokens.as_ref().ok_or(HomeError::NoSession)?;
        let address = self.address(path);
        let request = ProvenRequest { method, address: &address, access_token: Some(&tokens.access_token) };
        let proof = session.key.prove(request, (self.clock)().saturating_add(tokens.skew))?;
        let token = Zeroizing::new(format!("{SCHEME} {}", tokens.access_token.expose()));
        let mut token = HeaderValue::from_str(&token).map_err(|_| ServiceError::Malformed)?;
        token.set_sensitive(true);
        Ok(HeaderMap::from_iter([(AUTHORIZATION, token), (DPOP, proof)]))
    }

    /// Renews the tokens that the service did not take, whatever time it is; whether there are others now.
    pub(super) fn renew_refused(&self, service: &Service, refused: &HeaderMap) -> Result<bool, ServiceError> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tokens) = &session.tokens else { return Ok(false) };
        let sent = Zeroizing::new(format!("{SCHEME} {}", tokens.access_token.expose()));
        if refused.get(AUTHORIZATION).is_some_and(|refused| refused.as_bytes() == sent.as_bytes()) {
            if tokens.refresh_token.is_none() {
                return Ok(false);
            }
            self.renew(service, &mut session)?;
        }
        Ok(true)
    }

    /// Finds out how far the service's clock is ahead: it took a proof for too old, or not made yet.
    pub(super) fn set_clock(&self, service: &Service) -> Result<(), ServiceError> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let skew = self.skew_of(service)?;
        if let Some(tokens) = &mut session.tokens {
            tokens.skew = skew;
        }
        Ok(self.home.keep_session(&session)?)
    }

    /// How far the service's clock is ahead, as far as is known.
    pub(super) fn skew(&self) -> i64 {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.tokens.as_ref().map_or(0, |tokens| tokens.skew)
    }

    fn skew_of(&self, service: &Service) -> Result<i64, ServiceError> {
        service.skew_of(&self.home, &self.clock)
    }

    fn renew(&self, service: &Service, session: &mut Session) -> Result<(), ServiceError> {
        // Another command may have renewed them meanwhile: the ones of here are used up then.
        if let Some(kept) = self.home.session()?.filter(|kept| is_alive(kept, (self.clock)()))
            && token_of(&kept) != token_of(session)
        {
            *session = kept;
            if session.tokens.as_ref().is_some_and(|tokens| tokens.access_ends_at > self.soon()) {
                return Ok(());
            }
        }
        match self.next_tokens(service, session) {
            Ok(Some(tokens)) => {
                session.tokens = Some(tokens);
                Ok(self.home.keep_session(session)?)
            }
            Ok(None) => Ok(()), // the service says what it thinks of old ones
            Err(error) => {
                if ["token_invalid", "session_ended"].iter().any(|code| error.is_refused_with(code)) {
                    self.home.forget_tokens()?;
                }
                Err(error)
            }
        }
    }

    /// Asks for the next tokens. Where the answer gets lost it asks once more: the service gives the same again.
    fn next_tokens(&self, service: &Service, session: &Session) -> Result<Option<Tokens>, ServiceError> {
        let Some(tokens) = &session.tokens else { return Ok(None) };
        let Some(refresh_token) = &tokens.refresh_token else { return Ok(None) };
        let request = TokenRequest { refresh_token: SecretText::new(refresh_token.expose().to_owned()) };
        // The service may want a newer program meanwhile. What else is wrong with who answers shows with the tokens.
        let mut skew = match self.skew_of(service) {
            Err(error @ (ServiceError::TooOld(_) | ServiceError::KeyChanged)) => return Err(error),
            asked => asked.unwrap_or(tokens.skew),
        };
        let (mut may_be_lost, mut may_be_skewed) = (true, true);
        loop {
            let now = (self.clock)();
            let iat = now.saturating_add(skew);
            match service.ask_for_tokens("/v1/token", &self.profile.service, &request, &session.key, iat) {
                Err(ServiceError::Unreachable(_) | ServiceError::Malformed) if take(&mut may_be_lost) => {}
                Err(error) if error.is_clock() && take(&mut may_be_skewed) => skew = self.skew_of(service)?,
                answer => return answer.map(|answer| Some(Tokens::new(answer, now, skew))),
            }
        }
    }

    fn soon(&self) -> NumericDate {
        (self.clock)().saturating_add(MARGIN)
    }

    /// The service's name and the path. Proofs name the service of the profile, whoever answers at its address.
    fn address(&self, path: &str) -> String {
        format!("{}{}", self.profile.service, path.split('?').next().unwrap_or(path))
    }
}

fn is_alive(session: &Session, now: NumericDate) -> bool {
    session.tokens.as_ref().is_some_and(|tokens| tokens.are_alive(now))
}

fn token_of(session: &Session) -> Option<&str> {
    session.tokens.as_ref().map(|tokens| tokens.access_token.expose())
}
