//! The commands this project sends, one function each (gemSpec_COS V3.13.1, chapter 14; the section numbers are quoted
//! from memory).

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{CommandApdu, NE_SHORT};
use crate::chip::PresenceNonce;
use crate::secret::{Pin, Puk};

/// An application identifier (ISO/IEC 7816-4, 8.2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aid(pub &'static [u8]);

/// A short file identifier, 1 to 30 (ISO/IEC 7816-4, 7.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sfi(pub u8);

/// Reference of a password in the MF (gemSpec_COS, 8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordRef(pub u8);

/// Reference of a private key: its identifier for one of the MF, `80` and the identifier for one of the selected
/// application (gemSpec_COS, 8.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRef(pub u8);

/// Algorithm identifier for MANAGE SECURITY ENVIRONMENT (gemSpec_COS, 16.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlgorithmId(pub u8);

impl AlgorithmId {
    /// `signECDSA`: the card signs the 32 bytes it is given.
    pub const SIGN_ECDSA: Self = Self(0x00);
    /// `signPSS`: RSASSA-PSS over the SHA-256 it is given.
    pub const SIGN_PSS: Self = Self(0x05);
    /// `elcRoleAuthentication`: the card signs 24 bytes and a zero byte, without a hash.
    pub const ELC_ROLE_AUTHENTICATION: Self = Self(0x00);
}

/// The name of a command in gemSpec_COS, chapter 14, from its header without protection; `None` for those that are not
/// known here.
pub fn name([cla, ins, p1, _]: [u8; 4]) -> Option<&'static str> {
    Some(match (cla & !0x10, ins) {
        (0x00, 0xA4) => "SELECT",
        (0x00, 0xB0) => "READ BINARY",
        (0x00, 0xB2) => "READ RECORD",
        (0x80, 0x20) => "GET PIN STATUS",
        (0x00, 0x20) => "VERIFY",
        (0x00, 0x24) => "CHANGE REFERENCE DATA",
        (0x00, 0x2C) => "RESET RETRY COUNTER",
        (0x00, 0x22) => "MANAGE SECURITY ENVIRONMENT",
        (0x00, 0x86) => "GENERAL AUTHENTICATE",
        (0x00, 0x88) => "INTERNAL AUTHENTICATE",
        (0x00, 0x84) => "GET CHALLENGE",
        (0x80, 0x84) => "GET RANDOM",
        (0x80, 0xCA) => "LIST PUBLIC KEY",
        (0x00, 0x2A) if p1 == 0x9E => "PSO COMPUTE DIGITAL SIGNATURE",
        (0x00, 0x2A) if p1 == 0x00 => "PSO VERIFY CERTIFICATE",
        _ => return None,
    })
}

/// SELECT by application identifier, without an answer (gemSpec_COS, 14.2.6.5).
pub fn select_application(aid: Aid) -> CommandApdu {
    CommandApdu::new(0x00, 0xA4, 0x04, 0x0C).with_data(aid.0)
}

/// READ BINARY by short file identifier from its first byte; makes the file the current one (gemSpec_COS, 14.3.2.2).
pub fn read_binary_sfi(sfi: Sfi, ne: u32) -> CommandApdu {
    CommandApdu::new(0x00, 0xB0, 0x80 | sfi.0, 0x00).with_ne(ne)
}

/// READ BINARY from `offset` (0 to 32767) of the current file (gemSpec_COS, 14.3.2.1).
pub fn read_binary(offset: u16, ne: u32) -> CommandApdu {
    let [hi, lo] = (offset & 0x7FFF).to_be_bytes();
    CommandApdu::new(0x00, 0xB0, hi, lo).with_ne(ne)
}

/// GET PIN STATUS: how many tries are left, without spending one (gemSpec_COS, 14.6.4).
pub fn get_pin_status(password: PasswordRef) -> CommandApdu {
    CommandApdu::new(0x80, 0x20, 0x00, password.0)
}

/// VERIFY: presents a PIN. A wrong one costs a try (gemSpec_COS, 14.6.6).
pub fn verify(password: PasswordRef, pin: &Pin) -> CommandApdu {
    CommandApdu::new(0x00, 0x20, 0x00, password.0).with_data(format2_block(pin.expose()).to_vec())
}

