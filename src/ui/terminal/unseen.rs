//! Typing that the terminal does not show.

#[cfg(unix)]
use std::io;

/// While it lives, what is typed at the terminal is not shown.
#[derive(Debug)]
pub(super) struct Unseen {
    /// Whether what is typed meanwhile is thrown away, too.
    #[cfg(unix)]
    is_deaf: bool,
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

impl Unseen {
    /// What is typed is kept for whoever reads next, Ctrl+C as well.
    #[cfg(unix)]
    pub(super) fn begin() -> Self {
        use rustix::termios::LocalModes;
        Self::without(LocalModes::ECHO | LocalModes::ISIG, false)
    }

    /// What is typed is thrown away: somebody who types the PIN here and not on the reader would hand it to the shell
    /// when the program ends.
    #[cfg(unix)]
    pub(super) fn deaf() -> Self {
        Self::without(rustix::termios::LocalModes::ECHO, true)
    }

    #[cfg(unix)]
    fn without(modes: rustix::termios::LocalModes, is_deaf: bool) -> Self {
        // Without a terminal nobody types.
        let before = rustix::termios::tcgetattr(io::stdin()).ok();
        let unseen = Self { is_deaf, before };
        if let Some(mut changed) = unseen.before.clone() {
            changed.local_modes.remove(modes);
            unseen.set(&changed);
        }
        unseen
    }

    #[cfg(unix)]
    fn set(&self, modes: &rustix::termios::Termios) {
        use rustix::termios::{OptionalActions, tcsetattr};
        let actions = if self.is_deaf { OptionalActions::Flush } else { OptionalActions::Now };
        let _ = tcsetattr(io::stdin(), actions, modes);
    }

    #[cfg(not(unix))]
    pub(super) fn begin() -> Self {
        Self {}
    }

    #[cfg(not(unix))]
    pub(super) fn deaf() -> Self {
        Self {}
    }
}

#[cfg(unix)]
impl Drop for Unseen {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            self.set(before);
        }
    }
}
