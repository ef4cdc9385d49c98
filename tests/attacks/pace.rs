//! Cards that cheat at PACE, and listeners who hope for a padding too short.

use kartenbund::apdu::{CommandApdu, ResponseApdu, StatusWord};
use kartenbund::reader::pace::{self, PaceError};
use kartenbund::reader::secure::SessionKeys;
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::secret::{Can, SecretBytes};
use openssl::bn::BigNumContext;
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::nid::Nid;
use openssl::pkey::PKey;

use super::*;

/// A card that answers one step with something of its own, made of the command and the honest answer.
struct Cheat {
    card: VirtualCard,
    step: usize,
    forge: fn(&[u8], &[u8]) -> Vec<u8>,
    seen: usize,
    tokens: usize,
}

impl CardChannel for Cheat {
    fn transmit(&mut self, command: &CommandApdu) -> Result<ResponseApdu, ChannelError> {
        let answer = self.card.transmit(command)?;
        let [_, ins, p1, _] = command.header();
        self.tokens += usize::from(command.data().starts_with(&[0x7C, 0x0A, 0x85]));
        // Step 0 is EF.CardAccess, 1 to 4 are those of GENERAL AUTHENTICATE.
        let is_step = ins == 0x86 || (ins, p1) == (0xB0, 0x9C);
        self.seen += usize::from(is_step);
        if is_step && self.seen == self.step + 1 {
            return Ok(ResponseApdu::new((self.forge)(command.data(), answer.data()), StatusWord::OK));
        }
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), ChannelError> {
        CardChannel::reset(&mut self.card)
    }
}

/// `7C`, length, tag, length and the value behind.
fn with_tag(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap();
    [&[0x7C, length + 2, tag, length], value].concat()
}

#[test]
fn a_card_that_cheats_gets_no_secured_line() {
    type Forge = fn(&[u8], &[u8]) -> Vec<u8>;
    type Expected = fn(&PaceError) -> bool;
    let malformed: [Expected; 3] = [
        |error| matches!(error, PaceError::Malformed { step: 1 }),
        |error| matches!(error, PaceError::Malformed { step: 2 }),
        |error| matches!(error, PaceError::Malformed { step: 3 }),
    ];
    let reflected: Expected = |error| matches!(error, PaceError::Reflected);
    let not_offered: Expected = |error| matches!(error, PaceError::NotOffered);
    let off_curve: Forge = |_, honest| {
        let mut point = honest.to_vec();
        *point.last_mut().unwrap() ^= 1;
        point
    };
    let cases: [(&str, usize, Forge, Expected); 15] = [
        ("no EF.CardAccess", 0, |_, _| Vec::new(), not_offered),
        ("another curve", 0, |_, honest| [&honest[..21], &[0x0C]].concat(), not_offered),
        ("another cipher", 0, |_, honest| [&honest[..15], &[0x04], &honest[16..]].concat(), not_offered),
        ("no nonce", 1, |_, _| vec![0x7C, 0x00], malformed[0]),
        ("a short nonce", 1, |_, honest| with_tag(0x80, &honest[4..19]), malformed[0]),
        ("our mapping key", 2, |sent, _| with_tag(0x82, &sent[4..]), reflected),
        ("a point off the curve", 2, off_curve, malformed[1]),
        ("infinity", 2, |_, _| with_tag(0x82, &[0]), malformed[1]),
        ("a compressed point", 2, |_, honest| with_tag(0x82, &[&[0x02], &honest[5..37]].concat()), malformed[1]),
        ("zeros", 2, |_, _| with_tag(0x82, &[&[0x04][..], &[0; 64]].concat()), malformed[1]),
        ("our agreement key", 3, |sent, _| with_tag(0x84, &sent[4..]), reflected),
        ("a point off the curve", 3, off_curve, malformed[2]),
        ("the point of the step before", 3, |_, honest| with_tag(0x82, &honest[4..]), malformed[2]),
        (
            "another token",
            4,
            |_, honest| with_tag(0x86, &[&honest[4..11], &[!honest[11]]].concat()),
            |error| matches!(error, PaceError::WrongToken),
        ),
        ("our token", 4, |sent, _| with_tag(0x86, &sent[4..]), |error| matches!(error, PaceError::WrongToken)),
    ];
    let can = Can::parse(&typed("123123")).unwrap();
    let image = image_by(&ca(), &blueprint(ERIKA));
    for (what, step, forge, expected) in cases {
        let card = VirtualCard::load_contactless(&image, &mut rng()).unwrap();
        let cheat = Cheat { card, step, forge, seen: 0, tokens: 0 };
        let mut egk = Egk::open(cheat, ApduLength::Extended).unwrap();
        let refused = egk.open_contactless(&can, &mut rng());
        let Err(EgkError::Pace(error)) = &refused else { panic!("{what}: {refused:?}") };
        assert!(expected(error), "{what}: {error:?}");
        assert!(matches!(egk.iccsn(), Err(EgkError::Contactless)), "{what}: the line stays plain, and closed");
        assert_eq!(egk.into_channel().tokens, usize::from(step == 4), "{what}: no token for a card that cheats");
    }
}

/// One shared secret in 256 begins with a zero. OpenSSL says what the keys are then.
#[test]
fn shared_secrets_keep_their_leading_zeros() {
    type Secret = p256::elliptic_curve::SecretKey<bp256::BrainpoolP256r1>;
    let group = EcGroup::from_curve_name(Nid::BRAINPOOL_P256R1).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let mut zeros = 0;
    for _ in 0..20_000 {
        let card = EcKey::generate(&group).unwrap();
        let ours = EcKey::generate(&group).unwrap();
        let (card_pkey, our_pkey) =
            (PKey::from_ec_key(card.clone()).unwrap(), PKey::from_ec_key(ours.clone()).unwrap());
        let mut deriver = Deriver::new(&our_pkey).unwrap();
        deriver.set_peer(&card_pkey).unwrap();
        let x = deriver.derive_to_vec().unwrap();
        assert_eq!(x.len(), 32);
        if x[0] != 0 {
            continue;
        }
        let key = |counter: u8| {
            let hash = openssl::sha::sha1(&[&x[..], &[0, 0, 0, counter]].concat());
            SecretBytes::written(|key: &mut [u8; 16]| key.copy_from_slice(&hash[..16]))
        };
        let expected = SessionKeys::new(key(1), key(2));
        let point = card.public_key().to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context).unwrap();
        let own = Secret::from_slice(&ours.private_key().to_vec_padded(32).unwrap()).unwrap();
        let agreed = pace::agree(&own, &pace::decode(&point).unwrap()).unwrap();
        assert_eq!(agreed.mac(&[b"anything"]), expected.mac(&[b"anything"]));
        zeros += 1;
        if zeros == 3 {
            return;
        }
    }
    panic!("no shared secret began with a zero");
}
