//! What a person wants to be told, and where (`docs/protocol.md`, notices). Another e-mail address is a protected
//! application, since whoever reads it learns of everything: here it is only shown.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Kind;
use crate::protocol::api::{NoticeKind, NotificationPreferences, NotificationSettings, Problem};
use crate::server::Service;
use crate::server::audit::{self, Entry};
use crate::server::http::{Body, Code, Refusal};
use crate::server::session::Session;
use crate::server::states::Event;

/// Where notices go, in which language, and which there are.
#[utoipa::path(get, path = "/v1/notification-settings", responses((status = 200, body = NotificationSettings)))]
pub(in crate::server) async fn show(
    State(service): State<Arc<Service>>,
    session: Session,
) -> Result<Json<NotificationSettings>, Refusal> {
    Ok(Json(read(&service, session.account.id).await?))
}

/// Sets the language, and which notices are switched off; both hold at once. Those that tell of an attack cannot be.
#[utoipa::path(put, path = "/v1/notification-settings", request_body = NotificationPreferences, responses(
    (status = 200, body = NotificationSettings), (status = 422, body = Problem)))]
pub(in crate::server) async fn set(
    State(service): State<Arc<Service>>,
    session: Session,
    Body(wish): Body<NotificationPreferences>,
) -> Result<Json<NotificationSettings>, Refusal> {
    let mut off = Vec::new();
    for name in &wish.off {
        match name.parse::<Kind>() {
            Ok(kind) if kind.is_optional() => off.push(kind.as_str()),
            // Only names of kinds are repeated: what somebody else made up is not.
            Ok(kind) => return Err(Refusal::new(Code::NoticeNotOptional).with_detail(kind.as_str())),
            Err(_) => return Err(Code::NoticeNotOptional.into()),
        }
    }
    let mut tx = service.store.begin().await?;
    session.still_open(&service, &mut tx).await?;
    let update = "UPDATE account SET language = $2, notices_off = $3 WHERE account_id = $1";
    let update = sqlx::query(update).bind(session.account.id).bind(wish.language.as_str());
    update.bind(off.join(" ")).execute(&mut *tx).await?;
    let actor = service.keys.pseudonym(&session.account.kvnr);
    let event = Event::NotificationsSet;
    let entry = Entry { actor: &actor, device: None, event, object: &actor, result: "ok", detail: None };
    audit::append(&mut tx, entry, service.now_unix()).await?;
    tx.commit().await?;
    Ok(Json(read(&service, session.account.id).await?))
}

async fn read(service: &Service, account_id: i64) -> Result<NotificationSettings, Refusal> {
    let query = "SELECT email, language, notices_off FROM account WHERE account_id = $1";
    let query = sqlx::query_as::<_, (Option<String>, String, String)>(query).bind(account_id);
    let (email, language, off) = query.fetch_one(service.store.pool()).await?;
    let kinds = Kind::ALL.iter().map(|kind| NoticeKind {
        kind: kind.as_str().to_owned(),
        optional: kind.is_optional(),
        on: !is_off(&off, *kind),
    });
    let language = language.parse().map_err(|_| Refusal::internal())?;
    Ok(NotificationSettings { email, language, kinds: kinds.collect() })
}

/// Whether this is among the names, which stand with blanks between them.
pub(super) fn is_off(names: &str, kind: Kind) -> bool {
    names.split(' ').any(|name| name == kind.as_str())
}
