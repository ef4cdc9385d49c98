//! Reading settings out of TOML: a table of rows says which keys there are, what each is for, and where its value goes.
//! The example file is written from the same rows, so neither can know a setting that the other does not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use strsim::jaro_winkler;
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::pki::AnchorError;
use crate::pki::cvc::CvcRootError;
use crate::secret::SecretText;
use crate::server::SmtpError;
use crate::server::texts::TextFault;

/// Longest file that holds a secret, or that a setting names, in bytes.
const MAX_FILE: usize = 256 * 1024;
/// From which similarity on a key is told as the one that was meant.
const NEAR: f64 = 0.75;

/// What is wrong with a setting.
#[derive(Debug, Error)]
pub enum Wrong {
    /// Nobody reads this key. Holds the known key that is most like it.
    #[error("there is no such setting{}", .0.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    Unknown(Option<String>),
    /// It must be given.
    #[error("this setting is missing")]
    Missing,
    /// The value is of another type.
    #[error("{expected} is expected, not {found}")]
    Type {
        /// What is expected.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// The number is too small or too large.
    #[error("a number from {0} to {1} is expected")]
    Range(i64, i64),
    /// The value is impossible, or does not go with another one.
    #[error("{0}")]
    Impossible(&'static str),
    /// Plain HTTP with other computers.
    #[error("{0} is no address of this computer itself, and there is no TLS")]
    NotLoopback(SocketAddr),
    /// A secret stands in the file itself.
    #[error(
        "a secret is not written into this file: name a file with {0}_file, or an environment variable with {0}_env"
    )]
    Secret(&'static str),
    /// The environment variable that should hold a secret.
    #[error("the environment variable {0} is not set, or empty")]
    Variable(String),
    /// A file that a setting names.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// A file with CAs of cards.
    #[error("{0}: {1}")]
    Anchor(PathBuf, AnchorError),
    /// A file with a root of chips.
    #[error("{0}: {1}")]
    CvcRoot(PathBuf, CvcRootError),
    /// The mail server.
    #[error("{0}")]
    Mail(SmtpError),
    /// Texts for people.
    #[error("{path}{told}", path = .0.display(), told = .1.iter().map(|fault| format!("\n    {fault}")).collect::<String>())]
    Texts(PathBuf, Vec<TextFault>),
}

/// A setting that is wrong, and where.
#[derive(Debug, Error)]
#[error("{}{key}: {wrong}", .line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct Fault {
    /// Its line in the file, or that of the section where it is missing.
    pub line: Option<usize>,
    /// Its full name, such as `mail.port`.
    pub key: String,
    /// What is wrong.
    #[source]
    pub wrong: Wrong,
}

/// One row: a setting of `T`, or a section of settings.
pub(super) struct Row<T: 'static> {
    key: &'static str,
    about: &'static str,
    kind: Kind<T>,
}

