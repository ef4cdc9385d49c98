//! Roots of card-verifiable certificates that are trusted because the operator named them, and those which such roots
//! vouch for. Those of production and those of test environments are different types.

use std::fmt::Debug;

use thiserror::Error;
use time::Date;

use super::chain::{CvcError, Signer};
use super::{AuthorityName, Cvc, NotACvc, Objects};

/// How test roots of gematik (`DEGXX`), and ours (`DEKXX`), end their five characters.
const TEST_MARK: &str = "XX";
/// brainpoolP256r1, 1.3.36.3.3.2.8.1.1.7: the curve of a trust anchor's key.
const BRAINPOOL_P256_R1: &[u8] = &[0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07];

/// Why something cannot be a root.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CvcRootError {
    /// Its certificate is none of a root, or no root that is trusted already has signed it.
    #[error("the certificate is not one of a root that is trusted")]
    Certificate(#[source] CvcError),
    /// A test root was given where a production one is needed.
    #[error("the certificate is one of a test root")]
    TestRoot,
}

impl From<NotACvc> for CvcRootError {
    fn from(error: NotACvc) -> Self {
        Self::Certificate(error.into())
    }
}

/// A trusted root.
#[derive(Clone, Debug)]
pub struct CvcRoot {
    pub(super) signer: Signer,
    /// First and last day on which it is trusted.
    pub(super) effective: Date,
    pub(super) expires: Date,
}

impl CvcRoot {
    /// Its name.
    pub fn name(&self) -> AuthorityName {
        self.signer.name
    }
}

impl AuthorityName {
    /// Whether it is the name of a test environment.
    pub fn is_test(&self) -> bool {
        self.text().ends_with(TEST_MARK)
    }
}

/// A set of trusted roots.
pub trait CvcRoots: Debug + Send + Sync {
    /// The roots.
    fn roots(&self) -> &[CvcRoot];
}

/// Roots of real cards. A test root cannot get in.
#[derive(Debug, Default)]
pub struct ProductionCvcRoots(Vec<CvcRoot>);

/// Roots of test cards, and any other a test needs.
#[derive(Debug, Default)]
pub struct TestCvcRoots(Vec<CvcRoot>);

impl ProductionCvcRoots {
    /// Adds a root: a certificate signed by itself is trusted because it was named; one signed by another root (cross
    /// certificate) when that root is here already, and no longer than it.
    ///
    /// # Errors
    /// [`CvcRootError`]; nothing is added then.
    pub fn add_certificate(&mut self, bytes: &[u8]) -> Result<(), CvcRootError> {
        self.0.push(production(from_certificate(&self.0, bytes)?)?);
        Ok(())
    }

    /// Adds a trust anchor: the public key of the root `name`, as object `7F49`.
    ///
    /// # Errors
    /// [`CvcRootError`]; nothing is added then.
    pub fn add_key(&mut self, name: AuthorityName, bytes: &[u8]) -> Result<(), CvcRootError> {
        self.0.push(production(from_key(name, bytes)?)?);
        Ok(())
    }
}

impl TestCvcRoots {
    /// As [`ProductionCvcRoots::add_certificate`], also for test roots.
    ///
    /// # Errors
    /// [`CvcRootError`]; nothing is added then.
    pub fn add_certificate(&mut self, bytes: &[u8]) -> Result<(), CvcRootError> {
        self.0.push(from_certificate(&self.0, bytes)?);
        Ok(())
    }

    /// As [`ProductionCvcRoots::add_key`], also for test roots.
    ///
    /// # Errors
    /// [`CvcRootError`]; nothing is added then.
    pub fn add_key(&mut self, name: AuthorityName, bytes: &[u8]) -> Result<(), CvcRootError> {
        self.0.push(from_key(name, bytes)?);
        Ok(())
    }
}

impl CvcRoots for ProductionCvcRoots {
    fn roots(&self) -> &[CvcRoot] {
        &self.0
    }
}

impl CvcRoots for TestCvcRoots {
    fn roots(&self) -> &[CvcRoot] {
        &self.0
    }
}

fn production(root: CvcRoot) -> Result<CvcRoot, CvcRootError> {
    if root.name().is_test() { Err(CvcRootError::TestRoot) } else { Ok(root) }
}

fn from_certificate(roots: &[CvcRoot], bytes: &[u8]) -> Result<CvcRoot, CvcRootError> {
    let cvc = Cvc::parse(bytes)?;
    let signer = Signer::root(&cvc).map_err(CvcRootError::Certificate)?;
    if cvc.issuer == signer.name {
        let own = signer.signed(&cvc).then_some(CvcRoot { signer, effective: cvc.effective, expires: cvc.expires });
        return own.ok_or(CvcRootError::Certificate(CvcError::Signature));
    }
    let mut of_that_name = roots.iter().filter(|root| root.name() == cvc.issuer).peekable();
    of_that_name.peek().ok_or(CvcRootError::Certificate(CvcError::UnknownIssuer))?;
    let issuer = of_that_name.find(|root| root.signer.signed(&cvc));
    let issuer = issuer.ok_or(CvcRootError::Certificate(CvcError::Signature))?;
    Ok(CvcRoot { signer, effective: cvc.effective.max(issuer.effective), expires: cvc.expires.min(issuer.expires) })
}

fn from_key(name: AuthorityName, bytes: &[u8]) -> Result<CvcRoot, CvcRootError> {
    let mut file = Objects(bytes);
    let mut key = Objects(file.value(&[0x7F, 0x49])?);
    file.end()?;
    let (curve, point) = (key.value(&[0x06])?, key.value(&[0x86])?);
    key.end()?;
    if curve != BRAINPOOL_P256_R1 {
        return Err(CvcRootError::Certificate(CvcError::Key));
    }
    let signer = Signer::new(name, point).map_err(CvcRootError::Certificate)?;
    // A key has no dates of its own.
    Ok(CvcRoot { signer, effective: Date::MIN, expires: Date::MAX })
}
