//! What is said to a person, in English and French.
//!
//! The words live in `messages/en.toml` and `messages/fr.toml`, one table of
//! keys each; `{name}` stands for a value. A test holds both files to the same
//! keys and the same values.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::LazyLock;

use vigie_settings::Language;

type Catalog = BTreeMap<String, String>;

static ENGLISH: LazyLock<Catalog> = LazyLock::new(|| catalog(include_str!("messages/en.toml")));
static FRENCH: LazyLock<Catalog> = LazyLock::new(|| catalog(include_str!("messages/fr.toml")));

/// A message: its key and values, in no language yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    key: &'static str,
    values: Vec<(&'static str, String)>,
}

impl Text {
    /// The message of a key.
    pub fn new(key: &'static str) -> Self {
        Self {
            key,
            values: Vec::new(),
        }
    }

    /// With a value for `{name}`.
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.values.push((name, value.to_string()));
        self
    }

    /// In a language.
    pub fn to(&self, language: Language) -> String {
        let words = match language {
            Language::En => ENGLISH.get(self.key),
            Language::Fr => FRENCH.get(self.key),
        };
        // A test holds the catalogs to the keys; a missing one shows itself.
        let mut text = words.cloned().unwrap_or_else(|| self.key.to_owned());
        for (name, value) in &self.values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }
}

/// The language of the environment: French where LC_ALL, LC_MESSAGES or LANG begin with "fr".
pub fn from_environment() -> Language {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty());
    match set {
        Some(value) if value.starts_with("fr") => Language::Fr,
        _ => Language::En,
    }
}

/// Sections and keys joined by a point.
fn catalog(text: &str) -> Catalog {
    let sections: BTreeMap<String, Catalog> = toml::from_str(text).unwrap_or_default();
    let joined = sections.into_iter().flat_map(|(section, keys)| {
        keys.into_iter()
            .map(move |(key, words)| (format!("{section}.{key}"), words))
    });
    joined.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(words: &str) -> Vec<&str> {
        let mut names: Vec<&str> = words
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn both_languages_say_the_same() {
        assert!(ENGLISH.len() > 20);
        let keys = |catalog: &Catalog| catalog.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&ENGLISH), keys(&FRENCH));
        for (key, words) in ENGLISH.iter() {
            assert_eq!(values(words), values(&FRENCH[key]), "{key}");
        }
    }

    /// Every key that stands in the sources is in the catalogs, and no other.
    #[test]
    fn every_key_that_is_used_exists() {
        let sources = [
            include_str!("inventory.rs"),
            include_str!("plan.rs"),
            include_str!("progress/mod.rs"),
            include_str!("progress/render.rs"),
            include_str!("provision.rs"),
            include_str!("report.rs"),
            include_str!("main.rs"),
            include_str!("commands/check.rs"),
            include_str!("commands/run.rs"),
            include_str!("commands/devices.rs"),
            include_str!("commands/provision.rs"),
        ]
        .concat();
        for key in ENGLISH.keys() {
            assert!(sources.contains(&format!("\"{key}\"")), "{key} is not used");
        }
        for rest in sources.split("Text::new(\"").skip(1) {
            let key = rest.split('"').next().unwrap();
            assert!(ENGLISH.contains_key(key), "{key} has no words");
        }
    }
}
