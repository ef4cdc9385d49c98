//! The OpenAPI document: what the endpoints say of themselves, and the errors that all of one kind have in common.

use utoipa::OpenApi as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};

use crate::protocol::api::Problem;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Kartenbund account service", description = "Devices bound by the health card, and approvals they sign."),
    components(schemas(Problem)),
    security(("access_token" = []))
)]
struct Description;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Kartenbund account service: operators", description = "What operators may do. No device is added here and nothing is approved."),
    components(schemas(Problem)),
    security(("access_token" = []))
)]
struct AdminDescription;

/// The whole document for the endpoints for everybody.
pub(super) fn describe(paths: OpenApi) -> OpenApi {
    complete(Description::openapi(), paths)
}

/// The same for the operators' endpoints.
pub(super) fn describe_admin(paths: OpenApi) -> OpenApi {
    complete(AdminDescription::openapi(), paths)
}

fn complete(mut openapi: OpenApi, paths: OpenApi) -> OpenApi {
    openapi.merge(paths);
    if let Some(components) = &mut openapi.components {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("access_token", bearer);
    }
    for item in openapi.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        operations.into_iter().flatten().for_each(describe_errors);
    }
    openapi
}

/// Adds the errors that follow from what an operation takes: a token, a body, a part of the path. Every error is
/// problem+json.
fn describe_errors(operation: &mut Operation) {
    let has_body = operation.request_body.is_some();
    let is_read = has_body || operation.parameters.is_some();
    let common = [("400", is_read), ("401", operation.security.is_none()), ("413", has_body), ("500", true)];
    let responses = &mut operation.responses.responses;
    let added = common.into_iter().filter(|(_, applies)| *applies).map(|(status, _)| status.to_owned());
    let own: Vec<_> = responses.keys().filter(|status| status.starts_with(['4', '5'])).cloned().collect();
    for status in added.chain(own) {
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new().description("An error (RFC 9457).");
        responses.insert(status, RefOr::T(response.content("application/problem+json", problem).build()));
    }
}
