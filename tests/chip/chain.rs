//! Certificates that are wrong in one thing.

use kartenbund::pki::cvc::{Cvc, Holder, NotACvc};
use time::macros::{date, datetime, offset};

use super::*;

#[test]
fn the_chain_of_the_fixtures_holds_and_openssl_made_and_checks_it() {
    let (chip, ca) = (Forged::chip(&Key::new()).sign(&Key::ca()), fixture("test-cvc-ca"));
    let verified = verify(&chip, &ca, &roots(), NOW).unwrap();
    assert_eq!(verified.iccsn().to_string(), ICCSN);
    assert_eq!(
        (verified.authority().to_string(), verified.root().to_string()),
        ("DEKXX110226".into(), "DEKXX810226".into())
    );
    assert!(verified.root().is_test());

    // What the program itself signed for Erika's chip: 7F21 81 DA, then 7F4E with 150 bytes, then 5F37 40.
    let xml = std::fs::read_to_string("fixtures/cards/erika.xml").unwrap();
    let start = xml.find("7F2181DA").unwrap();
    let erika = hex(&xml[start..start + 444]);
    assert_eq!((erika.len(), &erika[4..8]), (222, hex("7F4E8193").as_slice()));
    assert!(Key::ca().signed_number(&Sha256::digest(&erika[4..155]), &erika[158..]));
    assert!(!Key::root().signed_number(&Sha256::digest(&erika[4..155]), &erika[158..]));
    assert_eq!(verify(&erika, &ca, &roots(), NOW).unwrap().iccsn().to_string(), "80276999990000000017");
}

#[test]
fn a_certificate_says_what_is_written_in_it() {
    let key = Key::new();
    let cvc = Cvc::parse(&Forged::chip(&key).sign(&Key::ca())).unwrap();
    assert_eq!(cvc.issuer.to_string(), "DEKXX110226");
    assert!(matches!(&cvc.holder, Holder::Chip { key_id: [0, 9], iccsn } if iccsn.to_string() == ICCSN));
    assert_eq!((cvc.key_oid, cvc.point.to_vec(), cvc.flags), (hex(AUTH_S), key.point(), [0; 7]));
    assert_eq!((cvc.effective, cvc.expires), (date!(2026 - 01 - 01), date!(2031 - 12 - 31)));
}

#[test]
fn a_chip_that_is_none_of_a_health_card_is_refused() {
    let (key, ca) = (Key::new(), Key::ca());
    let honest = Forged::chip(&key);
    assert!(verdict(&honest.sign(&ca)).is_ok());
    let off_curve = |f: &mut Forged| f.point[64] ^= 1;
    type Change = Box<dyn Fn(&mut Forged)>;
    let cases: Vec<(&str, Change, CvcError)> = vec![
        ("professional", Box::new(|f| f.flags = hex("005D20DAA08300")), CvcError::Role),
        ("remote PIN of a professional", Box::new(|f| f.flags = hex("0000000000000C")), CvcError::Role),
        ("lowest flag", Box::new(|f| f.flags = hex("00000000000001")), CvcError::Role),
        ("CA flags", Box::new(|f| f.flags = hex("80000000000000")), CvcError::Role),
        ("flags of card management", Box::new(|f| f.flag_list = hex("2A8214004C048119")), CvcError::Role),
        ("key of a CA", Box::new(|f| f.key_oid = hex(ECDSA_WITH_SHA256)), CvcError::Role),
        ("key for SHA-384", Box::new(|f| f.key_oid = hex("2B2403050302")), CvcError::Role),
        ("another key of the card", Box::new(|f| f.holder[1] = 0x06), CvcError::Role),
        ("another CA's", Box::new(|f| f.issuer[6] = 0x03), CvcError::UnknownIssuer),
        ("the root's", Box::new(|f| f.issuer = ROOT.to_vec()), CvcError::UnknownIssuer),
        ("point off the curve", Box::new(off_curve), CvcError::Key),
        ("compressed point", Box::new(|f| f.point[0] = 0x02), CvcError::Key),
        ("day of tomorrow", Box::new(|f| f.effective = hex("020601010204")), CvcError::NotYetValid),
        ("yesterday's", Box::new(|f| f.expires = hex("020601010202")), CvcError::Expired),
    ];
    for (what, change, error) in cases {
        assert_eq!(refused(verdict(&honest.with(change).sign(&ca))), Some((Level::Chip, error)), "{what}");
    }
    assert_eq!(refused(verdict(&honest.sign(&Key::new()))), Some((Level::Chip, CvcError::Signature)), "a stranger's");
    assert_eq!(refused(verdict(&honest.sign(&Key::root()))), Some((Level::Chip, CvcError::Signature)), "the root's");
}

