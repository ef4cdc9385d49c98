//! How far a long job is, for whoever waits: a bar on a terminal, now and then a line anywhere else.

use std::io::{self, Write};
use std::time::{Duration, Instant};

const WIDTH: usize = 30;
/// How often it is written anew: on a terminal, and elsewhere.
const OFTEN: Duration = Duration::from_millis(200);
const SELDOM: Duration = Duration::from_secs(10);

/// Progress of one job, written to `out`.
#[derive(Debug)]
pub struct Progress<W> {
    out: W,
    is_terminal: bool,
    unit: &'static str,
    began: Instant,
    shown: Option<Instant>,
    last: Option<u64>,
    width: usize,
}

impl<W: Write> Progress<W> {
    /// A job that counts in `unit`.
    pub fn new(out: W, is_terminal: bool, unit: &'static str) -> Self {
        Self { out, is_terminal, unit, began: Instant::now(), shown: None, last: None, width: 0 }
    }

    /// So much is done. What cannot be written is not: the job goes on.
    pub fn show(&mut self, done: u64, total: u64) {
        let every = if self.is_terminal { OFTEN } else { SELDOM };
        if self.last == Some(done) {
            return;
        }
        if done < total && self.shown.unwrap_or(self.began).elapsed() < every {
            return;
        }
        (self.shown, self.last) = (Some(Instant::now()), Some(done));
        let _ = self.write(done, total);
    }

    fn write(&mut self, done: u64, total: u64) -> io::Result<()> {
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        let each_second = u128::from(done).saturating_mul(1000) / self.began.elapsed().as_millis().max(1);
        let said = format!("{percent} %, {done} of {total} {unit}, {each_second} a second", unit = self.unit);
        if !self.is_terminal {
            return writeln!(self.out, "{said}");
        }
        let full = usize::try_from(percent).unwrap_or_default().min(100) * WIDTH / 100;
        let line = format!("[{:<WIDTH$}] {said}", "#".repeat(full));
        write!(self.out, "\r{line:<width$}", width = self.width)?;
        self.width = line.len();
        self.out.flush()
    }

    /// Clears the bar, so that a line can be written.
    pub fn pause(&mut self) {
        if self.width > 0 {
            let _ = write!(self.out, "\r{:width$}\r", "", width = self.width);
            self.width = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(is_terminal: bool, steps: &[u64]) -> String {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, is_terminal, "letters");
        steps.iter().for_each(|done| progress.show(*done, 200));
        progress.pause();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_terminal_gets_a_bar_that_is_cleared() {
        let shown = shown(true, &[0, 200]);
        assert!(shown.starts_with("\r[##############################] 100 %, 200 of 200 letters, "), "{shown:?}");
        assert!(shown.ends_with(" \r"), "{shown:?}");
    }

    #[test]
    fn a_log_gets_lines_and_few_of_them() {
        let shown = shown(false, &[0, 50, 100, 200, 200]);
        assert_eq!(shown.lines().count(), 1, "nothing has changed for ten seconds, and then it was done: {shown}");
        assert!(shown.starts_with("100 %, 200 of 200 letters, ") && !shown.contains('\r'), "{shown}");
    }
}
