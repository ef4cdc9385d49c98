//! The keys that sign the service's own words: one, and beside it, while keys overlap, the one that will take its place or
//! has taken it.

use p256::elliptic_curve::Generate as _;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{File, KEY_LENGTH, KeysError};
use crate::jose::{Es256, Message, P256Jwk, SigningKey, base64url, jws};
use crate::protocol::service::ServiceKeySet;
use crate::server::http::Refusal;

/// A private key as the key file has it.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Scalar(#[serde(with = "base64url")] Zeroizing<Vec<u8>>);

impl Scalar {
    pub(super) fn random(rng: &mut dyn rand_core::CryptoRng) -> Self {
        Self(Zeroizing::new(p256::SecretKey::generate_from_rng(rng).to_bytes().to_vec()))
    }

    fn key(&self) -> Result<p256::ecdsa::SigningKey, KeysError> {
        // A shorter one would be taken and filled up with zeros.
        let scalar = Some(self.0.as_slice()).filter(|scalar| scalar.len() == KEY_LENGTH).ok_or(KeysError::Damaged)?;
        p256::ecdsa::SigningKey::from_slice(scalar).map_err(|_| KeysError::Damaged)
    }

    pub(super) fn public(&self) -> Result<P256Jwk, KeysError> {
        Ok(P256Jwk::from(*self.key()?.verifying_key()))
    }

    fn signing(&self) -> Result<SigningKey, KeysError> {
        SigningKey::new(&self.key()?).ok_or(KeysError::Damaged)
    }
}

/// What signs, and what verifies what was signed, at one moment.
pub(in crate::server) struct Signing {
    key: SigningKey,
    /// The one before, while it is listed.
    previous: Option<SigningKey>,
    listed: ServiceKeySet,
    /// Public keys of all that ever signed or will: first those that are listed, the one that signs before all; then the
    /// former ones; then those that were revoked.
    all: Vec<P256Jwk>,
    revoked: usize,
}

impl Signing {
    /// Those of the key file.
    pub(super) fn of(file: &File) -> Result<Self, KeysError> {
        let beside = match (&file.next, &file.previous) {
            (Some(_), Some(_)) => return Err(KeysError::Damaged),
            (next, previous) => next.as_ref().or(previous.as_ref()).map(Scalar::public).transpose()?,
        };
        let listed: Vec<_> = [file.signing.public()?].into_iter().chain(beside).collect();
        let all = [listed.as_slice(), &file.former, &file.revoked].concat();
        if (1..all.len()).any(|n| all.get(n).is_some_and(|key| all.iter().take(n).any(|before| before == key))) {
            return Err(KeysError::Damaged);
        }
        let previous = file.previous.as_ref().map(Scalar::signing).transpose()?;
        let listed = ServiceKeySet::new(listed).ok_or(KeysError::Damaged)?;
        Ok(Self { key: file.signing.signing()?, previous, listed, all, revoked: file.revoked.len() })
    }

    /// Signs one of the service's own messages.
    pub(in crate::server) fn sign<M: Message<Algorithm = Es256>>(&self, message: &M) -> Result<String, Refusal> {
        jws::sign(message, &self.key).map_err(|_| Refusal::internal())
    }

    /// The same with the key before, while that one is listed.
    pub(in crate::server) fn sign_with_previous<M: Message<Algorithm = Es256>>(
        &self,
        message: &M,
    ) -> Result<Option<String>, Refusal> {
        let previous = self.previous.as_ref();
        previous.map(|previous| jws::sign(message, previous).map_err(|_| Refusal::internal())).transpose()
    }

    /// The keys by which clients know the service.
    pub(in crate::server) fn listed(&self) -> &ServiceKeySet {
        &self.listed
    }

    /// Those that verify what was signed before, oldest first.
    pub(in crate::server) fn former(&self) -> &[P256Jwk] {
        self.all.get(self.listed.len()..self.all.len().saturating_sub(self.revoked)).unwrap_or_default()
    }

    /// Those that verify what the service itself has kept, and nothing that others show, oldest first.
    pub(in crate::server) fn revoked(&self) -> &[P256Jwk] {
        self.all.get(self.all.len().saturating_sub(self.revoked)..).unwrap_or_default()
    }

    /// All of them.
    pub(in crate::server) fn all(&self) -> &[P256Jwk] {
        &self.all
    }
}
