//! Who a card belongs to: the insurance number, the insurance data of the card, and the certificate.
//!
//! Only the certificate is signed. EF.PD and EF.VD are shown to people and compared, never believed.

pub mod certificate;
pub mod kvnr;
pub mod vsd;
pub(crate) mod xml;

use thiserror::Error;
use time::OffsetDateTime;

use certificate::{Certificate, CertificateError, Holder};
use kvnr::Kvnr;
use vsd::{InsuranceData, PersonalData, StatusVd, VsdError};

/// Everything a card tells about its holder.
#[derive(Debug)]
pub struct Identity {
    /// EF.PD: unsigned.
    pub person: PersonalData,
    /// EF.VD: unsigned.
    pub insurance: InsuranceData,
    /// C.CH.AUT as read; its issuer is not checked here.
    pub certificate: Certificate,
    /// Whom the certificate names.
    pub holder: Holder,
}

/// Why the data of a card do not make an identity.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// EF.StatusVD, EF.PD or EF.VD.
    #[error(transparent)]
    Vsd(#[from] VsdError),
    /// C.CH.AUT.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// EF.StatusVD says that an update of the insurance data was begun and not ended.
    #[error("the insurance data are being updated")]
    UpdateInProgress,
    /// EF.PD names another person than the certificate.
    #[error("EF.PD and C.CH.AUT name different insurance numbers")]
    OtherPerson,
}

/// Something a person should know that stops nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// The certificate has run out.
    CertificateExpired,
    /// The certificate is not valid yet.
    CertificateNotYetValid,
    /// The check digit of the certificate's insurance number is wrong.
    KvnrCheckDigit,
}

impl Identity {
    /// Reads the files of a card, all of which must fit together.
    ///
    /// # Errors
    /// [`IdentityError`] says which file is wrong.
    pub fn read(status_vd: &[u8], pd: &[u8], vd: &[u8], certificate: &[u8]) -> Result<Self, IdentityError> {
        if StatusVd::parse(status_vd)?.update_in_progress {
            return Err(IdentityError::UpdateInProgress);
        }
        let person = PersonalData::parse(pd)?;
        let insurance = InsuranceData::parse(vd)?;
        let certificate = Certificate::parse(certificate)?;
        let holder = certificate.holder()?;
        if person.kvnr != holder.kvnr {
            return Err(IdentityError::OtherPerson);
        }
        Ok(Self { person, insurance, certificate, holder })
    }

    /// What the person should know about the card at `now`.
    pub fn warnings(&self, now: OffsetDateTime) -> Vec<Warning> {
        [
            (now > self.certificate.not_after, Warning::CertificateExpired),
            (now < self.certificate.not_before, Warning::CertificateNotYetValid),
            (!Kvnr::has_valid_check_digit(&self.holder.kvnr), Warning::KvnrCheckDigit),
        ]
        .into_iter()
        .filter_map(|(applies, warning)| applies.then_some(warning))
        .collect()
    }
}
