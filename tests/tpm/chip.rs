//! swtpm with a state of its own, and a tap on the line to it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use std::str::FromStr as _;
use tss_esapi::Context;
use tss_esapi::constants::PropertyTag;
use tss_esapi::tcti_ldr::TctiNameConf;

/// A TPM of its own. It ends with the value.
pub(crate) struct Chip {
    process: Child,
    port: u16,
    _state: tempfile::TempDir,
}

/// Two ports beside each other, for commands and control: the stack takes the second as given.
fn listeners() -> (TcpListener, TcpListener, u16) {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if let Some(Ok(second)) = port.checked_add(1).map(|next| TcpListener::bind(("127.0.0.1", next))) {
            return (first, second, port);
        }
    }
}

impl Chip {
    pub(crate) fn start() -> Self {
        let state = tempfile::tempdir().unwrap();
        let (first, second, port) = listeners();
        drop((first, second));
        let process = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
            .arg("--tpmstate")
            .arg(format!("dir={}", state.path().display()))
            .arg("--server")
            .arg(format!("type=tcp,port={port}"))
            .arg("--ctrl")
            .arg(format!("type=tcp,port={}", port + 1))
            .spawn()
            .unwrap();
        let chip = Self { process, port, _state: state };
        for _ in 0..200 {
            // The control port: a connection to the other would be the only one swtpm serves.
            if TcpStream::connect(("127.0.0.1", port + 1)).is_ok() {
                return chip;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("swtpm does not start");
    }

    pub(crate) fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    /// Read on a line of its own: the stack remembers properties.
    pub(crate) fn lockout_counter(&self) -> Option<u32> {
        let mut context = Context::new(TctiNameConf::from_str(&self.tcti()).unwrap()).unwrap();
        context.get_tpm_property(PropertyTag::LockoutCounter).unwrap()
    }

    /// A line to it on which somebody listens.
    pub(crate) fn tapped(&self) -> Tap {
        let (commands, control, port) = listeners();
        let heard = Arc::new(Mutex::new(Vec::new()));
        for (listener, to) in [(commands, self.port), (control, self.port + 1)] {
            let heard = heard.clone();
            thread::spawn(move || {
                for here in listener.incoming().map_while(Result::ok) {
                    let there = TcpStream::connect(("127.0.0.1", to)).unwrap();
                    copy(here.try_clone().unwrap(), there.try_clone().unwrap(), heard.clone());
                    copy(there, here, heard.clone());
                }
            });
        }
        Tap { port, heard }
    }
}

impl Drop for Chip {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, heard: Arc<Mutex<Vec<u8>>>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            heard.lock().unwrap().extend_from_slice(&buffer[..n]);
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

/// Somebody listening.
pub(crate) struct Tap {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    pub(crate) fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    pub(crate) fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }
}
