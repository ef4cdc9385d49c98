//! What the chip has signed counts for one service, one challenge and one device.

use kartenbund::jose::Thumbprint;
use kartenbund::protocol::Challenge;
use kartenbund::protocol::presence::{ChipEvidence, ChipPresence, Occasion, PresenceError};

use super::*;

/// Order of the curve (RFC 5639, 3.4), without a further thought of ours.
const ORDER: &str = "A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7";

fn occasion() -> Occasion {
    Occasion { aud: "https://a.example".to_owned(), challenge: [0x11; 32].into(), jkt: [0x22; 32].into() }
}

/// The 25 bytes for [`occasion`]: SHA-256 by `openssl dgst -sha256` over the text of docs/protocol.md, and the zero
/// byte.
const SIGNED: &str = "69036B0770AE091BEE3FB905639299E0C242F6C86BE354E900";

struct Chip {
    key: Key,
    certificate: Vec<u8>,
}

impl Chip {
    fn new() -> Self {
        let key = Key::new();
        let certificate = Forged::chip(&key).sign(&Key::ca());
        Self { key, certificate }
    }

    fn evidence(&self, signature: Vec<u8>) -> ChipEvidence {
        ChipEvidence { chip: self.certificate.clone(), authority: fixture("test-cvc-ca"), signature }
    }

    fn check(&self, signature: Vec<u8>) -> Result<ChipPresence, PresenceError> {
        ChipPresence::check(&self.evidence(signature), occasion(), &roots(), NOW)
    }
}

#[test]
fn a_chip_was_there_when_it_signed_the_25_bytes_as_a_number() {
    let chip = Chip::new();
    let presence = chip.check(chip.key.sign_number(&hex(SIGNED))).unwrap();
    assert_eq!(presence.iccsn().to_string(), ICCSN);
    assert_eq!(presence.occasion(), &occasion());
    assert_eq!(presence.chip().root().to_string(), "DEKXX810226");
}

#[test]
fn no_card_number_and_no_certificate_gets_into_a_log() {
    let chip = Chip::new();
    let evidence = chip.evidence(chip.key.sign_number(&hex(SIGNED)));
    let cvc = kartenbund::pki::cvc::Cvc::parse(&evidence.chip).unwrap();
    let presence = ChipPresence::check(&evidence, occasion(), &roots(), NOW).unwrap();
    let log = format!("{evidence:?} {cvc:?} {:?} {presence:?} {:?}", cvc.holder, presence.iccsn());
    for told in ["(***)", "https://a.example"] {
        assert!(log.contains(told), "{log}");
    }
    let bytes = hex(ICCSN);
    let decimal = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    assert!(!log.contains(ICCSN) && !log.contains(&decimal), "{log}");
}

#[test]
fn an_answer_for_another_service_challenge_or_device_is_refused() {
    let chip = Chip::new();
    let signature = chip.key.sign_number(&hex(SIGNED));
    let check = |occasion| ChipPresence::check(&chip.evidence(signature.clone()), occasion, &roots(), NOW);
    assert!(check(occasion()).is_ok());
    let challenge = Challenge::from([0x12; 32]);
    let jkt = Thumbprint::from([0x23; 32]);
    let swapped = Occasion { challenge: [0x22; 32].into(), jkt: [0x11; 32].into(), ..occasion() };
    for (what, other) in [
        ("service", Occasion { aud: "https://b.example".to_owned(), ..occasion() }),
        ("no service", Occasion { aud: String::new(), ..occasion() }),
        ("challenge", Occasion { challenge, ..occasion() }),
        ("device", Occasion { jkt, ..occasion() }),
        ("challenge and device swapped", swapped),
        ("of nobody", Occasion::of_nobody(&mut rand_core::UnwrapErr(getrandom::SysRng))),
    ] {
        assert_eq!(check(other).err(), Some(PresenceError::Signature), "{what}");
    }
    // Two questions of one's own are never the same.
    let nonce = || Occasion::of_nobody(&mut rand_core::UnwrapErr(getrandom::SysRng)).nonce();
    assert_ne!(nonce(), nonce());
}

#[test]
fn another_chip_or_another_way_to_sign_is_refused() {
    let chip = Chip::new();
    let token = hex(SIGNED);
    let good = chip.key.sign_number(&token);
    let (r, s) = good.split_at(32);
    let (zero, order) = (vec![0; 32], hex(ORDER));
    let der = EcdsaSig::sign(&token, &chip.key.0).unwrap().to_der().unwrap();
    for (what, signature) in [
        ("another chip", Key::new().sign_number(&token)),
        ("the CA", Key::ca().sign_number(&token)),
        ("hashed", chip.key.sign_number(&Sha256::digest(&token))),
        ("the hash of the nonce alone", chip.key.sign_number(&Sha256::digest(&token[..24]))),
        ("without the zero byte", chip.key.sign_number(&token[..24])),
        ("zero byte in front", chip.key.sign_number(&[&[0], &token[..24]].concat())),
        ("r = 0", [&zero, s].concat()),
        ("s = 0", [r, &zero].concat()),
        ("both 0", vec![0; 64]),
        ("r = n", [&order, s].concat()),
        ("s = n", [r, &order].concat()),
        ("all ones", vec![0xFF; 64]),
        ("swapped", [s, r].concat()),
        ("cut", good[..63].to_vec()),
        ("a byte behind", [good.as_slice(), &[0]].concat()),
        ("DER", der),
        ("nothing", Vec::new()),
    ] {
        assert_eq!(chip.check(signature).err(), Some(PresenceError::Signature), "{what}");
    }
    for position in 0..64 {
        let mut changed = good.clone();
        changed[position] ^= 1 << (position % 8);
        assert_eq!(chip.check(changed).err(), Some(PresenceError::Signature), "byte {position}");
    }
    // Cards do not choose the lower of the two s (gemSpec_COS asks for none): both are signatures.
    let order = BigNum::from_slice(&order).unwrap();
    let mut other_s = BigNum::new().unwrap();
    other_s.checked_sub(&order, &BigNum::from_slice(s).unwrap()).unwrap();
    let other = [r, &other_s.to_vec_padded(32).unwrap()].concat();
    assert!(chip.check(good.clone()).is_ok() && chip.check(other).is_ok());
}

#[test]
fn a_signature_under_a_chain_that_does_not_hold_is_refused() {
    let chip = Chip::new();
    let evidence = chip.evidence(chip.key.sign_number(&hex(SIGNED)));
    let nobody = TestCvcRoots::default();
    let refused = ChipPresence::check(&evidence, occasion(), &nobody, NOW).unwrap_err();
    let expected = ChainError { level: Level::Authority, error: CvcError::UnknownIssuer };
    assert_eq!(refused, PresenceError::Chain(expected));
}
