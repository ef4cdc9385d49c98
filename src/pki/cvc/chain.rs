//! Card, CA, root: who vouches for a chip.

use std::fmt;

use ecdsa::VerifyingKey;
use ecdsa::signature::Verifier as _;
use ecdsa::signature::hazmat::PrehashVerifier as _;
use thiserror::Error;
use time::{Date, OffsetDateTime, UtcOffset};

use super::super::BrainpoolP256r1;
use super::roots::{CvcRoot, CvcRoots};
use super::{AuthorityName, Cvc, Holder, NotACvc};
use crate::chip::Iccsn;
use crate::secret::masked;

/// `ecdsa-with-SHA256`, 1.2.840.10045.4.3.2: keys of roots and CAs.
const ECDSA_WITH_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
/// `authS_gemSpec-COS-G2_ecc-with-sha256`, 1.3.36.3.5.3.1: keys with which a card authenticates itself.
const AUTH_S: &[u8] = &[0x2B, 0x24, 0x03, 0x05, 0x03, 0x01];
/// `cvc_fl_ti`, 1.2.276.0.76.4.152: the flags of the telematics infrastructure.
const FLAGS_TI: &[u8] = &[0x2A, 0x82, 0x14, 0x00, 0x4C, 0x04, 0x81, 0x18];
/// The first two flags tell roots (`11`), CAs (`10`) and cards (`00`) apart.
const KIND: u8 = 0xC0;
/// PrK.eGK.AUT_CVC.E256 in the holder reference of its certificate.
const KEY_ID_EGK_AUT: [u8; 2] = [0x00, 0x09];

/// Why a certificate is not accepted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CvcError {
    /// The bytes are no such certificate.
    #[error(transparent)]
    Malformed(#[from] NotACvc),
    /// It is one of something else: another kind of card, a CA where a card is expected, another use of the key.
    #[error("the certificate is of another kind")]
    Role,
    /// Signed by nobody we trust.
    #[error("the issuer is not trusted")]
    UnknownIssuer,
    /// Not valid yet: itself, or the root above it.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// Not valid any more: itself, or the root above it.
    #[error("the certificate has expired")]
    Expired,
    /// The issuer did not sign this.
    #[error("the issuer's signature is wrong")]
    Signature,
    /// The key is no point on brainpoolP256r1.
    #[error("the certificate's key is not on its curve")]
    Key,
}

/// Which certificate of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// That of the chip.
    Chip,
    /// That of the CA above it.
    Authority,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chip => "C.eGK.AUT_CVC",
            Self::Authority => "C.CA_eGK.CS",
        })
    }
}

/// Why a chain is not accepted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{level}")]
pub struct ChainError {
    /// The certificate with the fault.
    pub level: Level,
    /// The fault.
    #[source]
    pub error: CvcError,
}

/// A chip of a health card whose certificate leads to a root: role, validity and signatures were checked by [`verify`].
/// Nothing else can make one.
#[derive(Clone)]
pub struct VerifiedChip {
    iccsn: Iccsn,
    key: VerifyingKey<BrainpoolP256r1>,
    authority: AuthorityName,
    root: AuthorityName,
}

masked!(VerifiedChip);

impl VerifiedChip {
    /// The number of its card.
    pub fn iccsn(&self) -> &Iccsn {
        &self.iccsn
    }

    /// The CA that signed its certificate.
    pub fn authority(&self) -> AuthorityName {
        self.authority
    }

    /// The root that signed the CA's.
    pub fn root(&self) -> AuthorityName {
        self.root
    }

    /// Whether the chip answered `nonce` with this signature (INTERNAL AUTHENTICATE, elcRoleAuthentication).
    ///
    /// What is signed is the number z that the 25 bytes nonce ‖ `00` make, big endian, without a hash: so do gematik's
    /// PoPP service and its virtual card. It was not confirmed on a real card yet.
    pub fn signed(&self, nonce: &[u8; 24], signature: &[u8]) -> bool {
        signed_by(&self.key, nonce, signature)
    }
}

/// The same by the key of a certificate, whoever vouches for it.
pub fn signed(cvc: &Cvc, nonce: &[u8; 24], signature: &[u8]) -> bool {
    VerifyingKey::from_sec1_bytes(&cvc.point).is_ok_and(|key| signed_by(&key, nonce, signature))
}

fn signed_by(key: &VerifyingKey<BrainpoolP256r1>, nonce: &[u8; 24], signature: &[u8]) -> bool {
    // As long as a number on the curve: seven zeros in front.
    let mut z = [0; 32];
    z.iter_mut().skip(7).zip(nonce).for_each(|(to, from)| *to = *from);
    ecdsa::Signature::from_slice(signature).is_ok_and(|s| key.verify_prehash(&z, &s).is_ok())
}

