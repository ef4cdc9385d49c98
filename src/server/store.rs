//! The database: SQLite in the data folder, or PostgreSQL. Every query runs on both.

mod connection;
mod group;
mod sqlite;

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use sqlx::any::{AnyArguments, AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Any, Connection as _, Executor as _};

pub(super) use self::connection::{Connection, Pool};
use self::group::{Group, Part};
use super::ServerError;
use super::http::Refusal;
use super::settings::Database;
use crate::disk;
use crate::protocol::audit::Position;

/// A transaction. Dropped, it is undone.
pub(super) enum Tx {
    /// One of those that are committed together.
    Part(Part),
    /// One of its own.
    Alone(Connection),
}

impl Tx {
    /// What it did is there and durable after this, whole.
    ///
    /// # Errors
    /// The database's own. Where the line broke, nobody knows whether it was committed.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Part(part) => part.commit().await,
            Self::Alone(Connection::Transaction(tx)) => tx.commit().await,
            Self::Alone(connection) => connection.end("COMMIT".to_owned()).await.map(drop),
        }
    }

    /// Where the audit ends in it, where something in it or before it in its group has looked or written: nobody else
    /// writes the audit meanwhile.
    pub(super) fn audit_end(&self) -> Option<Position> {
        match self {
            Self::Part(part) => part.audit_end,
            Self::Alone(_) => None,
        }
    }

    /// Remembers that. `None` where nobody knows any more.
    pub(super) fn set_audit_end(&mut self, end: Option<Position>) {
        if let Self::Part(part) = self {
            part.audit_end = end;
        }
    }

    /// Begins something in it that can be undone alone, with [`Self::undo`], and holds from [`Self::keep`] on.
    pub(super) async fn attempt(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("SAVEPOINT attempt").execute(&mut **self).await.map(drop)
    }

    pub(super) async fn keep(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("RELEASE SAVEPOINT attempt").execute(&mut **self).await.map(drop)
    }

    pub(super) async fn undo(&mut self) -> Result<(), sqlx::Error> {
        self.set_audit_end(None);
        sqlx::raw_sql("ROLLBACK TO SAVEPOINT attempt").execute(&mut **self).await?;
        self.keep().await
    }
}

impl Deref for Tx {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Part(part) => part,
            Self::Alone(tx) => tx,
        }
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Connection {
        match self {
            Self::Part(part) => part,
            Self::Alone(tx) => tx,
        }
    }
}

/// How long a request waits for a free connection, and a writer on SQLite for the one before.
const BUSY: Duration = Duration::from_secs(10);
const CONNECTIONS: u8 = 8;
/// How long a connection with PostgreSQL may have rested without being asked whether it still holds.
const RESTED: Duration = Duration::from_secs(1);

const FILE: &str = "kartenbund.sqlite";

pub(super) struct Store {
    pool: Pool,
    /// Connections that write. On SQLite there is one, since it has one writer at a time: whoever waits for it has a
    /// place in the queue, where SQLite itself would look again at longer and longer intervals.
    writers: Pool,
    group: Group,
}

impl Store {
    /// Opens the database as it is: [`Store::migrate`] comes next.
    pub(super) async fn connect(database: &Database, folder: &Path) -> Result<Self, ServerError> {
        let (pool, writers) = match database {
            Database::Sqlite => {
                let path = folder.join(FILE);
                // SQLite would make it readable for everyone; its journals get the rights of the file they belong to.
                disk::make_private_file(&path)?;
                let writers = sqlite::Pool::new(&path, 1);
                drop(writers.acquire().await?);
                (Pool::Sqlite(sqlite::Pool::new(&path, CONNECTIONS.into())), Pool::Sqlite(writers))
            }
            Database::Postgresql(url) => {
                install_default_drivers();
                // Whether a connection still holds is asked when it has rested, not before each use.
                let pool = AnyPoolOptions::new().max_connections(CONNECTIONS.into()).acquire_timeout(BUSY);
                let pool = pool.test_before_acquire(false).before_acquire(|connection, used| {
                    Box::pin(async move {
                        if used.idle_for >= RESTED {
                            connection.ping().await?;
                        }
                        Ok(true)
                    })
                });
                let pool = pool.after_connect(|connection, _| {
                    Box::pin(async move {
                        // Whoever waits for the place of a writer sees what the one before wrote; and a process that
                        // is gone without a word does not keep that place.
                        let settings = "SET default_transaction_isolation = 'read committed'; \
                                        SET idle_in_transaction_session_timeout = '10s'; SET tcp_keepalives_idle = 10; \
                                        SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3";
                        connection.execute(settings).await.map(drop)
                    })
                });
                let pool = pool.connect_with(url.expose().parse::<AnyConnectOptions>()?).await?;
                (Pool::Postgresql(pool.clone()), Pool::Postgresql(pool))
            }
        };
        Ok(Self { pool, writers, group: Group::default() })
    }

