//! The insurance data of a fictional card: EF.StatusVD, EF.PD, EF.VD and EF.GVD (gemSpec_eGK_Fach_VSDM).

use std::io::Write as _;

use encoding_rs::ISO_8859_15;
use flate2::Compression;
use flate2::write::GzEncoder;
use time::OffsetDateTime;
use time::macros::format_description;

use super::{Blueprint, InsuredType, PersonaliseError, Schema, Sex};

/// Insurer of the fictional cards.
pub const MUSTERKASSE_IK: &str = "999567890";
/// Longest document: readers exist that inflate into a buffer of 1024 bytes.
const MAX_XML: usize = 1023;

/// EF.StatusVD: status, time of the last update, schema version, version 3.0.4 of the storage structure.
pub(super) fn status_vd(blueprint: &Blueprint, now: OffsetDateTime) -> Result<Vec<u8>, PersonaliseError> {
    let status = if blueprint.update_in_progress { "1" } else { "0" };
    let version = match blueprint.schema {
        Schema::V5_1 => [0x00, 0x50, 0x01, 0x00, 0x00],
        Schema::V5_2 => [0x00, 0x50, 0x02, 0x00, 0x00],
    };
    Ok([status.as_bytes(), date(now)?.as_bytes(), b"000000", &version, &[0x00, 0x30, 0x00, 0x00, 0x04]].concat())
}

/// EF.PD: two bytes length, then the document as gzip.
pub(super) fn pd(blueprint: &Blueprint) -> Result<Vec<u8>, PersonaliseError> {
    let kvnr = blueprint.kvnr_in_pd.as_ref().unwrap_or(&blueprint.kvnr);
    let sex = match blueprint.sex {
        Sex::Female => "W",
        Sex::Male => "M",
        Sex::Diverse => "D",
        Sex::Undetermined => "X",
    };
    let is_date = blueprint.date_of_birth.len() == 8 && blueprint.date_of_birth.bytes().all(|b| b.is_ascii_digit());
    if !is_date {
        return Err(PersonaliseError::Text("Geburtsdatum"));
    }
    let document = document(blueprint, "EF.PD", "UC_PersoenlicheVersichertendatenXML", |xml| {
        xml.element("Versicherter", |xml| {
            xml.text("Versicherten_ID", kvnr.as_str(), 10)?;
            xml.element("Person", |xml| {
                xml.text("Geburtsdatum", &blueprint.date_of_birth, 8)?;
                xml.text("Vorname", &blueprint.given_name, 45)?;
                xml.text("Nachname", &blueprint.family_name, 45)?;
                xml.text("Geschlecht", sex, 1)?;
                xml.optional_text("Vorsatzwort", blueprint.name_prefix.as_deref(), 20)?;
                xml.optional_text("Namenszusatz", blueprint.name_suffix.as_deref(), 20)?;
                xml.optional_text("Titel", blueprint.title.as_deref(), 20)?;
                let Some(address) = &blueprint.address else { return Ok(()) };
                xml.element("StrassenAdresse", |xml| {
                    xml.text("Postleitzahl", &address.postal_code, 10)?;
                    xml.text("Ort", &address.city, 40)?;
                    xml.element("Land", |xml| xml.text("Wohnsitzlaendercode", &address.country, 3))?;
                    xml.text("Strasse", &address.street, 46)?;
                    xml.text("Hausnummer", &address.house_number, 9)
                })
            })
        })
    })?;
    with_length("EF.PD", &document)
}

/// EF.VD: four offsets, VD, and where there are any, a copy of the protected data. Absent ones have offsets `FFFF`.
pub(super) fn vd(blueprint: &Blueprint, now: OffsetDateTime) -> Result<Vec<u8>, PersonaliseError> {
    let payer = |xml: &mut Xml| {
        xml.text("Kostentraegerkennung", payer_ik(blueprint), 9)?;
        xml.text("Kostentraegerlaendercode", "D", 3)?;
        xml.text("Name", &blueprint.payer_name, 45)
    };
    let insured_type = match blueprint.insured_type {
        InsuredType::Member => "1",
        InsuredType::Family => "3",
        InsuredType::Pensioner => "5",
    };
    let vd = document(blueprint, "EF.VD", "UC_AllgemeineVersicherungsdatenXML", |xml| {
        xml.element("Versicherter", |xml| {
            xml.element("Versicherungsschutz", |xml| {
                xml.text("Beginn", &date(now)?, 8)?;
                xml.element("Kostentraeger", |xml| {
                    payer(xml)?;
                    xml.element("AbrechnenderKostentraeger", payer)
                })
            })?;
            xml.element("Zusatzinfos", |xml| {
                xml.element("ZusatzinfosGKV", |xml| {
                    xml.text("Versichertenart", insured_type, 1)?;
                    xml.element("Zusatzinfos_Abrechnung_GKV", |xml| xml.text("WOP", "98", 2))
                })
            })
        })
    })?;
    let gvd = if blueprint.gvd { protected(blueprint)? } else { Vec::new() };
    let end = |start: usize, part: &[u8]| start + part.len() - 1;
    let offsets = match (8, 8 + vd.len()) {
        (vd_start, _) if gvd.is_empty() => [vd_start, end(vd_start, &vd), 0xFFFF, 0xFFFF],
        (vd_start, gvd_start) => [vd_start, end(vd_start, &vd), gvd_start, end(gvd_start, &gvd)],
    };
    let offsets = offsets.map(|offset| u16::try_from(offset).map_err(|_| PersonaliseError::TooSmall("EF.VD")));
    let mut content = Vec::new();
    for offset in offsets {
        content.extend_from_slice(&offset?.to_be_bytes());
    }
    Ok([content, vd, gvd].concat())
}

