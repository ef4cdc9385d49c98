//! A card on a reader without contacts: the card access number first, then everything as ever.

use kartenbund::client::pin::rules::WeakPin;
use kartenbund::client::{ReachError, Way};
use kartenbund::egk::{Egk, Interface, LastTry, PinAnswer, PinStatus};
use kartenbund::reader::pace::PaceError;
use kartenbund::reader::secure::SecureMessagingError;
use kartenbund::secret::Pin;

use super::*;

/// The number on the fictional cards.
const CAN: &str = "123123";

fn contactless(person: &str) -> VirtualCard {
    VirtualCard::load_contactless(&image_by(&ca(), &blueprint(person)), &mut rng()).unwrap()
}

fn typing(cans: &[&'static str]) -> Script {
    Script { cans: cans.iter().copied().collect(), ..Script::default() }
}

/// Tries left, asked on a secured line that is made for it.
fn tries_left_contactless(card: &mut VirtualCard) -> String {
    CardChannel::reset(card).unwrap();
    let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
    egk.open_contactless(&Can::parse(&typed(CAN)).unwrap(), &mut rng()).unwrap();
    format!("{:?}", egk.pin_status().unwrap())
}

#[test]
fn a_person_registers_with_the_card_lying_on_the_reader() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = contactless(ERIKA);
    let mut script = typing(&[CAN]);
    let mut watched = Watched::new(&mut card);
    let device = computer.register_as(&mut watched, &mut script, &wish()).unwrap();
    assert_eq!(device.binding_level, BindingLevel::B3);
    assert!(script.steps.contains(&Step::OpenContactless));
    let plain = |header: &&[u8; 4]| header[0] & 0x0C == 0;
    let before = watched.sent.iter().take_while(plain).count();
    assert!(watched.sent[before..].iter().all(|header| !plain(&header)), "nothing goes out plain once it is secured");
    let secured: Vec<_> = watched.sent[before..].iter().map(|header| header[1]).collect();
    let expected = [0xA4, 0xB0, 0xA4, 0xB0, 0xA4, 0xB0, 0x20, 0x20, 0xA4, 0x22, 0x2A, 0x2A];
    assert_eq!(secured, expected, "certificate, card number, person, status, PIN, two signatures");
    let accepted = computer.apply(&new_address());
    approve(&computer, &accepted);
    assert_eq!(tries_left_contactless(&mut card), "Usable(Tries(3))", "no try is missing");
}

#[test]
fn neither_the_access_number_nor_the_number_of_the_card_is_a_device_pin() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let iccsn = Some("80276999990000527419".to_owned());
    let blueprint = Blueprint { can: typed("493817"), iccsn, ..blueprint(ERIKA) };
    let mut card = VirtualCard::load_contactless(&image_by(&ca(), &blueprint), &mut rng()).unwrap();
    let new_device_pins = ["493817", "527419", DEVICE_PIN].into();
    let mut script = Script { new_device_pins, ..typing(&["493817"]) };
    computer.register_as(&mut card, &mut script, &wish()).unwrap();
    assert_eq!(script.weak_pins, [WeakPin::Can, WeakPin::CardNumber]);
}

/// What passes between reader and card takes time on the air.
#[test]
fn a_session_with_pin_two_certificates_and_the_insurance_data_takes_fifteen_commands() {
    let mut card = contactless(ERIKA);
    let mut reader = Reader { card: &mut card, tells_atr: true, sent: Vec::new() };
    let mut egk = Egk::open(&mut reader, ApduLength::Extended).unwrap();
    egk.open_contactless(&Can::parse(&typed(CAN)).unwrap(), &mut rng()).unwrap();
    let chip = egk.read_chip_certificate().unwrap();
    let PinStatus::Usable(tries) = egk.pin_status().unwrap() else { panic!("the PIN can be entered") };
    let attempt = tries.attempt(LastTry::Refused).unwrap();
    let pin = Pin::parse(&typed(CARD_PIN)).unwrap();
    assert_eq!(egk.verify_pin(attempt, &pin).unwrap(), PinAnswer::Accepted);
    let vd = egk.read_vd().unwrap();
    let certificate = egk.read_certificate().unwrap();
    let sent: Vec<_> = reader.sent.iter().map(|header| header[1]).collect();
    let (identify, pace) = ([0xA4, 0xB0], [0xB0, 0x22, 0x86, 0x86, 0x86, 0x86]);
    let (pin, files) = ([0x20, 0x20], [0xA4, 0xB0, 0xA4, 0xB0]);
    assert_eq!(sent, [identify.as_slice(), &pace, &[0xB0], &pin, &files].concat());
    assert_eq!(sent.len(), 15);
    assert_eq!(chip.len(), 222);
    assert!(vd.len() > 300 && certificate.der().len() > 700);
}

