//! Card images: a card made of any text behaves like one.

use kartenbund::virtual_card::VirtualCard;

use super::session::{Dice, command};

/// Longest text of an image.
const MAX: usize = 8 * 1024 * 1024;
/// A use of the card, with a PIN that is right in no fixture.
const USE: [&str; 16] = [
    "00A40404000000",
    "00B09C0000",
    "00A4040C06D27600000102",
    "00B0810000",
    "00B08100000000",
    "00B0000504",
    "00A4020402D00100",
    "00A40304000000",
    "00A4040C0AA000000167455349474E",
    "00B08400000000",
    "002241B606840184800100",
    "002A9E9A20BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD00",
    "0022C1A40F800A04007F00070202040202830102",
    "10860000027C0000",
    "80200002",
    "002C0102082887654321FFFFFF",
];
const WRONG_PIN: &str = "002000020826908172FFFFFFFF";

pub fn body(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let contact = VirtualCard::load(text);
    let contactless = VirtualCard::load_contactless(text, &mut Dice(0));
    let (mut contact, mut contactless) = match (contact, contactless) {
        (Ok(contact), Ok(contactless)) => (contact, contactless),
        (Err(one), Err(other)) => return assert_eq!(one, other),
        _ => panic!("a card has both interfaces"),
    };
    assert!(text.len() <= MAX, "bounded");
    assert!((2..=33).contains(&contact.atr().len()), "ISO/IEC 7816-3, 8.2");
    for card in [&mut contact, &mut contactless] {
        for line in USE {
            let answer = card.execute(&command(line).to_bytes());
            assert!((2..=65_535).contains(&answer.len()), "a response APDU");
        }
    }
    let mut left = None;
    for _ in 0..4 {
        let answer = contact.execute(&command(WRONG_PIN).to_bytes());
        let now = match *answer {
            [0x63, count @ 0xC0..=0xCF] => Some(count & 0x0F),
            _ => None,
        };
        // Fifteen is what is said of any more.
        assert!(left.zip(now).is_none_or(|(left, now)| now < left || left == 15), "a wrong PIN costs a try");
        left = now.or(left);
    }
}
