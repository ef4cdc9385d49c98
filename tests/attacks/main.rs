//! What attackers do, one test each, and what stops them. Where a message has many claims, each is forged by itself, so
//! that no check can be taken away without a test going red.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod approvals;
mod attestation;
mod audit;
mod card_login;
mod cards;
mod certificates;
mod chip;
mod claims;
mod debug;
mod device_additions;
mod device_codes;
mod device_login;
mod device_pin;
mod device_pins;
mod evidence;
mod faults;
mod folder;
mod http;
mod ident;
mod meanwhile;
mod ocsp;
mod pace;
mod parallel;
mod profiles;
mod proofs;
mod rebinding;
mod registration;
mod removals;
mod reset;
mod rsa;
mod screen_codes;
mod service;
mod service_keys;
mod sessions;
mod texts;
mod trust_lists;
mod watching;
mod web_branch;
mod web_login;

pub(crate) use common::device::{information, jwk, new_key};
pub(crate) use common::line::Liar;
pub(crate) use common::*;
use kartenbund::client::approve::{ApproveError, decide, fetch};
use kartenbund::client::pin::unlock;
use kartenbund::client::register::RegisterError;
use kartenbund::client::service::ServiceError;
use kartenbund::egk::{ApduLength, Egk, EgkError, LastTry, PinAnswer, PinStatus};
use kartenbund::identity::certificate::{Certificate, CertificateError};
use kartenbund::identity::{Identity, IdentityError, Warning};
use kartenbund::jose::jws::{self, JwsError, sign, sign_with_jwk, sign_with_x5c};
use kartenbund::jose::{P256Jwk, base64url};
use kartenbund::pki::{self, AnchorError, PkiError, ProductionAnchors};
use kartenbund::protocol::api::{
    ApplicationAccepted, ApplicationAnswer, ApprovalAnswer, ApprovalsAnswer, ChallengeAnswer, DecisionRequest,
    EvidenceRequest, RegistrationAnswer, RegistrationOffer, RegistrationRequest,
};
use kartenbund::protocol::application::{Application, ApplicationError, CardReason, Change, NewCard, NewDevice};
use kartenbund::protocol::approval::{Decision, FrozenDocument, MatchCode, Verdict};
use kartenbund::protocol::audit::{AuditHead, Entry, Inclusion, Position};
use kartenbund::protocol::evidence::{ApprovalEvidence, Bundle, LinkName, LinkResult};
use kartenbund::protocol::pairing::{DeviceInformation, PairingData};
use kartenbund::protocol::registration::{
    CardEvidence, CardStatement, HandedIn, Method as BindingMethod, ProofOfPossession,
};
use kartenbund::protocol::service::{ClientVersion, Configuration, Receipt, ReceiptSubject, RegistrationChallenge};
use kartenbund::protocol::{BindingLevel, DeviceId, DeviceNonce, KeyIdentifier, MessageId, Sha256Hash, VERSION};
use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::personalise::{Blueprint, CertificateType, TestCa};
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate as _;
use reqwest::Method;
use serde_json::json;

/// A registration taken apart: every message can be changed before it is signed, and every part after.
pub(crate) struct Attempt {
    pub(crate) computer: Computer,
    pub(crate) card: VirtualCard,
    pub(crate) certificate: Certificate,
    pub(crate) device_key: SigningKey,
    pub(crate) nonce: DeviceNonce,
    pub(crate) challenge: RegistrationChallenge,
    pub(crate) pairing: PairingData,
    pub(crate) statement: CardStatement,
    pub(crate) proof: ProofOfPossession,
}

pub(crate) fn certificate_of(card: &mut VirtualCard) -> Certificate {
    let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
    Certificate::parse(egk.read_certificate().unwrap().der()).unwrap()
}

impl Attempt {
    /// An honest attempt with an honest person's session and this card.
    pub(crate) fn with(computer: Computer, card: VirtualCard) -> Self {
        Self::in_place_of(&[], computer, card)
    }

    /// The same in the place of these devices.
    pub(crate) fn in_place_of(replaces: &[DeviceId], computer: Computer, mut card: VirtualCard) -> Self {
        let certificate = certificate_of(&mut card);
        let device_key = new_key();
        let nonce = DeviceNonce::random(&mut rng());
        let request = RegistrationRequest {
            method: BindingMethod::Card,
            jkt: jwk(&device_key).thumbprint(),
            commit: nonce.commitment(),
            device_information: information(),
            replaces: replaces.to_vec(),
        };
        let service = &computer.here.service;
        let offer: RegistrationOffer = service.call(Method::POST, "/v1/registrations", &request).unwrap();
        let challenge = challenge(&computer, &offer.registration_id.to_string());
        let key_identifier = KeyIdentifier::random(&mut rng());
        let pairing = PairingData::new(&certificate, &jwk(&device_key), key_identifier, "Kartenbund").unwrap();
        let kvnr = certificate.holder().unwrap().kvnr;
        let (aud, jkt) = (challenge.aud.clone(), challenge.jkt);
        let (registration_id, iat) = (offer.registration_id, computer.clock.now());
        Self {
            statement: CardStatement {
                v: VERSION,
                aud: aud.clone(),
                registration_id,
                challenge: challenge.challenge,
                jkt,
                kvnr: kvnr.clone(),
                pairing_sha256: Sha256Hash::of(b"filled in when the pairing data are signed"),
                iat,
            },
            proof: ProofOfPossession {
                v: VERSION,
                aud,
                registration_id,
                challenge: challenge.challenge,
                iat,
                method: BindingMethod::Card,
                kvnr,
                jkt,
                evidence_sha256: Sha256Hash::of(b"filled in when the evidence is complete"),
                voprf_pk: Some(offer.voprf_pk),
                transport_jwk: jwk(&new_key()),
                attestation_sha256: None,
            },
            computer,
            card,
            certificate,
            device_key,
            nonce,
            challenge,
            pairing,
        }
    }

