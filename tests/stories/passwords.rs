//! How passwords are kept, compared and changed.

use super::*;

const OLD: &str = "tulpe-karton-87";
const NEW: &str = "regen bogen und drei Äpfel";
/// `echo -n tulpe-karton-87 | argon2 somesalt1234 -id -t 2 -k 8192 -p 1 -e`
const ARGON2ID: &str = "$argon2id$v=19$m=8192,t=2,p=1$c29tZXNhbHQxMjM0$855rEs6WtRq8CS9n/WrVmDyOJCefAZVS7NB51sZrZ/g";
/// crypt(3) of `regen-bogen-31`.
const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuM6pOrzWcSdoZtZMhMo6qhJvu0mA5cLe";

fn member_with(world: &World, person: &str, hash: &str) {
    let header = HEADER.trim_end().to_owned() + ",password_hash\n";
    let row = format!("{person},Erika,Müstermann,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,\"{hash}\"\n");
    assert_eq!(world.import_report(&(header + &row)).imported, 1);
}

#[test]
fn a_changed_password_ends_other_sessions_and_keeps_devices() {
    let world = World::new();
    member_with(&world, ERIKA, ARGON2ID);
    let other = tempfile::tempdir().unwrap();
    let other = world.try_log_in(other.path(), ERIKA, OLD).unwrap();
    let computer = world.log_in(ERIKA, OLD);
    computer.register(&mut card(ERIKA)).unwrap();
    let max = world.log_in(MAX, &world.member(MAX));

    change_password(&computer, Some(OLD), NEW).unwrap();
    assert_eq!(computer.devices().len(), 1, "this session goes on, and the device is there");
    assert!(other.here.service.get::<serde_json::Value>("/v1/devices").is_err(), "the other session has ended");
    assert!(max.here.service.get::<serde_json::Value>("/v1/devices").is_ok());
    assert_eq!(refused_login(&world, ERIKA, OLD), code("login_failed"));
    world.log_in(ERIKA, NEW);
    assert_eq!(world.audited("account.password_set"), 1);
}

#[test]
fn who_lost_the_answer_asks_once_more_and_is_told_that_it_is_done() {
    let world = World::new();
    member_with(&world, ERIKA, ARGON2ID);
    let computer = world.log_in(ERIKA, OLD);
    change_password(&computer, Some(OLD), NEW).unwrap();
    let kept = world.column("SELECT phc FROM password");
    change_password(&computer, Some(OLD), NEW).unwrap();
    assert_eq!(world.column("SELECT phc FROM password"), kept, "it was not set a second time");
    assert_eq!(world.audited("account.password_set"), 1);
}

#[test]
fn without_the_present_password_nothing_changes() {
    let world = World::new();
    member_with(&world, ERIKA, ARGON2ID);
    let computer = world.log_in(ERIKA, OLD);
    for old in [None, Some("wrong-password"), Some(""), Some("x".repeat(1025).as_str())] {
        assert_eq!(change_password(&computer, old, NEW), Err(code("old_password_wrong")), "{old:?}");
        world.clock.advance(2); // no try so far makes wait any longer
    }
    world.log_in(ERIKA, OLD);
    assert_eq!(refused_login(&world, ERIKA, NEW), code("login_failed"));
    assert_eq!(world.audited("account.password_not_set"), 4);
}

#[test]
fn a_password_that_breaks_a_rule_is_refused_with_the_rule() {
    let world = World::new();
    member_with(&world, ERIKA, ARGON2ID);
    let computer = world.log_in(ERIKA, OLD);
    let refused = |rule: &str| Err(("password_refused".to_owned(), rule.to_owned()));
    assert_eq!(change_password(&computer, Some(OLD), "kurz"), refused("too_short 8"));
    assert_eq!(change_password(&computer, Some(OLD), &"lang-".repeat(205)), refused("too_long"));
    assert_eq!(change_password(&computer, Some(OLD), "Passwort123!"), refused("common"));
    assert_eq!(change_password(&computer, Some(OLD), "ich bin A123456780"), refused("personal"));
    assert_eq!(change_password(&computer, Some(OLD), "Müstermann-im-Glück"), refused("personal"));
    assert_eq!(change_password(&computer, Some(OLD), "am 12.08.1964 ging es los"), refused("personal"));
    assert_eq!(change_password(&computer, Some(OLD), "alles-musterkasse"), refused("personal"));
    change_password(&computer, Some(OLD), &"Zebra qua".repeat(100)).unwrap();

    let strict = world.restarted(|settings| settings.passwords.all_classes = true);
    let computer = strict.log_in(ERIKA, &"Zebra qua".repeat(100));
    assert_eq!(change_password(&computer, Some("x"), "regen bogen 31"), refused("classes"));
}

