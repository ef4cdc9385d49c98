//! The account service an insurer runs: accounts, devices, applications, approvals, evidence.
//!
//! Every change of state is one transaction together with its audit entry; what a caller may do follows from tables
//! (`states`) and from proof values of [`crate::protocol`]. Nothing here can approve or bind without a signature.

mod account;
mod addition;
mod admin;
mod application;
mod approval;
mod attestation;
mod audit;
mod card_login;
mod client;
mod config;
mod device;
mod device_code;
mod device_login;
mod dpop;
mod evidence;
mod handover;
mod http;
mod ident;
mod keys;
mod letter;
mod limits;
mod listen;
mod login;
mod metrics;
mod notice;
mod ocsp;
mod openapi;
mod password;
mod pin;
mod progress;
mod rebinding;
mod register;
mod registration;
mod reset;
mod revocation;
mod session;
mod settings;
mod source;
mod states;
mod store;
mod strangers;
mod texts;
mod tls;
mod token;
mod trust_list;
mod upkeep;
mod watch;
mod web_login;

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use rand_core::UnwrapErr;
use sqlx::migrate::MigrateError;
use thiserror::Error;
use time::{Date, Month, OffsetDateTime, UtcOffset, Weekday};
use tokio::sync::watch::Receiver;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::disk;
use crate::jose::Thumbprint;
use crate::protocol::NumericDate;
use dpop::SeenProofs;
use keys::ServiceKeys;
use metrics::Metrics;
use notice::Mailer;
use password::Hashing;
use settings::Current;
use store::Store;
use trust_list::Accepted;
use watch::Watchers;

pub use account::AccountPolicy;
pub use admin::Operator;
pub use audit::AuditError;
pub use audit::verify::{AuditFault, AuditReport, AuditVerifyError, PublicKeys, Statements, verify_audit_lines};
pub use config::{AdminConfig, Config, ConfigError, Fault, Wrong};
pub use device::DevicePolicy;
pub use http::Code;
pub use keys::{KeysError, RollStep, rotate_pepper, rotate_token_key};
pub use letter::{LetterEvent, LetterReport, LetterSettings, LettersError, Ordered};
pub use limits::LoginLimits;
pub use listen::{Listener, Listeners};
pub use notice::{SmtpError, notice_kinds};
pub use ocsp::OcspSettings;
pub use password::PasswordRules;
pub use progress::Progress;
pub use register::{ImportError, ImportEvent, ImportReport, Rejected};
pub use settings::{
    ApprovalPolicy, Database, Encryption, Insurer, PasswordCost, Proxy, SessionPolicy, Settings, Smtp, SmtpLogin,
};
pub use source::Network;
pub use states::transitions;
pub use texts::{TextError, TextFault, Texts};
pub use tls::{TlsError, TlsFiles};
pub use trust_list::{TrustListFault, TrustListSettings};

/// What time it is. A test can hand in its own.
pub type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// How often due work is looked for: executions, expired approvals and sessions.
const SWEEP: Duration = Duration::from_secs(1);

/// Why the service does not start or stops.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The database cannot be opened or brought up to date.
    #[error("the database cannot be used")]
    Database(#[from] sqlx::Error),
    /// A migration failed.
    #[error("the database cannot be brought up to date")]
    Migration(#[source] MigrateError),
    /// A later version of the program has brought the database up to date: this one would not understand it.
    #[error("the database is of a later version: it knows migration {0}, which this program does not")]
    DatabaseNewer(i64),
    /// There is nothing to back up.
    #[error("no service has used this database yet")]
    Unused,
    /// PostgreSQL has its own program for backups.
    #[error("a PostgreSQL database is backed up with pg_dump")]
    PgDump,
    /// The folder or the key file.
    #[error("a file of the service cannot be used")]
    File(#[from] std::io::Error),
    /// The key file is damaged or lost.
    #[error("the service has no keys")]
    Keys(#[from] KeysError),
    /// One signing key takes the place of another step by step.
    #[error("the signing key cannot be rolled on by `{asked}` now; the step that comes next is `{expected}`")]
    KeyStep {
        /// The step that was asked for.
        asked: RollStep,
        /// The one that comes next.
        expected: RollStep,
    },
    /// Only a retired key is revoked by its thumbprint.
    #[error(
        "{0} is no retired key of this service; those whose private keys are in service-keys.json are revoked all at once"
    )]
    NoFormerKey(Thumbprint),
    /// The settings of the mail server.
    #[error("the mail server cannot be used as it is set")]
    Smtp(#[from] SmtpError),
    /// Without TLS the service listens on loopback only.
    #[error("{0} is not a loopback address, and there is no TLS")]
    NotLoopback(SocketAddr),
    /// Certificate and key of a listener.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no trust list that is believed.
    #[error(transparent)]
    TrustList(#[from] TrustListFault),
}

impl From<MigrateError> for ServerError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::DatabaseNewer(version),
            error => Self::Migration(error),
        }
    }
}