/// CHANGE REFERENCE DATA: puts a new PIN in the place of the old one, whose digits cost a try when they are wrong
/// (gemSpec_COS, 14.6.1.1).
pub fn change_reference_data(password: PasswordRef, old: &[u8], new: &Pin) -> CommandApdu {
    let blocks = Zeroizing::new([*format2_block(old), *format2_block(new.expose())].concat());
    CommandApdu::new(0x00, 0x24, 0x00, password.0).with_data(blocks.as_slice())
}

/// CHANGE REFERENCE DATA for a PIN that was never set (gemSpec_COS, 14.6.1.2).
pub fn set_reference_data(password: PasswordRef, new: &Pin) -> CommandApdu {
    CommandApdu::new(0x00, 0x24, 0x01, password.0).with_data(format2_block(new.expose()).to_vec())
}

/// RESET RETRY COUNTER: gives back all tries for the PUK, and a new PIN where one is given. Each use of the PUK counts,
/// also a right one (gemSpec_COS, 14.6.5).
pub fn reset_retry_counter(password: PasswordRef, puk: &Puk, new: Option<&Pin>) -> CommandApdu {
    let puk = format2_block(puk.expose());
    match new {
        None => CommandApdu::new(0x00, 0x2C, 0x01, password.0).with_data(puk.to_vec()),
        Some(new) => {
            let blocks = Zeroizing::new([*puk, *format2_block(new.expose())].concat());
            CommandApdu::new(0x00, 0x2C, 0x00, password.0).with_data(blocks.as_slice())
        }
    }
}

/// MANAGE SECURITY ENVIRONMENT, SET DST: which key signs, and how (gemSpec_COS, 14.9.9.9).
pub fn mse_set_signature_key(key: KeyRef, algorithm: AlgorithmId) -> CommandApdu {
    CommandApdu::new(0x00, 0x22, 0x41, 0xB6).with_data([0x84, 0x01, key.0, 0x80, 0x01, algorithm.0])
}

/// PSO COMPUTE DIGITAL SIGNATURE over the SHA-256 of `message` (gemSpec_COS, 14.8.2.1).
///
/// The card signs any 32 bytes. That is why the hash is made here and nobody can hand one in.
pub fn pso_compute_digital_signature(message: &[u8]) -> CommandApdu {
    CommandApdu::new(0x00, 0x2A, 0x9E, 0x9A).with_data(Sha256::digest(message).as_slice()).with_ne(NE_SHORT)
}

/// MANAGE SECURITY ENVIRONMENT, SET AT: which key the card shows itself with, and how (gemSpec_COS, 14.9.9.4).
pub fn mse_set_authentication_key(key: KeyRef, algorithm: AlgorithmId) -> CommandApdu {
    CommandApdu::new(0x00, 0x22, 0x41, 0xA4).with_data([0x84, 0x01, key.0, 0x80, 0x01, algorithm.0])
}

/// INTERNAL AUTHENTICATE: the card shows that it has the chosen key (gemSpec_COS, 14.7.4).
///
/// The card answers any 24 bytes, which could be the challenge of another card or service. That is why only a
/// [`PresenceNonce`] is sent, which nobody can choose.
pub fn internal_authenticate(nonce: &PresenceNonce) -> CommandApdu {
    CommandApdu::new(0x00, 0x88, 0x00, 0x00).with_data(nonce.as_bytes().as_slice()).with_ne(NE_SHORT)
}

/// MANAGE SECURITY ENVIRONMENT, SET AT: which key and protocol GENERAL AUTHENTICATE is to use (gemSpec_COS, 14.9.9.7).
pub fn mse_set_pace(oid: &[u8], key: KeyRef) -> CommandApdu {
    let length = u8::try_from(oid.len()).unwrap_or(u8::MAX);
    let data = [&[0x80, length], oid, &[0x83, 0x01, key.0]].concat();
    CommandApdu::new(0x00, 0x22, 0xC1, 0xA4).with_data(data)
}

/// GENERAL AUTHENTICATE with the data objects of one step; all steps but the last are chained (gemSpec_COS, 14.7.2.1).
pub fn general_authenticate(objects: &[u8], is_last: bool) -> CommandApdu {
    let length = u8::try_from(objects.len()).unwrap_or(u8::MAX);
    let cla = if is_last { 0x00 } else { 0x10 };
    CommandApdu::new(cla, 0x86, 0x00, 0x00).with_data([&[0x7C, length], objects].concat()).with_ne(NE_SHORT)
}

