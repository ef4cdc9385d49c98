//! An identity provider that knows nothing of this project: OpenSSL signs its statements.
#![allow(clippy::unwrap_used, missing_docs, dead_code, unreachable_pub, missing_debug_implementations)]

use kartenbund::jose::{P256Jwk, base64url};
use kartenbund::protocol::ident::IdentityProvider;
use kartenbund::virtual_card::personalise::MUSTERKASSE_IK;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::Private;
use serde_json::{Value, json};

use super::{ERIKA, ManualClock, NOW, TestDatabase, World, anchors_of, ca};

pub const ISSUER: &str = "https://ident.example";

/// A provider with a key that only OpenSSL knows.
pub struct Provider(EcKey<Private>);

impl Provider {
    pub fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Self(EcKey::generate(&group).unwrap())
    }

    pub fn jwk(&self) -> P256Jwk {
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        let mut context = BigNumContext::new().unwrap();
        self.0.public_key().affine_coordinates(self.0.group(), &mut x, &mut y, &mut context).unwrap();
        let coordinate = |number: &BigNum| base64url::encode(&number.to_vec_padded(32).unwrap());
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": coordinate(&x), "y": coordinate(&y)});
        serde_json::from_value(jwk).unwrap()
    }

    /// What the operator says of it.
    pub fn trusted_as(&self, issuer: &str) -> IdentityProvider {
        let methods = vec!["selfie_ident".to_owned()];
        IdentityProvider { issuer: issuer.to_owned(), keys: vec![self.jwk()], methods }
    }

    /// RFC 7518, 3.4: R and S, 32 bytes each.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = signing_input(header, claims);
        let digest = hash(MessageDigest::sha256(), input.as_bytes()).unwrap();
        let signature = EcdsaSig::sign(&digest, &self.0).unwrap();
        let r_and_s = [signature.r(), signature.s()].map(|number| number.to_vec_padded(32).unwrap()).concat();
        format!("{input}.{}", base64url::encode(&r_and_s))
    }

    pub fn state(&self, claims: &Value) -> String {
        self.sign(&header(), claims)
    }
}

pub fn header() -> Value {
    json!({"alg": "ES256", "typ": "ident+jws"})
}

pub fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

/// What a provider says of Erika.
pub fn claims(world: &World) -> Value {
    let now = world.clock.now();
    json!({
        "iss": ISSUER, "aud": world.address, "iat": now, "exp": now + 600, "jti": "d1f0c1a2-7b1c", "kvnr": ERIKA,
        "birth_date": "1964-08-12", "method": "selfie_ident",
    })
}

impl World {
    /// A world whose operator trusts these providers.
    pub fn trusting(providers: Vec<IdentityProvider>) -> Self {
        Self::configured(tempfile::tempdir().unwrap(), TestDatabase::new(), ManualClock::at(NOW), |settings| {
            settings.payer_iks = vec![MUSTERKASSE_IK.parse().unwrap()];
            settings.anchors = Box::new(anchors_of(&[&ca()]));
            settings.identity_providers = providers;
        })
    }
}
