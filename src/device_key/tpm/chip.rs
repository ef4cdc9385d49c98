//! The chip, over the TPM2 software stack.

use std::fs::File;
use std::io::ErrorKind;
use std::str::FromStr as _;

use p256::ecdsa::signature::Verifier as _;
use sha2::{Digest as _, Sha256};
use tss_esapi::attributes::{ObjectAttributes, ObjectAttributesBuilder, SessionAttributesBuilder};
use tss_esapi::constants::response_code::Tss2ResponseCodeKind;
use tss_esapi::constants::{SessionType, tss};
use tss_esapi::handles::KeyHandle;
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{
    Auth, Digest, EccPoint, EccScheme, HashScheme, HashcheckTicket, KeyDerivationFunctionScheme, Private, Public,
    PublicBuilder, PublicEccParametersBuilder, Signature, SignatureScheme, SymmetricDefinition,
    SymmetricDefinitionObject,
};
use tss_esapi::tcti_ldr::TctiNameConf;
use tss_esapi::traits::{Marshall as _, UnMarshall as _};
use tss_esapi::tss2_esys::TPMT_TK_HASHCHECK;
use tss_esapi::{Context, Error};

use super::{AuthValue, TpmError, WrappedKey};
use crate::jose::P256Jwk;

impl From<Error> for TpmError {
    fn from(error: Error) -> Self {
        let Error::Tss2Error(code) = error else { return Self::Broken };
        match code.kind() {
            Some(Tss2ResponseCodeKind::BadAuth | Tss2ResponseCodeKind::AuthFail) => Self::WrongAuth,
            Some(Tss2ResponseCodeKind::Integrity) => Self::OtherTpm,
            _ => Self::Broken,
        }
    }
}

impl WrappedKey {
    fn parts(&self) -> Result<(Public, P256Jwk), TpmError> {
        let public = Public::unmarshall(&self.public).map_err(|_| TpmError::OtherKind)?;
        let Public::Ecc { object_attributes, unique, .. } = &public else { return Err(TpmError::OtherKind) };
        // Built anew around the same point it must be the same: nothing else about it is taken from the disk.
        if *object_attributes != attributes(true)? || public != signing_key(unique.clone())? {
            return Err(TpmError::OtherKind);
        }
        let mut point = [0; 65];
        let (tag, rest) = point.split_at_mut(1);
        let (x, y) = rest.split_at_mut(32);
        tag.copy_from_slice(&[4]);
        padded(unique.x().value(), x)?;
        padded(unique.y().value(), y)?;
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(|_| TpmError::OtherKind)?;
        Ok((public, P256Jwk::from(key)))
    }

    /// The public key.
    ///
    /// # Errors
    /// [`TpmError::OtherKind`].
    pub fn public_key(&self) -> Result<P256Jwk, TpmError> {
        self.parts().map(|(_, key)| key)
    }
}

/// A line to a TPM, with a salted session on it.
#[derive(Debug)]
pub struct Tpm {
    pub(super) context: Context,
    pub(super) storage_key: KeyHandle,
}

impl Tpm {
    /// Opens the TPM that `tcti` names, as the TPM2 software stack writes it ([`super::DEFAULT_TCTI`]).
    ///
    /// # Errors
    /// [`TpmError::Absent`], [`TpmError::NotAllowed`], [`TpmError::Broken`].
    pub fn open(tcti: &str) -> Result<Self, TpmError> {
        // The stack does not say why a device cannot be opened.
        if let Some(path) = tcti.strip_prefix("device:") {
            File::options().read(true).write(true).open(path).map_err(|error| match error.kind() {
                ErrorKind::NotFound => TpmError::Absent,
                ErrorKind::PermissionDenied => TpmError::NotAllowed,
                _ => TpmError::Broken,
            })?;
        }
        let mut context = Context::new(TctiNameConf::from_str(tcti)?)?;
        let storage_key = context
            .execute_with_session(Some(AuthSession::Password), |context| {
                context.create_primary(Hierarchy::Owner, storage_key()?, None, None, None, None)
            })?
            .key_handle;
        let session = context
            .start_auth_session(
                Some(storage_key),
                None,
                None,
                SessionType::Hmac,
                SymmetricDefinition::AES_128_CFB,
                HashingAlgorithm::Sha256,
            )?
            .ok_or(TpmError::Broken)?;
        let (wanted, mask) = SessionAttributesBuilder::new().with_decrypt(true).with_encrypt(true).build();
        context.tr_sess_set_attributes(session, wanted, mask)?;
        context.set_sessions((Some(session), None, None));
        Ok(Self { context, storage_key })
    }

