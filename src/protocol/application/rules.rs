//! The rules that every text of an application follows: what is shown must be what is meant.

/// Longest text in an application, in characters.
const MAX_TEXT: usize = 100;
/// Longest e-mail address, in characters (RFC 5321, 4.5.3.1.3: a path of 256 with its brackets).
const MAX_EMAIL: usize = 254;

/// IBAN without blanks: country, check digits, account (ISO 13616); modulo 97 is 1 (ISO 7064). A German one has 22
/// characters.
pub(super) fn is_iban(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = (15..=34).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        && bytes.iter().take(2).all(u8::is_ascii_uppercase)
        && bytes.iter().skip(2).take(2).all(u8::is_ascii_digit)
        && (!text.starts_with("DE") || bytes.len() == 22);
    // The four leading characters go to the end; letters count as 10 to 35.
    let moved = bytes.iter().cycle().skip(4).take(bytes.len());
    let remainder = moved.fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.wrapping_sub(b'A')) + 10) % 97,
    });
    shape && remainder == 1
}

/// Whether this is an e-mail address a person can compare letter by letter: a dot-atom at a domain (RFC 5321, 4.1.2;
/// RFC 1035, 2.3.4). Quoted names, addresses of hosts and international domains, also in their ASCII form, are refused:
/// what is shown must be what is meant.
pub fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let is_atom = |atom: &str| {
        !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
            && !label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"))
    };
    text.len() <= MAX_EMAIL
        && name.len() <= 64
        && name.split('.').all(is_atom)
        && domain.split('.').all(is_label)
        && domain.rsplit_once('.').is_some_and(|(_, top)| top.bytes().any(|b| b.is_ascii_alphabetic()))
}

/// Whether a text shows what it is: something, not too long, without blanks around it, and without characters that
/// are not seen or that turn the direction of writing.
pub fn is_plain_text(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && text.chars().count() <= MAX_TEXT && !text.chars().any(is_deceptive)
}

/// Control characters and all characters of Unicode's category Cf that a person may meet: zero-width, bidirectional
/// (Unicode Standard Annex 9), soft hyphen, tags; and line and paragraph separators.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ibans_are_checked() {
        for good in ["DE89370400440532013000", "GB82WEST12345698765432", "NO9386011117947"] {
            assert!(is_iban(good), "{good}");
        }
        for bad in
            ["DE89370400440532013001", "DE8937040044053201300", "de89370400440532013000", "DE89 3704", "", "ÄÖ12"]
        {
            assert!(!is_iban(bad), "{bad}");
        }
    }

    #[test]
    fn email_addresses_are_checked() {
        for good in ["erika@person.example", "e.m+kasse@mail.person.example", "o'neil_{x}@a-b.example", "1@2.de"] {
            assert!(is_email(good), "{good}");
        }
        let (long_name, long_label) = (format!("{}@a.de", "x".repeat(65)), format!("a@{}.de", "x".repeat(64)));
        let long = format!("{}@{}.de", "x".repeat(64), [&*"y".repeat(63); 3].join("."));
        assert!(is_email(long_name.get(1..).unwrap()) && is_email(&long_label.replacen("xx", "x", 1)));
        for bad in [
            "",
            "erika",
            "@person.example",
            "erika@",
            "erika@localhost",
            "erika@@person.example",
            "erika@person.example@other.example",
            "erika@.example",
            "erika@person..example",
            "erika@person.example.",
            "erika@-person.example",
            "erika@person-.example",
            "erika@127.0.0.1",
            "erika@[127.0.0.1]",
            ".erika@person.example",
            "e..rika@person.example",
            "erika.@person.example",
            "\"erika\"@person.example",
            "erika m@person.example",
            " erika@person.example",
            "erika@person.example\r\nBcc: max@person.example",
            "erika@person.example\0",
            "erika@m\u{fc}ller.example",
            "m\u{fc}ller@person.example",
            "erika@xn--mller-kva.example",
            "erika@XN--mller-kva.example",
            "eri\u{202E}ka@person.example",
            "erika@per\u{200B}son.example",
            &long_name,
            &long_label,
            &long,
        ] {
            assert!(!is_email(bad), "{bad:?}");
        }
    }

    #[test]
    fn texts_that_deceive_are_refused() {
        for good in ["Rosenau", "Straße des 17. Juni", "Đoria", "12 b"] {
            assert!(is_plain_text(good), "{good}");
        }
        for bad in ["", " x", "x ", "a\nb", "a\u{202E}b", "a\u{200B}b", "a\u{7}", "a\u{2066}b", &"x".repeat(101)] {
            assert!(!is_plain_text(bad), "{bad:?}");
        }
    }
}
