//! People whose program holds the key of their device in memory: they bind it with the card, decide, type PINs and bind it
//! anew as fast as the service answers, one person after the other, at a service that is killed again and again. Nothing
//! is done in between that the service does not see: each step is one request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kartenbund::client::Surroundings;
use kartenbund::client::home::Home;
use kartenbund::client::login::{self, LoggedIn, LoginError};
use kartenbund::client::service::{Service, ServiceError};
use kartenbund::egk::{ApduLength, Egk, LastTry, PinAnswer, PinStatus};
use kartenbund::identity::certificate::Certificate;
use kartenbund::jose::jws;
use kartenbund::protocol::api::{
    ApplicationAccepted, ApplicationAnswer, ApprovalAnswer, ChallengeAnswer, DecisionAnswer, DecisionRequest,
    DevicesAnswer, EvidenceRequest, PinConfirmed, PinEvaluated, PinRequest, RebindingOffer, RebindingRequest,
    RegistrationAnswer, RegistrationOffer, RegistrationPinAnswer, RegistrationPinRequest, RegistrationRequest,
};
use kartenbund::protocol::application::Application;
use kartenbund::protocol::approval::{Decision, Verdict};
use kartenbund::protocol::evidence::Bundle;
use kartenbund::protocol::pairing::PairingData;
use kartenbund::protocol::pin::{MAX_CONSECUTIVE, PinConfirmation, PinEvaluation};
use kartenbund::protocol::registration::{CardEvidence, CardStatement, HandedIn, Method as With, ProofOfPossession};
use kartenbund::protocol::service::RegistrationChallenge;
use kartenbund::protocol::{
    ApplicationId, ApprovalId, AttemptId, Challenge, DeviceId, DeviceNonce, KeyIdentifier, MessageId, RegistrationId,
    Sha256Hash, VERSION,
};
use kartenbund::secret::Pin;
use kartenbund::virtual_card::VirtualCard;
use kartenbund::voprf::Element;
use p256::ecdsa::SigningKey;
use reqwest::Method;
use serde_json::json;

use crate::common::device::{information, jwk, new_key};
use crate::common::thief::any_element;
use crate::common::{
    CARD_PIN, PASSWORD, Script, card, kvnr, new_address, new_bank_account, new_contact, number, rng, typed,
};
use crate::decisions::{Done, Taken};
use crate::people::{Client, Line, is_lost, now};

/// What comes next for this person.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    LogIn,
    Announce,
    Share,
    Challenge,
    HandIn,
    Apply(Kind),
    Fetch,
    Decide(Verdict),
    Cancel,
    /// A PIN is typed, and what came of it is never said: it was wrong.
    Mistype,
    Type,
    Confirm,
    Rebind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Address,
    Bank,
    Contact,
}

/// In this order; then it is the next person's turn. A bank account is queued for a day; the second one is cancelled. A day
/// has ten applications: some are left for those that are submitted once more, since their answer got lost.
const PLAN: [Next; 39] = [
    Next::LogIn,
    Next::Announce,
    Next::Share,
    Next::Challenge,
    Next::HandIn,
    Next::Apply(Kind::Address),
    Next::Fetch,
    Next::Decide(Verdict::Approve),
    Next::Mistype,
    Next::Apply(Kind::Bank),
    Next::Fetch,
    Next::Decide(Verdict::Approve),
    Next::Mistype,
    Next::Type,
    Next::Confirm,
    Next::Apply(Kind::Contact),
    Next::Fetch,
    Next::Decide(Verdict::Deny),
    Next::Mistype,
    Next::Rebind,
    Next::Challenge,
    Next::HandIn,
    Next::Apply(Kind::Bank),
    Next::Fetch,
    Next::Decide(Verdict::Approve),
    Next::Cancel,
    Next::Type,
    Next::Confirm,
    Next::Apply(Kind::Contact),
    Next::Fetch,
    Next::Decide(Verdict::Approve),
    Next::Mistype,
    Next::Apply(Kind::Address),
    Next::Fetch,
    Next::Decide(Verdict::Deny),
    // It ends all sessions but this one, and the password does not hold any more: nothing but the key goes on.
    Next::Apply(Kind::Bank),
    Next::Fetch,
    Next::Decide(Verdict::NotMe),
    Next::Mistype,
];

