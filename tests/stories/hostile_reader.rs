//! A reader that lies, under everything that is done with a card: it answers at random, too short, without end, or with
//! the answer before. Whatever it says, the program comes to an end, sends no PIN that was not typed and none twice, and
//! takes nothing for done that is not.
#![allow(clippy::cast_possible_truncation)]

use kartenbund::client::card_pin;
use kartenbund::egk::Egk;
use kartenbund::pki::cvc::TestCvcRoots;
use kartenbund::protocol::presence::{ChipEvidence, ChipPresence, Occasion};

use super::*;

/// Commands after which something must have come to an end: the most a flow sends, many times over.
const BOUND: usize = 20_000;

#[derive(Clone, Copy, Debug)]
enum Lie {
    /// Any bytes and any status word.
    Random,
    /// Success, with less data than there were.
    Short,
    /// Success, with as much as an answer can hold.
    Endless,
    /// What the card said to the command before.
    Shifted,
}

/// Honest for a while, and then never again. What it is sent still reaches the card.
struct Liar<'a> {
    card: &'a mut VirtualCard,
    lie: Lie,
    /// How many answers are honest.
    honest: usize,
    commands: usize,
    pins: usize,
    before: ResponseApdu,
    state: u32,
}

impl<'a> Liar<'a> {
    fn new(card: &'a mut VirtualCard, lie: Lie, honest: usize) -> Self {
        let before = ResponseApdu::new([], StatusWord::OK);
        Self { card, lie, honest, commands: 0, pins: 0, before, state: 0x9E37_79B9 ^ honest as u32 }
    }

    fn next(&mut self) -> u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        self.state
    }
}

impl CardChannel for Liar<'_> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        self.commands += 1;
        assert!(self.commands < BOUND, "{:?} after {}: no end", self.lie, self.honest);
        let [cla, ins, ..] = command.header();
        // VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (gemSpec_COS, 14.6)
        self.pins += usize::from(cla & 0xF3 == 0x00 && matches!(ins, 0x20 | 0x24 | 0x2C));
        let answer = self.card.transmit(command)?;
        let before = std::mem::replace(&mut self.before, answer.clone());
        if self.commands <= self.honest {
            return Ok(answer);
        }
        Ok(match self.lie {
            Lie::Random => {
                let length = self.next() as usize % 300;
                let data: Vec<u8> = (0..length).map(|_| self.next() as u8).collect();
                let words =
                    [0x9000, 0x63C3, 0x63C1, 0x6282, 0x6700, 0x6982, 0x6A82, 0x6B00, 0x6300, self.next() as u16];
                ResponseApdu::new(data, StatusWord(words[self.next() as usize % words.len()]))
            }
            Lie::Short => ResponseApdu::new(&answer.data()[..answer.data().len() / 2], StatusWord::OK),
            Lie::Endless => ResponseApdu::new(vec![0x30; 65_536], StatusWord::OK),
            Lie::Shifted => before,
        })
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        CardChannel::reset(self.card)
    }

    fn atr(&self) -> &[u8] {
        self.card.atr()
    }
}

const LIES: [Lie; 4] = [Lie::Random, Lie::Short, Lie::Endless, Lie::Shifted];

