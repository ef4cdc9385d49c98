//! What the hotline does for whoever calls, over the operators' listener of a running service.

use std::sync::Arc;

use kartenbund::client::Surroundings;
use kartenbund::client::approve::{ApproveError, decide};
use kartenbund::client::card_login::login_with_card;
use kartenbund::client::device_login::{DeviceLoginError, login_with_device};
use kartenbund::client::home::Home;
use kartenbund::client::login::{self, LoggedIn};
use kartenbund::client::pin::PinError;
use kartenbund::client::register::register;
use kartenbund::client::service::{Service, ServiceError};
use kartenbund::egk::ApduLength;
use kartenbund::protocol::api::{ApplicationAccepted, ApplicationAnswer, DecisionAnswer, DevicesAnswer};
use kartenbund::protocol::application::Application;
use kartenbund::protocol::approval::Verdict;
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin::ask;
use crate::common::{
    ERIKA, HEADER, PASSWORD, PASSWORD_HASH, Script, TestDatabase, card, kvnr, new_address, new_bank_account, rng, wish,
};
use crate::crash::NO_MAIL;
use crate::decisions::CARDS;
use crate::people::now;
use crate::process::{Process, audit, database_of, program};

/// A service, and Erika who has a password and an e-mail address.
struct Hotline {
    /// It ends before its folder does.
    process: Process,
    folder: tempfile::TempDir,
    database: TestDatabase,
}

impl Hotline {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = database_of(folder.path());
        let more = format!("{NO_MAIL}{}{CARDS}", crate::process::on(&database, folder.path()));
        let row = format!(
            "{ERIKA},Erika,Müstermann,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,\"{PASSWORD_HASH}\",erika@person.example\n"
        );
        let register = folder.path().join("register.csv");
        std::fs::write(&register, HEADER.trim_end().to_owned() + ",password_hash,email\n" + &row).unwrap();
        let imported = program(folder.path(), &more).args(["register", "import"]).arg(register).output().unwrap();
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        let process = Process::start(folder.path(), &more);
        Self { process, folder, database }
    }

    fn ask(&self, what: &str) {
        assert_eq!(ask(&self.process, what, ERIKA), 204, "{what}");
    }

    /// A computer that Erika has logged in on with her password.
    fn computer(&self, name: &str) -> LoggedIn {
        let (home, service) = (self.home(name), self.service());
        let mut script = Script { password: Some(PASSWORD.to_owned()), ..Script::default() };
        with(&mut script, |around| login::login(&home, &service, kvnr(ERIKA), around)).unwrap();
        login::resume(home, Arc::new(now)).unwrap()
    }

    fn home(&self, name: &str) -> Home {
        Home::at(self.folder.path().join(name))
    }

    fn service(&self) -> Service {
        Service::at(&self.process.url).unwrap()
    }

    /// Likewise, and registered with her card.
    fn registered(&self, name: &str) -> LoggedIn {
        let here = self.computer(name);
        with(&mut Script::default(), |around| register(&here, card(ERIKA), &wish(), around)).unwrap();
        here
    }

    fn log_in_with_device(&self, here: &LoggedIn) -> Result<LoggedIn, DeviceLoginError> {
        with(&mut Script::default(), |around| login_with_device(&here.home, self.service(), around))?;
        Ok(login::resume(here.home.clone(), Arc::new(now)).unwrap())
    }

    fn count(&self, query: &'static str) -> i64 {
        self.database.count(self.folder.path(), query)
    }

    /// What the audit says of this event: who, to what.
    fn audited(&self, event: &str) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let audit = audit(&self.process);
        let entries = audit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries
            .filter(|entry| entry["event"] == event)
            .map(|entry| (text(&entry["actor"]), text(&entry["object"])))
            .collect()
    }
}