    pub(crate) fn honest(world: &World) -> Self {
        Self::with(world.log_in(ERIKA, &world.member(ERIKA)), card(ERIKA))
    }

    /// Signs everything as it is now, filling in the hashes.
    pub(crate) fn signed(&mut self) -> EvidenceRequest {
        let signed_pairing_data = self.sign_pairing();
        self.statement.pairing_sha256 = Sha256Hash::of(signed_pairing_data.as_bytes());
        self.signed_over(signed_pairing_data)
    }

    pub(crate) fn sign_pairing(&mut self) -> String {
        let mut egk = unlocked(&mut self.card);
        sign(&self.pairing, egk.auth_key()).unwrap()
    }

    pub(crate) fn signed_over(&mut self, signed_pairing_data: String) -> EvidenceRequest {
        let mut egk = unlocked(&mut self.card);
        let card_jws = sign_with_x5c(&self.statement, &self.certificate.der, egk.auth_key()).unwrap();
        let evidence = CardEvidence { signed_pairing_data, auth_cert: self.certificate.der.clone(), card_jws };
        self.proof.evidence_sha256 = evidence.sha256();
        let evidence = HandedIn::Card(evidence);
        EvidenceRequest { pop: self.prove(), nonce_d: self.nonce, evidence, attestation: None }
    }

    pub(crate) fn prove(&self) -> String {
        sign_with_jwk(&self.proof, jwk(&self.device_key), &self.device_key).unwrap()
    }

    pub(crate) fn submit(&self, request: &EvidenceRequest) -> Result<RegistrationAnswer, ServiceError> {
        let path = format!("/v1/registrations/{}/evidence", self.challenge.registration_id);
        self.computer.here.service.call(Method::PUT, &path, request)
    }

    /// What the service says to this attempt: the code, and the part it names.
    pub(crate) fn refused(mut self) -> (String, String) {
        let request = self.signed();
        self.refused_with(&request)
    }

    pub(crate) fn refused_with(&self, request: &EvidenceRequest) -> (String, String) {
        let answer = refusal(self.submit(request));
        assert!(self.computer.devices().is_empty(), "nothing is bound");
        answer
    }
}

/// What the card signed, in a request.
pub(crate) fn by_card(request: &mut EvidenceRequest) -> &mut CardEvidence {
    match &mut request.evidence {
        HandedIn::Card(evidence) => evidence,
        HandedIn::Qr(_) | HandedIn::Device(_) | HandedIn::Chip(_) => panic!("a request without a card"),
    }
}

pub(crate) fn challenge(computer: &Computer, registration_id: &str) -> RegistrationChallenge {
    let path = format!("/v1/registrations/{registration_id}/challenge");
    let answer: ChallengeAnswer = computer.here.service.call(Method::POST, &path, &json!({})).unwrap();
    jws::verify(&answer.challenge, computer.here.profile.service_keys[0].verifying_key()).unwrap()
}

pub(crate) fn unlocked(card: &mut VirtualCard) -> Egk<&mut VirtualCard> {
    let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
    let pin = kartenbund::secret::Pin::parse(&typed(CARD_PIN)).unwrap();
    match egk.pin_status().unwrap() {
        PinStatus::Usable(tries) => {
            let attempt = tries.attempt(LastTry::Refused).unwrap();
            assert_eq!(egk.verify_pin(attempt, &pin).unwrap(), PinAnswer::Accepted);
        }
        PinStatus::AlreadyVerified => {}
        other => panic!("{other:?}"),
    }
    egk
}

pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, ServiceError>) -> (String, String) {
    match answer {
        Err(ServiceError::Refused { code, detail, .. }) => (code, detail.unwrap_or_default()),
        other => panic!("the service must refuse, but: {other:?}"),
    }
}

pub(crate) fn code(text: &str) -> (String, String) {
    (text.to_owned(), String::new())
}

pub(crate) fn part(text: &str, part: &str) -> (String, String) {
    (text.to_owned(), part.to_owned())
}

/// The text with one character of its `n`th part (between dots) changed.
pub(crate) fn flipped(jws: &str, n: usize) -> String {
    let mut parts: Vec<_> = jws.split('.').map(str::to_owned).collect();
    // In the middle, so that no loose bits at the end are hit.
    let at = parts[n].len() / 2;
    let old = parts[n].as_bytes()[at];
    parts[n].replace_range(at..=at, if old == b'A' { "B" } else { "A" });
    parts.join(".")
}
