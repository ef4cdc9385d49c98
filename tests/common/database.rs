//! The database of a world: where it is, and what somebody with it in hands does.

use std::time::Duration;

use super::*;

/// Where a world keeps its database: `KARTENBUND_TEST_DATABASE=postgresql` puts every one on a server.
pub enum TestDatabase {
    Sqlite,
    Postgresql(SecretText),
}

impl TestDatabase {
    pub fn new() -> Self {
        match std::env::var("KARTENBUND_TEST_DATABASE").as_deref() {
            Ok("postgresql") => Self::Postgresql(postgresql::cluster().new_database()),
            Ok("sqlite") | Err(_) => Self::Sqlite,
            Ok(other) => panic!("no database is called {other}"),
        }
    }

    /// The same one, for another process.
    pub fn again(&self) -> Self {
        match self {
            Self::Sqlite => Self::Sqlite,
            Self::Postgresql(url) => Self::Postgresql(typed(url.expose())),
        }
    }

    pub fn setting(&self) -> Database {
        match self {
            Self::Sqlite => Database::Sqlite,
            Self::Postgresql(url) => Database::Postgresql(typed(url.expose())),
        }
    }
}

impl TestDatabase {
    /// Runs SQL in the database of the service in `folder`.
    pub fn sql(&self, folder: &Path, statement: &'static str) {
        self.with(folder, async |pool| sqlx::query(statement).execute(pool).await.map(drop).unwrap());
    }

    pub fn count(&self, folder: &Path, query: &'static str) -> i64 {
        self.with(folder, async |pool| sqlx::query_scalar::<_, i64>(query).fetch_one(pool).await.unwrap())
    }

    /// All values of the first column.
    pub fn column(&self, folder: &Path, query: &'static str) -> Vec<String> {
        self.with(folder, async |pool| sqlx::query_scalar::<_, String>(query).fetch_all(pool).await.unwrap())
    }

    fn with<T>(&self, folder: &Path, work: impl AsyncFnOnce(&sqlx::AnyPool) -> T) -> T {
        sqlx::any::install_default_drivers();
        let url = match self {
            Self::Sqlite => format!("sqlite://{}", folder.join("data/kartenbund.sqlite").display()),
            Self::Postgresql(url) => url.expose().to_owned(),
        };
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let pool = sqlx::any::AnyPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
            let done = work(&pool).await;
            pool.close().await;
            done
        })
    }
}

impl World {
    /// Another process of the same service: it has the keys, the database and the name of this one.
    pub fn second_process(&self) -> Self {
        self.second_process_with(|_| {})
    }

    /// The same, with a configuration of its own.
    pub fn second_process_with(&self, configure: impl FnOnce(&mut Settings)) -> Self {
        self.process_beside(self.clock.clone(), configure)
    }

    /// The same, with a clock of its own.
    pub fn process_beside(&self, clock: ManualClock, configure: impl FnOnce(&mut Settings)) -> Self {
        Self::configured(tempfile::tempdir().unwrap(), self.database.again(), clock, |settings| {
            settings.data = self.folder.path().join("service");
            settings.issuer.clone_from(&self.address);
            configure(settings);
        })
    }

    /// The database, to look into or to tamper with.
    async fn pool(&self) -> sqlx::AnyPool {
        sqlx::any::install_default_drivers();
        let url = match &self.database {
            TestDatabase::Sqlite => {
                format!("sqlite://{}", self.folder.path().join("service/kartenbund.sqlite").display())
            }
            TestDatabase::Postgresql(url) => url.expose().to_owned(),
        };
        sqlx::any::AnyPoolOptions::new().max_connections(1).connect(&url).await.unwrap()
    }