fn with<T>(script: &mut Script, work: impl FnOnce(&mut Surroundings<'_>) -> T) -> T {
    work(&mut Surroundings { ui: script, rng: &mut rng(), clock: &now })
}

fn states(here: &LoggedIn) -> Vec<(String, String)> {
    let devices = here.service.get::<DevicesAnswer>("/v1/devices").unwrap().devices;
    devices.into_iter().map(|device| (device.device_id.to_string(), device.state)).collect()
}

fn apply(here: &LoggedIn, application: &Application) -> ApplicationAccepted {
    here.service.call(Method::POST, "/v1/applications", application).unwrap()
}

fn approve(here: &LoggedIn, accepted: &ApplicationAccepted) -> Result<DecisionAnswer, ApproveError> {
    let mut script = Script::with_code(&accepted.match_code);
    with(&mut script, |around| decide(here, accepted.approval_id, Verdict::Approve, around))
}

fn own_id(home: &Home) -> String {
    home.device().unwrap().device_id().unwrap().to_string()
}

#[test]
fn the_program_keeps_a_password_as_argon2id_with_64_mib_and_three_passes() {
    let hotline = Hotline::new();
    hotline.computer("erikas computer");
    let kept = "SELECT phc FROM password WHERE pepper IS NOT NULL AND phc LIKE '$argon2id$v=19$m=65536,t=3,p=1$%'";
    assert_eq!(hotline.database.column(hotline.folder.path(), kept).len(), 1);
}

#[test]
fn whoever_has_lost_a_computer_and_calls_has_all_devices_locked_until_card_and_pin_unlock_them() {
    let hotline = Hotline::new();
    let (lost, other) = (hotline.registered("laptop"), hotline.registered("desktop"));
    let phone = hotline.computer("phone");
    let waiting = apply(&phone, &new_address());
    let lost = hotline.log_in_with_device(&lost).unwrap();
    let mut ids = [own_id(&lost.home), own_id(&other.home)];
    ids.sort();
    assert_eq!(states(&lost).len(), 2);

    hotline.ask("lock-devices");
    let ended = lost.service.get::<DevicesAnswer>("/v1/devices").unwrap_err();
    assert!(ended.is_refused_with("session_ended"), "whoever has found it is logged out: {ended:?}");
    let mut locked = states(&phone);
    locked.sort();
    assert_eq!(locked, ids.clone().map(|id| (id, "locked".to_owned())));
    // Whoever sits at a computer that is locked uses another login.
    let by_phone = |home: &Home| {
        let phone = login::resume(hotline.home("phone"), Arc::new(now)).unwrap();
        LoggedIn { home: home.clone(), ..phone }
    };
    for (what, home) in [("laptop", &lost.home), ("desktop", &other.home)] {
        match approve(&by_phone(home), &waiting) {
            Err(ApproveError::Pin(PinError::Service(error))) => {
                assert!(error.is_refused_with("device_locked_by_owner"), "{what}: {error:?}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    match hotline.log_in_with_device(&lost) {
        Err(DeviceLoginError::Pin(PinError::Service(error))) => {
            assert!(error.is_refused_with("device_locked_by_owner"), "{error:?}");
        }
        other => panic!("{:?}", other.err()),
    }
    assert_eq!(hotline.count("SELECT COUNT(*) FROM application WHERE state = 'pending'"), 1, "nothing was decided");
    assert_eq!(hotline.count("SELECT COUNT(*) FROM notice WHERE kind = 'device_locked'"), 2, "she is told");
    let by_anna = |id: &str| ("operator:anna".to_owned(), id.to_owned());
    let mut entries = hotline.audited("device.locked");
    entries.sort();
    assert_eq!(entries, ids.each_ref().map(|id| by_anna(id)));
    hotline.ask("lock-devices");
    assert_eq!(hotline.audited("device.locked").len(), 2, "whoever calls twice changes nothing");

    let unlock = |at: &LoggedIn, id: &str| at.service.command(Method::POST, &format!("/v1/devices/{id}/unlock"));
    for id in &ids {
        assert!(unlock(&phone, id).unwrap_err().is_refused_with("stronger_login_needed"), "a password is not enough");
    }
    let (home, service) = (hotline.home("with card"), hotline.service());
    with(&mut Script::default(), |around| {
        login_with_card(&home, &service, None, card(ERIKA), ApduLength::Extended, around)
    })
    .unwrap();
    let with_card = login::resume(home, Arc::new(now)).unwrap();
    unlock(&with_card, &own_id(&other.home)).unwrap();
    assert_eq!(approve(&by_phone(&other.home), &waiting).unwrap().application.state, "executed");
    let left: Vec<_> = states(&with_card).into_iter().filter(|(_, state)| state == "locked").collect();
    assert_eq!(left, [(own_id(&lost.home), "locked".to_owned())], "the lost one stays locked");
}

#[test]
fn whoever_was_talked_into_another_bank_account_and_calls_has_it_cancelled() {
    let hotline = Hotline::new();
    let here = hotline.registered("laptop");
    let bank = apply(&here, &new_bank_account());
    assert_eq!(approve(&here, &bank).unwrap().application.state, "queued");
    hotline.ask("cancel-approved");
    let path = format!("/v1/applications/{}", bank.application_id);
    assert_eq!(here.service.get::<ApplicationAnswer>(&path).unwrap().state, "cancelled");
    let late = here.service.call::<_, ApplicationAnswer>(Method::DELETE, &path, &json!({}));
    assert!(matches!(late, Err(error @ ServiceError::Refused { .. }) if error.is_refused_with("not_cancellable")));
    let expected = [("operator:anna".to_owned(), bank.application_id.to_string())];
    assert_eq!(hotline.audited("application.cancelled"), expected);
    assert_eq!(hotline.count("SELECT COUNT(*) FROM notice WHERE kind = 'bank_change_cancelled'"), 1, "she is told");
    assert_eq!(ask(&hotline.process, "cancel-approved", ERIKA), 409, "there is nothing left");
    assert_eq!(hotline.count("SELECT COUNT(*) FROM account WHERE bank_account IS NULL"), 1);
}

#[test]
fn whoever_has_lost_the_card_and_calls_has_what_it_has_bound_ended() {
    let hotline = Hotline::new();
    let here = hotline.registered("laptop");
    hotline.ask("revoke-cards");
    let ended = here.service.get::<DevicesAnswer>("/v1/devices").unwrap_err();
    assert!(ended.is_refused_with("session_ended"), "{ended:?}");
    let again = hotline.computer("phone");
    assert_eq!(states(&again), [(own_id(&here.home), "expired".to_owned())]);
    let (home, service) = (hotline.home("finder"), hotline.service());
    let found = with(&mut Script::default(), |around| {
        login_with_card(&home, &service, None, card(ERIKA), ApduLength::Extended, around)
    });
    let refused = format!("{:?}", found.unwrap_err());
    assert!(refused.contains("card_revoked"), "{refused}");
    assert_eq!(hotline.audited("device.expired"), [("operator:anna".to_owned(), own_id(&here.home))]);
}
