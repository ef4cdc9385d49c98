//! Card readers of this computer, through the PC/SC service (PC/SC specification, parts 5 and 6).

mod access;
mod watch;

use std::ffi::{CStr, CString};
use std::thread;
use std::time::{Duration, Instant};

use pcsc::{Card, Context, Disposition, Error, Protocols, ReaderState, ShareMode, State, Transaction};
use zeroize::Zeroizing;

use super::pinpad::{Features, GET_FEATURE_REQUEST, Keypad, KeypadCommand, Layout, MAX_ANSWER, Question};
use super::{CardChannel, ChannelError};
use crate::apdu::commands::PasswordRef;
use crate::apdu::{CommandApdu, ResponseApdu, StatusWord};
pub use access::{Refusal, Sandbox};
pub use watch::Watch;

/// Health cards talk T=1; bridges to other card technologies may offer T=0.
const PROTOCOLS: Protocols = Protocols::T0.union(Protocols::T1);

/// How long it takes the service to notice that a card is gone: pcsc-lite looks every 400 ms, a busy one less often.
const NEXT_LOOK: Duration = Duration::from_millis(1500);

/// A transmission that fails after this long failed because no answer came: pcsc-lite has one error for that and for a
/// disturbed line (SCARD_E_NOT_TRANSACTED), but a disturbed line fails at once, and drivers wait for seconds.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// What a reader holds, as the PC/SC service sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// No card.
    Empty,
    /// A card that does not answer.
    Mute,
    /// A card that answers.
    Card,
    /// A card that another program uses exclusively.
    InUse,
}

/// One reader and what it holds.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The name the PC/SC service gives it.
    pub name: String,
    /// What it holds now.
    pub slot: Slot,
    /// The answer to reset of its card; empty without one.
    pub atr: Vec<u8>,
}

/// The PC/SC service of this computer.
#[allow(missing_debug_implementations, reason = "the service's handle has nothing to show")]
pub struct Service(Context);

impl Service {
    /// Connects to the PC/SC service.
    ///
    /// # Errors
    /// [`ChannelError::NoService`] when it does not run, [`ChannelError::NotAllowed`] when it does not let us in.
    pub fn connect() -> Result<Self, ChannelError> {
        access::establish().map(Self)
    }

    /// All readers and what they hold, in the service's order. Empty when there is none.
    ///
    /// # Errors
    /// [`ChannelError::NoService`] when the service is gone.
    pub fn readers(&self) -> Result<Vec<Reader>, ChannelError> {
        let names = match self.0.list_readers_owned() {
            Ok(names) => names,
            Err(Error::NoReadersAvailable) => return Ok(Vec::new()),
            Err(error) => return Err(channel_error(error)),
        };
        let mut states: Vec<_> = names.into_iter().map(|name| ReaderState::new(name, State::UNAWARE)).collect();
        if states.is_empty() {
            return Ok(Vec::new());
        }
        match self.0.get_status_change(Duration::ZERO, &mut states) {
            Ok(()) | Err(Error::Timeout) => {}
            Err(error) => return Err(channel_error(error)),
        }
        Ok(states.iter().map(reader_of).collect())
    }

    /// The reader to use: the one named `wanted`, else the only one that holds a card.
    ///
    /// # Errors
    /// No reader, none of that name, no card, a mute card, or several cards and no name.
    pub fn choose(&self, wanted: Option<&str>) -> Result<Reader, ChannelError> {
        choose_of(self.readers()?, wanted)
    }

