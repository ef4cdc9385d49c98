//! Where everything stands in a letter: DIN 5008, form B, for window envelopes. Lengths of the standard are in
//! millimetres, sizes of text in points.

use std::rc::Rc;

use qrcodegen::{QrCode, QrCodeEcc};
use thiserror::Error;
use time::Date;
use zeroize::Zeroizing;

use super::pdf::{Block, Draw, Role, Symbol, mm, render};
use super::settings::LetterSettings;
use super::sheet::{Contents, Recipient, character_name, date_in};
use super::typeset::{Face, Fonts, Line, Lines, MissingCharacter};
use crate::identity::vsd::Address;
use crate::protocol::api::NoticeLanguage;
use crate::secret::SecretText;
use crate::server::settings::Insurer;
use crate::server::texts::Texts;

const LEFT: f32 = 25.0;
const TEXT_WIDTH: f32 = 165.0;
const LETTERHEAD: f32 = 25.0;
/// The window shows 85 by 45 mm from 20 mm from the left and 45 mm from the top: the sender's address in one line, and
/// six lines below it.
const RETURN_ADDRESS: f32 = 60.5;
const ADDRESS: f32 = 67.0;
const ADDRESS_STEP: f32 = 4.5;
const ADDRESS_WIDTH: f32 = 75.0;
const MAX_ADDRESS_LINES: usize = 6;
/// Date and telephone, to the right of the window.
const INFORMATION: (f32, f32) = (125.0, 53.0);
const INFORMATION_WIDTH: f32 = 65.0;
const SUBJECT: f32 = 103.5;
const BODY: f32 = 113.0;
const BODY_OF_OTHER_PAGES: f32 = 25.0;
const BODY_END: f32 = 270.0;
const FOOTER: f32 = 284.0;

const SIZE: f32 = 10.5;
const LEADING: f32 = 14.5;
const PARAGRAPH: f32 = 6.5;
const INSURER_SIZE: f32 = 17.0;
const SUBJECT_SIZE: f32 = 12.5;
const SMALL: f32 = 7.0;
const PASSWORD_SIZE: f32 = 26.0;
const NAME_SIZE: f32 = 6.0;
const NAME_LEADING: f32 = 7.5;
/// How many characters of a password stand in a row.
const ROW: usize = 12;
/// Side of a module of a symbol in millimetres: a camera of any telephone reads it at arm's length.
const MODULE: f32 = 1.0;
/// Modules of nothing around a symbol.
const QUIET_ZONE: f32 = 4.0;
const GROUP_SIZE: f32 = 18.0;
const GROUP_LEADING: f32 = 24.0;
/// How many groups of a code stand in a row.
const GROUPS_IN_ROW: usize = 3;

/// Why there is no letter. It names nobody.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum LayoutError {
    /// A character of name, address or text is in no font.
    #[error("a character cannot be printed")]
    Character,
    /// The address has more lines than the window shows.
    #[error("the address does not fit into the window")]
    Address,
    /// The document could not be written: a defect of this program.
    #[error("the document could not be written")]
    Document,
}

impl From<MissingCharacter> for LayoutError {
    fn from(_: MissingCharacter) -> Self {
        Self::Character
    }
}

impl LayoutError {
    /// How the database and the audit name it.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Character => "character",
            Self::Address => "address",
            Self::Document => "document",
        }
    }
}

/// Makes the letters of one insurer.
pub(super) struct Printer<'a> {
    fonts: Fonts,
    insurer: &'a Insurer,
    settings: &'a LetterSettings,
    texts: &'a Texts,
}

/// A finished letter.
pub(super) struct Printed {
    pub(super) pdf: Zeroizing<Vec<u8>>,
    pub(super) pages: usize,
}

impl<'a> Printer<'a> {
    /// Reads the fonts.
    pub(super) fn new(
        insurer: &'a Insurer,
        settings: &'a LetterSettings,
        texts: &'a Texts,
    ) -> Result<Self, LayoutError> {
        Ok(Self { fonts: Fonts::built_in().ok_or(LayoutError::Document)?, insurer, settings, texts })
    }

