//! New tokens for old ones. A refresh token is of use once: when an older one comes back, two people have it, and the
//! session ends for both. The one exception is an answer that got lost on the way.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;

use super::{Row, columns, end, tokens};
use crate::jose::Thumbprint;
use crate::protocol::NumericDate;
use crate::protocol::api::{Problem, TokenAnswer, TokenRequest};
use crate::protocol::client_assertion::ByClient;
use crate::protocol::dpop::DpopProof;
use crate::server::Service;
use crate::server::account::Account;
use crate::server::client::{Asked, ClientId};
use crate::server::dpop;
use crate::server::http::{Code, Refusal};
use crate::server::notice::{self, Kind};
use crate::server::settings::SessionPolicy;
use crate::server::states::{Event, SessionState};
use crate::server::store::Connection;
use crate::server::token::RefreshToken;

/// Seconds in which an answer that got lost is given again.
const LOST_ANSWER: i64 = 60;
/// Requests for new tokens in a minute, for each session.
const MAX_A_MINUTE: i64 = 60;

/// How it shows that two have a token; the audit's detail.
const OTHER_KEY: &str = "other_key";
const USED_BEFORE: &str = "used_before";

/// What is to be done with a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgement {
    /// It is the newest: the next ones are made.
    Next,
    /// Its successor was just made and never used, so its answer may have got lost: the same ones are given again.
    Again,
    /// Somebody else has it, too: it was used before, or it comes with another key.
    Stolen(&'static str),
    /// Its time is over, or it was made by a database that was set back since.
    Over,
}

fn judge(row: &Row, generation: i64, jkt: Thumbprint, policy: &SessionPolicy, now: NumericDate) -> Judgement {
    let is_lost_answer =
        generation.checked_add(1) == Some(row.generation) && now < row.refreshed.saturating_add(LOST_ANSWER);
    if row.jkt != jkt.to_string() {
        Judgement::Stolen(OTHER_KEY)
    } else if now >= row.ends_at(policy) || generation > row.generation {
        Judgement::Over
    } else if generation == row.generation {
        Judgement::Next
    } else if is_lost_answer {
        Judgement::Again
    } else {
        Judgement::Stolen(USED_BEFORE)
    }
}

/// Gives new tokens for the refresh token that came last.
#[utoipa::path(post, path = "/v1/token", request_body = ByClient<TokenRequest>, security(("dpop_proof" = [])), responses(
    (status = 200, body = TokenAnswer), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub(in crate::server) async fn refresh(
    State(service): State<Arc<Service>>,
    parts: Parts,
    Asked { request, client, .. }: Asked<TokenRequest>,
) -> Result<Json<TokenAnswer>, Refusal> {
    let now = service.now_unix();
    let token = service.keys.tokens().open_refresh(&request.refresh_token).ok_or(Code::TokenInvalid)?;
    let asked = Renewal { token, client, now };
    let mut tx = service.store.begin_row().await?;
    let (row, judgement) = asked.judge(&service, &mut tx, dpop::check(&service, &parts, None)?).await?;
    if let Judgement::Stolen(_) = judgement {
        // None of it has happened: it happens together with the end of the session and its audit entry, or not at all.
        drop(tx);
        return Err(asked.end_stolen(&service, dpop::check(&service, &parts, None)?).await?);
    }
    row.check_open(state_of_device(&mut tx, &row).await?.as_deref())?;
    if row.refreshes > MAX_A_MINUTE {
        tx.commit().await?;
        return Err(Refusal::new(Code::TooManyRefreshes).with_retry_after(60 - now.rem_euclid(60)));
    }
    let row = match judgement {
        Judgement::Again => row,
        Judgement::Next => {
            let update = columns!(
                "UPDATE session SET generation = generation + 1, refreshed = $2 WHERE session_id = $1 RETURNING",
                ""
            );
            sqlx::query_as(update).bind(&row.session_id).bind(now).fetch_one(&mut *tx).await?
        }
        Judgement::Over | Judgement::Stolen(_) => return Err(Code::TokenInvalid.into()),
    };
    let answer = tokens(&service, &row, now)?;
    tx.commit().await?;
    Ok(Json(answer))
}

async fn state_of_device(connection: &mut Connection, row: &Row) -> Result<Option<String>, sqlx::Error> {
    let Some(device) = &row.device_id else { return Ok(None) };
    let state = sqlx::query_scalar("SELECT state FROM device WHERE device_id = $1").bind(device);
    state.fetch_optional(connection).await
}

/// A request for new tokens.
struct Renewal {
    token: RefreshToken,
    /// The confidential client that asks; `None` for a program.
    client: Option<ClientId>,
    now: NumericDate,
}

impl Renewal {
    /// Takes the proof, counts the request, and says what is to be done with its token.
    async fn judge(
        &self,
        service: &Service,
        connection: &mut Connection,
        proof: DpopProof,
    ) -> Result<(Row, Judgement), Refusal> {
        let proof = dpop::take_in(&mut *connection, proof).await?;
        // Counts, and keeps every other request for this session waiting until this one is through.
        let count = columns!(
            "UPDATE session SET refreshes = CASE WHEN minute = $2 THEN refreshes + 1 ELSE 1 END, minute = $2 \
             WHERE session_id = $1 RETURNING",
            ""
        );
        let count = sqlx::query_as::<_, Row>(count).bind(self.token.session.to_string()).bind(self.now.div_euclid(60));
        let row = count.fetch_optional(connection).await?.ok_or(Code::TokenInvalid)?;
        // What is stolen without the client's own key is of no use: its sessions are renewed by itself, a program's by
        // none.
        if row.client_id.as_deref() != self.client.as_ref().map(ClientId::as_str) {
            return Err(Code::ClientMismatch.into());
        }
        let judgement = judge(&row, self.token.generation, proof.jkt(), &service.settings.sessions, self.now);
        Ok((row, judgement))
    }

    /// Ends the session whose refresh token two people have, and tells the owner; what whoever sent it is told. All of it
    /// is one transaction, in the place of a writer.
    async fn end_stolen(&self, service: &Service, proof: DpopProof) -> Result<Refusal, Refusal> {
        let mut tx = service.store.begin().await?;
        let (row, Judgement::Stolen(how)) = self.judge(service, &mut tx, proof).await? else {
            return Ok(Code::TokenInvalid.into());
        };
        let person = service.keys.pseudonym(&Account::by_id(&mut tx, row.account_id).await?.kvnr);
        let detail = Some(format!("{how} {person}"));
        if end(&mut tx, row.id()?, "service", Event::SessionReused, detail, self.now).await? {
            notice::queue(service, &mut tx, row.account_id, Kind::SessionReused, self.now).await?;
        }
        tx.commit().await?;
        // Whoever holds the key may be the owner, and learns why she is out.
        let is_holder = how == USED_BEFORE;
        Ok(if is_holder { super::ended(SessionState::Reused) } else { Code::TokenInvalid.into() })
    }
}
