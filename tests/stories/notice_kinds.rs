//! Everything a person is told of, caused from outside and sent through a real mail server.

use kartenbund::protocol::api::RevocationCodeAnswer;
use kartenbund::protocol::application::{Application, Contact};
use kartenbund::protocol::approval::MatchCode;
use kartenbund::protocol::qr::LetterCode;
use kartenbund::server::notice_kinds;

use super::common::mail::MailServer;
use super::common::thief::Thief;
use super::letter_code::groups_in;
use super::notices::{EMAIL, reachable, wait_until, world};
use super::*;

const DAY: i64 = 24 * 60 * 60;

/// Erika's computer, registered.
fn registered(world: &World) -> Computer {
    let computer = reachable(world, EMAIL);
    computer.register(&mut card(ERIKA)).unwrap();
    computer
}

/// Does what is told, and waits until all of it is sent.
fn tells(story: impl Fn(&World), kinds: &[&str]) {
    let mail = MailServer::new();
    let world = world(&mail);
    story(&world);
    for kind in kinds {
        wait_until(&world, &format!("kind = '{kind}' AND state = 'sent'"));
    }
}

macro_rules! stories {
    ($($story:ident tells $kinds:expr;)*) => {
        const TOLD: &[&[&str]] = &[$(&$kinds),*];
        $(#[test] fn $story() { tells(caused::$story, &$kinds); })*
    };
}

stories! {
    an_account_is_opened_and_closed_and_opened_again tells
        ["account_opened_by_card", "password_set", "password_changed", "password_reset_waiting", "account_closed", "account_reopened"];
    somebody_else_has_the_password tells
        ["login_from_new_client", "account_suspended", "account_resumed", "letter_ordered", "device_code_ordered", "password_voided"];
    two_have_the_tokens_of_a_session tells ["session_reused"];
    much_is_applied_for tells
        ["device_added", "approval_waiting", "address_changed", "bank_change_queued", "bank_change_cancelled",
         "bank_changed", "card_ordered", "match_code_denied", "contact_changed", "device_revoked"];
    an_application_is_not_hers tells ["not_me"];
    a_device_pin_is_guessed tells ["pin_wrong", "pin_used_up"];
    a_device_file_was_copied tells ["pin_unconfirmed"];
    a_device_is_locked_and_unlocked_and_everything_is_locked tells
        ["device_locked", "device_unlocked", "revocation_code_made", "revocation_code_used"];
    the_time_of_a_device_ends tells ["device_expires", "device_expired", "device_rebound"];
    a_card_is_lost tells ["cards_revoked"];
    a_screen_binds_a_device tells ["device_added_by_screen"];
    a_letter_binds_a_device_and_another_is_guessed tells ["device_added_without_pin", "device_code_voided"];
}

#[test]
fn nothing_is_told_that_no_story_causes() {
    let mut told = TOLD.concat();
    let mut kinds = notice_kinds();
    told.sort_unstable();
    kinds.sort_unstable();
    assert_eq!(told, kinds);
}

mod caused {
    use super::*;

    pub(super) fn an_account_is_opened_and_closed_and_opened_again(world: &World) {
        assert_eq!(world.import_report(&register_of(&[ERIKA])).imported, 1);
        world.sql(format!("UPDATE account SET email = '{EMAIL}'")).unwrap();
        let computer = card_login::log_in_as(world, "card", None, card(ERIKA), &mut Script::default()).unwrap();
        set_password(&computer, CHOSEN).unwrap();
        change_password(&computer, Some(CHOSEN), "regen bogen und drei Äpfel").unwrap();
        computer.register(&mut card(ERIKA)).unwrap();
        let asked = json!({"kvnr": ERIKA, "way": "device"});
        world.stranger().ask::<_, serde_json::Value>("/v1/password/reset", &asked).unwrap();
        wait_until(world, "kind = 'password_reset_waiting'");
        for (last, state) in [("2026-11-22", "closed"), ("", "active")] {
            let header = HEADER.trim_end().to_owned() + ",membership_end\n";
            let row = format!("{ERIKA},Erika,Mustermann,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,{last}\n");
            assert_eq!(world.import_report(&(header + &row)).changed, 1);
            world.clock.advance(32 * DAY);
            world.wait_until(state, || world.state_of(ERIKA) == state);
        }
    }

    pub(super) fn somebody_else_has_the_password(world: &World) {
        reachable(world, EMAIL);
        world.try_log_in(&world.folder.path().join("elsewhere"), ERIKA, PASSWORD).unwrap();
        world.suspend(ERIKA).unwrap();
        world.resume(ERIKA).unwrap();
        world.order_letter(ERIKA).map(drop).unwrap();
        world.order_device_code(ERIKA).map(drop).unwrap();
        world.report_stolen(ERIKA).unwrap();
    }

    pub(super) fn a_card_is_lost(world: &World) {
        registered(world);
        world.revoke_cards(ERIKA).unwrap();
    }

    pub(super) fn two_have_the_tokens_of_a_session(world: &World) {
        let computer = reachable(world, EMAIL);
        let copy = world.folder.path().join("thief");
        std::fs::create_dir(&copy).unwrap();
        for file in std::fs::read_dir(computer.here.home.folder()).unwrap().map(Result::unwrap) {
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
            }
        }
        for seconds in [300, 60] {
            world.clock.advance(seconds);
            computer.devices();
        }
        let thief = login::resume(Home::at(copy), world.clock.of_client());
        assert!(thief.is_err() || thief.unwrap().service.get::<serde_json::Value>("/v1/devices").is_err());
    }

    pub(super) fn much_is_applied_for(world: &World) {
        let computer = registered(world);
        approve(&computer, &computer.apply(&new_address()));
        let bank = computer.apply(&new_bank_account());
        approve(&computer, &bank);
        let path = format!("/v1/applications/{}", bank.application_id);
        computer.here.service.call::<_, ApplicationAnswer>(Method::DELETE, &path, &json!({})).unwrap();
        approve(&computer, &computer.apply(&new_bank_account()));
        approve(&computer, &computer.apply(&new_card()));
        let guessed = computer.apply(&new_address());
        let wrong = if String::from(guessed.match_code) == "11" { "12" } else { "11" };
        let wrong = MatchCode::try_from(wrong.to_owned()).unwrap();
        for _ in 0..3 {
            let mut script = Script::with_code(&wrong);
            let denied = computer
                .with(&mut script, |around| decide(&computer.here, guessed.approval_id, Verdict::Approve, around));
            assert!(denied.is_err());
        }
        let contact = Application::Contact(Contact { email: "erika.neu@person.example".to_owned() });
        approve(&computer, &computer.apply(&contact));
        let computer = relog(world, &computer, DAY);
        let device = computer.devices().remove(0);
        computer.by_card().remove(device.device_id).unwrap();
    }

    pub(super) fn an_application_is_not_hers(world: &World) {
        let computer = registered(world);
        let thief = world.try_log_in(&world.folder.path().join("thief"), ERIKA, PASSWORD).unwrap();
        let asked = thief.apply(&new_bank_account());
        let mut script = Script::default();
        computer.with(&mut script, |around| decide(&computer.here, asked.approval_id, Verdict::NotMe, around)).unwrap();
    }

    pub(super) fn a_device_pin_is_guessed(world: &World) {
        let thief = Thief::of(&registered(world));
        for (guesses, told) in [(3, "pin_wrong"), (2, "pin_used_up")] {
            for _ in 0..guesses {
                thief.spend().unwrap();
            }
            world.clock.advance(120);
            wait_until(world, &format!("kind = '{told}'"));
        }
    }

    pub(super) fn a_device_file_was_copied(world: &World) {
        let computer = registered(world);
        let thief = Thief::of(&computer);
        for _ in 0..5 {
            for _ in 0..2 {
                thief.spend().unwrap();
            }
            device_pin::open_with(&computer, DEVICE_PIN).unwrap();
        }
        world.clock.advance(120);
    }

    pub(super) fn a_device_is_locked_and_unlocked_and_everything_is_locked(world: &World) {
        let computer = registered(world);
        let device = computer.devices().remove(0).device_id;
        computer.here.service.command(Method::POST, &format!("/v1/devices/{device}/lock")).unwrap();
        let with_card = card_login::log_in_as(world, "card", None, card(ERIKA), &mut Script::default()).unwrap();
        with_card.here.service.command(Method::POST, &format!("/v1/devices/{device}/unlock")).unwrap();
        let made: RevocationCodeAnswer =
            computer.here.service.call(Method::POST, "/v1/revocation-code", &json!({})).unwrap();
        world.remote().submit(Method::POST, "/v1/emergency/revoke", &json!({"code": made.code.expose()})).unwrap();
    }

    pub(super) fn the_time_of_a_device_ends(world: &World) {
        let computer = registered(world);
        for (days, told) in [(183 - 14, "device_expires"), (14, "device_expired")] {
            world.clock.advance(days * DAY);
            wait_until(world, &format!("kind = '{told}'"));
        }
        let computer = world.try_log_in(computer.here.home.folder(), ERIKA, PASSWORD).unwrap();
        computer
            .with(&mut Script::default(), |around| {
                kartenbund::client::rebind::rebind(&computer.here, &mut card(ERIKA), ApduLength::Extended, around)
            })
            .unwrap();
    }

    pub(super) fn a_screen_binds_a_device(world: &World) {
        reachable(world, EMAIL);
        let code = world.log_in_with_card("with-reader").show_code().unwrap();
        world.second_computer("laptop").register_from_screen(&code).unwrap();
    }

    pub(super) fn a_letter_binds_a_device_and_another_is_guessed(world: &World) {
        let computer = reachable(world, EMAIL);
        computer.register_by_letter(&world.letter_with_code(ERIKA)).unwrap();
        let other = world.try_log_in(&world.folder.path().join("other"), ERIKA, PASSWORD).unwrap();
        assert!(groups_in(&world.letter_with_code(ERIKA)).is_some());
        // Somebody knows which code it is, and not its secret.
        let guessed = LetterCode::random(&world.address, &mut rng()).unwrap();
        let text = guessed.text();
        let id = text.expose().rsplit(':').nth(2).unwrap();
        assert_eq!(world.sql(format!("UPDATE device_code SET qr_id = '{id}' WHERE state = 'valid'")).unwrap(), 1);
        for _ in 0..5 {
            assert!(other.register_with(&guessed).is_err());
        }
    }
}
