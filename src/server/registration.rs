//! Registering devices (`docs/protocol.md`, registration).

pub(super) mod binding;
mod refusal;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::account::Account;
use super::addition;
use super::attestation;
use super::audit::{self, Entry};
use super::device::{self, OwnDevice, Room};
use super::device_code::{self, ValidCode};
use super::http::{Code, Path, Refusal, Unread};
use super::ocsp::{self, Revocation};
use super::session::{Presented, Session};
use super::states::{Event, RegistrationState, States as _, transition, transition_with};
use super::store::{Connection, Tx, to_json};
use super::{Service, pin, random, rebinding};
use crate::chip::Iccsn;
use crate::identity::kvnr::Kvnr;
use crate::pki::{self, PkiError, VerifiedCertificate};
use crate::protocol::api::{
    ChallengeAnswer, DeviceAnswer, EvidenceRequest, Problem, RegistrationAnswer, RegistrationOffer,
    RegistrationPinAnswer, RegistrationPinRequest, RegistrationRequest,
};
use crate::protocol::application::NewDevice;
use crate::protocol::attestation::AttestedKey;
use crate::protocol::evidence::{CardGrounds, ChipGrounds, Grounds, QrGrounds};
use crate::protocol::presence::{ChipPresence, Occasion, RegisteredCard};
use crate::protocol::qr::QrProof;
use crate::protocol::registration::{
    AnnouncedNonce, CardPossession, DevicePossession, Evidence, Expected, ExpectedShare, HandedIn, Membership, Method,
    RegistrationError,
};
use crate::protocol::service::RegistrationChallenge;
use crate::protocol::{Challenge, NumericDate, RegistrationId, Sha256Hash, VERSION};

/// Life of a registration and of its challenge, in seconds.
pub(super) const REGISTRATION_LIFE: i64 = 30 * 60;
const CHALLENGE_LIFE: i64 = 180;
/// Registrations begun in a day for each account.
const MAX_A_DAY: i64 = 10;
/// Questions to a responder for each registration.
const MAX_QUESTIONS: i64 = 10;
const DAY: i64 = 24 * 60 * 60;

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    account_id: i64,
    state: String,
    method: String,
    pub(super) jkt: String,
    commitment: String,
    device_information: String,
    pub(super) expires_at: i64,
    challenge: Option<String>,
    challenge_expires_at: Option<i64>,
    device_id: Option<String>,
    /// What is kept of the credential that was made.
    attestation: Option<String>,
    /// The one element that was evaluated.
    pin_blinded_sha256: Option<String>,
    /// The device that it binds anew, where it makes none.
    pub(super) rebinds: Option<String>,
    /// The devices whose place the new one takes, where it takes any: JSON.
    replaces: Option<String>,
}

/// A challenge that was handed out for this registration, is alive, and was taken back just now: nobody gets it twice.
/// Only [`take_challenge`] makes one.
struct FreshChallenge {
    challenge: Challenge,
    registration_id: RegistrationId,
}

/// Announces a device key.
#[utoipa::path(post, path = "/v1/registrations", request_body = RegistrationRequest, responses(
    (status = 201, body = RegistrationOffer), (status = 403, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 422, body = Problem), (status = 423, body = Problem),
    (status = 429, body = Problem)))]
