//! Whole sessions with the virtual card, with contacts and without. Beside it stands what its owner knows: which PIN is
//! set, which tries are left, what was shown. Nothing the card says may differ from that.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;

use kartenbund::apdu::{CommandApdu, ResponseApdu};
use kartenbund::reader::pace::{self, PaceError};
use kartenbund::reader::secure::SecureChannel;
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::virtual_card::VirtualCard;

use super::input::Input;
use super::session;

/// Commands that come close to what a reader sends.
const COMMANDS: [&str; 38] = [
    "00A4040C07D2760001448000",
    "00A4040C06D27600000102",
    "00A4040C0AA000000167455349474E",
    "00A40404000000",
    "00A4030C",
    "00A4020402D00100",
    "00A4020C02C504",
    "00B08100000000",
    "00B08200000000",
    "00B08300000000",
    "00B08400000000",
    "00B08C0019",
    "00B09C0000",
    "00B09D0000",
    "00B0910000",
    "00B0820000",
    "00B0000000",
    "00B0000400",
    "80200001",
    "80200002",
    "002000010826123456FFFFFFFF",
    "002000020826123456FFFFFFFF",
    "002000020826654321FFFFFFFF",
    "002000010826654321FFFFFFFF",
    "00200002082512345FFFFFFFFF",
    "002400021026123456FFFFFFFF26654321FFFFFFFF",
    "002400021026654321FFFFFFFF26123456FFFFFFFF",
    "002400021026999999FFFFFFFF26123456FFFFFFFF",
    "002401020826654321FFFFFFFF",
    "002C0102082812345678FFFFFF",
    "002C0002102812345678FFFFFF26123456FFFFFFFF",
    "002C0102082887654321FFFFFF",
    "002C0002102887654321FFFFFF26123456FFFFFFFF",
    "002241B606840184800100",
    "002A9E9A20BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD00",
    "0022C1A40F800A04007F00070202040202830102",
    "10860000027C0000",
    "00860000057C03850100",
];
/// Most steps of a session, and most runs of PACE, which take their time.
const MAX_STEPS: usize = 64;
const MAX_RUNS: usize = 2;

/// Steps.
const KNOWN: u8 = 1;
const CHANGED: u8 = 3;
const RESET: u8 = 4;
const PACE: u8 = 5;
const TAMPERED: u8 = 6;
const PLAIN: u8 = 7;

/// What may be read without contacts and without PACE (gemSpec_eGK_ObjSys_G2_1): EF.CardAccess, EF.ATR, EF.Version2.
static FREE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut card = session::card(false);
    let mut read = |sfi: u8| card.execute(&[0x00, 0xB0, 0x80 | sfi, 0x00, 0x00]);
    [0x1C, 0x1D, 0x11].map(|sfi| read(sfi).split_last_chunk::<2>().expect("an answer").0.to_vec()).to_vec()
});

pub fn body(bytes: &[u8]) {
    let mut input = Input(bytes);
    let is_contactless = input.byte() % 2 == 1;
    let line = Line(Rc::new(RefCell::new(End { card: session::card(is_contactless), change: None })));
    let mut reader = Reader { line, channel: None, owner: Owner::new(is_contactless) };
    let mut runs = 0;
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        match input.byte() % 8 {
            RESET => reader.reset(),
            PACE if runs < MAX_RUNS => {
                runs += 1;
                reader.pace(if input.byte().is_multiple_of(4) { "123124" } else { "123123" });
            }
            TAMPERED => reader.tampered(&known(&mut input), input.below(1000), input.byte().max(1)),
            PLAIN => reader.plain(&known(&mut input).to_bytes()),
            CHANGED => {
                let mut bytes = known(&mut input).to_bytes().to_vec();
                let place = input.below(bytes.len());
                bytes[place] = input.byte();
                match CommandApdu::parse(&bytes) {
                    Ok(command) => reader.send(&command),
                    Err(_) => reader.plain(&bytes),
                }
            }
            KNOWN | 2 => reader.send(&known(&mut input)),
            _ => {
                let bytes = input.chunk();
                if let Ok(command) = CommandApdu::parse(bytes) {
                    assert!(CommandApdu::parse(&command.to_bytes()) == Ok(command), "the same, in its shortest form");
                }
                reader.plain(bytes);
            }
        }
    }
    reader.finish();
}

