//! Registering a computer with the code of a letter.

use kartenbund::client::qr::{self, ReadError};
use kartenbund::protocol::api::LetterOrdered;
use kartenbund::protocol::qr::{CodeError, LetterCode};
use kartenbund::server::{Code, Ordered};

use super::letter_code::{groups_in, picture_of, said_by};
use super::*;

const DAY: i64 = 24 * 60 * 60;

fn order(computer: &Computer) -> Result<LetterOrdered, ServiceError> {
    computer.here.service.call(Method::POST, "/v1/letters/device-code", &json!({}))
}

#[test]
fn a_person_orders_a_letter_reads_its_picture_and_may_approve_a_day_later() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    assert!(!order(&computer).unwrap().already);
    assert!(order(&computer).unwrap().already, "one that waits to be made is enough");
    let letters = world.new_letters();
    assert_eq!(letters.len(), 1);

    let picture = picture_of(&letters[0], "150", "-png");
    let code = qr::from_picture(&picture, &computer.here.profile.service).unwrap();
    let device = computer.register_with(&code).unwrap();
    assert_eq!((device.binding_level, device.state.as_str()), (BindingLevel::B1, "pending_wait"));
    assert_eq!(device.active_from, world.clock.now() + DAY);
    assert_eq!(computer.devices().remove(0).state, "pending_wait");

    let refused = computer.here.service.call::<_, ApplicationAnswer>(Method::POST, "/v1/applications", &new_address());
    assert_eq!(refusal(refused), "device_waiting");
    let told = world.new_letters();
    assert_eq!(told.len(), 1, "the owner is told by letter, whatever her e-mail address");
    assert!(said_by("pdftotext", &[told[0].to_str().unwrap(), "-"]).contains("ohne Ihre Karten-PIN"));

    let computer = relog(&world, &computer, DAY - 1);
    assert_eq!(computer.devices().remove(0).state, "pending_wait");
    let computer = relog(&world, &computer, 1);
    assert_eq!(computer.devices().remove(0).state, "active");
    assert_eq!(approve(&computer, &computer.apply(&new_address())).application.state, "executed");
    let accepted = computer.apply(&new_bank_account());
    let mut script = Script::with_code(&accepted.match_code);
    let refused =
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
    assert!(
        matches!(&refused, Err(ApproveError::Service(ServiceError::Refused { code, .. })) if code == "level_too_low"),
        "{refused:?}"
    );
    let audit = world.audit_entries().join("\n");
    for event in ["device_code.ordered", "letter.created\"", "device.bound", "device.activated"] {
        assert!(audit.contains(event), "{event}");
    }
}

#[test]
fn the_device_waits_as_long_as_the_letter_that_tells_of_it_is_not_printed() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    computer.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    let computer = relog(&world, &computer, 3 * DAY);
    assert_eq!(computer.devices().remove(0).state, "pending_wait");
    world.create_letters();
    assert_eq!(computer.devices().remove(0).state, "active");
}

#[test]
fn a_device_that_waits_can_be_removed_and_never_becomes_active() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let device = computer.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    let again = computer.register_with(&computer.typed_code(&groups_in(&world.letter_with_code(ERIKA)).unwrap()));
    assert!(matches!(again, Err(RegisterError::AlreadyRegistered)), "one that waits is there, too");
    computer.by_card().remove(device.device_id).unwrap();
    world.a_day_later();
    let computer = relog(&world, &computer, 0);
    assert!(computer.devices().is_empty());
    assert_eq!(world.column("SELECT state FROM device"), ["revoked"]);
}

#[test]
fn a_wrong_group_is_told_as_it_is_typed_and_those_before_are_kept() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let groups = groups_in(&world.letter_with_code(ERIKA)).unwrap();
    let groups: Vec<_> = groups.split(' ').collect();
    let wrong = |group: &str| if group.starts_with('7') { "8" } else { "7" }.to_owned() + &group[1..];
    let changed = wrong(groups[3]);
    let lines = [
        groups[..2].join(" ").to_lowercase(),
        format!("{}-{changed}", groups[2]),
        String::new(),
        groups[3].to_owned(),
        groups[4..].concat(),
    ];
    let mut script = Script { letter_code: lines.into(), ..Script::default() };
    let code = computer.with(&mut script, |around| qr::typed(&computer.here.profile.service, around)).unwrap();
    assert_eq!(script.wrong_codes, [CodeError::Group { number: 4 }]);
    computer.register_with(&code).unwrap();

    let script = &mut Script { letter_code: [wrong(groups[0])].into(), ..Script::default() };
    let refused = computer.with(script, |around| qr::typed(&computer.here.profile.service, around));
    assert!(
        matches!(refused, Err(ReadError::Code(CodeError::Group { number: 1 }))),
        "who cannot be asked again is told what was wrong"
    );
}

