//! What both sides say of a chip in the same words: its number, and what it signs to show that it is there.
//!
//! This layer lies below the commands, so that INTERNAL AUTHENTICATE can demand a [`PresenceNonce`], and belongs to no
//! side: the service reckons with the same types and knows no cards.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Card number: 20 digits, beginning with 80276 (EF.GDO; DIN EN 1867).
#[derive(Clone, PartialEq, Eq)]
pub struct Iccsn([u8; 10]);

impl Iccsn {
    /// Reads twenty decimal digits; `None` where the text is something else.
    pub fn from_digits(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text.bytes().map(|byte| byte.wrapping_sub(b'0')).collect();
        let digits: [u8; 20] = digits.try_into().ok()?;
        let bytes: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        digits.iter().all(|digit| *digit < 10).then_some(())?;
        Self::from_bcd(&bytes)
    }

    /// Reads ten bytes of two decimal digits each; `None` where they are something else.
    pub fn from_bcd(bytes: &[u8]) -> Option<Self> {
        let number: [u8; 10] = bytes.try_into().ok()?;
        number.iter().all(|byte| byte >> 4 < 10 && byte & 0x0F < 10).then_some(Self(number))
    }
}

impl fmt::Display for Iccsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Iccsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Iccsn(***)")
    }
}

/// The 24 bytes a chip is asked to sign. A chip signs any; that is why nobody can hand some in: only
/// [`derive`](Self::derive) makes them, and both sides derive them for themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceNonce([u8; 24]);

impl PresenceNonce {
    /// The first 24 bytes of SHA-256(`kartenbund/card-present/v1` ‖ `00` ‖ aud ‖ `00` ‖ challenge ‖ jkt).
    ///
    /// `challenge` is the verifier's fresh number and `jkt` the thumbprint of the device key (RFC 7638), both as their
    /// 32 bytes: nothing in front of them can be read as a part of them.
    pub fn derive(aud: &str, challenge: &[u8; 32], jkt: &[u8; 32]) -> Self {
        let hash = Sha256::new()
            .chain_update(b"kartenbund/card-present/v1\0")
            .chain_update(aud)
            .chain_update([0])
            .chain_update(challenge)
            .chain_update(jkt)
            .finalize();
        let mut nonce = [0; 24];
        nonce.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self(nonce)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 24] {
        &self.0
    }
}
