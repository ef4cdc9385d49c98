//! The insurer: `kartenbund-server` on a port of this computer, with Erika and Max as its members.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::card::ERIKA;
use crate::computer::{Computer, Running, signal};
use crate::line::Line;

const SERVER: &str = env!("CARGO_BIN_EXE_kartenbund-server");
const TEST_CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pki/test-egk-ca.pem");
const TEST_CVC_ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pki/test-cvc-root.cvc");
/// The insurer knows the number of Erika's card.
const MEMBERS: &str = "\
kvnr,given_name,family_name,birth_date,street,house_number,postal_code,city,country,membership_start,iccsn,password_hash
K220635158,Erika,Müstermann,1964-08-12,Musterstraße,12a,12345,Musterstadt,D,2020-01-01,80276999995070683853,HASH
M700800900,Max,Müstermann,1961-02-03,Musterstraße,12a,12345,Musterstadt,D,2020-01-01,,HASH
";

/// What both log in with.
const PASSWORD: &str = "tulpe-karton-87";
/// `echo -n tulpe-karton-87 | argon2 somesalt1234 -id -t 2 -k 8192 -p 1 -e`
const HASH: &str = "\"$argon2id$v=19$m=8192,t=2,p=1$c29tZXNhbHQxMjM0$855rEs6WtRq8CS9n/WrVmDyOJCefAZVS7NB51sZrZ/g\"";

/// The account service.
pub(crate) struct Insurer {
    process: Child,
    address: SocketAddr,
    url: String,
    data: TempDir,
}

impl Insurer {
    /// Imports the members, and starts the service.
    pub(crate) fn start() -> Self {
        Self::start_as(None)
    }

    /// The same, reached at the end of a line.
    pub(crate) fn start_behind(line: &Line) -> Self {
        let insurer = Self::start_as(Some(line.url()));
        line.connect_to(insurer.address);
        insurer
    }

    fn start_as(url: Option<String>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let register = data.path().join("members.csv");
        fs::write(&register, MEMBERS.replace("HASH", HASH)).unwrap();
        let mut import = server(data.path(), "127.0.0.1:0", None);
        import.args(["register", "import"]).arg(register);
        let imported = Running::start(import).wait().success();
        assert!(imported.starts_with("imported: 2\n"), "{imported}");
        let (process, address) = run(data.path(), "127.0.0.1:0", url.as_deref());
        let url = url.unwrap_or_else(|| format!("http://{address}"));
        Self { process, address, url, data }
    }

    /// Logs somebody in.
    pub(crate) fn log_in(&self, computer: &Computer, kvnr: &str) {
        let login = ["login", "--service", &self.url, "--kvnr", kvnr, "--password-fd", "0"];
        computer.run_with(&login, &[PASSWORD]).success();
    }

    /// A new computer, on which Erika has logged in.
    pub(crate) fn computer_of_erika(&self, service: &crate::pcscd::Pcscd) -> Computer {
        let computer = Computer::at(service);
        self.log_in(&computer, ERIKA);
        computer
    }

    /// What somebody does who cuts the service off in the middle of something.
    pub(crate) fn cut(&self) -> impl Fn() + Send + 'static {
        let (id, address) = (self.process.id(), self.address);
        move || {
            signal(id, "KILL");
            crate::eventually("the service is gone", || TcpStream::connect(address).err());
        }
    }

    /// Starts the service again, where it was.
    pub(crate) fn start_again(&mut self) {
        let _ = self.process.wait();
        (self.process, self.address) = run(self.data.path(), &self.address.to_string(), Some(&self.url));
    }

    /// Stops the service as an operator does.
    pub(crate) fn stop(mut self) {
        signal(self.process.id(), "TERM");
        let status = crate::eventually("the service ends", || self.process.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{}", log(self.data.path()));
    }
}

impl Drop for Insurer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn server(data: &Path, listen: &str, url: Option<&str>) -> Command {
    let issuer = url.map(|url| format!("issuer = \"{url}\"\n")).unwrap_or_default();
    let config = data.join("kartenbund.toml");
    let text = format!(
        "{issuer}listen = \"{listen}\"\n[insurer]\nname = \"Musterkasse\"\n\
         [cards]\npayer_iks = [\"999567890\"]\ntest_anchors = [\"{TEST_CA}\"]\n\
         test_cvc_roots = [\"{TEST_CVC_ROOT}\"]\n"
    );
    fs::write(&config, text).unwrap();
    let mut command = Command::new(SERVER);
    command.env_clear().arg("--config").arg(config).stdin(Stdio::null());
    command
}

fn run(data: &Path, listen: &str, url: Option<&str>) -> (Child, SocketAddr) {
    let mut command = server(data, listen, url);
    command.arg("run").stdout(Stdio::piped()).stderr(File::create(data.join("log")).unwrap());
    let mut process = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{}", log(data)));
    (process, address.parse().unwrap())
}

fn log(data: &Path) -> String {
    fs::read_to_string(data.join("log")).unwrap_or_default()
}

/// The devices of the account, as `(id, state, level)`.
pub(crate) fn devices(computer: &Computer) -> Vec<(String, String, String)> {
    let answer = computer.run(&["devices", "--json"]).json();
    let devices = answer["devices"].as_array().unwrap().iter();
    devices
        .map(|device| ["device_id", "state", "binding_level"].map(|name| device[name].as_str().unwrap().to_owned()))
        .map(|[id, state, level]| (id, state, level))
        .collect()
}
