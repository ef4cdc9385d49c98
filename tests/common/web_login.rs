//! Logins on the insurer's website that a registered device approves.

use kartenbund::client::approve::{ApproveError, decide};
use kartenbund::protocol::ApprovalId;
use kartenbund::protocol::api::{ApprovalsAnswer, DecisionAnswer, WebLoginAnswer};
use serde_json::json;

use super::web_branch::Browser;
use super::*;

/// Asks the devices of a person, and waits until the service has done with it what it does.
pub fn ask(browser: &Browser<'_>, person: &str) -> WebLoginAnswer {
    let asked = browser.ask("/v1/login/web", &json!({"kvnr": person, "client_name": "Firefox"})).unwrap();
    let requested = "SELECT COUNT(*) FROM web_login WHERE state = 'requested'";
    browser.world.wait_until("the request is answered", || browser.world.count(requested) == 0);
    asked
}

/// The browser asks whether somebody has approved it.
pub fn take(browser: &Browser<'_>, asked: &WebLoginAnswer) -> Result<TokenAnswer, ServiceError> {
    browser.ask("/v1/login/web/session", &json!({"login_id": asked.login_id}))
}

/// What waits on a registered device, newest first.
pub fn waiting(device: &Computer) -> Vec<ApprovalId> {
    let approvals: ApprovalsAnswer = device.here.service.get("/v1/approvals").unwrap();
    approvals.approvals.iter().filter(|approval| approval.state == "pending").map(|it| it.approval_id).collect()
}

/// The person decides on what waits, with the code she reads.
pub fn decide_with(device: &Computer, script: &mut Script, verdict: Verdict) -> Result<DecisionAnswer, ApproveError> {
    let approval = waiting(device)[0];
    device.with(script, |around| decide(&device.here, approval, verdict, around))
}

/// A person with a registered device, and the website of her insurer.
pub fn world(website: &web_branch::WebBranch) -> (World, Computer) {
    let world = World::with_clients(&[website], |_| {});
    let device = world.registered(ERIKA);
    (world, device)
}
