//! Clients that have logged in to an account before, by the thumbprints of their session keys.

use crate::jose::Thumbprint;
use crate::protocol::{NumericDate, SessionId};
use crate::server::http::Refusal;
use crate::server::states::{SessionState, States as _};
use crate::server::store::{Connection, Tx};

/// How many clients an account knows: those that logged in last.
const MAX_KNOWN_CLIENTS: i64 = 20;

/// Whether a client has logged in to this account before.
pub(in crate::server) async fn is_known_client(
    connection: &mut Connection,
    account_id: i64,
    client: Thumbprint,
) -> Result<bool, Refusal> {
    let query = "SELECT COUNT(*) FROM known_client WHERE account_id = $1 AND jkt = $2";
    let query = sqlx::query_scalar::<_, i64>(query).bind(account_id).bind(client.to_string());
    Ok(query.fetch_one(connection).await? > 0)
}

/// From now on this client has logged in before.
pub(in crate::server) async fn know_client(
    connection: &mut Connection,
    account_id: i64,
    client: Thumbprint,
    now: NumericDate,
) -> Result<(), sqlx::Error> {
    let insert = "INSERT INTO known_client (account_id, jkt, last_login) VALUES ($1, $2, $3) \
                  ON CONFLICT (account_id, jkt) DO UPDATE SET last_login = $3";
    sqlx::query(insert).bind(account_id).bind(client.to_string()).bind(now).execute(&mut *connection).await?;
    // Each has a delay of its own: whoever knew the password once must not have any number of them.
    let delete = sqlx::query(
        "DELETE FROM known_client WHERE account_id = $1 AND jkt NOT IN (SELECT jkt FROM known_client \
         WHERE account_id = $1 ORDER BY last_login DESC, jkt LIMIT $2)",
    );
    delete.bind(account_id).bind(MAX_KNOWN_CLIENTS).execute(connection).await.map(drop)
}

/// Clients that knew a password that does not hold any more are strangers again.
pub(in crate::server) async fn forget_clients(connection: &mut Connection, account_id: i64) -> Result<(), sqlx::Error> {
    let delete = sqlx::query("DELETE FROM known_client WHERE account_id = $1");
    delete.bind(account_id).execute(connection).await.map(drop)
}

/// Whether the owner is told of session `id`, which was just opened: nobody has logged in with this key before, or none
/// of that holds any more, and somebody else has logged in to this account, whenever that was.
pub(super) async fn is_news(
    tx: &mut Tx,
    account_id: i64,
    id: SessionId,
    jkt: Thumbprint,
    now: NumericDate,
) -> Result<bool, Refusal> {
    let first = sqlx::query("UPDATE account SET first_login = $2 WHERE account_id = $1 AND first_login IS NULL");
    let is_first = first.bind(account_id).bind(now).execute(&mut **tx).await?.rows_affected() == 1;
    if is_first || is_known_client(tx, account_id, jkt).await? {
        return Ok(false);
    }
    // Whoever lost the answer with a setup session asks once more, and is no other client.
    let others = "SELECT COUNT(*) FROM session WHERE account_id = $1 AND jkt = $2 AND state = $3 AND session_id <> $4";
    let others = sqlx::query_scalar::<_, i64>(others).bind(account_id).bind(jkt.to_string());
    let others = others.bind(SessionState::Open.as_str()).bind(id.to_string());
    Ok(others.fetch_one(&mut **tx).await? == 0)
}
