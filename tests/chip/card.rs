//! The whole way: a card in software, with contacts and without, and what a person's program makes of it.

use kartenbund::apdu::{CommandApdu, ResponseApdu, StatusWord};
use kartenbund::egk::{ApduLength, Egk, EgkError};
use kartenbund::protocol::presence::{ChipEvidence, ChipPresence, Occasion, PresenceError};
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::secret::{Can, SecretText};
use kartenbund::virtual_card::VirtualCard;
use rand_core::UnwrapErr;

use super::*;

fn rng() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

fn erika() -> String {
    std::fs::read_to_string("fixtures/cards/erika.xml").unwrap()
}

/// A line that counts, is pulled, and whose answers somebody may change.
struct Line<F> {
    card: VirtualCard,
    sent: Vec<[u8; 4]>,
    pull_at: usize,
    touch: F,
}

impl<F: FnMut([u8; 4], ResponseApdu) -> ResponseApdu> CardChannel for Line<F> {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        if self.sent.len() == self.pull_at {
            return Err(ChannelError::Removed);
        }
        self.sent.push(command.header());
        Ok((self.touch)(command.header(), self.card.transmit(command)?))
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        CardChannel::reset(&mut self.card)
    }

    fn atr(&self) -> &[u8] {
        self.card.atr()
    }
}

fn line(xml: &str, contactless: bool) -> Line<fn([u8; 4], ResponseApdu) -> ResponseApdu> {
    let card = if contactless {
        VirtualCard::load_contactless(xml, &mut rng()).unwrap()
    } else {
        VirtualCard::load(xml).unwrap()
    };
    Line { card, sent: Vec::new(), pull_at: usize::MAX, touch: |_, answer| answer }
}

fn evidence<C: CardChannel>(
    egk: &mut Egk<C>,
    contactless: bool,
    occasion: &Occasion,
) -> Result<ChipEvidence, EgkError> {
    if contactless {
        egk.open_contactless(&Can::parse(&SecretText::new("123123".to_owned())).unwrap(), &mut rng())?;
    }
    let (chip, authority) = (egk.read_chip_certificate()?, egk.read_chip_authority()?);
    Ok(ChipEvidence { chip, authority, signature: egk.authenticate_chip(&occasion.nonce())?.to_vec() })
}

#[test]
fn a_card_shows_that_it_is_genuine_in_six_commands_or_twelve() {
    for (contactless, length, count) in [
        (false, ApduLength::Extended, 6),
        (false, ApduLength::Short, 6),
        (false, ApduLength::Short255, 6),
        (true, ApduLength::Extended, 12),
        (true, ApduLength::Short, 12),
    ] {
        let occasion = Occasion::of_nobody(&mut rng());
        let mut egk = Egk::open(line(&erika(), contactless), length).unwrap();
        let evidence = evidence(&mut egk, contactless, &occasion).unwrap();
        assert_eq!((evidence.chip.len(), evidence.authority.len(), evidence.signature.len()), (222, 220, 64));
        // OpenSSL is the judge: the signature is one of the certificate's key, over 25 bytes as they are.
        let point = &evidence.chip[35..100];
        let token = [occasion.nonce().as_bytes().as_slice(), &[0]].concat();
        assert!(signed_by(point, &token, &evidence.signature));
        let presence = ChipPresence::check(&evidence, occasion, &roots(), NOW).unwrap();
        assert_eq!(presence.iccsn(), &egk.iccsn().unwrap(), "EF.GDO and the certificate name one card");
        assert_eq!(egk.into_channel().sent.len(), count + 1, "{contactless} {length:?}");
    }
}

fn signed_by(point: &[u8], number: &[u8], signature: &[u8]) -> bool {
    let group = EcGroup::from_curve_name(Nid::BRAINPOOL_P256R1).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let point = openssl::ec::EcPoint::from_bytes(&group, point, &mut context).unwrap();
    let key = EcKey::from_public_key(&group, &point).unwrap();
    let part = |bytes| BigNum::from_slice(bytes).unwrap();
    let (r, s) = signature.split_at(32);
    EcdsaSig::from_private_components(part(r), part(s)).unwrap().verify(number, &key).unwrap()
}

#[test]
fn a_card_without_contacts_wants_its_access_number_first() {
    let occasion = Occasion::of_nobody(&mut rng());
    // Where the reader tells how the card is reached, nothing is sent that would be refused.
    let mut egk = Egk::open(line(&erika(), true), ApduLength::Extended).unwrap();
    assert!(matches!(egk.read_chip_certificate(), Err(EgkError::Contactless)));
    assert!(matches!(egk.authenticate_chip(&occasion.nonce()), Err(EgkError::Contactless)));
    assert_eq!(egk.into_channel().sent.len(), 2);
    /// A reader that does not.
    struct Silent(VirtualCard);
    impl CardChannel for Silent {
        fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
            self.0.transmit(command)
        }
        fn reset(&mut self) -> Result<(), ChannelError> {
            CardChannel::reset(&mut self.0)
        }
    }
    let card = VirtualCard::load_contactless(&erika(), &mut rng()).unwrap();
    let mut egk = Egk::open(Silent(card), ApduLength::Extended).unwrap();
    assert!(matches!(egk.read_chip_certificate(), Err(EgkError::Contactless)));
    assert!(matches!(egk.authenticate_chip(&occasion.nonce()), Err(EgkError::Contactless)));
}

