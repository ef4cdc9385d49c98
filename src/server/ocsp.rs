//! Whether cards were revoked: asked when a card binds or logs in, and once a day for devices that a card has bound
//! (`docs/protocol.md`, revocation).

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, Url, redirect};
use tokio::sync::watch::Receiver;

use super::account::Account;
use super::http::{Code, Refusal};
use super::notice::{self, Kind};
use super::states::{DeviceState, Event, States as _};
use super::store::from_json;
use super::{SWEEP, Service, device, session, strangers};
use crate::pki::ocsp::{self, MAX_ANSWER, NotRevoked, Responder, Status};
use crate::pki::{self, PkiError, VerifiedCertificate};
use crate::protocol::evidence::{BindingEvidence, Grounds, OcspEvidence};
use crate::protocol::registration::Method;
use crate::protocol::{NumericDate, Sha256Hash};

/// How long a responder may take (TUC_PKI_006: 10 s).
const PATIENCE: Duration = Duration::from_secs(10);
/// When whoever got no answer may try again, in seconds.
const TRY_AGAIN: i64 = 60;
/// How often devices are looked at, and when one is of which nothing could be learnt, in seconds.
const DAY: i64 = 24 * 60 * 60;
const HOUR: i64 = 60 * 60;
/// Devices looked at in one round.
const ROUND: i64 = 20;

/// Where the revocation of one CA's cards is asked for.
#[derive(Debug)]
pub struct OcspSettings {
    /// The CA's certificate (DER).
    pub issuer: Vec<u8>,
    /// Where its responder listens.
    pub url: String,
    /// The responders whose signatures are taken, beside those of the trust list.
    pub responders: Vec<Responder>,
    /// Whether answers must show that the responder knows the certificate (certHash), as those of gematik do.
    pub cert_hash: bool,
}

impl Default for OcspSettings {
    fn default() -> Self {
        Self { issuer: Vec::new(), url: String::new(), responders: Vec::new(), cert_hash: true }
    }
}

/// What is known of a card's revocation. Only [`ask`] makes one.
#[derive(Debug)]
pub(super) enum Revocation {
    /// No responder is set for its issuer.
    NotAsked,
    /// What its responder has said.
    Said(Status),
}

impl Revocation {
    /// The card may be used; what is kept of that, where its responder was asked.
    ///
    /// # Errors
    /// The card is revoked, or unknown to whom has issued it.
    pub(super) fn of(self, certificate: &VerifiedCertificate) -> Result<Option<NotRevoked>, Refusal> {
        match self {
            Self::NotAsked => Ok(None),
            Self::Said(Status::Good(proof)) if proof.is_about(certificate) => Ok(Some(proof)),
            Self::Said(Status::Good(_)) => Err(Refusal::internal()),
            Self::Said(Status::Revoked) => Err(Code::CardRevoked.into()),
            Self::Said(Status::Unknown) => Err(Code::CardUnknown.into()),
        }
    }
}

/// What stands in evidence of a proof, and its hash for the receipt.
pub(super) fn kept(proof: &NotRevoked) -> (OcspEvidence, Sha256Hash) {
    let (responder, answer) = (proof.responder().to_vec(), proof.answer().to_vec());
    let sha256 = Sha256Hash::of(&answer);
    (OcspEvidence { responder, answer }, sha256)
}

/// As [`ask`], for a certificate that was not verified yet: whoever refuses it later does so for what is wrong with it.
async fn ask_of_der(service: &Service, der: &[u8]) -> Result<Revocation, Refusal> {
    match pki::verify(der, &*service.accepted.anchors(), service.now()) {
        Ok(certificate) => ask(service, &certificate).await,
        Err(PkiError::TrustListExpired) => Err(list_expired()),
        Err(_) => Ok(Revocation::NotAsked),
    }
}

/// Whether a responder is set for the card's issuer.
pub(super) fn is_set(service: &Service, certificate: &VerifiedCertificate) -> bool {
    url_for(service, certificate).is_some()
}

