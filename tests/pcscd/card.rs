//! Cards, and what passes between a card and the reader it is in.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::personalise::{Blueprint, TestCa, personalise};
use kartenbund::virtual_card::vpcd::{Step, plug};
use rand_core::UnwrapErr;
use time::OffsetDateTime;

use crate::computer::Computer;
use crate::pcscd::{Pcscd, Reader};

/// Erika, and what she knows.
pub(crate) const ERIKA: &str = "K220635158";
pub(crate) const PIN: &str = "123456";
pub(crate) const WRONG_PIN: &str = "654321";
pub(crate) const DEVICE_PIN: &str = "270618";
/// Somebody else.
pub(crate) const MAX: &str = "M700800900";

/// CLA, INS, P1 and P2 of VERIFY for the PIN that opens the signature key (gemSpec_COS, 14.6.6).
pub(crate) const VERIFY: [u8; 4] = [0x00, 0x20, 0x00, 0x02];
/// MANAGE SECURITY ENVIRONMENT: the first command behind the PIN (gemSpec_COS, 14.9.9.9).
pub(crate) const MSE_SET: [u8; 4] = [0x00, 0x22, 0x41, 0xB6];
/// INTERNAL AUTHENTICATE: the chip shows that it is there (gemSpec_COS, 14.7.4.1).
pub(crate) const INTERNAL_AUTHENTICATE: [u8; 4] = [0x00, 0x88, 0x00, 0x00];
/// PSO COMPUTE DIGITAL SIGNATURE (gemSpec_COS, 14.8.2.1).
pub(crate) const SIGN: [u8; 4] = [0x00, 0x2A, 0x9E, 0x9A];

/// Erika's card.
pub(crate) fn erika() -> Blueprint {
    let iccsn = Some("80276999995070683853".to_owned());
    Blueprint { iccsn, ..Blueprint::new(ERIKA.parse().unwrap(), "Erika", "Müstermann") }
}

/// The image of a card under the published test CA.
pub(crate) fn image(blueprint: &Blueprint) -> String {
    let ca = TestCa::built_in().unwrap();
    personalise(blueprint, &ca, &mut UnwrapErr(getrandom::SysRng), OffsetDateTime::now_utc()).unwrap()
}

pub(crate) fn card(blueprint: &Blueprint) -> VirtualCard {
    VirtualCard::load(&image(blueprint)).unwrap()
}

/// A card that answers and knows nothing but the application with this identifier.
pub(crate) fn card_with_application(aid: &str) -> VirtualCard {
    VirtualCard::load(&format!(
        r#"<card><objectSystem><attribute id="root"><child id="MF" objectType="ADF"><attributes>
           <attribute id="applicationIdentifier">{{{aid}}}</attribute>
           </attributes></child></attribute></objectSystem></card>"#
    ))
    .unwrap()
}

/// What a command means to a test: its number since [`InReader::watch`], from 1, and its CLA, INS, P1 and P2.
type OnCommand = Box<dyn FnMut(usize, [u8; 4]) -> Step + Send>;

/// A card in a reader.
pub(crate) struct InReader {
    reader: Reader,
    line: Arc<Mutex<Line>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<VirtualCard>>,
}

/// What passes.
struct Line {
    commands: Vec<[u8; 4]>,
    on_command: OnCommand,
    is_pulled: bool,
}

impl Line {
    fn new(on_command: OnCommand) -> Self {
        Self { commands: Vec::new(), on_command, is_pulled: false }
    }
}

impl InReader {
    /// Puts a card into a reader, and waits until the service has seen it.
    pub(crate) fn insert(service: &Pcscd, reader: Reader, card: VirtualCard) -> Self {
        let computer = Computer::at(service);
        // One that was taken out just now has to be missed first.
        computer.wait_until(reader.name(), "empty");
        let inserted = Self::begin(service, reader, card);
        crate::eventually("the card is seen", || {
            let readers = computer.try_readers()?;
            readers.into_iter().find(|(name, state)| name == reader.name() && state != "empty")
        });
        inserted.start_counting();
        inserted
    }

