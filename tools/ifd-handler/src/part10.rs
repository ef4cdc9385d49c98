//! What a reader with keypad answers to control codes (PC/SC part 10, revision 2.02.09).

use std::ffi::c_ulong;

use crate::card::Card;
use crate::desk::Desk;
use crate::keypad::{Entry, enter};

/// CM_IOCTL_GET_FEATURE_REQUEST of pcsc-lite.
const GET_FEATURE_REQUEST: u32 = 0x4200_0000 + 3400;
/// The control codes of the features are the reader's own choice.
const FEATURES: u32 = 0x4233_0000;

const VERIFY_PIN_DIRECT: u8 = 0x06;
const MODIFY_PIN_DIRECT: u8 = 0x07;
const GET_TLV_PROPERTIES: u8 = 0x12;

const MIN_PIN_SIZE: u8 = 6;
const MAX_PIN_SIZE: u8 = 7;
const MAX_APDU_DATA_SIZE: u8 = 10;

/// Answers a control code; `None` for those that the reader does not know.
pub(crate) fn control(code: c_ulong, sent: &[u8], card: &mut Card, desk: &Desk) -> Option<Vec<u8>> {
    let code = u32::try_from(code).ok()?;
    let kind = desk.kind();
    let features = [(VERIFY_PIN_DIRECT, kind.verifies), (MODIFY_PIN_DIRECT, kind.modifies), (GET_TLV_PROPERTIES, true)];
    let features = features.into_iter().filter_map(|(tag, has)| has.then_some(tag));
    if code == GET_FEATURE_REQUEST {
        // The codes are big endian.
        return Some(features.flat_map(|tag| [&[tag, 4][..], &code_of(tag).to_be_bytes()].concat()).collect());
    }
    match features.into_iter().find(|tag| code_of(*tag) == code)? {
        VERIFY_PIN_DIRECT => Some(enter(Entry::Verify, sent, card, desk)),
        MODIFY_PIN_DIRECT => Some(enter(Entry::Modify, sent, card, desk)),
        _ => {
            // The values are little endian.
            let mut properties = Vec::new();
            let sizes = [(MIN_PIN_SIZE, kind.min_pin), (MAX_PIN_SIZE, kind.max_pin)];
            for (tag, size) in sizes.into_iter().filter_map(|(tag, size)| Some((tag, size?))) {
                properties.extend([tag, 1, size]);
            }
            if let Some(size) = kind.max_data {
                properties.extend([MAX_APDU_DATA_SIZE, 4]);
                properties.extend(size.to_le_bytes());
            }
            Some(properties)
        }
    }
}

fn code_of(tag: u8) -> u32 {
    FEATURES + u32::from(tag)
}
