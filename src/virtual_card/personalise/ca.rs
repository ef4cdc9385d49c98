//! The test CA, and the certificates it makes (gemSpec_PKI, 5.1: C.CH.AUT).

use std::fmt;
use std::time::SystemTime;

use bp256::BrainpoolP256r1;
use bp256::pkcs8::DecodePrivateKey as _;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc4519;
use der::asn1::{Any, Ia5String, OctetString, PrintableStringRef, Utf8StringRef};
use der::pem::{self, LineEnding, PemLabel as _};
use der::{Decode as _, Encode as _};
use ecdsa::SigningKey;
use ecdsa::elliptic_curve::Generate as _;
use rand_core::CryptoRng;
use rsa::pkcs1v15;
use rsa::sha2::Sha256;
use time::{Duration, OffsetDateTime};
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{self, Builder as _, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::ext::pkix::certpolicy::PolicyInformation;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies,
    KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension as _};
use x509_cert::name::{Name, RdnSequence};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{EncodePublicKey, SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};
use zeroize::Zeroizing;

use super::data::payer_ik;
use super::{Blueprint, CertificateType, PersonaliseError};

/// The CA of the project's own cards, made by `fixtures/make-test-ca.sh`. Its key is published.
const CERTIFICATE: &str = include_str!("../../../fixtures/pki/test-egk-ca.pem");
const PRIVATE_KEY: &str = include_str!("../../../fixtures/pki/test-egk-ca.key.pem");

/// The same for old cards, with RSA.
const RSA_CERTIFICATE: &str = include_str!("../../../fixtures/pki/test-egk-rsa-ca.pem");
const RSA_PRIVATE_KEY: &str = include_str!("../../../fixtures/pki/test-egk-rsa-ca.key.pem");

/// `gem_or_cp`: the certificate policy of the telematics infrastructure.
const GEM_OR_CP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.276.0.76.4.163");
const EGK_AUT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.276.0.76.4.70");
const EGK_AUTN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.276.0.76.4.71");
/// Admission (Common PKI 2.0, part 1): `Versicherte/-r`, 1.2.276.0.76.4.49. The same on every health card.
const ADMISSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.36.8.3.3");
const ADMISSION_VERSICHERTER: [u8; 39] =
    *b"\x30\x25\x30\x23\x30\x21\x30\x1f\x30\x1d\x30\x10\x0c\x0eVersicherte/-r\x30\x09\x06\x07\x2a\x82\x14\x00\x4c\x04\x31";
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// Where nobody answers: `.invalid` is reserved (RFC 2606).
const OCSP_RESPONDER: &str = "http://ocsp.kartenbund.invalid/";
/// Longest text in a name (gemSpec_PKI, 5.1).
const MAX_NAME: usize = 64;

/// A CA for fictional cards.
pub struct TestCa {
    key: CaKey,
    name: Name,
    der: Vec<u8>,
}

/// How a CA signs: ECDSA with SHA-256, or RSASSA-PKCS1-v1_5 with SHA-256, as those of old cards do.
enum CaKey {
    E256(SigningKey<BrainpoolP256r1>),
    Rsa(pkcs1v15::SigningKey<Sha256>),
}

impl TestCa {
    /// The project's own CA, which is compiled in. Everybody has its key.
    ///
    /// # Errors
    /// [`PersonaliseError::Ca`] when the files it was compiled from are damaged.
    pub fn built_in() -> Result<Self, PersonaliseError> {
        let key = bp256::r1::SecretKey::from_pkcs8_der(&der_of(PRIVATE_KEY)?).map_err(|_| PersonaliseError::Ca)?;
        Self::with(CaKey::E256(key.into()), CERTIFICATE)
    }

    /// The project's own CA for cards of generation 2, which signs with RSA. Everybody has its key, too.
    ///
    /// # Errors
    /// As for [`built_in`](Self::built_in).
    pub fn built_in_rsa() -> Result<Self, PersonaliseError> {
        let key = rsa::PrivateKey::from_pkcs8_der(&der_of(RSA_PRIVATE_KEY)?).map_err(|_| PersonaliseError::Ca)?;
        Self::with(CaKey::Rsa(pkcs1v15::SigningKey::new(key)), RSA_CERTIFICATE)
    }

