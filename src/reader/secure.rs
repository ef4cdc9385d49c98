//! Secure messaging: commands and answers encrypted with AES-128 in CBC mode and sealed with CMAC, under the session keys
//! of PACE (gemSpec_COS V3.13.1, chapter 13; ISO/IEC 7816-4, chapter 10; BSI TR-03110-3, F).
//!
//! It fails shut. An answer that is not protected exactly as it must be ends the session and wipes its keys, also when it
//! looks like a plain success or a plain refusal; from then on nothing passes in either direction until the card is reset.

use aes::Aes128;
use aes::cipher::block_padding::Iso7816;
use aes::cipher::{BlockCipherEncrypt as _, BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use cmac::{Cmac, KeyInit as _, Mac as _};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

use super::pinpad::Keypad;
use super::{CardChannel, ChannelError};
use crate::apdu::{CommandApdu, NE_EXTENDED, NE_SHORT, ResponseApdu, StatusWord};
use crate::secret::SecretBytes;

/// Bytes of an AES block, of a key, and of the initialisation vector.
const BLOCK: usize = 16;
/// Bytes of a seal: the first half of the CMAC.
pub const MAC: usize = 8;
/// Most bytes of an answer that fit a short APDU once they are encrypted and sealed: 87 81 E1 01 and 224 bytes, 99 02 SW,
/// 8E 08 MAC are 242; sixteen more would be 258.
pub const NE_SHORT_SECURE: u32 = 223;

/// The same for answers of at most `carried` bytes (256 to 65536): 87 82 xx xx 01, 99 02 SW, 8E 08 MAC are 19 beside
/// the blocks, of which at least one byte is padding.
pub fn most_secured(carried: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "16")]
    let block = BLOCK as u32;
    (carried.saturating_sub(19) / block * block).saturating_sub(1)
}

/// The bits of CLA that say: secured, header included (ISO/IEC 7816-4, 5.4.1).
const SECURED: u8 = 0x0C;

/// Tags of the data objects (ISO/IEC 7816-4, 10.2).
const PLAIN: u8 = 0x81;
const CRYPTOGRAM: u8 = 0x87;
const EXPECTED_LENGTH: u8 = 0x97;
const STATUS: u8 = 0x99;
const SEAL: u8 = 0x8E;
/// What a cryptogram begins with: the padding that was used, that of ISO/IEC 7816-4.
const PADDED: u8 = 0x01;

/// Why an answer is not to be believed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SecureMessagingError {
    /// A status word and nothing else: the card has left the session, or somebody speaks in its place.
    #[error("the answer {0} is not protected")]
    Unprotected(StatusWord),
    /// The data objects are not those of a protected answer.
    #[error("the protected answer is malformed")]
    Malformed,
    /// The seal is wrong: something was changed, or an old answer came again.
    #[error("the protected answer has a wrong seal")]
    WrongMac,
    /// The status word outside is another one than inside.
    #[error("the protected answer says {inside} inside and {outside} outside")]
    StatusDiffers {
        /// Sealed.
        inside: StatusWord,
        /// As the reader gave it.
        outside: StatusWord,
    },
    /// The session has ended before.
    #[error("the protected session has ended")]
    Ended,
}

/// The keys of a session.
#[derive(Debug)]
pub struct SessionKeys {
    encryption: SecretBytes<BLOCK>,
    seal: SecretBytes<BLOCK>,
}

impl SessionKeys {
    /// Keys that PACE agreed on: for encryption and for seals.
    pub fn new(encryption: SecretBytes<BLOCK>, seal: SecretBytes<BLOCK>) -> Self {
        Self { encryption, seal }
    }

    /// CMAC of `parts`, one behind the other; its first eight bytes.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; MAC] {
        let mut cmac = Cmac::<Aes128>::new(self.seal.expose().into());
        for part in parts {
            cmac.update(part);
        }
        let whole: [u8; BLOCK] = cmac.finalize().into_bytes().into();
        std::array::from_fn(|i| whole.get(i).copied().unwrap_or_default())
    }
}