fn known(input: &mut Input<'_>) -> CommandApdu {
    session::command(COMMANDS[usize::from(input.byte()) % COMMANDS.len()])
}

/// The card, and a byte that is changed in the next command on its way: where, and how.
struct End {
    card: VirtualCard,
    change: Option<(usize, u8)>,
}

#[derive(Clone)]
struct Line(Rc<RefCell<End>>);

impl Line {
    fn execute(&self, command: &[u8]) -> ResponseApdu {
        let End { card, change } = &mut *self.0.borrow_mut();
        let mut command = command.to_vec();
        if let Some((place, change)) = change.take() {
            // What is behind the objects is the line's, and not sealed.
            let sealed = command.len() - 2;
            command[place % sealed] ^= change;
        }
        let answer = card.execute(&command);
        assert!(answer.len() <= 65_535, "it fits the line");
        ResponseApdu::parse(&answer).expect("a status word at least")
    }
}

impl CardChannel for Line {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        Ok(self.execute(&command.to_bytes()))
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        self.0.borrow_mut().card.reset();
        Ok(())
    }
}

struct Reader {
    line: Line,
    /// A secured line, as long as nothing else was said.
    channel: Option<SecureChannel<Line>>,
    owner: Owner,
}

impl Reader {
    fn reset(&mut self) {
        self.line.reset().expect("a card in software");
        self.channel = None;
        self.owner.verified = [false; 2];
    }

    fn plain(&mut self, bytes: &[u8]) {
        self.channel = None;
        let answer = self.line.execute(bytes);
        self.owner.check(bytes, &answer, false);
    }

    /// Secured where there is a session.
    fn send(&mut self, command: &CommandApdu) {
        // A class of its own is not kept apart from that of secure messaging.
        let Some(channel) = self.channel.as_mut().filter(|_| command.header()[0] & 0x0C == 0) else {
            return self.plain(&command.to_bytes());
        };
        let answer = channel.transmit(command).expect("nobody disturbs this session");
        self.owner.check(&command.to_bytes(), &answer, true);
    }

    /// A secured command that is changed on its way is not carried out, and ends the session.
    fn tampered(&mut self, command: &CommandApdu, place: usize, change: u8) {
        let Some(mut channel) = self.channel.take() else { return };
        self.line.0.borrow_mut().change = Some((place, change));
        assert!(channel.transmit(command).is_err(), "a changed command is answered like a good one");
        assert!(!channel.is_secured());
    }

    fn pace(&mut self, digits: &str) {
        self.plain(&session::command("00A4040C07D2760001448000").to_bytes());
        let mut channel = SecureChannel::new(self.line.clone());
        let result = pace::establish(&mut channel, &session::can(digits), &session::ephemeral_keys());
        match digits {
            "123123" => result.expect("the right number"),
            _ => return assert!(matches!(result, Err(PaceError::WrongCan))),
        }
        self.channel = Some(channel);
    }

    /// With contacts the card tells what is left of its PIN.
    fn finish(mut self) {
        self.reset();
        if !self.owner.is_contactless {
            self.plain(&[0x80, 0x20, 0x00, 0x02]);
        }
    }
}

/// What the owner of the card knows.
struct Owner {
    is_contactless: bool,
    pin: Vec<u8>,
    tries: u8,
    puk_uses: u8,
    /// Whether PIN.CH and MRPIN.home were shown; they are the same digits.
    verified: [bool; 2],
}

const PUK: [u8; 8] = [0x28, 0x12, 0x34, 0x56, 0x78, 0xFF, 0xFF, 0xFF];
const START_TRIES: u8 = 3;

impl Owner {
    fn new(is_contactless: bool) -> Self {
        let pin = vec![0x26, 0x12, 0x34, 0x56, 0xFF, 0xFF, 0xFF, 0xFF];
        Self { is_contactless, pin, tries: START_TRIES, puk_uses: 10, verified: [false; 2] }
    }

