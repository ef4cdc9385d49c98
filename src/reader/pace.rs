//! PACE with the card access number: id-PACE-ECDH-GM-AES-CBC-CMAC-128 on brainpoolP256r1, the only one of its kind a
//! health card knows (BSI TR-03110-2, 3.2, and TR-03110-3, A.2 to A.4 and B.1; gemSpec_COS V3.13.1, 15.4.2).
//!
//! What is computed is the same on both sides; the functions for it are shared with the virtual card. The randomness
//! comes in as [`EphemeralKeys`].

mod twist;

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _};
use bp256::BrainpoolP256r1;
use bp256::elliptic_curve::ops::LinearCombination as _;
use bp256::elliptic_curve::sec1::ToSec1Point as _;
use bp256::elliptic_curve::{Generate as _, Group as _, PublicKey, SecretKey};
use bp256::r1::Scalar;
use bp256::t1::ProjectivePoint;
use cmac::KeyInit as _;
use rand_core::CryptoRng;
use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

use super::secure::{MAC, SecureChannel, SessionKeys};
use super::{CardChannel, ChannelError};
use crate::apdu::commands::{self, KeyRef, Sfi};
use crate::apdu::tlv::DataObject;
use crate::apdu::{NE_SHORT, ResponseApdu, StatusWord};
use crate::secret::{Can, SecretBytes};

/// SK.CAN, the key that is derived from the card access number (gemSpec_eGK_ObjSys_G2_1).
const SK_CAN: KeyRef = KeyRef(0x02);
/// EF.CardAccess: which protocols the card knows. Free to read on every interface.
const EF_CARD_ACCESS: Sfi = Sfi(0x1C);
/// 0.4.0.127.0.7.2.2.4.2.2, id-PACE-ECDH-GM-AES-CBC-CMAC-128 (BSI TR-03110-3, A.1.1.1).
pub const OID: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x04, 0x02, 0x02];
/// PACEInfo in EF.CardAccess: this protocol, version 2, domain parameters 13 (brainpoolP256r1).
const PACE_INFO: [u8; 20] = [
    0x30, 0x12, 0x06, 0x0A, 0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x04, 0x02, 0x02, 0x02, 0x01, 0x02, 0x02, 0x01,
    0x0D,
];

/// Bytes of the nonce, and of a point on the line: `04`, then both coordinates.
const NONCE: usize = 16;
const POINT: usize = 65;

/// Why there is no secured line to the card.
#[derive(Debug, Error)]
pub enum PaceError {
    /// The line to the card.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The card access number is another one.
    #[error("the card does not accept the card access number")]
    WrongCan,
    /// EF.CardAccess offers nothing that is known here.
    #[error("the card offers no PACE on brainpoolP256r1")]
    NotOffered,
    /// The card refused a step.
    #[error("{command} was answered with {status}")]
    UnexpectedStatus {
        /// The command's name in the specification.
        command: &'static str,
        /// The card's answer.
        status: StatusWord,
    },
    /// An answer is not what the step asks for.
    #[error("step {step} of PACE was answered with something malformed")]
    Malformed {
        /// Counted from 1, the nonce.
        step: u8,
    },
    /// The card sent our own key back.
    #[error("the card has no ephemeral key of its own")]
    Reflected,
    /// The card does not prove that it knows the card access number.
    #[error("the card's authentication token is wrong")]
    WrongToken,
}

/// The two ephemeral keys of one run: for the mapping of the nonce, and for the key agreement.
pub struct EphemeralKeys {
    pub(super) mapping: SecretKey<BrainpoolP256r1>,
    pub(super) agreement: SecretKey<BrainpoolP256r1>,
}

impl EphemeralKeys {
    /// New keys.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut key = || SecretKey::generate_from_rng(rng);
        Self { mapping: key(), agreement: key() }
    }

    /// Keys of a recorded session: two scalars of 32 bytes, big endian. `None` where one is zero or too big.
    pub fn from_bytes(mapping: &[u8; 32], agreement: &[u8; 32]) -> Option<Self> {
        let key = |bytes: &[u8; 32]| SecretKey::from_slice(bytes).ok();
        Some(Self { mapping: key(mapping)?, agreement: key(agreement)? })
    }

    /// The same as hexadecimal text, for the file of a session.
    pub(super) fn to_hex(&self) -> [String; 2] {
        [&self.mapping, &self.agreement].map(|key| hex::encode_upper(key.to_bytes()))
    }
}

