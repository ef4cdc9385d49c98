//! One signing key takes the place of another, in three steps of the operator: each is a new key file and an entry of the
//! audit.

use std::fmt;
use std::time::SystemTime;

use super::signing::Scalar;
use super::{File, KeysError, read_sound, write};
use crate::disk;
use crate::jose::{Thumbprint, json};
use crate::protocol::NumericDate;
use crate::protocol::audit::Entry as Written;
use crate::server::audit::{self, AuditError, Entry};
use crate::server::states::Event;
use crate::server::store::{Connection, Tx};
use crate::server::{ServerError, Service, random};

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

    /// The step that was taken last, and the key it was about; `None` where there never was another key.
    pub(super) fn last_step(&self) -> Result<Option<(RollStep, Thumbprint)>, KeysError> {
        let last = match (&self.next, &self.previous, self.former.last()) {
            (Some(next), ..) => Some((RollStep::Announce, next.public()?)),
            (None, Some(_), _) => Some((RollStep::Activate, self.signing.public()?)),
            (None, None, Some(former)) => Some((RollStep::Retire, former.clone())),
            (None, None, None) => None,
        };
        Ok(last.map(|(step, key)| (step, key.thumbprint())))
    }
}

impl Service {
    /// Takes a step from one signing key to the next; gives the thumbprint of the key it was about. Processes that run take
    /// it up within a second.
    ///
    /// # Errors
    /// [`ServerError::KeyStep`], and others. Where the entry of the audit could not be written, it follows later.
    pub async fn roll_signing_key(&self, step: RollStep) -> Result<Thumbprint, ServerError> {
        let path = self.keys.path();
        let _lock = disk::lock_folder(&self.settings.data)?;
        // The file may be one step further than this process has read, or its entry be missing since a process was killed.
        self.keys.read_again()?;
        self.tell_of_rolling().await?;
        let mut file = read_sound(path)?;
        file.roll(step, &mut random())?;
        let (_, key) = file.last_step()?.ok_or(KeysError::Damaged)?;
        let mut tx = self.store.begin().await?;
        append(&mut tx, step, key, self.now_unix()).await?;
        // The file comes before the commit: an entry of a step never stands there without the step, and one that is missing
        // is found by the file and written afterwards. The other way round a key would be announced that nobody has.
        write(path, &file)?;
        // What was killed while it wrote has left keys behind, and nobody else writes now.
        disk::sweep(&self.settings.data, SystemTime::now())?;
        tx.commit().await?;
        self.keys.read_again()?;
        self.tell_of_rolling().await?;
        Ok(key)
    }

    /// Writes the entry of the step that was taken last, where it is missing: whoever took it was killed between file and
    /// audit.
    pub(in crate::server) async fn tell_of_rolling(&self) -> Result<(), ServerError> {
        let Some((step, key)) = self.keys.untold_step() else { return Ok(()) };
        let is_told = is_told(&mut self.store.pool().acquire().await?, step, key).await?;
        if !is_told {
            let mut tx = self.store.begin().await?;
            // Another process may have been quicker.
            if !self::is_told(&mut tx, step, key).await? {
                append(&mut tx, step, key, self.now_unix()).await?;
            }
            tx.commit().await?;
        }
        self.keys.set_told((step, key));
        Ok(())
    }
}

async fn append(tx: &mut Tx, step: RollStep, key: Thumbprint, now: NumericDate) -> Result<(), sqlx::Error> {
    let object = key.to_string();
    let entry =
        Entry { actor: "operator", device: None, event: step.event(), object: &object, result: "ok", detail: None };
    Ok(audit::append(tx, entry, now).await?)
}

/// Whether the audit knows of the step. An entry about a key is found by its thumbprint, as one about a person is by the
/// pseudonym.
async fn is_told(connection: &mut Connection, step: RollStep, key: Thumbprint) -> Result<bool, sqlx::Error> {
    let entries = sqlx::query_scalar::<_, Vec<u8>>("SELECT entry FROM audit WHERE person = $1").bind(key.to_string());
    for entry in entries.fetch_all(connection).await? {
        let entry: Written = json::read(&entry).map_err(|_| AuditError::Damaged)?;
        if entry.event == step.event().as_str() {
            return Ok(true);
        }
    }
    Ok(false)
}
