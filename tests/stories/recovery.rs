//! The way to the card breaks and the card is still there: another program resets it, or the reader carries less than it
//! seemed to. What was begun begins again, and no PIN is sent that was not typed for it.

use kartenbund::client::card_pin::{self, PinError, UnblockError};
use kartenbund::client::doctor::CardFacts;
use kartenbund::client::{ReachError, Surroundings, Way, restarting};
use kartenbund::egk::{Egk, Interface};
use kartenbund::reader::secure::SecureMessagingError;

use super::*;

const CAN: &str = "123123";
const NEW_PIN: &str = "24680246";

/// A reader with a habit, and what was sent to it since the card's last reset.
struct Reader<'a, H> {
    card: &'a mut VirtualCard,
    /// What it does with a command instead of passing it on.
    habit: H,
    sent: usize,
    verifies: usize,
    resets: usize,
}

impl<'a, H: FnMut(&CommandApdu, usize) -> Option<Result<ResponseApdu, ChannelError>>> Reader<'a, H> {
    fn new(card: &'a mut VirtualCard, habit: H) -> Self {
        Self { card, habit, sent: 0, verifies: 0, resets: 0 }
    }
}

impl<H: FnMut(&CommandApdu, usize) -> Option<Result<ResponseApdu, ChannelError>>> CardChannel for Reader<'_, H> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        if let Some(instead) = (self.habit)(command, self.sent) {
            self.sent += 1;
            if matches!(instead, Err(ChannelError::Reset)) {
                self.card.reset();
            }
            return instead;
        }
        self.sent += 1;
        self.verifies += usize::from((command.header()[0] & 0xF3, command.header()[1]) == (0x00, 0x20));
        self.card.transmit(command)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        self.resets += 1;
        CardChannel::reset(self.card)
    }

    fn atr(&self) -> &[u8] {
        self.card.atr()
    }
}

fn cards() -> [VirtualCard; 2] {
    let image = image_by(&ca(), &blueprint(ERIKA));
    [VirtualCard::load(&image).unwrap(), VirtualCard::load_contactless(&image, &mut rng()).unwrap()]
}

fn with<T>(script: &mut Script, work: impl FnOnce(&mut Surroundings<'_>) -> T) -> T {
    work(&mut Surroundings { ui: script, rng: &mut rng(), clock: &|| 0 })
}

fn status(card: &mut VirtualCard) -> String {
    CardChannel::reset(card).unwrap();
    let mut script = Script { cans: [CAN].into(), ..Script::default() };
    format!("{:?}", with(&mut script, |around| card_pin::status(card, ApduLength::Extended, around)).unwrap())
}

/// Everything that needs no PIN, as `read` does it.
fn read(channel: impl CardChannel, length: ApduLength, script: &mut Script) -> Result<Interface, ReachError> {
    with(script, |around| {
        restarting(channel, length, around, |channel, way: &mut Way, around| {
            let mut egk = way.open(channel, around)?;
            let files = match egk.read_files() {
                Err(EgkError::Contactless) => {
                    way.secure(&mut egk, around)?;
                    egk.read_files()?
                }
                files => files?,
            };
            assert!(files.certificate.der().len() > 500 && files.pd.len() > 100);
            Ok(egk.interface())
        })
    })
}

#[test]
fn a_card_that_another_program_resets_at_any_step_is_read_from_the_start() {
    for mut card in cards() {
        for at in 0.. {
            card.reset();
            let mut is_reset = false;
            let mut reader = Reader::new(&mut card, |_: &CommandApdu, sent| {
                (sent == at && !std::mem::replace(&mut is_reset, true)).then_some(Err(ChannelError::Reset))
            });
            let mut script = Script { cans: [CAN].into(), ..Script::default() };
            read(&mut reader, ApduLength::Extended, &mut script).unwrap_or_else(|error| panic!("{at}: {error:?}"));
            let resets = reader.resets;
            if !is_reset {
                assert!(at >= 9, "{at}");
                break;
            }
            assert_eq!(script.notices, [Notice::CardWasReset], "{at}");
            assert_eq!(resets, 1, "{at}");
        }
    }
}

/// The access number is asked for once; the PIN is asked for again where it was typed before the card was reset.
#[test]
fn a_registration_begins_again_and_the_pin_is_sent_only_when_it_is_typed_again() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    for mut card in cards() {
        for at in 0.. {
            world.sql("UPDATE registration SET created = created - 100000").unwrap(); // ten a day are allowed
            card.reset();
            let mut is_reset = false;
            let mut reader = Reader::new(&mut card, |_: &CommandApdu, sent| {
                (sent == at && !std::mem::replace(&mut is_reset, true)).then_some(Err(ChannelError::Reset))
            });
            let mut script = Script { cans: [CAN].into(), card_pins: [CARD_PIN, CARD_PIN].into(), ..Script::default() };
            let replace = Wish { replace: true, ..wish() };
            let device = computer.register_as(&mut reader, &mut script, &replace);
            device.unwrap_or_else(|error| panic!("{at}: {error:?}"));
            let typed = script.tries_told.len();
            assert!(reader.verifies <= typed, "{at}: a PIN was sent that was not typed for it");
            assert!(script.tries_told.iter().all(|tries| *tries == 3), "{at}");
            let announced = script.steps.iter().filter(|step| **step == Step::OpenRegistration).count();
            assert_eq!(announced, 1, "{at}: the device key is made and announced once");
            if !is_reset {
                break;
            }
            assert_eq!(script.notices, [Notice::CardWasReset], "{at}");
        }
        assert_eq!(status(&mut card), "Usable(Tries(3))");
    }
    assert_eq!(computer.devices().iter().filter(|device| device.state == "active").count(), 1);
}

