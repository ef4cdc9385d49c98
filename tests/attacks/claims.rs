//! Forging the messages of a registration, one claim after the other.

use super::*;

#[test]
fn the_statement_must_be_over_these_pairing_data() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let signed_pairing_data = attempt.sign_pairing();
    attempt.statement.pairing_sha256 = Sha256Hash::of(b"other pairing data");
    let request = attempt.signed_over(signed_pairing_data);
    assert_eq!(attempt.refused_with(&request), part("card_statement_invalid", "pairing_sha256"));
}

#[test]
fn a_flipped_byte_in_each_signed_part_is_refused() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let id = attempt.challenge.registration_id.to_string();
    for n in 0..3 {
        for which in ["pairing", "statement", "pop"] {
            attempt.challenge = challenge(&attempt.computer, &id);
            attempt.statement.challenge = attempt.challenge.challenge;
            attempt.proof.challenge = attempt.challenge.challenge;
            let mut request = attempt.signed();
            let (target, expected) = match which {
                "pairing" => (&mut by_card(&mut request).signed_pairing_data, "pairing_invalid"),
                "statement" => (&mut by_card(&mut request).card_jws, "card_statement_invalid"),
                _ => (&mut request.pop, "possession_invalid"),
            };
            *target = flipped(target, n);
            let (refused, what) = attempt.refused_with(&request);
            assert_eq!(refused, expected, "{which}, part {n}: {what}");
        }
    }
}

/// Changes one claim before everything is signed.
type Forge = fn(&mut Attempt);

/// Forges one claim after the other in a message; each must be refused by its name.
fn each_claim(message: &str, forgeries: &[(&'static str, Forge)]) {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let id = attempt.challenge.registration_id.to_string();
    for (claim, forge) in forgeries {
        attempt.challenge = challenge(&attempt.computer, &id);
        attempt.statement.challenge = attempt.challenge.challenge;
        attempt.proof.challenge = attempt.challenge.challenge;
        let before = (attempt.pairing.clone(), attempt.statement.clone(), attempt.proof.clone());
        forge(&mut attempt);
        let request = attempt.signed();
        assert_eq!(attempt.refused_with(&request), part(message, claim));
        (attempt.pairing, attempt.statement, attempt.proof) = before;
    }
}

#[test]
fn every_claim_of_the_pairing_data_must_be_the_certificates() {
    each_claim(
        "pairing_invalid",
        &[
            ("pairing_data_version", |a| a.pairing.pairing_data_version = "0.9".to_owned()),
            ("product", |a| a.pairing.product = " ".to_owned()),
            ("serialnumber", |a| a.pairing.serialnumber.push('0')),
            ("issuer", |a| a.pairing.issuer[10] ^= 1),
            ("not_after", |a| a.pairing.not_after += 1),
            ("auth_cert_subject_public_key_info", |a| a.pairing.auth_cert_subject_public_key_info[40] ^= 1),
            ("se_subject_public_key_info", |a| a.pairing.se_subject_public_key_info[40] ^= 1),
        ],
    );
}

#[test]
fn every_claim_of_the_cards_statement_is_checked() {
    each_claim(
        "card_statement_invalid",
        &[
            ("v", |a| a.statement.v = 2),
            ("aud", |a| a.statement.aud = "https://stranger.example".to_owned()),
            ("registration_id", |a| a.statement.registration_id = [7; 16].into()),
            ("challenge", |a| a.statement.challenge = [7; 32].into()),
            ("jkt", |a| a.statement.jkt = jwk(&new_key()).thumbprint()),
            ("kvnr", |a| a.statement.kvnr = kvnr(MAX)),
            ("iat", |a| a.statement.iat -= 121),
            ("iat", |a| a.statement.iat += 121),
            ("iat", |a| a.statement.iat = -9_007_199_254_740_991),
        ],
    );
}

#[test]
fn every_claim_of_the_proof_of_possession_is_checked() {
    each_claim(
        "possession_invalid",
        &[
            ("v", |a| a.proof.v = 2),
            ("aud", |a| a.proof.aud = "https://stranger.example".to_owned()),
            ("registration_id", |a| a.proof.registration_id = [7; 16].into()),
            ("challenge", |a| a.proof.challenge = [7; 32].into()),
            ("iat", |a| a.proof.iat -= 121),
            ("iat", |a| a.proof.iat += 121),
            ("kvnr", |a| a.proof.kvnr = kvnr(MAX)),
            ("jkt", |a| a.proof.jkt = jwk(&new_key()).thumbprint()),
            ("voprf_pk", |a| a.proof.voprf_pk = Some([7; 32].into())),
            ("voprf_pk", |a| a.proof.voprf_pk = None),
            ("transport_jwk", |a| a.proof.transport_jwk = jwk(&a.device_key)),
        ],
    );
}

#[test]
fn the_proof_of_possession_covers_the_evidence() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let mut request = attempt.signed();
    attempt.proof.evidence_sha256 = Sha256Hash::of(b"other evidence");
    request.pop = attempt.prove();
    assert_eq!(attempt.refused_with(&request), part("possession_invalid", "evidence_sha256"));
}

#[test]
fn a_message_of_one_kind_is_not_taken_for_another() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let id = attempt.challenge.registration_id.to_string();
    let honest = attempt.signed();
    type Swap = fn(&mut EvidenceRequest);
    let swaps: [(Swap, &str); 3] = [
        (|r| by_card(r).signed_pairing_data = by_card(r).card_jws.clone(), "pairing_invalid"),
        (|r| by_card(r).card_jws = by_card(r).signed_pairing_data.clone(), "card_statement_invalid"),
        (|r| r.pop = by_card(r).card_jws.clone(), "possession_invalid"),
    ];
    for (swap, expected) in swaps {
        attempt.challenge = challenge(&attempt.computer, &id);
        attempt.statement.challenge = attempt.challenge.challenge;
        attempt.proof.challenge = attempt.challenge.challenge;
        let mut request = attempt.signed();
        swap(&mut request);
        assert_eq!(attempt.refused_with(&request), part(expected, "message"));
    }
    let _ = honest;
}

