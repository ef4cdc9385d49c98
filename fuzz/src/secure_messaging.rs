//! Secure messaging, from both ends: nothing is believed without the right seal, and with it only what has the shape of
//! the specification (gemSpec_COS, chapter 13).

use kartenbund::apdu::{CommandApdu, ResponseApdu, StatusWord};
use kartenbund::reader::secure::{MAC, SecureChannel, SecureMessaging, SecureMessagingError, SessionKeys};
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::secret::SecretBytes;

use super::input::Input;

fn keys() -> SessionKeys {
    let key = |byte| SecretBytes::written(|key| *key = [byte; 16]);
    SessionKeys::new(key(0x11), key(0x22))
}

pub fn body(bytes: &[u8]) {
    let mut input = Input(bytes);
    match input.byte() % 4 {
        0 => unsealed_answers(&mut input),
        1 => conversation(&mut input),
        2 => sealed_answer(&mut input),
        _ => sealed_command(&mut input),
    }
}

/// A line at whose end somebody answers who has no keys.
struct Stranger<'a> {
    answers: Input<'a>,
    commands: usize,
}

impl CardChannel for Stranger<'_> {
    fn transmit(&mut self, _: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        self.commands += 1;
        let status = status(&mut self.answers);
        Ok(ResponseApdu::new(self.answers.chunk(), status))
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        Ok(())
    }
}

fn status(input: &mut Input<'_>) -> StatusWord {
    StatusWord(u16::from_be_bytes([input.byte(), input.byte()]))
}

/// Somebody without keys is never believed, and heard once.
fn unsealed_answers(input: &mut Input<'_>) {
    let mut line = Stranger { answers: Input(input.0), commands: 0 };
    let mut channel = SecureChannel::new(&mut line);
    channel.begin(keys());
    let command = CommandApdu::new(0x00, 0xB0, 0x81, 0x00).with_ne(256);
    assert!(channel.transmit(&command).is_err(), "no seal");
    assert!(!channel.is_secured());
    let second = channel.transmit(&command);
    assert!(matches!(second, Err(ChannelError::Unprotected(SecureMessagingError::Ended))));
    assert_eq!(line.commands, 1, "nothing is sent any more");
}

/// Commands and answers arrive as they were, or not at all.
fn conversation(input: &mut Input<'_>) {
    let (mut reader, mut card) = (SecureMessaging::new(keys()), SecureMessaging::new(keys()));
    let mut before: Option<ResponseApdu> = None;
    for _ in 0..8 {
        if input.is_empty() {
            return;
        }
        let header = [input.byte() & !0x0C, input.byte(), input.byte(), input.byte()];
        let mut command = CommandApdu::new(header[0], header[1], header[2], header[3]).with_data(input.chunk());
        if input.byte().is_multiple_of(2) {
            command = command.with_ne(input.below(65_535) as u32 + 1);
        }
        let line = reader.protect(&command);
        let line = CommandApdu::parse(&line.to_bytes()).expect("it fits the line");
        match input.byte() {
            // One change of the header or the objects; the lengths around them are the line's.
            change @ 1..=40 => {
                let mut bytes = line.to_bytes().to_vec();
                let at = input.below(bytes.len() - 2);
                bytes[at] ^= change;
                if let Ok(changed) = CommandApdu::parse(&bytes) {
                    assert!(card.open_command(&changed).is_err(), "a changed command");
                }
                return;
            }
            _ => assert_eq!(card.open_command(&line), Ok((command, true))),
        }
        let answer = ResponseApdu::new(input.chunk(), status(input));
        let sealed = card.protect_answer(&answer);
        assert_eq!(sealed.data().len(), SecureMessaging::protected_length(answer.data().len()));
        let given = match input.byte() {
            change @ 1..=40 => {
                let mut bytes = sealed.to_bytes();
                let at = input.below(bytes.len());
                bytes[at] ^= change;
                ResponseApdu::parse(&bytes).expect("long enough")
            }
            41..=50 => ResponseApdu::new(&sealed.data()[..input.below(sealed.data().len())], sealed.status()),
            51..=60 => ResponseApdu::new([sealed.data(), input.chunk()].concat(), sealed.status()),
            61..=70 => before.clone().unwrap_or_else(|| answer.clone()),
            _ => sealed.clone(),
        };
        let opened = reader.unprotect(&given);
        if given != sealed {
            assert!(opened.is_err(), "a changed answer");
            return;
        }
        assert_eq!(opened, Ok(answer));
        before = Some(sealed);
    }
}

