//! Certificates that the right CA signed and that are wrong in one thing. The key of the test CA is published, so anyone
//! can make them; of a real CA nobody can, and a slip of its own is refused all the same.

use base64::Engine as _;
use bp256::pkcs8::DecodePrivateKey as _;
use ecdsa::signature::Signer as _;
use kartenbund::pki::trust_list::TrustList;
use kartenbund::pki::{Anchors, BrainpoolP256r1, Issuer, TestAnchors};

use super::*;

/// Extension identifiers (DER) of KeyUsage, BasicConstraints, ExtendedKeyUsage, CertificatePolicies, SubjectKeyIdentifier.
const KEY_USAGE: &str = "0603551D0F";
const BASIC_CONSTRAINTS: &str = "0603551D13";
const EXTENDED_KEY_USAGE: &str = "0603551D25";
const POLICIES: &str = "0603551D20";
const SUBJECT_KEY_ID: &str = "0603551D0E";
/// DER of `critical TRUE`.
const CRITICAL: &str = "0101FF";
/// The insurer of gematik's test cards for the production environment.
const TEST_PAYER_IK: &str = "109500969";

/// A certificate taken apart. [`Forged::der`] puts it together again and signs it with the key of the test CA.
#[derive(Clone)]
struct Forged {
    /// The fields of tbsCertificate before the extensions, each as DER.
    fields: Vec<Vec<u8>>,
    extensions: Vec<Vec<u8>>,
    /// The algorithm named beside the signature.
    algorithm: Vec<u8>,
    /// Bits of the signature's last byte that are said not to count.
    unused_bits: u8,
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    let head = match length {
        0..=0x7F => vec![tag, low],
        0x80..=0xFF => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, content.to_vec()].concat()
}

/// Where the content of the first element begins and ends.
fn bounds(bytes: &[u8]) -> (usize, usize) {
    let (start, length) = match bytes[1] {
        0x81 => (3, usize::from(bytes[2])),
        0x82 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        length => (2, usize::from(length)),
    };
    (start, start + length)
}

fn content(element: &[u8]) -> &[u8] {
    let (start, end) = bounds(element);
    &element[start..end]
}

fn elements(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (element, rest) = bytes.split_at(bounds(bytes).1);
        found.push(element.to_vec());
        bytes = rest;
    }
    found
}

/// An extension (RFC 5280, 4.1): `id` and `critical` are DER, `value` is what the extension says.
fn extension(id: &str, critical: &str, value: &str) -> Vec<u8> {
    let value = tlv(0x04, &hex::decode(value).unwrap());
    tlv(0x30, &[hex::decode(id).unwrap(), hex::decode(critical).unwrap(), value].concat())
}

impl Forged {
    fn of(der: &[u8]) -> Self {
        let certificate = elements(content(der));
        let mut fields = elements(content(&certificate[0]));
        let extensions = elements(content(content(&fields.pop().unwrap())));
        Self { fields, extensions, algorithm: certificate[1].clone(), unused_bits: 0 }
    }

    /// Erika's certificate.
    fn erikas() -> Self {
        Self::of(&certificate_of(&mut card(ERIKA)).der)
    }

    fn of_ca() -> Self {
        Self::of(ca().certificate_der())
    }

    /// The place of an extension.
    fn at(&self, id: &str) -> usize {
        let id = hex::decode(id).unwrap();
        self.extensions.iter().position(|extension| content(extension).starts_with(&id)).unwrap()
    }

    fn set(&mut self, id: &str, critical: &str, value: &str) {
        let at = self.at(id);
        self.extensions[at] = extension(id, critical, value);
    }

    /// Replaces bytes by as many others, wherever they stand.
    fn replace(&mut self, from: &[u8], to: &[u8]) {
        assert_eq!(from.len(), to.len());
        let mut found = false;
        for element in self.fields.iter_mut().chain(&mut self.extensions) {
            while let Some(at) = element.windows(from.len()).position(|window| window == from) {
                element[at..at + to.len()].copy_from_slice(to);
                found = true;
            }
        }
        assert!(found);
    }