    /// Makes a device key that `auth` opens.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn make(&mut self, auth: &AuthValue) -> Result<WrappedKey, TpmError> {
        let template = signing_key(EccPoint::default())?;
        let made = self.context.create(self.storage_key, template, Some(auth_of(auth)?), None, None, None)?;
        let key = WrappedKey { public: made.out_public.marshall()?, private: made.out_private.value().to_vec() };
        key.parts()?;
        Ok(key)
    }

    /// Whether `key` is one that this TPM has wrapped. Nothing is opened by that.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn check(&mut self, key: &WrappedKey) -> Result<(), TpmError> {
        self.loaded(key, |_, _| Ok(()))
    }

    /// An ES256 signature (r ‖ s) over `message`, which was verified with the public key.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn sign(&mut self, key: &WrappedKey, auth: &AuthValue, message: &[u8]) -> Result<[u8; 64], TpmError> {
        let digest = Digest::try_from(Sha256::digest(message).to_vec())?;
        let answer = self.opened(key, auth, |context, handle| {
            Ok(context.sign(handle, digest, SignatureScheme::Null, not_by_the_tpm()?)?)
        })?;
        let bytes = r_and_s(answer)?;
        let signature = p256::ecdsa::Signature::from_slice(&bytes).map_err(|_| TpmError::NotItsSignature)?;
        key.public_key()?.verifying_key().verify(message, &signature).map_err(|_| TpmError::NotItsSignature)?;
        Ok(bytes)
    }

    /// The same key, which `new` opens. The one before stays what it was until it is thrown away: both are whole at any
    /// time.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn change_auth(&mut self, key: &WrappedKey, auth: &AuthValue, new: &AuthValue) -> Result<WrappedKey, TpmError> {
        let (parent, new) = (self.storage_key, auth_of(new)?);
        let private = self.opened(key, auth, |context, handle| {
            Ok(context.object_change_auth(handle.into(), parent.into(), new)?)
        })?;
        Ok(WrappedKey { public: key.public.clone(), private: private.value().to_vec() })
    }

    /// The key is in the TPM and open for one command.
    pub(super) fn opened<T>(
        &mut self,
        key: &WrappedKey,
        auth: &AuthValue,
        act: impl FnOnce(&mut Context, KeyHandle) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let auth = auth_of(auth)?;
        self.loaded(key, |context, handle| {
            context.tr_set_auth(handle.into(), auth)?;
            act(context, handle)
        })
    }

    /// The key is in the TPM as long as `act` runs.
    fn loaded<T>(
        &mut self,
        key: &WrappedKey,
        act: impl FnOnce(&mut Context, KeyHandle) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let (public, _) = key.parts()?;
        let handle = load(&mut self.context, self.storage_key, public, key)?;
        flushed_after(&mut self.context, handle, |context| act(context, handle))
    }
}

/// Puts a key into the TPM that it has wrapped itself.
pub(super) fn load(
    context: &mut Context,
    storage_key: KeyHandle,
    public: Public,
    key: &WrappedKey,
) -> Result<KeyHandle, TpmError> {
    let private = Private::try_from(key.private.clone()).map_err(|_| TpmError::OtherTpm)?;
    Ok(context.load(storage_key, private, public)?)
}

