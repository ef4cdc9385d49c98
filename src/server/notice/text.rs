//! What notices say. Nothing in them is secret, personal, a link, or written by anybody who could be a stranger: not
//! even the name of a device.

use time::{Month, OffsetDateTime, UtcOffset, Weekday};

use super::Kind;
use crate::protocol::NumericDate;
use crate::protocol::api::NoticeLanguage;
use crate::server::settings::Insurer;

/// A notice in words, for e-mail and letter.
pub(super) struct Words {
    /// What happened, in a few words.
    pub(super) title: &'static str,
    /// What happened, when, and what to do about it; paragraphs are separated by an empty line.
    pub(super) text: String,
}

/// What the person reads, in her language.
pub(super) fn words(kind: Kind, language: NoticeLanguage, at: NumericDate, insurer: &Insurer) -> Words {
    let (title, what, if_not_you) = match language {
        NoticeLanguage::De => german(kind),
        NoticeLanguage::En => english(kind),
    };
    let (open, when, call) = match (language, insurer.hotline.as_str()) {
        (NoticeLanguage::De, "") => {
            (OPEN_DE, "Zeitpunkt", "rufen Sie uns an. Die Nummer steht auf Ihrer Gesundheitskarte.".to_owned())
        }
        (NoticeLanguage::De, hotline) => (OPEN_DE, "Zeitpunkt", format!("rufen Sie uns an: {hotline}.")),
        (NoticeLanguage::En, "") => (OPEN_EN, "Time", "call us. The number is on your health card.".to_owned()),
        (NoticeLanguage::En, hotline) => (OPEN_EN, "Time", format!("call us: {hotline}.")),
    };
    let moment = moment(at, language);
    Words { title, text: format!("{what}\n\n{when}: {moment}\n\n{if_not_you} {open} {call}") }
}

const OPEN_DE: &str = "Öffnen Sie das Programm Kartenbund, oder";
const OPEN_EN: &str = "Open the program Kartenbund, or";

/// Subject and body of the e-mail.
pub(super) fn email(words: &Words, language: NoticeLanguage, insurer: &Insurer) -> (String, String) {
    let (Words { title, text }, name) = (words, &insurer.name);
    let body = match language {
        NoticeLanguage::De => format!(
            "Guten Tag,\n\n{text}\n\nMit freundlichen Grüßen\n{name}\n\n-- \nDiese Nachricht wurde automatisch erstellt. \
             Sie enthält keine Links. Nach Passwort oder PIN fragen wir nie per E-Mail.\n"
        ),
        NoticeLanguage::En => format!(
            "Good day,\n\n{text}\n\nKind regards\n{name}\n\n-- \nThis message was made automatically. It contains no \
             links. We never ask for a password or PIN by e-mail.\n"
        ),
    };
    (format!("{name}: {title}"), body)
}