#[test]
fn a_card_pulled_at_any_step_shows_nothing() {
    for contactless in [false, true] {
        let occasion = Occasion::of_nobody(&mut rng());
        let mut pull_at = 0;
        loop {
            let mut line = line(&erika(), contactless);
            line.pull_at = pull_at;
            let shown =
                Egk::open(line, ApduLength::Extended).and_then(|mut egk| evidence(&mut egk, contactless, &occasion));
            match shown {
                Ok(_) => break,
                Err(EgkError::Channel(ChannelError::Removed)) => pull_at += 1,
                Err(other) => panic!("command {pull_at}: {other:?}"),
            }
        }
        assert_eq!(pull_at, if contactless { 12 } else { 6 });
    }
}

/// The part of an image that describes one object.
fn part<'a>(xml: &'a str, object: &str) -> &'a str {
    let start = xml.find(&format!("<child id=\"{object}\"")).unwrap();
    &xml[start..start + xml[start..].find("</child>").unwrap()]
}

fn attribute<'a>(part: &'a str, name: &str) -> &'a str {
    let start = part.find(&format!("<attribute id=\"{name}\">")).unwrap() + name.len() + 17;
    &part[start..start + part[start..].find('<').unwrap()]
}

#[test]
fn an_x509_certificate_in_the_place_of_the_chips_is_told_apart() {
    let xml = erika();
    let chip = part(&xml, "EF.C.eGK.AUT_CVC.E256");
    let x509 = attribute(part(&xml, "EF.C.CH.AUT.E256"), "body");
    for (what, body) in [
        ("X.509", x509.to_owned()),
        ("another object", attribute(chip, "body").replacen("7F21", "7F22", 1)),
        ("zeros", "00".repeat(222)),
        ("the beginning alone", attribute(chip, "body")[..60].to_owned()),
        ("more than fits", format!("7F2182FFFF{}", "00".repeat(217))),
    ] {
        let end = format!("{:04X}", body.len() / 2);
        let changed = chip.replace(attribute(chip, "body"), &body);
        let changed =
            changed.replace(&format!(">{}<", attribute(chip, "positionLogicalEndOfFile")), &format!(">{end}<"));
        let image = xml.replace(chip, &changed.replace(">00de<", ">0800<"));
        let mut egk = Egk::open(line(&image, false), ApduLength::Extended).unwrap();
        let told = egk.read_chip_certificate();
        assert!(matches!(told, Err(EgkError::Malformed { file: "EF.C.eGK.AUT_CVC.E256" })), "{what}: {told:?}");
        assert!(egk.read_chip_authority().is_ok(), "{what}");
    }
}

#[test]
fn a_copied_certificate_is_not_enough() {
    // Certificates can be read by everybody; the key cannot. Somebody puts Erika's beside a key of his own.
    let (xml, max) = (erika(), std::fs::read_to_string("fixtures/cards/max.xml").unwrap());
    let key = |xml: &str| attribute(part(xml, "PrK.eGK.AUT_CVC.E256"), "privateKey").to_owned();
    let image = xml.replace(&key(&xml), &key(&max));
    let occasion = Occasion::of_nobody(&mut rng());
    let mut egk = Egk::open(line(&image, false), ApduLength::Extended).unwrap();
    let evidence = evidence(&mut egk, false, &occasion).unwrap();
    let refused = ChipPresence::check(&evidence, occasion, &roots(), NOW).unwrap_err();
    assert_eq!(refused, PresenceError::Signature);
}

#[test]
fn a_card_that_cannot_sign_is_told_with_its_answer() {
    let without_key =
        erika().replace(">PrK.eGK.AUT_CVC.E256<", "><").replace("keyIdentifier\">09<", "keyIdentifier\">0A<");
    let no_algorithm = erika().replace("elcRoleAuthentication", "elcSessionkey4SM");
    for (image, expected) in [(without_key, 0x6A88), (no_algorithm, 0x6A81)] {
        let mut egk = Egk::open(line(&image, false), ApduLength::Extended).unwrap();
        let told = egk.authenticate_chip(&Occasion::of_nobody(&mut rng()).nonce());
        let Err(EgkError::UnexpectedStatus { command: "MANAGE SECURITY ENVIRONMENT", status }) = told else {
            panic!("{told:?}")
        };
        assert_eq!(status, StatusWord(expected));
    }
    for answer in [
        ResponseApdu::new([], StatusWord(0x6400)),
        ResponseApdu::new([], StatusWord::OK),
        ResponseApdu::new([0; 63], StatusWord::OK),
        ResponseApdu::new([0; 65], StatusWord::OK),
        ResponseApdu::new([0; 64], StatusWord(0x6281)),
    ] {
        let card = VirtualCard::load(&erika()).unwrap();
        let touch = |header: [u8; 4], honest| if header[1] == 0x88 { answer.clone() } else { honest };
        let line = Line { card, sent: Vec::new(), pull_at: usize::MAX, touch };
        let mut egk = Egk::open(line, ApduLength::Extended).unwrap();
        let told = egk.authenticate_chip(&Occasion::of_nobody(&mut rng()).nonce());
        assert!(
            matches!(told, Err(EgkError::UnexpectedStatus { command: "INTERNAL AUTHENTICATE", .. })),
            "{answer:?}: {told:?}"
        );
    }
}
