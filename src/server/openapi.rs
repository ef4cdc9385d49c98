//! The OpenAPI document: what the endpoints say of themselves, and the errors that all of one kind have in common.

use utoipa::OpenApi as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder, Schema};

use crate::protocol::api::Problem;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Kartenbund account service", description = "Devices bound by the health card, and approvals they sign."),
    components(schemas(Problem)),
    security(("access_token" = [], "dpop_proof" = []))
)]
struct Description;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Kartenbund account service: operators", description = "What operators may do. No device is added here and nothing is approved."),
    components(schemas(Problem)),
    security(("access_token" = []))
)]
struct AdminDescription;

/// What comes with a request: name, header, and what is in it. OpenAPI knows no scheme `DPoP` by itself.
const SECURITY: [(&str, &str, &str); 3] = [
    ("access_token", "Authorization", "`DPoP`, a blank and the access token (RFC 9449, 7.1)."),
    (
        "dpop_proof",
        "DPoP",
        "A JWS over method, address, time and access token of this request, by the key the token is bound to: \
         `typ` dpop+jwt, `alg` ES256 (RFC 9449, 4.2).",
    ),
    (
        "device",
        "Authorization",
        "`Device`, a blank, the device's id, a dot and a JWS by its transport key: `typ` watch+jws, `alg` ES256.",
    ),
];

/// The whole document for the endpoints for everybody.
pub(super) fn describe(paths: OpenApi) -> OpenApi {
    let schemes = SECURITY.map(|(name, header, description)| {
        let scheme = ApiKey::Header(ApiKeyValue::with_description(header, description));
        (name, SecurityScheme::ApiKey(scheme))
    });
    let mut openapi = complete(Description::openapi(), paths, schemes);
    // They stand within the object of a binding: its members, which they do not name, are none too many.
    for grounds in ["CardGrounds", "QrGrounds", "AdditionGrounds", "ChipGrounds"] {
        let schemas = openapi.components.as_mut().and_then(|components| components.schemas.get_mut(grounds));
        if let Some(RefOr::T(Schema::Object(object))) = schemas {
            object.additional_properties = None;
        }
    }
    // A session that may choose a password and nothing else, and an account that can only be read, are refused everywhere.
    for_each_operation(&mut openapi, |operation| {
        if operation.security.is_none() {
            add_error(operation, "403".to_owned());
        }
    });
    openapi
}

/// The same for the operators' endpoints.
pub(super) fn describe_admin(paths: OpenApi) -> OpenApi {
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    complete(AdminDescription::openapi(), paths, [("access_token", bearer)])
}

fn complete<const N: usize>(mut openapi: OpenApi, paths: OpenApi, schemes: [(&str, SecurityScheme); N]) -> OpenApi {
    openapi.merge(paths);
    if let Some(components) = &mut openapi.components {
        for (name, scheme) in schemes {
            components.add_security_scheme(name, scheme);
        }
    }
    for_each_operation(&mut openapi, describe_errors);
    openapi
}

fn for_each_operation(openapi: &mut OpenApi, mut work: impl FnMut(&mut Operation)) {
    for item in openapi.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        operations.into_iter().flatten().for_each(&mut work);
    }
}

/// Adds the errors that follow from what an operation takes: a token, a body, a part of the path. Every error is
/// problem+json.
fn describe_errors(operation: &mut Operation) {
    let has_body = operation.request_body.is_some();
    let is_read = has_body || operation.parameters.is_some();
    let common = [
        ("400", is_read),
        ("401", operation.security.is_none()),
        ("408", has_body),
        ("413", has_body),
        ("500", true),
        ("503", true),
    ];
    let added = common.into_iter().filter(|(_, applies)| *applies).map(|(status, _)| status.to_owned());
    let own: Vec<_> =
        operation.responses.responses.keys().filter(|status| status.starts_with(['4', '5'])).cloned().collect();
    added.chain(own).for_each(|status| add_error(operation, status));
}

fn add_error(operation: &mut Operation, status: String) {
    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
    let response = ResponseBuilder::new().description("An error (RFC 9457).");
    let response = RefOr::T(response.content("application/problem+json", problem).build());
    operation.responses.responses.insert(status, response);
}
