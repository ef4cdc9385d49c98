//! What no log of the service may hold: it goes to people who are to know no member, and opens nothing.

use super::*;

/// What members of these tests log in with after their first change, and what somebody guesses who is not them.
pub const OTHER_PASSWORD: &str = "amsel-fenster-34";
pub const WRONG_PASSWORD: &str = "nelke-teppich-21";
/// Who sends mails is no secret.
const SENDER: &str = "post@musterkasse.example";
/// Length of an access and of a refresh token: 61 bytes in base64url.
const TOKEN: usize = 82;

/// The first line that tells of a person or opens something.
pub fn leak(log: &str) -> Option<&str> {
    log.lines().find(|line| {
        let is_part = |sign: char| sign.is_ascii_alphanumeric() || ['_', '-'].contains(&sign);
        line.split(|sign| !is_part(sign)).any(is_secret)
            || line.replace(SENDER, "").contains('@')
            || [PASSWORD_HASH, "Müstermann", "Lindenallee", "Wohnzimmer"].iter().any(|text| line.contains(text))
    })
}

/// A password, an insurance number, a token, a signed message, a name.
fn is_secret(word: &str) -> bool {
    let is_number = word.len() == 10
        && word.starts_with(|first: char| first.is_ascii_uppercase())
        && word[1..].bytes().all(|sign| sign.is_ascii_digit());
    is_number
        || word.len() == TOKEN
        || word.starts_with("eyJ")
        || [PASSWORD, OTHER_PASSWORD, WRONG_PASSWORD, "Erika"].contains(&word)
}
