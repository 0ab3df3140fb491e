//! The JSON schema of the answer file, for editors and for whoever makes answers by a program.
//!
//! It is generated from the types by the test below, and lies in `answers.schema.json`: the
//! program in the image has the text and not the generator.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The schema.
pub const SCHEMA: &str = include_str!("../answers.schema.json");

/// Tells forms of the answers apart: the first 16 digits of the SHA-256 of the schema without its
/// descriptions. A medium says by it which answers its installer takes.
pub fn form() -> String {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap_or_default();
    let digest = Sha256::digest(without_descriptions(schema).to_string());
    hex::encode(&digest[..8])
}

/// Words may change without a change of what is allowed. (A property may be named so too; its
/// value is then a table.)
fn without_descriptions(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let stays = |key: &str, value: &Value| key != "description" || !value.is_string();
            let map = map.into_iter().filter(|(key, value)| stays(key, value));
            map.map(|(key, value)| (key, without_descriptions(value)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        Value::Array(list) => list.into_iter().map(without_descriptions).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use schemars::JsonSchema;
    use schemars::generate::SchemaSettings;
    use serde_json::json;

    use super::*;
    use crate::answers::Answers;
    use crate::machines::Rule;

    /// The schema of a type as a table of its own.
    fn of<T: JsonSchema>(settings: &SchemaSettings) -> Value {
        let generator = settings.clone().into_generator();
        generator.into_root_schema_for::<T>().to_value()
    }

    /// [`Answers`], with sections for machines: each has `match` and any part of the answers.
    /// Where there are sections, no part is needed in common.
    fn generated() -> String {
        // Read, not written: what is left out has a default.
        let settings = SchemaSettings::draft2020_12().for_deserialize();
        let mut schema = of::<Answers>(&settings);
        schema["title"] = "install.toml".into();
        schema["description"] = "Answers for an unattended installation.".into();
        let mut rule = of::<Rule>(&settings);
        let definitions = rule["$defs"].take();
        for (name, definition) in definitions.as_object().cloned().unwrap_or_default() {
            schema["$defs"][name] = definition;
        }
        for key in ["$schema", "$defs", "title"] {
            rule.as_object_mut().unwrap().remove(key);
        }
        rule["minProperties"] = 1.into();
        schema["$defs"]["Rule"] = rule;
        let mut section = json!({
            "description": "What is different for one machine, laid over the common part key by key.",
            "type": "object",
            "properties": schema["properties"].clone(),
            "required": ["match"],
            "additionalProperties": false,
        });
        section["properties"]["match"] = json!({ "$ref": "#/$defs/Rule" });
        schema["$defs"]["Machine"] = section;
        schema["properties"]["machine"] = json!({
            "description": "Several machines with one file; exactly one section must match.",
            "type": "array",
            "minItems": 1,
            "items": { "$ref": "#/$defs/Machine" },
        });
        let required = schema.as_object_mut().unwrap().remove("required").unwrap();
        schema["anyOf"] = json!([{ "required": required }, { "required": ["machine"] }]);
        serde_json::to_string_pretty(&schema).unwrap() + "\n"
    }

    #[test]
    fn the_schema_is_that_of_the_types() {
        let found = generated();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("answers.schema.json");
        if std::env::var_os("VIGIE_BLESS").is_some() {
            std::fs::write(&path, &found).unwrap();
            return;
        }
        assert!(
            found == SCHEMA,
            "answers.schema.json is out of date; make it anew with VIGIE_BLESS=1"
        );
    }

    #[test]
    fn a_form_is_of_what_is_allowed_not_of_words() {
        let one = without_descriptions(json!({"a": [{"description": "x", "type": "string"}]}));
        assert_eq!(one, json!({"a": [{"type": "string"}]}));
        let property = json!({"description": {"type": "string"}});
        assert_eq!(without_descriptions(property.clone()), property);
        assert_eq!(form().len(), 16);
    }
}
