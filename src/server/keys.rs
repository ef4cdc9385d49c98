//! The service's own keys, made at the first start and kept in one file that only its user can read. They are made
//! before the database is: where there is a database, keys that are missing were lost, and new ones would be strangers.

use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::elliptic_curve::Generate as _;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use super::ServerError;
use crate::disk;
use crate::identity::kvnr::Kvnr;
use crate::jose::{Es256, Message, P256Jwk, base64url, json, jws};

const FILE: &str = "service-keys.json";
const MAX_FILE: usize = 4096;
const VERSION: u32 = 1;

/// Why there are no keys.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeysError {
    /// There is a database, so there were keys. New ones would be refused by every client, and the audit would name
    /// everybody anew.
    #[error("service-keys.json is missing beside the database it belongs to; put it back from the backup")]
    Missing,
    /// The file cannot be read as what it is.
    #[error("service-keys.json is damaged; put it back from the backup")]
    Damaged,
}

/// ES256 key of configuration, challenges and receipts, and the key of the pseudonyms in the audit.
pub(super) struct ServiceKeys {
    signing: p256::ecdsa::SigningKey,
    public: P256Jwk,
    pseudonym: Zeroizing<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    v: u32,
    #[serde(with = "base64url")]
    signing: Zeroizing<Vec<u8>>,
    #[serde(with = "base64url")]
    pseudonym: Zeroizing<Vec<u8>>,
}

impl ServiceKeys {
    /// Reads the key file, or makes it where there is neither one nor a database.
    pub(super) fn open(
        folder: &Path,
        has_database: bool,
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<Self, ServerError> {
        let path = folder.join(FILE);
        let file = match disk::read(&path, MAX_FILE)?.map(Zeroizing::new) {
            Some(bytes) => json::read::<File>(&bytes).map_err(|_| KeysError::Damaged)?,
            None if has_database => return Err(KeysError::Missing.into()),
            None => {
                let mut pseudonym = Zeroizing::new(vec![0; 32]);
                rng.fill_bytes(&mut pseudonym);
                let signing = p256::SecretKey::generate_from_rng(rng);
                let signing = Zeroizing::new(signing.to_bytes().to_vec());
                let file = File { v: VERSION, signing, pseudonym };
                let bytes = serde_json::to_vec(&file).map(Zeroizing::new).map_err(|_| KeysError::Damaged)?;
                disk::write(&path, &bytes)?;
                file
            }
        };
        let signing = p256::ecdsa::SigningKey::from_slice(&file.signing).map_err(|_| KeysError::Damaged)?;
        if file.v != VERSION || file.pseudonym.len() != 32 {
            return Err(KeysError::Damaged.into());
        }
        let public = P256Jwk::from(*signing.verifying_key());
        Ok(Self { signing, public, pseudonym: file.pseudonym })
    }

    /// The public key that receipts are verified with.
    pub(super) fn public(&self) -> &P256Jwk {
        &self.public
    }

    /// Signs one of the service's own messages.
    pub(super) fn sign<M: Message<Algorithm = Es256>>(&self, message: &M) -> Result<String, json::JsonError> {
        jws::sign(message, &self.signing).map_err(|error| match error {
            jws::SignError::Json(error) => error,
            jws::SignError::Key(never) => match never {},
        })
    }

    /// How the audit names a person: HMAC-SHA-256 of the insurance number, base64url.
    pub(super) fn pseudonym(&self, kvnr: &Kvnr) -> String {
        // HMAC takes a key of any length; 32 bytes were checked above.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.pseudonym) else { return String::new() };
        mac.update(kvnr.as_str().as_bytes());
        base64url::encode(&mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_of_another_version_or_with_a_shorter_key_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let open = || ServiceKeys::open(folder.path(), false, &mut super::super::random());
        let made = open().unwrap().public().clone();
        assert!(open().unwrap().public() == &made, "made once");
        let path = folder.path().join(FILE);
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for (member, value) in [("v", 2.into()), ("pseudonym", base64url::encode(&[7; 31]).into())] {
            let mut damaged = file.clone();
            damaged[member] = value;
            std::fs::write(&path, damaged.to_string()).unwrap();
            assert!(matches!(open(), Err(ServerError::Keys(KeysError::Damaged))), "{member}");
        }
    }
}