    /// Runs SQL as somebody with the database in hands.
    pub fn sql(&self, statement: impl Into<String>) -> Result<u64, sqlx::Error> {
        let statement = statement.into();
        self.runtime.block_on(async {
            let pool = self.pool().await;
            let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&pool).await;
            pool.close().await;
            Ok(done?.rows_affected())
        })
    }

    /// The first statement on SQLite, the second on PostgreSQL.
    pub fn sql_each<S: Into<String>>(&self, statements: [S; 2]) -> Result<u64, sqlx::Error> {
        let [sqlite, postgresql] = statements;
        self.sql(match &self.database {
            TestDatabase::Sqlite => sqlite,
            TestDatabase::Postgresql(_) => postgresql,
        })
    }

    /// Sends a request while somebody else has the place of the writer, who does `statement` and leaves once the request
    /// has come as far as it can.
    pub fn meanwhile<T: Send>(&self, statement: &str, request: impl FnOnce() -> T + Send) -> T {
        self.meanwhile_for(Duration::from_secs(1), statement, request)
    }

    /// The same with somebody who keeps the place for so long.
    pub fn meanwhile_for<T: Send>(&self, time: Duration, statement: &str, request: impl FnOnce() -> T + Send) -> T {
        use sqlx::{AssertSqlSafe, raw_sql};
        let begin = match &self.database {
            TestDatabase::Sqlite => "BEGIN IMMEDIATE",
            TestDatabase::Postgresql(_) => "BEGIN; SELECT pg_advisory_xact_lock(1262636612)::text",
        };
        let pool = self.runtime.block_on(self.pool());
        let mut writer = self.runtime.block_on(pool.acquire()).unwrap();
        self.runtime.block_on(raw_sql(begin).execute(&mut *writer)).unwrap();
        let answer = std::thread::scope(|scope| {
            let waiting = scope.spawn(request);
            std::thread::sleep(time);
            let done = AssertSqlSafe(format!("{statement}; COMMIT"));
            self.runtime.block_on(raw_sql(done).execute(&mut *writer)).unwrap();
            waiting.join().unwrap()
        });
        self.runtime.block_on(async {
            drop(writer);
            pool.close().await;
        });
        answer
    }

    /// From now on `operation` on a table fails, until it is mended.
    pub fn fault(&self, table: &str, operation: &str) {
        let sqlite =
            format!("CREATE TRIGGER fault BEFORE {operation} ON {table} BEGIN SELECT RAISE(ABORT, 'fault'); END");
        let postgresql = format!(
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'fault'; END $$; \
             CREATE TRIGGER fault BEFORE {operation} ON {table} FOR EACH ROW EXECUTE FUNCTION fault()"
        );
        self.sql_each([sqlite, postgresql]).unwrap();
    }

    /// From now on rows get another value in this column than was written, until the table is mended.
    pub fn corrupt_inserts(&self, table: &str, column: &str) {
        let sqlite = format!(
            "CREATE TRIGGER fault AFTER INSERT ON {table} BEGIN \
             UPDATE {table} SET {column} = 'fault' WHERE rowid = NEW.rowid; END"
        );
        let postgresql = format!(
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ \
             BEGIN NEW.{column} := 'fault'; RETURN NEW; END $$; \
             CREATE TRIGGER fault BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fault()"
        );
        self.sql_each([sqlite, postgresql]).unwrap();
    }

    /// Ends a fault of a table.
    pub fn mend(&self, table: &str) {
        let postgresql = format!("DROP TRIGGER fault ON {table}; DROP FUNCTION fault()");
        self.sql_each(["DROP TRIGGER fault".to_owned(), postgresql]).unwrap();
    }

    /// All values of the first column.
    pub fn column(&self, query: impl Into<String>) -> Vec<String> {
        let query = query.into();
        self.runtime.block_on(async {
            let pool = self.pool().await;
            let rows = sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(query)).fetch_all(&pool).await.unwrap();
            pool.close().await;
            rows
        })
    }

    /// A column of bytes that are text.
    fn texts(&self, query: &'static str) -> Vec<String> {
        self.runtime.block_on(async {
            let pool = self.pool().await;
            let rows = sqlx::query_scalar::<_, Vec<u8>>(query).fetch_all(&pool).await.unwrap();
            pool.close().await;
            rows.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
        })
    }

    /// The audit's entries, oldest first.
    pub fn audit_entries(&self) -> Vec<String> {
        self.texts("SELECT entry FROM audit ORDER BY seq")
    }

    /// How many of the audit's entries name this.
    pub fn audited(&self, name: &str) -> i64 {
        let entries = self.audit_entries();
        i64::try_from(entries.iter().filter(|entry| entry.contains(name)).count()).unwrap()
    }

    /// The frozen documents of all applications.
    pub fn documents(&self) -> Vec<String> {
        self.texts("SELECT document FROM application")
    }

    pub fn count(&self, query: impl Into<String>) -> i64 {
        let query = query.into();
        self.runtime.block_on(async {
            let pool = self.pool().await;
            let number = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(query)).fetch_one(&pool).await.unwrap();
            pool.close().await;
            number
        })
    }

    /// All sessions are as open as if they had been used all the time, for days to come.
    pub fn stretch_sessions(&self) {
        self.sql("UPDATE session SET refreshed = refreshed + 1000000, expires_at = expires_at + 1000000").unwrap();
    }

    /// Asks for tokens with a new key, and keeps nothing.
    pub fn ask_to_log_in(&self, request: &LoginRequest) -> Result<TokenAnswer, ServiceError> {
        let key = SessionKey::new(&mut rng());
        self.remote().ask_for_tokens("/v1/login", &self.address, request, &key, self.clock.now())
    }
}
