//! Texts that show something else than they say, and numbers that only look right: what a person approves must be what
//! she reads.

use super::*;
use kartenbund::identity::vsd::Address;
use kartenbund::protocol::application::{BankAccount, OldNew, is_plain_text};

fn address() -> Address {
    Address {
        street: Some("Lindenallee".to_owned()),
        house_number: Some("7".to_owned()),
        postal_code: Some("04109".to_owned()),
        city: "Leipzig".to_owned(),
        country: "D".to_owned(),
        supplement: Some("Hinterhaus".to_owned()),
    }
}

fn verdict(address: Address) -> Result<(), ApplicationError> {
    Change::Address(OldNew { old: None, new: address }).check()
}

fn bank_verdict(old: Option<(&str, &str)>, new: (&str, &str)) -> Result<(), ApplicationError> {
    let account =
        |(iban, holder): (&str, &str)| BankAccount { iban: iban.to_owned(), account_holder: holder.to_owned() };
    Change::Bank(OldNew { old: old.map(account), new: account(new) }).check()
}

#[test]
fn no_part_of_an_address_old_or_new_may_deceive() {
    assert_eq!(verdict(address()), Ok(()));
    type Forge = fn(&mut Address, String);
    let parts: [(&str, Forge); 6] = [
        ("street", |a, text| a.street = Some(text)),
        ("house_number", |a, text| a.house_number = Some(text)),
        ("postal_code", |a, text| a.postal_code = Some(text)),
        ("supplement", |a, text| a.supplement = Some(text)),
        ("city", |a, text| a.city = text),
        ("country", |a, text| a.country = text),
    ];
    for (part, forge) in parts {
        let mut forged = address();
        forge(&mut forged, "D\u{202E}".to_owned());
        let before = Change::Address(OldNew { old: Some(forged.clone()), new: address() });
        assert_eq!(before.check(), Err(ApplicationError::Text(part)), "what was before is shown, too");
        assert_eq!(verdict(forged), Err(ApplicationError::Text(part)));
    }
}

#[test]
fn a_country_is_one_to_three_capital_letters() {
    let country = |country: &str| verdict(Address { country: country.to_owned(), ..address() });
    for bad in ["DEUT", "d", "D1", "Ö"] {
        assert_eq!(country(bad), Err(ApplicationError::Text("country")), "{bad}");
    }
    assert_eq!(country("AUT"), Ok(()));
}

#[test]
fn a_german_postal_code_has_five_digits_and_others_have_what_they_have() {
    let code = |country: &str, code: Option<&str>| {
        let postal_code = code.map(str::to_owned);
        verdict(Address { country: country.to_owned(), postal_code, ..address() })
    };
    for bad in [Some("0410"), Some("041090"), Some("0410a"), None] {
        assert_eq!(code("D", bad), Err(ApplicationError::PostalCode), "{bad:?}");
    }
    assert_eq!(code("AUT", Some("1010")), Ok(()));
    assert_eq!(code("IRL", None), Ok(()));
}

#[test]
fn no_part_of_a_bank_account_old_or_new_may_deceive() {
    let good = ("DE89370400440532013000", "Erika Müstermann");
    assert_eq!(bank_verdict(Some(good), good), Ok(()));
    for (part, bad) in [("iban", ("DE8937\u{200B}", good.1)), ("account_holder", (good.0, "Erika\u{202E}"))] {
        assert_eq!(bank_verdict(Some(bad), good), Err(ApplicationError::Text(part)));
        assert_eq!(bank_verdict(None, bad), Err(ApplicationError::Text(part)));
    }
}

/// A number whose third and fourth character, out of `alphabet`, make the remainder of ISO 7064 what it must be.
fn fitting(country: &str, alphabet: &str, account: &str) -> String {
    let value = |c: char| if c.is_ascii_digit() { c as u32 - '0' as u32 } else { c as u32 - 'A' as u32 + 10 };
    let remainder = |text: String| {
        text.chars()
            .fold(0, |rest, c| if value(c) < 10 { (rest * 10 + value(c)) % 97 } else { (rest * 100 + value(c)) % 97 })
    };
    let pairs = alphabet.chars().flat_map(|first| alphabet.chars().map(move |second| format!("{first}{second}")));
    let check = pairs.into_iter().find(|pair| remainder(format!("{account}{country}{pair}")) == 1).unwrap();
    format!("{country}{check}{account}")
}

#[test]
fn right_check_digits_do_not_make_an_iban() {
    const DIGITS: &str = "0123456789";
    let iban = |iban: &str| bank_verdict(None, (iban, "Erika Müstermann"));
    assert_eq!(fitting("DE", DIGITS, "370400440532013000"), "DE89370400440532013000", "of the bank's own example");
    assert_eq!(iban(&fitting("MT", DIGITS, &"1".repeat(30))), Ok(()));
    for (what, bad) in [
        ("too short", fitting("NO", DIGITS, "8601111794")),
        ("too long", fitting("MT", DIGITS, &"1".repeat(31))),
        ("a German one that is too long", fitting("DE", DIGITS, "3704004405320130001")),
        ("small letters", fitting("GB", DIGITS, "west12345698765432")),
        ("no country", fitting("12", DIGITS, "370400440532013000")),
        ("letters for check digits", fitting("GB", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "WEST12345698765432")),
        ("wrong check digits", "GB83WEST12345698765432".to_owned()),
    ] {
        assert_eq!(iban(&bad), Err(ApplicationError::Iban), "{what}: {bad}");
    }
}

#[test]
fn a_character_that_is_not_seen_or_turns_the_writing_is_refused() {
    for hidden in [
        '\u{0}',
        '\u{7F}',
        '\u{85}',
        '\u{AD}',
        '\u{61C}',
        '\u{180E}',
        '\u{200B}',
        '\u{200F}',
        '\u{2028}',
        '\u{202E}',
        '\u{2060}',
        '\u{206F}',
        '\u{FE00}',
        '\u{FE0F}',
        '\u{FEFF}',
        '\u{FFF9}',
        '\u{FFFB}',
        '\u{E0000}',
        '\u{E0FFF}',
    ] {
        assert!(!is_plain_text(&format!("Leip{hidden}zig")), "{:x}", u32::from(hidden));
    }
}
