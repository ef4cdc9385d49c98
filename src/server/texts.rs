//! What the service writes to people: notices, letters, and what stands around them, in German and English. The built-in
//! texts are two TOML files; the operator's files, of the same shape, replace what they hold.

use std::collections::BTreeMap;

use thiserror::Error;
use toml::de::{DeTable, DeValue};

use super::config::{line_of, most_like};
use super::settings::Insurer;
use crate::protocol::api::NoticeLanguage;
use crate::protocol::application::is_deceptive;

/// One language: texts by name, such as `notice.device_added.subject`.
type Words = BTreeMap<String, String>;

/// All texts, in both languages.
#[derive(Clone, Debug)]
pub struct Texts {
    de: Words,
    en: Words,
}

/// A text that is wrong, and where.
#[derive(Debug, Error)]
#[error("line {line}: {name}: {wrong}")]
pub struct TextFault {
    /// Its line in the file.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub wrong: TextError,
}

/// What is wrong with a text.
#[derive(Debug, Error)]
pub enum TextError {
    /// Nobody reads it. Holds the name that is most like it.
    #[error("there is no such text{}", meant(.0.as_deref()))]
    Unknown(Option<String>),
    /// The file is not TOML.
    #[error("{0}")]
    Toml(String),
    /// It is no text.
    #[error("a text in quotes is expected")]
    Type,
    /// Nothing stands in it.
    #[error("the text is empty")]
    Empty,
    /// A subject has one line.
    #[error("this text is one line")]
    Lines,
    /// Nothing of this name can stand there. Holds the name that is most like it.
    #[error("nothing can stand for {{{name}}} here{meant}", name = .0, meant = meant(.1.as_deref()))]
    Placeholder(String, Option<String>),
    /// A brace that opens or closes nothing.
    #[error("a brace stands alone")]
    Brace,
    /// What has to stand in it.
    #[error("{{{0}}} is missing")]
    Missing(&'static str),
    /// Notices hold none, so that a false one can be told from ours.
    #[error("{0} looks like a link, and what is sent to people holds none")]
    Link(String),
    /// A character that is not seen, or turns the direction of writing.
    #[error("it holds a character that is not seen")]
    Deceptive,
}

fn meant(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

impl Default for Texts {
    fn default() -> Self {
        Self { de: built_in(Self::example(NoticeLanguage::De)), en: built_in(Self::example(NoticeLanguage::En)) }
    }
}

/// A test reads both files without any fault.
fn built_in(file: &str) -> Words {
    let (words, _) = flat(file);
    words.into_iter().filter_map(|(name, _, text)| Some((name, text.ok()?))).collect()
}

/// All texts of a file: name, byte where it begins, and text.
type Flat = Vec<(String, usize, Result<String, TextError>)>;

fn flat(file: &str) -> (Flat, Option<TextFault>) {
    let mut found = Vec::new();
    match DeTable::parse(file) {
        Ok(table) => add(&mut found, table.get_ref(), ""),
        Err(error) => {
            let line = line_of(file, error.span().map_or(0, |span| span.start));
            let wrong = TextError::Toml(error.message().to_owned());
            return (found, Some(TextFault { line, name: "TOML".to_owned(), wrong }));
        }
    }
    (found, None)
}

fn add(found: &mut Flat, table: &DeTable<'_>, path: &str) {
    for (key, value) in table {
        let name = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        let start = key.span().start;
        match value.get_ref() {
            DeValue::Table(table) => add(found, table, &name),
            DeValue::String(text) => found.push((name, start, Ok(text.trim().to_owned()))),
            _ => found.push((name, start, Err(TextError::Type))),
        }
    }
}

impl Texts {
    /// The file with the built-in texts of a language: what an operator begins with.
    pub fn example(language: NoticeLanguage) -> &'static str {
        match language {
            NoticeLanguage::De => include_str!("texts/de.toml"),
            NoticeLanguage::En => include_str!("texts/en.toml"),
        }
    }

    /// Puts the texts of an operator's file in the place of ours.
    ///
    /// # Errors
    /// All that is wrong with them; then nothing is replaced.
    pub fn replace(&mut self, language: NoticeLanguage, file: &str) -> Result<(), Vec<TextFault>> {
        let words = match language {
            NoticeLanguage::De => &mut self.de,
            NoticeLanguage::En => &mut self.en,
        };
        let (found, broken) = flat(file);
        let mut faults: Vec<_> = broken.into_iter().collect();
        let mut new = Vec::new();
        for (name, start, text) in found {
            let known = || words.keys().cloned();
            let text =
                if words.contains_key(&name) { text } else { Err(TextError::Unknown(most_like(known(), &name))) };
            match text.and_then(|text| check(&name, &text).map(|()| text)) {
                Ok(text) => new.push((name, text)),
                Err(wrong) => faults.push(TextFault { line: line_of(file, start), name, wrong }),
            }
        }
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.line);
            return Err(faults);
        }
        words.extend(new);
        Ok(())
    }

    /// Texts that name the telephone number: not to be used where there is none. Ours know a way around.
    pub(super) fn name_hotline(&self) -> Vec<&str> {
        let all = self.de.iter().chain(&self.en);
        let named = all.filter(|(name, text)| !name.ends_with(WITH_HOTLINE) && text.contains("{hotline}"));
        named.map(|(name, _)| name.as_str()).collect()
    }

    /// Every text that gets onto paper.
    pub(super) fn printed(&self) -> impl Iterator<Item = &str> {
        let all = self.de.iter().chain(&self.en);
        all.filter(|(name, _)| !name.starts_with("email.")).map(|(_, text)| text.as_str())
    }

    /// The text `name` with `facts`, the insurer's name and telephone number, and how to get in touch.
    pub(super) fn fill(
        &self,
        language: NoticeLanguage,
        name: &str,
        insurer: &Insurer,
        facts: &[(&str, &str)],
    ) -> String {
        let words = match language {
            NoticeLanguage::De => &self.de,
            NoticeLanguage::En => &self.en,
        };
        let text = words.get(name).map_or("", String::as_str);
        let reached = if insurer.hotline.is_empty() { "without_hotline" } else { "with_hotline" };
        pieces(text)
            .map(|piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Placeholder("insurer") => insurer.name.clone(),
                Piece::Placeholder("hotline") => insurer.hotline.clone(),
                Piece::Placeholder(how @ ("contact" | "call")) => {
                    self.fill(language, &format!("{how}.{reached}"), insurer, &[])
                }
                Piece::Placeholder(name) => {
                    let fact = facts.iter().find(|(fact, _)| *fact == name);
                    fact.map_or_else(String::new, |(_, value)| (*value).to_owned())
                }
                Piece::Brace => String::new(),
            })
            .collect()
    }
}