    /// Names somebody else: attributes (2.5.4.x) and their values.
    fn name(&mut self, attributes: &[(u8, &str)]) {
        let attribute = |(kind, text): &(u8, &str)| {
            let attribute = [&[0x06, 0x03, 0x55, 0x04, *kind], tlv(0x0C, text.as_bytes()).as_slice()].concat();
            tlv(0x31, &tlv(0x30, &attribute))
        };
        self.fields[5] = tlv(0x30, &attributes.iter().flat_map(attribute).collect::<Vec<_>>());
    }

    fn der(&self) -> Vec<u8> {
        let extensions = tlv(0xA3, &tlv(0x30, &self.extensions.concat()));
        let tbs = tlv(0x30, &[self.fields.concat(), extensions].concat());
        let pem = include_str!("../../fixtures/pki/test-egk-ca.key.pem");
        let (_, key) = der::pem::decode_vec(pem.as_bytes()).unwrap();
        let key = ecdsa::SigningKey::<BrainpoolP256r1>::from(bp256::r1::SecretKey::from_pkcs8_der(&key).unwrap());
        let signature: ecdsa::Signature<BrainpoolP256r1> = key.sign(&tbs);
        let signature = [&[self.unused_bits], signature.to_der().as_bytes()].concat();
        tlv(0x30, &[tbs, self.algorithm.clone(), tlv(0x03, &signature)].concat())
    }