/// A device, and what is counted for it.
struct Device {
    id: Option<DeviceId>,
    key: SigningKey,
    transport_key: SigningKey,
    key_identifier: KeyIdentifier,
    voprf_pk: Option<Element>,
    /// Unconfirmed evaluations since the last confirmation, and of all time.
    consecutive: i64,
    unconfirmed: i64,
}

/// A registration on its way, new or anew.
struct Registering {
    id: RegistrationId,
    nonce: DeviceNonce,
    blinded: Element,
    challenge: Option<Challenge>,
    request: Option<EvidenceRequest>,
}

pub(crate) struct Decider {
    url: String,
    /// Number of the person.
    person: usize,
    place: usize,
    folder: tempfile::TempDir,
    here: Option<LoggedIn>,
    card: VirtualCard,
    certificate: Certificate,
    device: Device,
    registering: Option<Registering>,
    waiting: Option<ApplicationAccepted>,
    fetched: Option<ApprovalAnswer>,
    sent: Option<(Verdict, DecisionRequest)>,
    /// What asked for the evaluation that is on its way, and what it was given.
    evaluation: Option<PinRequest>,
    attempt: Option<AttemptId>,
    /// Of this person, with the state of the approval.
    decided: Vec<(Taken, &'static str)>,
    /// The step whose answer got lost.
    open: Option<Next>,
    pub(crate) done: Done,
    /// How many were decided by everybody.
    count: Arc<AtomicUsize>,
}

/// The card, with its PIN.
fn unlocked(card: &mut VirtualCard) -> Egk<&mut VirtualCard> {
    let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
    let PinStatus::Usable(tries) = egk.pin_status().unwrap() else { return egk };
    let attempt = tries.attempt(LastTry::Refused).unwrap();
    assert_eq!(egk.verify_pin(attempt, &Pin::parse(&typed(CARD_PIN)).unwrap()).unwrap(), PinAnswer::Accepted);
    egk
}

impl Decider {
    /// From person number `first` on, each of whom has a password.
    pub(crate) fn new(url: &str, first: usize, count: &Arc<AtomicUsize>) -> Self {
        let mut card = card(&number(first));
        let certificate = {
            let mut egk = Egk::open(&mut card, ApduLength::Extended).unwrap();
            Certificate::parse(egk.read_certificate().unwrap().der()).unwrap()
        };
        Self {
            url: url.to_owned(),
            person: first,
            place: 0,
            folder: tempfile::tempdir().unwrap(),
            here: None,
            card,
            certificate,
            device: Device {
                id: None,
                key: new_key(),
                transport_key: new_key(),
                key_identifier: KeyIdentifier::random(&mut rng()),
                voprf_pk: None,
                consecutive: 0,
                unconfirmed: 0,
            },
            registering: None,
            waiting: None,
            fetched: None,
            sent: None,
            evaluation: None,
            attempt: None,
            decided: Vec::new(),
            open: None,
            done: Done::default(),
            count: Arc::clone(count),
        }
    }

    fn next_person(&mut self) {
        let next = Self::new(&self.url, self.person + 1, &self.count);
        let before = std::mem::replace(self, next);
        self.done = before.done;
    }

    fn service(&self) -> &Service {
        &self.here.as_ref().unwrap().service
    }

    fn device_id(&self) -> DeviceId {
        self.device.id.unwrap()
    }

