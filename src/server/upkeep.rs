//! What an operator does to the database beside the running service.

use std::path::Path;

use super::store::Store;
use super::{ServerError, Service, Settings};
use crate::disk;

impl Service {
    /// Copies a database in SQLite, as it is at one moment, into a new file. The service may run meanwhile.
    ///
    /// # Errors
    /// [`ServerError::PgDump`] for another database, [`ServerError::Unused`] where there is none yet, and those of the
    /// file system; a file that is there is left as it is.
    pub async fn back_up(settings: &Settings, file: &Path) -> Result<(), ServerError> {
        if !settings.data.exists() {
            return Err(ServerError::Unused);
        }
        let store = Store::connect(&settings.database, &settings.data).await?;
        let done = copy(&store, file).await;
        store.close().await;
        done
    }
}

async fn copy(store: &Store, file: &Path) -> Result<(), ServerError> {
    if !store.is_used().await? {
        return Err(ServerError::Unused);
    }
    let folder = disk::folder_of(file).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidInput))?;
    let part = tempfile::NamedTempFile::new_in(folder)?; // created with mode 0600
    store.copy_into(part.path()).await?;
    part.as_file().sync_all()?;
    part.persist_noclobber(file).map_err(|error| error.error)?;
    Ok(disk::sync_folder(folder)?)
}
