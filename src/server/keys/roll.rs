//! One signing key takes the place of another, in three steps of the operator: each is a new key file and an entry of the
//! audit. Keys that somebody may have stolen are revoked in one.

use std::fmt;
use std::time::SystemTime;

use super::signing::Scalar;
use super::{File, KeysError, TokenKeys, read_sound, write};
use crate::disk;
use crate::jose::{P256Jwk, Thumbprint, json};
use crate::protocol::NumericDate;
use crate::protocol::audit::Entry as Written;
use crate::server::audit::{self, AuditError, Entry};
use crate::server::states::Event;
use crate::server::store::{Connection, Tx};
use crate::server::{PublicKeys, ServerError, Service, random};

/// A step from one signing key to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollStep {
    /// A second key is made. Clients learn it; it signs nothing yet.
    Announce,
    /// It signs from now on. The one before is listed still, and signs the configuration for clients that know no other.
    Activate,
    /// The private key of the one before is erased. Its public key verifies what it has signed.
    Retire,
}

impl fmt::Display for RollStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Announce => "announce",
            Self::Activate => "activate",
            Self::Retire => "retire",
        })
    }
}

/// What the audit tells of a signing key: what was done to it, and its thumbprint.
pub(super) type Told = (Event, Thumbprint);

impl RollStep {
    fn event(self) -> Event {
        match self {
            Self::Announce => Event::ServiceKeyAnnounced,
            Self::Activate => Event::ServiceKeyActivated,
            Self::Retire => Event::ServiceKeyRetired,
        }
    }
}

impl File {
    /// Takes a step.
    fn roll(&mut self, step: RollStep, rng: &mut dyn rand_core::CryptoRng) -> Result<(), ServerError> {
        let expected = match (&self.next, &self.previous) {
            (None, None) => RollStep::Announce,
            (Some(_), _) => RollStep::Activate,
            (None, Some(_)) => RollStep::Retire,
        };
        if step != expected {
            return Err(ServerError::KeyStep { asked: step, expected });
        }
        match step {
            RollStep::Announce => self.next = Some(Scalar::random(rng)),
            RollStep::Activate => {
                let next = self.next.take().ok_or(KeysError::Damaged)?;
                self.previous = Some(std::mem::replace(&mut self.signing, next));
            }
            RollStep::Retire => {
                let previous = self.previous.take().ok_or(KeysError::Damaged)?;
                self.former.push(previous.public()?);
            }
        }
        Ok(())
    }

    /// The step that was taken last, and the key it was about; `None` where no key was rolled on.
    fn last_step(&self) -> Result<Option<Told>, KeysError> {
        let last = match (&self.next, &self.previous, self.former.last()) {
            (Some(next), ..) => Some((RollStep::Announce, next.public()?)),
            (None, Some(_), _) => Some((RollStep::Activate, self.signing.public()?)),
            (None, None, Some(former)) => Some((RollStep::Retire, former.clone())),
            (None, None, None) => None,
        };
        Ok(last.map(|(step, key)| (step.event(), key.thumbprint())))
    }

    /// Every private key that signs, will or did is another one from here on, and what was there is revoked. Tokens end as
    /// well: who has the key of a session, and those of tokens, renews it as often as he likes.
    fn revoke_all(&mut self, rng: &mut dyn rand_core::CryptoRng) -> Result<Vec<Told>, KeysError> {
        let signing = std::mem::replace(&mut self.signing, Scalar::random(rng));
        let mut done = Vec::new();
        for key in [self.previous.take(), Some(signing), self.next.take()].into_iter().flatten() {
            done.push(self.revoke(key.public()?));
        }
        self.token_keys = TokenKeys::first(rng);
        done.push((Event::ServiceKeyActivated, self.signing.public()?.thumbprint()));
        Ok(done)
    }

    /// A key that was retired is revoked; `None` where there is none of this thumbprint.
    fn revoke_former(&mut self, key: Thumbprint) -> Option<Told> {
        let at = self.former.iter().position(|former| former.thumbprint() == key)?;
        let former = self.former.remove(at);
        Some(self.revoke(former))
    }

    fn revoke(&mut self, key: P256Jwk) -> Told {
        let told = (Event::ServiceKeyRevoked, key.thumbprint());
        self.revoked.push(key);
        told
    }

    /// What was done to signing keys, as far as the file shows it. Each of it is in the audit, or its entry is missing.
    pub(super) fn done(&self) -> Result<Vec<Told>, KeysError> {
        let mut done: Vec<_> = self.last_step()?.into_iter().collect();
        done.extend(self.revoked.iter().map(|key| (Event::ServiceKeyRevoked, key.thumbprint())));
        if !self.revoked.is_empty() {
            // No key that was revoked is the first one any more, so this one has taken the place of another.
            done.push((Event::ServiceKeyActivated, self.signing.public()?.thumbprint()));
        }
        Ok(done)
    }
}

