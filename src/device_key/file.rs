//! The key file: public parts readable, the device key encrypted under what device PIN and the service's share give; or
//! wrapped by a TPM, which opens it for a value made of the same.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use p256::elliptic_curve::Generate as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};
use zeroize::Zeroizing;

use super::stretch::{alone, stretched};
use super::tpm::{AuthValue, Tpm, TpmError, WrappedKey};
use super::{Blinded, DeviceKeyError, DeviceSecret, Evaluated, OpenKey, PinAnswer, Place};
use crate::jose::{P256Jwk, base64url, json};
use crate::secret::{DevicePin, SecretBytes};
use crate::voprf::{Blinding, Element, Evaluation};

/// Version of the file format. In version 1 the PIN was checked on the computer alone.
const VERSION: u32 = 2;
const ALONE: u32 = 1;
/// Version of a file whose key lies in a TPM.
const IN_TPM: u32 = 3;
/// Context of the key derivation; a byte behind it says whether a secret of a key ring is in it.
const CONTEXT: &[u8] = b"kartenbund/file/v1";
/// The same for what opens a key in a TPM; the hash of the public parts behind it.
const TPM_CONTEXT: &[u8] = b"kartenbund/tpm/v1";

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
    /// The key that asks the service for its share in the PIN, and that lists and watches approvals. It decides
    /// nothing, and is readable for this account's user.
    transport_key: TransportKey,
    /// Public key of the service's share in the PIN; none in version 1.
    #[serde(default)]
    voprf_pk: Option<Element>,
    /// Whether a secret in the key ring is needed, too.
    #[serde(default)]
    has_secret: bool,
    #[serde(with = "base64url")]
    salt: [u8; 16],
    /// Of the encryption; of no use in version 3.
    #[serde(with = "base64url")]
    nonce: [u8; 12],
    /// The key; empty in version 3.
    #[serde(with = "base64url")]
    encrypted_key: Vec<u8>,
    /// The key in version 3: of use in the TPM that has made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrapped_key: Option<WrappedKey>,
}

/// Private scalar of the transport key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct TransportKey(#[serde(with = "base64url")] Zeroizing<Vec<u8>>);

impl std::fmt::Debug for TransportKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A device key just made, still open, and what the file needs beside its lock.
#[derive(Debug)]
pub struct NewKey {
    /// The device key.
    pub key: OpenKey,
    /// Names it in gematik's pairing data: 32 random bytes.
    pub key_identifier: [u8; 32],
    /// Public part of the transport key.
    pub transport_key: P256Jwk,
    transport_secret: TransportKey,
}

impl NewKey {
    /// Makes device key and transport key.
    pub fn make(rng: &mut dyn rand_core::CryptoRng) -> Self {
        Self::with(OpenKey::in_memory(p256::SecretKey::generate_from_rng(rng)), rng)
    }

    /// Makes the device key in the TPM that `tcti` names, and the transport key.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn make_in_tpm(tcti: &str, rng: &mut dyn rand_core::CryptoRng) -> Result<Self, TpmError> {
        Ok(Self::with(OpenKey::made_in(tcti, rng)?, rng))
    }

    fn with(key: OpenKey, rng: &mut dyn rand_core::CryptoRng) -> Self {
        let mut key_identifier = [0; 32];
        rng.fill_bytes(&mut key_identifier);
        let transport = p256::SecretKey::generate_from_rng(rng);
        Self {
            key,
            key_identifier,
            transport_key: P256Jwk::from(p256::ecdsa::VerifyingKey::from(transport.public_key())),
            transport_secret: TransportKey(Zeroizing::new(transport.to_bytes().to_vec())),
        }
    }

    /// The file for a service, with the key encrypted under `lock`; where it lies in a TPM, wrapped there for what `lock`
    /// gives. What was wrapped before can be opened as before.
    ///
    /// # Errors
    /// [`DeviceKeyError::Malformed`] when the key does not encrypt: it never happens. [`DeviceKeyError::Tpm`].
    pub fn to_file(
        &self,
        service: &str,
        lock: &Lock,
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<KeyFile, DeviceKeyError> {
        let mut nonce = [0; 12];
        rng.fill_bytes(&mut nonce);
        let mut file = KeyFile {
            v: if self.key.is_in_tpm() { IN_TPM } else { VERSION },
            service: service.to_owned(),
            key_identifier: self.key_identifier,
            public_key: self.key.public.clone(),
            transport_key: self.transport_secret.clone(),
            voprf_pk: Some(lock.voprf_pk),
            has_secret: lock.has_secret,
            salt: lock.salt,
            nonce,
            encrypted_key: Vec::new(),
            wrapped_key: None,
        };
        match &self.key.place {
            Place::Memory(key) => file.encrypted_key = file.encrypt(key, &lock.encryption_key)?,
            Place::Tpm { tcti, wrapped, auth } => {
                let new = file.auth_value(&lock.encryption_key)?;
                file.wrapped_key = Some(Tpm::open(tcti)?.change_auth(wrapped, auth, &new)?);
            }
        }
        Ok(file)
    }
}