/// Lets the reader tell each lie from every step on, until it had no occasion to. `flow` gives whether all went well.
fn under_every_lie(mut card: impl FnMut() -> VirtualCard, mut flow: impl FnMut(&mut Liar<'_>) -> bool) {
    LIES.into_iter().for_each(|lie| under(lie, &mut card, &mut flow));
}

fn under(lie: Lie, mut card: impl FnMut() -> VirtualCard, mut flow: impl FnMut(&mut Liar<'_>) -> bool) {
    for honest in 0..100 {
        let mut card = card();
        let mut liar = Liar::new(&mut card, lie, honest);
        let went_well = flow(&mut liar);
        assert!(liar.pins <= 1, "{lie:?} after {honest}: one PIN was typed");
        if liar.commands <= honest {
            assert!(went_well, "nothing was a lie");
            return;
        }
    }
    panic!("{lie:?}: the flow has no end");
}

#[test]
fn reading_ends_and_gives_what_is_on_the_card_or_nothing() {
    let image = image_by(&ca(), &blueprint(ERIKA));
    let can = || Can::parse(&typed("123123")).unwrap();
    for contactless in [false, true] {
        let card = || match contactless {
            false => VirtualCard::load(&image).unwrap(),
            true => VirtualCard::load_contactless(&image, &mut rng()).unwrap(),
        };
        under_every_lie(card, |liar| {
            let Ok(mut egk) = Egk::open(liar, ApduLength::Extended) else { return false };
            if contactless && egk.open_contactless(&can(), &mut rng()).is_err() {
                return false;
            }
            let files = egk.read_files();
            // With contacts nothing protects what is read, and it is only shown.
            let status = egk.pin_status();
            files.is_ok() && status.is_ok()
        });
    }
}

#[test]
fn no_lie_passes_for_an_answer_without_contacts() {
    let image = image_by(&ca(), &blueprint(ERIKA));
    let honest = Egk::open(VirtualCard::load(&image).unwrap(), ApduLength::Extended).unwrap().read_files().unwrap();
    let card = || VirtualCard::load_contactless(&image, &mut rng()).unwrap();
    under_every_lie(card, |liar| {
        let Ok(mut egk) = Egk::open(liar, ApduLength::Extended) else { return false };
        if egk.open_contactless(&Can::parse(&typed("123123")).unwrap(), &mut rng()).is_err() {
            return false;
        }
        let Ok(files) = egk.read_files() else { return false };
        assert!(files.pd == honest.pd && files.vd == honest.vd && files.certificate == honest.certificate);
        true
    });
}

#[test]
fn a_pin_is_shown_to_the_card_once_whatever_the_reader_says() {
    let world = World::new();
    let computer = world.log_in(ERIKA, &world.member(ERIKA));
    let image = image_by(&ca(), &blueprint(ERIKA));
    let card = || VirtualCard::load(&image).unwrap();
    under_every_lie(card, |liar| {
        let mut person = Script { card_numbers: ["135790"].into(), may_spend_last_try: true, ..Script::default() };
        computer.with(&mut person, |around| card_pin::change(liar, ApduLength::Extended, around)).is_ok()
    });
    under_every_lie(card, |liar| {
        let numbers = ["12345678", "135790"].into();
        let mut person = Script { card_numbers: numbers, ..Script::default() };
        computer.with(&mut person, |around| card_pin::unblock(liar, ApduLength::Extended, false, around)).is_ok()
    });
}

#[test]
fn no_computer_is_registered_by_a_lie() {
    let image = image_by(&ca(), &blueprint(ERIKA));
    for lie in LIES {
        let world = World::new();
        let computer = world.log_in(ERIKA, &world.member(ERIKA));
        let mut registered = 0;
        let flow = |liar: &mut Liar<'_>| {
            let mut person = Script { may_spend_last_try: true, ..Script::default() };
            let done = computer.register_as(&mut *liar, &mut person, &wish()).is_ok();
            // The card's signature is the last answer: with that one a lie, nothing may be bound.
            assert!(!done || liar.commands <= liar.honest, "{lie:?} after {}", liar.honest);
            registered += usize::from(done);
            done
        };
        under(lie, || VirtualCard::load(&image).unwrap(), flow);
        assert_eq!((registered, computer.devices().len()), (1, 1), "the honest run");
    }
}

#[test]
fn no_chip_is_genuine_by_a_lie() {
    let image = image_by(&ca(), &blueprint(ERIKA));
    let mut roots = TestCvcRoots::default();
    roots.add_certificate(&std::fs::read("fixtures/pki/test-cvc-root.cvc").unwrap()).unwrap();
    for contactless in [false, true] {
        let card = || match contactless {
            false => VirtualCard::load(&image).unwrap(),
            true => VirtualCard::load_contactless(&image, &mut rng()).unwrap(),
        };
        let presence = |liar: &mut Liar<'_>, occasion: &Occasion| {
            let mut egk = Egk::open(liar, ApduLength::Extended)?;
            if contactless {
                egk.open_contactless(&Can::parse(&typed("123123")).unwrap(), &mut rng())?;
            }
            let (chip, authority) = (egk.read_chip_certificate()?, egk.read_chip_authority()?);
            let signature = egk.authenticate_chip(&occasion.nonce())?.to_vec();
            Ok::<_, EgkError>(ChipEvidence { chip, authority, signature })
        };
        under_every_lie(card, |liar| {
            let occasion = Occasion::of_nobody(&mut rng());
            let Ok(evidence) = presence(liar, &occasion) else { return false };
            let is_genuine = ChipPresence::check(&evidence, occasion, &roots, NOW).is_ok();
            // The signature is the last answer.
            assert!(!is_genuine || liar.commands <= liar.honest, "{:?} after {}", liar.lie, liar.honest);
            is_genuine
        });
    }
}
