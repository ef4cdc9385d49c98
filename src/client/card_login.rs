//! Logging in with the card (`docs/protocol.md`, login with the card): opens an account without any letter, and stands in
//! for a forgotten password. The card says whose account it is.

use thiserror::Error;

use super::card_pin::{PinError, PinRefusal};
use super::card_signing::{CardFlow, CardRefusal, Wanted, under_one_pin};
use super::home::{Home, Profile};
use super::login::{self, LoginError, Met, Opened};
use super::service::{Service, ServiceError};
use super::session::SessionKey;
use super::{FromCard, Step, Surroundings, skew};
use crate::egk::{ApduLength, Egk, EgkError};
use crate::identity::certificate::Certificate;
use crate::identity::kvnr::Kvnr;
use crate::jose::jws::{self, SignError};
use crate::protocol::VERSION;
use crate::protocol::api::{CardLoginRequest, ChallengeAnswer};
use crate::protocol::card_login::CardLoginStatement;
use crate::reader::CardChannel;
use crate::reader::pinpad::NoEntry;

/// Why the card opened no session.
#[derive(Debug, Error)]
pub enum CardLoginError {
    /// As for any login.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The card.
    #[error(transparent)]
    Card(#[from] EgkError),
    /// The card's certificate does not do, which the service would say too.
    #[error("the card's certificate does not do")]
    Certificate(#[from] CardRefusal),
    /// The card PIN cannot be used as it is.
    #[error("the card PIN cannot be used")]
    Pin(#[source] PinRefusal),
    /// The reader's keypad gave the card nothing.
    #[error("nothing was typed on the reader that the card saw: {0:?}")]
    Keypad(NoEntry),
    /// A message could not be put together: it never happens.
    #[error("a message could not be put together")]
    Message,
}

impl From<PinError> for CardLoginError {
    fn from(error: PinError) -> Self {
        match error {
            PinError::Card(error) => error.into(),
            PinError::Ask(error) => LoginError::from(error).into(),
            PinError::Refused(refusal) => Self::Pin(refusal),
            PinError::Keypad(why) => Self::Keypad(why),
            PinError::Unanswered(error) => EgkError::Channel(error).into(),
        }
    }
}

impl From<ServiceError> for CardLoginError {
    fn from(error: ServiceError) -> Self {
        LoginError::from(error).into()
    }
}

impl FromCard for CardLoginError {
    fn card(&self) -> Option<&EgkError> {
        match self {
            Self::Card(error) => Some(error),
            _ => None,
        }
    }
}

/// Opens a session with the card on `channel` and keeps it. The PIN is entered once, and the card signs once under it.
/// `kvnr` is the account the card must be of; without one it is the card's.
///
/// # Errors
/// [`CardLoginError`].
pub fn login_with_card(
    home: &Home,
    service: &Service,
    kvnr: Option<&Kvnr>,
    channel: impl CardChannel,
    length: ApduLength,
    around: &mut Surroundings<'_>,
) -> Result<(Profile, Opened), CardLoginError> {
    around.ui.step(Step::CheckService);
    let met = Met::ask(home, service)?;
    let skew = skew(met.configuration.iat, around);
    let (key, placed) = login::session_key(home, around).map_err(LoginError::from)?;
    let payer_iks = met.configuration.payer_iks.clone();
    let wanted = Wanted { kvnr, payer_iks: &payer_iks };
    let mut flow = Login { home, service, met, key, skew, profile: None };
    let request = under_one_pin(&mut flow, channel, length, wanted, around)?;
    let Login { key, profile, .. } = flow;
    let profile = profile.ok_or(CardLoginError::Message)?;
    around.ui.step(Step::LogIn);
    let iat = (around.clock)().saturating_add(skew);
    let answer = service.ask_for_tokens("/v1/login/card", &profile.service, &request, &key, iat)?;
    let opened = login::keep(home, &profile, key, answer, skew, placed, around)?;
    Ok((profile, opened))
}

/// A login on its way.
struct Login<'a> {
    home: &'a Home,
    service: &'a Service,
    met: Met,
    key: SessionKey,
    /// How far the service's clock is ahead.
    skew: i64,
    /// Whose card it is, once that is known.
    profile: Option<Profile>,
}

impl CardFlow for Login<'_> {
    type Signed = CardLoginRequest;
    type Error = CardLoginError;

    /// This computer may log in to the account of this card.
    fn meet<C: CardChannel>(&mut self, _: &mut Egk<C>, certificate: &Certificate) -> Result<(), CardLoginError> {
        let holder = certificate.holder().map_err(CardRefusal::from)?;
        self.profile = Some(self.met.profile(self.home, self.service, holder.kvnr)?);
        Ok(())
    }

    fn sign<C: CardChannel>(
        &mut self,
        egk: &mut Egk<C>,
        certificate: &Certificate,
        around: &mut Surroundings<'_>,
    ) -> Result<CardLoginRequest, CardLoginError> {
        let profile = self.profile.as_ref().ok_or(CardLoginError::Message)?;
        around.ui.step(Step::FetchChallenge);
        let now = (around.clock)().saturating_add(self.skew);
        let path = "/v1/login/card/challenge";
        let answer: ChallengeAnswer =
            self.service.ask_with_proof(path, &profile.service, &serde_json::json!({}), &self.key, now)?;
        let jkt = self.key.thumbprint();
        let statement = CardLoginStatement {
            v: VERSION,
            aud: profile.service.clone(),
            challenge: login::checked_challenge::<CardLoginStatement>(&answer.challenge, profile, jkt, now)?,
            jkt,
            kvnr: profile.kvnr.clone(),
            iat: now,
        };
        around.ui.step(Step::CardSigns);
        let card_jws =
            jws::sign_with_x5c(&statement, &certificate.der, egk.auth_key()).map_err(|error| match error {
                SignError::Key(error) => error.into(),
                SignError::Json(_) => CardLoginError::Message,
            })?;
        let (challenge, client_name) = (answer.challenge, Some(login::client_name()));
        Ok(CardLoginRequest { challenge, auth_cert: certificate.der.clone(), card_jws, client_name })
    }
}
