//! READ BINARY (gemSpec_COS, 14.3.2).

use super::super::image::{FileKind, Image};
use super::{Answer, Command, Session};
use crate::apdu::{ResponseApdu, StatusWord};

impl Session {
    /// P1 holds a short file identifier (bit 8) and P2 the offset, or both hold the offset into the current file.
    pub(super) fn read_binary(&mut self, image: &Image, header: [u8; 4], command: &[u8]) -> Answer {
        let [_, _, p1, p2] = header;
        if p1 & 0xE0 > 0x80 {
            return Err(StatusWord::WRONG_P1_P2);
        }
        let command = Command::parse(command)?;
        let ne = command.ne_only()?;
        let files = &image.folder(self.folder).files;
        let offset = if p1 & 0x80 == 0 {
            usize::from(u16::from_be_bytes([p1, p2]))
        } else {
            let sfi = Some(p1 & 0x1F);
            let file = files.iter().position(|file| file.sfi == sfi);
            self.file = Some(file.ok_or(StatusWord::FILE_NOT_FOUND)?);
            usize::from(p2)
        };
        let file = self.file.and_then(|index| files.get(index)).ok_or(StatusWord::NO_CURRENT_EF)?;
        let FileKind::Transparent(content) = &file.kind else { return Err(StatusWord::WRONG_FILE_TYPE) };
        self.authorise(image, self.folder, &file.guard, header)?;
        let ends = image.ways.end_of_file;
        // An empty file has nothing at offset 0 either.
        let rest = content.get(offset..).filter(|rest| !rest.is_empty());
        let rest = match ends {
            Some(StatusWord::END_OF_FILE) => rest.unwrap_or_default(),
            _ => rest.ok_or(StatusWord::OFFSET_TOO_BIG)?,
        };
        // Only who names a number of bytes is told that there are fewer, unless the card has its own way.
        let tells = ends.map_or(!command.wildcard, |ends| ends == StatusWord::END_OF_FILE);
        let status = if ne > rest.len() && tells { StatusWord::END_OF_FILE } else { StatusWord::OK };
        Ok(ResponseApdu::new(rest.get(..ne).unwrap_or(rest), status))
    }
}
