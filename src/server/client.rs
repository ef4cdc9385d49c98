//! Confidential clients, such as the insurer's web branch (`docs/protocol.md`, web branch): they add an assertion to what
//! they ask for a person. A session that one of them has opened is its own.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use serde::de::DeserializeOwned;

use super::http::{self, Code, Refusal};
use super::source::Source;
use super::{Service, dpop};
use crate::protocol::client_assertion::{ASSERTION_TYPE, AuthenticatedClient, ClientAuthentication};

/// A confidential client that has signed for this request, with an assertion that was never sent before. Only
/// [`Asked`] makes one.
#[derive(Debug)]
pub(super) struct ClientId(String);

impl ClientId {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A body that asks for a session or for tokens, and who hands it in. Whoever gets it knows that what a client has added
/// to it is right: nothing of a wrong one is counted, compared or kept.
pub(super) struct Asked<T> {
    pub(super) request: T,
    /// The confidential client; `None` for people's own programs.
    pub(super) client: Option<ClientId>,
    /// Where the person is: what the client has signed, and else where the request comes from.
    pub(super) source: IpAddr,
}

impl<T: DeserializeOwned + Send> FromRequest<Arc<Service>> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let Ok(Source(connection)) = Source::from_request_parts(&mut parts, service).await;
        let body = http::read_body(Request::from_parts(parts, body), service).await?;
        let (authentication, request) = (http::parse(&body)?, http::parse(&body)?);
        let Some(client) = authenticate(service, authentication).await? else {
            return Ok(Self { request, client: None, source: connection });
        };
        let source = client.user_agent().unwrap_or(connection);
        Ok(Self { request, client: Some(ClientId(client.id().to_owned())), source })
    }
}

/// Checks the assertion, where there is one, and remembers it.
async fn authenticate(
    service: &Service,
    authentication: ClientAuthentication,
) -> Result<Option<AuthenticatedClient>, Refusal> {
    // RFC 7521, 4.2: the two come together, and the type says that it is a JWT.
    let assertion = match (authentication.client_assertion_type, authentication.client_assertion) {
        (None, None) => return Ok(None),
        (Some(kind), Some(assertion)) if kind == ASSERTION_TYPE => assertion,
        (Some(kind), None) if kind == ASSERTION_TYPE => return Err(invalid("client_assertion")),
        _ => return Err(invalid("client_assertion_type")),
    };
    let (current, aud) = (service.current(), &service.settings.issuer);
    let client = AuthenticatedClient::check(&assertion, &current.clients, aud, service.now_unix())
        .map_err(|part| invalid(part.to_string()))?;
    let mut tx = service.store.begin_row().await?;
    if !dpop::remember(&mut tx, client.fingerprint(), client.expires_at()).await? {
        return Err(invalid("replayed"));
    }
    tx.commit().await?;
    Ok(Some(client))
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::ClientInvalid).with_detail(detail)
}

/// The name that people know a client by; that of one that is not in the configuration any more is its identifier.
pub(super) fn display_name(service: &Service, id: String) -> String {
    let current = service.current();
    let client = current.clients.iter().find(|client| client.id == id);
    client.map_or(id, |client| client.display_name().to_owned())
}

/// Whether the client that has opened a session is one still. A program's session has none.
pub(super) fn may_hold_sessions(service: &Service, id: Option<&str>) -> bool {
    id.is_none_or(|id| service.current().clients.iter().any(|client| client.id == id))
}
