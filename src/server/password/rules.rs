//! What a person may choose as a password: length and blocklist, and the classes of characters where the operator wants
//! them. Pasting and long passwords are welcome.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::prepared;
use crate::secret::SecretText;

/// Longest password, in bytes.
pub(in crate::server) const MAX_BYTES: usize = 1024;
/// Least length where the operator wants all classes of characters.
const MIN_WITH_CLASSES: usize = 10;
/// Shorter parts of a name are in too many words.
const MIN_PART: usize = 4;
/// What people choose first, in the form [`folded`] gives.
const COMMON: &str = include_str!("common.txt");
/// Rows of keyboards, German and English.
const ROWS: [&str; 7] =
    ["1234567890", "qwertzuiop", "qwertyuiop", "asdfghjkl", "yxcvbnm", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz"];

/// The operator's rules for passwords that people choose.
#[derive(Clone, Copy, Debug)]
pub struct PasswordRules {
    /// Least number of characters; fewer than eight cannot be had.
    pub min_length: usize,
    /// Whether a capital letter, a small letter, a digit and another character are needed, and ten characters. Length
    /// and blocklist do more for security; this is for operators whose rules demand it.
    pub all_classes: bool,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self { min_length: 8, all_classes: false }
    }
}

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Weakness {
    /// Fewer characters than this.
    TooShort(usize),
    /// More bytes than [`MAX_BYTES`].
    TooLong,
    /// One of the first that everybody tries, or a pattern.
    Common,
    /// The person's insurance number, name or birth date, or the insurer's name is in it.
    Personal,
    /// A class of characters is missing.
    Classes,
}

impl Weakness {
    /// The `detail` of the refusal: a stable code, and how many characters are needed.
    pub(in crate::server) fn detail(self) -> String {
        match self {
            Self::TooShort(least) => format!("too_short {least}"),
            Self::TooLong => "too_long".to_owned(),
            Self::Common => "common".to_owned(),
            Self::Personal => "personal".to_owned(),
            Self::Classes => "classes".to_owned(),
        }
    }
}

/// What is known about the person who chooses.
pub(in crate::server) struct Person<'a> {
    pub(in crate::server) kvnr: &'a str,
    pub(in crate::server) names: [&'a str; 2],
    /// `YYYY-MM-DD`.
    pub(in crate::server) birth_date: &'a str,
    pub(in crate::server) insurer: &'a str,
}

impl PasswordRules {
    /// Whether this person may choose this password.
    pub(in crate::server) fn check(&self, password: &SecretText, person: &Person<'_>) -> Result<(), Weakness> {
        let (typed, prepared) = (password.expose(), prepared(password));
        let password = prepared.as_str();
        let least = self.min_length.max(if self.all_classes { MIN_WITH_CLASSES } else { 8 });
        if password.chars().count() < least {
            return Err(Weakness::TooShort(least));
        }
        if typed.len() > MAX_BYTES {
            return Err(Weakness::TooLong);
        }
        if self.all_classes && !has_all_classes(password) {
            return Err(Weakness::Classes);
        }
        if is_common(password) {
            return Err(Weakness::Common);
        }
        if is_personal(password, person) { Err(Weakness::Personal) } else { Ok(()) }
    }
}

fn has_all_classes(password: &str) -> bool {
    let has = |is: fn(char) -> bool| password.chars().any(is);
    has(char::is_uppercase) && has(char::is_lowercase) && has(|c| c.is_ascii_digit()) && has(|c| !c.is_alphanumeric())
}

/// Words of the list with digits and marks around them, written in any way; repetitions; runs.
fn is_common(password: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> =
        LazyLock::new(|| COMMON.lines().filter(|line| !line.starts_with('#')).collect());
    let text = folded(password);
    let is_mark = |c: char| !c.is_alphabetic();
    let (trimmed, plain) = (text.trim_matches(is_mark), unleeted(&text));
    let is_word = [text.as_str(), trimmed, plain.as_str(), plain.trim_matches(is_mark)]
        .into_iter()
        .any(|word| WORDS.contains(word));
    is_word || is_repetition(&text) || is_run(&text)
}

/// Up to four characters again and again: `aaaaaaaa`, `abcabcabc`.
fn is_repetition(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    (1..=4).any(|period| characters.iter().zip(characters.iter().skip(period)).all(|(a, b)| a == b))
}

/// A row of the keyboard or the alphabet, forwards or backwards, from any place on and around its end.
fn is_run(text: &str) -> bool {
    let backwards: String = text.chars().rev().collect();
    ROWS.iter().any(|row| {
        let around = row.repeat(text.len() / row.len() + 2);
        around.contains(text) || around.contains(&backwards)
    })
}

fn is_personal(password: &str, person: &Person<'_>) -> bool {
    let text = folded(password);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let bare = text.trim_matches(|c: char| !c.is_alphabetic());
    let words = person.names.into_iter().chain([person.insurer]);
    let mut parts = words.flat_map(|words| words.split(|c: char| !c.is_alphanumeric())).map(folded);
    let names_somebody = parts.any(|part| match part.len() {
        0 => false,
        1..MIN_PART => bare == part,
        _ => text.contains(&part),
    });
    let number = person.kvnr.trim_start_matches(char::is_alphabetic);
    names_somebody || digits.contains(number) || birth_dates(person.birth_date).iter().any(|date| digits.contains(date))
}

