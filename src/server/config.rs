//! The configuration: one TOML file, checked as a whole before anything is opened or made.
//!
//! Every setting is one row of the tables in `rows`. Secrets are never in the file itself.

mod cards;
mod read;
mod rows;
mod signers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use toml::de::DeTable;

use super::Settings;
use super::notice::Mailer;
use super::tls::TlsFiles;
use crate::protocol::client_assertion::ConfidentialClient;
use read::Reader;

pub use read::{Fault, Wrong};
pub(super) use read::{line_of, most_like};

/// Longest configuration file, in bytes.
const MAX_FILE: usize = 1024 * 1024;

/// Everything that an operator decides.
#[derive(Debug)]
pub struct Config {
    /// What the service needs to know.
    pub settings: Settings,
    /// Where people's programs, or the proxy, reach it.
    pub listen: SocketAddr,
    /// Certificate of that address; `None` for plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Where operators reach it.
    pub admin: Option<AdminConfig>,
    /// How long `/readyz` says that the service stops before it does.
    pub stop_delay: Duration,
}

/// Why a configuration is none.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{0} cannot be read")]
    File(PathBuf, #[source] std::io::Error),
    /// It is not TOML.
    #[error("{file}, line {line}: {message}")]
    Toml {
        /// The file.
        file: PathBuf,
        /// The line that cannot be read.
        line: usize,
        /// What the TOML parser says.
        message: String,
    },
    /// Settings are wrong: all of them are told at once.
    #[error("{file}: {} wrong{}", count(faults.len()), faults.iter().map(|fault| format!("\n  {fault}")).collect::<String>())]
    Settings {
        /// The file.
        file: PathBuf,
        /// Each setting that is wrong.
        faults: Vec<Fault>,
    },
}

impl ConfigError {
    /// Whether this is what is wrong, alone or among others.
    pub fn is(&self, wanted: impl Fn(&Wrong) -> bool) -> bool {
        matches!(self, Self::Settings { faults, .. } if faults.iter().any(|fault| wanted(&fault.wrong)))
    }
}

fn count(faults: usize) -> String {
    if faults == 1 { "one setting is".to_owned() } else { format!("{faults} settings are") }
}

impl Config {
    /// Reads and checks the file. Secrets come from files beside it, or from `environment`.
    ///
    /// # Errors
    /// [`ConfigError`] names every setting that is wrong, and its line.
    pub fn read(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let bytes =
            crate::disk::read(path, MAX_FILE).and_then(|found| found.ok_or(std::io::ErrorKind::NotFound.into()));
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).map_err(|_| std::io::ErrorKind::InvalidData.into()));
        let text = text.map_err(|error| ConfigError::File(path.to_owned(), error))?;
        let table = DeTable::parse(&text).map_err(|error| ConfigError::Toml {
            file: path.to_owned(),
            line: line_of(&text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        // A mere name lies in the folder we are in.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut reader = Reader { folder, environment, text: &text, places: BTreeMap::new(), faults: Vec::new() };
        let mut config = Self::in_folder(folder);
        reader.table(rows::ROWS, &mut config, table.get_ref(), None, "");
        if reader.faults.is_empty() {
            config.check(&mut reader);
        }
        let mut faults = reader.faults;
        faults.sort_by_key(|fault| fault.line);
        if faults.is_empty() { Ok(config) } else { Err(ConfigError::Settings { file: path.to_owned(), faults }) }
    }

    /// What is good as it is written, and perhaps not as it is meant. The service runs with it.
    pub fn warnings(&self) -> Vec<&'static str> {
        let settings = &self.settings;
        let by_proxy = settings.issuer.starts_with("https://") && self.listen.ip().is_loopback() && self.tls.is_none();
        let issuers = settings.anchors.issuers();
        let all = [
            (
                settings.issuer.is_empty(),
                "no issuer: the service takes the address it listens on for its name, which is good for a try only",
            ),
            (
                by_proxy && settings.proxy.is_none(),
                "no [proxy], though people reach the service by https and itself it speaks plain HTTP with this computer: \
                 all of them count as one network, and are made to wait for one another's wrong passwords",
            ),
            (
                issuers.is_empty() && settings.trust_list.is_none(),
                "no anchors, no test_anchors and no [trust_list]: no health card will be accepted",
            ),
            (
                settings.trust_list.is_none()
                    && settings.ocsp.iter().any(|ocsp| !issuers.iter().any(|issuer| issuer.der() == ocsp.issuer)),
                "the CA of one [[ocsp]] is in neither anchors nor test_anchors: no card is asked about there",
            ),
            (settings.payer_iks.is_empty(), "no payer_iks: the cards of no insurer will be accepted"),
            (
                settings.cvc_roots.roots().iter().any(|root| root.name().is_test()),
                "chips of test cards are accepted: this service is not for real people",
            ),
            (settings.anchors.accept_test_cards(), "test cards are accepted: this service is not for real people"),
        ];
        all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, warning)| warning).collect()
    }

    /// A file with every setting: its default, or an example of what could stand there, and what it is for.
    pub fn example() -> String {
        let mut text = rows::PREFACE.to_owned();
        read::show(rows::ROWS, &mut text, "");
        text
    }
}

