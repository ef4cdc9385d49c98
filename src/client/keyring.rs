//! The key ring of the desktop: Secret Service on Linux, Credential Manager on Windows, Keychain on macOS. It keeps the
//! secrets of a session, where there is one; a file of this computer says under which name.

use std::fmt;
use std::io::ErrorKind;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use keyring::{Entry, Error};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;
use zeroize::Zeroizing;

use crate::jose::base64url;

/// What all entries of this program have in common.
const SERVICE: &str = "kartenbund";
/// How long the key ring may take: it may ask the person for its password meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why a key ring that is there, or was, could not be used. None of this means that nobody is logged in.
#[derive(Debug, ThisError)]
pub enum KeyRingError {
    /// It is locked, and was not unlocked; or there is one in name only, that keeps nothing.
    #[error("the key ring is locked")]
    Locked(#[source] Error),
    /// It is open, and what was put into it is not there any more.
    #[error("the entry in the key ring is gone")]
    Lost,
    /// What it gives back is not what was put into it.
    #[error("the entry in the key ring is damaged")]
    Damaged,
    /// It is needed, and this session of the desktop has none.
    #[error("there is no key ring here")]
    Absent,
    /// It is needed, and the person does not want it to be used.
    #[error("the key ring is not to be used")]
    Unwanted,
    /// It does not answer.
    #[error("the key ring does not answer")]
    Silent,
    /// It is there, and cannot be reached.
    #[error("the key ring cannot be reached")]
    Unreachable(#[source] &'static Error),
    /// It fails in another way.
    #[error("the key ring fails")]
    Broken(#[source] Error),
}

impl KeyRingError {
    /// Whether only another login helps: opening the key ring does not.
    pub fn needs_login(&self) -> bool {
        matches!(self, Self::Lost | Self::Damaged | Self::Absent | Self::Unwanted)
    }
}

/// Whether there is a key ring here.
///
/// # Errors
/// [`KeyRingError::Unreachable`] and [`KeyRingError::Silent`].
pub fn is_there() -> Result<bool, KeyRingError> {
    within(PATIENCE, || match Entry::store_status() {
        Ok(()) => Ok(true),
        Err(error) if is_absent(error) => Ok(false),
        Err(error) => Err(KeyRingError::Unreachable(error)),
    })
}

/// An entry that no file names yet. It is removed again where none comes to name it: nobody would ever find it.
#[derive(Debug)]
pub struct NewEntry(Option<KeyRingEntry>);

impl NewEntry {
    pub(super) fn write(entry: KeyRingEntry, secret: Zeroizing<Vec<u8>>) -> Result<Self, KeyRingError> {
        entry.write(secret)?;
        Ok(Self(Some(entry)))
    }

    /// The entry, for the file that is to name it.
    pub fn entry(&self) -> Option<KeyRingEntry> {
        self.0.clone()
    }

    /// A file names it now.
    pub fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for NewEntry {
    fn drop(&mut self) {
        let _ = self.0.take().map(|entry| entry.remove()); // a key ring that is gone meanwhile keeps it
    }
}

/// One entry in the key ring. Its name is random and tells nothing about a person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRingEntry(String);

impl fmt::Debug for KeyRingEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRingEntry({})", self.0)
    }
}

impl KeyRingEntry {
    /// An entry that nobody else has.
    pub fn new(rng: &mut dyn CryptoRng) -> Self {
        let mut name = [0; 16];
        rng.fill_bytes(&mut name);
        Self(base64url::encode(&name))
    }

    /// What is in it.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, KeyRingError> {
        self.with(|entry, name| match entry.get_secret() {
            // A locked key ring says that it has no such entry. An open one takes another.
            Err(Error::NoEntry) => {
                probe(name)?;
                match entry.get_secret() {
                    Err(Error::NoEntry) => Err(KeyRingError::Lost),
                    other => other.map(Zeroizing::new).map_err(KeyRingError::from),
                }
            }
            other => other.map(Zeroizing::new).map_err(KeyRingError::from),
        })
    }

    /// Puts `secret` into it.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub fn write(&self, secret: Zeroizing<Vec<u8>>) -> Result<(), KeyRingError> {
        self.with(move |entry, _| Ok(entry.set_secret(&secret)?))
    }

    /// Removes it. It is no error when it is not there.
    ///
    /// # Errors
    /// [`KeyRingError`]; it may still be there.
    pub fn remove(&self) -> Result<(), KeyRingError> {
        self.with(|entry, name| match entry.delete_credential() {
            Err(Error::NoEntry) => {
                probe(name)?;
                match entry.delete_credential() {
                    Err(Error::NoEntry) => Ok(()),
                    other => Ok(other?),
                }
            }
            other => Ok(other?),
        })
    }

    fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(Entry, &str) -> Result<T, KeyRingError> + Send + 'static,
    ) -> Result<T, KeyRingError> {
        if !is_there()? {
            return Err(KeyRingError::Absent);
        }
        let name = self.0.clone();
        within(PATIENCE, move || work(Entry::new(SERVICE, &name)?, &name))
    }
}

impl From<Error> for KeyRingError {
    fn from(error: Error) -> Self {
        match error {
            Error::NoStorageAccess(_) => Self::Locked(error),
            error => Self::Broken(error),
        }
    }
}

/// Puts an empty entry beside the one of this name and removes it: only an open key ring does that, and the desktop asks
/// the person to open a locked one.
fn probe(name: &str) -> Result<(), KeyRingError> {
    let beside = Entry::new(SERVICE, &format!("{name}-probe"))?;
    beside.set_secret(b"")?;
    Ok(beside.delete_credential()?)
}

/// Whether the error says that no key ring is there, and not that one is and fails.
fn is_absent(error: &Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if text == "no secret service provider or dbus session found"
            || ["ServiceUnknown", "NameHasNoOwner"].iter().any(|name| text.contains(name))
        {
            return true;
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
        }
        cause = error.source();
    }
    // The platform has none.
    matches!(error, Error::Invalid(..))
}

/// Key rings have been seen that never answer.
fn within<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> Result<T, KeyRingError> + Send + 'static,
) -> Result<T, KeyRingError> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let _ = tell.send(work());
    });
    told.recv_timeout(patience).unwrap_or(Err(KeyRingError::Silent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ring_that_never_answers_is_told() {
        let never = || {
            thread::sleep(Duration::from_secs(60));
            Ok(())
        };
        assert!(matches!(within(Duration::from_millis(10), never), Err(KeyRingError::Silent)));
        assert!(within(PATIENCE, || Ok(())).is_ok());
    }
}
