//! A forgotten password (`docs/protocol.md`, forgotten password), without the card: by an approval on a registered device,
//! or by a letter. The service answers everybody alike; whether there is such an account, this program does not learn.

use std::time::Duration;

use super::home::{Home, Placed, Profile};
use super::login::{self, LoginError, Met, Opened};
use super::service::{Service, ServiceError};
use super::session::SessionKey;
use super::{Step, Surroundings, skew};
use crate::identity::kvnr::Kvnr;
use crate::protocol::api::{ResetAnswer, ResetConfirmation, ResetRequest, ResetWay};
use crate::protocol::approval::MatchCode;
use crate::protocol::{NumericDate, ResetId};

/// How often the service is asked whether the device has approved.
const ASK_EVERY: Duration = Duration::from_secs(3);
/// How often at most: no approval lives for more than an hour, whatever the clocks say.
const MAX_QUESTIONS: u64 = 60 * 60 / ASK_EVERY.as_secs();
/// How many answers may get lost before the person is told. What was approved is given again.
const MAX_LOST: u32 = 3;

/// A request that waits for its approval on a registered device.
#[derive(Debug)]
pub struct Asked {
    reset_id: ResetId,
    questioner: Questioner,
    /// What is typed on the device.
    pub match_code: MatchCode,
    /// Until when it can be approved, by the service's clock.
    pub expires_at: NumericDate,
}

/// Who asked: nobody else gets what is approved.
#[derive(Debug)]
struct Questioner {
    profile: Profile,
    key: SessionKey,
    placed: Placed,
    /// How far the service's clock is ahead, in seconds.
    skew: i64,
}

/// Orders a letter with an initial password. The old password stays valid.
///
/// # Errors
/// [`LoginError`].
pub fn order_letter(
    home: &Home,
    service: &Service,
    kvnr: Kvnr,
    around: &mut Surroundings<'_>,
) -> Result<(), LoginError> {
    ask(home, service, kvnr, ResetWay::Letter, around).map(drop)
}

/// Asks the registered devices of the account. The person has to be shown the match code next.
///
/// # Errors
/// [`LoginError`].
pub fn ask_device(
    home: &Home,
    service: &Service,
    kvnr: Kvnr,
    around: &mut Surroundings<'_>,
) -> Result<Asked, LoginError> {
    let (questioner, answer) = ask(home, service, kvnr, ResetWay::Device, around)?;
    match answer {
        ResetAnswer { reset_id: Some(reset_id), match_code: Some(match_code), expires_at: Some(expires_at) } => {
            Ok(Asked { reset_id, questioner, match_code, expires_at })
        }
        _ => Err(ServiceError::Contradiction("reset").into()),
    }
}

fn ask(
    home: &Home,
    service: &Service,
    kvnr: Kvnr,
    way: ResetWay,
    around: &mut Surroundings<'_>,
) -> Result<(Questioner, ResetAnswer), LoginError> {
    around.ui.step(Step::CheckService);
    let met = Met::ask(home, service)?;
    let skew = skew(met.configuration.iat, around);
    let profile = met.profile(home, service, kvnr)?;
    let (key, placed) = login::session_key(home, around)?;
    around.ui.step(Step::AskForReset);
    let request = ResetRequest { kvnr: profile.kvnr.as_str().to_owned(), way };
    let iat = (around.clock)().saturating_add(skew);
    let answer = service.ask_with_proof("/v1/password/reset", &profile.service, &request, &key, iat)?;
    Ok((Questioner { profile, key, placed, skew }, answer))
}

/// Waits until the device has approved, and keeps the session in which the person chooses her password. `sleep` waits.
///
/// # Errors
/// [`LoginError`]; [`ServiceError::Refused`] with `reset_not_approved` when nobody approved it.
pub fn wait_for_approval(
    home: &Home,
    service: &Service,
    asked: Asked,
    sleep: &mut dyn FnMut(Duration),
    around: &mut Surroundings<'_>,
) -> Result<Opened, LoginError> {
    let Questioner { profile, key, placed, skew } = asked.questioner;
    let request = ResetConfirmation { reset_id: asked.reset_id, client_name: Some(login::client_name()) };
    around.ui.step(Step::WaitForApproval);
    let life = asked.expires_at.saturating_sub((around.clock)().saturating_add(skew));
    let mut left = u64::try_from(life).unwrap_or_default().div_ceil(ASK_EVERY.as_secs()).min(MAX_QUESTIONS);
    let mut may_be_lost = MAX_LOST;
    loop {
        let iat = (around.clock)().saturating_add(skew);
        match service.ask_for_tokens("/v1/password/reset/confirm", &profile.service, &request, &key, iat) {
            Err(error) if error.is_refused_with("reset_not_approved") && left > 0 => {
                left -= 1;
                sleep(ASK_EVERY);
            }
            Err(ServiceError::Unreachable(_) | ServiceError::Malformed) if may_be_lost > 0 => {
                may_be_lost -= 1;
                sleep(ASK_EVERY);
            }
            answer => return login::keep(home, &profile, key, answer?, skew, placed, around),
        }
    }
}
