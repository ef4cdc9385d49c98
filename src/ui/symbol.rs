//! A QR symbol on a terminal: two modules one above the other are one character, dark on light whatever the colours of the
//! terminal are, so that it can be photographed from a dark one, too.

use qrcodegen::{QrCode, QrCodeEcc};
use zeroize::Zeroizing;

use crate::secret::SecretText;

/// Modules of nothing around a symbol (ISO/IEC 18004, 6.3.8).
const QUIET_ZONE: i32 = 4;
/// Black on white by number: the named colours are what the person likes.
const DARK_ON_LIGHT: &str = "\u{1b}[38;5;16;48;5;231m";
const AS_BEFORE: &str = "\u{1b}[0m";

/// A symbol in lines of a terminal. It says what its text says and is as secret.
pub struct TerminalSymbol(Vec<Zeroizing<String>>);

crate::secret::masked!(TerminalSymbol);

impl TerminalSymbol {
    /// The symbol of a text; `None` where the text is too long for any, or lines of `columns` characters do not hold it.
    pub fn of(text: &SecretText, columns: usize) -> Option<Self> {
        // A screen has neither folds nor stains.
        let symbol = QrCode::encode_text(text.expose(), QrCodeEcc::Low).ok()?;
        let side = QUIET_ZONE..symbol.size() + QUIET_ZONE;
        let all = 0..side.end + QUIET_ZONE;
        if usize::try_from(all.end).ok()? > columns {
            return None;
        }
        let is_dark = |x: i32, y: i32| {
            side.contains(&x) && side.contains(&y) && symbol.get_module(x - QUIET_ZONE, y - QUIET_ZONE)
        };
        let lines = all.clone().step_by(2).map(|y| {
            // Room from the beginning: no half of a line is left where it grew out of.
            let mut line = Zeroizing::new(String::with_capacity(
                all.len() * '█'.len_utf8() + DARK_ON_LIGHT.len() + AS_BEFORE.len(),
            ));
            line.push_str(DARK_ON_LIGHT);
            line.extend(all.clone().map(|x| match (is_dark(x, y), is_dark(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            }));
            line.push_str(AS_BEFORE);
            line
        });
        Some(Self(lines.collect()))
    }

    /// The lines from top to bottom, for the one place that shows them.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|line| line.as_str())
    }
}
