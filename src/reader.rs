//! A line to one card, whatever is at the far end: a real reader, a recorded session, a card in software.

pub mod explain;
pub mod pace;
pub mod pcsc;
pub mod pinpad;
pub mod record;
pub mod replay;
pub mod secure;

use thiserror::Error;

use crate::apdu::{CommandApdu, ResponseApdu};
use pinpad::Keypad;
use replay::ReplayMismatch;
use secure::SecureMessagingError;

/// A line to one card. One command out, one response back.
pub trait CardChannel {
    /// Sends `command` and waits for the card's response.
    ///
    /// # Errors
    /// The line is gone (card removed, reader unplugged) or the far end broke the protocol.
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError>;

    /// Resets the card: the MF is selected and no PIN is verified any more (ISO/IEC 7816-3, 6.2.3).
    ///
    /// # Errors
    /// The line is gone.
    fn reset(&mut self) -> Result<(), ChannelError>;

    /// The card's answer to reset (ISO/IEC 7816-3, 8), or what the reader made up for a card without contacts (PC/SC,
    /// part 3, 3.1.3.2.3); empty where the line does not know it.
    fn atr(&self) -> &[u8] {
        &[]
    }

    /// Most bytes of data in a command or an answer that the reader says it carries (256 to 65536); 256 is a reader for
    /// short APDUs only. `None` where it does not say.
    fn max_data(&self) -> Option<u32> {
        None
    }

    /// The keypad of the reader, where it has one and what is typed on it reaches the card.
    fn keypad(&mut self) -> Option<&mut dyn Keypad> {
        None
    }
}

impl<C: CardChannel + ?Sized> CardChannel for &mut C {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        (**self).transmit(command)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        (**self).reset()
    }

    fn atr(&self) -> &[u8] {
        (**self).atr()
    }

    fn max_data(&self) -> Option<u32> {
        (**self).max_data()
    }

    fn keypad(&mut self) -> Option<&mut dyn Keypad> {
        (**self).keypad()
    }
}

impl<C: CardChannel + ?Sized> CardChannel for Box<C> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        (**self).transmit(command)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        (**self).reset()
    }

    fn atr(&self) -> &[u8] {
        (**self).atr()
    }

    fn max_data(&self) -> Option<u32> {
        (**self).max_data()
    }

    fn keypad(&mut self) -> Option<&mut dyn Keypad> {
        (**self).keypad()
    }
}

/// What went wrong between this program and the card.
#[derive(Debug, Error)]
pub enum ChannelError {
    /// The PC/SC service does not run.
    #[error("no PC/SC service")]
    NoService,
    /// The PC/SC service does not let this program in, or not to this card.
    #[error("the PC/SC service does not let this program in: {0:?}")]
    NotAllowed(pcsc::Refusal),
    /// No reader is connected, or not the one that was named.
    #[error("no such card reader")]
    NoReader {
        /// The reader that was asked for.
        wanted: Option<String>,
    },
    /// No reader holds a card.
    #[error("no card in the reader")]
    NoCard,
    /// A card is in the reader and does not answer: most often it is the wrong way round.
    #[error("the card does not answer")]
    MuteCard,
    /// More than one reader holds a card and none was named.
    #[error("more than one reader holds a card")]
    SeveralCards,
    /// Another program uses the card exclusively.
    #[error("another program uses the card")]
    InUse,
    /// The card or its reader was removed while it was used.
    #[error("the card was removed")]
    Removed,
    /// Another program reset the card (SCARD_W_RESET_CARD): what was selected, verified and agreed on is gone. The line
    /// is there again after [`CardChannel::reset`].
    #[error("another program reset the card")]
    Reset,
    /// No answer came in the time the reader gives a card.
    #[error("the card did not answer in time")]
    Timeout,
    /// The transmission failed with the card still there.
    #[error("the transmission failed")]
    Interrupted(#[source] Option<::pcsc::Error>),
    /// The answer is shorter than a status word or longer than any card's.
    #[error("the answer is no response APDU")]
    Malformed,
    /// An answer was not protected as it must be; the session with the card has ended.
    #[error(transparent)]
    Unprotected(#[from] SecureMessagingError),
    /// A recorded session does not fit what is sent, cannot be read, or cannot be written.
    #[error(transparent)]
    Session(#[from] ReplayMismatch),
}
