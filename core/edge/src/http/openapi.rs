//! The OpenAPI document, made of the types that are sent.

use super::form::{AgentForm, ContentForm, ErrorForm, ItemForm, ListForm, ReplyForm, RequestForm};
use super::{ask, desk};
use std::sync::OnceLock;
use utoipa::OpenApi;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{RefOr, Schema};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hubless",
        description = "Agents of a mesh, asked over plain HTTP. Only agents that allow external \
                       connections are there. Bodies are at most 1 MiB.",
    ),
    paths(ask::ask, desk::agents),
    components(schemas(
        AgentForm, ContentForm, ErrorForm, ItemForm, ListForm, ReplyForm, RequestForm
    )),
    modifiers(&Bearer),
)]
struct Document;

/// What the types do not say: the token, and that a request has no other field.
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        if let Some(components) = &mut document.components {
            components.add_security_scheme("token", scheme);
            if let Some(RefOr::T(Schema::Object(request))) = components.schemas.get_mut("Request") {
                request.additional_properties =
                    Some(Box::new(AdditionalProperties::FreeForm(false)));
            }
        }
        // A listener without tokens wants none.
        let token = SecurityRequirement::new("token", Vec::<String>::new());
        document.security = Some(vec![token, SecurityRequirement::default()]);
    }
}

/// The document, as JSON.
pub(super) fn document() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    // It is made of constants: the tests read it.
    TEXT.get_or_init(|| Document::openapi().to_json().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_document_describes_every_path_and_no_other() {
        let document: Value = serde_json::from_str(document()).unwrap();
        let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
        assert_eq!(paths, ["/v1/agents", "/v1/agents/{name}/requests"]);
        assert!(document["openapi"].as_str().unwrap().starts_with("3."));
        let headers = document["paths"]["/v1/agents/{name}/requests"]["post"]["parameters"].clone();
        let headers = headers.as_array().unwrap().iter().filter(|one| one["in"] == "header");
        let headers: Vec<_> = headers.map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(headers, ["x-request-id", "x-timeout-ms", "hubless-redeem", "hubless-budget"]);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        assert_eq!(schemas["Request"]["additionalProperties"], false);
        for (name, schema) in schemas {
            assert!(schema["description"].is_string(), "{name} is not described");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(to)) = fields.get("$ref") {
                        found.push(to.clone());
                    }
                    fields.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document: Value = serde_json::from_str(document()).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 10);
        for to in found {
            let pointer = to.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{to}");
        }
    }
}
