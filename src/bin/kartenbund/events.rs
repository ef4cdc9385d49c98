//! `events`: what happened to the account, in sentences.

use kartenbund::client::home::Home;
use kartenbund::client::login;
use kartenbund::protocol::audit::{AuditAnswer, AuditEvent};
use kartenbund::ui::failure::Failure;
use kartenbund::ui::text::shown;
use serde_json::json;

use crate::account::clock;
use crate::evidence::text_of;
use crate::output::Output;

/// Prints the newest `limit` events.
pub(crate) fn events(home: Home, limit: usize, output: &Output) -> Result<(), Failure> {
    let here = login::resume(home, clock())?;
    let mut events: Vec<AuditEvent> = Vec::new();
    while events.len() < limit {
        let path = match events.last() {
            Some(oldest) => format!("/v1/audit?before={}", oldest.seq),
            None => "/v1/audit".to_owned(),
        };
        let answer: AuditAnswer = here.service.get(&path)?;
        if answer.events.is_empty() {
            break;
        }
        events.extend(answer.events);
    }
    events.truncate(limit);
    let lines: Vec<_> = events.iter().map(|event| line(event, output)).collect();
    let lines = if lines.is_empty() { vec![output.texts.get("events-none")] } else { lines };
    output.result(&json!({ "events": events }), lines)
}

/// An event in one line; one that only a later version knows is called as the service calls it.
fn line(event: &AuditEvent, output: &Output) -> String {
    let texts = &output.texts;
    let id = format!("event-{}", event.event.replace(['.', '_'], "-"));
    let what = Some(texts.get(&id)).filter(|text| *text != id).unwrap_or_else(|| shown(&event.event));
    let result = if event.result == "ok" { String::new() } else { format!(" ({})", shown(&event.result)) };
    format!("{}: {what}{result}; {}", texts.moment(event.at), text_of("by", &event.by, output))
}
