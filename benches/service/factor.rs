//! The second factor: members with a session each register devices, have elements of PINs evaluated, and decide. What a
//! request signs is signed before it is sent, and only requests are measured.

use std::net::SocketAddr;
use std::time::Duration;

use kartenbund::egk::{ApduLength, Egk, LastTry, PinAnswer, PinStatus};
use kartenbund::identity::certificate::Certificate;
use kartenbund::identity::kvnr::Kvnr;
use kartenbund::jose::{P256Jwk, jws};
use kartenbund::protocol::api::{
    ApplicationAccepted, ApprovalAnswer, ChallengeAnswer, DecisionAnswer, DecisionRequest, EvidenceRequest, PinRequest,
    RegistrationAnswer, RegistrationOffer, RegistrationPinRequest, RegistrationRequest,
};
use kartenbund::protocol::application::Application;
use kartenbund::protocol::approval::{Decision, Verdict};
use kartenbund::protocol::pairing::PairingData;
use kartenbund::protocol::pin::PinEvaluation;
use kartenbund::protocol::qr::{LetterCode, QrEvidence, QrStatement};
use kartenbund::protocol::registration::{CardEvidence, CardStatement, HandedIn, Method, ProofOfPossession};
use kartenbund::protocol::service::RegistrationChallenge;
use kartenbund::protocol::{
    Challenge, DeviceId, DeviceNonce, KeyIdentifier, MessageId, RegistrationId, Sha256Hash, VERSION,
};
use kartenbund::virtual_card::VirtualCard;
use kartenbund::voprf::Element;
use p256::ecdsa::SigningKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::common::device::{information, jwk, new_key};
use crate::common::thief::any_element;
use crate::common::{CARD_PIN, card, kvnr, new_address, new_bank_account, new_contact, rng, typed};
use crate::load::{Connection, Measured, drive, timed};
use crate::requests::{Session, proof};

/// Evaluations of a device that nobody confirms: it has five.
const EVALUATIONS: usize = 5;

/// Members of one service.
pub(crate) struct Members {
    address: SocketAddr,
    url: String,
    members: Vec<Member>,
}

struct Member {
    kvnr: Kvnr,
    session: Session,
    card: VirtualCard,
    certificate: Certificate,
    code: LetterCode,
    devices: Vec<Device>,
}

struct Device {
    id: DeviceId,
    key: SigningKey,
    transport_key: SigningKey,
    voprf_pk: Element,
}

/// What a device is bound with.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum With {
    Card,
    Code,
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

impl Member {
    fn new(session: Session, service: &str) -> Self {
        let (mut card, code) = (card(&session.kvnr), LetterCode::random(service, &mut rng()).unwrap());
        let certificate = {
            let mut egk = Egk::open(&mut card, ApduLength::Extended).unwrap();
            Certificate::parse(egk.read_certificate().unwrap().der()).unwrap()
        };
        Self { kvnr: kvnr(&session.kvnr), session, card, certificate, code, devices: Vec::new() }
    }

    /// A request of this member, signed here; its answer, and how long that took.
    fn ask<T: DeserializeOwned>(
        &self,
        connection: &mut Connection,
        url: &str,
        (method, path): (&str, &str),
        body: &impl Serialize,
    ) -> (T, Duration) {
        let token = &self.session.tokens.access_token;
        let proof = proof(&self.session.key, method, &format!("{url}{path}"), Some(token));
        let headers = format!("authorization: DPoP {}\r\n{proof}", token.expose());
        let body = serde_json::to_string(body).unwrap();
        let (answer, took) = timed(|| connection.ask(&format!("{method} {path}"), &headers, &body));
        (serde_json::from_slice(&answer).unwrap(), took)
    }

