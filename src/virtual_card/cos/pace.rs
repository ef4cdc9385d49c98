//! PACE on the card's side: MANAGE SECURITY ENVIRONMENT, SET AT, the four steps of GENERAL AUTHENTICATE, and the session
//! that comes of them (gemSpec_COS, 14.9.9.7, 14.7.2 and chapter 13).

use bp256::BrainpoolP256r1;
use bp256::elliptic_curve::{PublicKey, SecretKey};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::super::image::Image;
use super::{Answer, Command, FolderId, Random, Session, done};
use crate::apdu::tlv::DataObject;
use crate::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::reader::pace::{self, EncryptedNonce};
use crate::reader::secure::{SecureMessaging, SecureMessagingError, SessionKeys};
use crate::secret::SecretBytes;

/// `6987`: an object of secure messaging is missing (from memory of the specification).
const SECURE_OBJECT_MISSING: StatusWord = StatusWord(0x6987);
/// `6988`: an object of secure messaging is wrong (from memory of the specification).
const SECURE_OBJECT_WRONG: StatusWord = StatusWord(0x6988);
/// The bits of CLA that say: secured.
const SECURED: u8 = 0x0C;
/// The bit of CLA that says: more follows.
const CHAINED: u8 = 0x10;

/// How far PACE is, and the session once it is through.
#[derive(Default)]
pub(super) struct Pace {
    /// Which connection key was chosen.
    key: Option<u8>,
    step: Step,
    session: Option<(u8, SecureMessaging)>,
    /// The command that is carried out, where it came secured.
    current: Option<Current>,
}

/// A command that came secured.
struct Current {
    /// Its data came encrypted, or it has none.
    is_encrypted: bool,
    /// How much the answer may hold once it is protected.
    ne: usize,
}

/// What was computed so far.
#[derive(Default)]
enum Step {
    #[default]
    Begin,
    Nonce(SecretBytes<16>),
    Mapped(pace::Generator),
    Agreed {
        keys: SessionKeys,
        own: PublicKey<BrainpoolP256r1>,
        other: PublicKey<BrainpoolP256r1>,
    },
}

impl Pace {
    /// Opens a command that comes secured; `None` for one that comes plain, which ends the session.
    pub(super) fn open(&mut self, command: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, StatusWord> {
        self.current = None;
        let is_secured = command.first().is_some_and(|cla| cla & SECURED == SECURED);
        let session = self.session.take();
        let Some((key, mut session)) = session.filter(|_| is_secured) else { return Ok(None) };
        let command = CommandApdu::parse(command).map_err(|_| SECURE_OBJECT_MISSING)?;
        let (plain, is_encrypted) = session.open_command(&command).map_err(|error| match error {
            SecureMessagingError::Malformed => SECURE_OBJECT_MISSING,
            _ => SECURE_OBJECT_WRONG,
        })?;
        self.session = Some((key, session));
        self.current = Some(Current { is_encrypted, ne: command.ne().unwrap_or_default() as usize });
        Ok(Some(plain.to_bytes()))
    }

    /// Protects the answer to the command that was opened last.
    pub(super) fn protect(&mut self, answer: &ResponseApdu) -> ResponseApdu {
        let ne = self.current.as_ref().map_or(0, |current| current.ne);
        let fits = SecureMessaging::protected_length(answer.data().len()) <= ne;
        let too_long = ResponseApdu::new([], StatusWord::WRONG_LENGTH);
        match &mut self.session {
            Some((_, session)) => session.protect_answer(if fits { answer } else { &too_long }),
            None => ResponseApdu::new([], answer.status()),
        }
    }

    pub(super) fn is_secured_by(&self, key: u8) -> bool {
        self.current.is_some() && self.session.as_ref().is_some_and(|(own, _)| *own == key)
    }

    pub(super) fn is_secured(&self) -> bool {
        self.current.is_some()
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.current.as_ref().is_some_and(|current| current.is_encrypted)
    }

    /// No session is made inside another one.
    fn refuse_inside(&self) -> Result<(), StatusWord> {
        if self.is_secured() { Err(StatusWord::CONDITIONS_NOT_SATISFIED) } else { Ok(()) }
    }

    /// The steps follow one another, or begin anew.
    pub(super) fn forget_step(&mut self) {
        self.step = Step::Begin;
    }
}

impl Session {
    /// Chooses key and protocol for GENERAL AUTHENTICATE: a connection key of the MF and the only protocol there is.
    pub(super) fn mse_set_pace(&mut self, image: &Image, command: &[u8]) -> Answer {
        self.pace.refuse_inside()?;
        let command = Command::parse(command)?;
        let (protocol, key) = match command.data_only()? {
            [0x80, 0x0A, rest @ ..] => match rest.split_at_checked(pace::OID.len()) {
                Some((protocol, [0x83, 1, key])) => (protocol, *key),
                _ => return Err(StatusWord::WRONG_DATA),
            },
            _ => return Err(StatusWord::WRONG_DATA),
        };
        if protocol != pace::OID {
            return Err(StatusWord::FUNCTION_NOT_SUPPORTED);
        }
        let keys = &image.folder(FolderId::ROOT).connection_keys;
        keys.iter().find(|own| own.identifier == key).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        self.pace.key = Some(key);
        self.pace.forget_step();
        done()
    }