/// Checks the certificate of a health card's chip and the one of its CA against trusted roots at the time `at`.
///
/// # Errors
/// [`ChainError`] names the first check that fails, from the root downwards.
pub fn verify(
    chip: &[u8],
    authority: &[u8],
    roots: &dyn CvcRoots,
    at: OffsetDateTime,
) -> Result<VerifiedChip, ChainError> {
    let at = at.to_offset(UtcOffset::UTC).date();
    let fault = |level| move |error| ChainError { level, error };

    let (authority, root) = check_authority(authority, roots.roots(), at).map_err(fault(Level::Authority))?;
    let (iccsn, key) = check_chip(chip, &authority, at).map_err(fault(Level::Chip))?;
    Ok(VerifiedChip { iccsn, key, authority: authority.name, root })
}

/// A root or CA with a key that signs.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) name: AuthorityName,
    key: VerifyingKey<BrainpoolP256r1>,
}

impl Signer {
    /// A key that is trusted without a certificate.
    pub(super) fn new(name: AuthorityName, point: &[u8]) -> Result<Self, CvcError> {
        Ok(Self { name, key: point_of(point)? })
    }

    /// The root this certificate is one of; its signature is not checked here.
    pub(super) fn root(cvc: &Cvc) -> Result<Self, CvcError> {
        Self::of(cvc, 0xC0)
    }

    /// The CA this certificate is one of; its signature is not checked here.
    fn authority(cvc: &Cvc) -> Result<Self, CvcError> {
        Self::of(cvc, 0x80)
    }

    fn of(cvc: &Cvc, kind: u8) -> Result<Self, CvcError> {
        let Holder::Authority(name) = cvc.holder else { return Err(CvcError::Role) };
        let [first, ..] = cvc.flags;
        if cvc.key_oid != ECDSA_WITH_SHA256 || cvc.flag_list != FLAGS_TI || first & KIND != kind {
            return Err(CvcError::Role);
        }
        Self::new(name, &cvc.point)
    }

    /// Whether it signed `cvc`: ECDSA with SHA-256, whatever the certificate says.
    pub(super) fn signed(&self, cvc: &Cvc) -> bool {
        ecdsa::Signature::from_slice(&cvc.signature).is_ok_and(|s| self.key.verify(&cvc.body, &s).is_ok())
    }
}

/// The CA, and the root above it.
fn check_authority(bytes: &[u8], roots: &[CvcRoot], at: Date) -> Result<(Signer, AuthorityName), CvcError> {
    let cvc = Cvc::parse(bytes)?;
    let authority = Signer::authority(&cvc)?;
    // The reference to the issuer is the name of a root. A root may be trusted by more than one way.
    let mut of_that_name = roots.iter().filter(|root| root.name() == cvc.issuer).peekable();
    of_that_name.peek().ok_or(CvcError::UnknownIssuer)?;
    let signed: Vec<_> = of_that_name.filter(|root| root.signer.signed(&cvc)).collect();
    check_validity(cvc.effective, cvc.expires, at)?;
    let mut error = CvcError::Signature;
    for root in signed {
        match check_validity(root.effective, root.expires, at) {
            Ok(()) => return Ok((authority, root.name())),
            Err(out_of_time) => error = out_of_time,
        }
    }
    Err(error)
}

/// The number of the card and the key of its chip.
fn check_chip(bytes: &[u8], authority: &Signer, at: Date) -> Result<(Iccsn, VerifyingKey<BrainpoolP256r1>), CvcError> {
    let cvc = Cvc::parse(bytes)?;
    // A health card has no rights at all; professionals' cards and devices have some.
    let Holder::Chip { key_id: KEY_ID_EGK_AUT, iccsn } = &cvc.holder else { return Err(CvcError::Role) };
    if cvc.key_oid != AUTH_S || cvc.flag_list != FLAGS_TI || cvc.flags != [0; 7] {
        return Err(CvcError::Role);
    }
    if cvc.issuer != authority.name {
        return Err(CvcError::UnknownIssuer);
    }
    check_validity(cvc.effective, cvc.expires, at)?;
    if !authority.signed(&cvc) {
        return Err(CvcError::Signature);
    }
    Ok((iccsn.clone(), point_of(&cvc.point)?))
}

/// Both days belong to the validity, as days of UTC (from memory of the specification).
fn check_validity(effective: Date, expires: Date, at: Date) -> Result<(), CvcError> {
    match at {
        at if at < effective => Err(CvcError::NotYetValid),
        at if at > expires => Err(CvcError::Expired),
        _ => Ok(()),
    }
}

fn point_of(point: &[u8]) -> Result<VerifyingKey<BrainpoolP256r1>, CvcError> {
    VerifyingKey::from_sec1_bytes(point).map_err(|_| CvcError::Key)
}
