//! Registering a computer with a code that another one shows on its screen.

use kartenbund::protocol::api::{DeviceAnswer, RevocationCodeAnswer};
use kartenbund::protocol::qr::ShownBy;

use super::letter_code::groups_in;
use super::notices::{EMAIL, reachable};
use super::*;

const DAY: i64 = 24 * 60 * 60;

/// What the device of this computer may approve, and what not.
fn approves_an_address_and_no_bank_account(computer: &Computer) {
    assert_eq!(approve(computer, &computer.apply(&new_address())).application.state, "executed");
    let accepted = computer.apply(&new_bank_account());
    let mut script = Script::with_code(&accepted.match_code);
    let refused =
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
    assert!(
        matches!(&refused, Err(ApproveError::Service(ServiceError::Refused { code, .. })) if code == "level_too_low"),
        "{refused:?}"
    );
}

/// Bytes of the evidence for this device, which holds, and where it says that the code was shown.
fn shown_by(computer: &Computer, device: &DeviceAnswer) -> Option<ShownBy> {
    let bundle: Bundle = computer.here.service.get(&format!("/v1/evidence/{}", device.device_id)).unwrap();
    let keys = &computer.here.profile.service_keys;
    let report = bundle.verify(&anchors_of(&[]), keys);
    let first = &report.links[0];
    assert_eq!((first.name, first.rests_on), (LinkName::CodeSignature, RestsOn::Service));
    let device = report.findings.unwrap().devices.remove(0);
    assert_eq!(device.binding_level, BindingLevel::B1);
    assert_eq!(verifier::second_verifier(&[serde_json::to_vec(&bundle).unwrap()], &[], keys), [true]);
    device.code_shown_by
}

#[test]
fn the_registered_computer_shows_a_code_and_the_new_one_approves_an_address_at_once() {
    let world = World::new();
    let old = world.logged_in_with_device();
    world.create_letters();
    let new = world.second_computer("laptop");
    let device = new.register_from_screen(&old.show_code().unwrap()).unwrap();
    assert_eq!((device.binding_level, device.state.as_str()), (BindingLevel::B1, "active"));
    assert_eq!(device.active_from, world.clock.now());
    approves_an_address_and_no_bank_account(&new);
    assert_eq!(shown_by(&new, &device), Some(ShownBy::Device));
    let audit = world.audit_entries().join("\n");
    for event in ["device_code.shown", "device.bound"] {
        assert!(audit.contains(event), "{event}");
    }
}

#[test]
fn who_logs_in_with_the_card_shows_a_code_to_a_computer_without_reader() {
    let world = World::new();
    let password = world.member(ERIKA);
    let with_reader = world.log_in_with_card("with-reader");
    let new = world.log_in(ERIKA, &password);
    // By hand: what is typed are the groups.
    let code = with_reader.show_code().unwrap();
    let device = new.register_with(&new.typed_code(code.groups().expose())).unwrap();
    assert_eq!((device.binding_level, device.state.as_str()), (BindingLevel::B1, "active"));
    approves_an_address_and_no_bank_account(&new);
    assert_eq!(shown_by(&new, &device), Some(ShownBy::Card));
}

/// What the owner sees of her only device once it was locked, and unlocked with the card.
fn locked_and_unlocked(with_card: &Computer) -> String {
    let device = with_card.devices().remove(0).device_id;
    for deed in ["lock", "unlock"] {
        with_card.here.service.command(Method::POST, &format!("/v1/devices/{device}/{deed}")).unwrap();
    }
    with_card.devices().remove(0).state
}

fn rebind(computer: &Computer) -> DeviceAnswer {
    let rebound = |around: &mut kartenbund::client::Surroundings<'_>| {
        kartenbund::client::rebind::rebind(&computer.here, &mut card(ERIKA), ApduLength::Extended, around)
    };
    computer.with(&mut Script::default(), rebound).unwrap()
}

/// A letter about something else that is not printed yet, from a day ago: one that holds up who waits.
fn a_day_after_a_letter_was_ordered(world: &World) {
    let elsewhere = world.log_in_with_card("elsewhere");
    let made = elsewhere.here.service.call::<_, RevocationCodeAnswer>(Method::POST, "/v1/revocation-code", &json!({}));
    made.unwrap();
    assert!(world.count("SELECT COUNT(*) FROM letter WHERE kind = 'notice' AND state = 'ordered'") > 0);
    world.stretch_sessions();
    world.clock.advance(DAY);
}

#[test]
fn a_computer_that_did_not_wait_does_not_wait_when_it_is_unlocked() {
    let world = World::new();
    let password = world.member(ERIKA);
    a_day_after_a_letter_was_ordered(&world);
    let (with_card, new) = (world.log_in_with_card("with-card"), world.log_in(ERIKA, &password));
    new.register_from_screen(&with_card.show_code().unwrap()).unwrap();
    assert_eq!(locked_and_unlocked(&with_card), "active");
    assert_eq!(world.column("SELECT code_shown_by FROM device"), ["card"]);
    // The card binds it itself: it rests on no code any more.
    assert_eq!(rebind(&new).binding_level, BindingLevel::B3);
    assert_eq!(world.count("SELECT COUNT(*) FROM device WHERE code_shown_by IS NULL"), 1);
}