#[test]
fn a_ca_that_is_none_is_refused() {
    let key = Key::ca();
    let chip = Forged::chip(&Key::new()).sign(&key);
    let honest = Forged::authority(&key);
    let verdict = |ca: &[u8]| refused(verify(&chip, ca, &roots(), NOW));
    assert_eq!(verdict(&honest.sign(&Key::root())), None);
    type Change = Box<dyn Fn(&mut Forged)>;
    let cases: Vec<(&str, Change, CvcError)> = vec![
        ("without the flag", Box::new(|f| f.flags = vec![0; 7]), CvcError::Role),
        ("a root's flags", Box::new(|f| f.flags = vec![0xFF; 7]), CvcError::Role),
        ("a foreign CA's flags", Box::new(|f| f.flags[0] = 0x40), CvcError::Role),
        ("flags of card management", Box::new(|f| f.flag_list = hex("2A8214004C048119")), CvcError::Role),
        ("key of a card", Box::new(|f| f.key_oid = hex(AUTH_S)), CvcError::Role),
        ("an unknown root's", Box::new(|f| f.issuer[7] = 0x25), CvcError::UnknownIssuer),
        ("its own", Box::new(|f| f.issuer = CA.to_vec()), CvcError::UnknownIssuer),
        ("point off the curve", Box::new(|f| f.point[64] ^= 1), CvcError::Key),
        ("day of tomorrow", Box::new(|f| f.effective = hex("020601010204")), CvcError::NotYetValid),
        ("yesterday's", Box::new(|f| f.expires = hex("020601010202")), CvcError::Expired),
    ];
    for (what, change, error) in cases {
        let verdict = verdict(&honest.with(change).sign(&Key::root()));
        assert_eq!(verdict, Some((Level::Authority, error)), "{what}");
    }
    assert_eq!(verdict(&honest.sign(&Key::new())), Some((Level::Authority, CvcError::Signature)), "a stranger's");
    assert_eq!(verdict(&honest.sign(&key)), Some((Level::Authority, CvcError::Signature)), "its own");

    // A CA of a professional's cards has rights to hand on; that takes nothing from it.
    let with_rights = honest.with(|f| f.flags = hex("80FF7BDFE1FF0C")).sign(&Key::root());
    assert_eq!(verdict(&with_rights), None);
}

#[test]
fn no_certificate_stands_in_the_place_of_another() {
    let (key, ca) = (Key::new(), fixture("test-cvc-ca"));
    let chip = Forged::chip(&key).sign(&Key::ca());
    let root = fixture("test-cvc-root");
    let verdict = |chip: &[u8], ca: &[u8]| refused(verify(chip, ca, &roots(), NOW));
    assert_eq!(verdict(&ca, &ca), Some((Level::Chip, CvcError::Role)), "the CA as chip");
    assert_eq!(verdict(&chip, &chip), Some((Level::Authority, CvcError::Role)), "the chip as CA");
    assert_eq!(verdict(&chip, &root), Some((Level::Authority, CvcError::Role)), "the root as CA");

    // A chip that signs for another one, as if it were a CA: the name of a card is none of a CA.
    let second = Forged::chip(&Key::new()).with(|f| f.issuer = hex("0009802769999900")).sign(&key);
    assert!(Cvc::parse(&second).is_err());

    // Another root and CA of the same names, whose keys are not the pinned ones.
    let (other_root, other_ca) = (Key::new(), Key::new());
    let theirs = Forged::authority(&other_ca).sign(&other_root);
    let chip = Forged::chip(&key).sign(&other_ca);
    assert_eq!(verdict(&chip, &theirs), Some((Level::Authority, CvcError::Signature)));
    assert_eq!(verdict(&chip, &ca), Some((Level::Chip, CvcError::Signature)));
}