/// A session as either side keeps it: the keys, and the counter both count up before every command and every answer.
#[derive(Debug)]
pub struct SecureMessaging {
    keys: SessionKeys,
    counter: u128,
}

impl SecureMessaging {
    /// A session that begins now.
    pub fn new(keys: SessionKeys) -> Self {
        Self { keys, counter: 0 }
    }

    /// Protects the next command.
    pub fn protect(&mut self, command: &CommandApdu) -> CommandApdu {
        self.counter = self.counter.wrapping_add(1);
        let [cla, ins, p1, p2] = command.header();
        let header = [cla | SECURED, ins, p1, p2];
        let mut body = Vec::new();
        if !command.data().is_empty() {
            body = self.cryptogram(command.data());
        }
        if let Some(ne) = command.ne() {
            body.extend(expected_length(ne));
        }
        let mac = self.seal(&header, &body);
        push(&mut body, SEAL, &mac);
        let ne = if command.is_extended() { NE_EXTENDED } else { NE_SHORT };
        CommandApdu::new(header[0], ins, p1, p2).with_data(body).with_ne(ne)
    }

    /// Checks and opens the answer to it.
    ///
    /// # Errors
    /// [`SecureMessagingError`]; the session must not be used any more then.
    pub fn unprotect(&mut self, answer: &ResponseApdu) -> Result<ResponseApdu, SecureMessagingError> {
        use SecureMessagingError::{Malformed, StatusDiffers, Unprotected, WrongMac};
        self.counter = self.counter.wrapping_add(1);
        if answer.data().is_empty() {
            return Err(Unprotected(answer.status()));
        }
        let (data, rest) = match object(answer.data()).ok_or(Malformed)? {
            (tag @ (PLAIN | CRYPTOGRAM), value, rest) => (Some((tag, value)), rest),
            (STATUS, ..) => (None, answer.data()),
            _ => return Err(Malformed),
        };
        let Some((STATUS, &[sw1, sw2], rest)) = object(rest) else { return Err(Malformed) };
        let sealed = answer.data().get(..answer.data().len() - rest.len()).ok_or(Malformed)?;
        let Some((SEAL, mac, [])) = object(rest) else { return Err(Malformed) };
        if !bool::from(self.seal(&[], sealed).as_slice().ct_eq(mac)) {
            return Err(WrongMac);
        }
        let (inside, outside) = (StatusWord(u16::from_be_bytes([sw1, sw2])), answer.status());
        if inside != outside {
            return Err(StatusDiffers { inside, outside });
        }
        let data = match data {
            None => Vec::new(),
            Some((PLAIN, value)) => value.to_vec(),
            Some((_, cryptogram)) => self.open(cryptogram).ok_or(Malformed)?,
        };
        Ok(ResponseApdu::new(data, inside))
    }

    /// Checks and opens a command, as the card does; and whether its data were encrypted, or it had none.
    ///
    /// # Errors
    /// [`SecureMessagingError`]; the card ends the session then.
    pub fn open_command(&mut self, command: &CommandApdu) -> Result<(CommandApdu, bool), SecureMessagingError> {
        use SecureMessagingError::{Malformed, WrongMac};
        self.counter = self.counter.wrapping_add(1);
        let header = command.header();
        let [cla, ins, p1, p2] = header;
        if cla & SECURED != SECURED {
            return Err(Malformed);
        }
        let body = command.data();
        let (data, rest) = match object(body) {
            Some((tag @ (PLAIN | CRYPTOGRAM), value, rest)) => (Some((tag, value)), rest),
            _ => (None, body),
        };
        let (ne, rest) = match object(rest) {
            Some((EXPECTED_LENGTH, value, rest)) => (Some(value), rest),
            _ => (None, rest),
        };
        let sealed = body.get(..body.len() - rest.len()).ok_or(Malformed)?;
        let Some((SEAL, mac, [])) = object(rest) else { return Err(Malformed) };
        if !bool::from(self.seal(&header, sealed).as_slice().ct_eq(mac)) {
            return Err(WrongMac);
        }
        let mut plain = CommandApdu::new(cla & !SECURED, ins, p1, p2);
        match data {
            None => {}
            Some((PLAIN, value)) => plain = plain.with_data(value),
            Some((_, cryptogram)) => plain = plain.with_data(self.open(cryptogram).ok_or(Malformed)?),
        }
        if let Some(ne) = ne {
            plain = plain.with_ne(match *ne {
                [0] => NE_SHORT,
                [0, 0] => NE_EXTENDED,
                [ne] => u32::from(ne),
                [hi, lo] => u32::from(u16::from_be_bytes([hi, lo])),
                _ => return Err(Malformed),
            });
        }
        Ok((plain, !matches!(data, Some((PLAIN, _)))))
    }

