//! ECDSA with SHA-256 on P-256 (RFC 7518, 3.4), the signature of everything but cards: R‖S, 64 bytes, big endian.
//! The service verifies several for each request and signs what it answers, so it takes the provider that its TLS brings
//! along, which is some times as fast as `p256`; a program without the service verifies with `p256`. Both take the same
//! signatures (its tests).

use p256::ecdsa::VerifyingKey;

/// Whether `signature` over `message` is by `key`.
#[cfg(feature = "server")]
pub(super) fn verify(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.to_sec1_point(false).as_bytes())
        .verify(message, signature)
        .is_ok()
}

/// A key of the service, which signs with that provider.
#[cfg(feature = "server")]
pub struct SigningKey(aws_lc_rs::signature::EcdsaKeyPair);

#[cfg(feature = "server")]
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

#[cfg(feature = "server")]
impl SigningKey {
    /// `None` where the provider does not take it.
    pub fn new(key: &p256::ecdsa::SigningKey) -> Option<Self> {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        let secret = zeroize::Zeroizing::new(key.to_bytes());
        let public = key.verifying_key().to_sec1_point(false);
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &secret[..],
            public.as_bytes(),
        );
        pair.ok().map(Self)
    }
}

#[cfg(feature = "server")]
impl super::jws::Signer<super::jws::Es256> for &SigningKey {
    type Error = aws_lc_rs::error::Unspecified;

    fn name(&self) -> &'static str {
        super::jws::ES256
    }

    fn sign(&mut self, signing_input: &[u8]) -> Result<Vec<u8>, Self::Error> {
        let signature = self.0.sign(&aws_lc_rs::rand::SystemRandom::new(), signing_input)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// The same by `p256` alone; the oracle of the tests.
#[cfg(any(test, not(feature = "server")))]
pub(super) fn verify_with_p256(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    use p256::ecdsa::{Signature, signature::Verifier as _};
    Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

#[cfg(not(feature = "server"))]
pub(super) use verify_with_p256 as verify;

#[cfg(test)]
#[cfg(feature = "server")]
mod tests {
    use p256::ecdsa::signature::Signer as _;
    use p256::ecdsa::{Signature, SigningKey};
    use proptest::prelude::*;

    use super::*;

    /// The order of the group (SEC 2, 2.4.2), in four words.
    const ORDER: [u64; 4] =
        [0xFFFF_FFFF_0000_0000, 0xFFFF_FFFF_FFFF_FFFF, 0xBCE6_FAAD_A717_9E84, 0xF3B9_CAC2_FC63_2551];

    fn bytes(words: [u64; 4]) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.chunks_mut(8).zip(words).for_each(|(to, word)| to.copy_from_slice(&word.to_be_bytes()));
        bytes
    }

    /// The order less `number`, which is smaller.
    fn order_less(number: [u8; 32]) -> [u8; 32] {
        let (mut result, mut borrow) = (bytes(ORDER), 0);
        for (digit, less) in result.iter_mut().zip(number).rev() {
            let difference = i16::from(*digit) - i16::from(less) - borrow;
            borrow = i16::from(difference < 0);
            *digit = u8::try_from(difference.rem_euclid(256)).unwrap();
        }
        result
    }

    fn key(seed: [u8; 32]) -> Option<SigningKey> {
        SigningKey::from_slice(&seed).ok()
    }

    fn signed(key: &SigningKey, message: &[u8]) -> ([u8; 32], [u8; 32]) {
        let signature: Signature = key.sign(message);
        let bytes: [u8; 64] = signature.to_bytes().into();
        (bytes[..32].try_into().unwrap(), bytes[32..].try_into().unwrap())
    }

    /// What both say.
    fn both(key: &SigningKey, message: &[u8], signature: &[u8]) -> bool {
        let key = key.verifying_key();
        let (fast, oracle) = (verify(key, message, signature), verify_with_p256(key, message, signature));
        assert_eq!(fast, oracle, "{}", hex::encode(signature));
        fast
    }

    /// Numbers at which arithmetic modulo the order goes wrong first.
    fn edges() -> Vec<[u8; 32]> {
        let one = {
            let mut one = [0; 32];
            one[31] = 1;
            one
        };
        let after = {
            let mut after = bytes(ORDER);
            after[31] += 1;
            after
        };
        vec![[0; 32], one, order_less(one), bytes(ORDER), after, [0xFF; 32]]
    }

    proptest! {
        #[test]
        fn both_take_what_the_key_signed_with_either_sign_and_nothing_that_was_changed(
            seed: [u8; 32], other: [u8; 32], message: Vec<u8>, place in 0..64_usize, change in 1..=u8::MAX,
        ) {
            let (Some(key), Some(other)) = (key(seed), key(other)) else { return Ok(()) };
            let (r, s) = signed(&key, &message);
            let mut signature = [r, s].concat();
            prop_assert!(both(&key, &message, &signature));
            prop_assert!(both(&key, &message, &[r, order_less(s)].concat()), "neither asks for the smaller S");
            prop_assert!(!both(&key, &[&message[..], b"."].concat(), &signature));
            prop_assert!(!both(&other, &message, &signature) || seed == *other.to_bytes());
            signature[place] ^= change;
            prop_assert!(!both(&key, &message, &signature));
        }

        #[test]
        fn both_take_what_the_key_signed_with_the_provider(seed: [u8; 32], message: Vec<u8>) {
            use crate::jose::jws::Signer as _;
            let Some(key) = key(seed) else { return Ok(()) };
            let signature = (&super::SigningKey::new(&key).unwrap()).sign(&message).unwrap();
            prop_assert!(both(&key, &message, &signature));
        }

        #[test]
        fn both_refuse_numbers_out_of_bounds_and_other_lengths(seed: [u8; 32], message: Vec<u8>) {
            let Some(key) = key(seed) else { return Ok(()) };
            let (r, s) = signed(&key, &message);
            for edge in edges() {
                for other in edges() {
                    prop_assert!(!both(&key, &message, &[edge, other].concat()));
                }
                prop_assert!(!both(&key, &message, &[edge, s].concat()));
                prop_assert!(!both(&key, &message, &[r, edge].concat()));
            }
            let whole = [r, s].concat();
            for length in 0..whole.len() {
                prop_assert!(!both(&key, &message, &whole[..length]));
            }
            let der = Signature::from_slice(&whole).unwrap().to_der();
            prop_assert!(!both(&key, &message, der.as_bytes()), "DER is another form");
            prop_assert!(!both(&key, &message, &[&whole[..], &[0]].concat()));
            prop_assert!(!both(&key, &message, &[&[0], &whole[..]].concat()));
        }

        #[test]
        fn both_say_the_same_of_any_bytes(seed: [u8; 32], message: Vec<u8>, r: [u8; 32], s: [u8; 32]) {
            let Some(key) = key(seed) else { return Ok(()) };
            prop_assert!(!both(&key, &message, &[r, s].concat()));
        }
    }
}
