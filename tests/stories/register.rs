//! The register, imported again and again.

use super::*;

fn row(kvnr: &str, name: &str, city: &str) -> String {
    format!("{kvnr},Erika,{name},1964-08-12,Weg,1,12345,{city},D,2020-01-01\n")
}

/// Insurance numbers with right check digits.
fn numbers(count: usize) -> Vec<String> {
    let digits = |number: usize| (0..10).map(move |check| format!("A{number:08}{check}"));
    (0..count)
        .map(|number| digits(number).find(|text| kartenbund::identity::kvnr::Kvnr::typed(text).is_ok()).unwrap())
        .collect()
}

fn counts(imported: &Imported) -> (u64, u64, u64, usize) {
    (imported.imported, imported.changed, imported.unchanged, imported.rejected.len())
}

#[test]
fn the_same_register_changes_nothing_and_another_one_what_it_changed() {
    let world = World::new();
    let register = HEADER.to_owned() + &row(ERIKA, "Müstermann", "Ort") + &row(MAX, "Mustermann", "Ort");
    assert_eq!(counts(&world.import_report(&register)), (2, 0, 0, 0));
    assert_eq!(counts(&world.import_report(&register)), (0, 0, 2, 0));
    let entries = world.audit_entries().len();
    assert_eq!(entries, 2, "each account has its entry, and what was not changed has none");

    let register = HEADER.to_owned() + &row(ERIKA, "Musterfrau", "Ort") + &row(MAX, "Mustermann", "Stadt");
    assert_eq!(counts(&world.import_report(&register)), (0, 2, 0, 0));
    assert_eq!(world.column("SELECT family_name FROM account ORDER BY kvnr"), ["Musterfrau", "Mustermann"]);
    assert_eq!(
        world.count("SELECT COUNT(*) FROM account WHERE address LIKE '%Stadt%' AND former_address LIKE '%Ort%'"),
        1
    );
    assert_eq!(world.audit_entries()[2..].iter().filter(|entry| entry.contains("account.updated")).count(), 2);
}

#[test]
fn an_address_that_a_person_has_changed_here_is_not_undone_by_a_register_that_has_not_changed_it() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    approve(&computer, &computer.apply(&new_address()));
    let city = || world.column("SELECT address FROM account")[0].contains("Leipzig");
    assert!(city());
    let register = register_of(&[ERIKA]);
    assert_eq!(counts(&world.import_report(&register)), (0, 0, 1, 0));
    assert_eq!(counts(&world.import_report(&register.replace("Müstermann", "Musterfrau"))), (0, 1, 0, 0));
    assert!(city(), "another name is no other address");
    assert_eq!(counts(&world.import_report(&register.replace("Musterstadt", "Bonn"))), (0, 1, 0, 0));
    assert!(!city(), "the insurer says she has moved");
}

#[test]
fn a_column_that_is_not_there_changes_nothing_and_an_empty_field_does() {
    let world = World::new();
    let with = |end: &str| {
        HEADER.trim_end().to_owned() + ",membership_end\n" + row(ERIKA, "M", "Ort").trim_end() + "," + end + "\n"
    };
    assert_eq!(counts(&world.import_report(&with("2026-12-31"))), (1, 0, 0, 0));
    let ends = || world.count("SELECT COUNT(*) FROM account WHERE membership_end = '2026-12-31'");
    world.import_report(&(HEADER.to_owned() + &row(ERIKA, "N", "Ort")));
    assert_eq!((ends(), world.column("SELECT family_name FROM account")), (1, vec!["N".to_owned()]));
    world.import_report(&with(""));
    assert_eq!(ends(), 0);
    let early = world.import_report(&with("2019-12-31"));
    assert_eq!(early.rejected[0].1.to_string(), "membership_end: before membership_start");
    assert_eq!(counts(&world.import_report(&with("soon"))), (0, 0, 0, 1));
}

#[test]
fn a_password_that_a_person_has_is_not_replaced_by_the_register() {
    let world = World::new();
    world.member(ERIKA);
    let kept = world.column("SELECT password_id FROM password");
    world.import(&register_of(&[ERIKA]).replace("Müstermann", "Musterfrau"));
    assert_eq!(world.column("SELECT password_id FROM password"), kept);
}

#[test]
fn many_rows_with_bad_ones_between_them_are_taken_in_batches_that_a_broken_line_keeps() {
    use std::io::Read as _;
    let world = World::new();
    let rows: Vec<_> = numbers(1201).iter().map(|kvnr| row(kvnr, "M", "Ort")).collect();
    struct Unplugged;
    impl std::io::Read for Unplugged {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::NotConnected.into())
        }
    }
    let begun = HEADER.to_owned() + &rows[..700].concat();
    assert!(world.try_import(begun.as_bytes().chain(Unplugged)).is_err());
    let there = world.count("SELECT COUNT(*) FROM account");
    assert_eq!(there, 500, "whole batches and nothing else");
    assert_eq!(world.audit_entries().len(), 500);

    let whole = HEADER.to_owned() + &rows[..600].concat() + "A123456781,E,M\n" + &rows[600..].concat() + &rows[0];
    let imported = world.import_report(&whole);
    assert_eq!(counts(&imported), (701, 0, 500, 2));
    assert_eq!(imported.rejected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [602, 1204]);
}

#[test]
fn a_batch_that_the_database_refuses_half_way_is_not_taken_at_all() {
    let world = World::new();
    let register = HEADER.to_owned() + &row(ERIKA, "Müstermann", "Ort");
    world.fault("audit", "INSERT");
    assert!(matches!(world.try_import(register.as_bytes()), Err(ImportError::Audit(_))));
    assert_eq!(world.count("SELECT COUNT(*) FROM account"), 0, "no account without its audit entry");
}
