//! Setting a password, and changing it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::{Kept, MAX_BYTES, initial};
use crate::protocol::api::{PasswordRequest, Problem};
use crate::secret::SecretText;
use crate::server::Service;
use crate::server::account::Account;
use crate::server::audit::{self, Entry};
use crate::server::http::{Body, Code, Refusal};
use crate::server::limits::{self, CountedTry, Try};
use crate::server::session::{self, Session, SetupSession};
use crate::server::source::Source;
use crate::server::states::Event;

/// How long whoever lost the answer may ask for the same again, in seconds.
const LOST_ANSWER: i64 = 15 * 60;

/// Sets the password, or changes it. All other sessions end, devices stay, and no initial password holds any more. A
/// session that was opened with the present password, or by a device, has to show it once more. Whoever lost the answer may ask for the
/// same again.
#[utoipa::path(put, path = "/v1/password", request_body = PasswordRequest, responses(
    (status = 204), (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
    (status = 429, body = Problem)))]
pub(in crate::server) async fn set(
    State(service): State<Arc<Service>>,
    source: Source,
    SetupSession(session): SetupSession,
    Body(request): Body<PasswordRequest>,
) -> Result<StatusCode, Refusal> {
    let new = Arc::new(request.new);
    let kept = check_rules(&service, &session.account, &new).await?;
    let mut counted = None;
    if session.method.needs_old_password() {
        let tried = count(&service, &session, source).await?;
        if !is_right(&service, kept.as_ref(), request.old, &tried).await? {
            // The first answer may have been lost: then the password is the new one already, and not since long. Later it
            // would be a second guess.
            let is_recent = Kept::changed_since(&service, kept.as_ref(), service.now_unix() - LOST_ANSWER).await?;
            if !is_recent || !Kept::is(&service, kept.as_ref(), &new).await? {
                return refuse(&service, &session.account).await;
            }
            let mut tx = service.store.begin().await?;
            tried.forgive(&mut tx).await?;
            tx.commit().await?;
            return Ok(StatusCode::NO_CONTENT);
        }
        counted = Some(tried);
    }
    let hashed = Kept::hashed(&service, &new).await?;
    let now = service.now_unix();
    let mut tx = service.store.begin().await?;
    let mut account = session.still_open(&service, &mut tx).await?;
    // The password is still the one that was compared.
    let before = Kept::of(&mut tx, account.id).await?;
    if before.map(|before| before.password_id) != kept.map(|kept| kept.password_id) {
        return Err(Code::OldPasswordWrong.into());
    }
    let person = service.keys.pseudonym(&account.kvnr);
    if !account.move_by(&service, &mut tx, Event::PasswordSet, &person).await? {
        return Err(Code::AccountState.into());
    }
    hashed.keep(&mut tx, account.id, now).await?;
    initial::void(&service, &mut tx, &account).await?;
    session::forget_clients(&mut tx, account.id).await?;
    session::know_client(&mut tx, account.id, session.client, now).await?;
    if let Some(counted) = counted {
        counted.forgive(&mut tx).await?;
    }
    session::end_all_but(&service, &mut tx, &account, Some(session.id), now).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether this person may choose this password; gives the present one.
async fn check_rules(service: &Service, account: &Account, new: &SecretText) -> Result<Option<Kept>, Refusal> {
    let refused = |detail: String| Refusal::new(Code::PasswordRefused).with_detail(detail);
    let mut connection = service.store.pool().acquire().await?;
    let register = account.register(&mut connection).await?;
    let person = register.person(account, &service.settings.insurer.name);
    service.settings.passwords.check(new, &person).map_err(|weakness| refused(weakness.detail()))?;
    if initial::find(service, &mut connection, account.id, &account.kvnr, new).await?.is_some() {
        return Err(refused("initial".to_owned()));
    }
    Kept::of(&mut connection, account.id).await
}

async fn count(service: &Service, session: &Session, Source(source): Source) -> Result<CountedTry, Refusal> {
    let person = service.keys.pseudonym(&session.account.kvnr);
    let tried = Try { person: &person, account_id: session.account.id, client: session.client, source };
    limits::count(service, &tried).await
}

async fn is_right(
    service: &Service,
    kept: Option<&Kept>,
    old: Option<SecretText>,
    _: &CountedTry,
) -> Result<bool, Refusal> {
    match old {
        Some(old) if old.expose().len() <= MAX_BYTES => Kept::is(service, kept, &Arc::new(old)).await,
        _ => Ok(false),
    }
}

async fn refuse(service: &Service, account: &Account) -> Result<StatusCode, Refusal> {
    let mut tx = service.store.begin().await?;
    let person = service.keys.pseudonym(&account.kvnr);
    let (event, result) = (Event::PasswordNotSet, Code::OldPasswordWrong.as_str());
    let entry = Entry { actor: &person, device: None, event, object: &person, result, detail: None };
    audit::append(&mut tx, entry, service.now_unix()).await?;
    tx.commit().await?;
    Err(Code::OldPasswordWrong.into())
}
