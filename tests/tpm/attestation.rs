//! A computer whose TPM shows the service that the device key is in it.

use kartenbund::client::approve::decide;
use kartenbund::client::register::Wish;
use kartenbund::protocol::approval::Verdict;
use kartenbund::protocol::evidence::Bundle;
use kartenbund::protocol::service::Receipt;

use crate::chip::Chip;
use crate::common::tpm::Maker;
use crate::common::*;
use crate::computer::with_tpm;

const DAY: i64 = 24 * 60 * 60;

fn trusting(maker: &Maker) -> World {
    World::with_clients(&[], |settings| settings.tpm_roots = maker.roots())
}

fn registered(world: &World, chip: &Chip) -> (Computer, String) {
    let password = world.member(ERIKA);
    let computer = with_tpm(world.log_in(ERIKA, &password), &chip.tcti());
    let device = computer.register_as(&mut card(ERIKA), &mut Script::default(), &wish()).unwrap();
    assert!(computer.here.home.device().unwrap().key.is_in_tpm());
    (computer, device.key_class)
}

#[test]
fn a_computer_whose_tpm_is_of_a_known_maker_is_registered_with_a_key_in_hardware_for_as_long_as_the_card_holds() {
    let maker = Maker::new();
    let (world, chip) = (trusting(&maker), Chip::certified_by(&maker));
    let before = chip.lockout_counter();
    let (computer, class) = registered(&world, &chip);
    assert_eq!(class, "hwk");
    let device = computer.devices().remove(0);
    assert_eq!(device.key_class, "hwk");
    assert_eq!(chip.lockout_counter(), before);

    // Half a year and more later.
    world.clock.advance(200 * DAY);
    let computer = world.try_log_in(computer.here.home.folder(), ERIKA, PASSWORD).unwrap();
    let computer = with_tpm(computer, &chip.tcti());
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(computer.devices()[0].state, "active");
    let accepted = computer.apply(&new_bank_account());
    let mut script = Script::with_code(&accepted.match_code);
    let decided =
        computer.with(&mut script, |around| decide(&computer.here, accepted.approval_id, Verdict::Approve, around));
    let key = computer.here.profile.service_key.clone();
    let receipt: Receipt = kartenbund::jose::jws::verify(&decided.unwrap().receipt, key.verifying_key()).unwrap();
    assert_eq!(receipt.amr, ["hwk", "pin"]);
    let bundle: Bundle = computer.here.service.get("/v1/evidence").unwrap();
    let report = bundle.verify(&anchors_of(&[&ca()]), Some(&key));
    assert!(report.findings.is_some(), "{:?}", report.links);
}

#[test]
fn a_tpm_of_an_unknown_maker_or_without_certificate_registers_as_before() {
    let maker = Maker::new();
    for chip in [Chip::start(), Chip::certified_by(&Maker::new())] {
        let world = trusting(&maker);
        let (computer, class) = registered(&world, &chip);
        assert_eq!(class, "swk");
        assert!(computer.devices()[0].expires_at - world.clock.now() <= 183 * DAY);
    }
}

/// What a service gives is opened in the very TPM it was made for, however its numbers begin.
#[test]
fn a_credential_is_opened_every_time() {
    let maker = Maker::new();
    let (world, chip) = (trusting(&maker), Chip::certified_by(&maker));
    let (computer, _) = registered(&world, &chip);
    for _ in 0..5 {
        world.sql("UPDATE registration SET created = 0").unwrap();
        let again = computer.register_as(&mut card(ERIKA), &mut Script::default(), &Wish { replace: true, ..wish() });
        assert_eq!(again.unwrap().key_class, "hwk");
    }
}
