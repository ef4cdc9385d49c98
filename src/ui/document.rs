//! A document as a person reads it: by this program's own templates, old beside new. Where a line is too narrow for both,
//! one stands under the other, and each line says what it is: a screen reader reads them one by one.

use std::io::IsTerminal;

use super::failure::Value;
use super::text::{Texts, shown};
use crate::protocol::api::Origin;
use crate::protocol::application::{Change, Row};
use crate::protocol::approval::Document;

/// What is left for a value at least, in characters, however narrow the screen.
const LEAST: usize = 16;

/// How many characters a line of this screen has; without end where it is none.
pub fn width(screen: &impl Screen) -> usize {
    if !screen.is_terminal() {
        return usize::MAX;
    }
    match screen.columns() {
        0 => 80,
        columns => columns,
    }
}

/// Where lines are shown.
pub trait Screen: IsTerminal {
    /// How many characters a line has; 0 where that is not known.
    fn columns(&self) -> usize;
}

#[cfg(unix)]
impl<T: IsTerminal + std::os::fd::AsFd> Screen for T {
    fn columns(&self) -> usize {
        rustix::termios::tcgetwinsize(self).map_or(0, |size| size.ws_col.into())
    }
}

#[cfg(not(unix))]
impl<T: IsTerminal> Screen for T {
    fn columns(&self) -> usize {
        0
    }
}

/// The lines that say who has submitted it: the insurer's name for its website, and what a program calls itself, which
/// may be anything. Nothing where nobody did who was logged in: then the document says what is known.
pub fn origin(texts: &Texts, origin: Option<&Origin>, width: usize) -> Vec<String> {
    let Some(Origin { client, client_name }) = origin else { return Vec::new() };
    let through = client.as_deref().map(|name| format!("{}: {}", texts.get("origin-through"), shown(name)));
    let with = match (client_name.as_deref(), client) {
        (Some(name), _) => Some(texts.with("origin-with", &[("name", Value::Text(shown(name)))])),
        (None, None) => Some(texts.get("origin-unnamed")),
        (None, Some(_)) => None,
    };
    through.into_iter().chain(with).flat_map(|text| wrapped("  ", &text, width)).collect()
}

/// The lines that show a document on a screen of this width.
pub fn lines(texts: &Texts, document: &Document, width: usize) -> Vec<String> {
    let change = &document.change;
    let kind = change.kind().as_str().replace('.', "-");
    let mut lines = vec![texts.get(&format!("kind-{kind}"))];
    let mut say = |indent: usize, text: &str| lines.extend(wrapped(&" ".repeat(indent), text, width));
    say(2, &format!("{}: {}", texts.get("label-account"), document.account.as_str()));
    match change {
        Change::Address(_) | Change::Bank(_) | Change::Contact(_) => {
            for row in change.rows() {
                lines.extend(compared(texts, row, width));
            }
        }
        Change::Password(_) => {
            say(2, &format!("{}: {}", texts.get("label-asked"), texts.moment(document.created)));
            ["means", "when", "nobody"].iter().for_each(|what| say(2, &texts.get(&format!("reset-{what}"))));
        }
        Change::Login(_) => {
            for row in change.rows() {
                say(2, &format!("{}: {}", label(texts, row), value(texts, row.name, row.new)));
            }
            say(2, &format!("{}: {}", texts.get("label-asked"), texts.moment(document.created)));
            ["means", "code"].iter().for_each(|what| say(2, &texts.get(&format!("web-login-{what}"))));
        }
        Change::Card(card) => {
            let reason = texts.get(&format!("card-reason-{}", card.reason.as_str().replace('_', "-")));
            say(2, &format!("{}: {reason}", texts.get("row-reason")));
            say(2, &texts.get("card-goes-to"));
            let address = change.rows().into_iter().skip(1);
            address.for_each(|row| say(4, &format!("{}: {}", label(texts, row), value(texts, row.name, row.new))));
        }
        Change::Device(_) => {
            change
                .rows()
                .into_iter()
                .for_each(|row| say(2, &format!("{}: {}", label(texts, row), value(texts, row.name, row.new))));
            ["means", "when", "digits"].iter().for_each(|what| say(2, &texts.get(&format!("device-add-{what}"))));
        }
    }
    lines
}

/// One member, old and new.
fn compared(texts: &Texts, row: Row<'_>, width: usize) -> Vec<String> {
    let label = label(texts, row);
    let (old, new) = (value(texts, row.name, row.old), value(texts, row.name, row.new));
    if row.old == row.new {
        return wrapped("  ", &format!("{label}: {new} ({})", texts.get("row-unchanged")), width);
    }
    let (before, after) = (texts.get("label-old"), texts.get("label-new"));
    let line = format!("  {label}: {before} {old}; {after} {new}");
    if line.chars().count() <= width {
        return vec![line];
    }
    // Both begin at the same place, so that a digit stands under its digit.
    let column = before.chars().count().max(after.chars().count()) + 1;
    let mut lines = vec![format!("  {label}:")];
    for (name, value) in [(before, old), (after, new)] {
        lines.extend(wrapped(&format!("    {:column$} ", name + ":"), &value, width));
    }
    lines
}

