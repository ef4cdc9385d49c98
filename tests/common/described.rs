//! What every service of these tests answers, whoever asks, beside what its OpenAPI documents say: the service's log tells
//! of each answer, by its route. And what it tells, it tells of nobody.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::*;

/// The document of the service, which is the same for all.
static DOCUMENT: OnceLock<Value> = OnceLock::new();
/// What was answered or told and should not have been.
static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Looks at what all services answer from now on; `address` is one of them.
pub(super) fn listen_to_all(address: &str) {
    DOCUMENT.get_or_init(|| {
        let all = Targets::new().with_target("kartenbund", tracing::Level::TRACE);
        let heard = tracing_subscriber::registry().with(Listener.with_filter(all));
        tracing::subscriber::set_global_default(heard).unwrap();
        Remote::at(address).unwrap().get("/openapi.json").unwrap()
    });
}

/// Nothing was answered until now that is not described, and nothing was told of anybody. Services run side by side:
/// whichever test ends first says what was found.
pub(super) fn nothing_else_was_answered() {
    if std::thread::panicking() {
        return; // another one says it
    }
    let found = std::mem::take(&mut *FOUND.lock().unwrap_or_else(PoisonError::into_inner));
    assert!(found.is_empty(), "{found:#?}");
}

struct Listener;

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut told = Told::default();
        event.record(&mut told);
        let is_known = DOCUMENT.get().is_none_or(|document| is_described(&told, &[document]));
        if told.message == "request" && !is_known || leaks::leak(&told.line).is_some() {
            FOUND.lock().unwrap_or_else(PoisonError::into_inner).push(told.line);
        }
    }
}

/// Whether one of the documents knows this answer. What fits no route is described nowhere.
fn is_described(told: &Told, documents: &[&Value]) -> bool {
    if told.route.is_empty() || told.route == "/openapi.json" {
        return true;
    }
    let method = if told.method == "HEAD" { "get".to_owned() } else { told.method.to_lowercase() };
    let item = documents.iter().find_map(|document| document["paths"].get(&told.route));
    item.is_some_and(|item| match item.get(&method) {
        Some(operation) => operation["responses"].get(&told.status).is_some(),
        None => told.status == "405",
    })
}

/// The first line in the log of a process that tells of an answer which none of its documents knows.
pub fn not_described<'a>(log: &'a str, documents: &[Value]) -> Option<&'a str> {
    let documents: Vec<_> = documents.iter().collect();
    log.lines().filter(|line| line.contains(r#""message":"request""#)).find(|line| {
        // The last line of a process that was killed may be cut off.
        let fields = serde_json::from_str::<Value>(line).map(|line| line["fields"].clone()).unwrap_or_default();
        let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
        let (method, route, status) = (text("method"), text("route"), fields["status"].to_string());
        !is_described(&Told { method, route, status, ..Told::default() }, &documents)
    })
}

/// An event of the log.
#[derive(Default)]
struct Told {
    message: String,
    method: String,
    route: String,
    status: String,
    /// All of it.
    line: String,
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.line, "{}={value} ", field.name()).unwrap();
        let known = match field.name() {
            "message" => &mut self.message,
            "method" => &mut self.method,
            "route" => &mut self.route,
            "status" => &mut self.status,
            _ => return,
        };
        value.clone_into(known);
    }
}
