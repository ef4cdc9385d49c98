//! The PIN, right and wrong, and what it opens (gemSpec_COS, 14.6.4 and 14.6.6).

use kartenbund::apdu::commands;
use kartenbund::reader::CardChannel;
use kartenbund::secret::{Pin, SecretText};
use kartenbund::virtual_card::VirtualCard;

use super::{CHOOSE_KEY, RIGHT_PIN, SELECT_ESIGN, SELECT_HCA, SIGN, STATUS, WRONG_PIN, card, erika, image, play, send};

#[test]
fn wrong_pin_twice_then_right_one() {
    play(
        &mut card(),
        &[
            (STATUS, "63C3"),
            (WRONG_PIN, "63C2"),
            (STATUS, "63C2"),
            (WRONG_PIN, "63C1"),
            (STATUS, "63C1"),
            (RIGHT_PIN, "9000"),
            (STATUS, "9000"),
            ("80200001", "63C3"),
        ],
    );
}

#[test]
fn a_blocked_pin_stays_blocked_after_a_reset() {
    let mut card = card();
    play(&mut card, &[(WRONG_PIN, "63C2"), (WRONG_PIN, "63C1"), (WRONG_PIN, "63C0")]);
    for _ in 0..2 {
        play(&mut card, &[(STATUS, "63C0"), (RIGHT_PIN, "6983"), (WRONG_PIN, "6983"), ("80200001", "63C0")]);
        card.reset();
    }
}

#[test]
fn a_reset_between_tries_gives_none_back() {
    let mut card = card();
    for answer in ["63C2", "63C1", "63C0", "6983"] {
        play(&mut card, &[(WRONG_PIN, answer)]);
        card.reset();
    }
}

#[test]
fn both_references_of_the_pin_share_their_tries() {
    play(
        &mut card(),
        &[
            ("002000010826654321FFFFFFFF", "63C2"),
            (STATUS, "63C2"),
            (WRONG_PIN, "63C1"),
            ("80200001", "63C1"),
            ("002000010826123456FFFFFFFF", "9000"),
            (STATUS, "63C3"),
        ],
    );
}

#[test]
fn the_pin_under_reference_01_does_not_open_the_key() {
    play(
        &mut card(),
        &[
            ("002000010826123456FFFFFFFF", "9000"),
            ("80200001", "9000"),
            (SELECT_ESIGN, "9000"),
            (CHOOSE_KEY, "9000"),
            (SIGN, "6982"),
            (SELECT_HCA, "9000"),
            ("00B0830000", "6982"),
        ],
    );
}

#[test]
fn a_wrong_pin_closes_what_the_right_one_opened() {
    play(
        &mut card(),
        &[
            (SELECT_HCA, "9000"),
            ("00B0830001", "6982"),
            (RIGHT_PIN, "9000"),
            ("00B0830001", "009000"),
            (WRONG_PIN, "63C2"),
            ("00B0830001", "6982"),
            (STATUS, "63C2"),
        ],
    );
}

#[test]
fn a_reset_closes_what_the_pin_opened() {
    let mut card = card();
    play(&mut card, &[(SELECT_ESIGN, "9000"), (RIGHT_PIN, "9000"), (CHOOSE_KEY, "9000")]);
    card.reset();
    play(
        &mut card,
        &[
            (STATUS, "63C3"),
            (SIGN, "6985"),
            ("00B0840001", "6A82"),
            (SELECT_ESIGN, "9000"),
            (CHOOSE_KEY, "9000"),
            (SIGN, "6982"),
        ],
    );
}

#[test]
fn what_cannot_be_a_pin_spends_no_try() {
    let mut card = card();
    for no_pin in [
        "00200002",
        "0020000206123456654321",
        "0020000209 26123456FFFFFFFF00",
        "0020000210 26123456FFFFFFFF26123456FFFFFFFF",
    ] {
        play(&mut card, &[(no_pin, "6700")]);
    }
    for no_pin in [
        "0000000000000000",
        "FFFFFFFFFFFFFFFF",
        "313233343536FFFF",
        "2612345AFFFFFFFF",
        "26123456FFFFFFF0",
        "261234567FFFFFFF",
        "2512345FFFFFFFFF",
        "29123456789FFFFF",
        "2F12345678901234",
        "20FFFFFFFFFFFFFF",
    ] {
        play(&mut card, &[(&format!("0020000208{no_pin}"), "6A80")]);
    }
    play(
        &mut card,
        &[
            ("0020010208 26123456FFFFFFFF", "6A86"),
            ("0020000308 26123456FFFFFFFF", "6A88"),
            ("0020000208 26123456FFFFFFFF 00", "6700"),
            ("80200003", "6A88"),
            (SELECT_ESIGN, "9000"),
            ("0020008208 26123456FFFFFFFF", "6A88"),
            ("80200082", "6A88"),
            ("80200042", "6A88"),
            ("80200102", "6A86"),
            ("8020000200", "6700"),
            (STATUS, "63C3"),
        ],
    );
}

