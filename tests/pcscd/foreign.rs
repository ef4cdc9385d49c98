//! Programs that others wrote use the same card.

use std::io::Read as _;

use flate2::read::GzDecoder;
use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::personalise::TestCa;
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::x509::X509;
use sha2::{Digest as _, Sha256};

use crate::card::{InReader, card, erika, image};
use crate::computer::Computer;
use crate::pcscd::{Pcscd, Reader};

const SELECT_MF: &str = "00A4040C07D2760001448000";
const SELECT_HCA: &str = "00A4040C06D27600000102";
const SELECT_ESIGN: &str = "00A4040C0AA000000167455349474E";

/// Sends commands with `opensc-tool`, and gives the answers in hexadecimal, each with its status word at the end.
pub(crate) fn opensc(computer: &Computer, commands: &[&str]) -> Vec<String> {
    let words: Vec<_> = commands.iter().flat_map(|command| ["-s", command]).collect();
    let output = computer.run_foreign("opensc-tool", &words).success();
    let mut answers = Vec::new();
    for answer in output.split("Received (SW1=0x").skip(1) {
        let (status, data) = answer.split_once(")").unwrap();
        // Up to sixteen bytes in a line, in hexadecimal with blanks, then each as one character.
        let lines: Vec<_> = data.lines().skip(1).take_while(|line| !line.starts_with("Sending")).collect();
        let width = lines.first().map_or(0, |line| line.len() / 4 * 3);
        let data = lines.into_iter().flat_map(|line| line.chars().take(width)).filter(|char| *char != ' ');
        let data: String = data.collect();
        answers.push(data + &status.replace(", SW2=0x", ""));
    }
    assert_eq!(answers.len(), commands.len(), "{output}");
    answers
}

/// The data of answers that all end with `9000`.
fn data(answers: &[String]) -> Vec<u8> {
    let data = answers.iter().map(|answer| answer.strip_suffix("9000").unwrap_or_else(|| panic!("{answer}")));
    hex::decode(data.collect::<String>()).unwrap()
}

#[test]
fn opensc_sees_reader_and_card() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let _erika = InReader::insert(&service, Reader::First, card(&erika()));
    let readers = computer.run_foreign("opensc-tool", &["-l"]).success();
    let rows: Vec<_> = readers.lines().skip(2).map(|row| row.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(rows, [["0", "Yes", "Virtual", "00", "00"], ["1", "No", "Virtual", "00", "01"]]);
    let atr = computer.run_foreign("opensc-tool", &["--atr"]).success();
    assert_eq!(atr.trim(), "3b:d0:97:ff:81:b1:fe:45:1f:07:2b");
}

/// What the files of a health card begin with is in gemSpec_eGK_ObjSys_G2_1 and gemSpec_Karten_Fach_TIP.
#[test]
fn opensc_reads_the_files() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let _erika = InReader::insert(&service, Reader::First, card(&erika()));
    let commands = [
        SELECT_MF,
        "00B0820000", // EF.GDO: the card number
        "00B0910000", // EF.Version2
        "00B09D0000", // EF.ATR
        "80200002",   // GET PIN STATUS
        SELECT_HCA,
        "00B0830000",               // EF.GVD, which the PIN guards
        "00A4040C07D2760001448001", // nothing of that name
        "00B2010400",               // a command the card does not know
    ];
    let expected = [
        "9000",
        "5A0A802769999950706838539000",
        "EF2BC003020000C103040502C2104B525442445649525455414C20010000C403010000C503020000C7030100009000",
        "E01102020809020300800202020809020208099000",
        "63C3",
        "9000",
        "6982",
        "6A82",
        "6D00",
    ];
    assert_eq!(opensc(&computer, &commands), expected);

    let answers = opensc(&computer, &[SELECT_HCA, "00B0810000", "00B0010000"]);
    assert_eq!(answers[0], "9000");
    let file = data(&answers[1..]);
    let (length, content) = file.split_first_chunk().unwrap();
    assert_eq!(usize::from(u16::from_be_bytes(*length)), content.len());
    let mut xml = Vec::new();
    GzDecoder::new(content).read_to_end(&mut xml).unwrap();
    // ISO-8859-15, as the file says itself: an umlaut is one byte.
    assert!(xml.windows(10).any(|window| window == b"M\xFCstermann"), "{}", xml.escape_ascii());
    assert!(xml.windows(10).any(|window| window == b"K220635158"));
}

