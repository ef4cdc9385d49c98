//! PACE and secure messaging against recorded sessions of a real card, whose ephemeral keys are in the recording.

use kartenbund::apdu::{CommandApdu, NE_EXTENDED, ResponseApdu};
use kartenbund::egk::{ApduLength, Egk, EgkError, PinStatus};
use kartenbund::reader::pace::{self, EphemeralKeys, PaceError};
use kartenbund::reader::secure::SecureChannel;
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::secret::{Can, SecretText};
use kartenbund::virtual_card::VirtualCard;
use serde_json::Value;

use crate::shared;

/// The far end of a recorded session: what is sent must be what was recorded, byte for byte.
struct Recorded {
    /// Commands and answers, beginning with MANAGE SECURITY ENVIRONMENT; EF.CardAccess before that.
    exchanges: std::vec::IntoIter<(Vec<u8>, Vec<u8>)>,
    card_access: Vec<u8>,
}

impl CardChannel for Recorded {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        // Recorded with SELECT and READ BINARY; here it is read by its short file identifier.
        if *command.to_bytes() == [0x00, 0xB0, 0x9C, 0x00, 0x00] {
            return Ok(ResponseApdu::parse(&self.card_access).unwrap());
        }
        let (tx, rx) = self.exchanges.next().expect("the recording goes on");
        let [cla, ins, p1, p2] = command.header();
        // GENERAL AUTHENTICATE was recorded in the extended form.
        let sent = match ins {
            0x86 => CommandApdu::new(cla, ins, p1, p2).with_data(command.data()).with_ne(NE_EXTENDED),
            _ => CommandApdu::parse(&command.to_bytes()).unwrap(),
        };
        assert_eq!(hex::encode(&*sent.to_bytes()), hex::encode(tx));
        Ok(ResponseApdu::parse(&rx).unwrap())
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        unreachable!("nothing resets the card")
    }
}

struct Session {
    channel: SecureChannel<Recorded>,
    can: Can,
    keys: EphemeralKeys,
}

fn session(name: &str) -> Session {
    let text = std::fs::read_to_string(shared("data/traces").join(name)).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let key = |i: usize| <[u8; 32]>::try_from(hex::decode(lines[0]["keys"][i].as_str().unwrap()).unwrap()).unwrap();
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    let mut exchanges: Vec<_> = lines[1..].iter().map(|line| (bytes(&line["tx"]), bytes(&line["rx"]))).collect();
    let begin = exchanges.iter().position(|(tx, _)| tx.starts_with(&[0x00, 0x22])).unwrap();
    let card_access = exchanges[begin - 1].1.clone();
    let exchanges = exchanges.split_off(begin).into_iter();
    let can = SecretText::new(lines[0]["can"].as_str().unwrap().to_owned());
    Session {
        channel: SecureChannel::new(Recorded { exchanges, card_access }),
        can: Can::parse(&can).unwrap(),
        keys: EphemeralKeys::from_bytes(&key(0), &key(1)).unwrap(),
    }
}

impl Session {
    fn establish(&mut self) -> Result<(), PaceError> {
        pace::establish(&mut self.channel, &self.can, &self.keys)
    }

    fn send(&mut self, command: &str) -> ResponseApdu {
        self.channel.transmit(&CommandApdu::parse(&hex::decode(command).unwrap()).unwrap()).unwrap()
    }

    fn end(self) {
        assert_eq!(self.channel.into_inner().exchanges.len(), 0, "to the last line");
    }
}

#[test]
fn a_real_card_agrees_on_keys() {
    let mut session = session("establish-secure-channel.jsonl");
    session.establish().unwrap();
    session.end();
}

#[test]
fn a_real_card_is_read_contactless() {
    let mut session = session("read-vsd.jsonl");
    session.establish().unwrap();
    assert_eq!(session.send("00A4040C").status().0, 0x9000);
    assert_eq!(session.send("00A4040C06D27600000102").status().0, 0x9000);
    assert_eq!(session.send("00A4020C02D002").status().0, 0x9000);
    let vd = session.send("00B00000000000");
    assert_eq!((vd.status().0, vd.data().len()), (0x9000, 560));
    assert_eq!(vd.data()[..8], [0x00, 0x08, 0x01, 0x4D, 0x01, 0x4E, 0x02, 0x2F]);
    kartenbund::identity::vsd::InsuranceData::parse(vd.data()).unwrap();
    assert_eq!(session.send("00B00230000000").status().0, 0x6B00);
    session.end();
}

