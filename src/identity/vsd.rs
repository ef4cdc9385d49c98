//! The insurance data of the card (Versichertenstammdaten): EF.StatusVD, EF.PD and EF.VD
//! (gemSpec_eGK_Fach_VSDM; schemas `UC_PersoenlicheVersichertendatenXML` and `UC_AllgemeineVersicherungsdatenXML`).

use std::io::Read as _;

use flate2::bufread::GzDecoder;
use roxmltree::{Document, Node};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::kvnr::{Ik, Kvnr};
use super::xml;

/// Most bytes a file may inflate to. Real ones have about 800.
const MAX_XML: usize = 64 * 1024;
/// Most nodes of a document. Real ones have about 60.
const MAX_NODES: u32 = 2_000;
/// Longest text of an element; the schemas allow 46 at most.
const MAX_TEXT: usize = 100;

/// Why a file is not what the specification says.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum VsdError {
    /// A length or an offset of the file makes no sense, or bytes are left over.
    #[error("{0}: lengths or offsets do not fit")]
    Layout(&'static str),
    /// The content is not gzip, is damaged, or inflates to more than any card holds.
    #[error("{0}: not inflatable")]
    Gzip(&'static str),
    /// The document is not well formed, or brings a DTD, entities or an unknown encoding.
    #[error("{0}: not readable XML")]
    Xml(&'static str),
    /// The schema is none of the known ones.
    #[error("{0}: unknown schema")]
    Schema(&'static str),
    /// An element is missing, stands twice or holds what it may not.
    #[error("{file}: {element} is missing or wrong")]
    Element {
        /// The file.
        file: &'static str,
        /// The element.
        element: &'static str,
    },
}

/// EF.StatusVD: whether the insurance data may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusVd {
    /// An update was begun and not ended: EF.PD and EF.VD may not fit together.
    pub update_in_progress: bool,
}

impl StatusVd {
    const FILE: &'static str = "EF.StatusVD";

    /// Reads the 25 bytes: status, time of the last update, schema version, version of the storage structure.
    ///
    /// # Errors
    /// Another length, another status than `0` or `1`, or an unknown storage structure.
    pub fn parse(content: &[u8]) -> Result<Self, VsdError> {
        let wrong = VsdError::Layout(Self::FILE);
        let content: &[u8; 25] = content.try_into().map_err(|_| wrong)?;
        let [status, timestamp @ .., _, _, _, _, _, s0, s1, s2, s3, s4] = content;
        // Version 3.0.x of the storage structure, as BCD 3+3+4 digits.
        if !timestamp.iter().all(u8::is_ascii_digit) || [*s0, *s1, *s2] != [0x00, 0x30, 0x00] || (*s3, *s4) == (0, 0) {
            return Err(wrong);
        }
        match status {
            b'0' => Ok(Self { update_in_progress: false }),
            b'1' => Ok(Self { update_in_progress: true }),
            _ => Err(wrong),
        }
    }
}

/// Where a person lives, or their post office box.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Street, or `Postfach` and its number.
    pub street: Option<String>,
    /// House number.
    pub house_number: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// Town.
    pub city: String,
    /// Country, as on number plates: `D`.
    pub country: String,
    /// Supplement to the address.
    pub supplement: Option<String>,
}

/// EF.PD: the person. Unsigned.
#[derive(Clone, Serialize, PartialEq, Eq)]
pub struct PersonalData {
    /// Insurance number.
    pub kvnr: Kvnr,
    /// Given names.
    pub given_name: String,
    /// Family name without prefixes.
    pub family_name: String,
    /// Vorsatzwort: `von`.
    pub name_prefix: Option<String>,
    /// Namenszusatz: `Gräfin`.
    pub name_suffix: Option<String>,
    /// Title: `Dr.`
    pub title: Option<String>,
    /// `YYYY-MM-DD`; month and day may be `00` where they are not known.
    pub date_of_birth: String,
    /// `M`, `W`, `X` or `D`.
    pub sex: String,
    /// Street address, else post office box.
    pub address: Option<Address>,
}

/// EF.VD: the insurance. Unsigned.
#[derive(Clone, Serialize, PartialEq, Eq)]
pub struct InsuranceData {
    /// Insurer's number.
    pub payer_ik: Ik,
    /// Insurer's name.
    pub payer_name: String,
    /// First day, `YYYY-MM-DD`.
    pub start: String,
    /// Last day, `YYYY-MM-DD`.
    pub end: Option<String>,
    /// `1` member, `3` family, `5` pensioner; absent on cards of private insurers.
    pub insured_type: Option<String>,
}

crate::secret::masked!(Address, PersonalData, InsuranceData);

/// Namespaces of the schemas: 5.2, 5.1 (one for each file) and the private insurers' 1.0.
const SCHEMA_5_2: &str = "http://ws.gematik.de/fa/vsdm/vsd/v5.2";
const SCHEMA_5_1: &str = "http://ws.gematik.de/fa/vsds/";
const SCHEMA_PKV: &str = "http://ws.gematik.de/fa/vsdm/vsd_pkv/v1.0";

impl PersonalData {
    const FILE: &'static str = "EF.PD";
    const ROOT: &'static str = "UC_PersoenlicheVersichertendatenXML";

    /// Reads EF.PD: two bytes length, then gzip of exactly that many bytes.
    ///
    /// # Errors
    /// [`VsdError`] says what is wrong.
    pub fn parse(content: &[u8]) -> Result<Self, VsdError> {
        let (length, gzip) = content.split_first_chunk().ok_or(VsdError::Layout(Self::FILE))?;
        if gzip.len() != usize::from(u16::from_be_bytes(*length)) {
            return Err(VsdError::Layout(Self::FILE));
        }
        let text = decode(Self::FILE, &inflate(Self::FILE, gzip)?)?;
        let document = xml::parse(&text, MAX_NODES).map_err(|_| VsdError::Xml(Self::FILE))?;
        let root = Element::root(Self::FILE, &document, Self::ROOT)?;
        let insured = root.child("Versicherter")?;
        let person = insured.child("Person")?;
        Ok(Self {
            kvnr: insured.value("Versicherten_ID", |text| text.parse().ok())?,
            given_name: person.text("Vorname")?,
            family_name: person.text("Nachname")?,
            name_prefix: person.optional_text("Vorsatzwort")?,
            name_suffix: person.optional_text("Namenszusatz")?,
            title: person.optional_text("Titel")?,
            date_of_birth: person.value("Geburtsdatum", |text| date(text, true))?,
            sex: person.value("Geschlecht", |text| matches!(text, "M" | "W" | "X" | "D").then(|| text.to_owned()))?,
            address: address(&person)?,
        })
    }
}

fn address(person: &Element<'_, '_>) -> Result<Option<Address>, VsdError> {
    let country = |address: &Element<'_, '_>| address.child("Land")?.text("Wohnsitzlaendercode");
    if let Some(street) = person.optional_child("StrassenAdresse")? {
        return Ok(Some(Address {
            street: street.optional_text("Strasse")?,
            house_number: street.optional_text("Hausnummer")?,
            postal_code: street.optional_text("Postleitzahl")?,
            city: street.text("Ort")?,
            country: country(&street)?,
            supplement: street.optional_text("Anschriftenzusatz")?,
        }));
    }
    let Some(post_box) = person.optional_child("PostfachAdresse")? else { return Ok(None) };
    Ok(Some(Address {
        street: Some(format!("Postfach {}", post_box.text("Postfach")?)),
        house_number: None,
        postal_code: post_box.optional_text("Postleitzahl")?,
        city: post_box.text("Ort")?,
        country: country(&post_box)?,
        supplement: None,
    }))
}

impl InsuranceData {
    const FILE: &'static str = "EF.VD";
    const ROOT: &'static str = "UC_AllgemeineVersicherungsdatenXML";

    /// Reads EF.VD: four offsets, then VD and (where the card has a copy of it) GVD, which is not looked into.
    ///
    /// # Errors
    /// [`VsdError`] says what is wrong.
    pub fn parse(content: &[u8]) -> Result<Self, VsdError> {
        let layout = VsdError::Layout(Self::FILE);
        let [a, b, c, d, e, f, g, h] = *content.first_chunk().ok_or(layout)?;
        let offset = |hi, lo| usize::from(u16::from_be_bytes([hi, lo]));
        let (vd_start, vd_end, gvd_start, gvd_end) = (offset(a, b), offset(c, d), offset(e, f), offset(g, h));
        let fits = |start: usize, end: usize| start >= 8 && start <= end && end < content.len();
        let gvd_absent = (gvd_start, gvd_end) == (0xFFFF, 0xFFFF);
        let gvd_beside = fits(gvd_start, gvd_end) && (gvd_start > vd_end || gvd_end < vd_start);
        let end = if gvd_absent { vd_end } else { vd_end.max(gvd_end) };
        if !fits(vd_start, vd_end) || !(gvd_absent || gvd_beside) || content.len() != end + 1 {
            return Err(layout);
        }
        let gzip = content.get(vd_start..=vd_end).ok_or(layout)?;
        let text = decode(Self::FILE, &inflate(Self::FILE, gzip)?)?;
        let document = xml::parse(&text, MAX_NODES).map_err(|_| VsdError::Xml(Self::FILE))?;
        let insured = Element::root(Self::FILE, &document, Self::ROOT)?.child("Versicherter")?;
        let cover = insured.child("Versicherungsschutz")?;
        let payer = cover.child("Kostentraeger")?;
        let insured_type = match insured.optional_child("Zusatzinfos")? {
            Some(more) => match more.optional_child("ZusatzinfosGKV")? {
                Some(gkv) => Some(gkv.text("Versichertenart")?),
                None => None,
            },
            None => None,
        };
        Ok(Self {
            payer_ik: payer.value("Kostentraegerkennung", |text| text.parse().ok())?,
            payer_name: payer.text("Name")?,
            start: cover.value("Beginn", |text| date(text, false))?,
            end: cover.optional_value("Ende", |text| date(text, false))?,
            insured_type,
        })
    }
}

/// `YYYYMMDD` as `YYYY-MM-DD`. A birth date may have `00` for month and day.
fn date(text: &str, unknown_allowed: bool) -> Option<String> {
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (year, month, day) = (text.get(..4)?, text.get(4..6)?, text.get(6..)?);
    let (m, d): (u8, u8) = (month.parse().ok()?, day.parse().ok()?);
    let known = time::Month::try_from(m).ok().and_then(|m| {
        let year = year.parse().ok()?;
        if d == 0 && unknown_allowed { Some(()) } else { time::Date::from_calendar_date(year, m, d).ok().map(drop) }
    });
    (known.is_some() || unknown_allowed && (m, d) == (0, 0)).then(|| format!("{year}-{month}-{day}"))
}

/// Inflates exactly one gzip member that fills `gzip`, up to [`MAX_XML`] bytes; its checksum is checked.
fn inflate(file: &'static str, gzip: &[u8]) -> Result<Vec<u8>, VsdError> {
    let mut rest = gzip;
    let mut xml = Vec::new();
    let limit = MAX_XML as u64 + 1;
    GzDecoder::new(&mut rest).take(limit).read_to_end(&mut xml).map_err(|_| VsdError::Gzip(file))?;
    if xml.len() > MAX_XML {
        return Err(VsdError::Gzip(file));
    }
    if rest.is_empty() { Ok(xml) } else { Err(VsdError::Layout(file)) }
}

/// Decodes by the XML declaration: ISO-8859-15 as the schemas demand, or UTF-8.
fn decode(file: &'static str, xml: &[u8]) -> Result<String, VsdError> {
    let declaration = match xml.strip_prefix(b"<?xml") {
        Some(rest) => {
            let end = rest.windows(2).position(|pair| pair == b"?>").ok_or(VsdError::Xml(file))?;
            String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).to_ascii_uppercase()
        }
        None => String::new(),
    };
    let encoding = declaration.split("ENCODING").nth(1).map(|rest| rest.trim_matches([' ', '=', '\t', '\r', '\n']));
    let encoding = encoding.and_then(|rest| rest.split(['"', '\'']).nth(1));
    match encoding {
        Some("ISO-8859-15") => encoding_rs::ISO_8859_15
            .decode_without_bom_handling_and_without_replacement(xml)
            .map(std::borrow::Cow::into_owned)
            .ok_or(VsdError::Xml(file)),
        None | Some("UTF-8") => String::from_utf8(xml.to_vec()).map_err(|_| VsdError::Xml(file)),
        Some(_) => Err(VsdError::Xml(file)),
    }
}

