//! How passwords are kept and compared. A chosen one is Argon2id over an HMAC under a pepper, which lies in the key file
//! and not in the database: whoever steals the database alone has nothing to guess against. Comparing costs the same for
//! everybody, whether there is an account and how its password is kept.

mod brought;
pub(super) mod change;
pub(super) mod initial;
mod rules;

use std::collections::HashMap;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::account::Account;
use super::http::Refusal;
use super::keys::{RotatingKey, RotatingKeys};
use super::settings::PasswordCost;
use super::store::{Connection, Tx};
use super::{Service, random};
use crate::jose::base64url;
use crate::protocol::NumericDate;
use crate::secret::SecretText;
use brought::Scheme;

pub use rules::PasswordRules;
pub(super) use rules::{MAX_BYTES, Person};

/// A text in NFC has at most so many times the bytes (Unicode Standard Annex 15, 12.1).
const MAX_GROWTH: usize = 3;
const DOMAIN: &[u8] = b"kartenbund/password/v1";
/// Salt and hash of a password nobody knows.
const NOBODYS: &str = "a2FydGVuYnVuZC1ub25l$xK8L0h6oZ7S0xX2Y2m4tZbJ8g6T8k3y7oQm5n1v9w0s";

/// A password as the database keeps it.
#[derive(Clone, sqlx::FromRow)]
pub(super) struct Kept {
    /// Another one for every password that is set; hashing the same one anew keeps it.
    pub(super) password_id: String,
    phc: String,
    /// Without one the hash is as the register brought it.
    pepper: Option<String>,
}

/// Makes and compares hashes, a few at a time: each needs 64 MiB and a core.
pub(super) struct Hashing {
    permits: Arc<Semaphore>,
    cost: PasswordCost,
}

impl Hashing {
    pub(super) fn new(parallel: usize, cost: PasswordCost) -> Self {
        Self { permits: Arc::new(Semaphore::new(parallel.max(1))), cost }
    }

    /// Runs `work` when its turn comes. Whoever asked may have gone by then: the place is taken until `work` is done.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Refusal::internal())?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        done.await.map_err(|_| Refusal::internal())
    }
}

impl Kept {
    /// The password of an account.
    pub(super) async fn of(connection: &mut Connection, account_id: i64) -> Result<Option<Self>, Refusal> {
        let query = sqlx::query_as::<_, Self>("SELECT password_id, phc, pepper FROM password WHERE account_id = $1");
        Ok(query.bind(account_id).fetch_optional(connection).await?)
    }

    /// Whether it was set after this time.
    pub(super) async fn changed_since(
        service: &Service,
        kept: Option<&Self>,
        time: NumericDate,
    ) -> Result<bool, Refusal> {
        let query = "SELECT COUNT(*) FROM password WHERE password_id = $1 AND changed > $2";
        let query = sqlx::query_scalar::<_, i64>(query).bind(kept.map(|kept| kept.password_id.clone())).bind(time);
        Ok(query.fetch_one(service.store.pool()).await? > 0)
    }

    /// Hashes a chosen password under the newest pepper.
    pub(super) async fn hashed(service: &Service, password: &SecretText) -> Result<Self, Refusal> {
        let pepper = service.keys.peppers.newest();
        let (id, peppered) = (pepper.id().to_owned(), peppered(pepper, password));
        let _queued = service.metrics.hashing();
        let cost = service.hashing.cost;
        let phc = service.hashing.run(move || hash(&peppered, cost)).await?.ok_or_else(Refusal::internal)?;
        Ok(Self { password_id: new_id(), phc, pepper: Some(id) })
    }

    /// Whether it should be made anew: the register brought it, or its pepper is not the newest.
    pub(super) fn is_outdated(&self, peppers: &RotatingKeys) -> bool {
        self.pepper.as_deref() != Some(peppers.newest().id())
    }

    /// Whether this is the password. The work is the same with none: one comparison with a chosen password, and one for
    /// each scheme of hashes that registers brought.
    pub(super) async fn is(
        service: &Service,
        kept: Option<&Self>,
        password: &Arc<SecretText>,
    ) -> Result<bool, Refusal> {
        let schemes = sqlx::query_as::<_, (String, String)>("SELECT scheme, phc FROM password_scheme ORDER BY scheme");
        let schemes = schemes.fetch_all(service.store.pool()).await?;
        let (kept, password) = (kept.cloned(), Arc::clone(password));
        let pepper = match kept.as_ref().and_then(|kept| kept.pepper.as_deref()) {
            Some(id) => service.keys.peppers.by_id(id).ok_or_else(|| {
                tracing::error!(pepper = id, "the key file lacks a pepper that passwords were hashed under");
                Refusal::internal()
            })?,
            None => service.keys.peppers.newest(),
        };
        let peppered = peppered(pepper, &password);
        let _queued = service.metrics.hashing();
        let nobodys = nobodys_chosen(service.hashing.cost);
        service.hashing.run(move || compare(kept.as_ref(), &nobodys, &password, &peppered, &schemes)).await
    }