#[test]
fn what_stands_in_the_symbol_is_read_by_another_program_too_and_is_what_the_groups_say() {
    let world = World::new();
    world.member(ERIKA);
    let letter = world.letter_with_code(ERIKA);
    let groups = groups_in(&letter).unwrap();
    for (dpi, format) in [("100", "-png"), ("150", "-jpeg"), ("300", "-png")] {
        let picture = picture_of(&letter, dpi, format);
        let text = said_by("zbarimg", &["--raw", "--quiet", picture.to_str().unwrap()]);
        let code = LetterCode::read(&typed(&text), &world.address).unwrap();
        assert_eq!(code.groups().expose(), groups, "zbarimg at {dpi} {format}");
        let code = qr::from_picture(&picture, &world.address).unwrap_or_else(|e| panic!("{dpi} {format}: {e}"));
        assert_eq!(code.groups().expose(), groups, "ours at {dpi} {format}");
    }
    let facts = said_by("pdfinfo", &["-struct-text", letter.to_str().unwrap()]);
    assert!(facts.contains("Figure"), "{facts}");
    let facts = said_by("pdfinfo", &[letter.to_str().unwrap()]);
    assert!(facts.contains("Pages:           1") && facts.contains("Ihr Code für ein neues Gerät"), "{facts}");
    let images = said_by("pdfimages", &["-list", letter.to_str().unwrap()]);
    assert_eq!(
        images.lines().count(),
        2,
        "the symbol is drawn, and no picture that is made larger or smaller: {images}"
    );
}

#[test]
fn a_password_and_a_code_never_share_a_letter() {
    let world = World::new();
    world.member(ERIKA);
    assert_eq!(world.order_letter(ERIKA), Ok(Ordered::Yes));
    assert_eq!(world.order_device_code(ERIKA), Ok(Ordered::Yes));
    let (report, passwords) = world.create_letters();
    assert_eq!((report.created, passwords.len()), (2, 1));
    let letters = world.letters();
    let with_code: Vec<_> = letters.iter().filter(|letter| groups_in(letter).is_some()).collect();
    assert_eq!((letters.len(), with_code.len()), (2, 1));
    for letter in &letters {
        let text = said_by("pdftotext", &[letter.to_str().unwrap(), "-"]);
        let picture = picture_of(letter, "150", "-png");
        let symbol = said_by("zbarimg", &["--raw", "--quiet", picture.to_str().unwrap()]);
        let brings_code = with_code.contains(&letter);
        assert_eq!(symbol.starts_with("KB1:"), brings_code);
        assert_eq!(text.split_whitespace().any(|word| word == passwords[0].1), !brings_code);
    }
}

#[test]
fn the_secret_of_a_code_is_in_its_letter_alone() {
    let world = World::new();
    world.member(ERIKA);
    let letter = world.letter_with_code(ERIKA);
    let groups = groups_in(&letter).unwrap();
    let picture = picture_of(&letter, "150", "-png");
    let text = said_by("zbarimg", &["--raw", "--quiet", picture.to_str().unwrap()]);
    let secret = text.trim().rsplit(':').nth(1).unwrap().to_owned();
    assert_eq!(secret.len(), 26);
    assert_eq!(world.count("SELECT COUNT(*) FROM device_code"), 1);
    for column in ["letter_id", "qr_id", "jwk", "state"] {
        let value = world.column(format!("SELECT {column} FROM device_code")).remove(0);
        assert!(!value.contains(&secret) && !value.contains("\"d\""), "{column}");
    }
    let audit = world.audit_entries().join("\n");
    // Every file of the service but the letter itself.
    let mut folders = vec![world.folder.path().to_owned()];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path == letter => {}
                false => {
                    let bytes = std::fs::read(&path).unwrap();
                    let found = |part: &str| bytes.windows(part.len()).any(|bytes| bytes == part.as_bytes());
                    assert!(!found(&secret) && !groups.split(' ').skip(2).any(found), "{path:?}");
                    read += 1;
                }
            }
        }
    }
    assert!(read >= 2, "database and keys were looked at");
    assert!(!audit.contains(&secret));
}

