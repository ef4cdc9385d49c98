//! What a person is told of her account, over a real mail server.

use kartenbund::protocol::api::{NoticeLanguage, NotificationSettings};
use kartenbund::protocol::application::{Application, Contact};
use kartenbund::protocol::approval::MatchCode;
use kartenbund::server::Settings;
use kartenbund::virtual_card::personalise::MUSTERKASSE_IK;

use super::common::mail::{Mail, MailServer, UNKNOWN};
use super::*;

pub(crate) const EMAIL: &str = "erika@person.example";
const SETTINGS: &str = "/v1/notification-settings";

pub(crate) fn world(mail: &MailServer) -> World {
    World::configured(tempfile::tempdir().unwrap(), TestDatabase::new(), ManualClock::at(NOW), |settings| {
        telling(settings, mail);
    })
}

pub(crate) fn telling(settings: &mut Settings, mail: &MailServer) {
    settings.payer_iks = vec![MUSTERKASSE_IK.parse().unwrap()];
    settings.anchors = Box::new(anchors_of(&[&ca()]));
    settings.insurer.hotline = "0800 123 456".to_owned();
    settings.smtp = Some(mail.setting());
}

/// Erika, who has given her e-mail address, at a computer that is not registered yet.
pub(crate) fn reachable(world: &World, email: &str) -> Computer {
    let password = world.member(ERIKA);
    world.sql(format!("UPDATE account SET email = '{email}'")).unwrap();
    world.log_in(ERIKA, &password)
}

fn new_email(email: &str) -> Application {
    Application::Contact(Contact { email: email.to_owned() })
}

fn settings(computer: &Computer) -> NotificationSettings {
    computer.here.service.get(SETTINGS).unwrap()
}

fn prefer(computer: &Computer, language: &str, off: &[&str]) -> Result<NotificationSettings, ServiceError> {
    computer.here.service.call(Method::PUT, SETTINGS, &json!({"language": language, "off": off}))
}

/// Kind and state of all notices, in the order they were queued.
pub(crate) fn notices(world: &World) -> Vec<String> {
    world.column("SELECT kind || ' ' || state FROM notice ORDER BY created, kind, recipient")
}

/// Title and address of the letters that tell something.
pub(crate) fn letters(world: &World) -> Vec<String> {
    world.column("SELECT title || ' ' || address FROM letter WHERE kind = 'notice' ORDER BY created, title")
}

