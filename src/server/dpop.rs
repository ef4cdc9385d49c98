//! The DPoP proof of a request (RFC 9449), and that it is a new one. Proofs of requests that change something are
//! remembered in the database, for all processes; those of reading ones in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;

use super::Service;
use super::http::{Code, Refusal};
use super::store::Connection;
use crate::jose::Thumbprint;
use crate::protocol::dpop::{DpopError, DpopProof, HEADER, ProvenRequest};
use crate::protocol::registration::Part;
use crate::protocol::{CLOCK_TOLERANCE, NumericDate, Sha256Hash};
use crate::secret::SecretText;

/// How often proofs that nobody can use any more are forgotten, in seconds.
const FORGET_EVERY: i64 = 60;

/// A proof of this request that was never sent before. Only [`take`] and [`take_in`] make one.
#[derive(Debug)]
pub(super) struct Proof(DpopProof);

impl Proof {
    /// Thumbprint of the key that whoever sent the request holds.
    pub(super) fn jkt(&self) -> Thumbprint {
        self.0.jkt()
    }
}

/// The proof of a request that comes without access token: one that asks for tokens.
impl FromRequestParts<Arc<Service>> for Proof {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Refusal> {
        let proof = check(service, parts, None)?;
        take(service, proof, &parts.method).await
    }
}

/// The same for an endpoint that remembers the proof itself, with what it counts ([`take_in`]), so that whoever has to
/// wait makes the service write nothing; or that gives nothing to whoever sends one again.
pub(super) struct Unremembered(pub(super) DpopProof);

impl FromRequestParts<Arc<Service>> for Unremembered {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Refusal> {
        check(service, parts, None).map(Self)
    }
}

/// Checks the proof in the header for this request, with this access token.
pub(super) fn check(service: &Service, parts: &Parts, access_token: Option<&SecretText>) -> Result<DpopProof, Refusal> {
    // RFC 9449, 4.3, 1: there is not more than one header.
    let mut headers = parts.headers.get_all(HEADER).iter();
    let (Some(proof), None) = (headers.next(), headers.next()) else {
        return Err(Refusal::new(Code::ProofInvalid).with_detail("header"));
    };
    let compact = proof.to_str().map_err(|_| DpopError(Part::Message))?;
    let address = format!("{}{}", service.settings.issuer, parts.uri.path());
    let request = ProvenRequest { method: parts.method.as_str(), address: &address, access_token };
    Ok(DpopProof::check(compact, request, service.now_unix())?)
}

/// Remembers the proof of a request by `method`; refuses it when it was sent before.
pub(super) async fn take(service: &Service, proof: DpopProof, method: &Method) -> Result<Proof, Refusal> {
    if *method == Method::GET || *method == Method::HEAD {
        let is_new = service.seen_proofs.remember(&proof, service.now_unix());
        return if is_new { Ok(Proof(proof)) } else { Err(replayed()) };
    }
    let mut tx = service.store.begin_row().await?;
    let proof = take_in(&mut tx, proof).await?;
    tx.commit().await?;
    Ok(proof)
}

/// The same within a transaction, with which it is remembered.
pub(super) async fn take_in(connection: &mut Connection, proof: DpopProof) -> Result<Proof, Refusal> {
    let is_new = remember(connection, proof.fingerprint(), proof.expires_at()).await?;
    if is_new { Ok(Proof(proof)) } else { Err(replayed()) }
}

/// Remembers what may come once only, for all processes and as long as it could be taken; whether it is new.
pub(super) async fn remember(
    connection: &mut Connection,
    fingerprint: Sha256Hash,
    expires_at: NumericDate,
) -> Result<bool, sqlx::Error> {
    let insert = "INSERT INTO used_jti (proof, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    let insert = sqlx::query(insert).bind(fingerprint.to_string()).bind(expires_at);
    Ok(insert.execute(connection).await?.rows_affected() == 1)
}

/// Forgets the proofs whose time is over.
pub(super) async fn forget_expired(service: &Service) -> Result<(), Refusal> {
    // The clocks of processes differ: one that is behind still takes what is over here.
    let over = service.now_unix().saturating_sub(CLOCK_TOLERANCE);
    let delete = sqlx::query("DELETE FROM used_jti WHERE expires_at < $1").bind(over);
    service.store.forget(delete).await
}

fn replayed() -> Refusal {
    Refusal::new(Code::ProofInvalid).with_detail("replayed")
}

impl From<DpopError> for Refusal {
    fn from(DpopError(part): DpopError) -> Self {
        Self::new(Code::ProofInvalid).with_detail(part.to_string())
    }
}

/// The proofs of reading requests that this process has seen and that could still be taken.
#[derive(Default)]
pub(super) struct SeenProofs(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    until: HashMap<[u8; 32], NumericDate>,
    forgotten: NumericDate,
}

impl SeenProofs {
    /// Whether the proof is a new one.
    fn remember(&self, proof: &DpopProof, now: NumericDate) -> bool {
        self.insert(proof.fingerprint(), proof.expires_at(), now)
    }

    /// The same for another kind of message, by what tells it from every other one.
    pub(super) fn insert(&self, fingerprint: Sha256Hash, expires_at: NumericDate, now: NumericDate) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.abs_diff(seen.forgotten) >= FORGET_EVERY.unsigned_abs() {
            seen.until.retain(|_, until| *until >= now);
            seen.forgotten = now;
        }
        seen.until.insert(*fingerprint.as_bytes(), expires_at).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_remembered_as_long_as_it_could_be_taken_and_no_longer() {
        let seen = SeenProofs::default();
        let proof = Sha256Hash::of(b"proof");
        assert!(seen.insert(proof, 1120, 1000));
        assert!(!seen.insert(proof, 1120, 1000));
        assert!(!seen.insert(proof, 1120, 1120), "to its last moment");
        for second in 0..10_000 {
            let other = Sha256Hash::of(&i64::to_be_bytes(second));
            assert!(seen.insert(other, 2000 + second + 120, 2000 + second));
        }
        assert!(seen.0.lock().unwrap().until.len() <= 240, "the others were forgotten");
    }
}
