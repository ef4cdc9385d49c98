//! Letters with codes, as people see them: the paper, a picture of it, and the groups to type.

use std::path::{Path, PathBuf};
use std::process::Command;

use kartenbund::client::qr;
use kartenbund::client::register::register_with_code;
use kartenbund::protocol::qr::LetterCode;

use super::*;

impl World {
    /// All letters that are handed over.
    pub fn letters(&self) -> Vec<PathBuf> {
        let outbox = self.folder.path().join("service/outbox");
        let entries =
            |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries(&outbox).filter(|path| path.is_dir()).flat_map(|batch| entries(&batch)).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "pdf"));
        files.sort();
        files
    }

    /// A letter with a code for a device, ordered by an operator and made.
    pub fn letter_with_code(&self, person: &str) -> PathBuf {
        assert_eq!(self.order_device_code(person), Ok(Ordered::Yes));
        let letters = self.new_letters();
        let mut letters: Vec<_> = letters.into_iter().filter(|letter| groups_in(letter).is_some()).collect();
        assert_eq!(letters.len(), 1);
        letters.remove(0)
    }

    /// The letters that `letters create` makes now.
    pub fn new_letters(&self) -> Vec<PathBuf> {
        let before = self.letters();
        self.create_letters();
        let mut letters = self.letters();
        letters.retain(|letter| !before.contains(letter));
        letters
    }

    /// A day later, when the letter is printed that tells of the new device. Whoever is logged in still is.
    pub fn a_day_later(&self) {
        self.create_letters();
        self.stretch_sessions();
        self.clock.advance(24 * 60 * 60);
    }
}

/// What a program of this name writes.
pub fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("tools/setup.sh installs it");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The groups in a letter, where there are any.
pub fn groups_in(letter: &Path) -> Option<String> {
    let text = said_by("pdftotext", &[letter.to_str().unwrap(), "-"]);
    let words: Vec<_> = text.split_whitespace().collect();
    let is_group = |word: &&str| word.len() == 5 && word.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    words.windows(9).find(|words| words.iter().all(is_group)).map(|groups| groups.join(" "))
}

/// A picture of a letter: `dpi` dots per inch, in the format of `pdftoppm` (`-png`, `-jpeg`).
pub fn picture_of(letter: &Path, dpi: &str, format: &str) -> PathBuf {
    let stem = letter.with_extension(format!("{dpi}{format}"));
    said_by("pdftoppm", &["-r", dpi, format, "-singlefile", letter.to_str().unwrap(), stem.to_str().unwrap()]);
    let extension = if format == "-jpeg" { "jpg" } else { "png" };
    PathBuf::from(format!("{}.{extension}", stem.display()))
}

impl Computer {
    /// The code of these groups, as it is typed here.
    pub fn typed_code(&self, groups: &str) -> LetterCode {
        let mut script = Script { letter_code: [groups.to_owned()].into(), ..Script::default() };
        self.with(&mut script, |around| qr::typed(&self.here.profile.service, around)).unwrap()
    }

    pub fn register_with(&self, code: &LetterCode) -> Result<DeviceAnswer, RegisterError> {
        self.with(&mut Script::default(), |around| register_with_code(&self.here, code, &wish(), around))
    }

    /// Registers with the code of a letter.
    pub fn register_by_letter(&self, letter: &Path) -> Result<DeviceAnswer, RegisterError> {
        self.register_with(&self.typed_code(&groups_in(letter).unwrap()))
    }
}
