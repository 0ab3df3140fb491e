//! What is said to a person, in English and French.
//!
//! The words live in `messages/en.toml` and `messages/fr.toml` (those of the
//! attended installation in `messages/screen.*.toml`), one table of keys each;
//! `{name}` stands for a value. A test holds both files to the same
//! keys and the same values.

use std::fmt::Display;
use std::sync::LazyLock;

use vigie_settings::{Language, Said};

pub use vigie_settings::Catalog;

static WORDS: LazyLock<Catalog> = LazyLock::new(|| {
    Catalog::new(
        concat!(
            include_str!("messages/en.toml"),
            include_str!("messages/screen.en.toml")
        ),
        concat!(
            include_str!("messages/fr.toml"),
            include_str!("messages/screen.fr.toml")
        ),
    )
});

/// A message: its key and values, in no language yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    key: &'static str,
    values: Vec<(&'static str, Value)>,
}

/// A value of a message: as it stands, a message itself, or the words of another catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Plain(String),
    Text(Text),
    Said(Said),
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
        self.values.push((name, Value::Plain(value.to_string())));
        self
    }

    /// With a message for `{name}`, which is said in the same language.
    pub fn with_text(mut self, name: &'static str, text: Text) -> Self {
        self.values.push((name, Value::Text(text)));
        self
    }

    /// With words for `{name}` that are there in both languages.
    pub fn with_said(mut self, name: &'static str, said: Said) -> Self {
        self.values.push((name, Value::Said(said)));
        self
    }

    /// In a language.
    pub fn to(&self, language: Language) -> String {
        let say = |value: &Value| match value {
            Value::Plain(text) => text.clone(),
            Value::Text(text) => text.to(language),
            Value::Said(said) => said.to(language).to_owned(),
        };
        let values = self.values.iter().map(|(name, value)| (*name, say(value)));
        WORDS.say(self.key, &values.collect::<Vec<_>>(), language)
    }
}

impl From<Text> for Said {
    fn from(text: Text) -> Self {
        Self::new(text.to(Language::En), text.to(Language::Fr))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn both_languages_say_the_same() {
        assert!(WORDS.keys().unwrap().len() > 20);
    }

    /// Every key that stands in the sources is in the catalogs, and no other.
    #[test]
    fn every_key_that_is_used_exists() {
        let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        let known = WORDS.keys().unwrap();
        for key in &known {
            assert!(sources.contains(&format!("\"{key}\"")), "{key} is not used");
        }
        for rest in sources.split("Text::new(\"").skip(1) {
            let key = rest.split('"').next().unwrap();
            assert!(known.contains(&key), "{key} has no words");
        }
    }

    /// The text of all Rust files in a folder but this one, which names keys that are none.
    fn sources(folder: &Path) -> String {
        let entries = std::fs::read_dir(folder).unwrap();
        let texts = entries.map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path)
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.ends_with("messages.rs")
            {
                std::fs::read_to_string(&path).unwrap()
            } else {
                String::new()
            }
        });
        texts.collect()
    }
}
