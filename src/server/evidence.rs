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
use crate::protocol::NumericDate;
use crate::protocol::api::Problem;
use crate::protocol::evidence::{
    ApprovalEvidence, BindingEvidence, Bundle, DeviceEvidence, FORMAT, Grounds, ServiceIdentity,
};
use crate::protocol::registration::Method;
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
    let approval = match &decision {
        Some((_, evidence)) => Some(approval(&service, evidence).await?),
        None => None,
    };
    // A decision rests on the binding that the device had then.
    let bindings = bindings(&service, account).await?;
    let at = approval.as_ref().map(|approval| taken_at(&service, &approval.receipt)).transpose()?;
    let is_it = |binding: &&Binding| at.map_or(binding.until.is_none(), |at| binding.was_there(at));
    let binding = bindings.iter().filter(|binding| binding.device_id == *device_id).find(is_it);
    let mut device = device(&service, &binding.ok_or(Code::NotFound)?.evidence).await?;
    // What has added it stands before it: the card's first binding of that device, since it has to be old enough.
    let mut devices = Vec::new();
    if let Grounds::Device(grounds) = &device.binding.grounds {
        let added_by = grounds.added_by.to_string();
        let is_it = |binding: &&Binding| binding.device_id == added_by && binding.method == Method::Card.as_str();
        let binding = bindings.iter().find(is_it).ok_or(Code::NotFound)?;
        devices.push(self::device(&service, &binding.evidence).await?);
    }
    device.approvals.extend(approval);
    devices.push(device);
    Ok(Json(whole(&service, devices, 0).await?))
}

/// A binding of a device: the one it has, or one that another took the place of.
#[derive(sqlx::FromRow)]
struct BindingRow {
    device_id: String,
    method: String,
    replaced_at: Option<i64>,
    evidence: String,
}

struct Binding {
    device_id: String,
    method: String,
    evidence: String,
    from: NumericDate,
    /// When another took its place.
    until: Option<NumericDate>,
}

impl Binding {
    /// Whether the device had it then.
    fn was_there(&self, at: NumericDate) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// All bindings that devices of this account ever had, oldest first.
async fn bindings(service: &Service, account: i64) -> Result<Vec<Binding>, Refusal> {
    let query = "SELECT device_id, method, CAST(NULL AS BIGINT) AS replaced_at, evidence FROM device WHERE account_id = $1 \
                 UNION ALL SELECT b.device_id, b.method, b.replaced_at, b.evidence FROM device_binding b \
                 JOIN device d ON d.device_id = b.device_id WHERE d.account_id = $1";
    let rows = sqlx::query_as::<_, BindingRow>(query).bind(account).fetch_all(service.store.pool()).await?;
    let binding = |row: BindingRow| {
        let BindingRow { device_id, method, replaced_at: until, evidence } = row;
        let binding: BindingEvidence = from_json(&evidence)?;
        Ok(Binding { device_id, method, from: taken_at(service, &binding.receipt)?, until, evidence })
    };
    let mut bindings = rows.into_iter().map(binding).collect::<Result<Vec<_>, Refusal>>()?;
    bindings.sort_by(|a, b| (a.from, &a.device_id, a.until.is_none()).cmp(&(b.from, &b.device_id, b.until.is_none())));
    Ok(bindings)
}

/// When the service took what it has given this receipt for.
fn taken_at(service: &Service, receipt: &str) -> Result<NumericDate, Refusal> {
    Ok(service.keys.read_signed::<Receipt>(receipt)?.at)
}

/// The bundle for the whole account: every binding that a device ever had, and the newest 500 decisions.
#[utoipa::path(get, path = "/v1/evidence", responses((status = 200, body = Bundle), (status = 404, body = Problem)))]
pub(super) async fn account(State(service): State<Arc<Service>>, session: Session) -> Result<Json<Bundle>, Refusal> {
    let account = session.account.id;
    let count = "SELECT COUNT(*) FROM application WHERE account_id = $1 AND evidence IS NOT NULL";
    let count = sqlx::query_scalar::<_, i64>(count).bind(account).fetch_one(service.store.pool()).await?;
    let decisions = "SELECT device_id, evidence FROM application WHERE account_id = $1 AND evidence IS NOT NULL \
                     ORDER BY created DESC, application_id LIMIT $2";
    let decisions = sqlx::query_as::<_, (String, String)>(decisions).bind(account).bind(MAX_DECISIONS);
    let decisions = decisions.fetch_all(service.store.pool()).await?;
    let mut taken = Vec::new();
    for (device_id, evidence) in decisions.iter().rev() {
        let approval = approval(&service, evidence).await?;
        taken.push((device_id, taken_at(&service, &approval.receipt)?, approval));
    }
    let mut devices = Vec::new();
    for binding in bindings(&service, account).await? {
        let mut device = device(&service, &binding.evidence).await?;
        let is_its = |of: &str, at| of == binding.device_id && binding.was_there(at);
        device.approvals.extend(taken.extract_if(.., |(of, at, _)| is_its(of, *at)).map(|(.., approval)| approval));
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
        let receipt: Receipt = service.keys.read_signed(&device.binding.receipt)?;
        named.extend(receipt.trust_list_sha256.map(|hash| hash.to_string()));
    }
    let mut trust_lists = Vec::new();
    for sha256 in named {
        trust_lists.push(trust_list::evidence(service, &sha256).await?);
    }
    let (aud, signing) = (service.settings.issuer.clone(), service.keys.signing());
    let (jwk, others) = signing.all().split_first().ok_or_else(Refusal::internal)?;
    let service = ServiceIdentity { aud, jwk: jwk.clone(), other_jwks: others.to_vec() };
    Ok(Bundle { v: FORMAT, service, trust_lists, devices, omitted: u32::try_from(omitted).unwrap_or(0) })
}
