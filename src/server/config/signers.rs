//! Settings of those whose signatures the service takes: who identifies people, who asks for them, and who knows which cards
//! are revoked.

use super::read::{Row, Value, Wrong, needed, optional, with_default};
use super::rows::{keep, plain_name};
use crate::jose::{P256Jwk, json};
use crate::pki::ocsp::Responder;
use crate::pki::{Anchors as _, TestAnchors};
use crate::protocol::application::is_plain_text;
use crate::protocol::client_assertion::ConfidentialClient;
use crate::protocol::ident::IdentityProvider;
use crate::server::ocsp::OcspSettings;

pub(super) const IDENTITY_PROVIDER: &[Row<IdentityProvider>] = &[
    needed(
        "issuer",
        "\"https://ident.example\"",
        "Its name: `iss` of its statements.",
        keep!(|provider, value| provider.issuer, value.text()),
    ),
    needed(
        "keys",
        "[\"ident/2026.json\"]",
        "Files with its public keys, each a JWK on P-256 with kty, crv, x and y; two while one follows the other.",
        keep!(|provider, value| provider.keys, keys(value)),
    ),
    needed(
        "methods",
        "[\"selfie_ident\"]",
        "Ways to identify a person that are taken from it: `method` of its statements.",
        keep!(|provider, value| provider.methods, value.each(|method| method.text())),
    ),
];

pub(super) const CLIENT: &[Row<ConfidentialClient>] = &[
    needed(
        "id",
        "\"website\"",
        "Its identifier, which must never change: `iss` and `sub` of its assertions.",
        keep!(|client, value| client.id, plain_name(value)),
    ),
    optional(
        "name",
        "\"Website der Musterkasse\"",
        "What people find in the list of their sessions; without it the identifier.",
        |client, value| {
            let name = value.text()?;
            if !is_plain_text(&name) {
                return Err(Wrong::Impossible("a name is plain text of at most 100 characters"));
            }
            client.name = Some(name);
            Ok(())
        },
    ),
    needed(
        "keys",
        "[\"clients/website.json\"]",
        "Files with its public keys, each a JWK on P-256 with kty, crv, x and y; two while one follows the other.",
        keep!(|client, value| client.keys, keys(value)),
    ),
];

pub(super) const OCSP: &[Row<OcspSettings>] = &[
    needed("issuer", "\"ca.pem\"", "File (PEM) with the CA, as in `anchors`.", |ocsp, value| {
        let (path, pem) = value.file()?;
        let mut anchors = TestAnchors::default();
        anchors.add_pem(&pem).map_err(|error| Wrong::Anchor(path, error))?;
        let [issuer] = anchors.issuers() else { return Err(Wrong::Impossible("the file holds more than one CA")) };
        ocsp.issuer = issuer.der().to_vec();
        Ok(())
    }),
    needed("url", "\"http://ocsp.example/\"", "Where its responder listens.", |ocsp, value| {
        let url = value.text()?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Wrong::Impossible("an address begins with http:// or https://"));
        }
        ocsp.url = url;
        Ok(())
    }),
    needed(
        "responders",
        "[\"ocsp.pem\"]",
        "Files (PEM) with certificates of the responders whose answers are taken: the ones of the trust list.",
        |ocsp, value| {
            for (path, pem) in value.each(|file| file.file())? {
                ocsp.responders.extend(Responder::read_pem(&pem).map_err(|error| Wrong::Anchor(path, error))?);
            }
            if ocsp.responders.is_empty() { Err(Wrong::Impossible("at least one responder is needed")) } else { Ok(()) }
        },
    ),
    with_default(
        "cert_hash",
        "true",
        "Whether answers must hold the hash of the card's certificate, as gematik has it. RFC 6960 alone does not know it.",
        keep!(|ocsp, value| ocsp.cert_hash, value.boolean()),
    ),
];

fn keys(value: &Value<'_>) -> Result<Vec<P256Jwk>, Wrong> {
    let keys = value.each(|file| {
        let (_, content) = file.file()?;
        json::read(&content).map_err(|_| Wrong::Impossible("a file holds no JWK on P-256"))
    })?;
    if keys.is_empty() { Err(Wrong::Impossible("at least one key is needed")) } else { Ok(keys) }
}