pub(super) async fn open(
    State(service): State<Arc<Service>>,
    presented: Presented,
    body: Unread<RegistrationRequest>,
) -> Result<(StatusCode, Json<RegistrationOffer>), Refusal> {
    let now = service.now_unix();
    let (Session { account, origin, .. }, mut tx) = presented.enter(&service).await?;
    let request = body.read()?;
    if !request.device_information.is_valid() {
        return Err(Code::DeviceInformationInvalid.into());
    }
    check_begun(&mut tx, &account, now).await?;
    // It is checked again when a device is bound; here it spares the person the card PIN.
    let leaving = OwnDevice::named(&mut tx, &account, &request.replaces).await?;
    let replaces: Vec<_> = leaving.iter().map(OwnDevice::id).collect();
    if !request.replaces.iter().all(|id| replaces.contains(id)) {
        return Err(Code::NotFound.into());
    }
    let _there_is = Room::for_new(&mut tx, &account, leaving).await?;
    let registration_id = RegistrationId::random(&mut random());
    let expires_at = now + REGISTRATION_LIFE;
    let insert = sqlx::query(
        "INSERT INTO registration (registration_id, account_id, state, method, jkt, commitment, device_information, \
         created, expires_at, replaces) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    );
    let insert = insert.bind(registration_id.to_string()).bind(account.id).bind(RegistrationState::Open.as_str());
    let insert = insert.bind(request.method.as_str()).bind(request.jkt.to_string()).bind(request.commit.to_string());
    let insert = insert.bind(to_json(&request.device_information)?).bind(now).bind(expires_at);
    let replaces = (!replaces.is_empty()).then(|| to_json(&replaces)).transpose()?;
    let insert = insert.bind(replaces);
    insert.execute(&mut *tx).await?;
    let voprf_pk = pin::offer(&service, &mut tx, &registration_id.to_string()).await?;
    audit_event(&service, &mut tx, &account, registration_id, Event::RegistrationOpened, Ok(None)).await?;
    let addition = match request.method {
        Method::Device => {
            let RegistrationRequest { jkt, commit, device_information, .. } = request;
            let device = NewDevice { registration_id, name: device_information.name, jkt, commit };
            Some(addition::put_up(&service, &mut tx, &account, (device, &origin), now).await?)
        }
        Method::Chip => {
            registered_card(&mut tx, &account).await?; // before the person looks for the card
            None
        }
        Method::Card | Method::Qr => None,
    };
    tx.commit().await?;
    if addition.is_some() {
        service.watchers.nudge();
    }
    let aud = service.settings.issuer.clone();
    let offer = RegistrationOffer { registration_id, expires_at, server_time: now, voprf_pk, aud, addition };
    Ok((StatusCode::CREATED, Json(offer)))
}

/// Evaluates an element with the share that was offered, so that the device file can be locked before anything is bound.
/// It is one element for each registration; the same again gets the same answer.
#[utoipa::path(post, path = "/v1/registrations/{id}/pin", params(("id" = String, Path)),
    request_body = RegistrationPinRequest, responses(
    (status = 200, body = RegistrationPinAnswer), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 410, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn evaluate_pin(
    State(service): State<Arc<Service>>,
    presented: Presented,
    Path(id): Path<String>,
    body: Unread<RegistrationPinRequest>,
) -> Result<Json<RegistrationPinAnswer>, Refusal> {
    let (Session { account, .. }, mut tx) = presented.enter(&service).await?;
    let request = body.read()?;
    let (registration_id, row, state) = find(&mut tx, &account, &id).await?;
    if service.now_unix() >= row.expires_at {
        return Err(Code::RegistrationEnded.into());
    }
    let registration = (id.as_str(), state, row.pin_blinded_sha256.as_deref());
    let answer = pin::evaluate_for_registration(&service, &mut tx, registration, &request.blinded).await?;
    audit_event(&service, &mut tx, &account, registration_id, Event::RegistrationPinEvaluated, Ok(None)).await?;
    tx.commit().await?;
    Ok(Json(answer))
}

/// Hands out a fresh challenge, signed by the service; one handed out before is void.
#[utoipa::path(post, path = "/v1/registrations/{id}/challenge", params(("id" = String, Path)), responses(
    (status = 200, body = ChallengeAnswer), (status = 404, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn challenge(
    State(service): State<Arc<Service>>,
    presented: Presented,
    Path(id): Path<String>,
) -> Result<Json<ChallengeAnswer>, Refusal> {
    let now = service.now_unix();
    let (Session { account, .. }, mut tx) = presented.enter(&service).await?;
    let (registration_id, row, state) = find(&mut tx, &account, &id).await?;
    let challenge = Challenge::random(&mut random());
    let exp = now + CHALLENGE_LIFE;
    let update = "UPDATE registration SET state = $3, challenge = $4, challenge_expires_at = $5 \
                  WHERE registration_id = $1 AND state = $2";
    let event = Event::RegistrationChallenged;
    let text = challenge.to_string();
    let moved = transition_with(&mut tx, &id, state, event, update, |update| update.bind(text).bind(exp)).await?;
    if moved.is_none() || now >= row.expires_at {
        return Err(Code::RegistrationEnded.into());
    }
    audit_event(&service, &mut tx, &account, registration_id, Event::RegistrationChallenged, Ok(None)).await?;
    let message = RegistrationChallenge {
        v: VERSION,
        aud: service.settings.issuer.clone(),
        registration_id,
        challenge,
        jkt: crate::jose::Thumbprint::parse(&row.jkt).ok_or_else(Refusal::internal)?,
        kvnr: account.kvnr,
        iat: now,
        exp,
    };
    let answer = ChallengeAnswer { challenge: service.keys.sign(&message)? };
    tx.commit().await?;
    Ok(Json(answer))
}

/// Hands in the evidence. All of it is checked before anything changes; the challenge is used up in any case.
#[utoipa::path(put, path = "/v1/registrations/{id}/evidence", params(("id" = String, Path)),
    request_body = EvidenceRequest, responses(
    (status = 200, body = RegistrationAnswer), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 410, body = Problem), (status = 422, body = Problem), (status = 423, body = Problem),
    (status = 503, body = Problem)))]
