//! INTERNAL AUTHENTICATE with the key of the chip (gemSpec_COS, 14.7.4 and 14.9.9).

use kartenbund::apdu::{CommandApdu, StatusWord};
use kartenbund::egk::{ApduLength, Egk};
use kartenbund::reader::CardChannel as _;
use kartenbund::reader::pace::{self, EphemeralKeys};
use kartenbund::reader::secure::SecureChannel;
use kartenbund::secret::{Can, SecretText};
use kartenbund::virtual_card::VirtualCard;

use super::{Dice, SELECT_ESIGN, SELECT_HCA, SELECT_MF, card, erika, image, play, send};

const CHOOSE: &str = "002241A406840109800100";
const TOKEN: &str = "000102030405060708090A0B0C0D0E0F1011121314151617";

fn authenticate() -> String {
    format!("0088000018{TOKEN}00")
}

#[test]
fn the_chip_signs_24_bytes_for_who_asks_rightly() {
    let with_token = |command: &str| command.replace("TOKEN", TOKEN);
    let mut card = card();
    play(
        &mut card,
        &[
            (&authenticate(), "6985"),
            ("002241A406840109800154", "6A81"), // elcSessionkey4SM
            ("002241A406840109800105", "6A81"),
            ("002241A406840108800100", "6A88"),
            ("002241A403840109", "6A80"),
            ("002241A406830109800100", "6A80"),
            ("002241A40684010980010000", "6700"),
            ("002241A4", "6700"),
            ("0022C1B6 06 840109800100", "6A86"),
            (&authenticate(), "6985"),
            (CHOOSE, "9000"),
            (&with_token("0088000017 000102030405060708090A0B0C0D0E0F10111213141516 00"), "6700"),
            (&with_token("0088000019 TOKEN 00 00"), "6700"),
            (&with_token("0088000018 TOKEN"), "6700"),
            (&with_token("0088000018 TOKEN 3F"), "6700"),
            ("0088000000", "6700"),
            (&with_token("0088010018 TOKEN 00"), "6A86"),
            (&with_token("0088000918 TOKEN 00"), "6A86"),
            (&with_token("8088000018 TOKEN 00"), "6D00"),
        ],
    );
    let answer = send(&mut card, &authenticate());
    assert_eq!((answer.len(), &answer[128..]), (132, "9000"));
    assert_eq!(send(&mut card, &authenticate()), answer, "no random numbers are involved");
    // The key that signs for the person is chosen beside it, and needs its PIN as ever.
    let of_the_application = "002241A406840189800100";
    play(&mut card, &[(SELECT_ESIGN, "9000"), (&authenticate(), "6985"), (of_the_application, "6A88")]);
    play(&mut card, &[(CHOOSE, "9000")]);
    assert_eq!(send(&mut card, &authenticate()), answer, "from another application, too");
    play(&mut card, &[("002241B606840184800100", "9000"), (super::SIGN, "6982")]);
    assert_eq!(send(&mut card, &authenticate()), answer);
    play(&mut card, &[(SELECT_HCA, "9000"), (SELECT_MF, "9000"), (&authenticate(), "6985"), (CHOOSE, "9000")]);
    card.reset();
    play(&mut card, &[(&authenticate(), "6985")]);
}

#[test]
fn the_key_of_the_person_does_not_authenticate_and_that_of_the_chip_signs_no_hash() {
    let mut card = card();
    play(
        &mut card,
        &[
            (SELECT_ESIGN, "9000"),
            ("002241A406840184800100", "6A81"),
            ("002241B606840109800100", "6A81"),
            (super::RIGHT_PIN, "9000"),
            (super::SIGN, "6985"),
            (CHOOSE, "9000"),
            (super::SIGN, "6985"),
        ],
    );
}

#[test]
fn without_contacts_the_chip_signs_only_what_comes_encrypted_on_a_secured_line() {
    let mut card = VirtualCard::load_contactless(&image(&erika()), &mut Dice(1)).unwrap();
    play(&mut card, &[("00B0860000", "6982"), ("00B0870000", "6982"), (CHOOSE, "9000"), (&authenticate(), "6982")]);
    let mut channel = SecureChannel::new(card);
    let can = Can::parse(&SecretText::new("123123".to_owned())).unwrap();
    pace::establish(&mut channel, &can, &EphemeralKeys::random(&mut Dice(2))).unwrap();
    let mut send = |command: &str| {
        let command = CommandApdu::parse(&hex::decode(command).unwrap()).unwrap();
        channel.transmit(&command).unwrap()
    };
    assert_eq!(send(CHOOSE).status(), StatusWord::OK);
    assert_eq!(send(&authenticate()).data().len(), 64);
    assert_eq!((send("00B0860000").data().len(), send("00B0870000").data().len()), (222, 220));
}

/// Files are as long as their certificates, so that one command reads each.
#[test]
fn both_certificates_are_read_by_one_command_each() {
    let mut card = card();
    let chip = card.execute(&[0x00, 0xB0, 0x86, 0x00, 0x00]);
    assert_eq!(
        (chip.len(), &chip[..4], &chip[222..]),
        (224, [0x7F, 0x21, 0x81, 0xDA].as_slice(), [0x90, 0x00].as_slice())
    );
    let ca = card.execute(&[0x00, 0xB0, 0x87, 0x00, 0x00]);
    assert_eq!((ca.len(), &ca[..4]), (222, [0x7F, 0x21, 0x81, 0xD8].as_slice()));
    let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
    assert_eq!(egk.read_chip_certificate().unwrap(), chip[..222]);
    assert_eq!(egk.read_chip_authority().unwrap(), ca[..220]);
}
