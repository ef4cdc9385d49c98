//! Over gematik's card images: each loads, is read in as few commands as possible, says what an independent decoding of
//! the image says, and signs.

use std::collections::BTreeMap;
use std::io::Read as _;

use kartenbund::apdu::{CommandApdu, ResponseApdu};
use kartenbund::egk::{ApduLength, CardFiles, EfCChAut, Egk, EgkError, LastTry, OtherCard, PinAnswer, PinStatus};
use kartenbund::identity::Identity;
use kartenbund::identity::vsd::{InsuranceData, PersonalData};
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::secret::{Pin, SecretText};
use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::scenario::Scenario;
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};
use openssl::x509::X509;
use sha2::{Digest as _, Sha256};

/// One image and what was found in it without the code under test.
struct CardImage {
    name: String,
    xml: String,
    /// Content of the transparent files, by name, up to the logical end of file.
    files: BTreeMap<String, Vec<u8>>,
}

fn images() -> Vec<CardImage> {
    let folder = super::shared("data/cards");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "xml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
        .into_iter()
        .map(|path| {
            let xml = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            CardImage { name, files: transparent_files(&xml), xml }
        })
        .collect()
}

fn health_cards() -> impl Iterator<Item = CardImage> {
    images().into_iter().filter(|image| image.name.starts_with("egk"))
}

fn transparent_files(xml: &str) -> BTreeMap<String, Vec<u8>> {
    let document = roxmltree::Document::parse(xml).unwrap();
    let mut files = BTreeMap::new();
    for node in document.descendants().filter(|node| node.attribute("objectType") == Some("TransparentElementaryFile"))
    {
        let attribute = |id| {
            let found = node.descendants().find(|inner| inner.attribute("id") == Some(id)).unwrap();
            found.text().unwrap_or_default().split_whitespace().collect::<String>()
        };
        let mut body = hex::decode(attribute("body")).unwrap();
        body.truncate(usize::from_str_radix(&attribute("positionLogicalEndOfFile"), 16).unwrap());
        files.insert(node.attribute("id").unwrap().to_owned(), body);
    }
    files
}

fn gunzip(gzip: &[u8]) -> String {
    let mut xml = Vec::new();
    flate2::read::GzDecoder::new(gzip).read_to_end(&mut xml).unwrap();
    encoding_rs::ISO_8859_15.decode(&xml).0.into_owned()
}

/// The text of the first element with this name, if any.
fn text(xml: &str, element: &str) -> Option<String> {
    let start = xml.find(&format!("<{element}>"))? + element.len() + 2;
    let end = start + xml[start..].find(&format!("</{element}>")).unwrap();
    Some(xml[start..end].to_owned())
}

fn pd_of(image: &CardImage) -> String {
    let pd = &image.files["EF.PD"];
    gunzip(&pd[2..2 + usize::from(u16::from_be_bytes([pd[0], pd[1]]))])
}

fn vd_of(image: &CardImage) -> String {
    let vd = &image.files["EF.VD"];
    let offset = |at: usize| usize::from(u16::from_be_bytes([vd[at], vd[at + 1]]));
    gunzip(&vd[offset(0)..=offset(2)])
}

/// Counts what passes.
struct Counted(VirtualCard, usize);

impl CardChannel for Counted {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        self.1 += 1;
        self.0.transmit(command)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        CardChannel::reset(&mut self.0)
    }
}

fn read(image: &CardImage, length: ApduLength) -> (CardFiles, usize) {
    let card = Counted(VirtualCard::load(&image.xml).unwrap(), 0);
    let mut egk = Egk::open(card, length).unwrap();
    let files = egk.read_files().unwrap();
    (files, egk.into_channel().1)
}

#[test]
fn every_image_loads_and_answers_with_its_own_atr() {
    for image in images() {
        let card = VirtualCard::load(&image.xml).unwrap_or_else(|error| panic!("{}: {error}", image.name));
        let start = image.xml.find("coldAnswerToReset").unwrap();
        let start = start + image.xml[start..].find('>').unwrap() + 1;
        let end = start + image.xml[start..].find('<').unwrap();
        assert_eq!(hex::encode(card.atr()), image.xml[start..end].to_ascii_lowercase(), "{}", image.name);
    }
}

#[test]
fn a_health_card_is_read_in_as_few_commands_as_possible() {
    // SELECT MF, EF.Version2, EF.GDO, EF.StatusVD; then SELECT DF.HCA, EF.PD, EF.VD, SELECT DF.ESIGN, C.CH.AUT.
    let (identification, applications) = (4, 2);
    for image in health_cards() {
        let has_e256 = image.files.contains_key("EF.C.CH.AUT.E256");
        let certificate = if has_e256 { "EF.C.CH.AUT.E256" } else { "EF.C.CH.AUT.R2048" };
        let extra = usize::from(!has_e256); // asked for the better certificate first
        let files = ["EF.PD", "EF.VD", certificate].map(|name| image.files[name].len());

        let (_, extended) = read(&image, ApduLength::Extended);
        assert_eq!(extended, identification + applications + files.len() + extra, "{}", image.name);

        let (_, short) = read(&image, ApduLength::Short);
        let chunks: usize = files.iter().map(|length| length.div_ceil(256)).sum();
        assert_eq!(short, identification + applications + chunks + extra, "{}", image.name);
        if has_e256 {
            assert_eq!((extended - identification, short - identification), (5, 11), "{}", image.name);
        }
    }
}

