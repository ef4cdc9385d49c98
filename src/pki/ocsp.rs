//! Was a card revoked? Requests and answers of OCSP (RFC 6960) as gematik uses it (gemSpec_PKI, TUC_PKI_006; codes as
//! `SE_1040` in the comments are those of the specification for the same check).
//!
//! Responders are trusted because whoever asks has pinned their certificates: in the telematics infrastructure they stand in
//! the trust list, and no CA of cards vouches for them, so that the rules of RFC 6960, 4.2.2.2 would refuse them.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use super::anchors::each_certificate;
use super::der::{self, Element};
use super::{AnchorError, CardKey, VerifiedCertificate};
use crate::identity::certificate::Certificate;

/// Longest answer read.
pub const MAX_ANSWER: usize = 16 * 1024;
/// How far the responder's clock and ours may differ (TUC_PKI_006: 37.5 s, in whole seconds), and so the age of an answer.
const TOLERANCE: Duration = Duration::seconds(37);

/// `id-pkix-ocsp-basic`, 1.3.6.1.5.5.7.48.1.1.
const BASIC: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
/// `certHash`, 1.3.36.8.3.13 (Common PKI 2.0, part 4).
const CERT_HASH: &[u8] = &[0x2B, 0x24, 0x08, 0x03, 0x0D];
/// SHA-1, 1.3.14.3.2.26: it names the issuer, and nothing rests on it.
const SHA1: &[u8] = &[0x2B, 0x0E, 0x03, 0x02, 0x1A];
/// SHA-256, 2.16.840.1.101.3.4.2.1.
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

const SUCCESSFUL: &[u8] = &[0];
const GENERALIZED_TIME: &[BorrowedFormatItem<'static>] =
    format_description!("[year][month][day][hour][minute][second]Z");

/// Why an answer says nothing about a certificate.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OcspError {
    /// Not one answer about one certificate, or one with something critical that nobody here knows.
    #[error("this is no answer of an OCSP responder")]
    Malformed,
    /// The responder does not answer the request.
    #[error("the OCSP responder refuses to answer")]
    Refused,
    /// No pinned responder has signed it.
    #[error("no trusted OCSP responder signed the answer")]
    Untrusted,
    /// The responder's certificate is not valid at this time.
    #[error("the OCSP responder's certificate is not valid")]
    ResponderNotValid,
    /// It is about another certificate.
    #[error("the OCSP answer is about another certificate")]
    OtherCertificate,
    /// It is not of now.
    #[error("the OCSP answer is not of this time")]
    OtherTime,
    /// The responder does not show that it knows the certificate.
    #[error("the OCSP answer has no hash of the certificate")]
    HashMissing,
    /// The responder knows another certificate with this number.
    #[error("the OCSP answer has the hash of another certificate")]
    OtherHash,
}

/// A responder whose answers are trusted.
#[derive(Clone, Debug)]
pub struct Responder {
    certificate: Certificate,
    key: CardKey,
}

impl Responder {
    /// Reads its certificate (DER).
    ///
    /// # Errors
    /// [`AnchorError::NotAResponder`] when it is none, or its key is none that can be used.
    pub fn from_der(der: &[u8]) -> Result<Self, AnchorError> {
        let certificate = Certificate::parse(der).map_err(|_| AnchorError::NotAResponder)?;
        let key = CardKey::of(&certificate.public_key).ok_or(AnchorError::NotAResponder)?;
        Ok(Self { certificate, key })
    }

    /// Reads all certificates of a PEM file.
    ///
    /// # Errors
    /// [`AnchorError`].
    pub fn read_pem(pem: &[u8]) -> Result<Vec<Self>, AnchorError> {
        each_certificate(pem, Self::from_der)
    }

    /// Its certificate (DER).
    pub fn der(&self) -> &[u8] {
        &self.certificate.der
    }
}

