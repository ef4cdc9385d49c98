//! `evidence export` and `evidence verify`.

use std::path::{Path, PathBuf};

use kartenbund::client::home::{Home, HomeError};
use kartenbund::client::login;
use kartenbund::disk;
use kartenbund::jose::JwkSet;
use kartenbund::pki::cvc::CvcRoots;
use kartenbund::pki::ocsp::Responder;
use kartenbund::pki::{AnchorError, Anchors, Issuer, ProductionAnchors, TestAnchors};
use kartenbund::protocol::ApprovalId;
use kartenbund::protocol::BindingLevel;
use kartenbund::protocol::approval::Verdict;
use kartenbund::protocol::evidence::{
    Bundle, DecisionFindings, DeviceFindings, Findings, Link, LinkName, LinkResult, MAX_BUNDLE, Pinned, Report,
};
use kartenbund::ui::document;
use kartenbund::ui::failure::{Failure, Kind, Value};
use serde::Serialize;
use serde_json::json;

use crate::account::{clock, may_show};
use crate::args::{EvidenceCommand, PinnedArgs};
use crate::card_genuine::read_roots;
use crate::login::service_keys;
use crate::output::{Output, file_failure, read_file};

const MAX_PEM: usize = 1024 * 1024;
const MAX_JWK: usize = 64 * 1024;

pub(crate) fn run(
    home: impl FnOnce() -> Result<Home, Failure>,
    command: EvidenceCommand,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        EvidenceCommand::Export { id, whole_account, out } => export(home()?, id, whole_account, &out, output),
        EvidenceCommand::Verify { file, pinned } => verify(&file, &pinned, output),
    }
}

/// Fetches the evidence for an approval, an application or a device, or for the whole account; without any of them, for
/// this computer's binding.
fn export(home: Home, id: Option<String>, whole_account: bool, out: &Path, output: &Output) -> Result<(), Failure> {
    let here = login::resume(home, clock())?;
    let _may = may_show(&here, output)?;
    let path = match id {
        _ if whole_account => "/v1/evidence".to_owned(),
        Some(text) => format!("/v1/evidence/{}", crate::account::id::<ApprovalId>(&text)?),
        None => format!("/v1/evidence/{}", here.home.device()?.device_id().ok_or(HomeError::NoDevice)?),
    };
    let bundle: Bundle = here.service.get(&path)?;
    // Whoever keeps the evidence keeps the keys with it that it is verified with, as the pinned ones vouch for them.
    let (_, profile) = here.service.learn_keys(&here.home)?;
    let bytes = serde_json::to_vec_pretty(&bundle).map_err(|error| Kind::Internal.failure().because(&error))?;
    disk::write(out, &bytes).map_err(file_failure(out))?;
    let path = out.display().to_string();
    let decisions: usize = bundle.devices.iter().map(|device| device.approvals.len()).sum();
    let mut lines = vec![output.say("done-evidence-export", "path", path.clone())];
    if bundle.omitted > 0 {
        lines.push(output.texts.with("evidence-omitted", &[("count", Value::Number(bundle.omitted.into()))]));
    }
    let (devices, omitted) = (bundle.devices.len(), bundle.omitted);
    let value = json!({ "path": path, "devices": devices, "decisions": decisions, "omitted": omitted,
        "service_keys": service_keys(&profile) });
    output.result(&value, lines)
}

