//! The folder that letters are handed to the print service in. Letters come in batches, each a folder of its own: as long
//! as its name ends in `.part` it is being written; under the name without it, it is whole and the print service's.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::LettersError;
use crate::disk;
use crate::protocol::Sha256Hash;

const PART: &str = ".part";
const LOCK: &str = ".lock";
const MANIFEST: &str = "manifest.csv";
const HEADER: &str = "file,kind,pages,sha256\n";

/// The outbox, for one process at a time.
pub(super) struct Outbox {
    folder: PathBuf,
    _lock: File,
}

/// A batch that is being written.
pub(super) struct Batch {
    folder: PathBuf,
    manifest: String,
}

impl Outbox {
    pub(super) fn open(folder: &Path) -> Result<Self, LettersError> {
        disk::make_private_folder(folder)?;
        let path = folder.join(LOCK);
        disk::make_private_file(&path)?;
        let lock = OpenOptions::new().write(true).open(path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(LettersError::Busy),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Names of batches that a job before this one has begun and not finished.
    pub(super) fn unfinished(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            names.extend(name.to_str().and_then(|name| name.strip_suffix(PART)).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    pub(super) fn begin(&self, name: &str) -> io::Result<Batch> {
        let folder = self.part(name);
        disk::make_private_folder(&folder)?;
        Ok(Batch { folder, manifest: HEADER.to_owned() })
    }

    /// Writes the manifest. From here on the batch outlives a loss of power, and its letters may be called created.
    pub(super) fn seal(&self, batch: &Batch) -> io::Result<()> {
        write(&batch.folder.join(MANIFEST), batch.manifest.as_bytes())?;
        disk::sync_folder(&batch.folder)?;
        disk::sync_folder(&self.folder)
    }

    /// Hands the batch over.
    pub(super) fn finish(&self, name: &str) -> io::Result<()> {
        fs::rename(self.part(name), self.folder.join(name))?;
        disk::sync_folder(&self.folder)
    }

    /// Removes a batch whose letters were not created: what is in it opens nothing.
    pub(super) fn discard(&self, name: &str) -> io::Result<()> {
        fs::remove_dir_all(self.part(name))?;
        disk::sync_folder(&self.folder)
    }

    fn part(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{PART}"))
    }
}

impl Batch {
    /// Where a letter goes.
    pub(super) fn path(&self, letter_id: &str) -> PathBuf {
        self.folder.join(file_name(letter_id))
    }

    /// Names a letter in the manifest.
    pub(super) fn list(&mut self, letter_id: &str, kind: &str, pages: usize, sha256: &Sha256Hash) {
        let sha256 = hex::encode(sha256.as_bytes());
        self.manifest.push_str(&format!("{},{kind},{pages},{sha256}\n", file_name(letter_id)));
    }
}

fn file_name(letter_id: &str) -> String {
    format!("{letter_id}.pdf")
}

/// Writes a new file for its owner only, down to the disk.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    disk::make_private_file(path)?;
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