    fn take(&mut self, step: Next) -> Result<(), ServiceError> {
        match step {
            Next::LogIn => self.log_in(),
            Next::Announce => self.announce(),
            Next::Share => self.ask_for_share(),
            Next::Challenge => self.fetch_challenge(),
            Next::HandIn => self.hand_in(),
            Next::Apply(kind) => self.apply(kind),
            Next::Fetch => self.fetch(),
            Next::Decide(verdict) => self.decide(verdict),
            Next::Cancel => self.cancel(),
            Next::Mistype => self.evaluate().map(|attempt| self.done.unconfirmed.push(attempt)),
            Next::Type => self.evaluate().map(|attempt| self.attempt = Some(attempt)),
            Next::Confirm => self.confirm(),
            Next::Rebind => self.rebind(),
        }
    }

    fn log_in(&mut self) -> Result<(), ServiceError> {
        let home = Home::at(self.folder.path().to_owned());
        let mut script = Script { password: Some(PASSWORD.to_owned()), ..Script::default() };
        let mut around = Surroundings { ui: &mut script, rng: &mut rng(), clock: &now };
        match login::login(&home, &Service::at(&self.url)?, kvnr(&number(self.person)), &mut around) {
            Ok(_) => {}
            Err(LoginError::Service(error)) => return Err(error),
            Err(error) => panic!("{error:?}"),
        }
        self.here = Some(login::resume(home, Arc::new(now)).unwrap());
        Ok(())
    }

    fn announce(&mut self) -> Result<(), ServiceError> {
        let nonce = DeviceNonce::random(&mut rng());
        let request = RegistrationRequest {
            method: With::Card,
            jkt: jwk(&self.device.key).thumbprint(),
            commit: nonce.commitment(),
            device_information: information(),
            replaces: Vec::new(),
        };
        let offer: RegistrationOffer = self.service().call(Method::POST, "/v1/registrations", &request)?;
        self.device.voprf_pk = Some(offer.voprf_pk);
        self.begin(offer.registration_id, nonce);
        Ok(())
    }

    fn rebind(&mut self) -> Result<(), ServiceError> {
        let nonce = DeviceNonce::random(&mut rng());
        let path = format!("/v1/devices/{}/rebind", self.device_id());
        let request = RebindingRequest { commit: nonce.commitment() };
        let offer: RebindingOffer = self.service().call(Method::POST, &path, &request)?;
        self.begin(offer.registration_id, nonce);
        Ok(())
    }

    fn begin(&mut self, id: RegistrationId, nonce: DeviceNonce) {
        self.registering = Some(Registering { id, nonce, blinded: any_element(), challenge: None, request: None });
    }

    fn ask_for_share(&mut self) -> Result<(), ServiceError> {
        let Registering { id, blinded, .. } = self.registering.as_ref().unwrap();
        let request = RegistrationPinRequest { blinded: *blinded };
        self.service()
            .call::<_, RegistrationPinAnswer>(Method::POST, &format!("/v1/registrations/{id}/pin"), &request)
            .map(drop)
    }

    fn fetch_challenge(&mut self) -> Result<(), ServiceError> {
        let path = format!("/v1/registrations/{}/challenge", self.registering.as_ref().unwrap().id);
        let answer: ChallengeAnswer = self.service().call(Method::POST, &path, &json!({}))?;
        let key = &self.here.as_ref().unwrap().profile.service_keys[0];
        let said: RegistrationChallenge = jws::verify(&answer.challenge, key.verifying_key()).unwrap();
        self.registering.as_mut().unwrap().challenge = Some(said.challenge);
        Ok(())
    }

