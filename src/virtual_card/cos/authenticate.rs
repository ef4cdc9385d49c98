//! MANAGE SECURITY ENVIRONMENT, SET for internal authentication (gemSpec_COS, 14.9.9.4) and INTERNAL AUTHENTICATE
//! (14.7.4).

use super::super::image::{Image, KeySecret};
use super::sign::{KEY_INVALID, sign_ecdsa};
use super::{Answer, Command, Session, done};
use crate::apdu::{ResponseApdu, StatusWord};

/// How this card shows itself (gemSpec_COS, 16.1), and the name in images.
const ALGORITHMS: [(u8, &str); 1] = [(0x00, "elcRoleAuthentication")];
/// Bytes of the nonce that is signed.
const NONCE: usize = 24;

impl Session {
    /// Chooses the key the card shows itself with. Any key may be chosen; its rules are asked when it is used.
    pub(super) fn mse_set_authentication_key(&mut self, image: &Image, command: &[u8]) -> Answer {
        let (folder, index, _) = self.find_key(image, command, &ALGORITHMS)?;
        self.authentication_key = Some((folder, index));
        done()
    }

    /// Signs the number that nonce ‖ `00` makes, big endian, without a hash: as gematik's virtual card does, and not
    /// confirmed on a real one. The key is the image's `d`; its `P` is not looked at, for on some images it is another
    /// key's.
    pub(super) fn internal_authenticate(&mut self, image: &Image, header: [u8; 4], command: &[u8]) -> Answer {
        let [_, _, p1, p2] = header;
        if (p1, p2) != (0x00, 0x00) {
            return Err(StatusWord::WRONG_P1_P2);
        }
        let command = Command::parse(command)?;
        let nonce: &[u8; NONCE] = command.apdu.data().try_into().map_err(|_| StatusWord::WRONG_LENGTH)?;
        let ne = command.ne()?;
        let (folder, index) = self.authentication_key.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let key = image.folder(folder).keys.get(index).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        self.authorise(image, folder, &key.guard, header)?;
        let Some(KeySecret::E256(d)) = &key.secret else { return Err(KEY_INVALID) };
        // Seven zero bytes, the nonce, and the zero byte behind it.
        let mut z = [0; 32];
        z.iter_mut().skip(7).zip(nonce).for_each(|(to, from)| *to = *from);
        let signature = sign_ecdsa(d, &z)?;
        if ne < signature.len() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        Ok(ResponseApdu::new(signature, StatusWord::OK))
    }
}