    /// How long the answer's data become once `length` bytes are protected.
    pub fn protected_length(length: usize) -> usize {
        let cryptogram = match length {
            0 => 0,
            // The mark of the padding, and at least one byte of it.
            _ => 1 + (length + 1).next_multiple_of(BLOCK),
        };
        let header = match cryptogram {
            0 => 0,
            1..=0x7F => 2,
            0x80..=0xFF => 3,
            _ => 4,
        };
        header + cryptogram + 4 + 2 + MAC
    }

    /// Protects the answer to it, as the card does.
    pub fn protect_answer(&mut self, answer: &ResponseApdu) -> ResponseApdu {
        self.counter = self.counter.wrapping_add(1);
        let mut body = Vec::new();
        if !answer.data().is_empty() {
            body = self.cryptogram(answer.data());
        }
        push(&mut body, STATUS, &answer.status().0.to_be_bytes());
        let mac = self.seal(&[], &body);
        push(&mut body, SEAL, &mac);
        ResponseApdu::new(body, answer.status())
    }

    /// The data object with `data` encrypted.
    fn cryptogram(&self, data: &[u8]) -> Vec<u8> {
        let encryptor =
            cbc::Encryptor::<Aes128>::new(self.keys.encryption.expose().into(), &self.initialisation_vector());
        let mut value = vec![PADDED];
        value.extend(encryptor.encrypt_padded_vec::<Iso7816>(data));
        let mut out = Vec::with_capacity(value.len() + 4);
        push(&mut out, CRYPTOGRAM, &value);
        out
    }

    /// What is in the value of a cryptogram.
    fn open(&self, cryptogram: &[u8]) -> Option<Vec<u8>> {
        let encrypted = cryptogram.strip_prefix(&[PADDED])?;
        let decryptor =
            cbc::Decryptor::<Aes128>::new(self.keys.encryption.expose().into(), &self.initialisation_vector());
        decryptor.decrypt_padded_vec::<Iso7816>(encrypted).ok()
    }

    /// The seal over the counter, a padded `header` (none in answers) and padded data `objects` (none in some commands).
    fn seal(&self, header: &[u8], objects: &[u8]) -> [u8; MAC] {
        let padded = |bytes: &[u8]| {
            let mut padded = Zeroizing::new(bytes.to_vec());
            if !bytes.is_empty() {
                padded.push(0x80);
                let length = padded.len().next_multiple_of(BLOCK);
                padded.resize(length, 0);
            }
            padded
        };
        self.keys.mac(&[&self.counter.to_be_bytes(), &padded(header), &padded(objects)])
    }

    fn initialisation_vector(&self) -> aes::Block {
        let mut block = self.counter.to_be_bytes().into();
        Aes128::new(self.keys.encryption.expose().into()).encrypt_block(&mut block);
        block
    }
}

/// A line to a card that is plain until PACE has made keys, secured from then on, and dead after the first doubt.
#[derive(Debug)]
pub struct SecureChannel<C> {
    channel: C,
    state: State,
    refuses_le_00: bool,
}

#[derive(Debug)]
enum State {
    Plain,
    Secured(Box<SecureMessaging>),
    Ended,
}

impl<C: CardChannel> SecureChannel<C> {
    /// A line that is plain for now.
    pub fn new(channel: C) -> Self {
        Self { channel, state: State::Plain, refuses_le_00: false }
    }