impl std::fmt::Debug for EphemeralKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Secures the line: six commands. The MF must be selected, and is afterwards.
///
/// # Errors
/// [`PaceError`]; the line is then as plain as before.
pub fn establish<C: CardChannel>(
    channel: &mut SecureChannel<C>,
    can: &Can,
    keys: &EphemeralKeys,
) -> Result<(), PaceError> {
    let card_access = channel.transmit(&commands::read_binary_sfi(EF_CARD_ACCESS, NE_SHORT))?;
    let card_access = match card_access.status() {
        StatusWord::END_OF_FILE => card_access.data(), // the file is shorter than was asked for
        _ => data_of("READ BINARY", &card_access)?,
    };
    // DER has one way to write it, so bytes are compared and nothing is chosen by what the card says.
    let offers = DataObject::parse(card_access, 0x31).is_ok_and(|set| set.holds(&PACE_INFO));
    offers.then_some(()).ok_or(PaceError::NotOffered)?;
    let answer = channel.transmit(&commands::mse_set_pace(&OID, SK_CAN))?;
    data_of("MANAGE SECURITY ENVIRONMENT", &answer)?;

    let cryptogram = step(channel, 1, None, 0x80, NONCE)?;
    let nonce = open_nonce(can, &cryptogram).ok_or(PaceError::Malformed { step: 1 })?;

    let own = public_key(&GENERATOR, &keys.mapping).ok_or(PaceError::Malformed { step: 1 })?;
    let card = point(2, &step(channel, 2, Some((0x81, &encode(&own))), 0x82, POINT)?)?;
    let generator = map(&nonce, &keys.mapping, &card).filter(|_| card != own).ok_or(PaceError::Reflected)?;

    let own = public_key(&generator, &keys.agreement).ok_or(PaceError::Malformed { step: 2 })?;
    let card = point(3, &step(channel, 3, Some((0x83, &encode(&own))), 0x84, POINT)?)?;
    if card == own {
        return Err(PaceError::Reflected);
    }
    let session = agree(&keys.agreement, &card).ok_or(PaceError::Malformed { step: 3 })?;

    let theirs = step(channel, 4, Some((0x85, &token(&session, &card))), 0x86, MAC)?;
    if !bool::from(theirs.as_slice().ct_eq(&token(&session, &own))) {
        return Err(PaceError::WrongToken);
    }
    channel.begin(session);
    Ok(())
}

/// Sends one step of GENERAL AUTHENTICATE and takes the value with tag `expected` out of the answer.
fn step<C: CardChannel>(
    channel: &mut SecureChannel<C>,
    number: u8,
    object: Option<(u8, &[u8])>,
    expected: u16,
    length: usize,
) -> Result<Vec<u8>, PaceError> {
    let malformed = || PaceError::Malformed { step: number };
    let objects = match object {
        None => Vec::new(),
        Some((tag, value)) => [&[tag, u8::try_from(value.len()).map_err(|_| malformed())?], value].concat(),
    };
    let answer = channel.transmit(&commands::general_authenticate(&objects, number == 4))?;
    if number == 4 && answer.status() == StatusWord::AUTHENTICATION_FAILED {
        return Err(PaceError::WrongCan);
    }
    let template = DataObject::parse(data_of("GENERAL AUTHENTICATE", &answer)?, 0x7C).map_err(|_| malformed())?;
    let value = template.child(expected).map_err(|_| malformed())?;
    if value.len() == length { Ok(value.to_vec()) } else { Err(malformed()) }
}

fn data_of<'a>(command: &'static str, answer: &'a ResponseApdu) -> Result<&'a [u8], PaceError> {
    match answer.status() {
        StatusWord::OK => Ok(answer.data()),
        status => Err(PaceError::UnexpectedStatus { command, status }),
    }
}

/// A point of the curve other than infinity, uncompressed.
fn point(step: u8, bytes: &[u8]) -> Result<PublicKey<BrainpoolP256r1>, PaceError> {
    decode(bytes).ok_or(PaceError::Malformed { step })
}

/// Reads an uncompressed point; `None` where it is not on the curve, or not 65 bytes that begin with `04`.
pub fn decode(bytes: &[u8]) -> Option<PublicKey<BrainpoolP256r1>> {
    let is_uncompressed = bytes.len() == POINT && bytes.first() == Some(&0x04);
    is_uncompressed.then(|| PublicKey::from_sec1_bytes(bytes).ok()).flatten()
}

/// A point, uncompressed: `04`, then both coordinates with all their leading zeros.
pub fn encode(key: &PublicKey<BrainpoolP256r1>) -> Vec<u8> {
    key.to_sec1_point(false).as_bytes().to_vec()
}

