//! What the operator decides about letters.

use std::path::PathBuf;

/// Letters: who sends them, what they say, where they are put. In the texts `{insurer}` and `{hotline}` stand for the
/// insurer's name and telephone number, and `{date}` for the last day on which the password is valid; blank lines part
/// paragraphs.
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
    /// Subject of the letter with the initial password.
    pub password_subject: String,
    /// What stands before the password.
    pub password_text: String,
    /// What stands after it.
    pub password_rules: String,
}

impl Default for LetterSettings {
    fn default() -> Self {
        Self {
            outbox: None,
            sender: String::new(),
            invite: true,
            batch: 500,
            password_subject: "Ihr Initialpasswort".to_owned(),
            password_text: "mit diesem Initialpasswort melden Sie sich das erste Mal bei Ihrem Online-Konto an. Dazu \
                            brauchen Sie auch Ihre Versichertennummer: einen großen Buchstaben und neun Ziffern. Sie \
                            steht auf Ihrer Gesundheitskarte."
                .to_owned(),
            password_rules: "Geben Sie alle Zeichen ohne Leerzeichen ein, große Buchstaben groß und kleine klein.\n\n\
                             Das Initialpasswort gilt einmal und bis zum {date}. Gleich nach der Anmeldung wählen Sie \
                             ein eigenes Passwort. Von da an gilt nur noch dieses, auf unserer Internetseite wie im \
                             Programm auf Ihrem Computer.\n\n\
                             Geben Sie das Passwort niemandem weiter. Wir fragen Sie nie danach, auch nicht am \
                             Telefon. Haben Sie diesen Brief nicht erwartet oder war er geöffnet, rufen Sie uns an."
                .to_owned(),
        }
    }
}
