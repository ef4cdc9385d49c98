//! What was said in a recorded session, with the protection taken off: for people who look into one.
//!
//! A session without contacts can be read where its file holds the ephemeral keys and the card access number. Then every
//! step of PACE and every seal is checked, of commands and of answers, and nothing behind the first fault is believed.
//! Bodies are never shown: they hold PINs and personal data.

use bp256::BrainpoolP256r1;
use bp256::elliptic_curve::PublicKey;
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::pace;
use super::replay::SessionSecrets;
use super::secure::{SecureMessaging, SecureMessagingError, SessionKeys};
use crate::apdu::tlv::DataObject;
use crate::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::secret::SecretBytes;

/// What SET AT chooses: id-PACE-ECDH-GM-AES-CBC-CMAC-128, and SK.CAN (gemSpec_COS, 14.9.9.7).
const SET_PACE: [u8; 15] = [0x80, 0x0A, 0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x04, 0x02, 0x02, 0x83, 0x01, 0x02];

/// How a command went over the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// As it is.
    Plain,
    /// As the choice or a step of PACE; its values were checked.
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
        /// Counted from 1, the nonce; 0 is the choice of the protocol before it.
        step: u8,
    },
    /// The reader's authentication token is wrong: the card access number or a key of the file is another one.
    #[error("the reader's authentication token is wrong")]
    ReaderToken,
    /// The card's authentication token is wrong.
    #[error("the card's authentication token is wrong")]
    CardToken,
    /// A command goes out open inside a secured session, or secured where none was opened.
    #[error("the command does not belong to the session")]
    NoSession,
    /// The file ends inside PACE.
    #[error("the session ends inside PACE")]
    Ends,
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
}

enum Step {
    Nonce,
    Mapping(SecretBytes<16>),
    Agreement(pace::Generator),
    Tokens { session: SessionKeys, card: PublicKey<BrainpoolP256r1>, own: PublicKey<BrainpoolP256r1> },
}

impl Step {
    fn number(&self) -> u8 {
        match self {
            Self::Nonce => 1,
            Self::Mapping(_) => 2,
            Self::Agreement(_) => 3,
            Self::Tokens { .. } => 4,
        }
    }
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
        let has_keys = self.secrets.is_some();
        let state = std::mem::replace(&mut self.state, State::Plain);
        match (state, command.header()) {
            (State::Secured(mut session), [cla, ..]) if is_secured(cla) => {
                let (plain, _) = session.open_command(command).map_err(Fault::Command)?;
                let opened = answer.map(|answer| session.unprotect(answer)).transpose().map_err(Fault::Answer)?;
                self.state = State::Secured(session);
                Ok(explained(&plain, opened.as_ref(), Protection::Secured))
            }
            // The file has one pair of keys, so it holds one session, and that to its end.
            (State::Secured(_), _) => Err(Fault::NoSession),
            (_, [cla, ..]) if is_secured(cla) => match has_keys {
                true => Err(Fault::NoSession),
                false => Ok(explained(command, answer, Protection::Unreadable)),
            },
            // MANAGE SECURITY ENVIRONMENT, SET AT (gemSpec_COS, 14.9.9.7)
            (_, [0x00, 0x22, 0xC1, 0xA4]) if has_keys => {
                let is_pace = command.data() == SET_PACE && answer.is_some_and(|answer| answer.status().is_ok());
                is_pace.then_some(()).ok_or(Fault::Step { step: 0 })?;
                self.state = State::Pace(Step::Nonce);
                Ok(explained(command, answer, Protection::Pace))
            }
            // GENERAL AUTHENTICATE (14.7.2): the last one does not chain.
            (State::Pace(step), header) => {
                let expected = [if step.number() == 4 { 0x00 } else { 0x10 }, 0x86, 0x00, 0x00];
                (header == expected).then_some(()).ok_or(Fault::Step { step: step.number() })?;
                match answer.filter(|answer| answer.status().is_ok()) {
                    Some(answer) => self.state = self.pace(step, command.data(), answer.data())?,
                    // Refused, as a wrong card access number is, or not answered: PACE has ended, and nothing is secured.
                    None => return Ok(explained(command, answer, Protection::Plain)),
                }
                Ok(explained(command, answer, Protection::Pace))
            }
            (State::Plain, [_, 0x86, ..]) if has_keys => Err(Fault::Step { step: 0 }),
            (State::Plain, _) => Ok(explained(command, answer, Protection::Plain)),
        }
    }

    /// Whether the session may end here.
    pub(super) fn end(&self) -> Result<(), Fault> {
        match self.state {
            State::Pace(_) => Err(Fault::Ends),
            State::Plain | State::Secured(_) => Ok(()),
        }
    }

    /// Checks a step of PACE from the reader's side and from the card's, and gives what comes next.
    fn pace(&self, step: Step, command: &[u8], answer: &[u8]) -> Result<State, Fault> {
        let number = step.number();
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
                (card != secrets.keys.mapping.public_key()).then_some(()).ok_or_else(fault)?;
                Step::Agreement(pace::map(&nonce, &secrets.keys.mapping, &card).ok_or_else(fault)?)
            }
            Step::Agreement(generator) => {
                let own = pace::public_key(&generator, &secrets.keys.agreement).ok_or_else(fault)?;
                if point(sent(0x83)?)? != own {
                    return Err(fault());
                }
                let card = point(answered(0x84)?)?;
                (card != own).then_some(()).ok_or_else(fault)?;
                let session = pace::agree(&secrets.keys.agreement, &card).ok_or_else(fault)?;
                Step::Tokens { session, card, own }
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
