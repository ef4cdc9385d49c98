//! A credential that none but one TPM opens, and it only if it has a certain key: TPM2_MakeCredential, done here (TPM 2.0
//! Library, part 1: 24, credentials; 11.4.10, KDFa and KDFe; C.6.4, the exchange of a seed on a curve).

use aes::Aes128;
use cfb_mode::Encryptor;
use cfb_mode::cipher::KeyIvInit as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::elliptic_curve::Generate as _;
use p256::elliptic_curve::ecdh::diffie_hellman;
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{AttestationError, AttestationKey, CredentialMade};
use crate::pki::endorsement::VerifiedTpm;
use crate::protocol::Sha256Hash;
use crate::protocol::api::Credential;
use crate::secret::SecretBytes;

/// Makes a credential for a TPM, if it has the attestation key of this public area.
///
/// # Errors
/// [`AttestationError::AttestationKey`].
pub fn offer(
    tpm: &VerifiedTpm,
    ak_public: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<(Credential, CredentialMade), AttestationError> {
    let key = AttestationKey::parse(ak_public)?;
    let secret = SecretBytes::<32>::random(rng);
    let credential = encrypted(tpm.endorsement_key(), key.public.name(), &secret, rng);
    let made = CredentialMade { ak_public: ak_public.to_vec(), secret_sha256: Sha256Hash::of(secret.expose()) };
    Ok((credential, made))
}

/// `secret` for the endorsement key, and bound to the object of this name.
fn encrypted(
    endorsement_key: &p256::PublicKey,
    name: &[u8; 34],
    secret: &SecretBytes<32>,
    rng: &mut dyn CryptoRng,
) -> Credential {
    // C.6.4: an ephemeral key agrees with the endorsement key on the seed.
    let ephemeral = p256::SecretKey::generate_from_rng(rng);
    let shared = diffie_hellman(ephemeral.to_nonzero_scalar(), endorsement_key.as_affine());
    let (own_x, own_y) = coordinates(&ephemeral.public_key());
    let (their_x, _) = coordinates(endorsement_key);
    let seed = kdf_e(shared.raw_secret_bytes(), b"IDENTITY\0", &own_x, &their_x);

    // 24.4: the secret, with its length in front, encrypted; 24.5: name and ciphertext under a MAC.
    let key = kdf_a(&seed, b"STORAGE\0", name, 128);
    let mut identity = [&[0, 32], secret.expose().as_slice()].concat();
    let (key, _) = key.split_at(16);
    if let Ok(encryptor) = Encryptor::<Aes128>::new_from_slices(key, &[0; 16]) {
        encryptor.encrypt(&mut identity);
    }
    let mac = hmac(&kdf_a(&seed, b"INTEGRITY\0", &[], 256), &[&identity, name]);
    Credential {
        blob: [&[0, 32], mac.as_slice(), &identity].concat(),
        encrypted_secret: [&[0, 32], own_x.as_slice(), &[0, 32], &own_y].concat(),
    }
}

/// KDFe for 256 bits with SHA-256: one hash (part 1, 11.4.10.3). `label` ends with 00.
fn kdf_e(shared: &[u8], label: &[u8], party_u: &[u8; 32], party_v: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let hash = Sha256::new().chain_update([0, 0, 0, 1]).chain_update(shared).chain_update(label);
    Zeroizing::new(hash.chain_update(party_u).chain_update(party_v).finalize().into())
}

/// KDFa for up to 256 bits with HMAC-SHA-256: one block, of which the first `bits` are used (part 1, 11.4.10.2).
fn kdf_a(seed: &[u8; 32], label: &[u8], context: &[u8], bits: u32) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(hmac(seed, &[&[0, 0, 0, 1], label, context, &bits.to_be_bytes()]))
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // A key shorter than a block is filled up with zeros (RFC 2104, 2).
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Both coordinates, in all their 32 bytes.
fn coordinates(key: &p256::PublicKey) -> ([u8; 32], [u8; 32]) {
    let point = p256::ecdsa::VerifyingKey::from(key).to_sec1_point(false);
    let mut coordinates = ([0; 32], [0; 32]);
    if let Some((x, y)) = point.x().zip(point.y()) {
        coordinates.0.copy_from_slice(x);
        coordinates.1.copy_from_slice(y);
    }
    coordinates
}
