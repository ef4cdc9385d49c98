//! fprintd, the service for fingerprint readers on Linux, over the system's message bus (`net.reactivated.Fprint`).

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use zbus::blocking::Proxy;
use zbus::blocking::connection::Builder;
use zbus::zvariant::OwnedObjectPath;

use super::{FingerprintError, FingerprintHint, FingerprintReader, KnownFinger};

const SERVICE: &str = "net.reactivated.Fprint";
/// Whoever calls; others need a right of their own.
const THIS_USER: &str = "";
const ANY_FINGER: &str = "any";
/// Fingers that may be wrong.
const TRIES: usize = 3;
/// How long nothing may happen at the reader.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection with fprintd.
pub(super) struct Fprintd {
    device: Proxy<'static>,
}

impl Fprintd {
    /// The reader that fprintd takes first.
    pub(super) fn connect() -> Result<Self, FingerprintError> {
        let bus = Builder::system().map(|bus| bus.method_timeout(PATIENCE)).and_then(Builder::build);
        let bus = bus.map_err(|_| FingerprintError::NoReader)?;
        let manager = Proxy::new(&bus, SERVICE, "/net/reactivated/Fprint/Manager", "net.reactivated.Fprint.Manager")
            .map_err(refused)?;
        let path: OwnedObjectPath = manager.call("GetDefaultDevice", &()).map_err(refused)?;
        let device = Proxy::new(&bus, SERVICE, path, "net.reactivated.Fprint.Device").map_err(refused)?;
        Ok(Self { device })
    }
}

impl FingerprintReader for Fprintd {
    fn wait_for_finger(&mut self, tell: &mut dyn FnMut(FingerprintHint)) -> Result<KnownFinger, FingerprintError> {
        let (events, told) = mpsc::channel();
        let device = self.device.clone();
        // It waits for the bus, which may never say anything; where the patience is over, it ends with the program.
        thread::spawn(move || {
            let done = claimed(&device, &events);
            let _ = events.send(Event::Done(done));
        });
        loop {
            match told.recv_timeout(PATIENCE) {
                Ok(Event::Hint(hint)) => tell(hint),
                Ok(Event::Done(done)) => return done,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.device.call::<_, _, ()>("Release", &());
                    return Err(FingerprintError::Nobody);
                }
                Err(RecvTimeoutError::Disconnected) => return Err(FingerprintError::Broken("disconnected".to_owned())),
            }
        }
    }
}

enum Event {
    Hint(FingerprintHint),
    Done(Result<KnownFinger, FingerprintError>),
}

/// Claims the reader for as long as it takes.
fn claimed(device: &Proxy<'_>, events: &Sender<Event>) -> Result<KnownFinger, FingerprintError> {
    let fingers: Vec<String> = device.call("ListEnrolledFingers", &(THIS_USER,)).map_err(refused)?;
    if fingers.is_empty() {
        return Err(FingerprintError::NoFinger);
    }
    device.call::<_, _, ()>("Claim", &(THIS_USER,)).map_err(refused)?;
    let known = recognise(device, events);
    let _ = device.call::<_, _, ()>("Release", &());
    known
}

/// Lets the reader look at fingers until it knows one, at most three.
fn recognise(device: &Proxy<'_>, events: &Sender<Event>) -> Result<KnownFinger, FingerprintError> {
    let hint = |hint| {
        let _ = events.send(Event::Hint(hint));
    };
    // Before it begins: nothing is missed.
    let mut statuses = device.receive_signal("VerifyStatus").map_err(refused)?;
    for tried in 0..TRIES {
        device.call::<_, _, ()>("VerifyStart", &(ANY_FINGER,)).map_err(refused)?;
        hint(if tried == 0 { FingerprintHint::Touch } else { FingerprintHint::Unknown });
        let result = loop {
            let status = statuses.next().ok_or_else(|| FingerprintError::Broken("no more signals".to_owned()))?;
            let (result, is_done): (String, bool) = status.body().deserialize().map_err(refused)?;
            if is_done {
                break result;
            }
            hint(FingerprintHint::Again);
        };
        let _ = device.call::<_, _, ()>("VerifyStop", &());
        match result.as_str() {
            "verify-match" => return Ok(KnownFinger(())),
            "verify-no-match" => {}
            _ => return Err(FingerprintError::Broken(result)),
        }
    }
    Err(FingerprintError::Unknown)
}

/// What an error of fprintd means. Its words are for nobody: they name the user.
fn refused(error: zbus::Error) -> FingerprintError {
    let zbus::Error::MethodError(name, ..) = &error else { return FingerprintError::Broken(kind(&error).to_owned()) };
    match name.as_str() {
        "net.reactivated.Fprint.Error.NoSuchDevice"
        | "org.freedesktop.DBus.Error.ServiceUnknown"
        | "org.freedesktop.DBus.Error.NameHasNoOwner" => FingerprintError::NoReader,
        "net.reactivated.Fprint.Error.NoEnrolledPrints" => FingerprintError::NoFinger,
        "net.reactivated.Fprint.Error.PermissionDenied" | "org.freedesktop.DBus.Error.AccessDenied" => {
            FingerprintError::NotAllowed
        }
        "net.reactivated.Fprint.Error.AlreadyInUse" => FingerprintError::InUse,
        other => FingerprintError::Broken(other.to_owned()),
    }
}

fn kind(error: &zbus::Error) -> &'static str {
    match error {
        zbus::Error::InputOutput(_) => "line",
        _ => "message",
    }
}
