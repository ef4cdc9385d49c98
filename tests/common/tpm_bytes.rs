//! The structures of a TPM as bytes (TPM 2.0 Library, part 2), written down from the specification.
#![allow(dead_code, unreachable_pub)]

use p256::ecdsa::VerifyingKey;
use sha2::{Digest as _, Sha256};

/// `TPMT_PUBLIC` of a key that signs, with these attributes.
pub fn public_area(key: &VerifyingKey, attributes: u32) -> Vec<u8> {
    let point = key.to_sec1_point(false);
    let head = [0x00, 0x23, 0x00, 0x0B].into_iter().chain(attributes.to_be_bytes());
    let parameters = [0, 0, 0x00, 0x10, 0x00, 0x18, 0x00, 0x0B, 0x00, 0x03, 0x00, 0x10];
    head.chain(parameters).chain([0, 32]).chain(*point.x().unwrap()).chain([0, 32]).chain(*point.y().unwrap()).collect()
}

/// The name of an object with this public area.
pub fn name_of(public: &[u8]) -> Vec<u8> {
    [&[0x00, 0x0B], Sha256::digest(public).as_slice()].concat()
}

/// `TPMS_ATTEST` of TPM2_Certify.
pub fn certify_info(qualifying_data: &[u8], name: &[u8]) -> Vec<u8> {
    let sized = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let head = [0xFF, 0x54, 0x43, 0x47, 0x80, 0x17].as_slice();
    [head, &sized(&[7; 34]), &sized(qualifying_data), &[1; 25], &sized(name), &sized(&[9; 34])].concat()
}
