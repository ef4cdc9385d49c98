//! Trust lists and their signatures: no list is believed that its signer has not signed, and what is read of one stands in it.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kartenbund::pki::Issuer;
use kartenbund::pki::trust_list::{MAX_LIST, TrustList};
use time::OffsetDateTime;
use time::macros::datetime;

use super::seeds;
use super::signer::{self, contains, element};

const CA: &[u8] = include_bytes!("../../fixtures/pki/test-tsl-ca.pem");
const NOW: OffsetDateTime = datetime!(2026-11-23 15:00 UTC);
/// The bytes are a list, which the signer signs.
const SIGNED: u8 = 0;
/// The bytes are a list beside the signature of another one.
const LIST: u8 = 1;
/// The bytes are the signature of the honest list.
const SIGNATURE: u8 = 2;

static SIGNERS: LazyLock<Vec<Issuer>> = LazyLock::new(|| Issuer::read_pem(CA).expect("the fixture is a CA"));
static HONEST: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let list = honest().into_bytes();
    let signature = signature(&list);
    (list, signature)
});

pub fn body(bytes: &[u8]) {
    let Some((mode, bytes)) = bytes.split_first() else { return };
    let (list, signature_of_list) = &*HONEST;
    match mode % 3 {
        SIGNED => {
            let Ok(read) = TrustList::verify(bytes, &signature(bytes), &SIGNERS, NOW) else { return };
            assert!(bytes.len() <= MAX_LIST && read.received().list() == bytes);
            let text: String = std::str::from_utf8(bytes).expect("text").split_ascii_whitespace().collect();
            let certificates =
                read.issuers().iter().map(Issuer::der).chain(read.responders().iter().map(|it| it.der()));
            for der in certificates {
                assert!(text.contains('&') || text.contains(&STANDARD.encode(der)), "it stands in the list");
            }
            assert!(read.issuers().len() <= text.matches("1.2.276.0.76.4.70").count() || text.contains('&'));
        }
        LIST => {
            let read = TrustList::verify(bytes, signature_of_list, &SIGNERS, NOW);
            assert!(read.is_err() || bytes == list, "nobody signed this");
        }
        _ => {
            // The signer may sign a list in many ways; nobody else does.
            let read = TrustList::verify(list, bytes, &SIGNERS, NOW);
            assert!(read.is_err() || contains(bytes, &signer::certificate()), "nobody signed it so");
        }
    }
}

/// The detached signature of a list.
fn signature(list: &[u8]) -> Vec<u8> {
    element(0x30, &[&signer::ALGORITHM, &signer::sign(list), &signer::certificate()])
}

/// A small list in the form of gematik's: a CA, a responder, a CA that was revoked, and what is not read.
fn honest() -> String {
    let ca: String =
        std::str::from_utf8(seeds::CA_PEM).expect("PEM").lines().filter(|line| !line.contains('-')).collect();
    let responder = STANDARD.encode(signer::certificate());
    let services = [
        ("CA/PKC", "inaccord", &ca, "1.2.276.0.76.4.70"),
        ("Certstatus/OCSP", "inaccord", &responder, "1.2.276.0.76.4.124"),
        ("CA/PKC", "revoked", &ca, "1.2.276.0.76.4.70"),
        ("CA/PKC", "inaccord", &ca, "1.2.276.0.76.4.71"),
    ];
    let service = |(kind, status, der, oid): (&str, &str, &String, &str)| {
        format!(
            "<TSPService><ServiceInformation><ServiceTypeIdentifier>http://uri.etsi.org/TrstSvc/Svctype/{kind}\
             </ServiceTypeIdentifier><ServiceDigitalIdentity><DigitalId><X509Certificate>{der}</X509Certificate></DigitalId>\
             </ServiceDigitalIdentity><ServiceStatus>http://uri.etsi.org/TrstSvc/Svcstatus/{status}</ServiceStatus>\
             <StatusStartingTime>2026-01-01T00:00:00Z</StatusStartingTime><ServiceSupplyPoints><ServiceSupplyPoint>\
             http://ocsp.kartenbund.invalid/</ServiceSupplyPoint></ServiceSupplyPoints><ServiceInformationExtensions>\
             <Extension Critical=\"false\"><a:ExtensionOID xmlns:a=\"http://uri.etsi.org/02231/v2#\"> {oid} \
             </a:ExtensionOID></Extension></ServiceInformationExtensions></ServiceInformation></TSPService>"
        )
    };
    let services: String = services.map(service).concat();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><TrustServiceStatusList xmlns=\"http://uri.etsi.org/02231/v2#\">\
         <SchemeInformation><TSLSequenceNumber>42</TSLSequenceNumber><NextUpdate><dateTime>2026-12-23T15:00:00Z</dateTime>\
         </NextUpdate></SchemeInformation><TrustServiceProviderList><TrustServiceProvider><TSPServices>{services}\
         </TSPServices></TrustServiceProvider></TrustServiceProviderList></TrustServiceStatusList>"
    )
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let (list, signature) = &*HONEST;
    let read = TrustList::verify(list, signature, &SIGNERS, NOW).expect("the honest list is believed");
    assert_eq!((read.issuers().len(), read.responders().len()), (2, 1), "and read");
    [(SIGNED, list), (LIST, list), (SIGNATURE, signature)]
        .map(|(mode, bytes)| [&[mode], bytes.as_slice()].concat())
        .to_vec()
}