#[test]
fn a_wrong_access_number_is_asked_for_again_and_blocks_nothing() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = contactless(ERIKA);
    let mut script = typing(&["123124", "654321", "000000", "111111", CAN]);
    computer.register_as(&mut card, &mut script, &wish()).unwrap();
    assert_eq!(script.tries_told, [3]);

    let mut script = typing(&["123124"]);
    let mut egk = Egk::open(contactless(MAX), ApduLength::Extended).unwrap();
    let mut way = Way::new(ApduLength::Extended);
    let told = computer.with(&mut script, |around| way.secure(&mut egk, around));
    assert!(matches!(told, Err(ReachError::Card(EgkError::Pace(PaceError::WrongCan)))), "{told:?}");
    let told = computer.with(&mut Script::default(), |around| way.secure(&mut egk, around));
    assert!(matches!(told, Err(ReachError::Card(EgkError::Contactless))), "nobody is there to be asked: {told:?}");
}

/// Commands cost time on the air, and a card that lies on the reader says so itself.
#[test]
fn a_card_on_the_reader_is_not_asked_what_it_would_refuse() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    for (atr, refused) in [(true, 0), (false, 3)] {
        let mut card = contactless(ERIKA);
        let mut reader = Reader { card: &mut card, tells_atr: atr, sent: Vec::new() };
        computer.register_as(&mut reader, &mut typing(&[CAN]), &Wish { replace: true, ..wish() }).unwrap();
        // SELECT and EF.Version2; where nothing is told, DF.ESIGN, its file and the MF again; PACE in six; twelve secured.
        assert_eq!(reader.sent.len(), 2 + refused + 6 + 12);
        let secured = reader.sent.iter().filter(|header| header[0] & 0x0C != 0).count();
        assert_eq!(secured, 12);
    }
}

/// A reader that says, or does not, how the card is reached.
struct Reader<'a> {
    card: &'a mut VirtualCard,
    tells_atr: bool,
    sent: Vec<[u8; 4]>,
}

impl CardChannel for Reader<'_> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        self.sent.push(command.header());
        self.card.transmit(command)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        CardChannel::reset(self.card)
    }

    fn atr(&self) -> &[u8] {
        // PC/SC, part 3, 3.1.3.2.3: a processor card without historical bytes
        if self.tells_atr { &[0x3B, 0x80, 0x80, 0x01, 0x01] } else { &[] }
    }
}

/// The line between reader and card is the air: somebody changes, repeats or swallows what the card says.
struct Air<'a> {
    card: &'a mut VirtualCard,
    /// Which answer is touched, counted from the first secured one.
    at: usize,
    touch: fn(ResponseApdu, &ResponseApdu) -> ResponseApdu,
    before: ResponseApdu,
    secured: usize,
    sent_after: usize,
}

impl CardChannel for Air<'_> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        let answer = self.card.transmit(command)?;
        if command.header()[0] & 0x0C == 0 {
            return Ok(answer);
        }
        self.secured += 1;
        if self.secured > self.at {
            self.sent_after += usize::from(self.secured > self.at + 1);
            return Ok((self.touch)(answer, &self.before));
        }
        self.before = answer.clone();
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        CardChannel::reset(self.card)
    }
}