    /// From now on no short command asks with Le = `00`, plain or secured: some terminals refuse it. The length a secured
    /// command asks for outside is sealed by nothing; that cards take any that suffices is from memory of ISO/IEC 7816-4.
    pub fn avoid_le_00(&mut self) {
        self.refuses_le_00 = true;
    }

    /// Sends what goes out on the line, and asks for no more than the reader carries. How much is asked for outside a
    /// secured command is sealed by nothing.
    fn send(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        let short = (self.refuses_le_00 && !command.is_extended()).then_some(NE_SHORT - 1);
        let most = self.channel.max_data().into_iter().chain(short).min();
        match most.and_then(|most| command.capped(most)) {
            Some(capped) => self.channel.transmit(&capped),
            None => self.channel.transmit(command),
        }
    }

    /// Secures everything from now on.
    pub fn begin(&mut self, keys: SessionKeys) {
        self.state = State::Secured(Box::new(SecureMessaging::new(keys)));
    }

    /// Whether what is sent now goes out secured.
    pub fn is_secured(&self) -> bool {
        matches!(self.state, State::Secured(_))
    }

    /// Whether the reader has a keypad, also where nothing that is typed on it reaches the card.
    pub fn reader_has_keypad(&mut self) -> bool {
        self.channel.keypad().is_some()
    }

    /// Gives the line back.
    pub fn into_inner(self) -> C {
        self.channel
    }
}

impl<C: CardChannel> CardChannel for SecureChannel<C> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        // Taken out, so that every way but the good one leaves a line that has ended, and the keys are wiped.
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Plain => {
                self.state = State::Plain;
                self.send(command)
            }
            State::Secured(mut session) => {
                let answer = self.send(&session.protect(command))?;
                let answer = session.unprotect(&answer)?;
                self.state = State::Secured(session);
                Ok(answer)
            }
            State::Ended => Err(SecureMessagingError::Ended.into()),
        }
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        self.state = State::Ended; // whatever becomes of the reset, the keys are gone
        self.channel.reset()?;
        self.state = State::Plain;
        Ok(())
    }

    fn atr(&self) -> &[u8] {
        self.channel.atr()
    }

    fn max_data(&self) -> Option<u32> {
        self.channel.max_data()
    }

    /// None once the line is secured: the reader knows no keys to protect the command with.
    fn keypad(&mut self) -> Option<&mut dyn Keypad> {
        match self.state {
            State::Plain => self.channel.keypad(),
            State::Secured(_) | State::Ended => None,
        }
    }
}

/// Writes a data object with a one-byte tag.
fn push(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    match value.len().to_be_bytes() {
        [.., 0, length @ 0..=0x7F] => out.push(length),
        [.., 0, length] => out.extend([0x81, length]),
        [.., hi, lo] => out.extend([0x82, hi, lo]),
    }
    out.extend_from_slice(value);
}