    fn verdict(&self) -> Result<(), PkiError> {
        pki::verify(&self.der(), &anchors_of(&[&ca()]), NOW).map(drop)
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::prelude::BASE64_STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

#[test]
fn a_certificate_for_another_purpose_is_refused() {
    assert_eq!(Forged::erikas().verdict(), Ok(()), "put together again as it was");
    type Forge = fn(&mut Forged);
    let forgeries: [(&str, Forge); 8] = [
        ("to sign contracts", |c| c.set(KEY_USAGE, CRITICAL, "03020640")),
        ("for more than authentication", |c| c.set(KEY_USAGE, CRITICAL, "030206C0")),
        ("a CA", |c| c.set(BASIC_CONSTRAINTS, CRITICAL, "30030101FF")),
        ("a server", |c| c.extensions.push(extension(EXTENDED_KEY_USAGE, "", "300A06082B06010505070301"))),
        ("KeyUsage may be ignored", |c| c.set(KEY_USAGE, "", "03020780")),
        ("BasicConstraints may be ignored", |c| c.set(BASIC_CONSTRAINTS, "", "3000")),
        ("a policy that must be understood", |c| c.set(POLICIES, CRITICAL, "300B300906072A8214004C0446")),
        ("something unknown that must be understood", |c| c.extensions.push(extension("06022A03", CRITICAL, "0500"))),
    ];
    for (what, forge) in forgeries {
        let mut forged = Forged::erikas();
        forge(&mut forged);
        assert_eq!(forged.verdict(), Err(PkiError::Usage), "{what}");
    }
    let mut client = Forged::erikas();
    client.extensions.push(extension(EXTENDED_KEY_USAGE, "", "300A06082B06010505070302"));
    assert_eq!(client.verdict(), Ok(()), "what real cards may say");
}

#[test]
fn a_professionals_certificate_is_not_an_insured_persons() {
    let mut doctor = Forged::erikas();
    doctor.replace(&hex::decode("06072A8214004C0431").unwrap(), &hex::decode("06072A8214004C041E").unwrap());
    assert_eq!(doctor.verdict(), Err(PkiError::WrongRole));
}

#[test]
fn a_signature_that_names_another_algorithm_is_not_looked_at() {
    let (sha256, sha384) = (b"\x2A\x86\x48\xCE\x3D\x04\x03\x02", b"\x2A\x86\x48\xCE\x3D\x04\x03\x03");
    let mut other = Forged::erikas();
    other.replace(sha256, sha384);
    let named_once = pki::verify(&other.der(), &anchors_of(&[&ca()]), NOW).map(drop);
    assert_eq!(named_once, Err(PkiError::Malformed(CertificateError::Malformed)), "signed and beside it, two names");
    other.algorithm = [&other.algorithm[..4], sha384].concat();
    assert_eq!(other.verdict(), Err(PkiError::Signature));
}

#[test]
fn a_signature_with_loose_bits_or_an_extension_that_stands_twice_is_not_read() {
    let mut loose = Forged::erikas();
    loose.unused_bits = 1;
    assert_eq!(loose.verdict(), Err(PkiError::Malformed(CertificateError::Malformed)));
    let mut twice = Forged::erikas();
    let at = twice.at(POLICIES);
    twice.extensions.push(twice.extensions[at].clone());
    assert_eq!(twice.verdict(), Err(PkiError::Malformed(CertificateError::Malformed)));
}

#[test]
fn a_test_insurers_card_is_refused_where_real_cards_are_needed() {
    /// A CA as an operator pins it who serves real cards.
    #[derive(Debug)]
    struct Real(TestAnchors);
    impl Anchors for Real {
        fn issuers(&self) -> &[Issuer] {
            self.0.issuers()
        }
        fn responders(&self) -> &[pki::ocsp::Responder] {
            self.0.responders()
        }
        fn with_list(&self, _: &TrustList) -> Result<std::sync::Arc<dyn Anchors>, AnchorError> {
            unreachable!("no list is taken here")
        }

        fn accept_test_cards(&self) -> bool {
            ProductionAnchors::default().accept_test_cards()
        }
    }
    let real = Real(anchors_of(&[&ca()]));
    let test_insurers = Blueprint { payer_ik: Some(TEST_PAYER_IK.parse().unwrap()), ..blueprint(ERIKA) };
    let of_test_insurer = certificate_of(&mut card_by(&ca(), &test_insurers)).der;
    assert_eq!(pki::verify(&of_test_insurer, &real, NOW).unwrap_err(), PkiError::TestCard);
    assert!(pki::verify(&of_test_insurer, &real.0, NOW).is_ok(), "where tests are made it is as good as any");
    assert!(pki::verify(&Forged::erikas().der(), &real, NOW).is_ok(), "another insurer's");
}

#[test]
fn an_issuer_of_another_name_is_not_the_one_that_signed_though_the_key_is_its() {
    let mut renamed = Forged::of_ca();
    renamed.replace(b"KARTENBUND.EGK-CA1", b"KARTENBUND.EGK-CA2");
    let mut anchors = TestAnchors::default();
    anchors.add(Issuer::from_der(&renamed.der()).unwrap());
    let verdict = pki::verify(&Forged::erikas().der(), &anchors, NOW);
    assert_eq!(verdict.unwrap_err(), PkiError::UnknownIssuer);
}

#[test]
fn a_certificate_without_its_issuers_key_is_of_nobody() {
    let mut orphan = Forged::erikas();
    let at = orphan.at("0603551D23");
    orphan.extensions.remove(at);
    assert_eq!(orphan.verdict(), Err(PkiError::UnknownIssuer));
}

#[test]
fn what_may_not_sign_certificates_is_no_anchor() {
    assert!(Issuer::from_der(&Forged::of_ca().der()).is_ok(), "put together again as it was");
    type Forge = fn(&mut Forged);
    let forgeries: [(&str, Forge); 4] = [
        ("signs lists only", |ca| ca.set(KEY_USAGE, CRITICAL, "03020102")),
        ("no word on its key's use", |ca| drop(ca.extensions.remove(ca.at(KEY_USAGE)))),
        ("not a CA", |ca| ca.set(BASIC_CONSTRAINTS, CRITICAL, "3000")),
        ("nobody could point to it", |ca| drop(ca.extensions.remove(ca.at(SUBJECT_KEY_ID)))),
    ];
    for (what, forge) in forgeries {
        let mut forged = Forged::of_ca();
        forge(&mut forged);
        assert!(matches!(Issuer::from_der(&forged.der()), Err(AnchorError::NotACa)), "{what}");
    }
    let other_label = pem("TRUSTED CERTIFICATE", ca().certificate_der());
    assert_eq!(TestAnchors::default().add_pem(other_label.as_bytes()), Err(AnchorError::Pem));
    let certificate = pem("CERTIFICATE", ca().certificate_der());
    assert_eq!(TestAnchors::default().add_pem(certificate.as_bytes()), Ok(()));
}

#[test]
fn either_mark_of_a_test_ca_keeps_it_out_of_production() {
    let unmarked = |marks: &[&[u8]]| {
        let mut forged = Forged::of_ca();
        marks.iter().for_each(|mark| forged.replace(mark, &vec![b'X'; mark.len()]));
        ProductionAnchors::default().add_pem(pem("CERTIFICATE", &forged.der()).as_bytes())
    };
    assert_eq!(unmarked(&[b"NOT-VALID"]), Err(AnchorError::TestCa));
    assert_eq!(unmarked(&[b"TEST-ONLY"]), Err(AnchorError::TestCa));
    assert_eq!(unmarked(&[b"NOT-VALID", b"TEST-ONLY"]), Ok(()), "nothing else keeps it out");
}

#[test]
fn a_certificate_that_names_two_persons_two_insurers_or_nobody_is_refused() {
    const UNIT: u8 = 11;
    let honest = [(UNIT, "999567890"), (UNIT, ERIKA), (4, "M"), (42, "E")];
    let verdict = |attributes: &[(u8, &str)]| {
        let mut forged = Forged::erikas();
        forged.name(attributes);
        forged.verdict()
    };
    let refused = |error| Err(PkiError::Malformed(error));
    assert_eq!(verdict(&honest), Ok(()));
    assert_eq!(verdict(&[&honest[..], &[(UNIT, MAX)]].concat()), refused(CertificateError::Kvnr));
    assert_eq!(verdict(&[&honest[..], &[(UNIT, "101010101")]].concat()), refused(CertificateError::PayerIk));
    assert_eq!(verdict(&honest[1..]), refused(CertificateError::PayerIk));
    assert_eq!(verdict(&[honest[0], (10, ERIKA), honest[2], honest[3]]), refused(CertificateError::Kvnr));
    let long = "M".repeat(65);
    for name in ["", &long] {
        assert_eq!(verdict(&[honest[0], honest[1], (4, name), honest[3]]), refused(CertificateError::Name), "{name}");
        assert_eq!(verdict(&[honest[0], honest[1], honest[2], (42, name)]), refused(CertificateError::Name), "{name}");
    }
}

#[test]
fn a_certificate_that_is_put_together_wrongly_is_refused() {
    let malformed = Err(PkiError::Malformed(CertificateError::Malformed));
    let mut endless = Forged::erikas();
    endless.extensions.push(extension("06022A03", "", &"00".repeat(8 * 1024)));
    assert_eq!(endless.verdict(), malformed, "longer than any certificate");
    let mut unread = Forged::erikas();
    unread.set(POLICIES, "", "0500");
    assert_eq!(unread.verdict(), malformed, "an extension that is not what it is called");
    for admission in [b"\x31\x25\x30\x23", b"\x70\x25\x30\x23"] {
        let mut other = Forged::erikas();
        other.replace(b"\x30\x25\x30\x23", admission);
        assert_eq!(other.verdict(), malformed, "an Admission that is something else");
    }
    let mut twisted = Forged::erikas();
    twisted.replace(b"\x2B\x24\x03\x03\x02\x08\x01\x01\x07", b"\x2B\x24\x03\x03\x02\x08\x01\x01\x08");
    assert_eq!(twisted.verdict(), Err(PkiError::UnsupportedKey), "a point of another curve");
}
