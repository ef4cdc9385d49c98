//! The PIN is typed on a reader that does as it likes: it is believed only as far as the card confirms it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use kartenbund::apdu::commands::PasswordRef;
use kartenbund::client::card_pin::{self, PinError, UnblockError};
use kartenbund::client::{KeypadEntry, Surroundings};
use kartenbund::egk::{Egk, KeypadAnswer, KeypadUse, LastTry, PinAnswer, PinStatus};
use kartenbund::reader::pinpad::{Keypad, KeypadCommand, Layout, NoEntry};

use super::*;

/// What the reader does when it is to ask: what it sends to the card, and what it says, unless that is the card's
/// answer.
#[derive(Clone, Copy)]
struct Does {
    sends: Option<&'static str>,
    says: Option<u16>,
}

/// It types this, and is honest.
fn types(command: &'static str) -> Does {
    Does { sends: Some(command), says: None }
}

/// It sends nothing, and says so.
fn says(word: u16) -> Does {
    Does { sends: None, says: Some(word) }
}

const RIGHT: &str = "002000020826123456FFFFFFFF";
const WRONG: &str = "002000020826654321FFFFFFFF";
const CHANGE: &str = "002400021026123456FFFFFFFF2824680246FFFFFF";
const UNBLOCK: &str = "002C0102082812345678FFFFFF";
const WRONG_BLOCK: [u8; 13] = [0x00, 0x20, 0x00, 0x02, 8, 0x26, 0x65, 0x43, 0x21, 0xFF, 0xFF, 0xFF, 0xFF];

struct Reader<'a> {
    card: &'a mut VirtualCard,
    does: VecDeque<Does>,
    /// The line that breaks at the first entry, once the card has seen what was typed.
    breaks: Option<ChannelError>,
    /// What it was asked to have typed, and how much she had been told by then.
    asked: Vec<(KeypadCommand, u8, Layout, usize)>,
    told: Arc<Mutex<Vec<KeypadEntry>>>,
    sent: Vec<[u8; 2]>,
}

impl<'a> Reader<'a> {
    fn new(card: &'a mut VirtualCard, does: &[Does]) -> Self {
        let does = does.iter().copied().collect();
        Self { card, does, breaks: None, asked: Vec::new(), told: Arc::default(), sent: Vec::new() }
    }

    /// A person who reads what this reader's computer tells her.
    fn person(&self) -> Script {
        Script { told_to_type: Arc::clone(&self.told), ..Script::default() }
    }
}

impl CardChannel for Reader<'_> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        let [cla, ins, ..] = command.header();
        self.sent.push([cla, ins]);
        self.card.transmit(command)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        CardChannel::reset(self.card)
    }

    fn keypad(&mut self) -> Option<&mut dyn Keypad> {
        Some(self)
    }
}

impl Keypad for Reader<'_> {
    fn takes(&self, _: KeypadCommand) -> bool {
        true
    }

    fn enter(
        &mut self,
        command: KeypadCommand,
        password: PasswordRef,
        layout: Layout,
    ) -> Result<StatusWord, ChannelError> {
        self.asked.push((command, password.0, layout, self.told.lock().unwrap().len()));
        let does = self.does.pop_front().expect("it asks once more than it should");
        let answer = does.sends.map(|command| self.card.execute(&hex::decode(command).unwrap()));
        if let Some(error) = self.breaks.take() {
            return Err(error);
        }
        let word = does.says.or(answer.map(|answer| u16::from_be_bytes([answer[0], answer[1]])));
        Ok(StatusWord(word.unwrap()))
    }
}

