//! A service with a clock that the test moves, a card for each person, and a person who answers questions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs, dead_code, unreachable_pub, missing_debug_implementations)]

#[path = "additions.rs"]
pub mod additions;
#[path = "chip.rs"]
pub mod chip;
#[path = "database.rs"]
mod database;
#[path = "described.rs"]
pub mod described;
#[path = "device.rs"]
pub mod device;
#[path = "insider.rs"]
mod insider;
#[path = "leaks.rs"]
pub mod leaks;
#[path = "letter_code.rs"]
pub mod letter_code;
#[path = "line.rs"]
pub mod line;
#[path = "mail.rs"]
pub mod mail;
#[path = "ocsp.rs"]
pub mod ocsp;
#[path = "person.rs"]
mod person;
#[path = "postgresql.rs"]
pub mod postgresql;
#[path = "provider.rs"]
pub mod provider;
#[path = "removal.rs"]
mod removal;
#[path = "screen_code.rs"]
pub mod screen_code;
#[path = "thief.rs"]
pub mod thief;
#[path = "tpm.rs"]
pub mod tpm;
#[path = "tpm_bytes.rs"]
pub mod tpm_bytes;
#[path = "trust_list.rs"]
pub mod trust_list;
#[path = "verifier.rs"]
pub mod verifier;
#[path = "web_branch.rs"]
pub mod web_branch;
#[path = "web_login.rs"]
pub mod web_login;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use kartenbund::client::home::Home;
use kartenbund::client::login::{self, LoggedIn, LoginError};
use kartenbund::client::pin::rules::WeakPin;
use kartenbund::client::register::{RegisterError, Wish, register};
use kartenbund::client::service::{Service as Remote, ServiceError};
use kartenbund::client::session::{SessionKey, Tokens};
use kartenbund::client::{AskError, KeypadEntry, Notice, Step, Surroundings, Ui};
use kartenbund::egk::ApduLength;
use kartenbund::identity::kvnr::Kvnr;
use kartenbund::identity::vsd::Address;
use kartenbund::jose::Thumbprint;
use kartenbund::pki::{Anchors, Issuer, TestAnchors};
use kartenbund::protocol::NumericDate;
use kartenbund::protocol::api::{ApplicationAccepted, DeviceAnswer, DevicesAnswer, LoginRequest, TokenAnswer};
use kartenbund::protocol::application::{Application, BankAccount, CardOrder, CardReason, Contact};
use kartenbund::protocol::approval::{Document, MatchCode, Verdict};
use kartenbund::protocol::dpop::ProvenRequest;
use kartenbund::reader::CardChannel;
use kartenbund::secret::{Can, DevicePin, Pin, Puk, SecretText, TransportPin};
use kartenbund::server::{
    Code, Database, ImportError, ImportEvent, ImportReport, LetterEvent, LetterReport, Ordered, PasswordCost, Rejected,
    RollStep, Service, Settings,
};
use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::personalise::{Blueprint, MUSTERKASSE_IK, TestCa, personalise};
use rand_core::UnwrapErr;
use reqwest::Method;
use time::OffsetDateTime;
use time::macros::datetime;

pub use database::TestDatabase;
pub use person::{Script, Strings, typed};

/// When every story begins.
pub const NOW: OffsetDateTime = datetime!(2026-11-23 15:00 UTC);
pub const ERIKA: &str = "A123456780";
pub const MAX: &str = "M100200305";
/// What members of [`World::import`] log in with.
pub const PASSWORD: &str = "tulpe-karton-87";
/// `echo -n tulpe-karton-87 | argon2 somesalt1234 -id -t 2 -k 8192 -p 1 -e`
pub const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=8192,t=2,p=1$c29tZXNhbHQxMjM0$855rEs6WtRq8CS9n/WrVmDyOJCefAZVS7NB51sZrZ/g";
/// What a hash of a chosen password costs where no story is about that: a hundredth of what it costs the program.
pub const LIGHT: PasswordCost = PasswordCost { memory: 2048, passes: 1 };
pub const CARD_PIN: &str = "123456";
pub const WRONG_PIN: &str = "654321";
pub const DEVICE_PIN: &str = "270618";

pub fn rng() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

