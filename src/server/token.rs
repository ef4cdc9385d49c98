//! Access and refresh tokens: opaque to everybody else, and sealed under a key of the service, so that nobody makes one
//! and no database is asked whether one is real. What a token opens still depends on the row of its session.
//!
//! ```text
//! kind (1) ‖ key (4) ‖ session (16) ‖ expiry or generation (8) ‖ HMAC-SHA-256 over all before (32)
//! ```

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::jose::base64url;
use crate::protocol::{NumericDate, SessionId};
use crate::secret::SecretText;

/// Seconds from the making of a key to its first use: by then every process of the service has read the key file.
pub(super) const KEY_ROLLOUT: i64 = 60;

const KEY_LENGTH: usize = 32;
const TOKEN_LENGTH: usize = 1 + 4 + 16 + 8 + 32;

/// A key that tokens are sealed under.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenKey {
    id: u32,
    /// From when on tokens are made with it.
    signs_from: NumericDate,
    #[serde(with = "base64url")]
    key: Zeroizing<Vec<u8>>,
}

/// The keys tokens are sealed under, oldest first. The newest that may sign yet signs; all verify.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct TokenKeys(Vec<TokenKey>);

/// An access token that the service has made and that has not expired.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AccessToken {
    pub(super) session: SessionId,
    pub(super) expires_at: NumericDate,
}

/// A refresh token that the service has made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RefreshToken {
    pub(super) session: SessionId,
    pub(super) generation: i64,
}

/// What kind of token it is: the first byte, so that none is ever taken for the other.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    Access = 1,
    Refresh = 2,
}

impl TokenKeys {
    /// The first key of a service.
    pub(super) fn first(rng: &mut dyn rand_core::CryptoRng) -> Self {
        Self(vec![TokenKey::new(1, 0, rng)])
    }

    pub(super) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a key, and each is one.
    pub(super) fn are_whole(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|key| key.key.len() == KEY_LENGTH)
    }

    /// Adds a key, and retires those that no living token was made with: they stopped signing more than `longest_life`
    /// ago, in seconds.
    pub(super) fn rotated(&self, now: NumericDate, longest_life: i64, rng: &mut dyn rand_core::CryptoRng) -> Self {
        let superseded = |at: usize| self.0.get(at + 1).map(|next| next.signs_from);
        let is_needed = |at: usize| superseded(at).is_none_or(|since| now.saturating_sub(since) <= longest_life);
        let mut keys: Vec<_> =
            self.0.iter().enumerate().filter(|(at, _)| is_needed(*at)).map(|(_, key)| key.clone()).collect();
        let id = self.0.last().map_or(1, |key| key.id.wrapping_add(1));
        keys.push(TokenKey::new(id, now.saturating_add(KEY_ROLLOUT), rng));
        Self(keys)
    }

    /// Seals an access token.
    pub(super) fn seal_access(&self, token: &AccessToken, now: NumericDate) -> Option<SecretText> {
        self.seal(Kind::Access, token.session, token.expires_at, now)
    }

    /// Seals a refresh token.
    pub(super) fn seal_refresh(&self, token: &RefreshToken, now: NumericDate) -> Option<SecretText> {
        self.seal(Kind::Refresh, token.session, token.generation, now)
    }

    /// Reads an access token; `None` when it is none of ours, or too old.
    pub(super) fn open_access(&self, token: &SecretText, now: NumericDate) -> Option<AccessToken> {
        let (session, expires_at) = self.open(Kind::Access, token)?;
        (now < expires_at).then_some(AccessToken { session, expires_at })
    }

    /// Reads a refresh token; `None` when it is none of ours.
    pub(super) fn open_refresh(&self, token: &SecretText) -> Option<RefreshToken> {
        let (session, generation) = self.open(Kind::Refresh, token)?;
        Some(RefreshToken { session, generation })
    }

    /// `None` where there is no key: [`Self::are_whole`] was asked before.
    fn seal(&self, kind: Kind, session: SessionId, number: i64, now: NumericDate) -> Option<SecretText> {
        let key = self.0.iter().rev().find(|key| key.signs_from <= now).or(self.0.first())?;
        let mut token = Zeroizing::new(Vec::with_capacity(TOKEN_LENGTH));
        token.push(kind as u8);
        token.extend_from_slice(&key.id.to_be_bytes());
        token.extend_from_slice(session.as_bytes());
        token.extend_from_slice(&number.to_be_bytes());
        let mac = key.mac(&token)?.finalize().into_bytes();
        token.extend_from_slice(&mac);
        Some(SecretText::new(base64url::encode(&token)))
    }

    /// Nothing in the token is looked at before its seal was found right, in constant time.
    fn open(&self, kind: Kind, token: &SecretText) -> Option<(SessionId, i64)> {
        let token = Zeroizing::new(base64url::decode(token.expose()).filter(|bytes| bytes.len() == TOKEN_LENGTH)?);
        let (sealed, mac) = token.split_last_chunk::<32>()?;
        let (head, rest) = sealed.split_first_chunk::<5>()?;
        let [first, id @ ..] = head;
        let key = self.0.iter().find(|key| key.id == u32::from_be_bytes(*id))?;
        key.mac(sealed)?.verify_slice(mac).ok()?;
        let (session, number) = rest.split_first_chunk::<16>()?;
        let number = i64::from_be_bytes(number.try_into().ok()?);
        (*first == kind as u8).then_some((SessionId::from(*session), number))
    }
}

