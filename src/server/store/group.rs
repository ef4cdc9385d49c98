//! Transactions that are committed together: those that wait while one is at work follow it in the same transaction of the
//! database, each in a savepoint of its own, and one commit makes all of them durable. Each is whole or not there, nobody
//! outside sees any of them before that commit, and nobody is told of success before it.

use std::ops::{Deref, DerefMut};
use std::sync::{self, Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, oneshot};

use super::connection::{Connection, Pool};
use crate::protocol::audit::Position;

/// The transaction of the database, while there is one.
type Outer = Option<Begun>;

struct Begun {
    connection: Connection,
    /// Where the audit ends behind the parts that are done, once one has looked: nobody else writes it meanwhile.
    audit_end: Option<Position>,
}

/// The queue of those who write in this process.
#[derive(Clone, Default)]
pub(super) struct Group {
    /// Whoever has the lock writes; whoever waits has a place.
    outer: Arc<Mutex<Outer>>,
    parts: Arc<sync::Mutex<Parts>>,
}

#[derive(Default)]
struct Parts {
    /// What has become of the last one.
    last: Last,
    /// Those that are done, and wait for the commit.
    done: Vec<oneshot::Sender<()>>,
}

const SAVEPOINT: &str = "SAVEPOINT part";

/// What has become of the last part of a transaction of the database.
#[derive(Clone, Copy, Default)]
enum Last {
    /// There is none.
    #[default]
    None,
    /// It is done. Its savepoint is still there: whoever comes next releases it on the way, and a commit does so anyway.
    Done,
    /// It was given up: what it did has to be undone before anything else.
    GivenUp,
}

impl Last {
    /// What is to be said to the database before `next`.
    fn before(self, next: &'static str) -> String {
        let first = match self {
            Self::None => "",
            Self::Done => "RELEASE SAVEPOINT part; ",
            Self::GivenUp => "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part; ",
        };
        format!("{first}{next}")
    }
}

/// A transaction among the others. Dropped, it is undone.
pub(in crate::server) struct Part {
    outer: OwnedMappedMutexGuard<Outer, Begun>,
    group: Group,
    /// Where the audit ends behind what was done here, as far as that is known.
    pub(super) audit_end: Option<Position>,
}

impl Group {
    /// Takes a place in the queue; the first begins the transaction of the database with `begin`.
    ///
    /// # Errors
    /// The database's own, and [`sqlx::Error::PoolTimedOut`] after `patience`.
    pub(super) async fn begin(
        &self,
        patience: Duration,
        writers: &Pool,
        begin: &'static str,
    ) -> Result<Part, sqlx::Error> {
        let entered = async {
            let outer = Arc::clone(&self.outer).lock_owned().await;
            let entering = self.clone().enter(outer, writers.clone(), begin);
            match writers {
                // It waits for nobody once it has begun.
                Pool::Sqlite(_) => entering.await,
                // In a task of its own: a request that is given up meanwhile leaves nothing half begun.
                Pool::Postgresql(_) => tokio::spawn(entering).await.map_err(|_| sqlx::Error::WorkerCrashed)?,
            }
        };
        tokio::time::timeout(patience, entered).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    async fn enter(
        self,
        mut outer: OwnedMutexGuard<Outer>,
        writers: Pool,
        begin: &'static str,
    ) -> Result<Part, sqlx::Error> {
        if let Some(outer) = outer.as_mut() {
            // Where that fails, what has become of the last one stays as it is: it has to be said before a commit, which an
            // aborted transaction on PostgreSQL would take without it, and forget all.
            let last = self.parts().last;
            outer.connection.say(last.before(SAVEPOINT)).await?;
        } else {
            let connection = writers.acquire().await?.begin(format!("{begin}; {SAVEPOINT}")).await?;
            *outer = Some(Begun { connection, audit_end: None });
            // It comes after all who are in the queue now: they are the group.
            tokio::spawn(self.clone().finish());
        }
        let outer = OwnedMutexGuard::try_map(outer, Option::as_mut).map_err(|_| sqlx::Error::WorkerCrashed)?;
        // Until it says otherwise.
        self.parts().last = Last::GivenUp;
        Ok(Part { audit_end: outer.audit_end, outer, group: self })
    }

    /// Ends the transaction of the database, for all who are in it.
    async fn finish(self) {
        let mut outer = Arc::clone(&self.outer).lock_owned().await;
        let Some(Begun { connection, .. }) = outer.take() else { return };
        let Parts { last, done } = std::mem::take(&mut *self.parts());
        let end = if done.is_empty() { "ROLLBACK".to_owned() } else { last.before("COMMIT") };
        match connection.end(end).await {
            Ok(_) => done.into_iter().for_each(|done| {
                let _ = done.send(()); // whoever has gone away is not told
            }),
            Err(error) => tracing::error!(%error, transactions = done.len(), "a commit failed"),
        }
    }

    fn parts(&self) -> sync::MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// Waits until it is committed with the others. A request that is given up meanwhile changes nothing about that.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        self.done().await.map_err(|_| sqlx::Error::Protocol("a commit failed".to_owned()))
    }

