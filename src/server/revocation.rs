//! The printed revocation code (`docs/protocol.md`, losing a device): whoever has it locks all devices and ends all
//! sessions of its account, without any login. It opens nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::account::Account;
use super::audit::{self, Entry};
use super::http::{Body, Refusal};
use super::notice::{self, Kind};
use super::session::{self, Session};
use super::source::Source;
use super::states::Event;
use super::{Service, device, limits, random, strangers};
use crate::protocol::api::{Problem, RevocationCodeAnswer, RevocationRequest};
use crate::protocol::revocation::RevocationCode;

/// Makes a code, which takes the place of the one before. It is shown once: the service keeps a hash.
#[utoipa::path(post, path = "/v1/revocation-code", responses((status = 200, body = RevocationCodeAnswer)))]
pub(super) async fn make(
    State(service): State<Arc<Service>>,
    session: Session,
) -> Result<Json<RevocationCodeAnswer>, Refusal> {
    let now = service.now_unix();
    let code = RevocationCode::random(&mut random());
    let mut tx = service.store.begin().await?;
    let account = session.still_open(&service, &mut tx).await?;
    let insert = "INSERT INTO revocation_code (account_id, sha256, created) VALUES ($1, $2, $3) \
                  ON CONFLICT (account_id) DO UPDATE SET sha256 = $2, created = $3";
    let insert = sqlx::query(insert).bind(account.id).bind(code.sha256().to_string()).bind(now);
    insert.execute(&mut *tx).await?;
    let person = service.keys.pseudonym(&account.kvnr);
    let event = Event::RevocationCodeMade;
    let entry = Entry { actor: &person, device: None, event, object: &person, result: "ok", detail: None };
    audit::append(&mut tx, entry, now).await?;
    notice::queue(&service, &mut tx, account.id, Kind::RevocationCodeMade, now).await?;
    tx.commit().await?;
    Ok(Json(RevocationCodeAnswer { code: code.groups() }))
}

/// Locks all devices of the account that the code is of, ends its sessions, and uses the code up. Everybody gets the same
/// answer, whether there is such a code or not.
#[utoipa::path(post, path = "/v1/emergency/revoke", request_body = RevocationRequest, security(()), responses(
    (status = 204), (status = 429, body = Problem)))]
pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    source: Source,
    Body(request): Body<RevocationRequest>,
) -> Result<StatusCode, Refusal> {
    let now = service.now_unix();
    let mut tx = service.store.begin().await?;
    limits::count_source(&service, &mut tx, source.0, now).await?;
    if let Ok(code) = RevocationCode::read(&request.code) {
        let delete = "DELETE FROM revocation_code WHERE sha256 = $1 RETURNING account_id";
        let delete = sqlx::query_scalar::<_, i64>(delete).bind(code.sha256().to_string());
        if let Some(account_id) = delete.fetch_optional(&mut *tx).await? {
            let account = Account::by_id(&mut tx, account_id).await?;
            let actor = "revocation_code";
            device::lock_each(&service, &mut tx, &account, actor, None).await?;
            strangers::void(&service, &mut tx, &account).await?;
            session::end_all(&service, &mut tx, &account, actor, now).await?;
            let person = service.keys.pseudonym(&account.kvnr);
            let event = Event::RevocationCodeUsed;
            let entry = Entry { actor, device: None, event, object: &person, result: "ok", detail: None };
            audit::append(&mut tx, entry, now).await?;
            notice::queue(&service, &mut tx, account.id, Kind::RevocationCodeUsed, now).await?;
        }
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
