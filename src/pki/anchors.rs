//! Certificates of eGK CAs that are trusted because the operator pinned them, or because they stand in a trust list. Those of
//! production and those of test environments are different types, so that a production service cannot be talked into test
//! roots.

use std::fmt::Debug;
use std::sync::Arc;

use thiserror::Error;
use time::OffsetDateTime;
use x509_parser::pem::Pem;

use super::ocsp::Responder;
use super::trust_list::{Received, TrustList};
use super::{CardKey, KEY_CERT_SIGN};
use crate::identity::certificate::Certificate;

/// How test CAs of gematik, and ours, mark their names.
const TEST_MARKS: [&str; 2] = ["TEST-ONLY", "NOT-VALID"];

/// Why a certificate cannot be an anchor.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AnchorError {
    /// The file is not PEM, or holds something else than certificates, or nothing.
    #[error("the file holds no certificate in PEM")]
    Pem,
    /// The certificate is not one of a CA, or its key is none that is used for this purpose: brainpoolP256r1 or RSA for
    /// cards; P-256, P-384 or RSA for TPMs.
    #[error("the certificate is not one of a CA for this purpose")]
    NotACa,
    /// The certificate has no key on brainpoolP256r1 or RSA that answers could be signed with.
    #[error("the certificate is not one of an OCSP responder")]
    NotAResponder,
    /// A test CA was given where a production one is needed.
    #[error("the certificate is one of a test CA")]
    TestCa,
}

/// A trusted CA.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub(super) certificate: Certificate,
    pub(super) key: CardKey,
    pub(super) listed: Option<Listed>,
}

/// What a trust list says of a CA in it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub(super) list: Arc<Received>,
    pub(super) next_update: OffsetDateTime,
    /// Since when its service is revoked.
    pub(super) revoked: Option<OffsetDateTime>,
    pub(super) supply_point: Option<String>,
}

impl Listed {
    /// The list.
    pub fn list(&self) -> &Arc<Received> {
        &self.list
    }

    /// Where the OCSP responder for its certificates listens (ServiceSupplyPoint).
    pub fn supply_point(&self) -> Option<&str> {
        self.supply_point.as_deref()
    }
}

impl Issuer {
    /// Reads a CA certificate (DER).
    ///
    /// # Errors
    /// [`AnchorError::NotACa`] when it is none, or its key is none that can be used.
    pub fn from_der(der: &[u8]) -> Result<Self, AnchorError> {
        let certificate = Certificate::parse(der).map_err(|_| AnchorError::NotACa)?;
        let signs = certificate.extensions.key_usage.is_some_and(|usage| usage & KEY_CERT_SIGN != 0);
        let key = CardKey::of(&certificate.public_key).ok_or(AnchorError::NotACa)?;
        let identified = certificate.extensions.subject_key_id.is_some();
        if certificate.extensions.is_ca == Some(true) && signs && identified {
            Ok(Self { certificate, key, listed: None })
        } else {
            Err(AnchorError::NotACa)
        }
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

    /// Its name, for people.
    pub fn name(&self) -> &str {
        &self.certificate.subject.text
    }

    /// Whether it is one of a test environment.
    pub fn is_test(&self) -> bool {
        TEST_MARKS.iter().any(|mark| self.name().contains(mark))
    }
}

/// A set of trusted CAs.
pub trait Anchors: Debug + Send + Sync {
    /// The CAs.
    fn issuers(&self) -> &[Issuer];
    /// The OCSP responders whose answers in evidence are trusted.
    fn responders(&self) -> &[Responder];
    /// Whether cards of test insurers are accepted.
    fn accept_test_cards(&self) -> bool;
    /// These, and the CAs and responders of a list. A CA that stands in both is judged by the list.
    ///
    /// # Errors
    /// [`AnchorError::TestCa`]: a test CA in a list for real cards.
    fn with_list(&self, list: &TrustList) -> Result<Arc<dyn Anchors>, AnchorError>;
}

/// CAs of real health cards. A test CA cannot get in.
#[derive(Clone, Debug, Default)]
pub struct ProductionAnchors(Vec<Issuer>, Vec<Responder>);

/// CAs of test cards, and any other a test needs.
#[derive(Clone, Debug, Default)]
pub struct TestAnchors(Vec<Issuer>, Vec<Responder>);

impl ProductionAnchors {
    /// Adds all certificates of a PEM file.
    ///
    /// # Errors
    /// [`AnchorError`]; nothing is added then.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<(), AnchorError> {
        let issuers = Issuer::read_pem(pem)?;
        if issuers.iter().any(Issuer::is_test) {
            return Err(AnchorError::TestCa);
        }
        self.0.extend(issuers);
        Ok(())
    }

    /// Adds responders.
    pub fn add_responders(&mut self, responders: Vec<Responder>) {
        self.1.extend(responders);
    }
}

impl TestAnchors {
    /// Adds all certificates of a PEM file.
    ///
    /// # Errors
    /// [`AnchorError`]; nothing is added then.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<(), AnchorError> {
        self.0.extend(Issuer::read_pem(pem)?);
        Ok(())
    }

    /// Adds responders.
    pub fn add_responders(&mut self, responders: Vec<Responder>) {
        self.1.extend(responders);
    }

    /// Adds one CA.
    pub fn add(&mut self, issuer: Issuer) {
        self.0.push(issuer);
    }
}

impl Anchors for ProductionAnchors {
    fn issuers(&self) -> &[Issuer] {
        &self.0
    }

    fn responders(&self) -> &[Responder] {
        &self.1
    }

    fn accept_test_cards(&self) -> bool {
        false
    }

    fn with_list(&self, list: &TrustList) -> Result<Arc<dyn Anchors>, AnchorError> {
        if list.issuers().iter().any(Issuer::is_test) {
            return Err(AnchorError::TestCa);
        }
        let Self(issuers, responders) = self;
        Ok(Arc::new(Self(joined(list.issuers(), issuers), joined(responders, list.responders()))))
    }
}

impl Anchors for TestAnchors {
    fn issuers(&self) -> &[Issuer] {
        &self.0
    }

    fn responders(&self) -> &[Responder] {
        &self.1
    }

    fn accept_test_cards(&self) -> bool {
        true
    }

    fn with_list(&self, list: &TrustList) -> Result<Arc<dyn Anchors>, AnchorError> {
        let Self(issuers, responders) = self;
        Ok(Arc::new(Self(joined(list.issuers(), issuers), joined(responders, list.responders()))))
    }
}

fn joined<T: Clone>(first: &[T], then: &[T]) -> Vec<T> {
    first.iter().chain(then).cloned().collect()
}

/// Reads all certificates of a PEM file, of which there must be one at least.
pub(super) fn each_certificate<T>(
    pem: &[u8],
    read: impl Fn(&[u8]) -> Result<T, AnchorError>,
) -> Result<Vec<T>, AnchorError> {
    let mut issuers = Vec::new();
    for block in Pem::iter_from_buffer(pem) {
        let block = block.map_err(|_| AnchorError::Pem)?;
        if block.label != "CERTIFICATE" {
            return Err(AnchorError::Pem);
        }
        issuers.push(read(&block.contents)?);
    }
    if issuers.is_empty() { Err(AnchorError::Pem) } else { Ok(issuers) }
}
