//! Statements of identity providers: honest ones, made with OpenSSL as a provider would, and forged ones.

use kartenbund::protocol::api::TokenAnswer;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::sign::Signer as OpensslSigner;
use serde_json::Value;

use super::*;
use crate::common::provider::{self, ISSUER, Provider, header, signing_input};

const OTHER_ISSUER: &str = "https://video.example";

/// A world that trusts two providers, and a statement about Erika to be changed by the test.
struct Identified {
    world: World,
    provider: Provider,
    other: Provider,
    claims: Value,
}

impl Identified {
    fn new() -> Self {
        let (provider, other) = (Provider::new(), Provider::new());
        let trusted = vec![provider.trusted_as(ISSUER), other.trusted_as(OTHER_ISSUER)];
        let world = World::trusting(trusted);
        world.import_report(&register_of(&[ERIKA]));
        let claims = provider::claims(&world);
        Self { world, provider, other, claims }
    }

    /// The claims with a name that was not used before.
    fn fresh(&self) -> Value {
        let mut claims = self.claims.clone();
        claims["jti"] = json!(MessageId::random(&mut rng()));
        claims
    }

    fn hand_in(&self, statement: &str) -> Result<TokenAnswer, ServiceError> {
        self.world.stranger().ask("/v1/ident", &json!({"statement": statement}))
    }

    fn refused(&self, statement: &str) -> (String, String) {
        let refused = refusal(self.hand_in(statement));
        assert_eq!(self.world.count("SELECT COUNT(*) FROM session"), 0);
        refused
    }
}

fn invalid(what: &str) -> (String, String) {
    part("ident_statement_invalid", what)
}

#[test]
fn every_claim_of_a_statement_is_checked() {
    let it = Identified::new();
    let now = it.world.clock.now();
    for (claim, value) in [
        ("iss", json!(OTHER_ISSUER)),
        ("iss", json!("https://stranger.example")),
        ("aud", json!("https://other.example")),
        ("iat", json!(now + 121)),
        ("exp", json!(now + 601)),
        ("exp", json!(now)),
        ("exp", json!(now - 1)),
        ("jti", json!("")),
        ("jti", json!("x".repeat(129))),
        ("jti", json!("a b")),
        ("kvnr", json!(MAX)),
        ("birth_date", json!("1964-08-13")),
        ("birth_date", json!("12.08.1964")),
        ("method", json!("postident")),
    ] {
        let mut forged = it.fresh();
        forged[claim] = value.clone();
        assert_eq!(it.refused(&it.provider.state(&forged)), invalid(claim), "{claim}: {value}");
    }
    for claim in ["iss", "aud", "iat", "exp", "jti", "kvnr", "birth_date", "method"] {
        let mut forged = it.claims.clone();
        forged.as_object_mut().unwrap().remove(claim);
        assert_eq!(it.refused(&it.provider.state(&forged)), invalid("message"), "{claim} is missing");
    }
    let mut more = it.claims.clone();
    more["sub"] = json!(ERIKA);
    assert_eq!(it.refused(&it.provider.state(&more)), invalid("message"));
    it.hand_in(&it.provider.state(&it.claims)).unwrap();
}

#[test]
fn a_statement_is_taken_once_whoever_hands_it_in() {
    let it = Identified::new();
    let statement = it.provider.state(&it.claims);
    it.hand_in(&statement).unwrap();
    assert_eq!(refusal(it.hand_in(&statement)), code("ident_statement_used"));
    // Signed anew, it is another message with the same name.
    assert_eq!(refusal(it.hand_in(&it.provider.state(&it.claims))), code("ident_statement_used"));
    it.world.clock.advance(720);
    assert_eq!(refusal(it.hand_in(&statement)), code("ident_statement_used"), "as long as it could be taken");
    it.world.clock.advance(1);
    assert_eq!(refusal(it.hand_in(&statement)), invalid("exp"));
}

#[test]
fn a_statement_that_failed_is_used_up_too() {
    let it = Identified::new();
    let mut wrong = it.claims.clone();
    wrong["birth_date"] = json!("1964-08-13");
    assert_eq!(it.refused(&it.provider.state(&wrong)), invalid("birth_date"));
    assert_eq!(
        it.refused(&it.provider.state(&it.claims)),
        code("ident_statement_used"),
        "birth dates cannot be tried out"
    );
}

#[test]
fn one_provider_does_not_speak_for_another() {
    let it = Identified::new();
    assert_eq!(it.refused(&it.other.state(&it.claims)), invalid("iss"), "signed by the other one");
    assert_eq!(
        it.refused(&Provider::new().state(&it.claims)),
        invalid("signature"),
        "signed by nobody that is trusted"
    );
    let statement = it.provider.state(&it.claims);
    for part in [1, 2] {
        assert_eq!(it.refused(&flipped(&statement, part)), invalid("signature"), "{part}");
    }
    // The same name by another provider is another statement.
    it.hand_in(&statement).unwrap();
    let mut others = it.claims.clone();
    others["iss"] = json!(OTHER_ISSUER);
    it.hand_in(&it.other.state(&others)).unwrap();
}

#[test]
fn the_algorithm_of_a_provider_is_the_one_that_was_set() {
    let it = Identified::new();
    let with = |member: &str, value: Value| {
        let mut header = header();
        header[member] = value;
        header
    };
    for header in [
        with("alg", json!("none")),
        with("alg", json!("HS256")),
        with("alg", json!("RS256")),
        with("alg", json!("ES384")),
        with("typ", json!("JWT")),
        with("typ", json!("card-login+jws")),
        with("kid", json!("1")),
        with("jwk", serde_json::to_value(it.provider.jwk()).unwrap()),
        json!({"alg": "ES256"}),
    ] {
        assert_eq!(it.refused(&it.provider.sign(&header, &it.claims)), invalid("message"), "{header}");
    }
    // The provider's public key, which everybody has, as the secret of an HMAC.
    let public = serde_json::to_vec(&it.provider.jwk()).unwrap();
    let hmac = PKey::hmac(&public).unwrap();
    let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    for (alg, key) in [("HS256", hmac), ("RS256", rsa)] {
        let input = signing_input(&with("alg", json!(alg)), &it.claims);
        let mut signer = OpensslSigner::new(MessageDigest::sha256(), &key).unwrap();
        let signature = signer.sign_oneshot_to_vec(input.as_bytes()).unwrap();
        assert_eq!(it.refused(&format!("{input}.{}", base64url::encode(&signature))), invalid("message"), "{alg}");
    }
    let unsigned = format!("{}.", signing_input(&with("alg", json!("none")), &it.claims));
    assert_eq!(it.refused(&unsigned), invalid("message"));
}
