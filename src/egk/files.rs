//! Reading files in as few commands as the way to the card allows.

use super::key::Kind;
use super::{AID_EGK, ApduLength, DF_ESIGN, DF_HCA, Egk, EgkError, Iccsn};
use crate::apdu::commands::{self, Aid, Sfi};
use crate::apdu::{NE_EXTENDED, NE_SHORT, ResponseApdu, StatusWord};
use crate::reader::secure::SecureMessagingError;
use crate::reader::{CardChannel, ChannelError};

/// A transparent file, and how its content says how long it is.
pub(super) struct File {
    name: &'static str,
    application: Aid,
    sfi: Sfi,
    max: usize,
    /// What is asked for at first: everything, or the exact length where the specification fixes it, which is shorter on
    /// the line.
    first: u32,
    /// Length of the content in bytes, told from its first bytes; `None` when they make no sense.
    length: fn(&[u8]) -> Option<usize>,
}

const EF_STATUS_VD: File =
    File { name: "EF.StatusVD", application: DF_HCA, sfi: Sfi(0x0C), max: 25, first: 25, length: |_| Some(25) };
const EF_PD: File =
    File { name: "EF.PD", application: DF_HCA, sfi: Sfi(0x01), max: 850, first: NE_EXTENDED, length: length_of_pd };
const EF_VD: File =
    File { name: "EF.VD", application: DF_HCA, sfi: Sfi(0x02), max: 1250, first: NE_EXTENDED, length: length_of_vd };
const EF_C_CH_AUT_E256: File = File {
    name: "EF.C.CH.AUT.E256",
    application: DF_ESIGN,
    sfi: Sfi(0x04),
    max: 4096,
    first: NE_EXTENDED,
    length: length_of_der,
};
const EF_C_CH_AUT_R2048: File = File { name: "EF.C.CH.AUT.R2048", sfi: Sfi(0x01), ..EF_C_CH_AUT_E256 };
/// All of it fits a short answer, sealed or not.
pub(super) const EF_C_EGK_AUT_CVC_E256: File = File {
    name: "EF.C.eGK.AUT_CVC.E256",
    application: AID_EGK,
    sfi: Sfi(0x06),
    max: 512,
    first: NE_SHORT,
    length: length_of_cvc,
};
pub(super) const EF_C_CA_EGK_CS_E256: File =
    File { name: "EF.C.CA_eGK.CS.E256", sfi: Sfi(0x07), ..EF_C_EGK_AUT_CVC_E256 };

/// The certificate file a card has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EfCChAut {
    /// On brainpoolP256r1 (DER).
    E256(Vec<u8>),
    /// RSA, on cards of generation 2 (DER).
    R2048(Vec<u8>),
}

impl EfCChAut {
    /// The certificate (DER).
    pub fn der(&self) -> &[u8] {
        match self {
            Self::E256(der) | Self::R2048(der) => der,
        }
    }
}

/// What is read from a card without any PIN. The bytes are the files' content; `identity` reads them.
#[allow(missing_debug_implementations, reason = "all of it is personal")]
pub struct CardFiles {
    /// Card number.
    pub iccsn: Iccsn,
    /// EF.StatusVD.
    pub status_vd: Vec<u8>,
    /// EF.PD up to the end of its content.
    pub pd: Vec<u8>,
    /// EF.VD up to the end of its content.
    pub vd: Vec<u8>,
    /// C.CH.AUT.
    pub certificate: EfCChAut,
}

impl<C: CardChannel> Egk<C> {
    /// Reads everything that needs no PIN: EF.GDO, EF.StatusVD, EF.PD, EF.VD and C.CH.AUT.
    ///
    /// # Errors
    /// The line is gone, or a file is not what the specification says.
    pub fn read_files(&mut self) -> Result<CardFiles, EgkError> {
        Ok(CardFiles {
            iccsn: self.iccsn()?,
            status_vd: self.read(&EF_STATUS_VD)?,
            pd: self.read_pd()?,
            vd: self.read_vd()?,
            certificate: self.read_certificate()?,
        })
    }

    /// Reads EF.PD alone: the person.
    ///
    /// # Errors
    /// The line is gone, or the file is not what the specification says.
    pub fn read_pd(&mut self) -> Result<Vec<u8>, EgkError> {
        self.read(&EF_PD)
    }

    /// Reads EF.VD alone: the insurance data, and where the card has it, the copy of the protected ones.
    ///
    /// # Errors
    /// The line is gone, or the file is not what the specification says.
    pub fn read_vd(&mut self) -> Result<Vec<u8>, EgkError> {
        self.read(&EF_VD)
    }

    /// Reads C.CH.AUT: the one on brainpoolP256r1, else the RSA one.
    ///
    /// # Errors
    /// [`EgkError::NoCertificate`] when the card has neither.
    pub fn read_certificate(&mut self) -> Result<EfCChAut, EgkError> {
        self.set_key(Kind::E256);
        match self.read(&EF_C_CH_AUT_E256) {
            Err(error) if is_missing(&error) => self.set_key(Kind::R2048),
            other => return other.map(EfCChAut::E256),
        }
        match self.read(&EF_C_CH_AUT_R2048) {
            Err(error) if is_missing(&error) => Err(EgkError::NoCertificate),
            other => other.map(EfCChAut::R2048),
        }
    }

    fn set_key(&mut self, key: Kind) {
        self.key_selected &= self.key == key;
        self.key = key;
    }