fn label(texts: &Texts, row: Row<'_>) -> String {
    texts.get(&format!("row-{}", row.name))
}

/// A value as it is compared best.
fn value(texts: &Texts, name: &str, value: Option<&str>) -> String {
    match value {
        None => texts.get("row-none"),
        // In groups of four, as it is printed (ISO 13616).
        Some(iban) if name == "iban" => {
            let characters: Vec<char> = iban.chars().collect();
            characters.chunks(4).map(|group| group.iter().collect()).collect::<Vec<String>>().join(" ")
        }
        Some(value) => value.to_owned(),
    }
}

/// A text behind `first`, and what does not fit in lines under it that begin where it began. No character is left out.
fn wrapped(first: &str, text: &str, width: usize) -> Vec<String> {
    let indent = first.chars().count();
    let room = width.saturating_sub(indent).max(LEAST);
    let (mut lines, mut line, mut length) = (Vec::new(), String::new(), 0);
    for word in text.split(' ') {
        let mut characters: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + characters.len() > room {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        while characters.len() > room {
            lines.push(characters.drain(..room).collect());
        }
        length += characters.len();
        line.extend(characters);
    }
    lines.push(line);
    let prefixes = std::iter::once(first.to_owned()).chain(std::iter::repeat(" ".repeat(indent)));
    prefixes.zip(lines).map(|(prefix, line)| prefix + &line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::application::{BankAccount, Contact, OldNew};
    use crate::protocol::{ApplicationId, ApprovalId};
    use crate::ui::text::Language;

    fn document(change: Change) -> Document {
        Document {
            approval_id: ApprovalId::from([1; 16]),
            application_id: ApplicationId::from([2; 16]),
            account: "A123456780".parse().unwrap(),
            created: 0,
            change,
        }
    }

    fn bank(holder: &str) -> Document {
        let account =
            |iban: &str, holder: &str| BankAccount { iban: iban.to_owned(), account_holder: holder.to_owned() };
        let old = Some(account("DE02120300000000202051", "Erika Müstermann"));
        document(Change::Bank(OldNew { old, new: account("DE89370400440532013000", holder) }))
    }

    #[test]
    fn what_a_program_calls_itself_is_not_taken_for_the_insurers_word_and_steers_no_screen() {
        let texts = Texts::new(Language::En);
        let lines = |client: Option<&str>, name: Option<&str>| {
            let said = Origin { client: client.map(str::to_owned), client_name: name.map(str::to_owned) };
            origin(&texts, Some(&said), usize::MAX)
        };
        let own = lines(None, Some("Website\u{1b}[2J\u{202e}"));
        assert_eq!(own.len(), 1);
        assert!(
            own[0].starts_with("  Submitted with: \"Website") && own[0].ends_with("(what the program calls itself)")
        );
        assert!(!own[0].contains(['\u{1b}', '\u{202e}']), "{own:?}");
        assert_eq!(lines(Some("Website"), None), ["  Submitted through: Website"]);
        assert_eq!(lines(None, None), ["  Submitted with a program that does not say its name"]);
        assert!(origin(&texts, None, usize::MAX).is_empty());
    }

    #[test]
    fn old_stands_beside_new_where_both_fit_and_above_it_where_they_do_not() {
        let texts = Texts::new(Language::De);
        let wide = lines(&texts, &bank("Erika Müstermann"), 80);
        assert_eq!(
            wide,
            [
                "Neue Bankverbindung",
                "  Konto: A123456780",
                "  IBAN: bisher DE02 1203 0000 0000 2020 51; neu DE89 3704 0044 0532 0130 00",
                "  Kontoinhaber: Erika Müstermann (unverändert)",
            ]
        );
        let narrow = lines(&texts, &bank("Erika Müstermann"), 50);
        assert_eq!(
            narrow[2..5],
            ["  IBAN:", "    bisher: DE02 1203 0000 0000 2020 51", "    neu:    DE89 3704 0044 0532 0130 00",]
        );
    }

    #[test]
    fn no_line_is_wider_than_the_screen_and_nothing_is_left_out() {
        let long =
            "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft Wien und Umgebung eV";
        for language in [Language::De, Language::En] {
            for width in [50, 80, usize::MAX] {
                let shown = lines(&Texts::new(language), &bank(long), width);
                assert!(shown.iter().all(|line| line.chars().count() <= width), "{width}: {shown:#?}");
                let text: String = shown.concat().split(' ').collect();
                assert!(text.contains(&long.replace(' ', "")), "{width}: {shown:#?}");
            }
        }
    }

    #[test]
    fn what_was_not_there_before_is_shown_as_such() {
        let new = Contact { email: "erika@person.example".to_owned() };
        let shown = lines(&Texts::new(Language::En), &document(Change::Contact(OldNew { old: None, new })), 80);
        assert_eq!(shown[2], "  E-mail: before –; new erika@person.example");
    }
}