/// Waits until a notice is as `condition` says.
pub(crate) fn wait_until(world: &World, condition: &str) {
    let began = std::time::Instant::now();
    while world.count(format!("SELECT COUNT(*) FROM notice WHERE {condition}")) == 0 {
        assert!(began.elapsed().as_secs() < 30, "{condition}: {:?}", notices(world));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Subjects of all that arrived, without the insurer's name, in alphabetical order.
pub(crate) fn subjects(mails: &[Mail]) -> Vec<String> {
    let mut subjects: Vec<_> = mails.iter().map(|mail| mail.subject().replace("Musterkasse: ", "")).collect();
    subjects.sort();
    subjects
}

#[test]
fn a_new_device_is_told_by_email() {
    let mail = MailServer::new();
    let world = world(&mail);
    reachable(&world, EMAIL).register(&mut card(ERIKA)).unwrap();
    let told = mail.wait_for(1).remove(0);
    assert_eq!(told.recipient, EMAIL);
    assert_eq!(told.subject(), "Musterkasse: Neues Gerät in Ihrem Konto");
    assert_eq!(told.header("From"), "Musterkasse <nachrichten@musterkasse.example>");
    assert_eq!(told.header("To"), EMAIL);
    assert_eq!(told.header("Content-Type"), "text/plain; charset=utf-8");
    assert_eq!(told.header("Auto-Submitted"), "auto-generated");
    assert_eq!(told.header("Date"), "Mon, 23 Nov 2026 15:00:00 +0000");
    let id = &world.column("SELECT notice_id FROM notice")[0];
    assert_eq!(told.header("Message-ID"), format!("<{id}@musterkasse.example>"));
    for part in ["mit Ihrer Gesundheitskarte", "23.11.2026, 16:00 Uhr", "0800 123 456", "Musterkasse"] {
        assert!(told.body.contains(part), "{part}: {}", told.body);
    }
    // Whoever reads over her shoulder, and every server on the way, learns nothing but that there is an account.
    let everything = format!("{:?}{}", told.header, told.body);
    for secret in [ERIKA, "Erika", "Müstermann", "PC im Wohnzimmer", "http", "www"] {
        assert!(!everything.replace(&told.recipient, "").contains(secret), "{secret}: {everything}");
    }
    wait_until(&world, "state = 'sent' AND attempts = 1 AND claimed_until IS NULL AND sent IS NOT NULL");
    assert_eq!(notices(&world), ["device_added sent"]);
    assert!(letters(&world).is_empty());
}

#[test]
fn everything_that_happens_to_the_account_is_told() {
    let mail = MailServer::new();
    let world = world(&mail);
    let computer = reachable(&world, EMAIL);
    computer.register(&mut card(ERIKA)).unwrap();
    approve(&computer, &computer.apply(&new_address()));
    approve(&computer, &computer.apply(&new_bank_account()));
    let guessed = computer.apply(&new_address());
    let wrong = MatchCode::try_from(if String::from(guessed.match_code) == "11" { "12" } else { "11" }.to_owned());
    let wrong = wrong.unwrap();
    for _ in 0..3 {
        let mut script = Script::with_code(&wrong);
        computer
            .with(&mut script, |around| decide(&computer.here, guessed.approval_id, Verdict::Approve, around))
            .unwrap_err();
    }
    let computer = relog(&world, &computer, 24 * 60 * 60);
    let device = computer.devices().remove(0);
    computer.by_card().remove(device.device_id).unwrap();
    let told = mail.wait_for(9);
    assert_eq!(
        subjects(&told),
        [
            "Anschrift geändert",
            "Antrag abgelehnt",
            "Bankverbindung geändert",
            "Ein Antrag wartet auf Ihre Freigabe",
            "Ein Antrag wartet auf Ihre Freigabe",
            "Ein Antrag wartet auf Ihre Freigabe",
            "Gerät entfernt",
            "Neue Bankverbindung freigegeben",
            "Neues Gerät in Ihrem Konto",
        ]
    );
    let letters = letters(&world);
    let titles: Vec<_> = letters.iter().map(|letter| letter.split(" {").next().unwrap()).collect();
    let titles_expected = ["Anschrift geändert", "Neue Bankverbindung freigegeben", "Bankverbindung geändert"];
    assert_eq!(titles, titles_expected, "that also comes by post");
    for (letter, street) in letters.iter().zip(["Musterstraße", "Lindenallee", "Lindenallee"]) {
        assert!(letter.contains(street), "of the move to where she lived before, then to where she lives: {letter}");
    }
}

#[test]
fn what_becomes_of_the_account_itself_is_told() {
    let mail = MailServer::new();
    let world = world(&mail);
    reachable(&world, EMAIL);
    assert!(notices(&world).is_empty(), "the first login of all is no news");
    let laptop = world.try_log_in(&world.folder.path().join("laptop"), ERIKA, PASSWORD).unwrap();
    let change = json!({"old": PASSWORD, "new": "Ein ganz neuer Satz 7"});
    laptop.here.service.submit(Method::PUT, "/v1/password", &change).unwrap();
    world.suspend(ERIKA).unwrap();
    world.resume(ERIKA).unwrap();
    world.report_stolen(ERIKA).unwrap();
    let told = mail.wait_for(5);
    assert_eq!(
        subjects(&told),
        [
            "Anmeldung mit einem neuen Programm",
            "Konto gesperrt",
            "Konto wieder geöffnet",
            "Neues Passwort",
            "Passwort gilt nicht mehr",
        ]
    );
    assert!(letters(&world).is_empty());
}

#[test]
fn whoever_logs_in_after_the_password_was_stolen_is_told_however_few_computers_are_known() {
    let mail = MailServer::new();
    let world = world(&mail);
    reachable(&world, EMAIL);
    world.report_stolen(ERIKA).unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM known_client"), 0);
    assert!(matches!(world.order_letter(ERIKA), Ok(kartenbund::server::Ordered::Yes)));
    let (_, passwords) = world.create_letters();
    // Somebody has taken the letter out of her letter box.
    let thief = world.try_log_in(&world.folder.path().join("thief"), ERIKA, &passwords[0].1).unwrap();
    let new_clients = || world.count("SELECT COUNT(*) FROM notice WHERE kind = 'login_from_new_client'");
    assert_eq!(new_clients(), 1);
    // The same once more, as if the answer had got lost, is no other client.
    world.try_log_in(thief.here.home.folder(), ERIKA, &passwords[0].1).unwrap();
    assert_eq!(new_clients(), 1);
    mail.wait_for(3);
}

#[test]
fn an_address_that_the_register_changes_is_told_to_both() {
    let mail = MailServer::new();
    let world = world(&mail);
    let import = |email: &str| {
        let register = register_of(&[ERIKA]).replace("membership_start", "membership_start,email");
        let report = world.import_report(&register.replace("2020-01-01", &format!("2020-01-01,{email}")));
        (report.rejected.len(), report.changed)
    };
    assert_eq!(import(EMAIL), (0, 0));
    assert_eq!(import(EMAIL), (0, 0));
    assert_eq!(world.column("SELECT email FROM account"), [EMAIL]);
    assert!(notices(&world).is_empty());
    assert_eq!(import("neu@person.example"), (0, 1));
    let mut recipients: Vec<_> = mail.wait_for(2).into_iter().map(|mail| mail.recipient).collect();
    recipients.sort();
    assert_eq!(recipients, [EMAIL, "neu@person.example"]);
    assert_eq!(import(""), (0, 1));
    assert_eq!(import("erika@müller.example").0, 1);
    assert_eq!(world.column("SELECT email FROM account"), ["neu@person.example"], "what is empty takes nothing away");
}

#[test]
fn nobody_at_the_insurer_changes_where_an_owner_is_reached_without_her_learning_of_it() {
    let mail = MailServer::new();
    let world = world(&mail);
    let import = |city: &str, email: &str| {
        let register = register_of(&[ERIKA]).replace("membership_start", "membership_start,email");
        let register = register.replace("2020-01-01", &format!("2020-01-01,{email}")).replace("Musterstadt", city);
        assert_eq!(world.import_report(&register).changed, 1);
    };
    world.member(ERIKA);
    // Who never logged in has nothing to be told of.
    import("Bonn", "");
    assert!(letters(&world).is_empty());
    world.clock.advance(15 * 24 * 60 * 60);
    world.log_in(ERIKA, PASSWORD);
    import("Berlin", "");
    let told = letters(&world);
    assert!(told.len() == 1 && told[0].contains("Anschrift geändert") && told[0].contains("Bonn"), "{told:?}");
    // The first e-mail address takes the place of letters: a last one says so.
    import("Berlin", EMAIL);
    assert_eq!(mail.wait_for(1)[0].recipient, EMAIL);
    let told = letters(&world);
    assert!(told.len() == 2 && told[1].contains("E-Mail-Adresse geändert") && told[1].contains("Bonn"), "{told:?}");
}

#[test]
fn what_is_not_done_is_not_told() {
    let mail = MailServer::new();
    let world = world(&mail);
    let computer = reachable(&world, EMAIL);
    world.fault("notice", "INSERT");
    computer.register(&mut card(ERIKA)).unwrap_err();
    assert_eq!(world.count("SELECT COUNT(*) FROM device"), 0, "nothing happens that cannot be told");
    world.mend("notice");
    computer.register(&mut card(ERIKA)).unwrap();
    let device = computer.devices().remove(0);
    let computer = computer.by_card();
    world.fault("device", "UPDATE");
    assert_eq!(refusal(computer.remove(device.device_id)), "internal");
    world.mend("device");
    assert_eq!(world.count("SELECT COUNT(*) FROM notice WHERE kind = 'device_revoked'"), 0);
}

#[test]
fn another_email_address_needs_an_approval_and_both_are_told() {
    let mail = MailServer::new();
    let world = world(&mail);
    let computer = reachable(&world, EMAIL);
    computer.register(&mut card(ERIKA)).unwrap();
    mail.wait_for(1);
    let accepted = computer.apply(&new_email("neu@person.example"));
    assert_eq!(settings(&computer).email.as_deref(), Some(EMAIL), "not before it is approved");
    let mut script = Script::with_code(&accepted.match_code);
    let taken = computer
        .with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around))
        .unwrap();
    assert_eq!(taken.application.state, "executed");
    let shown = script.shown.unwrap().change;
    let rows: Vec<_> = shown.rows().iter().map(|row| (row.name, row.old, row.new)).collect();
    assert_eq!(rows, [("email", Some(EMAIL), Some("neu@person.example"))]);
    assert_eq!(settings(&computer).email.as_deref(), Some("neu@person.example"));
    let told = mail.wait_for(4);
    let changed = told.iter().filter(|mail| mail.subject().ends_with("E-Mail-Adresse geändert"));
    let mut recipients: Vec<_> = changed.map(|mail| mail.recipient.as_str()).collect();
    recipients.sort_unstable();
    assert_eq!(recipients, [EMAIL, "neu@person.example"]);
    assert!(told.iter().all(|mail| !mail.body.contains("person.example")), "no address is told to the other");
    computer.apply(&new_address());
    let told = mail.wait_for(5);
    assert_eq!(told.iter().filter(|mail| mail.recipient == "neu@person.example").count(), 2, "from now on there");
}