#[test]
fn a_real_card_checks_its_pin_contactless() {
    let mut session = session("verify-pin.jsonl");
    session.establish().unwrap();
    assert_eq!(session.send("00A4040C").status().0, 0x9000);
    assert_eq!(session.send("80200002").status().0, 0x63C3);
    assert_eq!(session.send("002000020826123456FFFFFFFF").status().0, 0x9000);
    session.end();
}

/// With another access number the token is another one, and the recording has an end.
#[test]
fn another_access_number_gives_other_bytes() {
    for (number, same) in [("123123", true), ("123124", false)] {
        let mut session = session("establish-secure-channel.jsonl");
        session.can = Can::parse(&SecretText::new(number.to_owned())).unwrap();
        let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| session.establish().is_ok()));
        assert_eq!(attempt.unwrap_or(false), same, "{number}");
    }
}

#[test]
fn what_is_read_contactless_is_what_is_read_with_contacts() {
    let can = Can::parse(&SecretText::new("123123".to_owned())).unwrap();
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let mut seen = 0;
    for entry in std::fs::read_dir(shared("data/cards")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("egk") {
            continue;
        }
        let image = std::fs::read_to_string(&path).unwrap();
        let card = VirtualCard::load_contactless(&image, &mut rng).unwrap();
        let opened = Egk::open(card, ApduLength::Extended);
        // Cards without a contactless interface answer nothing there.
        if name.contains("contact-only") || name.contains("rsa") {
            assert!(matches!(opened, Err(EgkError::Contactless)), "{name}");
            continue;
        }
        let mut lying = opened.unwrap();
        assert!(matches!(lying.iccsn(), Err(EgkError::Contactless)), "{name}");
        lying.open_contactless(&can, &mut rng).unwrap();
        let contactless = lying.read_files().unwrap();
        let inserted = VirtualCard::load(&image).unwrap();
        let contact = Egk::open(inserted, ApduLength::Extended).unwrap().read_files().unwrap();
        assert_eq!(contactless.iccsn, contact.iccsn, "{name}");
        assert_eq!((contactless.status_vd, contactless.pd), (contact.status_vd, contact.pd), "{name}");
        assert_eq!((contactless.vd, contactless.certificate), (contact.vd, contact.certificate), "{name}");
        assert!(matches!(lying.pin_status().unwrap(), PinStatus::Usable(_)), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

/// What OpenHealth-Core recorded, decrypted: header without protection and status word.
#[test]
fn the_recorded_sessions_are_explained_and_every_seal_fits() {
    use kartenbund::reader::explain::Protection;
    use kartenbund::reader::replay::Replay;
    let secured = |name: &str| {
        let explanation =
            Replay::parse(&std::fs::read_to_string(shared("data/traces").join(name)).unwrap()).unwrap().explain();
        assert_eq!(explanation.fault, None, "{name}");
        let steps = explanation.commands.iter().filter(|command| command.protection == Protection::Pace).count();
        assert_eq!(steps, 1 + 4, "{name}: the choice and four steps");
        let secured = explanation.commands.into_iter().filter(|command| command.protection == Protection::Secured);
        secured
            .map(|command| {
                let (length, status) = command.answer.unwrap();
                format!("{} {length} {status}", hex::encode_upper(command.header))
            })
            .collect::<Vec<_>>()
    };
    assert!(secured("establish-secure-channel.jsonl").is_empty());
    let pin = secured("verify-pin.jsonl");
    assert_eq!(pin[1..], ["80200002 0 63C3", "00200002 0 9000"]);
    let data = secured("read-vsd.jsonl");
    assert_eq!(data[3..], ["00B00000 560 9000", "00B00230 0 6B00"]);
    assert!(data[..3].iter().all(|line| line.starts_with("00A4")), "{data:?}");
}