    /// The four requests that bind a device.
    fn register(&mut self, connection: &mut Connection, url: &str, with: With) -> Duration {
        let (key, transport_key, nonce_d) = (new_key(), new_key(), DeviceNonce::random(&mut rng()));
        let method = match with {
            With::Card => Method::Card,
            With::Code => Method::Qr,
        };
        let announced = RegistrationRequest {
            method,
            jkt: jwk(&key).thumbprint(),
            commit: nonce_d.commitment(),
            device_information: information(),
            replaces: Vec::new(),
        };
        let (offer, first): (RegistrationOffer, _) =
            self.ask(connection, url, ("POST", "/v1/registrations"), &announced);
        let RegistrationOffer { registration_id, voprf_pk, .. } = offer;
        let path = format!("/v1/registrations/{registration_id}");
        let element = RegistrationPinRequest { blinded: any_element() };
        let (_, second): (serde_json::Value, _) = self.ask(connection, url, ("POST", &format!("{path}/pin")), &element);
        let (challenge, third): (ChallengeAnswer, _) =
            self.ask(connection, url, ("POST", &format!("{path}/challenge")), &());
        let payload = challenge.challenge.split('.').nth(1).unwrap();
        let payload = kartenbund::jose::base64url::decode(payload).unwrap();
        let RegistrationChallenge { challenge, .. } = serde_json::from_slice(&payload).unwrap();
        let evidence = match with {
            With::Card => HandedIn::Card(self.sign_with_card(url, &key, registration_id, challenge)),
            With::Code => HandedIn::Qr(self.sign_with_code(url, &key, registration_id, challenge)),
        };
        let pop = ProofOfPossession {
            v: VERSION,
            aud: url.to_owned(),
            registration_id,
            challenge,
            iat: now(),
            method,
            kvnr: self.kvnr.clone(),
            jkt: jwk(&key).thumbprint(),
            evidence_sha256: evidence.sha256(),
            voprf_pk: Some(voprf_pk),
            transport_jwk: jwk(&transport_key),
            attestation_sha256: None,
        };
        let pop = jws::sign_with_jwk(&pop, jwk(&key), &key).unwrap();
        let request = EvidenceRequest { pop, nonce_d, evidence, attestation: None };
        let (bound, last): (RegistrationAnswer, _) =
            self.ask(connection, url, ("PUT", &format!("{path}/evidence")), &request);
        self.devices.push(Device { id: bound.device_id.unwrap(), key, transport_key, voprf_pk });
        first + second + third + last
    }

    fn sign_with_card(
        &mut self,
        url: &str,
        key: &SigningKey,
        registration_id: RegistrationId,
        challenge: Challenge,
    ) -> CardEvidence {
        let mut egk = Egk::open(&mut self.card, ApduLength::Extended).unwrap();
        if let PinStatus::Usable(tries) = egk.pin_status().unwrap() {
            let pin = kartenbund::secret::Pin::parse(&typed(CARD_PIN)).unwrap();
            assert_eq!(egk.verify_pin(tries.attempt(LastTry::Refused).unwrap(), &pin).unwrap(), PinAnswer::Accepted);
        }
        let identifier = KeyIdentifier::random(&mut rng());
        let pairing = PairingData::new(&self.certificate, &jwk(key), identifier, "Kartenbund").unwrap();
        let signed_pairing_data = jws::sign(&pairing, egk.auth_key()).unwrap();
        let statement = CardStatement {
            v: VERSION,
            aud: url.to_owned(),
            registration_id,
            challenge,
            jkt: jwk(key).thumbprint(),
            kvnr: self.kvnr.clone(),
            pairing_sha256: Sha256Hash::of(signed_pairing_data.as_bytes()),
            iat: now(),
        };
        let auth_cert = self.certificate.der.clone();
        let card_jws = jws::sign_with_x5c(&statement, &auth_cert, egk.auth_key()).unwrap();
        CardEvidence { signed_pairing_data, auth_cert, card_jws }
    }

    fn sign_with_code(
        &self,
        url: &str,
        key: &SigningKey,
        registration_id: RegistrationId,
        challenge: Challenge,
    ) -> QrEvidence {
        let (aud, jkt, kvnr) = (url.to_owned(), jwk(key).thumbprint(), self.kvnr.clone());
        let statement = QrStatement { v: VERSION, aud, registration_id, challenge, jkt, kvnr, iat: now() };
        let qr_jws = jws::sign(&statement, &self.code.key().unwrap()).unwrap();
        QrEvidence { qr_id: self.code.id(), qr_jws }
    }

