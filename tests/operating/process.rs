//! A process of `kartenbund-server` with a configuration of its own, on free ports.

#![allow(dead_code)] // of more than one program of tests

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kartenbund::client::session::SessionKey;
use kartenbund::protocol::dpop::ProvenRequest;
use kartenbund::secret::SecretText;
use serde_json::Value;
use time::OffsetDateTime;

use super::common::described::not_described;
use super::common::leaks::leak;
use super::common::{TestDatabase, rng};

pub(crate) const TOKEN: &str = "8f2c0d3e5b7a91c64d20e8f7b3a5961c";
/// What `printf %s TOKEN | sha256sum` writes.
const TOKEN_SHA256: &str = "f52f31d4c95d2d10495a93715aef1ffa371e1776f13721bdaeaf1108620dcb55";

/// What the two listeners say that they offer.
static DOCUMENTS: OnceLock<[Value; 2]> = OnceLock::new();

fn document(url: &str) -> Value {
    reqwest::blocking::get(format!("{url}/openapi.json")).unwrap().json().unwrap()
}

/// A running process.
pub(crate) struct Process {
    child: Child,
    /// Where people reach it.
    pub(crate) url: String,
    /// Where operators reach it.
    pub(crate) admin: String,
    pub(crate) log: PathBuf,
}

/// The program with this configuration in `folder`; `more` goes before all sections, and may name a database.
pub(crate) fn program(folder: &Path, more: &str) -> Command {
    let operator = folder.join("operator");
    std::fs::write(&operator, TOKEN_SHA256).unwrap();
    // Some choose their port themselves.
    let listen = if more.starts_with("listen = ") { "" } else { "listen = \"127.0.0.1:0\"\n" };
    let text = format!(
        "{listen}{more}\n[insurer]\nname = \"Musterkasse\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[[admin.operator]]\nname = \"anna\"\ntoken_sha256_file = \"operator\"\n"
    );
    let text = with_database(folder, &text);
    let file = folder.join("kartenbund.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kartenbund-server"));
    command.env_remove("KARTENBUND_CONFIG").arg("--config").arg(file);
    command
}

/// The configuration, with the database of `folder` where it names none.
pub(crate) fn with_database(folder: &Path, configuration: &str) -> String {
    match configuration.contains("[database]") {
        true => configuration.to_owned(),
        false => configuration.to_owned() + &on(&database_of(folder), folder),
    }
}

/// The database of the service in `folder`: whoever asks again finds the same one.
pub(crate) fn database_of(folder: &Path) -> TestDatabase {
    match std::fs::read_to_string(folder.join("url")) {
        Ok(url) => TestDatabase::Postgresql(SecretText::new(url)),
        Err(_) => TestDatabase::new(),
    }
}

/// The section of the configuration that names this database.
pub(crate) fn on(database: &TestDatabase, folder: &Path) -> String {
    match database {
        TestDatabase::Sqlite => "[database]\n".to_owned(),
        TestDatabase::Postgresql(url) => {
            std::fs::write(folder.join("url"), url.expose()).unwrap();
            "[database]\nurl_file = \"url\"\n".to_owned()
        }
    }
}

/// TLS with the certificate `tls` of the folder.
pub(crate) const TLS: &str = "[tls]\ncertificate = \"tls.pem\"\nkey = \"tls-key.pem\"\n";

/// A certificate for this computer, made by OpenSSL; its serial number tells one from another.
pub(crate) fn make_certificate(folder: &Path, name: &str, serial: u32) {
    let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}-key.pem")));
    let done = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-set_serial", &serial.to_string(), "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A proof for a login at `url`, by a key of its own.
pub(crate) fn proof_of_login(url: &str) -> String {
    let address = format!("{url}/v1/login");
    let request = ProvenRequest { method: "POST", address: &address, access_token: None };
    let proof = SessionKey::new(&mut rng()).prove(request, OffsetDateTime::now_utc().unix_timestamp());
    proof.unwrap().to_str().unwrap().to_owned()
}

