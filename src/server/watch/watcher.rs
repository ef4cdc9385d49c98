//! Who may list and watch approvals: a session, or a device that is active, by its transport key, with or without one.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::jose::P256Jwk;
use crate::protocol::watch::{SCHEME, WatchProof, named_device};
use crate::protocol::{DeviceId, NumericDate};
use crate::server::account::Account;
use crate::server::http::{Code, Refusal};
use crate::server::session::Session;
use crate::server::states::{DeviceState, States as _};
use crate::server::store::{Connection, from_json};
use crate::server::{Service, device};

/// Whoever may see the approvals of an account.
pub(in crate::server) struct Watcher {
    pub(in crate::server) account: Account,
    /// When an answer to it ends at the latest, so that it is asked again who it is.
    pub(super) ends_at: NumericDate,
    who: Who,
}

enum Who {
    Session(Box<Session>),
    Device(DeviceId),
}

impl FromRequestParts<Arc<Service>> for Watcher {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Refusal> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials = header.and_then(|header| header.split_once(' '));
        match credentials.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(SCHEME)) {
            Some((_, credentials)) => Self::of_device(service, credentials).await,
            None => {
                let session = Session::from_request_parts(parts, service).await?;
                let (account, ends_at) = (session.account.clone(), session.token_ends_at);
                Ok(Self { account, ends_at, who: Who::Session(Box::new(session)) })
            }
        }
    }
}

impl Watcher {
    /// Whoever has no key of the device is told the same of one that is there and of one that never was.
    async fn of_device(service: &Service, credentials: &str) -> Result<Self, Refusal> {
        let invalid = |what: String| Refusal::new(Code::ProofInvalid).with_detail(what);
        let now = service.now_unix();
        let (id, compact) = named_device(credentials).ok_or_else(|| invalid("message".to_owned()))?;
        let mut connection = service.store.pool().acquire().await?;
        let query = sqlx::query_scalar::<_, String>("SELECT transport_jwk FROM device WHERE device_id = $1");
        let key = query.bind(id.to_string()).fetch_optional(&mut connection).await?;
        let key: P256Jwk = from_json(&key.ok_or_else(|| invalid("signature".to_owned()))?)?;
        let proof = WatchProof::check(compact, &key, &service.settings.issuer, id, now)
            .map_err(|part| invalid(part.to_string()))?;
        // It is for one request; as it reads alone, this process remembers it, like other proofs of such requests.
        if !service.seen_proofs.insert(proof.fingerprint(), proof.expires_at(), now) {
            return Err(invalid("replayed".to_owned()));
        }
        let account = of_active(service, &mut connection, id).await?;
        let ends_at = now.saturating_add(service.settings.sessions.access_token);
        Ok(Self { account, ends_at, who: Who::Device(id) })
    }

    /// Identifies the session or the device; both kinds are random.
    pub(super) fn id(&self) -> [u8; 16] {
        match &self.who {
            Who::Session(session) => *session.id.as_bytes(),
            Who::Device(id) => *id.as_bytes(),
        }
    }

    /// It may still see them.
    ///
    /// # Errors
    /// As for a request of whoever may not any more.
    pub(in crate::server) async fn still_may(
        &self,
        service: &Service,
        connection: &mut Connection,
    ) -> Result<(), Refusal> {
        match &self.who {
            Who::Session(session) => session.still_open(service, connection).await.map(drop),
            Who::Device(id) => of_active(service, connection, *id).await.map(drop),
        }
    }
}

/// The account of a device that is active: one that waits, is locked, has expired or was removed shows nothing.
async fn of_active(service: &Service, connection: &mut Connection, id: DeviceId) -> Result<Account, Refusal> {
    let query = "SELECT account_id, state, active_from, expires_at FROM device WHERE device_id = $1";
    let query = sqlx::query_as::<_, (i64, String, i64, i64)>(query).bind(id.to_string());
    let (account_id, state, active_from, expires_at) = query.fetch_one(&mut *connection).await?;
    device::check_active(DeviceState::parse(&state)?, active_from, expires_at, service.now_unix())?;
    let account = Account::by_id(connection, account_id).await?;
    account.may_enter(service, connection).await?;
    Ok(account)
}
