//! How results and failures leave the program: sentences for people, JSON for scripts.

use std::cell::OnceCell;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use kartenbund::client::home::Home;
use kartenbund::client::rebind;
use kartenbund::protocol::NumericDate;
use kartenbund::secret::SecretText;
use kartenbund::ui::failure::{Failure, Kind, Value};
use kartenbund::ui::symbol::TerminalSymbol;
use kartenbund::ui::text::{Texts, shown};
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::account::now;

/// Where output goes.
pub(crate) struct Output {
    pub(crate) texts: Texts,
    pub(crate) json: bool,
    /// Where it is found whether the time of this computer's device ends soon, once a command has to do with the device.
    reminds_of: OnceCell<Home>,
}

impl Output {
    pub(crate) fn new(texts: Texts, json: bool) -> Self {
        Self { texts, json, reminds_of: OnceCell::new() }
    }

    /// From now on a result tells, too, when the time of this computer's device ends, where that is soon or was.
    pub(crate) fn remind_of(&self, home: &Home) {
        let _ = self.reminds_of.set(home.clone());
    }

    /// Prints a result: `value` for scripts, `lines` for people.
    pub(crate) fn result(
        &self,
        value: &impl Serialize,
        lines: impl IntoIterator<Item = String>,
    ) -> Result<(), Failure> {
        let ends_at = self.reminds_of.get().and_then(|home| rebind::reminder(home, now()));
        if self.json {
            let Some(expires_at) = ends_at else { return print_json(value) };
            let device_renewal = Renewal { expires_at, command: "kartenbund devices rebind" };
            return print_json(&WithRenewal { value, device_renewal });
        }
        lines.into_iter().try_for_each(|line| print_line(&line))?;
        self.remind(ends_at);
        Ok(())
    }

    /// Tells people that the time of this computer's device ends then, and what helps.
    pub(crate) fn remind(&self, ends_at: Option<NumericDate>) {
        if let Some(ends_at) = ends_at {
            let id = if now() < ends_at { "rebind-soon" } else { "rebind-late" };
            self.remark(id, &[("until", Value::Text(self.texts.moment(ends_at)))]);
        }
    }

    /// Prints a symbol for people. Its colours are ours, and nothing from outside is in it.
    pub(crate) fn picture(&self, symbol: &TerminalSymbol) -> Result<(), Failure> {
        symbol.lines().try_for_each(print)
    }

    /// Prints a secret behind its label, for people. It goes through no template, which would leave copies of it behind.
    pub(crate) fn secret(&self, label: &str, secret: &SecretText) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        let secret = Zeroizing::new(shown(secret.expose()));
        printed(writeln!(io::stdout(), "{} {}", self.texts.get(label), *secret))
    }

    /// Prints a remark beside the result, for people.
    pub(crate) fn remark(&self, id: &str, values: &[(&'static str, Value)]) {
        if !self.json {
            tell(&self.texts.with(id, values));
        }
    }

    /// Prints a failure: what happened, what to do next, the stable code.
    pub(crate) fn failure(&self, failure: &Failure) {
        let (cause, remedy) = (self.texts.cause(failure), self.texts.remedy(failure));
        let (code, exit_code) = (failure.kind.code(), failure.kind.exit_code());
        if self.json {
            let error = json!({
                "code": code, "exit_code": exit_code, "message": cause, "remedy": remedy,
                "technical": failure.technical,
            });
            let mut value = failure.report.clone().unwrap_or_else(|| json!({}));
            if let Some(members) = value.as_object_mut() {
                members.insert("error".to_owned(), error);
            }
            let _ = print(&value.to_string());
            return;
        }
        if !failure.is_told {
            tell(&cause);
            tell(&format!("{}: {remedy}", self.texts.get("label-next")));
        }
        tell(&format!("{}: {code} ({exit_code})", self.texts.get("label-code")));
        if let Some(technical) = &failure.technical {
            tell(&format!("{}: {technical}", self.texts.get("label-technical")));
        }
    }

    /// A sentence with one text in it.
    pub(crate) fn say(&self, id: &str, name: &'static str, value: impl Into<String>) -> String {
        self.texts.with(id, &[(name, Value::Text(value.into()))])
    }
}

/// Prints a line of a result for people, or several that belong together.
pub(crate) fn print_line(line: &str) -> Result<(), Failure> {
    print(&visible(line))
}

/// What came from outside may be in a line, and must not command the terminal. Line ends are ours: values have none.
fn visible(line: &str) -> String {
    line.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

/// A result, and when the time of this computer's device ends.
#[derive(Serialize)]
struct WithRenewal<'a, T> {
    #[serde(flatten)]
    value: &'a T,
    device_renewal: Renewal,
}

#[derive(Serialize)]
struct Renewal {
    expires_at: NumericDate,
    command: &'static str,
}

/// Prints a line.
fn print(line: &str) -> Result<(), Failure> {
    printed(writeln!(io::stdout(), "{line}"))
}

/// Prints JSON. What is secret in it leaves no copy behind but in the buffer of the standard output, which is nobody's to wipe.
fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match serde_json::to_writer(&mut stdout, value) {
        Err(error) if !error.is_io() => Err(Kind::Internal.failure().because(&error)),
        written => printed(written.map_err(io::Error::from).and_then(|()| writeln!(stdout))),
    }
}

/// Whoever reads may have seen enough and gone (`| head`); a full disk is a failure.
fn printed(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(file_failure(Path::new("/dev/stdout"))(error)),
        _ => Ok(()),
    }
}

/// Tells something beside the result. It goes on where nobody reads it.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(line));
}

/// A file that cannot be read or written.
pub(crate) fn file_failure(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.display().to_string();
    move |error| {
        let why = match error.kind() {
            ErrorKind::AlreadyExists => "exists",
            // Longer than what it should hold, or something else.
            ErrorKind::InvalidData => "content",
            _ => "other",
        };
        Kind::File.failure().text("path", path).text("why", why).because(&error)
    }
}

/// Reads a file of at most `max` bytes that must be there.
pub(crate) fn read_file(path: &Path, max: usize) -> Result<Vec<u8>, Failure> {
    let content = kartenbund::disk::read(path, max).map_err(file_failure(path))?;
    content.ok_or_else(|| file_failure(path)(ErrorKind::NotFound.into()))
}
