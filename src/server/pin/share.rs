//! The shares themselves: 32 random bytes each, wrapped under a key of the key file. Whoever has the database alone has
//! none, and nothing to test a PIN against.

use crate::jose::base64url;
use crate::secret::SecretBytes;
use crate::server::http::Refusal;
use crate::server::store::{Connection, Tx};
use crate::server::{Service, random};
use crate::voprf::{Element, Share};

/// Whose share it is.
#[derive(Clone, Copy)]
pub(super) enum Owner<'a> {
    /// Offered to a registration.
    Registration(&'a str),
    /// In use by a device, or about to be: the newest of its shares.
    Device(&'a str),
}

#[derive(sqlx::FromRow)]
struct Row {
    voprf_pk: String,
    key_id: String,
    wrapped: String,
}

/// Makes a share; gives its public key.
pub(super) async fn make(service: &Service, tx: &mut Tx, owner: Owner<'_>) -> Result<(Element, Share), Refusal> {
    let seed = SecretBytes::random(&mut random());
    let share = Share::of(&seed).ok_or_else(Refusal::internal)?;
    let voprf_pk = share.public_key();
    let key = service.keys.share_keys.newest();
    let wrapped = key.seal(seed.expose(), voprf_pk.as_bytes(), &mut random()).ok_or_else(Refusal::internal)?;
    let (registration, device, number) = match owner {
        Owner::Registration(id) => (Some(id), None, 1),
        Owner::Device(id) => {
            let number = "SELECT COALESCE(MAX(number), 0) + 1 FROM pin_share WHERE device_id = $1";
            let number = sqlx::query_scalar::<_, i64>(number).bind(id).fetch_one(&mut **tx).await?;
            (None, Some(id), number)
        }
    };
    let insert = sqlx::query(
        "INSERT INTO pin_share (voprf_pk, registration_id, device_id, number, key_id, wrapped) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    );
    let insert = insert.bind(voprf_pk.to_string()).bind(registration).bind(device).bind(number);
    insert.bind(key.id()).bind(base64url::encode(&wrapped)).execute(&mut **tx).await?;
    Ok((voprf_pk, share))
}

/// The share of this public key, where it is this device's and not erased.
pub(super) async fn open(
    service: &Service,
    connection: &mut Connection,
    device: &str,
    voprf_pk: &str,
) -> Result<Option<Share>, Refusal> {
    let query = "SELECT voprf_pk, key_id, wrapped FROM pin_share WHERE device_id = $1 AND voprf_pk = $2";
    let row = sqlx::query_as::<_, Row>(query).bind(device).bind(voprf_pk).fetch_optional(connection).await?;
    row.map(|row| unwrapped(service, &row).ok_or_else(Refusal::internal)).transpose()
}

/// The share that was offered to a registration.
pub(super) async fn open_offered(
    service: &Service,
    connection: &mut Connection,
    registration: &str,
) -> Result<Option<Share>, Refusal> {
    let query = "SELECT voprf_pk, key_id, wrapped FROM pin_share WHERE registration_id = $1";
    let row = sqlx::query_as::<_, Row>(query).bind(registration).fetch_optional(connection).await?;
    row.map(|row| unwrapped(service, &row).ok_or_else(Refusal::internal)).transpose()
}

fn unwrapped(service: &Service, row: &Row) -> Option<Share> {
    let key = service.keys.share_keys.by_id(&row.key_id)?;
    let voprf_pk = base64url::decode(&row.voprf_pk)?;
    let seed = key.open(&base64url::decode(&row.wrapped)?, &voprf_pk)?;
    let seed = <&[u8; 32]>::try_from(seed.as_slice()).ok()?;
    Share::of(&SecretBytes::written(|out| *out = *seed)).filter(|share| share.public_key().as_bytes()[..] == voprf_pk)
}

/// Public key of the share that was offered to a registration.
pub(in crate::server) async fn offered(
    connection: &mut Connection,
    registration: &str,
) -> Result<Option<Element>, Refusal> {
    let query = sqlx::query_scalar::<_, String>("SELECT voprf_pk FROM pin_share WHERE registration_id = $1");
    let voprf_pk = query.bind(registration).fetch_optional(connection).await?;
    voprf_pk.map(|text| element(&text).ok_or_else(Refusal::internal)).transpose()
}

/// Public keys of the shares that a device has: more than one while its PIN is changed.
pub(in crate::server) async fn of_device(connection: &mut Connection, device: &str) -> Result<Vec<Element>, Refusal> {
    let query = sqlx::query_scalar::<_, String>("SELECT voprf_pk FROM pin_share WHERE device_id = $1");
    let shares = query.bind(device).fetch_all(connection).await?;
    shares.iter().map(|text| element(text).ok_or_else(Refusal::internal)).collect()
}

/// The device of a registration takes its share over.
pub(in crate::server) async fn hand_over(
    connection: &mut Connection,
    registration: &str,
    device: &str,
) -> Result<(), Refusal> {
    let update = "UPDATE pin_share SET device_id = $2, registration_id = NULL WHERE registration_id = $1";
    let handed_over = sqlx::query(update).bind(registration).bind(device).execute(connection).await?;
    if handed_over.rows_affected() == 1 { Ok(()) } else { Err(Refusal::internal()) }
}

/// Erases the shares of a device that are older than this one; how many there were.
pub(super) async fn erase_before(tx: &mut Tx, device: &str, voprf_pk: &str) -> Result<u64, Refusal> {
    let delete = sqlx::query(
        "DELETE FROM pin_share WHERE device_id = $1 AND number < \
         (SELECT number FROM pin_share WHERE voprf_pk = $2)",
    );
    Ok(delete.bind(device).bind(voprf_pk).execute(&mut **tx).await?.rows_affected())
}

/// Erases the shares of changes that came to nothing: all but the one the file is locked with, which the device names;
/// where it names none that is there, all but the oldest.
pub(super) async fn erase_unused(tx: &mut Tx, device: &str, named: Option<Element>) -> Result<(), Refusal> {
    let shares = sqlx::query_scalar::<_, String>("SELECT voprf_pk FROM pin_share WHERE device_id = $1 ORDER BY number");
    let shares = shares.bind(device).fetch_all(&mut **tx).await?;
    let named = named.map(|named| named.to_string());
    let kept = shares.iter().find(|share| Some(*share) == named.as_ref()).or(shares.first());
    for unused in shares.iter().filter(|share| Some(*share) != kept) {
        sqlx::query("DELETE FROM pin_share WHERE voprf_pk = $1").bind(unused).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Erases the shares of registrations that have expired.
pub(super) async fn erase_expired(service: &Service) -> Result<(), Refusal> {
    let delete = sqlx::query(
        "DELETE FROM pin_share WHERE registration_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM registration \
         WHERE registration.registration_id = pin_share.registration_id AND registration.expires_at > $1)",
    );
    service.store.forget(delete.bind(service.now_unix())).await
}

fn element(text: &str) -> Option<Element> {
    base64url::decode(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).map(Element::from)
}