impl TokenKey {
    fn new(id: u32, signs_from: NumericDate, rng: &mut dyn rand_core::CryptoRng) -> Self {
        let mut key = Zeroizing::new(vec![0; KEY_LENGTH]);
        rng.fill_bytes(&mut key);
        Self { id, signs_from, key }
    }

    fn mac(&self, bytes: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?; // it takes keys of any length
        mac.update(bytes);
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;
    const NOW: NumericDate = 1_000_000;

    fn keys() -> TokenKeys {
        TokenKeys::first(&mut super::super::random())
    }

    fn access() -> AccessToken {
        AccessToken { session: [7; 16].into(), expires_at: NOW + 300 }
    }

    #[test]
    fn a_token_is_what_the_service_made_and_nothing_else() {
        let (keys, other_keys) = (keys(), keys());
        let token = keys.seal_access(&access(), NOW).unwrap();
        assert_eq!(keys.open_access(&token, NOW + 299), Some(access()));
        assert_eq!(keys.open_access(&token, NOW + 300), None, "too old");
        assert_eq!(keys.open_refresh(&token), None, "of the other kind");
        let refresh = RefreshToken { session: [7; 16].into(), generation: 3 };
        let sealed = keys.seal_refresh(&refresh, NOW).unwrap();
        assert_eq!(keys.open_access(&sealed, NOW), None, "of the other kind");
        assert_eq!(keys.open_refresh(&sealed), Some(refresh));

        let bytes = base64url::decode(token.expose()).unwrap();
        let opens = |bytes: &[u8]| keys.open_access(&SecretText::new(base64url::encode(bytes)), NOW).is_some();
        assert!(opens(&bytes));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!opens(&changed), "byte {at}");
        }
        for length in [0, 1, 5, 32, 60] {
            assert!(!opens(&bytes[..length]), "{length} bytes");
        }
        assert!(!opens(&[bytes.as_slice(), &[0]].concat()));
        assert_eq!(other_keys.open_access(&token, NOW), None, "of another service");
    }

    #[test]
    fn the_newest_key_signs_once_all_processes_have_it_and_older_ones_verify_until_their_tokens_are_over() {
        let mut rng = super::super::random();
        let first = keys();
        let before = first.seal_access(&access(), NOW).unwrap();
        let second = first.rotated(NOW, 12 * HOUR, &mut rng);
        let just_after = second.seal_access(&access(), NOW + KEY_ROLLOUT - 1).unwrap();
        assert_eq!(first.open_access(&just_after, NOW), Some(access()), "a process that has not read the file yet");
        let later = second.seal_access(&access(), NOW + KEY_ROLLOUT).unwrap();
        assert_eq!(first.open_access(&later, NOW), None, "by the new key");
        for token in [&before, &just_after, &later] {
            assert_eq!(second.open_access(token, NOW), Some(access()));
        }
        let superseded = NOW + KEY_ROLLOUT;
        let third = second.rotated(superseded + 12 * HOUR, 12 * HOUR, &mut rng);
        assert_eq!(third.open_access(&before, NOW), Some(access()), "a session can still be alive");
        let third = second.rotated(superseded + 12 * HOUR + 1, 12 * HOUR, &mut rng);
        assert_eq!(third.open_access(&before, NOW), None, "retired");
        assert_eq!(third.open_access(&later, NOW), Some(access()));
    }
}
