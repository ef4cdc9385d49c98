//! The insurer's web branch, a confidential client that knows nothing of this project: OpenSSL signs its assertions. It
//! holds a session key for each browser.

use kartenbund::client::home::Profile;
use kartenbund::client::session::Session;
use kartenbund::jose::P256Jwk;
use kartenbund::protocol::api::TokenRequest;
use kartenbund::protocol::client_assertion::{ASSERTION_TYPE, ConfidentialClient};
use serde_json::{Value, json};

use super::provider::Provider;
use super::*;

pub const WEBSITE: &str = "website";
pub const WEBSITE_NAME: &str = "Website der Musterkasse";

/// A client with a key that only OpenSSL knows.
pub struct WebBranch {
    pub id: &'static str,
    key: Provider,
}

impl WebBranch {
    pub fn new(id: &'static str) -> Self {
        Self { id, key: Provider::new() }
    }

    pub fn jwk(&self) -> P256Jwk {
        self.key.jwk()
    }

    /// What the operator says of it.
    pub fn configured(&self) -> ConfidentialClient {
        ConfidentialClient { id: self.id.to_owned(), name: Some(WEBSITE_NAME.to_owned()), keys: vec![self.jwk()] }
    }

    /// What it says for a browser at this address, with a name that was not used before.
    pub fn claims(&self, world: &World, address: &str) -> Value {
        self.claims_at(&world.address, world.clock.now(), address)
    }

    /// The same at a service of this name.
    pub fn claims_at(&self, service: &str, now: NumericDate, address: &str) -> Value {
        json!({
            "iss": self.id, "sub": self.id, "aud": service, "iat": now, "exp": now + 60,
            "jti": kartenbund::protocol::MessageId::random(&mut rng()), "user_agent_address": address,
        })
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.key.sign(header, claims)
    }

    pub fn assert(&self, claims: &Value) -> String {
        self.sign(&header(), claims)
    }

    /// Somebody's browser at this address.
    pub fn browser<'a>(&'a self, world: &'a World, address: &'static str) -> Browser<'a> {
        Browser { branch: self, world, person: world.stranger(), address }
    }
}

pub fn header() -> Value {
    json!({"alg": "ES256", "typ": "client-authentication+jwt"})
}

/// The request as a client sends it.
pub fn with_assertion(request: &impl serde::Serialize, assertion: &str) -> Value {
    let mut body = serde_json::to_value(request).unwrap();
    body["client_assertion_type"] = json!(ASSERTION_TYPE);
    body["client_assertion"] = json!(assertion);
    body
}

/// A browser, and what the web branch keeps for it.
pub struct Browser<'a> {
    pub branch: &'a WebBranch,
    pub world: &'a World,
    pub person: Stranger,
    pub address: &'static str,
}

impl Browser<'_> {
    /// The web branch asks for the person, with a new assertion.
    pub fn ask<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        request: &impl serde::Serialize,
    ) -> Result<T, ServiceError> {
        let assertion = self.branch.assert(&self.branch.claims(self.world, self.address));
        self.person.ask(path, &with_assertion(request, &assertion))
    }

    pub fn log_in(&self, person: &str, password: &str) -> Result<TokenAnswer, ServiceError> {
        self.ask("/v1/login", &login_request(person, password))
    }

    pub fn renew(&self, tokens: &TokenAnswer) -> Result<TokenAnswer, ServiceError> {
        self.ask("/v1/token", &renewal(tokens))
    }

    /// What the web branch does in this session.
    pub fn holding(&self, tokens: TokenAnswer) -> Computer {
        self.person.holding(self.world, tokens)
    }
}

pub fn login_request(person: &str, password: &str) -> LoginRequest {
    LoginRequest { kvnr: person.to_owned(), password: typed(password), client_name: Some("Firefox".to_owned()) }
}

pub fn renewal(tokens: &TokenAnswer) -> TokenRequest {
    TokenRequest { refresh_token: typed(tokens.refresh_token.as_ref().unwrap().expose()) }
}

impl Stranger {
    /// Goes on with tokens for the key of this stranger, as Erika.
    pub fn holding(&self, world: &World, tokens: TokenAnswer) -> Computer {
        let configuration = self.remote.configuration().unwrap();
        let home = Home::at(world.folder.path().join(format!("holding-{}", self.key.thumbprint())));
        home.keep_profile(&Profile {
            service: world.address.clone(),
            service_keys: configuration.service_keys,
            former_keys: configuration.former_keys,
            keys_from: configuration.iat,
            insurer: configuration.insurer,
            hotline: configuration.hotline,
            payer_iks: configuration.payer_iks,
            kvnr: kvnr(ERIKA),
        })
        .unwrap();
        home.prepare_session(&mut rng()).unwrap();
        let tokens = Some(Tokens::new(tokens, world.clock.now(), 0));
        let key = serde_json::from_value(serde_json::to_value(&self.key).unwrap()).unwrap();
        home.keep_session(&Session { key, tokens }).unwrap();
        Computer { here: login::resume(home, world.clock.of_client()).unwrap(), clock: world.clock.clone() }
    }
}

impl World {
    /// A world whose operator knows these clients, and decided something else.
    pub fn with_clients(branches: &[&WebBranch], more: impl FnOnce(&mut Settings)) -> Self {
        let clients = branches.iter().map(|branch| branch.configured()).collect();
        Self::configured(tempfile::tempdir().unwrap(), TestDatabase::new(), ManualClock::at(NOW), |settings| {
            settings.payer_iks = vec![MUSTERKASSE_IK.parse().unwrap()];
            settings.anchors = Box::new(anchors_of(&[&ca()]));
            settings.clients = clients;
            more(settings);
        })
    }
}