/// What was wrong before the card was reset is wrong after it.
#[test]
fn a_pin_that_was_wrong_is_not_sent_again_after_a_reset() {
    const WRONG_BLOCK: [u8; 8] = [0x26, 0x65, 0x43, 0x21, 0xFF, 0xFF, 0xFF, 0xFF];
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let (mut verifies, mut wrong) = (0, 0);
    let mut reader = Reader::new(&mut card, |command: &CommandApdu, _| {
        if command.header() != [0x00, 0x20, 0x00, 0x02] {
            return None;
        }
        verifies += 1;
        wrong += usize::from(command.data() == WRONG_BLOCK);
        (verifies == 2).then_some(Err(ChannelError::Reset))
    });
    let mut script = Script::typing(&[WRONG_PIN, "111222", WRONG_PIN, CARD_PIN]);
    computer.register_as(&mut reader, &mut script, &wish()).unwrap();
    assert_eq!((verifies, wrong), (3, 1));
    let told = [Notice::WrongCardPin { tries_left: 2 }, Notice::CardWasReset, Notice::SameWrongPin];
    assert_eq!(script.notices, told);
}

#[test]
fn a_script_with_one_pin_is_not_asked_for_it_twice() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let mut reader = Reader::new(&mut card, |command: &CommandApdu, _| {
        (command.header()[1] == 0x2A).then_some(Err(ChannelError::Reset))
    });
    let refused = computer.register_as(&mut reader, &mut Script::default(), &wish());
    assert!(matches!(refused, Err(RegisterError::Ask(_))), "{refused:?}");
    assert_eq!(reader.verifies, 1);
    assert!(computer.devices().is_empty());
}

#[test]
fn a_card_that_is_reset_again_and_again_is_given_up() {
    let mut card = card(ERIKA);
    let mut reader =
        Reader::new(&mut card, |_: &CommandApdu, sent| (sent % 3 == 2).then_some(Err(ChannelError::Reset)));
    let mut script = Script::default();
    let told = read(&mut reader, ApduLength::Extended, &mut script);
    assert!(matches!(told, Err(ReachError::Card(EgkError::Channel(ChannelError::Reset)))), "{told:?}");
    assert_eq!(script.notices, [Notice::CardWasReset; 2]);
}

/// Whether the card took the new PIN or counted the PUK nobody knows then: it is not asked again by itself.
#[test]
fn a_reset_in_place_of_the_answer_to_a_pin_change_is_told_as_open() {
    for mut card in cards() {
        let mut script = Script { cans: [CAN].into(), card_numbers: [NEW_PIN].into(), ..Script::default() };
        let mut changes = 0;
        let mut reader = Reader::new(&mut card, |command: &CommandApdu, _| {
            changes += usize::from(command.header()[1] == 0x24);
            (command.header()[1] == 0x24).then_some(Err(ChannelError::Reset))
        });
        let told = with(&mut script, |around| card_pin::change(&mut reader, ApduLength::Extended, around));
        assert!(matches!(told, Err(PinError::Unanswered(ChannelError::Reset))), "{told:?}");
        assert_eq!(changes, 1);
        card.reset();

        let mut script = Script { cans: [CAN].into(), card_numbers: ["12345678", NEW_PIN].into(), ..Script::default() };
        let mut uses = 0;
        let mut reader = Reader::new(&mut card, |command: &CommandApdu, _| {
            uses += usize::from(command.header()[1] == 0x2C);
            (command.header()[1] == 0x2C).then_some(Err(ChannelError::Reset))
        });
        let told = with(&mut script, |around| card_pin::unblock(&mut reader, ApduLength::Extended, false, around));
        assert!(matches!(told, Err(UnblockError::Pin(PinError::Unanswered(ChannelError::Reset)))), "{told:?}");
        assert_eq!(uses, 1);
    }
}

