//! What the service says no to, and what it means for a person.

use super::{Failure, Kind, NONE};
use crate::client::service::ServiceError;

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::from(&error)
    }
}

impl From<&ServiceError> for Failure {
    fn from(error: &ServiceError) -> Self {
        let kind = match error {
            ServiceError::Refused { code, detail, retry_after, trace_id } => {
                let kind = refused(code);
                let detail = detail.as_deref().filter(|detail| !detail.is_empty()).unwrap_or(NONE);
                let failure = told(kind, code, detail).waiting(*retry_after);
                let technical = format!("{code} {detail} (trace {trace_id})");
                return Self { technical: Some(technical), ..failure };
            }
            ServiceError::Address => Kind::ServiceAddress,
            ServiceError::Unreachable(_) => Kind::ServiceUnreachable,
            ServiceError::Malformed | ServiceError::Contradiction(_) => Kind::ServiceAnswer,
            ServiceError::KeyChanged => return key_changed("unknown", error),
            ServiceError::NotTheNamedKey => return key_changed("named", error),
            ServiceError::NotOfNow(_) => return key_changed("old", error),
            ServiceError::TooOld(version) => {
                return Kind::ProgramTooOld.failure().text("version", version.to_string()).because(error);
            }
            ServiceError::Home(error) => return error.into(),
        };
        kind.failure().because(error)
    }
}

impl Failure {
    /// Adds how long to wait, in the unit people would say it in, rounded up.
    fn waiting(self, seconds: Option<u64>) -> Self {
        let Some(seconds) = seconds.and_then(|seconds| i64::try_from(seconds).ok()) else {
            return self.text("unit", NONE);
        };
        let (unit, length) = match seconds {
            ..=90 => ("seconds", 1),
            91..=5400 => ("minutes", 60),
            _ => ("hours", 3600),
        };
        self.text("unit", unit).number("count", seconds.saturating_add(length - 1) / length)
    }
}

/// A key that is not believed, and why: it is `unknown` here, another one was `named`, or what it says is `old`.
fn key_changed(why: &'static str, error: &ServiceError) -> Failure {
    Kind::ServiceKeyChanged.failure().text("why", why).because(error)
}

/// A refusal with the values that its sentence names.
fn told(kind: Kind, code: &str, detail: &str) -> Failure {
    let failure = kind.failure().text("code", code);
    match kind {
        // The rule, and how many characters it wants.
        Kind::PasswordRefused => match detail.split_once(' ') {
            Some((rule, count)) => failure.text("detail", rule).number("characters", count.parse().unwrap_or_default()),
            None => failure.text("detail", detail),
        },
        // How many tries are left: the sentences are chosen by the number, which a text never is.
        Kind::MatchCodeWrong => match detail.parse() {
            Ok(tries) => failure.number("detail", tries),
            Err(_) => failure.text("detail", NONE),
        },
        // Characters that fit together and are not this code's.
        Kind::LetterCodeWrong => failure.number("group", 0),
        Kind::ServiceUnreachable => failure.text("why", "busy"),
        Kind::NotYet => match detail.split('-').collect::<Vec<_>>().as_slice() {
            [year, month, day] => {
                failure.text("year", *year).text("month", *month).text("day", *day).text("detail", "day")
            }
            _ => failure.text("detail", NONE),
        },
        _ => failure.text("detail", detail),
    }
}

