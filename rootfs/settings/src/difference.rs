//! What differs between two documents, field by field, without secrets.

use std::collections::BTreeMap;

use toml::Value;

use crate::document::{Network, Settings, Update, Web};
use crate::key::quoted;

/// What stands in the place of a secret.
pub const HIDDEN: &str = "(hidden)";

/// Whether a field holds what must not be shown: a password's hash, a secret key, a token.
#[must_use]
pub fn is_secret(field: &str) -> bool {
    field.ends_with("_hash") || field.ends_with("_key") || field == "token"
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Change {
    /// Its path.
    pub key: String,
    /// What it was; absent where there was none.
    pub old: Option<Value>,
    /// What it is.
    pub new: Option<Value>,
}

/// The fields that differ, by path; secrets differ without being shown.
#[must_use]
pub fn changes(old: &Settings, new: &Settings) -> Vec<Change> {
    let (old, new) = (fields(old), fields(new));
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let differing = keys
        .into_iter()
        .filter(|key| old.get(*key) != new.get(*key));
    let shown = |key: &str, value: Option<&Value>| {
        let last = key.rsplit('.').next().unwrap_or(key);
        value.map(|value| match is_secret(last) {
            true => HIDDEN.into(),
            false => value.clone(),
        })
    };
    differing
        .map(|key| Change {
            key: key.clone(),
            old: shown(key, old.get(key)),
            new: shown(key, new.get(key)),
        })
        .collect()
}

/// A document as a tree whose secrets are not shown.
#[must_use]
pub fn without_secrets(settings: &Settings) -> Value {
    let mut tree = tree(settings);
    hide(&mut tree);
    tree
}

fn hide(value: &mut Value) {
    match value {
        Value::Table(table) => table
            .iter_mut()
            .for_each(|(key, value)| match is_secret(key) {
                true => *value = HIDDEN.into(),
                false => hide(value),
            }),
        Value::Array(list) => list.iter_mut().for_each(hide),
        _ => {}
    }
}

/// A document as a tree.
#[must_use]
pub fn tree(settings: &Settings) -> Value {
    // Every document of this crate is one.
    Value::try_from(settings).unwrap_or(Value::Table(toml::Table::new()))
}

/// What holds of the fields that a document leaves out where nobody has set them.
#[must_use]
pub fn defaults() -> Value {
    let mut defaults = toml::Table::new();
    let routing = Network::default().routing.into();
    let network = toml::Table::from_iter([("routing".to_owned(), routing)]);
    defaults.insert("network".to_owned(), network.into());
    let sections = [
        ("web", Value::try_from(Web::default())),
        ("update", Value::try_from(Update::default())),
    ];
    for (name, section) in sections {
        if let Ok(section) = section {
            defaults.insert(name.to_owned(), section);
        }
    }
    Value::Table(defaults)
}

fn fields(settings: &Settings) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    flatten(&tree(settings), "", &mut fields);
    fields
}

/// Lists of tables go by the names in them: whoever takes the first of three away has taken one.
fn flatten(value: &Value, path: &str, fields: &mut BTreeMap<String, Value>) {
    let below = |part: &str| match path {
        "" => quoted(part),
        path => format!("{path}.{}", quoted(part)),
    };
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                flatten(value, &below(key), fields);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_table) => {
            for (at, value) in list.iter().enumerate() {
                let name = value.get("name").and_then(Value::as_str);
                let at = at.to_string();
                flatten(value, &below(name.unwrap_or(&at)), fields);
            }
        }
        leaf => {
            fields.insert(path.to_owned(), leaf.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Settings {
        Settings::from_text(include_str!("../tests/golden/full.toml")).expect("reads")
    }

    #[test]
    fn only_what_differs_is_listed_and_no_secret_is_shown() {
        let old = full();
        assert_eq!(changes(&old, &old), []);
        let mut new = old.clone();
        new.system.hostname = "hall".parse().expect("name");
        new.network.cameras = None;
        new.users[0].password_hash = new.users[1].password_hash.clone();
        new.users.remove(1);
        new.access.root_password_hash = None;
        let found = changes(&old, &new);
        let keys: Vec<&str> = found.iter().map(|one| one.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "access.root_password_hash",
                "network.cameras.address",
                "network.cameras.interface",
                "system.hostname",
                "users.\"j.martin\".disabled",
                "users.\"j.martin\".language",
                "users.\"j.martin\".name",
                "users.\"j.martin\".password_hash",
                "users.\"j.martin\".role",
                "users.anna.password_hash",
            ]
        );
        let text = format!("{found:?}");
        assert!(
            !text.contains("argon2id") && !text.contains("$y$"),
            "{text}"
        );
        assert_eq!(found[3].new, Some("hall".into()));
        assert_eq!(
            (&found[0].old, &found[0].new),
            (&Some(HIDDEN.into()), &None)
        );
    }

    #[test]
    fn a_document_without_secrets() {
        let text = toml::to_string(&without_secrets(&full())).expect("text");
        assert!(!text.contains('$') && text.contains(HIDDEN) && text.contains("ssh-ed25519"));
        // Not even in a field's name of any type of the document.
        let schema = include_str!("../settings.schema.json");
        for word in ["password", "token", "secret"] {
            for field in schema
                .split('"')
                .filter(|one| one.contains(word) && !one.contains(' '))
            {
                assert!(
                    is_secret(field) || field == "token_kind" || field.contains('-'),
                    "{field}"
                );
            }
        }
    }
}