#[test]
fn a_computer_that_waited_waits_no_more_once_the_card_has_bound_it() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    computer.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    world.create_letters();
    let computer = relog(&world, &computer, DAY);
    assert_eq!(computer.devices()[0].state, "active");
    a_day_after_a_letter_was_ordered(&world);
    let computer = relog(&world, &computer, 0);
    rebind(&computer);
    assert_eq!(locked_and_unlocked(&world.log_in_with_card("with-card")), "active");
}

#[test]
fn the_owner_is_told_by_email_and_by_letter_of_a_device_that_does_not_wait() {
    let world = World::new();
    reachable(&world, EMAIL);
    let with_reader = world.log_in_with_card("with-reader");
    world.create_letters();
    let code = with_reader.show_code().unwrap();
    let letters = world.new_letters().len();
    assert_eq!(letters, 0, "nobody is told of a code: it holds for ten minutes, and is of no use without the password");
    world.second_computer("laptop").register_from_screen(&code).unwrap();
    let told = world.new_letters();
    assert_eq!(told.len(), 1);
    let text = letter_code::said_by("pdftotext", &[told[0].to_str().unwrap(), "-"]);
    assert!(text.contains("Code vom Bildschirm") && text.contains("sofort"), "{text}");
}

#[test]
fn a_computer_of_a_letter_shows_a_code_and_the_new_one_waits_as_it_did() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    computer.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
    world.create_letters();
    let computer = relog(&world, &computer, DAY);
    assert_eq!(computer.devices()[0].state, "active");
    let old = world.log_in_with_device(&world.a_fortnight_later(&computer));
    let new = world.second_computer("laptop");
    let device = new.register_from_screen(&old.show_code().unwrap()).unwrap();
    assert_eq!((device.binding_level, device.state.as_str()), (BindingLevel::B1, "pending_wait"));
    assert_eq!(device.active_from, world.clock.now() + DAY);
    let new = relog(&world, &new, 2 * DAY);
    let state = |new: &Computer| new.devices().into_iter().find(|it| it.device_id == device.device_id).unwrap().state;
    assert_eq!(state(&new), "pending_wait", "as long as the letter is not printed that tells of it");
    let told = world.new_letters();
    assert!(told.iter().any(|letter| {
        letter_code::said_by("pdftotext", &[letter.to_str().unwrap(), "-"]).contains("ohne Ihre Karten-PIN")
    }));
    assert_eq!(state(&new), "active");
    assert_eq!(shown_by(&new, &device), Some(ShownBy::Device));
}

#[test]
fn what_an_added_computer_shows_makes_the_new_one_wait_too() {
    let world = World::new();
    let old = world.a_fortnight_later(&world.registered(ERIKA));
    let added = world.second_computer("added");
    world.add(&old, &added).new.unwrap();
    world.create_letters();
    let added = world.a_fortnight_later(&relog(&world, &added, DAY));
    assert!(added.devices().iter().all(|device| device.state == "active"), "it has waited itself");
    let added = world.log_in_with_device(&added);
    let new = world.second_computer("laptop");
    let device = new.register_from_screen(&added.show_code().unwrap()).unwrap();
    assert_eq!((device.binding_level, device.state.as_str()), (BindingLevel::B1, "pending_wait"));
}

#[test]
fn a_code_on_the_screen_and_one_of_a_letter_hold_beside_each_other() {
    let world = World::new();
    let old = world.logged_in_with_device();
    let letter = groups_in(&world.letter_with_code(ERIKA)).unwrap();
    let on_screen = old.show_code().unwrap();
    let (first, second) = (world.second_computer("first"), world.second_computer("second"));
    first.register_with(&first.typed_code(&letter)).unwrap();
    second.register_from_screen(&on_screen).unwrap();
    let states: Vec<_> = world.column("SELECT state FROM device_code");
    assert_eq!(states, ["used", "used"]);
}

#[test]
fn a_code_holds_for_ten_minutes_by_the_clock_of_the_service() {
    let world = World::new();
    let old = world.logged_in_with_device();
    let (code, until) =
        old.with(&mut Script::default(), |around| kartenbund::client::qr::draw(&old.here, around)).unwrap();
    assert_eq!(until, world.clock.now() + 600);
    world.clock.advance(599);
    world.second_computer("laptop").register_from_screen(&code).unwrap();
}

#[test]
fn the_secret_of_a_code_on_a_screen_never_leaves_the_computer() {
    let world = World::new();
    let old = world.logged_in_with_device();
    let code = old.show_code().unwrap();
    let text = code.text();
    let secret = text.expose().rsplit(':').nth(1).unwrap();
    assert_eq!(secret.len(), 26);
    let groups = code.groups();
    // Two together: five characters stand in a database by chance.
    let groups: Vec<_> =
        groups.expose().split(' ').skip(2).collect::<Vec<_>>().windows(2).map(|two| two.join(" ")).collect();
    let mut folders = vec![world.folder.path().to_owned()];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let bytes = std::fs::read(&entry).unwrap();
            let has = |part: &str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
            assert!(!has(secret) && !groups.iter().any(|group| has(group)), "{entry:?}");
            read += 1;
        }
    }
    assert!(read > 3, "the service's files and the computer's own were looked at");
    assert_eq!(world.column("SELECT jwk FROM device_code").iter().filter(|jwk| jwk.contains("\"d\"")).count(), 0);
}