#[test]
fn opensc_signs_and_openssl_verifies() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let _erika = InReader::insert(&service, Reader::First, card(&erika()));
    let answers = opensc(&computer, &[SELECT_ESIGN, "00B0840000", "00B0010000", "00B0020000", "00B0030000"]);
    let certificate = X509::from_der(&data(&answers)).unwrap();
    let ca = X509::from_der(TestCa::built_in().unwrap().certificate_der()).unwrap();
    assert!(certificate.verify(&ca.public_key().unwrap()).unwrap());

    let hash = Sha256::digest(b"signed by a program that others wrote");
    let sign = format!("002A9E9A20{}00", hex::encode_upper(hash));
    let right_pin = "002000020826123456FFFFFFFF";
    let answers = opensc(
        &computer,
        &[SELECT_ESIGN, "002241B606840184800100", &sign, right_pin, "002241B606840184800100", &sign, "80200002"],
    );
    let (signature, others) = (&answers[5], [&answers[..5], &answers[6..]].concat());
    assert_eq!(others, ["9000", "9000", "6982", "9000", "9000", "9000"]);
    let signature = data(std::slice::from_ref(signature));
    let (r, s) = signature.split_at(32);
    let [r, s] = [r, s].map(|number| BigNum::from_slice(number).unwrap());
    let key = certificate.public_key().unwrap().ec_key().unwrap();
    assert!(EcdsaSig::from_private_components(r, s).unwrap().verify(&hash, &key).unwrap());
}

/// OpenSC's `egk-tool`. Version 0.23 of Debian 12 selects DF.HCA and then, on the way to its files, the MF by its file
/// identifier (P1 = 00). A health card knows no such SELECT, and it would leave DF.HCA: the program prints nothing, and
/// still ends with 0. From 0.26 on it selects the files where they are, and the insurance data come out. Whatever its
/// version, it asks a great deal that the card does not know, and the card has to stay what it is.
#[test]
fn egk_tool_asks_what_it_likes() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let knows_egk = opensc_version(&computer) >= (0, 26);
    // Answers to reset: one that OpenSC takes for a card it knows, and one with which it tries all that it has.
    const KNOWN: &str = "3BD097FF81B1FE451F072B";
    for atr in [KNOWN, "3B909681B1FE451F0392"] {
        let image = image(&erika()).replace(KNOWN, atr);
        let inserted = InReader::insert(&service, Reader::First, VirtualCard::load(&image).unwrap());
        let before = computer.run(&["read", "--json"]).json();
        inserted.start_counting();
        for (option, known) in [("--pd", "Erika"), ("--vd", "Musterkasse")] {
            let ended = computer.run_foreign("egk-tool", &[option]);
            if knows_egk && atr == KNOWN {
                assert!(ended.success().contains(known));
            }
        }
        assert!(inserted.commands().len() > 10);
        assert_eq!(inserted.verifies(), 0);
        assert_eq!(computer.run(&["read", "--json"]).json(), before);
        assert_eq!(opensc(&computer, &[SELECT_MF, "80200002"]), ["9000", "63C3"]);
        inserted.take_out();
        computer.wait_until(Reader::First.name(), "empty");
    }
}

/// `OpenSC 0.23.0 [gcc  12.2.0]`
fn opensc_version(computer: &Computer) -> (u32, u32) {
    let info = computer.run_foreign("opensc-tool", &["--info"]).success();
    let version = info.split_whitespace().nth(1).unwrap();
    let mut numbers = version.split(['.', '-']).map_while(|number| number.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}