    /// Keeps it as the password of an account, in place of the one before.
    pub(super) async fn keep(
        &self,
        connection: &mut Connection,
        account_id: i64,
        now: NumericDate,
    ) -> Result<(), sqlx::Error> {
        let upsert = sqlx::query(
            "INSERT INTO password (account_id, password_id, phc, pepper, changed) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (account_id) DO UPDATE SET password_id = excluded.password_id, phc = excluded.phc, \
             pepper = excluded.pepper, changed = excluded.changed",
        );
        let upsert = upsert.bind(account_id).bind(&self.password_id).bind(&self.phc).bind(&self.pepper).bind(now);
        upsert.execute(&mut *connection).await?;
        forget_schemes(connection).await
    }

    /// Puts `newer`, a hash of the same password, in its place. It is no change of the password.
    pub(super) async fn replace(
        &self,
        connection: &mut Connection,
        account_id: i64,
        newer: &Self,
    ) -> Result<(), sqlx::Error> {
        let update = "UPDATE password SET phc = $3, pepper = $4 WHERE account_id = $1 AND password_id = $2";
        let update = sqlx::query(update).bind(account_id).bind(&self.password_id);
        let update = update.bind(&newer.phc).bind(&newer.pepper);
        update.execute(&mut *connection).await?;
        forget_schemes(connection).await
    }
}

/// Once no hash is as a register brought it, nobody's hashes need not be compared any more either.
async fn forget_schemes(connection: &mut Connection) -> Result<(), sqlx::Error> {
    let delete = "DELETE FROM password_scheme WHERE NOT EXISTS (SELECT 1 FROM password WHERE pepper IS NULL)";
    sqlx::query(delete).execute(connection).await.map(drop)
}

fn new_id() -> String {
    let mut id = [0; 16];
    rand_core::Rng::fill_bytes(&mut random(), &mut id);
    base64url::encode(&id)
}

/// What is compared when there is no chosen password, so that the answer takes the same time: what [`hash`] makes.
fn nobodys_chosen(PasswordCost { memory, passes }: PasswordCost) -> String {
    format!("$argon2id$v=19$m={memory},t={passes},p=1${NOBODYS}")
}

fn compare(
    kept: Option<&Kept>,
    nobodys_chosen: &str,
    password: &SecretText,
    peppered: &[u8; 32],
    schemes: &[(String, String)],
) -> bool {
    let chosen = kept.filter(|kept| kept.pepper.is_some());
    let brought = kept.filter(|kept| kept.pepper.is_none());
    let own_scheme = brought.and_then(|kept| Scheme::of(&kept.phc)).map(|scheme| scheme.name());
    let mut is_right = verify(peppered, chosen.map_or(nobodys_chosen, |kept| &kept.phc)) && chosen.is_some();
    for (scheme, nobodys) in schemes {
        let own = brought.filter(|_| own_scheme.as_ref() == Some(scheme));
        is_right |= brought::verify(password, own.map_or(nobodys, |kept| &kept.phc)) && own.is_some();
    }
    is_right
}

/// HMAC-SHA-256 of a chosen password under the pepper.
fn peppered(pepper: &RotatingKey, password: &SecretText) -> Zeroizing<[u8; 32]> {
    pepper.mac(&[DOMAIN, prepared(password).as_bytes()])
}

/// A chosen password as RFC 8265 (4.2, `OpaqueString`) wants it compared: whatever a keyboard made its umlauts and blanks
/// of, they are the same ones.
fn prepared(password: &SecretText) -> Zeroizing<String> {
    let is_blank = |c: char| c.is_whitespace() && !c.is_control();
    let blanks = password.expose().chars().map(|c| if is_blank(c) { ' ' } else { c });
    // Room for all of it at once: what a growing string leaves behind is not wiped.
    let mut text = Zeroizing::new(String::with_capacity(MAX_GROWTH * password.expose().len()));
    text.extend(blanks.nfc());
    text
}

fn verify(peppered: &[u8; 32], phc: &str) -> bool {
    PasswordHash::new(phc).is_ok_and(|hash| Argon2::default().verify_password(peppered, &hash).is_ok())
}

/// The hash as a PHC string; `None` when memory is short.
fn hash(peppered: &[u8; 32], PasswordCost { memory, passes }: PasswordCost) -> Option<String> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(memory, passes, 1, None).ok()?);
    let mut salt = [0; 16];
    rand_core::Rng::fill_bytes(&mut random(), &mut salt);
    Some(argon2.hash_password_with_salt(peppered, &salt).ok()?.to_string())
}

/// Nothing that was ever a password of this account is one any more.
pub(super) async fn void(service: &Service, tx: &mut Tx, account: &Account) -> Result<(), Refusal> {
    let delete = sqlx::query("DELETE FROM password WHERE account_id = $1");
    delete.bind(account.id).execute(&mut **tx).await?;
    initial::void(service, tx, account).await
}

