//! The code itself: a QR symbol, and the same printed in groups of which each has its check. Its secret is the seed of a
//! key on P-256; the service keeps the public half alone.

use std::fmt;
use std::str::FromStr;

use hkdf::Hkdf;
use p256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::protocol::NotAnId;
use crate::secret::{SecretBytes, SecretText, masked};

/// What the text of a symbol begins with.
const PREFIX: &str = "KB1";
/// Crockford's base 32: nothing that is mistaken for another character, and no vowel but A and E.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of the identifier (40 bits), of the secret (128 bits and two that are 0), and of the check over all.
const ID: usize = 8;
const SECRET: usize = 26;
const CHECK: usize = 2;
const CHARACTERS: usize = ID + SECRET + CHECK;
/// Characters of a group before its own check character, and all groups.
pub(in crate::protocol) const IN_GROUP: usize = 4;
/// How many groups a code has.
pub const GROUPS: usize = CHARACTERS / IN_GROUP;
/// Longest name of a host (RFC 1035, 2.3.4), with a port.
const MAX_HOST: usize = 253 + 6;
/// Domains of the derivation and of the check.
const KEY: &[u8] = b"kartenbund/qr/v1";
const WHOLE: &[u8] = b"kartenbund/qr-check/v1";

/// Why something that was read or typed is no code for this service.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CodeError {
    /// It is no such code at all, or damaged.
    #[error("not the code of a letter")]
    NotACode,
    /// A group is not as it was printed.
    #[error("group {number} is wrong")]
    Group {
        /// Which one, from 1 on.
        number: usize,
    },
    /// The code is for another service. Its host, where the code says it: typed groups do not.
    #[error("the code is for another service")]
    OtherService(Option<String>),
}

/// Names a code within an account: 40 bits, no secret.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QrId([u8; 5]);

impl FromStr for QrId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let values = values(text).filter(|values| values.len() == ID).ok_or(NotAnId)?;
        let mut id = [0; 5];
        unpack(&values, &mut id).map(|()| Self(id)).ok_or(NotAnId)
    }
}

impl TryFrom<String> for QrId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        text.parse()
    }
}

impl From<QrId> for String {
    fn from(id: QrId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for QrId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        pack(&self.0, ID).iter().try_for_each(|value| fmt::Write::write_char(f, character(*value)))
    }
}

impl fmt::Debug for QrId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QrId({self})")
    }
}

/// The code of one letter, or one that is shown on a screen.
pub struct LetterCode {
    host: String,
    id: QrId,
    secret: SecretBytes<16>,
}

masked!(LetterCode, TypedGroups);

impl LetterCode {
    /// A new code for the service of this name; `None` where the name is no address.
    pub fn random(service: &str, rng: &mut dyn rand_core::CryptoRng) -> Option<Self> {
        let mut id = [0; 5];
        rng.fill_bytes(&mut id);
        Some(Self { host: host(service)?, id: QrId(id), secret: SecretBytes::random(rng) })
    }

    /// Reads what stands in a symbol.
    ///
    /// # Errors
    /// [`CodeError::NotACode`], or [`CodeError::OtherService`] where it is not for `service`.
    pub fn read(text: &SecretText, service: &str) -> Result<Self, CodeError> {
        let text = text.expose().trim();
        // From the right: the host may have a colon before its port.
        let mut parts = text.rsplitn(4, ':');
        let [check, secret, id, front] = [(); 4].map(|()| parts.next().unwrap_or_default());
        let host_of_code = match front.split_once(':') {
            Some((prefix, host)) if prefix.eq_ignore_ascii_case(PREFIX) && is_host(host) => host.to_ascii_uppercase(),
            _ => return Err(CodeError::NotACode),
        };
        let read = |text: &str, length: usize| values(text).filter(|values| values.len() == length);
        let (Some(id), Some(secret), Some(check)) = (read(id, ID), read(secret, SECRET), read(check, CHECK)) else {
            return Err(CodeError::NotACode);
        };
        let code = Self::of_values(host_of_code, &id, &secret, &check).ok_or(CodeError::NotACode)?;
        if host(service).as_deref() == Some(&code.host) {
            Ok(code)
        } else {
            Err(CodeError::OtherService(Some(code.host.to_ascii_lowercase())))
        }
    }

