//! Is a certificate to be trusted, and is it the right one? (gemSpec_PKI, TUC_PKI_018; codes as `SE_1021` in the
//! comments are those of the specification for the same check)
//!
//! [`verify`] is the only maker of [`VerifiedCertificate`]. Revocation (TUC_PKI_006) is a proof of its own ([`ocsp`]), and so
//! is a trust list (TUC_PKI_001, [`trust_list`]). Anchors are certificates of eGK CAs and of OCSP responders that were pinned,
//! or that stand in such a list.

mod anchors;
pub mod cvc;
mod der;
#[cfg(feature = "server")]
pub mod endorsement;
mod key;
pub mod ocsp;
pub mod trust_list;

use thiserror::Error;
use time::OffsetDateTime;

use crate::identity::certificate::{Certificate, CertificateError, Holder, oid};
pub use anchors::{AnchorError, Anchors, Issuer, Listed, ProductionAnchors, TestAnchors};
pub use key::{CardKey, RsaKey};

/// The curve of the card's keys (RFC 5639, 3.4).
pub type BrainpoolP256r1 = bp256::BrainpoolP256r1;

/// Bits of KeyUsage (RFC 5280, 4.2.1.3), counted as x509-parser does.
const DIGITAL_SIGNATURE: u16 = 1;
const KEY_ENCIPHERMENT: u16 = 1 << 2;
const KEY_CERT_SIGN: u16 = 1 << 5;
/// Extensions that must be critical, and the only ones that may: KeyUsage and BasicConstraints.
const CRITICAL: [&str; 2] = ["2.5.29.15", "2.5.29.19"];
/// The insurer of gematik's test cards for the production environment; it insures nobody.
const TEST_PAYER_IK: &str = "109500969";

/// Why a certificate is not accepted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PkiError {
    /// Not a certificate, or one that does not name exactly one person and insurer.
    #[error(transparent)]
    Malformed(#[from] CertificateError),
    /// Issued by nobody we trust.
    #[error("the issuer is not trusted")]
    UnknownIssuer,
    /// The issuer stands in a trust list whose time is over.
    #[error("the trust list with the issuer has expired")]
    TrustListExpired,
    /// The issuer's service was revoked before the certificate was issued.
    #[error("the issuer was revoked before it issued the certificate")]
    IssuerRevoked,
    /// Not valid yet.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// Not valid any more.
    #[error("the certificate has expired")]
    Expired,
    /// The issuer did not sign this.
    #[error("the issuer's signature is wrong")]
    Signature,
    /// Neither a point on brainpoolP256r1 nor RSA with 2048 to 4096 bits and an exponent from 65537 on.
    #[error("the certificate's key is not supported")]
    UnsupportedKey,
    /// KeyUsage, ExtendedKeyUsage, BasicConstraints or the critical extensions are not those of C.CH.AUT.
    #[error("the certificate may not be used to authenticate")]
    Usage,
    /// Another type than C.CH.AUT.
    #[error("the certificate is of another type")]
    WrongType,
    /// Not the certificate of an insured person.
    #[error("the certificate belongs to another role")]
    WrongRole,
    /// A test card where real ones are needed.
    #[error("the certificate is one of a test card")]
    TestCard,
}

/// A certificate of an insured person whose issuer, validity, signature and profile were checked by [`verify`].
/// Nothing else can make one.
#[derive(Debug)]
pub struct VerifiedCertificate {
    certificate: Certificate,
    holder: Holder,
    key: CardKey,
    issuer: Issuer,
}

impl VerifiedCertificate {
    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Whom it names.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Its public key; what the card signs is verified as the key's kind says.
    pub fn key(&self) -> &CardKey {
        &self.key
    }

    /// The certificate of its issuer (DER).
    pub fn issuer_der(&self) -> &[u8] {
        self.issuer.der()
    }

    /// Where its issuer stands in a trust list; `None` where it was pinned.
    pub fn listed(&self) -> Option<&Listed> {
        self.issuer.listed.as_ref()
    }
}

/// Checks a C.CH.AUT against pinned issuers at the time `at`, in the order of TUC_PKI_018.
///
/// # Errors
/// [`PkiError`] names the first check that fails.
pub fn verify(der: &[u8], anchors: &dyn Anchors, at: OffsetDateTime) -> Result<VerifiedCertificate, PkiError> {
    let certificate = Certificate::parse(der)?;
    let issuer = issuer_of(&certificate, anchors.issuers()).ok_or(PkiError::UnknownIssuer)?;
    // SW_1009: the trust list is of this time. A grace period is not given: lists follow each other long before.
    if issuer.listed.as_ref().is_some_and(|listed| at > listed.next_update) {
        return Err(PkiError::TrustListExpired);
    }

    // SE_1021: the reference time lies within the validity of the certificate.
    if at < certificate.not_before {
        return Err(PkiError::NotYetValid);
    }
    if at > certificate.not_after {
        return Err(PkiError::Expired);
    }

    // SE_1024: the issuer signed these bytes, with the one algorithm of its kind of key.
    let Certificate { tbs, signature_algorithm, signature, .. } = &certificate;
    if !issuer.key.signed_certificate(tbs, signature_algorithm, signature) {
        return Err(PkiError::Signature);
    }

    // SE_1036: what the issuer signed before its service was revoked stays valid.
    let revoked = issuer.listed.as_ref().and_then(|listed| listed.revoked);
    if revoked.is_some_and(|revoked| revoked < certificate.not_before) {
        return Err(PkiError::IssuerRevoked);
    }

    let key = CardKey::of(&certificate.public_key).ok_or(PkiError::UnsupportedKey)?;

    // SE_1016 and SE_1017, profile C.CH.AUT: what the key is for.
    let extensions = &certificate.extensions;
    // With RSA, keyEncipherment may stand beside it: the profile has it, the cards that were seen do not.
    let usage = match key {
        CardKey::E256(_) => extensions.key_usage,
        CardKey::Rsa(_) => extensions.key_usage.map(|usage| usage & !KEY_ENCIPHERMENT),
    };
    let usage_fits = usage == Some(DIGITAL_SIGNATURE)
        && extensions.is_ca == Some(false)
        && extensions.extended_key_usage.as_ref().is_none_or(|usages| usages.iter().any(|u| u == oid::CLIENT_AUTH))
        && extensions.critical == CRITICAL;
    if !usage_fits {
        return Err(PkiError::Usage);
    }

    // SE_1018: the certificate type. The role in the Admission is for the caller of the TUC to check: we are it.
    if !extensions.policies.iter().any(|policy| policy == oid::EGK_AUT) {
        return Err(PkiError::WrongType);
    }
    if extensions.professions != [oid::VERSICHERTER] {
        return Err(PkiError::WrongRole);
    }

    let holder = certificate.holder()?;
    if !anchors.accept_test_cards() && holder.payer_ik.as_str() == TEST_PAYER_IK {
        return Err(PkiError::TestCard);
    }
    Ok(VerifiedCertificate { holder, key, issuer: issuer.clone(), certificate })
}

/// The trusted issuer: its name is the certificate's issuer and its key the one the certificate points to. Every [`Issuer`]
/// has a key identifier, so a certificate without one is of nobody.
fn issuer_of<'a>(certificate: &Certificate, issuers: &'a [Issuer]) -> Option<&'a Issuer> {
    let key_id = certificate.extensions.authority_key_id.as_ref();
    issuers.iter().find(|issuer| {
        issuer.certificate.subject.der == certificate.issuer.der
            && issuer.certificate.extensions.subject_key_id.as_ref() == key_id
    })
}