#[test]
fn who_had_no_email_address_is_told_of_the_first_by_letter_too() {
    let mail = MailServer::new();
    let world = world(&mail);
    let computer = world.registered(ERIKA);
    assert_eq!(settings(&computer).email, None);
    assert_eq!((notices(&world).len(), letters(&world).len()), (0, 1), "what matters comes by post");
    approve(&computer, &computer.apply(&new_email(EMAIL)));
    assert_eq!(mail.wait_for(1)[0].recipient, EMAIL);
    wait_until(&world, "state = 'sent'");
    assert_eq!((notices(&world), letters(&world).len()), (vec!["contact_changed sent".to_owned()], 2));
}

#[test]
fn who_has_no_email_address_is_told_by_letter_of_another_password_and_of_a_device_that_is_gone() {
    let world = World::new();
    let password = world.member(ERIKA);
    let computer = world.log_in(ERIKA, &password);
    computer.register(&mut card(ERIKA)).unwrap();
    let device = computer.devices().remove(0);
    computer.by_card().remove(device.device_id).unwrap();
    change_password(&computer, Some(&password), "regen bogen und drei Äpfel").unwrap();
    let mut titles = world.column("SELECT title FROM letter WHERE kind = 'notice'");
    titles.sort();
    assert_eq!(titles, ["Gerät entfernt", "Neues Gerät in Ihrem Konto", "Neues Passwort"]);
}