/// A port for whoever opens it later: below those that Linux gives to connections, so that none of them takes it meanwhile.
pub fn free_port() -> u16 {
    use rand_core::Rng as _;
    let mut ports = std::iter::repeat_with(|| 20_000 + u16::try_from(rng().next_u32() % 12_000).unwrap());
    ports.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

pub fn kvnr(text: &str) -> Kvnr {
    Kvnr::typed(text).unwrap()
}

/// An insurance number with its right check digit.
pub fn number(number: usize) -> String {
    (0..10).map(|check| format!("A{number:08}{check}")).find(|text| Kvnr::typed(text).is_ok()).unwrap()
}

pub fn ca() -> TestCa {
    TestCa::built_in().unwrap()
}

pub fn anchors_of(cas: &[&TestCa]) -> TestAnchors {
    let mut anchors = TestAnchors::default();
    cas.iter().for_each(|ca| anchors.add(Issuer::from_der(ca.certificate_der()).unwrap()));
    anchors
}

/// The blueprint of a person's card, to be changed by the test.
pub fn blueprint(person: &str) -> Blueprint {
    let (given_name, family_name) = if person == MAX { ("Max", "Mustermann") } else { ("Erika", "Müstermann") };
    Blueprint::new(kvnr(person), given_name, family_name)
}

pub fn image_by(ca: &TestCa, blueprint: &Blueprint) -> String {
    personalise(blueprint, ca, &mut rng(), NOW).unwrap()
}

pub fn card_by(ca: &TestCa, blueprint: &Blueprint) -> VirtualCard {
    VirtualCard::load(&image_by(ca, blueprint)).unwrap()
}

pub fn card(person: &str) -> VirtualCard {
    card_by(&ca(), &blueprint(person))
}

/// A clock that stands until the test moves it.
#[derive(Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    pub fn at(now: OffsetDateTime) -> Self {
        Self(Arc::new(AtomicI64::new(now.unix_timestamp())))
    }

    pub fn now(&self) -> NumericDate {
        self.0.load(Ordering::SeqCst)
    }

    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// The same clock for a session of the client.
    pub fn of_client(&self) -> kartenbund::client::session::Clock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

/// What became of a register, with the rows that were not taken.
#[derive(Debug)]
pub struct Imported {
    pub imported: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub rejected: Vec<(u64, Rejected)>,
}

/// A service and everything around it.
pub struct World {
    pub database: TestDatabase,
    pub address: String,
    pub clock: ManualClock,
    pub folder: tempfile::TempDir,
    service: Arc<Service>,
    runtime: tokio::runtime::Runtime,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    served: Option<tokio::task::JoinHandle<Result<(), kartenbund::server::ServerError>>>,
}

impl World {
    pub fn new() -> Self {
        Self::with(Box::new(anchors_of(&[&ca()])), &[MUSTERKASSE_IK])
    }

    pub fn with(anchors: Box<dyn Anchors>, payer_iks: &[&str]) -> Self {
        Self::open(tempfile::tempdir().unwrap(), ManualClock::at(NOW), anchors, payer_iks)
    }

    pub fn open(folder: tempfile::TempDir, clock: ManualClock, anchors: Box<dyn Anchors>, payer_iks: &[&str]) -> Self {
        let payer_iks = payer_iks.iter().map(|ik| ik.parse().unwrap()).collect();
        Self::configured(folder, TestDatabase::new(), clock, |settings| {
            settings.payer_iks = payer_iks;
            settings.anchors = anchors;
        })
    }

    /// A world whose operator decided something else.
    pub fn configured(
        folder: tempfile::TempDir,
        database: TestDatabase,
        clock: ManualClock,
        configure: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::listening(SocketAddr::from(([127, 0, 0, 1], 0)), folder, database, clock, configure)
    }

