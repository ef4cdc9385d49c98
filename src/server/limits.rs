//! How often passwords may be tried. Nothing a stranger does shuts the owner out or voids anything: he is made to wait,
//! and a client that has logged in to the account before waits for its own failures alone. Every try is counted, and the
//! count is on the disk, before the password is looked at; unknown accounts are counted like all others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::http::{Code, Refusal};
use super::store::{Connection, Tx};
use super::{Service, random, session};
use crate::jose::{Thumbprint, base64url};
use crate::protocol::NumericDate;

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
/// Failures before the first delay.
const FREE_FAILURES: i64 = 2;
/// Longest delay, in seconds.
const LONGEST_DELAY: i64 = 900;
/// The bucket that all unknown clients of an account share.
const UNKNOWN: &str = "";

/// How often somebody may log in, or try to: passwords from one network, and cards.
#[derive(Clone, Copy, Debug)]
pub struct LoginLimits {
    /// Tries in an hour from one network (IPv4: /24, IPv6: /64) by clients that the account does not know.
    pub tries_in_an_hour: u32,
    /// The same in a day.
    pub tries_in_a_day: u32,
    /// Logins with card and card PIN in a day and account. The card counts wrong PINs itself.
    pub with_card_in_a_day: u32,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self { tries_in_an_hour: 30, tries_in_a_day: 200, with_card_in_a_day: 10 }
    }
}

/// Whose password is tried, and by whom.
pub(super) struct Try<'a> {
    /// Pseudonym of the insurance number, whether there is such an account or not.
    pub(super) person: &'a str,
    /// The account of that number; none has [`super::login::NOBODY`].
    pub(super) account_id: i64,
    /// Thumbprint of the session key that the client has shown to hold.
    pub(super) client: Thumbprint,
    /// Where the request comes from.
    pub(super) source: IpAddr,
}

/// A try that was counted, and may therefore be made. Only [`count`] makes one.
pub(super) struct CountedTry {
    person: String,
    client: String,
    is_known: bool,
    id: String,
    /// When the next try was allowed before this one was counted.
    next_try: NumericDate,
}

/// The network of an address in words, as people are shown it.
pub(super) fn network_name(address: IpAddr) -> String {
    let length = if address.is_ipv4() { 24 } else { 64 };
    format!("{}/{length}", network(address))
}

/// The network an address belongs to: what one person can have many of is counted as one.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xFF).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Counts a try, in a transaction of its own.
///
/// # Errors
/// [`Code::LoginDelayed`] and [`Code::TooManyLogins`] with the time to wait; such a try is not counted.
pub(super) async fn count(service: &Service, tried: &Try<'_>) -> Result<CountedTry, Refusal> {
    let mut tx = service.store.begin().await?;
    let counted = count_in(service, &mut tx, tried).await?;
    tx.commit().await?;
    Ok(counted)
}

/// Counts a try in this transaction, in which nobody else counts: two at the same moment come one after the other. Only
/// once it is committed may the try be made.
///
/// # Errors
/// As for [`count`].
pub(super) async fn count_in(service: &Service, tx: &mut Tx, tried: &Try<'_>) -> Result<CountedTry, Refusal> {
    let now = service.now_unix();
    let client = tried.client.to_string();
    let is_known = session::is_known_client(tx, tried.account_id, tried.client).await?;
    let mut counted = CountedTry { person: tried.person.to_owned(), client, is_known, id: new_id(), next_try: 0 };
    let query = "SELECT failures, next_try FROM login_bucket WHERE account = $1 AND client = $2";
    let query = sqlx::query_as::<_, (i64, i64)>(query).bind(&counted.person).bind(counted.bucket());
    let (failures, next_try) = query.fetch_optional(&mut **tx).await?.unwrap_or((0, 0));
    counted.next_try = next_try;
    if next_try > now {
        return Err(Refusal::new(Code::LoginDelayed).with_retry_after(next_try - now));
    }
    // A client that logged in before is no stranger: neighbours of its network do not shut it out.
    if !is_known {
        let source = service.keys.pseudonym_of(&network(tried.source).to_string());
        check_source(service, tx, &source, now).await?;
        let insert = sqlx::query("INSERT INTO login_try (try_id, source, at) VALUES ($1, $2, $3)");
        insert.bind(&counted.id).bind(&source).bind(now).execute(&mut **tx).await?;
    }
    let upsert = sqlx::query(
        "INSERT INTO login_bucket (account, client, failures, last_try, next_try) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (account, client) DO UPDATE SET failures = excluded.failures, last_try = excluded.last_try, \
         next_try = excluded.next_try",
    );
    let failures = failures.saturating_add(1);
    let upsert = upsert.bind(&counted.person).bind(counted.bucket()).bind(failures).bind(now);
    upsert.bind(now.saturating_add(delay(failures))).execute(&mut **tx).await?;
    Ok(counted)
}