    /// Leaves the place to the next one; what is given comes with the commit.
    fn done(mut self) -> oneshot::Receiver<()> {
        self.outer.audit_end = self.audit_end;
        let (done, committed) = oneshot::channel();
        let mut parts = self.group.parts();
        parts.done.push(done);
        parts.last = Last::Done;
        drop(parts);
        committed
    }
}

impl Deref for Part {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.outer.connection
    }
}

impl DerefMut for Part {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.outer.connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::store::sqlite;

    /// A group on a database of its own.
    #[derive(Clone)]
    struct Writers {
        pool: Pool,
        group: Group,
        _folder: Arc<tempfile::TempDir>,
    }

    impl Writers {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let pool = Pool::Sqlite(sqlite::Pool::new(&folder.path().join("database"), 1));
            let tables = "CREATE TABLE line (number BIGINT); CREATE TABLE begun (one BIGINT)";
            sqlx::raw_sql(tables).execute(&pool).await.unwrap();
            Self { pool, group: Group::default(), _folder: Arc::new(folder) }
        }

        async fn begin(&self) -> Part {
            let begin = "BEGIN IMMEDIATE; INSERT INTO begun VALUES (1)";
            self.group.begin(Duration::from_secs(10), &self.pool, begin).await.unwrap()
        }

        /// How many transactions of the database were committed.
        async fn committed(&self) -> i64 {
            sqlx::query_scalar("SELECT COUNT(*) FROM begun").fetch_one(&self.pool).await.unwrap()
        }

        /// A part that writes this number.
        async fn writing(&self, number: i64) -> Part {
            let mut part = self.begin().await;
            sqlx::query("INSERT INTO line VALUES ($1)").bind(number).execute(&mut *part).await.unwrap();
            part
        }

        async fn written(&self) -> Vec<i64> {
            let query = sqlx::query_scalar("SELECT number FROM line ORDER BY number");
            query.fetch_all(&self.pool).await.unwrap()
        }

        /// Those who come while `first` is at work: each writes its number, and those with an odd one give up.
        async fn behind(&self, first: Part) -> Result<(), sqlx::Error> {
            let mut others = tokio::task::JoinSet::new();
            for number in 1..=20 {
                let here = self.clone();
                others.spawn(async move {
                    let part = here.writing(number).await;
                    if number % 2 == 0 { part.commit().await } else { Ok(()) }
                });
                tokio::task::yield_now().await;
            }
            let first = first.commit().await;
            others.join_all().await.into_iter().chain([first]).collect()
        }
    }

    #[tokio::test]
    async fn those_that_wait_are_committed_together_and_what_is_given_up_is_undone_alone() {
        let writers = Writers::new().await;
        let first = writers.writing(0).await;
        writers.behind(first).await.unwrap();
        assert_eq!(writers.written().await, (0..=20).step_by(2).collect::<Vec<_>>());
        // The first has begun one before the others came, and may have been alone in it.
        assert!(writers.committed().await <= 2);
    }

    #[tokio::test]
    async fn one_that_is_given_up_alone_leaves_nothing_open() {
        let writers = Writers::new().await;
        drop(writers.writing(1).await);
        assert_eq!(writers.written().await, [0_i64; 0], "the only connection is free again");
        writers.writing(2).await.commit().await.unwrap();
        assert_eq!(writers.written().await, [2]);
    }

    #[tokio::test]
    async fn one_that_is_abandoned_while_it_is_committed_takes_nobody_with_it() {
        let writers = Writers::new().await;
        let first = writers.writing(0).await;
        let here = writers.clone();
        let second = tokio::spawn(async move { here.writing(1).await.commit().await });
        tokio::task::yield_now().await;
        {
            let mut abandoned = std::pin::pin!(first.commit());
            std::future::poll_fn(|context| {
                assert!(abandoned.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
        }
        second.await.unwrap().unwrap();
        assert_eq!(
            writers.written().await,
            [0, 1],
            "whoever had begun to commit is not asked whether he still wants to"
        );
    }

    #[tokio::test]
    async fn where_the_next_one_cannot_begin_the_one_before_is_not_told_that_it_was_committed() {
        let writers = Writers::new().await;
        let mut first = writers.writing(0).await;
        // Its savepoint is gone, as all are after a failure on PostgreSQL, which makes a commit a rollback then.
        sqlx::raw_sql("RELEASE SAVEPOINT part").execute(&mut *first).await.unwrap();
        // It waits before the end of the transaction does.
        let mut second = std::pin::pin!(writers.group.begin(Duration::from_secs(10), &writers.pool, "BEGIN IMMEDIATE"));
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(second.as_mut().poll(cx))).await.is_pending());
        let (first, second) = tokio::join!(first.commit(), second);
        first.unwrap_err();
        second.map(drop).unwrap_err();
        writers.writing(2).await.commit().await.unwrap();
        assert_eq!(writers.written().await, [2]);
    }

    #[tokio::test]
    async fn where_the_commit_fails_nobody_is_told_that_it_was_made() {
        let writers = Writers::new().await;
        let mut first = writers.writing(0).await;
        // As SQLite does by itself when the disk is full.
        sqlx::raw_sql("ROLLBACK").execute(&mut *first).await.unwrap();
        first.commit().await.unwrap_err();
        let second = writers.writing(2).await;
        second.commit().await.unwrap();
        assert_eq!(writers.written().await, [2]);
    }
}
