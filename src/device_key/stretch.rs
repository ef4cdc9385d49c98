//! What makes a guess of the PIN expensive, before anything is sent or tried.

use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use sha2::Sha512;
use zeroize::Zeroizing;

use super::DeviceKeyError;
use crate::secret::{DevicePin, SecretBytes};

/// Argon2id with 64 MiB and three passes (RFC 9106). No parameter is taken from the file.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
/// Context of the key derivation of files of version 1.
const CONTEXT_ALONE: &[u8] = b"kartenbund/file/v1\0";

/// Argon2id(PIN) ‖ 00 ‖ key identifier: the input of the share's function.
pub(super) fn stretched(
    pin: &DevicePin,
    salt: &[u8; 16],
    key_identifier: &[u8; 32],
) -> Result<Zeroizing<Vec<u8>>, DeviceKeyError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(|_| DeviceKeyError::Memory)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let stretched = SecretBytes::<32>::filled(|out| {
        argon2.hash_password_into(pin.expose(), salt, out).map_err(|_| DeviceKeyError::Memory)
    })?;
    Ok(Zeroizing::new([stretched.expose().as_slice(), &[0], key_identifier].concat()))
}

/// The key of a file of version 1: HKDF-SHA-512 over the same.
pub(super) fn alone(
    pin: &DevicePin,
    salt: &[u8; 16],
    key_identifier: &[u8; 32],
) -> Result<SecretBytes<32>, DeviceKeyError> {
    let input = stretched(pin, salt, key_identifier)?;
    SecretBytes::filled(|out| {
        Hkdf::<Sha512>::new(Some(salt), &input).expand(CONTEXT_ALONE, out).map_err(|_| DeviceKeyError::Memory)
    })
}
