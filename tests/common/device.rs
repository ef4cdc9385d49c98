//! A device that is no program: its key is in the test's hands.

use kartenbund::jose::P256Jwk;
use kartenbund::protocol::pairing::{DeviceInformation, DeviceType};
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate as _;

use super::rng;

pub fn new_key() -> SigningKey {
    SigningKey::generate_from_rng(&mut rng())
}

pub fn jwk(key: &SigningKey) -> P256Jwk {
    P256Jwk::from(*key.verifying_key())
}

/// What it says of itself.
pub fn information() -> DeviceInformation {
    let text = |text: &str| text.to_owned();
    DeviceInformation {
        device_information_data_version: text("1.0"),
        name: text("Attacker"),
        device_type: DeviceType {
            device_type_data_version: text("1.0"),
            manufacturer: text("m"),
            product: text("p"),
            model: text("m"),
            os: text("o"),
            os_version: text("v"),
        },
    }
}