    /// What card and device sign for this registration.
    fn signed(&mut self) -> EvidenceRequest {
        let Registering { id: registration_id, nonce, challenge, .. } = self.registering.as_ref().unwrap();
        let (registration_id, nonce_d, challenge) = (*registration_id, *nonce, challenge.unwrap());
        let (aud, kvnr, Device { key, transport_key, .. }) = (&self.url, kvnr(&number(self.person)), &self.device);
        let mut egk = unlocked(&mut self.card);
        let pairing = PairingData::new(&self.certificate, &jwk(key), self.device.key_identifier, "Kartenbund").unwrap();
        let signed_pairing_data = jws::sign(&pairing, egk.auth_key()).unwrap();
        let statement = CardStatement {
            v: VERSION,
            aud: aud.clone(),
            registration_id,
            challenge,
            jkt: jwk(key).thumbprint(),
            kvnr: kvnr.clone(),
            pairing_sha256: Sha256Hash::of(signed_pairing_data.as_bytes()),
            iat: now(),
        };
        let auth_cert = self.certificate.der.clone();
        let card_jws = jws::sign_with_x5c(&statement, &auth_cert, egk.auth_key()).unwrap();
        let evidence = HandedIn::Card(CardEvidence { signed_pairing_data, auth_cert, card_jws });
        let pop = ProofOfPossession {
            v: VERSION,
            aud: aud.clone(),
            registration_id,
            challenge,
            iat: now(),
            method: With::Card,
            kvnr,
            jkt: jwk(key).thumbprint(),
            evidence_sha256: evidence.sha256(),
            voprf_pk: self.device.voprf_pk,
            transport_jwk: jwk(transport_key),
            attestation_sha256: None,
        };
        let pop = jws::sign_with_jwk(&pop, jwk(key), key).unwrap();
        EvidenceRequest { pop, nonce_d, evidence, attestation: None }
    }

    fn hand_in(&mut self) -> Result<(), ServiceError> {
        if self.registering.as_ref().unwrap().request.is_none() {
            let request = self.signed();
            self.registering.as_mut().unwrap().request = Some(request);
        }
        let answer = self.submit_evidence()?;
        self.is_bound(answer);
        Ok(())
    }

    fn submit_evidence(&self) -> Result<RegistrationAnswer, ServiceError> {
        let Registering { id, request, .. } = self.registering.as_ref().unwrap();
        let path = format!("/v1/registrations/{id}/evidence");
        self.service().call(Method::PUT, &path, request.as_ref().unwrap())
    }

    fn is_bound(&mut self, answer: RegistrationAnswer) {
        let id = answer.device_id.unwrap();
        match self.device.id.replace(id) {
            None => self.done.devices.push(id),
            Some(before) => {
                assert_eq!(before, id, "it is bound anew, and stays the same");
                self.done.rebound += 1;
            }
        }
        self.done.bindings.push(answer.receipt.unwrap());
        self.registering = None;
    }

    /// The evidence was handed in and the answer got lost: either nothing is bound, and the same evidence binds it now, or
    /// all of it is.
    fn look_for_binding(&mut self) {
        let registration = format!("/v1/registrations/{}", self.registering.as_ref().unwrap().id);
        let found: RegistrationAnswer = self.service().get(&registration).unwrap();
        if found.receipt.is_some() {
            assert!(self.submit_evidence().unwrap_err().is_refused_with("registration_ended"), "it binds once");
            self.done.found += 1;
            self.is_bound(found);
        } else {
            assert_eq!(found.device_id, None, "half bound");
            assert_eq!(self.states(), vec!["active".to_owned(); usize::from(self.device.id.is_some())], "half bound");
            self.hand_in().unwrap();
        }
    }

    fn states(&self) -> Vec<String> {
        let devices = self.service().get::<DevicesAnswer>("/v1/devices").unwrap().devices;
        devices.into_iter().map(|device| device.state).collect()
    }

    fn apply(&mut self, kind: Kind) -> Result<(), ServiceError> {
        let application: Application = match kind {
            Kind::Address => new_address(),
            Kind::Bank => new_bank_account(),
            Kind::Contact => new_contact(),
        };
        self.waiting = Some(self.service().call(Method::POST, "/v1/applications", &application)?);
        Ok(())
    }

    fn fetch(&mut self) -> Result<(), ServiceError> {
        let approval_id = self.waiting.as_ref().unwrap().approval_id;
        self.fetched = Some(self.service().get(&format!("/v1/approvals/{approval_id}"))?);
        self.sent = None;
        Ok(())
    }

