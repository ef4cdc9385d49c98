//! The card's certificate C.CH.AUT (gemSpec_PKI, 5.1): what stands in it. Whether it is to be trusted is `pki`'s answer.

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::Any;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

use super::kvnr::{Ik, Kvnr};

/// Object identifiers of gemSpec_OID and RFC 5280, in dotted form.
pub mod oid {
    /// `oid_egk_aut`: the certificate type C.CH.AUT.
    pub const EGK_AUT: &str = "1.2.276.0.76.4.70";
    /// `oid_versicherter`: the profession of an insured person.
    pub const VERSICHERTER: &str = "1.2.276.0.76.4.49";
    /// Extended key usage `clientAuth`.
    pub const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
    pub(super) const ADMISSION: &str = "1.3.36.8.3.3";
    pub(super) const ORGANIZATION_NAME: &str = "2.5.4.10";
    pub(super) const ORGANIZATIONAL_UNIT: &str = "2.5.4.11";
    pub(super) const SURNAME: &str = "2.5.4.4";
    pub(super) const GIVEN_NAME: &str = "2.5.4.42";
    pub(super) const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
    pub(super) const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
    pub(super) const BRAINPOOL_P256R1: &str = "1.3.36.3.3.2.8.1.1.7";
}

/// Longest certificate read.
const MAX_DER: usize = 8 * 1024;
/// Longest name part (gemSpec_PKI, 5.1: 64 characters).
const MAX_NAME: usize = 64;

/// Why bytes are no C.CH.AUT.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CertificateError {
    /// Not one X.509 certificate, or bytes are left behind it.
    #[error("not an X.509 certificate")]
    Malformed,
    /// The subject names no insurance number, or more than one.
    #[error("the subject does not name exactly one insurance number")]
    Kvnr,
    /// The subject names no insurer, or more than one.
    #[error("the subject does not name exactly one insurer")]
    PayerIk,
    /// Given name or surname are missing or too long.
    #[error("the subject does not name a person")]
    Name,
}

/// The public key of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// A point on brainpoolP256r1: `04`‖X‖Y, not yet known to lie on the curve.
    BrainpoolP256r1(Vec<u8>),
    /// RSA: an RSAPublicKey (DER; RFC 8017, A.1.1), not yet known to be one.
    Rsa(Vec<u8>),
    /// Anything else.
    Other,
}

/// An X.509 certificate and what this project needs of it. The signature is not checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate itself (DER).
    pub der: Vec<u8>,
    /// The part that is signed (DER).
    pub tbs: Vec<u8>,
    /// AlgorithmIdentifier beside the signature (DER); it names the algorithm that is also signed.
    pub signature_algorithm: Vec<u8>,
    /// The signature value.
    pub signature: Vec<u8>,
    /// Issuer name (DER) and for people.
    pub issuer: Name,
    /// Subject name (DER) and for people.
    pub subject: Name,
    /// Serial number, decimal.
    pub serial: String,
    /// First second of validity.
    pub not_before: OffsetDateTime,
    /// Last second of validity.
    pub not_after: OffsetDateTime,
    /// SubjectPublicKeyInfo (DER).
    pub spki: Vec<u8>,
    /// The key in it.
    pub public_key: PublicKey,
    /// The extensions that are looked at.
    pub extensions: Extensions,
    units: Vec<String>,
    organization: Option<String>,
    given_name: Option<String>,
    surname: Option<String>,
}

/// A distinguished name.
#[derive(Clone, PartialEq, Eq)]
pub struct Name {
    /// As encoded (DER).
    pub der: Vec<u8>,
    /// For people, in encoded order.
    pub text: String,
}

/// Extensions of a certificate (RFC 5280, 4.2; Admission: Common PKI 2.0, part 1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Key usage bits as x509-parser counts them: bit 0 is digitalSignature.
    pub key_usage: Option<u16>,
    /// Extended key usages, dotted; `None` where the extension is absent.
    pub extended_key_usage: Option<Vec<String>>,
    /// Whether BasicConstraints say CA.
    pub is_ca: Option<bool>,
    /// Policies, dotted: among them the certificate type.
    pub policies: Vec<String>,
    /// professionOIDs of the Admission, dotted.
    pub professions: Vec<String>,
    /// Key identifier of the issuer.
    pub authority_key_id: Option<Vec<u8>>,
    /// Key identifier of the subject.
    pub subject_key_id: Option<Vec<u8>>,
    /// All critical extensions, dotted, sorted.
    pub critical: Vec<String>,
}