/// A PIN that was chosen, between the two steps of making it a lock.
#[derive(Debug)]
pub struct NewLock {
    salt: [u8; 16],
    blinding: Blinding,
}

/// What a key file is locked with: it opens with the PIN, the service's share, and the key ring's secret where there is
/// one.
#[derive(Debug)]
pub struct Lock {
    voprf_pk: Element,
    salt: [u8; 16],
    has_secret: bool,
    encryption_key: SecretBytes<32>,
}

impl NewLock {
    /// First step: stretches the PIN, once; gives what is sent to the service.
    ///
    /// # Errors
    /// [`DeviceKeyError::Memory`].
    pub fn begin(
        pin: &DevicePin,
        key_identifier: &[u8; 32],
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<(Self, Element), DeviceKeyError> {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        let (blinding, element) = Blinding::new(stretched(pin, &salt, key_identifier)?, rng)?;
        Ok((Self { salt, blinding }, element))
    }

    /// Second step: the lock, with the answer of the share that has this public key.
    ///
    /// # Errors
    /// [`DeviceKeyError::Evaluation`].
    pub fn finish(
        self,
        voprf_pk: Element,
        evaluation: &Evaluation,
        secret: Option<&DeviceSecret>,
    ) -> Result<Lock, DeviceKeyError> {
        let output = self.blinding.finish(&voprf_pk, evaluation)?;
        let encryption_key = encryption_key(&output, &self.salt, secret)?;
        Ok(Lock { voprf_pk, salt: self.salt, has_secret: secret.is_some(), encryption_key })
    }
}

impl KeyFile {
    /// The locked key in it. `secret` is what the key ring keeps for it, where the file says so; `tcti` names the TPM
    /// that has its key, where one has.
    pub fn lock<'a>(&'a self, secret: Option<DeviceSecret>, tcti: &'a str) -> LockedKey<'a> {
        LockedKey { file: self, secret, tcti }
    }

    /// Whether the key lies in a TPM.
    pub fn is_in_tpm(&self) -> bool {
        self.wrapped_key.is_some()
    }

    /// Public key of the service's share; `None` where the PIN was checked on the computer alone.
    pub fn voprf_pk(&self) -> Option<Element> {
        self.voprf_pk
    }

    /// Whether a secret in the key ring is needed to open it.
    pub fn has_secret(&self) -> bool {
        self.has_secret
    }

    /// The key that asks the service for its share.
    ///
    /// # Errors
    /// [`DeviceKeyError::Malformed`].
    pub fn transport_key(&self) -> Result<p256::ecdsa::SigningKey, DeviceKeyError> {
        p256::ecdsa::SigningKey::from_slice(&self.transport_key.0).map_err(|_| DeviceKeyError::Malformed)
    }

