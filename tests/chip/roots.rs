//! Which roots are trusted, and how long.

use kartenbund::pki::cvc::{AuthorityName, CvcRootError, CvcRoots as _, ProductionCvcRoots};
use time::macros::datetime;

use super::*;

/// A root whose name is not that of a test environment. No real one has it.
const REAL: [u8; 8] = *b"DEKYZ\x81\x02\x26";
const NEXT: [u8; 8] = *b"DEKXX\x82\x02\x28";

fn why(result: Result<(), CvcRootError>) -> Option<CvcRootError> {
    result.err()
}

fn refused_for(error: CvcError) -> Option<CvcRootError> {
    Some(CvcRootError::Certificate(error))
}

#[test]
fn production_takes_no_test_root() {
    let mut production = ProductionCvcRoots::default();
    assert_eq!(why(production.add_certificate(&fixture("test-cvc-root"))), Some(CvcRootError::TestRoot));
    let key = Key::new();
    let anchor = object("7F49", &[object("06", &hex("2B2403030208010107")), object("86", &key.point())].concat());
    let name = |bytes| AuthorityName::parse(bytes).unwrap();
    assert_eq!(why(production.add_key(name(b"DEGXX\x87\x02\x22"), &anchor)), Some(CvcRootError::TestRoot));
    assert!(production.roots().is_empty());

    assert_eq!(why(production.add_certificate(&Forged::root(REAL, &key).sign(&key))), None);
    assert_eq!(why(production.add_key(name(b"DEZGW\x86\x02\x24"), &anchor)), None);
    assert_eq!(production.roots().len(), 2);
    // Not even when a real root vouches for it.
    let cross = Forged::root(NEXT, &Key::new()).with(|f| f.issuer = REAL.to_vec()).sign(&key);
    assert_eq!(why(production.add_certificate(&cross)), Some(CvcRootError::TestRoot));
    assert_eq!(production.roots().len(), 2);
}

#[test]
fn only_a_root_is_taken_for_a_root() {
    let key = Key::new();
    let honest = Forged::root(NEXT, &key);
    let add = |bytes: &[u8]| why(TestCvcRoots::default().add_certificate(bytes));
    assert_eq!(add(&honest.sign(&key)), None);
    assert_eq!(add(&honest.sign(&Key::new())), refused_for(CvcError::Signature), "not by itself");
    assert_eq!(add(&fixture("test-cvc-ca")), refused_for(CvcError::Role), "a CA");
    assert_eq!(add(&Forged::chip(&key).sign(&key)), refused_for(CvcError::Role), "a chip");
    for (what, changed, error) in [
        ("flags of a CA", honest.with(|f| f.flags[0] = 0x80), CvcError::Role),
        ("flags of card management", honest.with(|f| f.flag_list[7] = 0x19), CvcError::Role),
        ("key of a card", honest.with(|f| f.key_oid = hex(AUTH_S)), CvcError::Role),
        ("off the curve", honest.with(|f| f.point[64] ^= 1), CvcError::Key),
    ] {
        assert_eq!(add(&changed.sign(&key)), refused_for(error), "{what}");
    }
    assert!(matches!(add(b"-----BEGIN"), Some(CvcRootError::Certificate(CvcError::Malformed(_)))));
}