    /// `None` where the check over all is wrong.
    fn of_values(host: String, id: &[u8], secret: &[u8], check: &[u8]) -> Option<Self> {
        let mut id_bytes = [0; 5];
        unpack(id, &mut id_bytes)?;
        let secret = SecretBytes::filled(|bytes| unpack(secret, bytes).ok_or(())).ok()?;
        let code = Self { host, id: QrId(id_bytes), secret };
        (code.check() == check).then_some(code)
    }

    /// How the code is named in messages.
    pub fn id(&self) -> QrId {
        self.id
    }

    /// The text of the symbol: capital letters, digits and a few marks, which take the least room in it.
    pub fn text(&self) -> SecretText {
        let all = self.values();
        let characters = |range: std::ops::Range<usize>| all.iter().skip(range.start).take(range.len());
        let mut text = String::with_capacity(PREFIX.len() + self.host.len() + CHARACTERS + 4);
        text.push_str(PREFIX);
        text.push(':');
        text.push_str(&self.host);
        for range in [0..ID, ID..ID + SECRET, ID + SECRET..CHARACTERS] {
            text.push(':');
            text.extend(characters(range).map(|value| character(*value)));
        }
        SecretText::new(text)
    }

    /// The same for people: groups of five with a blank between them, the last character of each its check.
    pub fn groups(&self) -> SecretText {
        let mut text = String::with_capacity(GROUPS * (IN_GROUP + 2));
        for (number, group) in (1..).zip(self.values().chunks(IN_GROUP)) {
            if number > 1 {
                text.push(' ');
            }
            text.extend(group.iter().map(|value| character(*value)));
            text.push(character(check_of_group(number, group)));
        }
        SecretText::new(text)
    }

    /// The key whose seed the secret is: HKDF-SHA-256 without salt; the first 32 bytes of its output, or else the next
    /// ones, that are a number between 0 and the order of the curve. `None` in one of 2^64 codes.
    pub fn key(&self) -> Option<SigningKey> {
        let mut output = Zeroizing::new([0; 64]);
        Hkdf::<Sha256>::new(None, self.secret.expose()).expand(KEY, &mut *output).ok()?;
        output.chunks(32).find_map(|candidate| SigningKey::from_slice(candidate).ok())
    }

    /// All characters without those of groups.
    fn values(&self) -> Zeroizing<Vec<u8>> {
        let mut values = Zeroizing::new(Vec::with_capacity(CHARACTERS));
        values.extend(pack(&self.id.0, ID).iter());
        values.extend(pack(self.secret.expose(), SECRET).iter());
        values.extend(self.check());
        values
    }

    /// The first ten bits of SHA-256 over the host and what comes before: typed groups name no host, and a code of another
    /// insurer is noticed all the same.
    fn check(&self) -> [u8; CHECK] {
        let mut hash = Sha256::new();
        hash.update(WHOLE);
        hash.update([0]);
        hash.update(&self.host);
        hash.update([0]);
        hash.update(self.id.0);
        hash.update(self.secret.expose());
        let [first, second, ..]: [u8; 32] = hash.finalize().into();
        [first >> 3, (first & 0b111) << 2 | second >> 6]
    }
}

/// Groups as they are typed, one after the other or many at once.
#[derive(Default)]
pub struct TypedGroups(Zeroizing<Vec<u8>>);

