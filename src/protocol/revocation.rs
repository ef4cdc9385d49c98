//! The revocation code: printed, kept with the papers, and enough to lock everything without any login.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::Sha256Hash;
use super::qr::CodeError;
use super::qr::groups::{IN_GROUP, character, check_of_group, pack, unpack, value};
use crate::secret::SecretText;

const DOMAIN: &[u8] = b"kartenbund/revocation/v1";
/// 80 random bits.
const BYTES: usize = 10;
const CHARACTERS: usize = BYTES * 8 / 5;

/// 80 random bits that lock all devices of an account and end all its sessions. Written as four groups of four
/// characters (Crockford's base 32) with a check character each.
#[allow(missing_debug_implementations, reason = "it is a secret")]
pub struct RevocationCode(Zeroizing<[u8; BYTES]>);

impl RevocationCode {
    /// A new one.
    pub fn random(rng: &mut dyn rand_core::CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; BYTES]);
        rng.fill_bytes(&mut *bytes);
        Self(bytes)
    }

    /// Reads all groups, however they are written: small letters, blanks and hyphens are fine.
    ///
    /// # Errors
    /// [`CodeError::Group`] names the first group that is wrong or missing; [`CodeError::NotACode`]: there are too many.
    pub fn read(typed: &SecretText) -> Result<Self, CodeError> {
        let characters = typed.expose().chars().filter(|character| !character.is_whitespace() && *character != '-');
        let characters = Zeroizing::new(characters.collect::<Vec<_>>());
        let mut values = Zeroizing::new(Vec::with_capacity(CHARACTERS));
        for (number, group) in (1..).zip(characters.chunks(IN_GROUP + 1)) {
            let read = group.iter().map(|character| value(*character)).collect::<Option<Vec<_>>>().map(Zeroizing::new);
            match read.as_deref().map(Vec::as_slice) {
                _ if values.len() == CHARACTERS => return Err(CodeError::NotACode),
                Some([group @ .., check]) if group.len() == IN_GROUP && check_of_group(number, group) == *check => {
                    values.extend_from_slice(group);
                }
                _ => return Err(CodeError::Group { number }),
            }
        }
        let missing = CodeError::Group { number: values.len() / IN_GROUP + 1 };
        let mut bytes = Zeroizing::new([0; BYTES]);
        unpack(&values, &mut *bytes).filter(|()| values.len() == CHARACTERS).ok_or(missing)?;
        Ok(Self(bytes))
    }

    /// As it is printed.
    pub fn groups(&self) -> SecretText {
        let values = pack(&*self.0, CHARACTERS);
        let mut text = String::with_capacity(CHARACTERS / IN_GROUP * (IN_GROUP + 2));
        for (number, group) in (1..).zip(values.chunks(IN_GROUP)) {
            if number > 1 {
                text.push(' ');
            }
            text.extend(group.iter().map(|value| character(*value)));
            text.push(character(check_of_group(number, group)));
        }
        SecretText::new(text)
    }

    /// What the service keeps: SHA-256 of `kartenbund/revocation/v1`, 00, and the ten bytes. 80 random bits need no slow
    /// hash.
    pub fn sha256(&self) -> Sha256Hash {
        let hash = Sha256::new().chain_update(DOMAIN).chain_update([0]).chain_update(*self.0);
        Sha256Hash::from(<[u8; 32]>::from(hash.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RevocationCode, CodeError> {
        RevocationCode::read(&SecretText::new(text.to_owned()))
    }

    #[test]
    fn what_is_printed_is_read_and_every_wrong_character_is_found() {
        let code = RevocationCode(Zeroizing::new([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
        let printed = code.groups().expose().to_owned();
        // `python3 -c 'import base64; print(base64.b32hexencode(bytes(range(10))))'`, in Crockford's alphabet.
        let plain: String = printed.split(' ').map(|group| &group[..4]).collect();
        assert_eq!(plain, "000G40R40M30E209");
        assert_eq!(read(&printed.to_lowercase().replace(' ', "-")).ok().map(|read| *read.0), Some(*code.0));
        for (at, _) in printed.char_indices().filter(|(_, character)| *character != ' ') {
            let mut wrong = printed.clone();
            wrong.replace_range(at..=at, if &printed[at..=at] == "7" { "8" } else { "7" });
            assert_eq!(read(&wrong).err(), Some(CodeError::Group { number: at / 6 + 1 }), "{wrong}");
        }
        assert_eq!(read(&printed[..17]).err(), Some(CodeError::Group { number: 4 }));
        assert_eq!(read(&(printed.clone() + " 00004")).err(), Some(CodeError::NotACode));
        assert_eq!(read("").err(), Some(CodeError::Group { number: 1 }));
    }
}