    fn with(key: CaKey, certificate: &str) -> Result<Self, PersonaliseError> {
        let der = der_of(certificate)?;
        let certificate = Certificate::from_der(&der).map_err(|_| PersonaliseError::Ca)?;
        Ok(Self { key, name: certificate.tbs_certificate().subject().clone(), der: der.to_vec() })
    }

    /// A new CA that nobody knows, valid from `now` for ten years.
    ///
    /// # Errors
    /// `common_name` is empty or longer than 64 characters.
    pub fn generate(rng: &mut dyn CryptoRng, common_name: &str, now: OffsetDateTime) -> Result<Self, PersonaliseError> {
        let key = new_key(rng);
        let unit = "Elektronische Gesundheitskarte-CA der Telematikinfrastruktur";
        let name = name(&[(rfc4519::O, "Kartenbund NOT-VALID"), (rfc4519::OU, unit), (rfc4519::CN, common_name)])?;
        let profile = Profile { issuer: name.clone(), subject: name.clone(), kind: Kind::Ca };
        let validity = (now, now + Duration::days(3652));
        let public_key = *key.verifying_key();
        let key = CaKey::E256(key);
        let der = profile.certify(&public_key, validity, &key, rng)?;
        Ok(Self { key, name, der })
    }

    /// The CA's own certificate (DER).
    pub fn certificate_der(&self) -> &[u8] {
        &self.der
    }

    /// The CA's own certificate (PEM).
    ///
    /// # Errors
    /// The certificate is too long to be encoded.
    pub fn certificate_pem(&self) -> Result<String, PersonaliseError> {
        pem::encode_string(Certificate::PEM_LABEL, LineEnding::LF, &self.der).map_err(|_| PersonaliseError::Ca)
    }

    /// Makes C.CH.AUT for `public_key` (DER). Its subject: C, O, OU with the insurer's number, OU with the insurance
    /// number, SN, GN, CN.
    pub(super) fn certify(
        &self,
        blueprint: &Blueprint,
        public_key: &impl EncodePublicKey,
        validity: (OffsetDateTime, OffsetDateTime),
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, PersonaliseError> {
        let additions = [blueprint.name_suffix.as_deref(), blueprint.name_prefix.as_deref()];
        let mut given_name = blueprint.given_name.clone();
        for addition in additions.into_iter().flatten() {
            given_name = format!("{given_name} {addition}");
        }
        const TEST_ONLY: &str = " TEST-ONLY";
        let full_name = format!("{given_name} {}", blueprint.family_name);
        let common_name: String = full_name.chars().take(MAX_NAME - TEST_ONLY.len()).chain(TEST_ONLY.chars()).collect();
        let mut units = [payer_ik(blueprint), blueprint.kvnr.as_str()];
        if blueprint.units_swapped {
            units.reverse();
        }
        let [first, second] = units;
        let subject = name(&[
            (rfc4519::O, &blueprint.payer_name),
            (rfc4519::OU, first),
            (rfc4519::OU, second),
            (rfc4519::SN, &blueprint.family_name),
            (rfc4519::GIVEN_NAME, &given_name),
            (rfc4519::CN, &common_name),
        ])?;
        let certificate_type = match blueprint.certificate_type {
            CertificateType::Aut => EGK_AUT,
            CertificateType::Autn => EGK_AUTN,
        };
        let profile = Profile { issuer: self.name.clone(), subject, kind: Kind::Card(certificate_type) };
        profile.certify(public_key, validity, &self.key, rng)
    }
}

impl fmt::Debug for TestCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestCa({})", self.name)
    }
}

fn der_of(pem: &str) -> Result<Zeroizing<Vec<u8>>, PersonaliseError> {
    pem::decode_vec(pem.as_bytes()).map(|(_, der)| Zeroizing::new(der)).map_err(|_| PersonaliseError::Ca)
}

/// A new RSA key of 2048 bits.
pub(super) fn new_rsa_key(rng: &mut dyn CryptoRng) -> Result<rsa::PrivateKey, PersonaliseError> {
    rsa::PrivateKey::new(rng, 2048).map_err(|_| PersonaliseError::RsaKey)
}

