//! SQLite, called in the thread that asks. A statement takes a few microseconds, less than it takes to wake a thread that
//! would run it. What waits for another process, or for a disk that is not quick, lets the other tasks of its thread go on
//! meanwhile.
//!
//! Queries are those of `sqlx`, which PostgreSQL answers itself: arguments and rows are read and made here in the members
//! that `sqlx_core` keeps for drivers, and promises to nobody else. Another version of it may need another one of this.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, ErrorCode, OpenFlags, ffi};
use sqlx::any::{AnyQueryResult, AnyRow, AnyTypeInfo, AnyTypeInfoKind, AnyValue};
use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::{Any, Either, Execute};
use sqlx_core::any::{AnyColumn, AnyValueKind};
use sqlx_core::ext::ustr::UStr;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What each connection is told first. What was committed survives the loss of power: `synchronous = FULL`. What was
/// deleted, such as a share in a device PIN, is overwritten: `secure_delete`. And what a transaction may have to undo is
/// kept in memory, not in a file of its own: `temp_store`.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                       PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY";
/// How many statements a connection keeps prepared. The service has fewer.
const PREPARED: usize = 512;
/// How many rows are read before the other tasks of the thread need not wait any longer.
const SHORT: usize = 256;
/// A commit that takes no longer holds up the tasks of its thread less than moving them to another one.
const QUICK: Duration = Duration::from_millis(1);

/// Connections with one file, opened as they are needed.
#[derive(Clone)]
pub(in crate::server) struct Pool(Arc<Shared>);

struct Shared {
    path: Box<Path>,
    idle: Mutex<Vec<Open>>,
    /// One permit for each connection that may be open.
    permits: Arc<Semaphore>,
    size: usize,
}

/// A connection and what it knows of the statements it has run.
struct Open {
    connection: rusqlite::Connection,
    shapes: HashMap<Box<str>, Arc<Shape>>,
    /// Whether the last transaction ended within [`QUICK`].
    is_quick: bool,
}

/// What a statement takes and gives.
struct Shape {
    /// Which argument, counted from 0, stands in which place: `$2` may come before `$1`.
    places: Vec<usize>,
    columns: Vec<AnyColumn>,
    names: Arc<sqlx_core::HashMap<UStr, usize>>,
}

/// A connection of a pool. Dropped, it is there for the next one, and what was begun on it is undone.
pub(in crate::server) struct Connection {
    /// There until it is dropped or discarded.
    open: Option<Open>,
    home: Pool,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    /// At most `size` connections with the database in this file, which is made where there is none.
    pub(super) fn new(path: &Path, size: usize) -> Self {
        let permits = Arc::new(Semaphore::new(size));
        Self(Arc::new(Shared { path: path.into(), idle: Mutex::default(), permits, size }))
    }

    /// # Errors
    /// [`sqlx::Error::PoolClosed`], and why the file could not be opened.
    pub(super) async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        let permit = Arc::clone(&self.0.permits).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.idle().pop();
        let open = match idle {
            Some(open) => open,
            None => elsewhere(|| Open::new(&self.0.path))?,
        };
        Ok(Connection { open: Some(open), home: self.clone(), _permit: permit })
    }

    /// How many connections are at work, and how many are open besides.
    pub(super) fn used_and_idle(&self) -> (usize, usize) {
        (self.0.size.saturating_sub(self.0.permits.available_permits()), self.idle().len())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Waits for those who are at work. Nobody gets a connection afterwards.
    pub(super) async fn close(&self) {
        let all = u32::try_from(self.0.size).unwrap_or(u32::MAX);
        let _ = self.0.permits.acquire_many(all).await; // refused where it is closed already
        self.0.permits.close();
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Open>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn new(path: &Path) -> Result<Self, sqlx::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(path, flags).map_err(Failure::of)?;
        connection.busy_timeout(super::BUSY).map_err(Failure::of)?;
        connection.execute_batch(PRAGMAS).map_err(Failure::of)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        Ok(Self { connection, shapes: HashMap::new(), is_quick: false })
    }
}

