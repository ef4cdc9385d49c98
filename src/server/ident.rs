//! Identified elsewhere (`docs/protocol.md`, identity providers): a signed statement opens an account without any letter.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Service;
use super::account::Account;
use super::client::Asked;
use super::dpop::{self, Unremembered};
use super::http::{Code, Refusal};
use super::session::{self, Holder};
use super::states::{Event, States as _};
use super::store::Tx;
use crate::protocol::NumericDate;
use crate::protocol::api::{IdentRequest, Problem, TokenAnswer};
use crate::protocol::client_assertion::ByClient;
use crate::protocol::ident::VerifiedStatement;
use crate::protocol::session::SessionMethod;

/// Takes a statement and opens a setup session for it: the person chooses a password at once.
#[utoipa::path(post, path = "/v1/ident", request_body = ByClient<IdentRequest>, security(("dpop_proof" = [])), responses(
    (status = 200, body = TokenAnswer), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn take(
    State(service): State<Arc<Service>>,
    Unremembered(proof): Unremembered,
    Asked { request, client, .. }: Asked<IdentRequest>,
) -> Result<Json<TokenAnswer>, Refusal> {
    let now = service.now_unix();
    let client_name = session::client_name(request.client_name)?;
    let providers = &service.current().identity_providers;
    // Nothing is written for what no provider has signed.
    let statement = VerifiedStatement::check(&request.statement, providers, &service.settings.issuer, now)
        .map_err(|part| invalid(part.to_string()))?;
    let actor = service.keys.pseudonym(&statement.statement().kvnr);
    let mut tx = service.store.begin().await?;
    let proof = dpop::take_in(&mut tx, proof).await?;
    use_up(&mut tx, &statement).await?;
    let holder = Holder { proof, client, client_name, device: None };
    let opened = open(&service, &mut tx, &statement, holder, now).await;
    session::conclude(&service, tx, SessionMethod::IdentityProvider, opened, &actor, now).await
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::IdentStatementInvalid).with_detail(detail)
}

/// Keeps the statement's name as long as it could be handed in once more.
async fn use_up(tx: &mut Tx, statement: &VerifiedStatement) -> Result<(), Refusal> {
    let insert = "INSERT INTO ident_statement (iss, jti, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let insert = sqlx::query(insert).bind(&statement.statement().iss).bind(&statement.statement().jti);
    let taken = insert.bind(statement.ends_at()).execute(&mut **tx).await?;
    if taken.rows_affected() == 1 { Ok(()) } else { Err(Code::IdentStatementUsed.into()) }
}

/// The statement is about somebody in the register who may log in.
async fn open(
    service: &Service,
    tx: &mut Tx,
    statement: &VerifiedStatement,
    holder: Holder,
    now: NumericDate,
) -> Result<TokenAnswer, Refusal> {
    let statement = statement.statement();
    let mut account = Account::by_kvnr(tx, &statement.kvnr).await?.ok_or_else(|| invalid("kvnr"))?;
    if account.register(tx).await?.birth_date != statement.birth_date {
        return Err(invalid("birth_date"));
    }
    account.may_enter(service, tx).await?;
    let actor = service.keys.pseudonym(&account.kvnr);
    if !account.move_by(service, tx, Event::AccountIdentified, &actor).await? {
        return Err(Refusal::new(Code::AccountState).with_detail(account.state.as_str()));
    }
    session::open(service, tx, &account, SessionMethod::IdentityProvider, holder, now).await
}

/// Forgets statements that have run out.
pub(super) async fn forget(service: &Service) -> Result<(), Refusal> {
    let delete = sqlx::query("DELETE FROM ident_statement WHERE expires_at < $1").bind(service.now_unix());
    service.store.forget(delete).await
}