/// The ways to write a day with digits alone.
fn birth_dates(date: &str) -> Vec<String> {
    let mut parts = date.split('-');
    let (Some(year), Some(month), Some(day)) = (parts.next(), parts.next(), parts.next()) else { return Vec::new() };
    let short = year.get(2..).unwrap_or(year);
    let (m, d) = (month.trim_start_matches('0'), day.trim_start_matches('0'));
    vec![
        format!("{day}{month}{year}"),
        format!("{d}{m}{year}"),
        format!("{month}{day}{year}"),
        format!("{year}{month}{day}"),
        format!("{day}{month}{short}"),
        format!("{short}{month}{day}"),
    ]
}

/// Small letters, umlauts as their two letters, no blanks.
fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.chars().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()) {
        match character {
            'ä' => folded.push_str("ae"),
            'ö' => folded.push_str("oe"),
            'ü' => folded.push_str("ue"),
            'ß' => folded.push_str("ss"),
            other => folded.push(other),
        }
    }
    folded
}

/// Digits and marks that stand for letters, as the letters.
fn unleeted(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '0' => 'o',
            '1' | '!' => 'i',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERIKA: Person<'_> = Person {
        kvnr: "A123456780",
        names: ["Erika Jo", "Müstermann-Groß"],
        birth_date: "1964-08-02",
        insurer: "Musterkasse BKK",
    };

    fn check(rules: PasswordRules, password: &str) -> Result<(), Weakness> {
        rules.check(&SecretText::new(password.to_owned()), &ERIKA)
    }

    #[test]
    fn length_counts_characters_and_long_ones_are_welcome() {
        let rules = PasswordRules::default();
        for good in [
            "blaügrün",
            "tulpe-karton-87",
            "Ein Satz mit Leerzeichen, Umlauten äöü und 🐘🐘.",
            &"xy7-".repeat(17),
            &"Zebra qua".repeat(100),
        ] {
            let expected = if good.starts_with("xy7-") { Err(Weakness::Common) } else { Ok(()) };
            assert_eq!(check(rules, good), expected, "{good}");
        }
        assert_eq!(check(rules, "kürzer7"), Err(Weakness::TooShort(8)), "seven characters, eight bytes");
        assert_eq!(check(rules, &"Ähm".repeat(400)), Err(Weakness::TooLong));
        assert_eq!(check(PasswordRules { min_length: 3, ..rules }, "kurz"), Err(Weakness::TooShort(8)));
        assert_eq!(check(PasswordRules { min_length: 12, ..rules }, "elf zeichen"), Err(Weakness::TooShort(12)));
        assert_eq!(Weakness::TooShort(12).detail(), "too_short 12");
    }

    #[test]
    fn what_everybody_tries_first_is_refused_however_it_is_written() {
        for common in [
            "passwort",
            "Passwort123!",
            "P4ssw0rt",
            "P@$$w0rd",
            "  password  ",
            "Sommer2024!",
            "hallo1234",
            "12345678",
            "87654321",
            "qwertz123",
            "QWERTZUI",
            "asdfghjkl",
            "aaaaaaaa",
            "abcabcabc",
            "abcdefgh",
            "zyxwvutsr",
            "67890123",
            "!!!!!!!!",
            "Schalke04",
            "ichliebedich",
            "11111111",
        ] {
            assert_eq!(check(PasswordRules::default(), common), Err(Weakness::Common), "{common}");
        }
    }

    #[test]
    fn what_is_known_about_the_person_is_refused() {
        for personal in [
            "meine-A123456780",
            "x123456780x",
            "erika4711#",
            "der-mustermann",
            "MUESTERMANN!",
            "gross-artig 7",
            "02.08.1964 geboren",
            "geb. 2.8.1964",
            "kind19640802",
            "anno 640802",
            "sieh 08-02-1964",
            "jo------9999",
            "musterkasse-7",
        ] {
            let expected = if personal == "der-mustermann" { Ok(()) } else { Err(Weakness::Personal) };
            assert_eq!(check(PasswordRules::default(), personal), expected, "{personal}");
        }
        assert_eq!(check(PasswordRules::default(), "jodeln-im-tal"), Ok(()), "two letters are in many words");
    }

    #[test]
    fn the_classes_are_an_option() {
        let rules = PasswordRules { all_classes: true, ..PasswordRules::default() };
        assert_eq!(check(rules, "Tulpe-8-x"), Err(Weakness::TooShort(10)));
        assert_eq!(check(rules, "Tulpe-8-Ähre"), Ok(()));
        for lacking in ["tulpe-8-ähre", "TULPE-8-ÄHRE", "Tulpe-acht-x", "Tulpe8Karton"] {
            assert_eq!(check(rules, lacking), Err(Weakness::Classes), "{lacking}");
            assert_eq!(check(PasswordRules::default(), lacking), Ok(()));
        }
    }

    #[test]
    fn the_list_is_written_as_it_is_compared() {
        let words: Vec<_> = COMMON.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(words.len() > 300, "{}", words.len());
        for word in &words {
            assert_eq!(&folded(word), word, "small letters without blanks");
        }
        assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len(), "each once");
    }
}
