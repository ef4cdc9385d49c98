//! Text as glyphs of the two fonts of letters: how wide it is, where a line breaks, and which character no font has.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{Direction, ShapePlan, UnicodeBuffer, script};

static SANS: &[u8] = include_bytes!("fonts/DejaVuSans.ttf");
static MONO: &[u8] = include_bytes!("fonts/DejaVuSansMono.ttf");

/// The fonts, read once for all letters.
pub(super) struct Fonts {
    pub(super) sans: Face,
    /// Every character is as wide as every other: for passwords.
    pub(super) mono: Face,
}

/// One font: as it is measured, and as it gets into the document.
pub(super) struct Face {
    shaper: rustybuzz::Face<'static>,
    plan: ShapePlan,
    pub(super) font: Font,
    /// Lines of texts that stand in many letters, by text, size and width.
    fixed: RefCell<HashMap<(String, u32, u32), Lines>>,
}

/// Lines of a text, from top to bottom.
pub(super) type Lines = Vec<Rc<Line>>;

/// A line as it is drawn.
pub(super) struct Line {
    pub(super) text: String,
    pub(super) glyphs: Vec<KrillaGlyph>,
    /// In units of the font size.
    width: f32,
}

/// This character is in no font of letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MissingCharacter;

impl Fonts {
    /// `None` only where the files of this program are no fonts.
    pub(super) fn built_in() -> Option<Self> {
        Some(Self { sans: Face::read(SANS)?, mono: Face::read(MONO)? })
    }
}

impl Face {
    fn read(bytes: &'static [u8]) -> Option<Self> {
        let font = Font::new(bytes.into(), 0)?;
        let shaper = rustybuzz::Face::from_slice(bytes, 0)?;
        // All that the fonts hold is Latin; to find that out for each word anew takes longer than all the rest.
        let plan = ShapePlan::new(&shaper, Direction::LeftToRight, Some(script::LATIN), None, &[]);
        Some(Self { shaper, plan, font, fixed: RefCell::default() })
    }

    /// One line, however wide.
    pub(super) fn line(&self, text: &str) -> Result<Rc<Line>, MissingCharacter> {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.set_direction(Direction::LeftToRight);
        buffer.set_script(script::LATIN);
        let shaped = rustybuzz::shape_with_plan(&self.shaper, &self.plan, buffer);
        let (infos, positions) = (shaped.glyph_infos(), shaped.glyph_positions());
        if infos.iter().any(|info| info.glyph_id == 0) {
            return Err(MissingCharacter);
        }
        #[expect(clippy::cast_precision_loss, reason = "lengths in units of a font are small")]
        let ems = |units: i32| units as f32 / self.font.units_per_em();
        // Characters that belong together come in the order of the text, and end where the next ones begin.
        let (mut start, mut end) = (text.len(), text.len());
        let glyph = |(info, position): (&rustybuzz::GlyphInfo, &rustybuzz::GlyphPosition)| {
            let cluster = info.cluster as usize;
            if cluster < start {
                (start, end) = (cluster, start);
            }
            KrillaGlyph::new(
                GlyphId::new(info.glyph_id),
                ems(position.x_advance),
                ems(position.x_offset),
                ems(position.y_offset),
                ems(position.y_advance),
                start..end,
                None,
            )
        };
        let mut glyphs: Vec<_> = infos.iter().zip(positions).rev().map(glyph).collect();
        glyphs.reverse();
        let width = glyphs.iter().map(|glyph| glyph.x_advance).sum();
        Ok(Rc::new(Line { text: text.to_owned(), glyphs, width }))
    }

    /// As [`Self::lines`], for a text that stands in many letters and says nothing about anybody: it is laid out once.
    pub(super) fn fixed_lines(&self, text: &str, size: f32, width: f32) -> Result<Lines, MissingCharacter> {
        let key = (text.to_owned(), size.to_bits(), width.to_bits());
        if let Some(lines) = self.fixed.borrow().get(&key) {
            return Ok(lines.clone());
        }
        let lines = self.lines(text, size, width)?;
        self.fixed.borrow_mut().insert(key, lines.clone());
        Ok(lines)
    }

    /// A paragraph in lines of at most `width` points. Lines break at blanks, and where the text does; a word that is
    /// wider than a line breaks where it has to.
    pub(super) fn lines(&self, text: &str, size: f32, width: f32) -> Result<Lines, MissingCharacter> {
        let blank = self.line(" ")?.width(size);
        let mut lines = Vec::new();
        for given in text.split('\n') {
            let (mut line, mut used) = (String::new(), 0.0);
            for word in given.split_whitespace() {
                for (piece, needed) in self.pieces(word, size, width)? {
                    if !line.is_empty() && used + blank + needed > width {
                        lines.push(self.line(&std::mem::take(&mut line))?);
                    }
                    if line.is_empty() {
                        used = needed;
                    } else {
                        line.push(' ');
                        used += blank + needed;
                    }
                    line.push_str(piece);
                }
            }
            if !line.is_empty() {
                lines.push(self.line(&line)?);
            }
        }
        Ok(lines)
    }

    /// The word itself, or its pieces where no line can hold it, and how wide they are.
    fn pieces<'a>(&self, word: &'a str, size: f32, width: f32) -> Result<Vec<(&'a str, f32)>, MissingCharacter> {
        let mut pieces = Vec::new();
        let mut rest = word;
        loop {
            let whole = self.line(rest)?.width(size);
            if whole <= width {
                pieces.push((rest, whole));
                return Ok(pieces);
            }
            let mut fitting = None;
            for (end, _) in rest.char_indices().skip(1) {
                let (piece, _) = rest.split_at(end);
                let narrow = self.line(piece)?.width(size);
                // One character at least, so that this comes to an end.
                if narrow > width && fitting.is_some() {
                    break;
                }
                fitting = Some((end, narrow));
            }
            let Some((end, narrow)) = fitting else {
                pieces.push((rest, whole)); // a single character, wider than a line
                return Ok(pieces);
            };
            let (piece, after) = rest.split_at(end);
            pieces.push((piece, narrow));
            rest = after;
        }
    }
}

impl Line {
    /// In points.
    pub(super) fn width(&self, size: f32) -> f32 {
        self.width * size
    }
}