/// Whom a certificate names. Personal: `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Holder {
    /// Insurance number.
    pub kvnr: Kvnr,
    /// Insurer's number.
    pub payer_ik: Ik,
    /// Insurer's name.
    pub organization: Option<String>,
    /// Given name, with name suffix and prefix.
    pub given_name: String,
    /// Surname.
    pub surname: String,
}

crate::secret::masked!(Certificate, Name, Holder);

impl Certificate {
    /// Reads exactly one certificate.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] when the bytes are anything else.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_DER {
            return Err(CertificateError::Malformed);
        }
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
        // RFC 5280, 4.1.1.2: the algorithm is named twice, once signed and once beside the signature.
        let same_algorithm = certificate.tbs_certificate.signature == certificate.signature_algorithm;
        if !rest.is_empty() || !same_algorithm || certificate.signature_value.unused_bits != 0 {
            return Err(CertificateError::Malformed);
        }
        let spki = certificate.public_key();
        let named_curve = spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        let public_key = match (spki.algorithm.algorithm.to_id_string().as_str(), named_curve) {
            (oid::EC_PUBLIC_KEY, Some(curve)) if curve.to_id_string() == oid::BRAINPOOL_P256R1 => {
                PublicKey::BrainpoolP256r1(spki.subject_public_key.data.to_vec())
            }
            (oid::RSA_ENCRYPTION, _) => PublicKey::Rsa(spki.subject_public_key.data.to_vec()),
            _ => PublicKey::Other,
        };
        let subject = certificate.subject();
        Ok(Self {
            der: der.to_vec(),
            tbs: certificate.tbs_certificate.as_ref().to_vec(),
            signature_algorithm: outer_algorithm(der).ok_or(CertificateError::Malformed)?.to_vec(),
            signature: certificate.signature_value.data.to_vec(),
            issuer: name(certificate.issuer()),
            subject: name(subject),
            serial: certificate.tbs_certificate.serial.to_string(),
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
            spki: spki.raw.to_vec(),
            public_key,
            extensions: extensions(&certificate)?,
            units: attributes(subject, oid::ORGANIZATIONAL_UNIT),
            organization: attributes(subject, oid::ORGANIZATION_NAME).into_iter().next(),
            given_name: attributes(subject, oid::GIVEN_NAME).into_iter().next(),
            surname: attributes(subject, oid::SURNAME).into_iter().next(),
        })
    }

    /// Whom the subject names. The organisational units stand in no fixed order: they are told apart by their shape.
    ///
    /// # Errors
    /// [`CertificateError`] when there is not exactly one insurance number, insurer and person.
    pub fn holder(&self) -> Result<Holder, CertificateError> {
        let name = |name: &Option<String>| {
            name.clone().filter(|n| !n.is_empty() && n.chars().count() <= MAX_NAME).ok_or(CertificateError::Name)
        };
        Ok(Holder {
            kvnr: exactly_one(&self.units).ok_or(CertificateError::Kvnr)?,
            payer_ik: exactly_one(&self.units).ok_or(CertificateError::PayerIk)?,
            organization: self.organization.clone(),
            given_name: name(&self.given_name)?,
            surname: name(&self.surname)?,
        })
    }

    /// SHA-256 of the certificate.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// How the key signs, as gematik names it in JOSE headers.
    pub fn jws_algorithm(&self) -> Option<&'static str> {
        match self.public_key {
            PublicKey::BrainpoolP256r1(_) => Some("BP256R1"),
            PublicKey::Rsa(_) => Some("PS256"),
            PublicKey::Other => None,
        }
    }
}

/// The bytes between tbsCertificate and signatureValue (RFC 5280, 4.1); `None` where something is behind that. The parser
/// leaves it unread, and nobody signs it: one certificate could be written in many ways.
fn outer_algorithm(der: &[u8]) -> Option<&[u8]> {
    let (_, certificate) = Any::from_der(der).ok()?;
    let (rest, _tbs) = Any::from_der(certificate.data).ok()?;
    let (signature, _algorithm) = Any::from_der(rest).ok()?;
    let (behind, _value) = Any::from_der(signature).ok()?;
    behind.is_empty().then_some(())?;
    rest.get(..rest.len() - signature.len())
}

