//! The database: SQLite in the data folder.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

use super::ServerError;
use super::http::Refusal;
use crate::disk;

/// A transaction that may write. It takes its place in the queue of writers at once, so that it never fails half way.
pub(super) type Tx = Transaction<'static, Sqlite>;

/// How long a writer waits for the one before.
const BUSY: Duration = Duration::from_secs(10);
const CONNECTIONS: u32 = 8;

const FILE: &str = "kartenbund.sqlite";

pub(super) struct Store(SqlitePool);

impl Store {
    /// Whether there is a database already.
    pub(super) fn exists(folder: &Path) -> std::io::Result<bool> {
        folder.join(FILE).try_exists()
    }

    /// Opens the database and runs the migrations that are missing.
    pub(super) async fn open(folder: &Path) -> Result<Self, ServerError> {
        let path = folder.join(FILE);
        // SQLite would make it readable for everyone; its journals get the rights of the file they belong to.
        disk::make_private_file(&path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full) // what was committed survives the loss of power
            .busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?;
        sqlx::migrate!("src/server/migrations").run(&pool).await?;
        Ok(Self(pool))
    }

    /// Begins a transaction that may write.
    pub(super) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        self.0.begin_with("BEGIN IMMEDIATE").await
    }

    /// For reading.
    pub(super) fn pool(&self) -> &SqlitePool {
        &self.0
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

/// A value as the database keeps it.
pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String, Refusal> {
    serde_json::to_string(value).map_err(|_| Refusal::internal())
}

/// A value the database kept.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Refusal> {
    serde_json::from_str(text).map_err(|_| Refusal::internal())
}
