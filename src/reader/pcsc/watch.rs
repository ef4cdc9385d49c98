//! Readers and cards that come and go, followed by the events of the PC/SC service (SCardGetStatusChange).

use std::ffi::{CStr, CString};
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
            Err(Error::UnknownReader | Error::ReaderUnavailable) => {
                let asked = all.iter().map(ReaderState::name).filter(|name| *name != PNP_NOTIFICATION());
                let has_left = has_left(asked, &self.names()?);
                if !has_left {
                    thread::sleep(patience);
                }
                has_left
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
        let names = self.names()?;
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
    fn names(&self) -> Result<Vec<CString>, ChannelError> {
        match self.service.0.list_readers_owned() {
            Ok(names) => Ok(names),
            Err(Error::NoReadersAvailable) => Ok(Vec::new()),
            Err(error) => Err(channel_error(error)),
        }
    }
}

/// Whether the reader that the service does not know is one that left since it was listed. Else it is the pseudo reader,
/// which is then not asked for any more.
fn has_left<'a>(mut asked: impl Iterator<Item = &'a CStr>, listed: &[CString]) -> bool {
    asked.any(|name| !listed.iter().any(|listed| listed.as_c_str() == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_leaves_does_not_end_the_events_of_readers_that_come() {
        let listed = [c"Virtual 00 00".to_owned(), c"Virtual 00 01".to_owned()];
        assert!(has_left([c"Virtual 00 00", c"Pulled 01 00"].into_iter(), &listed));
        assert!(has_left([c"Pulled 01 00"].into_iter(), &[]));
        assert!(!has_left([c"Virtual 00 00", c"Virtual 00 01"].into_iter(), &listed), "the pseudo reader is unknown");
        assert!(!has_left([].into_iter(), &[]));
    }
}
