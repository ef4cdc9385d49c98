//! The limits: hashing, verifying, committing, reading and writing alone, with nothing of the service around them.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use kartenbund::jose::jws::Algorithm as _;
use kartenbund::jose::{Es256, P256Jwk, Signer as _};
use kartenbund::secret::SecretBytes;
use kartenbund::server::Database;
use kartenbund::voprf::{Blinded, Share};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::elliptic_curve::Generate as _;
use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;

use crate::common::rng;
use crate::common::thief::any_element;
use crate::load::{Measured, drive, timed};

/// Argon2id as the service has it (64 MiB, three passes), on so many threads.
pub(crate) fn argon2id(threads: usize, limit: Duration) -> Measured {
    let hash = || {
        let hash = || {
            let params = Params::new(64 * 1024, 3, 1, None).unwrap();
            let mut out = [0; 32];
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(&[1; 32], &[2; 16], &mut out)
                .unwrap();
            std::hint::black_box(out);
        };
        Some(timed(hash).1)
    };
    drive(vec![hash; threads], limit)
}

/// ECDSA with SHA-256 on P-256: a signature over so many bytes, verified.
pub(crate) fn p256(length: usize, limit: Duration) -> Measured {
    let key = SigningKey::generate_from_rng(&mut rng());
    let message = vec![7; length];
    let signature: Signature = key.sign(&message);
    let verifying = VerifyingKey::from(&key);
    drive(vec![|| Some(timed(|| verifying.verify(&message, &signature).unwrap()).1)], limit)
}

/// What a decision needs: the proof of the request and the decision are verified, the receipt is signed.
pub(crate) fn decision(limit: Duration) -> Measured {
    let (key, own) = (Signed::new(), Signed::new());
    cryptography(limit, move || {
        key.verify(2);
        own.sign(1);
    })
}

/// What an evaluation needs: its message is verified, the share comes from its seed, and evaluates with a proof.
pub(crate) fn evaluation(limit: Duration) -> Measured {
    let (key, share) = (Signed::new(), Evaluated::new());
    cryptography(limit, move || {
        key.verify(1);
        share.evaluate();
    })
}

/// What a registration needs: the proofs of four requests and the device's possession are verified, a share is made and
/// evaluates, challenge and receipt are signed; with a card both of the card's and that of its certificate are verified.
pub(crate) fn registration_by_card(limit: Duration) -> Measured {
    let card = OfCard::new();
    registration(limit, 5, move || card.verify(3))
}

/// The same with a code, whose signature is verified.
pub(crate) fn registration_by_code(limit: Duration) -> Measured {
    registration(limit, 6, || {})
}

fn registration(limit: Duration, signatures: usize, more: impl Fn() + Send) -> Measured {
    let (key, own, share) = (Signed::new(), Signed::new(), Evaluated::new());
    cryptography(limit, move || {
        key.verify(signatures);
        share.make();
        share.evaluate();
        own.sign(2);
        more();
    })
}

/// Cryptography on one thread.
fn cryptography(limit: Duration, work: impl Fn() + Send) -> Measured {
    drive(vec![move || Some(timed(&work).1)], limit)
}

/// A signature on P-256 over 600 bytes, by what the service signs and verifies with.
struct Signed {
    key: kartenbund::jose::SigningKey,
    public: P256Jwk,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    fn new() -> Self {
        let (key, message) = (SigningKey::generate_from_rng(&mut rng()), vec![7; 600]);
        let signature: Signature = key.sign(&message);
        let public = P256Jwk::from(VerifyingKey::from(&key));
        let key = kartenbund::jose::SigningKey::new(&key).unwrap();
        Self { key, public, message, signature: signature.to_bytes().to_vec() }
    }

    fn verify(&self, times: usize) {
        for _ in 0..times {
            assert!(Es256::verify(self.public.verifying_key(), &self.message, &self.signature));
        }
    }

    fn sign(&self, times: usize) {
        for _ in 0..times {
            std::hint::black_box((&self.key).sign(&self.message).unwrap());
        }
    }
}

