//! MANAGE SECURITY ENVIRONMENT, SET for signatures (gemSpec_COS, 14.9.9.9) and PSO COMPUTE DIGITAL SIGNATURE (14.8.2).

use bp256::BrainpoolP256r1;
use ecdsa::signature::hazmat::PrehashSigner as _;
use ecdsa::{Signature, SigningKey};

use super::super::image::{Image, referenced_folder};
use super::{Answer, Command, ENVIRONMENT, Session, done};
use crate::apdu::{ResponseApdu, StatusWord};

/// Algorithm identifiers of signatures this card computes (gemSpec_COS, 16.1), and their names in images.
const ALGORITHMS: [(u8, &str); 1] = [(0x00, "signECDSA")];
/// Bytes that are signed, and bytes of the signature R‖S.
const HASH: usize = 32;
const SIGNATURE: usize = 64;
/// `6400`: the key is there in name only.
const KEY_INVALID: StatusWord = StatusWord(0x6400);

impl Session {
    /// Chooses the key and the algorithm that sign. Any key may be chosen; its rules are asked when it is used.
    pub(super) fn mse_set(&mut self, image: &Image, header: [u8; 4], command: &[u8]) -> Answer {
        let [_, _, p1, p2] = header;
        if (p1, p2) != (0x41, 0xB6) {
            return Err(StatusWord::WRONG_P1_P2);
        }
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
        let name = ALGORITHMS.iter().find(|(id, _)| *id == algorithm).map(|(_, name)| *name);
        let is_served = keys.get(index).zip(name).is_some_and(|(key, name)| key.serves(ENVIRONMENT, name));
        if !is_served {
            return Err(StatusWord::FUNCTION_NOT_SUPPORTED);
        }
        self.key = Some((folder, index));
        done()
    }

    /// ECDSA over the 32 bytes as they are: R‖S. The nonce comes from key and message (RFC 6979).
    pub(super) fn pso_compute_digital_signature(&mut self, image: &Image, header: [u8; 4], command: &[u8]) -> Answer {
        let [_, _, p1, p2] = header;
        if (p1, p2) != (0x9E, 0x9A) {
            return Err(StatusWord::WRONG_P1_P2);
        }
        let command = Command::parse(command)?;
        let hash: &[u8; HASH] = command.apdu.data().try_into().map_err(|_| StatusWord::WRONG_LENGTH)?;
        if command.ne()? < SIGNATURE {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let (folder, index) = self.key.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let key = image.folder(folder).keys.get(index).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        self.authorise(image, folder, &key.guard, header)?;
        let d = key.d.as_ref().ok_or(KEY_INVALID)?;
        let key = SigningKey::<BrainpoolP256r1>::from_slice(d.expose()).map_err(|_| KEY_INVALID)?;
        let signature: Signature<BrainpoolP256r1> = key.sign_prehash(hash).map_err(|_| KEY_INVALID)?;
        Ok(ResponseApdu::new(signature.to_bytes().to_vec(), StatusWord::OK))
    }
}