#[test]
fn an_algorithm_named_by_the_message_is_not_followed() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let id = attempt.challenge.registration_id.to_string();
    for header in [
        json!({"alg": "none", "typ": "pop+jws", "jwk": jwk(&attempt.device_key)}),
        json!({"alg": "HS256", "typ": "pop+jws", "jwk": jwk(&attempt.device_key)}),
        json!({"alg": "BP256R1", "typ": "pop+jws", "jwk": jwk(&attempt.device_key)}),
        json!({"alg": "ES256", "typ": "JWT", "jwk": jwk(&attempt.device_key)}),
        json!({"alg": "ES256", "typ": "pop+jws"}),
        json!({"alg": "ES256", "typ": "pop+jws", "jwk": jwk(&attempt.device_key), "crit": ["x"], "x": 1}),
        json!({"alg": "ES256", "typ": "pop+jws", "jwk": jwk(&attempt.device_key), "kid": "other"}),
        json!({"alg": "ES256", "typ": "pop+jws", "jwk": jwk(&attempt.device_key), "x5c": ["AA"]}),
    ] {
        attempt.challenge = challenge(&attempt.computer, &id);
        attempt.statement.challenge = attempt.challenge.challenge;
        attempt.proof.challenge = attempt.challenge.challenge;
        let mut request = attempt.signed();
        let parts: Vec<_> = request.pop.split('.').collect();
        let input = format!("{}.{}", base64url::encode(header.to_string().as_bytes()), parts[1]);
        let mut key = &attempt.device_key;
        let Ok(signature) = jws::Signer::<jws::Es256>::sign(&mut key, input.as_bytes());
        request.pop = format!("{input}.{}", base64url::encode(&signature));
        assert_eq!(attempt.refused_with(&request), part("possession_invalid", "message"), "{header}");
        request.pop = format!("{input}.");
        let _ = challenge(&attempt.computer, &id);
        assert_ne!(attempt.refused_with(&request).0, "", "{header} without signature");
    }
}

#[test]
fn the_certificate_in_the_statement_must_be_the_one_handed_in() {
    let world = World::new();
    let mut attempt = Attempt::honest(&world);
    let other = certificate_of(&mut card(ERIKA));
    let honest = attempt.certificate.clone();
    let signed_pairing_data = attempt.sign_pairing();
    attempt.statement.pairing_sha256 = Sha256Hash::of(signed_pairing_data.as_bytes());
    attempt.certificate = other;
    let mut request = attempt.signed_over(signed_pairing_data);
    by_card(&mut request).auth_cert = honest.der;
    assert_eq!(attempt.refused_with(&request), part("card_statement_invalid", "message"));
}

/// A message of the service, this long.
fn configuration(key: &SigningKey, insurer: String) -> Configuration {
    let (hotline, min_client) = (String::new(), ClientVersion::default());
    Configuration {
        v: VERSION,
        aud: String::new(),
        service_keys: jwk(key).into(),
        former_keys: Vec::new(),
        payer_iks: vec![],
        insurer,
        hotline,
        min_client,
        iat: 0,
    }
}

#[test]
fn a_key_that_the_message_brings_along_where_none_is_asked_for_is_refused() {
    let key = new_key();
    let compact = sign(&configuration(&key, "Musterkasse".to_owned()), &key).unwrap();
    assert!(jws::verify::<Configuration>(&compact, key.verifying_key()).is_ok());
    let payload = compact.split('.').nth(1).unwrap();
    for hint in [json!({"jwk": jwk(&key)}), json!({"x5c": ["AA"]})] {
        let mut header = json!({"alg": "ES256", "typ": "configuration+jws"});
        header.as_object_mut().unwrap().extend(hint.as_object().unwrap().clone());
        let input = format!("{}.{payload}", base64url::encode(header.to_string().as_bytes()));
        let Ok(signature) = jws::Signer::<jws::Es256>::sign(&mut &key, input.as_bytes());
        let compact = format!("{input}.{}", base64url::encode(&signature));
        let refused = jws::verify::<Configuration>(&compact, key.verifying_key());
        assert_eq!(refused.unwrap_err(), JwsError::Header, "{header}");
    }
}

#[test]
fn a_message_that_must_bring_its_key_along_is_not_read_without() {
    let world = World::new();
    let attempt = Attempt::honest(&world);
    let compact = sign(&attempt.proof, &attempt.device_key).unwrap();
    let refused = jws::verify::<ProofOfPossession>(&compact, attempt.device_key.verifying_key());
    assert_eq!(refused.unwrap_err(), JwsError::Header);
}

#[test]
fn a_message_of_more_than_64_kib_is_not_read_whoever_signed_it() {
    let key = new_key();
    let compact = sign(&configuration(&key, "x".repeat(64 * 1024)), &key).unwrap();
    let refused = jws::verify::<Configuration>(&compact, key.verifying_key());
    assert_eq!(refused.unwrap_err(), JwsError::Malformed);
}

#[test]
fn bytes_are_written_in_one_way_only() {
    assert_eq!(base64url::decode("_w").as_deref(), Some([0xFF].as_slice()));
    for (what, text) in [("padded", "_w=="), ("loose bits", "_x"), ("the other alphabet", "/w"), ("a blank", "_w ")] {
        assert_eq!(base64url::decode(text), None, "{what}");
    }
}
