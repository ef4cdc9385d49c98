//! Logging in with a password.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Service;
use super::account::Account;
use super::audit::{self, Entry};
use super::dpop::Proof;
use super::http::{Body, Code, Refusal};
use super::password::{self, Kept};
use super::session;
use super::states::Event;
use super::store::Tx;
use crate::identity::kvnr::Kvnr;
use crate::protocol::NumericDate;
use crate::protocol::api::{LoginRequest, Problem, TokenAnswer};
use crate::protocol::session::SessionMethod;
use crate::secret::SecretText;

/// Stands for the account that is not there: its number is no account's.
const NOBODY: i64 = 0;

/// A password that was right when it was compared.
struct RightPassword {
    account: Account,
    kept: Kept,
    /// The same password hashed anew, where that is due.
    newer: Option<Kept>,
}

/// Opens a session with insurance number and password. An unknown account, a wrong password, and one before its first
/// day get the same answer after the same work.
#[utoipa::path(post, path = "/v1/login", request_body = LoginRequest, security(("dpop_proof" = [])), responses(
    (status = 200, body = TokenAnswer), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 422, body = Problem)))]
pub(super) async fn login(
    State(service): State<Arc<Service>>,
    proof: Proof,
    Body(request): Body<LoginRequest>,
) -> Result<Json<TokenAnswer>, Refusal> {
    let kvnr = Kvnr::typed(&request.kvnr).map_err(|error| Refusal::new(Code::KvnrInvalid).with_detail(error.code()))?;
    let client_name = session::client_name(request.client_name)?;
    if request.password.expose().len() > password::MAX_BYTES {
        return Err(Code::LoginFailed.into());
    }
    let person = service.keys.pseudonym(&kvnr);
    let right = compare(&service, &kvnr, Arc::new(request.password)).await?;
    let now = service.now_unix();
    let mut tx = service.store.begin().await?;
    match grant(&service, &mut tx, right, proof, client_name, now).await {
        Ok(answer) => {
            tx.commit().await?;
            service.metrics.login(SessionMethod::Password.as_str(), "ok");
            Ok(Json(answer))
        }
        Err(refusal) if refusal.code == Code::Internal => Err(refusal),
        Err(refusal) => {
            let (event, result) = (Event::SessionRefused, refusal.code.as_str());
            let entry = Entry { actor: &person, device: None, event, object: "", result, detail: None };
            audit::append(&mut tx, entry, now).await?;
            tx.commit().await?;
            service.metrics.login(SessionMethod::Password.as_str(), result);
            Err(refusal)
        }
    }
}

/// Whether this is the password of the account; the work is the same without one.
async fn compare(service: &Service, kvnr: &Kvnr, password: Arc<SecretText>) -> Result<Option<RightPassword>, Refusal> {
    let mut connection = service.store.pool().acquire().await?;
    let account = Account::by_kvnr(&mut connection, kvnr).await?;
    let kept = Kept::of(&mut connection, account.as_ref().map_or(NOBODY, |account| account.id)).await?;
    drop(connection); // hashing takes its time
    let is_right = Kept::is(service, kept.as_ref(), &password).await?;
    let (Some(account), Some(kept)) = (account.filter(|_| is_right), kept) else { return Ok(None) };
    let newer = match kept.is_outdated(&service.keys.peppers) {
        true => Some(Kept::hashed(service, &password).await?),
        false => None,
    };
    Ok(Some(RightPassword { account, kept, newer }))
}

/// Opens the session, or says why not.
async fn grant(
    service: &Service,
    tx: &mut Tx,
    right: Option<RightPassword>,
    proof: Proof,
    client_name: Option<String>,
    now: NumericDate,
) -> Result<TokenAnswer, Refusal> {
    let RightPassword { account, kept, newer } = right.ok_or(Code::LoginFailed)?;
    // The password is still the one that was compared.
    let account = Account::by_id(tx, account.id).await?;
    if Kept::of(tx, account.id).await?.is_none_or(|now| now.password_id != kept.password_id) {
        return Err(Code::LoginFailed.into());
    }
    account.may_enter(service, tx).await?;
    let person = service.keys.pseudonym(&account.kvnr);
    if let Some(newer) = newer {
        kept.replace(tx, account.id, &newer).await?;
        let event = Event::PasswordRehashed;
        let entry = Entry { actor: &person, device: None, event, object: &person, result: "ok", detail: None };
        audit::append(tx, entry, now).await?;
    }
    session::open(service, tx, &account, SessionMethod::Password, proof, client_name, now).await
}