/// A login that fails, and leaves an entry in the audit.
pub(crate) fn log_in_in_vain(url: &str) {
    let login = reqwest::blocking::Client::new().post(format!("{url}/v1/login")).header("DPoP", proof_of_login(url));
    let answer = login.body(r#"{"kvnr":"A123456780","password":"wrong"}"#).send().unwrap();
    assert_eq!(answer.status(), 401);
}

/// A password that the register brings (bcrypt).
const BROUGHT: &str = "$2y$05$abcdefghijklmnopqrstuuM6pOrzWcSdoZtZMhMo6qhJvu0mA5cLe";

/// Imports people who have a password already: their accounts are active.
pub(crate) fn import(folder: &Path, more: &str, kvnrs: &[&str]) {
    let row = |kvnr: &&str| format!("{kvnr},Erika,M,1964-08-12,Weg,1,12345,Ort,D,2020-01-01,\"{BROUGHT}\"\n");
    let header = crate::common::HEADER.trim_end().to_owned() + ",password_hash\n";
    let register = folder.join("register.csv");
    std::fs::write(&register, header + &kvnrs.iter().map(row).collect::<String>()).unwrap();
    let output = program(folder, more).args(["register", "import"]).arg(register).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The audit, a line for each entry.
pub(crate) fn audit(process: &Process) -> String {
    let mut all = String::new();
    read_on(process, &mut all);
    all
}

/// Reads what came to the audit since it was read last.
pub(crate) fn read_on(process: &Process, audit: &mut String) {
    loop {
        let url = format!("{}/admin/v1/audit?after={}", process.admin, audit.lines().count());
        let page = reqwest::blocking::Client::new().get(url).bearer_auth(TOKEN).send().unwrap().text().unwrap();
        if page.is_empty() {
            return;
        }
        *audit += &page;
    }
}

/// Whether each entry of the audit names the chain's value before it, as OpenSSL reckons it.
pub(crate) fn is_chain(audit: &str) -> bool {
    use base64::Engine as _;
    use openssl::sha::sha256;
    let mut value = sha256(b"");
    audit.lines().all(|line| {
        let entry: Value = serde_json::from_str(line).unwrap();
        let fits = entry["prev_sha256"] == base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value);
        value = sha256(&[value, sha256(line.as_bytes())].concat());
        fits
    })
}

/// Suspends and resumes an account again and again; each time is a transaction with an entry in the audit.
pub(crate) struct Toggling {
    http: reqwest::blocking::Client,
    kvnr: &'static str,
    pub(crate) done: u64,
}

impl Toggling {
    pub(crate) fn new(kvnr: &'static str) -> Self {
        Self { http: reqwest::blocking::Client::new(), kvnr, done: 0 }
    }

    /// Once more; an error is one of the line. After such a one nobody knows whether it was done, so that the account
    /// may be in either state.
    pub(crate) fn once(&mut self, admin: &str) -> Result<(), reqwest::Error> {
        for what in ["suspend", "resume"] {
            let request = self.http.post(format!("{admin}/admin/v1/accounts/{what}")).bearer_auth(TOKEN);
            let answer = request.body(format!(r#"{{"kvnr":"{}"}}"#, self.kvnr)).send()?;
            match answer.status().as_u16() {
                204 => self.done += 1,
                409 => {}
                _ => panic!("{}", answer.text()?),
            }
        }
        Ok(())
    }
}

impl Process {
    /// Starts it and waits until it answers.
    pub(crate) fn start(folder: &Path, more: &str) -> Self {
        Self::start_at("info", folder, more)
    }

    /// The same, with a log of this level.
    pub(crate) fn start_at(level: &str, folder: &Path, more: &str) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let mut command = program(folder, more);
        let log = folder.join(format!("log-{}", STARTED.fetch_add(1, Ordering::Relaxed)));
        let stderr = File::create(&log).unwrap();
        command.env("RUST_LOG", level);
        let mut child = command.arg("run").stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = |before: &str| {
            let line = lines.next().map(Result::unwrap).unwrap_or_default();
            let told = || std::fs::read_to_string(&log).unwrap();
            line.strip_prefix(before).unwrap_or_else(|| panic!("{line}\n{}", told())).to_owned()
        };
        let (admin, url) = (line("operators on "), line("listening on "));
        if url.starts_with("http://") {
            DOCUMENTS.get_or_init(|| [&url, &admin].map(|url| document(url)));
        }
        Self { child, url, admin, log }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.url.rsplit_once("//").unwrap().1.parse().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.id().to_string();
        assert!(Command::new("sh").args(["-c", &format!("kill -s {name} $0"), &pid]).status().unwrap().success());
    }

    /// Waits until it has ended.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, self.log());
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

/// Whatever it was started for: it has answered nothing that is not described, and its log tells of nobody.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let log = self.log();
            assert_eq!(leak(&log), None, "a log tells of a person");
            let answered = DOCUMENTS.get().and_then(|documents| not_described(&log, documents));
            assert_eq!(answered, None, "an answer is not described");
        }
    }
}