/// What a responder said about a certificate. That it was revoked is an answer, not an error.
#[derive(Debug)]
#[must_use]
pub enum Status {
    /// It was not revoked.
    Good(NotRevoked),
    /// It was revoked, or its revocation is under way.
    Revoked,
    /// The responder does not know it.
    Unknown,
}

/// A certificate of which a trusted responder said at a time that it was not revoked. Only [`check`] makes one.
#[derive(Clone, Debug)]
pub struct NotRevoked {
    certificate: [u8; 32],
    responder: Vec<u8>,
    answer: Vec<u8>,
}

impl NotRevoked {
    /// Whether it is about this certificate.
    pub fn is_about(&self, certificate: &VerifiedCertificate) -> bool {
        self.certificate == certificate.certificate().sha256()
    }

    /// The certificate of the responder (DER).
    pub fn responder(&self) -> &[u8] {
        &self.responder
    }

    /// The answer, as it was received (DER).
    pub fn answer(&self) -> &[u8] {
        &self.answer
    }
}

/// The request for one certificate: OCSPRequest (DER; RFC 6960, 4.1.1), with hashes by SHA-1 and no nonce.
///
/// # Errors
/// [`OcspError::Malformed`] where certificate and issuer are not what they were when they were verified.
pub fn request(certificate: &VerifiedCertificate) -> Result<Vec<u8>, OcspError> {
    let id = CertId::of(certificate)?.der(SHA1);
    let list = der::sequence(&[&der::sequence(&[&id])]);
    Ok(der::sequence(&[&der::sequence(&[&list])]))
}

/// Checks what a responder answered about `certificate` at the time `at`. `hash_needed` says whether the responder has to
/// show that it knows the certificate (`certHash`), as those of gematik do.
///
/// # Errors
/// [`OcspError`] names the first check that fails.
pub fn check(
    answer: &[u8],
    certificate: &VerifiedCertificate,
    responders: &[Responder],
    hash_needed: bool,
    at: OffsetDateTime,
) -> Result<Status, OcspError> {
    // TE_1058: the responder has answered.
    let signed = Signed::read(answer)?;

    // SE_1030 and SE_1031: one of the responders that we trust signed these bytes, with the algorithm of its kind of key.
    let is_by = |responder: &&Responder| {
        responder.key.signed_certificate(signed.data.raw, signed.algorithm.raw, signed.signature)
    };
    let responder = responders.iter().find(is_by).ok_or(OcspError::Untrusted)?;
    if at < responder.certificate.not_before || at > responder.certificate.not_after {
        return Err(OcspError::ResponderNotValid);
    }

    // TE_1029: it is about this certificate, named by a hash that we know.
    let single = Single::read(signed.data.content).ok_or(OcspError::Malformed)?;
    let id = CertId::of(certificate)?;
    if ![SHA1, SHA256].iter().any(|hash| id.der(hash) == single.cert_id) {
        return Err(OcspError::OtherCertificate);
    }

    // TE_1029: it was made now, and says what is so now.
    let is_of_now = single.this_update <= at + TOLERANCE
        && single.produced_at <= at + TOLERANCE
        && single.produced_at >= at - TOLERANCE
        && single.next_update.is_none_or(|next| next >= at - TOLERANCE);
    if !is_of_now {
        return Err(OcspError::OtherTime);
    }

    // SW_1047 and TW_1044.
    match single.status {
        CertStatus::Revoked => return Ok(Status::Revoked),
        CertStatus::Unknown => return Ok(Status::Unknown),
        CertStatus::Good => {}
    }

    // SE_1040 and SE_1041: the responder knows the certificate itself, not its number alone.
    let sha256 = certificate.certificate().sha256();
    match single.cert_hash {
        Some(hash) if hash == sha256 => {}
        Some(_) => return Err(OcspError::OtherHash),
        None if hash_needed => return Err(OcspError::HashMissing),
        None => {}
    }
    let responder = responder.der().to_vec();
    Ok(Status::Good(NotRevoked { certificate: sha256, responder, answer: answer.to_vec() }))
}

