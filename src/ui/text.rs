//! Every sentence a person reads, in one file for each language (Fluent).

use std::fmt;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};
use unic_langid::{LanguageIdentifier, langid};

use crate::protocol::application::is_deceptive;

use super::failure::{Failure, Kind, Value};
use super::system::System;

const GERMAN: &str = include_str!("text/de.ftl");
const ENGLISH: &str = include_str!("text/en.ftl");

/// A language the program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// German.
    De,
    /// English.
    En,
}

impl Language {
    /// The language of the desktop: English where it says so, else German.
    pub fn of_desktop() -> Self {
        match sys_locale::get_locale() {
            Some(locale) if locale.to_ascii_lowercase().starts_with("en") => Self::En,
            _ => Self::De,
        }
    }
}

/// The sentences of one language.
pub struct Texts {
    bundle: FluentBundle<FluentResource>,
    language: Language,
    system: System,
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Texts({:?})", self.language)
    }
}

impl Texts {
    /// The sentences of `language`.
    pub fn new(language: Language) -> Self {
        let (id, source): (LanguageIdentifier, _) = match language {
            Language::De => (langid!("de"), GERMAN),
            Language::En => (langid!("en"), ENGLISH),
        };
        let mut bundle = FluentBundle::new_concurrent(vec![id]);
        // Marks that isolate values from the direction of the text around are noise in a terminal.
        bundle.set_use_isolating(false);
        // A faulty text loses its sentence, never the program; the test below reads every one.
        let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
        Self { bundle, language, system: System::Linux }
    }

    /// The same with the remedies of `system`: every sentence knows it as `$os`.
    pub fn on(self, system: System) -> Self {
        Self { system, ..self }
    }

    /// The system whose remedies it gives.
    pub fn system(&self) -> System {
        self.system
    }

    /// Its language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// A sentence without values.
    pub fn get(&self, id: &str) -> String {
        self.with(id, &[])
    }