/// A PIN or PUK as the card wants it: nibbles `2`, length, digits (at most 12), then `F` (ISO 9564-1, format 2).
fn format2_block(digits: &[u8]) -> Zeroizing<[u8; 8]> {
    let mut block = Zeroizing::new([0xFF; 8]);
    #[expect(clippy::cast_possible_truncation, reason = "a PIN or PUK has at most 8 digits")]
    let nibbles = [2, digits.len() as u8 & 0x0F].into_iter().chain(digits.iter().map(|d| d & 0x0F));
    for (i, nibble) in nibbles.enumerate() {
        if let Some(byte) = block.get_mut(i / 2) {
            *byte = if i % 2 == 0 { nibble << 4 | 0x0F } else { *byte & 0xF0 | nibble };
        }
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretText;

    fn hex_of(command: &CommandApdu) -> String {
        hex::encode_upper(&*command.to_bytes())
    }

    fn pin(digits: &str) -> Pin {
        Pin::parse(&SecretText::new(digits.to_owned())).unwrap()
    }

    #[test]
    fn commands_are_the_bytes_of_the_specification() {
        let hca = Aid(&[0xD2, 0x76, 0x00, 0x00, 0x01, 0x02]);
        assert_eq!(hex_of(&select_application(hca)), "00A4040C06D27600000102");
        assert_eq!(hex_of(&read_binary_sfi(Sfi(1), 256)), "00B0810000");
        assert_eq!(hex_of(&read_binary_sfi(Sfi(4), 65_536)), "00B08400000000");
        assert_eq!(hex_of(&read_binary(0x0100, 0x7A)), "00B001007A");
        assert_eq!(hex_of(&get_pin_status(PasswordRef(2))), "80200002");
        assert_eq!(hex_of(&verify(PasswordRef(2), &pin("123456"))), "002000020826123456FFFFFFFF");
        assert_eq!(hex_of(&verify(PasswordRef(2), &pin("1234567"))), "0020000208271234567FFFFFFF");
        assert_eq!(hex_of(&verify(PasswordRef(2), &pin("12345678"))), "00200002082812345678FFFFFF");
        let puk = Puk::parse(&SecretText::new("12345678".to_owned())).unwrap();
        assert_eq!(
            hex_of(&change_reference_data(PasswordRef(2), b"54321", &pin("123456"))),
            "00240002102554321FFFFFFFFF26123456FFFFFFFF"
        );
        assert_eq!(hex_of(&set_reference_data(PasswordRef(2), &pin("123456"))), "002401020826123456FFFFFFFF");
        assert_eq!(hex_of(&reset_retry_counter(PasswordRef(2), &puk, None)), "002C0102082812345678FFFFFF");
        assert_eq!(
            hex_of(&reset_retry_counter(PasswordRef(2), &puk, Some(&pin("123456")))),
            "002C0002102812345678FFFFFF26123456FFFFFFFF"
        );
        assert_eq!(hex_of(&mse_set_signature_key(KeyRef(0x84), AlgorithmId::SIGN_ECDSA)), "002241B606840184800100");
        assert_eq!(hex_of(&mse_set_signature_key(KeyRef(0x82), AlgorithmId::SIGN_PSS)), "002241B606840182800105");
        let role = AlgorithmId::ELC_ROLE_AUTHENTICATION;
        assert_eq!(hex_of(&mse_set_authentication_key(KeyRef(0x09), role)), "002241A406840109800100");
        // Made with `openssl dgst -sha256` over the text of docs/protocol.md.
        let nonce = PresenceNonce::derive("https://a.example", &[0x11; 32], &[0x22; 32]);
        assert_eq!(
            hex_of(&internal_authenticate(&nonce)),
            "008800001869036B0770AE091BEE3FB905639299E0C242F6C86BE354E900"
        );
        let pace = hex::decode("04007F00070202040202").unwrap();
        assert_eq!(hex_of(&mse_set_pace(&pace, KeyRef(0x02))), "0022C1A40F800A04007F00070202040202830102");
        assert_eq!(hex_of(&general_authenticate(&[], false)), "10860000027C0000");
        assert_eq!(hex_of(&general_authenticate(&[0x85, 1, 0xFF], true)), "00860000057C038501FF00");
        // SHA-256("abc"), FIPS 180-2, B.1.
        assert_eq!(
            hex_of(&pso_compute_digital_signature(b"abc")),
            "002A9E9A20BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD00"
        );
    }
}