#[test]
fn whoever_touches_an_answer_on_the_air_ends_the_session_and_nothing_more_is_sent() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    type Touch = fn(ResponseApdu, &ResponseApdu) -> ResponseApdu;
    let flip: Touch = |answer, _| {
        let mut data = answer.data().to_vec();
        if let Some(last) = data.last_mut() {
            *last ^= 1;
        }
        ResponseApdu::new(data, answer.status())
    };
    let bare: Touch = |_, _| ResponseApdu::new([], StatusWord::OK);
    let refusal: Touch = |_, _| ResponseApdu::new([], StatusWord(0x6982));
    let old: Touch = |_, before| before.clone();
    let mut card = contactless(ERIKA);
    for at in 0..7 {
        for touch in [flip, bare, refusal, old] {
            world.sql("DELETE FROM registration WHERE state = 'open'").unwrap();
            CardChannel::reset(&mut card).unwrap();
            let before = ResponseApdu::new([0x99, 0x02, 0x90, 0x00, 0x8E, 8, 1, 2, 3, 4, 5, 6, 7, 8], StatusWord::OK);
            let mut air = Air { card: &mut card, at, touch, before, secured: 0, sent_after: 0 };
            let refused = computer.register_as(&mut air, &mut typing(&[CAN]), &wish());
            let Err(RegisterError::Card(EgkError::Channel(ChannelError::Unprotected(error)))) = refused else {
                panic!("answer {at}: {refused:?}")
            };
            assert!(
                !matches!(error, SecureMessagingError::Ended),
                "answer {at}: the first doubt is the one that is told"
            );
            assert_eq!(air.sent_after, 0, "answer {at}");
            assert!(computer.devices().is_empty(), "answer {at}");
        }
    }
    assert_eq!(tries_left_contactless(&mut card), "Usable(Tries(3))");
}

#[test]
fn a_refusal_that_comes_once_is_tried_again_with_fresh_keys_before_it_is_told() {
    /// A card or reader that drops a leading zero now and then: the last step fails once.
    struct Sloppy {
        card: VirtualCard,
        failures: usize,
        points: Vec<Vec<u8>>,
    }
    impl CardChannel for Sloppy {
        fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
            let answer = self.card.transmit(command)?;
            match command.header() {
                [0x10, 0x86, ..] => self.points.push(command.data().to_vec()),
                [0x00, 0x86, ..] if self.failures > 0 => {
                    self.failures -= 1;
                    return Ok(ResponseApdu::new([], StatusWord(0x6300)));
                }
                _ => {}
            }
            Ok(answer)
        }
        fn reset(&mut self) -> Result<(), ChannelError> {
            CardChannel::reset(&mut self.card)
        }
    }
    let can = Can::parse(&typed(CAN)).unwrap();
    for (failures, opens) in [(0, true), (1, true), (2, false)] {
        let sloppy = Sloppy { card: contactless(ERIKA), failures, points: Vec::new() };
        let mut egk = Egk::open(sloppy, ApduLength::Extended).unwrap();
        assert_eq!(egk.open_contactless(&can, &mut rng()).is_ok(), opens, "{failures}");
        let sloppy = egk.into_channel();
        let mut points = sloppy.points.clone();
        points.retain(|data| data.len() > 2);
        points.sort();
        points.dedup();
        assert_eq!(points.len(), 2 * sloppy.points.len() / 3, "no key is used twice");
    }
}

#[test]
fn files_come_whole_in_short_and_extended_commands() {
    let image = image_by(&ca(), &blueprint(ERIKA));
    let mut contact = Egk::open(VirtualCard::load(&image).unwrap(), ApduLength::Extended).unwrap();
    let expected = contact.read_files().unwrap();
    assert_eq!(contact.interface(), Interface::Contact);
    for length in [ApduLength::Extended, ApduLength::Short] {
        let mut card = VirtualCard::load_contactless(&image, &mut rng()).unwrap();
        let mut watched = Watched::new(&mut card);
        let mut egk = Egk::open(&mut watched, length).unwrap();
        assert!(matches!(egk.iccsn(), Err(EgkError::Contactless)));
        egk.open_contactless(&Can::parse(&typed(CAN)).unwrap(), &mut rng()).unwrap();
        assert_eq!(egk.interface(), Interface::Contactless);
        let files = egk.read_files().unwrap();
        assert_eq!(
            (files.pd, files.vd, files.status_vd),
            (expected.pd.clone(), expected.vd.clone(), expected.status_vd.clone())
        );
        assert_eq!(files.certificate, expected.certificate);
        let pace = watched.sent.iter().filter(|header| matches!(header[1], 0x86 | 0x22)).count();
        assert_eq!(pace, 5, "MANAGE SECURITY ENVIRONMENT and four steps");
        if length == ApduLength::Extended {
            assert_eq!(watched.sent.len(), 3 + 6 + 7, "identification, PACE, seven commands for everything");
        }
    }
}