    /// Whether the card has left `reader`. A card that is pulled looks like a disturbed line at first, and the service
    /// looks for cards a few times a second only: this waits for its next look.
    pub fn has_lost_card(&self, reader: &Reader) -> bool {
        let began = Instant::now();
        loop {
            let Ok(readers) = self.readers() else { return false };
            let is_there = |now: &Reader| now.name == reader.name && now.slot != Slot::Empty;
            if !readers.iter().any(is_there) {
                return true;
            }
            if began.elapsed() > NEXT_LOOK {
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Connects to the card in `reader`.
    ///
    /// # Errors
    /// No card, a mute card, or another program in the way.
    pub fn connect_card(&self, reader: &Reader, sharing: Sharing) -> Result<PcscCard, ChannelError> {
        let name = CString::new(reader.name.as_str()).map_err(|_| ChannelError::NoReader { wanted: None })?;
        let mode = match sharing {
            Sharing::Shared => ShareMode::Shared,
            Sharing::Exclusive => ShareMode::Exclusive,
        };
        let card = self.0.connect(&name, mode, PROTOCOLS).map_err(channel_error)?;
        Ok(PcscCard { card: Some(card), sharing, atr: reader.atr.clone() })
    }
}

/// Whether other programs may use the card at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Others may be connected; a transaction keeps them out while we talk. For reading.
    Shared,
    /// Nobody else; the card is reset at the end, so that no verified PIN stays behind. For everything with a PIN.
    Exclusive,
}

/// A connected card. Dropping it ends the connection.
#[allow(missing_debug_implementations, reason = "the service's handle has nothing to show")]
pub struct PcscCard {
    card: Option<Card>,
    sharing: Sharing,
    atr: Vec<u8>,
}

impl PcscCard {
    /// Opens the line to the card, with all other programs kept out until it is dropped.
    ///
    /// # Errors
    /// The card is gone, or another program reset it meanwhile.
    pub fn begin(&mut self) -> Result<PcscChannel<'_>, ChannelError> {
        let card = self.card.as_mut().ok_or(ChannelError::Removed)?;
        let line = match self.sharing {
            // No transaction: Windows resets a card that is idle in one for five seconds, and people type slower.
            Sharing::Exclusive => Line::Exclusive(card),
            Sharing::Shared => Line::Shared(match card.transaction2() {
                Ok(transaction) => transaction,
                Err((card, Error::ResetCard)) => {
                    card.reconnect(ShareMode::Shared, PROTOCOLS, Disposition::LeaveCard).map_err(channel_error)?;
                    card.transaction().map_err(channel_error)?
                }
                Err((_, error)) => return Err(channel_error(error)),
            }),
        };
        let features = features_of(line.card());
        let buffer = Zeroizing::new(vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED]);
        Ok(PcscChannel { line, buffer, atr: &self.atr, features })
    }
}

impl Drop for PcscCard {
    fn drop(&mut self) {
        let end = match self.sharing {
            Sharing::Shared => Disposition::LeaveCard,
            Sharing::Exclusive => Disposition::ResetCard,
        };
        if let Some(Err((card, _))) = self.card.take().map(|card| card.disconnect(end)) {
            drop(card);
        }
    }
}

/// The line to a card in a reader.
#[allow(missing_debug_implementations, reason = "the service's handle has nothing to show")]
pub struct PcscChannel<'card> {
    line: Line<'card>,
    buffer: Zeroizing<Vec<u8>>,
    atr: &'card [u8],
    features: Features,
}

enum Line<'card> {
    Exclusive(&'card mut Card),
    Shared(Transaction<'card>),
}

impl Line<'_> {
    fn card(&self) -> &Card {
        match self {
            Self::Exclusive(card) => card,
            Self::Shared(transaction) => transaction,
        }
    }
}

impl CardChannel for PcscChannel<'_> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        let began = Instant::now();
        let answer = self.line.card().transmit(&command.to_bytes(), &mut self.buffer).map_err(|error| match error {
            Error::NotTransacted if began.elapsed() >= ANSWER_TIME => ChannelError::Timeout,
            error => channel_error(error),
        })?;
        ResponseApdu::parse(answer).ok_or(ChannelError::Malformed)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        match &mut self.line {
            Line::Exclusive(card) => card.reconnect(ShareMode::Exclusive, PROTOCOLS, Disposition::ResetCard),
            Line::Shared(transaction) => transaction.reconnect(ShareMode::Shared, PROTOCOLS, Disposition::ResetCard),
        }
        .map_err(channel_error)
    }

    fn atr(&self) -> &[u8] {
        self.atr
    }

    fn max_data(&self) -> Option<u32> {
        self.features.max_data()
    }

    fn keypad(&mut self) -> Option<&mut dyn Keypad> {
        if self.features.has_keypad() { Some(self) } else { None }
    }
}

