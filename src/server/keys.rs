//! The service's own keys, made at the first start and kept in one file that only its user can read. They are made
//! before the database is: where there is a database, keys that are missing were lost, and new ones would be strangers.

mod roll;
mod signing;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use super::http::Refusal;
use super::token::TokenKeys;
use super::{ServerError, random};
use crate::disk;
use crate::identity::kvnr::Kvnr;
use crate::jose::{Es256, Message, P256Jwk, base64url, json, jws};
use crate::protocol::NumericDate;
pub use roll::RollStep;
use roll::Told;
use signing::Scalar;
pub(super) use signing::Signing;

const FILE: &str = "service-keys.json";
const MAX_FILE: usize = 64 * 1024;
const KEY_LENGTH: usize = 32;
/// Version 1 had neither peppers nor keys for tokens, version 2 no keys for shares in device PINs, version 3 one signing key.
const VERSION: u32 = 4;
/// Length of the nonce before what is sealed (AES-GCM).
const NONCE_LENGTH: usize = 12;

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

/// ES256 keys of configuration, challenges and receipts, the key of the pseudonyms in the audit, the peppers of
/// passwords, the keys that shares in device PINs are wrapped under, and the keys of tokens.
pub(super) struct ServiceKeys {
    path: PathBuf,
    rolling: RwLock<Rolling>,
    /// What the audit is known to tell of signing keys.
    told: Mutex<Vec<Told>>,
    pseudonym: Zeroizing<Vec<u8>>,
    pub(super) peppers: RotatingKeys,
    pub(super) share_keys: RotatingKeys,
}

/// The keys that may change while the service runs.
struct Rolling {
    signing: Arc<Signing>,
    tokens: Arc<TokenKeys>,
    /// What was done last to signing keys, as far as the file shows it.
    done: Vec<Told>,
}

impl Rolling {
    fn of(file: &mut File) -> Result<Self, KeysError> {
        let (signing, done) = (Arc::new(Signing::of(file)?), file.done()?);
        Ok(Self { signing, tokens: Arc::new(sound(std::mem::take(&mut file.token_keys))?), done })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    v: u32,
    signing: Scalar,
    /// The signing key that was announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<Scalar>,
    /// The one before, until it is retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Scalar>,
    /// Public keys of those that were retired, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<P256Jwk>,
    /// Public keys of those whose private keys somebody may have, oldest first: nobody is told to believe them any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    revoked: Vec<P256Jwk>,
    #[serde(with = "base64url")]
    pseudonym: Zeroizing<Vec<u8>>,
    /// Newest last.
    #[serde(default)]
    peppers: Vec<RotatingKey>,
    #[serde(default)]
    token_keys: TokenKeys,
    /// Newest last.
    #[serde(default)]
    share_keys: Vec<RotatingKey>,
}

/// A key for HMAC-SHA-256 or for AES-256-GCM that is replaced from time to time: what was made with it names it by its
/// identifier.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RotatingKey {
    id: String,
    #[serde(with = "base64url")]
    key: Zeroizing<Vec<u8>>,
}

/// The keys for one purpose: the newest makes, all of them verify.
pub(super) struct RotatingKeys {
    newest: RotatingKey,
    older: Vec<RotatingKey>,
}

impl RotatingKey {
    pub(super) fn random(rng: &mut dyn rand_core::CryptoRng) -> Self {
        let (mut id, mut key) = ([0; 6], Zeroizing::new(vec![0; KEY_LENGTH]));
        rng.fill_bytes(&mut id);
        rng.fill_bytes(&mut key);
        Self { id: base64url::encode(&id), key }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// HMAC-SHA-256 over `parts` with a zero byte behind each but the last: no part but that may have one.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        // A key shorter than a block is filled up with zeros (RFC 2104).
        let mut block = Zeroizing::new([0; 64]);
        block.iter_mut().zip(self.key.iter()).for_each(|(to, from)| *to = *from);
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                mac.update(&[0]);
            }
            mac.update(part);
        }
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    /// Seals `secret` so that it opens beside the same `context` only: a nonce, then AES-256-GCM.
    pub(super) fn seal(&self, secret: &[u8], context: &[u8], rng: &mut dyn rand_core::CryptoRng) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LENGTH];
        rng.fill_bytes(&mut nonce);
        let cipher = Aes256Gcm::new_from_slice(&self.key).ok()?;
        let sealed = cipher.encrypt(&Nonce::from(nonce), Payload { msg: secret, aad: context }).ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    /// Opens what [`Self::seal`] gave; `None` when it was another key or context, or was changed.
    pub(super) fn open(&self, sealed: &[u8], context: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LENGTH>()?;
        let cipher = Aes256Gcm::new_from_slice(&self.key).ok()?;
        let opened = cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: context });
        opened.ok().map(Zeroizing::new)
    }
}