const WITH_HOTLINE: &str = ".with_hotline";

/// What can stand in a text, and what must.
fn placeholders(name: &str) -> (&'static [&'static str], Option<&'static str>) {
    match name {
        _ if name.ends_with(WITH_HOTLINE) => (&["insurer", "hotline"], Some("hotline")),
        "email.subject" => (&["insurer", "subject"], Some("subject")),
        "email.body" => (&["insurer", "hotline", "text"], Some("text")),
        "letter.salutation" => (&["name"], None),
        "letter.page" => (&["page", "pages"], None),
        _ if name.starts_with("notice.") && name.ends_with(".text") => {
            (&["insurer", "hotline", "date", "contact", "call"], None)
        }
        _ if is_of_letter(name) => (&["insurer", "hotline", "date"], None),
        _ => (&["insurer"], None),
    }
}

/// Whether a text can be used under this name.
fn check(name: &str, text: &str) -> Result<(), TextError> {
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if is_one_line(name) && text.contains('\n') {
        return Err(TextError::Lines);
    }
    if text.chars().any(|character| character != '\n' && is_deceptive(character)) {
        return Err(TextError::Deceptive);
    }
    let (allowed, needed) = placeholders(name);
    for piece in pieces(text) {
        match piece {
            Piece::Text(_) => {}
            Piece::Placeholder(placeholder) if allowed.contains(&placeholder) => {}
            Piece::Placeholder(unknown) => {
                let near = most_like(allowed.iter().map(|name| (*name).to_owned()), unknown);
                let near = near.map(|near| format!("{{{near}}}"));
                return Err(TextError::Placeholder(unknown.to_owned(), near));
            }
            Piece::Brace => return Err(TextError::Brace),
        }
    }
    if let Some(needed) = needed.filter(|needed| !text.contains(&format!("{{{needed}}}"))) {
        return Err(TextError::Missing(needed));
    }
    // On paper, in a letter that people wait for, an address has to be typed.
    match text.split_whitespace().find(|word| is_link(word)).filter(|_| !is_of_letter(name)) {
        Some(link) => Err(TextError::Link(link.to_owned())),
        None => Ok(()),
    }
}

fn is_one_line(name: &str) -> bool {
    let others = ["letter.salutation", "letter.telephone", "letter.page", "code_letter.symbol"];
    name.ends_with(".subject") || others.contains(&name)
}

/// Whether it stands in a letter that brings a password or a code.
fn is_of_letter(name: &str) -> bool {
    name.starts_with("password_letter.") || name.starts_with("code_letter.")
}

/// Whether programs, or people, take a word for something to click on: a scheme, an address, or a host with its domain.
fn is_link(word: &str) -> bool {
    let labels: Vec<&str> = word.split('.').collect();
    let is_host = labels.windows(2).any(|pair| match pair {
        [before, after] => {
            let starts_domain = after.chars().take_while(|character| character.is_alphabetic()).count() >= 2;
            before.ends_with(char::is_alphanumeric) && starts_domain
        }
        _ => false,
    });
    is_host || word.contains("://") || word.contains(['@', '<', '>'])
}