/// Verifies a bundle without network and service.
fn verify(file: &Path, pinned: &PinnedArgs, output: &Output) -> Result<(), Failure> {
    let bundle = Bundle::parse(&read_file(file, MAX_BUNDLE)?)?;
    let mut list_signers = Vec::new();
    for file in &pinned.tsl_anchor {
        let refused = |error: AnchorError| Kind::Anchor.failure().text("of", "list").because(&error);
        list_signers.extend(Issuer::read_pem(&read_file(file, MAX_PEM)?).map_err(refused)?);
    }
    let has_test = list_signers.iter().any(Issuer::is_test);
    let anchors = read_anchors(&pinned.anchor, &pinned.ocsp_responder, has_test)?;
    let chip_roots = read_roots(&pinned.chip_root)?;
    let chip_roots = (!pinned.chip_root.is_empty()).then_some(&chip_roots as &dyn CvcRoots);
    let mut service_keys = Vec::new();
    for path in &pinned.service_key {
        let set = JwkSet::read(&read_file(path, MAX_JWK)?);
        let set =
            set.map_err(|error| file_failure(path)(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
        service_keys.extend(set.keys);
    }
    let pinned = Pinned { anchors: &*anchors, list_signers: &list_signers, chip_roots, service_keys: &service_keys };
    print_report(&bundle.verify_with(&pinned), output)
}

/// The CAs and OCSP responders of PEM files. Test CAs are taken as well: whoever verifies has named them.
fn read_anchors(files: &[PathBuf], responders: &[PathBuf], mut has_test: bool) -> Result<Box<dyn Anchors>, Failure> {
    let mut production = ProductionAnchors::default();
    let mut test = TestAnchors::default();
    for file in files {
        let pem = read_file(file, MAX_PEM)?;
        let refused = |error: AnchorError| Kind::Anchor.failure().text("of", "card").because(&error);
        test.add_pem(&pem).map_err(refused)?;
        match production.add_pem(&pem) {
            Err(AnchorError::TestCa) => has_test = true,
            other => other.map_err(refused)?,
        }
    }
    for file in responders {
        let refused = |error: AnchorError| Kind::Responder.failure().because(&error);
        let responders = Responder::read_pem(&read_file(file, MAX_PEM)?).map_err(refused)?;
        test.add_responders(responders.clone());
        production.add_responders(responders);
    }
    Ok(if has_test { Box::new(test) } else { Box::new(production) })
}

/// Prints every link, and what the whole says.
///
/// # Errors
/// A link does not hold.
pub(crate) fn print_report(report: &Report, output: &Output) -> Result<(), Failure> {
    let findings = report.findings.as_ref();
    let devices = findings.map_or(&[][..], |findings| &findings.devices);
    let bindings: Vec<_> = devices.iter().map(binding_value).collect();
    let decisions: Vec<_> = devices.iter().flat_map(|device| &device.decisions).map(decision_value).collect();
    let only = |values: &[serde_json::Value]| match values {
        [value] => value.clone(),
        _ => serde_json::Value::Null,
    };
    let value = json!({
        "valid": findings.is_some(),
        "links": report.links,
        "binding": only(&bindings),
        "decision": only(&decisions),
        "bindings": bindings,
        "decisions": decisions,
    });
    let mut lines = Vec::new();
    for (number, link) in report.links.iter().enumerate() {
        // Where the evidence is about several things, each is named once.
        let is_first =
            number.checked_sub(1).and_then(|before| report.links.get(before)).is_none_or(|it| it.of != link.of);
        if is_first {
            let is_device =
                [LinkName::TrustList, LinkName::CodeSignature, LinkName::DeviceAddition].contains(&link.name);
            let id = if is_device { "evidence-of-device" } else { "evidence-of-approval" };
            lines.push(output.say(id, "id", link.of.clone()));
        }
        lines.push(link_line(link, output));
    }
    match findings {
        Some(findings) => {
            lines.extend(finding_lines(findings, report, output));
            output.result(&value, lines)
        }
        None => {
            if !output.json {
                output.result(&value, lines)?;
            }
            Err(Failure { report: Some(value), ..Kind::EvidenceInvalid.failure() })
        }
    }
}

fn link_line(link: &Link, output: &Output) -> String {
    let detail = link.detail.as_ref().map_or_else(String::new, |detail| format!("; {detail}"));
    let [result, name, rests_on] = [
        text_of("result", &link.result, output),
        text_of("link", &link.name, output),
        text_of("rests-on", &link.rests_on, output),
    ];
    match link.result {
        // What is not there rests on nothing.
        LinkResult::Absent => format!("{result}: {name}"),
        _ => format!("{result}: {name} ({rests_on}{detail})"),
    }
}

/// The text of a value of the report: its name in JSON, with hyphens.
pub(crate) fn text_of(prefix: &str, value: &impl Serialize, output: &Output) -> String {
    let name = serde_json::to_value(value).ok();
    let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().replace('_', "-");
    output.texts.get(&format!("{prefix}-{name}"))
}

fn binding_value(device: &DeviceFindings) -> serde_json::Value {
    json!({
        "device_id": device.device_id, "kvnr": device.kvnr, "level": device.binding_level,
        "code_shown_by": device.code_shown_by,
        "at": device.bound_at.unix_timestamp(),
    })
}

fn decision_value(decision: &DecisionFindings) -> serde_json::Value {
    json!({
        "approval_id": decision.approval_id, "verdict": decision.verdict, "at": decision.decided_at.unix_timestamp(),
        "type": decision.document.change.kind(),
    })
}

fn finding_lines(findings: &Findings, report: &Report, output: &Output) -> Vec<String> {
    let texts = &output.texts;
    let mut lines = Vec::new();
    for device in &findings.devices {
        let values = [
            ("kvnr", Value::Text(device.kvnr.as_str().to_owned())),
            ("at", Value::Text(texts.moment(device.bound_at.unix_timestamp()))),
            ("level", Value::Text(device.binding_level.to_string())),
        ];
        let said = if device.binding_level == BindingLevel::B3 { "evidence-person" } else { "evidence-person-by-word" };
        lines.push(texts.with(said, &values));
        lines.extend(device.code_shown_by.map(|by| output.say("evidence-code-shown", "by", by.as_str())));
        for decision in &device.decisions {
            let id = match decision.verdict {
                Verdict::Approve => "evidence-approved",
                Verdict::Deny => "evidence-denied",
                Verdict::NotMe => "evidence-not-me",
            };
            lines.push(output.say(id, "at", texts.moment(decision.decided_at.unix_timestamp())));
            lines.extend(document::lines(texts, &decision.document, document::width(&std::io::stdout())));
        }
    }
    // Who the person is stands on the card's signature, or on the word of the service.
    let stands = findings.devices.iter().all(|device| device.binding_level == BindingLevel::B3);
    lines.push(texts.get(if stands { "evidence-stands" } else { "evidence-stands-on-word" }));
    let unasked = |link: &Link| link.name == LinkName::CardSignature || link.name == LinkName::ChipSignature;
    let asked = |link: &Link| link.name == LinkName::Revocation && link.result == LinkResult::Holds;
    let (cards, asked) = (report.links.iter().filter(|it| unasked(it)), report.links.iter().filter(|it| asked(it)));
    let all_asked = asked.count() == cards.count();
    lines.push(texts.get(if all_asked { "evidence-honest-after-ocsp" } else { "evidence-honest" }));
    lines
}