/// A service that is ready to answer.
#[allow(missing_debug_implementations, reason = "it holds keys")]
pub struct Service {
    store: Store,
    keys: ServiceKeys,
    settings: Settings,
    accepted: Accepted,
    current: RwLock<Arc<Current>>,
    clock: Clock,
    hashing: Hashing,
    metrics: Metrics,
    /// Whether the service was told to stop; balancers are told by `/readyz`.
    stopping: AtomicBool,
    seen_proofs: SeenProofs,
    mailer: Option<Mailer>,
    watchers: Watchers,
}

impl Service {
    /// Opens the data folder, makes what is missing, and brings the database up to date.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn open(mut settings: Settings, clock: Clock) -> Result<Arc<Self>, ServerError> {
        let mailer = settings.smtp.as_ref().map(Mailer::new).transpose()?;
        disk::make_private_folder(&settings.data)?;
        let store = Store::connect(&settings.database, &settings.data).await?;
        // The keys come first: a start that breaks off between the two leaves keys without a database, which are taken.
        let keys = ServiceKeys::open(&settings.data, store.is_used().await?, &mut random())?;
        store.migrate().await?;
        let accepted = Accepted::open(&mut settings, &store, clock()).await?;
        let hashing = Hashing::new(settings.parallel_hashes, settings.password_cost);
        let (metrics, stopping) = (Metrics::new(), AtomicBool::new(false));
        let (seen_proofs, watchers) = (SeenProofs::default(), Watchers::default());
        let current = RwLock::new(Arc::new(Current::out_of(&mut settings)));
        let service = Arc::new(Self {
            store,
            keys,
            settings,
            accepted,
            current,
            clock,
            hashing,
            metrics,
            stopping,
            seen_proofs,
            mailer,
            watchers,
        });
        service.tell_of_rolling().await?;
        Ok(service)
    }

    /// Takes up operators, identity providers, clients, limits of logins, and texts from settings that were read anew.
    /// Everything else stays as it was at the start.
    pub fn take_up(&self, mut settings: Settings) {
        let current = Arc::new(Current::out_of(&mut settings));
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
    }

    /// What may change while the service runs. Whoever needs two things of it that belong together asks once.
    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets go of the database.
    pub async fn close(&self) {
        self.store.close().await;
    }

    fn now(&self) -> OffsetDateTime {
        (self.clock)()
    }

    fn now_unix(&self) -> NumericDate {
        self.now().unix_timestamp()
    }

    /// The day it is in Germany: memberships begin and end there, and people have their birthdays.
    fn today(&self) -> Date {
        in_germany(self.now()).date()
    }
}

/// What clocks in Germany show at this moment.
fn in_germany(utc: OffsetDateTime) -> OffsetDateTime {
    utc.to_offset(german_offset(utc))
}

/// One hour before UTC, two from the last Sunday in March to the last Sunday in October, both at 01:00 UTC (directive
/// 2000/84/EC).
fn german_offset(utc: OffsetDateTime) -> UtcOffset {
    let (start, end) = (changes(utc, Month::March), changes(utc, Month::October));
    let is_summer = start.zip(end).is_some_and(|(start, end)| start <= utc && utc < end);
    UtcOffset::from_hms(if is_summer { 2 } else { 1 }, 0, 0).unwrap_or(UtcOffset::UTC)
}

/// When the clocks change in this month of this year.
fn changes(utc: OffsetDateTime, month: Month) -> Option<OffsetDateTime> {
    let mut day = Date::from_calendar_date(utc.year(), month, 31).ok()?;
    while day.weekday() != Weekday::Sunday {
        day = day.previous_day()?;
    }
    Some(day.with_hms(1, 0, 0).ok()?.assume_utc())
}

