//! What the operator decides about letters.

use std::path::PathBuf;

/// Letters: who sends them, and where they are put.
#[derive(Clone, Debug)]
pub struct LetterSettings {
    /// Folder the print service takes letters from; `None` is `outbox` in the data folder.
    pub outbox: Option<PathBuf>,
    /// The sender in one line, as it stands above the recipient in the window; where it is empty, the insurer's name.
    pub sender: String,
    /// Whether everybody who is in the register and has no access yet gets an initial password with the next
    /// `letters create`; otherwise only those who ask for one.
    pub invite: bool,
    /// Letters in a folder that is handed over at once.
    pub batch: u16,
    /// How many days a code for a device holds.
    pub code_days: u16,
}

impl Default for LetterSettings {
    fn default() -> Self {
        Self { outbox: None, sender: String::new(), invite: true, batch: 500, code_days: 90 }
    }
}