/// EF.GVD: two bytes length, then the document as gzip; empty where there are no protected data.
pub(super) fn gvd(blueprint: &Blueprint) -> Result<Vec<u8>, PersonaliseError> {
    if blueprint.gvd { with_length("EF.GVD", &protected(blueprint)?) } else { Ok(Vec::new()) }
}

fn protected(blueprint: &Blueprint) -> Result<Vec<u8>, PersonaliseError> {
    document(blueprint, "EF.GVD", "UC_GeschuetzteVersichertendatenXML", |xml| {
        xml.element("Zuzahlungsstatus", |xml| xml.text("Status", "0", 1))?;
        xml.element("Selektivvertraege", |xml| {
            xml.text("Aerztlich", "9", 1)?;
            xml.text("Zahnaerztlich", "9", 1)
        })
    })
}

/// The insurer's number.
pub(super) fn payer_ik(blueprint: &Blueprint) -> &str {
    blueprint.payer_ik.as_ref().map_or(MUSTERKASSE_IK, |ik| ik.as_str())
}

fn date(now: OffsetDateTime) -> Result<String, PersonaliseError> {
    now.format(format_description!("[year][month][day]")).map_err(|_| PersonaliseError::Text("Beginn"))
}

fn with_length(file: &'static str, document: &[u8]) -> Result<Vec<u8>, PersonaliseError> {
    let length = u16::try_from(document.len()).map_err(|_| PersonaliseError::TooSmall(file))?;
    Ok([&length.to_be_bytes(), document].concat())
}

/// A document in ISO-8859-15, as gzip.
fn document(
    blueprint: &Blueprint,
    file: &'static str,
    root: &'static str,
    content: impl FnOnce(&mut Xml) -> Result<(), PersonaliseError>,
) -> Result<Vec<u8>, PersonaliseError> {
    let (namespace, version) = match blueprint.schema {
        Schema::V5_1 => (format!("http://ws.gematik.de/fa/vsds/{root}/v5.1"), "5.1.0"),
        Schema::V5_2 => ("http://ws.gematik.de/fa/vsdm/vsd/v5.2".to_owned(), "5.2.0"),
    };
    let (prefix, declaration) = if blueprint.prefixed { ("vsd:", "xmlns:vsd") } else { ("", "xmlns") };
    let mut xml = Xml { text: String::new(), prefix };
    content(&mut xml)?;
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"ISO-8859-15\" standalone=\"yes\"?>\
         <{prefix}{root} CDM_VERSION=\"{version}\" {declaration}=\"{namespace}\">{}</{prefix}{root}>",
        xml.text
    );
    let (bytes, _, _) = ISO_8859_15.encode(&text);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let gzip = gzip.write_all(&bytes).and_then(|()| gzip.finish());
    gzip.ok().filter(|_| bytes.len() <= MAX_XML).ok_or(PersonaliseError::TooSmall(file))
}

/// Elements of one document; the namespace prefix stands before each name.
struct Xml {
    text: String,
    prefix: &'static str,
}

impl Xml {
    fn element(
        &mut self,
        name: &'static str,
        content: impl FnOnce(&mut Self) -> Result<(), PersonaliseError>,
    ) -> Result<(), PersonaliseError> {
        let prefix = self.prefix;
        self.text.push_str(&format!("<{prefix}{name}>"));
        content(self)?;
        self.text.push_str(&format!("</{prefix}{name}>"));
        Ok(())
    }

    /// An element with at most `max` characters of text, all of them in ISO-8859-15.
    fn text(&mut self, name: &'static str, text: &str, max: usize) -> Result<(), PersonaliseError> {
        let (_, _, is_lossy) = ISO_8859_15.encode(text);
        if text.trim().is_empty() || text.chars().count() > max || text.chars().any(char::is_control) || is_lossy {
            return Err(PersonaliseError::Text(name));
        }
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        self.element(name, |xml| {
            xml.text.push_str(&escaped);
            Ok(())
        })
    }

    fn optional_text(&mut self, name: &'static str, text: Option<&str>, max: usize) -> Result<(), PersonaliseError> {
        text.map_or(Ok(()), |text| self.text(name, text, max))
    }
}
