//! The audit's chain (`docs/protocol.md`, audit): what an entry is, how one follows another, what the service signs of
//! the whole, and how one entry is shown to stand in it without showing any other.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{DeviceId, NumericDate, Salt, Sha256Hash, VERSION};
use crate::jose::{Es256, Message, P256Jwk, base64url, json, jws};
use crate::secret::masked;

/// Version of entries with a salt, whose hashes can be shown to anybody.
pub const ENTRY_VERSION: u32 = 2;

/// Bytes of one hash in [`Inclusion::path`].
const HASH: usize = 32;

/// One entry of the audit. Its canonical bytes are kept and hashed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// [`ENTRY_VERSION`]; none in entries of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<u32>,
    /// Keeps whoever has the hash from trying out what the entry may say; none in entries of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<Salt>,
    /// Its number, from 1 on without gaps.
    pub seq: i64,
    /// The chain's value before it.
    pub prev_sha256: Sha256Hash,
    /// When.
    pub ts: NumericDate,
    /// Pseudonym of a person, `operator` with or without `:NAME`, `service` or `stranger`.
    pub actor: String,
    /// The device that was used.
    pub device_id: Option<DeviceId>,
    /// What happened.
    pub event: String,
    /// What it happened to.
    pub object: String,
    /// `ok`, or why not.
    pub result: String,
    /// More, such as the hash of a decision.
    pub detail: Option<String>,
}

masked!(Entry, Inclusion);

/// A place in the chain: behind so many entries, with the chain's value there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Number of the entry before.
    pub seq: i64,
    /// The chain's value.
    pub sha256: Sha256Hash,
}

/// Why an entry does not follow.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EntryError {
    /// The bytes are none.
    #[error("it is no entry of the audit")]
    Malformed,
    /// Entries are missing, or stand twice.
    #[error("its number does not follow the one before")]
    Number,
    /// An entry before it was changed.
    #[error("it does not name the chain's value before it")]
    Previous,
}

impl Position {
    /// Before the first entry: the hash of nothing.
    pub fn start() -> Self {
        Self { seq: 0, sha256: Sha256Hash::of(&[]) }
    }

    /// Behind one more entry with a salt, of which its SHA-256 is all that need be known.
    #[must_use]
    pub fn after(self, entry_sha256: Sha256Hash) -> Self {
        let both = [*self.sha256.as_bytes(), *entry_sha256.as_bytes()].concat();
        Self { seq: self.seq.saturating_add(1), sha256: Sha256Hash::of(&both) }
    }

    /// Reads the entry that must follow here, and gives the place behind it.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn next(self, bytes: &[u8]) -> Result<(Self, Entry), EntryError> {
        let entry: Entry = json::read(bytes).map_err(|_| EntryError::Malformed)?;
        let after = match (entry.v, &entry.salt) {
            (Some(ENTRY_VERSION), Some(_)) => self.after(Sha256Hash::of(bytes)),
            // Entries of before were chained whole.
            (None, None) => Self { sha256: Sha256Hash::of(bytes), ..self.after(self.sha256) },
            _ => return Err(EntryError::Malformed),
        };
        if entry.seq != after.seq {
            return Err(EntryError::Number);
        }
        if entry.prev_sha256 != self.sha256 {
            return Err(EntryError::Previous);
        }
        Ok((after, entry))
    }
}

/// The service's word on the whole audit, `audit-head+jws`: so many entries, with this value of the chain, at this time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditHead {
    /// [`VERSION`].
    pub v: u32,
    /// The service.
    pub aud: String,
    /// Number of the last entry; 0 where there is none.
    pub seq: i64,
    /// The chain's value behind it.
    pub sha256: Sha256Hash,
    /// When.
    pub at: NumericDate,
}

impl Message for AuditHead {
    const TYP: &'static str = "audit-head+jws";
    type Algorithm = Es256;
}

/// Shows that one entry stands in the chain at its place. Of the entries behind it there are hashes only.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// The entry, byte for byte.
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub entry: Vec<u8>,
    /// SHA-256 of each entry behind it up to the head, 32 bytes each.
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub path: Vec<u8>,
    /// [`AuditHead`]: a compact JWS.
    pub head: String,
}

/// An inclusion shows nothing: what in it is wrong.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct InclusionError(pub &'static str);

