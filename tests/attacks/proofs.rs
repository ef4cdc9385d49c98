//! Proofs that are right each by itself and do not belong together.

use kartenbund::identity::kvnr::Ik;
use kartenbund::pki::VerifiedCertificate;
use kartenbund::protocol::registration::{
    CardPossession, DevicePossession, Evidence, Expected, ExpectedShare, Membership,
};

use kartenbund::virtual_card::personalise::MUSTERKASSE_IK;

use super::*;

/// Everything one honest person can prove.
struct Proven {
    expected: Expected,
    request: EvidenceRequest,
    card: CardEvidence,
    now: i64,
}

impl Proven {
    fn by(attempt: &mut Attempt) -> Self {
        let mut request = attempt.signed();
        let card = by_card(&mut request).clone();
        let challenge = &attempt.challenge;
        let expected = Expected {
            aud: challenge.aud.clone(),
            registration_id: challenge.registration_id,
            challenge: challenge.challenge,
            jkt: challenge.jkt,
            kvnr: challenge.kvnr.clone(),
            share: ExpectedShare::Offered(attempt.proof.voprf_pk.unwrap()),
        };
        Self { expected, request, card, now: attempt.computer.clock.now() }
    }

    fn certificate(&self) -> VerifiedCertificate {
        pki::verify(&self.card.auth_cert, &anchors_of(&[&ca()]), NOW).unwrap()
    }

    fn membership(&self) -> Membership {
        let ik: Ik = MUSTERKASSE_IK.parse().unwrap();
        Membership::check(&self.certificate(), &self.expected.kvnr, &[ik]).unwrap()
    }

    fn card(&self) -> CardPossession {
        CardPossession::check(&self.certificate(), &self.card, &self.expected, self.now).unwrap()
    }

    fn device(&self) -> DevicePossession {
        let handed_in = (BindingMethod::Card, self.card.sha256());
        DevicePossession::check(&self.request.pop, handed_in, &self.expected, self.now).unwrap()
    }
}

#[test]
fn proofs_of_two_cards_bind_nothing() {
    let world = World::new();
    let mut first = Attempt::honest(&world);
    let erika = Proven::by(&mut first);
    let max = Proven::by(&mut Attempt::with(world.log_in(MAX, &world.member(MAX)), card(MAX)));
    // Erika has a second card, as people have when the first one runs out.
    let second = Proven::by(&mut Attempt::with(first.computer, card(ERIKA)));

    let together = |certificate: &Proven, membership: &Proven, card: &Proven, device: &Proven, expected: &Proven| {
        let evidence = Evidence::Card(certificate.certificate(), membership.membership(), card.card());
        evidence.belongs_together(&device.device(), &expected.expected)
    };
    assert!(together(&erika, &erika, &erika, &erika, &erika));
    assert!(!together(&erika, &max, &erika, &erika, &erika), "another person's membership");
    assert!(!together(&erika, &erika, &max, &max, &max), "another person's possession");
    assert!(!together(&max, &erika, &erika, &erika, &erika), "another person's certificate");
    assert!(!together(&erika, &second, &erika, &erika, &erika), "membership of another card");
    assert!(!together(&erika, &erika, &second, &second, &second), "possession of another card");
    assert!(!together(&second, &erika, &erika, &erika, &erika), "another card's certificate");
    assert!(!together(&erika, &erika, &erika, &second, &erika), "another registration's device");
    assert!(!together(&max, &max, &max, &max, &erika), "another account's registration");
}