    /// Whether a letter can be made at all: otherwise it is the settings that have to be mended, and no person's data.
    pub(super) fn try_out(&self) -> Result<(), LayoutError> {
        for text in self.texts.printed() {
            self.fonts.sans.lines(text, SIZE, mm(TEXT_WIDTH))?;
        }
        let address = Address {
            street: None,
            house_number: None,
            postal_code: None,
            city: "X".to_owned(),
            country: "D".to_owned(),
            supplement: None,
        };
        let to = Recipient { given_name: "X".to_owned(), family_name: "X".to_owned(), address };
        let contents = Contents::InitialPassword { password: SecretText::new("X".to_owned()), valid_until: Date::MIN };
        self.print(&to, Date::MIN, &contents, NoticeLanguage::De).map(drop)
    }

    /// Makes a letter.
    pub(super) fn print(
        &self,
        to: &Recipient,
        date: Date,
        contents: &Contents,
        language: NoticeLanguage,
    ) -> Result<Printed, LayoutError> {
        let fill = |name: &str, facts: &[(&str, &str)]| self.texts.fill(language, name, self.insurer, facts);
        let of = |letter: &str, part: &str, until: &Date| {
            fill(&format!("{letter}.{part}"), &[("date", &date_in(language, *until))])
        };
        let of_password = |part: &str, until: &Date| of("password_letter", part, until);
        let of_code = |part: &str, until: &Date| of("code_letter", part, until);
        let title = match contents {
            Contents::InitialPassword { valid_until, .. } => of_password("subject", valid_until),
            Contents::DeviceCode { valid_until, .. } => of_code("subject", valid_until),
            Contents::Notice { title, .. } => title.clone(),
        };
        let mut sheet = Sheet { fonts: &self.fonts, language, blocks: Vec::new(), page: 0, y: mm(SUBJECT) };
        self.head(&mut sheet, to, date)?;
        sheet.fixed_text(Role::Heading, &title, SUBJECT_SIZE)?;
        sheet.y = sheet.y.max(mm(BODY));
        sheet.text(Role::Paragraph, &fill("letter.salutation", &[("name", &to.name())]), SIZE)?;
        match contents {
            Contents::InitialPassword { password, valid_until } => {
                sheet.paragraphs(&of_password("before", valid_until), Sheet::fixed_text)?;
                sheet.password(password)?;
                sheet.paragraphs(&of_password("after", valid_until), Sheet::fixed_text)?;
            }
            Contents::DeviceCode { code, valid_until } => {
                sheet.paragraphs(&of_code("before", valid_until), Sheet::fixed_text)?;
                sheet.symbol(&code.text(), of_code("symbol", valid_until))?;
                sheet.paragraphs(&of_code("groups", valid_until), Sheet::fixed_text)?;
                sheet.groups(&code.groups())?;
                sheet.paragraphs(&of_code("after", valid_until), Sheet::fixed_text)?;
            }
            Contents::Notice { text, .. } => sheet.paragraphs(text, Sheet::text)?,
        }
        sheet.fixed_text(Role::Paragraph, &fill("letter.closing", &[]), SIZE)?;
        let pages = sheet.page + 1;
        for page in 0..pages {
            let numbers = [("page", (page + 1).to_string()), ("pages", pages.to_string())];
            let numbers = numbers.each_ref().map(|(name, number)| (*name, number.as_str()));
            let number = if pages > 1 { format!(" · {}", fill("letter.page", &numbers)) } else { String::new() };
            let line = self.fonts.sans.line(&format!("{}{number}", self.sender()))?;
            sheet.put(Role::Artifact, page, LEFT, FOOTER, SMALL, line);
        }
        let pdf = render(&sheet.blocks, pages, &title, language).ok_or(LayoutError::Document)?;
        Ok(Printed { pdf, pages })
    }

