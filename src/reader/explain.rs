//! What was said in a recorded session, with the protection taken off: for people who look into one.
//!
//! A session without contacts can be read where its file holds the ephemeral keys and the card access number. Then every
//! step of PACE and every seal is checked, of commands and of answers, and nothing behind the first fault is believed.
//! Bodies are never shown: they hold PINs and personal data.

use bp256::BrainpoolP256r1;
use bp256::elliptic_curve::PublicKey;
use bp256::r1::ProjectivePoint;
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::pace::{self, EphemeralKeys};
use super::secure::{SecureMessaging, SecureMessagingError, SessionKeys};
use crate::apdu::tlv::DataObject;
use crate::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::secret::{Can, SecretBytes};

/// How a command went over the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// As it is.
    Plain,
    /// As a step of PACE, whose values were checked.
    Pace,
    /// Encrypted and sealed; both seals were checked.
    Secured,
    /// Encrypted and sealed, and the file holds no keys: the header is the one on the line.
    Unreadable,
}

/// A command and its answer: what may be shown of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Line of the file, counted from 1, the header.
    pub line: usize,
    /// CLA, INS, P1, P2 without protection.
    pub header: [u8; 4],
    /// Bytes of the command's data.
    pub lc: usize,
    /// Most bytes the answer may have, where any are asked for.
    pub ne: Option<u32>,
    /// Bytes of the answer and its status word; `None` where no answer came.
    pub answer: Option<(usize, StatusWord)>,
    /// How it went over the line.
    pub protection: Protection,
}

/// What is wrong with a session.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// A step of PACE holds something else than the keys and the card access number of the file give, or nothing that
    /// can be read.
    #[error("step {step} of PACE does not follow from keys and card access number")]
    Step {
        /// Counted from 1, the nonce.
        step: u8,
    },
    /// The reader's authentication token is wrong: the card access number or a key of the file is another one.
    #[error("the reader's authentication token is wrong")]
    ReaderToken,
    /// The card's authentication token is wrong.
    #[error("the card's authentication token is wrong")]
    CardToken,
    /// A command is not protected as it must be.
    #[error("the command: {0}")]
    Command(SecureMessagingError),
    /// An answer is not protected as it must be.
    #[error("the answer: {0}")]
    Answer(SecureMessagingError),
}

/// A session with its protection taken off.
#[derive(Debug, Default)]
pub struct Explanation {
    /// Everything before the first fault.
    pub commands: Vec<Explained>,
    /// The first fault, and its line.
    pub fault: Option<(usize, Fault)>,
}

/// What a file brings to read a session without contacts with.
#[derive(Debug)]
pub(super) struct SessionSecrets {
    pub(super) keys: EphemeralKeys,
    pub(super) can: Can,
}

/// Follows a session from its first exchange on.
pub(super) struct Follower {
    secrets: Option<SessionSecrets>,
    state: State,
}

enum State {
    Plain,
    /// PACE was chosen; this is the next step.
    Pace(Step),
    Secured(Box<SecureMessaging>),
    /// PACE has happened, and nobody can say with which keys.
    Closed,
}

enum Step {
    Nonce,
    Mapping(SecretBytes<16>),
    Agreement(ProjectivePoint),
    Tokens { session: SessionKeys, card: PublicKey<BrainpoolP256r1>, own: PublicKey<BrainpoolP256r1> },
}

impl Follower {
    pub(super) fn new(secrets: Option<SessionSecrets>) -> Self {
        Self { secrets, state: State::Plain }
    }