fn exactly_one<T: std::str::FromStr>(units: &[String]) -> Option<T> {
    let mut found = units.iter().filter_map(|unit| unit.parse().ok());
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

fn name(name: &X509Name<'_>) -> Name {
    Name { der: name.as_raw().to_vec(), text: name.to_string() }
}

fn attributes(name: &X509Name<'_>, wanted: &str) -> Vec<String> {
    name.iter_attributes()
        .filter(|attribute| attribute.attr_type().to_id_string() == wanted)
        .filter_map(|attribute| attribute.as_str().ok().map(str::to_owned))
        .collect()
}

fn extensions(certificate: &X509Certificate<'_>) -> Result<Extensions, CertificateError> {
    let mut found = Extensions::default();
    let mut seen = Vec::new();
    for extension in certificate.extensions() {
        let id = extension.oid.to_id_string();
        if seen.contains(&id) {
            return Err(CertificateError::Malformed); // RFC 5280, 4.2: at most one of each
        }
        if extension.critical {
            found.critical.push(id.clone());
        }
        match extension.parsed_extension() {
            ParsedExtension::KeyUsage(usage) => found.key_usage = Some(usage.flags),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let mut usages: Vec<_> = usage.other.iter().map(|other| other.to_id_string()).collect();
                if usage.client_auth {
                    usages.push(oid::CLIENT_AUTH.to_owned());
                }
                found.extended_key_usage = Some(usages);
            }
            ParsedExtension::BasicConstraints(constraints) => found.is_ca = Some(constraints.ca),
            ParsedExtension::CertificatePolicies(policies) => {
                found.policies = policies.iter().map(|policy| policy.policy_id.to_id_string()).collect();
            }
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                found.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::SubjectKeyIdentifier(id) => found.subject_key_id = Some(id.0.to_vec()),
            ParsedExtension::ParseError { .. } => return Err(CertificateError::Malformed),
            _ if id == oid::ADMISSION => {
                found.professions = admission::professions(extension.value).ok_or(CertificateError::Malformed)?;
            }
            _ => {}
        }
        seen.push(id);
    }
    found.critical.sort();
    Ok(found)
}

/// The Admission extension (Common PKI 2.0, part 1, table 29b), of which only the professionOIDs are read.
mod admission {
    use x509_parser::der_parser::asn1_rs::{Any, Class, FromDer as _, Oid, Tag};

    /// The professionOIDs of all ProfessionInfos. `None` when the value is not the structure of the specification.
    pub(super) fn professions(value: &[u8]) -> Option<Vec<String>> {
        let mut found = Vec::new();
        let [syntax] = elements(value)?.try_into().ok()?;
        // AdmissionSyntax: an optional authority, then contentsOfAdmissions.
        for admissions in sequences(sequences(sequence(&syntax)?)?.last()?.data)? {
            // Admissions: optional authorities in context tags, then professionInfos.
            for info in sequences(sequences(admissions.data)?.last()?.data)? {
                // ProfessionInfo: an optional authority in a context tag, professionItems, professionOIDs.
                if let [_items, oids] = sequences(info.data)?.as_slice() {
                    for oid in elements(oids.data)? {
                        found.push(Oid::try_from(oid).ok()?.to_id_string());
                    }
                }
            }
        }
        Some(found)
    }

    fn sequence<'a>(element: &Any<'a>) -> Option<&'a [u8]> {
        (element.class() == Class::Universal && element.tag() == Tag::Sequence).then_some(element.data)
    }

    fn sequences(bytes: &[u8]) -> Option<Vec<Any<'_>>> {
        Some(elements(bytes)?.into_iter().filter(|element| sequence(element).is_some()).collect())
    }

    fn elements(mut bytes: &[u8]) -> Option<Vec<Any<'_>>> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let (rest, element) = Any::from_der(bytes).ok()?;
            found.push(element);
            bytes = rest;
        }
        Some(found)
    }
}
