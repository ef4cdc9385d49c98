//! Accounts and their passwords.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use sqlx::AnyConnection;
use time::Date;
use time::macros::format_description;

use super::http::Refusal;
use super::{Service, random};
use crate::identity::kvnr::Kvnr;
use crate::secret::SecretText;

/// An account as far as requests need it.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) id: i64,
    pub(super) kvnr: Kvnr,
}

#[derive(sqlx::FromRow)]
struct Row {
    account_id: i64,
    membership_start: String,
    password_hash: String,
}

/// Letters and digits that nobody mistakes for one another.
const ALPHABET: &[u8; 54] = b"ABCDEFGHJKLMNPQRTUVWXYZabcdefghijkmnpqrstuvwxyz2346789";
/// 13 characters of 54: 74 bits.
const INITIAL_PASSWORD_LENGTH: usize = 13;
/// What is compared when there is no such account, so that the answer takes the same time: Argon2id with the parameters
/// of [`hasher`] over a password nobody knows.
const NO_ACCOUNT: &str =
    "$argon2id$v=19$m=65536,t=3,p=1$a2FydGVuYnVuZC1ub25l$xK8L0h6oZ7S0xX2Y2m4tZbJ8g6T8k3y7oQm5n1v9w0s";

impl Account {
    /// The account of an insurance number.
    pub(super) async fn by_id(connection: &mut AnyConnection, id: i64) -> Result<Self, Refusal> {
        let query = sqlx::query_scalar::<_, String>("SELECT kvnr FROM account WHERE account_id = $1");
        let kvnr = query.bind(id).fetch_one(connection).await?.parse().map_err(|_| Refusal::internal())?;
        Ok(Self { id, kvnr })
    }

    /// The account whose password this is. An unknown account, a wrong password and an account before its first day get
    /// the same answer after the same time.
    pub(super) async fn by_password(
        service: &Service,
        kvnr: Kvnr,
        password: SecretText,
    ) -> Result<Option<Self>, Refusal> {
        let query =
            sqlx::query_as::<_, Row>("SELECT account_id, membership_start, password_hash FROM account WHERE kvnr = $1");
        let row = query.bind(kvnr.as_str()).fetch_optional(service.store.pool()).await?;
        let hash = row.as_ref().map_or(NO_ACCOUNT, |row| &row.password_hash).to_owned();
        let _queued = service.metrics.hashing();
        let _permit = service.hashing.acquire().await.map_err(|_| Refusal::internal())?;
        let is_right = tokio::task::spawn_blocking(move || verify(&password, &hash)).await;
        let is_right = is_right.map_err(|_| Refusal::internal())?;
        let today = service.now().date();
        Ok(row
            .filter(|row| is_right && parse_date(&row.membership_start).is_some_and(|start| start <= today))
            .map(|row| Self { id: row.account_id, kvnr }))
    }
}

/// `YYYY-MM-DD`.
pub(super) fn parse_date(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

fn verify(password: &SecretText, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok()
}

fn hasher() -> Option<Argon2<'static>> {
    let params = Params::new(64 * 1024, 3, 1, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The hash of a password as a PHC string; `None` when memory is short.
pub(super) fn hash(password: &SecretText) -> Option<String> {
    let mut salt = [0; 16];
    rand_core::Rng::fill_bytes(&mut random(), &mut salt);
    let hash = hasher()?.hash_password_with_salt(password.expose().as_bytes(), &salt).ok()?;
    Some(hash.to_string())
}

/// A new initial password.
pub(super) fn initial_password(rng: &mut dyn rand_core::CryptoRng) -> SecretText {
    let mut password = String::with_capacity(INITIAL_PASSWORD_LENGTH);
    while password.len() < INITIAL_PASSWORD_LENGTH {
        let mut byte = 0;
        rng.fill_bytes(std::slice::from_mut(&mut byte));
        // Bytes above the greatest multiple of 54 are dropped: every character is equally likely.
        if let Some(character) = ALPHABET.get(usize::from(byte % 54)).filter(|_| byte < 216) {
            password.push(char::from(*character));
        }
    }
    SecretText::new(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_account_costs_as_much_as_a_known_one() {
        let known = hash(&SecretText::new("x".to_owned())).unwrap();
        let (known, unknown) = (PasswordHash::new(&known).unwrap(), PasswordHash::new(NO_ACCOUNT).unwrap());
        assert_eq!((known.algorithm, known.version), (unknown.algorithm, unknown.version));
        assert_eq!(known.params.to_string(), unknown.params.to_string());
        assert_eq!(known.hash.unwrap().len(), unknown.hash.unwrap().len());
        assert!(!verify(&SecretText::new(String::new()), NO_ACCOUNT));
    }

    #[test]
    fn a_password_opens_its_own_hash_only() {
        let password = initial_password(&mut random());
        let hash = hash(&password).unwrap();
        assert!(verify(&password, &hash));
        assert!(!verify(&initial_password(&mut random()), &hash));
        assert!(!verify(&password, "not a hash"));
    }
}
