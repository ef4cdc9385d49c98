//! Somebody who sits at a terminal: `script` gives the program one.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Computer;

const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal in which the program runs.
pub(crate) struct Terminal {
    process: Child,
    keyboard: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    pub(crate) fn start(computer: &Computer, language: &str, words: &str) -> Self {
        Self::of_width(0, computer, language, words)
    }

    /// One whose lines have so many characters; 0 where nobody knows.
    pub(crate) fn of_width(columns: u16, computer: &Computer, language: &str, words: &str) -> Self {
        let mut command = Command::new("script");
        let program = env!("CARGO_BIN_EXE_kartenbund");
        let line = format!("tty; stty cols {columns}; exec {program} --lang {language} {words}");
        // The terminal shows what is typed, unless a program asks it not to.
        command.args(["--quiet", "--return", "--flush", "--echo", "always", "--command", &line, "/dev/null"]);
        command.env("KARTENBUND_HOME", computer.home()).env("KARTENBUND_NO_KEY_RING", "1");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let keyboard = process.stdin.take().unwrap();
        let mut output = process.stdout.take().unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::clone(&screen);
        let reader = thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().extend(&bytes[..count]);
            }
        });
        Self { process, keyboard, screen, reader }
    }

    fn screen(&self) -> String {
        // All of it at once: what comes may end within a character.
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    /// Waits until this is on the screen; all that is there then.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.eventually(text, |screen| screen.contains(text));
        self.screen()
    }

    /// Types `line` once the question is on the screen for the `n`th time.
    pub(crate) fn type_in(&mut self, question: &str, n: usize, line: &str) {
        self.eventually(question, |screen| screen.matches(question).count() >= n);
        self.keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Types `line` once the question is on the screen for the `n`th time and the terminal hides what is typed.
    pub(crate) fn answer(&mut self, question: &str, n: usize, line: &str) {
        self.eventually(question, |screen| screen.matches(question).count() >= n);
        self.eventually("the terminal hides what is typed", |screen| {
            let terminal = screen.lines().next().unwrap_or_default().trim().to_owned();
            let settings = Command::new("stty").args(["-F", &terminal, "-a"]).output().unwrap().stdout;
            String::from_utf8(settings).unwrap().contains(" -echo ")
        });
        self.keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn eventually(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let start = Instant::now();
        while !is_so(&self.screen()) {
            assert!(start.elapsed() < PATIENCE, "{what}: not seen. {}", self.screen());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the end of the program: its exit code, and everything that was shown.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.process.wait().unwrap();
        self.reader.join().unwrap();
        let screen = String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned();
        (status.code(), screen)
    }
}