/// Title, what happened, and the beginning of what to do about it.
fn german(kind: Kind) -> (&'static str, &'static str, &'static str) {
    const NOT_YOU: &str = "Waren Sie das nicht?";
    match kind {
        Kind::DeviceAdded => (
            "Neues Gerät in Ihrem Konto",
            "Ihrem Konto wurde ein Gerät hinzugefügt, mit Ihrer Gesundheitskarte und Ihrer Karten-PIN. Mit diesem Gerät \
             können Anträge freigegeben werden.",
            NOT_YOU,
        ),
        Kind::DeviceAddedWithoutPin => (
            "Neues Gerät in Ihrem Konto",
            "Ihrem Konto wurde ein Gerät hinzugefügt, ohne Ihre Karten-PIN. Mit diesem Gerät können einige Anträge \
             freigegeben werden.",
            NOT_YOU,
        ),
        Kind::DeviceRevoked => {
            ("Gerät entfernt", "Ein Gerät wurde aus Ihrem Konto entfernt. Es kann nichts mehr freigeben.", NOT_YOU)
        }
        Kind::ApprovalWaiting => (
            "Ein Antrag wartet auf Ihre Freigabe",
            "In Ihrem Konto wurde ein Antrag gestellt, der nur mit Ihrer Freigabe ausgeführt wird. Sie können ihn auf \
             Ihrem Gerät ansehen, freigeben oder ablehnen.",
            "Haben Sie den Antrag nicht gestellt? Dann lehnen Sie ihn ab.",
        ),
        Kind::PasswordResetWaiting => (
            "Ein neues Passwort wartet auf Ihre Freigabe",
            "Für Ihr Konto wurde ein neues Passwort verlangt. Es kann erst gewählt werden, wenn Sie es auf Ihrem Gerät \
             freigeben. Niemand von uns bittet Sie darum.",
            "Haben Sie das nicht verlangt? Dann lehnen Sie es ab.",
        ),
        Kind::AccountOpenedByCard => (
            "Konto mit der Gesundheitskarte eröffnet",
            "Ihr Konto wurde mit Ihrer Gesundheitskarte und der Karten-PIN eröffnet.",
            NOT_YOU,
        ),
        Kind::MatchCodeDenied => (
            "Antrag abgelehnt",
            "Ein Antrag in Ihrem Konto wurde abgelehnt, weil der Vergleichscode zu oft falsch war.",
            NOT_YOU,
        ),
        Kind::AddressChanged => (
            "Anschrift geändert",
            "Ihre Anschrift wurde geändert, nach einer Freigabe auf einem Ihrer Geräte.",
            NOT_YOU,
        ),
        Kind::BankChangeQueued => (
            "Neue Bankverbindung freigegeben",
            "Eine neue Bankverbindung wurde auf einem Ihrer Geräte freigegeben. Sie gilt frühestens 24 Stunden nach der \
             Freigabe; bis dahin kann der Antrag zurückgezogen werden.",
            NOT_YOU,
        ),
        Kind::BankChanged => (
            "Bankverbindung geändert",
            "Ihre Bankverbindung wurde geändert, nach einer Freigabe auf einem Ihrer Geräte.",
            NOT_YOU,
        ),
        Kind::ContactChanged => (
            "E-Mail-Adresse geändert",
            "Die E-Mail-Adresse, an die Nachrichten zu Ihrem Konto gehen, wurde geändert, nach einer Freigabe auf einem \
             Ihrer Geräte. Von jetzt an gehen sie nur noch an die neue Adresse.",
            NOT_YOU,
        ),
        Kind::LoginFromNewClient => (
            "Anmeldung mit einem neuen Programm",
            "In Ihrem Konto hat sich jemand auf einem Computer oder mit einem Programm angemeldet, das bisher nicht \
             benutzt wurde.",
            NOT_YOU,
        ),
        Kind::SessionReused => (
            "Anmeldung beendet",
            "Eine Anmeldung in Ihrem Konto wurde beendet, weil ihre Zugangsdaten an zwei Stellen benutzt wurden. Vielleicht \
             hat jemand sie von Ihrem Computer kopiert. Melden Sie sich neu an, und lassen Sie den Computer auf \
             Schadprogramme prüfen.",
            "Haben Sie den Computer selbst aus einer Sicherung wiederhergestellt? Dann ist alles in Ordnung. Sonst:",
        ),
        Kind::PasswordChanged => (
            "Neues Passwort",
            "Für Ihr Konto wurde ein neues Passwort gewählt. Alle anderen Anmeldungen wurden beendet.",
            NOT_YOU,
        ),
        Kind::PasswordVoided => (
            "Passwort gilt nicht mehr",
            "Das Passwort Ihres Kontos wurde als gestohlen gemeldet und gilt nicht mehr. Alle Anmeldungen wurden beendet.",
            NOT_YOU,
        ),
        Kind::LetterOrdered => (
            "Brief mit Initialpasswort bestellt",
            "Für Ihr Konto wurde ein Brief mit einem Initialpasswort bestellt. Er geht mit der Post an die Anschrift, \
             die wir von Ihnen haben. Ihr bisheriges Passwort gilt weiter.",
            NOT_YOU,
        ),
        Kind::AccountSuspended => (
            "Konto gesperrt",
            "Ihr Konto wurde gesperrt. Niemand kann sich anmelden, bis es wieder geöffnet wird.",
            "Wissen Sie nicht, warum?",
        ),
        Kind::AccountResumed => ("Konto wieder geöffnet", "Ihr Konto wurde wieder geöffnet.", NOT_YOU),
        Kind::AccountClosed => (
            "Konto geschlossen",
            "Ihr Konto wurde geschlossen, weil die Versicherung geendet hat. Was darin steht, können Sie noch lesen.",
            "Ist das falsch?",
        ),
    }
}