impl TypedGroups {
    /// None yet.
    pub fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(CHARACTERS)))
    }

    /// Which group comes next, from 1 on; `None` when all are there.
    pub fn next(&self) -> Option<usize> {
        Some(self.0.len() / IN_GROUP + 1).filter(|number| *number <= GROUPS)
    }

    /// Takes groups up to the first one that is wrong.
    ///
    /// # Errors
    /// [`CodeError::Group`] names it; those before are kept. [`CodeError::NotACode`] when there are too many.
    pub fn take(&mut self, typed: &SecretText) -> Result<(), CodeError> {
        let characters = typed.expose().chars().filter(|character| !character.is_whitespace() && *character != '-');
        let characters = Zeroizing::new(characters.collect::<Vec<_>>());
        for group in characters.chunks(IN_GROUP + 1) {
            let number = self.next().ok_or(CodeError::NotACode)?;
            let read = group.iter().map(|character| value(*character)).collect::<Option<Vec<_>>>().map(Zeroizing::new);
            match read.as_deref().map(Vec::as_slice) {
                Some([values @ .., check]) if values.len() == IN_GROUP && check_of_group(number, values) == *check => {
                    self.0.extend(values);
                }
                _ => return Err(CodeError::Group { number }),
            }
        }
        Ok(())
    }

    /// The code, when all groups are there.
    ///
    /// # Errors
    /// [`CodeError::Group`] for the first one that is missing, and [`CodeError::OtherService`].
    pub fn finish(self, service: &str) -> Result<LetterCode, CodeError> {
        if let Some(number) = self.next() {
            return Err(CodeError::Group { number });
        }
        let (id, rest) = self.0.split_at_checked(ID).ok_or(CodeError::NotACode)?;
        let (secret, check) = rest.split_at_checked(SECRET).ok_or(CodeError::NotACode)?;
        let host = host(service).ok_or(CodeError::NotACode)?;
        LetterCode::of_values(host, id, secret, check).ok_or(CodeError::OtherService(None))
    }
}

/// The host in the name of a service, with its port where it has one, in capital letters.
fn host(service: &str) -> Option<String> {
    let rest = service.strip_prefix("https://").or_else(|| service.strip_prefix("http://"))?;
    let host = rest.split('/').next().filter(|host| is_host(host))?;
    Some(host.to_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    (1..=MAX_HOST).contains(&text.len()) && text.bytes().all(fits)
}

/// The character of a value below 32.
pub(in crate::protocol) fn character(value: u8) -> char {
    ALPHABET.get(usize::from(value)).map_or('?', |byte| char::from(*byte))
}

/// The value of a character, however it is written: small letters, O for 0, and I or L for 1, as Crockford has it.
pub(in crate::protocol) fn value(character: char) -> Option<u8> {
    let character = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().zip(0..).find(|(byte, _)| char::from(**byte) == character).map(|(_, value)| value)
}

fn values(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    text.chars().map(value).collect::<Option<Vec<_>>>().map(Zeroizing::new)
}

/// Bytes as values of five bits, the first bits first, and 0 behind the last.
pub(in crate::protocol) fn pack(bytes: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let bit = |index: usize| bytes.get(index / 8).is_some_and(|byte| byte >> (7 - index % 8) & 1 == 1);
    let value = |at: usize| (0..5).fold(0, |value, bit_of| value << 1 | u8::from(bit(at * 5 + bit_of)));
    Zeroizing::new((0..length).map(value).collect())
}

/// The bytes again; `None` where values are missing or what stands behind the last byte is not 0.
pub(in crate::protocol) fn unpack(values: &[u8], bytes: &mut [u8]) -> Option<()> {
    let bit = |index: usize| values.get(index / 5).map(|value| value >> (4 - index % 5) & 1);
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = (0..8).try_fold(0, |byte, bit_of| Some(byte << 1 | bit(at * 8 + bit_of)?))?;
    }
    (bytes.len() * 8..values.len() * 5).all(|index| bit(index) == Some(0)).then_some(())
}

/// The check character of a group: the number of the group, and its values with weights α, α², α³, α⁴ in GF(32). The
/// weights, and the 1 of the check character itself, are different and none is 0: whichever character is wrong and
/// whichever two are exchanged, the sum is another; and so it is where two groups are.
pub(in crate::protocol) fn check_of_group(number: usize, values: &[u8]) -> u8 {
    let number = u8::try_from(number).unwrap_or_default();
    let (sum, _) =
        values.iter().fold((number, 2), |(sum, weight), value| (sum ^ times(weight, *value), times(weight, 2)));
    sum
}