/// The padding of ISO/IEC 9797-1, method 2.
fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = [bytes, &[0x80]].concat();
    padded.resize(padded.len().next_multiple_of(16), 0);
    padded
}

/// Any objects under the right seal, as the answer to a first command.
fn sealed_answer(input: &mut Input<'_>) {
    let outside = status(input);
    let objects = input.0;
    if objects.is_empty() {
        return;
    }
    let mac = keys().mac(&[&2_u128.to_be_bytes(), &padded(objects)]);
    let answer = |mac: [u8; MAC]| ResponseApdu::new([objects, &[0x8E, 8], &mac].concat(), outside);
    let open = |answer: &ResponseApdu| {
        let mut reader = SecureMessaging::new(keys());
        reader.protect(&CommandApdu::new(0x00, 0xB0, 0x81, 0x00).with_ne(256));
        reader.unprotect(answer)
    };
    let mut wrong = mac;
    wrong[usize::from(objects[0]) % MAC] ^= 1;
    assert!(open(&answer(wrong)).is_err(), "a wrong seal");

    let Ok(opened) = open(&answer(mac)) else { return };
    assert_eq!(opened.status(), outside);
    let before = objects.strip_suffix(&outside.0.to_be_bytes()).expect("the status word is sealed as well");
    // Lengths may be written longer than they need to be (ISO/IEC 7816-4, 5.2.2.2).
    let heads: [&[u8]; 3] = [&[0x99, 2], &[0x99, 0x81, 2], &[0x99, 0x82, 0, 2]];
    let data = heads.iter().find_map(|head| before.strip_suffix(*head)).expect("in an object of its own");
    match data.first() {
        None => assert!(opened.data().is_empty()),
        Some(0x81) => assert!(data.ends_with(opened.data())),
        Some(0x87) => assert!(opened.data().len() < data.len() - 2),
        other => panic!("{other:?} was taken for data"),
    }
}

/// Any objects under the right seal, as a first command.
fn sealed_command(input: &mut Input<'_>) {
    let header = [input.byte(), input.byte(), input.byte(), input.byte()];
    let objects = input.0;
    let mut parts = vec![1_u128.to_be_bytes().to_vec(), padded(&header)];
    if !objects.is_empty() {
        parts.push(padded(objects));
    }
    let mac = keys().mac(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let command = |mac: [u8; MAC]| {
        let data = [objects, &[0x8E, 8], &mac].concat();
        CommandApdu::new(header[0], header[1], header[2], header[3]).with_data(data).with_ne(256)
    };
    let mut wrong = mac;
    wrong[usize::from(header[1]) % MAC] ^= 1;
    assert!(SecureMessaging::new(keys()).open_command(&command(wrong)).is_err(), "a wrong seal");

    let Ok((plain, is_encrypted)) = SecureMessaging::new(keys()).open_command(&command(mac)) else { return };
    assert_eq!(header[0] & 0x0C, 0x0C, "the class says that it is secured");
    assert_eq!(plain.header(), [header[0] & !0x0C, header[1], header[2], header[3]]);
    assert!(plain.data().len() <= objects.len());
    assert_eq!(is_encrypted, objects.first() != Some(&0x81), "what comes open is not taken for encrypted");
    let again = SecureMessaging::new(keys()).protect(&plain);
    assert_eq!(SecureMessaging::new(keys()).open_command(&again), Ok((plain, true)));
}
