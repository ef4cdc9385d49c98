//! Bytes nobody foresaw: they are answered, and nothing panics.

use kartenbund::virtual_card::VirtualCard;
use proptest::prelude::*;

use super::{CHOOSE_KEY, RIGHT_PIN, SELECT_ESIGN, SELECT_HCA, SIGN, STATUS, card, erika, image, send};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_card_panic(commands in prop::collection::vec(any_command(), 1..200)) {
        let mut card = card();
        for command in commands {
            let answer = card.execute(&command);
            prop_assert!((2..=65_535).contains(&answer.len()));
        }
    }

    #[test]
    fn no_damage_to_an_image_makes_the_card_panic(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        text in any::<String>(),
    ) {
        let mut image = image(&erika()).into_bytes();
        for (place, byte) in cuts {
            *place.get_mut(&mut image) = byte;
        }
        for text in [String::from_utf8_lossy(&image).into_owned(), text] {
            if let Ok(mut card) = VirtualCard::load(&text) {
                for command in [SELECT_HCA, "00B0810000", SELECT_ESIGN, CHOOSE_KEY, RIGHT_PIN, SIGN, STATUS] {
                    send(&mut card, command);
                }
            }
        }
    }
}

/// Any bytes, and commands that come close to real ones.
fn any_command() -> impl Strategy<Value = Vec<u8>> {
    let header = (
        prop::sample::select(vec![0x00_u8, 0x80]),
        prop::sample::select(vec![0xA4_u8, 0xB0, 0x20, 0x22, 0x2A]),
        prop::sample::select(vec![0x00_u8, 0x01, 0x02, 0x03, 0x04, 0x41, 0x81, 0x84, 0x9E]),
        prop::sample::select(vec![0x00_u8, 0x01, 0x02, 0x04, 0x0C, 0x9A, 0xB6, 0xFF]),
    );
    let near = (header, prop::collection::vec(any::<u8>(), 0..48), any::<bool>()).prop_map(
        |((cla, ins, p1, p2), data, with_length)| {
            let length = with_length.then_some(u8::try_from(data.len()).unwrap());
            [cla, ins, p1, p2].into_iter().chain(length).chain(data).collect()
        },
    );
    let known = prop::sample::select(vec![SELECT_HCA, SELECT_ESIGN, CHOOSE_KEY, RIGHT_PIN, SIGN, STATUS]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        near,
        known.prop_map(|command| hex::decode(command).unwrap())
    ]
}