impl Service {
    /// Takes a step from one signing key to the next; gives the thumbprint of the key it was about. Processes that run take
    /// it up within a second.
    ///
    /// # Errors
    /// [`ServerError::KeyStep`], and others. Where the entry of the audit could not be written, it follows later.
    pub async fn roll_signing_key(&self, step: RollStep) -> Result<Thumbprint, ServerError> {
        let change = |file: &mut File| {
            file.roll(step, &mut random())?;
            Ok(file.last_step()?.into_iter().collect())
        };
        let done = self.change_signing_keys(change).await?;
        done.first().map(|(_, key)| *key).ok_or(KeysError::Damaged.into())
    }

    /// Revokes the keys that somebody else may have: nobody is told any more to believe what they have signed. That is
    /// `former`, the thumbprint of a key that was retired; or, where there is none, each whose private key is in the file. Then
    /// a new one signs at once, no other is listed, every client has to pin it anew, and everybody is logged out. One that is
    /// revoked stays so. Gives the keys as the file has them then.
    ///
    /// # Errors
    /// [`ServerError::NoFormerKey`], and others. Where the entry of the audit could not be written, it follows later.
    pub async fn revoke_signing_keys(&self, former: Option<Thumbprint>) -> Result<PublicKeys, ServerError> {
        let change = |file: &mut File| match former {
            None => Ok(file.revoke_all(&mut random())?),
            Some(key) if file.revoked.iter().any(|revoked| revoked.thumbprint() == key) => Ok(Vec::new()),
            Some(key) => file.revoke_former(key).map(|told| vec![told]).ok_or(ServerError::NoFormerKey(key)),
        };
        self.change_signing_keys(change).await?;
        Ok(PublicKeys::of(&self.keys.signing()))
    }

    /// Changes the key file, and tells the audit what was done.
    async fn change_signing_keys(
        &self,
        change: impl FnOnce(&mut File) -> Result<Vec<Told>, ServerError>,
    ) -> Result<Vec<Told>, ServerError> {
        let path = self.keys.path();
        let _lock = disk::lock_folder(&self.settings.data)?;
        // The file may be one step further than this process has read, or its entry be missing since a process was killed.
        self.keys.read_again()?;
        self.tell_of_rolling().await?;
        let mut file = read_sound(path)?;
        let done = change(&mut file)?;
        let mut tx = self.store.begin().await?;
        for told in &done {
            append(&mut tx, *told, self.now_unix()).await?;
        }
        // The file comes before the commit: an entry of a step never stands there without the step, and one that is missing
        // is found by the file and written afterwards. The other way round a key would be announced that nobody has.
        write(path, &file)?;
        // What was killed while it wrote has left keys behind, and nobody else writes now.
        disk::sweep(&self.settings.data, SystemTime::now())?;
        tx.commit().await?;
        self.keys.read_again()?;
        self.tell_of_rolling().await?;
        Ok(done)
    }

    /// Writes the entry of what was done last to signing keys, where it is missing: whoever did it was killed between file
    /// and audit.
    pub(in crate::server) async fn tell_of_rolling(&self) -> Result<(), ServerError> {
        for told in self.keys.untold() {
            let is_told = is_told(&mut self.store.pool().acquire().await?, told).await?;
            if !is_told {
                let mut tx = self.store.begin().await?;
                // Another process may have been quicker.
                if !self::is_told(&mut tx, told).await? {
                    append(&mut tx, told, self.now_unix()).await?;
                }
                tx.commit().await?;
            }
            self.keys.set_told(told);
        }
        Ok(())
    }
}

async fn append(tx: &mut Tx, (event, key): Told, now: NumericDate) -> Result<(), sqlx::Error> {
    let object = key.to_string();
    let entry = Entry { actor: "operator", device: None, event, object: &object, result: "ok", detail: None };
    Ok(audit::append(tx, entry, now).await?)
}

/// Whether the audit tells of it. An entry about a key is found by its thumbprint, as one about a person is by the
/// pseudonym.
async fn is_told(connection: &mut Connection, (event, key): Told) -> Result<bool, sqlx::Error> {
    let entries = sqlx::query_scalar::<_, Vec<u8>>("SELECT entry FROM audit WHERE person = $1").bind(key.to_string());
    for entry in entries.fetch_all(connection).await? {
        let entry: Written = json::read(&entry).map_err(|_| AuditError::Damaged)?;
        if entry.event == event.as_str() {
            return Ok(true);
        }
    }
    Ok(false)
}