impl RotatingKeys {
    /// `None` without any, or when one is too short or two have the same name.
    fn new(mut keys: Vec<RotatingKey>) -> Option<Self> {
        let is_sound = keys.iter().all(|key| key.key.len() == KEY_LENGTH);
        let newest = keys.pop().filter(|newest| is_sound && keys.iter().all(|key| key.id != newest.id))?;
        Some(Self { newest, older: keys })
    }

    pub(super) fn newest(&self) -> &RotatingKey {
        &self.newest
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &RotatingKey> {
        [&self.newest].into_iter().chain(&self.older)
    }

    pub(super) fn by_id(&self, id: &str) -> Option<&RotatingKey> {
        self.all().find(|key| key.id == id)
    }
}

impl ServiceKeys {
    /// Reads the key file, or makes it where there is neither one nor a database.
    pub(super) fn open(
        folder: &Path,
        has_database: bool,
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<Self, ServerError> {
        let path = folder.join(FILE);
        let mut file = read(&path)?;
        if file.as_ref().is_none_or(|file| file.v < VERSION) {
            if file.is_none() && has_database {
                return Err(KeysError::Missing.into());
            }
            // Of several processes that start at the same time, one makes the keys, and the others take them.
            let _lock = disk::lock_folder(folder)?;
            file = read(&path)?;
            if file.as_ref().is_none_or(|file| file.v < VERSION) {
                let made = completed(file, rng)?;
                write(&path, &made)?;
                file = Some(made);
            }
        }
        let mut file = file.ok_or(KeysError::Missing)?;
        if file.v != VERSION || file.pseudonym.len() != KEY_LENGTH {
            return Err(KeysError::Damaged.into());
        }
        let rolling = RwLock::new(Rolling::of(&mut file)?);
        let peppers = RotatingKeys::new(file.peppers).ok_or(KeysError::Damaged)?;
        let share_keys = RotatingKeys::new(file.share_keys).ok_or(KeysError::Damaged)?;
        let (pseudonym, told) = (file.pseudonym, Mutex::default());
        Ok(Self { path, rolling, told, pseudonym, peppers, share_keys })
    }

    /// The keys of access and refresh tokens.
    pub(super) fn tokens(&self) -> Arc<TokenKeys> {
        Arc::clone(&self.rolling().tokens)
    }

    /// The keys that sign. Whoever needs two things of them that belong together asks once.
    pub(super) fn signing(&self) -> Arc<Signing> {
        Arc::clone(&self.rolling().signing)
    }

    fn rolling(&self) -> RwLockReadGuard<'_, Rolling> {
        self.rolling.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up the keys for tokens, and those that sign, as they are in the file by now.
    pub(super) fn read_again(&self) -> Result<(), ServerError> {
        let rolling = Rolling::of(&mut read_sound(&self.path)?)?;
        *self.rolling.write().unwrap_or_else(PoisonError::into_inner) = rolling;
        Ok(())
    }

    fn path(&self) -> &Path {
        &self.path
    }

    /// What was done to signing keys, but for what the audit is known to tell of.
    fn untold(&self) -> Vec<Told> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.rolling().done.iter().filter(|done| !told.contains(done)).copied().collect()
    }

    fn set_told(&self, done: Told) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(done);
    }

    /// Signs one of the service's own messages.
    pub(super) fn sign<M: Message<Algorithm = Es256>>(&self, message: &M) -> Result<String, Refusal> {
        self.signing().sign(message)
    }