/// Cards come out of production in states a person has to be told about.
#[test]
fn pins_that_were_never_set_are_not_compared() {
    let regular = "<attribute id=\"transportStatus\">regularPassword</attribute>";
    let counter = "<attribute id=\"retryCounter\">03</attribute>";
    let image = image(&erika());
    let with = |from: &str, to: &str| VirtualCard::load(&image.replacen(from, to, 1)).unwrap();

    let mut transport = with(regular, &regular.replace("regularPassword", "transportPIN"));
    play(&mut transport, &[(STATUS, "62C1"), (RIGHT_PIN, "6985"), (WRONG_PIN, "6985"), (STATUS, "62C1")]);

    let mut empty = with(regular, &regular.replace("regularPassword", "leerPIN"));
    play(&mut empty, &[(STATUS, "62C7"), (RIGHT_PIN, "6985")]);

    let mut blocked = with(counter, &counter.replace("03", "00"));
    play(&mut blocked, &[(STATUS, "63C0"), (RIGHT_PIN, "6983")]);

    let both = format!("{}{}", counter.replace("03", "00"), regular.replace("regularPassword", "transportPIN"));
    let mut both = VirtualCard::load(&image.replacen(regular, "", 1).replacen(counter, &both, 1)).unwrap();
    play(&mut both, &[(STATUS, "63C0"), (RIGHT_PIN, "6983")]);
}

#[test]
fn a_pin_that_is_switched_off_guards_nothing() {
    let image = image(&erika());
    let at = image.find("id=\"MRPIN.home\"").unwrap();
    let off = format!("{}{}", &image[..at], image[at..].replacen("TRUE", "FALSE", 1));
    play(
        &mut VirtualCard::load(&off).unwrap(),
        &[
            (STATUS, "62D0"),
            ("80200001", "63C3"),
            (SELECT_HCA, "9000"),
            ("00B0830001", "009000"),
            (RIGHT_PIN, "9000"),
            (STATUS, "9000"),
        ],
    );
}

#[test]
fn a_pin_for_two_signatures_signs_two() {
    let image = image(&erika());
    let at = image.find("id=\"MRPIN.home\"").unwrap();
    let two = format!("{}{}", &image[..at], image[at..].replacen("{(1,INFINITY)}", "{(1,0002),(2,0001)}", 1));
    let mut card = VirtualCard::load(&two).unwrap();
    play(&mut card, &[(SELECT_ESIGN, "9000"), (CHOOSE_KEY, "9000"), (RIGHT_PIN, "9000")]);
    for _ in 0..2 {
        assert_eq!(send(&mut card, SIGN).len(), 2 * 66);
    }
    play(&mut card, &[(SIGN, "6982"), (STATUS, "63C3"), (RIGHT_PIN, "9000")]);
    assert_eq!(send(&mut card, SIGN).len(), 2 * 66);
}

#[test]
fn a_pin_of_an_application_counts_while_it_is_selected() {
    let image = image(&erika());
    let start = image.find("<child id=\"PIN.CH\"").unwrap();
    let end = start + image[start..].find("</child>").unwrap() + "</child>".len();
    let pin = &image[start..end];
    let local = image.replacen("<child id=\"EF.PD\"", &format!("{pin}<child id=\"EF.PD\""), 1);
    let local = local.replacen("OR{PWD(02),AND{PWD(01)", "OR{PWD(81),AND{PWD(01)", 1);
    let mut card = VirtualCard::load(&local).unwrap();
    play(
        &mut card,
        &[
            ("80200081", "63C3"),
            (SELECT_HCA, "9000"),
            ("80200081", "63C3"),
            ("002000810826111111FFFFFFFF", "63C2"),
            ("80200001", "63C3"),
            ("002000810826123456FFFFFFFF", "9000"),
            ("00B0830001", "009000"),
            (SELECT_ESIGN, "9000"),
            ("80200081", "6A88"),
            (SELECT_HCA, "9000"),
            ("80200081", "63C3"),
            ("00B0830001", "6982"),
        ],
    );
}