impl Keypad for PcscChannel<'_> {
    fn takes(&self, command: KeypadCommand) -> bool {
        self.features.code_for(command).is_some()
    }

    fn enter(
        &mut self,
        command: KeypadCommand,
        password: PasswordRef,
        layout: Layout,
    ) -> Result<StatusWord, ChannelError> {
        let code = self.features.code_for(command).ok_or(ChannelError::Interrupted(None))?;
        let mut answer = [0; pcsc::MAX_BUFFER_SIZE];
        let answer = self.line.card().control(code.into(), &command.structure(password, layout), &mut answer);
        // Neither command has an answer but its status word.
        match answer.map_err(channel_error)? {
            [high, low] => Ok(StatusWord(u16::from_be_bytes([*high, *low]))),
            _ => Err(ChannelError::Malformed),
        }
    }
}

/// What the reader of a card says of itself; nothing where it refuses.
fn features_of(card: &Card) -> Features {
    Features::read(|question| {
        let code = match question {
            Question::Features => pcsc::ctl_code(GET_FEATURE_REQUEST.into()),
            Question::Properties(code) => code.into(),
        };
        let mut answer = [0; MAX_ANSWER];
        card.control(code, &[], &mut answer).ok().map(<[u8]>::to_vec)
    })
}

/// The same as [`Service::choose`], of readers that are known already.
///
/// # Errors
/// As there.
pub fn choose_of(readers: Vec<Reader>, wanted: Option<&str>) -> Result<Reader, ChannelError> {
    let no_reader = || ChannelError::NoReader { wanted: wanted.map(str::to_owned) };
    let chosen = match wanted {
        Some(name) => readers.into_iter().find(|reader| reader.name == name).ok_or_else(no_reader)?,
        None if readers.is_empty() => return Err(no_reader()),
        None => {
            let mut holding = readers.into_iter().filter(|reader| reader.slot != Slot::Empty);
            let first = holding.next().ok_or(ChannelError::NoCard)?;
            if holding.next().is_some() {
                return Err(ChannelError::SeveralCards);
            }
            first
        }
    };
    match chosen.slot {
        Slot::Empty => Err(ChannelError::NoCard),
        Slot::Mute => Err(ChannelError::MuteCard),
        Slot::InUse => Err(ChannelError::InUse),
        Slot::Card => Ok(chosen),
    }
}

fn reader_of(state: &ReaderState) -> Reader {
    let event = state.event_state();
    let slot = if event.contains(State::MUTE) {
        Slot::Mute
    } else if !event.contains(State::PRESENT) {
        Slot::Empty // even where a program still holds on to the card that was there
    } else if event.contains(State::EXCLUSIVE) {
        Slot::InUse
    } else {
        Slot::Card
    };
    Reader { name: lossy(state.name()), slot, atr: state.atr().to_vec() }
}

fn lossy(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

/// What an error of the service means for a person.
fn channel_error(error: Error) -> ChannelError {
    match error {
        // The last one is the line to the service, not the one to the card.
        Error::NoService | Error::ServiceStopped | Error::InvalidHandle | Error::CommError => ChannelError::NoService,
        Error::SecurityViolation | Error::NoAccess => ChannelError::NotAllowed(Refusal::Rights),
        Error::UnknownReader | Error::NoReadersAvailable => ChannelError::NoReader { wanted: None },
        Error::NoSmartcard => ChannelError::NoCard,
        Error::RemovedCard | Error::ReaderUnavailable => ChannelError::Removed,
        // An answer to reset that nobody understands comes from dirty contacts, or from a card of another kind.
        Error::UnresponsiveCard | Error::UnpoweredCard | Error::UnsupportedCard | Error::ProtoMismatch => {
            ChannelError::MuteCard
        }
        Error::SharingViolation => ChannelError::InUse,
        Error::ResetCard => ChannelError::Reset,
        Error::Timeout => ChannelError::Timeout,
        error => ChannelError::Interrupted(Some(error)),
    }
}
