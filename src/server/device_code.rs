//! Codes with which devices are registered (`docs/protocol.md`, registration with a code): what is kept of them, how those
//! of letters are ordered and those on screens made known, and what ends them. The secret is in the letter or on the screen
//! alone.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Service;
use super::account::Account;
use super::audit::{self, Entry};
use super::http::{Code, Refusal, Unread};
use super::letter::{self, Ordered, Requester};
use super::notice::{self, Kind};
use super::session::{self, OpenedLately, Presented, Session, StillOpen};
use super::states::{DeviceCodeState, DeviceState, Event, States as _, transition};
use super::store::{Connection, Tx, from_json, to_json};
use super::{addition, device, random};
use crate::jose::P256Jwk;
use crate::protocol::addition::MIN_AGE;
use crate::protocol::api::{LetterOrdered, Problem, ScreenCodeAnswer, ScreenCodeRequest};
use crate::protocol::qr::{LetterCode, QrId, ShownBy};
use crate::protocol::registration::RegistrationError;
use crate::protocol::session::SessionMethod;
use crate::protocol::{BindingLevel, CodeId, NumericDate, SessionId};

/// Failures that void a code.
const MAX_FAILURES: i64 = 5;
const DAY: i64 = 24 * 60 * 60;
/// How long a code on a screen holds, in seconds.
const LIFE_ON_SCREEN: i64 = 10 * 60;

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

/// Makes a code known that the sender has drawn and shows on its screen. The one shown before does not hold any more.
#[utoipa::path(post, path = "/v1/device-codes", request_body = ScreenCodeRequest, responses(
    (status = 201, body = ScreenCodeAnswer), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    presented: Presented,
    body: Unread<ScreenCodeRequest>,
) -> Result<(StatusCode, Json<ScreenCodeAnswer>), Refusal> {
    let now = service.now_unix();
    let (Session { id: session_id, .. }, mut tx) = presented.enter(&service).await?;
    let request = body.read()?;
    let open = session::find_open(&service, &mut tx, session_id).await?;
    let shown = Shown::check(&mut tx, &open, now).await?;
    let OpenedLately { .. } = OpenedLately::check(open.created, now)?;
    let StillOpen { account, device, .. } = open;
    let actor = service.keys.pseudonym(&account.kvnr);
    let device = device.map(|id| id.parse()).transpose().map_err(|_| Refusal::internal())?;
    let before = sqlx::query_scalar::<_, String>(
        "SELECT code_id FROM device_code WHERE account_id = $1 AND session_id IS NOT NULL AND state = $2 AND expires_at > $3",
    );
    let before = before.bind(account.id).bind(DeviceCodeState::Valid.as_str()).bind(now).fetch_all(&mut *tx).await?;
    for id in before {
        let event = Event::DeviceCodeSuperseded;
        transition(&mut tx, &id, DeviceCodeState::Valid, event).await?.ok_or_else(Refusal::internal)?;
        let entry = Entry { actor: &actor, device, event, object: &id, result: "ok", detail: None };
        audit::append(&mut tx, entry, now).await?;
    }

    let code_id = CodeId::random(&mut random()).to_string();
    let expires_at = now.saturating_add(LIFE_ON_SCREEN);
    let insert = sqlx::query(
        "INSERT INTO device_code (code_id, session_id, account_id, qr_id, jwk, state, failures, created, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8) ON CONFLICT (account_id, qr_id) DO NOTHING",
    );
    let insert = insert.bind(&code_id).bind(session_id.to_string()).bind(account.id).bind(request.qr_id.to_string());
    let insert = insert.bind(to_json(&request.jwk)?).bind(DeviceCodeState::Valid.as_str()).bind(now).bind(expires_at);
    if insert.execute(&mut *tx).await?.rows_affected() != 1 {
        return Err(Refusal::new(Code::KeyInUse).with_detail("qr_id"));
    }
    let (event, detail) = (Event::DeviceCodeShown, Some(shown.by.as_str().to_owned()));
    audit::append(&mut tx, Entry { actor: &actor, device, event, object: &code_id, result: "ok", detail }, now).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(ScreenCodeAnswer { expires_at })))
}

/// The session in which a code is shown is one that may show codes. Only [`Shown::check`] makes one.
pub(super) struct Shown {
    by: ShownBy,
    waits: bool,
}

impl Shown {
    /// What stands behind the session.
    pub(super) fn by(&self) -> ShownBy {
        self.by
    }

    /// Whether a device waits that it binds, as whoever stands behind the session had to.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// Card and card PIN have opened the session, or a registered device that is active and old enough to add others. Not a
    /// password, which the new computer shows itself; and not a website, with whatever, for others may stand between it and
    /// the service.
    async fn check(connection: &mut Connection, open: &StillOpen, now: NumericDate) -> Result<Self, Refusal> {
        if !open.is_own_program {
            return Err(Code::StrongerLoginNeeded.into());
        }
        match open.method {
            SessionMethod::Card => Ok(Self { by: ShownBy::Card, waits: false }),
            SessionMethod::Device => {
                let query = "SELECT state, binding_level, active_from, expires_at FROM device \
                             WHERE device_id = $1 AND account_id = $2";
                let query = sqlx::query_as::<_, (String, String, i64, i64)>(query);
                let query = query.bind(open.device.clone()).bind(open.account.id).fetch_optional(connection).await?;
                let (state, level, active_from, expires_at) = query.ok_or_else(Refusal::internal)?;
                device::check_active(DeviceState::parse(&state)?, active_from, expires_at, now)?;
                addition::check_age(active_from.saturating_add(MIN_AGE), now)?;
                Ok(Self { by: ShownBy::Device, waits: level != BindingLevel::B3.to_string() })
            }
            SessionMethod::Password
            | SessionMethod::DeviceApproval
            | SessionMethod::InitialPassword
            | SessionMethod::IdentityProvider
            | SessionMethod::Reset => Err(Code::StrongerLoginNeeded.into()),
        }
    }

