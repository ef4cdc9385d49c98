//! Settings of those whose signatures the service takes: who identifies people, who asks for them, who lists the CAs of cards,
//! and who knows which cards are revoked.

use super::read::{Row, Value, Wrong, needed, optional, with_default};
use super::rows::{keep, plain_name};
use crate::jose::{P256Jwk, json};
use crate::pki::ocsp::Responder;
use crate::pki::{AnchorError, Anchors as _, Issuer, TestAnchors};
use crate::protocol::application::is_plain_text;
use crate::protocol::client_assertion::ConfidentialClient;
use crate::protocol::ident::IdentityProvider;
use crate::server::config::Config;
use crate::server::ocsp::OcspSettings;
use crate::server::trust_list::TrustListSettings;

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
    optional(
        "responders",
        "[\"ocsp.pem\"]",
        "Files (PEM) with certificates of the responders whose answers are taken. Those of `trust_list` are taken, too.",
        |ocsp, value| {
            for (path, pem) in value.each(|file| file.file())? {
                ocsp.responders.extend(Responder::read_pem(&pem).map_err(|error| Wrong::Anchor(path, error))?);
            }
            Ok(())
        },
    ),
    with_default(
        "cert_hash",
        "true",
        "Whether answers must hold the hash of the card's certificate, as gematik has it. RFC 6960 alone does not know it.",
        keep!(|ocsp, value| ocsp.cert_hash, value.boolean()),
    ),
];

pub(super) const TRUST_LIST: &[Row<Config>] = &[
    needed(
        "list",
        "\"ECC-RSA_TSL.xml\"",
        "The list (XML), as it was received.",
        keep!(|config, value| trust_list(config).list, value.path()),
    ),
    needed(
        "signature",
        "\"ECC-RSA_TSL.sig\"",
        "Its detached signature (DER), from beside it.",
        keep!(|config, value| trust_list(config).signature, value.path()),
    ),
    with_default(
        "anchors",
        "[]",
        "Files (PEM) with the CAs that issue the certificates of the list's signers: two while one follows the other.",
        |config, value| signers(config, value, false),
    ),
    with_default(
        "test_anchors",
        "[]",
        "The same for the list of a test environment, in place of `anchors`. Never for real people.",
        |config, value| signers(config, value, true),
    ),
    with_default(
        "ask_responders",
        "false",
        "Whether the responders that the list names for each CA are asked if cards were revoked, as with [[ocsp]], which\n\
         goes before it. Most of them are only reached within the telematics infrastructure.",
        keep!(|config, value| trust_list(config).ask_responders, value.boolean()),
    ),
];

fn trust_list(config: &mut Config) -> &mut TrustListSettings {
    config.settings.trust_list.get_or_insert_default()
}

fn signers(config: &mut Config, files: &Value<'_>, of_tests: bool) -> Result<(), Wrong> {
    for (path, pem) in files.each(|file| file.file())? {
        let signers = Issuer::read_pem(&pem).and_then(|signers| {
            let refused = !of_tests && signers.iter().any(Issuer::is_test);
            if refused { Err(AnchorError::TestCa) } else { Ok(signers) }
        });
        let signers = signers.map_err(|error| Wrong::Anchor(path, error))?;
        let settings = &mut config.settings;
        let is_alone = settings.anchors.issuers().is_empty()
            && settings.trust_list.as_ref().is_none_or(|it| it.signers.is_empty());
        if of_tests && is_alone {
            settings.anchors = Box::new(TestAnchors::default());
        }
        if settings.anchors.accept_test_cards() != of_tests {
            return Err(Wrong::Impossible("real cards and test cards never meet, in [cards] and [trust_list]"));
        }
        trust_list(config).signers.extend(signers);
    }
    Ok(())
}

fn keys(value: &Value<'_>) -> Result<Vec<P256Jwk>, Wrong> {
    let keys = value.each(|file| {
        let (_, content) = file.file()?;
        json::read(&content).map_err(|_| Wrong::Impossible("a file holds no JWK on P-256"))
    })?;
    if keys.is_empty() { Err(Wrong::Impossible("at least one key is needed")) } else { Ok(keys) }
}
