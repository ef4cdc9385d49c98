//! Codes of letters with which devices are registered (`docs/protocol.md`, registration with a code): what is kept of
//! them, how they are ordered, and what ends them. The secret is in the letter alone.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Service;
use super::account::Account;
use super::audit::{self, Entry};
use super::http::{Code, Refusal};
use super::letter::{self, Ordered, Requester};
use super::notice::{self, Kind};
use super::session::Session;
use super::states::{DeviceCodeState, Event, States as _, transition};
use super::store::{Connection, Tx, from_json, to_json};
use crate::jose::P256Jwk;
use crate::protocol::NumericDate;
use crate::protocol::api::{LetterOrdered, Problem};
use crate::protocol::qr::{LetterCode, QrId};
use crate::protocol::registration::RegistrationError;

/// Failures that void a code.
const MAX_FAILURES: i64 = 5;
const DAY: i64 = 24 * 60 * 60;

/// Orders a letter with a code for this account.
#[utoipa::path(post, path = "/v1/letters/device-code", responses((status = 202, body = LetterOrdered),
    (status = 409, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn order(
    State(service): State<Arc<Service>>,
    session: Session,
) -> Result<(StatusCode, Json<LetterOrdered>), Refusal> {
    let mut tx = service.store.begin().await?;
    let account = session.still_open(&service, &mut tx).await?;
    let actor = service.keys.pseudonym(&account.kvnr);
    let by = Requester::Owner { actor: &actor, method: session.method };
    let ordered = letter::order_device_code(&service, &mut tx, &account, by, service.now_unix()).await?;
    tx.commit().await?;
    match ordered {
        Ordered::Yes | Ordered::Already => {
            Ok((StatusCode::ACCEPTED, Json(LetterOrdered { already: ordered == Ordered::Already })))
        }
        Ordered::TooMany => Err(Code::TooManyLetters.into()),
        Ordered::NotNow => Err(Refusal::new(Code::AccountState).with_detail(account.state.as_str())),
    }
}

/// What is kept of a code: all that is left once its letter is written.
pub(super) struct Public {
    id: QrId,
    jwk: String,
}

impl Public {
    /// The public half; `None` for a code that has no key.
    pub(super) fn of(code: &LetterCode) -> Option<Self> {
        let key = P256Jwk::from(*code.key()?.verifying_key());
        Some(Self { id: code.id(), jwk: to_json(&key).ok()? })
    }

    /// Keeps it, for as many days as the operator lets codes hold. Those before hold on.
    pub(super) async fn keep(
        &self,
        service: &Service,
        connection: &mut Connection,
        account: &Account,
        letter_id: &str,
        now: NumericDate,
    ) -> Result<(), sqlx::Error> {
        let insert = sqlx::query(
            "INSERT INTO device_code (letter_id, account_id, qr_id, jwk, state, failures, created, expires_at) \
             VALUES ($1, $2, $3, $4, $5, 0, $6, $7)",
        );
        let insert = insert.bind(letter_id.to_owned()).bind(account.id).bind(self.id.to_string());
        let insert = insert.bind(self.jwk.clone()).bind(DeviceCodeState::Valid.as_str()).bind(now);
        let life = i64::from(service.settings.letters.code_days).saturating_mul(DAY);
        insert.bind(now.saturating_add(life)).execute(connection).await.map(drop)
    }
}

/// A code of this account that holds.
pub(super) struct ValidCode {
    letter_id: String,
    pub(super) key: P256Jwk,
}

/// The code of this account with this name.
///
/// # Errors
/// [`Code::QrCodeEnded`], with what has become of it.
pub(super) async fn find(
    connection: &mut Connection,
    account: &Account,
    id: QrId,
    now: NumericDate,
) -> Result<ValidCode, Refusal> {
    let ended = |why: &str| Refusal::new(Code::QrCodeEnded).with_detail(why);
    let query = sqlx::query_as::<_, (String, String, String, i64)>(
        "SELECT letter_id, jwk, state, expires_at FROM device_code WHERE account_id = $1 AND qr_id = $2",
    );
    let row = query.bind(account.id).bind(id.to_string()).fetch_optional(connection).await?;
    // A code of another person is looked for in this account alone.
    let (letter_id, jwk, state, expires_at) = row.ok_or_else(|| ended("unknown"))?;
    match DeviceCodeState::parse(&state)? {
        DeviceCodeState::Valid if now < expires_at => Ok(ValidCode { letter_id, key: from_json(&jwk)? }),
        DeviceCodeState::Valid => Err(ended("expired")),
        over => Err(ended(over.as_str())),
    }
}

impl ValidCode {
    /// Counts what was not signed by this code's key; the fifth voids it.
    pub(super) async fn count_failure(
        &self,
        service: &Service,
        tx: &mut Tx,
        account: &Account,
        error: RegistrationError,
        now: NumericDate,
    ) -> Result<Refusal, Refusal> {
        let count = "UPDATE device_code SET failures = failures + 1 WHERE letter_id = $1 RETURNING failures";
        let failures = sqlx::query_scalar::<_, i64>(count).bind(&self.letter_id).fetch_one(&mut **tx).await?;
        let event = if failures < MAX_FAILURES { Event::DeviceCodeFailed } else { Event::DeviceCodeVoided };
        self.end(tx, event).await?;
        let refusal = Refusal::from(error);
        let entry = Entry {
            actor: &service.keys.pseudonym(&account.kvnr),
            device: None,
            event,
            object: &self.letter_id,
            result: refusal.code.as_str(),
            detail: refusal.detail().map(str::to_owned),
        };
        audit::append(tx, entry, now).await?;
        if event == Event::DeviceCodeVoided {
            notice::queue(service, tx, account.id, Kind::DeviceCodeVoided, now).await?;
        }
        Ok(refusal)
    }

    /// The code has bound a device, and does so never again.
    pub(super) async fn use_up(&self, tx: &mut Tx) -> Result<(), Refusal> {
        self.end(tx, Event::DeviceBound).await
    }

    async fn end(&self, tx: &mut Tx, event: Event) -> Result<(), Refusal> {
        let moved = transition(tx, &self.letter_id, DeviceCodeState::Valid, event).await?;
        moved.map(drop).ok_or_else(|| Refusal::new(Code::QrCodeEnded).with_detail(DeviceCodeState::Used.as_str()))
    }
}