#[test]
fn a_root_vouches_for_the_next_one() {
    let (key, next) = (Key::root(), Key::new());
    let cross = Forged::root(NEXT, &next).with(|f| f.issuer = ROOT.to_vec());
    let chip = Forged::chip(&Key::new()).sign(&Key::ca());
    let under_next = Forged::authority(&Key::ca()).with(|f| f.issuer = NEXT.to_vec()).sign(&next);
    let verdict = |roots: &TestCvcRoots| refused(verify(&chip, &under_next, roots, NOW));

    assert_eq!(verdict(&roots()), Some((Level::Authority, CvcError::UnknownIssuer)));
    assert_eq!(verdict(&roots_of(&[&fixture("test-cvc-root"), &cross.sign(&key)])), None);

    let alone = why(TestCvcRoots::default().add_certificate(&cross.sign(&key)));
    assert_eq!(alone, refused_for(CvcError::UnknownIssuer), "before the root that signed it");
    assert_eq!(why(roots().add_certificate(&cross.sign(&Key::new()))), refused_for(CvcError::Signature));
    // A CA vouches for no root, though the same root vouches for it.
    let by_ca = cross.with(|f| f.issuer = CA.to_vec()).sign(&Key::ca());
    assert_eq!(why(roots().add_certificate(&by_ca)), refused_for(CvcError::UnknownIssuer));
}

#[test]
fn a_trust_anchor_is_a_key_with_a_name() {
    let key = Key::root();
    let (curve, point) = (object("06", &hex("2B2403030208010107")), object("86", &key.point()));
    let anchor = object("7F49", &[curve.clone(), point.clone()].concat());
    let name = AuthorityName::parse(&ROOT).unwrap();
    let mut roots = TestCvcRoots::default();
    roots.add_key(name, &anchor).unwrap();
    let chip = Forged::chip(&Key::new()).sign(&Key::ca());
    assert!(verify(&chip, &fixture("test-cvc-ca"), &roots, NOW).is_ok());

    let mut off_curve = point.clone();
    off_curve[66] ^= 1;
    let p256 = object("06", &hex("2A8648CE3D030107"));
    for (what, bytes) in [
        ("a byte behind it", [anchor.as_slice(), &[0]].concat()),
        ("a byte in it", object("7F49", &[curve.clone(), point.clone(), vec![0]].concat())),
        ("another curve", object("7F49", &[p256, point.clone()].concat())),
        ("off the curve", object("7F49", &[curve.clone(), off_curve].concat())),
        ("no point", object("7F49", &curve)),
        ("nothing", Vec::new()),
    ] {
        assert!(TestCvcRoots::default().add_key(name, &bytes).is_err(), "{what}");
    }
}

#[test]
fn a_root_is_trusted_as_long_as_it_says_and_no_longer_than_who_vouches_for_it() {
    let (key, next) = (Key::new(), Key::new());
    let chip = Forged::chip(&Key::new()).sign(&Key::ca());
    // 2026-06-01 to 2027-06-30.
    let old = Forged::root(*b"DEKXX\x83\x02\x20", &key).with(|f| {
        f.effective = hex("020600060001");
        f.expires = hex("020700060300");
    });
    let cross = Forged::root(NEXT, &next).with(|f| f.issuer = b"DEKXX\x83\x02\x20".to_vec());
    let roots = roots_of(&[&old.sign(&key), &cross.sign(&key)]);
    for (issuer, signer) in [(*b"DEKXX\x83\x02\x20", &key), (NEXT, &next)] {
        let ca = Forged::authority(&Key::ca()).with(|f| f.issuer = issuer.to_vec()).sign(signer);
        let at = |at| refused(verify(&chip, &ca, &roots, at)).map(|(_, error)| error);
        assert_eq!(at(datetime!(2026-05-31 12:00 UTC)), Some(CvcError::NotYetValid));
        assert_eq!(at(datetime!(2026-06-01 00:00 UTC)), None);
        assert_eq!(at(datetime!(2027-06-30 23:59 UTC)), None);
        assert_eq!(at(datetime!(2027-07-01 00:00 UTC)), Some(CvcError::Expired));
    }
    // The same root, pinned by itself as well, is trusted as long as it says itself.
    let roots = roots_of(&[&old.sign(&key), &cross.sign(&key), &Forged::root(NEXT, &next).sign(&next)]);
    let ca = Forged::authority(&Key::ca()).with(|f| f.issuer = NEXT.to_vec()).sign(&next);
    assert!(verify(&chip, &ca, &roots, datetime!(2027-07-01 00:00 UTC)).is_ok());
}
