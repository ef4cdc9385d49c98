//! EF.StatusVD, EF.PD and EF.VD: as bytes, and as documents that are packed here, because no change of bytes survives
//! the checksum of gzip. What is read can be written again and is then read as the same.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use kartenbund::identity::vsd::{InsuranceData, PersonalData, StatusVd, VsdError};

use super::input::Input;

/// Most bytes a file inflates to.
const MAX_XML: usize = 64 * 1024;
/// Longest text of an element.
const MAX_TEXT: usize = 100;

/// How the rest of an input is taken.
pub const RAW: u8 = 0;
pub const PD_DOCUMENT: u8 = 1;
pub const VD_DOCUMENT: u8 = 2;

pub fn body(bytes: &[u8]) {
    let mut input = Input(bytes);
    match input.byte() % 3 {
        PD_DOCUMENT => {
            let xml = document(&mut input);
            let Some(file) = pack_pd(&xml) else { return };
            let person = PersonalData::parse(&file);
            assert!(xml.len() <= MAX_XML || person == Err(VsdError::Gzip("EF.PD")), "more than any card holds");
            person.iter().for_each(check_person);
        }
        VD_DOCUMENT => {
            let xml = document(&mut input);
            let Some(file) = pack_vd(&xml) else { return };
            let insurance = InsuranceData::parse(&file);
            assert!(xml.len() <= MAX_XML || insurance == Err(VsdError::Gzip("EF.VD")), "more than any card holds");
            insurance.iter().for_each(check_insurance);
        }
        _ => {
            PersonalData::parse(input.0).iter().for_each(check_person);
            InsuranceData::parse(input.0).iter().for_each(check_insurance);
            if StatusVd::parse(input.0).is_ok() {
                assert_eq!(input.0.len(), 25);
            }
        }
    }
}

/// A document with blanks behind it: with many of them it is more than any card holds, and hardly longer when packed.
fn document(input: &mut Input<'_>) -> Vec<u8> {
    let blanks = usize::from(input.byte()) * 512;
    [input.0, &vec![b' '; blanks]].concat()
}

fn gzip(content: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).ok()?;
    encoder.finish().ok()
}

/// EF.PD with this document; `None` where it is too long for one.
pub(crate) fn pack_pd(xml: &[u8]) -> Option<Vec<u8>> {
    let gzip = gzip(xml)?;
    Some([&u16::try_from(gzip.len()).ok()?.to_be_bytes()[..], &gzip].concat())
}

/// EF.VD with this document and no copy of GVD.
pub(crate) fn pack_vd(xml: &[u8]) -> Option<Vec<u8>> {
    let gzip = gzip(xml)?;
    let end = u16::try_from(8 + gzip.len() - 1).ok()?.to_be_bytes();
    Some([&[0, 8, end[0], end[1], 0xFF, 0xFF, 0xFF, 0xFF], gzip.as_slice()].concat())
}

/// An element, where there is a text for it.
fn element(name: &str, text: Option<&str>) -> String {
    let Some(text) = text else { return String::new() };
    assert!(!text.is_empty() && !text.chars().any(char::is_control), "{name}");
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace(']', "&#93;");
    format!("<{name}>{text}</{name}>")
}

fn check_person(person: &PersonalData) {
    let address = person.address.as_ref().map_or_else(String::new, |address| {
        let country = element("Wohnsitzlaendercode", Some(&address.country));
        let parts = [
            element("Strasse", address.street.as_deref()),
            element("Hausnummer", address.house_number.as_deref()),
            element("Postleitzahl", address.postal_code.as_deref()),
            element("Ort", Some(&address.city)),
            element("Anschriftenzusatz", address.supplement.as_deref()),
        ];
        format!("<StrassenAdresse>{}<Land>{country}</Land></StrassenAdresse>", parts.concat())
    });
    let parts = [
        element("Vorname", Some(&person.given_name)),
        element("Nachname", Some(&person.family_name)),
        element("Vorsatzwort", person.name_prefix.as_deref()),
        element("Namenszusatz", person.name_suffix.as_deref()),
        element("Titel", person.title.as_deref()),
        element("Geburtsdatum", Some(&person.date_of_birth.replace('-', ""))),
        element("Geschlecht", Some(&person.sex)),
    ];
    let xml = format!(
        "<UC_PersoenlicheVersichertendatenXML xmlns=\"http://ws.gematik.de/fa/vsdm/vsd/v5.2\"><Versicherter>{}\
         <Person>{}{address}</Person></Versicherter></UC_PersoenlicheVersichertendatenXML>",
        element("Versicherten_ID", Some(person.kvnr.as_str())),
        parts.concat(),
    );
    // A post office box is shown with a word before its number, which makes it longer than an element may be.
    let street = person.address.as_ref().and_then(|address| address.street.as_ref());
    if street.is_none_or(|street| street.chars().count() <= MAX_TEXT) {
        assert!(PersonalData::parse(&pack_pd(xml.as_bytes()).expect("short")).as_ref() == Ok(person));
    }
}

fn check_insurance(insurance: &InsuranceData) {
    let kind = element("Versichertenart", insurance.insured_type.as_deref());
    let end = insurance.end.as_ref().map(|end| end.replace('-', ""));
    let xml = format!(
        "<UC_AllgemeineVersicherungsdatenXML xmlns=\"http://ws.gematik.de/fa/vsdm/vsd/v5.2\"><Versicherter>\
         <Versicherungsschutz>{}{}<Kostentraeger>{}{}</Kostentraeger></Versicherungsschutz>{}</Versicherter>\
         </UC_AllgemeineVersicherungsdatenXML>",
        element("Beginn", Some(&insurance.start.replace('-', ""))),
        element("Ende", end.as_deref()),
        element("Kostentraegerkennung", Some(insurance.payer_ik.as_str())),
        element("Name", Some(&insurance.payer_name)),
        if kind.is_empty() {
            kind
        } else {
            format!("<Zusatzinfos><ZusatzinfosGKV>{kind}</ZusatzinfosGKV></Zusatzinfos>")
        },
    );
    assert!(InsuranceData::parse(&pack_vd(xml.as_bytes()).expect("short")).as_ref() == Ok(insurance));
}

/// What was packed.
pub(crate) fn unpacked(gzip: &[u8]) -> Vec<u8> {
    let mut xml = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(gzip);
    std::io::Read::read_to_end(&mut decoder, &mut xml).expect("gzip");
    xml
}