/// Whether this is a hash that a register may bring.
pub(super) fn is_hash(phc: &str) -> bool {
    Scheme::of(phc).is_some()
}

/// How many kinds of hashes registers may bring: every login of anybody compares with one of each.
const MAX_SCHEMES: usize = 4;

/// Hashes of nobody's passwords, one for each scheme.
pub(super) type Nobodys = HashMap<String, String>;

/// Adds hashes of nobody's passwords for the schemes of these hashes that no register brought before. Each takes as long
/// as a login: nobody is to wait behind it in the queue of writers.
pub(super) async fn nobodys<'a>(
    service: &Service,
    hashes: impl Iterator<Item = &'a str>,
    made: &mut Nobodys,
) -> Result<(), sqlx::Error> {
    for scheme in hashes.filter_map(Scheme::of) {
        let name = scheme.name();
        if made.len() >= MAX_SCHEMES || made.contains_key(&name) {
            continue;
        }
        let is_known = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM password_scheme WHERE scheme = $1");
        if is_known.bind(name.clone()).fetch_one(service.store.pool()).await? == 0
            && let Some(phc) = scheme.of_nobody(&mut random())
        {
            made.insert(name, phc);
        }
    }
    Ok(())
}

/// Keeps the hash a register brings for an account, and sees to it that comparing costs the same for those without
/// one. `None`: the text is no hash that this service takes, or the fifth kind of them.
pub(super) async fn bring(
    connection: &mut Connection,
    account_id: i64,
    phc: &str,
    nobodys: &Nobodys,
    now: NumericDate,
) -> Result<Option<()>, sqlx::Error> {
    let Some(scheme) = Scheme::of(phc) else { return Ok(None) };
    let known =
        sqlx::query_scalar::<_, String>("SELECT scheme FROM password_scheme").fetch_all(&mut *connection).await?;
    if !known.contains(&scheme.name()) {
        // Missing where another process has forgotten the scheme since.
        let nobodys = nobodys.get(&scheme.name()).cloned().or_else(|| scheme.of_nobody(&mut random()));
        let Some(nobodys) = nobodys.filter(|_| known.len() < MAX_SCHEMES) else { return Ok(None) };
        let insert = sqlx::query("INSERT INTO password_scheme (scheme, phc) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        insert.bind(scheme.name()).bind(nobodys).execute(&mut *connection).await?;
    }
    Kept { password_id: new_id(), phc: phc.to_owned(), pepper: None }.keep(connection, account_id, now).await?;
    Ok(Some(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    #[test]
    fn a_password_nobody_has_costs_as_much_as_one_that_is_kept() {
        let pepper = RotatingKey::random(&mut random());
        let cost = PasswordCost::default();
        let (kept, nobodys) = (hash(&peppered(&pepper, &text("x")), cost).unwrap(), nobodys_chosen(cost));
        let (kept, nobodys) = (PasswordHash::new(&kept).unwrap(), PasswordHash::new(&nobodys).unwrap());
        assert_eq!((kept.algorithm, kept.version), (nobodys.algorithm, nobodys.version));
        assert_eq!(kept.params.to_string(), nobodys.params.to_string());
        assert_eq!(kept.hash.unwrap().len(), nobodys.hash.unwrap().len());
    }

    #[test]
    fn a_password_is_the_same_on_every_keyboard() {
        for (typed, same) in [
            ("gru\u{308}n und blau", "gr\u{fc}n und blau"),
            ("\u{212b}ngstr\u{f6}m", "A\u{30a}ngstro\u{308}m"),
            ("tulpe\u{a0}karton", "tulpe karton"),
            ("tulpe\u{3000}karton", "tulpe karton"),
        ] {
            assert_eq!(*prepared(&text(typed)), *prepared(&text(same)), "{typed}");
        }
        // Case and width are as they are typed.
        for (typed, other) in
            [("Tulpe", "tulpe"), ("\u{ff34}ulpe", "Tulpe"), ("tul  pe", "tul pe"), ("tulpe ", "tulpe")]
        {
            assert_ne!(*prepared(&text(typed)), *prepared(&text(other)), "{typed}");
        }
        // The character that grows most.
        let typed = "\u{1d160}".repeat(100);
        let prepared = prepared(&text(&typed));
        assert_eq!((prepared.len(), prepared.capacity()), (3 * typed.len(), 3 * typed.len()));
    }

    #[test]
    fn a_password_opens_its_own_hash_under_its_own_pepper_only() {
        let (pepper, other) = (RotatingKey::random(&mut random()), RotatingKey::random(&mut random()));
        let kept = hash(&peppered(&pepper, &text("tulpe-karton")), PasswordCost::default()).unwrap();
        assert!(verify(&peppered(&pepper, &text("tulpe-karton")), &kept));
        assert!(!verify(&peppered(&other, &text("tulpe-karton")), &kept));
        assert!(!verify(&peppered(&pepper, &text("Tulpe-karton")), &kept));
        assert!(!verify(&peppered(&pepper, &text("tulpe-karton")), "not a hash"));
    }
}