/// What names a certificate in OCSP (RFC 6960, 4.1.1).
struct CertId {
    issuer_name: Vec<u8>,
    /// The key without the algorithm and the count of unused bits.
    issuer_key: Vec<u8>,
    /// INTEGER (DER).
    serial: Vec<u8>,
}

impl CertId {
    fn of(certificate: &VerifiedCertificate) -> Result<Self, OcspError> {
        let issuer = Certificate::parse(certificate.issuer_der()).map_err(|_| OcspError::Malformed)?;
        let certificate = certificate.certificate();
        let read = || {
            // SubjectPublicKeyInfo ::= SEQUENCE { algorithm, subjectPublicKey BIT STRING }
            let [_, key] = der::elements(der::only(&issuer.spki)?.content)?.try_into().ok()?;
            // TBSCertificate ::= SEQUENCE { [0] version, serialNumber INTEGER, … }
            let tbs = der::elements(der::only(&certificate.tbs)?.content)?;
            let serial = tbs.iter().find(|element| element.tag == der::INTEGER)?;
            Some((bits(&key)?.to_vec(), serial.raw.to_vec()))
        };
        let (issuer_key, serial) = read().ok_or(OcspError::Malformed)?;
        Ok(Self { issuer_name: certificate.issuer.der.clone(), issuer_key, serial })
    }

    /// CertID (DER) with the hashes of this algorithm, SHA-1 or SHA-256.
    fn der(&self, hash: &[u8]) -> Vec<u8> {
        let digest = |bytes: &[u8]| match hash {
            SHA1 => Sha1::digest(bytes).to_vec(),
            _ => Sha256::digest(bytes).to_vec(),
        };
        let algorithm = der::sequence(&[&der::element(der::OID, &[hash]), &der::element(der::NULL, &[])]);
        let name = der::element(der::OCTETS, &[&digest(&self.issuer_name)]);
        let key = der::element(der::OCTETS, &[&digest(&self.issuer_key)]);
        der::sequence(&[&algorithm, &name, &key, &self.serial])
    }
}

/// BasicOCSPResponse (RFC 6960, 4.2.1) whose signature is not checked.
struct Signed<'a> {
    data: Element<'a>,
    algorithm: Element<'a>,
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Reads it out of OCSPResponse ::= SEQUENCE { responseStatus, [0] { responseType, response OCTET STRING } OPTIONAL }.
    fn read(answer: &'a [u8]) -> Result<Self, OcspError> {
        let whole = || der::elements(der::only(answer).filter(|it| it.tag == der::SEQUENCE)?.content);
        let whole = whole().filter(|_| answer.len() <= MAX_ANSWER).ok_or(OcspError::Malformed)?;
        let (status, bytes) = whole.split_first().ok_or(OcspError::Malformed)?;
        if status.tag != der::ENUMERATED || status.content != SUCCESSFUL {
            return Err(OcspError::Refused);
        }
        let basic = || {
            let [bytes] = bytes else { return None };
            let bytes = der::only(bytes.explicit(0)?).filter(|it| it.tag == der::SEQUENCE)?;
            let [kind, response] = der::elements(bytes.content)?.try_into().ok()?;
            let is_basic = kind.tag == der::OID && kind.content == BASIC && response.tag == der::OCTETS;
            let basic = der::only(response.content).filter(|it| is_basic && it.tag == der::SEQUENCE)?;
            let elements = der::elements(basic.content)?;
            let (data, algorithm, signature) = match *elements.as_slice() {
                [data, algorithm, signature] => (data, algorithm, signature),
                // Certificates, which nobody signed: the responder is pinned.
                [data, algorithm, signature, certificates] => {
                    certificates.explicit(0)?;
                    (data, algorithm, signature)
                }
                _ => return None,
            };
            Some(Self { data, algorithm, signature: bits(&signature)? })
        };
        basic().ok_or(OcspError::Malformed)
    }
}

#[derive(Clone, Copy)]
enum CertStatus {
    Good,
    Revoked,
    Unknown,
}

