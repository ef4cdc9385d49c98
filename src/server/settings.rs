//! What the operator decides.

use std::mem::take;
use std::path::PathBuf;

use super::account::AccountPolicy;
use super::admin::Operator;
use super::device::DevicePolicy;
use super::letter::LetterSettings;
use super::limits::LoginLimits;
use super::ocsp::OcspSettings;
use super::password::PasswordRules;
use super::source::Network;
use super::texts::Texts;
use super::trust_list::TrustListSettings;
use crate::identity::kvnr::Ik;
use crate::pki::cvc::{CvcRoots, ProductionCvcRoots};
use crate::pki::endorsement::TpmRoots;
use crate::pki::{Anchors, ProductionAnchors};
use crate::protocol::BindingLevel;
use crate::protocol::application::ApplicationType;
use crate::protocol::client_assertion::ConfidentialClient;
use crate::protocol::ident::IdentityProvider;
use crate::protocol::service::ClientVersion;
use crate::protocol::session::SessionMethod;
use crate::secret::SecretText;

/// What the operator decides. Every part has defaults; [`Settings::new`] takes what has none.
#[derive(Debug)]
pub struct Settings {
    /// Folder of the service's keys, and of the database where it is SQLite.
    pub data: PathBuf,
    /// Where accounts, devices, applications and the audit are kept.
    pub database: Database,
    /// The service's name in all signed messages: the URL people use.
    pub issuer: String,
    /// The insurer, for people.
    pub insurer: Insurer,
    /// The oldest program on people's computers that may log in.
    pub min_client: ClientVersion,
    /// What holds for all accounts.
    pub accounts: AccountPolicy,
    /// What people may choose as a password.
    pub passwords: PasswordRules,
    /// How often passwords may be tried.
    pub login_limits: LoginLimits,
    /// How many password hashes are made at the same time: each needs 64 MiB and a core.
    pub parallel_hashes: usize,
    /// What one of them costs. The program's is the default, whatever its configuration says.
    pub password_cost: PasswordCost,
    /// Letters, and where the print service takes them from.
    pub letters: LetterSettings,
    /// What letters and notices say.
    pub texts: Texts,
    /// Insurers whose cards are accepted.
    pub payer_iks: Vec<Ik>,
    /// CAs whose cards are accepted: production ones or test ones, never both.
    pub anchors: Box<dyn Anchors>,
    /// The trust list whose CAs and responders are accepted beside them.
    pub trust_list: Option<TrustListSettings>,
    /// Where the revocation of cards is asked for; it is not asked for of those of other CAs.
    pub ocsp: Vec<OcspSettings>,
    /// Roots whose chips show that a card is there.
    pub cvc_roots: Box<dyn CvcRoots>,
    /// CAs of makers of TPMs: what these say of device keys is believed. Without any, every key counts as one in software.
    pub tpm_roots: TpmRoots,
    /// The proxy before the service, where there is one.
    pub proxy: Option<Proxy>,
    /// Who may use the operators' listener.
    pub operators: Vec<Operator>,
    /// Identity providers whose statements open accounts; none by default.
    pub identity_providers: Vec<IdentityProvider>,
    /// Clients that ask for people with keys of their own, such as the insurer's web branch; none by default.
    pub clients: Vec<ConfidentialClient>,
    /// How long sessions live.
    pub sessions: SessionPolicy,
    /// How long devices are bound.
    pub devices: DevicePolicy,
    /// How long approvals live, and who may decide on them.
    pub approvals: ApprovalPolicy,
    /// The mail server that takes notices; without one they wait.
    pub smtp: Option<Smtp>,
}

impl Settings {
    /// A service in `data` with the name `issuer`, that accepts no card yet.
    pub fn new(data: PathBuf, issuer: impl Into<String>) -> Self {
        Self {
            data,
            database: Database::Sqlite,
            issuer: issuer.into(),
            insurer: Insurer::default(),
            min_client: ClientVersion::default(),
            accounts: AccountPolicy::default(),
            passwords: PasswordRules::default(),
            login_limits: LoginLimits::default(),
            parallel_hashes: 2,
            password_cost: PasswordCost::default(),
            letters: LetterSettings::default(),
            texts: Texts::default(),
            payer_iks: Vec::new(),
            anchors: Box::new(ProductionAnchors::default()),
            trust_list: None,
            ocsp: Vec::new(),
            cvc_roots: Box::new(ProductionCvcRoots::default()),
            tpm_roots: TpmRoots::default(),
            proxy: None,
            operators: Vec::new(),
            identity_providers: Vec::new(),
            clients: Vec::new(),
            sessions: SessionPolicy::default(),
            devices: DevicePolicy::default(),
            approvals: ApprovalPolicy::default(),
            smtp: None,
        }
    }
}

/// What a running service takes up anew from its configuration. Of [`Settings`] it holds what may change meanwhile, and
/// nothing there is left of it.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) operators: Vec<Operator>,
    pub(super) identity_providers: Vec<IdentityProvider>,
    pub(super) clients: Vec<ConfidentialClient>,
    pub(super) login_limits: LoginLimits,
    pub(super) texts: Texts,
}

