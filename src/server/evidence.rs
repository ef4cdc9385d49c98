//! Evidence bundles: everything a binding or a decision rests on, to be verified without the service.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Service;
use super::audit::heads;
use super::http::{Code, Path, Refusal};
use super::session::Session;
use super::store::from_json;
use super::trust_list;
use crate::jose::jws;
use crate::protocol::api::Problem;
use crate::protocol::evidence::{
    ApprovalEvidence, BindingEvidence, Bundle, DeviceEvidence, FORMAT, Grounds, ServiceIdentity,
};
use crate::protocol::service::Receipt;

/// Decisions in the bundle of an account.
const MAX_DECISIONS: i64 = 500;

/// The bundle for a device's binding, or for a decided approval of this account, which its application names as well.
#[utoipa::path(get, path = "/v1/evidence/{id}", params(("id" = String, Path)), responses(
    (status = 200, body = Bundle), (status = 404, body = Problem)))]
pub(super) async fn bundle(
    State(service): State<Arc<Service>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Json<Bundle>, Refusal> {
    let account = session.account.id;
    let decision = "SELECT device_id, evidence FROM application \
                    WHERE (approval_id = $1 OR application_id = $1) AND account_id = $2 AND evidence IS NOT NULL";
    let decision = sqlx::query_as::<_, (String, String)>(decision).bind(&id).bind(account);
    let decision = decision.fetch_optional(service.store.pool()).await?;
    let device_id = decision.as_ref().map_or(&id, |(device_id, _)| device_id);
    let mut device = device_of(&service, account, device_id).await?;
    // What has added it stands before it.
    let mut devices = Vec::new();
    if let Grounds::Device(grounds) = &device.binding.grounds {
        devices.push(device_of(&service, account, &grounds.added_by.to_string()).await?);
    }
    if let Some((_, evidence)) = &decision {
        device.approvals.push(approval(&service, evidence).await?);
    }
    devices.push(device);
    Ok(Json(whole(&service, devices, 0).await?))
}

async fn device_of(service: &Service, account: i64, id: &str) -> Result<DeviceEvidence, Refusal> {
    let binding =
        sqlx::query_scalar::<_, String>("SELECT evidence FROM device WHERE device_id = $1 AND account_id = $2");
    let binding = binding.bind(id.to_owned()).bind(account).fetch_optional(service.store.pool()).await?;
    device(service, &binding.ok_or(Code::NotFound)?).await
}

/// The bundle for the whole account: every device that was ever bound, and the newest 500 decisions.
#[utoipa::path(get, path = "/v1/evidence", responses((status = 200, body = Bundle), (status = 404, body = Problem)))]
pub(super) async fn account(State(service): State<Arc<Service>>, session: Session) -> Result<Json<Bundle>, Refusal> {
    let account = session.account.id;
    let count = "SELECT COUNT(*) FROM application WHERE account_id = $1 AND evidence IS NOT NULL";
    let count = sqlx::query_scalar::<_, i64>(count).bind(account).fetch_one(service.store.pool()).await?;
    let decisions = "SELECT device_id, evidence FROM application WHERE account_id = $1 AND evidence IS NOT NULL \
                     ORDER BY created DESC, application_id LIMIT $2";
    let decisions = sqlx::query_as::<_, (String, String)>(decisions).bind(account).bind(MAX_DECISIONS);
    let decisions = decisions.fetch_all(service.store.pool()).await?;
    let bindings = "SELECT device_id, evidence FROM device WHERE account_id = $1 ORDER BY active_from, device_id";
    let bindings = sqlx::query_as::<_, (String, String)>(bindings).bind(account);
    let mut devices = Vec::new();
    for (device_id, binding) in bindings.fetch_all(service.store.pool()).await? {
        let mut device = device(&service, &binding).await?;
        for (_, evidence) in decisions.iter().rev().filter(|(of, _)| *of == device_id) {
            device.approvals.push(approval(&service, evidence).await?);
        }
        devices.push(device);
    }
    if devices.is_empty() {
        return Err(Code::NotFound.into());
    }
    Ok(Json(whole(&service, devices, count.saturating_sub(MAX_DECISIONS)).await?))
}

async fn device(service: &Service, evidence: &str) -> Result<DeviceEvidence, Refusal> {
    let mut binding: BindingEvidence = from_json(evidence)?;
    binding.audit = heads::inclusion(service, &binding.receipt).await?;
    Ok(DeviceEvidence { binding, approvals: Vec::new() })
}

async fn approval(service: &Service, evidence: &str) -> Result<ApprovalEvidence, Refusal> {
    let mut approval: ApprovalEvidence = from_json(evidence)?;
    approval.audit = heads::inclusion(service, &approval.receipt).await?;
    Ok(approval)
}

async fn whole(service: &Service, devices: Vec<DeviceEvidence>, omitted: i64) -> Result<Bundle, Refusal> {
    let mut named = BTreeSet::new();
    for device in &devices {
        let receipt = jws::verify::<Receipt>(&device.binding.receipt, service.keys.public().verifying_key());
        named.extend(receipt.map_err(|_| Refusal::internal())?.trust_list_sha256.map(|hash| hash.to_string()));
    }
    let mut trust_lists = Vec::new();
    for sha256 in named {
        trust_lists.push(trust_list::evidence(service, &sha256).await?);
    }
    let service = ServiceIdentity { aud: service.settings.issuer.clone(), jwk: service.keys.public().clone() };
    Ok(Bundle { v: FORMAT, service, trust_lists, devices, omitted: u32::try_from(omitted).unwrap_or(0) })
}
