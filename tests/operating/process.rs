//! A process of `kartenbund-server` with a configuration of its own, on free ports.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

pub(crate) const TOKEN: &str = "8f2c0d3e5b7a91c64d20e8f7b3a5961c";
/// What `printf %s TOKEN | sha256sum` writes.
const TOKEN_SHA256: &str = "f52f31d4c95d2d10495a93715aef1ffa371e1776f13721bdaeaf1108620dcb55";

/// A running process.
pub(crate) struct Process {
    child: Child,
    /// Where people reach it.
    pub(crate) url: String,
    /// Where operators reach it.
    pub(crate) admin: String,
    log: PathBuf,
}

/// The program with this configuration in `folder`; `more` goes before all sections.
pub(crate) fn program(folder: &Path, more: &str) -> Command {
    let operator = folder.join("operator");
    std::fs::write(&operator, TOKEN_SHA256).unwrap();
    let text = format!(
        "listen = \"127.0.0.1:0\"\n{more}\n[insurer]\nname = \"Musterkasse\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[[admin.operator]]\nname = \"anna\"\ntoken_sha256_file = \"operator\"\n"
    );
    let file = folder.join("kartenbund.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kartenbund-server"));
    command.env_remove("KARTENBUND_CONFIG").arg("--config").arg(file);
    command
}

/// A login that fails, and leaves an entry in the audit.
pub(crate) fn log_in_in_vain(url: &str) {
    let login = reqwest::blocking::Client::new().post(format!("{url}/v1/login"));
    let answer = login.body(r#"{"kvnr":"A123456780","password":"wrong"}"#).send().unwrap();
    assert_eq!(answer.status(), 401);
}

/// The audit, a line for each entry.
pub(crate) fn audit(process: &Process) -> String {
    let request = reqwest::blocking::Client::new().get(format!("{}/admin/v1/audit", process.admin));
    request.bearer_auth(TOKEN).send().unwrap().text().unwrap()
}

impl Process {
    /// Starts it and waits until it answers.
    pub(crate) fn start(folder: &Path, more: &str) -> Self {
        let mut command = program(folder, more);
        let log = folder.join(format!("log-{}", std::process::id()));
        let stderr = File::options().append(true).create(true).open(&log).unwrap();
        let mut child = command.arg("run").stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = |before: &str| {
            let line = lines.next().map(Result::unwrap).unwrap_or_default();
            let told = || std::fs::read_to_string(&log).unwrap();
            line.strip_prefix(before).unwrap_or_else(|| panic!("{line}\n{}", told())).to_owned()
        };
        let (admin, url) = (line("operators on "), line("listening on "));
        Self { child, url, admin, log }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.url.rsplit_once("//").unwrap().1.parse().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
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

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