fn with<T>(script: &mut Script, work: impl FnOnce(&mut Surroundings<'_>) -> T) -> T {
    work(&mut Surroundings { ui: script, rng: &mut rng(), clock: &|| 0 })
}

fn change(reader: &mut Reader<'_>) -> Result<(), PinError> {
    with(&mut reader.person(), |around| card_pin::change(reader, ApduLength::Extended, around))
}

/// Shows the card the PIN, where these tries are left.
fn verify(reader: &mut Reader<'_>) -> Result<KeypadAnswer<PinAnswer, kartenbund::egk::Attempt>, EgkError> {
    let mut egk = Egk::open(reader, ApduLength::Extended).unwrap();
    let PinStatus::Usable(tries) = egk.pin_status().unwrap() else { panic!("the PIN can be entered") };
    egk.verify_pin_on_keypad(tries.attempt(LastTry::Allowed).unwrap())
}

#[test]
fn she_is_told_to_type_on_the_reader_before_it_asks() {
    let world = World::new();
    let erika = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let mut reader = Reader::new(&mut card, &[says(0x6403), types(WRONG), types(RIGHT)]);
    let mut script = reader.person();
    erika.register_as(&mut reader, &mut script, &wish()).unwrap();
    let told = reader.told.lock().unwrap().clone();
    let pin = |tries_left| KeypadEntry::Pin { tries_left };
    assert_eq!(told, [pin(3), pin(3), pin(2)]);
    let before = |n| (KeypadCommand::Verify, 2, Layout::Digits, n);
    assert_eq!(reader.asked, [before(1), before(2), before(3)]);
    assert!(script.tries_told.is_empty(), "nothing is typed on the computer");
    assert_eq!(script.notices, [Notice::KeypadLength, Notice::WrongCardPin { tries_left: 2 }]);
    assert_eq!(tries_left(&mut card), "63c3", "no PIN is left verified");
}

#[test]
fn the_pin_for_a_login_is_typed_on_the_reader_too() {
    let world = World::new();
    world.import_report(&register_of(&[ERIKA]));
    let mut card = card(ERIKA);
    let mut reader = Reader::new(&mut card, &[types(RIGHT)]);
    let mut script = reader.person();
    card_login::log_in_as(&world, "with-card", None, &mut reader, &mut script).unwrap();
    assert_eq!(*reader.told.lock().unwrap(), [KeypadEntry::Pin { tries_left: 3 }]);
    assert!(script.tries_told.is_empty(), "nothing is typed on the computer");
}

#[test]
fn what_the_reader_says_of_an_entry_is_told_apart_from_a_wrong_pin() {
    for (word, expected) in [
        (0x6400, NoEntry::TimedOut),
        (0x6401, NoEntry::Cancelled),
        (0x6402, NoEntry::EntriesDiffer),
        (0x6403, NoEntry::Length),
    ] {
        let mut card = card(ERIKA);
        let answer = verify(&mut Reader::new(&mut card, &[says(word)])).unwrap();
        assert!(matches!(answer, KeypadAnswer::Nothing(why, _) if why == expected), "{word:04X}: {answer:?}");
    }
    let mut card = card(ERIKA);
    let answer = verify(&mut Reader::new(&mut card, &[types(WRONG)])).unwrap();
    assert!(matches!(answer, KeypadAnswer::Card(PinAnswer::Wrong(tries)) if tries.left() == 2));
}

/// It has shown the card a wrong PIN, and denies it.
#[test]
fn a_try_that_the_reader_denies_is_told_all_the_same() {
    for word in [0x6400, 0x6401, 0x6402, 0x6403, 0x6B80, 0x6D00] {
        let mut card = card(ERIKA);
        let denies = Does { sends: Some(WRONG), says: Some(word) };
        let mut reader = Reader::new(&mut card, &[denies]);
        let answer = verify(&mut reader).unwrap();
        assert!(matches!(answer, KeypadAnswer::Denied(tries) if tries.left() == 2), "{word:04X}");
        assert_eq!(reader.asked.len(), 1, "{word:04X}: no second try");
        let mut reader = Reader::new(&mut card, &[types(WRONG)]);
        assert!(verify(&mut reader).is_ok());
        let mut reader = Reader::new(&mut card, &[denies]);
        let answer = verify(&mut reader).unwrap();
        assert!(matches!(answer, KeypadAnswer::Card(PinAnswer::Blocked)), "{word:04X}: {answer:?}");
    }
}

#[test]
fn a_right_pin_that_the_reader_denies_opens_nothing() {
    let world = World::new();
    let erika = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let mut reader = Reader::new(&mut card, &[Does { sends: Some(RIGHT), says: Some(0x6401) }]);
    let mut script = reader.person();
    let refused = erika.register_as(&mut reader, &mut script, &wish());
    assert!(matches!(refused, Err(RegisterError::Card(EgkError::Channel(ChannelError::Malformed)))), "{refused:?}");
    assert_eq!(tries_left(&mut card), "63c3");
    assert!(erika.devices().is_empty());
}

#[test]
fn a_new_pin_that_the_reader_denies_is_told_as_open() {
    let mut card = card(ERIKA);
    card.execute(&WRONG_BLOCK);
    let mut reader = Reader::new(&mut card, &[Does { sends: Some(CHANGE), says: Some(0x6401) }]);
    let open = change(&mut reader);
    assert!(matches!(open, Err(PinError::Unanswered(_))), "{open:?}");
    (0..3).for_each(|_| drop(card.execute(&WRONG_BLOCK)));
    let mut reader = Reader::new(&mut card, &[Does { sends: Some(UNBLOCK), says: Some(0x6400) }]);
    let open = with(&mut reader.person(), |around| card_pin::unblock(&mut reader, ApduLength::Extended, true, around));
    assert!(matches!(open, Err(UnblockError::Pin(PinError::Unanswered(_)))), "{open:?}");
    assert_eq!(reader.asked, [(KeypadCommand::Unblock, 2, Layout::Digits, 1)]);
}

/// The leave to spend a try is given back with an entry that came to nothing, and is good for one.
#[test]
fn a_slip_leaves_the_try_for_the_next_entry() {
    let mut card = card(ERIKA);
    let mut reader = Reader::new(&mut card, &[says(0x6403), types(RIGHT)]);
    let mut egk = Egk::open(&mut reader, ApduLength::Extended).unwrap();
    let PinStatus::Usable(tries) = egk.pin_status().unwrap() else { panic!("the PIN can be entered") };
    let answer = egk.verify_pin_on_keypad(tries.attempt(LastTry::Refused).unwrap()).unwrap();
    let KeypadAnswer::Nothing(NoEntry::Length, same) = answer else { panic!("{answer:?}") };
    let answer = egk.verify_pin_on_keypad(same).unwrap();
    assert!(matches!(answer, KeypadAnswer::Card(PinAnswer::Accepted)), "{answer:?}");
}

#[test]
fn the_second_description_follows_the_first_once_and_is_remembered() {
    let mut card = card(ERIKA);
    let does = [says(0x6B80), says(0x6403), types(CHANGE)];
    let mut reader = Reader::new(&mut card, &does);
    change(&mut reader).unwrap();
    let layouts: Vec<_> = reader.asked.iter().map(|(_, _, layout, _)| *layout).collect();
    assert_eq!(layouts, [Layout::Digits, Layout::Block, Layout::Block]);
    // GET PIN STATUS before all of them, and after each that came to nothing.
    assert_eq!(reader.sent.iter().filter(|header| **header == [0x80, 0x20]).count(), 3);

    let mut reader = Reader::new(&mut card, &[says(0x6D00), says(0x6D00)]);
    let refused = change(&mut reader);
    assert!(matches!(refused, Err(PinError::Keypad(NoEntry::Refused))), "{refused:?}");
}

#[test]
fn what_no_keypad_says_ends_it() {
    for word in [0x6985, 0x6F00, 0x6282, 0x0000] {
        let mut card = card(ERIKA);
        let refused = change(&mut Reader::new(&mut card, &[says(word)]));
        let word = StatusWord(word);
        let expected = "CHANGE REFERENCE DATA";
        assert!(
            matches!(refused, Err(PinError::Card(EgkError::UnexpectedStatus { command, status }))
                if command == expected && status == word),
            "{refused:?}"
        );
    }
    let mut card = card(ERIKA);
    let cancelled = change(&mut Reader::new(&mut card, &[says(0x6401)]));
    assert!(matches!(cancelled, Err(PinError::Keypad(NoEntry::Cancelled))), "{cancelled:?}");
}

#[test]
fn a_secured_line_has_no_keypad() {
    let mut card = VirtualCard::load_contactless(&image_by(&ca(), &blueprint(ERIKA)), &mut rng()).unwrap();
    let mut reader = Reader::new(&mut card, &[]);
    let mut script = Script { cans: ["123123"].into(), card_numbers: ["24680246"].into(), ..reader.person() };
    with(&mut script, |around| card_pin::change(&mut reader, ApduLength::Extended, around)).unwrap();
    assert!(reader.asked.is_empty());
    assert_eq!(script.tries_told, [3]);
    let mut egk = Egk::open(&mut reader, ApduLength::Extended).unwrap();
    assert_eq!(egk.keypad_use(KeypadCommand::Verify), KeypadUse::Possible);
    egk.open_contactless(&Can::parse(&typed("123123")).unwrap(), &mut rng()).unwrap();
    assert_eq!(egk.keypad_use(KeypadCommand::Verify), KeypadUse::Secured);
}

/// Nobody has to answer while the reader asks: a reader that tells the same counter for ever is not asked for ever.
#[test]
fn a_counter_that_does_not_fall_ends_the_entry() {
    let world = World::new();
    let erika = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let mut reader = Reader::new(&mut card, &[says(0x63C2), says(0x63C2)]);
    let mut script = reader.person();
    let refused = erika.register_as(&mut reader, &mut script, &wish());
    let malformed =
        |error: &RegisterError| matches!(error, RegisterError::Card(EgkError::Channel(ChannelError::Malformed)));
    assert!(refused.as_ref().is_err_and(malformed), "{refused:?}");
    assert_eq!(reader.asked.len(), 2);
}

/// One consent is one try: a reader that spends it in secret gets no second one.
#[test]
fn a_try_that_the_reader_denies_is_the_last_it_gets() {
    let world = World::new();
    let erika = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let mut reader = Reader::new(&mut card, &[Does { sends: Some(WRONG), says: Some(0x6400) }]);
    let mut script = reader.person();
    let refused = erika.register_as(&mut reader, &mut script, &wish());
    assert!(matches!(refused, Err(RegisterError::Pin(PinRefusal::Wrong { tries_left: 2 }))), "{refused:?}");
    assert_eq!(reader.asked.len(), 1);
    let refused = change(&mut Reader::new(&mut card, &[Does { sends: Some(WRONG), says: Some(0x6400) }]));
    assert!(matches!(refused, Err(PinError::Refused(PinRefusal::Wrong { tries_left: 1 }))), "{refused:?}");
}

/// The card was reset before it saw anything, so what was begun begins again, and the reader asks anew.
#[test]
fn a_reset_while_the_reader_asks_begins_again() {
    let world = World::new();
    let erika = world.log_in(ERIKA, &world.member(ERIKA));
    let mut card = card(ERIKA);
    let mut reader = Reader::new(&mut card, &[Does { sends: None, says: None }, types(RIGHT)]);
    reader.breaks = Some(ChannelError::Reset);
    let mut script = reader.person();
    erika.register_as(&mut reader, &mut script, &wish()).unwrap();
    assert_eq!(script.notices, [Notice::CardWasReset]);
    assert_eq!((reader.asked.len(), reader.told.lock().unwrap().len()), (2, 2), "told each time before it asks");
    assert_eq!(tries_left(&mut card), "63c3", "no PIN is left verified");
}

/// A new PIN or a PUK went to the card, and what it said was lost with the line: nobody claims to know.
#[test]
fn an_answer_that_is_lost_between_reader_and_computer_is_told_as_open() {
    for error in [|| ChannelError::Timeout, || ChannelError::Interrupted(None), || ChannelError::Reset] {
        let mut card = card(ERIKA);
        let mut reader = Reader::new(&mut card, &[types(CHANGE)]);
        reader.breaks = Some(error());
        let told = change(&mut reader);
        assert!(matches!(told, Err(PinError::Unanswered(_))), "{told:?}");
        assert_eq!(reader.asked.len(), 1, "nothing is typed a second time by itself");
        assert_eq!(tries_left(&mut card), "63c3", "and the card was reset");

        card.execute(&WRONG_BLOCK);
        card.reset();
        let mut reader = Reader::new(&mut card, &[types(UNBLOCK)]);
        reader.breaks = Some(error());
        let mut person = reader.person();
        let told = with(&mut person, |around| card_pin::unblock(&mut reader, ApduLength::Extended, true, around));
        assert!(matches!(told, Err(UnblockError::Pin(PinError::Unanswered(_)))), "{told:?}");
        assert_eq!(reader.asked.len(), 1);
    }
}