    /// Letterhead, window, date and telephone.
    fn head(&self, sheet: &mut Sheet<'_>, to: &Recipient, date: Date) -> Result<(), LayoutError> {
        let sans = &self.fonts.sans;
        sheet.put(Role::Paragraph, 0, LEFT, LETTERHEAD, INSURER_SIZE, sans.line(&self.insurer.name)?);
        let sender = sans.line(self.sender())?;
        let size = SMALL.min(SMALL * mm(ADDRESS_WIDTH) / sender.width(SMALL)); // one line, however long
        sheet.put(Role::Paragraph, 0, LEFT, RETURN_ADDRESS, size, sender);
        let mut lines = Vec::new();
        for line in to.address_lines() {
            lines.extend(sans.lines(&line, SIZE, mm(ADDRESS_WIDTH))?);
        }
        if lines.len() > MAX_ADDRESS_LINES {
            return Err(LayoutError::Address);
        }
        sheet.stack(LEFT, ADDRESS, lines);
        let mut information = date_in(sheet.language, date);
        if !self.insurer.hotline.is_empty() {
            let telephone = self.texts.fill(sheet.language, "letter.telephone", self.insurer, &[]);
            information.push_str(&format!("\n{telephone}\n{}", self.insurer.hotline));
        }
        let lines = sans.lines(&information, SIZE, mm(INFORMATION_WIDTH))?;
        sheet.stack(INFORMATION.0, INFORMATION.1, lines);
        Ok(())
    }

    fn sender(&self) -> &str {
        if self.settings.sender.is_empty() { &self.insurer.name } else { &self.settings.sender }
    }
}

/// A letter while it is laid out.
struct Sheet<'a> {
    fonts: &'a Fonts,
    language: NoticeLanguage,
    blocks: Vec<Block<'a>>,
    /// Where the next line of the text goes.
    page: usize,
    y: f32,
}

impl<'a> Sheet<'a> {
    /// A line of its own at a place that the standard gives.
    fn put(&mut self, role: Role, page: usize, x: f32, y: f32, size: f32, line: Rc<Line>) {
        let draws = vec![Draw { page, x: mm(x), y: mm(y), size, face: &self.fonts.sans, line }];
        self.blocks.push(Block { role, says: None, draws, symbol: None });
    }

    /// Lines one below the other, at a place that the standard gives.
    fn stack(&mut self, x: f32, mut y: f32, lines: Lines) {
        let mut draws = Vec::new();
        for line in lines {
            draws.push(Draw { page: 0, x: mm(x), y: mm(y), size: SIZE, face: &self.fonts.sans, line });
            y += ADDRESS_STEP;
        }
        self.blocks.push(Block { role: Role::Paragraph, says: None, draws, symbol: None });
    }

    /// Paragraphs with blank lines between them.
    fn paragraphs(
        &mut self,
        text: &str,
        put: fn(&mut Self, Role, &str, f32) -> Result<(), LayoutError>,
    ) -> Result<(), LayoutError> {
        text.split("\n\n")
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .try_for_each(|text| put(self, Role::Paragraph, text, SIZE))
    }

    fn text(&mut self, role: Role, text: &str, size: f32) -> Result<(), LayoutError> {
        let lines = self.fonts.sans.lines(text, size, mm(TEXT_WIDTH))?;
        self.paragraph(role, size, lines);
        Ok(())
    }

    /// The same, for a text that stands in many letters.
    fn fixed_text(&mut self, role: Role, text: &str, size: f32) -> Result<(), LayoutError> {
        let lines = self.fonts.sans.fixed_lines(text, size, mm(TEXT_WIDTH))?;
        self.paragraph(role, size, lines);
        Ok(())
    }

    fn paragraph(&mut self, role: Role, size: f32, lines: Lines) {
        let mut draws = Vec::new();
        for line in lines {
            self.make_room(LEADING);
            draws.push(self.draw(&self.fonts.sans, mm(LEFT), 0.0, size, line));
            self.y += LEADING;
        }
        self.y += PARAGRAPH;
        self.blocks.push(Block { role, says: None, draws, symbol: None });
    }

