//! Settings of those whose signatures the service takes: who identifies people, and who asks for them.

use super::read::{Row, Value, Wrong, needed, optional};
use super::rows::{keep, plain_name};
use crate::jose::{P256Jwk, json};
use crate::protocol::application::is_plain_text;
use crate::protocol::client_assertion::ConfidentialClient;
use crate::protocol::ident::IdentityProvider;

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

fn keys(value: &Value<'_>) -> Result<Vec<P256Jwk>, Wrong> {
    let keys = value.each(|file| {
        let (_, content) = file.file()?;
        json::read(&content).map_err(|_| Wrong::Impossible("a file holds no JWK on P-256"))
    })?;
    if keys.is_empty() { Err(Wrong::Impossible("at least one key is needed")) } else { Ok(keys) }
}
