//! Readers and cards that come and go, followed by the events of the PC/SC service (SCardGetStatusChange).

use std::ffi::CString;
use std::thread;
use std::time::Duration;

use pcsc::{Error, PNP_NOTIFICATION, ReaderState, State};

use super::{Reader, Service, channel_error};
use crate::reader::ChannelError;

/// What the readers hold, kept up to date by events.
#[allow(missing_debug_implementations, reason = "the service's handle has nothing to show")]
pub struct Watch<'service> {
    service: &'service Service,
    states: Vec<ReaderState>,
    /// The pseudo reader whose event is a reader that comes or goes (PC/SC specification, part 5). `None` where the
    /// service does not know it, as macOS does (from memory): the list of readers is then looked at anew each time.
    plug_and_play: Option<ReaderState>,
}

impl<'service> Watch<'service> {
    /// Begins with what there is now.
    pub fn new(service: &'service Service) -> Self {
        let plug_and_play = Some(ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE));
        Self { service, states: Vec::new(), plug_and_play }
    }

    /// Waits until a reader or a card comes or goes, at most for `patience`; what the readers hold then. The first call
    /// does not wait.
    ///
    /// # Errors
    /// [`ChannelError::NoService`] when the service is gone.
    pub fn next(&mut self, patience: Duration) -> Result<Vec<Reader>, ChannelError> {
        let is_first = self.update_list()?;
        let mut all: Vec<_> = self.states.drain(..).chain(self.plug_and_play.take()).collect();
        if all.is_empty() {
            thread::sleep(patience);
            return Ok(Vec::new());
        }
        let patience = if is_first { Duration::ZERO } else { patience };
        let outcome = self.service.0.get_status_change(patience, &mut all);
        all.iter_mut().for_each(ReaderState::sync_current_state);
        let knows_plug_and_play = match outcome {
            Ok(()) | Err(Error::Timeout) => true,
            // A reader left between the list and the question, or the pseudo reader is unknown.
            Err(Error::UnknownReader | Error::ReaderUnavailable) => {
                thread::sleep(patience);
                false
            }
            Err(error) => return Err(channel_error(error)),
        };
        for state in all {
            match state.name() == PNP_NOTIFICATION() {
                true if knows_plug_and_play => self.plug_and_play = Some(state),
                true => {}
                false => self.states.push(state),
            }
        }
        self.update_list()?;
        self.service.readers()
    }

    /// Takes over the readers that came and drops those that went; whether there was any such change.
    fn update_list(&mut self) -> Result<bool, ChannelError> {
        let names: Vec<CString> = match self.service.0.list_readers_owned() {
            Ok(names) => names,
            Err(Error::NoReadersAvailable) => Vec::new(),
            Err(error) => return Err(channel_error(error)),
        };
        let before = self.states.len();
        self.states.retain(|state| names.iter().any(|name| name.as_c_str() == state.name()));
        let mut is_changed = self.states.len() != before;
        for name in names {
            if !self.states.iter().any(|state| state.name() == name.as_c_str()) {
                self.states.push(ReaderState::new(name, State::UNAWARE));
                is_changed = true;
            }
        }
        Ok(is_changed)
    }
}
