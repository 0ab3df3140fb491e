//! Several fields that are set or taken away together, by their paths: what a form sends.

use toml::Value;

use crate::check::Problem;
use crate::difference::{is_secret, tree};
use crate::document::Settings;
use crate::key;
use crate::read::{ReadError, read_all};
use crate::words::{Said, said};

/// One field and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Its path, as `network.enterprise.address` or `users.anna.role`.
    pub path: String,
    /// Its new value; without one the default holds.
    pub value: Option<Value>,
}

impl Edit {
    /// From a value of JSON; `null` takes the field away.
    ///
    /// # Errors
    /// A value that TOML does not have.
    pub fn from_json(path: &str, value: &serde_json::Value) -> Result<Self, Problem> {
        let told = |value| Value::try_from(value).map_err(|_| no_value(path));
        let value = match value.is_null() {
            true => None,
            false => Some(told(value)?),
        };
        Ok(Self {
            path: path.to_owned(),
            value,
        })
    }

    /// Whether it names or holds a secret, or all that is in a section which has some.
    #[must_use]
    pub fn touches_secrets(&self) -> bool {
        let parts = key::parts(&self.path).unwrap_or_default();
        let sections = ["access", "users"];
        let whole = parts.len() == 1 && sections.contains(&parts[0].as_str());
        whole
            || parts.iter().any(|part| is_secret(part))
            || self.value.as_ref().is_some_and(holds_secret)
    }
}

/// Whether a value has a field that is a secret.
#[must_use]
pub fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Table(table) => table
            .iter()
            .any(|(name, value)| is_secret(name) || holds_secret(value)),
        Value::Array(list) => list.iter().any(holds_secret),
        _ => false,
    }
}

fn no_value(path: &str) -> Problem {
    Problem::new(path, said("command.no-value", &[]))
}

fn no_such(path: &str) -> Problem {
    let values = [("key", Said::same(path))];
    Problem::new(path, said("command.no-such-field", &values))
}

/// The document that results, checked as a whole; a field to take away that is not there is no error.
///
/// # Errors
/// All that is wrong with it.
pub fn edited(old: &Settings, edits: &[Edit]) -> Result<Settings, Vec<Problem>> {
    let mut document = tree(old);
    let mut wrong = Vec::new();
    for edit in edits {
        let Some(parts) = key::parts(&edit.path) else {
            wrong.push(no_such(&edit.path));
            continue;
        };
        let placed = match &edit.value {
            Some(value) => document
                .as_table_mut()
                .is_some_and(|table| key::put(table, &parts, value.clone())),
            None => {
                let _ = key::take(&mut document, &parts);
                true
            }
        };
        if !placed {
            wrong.push(no_such(&edit.path));
        }
    }
    match wrong.is_empty() {
        true => document_of(&document),
        false => Err(wrong),
    }
}

/// A tree as a document, through text: what is stored is read in the same way.
///
/// # Errors
/// All that is wrong with it.
pub fn document_of(tree: &Value) -> Result<Settings, Vec<Problem>> {
    let text = toml::to_string(tree).map_err(|error| {
        // Its tables are those of a document; no other value of TOML is none.
        vec![Problem::new("", Said::same(error))]
    })?;
    let settings: Settings = read_all(&text).map_err(|wrong| {
        // Their lines are those of a text that nobody sees.
        let problems = wrong.into_iter();
        let problem = |error: ReadError| Problem::new(error.field.unwrap_or_default(), error.text);
        problems.map(problem).collect::<Vec<_>>()
    })?;
    settings.check().map_err(|problems| problems.0)?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edits(all: &serde_json::Value) -> Vec<Edit> {
        let all = all.as_object().expect("paths").iter();
        all.map(|(path, value)| Edit::from_json(path, value).expect(path))
            .collect()
    }

    #[test]
    fn fields_are_set_and_taken_away_together() {
        let old = Settings::from_text(include_str!("../tests/golden/full.toml")).expect("reads");
        let new = edited(
            &old,
            &edits(&json!({
                "system.hostname": "hall-2",
                "network.enterprise.address": "10.9.0.2/24",
                "network.enterprise.gateway": "10.9.0.1",
                "network.enterprise.dhcp": null,
                "time.ntp": ["192.168.1.1"],
                "web.idle_minutes": 15,
                "users.anna.disabled": null,
                "registration.phone": null,
            })),
        )
        .expect("accepted");
        assert_eq!(new.system.hostname.as_str(), "hall-2");
        assert_eq!(new.time.ntp.len(), 1);
        assert_eq!(new.registration.phone, None);
        assert_eq!(edited(&old, &[]), Ok(old));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_field() {
        for (wrong, fields) in [
            (json!({"system.hostname": "a b"}), &["system.hostname"][..]),
            (json!({"system.hostname": 3}), &["system.hostname"]),
            (json!({"system.colour": "red"}), &["system.colour"]),
            (json!({"": "x"}), &[""]),
            (
                json!({"users.nobody.role": "viewer", "a..b": 1}),
                &["a..b", "users.nobody.role"],
            ),
            (
                json!({"network.enterprise.address": "10.0.0.2/24", "network.enterprise.gateway": "10.1.0.1", "network.routing": true}),
                &["network.enterprise.gateway", "network.routing"],
            ),
        ] {
            let old = Settings::from_text("version = 3\n[[users]]\nname = \"anna\"\nrole = \"administrator\"\npassword_hash = \"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\"\n").expect("reads");
            let problems = edited(&old, &edits(&wrong)).expect_err("refused");
            let mut found: Vec<&str> = problems.iter().map(|one| one.field.as_str()).collect();
            found.sort_unstable();
            assert_eq!(found, fields, "{wrong}");
        }
        assert!(Edit::from_json("time.ntp", &json!([null])).is_err());
    }

    #[test]
    fn what_touches_secrets_is_known() {
        for (path, value, expected) in [
            ("access.root_password_hash", json!("x"), true),
            ("access.root_password_hash", json!(null), true),
            ("access", json!(null), true),
            ("users", json!([]), true),
            ("users.+", json!({"password_hash": "x"}), true),
            ("update.hawkbit", json!({"token": "x"}), true),
            ("access.ssh_authorized_keys", json!([]), false),
            ("users.anna.role", json!("viewer"), false),
            ("update.hawkbit.token_kind", json!("target"), false),
            ("system.hostname", json!("hall"), false),
        ] {
            let edit = Edit::from_json(path, &value).expect(path);
            assert_eq!(edit.touches_secrets(), expected, "{path}");
        }
    }
}