/// The first 16 bytes of SHA-1 over the secret and a counter (BSI TR-03110-3, A.2.3.1).
fn derive(secret: &[u8], counter: u8) -> SecretBytes<16> {
    let hash: Zeroizing<[u8; 20]> =
        Zeroizing::new(Sha1::new().chain_update(secret).chain_update([0, 0, 0, counter]).finalize().into());
    SecretBytes::written(|key: &mut [u8; 16]| key.iter_mut().zip(hash.iter()).for_each(|(to, from)| *to = *from))
}

/// The key that encrypts the nonce.
pub fn password_key(can: &Can) -> SecretBytes<16> {
    derive(can.expose(), 3)
}

/// Decrypts the nonce: one block, so that CBC with an initialisation vector of zeros is the block cipher itself.
pub(super) fn open_nonce(can: &Can, cryptogram: &[u8]) -> Option<SecretBytes<NONCE>> {
    let cryptogram: [u8; NONCE] = cryptogram.try_into().ok()?;
    let cipher = Aes128::new(password_key(can).expose().into());
    Some(SecretBytes::written(|nonce| {
        let mut block = cryptogram.into();
        cipher.decrypt_block(&mut block);
        *nonce = block.into();
    }))
}

/// A nonce, and how it is sent.
#[derive(Debug)]
pub struct EncryptedNonce {
    /// What the other side must find.
    pub nonce: SecretBytes<NONCE>,
    /// What is sent.
    pub cryptogram: [u8; NONCE],
}

/// Takes a nonce from the first half of `random`, and encrypts it as the card does.
pub fn encrypt_nonce(can: &Can, random: &SecretBytes<32>) -> EncryptedNonce {
    let nonce = SecretBytes::written(|nonce: &mut [u8; NONCE]| {
        nonce.iter_mut().zip(random.expose()).for_each(|(to, from)| *to = *from);
    });
    let mut block = (*nonce.expose()).into();
    Aes128::new(password_key(can).expose().into()).encrypt_block(&mut block);
    EncryptedNonce { nonce, cryptogram: block.into() }
}

/// A generator, in the coordinates of brainpoolP256t1: that curve is the same group and cheaper to compute on.
pub type Generator = ProjectivePoint;

/// The generator of brainpoolP256r1.
pub const GENERATOR: Generator = ProjectivePoint::GENERATOR;

/// Generic mapping: s·G + H, where H is what both mapping keys agree on. `None` where that is infinity.
pub fn map(
    nonce: &SecretBytes<NONCE>,
    own: &SecretKey<BrainpoolP256r1>,
    other: &PublicKey<BrainpoolP256r1>,
) -> Option<Generator> {
    let mut wide = Zeroizing::new([0; 32]);
    wide.iter_mut().skip(32 - NONCE).zip(nonce.expose()).for_each(|(to, from)| *to = *from);
    let s = Zeroizing::new(
        SecretKey::<BrainpoolP256r1>::from_slice(&*wide).map_or(Scalar::ZERO, |s| *s.to_nonzero_scalar()),
    );
    // Both products at once, in constant time too: the doublings are done once.
    let other = twist::to_twist(other)?;
    let generator = ProjectivePoint::lincomb(&[(GENERATOR, *s), (other, *own.to_nonzero_scalar())]);
    (!bool::from(generator.is_identity())).then_some(generator)
}

/// The public key to `own` on a generator.
pub fn public_key(generator: &Generator, own: &SecretKey<BrainpoolP256r1>) -> Option<PublicKey<BrainpoolP256r1>> {
    twist::from_twist(&(*generator * *own.to_nonzero_scalar()))
}

/// The session keys both agreement keys agree on: from the x coordinate of the shared point, with all its leading zeros.
/// `None` where that is infinity, which no two keys agree on.
pub fn agree(own: &SecretKey<BrainpoolP256r1>, other: &PublicKey<BrainpoolP256r1>) -> Option<SessionKeys> {
    let x = twist::x_from_twist(&(twist::to_twist(other)? * *own.to_nonzero_scalar()))?;
    Some(SessionKeys::new(derive(&*x, 1), derive(&*x, 2)))
}

/// The token over the other side's public key, which proves that the keys are the same (BSI TR-03110-3, A.2.4).
pub fn token(keys: &SessionKeys, other: &PublicKey<BrainpoolP256r1>) -> [u8; MAC] {
    keys.mac(&[&[0x7F, 0x49, 0x4F, 0x06, 0x0A], &OID, &[0x86, 0x41], &encode(other)])
}