    /// The session of this name has not ended, and may still show codes.
    async fn still(
        service: &Service,
        connection: &mut Connection,
        session_id: &str,
        now: NumericDate,
    ) -> Result<Self, Refusal> {
        let id = session_id.parse().map_err(|_| Refusal::internal())?;
        let open = session::find_open(service, connection, id).await?;
        Self::check(connection, &open, now).await
    }
}

/// What is kept of a letter's code: all that is left once its letter is written.
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
            "INSERT INTO device_code (code_id, letter_id, account_id, qr_id, jwk, state, failures, created, expires_at) \
             VALUES ($1, $1, $2, $3, $4, $5, 0, $6, $7)",
        );
        let insert = insert.bind(letter_id.to_owned()).bind(account.id).bind(self.id.to_string());
        let insert = insert.bind(self.jwk.clone()).bind(DeviceCodeState::Valid.as_str()).bind(now);
        let life = i64::from(service.settings.letters.code_days).saturating_mul(DAY);
        insert.bind(now.saturating_add(life)).execute(connection).await.map(drop)
    }
}

/// A code of this account that holds.
pub(super) struct ValidCode {
    code_id: String,
    pub(super) key: P256Jwk,
    /// Where it is shown on a screen, and what comes to that; none of a letter.
    on_screen: Option<(Shown, ByPassword)>,
}

/// The session in which a code from a screen is used is one of the password. Only [`ByPassword::check`] makes one.
struct ByPassword(());

impl ByPassword {
    /// The new computer shows a proof of its own: whoever has the registered device and its PIN, or card and card PIN, has
    /// opened the session in which the code is shown, and could open this one with the same. A website has none, either:
    /// others may stand between it and the service.
    fn check(open: &StillOpen) -> Result<Self, Refusal> {
        match open.method {
            SessionMethod::Password if open.is_own_program => Ok(Self(())),
            SessionMethod::Password
            | SessionMethod::Card
            | SessionMethod::Device
            | SessionMethod::DeviceApproval
            | SessionMethod::InitialPassword
            | SessionMethod::IdentityProvider
            | SessionMethod::Reset => Err(Refusal::new(Code::QrCodeEnded).with_detail("no_password")),
        }
    }
}

/// The code of this account with this name, for a registration in this session.
///
/// # Errors
/// [`Code::QrCodeEnded`], with what has become of it.
pub(super) async fn find(
    service: &Service,
    connection: &mut Connection,
    (account, registers): (&Account, SessionId),
    id: QrId,
    now: NumericDate,
) -> Result<ValidCode, Refusal> {
    let ended = |why: &str| Refusal::new(Code::QrCodeEnded).with_detail(why);
    let query = sqlx::query_as::<_, (String, Option<String>, String, String, i64)>(
        "SELECT code_id, session_id, jwk, state, expires_at FROM device_code WHERE account_id = $1 AND qr_id = $2",
    );
    let row = query.bind(account.id).bind(id.to_string()).fetch_optional(&mut *connection).await?;
    // A code of another person is looked for in this account alone.
    let (code_id, session_id, jwk, state, expires_at) = row.ok_or_else(|| ended("unknown"))?;
    match DeviceCodeState::parse(&state)? {
        DeviceCodeState::Valid if now < expires_at => {}
        DeviceCodeState::Valid => return Err(ended("expired")),
        over => return Err(ended(over.as_str())),
    }
    let on_screen = match session_id {
        None => None,
        Some(session) => {
            let password = ByPassword::check(&session::find_open(service, connection, registers).await?)?;
            match Shown::still(service, connection, &session, now).await {
                Ok(shown) => Some((shown, password)),
                Err(refusal) if [Code::Internal, Code::NotReady].contains(&refusal.code) => return Err(refusal),
                Err(_) => return Err(ended("session_ended")),
            }
        }
    };
    Ok(ValidCode { code_id, key: from_json(&jwk)?, on_screen })
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
        let count = "UPDATE device_code SET failures = failures + 1 WHERE code_id = $1 RETURNING failures";
        let failures = sqlx::query_scalar::<_, i64>(count).bind(&self.code_id).fetch_one(&mut **tx).await?;
        let event = if failures < MAX_FAILURES { Event::DeviceCodeFailed } else { Event::DeviceCodeVoided };
        self.end(tx, event).await?;
        let refusal = Refusal::from(error);
        let entry = Entry {
            actor: &service.keys.pseudonym(&account.kvnr),
            device: None,
            event,
            object: &self.code_id,
            result: refusal.code.as_str(),
            detail: refusal.detail().map(str::to_owned),
        };
        audit::append(tx, entry, now).await?;
        if event == Event::DeviceCodeVoided {
            notice::queue(service, tx, account.id, Kind::DeviceCodeVoided, now).await?;
        }
        Ok(refusal)
    }

    /// The code has bound a device, and does so never again. Gives where it was shown on a screen, if it was.
    pub(super) async fn use_up(self, tx: &mut Tx) -> Result<Option<Shown>, Refusal> {
        self.end(tx, Event::DeviceBound).await?;
        Ok(self.on_screen.map(|(shown, ByPassword(()))| shown))
    }

    async fn end(&self, tx: &mut Tx, event: Event) -> Result<(), Refusal> {
        let moved = transition(tx, &self.code_id, DeviceCodeState::Valid, event).await?;
        moved.map(drop).ok_or_else(|| Refusal::new(Code::QrCodeEnded).with_detail(DeviceCodeState::Used.as_str()))
    }
}
