//! Which CAs issue health cards, and who knows which cards are revoked? The trust list of the telematics infrastructure (ETSI
//! TS 102 231; gemSpec_PKI, TUC_PKI_001; codes as `SE_1013` in the comments are those of the specification for the same check).
//!
//! gematik signs each list twice: within the XML, and in a file of its own beside it, over the bytes of the whole list. The
//! second is the one that is looked at here: nothing has to be made canonical, and there is no part of a list that is not
//! signed. **Its form was read in gematik's code, and no such file has been seen here.**
//!
//! [`TrustList::verify`] is the only maker of a [`TrustList`]. Whether its time is over is asked where a certificate rests on
//! it ([`super::verify`]). Whether the certificate of its signer was revoked is not asked.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use roxmltree::Node;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::der;
use super::ocsp::Responder;
use super::{CRITICAL, CardKey, Issuer, Listed, issuer_of};
use crate::identity::certificate::{Certificate, oid};
use crate::identity::xml;
use crate::secret::masked;

/// Longest list read. gematik's test lists have 0.84 MB.
pub const MAX_LIST: usize = 4 * 1024 * 1024;
/// Longest signature read.
pub const MAX_SIGNATURE: usize = 16 * 1024;
/// Most nodes of a list, texts among them, and most declarations of namespaces. gematik's test lists have 7,000 elements,
/// and declare one namespace anew in 1,600 of them.
const MAX_NODES: u32 = 100_000;
const MAX_NAMESPACES: usize = 4_096;

const NAMESPACE: &str = "http://uri.etsi.org/02231/v2#";
const CA: &str = "http://uri.etsi.org/TrstSvc/Svctype/CA/PKC";
const OCSP: &str = "http://uri.etsi.org/TrstSvc/Svctype/Certstatus/OCSP";
const IN_ACCORD: &str = "http://uri.etsi.org/TrstSvc/Svcstatus/inaccord";
const REVOKED: &str = "http://uri.etsi.org/TrstSvc/Svcstatus/revoked";

/// Bit of KeyUsage: nonRepudiation (RFC 5280, 4.2.1.3).
const NON_REPUDIATION: u16 = 1 << 1;
/// `id-tsl-kp-tslSigning` (ETSI TS 102 231, 6.2).
const TSL_SIGNING: &str = "0.4.0.2231.3.0";
/// `oid_tsl_signer`: the certificate type C.TSL.SIG.
const TSL_SIGNER: &str = "1.2.276.0.76.4.176";

/// Why a list is not believed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TrustListError {
    /// Not the detached signature of a list.
    #[error("this is no detached signature of a trust list")]
    SignatureMalformed,
    /// The signer's certificate was issued by nobody whose lists are trusted.
    #[error("the signer of the trust list is not trusted")]
    UnknownSigner,
    /// The signer's certificate is not valid at this time.
    #[error("the certificate of the trust list's signer is not valid")]
    SignerNotValid,
    /// The signer's certificate is not one to sign lists with.
    #[error("the certificate may not be used to sign trust lists")]
    SignerUsage,
    /// The signer did not sign this list.
    #[error("the signature of the trust list is wrong")]
    Signature,
    /// Not a list.
    #[error("this is no trust list")]
    Malformed,
}

/// A list and its signature, byte for byte as they were received.
#[derive(PartialEq, Eq)]
pub struct Received {
    list: Vec<u8>,
    signature: Vec<u8>,
    sha256: [u8; 32],
    sequence: u64,
}

masked!(Received);

impl Received {
    /// The list (XML).
    pub fn list(&self) -> &[u8] {
        &self.list
    }