pub(super) async fn evidence(
    State(service): State<Arc<Service>>,
    presented: Presented,
    Path(id): Path<String>,
    body: Unread<EvidenceRequest>,
) -> Result<Json<RegistrationAnswer>, Refusal> {
    // A responder that is out of reach ends the request here: registration and challenge are as they were.
    let request = body.read();
    let certificate = match request.as_ref().map(|request| &request.evidence) {
        Ok(HandedIn::Card(card)) => Some(pki::verify(&card.auth_cert, &*service.accepted.anchors(), service.now())),
        Ok(HandedIn::Qr(_) | HandedIn::Device(_) | HandedIn::Chip(_)) | Err(_) => None,
    };
    let revocation = match &certificate {
        Some(Ok(certificate)) if ocsp::is_set(&service, certificate) => {
            count_question(&service, &presented.may_ask(&service).await?.account, &id).await?;
            ocsp::ask(&service, certificate).await?
        }
        Some(Err(PkiError::TrustListExpired)) => {
            presented.may_ask(&service).await?;
            return Err(ocsp::list_expired());
        }
        // What is wrong with the certificate is said when its turn comes.
        Some(_) | None => Revocation::NotAsked,
    };
    let now = service.now_unix();
    let (session, mut tx) = presented.enter(&service).await?;
    let account = &session.account;
    let request = request?;
    let (registration_id, row, state) = find(&mut tx, account, &id).await?;
    if state != RegistrationState::Open || now >= row.expires_at {
        return Err(Code::RegistrationEnded.into());
    }
    let checked = match take_challenge(&mut tx, &row, registration_id, now).await? {
        Some(challenge) => {
            let handed_in = (request, certificate, revocation);
            check(&service, &mut tx, &session, &row, challenge, handed_in, now).await
        }
        None => Err(Code::ChallengeEnded.into()),
    };
    let bound = match checked {
        Ok(proofs) if row.rebinds.is_some() => rebinding::rebind(&service, &mut tx, account, &row, proofs, now).await,
        Ok(proofs) => binding::bind(&service, &mut tx, &session, &row, proofs, now).await,
        Err(refusal) => Err(refusal),
    };
    match bound {
        Ok(answer) => {
            tx.commit().await?; // nothing after it can fail: what is bound is never answered with an error
            Ok(Json(answer))
        }
        Err(refusal) if refusal.code == Code::Internal => Err(refusal), // rolled back whole
        Err(refusal) => {
            let moved = transition(&mut tx, &id, state, Event::RegistrationRefused).await?;
            moved.ok_or_else(Refusal::internal)?;
            let result = Err(&refusal);
            audit_event(&service, &mut tx, account, registration_id, Event::RegistrationRefused, result).await?;
            tx.commit().await?;
            Err(refusal)
        }
    }
}

