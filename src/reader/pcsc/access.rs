//! Why the PC/SC service is not to be had: it does not run, or it runs and does not let this program in. libpcsclite
//! says `SCARD_E_NO_SERVICE` to most of that, so its socket is asked.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use pcsc::{Context, Error, Scope};

use super::channel_error;
use crate::disk;
use crate::reader::ChannelError;

/// Longest description of a sandbox that is read, in bytes.
const MAX_FLATPAK_INFO: usize = 64 * 1024;

/// How long a service that hangs up is given to end or to come up.
const SECOND_THOUGHT: Duration = Duration::from_millis(300);

/// Why the service does not let this program in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This user may not use card readers, or not from here: polkit says so, or what stands in its place.
    Rights,
    /// This user may not open the service's socket; whether anybody listens there cannot be seen.
    Socket,
    /// Service and library (libpcsclite) are of versions that do not understand one another.
    Version,
    /// The program runs in a sandbox into which the service does not reach.
    Sandbox(Sandbox),
}

/// A sandbox around this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sandbox {
    /// Flatpak, and the identifier of the application.
    Flatpak(String),
    /// Snap, and the name of the package.
    Snap(String),
}

/// How the socket of the service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Socket {
    /// There is none, or nobody listens at it.
    Silent,
    /// This user may not open it.
    Denied,
    /// Somebody listens.
    Answers,
}

/// Connects to the service.
pub(super) fn establish() -> Result<Context, ChannelError> {
    let attempt = || Context::establish(Scope::User).map_err(|error| (error, knock()));
    attempt()
        .or_else(|failed| match failed {
            (_, Socket::Answers) => {
                // It may have come up between the two questions, or be about to end: then it hangs up on everybody.
                thread::sleep(SECOND_THOUGHT);
                attempt()
            }
            failed => Err(failed),
        })
        .map_err(|(error, socket)| meaning(error, socket, Sandbox::around()))
}

/// What a service that cannot be had means. Nobody knocks at sockets outside Linux and its relatives.
fn meaning(error: Error, socket: Socket, sandbox: Option<Sandbox>) -> ChannelError {
    let refusal = match (channel_error(error), socket, sandbox) {
        (_, Socket::Silent | Socket::Denied, Some(sandbox)) => Refusal::Sandbox(sandbox),
        (_, Socket::Denied, None) => Refusal::Socket,
        // pcscd's own answer to a client of another version (winscard_svc.c, CMD_VERSION).
        (_, Socket::Answers, _) if error == Error::ServiceStopped => Refusal::Version,
        (meaning, ..) => return meaning,
    };
    ChannelError::NotAllowed(refusal)
}

impl Sandbox {
    /// The sandbox this program runs in, where the service does not reach into it.
    fn around() -> Option<Self> {
        let flatpak = disk::read(Path::new("/.flatpak-info"), MAX_FLATPAK_INFO).ok().flatten();
        let snap = env::var("SNAP_INSTANCE_NAME").or(env::var("SNAP_NAME")).ok().filter(|_| is_in_snap());
        flatpak.and_then(|info| Self::of_flatpak(&String::from_utf8_lossy(&info))).or(snap.map(Self::Snap))
    }

    /// What `/.flatpak-info` says (flatpak-metadata(5)): `None` where the application may use smart cards.
    fn of_flatpak(info: &str) -> Option<Self> {
        let (mut section, mut name, mut may) = ("", "", false);
        for line in info.lines().map(str::trim) {
            match line.split_once('=') {
                None if line.starts_with('[') => section = line,
                Some(("name", value)) if section == "[Application]" => name = value,
                Some(("sockets", value)) if section == "[Context]" => {
                    may = value.split(';').any(|socket| socket == "pcsc");
                }
                _ => {}
            }
        }
        (!may).then(|| Self::Flatpak(name.to_owned()))
    }
}

/// Whether this program lies in the folder of a snap. The variable alone is inherited by whatever a snap starts, such as
/// the terminal of an editor.
fn is_in_snap() -> bool {
    let folder = env::var_os("SNAP").and_then(|snap| fs::canonicalize(snap).ok());
    folder.zip(env::current_exe().ok()).is_some_and(|(folder, program)| program.starts_with(folder))
}

/// Where the service's socket is. `PCSCLITE_CSOCK_NAME` is what libpcsclite looks at, too.
#[cfg(all(unix, not(target_os = "macos")))]
fn socket() -> PathBuf {
    env::var_os("PCSCLITE_CSOCK_NAME").map_or_else(|| PathBuf::from("/run/pcscd/pcscd.comm"), PathBuf::from)
}

#[cfg(all(unix, not(target_os = "macos")))]
fn knock() -> Socket {
    match std::os::unix::net::UnixStream::connect(socket()) {
        Ok(_) => Socket::Answers,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Socket::Denied,
        Err(_) => Socket::Silent,
    }
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn knock() -> Socket {
    Socket::Silent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_does_not_run_is_told_from_one_that_lets_nobody_in() {
        let refused = |refusal| format!("{:?}", ChannelError::NotAllowed(refusal));
        let snap = || Some(Sandbox::Snap("kartenbund".to_owned()));
        for (error, socket, sandbox, expected) in [
            (Error::NoService, Socket::Silent, None, "NoService".to_owned()),
            (Error::NoService, Socket::Denied, None, refused(Refusal::Socket)),
            (Error::SecurityViolation, Socket::Answers, None, refused(Refusal::Rights)),
            (Error::NoAccess, Socket::Answers, None, refused(Refusal::Rights)),
            (Error::ServiceStopped, Socket::Answers, None, refused(Refusal::Version)),
            // Windows says so where nobody has started it.
            (Error::ServiceStopped, Socket::Silent, None, "NoService".to_owned()),
            (Error::NoService, Socket::Silent, snap(), refused(Refusal::Sandbox(snap().unwrap()))),
            (Error::NoService, Socket::Denied, snap(), refused(Refusal::Sandbox(snap().unwrap()))),
            // Whoever reaches the service is not kept out by the sandbox.
            (Error::ServiceStopped, Socket::Answers, snap(), refused(Refusal::Version)),
            (Error::SecurityViolation, Socket::Answers, snap(), refused(Refusal::Rights)),
        ] {
            assert_eq!(format!("{:?}", meaning(error, socket, sandbox)), expected, "{error:?} {socket:?}");
        }
    }

    #[test]
    fn a_flatpak_without_smart_cards_is_recognised() {
        let info = |context: &str| format!("[Application]\nname=de.example.Kartenbund\n\n[Context]\n{context}\n");
        let without = Some(Sandbox::Flatpak("de.example.Kartenbund".to_owned()));
        assert_eq!(Sandbox::of_flatpak(&info("sockets=x11;wayland;fallback-x11;")), without);
        assert_eq!(Sandbox::of_flatpak(&info("shared=network;")), without);
        assert_eq!(Sandbox::of_flatpak(&info("sockets=x11;pcsc-not;")), without);
        assert_eq!(Sandbox::of_flatpak(&info("sockets=x11;pcsc;")), None);
        assert_eq!(Sandbox::of_flatpak("[Instance]\nsockets=pcsc;\n"), Some(Sandbox::Flatpak(String::new())));
    }
}
