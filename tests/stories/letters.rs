//! Letters: what they say and where they go, with poppler's programs as judges; and what an outbox holds.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use kartenbund::protocol::application::Application;
use kartenbund::server::{Code, LetterReport, Ordered};

use super::*;

const DAY: i64 = 24 * 60 * 60;

/// A member who has no way in yet, with names and an address of the test's choosing.
fn newcomer(world: &World, person: &str, names: &str, address: &str) {
    let row = format!("{person},{names},1964-08-12,{address},2020-01-01\n");
    assert_eq!(world.import_report(&(HEADER.to_owned() + &row)).imported, 1);
}

/// What a program says of a file.
fn said(program: &str, arguments: &[&str], file: &std::path::Path) -> String {
    let mut command = Command::new(program);
    command.args(arguments).arg(file);
    if program == "pdftotext" {
        command.arg("-"); // to standard output
    }
    let output = command.output().expect("tools/setup.sh installs poppler-utils");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Batches that are handed over, by name.
fn batches(world: &World) -> Vec<PathBuf> {
    let outbox = world.folder.path().join("service/outbox");
    let Ok(entries) = std::fs::read_dir(outbox) else { return Vec::new() };
    let mut folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

/// All letters that are handed over.
fn letters(world: &World) -> Vec<PathBuf> {
    let mut files: Vec<_> = batches(world)
        .iter()
        .flat_map(|batch| std::fs::read_dir(batch).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "pdf"))
        .collect();
    files.sort();
    files
}

/// The lines that the window of an envelope shows (DIN 5008, form B): 85 by 45 mm, 20 mm from the left, 45 mm from the top.
fn window(letter: &std::path::Path) -> Vec<String> {
    let in_points = |mm: f32| (mm * 72.0 / 25.4).round().to_string();
    let [x, y, width, height] = [20.0, 45.0, 85.0, 45.0].map(in_points);
    let text = said("pdftotext", &["-r", "72", "-x", &x, "-y", &y, "-W", &width, "-H", &height, "-layout"], letter);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_letter_shows_the_password_once_and_names_nobody_outside_its_window_and_greeting() {
    let world = World::new().restarted(|settings| {
        settings.insurer.hotline = "0800 1234567".to_owned();
        settings.letters.sender = "Musterkasse · Postfach 12 34 · 12345 Musterstadt".to_owned();
    });
    newcomer(&world, ERIKA, "Erika Şölèňe,Müstermann-Łęcka", "Große Straße,12a,12345,Ützdorf an der Wörpe,D");
    let (report, passwords) = world.create_letters();
    assert_eq!((report.invited, report.created, report.cancelled, report.failed), (1, 1, 0, 0));
    let (person, password) = &passwords[0];
    assert_eq!((person.as_str(), passwords.len()), (ERIKA, 1));

    let files = letters(&world);
    let letter = &files[0];
    assert_eq!(
        window(letter),
        [
            "Musterkasse · Postfach 12 34 · 12345 Musterstadt",
            "Erika Şölèňe Müstermann-Łęcka",
            "Große Straße 12a",
            "12345 Ützdorf an der Wörpe",
        ]
    );
    let text = said("pdftotext", &[], letter);
    assert_eq!(text.split_whitespace().filter(|word| word == password).count(), 1, "as one word: {text}");
    for expected in
        ["23. November 2026", "bis zum 22. Januar 2027", "0800 1234567", "Guten Tag Erika Şölèňe Müstermann-Łęcka,"]
    {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains(ERIKA), "the other half of the login is not in the letter");

    let facts = said("pdfinfo", &[], letter);
    for expected in ["Ihr Initialpasswort", "Tagged:          yes", "Pages:           1", "(A4)"] {
        assert!(facts.contains(expected), "{expected}: {facts}");
    }
    assert!(!facts.contains("Erika") && !facts.contains("M\u{fc}stermann"), "{facts}");
    let fonts = said("pdffonts", &[], letter);
    assert_eq!(fonts.lines().skip(2).count(), 2, "{fonts}");
    assert!(fonts.lines().skip(2).all(|font| font.contains(" yes yes yes ")), "embedded, subset, readable: {fonts}");
}

/// The password in a letter: the only line of twelve characters without a blank.
fn password_in(letter: &std::path::Path) -> String {
    let text = said("pdftotext", &[], letter);
    let mut passwords = text.lines().filter(|line| line.chars().count() == 12 && !line.contains(' '));
    let password = passwords.next().unwrap().to_owned();
    assert_eq!(passwords.next(), None, "{text}");
    password
}

#[test]
fn what_is_read_in_the_letter_opens_the_account_once() {
    let world = World::new();
    newcomer(&world, ERIKA, "Erika,Müstermann", "Weg,1,12345,Ort,D");
    world.create_letters();
    let password = password_in(&letters(&world)[0]);
    let computer = world.log_in(ERIKA, &password);
    let request = PasswordRequest { old: None, new: typed("regen bogen und drei Äpfel") };
    let chosen: Result<(), ServiceError> = computer.here.service.submit(Method::PUT, "/v1/password", &request);
    chosen.unwrap();
    world.log_in(ERIKA, "regen bogen und drei Äpfel");
    assert!(world.try_log_in(&world.folder.path().join("another"), ERIKA, &password).is_err());
    assert_eq!(world.order_letter(ERIKA), Ok(Ordered::Yes));
    let before = letters(&world);
    world.create_letters();
    let second = letters(&world).into_iter().find(|letter| !before.contains(letter)).unwrap();
    world.log_in(ERIKA, &password_in(&second));
    assert_eq!(world.state_of(ERIKA), "reset_pending", "the password that was lost is replaced by a new letter");
}

#[test]
fn names_of_files_say_nothing_and_the_manifest_names_each_letter() {
    let world = World::new();
    let persons = [ERIKA, MAX, "K220635158"];
    persons.iter().for_each(|person| newcomer(&world, person, "Erika,Müstermann", "Weg,1,12345,Ort,D"));
    world.create_letters();
    let (batches, files) = (batches(&world), letters(&world));
    assert_eq!((batches.len(), files.len()), (1, 3));
    let name = batches[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("2026-11-23-") && name.len() == 27, "{name}");
    let mut manifest = std::fs::read_to_string(batches[0].join("manifest.csv")).unwrap();
    manifest = manifest.strip_prefix("file,kind,pages,sha256\n").unwrap().to_owned();
    let mut listed = BTreeSet::new();
    for line in manifest.lines() {
        let [file, kind, pages, sha256] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
        let bytes = std::fs::read(batches[0].join(file)).unwrap();
        let hash = kartenbund::protocol::Sha256Hash::of(&bytes);
        assert_eq!((kind, pages, sha256), ("initial_password", "1", hex::encode(hash.as_bytes()).as_str()));
        assert!(
            file.len() == 36 && file.trim_end_matches(".pdf").bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{file}"
        );
        listed.insert(batches[0].join(file));
    }
    assert_eq!(listed, files.into_iter().collect());
    use std::os::unix::fs::PermissionsExt as _;
    let rights = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((rights(&batches[0]), rights(listed.first().unwrap())), (0o700, 0o600), "nobody else reads them");
}

#[test]
fn nobody_is_invited_twice_and_nobody_whose_membership_is_over() {
    let world = World::new();
    newcomer(&world, ERIKA, "Erika,Müstermann", "Weg,1,12345,Ort,D");
    let ended = HEADER.trim_end().to_owned()
        + ",membership_end\nK220635158,Otto,M,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,2026-11-22\n";
    assert_eq!(world.import_report(&ended).imported, 1);
    world.member(MAX);
    assert_eq!(world.create_letters().0.created, 1, "he has a password, and the other one is no member any more");
    assert_eq!(world.state_of(ERIKA), "letter_ordered");
    assert_eq!(world.create_letters().0, LetterReport::default(), "there is nothing to do");
    assert_eq!(letters(&world).len(), 1);

    let silent = World::new().restarted(|settings| settings.letters.invite = false);
    newcomer(&silent, ERIKA, "Erika,Müstermann", "Weg,1,12345,Ort,D");
    assert_eq!(silent.create_letters().0, LetterReport::default());
    assert_eq!(silent.order_letter(ERIKA), Ok(Ordered::Yes));
    assert_eq!(silent.order_letter(ERIKA), Ok(Ordered::Already));
    assert_eq!(silent.create_letters().0.created, 1, "who asks for one gets one");
}

#[test]
fn nobody_is_invited_long_before_the_first_day_or_below_the_age() {
    let world = World::new().restarted(|settings| settings.accounts.minimum_age = Some(15));
    let day = |days: i64| {
        let day = time::OffsetDateTime::from_unix_timestamp(world.clock.now() + days * DAY).unwrap();
        day.date().to_string()
    };
    let row = |person: &str, born: &str, start: &str| format!("{person},A,M,{born},Weg,1,12345,Ort,D,{start}\n");
    let years_ago = |years: i32, days: i64| {
        let day = day(days);
        format!("{}{}", day[..4].parse::<i32>().unwrap() - years, &day[4..])
    };
    let register = HEADER.to_owned()
        + &row(ERIKA, "1964-08-12", &day(15))
        + &row(MAX, &years_ago(15, 1), "2020-01-01")
        + &row("K220635158", &years_ago(15, 0), &day(14));
    assert_eq!(world.import_report(&register).imported, 3);
    assert_eq!(world.create_letters().0.created, 1);
    assert_eq!(world.state_of("K220635158"), "letter_ordered", "old enough today, and insured in two weeks");
    // A day later the others are.
    world.clock.advance(DAY);
    assert_eq!(world.create_letters().0.created, 2);
}

#[test]
fn an_insurer_decides_how_long_initial_passwords_hold_and_how_many_strangers_order() {
    let world = World::new().restarted(|settings| {
        settings.letters.password_days = 3;
        settings.letters.invite_days = 2;
        settings.letters.of_strangers = 0;
    });
    let member = |person: &str, first: &str| format!("{person},Max,M,1990-01-01,Weg,1,12345,Ort,D,{first}\n");
    let register = HEADER.to_owned() + &member(ERIKA, "2026-11-25") + &member(MAX, "2026-11-26");
    assert_eq!(world.import_report(&register).imported, 2);
    let (report, passwords) = world.create_letters();
    assert_eq!((report.invited, passwords[0].0.as_str()), (1, ERIKA), "it is the 23rd");
    let asked = json!({"kvnr": ERIKA, "way": "letter"});
    world.stranger().ask::<_, serde_json::Value>("/v1/password/reset", &asked).unwrap();
    world.wait_until("the stranger is refused", || world.audited("too_many_letters") == 1);
    world.clock.advance(3 * 24 * 60 * 60 - 1);
    world.log_in(ERIKA, &passwords[0].1);
    world.clock.advance(1);
    let ended = ("initial_password_ended".to_owned(), "expired".to_owned());
    let (_, passwords) = world.create_letters();
    assert_eq!(passwords[0].0, MAX, "his first day is near");
    world.clock.advance(3 * 24 * 60 * 60);
    assert_eq!(refused_login(&world, MAX, &passwords[0].1), ended);
}

#[test]
fn what_a_letter_said_is_forgotten_and_its_password_was_never_kept() {
    let world = World::new();
    newcomer(&world, ERIKA, "Erika,Müstermann", "Weg,1,12345,Ort,D");
    let (_, passwords) = world.create_letters();
    assert_eq!(world.count("SELECT COUNT(*) FROM letter WHERE state = 'created' AND address IS NULL"), 1);
    let kept = world.column("SELECT mac FROM initial_password");
    assert!(kept.len() == 1 && kept[0].len() == 43 && !kept[0].contains(&passwords[0].1));
    let audit = world.audit_entries().join("\n");
    for event in ["account.imported", "account.letter_ordered", "letter.created"] {
        assert_eq!(audit.matches(event).count(), 1, "{event}");
    }
    assert!(!audit.contains(&passwords[0].1) && !audit.contains(ERIKA) && !audit.contains("Müstermann"));
}

#[test]
fn for_two_weeks_after_a_change_letters_go_to_the_address_before() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    // With card and card PIN behind the change, they would follow it at once (`kinds`).
    world.sql("UPDATE device SET binding_level = 'B1'").unwrap();
    let move_to = |city: &str| {
        let Application::Address(mut address) = new_address() else { unreachable!() };
        address.city = city.to_owned();
        approve(&computer, &computer.apply(&Application::Address(address)));
    };
    let next_letter = || {
        world.create_letters(); // what tells of the changes
        let before = letters(&world);
        assert_eq!(world.order_letter(ERIKA), Ok(Ordered::Yes));
        assert_eq!(world.create_letters().0.created, 1);
        let mut after = letters(&world);
        after.retain(|letter| !before.contains(letter));
        window(&after[0]).pop().unwrap()
    };
    assert_eq!(next_letter(), "12345 Musterstadt");
    move_to("Leipzig");
    assert_eq!(next_letter(), "12345 Musterstadt");
    move_to("Dresden");
    assert_eq!(next_letter(), "12345 Musterstadt", "two changes are no way around");
    world.clock.advance(14 * DAY - 1);
    assert_eq!(next_letter(), "12345 Musterstadt");
    world.clock.advance(1);
    assert_eq!(next_letter(), "04109 Dresden");
}

#[test]
fn a_letter_that_would_open_nothing_is_not_made() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    assert_eq!(world.order_letter(ERIKA), Ok(Ordered::Yes));
    world.clock.advance(1);
    let request = PasswordRequest { old: Some(typed(PASSWORD)), new: typed("regen bogen und drei Äpfel") };
    let changed: Result<(), ServiceError> = computer.here.service.submit(Method::PUT, "/v1/password", &request);
    changed.unwrap();
    let (report, passwords) = world.create_letters();
    assert_eq!(
        (report.created, report.cancelled, passwords.len()),
        (1, 1, 0),
        "only the one that tells of the new password"
    );
    assert_eq!(world.count("SELECT COUNT(*) FROM initial_password"), 0);

    world.member(MAX);
    assert_eq!(world.order_letter(MAX), Ok(Ordered::Yes));
    world.suspend(MAX).unwrap();
    assert_eq!(world.create_letters().0.cancelled, 1);
    assert_eq!(world.order_letter(MAX), Ok(Ordered::NotNow));
    assert_eq!(world.order_letter("K220635158"), Err(Code::AccountUnknown));
}