    /// The same file under another lock. `key` is the one in it.
    ///
    /// # Errors
    /// [`DeviceKeyError::OtherKey`].
    pub fn relocked(
        &self,
        key: OpenKey,
        lock: &Lock,
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<(Self, OpenKey), DeviceKeyError> {
        if key.public != self.public_key {
            return Err(DeviceKeyError::OtherKey);
        }
        let new = NewKey {
            key,
            key_identifier: self.key_identifier,
            transport_key: P256Jwk::from(*self.transport_key()?.verifying_key()),
            transport_secret: self.transport_key.clone(),
        };
        Ok((new.to_file(&self.service, lock, rng)?, new.key))
    }

    fn encrypt(
        &self,
        key: &p256::ecdsa::SigningKey,
        encryption_key: &SecretBytes<32>,
    ) -> Result<Vec<u8>, DeviceKeyError> {
        let secret = Zeroizing::new(key.to_bytes());
        let aad = self.associated_data()?;
        Aes256Gcm::new(encryption_key.expose().into())
            .encrypt(&Nonce::from(self.nonce), Payload { msg: secret.as_slice(), aad: &aad })
            .map_err(|_| DeviceKeyError::Malformed)
    }

    fn decrypt(&self, encryption_key: &SecretBytes<32>) -> Result<PinAnswer, DeviceKeyError> {
        let aad = self.associated_data()?;
        let decrypted = Aes256Gcm::new(encryption_key.expose().into())
            .decrypt(&Nonce::from(self.nonce), Payload { msg: &self.encrypted_key, aad: &aad });
        let Ok(secret) = decrypted.map(Zeroizing::new) else { return Ok(PinAnswer::Wrong) };
        let key = p256::SecretKey::from_slice(&secret).map_err(|_| DeviceKeyError::OtherKey)?;
        self.named(OpenKey::in_memory(key))
    }

    /// Opens the key in the TPM. A wrong value is answered there at once, and raises no counter of it.
    fn open_in_tpm(&self, tcti: &str, encryption_key: &SecretBytes<32>) -> Result<PinAnswer, DeviceKeyError> {
        let (auth, wrapped) = (self.auth_value(encryption_key)?, self.wrapped_key.clone());
        let wrapped = wrapped.ok_or(DeviceKeyError::Malformed)?;
        match Tpm::open(tcti)?.sign(&wrapped, &auth, TPM_CONTEXT) {
            Ok(_) => {}
            Err(TpmError::WrongAuth) => return Ok(PinAnswer::Wrong),
            Err(error) => return Err(error.into()),
        }
        let public = wrapped.public_key()?;
        self.named(OpenKey { place: Place::Tpm { tcti: tcti.to_owned(), wrapped, auth }, public })
    }

    fn named(&self, open: OpenKey) -> Result<PinAnswer, DeviceKeyError> {
        if open.public == self.public_key { Ok(PinAnswer::Open(open)) } else { Err(DeviceKeyError::OtherKey) }
    }

    /// What the TPM opens the key for: swapping a public part in the file makes the PIN fail here, too.
    fn auth_value(&self, encryption_key: &SecretBytes<32>) -> Result<AuthValue, DeviceKeyError> {
        let context = [TPM_CONTEXT, Sha256::digest(self.associated_data()?).as_slice()].concat();
        SecretBytes::filled(|out| {
            Hkdf::<Sha512>::new(None, encryption_key.expose()).expand(&context, out).map_err(|_| DeviceKeyError::Memory)
        })
    }

    /// What the encryption covers beside the key: swapping a public part in the file makes the PIN fail.
    fn associated_data(&self) -> Result<Vec<u8>, DeviceKeyError> {
        let (service, key) = (self.service.as_str(), self.public_key.thumbprint());
        let identifier = base64url::encode(&self.key_identifier);
        let bytes = match self.v {
            ALONE => json::canonical(&(self.v, service, key, identifier)),
            _ => json::canonical(&(self.v, service, key, identifier, self.voprf_pk, self.has_secret)),
        };
        bytes.map_err(|_| DeviceKeyError::Malformed)
    }
}

/// The device key, locked.
#[derive(Debug)]
pub struct LockedKey<'a> {
    file: &'a KeyFile,
    secret: Option<DeviceSecret>,
    tcti: &'a str,
}

/// A key that is being opened, between the two steps.
#[derive(Debug)]
pub struct Pending<'a> {
    file: &'a KeyFile,
    tcti: &'a str,
    lock: PendingLock,
}

