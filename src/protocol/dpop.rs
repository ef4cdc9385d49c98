//! Proofs that whoever sends a request holds the key its token is bound to (DPoP, RFC 9449). A proof is a JWS by the
//! session key over method, address, time and token of one request.

use std::convert::Infallible;

use p256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::registration::{Part, first_wrong, is_fresh};
use super::{CLOCK_TOLERANCE, MessageId, NumericDate, Sha256Hash};
use crate::jose::jws::{self, KeyHint, SignError};
use crate::jose::{Es256, Message, P256Jwk, Thumbprint};
use crate::secret::SecretText;

/// Name of the request header that carries a proof.
pub const HEADER: &str = "DPoP";
/// Name of the scheme in `Authorization`, and `token_type` of the tokens.
pub const SCHEME: &str = "DPoP";

/// Longest `jti` taken. Ours have 22 characters.
const MAX_JTI: usize = 128;

/// What a proof says (RFC 9449, 4.2). Claims of extensions are ignored, as the standard has it: clients that are not
/// ours send them.
#[derive(Serialize, Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: NumericDate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ath: Option<Sha256Hash>,
}

impl Message for Claims {
    const TYP: &'static str = "dpop+jwt";
    const KEY_HINT: KeyHint = KeyHint::Jwk;
    type Algorithm = Es256;
}

/// The request a proof is for.
#[derive(Clone, Copy, Debug)]
pub struct ProvenRequest<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The service's name and the path; neither query nor fragment.
    pub address: &'a str,
    /// The access token that is sent along, where one is.
    pub access_token: Option<&'a SecretText>,
}

impl ProvenRequest<'_> {
    fn ath(&self) -> Option<Sha256Hash> {
        self.access_token.map(|token| Sha256Hash::of(token.expose().as_bytes()))
    }
}

/// The proof for one request at the time `iat`, by the service's clock.
///
/// # Errors
/// A claim has no JSON form: it never happens.
pub fn prove(
    request: ProvenRequest<'_>,
    key: &SigningKey,
    iat: NumericDate,
    rng: &mut dyn rand_core::CryptoRng,
) -> Result<String, SignError<Infallible>> {
    let claims = Claims {
        jti: MessageId::random(rng).to_string(),
        htm: request.method.to_owned(),
        htu: request.address.to_owned(),
        iat,
        ath: request.ath(),
    };
    jws::sign_with_jwk(&claims, P256Jwk::from(*key.verifying_key()), key)
}

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the DPoP proof is wrong: {0}")]
pub struct DpopError(pub Part);

/// Whoever sent this request holds the key of this thumbprint. Whether the proof was sent before is for the service to
/// know, which keeps what it has seen for the proof's life.
#[derive(Debug)]
pub struct DpopProof {
    jkt: Thumbprint,
    fingerprint: Sha256Hash,
    expires_at: NumericDate,
}

impl DpopProof {
    /// Makes the checks of RFC 9449, 4.3, but for the one that it is new.
    ///
    /// # Errors
    /// [`DpopError`] with the part that is wrong.
    pub fn check(compact: &str, request: ProvenRequest<'_>, now: NumericDate) -> Result<Self, DpopError> {
        // 4 to 7: `typ` and `alg` are those of a proof, `jwk` is a public key and no more, and it has signed. Whose key it
        // is, the token says: a proof alone opens nothing.
        let (claims, jwk) = jws::verify_with_jwk::<Claims>(compact, |_| true).map_err(|e| DpopError(e.into()))?;
        let checks = [
            ("jti", (1..=MAX_JTI).contains(&claims.jti.len())), // 3, and 12 for the service
            ("htm", claims.htm == request.method),              // 8
            ("htu", without_query(&claims.htu) == request.address), // 9
            ("iat", is_fresh(claims.iat, now)),                 // 11
            ("ath", claims.ath == request.ath()),               // 12
        ];
        first_wrong(&checks).map_err(DpopError)?;
        let jkt = jwk.thumbprint();
        // Of the key and the number: nobody makes the number of another's proof look used.
        let fingerprint = Sha256Hash::of(&[jkt.as_bytes().as_slice(), claims.jti.as_bytes()].concat());
        let expires_at = claims.iat.saturating_add(CLOCK_TOLERANCE);
        Ok(Self { jkt, fingerprint, expires_at })
    }