#[test]
fn a_channel_that_is_reset_is_a_card_that_is_reset() {
    let mut card = card();
    let pin = Pin::parse(&SecretText::new("123456".to_owned())).unwrap();
    let verify = commands::verify(commands::PasswordRef(2), &pin);
    assert!(card.transmit(&verify).unwrap().status().is_ok());
    assert_eq!(card.transmit(&commands::get_pin_status(commands::PasswordRef(2))).unwrap().status().0, 0x9000);
    CardChannel::reset(&mut card).unwrap();
    assert_eq!(card.transmit(&commands::get_pin_status(commands::PasswordRef(2))).unwrap().status().0, 0x63C3);
    assert_eq!(format!("{card:?}"), "VirtualCard(***)");
}

#[test]
fn a_pin_is_changed_by_who_knows_the_old_one() {
    play(
        &mut card(),
        &[
            ("00240002 10 26654321FFFFFFFF 2824680246FFFFFF", "63C2"),
            ("00240002 10 26123456FFFFFFFF 2512345FFFFFFFFF", "6985"), // too short, and no try is spent
            ("00240002 10 26123456FFFFFFFF 26123FFFFFFFFFFF", "6985"),
            ("00240002 08 26123456FFFFFFFF", "6700"),
            ("00240002", "6700"),
            ("00240202 10 26123456FFFFFFFF 2824680246FFFFFF", "6A86"),
            ("00240102 08 2824680246FFFFFF", "6982"), // the rules of a health card allow none without the old one
            ("00240006 10 26123456FFFFFFFF 2824680246FFFFFF", "6A88"),
            ("80200002", "63C2"),
            ("00240002 10 26123456FFFFFFFF 2824680246FFFFFF", "9000"),
            ("80200002", "63C3"), // a change verifies nothing
            ("00200002 08 26123456FFFFFFFF", "63C2"),
            ("00200002 08 2824680246FFFFFF", "9000"),
            ("00240002 10 26654321FFFFFFFF 26123456FFFFFFFF", "63C2"), // and a wrong one takes it back
            ("80200002", "63C2"),
            ("00240001 10 26654321FFFFFFFF 26123456FFFFFFFF", "63C1"), // the same counter under both references
            ("00240002 10 26654321FFFFFFFF 26123456FFFFFFFF", "63C0"),
            ("00240002 10 2824680246FFFFFF 26123456FFFFFFFF", "6983"),
        ],
    );
}

#[test]
fn the_puk_unblocks_ten_times_and_no_more() {
    let mut card = card();
    let blocked = [
        ("00200002 08 26654321FFFFFFFF", "63C2"),
        ("00200002 08 26654321FFFFFFFF", "63C1"),
        ("00200002 08 26654321FFFFFFFF", "63C0"),
        ("00200002 08 26123456FFFFFFFF", "6983"),
    ];
    play(&mut card, &blocked);
    play(
        &mut card,
        &[
            ("002C0102 10 2812345678FFFFFF 2824680246FFFFFF", "6700"),
            ("002C0002 08 2812345678FFFFFF", "6700"),
            ("002C0302 08 2812345678FFFFFF", "6A86"),
            ("002C0002 10 2812345678FFFFFF 2512345FFFFFFFFF", "6985"),
            ("002C0102 08 2887654321FFFFFF", "63C9"),
            ("002C0102 08 2812345678FFFFFF", "9000"),
            ("80200002", "63C3"),
            ("00200002 08 26123456FFFFFFFF", "9000"),
            ("002C0002 10 2812345678FFFFFF 2824680246FFFFFF", "9000"),
            ("80200002", "63C3"), // the PIN is not verified any more
            ("00200002 08 2824680246FFFFFF", "9000"),
        ],
    );
    for left in (0..7).rev() {
        assert_eq!(send(&mut card, "002C0102 08 2887654321FFFFFF"), format!("63C{left}"));
    }
    play(&mut card, &[("002C0102 08 2812345678FFFFFF", "6983")]);
}