impl Inclusion {
    /// Walks from the chain's value before the entry to the head, which one of `service_keys` must have signed for `aud`.
    ///
    /// # Errors
    /// [`InclusionError`] names what does not fit.
    pub fn check(
        &self,
        before: Sha256Hash,
        aud: &str,
        service_keys: &[P256Jwk],
    ) -> Result<(Entry, AuditHead), InclusionError> {
        let entry: Entry = json::read(&self.entry).map_err(|_| InclusionError("entry"))?;
        if entry.v != Some(ENTRY_VERSION) {
            return Err(InclusionError("entry"));
        }
        // The number is the service's word until the head says the same.
        let place = Position { seq: entry.seq.saturating_sub(1), sha256: before };
        let (mut place, entry) = place.next(&self.entry).map_err(|_| InclusionError("prev_sha256"))?;
        let hashes = self.path.chunks_exact(HASH);
        if !hashes.remainder().is_empty() {
            return Err(InclusionError("path"));
        }
        for hash in hashes {
            let hash: [u8; HASH] = hash.try_into().map_err(|_| InclusionError("path"))?;
            place = place.after(hash.into());
        }
        let head = jws::verify_by_any::<AuditHead>(&self.head, service_keys);
        let (_, head) = head.map_err(|_| InclusionError("head"))?;
        let claims = [
            ("v", head.v == VERSION),
            ("aud", head.aud == aud),
            ("seq", head.seq == place.seq),
            ("sha256", head.sha256 == place.sha256),
            ("at", head.at >= entry.ts),
        ];
        match claims.into_iter().find(|(_, is_right)| !is_right) {
            Some((claim, _)) => Err(InclusionError(claim)),
            None => Ok((entry, head)),
        }
    }
}

/// The service's word on the whole audit as it is now.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditHeadAnswer {
    /// [`AuditHead`] as a compact JWS.
    pub head: String,
}

/// Such words, as they were given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditHeadsAnswer {
    /// [`AuditHead`] as compact JWS, oldest first, at most 1000.
    pub heads: Vec<String>,
}

/// What happened to an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditAnswer {
    /// Newest first, at most 100.
    pub events: Vec<AuditEvent>,
}

/// Something that happened to an account, for its owner.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditEvent {
    /// Number of its entry.
    pub seq: i64,
    /// When.
    pub at: NumericDate,
    /// By whom.
    pub by: AuditActor,
    /// What, such as `device.bound`.
    pub event: String,
    /// The device that was used.
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub device_id: Option<DeviceId>,
    /// What it happened to, where that is not the account itself.
    pub object: Option<String>,
    /// `ok`, or the code of the refusal.
    pub result: String,
    /// More, as the entry has it.
    pub detail: Option<String>,
}

/// Who made something happen to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AuditActor {
    /// Whoever came as its owner, or tried to.
    Owner,
    /// Somebody who has not shown who he is.
    Stranger,
    /// Somebody at the insurer.
    Operator,
    /// The service by itself.
    Service,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

    /// The values are reckoned by hand in `docs/protocol.md`, and by `sha256sum`.
    #[test]
    fn each_value_of_the_chain_is_the_hash_of_the_one_before_and_of_the_entry() {
        let entry = format!(
            r#"{{"actor":"service","detail":null,"device_id":null,"event":"e","object":"o","prev_sha256":"{NOTHING}","result":"ok","salt":"AAAAAAAAAAAAAAAAAAAAAA","seq":1,"ts":7,"v":2}}"#
        );
        let (first, read) = Position::start().next(entry.as_bytes()).unwrap();
        assert_eq!((first.seq, read.ts), (1, 7));
        let expected = [*Sha256Hash::of(&[]).as_bytes(), *Sha256Hash::of(entry.as_bytes()).as_bytes()].concat();
        assert_eq!(first.sha256, Sha256Hash::of(&expected));
        assert_eq!(json::canonical(&read).unwrap(), entry.as_bytes());

        // An entry of before the salt is chained whole.
        let old = entry.replace(r#""salt":"AAAAAAAAAAAAAAAAAAAAAA","#, "").replace(r#","v":2"#, "");
        let (first, read) = Position::start().next(old.as_bytes()).unwrap();
        assert_eq!((first.seq, first.sha256), (1, Sha256Hash::of(old.as_bytes())));
        assert_eq!(json::canonical(&read).unwrap(), old.as_bytes());

        let start = Position::start();
        let refused = |text: &str| start.next(text.as_bytes()).err();
        assert_eq!(refused(&entry.replace(r#""seq":1"#, r#""seq":2"#)), Some(EntryError::Number));
        assert_eq!(refused(&entry.replace(NOTHING, &"A".repeat(43))), Some(EntryError::Previous));
        for wrong in [r#""v":3"#, r#""w":2"#] {
            assert_eq!(refused(&entry.replace(r#""v":2"#, wrong)), Some(EntryError::Malformed));
        }
        assert_eq!(refused(&entry.replace(r#","v":2"#, "")), Some(EntryError::Malformed), "a salt, and no version");
    }
}
