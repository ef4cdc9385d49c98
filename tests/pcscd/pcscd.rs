//! A PC/SC service for one test: pcscd with two virtual readers, in a mount namespace of its own.
//!
//! pcscd has the folder of its socket compiled in, so a second one on the same computer needs another view of that
//! folder. In this view there are no drivers of real readers either: no test ever reaches a real card.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::computer::{Computer, end};

const PROGRAM: &str = "/usr/sbin/pcscd";
const DRIVERS: &str = "/usr/lib/pcsc/drivers";
const VIRTUAL_READER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
/// Programs and libraries these tests cannot do without, and where they come from.
const NEEDED: [(&str, &str); 5] = [
    (PROGRAM, "pcscd"),
    (VIRTUAL_READER, "vsmartcard-vpcd"),
    ("/usr/bin/opensc-tool", "opensc"),
    ("/usr/bin/scriptor", "pcsc-tools"),
    ("/usr/bin/script", "bsdutils"),
];
/// Where pcscd puts its socket. The folder must be there, even though each service gets another one in its place.
const SOCKETS: &str = "/run/pcscd";
/// Ports that the system gives to nobody by itself.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// The service. Its readers wait for their cards on ports of this computer.
pub(crate) struct Pcscd {
    process: Child,
    folder: TempDir,
    readers: Readers,
}

/// What is connected to the computer.
#[derive(Clone, Copy)]
enum Readers {
    None,
    /// Two, with neighbouring ports.
    Virtual(u16),
    /// One. The next port is that of the keypad.
    WithKeypad(u16),
}

impl Pcscd {
    /// Starts a service and waits until both readers are there.
    pub(crate) fn start() -> Self {
        Self::start_with(VIRTUAL_READER.as_ref(), Readers::Virtual)
    }

    /// Starts a service on a computer with one reader, which has a keypad, and this driver.
    pub(crate) fn with_keypad(driver: &Path) -> Self {
        Self::start_with(driver, Readers::WithKeypad)
    }

    fn start_with(driver: &Path, readers: impl Fn(u16) -> Readers) -> Self {
        let isolation = isolation().as_ref().unwrap_or_else(|why| panic!("{why}"));
        let mut log = String::new();
        for _ in 0..5 {
            let mut service = Self::launch(isolation, driver, readers(free_ports()));
            if service.is_ready() {
                return service;
            }
            // Most likely another program took one of the ports. No card was in yet, so the log holds no PIN.
            log = fs::read_to_string(service.folder.path().join("log")).unwrap_or_default();
        }
        panic!("the private PC/SC service shows no readers; it says:\n{log}");
    }