impl Current {
    pub(super) fn out_of(settings: &mut Settings) -> Self {
        Self {
            operators: take(&mut settings.operators),
            identity_providers: take(&mut settings.identity_providers),
            clients: take(&mut settings.clients),
            login_limits: take(&mut settings.login_limits),
            texts: take(&mut settings.texts),
        }
    }
}

/// Where the service keeps what it knows.
#[derive(Debug, Default)]
pub enum Database {
    /// One file in the data folder.
    #[default]
    Sqlite,
    /// A server, named by its URL (`postgresql://…`), which may hold a password.
    Postgresql(SecretText),
}

/// A proxy with TLS that stands before the service.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Where its requests come from. From there `X-Forwarded-For` is believed.
    pub addresses: Vec<Network>,
}

/// The insurer as people know it.
#[derive(Clone, Debug)]
pub struct Insurer {
    /// Name.
    pub name: String,
    /// Telephone number people may call, as it is printed.
    pub hotline: String,
}

impl Default for Insurer {
    fn default() -> Self {
        Self { name: "Kartenbund".to_owned(), hotline: String::new() }
    }
}

/// What a guess of a chosen password costs: parameters of Argon2id (RFC 9106, 3.1) for one lane.
#[derive(Clone, Copy, Debug)]
pub struct PasswordCost {
    /// Memory in KiB, at least 8.
    pub memory: u32,
    /// Passes over it, at least one.
    pub passes: u32,
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self { memory: 64 * 1024, passes: 3 }
    }
}

/// How long sessions live, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct SessionPolicy {
    /// Life of an access token.
    pub access_token: i64,
    /// A session ends when its tokens were not renewed for so long. It is no shorter than the life of an access token.
    pub idle: i64,
    /// A session ends after so long, however often its tokens are renewed.
    pub maximum: i64,
    /// [`Self::idle`] of a session that a registered device has opened for itself.
    pub idle_with_device: i64,
    /// [`Self::maximum`] of a session that a registered device has opened for itself.
    pub maximum_with_device: i64,
    /// A session in which a password is chosen ends after so long.
    pub setup: i64,
}

impl SessionPolicy {
    /// How long a session that was opened like this lives, in seconds.
    pub fn life(&self, method: SessionMethod) -> i64 {
        match method {
            method if method.is_setup() => self.setup,
            SessionMethod::Device => self.maximum_with_device,
            _ => self.maximum,
        }
    }

    /// How long it may be idle, in seconds.
    pub fn idle(&self, method: SessionMethod) -> i64 {
        if method == SessionMethod::Device { self.idle_with_device } else { self.idle }
    }

    /// The longest life of any.
    pub fn longest(&self) -> i64 {
        self.maximum.max(self.maximum_with_device)
    }
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            access_token: 5 * 60,
            idle: 15 * 60,
            maximum: 12 * 60 * 60,
            idle_with_device: 12 * 60 * 60,
            maximum_with_device: 7 * 24 * 60 * 60,
            setup: 15 * 60,
        }
    }
}

/// How long approvals live, and who may decide on them.
#[derive(Clone, Copy, Debug)]
pub struct ApprovalPolicy {
    /// How long one can be decided, in seconds.
    pub life: i64,
    /// The least binding level that may approve a new address.
    pub address_change: BindingLevel,
    /// The same for a new e-mail address.
    pub contact_change: BindingLevel,
}

impl ApprovalPolicy {
    /// The least binding level that may approve this. What needs the highest anyway, nobody can raise or lower.
    pub fn least_level(&self, kind: ApplicationType) -> BindingLevel {
        match kind {
            ApplicationType::AddressChange => self.address_change,
            ApplicationType::ContactChange => self.contact_change,
            other => other.least_level(),
        }
    }
}

impl Default for ApprovalPolicy {
    fn default() -> Self {
        Self {
            life: 15 * 60,
            address_change: ApplicationType::AddressChange.least_level(),
            contact_change: ApplicationType::ContactChange.least_level(),
        }
    }
}

/// A mail server, and how it is spoken with.
#[derive(Debug)]
pub struct Smtp {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the line is protected.
    pub encryption: Encryption,
    /// Who the service is there; `None` where the server does not ask.
    pub login: Option<SmtpLogin>,
    /// The one CA (PEM) whose certificates are taken; `None` for those of the system.
    pub ca: Option<Vec<u8>>,
    /// Sender of the notices: an address, alone or like `Kasse <post@kasse.example>`.
    pub from: String,
}

impl Smtp {
    /// A server that takes e-mail for others (RFC 6409), by STARTTLS.
    pub fn new(host: impl Into<String>, from: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: 587,
            encryption: Encryption::StartTls,
            login: None,
            ca: None,
            from: from.into(),
        }
    }
}

impl Default for Smtp {
    fn default() -> Self {
        Self::new("", "")
    }
}

/// How the line to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// STARTTLS, without which nothing is sent (RFC 3207).
    #[default]
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// Not at all: within this computer only.
    None,
}

/// Who the service is for the mail server.
#[derive(Debug)]
pub struct SmtpLogin {
    /// Name.
    pub user: String,
    /// Password.
    pub password: SecretText,
}

impl Default for SmtpLogin {
    fn default() -> Self {
        Self { user: String::new(), password: SecretText::new(String::new()) }
    }
}