/// Once the PIN is changed, a reset by somebody else is as good as ours.
#[test]
fn a_card_that_was_reset_after_its_pin_was_changed_has_done_its_part() {
    struct Elsewhere<'a>(&'a mut VirtualCard, usize);
    impl CardChannel for Elsewhere<'_> {
        fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
            self.1 += usize::from(command.header()[1] == 0x24);
            self.0.transmit(command)
        }
        fn reset(&mut self) -> Result<(), ChannelError> {
            CardChannel::reset(self.0)?;
            Err(ChannelError::Reset)
        }
    }
    let mut card = card(ERIKA);
    let mut elsewhere = Elsewhere(&mut card, 0);
    let mut script = Script { card_numbers: [NEW_PIN].into(), ..Script::default() };
    with(&mut script, |around| card_pin::change(&mut elsewhere, ApduLength::Extended, around)).unwrap();
    assert_eq!(elsewhere.1, 1);
}

/// How a reader fails with long answers, or with Le = `00`.
#[test]
fn a_reader_that_carries_short_apdus_only_is_noticed_also_in_a_secured_line() {
    type Habit = fn(&CommandApdu, usize) -> Option<Result<ResponseApdu, ChannelError>>;
    let wrong_length: Habit = |command, _| command.is_extended().then(|| Ok(ResponseApdu::new([], StatusWord(0x6700))));
    let breaks: Habit = |command, _| command.is_extended().then_some(Err(ChannelError::Interrupted(None)));
    let hangs: Habit = |command, _| command.is_extended().then_some(Err(ChannelError::Timeout));
    let no_le_00: Habit = |command, _| {
        let asks_for_all = command.is_extended() || command.to_bytes().last() == Some(&0) && command.ne().is_some();
        asks_for_all.then(|| Ok(ResponseApdu::new([], StatusWord(0x6700))))
    };
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    for mut card in cards() {
        for (what, habit) in
            [("6700", wrong_length), ("a broken line", breaks), ("no answer", hangs), ("no Le = 00", no_le_00)]
        {
            card.reset();
            let mut script = Script { cans: [CAN].into(), ..Script::default() };
            let told = read(Reader::new(&mut card, habit), ApduLength::Extended, &mut script);
            told.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            assert!(script.notices.is_empty(), "{what}: nothing a person needs to know");
            assert!(script.cans.len() <= 1, "{what}");

            world.sql("UPDATE registration SET created = created - 100000").unwrap();
            card.reset();
            let mut script = Script { cans: [CAN].into(), ..Script::default() };
            let replace = Wish { replace: true, ..wish() };
            let registered = computer.register_as(Reader::new(&mut card, habit), &mut script, &replace);
            registered.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            assert_eq!(script.tries_told, [3], "{what}: the PIN is asked for once, when the line is known to carry");
        }
    }
}

/// Whatever somebody on the air makes of a reader that seems to refuse a length, nothing secured is believed without its
/// seal, and it is given up after the second time.
#[test]
fn a_length_that_is_refused_for_ever_is_given_up() {
    let [_, mut card] = cards();
    let mut reader = Reader::new(&mut card, |command: &CommandApdu, _| {
        (command.header()[0] & 0x0C != 0 && command.header()[1] == 0xB0)
            .then(|| Ok(ResponseApdu::new([], StatusWord(0x6700))))
    });
    let mut script = Script { cans: [CAN].into(), ..Script::default() };
    let told = read(&mut reader, ApduLength::Extended, &mut script);
    let Err(ReachError::Card(EgkError::Channel(ChannelError::Unprotected(error)))) = told else { panic!("{told:?}") };
    assert_eq!(error, SecureMessagingError::Unprotected(StatusWord(0x6700)));
    assert_eq!(reader.resets, 1, "there is no shorter form to begin again with");
}

/// The doctor asks for no more than the reader says it carries, or it would blame a line that it broke itself.
#[test]
fn the_doctor_believes_what_the_reader_says_it_carries() {
    struct Limited(VirtualCard);
    impl CardChannel for Limited {
        fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
            if command.is_extended() { Err(ChannelError::Interrupted(None)) } else { self.0.transmit(command) }
        }
        fn reset(&mut self) -> Result<(), ChannelError> {
            panic!("nothing broke");
        }
        fn max_data(&self) -> Option<u32> {
            Some(0)
        }
    }
    let facts = CardFacts::of(&mut Limited(card(ERIKA)), ApduLength::Extended, None, &mut rng(), 0);
    assert!(facts.kind.is_ok() && facts.validity.is_some(), "{:?}", facts.kind);
}

/// EF.Version2 is short enough for every reader, so the reader is not tried out on it.
#[test]
fn a_card_is_identified_in_short_apdus() {
    let mut card = card(ERIKA);
    let mut extended = 0;
    let reader = Reader::new(&mut card, |command: &CommandApdu, _| {
        extended += usize::from(command.is_extended());
        None
    });
    Egk::open(reader, ApduLength::Extended).unwrap();
    assert_eq!(extended, 0);
}