#[test]
fn a_bit_flipped_anywhere_is_found() {
    let (chip, ca) = (Forged::chip(&Key::new()).sign(&Key::ca()), fixture("test-cvc-ca"));
    // Of point and signature, one byte in eight: each takes time.
    let is_long = |position: &usize| (36..100).contains(position) || *position >= chip.len() - 64;
    for position in (0..chip.len()).filter(|position| !is_long(position) || position % 8 == 0) {
        let mut changed = chip.clone();
        changed[position] ^= 1 << (position / 8 % 8);
        assert!(verify(&changed, &ca, &roots(), NOW).is_err(), "chip, byte {position}");
        let Some(byte) = ca.get(position) else { break };
        let mut changed = ca.clone();
        changed[position] = byte ^ 1 << (position / 8 % 8);
        assert!(verify(&chip, &changed, &roots(), NOW).is_err(), "CA, byte {position}");
    }
}

#[test]
fn what_is_no_certificate_of_generation_2_is_refused() {
    let key = Key::new();
    let honest = Forged::chip(&key);
    let bytes = honest.sign(&key);
    assert!(Cvc::parse(&bytes).is_ok());
    for length in 0..bytes.len() {
        assert_eq!(Cvc::parse(&bytes[..length]), Err(NotACvc), "cut to {length}");
    }
    let (body, signature) = (honest.body(), object("5F37", &[1; 64]));
    let outer = |content: &[&[u8]]| object("7F21", &content.concat());
    let content = &body[4..]; // behind 7F4E 81 xx
    let (profile, behind_profile) = content.split_at(4);
    let inner = |content: &[&[u8]]| outer(&[&object("7F4E", &content.concat()), &signature]);
    let longer = |tag: &str, value: &[u8]| {
        let (old, new) = (hex::encode(object(tag, value)), hex::encode(object(tag, &[value, &[0]].concat())));
        let content = hex::encode(content);
        assert!(content.contains(&old));
        inner(&[&hex(&content.replace(&old, &new))])
    };
    let public_key = [object("06", &honest.key_oid), object("86", &honest.point)].concat();
    let authorisation = [object("06", &honest.flag_list), object("53", &honest.flags)].concat();
    let x509 = std::fs::read("fixtures/pki/test-egk-ca.pem").unwrap();
    let x509 = openssl::x509::X509::from_pem(&x509).unwrap().to_der().unwrap();
    let long_form = [&hex("7F218200DA"), &bytes[4..]].concat();
    let mut no_minimal_length = bytes.clone();
    no_minimal_length.splice(10..11, [0x81, 0x01]); // 5F29 01 70 as 5F29 81 01 70
    no_minimal_length[3] += 1;
    no_minimal_length[7] += 1;
    assert_eq!(no_minimal_length[8..13], hex("5F29810170"));
    for (what, bytes) in [
        ("a byte behind it", [bytes.as_slice(), &[0]].concat()),
        ("another behind it", [bytes.as_slice(), bytes.as_slice()].concat()),
        ("a byte behind the signature", outer(&[&body, &signature, &[0]])),
        ("signature first", outer(&[&signature, &body])),
        ("no signature", outer(&[&body])),
        ("a byte behind the last date", inner(&[content, &[0]])),
        ("a byte behind the point", longer("7F49", &public_key)),
        ("a byte behind the flags", longer("7F4C", &authorisation)),
        ("an extension", inner(&[content, &object("65", &[0])])),
        ("no profile", inner(&[behind_profile])),
        ("profile last", inner(&[behind_profile, profile])),
        ("profile twice", inner(&[profile, content])),
        ("a short signature", outer(&[&body, &object("5F37", &[1; 63])])),
        ("a long signature", outer(&[&body, &object("5F37", &[1; 65])])),
        ("length in a longer form", long_form),
        ("length of the profile in a longer form", no_minimal_length),
        ("an X.509 certificate", x509),
        ("generation 1", honest.with(|f| f.profile = vec![0x00]).sign(&key)),
        ("a profile of two bytes", honest.with(|f| f.profile = vec![0x70, 0x00]).sign(&key)),
        ("a short name", honest.with(|f| f.issuer.truncate(7)).sign(&key)),
        ("a long name", honest.with(|f| f.issuer.push(0)).sign(&key)),
        ("a name that commands the terminal", honest.with(|f| f.issuer[2] = 0x1B).sign(&key)),
        ("a holder of eleven bytes", honest.with(|f| f.holder.truncate(11)).sign(&key)),
        ("a holder of thirteen bytes", honest.with(|f| f.holder.push(0)).sign(&key)),
        ("a card number that is none", honest.with(|f| f.holder[11] = 0x1A).sign(&key)),
        ("a point of 64 bytes", honest.with(|f| f.point.truncate(64)).sign(&key)),
        ("six flags", honest.with(|f| f.flags.truncate(6)).sign(&key)),
        ("eight flags", honest.with(|f| f.flags.push(0)).sign(&key)),
        ("a digit of ten", honest.with(|f| f.expires[5] = 10).sign(&key)),
        ("ASCII digits", honest.with(|f| f.effective = b"260101".to_vec()).sign(&key)),
        ("the month 13", honest.with(|f| f.expires = hex("030101030001")).sign(&key)),
        ("the month 0", honest.with(|f| f.expires = hex("030100000001")).sign(&key)),
        ("February 30", honest.with(|f| f.expires = hex("030000020300")).sign(&key)),
        ("February 29 of a common year", honest.with(|f| f.expires = hex("030100020209")).sign(&key)),
        ("the day 0", honest.with(|f| f.effective = hex("020600010000")).sign(&key)),
        ("a date of five digits", honest.with(|f| f.effective.truncate(5)).sign(&key)),
        ("endless", vec![0x7F; 5000]),
        ("nothing", Vec::new()),
    ] {
        assert_eq!(Cvc::parse(&bytes), Err(NotACvc), "{what}");
        let told = refused(verify(&bytes, &fixture("test-cvc-ca"), &roots(), NOW));
        assert_eq!(told, Some((Level::Chip, CvcError::Malformed(NotACvc))), "{what}");
    }
    assert!(Cvc::parse(&honest.with(|f| f.expires = hex("020800020209")).sign(&key)).is_ok(), "a leap day");
}

#[test]
fn the_first_and_the_last_day_count_as_days_of_utc() {
    let key = Key::new();
    let chip = Forged::chip(&key).with(|f| {
        f.effective = hex("020700030001"); // 2027-03-01
        f.expires = hex("020700030003"); // 2027-03-03
    });
    let chip = chip.sign(&Key::ca());
    let at = |at| refused(verify(&chip, &fixture("test-cvc-ca"), &roots(), at)).map(|(_, error)| error);
    assert_eq!(at(datetime!(2027-02-28 23:59:59 UTC)), Some(CvcError::NotYetValid));
    assert_eq!(at(datetime!(2027-03-01 00:00 UTC)), None);
    assert_eq!(at(datetime!(2027-03-03 23:59:59 UTC)), None);
    assert_eq!(at(datetime!(2027-03-04 00:00 UTC)), Some(CvcError::Expired));
    // Half past one in Berlin is still the day before.
    assert_eq!(at(datetime!(2027-03-01 23:30 UTC).to_offset(offset!(+2))), None);
    assert_eq!(at(datetime!(2027-03-01 01:30 +2)), Some(CvcError::NotYetValid));
}
