//! What is kept on this computer: profile, session, device file, receipts.

mod secrets;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::configuration::PinnedConfiguration;
use super::keyring::{self, KeyRingEntry, KeyRingError, NewEntry};
use super::session::{Session, SessionKey};
use crate::device_key::tpm::DEFAULT_TCTI;
use crate::device_key::{DeviceSecret, KeyFile};
use crate::disk;
use crate::identity::kvnr::{Ik, Kvnr};
use crate::jose::{P256Jwk, json};
use crate::protocol::api::DeviceAnswer;
use crate::protocol::service::{Configuration, ServiceKeySet};
use crate::protocol::{ApprovalId, DeviceId, NumericDate, RegistrationId};
use crate::secret::masked;

pub use secrets::{Place, Placed};

const MAX_FILE: usize = 64 * 1024;
const PROFILE: &str = "profile.json";
const PROFILE_LOCK: &str = "profile.lock";
const SESSION: &str = "session.json";
const DEVICE: &str = "device.json";
const PENDING: &str = "device.pending.json";
const REBINDING: &str = "device.rebinding.json";
const RECEIPTS: &str = "receipts";

/// Why the files of this computer cannot be used.
#[derive(Debug, Error)]
pub enum HomeError {
    /// The file system.
    #[error("a file cannot be read or written: {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file does not hold what this program wrote.
    #[error("a file is damaged: {path}")]
    Damaged {
        /// Which one.
        path: PathBuf,
    },
    /// The device file does not hold what this program wrote: its key is lost.
    #[error("the device file is damaged")]
    DeviceDamaged,
    /// Nobody has logged in on this computer.
    #[error("no profile")]
    NoProfile,
    /// The session has ended.
    #[error("no session")]
    NoSession,
    /// This computer is not registered.
    #[error("no device")]
    NoDevice,
    /// The secrets of the session are in the key ring of the desktop, and it cannot be used.
    #[error(transparent)]
    KeyRing(#[from] KeyRingError),
    /// The key ring keeps a part of the device key, and cannot be used.
    #[error("the key ring keeps a part of the device key and cannot be used")]
    DeviceSecret(#[source] KeyRingError),
}

/// Which service and account this computer belongs to.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The service's URL, and its name in all signed messages.
    pub service: String,
    /// The service's keys, pinned at the first login, and replaced by those that a configuration by one of them lists.
    #[serde(alias = "service_key", deserialize_with = "one_or_more")]
    pub service_keys: ServiceKeySet,
    /// Keys that the service has had before: for evidence, and for nothing that comes from it now.
    #[serde(default)]
    pub former_keys: Vec<P256Jwk>,
    /// When the configuration was signed that lists these keys. An older one, said again by somebody, changes nothing.
    #[serde(default)]
    pub keys_from: NumericDate,
    /// The insurer's name.
    pub insurer: String,
    /// Its telephone number, as it was at the last login; empty where it has none.
    #[serde(default)]
    pub hotline: String,
    /// Insurers whose cards the service accepts.
    pub payer_iks: Vec<Ik>,
    /// The account.
    pub kvnr: Kvnr,
}

impl Profile {
    /// Takes over the keys of a configuration; whether that changed anything.
    pub(super) fn take_up(&mut self, configuration: &PinnedConfiguration) -> bool {
        let configuration = configuration.get();
        let is_same = self.service_keys == configuration.service_keys && self.former_keys == configuration.former_keys;
        if is_same || configuration.iat < self.keys_from {
            return false;
        }
        self.pin(configuration);
        true
    }

    /// Takes over the keys that are pinned in another profile of the same service.
    pub(super) fn take_keys_of(&mut self, other: &Self) {
        self.service_keys = other.service_keys.clone();
        self.former_keys.clone_from(&other.former_keys);
        self.keys_from = other.keys_from;
    }