#[derive(Debug)]
enum PendingLock {
    /// Version 1: nothing is missing.
    Alone(SecretBytes<32>),
    Shared {
        voprf_pk: Element,
        blinding: Box<Blinding>,
        secret: Option<DeviceSecret>,
    },
}

impl<'a> LockedKey<'a> {
    /// First step: stretches the PIN, and says what is to be sent to the service.
    ///
    /// # Errors
    /// [`DeviceKeyError::Malformed`] for a file of another version, [`DeviceKeyError::NoSecret`],
    /// [`DeviceKeyError::Memory`]; [`DeviceKeyError::Tpm`] where the TPM with the key is not there, before a try is spent.
    pub fn begin(
        self,
        pin: &DevicePin,
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<(Pending<'a>, Blinded), DeviceKeyError> {
        let Self { file, secret, tcti } = self;
        match (file.v, file.voprf_pk, &file.wrapped_key) {
            (ALONE, None, None) if !file.has_secret => {
                let lock = PendingLock::Alone(alone(pin, &file.salt, &file.key_identifier)?);
                Ok((Pending { file, tcti, lock }, Blinded::Nothing))
            }
            (VERSION, Some(voprf_pk), None) | (IN_TPM, Some(voprf_pk), Some(_)) => {
                if file.has_secret != secret.is_some() {
                    return Err(DeviceKeyError::NoSecret);
                }
                if let Some(wrapped) = &file.wrapped_key {
                    Tpm::open(tcti)?.check(wrapped)?;
                }
                let (blinding, blinded) = Blinding::new(stretched(pin, &file.salt, &file.key_identifier)?, rng)?;
                let lock = PendingLock::Shared { voprf_pk, blinding: Box::new(blinding), secret };
                Ok((Pending { file, tcti, lock }, Blinded::Element { voprf_pk, blinded }))
            }
            _ => Err(DeviceKeyError::Malformed),
        }
    }
}

impl Pending<'_> {
    /// Second step: opens the key with the service's answer.
    ///
    /// # Errors
    /// [`DeviceKeyError::Evaluation`] when the answer is not by the service's share,
    /// [`DeviceKeyError::OtherKey`] when the file was tampered with by someone who knows the PIN.
    pub fn finish(self, evaluated: &Evaluated) -> Result<PinAnswer, DeviceKeyError> {
        let file = self.file;
        match (self.lock, evaluated) {
            (PendingLock::Alone(key), Evaluated::Nothing) => file.decrypt(&key),
            (PendingLock::Shared { voprf_pk, blinding, secret }, Evaluated::Element(evaluation)) => {
                let output = blinding.finish(&voprf_pk, evaluation)?;
                let key = encryption_key(&output, &file.salt, secret.as_ref())?;
                if file.is_in_tpm() { file.open_in_tpm(self.tcti, &key) } else { file.decrypt(&key) }
            }
            _ => Err(DeviceKeyError::Evaluation),
        }
    }
}

/// HKDF-SHA-512 over the share's value ‖ the key ring's secret, where there is one.
fn encryption_key(
    output: &SecretBytes<64>,
    salt: &[u8; 16],
    secret: Option<&DeviceSecret>,
) -> Result<SecretBytes<32>, DeviceKeyError> {
    let secret_bytes = secret.map_or(&[] as &[u8], |secret| secret.expose());
    let input = Zeroizing::new([output.expose().as_slice(), secret_bytes].concat());
    let context = [CONTEXT, &[u8::from(secret.is_some())]].concat();
    SecretBytes::filled(|out| {
        Hkdf::<Sha512>::new(Some(salt), &input).expand(&context, out).map_err(|_| DeviceKeyError::Memory)
    })
}

#[cfg(test)]
mod tests;