/// Product in GF(32), whose elements are polynomials over GF(2) modulo x⁵ + x² + 1.
fn times(a: u8, b: u8) -> u8 {
    let (_, product) = (0..5).fold((a, 0), |(a, product), bit| {
        let product = if b >> bit & 1 == 1 { product ^ a } else { product };
        let shifted = a << 1;
        (if shifted & 0b10_0000 == 0 { shifted } else { shifted ^ 0b10_0101 }, product)
    });
    product
}

#[cfg(test)]
mod tests {
    use rand_core::UnwrapErr;

    use super::*;

    const SERVICE: &str = "https://konto.musterkasse.example";
    /// Host, identifier 0102030405, secret 000102…0F: computed with Python by `docs/protocol.md`, and the key with the
    /// package `cryptography`.
    const TEXT: &str = "KB1:KONTO.MUSTERKASSE.EXAMPLE:04106105:000G40R40M30E209185GR38E1W:41";
    const PRINTED: &str = "0410S 6105G 000GE 40R4R 0M307 E209P 185G0 R38E0 1W411";
    const X: &str = "f7a222ee625a1674383a2275d3f03661bb2622836c1e24b94fb2c08d1ad4af20";
    const Y: &str = "463cf04988a5ff756f3752b27b97a248d4cb0f8afb804182ee75388fd498165d";

