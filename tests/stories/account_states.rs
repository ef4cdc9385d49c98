//! What becomes of an account, from the first day of membership to the end.

use super::*;
use kartenbund::server::Code;

const DAY: i64 = 24 * 60 * 60;
const PASSWORD: &str = "tulpe-karton-87";
/// `echo -n tulpe-karton-87 | argon2 somesalt1234 -id -t 2 -k 8192 -p 1 -e`
const HASH: &str = "$argon2id$v=19$m=8192,t=2,p=1$c29tZXNhbHQxMjM0$855rEs6WtRq8CS9n/WrVmDyOJCefAZVS7NB51sZrZ/g";

/// A member who has a password already: birth, first and last day, as the register says.
fn member(world: &World, person: &str, born: &str, first: &str, last: &str) {
    let header = HEADER.trim_end().to_owned() + ",membership_end,password_hash\n";
    let row = format!("{person},Max,Mustermann,{born},Weg,1,12345,Ort,D,{first},{last},\"{HASH}\"\n");
    assert_eq!(world.import_report(&(header + &row)).imported, 1);
}

fn day_of(world: &World) -> String {
    time::OffsetDateTime::from_unix_timestamp(world.clock.now()).unwrap().date().to_string()
}

#[test]
fn before_the_first_day_only_who_has_the_right_password_learns_the_date() {
    let world = World::new();
    member(&world, MAX, "1990-01-01", "2026-11-25", "");
    world.clock.advance(DAY);
    assert_eq!(day_of(&world), "2026-11-24");
    assert_eq!(refused_login(&world, MAX, PASSWORD), ("not_yet".to_owned(), "2026-11-25".to_owned()));
    assert_eq!(refused_login(&world, MAX, "tulpe-karton-88"), code("login_failed"), "a stranger");
    assert_eq!(refused_login(&world, "K220635158", PASSWORD), code("login_failed"), "nobody");
    world.clock.advance(DAY);
    world.log_in(MAX, PASSWORD);
    assert_eq!(world.audited("not_yet"), 1, "the failed login is in the audit");
}

#[test]
fn who_is_too_young_gets_the_hotline_until_the_birthday() {
    let world = World::new().restarted(|settings| {
        settings.accounts.minimum_age = Some(15);
        settings.insurer.hotline = "0800 1234567".to_owned();
    });
    member(&world, MAX, "2011-11-24", "2020-01-01", "");
    assert_eq!(refused_login(&world, MAX, PASSWORD), ("too_young".to_owned(), "0800 1234567".to_owned()));
    assert_eq!(refused_login(&world, MAX, "tulpe-karton-88"), code("login_failed"), "a stranger learns no age");
    world.clock.advance(DAY);
    world.log_in(MAX, PASSWORD);
}

#[test]
fn a_suspended_account_lets_nobody_in_until_it_is_resumed() {
    let world = World::new().restarted(|settings| settings.insurer.hotline = "0800 1234567".to_owned());
    let (erika, password) = (world.member(ERIKA), world.member(MAX));
    let computer = world.log_in(ERIKA, &erika);
    let max = world.log_in(MAX, &password);
    assert_eq!(world.resume(ERIKA), Err(Code::AccountState), "there is nothing to resume");
    world.suspend(ERIKA).unwrap();
    assert_eq!(world.state_of(ERIKA), "suspended");
    let asked = computer.here.service.get::<serde_json::Value>("/v1/devices");
    assert!(asked.is_err(), "her session has ended");
    assert!(max.here.service.get::<serde_json::Value>("/v1/devices").is_ok(), "his has not");
    assert_eq!(refused_login(&world, ERIKA, &erika), ("account_suspended".to_owned(), "0800 1234567".to_owned()));
    assert_eq!(refused_login(&world, ERIKA, "wrong-password"), code("login_failed"), "a stranger learns nothing");
    assert_eq!(world.suspend(ERIKA), Err(Code::AccountState));
    world.resume(ERIKA).unwrap();
    assert_eq!(world.state_of(ERIKA), "active");
    world.log_in(ERIKA, &erika);
    assert_eq!(world.suspend("K220635158"), Err(Code::AccountUnknown));
    assert_eq!((world.audited("account.suspended"), world.audited("account.resumed")), (1, 1));
}

