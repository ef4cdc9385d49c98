//! How notices reach people: mail servers and mailboxes that are down, full, gone, slow, or somebody else's.

use kartenbund::server::{Encryption, ServerError, Service, Settings, Smtp};

use super::common::mail::{BLOCKED, FULL, MailServer, SLOW, UNKNOWN};
use super::notices::{EMAIL, letters, reachable, subjects, telling, wait_until, world};
use super::*;

/// Whether a service starts with such a mail server.
fn opens_with(smtp: Smtp) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(folder.path().join("service"), "");
    settings.smtp = Some(smtp);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match runtime.block_on(Service::open(settings, std::sync::Arc::new(time::OffsetDateTime::now_utc))) {
        Ok(_) => true,
        Err(ServerError::Smtp(_)) => false,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn nothing_is_lost_while_the_mail_server_is_down() {
    let mut mail = MailServer::new();
    let mut world = world(&mail);
    let computer = reachable(&world, EMAIL);
    mail.go_down();
    computer.register(&mut card(ERIKA)).unwrap();
    let device = computer.devices().remove(0);
    computer.by_card().remove(device.device_id).unwrap();
    wait_until(&world, "kind = 'device_added' AND attempts = 1 AND last_error = 'connection' AND state = 'queued'");
    wait_until(&world, "kind = 'device_revoked' AND attempts = 1 AND last_error = 'connection' AND state = 'queued'");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(world.count("SELECT MAX(attempts) FROM notice"), 1, "the next attempt is not at once");
    world.clock.advance(15);
    wait_until(&world, "attempts = 2 AND state = 'queued'");
    world.clock.advance(29);
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(world.count("SELECT MAX(attempts) FROM notice"), 2, "and the one after that later");
    world.stop();
    assert!(mail.mails().is_empty());
    mail.go_up();
    // The service starts again, too.
    world.clock.advance(24 * 60 * 60);
    let _again = world.beside(|settings| telling(settings, &mail));
    assert_eq!(subjects(&mail.wait_for(2)), ["Gerät entfernt", "Neues Gerät in Ihrem Konto"]);
}

#[test]
fn what_was_sent_and_not_noted_comes_again_and_is_recognised() {
    let mail = MailServer::new();
    let world = world(&mail);
    let computer = reachable(&world, EMAIL);
    // As if the service were killed after the mail server's answer.
    world.fault("notice", "UPDATE OF sent");
    computer.register(&mut card(ERIKA)).unwrap();
    mail.wait_for(1);
    world.mend("notice");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(mail.mails().len(), 1, "it belongs to whoever claimed it");
    world.clock.advance(5 * 60);
    let told = mail.wait_for(2);
    assert_eq!(told[0].header("Message-ID"), told[1].header("Message-ID"));
    assert_eq!(told[0].header("Date"), told[1].header("Date"));
    wait_until(&world, "state = 'sent' AND attempts = 2");
}

#[test]
fn whose_mailbox_is_gone_gets_a_letter_where_it_matters() {
    let mail = MailServer::new();
    let world = world(&mail);
    let computer = reachable(&world, UNKNOWN);
    computer.register(&mut card(ERIKA)).unwrap();
    wait_until(&world, "state = 'failed' AND last_error = 'smtp_550'");
    assert!(letters(&world)[0].starts_with("Neues Gerät in Ihrem Konto {"), "{:?}", letters(&world));
    assert_eq!(world.audited("notice.failed"), 1);
    let device = computer.devices().remove(0);
    computer.here.service.command(Method::POST, &format!("/v1/devices/{}/lock", device.device_id)).unwrap();
    wait_until(&world, "kind = 'device_locked' AND state = 'failed'");
    assert_eq!(letters(&world).len(), 1, "not for everything");
    assert!(mail.mails().is_empty());
    assert!(world.audit_entries().iter().all(|entry| !entry.contains("person.example")));
}

#[test]
fn whose_mailbox_is_full_is_tried_for_five_days() {
    let mail = MailServer::new();
    let world = world(&mail);
    reachable(&world, FULL).register(&mut card(ERIKA)).unwrap();
    wait_until(&world, "state = 'queued' AND attempts = 1 AND last_error = 'smtp_452'");
    // Whatever she chooses meanwhile, what was said in one language is not put into a frame of another.
    world.sql("UPDATE account SET language = 'en'").unwrap();
    world.clock.advance(5 * 24 * 60 * 60);
    wait_until(&world, "state = 'queued' AND attempts = 2");
    world.clock.advance(60 * 60);
    wait_until(&world, "state = 'failed' AND attempts = 3");
    assert_eq!(letters(&world).len(), 1);
    assert!(letters(&world)[0].starts_with("Neues Gerät"), "{:?}", letters(&world));
    assert_eq!(world.column("SELECT language FROM letter"), ["de"]);
}

#[test]
fn the_five_days_of_a_full_mailbox_do_not_begin_before_the_mail_server_is_there() {
    let mut mail = MailServer::new();
    let world = world(&mail);
    let computer = reachable(&world, FULL);
    mail.go_down();
    computer.register(&mut card(ERIKA)).unwrap();
    wait_until(&world, "state = 'queued' AND last_error = 'connection'");
    mail.go_up();
    world.clock.advance(6 * 24 * 60 * 60);
    wait_until(&world, "state = 'queued' AND last_error = 'smtp_452'");
    mail.go_down();
    world.clock.advance(6 * 24 * 60 * 60);
    wait_until(&world, "state = 'queued' AND last_error = 'connection'");
    mail.go_up();
    world.clock.advance(60 * 60);
    wait_until(&world, "state = 'queued' AND last_error = 'smtp_452'");
    assert!(letters(&world).is_empty());
    world.clock.advance(5 * 24 * 60 * 60 + 1);
    wait_until(&world, "state = 'failed'");
    assert_eq!(letters(&world).len(), 1);
}

#[test]
fn a_mail_server_that_is_away_each_night_does_not_make_five_days_begin_anew() {
    const DAY: i64 = 24 * 60 * 60;
    let mut mail = MailServer::new();
    let world = world(&mail);
    reachable(&world, FULL).register(&mut card(ERIKA)).unwrap();
    wait_until(&world, "state = 'queued' AND attempts = 1 AND last_error = 'smtp_452'");
    world.clock.advance(3 * DAY);
    wait_until(&world, "state = 'queued' AND attempts = 2 AND last_error = 'smtp_452'");
    mail.go_down();
    world.clock.advance(16 * 60);
    wait_until(&world, "state = 'queued' AND attempts = 3 AND last_error = 'connection'");
    mail.go_up();
    world.clock.advance(2 * DAY);
    wait_until(&world, "state = 'queued' AND attempts = 4 AND last_error = 'smtp_452'");
    world.clock.advance(60 * 60);
    wait_until(&world, "state = 'failed' AND attempts = 5");
    assert_eq!(letters(&world).len(), 1);
}

#[test]
fn what_a_mail_server_refuses_everybody_is_kept_until_it_takes_others() {
    let mail = MailServer::new();
    let world = world(&mail);
    reachable(&world, BLOCKED).register(&mut card(ERIKA)).unwrap();
    wait_until(&world, "state = 'queued' AND attempts = 1 AND last_error = 'smtp_554'");
    for attempts in 2..5 {
        world.clock.advance(6 * 24 * 60 * 60);
        wait_until(&world, &format!("state = 'queued' AND attempts = {attempts} AND last_error = 'smtp_554'"));
    }
    // The server takes what is for somebody else: it is not the service that it refuses.
    let other = "INSERT INTO notice (notice_id, account_id, kind, recipient, language, created, state, attempts, due) \
        SELECT 'other', account_id, kind, 'max@person.example', language, created, 'queued', 0, created FROM notice";
    assert_eq!(world.sql(other).unwrap(), 1);
    mail.wait_for(1);
    wait_until(&world, "notice_id = 'other' AND state = 'sent'");
    world.clock.advance(60 * 60);
    wait_until(&world, "state = 'failed' AND last_error = 'smtp_554'");
    assert_eq!(letters(&world).len(), 1);
}

#[test]
fn one_mailbox_that_is_refused_holds_up_no_other() {
    let mail = MailServer::new();
    let world = world(&mail);
    let computer = reachable(&world, UNKNOWN);
    computer.register(&mut card(ERIKA)).unwrap();
    wait_until(&world, "state = 'failed'");
    let copies = "INSERT INTO notice (notice_id, account_id, kind, recipient, language, created, state, \
        attempts, due) SELECT 'copy-' || state.n, account_id, kind, state.n || '@person.example', language, \
        created, 'queued', 0, due FROM notice, (SELECT 'full' AS n UNION SELECT 'unknown' UNION SELECT 'max' UNION \
        SELECT 'moritz') AS state";
    assert_eq!(world.sql(copies).unwrap(), 4);
    let mut recipients: Vec<_> = mail.wait_for(2).into_iter().map(|mail| mail.recipient).collect();
    recipients.sort();
    assert_eq!(recipients, ["max@person.example", "moritz@person.example"]);
}

#[test]
fn two_services_on_one_database_send_each_notice_once() {
    let mail = MailServer::new();
    let world = world(&mail);
    let second = world.beside(|settings| telling(settings, &mail));
    let computer = reachable(&world, SLOW);
    computer.register(&mut card(ERIKA)).unwrap();
    let copies = "INSERT INTO notice (notice_id, account_id, kind, recipient, language, created, state, \
        attempts, due) SELECT 'copy-' || application_number.n, account_id, kind, recipient, language, created, \
        'queued', 0, due FROM notice, (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) AS application_number";
    assert_eq!(world.sql(copies).unwrap(), 4);
    mail.wait_for(5);
    // Each takes three seconds: time enough for the other service to look for work.
    std::thread::sleep(std::time::Duration::from_secs(5));
    let mails = mail.mails();
    let ids: std::collections::BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!((mails.len(), ids.len()), (5, 5));
    assert_eq!(world.count("SELECT COUNT(*) FROM notice WHERE state = 'sent' AND attempts = 1"), 5);
    drop(second);
}

#[test]
fn the_line_to_the_mail_server_is_protected() {
    let mail = MailServer::strict();
    let world = world(&mail);
    reachable(&world, EMAIL).register(&mut card(ERIKA)).unwrap();
    mail.wait_for(1);

    let mut wrong = mail.setting();
    wrong.ca = MailServer::strict().setting().ca;
    let other =
        World::configured(tempfile::tempdir().unwrap(), TestDatabase::new(), ManualClock::at(NOW), |settings| {
            telling(settings, &mail);
            settings.smtp = Some(wrong);
        });
    reachable(&other, EMAIL).register(&mut card(ERIKA)).unwrap();
    wait_until(&other, "state = 'queued' AND attempts = 1 AND last_error IN ('connection', 'tls')");
    assert_eq!(mail.mails().len(), 1, "whoever cannot be checked gets nothing");
}

#[test]
fn a_password_the_mail_server_does_not_know_fails_no_notice() {
    let mail = MailServer::strict();
    let world =
        World::configured(tempfile::tempdir().unwrap(), TestDatabase::new(), ManualClock::at(NOW), |settings| {
            telling(settings, &mail);
            let smtp = settings.smtp.as_mut().unwrap();
            smtp.login.as_mut().unwrap().password = typed("something else");
        });
    reachable(&world, EMAIL).register(&mut card(ERIKA)).unwrap();
    wait_until(&world, "state = 'queued' AND attempts = 1 AND last_error = 'smtp_535'");
    assert!(letters(&world).is_empty());
}

#[test]
fn without_protection_only_this_computer_is_spoken_with() {
    for (host, is_taken) in [("localhost", true), ("127.0.0.1", true), ("mail.person.example", false)] {
        let mut smtp = Smtp::new(host, "nachrichten@musterkasse.example");
        smtp.encryption = Encryption::None;
        assert_eq!(opens_with(smtp), is_taken, "{host}");
    }
    assert!(!opens_with(Smtp::new("localhost", "no address")));
}