/// The operators' listener.
#[derive(Debug)]
pub struct AdminConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Certificate of that address; `None` for plain HTTP.
    pub tls: Option<TlsFiles>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8471)), tls: None }
    }
}

impl Config {
    /// Everything as it is where nothing is said, for a file in `folder`.
    fn in_folder(folder: &Path) -> Self {
        Self {
            settings: Settings::new(folder.join("data"), ""),
            listen: SocketAddr::from(([127, 0, 0, 1], 8470)),
            tls: None,
            admin: None,
            stop_delay: Duration::ZERO,
        }
    }

    /// What no single setting knows.
    fn check(&self, reader: &mut Reader<'_>) {
        let is_here = self.listen.ip().is_loopback();
        if !is_here && self.tls.is_none() && self.settings.proxy.is_none() {
            reader.wrong("listen", Wrong::NotLoopback(self.listen));
        }
        if !is_here && self.settings.issuer.is_empty() {
            reader.wrong("issuer", Wrong::Missing);
        }
        if self.settings.insurer.hotline.is_empty() && !self.settings.texts.name_hotline().is_empty() {
            reader.wrong("texts", Wrong::Impossible("a text names {hotline}, and insurer.hotline is not set"));
        }
        let sessions = &self.settings.sessions;
        let letters = &self.settings.letters;
        if letters.invite_days >= letters.password_days {
            let why = "the password in an invitation would end before the first day of the insurance";
            reader.wrong("letters.invite_days", Wrong::Impossible(why));
        }
        if sessions.access_token > sessions.idle {
            reader.wrong("sessions.idle", Wrong::Impossible("a session is not idle before its access token has ended"));
        }
        if sessions.idle > sessions.maximum {
            reader.wrong("sessions.maximum", Wrong::Impossible("a session lasts at least as long as it may be idle"));
        }
        if sessions.access_token > sessions.idle_with_device {
            let why = "a session is not idle before its access token has ended";
            reader.wrong("sessions.idle_with_device", Wrong::Impossible(why));
        }
        if sessions.idle_with_device > sessions.maximum_with_device {
            let why = "a session lasts at least as long as it may be idle";
            reader.wrong("sessions.maximum_with_device", Wrong::Impossible(why));
        }
        if let Some(smtp) = &self.settings.smtp {
            match smtp.login.as_ref().map(|login| (login.user.is_empty(), login.password.expose().is_empty())) {
                Some((true, _)) => reader.wrong("mail.user", Wrong::Missing),
                Some((_, true)) => reader.wrong("mail.password", Wrong::Missing),
                _ => {}
            }
            if let Err(error) = Mailer::new(smtp) {
                reader.wrong("mail", Wrong::Mail(error));
            }
        }
        if self.settings.trust_list.as_ref().is_some_and(|list| list.signers.is_empty()) {
            reader.wrong("trust_list.anchors", Wrong::Missing);
        }
        if self.settings.trust_list.is_none() && self.settings.ocsp.iter().any(|ocsp| ocsp.responders.is_empty()) {
            reader.wrong("ocsp", Wrong::Impossible("at least one responder is needed where there is no [trust_list]"));
        }
        let providers = &self.settings.identity_providers;
        let names: BTreeSet<_> = providers.iter().map(|provider| &provider.issuer).collect();
        if names.len() < providers.len() {
            reader.wrong("identity_provider", Wrong::Impossible("two identity providers have the same name"));
        }
        let clients = &self.settings.clients;
        let names: BTreeSet<_> = clients.iter().map(|client| &client.id).collect();
        let key_of = |client: &ConfidentialClient| client.keys.iter().map(|key| *key.thumbprint().as_bytes()).collect();
        let keys: Vec<BTreeSet<[u8; 32]>> = clients.iter().map(key_of).collect();
        let different: BTreeSet<_> = keys.iter().flatten().collect();
        if names.len() < clients.len() || different.len() < keys.iter().map(BTreeSet::len).sum() {
            reader.wrong("client", Wrong::Impossible("two clients have the same identifier or key"));
        }
        let Some(admin) = &self.admin else { return };
        if !admin.listen.ip().is_loopback() && admin.tls.is_none() {
            reader.wrong("admin.listen", Wrong::NotLoopback(admin.listen));
        }
        let operators = &self.settings.operators;
        if operators.is_empty() {
            reader.wrong("admin.operator", Wrong::Missing);
        }
        let names: BTreeSet<_> = operators.iter().map(|operator| &operator.name).collect();
        let tokens: BTreeSet<_> = operators.iter().map(|operator| operator.token_sha256).collect();
        if names.len() < operators.len() || tokens.len() < operators.len() {
            reader.wrong("admin.operator", Wrong::Impossible("two operators have the same name or token"));
        }
    }
}
