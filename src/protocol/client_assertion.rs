//! How a confidential client, such as the insurer's web branch, shows who it is (`docs/protocol.md`, web branch): by an
//! assertion that it has signed with its private key (`private_key_jwt`; RFC 7523, 2.2 and 3).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::registration::{Part, first_wrong, is_jti};
use super::{CLOCK_TOLERANCE, NumericDate, Sha256Hash};
use crate::jose::{Es256, Message, P256Jwk, jws};
use crate::secret::masked;

/// `client_assertion_type` of every assertion (RFC 7523, 2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Longest life of an assertion, in seconds.
pub const MAX_LIFE: i64 = 300;

/// What a confidential client adds to a request for a session or for tokens (RFC 7521, 4.2). People's programs add
/// nothing.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ClientAuthentication {
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_assertion_type: Option<String>,
    /// [`ClientAssertion`] as a compact JWS.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_assertion: Option<String>,
}

/// A request that a confidential client may make for a person: what it adds stands beside the request's own members.
#[derive(Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[allow(missing_debug_implementations, reason = "a request may hold a password")]
pub struct ByClient<T> {
    /// What is asked for.
    #[serde(flatten)]
    pub request: T,
    /// Who asks.
    #[serde(flatten)]
    pub client: ClientAuthentication,
}

/// What a client says (RFC 7523, 3), `client-authentication+jwt` (draft-ietf-oauth-rfc7523bis). Claims that are not named
/// here are ignored, as the standard has it: libraries add some.
#[derive(Clone, Serialize, Deserialize)]
pub struct ClientAssertion {
    /// The client.
    pub iss: String,
    /// The client once more.
    pub sub: String,
    /// The service, and nobody else.
    pub aud: String,
    /// When it was made.
    pub iat: NumericDate,
    /// When it ends, at most [`MAX_LIFE`] later.
    pub exp: NumericDate,
    /// When it begins, where the client says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<NumericDate>,
    /// Names the assertion: the client never uses it again.
    pub jti: String,
    /// The IP address of the person's browser, as the client has seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent_address: Option<String>,
}

masked!(ClientAssertion, ClientAuthentication, AuthenticatedClient);

impl Message for ClientAssertion {
    const TYP: &'static str = "client-authentication+jwt";
    type Algorithm = Es256;
}

/// A client whose assertions the operator takes.
#[derive(Clone, Debug, Default)]
pub struct ConfidentialClient {
    /// Its identifier: `iss` and `sub` of its assertions.
    pub id: String,
    /// Its name for people, where it is another one.
    pub name: Option<String>,
    /// Its keys; two while one follows the other.
    pub keys: Vec<P256Jwk>,
}

impl ConfidentialClient {
    /// What people know it by.
    pub fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// A client that has signed an assertion for this service, now. Nothing but [`AuthenticatedClient::check`] makes one.
pub struct AuthenticatedClient {
    assertion: ClientAssertion,
    user_agent: Option<IpAddr>,
}

impl AuthenticatedClient {
    /// Checks signature and claims. The key says who signed, and `iss` must be just that client: nothing in the message
    /// decides how it is verified, and a client that is not known looks like a signature that is wrong. Whether `jti` is
    /// new is for the service to know.
    ///
    /// # Errors
    /// The part that is wrong.
    pub fn check(compact: &str, clients: &[ConfidentialClient], aud: &str, now: NumericDate) -> Result<Self, Part> {
        let (client, assertion) =
            jws::verify_by_one_of::<ClientAssertion, ConfidentialClient>(compact, clients, |client| &client.keys)?;
        let life = assertion.exp.checked_sub(assertion.iat);
        let user_agent = assertion.user_agent_address.as_deref().map(str::parse::<IpAddr>).transpose();
        let claims = [
            ("iss", assertion.iss == client.id),                           // RFC 7523, 3: 1
            ("sub", assertion.sub == client.id),                           // 2
            ("aud", assertion.aud == aud),                                 // 3
            ("iat", assertion.iat <= now.saturating_add(CLOCK_TOLERANCE)), // 6
            ("exp", life.is_some_and(|life| (1..=MAX_LIFE).contains(&life))),
            ("exp", now <= assertion.exp.saturating_add(CLOCK_TOLERANCE)), // 4
            ("nbf", assertion.nbf.is_none_or(|nbf| nbf <= now.saturating_add(CLOCK_TOLERANCE))), // 5
            ("jti", is_jti(&assertion.jti)),                               // 7
            ("user_agent_address", user_agent.is_ok()),
        ];
        first_wrong(&claims)?;
        Ok(Self { assertion, user_agent: user_agent.ok().flatten().map(|address| address.to_canonical()) })
    }

    /// Its identifier.
    pub fn id(&self) -> &str {
        &self.assertion.iss
    }

    /// Where the person's browser is, where the client says so.
    pub fn user_agent(&self) -> Option<IpAddr> {
        self.user_agent
    }

    /// Tells this assertion from every other one. Of the client and the number: no client makes another's look used.
    pub fn fingerprint(&self) -> Sha256Hash {
        let client = Sha256Hash::of(self.assertion.iss.as_bytes());
        Sha256Hash::of(&[client.as_bytes().as_slice(), self.assertion.jti.as_bytes()].concat())
    }

    /// The last moment at which it could be taken.
    pub fn expires_at(&self) -> NumericDate {
        self.assertion.exp.saturating_add(CLOCK_TOLERANCE)
    }
}
