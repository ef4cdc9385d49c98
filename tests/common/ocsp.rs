//! An OCSP responder that knows nothing of this project: OpenSSL signs its answers, which are put together here.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    dead_code,
    unreachable_pub,
    missing_debug_implementations
)]

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use kartenbund::pki::ocsp::Responder;
use kartenbund::server::OcspSettings;
use kartenbund::virtual_card::personalise::{MUSTERKASSE_IK, TestCa};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;
use openssl::sign::Signer;
use openssl::x509::{X509, X509NameBuilder};
use time::OffsetDateTime;
use time::macros::format_description;

use super::{ManualClock, NOW, TestDatabase, World, anchors_of, ca};

/// The parts of an answer, each of which can be forged.
#[derive(Clone)]
pub struct Answer {
    pub status: u8,
    pub kind: Vec<u8>,
    pub cert_id: Vec<u8>,
    pub cert_status: Vec<u8>,
    pub produced_at: i64,
    pub this_update: i64,
    pub next_update: Option<i64>,
    pub cert_hash: Option<[u8; 32]>,
    /// Besides certHash.
    pub single_extension: Vec<u8>,
    pub extensions: Vec<u8>,
    /// Behind the first SingleResponse.
    pub more: Vec<u8>,
}

/// One DER element.
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut element = vec![tag];
    match content.len() {
        length @ 0..=0x7F => element.push(u8::try_from(length).unwrap()),
        length @ 0x80..=0xFF => element.extend([0x81, u8::try_from(length).unwrap()]),
        length => element.extend([&[0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat()),
    }
    element.extend(content);
    element
}

pub const GOOD: [u8; 2] = [0x80, 0];
pub const UNKNOWN: [u8; 2] = [0x82, 0];
const ECDSA_WITH_SHA256: [u8; 12] = [0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
const SHA256: [u8; 13] = [0x30, 0x0B, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

pub fn revoked(at: i64) -> Vec<u8> {
    tlv(0xA1, &[&time(at)])
}

fn time(at: i64) -> Vec<u8> {
    let format = format_description!("[year][month][day][hour][minute][second]Z");
    let text = OffsetDateTime::from_unix_timestamp(at).unwrap().format(format).unwrap();
    tlv(0x18, &[text.as_bytes()])
}

/// What is in an element, behind its head.
pub fn content(element: &[u8]) -> &[u8] {
    match element[1] {
        0x81 => &element[3..],
        0x82 => &element[4..],
        _ => &element[2..],
    }
}

/// CertID in a request with one.
pub fn cert_id_of(request: &[u8]) -> &[u8] {
    let list = content(content(request));
    content(content(list))
}

/// The key of a responder and its certificate, which no CA of cards has issued.
#[derive(Clone)]
pub struct ResponderKey {
    key: PKey<Private>,
    pub der: Vec<u8>,
}

impl ResponderKey {
    pub fn new() -> Self {
        Self::valid(NOW.unix_timestamp() - 86_400, NOW.unix_timestamp() + 5 * 366 * 86_400)
    }

    pub fn valid(from: i64, until: i64) -> Self {
        let group = EcGroup::from_curve_name(Nid::BRAINPOOL_P256R1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", "OCSP NOT-VALID").unwrap();
        let name = name.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_not_before(&Asn1Time::from_unix(from).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_unix(until).unwrap()).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { der: builder.build().to_der().unwrap(), key }
    }

    pub fn pinned(&self) -> Responder {
        Responder::from_der(&self.der).unwrap()
    }

    pub fn pem(&self) -> Vec<u8> {
        X509::from_der(&self.der).unwrap().to_pem().unwrap()
    }

    /// An answer as gematik's responders make it.
    pub fn answer(cert_id: &[u8], certificate: &[u8], at: i64) -> Answer {
        Answer {
            status: 0,
            kind: vec![0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01],
            cert_id: cert_id.to_vec(),
            cert_status: GOOD.to_vec(),
            produced_at: at,
            this_update: at,
            next_update: None,
            cert_hash: Some(sha256(certificate)),
            single_extension: Vec::new(),
            extensions: Vec::new(),
            more: Vec::new(),
        }
    }

    /// The answer, signed.
    pub fn sign(&self, answer: &Answer) -> Vec<u8> {
        let status = tlv(0x0A, &[&[answer.status]]);
        let hash = answer.cert_hash.map(|hash| {
            let value = tlv(0x30, &[&SHA256, &tlv(0x04, &[&hash])]);
            tlv(0x30, &[&[0x06, 0x05, 0x2B, 0x24, 0x08, 0x03, 0x0D], &tlv(0x04, &[&value])])
        });
        let extensions = [hash.unwrap_or_default(), answer.single_extension.clone()].concat();
        let extensions = if extensions.is_empty() { extensions } else { tlv(0xA1, &[&tlv(0x30, &[&extensions])]) };
        let next = answer.next_update.map(|next| tlv(0xA0, &[&time(next)])).unwrap_or_default();
        let this = time(answer.this_update);
        let single = tlv(0x30, &[&answer.cert_id, &answer.cert_status, &this, &next, &extensions]);
        let name = X509::from_der(&self.der).unwrap().subject_name().to_der().unwrap();
        let responses = tlv(0x30, &[&single, &answer.more]);
        let produced = time(answer.produced_at);
        let data = tlv(0x30, &[&tlv(0xA1, &[&name]), &produced, &responses, &answer.extensions]);
        let signature = Signer::new(MessageDigest::sha256(), &self.key).unwrap().sign_oneshot_to_vec(&data).unwrap();
        let certificates = tlv(0xA0, &[&tlv(0x30, &[&self.der])]);
        let basic = tlv(0x30, &[&data, &ECDSA_WITH_SHA256, &tlv(0x03, &[&[0], &signature]), &certificates]);
        let bytes = tlv(0x30, &[&tlv(0x06, &[&answer.kind]), &tlv(0x04, &[&basic])]);
        tlv(0x30, &[&status, &tlv(0xA0, &[&bytes])])
    }
}

/// What a running responder does.
#[derive(Clone)]
pub enum Mood {
    /// It answers what is so.
    Well,
    /// So it does after two seconds.
    Slow,
    /// Answers when it is let go.
    HoldsBack,
    /// It sends this.
    Sends(Vec<u8>),
    /// HTTP 503.
    Down,
}

struct Knowledge {
    clock: ManualClock,
    /// Serial number (the INTEGER's content) to certificate and whether it was revoked.
    cards: HashMap<Vec<u8>, (Vec<u8>, bool)>,
    mood: Mood,
    asked: usize,
    holds_back: bool,
}

/// A responder that listens.
pub struct TestResponder {
    pub key: ResponderKey,
    pub url: String,
    knowledge: Arc<Mutex<Knowledge>>,
}

impl TestResponder {
    pub fn start(clock: ManualClock) -> Self {
        let key = ResponderKey::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/ocsp", listener.local_addr().unwrap());
        let knowledge = Arc::new(Mutex::new(Knowledge {
            clock,
            cards: HashMap::new(),
            mood: Mood::Well,
            asked: 0,
            holds_back: false,
        }));
        let (own, known) = (key.clone(), Arc::clone(&knowledge));
        std::thread::spawn(move || {
            for mut line in listener.incoming().flatten() {
                let (own, known) = (own.clone(), Arc::clone(&known));
                std::thread::spawn(move || {
                    let request = body_of(&mut line);
                    let mood = {
                        let mut known = known.lock().unwrap();
                        known.asked += 1;
                        known.mood.clone()
                    };
                    match mood {
                        Mood::Slow => std::thread::sleep(std::time::Duration::from_secs(2)),
                        Mood::HoldsBack => {
                            while known.lock().unwrap().holds_back {
                                std::thread::sleep(std::time::Duration::from_millis(10));
                            }
                        }
                        _ => {}
                    }
                    let known = known.lock().unwrap();
                    let (head, body) = match &mood {
                        Mood::Well | Mood::Slow | Mood::HoldsBack => ("200 OK", own.sign(&known.say(&request))),
                        Mood::Sends(bytes) => ("200 OK", bytes.clone()),
                        Mood::Down => ("503 Service Unavailable", Vec::new()),
                    };
                    let head =
                        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                    let _ = line.write_all(&[head.as_bytes(), &body].concat());
                });
            }
        });
        Self { key, url, knowledge }
    }

    /// How the operator sets it.
    pub fn set_for(&self, ca: &TestCa) -> OcspSettings {
        OcspSettings {
            issuer: ca.certificate_der().to_vec(),
            url: self.url.clone(),
            responders: vec![self.key.pinned()],
            cert_hash: true,
        }
    }

    /// The CA has issued this card.
    pub fn issued(&self, certificate: &[u8]) {
        self.knowledge.lock().unwrap().cards.insert(serial_of(certificate), (certificate.to_vec(), false));
    }

    pub fn revoke(&self, certificate: &[u8]) {
        self.knowledge.lock().unwrap().cards.insert(serial_of(certificate), (certificate.to_vec(), true));
    }

    pub fn be(&self, mood: Mood) {
        let mut known = self.knowledge.lock().unwrap();
        known.holds_back |= matches!(mood, Mood::HoldsBack);
        known.mood = mood;
    }

    /// Sends what it has held back.
    pub fn let_go(&self) {
        self.knowledge.lock().unwrap().holds_back = false;
    }

    pub fn asked(&self) -> usize {
        self.knowledge.lock().unwrap().asked
    }
}

impl Knowledge {
    fn say(&self, request: &[u8]) -> Answer {
        let cert_id = cert_id_of(request);
        let serial = self.cards.iter().find(|(serial, _)| cert_id.ends_with(serial));
        let now = self.clock.now();
        match serial {
            Some((_, (certificate, is_revoked))) => {
                let mut answer = ResponderKey::answer(cert_id, certificate, now);
                if *is_revoked {
                    answer.cert_status = revoked(now - 60);
                }
                answer
            }
            None => {
                let mut answer = ResponderKey::answer(cert_id, &[], now);
                (answer.cert_status, answer.cert_hash) = (UNKNOWN.to_vec(), None);
                answer
            }
        }
    }
}

fn serial_of(certificate: &[u8]) -> Vec<u8> {
    X509::from_der(certificate).unwrap().serial_number().to_bn().unwrap().to_vec()
}

fn body_of(line: &mut std::net::TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    let mut byte = [0; 1];
    while !received.ends_with(b"\r\n\r\n") && line.read(&mut byte).is_ok_and(|read| read == 1) {
        received.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&received).to_lowercase();
    assert!(head.starts_with("post ") && head.contains("content-type: application/ocsp-request\r\n"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    line.read_exact(&mut body).unwrap();
    body
}

impl World {
    /// A service that asks a responder about cards of our CA.
    pub fn with_ocsp() -> (Self, TestResponder) {
        let clock = ManualClock::at(NOW);
        let responder = TestResponder::start(clock.clone());
        let world = Self::configured(tempfile::tempdir().unwrap(), TestDatabase::new(), clock, |settings| {
            settings.payer_iks = vec![MUSTERKASSE_IK.parse().unwrap()];
            settings.anchors = Box::new(anchors_of(&[&ca()]));
            settings.ocsp = vec![responder.set_for(&ca())];
        });
        (world, responder)
    }
}