/// Does what is due, again and again, until `stops`: what was begun is done to its end. A failure is logged and tried
/// again at the next round.
async fn sweep(service: Arc<Service>, mut stops: Receiver<bool>) {
    let mut memberships = account::Memberships::default();
    while tokio::time::timeout(SWEEP, stops.changed()).await.is_err() {
        reset::do_what_was_asked(&service).await;
        web_login::do_what_was_asked(&service).await;
        application::do_what_is_due(&service).await;
        for (what, done) in [
            ("expired sessions were not forgotten", session::forget_expired(&service).await),
            ("expired proofs were not forgotten", dpop::forget_expired(&service).await),
            ("old tries of passwords were not forgotten", limits::forget(&service).await),
            ("used challenges were not forgotten", card_login::forget(&service).await),
            ("used challenges of devices were not forgotten", device_login::forget(&service).await),
            ("statements of identity providers were not forgotten", ident::forget(&service).await),
            ("the audit was not signed", audit::heads::make_due(&service).await),
            ("requests for passwords were not forgotten", reset::forget(&service).await),
            ("logins that were to be approved were not forgotten", web_login::forget(&service).await),
            ("old notices were not forgotten", notice::sender::forget(&service).await),
            ("old letters were not forgotten", letter::forget(&service).await),
            ("tries of device PINs were not settled", pin::settle_due(&service).await),
        ] {
            if let Err(error) = done {
                tracing::error!(code = error.code.as_str(), "{what}");
            }
        }
        match service.keys.read_again() {
            Ok(()) => {
                if let Err(error) = service.tell_of_rolling().await {
                    tracing::error!(%error, "the audit does not tell of the new signing key yet");
                }
            }
            Err(error) => tracing::error!(%error, "the keys cannot be read again; those of before stay"),
        }
        device::end_bindings(&service).await;
        memberships.do_what_is_due(&service).await;
    }
}

/// All endpoints of a service.
pub fn app(service: Arc<Service>) -> Router {
    let (router, openapi) = OpenApiRouter::new()
        .routes(routes!(http::healthz))
        .routes(routes!(http::readyz))
        .routes(routes!(http::configuration))
        .routes(routes!(login::login))
        .routes(routes!(card_login::challenge))
        .routes(routes!(card_login::login))
        .routes(routes!(device_login::challenge))
        .routes(routes!(device_login::login))
        .routes(routes!(web_login::request))
        .routes(routes!(web_login::confirm))
        .routes(routes!(ident::take))
        .routes(routes!(reset::request))
        .routes(routes!(reset::confirm))
        .routes(routes!(session::logout))
        .routes(routes!(password::change::set))
        .routes(routes!(device_code::order))
        .routes(routes!(device_code::show))
        .routes(routes!(session::refresh))
        .routes(routes!(session::list))
        .routes(routes!(session::end_one))
        .routes(routes!(registration::open))
        .routes(routes!(registration::evaluate_pin))
        .routes(routes!(attestation::offer))
        .routes(routes!(registration::challenge))
        .routes(routes!(registration::evidence))
        .routes(routes!(registration::state))
        .routes(routes!(addition::show))
        .routes(routes!(addition::give))
        .routes(routes!(device::list))
        .routes(routes!(device::revoke))
        .routes(routes!(device::rename))
        .routes(routes!(device::lock))
        .routes(routes!(device::unlock))
        .routes(routes!(device::lock_all))
        .routes(routes!(rebinding::open))
        .routes(routes!(revocation::make))
        .routes(routes!(revocation::revoke))
        .routes(routes!(pin::evaluate))
        .routes(routes!(pin::confirm))
        .routes(routes!(pin::change))
        .routes(routes!(application::submit))
        .routes(routes!(application::state, application::cancel))
        .routes(routes!(approval::list))
        .routes(routes!(watch::events))
        .routes(routes!(approval::show))
        .routes(routes!(approval::decide))
        .routes(routes!(evidence::account))
        .routes(routes!(evidence::bundle))
        .routes(routes!(audit::owner::list))
        .routes(routes!(audit::heads::show))
        .routes(routes!(audit::heads::list))
        .routes(routes!(notice::preferences::show, notice::preferences::set))
        .split_for_parts();
    http::finish(router, openapi::describe(openapi), &service).with_state(service)
}

fn random() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}