impl CountedTry {
    fn bucket(&self) -> &str {
        if self.is_known { &self.client } else { UNKNOWN }
    }

    /// The password was right: the try was no guess, and what this client failed before is forgotten. What others failed
    /// is not.
    pub(super) async fn forgive(self, connection: &mut Connection) -> Result<(), Refusal> {
        let update = sqlx::query(
            "UPDATE login_bucket SET failures = failures - 1, next_try = $3 \
             WHERE account = $1 AND client = $2 AND failures > 0",
        );
        update.bind(&self.person).bind(self.bucket()).bind(self.next_try).execute(&mut *connection).await?;
        let delete = sqlx::query("DELETE FROM login_bucket WHERE account = $1 AND client = $2");
        delete.bind(&self.person).bind(&self.client).execute(&mut *connection).await?;
        sqlx::query("DELETE FROM login_try WHERE try_id = $1").bind(&self.id).execute(connection).await?;
        Ok(())
    }
}

/// Counts what somebody who is nobody yet asks for, by where it comes from alone.
///
/// # Errors
/// [`Code::TooManyLogins`] with the time to wait.
pub(super) async fn count_source(
    service: &Service,
    connection: &mut Connection,
    source: IpAddr,
    now: NumericDate,
) -> Result<(), Refusal> {
    let source = service.keys.pseudonym_of(&network(source).to_string());
    check_source(service, connection, &source, now).await?;
    let insert = sqlx::query("INSERT INTO login_try (try_id, source, at) VALUES ($1, $2, $3)");
    insert.bind(new_id()).bind(&source).bind(now).execute(connection).await?;
    Ok(())
}

async fn check_source(
    service: &Service,
    connection: &mut Connection,
    source: &str,
    now: NumericDate,
) -> Result<(), Refusal> {
    let limits = service.current().login_limits;
    for (tries, window) in [(limits.tries_in_an_hour, HOUR), (limits.tries_in_a_day, DAY)] {
        // The oldest of as many tries as may be in the window: it leaves the window first.
        let query = "SELECT at FROM login_try WHERE source = $1 AND at > $2 ORDER BY at DESC LIMIT 1 OFFSET $3";
        let query = sqlx::query_scalar::<_, i64>(query).bind(source).bind(now - window);
        let oldest = query.bind(i64::from(tries.max(1)) - 1).fetch_optional(&mut *connection).await?;
        if let Some(at) = oldest {
            return Err(Refusal::new(Code::TooManyLogins).with_retry_after(at.saturating_add(window) - now));
        }
    }
    Ok(())
}

/// Seconds until the next try after so many failures: 0, 0, 1, 2, 4 … 900.
fn delay(failures: i64) -> i64 {
    if failures <= FREE_FAILURES {
        return 0;
    }
    let doublings = u32::try_from(failures - FREE_FAILURES - 1).unwrap_or(u32::MAX);
    2_i64.checked_pow(doublings).map_or(LONGEST_DELAY, |delay| delay.min(LONGEST_DELAY))
}

fn new_id() -> String {
    let mut id = [0; 16];
    rand_core::Rng::fill_bytes(&mut random(), &mut id);
    base64url::encode(&id)
}

/// Removes what does not count any more: tries of the day before, and failures that were followed by a day of quiet.
pub(super) async fn forget(service: &Service) -> Result<(), Refusal> {
    let yesterday = service.now_unix() - DAY;
    for delete in ["DELETE FROM login_try WHERE at <= $1", "DELETE FROM login_bucket WHERE last_try <= $1"] {
        service.store.forget(sqlx::query(delete).bind(yesterday)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failure_is_the_first_that_delays_and_no_delay_is_longer_than_a_quarter_of_an_hour() {
        let delays: Vec<_> = (0..16).map(delay).collect();
        assert_eq!(delays, [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(delay(i64::MAX), 900);
    }

    #[test]
    fn neighbours_share_a_network() {
        for (address, of) in [
            ("192.0.2.1", "192.0.2.0"),
            ("192.0.2.255", "192.0.2.0"),
            ("192.0.3.1", "192.0.3.0"),
            ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::"),
            ("2001:db8:0:2::1", "2001:db8:0:2::"),
        ] {
            assert_eq!(network(address.parse().unwrap()), of.parse::<IpAddr>().unwrap());
        }
    }
}