impl Connection {
    /// Runs a query, and gives its rows, at most `limit` of them, and what it changed.
    pub(super) fn run<'q>(&mut self, mut query: impl Execute<'q, Any>, limit: usize) -> Result<Done, sqlx::Error> {
        let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
        let arguments = arguments.map(|arguments| arguments.values.0);
        let sql = query.sql();
        let Open { connection, shapes, .. } = self.open()?;
        let Some(arguments) = arguments else {
            // Several statements in one text, which take and give nothing.
            connection.execute_batch(sql.as_str()).map_err(Failure::of)?;
            return Ok(Done::default());
        };
        let mut statement = connection.prepare_cached(sql.as_str()).map_err(Failure::of)?;
        let shape = match shapes.get(sql.as_str()) {
            Some(shape) => Arc::clone(shape),
            None => {
                if shapes.len() >= PREPARED {
                    shapes.clear();
                }
                let shape = Arc::new(Shape::of(&statement)?);
                shapes.insert(sql.as_str().into(), Arc::clone(&shape));
                shape
            }
        };
        for (place, argument) in shape.places.iter().enumerate() {
            let argument = arguments.get(*argument).ok_or_else(|| bad("a place has no argument"))?;
            statement.raw_bind_parameter(place + 1, argument_of(argument)?).map_err(Failure::of)?;
        }
        let is_reading = statement.readonly();
        let rows = if is_reading || !connection.is_autocommit() {
            read(&mut statement, &shape, limit)?
        } else {
            // It is committed at its end.
            elsewhere(|| read(&mut statement, &shape, limit))?
        };
        drop(statement);
        Ok(Done { rows, changes: if is_reading { 0 } else { connection.changes() } })
    }

    /// Says something that ends or begins in no more than a few microseconds, such as a savepoint.
    pub(super) fn say(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        self.open()?.connection.execute_batch(sql).map_err(Failure::of)
    }

    /// Begins a transaction that writes. Another process may be at work in one: it is waited for.
    pub(super) fn begin(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let Open { connection, .. } = self.open()?;
        connection.busy_timeout(Duration::ZERO).map_err(Failure::of)?;
        let begun = connection.execute_batch(sql);
        connection.busy_timeout(super::BUSY).map_err(Failure::of)?;
        match begun {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                elsewhere(|| connection.execute_batch(sql))
            }
            begun => begun,
        }
        .map_err(Failure::of)
    }

    /// Ends a transaction. While the disk is quick, it is waited for here.
    pub(super) fn end(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let Open { connection, is_quick, .. } = self.open()?;
        let started = Instant::now();
        let ended = if *is_quick { connection.execute_batch(sql) } else { elsewhere(|| connection.execute_batch(sql)) };
        *is_quick = started.elapsed() < QUICK;
        ended.map_err(Failure::of)
    }

    /// Copies the database as it is at this moment into an empty file.
    pub(super) fn copy_into(&mut self, path: &str) -> Result<(), sqlx::Error> {
        let Open { connection, .. } = self.open()?;
        elsewhere(|| connection.execute("VACUUM INTO ?1", [path])).map(drop).map_err(Failure::of)
    }

    /// Closes it: nobody knows what it is in.
    pub(super) fn discard(mut self) {
        self.open = None;
    }

    fn open(&mut self) -> Result<&mut Open, sqlx::Error> {
        self.open.as_mut().ok_or(sqlx::Error::WorkerCrashed)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else { return };
        if open.connection.is_autocommit() || open.connection.execute_batch("ROLLBACK").is_ok() {
            self.home.idle().push(open);
        }
    }
}

/// What a query gave.
#[derive(Default)]
pub(super) struct Done {
    pub(super) rows: Vec<AnyRow>,
    changes: u64,
}

impl Done {
    pub(super) fn result(&self) -> AnyQueryResult {
        AnyQueryResult { rows_affected: self.changes, last_insert_id: None }
    }

    /// Its rows, and then what it changed.
    pub(super) fn each(self) -> impl Iterator<Item = Either<AnyQueryResult, AnyRow>> {
        let result = self.result();
        self.rows.into_iter().map(Either::Right).chain([Either::Left(result)])
    }
}

impl Shape {
    fn of(statement: &CachedStatement<'_>) -> Result<Self, sqlx::Error> {
        let place = |place| {
            let name = statement.parameter_name(place).and_then(|name| name.strip_prefix('$'));
            let number = name.and_then(|number| number.parse::<usize>().ok()).and_then(|number| number.checked_sub(1));
            number.ok_or_else(|| bad("arguments stand in places such as $1"))
        };
        let columns = statement.column_names().into_iter().enumerate();
        let columns = columns.map(|(ordinal, name)| {
            // What a column holds is seen by each value.
            AnyColumn { ordinal, name: UStr::new(name), type_info: AnyTypeInfo { kind: AnyTypeInfoKind::Null } }
        });
        let columns = columns.collect::<Vec<_>>();
        let names = columns.iter().map(|column| (column.name.clone(), column.ordinal)).collect();
        let places = (1..=statement.parameter_count()).map(place).collect::<Result<_, _>>()?;
        Ok(Self { places, columns, names: Arc::new(names) })
    }
}