#[test]
fn what_is_read_is_what_the_image_holds() {
    for image in health_cards() {
        for length in [ApduLength::Extended, ApduLength::Short, ApduLength::Short255] {
            let (files, _) = read(&image, length);
            assert_eq!(files.iccsn.to_string(), hex::encode(&image.files["EF.GDO"][2..]));
            assert_eq!(files.status_vd, image.files["EF.StatusVD"]);
            assert_eq!(files.pd, image.files["EF.PD"]);
            assert_eq!(files.vd, image.files["EF.VD"]);
            let certificate = image.files.get("EF.C.CH.AUT.E256").or(image.files.get("EF.C.CH.AUT.R2048"));
            assert_eq!(files.certificate.der(), certificate.unwrap());
        }
    }
}

#[test]
fn the_persons_are_those_of_an_independent_decoding() {
    for image in health_cards() {
        let (files, _) = read(&image, ApduLength::Extended);
        let (pd, vd) = (pd_of(&image), vd_of(&image));
        let person = PersonalData::parse(&files.pd).unwrap();
        assert_eq!(Some(person.kvnr.as_str().to_owned()), text(&pd, "Versicherten_ID"));
        assert_eq!(Some(person.given_name), text(&pd, "Vorname"));
        assert_eq!(Some(person.family_name), text(&pd, "Nachname"));
        assert_eq!(person.name_suffix, text(&pd, "Namenszusatz"));
        assert_eq!(person.name_prefix, text(&pd, "Vorsatzwort"));
        assert_eq!(person.title, text(&pd, "Titel"));
        assert_eq!(Some(person.sex), text(&pd, "Geschlecht"));
        assert_eq!(Some(person.date_of_birth.replace('-', "")), text(&pd, "Geburtsdatum"));
        let address = person.address.unwrap();
        assert_eq!(Some(address.city), text(&pd, "Ort"));
        assert_eq!(address.street, text(&pd, "Strasse"));
        assert_eq!(address.postal_code, text(&pd, "Postleitzahl"));
        let insurance = InsuranceData::parse(&files.vd).unwrap();
        assert_eq!(Some(insurance.payer_ik.as_str().to_owned()), text(&vd, "Kostentraegerkennung"));
        assert_eq!(Some(insurance.payer_name), text(&vd, "Name"));
        assert_eq!(Some(insurance.start.replace('-', "")), text(&vd, "Beginn"));
        assert_eq!(insurance.insured_type, text(&vd, "Versichertenart"));

        let identity = Identity::read(&files.status_vd, &files.pd, &files.vd, files.certificate.der());
        let identity = identity.unwrap_or_else(|error| panic!("{}: {error}", image.name));
        let certificate = X509::from_der(files.certificate.der()).unwrap();
        let subject = |nid| -> Vec<String> {
            let entries = certificate.subject_name().entries_by_nid(nid);
            entries.map(|entry| entry.data().to_string().unwrap()).collect()
        };
        assert_eq!(subject(Nid::SURNAME), [identity.holder.surname]);
        assert_eq!(subject(Nid::GIVENNAME), [identity.holder.given_name]);
        let units = subject(Nid::ORGANIZATIONALUNITNAME);
        assert!(units.contains(&identity.holder.kvnr.as_str().to_owned()));
        assert!(units.contains(&identity.holder.payer_ik.as_str().to_owned()));
    }
}

#[test]
fn a_card_with_a_key_signs_for_its_certificate_once_the_pin_is_right() {
    let pin = |digits: &str| Pin::parse(&SecretText::new(digits.to_owned())).unwrap();
    let mut signed = 0;
    for image in health_cards() {
        let mut egk = Egk::open(VirtualCard::load(&image.xml).unwrap(), ApduLength::Short).unwrap();
        let attempt = |egk: &mut Egk<VirtualCard>| match egk.pin_status().unwrap() {
            PinStatus::Usable(tries) => tries.attempt(LastTry::Refused).unwrap(),
            other => panic!("{}: {other:?}", image.name),
        };
        let leave = attempt(&mut egk);
        assert!(matches!(egk.verify_pin(leave, &pin("654321")).unwrap(), PinAnswer::Wrong(tries) if tries.left() == 2));
        let leave = attempt(&mut egk);
        let is_rsa = matches!(egk.read_certificate().unwrap(), EfCChAut::R2048(_));
        assert_eq!(is_rsa, !image.files.contains_key("EF.C.CH.AUT.E256"), "{}: the better key is chosen", image.name);
        assert!(egk.auth_key().sign(b"too early").is_err());
        assert_eq!(egk.verify_pin(leave, &pin("123456")).unwrap(), PinAnswer::Accepted);
        let signature = egk.auth_key().sign(b"now").unwrap();
        if is_rsa {
            let certificate = X509::from_der(&image.files["EF.C.CH.AUT.R2048"]).unwrap();
            let key = certificate.public_key().unwrap();
            let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
            verifier.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(32)).unwrap();
            assert!(verifier.verify_oneshot(&signature, b"now").unwrap(), "{}", image.name);
            egk.reset().unwrap();
            assert!(egk.auth_key().sign(b"too late").is_err());
            continue;
        }
        let certificate = X509::from_der(&image.files["EF.C.CH.AUT.E256"]).unwrap();
        let key = certificate.public_key().unwrap().ec_key().unwrap();
        let [r, s] = [0, 32].map(|at| BigNum::from_slice(&signature[at..at + 32]).unwrap());
        let signature = EcdsaSig::from_private_components(r, s).unwrap();
        assert!(signature.verify(&Sha256::digest(b"now"), &key).unwrap(), "{}", image.name);
        signed += 1;
        egk.reset().unwrap();
        assert!(egk.auth_key().sign(b"too late").is_err());
    }
    assert!(signed > 0);
}