    /// Pins the keys of a configuration.
    pub(super) fn pin(&mut self, configuration: &Configuration) {
        self.service_keys = configuration.service_keys.clone();
        self.former_keys.clone_from(&configuration.former_keys);
        self.keys_from = configuration.iat;
    }
}

/// Programs before knew one key.
fn one_or_more<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<ServiceKeySet, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(P256Jwk),
        More(ServiceKeySet),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::One(key) => key.into(),
        Written::More(keys) => keys,
    })
}

/// The device file: the key of this computer, and how far its registration is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// How far the registration is.
    pub binding: Binding,
    /// The key.
    pub key: KeyFile,
    /// Where in the key ring the secret is that the key needs, too; `None` where it needs none.
    #[serde(default)]
    pub secret: Option<KeyRingEntry>,
    /// What the person calls it: a device that is registered in its place keeps the name.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether the list of approvals is shown after a fingerprint only.
    #[serde(default)]
    pub fingerprint: bool,
    /// When its time ends, as the service has said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<NumericDate>,
    /// From when on the person is reminded of that, as the service has said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_from: Option<NumericDate>,
}

impl Device {
    /// Takes over how long the service says that it holds.
    pub(super) fn set_time(&mut self, said: &DeviceAnswer) {
        (self.expires_at, self.remind_from) = (Some(said.expires_at), Some(said.remind_from));
    }
}

/// How far the registration of a device is.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum Binding {
    /// The evidence was sent and no answer has come yet.
    Pending {
        /// The registration.
        registration_id: RegistrationId,
        /// The proof of possession that was sent: a compact JWS. The receipt will be for it.
        pop: String,
        /// When it was sent, by the service's clock.
        sent_at: NumericDate,
    },
    /// The service has bound the device.
    Active {
        /// The device.
        device_id: DeviceId,
        /// The service's receipt: a compact JWS.
        receipt: String,
    },
}

masked!(Profile, Binding);

impl Device {
    /// The device, once the service has bound it.
    pub fn device_id(&self) -> Option<DeviceId> {
        match self.binding {
            Binding::Active { device_id, .. } => Some(device_id),
            Binding::Pending { .. } => None,
        }
    }
}

/// The folder of this computer's files. Each is written whole or not at all, for its owner only.
#[derive(Clone, Debug)]
pub struct Home {
    folder: PathBuf,
    uses_key_ring: bool,
    /// The TPM that new device keys are made in; and the one that has those that are there.
    uses_tpm: bool,
    tcti: String,
}