/// Counts that a responder is asked about a card for this registration, and keeps that before it is asked: nobody makes the
/// service ask again and again.
async fn count_question(service: &Service, account: &Account, id: &str) -> Result<(), Refusal> {
    let mut tx = service.store.begin_row().await?;
    let (_, row, state) = find(&mut tx, account, id).await?;
    if state != RegistrationState::Open || service.now_unix() >= row.expires_at {
        return Err(Code::RegistrationEnded.into());
    }
    let count = "UPDATE registration SET asked = asked + 1 WHERE registration_id = $1 AND asked < $2";
    let counted = sqlx::query(count).bind(id).bind(MAX_QUESTIONS).execute(&mut *tx).await?;
    tx.commit().await?;
    if counted.rows_affected() == 1 { Ok(()) } else { Err(Code::RegistrationEnded.into()) }
}

/// How far a registration is: a client that lost the answer learns here whether its device is bound.
#[utoipa::path(get, path = "/v1/registrations/{id}", params(("id" = String, Path)), responses(
    (status = 200, body = RegistrationAnswer), (status = 404, body = Problem)))]
pub(super) async fn state(
    State(service): State<Arc<Service>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Json<RegistrationAnswer>, Refusal> {
    let mut connection = service.store.pool().acquire().await?;
    let (_, row, state) = find(&mut connection, &session.account, &id).await?;
    let Some(device_id) = row.device_id else {
        return Ok(Json(RegistrationAnswer {
            state: state.as_str().to_owned(),
            device_id: None,
            binding_level: None,
            active_from: None,
            device: None,
            receipt: None,
            addition: addition::state_of(&mut connection, &session.account, &id, service.now_unix()).await?,
        }));
    };
    let (device, evidence) = device::find(&service, &mut connection, &session.account, &device_id).await?;
    Ok(Json(bound(device, evidence.receipt)))
}

/// The answer for a registration that has bound a device.
pub(super) fn bound(device: DeviceAnswer, receipt: String) -> RegistrationAnswer {
    RegistrationAnswer {
        state: device.state.clone(),
        device_id: Some(device.device_id),
        binding_level: Some(device.binding_level),
        active_from: Some(device.active_from),
        device: Some(device),
        receipt: Some(receipt),
        addition: None,
    }
}

/// Takes the challenge back, so that it is never taken again; `None` when there is none that is alive.
async fn take_challenge(
    tx: &mut Tx,
    row: &Row,
    registration_id: RegistrationId,
    now: NumericDate,
) -> Result<Option<FreshChallenge>, Refusal> {
    let update = "UPDATE registration SET challenge = NULL, challenge_expires_at = NULL WHERE registration_id = $1";
    sqlx::query(update).bind(registration_id.to_string()).execute(&mut **tx).await?;
    let alive = row.challenge_expires_at.is_some_and(|expires_at| now < expires_at);
    let challenge = row.challenge.as_ref().filter(|_| alive).map(|text| text.parse());
    match challenge {
        Some(challenge) => {
            let challenge = challenge.map_err(|_| Refusal::internal())?;
            Ok(Some(FreshChallenge { challenge, registration_id }))
        }
        None => Ok(None),
    }
}

/// Everything that was proven.
pub(super) struct Proofs {
    challenge: FreshChallenge,
    nonce: AnnouncedNonce,
    pub(super) evidence: Evidence,
    pub(super) device: DevicePossession,
    /// That the key is in a TPM, where this was shown.
    pub(super) attested: Option<AttestedKey>,
    pub(super) expected: Expected,
    /// The code that was used, where one was.
    code: Option<ValidCode>,
    /// What is kept of the evidence.
    pub(super) grounds: Grounds,
    /// The hash of what was said of the card's revocation, where somebody was asked.
    pub(super) ocsp_sha256: Option<Sha256Hash>,
    pub(super) pop: String,
}

impl Proofs {
    /// The proofs belong together: one card or code, one account, one registration, one key.
    pub(super) fn belong_together(&self, account: &Account) -> bool {
        let Self { challenge, nonce: AnnouncedNonce { .. }, evidence, device, attested, expected, .. } = self;
        challenge.registration_id == expected.registration_id
            && expected.kvnr == account.kvnr
            && attested.as_ref().is_none_or(|key| key.is_about(expected, device))
            && evidence.belongs_together(device, expected)
    }
}

/// Makes every check of the registration, in the order of `docs/protocol.md`; each gives its proof.
async fn check(
    service: &Service,
    tx: &mut Tx,
    Session { account, id: session_id, .. }: &Session,
    row: &Row,
    challenge: FreshChallenge,
    (request, certificate, revocation): (EvidenceRequest, Option<Result<VerifiedCertificate, PkiError>>, Revocation),
    now: NumericDate,
) -> Result<Proofs, Refusal> {
    let share = match &row.rebinds {
        Some(device) => ExpectedShare::OfDevice(pin::share::of_device(tx, device).await?),
        None => {
            let share = pin::share::offered(tx, &challenge.registration_id.to_string()).await?;
            ExpectedShare::Offered(share.ok_or(Code::RegistrationEnded)?)
        }
    };
    let expected = Expected {
        aud: service.settings.issuer.clone(),
        registration_id: challenge.registration_id,
        challenge: challenge.challenge,
        jkt: crate::jose::Thumbprint::parse(&row.jkt).ok_or_else(Refusal::internal)?,
        kvnr: account.kvnr.clone(),
        share,
    };
    let EvidenceRequest { pop, nonce_d, evidence: handed_in, attestation } = request;
    // The evidence is of the kind that was announced.
    if handed_in.method().as_str() != row.method {
        return Err(Refusal::new(Code::PossessionInvalid).with_detail("method"));
    }
    let announced = (handed_in.method(), handed_in.sha256());
    let mut ocsp_sha256 = None;
    let (evidence, grounds, code) = match handed_in {
        HandedIn::Card(card) => {
            let certificate = certificate.ok_or_else(Refusal::internal)??;
            let membership = membership(service, &certificate, &account.kvnr)?;
            account.check_card(&certificate)?;
            let ocsp = revocation.of(&certificate)?.map(|proof| ocsp::kept(&proof));
            let (ocsp, sha256) = ocsp.unzip();
            ocsp_sha256 = sha256;
            let possession = CardPossession::check(&certificate, &card, &expected, now)?;
            let issuer_cert = certificate.issuer_der().to_vec();
            let grounds = Grounds::Card(CardGrounds { issuer_cert, card, ocsp });
            (Evidence::Card(certificate, membership, possession), grounds, None)
        }
        HandedIn::Qr(qr) => {
            let code = device_code::find(service, tx, (account, *session_id), qr.qr_id, now).await?;
            let proof = match QrProof::check(&qr, &code.key, &expected, now) {
                Ok(proof) => proof,
                Err(error) => return Err(code.count_failure(service, tx, account, error, now).await?),
            };
            (Evidence::Qr(proof), Grounds::Qr(QrGrounds { qr_jwk: code.key.clone(), qr }), Some(code))
        }
        HandedIn::Device(approved) => {
            let (proof, grounds) = addition::proof(service, tx, account, approved.approval_id, &expected).await?;
            (Evidence::Device(proof), Grounds::Device(grounds), None)
        }
        HandedIn::Chip(chip) => {
            let Expected { aud, challenge, jkt, .. } = expected.clone();
            let (occasion, roots) = (Occasion { aud, challenge, jkt }, &*service.settings.cvc_roots);
            let presence = ChipPresence::check(&chip, occasion, roots, service.now())
                .map_err(|error| Refusal::new(Code::ChipInvalid).with_detail(error.to_string()))?;
            let registered = registered_card(tx, account).await?;
            let card = RegisteredCard::check(&presence, &registered, &account.kvnr).ok_or(Code::OtherCard)?;
            (Evidence::Chip(presence, card), Grounds::Chip(ChipGrounds { chip }), None)
        }
    };
    let device = DevicePossession::check(&pop, announced, &expected, now)?;
    let commit = row.commitment.parse().map_err(|_| Refusal::internal())?;
    let nonce = AnnouncedNonce::check(&nonce_d, commit)?;
    let attested = attestation::check(row.attestation.as_deref(), attestation, &expected, &device)?;
    Ok(Proofs { challenge, nonce, evidence, device, attested, expected, code, grounds, ocsp_sha256, pop })
}

/// The number of the card that the register has for this person.
async fn registered_card(tx: &mut Tx, account: &Account) -> Result<Iccsn, Refusal> {
    let query = "SELECT iccsn, revoked_iccsn FROM account WHERE account_id = $1";
    let query = sqlx::query_as::<_, (Option<String>, Option<String>)>(query).bind(account.id);
    let (number, revoked) = query.fetch_one(&mut **tx).await?;
    let number = number.ok_or(Code::CardNumberUnknown)?;
    if revoked.is_some_and(|revoked| revoked == number) {
        return Err(Code::CardRevoked.into());
    }
    Iccsn::from_digits(&number).ok_or_else(Refusal::internal)
}

/// The card is of the account and of an insurer of this service, whose name is told otherwise.
pub(super) fn membership(
    service: &Service,
    certificate: &VerifiedCertificate,
    account: &Kvnr,
) -> Result<Membership, Refusal> {
    Membership::check(certificate, account, &service.settings.payer_iks).map_err(|error| {
        let refusal = Refusal::from(error);
        match &certificate.holder().organization {
            Some(name) if error == RegistrationError::OtherInsurer => refusal.with_detail(name.clone()),
            _ => refusal,
        }
    })
}

/// The account has not begun too many registrations today.
pub(super) async fn check_begun(
    connection: &mut Connection,
    account: &Account,
    now: NumericDate,
) -> Result<(), Refusal> {
    let begun = "SELECT COUNT(*) FROM registration WHERE account_id = $1 AND created > $2";
    let begun = sqlx::query_scalar::<_, i64>(begun).bind(account.id).bind(now - DAY);
    let begun = begun.fetch_one(connection).await?;
    if begun < MAX_A_DAY { Ok(()) } else { Err(Code::TooManyRegistrations.into()) }
}

pub(super) async fn find(
    connection: &mut Connection,
    account: &Account,
    id: &str,
) -> Result<(RegistrationId, Row, RegistrationState), Refusal> {
    let registration_id = id.parse().map_err(|_| Code::NotFound)?;
    let query = sqlx::query_as::<_, Row>(
        "SELECT account_id, state, method, jkt, commitment, device_information, expires_at, challenge, \
         challenge_expires_at, device_id, attestation, pin_blinded_sha256, rebinds, replaces FROM registration \
         WHERE registration_id = $1",
    );
    let row = query.bind(id).fetch_optional(connection).await?;
    let row = row.filter(|row| row.account_id == account.id).ok_or(Code::NotFound)?;
    let state = RegistrationState::parse(&row.state)?;
    Ok((registration_id, row, state))
}

/// The hash that was announced for a registration of this account which is open.
pub(super) async fn commitment_of_open(
    connection: &mut Connection,
    account: &Account,
    id: &str,
    now: NumericDate,
) -> Result<Sha256Hash, Refusal> {
    let (_, row, state) = find(connection, account, id).await?;
    if state != RegistrationState::Open || now >= row.expires_at {
        return Err(Code::RegistrationEnded.into());
    }
    row.commitment.parse().map_err(|_| Refusal::internal())
}

pub(super) async fn audit_event(
    service: &Service,
    tx: &mut Tx,
    account: &Account,
    registration_id: RegistrationId,
    event: Event,
    outcome: Result<Option<String>, &Refusal>,
) -> Result<(), Refusal> {
    let actor = service.keys.pseudonym(&account.kvnr);
    let object = registration_id.to_string();
    let (result, detail) = match outcome {
        Ok(detail) => ("ok", detail),
        // An insurer's name tells about a person; the other details name parts of messages.
        Err(refusal) if refusal.code == Code::OtherInsurer => (refusal.code.as_str(), None),
        Err(refusal) => (refusal.code.as_str(), refusal.detail().map(str::to_owned)),
    };
    let entry = Entry { actor: &actor, device: None, event, object: &object, result, detail };
    Ok(audit::append(tx, entry, service.now_unix()).await?)
}