    /// Reads what the service has signed and kept, whichever of its keys signed it.
    pub(super) fn read_signed<M: Message<Algorithm = Es256>>(&self, compact: &str) -> Result<M, Refusal> {
        let signing = self.signing();
        jws::verify_by_any(compact, signing.all()).map(|(_, message)| message).map_err(|_| Refusal::internal())
    }

    /// How the audit names a person: HMAC-SHA-256 of the insurance number, base64url.
    pub(super) fn pseudonym(&self, kvnr: &Kvnr) -> String {
        self.pseudonym_of(kvnr.as_str())
    }

    /// The same of anything else that tells about a person, such as a network address.
    pub(super) fn pseudonym_of(&self, text: &str) -> String {
        // HMAC takes a key of any length; 32 bytes were checked above.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.pseudonym) else { return String::new() };
        mac.update(text.as_bytes());
        base64url::encode(&mac.finalize().into_bytes())
    }
}

/// Adds a key for tokens to the key file in `folder`. It signs a minute later, when every process of the service has
/// read the file; the one before verifies until no token can be alive that it signed: `longest_life` is the longest life
/// of a session, in seconds. Nobody is logged out.
///
/// # Errors
/// [`ServerError`]; the file is then as it was.
pub fn rotate_token_key(folder: &Path, longest_life: i64, now: NumericDate) -> Result<(), ServerError> {
    let path = folder.join(FILE);
    let _lock = disk::lock_folder(folder)?;
    let mut file = read(&path)?.ok_or(KeysError::Missing)?;
    file.token_keys = sound(file.token_keys)?.rotated(now, longest_life, &mut random());
    write(&path, &file)
}

/// Adds a pepper to the key file in `folder`. Passwords are hashed under it from the next start of the service on, those
/// that are there as their owners log in; the older ones stay for them. Every process must have been stopped: one that
/// runs would not know the pepper of a password that another has set.
///
/// # Errors
/// [`ServerError`]; the file is then as it was.
pub fn rotate_pepper(folder: &Path) -> Result<(), ServerError> {
    let path = folder.join(FILE);
    let _lock = disk::lock_folder(folder)?;
    let mut file = read(&path)?.filter(|file| file.v == VERSION).ok_or(KeysError::Missing)?;
    file.peppers.push(RotatingKey::random(&mut random()));
    write(&path, &file)
}

fn sound(tokens: TokenKeys) -> Result<TokenKeys, KeysError> {
    if tokens.are_whole() { Ok(tokens) } else { Err(KeysError::Damaged) }
}

fn read(path: &Path) -> Result<Option<File>, ServerError> {
    let bytes = disk::read(path, MAX_FILE)?.map(Zeroizing::new);
    Ok(bytes.map(|bytes| json::read::<File>(&bytes)).transpose().map_err(|_| KeysError::Damaged)?)
}

/// The file of a service that runs, or has run.
fn read_sound(path: &Path) -> Result<File, ServerError> {
    let file = read(path)?.ok_or(KeysError::Missing)?;
    if file.v == VERSION { Ok(file) } else { Err(KeysError::Damaged.into()) }
}

fn write(path: &Path, file: &File) -> Result<(), ServerError> {
    let bytes = serde_json::to_vec(file).map(Zeroizing::new).map_err(|_| KeysError::Damaged)?;
    Ok(disk::write(path, &bytes)?)
}

