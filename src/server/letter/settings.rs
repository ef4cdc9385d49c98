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
    /// How many days an initial password holds, from the day its letter is made.
    pub password_days: u16,
    /// How many days before their insurance begins members are invited.
    pub invite_days: u16,
    /// How many letters with an initial password all strangers together may order for an account in 30 days.
    pub of_strangers: u8,
    /// How many days a code for a device holds.
    pub code_days: u16,
}

impl Default for LetterSettings {
    fn default() -> Self {
        Self {
            outbox: None,
            sender: String::new(),
            invite: true,
            batch: 500,
            password_days: 60,
            invite_days: 14,
            of_strangers: 2,
            code_days: 90,
        }
    }
}
