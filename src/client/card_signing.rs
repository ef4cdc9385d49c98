//! What all flows share in which the card signs: the right card, one entry of its PIN, and a reset at the end, so that no
//! verified PIN stays behind.

use thiserror::Error;
use time::OffsetDateTime;

use super::card_pin::{PinError, ask_for_pin, forget_pin, leave_to_verify, verify_pin};
use super::{FromCard, Step, Surroundings, Way, restarting};
use crate::egk::{ApduLength, Egk, EgkError};
use crate::identity::certificate::{Certificate, CertificateError};
use crate::identity::kvnr::{Ik, Kvnr};
use crate::pki::CardKey;
use crate::protocol::NumericDate;
use crate::reader::CardChannel;
use crate::secret::Can;

/// Why the card does not do, found before any PIN is asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CardRefusal {
    /// The certificate cannot be read.
    #[error(transparent)]
    Malformed(#[from] CertificateError),
    /// The card is another person's than the account.
    #[error("the card belongs to another person")]
    OtherPerson,
    /// The card is another insurer's than the service's, whose name is on the card.
    #[error("the card is another insurer's")]
    OtherInsurer {
        /// As it is in the certificate.
        insurer: Option<String>,
    },
    /// The certificate has run out.
    #[error("the certificate has expired")]
    Expired,
    /// The card's key is none that can be verified.
    #[error("the card's key is not supported")]
    Key,
}

/// Whose card will do. The service decides; this saves a person the PIN.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The account; none where the card says whose it is.
    pub(super) kvnr: Option<&'a Kvnr>,
    /// Insurers whose cards the service accepts.
    pub(super) payer_iks: &'a [Ik],
}

/// A flow in which the card signs.
pub(super) trait CardFlow {
    /// What comes of it.
    type Signed;
    /// Why it does not come about.
    type Error: FromCard + From<PinError> + From<CardRefusal>;

    /// Takes up whose card it is, or refuses it, before the PIN is asked for.
    fn meet<C: CardChannel>(&mut self, _: &mut Egk<C>, _: &Certificate) -> Result<(), Self::Error> {
        Ok(())
    }

    /// What is done between the question for the PIN and its use. Another program that resets the card makes everything
    /// begin again: what was made here is kept for then. The card access number is there where it was needed.
    fn prepare(&mut self, _: Option<&Can>, _: &mut Surroundings<'_>) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Lets the card sign, while its PIN is verified.
    fn sign<C: CardChannel>(
        &mut self,
        egk: &mut Egk<C>,
        certificate: &Certificate,
        around: &mut Surroundings<'_>,
    ) -> Result<Self::Signed, Self::Error>;
}

/// Carries `flow` out with the card on `channel`, under one entry of its PIN.
///
/// # Errors
/// Those of the card and its PIN, and of the flow.
pub(super) fn under_one_pin<F: CardFlow>(
    flow: &mut F,
    channel: impl CardChannel,
    length: ApduLength,
    wanted: Wanted<'_>,
    around: &mut Surroundings<'_>,
) -> Result<F::Signed, F::Error> {
    // A PIN that was wrong is not forgotten when everything begins again: it is not sent once more.
    let mut wrong = Vec::new();
    restarting(channel, length, around, |channel, way, around| {
        around.ui.step(Step::ReadCard);
        let mut egk = way.open(channel, around)?;
        let certificate = read_certificate::<_, F::Error>(&mut egk, way, around)?;
        let certificate = usable(&certificate, wanted, (around.clock)())?;
        flow.meet(&mut egk, &certificate)?;
        around.ui.step(Step::ReadPinStatus);
        let (attempt, tries_left) = leave_to_verify(&mut egk, way, around)?;
        let pin = ask_for_pin(&mut egk, tries_left, &wrong, around).map_err(PinError::from)?;
        flow.prepare(way.can(), around)?;
        around.ui.step(Step::VerifyPin);
        let verified = verify_pin(&mut egk, attempt, pin, &mut wrong, around).map_err(F::Error::from);
        let signed = verified.and_then(|()| flow.sign(&mut egk, &certificate, around));
        let forgotten = forget_pin(&mut egk);
        let signed = signed?;
        forgotten?;
        Ok(signed)
    })
}

/// Does with the chip of a card that will do what needs no PIN. The card's certificate says whose it is to this person
/// only, who is told that it is the wrong one.
///
/// # Errors
/// Those of the card, and of `work`.
pub(super) fn with_chip<C: CardChannel, T, E: FromCard + From<PinError> + From<CardRefusal>>(
    channel: C,
    length: ApduLength,
    wanted: Wanted<'_>,
    around: &mut Surroundings<'_>,
    mut work: impl FnMut(&Way, &mut Egk<&mut C>, &mut Surroundings<'_>) -> Result<T, E>,
) -> Result<T, E> {
    restarting(channel, length, around, |channel, way, around| {
        around.ui.step(Step::ReadCard);
        let mut egk = way.open(channel, around)?;
        let certificate = read_certificate::<_, E>(&mut egk, way, around)?;
        usable(&certificate, wanted, (around.clock)())?;
        work(way, &mut egk, around)
    })
}

/// The card's certificate; over a secured line where the card wants one.
fn read_certificate<C: CardChannel, E: FromCard + From<PinError>>(
    egk: &mut Egk<C>,
    way: &mut Way,
    around: &mut Surroundings<'_>,
) -> Result<Vec<u8>, E> {
    let certificate = match egk.read_certificate() {
        Err(EgkError::Contactless) => {
            way.secure(egk, around).map_err(PinError::from)?;
            egk.read_certificate()?
        }
        certificate => certificate?,
    };
    Ok(certificate.der().to_vec())
}

/// The card's certificate, where it will do.
fn usable(der: &[u8], wanted: Wanted<'_>, now: NumericDate) -> Result<Certificate, CardRefusal> {
    let certificate = Certificate::parse(der)?;
    let holder = certificate.holder()?;
    let now = OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    if wanted.kvnr.is_some_and(|kvnr| kvnr != &holder.kvnr) {
        Err(CardRefusal::OtherPerson)
    } else if !wanted.payer_iks.contains(&holder.payer_ik) {
        Err(CardRefusal::OtherInsurer { insurer: holder.organization })
    } else if CardKey::of(&certificate.public_key).is_none() {
        Err(CardRefusal::Key)
    } else if now > certificate.not_after {
        Err(CardRefusal::Expired)
    } else {
        Ok(certificate)
    }
}
