//! Codes that people type or photograph: the text of a letter's symbol, its groups, and the revocation code. What is read
//! is written again, and a code for one service is none for another.

use kartenbund::protocol::qr::{CodeError, GROUPS, LetterCode, TypedGroups};
use kartenbund::protocol::revocation::RevocationCode;
use kartenbund::secret::SecretText;
use rand_core::UnwrapErr;

use super::input::Input;
use super::session::Dice;

/// The service whose codes are read.
pub(crate) const SERVICE: &str = "https://konto.example";
/// Lines that are typed at most.
const MAX_LINES: usize = 64;

/// The first byte says how the rest comes: as the text of a symbol, or line by line.
pub fn body(bytes: &[u8]) {
    let mut input = Input(bytes);
    let way = input.byte();
    let Ok(text) = std::str::from_utf8(input.0) else { return };
    match way % 3 {
        0 => symbol(text),
        1 => groups(text),
        _ => revocation(text),
    }
}

fn typed(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

fn symbol(text: &str) {
    let Ok(code) = LetterCode::read(&typed(text), SERVICE) else { return };
    is_whole(&code);
    assert!(LetterCode::read(&typed(text), "https://other.example").is_err(), "a code names its service");
}

/// Text, groups and key of what was read are those of one code.
fn is_whole(code: &LetterCode) {
    let again = LetterCode::read(&code.text(), SERVICE).expect("what was written is read");
    assert_eq!(again.text().expose(), code.text().expose());
    let mut typed_again = TypedGroups::new();
    for line in code.groups().expose().split_whitespace() {
        typed_again.take(&typed(line)).expect("a group of its own");
    }
    let again = typed_again.finish(SERVICE).expect("all groups");
    assert_eq!(again.text().expose(), code.text().expose());
    assert!(code.key().is_some(), "every code has a key");
}

fn groups(text: &str) {
    let mut groups = TypedGroups::new();
    for line in text.lines().take(MAX_LINES) {
        let before = groups.next().unwrap_or(GROUPS + 1);
        let taken = groups.take(&typed(line));
        let after = groups.next().unwrap_or(GROUPS + 1);
        assert!(before <= after && after <= GROUPS + 1, "what was taken stays, and no more is taken than there is");
        if let Err(CodeError::Group { number }) = taken {
            assert_eq!(number, after, "the one that is told is the next");
        }
    }
    if groups.next().is_none() {
        // The check over all of them may still refuse.
        if let Ok(code) = groups.finish(SERVICE) {
            is_whole(&code);
        }
    } else {
        assert!(groups.finish(SERVICE).is_err(), "a part is no code");
    }
}

fn revocation(text: &str) {
    let Ok(code) = RevocationCode::read(&typed(text)) else { return };
    let again = RevocationCode::read(&code.groups()).expect("what was written is read");
    assert!(again.sha256() == code.sha256());
}

/// A code of this service and one of another, as text and groups; and a revocation code.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![b"\0KB1:".to_vec()];
    for service in [SERVICE, "https://other.example:8443"] {
        let code = LetterCode::random(service, &mut UnwrapErr(Dice(0))).expect("a service");
        seeds.push([b"\0", code.text().expose().as_bytes()].concat());
        seeds.push([b"\x01", code.groups().expose().as_bytes()].concat());
        seeds.push([b"\x01", code.groups().expose().replace(' ', "\n").to_lowercase().as_bytes()].concat());
    }
    let code = RevocationCode::random(&mut UnwrapErr(Dice(1)));
    seeds.push([b"\x02", code.groups().expose().as_bytes()].concat());
    seeds
}
