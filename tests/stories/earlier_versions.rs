//! Databases of earlier versions with people in them, on both kinds.

use kartenbund::jose::P256Jwk;
use kartenbund::protocol::qr::LetterCode;

use super::*;

/// A data folder with the key file of the first version, and a database as it was after migration `last` with `rows`.
fn as_of(last: i64, database: &TestDatabase, rows: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("service");
    std::fs::create_dir(&data).unwrap();
    let (kind, url) = match database {
        TestDatabase::Sqlite => ("sqlite", format!("sqlite://{}?mode=rwc", data.join("kartenbund.sqlite").display())),
        TestDatabase::Postgresql(url) => ("postgresql", url.expose().to_owned()),
    };
    let migrations = tempfile::tempdir().unwrap();
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/migrations").join(kind);
    for file in std::fs::read_dir(source).unwrap().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        if name[..4].parse::<i64>().unwrap() <= last {
            std::fs::copy(file.path(), migrations.path().join(name)).unwrap();
        }
    }
    sqlx::any::install_default_drivers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = sqlx::AnyPool::connect(&url).await.unwrap();
        sqlx::migrate::Migrator::new(migrations.path()).await.unwrap().run(&pool).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(rows.to_owned())).execute(&pool).await.unwrap();
        pool.close().await;
    });
    let keys = json!({"v": 1, "signing": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
        "pseudonym": "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"});
    std::fs::write(data.join("service-keys.json"), keys.to_string()).unwrap();
    folder
}

fn goes_on(folder: tempfile::TempDir, database: TestDatabase) -> World {
    World::configured(folder, database, ManualClock::at(NOW), |settings| {
        settings.payer_iks = vec!["999567890".parse().unwrap()];
        settings.anchors = Box::new(anchors_of(&[&ca()]));
    })
}

/// As version 0.1.0 left it: one account, an audit entry.
#[test]
fn a_service_of_the_first_version_goes_on_with_what_it_has() {
    let database = TestDatabase::new();
    // echo -n altes-Passwort-1 | argon2 somesalt1234abcd -id -t 3 -k 65536 -p 1 -e
    let rows = "INSERT INTO account VALUES (7, 'A123456780', 'Erika', 'Müstermann', '1964-08-12', \
        '{\"street\":null,\"house_number\":null,\"postal_code\":\"12345\",\"city\":\"Ort\",\"country\":\"D\",\"supplement\":null}', \
        NULL, '2020-01-01', \
        '$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHQxMjM0YWJjZA$CHG2HjYWg0BFBz8NQBwYRYBIV3sTSQHwfaO5f7qgj+I', 1); \
        INSERT INTO session VALUES ('x', 7, 1, 2); \
        INSERT INTO audit VALUES (1, '{}', 'RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o')";
    let folder = as_of(1, &database, rows);
    let world = goes_on(folder, database);
    assert_eq!(world.state_of(ERIKA), "active");
    assert_eq!(refused_login(&world, ERIKA, "wrong-password"), code("login_failed"));
    let computer = world.log_in(ERIKA, "altes-Passwort-1");
    assert_eq!(world.count("SELECT COUNT(*) FROM password WHERE pepper IS NULL"), 0, "under a pepper now");
    computer.register(&mut card(ERIKA)).unwrap();
    approve(&computer, &computer.apply(&new_address()));
    world.log_in(ERIKA, "altes-Passwort-1");
}

/// Those that were suspended when nothing said what they were before, with a password and without one.
#[test]
fn who_was_suspended_by_an_earlier_version_is_resumed() {
    let database = TestDatabase::new();
    let account = |id: u8, kvnr: &str| {
        format!(
            "INSERT INTO account (account_id, kvnr, given_name, family_name, birth_date, address, membership_start, created, \
             state) VALUES ({id}, '{kvnr}', 'E', 'M', '1964-08-12', '{{}}', '2020-01-01', 1, 'suspended'); "
        )
    };
    let password = "INSERT INTO password (account_id, password_id, phc, changed) VALUES (1, 'p', '$2y$x', 1)";
    let folder = as_of(12, &database, &(account(1, ERIKA) + &account(2, MAX) + password));
    let world = goes_on(folder, database);
    for (person, state) in [(ERIKA, "active"), (MAX, "registered")] {
        world.resume(person).unwrap();
        assert_eq!(world.state_of(person), state);
    }
}

/// One that was bound when nobody could show where its key lies.
#[test]
fn a_device_of_an_earlier_version_counts_as_one_with_a_key_in_software() {
    let database = TestDatabase::new();
    let rows = "INSERT INTO account (account_id, kvnr, given_name, family_name, birth_date, address, membership_start, created, \
        state) VALUES (1, 'A123456780', 'E', 'M', '1964-08-12', '{}', '2020-01-01', 1, 'active'); \
        INSERT INTO device (device_id, account_id, state, name, method, binding_level, jkt, jwk, transport_jwk, \
        key_identifier, active_from, evidence, expires_at) \
        VALUES ('d', 1, 'active', 'n', 'card', 'B3', 'j', '{}', '{}', 'k', 1, '{}', 9999999999)";
    let folder = as_of(21, &database, rows);
    let world = goes_on(folder, database);
    assert_eq!(world.column("SELECT key_class FROM device"), ["swk"]);
    assert_eq!(world.count("SELECT waits FROM device"), 0, "the card has bound it");
}

/// From when letters alone had codes.
#[test]
fn a_code_of_a_letter_of_an_earlier_version_registers_a_computer() {
    let database = TestDatabase::new();
    let letters = LetterCode::random("https://konto.example", &mut rng()).unwrap();
    let jwk = P256Jwk::from(*letters.key().unwrap().verifying_key());
    let jwk = serde_json::to_string(&jwk).unwrap();
    let (id, now) = (letters.id(), NOW.unix_timestamp());
    let rows = format!(
        "INSERT INTO account (account_id, kvnr, given_name, family_name, birth_date, address, membership_start, created, \
         state) VALUES (1, 'A123456780', 'E', 'M', '1964-08-12', '{{}}', '2020-01-01', 1, 'active'); \
         INSERT INTO letter (letter_id, account_id, kind, requested_by, state, created, done) \
         VALUES ('l', 1, 'device_code', 'operator', 'created', {now}, {now}); \
         INSERT INTO device_code VALUES ('l', 1, '{id}', '{jwk}', 'valid', 2, {now}, {now} + 7776000)"
    );
    let folder = as_of(27, &database, &rows);
    let world = goes_on(folder, database);
    assert_eq!(world.column("SELECT code_id FROM device_code WHERE letter_id = 'l' AND session_id IS NULL"), ["l"]);
    assert_eq!(world.count("SELECT failures FROM device_code"), 2);
    let computer = world.log_in_with_card("computer");
    let device = computer.register_with(&letters).unwrap();
    assert_eq!((device.binding_level, device.state.as_str()), (BindingLevel::B1, "pending_wait"));
    assert_eq!(world.column("SELECT state FROM device_code"), ["used"]);
}
