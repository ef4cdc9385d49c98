//! Identified elsewhere: the account opens without any letter.

use kartenbund::protocol::api::{DevicesAnswer, TokenAnswer};

use super::*;
use crate::common::provider::{self, ISSUER, Provider};

/// The person's program hands the statement in.
fn hand_in(world: &World, statement: &str) -> Computer {
    let person = world.stranger();
    let tokens: TokenAnswer = person.ask("/v1/ident", &json!({"statement": statement})).unwrap();
    assert!(tokens.must_change_password);
    person.holding(world, tokens)
}

#[test]
fn a_person_who_was_identified_elsewhere_chooses_a_password_at_once() {
    let provider = Provider::new();
    let world = World::trusting(vec![provider.trusted_as(ISSUER)]);
    world.import_report(&register_of(&[ERIKA]));
    let computer = hand_in(&world, &provider.state(&provider::claims(&world)));
    assert_eq!(world.column("SELECT state FROM account"), ["ident_pending"]);
    let anything_else = computer.here.service.get::<DevicesAnswer>("/v1/devices");
    assert_eq!(refusal(anything_else), "password_first");
    set_password(&computer, CHOSEN).unwrap();
    assert_eq!(world.column("SELECT state FROM account"), ["active"]);
    world.try_log_in(&world.folder.path().join("web"), ERIKA, CHOSEN).unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM letter"), 0, "no letter is sent");
}

#[test]
fn a_provider_that_changes_its_key_is_understood_with_both() {
    let (before, after) = (Provider::new(), Provider::new());
    let mut trusted = before.trusted_as(ISSUER);
    trusted.keys.push(after.jwk());
    let world = World::trusting(vec![trusted]);
    world.import_report(&register_of(&[ERIKA]));
    for (provider, jti) in [(&before, "1"), (&after, "2")] {
        let mut claims = provider::claims(&world);
        claims["jti"] = json!(jti);
        hand_in(&world, &provider.state(&claims));
    }
}
