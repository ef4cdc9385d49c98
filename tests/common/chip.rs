//! A service that takes chips, and people whose card its register knows.

use kartenbund::egk::{ApduLength, Egk};
use kartenbund::pki::cvc::TestCvcRoots;
use kartenbund::virtual_card::VirtualCard;

use super::*;

/// The root above the chips of the project's cards.
pub fn chip_root() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pki/test-cvc-root.cvc")).unwrap()
}

pub fn chip_roots() -> TestCvcRoots {
    let mut roots = TestCvcRoots::default();
    roots.add_certificate(&chip_root()).unwrap();
    roots
}

/// The number on a card.
pub fn number_of(card: &mut VirtualCard) -> String {
    Egk::open(card, ApduLength::Extended).unwrap().iccsn().unwrap().to_string()
}

impl World {
    pub fn with_chips() -> Self {
        Self::with_clients(&[], |settings| settings.cvc_roots = Box::new(chip_roots()))
    }

    /// The register says which card a person has; it brings her where she is not there yet.
    pub fn give_card(&self, person: &str, number: &str) {
        let row = register_of(&[person]);
        let (header, row) = row.trim_end().split_once('\n').unwrap();
        self.import(&format!("{header},iccsn\n{row},{number}\n"));
    }
}
