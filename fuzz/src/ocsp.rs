//! Answers of an OCSP responder: nothing is believed that it has not signed, and a card counts as not revoked only where it
//! says so of this card.

use std::sync::LazyLock;

use kartenbund::pki::ocsp::{MAX_ANSWER, Responder, Status, check, request};
use kartenbund::pki::{TestAnchors, VerifiedCertificate, verify};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::signer::{self, contains, element};
use super::{seeds, tlv};

/// The bytes are a whole answer.
const ANSWER: u8 = 0;
/// The bytes are what the responder signs: what is in ResponseData.
const SIGNED: u8 = 1;

/// Erika's certificate, who answers about it, when, and what names it (CertID).
struct Asked {
    certificate: VerifiedCertificate,
    responders: [Responder; 1],
    at: OffsetDateTime,
    cert_id: Vec<u8>,
}

static ASKED: LazyLock<Asked> = LazyLock::new(|| {
    let mut anchors = TestAnchors::default();
    anchors.add_pem(seeds::CA_PEM).expect("the fixture is a CA");
    let der = seeds::card_files().remove(0).certificate.der().to_vec();
    let at = kartenbund::identity::certificate::Certificate::parse(&der).expect("a certificate").not_before;
    let certificate = verify(&der, &anchors, at).expect("it is trusted");
    let responders = [Responder::from_der(&signer::certificate()).expect("a certificate")];
    // OCSPRequest { TBSRequest { requestList { Request { CertID } } } }
    let request = request(&certificate).expect("a request");
    let mut cert_id = request.as_slice();
    for _ in 0..4 {
        cert_id = tlv::object(cert_id).expect("a sequence").value;
    }
    let cert_id = cert_id.to_vec();
    Asked { certificate, responders, at, cert_id }
});

pub fn body(bytes: &[u8]) {
    let Some((mode, bytes)) = bytes.split_first() else { return };
    let Asked { certificate, responders, at, cert_id } = &*ASKED;
    let is_signed = mode % 2 == SIGNED;
    let answer = if is_signed { answer(bytes) } else { bytes.to_vec() };
    let Ok(status) = check(&answer, certificate, responders, true, *at) else { return };
    assert!(answer.len() <= MAX_ANSWER, "bounded");
    // Of what it has signed nothing else is known here than the honest answers.
    let honest = || all().iter().any(|data| contains(&answer, &element(0x30, &[data])));
    assert!(is_signed || honest(), "nobody signed this");
    assert!(contains(&answer, cert_id), "it is about this certificate");
    if let Status::Good(proof) = status {
        assert!(proof.is_about(certificate) && proof.answer() == answer);
        assert!(contains(&answer, &Sha256::digest(&certificate.certificate().der)), "the responder knows it");
    }
}

/// What the responder says, signed.
fn answer(data: &[u8]) -> Vec<u8> {
    let data = element(0x30, &[data]);
    let signature = element(0x03, &[&[0], &signer::sign(&data)]);
    let basic = element(0x30, &[&data, &signer::ALGORITHM, &signature]);
    let kind = [0x06, 0x09, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
    let bytes = element(0x30, &[&kind, &element(0x04, &[&basic])]);
    element(0x30, &[&[0x0A, 1, 0], &element(0xA0, &[&bytes])])
}

/// ResponseData of a card that is not revoked.
fn good() -> Vec<u8> {
    let algorithm = [0x30, 0x0B, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    let hash = Sha256::digest(&ASKED.certificate.certificate().der);
    let hash = element(0x30, &[&algorithm, &element(0x04, &[&hash])]);
    let extension = element(0x30, &[&[0x06, 0x05, 0x2B, 0x24, 0x08, 0x03, 0x0D], &element(0x04, &[&hash])]);
    data(&[0x80, 0], &element(0xA1, &[&element(0x30, &[&extension])]))
}

/// Everything that the responder has said: not revoked, unknown, revoked.
fn all() -> [Vec<u8>; 3] {
    [good(), data(&[0x82, 0], &[]), data(&element(0xA1, &[&[0x18, 0]]), &[])]
}

fn data(status: &[u8], more: &[u8]) -> Vec<u8> {
    let format = time::macros::format_description!("[year][month][day][hour][minute][second]Z");
    let now = ASKED.at.format(format).expect("a time");
    let now = element(0x18, &[now.as_bytes()]);
    let single = element(0x30, &[&ASKED.cert_id, status, &now, &element(0xA0, &[&now]), more]);
    [element(0xA1, &[&[0x30, 0]]), now, element(0x30, &[&single])].concat()
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let with = |mode: u8, bytes: &[u8]| [&[mode], bytes].concat();
    all().iter().flat_map(|data| [with(SIGNED, data), with(ANSWER, &answer(data))]).collect()
}