#[test]
fn a_code_of_a_letter_that_was_not_created_opens_nothing_and_the_letter_is_made_anew() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    assert_eq!(world.order_device_code(ERIKA), Ok(Ordered::Yes));
    // The job breaks off after the letter was written, and before it was called created.
    world.sql("ALTER TABLE device_code RENAME TO away").unwrap();
    assert!(world.try_create_letters().is_err());
    world.sql("ALTER TABLE away RENAME TO device_code").unwrap();
    let lost = world.letters();
    assert!(lost.len() == 1 && lost[0].parent().unwrap().extension().is_some(), "in a batch that is not whole");
    let lost = groups_in(&lost[0]).unwrap();

    world.create_letters();
    let made = world.letters();
    assert_eq!((made.len(), world.count("SELECT COUNT(*) FROM device_code")), (1, 1));
    let refused = computer.register_with(&computer.typed_code(&lost));
    assert!(
        matches!(&refused, Err(RegisterError::Service(ServiceError::Refused { code, .. })) if code == "qr_code_ended"),
        "{refused:?}"
    );
    computer.register_by_letter(&made[0]).unwrap();
}

#[test]
fn a_code_holds_for_ninety_days_or_as_the_operator_says_and_once() {
    let world = World::new().restarted(|settings| settings.letters.code_days = 365);
    world.member(ERIKA);
    let letter = world.letter_with_code(ERIKA);
    let text = said_by("pdftotext", &[letter.to_str().unwrap(), "-"]);
    assert!(text.contains("23. November 2027"), "{text}");
    world.clock.advance(365 * DAY - 1);
    let computer = world.log_in(ERIKA, PASSWORD);
    computer.register_by_letter(&letter).unwrap();
    let second = world.log_in(ERIKA, PASSWORD);
    let ended = |result: Result<_, RegisterError>| match result {
        Err(RegisterError::Service(ServiceError::Refused { code, detail, .. })) => (code, detail.unwrap_or_default()),
        other => panic!("{other:?}"),
    };
    second.here.home.forget_device().unwrap();
    assert_eq!(ended(second.register_by_letter(&letter)), ("qr_code_ended".to_owned(), "used".to_owned()));

    let world = World::new();
    world.member(ERIKA);
    let letter = world.letter_with_code(ERIKA);
    assert!(said_by("pdftotext", &[letter.to_str().unwrap(), "-"]).contains("21. Februar 2027"));
    world.clock.advance(90 * DAY);
    let computer = world.log_in(ERIKA, PASSWORD);
    assert_eq!(ended(computer.register_by_letter(&letter)), ("qr_code_ended".to_owned(), "expired".to_owned()));
}

#[test]
fn a_code_is_forgotten_long_after_its_last_day() {
    let world = World::new();
    world.member(ERIKA);
    world.letter_with_code(ERIKA);
    let kept = || world.count("SELECT COUNT(*) FROM device_code") + world.count("SELECT COUNT(*) FROM letter");
    world.clock.advance(180 * DAY - 1);
    world.create_letters();
    std::thread::sleep(std::time::Duration::from_millis(1500)); // a round of what the service does by itself
    assert_eq!(kept(), 2);
    world.clock.advance(1);
    world.wait_until("code and letter are forgotten", || kept() == 0);
}

#[test]
fn two_letters_in_thirty_days_are_enough_for_whoever_knows_the_password() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    for _ in 0..2 {
        order(&computer).unwrap();
        world.create_letters();
    }
    assert_eq!(refusal(order(&computer)), "too_many_letters");
    assert_eq!(world.order_device_code(ERIKA), Ok(Ordered::Yes), "the hotline may");
    world.create_letters();
    let with_card = card_login::log_in_as(&world, "with-card", None, &mut card(ERIKA), &mut Script::default()).unwrap();
    for _ in 0..5 {
        order(&with_card).unwrap();
        world.create_letters();
    }
    assert_eq!(refusal(order(&with_card)), "too_many_letters");
    world.clock.advance(30 * DAY);
    order(&world.log_in(ERIKA, PASSWORD)).unwrap();
}