/// What stands in ResponseData about the one certificate that it is about.
struct Single<'a> {
    cert_id: &'a [u8],
    status: CertStatus,
    produced_at: OffsetDateTime,
    this_update: OffsetDateTime,
    next_update: Option<OffsetDateTime>,
    cert_hash: Option<&'a [u8]>,
}

impl<'a> Single<'a> {
    /// ResponseData ::= SEQUENCE { [0] version OPTIONAL, responderID, producedAt, responses, [1] extensions OPTIONAL }
    fn read(data: &'a [u8]) -> Option<Self> {
        let mut data = der::elements(data)?;
        if data.first()?.explicit(0).is_some() {
            data.remove(0);
        }
        let (_responder_id, produced_at, responses) = match *data.as_slice() {
            [id, at, responses] => (id, at, responses),
            [id, at, responses, more] => {
                extensions(more.explicit(1)?)?;
                (id, at, responses)
            }
            _ => return None,
        };
        // SingleResponse ::= SEQUENCE { certID, certStatus, thisUpdate, [0] nextUpdate OPTIONAL, [1] extensions OPTIONAL }
        let single = der::only(responses.content).filter(|it| it.tag == der::SEQUENCE)?;
        let single = der::elements(single.content)?;
        let [cert_id, status, this_update, ref more @ ..] = *single.as_slice() else { return None };
        let status = match status.tag {
            0x80 => CertStatus::Good,
            0xA1 => CertStatus::Revoked,
            0x82 => CertStatus::Unknown,
            _ => return None,
        };
        let (mut next_update, mut cert_hash) = (None, None);
        for element in more {
            match (element.explicit(0), element.explicit(1)) {
                (Some(next), None) if next_update.is_none() => next_update = Some(time(&der::only(next)?)?),
                (None, Some(found)) if cert_hash.is_none() => cert_hash = Some(cert_hash_in(extensions(found)?)?),
                _ => return None,
            }
        }
        let cert_hash = cert_hash.flatten();
        let (produced_at, this_update) = (time(&produced_at)?, time(&this_update)?);
        Some(Self { cert_id: cert_id.raw, status, produced_at, this_update, next_update, cert_hash })
    }
}

/// `Some(None)` where there is no certHash ::= SEQUENCE { hashAlgorithm, certificateHash OCTET STRING }, by SHA-256.
fn cert_hash_in<'a>(extensions: Vec<(&[u8], &'a [u8])>) -> Option<Option<&'a [u8]>> {
    let Some((_, value)) = extensions.into_iter().find(|(oid, _)| *oid == CERT_HASH) else { return Some(None) };
    let [algorithm, hash] = der::elements(der::only(value)?.content)?.try_into().ok()?;
    let oid = *der::elements(algorithm.content)?.first()?;
    (oid.content == SHA256 && hash.tag == der::OCTETS).then_some(Some(hash.content))
}

/// Extensions ::= SEQUENCE OF SEQUENCE { OID, critical BOOLEAN DEFAULT FALSE, OCTET STRING }: none is critical that is taken.
fn extensions(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut found = Vec::new();
    for extension in der::elements(der::only(bytes)?.content)? {
        let [oid, value] = der::elements(extension.content)?.try_into().ok()?;
        (oid.tag == der::OID && value.tag == der::OCTETS).then_some(())?;
        found.push((oid.content, value.content));
    }
    Some(found)
}

fn time(element: &Element<'_>) -> Option<OffsetDateTime> {
    let text = std::str::from_utf8(element.content).ok().filter(|_| element.tag == der::GENERALIZED_TIME)?;
    Some(PrimitiveDateTime::parse(text, GENERALIZED_TIME).ok()?.assume_utc())
}

/// The bytes of a BIT STRING without unused bits.
fn bits<'a>(element: &Element<'a>) -> Option<&'a [u8]> {
    let (unused, bits) = element.content.split_first().filter(|_| element.tag == der::BITS)?;
    (*unused == 0).then_some(bits)
}
