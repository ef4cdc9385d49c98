//! Laid out text as PDF: A4, the fonts in it, tagged for screen readers (PDF/UA-1).

use std::num::NonZeroU16;
use std::rc::Rc;

use krilla::configure::{Accessibility, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::{Path, PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, BBox, ContentTag, Identifier, SpanTag, Tag, TagGroup, TagTree, kind};
use krilla::{Document, SerializeSettings};
use zeroize::Zeroizing;

use super::typeset::{Face, Line};
use crate::protocol::api::NoticeLanguage;

/// Width and height of A4, in millimetres.
const PAGE: (f32, f32) = (210.0, 297.0);
/// Where the sheet is folded (DIN 5008, form B), and its middle, for the hole punch: from the top, in millimetres.
const MARKS: [f32; 3] = [105.0, 148.5, 210.0];

/// Text that belongs together, in the order it is read.
pub(super) struct Block<'a> {
    pub(super) role: Role,
    /// What is read out and copied, where it is not what is drawn.
    pub(super) says: Option<Zeroizing<String>>,
    pub(super) draws: Vec<Draw<'a>>,
    /// Drawn beside the text.
    pub(super) symbol: Option<Symbol>,
}

/// What a block is to a screen reader.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Heading,
    Paragraph,
    /// A picture: what it shows is said by `says`.
    Figure,
    /// Stands on the paper only.
    Artifact,
}

/// A QR symbol at its place; lengths in points.
pub(super) struct Symbol {
    pub(super) page: usize,
    /// Upper left corner, without the quiet zone.
    pub(super) x: f32,
    pub(super) y: f32,
    /// Side of a module.
    pub(super) module: f32,
    /// Which modules are dark, row by row.
    pub(super) rows: Zeroizing<Vec<Vec<bool>>>,
}

impl Symbol {
    fn side(&self) -> f32 {
        modules(self.rows.len()) * self.module
    }

    /// A rectangle for each run of dark modules in a row.
    fn path(&self) -> Option<Path> {
        let mut path = PathBuilder::new();
        for (row, y) in self.rows.iter().zip(0..) {
            let mut x = 0;
            for run in row.chunk_by(|a, b| a == b) {
                if run.first() == Some(&true) {
                    let (left, top) = (self.x + modules(x) * self.module, self.y + modules(y) * self.module);
                    path.push_rect(Rect::from_xywh(left, top, modules(run.len()) * self.module, self.module)?);
                }
                x += run.len();
            }
        }
        path.finish()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a symbol has at most 177 modules")]
fn modules(number: usize) -> f32 {
    number as f32
}

/// A line at its place; lengths in points, from the upper left corner to the start of the base line.
pub(super) struct Draw<'a> {
    pub(super) page: usize,
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) size: f32,
    pub(super) face: &'a Face,
    pub(super) line: Rc<Line>,
}

/// Millimetres in points.
pub(super) fn mm(millimetres: f32) -> f32 {
    millimetres * 72.0 / 25.4
}

/// The document; `None` where the program has a defect, for whatever may be wrong with a text was found before.
pub(super) fn render(
    blocks: &[Block<'_>],
    pages: usize,
    title: &str,
    language: NoticeLanguage,
) -> Option<Zeroizing<Vec<u8>>> {
    let language = language.as_str().to_owned(); // BCP 47
    let configuration = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish().ok()?;
    let mut document = Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    let metadata = Metadata::new().title(title.to_owned()).language(language.clone());
    document.set_metadata(metadata.producer(concat!("Kartenbund ", env!("CARGO_PKG_VERSION")).to_owned()));
    let mut identifiers: Vec<Vec<Identifier>> = blocks.iter().map(|_| Vec::new()).collect();
    for number in 0..pages {
        let mut page = document.start_page_with(PageSettings::from_wh(mm(PAGE.0), mm(PAGE.1))?);
        let mut surface = page.surface();
        marks(&mut surface)?;
        for (block, identifiers) in blocks.iter().zip(&mut identifiers) {
            identifiers.extend(draw(&mut surface, block, number)?);
        }
    }
    let mut tree = TagTree::new().with_lang(Some(language));
    for (block, identifiers) in blocks.iter().zip(identifiers) {
        let mut group = match block.role {
            Role::Artifact => continue,
            Role::Heading => TagGroup::new(Tag::Hn(NonZeroU16::MIN, Some(title.to_owned()))),
            Role::Paragraph => TagGroup::new(Tag::P),
            Role::Figure => TagGroup::new(figure(block)?),
        };
        identifiers.into_iter().for_each(|identifier| group.push(identifier));
        tree.push(group);
    }
    document.set_tag_tree(tree);
    // The standard wants an outline: the way to the first page, under the title.
    let mut outline = Outline::new();
    outline.push_child(OutlineNode::new(title.to_owned(), XyzDestination::new(0, Point::from_xy(0.0, 0.0))));
    document.set_outline(outline);
    document.finish().ok().map(Zeroizing::new)
}

/// A figure says what it shows, and where it is.
fn figure(block: &Block<'_>) -> Option<Tag<kind::Figure>> {
    let symbol = block.symbol.as_ref()?;
    let rectangle = Rect::from_xywh(symbol.x, symbol.y, symbol.side(), symbol.side())?;
    let says = block.says.as_ref().map(|says| says.as_str().to_owned());
    Some(Tag::Figure(says).with_bbox(Some(BBox::new(symbol.page, rectangle))))
}

/// Draws what stands of `block` on this page; `None` where the program has a defect.
fn draw(surface: &mut Surface<'_>, block: &Block<'_>, page: usize) -> Option<Vec<Identifier>> {
    let draws: Vec<_> = block.draws.iter().filter(|draw| draw.page == page).collect();
    let symbol = block.symbol.as_ref().filter(|symbol| symbol.page == page);
    if draws.is_empty() && symbol.is_none() {
        return Some(Vec::new());
    }
    let tag = match block.role {
        Role::Figure => ContentTag::Other,
        Role::Artifact => ContentTag::Artifact(Artifact::with_kind(ArtifactType::Footer)),
        _ => ContentTag::Span(SpanTag::empty().with_actual_text(block.says.as_ref().map(|says| says.as_str()))),
    };
    let identifier = surface.start_tagged(tag);
    for Draw { x, y, size, face, line, .. } in draws {
        surface.set_fill(Some(Fill::default()));
        let start = Point::from_xy(*x, *y);
        surface.draw_glyphs(start, &line.glyphs, face.font.clone(), &line.text, *size, false);
    }
    if let Some(symbol) = symbol {
        surface.set_fill(Some(Fill::default()));
        surface.draw_path(&symbol.path()?);
    }
    surface.end_tagged();
    Some(if block.role == Role::Artifact { Vec::new() } else { vec![identifier] })
}

fn marks(surface: &mut Surface<'_>) -> Option<()> {
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Page)));
    surface.set_fill(None);
    surface.set_stroke(Some(Stroke { width: 0.4, ..Stroke::default() }));
    for mark in MARKS {
        surface.draw_path(&dash(mm(mark))?);
    }
    surface.set_stroke(None);
    surface.end_tagged();
    Some(())
}

fn dash(y: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(mm(4.0), y);
    path.line_to(mm(8.0), y);
    path.finish()
}