    /// Compares an answer with what is known, and learns from it.
    fn check(&mut self, command: &[u8], answer: &ResponseApdu, is_secured: bool) {
        let Ok(command) = CommandApdu::parse(command) else {
            assert!(answer.data().is_empty() && !answer.status().is_ok(), "no command has a good end");
            return;
        };
        let [cla, ins, p1, p2] = command.header();
        let (data, status) = (command.data(), answer.status().0);
        let is_free = !self.is_contactless || is_secured;
        let left = match status {
            0x63C0..=0x63CF => Some((status & 0x0F) as u8),
            _ => None,
        };
        let done = status == 0x9000;
        let password = usize::from(p2 & 0x7F).wrapping_sub(1);
        match (cla, ins) {
            (0x00, 0x20 | 0x24 | 0x2C) if done || left.is_some() => {
                assert!(is_free, "a PIN went over the air in the open, and the card took it");
                let (first, new) = data.split_at(8);
                let is_right = match ins {
                    0x2C => first == PUK,
                    _ => first == self.pin,
                };
                assert_eq!(is_right, done, "right is right and wrong is wrong");
                let counter = if ins == 0x2C { &mut self.puk_uses } else { &mut self.tries };
                *counter = counter.checked_sub(1).expect("a try that was not left");
                assert!(left.is_none_or(|left| left == *counter), "{left:?}");
                self.verified[password] = done && ins == 0x20;
                if done {
                    self.tries = START_TRIES;
                    assert!(ins != 0x24 || p1 == 0, "this card has a PIN");
                    if !new.is_empty() {
                        self.pin = new.to_vec();
                    }
                }
            }
            (0x80, 0x20) => {
                assert!(left.is_none_or(|left| left == self.tries), "{left:?} of {}", self.tries);
                assert!(!done || self.verified[password], "a PIN that was not shown");
            }
            (0x00, 0x2A) if done => {
                assert!(is_free && self.verified[1], "a signature without MRPIN.home");
            }
            (0x00, 0xB0) if !answer.data().is_empty() => {
                let is_public =
                    || FREE.iter().any(|file| file.windows(answer.data().len()).any(|w| w == answer.data()));
                assert!(is_free || is_public(), "a file was handed out without PACE");
            }
            _ => {}
        }
    }
}

/// A person's ways with the card: with contacts, without, and the ways of a thief.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let at = |command: &str| COMMANDS.iter().position(|known| *known == command).expect("known") as u8;
    let steps = |step: u8, commands: &[&str]| commands.iter().flat_map(|hex| [step, at(hex)]).collect::<Vec<u8>>();
    let [mf, hca, esign] = [COMMANDS[0], COMMANDS[1], COMMANDS[2]];
    let [right, wrong] = ["002000020826123456FFFFFFFF", "002000020826654321FFFFFFFF"];
    let [status, choose] = ["80200002", "002241B606840184800100"];
    let sign = COMMANDS[34];
    let read =
        steps(KNOWN, &[mf, "00B0910000", hca, "00B08C0019", "00B08100000000", "00B08200000000", "00B08300000000"]);
    let signing = steps(KNOWN, &[status, right, esign, "00B08400000000", choose, sign, status]);
    let thief = steps(KNOWN, &[wrong, wrong, status, wrong, right, esign, choose, sign]);
    let changing = steps(KNOWN, &[COMMANDS[25], wrong, COMMANDS[26], right, COMMANDS[28]]);
    let puk = steps(KNOWN, &[wrong, wrong, wrong, COMMANDS[31], COMMANDS[29], right, COMMANDS[30]]);
    let open = steps(PLAIN, &[hca, "00B08100000000", right, esign, "00B08400000000", "00B09C0000"]);
    let tampered = [TAMPERED, at("00B08C0019"), 0, 17, 1].to_vec();
    let raw = [0, 5, 0x00, 0xB0, 0x9C, 0x00, 0x00].to_vec();
    let changed = [CHANGED, at(right), 0, 12, 0x0F].to_vec();
    let all = [&read, &signing, &thief, &changing, &puk, &open, &raw, &changed];
    let contact = all.map(|steps| [&[0], steps.as_slice()].concat());
    let contactless = all.map(|steps| [&[1, PACE, 1], steps.as_slice()].concat());
    let more = [
        [&[1, PACE, 0], open.as_slice()].concat(),
        [&[1, PACE, 1, KNOWN, at(hca)], tampered.as_slice(), &open].concat(),
        [&[1, PACE, 1], signing.as_slice(), &open, &[PACE, 1], &signing, &[RESET], &open].concat(),
    ];
    contact.into_iter().chain(contactless).chain(more).collect()
}