#[test]
fn a_stolen_password_does_not_hold_any_more() {
    let world = World::new();
    let password = world.member(ERIKA);
    let computer = world.registered(MAX);
    let hers = world.log_in(ERIKA, &password);
    world.report_stolen(ERIKA).unwrap();
    assert_eq!(world.state_of(ERIKA), "reset_pending");
    assert!(hers.here.service.get::<serde_json::Value>("/v1/devices").is_err(), "the thief may have a session");
    assert_eq!(refused_login(&world, ERIKA, &password), code("login_failed"));
    assert_eq!(computer.devices().len(), 1, "somebody else's account is as it was");
    world.report_stolen(ERIKA).unwrap();
    assert_eq!(world.audited("account.password_stolen"), 2);
}

#[test]
fn a_stolen_password_of_a_suspended_account_does_not_come_back_with_it() {
    let world = World::new();
    let password = world.member(ERIKA);
    world.suspend(ERIKA).unwrap();
    world.report_stolen(ERIKA).unwrap();
    assert_eq!(world.state_of(ERIKA), "suspended");
    world.resume(ERIKA).unwrap();
    assert_eq!(refused_login(&world, ERIKA, &password), code("login_failed"));
}

#[test]
fn an_account_closes_after_the_days_that_follow_the_last_of_membership_and_can_be_read_on() {
    let world = World::new();
    // 23 November, 2 days: open up to and with the 25th.
    let world = world.restarted(|settings| {
        settings.payer_iks = vec!["999567890".parse().unwrap()];
        settings.anchors = Box::new(anchors_of(&[&ca()]));
        settings.accounts.days_after_membership = 2;
    });
    member(&world, ERIKA, "1964-08-12", "2020-01-01", "2026-11-23");
    member(&world, MAX, "1964-08-12", "2020-01-01", "2026-11-24");
    let computer = world.log_in(ERIKA, PASSWORD);
    let device = computer.register(&mut card(ERIKA)).unwrap();
    let computer = world.log_in(ERIKA, PASSWORD);
    world.clock.advance(2 * DAY);
    assert_eq!(day_of(&world), "2026-11-25");
    let computer = relogged(&world, computer);
    let accepted = computer.apply(&new_address());
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(world.state_of(ERIKA), "active", "the service looks once a second");

    world.clock.advance(DAY);
    world.wait_until("the account is closed", || world.state_of(ERIKA) == "closed");
    assert_eq!(world.state_of(MAX), "active", "his has a day to go");
    let computer = world.log_in(ERIKA, PASSWORD);
    assert!(computer.devices().is_empty(), "her device is revoked");
    assert_eq!(world.audited("device.revoked"), 1);
    assert_eq!(world.audited("account.closed"), 1);
    let path = format!("/v1/approvals/{}", accepted.approval_id);
    assert!(computer.here.service.get::<ApprovalAnswer>(&path).is_ok(), "what is there can be read");
    let service = &computer.here.service;
    let device = format!("/v1/devices/{}", device.device_id);
    let password = json!({"old": PASSWORD, "new": "regen-bogen-31"});
    for refused in [
        refusal(service.call::<_, serde_json::Value>(Method::POST, "/v1/applications", &new_address())),
        refusal(service.command(Method::DELETE, &device)),
        refusal(service.call::<_, serde_json::Value>(Method::PUT, "/v1/password", &password)),
    ] {
        assert_eq!(refused, "account_closed");
    }
    assert_eq!(world.suspend(ERIKA), Err(Code::AccountState));
    login::logout(computer.here.home.clone(), world.clock.of_client()).unwrap();
    assert_eq!(refused_login(&world, ERIKA, "wrong-password"), code("login_failed"));
}

/// The same person on the same computer, with a new session.
fn relogged(world: &World, computer: Computer) -> Computer {
    world.try_log_in(computer.here.home.folder(), ERIKA, PASSWORD).unwrap()
}

#[test]
fn the_password_of_a_closed_account_can_be_reported_stolen() {
    let world = World::new();
    member(&world, ERIKA, "1964-08-12", "2020-01-01", &day_of(&world));
    world.clock.advance(33 * 24 * 60 * 60);
    world.wait_until("it is closed", || world.state_of(ERIKA) == "closed");
    world.report_stolen(ERIKA).unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM password"), 0);
}