    /// Thumbprint of the key that signed.
    pub fn jkt(&self) -> Thumbprint {
        self.jkt
    }

    /// Tells this proof from every other one.
    pub fn fingerprint(&self) -> Sha256Hash {
        self.fingerprint
    }

    /// The last moment at which it could be taken.
    pub fn expires_at(&self) -> NumericDate {
        self.expires_at
    }
}

fn without_query(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use p256::elliptic_curve::Generate as _;
    use serde_json::json;

    use super::*;
    use crate::jose::base64url;

    /// RFC 9449, 4.1: the proof of a request for a token.
    const OF_TOKEN_REQUEST: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    /// RFC 9449, 7.1: the proof of a request with an access token.
    const OF_RESOURCE_REQUEST: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    const ACCESS_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    /// RFC 9449, 6.1: the thumbprint of the key of both.
    const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    fn to<'a>(method: &'a str, address: &'a str, access_token: Option<&'a SecretText>) -> ProvenRequest<'a> {
        ProvenRequest { method, address, access_token }
    }

    fn token() -> SecretText {
        SecretText::new(ACCESS_TOKEN.to_owned())
    }

    #[test]
    fn the_proofs_of_rfc_9449_are_taken_for_the_requests_they_are_for() {
        let request = to("POST", "https://server.example.com/token", None);
        let proof = DpopProof::check(OF_TOKEN_REQUEST, request, 1_562_262_616).unwrap();
        assert_eq!(proof.jkt().to_string(), JKT);
        let token = token();
        let request = to("GET", "https://resource.example.org/protectedresource", Some(&token));
        let proof = DpopProof::check(OF_RESOURCE_REQUEST, request, 1_562_262_618).unwrap();
        assert_eq!(proof.jkt().to_string(), JKT);
    }

    #[test]
    fn a_proof_is_for_one_request_with_one_token_at_one_time() {
        let (token, other) = (token(), SecretText::new("another".to_owned()));
        let address = "https://resource.example.org/protectedresource";
        let (iat, wrong) = (1_562_262_618, |claim| Err(DpopError(Part::Claim(claim))));
        let check = |request, now| DpopProof::check(OF_RESOURCE_REQUEST, request, now).map(drop);
        assert_eq!(check(to("GET", address, Some(&token)), iat), Ok(()));
        assert_eq!(check(to("HEAD", address, Some(&token)), iat), wrong("htm"));
        assert_eq!(check(to("get", address, Some(&token)), iat), wrong("htm"));
        assert_eq!(check(to("GET", "https://resource.example.org/", Some(&token)), iat), wrong("htu"));
        assert_eq!(check(to("GET", "https://stranger.example/protectedresource", Some(&token)), iat), wrong("htu"));
        assert_eq!(check(to("GET", address, Some(&other)), iat), wrong("ath"));
        assert_eq!(check(to("GET", address, None), iat), wrong("ath"));
        for (now, is_taken) in [(iat - 121, false), (iat - 120, true), (iat + 120, true), (iat + 121, false)] {
            let expected = if is_taken { Ok(()) } else { wrong("iat") };
            assert_eq!(check(to("GET", address, Some(&token)), now), expected, "{now}");
        }
    }

    /// A proof with the header and the claims of our own choice, signed by `key`.
    fn forged(header: &serde_json::Value, claims: &serde_json::Value, key: &SigningKey) -> String {
        use ecdsa::signature::Signer as _;
        let part = |value: &serde_json::Value| base64url::encode(value.to_string().as_bytes());
        let input = format!("{}.{}", part(header), part(claims));
        let signature: p256::ecdsa::Signature = key.sign(input.as_bytes());
        format!("{input}.{}", base64url::encode(&signature.to_bytes()))
    }

    #[test]
    fn only_what_is_a_proof_is_one() {
        let key = SigningKey::generate_from_rng(&mut rand_core::UnwrapErr(getrandom::SysRng));
        let jwk = serde_json::to_value(P256Jwk::from(*key.verifying_key())).unwrap();
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk});
        let claims = json!({"jti": "1", "htm": "POST", "htu": "https://s.example/token?q#f", "iat": 7, "nonce": "n"});
        let check = |header: &serde_json::Value, claims: &serde_json::Value| {
            let request = to("POST", "https://s.example/token", None);
            DpopProof::check(&forged(header, claims, &key), request, 7).map(|proof| proof.jkt())
        };
        let jkt = P256Jwk::from(*key.verifying_key()).thumbprint();
        assert_eq!(check(&header, &claims), Ok(jkt), "query and fragment are ignored, and what extensions add");

        let secret = base64url::encode(&key.to_bytes());
        let other = SigningKey::generate_from_rng(&mut rand_core::UnwrapErr(getrandom::SysRng));
        let others = serde_json::to_value(P256Jwk::from(*other.verifying_key())).unwrap();
        for (member, value, part) in [
            ("/typ", json!("JWT"), Part::Message),
            ("/typ", json!("pop+jws"), Part::Message),
            ("/alg", json!("none"), Part::Message),
            ("/alg", json!("HS256"), Part::Message),
            ("/alg", json!("ES384"), Part::Message),
            ("/jwk/d", json!(secret), Part::Message),
            ("/jwk/crv", json!("P-384"), Part::Message),
            ("/jwk", json!({"kty": "oct", "k": "AAAA"}), Part::Message),
            ("/jwk", others, Part::Signature),
            ("/kid", json!("1"), Part::Message),
            ("/crit", json!(["exp"]), Part::Message),
        ] {
            let mut forged = header.clone();
            let (object, name) = member.rsplit_once('/').unwrap();
            forged.pointer_mut(object).unwrap()[name] = value.clone();
            assert_eq!(check(&forged, &claims), Err(DpopError(part)), "{member}: {value}");
        }
        for (claim, value) in [("jti", json!("")), ("jti", json!("x".repeat(129))), ("htm", json!("post"))] {
            let mut forged = claims.clone();
            forged[claim] = value;
            assert_eq!(check(&header, &forged), Err(DpopError(Part::Claim(claim))));
        }
        for missing in ["jti", "htm", "htu", "iat"] {
            let mut forged = claims.clone();
            forged.as_object_mut().unwrap().remove(missing);
            assert_eq!(check(&header, &forged), Err(DpopError(Part::Message)), "{missing}");
        }
        let unsigned = forged(&header, &claims, &key);
        let unsigned = &unsigned[..=unsigned.rfind('.').unwrap()];
        let request = to("POST", "https://s.example/token", None);
        assert_eq!(DpopProof::check(unsigned, request, 7).map(drop), Err(DpopError(Part::Signature)));
    }

    #[test]
    fn what_is_made_is_taken_once_for_each_key_and_number() {
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let key = SigningKey::generate_from_rng(&mut rng);
        let token = token();
        let request = to("PUT", "https://s.example/v1/password", Some(&token));
        let first = prove(request, &key, 7, &mut rng).unwrap();
        let second = prove(request, &key, 7, &mut rng).unwrap();
        let check = |compact: &str| DpopProof::check(compact, request, 7).unwrap().fingerprint();
        assert!(check(&first) == check(&first) && check(&first) != check(&second));
        assert_eq!(DpopProof::check(&first, request, 7).unwrap().expires_at(), 127);
    }
}