fn english(kind: Kind) -> (&'static str, &'static str, &'static str) {
    const NOT_YOU: &str = "Was that not you?";
    match kind {
        Kind::DeviceAdded => (
            "New device in your account",
            "A device was added to your account, with your health card and your card PIN. Applications can be approved \
             with this device.",
            NOT_YOU,
        ),
        Kind::DeviceAddedWithoutPin => (
            "New device in your account",
            "A device was added to your account, without your card PIN. Some applications can be approved with this \
             device.",
            NOT_YOU,
        ),
        Kind::DeviceRevoked => {
            ("Device removed", "A device was removed from your account. It cannot approve anything any more.", NOT_YOU)
        }
        Kind::ApprovalWaiting => (
            "An application waits for your approval",
            "An application was submitted in your account that is executed only if you approve it. You can look at it, \
             approve it or deny it on your device.",
            "Did you not submit the application? Then deny it.",
        ),
        Kind::PasswordResetWaiting => (
            "A new password waits for your approval",
            "Somebody asked for a new password for your account. It can only be chosen once you approve it on your device. \
             None of us will ever ask you to do so.",
            "Did you not ask for it? Then deny it.",
        ),
        Kind::AccountOpenedByCard => (
            "Account opened with the health card",
            "Your account was opened with your health card and the card PIN.",
            NOT_YOU,
        ),
        Kind::MatchCodeDenied => (
            "Application denied",
            "An application in your account was denied because the match code was wrong too often.",
            NOT_YOU,
        ),
        Kind::AddressChanged => {
            ("Address changed", "Your address was changed, after an approval on one of your devices.", NOT_YOU)
        }
        Kind::BankChangeQueued => (
            "New bank account approved",
            "A new bank account was approved on one of your devices. It is used 24 hours after the approval at the \
             earliest; until then the application can be cancelled.",
            NOT_YOU,
        ),
        Kind::BankChanged => (
            "Bank account changed",
            "Your bank account was changed, after an approval on one of your devices.",
            NOT_YOU,
        ),
        Kind::ContactChanged => (
            "E-mail address changed",
            "The e-mail address that notices about your account go to was changed, after an approval on one of your \
             devices. From now on they go to the new address only.",
            NOT_YOU,
        ),
        Kind::LoginFromNewClient => (
            "Login with a new program",
            "Somebody has logged in to your account on a computer or with a program that was not used before.",
            NOT_YOU,
        ),
        Kind::SessionReused => (
            "Login ended",
            "A login to your account was ended because its credentials were used in two places. Perhaps somebody has copied \
             them from your computer. Log in again, and have the computer checked for malicious programs.",
            "Have you restored the computer from a backup yourself? Then all is well. Otherwise:",
        ),
        Kind::PasswordChanged => {
            ("New password", "A new password was chosen for your account. All other sessions were ended.", NOT_YOU)
        }
        Kind::PasswordVoided => (
            "Password void",
            "The password of your account was reported stolen and does not hold any more. All sessions were ended.",
            NOT_YOU,
        ),
        Kind::LetterOrdered => (
            "Letter with an initial password ordered",
            "A letter with an initial password was ordered for your account. It goes by post to the address we have of \
             you. Your present password still holds.",
            NOT_YOU,
        ),
        Kind::AccountSuspended => (
            "Account suspended",
            "Your account was suspended. Nobody can log in until it is opened again.",
            "You do not know why?",
        ),
        Kind::AccountResumed => ("Account open again", "Your account was opened again.", NOT_YOU),
        Kind::AccountClosed => (
            "Account closed",
            "Your account was closed because the insurance has ended. You can still read what is in it.",
            "Is that wrong?",
        ),
    }
}

/// Day and time as clocks in Germany show it.
fn moment(at: NumericDate, language: NoticeLanguage) -> String {
    let Ok(utc) = OffsetDateTime::from_unix_timestamp(at) else { return String::new() };
    let local = utc.to_offset(german_offset(utc));
    let (day, month, year) = (local.day(), local.month(), local.year());
    let (hour, minute) = (local.hour(), local.minute());
    match language {
        NoticeLanguage::De => format!("{day:02}.{:02}.{year}, {hour:02}:{minute:02} Uhr", u8::from(month)),
        NoticeLanguage::En => format!("{day} {month} {year}, {hour:02}:{minute:02} (time in Germany)"),
    }
}

/// One hour before UTC, two from the last Sunday in March to the last Sunday in October, both at 01:00 UTC (directive
/// 2000/84/EC).
fn german_offset(utc: OffsetDateTime) -> UtcOffset {
    let (start, end) = (changes(utc, Month::March), changes(utc, Month::October));
    let is_summer = start.zip(end).is_some_and(|(start, end)| start <= utc && utc < end);
    UtcOffset::from_hms(if is_summer { 2 } else { 1 }, 0, 0).unwrap_or(UtcOffset::UTC)
}

/// When the clocks change in this month of this year.
fn changes(utc: OffsetDateTime, month: Month) -> Option<OffsetDateTime> {
    let mut day = time::Date::from_calendar_date(utc.year(), month, 31).ok()?;
    while day.weekday() != Weekday::Sunday {
        day = day.previous_day()?;
    }
    Some(day.with_hms(1, 0, 0).ok()?.assume_utc())
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
        for kind in Kind::ALL {
            for language in [NoticeLanguage::De, NoticeLanguage::En] {
                let words = words(*kind, language, 1_795_447_800, &insurer);
                let (subject, body) = email(&words, language, &insurer);
                assert!(subject.starts_with("Musterkasse: ") && subject.chars().count() < 70, "{subject}");
                assert!(
                    body.contains("call us: 0800 123456.") || body.contains("rufen Sie uns an: 0800 123456."),
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
