//! A device that the card binds anew: it is the same device, with its key and its PIN.

use kartenbund::client::rebind::{RebindError, rebind, reminder};
use kartenbund::protocol::api::DeviceAnswer;

use super::common::line::{Cut, Liar};
use super::common::verifier::second_verifier;
use super::*;

const DAY: i64 = 24 * 60 * 60;

fn rebound(computer: &Computer, card: impl CardChannel) -> Result<DeviceAnswer, RebindError> {
    rebound_as(computer, card, &mut Script::default())
}

fn rebound_as(computer: &Computer, card: impl CardChannel, script: &mut Script) -> Result<DeviceAnswer, RebindError> {
    computer.with(script, |around| rebind(&computer.here, card, ApduLength::Extended, around))
}

/// Half a year later, when her device's time is over, she logs in again.
fn half_a_year_later(world: &World, computer: &Computer) -> Computer {
    world.clock.advance(183 * DAY);
    let computer = world.try_log_in(computer.here.home.folder(), ERIKA, PASSWORD).unwrap();
    world.wait_until("it has expired", || computer.devices()[0].state == "expired");
    computer
}

/// The bundle holds, as both verifiers say; gives it.
fn holds(computer: &Computer, id: Option<String>) -> Bundle {
    let path = id.map_or_else(|| "/v1/evidence".to_owned(), |id| format!("/v1/evidence/{id}"));
    let bundle: Bundle = computer.here.service.get(&path).unwrap();
    let key = &computer.here.profile.service_key;
    let report = bundle.verify(&anchors_of(&[&ca()]), Some(key));
    assert!(report.findings.is_some(), "{:?}", report.links);
    assert_eq!(second_verifier(&[serde_json::to_vec(&bundle).unwrap()], &[&ca()], Some(key)), [true]);
    bundle
}

#[test]
fn an_expired_device_is_bound_anew_and_approves_again() {
    let world = World::new();
    let computer = world.registered(ERIKA);
    let before = computer.devices().remove(0);
    let first = computer.apply(&new_address());
    approve(&computer, &first);
    let computer = half_a_year_later(&world, &computer);
    let device = rebound(&computer, &mut card(ERIKA)).unwrap();
    assert_eq!((device.device_id, device.jkt, &device.name), (before.device_id, before.jkt, &before.name));
    assert_eq!((device.state.as_str(), device.binding_level), ("active", BindingLevel::B3));
    assert_eq!((device.active_from, device.expires_at), (before.active_from, world.clock.now() + 183 * DAY));
    assert_eq!(computer.devices().len(), 1);
    assert_eq!((world.audited("device.bound"), world.audited("device.rebound")), (1, 1));
    let second = computer.apply(&new_contact());
    assert_eq!(approve(&computer, &second).application.state, "executed");

    // What was decided before rests on the card's first signature, and what was decided since on its second.
    let [old, new] = [&first, &second].map(|it| holds(&computer, Some(it.approval_id.to_string())).devices.remove(0));
    assert_ne!(old.binding.registration_id, new.binding.registration_id);
    assert_eq!(holds(&computer, Some(device.device_id.to_string())).devices[0].binding.pop, new.binding.pop);
    let devices = holds(&computer, None).devices;
    let decided = |n: usize| devices[n].approvals.iter().map(|it| it.approval_id).collect::<Vec<_>>();
    assert_eq!((devices.len(), decided(0), decided(1)), (2, vec![first.approval_id], vec![second.approval_id]));
    assert_eq!((&devices[0].binding.pop, &devices[1].binding.pop), (&old.binding.pop, &new.binding.pop));
    assert_eq!(world.verify_audit(&[]).unwrap().receipts, 4);
}