    /// Its detached signature (DER).
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// SHA-256 of the list.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Its number (TSLSequenceNumber): a newer one has a higher one.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// A list that its signer signed, whom a pinned CA has made one. Only [`TrustList::verify`] makes one.
#[derive(Debug)]
pub struct TrustList {
    received: Arc<Received>,
    next_update: OffsetDateTime,
    issuers: Vec<Issuer>,
    responders: Vec<Responder>,
}

impl TrustList {
    /// Checks the detached signature of a list at the time `at`: by a signer of lists whose certificate one of `signers`, CAs
    /// that were pinned, has issued. Only then the list is read.
    ///
    /// # Errors
    /// [`TrustListError`] names the first check that fails.
    pub fn verify(
        list: &[u8],
        signature: &[u8],
        signers: &[Issuer],
        at: OffsetDateTime,
    ) -> Result<Self, TrustListError> {
        let signed = DetachedSignature::read(signature).ok_or(TrustListError::SignatureMalformed)?;
        // TE_1002 and TUC_PKI_018 with the profile of C.TSL.SIG: who signs.
        let signer = Certificate::parse(signed.signer).map_err(|_| TrustListError::SignatureMalformed)?;
        let issuer = issuer_of(&signer, signers).ok_or(TrustListError::UnknownSigner)?;
        if !issuer.key.signed_certificate(&signer.tbs, &signer.signature_algorithm, &signer.signature) {
            return Err(TrustListError::UnknownSigner);
        }
        if at < signer.not_before || at > signer.not_after {
            return Err(TrustListError::SignerNotValid);
        }
        let extensions = &signer.extensions;
        let usage_fits = extensions.key_usage == Some(NON_REPUDIATION)
            && extensions.extended_key_usage.as_ref().is_some_and(|usages| usages.iter().any(|it| it == TSL_SIGNING))
            && extensions.policies.iter().any(|policy| policy == TSL_SIGNER)
            && extensions.is_ca == Some(false)
            && extensions.critical == CRITICAL;
        if !usage_fits {
            return Err(TrustListError::SignerUsage);
        }
        // SE_1013: these bytes, by the one algorithm of such signatures.
        let key = CardKey::of(&signer.public_key).filter(|key| matches!(key, CardKey::E256(_)));
        let key = key.ok_or(TrustListError::SignerUsage)?;
        if list.len() > MAX_LIST || !key.signed_certificate(list, signed.algorithm, signed.signature) {
            return Err(TrustListError::Signature);
        }
        Self::read(list, signature).ok_or(TrustListError::Malformed)
    }

    /// The list as it was received.
    pub fn received(&self) -> &Arc<Received> {
        &self.received
    }

    /// Its number (TSLSequenceNumber): a newer one has a higher one.
    pub fn sequence(&self) -> u64 {
        self.received.sequence
    }

    /// Until when it is to be relied on (NextUpdate).
    pub fn next_update(&self) -> OffsetDateTime {
        self.next_update
    }

    /// The CAs that issue certificates C.CH.AUT, those whose service was revoked among them.
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// The OCSP responders.
    pub fn responders(&self) -> &[Responder] {
        &self.responders
    }