/// The file with the keys that its version did not know; a new one in place of none.
fn completed(file: Option<File>, rng: &mut dyn rand_core::CryptoRng) -> Result<File, ServerError> {
    let mut file = file.unwrap_or_else(|| {
        let mut pseudonym = Zeroizing::new(vec![0; KEY_LENGTH]);
        rng.fill_bytes(&mut pseudonym);
        let (next, previous, former, revoked) = Default::default();
        let (peppers, token_keys, share_keys) = Default::default();
        let signing = Scalar::random(rng);
        File { v: 1, signing, next, previous, former, revoked, pseudonym, peppers, token_keys, share_keys }
    });
    let is_sound = match file.v {
        1 => file.peppers.is_empty() && file.token_keys.are_none() && file.share_keys.is_empty(),
        2 => file.share_keys.is_empty(),
        3 => true,
        _ => false,
    };
    let is_sound = is_sound && file.next.is_none() && file.previous.is_none();
    let is_sound = is_sound && file.former.is_empty() && file.revoked.is_empty();
    is_sound.then_some(()).ok_or(KeysError::Damaged)?;
    if file.v == 1 {
        file.peppers = vec![RotatingKey::random(rng)];
        file.token_keys = TokenKeys::first(rng);
    }
    if file.v < 3 {
        file.share_keys = vec![RotatingKey::random(rng)];
    }
    file.v = VERSION;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::token::AccessToken;

    #[test]
    fn a_key_file_of_another_version_or_with_a_shorter_key_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let open = || ServiceKeys::open(folder.path(), false, &mut random());
        let made = open().unwrap().signing().all().to_vec();
        assert!(open().unwrap().signing().all() == made, "made once");
        let path = folder.path().join(FILE);
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let short = serde_json::json!([{ "id": "x", "key": base64url::encode(&[7; 31]) }]);
        let twice = serde_json::json!([file["peppers"][0], file["peppers"][0]]);
        let scalar = |byte: u8| serde_json::Value::from(base64url::encode(&[byte; 32]));
        let public = serde_json::to_value(&made[0]).unwrap();
        for (member, value) in [
            ("v", 5.into()),
            ("v", 0.into()),
            ("pseudonym", base64url::encode(&[7; 31]).into()),
            ("peppers", serde_json::json!([])),
            ("peppers", short),
            ("peppers", twice),
            ("signing", base64url::encode(&[0; 32]).into()),
            ("signing", base64url::encode(&[7; 31]).into()),
            ("next", file["signing"].clone()),
            ("previous", file["signing"].clone()),
            ("previous", base64url::encode(&[0; 32]).into()),
            ("former", serde_json::json!([public])),
            ("former", serde_json::json!([scalar(3)])),
            ("share_keys", serde_json::json!([])),
            ("share_keys", serde_json::json!([{ "id": "x", "key": base64url::encode(&[7; 31]) }])),
            ("token_keys", serde_json::json!([])),
            ("token_keys", serde_json::json!([{"id": 1, "signs_from": 0, "key": base64url::encode(&[7; 31])}])),
        ] {
            let mut damaged = file.clone();
            damaged[member] = value;
            std::fs::write(&path, damaged.to_string()).unwrap();
            assert!(matches!(open(), Err(ServerError::Keys(KeysError::Damaged))), "{member}");
        }
        // One step at a time.
        let mut between = file;
        between["next"] = scalar(3);
        std::fs::write(&path, between.to_string()).unwrap();
        assert_eq!(open().unwrap().signing().listed().len(), 2);
        between["previous"] = scalar(4);
        std::fs::write(&path, between.to_string()).unwrap();
        assert!(matches!(open(), Err(ServerError::Keys(KeysError::Damaged))));
    }

    #[test]
    fn a_key_file_of_version_3_is_that_of_a_service_that_never_had_another_signing_key() {
        let folder = tempfile::tempdir().unwrap();
        let open = || ServiceKeys::open(folder.path(), true, &mut random());
        let made = ServiceKeys::open(folder.path(), false, &mut random()).unwrap();
        let path = folder.path().join(FILE);
        let now: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let mut file = now.clone();
        file["v"] = 3.into();
        std::fs::write(&path, file.to_string()).unwrap();
        let opened = open().unwrap();
        assert!(opened.signing().all() == made.signing().all() && opened.untold().is_empty());
        let after: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(after, now, "nothing else is new in it");
        let other = p256::ecdsa::SigningKey::from_slice(&[3; 32]).unwrap();
        let public = serde_json::json!([P256Jwk::from(*other.verifying_key())]);
        let scalar = serde_json::Value::from(base64url::encode(&[3; 32]));
        for (member, value) in
            [("next", scalar.clone()), ("previous", scalar), ("former", public.clone()), ("revoked", public)]
        {
            let mut damaged = file.clone();
            damaged[member] = value;
            std::fs::write(&path, damaged.to_string()).unwrap();
            assert!(matches!(open(), Err(ServerError::Keys(KeysError::Damaged))), "{member} in version 3");
        }
    }

    #[test]
    fn a_key_file_of_version_1_gets_what_it_lacks_and_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let open = || ServiceKeys::open(folder.path(), true, &mut random());
        let made = ServiceKeys::open(folder.path(), false, &mut random()).unwrap();
        let path = folder.path().join(FILE);
        let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        file.as_object_mut().unwrap().remove("peppers");
        file.as_object_mut().unwrap().remove("token_keys");
        file.as_object_mut().unwrap().remove("share_keys");
        file["v"] = 1.into();
        std::fs::write(&path, file.to_string()).unwrap();
        let opened = open().unwrap();
        assert!(opened.signing().all() == made.signing().all());
        let kvnr = "A123456780".parse().unwrap();
        assert_eq!(opened.pseudonym(&kvnr), made.pseudonym(&kvnr));
        assert_ne!(opened.peppers.newest().id(), made.peppers.newest().id());
        assert_eq!(open().unwrap().peppers.newest().id(), opened.peppers.newest().id(), "made once");
        let token = AccessToken { session: [7; 16].into(), expires_at: 10 };
        let sealed = opened.tokens().seal_access(&token, 0).unwrap();
        assert_eq!(made.tokens().open_access(&sealed, 0), None);
        assert_eq!(open().unwrap().tokens().open_access(&sealed, 0), Some(token));
    }

    #[test]
    fn a_key_file_of_version_2_gets_a_key_for_shares_and_keeps_all_others() {
        let folder = tempfile::tempdir().unwrap();
        let made = ServiceKeys::open(folder.path(), false, &mut random()).unwrap();
        let path = folder.path().join(FILE);
        let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let before = file.clone();
        file.as_object_mut().unwrap().remove("share_keys");
        file["v"] = 2.into();
        std::fs::write(&path, file.to_string()).unwrap();
        let opened = ServiceKeys::open(folder.path(), true, &mut random()).unwrap();
        assert_ne!(opened.share_keys.newest().id(), made.share_keys.newest().id());
        let mut after: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        after["share_keys"] = before["share_keys"].clone();
        assert_eq!(after, before);
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_beside_its_context_alone() {
        let [key, other] = [(); 2].map(|()| RotatingKey::random(&mut random()));
        let sealed = key.seal(b"secret", b"context", &mut random()).unwrap();
        assert_eq!(**key.open(&sealed, b"context").unwrap(), *b"secret");
        assert!(key.open(&sealed, b"contexT").is_none());
        assert!(other.open(&sealed, b"context").is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(&changed, b"context").is_none(), "byte {at}");
            assert!(key.open(&sealed[..at], b"context").is_none(), "the first {at} bytes");
        }
    }

    #[test]
    fn a_process_that_runs_takes_up_a_key_that_was_added() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(rotate_token_key(folder.path(), 0, 0), Err(ServerError::Keys(KeysError::Missing))));
        let keys = ServiceKeys::open(folder.path(), false, &mut random()).ok().unwrap();
        rotate_token_key(folder.path(), 60, 1000).unwrap();
        let other = ServiceKeys::open(folder.path(), true, &mut random()).ok().unwrap();
        let token = AccessToken { session: [7; 16].into(), expires_at: 9999 };
        let sealed = other.tokens().seal_access(&token, 2000).unwrap();
        assert_eq!(keys.tokens().open_access(&sealed, 2000), None);
        keys.read_again().unwrap();
        assert_eq!(keys.tokens().open_access(&sealed, 2000).as_ref(), Some(&token));
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(keys.read_again().is_err());
        assert!(keys.tokens().seal_access(&token, 0).is_some(), "and goes on with those it has");
    }

    #[test]
    fn a_mac_is_hmac_sha256_and_its_parts_do_not_run_together() {
        // RFC 4231, 4.3, with a key of 32 bytes: "Jefe" filled up with zeros, as HMAC does itself.
        let mut key = b"Jefe".to_vec();
        key.resize(KEY_LENGTH, 0);
        let key = RotatingKey { id: "x".to_owned(), key: Zeroizing::new(key) };
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(*key.mac(&[b"what do ya want for nothing?"])), expected);
        assert_ne!(key.mac(&[b"ab", b"c"]), key.mac(&[b"a", b"bc"]));
    }
}