    /// Takes the protection off one exchange.
    pub(super) fn follow(
        &mut self,
        line: usize,
        command: &CommandApdu,
        answer: Option<&ResponseApdu>,
    ) -> Result<Explained, Fault> {
        let explained = |command: &CommandApdu, answer: Option<&ResponseApdu>, protection| Explained {
            line,
            header: command.header(),
            lc: command.data().len(),
            ne: command.ne(),
            answer: answer.map(|answer| (answer.data().len(), answer.status())),
            protection,
        };
        let state = std::mem::replace(&mut self.state, State::Plain);
        match (state, command.header()) {
            (State::Secured(mut session), [cla, ..]) if is_secured(cla) => {
                let (plain, _) = session.open_command(command).map_err(Fault::Command)?;
                let opened = answer.map(|answer| session.unprotect(answer)).transpose().map_err(Fault::Answer)?;
                self.state = State::Secured(session);
                Ok(explained(&plain, opened.as_ref(), Protection::Secured))
            }
            (state, [cla, ..]) if is_secured(cla) => {
                self.state = state;
                Ok(explained(command, answer, Protection::Unreadable))
            }
            // MANAGE SECURITY ENVIRONMENT, SET AT for PACE (gemSpec_COS, 14.9.9.7)
            (_, [0x00, 0x22, 0xC1, 0xA4]) => {
                self.state = match self.secrets {
                    Some(_) => State::Pace(Step::Nonce),
                    None => State::Closed,
                };
                Ok(explained(command, answer, Protection::Plain))
            }
            // GENERAL AUTHENTICATE (14.7.2)
            (State::Pace(step), [0x00 | 0x10, 0x86, ..]) => {
                let is_refused = answer.is_none_or(|answer| !answer.status().is_ok());
                if !is_refused {
                    self.state = self.pace(step, command.data(), answer.map_or(&[], ResponseApdu::data))?;
                }
                let protection = if is_refused { Protection::Plain } else { Protection::Pace };
                Ok(explained(command, answer, protection))
            }
            (state, _) => {
                // Resets are not recorded: what goes on without protection has left the session, as the card has.
                self.state = match state {
                    State::Secured(_) => State::Plain,
                    state => state,
                };
                Ok(explained(command, answer, Protection::Plain))
            }
        }
    }

    /// Checks a step of PACE from the reader's side and from the card's, and gives what comes next.
    fn pace(&self, step: Step, command: &[u8], answer: &[u8]) -> Result<State, Fault> {
        let number = match step {
            Step::Nonce => 1,
            Step::Mapping(_) => 2,
            Step::Agreement(_) => 3,
            Step::Tokens { .. } => 4,
        };
        let fault = || Fault::Step { step: number };
        let secrets = self.secrets.as_ref().ok_or_else(fault)?;
        let value = |bytes: &[u8], tag: u16| {
            let template = DataObject::parse(bytes, 0x7C).ok()?;
            template.child(tag).ok().map(<[u8]>::to_vec)
        };
        let sent = |tag| value(command, tag).ok_or_else(fault);
        let answered = |tag| value(answer, tag).ok_or_else(fault);
        let point = |bytes: Vec<u8>| pace::decode(&bytes).ok_or_else(fault);
        Ok(State::Pace(match step {
            Step::Nonce => Step::Mapping(pace::open_nonce(&secrets.can, &answered(0x80)?).ok_or_else(fault)?),
            Step::Mapping(nonce) => {
                if point(sent(0x81)?)? != secrets.keys.mapping.public_key() {
                    return Err(fault());
                }
                let card = point(answered(0x82)?)?;
                Step::Agreement(pace::map(&nonce, &secrets.keys.mapping, &card).ok_or_else(fault)?)
            }
            Step::Agreement(generator) => {
                let own = pace::public_key(&generator, &secrets.keys.agreement).ok_or_else(fault)?;
                if point(sent(0x83)?)? != own {
                    return Err(fault());
                }
                let card = point(answered(0x84)?)?;
                Step::Tokens { session: pace::agree(&secrets.keys.agreement, &card), card, own }
            }
            Step::Tokens { session, card, own } => {
                let is = |token: Vec<u8>, of| bool::from(token.as_slice().ct_eq(&pace::token(&session, of)));
                is(sent(0x85)?, &card).then_some(()).ok_or(Fault::ReaderToken)?;
                is(answered(0x86)?, &own).then_some(()).ok_or(Fault::CardToken)?;
                return Ok(State::Secured(Box::new(SecureMessaging::new(session))));
            }
        }))
    }
}

/// Secure messaging with a sealed header (ISO/IEC 7816-4, 5.4.1).
fn is_secured(cla: u8) -> bool {
    cla & 0x0C == 0x0C
}