/// A new key on brainpoolP256r1.
pub(super) fn new_key(rng: &mut dyn CryptoRng) -> SigningKey<BrainpoolP256r1> {
    SigningKey::generate_from_rng(rng)
}

/// A name of `C=DE` and these attributes, in this order.
fn name(attributes: &[(ObjectIdentifier, &str)]) -> Result<Name, PersonaliseError> {
    let country = AttributeTypeAndValue { oid: rfc4519::C, value: Any::from(PrintableStringRef::new("DE")?) };
    let mut sequence = RdnSequence::default();
    sequence.push(vec![country].try_into()?);
    for (oid, text) in attributes {
        if text.trim().is_empty() || text.chars().count() > MAX_NAME {
            return Err(PersonaliseError::Text("a name in the certificate"));
        }
        let attribute = AttributeTypeAndValue { oid: *oid, value: Any::from(Utf8StringRef::new(text)?) };
        sequence.push(vec![attribute].try_into()?);
    }
    Ok(Name::from_der(&sequence.to_der()?)?)
}

/// What a certificate says, but for its key.
struct Profile {
    issuer: Name,
    subject: Name,
    kind: Kind,
}

/// Whose certificate it is.
enum Kind {
    Ca,
    /// A card's, of the type with this policy.
    Card(ObjectIdentifier),
}

impl Profile {
    fn certify(
        self,
        public_key: &impl EncodePublicKey,
        (from, until): (OffsetDateTime, OffsetDateTime),
        issuer_key: &CaKey,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, PersonaliseError> {
        // 63 bits: positive, and as short as on real cards.
        let serial = SerialNumber::new(&(rng.next_u64() >> 1).to_be_bytes())?;
        let validity = Validity::new(time(from)?, time(until)?);
        let public_key = SubjectPublicKeyInfo::from_key(public_key).map_err(builder::Error::from)?;
        let builder = CertificateBuilder::new(self, serial, validity, public_key)?;
        let certificate = match issuer_key {
            CaKey::E256(key) => builder.build::<_, ecdsa::der::Signature<BrainpoolP256r1>>(key)?,
            CaKey::Rsa(key) => builder.build::<_, pkcs1v15::Signature>(key)?,
        };
        Ok(certificate.to_der()?)
    }
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        public_key: SubjectPublicKeyInfoRef<'_>,
        issuer_public_key: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let subject = tbs.subject();
        let key_id = (false, &SubjectKeyIdentifier::try_from(public_key)?).to_extension(subject, &[])?;
        let Kind::Card(certificate_type) = self.kind else {
            let usage = KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign);
            let constraints = BasicConstraints { ca: true, path_len_constraint: None };
            return Ok(vec![
                (true, &usage).to_extension(subject, &[])?,
                key_id,
                (true, &constraints).to_extension(subject, &[])?,
            ]);
        };
        let policy = |policy_identifier| PolicyInformation { policy_identifier, policy_qualifiers: None };
        let responder = AccessDescription {
            access_method: OCSP,
            access_location: GeneralName::UniformResourceIdentifier(Ia5String::new(OCSP_RESPONDER)?),
        };
        let constraints = BasicConstraints { ca: false, path_len_constraint: None };
        Ok(vec![
            (true, &KeyUsage(KeyUsages::DigitalSignature.into())).to_extension(subject, &[])?,
            (false, &AuthorityKeyIdentifier::try_from(issuer_public_key)?).to_extension(subject, &[])?,
            (false, &CertificatePolicies(vec![policy(GEM_OR_CP), policy(certificate_type)]))
                .to_extension(subject, &[])?,
            key_id,
            (false, &AuthorityInfoAccessSyntax(vec![responder])).to_extension(subject, &[])?,
            Extension { extn_id: ADMISSION, critical: false, extn_value: OctetString::new(ADMISSION_VERSICHERTER)? },
            (true, &constraints).to_extension(subject, &[])?,
        ])
    }
}

fn time(time: OffsetDateTime) -> Result<Time, PersonaliseError> {
    Ok(Time::try_from(SystemTime::from(time))?)
}
