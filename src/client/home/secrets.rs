//! The secrets of a session: in the key ring of the desktop, or in a file where there is none. The file is there in both
//! cases and says which, so that a key ring that is locked is not taken for nobody being logged in.

use rand_core::CryptoRng;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Home, HomeError, SESSION};
use crate::client::keyring::{self, KeyRingEntry, KeyRingError};
use crate::jose::json;

/// Where the secrets of a session are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the key ring of the desktop.
    KeyRing,
    /// In a file that only its owner can read.
    File,
}

impl Place {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyRing => "key_ring",
            Self::File => "file",
        }
    }
}

/// Where a login has put the secrets.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// Where they are.
    pub place: Place,
    /// Whether those of before may still be in the key ring, which could not be opened. The next login tries again.
    pub is_left_behind: bool,
}

/// What is in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept<T> {
    /// Where in the key ring the secrets are; beside secrets in the file: where older ones may still be.
    key_ring_entry: Option<KeyRingEntry>,
    /// The secrets, where they are not in the key ring.
    secrets: Option<T>,
}

impl Home {
    /// Where the secrets are; `None` before the first login.
    ///
    /// # Errors
    /// The file system, or the file is damaged.
    pub fn place(&self) -> Result<Option<Place>, HomeError> {
        Ok(self.kept::<IgnoredAny>()?.and_then(|kept| match kept {
            Kept { secrets: Some(_), .. } => Some(Place::File),
            Kept { key_ring_entry: Some(_), .. } => Some(Place::KeyRing),
            _ => None,
        }))
    }

    /// The secrets; `None` before the first login.
    ///
    /// # Errors
    /// The file or the key ring they are in.
    pub(super) fn secrets<T: DeserializeOwned>(&self) -> Result<Option<T>, HomeError> {
        match self.kept()? {
            Some(Kept { secrets: Some(secrets), .. }) => Ok(Some(secrets)),
            Some(Kept { key_ring_entry: Some(_), .. }) if !self.uses_key_ring => Err(KeyRingError::Unwanted.into()),
            Some(Kept { key_ring_entry: Some(entry), .. }) => {
                let secrets = json::read(&entry.read()?).map_err(|_| KeyRingError::Damaged)?;
                Ok(Some(secrets))
            }
            _ => Ok(None),
        }
    }

    /// Keeps the secrets where those before are: only a login moves them.
    ///
    /// # Errors
    /// The file or the key ring they are in.
    pub(super) fn keep_secrets<T: Serialize>(&self, secrets: &T) -> Result<(), HomeError> {
        let Some(before) = self.kept::<IgnoredAny>()? else { return Err(HomeError::NoSession) };
        match before {
            Kept { secrets: None, key_ring_entry: Some(_) } if !self.uses_key_ring => {
                Err(KeyRingError::Unwanted.into())
            }
            Kept { secrets: None, key_ring_entry: Some(entry) } => Ok(entry.write(bytes_of(secrets)?)?),
            Kept { key_ring_entry, .. } => self.write(SESSION, &Kept { key_ring_entry, secrets: Some(secrets) }),
        }
    }

    /// Keeps the secrets of a login in the key ring where there is one, else in the file, and leaves none in the other
    /// place.
    ///
    /// # Errors
    /// The file system, or a key ring that is there and cannot be used.
    pub(super) fn place_secrets<T: Serialize + DeserializeOwned>(
        &self,
        secrets: &T,
        rng: &mut dyn CryptoRng,
    ) -> Result<Placed, HomeError> {
        let before = match self.kept::<T>() {
            Err(HomeError::Damaged { .. }) => None,
            other => other?,
        };
        let (entry, in_file) = before.map_or((None, None), |before| (before.key_ring_entry, before.secrets));
        if self.uses_key_ring && keyring::is_there()? {
            let entry = entry.unwrap_or_else(|| KeyRingEntry::new(rng));
            // Its name first: an entry that nobody knows would stay for ever.
            self.write(SESSION, &Kept { key_ring_entry: Some(entry.clone()), secrets: in_file })?;
            entry.write(bytes_of(secrets)?)?;
            self.write(SESSION, &Kept::<()> { key_ring_entry: Some(entry), secrets: None })?;
            return Ok(Placed { place: Place::KeyRing, is_left_behind: false });
        }
        self.write(SESSION, &Kept { key_ring_entry: entry.clone(), secrets: Some(secrets) })?;
        let is_left_behind = entry.is_some_and(|entry| entry.remove().is_err());
        if !is_left_behind {
            self.write(SESSION, &Kept { key_ring_entry: None, secrets: Some(secrets) })?;
        }
        Ok(Placed { place: Place::File, is_left_behind })
    }

    fn kept<T: DeserializeOwned>(&self) -> Result<Option<Kept<T>>, HomeError> {
        self.read(SESSION)
    }
}

fn bytes_of<T: Serialize>(secrets: &T) -> Result<Zeroizing<Vec<u8>>, HomeError> {
    Ok(serde_json::to_vec(secrets).map(Zeroizing::new).map_err(|_| KeyRingError::Damaged)?)
}