/// The same on brainpoolP256r1.
struct OfCard {
    key: ecdsa::VerifyingKey<bp256::BrainpoolP256r1>,
    message: Vec<u8>,
    signature: ecdsa::Signature<bp256::BrainpoolP256r1>,
}

impl OfCard {
    fn new() -> Self {
        let key = ecdsa::SigningKey::<bp256::BrainpoolP256r1>::generate_from_rng(&mut rng());
        let message = vec![7; 600];
        Self { key: *key.verifying_key(), signature: key.sign(&message), message }
    }

    fn verify(&self, times: usize) {
        for _ in 0..times {
            self.key.verify(&self.message, &self.signature).unwrap();
        }
    }
}

/// A share in a device PIN and an element.
struct Evaluated {
    seed: SecretBytes<32>,
    blinded: Blinded,
}

impl Evaluated {
    fn new() -> Self {
        Self { seed: SecretBytes::random(&mut rng()), blinded: Blinded::parse(&any_element()).unwrap() }
    }

    fn make(&self) -> Share {
        Share::of(&self.seed).unwrap()
    }

    fn evaluate(&self) {
        std::hint::black_box(self.make().evaluate(&self.blinded, &mut rng()));
    }
}

/// New files of this length, down to the disk, on so many threads.
pub(crate) fn files(folder: &Path, length: usize, threads: usize, limit: Duration) -> Measured {
    let (next, content) = (AtomicUsize::new(0), vec![0x25; length]);
    let write = || {
        let path = folder.join(format!("file-{}", next.fetch_add(1, Ordering::Relaxed)));
        let write = || {
            let mut file = File::create(path).unwrap();
            file.write_all(&content).unwrap();
            file.sync_all().unwrap();
        };
        Some(timed(write).1)
    };
    drive(vec![write; threads], limit)
}

/// A database with two tables, and nothing of the service around it.
pub(crate) enum Bare {
    /// Called as the service does: in the thread that asks.
    Sqlite(PathBuf),
    /// Through the same kinds of pools as the service's.
    Postgresql { runtime: tokio::runtime::Runtime, pool: AnyPool },
}

/// Rows that are read and changed.
const ROWS: usize = 1000;
const TABLES: [&str; 2] =
    ["CREATE TABLE bare (id BIGINT PRIMARY KEY, value BIGINT NOT NULL)", "CREATE TABLE line (value TEXT NOT NULL)"];
const INSERT: &str = "INSERT INTO bare VALUES ($1, 0)";
const UPDATE: &str = "UPDATE bare SET value = value + 1 WHERE id = $1";
const SELECT: &str = "SELECT value FROM bare WHERE id = $1";

impl Bare {
    pub(crate) fn open(database: &Database, folder: &Path) -> Self {
        match database {
            Database::Sqlite => {
                let path = folder.join("bare.sqlite");
                let mut connection = Self::connect(&path);
                let tx = connection.transaction().unwrap();
                TABLES.iter().for_each(|table| assert_eq!(tx.execute(table, []).unwrap(), 0));
                ids().for_each(|id| assert_eq!(tx.execute(INSERT, [id]).unwrap(), 1));
                tx.commit().unwrap();
                Self::Sqlite(path)
            }
            Database::Postgresql(url) => {
                sqlx::any::install_default_drivers();
                let runtime = tokio::runtime::Runtime::new().unwrap();
                let pool = runtime.block_on(async {
                    let pool = AnyPoolOptions::new().max_connections(8).connect(url.expose()).await.unwrap();
                    let mut tx = pool.begin().await.unwrap();
                    for table in TABLES {
                        sqlx::query(table).execute(&mut *tx).await.unwrap();
                    }
                    for id in ids() {
                        sqlx::query(INSERT).bind(id).execute(&mut *tx).await.unwrap();
                    }
                    tx.commit().await.unwrap();
                    pool
                });
                Self::Postgresql { runtime, pool }
            }
        }
    }

