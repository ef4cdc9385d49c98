//! The key file: public parts readable, the device key encrypted under the device PIN.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use p256::elliptic_curve::Generate as _;
use serde::{Deserialize, Serialize};
use sha2::Sha512;
use zeroize::Zeroizing;

use super::{Blinded, DeviceKeyError, Evaluated, OpenKey, PinAnswer};
use crate::jose::{P256Jwk, base64url, json};
use crate::secret::{DevicePin, SecretBytes};

/// Version of the file format; also part of the key derivation.
const VERSION: u32 = 1;
/// Argon2id with 64 MiB and three passes (RFC 9106). No parameter is taken from the file.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
/// Context of the key derivation; the last byte says that no secret of a key ring is in it.
const CONTEXT: &[u8] = b"kartenbund/file/v1\0";

/// The key file. Reading it needs no PIN and gives nothing to decide with.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    v: u32,
    /// The service the device belongs to.
    pub service: String,
    /// Names the key in gematik's pairing data.
    #[serde(with = "base64url")]
    pub key_identifier: [u8; 32],
    /// Public device key.
    pub public_key: P256Jwk,
    /// The key that lists and watches approvals. It decides nothing, and is readable for this account's user.
    transport_key: TransportKey,
    #[serde(with = "base64url")]
    salt: [u8; 16],
    #[serde(with = "base64url")]
    nonce: [u8; 12],
    #[serde(with = "base64url")]
    encrypted_key: Vec<u8>,
}

/// Private scalar of the transport key.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct TransportKey(#[serde(with = "base64url")] Zeroizing<Vec<u8>>);

impl std::fmt::Debug for TransportKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A device key just made, still open, and what the file needs to hold it.
#[derive(Debug)]
pub struct NewKey {
    /// The device key.
    pub key: OpenKey,
    /// Names it in gematik's pairing data: 32 random bytes.
    pub key_identifier: [u8; 32],
    /// Public part of the transport key.
    pub transport_key: P256Jwk,
    transport_secret: Zeroizing<Vec<u8>>,
    encryption_key: SecretBytes<32>,
    salt: [u8; 16],
    nonce: [u8; 12],
}

impl NewKey {
    /// Makes device key and transport key and stretches the PIN, once.
    ///
    /// # Errors
    /// [`DeviceKeyError::Memory`].
    pub fn make(pin: &DevicePin, rng: &mut dyn rand_core::CryptoRng) -> Result<Self, DeviceKeyError> {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        let mut nonce = [0; 12];
        rng.fill_bytes(&mut nonce);
        let mut key_identifier = [0; 32];
        rng.fill_bytes(&mut key_identifier);
        let transport = p256::SecretKey::generate_from_rng(rng);
        Ok(Self {
            key: OpenKey::new(p256::SecretKey::generate_from_rng(rng)),
            key_identifier,
            transport_key: P256Jwk::from(p256::ecdsa::VerifyingKey::from(transport.public_key())),
            transport_secret: Zeroizing::new(transport.to_bytes().to_vec()),
            encryption_key: encryption_key(pin, &salt, &key_identifier)?,
            salt,
            nonce,
        })
    }

    /// The file for a service, with the key encrypted under the PIN.
    ///
    /// # Errors
    /// [`DeviceKeyError::Malformed`] when the key does not encrypt: it never happens.
    pub fn to_file(&self, service: &str) -> Result<KeyFile, DeviceKeyError> {
        let secret = Zeroizing::new(self.key.key.to_bytes());
        let aad = associated_data(service, &self.key.public, &self.key_identifier)?;
        let encrypted_key = Aes256Gcm::new(self.encryption_key.expose().into())
            .encrypt(&Nonce::from(self.nonce), Payload { msg: secret.as_slice(), aad: &aad })
            .map_err(|_| DeviceKeyError::Malformed)?;
        Ok(KeyFile {
            v: VERSION,
            service: service.to_owned(),
            key_identifier: self.key_identifier,
            public_key: self.key.public.clone(),
            transport_key: TransportKey(self.transport_secret.clone()),
            salt: self.salt,
            nonce: self.nonce,
            encrypted_key,
        })
    }
}

impl KeyFile {
    /// The locked key in it.
    pub fn lock(&self) -> LockedKey<'_> {
        LockedKey(self)
    }
}

/// The device key, locked by the PIN.
#[derive(Debug)]
pub struct LockedKey<'a>(&'a KeyFile);

/// A key that is being opened, between the two steps.
#[derive(Debug)]
pub struct Pending<'a> {
    file: &'a KeyFile,
    encryption_key: SecretBytes<32>,
}

impl<'a> LockedKey<'a> {
    /// First step: stretches the PIN, and says what is to be sent to the service.
    ///
    /// # Errors
    /// [`DeviceKeyError::Malformed`] for a file of another version, [`DeviceKeyError::Memory`].
    pub fn begin(self, pin: &DevicePin) -> Result<(Pending<'a>, Blinded), DeviceKeyError> {
        let Self(file) = self;
        if file.v != VERSION {
            return Err(DeviceKeyError::Malformed);
        }
        let encryption_key = encryption_key(pin, &file.salt, &file.key_identifier)?;
        Ok((Pending { file, encryption_key }, Blinded::Nothing))
    }
}