#[test]
fn an_email_address_that_deceives_is_refused() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    for bad in ["erika", "erika@müller.example", "eri\u{202E}ka@person.example", "erika@person.example\r\nBcc: x@y.de"]
    {
        let answer =
            computer.here.service.call::<_, serde_json::Value>(Method::POST, "/v1/applications", &new_email(bad));
        match answer {
            Err(ServiceError::Refused { code, detail, .. }) => {
                assert_eq!((code.as_str(), detail.as_deref()), ("application_invalid", Some("email")), "{bad:?}");
            }
            other => panic!("{bad:?}: {other:?}"),
        }
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM application"), 0);
}

#[test]
fn what_is_only_useful_can_be_switched_off_and_what_warns_cannot() {
    let mail = MailServer::new();
    let world = world(&mail);
    let computer = reachable(&world, EMAIL);
    let optional: Vec<_> = settings(&computer).kinds.into_iter().filter(|kind| kind.optional).collect();
    assert_eq!(optional.iter().map(|kind| kind.kind.as_str()).collect::<Vec<_>>(), ["approval_waiting"]);
    assert!(settings(&computer).kinds.iter().all(|kind| kind.on));
    for (off, detail) in [(["device_added"], Some("device_added")), (["weather\u{202E}"], None)] {
        match prefer(&computer, "de", &off) {
            Err(ServiceError::Refused { code, detail: told, .. }) => {
                assert_eq!((code.as_str(), told.as_deref()), ("notice_not_optional", detail));
            }
            other => panic!("{other:?}"),
        }
    }
    let set = prefer(&computer, "en", &["approval_waiting"]).unwrap();
    assert_eq!(set.language, NoticeLanguage::En);
    let off: Vec<_> = set.kinds.iter().filter(|kind| !kind.on).map(|kind| kind.kind.as_str()).collect();
    assert_eq!(off, ["approval_waiting"]);
    assert_eq!(world.audited("notifications.set"), 1);
    computer.register(&mut card(ERIKA)).unwrap();
    computer.apply(&new_address());
    let told = mail.wait_for(1).remove(0);
    assert_eq!(told.subject(), "Musterkasse: New device in your account");
    assert!(told.body.contains("23 November 2026, 16:00 (time in Germany)"), "{}", told.body);
    assert_eq!(world.count("SELECT COUNT(*) FROM notice"), 1, "the application was not told");
    prefer(&computer, "de", &[]).unwrap();
    computer.apply(&new_address());
    assert_eq!(subjects(&mail.wait_for(2))[0], "Ein Antrag wartet auf Ihre Freigabe");
    let other = json!({"language": "de", "off": [], "email": "max@person.example"});
    let other = computer.here.service.call::<_, serde_json::Value>(Method::PUT, SETTINGS, &other);
    assert_eq!(refusal(other), "malformed_request", "an address is not changed in passing");
}