fn read(statement: &mut CachedStatement<'_>, shape: &Shape, limit: usize) -> Result<Vec<AnyRow>, sqlx::Error> {
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while found.len() < limit.min(SHORT) {
        let Some(row) = rows.next().map_err(Failure::of)? else { return Ok(found) };
        found.push(row_of(row, shape)?);
    }
    if found.len() < limit {
        elsewhere(|| {
            while found.len() < limit {
                let Some(row) = rows.next().map_err(Failure::of)? else { break };
                found.push(row_of(row, shape)?);
            }
            Ok::<_, sqlx::Error>(())
        })?;
    }
    Ok(found)
}

fn row_of(row: &rusqlite::Row<'_>, shape: &Shape) -> Result<AnyRow, sqlx::Error> {
    let values = (0..shape.columns.len()).map(|column| {
        let kind = match row.get_ref(column).map_err(Failure::of)? {
            ValueRef::Null => AnyValueKind::Null(AnyTypeInfoKind::Null),
            ValueRef::Integer(value) => AnyValueKind::BigInt(value),
            ValueRef::Real(value) => AnyValueKind::Double(value),
            ValueRef::Text(value) => {
                let text = str::from_utf8(value).map_err(|_| bad("a text is not UTF-8"))?;
                AnyValueKind::Text(Arc::new(text.to_owned()))
            }
            ValueRef::Blob(value) => AnyValueKind::Blob(Arc::new(value.to_vec())),
        };
        Ok(AnyValue { kind })
    });
    let values = values.collect::<Result<_, sqlx::Error>>()?;
    Ok(AnyRow { column_names: Arc::clone(&shape.names), columns: shape.columns.clone(), values })
}

fn argument_of(argument: &AnyValueKind) -> Result<ToSqlOutput<'_>, sqlx::Error> {
    Ok(ToSqlOutput::Borrowed(match argument {
        AnyValueKind::Null(_) => ValueRef::Null,
        AnyValueKind::Bool(value) => ValueRef::Integer(i64::from(*value)),
        AnyValueKind::SmallInt(value) => ValueRef::Integer(i64::from(*value)),
        AnyValueKind::Integer(value) => ValueRef::Integer(i64::from(*value)),
        AnyValueKind::BigInt(value) => ValueRef::Integer(*value),
        AnyValueKind::Real(value) => ValueRef::Real(f64::from(*value)),
        AnyValueKind::Double(value) => ValueRef::Real(*value),
        AnyValueKind::Text(value) => ValueRef::Text(value.as_bytes()),
        AnyValueKind::TextSlice(value) => ValueRef::Text(value.as_bytes()),
        AnyValueKind::Blob(value) => ValueRef::Blob(value),
        _ => return Err(bad("an argument of a type that SQLite does not have")),
    }))
}

/// Does what may take its time, while the other tasks of this thread go on in another one.
fn elsewhere<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn bad(what: &'static str) -> sqlx::Error {
    sqlx::Error::Protocol(what.to_owned())
}

/// What SQLite says of a failure.
#[derive(Debug)]
struct Failure {
    /// The extended result code, such as 5 for `SQLITE_BUSY`.
    code: i32,
    message: String,
}

impl Failure {
    fn of(error: rusqlite::Error) -> sqlx::Error {
        let code = error.sqlite_error().map_or(ffi::SQLITE_ERROR, |error| error.extended_code);
        sqlx::Error::Database(Box::new(Self { code, message: error.to_string() }))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLite {})", self.message, self.code)
    }
}

impl std::error::Error for Failure {}

impl DatabaseError for Failure {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other // nobody asks
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Executor as _;

    use super::super::connection::{Connection, Pool};
    use super::*;

    struct Database {
        pool: Pool,
        folder: tempfile::TempDir,
    }

    impl Database {
        async fn new(connections: usize) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let pool = Pool::Sqlite(super::Pool::new(&folder.path().join("database"), connections));
            pool.execute("CREATE TABLE line (number BIGINT PRIMARY KEY, text TEXT, bytes BLOB)").await.unwrap();
            Self { pool, folder }
        }