impl Pending<'_> {
    /// Second step: opens the key with the service's answer.
    ///
    /// # Errors
    /// [`DeviceKeyError::OtherKey`] when the file was tampered with by someone who knows the PIN.
    pub fn finish(self, evaluated: Evaluated) -> Result<PinAnswer, DeviceKeyError> {
        let Evaluated::Nothing = evaluated;
        let file = self.file;
        let aad = associated_data(&file.service, &file.public_key, &file.key_identifier)?;
        let decrypted = Aes256Gcm::new(self.encryption_key.expose().into())
            .decrypt(&Nonce::from(file.nonce), Payload { msg: &file.encrypted_key, aad: &aad });
        let Ok(secret) = decrypted.map(Zeroizing::new) else { return Ok(PinAnswer::Wrong) };
        let key = p256::SecretKey::from_slice(&secret).map_err(|_| DeviceKeyError::OtherKey)?;
        let open = OpenKey::new(key);
        if open.public == file.public_key { Ok(PinAnswer::Open(open)) } else { Err(DeviceKeyError::OtherKey) }
    }
}

/// HKDF-SHA-512 over Argon2id(PIN) ‖ 00 ‖ key_identifier.
fn encryption_key(
    pin: &DevicePin,
    salt: &[u8; 16],
    key_identifier: &[u8; 32],
) -> Result<SecretBytes<32>, DeviceKeyError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(|_| DeviceKeyError::Memory)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let stretched = SecretBytes::<32>::filled(|out| {
        argon2.hash_password_into(pin.expose(), salt, out).map_err(|_| DeviceKeyError::Memory)
    })?;
    let input = Zeroizing::new([stretched.expose().as_slice(), &[0], key_identifier].concat());
    SecretBytes::filled(|out| {
        Hkdf::<Sha512>::new(Some(salt), &input).expand(CONTEXT, out).map_err(|_| DeviceKeyError::Memory)
    })
}

/// What the encryption covers beside the key: swapping a public part in the file makes the PIN fail.
fn associated_data(service: &str, public_key: &P256Jwk, key_identifier: &[u8; 32]) -> Result<Vec<u8>, DeviceKeyError> {
    let parts = (VERSION, service, public_key.thumbprint(), base64url::encode(key_identifier));
    json::canonical(&parts).map_err(|_| DeviceKeyError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretText;

    fn pin(digits: &str) -> DevicePin {
        DevicePin::parse(&SecretText::new(digits.to_owned())).unwrap()
    }

    fn open(file: &KeyFile, digits: &str) -> Result<PinAnswer, DeviceKeyError> {
        let (pending, Blinded::Nothing) = file.lock().begin(&pin(digits)).unwrap();
        pending.finish(Evaluated::Nothing)
    }

    fn copy(file: &KeyFile) -> KeyFile {
        serde_json::from_slice(&serde_json::to_vec(file).unwrap()).unwrap()
    }

    fn device() -> (NewKey, KeyFile) {
        let new = NewKey::make(&pin("271828"), &mut rand_core::UnwrapErr(getrandom::SysRng)).unwrap();
        let file = new.to_file("https://kasse.example").unwrap();
        (new, copy(&file))
    }

    #[test]
    fn the_right_pin_opens_the_key_and_a_wrong_one_does_not() {
        let (new, file) = device();
        let Ok(PinAnswer::Open(key)) = open(&file, "271828") else { panic!("the right PIN must open the key") };
        assert_eq!(key.public(), new.key.public());
        assert!(matches!(open(&file, "271829"), Ok(PinAnswer::Wrong)));
    }

    #[test]
    fn a_file_whose_public_parts_were_swapped_does_not_open() {
        let (_, file) = device();
        let (other, _) = device();
        for swap in [
            |file: &mut KeyFile, _: &NewKey| file.service = "https://stranger.example".to_owned(),
            |file: &mut KeyFile, other: &NewKey| file.public_key = other.key.public().clone(),
            |file: &mut KeyFile, other: &NewKey| file.key_identifier = other.key_identifier,
            |file: &mut KeyFile, _: &NewKey| file.encrypted_key[0] ^= 1,
        ] {
            let mut swapped = copy(&file);
            swap(&mut swapped, &other);
            assert!(matches!(open(&swapped, "271828"), Ok(PinAnswer::Wrong)));
        }
    }

    #[test]
    fn a_file_that_names_another_key_is_noticed_even_when_it_was_made_with_the_right_pin() {
        let (mut new, _) = device();
        let (other, _) = device();
        new.key.public = other.key.public.clone();
        let file = new.to_file("https://kasse.example").unwrap();
        assert!(matches!(open(&file, "271828"), Err(DeviceKeyError::OtherKey)));
    }

    #[test]
    fn a_file_of_another_version_does_not_open() {
        let (_, mut file) = device();
        file.v = 2;
        assert!(matches!(file.lock().begin(&pin("271828")), Err(DeviceKeyError::Malformed)));
    }

    #[test]
    fn the_device_key_is_not_in_the_file_in_clear() {
        let (new, file) = device();
        let secret = base64url::encode(&new.key.key.to_bytes());
        let text = serde_json::to_string(&file).unwrap();
        assert!(!text.contains(&secret));
        assert!(!format!("{new:?} {file:?}").contains(&secret));
    }
}
