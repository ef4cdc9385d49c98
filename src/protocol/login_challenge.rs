//! The challenge of a login with card or device (`docs/protocol.md`): signed by the service for one session key, which
//! keeps nothing of it until it comes back with what was signed over it.
//!
//! Its `typ` says what it is for: one for a card is none for a device, and neither is one for a registration.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::{Challenge, NumericDate, VERSION};
use crate::jose::{Es256, Message, P256Jwk, Thumbprint, jws};

/// What is signed over a challenge.
pub trait LoginStatement {
    /// The `typ` of its challenge.
    const CHALLENGE_TYP: &'static str;
}

/// The challenge of one login, for a statement `S`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct LoginChallenge<S> {
    /// [`VERSION`].
    pub v: u32,
    /// The service.
    pub aud: String,
    /// What must be signed.
    pub challenge: Challenge,
    /// The session key that asked for it.
    pub jkt: Thumbprint,
    /// When it was made.
    pub iat: NumericDate,
    /// When it ends.
    pub exp: NumericDate,
    #[serde(skip)]
    statement: PhantomData<S>,
}

impl<S: LoginStatement> Message for LoginChallenge<S> {
    const TYP: &'static str = S::CHALLENGE_TYP;
    type Algorithm = Es256;
}

impl<S> LoginChallenge<S> {
    /// One of the service `aud` for the session key `jkt`, which lives for so many seconds.
    pub fn new(aud: &str, challenge: Challenge, jkt: Thumbprint, iat: NumericDate, life: i64) -> Self {
        let (aud, exp) = (aud.to_owned(), iat.saturating_add(life));
        Self { v: VERSION, aud, challenge, jkt, iat, exp, statement: PhantomData }
    }
}

/// A challenge that the service has signed for this session key and that is alive. Both sides ask for that: the client
/// before anything signs, the service when it comes back.
#[derive(Debug)]
pub struct LiveChallenge<S> {
    challenge: Challenge,
    jkt: Thumbprint,
    statement: PhantomData<S>,
}

impl<S: LoginStatement> LiveChallenge<S> {
    /// Checks the signature, which is by one of `service_keys`, and every claim. `None` when it is no challenge of this service for this
    /// statement and session key, or has run out.
    pub fn check(
        compact: &str,
        service_keys: &[P256Jwk],
        aud: &str,
        jkt: Thumbprint,
        now: NumericDate,
    ) -> Option<Self> {
        let (_, message) = jws::verify_by_any::<LoginChallenge<S>>(compact, service_keys).ok()?;
        let is_ours = message.v == VERSION && message.aud == aud && message.jkt == jkt && now < message.exp;
        is_ours.then_some(Self { challenge: message.challenge, jkt, statement: PhantomData })
    }

    /// What must be signed, or have been.
    pub fn challenge(&self) -> Challenge {
        self.challenge
    }

    /// The session key it is for.
    pub fn jkt(&self) -> Thumbprint {
        self.jkt
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::SigningKey;
    use p256::elliptic_curve::Generate as _;
    use rand_core::UnwrapErr;

    use super::*;
    use crate::protocol::card_login::CardLoginStatement;
    use crate::protocol::device_login::DeviceLoginStatement;
    use crate::protocol::service::RegistrationChallenge;

    const NOW: NumericDate = 1_800_000_000;
    const AUD: &str = "https://service.example";

    fn key() -> SigningKey {
        SigningKey::generate_from_rng(&mut UnwrapErr(getrandom::SysRng))
    }

    fn nothing_is_signed_for_something_else<S: LoginStatement + Clone, Other: LoginStatement>() {
        let (service, jkt) = (key(), P256Jwk::from(*key().verifying_key()).thumbprint());
        let service_key = [P256Jwk::from(*service.verifying_key())];
        let check = |compact: &str, now| {
            LiveChallenge::<S>::check(compact, &service_key, AUD, jkt, now).map(|live| live.challenge())
        };
        let honest = LoginChallenge::<S>::new(AUD, [7; 32].into(), jkt, NOW, 180);
        let sign = |message: &LoginChallenge<S>| jws::sign(message, &service).unwrap();
        assert_eq!(check(&sign(&honest), NOW + 179), Some(honest.challenge));
        assert_eq!(check(&sign(&honest), NOW + 180), None);
        let forgeries: [fn(&mut LoginChallenge<S>); 4] = [
            |it| it.v = 2,
            |it| it.aud = "https://stranger.example".to_owned(),
            |it| it.jkt = [8; 32].into(),
            |it| it.exp = it.iat,
        ];
        for (n, forge) in forgeries.iter().enumerate() {
            let mut forged = honest.clone();
            forge(&mut forged);
            assert_eq!(check(&sign(&forged), NOW), None, "{n}");
        }
        assert_eq!(check(&jws::sign(&honest, &key()).unwrap(), NOW), None, "another key");
        let other = LoginChallenge::<Other>::new(AUD, [7; 32].into(), jkt, NOW, 180);
        assert_eq!(check(&jws::sign(&other, &service).unwrap(), NOW), None, "for another statement");
        let (aud, challenge) = (AUD.to_owned(), [7; 32].into());
        let for_registration = RegistrationChallenge {
            v: VERSION,
            aud,
            registration_id: [1; 16].into(),
            challenge,
            jkt,
            kvnr: "A123456780".parse().unwrap(),
            iat: NOW,
            exp: NOW + 180,
        };
        assert_eq!(check(&jws::sign(&for_registration, &service).unwrap(), NOW), None, "for a registration");
    }

    #[test]
    fn neither_card_nor_device_signs_a_challenge_for_something_else() {
        nothing_is_signed_for_something_else::<CardLoginStatement, DeviceLoginStatement>();
        nothing_is_signed_for_something_else::<DeviceLoginStatement, CardLoginStatement>();
    }
}