#[test]
fn hashes_of_a_register_let_people_in_and_are_made_anew() {
    let world = World::new().restarted(|settings| settings.password_cost = PasswordCost::default());
    member_with(&world, ERIKA, ARGON2ID);
    member_with(&world, MAX, BCRYPT);
    assert_eq!(world.count("SELECT COUNT(*) FROM password WHERE pepper IS NULL"), 2);
    assert_eq!(refused_login(&world, ERIKA, "regen-bogen-31"), code("login_failed"), "his password");
    world.log_in(ERIKA, OLD);
    world.log_in(MAX, "regen-bogen-31");
    let hashes = world.column("SELECT phc FROM password WHERE pepper IS NOT NULL");
    assert_eq!(hashes.len(), 2);
    assert!(hashes.iter().all(|phc| phc.starts_with("$argon2id$v=19$m=65536,t=3,p=1$")), "{hashes:?}");
    assert_eq!(world.count("SELECT COUNT(*) FROM password_scheme"), 0, "there is nothing left to compare with");
    world.log_in(ERIKA, OLD);
    world.log_in(MAX, "regen-bogen-31");
    assert_eq!(world.audited("account.password_rehashed"), 2);
}

#[test]
fn a_hash_that_is_none_is_not_imported() {
    let world = World::new();
    let header = HEADER.trim_end().to_owned() + ",password_hash\n";
    let row = |hash: &str| format!("{ERIKA},Erika,M,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,\"{hash}\"\n");
    for hash in
        ["5f4dcc3b5aa765d61d8327deb882cf99", "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQxMjM0$855rEs6WtRq8CS9n"]
    {
        let report = world.import_report(&(header.clone() + &row(hash)));
        assert_eq!((report.imported, report.rejected.len()), (0, 1), "{hash}");
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM account"), 0);
}

#[test]
fn a_new_pepper_is_taken_up_at_the_next_login_and_the_old_one_still_verifies() {
    let mut world = World::new();
    member_with(&world, ERIKA, ARGON2ID);
    world.log_in(ERIKA, OLD);
    let before = world.column("SELECT pepper FROM password");
    world.stop();
    let path = world.folder.path().join("service/service-keys.json");
    let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let newer = json!({"id": "newer", "key": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"});
    file["peppers"].as_array_mut().unwrap().push(newer);
    std::fs::write(&path, file.to_string()).unwrap();
    let world = world.restarted(|_| ());
    assert_eq!(refused_login(&world, ERIKA, "wrong-password"), code("login_failed"));
    assert_eq!(world.column("SELECT pepper FROM password"), before, "only a login can make the hash anew");
    world.log_in(ERIKA, OLD);
    assert_eq!(world.column("SELECT pepper FROM password"), ["newer"]);
    world.log_in(ERIKA, OLD);
}

#[test]
fn a_password_with_umlauts_opens_the_account_on_every_keyboard() {
    let world = World::new();
    let password = world.member(ERIKA);
    let computer = world.log_in(ERIKA, &password);
    change_password(&computer, Some(&password), "gr\u{fc}ne \u{c4}pfel und Birnen").unwrap();
    let elsewhere = world.log_in(ERIKA, "gru\u{308}ne A\u{308}pfel\u{a0}und Birnen");
    assert_eq!(refused_login(&world, ERIKA, "grune Apfel und Birnen"), code("login_failed"));
    change_password(&elsewhere, Some("gr\u{fc}ne A\u{308}pfel und Birnen"), "regen bogen und drei Äpfel").unwrap();
}

#[test]
fn an_initial_password_from_before_a_new_pepper_still_opens_the_account() {
    let mut world = World::new();
    assert_eq!(world.import_report(&register_of(&[ERIKA])).imported, 1);
    let (_, letters) = world.create_letters();
    world.stop();
    kartenbund::server::rotate_pepper(&world.folder.path().join("service")).unwrap();
    let world = world.restarted(|_| ());
    let computer = world.log_in(ERIKA, &letters[0].1);
    set_password(&computer, CHOSEN).unwrap();
    assert_eq!(refused_login(&world, ERIKA, &letters[0].1), code("login_failed"), "once");
}

#[test]
fn a_register_brings_hashes_of_four_kinds_and_no_more() {
    let world = World::new();
    let header = HEADER.trim_end().to_owned() + ",password_hash\n";
    let persons = [ERIKA, MAX, "K220635158", "T022791232", "X110411675"];
    let rows = |count: usize| {
        let row = |(n, person): (usize, &&str)| {
            let hash = ARGON2ID.replace("m=8192", &format!("m={}", 8192 + n));
            format!("{person},Erika,Müstermann,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,\"{hash}\"\n")
        };
        header.clone() + &persons[..count].iter().enumerate().map(row).collect::<String>()
    };
    let fifth = world.try_import(rows(5).as_bytes());
    assert!(matches!(fifth, Err(ImportError::PasswordHashes)), "every login of anybody would have to make five");
    assert_eq!(world.import_report(&rows(4)).imported, 4);
}