    fn listening(
        on: SocketAddr,
        folder: tempfile::TempDir,
        database: TestDatabase,
        clock: ManualClock,
        configure: impl FnOnce(&mut Settings),
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (service, listener, address) = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(on).await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            let mut settings = Settings::new(folder.path().join("service"), address.as_str());
            settings.database = database.setting();
            settings.insurer.name = "Musterkasse".to_owned();
            settings.password_cost = LIGHT;
            configure(&mut settings);
            let clock = clock.clone();
            let now = move || OffsetDateTime::from_unix_timestamp(clock.now()).unwrap();
            (Service::open(settings, Arc::new(now)).await.unwrap(), listener, address)
        });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = runtime.spawn(Arc::clone(&service).serve(listener, async {
            let _ = stopped.await;
        }));
        described::listen_to_all(&address);
        Self { database, address, clock, folder, service, runtime, stop: Some(stop), served: Some(served) }
    }

    /// Stops answering; everything that was said stays on the disk.
    pub fn stop(&mut self) {
        if let (Some(stop), Some(served)) = (self.stop.take(), self.served.take()) {
            let _ = stop.send(());
            self.runtime.block_on(served).unwrap().unwrap();
        }
    }

    /// The same service, started anew.
    pub fn restarted(mut self, configure: impl FnOnce(&mut Settings)) -> Self {
        self.stop();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        let database = std::mem::replace(&mut self.database, TestDatabase::Sqlite);
        Self::configured(folder, database, self.clock.clone(), configure)
    }

    /// The same service, started anew where it was.
    pub fn restarted_in_place(self) -> Self {
        self.restarted_in_place_with(|_| {})
    }

    /// Likewise, after the operator has decided something else.
    pub fn restarted_in_place_with(mut self, configure: impl FnOnce(&mut Settings)) -> Self {
        self.stop();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        let database = std::mem::replace(&mut self.database, TestDatabase::Sqlite);
        let address = self.address.trim_start_matches("http://").parse().unwrap();
        Self::listening(address, folder, database, self.clock.clone(), configure)
    }

    /// An operator takes a step from one signing key of the service to the next.
    pub fn roll(&self, step: RollStep) -> Result<Thumbprint, kartenbund::server::ServerError> {
        self.runtime.block_on(self.service.roll_signing_key(step))
    }

    /// How many connections wait for approvals.
    pub fn watching(&self) -> usize {
        self.service.watching()
    }

    /// An operator suspends an account.
    pub fn suspend(&self, person: &str) -> Result<(), Code> {
        self.runtime.block_on(self.service.suspend(&kvnr(person), "operator"))
    }

    /// An operator opens a suspended account again.
    pub fn resume(&self, person: &str) -> Result<(), Code> {
        self.runtime.block_on(self.service.resume(&kvnr(person), "operator"))
    }

    /// Somebody calls: the password was stolen.
    pub fn report_stolen(&self, person: &str) -> Result<(), Code> {
        self.runtime.block_on(self.service.report_stolen(&kvnr(person), "operator"))
    }

    /// An operator ends all sessions of an account.
    pub fn end_sessions(&self, person: &str) -> Result<(), Code> {
        self.runtime.block_on(self.service.end_sessions(&kvnr(person), "operator"))
    }

    /// Somebody calls: the health card is lost.
    pub fn revoke_cards(&self, person: &str) -> Result<(), Code> {
        self.runtime.block_on(self.service.revoke_cards(&kvnr(person), "operator"))
    }

    /// Somebody calls: what was approved is not to be done.
    pub fn cancel_approved(&self, person: &str) -> Result<(), Code> {
        self.runtime.block_on(self.service.cancel_approved(&kvnr(person), "operator"))
    }

    /// Waits for what the service does by itself, once a second.
    pub fn wait_until(&self, what: &str, is_done: impl Fn() -> bool) {
        let began = std::time::Instant::now();
        while !is_done() {
            assert!(began.elapsed() < std::time::Duration::from_secs(20), "it does not happen: {what}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// The state of a person's account.
    pub fn state_of(&self, person: &str) -> String {
        self.column(format!("SELECT state FROM account WHERE kvnr = '{person}'")).remove(0)
    }

    /// Another process of the same service, on the same database.
    pub fn beside(&self, configure: impl FnOnce(&mut Settings)) -> Beside {
        self.try_beside(configure).unwrap()
    }

    /// The same, where it may refuse to start.
    pub fn try_beside(&self, configure: impl FnOnce(&mut Settings)) -> Result<Beside, kartenbund::server::ServerError> {
        let mut settings = Settings::new(self.folder.path().join("service"), self.address.as_str());
        settings.database = self.database.setting();
        settings.insurer.name = "Musterkasse".to_owned();
        configure(&mut settings);
        let clock = self.clock.clone();
        let now = move || OffsetDateTime::from_unix_timestamp(clock.now()).unwrap();
        let (service, listener) = self.runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            Ok::<_, kartenbund::server::ServerError>((Service::open(settings, Arc::new(now)).await?, listener))
        })?;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let address = listener.local_addr().unwrap();
        self.runtime.spawn(service.serve(listener, async {
            let _ = stopped.await;
        }));
        Ok(Beside(Some(stop), address))
    }

    /// Imports members who have a password already; gives it for each.
    pub fn import(&self, csv: &str) -> Vec<(String, String)> {
        let mut lines = csv.lines();
        let mut with_hash = format!("{},password_hash\n", lines.next().unwrap());
        let mut passwords = Vec::new();
        for line in lines {
            with_hash.push_str(&format!("{line},\"{PASSWORD_HASH}\"\n"));
            passwords.push((line.split(',').next().unwrap().to_owned(), PASSWORD.to_owned()));
        }
        assert_eq!(self.import_report(&with_hash).rejected, []);
        passwords
    }

    /// Imports a person who is a member since long and has a password.
    pub fn member(&self, person: &str) -> String {
        let passwords = self.import(&register_of(&[person]));
        passwords.into_iter().next().unwrap().1
    }

    /// Runs `letters create`; gives the initial passwords in the letters.
    pub fn create_letters(&self) -> (LetterReport, Vec<(String, String)>) {
        let mut passwords = Vec::new();
        let letters = self.service.create_letters(|event| {
            if let LetterEvent::InitialPassword { kvnr, password } = event {
                passwords.push((kvnr.as_str().to_owned(), password.expose().to_owned()));
            }
        });
        (self.runtime.block_on(letters).unwrap(), passwords)
    }

    pub fn order_letter(&self, person: &str) -> Result<Ordered, Code> {
        self.runtime.block_on(self.service.order_letter(&kvnr(person), "operator"))
    }

    /// Runs `letters create` where it may fail.
    pub fn try_create_letters(&self) -> Result<LetterReport, kartenbund::server::LettersError> {
        self.runtime.block_on(self.service.create_letters(|_| {}))
    }

    /// An operator orders a letter with a code for a device.
    pub fn order_device_code(&self, person: &str) -> Result<Ordered, Code> {
        self.runtime.block_on(self.service.order_device_code(&kvnr(person), "operator"))
    }

    pub fn import_report(&self, csv: &str) -> Imported {
        self.try_import(csv.as_bytes()).unwrap()
    }

    pub fn try_import(&self, file: impl std::io::Read) -> Result<Imported, ImportError> {
        let mut rejected = Vec::new();
        let import = self.service.import(file, |event| {
            if let ImportEvent::Rejected { line, reason } = event {
                rejected.push((line, reason));
            }
        });
        let ImportReport { imported, changed, unchanged, .. } = self.runtime.block_on(import)?;
        Ok(Imported { imported, changed, unchanged, rejected })
    }

    pub fn remote(&self) -> Remote {
        Remote::at(&self.address).unwrap()
    }

    /// Somebody without a session, with a session key of his own.
    pub fn stranger(&self) -> Stranger {
        Stranger { remote: self.remote(), key: SessionKey::new(&mut rng()), clock: self.clock.clone() }
    }

    /// Logs a person in on a computer of her own.
    pub fn log_in(&self, person: &str, password: &str) -> Computer {
        self.try_log_in(&self.folder.path().join(format!("computer-{person}")), person, password).unwrap()
    }

    pub fn try_log_in(&self, folder: &Path, person: &str, password: &str) -> Result<Computer, LoginError> {
        let home = Home::at(folder.to_owned());
        let mut script = Script { password: Some(password.to_owned()), ..Script::default() };
        let clock = self.clock.clone();
        let now = move || clock.now();
        let mut around = Surroundings { ui: &mut script, rng: &mut rng(), clock: &now };
        login::login(&home, &self.remote(), kvnr(person), &mut around)?;
        Ok(Computer { here: login::resume(home, self.clock.of_client())?, clock: self.clock.clone() })
    }

    /// A member with a registered computer.
    pub fn registered(&self, person: &str) -> Computer {
        let computer = self.log_in(person, &self.member(person));
        computer.register(&mut card(person)).unwrap();
        computer
    }
}

