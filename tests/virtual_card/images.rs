//! Card images as they come: odd ones load, broken and hostile ones are refused.

use kartenbund::virtual_card::{ImageError, VirtualCard};

use super::{CHOOSE_KEY, RIGHT_PIN, SELECT_ESIGN, SIGN, erika, image, play, send};

#[test]
fn images_come_with_white_space_comments_and_placeholders() {
    let image = image(&erika())
        .replace(
            "<attribute id=\"body\">5A0A80",
            "<attribute herstellerspezifisch=\"true\" id=\"body\">5a\n\t 0A<!-- x -->80",
        )
        .replace("<attribute id=\"keyAvailable\">TRUE", "<attribute id=\"keyAvailable\">True")
        .replace("<attribute id=\"PUK\">2812345678FFFFFF", "<attribute id=\"PUK\">Wildcard")
        .replace("<attribute id=\"coldAnswerToReset\">", "<attribute id=\"coldAnswerToReset\" a=\"b\"> ")
        .replace("<attribute id=\"positionLogicalEndOfFile\">002D", "<attribute id=\"positionLogicalEndOfFile\">30")
        .replace("<card ", "<?pi?><card xmlns=\"urn:x\" ");
    let image = format!("\u{FEFF}{image}");
    let mut card = VirtualCard::load(&image).unwrap();
    play(
        &mut card,
        &[
            ("00B0820004", "5A0A80279000"),
            // A body shorter than the file goes on with zeros.
            ("00B0912A06", "0100000000009000"),
            (SELECT_ESIGN, "9000"),
            (CHOOSE_KEY, "9000"),
            (RIGHT_PIN, "9000"),
        ],
    );
    assert_eq!(send(&mut card, SIGN).len(), 2 * 66);
    assert_eq!(hex::encode_upper(card.atr()), "3BD097FF81B1FE451F072B");
}

#[test]
fn the_largest_file_fits_the_line() {
    let image = image(&erika());
    let start = image.find("<child id=\"EF.Version2\"").unwrap();
    let end = start + image[start..].find("</child>").unwrap();
    let sized = |end_of_file: &str| {
        let file = image[start..end].replace("002D<", &format!("{end_of_file}<"));
        VirtualCard::load(&format!("{}{file}{}", &image[..start], &image[end..]))
    };
    let mut card = sized("FFFD").unwrap();
    assert_eq!(card.execute(&hex::decode("00B09100000000").unwrap()).len(), 65_535);
    assert_eq!(card.execute(&hex::decode("00B0910000FFFF").unwrap()).len(), 65_535);
    assert_eq!(card.execute(&hex::decode("00B0910000").unwrap()).len(), 258);
    assert!(matches!(sized("FFFE"), Err(ImageError::Attribute { .. })));
}

#[test]
fn an_error_names_object_and_attribute() {
    let image = image(&erika());
    for (from, to, object, attribute) in [
        ("<attribute id=\"body\">EF2B", "<attribute id=\"body\">EF2X", "EF.Version2", "body"),
        ("<attribute id=\"body\">EF2B", "<attribute id=\"body\">EF2", "EF.Version2", "body"),
        (
            "<attribute id=\"numberOfOctet\">003c",
            "<attribute id=\"numberOfOctet\">00zz",
            "EF.Version2",
            "numberOfOctet",
        ),
        (">26123456FFFFFFFF<", ">26123456<", "PIN.CH", "secret"),
        ("3BD097FF81B1FE451F072B", "3BD0 nothing", "objectSystem", "coldAnswerToReset"),
    ] {
        let broken = image.replacen(from, to, 1);
        assert_ne!(image, broken, "{from}");
        let expected = ImageError::Attribute { object: object.to_owned(), attribute };
        assert_eq!(VirtualCard::load(&broken).unwrap_err(), expected);
    }
}

#[test]
fn images_that_are_none_are_refused() {
    assert!(matches!(VirtualCard::load(""), Err(ImageError::Xml(_))));
    assert!(matches!(VirtualCard::load("<card/>"), Err(ImageError::NoRoot)));
    assert!(matches!(VirtualCard::load("<card><objectSystem/></card>"), Err(ImageError::NoRoot)));
    let file = "<objectSystem><child id=\"EF\" objectType=\"TransparentElementaryFile\"/></objectSystem>";
    assert!(matches!(VirtualCard::load(file), Err(ImageError::NoRoot)));

    let bomb = "<!DOCTYPE card [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><card>&b;</card>";
    assert!(matches!(VirtualCard::load(bomb), Err(ImageError::Xml(_))));
    let secrets = "<!DOCTYPE card SYSTEM \"file:///etc/passwd\"><card/>";
    assert!(matches!(VirtualCard::load(secrets), Err(ImageError::Xml(_))));
    assert!(matches!(VirtualCard::load(&" ".repeat(9_000_000)), Err(ImageError::TooLong)));
    let many = format!("<card>{}</card>", "<a/>".repeat(300_000));
    assert!(matches!(VirtualCard::load(&many), Err(ImageError::Xml(_))));
}

#[test]
fn a_few_letters_do_not_ask_for_memory_without_end() {
    let file = "<child id=\"EF\" objectType=\"TransparentElementaryFile\"><attributes>\
                <attribute id=\"positionLogicalEndOfFile\">FFFD</attribute></attributes></child>";
    let image = |files: usize| {
        let folder = format!("<child objectType=\"DF\"><children>{}</children></child>", file.repeat(files));
        let mf = format!("<child objectType=\"ADF\"><children>{folder}{folder}</children></child>");
        VirtualCard::load(&format!("<card><objectSystem>{mf}</objectSystem></card>"))
    };
    assert!(image(8).is_ok());
    let expected = ImageError::Attribute { object: "EF".to_owned(), attribute: "positionLogicalEndOfFile" };
    assert_eq!(image(9).unwrap_err(), expected);
}

#[test]
fn deep_images_are_refused_without_a_crash() {
    let nest = |open: &str, close: &str, depth: usize| {
        format!("<card><objectSystem>{}{}</objectSystem></card>", open.repeat(depth), close.repeat(depth))
    };
    let folder = "<child id=\"DF\" objectType=\"Application\"><children>";
    assert!(VirtualCard::load(&nest(folder, "</children></child>", 9)).is_ok());
    for depth in [10, 1_000, 60_000] {
        let deep = nest(folder, "</children></child>", depth);
        assert!(matches!(VirtualCard::load(&deep), Err(ImageError::TooDeep { object }) if object == "DF"), "{depth}");
    }
    assert!(matches!(VirtualCard::load(&nest("<a>", "</a>", 150_000)), Err(ImageError::NoRoot)));
}