    /// Whether a service has used this database before.
    pub(super) async fn is_used(&self) -> Result<bool, sqlx::Error> {
        let query = match self.pool {
            Pool::Sqlite(_) => "SELECT COUNT(*) FROM sqlite_master WHERE name = 'audit'",
            Pool::Postgresql(_) => {
                "SELECT COUNT(*) FROM information_schema.tables \
                 WHERE table_schema = current_schema() AND table_name = 'audit'"
            }
        };
        Ok(sqlx::query_scalar::<_, i64>(query).fetch_one(&self.pool).await? > 0)
    }

    /// Runs the migrations that are missing.
    pub(super) async fn migrate(&self) -> Result<(), ServerError> {
        match &self.pool {
            Pool::Sqlite(pool) => {
                let options = SqliteConnectOptions::new().filename(pool.path()).busy_timeout(BUSY);
                let mut connection = SqliteConnection::connect_with(&options.pragma("secure_delete", "ON")).await?;
                sqlx::migrate!("src/server/migrations/sqlite").run(&mut connection).await?;
                connection.close().await?;
            }
            Pool::Postgresql(pool) => sqlx::migrate!("src/server/migrations/postgresql").run(pool).await?,
        }
        Ok(())
    }

    /// Begins a transaction that may write. It takes its place in the queue of writers at once, on both databases: it
    /// never fails half way because somebody else wrote, and the entries of the audit follow one another. It is committed
    /// together with those that wait behind it, so nothing but the database may be waited for in it.
    pub(super) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        let begin = match self.writers {
            Pool::Sqlite(_) => "BEGIN IMMEDIATE",
            // Held until the end of the transaction. The number is "KBND" in ASCII. Whoever waits longer than that for
            // another process is told so; who waits for the lock of a migration is not.
            Pool::Postgresql(_) => {
                "BEGIN; SET LOCAL lock_timeout = '10s'; SELECT pg_advisory_xact_lock(1262636612)::text"
            }
        };
        self.group.begin(BUSY, &self.writers, begin).await.map(Tx::Part)
    }

    /// Begins a transaction that changes single rows and writes no audit entry: on PostgreSQL it waits for nobody but
    /// those who change the same rows.
    pub(super) async fn begin_row(&self) -> Result<Tx, sqlx::Error> {
        match &self.writers {
            Pool::Sqlite(_) => self.begin().await,
            Pool::Postgresql(writers) => Ok(Tx::Alone(Connection::Transaction(writers.begin().await?))),
        }
    }

    /// Begins a transaction that reads everything as it is at one moment, and writes nothing.
    pub(super) async fn begin_read(&self) -> Result<Tx, sqlx::Error> {
        let connection = match &self.pool {
            Pool::Sqlite(_) => {
                let mut connection = self.pool.acquire().await?;
                connection.say("BEGIN".to_owned()).await?;
                connection
            }
            Pool::Postgresql(pool) => {
                let mut tx = pool.begin().await?;
                sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *tx).await?;
                Connection::Transaction(tx)
            }
        };
        Ok(Tx::Alone(connection))
    }

    /// Copies the database as it is at this moment into an empty file.
    pub(super) async fn copy_into(&self, file: &Path) -> Result<(), ServerError> {
        let Pool::Sqlite(pool) = &self.pool else { return Err(ServerError::PgDump) };
        let path = file.to_str().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidInput))?;
        Ok(pool.acquire().await?.copy_into(path)?)
    }

    /// For reading.
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Removes rows that nobody needs any more, in a transaction with a place in the queue of writers: beside it, two that
    /// take the same rows in another order would wait for each other.
    pub(super) async fn forget(&self, delete: Query<'_, Any, AnyArguments>) -> Result<(), Refusal> {
        let mut tx = self.begin().await?;
        delete.execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// For changes of one row.
    pub(super) fn writers(&self) -> &Pool {
        &self.writers
    }

    pub(super) async fn close(&self) {
        self.writers.close().await;
        self.pool.close().await;
    }
}

/// The places of many rows after `VALUES`: `($1, $2), ($3, $4)`.
pub(super) fn rows(count: usize, columns: usize) -> String {
    let row = |row: usize| format!("({})", places(row * columns + 1, columns));
    (0..count).map(row).collect::<Vec<_>>().join(", ")
}

/// Places of values, from number `first`: `$3, $4`.
pub(super) fn places(first: usize, count: usize) -> String {
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

/// A value as the database keeps it.
pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String, Refusal> {
    serde_json::to_string(value).map_err(|_| Refusal::internal())
}

/// A value the database kept.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Refusal> {
    serde_json::from_str(text).map_err(|_| Refusal::internal())
}
