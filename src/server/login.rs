//! Logging in with a password: one's own, or the initial one of a letter.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Method;

use super::Service;
use super::account::Account;
use super::audit::{self, Entry};
use super::client::Asked;
use super::dpop::{self, Unremembered};
use super::http::{Code, Refusal};
use super::limits::{self, CountedTry, Try};
use super::password::initial::{self, Letter};
use super::password::{self, Kept};
use super::session::{self, Holder};
use super::states::{Event, States as _};
use super::store::Tx;
use crate::identity::kvnr::Kvnr;
use crate::jose::Thumbprint;
use crate::protocol::NumericDate;
use crate::protocol::api::{LoginRequest, Problem, TokenAnswer};
use crate::protocol::client_assertion::ByClient;
use crate::protocol::session::SessionMethod;
use crate::secret::SecretText;

/// Stands for the account that is not there: its number is no account's.
pub(super) const NOBODY: i64 = 0;

/// A password that was right when it was compared.
struct RightPassword {
    account: Account,
    credential: Credential,
}

enum Credential {
    /// Her own, and the same hashed anew where that is due.
    Own { kept: Kept, newer: Option<Kept> },
    /// The initial one of a letter.
    Initial(Letter),
}

/// Opens a session with insurance number and password; with an initial password, a session in which nothing can be done
/// but set one's own. An unknown account and a wrong password get the same answer after the same work.
#[utoipa::path(post, path = "/v1/login", request_body = ByClient<LoginRequest>, security(("dpop_proof" = [])), responses(
    (status = 200, body = TokenAnswer), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn login(
    State(service): State<Arc<Service>>,
    Unremembered(proof): Unremembered,
    Asked { request, client, source }: Asked<LoginRequest>,
) -> Result<Json<TokenAnswer>, Refusal> {
    let kvnr = Kvnr::typed(&request.kvnr).map_err(|error| Refusal::new(Code::KvnrInvalid).with_detail(error.code()))?;
    let client_name = session::client_name(request.client_name)?;
    if request.password.expose().len() > password::MAX_BYTES {
        return Err(Code::LoginFailed.into());
    }
    let person = service.keys.pseudonym(&kvnr);
    let account = {
        let mut connection = service.store.pool().acquire().await?;
        Account::by_kvnr(&mut connection, &kvnr).await?
    };
    let account_id = account.as_ref().map_or(NOBODY, |account| account.id);
    // The password of a letter is no guess, and its owner has no computer that the service knows: she waits for nobody.
    let letter = {
        let mut connection = service.store.pool().acquire().await?;
        initial::find(&service, &mut connection, account_id, &kvnr, &request.password).await?
    };
    let (right, proof, counted) = match (account, letter) {
        (Some(account), Some(letter)) => {
            let proof = dpop::take(&service, proof, &Method::POST).await?;
            (Some(RightPassword { account, credential: Credential::Initial(letter) }), proof, None)
        }
        (account, _) => {
            let tried = Try { person: &person, account_id, client: proof.jkt(), source };
            // Whoever has to wait makes nothing be written, not even the number of his proof.
            let mut tx = service.store.begin().await?;
            let counted = limits::count_in(&service, &mut tx, &tried).await?;
            let proof = dpop::take_in(&mut tx, proof).await?;
            tx.commit().await?;
            (compare(&service, account, Arc::new(request.password), &counted).await?, proof, Some(counted))
        }
    };
    let now = service.now_unix();
    let mut tx = service.store.begin().await?;
    let (method, granted) = match grant(&service, &mut tx, right, proof.jkt(), now).await {
        Ok((account, method)) => {
            if let Some(counted) = counted {
                counted.forgive(&mut tx).await?;
            }
            let holder = Holder { proof, client, client_name, device: None };
            (method, session::open(&service, &mut tx, &account, method, holder, now).await)
        }
        Err(refusal) => {
            if let Some(counted) = counted
                && refusal.code != Code::LoginFailed
            {
                counted.forgive(&mut tx).await?; // whoever has the right password was not guessing
            }
            (SessionMethod::Password, Err(refusal))
        }
    };
    session::conclude(&service, tx, method, granted, &person, now).await
}

/// Whether this is the password of the account; the work is the same without one, and without account. It was counted
/// before.
async fn compare(
    service: &Service,
    account: Option<Account>,
    password: Arc<SecretText>,
    _: &CountedTry,
) -> Result<Option<RightPassword>, Refusal> {
    let account_id = account.as_ref().map_or(NOBODY, |account| account.id);
    let kept = {
        let mut connection = service.store.pool().acquire().await?; // and back: hashing takes its time
        Kept::of(&mut connection, account_id).await?
    };
    let is_own = Kept::is(service, kept.as_ref(), &password).await?;
    let Some(account) = account else { return Ok(None) };
    let Some(kept) = kept.filter(|_| is_own) else { return Ok(None) };
    let is_outdated = kept.is_outdated(&service.keys.peppers);
    let newer = if is_outdated { Some(Kept::hashed(service, &password).await?) } else { None };
    Ok(Some(RightPassword { account, credential: Credential::Own { kept, newer } }))
}

/// Whom a session may be opened for, or why not. An initial password is used up by it.
async fn grant(
    service: &Service,
    tx: &mut Tx,
    right: Option<RightPassword>,
    client: Thumbprint,
    now: NumericDate,
) -> Result<(Account, SessionMethod), Refusal> {
    let RightPassword { account, credential } = right.ok_or(Code::LoginFailed)?;
    let mut account = Account::by_id(tx, account.id).await?;
    let person = service.keys.pseudonym(&account.kvnr);
    match credential {
        Credential::Own { kept, newer } => {
            // The password is still the one that was compared.
            if Kept::of(tx, account.id).await?.is_none_or(|now| now.password_id != kept.password_id) {
                return Err(Code::LoginFailed.into());
            }
            account.may_enter(service, tx).await?;
            if let Some(newer) = newer {
                kept.replace(tx, account.id, &newer).await?;
                let event = Event::PasswordRehashed;
                let entry = Entry { actor: &person, device: None, event, object: &person, result: "ok", detail: None };
                audit::append(tx, entry, now).await?;
            }
            Ok((account, SessionMethod::Password))
        }
        Credential::Initial(letter) => {
            account.may_enter(service, tx).await?;
            // The last that can refuse: what is refused is not used up.
            letter.use_up(tx, client, now).await?;
            if account.move_by(service, tx, Event::InitialPasswordUsed, &person).await? {
                Ok((account, SessionMethod::InitialPassword))
            } else {
                tracing::error!(state = account.state.as_str(), "an initial password holds where there can be none");
                Err(Refusal::internal())
            }
        }
    }
}