    /// Reads one file up to the end of its content.
    pub(super) fn read(&mut self, file: &File) -> Result<Vec<u8>, EgkError> {
        let malformed = || EgkError::Malformed { file: file.name };
        self.reachable()?;
        self.select(file.application)?;
        let first = self.read_first(file.sfi, file.first)?;
        check_read(&first)?;
        let mut content = first.into_data();
        let length = (file.length)(&content).filter(|length| *length <= file.max).ok_or_else(malformed)?;
        let is_cut = content.len() < length && content.len() < self.ne() as usize;
        if is_cut && self.length == ApduLength::Extended {
            // The reader or the card cut the answer: what is left comes in short APDUs.
            self.set_length(ApduLength::Short);
        }
        while content.len() < length {
            let offset = u16::try_from(content.len()).map_err(|_| malformed())?;
            let missing = u32::try_from(length - content.len()).map_err(|_| malformed())?;
            let next = self.transmit(&commands::read_binary(offset, missing.min(self.ne())))?;
            let is_behind = next.status() == StatusWord::OFFSET_TOO_BIG;
            if !is_behind {
                check_read(&next)?;
            }
            if is_behind || next.data().is_empty() {
                return Err(malformed()); // the file ends before its content does
            }
            content.extend_from_slice(next.data());
        }
        content.truncate(length);
        Ok(content)
    }

    /// Sends the first READ BINARY of a file, for at most `most` bytes. A reader or card that refuses the length is noticed
    /// here, once, and all that follows is sent in the shorter form.
    pub(super) fn read_first(&mut self, sfi: Sfi, most: u32) -> Result<ResponseApdu, EgkError> {
        loop {
            let asked = self.ne().min(most);
            let is_secured = self.channel.is_secured();
            match self.channel.transmit(&commands::read_binary_sfi(sfi, asked)) {
                Ok(answer) if answer.status() == StatusWord::WRONG_LENGTH => match self.length.shorter_than(asked) {
                    Some(shorter) => self.set_length(shorter),
                    None => return Ok(answer),
                },
                // In a secured line the reader's refusal has no seal, and a reset ends the session.
                Err(ChannelError::Unprotected(SecureMessagingError::Unprotected(StatusWord::WRONG_LENGTH)))
                    if self.length != ApduLength::Short255 =>
                {
                    let shorter = self.length.shorter_than(asked).unwrap_or(ApduLength::Short255);
                    return Err(EgkError::TooLong { shorter });
                }
                Err(ChannelError::Interrupted(_) | ChannelError::Timeout) if asked > NE_SHORT && is_secured => {
                    return Err(EgkError::TooLong { shorter: ApduLength::Short });
                }
                Err(ChannelError::Interrupted(_) | ChannelError::Timeout) if asked > NE_SHORT => {
                    self.set_length(ApduLength::Short);
                    let application = self.selected.unwrap_or(AID_EGK);
                    self.reset()?;
                    self.select(application)?;
                }
                other => return Ok(other?),
            }
        }
    }
}

pub(super) fn check_read(answer: &ResponseApdu) -> Result<(), EgkError> {
    match answer.status() {
        StatusWord::OK | StatusWord::END_OF_FILE => Ok(()),
        // With contacts, every file that is read here is free.
        StatusWord::SECURITY_STATUS_NOT_SATISFIED => Err(EgkError::Contactless),
        status => Err(EgkError::UnexpectedStatus { command: "READ BINARY", status }),
    }
}

/// The file is not there, or nothing is in it: cards of two generations may have it without content.
fn is_missing(error: &EgkError) -> bool {
    const MISSING: [StatusWord; 2] = [StatusWord::FILE_NOT_FOUND, StatusWord::OFFSET_TOO_BIG];
    matches!(error, EgkError::UnexpectedStatus { command: "READ BINARY", status } if MISSING.contains(status))
}

/// EF.PD: two bytes length, then that many (gemSpec_eGK_Fach_VSDM, 2.3).
fn length_of_pd(content: &[u8]) -> Option<usize> {
    content.first_chunk().map(|length| 2 + usize::from(u16::from_be_bytes(*length)))
}

/// EF.VD: four offsets of two bytes, all inclusive from the file's first byte: VD begin and end, GVD begin and end.
/// Without GVD, both of its offsets are `FFFF` (from memory of the specification; no card with it was seen).
fn length_of_vd(content: &[u8]) -> Option<usize> {
    let [_, _, vd_hi, vd_lo, _, _, gvd_hi, gvd_lo] = content.first_chunk::<8>()?;
    let vd_end = u16::from_be_bytes([*vd_hi, *vd_lo]);
    let end = match u16::from_be_bytes([*gvd_hi, *gvd_lo]) {
        0xFFFF => vd_end,
        gvd_end => gvd_end.max(vd_end),
    };
    Some(usize::from(end) + 1)
}

/// A certificate: the length of its outer SEQUENCE (ITU-T X.690, 8.1.3, definite form).
fn length_of_der(content: &[u8]) -> Option<usize> {
    match content {
        [0x30, 0x82, hi, lo, ..] => Some(4 + usize::from(u16::from_be_bytes([*hi, *lo]))),
        [0x30, 0x81, length, ..] => Some(3 + usize::from(*length)),
        [0x30, length @ 0..=0x7F, ..] => Some(2 + usize::from(*length)),
        _ => None,
    }
}

/// A card-verifiable certificate: the length of its object `7F21`.
fn length_of_cvc(content: &[u8]) -> Option<usize> {
    match content {
        [0x7F, 0x21, 0x81, length, ..] => Some(4 + usize::from(*length)),
        [0x7F, 0x21, length @ 0..=0x7F, ..] => Some(3 + usize::from(*length)),
        _ => None,
    }
}