    fn text(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    fn typed(groups: &str, service: &str) -> Result<LetterCode, CodeError> {
        let mut typed = TypedGroups::new();
        typed.take(&text(groups))?;
        typed.finish(service)
    }

    fn read(code: &str) -> Result<LetterCode, CodeError> {
        LetterCode::read(&text(code), SERVICE)
    }

    fn is(code: &LetterCode) -> bool {
        code.text().expose() == TEXT && code.groups().expose() == PRINTED
    }

    #[test]
    fn a_code_is_what_another_program_computes() {
        assert!(is(&read(TEXT).unwrap()) && is(&typed(PRINTED, SERVICE).unwrap()));
        let key = read(TEXT).unwrap().key().unwrap();
        let point = key.verifying_key().to_sec1_bytes();
        assert_eq!(hex::encode(&point[1..]), [X, Y].concat());
    }

    #[test]
    fn a_new_code_reads_as_itself_in_both_forms_and_none_is_like_another() {
        let rng = &mut UnwrapErr(getrandom::SysRng);
        let mut seen = std::collections::BTreeSet::new();
        for service in ["https://a.example", "http://127.0.0.1:8470", "http://[::1]:8470/"] {
            for _ in 0..50 {
                let code = LetterCode::random(service, rng).unwrap();
                let again = LetterCode::read(&code.text(), service).unwrap();
                let groups = typed(code.groups().expose(), service).unwrap();
                for read in [&again, &groups] {
                    assert_eq!(read.text().expose(), code.text().expose());
                    assert_eq!(read.key().unwrap().to_bytes(), code.key().unwrap().to_bytes());
                }
                assert!(seen.insert(code.text().expose().to_owned()));
            }
        }
        assert!(LetterCode::random("konto.example", rng).is_none() && LetterCode::random("https://a_b", rng).is_none());
    }

    #[test]
    fn every_wrong_character_and_every_exchange_of_two_is_noticed_at_its_group() {
        let groups: Vec<Vec<char>> = PRINTED.split(' ').map(|group| group.chars().collect()).collect();
        let told = |at: usize, group: &[char]| {
            let mut all = groups.clone();
            all[at] = group.to_vec();
            let all: Vec<String> = all.iter().map(|group| group.iter().collect()).collect();
            typed(&all.join(" "), SERVICE).err()
        };
        let mut wrong = 0;
        for (at, group) in groups.iter().enumerate() {
            let expected = Some(CodeError::Group { number: at + 1 });
            for position in 0..5 {
                for other in ALPHABET.iter().map(|byte| char::from(*byte)) {
                    let mut changed = group.clone();
                    changed[position] = other;
                    if changed != *group {
                        assert_eq!(told(at, &changed), expected, "{changed:?}");
                        wrong += 1;
                    }
                }
                for second in 0..position {
                    let mut changed = group.clone();
                    changed.swap(position, second);
                    if changed != *group {
                        assert_eq!(told(at, &changed), expected, "{changed:?}");
                        wrong += 1;
                    }
                }
            }
            for second in 0..at {
                let mut all = groups.clone();
                all.swap(at, second);
                let all: Vec<String> = all.iter().map(|group| group.iter().collect()).collect();
                let error = typed(&all.join(""), SERVICE).err();
                assert_eq!(error, Some(CodeError::Group { number: second + 1 }), "whole groups exchanged");
            }
        }
        assert!(wrong > 9 * 5 * 31, "{wrong}");
    }

    #[test]
    fn groups_are_taken_however_they_are_written() {
        let written = PRINTED.to_lowercase().replace('0', "o").replace('1', "l");
        assert!(is(&typed(&written, SERVICE).unwrap()));
        assert!(is(&typed(&PRINTED.replace('1', "I").replace(' ', "-"), SERVICE).unwrap()));
        let mut one_by_one = TypedGroups::new();
        for (number, group) in (1..).zip(PRINTED.split(' ')) {
            assert_eq!(one_by_one.next(), Some(number));
            one_by_one.take(&text(group)).unwrap();
        }
        assert_eq!(one_by_one.next(), None);
        assert_eq!(one_by_one.take(&text("0410S")), Err(CodeError::NotACode), "one too many");
        assert!(is(&one_by_one.finish(SERVICE).unwrap()));
        assert_eq!(typed("0410S 6105G", SERVICE).err(), Some(CodeError::Group { number: 3 }), "the rest is missing");
        for broken in ["0410", "0410S 6105", "0410U", "041ÖS", "04 10S 6"] {
            assert!(matches!(typed(broken, SERVICE), Err(CodeError::Group { .. })), "{broken}");
        }
    }

    #[test]
    fn a_code_of_another_service_is_told_in_both_forms() {
        let other = "https://konto.andere.example";
        let host = Some("konto.musterkasse.example".to_owned());
        assert_eq!(LetterCode::read(&text(TEXT), other).err(), Some(CodeError::OtherService(host)));
        assert_eq!(typed(PRINTED, other).err(), Some(CodeError::OtherService(None)));
        assert_eq!(typed(PRINTED, "https://konto.musterkasse.example:8443").err(), Some(CodeError::OtherService(None)));
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let mut changed = 0;
        for (at, _) in TEXT.char_indices() {
            for other in ["0", "Z", ":", "", "é", " "] {
                let mut code = TEXT.to_owned();
                code.replace_range(at..=at, other);
                if code != TEXT {
                    // Ten bits of check: what is read as a code all the same has the host or secret of the text.
                    assert!(read(&code).is_err() || read(&code).is_ok_and(|read| read.text().expose() == code));
                    changed += usize::from(read(&code).is_err());
                }
            }
        }
        assert!(changed > 300, "{changed}");
        for text in ["", "KB1", "KB1::::", "KB2:A:04106105:000G40R40M30E209185GR38E1W:41", "https://kasse.example/q"] {
            assert_eq!(read(text).err(), Some(CodeError::NotACode), "{text}");
        }
        // Two bits behind the secret are 0.
        assert_eq!(read(&TEXT.replace("8E1W", "8E1X")).err(), Some(CodeError::NotACode));
        let long = format!("KB1:{}:04106105:000G40R40M30E209185GR38E1W:41", "A".repeat(260));
        assert_eq!(read(&long).err(), Some(CodeError::NotACode));
    }

    #[test]
    fn a_code_does_not_print() {
        let code = read(TEXT).unwrap();
        let mut groups = TypedGroups::new();
        groups.take(&text(PRINTED)).unwrap();
        assert_eq!(format!("{code:?} {groups:?}"), "LetterCode(***) TypedGroups(***)");
        assert_eq!(format!("{:?}", code.id()), "QrId(04106105)");
    }

    #[test]
    fn an_identifier_travels_as_it_is_printed() {
        let id: QrId = "04106105".parse().unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"04106105\"");
        assert_eq!(serde_json::from_str::<QrId>("\"04106105\"").unwrap(), id);
        for bad in ["", "0410610", "041061050", "0410610U"] {
            assert!(bad.parse::<QrId>().is_err(), "{bad}");
        }
    }
}
