//! A computer whose TPM shows the service that the device key is in it.

use kartenbund::client::approve::decide;
use kartenbund::client::rebind::rebind;
use kartenbund::device_key::tpm::Tpm;
use kartenbund::egk::ApduLength;
use kartenbund::pki::endorsement;
use kartenbund::protocol::approval::Verdict;
use kartenbund::protocol::attestation::{ActivatedKey, AttestationError, offer};
use kartenbund::protocol::evidence::Bundle;
use kartenbund::protocol::service::Receipt;
use kartenbund::virtual_card::personalise::MUSTERKASSE_IK;

use crate::chip::Chip;
use crate::common::tpm::Maker;
use crate::common::*;
use crate::computer::with_tpm;

const DAY: i64 = 24 * 60 * 60;

fn trusting(maker: &Maker) -> World {
    World::with_clients(&[], |settings| settings.tpm_roots = maker.roots())
}

/// The same service, and other makers that it knows.
fn trusting_now(world: World, maker: &Maker) -> World {
    world.restarted_in_place_with(|settings| {
        settings.payer_iks = vec![MUSTERKASSE_IK.parse().unwrap()];
        settings.anchors = Box::new(anchors_of(&[&ca()]));
        settings.tpm_roots = maker.roots();
    })
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
    let key = computer.here.profile.service_keys.clone();
    let receipt: Receipt = kartenbund::jose::jws::verify(&decided.unwrap().receipt, key[0].verifying_key()).unwrap();
    assert_eq!(receipt.amr, ["hwk", "pin"]);
    let bundle: Bundle = computer.here.service.get("/v1/evidence").unwrap();
    let report = bundle.verify(&anchors_of(&[&ca()]), &key);
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

/// Her device is bound before the insurer knows the maker of her TPM. Bound anew, its key counts as what it is, and the device
/// holds as long as the card; anew without her TPM's word it stays so.
#[test]
fn a_tpm_shows_itself_when_the_device_is_bound_anew_too() {
    let maker = Maker::new();
    let (world, chip) = (trusting(&Maker::new()), Chip::certified_by(&maker));
    let (computer, class) = registered(&world, &chip);
    assert_eq!(class, "swk");
    let before = computer.devices().remove(0);
    let bound_anew = |computer: &Computer| {
        let mut script = Script::default();
        computer.with(&mut script, |around| rebind(&computer.here, card(ERIKA), ApduLength::Extended, around)).unwrap()
    };

    let world = trusting_now(world, &maker);
    let device = bound_anew(&computer);
    assert_eq!((device.device_id, device.key_class.as_str()), (before.device_id, "hwk"));
    assert!(device.expires_at > before.expires_at, "as long as the card");
    let bundle: Bundle = computer.here.service.get("/v1/evidence").unwrap();
    let key = &computer.here.profile.service_keys;
    let report = bundle.verify(&anchors_of(&[&ca()]), key);
    assert!(report.findings.is_some(), "{:?}", report.links);
    let binding = &bundle.devices.last().unwrap().binding;
    let receipt: Receipt = kartenbund::jose::jws::verify(&binding.receipt, key[0].verifying_key()).unwrap();
    assert_eq!(receipt.amr, ["hwk"]);

    let _world = trusting_now(world, &Maker::new());
    assert_eq!(bound_anew(&computer).key_class, "hwk");
}

/// Whoever has given the endorsement hierarchy a value of his own does not tell it to programs.
#[test]
fn a_tpm_whose_endorsement_its_owner_has_closed_registers_as_before() {
    let maker = Maker::new();
    let (world, chip) = (trusting(&maker), Chip::certified_by(&maker));
    chip.close_endorsement();
    assert_eq!(registered(&world, &chip).1, "swk");
}

#[test]
fn a_credential_is_opened_by_the_tpm_with_that_endorsement_key_and_that_attestation_key_alone() {
    let maker = Maker::new();
    let (chip, other) = (Chip::certified_by(&maker), Chip::certified_by(&maker));
    let mut tpm = Tpm::open(&chip.tcti()).unwrap();
    let own = tpm.endorsement().unwrap().unwrap();
    let tpm_of = |certificate: &[u8]| endorsement::verify(certificate, &maker.roots(), NOW).unwrap();
    let made = |key: &[u8]| offer(&tpm_of(&own.certificate), key, &mut rng()).unwrap();
    // The x of the ephemeral key begins with zeros in one of 256: numbers are hashed in all their 32 bytes.
    let begins_with_zeros = || (0..10_000).map(|_| made(own.key.public())).find(|(it, _)| it.encrypted_secret[2] == 0);
    let begins_with_zeros = begins_with_zeros().unwrap();
    for (credential, kept) in (0..20).map(|_| made(own.key.public())).chain([begins_with_zeros]) {
        let secret = tpm.activate(&own.key, &credential.blob, &credential.encrypted_secret).unwrap();
        ActivatedKey::check(&kept, &secret).unwrap();
    }

    // One key that is there, and a credential for another; and the other TPM with both.
    let second = tpm.endorsement().unwrap().unwrap();
    assert_ne!(second.key.public(), own.key.public(), "nobody recognises it at another service");
    let (credential, _) = made(second.key.public());
    tpm.activate(&own.key, &credential.blob, &credential.encrypted_secret).unwrap_err();
    let mut elsewhere = Tpm::open(&other.tcti()).unwrap();
    let there = elsewhere.endorsement().unwrap().unwrap();
    elsewhere.activate(&second.key, &credential.blob, &credential.encrypted_secret).unwrap_err();
    let (credential, _) = made(there.key.public());
    elsewhere.activate(&there.key, &credential.blob, &credential.encrypted_secret).unwrap_err();
    tpm.activate(&second.key, &made(second.key.public()).0.blob, &credential.encrypted_secret).unwrap_err();
    // After every refusal it works as before.
    let (credential, kept) = made(second.key.public());
    let secret = tpm.activate(&second.key, &credential.blob, &credential.encrypted_secret).unwrap();
    ActivatedKey::check(&kept, &secret).unwrap();
    assert!(matches!(ActivatedKey::check(&kept, &[0; 32]), Err(AttestationError::Secret)));
}