    /// The password, large, each character with its name below. It is copied as one word.
    fn password(&mut self, password: &SecretText) -> Result<(), LayoutError> {
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let step = mm(TEXT_WIDTH) / ROW as f32;
        let characters: Vec<char> = password.expose().chars().collect();
        let (mut letters, mut names) = (Vec::new(), Vec::new());
        for row in characters.chunks(ROW) {
            let height = PASSWORD_SIZE + NAME_LEADING * 4.0;
            self.make_room(height);
            let mut x = mm(LEFT);
            for character in row {
                let centred = |face: &'a Face, below: f32, size: f32, line: Rc<Line>, draws: &mut Vec<Draw<'a>>| {
                    draws.push(self.draw(face, x + (step - line.width(size)) / 2.0, below, size, line));
                };
                let letter = self.fonts.mono.line(character.encode_utf8(&mut [0; 4]))?;
                centred(&self.fonts.mono, PASSWORD_SIZE * 0.6, PASSWORD_SIZE, letter, &mut letters);
                let mut below = PASSWORD_SIZE * 0.6 + NAME_LEADING * 2.0;
                let name = character_name(self.language, *character);
                for line in self.fonts.sans.fixed_lines(name, NAME_SIZE, step)? {
                    centred(&self.fonts.sans, below, NAME_SIZE, line, &mut names);
                    below += NAME_LEADING;
                }
                x += step;
            }
            self.y += height;
        }
        self.y += PARAGRAPH;
        let says = Some(Zeroizing::new(password.expose().to_owned()));
        self.blocks.push(Block { role: Role::Paragraph, says, draws: letters, symbol: None });
        let spelt = characters
            .iter()
            .map(|character| character_name(self.language, *character).replace("-\n", "").replace('\n', " "));
        let spelt = spelt.collect::<Vec<_>>().join(", ");
        self.blocks.push(Block {
            role: Role::Paragraph,
            says: Some(Zeroizing::new(spelt)),
            draws: names,
            symbol: None,
        });
        Ok(())
    }

    /// The symbol, with the four modules of nothing around it that readers need (ISO/IEC 18004, 9.1), and what it is in
    /// words.
    fn symbol(&mut self, text: &SecretText, says: String) -> Result<(), LayoutError> {
        let symbol = QrCode::encode_text(text.expose(), QrCodeEcc::Medium).map_err(|_| LayoutError::Document)?;
        let row = |y| (0..symbol.size()).map(|x| symbol.get_module(x, y)).collect::<Vec<_>>();
        let rows = Zeroizing::new((0..symbol.size()).map(row).collect::<Vec<_>>());
        let (module, quiet) = (mm(MODULE), mm(MODULE * QUIET_ZONE));
        #[expect(clippy::cast_precision_loss, reason = "a symbol has at most 177 modules")]
        let side = rows.len() as f32 * module;
        self.make_room(side + 2.0 * quiet);
        let (page, x, y) = (self.page, mm(LEFT) + (mm(TEXT_WIDTH) - side) / 2.0, self.y + quiet - LEADING);
        let symbol = Some(Symbol { page, x, y, module, rows });
        self.blocks.push(Block { role: Role::Figure, says: Some(Zeroizing::new(says)), draws: Vec::new(), symbol });
        self.y += side + 2.0 * quiet;
        Ok(())
    }

    /// The groups of a code, three in a line, so that each line can be typed and checked.
    fn groups(&mut self, groups: &SecretText) -> Result<(), LayoutError> {
        let groups: Vec<&str> = groups.expose().split(' ').collect();
        let mut draws = Vec::new();
        for row in groups.chunks(GROUPS_IN_ROW) {
            self.make_room(GROUP_LEADING);
            let line = self.fonts.mono.line(&row.join("   "))?;
            let x = mm(LEFT) + (mm(TEXT_WIDTH) - line.width(GROUP_SIZE)) / 2.0;
            draws.push(self.draw(&self.fonts.mono, x, GROUP_SIZE * 0.5, GROUP_SIZE, line));
            self.y += GROUP_LEADING;
        }
        self.y += PARAGRAPH;
        let says = Some(Zeroizing::new(groups.join(" ")));
        self.blocks.push(Block { role: Role::Paragraph, says, draws, symbol: None });
        Ok(())
    }

    /// Goes to the next page where `height` more does not fit on this one.
    fn make_room(&mut self, height: f32) {
        if self.y + height > mm(BODY_END) {
            (self.page, self.y) = (self.page + 1, mm(BODY_OF_OTHER_PAGES));
        }
    }

    fn draw(&self, face: &'a Face, x: f32, below: f32, size: f32, line: Rc<Line>) -> Draw<'a> {
        Draw { page: self.page, x, y: self.y + below, size, face, line }
    }
}