    /// One of the four steps; which one is told by what was done before, and must fit what comes.
    pub(super) fn general_authenticate(
        &mut self,
        image: &Image,
        header: [u8; 4],
        command: &[u8],
        random: &mut Random<'_>,
    ) -> Answer {
        let [cla, _, p1, p2] = header;
        if (p1, p2) != (0, 0) {
            return Err(StatusWord::WRONG_P1_P2);
        }
        self.pace.refuse_inside()?;
        let command = Command::parse(command)?;
        let identifier = self.pace.key.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let keys = &image.folder(FolderId::ROOT).connection_keys;
        let key = keys.iter().find(|own| own.identifier == identifier).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        self.authorise(image, FolderId::ROOT, &key.guard, header)?;
        let can = key.can.as_ref().ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        let step = std::mem::take(&mut self.pace.step);
        if (cla & CHAINED == 0) != matches!(step, Step::Agreed { .. }) {
            return Err(StatusWord::CLA_NOT_SUPPORTED);
        }
        let template = DataObject::parse(command.apdu.data(), 0x7C).map_err(|_| StatusWord::WRONG_DATA)?;
        let value = |tag| template.child(tag).map_err(|_| StatusWord::WRONG_DATA);
        let point = |tag| pace::decode(value(tag)?).ok_or(StatusWord::WRONG_DATA);
        let answer = |tag: u8, value: &[u8]| {
            let length = |bytes: usize| u8::try_from(bytes).unwrap_or(u8::MAX);
            let objects = [&[0x7C, length(value.len() + 2), tag, length(value.len())], value].concat();
            Ok(ResponseApdu::new(objects, StatusWord::OK))
        };
        match step {
            Step::Begin => {
                let EncryptedNonce { nonce, cryptogram } = pace::encrypt_nonce(can, &random());
                self.pace.step = Step::Nonce(nonce);
                answer(0x80, &cryptogram)
            }
            Step::Nonce(nonce) => {
                let other = point(0x81)?;
                let own = ephemeral_key(random);
                let generator = pace::map(&nonce, &own, &other).ok_or(StatusWord::WRONG_DATA)?;
                self.pace.step = Step::Mapped(generator);
                answer(0x82, &pace::encode(&own.public_key()))
            }
            Step::Mapped(generator) => {
                let other = point(0x83)?;
                let secret = ephemeral_key(random);
                let own = pace::public_key(&generator, &secret).ok_or(StatusWord::WRONG_DATA)?;
                if own == other {
                    return Err(StatusWord::WRONG_DATA);
                }
                let keys = pace::agree(&secret, &other).ok_or(StatusWord::WRONG_DATA)?;
                self.pace.step = Step::Agreed { keys, own, other };
                answer(0x84, &pace::encode(&own))
            }
            Step::Agreed { keys, own, other } => {
                let theirs = value(0x85)?;
                if !bool::from(theirs.ct_eq(&pace::token(&keys, &own))) {
                    return Err(StatusWord::AUTHENTICATION_FAILED);
                }
                let token = pace::token(&keys, &other);
                self.pace.session = Some((identifier, SecureMessaging::new(keys)));
                answer(0x86, &token)
            }
        }
    }
}

/// A key of the curve: two in three draws are below its order.
fn ephemeral_key(random: &mut Random<'_>) -> SecretKey<BrainpoolP256r1> {
    loop {
        if let Ok(key) = SecretKey::from_slice(random().expose()) {
            return key;
        }
    }
}
