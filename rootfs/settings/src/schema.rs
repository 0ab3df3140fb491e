//! The JSON schema of the settings document, for editors and for whoever makes documents by a program.
//!
//! It is generated from the types by the test below, and lies in `settings.schema.json`: the program
//! in the image has the text and not the generator.

/// The schema.
pub const SCHEMA: &str = include_str!("../settings.schema.json");

#[cfg(test)]
mod tests {
    use std::path::Path;

    use schemars::generate::SchemaSettings;
    use serde_json::Value;

    use super::*;
    use crate::document::{Settings, VERSION};

    fn generated() -> Value {
        // Read, not written: what is left out has a default.
        let generator = SchemaSettings::draft2020_12().for_deserialize();
        let generator = generator.into_generator();
        let mut schema = generator.into_root_schema_for::<Settings>().to_value();
        schema["properties"]["version"]["const"] = VERSION.into();
        schema
    }

    #[test]
    fn the_schema_is_that_of_the_types() {
        let found = serde_json::to_string_pretty(&generated()).expect("text") + "\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("settings.schema.json");
        if std::env::var_os("VIGIE_BLESS").is_some() {
            std::fs::write(&path, &found).expect("written");
            return;
        }
        assert!(
            found == SCHEMA,
            "settings.schema.json is out of date; make it anew with VIGIE_BLESS=1"
        );
    }

    #[test]
    fn every_field_is_documented() {
        let schema = generated();
        let tables = schema["$defs"].as_object().expect("definitions").values();
        let mut fields = 0;
        for table in tables.chain([&schema]) {
            for (name, field) in table["properties"].as_object().into_iter().flatten() {
                assert!(field["description"].is_string(), "{name}: {field}");
                assert!(table["additionalProperties"] == false, "{table}");
                fields += 1;
            }
        }
        assert!(fields > 40, "{fields}");
    }
}
