//! A connection with one of the two databases, for the queries of `sqlx`.

use std::fmt;

use futures_util::future::{self, BoxFuture, FutureExt as _};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, Describe, Either, Execute, Executor, SqlStr, Transaction};

use super::sqlite;

/// A connection. Dropped, what was begun on it is undone, but for what was begun on PostgreSQL by [`Connection::say`].
pub(in crate::server) enum Connection {
    Sqlite(sqlite::Connection),
    Postgresql(PoolConnection<Any>),
    /// In a transaction of its own.
    Transaction(Transaction<'static, Any>),
}

impl Connection {
    /// With a database of its own, which is empty.
    #[cfg(test)]
    pub(in crate::server) async fn in_memory() -> Self {
        let pool = sqlite::Pool::new(std::path::Path::new(":memory:"), 1);
        Self::Sqlite(pool.acquire().await.unwrap())
    }

    /// Says several statements at once that take and give nothing, and end or begin in a few microseconds.
    pub(super) async fn say(&mut self, sql: String) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.say(&sql),
            _ => sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(self).await.map(drop),
        }
    }

    /// Begins a transaction that writes. A connection on which that fails is closed: nobody knows what it is in.
    pub(super) async fn begin(mut self, sql: String) -> Result<Self, sqlx::Error> {
        let begun = match &mut self {
            Self::Sqlite(connection) => connection.begin(&sql),
            _ => self.say(sql).await,
        };
        self.unless_failed(begun).await
    }

    /// Ends a transaction. A connection on which that fails is closed.
    pub(super) async fn end(mut self, sql: String) -> Result<Self, sqlx::Error> {
        let ended = match &mut self {
            Self::Sqlite(connection) => connection.end(&sql),
            _ => self.say(sql).await,
        };
        self.unless_failed(ended).await
    }

    async fn unless_failed(self, said: Result<(), sqlx::Error>) -> Result<Self, sqlx::Error> {
        let Err(error) = said else { return Ok(self) };
        match self {
            Self::Sqlite(connection) => connection.discard(),
            Self::Postgresql(connection) => drop(connection.close().await),
            Self::Transaction(_) => {}
        }
        Err(error)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

/// Where connections come from.
#[derive(Clone)]
pub(in crate::server) enum Pool {
    Sqlite(sqlite::Pool),
    Postgresql(AnyPool),
}

impl Pool {
    /// # Errors
    /// The database's own, and [`sqlx::Error::PoolTimedOut`] after [`super::BUSY`].
    pub(in crate::server) async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite(pool) => {
                let connection = tokio::time::timeout(super::BUSY, pool.acquire()).await;
                Ok(Connection::Sqlite(connection.map_err(|_| sqlx::Error::PoolTimedOut)??))
            }
            Self::Postgresql(pool) => Ok(Connection::Postgresql(pool.acquire().await?)),
        }
    }

    /// How many connections are at work, and how many are open besides.
    pub(in crate::server) fn used_and_idle(&self) -> (usize, usize) {
        match self {
            Self::Sqlite(pool) => pool.used_and_idle(),
            Self::Postgresql(pool) => {
                let idle = pool.num_idle();
                (usize::try_from(pool.size()).unwrap_or(usize::MAX).saturating_sub(idle), idle)
            }
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgresql(pool) => pool.close().await,
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

type Each = Either<AnyQueryResult, AnyRow>;

fn one(mut done: sqlite::Done) -> Option<AnyRow> {
    done.rows.pop()
}

impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Each, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        match self {
            Connection::Sqlite(connection) => match connection.run(query, usize::MAX) {
                Ok(done) => stream::iter(done.each().map(Ok)).boxed(),
                Err(error) => stream::once(future::ready(Err(error))).boxed(),
            },
            Connection::Postgresql(connection) => (**connection).fetch_many(query),
            Connection::Transaction(tx) => (**tx).fetch_many(query),
        }
    }

    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<AnyQueryResult, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        match self {
            Connection::Sqlite(connection) => {
                future::ready(connection.run(query, usize::MAX).map(|done| done.result())).boxed()
            }
            Connection::Postgresql(connection) => (**connection).execute(query),
            Connection::Transaction(tx) => (**tx).execute(query),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        match self {
            Connection::Sqlite(connection) => future::ready(connection.run(query, 1).map(one)).boxed(),
            Connection::Postgresql(connection) => (**connection).fetch_optional(query),
            Connection::Transaction(tx) => (**tx).fetch_optional(query),
        }
    }

    fn prepare_with<'e>(self, _: SqlStr, _: &'e [AnyTypeInfo]) -> BoxFuture<'e, Result<AnyStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        future::ready(Err(unasked())).boxed()
    }

    fn describe<'e>(self, _: SqlStr) -> BoxFuture<'e, Result<Describe<Any>, sqlx::Error>>
    where
        'c: 'e,
    {
        future::ready(Err(unasked())).boxed()
    }
}

impl<'p> Executor<'p> for &'p Pool {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Each, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        match self {
            Pool::Sqlite(_) => {
                let done = async move {
                    let Connection::Sqlite(mut connection) = self.acquire().await? else { return Err(unasked()) };
                    Ok(stream::iter(connection.run(query, usize::MAX)?.each().map(Ok)))
                };
                stream::once(done).try_flatten().boxed()
            }
            Pool::Postgresql(pool) => pool.fetch_many(query),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        match self {
            Pool::Sqlite(_) => async move {
                let Connection::Sqlite(mut connection) = self.acquire().await? else { return Err(unasked()) };
                connection.run(query, 1).map(one)
            }
            .boxed(),
            Pool::Postgresql(pool) => pool.fetch_optional(query),
        }
    }

    fn prepare_with<'e>(self, _: SqlStr, _: &'e [AnyTypeInfo]) -> BoxFuture<'e, Result<AnyStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        future::ready(Err(unasked())).boxed()
    }

    fn describe<'e>(self, _: SqlStr) -> BoxFuture<'e, Result<Describe<Any>, sqlx::Error>>
    where
        'p: 'e,
    {
        future::ready(Err(unasked())).boxed()
    }
}

/// Statements are prepared where they are run, and described by nobody.
fn unasked() -> sqlx::Error {
    sqlx::Error::Protocol("nobody asks for that".to_owned())
}