impl Drop for World {
    fn drop(&mut self) {
        described::nothing_else_was_answered();
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// A second process; it ends with this value.
pub struct Beside(Option<tokio::sync::oneshot::Sender<()>>, SocketAddr);

impl Beside {
    /// Where this process listens.
    pub fn address(&self) -> String {
        format!("http://{}", self.1)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(stop) = self.0.take() {
            let _ = stop.send(());
        }
    }
}

pub const HEADER: &str =
    "kvnr,given_name,family_name,birth_date,street,house_number,postal_code,city,country,membership_start\n";

pub fn register_of(persons: &[&str]) -> String {
    let rows = persons
        .iter()
        .map(|kvnr| format!("{kvnr},Erika,Müstermann,1964-08-12,Musterstraße,12a,12345,Musterstadt,D,2020-01-01\n"));
    HEADER.to_owned() + &rows.collect::<String>()
}

/// Somebody without a session.
pub struct Stranger {
    pub remote: Remote,
    pub key: SessionKey,
    pub clock: ManualClock,
}

impl Stranger {
    /// Sends a request with a proof by his key, and nothing else.
    pub fn ask<B: serde::Serialize, T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ServiceError> {
        self.remote.ask_with_proof(path, self.remote.address(), body, &self.key, self.clock.now())
    }
}

/// A computer whose user has logged in.
pub struct Computer {
    pub here: LoggedIn,
    pub clock: ManualClock,
}

pub fn wish() -> Wish {
    let name = "PC im Wohnzimmer".to_owned();
    Wish { name, replace: false, in_place_of: Vec::new(), length: ApduLength::Extended }
}

impl Computer {
    pub fn with<T>(&self, script: &mut Script, work: impl FnOnce(&mut Surroundings<'_>) -> T) -> T {
        let clock = self.clock.clone();
        let now = move || clock.now();
        work(&mut Surroundings { ui: script, rng: &mut rng(), clock: &now })
    }

    pub fn register(&self, card: impl CardChannel) -> Result<DeviceAnswer, RegisterError> {
        self.register_as(card, &mut Script::default(), &wish())
    }

    pub fn register_as(
        &self,
        card: impl CardChannel,
        script: &mut Script,
        wish: &Wish,
    ) -> Result<DeviceAnswer, RegisterError> {
        self.with(script, |around| register(&self.here, card, wish, around))
    }

    /// What the session adds to a request that is put together by hand; to one for tokens, the proof alone.
    pub fn headers(&self, method: &str, path: &str) -> Vec<(&'static str, String)> {
        let session = self.here.home.session().unwrap().unwrap();
        let is_for_tokens = ["/v1/login", "/v1/token"].contains(&path);
        let tokens = session.tokens.filter(|_| !is_for_tokens);
        let address = format!("{}{path}", self.here.profile.service);
        let access_token = tokens.as_ref().map(Tokens::access_token);
        let request = ProvenRequest { method, address: &address, access_token };
        let proof = session.key.prove(request, self.clock.now()).unwrap().to_str().unwrap().to_owned();
        let token = access_token.map(|token| ("Authorization", format!("DPoP {}", token.expose())));
        token.into_iter().chain([("DPoP", proof)]).collect()
    }

    pub fn devices(&self) -> Vec<DeviceAnswer> {
        self.here.service.get::<DevicesAnswer>("/v1/devices").unwrap().devices
    }

    pub fn apply(&self, application: &Application) -> ApplicationAccepted {
        self.here.service.call(Method::POST, "/v1/applications", application).unwrap()
    }
}

pub fn new_address() -> Application {
    Application::Address(Address {
        street: Some("Lindenallee".to_owned()),
        house_number: Some("7".to_owned()),
        postal_code: Some("04109".to_owned()),
        city: "Leipzig".to_owned(),
        country: "D".to_owned(),
        supplement: None,
    })
}

pub fn new_contact() -> Application {
    Application::Contact(Contact { email: "erika@person.example".to_owned() })
}

pub fn new_card() -> Application {
    Application::Card(CardOrder { reason: CardReason::Lost })
}

pub fn new_bank_account() -> Application {
    Application::Bank(BankAccount {
        iban: "DE89370400440532013000".to_owned(),
        account_holder: "Erika Müstermann".to_owned(),
    })
}

/// Time passes, and the session is as open as if the person had gone on using it. The clock of her computer goes with the service's.
pub fn relog(world: &World, computer: &Computer, seconds: i64) -> Computer {
    // Before the service forgets it.
    world.stretch_sessions();
    world.clock.advance(seconds);
    let session = computer.here.home.folder().join("session.json");
    let text = std::fs::read_to_string(&session).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["secrets"]["tokens"]["ends_at"] = serde_json::json!(world.clock.now() + 900);
    std::fs::write(&session, value.to_string()).unwrap();
    let here = login::resume(computer.here.home.clone(), world.clock.of_client()).unwrap();
    Computer { here, clock: world.clock.clone() }
}
