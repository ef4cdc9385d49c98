//! What whoever registers a device is told of evidence that is refused.

use crate::pki::PkiError;
use crate::protocol::registration::RegistrationError;
use crate::server::http::{Code, Refusal};

impl From<PkiError> for Refusal {
    fn from(error: PkiError) -> Self {
        let code = match error {
            PkiError::Malformed(_) => Code::CertificateMalformed,
            PkiError::UnknownIssuer | PkiError::IssuerRevoked => Code::CertificateUntrusted,
            PkiError::TrustListExpired => Code::CardStatusUnavailable,
            PkiError::NotYetValid => Code::CertificateNotYetValid,
            PkiError::Expired => Code::CertificateExpired,
            PkiError::Signature => Code::CertificateSignature,
            PkiError::UnsupportedKey => Code::CertificateKey,
            PkiError::Usage => Code::CertificateUsage,
            PkiError::WrongType => Code::CertificateType,
            PkiError::WrongRole => Code::CertificateRole,
            PkiError::TestCard => Code::CertificateOfTestCard,
        };
        code.into()
    }
}

impl From<RegistrationError> for Refusal {
    fn from(error: RegistrationError) -> Self {
        match error {
            RegistrationError::OtherPerson => Code::OtherPerson.into(),
            RegistrationError::OtherInsurer => Code::OtherInsurer.into(),
            RegistrationError::Pairing(part) => Self::new(Code::PairingInvalid).with_detail(part.to_string()),
            RegistrationError::Statement(part) => Self::new(Code::CardStatementInvalid).with_detail(part.to_string()),
            RegistrationError::Code(part) => Self::new(Code::QrStatementInvalid).with_detail(part.to_string()),
            RegistrationError::Addition(part) => Self::new(Code::AdditionInvalid).with_detail(part.to_string()),
            RegistrationError::Possession(part) => Self::new(Code::PossessionInvalid).with_detail(part.to_string()),
            RegistrationError::Nonce => Code::NonceMismatch.into(),
        }
    }
}