    fn launch(isolation: &str, driver: &Path, readers: Readers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["configuration", "none", "run"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        configure(folder.path(), driver, readers);
        let process = spawn(isolation, folder.path());
        Self { process, folder, readers }
    }

    /// Ends the service and starts it in the same place again.
    pub(crate) fn start_again(&mut self) {
        let isolation = isolation().as_ref().unwrap_or_else(|why| panic!("{why}"));
        self.end();
        self.process = spawn(isolation, self.folder.path());
        assert!(self.is_ready());
    }

    /// Ends the service, which takes its socket away.
    pub(crate) fn end(&mut self) {
        if self.process.try_wait().unwrap().is_none() {
            end(self.process.id(), "TERM");
            self.process.wait().unwrap();
        }
    }

    /// Connects the readers. pcsc-lite finds readers that are not at USB only when it starts (1.9.9 with libudev does
    /// nothing at SIGUSR1), so the service is gone for a moment.
    pub(crate) fn connect_readers(&mut self) {
        self.readers = Readers::Virtual(free_ports());
        configure(self.folder.path(), VIRTUAL_READER.as_ref(), self.readers);
        self.start_again();
    }

    /// Starts a service on a computer to which no reader is connected.
    pub(crate) fn without_readers() -> Self {
        let isolation = isolation().as_ref().unwrap_or_else(|why| panic!("{why}"));
        let mut service = Self::launch(isolation, VIRTUAL_READER.as_ref(), Readers::None);
        assert!(service.is_ready());
        service
    }

    fn is_ready(&mut self) -> bool {
        let computer = Computer::at(self);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) && self.process.try_wait().unwrap().is_none() {
            let expected = match self.readers {
                Readers::None => 0,
                Readers::WithKeypad(_) => 1,
                Readers::Virtual(_) => 2,
            };
            if computer.try_readers().is_some_and(|readers| readers.len() == expected) {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// What `PCSCLITE_CSOCK_NAME` is set to, for programs that are to use this service.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("run/pcscd.comm")
    }

    /// Where the card of a reader connects to.
    pub(crate) fn address(&self, reader: Reader) -> SocketAddr {
        let port = match (self.readers, reader) {
            (Readers::Virtual(port), Reader::First) | (Readers::WithKeypad(port), Reader::Keypad) => port,
            (Readers::Virtual(port), Reader::Second) => port + 1,
            _ => panic!("{reader:?} is not connected"),
        };
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Where the keys of the keypad are pressed.
    pub(crate) fn keys(&self) -> SocketAddr {
        let mut address = self.address(Reader::Keypad);
        address.set_port(address.port() + 1);
        address
    }

    /// Its process, for those who stop it in the middle of something.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Pcscd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Tells the service of the readers and their driver.
fn configure(folder: &Path, driver: &Path, readers: Readers) {
    let (name, port) = match readers {
        Readers::None => return,
        Readers::Virtual(port) => ("Virtual", port),
        Readers::WithKeypad(port) => ("Keypad", port),
    };
    let copy = folder.join("driver.so");
    fs::copy(driver, &copy).unwrap();
    let readers = format!(
        "FRIENDLYNAME \"{name}\"\nDEVICENAME /dev/null:0x{port:04X}\nLIBPATH {}\nCHANNELID 0x{port:04X}\n",
        copy.display()
    );
    fs::write(folder.join("configuration/readers"), readers).unwrap();
}

fn spawn(isolation: &str, folder: &Path) -> Child {
    let at = |name: &str| folder.join(name);
    let log = File::create(at("log")).unwrap();
    // All of them replace one another: the process that is started is pcscd in the end.
    Command::new("unshare")
        .args([isolation, "--propagation", "private", "sh", "-c"])
        .arg(r#"mount --bind "$1" "$2" && mount --bind "$3" "$4" && shift 4 && exec "$0" "$@""#)
        .args([PROGRAM.as_ref(), at("none").as_path(), DRIVERS.as_ref(), at("run").as_path(), SOCKETS.as_ref()])
        .args(["--foreground".as_ref(), "--config".as_ref(), at("configuration").as_path()])
        .args(without_polkit())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// The readers of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    First,
    Second,
    Keypad,
}

impl Reader {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::First => "Virtual 00 00",
            Self::Second => "Virtual 00 01",
            Self::Keypad => "Keypad 00 00",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
            Self::Keypad => panic!("it is the only one"),
        }
    }
}

/// How this computer gives a process its own view of the file system, or why it does not.
fn isolation() -> &'static Result<&'static str, String> {
    static ISOLATION: OnceLock<Result<&str, String>> = OnceLock::new();
    ISOLATION.get_or_init(|| {
        for (needed, package) in NEEDED {
            if !Path::new(needed).exists() {
                return Err(format!("{needed} is missing: install the Debian package {package}"));
            }
        }
        fs::create_dir_all(SOCKETS).map_err(|error| {
            format!("{SOCKETS} is missing and only root can make it ({error}): sudo mkdir -p {SOCKETS}")
        })?;
        let mut refusals = String::new();
        for option in ["-m", "-Urm"] {
            let mut attempt = Command::new("unshare");
            attempt.args([option, "--propagation", "private", "mount", "--bind", DRIVERS, DRIVERS]);
            match attempt.output() {
                Ok(output) if output.status.success() => return Ok(option),
                Ok(output) => refusals.push_str(&String::from_utf8_lossy(&output.stderr)),
                Err(error) => refusals.push_str(&format!("unshare: {error}\n")),
            }
        }
        Err(format!(
            "These tests need a PC/SC service of their own, and neither root nor user namespaces allow one here. Run \
             them as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1 and \
             kernel.apparmor_restrict_unprivileged_userns=0); a container needs --privileged.\n{refusals}"
        ))
    })
}

/// Newer versions ask the system who may use cards; here nobody but the test can.
fn without_polkit() -> Option<&'static str> {
    const OPTION: &str = "--disable-polkit";
    let help = Command::new(PROGRAM).arg("--help").output().unwrap();
    String::from_utf8_lossy(&help.stdout).contains(OPTION).then_some(OPTION)
}

/// An even port that nobody listens on, and neither on the next.
fn free_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Other processes with the same tests begin somewhere else.
    let begin = (process::id() % 4_999 * 2) as usize;
    crate::eventually("two free ports", || {
        let number = begin + 2 * usize::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.clone().nth(number % PORTS.len())?;
        let is_free = |port| TcpListener::bind(("0.0.0.0", port)).is_ok();
        (is_free(port) && is_free(port + 1)).then_some(port)
    })
}
