//! SELECT (gemSpec_COS, 14.2.6), and what it answers about a file: the file control parameters.

use iso7816_tlv::ber::{Tag, Tlv, Value};

use super::super::access::LifeCycle;
use super::super::image::{File, FileKind, Folder, FolderId, Image};
use super::{Answer, Command, Session};
use crate::apdu::{ResponseApdu, StatusWord};

/// `6285`: selected, but out of use for ever.
const FILE_TERMINATED: StatusWord = StatusWord(0x6285);

/// What a SELECT found: any folder, or a file of the current one.
enum Found<'image> {
    Folder(FolderId, &'image Folder),
    File(usize, &'image File),
}

impl Found<'_> {
    fn life_cycle(&self) -> LifeCycle {
        match self {
            Self::Folder(_, folder) => folder.life_cycle,
            Self::File(_, file) => file.guard.life_cycle,
        }
    }
}

impl Session {
    pub(super) fn select(&mut self, image: &Image, header: [u8; 4], command: &[u8]) -> Answer {
        let (p1, wants_fcp) = match header {
            [_, _, p1 @ 0x01..=0x04, 0x04] => (p1, true),
            [_, _, p1 @ 0x01..=0x04, 0x0C] => (p1, false),
            _ => return Err(StatusWord::WRONG_P1_P2),
        };
        let command = Command::parse(command)?;
        if wants_fcp != command.apdu.ne().is_some() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let files = &image.folder(self.folder).files;
        let found = match (p1, command.apdu.data()) {
            (0x01, &[hi, lo]) => {
                let fid = Some(u16::from_be_bytes([hi, lo]));
                let mut children = image.folders().filter(|(_, folder)| folder.parent == Some(self.folder));
                children.find(|(_, folder)| folder.fid == fid).map(|(id, folder)| Found::Folder(id, folder))
            }
            (0x02, &[hi, lo]) => {
                let fid = Some(u16::from_be_bytes([hi, lo]));
                files.iter().enumerate().find(|(_, file)| file.fid == fid).map(|(index, file)| Found::File(index, file))
            }
            (0x03, []) => image.folder(self.folder).parent.map(|id| Found::Folder(id, image.folder(id))),
            (0x04, []) => Some(Found::Folder(FolderId::ROOT, image.folder(FolderId::ROOT))),
            (0x04, aid) => {
                let mut folders = image.folders();
                let found = folders.find(|(_, folder)| folder.aids.iter().any(|own| own == aid));
                found.map(|(id, folder)| Found::Folder(id, folder))
            }
            _ => return Err(StatusWord::WRONG_LENGTH),
        };
        let found = found.ok_or(StatusWord::FILE_NOT_FOUND)?;
        let answer = match (&found, wants_fcp) {
            (_, false) => Vec::new(),
            (Found::Folder(_, folder), true) => fcp_of_folder(folder),
            (Found::File(_, file), true) => fcp_of_file(file),
        };
        if wants_fcp && command.ne()? < answer.len() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let status = match found.life_cycle() {
            LifeCycle::Activated => StatusWord::OK,
            LifeCycle::Deactivated => StatusWord::FILE_DEACTIVATED,
            LifeCycle::Terminated => FILE_TERMINATED,
        };
        match found {
            Found::Folder(id, _) => self.enter(image, id),
            Found::File(index, _) => self.file = Some(index),
        }
        Ok(ResponseApdu::new(answer, status))
    }

    /// Makes `folder` the current one. No file and no key is selected in it yet, and passwords of folders that are left
    /// do not count any more (from memory of the specification); those of the MF always do.
    fn enter(&mut self, image: &Image, folder: FolderId) {
        self.folder = folder;
        self.file = None;
        self.key = None;
        self.authentication_key = None;
        self.verified.retain(|(id, _)| image.is_on_path(id.folder, folder));
    }
}

/// File control parameters (ISO/IEC 7816-4, 7.4.3). The access rules (`A1`) are left out.
fn fcp_of_folder(folder: &Folder) -> Vec<u8> {
    let fid = folder.fid.map(|fid| object(0x83, fid.to_be_bytes()));
    let aids = folder.aids.iter().map(|aid| object(0x84, aid.as_slice()));
    let objects = [object(0x82, [0x78])].into_iter().chain(fid).chain([life_cycle(folder.life_cycle)]).chain(aids);
    template(objects)
}

fn fcp_of_file(file: &File) -> Vec<u8> {
    let descriptor = match file.kind {
        FileKind::Transparent(_) => 0x41,
        FileKind::LinearFixed => 0x42,
        FileKind::LinearVariable => 0x44,
        FileKind::Cyclic => 0x46,
    };
    let end = match &file.kind {
        FileKind::Transparent(content) => Some(object(0xC5, two_bytes(content.len()))),
        _ => None,
    };
    let fid = file.fid.map(|fid| object(0x83, fid.to_be_bytes()));
    let sfi = file.sfi.map(|sfi| object(0x88, [sfi << 3]));
    let objects = [object(0x80, two_bytes(file.allocated)), object(0x82, [descriptor])].into_iter().chain(fid);
    template(objects.chain(sfi).chain([life_cycle(file.guard.life_cycle)]).chain(end))
}

/// Life cycle status byte (ISO/IEC 7816-4, 7.4.10).
fn life_cycle(state: LifeCycle) -> Option<Tlv> {
    let byte = match state {
        LifeCycle::Activated => 0x05,
        LifeCycle::Deactivated => 0x04,
        LifeCycle::Terminated => 0x0C,
    };
    object(0x8A, [byte])
}

fn object(tag: u8, value: impl Into<Vec<u8>>) -> Option<Tlv> {
    Tlv::new(Tag::try_from(tag).ok()?, Value::Primitive(value.into())).ok()
}

fn template(objects: impl Iterator<Item = Option<Tlv>>) -> Vec<u8> {
    let template =
        Tag::try_from(0x62_u8).ok().and_then(|tag| Tlv::new(tag, Value::Constructed(objects.flatten().collect())).ok());
    template.map(|template| template.to_vec()).unwrap_or_default()
}

fn two_bytes(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes()
}