fn set_for<'a>(service: &'a Service, certificate: &VerifiedCertificate) -> Option<&'a OcspSettings> {
    service.settings.ocsp.iter().find(|set| set.issuer == certificate.issuer_der())
}

fn url_for<'a>(service: &'a Service, certificate: &'a VerifiedCertificate) -> Option<&'a str> {
    let listed = certificate.listed().filter(|_| service.accepted.asks_responders());
    set_for(service, certificate).map(|set| set.url.as_str()).or_else(|| listed?.supply_point())
}

/// Whether the card's issuer is still one is not known now, since the time of the trust list is over: nothing is used up for
/// that.
pub(super) fn list_expired() -> Refusal {
    tracing::error!("the trust list has expired: a card of its CAs was not accepted");
    unavailable()
}

/// Asks the responder of the card's issuer, where there is one. It takes its time: no transaction waits for it.
///
/// # Errors
/// [`Code::CardStatusUnavailable`]: whether the card was revoked cannot be learnt now.
pub(super) async fn ask(service: &Service, certificate: &VerifiedCertificate) -> Result<Revocation, Refusal> {
    let Some(url) = url_for(service, certificate) else { return Ok(Revocation::NotAsked) };
    let request = ocsp::request(certificate).map_err(|_| Refusal::internal())?;
    let answer = answer_of(url, request).await.map_err(|error| {
        tracing::error!(%error, "the OCSP responder does not answer");
        unavailable()
    })?;
    // SE_1030: of the many that the trust list names, the one whose certificate comes with the answer.
    let is_in_answer = |it: &&Responder| answer.windows(it.der().len()).any(|bytes| bytes == it.der());
    let anchors = service.accepted.anchors();
    let mut responders: Vec<_> = anchors.responders().iter().filter(is_in_answer).cloned().collect();
    let set = set_for(service, certificate);
    responders.extend(set.iter().flat_map(|set| set.responders.iter().cloned()));
    let hash_needed = set.is_none_or(|set| set.cert_hash);
    let said = ocsp::check(&answer, certificate, &responders, hash_needed, service.now());
    said.map(Revocation::Said).map_err(|error| {
        tracing::error!(%error, "what the OCSP responder answers is not taken");
        unavailable()
    })
}

fn unavailable() -> Refusal {
    Refusal::new(Code::CardStatusUnavailable).with_retry_after(TRY_AGAIN)
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Line(#[from] reqwest::Error),
    #[error("the address is none")]
    Address,
    #[error("its HTTP status is {0}")]
    Status(reqwest::StatusCode),
    #[error("the answer is too long")]
    TooLong,
}

/// Posts the request (RFC 6960, A.1).
async fn answer_of(url: &str, request: Vec<u8>) -> Result<Vec<u8>, NoAnswer> {
    let url = Url::parse(url).map_err(|_| NoAnswer::Address)?;
    let client = Client::builder().timeout(PATIENCE).redirect(redirect::Policy::none()).build()?;
    let post = client.post(url).header(CONTENT_TYPE, "application/ocsp-request").body(request);
    let response = post.send().await.map_err(reqwest::Error::without_url)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(NoAnswer::Status(response.status()));
    }
    read(response).await
}

