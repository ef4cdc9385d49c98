//! Logging in with card and card PIN (`docs/protocol.md`, login with the card): it opens an account without any letter,
//! and stands in for a forgotten password.
//!
//! No failure of a password delays it. The card counts wrong PINs for itself; what is counted here are logins whose card
//! has signed, so that nobody without card and PIN uses up what the owner may do in a day.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::account::Account;
use super::audit::STRANGER;
use super::client::Asked;
use super::dpop::{Proof, Unremembered};
use super::http::{Code, Refusal};
use super::registration::membership;
use super::session::{self, Holder};
use super::states::{Event, States as _};
use super::store::Tx;
use super::{Service, limits, ocsp};
use crate::identity::kvnr::Kvnr;
use crate::pki::{self, VerifiedCertificate};
use crate::protocol::api::{CardLoginRequest, ChallengeAnswer, Problem, TokenAnswer};
use crate::protocol::card_login::{CardAuthentication, CardLoginStatement};
use crate::protocol::client_assertion::ByClient;
use crate::protocol::login_challenge::LiveChallenge;
use crate::protocol::registration::Membership;
use crate::protocol::session::SessionMethod;
use crate::protocol::{Challenge, NumericDate};

const DAY: i64 = 24 * 60 * 60;

/// Hands out a challenge for the session key of the proof.
#[utoipa::path(post, path = "/v1/login/card/challenge", security(("dpop_proof" = [])), responses(
    (status = 200, body = ChallengeAnswer), (status = 401, body = Problem)))]
pub(super) async fn challenge(
    State(service): State<Arc<Service>>,
    proof: Unremembered,
) -> Result<Json<ChallengeAnswer>, Refusal> {
    session::offer_challenge::<CardLoginStatement>(&service, &proof)
}

/// Opens a session for what the card signed. The challenge is used up in any case.
#[utoipa::path(post, path = "/v1/login/card", request_body = ByClient<CardLoginRequest>, security(("dpop_proof" = [])), responses(
    (status = 200, body = TokenAnswer), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 404, body = Problem), (status = 410, body = Problem), (status = 422, body = Problem),
    (status = 429, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn login(
    State(service): State<Arc<Service>>,
    proof: Proof,
    Asked { request, client, source }: Asked<CardLoginRequest>,
) -> Result<Json<TokenAnswer>, Refusal> {
    let now = service.now_unix();
    let (aud, signing) = (&service.settings.issuer, service.keys.signing());
    let challenge = LiveChallenge::check(&request.challenge, signing.listed(), aud, proof.jkt(), now)
        .ok_or(Code::ChallengeEnded)?;
    let used = challenge.challenge();
    let client_name = session::client_name(request.client_name.clone())?;
    let checked = match check(&service, &request, challenge, now) {
        // A responder that is out of reach ends the request here: the challenge is as it was.
        Ok(card) => {
            let revocation = ocsp::ask(&service, &card.certificate).await?;
            revocation.of(&card.certificate).map(|_| card)
        }
        Err(refusal) => Err(refusal),
    };

    let mut tx = service.store.begin().await?;
    take(&mut tx, used, now).await?;
    let mut actor = STRANGER.to_owned();
    let opened = match checked {
        Ok(card) => {
            actor = service.keys.pseudonym(&card.kvnr);
            let holder = Holder { proof, client, client_name, device: None };
            open(&service, &mut tx, card, used, holder, now).await
        }
        Err(refusal) => {
            // No card has signed: whoever sends this could go on for ever, and each time is kept in the audit.
            limits::count_source(&service, &mut tx, source, now).await?;
            Err(refusal)
        }
    };
    session::conclude(&service, tx, SessionMethod::Card, opened, &actor, now).await
}

/// A card that was there with its PIN, of an insurer of this service.
struct Card {
    kvnr: Kvnr,
    certificate: VerifiedCertificate,
    membership: Membership,
    authentication: CardAuthentication,
}

/// The checks that need no database, in the order of `docs/protocol.md`. Whose account it is, the certificate says.
fn check(
    service: &Service,
    request: &CardLoginRequest,
    challenge: LiveChallenge<CardLoginStatement>,
    now: NumericDate,
) -> Result<Card, Refusal> {
    let certificate = pki::verify(&request.auth_cert, &*service.accepted.anchors(), service.now())?;
    let kvnr = certificate.holder().kvnr.clone();
    let membership = membership(service, &certificate, &kvnr)?;
    let aud = &service.settings.issuer;
    let authentication = CardAuthentication::check(&certificate, &request.card_jws, challenge, aud, now)
        .map_err(|part| Refusal::new(Code::CardStatementInvalid).with_detail(part.to_string()))?;
    Ok(Card { kvnr, certificate, membership, authentication })
}

/// Takes the challenge, so that it is never taken again.
async fn take(tx: &mut Tx, challenge: Challenge, now: NumericDate) -> Result<(), Refusal> {
    let insert = "INSERT INTO card_login (challenge, used) VALUES ($1, $2) ON CONFLICT (challenge) DO NOTHING";
    let taken = sqlx::query(insert).bind(challenge.to_string()).bind(now).execute(&mut **tx).await?;
    if taken.rows_affected() == 1 { Ok(()) } else { Err(Code::ChallengeEnded.into()) }
}

/// Opens the session; uses the proofs up.
async fn open(
    service: &Service,
    tx: &mut Tx,
    card: Card,
    challenge: Challenge,
    holder: Holder,
    now: NumericDate,
) -> Result<TokenAnswer, Refusal> {
    let mut account = Account::by_kvnr(tx, &card.kvnr).await?.ok_or(Code::AccountUnknown)?;
    if !card.authentication.belongs_together(&card.membership, &account.kvnr, holder.proof.jkt()) {
        return Err(Refusal::internal());
    }
    account.check_card(&card.certificate)?;
    let today = "SELECT COUNT(*) FROM card_login WHERE account_id = $1 AND used > $2";
    let today = sqlx::query_scalar::<_, i64>(today).bind(account.id).bind(now - DAY).fetch_one(&mut **tx).await?;
    if today >= i64::from(service.current().login_limits.with_card_in_a_day) {
        return Err(Code::TooManyCardLogins.into());
    }
    let count = sqlx::query("UPDATE card_login SET account_id = $2 WHERE challenge = $1");
    count.bind(challenge.to_string()).bind(account.id).execute(&mut **tx).await?;
    account.may_enter(service, tx).await?;
    // Card and PIN open the account, whether a password follows or not.
    if account.state.after(Event::AccountOpenedByCard).is_some() {
        let person = service.keys.pseudonym(&account.kvnr);
        account.move_by(service, tx, Event::AccountOpenedByCard, &person).await?;
    }
    session::open(service, tx, &account, SessionMethod::Card, holder, now).await
}

/// Forgets challenges that cannot be used any more, and logins that are not counted any more.
pub(super) async fn forget(service: &Service) -> Result<(), Refusal> {
    let delete = sqlx::query("DELETE FROM card_login WHERE used <= $1").bind(service.now_unix() - DAY);
    service.store.forget(delete).await
}