        async fn numbers(&self) -> Vec<i64> {
            sqlx::query_scalar("SELECT number FROM line ORDER BY number").fetch_all(&self.pool).await.unwrap()
        }
    }

    #[tokio::test]
    async fn arguments_stand_where_their_number_does_and_come_back_as_they_were() {
        let database = Database::new(1).await;
        let insert = sqlx::query("INSERT INTO line (text, bytes, number) VALUES ($3, $2, $1)");
        let done = insert.bind(7_i64).bind(vec![0_u8, 255]).bind("ä").execute(&database.pool).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
        let insert = sqlx::query("INSERT INTO line (number, text) VALUES ($1, $2)").bind(8_i64).bind(None::<String>);
        insert.execute(&database.pool).await.unwrap();
        let query = sqlx::query_as::<_, (i64, Option<String>, Option<Vec<u8>>)>("SELECT * FROM line ORDER BY number");
        let found = query.fetch_all(&database.pool).await.unwrap();
        assert_eq!(found, [(7, Some("ä".to_owned()), Some(vec![0, 255])), (8, None, None)]);
        let update = sqlx::query("UPDATE line SET text = $1").bind("x").execute(&database.pool).await.unwrap();
        assert_eq!(update.rows_affected(), 2);
    }

    #[tokio::test]
    async fn a_statement_without_its_arguments_is_not_run() {
        let database = Database::new(1).await;
        let missing = sqlx::query("INSERT INTO line (number, text) VALUES ($1, $2)").bind(1_i64);
        missing.execute(&database.pool).await.unwrap_err();
        let unnumbered = sqlx::query("INSERT INTO line (number) VALUES (?)").bind(1_i64);
        unnumbered.execute(&database.pool).await.unwrap_err();
        assert!(database.numbers().await.is_empty());
    }

    #[tokio::test]
    async fn what_sqlite_refuses_is_an_error_with_its_code() {
        let database = Database::new(1).await;
        let insert = || sqlx::query("INSERT INTO line (number) VALUES (1)").execute(&database.pool);
        insert().await.unwrap();
        let Err(sqlx::Error::Database(error)) = insert().await else { panic!("it is there already") };
        assert_eq!(error.code().as_deref(), Some("1555"), "SQLITE_CONSTRAINT_PRIMARYKEY");
    }

    #[tokio::test]
    async fn what_was_begun_on_a_dropped_connection_is_undone() {
        let database = Database::new(1).await;
        let mut connection = database.pool.acquire().await.unwrap().begin("BEGIN IMMEDIATE".to_owned()).await.unwrap();
        sqlx::query("INSERT INTO line (number) VALUES (1)").execute(&mut connection).await.unwrap();
        drop(connection);
        assert!(database.numbers().await.is_empty(), "the only connection is there again, and nothing is open on it");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn many_rows_are_all_read() {
        let database = Database::new(1).await;
        let many = i64::try_from(3 * SHORT).unwrap();
        let insert = "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < $1) \
                      INSERT INTO line (number) SELECT n FROM up";
        sqlx::query(insert).bind(many).execute(&database.pool).await.unwrap();
        assert_eq!(database.numbers().await, (1..=many).collect::<Vec<_>>());
    }

    /// On one thread: whoever waits for another process holds up nobody else.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn another_process_that_writes_is_waited_for() {
        let database = Database::new(2).await;
        let other = rusqlite::Connection::open(database.folder.path().join("database")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE; INSERT INTO line (number) VALUES (1)").unwrap();
        let pool = database.pool.clone();
        let waiting = tokio::spawn(async move {
            let mut connection = pool.acquire().await?.begin("BEGIN IMMEDIATE".to_owned()).await?;
            sqlx::query("INSERT INTO line (number) SELECT MAX(number) + 1 FROM line").execute(&mut connection).await?;
            connection.end("COMMIT".to_owned()).await.map(drop)
        });
        // It waits: meanwhile this thread answers others.
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(database.numbers().await.is_empty());
        }
        assert!(!waiting.is_finished());
        other.execute_batch("COMMIT").unwrap();
        waiting.await.unwrap().unwrap();
        assert_eq!(database.numbers().await, [1, 2]);
    }

    #[tokio::test]
    async fn nobody_gets_a_connection_of_a_pool_that_is_closed() {
        let database = Database::new(1).await;
        let Pool::Sqlite(pool) = &database.pool else { panic!("it is one of SQLite's") };
        assert_eq!(pool.used_and_idle(), (0, 1));
        let used: Connection = database.pool.acquire().await.unwrap();
        assert_eq!(pool.used_and_idle(), (1, 0));
        drop(used);
        pool.close().await;
        assert!(matches!(database.pool.acquire().await, Err(sqlx::Error::PoolClosed)));
    }
}