impl Home {
    /// The files in `folder`, which is made when the first of them is written.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder, uses_key_ring: false, uses_tpm: false, tcti: DEFAULT_TCTI.to_owned() }
    }

    /// The same with the key ring of the desktop for the secrets of the session, where there is one.
    pub fn using_key_ring(self) -> Self {
        Self { uses_key_ring: true, ..self }
    }

    /// The files in another folder, kept as these are.
    pub fn in_folder(&self, folder: PathBuf) -> Self {
        Self { folder, ..self.clone() }
    }

    /// Whether somebody has logged in.
    pub fn has_profile(&self) -> bool {
        self.folder.join(PROFILE).exists()
    }

    /// Whether the key ring of the desktop is to be used, where there is one.
    pub fn uses_key_ring(&self) -> bool {
        self.uses_key_ring
    }

    /// The same, with device keys in the TPM; `tcti` names another one than the computer's, as the TPM2 software stack
    /// writes it.
    #[must_use]
    pub fn using_tpm(self, is_for_new_keys: bool, tcti: Option<String>) -> Self {
        Self { uses_tpm: is_for_new_keys, tcti: tcti.unwrap_or(self.tcti), ..self }
    }

    /// Whether a new device key is made in the TPM.
    pub fn uses_tpm(&self) -> bool {
        self.uses_tpm
    }

    /// Names the TPM.
    pub fn tcti(&self) -> &str {
        &self.tcti
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The profile.
    ///
    /// # Errors
    /// [`HomeError::NoProfile`] before the first login.
    pub fn profile(&self) -> Result<Profile, HomeError> {
        self.read(PROFILE)?.ok_or(HomeError::NoProfile)
    }

    /// Keeps the profile.
    ///
    /// # Errors
    /// The file system.
    pub fn keep_profile(&self, profile: &Profile) -> Result<(), HomeError> {
        self.write(PROFILE, profile)
    }

    /// What is kept of the session; `None` before the first login, and where the file is damaged: a login makes a new
    /// one.
    ///
    /// # Errors
    /// The file system; [`HomeError::KeyRing`].
    pub fn session(&self) -> Result<Option<Session>, HomeError> {
        match self.secrets() {
            Err(HomeError::Damaged { .. }) => Ok(None),
            session => session,
        }
    }

    /// Whether somebody is logged in at `now`, as far as this computer knows.
    pub fn has_session(&self, now: NumericDate) -> bool {
        let session = self.session().ok().flatten();
        session.and_then(|session| session.tokens).is_some_and(|tokens| tokens.are_alive(now))
    }

    /// Makes ready for a login, and says where its secrets will be: the key is kept before anything is asked of the
    /// service, so that the same key can ask again where the answer gets lost, and before a password is used up for
    /// secrets that cannot be kept. A session that is open stays so.
    ///
    /// # Errors
    /// The file system; [`HomeError::KeyRing`], where there is a key ring that has to be opened first.
    pub fn prepare_session(&self, rng: &mut dyn CryptoRng) -> Result<Placed, HomeError> {
        let session = match self.session() {
            Err(HomeError::KeyRing(error)) if error.needs_login() => None,
            session => session?,
        };
        let session = session.unwrap_or_else(|| Session { key: SessionKey::new(rng), tokens: None });
        self.place_secrets(&session, rng)
    }

    /// Keeps the session where it is.
    ///
    /// # Errors
    /// The file system; [`HomeError::KeyRing`].
    pub fn keep_session(&self, session: &Session) -> Result<(), HomeError> {
        self.keep_secrets(session)
    }

    /// Forgets the tokens. The key stays: by it the service knows this computer again.
    ///
    /// # Errors
    /// The file system; [`HomeError::KeyRing`].
    pub fn forget_tokens(&self) -> Result<(), HomeError> {
        match self.session()? {
            Some(Session { key, .. }) => self.keep_session(&Session { key, tokens: None }),
            None => self.remove(SESSION),
        }
    }

    /// The device file of a bound device.
    ///
    /// # Errors
    /// [`HomeError::NoDevice`] when this computer is not registered; or the file is damaged.
    pub fn device(&self) -> Result<Device, HomeError> {
        self.read(DEVICE)?.ok_or(HomeError::NoDevice)
    }

    /// What the key ring keeps for the key of this device; `None` where the key needs nothing of it.
    ///
    /// # Errors
    /// [`HomeError::DeviceSecret`].
    pub fn device_secret(&self, device: &Device) -> Result<Option<DeviceSecret>, HomeError> {
        if !device.key.has_secret() {
            return Ok(None);
        }
        let read = match &device.secret {
            _ if !self.uses_key_ring => Err(KeyRingError::Unwanted),
            None => Err(KeyRingError::Lost),
            Some(entry) => entry.read(),
        };
        let bytes = read.map_err(HomeError::DeviceSecret)?;
        let bytes =
            <&[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| HomeError::DeviceSecret(KeyRingError::Damaged))?;
        Ok(Some(DeviceSecret::written(|out| *out = *bytes)))
    }

    /// Puts a new secret for a device key into the key ring; `None` where there is none, or it is not to be used.
    ///
    /// # Errors
    /// [`HomeError::DeviceSecret`]: a key ring is there and cannot be used.
    pub fn new_device_secret(&self, rng: &mut dyn CryptoRng) -> Result<Option<(NewEntry, DeviceSecret)>, HomeError> {
        if !self.uses_key_ring || !keyring::is_there().map_err(HomeError::DeviceSecret)? {
            return Ok(None);
        }
        let (entry, secret) = (KeyRingEntry::new(rng), DeviceSecret::random(rng));
        let written = NewEntry::write(entry, Zeroizing::new(secret.expose().to_vec()));
        Ok(Some((written.map_err(HomeError::DeviceSecret)?, secret)))
    }

    /// Holds back every other command that locks this folder, until what it gives is dropped. Removes what one left behind
    /// that was killed an hour ago or longer: that may be a key under a PIN of before.
    ///
    /// # Errors
    /// The file system.
    pub fn lock(&self) -> Result<impl Sized, HomeError> {
        let failed = |source| HomeError::File { path: self.folder.clone(), source };
        let lock = disk::lock_folder(&self.folder).map_err(failed)?;
        let hour_ago = SystemTime::now().checked_sub(Duration::from_secs(3600));
        hour_ago.map_or(Ok(()), |before| disk::sweep(&self.folder, before)).map_err(failed)?;
        Ok(lock)
    }

    /// Holds back every other command that changes the profile, until what it gives is dropped. It is another lock than
    /// [`Self::lock`]: whoever holds that one may be told by the service meanwhile to look at its keys.
    ///
    /// # Errors
    /// The file system.
    pub(super) fn lock_profile(&self) -> Result<impl Sized, HomeError> {
        let path = self.folder.join(PROFILE_LOCK);
        let lock = disk::make_private_folder(&self.folder).and_then(|()| disk::lock_file(&path));
        lock.map_err(|source| HomeError::File { path, source })
    }

    /// Moves a damaged device file out of the way. It is kept, for whoever can still make something of it.
    ///
    /// # Errors
    /// The file system.
    pub fn set_device_aside(&self) -> Result<(), HomeError> {
        self.set_aside(DEVICE)
    }

    /// The same for the device file of a registration whose answer has not come.
    ///
    /// # Errors
    /// The file system.
    pub fn set_pending_device_aside(&self) -> Result<(), HomeError> {
        self.set_aside(PENDING)
    }

    /// The device file of a registration whose answer has not come.
    ///
    /// # Errors
    /// The file system.
    pub fn pending_device(&self) -> Result<Option<Device>, HomeError> {
        self.read(PENDING)
    }

    /// Keeps the device file before the evidence is sent: whatever happens then, the key of a bound device is not lost.
    ///
    /// # Errors
    /// The file system.
    pub fn keep_pending_device(&self, device: &Device) -> Result<(), HomeError> {
        self.write(PENDING, device)
    }

    /// Puts a bound device in the place of the one before. What the key ring keeps for that one goes where that can be done.
    ///
    /// # Errors
    /// The file system.
    pub fn keep_device(&self, device: &Device) -> Result<(), HomeError> {
        let before = self.device().ok().and_then(|before| before.secret);
        self.write(DEVICE, device)?;
        self.remove_entry(before.filter(|before| Some(before) != device.secret.as_ref()));
        self.remove(PENDING)
    }

    /// Puts another file of the same device in its place.
    ///
    /// # Errors
    /// The file system; the file before is there then.
    pub fn replace_device(&self, device: &Device) -> Result<(), HomeError> {
        self.write(DEVICE, device)
    }

    /// Forgets a registration that came to nothing, and what the key ring keeps for it.
    ///
    /// # Errors
    /// The file system.
    pub fn forget_pending_device(&self) -> Result<(), HomeError> {
        let entry = |device: Result<Device, HomeError>| device.ok().and_then(|device| device.secret);
        let pending = entry(self.pending_device().and_then(|device| device.ok_or(HomeError::NoDevice)));
        let device = entry(self.device());
        self.remove(PENDING)?;
        self.remove_entry(pending.filter(|pending| Some(pending) != device.as_ref()));
        Ok(())
    }

    fn remove_entry(&self, entry: Option<KeyRingEntry>) {
        let _ = entry.filter(|_| self.uses_key_ring).map(|entry| entry.remove());
    }

    /// The re-binding of this computer's device whose answer has not come. The key stays where it is; one that nobody can
    /// read says nothing.
    ///
    /// # Errors
    /// The file system.
    pub fn pending_rebinding(&self) -> Result<Option<Binding>, HomeError> {
        match self.read(REBINDING) {
            Err(HomeError::Damaged { .. }) => Ok(None),
            binding => binding,
        }
    }

    /// Keeps it before the evidence is sent.
    ///
    /// # Errors
    /// The file system.
    pub fn keep_pending_rebinding(&self, binding: &Binding) -> Result<(), HomeError> {
        self.write(REBINDING, binding)
    }

    /// Forgets it.
    ///
    /// # Errors
    /// The file system.
    pub fn forget_pending_rebinding(&self) -> Result<(), HomeError> {
        self.remove(REBINDING)
    }

    /// Changes what is kept of this computer's device, where it is `device_id`: as it is on the disk now, with nobody else
    /// writing meanwhile.
    ///
    /// # Errors
    /// [`HomeError::NoDevice`] where it is another one by now; the file system.
    pub fn change_device(&self, device_id: DeviceId, change: impl FnOnce(&mut Device)) -> Result<(), HomeError> {
        let _lock = self.lock()?;
        let mut device = self.device()?;
        if device.device_id() != Some(device_id) {
            return Err(HomeError::NoDevice);
        }
        change(&mut device);
        self.replace_device(&device)
    }

    /// Forgets the device of this computer: it was revoked. What the key ring keeps for it is of no use any more, and
    /// goes where that can be done.
    ///
    /// # Errors
    /// The file system.
    pub fn forget_device(&self) -> Result<(), HomeError> {
        let entry = self.device().ok().and_then(|device| device.secret);
        self.remove(DEVICE)?;
        self.remove_entry(entry);
        Ok(())
    }

    /// Keeps the service's receipt for a decision.
    ///
    /// # Errors
    /// The file system.
    pub fn keep_receipt(&self, approval: ApprovalId, receipt: &str) -> Result<(), HomeError> {
        write(self.receipt(approval), receipt.as_bytes())
    }

    /// Whether the receipt for a decision is kept.
    pub fn has_receipt(&self, approval: ApprovalId) -> bool {
        self.receipt(approval).exists()
    }

    fn receipt(&self, approval: ApprovalId) -> PathBuf {
        self.folder.join(RECEIPTS).join(format!("{approval}.jws"))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, HomeError> {
        let path = self.folder.join(name);
        let bytes = disk::read(&path, MAX_FILE).map_err(|source| HomeError::File { path, source })?;
        let Some(bytes) = bytes.map(Zeroizing::new) else { return Ok(None) };
        json::read(&bytes).map(Some).map_err(|_| self.damaged(name))
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), HomeError> {
        let bytes = serde_json::to_vec_pretty(value).map(Zeroizing::new).map_err(|_| self.damaged(name))?;
        write(self.folder.join(name), &bytes)
    }

    fn remove(&self, name: &str) -> Result<(), HomeError> {
        let path = self.folder.join(name);
        disk::remove(&path).map_err(|source| HomeError::File { path, source })
    }

    fn set_aside(&self, name: &str) -> Result<(), HomeError> {
        let path = self.folder.join(name);
        let aside = self.folder.join(format!("{name}.damaged"));
        std::fs::rename(&path, aside).map_err(|source| HomeError::File { path, source })
    }

    fn damaged(&self, name: &str) -> HomeError {
        match name {
            DEVICE | PENDING => HomeError::DeviceDamaged,
            _ => HomeError::Damaged { path: self.folder.join(name) },
        }
    }
}

/// Writes a file, and makes its folder where it is missing.
fn write(path: PathBuf, bytes: &[u8]) -> Result<(), HomeError> {
    let made = path.parent().map_or(Ok(()), disk::make_private_folder);
    made.and_then(|()| disk::write(&path, bytes)).map_err(|source| HomeError::File { path, source })
}