    /// TE_1011 and TE_1012, as far as is needed: what stands in the list.
    fn read(list: &[u8], signature: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(list).ok()?;
        let document = xml::parse_within(text, MAX_NODES, MAX_NAMESPACES).ok()?;
        let root =
            Some(document.root_element()).filter(|root| root.has_tag_name((NAMESPACE, "TrustServiceStatusList")))?;
        let scheme = only(root, "SchemeInformation")?;
        let sequence = text_of(only(scheme, "TSLSequenceNumber")?)?.parse().ok()?;
        let next_update = moment(only(only(scheme, "NextUpdate")?, "dateTime")?)?;
        let (list, signature, sha256) = (list.to_vec(), signature.to_vec(), Sha256::digest(list).into());
        let received = Arc::new(Received { list, signature, sha256, sequence });
        let (mut issuers, mut responders) = (Vec::new(), Vec::new());
        for provider in children(only(root, "TrustServiceProviderList")?, "TrustServiceProvider") {
            for service in children(only(provider, "TSPServices")?, "TSPService") {
                let service = only(service, "ServiceInformation")?;
                let status = text_of(only(service, "ServiceStatus")?)?;
                match (text_of(only(service, "ServiceTypeIdentifier")?)?, status) {
                    (CA, IN_ACCORD | REVOKED) if issues_health_cards(service) => {
                        let since = moment(only(service, "StatusStartingTime")?)?;
                        let revoked = (status == REVOKED).then_some(since);
                        let supply_point = only(service, "ServiceSupplyPoints")
                            .and_then(|points| children(points, "ServiceSupplyPoint").next())
                            .and_then(text_of)
                            .map(str::to_owned);
                        let listed = Listed { list: Arc::clone(&received), next_update, revoked, supply_point };
                        // A certificate that cannot be used makes no other one worthless.
                        let issuer = certificate(service).and_then(|der| Issuer::from_der(&der).ok());
                        issuers.extend(issuer.map(|issuer| Issuer { listed: Some(listed), ..issuer }));
                    }
                    (OCSP, IN_ACCORD) => {
                        responders.extend(certificate(service).and_then(|der| Responder::from_der(&der).ok()));
                    }
                    _ => {}
                }
            }
        }
        // A CA that stands in it twice is judged by what is worse.
        issuers.sort_by_key(|issuer| issuer.listed.as_ref().map(|listed| (listed.revoked.is_none(), listed.revoked)));
        Some(Self { received, next_update, issuers, responders })
    }
}

/// SEQUENCE { AlgorithmIdentifier, ECDSA-Sig-Value, Certificate }.
struct DetachedSignature<'a> {
    algorithm: &'a [u8],
    signature: &'a [u8],
    signer: &'a [u8],
}

impl<'a> DetachedSignature<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let whole = der::only(bytes).filter(|it| it.tag == der::SEQUENCE && bytes.len() <= MAX_SIGNATURE)?;
        let [algorithm, signature, signer] = der::elements(whole.content)?.try_into().ok()?;
        Some(Self { algorithm: algorithm.raw, signature: signature.raw, signer: signer.raw })
    }
}

/// Whether C.CH.AUT is among the types of certificates that this service issues (SE_1061).
fn issues_health_cards(service: Node<'_, '_>) -> bool {
    only(service, "ServiceInformationExtensions").is_some_and(|extensions| {
        children(extensions, "Extension")
            .filter_map(|extension| text_of(only(extension, "ExtensionOID")?))
            .any(|found| found == oid::EGK_AUT)
    })
}

/// The one certificate of a service (DER).
fn certificate(service: Node<'_, '_>) -> Option<Vec<u8>> {
    let mut identities = children(only(service, "ServiceDigitalIdentity")?, "DigitalId");
    let mut found = identities.by_ref().filter_map(|identity| only(identity, "X509Certificate"));
    let text: String = text_of(found.next()?)?.split_ascii_whitespace().collect();
    if found.next().is_some() {
        return None;
    }
    BASE64_STANDARD.decode(text).ok()
}

fn children<'a, 'b: 'a>(parent: Node<'a, 'b>, name: &'static str) -> impl Iterator<Item = Node<'a, 'b>> {
    parent.children().filter(move |node| node.has_tag_name((NAMESPACE, name)))
}

/// The child of this name, where there is exactly one.
fn only<'a, 'b: 'a>(parent: Node<'a, 'b>, name: &'static str) -> Option<Node<'a, 'b>> {
    let mut found = children(parent, name);
    found.next().filter(|_| found.next().is_none())
}

/// What stands in an element that holds text and nothing else.
fn text_of<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    let mut parts = node.children();
    let text = parts.next()?.text().filter(|_| node.first_child().is_some_and(|child| child.is_text()));
    text.map(str::trim).filter(|_| parts.next().is_none())
}

fn moment(node: Node<'_, '_>) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text_of(node)?, &Rfc3339).ok()
}
