//! Evidence bundles: everything a binding or a decision rests on, to be verified without the service.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Service;
use super::http::{Code, Path, Refusal};
use super::session::Session;
use super::store::from_json;
use crate::protocol::VERSION;
use crate::protocol::api::Problem;
use crate::protocol::evidence::{Bundle, ServiceIdentity};

/// The bundle for a device's binding or for a decided approval of this account.
#[utoipa::path(get, path = "/v1/evidence/{id}", params(("id" = String, Path)), responses(
    (status = 200, body = Bundle), (status = 404, body = Problem)))]
pub(super) async fn bundle(
    State(service): State<Arc<Service>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Json<Bundle>, Refusal> {
    let account = session.account.id;
    let approval = "SELECT device_id, evidence FROM application \
                    WHERE approval_id = $1 AND account_id = $2 AND evidence IS NOT NULL";
    let approval = sqlx::query_as::<_, (String, String)>(approval).bind(&id).bind(account);
    let (device_id, approval) = match approval.fetch_optional(service.store.pool()).await? {
        Some((device_id, evidence)) => (device_id, Some(from_json(&evidence)?)),
        None => (id, None),
    };
    let binding =
        sqlx::query_scalar::<_, String>("SELECT evidence FROM device WHERE device_id = $1 AND account_id = $2");
    let binding = binding.bind(&device_id).bind(account).fetch_optional(service.store.pool()).await?;
    Ok(Json(Bundle {
        v: VERSION,
        service: ServiceIdentity { aud: service.settings.issuer.clone(), jwk: service.keys.public().clone() },
        binding: from_json(&binding.ok_or(Code::NotFound)?)?,
        approval,
    }))
}
