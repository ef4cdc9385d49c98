//! Registering a computer with the chip of the card, without its PIN.

use kartenbund::client::register::register_with_chip;
use kartenbund::pki::cvc::{CvcRoots, TestCvcRoots};
use kartenbund::protocol::evidence::Pinned;
use kartenbund::server::Rejected;

use super::common::chip::{chip_roots, number_of};
use super::*;

const DAY: i64 = 24 * 60 * 60;

fn with_chip(
    computer: &Computer,
    card: impl CardChannel,
) -> Result<(Script, kartenbund::protocol::api::DeviceAnswer), RegisterError> {
    // Nobody types the card PIN.
    let mut script = Script::typing(&[]);
    let device = computer.with(&mut script, |around| register_with_chip(&computer.here, card, &wish(), around))?;
    Ok((script, device))
}

fn refused(answer: Result<(Script, kartenbund::protocol::api::DeviceAnswer), RegisterError>) -> String {
    match answer {
        Err(RegisterError::Service(ServiceError::Refused { code, .. })) => code,
        other => panic!("{:?}", other.map(|(_, device)| device.state)),
    }
}

#[test]
fn the_chip_of_the_card_registers_a_computer_that_approves_an_address_a_day_later() {
    let world = World::with_chips();
    let mut card = card(ERIKA);
    world.give_card(ERIKA, &number_of(&mut card));
    let computer = world.log_in(ERIKA, PASSWORD);
    world.create_letters();
    let before = world.new_letters().len();
    let (script, device) = with_chip(&computer, &mut card).unwrap();
    assert!(script.tries_told.is_empty(), "no PIN was asked for");
    assert_eq!((device.binding_level, device.state.as_str()), (BindingLevel::B2, "pending_wait"));
    assert_eq!(device.active_from, world.clock.now() + DAY);
    assert_eq!(world.new_letters().len(), before + 1, "the owner is told by letter");

    let computer = relog(&world, &computer, DAY);
    assert_eq!(approve(&computer, &computer.apply(&new_address())).application.state, "executed");
    let accepted = computer.apply(&new_bank_account());
    let mut script = Script::with_code(&accepted.match_code);
    let bank =
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
    assert!(matches!(&bank, Err(ApproveError::Service(error)) if error.is_refused_with("level_too_low")), "{bank:?}");

    let bundle: Bundle = computer.here.service.get("/v1/evidence").unwrap();
    let key = &computer.here.profile.service_keys;
    let report = bundle.verify(&anchors_of(&[]), key);
    let links: Vec<_> = report.links.iter().map(|link| (link.name, link.rests_on)).collect();
    assert_eq!(links[0], (LinkName::ChipSignature, RestsOn::Service), "whose card it was is the word of the service");
    assert_eq!(report.findings.unwrap().devices[0].binding_level, BindingLevel::B2);
    // Whoever knows the root above the chip need not believe the service that it is genuine.
    let (none, roots, strange) = (anchors_of(&[]), chip_roots(), TestCvcRoots::default());
    let chip = |roots: &dyn CvcRoots| {
        let pinned = Pinned { anchors: &none, list_signers: &[], chip_roots: Some(roots), service_keys: key };
        let report = bundle.verify_with(&pinned);
        (report.links[0].result, report.links[0].rests_on, report.findings.is_some())
    };
    assert_eq!(chip(&roots), (LinkResult::Holds, RestsOn::ChipRoot, true));
    assert_eq!(chip(&strange), (LinkResult::Fails, RestsOn::ChipRoot, false));
    let bytes = serde_json::to_vec(&bundle).unwrap();
    assert_eq!(verifier::second_verifier(&[bytes], &[&ca()], key), [true]);
}

#[test]
fn where_the_register_knows_no_card_it_is_said_before_a_pin_is_made_for_nothing() {
    let world = World::with_chips();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    assert_eq!(refused(with_chip(&computer, card(ERIKA))), "card_number_unknown");
    assert_eq!(world.count("SELECT COUNT(*) FROM registration"), 0);
    // The register learns of a card, of another, and that there is none.
    let mut card = card(ERIKA);
    world.give_card(ERIKA, "80276001010000000001");
    assert_eq!(refused(with_chip(&computer, &mut card)), "other_card");
    world.give_card(ERIKA, "");
    assert_eq!(refused(with_chip(&computer, &mut card)), "card_number_unknown");
    world.give_card(ERIKA, &number_of(&mut card));
    world.import(&register_of(&[ERIKA])); // a file without that column changes nothing
    with_chip(&computer, &mut card).unwrap();
}

#[test]
fn another_persons_card_is_told_before_a_pin_is_made_for_nothing() {
    let world = World::with_chips();
    let mut other = card(MAX);
    world.give_card(ERIKA, &number_of(&mut other));
    let computer = world.log_in(ERIKA, PASSWORD);
    let refused = with_chip(&computer, &mut other).map(drop);
    assert!(matches!(refused, Err(RegisterError::Certificate(CardRefusal::OtherPerson))), "{refused:?}");
    assert_eq!(world.count("SELECT COUNT(*) FROM registration"), 0);
}

#[test]
fn a_card_without_contacts_shows_its_chip_once_its_access_number_was_typed() {
    let world = World::with_chips();
    let image = image_by(&ca(), &blueprint(ERIKA));
    world.give_card(ERIKA, &number_of(&mut VirtualCard::load(&image).unwrap()));
    let computer = world.log_in(ERIKA, PASSWORD);
    let card = VirtualCard::load_contactless(&image, &mut rng()).unwrap();
    let mut script = Script { cans: ["123123"].into(), ..Script::typing(&[]) };
    let device =
        computer.with(&mut script, |around| register_with_chip(&computer.here, card, &wish(), around)).unwrap();
    assert!(script.steps.contains(&Step::OpenContactless));
    assert_eq!(device.binding_level, BindingLevel::B2);
}

#[test]
fn a_number_that_is_none_is_a_row_that_is_not_taken() {
    let world = World::new();
    let register = register_of(&[ERIKA]);
    let (header, row) = register.trim_end().split_once('\n').unwrap();
    for number in ["8027600101000000000", "802760010100000000012", "8027600101000000000A", "８０２７６００１０１"]
    {
        let imported = world.import_report(&format!("{header},iccsn\n{row},{number}\n"));
        assert_eq!(imported.rejected, [(2, Rejected::Iccsn)], "{number}");
    }
}