    fn connect(path: &Path) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(path).unwrap();
        let settings = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL";
        connection.execute_batch(settings).unwrap();
        connection
    }

    /// Transactions that change one row. SQLite makes one after the other, whoever asks: one client asks for all of them.
    pub(crate) fn commits(&self, clients: usize, limit: Duration) -> Measured {
        match self {
            Self::Sqlite(path) => Self::alone(path, 1, limit, |connection, id| {
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                connection.prepare_cached(UPDATE).unwrap().execute([id]).unwrap();
                connection.execute_batch("COMMIT").unwrap();
            }),
            Self::Postgresql { .. } => self.drive(clients, limit, |pool, id| async move {
                let mut tx = pool.begin().await.unwrap();
                sqlx::query(UPDATE).bind(id).execute(&mut *tx).await.unwrap();
                tx.commit().await.unwrap();
            }),
        }
    }

    /// Reads of one row.
    pub(crate) fn reads(&self, clients: usize, limit: Duration) -> Measured {
        match self {
            Self::Sqlite(path) => Self::alone(path, clients, limit, |connection, id| {
                let read = connection.prepare_cached(SELECT).unwrap().query_row([id], |row| row.get::<_, i64>(0));
                std::hint::black_box(read.unwrap());
            }),
            Self::Postgresql { .. } => self.drive(clients, limit, |pool, id| async move {
                let query = sqlx::query_scalar::<_, i64>(SELECT).bind(id);
                std::hint::black_box(query.fetch_one(&pool).await.unwrap());
            }),
        }
    }

    /// Transactions of one client that each add 500 rows of this length; counted are rows.
    pub(crate) fn rows(&self, length: usize, limit: Duration) -> Measured {
        let row = format!("('{}')", "x".repeat(length));
        let insert = Arc::<str>::from(format!("INSERT INTO line VALUES {}", vec![row; 500].join(", ")));
        let adding = match self {
            Self::Sqlite(path) => Self::alone(path, 1, limit, move |connection, _| {
                connection.prepare_cached(&insert).unwrap().execute([]).unwrap();
            }),
            Self::Postgresql { .. } => self.drive(1, limit, move |pool, _| {
                let insert = Arc::clone(&insert);
                async move { sqlx::query(sqlx::AssertSqlSafe(&*insert)).execute(&pool).await.map(drop).unwrap() }
            }),
        };
        Measured::whole(500 * adding.count, Duration::from_secs_f64(adding.seconds))
    }

    /// So many threads, each with a connection.
    fn alone(
        path: &Path,
        threads: usize,
        limit: Duration,
        work: impl Fn(&rusqlite::Connection, i64) + Clone + Send,
    ) -> Measured {
        let client = |_| {
            let (connection, work, mut ids) = (Self::connect(path), work.clone(), ids().cycle());
            move || ids.next().map(|id| timed(|| work(&connection, id)).1)
        };
        drive((0..threads).map(client).collect(), limit)
    }

    /// So many clients, each on rows of its own.
    fn drive<F: Future<Output = ()> + Send + 'static>(
        &self,
        clients: usize,
        limit: Duration,
        work: impl Fn(AnyPool, i64) -> F + Clone + Send + 'static,
    ) -> Measured {
        let Self::Postgresql { runtime, pool } = self else { unreachable!("SQLite is called in place") };
        let began = Instant::now();
        let latencies = runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for client in 0..clients {
                let (pool, work) = (pool.clone(), work.clone());
                tasks.spawn(async move {
                    let mut latencies = Vec::new();
                    for id in (client..ROWS).step_by(clients).cycle() {
                        if began.elapsed() >= limit {
                            break;
                        }
                        let start = Instant::now();
                        work(pool.clone(), i64::try_from(id).unwrap()).await;
                        latencies.push(start.elapsed());
                    }
                    latencies
                });
            }
            tasks.join_all().await.concat()
        });
        Measured::of(latencies, began.elapsed())
    }
}

fn ids() -> impl Iterator<Item = i64> + Clone {
    0..i64::try_from(ROWS).unwrap_or(i64::MAX)
}
