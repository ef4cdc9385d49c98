//! Bodies about the registration of devices and their PINs.

use serde::{Deserialize, Serialize};

use super::DeviceAnswer;
use crate::jose::{Thumbprint, base64url};
use crate::protocol::attestation::Attestation;
use crate::protocol::pairing::DeviceInformation;
use crate::protocol::registration::{HandedIn, Method};
use crate::protocol::{
    ApprovalId, AttemptId, BindingLevel, DeviceId, DeviceNonce, NumericDate, RegistrationId, Sha256Hash,
};
use crate::voprf::{Element, Proof};

bodies! {
    /// Announces a device key.
    #[derive(Debug)]
    pub struct RegistrationRequest {
        /// How the device is to be bound.
        method: Method,
        /// Thumbprint of the new device key (RFC 7638).
        jkt: Thumbprint => String,
        /// SHA-256 of the device's nonce.
        commit: Sha256Hash => String,
        /// What the device is.
        device_information: DeviceInformation,
        /// Devices of the account whose place it takes: they leave in the moment it is bound.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        replaces: Vec<DeviceId> => Vec<String>,
    }

    /// Asks that the card binds a device anew.
    #[derive(Debug)]
    pub struct RebindingRequest {
        /// SHA-256 of the device's nonce.
        commit: Sha256Hash => String,
    }

    /// A registration that was opened to bind a device anew: challenge and evidence are as for a new one.
    #[derive(Debug)]
    pub struct RebindingOffer {
        /// The registration.
        registration_id: RegistrationId => String,
        /// When it ends.
        expires_at: NumericDate,
        /// The service's clock, so that the device can sign with its offset.
        server_time: NumericDate,
        /// The service's name in all signed messages.
        aud: String,
    }

    /// A registration that was opened.
    #[derive(Debug)]
    pub struct RegistrationOffer {
        /// The registration.
        registration_id: RegistrationId => String,
        /// When it ends.
        expires_at: NumericDate,
        /// The service's clock, so that the device can sign with its offset.
        server_time: NumericDate,
        /// Public key of the service's share in the device PIN.
        voprf_pk: Element => String,
        /// The service's name in all signed messages.
        aud: String,
        /// What the other devices are asked, where one of them is to add this one.
        addition: Option<AdditionOffer>,
    }

    /// The approval that was put up for another device to decide.
    #[derive(Debug)]
    pub struct AdditionOffer {
        /// The approval.
        approval_id: ApprovalId => String,
        /// When it ends.
        expires_at: NumericDate,
    }

    /// How far another device is with it.
    #[derive(Debug)]
    pub struct AdditionAnswer {
        /// State of the approval: `pending`, `approved`, `denied`, `expired`, `cancelled` or `superseded`.
        state: String,
        /// The nonce of the other device, once it has given it.
        nonce_o: Option<DeviceNonce> => Option<String>,
    }

    /// The new device shows the nonce whose hash it has announced.
    #[derive(Debug)]
    pub struct NonceShown {
        /// The nonce.
        nonce_d: DeviceNonce => String,
    }

    /// The device that is to decide gives its nonce, and asks for that of the new one.
    #[derive(Debug)]
    pub struct NonceGiven {
        /// The nonce.
        nonce_o: DeviceNonce => String,
    }

    /// The nonce of the new device, once it was shown.
    #[derive(Debug)]
    pub struct NonceAnswer {
        /// The nonce.
        nonce_d: Option<DeviceNonce> => Option<String>,
    }

    /// Asks for the one evaluation of a registration, for the PIN that was chosen.
    #[derive(Debug)]
    pub struct RegistrationPinRequest {
        /// The blinded element.
        blinded: Element => String,
    }

    /// An element, evaluated with the share that the registration has offered.
    #[derive(Debug)]
    pub struct RegistrationPinAnswer {
        /// The evaluated element.
        evaluated: Element => String,
        /// That it was evaluated with the share.
        proof: Proof => String,
    }

    /// Hands in a message about the device PIN.
    #[derive(Debug)]
    pub struct PinRequest {
        /// [`crate::protocol::pin::PinEvaluation`], [`crate::protocol::pin::PinConfirmation`] or
        /// [`crate::protocol::pin::PinChange`] as a compact JWS.
        message: String,
    }

    /// An element, evaluated.
    #[derive(Debug)]
    pub struct PinEvaluated {
        /// Public key of the share it was evaluated with.
        voprf_pk: Element => String,
        /// The evaluated element.
        evaluated: Element => String,
        /// That it was evaluated with the share.
        proof: Proof => String,
        /// What a confirmation names.
        attempt_id: AttemptId => String,
        /// How many more there are if this one is not confirmed.
        tries_left: i64,
    }

    /// The confirmation was taken.
    #[derive(Debug)]
    pub struct PinConfirmed {
        /// Evaluations since the confirmation before that nobody has confirmed: wrong PINs.
        wrong_tries: i64,
        /// All that were never confirmed since the device is there.
        unconfirmed: i64,
    }

    /// A fresh challenge.
    pub struct ChallengeAnswer {
        /// [`crate::protocol::service::RegistrationChallenge`] or
        /// [`crate::protocol::login_challenge::LoginChallenge`] as a compact JWS.
        challenge: String,
    }

    /// Shows which TPM the device key is said to lie in.
    pub struct AttestationRequest {
        /// The maker's certificate of its endorsement key on P-256 (DER), base64url.
        #[serde(with = "base64url")]
        ek_certificate: Vec<u8> => String,
        /// Public area (`TPMT_PUBLIC`) of its attestation key, base64url.
        #[serde(with = "base64url")]
        ak_public: Vec<u8> => String,
    }

    /// What only that TPM opens.
    #[derive(Debug)]
    pub struct AttestationAnswer {
        /// `null` where the service does not know the maker: the key counts as one in software then.
        credential: Option<Credential>,
    }

    /// A credential for TPM2_ActivateCredential.
    #[derive(Debug)]
    pub struct Credential {
        /// `TPMS_ID_OBJECT`, base64url.
        #[serde(with = "base64url")]
        blob: Vec<u8> => String,
        /// The seed of its encryption: `TPMS_ECC_POINT`, base64url.
        #[serde(with = "base64url")]
        encrypted_secret: Vec<u8> => String,
    }

    /// Hands in the evidence for a registration.
    pub struct EvidenceRequest {
        /// [`crate::protocol::registration::ProofOfPossession`] as a compact JWS.
        pop: String,
        /// The device's nonce.
        nonce_d: DeviceNonce => String,
        /// What the card signed, or the key of a letter's code.
        evidence: HandedIn,
        /// What shows that the device key is in a TPM, where the service has made a credential for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attestation: Option<Attestation>,
    }

    /// How far a registration is.
    #[derive(Debug)]
    pub struct RegistrationAnswer {
        /// State of the device once there is one (`active`, `pending_wait`), of the registration before (`open`).
        state: String,
        /// The device's name in requests, once it is bound.
        device_id: Option<DeviceId> => Option<String>,
        /// What the device may approve, once it is bound.
        binding_level: Option<BindingLevel>,
        /// Since when the device may approve, once it is bound.
        active_from: Option<NumericDate>,
        /// The device, once it is bound.
        device: Option<DeviceAnswer>,
        /// [`crate::protocol::service::Receipt`] as a compact JWS, once it is bound.
        receipt: Option<String>,
        /// What another device has done, where one of them is to add this one.
        addition: Option<AdditionAnswer>,
    }
}