#[test]
fn a_letter_that_cannot_be_printed_stands_in_nobodys_way() {
    let world = World::new();
    newcomer(&world, ERIKA, "Ελένη,Müstermann", "Weg,1,12345,Ort,D");
    let name = "Wolfeschlegelsteinhausenbergerdorff ".repeat(2);
    newcomer(&world, MAX, &format!("{name},{name}"), &format!("{name},1,12345,{name},D"));
    newcomer(&world, "K220635158", "Max,Müstermann", "Weg,1,12345,Ort,D");
    let (report, _) = world.create_letters();
    assert_eq!((report.created, report.failed), (1, 2));
    let mut why = world.column("SELECT failure FROM letter WHERE state = 'failed'");
    why.sort();
    assert_eq!(why, ["address", "character"]);
    assert_eq!(world.create_letters().0, LetterReport::default(), "they are not tried again");
}

/// The words that a letter in the other language would have.
const GERMAN: [&str; 6] = ["Guten Tag", "Freundliche", "Service-Telefon", "Ziffer", "klein", "23. "];
const ENGLISH: [&str; 6] = ["Dear", "Kind regards", "Telephone", "digit", "small", "23 November"];

#[test]
fn letters_are_wholly_german_or_wholly_english() {
    let world = World::new().restarted(|settings| settings.insurer.hotline = "0800 1234567".to_owned());
    for (person, language) in [(ERIKA, "de"), (MAX, "en")] {
        newcomer(&world, person, "Erika,Müstermann", "Weg,1,12345,Ort,D");
        world.sql(format!("UPDATE account SET language = '{language}' WHERE kvnr = '{person}'")).unwrap();
    }
    // A letter with the password, and one that tells something: the account is suspended.
    world.create_letters();
    for person in [ERIKA, MAX] {
        world.suspend(person).unwrap();
    }
    // What was said in one language stays so, whatever is set until it is printed.
    world.sql("UPDATE account SET language = CASE language WHEN 'de' THEN 'en' ELSE 'de' END").unwrap();
    assert_eq!(world.create_letters().0.created, 2);
    let mut seen = Vec::new();
    for letter in letters(&world) {
        let text = said("pdftotext", &[], &letter);
        let is_english = text.contains("Dear Erika Müstermann,");
        let others: &[&str] = if is_english { &GERMAN } else { &ENGLISH };
        for word in others {
            assert!(!text.contains(word), "{word}: {text}");
        }
        let [date, closing, language] = match is_english {
            true => ["23 November 2026", "Kind regards", "/Lang (en)"],
            false => ["23. November 2026", "Freundliche Grüße", "/Lang (de)"],
        };
        assert!(text.contains(date) && text.contains(closing), "{text}");
        let bytes = String::from_utf8_lossy(&std::fs::read(&letter).unwrap()).replace("/Lang(", "/Lang (");
        assert!(bytes.contains(language), "for screen readers");
        let subject = ["Your initial password", "Account suspended", "Ihr Initialpasswort", "Konto gesperrt"];
        seen.extend(subject.into_iter().filter(|subject| text.contains(subject)));
    }
    seen.sort_unstable();
    assert_eq!(seen, ["Account suspended", "Ihr Initialpasswort", "Konto gesperrt", "Your initial password"]);
}