    /// A sentence with values.
    pub fn with(&self, id: &str, values: &[(&'static str, Value)]) -> String {
        let (id, attribute) = id.split_once('.').map_or((id, None), |(id, attribute)| (id, Some(attribute)));
        let mut args = FluentArgs::new();
        args.set("os", self.system.name());
        for (name, value) in values {
            let value = match value {
                Value::Text(text) => FluentValue::from(shown(text)),
                Value::Number(number) => FluentValue::from(*number),
            };
            args.set(*name, value);
        }
        let message = self.bundle.get_message(id);
        let pattern = message.and_then(|message| match attribute {
            None => message.value(),
            Some(attribute) => message.get_attribute(attribute).map(|attribute| attribute.value()),
        });
        let Some(pattern) = pattern else { return id.to_owned() };
        self.bundle.format_pattern(pattern, Some(&args), &mut Vec::new()).into_owned()
    }

    /// A moment (seconds since 1970) as people of the language write it, by the clock on their wall; with `UTC` where the
    /// computer does not know its time zone.
    pub fn moment(&self, at: i64) -> String {
        let Ok(at) = OffsetDateTime::from_unix_timestamp(at) else { return at.to_string() };
        let offset = UtcOffset::local_offset_at(at);
        let zone = if offset.is_ok() { "" } else { " UTC" };
        let at = at.to_offset(offset.unwrap_or(UtcOffset::UTC));
        let text = match self.language {
            Language::De => at.format(format_description!("[day].[month].[year], [hour]:[minute] Uhr")),
            Language::En => {
                at.format(format_description!("[day padding:none] [month repr:short] [year], [hour]:[minute]"))
            }
        };
        text.map_or_else(|_| at.to_string(), |text| text + zone)
    }

    /// A day (`YYYY-MM-DD`) as people of the language write it.
    pub fn day(&self, day: &str) -> String {
        match (self.language, day.split('-').collect::<Vec<_>>().as_slice()) {
            (Language::De, [year, month, day]) => format!("{day}.{month}.{year}"),
            _ => day.to_owned(),
        }
    }

    /// What happened, in one sentence; a second one names the other number that was typed.
    pub fn cause(&self, failure: &Failure) -> String {
        let cause = self.with(&id(failure.kind), &failure.values);
        match failure.hint {
            Some(hint) => format!("{cause} {}", self.get(hint)),
            None => cause,
        }
    }

    /// What to do next, in one sentence.
    pub fn remedy(&self, failure: &Failure) -> String {
        self.with(&format!("{}.remedy", id(failure.kind)), &failure.values)
    }
}

fn id(kind: Kind) -> String {
    format!("error-{}", kind.code().replace('_', "-"))
}

/// A text from outside as it may be shown: what is not seen, turns the direction of writing, or would be a command to the
/// terminal is replaced by `�`.
pub fn shown(text: &str) -> String {
    // Room from the beginning: no half of a secret is left where it grew out of.
    let mut shown = String::with_capacity(text.len());
    shown.extend(text.chars().map(|c| if is_deceptive(c) { char::REPLACEMENT_CHARACTER } else { c }));
    shown
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fluent_bundle::FluentResource;

    use super::*;

    fn ids(source: &str) -> BTreeSet<String> {
        FluentResource::try_new(source.to_owned()).expect("the text parses");
        let lines = source.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        lines.filter_map(|line| line.split_once(" =")).map(|(id, _)| id.to_owned()).collect()
    }

    #[test]
    fn both_languages_say_the_same_things_and_nothing_is_said_twice() {
        assert_eq!(ids(GERMAN), ids(ENGLISH));
        // The later one would silently take the place of the other.
        for source in [GERMAN, ENGLISH] {
            let count = source.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).count();
            assert_eq!(count, ids(source).len());
        }
    }

    #[test]
    fn every_failure_has_a_cause_and_a_remedy_of_one_sentence_at_least() {
        for language in [Language::De, Language::En] {
            let texts = Texts::new(language);
            for kind in Kind::ALL {
                let failure = kind.failure();
                for sentence in [texts.cause(&failure), texts.remedy(&failure)] {
                    assert!(!sentence.starts_with("error-"), "{language:?}: {} has no text", kind.code());
                    let ends = sentence.ends_with(['.', '?', '!']) || sentence.ends_with('}') || kind == &Kind::File;
                    assert!(ends, "{language:?} {}: {sentence}", kind.code());
                }
            }
        }
    }

    #[test]
    fn values_from_outside_do_not_command_the_terminal() {
        let said = Texts::new(Language::En)
            .with("done-login", &[("insurer", Value::Text("Muster\u{1B}[2J\u{202E}kasse\n".to_owned()))]);
        assert!(said.contains("Muster�[2J�kasse�"), "{said:?}");
    }

    #[test]
    fn moments_are_written_as_people_do() {
        let german = Texts::new(Language::De).moment(1_795_447_800);
        let english = Texts::new(Language::En).moment(1_795_447_800);
        // The minutes depend on where the computer stands.
        assert!(german.contains(".11.2026, ") && german.contains(" Uhr"), "{german}");
        assert!(english.contains(" Nov 2026, ") && !english.contains("Uhr"), "{english}");
    }

    #[test]
    fn an_invalid_application_is_told_in_a_sentence_for_each_member() {
        let members = ["street", "house_number", "supplement", "city", "country", "postal_code", "iban", "email"];
        for language in [Language::De, Language::En] {
            let texts = Texts::new(language);
            let cause = |detail: &str| texts.cause(&Kind::ApplicationInvalid.failure().text("detail", detail));
            let causes: BTreeSet<_> = members.into_iter().chain(["account_holder", "new_one"]).map(cause).collect();
            assert_eq!(causes.len(), members.len() + 2, "{language:?}: each has its own");
            assert!(causes.iter().all(|cause| cause.ends_with('.') && !cause.contains('_')), "{causes:?}");
        }
    }

    #[test]
    fn numbers_have_their_plural() {
        let tries = |language, n| {
            let failure = Kind::CardPinWrong.failure().number("tries", n);
            Texts::new(language).cause(&failure)
        };
        assert_eq!(tries(Language::De, 1), "Die Karten-PIN ist falsch; es ist noch ein Versuch übrig.");
        assert_eq!(tries(Language::De, 2), "Die Karten-PIN ist falsch; es sind noch 2 Versuche übrig.");
        assert_eq!(tries(Language::En, 1), "The card PIN is wrong; one try is left.");
        assert_eq!(tries(Language::En, 2), "The card PIN is wrong; 2 tries are left.");
    }
}
