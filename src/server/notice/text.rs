//! What a notice says, in words. Nothing in them is secret, personal, a link, or written by anybody who could be a
//! stranger: not even the name of a device.

use time::OffsetDateTime;

use super::Kind;
use crate::protocol::NumericDate;
use crate::protocol::api::NoticeLanguage;
use crate::server::in_germany;
use crate::server::settings::Insurer;
use crate::server::texts::Texts;

/// A notice in words, for e-mail and letter.
pub(super) struct Words {
    /// What happened, in a few words.
    pub(super) title: String,
    /// What happened, when, and what to do about it; paragraphs are separated by an empty line.
    pub(super) text: String,
}

/// What the person reads, in her language.
pub(super) fn words(kind: Kind, language: NoticeLanguage, at: NumericDate, texts: &Texts, insurer: &Insurer) -> Words {
    let moment = moment(at, language);
    let fill =
        |part: &str| texts.fill(language, &format!("notice.{}.{part}", kind.as_str()), insurer, &[("date", &moment)]);
    Words { title: fill("subject"), text: fill("text") }
}

/// Subject and body of the e-mail.
pub(super) fn email(words: &Words, language: NoticeLanguage, texts: &Texts, insurer: &Insurer) -> (String, String) {
    let facts = [("subject", words.title.as_str()), ("text", words.text.as_str())];
    let fill = |name: &str| texts.fill(language, name, insurer, &facts);
    (fill("email.subject"), fill("email.body") + "\n")
}

/// Day and time as clocks in Germany show it.
fn moment(at: NumericDate, language: NoticeLanguage) -> String {
    let Ok(utc) = OffsetDateTime::from_unix_timestamp(at) else { return String::new() };
    let local = in_germany(utc);
    let (day, month, year) = (local.day(), local.month(), local.year());
    let (hour, minute) = (local.hour(), local.minute());
    match language {
        NoticeLanguage::De => format!("{day:02}.{:02}.{year}, {hour:02}:{minute:02} Uhr", u8::from(month)),
        NoticeLanguage::En => format!("{day} {month} {year}, {hour:02}:{minute:02} (time in Germany)"),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn clocks_change_on_the_last_sundays_of_march_and_october() {
        for (utc, german) in [
            (datetime!(2026-03-29 00:59 UTC), "29.03.2026, 01:59 Uhr"),
            (datetime!(2026-03-29 01:00 UTC), "29.03.2026, 03:00 Uhr"),
            (datetime!(2026-10-25 00:59 UTC), "25.10.2026, 02:59 Uhr"),
            (datetime!(2026-10-25 01:00 UTC), "25.10.2026, 02:00 Uhr"),
            (datetime!(2024-03-31 01:00 UTC), "31.03.2024, 03:00 Uhr"),
            (datetime!(2026-12-31 23:30 UTC), "01.01.2027, 00:30 Uhr"),
        ] {
            assert_eq!(moment(utc.unix_timestamp(), NoticeLanguage::De), german);
        }
        let english = moment(datetime!(2026-07-01 12:05 UTC).unix_timestamp(), NoticeLanguage::En);
        assert_eq!(english, "1 July 2026, 14:05 (time in Germany)");
    }

    #[test]
    fn every_kind_names_insurer_and_hotline_and_has_no_link() {
        let insurer = Insurer { name: "Musterkasse".to_owned(), hotline: "0800 123456".to_owned() };
        let texts = Texts::default();
        for kind in Kind::ALL {
            for language in [NoticeLanguage::De, NoticeLanguage::En] {
                let words = words(*kind, language, 1_795_447_800, &texts, &insurer);
                let (subject, body) = email(&words, language, &texts, &insurer);
                assert!(subject.starts_with("Musterkasse: ") && subject.chars().count() < 70, "{subject}");
                assert!(
                    body.contains("all us: 0800 123456.") || body.contains("ufen Sie uns an: 0800 123456."),
                    "{body}"
                );
                let all = (subject + &body).to_lowercase();
                for link in ["http", "www.", ".de", ".example", "://", "<", "@"] {
                    assert!(!all.contains(link), "{link}: {all}");
                }
                assert!(!all.contains('\t') && !all.contains("  "), "{all}");
            }
        }
    }
}
