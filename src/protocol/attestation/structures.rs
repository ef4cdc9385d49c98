//! The two structures of a TPM that matter here, and of each only the form that our keys have (TPM 2.0 Library, part 2:
//! TPMT_PUBLIC, 12.2.4; TPMS_ATTEST, 10.12.8). Numbers are big endian. What is not read is not accepted: whoever signs with a
//! TPM makes the form that stands here.

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::jose::P256Jwk;

/// TPM_ALG_ECC, TPM_ALG_SHA256, TPM_ALG_NULL, TPM_ALG_ECDSA (part 2, 6.3); TPM_ECC_NIST_P256 (6.4).
const ECC: [u8; 2] = [0x00, 0x23];
const SHA256: [u8; 2] = [0x00, 0x0B];
const NULL: [u8; 2] = [0x00, 0x10];
const ECDSA: [u8; 2] = [0x00, 0x18];
const NIST_P256: [u8; 2] = [0x00, 0x03];
/// TPM_GENERATED_VALUE and TPM_ST_ATTEST_CERTIFY (part 2, 6.2 and 6.9).
const GENERATED: [u8; 4] = [0xFF, 0x54, 0x43, 0x47];
const ATTEST_CERTIFY: [u8; 2] = [0x80, 0x17];
/// clock, resetCount, restartCount, safe (TPMS_CLOCK_INFO), and firmwareVersion.
const CLOCK_AND_FIRMWARE: usize = 8 + 4 + 4 + 1 + 8;
/// A name: algorithm and SHA-256. That of a signer may also be a handle; it is not looked at.
const MAX_NAME: usize = 2 + 64;
/// Longest data that are signed along, of hashes up to SHA-512.
const MAX_EXTRA: usize = 2 + 64;

/// The bytes are not of the form that is known.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a structure of the form that is known")]
pub struct Malformed;

/// The public area of a key that signs ECDSA with SHA-256 on P-256 and has no policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicArea {
    name: [u8; 34],
    attributes: u32,
    key: P256Jwk,
}

impl PublicArea {
    /// Reads a `TPMT_PUBLIC`.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut rest = Rest(bytes);
        rest.literal(&ECC)?;
        rest.literal(&SHA256)?; // nameAlg
        let attributes = u32::from_be_bytes(rest.take()?);
        rest.literal(&[0, 0])?; // authPolicy: empty
        rest.literal(&NULL)?; // symmetric
        rest.literal(&ECDSA)?;
        rest.literal(&SHA256)?;
        rest.literal(&NIST_P256)?;
        rest.literal(&NULL)?; // kdf
        let mut point = [4; 65];
        let (x, y) = point.get_mut(1..).and_then(|both| both.split_at_mut_checked(32)).ok_or(Malformed)?;
        rest.coordinate(x)?;
        rest.coordinate(y)?;
        rest.end()?;
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(|_| Malformed)?;
        let mut name = [0; 34];
        let (algorithm, hash) = name.split_at_mut(2);
        algorithm.copy_from_slice(&SHA256);
        hash.copy_from_slice(&Sha256::digest(bytes));
        Ok(Self { name, attributes, key: key.into() })
    }

    /// Its name: `nameAlg` ‖ the hash of the public area (part 1, 16).
    pub fn name(&self) -> &[u8; 34] {
        &self.name
    }

    /// What the key may do and where it may go (`TPMA_OBJECT`; part 2, 8.3).
    pub fn attributes(&self) -> u32 {
        self.attributes
    }

    /// The key.
    pub fn key(&self) -> &P256Jwk {
        &self.key
    }
}

/// What TPM2_Certify says of an object.
#[derive(Debug, PartialEq, Eq)]
pub struct Certified<'a> {
    extra_data: &'a [u8],
    name: &'a [u8],
}

impl<'a> Certified<'a> {
    /// Reads a `TPMS_ATTEST`.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = Rest(bytes);
        rest.literal(&GENERATED)?;
        rest.literal(&ATTEST_CERTIFY)?;
        rest.sized(MAX_NAME)?; // qualifiedSigner
        let extra_data = rest.sized(MAX_EXTRA)?;
        rest.take::<CLOCK_AND_FIRMWARE>()?;
        let name = rest.sized(MAX_NAME)?;
        rest.sized(MAX_NAME)?; // qualifiedName
        rest.end()?;
        Ok(Self { extra_data, name })
    }

    /// What was signed along: the qualifying data.
    pub fn extra_data(&self) -> &'a [u8] {
        self.extra_data
    }

    /// The object's name.
    pub fn name(&self) -> &'a [u8] {
        self.name
    }
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn literal<const N: usize>(&mut self, expected: &[u8; N]) -> Result<(), Malformed> {
        if self.take::<N>()? == *expected { Ok(()) } else { Err(Malformed) }
    }

    /// A `TPM2B`: two bytes of length, and as many bytes.
    fn sized(&mut self, most: usize) -> Result<&'a [u8], Malformed> {
        let length = usize::from(u16::from_be_bytes(self.take()?));
        if length > most {
            return Err(Malformed);
        }
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A coordinate, in the whole of `to`: some TPMs leave zeros out that it begins with.
    fn coordinate(&mut self, to: &mut [u8]) -> Result<(), Malformed> {
        let taken = self.sized(to.len())?;
        let start = to.len().checked_sub(taken.len()).ok_or(Malformed)?;
        let (zeros, number) = to.split_at_mut_checked(start).ok_or(Malformed)?;
        zeros.fill(0);
        number.copy_from_slice(taken);
        Ok(())
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}