#[test]
fn an_insurer_writes_letters_and_notices_in_words_of_its_own() {
    let world = World::new().restarted(|settings| {
        let file = "[password_letter]\nsubject = \"Post von der {insurer}\"\nbefore = \"Gehen Sie auf www.kasse.example.\"\n\
                    [letter]\nclosing = \"Alles Gute, Ihre {insurer}\"\n\
                    [notice.account_suspended]\nsubject = \"Zugang zu\"\ntext = \"Seit {date} ist zu. {contact}\"\n";
        settings.texts.replace(kartenbund::protocol::api::NoticeLanguage::De, file).unwrap();
    });
    newcomer(&world, ERIKA, "Erika,Müstermann", "Weg,1,12345,Ort,D");
    world.create_letters();
    world.suspend(ERIKA).unwrap();
    world.create_letters();
    let texts: Vec<_> = letters(&world).iter().map(|letter| said("pdftotext", &[], letter)).collect();
    let of = |subject: &str| texts.iter().find(|text| text.contains(subject)).unwrap_or_else(|| panic!("{texts:?}"));
    assert!(of("Post von der Musterkasse").contains("Gehen Sie auf www.kasse.example."));
    assert!(of("Zugang zu").contains("Seit 23.11.2026, 16:00 Uhr ist zu. Öffnen Sie das Programm Kartenbund"));
    assert!(texts.iter().all(|text| text.contains("Alles Gute, Ihre Musterkasse")));
}
