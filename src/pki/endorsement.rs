//! Is there a genuine TPM? (TCG EK Credential Profile for TPM Family 2.0, version 2.5, 3; RFC 5280)
//!
//! [`verify`] is the only maker of [`VerifiedTpm`]. Trusted is whatever CA the operator names: those of the manufacturers
//! that issue the certificates of endorsement keys. Revocation is not looked at.

use ecdsa::signature::Verifier as _;
use p256::pkcs8::DecodePublicKey as _;
use time::OffsetDateTime;

use super::anchors::{AnchorError, each_certificate};
use super::key::{CardKey, ECDSA_WITH_SHA256};
use super::{KEY_CERT_SIGN, PkiError};
use crate::identity::certificate::{Certificate, PublicKey};

/// AlgorithmIdentifier of `ecdsa-with-SHA384`, 1.2.840.10045.4.3.3, without parameters (RFC 5758, 3.2; DER).
const ECDSA_WITH_SHA384: &[u8] = &[0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03];
/// `tcg-kp-EKCertificate`: the extended key usage of the certificate of an endorsement key.
const EK_CERTIFICATE: &str = "2.23.133.8.1";
/// keyAgreement (RFC 5280, 4.2.1.3): what a key on a curve is for that decrypts.
const KEY_AGREEMENT: u16 = 1 << 4;
/// Critical extensions that are understood: KeyUsage, SubjectAltName (maker and model), BasicConstraints, ExtendedKeyUsage.
const UNDERSTOOD: [&str; 4] = ["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37"];

/// CAs of makers of TPMs.
#[derive(Debug, Default)]
pub struct TpmRoots(Vec<TpmIssuer>);

#[derive(Debug)]
struct TpmIssuer {
    certificate: Certificate,
    key: IssuerKey,
}

#[derive(Debug)]
enum IssuerKey {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Rsa(CardKey),
}

/// The endorsement key of a TPM whose certificate was checked by [`verify`]. Nothing else can make one.
#[derive(Debug)]
pub struct VerifiedTpm(p256::PublicKey);

impl VerifiedTpm {
    /// The endorsement key: only this TPM decrypts what is encrypted for it.
    pub fn endorsement_key(&self) -> &p256::PublicKey {
        &self.0
    }
}

impl TpmRoots {
    /// Adds all certificates of a PEM file: of roots, and of CAs below them. Each is trusted by itself.
    ///
    /// # Errors
    /// [`AnchorError`]; nothing is added then.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<(), AnchorError> {
        self.0.extend(each_certificate(pem, TpmIssuer::from_der)?);
        Ok(())
    }

    /// Whether there is none, so that no TPM is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TpmIssuer {
    fn from_der(der: &[u8]) -> Result<Self, AnchorError> {
        let certificate = Certificate::parse(der).map_err(|_| AnchorError::NotACa)?;
        let signs = certificate.extensions.key_usage.is_none_or(|usage| usage & KEY_CERT_SIGN != 0);
        if certificate.extensions.is_ca != Some(true) || !signs {
            return Err(AnchorError::NotACa);
        }
        let key = IssuerKey::of(&certificate).ok_or(AnchorError::NotACa)?;
        Ok(Self { certificate, key })
    }
}

impl IssuerKey {
    fn of(certificate: &Certificate) -> Option<Self> {
        if let PublicKey::Rsa(_) = certificate.public_key {
            return CardKey::of(&certificate.public_key).map(Self::Rsa);
        }
        let p256 = || p256::ecdsa::VerifyingKey::from_public_key_der(&certificate.spki).map(Self::P256).ok();
        p256().or_else(|| p384::ecdsa::VerifyingKey::from_public_key_der(&certificate.spki).map(Self::P384).ok())
    }

    /// Whether this key signed `certificate`, with the one algorithm of its kind, which the certificate must name.
    fn signed(&self, certificate: &Certificate) -> bool {
        let Certificate { tbs, signature_algorithm, signature, .. } = certificate;
        match self {
            Self::P256(key) => {
                signature_algorithm == ECDSA_WITH_SHA256
                    && p256::ecdsa::DerSignature::from_bytes(signature).is_ok_and(|it| key.verify(tbs, &it).is_ok())
            }
            Self::P384(key) => {
                signature_algorithm == ECDSA_WITH_SHA384
                    && p384::ecdsa::DerSignature::from_bytes(signature).is_ok_and(|it| key.verify(tbs, &it).is_ok())
            }
            Self::Rsa(key) => key.signed_certificate(tbs, signature_algorithm, signature),
        }
    }
}

/// Checks the certificate of an endorsement key on P-256 at the time `at`.
///
/// # Errors
/// [`PkiError`] names the first check that fails.
pub fn verify(der: &[u8], roots: &TpmRoots, at: OffsetDateTime) -> Result<VerifiedTpm, PkiError> {
    let certificate = Certificate::parse(der)?;

    // A CA that the operator named issued it. A maker may have several of one name.
    let mut issuers =
        roots.0.iter().filter(|issuer| issuer.certificate.subject.der == certificate.issuer.der).peekable();
    issuers.peek().ok_or(PkiError::UnknownIssuer)?;
    if !issuers.any(|issuer| issuer.key.signed(&certificate)) {
        return Err(PkiError::Signature);
    }

    if at < certificate.not_before {
        return Err(PkiError::NotYetValid);
    }
    if at > certificate.not_after {
        return Err(PkiError::Expired);
    }

    // It is one of an endorsement key: the same CA may issue others, whose keys decrypt for nobody in particular.
    let extensions = &certificate.extensions;
    let usage_fits = extensions.is_ca != Some(true)
        && extensions.key_usage.is_some_and(|usage| usage & KEY_AGREEMENT != 0 && usage & KEY_CERT_SIGN == 0)
        && extensions.extended_key_usage.as_ref().is_none_or(|usages| usages.iter().any(|it| it == EK_CERTIFICATE))
        && extensions.critical.iter().all(|id| UNDERSTOOD.contains(&id.as_str()));
    if !usage_fits {
        return Err(PkiError::Usage);
    }
    p256::PublicKey::from_public_key_der(&certificate.spki).map(VerifiedTpm).map_err(|_| PkiError::UnsupportedKey)
}
