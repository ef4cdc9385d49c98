//! Selecting and reading files (gemSpec_COS, 14.2.6 and 14.3.2), and commands the card does not know.

use kartenbund::egk::{ApduLength, Egk, EgkError};
use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::personalise::Blueprint;

use super::{CHOOSE_KEY, RIGHT_PIN, SELECT_ESIGN, SELECT_HCA, SELECT_MF, SIGN, STATUS, card, erika, file, image, play};

#[test]
fn a_program_identifies_the_card() {
    let mut card = card();
    assert_eq!(hex::encode_upper(card.atr()), "3BD097FF81B1FE451F072B");
    play(
        &mut card,
        &[
            (SELECT_MF, "9000"),
            ("00A4040C", "9000"),
            ("00A4040400", "6213 820178 83023F00 8A0105 8407D2760001448000 9000"),
            ("00A40404000000", "6213 820178 83023F00 8A0105 8407D2760001448000 9000"),
            (
                "00B0910000",
                "EF2BC003020000C103040502C2104B525442445649525455414C20010000C403010000C503020000C7030100009000",
            ),
            ("00B09C0000", "31143012060A04007F0007020204020202010202010D9000"),
            ("00A4040C07A0000002471001", "6A82"),
            ("00A4040C06D27600014601", "6A82"),
        ],
    );
}

#[test]
fn a_program_asks_what_a_file_is_before_it_reads_it() {
    let mut card = card();
    let certificate = file(&mut card, SELECT_ESIGN, 0x04);
    let fcp = format!("6215 8002076C 820141 8302C504 880120 8A0105 C502{:04X} 9000", certificate.len());
    play(
        &mut card,
        &[
            ("00A4020402C50400", fcp.as_str()),
            ("00A4020C02C504", "9000"),
            ("00B0000004", &format!("{}9000", hex::encode_upper(&certificate[..4]))),
            ("00A4020C02D001", "6A82"),
            ("00A4030C", "9000"),
            ("00A4030C", "6A82"),
            ("00A4020C022F02", "9000"),
            ("00A4010C02D001", "6A82"),
            (SELECT_HCA, "9000"),
            ("00A4020C02D001", "9000"),
            ("00A40404 06D27600000102 00", "620E 820178 8A0105 8406D27600000102 9000"),
        ],
    );
}

#[test]
fn reading_ends_where_the_file_does() {
    let mut card = card();
    play(
        &mut card,
        &[
            ("00B0000000", "6986"),
            ("00B0820000", "5A0A802769999950706838539000"),
            ("00B082000C", "5A0A802769999950706838539000"),
            ("00B082000D", "5A0A802769999950706838536282"),
            ("00B08200000000", "5A0A802769999950706838539000"),
            ("00B08200000100", "5A0A802769999950706838536282"),
            ("00B082000003", "6700"),
            ("00B0820202", "80279000"),
            ("00B0000A04", "38536282"),
            ("00B0000A00", "38539000"),
            ("00B0000C00", "6B00"),
            ("00B0000C01", "6B00"),
            ("00B07FFF00", "6B00"),
            ("00B082FF00", "6B00"),
            ("00B09F0000", "6A82"),
            ("00B0800000", "6A82"),
            ("00B0A20000", "6A86"),
            ("00B0C20000", "6A86"),
            // The last file that was found is still the current one.
            ("00B0000A02", "38539000"),
            ("00B082", "6700"),
            ("00B08200", "6700"),
            ("00B08200015A", "6700"),
            // EF.DIR has records.
            ("00B09E0000", "6981"),
            ("00B0000000", "6981"),
        ],
    );
}

#[test]
fn an_empty_file_has_nothing_at_its_first_byte() {
    let mut card = VirtualCard::load(&image(&Blueprint { gvd: false, ..erika() })).unwrap();
    play(&mut card, &[(SELECT_HCA, "9000"), (RIGHT_PIN, "9000"), ("00B0830000", "6B00"), ("00B0830001", "6B00")]);
}

#[test]
fn selecting_another_application_forgets_file_and_key_but_not_the_pin() {
    play(
        &mut card(),
        &[
            (SELECT_ESIGN, "9000"),
            (RIGHT_PIN, "9000"),
            (CHOOSE_KEY, "9000"),
            ("00B0840001", "309000"),
            (SELECT_HCA, "9000"),
            ("00B0000001", "6986"),
            (SIGN, "6985"),
            (STATUS, "9000"),
        ],
    );
}

#[test]
fn a_select_that_fails_changes_nothing() {
    play(
        &mut card(),
        &[
            (SELECT_HCA, "9000"),
            ("00B08C0001", "309000"),
            ("00A4040C0AA0000001674553494700", "6A82"),
            ("00B0000001", "309000"),
            ("00B08C0001", "309000"),
        ],
    );
}

#[test]
fn a_deactivated_application_is_selected_but_not_read() {
    let image = image(&erika());
    let at = image.find("id=\"DF.HCA\"").unwrap();
    let end = at + image[at..].find("<children>").unwrap();
    let attributes = image[at..end].replace("ACTIVATED", "DEACTIVATED");
    let mut card = VirtualCard::load(&format!("{}{attributes}{}", &image[..at], &image[end..])).unwrap();
    play(
        &mut card,
        &[
            (SELECT_HCA, "6283"),
            ("00A4040406D2760000010200", "620E 820178 8A0104 8406D27600000102 6283"),
            ("00B0810000", "6982"),
            ("00A4020C02D001", "6283"),
            ("00B0000000", "6982"),
            (SELECT_ESIGN, "9000"),
            ("00B0840001", "309000"),
        ],
    );
    let mut egk = Egk::open(&mut card, ApduLength::Extended).unwrap();
    assert!(matches!(egk.read_files(), Err(EgkError::Deactivated)));
}

#[test]
fn foreign_programs_try_all_sorts_of_commands() {
    play(
        &mut card(),
        &[
            ("", "6700"),
            ("00", "6700"),
            ("00A404", "6700"),
            ("00A4040C07D27600014480", "6700"),
            ("00A40404", "6700"),
            ("00A4040414", "6700"),
            ("00A408040707", "6A86"),
            ("00A4040C00", "6700"),
            ("00A4020C", "6700"),
            ("00A4020C01D0", "6700"),
            ("00A4030C013F", "6700"),
            ("00A4040007D2760001448000", "6A86"),
            ("00A40000023F0000", "6A86"),
            ("00A4000C023F00", "6A86"),
            ("00A4080402D00100", "6A86"),
            ("00A4090C02D001", "6A86"),
            ("A0CA9F6C000200", "6E00"),
            ("FFCA000000", "6E00"),
            ("0CA4040C0A8E08EB4963AB4A4A925E00", "6E00"),
            ("108600000000027C000000", "6985"),
            ("01A4040C", "6E00"),
            ("00CADF3005", "6D00"),
            ("00CB3FFF035C017E08", "6D00"),
            ("80CA01000000 00", "6D00"),
            ("8084000020", "6D00"),
            ("0082000018", "6D00"),
            ("00D60000015A", "6D00"),
            ("00B201041E", "6D00"),
            ("00260002 08 26123456FFFFFFFF", "6D00"),
            ("00280002 08 26123456FFFFFFFF", "6D00"),
            ("80A4040C", "6D00"),
            ("80B0820000", "6D00"),
            (STATUS, "63C3"),
            ("00B0820002", "5A0A9000"),
        ],
    );
}
