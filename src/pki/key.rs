//! Public keys of cards and of the CAs above them: a point on brainpoolP256r1, or RSA on cards and CAs of generation 2.

use ecdsa::VerifyingKey;
use ecdsa::signature::Verifier as _;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::sha2::Sha256;
use rsa::traits::PublicKeyParts as _;
use rsa::{pkcs1v15, pss};

use super::BrainpoolP256r1;
use crate::identity::certificate::PublicKey;

/// Bits of an RSA modulus. Cards have 2048 (gemSpec_Krypt); more costs whoever verifies ever more.
const MODULUS_BITS: std::ops::RangeInclusive<u32> = 2048..=4096;
/// RSA public exponents: 2^16 + 1 or more (FIPS 186-5, 5.1), and no more than is quickly reckoned with.
const EXPONENTS: std::ops::RangeInclusive<u64> = 65_537..=u32::MAX as u64;
/// Bytes of salt in a signature of a card: as many as the hash has (RFC 7518, 3.5; for cards from memory of the
/// specification).
const SALT: usize = 32;
/// AlgorithmIdentifier of `ecdsa-with-SHA256`, 1.2.840.10045.4.3.2, without parameters (RFC 5758, 3.2; DER).
pub(super) const ECDSA_WITH_SHA256: &[u8] = &[0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
/// AlgorithmIdentifier of `sha256WithRSAEncryption`, 1.2.840.113549.1.1.11, with NULL (RFC 4055, 5; DER).
const SHA256_WITH_RSA: &[u8] =
    &[0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B, 0x05, 0x00];

/// A public key that can be used: a point that lies on its curve, or RSA within our bounds. The algorithm of a
/// signature follows from it and from nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardKey {
    /// On brainpoolP256r1.
    E256(VerifyingKey<BrainpoolP256r1>),
    /// RSA with 2048 to 4096 bits.
    Rsa(RsaKey),
}

/// An RSA key within our bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaKey(rsa::PublicKey);

impl CardKey {
    /// The key of a certificate; `None` where it is of another kind, off its curve or out of bounds.
    pub fn of(key: &PublicKey) -> Option<Self> {
        match key {
            PublicKey::BrainpoolP256r1(point) => VerifyingKey::from_sec1_bytes(point).ok().map(Self::E256),
            PublicKey::Rsa(der) => RsaKey::from_der(der).map(Self::Rsa),
            PublicKey::Other => None,
        }
    }

    /// The name in `alg` of what a card with this key signs.
    pub fn jws_algorithm(&self) -> &'static str {
        match self {
            Self::E256(_) => "BP256R1",
            Self::Rsa(_) => "PS256",
        }
    }

    /// Whether a card with this key signed `message`: ECDSA with SHA-256, R‖S of 64 bytes, or RSASSA-PSS with SHA-256,
    /// MGF1 with SHA-256 and 32 bytes of salt (RFC 7518, 3.5).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::E256(key) => ecdsa::Signature::from_slice(signature).is_ok_and(|s| key.verify(message, &s).is_ok()),
            Self::Rsa(RsaKey(key)) => pss::Signature::try_from(signature).is_ok_and(|signature| {
                let key = pss::VerifyingKey::<Sha256>::new_with_salt_len(key.clone(), SALT);
                key.verify(message, &signature).is_ok()
            }),
        }
    }

    /// Whether a CA with this key signed `tbs` with the algorithm of its kind, which `algorithm` (DER) must name: ECDSA
    /// with SHA-256, or RSASSA-PKCS1-v1_5 with SHA-256. No CA of health cards was seen that uses another one.
    pub(super) fn signed_certificate(&self, tbs: &[u8], algorithm: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::E256(key) => {
                let signature = ecdsa::der::Signature::<BrainpoolP256r1>::from_bytes(signature);
                algorithm == ECDSA_WITH_SHA256 && signature.is_ok_and(|s| key.verify(tbs, &s).is_ok())
            }
            Self::Rsa(RsaKey(key)) => {
                let signature = pkcs1v15::Signature::try_from(signature);
                let key = pkcs1v15::VerifyingKey::<Sha256>::new(key.clone());
                algorithm == SHA256_WITH_RSA && signature.is_ok_and(|s| key.verify(tbs, &s).is_ok())
            }
        }
    }
}

impl RsaKey {
    fn from_der(der: &[u8]) -> Option<Self> {
        let key = rsa::PublicKey::from_pkcs1_der(der).ok()?;
        let exponent = key.e().to_be_bytes();
        let exponent = exponent
            .iter()
            .try_fold(0_u64, |value, byte| (value >> 56 == 0).then_some(value << 8 | u64::from(*byte)))?;
        // The crate takes no even exponent.
        let fits = MODULUS_BITS.contains(&key.n().bit_width_vartime()) && EXPONENTS.contains(&exponent);
        fits.then_some(Self(key))
    }
}
