//! What a letter says, before it is laid out: recipient, contents, date, and the names of characters and countries.

use time::{Date, Month};

use crate::identity::vsd::Address;
use crate::protocol::api::NoticeLanguage;
use crate::protocol::qr::LetterCode;
use crate::secret::{SecretText, masked};

/// What stands in a letter: one of these, never two. That is what keeps a password and the code of a registration, which
/// together bind a device, in different envelopes.
pub(super) enum Contents {
    /// The initial password of an account.
    InitialPassword {
        /// It opens the account once.
        password: SecretText,
        /// The last day on which it does.
        valid_until: Date,
    },
    /// The code with which a device is registered.
    DeviceCode {
        /// It binds a device once.
        code: LetterCode,
        /// The last day on which it does.
        valid_until: Date,
    },
    /// Something the person has to know.
    Notice {
        /// The subject, without personal data: it is the document's title, too.
        title: String,
        /// Paragraphs, with blank lines between them.
        text: String,
    },
}

/// Who gets the letter, and where.
pub(super) struct Recipient {
    pub(super) given_name: String,
    pub(super) family_name: String,
    pub(super) address: Address,
}

masked!(Contents, Recipient);

impl Recipient {
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }

    /// The address as the post wants it: town in the last line, or the country where it is another one.
    pub(super) fn address_lines(&self) -> Vec<String> {
        let Address { street, house_number, postal_code, city, country, supplement } = &self.address;
        let joined = |first: &Option<String>, second: Option<&String>| {
            let parts: Vec<&str> = first.iter().chain(second).map(String::as_str).collect();
            parts.join(" ")
        };
        let country = (country != "D").then(|| country_name(country).to_uppercase());
        let mut lines = vec![self.name()];
        lines.extend(supplement.clone());
        lines.push(joined(street, house_number.as_ref()));
        lines.push(joined(postal_code, Some(city)));
        lines.extend(country);
        lines.retain(|line| !line.is_empty());
        lines
    }
}

/// `25. November 2026`, `25 November 2026`
pub(super) fn date_in(language: NoticeLanguage, date: Date) -> String {
    if language == NoticeLanguage::En {
        return format!("{} {} {}", date.day(), date.month(), date.year());
    }
    let month = match date.month() {
        Month::January => "Januar",
        Month::February => "Februar",
        Month::March => "März",
        Month::April => "April",
        Month::May => "Mai",
        Month::June => "Juni",
        Month::July => "Juli",
        Month::August => "August",
        Month::September => "September",
        Month::October => "Oktober",
        Month::November => "November",
        Month::December => "Dezember",
    };
    format!("{}. {month} {}", date.day(), date.year())
}

/// How a character of a password is called, in lines: a comma is no point, and a capital letter no small one.
pub(super) fn character_name(language: NoticeLanguage, character: char) -> &'static str {
    let (german, english) = match character {
        'A'..='Z' => ("groß", "capital"),
        'a'..='z' => ("klein", "small"),
        '0'..='9' => ("Ziffer", "digit"),
        ',' => ("Komma", "comma"),
        '.' => ("Punkt", "full\nstop"),
        ':' => ("Doppel-\npunkt", "colon"),
        '=' => ("Gleich", "equals"),
        '(' => ("Klammer\nauf", "opening\nbracket"),
        ')' => ("Klammer\nzu", "closing\nbracket"),
        '+' => ("Plus", "plus"),
        '-' => ("Minus", "minus"),
        '_' => ("Unter-\nstrich", "under-\nscore"),
        '[' => ("eckige\nKlammer\nauf", "opening\nsquare\nbracket"),
        ']' => ("eckige\nKlammer\nzu", "closing\nsquare\nbracket"),
        '#' => ("Raute", "hash"),
        '!' => ("Ausrufe-\nzeichen", "exclama-\ntion mark"),
        '?' => ("Frage-\nzeichen", "question\nmark"),
        '%' => ("Prozent", "per cent"),
        '&' => ("Und", "ampersand"),
        _ => ("", ""),
    };
    if language == NoticeLanguage::En { english } else { german }
}

/// The German name of a country by its code on number plates (cards and register name countries so), whatever language
/// the letter is in: it is for the post in Germany. A code that is not in this list stays as it is.
fn country_name(code: &str) -> &str {
    match code {
        "A" => "Österreich",
        "AL" => "Albanien",
        "AUS" => "Australien",
        "B" => "Belgien",
        "BG" => "Bulgarien",
        "BIH" => "Bosnien und Herzegowina",
        "CDN" => "Kanada",
        "CH" => "Schweiz",
        "CY" => "Zypern",
        "CZ" => "Tschechien",
        "DK" => "Dänemark",
        "E" => "Spanien",
        "EST" => "Estland",
        "F" => "Frankreich",
        "FIN" => "Finnland",
        "FL" => "Liechtenstein",
        "GB" | "UK" => "Vereinigtes Königreich",
        "GR" => "Griechenland",
        "H" => "Ungarn",
        "HR" => "Kroatien",
        "I" => "Italien",
        "IL" => "Israel",
        "IRL" => "Irland",
        "IS" => "Island",
        "J" => "Japan",
        "L" => "Luxemburg",
        "LT" => "Litauen",
        "LV" => "Lettland",
        "M" => "Malta",
        "MC" => "Monaco",
        "MK" | "NMK" => "Nordmazedonien",
        "MNE" => "Montenegro",
        "N" => "Norwegen",
        "NL" => "Niederlande",
        "P" => "Portugal",
        "PL" => "Polen",
        "RKS" | "KS" => "Kosovo",
        "RO" => "Rumänien",
        "RSM" => "San Marino",
        "RUS" => "Russland",
        "S" => "Schweden",
        "SK" => "Slowakei",
        "SLO" => "Slowenien",
        "SRB" => "Serbien",
        "TN" => "Tunesien",
        "TR" => "Türkei",
        "UA" => "Ukraine",
        "USA" => "Vereinigte Staaten von Amerika",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(country: &str, supplement: Option<&str>) -> Recipient {
        let text = |text: &str| Some(text.to_owned());
        Recipient {
            given_name: "Erika".to_owned(),
            family_name: "Müstermann".to_owned(),
            address: Address {
                street: text("Musterstraße"),
                house_number: text("12a"),
                postal_code: text("12345"),
                city: "Musterstadt".to_owned(),
                country: country.to_owned(),
                supplement: supplement.map(str::to_owned),
            },
        }
    }

    #[test]
    fn the_country_is_named_where_it_is_another_one() {
        let german = ["Erika Müstermann", "Musterstraße 12a", "12345 Musterstadt"];
        assert_eq!(at("D", None).address_lines(), german);
        assert_eq!(at("A", None).address_lines().last().unwrap(), "ÖSTERREICH");
        assert_eq!(at("ZZZ", None).address_lines().last().unwrap(), "ZZZ");
        assert_eq!(at("D", Some("Hinterhaus")).address_lines()[1], "Hinterhaus");
        let mut without_street = at("D", None);
        (without_street.address.street, without_street.address.house_number) = (None, None);
        assert_eq!(without_street.address_lines(), ["Erika Müstermann", "12345 Musterstadt"]);
    }

    #[test]
    fn what_a_letter_says_does_not_print() {
        let password = SecretText::new("geheim".to_owned());
        let contents = Contents::InitialPassword { password, valid_until: Date::MIN };
        assert_eq!(format!("{contents:?} {:?}", at("D", None)), "Contents(***) Recipient(***)");
    }
}
