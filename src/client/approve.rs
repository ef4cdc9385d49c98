//! Deciding on an approval: what is signed is what was shown.

use std::ops::RangeInclusive;

use reqwest::Method;
use thiserror::Error;

use super::addition;
use super::home::{Device, HomeError};
use super::login::LoggedIn;
use super::pin::{self, PinError};
use super::service::{ExpectedReceipt, ServiceError, check_receipt};
use super::{AskError, Notice, Step, Surroundings, skew};
use crate::jose::jws;
use crate::protocol::api::{ApprovalAnswer, DecisionAnswer, DecisionRequest};
use crate::protocol::application::{ApplicationError, Change};
use crate::protocol::approval::{Decision, Document, Verdict};
use crate::protocol::evidence::Bundle;
use crate::protocol::service::ReceiptSubject;
use crate::protocol::{ApprovalId, CLOCK_TOLERANCE, MessageId, NumericDate, VERSION};

/// Life of a decision, in seconds: it is sent at once.
const DECISION_LIFE: i64 = 60;

/// Why nothing was decided.
#[derive(Debug, Error)]
pub enum ApproveError {
    /// The service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The files of this computer.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The person.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The document cannot be shown as it is meant.
    #[error(transparent)]
    Document(#[from] ApplicationError),
    /// The device key stays locked.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// What the new computer shows was typed wrongly three times: it was denied.
    #[error("the strings differ")]
    StringsDiffer,
    /// It was decided before, or its time is over.
    #[error("the approval is not pending")]
    NotPending,
    /// A message could not be put together: it never happens.
    #[error("a message could not be put together")]
    Message,
}

/// Fetches an approval and reads its document, which must be this account's and this approval's.
///
/// # Errors
/// [`ApproveError::Document`] when this program cannot show it.
pub fn fetch(here: &LoggedIn, approval_id: ApprovalId) -> Result<(ApprovalAnswer, Document), ApproveError> {
    let LoggedIn { profile, service, .. } = here;
    let answer: ApprovalAnswer = service.get(&format!("/v1/approvals/{approval_id}"))?;
    let document = answer.document.read()?;
    let is_ours = document.account == profile.kvnr
        && document.approval_id == approval_id
        && document.approval_id == answer.approval.approval_id
        && document.application_id == answer.approval.application_id
        && document.change.kind() == answer.approval.kind;
    if is_ours { Ok((answer, document)) } else { Err(ServiceError::Contradiction("document").into()) }
}

/// Shows the document, asks, signs the decision over the very bytes that were shown, and keeps the receipt.
///
/// # Errors
/// [`ApproveError`]; nothing is decided then, unless the service's answer was lost on the way.
pub fn decide(
    here: &LoggedIn,
    approval_id: ApprovalId,
    verdict: Verdict,
    around: &mut Surroundings<'_>,
) -> Result<DecisionAnswer, ApproveError> {
    let LoggedIn { home, profile, service } = here;
    let device = home.device()?;
    let device_id = device.device_id().ok_or(HomeError::NoDevice)?;
    around.ui.step(Step::FetchApproval);
    let (answer, document) = fetch(here, approval_id)?;
    let skew = skew(answer.server_time, around);
    let Some(challenge) = answer.challenge else {
        let taken = taken_before(here, &device, &answer, verdict)?;
        around.ui.notice(Notice::DecisionHadArrived);
        return Ok(taken);
    };
    around.ui.show(&document, verdict, &answer.approval)?;
    // Another device is approved by the string that it shows: nothing is signed for it before both are found the same.
    let (signed, match_code) = match (verdict, &document.change) {
        (Verdict::Approve, Change::Device(new)) => {
            let ends_at = answer.approval.expires_at.saturating_sub(skew);
            match addition::compare(here, approval_id, new, ends_at, around)? {
                true => (Verdict::Approve, None),
                false => (Verdict::Deny, None),
            }
        }
        (Verdict::Approve, _) => (Verdict::Approve, Some(around.ui.match_code()?)),
        (Verdict::Deny | Verdict::NotMe, _) => (verdict, None),
    };
    let key = pin::unlock(here, skew, around)?;

    let iat = (around.clock)().saturating_add(skew);
    let decision = Decision {
        v: VERSION,
        aud: profile.service.clone(),
        approval_id,
        document: answer.document,
        challenge,
        decision: signed,
        reason: None,
        match_code,
        iat,
        exp: iat.saturating_add(DECISION_LIFE),
        jti: MessageId::random(around.rng),
    };
    let decision = jws::sign(&decision, &key).map_err(PinError::from)?;
    drop(key);
    around.ui.step(Step::SendDecision);
    let request = DecisionRequest { device_id, decision };
    let path = format!("/v1/approvals/{approval_id}/decision");
    let taken: DecisionAnswer = service.call(Method::POST, &path, &request)?;
    if taken.verdict != signed {
        return Err(ServiceError::Contradiction("verdict").into());
    }
    let latest = (around.clock)().saturating_add(skew);
    keep_receipt(here, approval_id, &taken.receipt, &request.decision, iat..=latest)?;
    if signed == verdict { Ok(taken) } else { Err(ApproveError::StringsDiffer) }
}

/// Checks the receipt for a decision and keeps it. `time` is when it can have been taken, by the service's clock.
fn keep_receipt(
    here: &LoggedIn,
    approval_id: ApprovalId,
    receipt: &str,
    decision: &str,
    time: RangeInclusive<NumericDate>,
) -> Result<(), ApproveError> {
    let expected = ExpectedReceipt {
        subject: ReceiptSubject::Decision,
        id: &approval_id.to_string(),
        signed: decision,
        time: time.start().saturating_sub(CLOCK_TOLERANCE)..=time.end().saturating_add(CLOCK_TOLERANCE),
    };
    check_receipt(receipt, here, &expected)?;
    Ok(here.home.keep_receipt(approval_id, receipt)?)
}

/// The decision this device has taken before and whose answer was lost: it is fetched, checked, and its receipt kept.
///
/// # Errors
/// [`ApproveError::NotPending`] when the approval was decided otherwise, by another device, or not at all.
fn taken_before(
    here: &LoggedIn,
    device: &Device,
    answer: &ApprovalAnswer,
    verdict: Verdict,
) -> Result<DecisionAnswer, ApproveError> {
    let LoggedIn { home, service, .. } = here;
    let approval_id = answer.approval.approval_id;
    if home.has_receipt(approval_id) {
        return Err(ApproveError::NotPending); // its answer had come
    }
    let bundle: Bundle = match service.get(&format!("/v1/evidence/{approval_id}")) {
        Err(error) if error.is_refused_with("not_found") => return Err(ApproveError::NotPending),
        other => other?,
    };
    let mut approvals = bundle.devices.into_iter().flat_map(|device| device.approvals);
    let taken = approvals.find(|approval| approval.approval_id == approval_id);
    let taken = taken.ok_or(ApproveError::NotPending)?;
    let decision: Decision =
        jws::verify(&taken.decision, device.key.public_key.verifying_key()).map_err(|_| ApproveError::NotPending)?;
    let is_it = decision.approval_id == approval_id
        && decision.document.as_bytes() == answer.document.as_bytes()
        && decision.decision == verdict;
    is_it.then_some(()).ok_or(ApproveError::NotPending)?;
    keep_receipt(here, approval_id, &taken.receipt, &taken.decision, decision.iat..=decision.exp)?;
    let application = service.get(&format!("/v1/applications/{}", answer.approval.application_id))?;
    Ok(DecisionAnswer { verdict, receipt: taken.receipt, application })
}