    fn decide(&mut self, verdict: Verdict) -> Result<(), ServiceError> {
        if self.sent.is_none() {
            let (waiting, fetched) = (self.waiting.as_ref().unwrap(), self.fetched.take().unwrap());
            let decision = Decision {
                v: VERSION,
                aud: self.url.clone(),
                approval_id: waiting.approval_id,
                document: fetched.document,
                challenge: fetched.challenge.unwrap(),
                decision: verdict,
                reason: None,
                match_code: (verdict == Verdict::Approve).then(|| waiting.match_code.clone()),
                iat: now(),
                exp: now() + 300,
                jti: MessageId::random(&mut rng()),
            };
            let decision = jws::sign(&decision, &self.device.key).unwrap();
            self.sent = Some((verdict, DecisionRequest { device_id: self.device_id(), decision }));
        }
        let answer = self.submit_decision()?;
        assert_eq!(answer.verdict, verdict);
        self.is_decided(answer.receipt);
        Ok(())
    }

    fn submit_decision(&self) -> Result<DecisionAnswer, ServiceError> {
        let path = format!("/v1/approvals/{}/decision", self.waiting.as_ref().unwrap().approval_id);
        self.service().call(Method::POST, &path, &self.sent.as_ref().unwrap().1)
    }

    fn is_decided(&mut self, receipt: String) {
        let ApplicationAccepted { approval_id, application_id, .. } = *self.waiting.as_ref().unwrap();
        let (verdict, request) = self.sent.take().unwrap();
        let (event, state) = match verdict {
            Verdict::Approve => ("application.approved", "approved"),
            Verdict::Deny => ("application.denied", "denied"),
            Verdict::NotMe => ("application.not_me", "denied"),
        };
        let taken = Taken { approval_id, application_id, event, receipt, decision: Some(request.decision) };
        self.decided.push((taken.clone(), state));
        self.done.taken.push(taken);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The decision was sent and the answer got lost: it is taken as it was signed, or now, and once.
    fn look_for_decision(&mut self, verdict: Verdict) {
        let approval_id = self.waiting.as_ref().unwrap().approval_id;
        let found: ApprovalAnswer = self.service().get(&format!("/v1/approvals/{approval_id}")).unwrap();
        if found.approval.state == "pending" {
            self.decide(verdict).unwrap();
        } else {
            assert!(self.submit_decision().unwrap_err().is_refused_with("already_decided"), "it is taken once");
            let (decision, receipt) = self.evidence(approval_id);
            assert_eq!(decision, self.sent.as_ref().unwrap().1.decision, "nobody else has decided");
            self.done.found += 1;
            self.is_decided(receipt);
        }
    }

    /// What is kept of a decision: what the device has signed, and the receipt.
    fn evidence(&self, approval_id: ApprovalId) -> (String, String) {
        let bundle: Bundle = self.service().get(&format!("/v1/evidence/{approval_id}")).unwrap();
        let approvals = bundle.devices.into_iter().flat_map(|device| device.approvals);
        let [found] =
            <[_; 1]>::try_from(approvals.filter(|found| found.approval_id == approval_id).collect::<Vec<_>>()).unwrap();
        (found.decision, found.receipt)
    }

    fn cancel(&mut self) -> Result<(), ServiceError> {
        let id = self.waiting.as_ref().unwrap().application_id;
        let answer: ApplicationAnswer =
            self.service().call(Method::DELETE, &format!("/v1/applications/{id}"), &json!({}))?;
        assert_eq!(answer.state, "cancelled");
        self.is_cancelled(id);
        Ok(())
    }

    fn is_cancelled(&mut self, id: ApplicationId) {
        self.decided.last_mut().unwrap().1 = "cancelled";
        self.done.cancelled.push(id);
    }

    fn look_for_cancelled(&mut self) {
        let id = self.waiting.as_ref().unwrap().application_id;
        let found: ApplicationAnswer = self.service().get(&format!("/v1/applications/{id}")).unwrap();
        match found.state.as_str() {
            "cancelled" => self.is_cancelled(id),
            "queued" => self.cancel().unwrap(),
            other => panic!("{other}"),
        }
    }

    /// One evaluation, which costs a try. What is sent once more, since the answer got lost, costs nothing more.
    fn evaluate(&mut self) -> Result<AttemptId, ServiceError> {
        let device_id = self.device_id();
        if self.evaluation.is_none() {
            let evaluation = PinEvaluation {
                v: VERSION,
                aud: self.url.clone(),
                device_id,
                voprf_pk: self.device.voprf_pk.unwrap(),
                blinded: any_element(),
                iat: now(),
            };
            let message = jws::sign(&evaluation, &self.device.transport_key).unwrap();
            self.evaluation = Some(PinRequest { message });
        }
        let path = format!("/v1/devices/{device_id}/pin/evaluate");
        let answer: PinEvaluated = self.service().call(Method::POST, &path, self.evaluation.as_ref().unwrap())?;
        self.evaluation = None;
        self.device.consecutive += 1;
        self.device.unconfirmed += 1;
        let left = MAX_CONSECUTIVE - self.device.consecutive;
        assert_eq!(answer.tries_left, left, "a counter went back, or counted what was sent once more");
        Ok(answer.attempt_id)
    }

    fn confirm(&mut self) -> Result<(), ServiceError> {
        let (device_id, attempt_id) = (self.device_id(), self.attempt.unwrap());
        let confirmation = PinConfirmation { v: VERSION, aud: self.url.clone(), device_id, attempt_id, iat: now() };
        let message = jws::sign(&confirmation, &self.device.key).unwrap();
        let path = format!("/v1/devices/{device_id}/pin/confirm");
        let answer: PinConfirmed = self.service().call(Method::POST, &path, &PinRequest { message })?;
        let Device { consecutive, unconfirmed, .. } = &mut self.device;
        *unconfirmed -= 1;
        assert_eq!((answer.wrong_tries, answer.unconfirmed), (*consecutive - 1, *unconfirmed), "a counter went back");
        *consecutive = 0;
        Ok(())
    }

    /// Everything that was told of this person still holds.
    fn check(&self) {
        for (taken, state) in &self.decided {
            let path = format!("/v1/approvals/{}", taken.approval_id);
            assert_eq!(self.service().get::<ApprovalAnswer>(&path).unwrap().approval.state, *state);
            let (decision, receipt) = self.evidence(taken.approval_id);
            assert_eq!((Some(decision), &receipt), (taken.decision.clone(), &taken.receipt), "what was told is kept");
        }
        assert_eq!(self.states(), vec!["active".to_owned(); usize::from(self.device.id.is_some())]);
    }
}

impl Client for Decider {
    fn step(&mut self, _: &Line) -> bool {
        let Some(next) = PLAN.get(self.place).copied() else {
            self.next_person();
            return true;
        };
        match self.take(next) {
            Ok(()) => {
                self.place += 1;
                true
            }
            Err(error) if is_lost(&error) => {
                self.open = Some(next);
                false
            }
            // So many answers got lost that the day has no more.
            Err(error) if error.is_refused_with("too_many_applications") => {
                self.next_person();
                true
            }
            Err(error) => panic!("{} at {}: {next:?}: {error:?}", number(self.person), self.place),
        }
    }

    fn look_back(&mut self, _: &Line) {
        if let Some(step) = self.open.take() {
            match step {
                Next::HandIn => self.look_for_binding(),
                Next::Decide(verdict) => self.look_for_decision(verdict),
                Next::Cancel => self.look_for_cancelled(),
                // Whatever became of it, asked for again it is done, and once.
                again => match self.take(again) {
                    Err(error) if error.is_refused_with("too_many_applications") => return self.next_person(),
                    done => done.unwrap(),
                },
            }
            self.place += 1;
        }
        if self.here.is_some() {
            self.check();
        }
    }
}