/// A piece of a text.
enum Piece<'a> {
    Text(&'a str),
    /// What stands in braces.
    Placeholder(&'a str),
    /// A brace without another one.
    Brace,
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let at = match rest.find(['{', '}']) {
            None if rest.is_empty() => return None,
            None => rest.len(),
            Some(at) => at,
        };
        if at > 0 {
            let (piece, after) = rest.split_at(at);
            rest = after;
            return Some(Piece::Text(piece));
        }
        let name = rest.strip_prefix('{').and_then(|after| after.split_once('}'));
        match name.filter(|(name, _)| !name.contains('{')) {
            Some((name, after)) => {
                rest = after;
                Some(Piece::Placeholder(name))
            }
            None => {
                rest = rest.get(1..).unwrap_or_default();
                Some(Piece::Brace)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::notice::Kind;

    #[test]
    fn the_built_in_texts_are_the_same_ones_in_both_languages_and_as_sound_as_an_operators_must_be() {
        let texts = Texts::default();
        assert_eq!(texts.de.keys().collect::<Vec<_>>(), texts.en.keys().collect::<Vec<_>>());
        for language in [NoticeLanguage::De, NoticeLanguage::En] {
            Texts::default().replace(language, Texts::example(language)).unwrap();
        }
        for kind in Kind::ALL {
            for part in ["subject", "text"] {
                assert!(texts.de.contains_key(&format!("notice.{}.{part}", kind.as_str())), "{kind:?}");
            }
        }
        let notices = texts.de.keys().filter(|name| name.starts_with("notice.")).count();
        assert_eq!(notices, Kind::ALL.len() * 2, "and none that nobody sends");
        assert_eq!(texts.name_hotline(), [""; 0]);
    }

    #[test]
    fn what_an_operator_writes_is_checked() {
        let told = |file: &str| match Texts::default().replace(NoticeLanguage::De, file) {
            Ok(()) => Vec::new(),
            Err(faults) => faults.iter().map(ToString::to_string).collect(),
        };
        let notice = |text: &str| told(&format!("[notice.device_added]\ntext = \"\"\"{text}\"\"\"\n"));
        for sound in ["{insurer}, {hotline}, {date}, {contact}", "Am 01.02.2026, z.B. um 8.30 Uhr.\n\nRufen Sie an."] {
            assert_eq!(notice(sound), [""; 0], "{sound}");
        }
        for (text, wrong) in [
            ("", "the text is empty"),
            ("{hotlin}", "nothing can stand for {hotlin} here; did you mean {hotline}?"),
            ("{name}", "nothing can stand for {name} here"),
            ("{date", "a brace stands alone"),
            ("date}", "a brace stands alone"),
            ("{da{te}", "a brace stands alone"),
            ("Siehe kasse.example", "kasse.example looks like a link, and what is sent to people holds none"),
            ("Siehe https://x", "https://x looks like a link, and what is sent to people holds none"),
            ("an post@kasse", "post@kasse looks like a link, and what is sent to people holds none"),
            ("<b>wichtig</b>", "<b>wichtig</b> looks like a link, and what is sent to people holds none"),
            ("un\u{200B}sichtbar", "it holds a character that is not seen"),
        ] {
            assert_eq!(notice(text), [format!("line 2: notice.device_added.text: {wrong}")], "{text}");
        }
        for (file, wrong) in [
            (
                "[notice.devise_added]\ntext = \"x\"\n",
                "line 2: notice.devise_added.text: there is no such text; did you mean notice.device_added.text?",
            ),
            ("[notice.device_added]\ntext = 7\n", "line 2: notice.device_added.text: a text in quotes is expected"),
            (
                "[notice.device_added]\nsubject = \"a\\nb\"\n",
                "line 2: notice.device_added.subject: this text is one line",
            ),
            ("[email]\nbody = \"Guten Tag\"\n", "line 2: email.body: {text} is missing"),
            ("[email]\nsubject = \"Post\"\n", "line 2: email.subject: {subject} is missing"),
            ("[contact]\nwith_hotline = \"Hallo\"\n", "line 2: contact.with_hotline: {hotline} is missing"),
        ] {
            assert_eq!(told(file), [wrong], "{file}");
        }
        assert!(told("[notice\n")[0].starts_with("line 1: TOML: "));
        assert_eq!(told("[password_letter]\nbefore = \"Melden Sie sich auf www.kasse.example an.\"\n"), [""; 0]);
        let both = told("[letter]\npage = \"\"\n\n[email]\nbody = \"\"\n");
        assert_eq!(both, ["line 2: letter.page: the text is empty", "line 5: email.body: the text is empty"]);
    }

    #[test]
    fn what_is_filled_in_is_not_read_again() {
        let insurer = Insurer { name: "{date}".to_owned(), hotline: String::new() };
        let mut texts = Texts::default();
        texts.replace(NoticeLanguage::En, "[letter]\nclosing = \"Bye {insurer}\"\n").unwrap();
        assert_eq!(texts.fill(NoticeLanguage::En, "letter.closing", &insurer, &[("date", "today")]), "Bye {date}");
        let mut naming = Texts::default();
        naming.replace(NoticeLanguage::De, "[notice.device_added]\ntext = \"Rufen Sie an: {hotline}\"\n").unwrap();
        assert_eq!(naming.name_hotline(), ["notice.device_added.text"]);
    }
}
