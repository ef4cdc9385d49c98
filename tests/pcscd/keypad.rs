//! A reader with a keypad, and somebody at it: the IFD handler of `tools/ifd-handler`, whose README says what it is
//! told.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::pcscd::Pcscd;

/// The driver of that reader, which no Debian package has: it is built here, once.
pub(crate) fn driver() -> &'static Path {
    static DRIVER: OnceLock<PathBuf> = OnceLock::new();
    DRIVER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ifd-handler");
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/ifd-handler/Cargo.toml");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--offline", "--manifest-path", manifest, "--target-dir"]);
        let output = build.arg(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder.join("debug/libifd_handler.so")
    })
}

/// The keypad.
pub(crate) struct Keypad(BufReader<TcpStream>);

impl Keypad {
    pub(crate) fn of(service: &Pcscd) -> Self {
        Self(BufReader::new(TcpStream::connect(service.keys()).unwrap()))
    }

    /// Tells it what to do, and gives what it says.
    #[track_caller]
    pub(crate) fn tell(&mut self, order: &str) -> Vec<String> {
        self.0.get_mut().write_all(format!("{order}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        let mut words = answer.split_whitespace().map(str::to_owned);
        assert_eq!(words.next().as_deref(), Some("ok"), "{order}");
        words.collect()
    }

    /// The structures the reader was handed since the last time.
    pub(crate) fn structures(&mut self) -> Vec<String> {
        self.tell("structures")
    }
}