/// An element of one of the two documents; children are found by namespace and local name, whatever the prefix.
struct Element<'a, 'xml> {
    file: &'static str,
    node: Node<'a, 'xml>,
}

impl<'a, 'xml> Element<'a, 'xml> {
    fn root(file: &'static str, document: &'a Document<'xml>, name: &'static str) -> Result<Self, VsdError> {
        let node = document.root_element();
        let namespace = node.tag_name().namespace().unwrap_or_default();
        let is_5_1 =
            namespace.strip_prefix(SCHEMA_5_1).and_then(|rest| rest.strip_suffix("/v5.1")).is_some_and(|n| n == name);
        if node.tag_name().name() != name || !(namespace == SCHEMA_5_2 || namespace == SCHEMA_PKV || is_5_1) {
            return Err(VsdError::Schema(file));
        }
        Ok(Self { file, node })
    }

    fn wrong(&self, element: &'static str) -> VsdError {
        VsdError::Element { file: self.file, element }
    }

    fn optional_child(&self, name: &'static str) -> Result<Option<Self>, VsdError> {
        let namespace = self.node.tag_name().namespace();
        let mut found = self
            .node
            .children()
            .filter(|node| node.tag_name().name() == name && node.tag_name().namespace() == namespace);
        let first = found.next();
        if found.next().is_some() {
            return Err(self.wrong(name));
        }
        Ok(first.map(|node| Self { file: self.file, node }))
    }

    fn child(&self, name: &'static str) -> Result<Self, VsdError> {
        self.optional_child(name)?.ok_or_else(|| self.wrong(name))
    }

    fn optional_value<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, VsdError> {
        let Some(child) = self.optional_child(name)? else { return Ok(None) };
        let mut parts = child.node.children();
        let text = match (parts.next(), parts.next()) {
            (None, _) => "",
            (Some(text), None) if text.is_text() => text.text().unwrap_or_default(),
            _ => return Err(self.wrong(name)),
        };
        let text = text.trim();
        if text.chars().count() > MAX_TEXT || text.chars().any(char::is_control) {
            return Err(self.wrong(name));
        }
        if text.is_empty() {
            return Ok(None);
        }
        read(text).map(Some).ok_or_else(|| self.wrong(name))
    }

    fn value<T>(&self, name: &'static str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, VsdError> {
        self.optional_value(name, read)?.ok_or_else(|| self.wrong(name))
    }

    fn optional_text(&self, name: &'static str) -> Result<Option<String>, VsdError> {
        self.optional_value(name, |text| Some(text.to_owned()))
    }

    fn text(&self, name: &'static str) -> Result<String, VsdError> {
        self.value(name, |text| Some(text.to_owned()))
    }
}