enum Kind<T: 'static> {
    /// `key = value`.
    Value { shown: Shown, read: fn(&mut T, &Value<'_>) -> Result<(), Wrong> },
    /// `key_file = "…"` or `key_env = "…"`, and never `key` itself.
    Secret { keep: fn(&mut T, SecretText) -> Result<(), Wrong> },
    /// `[key]`. Settings without default are needed where the section is there, or always.
    Section { always: bool, rows: &'static [Row<T>] },
    /// `[[key]]`.
    List(&'static dyn Repeated<T>),
}

/// What the example shows for a setting.
pub(super) enum Shown {
    /// A value that everybody has to replace.
    Needed(&'static str),
    /// The default.
    Default(&'static str),
    /// What could stand there; without it the setting is not used.
    Example(&'static str),
}

/// A setting that must be given.
pub(super) const fn needed<T>(
    key: &'static str,
    example: &'static str,
    about: &'static str,
    read: fn(&mut T, &Value<'_>) -> Result<(), Wrong>,
) -> Row<T> {
    Row { key, about, kind: Kind::Value { shown: Shown::Needed(example), read } }
}

/// A setting with a default, written as TOML.
pub(super) const fn with_default<T>(
    key: &'static str,
    default: &'static str,
    about: &'static str,
    read: fn(&mut T, &Value<'_>) -> Result<(), Wrong>,
) -> Row<T> {
    Row { key, about, kind: Kind::Value { shown: Shown::Default(default), read } }
}

/// A setting that is not used unless it is given.
pub(super) const fn optional<T>(
    key: &'static str,
    example: &'static str,
    about: &'static str,
    read: fn(&mut T, &Value<'_>) -> Result<(), Wrong>,
) -> Row<T> {
    Row { key, about, kind: Kind::Value { shown: Shown::Example(example), read } }
}

/// A secret, from a file or an environment variable.
pub(super) const fn secret<T>(
    key: &'static str,
    about: &'static str,
    keep: fn(&mut T, SecretText) -> Result<(), Wrong>,
) -> Row<T> {
    Row { key, about, kind: Kind::Secret { keep } }
}

/// A section that need not be there.
pub(super) const fn section<T>(key: &'static str, about: &'static str, rows: &'static [Row<T>]) -> Row<T> {
    Row { key, about, kind: Kind::Section { always: false, rows } }
}

/// A section whose settings without default must be given.
pub(super) const fn needed_section<T>(key: &'static str, about: &'static str, rows: &'static [Row<T>]) -> Row<T> {
    Row { key, about, kind: Kind::Section { always: true, rows } }
}

/// A section that may stand there several times.
pub(super) const fn list<T>(key: &'static str, about: &'static str, items: &'static dyn Repeated<T>) -> Row<T> {
    Row { key, about, kind: Kind::List(items) }
}

/// The settings of each `[[section]]`, and what is done with one that was read.
pub(super) struct Items<T: 'static, I: 'static> {
    pub(super) rows: &'static [Row<I>],
    pub(super) push: fn(&mut T, I),
}

/// [`Items`] whatever they are.
pub(super) trait Repeated<T>: Sync {
    fn read(&self, reader: &mut Reader<'_>, target: &mut T, tables: &Spanned<DeValue<'_>>, path: &str);
    fn show(&self, out: &mut String, path: &str);
}

impl<T: 'static, I: Default> Repeated<T> for Items<T, I> {
    fn read(&self, reader: &mut Reader<'_>, target: &mut T, tables: &Spanned<DeValue<'_>>, path: &str) {
        let Some(tables) = tables.get_ref().as_array() else {
            let wrong = wrong_type("sections in double brackets", tables.get_ref());
            return reader.fault(Some(tables.span().start), path, wrong);
        };
        for table in tables.iter() {
            let start = Some(table.span().start);
            match table.get_ref() {
                DeValue::Table(table) => {
                    let mut item = I::default();
                    reader.table(self.rows, &mut item, table, start, path);
                    (self.push)(target, item);
                }
                other => reader.fault(start, path, wrong_type("sections in double brackets", other)),
            }
        }
    }

    fn show(&self, out: &mut String, path: &str) {
        show(self.rows, out, path);
    }
}

/// Reads a whole file of settings.
pub(super) struct Reader<'a> {
    /// Relative paths are relative to it.
    pub(super) folder: &'a Path,
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
    pub(super) text: &'a str,
    /// Where each setting begins that was found.
    pub(super) places: BTreeMap<String, usize>,
    pub(super) faults: Vec<Fault>,
}

impl Reader<'_> {
    /// Reads `table`, which is called `path` and begins at byte `start` where it is not the whole file, into `target`.
    pub(super) fn table<T>(
        &mut self,
        rows: &'static [Row<T>],
        target: &mut T,
        table: &DeTable<'_>,
        start: Option<usize>,
        path: &str,
    ) {
        for key in table.keys() {
            if rows.iter().all(|row| !row.names().iter().any(|name| name == key.get_ref())) {
                let wrong = Wrong::Unknown(nearest(rows, key.get_ref()).map(|near| joined(path, &near)));
                self.fault(Some(key.span().start), &joined(path, key.get_ref()), wrong);
            }
        }
        for row in rows {
            self.row(row, target, table, start, path);
        }
    }

    fn row<T>(&mut self, row: &'static Row<T>, target: &mut T, table: &DeTable<'_>, start: Option<usize>, path: &str) {
        let name = joined(path, row.key);
        let found = table.get(row.key);
        if let Some(value) = found {
            self.places.insert(name.clone(), value.span().start);
        }
        let at = found.map(|value| value.span().start).or(start);
        let result = match (&row.kind, found) {
            (Kind::Value { read, .. }, Some(value)) => read(target, &Value { value: value.get_ref(), reader: self }),
            (Kind::Value { shown: Shown::Needed(_), .. }, None) => Err(Wrong::Missing),
            (Kind::Value { .. } | Kind::List(_), None) => Ok(()),
            (Kind::Secret { .. }, Some(_)) => Err(Wrong::Secret(row.key)),
            (Kind::Secret { keep }, None) => return self.secret(row.key, *keep, target, table, path),
            (Kind::Section { rows, .. }, Some(value)) => match value.get_ref() {
                DeValue::Table(table) => return self.table(rows, target, table, at, &name),
                other => Err(wrong_type("a section", other)),
            },
            (Kind::Section { always: true, rows }, None) => {
                return self.table(rows, target, &DeTable::new(), start, &name);
            }
            (Kind::Section { always: false, .. }, None) => Ok(()),
            (Kind::List(items), Some(tables)) => return items.read(self, target, tables, &name),
        };
        if let Err(wrong) = result {
            self.fault(at, &name, wrong);
        }
    }

    fn secret<T>(
        &mut self,
        key: &'static str,
        keep: fn(&mut T, SecretText) -> Result<(), Wrong>,
        target: &mut T,
        table: &DeTable<'_>,
        path: &str,
    ) {
        let [in_file, in_environment] = ["_file", "_env"].map(|end| format!("{key}{end}"));
        let (named, value, from_file) = match (table.get(in_file.as_str()), table.get(in_environment.as_str())) {
            (None, None) => return,
            (Some(_), Some(value)) => {
                let wrong = Wrong::Impossible("the secret comes from a file or from the environment, not from both");
                return self.fault(Some(value.span().start), &joined(path, &in_environment), wrong);
            }
            (Some(value), None) => (in_file, value, true),
            (None, Some(value)) => (in_environment, value, false),
        };
        let read = Value { value: value.get_ref(), reader: self };
        let text = if from_file { read.secret_file() } else { read.secret_variable() };
        if let Err(wrong) = text.and_then(|text| keep(target, text)) {
            self.fault(Some(value.span().start), &joined(path, &named), wrong);
        }
    }

    fn fault(&mut self, start: Option<usize>, key: &str, wrong: Wrong) {
        let line = start.map(|start| line_of(self.text, start));
        self.faults.push(Fault { line, key: key.to_owned(), wrong });
    }

    /// Notes that a setting does not go with the others.
    pub(super) fn wrong(&mut self, key: &str, wrong: Wrong) {
        self.fault(self.places.get(key).copied(), key, wrong);
    }
}

/// The line, from 1 on, in which byte `start` of `text` stands.
pub(in crate::server) fn line_of(text: &str, start: usize) -> usize {
    text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1
}

/// The value of one setting.
pub(super) struct Value<'a> {
    value: &'a DeValue<'a>,
    reader: &'a Reader<'a>,
}

impl Value<'_> {
    pub(super) fn text(&self) -> Result<String, Wrong> {
        let text = self.value.as_str().ok_or_else(|| wrong_type("a text in quotes", self.value))?;
        if text.trim().is_empty() { Err(Wrong::Impossible("the text is empty")) } else { Ok(text.to_owned()) }
    }

    pub(super) fn boolean(&self) -> Result<bool, Wrong> {
        self.value.as_bool().ok_or_else(|| wrong_type("true or false", self.value))
    }

    /// A whole number within these bounds.
    pub(super) fn number<N: TryFrom<i64>>(&self, min: i64, max: i64) -> Result<N, Wrong> {
        let number = self.value.as_integer().ok_or_else(|| wrong_type("a whole number", self.value))?;
        let number = i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| Wrong::Range(min, max))?;
        if !(min..=max).contains(&number) {
            return Err(Wrong::Range(min, max));
        }
        N::try_from(number).map_err(|_| Wrong::Range(min, max))
    }

    /// A text that is what `V` understands; otherwise `expected` says what that is.
    pub(super) fn parsed<V: FromStr>(&self, expected: &'static str) -> Result<V, Wrong> {
        self.text()?.parse().map_err(|_| Wrong::Impossible(expected))
    }

    /// A path; a relative one begins at the folder of the file.
    pub(super) fn path(&self) -> Result<PathBuf, Wrong> {
        Ok(self.reader.folder.join(self.text()?))
    }

    /// A list of values.
    pub(super) fn each<V>(&self, read: impl Fn(&Value<'_>) -> Result<V, Wrong>) -> Result<Vec<V>, Wrong> {
        let values = self.value.as_array().ok_or_else(|| wrong_type("a list in brackets", self.value))?;
        values.iter().map(|value| read(&Value { value: value.get_ref(), reader: self.reader })).collect()
    }

    /// What the file at this path holds.
    pub(super) fn file(&self) -> Result<(PathBuf, Vec<u8>), Wrong> {
        let path = self.path()?;
        let content =
            crate::disk::read(&path, MAX_FILE).and_then(|found| found.ok_or(std::io::ErrorKind::NotFound.into()));
        match content {
            Ok(content) => Ok((path, content)),
            Err(error) => Err(Wrong::File(path, error)),
        }
    }

    fn secret_file(&self) -> Result<SecretText, Wrong> {
        let (_, content) = self.file()?;
        let text = zeroize::Zeroizing::new(content);
        let text = std::str::from_utf8(&text).map_err(|_| Wrong::Impossible("the file with the secret is not text"))?;
        // An editor ends the last line; no secret ends with one.
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(Wrong::Impossible("the file with the secret is empty"));
        }
        Ok(SecretText::new(text.to_owned()))
    }

    fn secret_variable(&self) -> Result<SecretText, Wrong> {
        let name = self.text()?;
        let value = (self.reader.environment)(&name).filter(|value| !value.is_empty());
        value.map(SecretText::new).ok_or(Wrong::Variable(name))
    }
}

fn wrong_type(expected: &'static str, found: &DeValue<'_>) -> Wrong {
    let found = match found {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    };
    Wrong::Type { expected, found }
}

impl<T> Row<T> {
    /// The keys that this row reads. A secret's own name is read, too, to be refused.
    fn names(&self) -> Vec<String> {
        match self.kind {
            Kind::Secret { .. } => ["_file", "_env", ""].map(|end| format!("{}{end}", self.key)).into(),
            _ => vec![self.key.to_owned()],
        }
    }
}

/// The key of these rows that is most like the unknown one.
fn nearest<T>(rows: &'static [Row<T>], unknown: &str) -> Option<String> {
    let secret = |name: &String| rows.iter().any(|row| matches!(row.kind, Kind::Secret { .. }) && row.key == name);
    let known = rows.iter().flat_map(Row::names).filter(|name| !secret(name));
    most_like(known, unknown)
}

/// The name that is most like an unknown one, where one is like it.
pub(in crate::server) fn most_like(known: impl Iterator<Item = String>, unknown: &str) -> Option<String> {
    let likeness = known.map(|name| (jaro_winkler(&name, unknown), name));
    likeness
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Writes these rows as a file in which every setting occurs: what must be given as it stands, the rest behind `#`.
pub(super) fn show<T>(rows: &'static [Row<T>], out: &mut String, path: &str) {
    // A value behind a section would belong to it: sections come last.
    let (sections, values): (Vec<_>, Vec<_>) =
        rows.iter().partition(|row| matches!(row.kind, Kind::Section { .. } | Kind::List(_)));
    for row in values.into_iter().chain(sections) {
        out.push('\n');
        row.about.lines().for_each(|line| push_line(out, "# ", line));
        let name = joined(path, row.key);
        match &row.kind {
            Kind::Value { shown: Shown::Needed(value), .. } => push_line(out, "", &format!("{} = {value}", row.key)),
            Kind::Value { shown: Shown::Default(value), .. } => push_line(out, "#", &format!("{} = {value}", row.key)),
            Kind::Value { shown: Shown::Example(value), .. } => {
                push_line(out, "#", &format!("{} = {value} # example", row.key));
            }
            Kind::Secret { .. } => {
                push_line(out, "#", &format!("{0}_file = \"secrets/{0}\" # example; or the name of an", row.key));
                push_line(
                    out,
                    "#",
                    &format!("{0}_env = \"KARTENBUND_{1}\" # environment variable", row.key, row.key.to_uppercase()),
                );
            }
            Kind::Section { always: true, rows } => {
                push_line(out, "", &format!("[{name}]"));
                show(rows, out, &name);
            }
            Kind::Section { always: false, rows } => {
                push_line(out, "#", &format!("[{name}]"));
                show_unused(|inner| show(rows, inner, &name), out);
            }
            Kind::List(items) => {
                push_line(out, "#", &format!("[[{name}]]"));
                show_unused(|inner| items.show(inner, &name), out);
            }
        }
    }
}

/// The settings of a section that is not used are behind `#`, too, what must be given in it as well.
fn show_unused(show: impl FnOnce(&mut String), out: &mut String) {
    let mut inner = String::new();
    show(&mut inner);
    for line in inner.lines() {
        push_line(out, if line.is_empty() || line.starts_with('#') { "" } else { "#" }, line);
    }
}

fn push_line(out: &mut String, before: &str, line: &str) {
    let _ = writeln!(out, "{before}{line}");
}
