//! A QR symbol on a terminal: two modules one above the other are one character, dark on light whatever the colours of the
//! terminal are, so that it can be photographed from a dark one, too.

use qrcodegen::{QrCode, QrCodeEcc};
use zeroize::Zeroizing;

use crate::secret::SecretText;

/// Modules of nothing around a symbol (ISO/IEC 18004).
const QUIET_ZONE: i32 = 4;
/// Black on white by number: the named colours are what the person likes.
const DARK_ON_LIGHT: &str = "\u{1b}[38;5;16;48;5;231m";
const AS_BEFORE: &str = "\u{1b}[0m";

/// A symbol in lines of a terminal. It says what its text says and is as secret: the lines are wiped. The modules from which
/// they are drawn are freed as they are, as `qrcodegen` gives nobody its memory to wipe.
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

#[cfg(test)]
mod tests {
    use image::{GrayImage, ImageFormat, Luma};
    use rand_core::UnwrapErr;

    use super::*;
    use crate::client::qr;
    use crate::protocol::qr::LetterCode;

    /// The lines as a terminal shows them, each half of a character four pixels high and wide.
    fn pixels(symbol: &TerminalSymbol) -> Vec<u8> {
        let bare = |line: &str| line.strip_prefix(DARK_ON_LIGHT).unwrap().strip_suffix(AS_BEFORE).unwrap().to_owned();
        let lines: Vec<Vec<char>> = symbol.lines().map(|line| bare(line).chars().collect()).collect();
        let (width, height) = (lines[0].len() * 4, lines.len() * 8);
        let image = GrayImage::from_fn(width.try_into().unwrap(), height.try_into().unwrap(), |x, y| {
            let [x, y] = [x, y].map(|at| usize::try_from(at).unwrap() / 4);
            let dark = if y % 2 == 0 { ['█', '▀'] } else { ['█', '▄'] };
            Luma([if dark.contains(&lines[y / 2][x]) { 0 } else { 255 }])
        });
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn what_a_terminal_shows_reads_as_the_code_however_long_the_services_name_is() {
        let rng = &mut UnwrapErr(getrandom::SysRng);
        let long = format!("https://{}.example:65535", "a".repeat(243));
        for (service, columns) in
            [("http://127.0.0.1:8470", 45), ("https://konto.musterkasse.example", 49), (&long, 80)]
        {
            let code = LetterCode::random(service, rng).unwrap();
            let symbol = TerminalSymbol::of(&code.text(), columns).unwrap();
            let read = qr::from_bytes(&pixels(&symbol), service).unwrap();
            assert_eq!(read.text().expose(), code.text().expose());
            assert!(TerminalSymbol::of(&code.text(), 36).is_none(), "a line that breaks shows nothing");
        }
        let endless = SecretText::new("A".repeat(5000));
        assert!(TerminalSymbol::of(&endless, usize::MAX).is_none());
    }
}