async fn read(mut response: Response) -> Result<Vec<u8>, NoAnswer> {
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        if answer.len().saturating_add(chunk.len()) > MAX_ANSWER {
            return Err(NoAnswer::TooLong);
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(answer)
}

/// Looks once a day after every device that a card has bound, until `stops`. It is a task of its own: a responder that
/// does not answer holds up nothing else.
pub(super) async fn look_after_devices(service: Arc<Service>, mut stops: Receiver<bool>) {
    if service.settings.ocsp.is_empty() && !service.accepted.asks_responders() {
        return;
    }
    while tokio::time::timeout(SWEEP, stops.changed()).await.is_err() {
        let now = service.now_unix();
        let due = "SELECT device_id, account_id, evidence FROM device WHERE state IN ('active', 'locked') AND method = $1 \
                   AND (revocation_due IS NULL OR revocation_due <= $2) ORDER BY revocation_due LIMIT $3";
        let due = sqlx::query_as::<_, (String, i64, String)>(due).bind(Method::Card.as_str()).bind(now).bind(ROUND);
        let due = due.fetch_all(service.store.pool()).await.unwrap_or_else(|error| {
            tracing::error!(%error, "devices whose card may have been revoked cannot be looked for");
            Vec::new()
        });
        for (id, account_id, evidence) in due {
            if *stops.borrow() {
                return;
            }
            if let Err(refusal) = look_after(&service, &id, account_id, &evidence, now).await {
                tracing::error!(code = refusal.code.as_str(), device = id, "whether a card was revoked is not known");
            }
        }
    }
}

async fn look_after(
    service: &Service,
    id: &str,
    account_id: i64,
    evidence: &str,
    now: NumericDate,
) -> Result<(), Refusal> {
    let binding: BindingEvidence = from_json(evidence)?;
    let Grounds::Card(grounds) = binding.grounds else { return Err(Refusal::internal()) };
    if !claim(service, id, now).await? {
        return Ok(()); // another process asks
    }
    let asked = ask_of_der(service, &grounds.card.auth_cert).await;
    let mut tx = service.store.begin().await?;
    // It was bound anew meanwhile: what was asked about is not what it rests on any more, and the new card was asked about.
    let rests_on = sqlx::query_scalar::<_, String>("SELECT evidence FROM device WHERE device_id = $1").bind(id);
    if rests_on.fetch_one(&mut *tx).await? != evidence {
        return Ok(());
    }
    let is_revoked = matches!(asked, Ok(Revocation::Said(Status::Revoked)));
    // What cannot be learnt now is asked for again soon, as the claim says: the device stays as it is, since a line that
    // is cut would otherwise lock everybody out. So does one whose card is unknown: nobody has said that it was revoked.
    if matches!(asked, Ok(Revocation::NotAsked | Revocation::Said(Status::Good(_) | Status::Revoked))) {
        let update = sqlx::query("UPDATE device SET revocation_due = $2 WHERE device_id = $1").bind(id);
        update.bind(now.saturating_add(DAY)).execute(&mut *tx).await?;
    }
    if is_revoked {
        expire(service, &mut tx, id, account_id, now).await?;
    }
    tx.commit().await?;
    match asked? {
        Revocation::Said(Status::Unknown) => Err(Code::CardUnknown.into()),
        _ => Ok(()),
    }
}

/// Takes this device for the next hour: of two processes that found it due, one asks.
async fn claim(service: &Service, id: &str, now: NumericDate) -> Result<bool, Refusal> {
    let mut tx = service.store.begin_row().await?;
    let claim = "UPDATE device SET revocation_due = $2 \
                 WHERE device_id = $1 AND (revocation_due IS NULL OR revocation_due <= $3)";
    let claim = sqlx::query(claim).bind(id).bind(now.saturating_add(HOUR)).bind(now).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(claim.rows_affected() == 1)
}

/// The card of this device was revoked: its time ends, as when an operator says so, and so does that of devices with codes
/// which a card has shown. Nobody knows which one it was; what the person's next card has bound itself is not touched.
async fn expire(
    service: &Service,
    tx: &mut super::store::Tx,
    id: &str,
    account_id: i64,
    now: NumericDate,
) -> Result<(), Refusal> {
    let account = Account::by_id(tx, account_id).await?;
    let state = sqlx::query_scalar::<_, String>("SELECT state FROM device WHERE device_id = $1").bind(id);
    let state = DeviceState::parse(&state.fetch_one(&mut **tx).await?)?;
    if device::moves(service, tx, &account, id, state, Event::DeviceExpired, "service").await? {
        device::expire_bound_by_codes_of_card(service, tx, &account, "service").await?;
        session::end_all(service, tx, &account, "service", now).await?;
        strangers::void(service, tx, &account).await?;
        notice::queue(service, tx, account.id, Kind::CardsRevoked, now).await?;
    }
    Ok(())
}
