//! gematik's pairing data (gemSpec_IDP_Dienst, device registration): the card signs which device key is its holder's.

use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::KeyIdentifier;
use crate::identity::certificate::Certificate;
use crate::jose::{ByCard, Message, P256Jwk, base64url};
use crate::secret::masked;

/// Version of every structure in gematik's pairing.
pub const DATA_VERSION: &str = "1.0";

/// `pairing_data`, signed by the card.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairingData {
    /// [`DATA_VERSION`].
    pub pairing_data_version: String,
    /// SubjectPublicKeyInfo of the device key (DER).
    #[serde(with = "base64url")]
    pub se_subject_public_key_info: Vec<u8>,
    /// Names the device key.
    pub key_identifier: KeyIdentifier,
    /// Product name of the device.
    pub product: String,
    /// Serial number of the card's certificate, decimal.
    pub serialnumber: String,
    /// Issuer name of the card's certificate (DER).
    #[serde(with = "base64url")]
    pub issuer: Vec<u8>,
    /// End of the certificate's validity.
    pub not_after: i64,
    /// SubjectPublicKeyInfo of the card's certificate (DER).
    #[serde(with = "base64url")]
    pub auth_cert_subject_public_key_info: Vec<u8>,
}

masked!(PairingData, DeviceInformation);

impl Message for PairingData {
    const TYP: &'static str = "JWT";
    type Algorithm = ByCard;
}

/// A claim of the pairing data is not what the certificate, or the format, says.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the claim {0} of the pairing data is wrong")]
pub struct ClaimMismatch(pub &'static str);

/// The device key has no SubjectPublicKeyInfo: it never happens for a key on P-256.
#[derive(Clone, Copy, Debug, Error)]
#[error("the device key cannot be encoded")]
pub struct NotEncodable;

impl PairingData {
    /// The pairing data for a card and a device key.
    ///
    /// # Errors
    /// [`NotEncodable`].
    pub fn new(
        certificate: &Certificate,
        device_key: &P256Jwk,
        key_identifier: KeyIdentifier,
        product: &str,
    ) -> Result<Self, NotEncodable> {
        let spki = device_key.verifying_key().to_public_key_der().map_err(|_| NotEncodable)?;
        Ok(Self {
            pairing_data_version: DATA_VERSION.to_owned(),
            se_subject_public_key_info: spki.as_bytes().to_vec(),
            key_identifier,
            product: product.to_owned(),
            serialnumber: certificate.serial.clone(),
            issuer: certificate.issuer.der.clone(),
            not_after: certificate.not_after.unix_timestamp(),
            auth_cert_subject_public_key_info: certificate.spki.clone(),
        })
    }

    /// Checks every claim against the certificate (A_21421, A_21422) and reads the device key, which must be a point on
    /// P-256.
    ///
    /// # Errors
    /// [`ClaimMismatch`] names the first claim that is wrong.
    pub fn check(&self, certificate: &Certificate) -> Result<P256Jwk, ClaimMismatch> {
        let claims = [
            ("pairing_data_version", self.pairing_data_version == DATA_VERSION),
            ("product", !self.product.trim().is_empty()),
            ("serialnumber", self.serialnumber == certificate.serial),
            ("issuer", self.issuer == certificate.issuer.der),
            ("not_after", self.not_after == certificate.not_after.unix_timestamp()),
            ("auth_cert_subject_public_key_info", self.auth_cert_subject_public_key_info == certificate.spki),
        ];
        match claims.into_iter().find(|(_, is_right)| !is_right) {
            Some((claim, _)) => Err(ClaimMismatch(claim)),
            None => p256::ecdsa::VerifyingKey::from_public_key_der(&self.se_subject_public_key_info)
                .map(P256Jwk::from)
                .map_err(|_| ClaimMismatch("se_subject_public_key_info")),
        }
    }
}

/// `device_information`: what the person and the operator see of a device.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceInformation {
    /// [`DATA_VERSION`].
    pub device_information_data_version: String,
    /// What the person calls the device.
    pub name: String,
    /// What it is.
    pub device_type: DeviceType,
}

/// `device_type`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceType {
    /// [`DATA_VERSION`].
    pub device_type_data_version: String,
    /// Who makes the program: the computer's maker is nobody's business.
    pub manufacturer: String,
    /// The program.
    pub product: String,
    /// Its version.
    pub model: String,
    /// Operating system.
    pub os: String,
    /// Its processor architecture.
    pub os_version: String,
}

impl DeviceInformation {
    /// Checks versions and lengths, and that no text can deceive whoever reads it.
    pub fn is_valid(&self) -> bool {
        let kind = &self.device_type;
        let texts = [&self.name, &kind.manufacturer, &kind.product, &kind.model, &kind.os, &kind.os_version];
        self.device_information_data_version == DATA_VERSION
            && kind.device_type_data_version == DATA_VERSION
            && texts.into_iter().all(|text| super::application::is_plain_text(text))
    }
}