#[test]
fn an_account_without_password_can_be_suspended_and_opened_again() {
    let world = World::new();
    assert_eq!(world.import_report(&register_of(&[ERIKA])).imported, 1);
    world.suspend(ERIKA).unwrap();
    assert!(matches!(world.order_letter(ERIKA), Ok(kartenbund::server::Ordered::NotNow)));
    world.resume(ERIKA).unwrap();
    assert!(matches!(world.order_letter(ERIKA), Ok(kartenbund::server::Ordered::Yes)));
    let (_, passwords) = world.create_letters();
    let computer = world.log_in(ERIKA, &passwords[0].1);
    change_password(&computer, None, "regen bogen und drei Äpfel").unwrap();
    assert_eq!(world.state_of(ERIKA), "active");
}

#[test]
fn one_account_that_cannot_be_closed_holds_up_no_other() {
    let world = World::new();
    for person in [ERIKA, MAX] {
        member(&world, person, "1964-08-12", "2020-01-01", &day_of(&world));
    }
    // Nobody has such a number: whatever is to be done with this account fails.
    world.sql(format!("UPDATE account SET kvnr = 'damaged' WHERE kvnr = '{ERIKA}'")).unwrap();
    world.clock.advance(33 * DAY);
    world.wait_until("his is closed", || world.state_of(MAX) == "closed");
    assert_eq!(world.state_of("damaged"), "active");
    renew(&world, MAX, "");
    world.sql("UPDATE account SET state = 'closed', membership_end = NULL WHERE kvnr = 'damaged'").unwrap();
    world.wait_until("his is open again", || world.state_of(MAX) == "active");
}

#[test]
fn who_is_a_member_again_in_the_moment_of_closing_keeps_account_and_devices() {
    let world = World::new();
    for person in [MAX, ERIKA] {
        member(&world, person, "1964-08-12", "2020-01-01", &day_of(&world));
    }
    world.log_in(ERIKA, PASSWORD).register(&mut card(ERIKA)).unwrap();
    // Both were found to have ended; before it is her turn, the register says otherwise of her.
    let renewed = format!("UPDATE account SET membership_end = NULL WHERE kvnr = '{ERIKA}'");
    let when = format!("AFTER UPDATE OF state ON account FOR EACH ROW WHEN (NEW.kvnr = '{MAX}')");
    let sqlite = format!("CREATE TRIGGER renewed {when} BEGIN {renewed}; END");
    let postgresql = format!(
        "CREATE FUNCTION renewed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {renewed}; RETURN NULL; END $$; \
         CREATE TRIGGER renewed {when} EXECUTE FUNCTION renewed()"
    );
    world.sql_each([sqlite, postgresql]).unwrap();
    world.clock.advance(33 * DAY);
    world.wait_until("his is closed", || world.state_of(MAX) == "closed");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(world.state_of(ERIKA), "active");
    assert_eq!(world.column("SELECT state FROM device"), ["active"]);
    assert_eq!(world.audited("account.closed"), 1);
}

#[test]
fn many_accounts_that_end_on_one_day_are_closed_round_after_round() {
    let world = World::new();
    member(&world, ERIKA, "1964-08-12", "2020-01-01", &day_of(&world));
    // Nobody has such numbers: each of these fails.
    let damaged = "INSERT INTO account (kvnr, given_name, family_name, birth_date, address, membership_start, \
        membership_end, register_hashes, state, created) WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL \
        SELECT n + 1 FROM number WHERE n < 250) SELECT 'damaged ' || n, given_name, family_name, birth_date, address, \
        membership_start, membership_end, register_hashes, state, created FROM number, account";
    assert_eq!(world.sql(damaged).unwrap(), 250);
    member(&world, MAX, "1964-08-12", "2020-01-01", &day_of(&world));
    world.clock.advance(33 * DAY);
    world.wait_until("the last one is closed", || world.state_of(MAX) == "closed");
    assert_eq!(world.state_of(ERIKA), "closed");
    // When all had their turn it begins again.
    world.sql("UPDATE account SET kvnr = 'K220635158' WHERE kvnr = 'damaged 1'").unwrap();
    world.wait_until("one that was mended is closed", || world.state_of("K220635158") == "closed");
}

