//! Trust lists that OpenSSL signs: ours, and those of strangers.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    dead_code,
    unreachable_pub,
    missing_debug_implementations
)]

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kartenbund::pki::{Issuer, TestAnchors};
use kartenbund::server::{Settings, TrustListSettings};
use kartenbund::virtual_card::personalise::MUSTERKASSE_IK;
use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use openssl::x509::extension::{AuthorityKeyIdentifier, SubjectKeyIdentifier};
use openssl::x509::{X509, X509Extension, X509NameBuilder};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::ocsp::tlv;
use super::{ManualClock, NOW, TestDatabase, World, ca};

const CA_PEM: &[u8] = include_bytes!("../../fixtures/pki/test-tsl-ca.pem");
const CA_KEY: &[u8] = include_bytes!("../../fixtures/pki/test-tsl-ca.key.pem");
const SIGNER_PEM: &[u8] = include_bytes!("../../fixtures/pki/test-tsl-signer.pem");
const SIGNER_KEY: &[u8] = include_bytes!("../../fixtures/pki/test-tsl-signer.key.pem");
/// `ecdsa-with-SHA256`.
pub const ECDSA_WITH_SHA256: [u8; 12] = [0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];

/// The CA of the signers of our lists, as whoever trusts it names it.
pub fn tsl_ca() -> Vec<Issuer> {
    Issuer::read_pem(CA_PEM).unwrap()
}

pub fn tsl_ca_pem() -> Vec<u8> {
    CA_PEM.to_vec()
}

/// Who signs lists.
pub struct ListSigner {
    key: PKey<Private>,
    pub der: Vec<u8>,
}

/// What stands in the certificate of a signer, each of which can be wrong.
pub struct Profile {
    /// KeyUsage (DER).
    pub usage: Vec<u8>,
    /// The content of the object identifier in ExtendedKeyUsage.
    pub purpose: Vec<u8>,
    /// The content of the object identifier in CertificatePolicies.
    pub policy: Vec<u8>,
    /// BasicConstraints (DER).
    pub constraints: Vec<u8>,
    pub from: i64,
    pub until: i64,
    pub curve: Nid,
    /// Whether another CA of the same name issues it.
    pub by_stranger: bool,
}

impl ListSigner {
    /// The one of the fixtures.
    pub fn ours() -> Self {
        let key = PKey::private_key_from_pem(SIGNER_KEY).unwrap();
        Self { key, der: X509::from_pem(SIGNER_PEM).unwrap().to_der().unwrap() }
    }

    /// One whose certificate is as `change` makes it.
    pub fn other(change: impl FnOnce(&mut Profile)) -> Self {
        let mut profile = Profile {
            usage: vec![0x03, 0x02, 0x06, 0x40],
            purpose: vec![0x04, 0x00, 0x91, 0x37, 0x03, 0x00],
            policy: vec![0x2A, 0x82, 0x14, 0x00, 0x4C, 0x04, 0x81, 0x30],
            constraints: vec![0x30, 0x00],
            from: NOW.unix_timestamp() - 86_400,
            until: NOW.unix_timestamp() + 366 * 86_400,
            curve: Nid::BRAINPOOL_P256R1,
            by_stranger: false,
        };
        change(&mut profile);
        let ca = X509::from_pem(CA_PEM).unwrap();
        let ca_key = if profile.by_stranger {
            new_key(Nid::BRAINPOOL_P256R1)
        } else {
            PKey::private_key_from_pem(CA_KEY).unwrap()
        };
        let key = new_key(profile.curve);
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", "TSL Signing Unit 2 TEST-ONLY").unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&name.build()).unwrap();
        builder.set_issuer_name(ca.subject_name()).unwrap();
        builder.set_not_before(&Asn1Time::from_unix(profile.from).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_unix(profile.until).unwrap()).unwrap();
        builder.set_pubkey(&key).unwrap();
        let mut add = |oid: &str, critical: bool, der: &[u8]| {
            let (oid, der) = (Asn1Object::from_str(oid).unwrap(), Asn1OctetString::new_from_bytes(der).unwrap());
            builder.append_extension(X509Extension::new_from_der(&oid, critical, &der).unwrap()).unwrap();
        };
        add("2.5.29.19", true, &profile.constraints);
        add("2.5.29.15", true, &profile.usage);
        add("2.5.29.37", false, &tlv(0x30, &[&tlv(0x06, &[&profile.purpose])]));
        add("2.5.29.32", false, &tlv(0x30, &[&tlv(0x30, &[&tlv(0x06, &[&profile.policy])])]));
        let context = builder.x509v3_context(Some(&ca), None);
        let own = SubjectKeyIdentifier::new().build(&context).unwrap();
        let issuer = AuthorityKeyIdentifier::new().keyid(true).build(&context).unwrap();
        builder.append_extension(own).unwrap();
        builder.append_extension(issuer).unwrap();
        builder.sign(&ca_key, MessageDigest::sha256()).unwrap();
        Self { der: builder.build().to_der().unwrap(), key }
    }

    /// The detached signature of these bytes.
    pub fn sign(&self, list: &[u8]) -> Vec<u8> {
        let signature = Signer::new(MessageDigest::sha256(), &self.key).unwrap().sign_oneshot_to_vec(list).unwrap();
        tlv(0x30, &[&ECDSA_WITH_SHA256, &signature, &self.der])
    }
}

