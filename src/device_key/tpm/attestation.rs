//! What the chip says of itself and of a device key (`docs/protocol.md`, attestation).

use tss_esapi::abstraction::AsymmetricAlgorithmSelection;
use tss_esapi::abstraction::ek::{create_ek_object_2, retrieve_ek_pubcert};
use tss_esapi::constants::SessionType;
use tss_esapi::constants::response_code::Tss2ResponseCodeKind;
use tss_esapi::handles::{AuthHandle, SessionHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::session_handles::{AuthSession, PolicySession};
use tss_esapi::structures::{
    Data, Digest, EncryptedSecret, IdObject, Nonce, Public, SignatureScheme, SymmetricDefinition,
};
use tss_esapi::traits::{Marshall as _, UnMarshall as _};
use tss_esapi::{Context, Error};

use super::chip::{Tpm, attestation_key, flushed_after, load, r_and_s};
use super::{AttestationKey, AuthValue, Certified, Endorsement, TpmError, WrappedKey};

/// The endorsement key that makers certify in the low range: ECC P-256 (TCG EK Credential Profile 2.5, template L-2;
/// certificate at NV index 01C0000A). With RSA the service would have to encrypt by other rules.
const ENDORSEMENT_KEY: AsymmetricAlgorithmSelection = AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP256);

impl Tpm {
    /// The maker's certificate, and a new attestation key; `None` where there is no certificate.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn endorsement(&mut self) -> Result<Option<Endorsement>, TpmError> {
        let sessions = self.context.sessions();
        let certificate = retrieve_ek_pubcert(&mut self.context, ENDORSEMENT_KEY);
        self.context.set_sessions(sessions);
        let certificate = match certificate {
            Ok(certificate) => der(&certificate).ok_or(TpmError::Broken)?.to_vec(),
            Err(Error::Tss2Error(code)) if code.kind() == Some(Tss2ResponseCodeKind::Handle) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let made = self.context.create(self.storage_key, attestation_key()?, None, None, None, None)?;
        let key = WrappedKey { public: made.out_public.marshall()?, private: made.out_private.value().to_vec() };
        Ok(Some(Endorsement { certificate, key: AttestationKey(key) }))
    }

    /// Opens a credential: what it holds, if it is for this TPM and this attestation key.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn activate(
        &mut self,
        key: &AttestationKey,
        blob: &[u8],
        encrypted_secret: &[u8],
    ) -> Result<Vec<u8>, TpmError> {
        let blob = IdObject::try_from(blob.to_vec())?;
        let secret = EncryptedSecret::try_from(encrypted_secret.to_vec())?;
        let key = load(&mut self.context, self.storage_key, public_of(key)?, &key.0)?;
        flushed_after(&mut self.context, key, |context| {
            let sessions = context.sessions();
            let endorsement_key = create_ek_object_2(context, ENDORSEMENT_KEY, None);
            context.set_sessions(sessions);
            let endorsement_key = endorsement_key?;
            flushed_after(context, endorsement_key, |context| {
                in_endorsement_session(context, |context, session| {
                    context.set_sessions((Some(AuthSession::Password), Some(session.into()), None));
                    let opened = context.activate_credential(key, endorsement_key, blob, secret)?;
                    Ok(opened.value().to_vec())
                })
            })
        })
    }

    /// What the attestation key says of a device key, with `qualifying_data` signed along.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn certify(
        &mut self,
        device_key: &WrappedKey,
        auth: &AuthValue,
        key: &AttestationKey,
        qualifying_data: &[u8; 32],
    ) -> Result<Certified, TpmError> {
        let qualifying_data = Data::try_from(qualifying_data.to_vec())?;
        let storage_key = self.storage_key;
        self.opened(device_key, auth, |context, device| {
            let key = load(context, storage_key, public_of(key)?, &key.0)?;
            flushed_after(context, key, |context| {
                let (own, ..) = context.sessions();
                context.set_sessions((own, Some(AuthSession::Password), None));
                let (said, signature) = context.certify(device.into(), key, qualifying_data, SignatureScheme::Null)?;
                let signature = r_and_s(signature)?.to_vec();
                Ok(Certified { public: device_key.public.clone(), certify_info: said.marshall()?, signature })
            })
        })
    }
}

fn public_of(key: &AttestationKey) -> Result<Public, TpmError> {
    Public::unmarshall(key.public()).map_err(|_| TpmError::OtherKind)
}

/// Does something in a session that opens the endorsement key (its profile, policy A): by whoever may use the endorsement
/// hierarchy, which is everybody where its owner has set no value. The session ends with it.
fn in_endorsement_session<T>(
    context: &mut Context,
    act: impl FnOnce(&mut Context, PolicySession) -> Result<T, Error>,
) -> Result<T, TpmError> {
    context.clear_sessions();
    let session = context
        .start_auth_session(
            None,
            None,
            None,
            SessionType::Policy,
            SymmetricDefinition::AES_128_CFB,
            HashingAlgorithm::Sha256,
        )?
        .ok_or(TpmError::Broken)?;
    let session = PolicySession::try_from(session)?;
    context.set_sessions((Some(AuthSession::Password), None, None));
    let (nonce, none) = (Nonce::default(), Digest::default());
    let shown = context.policy_secret(session, AuthHandle::Endorsement, nonce.clone(), none, nonce, None);
    let answer = shown.and_then(|_| act(context, session));
    context.clear_sessions();
    let ended = context.flush_context(SessionHandle::from(session).into());
    let answer = answer?;
    ended?;
    Ok(answer)
}

/// The certificate in a place that is longer: some makers fill up what is behind it.
fn der(bytes: &[u8]) -> Option<&[u8]> {
    let header = usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)).checked_add(4)?;
    (bytes.starts_with(&[0x30, 0x82])).then(|| bytes.get(..header)).flatten()
}