/// What a refusal of the service means for a person.
fn refused(code: &str) -> Kind {
    match code {
        "login_failed" => Kind::LoginFailed,
        "login_delayed" | "too_many_logins" => Kind::LoginDelayed,
        "not_yet" => Kind::NotYet,
        "too_young" => Kind::TooYoung,
        "account_suspended" => Kind::AccountSuspended,
        "account_closed" => Kind::AccountClosed,
        "password_refused" => Kind::PasswordRefused,
        "old_password_wrong" => Kind::OldPasswordWrong,
        "initial_password_ended" => Kind::InitialPasswordEnded,
        "token_invalid" => Kind::NoSession,
        "session_ended" => Kind::SessionEnded,
        "password_first" => Kind::PasswordFirst,
        "kvnr_invalid" => Kind::InputInvalid,
        "no_device" => Kind::NoDevice,
        "device_locked_by_owner" => Kind::DeviceLockedByOwner,
        "device_expired" => Kind::DeviceExpired,
        "card_revoked" => Kind::CardRevoked,
        "card_unknown" => Kind::CardUnknown,
        "card_status_unavailable" => Kind::CardStatusUnavailable,
        "card_number_unknown" => Kind::CardNumberUnknown,
        "chip_invalid" | "other_card" => Kind::ChipNotAccepted,
        "attestation_invalid" => Kind::AttestationRefused,
        "device_too_young" => Kind::DeviceTooYoung,
        "nonce_given" | "strings_not_compared" => Kind::AddedElsewhere,
        "addition_not_approved" | "addition_invalid" => Kind::DeviceNotApproved,
        "stronger_login_needed" => Kind::StrongerLoginNeeded,
        "device_name_invalid" => Kind::InputInvalid,
        "device_waiting" => Kind::DeviceWaiting,
        "device_statement_invalid" | "device_pin_not_confirmed" => Kind::DeviceLoginRefused,
        "qr_code_ended" => Kind::LetterCodeEnded,
        "qr_statement_invalid" => Kind::LetterCodeWrong,
        "share_erased" => Kind::DeviceGone,
        "device_locked" => Kind::DeviceLocked,
        "not_found" => Kind::NotFound,
        "account_unknown" => Kind::AccountUnknown,
        "reset_not_approved" | "reset_ended" => Kind::ResetNotApproved,
        "other_person" => Kind::OtherPerson,
        "other_insurer" => Kind::OtherInsurer,
        "certificate_expired" => Kind::CertificateExpired,
        "certificate_key" => Kind::CardKeyUnsupported,
        code if code.starts_with("certificate_") => Kind::CertificateRefused,
        "already_decided" | "approval_expired" | "not_cancellable" => Kind::NotPending,
        "match_code_wrong" => Kind::MatchCodeWrong,
        "match_code_denied" => Kind::MatchCodeDenied,
        "application_invalid" => Kind::ApplicationInvalid,
        "notice_not_optional" => Kind::NoticeNotOptional,
        "too_many_devices"
        | "too_many_pending"
        | "too_many_registrations"
        | "too_many_applications"
        | "too_many_letters"
        | "too_many_card_logins"
        | "too_many_device_logins" => Kind::TooMany,
        "not_ready" => Kind::ServiceUnreachable,
        _ => Kind::ServiceRefused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::text::{Language, Texts};

    fn refusal(code: &str, detail: Option<&str>, retry_after: Option<u64>) -> Failure {
        let (code, detail) = (code.to_owned(), detail.map(str::to_owned));
        ServiceError::Refused { code, detail, retry_after, trace_id: "t".to_owned() }.into()
    }

    #[test]
    fn a_wrong_match_code_is_told_with_the_tries_that_are_left() {
        let (german, english) = (Texts::new(Language::De), Texts::new(Language::En));
        for (tries, de, en) in [
            (Some("2"), "noch 2 Versuche übrig.", "2 tries are left."),
            (Some("1"), "noch ein Versuch übrig.", "one try is left."),
            (None, "Der Vergleichscode ist falsch.", "The match code is wrong."),
        ] {
            let failure = refusal("match_code_wrong", tries, None);
            assert!(german.cause(&failure).ends_with(de), "{}", german.cause(&failure));
            assert!(english.cause(&failure).ends_with(en), "{}", english.cause(&failure));
        }
    }

    #[test]
    fn a_key_that_is_not_believed_is_told_with_what_to_do_about_it() {
        let errors = || [ServiceError::KeyChanged, ServiceError::NotTheNamedKey, ServiceError::NotOfNow(-601)];
        for (language, words) in [
            (Language::De, ["Das Programm vergleicht ihn", "Tippfehler", "Datum und Uhrzeit"]),
            (Language::En, ["The program compares it", "typing errors", "date and time"]),
        ] {
            let texts = Texts::new(language);
            for (error, word) in errors().into_iter().zip(words) {
                let failure = Failure::from(error);
                assert_eq!(failure.kind.code(), "service_key_changed");
                assert!(texts.remedy(&failure).contains(word), "{}", texts.remedy(&failure));
            }
            let causes: std::collections::BTreeSet<_> = errors().map(|error| texts.cause(&error.into())).into();
            assert_eq!(causes.len(), 3);
        }
    }

    #[test]
    fn a_wait_is_told_in_the_unit_people_say_it_in() {
        let (german, english) = (Texts::new(Language::De), Texts::new(Language::En));
        for (seconds, de, en) in [
            (Some(1), "in einer Sekunde", "in one second"),
            (Some(64), "in 64 Sekunden", "in 64 seconds"),
            (Some(128), "in 3 Minuten", "in 3 minutes"),
            (Some(900), "in 15 Minuten", "in 15 minutes"),
            (Some(80_000), "in 23 Stunden", "in 23 hours"),
            (None, "später", "later"),
        ] {
            for code in ["login_delayed", "too_many_logins"] {
                let failure = refusal(code, None, seconds);
                assert!(german.remedy(&failure).contains(de), "{}", german.remedy(&failure));
                assert!(english.remedy(&failure).contains(en), "{}", english.remedy(&failure));
            }
        }
        let (one, other) = (refusal("login_delayed", None, None), refusal("too_many_logins", None, None));
        assert_ne!(german.cause(&one), german.cause(&other));
    }

    #[test]
    fn a_refused_password_is_told_with_the_rule_it_breaks() {
        for language in [Language::De, Language::En] {
            let texts = Texts::new(language);
            let cause = |detail| texts.cause(&refusal("password_refused", Some(detail), None));
            assert!(cause("too_short 12").contains("12"), "{}", cause("too_short 12"));
            let rules = ["too_short 8", "too_long", "common", "personal", "classes", "initial", "a_new_one"];
            let causes: std::collections::BTreeSet<_> = rules.into_iter().map(cause).collect();
            assert_eq!(causes.len(), rules.len(), "{causes:?}");
        }
    }

    #[test]
    fn the_first_day_and_the_hotline_are_told() {
        let german = Texts::new(Language::De);
        let cause = |code, detail| german.cause(&refusal(code, detail, None));
        let remedy = |code, detail| german.remedy(&refusal(code, detail, None));
        assert!(cause("not_yet", Some("2026-12-01")).contains("01.12.2026"));
        for code in ["too_young", "account_suspended"] {
            assert!(remedy(code, Some("0800 123456")).contains("0800 123456"), "{}", remedy(code, Some("0800 123456")));
            for nothing in [None, Some("")] {
                assert!(!remedy(code, nothing).contains("none") && remedy(code, nothing).ends_with('.'));
            }
        }
    }
}
