//! What is counted, with the product's own code on the virtual card.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use kartenbund::apdu::{CommandApdu, ResponseApdu};
use kartenbund::client::register::{Wish, register};
use kartenbund::egk::{ApduLength, Egk, LastTry, PinAnswer, PinStatus};
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::secret::{Can, Pin};
use kartenbund::virtual_card::VirtualCard;

use crate::Exchange;
use crate::common::{CARD_PIN, Script, World, blueprint, ca, image_by, rng, typed, wish};
use crate::ideal::{self, Content};

/// Whose card it is.
pub(crate) const PERSON: &str = crate::common::ERIKA;

/// How the card is reached.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Contact(ApduLength),
    Contactless(ApduLength),
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [
        Self::Contact(ApduLength::Extended),
        Self::Contact(ApduLength::Short),
        Self::Contactless(ApduLength::Extended),
        Self::Contactless(ApduLength::Short),
    ];

    pub(crate) fn is_contactless(self) -> bool {
        matches!(self, Self::Contactless(_))
    }

    pub(crate) fn length(self) -> ApduLength {
        let (Self::Contact(length) | Self::Contactless(length)) = self;
        length
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interface = if self.is_contactless() { "contactless" } else { "contacts" };
        let length = if self.length() == ApduLength::Extended { "extended" } else { "short" };
        write!(f, "{interface}, {length}")
    }
}

/// What is done with the card. Each begins where the ones before it have led.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Identify,
    Pace,
    Files,
    Sign,
    Register,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identify => "identify",
            Self::Pace => "PACE",
            Self::Files => "GDO, StatusVD, PD, VD, C.CH.AUT",
            Self::Sign => "PIN and signature",
            Self::Register => "whole registration",
        })
    }
}

/// A card whose exchanges are counted.
struct Counted {
    card: VirtualCard,
    exchanges: Rc<RefCell<Vec<Exchange>>>,
}

impl CardChannel for Counted {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        let answer = self.card.transmit(command)?;
        self.exchanges.borrow_mut().push(Exchange { up: command.to_bytes().len(), down: answer.data().len() + 2 });
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        CardChannel::reset(&mut self.card)
    }

    fn atr(&self) -> &[u8] {
        self.card.atr()
    }
}

impl Flow {
    pub(crate) const ALL: [Self; 5] = [Self::Identify, Self::Pace, Self::Files, Self::Sign, Self::Register];

    /// What passes for this flow alone.
    pub(crate) fn count(self, way: Way) -> Vec<Exchange> {
        let image = image_by(&ca(), &blueprint(PERSON));
        let card = match way {
            Way::Contact(_) => VirtualCard::load(&image).unwrap(),
            Way::Contactless(_) => VirtualCard::load_contactless(&image, &mut rng()).unwrap(),
        };
        let exchanges = Rc::new(RefCell::new(Vec::new()));
        let channel = Counted { card, exchanges: Rc::clone(&exchanges) };
        if self == Self::Register {
            register_with(channel, way);
            return exchanges.take();
        }
        let mut egk = Egk::open(channel, way.length()).unwrap();
        if self == Self::Identify {
            return exchanges.take();
        }
        if way.is_contactless() {
            exchanges.take();
            egk.open_contactless(&can(), &mut rng()).unwrap();
        }
        if self == Self::Pace {
            return exchanges.take();
        }
        exchanges.take();
        match self {
            Self::Files => drop(egk.read_files().unwrap()),
            _ => sign(&mut egk),
        }
        exchanges.take()
    }

    /// The least that this flow can do with.
    pub(crate) fn ideal(self, way: Way, content: &Content) -> Vec<Exchange> {
        match self {
            Self::Identify => ideal::identify(content),
            Self::Pace => ideal::pace(),
            Self::Files => ideal::files(way, content),
            Self::Sign => ideal::sign(way),
            Self::Register => ideal::register(way, content),
        }
    }
}

fn can() -> Can {
    Can::parse(&typed("123123")).unwrap()
}

fn sign<C: CardChannel>(egk: &mut Egk<C>) {
    let PinStatus::Usable(tries) = egk.pin_status().unwrap() else { panic!("the PIN is not usable") };
    let attempt = tries.attempt(LastTry::Refused).unwrap();
    let pin = Pin::parse(&typed(CARD_PIN)).unwrap();
    assert_eq!(egk.verify_pin(attempt, &pin).unwrap(), PinAnswer::Accepted);
    egk.auth_key().sign(b"something").unwrap();
}

/// The client's own registration at a service of its own.
fn register_with(channel: Counted, way: Way) {
    let world = World::new();
    let computer = world.log_in(PERSON, &world.member(PERSON));
    let mut person = Script { cans: ["123123"].into(), ..Script::default() };
    let wish = Wish { length: way.length(), ..wish() };
    computer.with(&mut person, |around| register(&computer.here, channel, &wish, around)).unwrap();
}