#[test]
fn who_opens_the_session_with_a_device_orders_more_than_with_a_password() {
    let world = World::new();
    let computer = device_login::log_in_with(&world, &world.registered(ERIKA), &mut Script::default()).unwrap();
    for _ in 0..5 {
        order(&computer).unwrap();
        world.create_letters();
    }
    assert_eq!(refusal(order(&computer)), "too_many_letters");
    let by = "SELECT COUNT(*) FROM letter WHERE kind = 'device_code' AND requested_by = 'owner_with_device'";
    assert_eq!(world.count(by), 5);
    let with_card = card_login::log_in(&world, card(ERIKA), &mut Script::default()).unwrap();
    assert_eq!(refusal(order(&with_card)), "too_many_letters", "card and device have one limit");
    order(&world.log_in(ERIKA, PASSWORD)).unwrap();
}

#[test]
fn who_has_no_password_yet_gets_no_code_beside_it() {
    let world = World::new();
    assert_eq!(world.import_report(&register_of(&[ERIKA])).imported, 1);
    assert_eq!(world.order_device_code(ERIKA), Ok(Ordered::NotNow));
    world.create_letters();
    assert_eq!(world.order_device_code(ERIKA), Ok(Ordered::NotNow), "the letter with the password is on its way");
    assert_eq!(world.order_device_code(MAX), Err(Code::AccountUnknown));

    world.member(MAX);
    assert_eq!(world.order_device_code(MAX), Ok(Ordered::Yes));
    world.suspend(MAX).unwrap();
    assert_eq!(world.create_letters().0.cancelled, 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM device_code"), 0);
}

#[test]
fn a_lost_answer_is_fetched_without_the_code() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let device = computer.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    let home = &computer.here.home;
    let mut file = home.device().unwrap();
    let registration_id = world.column("SELECT registration_id FROM registration")[0].parse().unwrap();
    let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    file.binding =
        Binding::Pending { registration_id, pop: bundle.devices[0].binding.pop.clone(), sent_at: world.clock.now() };
    home.forget_device().unwrap();
    home.keep_pending_device(&file).unwrap();
    let mut script = Script::default();
    let resumed = computer.register_as(NoCard, &mut script, &wish()).unwrap();
    assert_eq!((resumed.device_id, script.notices), (device.device_id, vec![Notice::Resumed]));
}

#[test]
fn the_evidence_of_such_a_device_says_that_its_binding_rests_on_the_word_of_the_service() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    computer.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    world.create_letters();
    let computer = relog(&world, &computer, DAY);
    let accepted = computer.apply(&new_address());
    approve(&computer, &accepted);
    let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", accepted.approval_id)).unwrap();
    let report = bundle.verify(&anchors_of(&[]), &computer.here.profile.service_keys);
    let links: Vec<_> = report.links.iter().map(|link| (link.name, link.rests_on)).collect();
    assert_eq!(
        links,
        [
            (LinkName::CodeSignature, RestsOn::Service),
            (LinkName::DevicePossession, RestsOn::Device),
            (LinkName::BindingReceipt, RestsOn::Service),
            (LinkName::BindingAudit, RestsOn::Service),
            (LinkName::Document, RestsOn::Device),
            (LinkName::Decision, RestsOn::Device),
            (LinkName::DecisionReceipt, RestsOn::Service),
            (LinkName::DecisionAudit, RestsOn::Service),
        ]
    );
    let device = report.findings.unwrap().devices.remove(0);
    assert_eq!((device.binding_level, device.kvnr), (BindingLevel::B1, kvnr(ERIKA)));
    let bytes = [serde_json::to_vec(&bundle).unwrap()];
    assert_eq!(verifier::second_verifier(&bytes, &[], &computer.here.profile.service_keys), [true]);
}

#[test]
fn an_english_letter_is_english_throughout() {
    let world = World::new();
    world.member(ERIKA);
    world.sql("UPDATE account SET language = 'en'").unwrap();
    let letter = world.letter_with_code(ERIKA);
    let text = said_by("pdftotext", &[letter.to_str().unwrap(), "-"]);
    assert!(text.contains("Your code for a new device") && text.contains("Or type these groups"), "{text}");
    assert!(!text.contains("Gerät") && !text.contains("Freundliche"), "{text}");
}
