//! MANAGE SECURITY ENVIRONMENT, SET for signatures (gemSpec_COS, 14.9.9.9) and PSO COMPUTE DIGITAL SIGNATURE (14.8.2).

use std::convert::Infallible;

use bp256::BrainpoolP256r1;
use ecdsa::signature::hazmat::PrehashSigner as _;
use ecdsa::{Signature, SigningKey};
use rand_core::{TryCryptoRng, TryRng};
use rsa::sha2::Sha256;
use rsa::{PrivateKey, Pss};

use super::super::image::{FolderId, Image, KeySecret, referenced_folder};
use super::{Answer, Command, ENVIRONMENT, Random, Session, done};
use crate::apdu::{ResponseApdu, StatusWord};
use crate::secret::SecretBytes;

/// Algorithm identifiers of signatures this card computes (gemSpec_COS, 16.1), and their names in images.
const ALGORITHMS: [(u8, &str); 2] = [(SIGN_ECDSA, "signECDSA"), (SIGN_PSS, "signPSS")];
const SIGN_ECDSA: u8 = 0x00;
const SIGN_PSS: u8 = 0x05;
/// Bytes that are signed, which are also those of the salt.
const HASH: usize = 32;
/// `6400`: the key is there in name only.
pub(super) const KEY_INVALID: StatusWord = StatusWord(0x6400);

impl Session {
    /// Chooses the key and the algorithm that sign. Any key may be chosen; its rules are asked when it is used.
    pub(super) fn mse_set(&mut self, image: &Image, header: [u8; 4], command: &[u8]) -> Answer {
        let [_, _, p1, p2] = header;
        if (p1, p2) != (0x41, 0xB6) {
            return Err(StatusWord::WRONG_P1_P2);
        }
        self.key = Some(self.find_key(image, command, &ALGORITHMS)?);
        done()
    }

    /// The key that MANAGE SECURITY ENVIRONMENT names, the folder it lies in, and its algorithm, one of `algorithms`.
    pub(super) fn find_key(
        &self,
        image: &Image,
        command: &[u8],
        algorithms: &[(u8, &str)],
    ) -> Result<(FolderId, usize, u8), StatusWord> {
        let command = Command::parse(command)?;
        let (reference, algorithm) = match *command.data_only()? {
            [0x84, 1, reference, 0x80, 1, algorithm] | [0x80, 1, algorithm, 0x84, 1, reference] => {
                (reference, algorithm)
            }
            _ => return Err(StatusWord::WRONG_DATA),
        };
        let folder = referenced_folder(self.folder, reference);
        let keys = &image.folder(folder).keys;
        let index = keys.iter().position(|key| key.identifier == reference & 0x7F);
        let index = index.ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        let name = algorithms.iter().find(|(id, _)| *id == algorithm).map(|(_, name)| *name);
        let is_served = keys.get(index).zip(name).is_some_and(|(key, name)| key.serves(ENVIRONMENT, name));
        if is_served { Ok((folder, index, algorithm)) } else { Err(StatusWord::FUNCTION_NOT_SUPPORTED) }
    }

    /// Over the 32 bytes as they are: ECDSA gives R‖S with a nonce from key and message (RFC 6979), RSA gives RSASSA-PSS
    /// with MGF1-SHA-256 and as much salt as hash (RFC 8017, 8.1; the length is from memory of the specification).
    pub(super) fn pso_compute_digital_signature(
        &mut self,
        image: &Image,
        header: [u8; 4],
        command: &[u8],
        random: &mut Random<'_>,
    ) -> Answer {
        let [_, _, p1, p2] = header;
        if (p1, p2) != (0x9E, 0x9A) {
            return Err(StatusWord::WRONG_P1_P2);
        }
        let command = Command::parse(command)?;
        let hash: &[u8; HASH] = command.apdu.data().try_into().map_err(|_| StatusWord::WRONG_LENGTH)?;
        let ne = command.ne()?;
        let (folder, index, algorithm) = self.key.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let key = image.folder(folder).keys.get(index).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        self.authorise(image, folder, &key.guard, header)?;
        let signature = match (key.secret.as_ref().ok_or(KEY_INVALID)?, algorithm) {
            (KeySecret::E256(d), SIGN_ECDSA) => sign_ecdsa(d, hash)?,
            (KeySecret::Rsa(key), SIGN_PSS) => sign_pss(key, hash, random)?,
            _ => return Err(KEY_INVALID),
        };
        if ne < signature.len() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        Ok(ResponseApdu::new(signature, StatusWord::OK))
    }
}

/// R‖S over `z`, which is a hash or was chosen without one.
pub(super) fn sign_ecdsa(d: &SecretBytes<32>, z: &[u8; 32]) -> Result<Vec<u8>, StatusWord> {
    let key = SigningKey::<BrainpoolP256r1>::from_slice(d.expose()).map_err(|_| KEY_INVALID)?;
    let signature: Signature<BrainpoolP256r1> = key.sign_prehash(z).map_err(|_| KEY_INVALID)?;
    Ok(signature.to_bytes().to_vec())
}

/// Salt and blinding come from the card's randomness.
fn sign_pss(key: &PrivateKey, hash: &[u8; HASH], random: &mut Random<'_>) -> Result<Vec<u8>, StatusWord> {
    let padding = Pss::<Sha256>::new_with_salt(HASH);
    key.sign_with_rng(&mut Stream(random), padding, hash).map_err(|_| KEY_INVALID)
}

/// The card's randomness as a generator.
struct Stream<'a, 'b>(&'a mut Random<'b>);

impl TryRng for Stream<'_, '_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for chunk in to.chunks_mut(32) {
            let bytes = (self.0)();
            chunk.iter_mut().zip(bytes.expose()).for_each(|(to, from)| *to = *from);
        }
        Ok(())
    }
}

impl TryCryptoRng for Stream<'_, '_> {}