/// Does something, and takes the object out of the TPM then, whatever came of it.
pub(super) fn flushed_after<T>(
    context: &mut Context,
    handle: KeyHandle,
    act: impl FnOnce(&mut Context) -> Result<T, TpmError>,
) -> Result<T, TpmError> {
    let sessions = context.sessions();
    let answer = act(context);
    context.clear_sessions();
    let flushed = context.flush_context(handle.into());
    context.set_sessions(sessions);
    let answer = answer?;
    flushed?;
    Ok(answer)
}

/// A signature as JOSE writes it: r ‖ s.
pub(super) fn r_and_s(signature: Signature) -> Result<[u8; 64], TpmError> {
    let Signature::EcDsa(signature) = signature else { return Err(TpmError::NotItsSignature) };
    let mut bytes = [0; 64];
    let (r, s) = bytes.split_at_mut(32);
    padded(signature.signature_r().value(), r)?;
    padded(signature.signature_s().value(), s)?;
    Ok(bytes)
}

/// Zeros at its end, which the TPM cuts off (TPM 2.0, part 1, 19.6.4.3), its software stack cuts off as well.
fn auth_of(value: &AuthValue) -> Result<Auth, TpmError> {
    Ok(Auth::try_from(value.expose().as_slice())?)
}

/// Big-endian in the whole of `to`: numbers of a TPM have no leading zeros.
fn padded(number: &[u8], to: &mut [u8]) -> Result<(), TpmError> {
    let start = to.len().checked_sub(number.len()).ok_or(TpmError::OtherKind)?;
    to.get_mut(start..).ok_or(TpmError::OtherKind)?.copy_from_slice(number);
    Ok(())
}

/// That the hash was not made by the TPM, which only restricted keys ask for.
fn not_by_the_tpm() -> Result<HashcheckTicket, TpmError> {
    let none =
        TPMT_TK_HASHCHECK { tag: tss::TPM2_ST_HASHCHECK, hierarchy: tss::TPM2_RH_NULL, digest: Default::default() };
    Ok(HashcheckTicket::try_from(none)?)
}

/// Never outside this TPM, opened by its value, and outside the TPM's lockout.
fn attributes(signs: bool) -> Result<ObjectAttributes, Error> {
    attributes_of(signs, !signs)
}

fn attributes_of(signs: bool, is_restricted: bool) -> Result<ObjectAttributes, Error> {
    ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(true)
        .with_no_da(true)
        .with_sign_encrypt(signs)
        .with_decrypt(!signs)
        .with_restricted(is_restricted)
        .build()
}

fn storage_key() -> Result<Public, Error> {
    let parameters = PublicEccParametersBuilder::new_restricted_decryption_key(
        SymmetricDefinitionObject::AES_128_CFB,
        EccCurve::NistP256,
    );
    public(attributes(false)?, parameters, EccPoint::default())
}

fn signing_key(point: EccPoint) -> Result<Public, Error> {
    let scheme = EccScheme::EcDsa(HashScheme::new(HashingAlgorithm::Sha256));
    let parameters = PublicEccParametersBuilder::new_unrestricted_signing_key(scheme, EccCurve::NistP256);
    public(attributes(true)?, parameters, point)
}

/// A key that signs nothing but what the TPM says itself.
pub(super) fn attestation_key() -> Result<Public, Error> {
    let hash = HashScheme::new(HashingAlgorithm::Sha256);
    let parameters = PublicEccParametersBuilder::new()
        .with_symmetric(SymmetricDefinitionObject::Null)
        .with_ecc_scheme(EccScheme::EcDsa(hash))
        .with_curve(EccCurve::NistP256)
        .with_key_derivation_function_scheme(KeyDerivationFunctionScheme::Null)
        .with_is_signing_key(true)
        .with_restricted(true);
    public(attributes_of(true, true)?, parameters, EccPoint::default())
}

fn public(
    attributes: ObjectAttributes,
    parameters: PublicEccParametersBuilder,
    point: EccPoint,
) -> Result<Public, Error> {
    PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::Ecc)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_ecc_parameters(parameters.build()?)
        .with_ecc_unique_identifier(point)
        .build()
}