#[test]
fn a_professionals_card_is_no_health_card() {
    for image in images().into_iter().filter(|image| image.name.starts_with("hba")) {
        let card = VirtualCard::load(&image.xml).unwrap();
        let error = Egk::open(card, ApduLength::Extended).err().unwrap();
        assert!(matches!(error, EgkError::NotAnEgk(OtherCard::Hba)), "{error}");
    }
}

/// The PINs of a fresh professional's card are those of its letter (`62C1`) or none (`62C7`).
#[test]
fn a_professionals_card_comes_with_pins_that_were_never_set() {
    for image in images().into_iter().filter(|image| image.name.starts_with("hba")) {
        let mut card = VirtualCard::load(&image.xml).unwrap();
        for (command, answer) in [
            ("80200001", "62C1"),
            ("0020000108262554321FFFFFFF", "6985"),
            ("00A4040C06D27600006601", "9000"),
            ("80200081", "62C1"),
            ("00A4040C06D27600014603", "9000"),
            ("80200081", "62C7"),
            ("80200083", "62C7"),
        ] {
            assert_eq!(hex::encode_upper(card.execute(&hex::decode(command).unwrap())), answer, "{command}");
        }
    }
}

/// Files nobody may read without a PIN or a professional's card stay shut, each with the word of the specification.
#[test]
fn the_rules_of_the_images_hold() {
    for image in health_cards() {
        let mut card = VirtualCard::load(&image.xml).unwrap();
        for (command, answer) in [
            ("00A4040C06D27600000102", "9000"),
            ("00B0830000", "6982"),
            ("00B09C0000", "6B00"),
            ("00B0850000", "6981"),
            ("00A4040C06D27600014407", "9000"),
            ("00B0900000", "6982"),
            ("002000020826123456FFFFFFFF", "9000"),
            ("00B0900000", "6982"),
            ("00A4030C", "9000"),
            ("00B0830002", &format!("{}9000", hex::encode_upper(&image.files["EF.GVD"][..2]))),
            ("00A4040C0AA000000167455349474E", "9000"),
            ("00B0890002", "30829000"),
        ] {
            let given = hex::encode_upper(card.execute(&hex::decode(command).unwrap()));
            assert_eq!(given, answer, "{} {command}", image.name);
        }
    }
}

/// Every state that is one of the card is put on every health card, or the card has nothing for it; and it can be reached.
#[test]
fn scenarios_fit_the_images_too() {
    let (mut played, mut without) = (0, Vec::new());
    for image in health_cards() {
        for entry in std::fs::read_dir("fixtures/scenarios").unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if name.starts_with("reader-") || name == "can-other" {
                continue;
            }
            let scenario = Scenario::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let card = VirtualCard::load(&image.xml).unwrap();
            let card = match scenario.play(card, &mut rand_core::UnwrapErr(getrandom::SysRng)) {
                Ok(card) => card,
                Err(error) => {
                    without.push(format!("{}: {name}: {error}", image.name));
                    continue;
                }
            };
            let mut egk = Egk::open(card, ApduLength::Extended).unwrap();
            let files = egk.read_files().map_err(|error| error.to_string()).and_then(|files| {
                Identity::read(&files.status_vd, &files.pd, &files.vd, files.certificate.der())
                    .map_err(|error| error.to_string())
            });
            let is_fault = ["gzip", "hca", "pd", "update"].iter().any(|fault| name.starts_with(fault));
            assert_eq!(files.is_err(), is_fault, "{}: {name}: {:?}", image.name, files.err());
            assert_eq!(
                egk.pin_status().unwrap() == PinStatus::Blocked,
                name.starts_with("pin-blocked") || name == "puk-last-use"
            );
            played += 1;
        }
    }
    // The card of 2015 has no certificate on the curve.
    assert!(without.iter().all(|line| line.contains("g2-rsa")), "{without:?}");
    assert!(without.len() == 5 && played > 100, "{played}: {without:?}");
}