    /// Submits an application and signs the decision that approves it, and its request.
    fn prepare_decision(&self, connection: &mut Connection, url: &str, application: &Application) -> Prepared {
        let (accepted, _): (ApplicationAccepted, _) =
            self.ask(connection, url, ("POST", "/v1/applications"), application);
        let ApplicationAccepted { approval_id, match_code, .. } = accepted;
        let path = format!("/v1/approvals/{approval_id}");
        let (answer, _): (ApprovalAnswer, _) = self.ask(connection, url, ("GET", &path), &());
        let device = &self.devices[0];
        let decision = Decision {
            v: VERSION,
            aud: url.to_owned(),
            approval_id,
            document: answer.document,
            challenge: answer.challenge.unwrap(),
            decision: Verdict::Approve,
            reason: None,
            match_code: Some(match_code),
            iat: now(),
            exp: now() + 300,
            jti: MessageId::random(&mut rng()),
        };
        let request = DecisionRequest { device_id: device.id, decision: jws::sign(&decision, &device.key).unwrap() };
        let (path, token) = (format!("{path}/decision"), &self.session.tokens.access_token);
        let proof = proof(&self.session.key, "POST", &format!("{url}{path}"), Some(token));
        let headers = format!("authorization: DPoP {}\r\n{proof}", token.expose());
        Prepared { line: format!("POST {path}"), headers, body: serde_json::to_string(&request).unwrap() }
    }
}

impl Members {
    pub(crate) fn with(address: SocketAddr, url: &str, sessions: Vec<Session>) -> Self {
        let members = sessions.into_iter().map(|session| Member::new(session, url)).collect();
        Self { address, url: url.to_owned(), members }
    }

    /// What the service keeps of the codes of letters: insurance number, name and public key of each.
    pub(crate) fn codes(&self) -> impl Iterator<Item = (&str, String, P256Jwk)> {
        self.members
            .iter()
            .map(|member| (member.kvnr.as_str(), member.code.id().to_string(), jwk(&member.code.key().unwrap())))
    }

    /// Each registers a device.
    pub(crate) fn register(&mut self, clients: usize, with: With) -> Measured {
        let (address, url) = (self.address, &self.url);
        let share = self.members.len().div_ceil(clients);
        let workers = self.members.chunks_mut(share).map(|share| {
            let (mut connection, mut members) = (Connection::to(address), share.iter_mut());
            move || Some(members.next()?.register(&mut connection, url, with))
        });
        drive(workers.collect(), Duration::MAX)
    }

    /// Each of their devices has as many elements evaluated as it may without confirming one.
    pub(crate) fn evaluate(&self, clients: usize) -> Measured {
        let message = |device: &Device| {
            let aud = self.url.clone();
            let Device { id: device_id, transport_key, voprf_pk, .. } = device;
            let (device_id, voprf_pk) = (*device_id, *voprf_pk);
            let evaluation = PinEvaluation { v: VERSION, aud, device_id, voprf_pk, blinded: any_element(), iat: now() };
            let request = PinRequest { message: jws::sign(&evaluation, transport_key).unwrap() };
            (format!("POST /v1/devices/{device_id}/pin/evaluate"), serde_json::to_string(&request).unwrap())
        };
        let devices = || self.members.iter().flat_map(|member| &member.devices);
        let messages: Vec<_> = (0..EVALUATIONS).flat_map(|_| devices().map(message)).collect();
        let workers = (0..clients).map(|client| {
            let mut connection = Connection::to(self.address);
            let mut messages = messages.iter().skip(client).step_by(clients);
            move || {
                let (line, body) = messages.next()?;
                Some(timed(|| connection.ask(line, "", body)).1)
            }
        });
        drive(workers.collect(), Duration::MAX)
    }

    /// Each submits three applications of different kinds, and signs what approves them.
    pub(crate) fn prepare_decisions(&self) -> Vec<Prepared> {
        let mut connection = Connection::to(self.address);
        let mut prepared = Vec::new();
        for application in [new_address(), new_bank_account(), new_contact()] {
            for member in &self.members {
                prepared.push(member.prepare_decision(&mut connection, &self.url, &application));
            }
        }
        prepared
    }

    /// Sends the decisions.
    pub(crate) fn decide(&self, clients: usize, prepared: &[Prepared]) -> Measured {
        let workers = (0..clients).map(|client| {
            let mut connection = Connection::to(self.address);
            let mut prepared = prepared.iter().skip(client).step_by(clients);
            move || {
                let Prepared { line, headers, body } = prepared.next()?;
                let (answer, took) = timed(|| connection.ask(line, headers, body));
                let DecisionAnswer { verdict, .. } = serde_json::from_slice(&answer).unwrap();
                assert_eq!(verdict, Verdict::Approve);
                Some(took)
            }
        });
        drive(workers.collect(), Duration::MAX)
    }
}

/// A request that was signed.
pub(crate) struct Prepared {
    line: String,
    headers: String,
    body: String,
}
