//! What is counted for Prometheus. Routes are patterns and every label has few values: no person is in it.

use std::sync::Mutex;
use std::time::Duration;

use axum::http::Method;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::Service;
use super::http::Refusal;
use super::session;
use super::states::{Event, LetterState, States as _};

/// Upper bounds of the durations, in seconds: a read, a password hash, a queue of them.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Everything that is counted while the service runs.
pub(super) struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    logins: Family<LoginLabels, Counter>,
    hashing: Gauge,
    connections: Family<ConnectionLabels, Gauge>,
    waiting: Family<WaitingLabels, Gauge>,
    notices_failed: Gauge,
    not_moved: Family<EventLabels, Gauge>,
    sessions: Gauge,
    watching: Gauge,
    /// Without labels, and nothing where there is no list.
    list_ends: Family<[(&'static str, &'static str); 0], Gauge>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LoginLabels {
    method: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConnectionLabels {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EventLabels {
    event: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WaitingLabels {
    what: &'static str,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("kartenbund");
        let durations = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let metrics = Self {
            requests: Family::default(),
            durations,
            logins: Family::default(),
            hashing: Gauge::default(),
            connections: Family::default(),
            waiting: Family::default(),
            notices_failed: Gauge::default(),
            not_moved: Family::default(),
            sessions: Gauge::default(),
            watching: Gauge::default(),
            list_ends: Family::default(),
            registry: Mutex::default(),
        };
        registry.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("requests", "Requests by method, route and status", metrics.requests.clone());
        let help = "How long requests took";
        registry.register_with_unit("request_duration", help, Unit::Seconds, metrics.durations.clone());
        registry.register("logins", "Logins by method and result", metrics.logins.clone());
        let help = "Password hashes that are made or wait to be made";
        registry.register("hashing_queue", help, metrics.hashing.clone());
        let help = "Connections to the database";
        registry.register("database_connections", help, metrics.connections.clone());
        registry.register("waiting", "Notices and letters that wait to go out", metrics.waiting.clone());
        let help = "Notices that the mail server refused for good";
        registry.register("notices_failed", help, metrics.notices_failed.clone());
        let help = "Accounts that could not be closed or opened again when it was tried last";
        registry.register("accounts_not_moved", help, metrics.not_moved.clone());
        registry.register("sessions_open", "Sessions that have not ended", metrics.sessions.clone());
        registry.register("watching", "Connections that wait for approvals", metrics.watching.clone());
        let help = "When the time of the trust list in use ends (NextUpdate), in Unix time";
        registry.register_with_unit("trust_list_next_update", help, Unit::Seconds, metrics.list_ends.clone());
        Self { registry: Mutex::new(registry), ..metrics }
    }

    /// A request was answered. `route` is the pattern; requests that fit none are one.
    pub(super) fn request(&self, method: &Method, route: Option<&str>, status: u16, took: Duration) {
        // Anybody may send any method: only the known ones get a label of their own.
        let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
        let name = known.iter().zip(names).find(|(known, _)| *known == method).map_or("other", |(_, name)| name);
        let route = route.unwrap_or("none").to_owned();
        let labels = RequestLabels { method: name, route: route.clone(), status };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&RouteLabels { method: name, route }).observe(took.as_secs_f64());
    }

    /// Somebody tried to log in, by `method`, with `result`: `ok` or the code of the refusal.
    pub(super) fn login(&self, method: &'static str, result: &'static str) {
        self.logins.get_or_create(&LoginLabels { method, result }).inc();
    }

    /// A round has moved accounts by `event`, and so many could not be moved.
    pub(super) fn not_moved(&self, event: Event, accounts: usize) {
        self.not_moved
            .get_or_create(&EventLabels { event: event.as_str() })
            .set(i64::try_from(accounts).unwrap_or(i64::MAX));
    }

    /// Counts one password hash in the queue until the guard is dropped.
    pub(super) fn hashing(&self) -> Queued {
        self.hashing.inc();
        Queued(self.hashing.clone())
    }

    /// All of it in the text format of OpenMetrics.
    pub(super) async fn text(&self, service: &Service) -> Result<String, Refusal> {
        self.look(service).await?;
        let mut out = String::new();
        let registry = self.registry.lock().map_err(|_| Refusal::internal())?;
        text::encode(&mut out, &registry).map_err(|_| Refusal::internal())?;
        Ok(out)
    }

    /// What is not counted as it happens, but is so when somebody looks.
    async fn look(&self, service: &Service) -> Result<(), Refusal> {
        let pool = service.store.pool();
        let (used, idle) = pool.used_and_idle();
        for (state, number) in [("idle", idle), ("used", used)] {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            self.connections.get_or_create(&ConnectionLabels { state }).set(number);
        }
        let letters = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM letter WHERE state = $1");
        let letters = letters.bind(LetterState::Ordered.as_str()).fetch_one(pool).await?;
        self.waiting.get_or_create(&WaitingLabels { what: "letters" }).set(letters);
        let notices = "SELECT COUNT(*) FROM notice WHERE state IN ('queued', 'sending')";
        let notices = sqlx::query_scalar::<_, i64>(notices).fetch_one(pool).await?;
        self.waiting.get_or_create(&WaitingLabels { what: "notices" }).set(notices);
        let failed = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM notice WHERE state = 'failed'");
        self.notices_failed.set(failed.fetch_one(pool).await?);
        if let Some(list) = service.accepted.list() {
            self.list_ends.get_or_create(&[]).set(list.next_update().unix_timestamp());
        }
        self.watching.set(i64::try_from(service.watching()).unwrap_or(i64::MAX));
        let now = service.now_unix();
        self.sessions.set(session::count_open(service, now).await?);
        Ok(())
    }
}

/// A password hash that is made, or waits to be made.
pub(super) struct Queued(Gauge);

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.dec();
    }
}
