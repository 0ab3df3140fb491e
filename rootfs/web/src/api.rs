//! The interface for programs, `/api/v1`: what it answers, and the OpenAPI document, which is
//! generated from the types of the answers.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::api_requests::{REQUESTS, SESSION, Service};
use crate::api_types::{Begun, LogIn, Refusal};
use crate::health::Health;

/// Where answers about the whole appliance are.
pub const STATUS: &str = "/api/v1/status";
/// Where the document itself is.
pub const DOCUMENT: &str = "/api/v1/openapi.json";

/// The OpenAPI 3.1 document.
pub fn document() -> Value {
    // The dialect of OpenAPI 3.1 is JSON Schema 2020-12.
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let status = generator.subschema_for::<Health>();
    let administration = paths(&mut generator);
    let schemas = generator.take_definitions(true);
    let answer = |what: &str, schema: &Value| json!({"200": {"description": what, "content": {"application/json": {"schema": schema}}}});
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vigie",
            "version": "1",
            "description": "What the appliance tells programs: its status at both of its ports; all else over TLS, with the token of a session.",
        },
        "paths": {
            STATUS: {"get": {
                "operationId": "status",
                "summary": "How the appliance is",
                "responses": answer("How it is.", &status.to_value()),
            }},
            DOCUMENT: {"get": {
                "operationId": "document",
                "summary": "This document",
                "responses": answer("The document.", &json!({"type": "object"})),
            }},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"session": {"type": "http", "scheme": "bearer"}},
        },
    });
    for (path, method, about) in administration {
        document["paths"][path][method] = about;
    }
    document
}

/// The paths of the interface for administration: each request with what it takes and answers.
fn paths(generator: &mut SchemaGenerator) -> Vec<(&'static str, &'static str, Value)> {
    let refusal = generator.subschema_for::<Refusal>().to_value();
    let content = |schema: &Value| json!({"application/json": {"schema": schema}});
    let refused = |what: &str| json!({"description": what, "content": content(&refusal)});
    let responses = |ok: Value| {
        json!({
            "200": ok,
            "400": refused("The request is none."),
            "401": refused("Nobody is logged in."),
            "403": refused("The role does not allow it."),
            "413": {"description": "The request is too large."},
            "422": refused("It was judged and is not wanted."),
            "429": refused("Too many requests, or too many wrong passwords."),
            "503": refused("The machine is at fault."),
        })
    };
    let begun = generator.subschema_for::<Begun>().to_value();
    let log_in = generator.subschema_for::<LogIn>().to_value();
    let mut paths = vec![
        (
            SESSION,
            "post",
            json!({
                "operationId": "log-in",
                "summary": "Begins a session",
                "requestBody": {"required": true, "content": content(&log_in)},
                "responses": responses(json!({"description": "It is begun.", "content": content(&begun)})),
            }),
        ),
        (
            SESSION,
            "delete",
            json!({
                "operationId": "log-out",
                "summary": "Ends the session",
                "security": [{"session": []}],
                "responses": responses(json!({"description": "It is over."})),
            }),
        ),
    ];
    for request in &REQUESTS {
        let event = (request.answer)(generator).to_value();
        let answer = json!({"type": "array", "items": event});
        let answer = match request.to {
            Service::Bundle => json!({
                "description": "The file.",
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }),
            _ => {
                json!({"description": "What there is to say, an object each.", "content": content(&answer)})
            }
        };
        let mut about = json!({
            "operationId": request.operation(),
            "summary": request.about,
            "description": format!("Takes the role {}.", request.role.word()),
            "security": [{"session": []}],
            "responses": responses(answer),
        });
        if request.path.contains("{name}") {
            about["parameters"] = json!([{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}]);
        }
        let taken = (request.schema)(generator).to_value();
        if !matches!(request.method, "get" | "delete") {
            // A body that is left out is one without fields.
            let required = (request.read)(json!({})).is_err();
            about["requestBody"] = json!({"required": required, "content": content(&taken)});
        }
        paths.push((request.path, request.method, about));
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::tests::{facts, raid_facts, services};

    /// A change of the document is a change for the programs of others.
    #[test]
    fn the_document_is_the_published_one() {
        let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        if std::env::var_os("VIGIE_BLESS").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let published = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(text, published, "VIGIE_BLESS=1 writes {}", file.display());
    }

    #[test]
    fn answers_have_the_fields_that_the_document_says() {
        let schemas = &document()["components"]["schemas"];
        let fits = |answer: &Value, schema: &str| {
            let (answer, schema) = (answer.as_object().unwrap(), &schemas[schema]);
            let known = answer
                .keys()
                .all(|name| schema["properties"][name].is_object());
            let mut required = schema["required"].as_array().unwrap().iter();
            known && required.all(|name| answer.contains_key(name.as_str().unwrap()))
        };
        for facts in [facts(), raid_facts()] {
            let health = Health {
                services: services(),
                ..Health::of(&facts, Ok(vec![]))
            };
            let answer = serde_json::to_value(health).unwrap();
            assert!(fits(&answer, "Health"), "{answer}");
            for (list, schema) in [
                ("volumes", "Volume"),
                ("arrays", "Array"),
                ("temperatures", "Temperature"),
                ("services", "Service"),
            ] {
                for one in answer[list].as_array().unwrap() {
                    assert!(fits(one, schema), "{one}");
                }
            }
        }
        assert!(!fits(&json!({"status": "ok"}), "Health"));
    }
}