fn new_key(curve: Nid) -> PKey<Private> {
    PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()).unwrap()
}

/// A service in a list.
#[derive(Clone)]
pub struct Entry {
    pub kind: &'static str,
    pub status: &'static str,
    pub since: i64,
    pub der: Vec<u8>,
    pub extension: &'static str,
    pub supply_point: String,
}

impl Entry {
    /// A CA that issues certificates C.CH.AUT.
    pub fn ca(der: &[u8]) -> Self {
        Self {
            kind: "CA/PKC",
            status: "inaccord",
            since: NOW.unix_timestamp() - 400 * 86_400,
            der: der.to_vec(),
            extension: "1.2.276.0.76.4.70",
            supply_point: "http://ocsp.kartenbund.invalid/".to_owned(),
        }
    }

    pub fn responder(der: &[u8]) -> Self {
        Self { kind: "Certstatus/OCSP", extension: "1.2.276.0.76.4.124", ..Self::ca(der) }
    }
}

/// A list, in the form of gematik's.
#[derive(Clone)]
pub struct List {
    pub sequence: u64,
    pub next_update: i64,
    pub entries: Vec<Entry>,
}

impl List {
    /// One of now with our CA of cards.
    pub fn ours() -> Self {
        let next_update = NOW.unix_timestamp() + 30 * 86_400;
        Self { sequence: 42, next_update, entries: vec![Entry::ca(ca().certificate_der())] }
    }

    pub fn xml(&self) -> String {
        let entries: String = self.entries.iter().map(Entry::xml).collect();
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#" Id="ID1"><SchemeInformation><TSLVersionIdentifier>3</TSLVersionIdentifier><TSLSequenceNumber>{}</TSLSequenceNumber><SchemeName><Name xml:lang="DE">TEST-ONLY Liste &amp; mehr</Name></SchemeName><NextUpdate><dateTime>{}</dateTime></NextUpdate></SchemeInformation><TrustServiceProviderList><TrustServiceProvider><TSPServices>{entries}</TSPServices></TrustServiceProvider></TrustServiceProviderList></TrustServiceStatusList>"#,
            self.sequence,
            moment(self.next_update),
        )
    }
}

impl Entry {
    fn xml(&self) -> String {
        let Self { kind, status, since, der, extension, supply_point } = self;
        let (since, der) = (moment(*since), BASE64_STANDARD.encode(der));
        format!(
            r#"<TSPService><ServiceInformation><ServiceTypeIdentifier>http://uri.etsi.org/TrstSvc/Svctype/{kind}</ServiceTypeIdentifier><ServiceName><Name xml:lang="DE">CN=A,O=B</Name></ServiceName><ServiceDigitalIdentity><DigitalId><X509Certificate>{der}</X509Certificate></DigitalId></ServiceDigitalIdentity><ServiceStatus>http://uri.etsi.org/TrstSvc/Svcstatus/{status}</ServiceStatus><StatusStartingTime>{since}</StatusStartingTime><ServiceSupplyPoints><ServiceSupplyPoint>{supply_point}</ServiceSupplyPoint></ServiceSupplyPoints><ServiceInformationExtensions><Extension Critical="false">
	<ns:ExtensionOID xmlns:ns="http://uri.etsi.org/02231/v2#"> {extension}
	</ns:ExtensionOID></Extension></ServiceInformationExtensions></ServiceInformation></TSPService>"#
        )
    }
}

fn moment(at: i64) -> String {
    OffsetDateTime::from_unix_timestamp(at).unwrap().format(&Rfc3339).unwrap()
}

/// The folder in which an operator keeps the list.
pub struct ListFolder(tempfile::TempDir);

impl ListFolder {
    /// With this list, signed by our signer.
    pub fn with(list: &List) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.put(list);
        folder
    }

    pub fn put(&self, list: &List) {
        let xml = list.xml().into_bytes();
        self.write(&xml, &ListSigner::ours().sign(&xml));
    }

    pub fn write(&self, list: &[u8], signature: &[u8]) {
        std::fs::write(self.signature(), signature).unwrap();
        std::fs::write(self.list(), list).unwrap();
    }

    pub fn list(&self) -> PathBuf {
        self.0.path().join("TSL.xml")
    }

    pub fn signature(&self) -> PathBuf {
        self.0.path().join("TSL.sig")
    }

    /// A service for test cards that takes the CAs of the list, and has pinned none.
    pub fn set(&self, settings: &mut Settings) {
        settings.payer_iks = vec![MUSTERKASSE_IK.parse().unwrap()];
        settings.anchors = Box::new(TestAnchors::default());
        settings.trust_list = Some(TrustListSettings {
            list: self.list(),
            signature: self.signature(),
            signers: tsl_ca(),
            ask_responders: false,
        });
    }
}

impl World {
    /// A service that has pinned no CA of cards, and takes those of a list.
    pub fn with_list(folder: &ListFolder) -> Self {
        Self::with_list_and(folder, |_| ())
    }

    pub fn with_list_and(folder: &ListFolder, change: impl FnOnce(&mut Settings)) -> Self {
        let (at, database) = (tempfile::tempdir().unwrap(), TestDatabase::new());
        Self::configured(at, database, ManualClock::at(NOW), |settings| {
            folder.set(settings);
            change(settings);
        })
    }
}