/// Reads a data object with a one-byte tag: the tag, the value, and what is behind it.
fn object(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, length, rest) = match bytes {
        [tag, length @ 0..=0x7F, rest @ ..] => (*tag, usize::from(*length), rest),
        [tag, 0x81, length, rest @ ..] => (*tag, usize::from(*length), rest),
        [tag, 0x82, hi, lo, rest @ ..] => (*tag, usize::from(u16::from_be_bytes([*hi, *lo])), rest),
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

/// The data object with the length that is expected: two bytes where the command is an extended one.
fn expected_length(ne: u32) -> Vec<u8> {
    let [_, _, hi, lo] = ne.to_be_bytes();
    if ne > NE_SHORT { vec![EXPECTED_LENGTH, 2, hi, lo] } else { vec![EXPECTED_LENGTH, 1, lo] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> SessionKeys {
        let key = |byte| SecretBytes::written(|key| *key = [byte; 16]);
        SessionKeys::new(key(0x11), key(0x22))
    }

    /// A card at the end of the line that answers every command with `answer`, and whatever `tamper` makes of that.
    struct Card<F> {
        session: SecureMessaging,
        seen: Vec<CommandApdu>,
        answer: ResponseApdu,
        tamper: F,
    }

    impl<F: FnMut(ResponseApdu) -> ResponseApdu> CardChannel for Card<F> {
        fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
            let (plain, _) = self.session.open_command(command)?;
            self.seen.push(plain);
            Ok((self.tamper)(self.session.protect_answer(&self.answer)))
        }

        fn reset(&mut self) -> Result<(), ChannelError> {
            Ok(())
        }
    }

    fn secured<F: FnMut(ResponseApdu) -> ResponseApdu>(answer: ResponseApdu, tamper: F) -> SecureChannel<Card<F>> {
        let card = Card { session: SecureMessaging::new(keys()), seen: Vec::new(), answer, tamper };
        let mut channel = SecureChannel::new(card);
        channel.begin(keys());
        channel
    }

    fn read() -> CommandApdu {
        CommandApdu::new(0x00, 0xB0, 0x84, 0x00).with_ne(NE_SHORT_SECURE)
    }

    #[test]
    fn commands_and_answers_arrive_as_they_were() {
        let commands = [
            CommandApdu::new(0x00, 0xA4, 0x04, 0x0C),
            CommandApdu::new(0x80, 0x20, 0x00, 0x02),
            CommandApdu::new(0x00, 0xA4, 0x04, 0x0C).with_data([0xD2; 16]),
            CommandApdu::new(0x00, 0xB0, 0x84, 0x00).with_ne(NE_SHORT),
            CommandApdu::new(0x00, 0xB0, 0x84, 0x00).with_ne(NE_EXTENDED),
            CommandApdu::new(0x00, 0xB0, 0x84, 0x00).with_ne(600),
            CommandApdu::new(0x00, 0x2A, 0x9E, 0x9A).with_data([7; 32]).with_ne(NE_SHORT),
            CommandApdu::new(0x00, 0xD6, 0x00, 0x00).with_data([7; 300]),
        ];
        for length in [0, 1, 15, 16, 17, 223, 1900] {
            let answer = ResponseApdu::new(vec![0xA5; length], StatusWord(0x6282));
            let mut channel = secured(answer.clone(), |answer| answer);
            for command in &commands {
                assert_eq!(channel.transmit(command).unwrap(), answer);
            }
            assert_eq!(channel.into_inner().seen, commands);
        }
    }

    #[test]
    fn a_short_answer_holds_223_bytes_and_not_one_more() {
        let length = |data: usize| {
            let mut session = SecureMessaging::new(keys());
            session.protect_answer(&ResponseApdu::new(vec![0; data], StatusWord::OK)).data().len()
        };
        assert_eq!((length(NE_SHORT_SECURE as usize), length(NE_SHORT_SECURE as usize + 1)), (242, 258));
        for data in 0..600 {
            assert_eq!(SecureMessaging::protected_length(data), length(data), "{data}");
        }
    }

    /// Every doubt ends the session: nothing is sent any more, whatever the card says next.
    #[test]
    fn whatever_is_not_protected_as_it_must_be_ends_the_session() {
        use SecureMessagingError::{Ended, Malformed, StatusDiffers, Unprotected, WrongMac};
        type Tamper = fn(ResponseApdu) -> ResponseApdu;
        fn at(answer: &ResponseApdu, index: usize, value: u8) -> ResponseApdu {
            let mut data = answer.data().to_vec();
            data[index] = value;
            ResponseApdu::new(data, answer.status())
        }
        let cases: [(&str, Tamper, SecureMessagingError); 12] = [
            ("a bare success", |_| ResponseApdu::new([], StatusWord::OK), Unprotected(StatusWord::OK)),
            ("a bare refusal", |_| ResponseApdu::new([], StatusWord(0x6982)), Unprotected(StatusWord(0x6982))),
            ("plain data", |_| ResponseApdu::new([0x5A, 1, 7], StatusWord::OK), Malformed),
            ("a flipped seal", |a| at(&a, a.data().len() - 1, !a.data()[a.data().len() - 1]), WrongMac),
            ("a flipped cryptogram", |a| at(&a, 5, !a.data()[5]), WrongMac),
            ("another status inside", |a| at(&a, a.data().len() - 11, 0x01), WrongMac),
            (
                "another status outside",
                |a| ResponseApdu::new(a.data(), StatusWord(0x6A82)),
                StatusDiffers { inside: StatusWord::OK, outside: StatusWord(0x6A82) },
            ),
            (
                "no status inside",
                |a| ResponseApdu::new([&a.data()[..19], &a.data()[23..]].concat(), a.status()),
                Malformed,
            ),
            ("no seal", |a| ResponseApdu::new(&a.data()[..23], a.status()), Malformed),
            ("no data", |a| ResponseApdu::new(&a.data()[19..], a.status()), WrongMac),
            ("something behind", |a| ResponseApdu::new([a.data(), &[0x99, 0x00]].concat(), a.status()), Malformed),
            ("half of it", |a| ResponseApdu::new(&a.data()[..a.data().len() / 2], a.status()), Malformed),
        ];
        for (what, tamper, expected) in cases {
            let mut channel = secured(ResponseApdu::new([0xA5; 9], StatusWord::OK), tamper);
            let failed = |result| match result {
                Err(ChannelError::Unprotected(error)) => error,
                other => panic!("{what}: {other:?}"),
            };
            assert_eq!(failed(channel.transmit(&read())), expected, "{what}");
            assert!(!channel.is_secured(), "{what}");
            assert_eq!(failed(channel.transmit(&read())), Ended, "{what}");
            assert_eq!(channel.channel.seen.len(), 1, "{what}: nothing was sent any more");
            channel.reset().unwrap();
            assert!(matches!(channel.state, State::Plain), "{what}");
        }
    }

    #[test]
    fn an_old_answer_again_ends_the_session() {
        let mut kept = None;
        let mut channel =
            secured(ResponseApdu::new([0xA5; 9], StatusWord::OK), move |answer| kept.get_or_insert(answer).clone());
        channel.transmit(&read()).unwrap();
        let again = channel.transmit(&read());
        assert!(matches!(again, Err(ChannelError::Unprotected(SecureMessagingError::WrongMac))), "{again:?}");
    }

    #[test]
    fn a_broken_line_ends_the_session() {
        struct Broken;
        impl CardChannel for Broken {
            fn transmit(&mut self, _: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
                Err(ChannelError::Removed)
            }
            fn reset(&mut self) -> Result<(), ChannelError> {
                Err(ChannelError::Removed)
            }
        }
        let mut channel = SecureChannel::new(Broken);
        channel.begin(keys());
        assert!(matches!(channel.transmit(&read()), Err(ChannelError::Removed)));
        assert!(channel.reset().is_err());
        let ended = channel.transmit(&read());
        assert!(matches!(ended, Err(ChannelError::Unprotected(SecureMessagingError::Ended))), "{ended:?}");
    }

    /// DO 81: sealed and not encrypted. A real card answers SELECT with file control parameters so.
    #[test]
    fn plain_data_under_the_seal_are_taken() {
        let mut reader = SecureMessaging::new(keys());
        let mut card = SecureMessaging::new(keys());
        card.open_command(&reader.protect(&read())).unwrap();
        card.counter += 1;
        let mut body = vec![0x81, 3, 0x62, 1, 7, 0x99, 2, 0x90, 0x00];
        let mac = card.seal(&[], &body);
        push(&mut body, SEAL, &mac);
        let answer = reader.unprotect(&ResponseApdu::new(body, StatusWord::OK)).unwrap();
        assert_eq!(answer.data(), [0x62, 1, 7]);
    }

    #[test]
    fn no_answer_makes_it_panic() {
        let mut seed = 1_u32;
        for length in 0..400_usize {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    [0x87, 0x81, 0x99, 0x8E, 0x02, 0x00, 0x82, seed.to_be_bytes()[0]][seed as usize >> 28 & 7]
                })
                .collect();
            let _ = SecureMessaging::new(keys()).unprotect(&ResponseApdu::new(bytes.clone(), StatusWord::OK));
            let _ = SecureMessaging::new(keys()).open_command(&CommandApdu::new(0x0C, 0xB0, 0, 0).with_data(bytes));
        }
    }
}
