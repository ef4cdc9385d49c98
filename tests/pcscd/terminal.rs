//! Somebody who sits at a terminal: `script` gives the program one.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::computer::{Computer, KARTENBUND};

/// A terminal in which `kartenbund` runs.
pub(crate) struct Terminal {
    process: Child,
    keyboard: ChildStdin,
    screen: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    pub(crate) fn start(computer: &Computer, words: &str) -> Self {
        let mut command = computer.command("script");
        let line = format!("tty; exec {KARTENBUND} --lang en {words}");
        // The terminal shows what is typed, unless a program asks it not to.
        command.args(["--quiet", "--return", "--flush", "--echo", "always", "--command", &line, "/dev/null"]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let keyboard = process.stdin.take().unwrap();
        let mut output = process.stdout.take().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&screen);
        let reader = thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { process, keyboard, screen, reader }
    }

    /// Everything that was shown so far.
    pub(crate) fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits until a question is on the screen for the `n`th time, and the terminal does not show what is typed.
    pub(crate) fn wait_for_hidden(&self, question: &str, n: usize) {
        self.wait_for(question, n);
        let screen = self.screen();
        let terminal = screen.lines().next().unwrap().trim().to_owned();
        crate::eventually("the terminal hides what is typed", || {
            let settings = Command::new("stty").args(["-F", &terminal, "-a"]).output().unwrap().stdout;
            String::from_utf8(settings).unwrap().contains(" -echo ").then_some(())
        });
    }

    /// Waits until a question is on the screen for the `n`th time.
    pub(crate) fn wait_for(&self, question: &str, n: usize) {
        let start = std::time::Instant::now();
        while self.screen().matches(question).count() < n {
            assert!(start.elapsed() < crate::PATIENCE, "{question}: not shown. {}", self.screen());
            thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        self.type_keys(&format!("{line}\n"));
    }

    pub(crate) fn type_keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end of the program: its exit code, and everything that was shown.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = crate::eventually("the program ends", || self.process.try_wait().unwrap());
        self.reader.join().unwrap();
        let screen = self.screen.lock().unwrap().clone();
        (status.code(), screen)
    }
}