#[test]
fn days_begin_when_they_begin_in_germany() {
    // In Germany it is half past eleven.
    let clock = ManualClock::at(time::macros::datetime!(2026-11-24 22:30 UTC));
    let world = World::configured(tempfile::tempdir().unwrap(), TestDatabase::new(), clock, |settings| {
        settings.accounts.minimum_age = Some(15);
    });
    member(&world, MAX, "1990-01-01", "2026-11-25", "");
    member(&world, ERIKA, "2011-11-25", "2020-01-01", "");
    assert_eq!(refused_login(&world, MAX, PASSWORD), ("not_yet".to_owned(), "2026-11-25".to_owned()));
    assert_eq!(refused_login(&world, ERIKA, PASSWORD).0, "too_young");
    world.clock.advance(60 * 60);
    world.log_in(MAX, PASSWORD);
    world.log_in(ERIKA, PASSWORD);
}

/// A register that says when membership ends.
fn renew(world: &World, person: &str, last: &str) {
    let header = HEADER.trim_end().to_owned() + ",membership_end\n";
    let row = format!("{person},Max,Mustermann,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,{last}\n");
    assert_eq!(world.import_report(&(header + &row)).changed, 1);
}

#[test]
fn an_account_opens_again_with_its_password_when_membership_goes_on() {
    for last in ["", "2026-12-26"] {
        let world = World::new();
        member(&world, ERIKA, "1964-08-12", "2020-01-01", &day_of(&world));
        world.log_in(ERIKA, PASSWORD);
        world.sql("INSERT INTO device (device_id, account_id, state, name, method, binding_level, jkt, jwk, transport_jwk, \
             key_identifier, active_from, evidence) SELECT 'd', account_id, 'active', 'n', 'm', 'B3', 'j', 'k', 't', 'i', 0, 'e' FROM account").unwrap();
        world.clock.advance(33 * DAY);
        world.wait_until("it is closed", || world.state_of(ERIKA) == "closed");
        // The last day itself is a day of membership: 26 December. Yesterday would not be.
        renew(&world, ERIKA, "2026-12-25");
        std::thread::sleep(std::time::Duration::from_millis(1500));
        assert_eq!((day_of(&world).as_str(), world.state_of(ERIKA).as_str()), ("2026-12-26", "closed"));
        renew(&world, ERIKA, last);
        world.wait_until("it is open again", || world.state_of(ERIKA) == "active");
        let computer = world.log_in(ERIKA, PASSWORD);
        change_password(&computer, Some(PASSWORD), "regen bogen und drei Äpfel").unwrap();
        assert_eq!(world.column("SELECT state FROM device"), ["revoked"], "devices do not come back");
        assert_eq!(world.audited("account.reopened"), 1);
        assert!(!world.audit_entries().iter().any(|entry| entry.contains("account.readmitted")));
    }
}

#[test]
fn who_had_no_password_is_invited_again_when_membership_goes_on() {
    let world = World::new();
    let header = HEADER.trim_end().to_owned() + ",membership_end\n";
    let row = format!("{ERIKA},Max,Mustermann,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,{}\n", day_of(&world));
    assert_eq!(world.import_report(&(header + &row)).imported, 1);
    let (_, before) = world.create_letters();
    assert_eq!(before.len(), 1, "she never used it");
    world.clock.advance(33 * DAY);
    world.wait_until("it is closed", || world.state_of(ERIKA) == "closed");
    assert_eq!(world.resume(ERIKA), Err(Code::AccountState), "no operator opens it");
    renew(&world, ERIKA, "");
    world.wait_until("it is there again", || world.state_of(ERIKA) == "registered");
    let (report, passwords) = world.create_letters();
    assert_eq!((report.invited, passwords.len()), (1, 1));
    assert_eq!(refused_login(&world, ERIKA, &before[0].1), code("login_failed"));
    let computer = world.log_in(ERIKA, &passwords[0].1);
    change_password(&computer, None, "regen bogen und drei Äpfel").unwrap();
    assert_eq!(world.state_of(ERIKA), "active");
}
