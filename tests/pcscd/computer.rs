//! A person's computer: a folder of its own, a PC/SC service, and the programs that are started on it.

use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::card::{DEVICE_PIN, PIN, WRONG_PIN};
use crate::pcscd::Pcscd;

pub(crate) const KARTENBUND: &str = env!("CARGO_BIN_EXE_kartenbund");

/// The computer.
pub(crate) struct Computer {
    home: TempDir,
    socket: PathBuf,
}

impl Computer {
    /// A new computer with the readers of `service`.
    pub(crate) fn at(service: &Pcscd) -> Self {
        Self { home: tempfile::tempdir().unwrap(), socket: service.socket() }
    }

    /// A new computer on which no PC/SC service runs.
    pub(crate) fn without_service() -> Self {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("nobody.comm");
        Self { home, socket }
    }

    /// The PC/SC service was started anew.
    pub(crate) fn move_to(&mut self, service: &Pcscd) {
        self.socket = service.socket();
    }

    /// A file of the person.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The files that `kartenbund` keeps.
    pub(crate) fn kept(&self) -> Vec<String> {
        let files = fs::read_dir(self.path("kartenbund")).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "profile.lock"); // empty
        names.sort();
        names
    }

    /// A program on this computer. It finds nothing of the computer the tests run on but the programs.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.home.path())
            .env("KARTENBUND_HOME", self.path("kartenbund"))
            .env("KARTENBUND_NO_KEY_RING", "1")
            .env("PCSCLITE_CSOCK_NAME", &self.socket)
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    /// Starts `kartenbund`.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        let mut command = self.command(KARTENBUND);
        command.args(["--lang", "en"]).args(words);
        Running::start(command)
    }

    /// Starts `kartenbund` with these lines on its standard input; a word of the command says what it reads there.
    pub(crate) fn start_with(&self, words: &[&str], lines: &[&str]) -> Running {
        let mut command = self.command(KARTENBUND);
        command.args(["--lang", "en"]).args(words).stdin(file_with(&(lines.join("\n") + "\n")));
        Running::start(command)
    }

    /// Runs `kartenbund` to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        self.start(words).wait()
    }

    /// Runs `kartenbund` to its end, with these lines on its standard input.
    pub(crate) fn run_with(&self, words: &[&str], lines: &[&str]) -> Ended {
        self.start_with(words, lines).wait()
    }

    /// Starts a program that others wrote.
    pub(crate) fn start_foreign(&self, program: &str, words: &[&str]) -> Running {
        let mut command = self.command(program);
        command.args(words);
        Running::start(command)
    }

    /// Runs a program that others wrote to its end.
    pub(crate) fn run_foreign(&self, program: &str, words: &[&str]) -> Ended {
        self.start_foreign(program, words).wait()
    }

    /// Names and states of the readers, in the service's order.
    pub(crate) fn readers(&self) -> Vec<(String, String)> {
        self.try_readers().expect("readers")
    }

    pub(crate) fn try_readers(&self) -> Option<Vec<(String, String)>> {
        let ended = self.run(&["readers", "--json"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: Value| {
            let readers = value["readers"].as_array().unwrap().iter();
            readers.map(|reader| (text(&reader["name"]), text(&reader["state"]))).collect()
        };
        (ended.code == Some(0)).then(|| list(ended.json()))
    }

    /// Waits until a reader is in this state.
    pub(crate) fn wait_until(&self, reader: &str, state: &str) {
        crate::eventually(&format!("{reader}: {state}"), || {
            self.try_readers()?.into_iter().find(|(name, now)| name == reader && now == state)
        });
    }
}

/// A program that runs.
pub(crate) struct Running {
    process: Child,
    stdout: File,
    stderr: File,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        command.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
        let program = command.get_program().to_owned();
        let process = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { process, stdout, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its standard input, where that was asked for.
    pub(crate) fn keyboard(&mut self) -> ChildStdin {
        self.process.stdin.take().unwrap()
    }

    /// What it has written to standard output so far.
    pub(crate) fn output(&self) -> String {
        content(&self.stdout)
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let status: ExitStatus = crate::eventually("the program ends", || self.process.try_wait().unwrap());
        Ended { code: status.code(), stdout: content(&self.stdout), stderr: content(&self.stderr) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a program has left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` when it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// How a failure was told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) exit_code: i32,
    pub(crate) code: String,
    pub(crate) cause: String,
    pub(crate) remedy: String,
}

impl Ended {
    /// It worked; what it printed.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// It worked and printed JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.success()).unwrap()
    }

    /// It failed as every failure is told: one sentence what happened, one what to do next, a stable code.
    #[track_caller]
    pub(crate) fn failure(self) -> Told {
        let Self { code, stdout, stderr } = self;
        assert_eq!(stdout, "", "{stderr}");
        let is_said_before = |line: &&str| line.starts_with("· ") || line.starts_with("! ");
        let lines: Vec<_> = stderr.lines().skip_while(is_said_before).collect();
        let [cause, remedy, told_code, technical @ ..] = &lines[..] else { panic!("{code:?}: {stderr}") };
        assert!(matches!(technical, []) || matches!(technical, [line] if line.starts_with("Technical: ")), "{stderr}");
        let remedy = remedy.strip_prefix("Next: ").unwrap_or_else(|| panic!("{stderr}"));
        let told_code = told_code.strip_prefix("Code: ").and_then(|line| line.strip_suffix(')'));
        let (name, number) = told_code.and_then(|line| line.split_once(" (")).unwrap_or_else(|| panic!("{stderr}"));
        let exit_code = code.expect("an exit code");
        assert_eq!(number, exit_code.to_string());
        assert!(exit_code != 0 && exit_code != 1 && exit_code != 101, "{stderr}");
        assert!(cause.ends_with('.') && !remedy.is_empty(), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert!([PIN, WRONG_PIN, DEVICE_PIN].iter().all(|pin| !stderr.contains(pin)), "a PIN was told");
        Told { exit_code, code: name.to_owned(), cause: (*cause).to_owned(), remedy: remedy.to_owned() }
    }

    /// It failed with this code, in text and as exit code.
    #[track_caller]
    pub(crate) fn fails_with(self, exit_code: i32, code: &str) -> Told {
        let told = self.failure();
        assert_eq!((told.exit_code, told.code.as_str()), (exit_code, code), "{told:?}");
        told
    }
}

fn file_with(text: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

/// What is in a file that its writer may not have finished.
fn content(file: &File) -> String {
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends a signal to a process that a test has started: `TERM` asks it to end, `KILL` does not.
pub(crate) fn signal(id: u32, name: &str) {
    let status = Command::new("sh").args(["-c", "kill -s $0 $1", name, &id.to_string()]).status().unwrap();
    assert!(status.success());
}

/// Sends a signal, and waits until the process does nothing any more.
pub(crate) fn end(id: u32, name: &str) {
    signal(id, name);
    crate::eventually("the process ends", || {
        // Number, name in parentheses, state: Z when only its parent has still to hear of it (proc(5)).
        let status = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let state = status.rsplit_once(')').map(|(_, rest)| rest.trim_start().to_owned());
        state.is_none_or(|state| state.starts_with('Z')).then_some(())
    });
}