#[test]
fn where_the_insurer_has_no_mail_server_letters_go_out_and_no_email_waits() {
    let world = World::new();
    let computer = reachable(&world, EMAIL);
    computer.register(&mut card(ERIKA)).unwrap();
    assert!(letters(&world)[0].starts_with("Neues Gerät in Ihrem Konto {"), "{:?}", letters(&world));
    assert!(notices(&world).is_empty());
}

#[test]
fn a_letter_that_somebody_orders_for_an_account_in_use_is_told() {
    let mail = MailServer::new();
    let world = world(&mail);
    let _computer = reachable(&world, EMAIL);
    assert!(matches!(world.order_letter(ERIKA), Ok(kartenbund::server::Ordered::Yes)));
    assert_eq!(world.count("SELECT COUNT(*) FROM notice WHERE kind = 'letter_ordered'"), 1);
}

#[test]
fn where_a_notice_went_is_forgotten_when_it_is_there_and_the_notice_after_ninety_days() {
    let mail = MailServer::new();
    let world = world(&mail);
    let computer = reachable(&world, UNKNOWN);
    computer.register(&mut card(ERIKA)).unwrap();
    wait_until(&world, "state = 'failed' AND recipient = ''");
    assert_eq!(world.create_letters().0.created, 1, "it came by post");
    world.sql(format!("UPDATE account SET email = '{EMAIL}'")).unwrap();
    let device = computer.devices().remove(0);
    computer.by_card().remove(device.device_id).unwrap();
    wait_until(&world, "state = 'sent' AND recipient = ''");
    assert_eq!(mail.wait_for(1)[0].recipient, EMAIL);
    let kept = || {
        let kept = |table: &str| world.count(format!("SELECT COUNT(*) FROM {table}"));
        (kept("notice"), kept("letter"))
    };
    assert!(matches!(world.order_letter(ERIKA), Ok(kartenbund::server::Ordered::Yes)));
    world.wait_until("that is told, too", || world.count("SELECT COUNT(*) FROM notice WHERE state = 'sent'") == 2);
    assert_eq!(kept(), (3, 2));
    world.clock.advance(90 * 24 * 60 * 60 - 60);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(kept(), (3, 2));
    world.clock.advance(60);
    // An initial password that waits is no notice, and what it says is forgotten when it is made.
    world.wait_until("they are forgotten", || kept() == (0, 1));
}

#[test]
fn an_account_that_a_card_opens_and_one_that_closes_are_told_in_the_persons_language() {
    let de = [
        "Konto mit der Gesundheitskarte eröffnet",
        "Ein neues Passwort wartet auf Ihre Freigabe",
        "Konto geschlossen",
        "Konto wieder geöffnet",
    ];
    let en = [
        "Account opened with the health card",
        "A new password waits for your approval",
        "Account closed",
        "Account open again",
    ];
    for (language, expected) in [("de", de), ("en", en)] {
        let mail = MailServer::new();
        let world = world(&mail);
        assert_eq!(world.import_report(&register_of(&[ERIKA])).imported, 1);
        world.sql(format!("UPDATE account SET email = '{EMAIL}', language = '{language}'")).unwrap();
        let told = |subject: &str| {
            world.wait_until(subject, || subjects(&mail.mails()).iter().any(|found| found == subject));
        };
        let computer = card_login::log_in_as(&world, "card", None, card(ERIKA), &mut Script::default()).unwrap();
        told(expected[0]);
        set_password(&computer, CHOSEN).unwrap();
        computer.register(&mut card(ERIKA)).unwrap();
        let asked = json!({"kvnr": ERIKA, "way": "device"});
        world.stranger().ask::<_, serde_json::Value>("/v1/password/reset", &asked).unwrap();
        told(expected[1]);
        for (last, subject) in [("2026-11-22", expected[2]), ("", expected[3])] {
            let header = HEADER.trim_end().to_owned() + ",membership_end\n";
            let row = format!("{ERIKA},Erika,Mustermann,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,{last}\n");
            assert_eq!(world.import_report(&(header + &row)).changed, 1);
            world.clock.advance(32 * 24 * 60 * 60);
            told(subject);
        }
    }
}
