//! The insurance data of a card, changed as a scenario says: documents are taken out of EF.PD and EF.VD, written anew and
//! put back.

use std::io::{Read as _, Write as _};

use encoding_rs::ISO_8859_15;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::Schema;

/// Most bytes of a document that is changed.
const MAX_XML: u64 = 64 * 1024;
/// What a document inflates to that is made to exhaust its reader, in bytes: more than any card can hold, and little once
/// it is compressed.
const EXPLOSION: usize = 512 * 1024;
/// Namespaces of the schemas (card documents of gematik, 5.1 one for each file).
const SCHEMA_5_2: &str = "http://ws.gematik.de/fa/vsdm/vsd/v5.2";
const SCHEMA_5_1: &str = "http://ws.gematik.de/fa/vsds/";
const SCHEMA_PKV: &str = "http://ws.gematik.de/fa/vsdm/vsd_pkv/v1.0";

/// The parts of EF.VD: VD, and where it is there, GVD; both as gzip. `None` where the file makes no sense.
pub(super) fn split_vd(content: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let [a, b, c, d, e, f, g, h] = *content.first_chunk()?;
    let part = |from: [u8; 2], to: [u8; 2]| {
        let (from, to) = (usize::from(u16::from_be_bytes(from)), usize::from(u16::from_be_bytes(to)));
        content.get(from..=to).map(<[u8]>::to_vec)
    };
    Some((part([a, b], [c, d])?, part([e, f], [g, h])))
}

/// EF.VD of these parts: four offsets, all inclusive, `FFFF` where there is no GVD (from memory of the specification).
pub(super) fn join_vd(vd: &[u8], gvd: Option<&[u8]>) -> Option<Vec<u8>> {
    let (start, end) = (8, 8 + vd.len().checked_sub(1)?);
    let beside = gvd.map(|gvd| (end + 1, end + gvd.len()));
    let (gvd_start, gvd_end) = beside.unwrap_or((0xFFFF, 0xFFFF));
    let mut content = Vec::new();
    for offset in [start, end, gvd_start, gvd_end] {
        content.extend(u16::try_from(offset).ok()?.to_be_bytes());
    }
    Some([&content, vd, gvd.unwrap_or_default()].concat())
}

/// The document in EF.PD as gzip, without its two bytes of length.
pub(super) fn split_pd(content: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = content.split_first_chunk()?;
    rest.get(..usize::from(u16::from_be_bytes(*length))).map(<[u8]>::to_vec)
}

pub(super) fn join_pd(gzip: &[u8]) -> Option<Vec<u8>> {
    Some([&u16::try_from(gzip.len()).ok()?.to_be_bytes(), gzip].concat())
}

/// Changes the text of a document; `None` where it cannot be read, or `change` finds nothing to change.
pub(super) fn rewrite(gzip: &[u8], change: impl FnOnce(&str) -> Option<String>) -> Option<Vec<u8>> {
    let mut xml = Vec::new();
    GzDecoder::new(gzip).take(MAX_XML).read_to_end(&mut xml).ok()?;
    let (text, _) = ISO_8859_15.decode_without_bom_handling(&xml);
    let changed = change(&text)?;
    let (bytes, ..) = ISO_8859_15.encode(&changed);
    compress(&bytes)
}

/// A document that is small until it is inflated.
pub(super) fn explosion() -> Option<Vec<u8>> {
    compress(&vec![b' '; EXPLOSION])
}

fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).ok()?;
    gzip.finish().ok()
}

/// Another schema for a document of 5.2 with this root element.
pub(super) fn with_schema(xml: &str, root: &str, schema: Schema) -> Option<String> {
    if !xml.contains(SCHEMA_5_2) {
        return None;
    }
    let (namespace, version) = match schema {
        Schema::V5_1 => (format!("{SCHEMA_5_1}{root}/v5.1"), "CDM_VERSION=\"5.1.0\""),
        Schema::Pkv => (SCHEMA_PKV.to_owned(), "CDM_VERSION=\"1.0.0\" KTR_TYP=\"1\""),
    };
    let xml = xml.replace(SCHEMA_5_2, &namespace).replace("CDM_VERSION=\"5.2.0\"", version);
    let gkv = xml.split_once("<ZusatzinfosGKV>").zip(xml.split_once("</ZusatzinfosGKV>"));
    Some(match (schema, gkv) {
        (Schema::Pkv, Some(((before, _), (_, after)))) => {
            format!("{before}<ZusatzinfosPKV><Tarifart>01</Tarifart></ZusatzinfosPKV>{after}")
        }
        _ => xml,
    })
}

/// A prefix before every element name.
pub(super) fn with_prefix(xml: &str) -> Option<String> {
    if !xml.contains(" xmlns=\"") || xml.contains("xmlns:") {
        return None;
    }
    let mut parts = xml.split('<');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (slash, rest) = part.strip_prefix('/').map_or(("", part), |rest| ("/", rest));
        let prefix = if rest.starts_with(['?', '!']) { "" } else { "vsd:" };
        text.push_str(&format!("<{slash}{prefix}{rest}"));
    }
    Some(text.replace(" xmlns=\"", " xmlns:vsd=\""))
}

/// Another insurance number in EF.PD.
pub(super) fn with_kvnr(xml: &str, kvnr: &str) -> Option<String> {
    let (before, rest) = xml.split_once("Versicherten_ID>")?;
    let rest = rest.get(kvnr.len()..)?;
    Some(format!("{before}Versicherten_ID>{kvnr}{rest}"))
}