    fn begin(service: &Pcscd, reader: Reader, mut card: VirtualCard) -> Self {
        let line = Arc::new(Mutex::new(Line::new(Box::new(|_, _| Step::Answer))));
        let stop = Arc::new(AtomicBool::new(false));
        let (told, passing, address) = (Arc::clone(&stop), Arc::clone(&line), service.address(reader));
        let thread = thread::spawn(move || {
            let step = |header: &[u8]| {
                let header = *header.first_chunk().expect("a command has four bytes at least");
                let line = &mut *passing.lock().unwrap();
                line.commands.push(header);
                let step = (line.on_command)(line.commands.len(), header);
                line.is_pulled = step != Step::Answer;
                step
            };
            plug(&mut card, address, &told, step).unwrap();
            card
        });
        Self { reader, line, stop, thread: Some(thread) }
    }

    /// Forgets the commands so far. From now on the card answers all of them.
    pub(crate) fn start_counting(&self) {
        self.watch(|_, _| Step::Answer);
    }

    /// Forgets the commands so far. From now on `on_command` decides what becomes of each.
    pub(crate) fn watch(&self, on_command: impl FnMut(usize, [u8; 4]) -> Step + Send + 'static) {
        *self.line.lock().unwrap() = Line::new(Box::new(on_command));
    }

    /// The commands since then.
    pub(crate) fn commands(&self) -> Vec<[u8; 4]> {
        self.line.lock().unwrap().commands.clone()
    }

    /// How often a PIN was sent since then.
    pub(crate) fn verifies(&self) -> usize {
        self.commands().iter().filter(|header| **header == VERIFY).count()
    }

    /// Whether the card was pulled by `on_command`.
    pub(crate) fn is_pulled(&self) -> bool {
        self.line.lock().unwrap().is_pulled
    }

    /// What pulls the card as soon as it has answered the command that `on_command` is asked for.
    pub(crate) fn pull_after_answer(&self) -> impl Fn() + Send + 'static {
        let stop = Arc::clone(&self.stop);
        move || stop.store(true, Ordering::Relaxed)
    }

    /// Takes the card out, where it is still in. It keeps what it counts.
    pub(crate) fn take_out(mut self) -> VirtualCard {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }

    pub(crate) fn reader(&self) -> &'static str {
        self.reader.name()
    }
}

impl Drop for InReader {
    /// Otherwise the card would look for its reader as long as the tests run, and find another test's.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A card the wrong way round: the reader feels that something is there, and gets no answer to reset from it.
pub(crate) struct WrongWayRound(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl WrongWayRound {
    pub(crate) fn insert(service: &Pcscd, reader: Reader) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, address) = (Arc::clone(&stop), service.address(reader));
        // The reader asks several times a second, so this does not wait long.
        let thread = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                let _ = TcpStream::connect(address).and_then(|line| hang_up_at_power_on(line, &told));
            }
        });
        Self(stop, Some(thread))
    }
}

impl Drop for WrongWayRound {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        let _ = self.1.take().map(JoinHandle::join);
    }
}

/// vpcd takes the question for the answer to reset for "is a card there?": yes. Power (1) is where this card fails.
fn hang_up_at_power_on(mut line: TcpStream, stop: &AtomicBool) -> io::Result<()> {
    const ATR: [u8; 11] = [0x3B, 0xD0, 0x97, 0xFF, 0x81, 0xB1, 0xFE, 0x45, 0x1F, 0x07, 0x2B];
    while !stop.load(Ordering::Relaxed) {
        let mut word = [0; 3]; // two bytes of length, and one that says what the reader wants
        line.read_exact(&mut word)?;
        match word {
            [0, 1, 1] => break,
            [0, 1, 4] => line.write_all(&[&[0, 11][..], &ATR].concat())?,
            _ => {}
        }
    }
    Ok(())
}
