//! Initial passwords: random, printed in a letter, good for one use. 73 random bits need no slow hash: what is kept is
//! an HMAC under the pepper, so that a million letters are minutes.

use zeroize::Zeroizing;

use crate::identity::kvnr::Kvnr;
use crate::jose::{Thumbprint, base64url};
use crate::protocol::NumericDate;
use crate::secret::SecretText;
use crate::server::account::Account;
use crate::server::http::{Code, Refusal};
use crate::server::keys::RotatingKey;
use crate::server::store::{Connection, Tx};
use crate::server::{Service, strangers};

/// Letters and digits that nobody mistakes for one another, and sixteen marks.
const ALPHABET: &[u8; 70] = b"ABCDEFGHJKLMNPQRTUVWXYZabcdefghijkmnpqrstuvwxyz2346789,.:=()+-_[]#!?%&";
/// 12 characters of 70: 73 bits.
const LENGTH: usize = 12;
const DAY: i64 = 24 * 60 * 60;
/// How long whoever used it may use it again, in seconds: as long as the session lives that it opens.
const LOST_ANSWER: i64 = 15 * 60;
const DOMAIN: &[u8] = b"kartenbund/initial-password/v1";

/// A new initial password.
pub(in crate::server) fn random(rng: &mut dyn rand_core::CryptoRng) -> SecretText {
    let mut password = String::with_capacity(LENGTH);
    while password.len() < LENGTH {
        let mut byte = 0;
        rng.fill_bytes(std::slice::from_mut(&mut byte));
        // Bytes above the greatest multiple of 70 are dropped: every character is equally likely.
        if let Some(character) = ALPHABET.get(usize::from(byte % 70)).filter(|_| byte < 210) {
            password.push(char::from(*character));
        }
    }
    SecretText::new(password)
}

/// Keeps a new initial password of an account. Those before hold on: a letter that a stranger orders voids none.
pub(in crate::server) async fn keep(
    service: &Service,
    connection: &mut Connection,
    account: &Account,
    password: &SecretText,
    now: NumericDate,
) -> Result<(), sqlx::Error> {
    let life = i64::from(service.settings.letters.password_days).saturating_mul(DAY);
    let pepper = service.keys.peppers.newest();
    let insert = sqlx::query(
        "INSERT INTO initial_password (mac, account_id, pepper, created, expires_at) VALUES ($1, $2, $3, $4, $5)",
    );
    let insert = insert.bind(mac(pepper, &account.kvnr, password)).bind(account.id).bind(pepper.id());
    insert.bind(now).bind(now.saturating_add(life)).execute(connection).await.map(drop)
}

/// An initial password that somebody has, whether it still holds or not.
pub(in crate::server) struct Letter {
    mac: String,
}

/// Looks for an initial password of an account. The work is the same for every account, and for none.
pub(in crate::server) async fn find(
    service: &Service,
    connection: &mut Connection,
    account_id: i64,
    kvnr: &Kvnr,
    password: &SecretText,
) -> Result<Option<Letter>, Refusal> {
    let mut found = None;
    for pepper in service.keys.peppers.all() {
        let mac = mac(pepper, kvnr, password);
        let query = "SELECT COUNT(*) FROM initial_password WHERE mac = $1 AND account_id = $2";
        let query = sqlx::query_scalar::<_, i64>(query).bind(&mac).bind(account_id);
        if query.fetch_one(&mut *connection).await? > 0 {
            found = Some(Letter { mac });
        }
    }
    Ok(found)
}

impl Letter {
    /// Uses the password up. Whoever lost the answer may use it again with the same session key, for a while.
    ///
    /// # Errors
    /// [`Code::InitialPasswordEnded`]: it was used, or is too old. [`Code::LoginFailed`]: it was made void meanwhile.
    pub(in crate::server) async fn use_up(
        &self,
        connection: &mut Connection,
        client: Thumbprint,
        now: NumericDate,
    ) -> Result<(), Refusal> {
        let update = sqlx::query(
            "UPDATE initial_password SET used_at = COALESCE(used_at, $2), used_by = $3 WHERE mac = $1 \
             AND ((used_at IS NULL AND expires_at > $2) OR (used_by = $3 AND used_at > $4))",
        );
        let update = update.bind(&self.mac).bind(now).bind(client.to_string()).bind(now.saturating_sub(LOST_ANSWER));
        if update.execute(&mut *connection).await?.rows_affected() == 1 {
            return Ok(());
        }
        let query = sqlx::query_scalar::<_, Option<i64>>("SELECT used_at FROM initial_password WHERE mac = $1");
        let used_at = query.bind(&self.mac).fetch_optional(connection).await?.ok_or(Code::LoginFailed)?;
        let why = if used_at.is_some() { "used" } else { "expired" };
        Err(Refusal::new(Code::InitialPasswordEnded).with_detail(why))
    }
}

/// No initial password of the account holds any more, and no new password that was asked for without the old one.
pub(in crate::server) async fn void(service: &Service, tx: &mut Tx, account: &Account) -> Result<(), Refusal> {
    let delete = sqlx::query("DELETE FROM initial_password WHERE account_id = $1");
    delete.bind(account.id).execute(&mut **tx).await?;
    strangers::void(service, tx, account).await
}

/// What is kept of an initial password: base64url of HMAC-SHA-256 over the account it is for and itself. Blanks are
/// left out, for a letter may set it in groups.
pub(in crate::server) fn mac(pepper: &RotatingKey, kvnr: &Kvnr, password: &SecretText) -> String {
    let password: Zeroizing<String> = Zeroizing::new(password.expose().split_whitespace().collect());
    base64url::encode(&*pepper.mac(&[DOMAIN, kvnr.as_str().as_bytes(), password.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::server::random as rng;

    #[test]
    fn every_character_of_the_alphabet_is_used_and_no_other() {
        let mut seen = HashSet::new();
        for _ in 0..500 {
            let password = random(&mut rng());
            assert_eq!(password.expose().len(), 12);
            seen.extend(password.expose().bytes());
        }
        assert_eq!(seen.len(), 70);
        assert!(b"IOSlo015 \"'/\\".iter().all(|byte| !seen.contains(byte)), "nothing that is mistaken for another");
        assert_eq!(ALPHABET.iter().collect::<HashSet<_>>().len(), 70);
    }

    #[test]
    fn what_is_kept_is_of_one_person_one_password_and_one_key() {
        let (pepper, other) = (RotatingKey::random(&mut rng()), RotatingKey::random(&mut rng()));
        let (erika, max) = ("A123456780".parse().unwrap(), "M100200305".parse().unwrap());
        let text = |text: &str| SecretText::new(text.to_owned());
        let kept = mac(&pepper, &erika, &text("Abc,.:=()+-_"));
        assert_eq!(kept, mac(&pepper, &erika, &text(" Abc, .:=( )+-_\n")), "in groups as in the letter");
        for different in [
            mac(&pepper, &max, &text("Abc,.:=()+-_")),
            mac(&other, &erika, &text("Abc,.:=()+-_")),
            mac(&pepper, &erika, &text("abc,.:=()+-_")),
        ] {
            assert_ne!(kept, different);
        }
    }
}
